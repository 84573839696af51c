//! What of a user the platform keeps in step, in both directions.
//!
//! | attribute | SCIM |
//! |---|---|
//! | display name | `displayName` |
//! | given, family name | `name.givenName`, `name.familyName` |
//! | job title | `title` |
//! | worker type | `userType` |
//! | location, country | `addresses[type eq "work"]`: `locality`, `country` |
//! | department, cost centre, company | enterprise `department`, `costCenter`, `organization` |
//!
//! The usage location and the hire date have no place in SCIM: they are left out.

use iam_core::entitlement::{Account, Attribute, Attributes};
use serde_json::{Value, json};

use crate::patch::{Patch, Path};
use crate::users::{Address, ENTERPRISE, Enterprise, Name, User};

/// Attributes that SCIM has no place for.
pub(crate) const NOWHERE: [Attribute; 2] = [Attribute::UsageLocation, Attribute::HireDate];
const WORK: &str = "work";

/// A user as the account that plans speak of. An account whose `active` the server does not tell counts as
/// able to sign in: that is what has to be ended.
pub(crate) fn account(user: &User) -> Account {
    Account {
        id: user.id().to_owned(),
        name: user.user_name.clone().unwrap_or_default(),
        enabled: user.active != Some(false),
        deleted: false,
        synced: false,
        attributes: attributes(user),
        manager: user
            .enterprise
            .as_ref()
            .and_then(|enterprise| enterprise.manager.as_ref()?.value.clone()),
    }
}

fn attributes(user: &User) -> Attributes {
    let name = user.name.clone().unwrap_or_default();
    let enterprise = user.enterprise.clone().unwrap_or_default();
    let address = work_address(user).cloned().unwrap_or_default();
    let values = [
        (Attribute::DisplayName, user.display_name.clone()),
        (Attribute::GivenName, name.given_name),
        (Attribute::FamilyName, name.family_name),
        (Attribute::JobTitle, user.title.clone()),
        (Attribute::WorkerType, user.user_type.clone()),
        (Attribute::Location, address.locality),
        (Attribute::Country, address.country),
        (Attribute::Department, enterprise.department),
        (Attribute::CostCenter, enterprise.cost_center),
        (Attribute::Company, enterprise.organization),
    ];
    let filled = |(attribute, value): (Attribute, Option<String>)| {
        Some((attribute, value.filter(|text| !text.is_empty())?))
    };
    values.into_iter().filter_map(filled).collect()
}

fn work_address(user: &User) -> Option<&Address> {
    let is = |address: &&Address| {
        address
            .kind
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case(WORK))
    };
    user.addresses.iter().find(is)
}

/// A new user with those attributes.
pub(crate) fn fill(user: &mut User, attributes: &Attributes) -> Enterprise {
    let value = |attribute| {
        attributes
            .get(&attribute)
            .filter(|text| !text.is_empty())
            .cloned()
    };
    user.display_name = value(Attribute::DisplayName);
    user.title = value(Attribute::JobTitle);
    user.user_type = value(Attribute::WorkerType);
    let (given_name, family_name) = (value(Attribute::GivenName), value(Attribute::FamilyName));
    if given_name.is_some() || family_name.is_some() {
        user.name = Some(Name {
            family_name,
            given_name,
            ..Name::default()
        });
    }
    let (locality, country) = (value(Attribute::Location), value(Attribute::Country));
    if locality.is_some() || country.is_some() {
        user.addresses = vec![Address {
            locality,
            country,
            kind: Some(WORK.to_owned()),
            ..Address::default()
        }];
    }
    Enterprise {
        department: value(Attribute::Department),
        cost_center: value(Attribute::CostCenter),
        organization: value(Attribute::Company),
        ..Enterprise::default()
    }
}

