//! [`Naming`]: the sign-in names a person may get, in order, and the display name.
//!
//! Invariants: the same person always has the same candidates; every candidate is legal (64 characters of
//! `a-z 0-9 . _ -` at most before the `@`, beginning and ending in a letter or digit; Microsoft Learn,
//! "userPrincipalName", and RFC 5321 §4.5.3.1.1) and none is a name that mail systems reserve. Whether one is
//! free is for the engine to find out.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::person::{Person, hex};

use super::spelling::Spelling;
use super::template::{LONGEST, Names, Template, tidy};

/// Numbers that `{n}` runs through.
const NUMBERS: RangeInclusive<u16> = 2..=999;

/// Local parts that never belong to a person (RFC 2142, and what services commonly claim).
const RESERVED: &[&str] = &[
    "abuse",
    "admin",
    "administrator",
    "all",
    "autodiscover",
    "billing",
    "contact",
    "daemon",
    "everyone",
    "ftp",
    "guest",
    "help",
    "helpdesk",
    "hostmaster",
    "hr",
    "info",
    "it",
    "jobs",
    "legal",
    "mail",
    "mailer-daemon",
    "marketing",
    "news",
    "no-reply",
    "nobody",
    "noc",
    "noreply",
    "null",
    "office",
    "postmaster",
    "privacy",
    "root",
    "sales",
    "security",
    "service",
    "ssladmin",
    "support",
    "sysadmin",
    "system",
    "usenet",
    "uucp",
    "webmaster",
    "www",
];

/// How people are named.
#[derive(Debug, Clone)]
pub struct Naming {
    domain: String,
    ladder: Vec<Template>,
    display: Template,
    /// The policy's own reserved names, lower case.
    reserved: BTreeSet<String>,
}

impl Naming {
    pub(super) fn new(domain: &str, ladder: Vec<Template>, display: Template) -> Self {
        Self {
            domain: domain.to_lowercase(),
            ladder,
            display,
            reserved: BTreeSet::new(),
        }
    }

    /// The same, with names that nobody gets besides those that nobody ever gets.
    #[must_use]
    pub(super) fn reserving(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.reserved
            .extend(names.into_iter().map(|name| name.to_lowercase()));
        self
    }

    fn is_reserved(&self, local: &str) -> bool {
        RESERVED.contains(&local) || self.reserved.contains(local)
    }

    /// The sign-in names to try for a person, best first: `local@domain` in lower case, finitely many, no
    /// duplicates. Templates that need something the person has not got are skipped; where nothing is
    /// left, the worker id serves.
    pub fn candidates(&self, person: &Person) -> impl Iterator<Item = String> {
        let spelling = Spelling::of(person);
        let names = Names::of(person, |name| spelling.fold(name));
        let employee_id = names.employee_id.clone();
        let mut seen = HashSet::new();
        let mut ladder = self
            .ladder
            .iter()
            .flat_map(move |template| {
                let numbers = if template.is_numbered() { NUMBERS } else { 0..=0 };
                let names = names.clone();
                numbers.filter_map(move |number| template.local(&names, number))
            })
            .filter(move |local| !self.is_reserved(local) && seen.insert(local.clone()))
            .peekable();
        let last = ladder.peek().is_none().then(|| {
            let mut local = employee_id;
            local.truncate(LONGEST);
            let local = tidy(&local);
            if local.is_empty() || self.is_reserved(&local) {
                format!("id-{}", &hex(&Sha256::digest(person.key.as_str()))[..12])
            } else {
                local
            }
        });
        ladder.chain(last).map(|local| format!("{local}@{}", self.domain))
    }

    /// The display name, in the script HR writes it in; at most 256 characters. Where the template needs a
    /// middle name that the person has not got, the preferred and the family name; where the person has no
    /// name at all, the worker id.
    pub fn display_name(&self, person: &Person) -> String {
        let names = Names::of(person, |name| {
            let visible = |c: &char| c.is_whitespace() || !(c.is_control() || is_direction_mark(*c));
            name.nfc().filter(visible).collect::<String>().trim().to_owned()
        });
        let or_plain = self.display.fill(&names, 0).map_or_else(
            || format!("{} {}", names.preferred, names.family),
            |pieces| pieces.into_iter().map(|(_, text)| text).collect(),
        );
        let written = if or_plain.trim().is_empty() {
            names.employee_id
        } else {
            or_plain
        };
        let words: Vec<&str> = written.split_whitespace().collect();
        let name: String = words.join(" ").chars().take(256).collect();
        name.trim_end().to_owned()
    }
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for template in &self.ladder {
            write!(f, "{template}, ")?;
        }
        write!(f, "shown as {}", self.display)?;
        for name in &self.reserved {
            write!(f, ", not {name}")?;
        }
        Ok(())
    }
}

