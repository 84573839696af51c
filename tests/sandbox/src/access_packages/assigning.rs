//! Who asks for which package, and what comes of it ("Create accessPackageAssignmentRequest",
//! "accessPackageAssignmentRequest: cancel").
//!
//! A request is only taken at first. A second later, on the sandbox's clock, it is in delivery, and two seconds after
//! that it is delivered: then the memberships are there, or gone. At Microsoft that takes minutes.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::Value;

use super::view::{self, with_context};
use super::{Assignment, Request, invalid, missing, only, required};
use crate::call::{Answer, Call, Caller, Outcome};
use crate::directory::Directory;
use crate::errors::Fail;
use crate::members::writable;
use crate::schema::Kind;
use crate::seats;

/// When a delivery begins, and when it is over.
const BEGUN: SignedDuration = SignedDuration::from_secs(1);
const OVER: SignedDuration = SignedDuration::from_secs(3);

impl Request {
    fn adds(&self) -> bool {
        self.kind.ends_with("Add")
    }

    /// Nothing has been decided or done for good.
    fn is_open(&self) -> bool {
        matches!(
            self.state,
            "submitted" | "pendingApproval" | "scheduled" | "delivering"
        )
    }
}

/// When something of that "expirationPattern" ends.
pub(super) fn end(expiration: &Value, from: Timestamp) -> Result<Option<Timestamp>, Fail> {
    let wrong = || invalid("The expiration is not valid.".to_owned());
    match expiration["type"].as_str().unwrap_or("notSpecified") {
        "noExpiration" | "notSpecified" => Ok(None),
        "afterDateTime" => {
            let at = expiration["endDateTime"].as_str();
            at.and_then(|at| at.parse().ok()).map(Some).ok_or_else(wrong)
        }
        "afterDuration" => {
            let span = expiration["duration"].as_str();
            let span: Span = span.and_then(|span| span.parse().ok()).ok_or_else(wrong)?;
            let end = TimeZone::UTC.to_datetime(from).checked_add(span).ok();
            let end = end.and_then(|end| TimeZone::UTC.to_timestamp(end).ok());
            end.map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Answers `POST /assignmentRequests`.
pub(super) fn request(directory: &mut Directory, call: &Call) -> Outcome {
    let body = call.object()?;
    let known = [
        "requestType",
        "assignment",
        "schedule",
        "answers",
        "justification",
        "id",
    ];
    only(body, "microsoft.graph.accessPackageAssignmentRequest", &known)?;
    let kind = required(body, "requestType")?;
    let none = serde_json::Map::new();
    let assignment = body.get("assignment").and_then(Value::as_object).unwrap_or(&none);
    let justification = body.get("justification").cloned().unwrap_or_default();
    let mut made = match kind.to_ascii_lowercase().as_str() {
        "adminadd" => {
            let target = required(assignment, "targetId")?;
            let target = directory.seen(call, Some(Kind::User), target)?.id.clone();
            let policy = required(assignment, "assignmentPolicyId")?;
            add(directory, call, "adminAdd", target, Some(policy), assignment)?
        }
        // A user asks for itself, and there is none behind an application's token.
        "useradd" => {
            let Caller::User { id, .. } = &call.caller else {
                return Err(Fail::denied());
            };
            let named = assignment.get("targetId").and_then(Value::as_str);
            if named.is_some_and(|named| !named.eq_ignore_ascii_case(id)) {
                return Err(Fail::denied());
            }
            let policy = assignment.get("assignmentPolicyId").and_then(Value::as_str);
            add(directory, call, "userAdd", id.clone(), policy, assignment)?
        }
        "adminremove" => remove(directory, call, required(assignment, "id")?)?,
        "adminupdate" | "userupdate" | "userremove" => {
            return Err(invalid(format!("'{kind}' is not there in the sandbox.")));
        }
        _ => return Err(invalid(format!("'{kind}' is no type of request."))),
    };
    if let Some(at) = body
        .get("schedule")
        .and_then(|schedule| schedule["startDateTime"].as_str())
    {
        let at: Timestamp = at
            .parse()
            .map_err(|_| invalid("'startDateTime' is no instant.".to_owned()))?;
        made.from = at.max(call.now);
        if made.adds() && made.from > call.now && made.state == "submitted" {
            made.state = "scheduled";
        }
    }
    made.justification = justification;
    let shown = view::request(&made);
    let list = "identityGovernance/entitlementManagement/assignmentRequests";
    let address = format!("{}/{list}/{}", call.root, made.id);
    directory.access_packages.requests.push(made);
    let shown = with_context(call, &format!("{list}/$entity"), shown);
    Ok(Answer::created(shown, address))
}

fn add(
    directory: &mut Directory,
    call: &Call,
    kind: &'static str,
    target: String,
    policy: Option<&str>,
    assignment: &serde_json::Map<String, Value>,
) -> Result<Request, Fail> {
    let packages = &mut directory.access_packages;
    let package = packages
        .package(required(assignment, "accessPackageId")?)?
        .id
        .clone();
    let policy = if let Some(id) = policy {
        packages.policy(id)?
    } else {
        let mut policies = packages.policies.iter();
        let of_it = policies.find(|policy| policy.package == package);
        of_it.ok_or_else(|| missing("assignmentPolicy"))?
    };
    if policy.package != package {
        return Err(invalid("The policy is not one of the access package.".to_owned()));
    }
    if policy
        .body
        .get("automaticRequestSettings")
        .is_some_and(Value::is_object)
    {
        return Err(invalid(
            "Assignments of an automatic policy follow its rule.".to_owned(),
        ));
    }
    let approval = policy.body.get("requestApprovalSettings");
    let asks = approval.is_some_and(|settings| settings["isApprovalRequiredForAdd"] == true);
    let policy = policy.id.clone();
    let same = |known: &Request| known.target == target && known.package == package && known.is_open();
    if packages.requests.iter().any(same) {
        let message = "The target has an open request for the access package already.";
        return Err(Fail::new(400, "ExistingOpenRequest", message));
    }
    let held = |known: &Assignment| known.target == target && known.package == package && known.is_current();
    if packages.assignments.iter().any(held) {
        let message = "The target has an assignment of the access package already.";
        return Err(Fail::new(400, "ExistingGrant", message));
    }
    Ok(Request {
        id: packages.ids.guid(),
        kind,
        package,
        policy,
        target,
        assignment: None,
        state: if kind == "userAdd" && asks {
            "pendingApproval"
        } else {
            "submitted"
        },
        created: call.now,
        completed: None,
        from: call.now,
        justification: Value::Null,
    })
}

fn remove(directory: &mut Directory, call: &Call, id: &str) -> Result<Request, Fail> {
    let packages = &mut directory.access_packages;
    let held = packages.assignments.iter();
    let mut held = held.filter(|held| held.id.eq_ignore_ascii_case(id) && held.is_current());
    let held = held.next().ok_or_else(|| missing(id))?;
    if packages
        .requests
        .iter()
        .any(|known| known.is_open() && known.assignment.as_deref() == Some(&held.id))
    {
        let message = "The target has an open request for the access package already.";
        return Err(Fail::new(400, "ExistingOpenRequest", message));
    }
    Ok(Request {
        id: packages.ids.guid(),
        kind: "adminRemove",
        package: held.package.clone(),
        policy: held.policy.clone(),
        target: held.target.clone(),
        assignment: Some(held.id.clone()),
        state: "submitted",
        created: call.now,
        completed: None,
        from: call.now,
        justification: Value::Null,
    })
}

/// Answers `POST /assignmentRequests/{id}/cancel`. "Application: Not supported."
pub(super) fn cancel(directory: &mut Directory, call: &Call, id: &str) -> Outcome {
    if matches!(call.caller, Caller::App { .. }) {
        return Err(Fail::denied());
    }
    let mut requests = directory.access_packages.requests.iter_mut();
    let request = requests.find(|request| request.id.eq_ignore_ascii_case(id));
    let request = request.ok_or_else(|| missing(id))?;
    if !matches!(request.state, "submitted" | "pendingApproval" | "scheduled") {
        return Err(Fail::new(
            400,
            "InvalidRequestState",
            "The request is in no state that can be canceled.",
        ));
    }
    request.state = "canceled";
    request.completed = Some(call.now);
    Ok(Answer::done())
}

/// Delivers what is due, and lets assignments end, before a request is answered.
pub(crate) fn advance(directory: &mut Directory, now: Timestamp) {
    if directory.access_packages.requests.is_empty() {
        return;
    }
    let mut requests = std::mem::take(&mut directory.access_packages.requests);
    for request in &mut requests {
        let due = |after: SignedDuration| request.from.saturating_add(after).is_ok_and(|at| at <= now);
        if matches!(request.state, "submitted" | "scheduled") && due(BEGUN) {
            request.state = "delivering";
            if request.adds() {
                request.assignment = Some(begin(directory, request));
            }
        }
        if request.state == "delivering" && due(OVER) {
            let id = request.assignment.clone().unwrap_or_default();
            request.state = if request.adds() {
                deliver(directory, &id, now)
            } else {
                take(directory, &id, now);
                "delivered"
            };
            request.completed = Some(now);
        }
    }
    directory.access_packages.requests = requests;
    let over = |held: &&Assignment| held.is_current() && held.until.is_some_and(|until| until <= now);
    let ended = directory.access_packages.assignments.iter().filter(over);
    let ended: Vec<String> = ended.map(|held| held.id.clone()).collect();
    for id in ended {
        take(directory, &id, now);
    }
}

fn begin(directory: &mut Directory, request: &Request) -> String {
    let packages = &mut directory.access_packages;
    let policy = packages.policy(&request.policy).ok();
    let expiration = policy.and_then(|policy| policy.body.get("expiration"));
    let until = expiration.and_then(|expiration| end(expiration, request.from).ok().flatten());
    let id = packages.ids.guid();
    packages.assignments.push(Assignment {
        id: id.clone(),
        package: request.package.clone(),
        policy: request.policy.clone(),
        target: request.target.clone(),
        state: "delivering",
        from: request.from,
        until,
        ended: None,
        given: Vec::new(),
    });
    id
}

/// Puts the target into the groups of the package.
fn deliver(directory: &mut Directory, id: &str, now: Timestamp) -> &'static str {
    let packages = &directory.access_packages;
    let Some(place) = packages.assignments.iter().position(|held| held.id == id) else {
        return "deliveryFailed";
    };
    let target = packages.assignments[place].target.clone();
    let package = packages.package(&packages.assignments[place].package);
    let groups: Vec<String> = package
        .map(|package| {
            package
                .holds
                .iter()
                .map(|(resource, _)| resource.group.clone())
                .collect()
        })
        .unwrap_or_default();
    let (mut given, mut there) = (Vec::new(), 0);
    for group in &groups {
        let fits = directory.get(group).is_some_and(|group| writable(group).is_ok());
        if !fits || directory.user(&target).is_none() {
            continue;
        }
        there += 1;
        if directory.members.add(group, &target) {
            given.push(group.clone());
        }
    }
    seats::inherit(directory, &target, now);
    let state = match there {
        _ if directory.user(&target).is_none() => "deliveryFailed",
        there if there == groups.len() => "delivered",
        0 => "deliveryFailed",
        _ => "partiallyDelivered",
    };
    let held = &mut directory.access_packages.assignments[place];
    (held.state, held.given) = (state, given);
    state
}

/// Ends an assignment. What another package gives as well stays.
fn take(directory: &mut Directory, id: &str, now: Timestamp) {
    let assignments = &mut directory.access_packages.assignments;
    let Some(held) = assignments.iter_mut().find(|held| held.id == id) else {
        return;
    };
    (held.state, held.ended) = ("expired", Some(now));
    let (target, given) = (held.target.clone(), std::mem::take(&mut held.given));
    for group in given {
        let packages = &mut directory.access_packages;
        let holds = |package: &str| {
            let package = packages.packages.iter().find(|known| known.id == package);
            package.is_some_and(|package| package.holds.iter().any(|(resource, _)| resource.group == group))
        };
        let other = packages
            .assignments
            .iter()
            .position(|held| held.target == target && held.is_current() && holds(&held.package));
        match other {
            Some(other) => packages.assignments[other].given.push(group),
            None => {
                directory.members.remove(&group, &target);
            }
        }
    }
    seats::inherit(directory, &target, now);
}
