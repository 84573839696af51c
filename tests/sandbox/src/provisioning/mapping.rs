//! From a SCIM record to a directory user: the default attribute mapping of the provisioning application ("Configure
//! API-driven inbound provisioning app", "Tutorial: Extend API-driven provisioning to sync custom attributes").

use serde_json::{Map, Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a record says, in the directory's words. Properties that it leaves out are not there.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The matching attribute: `externalId`, which is `employeeId` in the directory.
    pub(crate) anchor: Option<String>,
    /// The manager's `externalId`.
    pub(crate) manager: Option<String>,
    pub(crate) properties: Map<String, Value>,
}

/// The mapping. A record without `active` disables the account: the rule is `Switch([active], False, "True", True)`.
pub(crate) fn mapped(data: &Map<String, Value>) -> Record {
    let mut record = Record {
        anchor: text(data.get("externalId")),
        ..Record::default()
    };
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            record.properties.insert(name.to_owned(), value.into());
        }
    };
    let name = data.get("name");
    let part = |name: &str, of: Option<&Value>| text(of.and_then(|of| of.get(name)));
    let enterprise = find(data, ENTERPRISE);
    let address = element(data.get("addresses"), "work");
    set("employeeId", text(data.get("externalId")));
    set("userPrincipalName", text(data.get("userName")));
    set("displayName", text(data.get("displayName")));
    set("jobTitle", text(data.get("title")));
    set("employeeType", text(data.get("userType")));
    set("preferredLanguage", text(data.get("preferredLanguage")));
    set("givenName", part("givenName", name));
    set("surname", part("familyName", name));
    set("mail", part("value", element(data.get("emails"), "work")));
    set("streetAddress", part("streetAddress", address));
    set("city", part("locality", address));
    set("state", part("region", address));
    set("postalCode", part("postalCode", address));
    set("country", part("country", address));
    set("officeLocation", part("formatted", address));
    set(
        "mobilePhone",
        part("value", element(data.get("phoneNumbers"), "mobile")),
    );
    set(
        "faxNumber",
        part("value", element(data.get("phoneNumbers"), "fax")),
    );
    set("department", part("department", enterprise));
    set("companyName", part("organization", enterprise));
    if let Some(phone) = part("value", element(data.get("phoneNumbers"), "work")) {
        record
            .properties
            .insert("businessPhones".to_owned(), json!([phone]));
    }
    let organisation: Map<String, Value> = [("costCenter", "costCenter"), ("division", "division")]
        .into_iter()
        .filter_map(|(to, from)| Some((to.to_owned(), part(from, enterprise)?.into())))
        .collect();
    if !organisation.is_empty() {
        record
            .properties
            .insert("employeeOrgData".to_owned(), organisation.into());
    }
    let active = match data.get("active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    record
        .properties
        .insert("accountEnabled".to_owned(), active.into());
    record.manager = part(
        "value",
        enterprise.and_then(|enterprise| enterprise.get("manager")),
    );
    record
}

/// A filled text. An empty one and null do not flow.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// An extension by its URN, without regard to case.
fn find<'a>(data: &'a Map<String, Value>, urn: &str) -> Option<&'a Value> {
    data.iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(urn))
        .map(|(_, value)| value)
}

fn element<'a>(list: Option<&'a Value>, kind: &str) -> Option<&'a Value> {
    let items = list?.as_array()?;
    items.iter().find(|item| {
        item.get("type")
            .and_then(Value::as_str)
            .is_some_and(|known| known.eq_ignore_ascii_case(kind))
    })
}
