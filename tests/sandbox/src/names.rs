//! Given and family names that go together, by language: with marks, with apostrophes and particles, and in scripts
//! that have to be transliterated.

/// Eight given and eight family names of each language, in lists with commas.
pub(crate) const NAMES: [(&str, &str); 17] = [
    (
        "Oliver, Charlotte, Jack, Amelia, Noah, Isla, William, Grace",
        "Smith, Nguyen, Williams, O'Brien, Taylor, McDonald, Clarke, Hughes",
    ),
    (
        "Lukas, Jürgen, Anna, Björn, Käthe, Sophie, Maximilian, Lena",
        "Müller, Schröder, Weiß, Fischer, Groß, Schäfer, Becker, von Braun",
    ),
    (
        "João, Conceição, Camila, Antônio, Inês, Luís, Beatriz, Caetano",
        "Silva, Gonçalves, Rocha, Araújo, da Costa, Simões, Pereira, Magalhães",
    ),
    (
        "María, José, Íñigo, Lucía, Diego, Sofía, Andrés, Begoña",
        "Fernández, Núñez, García López, Ibáñez, Peña, Martínez, Ruiz, de la Cruz",
    ),
    (
        "Chloé, François, Zoé, Jérôme, Éloïse, Benoît, Maëlle, Guy",
        "Lefèvre, Dubois, d'Artois, Garçon, Moreau, Girard, Le Goff, Bérénger",
    ),
    (
        "Zofia, Łukasz, Agnieszka, Paweł, Małgorzata, Wojciech, Żaneta, Jan",
        "Kowalski, Wójcik, Dąbrowska, Łoś, Zieliński, Święty, Nowak, Kaźmierczak",
    ),
    (
        "Yuki, Haruto, Sakura, Ren, 陽葵, 健太, Aoi, Takumi",
        "Mori, Tanaka, 佐藤, Suzuki, 高橋, Itō, Watanabe, Kobayashi",
    ),
    (
        "Elena, Дмитрий, Olga, Сергей, Наталья, Ivan, Anastasia, Юрий",
        "Petrov, Иванов, Smirnov, Щербаков, Volkov, Кузнецов, Orlov, Цветков",
    ),
    (
        "Wei, Mei, 李娜, Jun, 小明, Xia, Hao, Ling",
        "Zhang, 王, Li, 陈, Zhao, Ouyang, Huang, Wu",
    ),
    (
        "Tariq, Fatima, Omar, Layla, Yusuf, Aisha, Khalid, Nour",
        "Aziz, al-Farsi, Haddad, Mansour, ibn Said, Khan, Rahman, El Amrani",
    ),
    (
        "Γιώργος, Ελένη, Nikos, Katerina, Δημήτρης, Sofia, Ανδρέας, Ioanna",
        "Παπαδόπουλος, Georgiou, Νικολάου, Vlachos, Αντωνίου, Makris, Οικονόμου, Ioannou",
    ),
    (
        "민준, Seo-yeon, 지우, Ji-hoon, 서연, Min-ji, 하준, Yuna",
        "김, Lee, 박, Choi, 정, Kang, 윤, Jang",
    ),
    (
        "Emre, Çağla, Uğur, Şule, İbrahim, Gökçe, Ömer, Işıl",
        "Yılmaz, Kaya, Öztürk, Şahin, Çelik, Aydın, Güneş, Doğan",
    ),
    (
        "Dagný, Þór, Æsa, Sigurður, Håkon, Åse, Søren, Mäkinen-Aino",
        "Þórsdóttir, Ólafsson, Bjørnstad, Ångström, Kjærgård, Hämäläinen, Nygård, Ærø",
    ),
    (
        "आरव, Priya, दीपा, Arjun, कमला, Rohan, अनिल, Ananya",
        "शर्मा, Patel, सिंह, Iyer, गुप्ता, Nair, वर्मा, Reddy",
    ),
    (
        "Nguyễn Minh, Thị Hương, Đức, Phương, Quỳnh, Hải, Bảo, Ánh",
        "Trần, Lê, Phạm, Huỳnh, Vũ, Đặng, Bùi, Đỗ",
    ),
    (
        "Chukwuemeka, Oluwaseun, Wanjiru, Siobhán, Niamh, Nonhlanhla, Ọlá, Ngozi",
        "Adeyemi, Okonkwo, Mwangi, O'Donoghue, Ní Bhriain, N'Diaye, Ọbásanjọ́, Mac Giolla",
    ),
];