/// Attribute values as changes of a user as it is now; an empty value clears, and what is so already is left
/// out. The address is written as a whole list, since setting a sub-attribute of an element that is not
/// there is refused by some servers and makes one at others.
pub(crate) fn patch<'a>(now: &User, values: impl IntoIterator<Item = (Attribute, &'a str)>) -> Patch {
    let have = attributes(now);
    let mut patch = Patch::new();
    let mut address = work_address(now).cloned().unwrap_or_default();
    let before = address.clone();
    for (attribute, value) in values {
        if have.get(&attribute).map_or("", String::as_str) == value {
            continue;
        }
        let text = Some(value.to_owned()).filter(|text| !text.is_empty());
        let place = match attribute {
            Attribute::Location => {
                address.locality = text;
                continue;
            }
            Attribute::Country => {
                address.country = text;
                continue;
            }
            Attribute::DisplayName => Path::from("displayName"),
            Attribute::GivenName => Path::from("name.givenName"),
            Attribute::FamilyName => Path::from("name.familyName"),
            Attribute::JobTitle => Path::from("title"),
            Attribute::WorkerType => Path::from("userType"),
            Attribute::Department => Path::new("department").within(ENTERPRISE),
            Attribute::CostCenter => Path::new("costCenter").within(ENTERPRISE),
            Attribute::Company => Path::new("organization").within(ENTERPRISE),
            _ => continue, // no place in SCIM
        };
        patch = match text {
            Some(text) => patch.set(place, text),
            None => patch.clear(place),
        };
    }
    if address != before {
        patch = patch.set("addresses", addresses(now, address));
    }
    patch
}

/// All addresses, the work address being this one.
fn addresses(now: &User, mut work: Address) -> Value {
    work.kind = Some(WORK.to_owned());
    // What was formatted from the old values is not true any more.
    work.other.shift_remove("formatted");
    let old = work_address(now);
    let rest = now.addresses.iter().filter(|address| Some(*address) != old);
    let all: Vec<&Address> = std::iter::once(&work).chain(rest).collect();
    json!(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        serde_json::from_value(json!({
            "id": "7", "userName": "ada", "displayName": "Ada", "title": "Analyst",
            "addresses": [{ "type": "home", "locality": "Leeds" }, { "type": "work", "locality": "Perth", "formatted": "Perth WA" }],
            ENTERPRISE: { "department": "Engines", "manager": { "value": "9" } },
        }))
        .unwrap()
    }

    #[test]
    fn a_user_is_read_as_an_account() {
        let account = account(&ada());
        assert_eq!((account.name.as_str(), account.enabled), ("ada", true));
        assert_eq!(account.manager.as_deref(), Some("9"));
        let expect = [
            (Attribute::DisplayName, "Ada"),
            (Attribute::JobTitle, "Analyst"),
            (Attribute::Location, "Perth"),
            (Attribute::Department, "Engines"),
        ];
        let expect: Attributes = expect
            .into_iter()
            .map(|(name, text)| (name, text.to_owned()))
            .collect();
        assert_eq!(account.attributes, expect);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let check = |values: &[(Attribute, &str)], expect: Value| {
            let body = patch(&ada(), values.iter().copied()).body();
            assert_eq!(body["Operations"], expect);
        };
        check(
            &[
                (Attribute::DisplayName, "Ada"),
                (Attribute::HireDate, "2026-01-01"),
            ],
            json!([]),
        );
        check(
            &[(Attribute::JobTitle, "")],
            json!([{ "op": "remove", "path": "title" }]),
        );
        check(&[(Attribute::CostCenter, "")], json!([]));
        check(
            &[(Attribute::GivenName, "Ada"), (Attribute::Department, "Looms")],
            json!([
                { "op": "replace", "path": "name.givenName", "value": "Ada" },
                { "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Looms" },
            ]),
        );
        check(
            &[(Attribute::Country, "AU")],
            json!([{ "op": "replace", "path": "addresses", "value": [
                { "locality": "Perth", "country": "AU", "type": "work" }, { "type": "home", "locality": "Leeds" },
            ] }]),
        );
    }
}
