//! What a PUT of a role assignment asks for: role, principal, condition.

use serde_json::Value;
use uuid::Uuid;

use super::definitions::{self, by_name};
use super::{ArmCall, ArmFail};
use crate::directory::{Directory, Object};
use crate::schema::Kind;

/// What a body asks for, checked.
pub(super) struct Wish {
    pub(super) role: &'static str,
    pub(super) principal: String,
    pub(super) kind: String,
    pub(super) description: Value,
    pub(super) condition: Value,
    pub(super) condition_version: Value,
}

/// Reads and checks a body.
pub(super) fn wish(directory: &Directory, call: &ArmCall) -> Result<Wish, ArmFail> {
    let body = call.object()?;
    let properties = body.get("properties").unwrap_or(&Value::Null);
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let (Some(role), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
        return Err(ArmFail::new(
            400,
            "BadRequestFormat",
            "The request was incorrectly formatted. 'properties' must hold 'roleDefinitionId' and 'principalId'.",
        ));
    };
    let lower = role.to_lowercase();
    let role = lower
        .rsplit_once("/providers/microsoft.authorization/roledefinitions/")
        .map(|(_, name)| name)
        .filter(|name| Uuid::try_parse(name).is_ok())
        .ok_or_else(|| {
            let message =
                format!("The role definition ID '{role}' is not valid. It must be a full resource id.");
            ArmFail::new(400, "InvalidRoleDefinitionId", message)
        })?;
    let role = by_name(role).ok_or_else(|| definitions::missing(400, role))?;
    if Uuid::try_parse(principal).is_err() {
        let message = format!("The principal ID '{principal}' is not valid. Principal ID must be a GUID.");
        return Err(ArmFail::new(400, "InvalidPrincipalId", message));
    }
    let principal = principal.to_lowercase();
    let kind = principal_kind(directory, call, &principal, text("principalType"))?;
    let given = |name: &str| properties.get(name).cloned().unwrap_or_default();
    let version = given("conditionVersion");
    if !matches!(version.as_str(), None | Some("2.0")) {
        return Err(ArmFail::new(
            400,
            "InvalidConditionVersion",
            "The only supported value of 'conditionVersion' is '2.0'.",
        ));
    }
    Ok(Wish {
        role: &role.name,
        principal,
        kind,
        description: given("description"),
        condition: given("condition"),
        condition_version: version,
    })
}

/// The kind of a principal. Who is not in the directory may still be given a role when the request says what it
/// is; who is there but not replicated yet may not.
fn principal_kind(
    directory: &Directory,
    call: &ArmCall,
    principal: &str,
    said: Option<&str>,
) -> Result<String, ArmFail> {
    const KINDS: [&str; 5] = ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"];
    let said = match said {
        None => None,
        Some(said) => Some(
            *KINDS
                .iter()
                .find(|kind| kind.eq_ignore_ascii_case(said))
                .ok_or_else(|| {
                    let message = format!(
                        "The principal type '{said}' is not valid. Use one of {}.",
                        KINDS.join(", ")
                    );
                    ArmFail::new(400, "InvalidPrincipalType", message)
                })?,
        ),
    };
    let found = directory.get(principal);
    let late = |object: &Object| call.seen_until.is_some_and(|until| object.created > until);
    match (found, said) {
        (Some(object), _) if late(object) => Err(not_found(directory, principal)),
        (None, None) => Err(not_found(directory, principal)),
        (None, Some(said)) => Ok(said.to_owned()),
        (Some(object), said) => {
            let kind = object.kind.title();
            if object.kind == Kind::Application {
                return Err(ArmFail::new(
                    400,
                    "PrincipalTypeNotSupported",
                    "Principals of type Application cannot validly be used in role assignments.",
                ));
            }
            if let Some(said) = said.filter(|said| *said != kind) {
                return Err(ArmFail::new(
                    400,
                    "UnmatchedPrincipalType",
                    format!(
                        "The PrincipalId '{principal}' has type '{kind}', which is different from specified \
                         PrinciaplType '{said}'."
                    ),
                ));
            }
            Ok(kind.to_owned())
        }
    }
}

fn not_found(directory: &Directory, principal: &str) -> ArmFail {
    ArmFail::new(
        400,
        "PrincipalNotFound",
        format!(
            "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you \
             are creating this principal and then immediately assigning a role, this error might be related to a \
             replication delay. In this case, set the role assignment principalType property to a value, such as \
             ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype",
            principal.replace('-', ""),
            directory.tenant.id
        ),
    )
}
