//! Graph's error answers, by meaning.
//!
//! The service's `code` and `details[].code` decide where they can. For group members, licences and role
//! assignments Graph gives no better signal than its English text (Microsoft Learn, "Microsoft Graph error
//! responses and resource types"), so known sentences are recognised as well.
//!
//! Invariants: no more than 64 KiB of an answer is looked at, and no message repeats a value of the request:
//! what the service quotes (names, addresses) is cut out, property names and object ids stay.

use iam_core::error::Retry;
use iam_core::http::{Response, retry};
use iam_core::{Error, ErrorKind};
use serde::Deserialize;

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
}

/// The error that an answer other than 2xx stands for, during `operation` (`"create user"`).
pub fn of(answer: &Response, operation: &'static str) -> Error {
    let body = document(answer);
    let (kind, message) = meaning(answer, &body, operation);
    let mut error = Error::new(kind, message)
        .with_operation(operation)
        .with_status(answer.status)
        .with_retry(advice(kind, answer));
    if let Some(code) = body.code.as_deref().and_then(word) {
        error = error.with_code(code);
    }
    let inner = body.inner.and_then(|inner| inner.request_id);
    if let Some(id) = answer.header("request-id").or(inner.as_deref()).and_then(word) {
        error = error.with_request_id(id);
    }
    error
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

fn meaning(answer: &Response, body: &Body, operation: &'static str) -> (ErrorKind, String) {
    let code = body.code.as_deref().unwrap_or_default();
    let text = body.message.as_deref().unwrap_or_default();
    let lower = text.to_lowercase();
    let has = |part: &str| lower.contains(part);
    match answer.status {
        400 | 409 if is_conflict(body, &lower) => {
            let target = conflict_target(body, text);
            (ErrorKind::AlreadyExists, format!("another object has the same {target}"))
        }
        400 | 409 if has("already exist") => {
            (ErrorKind::AlreadyExists, "the link or assignment exists already".to_owned())
        }
        400 if has("usage location") || has("usagelocation") && has("licen") => (
            ErrorKind::Invalid,
            "the account has no usage location that the licence may be used in: set usage_location (ISO 3166-1 alpha-2) first".to_owned(),
        ),
        400 if has("licen") && ["not have any available", "no available", "not enough", "insufficient", "countviolation", "exceed"].iter().any(|part| has(part)) => {
            (ErrorKind::LicenseExhausted, "no seat of the licence is free: buy seats or take some back".to_owned())
        }
        400 if has("does not have a corresponding license") => {
            (ErrorKind::NotFound, "the account does not hold the licence directly".to_owned())
        }
        401 => (
            ErrorKind::Unauthenticated,
            "Graph refused the token: check tenant, client id and secret, and that the application has not been disabled".to_owned(),
        ),
        403 => (ErrorKind::Denied, denied(operation, text)),
        404 if code == "MailboxNotEnabledForRESTAPI" => (
            ErrorKind::NotFound,
            "the sender has no mailbox in Exchange Online".to_owned(),
        ),
        404 | 410 => (ErrorKind::NotFound, "the object does not exist".to_owned()),
        409 | 412 => (ErrorKind::Conflict, explained("the directory was changed at the same moment", text)),
        429 => (ErrorKind::Throttled, "Graph asks to slow down".to_owned()),
        501 => (ErrorKind::Invalid, explained("Graph cannot do this", text)),
        408 | 500.. => (ErrorKind::Unavailable, "Graph failed to carry the request out".to_owned()),
        300..400 => (ErrorKind::Protocol, "Graph redirected the request, which is not followed: check the endpoint".to_owned()),
        _ if code.is_empty() && text.is_empty() => {
            (ErrorKind::Invalid, "the request was refused without a Graph error document: check the endpoint and proxies".to_owned())
        }
        _ => (ErrorKind::Invalid, explained("Graph refused the request", text)),
    }
}

fn is_conflict(body: &Body, lower: &str) -> bool {
    let coded =
        |code: &Option<String>| matches!(code.as_deref(), Some("ObjectConflict" | "ConflictingObjects"));
    coded(&body.code)
        || body.details.iter().flatten().any(|detail| coded(&detail.code))
        || lower.contains("another object with the same value")
        || lower.contains("a conflicting object with one or more")
}

/// Which property collides: from the details, else from the sentence "for property X".
fn conflict_target<'a>(body: &'a Body, text: &'a str) -> &'a str {
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
        .find(|target| is_property(target))
        .or_else(|| {
            named()
                .map(|name| name.trim_matches(['\'', '.']))
                .filter(|name| is_property(name))
        })
        .unwrap_or("unique property")
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
        "get user" | "find users" | "list users" | "find deleted users" | "get deleted user" => {
            "User.Read.All"
        }
        "create user" | "update user" | "delete user" | "restore user" | "set manager" => {
            "User.ReadWrite.All"
        }
        "block or allow sign-in" => "User.EnableDisableAccount.All with User.Read.All, or User.ReadWrite.All",
        "revoke sessions" => "User.RevokeSessions.All",
        "reset password" => "User-PasswordProfile.ReadWrite.All",
        "list groups" | "list groups of a user" => "GroupMember.Read.All",
        "add group member" | "remove group member" => "GroupMember.ReadWrite.All",
        "list licences" => "LicenseAssignment.Read.All",
        "assign licence" => "LicenseAssignment.ReadWrite.All",
        "list roles" | "list role assignments" => "RoleManagement.Read.Directory",
        "assign role" | "remove role" => "RoleManagement.ReadWrite.Directory",
        "list domains" => "Domain.Read.All",
        "send mail" => "Mail.Send",
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

fn is_guid(text: &str) -> bool {
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
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    fn answer(status: u16, body: &serde_json::Value) -> Response {
        Response::new(
            status,
            vec![("request-id".into(), "r-1".into())],
            body.to_string(),
        )
    }

    fn check(status: u16, code: &str, message: &str, operation: &'static str, expect: (ErrorKind, &str)) {
        let error = of(
            &answer(status, &json!({"error": {"code": code, "message": message}})),
            operation,
        );
        assert_eq!(error.kind(), expect.0, "{message}");
        assert!(error.to_string().contains(expect.1), "{error} lacks {}", expect.1);
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("r-1")));
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.operation(), Some(operation));
    }

    #[test]
    fn answers_have_meanings() {
        use ErrorKind::*;
        let bad = "Request_BadRequest";
        check(
            400,
            bad,
            "Another object with the same value for property userPrincipalName already exists.",
            "create user",
            (AlreadyExists, "userPrincipalName"),
        );
        check(
            400,
            bad,
            "One or more added object references already exist for the following modified properties: 'members'.",
            "add group member",
            (AlreadyExists, "exists already"),
        );
        check(
            400,
            bad,
            "A conflicting object with one or more of the specified property values is present in the directory.",
            "assign role",
            (AlreadyExists, "unique property"),
        );
        check(
            400,
            bad,
            "License assignment cannot be done for user with invalid usage location.",
            "assign licence",
            (Invalid, "usage_location"),
        );
        check(
            400,
            bad,
            "Subscription with SKU c7df2760-2c81-4ef7-b578-5b5392b571df does not have any available licenses.",
            "assign licence",
            (LicenseExhausted, "no seat"),
        );
        check(
            400,
            bad,
            "User does not have a corresponding license.",
            "assign licence",
            (NotFound, "directly"),
        );
        check(
            400,
            bad,
            "Invalid value specified for property 'usageLocation' of resource 'User'.",
            "update user",
            (Invalid, "property 'usageLocation'"),
        );
        check(
            401,
            "InvalidAuthenticationToken",
            "Access token has expired.",
            "get user",
            (Unauthenticated, "token"),
        );
        check(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
            "create user",
            (Denied, "User.ReadWrite.All"),
        );
        check(
            403,
            "Authorization_RequestDenied",
            "x",
            "add group member",
            (Denied, "GroupMember.ReadWrite.All"),
        );
        check(
            403,
            "Authorization_RequestDenied",
            "x",
            "assign role",
            (Denied, "RoleManagement.ReadWrite.Directory"),
        );
        check(
            403,
            "Authorization_RequestDenied",
            "x",
            "assign licence",
            (Denied, "LicenseAssignment.ReadWrite.All"),
        );
        check(403, "ErrorAccessDenied", "x", "send mail", (Denied, "Mail.Send"));
        check(
            404,
            "Request_ResourceNotFound",
            "Resource 'x' does not exist.",
            "get user",
            (NotFound, "does not exist"),
        );
        check(
            409,
            "Directory_ConcurrencyViolation",
            "x",
            "update user",
            (Conflict, "same moment"),
        );
        check(429, "TooManyRequests", "x", "get user", (Throttled, "slow down"));
        check(
            503,
            "serviceNotAvailable",
            "x",
            "get user",
            (Unavailable, "failed"),
        );
        check(501, "NotImplemented", "x", "get user", (Invalid, "cannot"));
    }

    #[test]
    fn the_details_name_the_property() {
        let body = json!({"error": {"code": "Request_BadRequest", "message": "…", "details": [
            {"code": "ObjectConflict", "target": "proxyAddresses", "message": "ada@x.example"},
            {"code": "ConflictingObjects", "target": "8d0f"}]}});
        let error = of(&answer(400, &body), "create user");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(error.message(), "another object has the same proxyAddresses");
    }

    #[test]
    fn retry_advice_follows_the_answer() {
        let throttled = |attempts: u32| {
            let mut answer = Response::new(429, vec![("Retry-After".into(), "7".into())], "");
            answer.attempts = attempts;
            of(&answer, "get user").retry()
        };
        assert_eq!(throttled(1), Retry::After(Some(Duration::from_secs(7))));
        assert_eq!(throttled(3), Retry::Exhausted);
        let advice = |status: u16, text: &str| {
            of(
                &answer(status, &json!({"error": {"code": "c", "message": text}})),
                "x",
            )
            .retry()
        };
        assert_eq!(advice(409, ""), Retry::After(None));
        assert_eq!(advice(400, "no available license seats"), Retry::Exhausted);
        assert_eq!(advice(400, "wrong"), Retry::Never);
    }

    #[test]
    fn no_value_and_no_page_is_repeated() {
        let text = "Property 'city' of 'Ada Lovelace' <ada@x.example> in '8f1c2d3e-0000-4000-8000-0123456789ab' is \"Paris\".";
        assert_eq!(
            harmless(text),
            "Property 'city' of '…' … in '8f1c2d3e-0000-4000-8000-0123456789ab' is '…'"
        );
        assert_eq!(
            harmless("The user's name 'Tim O'Neil' is wrong."),
            "The user’s name '…' is wrong"
        );
        let check = |status, body: Vec<u8>| {
            let error = of(&Response::new(status, vec![], body), "get user");
            assert!(format!("{error:?}").len() < 500, "{error:?}");
        };
        check(502, b"<html>ada@x.example</html>".to_vec());
        check(400, vec![b'x'; 10 << 20]);
        check(
            400,
            format!(
                r#"{{"error":{{"code":"{0}","message":"{0}"}}}}"#,
                "y".repeat(20_000)
            )
            .into_bytes(),
        );
        check(400, br#"{"error": 7}"#.to_vec());
    }
}
