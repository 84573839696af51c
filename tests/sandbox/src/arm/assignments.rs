//! Role assignments ("Role Assignments", REST API of Azure RBAC; "Troubleshoot Azure RBAC").

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::definitions::{self, by_name};
use super::page::{equals, page, terms, unsupported};
use super::scope::{Scope, within};
use super::wish::wish;
use super::{Account, ArmAnswer, ArmCall, ArmFail, ArmOutcome};
use crate::directory::Directory;

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
