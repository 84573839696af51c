//! How a name is written in the letters of sign-in names, by the rules of the language it comes from.
//!
//! HR says no language, so the country of work stands for it, and where HR says none, the time zone of the work
//! location. Letters without a rule are written as `any_ascii` romanises them: `ł` is `l`, `李` is `li`.
//! Sources: DIN 5007-2 (German), the Danish and Norwegian spelling rules, ELOT 743 (Greek), the Ukrainian Cabinet's
//! resolution 55 of 2010, the Bulgarian transliteration act of 2009.

use unicode_normalization::UnicodeNormalization;

use crate::person::Person;

use super::template::{legal, tidy};

/// Whose rules a name is written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    German,
    /// Danish, Norwegian, Faroese: `å` is `aa`.
    Danish,
    Icelandic,
    Estonian,
    Greek,
    Ukrainian,
    Bulgarian,
    Serbian,
    Plain,
}

const BY_COUNTRY: [(&str, Spelling); 18] = [
    ("DE", Spelling::German),
    ("AT", Spelling::German),
    ("CH", Spelling::German),
    ("LI", Spelling::German),
    ("DK", Spelling::Danish),
    ("NO", Spelling::Danish),
    ("FO", Spelling::Danish),
    ("GL", Spelling::Danish),
    ("SJ", Spelling::Danish),
    ("IS", Spelling::Icelandic),
    ("EE", Spelling::Estonian),
    ("GR", Spelling::Greek),
    ("CY", Spelling::Greek),
    ("UA", Spelling::Ukrainian),
    ("BG", Spelling::Bulgarian),
    ("RS", Spelling::Serbian),
    ("BA", Spelling::Serbian),
    ("ME", Spelling::Serbian),
];

const BY_ZONE: [(&str, Spelling); 24] = [
    ("Europe/Berlin", Spelling::German),
    ("Europe/Busingen", Spelling::German),
    ("Europe/Vienna", Spelling::German),
    ("Europe/Zurich", Spelling::German),
    ("Europe/Vaduz", Spelling::German),
    ("Europe/Copenhagen", Spelling::Danish),
    ("Europe/Oslo", Spelling::Danish),
    ("Arctic/Longyearbyen", Spelling::Danish),
    ("Atlantic/Faroe", Spelling::Danish),
    ("America/Nuuk", Spelling::Danish),
    ("America/Godthab", Spelling::Danish),
    ("Atlantic/Reykjavik", Spelling::Icelandic),
    ("Europe/Tallinn", Spelling::Estonian),
    ("Europe/Athens", Spelling::Greek),
    ("Asia/Nicosia", Spelling::Greek),
    ("Europe/Nicosia", Spelling::Greek),
    ("Asia/Famagusta", Spelling::Greek),
    ("Europe/Kyiv", Spelling::Ukrainian),
    ("Europe/Kiev", Spelling::Ukrainian),
    ("Europe/Uzhgorod", Spelling::Ukrainian),
    ("Europe/Sofia", Spelling::Bulgarian),
    ("Europe/Belgrade", Spelling::Serbian),
    ("Europe/Sarajevo", Spelling::Serbian),
    ("Europe/Podgorica", Spelling::Serbian),
];

impl Spelling {
    pub(super) fn of(person: &Person) -> Self {
        let found = match (&person.country, &person.time_zone) {
            (Some(country), _) => BY_COUNTRY
                .iter()
                .find(|(code, _)| country.eq_ignore_ascii_case(code)),
            (None, Some(zone)) => BY_ZONE.iter().find(|(name, _)| zone.eq_ignore_ascii_case(name)),
            (None, None) => None,
        };
        found.map_or(Self::Plain, |(_, spelling)| *spelling)
    }

    /// Writes a name in the letters of sign-in names.
    pub(super) fn fold(self, name: &str) -> String {
        let letters: Vec<char> = name.nfc().flat_map(char::to_lowercase).nfc().collect();
        let mut folded = String::with_capacity(name.len());
        let mut at = 0;
        while let Some(letter) = letters.get(at) {
            let first = at
                .checked_sub(1)
                .and_then(|before| letters.get(before))
                .is_none_or(|c| !c.is_alphabetic());
            let (written, taken) = match self.pair(*letter, letters.get(at + 1).copied(), first) {
                Some(written) => (written, 2),
                None => (
                    self.letter(*letter, first)
                        .unwrap_or_else(|| any_ascii::any_ascii_char(*letter)),
                    1,
                ),
            };
            folded.push_str(written);
            at += taken;
        }
        folded.make_ascii_lowercase();
        folded.retain(legal);
        tidy(&folded)
    }

    /// Two letters that are written as one sound.
    fn pair(self, letter: char, next: Option<char>, first: bool) -> Option<&'static str> {
        match (self, letter, next?) {
            (Self::Greek, 'ο', 'υ' | 'ύ') => Some("ou"),
            (Self::Greek, 'γ', 'γ') => Some("ng"),
            (Self::Greek, 'γ', 'ξ') => Some("nx"),
            (Self::Greek, 'γ', 'χ') => Some("nch"),
            (Self::Greek, 'μ', 'π') if first => Some("b"),
            (Self::Ukrainian, 'з', 'г') => Some("zgh"),
            _ => None,
        }
    }

    fn letter(self, letter: char, first: bool) -> Option<&'static str> {
        Some(match (self, letter) {
            (Self::German, 'ä') | (Self::Danish | Self::Icelandic, 'æ') => "ae",
            (Self::German, 'ö') | (Self::Danish, 'ø') => "oe",
            (Self::German, 'ü') => "ue",
            (Self::Danish, 'å') => "aa",
            (Self::Icelandic, 'þ') => "th",
            (Self::Icelandic, 'ð') => "d",
            (Self::Estonian, 'õ' | 'ö') => "o",
            (Self::Estonian, 'ä') => "a",
            (Self::Estonian, 'ü') => "u",
            (Self::Serbian, 'đ' | 'ђ') => "dj",
            (Self::Greek, other) => return greek(other),
            (Self::Ukrainian, other) => return ukrainian(other, first),
            (Self::Bulgarian, other) => return bulgarian(other),
            _ => return None,
        })
    }
}

