//! Privileged Identity Management of directory roles: who is eligible, who is assigned, from when to when
//! ("Create roleEligibilityScheduleRequests", "Create roleAssignmentScheduleRequests", "unifiedRoleEligibilitySchedule
//! resource type", "unifiedRoleEligibilityScheduleInstance resource type").
//!
//! Requests of administrators take effect at once and need no approval. What users ask for themselves
//! (`selfActivate`, ...) needs a signed-in user, and there is none behind an application's token.

mod request;
mod view;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::call::{Answer, Call, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::odata::{ValueRow, collection, counted};
use crate::schema::{FILTER, no_property};
use crate::{custom_roles, roles};
use request::request;
use view::listed;

/// What PIM knows.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    entries: Vec<Schedule>,
    requests: Vec<(Standing, Map<String, Value>)>,
}

/// How a role is held by schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Eligible,
    Assigned,
}

/// One role of one principal in one scope for some time.
#[derive(Debug, Clone)]
struct Schedule {
    id: String,
    standing: Standing,
    held: Held,
    from: Timestamp,
    until: Option<Timestamp>,
    created: Timestamp,
    modified: Option<Timestamp>,
    /// The request that made it.
    request: String,
    /// As it was asked for.
    expiration: Value,
    /// An assignment stands for it at present.
    in_force: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    principal: String,
    role: String,
    scope: String,
}

impl Standing {
    /// `Eligibility` or `Assignment`, as names of types and addresses have it.
    fn word(self) -> &'static str {
        match self {
            Self::Eligible => "Eligibility",
            Self::Assigned => "Assignment",
        }
    }
}

impl Schedules {
    /// Whether a role is held for a time that a schedule names.
    pub(crate) fn covers(&self, principal: &str, role: &str, scope: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry.standing == Standing::Assigned
                && entry.held.principal == principal
                && entry.held.role == role
                && entry.held.scope == scope
        })
    }

    /// A principal's assignments are gone for as long as it is deleted.
    pub(crate) fn suspend(&mut self, principal: &str) {
        for entry in &mut self.entries {
            if entry.held.principal == principal {
                entry.in_force = false;
            }
        }
    }

    /// An assignment was taken away: so is its schedule.
    pub(crate) fn end(&mut self, principal: &str, role: &str, scope: &str) {
        self.entries.retain(|entry| {
            entry.standing != Standing::Assigned
                || entry.held.principal != principal
                || entry.held.role != role
                || entry.held.scope != scope
        });
    }

    /// A role is no more.
    pub(crate) fn forget_role(&mut self, role: &str) {
        self.entries.retain(|entry| entry.held.role != role);
    }

    /// Names of the roles that a principal is eligible for.
    pub(crate) fn eligible<'a>(
        &'a self,
        directory: &'a Directory,
        principal: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let mine = self
            .entries
            .iter()
            .filter(move |entry| entry.standing == Standing::Eligible && entry.held.principal == principal);
        mine.filter_map(|entry| Some(custom_roles::role(directory, &entry.held.role)?.name))
    }
}

/// Lets schedules begin and end, before a request is answered.
pub(crate) fn advance(directory: &mut Directory, now: Timestamp) {
    let mut entries = std::mem::take(&mut directory.schedules.entries);
    entries.retain_mut(|entry| {
        let Held {
            principal,
            role,
            scope,
        } = &entry.held;
        if entry.until.is_some_and(|until| until <= now) {
            if entry.in_force {
                roles::take(directory, principal, role, scope);
            }
            return false;
        }
        let live = directory.get(principal).is_some();
        if live && entry.standing == Standing::Assigned && !entry.in_force && entry.from <= now {
            roles::assign(directory, principal, role, scope);
            entry.in_force = true;
        }
        live || directory.gone(principal).is_some()
    });
    directory.schedules.entries = entries;
}

/// Answers `/roleManagement/directory/role{Eligibility,Assignment}Schedule...`; `None` for another segment.
pub(crate) fn route(directory: &mut Directory, call: &Call, rest: &[&str]) -> Option<Outcome> {
    let (first, rest) = rest.split_first()?;
    let (standing, list) = if let Some(list) = first.strip_prefix("roleEligibilitySchedule") {
        (Standing::Eligible, list)
    } else {
        (Standing::Assigned, first.strip_prefix("roleAssignmentSchedule")?)
    };
    Some(match (list, rest, call.method.as_str()) {
        ("Requests", [], "POST") => request(directory, call, standing),
        ("Requests", [_, "cancel"], "POST") => {
            Err(Fail::bad("The request is completed: it cannot be canceled."))
        }
        ("Requests" | "s" | "Instances", [] | ["$count"], "GET") => {
            let values = listed(directory, call, standing, list);
            checked(call, standing).and_then(|()| {
                let rows = values.into_iter().zip(1..);
                let rows = rows.map(|(value, place)| ValueRow { place, value });
                if !rest.is_empty() {
                    return counted(call, rows);
                }
                collection(call, &format!("roleManagement/directory/{first}"), rows)
            })
        }
        ("Requests" | "s" | "Instances", [id], "GET") => {
            let mut values = listed(directory, call, standing, list).into_iter();
            let found = values.find(|value| value["id"] == **id);
            found.ok_or_else(|| Fail::not_found(id)).map(|found| {
                Answer::ok(with_context(
                    call,
                    &format!("roleManagement/directory/{first}/$entity"),
                    found,
                ))
            })
        }
        ("Requests" | "s" | "Instances", [id, relation], "GET") => {
            let mut values = listed(directory, call, standing, list).into_iter();
            let found = values.find(|value| value["id"] == **id);
            found.ok_or_else(|| Fail::not_found(id)).and_then(|found| {
                let text = |name: &str| found[name].as_str().unwrap_or_default();
                let held = (
                    text("principalId"),
                    text("roleDefinitionId"),
                    text("directoryScopeId"),
                );
                roles::related(directory, call, held, relation)
            })
        }
        ("Requests" | "s" | "Instances", [] | [_] | [_, "cancel"], _) => Err(Fail::method()),
        (_, [_, segment, ..], _) => Err(Fail::segment(segment)),
        _ => Err(Fail::segment(first)),
    })
}

fn with_context(call: &Call, fragment: &str, mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.shift_insert(0, "@odata.context".to_owned(), call.context(fragment).into());
    }
    value
}

/// What may be filtered by.
fn checked(call: &Call, standing: Standing) -> Result<(), Fail> {
    let odata_type = format!("microsoft.graph.unifiedRole{}ScheduleBase", standing.word());
    for path in call.options.filter.iter().flat_map(|filter| filter.paths()) {
        let name = path.first().map_or("", String::as_str);
        let known = [
            "id",
            "principalId",
            "roleDefinitionId",
            "directoryScopeId",
            "status",
            "action",
            "memberType",
            "assignmentType",
            "createdDateTime",
            "startDateTime",
            "endDateTime",
        ];
        if !known.contains(&name) {
            return Err(no_property(FILTER, name, &odata_type));
        }
    }
    Ok(())
}
