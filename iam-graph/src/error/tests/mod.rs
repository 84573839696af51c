//! Answers of Graph, and what is made of them.

mod meanings;

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

fn check(status: u16, code: &str, message: &str, operation: &'static str, expect: (Meaning, &str)) {
    let error = of(
        &answer(status, &json!({"error": {"code": code, "message": message}})),
        operation,
    );
    assert_eq!(
        (meaning(&error), error.kind()),
        (expect.0, expect.0.kind()),
        "{status} {code} {message}"
    );
    assert!(error.to_string().contains(expect.1), "{error} lacks {}", expect.1);
    assert_eq!((error.status(), error.request_id()), (Some(status), Some("r-1")));
    assert_eq!(error.code(), Some(code).filter(|code| !code.is_empty()));
    assert_eq!(error.operation(), Some(operation));
}

#[test]
fn names_of_meanings_are_unique_and_those_of_kinds_agree() {
    let names: std::collections::BTreeSet<&str> =
        Meaning::ALL.iter().map(|meaning| meaning.as_str()).collect();
    assert_eq!(names.len(), Meaning::ALL.len());
    for meaning in Meaning::ALL {
        let kind = meaning.kind();
        if Meaning::ALL.iter().any(|other| other.as_str() == kind.as_str()) {
            let of_kind = super::meaning(&Error::new(kind, "x"));
            assert_eq!(of_kind.kind(), kind, "{meaning:?}");
        }
    }
    // Whoever knows more than the answer said changes the kind, and with it the meaning.
    let gone = of(&answer(404, &json!({})), "remove group member");
    assert_eq!(meaning(&gone), Meaning::NotMember);
    assert_eq!(
        meaning(&gone.with_kind(ErrorKind::NotYetReplicated)),
        Meaning::NotYetReplicated
    );
}

#[test]
fn one_line_names_code_and_both_ids() {
    let inner = json!({"date": "2026-10-12T00:00:00", "request-id": "r-2", "client-request-id": "c-2"});
    for spelling in ["innerError", "innererror"] {
        let body = json!({"error": {"code": "Request_ResourceNotFound", "message": "x", spelling: inner}});
        let line = of(&Response::new(404, vec![], body.to_string()), "get user").to_string();
        assert_eq!(
            line,
            "get user: the object does not exist (404 Request_ResourceNotFound, request-id r-2, client-request-id c-2)"
        );
    }
    // The headers come first, and what is no id is not repeated.
    let headers = vec![
        ("client-request-id".into(), "c-1".into()),
        ("request-id".into(), "<ada@x.example>\n".into()),
    ];
    let error = of(&Response::new(404, headers, ""), "get user");
    assert_eq!(
        error.to_string(),
        "get user: the object does not exist (404, client-request-id c-1)"
    );
}

#[test]
fn the_details_name_the_property() {
    let body = json!({"error": {"code": "Request_BadRequest", "message": "…", "details": [
        {"code": "ObjectConflict", "target": "proxyAddresses", "message": "ada@x.example"},
        {"code": "ConflictingObjects", "target": "8d0f"}]}});
    let error = of(&answer(400, &body), "create user");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.message(), "another object has the same proxyAddresses");
    assert_eq!(error.property(), Some("proxyAddresses"));
    // The second detail, of newer answers, names no property.
    let body = json!({"error": {"code": "Request_BadRequest", "message": "…", "details": [
        {"code": "ConflictingObjects", "target": "ConflictingObjects", "message": "8d0f"},
        {"code": "ObjectConflict", "target": "userPrincipalName"}]}});
    assert_eq!(
        of(&answer(400, &body), "create user").property(),
        Some("userPrincipalName")
    );
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
        redact::harmless(text, text::no_value),
        "Property 'city' of '…' … in '8f1c2d3e-0000-4000-8000-0123456789ab' is '…'"
    );
    assert_eq!(
        redact::harmless("The user's name 'Tim O'Neil' is wrong.", text::no_value),
        "The user’s name '…' is wrong"
    );
    let check = |status, body: Vec<u8>| {
        let error = of(&Response::new(status, vec![], body), "get user");
        assert!(format!("{error:?}").len() < 600, "{error:?}");
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
