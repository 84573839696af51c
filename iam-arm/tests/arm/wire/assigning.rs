//! Assigning roles: names, principals that are not known yet, and what is there already.

use std::sync::Arc;
use std::time::Duration;

use iam_arm::ArmClient;
use iam_arm::assignments::{Assigned, PrincipalType, assignment_name};
use iam_core::error::Retry;
use iam_core::http::HttpTransport;
use iam_core::{Cloud, Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{Answer, Azure, OWNER, READER, SIEM, SUB, Token, assignment, azure, failure, page};

const PUT: &str = "PUT /subscriptions/s1/resourceGroups/siem/roleAssignments/…";
const LIST: &str = "GET /subscriptions/s1/resourceGroups/siem/roleAssignments?principalId eq 'u1'";

async fn assign(client: &ArmClient) -> Result<Assigned> {
    let scope = SIEM.parse().unwrap();
    client
        .assign_role(&scope, READER, "u1", PrincipalType::User)
        .await
}

async fn refused(azure: &Azure) -> Error {
    assign(&azure.client).await.unwrap_err()
}

#[tokio::test]
async fn the_name_follows_and_the_kind_of_principal_is_sent() {
    let azure = azure(|_, _| (201, assignment("a1", READER, SIEM))).await;
    let Assigned::Now(made) = assign(&azure.client).await.unwrap() else {
        panic!("was not assigned now");
    };
    assert_eq!((made.role().as_str(), made.scope().as_str()), (READER, SIEM));
    let sent = &azure.requests().await[0];
    let name = assignment_name(&SIEM.parse().unwrap(), "u1", READER);
    assert!(sent.url.path().ends_with(&name), "{}", sent.url);
    assert_eq!(
        sent.body_json::<Value>().unwrap(),
        json!({"properties": {
            "roleDefinitionId": format!("{SUB}/providers/Microsoft.Authorization/roleDefinitions/{READER}"),
            "principalId": "u1", "principalType": "User",
        }})
    );
}

#[tokio::test]
async fn a_fresh_principal_is_waited_for_within_bounds() {
    let azure_late = |times: usize| {
        azure(move |_, before| {
            if before < times {
                failure(400, "PrincipalNotFound")
            } else {
                (201, assignment("a1", READER, SIEM))
            }
        })
    };
    let late = azure_late(3).await;
    assert!(matches!(assign(&late.client).await.unwrap(), Assigned::Now(_)));
    assert_eq!(
        (late.waited(), late.sent().await.len()),
        (Duration::from_secs(14), 4)
    );
    let puts = late.requests().await;
    assert!(puts.iter().all(|put| put.url == puts[0].url), "the name stays");

    let never = azure_late(usize::MAX).await;
    let error = refused(&never).await;
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotYetReplicated, Retry::Exhausted)
    );
    assert_eq!(error.code(), Some("PrincipalNotFound"));
    assert_eq!(
        (never.waited(), never.sent().await.len()),
        (Duration::from_secs(59), 7)
    );

    // Without patience, once.
    let uri = never.server.uri();
    let cloud = Cloud::custom(&uri, &uri).unwrap().with_arm(&uri).unwrap();
    let hasty = ArmClient::builder(cloud, Arc::new(Token), Arc::new(HttpTransport::new().unwrap()))
        .clock(never.clock.clone())
        .principal_wait(Duration::ZERO)
        .build()
        .unwrap();
    let error = assign(&hasty).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotYetReplicated);
    assert_eq!(
        (never.waited(), never.sent().await.len()),
        (Duration::from_secs(59), 8)
    );
}

#[tokio::test]
async fn what_is_assigned_already_is_found_and_counts() {
    async fn check(put: Answer, held: Value, expect: Result<&str, (ErrorKind, Retry)>, sent: &[&str]) {
        let azure = azure(move |line, _| match line {
            PUT => put.clone(),
            LIST => page(held.clone()),
            _ => failure(500, "Unexpected"),
        })
        .await;
        let outcome = assign(&azure.client).await;
        match (outcome, expect) {
            (Ok(Assigned::Already(held)), Ok(name)) => assert_eq!(held.name, name),
            (Err(error), Err(expect)) => assert_eq!((error.kind(), error.retry()), expect, "{error}"),
            (outcome, expect) => panic!("{outcome:?} instead of {expect:?}"),
        }
        assert_eq!(azure.sent().await, sent);
    }
    let by_hand = || assignment("by-hand", READER, "/SUBSCRIPTIONS/S1/resourcegroups/SIEM");
    let others = || {
        let mut of_a_group = assignment("group", READER, SIEM);
        of_a_group["properties"]["principalId"] = json!("g1");
        json!([
            of_a_group,
            assignment("above", READER, SUB),
            assignment("role", OWNER, SIEM)
        ])
    };
    let both = &[PUT, LIST][..];
    // The same name, with the same three.
    check((200, assignment("a1", READER, SIEM)), json!([]), Ok("a1"), &[PUT]).await;
    for code in ["RoleAssignmentExists", "RoleAssignmentUpdateNotPermitted"] {
        check(failure(409, code), json!([by_hand()]), Ok("by-hand"), both).await;
    }
    // Azure says so, and does not show it: what is near it does not count.
    let later = (ErrorKind::Conflict, Retry::After(None));
    check(failure(409, "RoleAssignmentExists"), others(), Err(later), both).await;
    let never = (ErrorKind::Conflict, Retry::Never);
    check(
        failure(409, "RoleAssignmentUpdateNotPermitted"),
        others(),
        Err(never),
        both,
    )
    .await;
    let full = (ErrorKind::Conflict, Retry::Exhausted);
    check(
        failure(400, "RoleAssignmentLimitExceeded"),
        json!([]),
        Err(full),
        &[PUT],
    )
    .await;
    let denied = (ErrorKind::Denied, Retry::Never);
    check(
        failure(403, "AuthorizationFailed"),
        json!([]),
        Err(denied),
        &[PUT],
    )
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_repeated() {
    let azure = azure(|_, before| {
        if before == 0 {
            failure(500, "InternalServerError")
        } else {
            (200, assignment("a1", READER, SIEM))
        }
    })
    .await;
    assert!(matches!(
        assign(&azure.client).await.unwrap(),
        Assigned::Already(_)
    ));
}
