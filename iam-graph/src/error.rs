//! Graph's error answers, by meaning.
//!
//! The service's `code` and `details[].code` decide where they can. For group members, licences and role
//! assignments Graph gives no better signal than its English text (Microsoft Learn, "Microsoft Graph error
//! responses and resource types"), so known sentences are recognised as well.
//!
//! What a caller can do about an error is its [`ErrorKind`]; what exactly was refused is its [`Meaning`]
//! ([`meaning`]). A code that is not known here counts by its status.
//!
//! Invariants: no more than 64 KiB of an answer is looked at, and no message repeats a value of the request:
//! what the service quotes (names, addresses) is cut out, property names and object ids stay.

mod meaning;

use iam_core::error::Retry;
use iam_core::http::{Response, retry};
use iam_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::mailbox::NO_MAILBOX;
pub use meaning::{Meaning, meaning};

/// The longest answer that is read as an error document.
const LONGEST_BODY: usize = 64 * 1024;
/// The longest piece of the service's own text in a message, in characters.
const LONGEST_TEXT: usize = 300;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    error: Body,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<String>,
    message: Option<String>,
    details: Option<Vec<Detail>>,
    #[serde(rename = "innerError", alias = "innererror")]
    inner: Option<Inner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: Option<String>,
    target: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inner {
    #[serde(rename = "request-id")]
    request_id: Option<String>,
    #[serde(rename = "client-request-id")]
    client_request_id: Option<String>,
}

/// The error that an answer other than 2xx stands for, during `operation` (`"create user"`).
pub fn of(answer: &Response, operation: &'static str) -> Error {
    let body = document(answer);
    let Finding {
        meaning,
        property,
        message,
    } = found(answer, &body, operation);
    let kind = meaning.kind();
    let mut error = Error::new(kind, message)
        .with_operation(operation)
        .with_status(answer.status)
        .with_reason(meaning.as_str())
        .with_retry(advice(kind, answer));
    if let Some(code) = body.code.as_deref().and_then(word) {
        error = error.with_code(code);
    }
    if let Some(property) = property {
        error = error.with_property(property);
    }
    let inner = body.inner.unwrap_or_default();
    if let Some(id) = answer
        .header("request-id")
        .or(inner.request_id.as_deref())
        .and_then(word)
    {
        error = error.with_request_id(id);
    }
    let sent = answer
        .header("client-request-id")
        .or(inner.client_request_id.as_deref());
    if let Some(id) = sent.and_then(word) {
        error = error.with_client_request_id(id);
    }
    error
}

/// What an attempt at `operation` came to: an answer of 2xx, or its error. A failure of the service leaves open whether
/// a request took effect that must not be repeated: that is [`ErrorKind::OutcomeUnknown`].
pub(crate) fn judged(
    outcome: Result<Response>,
    operation: &'static str,
    idempotent: bool,
) -> Result<Response> {
    let answer = outcome?;
    if answer.is_success() {
        return Ok(answer);
    }
    let error = of(&answer, operation);
    if error.kind() == ErrorKind::Unavailable && !idempotent {
        return Err(error.with_kind(ErrorKind::OutcomeUnknown));
    }
    Err(error)
}

fn document(answer: &Response) -> Body {
    if answer.body.len() > LONGEST_BODY {
        return Body::default();
    }
    serde_json::from_slice::<Document>(&answer.body)
        .unwrap_or_default()
        .error
}

fn advice(kind: ErrorKind, answer: &Response) -> Retry {
    match kind {
        ErrorKind::Conflict => Retry::After(None),
        // A seat may become free, but not within seconds.
        ErrorKind::LicenseExhausted => Retry::Exhausted,
        _ => retry::advice(answer, answer.attempts),
    }
}

/// What an answer means, and the words for it.
struct Finding {
    meaning: Meaning,
    property: Option<String>,
    message: String,
}

impl Finding {
    fn new(meaning: Meaning, message: impl Into<String>) -> Self {
        Self {
            meaning,
            property: None,
            message: message.into(),
        }
    }
}

