//! Role assignments ("Role Assignments", REST API of Azure RBAC; "Troubleshoot Azure RBAC").

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::definitions::{self, by_name};
use super::page::{equals, page, terms, unsupported};
use super::scope::{Scope, within};
use super::{Account, ArmAnswer, ArmCall, ArmFail, ArmOutcome};
use crate::directory::{Directory, Object};
use crate::schema::Kind;

/// "Azure RBAC limits": per subscription, and per management group.
const LIMIT: usize = 4000;
const LIMIT_ABOVE: usize = 500;

/// One role held by one principal at one scope.
#[derive(Debug, Clone)]
pub(crate) struct RoleAssignment {
    /// A GUID that the client chose.
    name: String,
    scope: Scope,
    /// GUID of the role.
    role: &'static str,
    prefix: String,
    principal: String,
    kind: String,
    description: Value,
    condition: Value,
    condition_version: Value,
    created: Timestamp,
    updated: Timestamp,
    by: String,
}

impl RoleAssignment {
    pub(super) fn scope(&self) -> &str {
        &self.scope.text
    }

    fn view(&self) -> Value {
        let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string();
        json!({
            "properties": {
                "roleDefinitionId": definitions::id(&self.prefix, self.role),
                "principalId": self.principal, "principalType": self.kind, "scope": self.scope.text,
                "condition": self.condition, "conditionVersion": self.condition_version,
                "createdOn": time(self.created), "updatedOn": time(self.updated),
                "createdBy": self.by, "updatedBy": self.by,
                "delegatedManagedIdentityResourceId": null, "description": self.description,
            },
            "id": format!(
                "{}/providers/Microsoft.Authorization/roleAssignments/{}",
                self.scope.text.trim_end_matches('/'), self.name
            ),
            "type": "Microsoft.Authorization/roleAssignments", "name": self.name,
        })
    }

    pub(super) fn summary(&self) -> Value {
        json!({
            "name": self.name, "scope": self.scope.text, "principalId": self.principal,
            "principalType": self.kind, "roleDefinitionId": definitions::id(&self.prefix, self.role),
            "role": by_name(self.role).map(|role| role.role_name.as_str()),
        })
    }
}

impl Account {
    /// Makes a principal the subscription's owner.
    pub(super) fn own(&mut self, principal: &str, name: String, now: Timestamp) {
        let Some(owner) = by_name("8e3af657-a8ff-443c-a75c-2fe8c4bcb635") else {
            return;
        };
        let text = format!("/subscriptions/{}", self.subscription);
        let place = self.next_place();
        let made = RoleAssignment {
            name,
            role: &owner.name,
            prefix: text.clone(),
            scope: Scope {
                text,
                in_subscription: true,
            },
            principal: principal.to_owned(),
            kind: "ServicePrincipal".to_owned(),
            description: Value::Null,
            condition: Value::Null,
            condition_version: Value::Null,
            created: now,
            updated: now,
            by: principal.to_owned(),
        };
        self.assignments.insert(place, made);
    }

    fn assigned(&self, scope: &Scope, name: &str) -> Option<(u64, &RoleAssignment)> {
        let mut all = self.assignments.iter();
        let found =
            all.find(|(_, held)| held.name == name && held.scope.text.eq_ignore_ascii_case(&scope.text));
        found.map(|(place, held)| (*place, held))
    }
}

pub(super) fn list(account: &Account, directory: &Directory, call: &ArmCall, scope: &Scope) -> ArmOutcome {
    let mut at_scope = false;
    let mut principals: Option<HashSet<String>> = None;
    let filter = call.option("$filter").unwrap_or_default();
    for term in terms(filter) {
        let assigned_to = term
            .to_ascii_lowercase()
            .starts_with("assignedto(")
            .then(|| term[11..].trim_end_matches(')').trim_matches('\''));
        if term.eq_ignore_ascii_case("atScope()") {
            at_scope = true;
        } else if let Some(id) = equals(term, "principalId") {
            principals = Some([id.to_lowercase()].into());
        } else if let Some(id) = assigned_to {
            let id = id.to_lowercase();
            let mut held: HashSet<String> = directory.groups_above(&id).into_iter().collect();
            held.insert(id);
            principals = Some(held);
        } else {
            return Err(unsupported(
                filter,
                "either 'atScope()' or 'principalId eq '{value}' or assignedTo('{value}')'",
            ));
        }
    }
    let wanted = |held: &RoleAssignment| {
        let above = scope.is_within(&held.scope.text);
        let below = !at_scope && within(&held.scope.text, &scope.text);
        (above || below)
            && principals
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&held.principal))
    };
    let rows = account.assignments.iter().filter(|(_, held)| wanted(held));
    page(call, rows.map(|(place, held)| (*place, held.view())))
}

