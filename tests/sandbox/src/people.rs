//! A generated company: employees beyond the long-known ones, as many as asked for, the same for the same seed.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Map, Value, json};

use crate::directory::{Directory, Holding, Object};
use crate::ids::Ids;
use crate::membership;
use crate::names::NAMES;
use crate::schema::Kind;

/// Department, cost centre, titles.
const DEPARTMENTS: [(&str, &str, [&str; 3]); 8] = [
    (
        "Clinical",
        "CLN-210",
        ["Registered Nurse", "Physician", "Physiotherapist"],
    ),
    (
        "Engineering",
        "ENG-100",
        [
            "Software Engineer",
            "Site Reliability Engineer",
            "Engineering Manager",
        ],
    ),
    (
        "Security",
        "SEC-100",
        ["Security Analyst", "Security Engineer", "Incident Responder"],
    ),
    (
        "Finance",
        "FIN-120",
        ["Accountant", "Controller", "Payroll Clerk"],
    ),
    (
        "HR",
        "HR-100",
        ["Case Manager", "Recruiter", "HR Business Partner"],
    ),
    (
        "Sales",
        "SAL-110",
        ["Sales Analyst", "Account Executive", "Sales Manager"],
    ),
    ("Facilities", "FAC-130", ["Porter", "Ward Clerk", "Electrician"]),
    (
        "Research",
        "RES-140",
        ["Statistician", "Study Nurse", "Data Steward"],
    ),
];

/// Office, country, company.
const PLACES: [(&str, &str, &str); 6] = [
    ("Sydney", "AU", "Contoso Health Pty Ltd"),
    ("Berlin", "DE", "Contoso Kliniken GmbH"),
    ("London", "GB", "Contoso Health UK, Ltd"),
    ("São Paulo", "BR", "Contoso Saúde Ltda."),
    ("Toronto", "CA", "Contoso Health Canada, Inc."),
    ("Tokyo", "JP", "Contoso Health K.K."),
];

/// The licence of everybody, as long as there are seats.
const LICENSE: &str = "SPE_E3";

/// Hires that many people: in All Staff, and licensed while no more than nine tenths of the seats are taken, so that
/// whoever joins later finds one.
pub(crate) fn hire(directory: &mut Directory, count: usize, seed: u64, domain: &str, now: Timestamp) {
    let mut chance = Ids::new(seed ^ 0x9E0_91E);
    let mut taken: HashMap<String, u32> = HashMap::new();
    let all_staff = directory
        .all(Kind::Group)
        .find(|group| group.text("displayName") == Some("All Staff"))
        .map(|group| group.id.clone());
    for number in 1..=count {
        let (mut props, nickname) = person(&mut chance, number);
        let times = taken.entry(nickname.clone()).or_default();
        *times += 1;
        // The seeded staff have names without numbers.
        let nickname = format!("{nickname}.g{times}");
        let address = format!("{nickname}@{domain}");
        props.insert("mailNickname".to_owned(), nickname.into());
        props.insert("userPrincipalName".to_owned(), address.clone().into());
        let (id, place) = (directory.ids.guid(), directory.next_place());
        props.insert("id".to_owned(), id.clone().into());
        let seat = directory.skus.iter_mut().find(|sku| sku.part == LICENSE);
        let seat = seat.filter(|sku| sku.holders.len() < sku.seats / 10 * 9);
        let license = seat.map(|sku| {
            sku.holders.insert(id.clone());
            sku.id.clone()
        });
        if license.is_some() {
            props.insert("proxyAddresses".to_owned(), json!([format!("SMTP:{address}")]));
            props.insert("mail".to_owned(), address.into());
        }
        // Collected anew it has no spare room, which counts with a hundred thousand.
        let props: Map<String, Value> = props.into_iter().collect();
        let hired = props.get("employeeHireDate").and_then(Value::as_str);
        let since = hired.and_then(|hired| hired.parse().ok()).unwrap_or(now);
        let mut user = Object::new(id.clone(), Kind::User, place, since, props);
        user.password_version = 1;
        user.licenses = license
            .into_iter()
            .map(|sku| {
                let holding = Holding {
                    disabled_plans: Vec::new(),
                    since,
                    error: "None",
                };
                (sku, holding)
            })
            .collect();
        directory.put_live(user);
        if let Some(group) = &all_staff {
            directory.members.add(group, &id);
        }
    }
    let dynamic: Vec<String> = directory
        .all(Kind::Group)
        .filter(|group| group.is_dynamic())
        .map(|group| group.id.clone())
        .collect();
    for group in dynamic {
        membership::apply_rule(directory, &group, now);
    }
}

fn pick<'a, T>(chance: &mut Ids, from: &'a [T]) -> &'a T {
    let length = u64::try_from(from.len()).unwrap_or(u64::MAX);
    let index = usize::try_from(chance.number() % length).unwrap_or_default();
    &from[index]
}

/// One of the names in a list with commas.
fn name(chance: &mut Ids, names: &'static str) -> &'static str {
    let names: Vec<&str> = names.split(", ").collect();
    let found: &&str = pick(chance, &names);
    found
}

/// Somebody's properties without the sign-in name, and the name to begin it with.
fn person(chance: &mut Ids, number: usize) -> (Map<String, Value>, String) {
    let (given, family) = *pick(chance, &NAMES);
    let (given, family) = (name(chance, given), name(chance, family));
    let (department, cost_center, titles) = pick(chance, &DEPARTMENTS);
    let (office, country, company) = *pick(chance, &PLACES);
    let title = *pick(chance, titles);
    let days = i64::try_from(chance.number() % 5400).unwrap_or_default();
    let day = date(2011, 1, 3).saturating_add(jiff::Span::new().days(days));
    let hired = format!("{day}T00:00:00Z");
    let kind = if chance.number().is_multiple_of(12) {
        "Contractor"
    } else {
        "Employee"
    };
    let props = json!({
        "accountEnabled": true, "displayName": format!("{given} {family}"), "givenName": given, "surname": family,
        "userType": "Member", "employeeId": format!("G-{number:05}"), "employeeType": kind,
        "employeeHireDate": hired, "employeeOrgData": { "costCenter": cost_center }, "department": department,
        "jobTitle": title, "officeLocation": office, "country": country, "usageLocation": country,
        "companyName": company, "createdDateTime": hired, "lastPasswordChangeDateTime": hired,
        "signInSessionsValidFromDateTime": hired,
    });
    let plain = |name: &str| -> String {
        let ascii = any_ascii::any_ascii(name).to_lowercase();
        ascii.chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let nickname = format!("{}.{}", plain(given), plain(family));
    match props {
        Value::Object(props) => (props, nickname),
        _ => (Map::new(), nickname),
    }
}
