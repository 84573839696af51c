//! Answers of Graph, and what is made of them.

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
fn answers_have_meanings() {
    use Meaning::*;
    let bad = "Request_BadRequest";
    for (status, code, message, operation, meaning, words) in [
        (
            400,
            bad,
            "Another object with the same value for property userPrincipalName already exists.",
            "create user",
            Conflict,
            "userPrincipalName",
        ),
        (
            400,
            bad,
            "A conflicting object with one or more of the specified property values is present in the directory.",
            "assign role",
            Conflict,
            "unique property",
        ),
        (
            400,
            "Request_MultipleObjectsWithSameKeyValue",
            "x",
            "create user",
            Conflict,
            "unique property",
        ),
        (
            409,
            "ObjectConflict",
            "x",
            "create user",
            Conflict,
            "unique property",
        ),
        (
            400,
            bad,
            "One or more added object references already exist for the following modified properties: 'members'.",
            "add group member",
            AlreadyMember,
            "exists already",
        ),
        (
            400,
            bad,
            "One or more added object references already exist for the following modified properties: 'owners'.",
            "add owner",
            AlreadyLinked,
            "exists already",
        ),
        (
            400,
            bad,
            "License assignment cannot be done for user with invalid usage location.",
            "assign licence",
            UsageLocationMissing,
            "usage_location",
        ),
        (
            400,
            bad,
            "Subscription with SKU c7df2760-2c81-4ef7-b578-5b5392b571df does not have any available licenses.",
            "assign licence",
            LicenseExhausted,
            "no seat",
        ),
        (
            400,
            bad,
            "User does not have a corresponding license.",
            "assign licence",
            LicenseNotHeld,
            "directly",
        ),
        (
            400,
            bad,
            "User license is inherited from a group membership and it cannot be removed directly from the user.",
            "assign licence",
            LicenseInherited,
            "leave the group",
        ),
        (
            400,
            bad,
            "License assignment failed because service plan 7547a3fe-08ee-4ccb-b430-5077c5041653 and service plan 199a5c09-e0ca-4e37-8f7c-b05d533e1ea2 are mutually exclusive.",
            "assign licence",
            LicenseClash,
            "7547a3fe",
        ),
        (
            400,
            bad,
            "License assignment failed because service plan 3c994f28-87d5-4273-b07a-eb6190852599 depends on the service plan(s) b737dad2-2f6c-4c65-90e3-ca563267e8b9.",
            "assign licence",
            LicenseIncomplete,
            "b737dad2",
        ),
        (
            400,
            bad,
            "The specified password does not comply with password complexity requirements. Please provide a different password.",
            "reset password",
            PasswordRefused,
            "rules",
        ),
        (
            400,
            bad,
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.",
            "update user",
            MasteredElsewhere,
            "on premises",
        ),
        (
            400,
            bad,
            "Cannot Update a mail-enabled security groups and or distribution list.",
            "add group member",
            MasteredElsewhere,
            "Exchange",
        ),
        (
            400,
            bad,
            "Invalid value specified for property 'usageLocation' of resource 'User'.",
            "update user",
            Invalid,
            "property 'usageLocation'",
        ),
        (
            400,
            "Request_UnsupportedQuery",
            "Operator 'endsWith' is not supported.",
            "find users",
            UnsupportedQuery,
            "such a query",
        ),
        (
            400,
            "Directory_ExpiredPageToken",
            "x",
            "list users",
            ResyncNeeded,
            "read anew",
        ),
        (
            401,
            "InvalidAuthenticationToken",
            "Access token has expired.",
            "get user",
            TokenRefused,
            "token",
        ),
        (
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
            "create user",
            PrivilegeMissing,
            "User.ReadWrite.All",
        ),
        (
            403,
            "Authorization_RequestDenied",
            "x",
            "add group member",
            PrivilegeMissing,
            "GroupMember.ReadWrite.All",
        ),
        (
            403,
            "Authorization_RequestDenied",
            "x",
            "assign role",
            PrivilegeMissing,
            "RoleManagement.ReadWrite.Directory",
        ),
        (
            403,
            "Authorization_RequestDenied",
            "x",
            "assign licence",
            PrivilegeMissing,
            "LicenseAssignment.ReadWrite.All",
        ),
        (
            403,
            "ErrorAccessDenied",
            "x",
            "send mail",
            PrivilegeMissing,
            "Mail.Send",
        ),
        (
            403,
            "Directory_QuotaExceeded",
            "The directory object quota limit for the Tenant has been exceeded.",
            "create user",
            QuotaExceeded,
            "quota",
        ),
        (
            400,
            "Directory_QuotaExceeded",
            "The directory object quota limit for the Principal has been exceeded.",
            "create user",
            QuotaExceeded,
            "quota",
        ),
        (
            404,
            "Request_ResourceNotFound",
            "Resource 'x' does not exist.",
            "get user",
            NotFound,
            "does not exist",
        ),
        (
            404,
            "Request_ResourceNotFound",
            "Resource 'x' does not exist.",
            "remove group member",
            NotMember,
            "no member",
        ),
        (
            400,
            bad,
            "Permission being assigned already exists on the object",
            "assign app role",
            AlreadyLinked,
            "exists already",
        ),
        (
            400,
            bad,
            "Permission being assigned was not found on application",
            "assign app role",
            NotFound,
            "its role",
        ),
        (
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            "The service principal cannot be created, updated, or restored because the service principal name x is already in use.",
            "create service principal",
            Conflict,
            "unique property",
        ),
        (
            403,
            "Authorization_RequestDenied",
            "x",
            "assign app role",
            PrivilegeMissing,
            "AppRoleAssignment.ReadWrite.All",
        ),
        (
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
            "set automatic replies",
            PrivilegeMissing,
            "MailboxSettings.ReadWrite",
        ),
        (
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            "set automatic replies",
            MailboxMissing,
            "the account has no mailbox",
        ),
        (
            404,
            "MailboxNotEnabledForRESTAPI",
            "x",
            "send mail",
            MailboxMissing,
            "sender has no mailbox",
        ),
        (
            409,
            "Directory_ConcurrencyViolation",
            "x",
            "update user",
            ChangedMeanwhile,
            "same moment",
        ),
        (
            410,
            "syncStateNotFound",
            "x",
            "list changes of users",
            ResyncNeeded,
            "read anew",
        ),
        (
            410,
            "resyncRequired",
            "x",
            "list changes of users",
            ResyncNeeded,
            "read anew",
        ),
        (
            424,
            "FailedDependency",
            "x",
            "add group member",
            DependencyFailed,
            "depends on",
        ),
        (429, "TooManyRequests", "x", "get user", Throttled, "slow down"),
        (503, "serviceNotAvailable", "x", "get user", Unavailable, "failed"),
        (504, "UnknownError", "", "get user", Unavailable, "failed"),
        (501, "NotImplemented", "x", "get user", Invalid, "cannot"),
        // Codes that nobody has heard of count by their status; Planner's is empty.
        (400, "brandNew", "x", "get user", Invalid, "refused"),
        (
            403,
            "brandNew",
            "x",
            "get user",
            PrivilegeMissing,
            "User.Read.All",
        ),
        (404, "brandNew", "x", "get user", NotFound, "does not exist"),
        (405, bad, "x", "get user", Invalid, "refused"),
        (409, "brandNew", "x", "get user", ChangedMeanwhile, "same moment"),
        (410, "brandNew", "x", "get user", ResyncNeeded, "read anew"),
        (412, "", "x", "get user", ChangedMeanwhile, "same moment"),
        (423, "brandNew", "x", "get user", ChangedMeanwhile, "same moment"),
        (507, "brandNew", "x", "get user", QuotaExceeded, "quota"),
        (509, "brandNew", "x", "get user", Throttled, "slow down"),
        (599, "brandNew", "x", "get user", Unavailable, "failed"),
        (302, "brandNew", "x", "get user", Unreadable, "redirected"),
        (418, "", "", "get user", Invalid, "without a Graph error document"),
    ] {
        check(status, code, message, operation, (meaning, words));
    }
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
        harmless(text),
        "Property 'city' of '…' … in '8f1c2d3e-0000-4000-8000-0123456789ab' is '…'"
    );
    assert_eq!(
        harmless("The user's name 'Tim O'Neil' is wrong."),
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
