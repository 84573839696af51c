//! [`Account`]s and their attributes in Graph's words, in both directions.

use iam_core::entitlement::{Account, Attribute, Attributes};
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::deleted::name_before;
use crate::users::{User, UserPatch};

/// Every attribute and the property that holds it.
const ATTRIBUTES: [(Attribute, &str); 12] = [
    (Attribute::DisplayName, "displayName"),
    (Attribute::GivenName, "givenName"),
    (Attribute::FamilyName, "surname"),
    (Attribute::Department, "department"),
    (Attribute::JobTitle, "jobTitle"),
    (Attribute::Location, "officeLocation"),
    (Attribute::Country, "country"),
    (Attribute::UsageLocation, "usageLocation"),
    (Attribute::Company, "companyName"),
    (Attribute::CostCenter, "employeeOrgData"),
    (Attribute::WorkerType, "employeeType"),
    (Attribute::HireDate, "employeeHireDate"),
];

/// What Graph says of a user, as an account.
pub(crate) fn account(user: &User) -> Account {
    Account {
        id: user.id.clone(),
        name: user.user_principal_name.clone().unwrap_or_default(),
        enabled: user.account_enabled.unwrap_or(false),
        deleted: false,
        synced: user.on_premises_sync_enabled.unwrap_or(false),
        attributes: attributes(user),
        manager: user.manager.as_ref().map(|manager| manager.id.clone()),
    }
}

/// The same for a soft-deleted user, under the name it had.
pub(crate) fn deleted_account(user: &User) -> Account {
    Account {
        name: name_before(user).to_owned(),
        deleted: true,
        ..account(user)
    }
}

fn attributes(user: &User) -> Attributes {
    let value = |attribute| match attribute {
        Attribute::DisplayName => user.display_name.clone(),
        Attribute::GivenName => user.given_name.clone(),
        Attribute::FamilyName => user.surname.clone(),
        Attribute::Department => user.department.clone(),
        Attribute::JobTitle => user.job_title.clone(),
        Attribute::Location => user.office_location.clone(),
        Attribute::Country => user.country.clone(),
        Attribute::UsageLocation => user.usage_location.clone(),
        Attribute::Company => user.company_name.clone(),
        Attribute::CostCenter => user.employee_org_data.as_ref()?.cost_center.clone(),
        Attribute::WorkerType => user.employee_type.clone(),
        Attribute::HireDate => user.employee_hire_date.as_deref().and_then(civil),
        _ => None,
    };
    let filled = |(attribute, _)| Some((attribute, value(attribute).filter(|text| !text.is_empty())?));
    ATTRIBUTES.into_iter().filter_map(filled).collect()
}

/// The civil date of an instant that was written as midnight UTC.
fn civil(text: &str) -> Option<String> {
    let instant: Timestamp = text.parse().ok()?;
    Some(TimeZone::UTC.to_datetime(instant).date().to_string())
}

/// Attribute values as property values; an empty value clears.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a hire date that is not `yyyy-mm-dd`, and for an attribute this version does
/// not know.
pub(crate) fn patch<'a>(values: impl IntoIterator<Item = (Attribute, &'a str)>) -> Result<UserPatch> {
    values
        .into_iter()
        .try_fold(UserPatch::new(), |patch, (attribute, value)| {
            let property = ATTRIBUTES
                .iter()
                .find(|(known, _)| *known == attribute)
                .map(|(_, name)| *name);
            let invalid =
                |what: &str| Error::new(ErrorKind::Invalid, format!("{}: {what}", attribute.as_str()));
            let property = property.ok_or_else(|| invalid("Graph has no property for this attribute"))?;
            let value = match attribute {
                _ if value.is_empty() && attribute != Attribute::CostCenter => Value::Null,
                Attribute::CostCenter => json!({ "costCenter": Some(value).filter(|text| !text.is_empty()) }),
                Attribute::HireDate => {
                    let date: Date = value
                        .parse()
                        .map_err(|_| invalid("expected a date as yyyy-mm-dd"))?;
                    format!("{date}T00:00:00Z").into()
                }
                _ => value.into(),
            };
            Ok(patch.set(property, value))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_were_written() {
        let written: Attributes = ATTRIBUTES
            .iter()
            .map(|(attribute, name)| match attribute {
                Attribute::HireDate => (*attribute, "2026-03-01".to_owned()),
                _ => (*attribute, format!("{name} x")),
            })
            .collect();
        let body = patch(
            written
                .iter()
                .map(|(attribute, value)| (*attribute, value.as_str())),
        )
        .unwrap();
        let mut body = serde_json::to_value(body).unwrap();
        assert_eq!(body["employeeHireDate"], "2026-03-01T00:00:00Z");
        assert_eq!(
            body["employeeOrgData"],
            json!({"costCenter": "employeeOrgData x"})
        );
        body["id"] = "u1".into();
        body["accountEnabled"] = true.into();
        let read = account(&serde_json::from_value(body).unwrap());
        assert_eq!(
            (read.attributes, read.enabled, read.deleted, read.synced),
            (written, true, false, false)
        );
    }

    #[test]
    fn empty_values_clear_and_bad_dates_are_refused() {
        let body = patch([
            (Attribute::JobTitle, ""),
            (Attribute::CostCenter, ""),
            (Attribute::HireDate, ""),
        ]);
        assert_eq!(
            serde_json::to_value(body.unwrap()).unwrap(),
            json!({"jobTitle": null, "employeeOrgData": {"costCenter": null}, "employeeHireDate": null})
        );
        let error = patch([(Attribute::HireDate, "01.03.2026")]).unwrap_err();
        assert_eq!(error.to_string(), "hire_date: expected a date as yyyy-mm-dd");
    }

    #[test]
    fn a_deleted_account_keeps_its_name() {
        let user: User = serde_json::from_value(json!({
            "id": "8f1c2d3e-0000-4000-8000-0123456789ab",
            "userPrincipalName": "8f1c2d3e0000400080000123456789abada@x.example",
            "deletedDateTime": "2026-01-01T00:00:00Z",
            "manager": {"id": "m1"},
        }))
        .unwrap();
        let read = deleted_account(&user);
        assert_eq!(
            (read.name.as_str(), read.deleted, read.manager.as_deref()),
            ("ada@x.example", true, Some("m1"))
        );
    }
}
