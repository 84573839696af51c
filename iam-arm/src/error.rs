//! Azure Resource Manager's error answers, by meaning.
//!
//! The service's codes decide, the outermost that is known first: resource providers wrap the one that
//! matters in `details` and `innererror`. Besides the documented shape, bare `{code, message}`, OData's
//! `odata.error` and pages of gateways occur. Source: Microsoft Learn, "Troubleshoot common Azure deployment
//! errors" and "Troubleshoot Azure RBAC"; azure-resource-manager-rpc, "common-api-details".
//!
//! Invariants: no more than 64 KiB of an answer is looked at, and no message repeats a value of the request:
//! what the service quotes is cut out; ids, scopes and operations of Azure stay.

use iam_core::error::Retry;
use iam_core::http::{Response, redact, retry};
use iam_core::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::throttle::empty_bucket;

/// The longest answer that is read as an error document.
const LONGEST_BODY: usize = 64 * 1024;
/// How deep, and how many, nested errors are looked at.
const DEEPEST: usize = 8;
const MOST: usize = 32;

/// One error of a document: its code and its text.
type Part<'a> = (&'a str, &'a str);

/// The error that an answer other than 2xx stands for, during `operation` (`"assign role"`).
pub fn of(answer: &Response, operation: &'static str) -> Error {
    let document = document(answer);
    let mut parts = Vec::new();
    collect(root(&document), 0, &mut parts);
    let (kind, message, code) = meaning(answer, &parts, operation);
    let mut error = Error::new(kind, message)
        .with_operation(operation)
        .with_status(answer.status)
        .with_body(&answer.body)
        .with_retry(advice(kind, code, answer));
    let outer = parts.first().map(|(code, _)| *code);
    if let Some(code) = code.or(outer).and_then(redact::word) {
        error = error.with_code(code);
    }
    let ids = ["x-ms-request-id", "x-ms-correlation-request-id"];
    if let Some(id) = ids.iter().find_map(|name| redact::word(answer.header(name)?)) {
        error = error.with_request_id(id);
    }
    if let Some(id) = answer.header("client-request-id").and_then(redact::word) {
        error = error.with_client_request_id(id);
    }
    error
}

/// Whether the scope, or what was asked for there, is known to be gone. A subscription that is not found may
/// as well be one that the application has lost sight of.
pub(crate) fn is_gone(error: &Error) -> bool {
    let gone = [
        "ResourceGroupNotFound",
        "ResourceNotFound",
        "ParentResourceNotFound",
        "RoleAssignmentNotFound",
    ];
    error.kind() == ErrorKind::NotFound && error.code().is_some_and(|code| gone.contains(&code))
}

/// Reads one value of an answer; the error names the path that did not fit.
pub(crate) fn read<T: DeserializeOwned>(value: Value, operation: &'static str) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let message = format!("the answer does not fit its schema at `{}`", error.path());
        Error::new(ErrorKind::Protocol, message).with_operation(operation)
    })
}

fn document(answer: &Response) -> Value {
    if answer.body.len() > LONGEST_BODY {
        return Value::Null;
    }
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn root(document: &Value) -> &Value {
    ["error", "odata.error"]
        .iter()
        .find_map(|name| document.get(name))
        .unwrap_or(document)
}

/// The error and those inside it, outermost first.
fn collect<'a>(error: &'a Value, depth: usize, parts: &mut Vec<Part<'a>>) {
    if depth > DEEPEST || parts.len() >= MOST {
        return;
    }
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let message = error.get("message");
    let text = message
        .and_then(|message| message.as_str().or_else(|| message.get("value")?.as_str()))
        .unwrap_or_default();
    if !(code.is_empty() && text.is_empty()) {
        parts.push((code, text));
    }
    let details = error.get("details").and_then(Value::as_array);
    let inner = ["innererror", "innerError", "error"]
        .iter()
        .filter_map(|name| error.get(name));
    for next in details.into_iter().flatten().chain(inner) {
        collect(next, depth + 1, parts);
    }
}

fn advice(kind: ErrorKind, code: Option<&str>, answer: &Response) -> Retry {
    match (kind, code) {
        // Somebody has to make room or take the lock away: not within seconds.
        (_, Some("RoleAssignmentLimitExceeded" | "ScopeLocked")) => Retry::Exhausted,
        (_, Some("RoleAssignmentUpdateNotPermitted" | "InvalidResourceGroupLocation")) => Retry::Never,
        (ErrorKind::Conflict | ErrorKind::NotYetReplicated, _) => Retry::After(None),
        _ => retry::advice(answer, answer.attempts),
    }
}

/// What the answer means: the kind, a clause, and the code that decided.
fn meaning<'a>(
    answer: &Response,
    parts: &[Part<'a>],
    operation: &'static str,
) -> (ErrorKind, String, Option<&'a str>) {
    let text = parts
        .iter()
        .map(|(_, text)| *text)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    // A failure to carry the request out stays one, whatever it quotes.
    if (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 429) {
        for (code, text) in parts {
            if let Some((kind, clause)) = of_code(code) {
                return (kind, explained(clause, text), Some(code));
            }
        }
    }
    let (kind, message) = of_status(answer, parts.is_empty(), text, operation);
    (kind, message, None)
}

