//! Built-in role definitions ("Azure built-in roles").

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{equals, page, terms, unsupported};
use super::scope::Scope;
use super::{Account, ArmAnswer, ArmCall, ArmFail, ArmOutcome};

/// A built-in role.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    /// GUID, the same in every tenant.
    pub(crate) name: String,
    pub(crate) role_name: String,
    description: String,
    permissions: Value,
}

static BUILT_IN: LazyLock<Vec<Definition>> =
    LazyLock::new(|| serde_json::from_str(include_str!("built_in_roles.json")).unwrap_or_default());

/// The role with that GUID.
pub(super) fn by_name(name: &str) -> Option<&'static Definition> {
    BUILT_IN
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The id of a role, written from a prefix.
pub(super) fn id(prefix: &str, name: &str) -> String {
    format!("{prefix}/providers/Microsoft.Authorization/roleDefinitions/{name}")
}

fn view(role: &Definition, prefix: &str) -> Value {
    json!({
        "properties": {
            "roleName": role.role_name, "type": "BuiltInRole", "description": role.description,
            "assignableScopes": ["/"], "permissions": role.permissions,
            "createdOn": "2015-02-02T21:55:09.8806423Z", "updatedOn": "2024-01-25T19:23:37.5218098Z",
            "createdBy": null, "updatedBy": null,
        },
        "id": id(prefix, &role.name), "type": "Microsoft.Authorization/roleDefinitions", "name": role.name,
    })
}

pub(super) fn list(account: &Account, call: &ArmCall, scope: &Scope) -> ArmOutcome {
    let (mut name, mut kind) = (None, None);
    let filter = call.option("$filter").unwrap_or_default();
    for term in terms(filter) {
        if let Some(value) = equals(term, "roleName") {
            name = Some(value);
        } else if let Some(value) = equals(term, "type") {
            kind = Some(value);
        } else if !term.eq_ignore_ascii_case("atScopeAndBelow()") && !term.eq_ignore_ascii_case("atScope()") {
            return Err(unsupported(
                filter,
                "atScopeAndBelow(), type eq '{value}' and roleName eq '{value}'",
            ));
        }
    }
    let prefix = scope.prefix(account);
    let rows = BUILT_IN.iter().zip(1..).filter(|(role, _)| {
        name.is_none_or(|name| role.role_name.eq_ignore_ascii_case(name))
            && kind.is_none_or(|kind| kind.eq_ignore_ascii_case("BuiltInRole"))
    });
    page(call, rows.map(|(role, place)| (place, view(role, &prefix))))
}

pub(super) fn get(account: &Account, scope: &Scope, name: &str) -> ArmOutcome {
    let role = by_name(name).ok_or_else(|| missing(404, name))?;
    Ok(ArmAnswer::with(200, view(role, &scope.prefix(account))))
}

/// There is no such role: 404 for a read, 400 where an assignment names it.
pub(super) fn missing(status: u16, name: &str) -> ArmFail {
    ArmFail::new(
        status,
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{name}' does not exist."),
    )
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, by_name};
    use uuid::Uuid;

    #[test]
    fn roles_are_read_from_the_file() {
        assert!(BUILT_IN.len() >= 20);
        assert!(BUILT_IN.iter().all(|role| Uuid::try_parse(&role.name).is_ok()));
        let reader = by_name("ACDD72A7-3385-48EF-BD42-F606FBA81AE7").unwrap();
        assert_eq!(reader.role_name, "Reader");
    }
}
