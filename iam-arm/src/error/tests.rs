use std::time::Duration;

use super::*;
use serde_json::json;

fn answer(status: u16, body: &Value) -> Response {
    let headers = vec![("x-ms-request-id".into(), "r-1".into())];
    Response::new(status, headers, body.to_string())
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

#[test]
fn answers_have_meanings() {
    use ErrorKind::*;
    use Retry::{After, Exhausted, Never};
    fn check(status: u16, code: &str, operation: &'static str, expect: (ErrorKind, Retry, &str)) {
        let error = of(&answer(status, &error(code, "Some text.")), operation);
        assert_eq!((error.kind(), error.retry()), (expect.0, expect.1), "{code}");
        assert!(error.to_string().contains(expect.2), "{error} lacks {}", expect.2);
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert_eq!(
            (error.operation(), error.request_id()),
            (Some(operation), Some("r-1"))
        );
    }
    let assign = "assign role";
    for (status, code, kind, retry, text) in [
        (
            400,
            "PrincipalNotFound",
            NotYetReplicated,
            After(None),
            "not know the principal yet",
        ),
        (400, "InvalidPrincipalId", Invalid, Never, "GUID"),
        (
            409,
            "RoleAssignmentExists",
            AlreadyExists,
            Never,
            "assigned already",
        ),
        (
            409,
            "RoleAssignmentUpdateNotPermitted",
            Conflict,
            Never,
            "another principal",
        ),
        (
            400,
            "RoleAssignmentUpdateNotPermitted",
            Conflict,
            Never,
            "another principal",
        ),
        (400, "RoleAssignmentLimitExceeded", Conflict, Exhausted, "4000"),
        (
            400,
            "RoleDefinitionDoesNotExist",
            NotFound,
            Never,
            "role does not exist",
        ),
        (409, "ScopeLocked", Conflict, Exhausted, "lock"),
        (409, "MissingSubscriptionRegistration", Invalid, Never, "register"),
        (404, "SubscriptionNotFound", NotFound, Never, "subscription"),
        (404, "ResourceGroupNotFound", NotFound, Never, "resource group"),
        (
            401,
            "ExpiredAuthenticationToken",
            Unauthenticated,
            Never,
            "refused the token",
        ),
        (
            403,
            "AuthorizationFailed",
            Denied,
            Never,
            "Role Based Access Control Administrator",
        ),
        (403, "LinkedAuthorizationFailed", Denied, Never, "Some text"),
        (404, "NotFound", NotFound, Never, "does not exist"),
        (409, "Conflict", Conflict, After(None), "same moment"),
        (412, "PreconditionFailed", Conflict, After(None), "same moment"),
        (429, "TooManyRequests", Throttled, After(None), "slow down"),
        (500, "InternalServerError", Unavailable, After(None), "failed"),
        (503, "PrincipalNotFound", Unavailable, After(None), "failed"),
        (400, "InvalidApiVersionParameter", Invalid, Never, "Some text"),
    ] {
        check(status, code, assign, (kind, retry, text));
    }
    check(
        403,
        "AuthorizationFailed",
        "list roles",
        (Denied, Never, "the role Reader"),
    );
    check(
        403,
        "AuthorizationFailed",
        "get tenants",
        (Denied, Never, "a role at the scope"),
    );
}

#[test]
fn the_code_that_matters_is_found_inside() {
    let check = |body: Value, kind: ErrorKind, code: &str| {
        let error = of(&answer(400, &body), "assign role");
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{body}");
    };
    let inner = json!({"code": "PrincipalNotFound", "message": "x"});
    let found = ErrorKind::NotYetReplicated;
    check(
        json!({"error": {"code": "BadRequest", "message": "see details", "details": [inner]}}),
        found,
        "PrincipalNotFound",
    );
    check(
        json!({"error": {"code": "Failed", "details": [{"code": "x", "details": [inner]}]}}),
        found,
        "PrincipalNotFound",
    );
    check(
        json!({"error": {"code": "Failed", "innererror": inner}}),
        found,
        "PrincipalNotFound",
    );
    check(inner, found, "PrincipalNotFound");
    check(
        json!({"odata.error": {"code": "Request_BadRequest", "message": {"value": "no"}}}),
        ErrorKind::Invalid,
        "Request_BadRequest",
    );
    // Deeper than anything real: the outermost code is all that is said.
    let deep = (0..60).fold(
        json!({"code": "PrincipalNotFound"}),
        |inner, _| json!({"code": "Failed", "details": [inner]}),
    );
    check(json!({"error": deep}), ErrorKind::Invalid, "Failed");
}

#[test]
fn throttling_names_the_wait_and_the_bucket() {
    let throttled = |attempts| {
        let headers = vec![
            ("Retry-After".into(), "7".into()),
            ("x-ms-ratelimit-remaining-subscription-reads".into(), "11".into()),
            ("x-ms-ratelimit-remaining-subscription-writes".into(), "0".into()),
        ];
        let mut answer = Response::new(429, headers, "");
        answer.attempts = attempts;
        of(&answer, "assign role")
    };
    assert_eq!(throttled(1).retry(), Retry::After(Some(Duration::from_secs(7))));
    assert_eq!(throttled(3).retry(), Retry::Exhausted);
    assert!(
        throttled(1).to_string().contains("subscription-writes"),
        "{}",
        throttled(1)
    );
}

#[test]
fn no_value_and_no_page_is_repeated() {
    let text = "The client 'ada@x.example' with object id '8f1c2d3e-0000-4000-8000-0123456789ab' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/s1'.\nAda Lovelace";
    assert_eq!(
        redact::harmless(text, |_, quoted| is_azures(quoted)),
        "The client '…' with object id '8f1c2d3e-0000-4000-8000-0123456789ab' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/s1'"
    );
    let check = |status, body: Vec<u8>| {
        let error = of(&Response::new(status, vec![], body), "assign role");
        let text = format!("{error:?}");
        assert!(text.len() < 600 && !text.contains("ada@x.example"), "{text}");
    };
    check(502, b"<html>ada@x.example</html>".to_vec());
    check(403, b"<html>ada@x.example</html>".to_vec());
    check(400, vec![b'x'; 10 << 20]);
    let long = "y".repeat(20_000);
    check(400, error(&long, &long).to_string().into_bytes());
    check(400, br#"{"error": 7}"#.to_vec());
    check(400, br#"[{"error": "ada@x.example"}]"#.to_vec());
    check(400, "[".repeat(60_000).into_bytes());
}