/// The codes that say more than the status does.
fn of_code(code: &str) -> Option<(ErrorKind, &'static str)> {
    use ErrorKind::{AlreadyExists, Conflict, Invalid, NotFound, NotYetReplicated};
    Some(match code {
        "PrincipalNotFound" => (NotYetReplicated, "Azure does not know the principal yet"),
        "InvalidPrincipalId" => (Invalid, "the principal's id is no GUID"),
        "RoleAssignmentExists" => (AlreadyExists, "the role is assigned already"),
        "RoleAssignmentUpdateNotPermitted" => (
            Conflict,
            "an assignment of that name is there for another principal, role or scope, or with another condition",
        ),
        "RoleAssignmentLimitExceeded" => (
            Conflict,
            "the scope has as many role assignments as Azure allows (4000 in a subscription, 500 in a management group): remove some, or assign to groups",
        ),
        "RoleDefinitionDoesNotExist" | "InvalidRoleDefinitionId" => {
            (NotFound, "the role does not exist at that scope")
        }
        "ScopeLocked" => (Conflict, "a lock forbids the change: remove the lock first"),
        "ResourceGroupBeingDeleted" => (Conflict, "the resource group is being deleted"),
        "AnotherOperationInProgress" => (Conflict, "another operation on it is in progress"),
        "InvalidResourceGroupLocation" => (Conflict, "the resource group exists in another location"),
        "MissingSubscriptionRegistration" => (
            Invalid,
            "the subscription has not registered the resource provider: register it",
        ),
        "SubscriptionNotFound" => (
            NotFound,
            "the subscription does not exist, or is in another tenant",
        ),
        "ResourceGroupNotFound" => (NotFound, "the resource group does not exist"),
        "ResourceNotFound" | "ParentResourceNotFound" => (NotFound, "the resource does not exist"),
        "RoleAssignmentNotFound" => (NotFound, "the role assignment does not exist"),
        _ => return None,
    })
}

fn of_status(
    answer: &Response,
    no_document: bool,
    text: &str,
    operation: &'static str,
) -> (ErrorKind, String) {
    match answer.status {
        401 => (
            ErrorKind::Unauthenticated,
            "Azure refused the token: check tenant, client id and secret, and that the application has not been disabled".to_owned(),
        ),
        403 => (ErrorKind::Denied, denied(operation, text)),
        404 | 410 => (ErrorKind::NotFound, explained("the object does not exist", text)),
        409 | 412 => (ErrorKind::Conflict, explained("it was changed at the same moment, or is in a state that forbids the change", text)),
        429 => (ErrorKind::Throttled, throttled(answer)),
        501 => (ErrorKind::Invalid, explained("Azure cannot do this", text)),
        408 | 500.. => (ErrorKind::Unavailable, "Azure failed to carry the request out".to_owned()),
        300..=399 => (ErrorKind::Protocol, "Azure redirected the request, which is not followed: check the endpoint".to_owned()),
        _ if no_document => {
            (ErrorKind::Invalid, "the request was refused without an Azure error document: check the endpoint and proxies".to_owned())
        }
        _ => (ErrorKind::Invalid, explained("Azure refused the request", text)),
    }
}

fn throttled(answer: &Response) -> String {
    match empty_bucket(answer).and_then(redact::word) {
        Some(bucket) => format!("Azure asks to slow down: nothing is left of {bucket}"),
        None => "Azure asks to slow down".to_owned(),
    }
}

/// The built-in role that an operation needs at its scope, the least that will do.
fn role(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "assign role" | "remove role assignment" => {
            "Role Based Access Control Administrator (or User Access Administrator)"
        }
        "list roles"
        | "list role assignments"
        | "list subscriptions"
        | "get subscription"
        | "list resource groups"
        | "get resource group" => "Reader",
        "create resource group" => "Contributor",
        _ => return None,
    })
}

fn denied(operation: &str, text: &str) -> String {
    let clause = match role(operation) {
        Some(role) => format!("the application may not do this: give it the role {role} at the scope"),
        None => "the application may not do this: give it a role at the scope".to_owned(),
    };
    explained(&clause, text)
}

/// A clause of ours, and what of the service's text may be repeated.
fn explained(clause: &str, text: &str) -> String {
    redact::explained(clause, text, |_, quoted| is_azures(quoted))
}

/// A GUID, a path of Azure or an operation (`Microsoft.Authorization/roleAssignments/write`): no person's.
fn is_azures(piece: &str) -> bool {
    let named = ["/subscriptions/", "/providers/", "Microsoft."]
        .iter()
        .any(|start| piece.starts_with(start));
    uuid::Uuid::try_parse(piece).is_ok() || (named && !piece.contains('@'))
}

#[cfg(test)]
mod tests;