fn found(answer: &Response, body: &Body, operation: &'static str) -> Finding {
    let text = body.message.as_deref().unwrap_or_default();
    if let Some(finding) = by_code(body, operation).or_else(|| by_text(answer.status, body, operation)) {
        return finding;
    }
    match answer.status {
        401 => Finding::new(
            Meaning::TokenRefused,
            "Graph refused the token: check tenant, client id and secret, and that the application has not been disabled",
        ),
        402 | 403 | 451 => Finding::new(Meaning::PrivilegeMissing, denied(operation, text)),
        404 if operation == "remove group member" => Finding::new(
            Meaning::NotMember,
            "the object is no member, or the group does not exist",
        ),
        404 => Finding::new(Meaning::NotFound, "the object does not exist"),
        409 | 412 | 423 => Finding::new(
            Meaning::ChangedMeanwhile,
            explained("the directory was changed at the same moment", text),
        ),
        410 => Finding::new(
            Meaning::ResyncNeeded,
            "the remembered place is too old: everything must be read anew",
        ),
        424 => Finding::new(
            Meaning::DependencyFailed,
            "it was not tried, because the request that it depends on failed",
        ),
        429 | 509 => Finding::new(Meaning::Throttled, "Graph asks to slow down"),
        501 => Finding::new(Meaning::Invalid, explained("Graph cannot do this", text)),
        507 => Finding::new(Meaning::QuotaExceeded, explained("the quota is used up", text)),
        408 | 500.. => Finding::new(Meaning::Unavailable, "Graph failed to carry the request out"),
        300..=399 => Finding::new(
            Meaning::Unreadable,
            "Graph redirected the request, which is not followed: check the endpoint",
        ),
        _ if body.code.as_deref().unwrap_or_default().is_empty() && text.is_empty() => Finding::new(
            Meaning::Invalid,
            "the request was refused without a Graph error document: check the endpoint and proxies",
        ),
        _ => Finding::new(Meaning::Invalid, explained("Graph refused the request", text)),
    }
}

/// What the service's own code says by itself, whatever the status.
fn by_code(body: &Body, operation: &'static str) -> Option<Finding> {
    let text = body.message.as_deref().unwrap_or_default();
    Some(match body.code.as_deref()? {
        "resyncRequired"
        | "syncStateNotFound"
        | "SyncStateNotFound"
        | "SyncStateInvalid"
        | "Directory_ExpiredPageToken" => Finding::new(
            Meaning::ResyncNeeded,
            "the remembered place is too old: everything must be read anew",
        ),
        "Directory_QuotaExceeded" | "Directory_ResourceSizeExceeded" => Finding::new(
            Meaning::QuotaExceeded,
            explained(
                "the directory's quota is used up: raise it, or delete what is not needed",
                text,
            ),
        ),
        NO_MAILBOX if operation == "send mail" => Finding::new(
            Meaning::MailboxMissing,
            "the sender has no mailbox in Exchange Online",
        ),
        NO_MAILBOX => Finding::new(
            Meaning::MailboxMissing,
            "the account has no mailbox in Exchange Online",
        ),
        "RoleAssignmentExists" => {
            Finding::new(Meaning::AlreadyLinked, "the link or assignment exists already")
        }
        "RoleAssignmentDoesNotExist" => Finding::new(Meaning::NotFound, "the role is not held that way"),
        "Request_UnsupportedQuery" => Finding::new(
            Meaning::UnsupportedQuery,
            explained("Graph does not answer such a query", text),
        ),
        _ => return None,
    })
}

/// What only a sentence tells.
fn by_text(status: u16, body: &Body, operation: &'static str) -> Option<Finding> {
    if !matches!(status, 400 | 403 | 409) {
        return None;
    }
    let text = body.message.as_deref().unwrap_or_default();
    let lower = text.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let any = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if any(&[
        "on-premises mastered",
        "mail-enabled security group",
        "directory sync objects",
    ]) {
        return Some(Finding::new(
            Meaning::MasteredElsewhere,
            explained(
                "the object is mastered on premises or in Exchange, and cannot be changed through Graph",
                text,
            ),
        ));
    }
    if status == 403 {
        return None;
    }
    if is_conflict(body, &lower) {
        let target = conflict_target(body, text);
        let message = format!(
            "another object has the same {}",
            target.unwrap_or("unique property")
        );
        let property = target.map(str::to_owned);
        return Some(Finding {
            property,
            ..Finding::new(Meaning::Conflict, message)
        });
    }
    if has("already exist") {
        let member = operation == "add group member" || has("'members'");
        let meaning = if member {
            Meaning::AlreadyMember
        } else {
            Meaning::AlreadyLinked
        };
        return Some(Finding::new(meaning, "the link or assignment exists already"));
    }
    if status != 400 {
        return None;
    }
    let licence = has("licen") || has("service plan");
    let details = body.details.as_deref().unwrap_or_default();
    let about_password = details
        .iter()
        .any(|detail| detail.target.as_deref() == Some("passwordProfile"));
    let rules = [
        "complexity",
        "comply",
        "banned",
        "too weak",
        "too common",
        "history",
        "too short",
        "too long",
    ];
    Some(if has("usage location") || has("usagelocation") && licence {
        Finding::new(
            Meaning::UsageLocationMissing,
            "the account has no usage location that the licence may be used in: set usage_location (ISO 3166-1 alpha-2) first",
        )
    } else if licence
        && any(&[
            "mutuallyexclusive",
            "mutually exclusive",
            "conflicting service plan",
        ])
    {
        Finding::new(
            Meaning::LicenseClash,
            explained(
                "the licence has a plan that excludes one the account holds: take that one first",
                text,
            ),
        )
    } else if licence
        && any(&[
            "dependencyviolation",
            "depends on the service plan",
            "depends on service plan",
        ])
    {
        Finding::new(
            Meaning::LicenseIncomplete,
            explained(
                "the licence has a plan that needs another one: give that one first",
                text,
            ),
        )
    } else if licence
        && any(&[
            "not have any available",
            "no available",
            "not enough",
            "insufficient",
            "countviolation",
            "exceed",
        ])
    {
        Finding::new(
            Meaning::LicenseExhausted,
            "no seat of the licence is free: buy seats or take some back",
        )
    } else if any(&[
        "was not found on application",
        "does not reference a valid application",
    ]) {
        // What has just been made is often meant: it is not known everywhere yet.
        Finding::new(
            Meaning::NotFound,
            "the application, or its role for such a principal, does not exist or is not known everywhere yet",
        )
    } else if has("does not have a corresponding license") {
        Finding::new(
            Meaning::LicenseNotHeld,
            "the account does not hold the licence directly",
        )
    } else if has("inherited from a group") && licence {
        Finding::new(
            Meaning::LicenseInherited,
            "the licence comes from a group: leave the group instead",
        )
    } else if has("password") && (about_password || any(&rules)) {
        Finding::new(
            Meaning::PasswordRefused,
            "the password breaks the tenant's rules: length, complexity, or the list of banned passwords",
        )
    } else {
        return None;
    })
}