fn greek(letter: char) -> Option<&'static str> {
    Some(match letter {
        'β' => "v",
        'η' | 'ή' | 'ι' | 'ί' | 'ϊ' | 'ΐ' => "i",
        'θ' => "th",
        'ξ' => "x",
        'υ' | 'ύ' | 'ϋ' | 'ΰ' => "y",
        'φ' => "f",
        'χ' => "ch",
        'ψ' => "ps",
        'ω' | 'ώ' => "o",
        _ => return None,
    })
}

fn ukrainian(letter: char, first: bool) -> Option<&'static str> {
    Some(match letter {
        'г' => "h",
        'ґ' => "g",
        'є' if first => "ye",
        'ї' if first => "yi",
        'й' if first => "y",
        'ю' if first => "yu",
        'я' if first => "ya",
        'є' => "ie",
        'ї' | 'й' | 'і' => "i",
        'ю' => "iu",
        'я' => "ia",
        'и' => "y",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ж' => "zh",
        'ь' | '\'' | '’' | 'ʼ' => "",
        _ => return None,
    })
}

fn bulgarian(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ж' => "zh",
        'й' | 'ь' => "y",
        'х' => "h",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "sht",
        'ъ' => "a",
        'ю' => "yu",
        'я' => "ya",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::PersonKey;

    #[test]
    fn names_are_written_as_their_language_writes_them() {
        for (country, name, written) in [
            ("DE", "Jörg Müßiggänger", "joergmuessiggaenger"),
            ("AT", "Ödön", "oedoen"),
            ("ch", "Zürcher", "zuercher"),
            ("HU", "Ödön Szűcs", "odonszucs"),
            ("SE", "Åström Öberg", "astromoberg"),
            ("FI", "Mäkelä", "makela"),
            ("DK", "Ågård Sørensen Ærø", "aagaardsoerensenaeroe"),
            ("NO", "Håkon Bjørnstad", "haakonbjoernstad"),
            ("IS", "Þórður Ævarsson", "thordurAevarsson"),
            ("EE", "Õunapuu Jüri", "ounapuujuri"),
            ("FR", "Œuvrard Noël Çelik", "oeuvrardnoelcelik"),
            ("TR", "İlkay Işık Ğüneş Şahin", "ilkayisikgunessahin"),
            ("PL", "Łucja Śźężćą", "lucjaszezca"),
            ("CZ", "Řehoř Žďár", "rehorzdar"),
            ("RO", "Ștefan Țepeș", "stefantepes"),
            ("VN", "Đặng Thị Hường", "dangthihuong"),
            ("HR", "Đurđa Čović", "durdacovic"),
            ("RS", "Đorđe Ђорђевић", "djordjedjordjevic"),
            ("ES", "Íñigo Muñoz", "inigomunoz"),
            ("NL", "Ĳsbrand Çiçek", "ijsbrandcicek"),
            (
                "GR",
                "Παπαδόπουλος Μπάμπης Αγγελική",
                "papadopoulosbampisangeliki",
            ),
            ("GR", "Γιώργος Ξένος Ψαρρός Φωτεινή", "giorgosxenospsarrosfoteini"),
            ("UA", "Згурський Юрій Щербань", "zghurskyiyuriishcherban"),
            ("UA", "Ольга Гнатюк Ґалаґан", "olhahnatiukgalagan"),
            ("BG", "Щерю Ъгълов Хаджиева", "shteryuagalovhadzhieva"),
            ("", "Müller", "muller"),
            ("", "Аnna", "anna"), // the first letter is Cyrillic
            ("", "O\u{2019}Brien", "obrien"),
        ] {
            let mut person = Person::new(PersonKey::new("W-1"));
            person.country = (!country.is_empty()).then(|| country.to_owned());
            let folded = Spelling::of(&person).fold(name);
            assert_eq!(folded, written.to_lowercase(), "{name} in {country}");
        }
    }

    #[test]
    fn the_zone_stands_in_where_hr_says_no_country_and_never_against_one() {
        let of = |country: Option<&str>, zone: &str| {
            let mut person = Person::new(PersonKey::new("W-1"));
            (person.country, person.time_zone) = (country.map(Into::into), Some(zone.to_owned()));
            Spelling::of(&person)
        };
        assert_eq!(of(None, "europe/berlin"), Spelling::German);
        assert_eq!(of(None, "Europe/London"), Spelling::Plain);
        assert_eq!(of(Some("GB"), "Europe/Berlin"), Spelling::Plain);
        for (zone, _) in BY_ZONE {
            assert!(jiff::tz::TimeZone::get(zone).is_ok(), "{zone}");
        }
    }
}