/// Marks that make text read in another order than it is written: no name needs them, and they can disguise one.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::person::PersonKey;

    fn naming(ladder: &[&str], display: &str) -> Naming {
        let ladder = ladder
            .iter()
            .map(|text| Template::sign_in(text).unwrap())
            .collect();
        Naming::new("Contoso.example", ladder, Template::display(display).unwrap())
    }

    fn standard() -> Naming {
        let ladder = [
            "{given}.{family}",
            "{given}.{middle_initial}.{family}",
            "{given}.{family}{n}",
        ];
        naming(&ladder, "{preferred} {family}")
    }

    /// A person from `given|middle|family|preferred`.
    fn person(names: &str, country: &str) -> Person {
        let mut person = Person::new(PersonKey::new("W-2015"));
        let mut names = names
            .split('|')
            .map(|name| (!name.is_empty()).then(|| name.to_owned()));
        person.given_name = names.next().flatten();
        person.middle_name = names.next().flatten();
        person.family_name = names.next().flatten();
        person.preferred_name = names.next().flatten();
        person.country = (!country.is_empty()).then(|| country.to_owned());
        person
    }

    fn locals(naming: &Naming, person: &Person, count: usize) -> Vec<String> {
        let names = naming.candidates(person).take(count);
        names
            .map(|name| name.strip_suffix("@contoso.example").unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_names_of_the_example_data() {
        let check = |names: &str, country: &str, local: &str, display: &str| {
            let person = person(names, country);
            assert_eq!(locals(&standard(), &person, 1), [local], "{names}");
            assert_eq!(standard().display_name(&person), display, "{names}");
        };
        check("José||García", "AU", "jose.garcia", "José García");
        check("Jose||Garcia", "BR", "jose.garcia", "Jose Garcia");
        check("Anna||Müller", "DE", "anna.mueller", "Anna Müller");
        check("Anna||Mueller", "DE", "anna.mueller", "Anna Mueller");
        check("Anna||Müller", "GB", "anna.muller", "Anna Müller");
        check("Hanna||Strauß", "DE", "hanna.strauss", "Hanna Strauß");
        check("Zoë||van der Berg", "GB", "zoe.vanderberg", "Zoë van der Berg");
        check(
            "Łukasz||Wiśniewski",
            "PL",
            "lukasz.wisniewski",
            "Łukasz Wiśniewski",
        );
        check("Nils||Ørsted", "DE", "nils.orsted", "Nils Ørsted");
        check("Åse||Østergård", "DK", "aase.oestergaard", "Åse Østergård");
        check("Åsa||Sjöberg", "SE", "asa.sjoberg", "Åsa Sjöberg");
        check("Thảo|Thị|Nguyễn", "AU", "thao.nguyen", "Thảo Nguyễn");
        check("Sukarno||", "AU", "sukarno", "Sukarno");
        check("||Sukarno", "AU", "sukarno", "Sukarno");
        check("Siobhán||O'Brien", "GB", "siobhan.obrien", "Siobhán O'Brien");
        check("Siobhán||O’Brien", "GB", "siobhan.obrien", "Siobhán O’Brien");
        check(
            "Sinéad||Ó Súilleabháin",
            "GB",
            "sinead.osuilleabhain",
            "Sinéad Ó Súilleabháin",
        );
        check(
            "Jean-Luc||Lefèvre-Dubois",
            "CA",
            "jean-luc.lefevre-dubois",
            "Jean-Luc Lefèvre-Dubois",
        );
        check("小龍||李|Siu-lung", "JP", "xiaolong.li", "Siu-lung 李");
        check("Ольга||Шевченко|Olha", "PL", "olga.shevchenko", "Olha Шевченко");
        check(
            "Γιώργος||Παπαδόπουλος",
            "DE",
            "giorgos.papadopoylos",
            "Γιώργος Παπαδόπουλος",
        );
        check(
            "Andre\u{301}||Be\u{301}land",
            "CA",
            "andre.beland",
            "André Béland",
        );
        check("  Hannah ||Kowalski", "PL", "hannah.kowalski", "Hannah Kowalski");
        check("J. R.||Smith Jr.", "GB", "j.r.smithjr", "J. R. Smith Jr.");
        check("||", "GB", "w-2015", "W-2015");
        check("\u{202e}Eva||Novak", "GB", "eva.novak", "Eva Novak");
        for country in ["JP", ""] {
            for names in ["さくら||田中", "فاطمة||الحسن", "प्रिया||शर्मा"]
            {
                let local = &locals(&standard(), &person(names, country), 1)[0];
                assert!(local.contains('.') && local.len() > 6, "{names} is {local}");
            }
        }
    }

    #[test]
    fn a_long_name_is_cut_so_that_a_number_still_fits() {
        let family = "Albuquerque de Vasconcelos e Souza Cavalcanti Rodrigues de Figueiredo";
        let person = person(&format!("Maria Aparecida||{family}|Cida"), "BR");
        let names = locals(&standard(), &person, 2000);
        assert_eq!(names[0].len(), 64);
        assert!(
            names
                .iter()
                .all(|name| name.len() <= 64 && name.starts_with("mariaaparecida.albuquerquede"))
        );
        assert!(names[1].ends_with('2') && names[998].ends_with("999"));
        assert_eq!(names.len(), 999, "the name itself, then 2 to 999");
    }

    #[test]
    fn the_ladder_goes_on_and_skips_what_a_person_has_not_got() {
        let john = person("John|Allen|Smith", "AU");
        assert_eq!(
            locals(&standard(), &john, 4),
            ["john.smith", "john.a.smith", "john.smith2", "john.smith3"]
        );
        let john = person("John||Smith", "GB");
        assert_eq!(locals(&standard(), &john, 2), ["john.smith", "john.smith2"]);
        let sukarno = person("Sukarno||", "AU");
        assert_eq!(locals(&standard(), &sukarno, 2), ["sukarno", "sukarno2"]);
        let ladder = naming(
            &["{given_initial}{family}", "{family}.{given}", "{given}{n}-x"],
            "{family}, {given}",
        );
        assert_eq!(
            locals(&ladder, &sukarno, 3),
            ["sukarno", "sukarno2-x", "sukarno3-x"]
        );
        assert_eq!(ladder.display_name(&sukarno), "Sukarno");
        assert_eq!(ladder.display_name(&john), "Smith, John");
        let middle = naming(&["{middle}.{family}"], "{given} {middle_initial}. {family}");
        assert_eq!(locals(&middle, &john, 9), ["w-2015"]);
        assert_eq!(middle.display_name(&john), "John Smith");
        let twice = naming(&["{given}.{family}", "{preferred}.{family}"], "{given}");
        assert_eq!(locals(&twice, &john, 9), ["john.smith"]);
    }

    #[test]
    fn the_policy_s_own_reserved_names_are_nobody_s_either() {
        let naming = naming(&["{given}", "{family}", "{given}{n}"], "{given}").reserving(["Ceo".to_owned()]);
        assert_eq!(locals(&naming, &person("CEO||Ng", ""), 2), ["ng", "ceo2"]);
        assert_eq!(locals(&naming, &person("Ceó||Billing", ""), 1), ["ceo2"]);
    }

    #[test]
    fn reserved_names_are_nobody_s() {
        let given = naming(&["{given}", "{given}{n}"], "{given}");
        assert_eq!(locals(&given, &person("Root||", ""), 1), ["root2"]);
        assert_eq!(
            locals(&naming(&["{given}"], "{given}"), &person("Ädmin||", ""), 9),
            ["w-2015"]
        );
        let mut admin = person("||", "");
        for (key, local) in [("Admin", "id-c1c224b03cd9"), ("??", "id-"), ("W 7", "w7")] {
            admin.key = PersonKey::new(key);
            let found = &locals(&given, &admin, 9)[0];
            assert!(found.starts_with(local), "{key} is {found}");
        }
    }

    proptest! {
        #![proptest_config(crate::policy::cases(600))]

        #[test]
        fn every_name_gives_legal_sign_in_names(
            given in proptest::option::of(any::<String>()),
            middle in proptest::option::of("\\PC{0,12}"),
            family in proptest::option::of("[\\p{L}\\p{M}'. -]{0,90}"),
            key in "\\PC{1,80}",
            country in proptest::option::of(proptest::sample::select(vec!["DE", "DK", "SE", "JP", "??"])),
        ) {
            let mut person = Person::new(PersonKey::new(key));
            person.given_name = given;
            person.middle_name = middle;
            person.family_name = family;
            person.country = country.map(str::to_owned);
            let ladder = ["{given}.{family}", "{given_initial}_{middle_initial}-{family}{n}", "{n}{employee_id}"];
            let naming = naming(&ladder, "{family}, {given} {middle}");
            let names: Vec<String> = naming.candidates(&person).collect();
            prop_assert!(!names.is_empty() && names.len() <= 3000);
            for name in &names {
                let local = name.strip_suffix("@contoso.example").unwrap();
                let inner = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
                let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                prop_assert!(local.len() <= 64 && local.chars().all(inner), "{}", local);
                prop_assert!(local.starts_with(end) && local.ends_with(end) && !local.contains(".."), "{}", local);
            }
            let unique: HashSet<&String> = names.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
            let display = naming.display_name(&person);
            prop_assert!(!display.contains("  ") && display.trim() == display);
        }
    }
}