fn is_conflict(body: &Body, lower: &str) -> bool {
    let codes = [
        "ObjectConflict",
        "ConflictingObjects",
        "Request_MultipleObjectsWithSameKeyValue",
    ];
    let known = |code: &Option<String>| code.as_deref().is_some_and(|code| codes.contains(&code));
    known(&body.code)
        || body.details.iter().flatten().any(|detail| known(&detail.code))
        || lower.contains("another object with the same value")
        || lower.contains("a conflicting object with one or more")
}

/// Which property collides: from the details, else from the sentence "for property X".
fn conflict_target<'a>(body: &'a Body, text: &'a str) -> Option<&'a str> {
    let targets = body
        .details
        .iter()
        .flatten()
        .filter_map(|detail| detail.target.as_deref());
    let named = || {
        text.split_once("for property ")
            .and_then(|(_, rest)| rest.split_whitespace().next())
    };
    targets
        .map(|target| target.trim_matches(['\'', '.']))
        .find(|target| is_property(target) && *target != "ConflictingObjects")
        .or_else(|| {
            named()
                .map(|name| name.trim_matches(['\'', '.']))
                .filter(|name| is_property(name))
        })
}

fn is_property(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The application permission that an operation needs (Microsoft Learn, "Microsoft Graph permissions
/// reference"). Every operation of this crate is here.
fn permission(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "get user"
        | "find users"
        | "list users"
        | "count users"
        | "list changes of users"
        | "find deleted users"
        | "get deleted user"
        | "get manager"
        | "list direct reports" => "User.Read.All",
        "create user" | "update user" | "delete user" | "restore user" | "set manager" | "remove manager" => {
            "User.ReadWrite.All"
        }
        "read sign-in activity" => "AuditLog.Read.All beside User.Read.All (and Entra ID P1)",
        "block or allow sign-in" => "User.EnableDisableAccount.All with User.Read.All, or User.ReadWrite.All",
        "revoke sessions" => "User.RevokeSessions.All",
        "reset password" => "User-PasswordProfile.ReadWrite.All",
        "list groups"
        | "list groups of a user"
        | "list group members"
        | "list changes of groups"
        | "find groups" => "GroupMember.Read.All",
        "get group" | "list group owners" | "list deleted groups" => "Group.Read.All",
        "create group" | "update group" | "delete group" | "restore group" | "add group owner"
        | "remove group owner" => "Group.ReadWrite.All",
        "delete for good" => "the write permission of what is deleted, for example User.DeleteRestore.All",
        "add group member" | "remove group member" => "GroupMember.ReadWrite.All",
        "get directory object" | "get directory objects" | "look up memberships" | "list app roles" => {
            "Directory.Read.All"
        }
        "list administrative units"
        | "get administrative unit"
        | "list members of an administrative unit" => "AdministrativeUnit.Read.All",
        "create administrative unit"
        | "update administrative unit"
        | "delete administrative unit"
        | "restore administrative unit"
        | "add member of an administrative unit"
        | "remove member of an administrative unit" => "AdministrativeUnit.ReadWrite.All",
        "list licences" => "LicenseAssignment.Read.All",
        "assign licence" => "LicenseAssignment.ReadWrite.All",
        "list roles" | "list role assignments" | "list roles in an administrative unit" => {
            "RoleManagement.Read.Directory"
        }
        "list eligible roles" => "RoleEligibilitySchedule.Read.Directory or RoleManagement.Read.Directory",
        "make eligible for a role" | "remove eligible role" => {
            "RoleEligibilitySchedule.ReadWrite.Directory or RoleManagement.ReadWrite.Directory"
        }
        "assign role" | "remove role" | "activate role" => "RoleManagement.ReadWrite.Directory",
        "list domains" | "list uses of a domain" => "Domain.Read.All",
        "get organization" => "Organization.Read.All",
        "list applications"
        | "get application"
        | "list deleted applications"
        | "list service principals"
        | "get service principal" => "Application.Read.All",
        "create application"
        | "update application"
        | "delete application"
        | "restore application"
        | "create service principal"
        | "update service principal"
        | "delete service principal" => "Application.ReadWrite.All",
        "assign app role" | "remove app role" => "AppRoleAssignment.ReadWrite.All",
        "list authentication methods" | "list access passes" => "UserAuthenticationMethod.Read.All",
        "delete authentication method" | "create access pass" | "delete access pass" => {
            "UserAuthenticationMethod.ReadWrite.All"
        }
        "list conditional access policies" => "Policy.Read.All",
        "send mail" => "Mail.Send",
        "get mailbox settings" => "MailboxSettings.Read",
        "set automatic replies" => "MailboxSettings.ReadWrite",
        "get drive" | "get drive root" | "list drive permissions" => "Files.Read.All",
        "share drive" | "unshare drive" => "Files.ReadWrite.All",
        "read directory audits" | "read provisioning log" => "AuditLog.Read.All",
        "read sign-ins" => "AuditLog.Read.All and Directory.Read.All",
        "get provisioning job" => "Synchronization.Read.All",
        "upload people" => "SynchronizationData-User.Upload",
        _ => return None,
    })
}