pub(super) fn get(account: &Account, scope: &Scope, name: &str) -> ArmOutcome {
    let found = account.assigned(scope, name).ok_or_else(|| {
        ArmFail::new(
            404,
            "RoleAssignmentNotFound",
            format!("The role assignment '{name}' is not found."),
        )
    })?;
    Ok(ArmAnswer::with(200, found.1.view()))
}

pub(super) fn delete(account: &mut Account, scope: &Scope, name: &str) -> ArmAnswer {
    let Some((place, _)) = account.assigned(scope, name) else {
        return ArmAnswer::empty(204);
    };
    match account.assignments.remove(&place) {
        Some(held) => ArmAnswer::with(200, held.view()),
        None => ArmAnswer::empty(204),
    }
}

/// What a body asks for, checked.
struct Wish {
    role: &'static str,
    principal: String,
    kind: String,
    description: Value,
    condition: Value,
    condition_version: Value,
}

pub(super) fn put(
    account: &mut Account,
    directory: &Directory,
    call: &ArmCall,
    scope: &Scope,
    name: &str,
) -> ArmOutcome {
    if Uuid::try_parse(name).is_err() {
        return Err(ArmFail::new(
            400,
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
        ));
    }
    let wish = wish(directory, call)?;
    let same = |held: &RoleAssignment| {
        held.role == wish.role
            && held.principal == wish.principal
            && held.scope.text.eq_ignore_ascii_case(&scope.text)
    };
    let named = account.assignments.iter().find(|(_, held)| held.name == name);
    if let Some((place, held)) = named {
        if !same(held) {
            return Err(ArmFail::new(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            ));
        }
        let place = *place;
        if let Some(held) = account.assignments.get_mut(&place) {
            held.description = wish.description;
            held.condition = wish.condition;
            held.condition_version = wish.condition_version;
            held.updated = call.now;
            return Ok(ArmAnswer::with(200, held.view()));
        }
    }
    if let Some(held) = account.assignments.values().find(|held| same(held)) {
        let id = held.name.replace('-', "");
        return Err(ArmFail::new(
            409,
            "RoleAssignmentExists",
            format!("The role assignment already exists. The ID of the existing role assignment is {id}."),
        ));
    }
    let counted = |held: &&RoleAssignment| held.scope.in_subscription == scope.in_subscription;
    let limit = if scope.in_subscription { LIMIT } else { LIMIT_ABOVE };
    if account.assignments.values().filter(counted).count() >= limit {
        let message =
            format!("No more role assignments can be created (limit reached: {limit} for the scope).");
        return Err(ArmFail::new(400, "RoleAssignmentLimitExceeded", message));
    }
    let made = RoleAssignment {
        name: name.to_owned(),
        scope: scope.clone(),
        role: wish.role,
        prefix: scope.prefix(account),
        principal: wish.principal,
        kind: wish.kind,
        description: wish.description,
        condition: wish.condition,
        condition_version: wish.condition_version,
        created: call.now,
        updated: call.now,
        by: call.caller.clone(),
    };
    let view = made.view();
    let place = account.next_place();
    account.assignments.insert(place, made);
    Ok(ArmAnswer::with(201, view))
}

fn wish(directory: &Directory, call: &ArmCall) -> Result<Wish, ArmFail> {
    let body = call.object()?;
    // Api-versions before 2018 had the properties in "properties" too; nothing is read from the top.
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
            let kind = match object.kind {
                Kind::User => "User",
                Kind::Group => "Group",
                Kind::ServicePrincipal => "ServicePrincipal",
            };
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