fn denied(operation: &str, text: &str) -> String {
    let base = match permission(operation) {
        Some(permission) => {
            format!("the application may not do this: grant it {permission} with admin consent")
        }
        None => "the application may not do this: grant it the permission with admin consent".to_owned(),
    };
    let hint = match operation {
        "add group member" | "remove group member" => {
            "; a role-assignable group needs RoleManagement.ReadWrite.Directory too, and dynamic, mail-enabled and synchronised groups cannot be changed through Graph"
        }
        "update user" | "block or allow sign-in" | "reset password" | "delete user" | "revoke sessions" => {
            "; for an account with administrative roles the application needs a directory role such as Privileged Authentication Administrator"
        }
        _ => "",
    };
    explained(&format!("{base}{hint}"), text)
}

/// A clause of ours, and what of the service's text may be repeated.
fn explained(clause: &str, text: &str) -> String {
    let text = harmless(text);
    if text.is_empty() {
        clause.to_owned()
    } else {
        format!("{clause} ({text})")
    }
}

/// The service's text without values: what stands in quotes is kept only when it is a property, a type or an
/// object id; words with an `@` and everything behind the first line go.
fn harmless(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line: String = line
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_TEXT)
        .collect();
    let line = between_letters(&line);
    let mut kept = String::new();
    for (index, piece) in line.split(['\'', '"']).enumerate() {
        if index % 2 == 0 {
            let words = piece
                .split(' ')
                .map(|word| if word.contains('@') { "…" } else { word });
            kept.push_str(&words.collect::<Vec<_>>().join(" "));
        } else {
            let before = kept
                .trim_end()
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .to_lowercase();
            let named =
                ["property", "properties:", "properties", "type", "parameter"].contains(&before.as_str());
            let keep = is_guid(piece) || (named && is_property(piece));
            kept.extend(["'", if keep { piece } else { "…" }, "'"]);
        }
    }
    kept.trim().trim_end_matches('.').to_owned()
}

/// An apostrophe between two letters (`user's`, `O'Neil`) is not a quote: it would turn inside and outside
/// of quotes around.
fn between_letters(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let letter = |index: Option<usize>| {
        index
            .and_then(|i| chars.get(i))
            .is_some_and(|c| c.is_alphabetic())
    };
    let apostrophe = |i: usize, c: char| c == '\'' && letter(i.checked_sub(1)) && letter(Some(i + 1));
    chars
        .iter()
        .enumerate()
        .map(|(i, &c)| if apostrophe(i, c) { '’' } else { c })
        .collect()
}

/// Whether a text is an object id.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// A short identifier, or nothing: codes and request ids are repeated as they are.
fn word(text: &str) -> Option<&str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!text.is_empty() && text.len() <= 100 && text.bytes().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests;
