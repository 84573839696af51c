//! Steps: giving, taking, what is so already, and what is none of this target's business.

use iam_core::ErrorKind;
use iam_core::entitlement::{Entitlement, Kind};
use iam_core::plan::{Action, Notice};
use iam_core::target::Applied;
use serde_json::{Value, json};

use super::{Answer, OWNER, READER, SIEM, SUB, assignment, azure, failure, page, role_at};

const DONE: Applied = Applied::Done { account: None };
const ALREADY: Applied = Applied::AlreadySo { account: None };
const LIST: &str = "GET /subscriptions/s1/resourcegroups/siem/roleAssignments?principalId eq 'u1'";

fn delete(name: &str) -> String {
    format!("DELETE {SIEM}/roleAssignments/{name}")
}

fn id(name: &str) -> String {
    format!("{SIEM}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn revoke(assignment: Option<&str>) -> Action {
    Action::Revoke {
        entitlement: role_at(READER, SIEM),
        assignment: assignment.map(id),
    }
}

#[tokio::test]
async fn a_role_is_given_at_its_scope() {
    async fn check(answer: Answer, expect: Applied) {
        let azure = azure(move |_, _| answer.clone()).await;
        let grant = Action::grant(role_at(READER, SIEM));
        assert_eq!(azure.apply(Some("u1"), grant).await.unwrap(), expect);
        let sent = azure.requests().await;
        let path = sent[0].url.path().to_owned();
        assert!(
            path.starts_with("/subscriptions/s1/resourcegroups/siem/providers/"),
            "{path}"
        );
        let body: Value = sent[0].body_json().unwrap();
        assert_eq!(body["properties"]["principalType"], json!("User"));
    }
    check((201, assignment("a1", READER, SIEM)), DONE).await;
    check((200, assignment("a1", READER, SIEM)), ALREADY).await;
}

#[tokio::test]
async fn a_role_is_taken_under_whichever_id_it_is_assigned() {
    async fn check(assignment_id: Option<&str>, held: Value, expect: Applied, sent: &[String]) {
        let azure = azure(move |line, _| match line {
            line if line.starts_with("DELETE") && line.ends_with("/gone") => (204, Value::Null),
            line if line.starts_with("DELETE") => (200, assignment("x", READER, SIEM)),
            LIST => page(held.clone()),
            _ => failure(500, "Unexpected"),
        })
        .await;
        let applied = azure.apply(Some("u1"), revoke(assignment_id)).await.unwrap();
        assert_eq!(applied, expect);
        assert_eq!(azure.sent().await, sent);
    }
    let list = || LIST.to_owned();
    let near = || json!([assignment("role", OWNER, SIEM), assignment("scope", READER, SUB)]);
    let anew = || {
        json!([
            assignment("role", OWNER, SIEM),
            assignment("new", READER, "/subscriptions/S1/resourceGroups/SIEM")
        ])
    };
    let new = "DELETE /subscriptions/S1/resourceGroups/SIEM/roleAssignments/new".to_owned();
    check(Some("a1"), json!([]), DONE, &[delete("a1")]).await;
    check(Some("gone"), json!([]), ALREADY, &[delete("gone"), list()]).await;
    check(Some("gone"), near(), ALREADY, &[delete("gone"), list()]).await;
    check(
        Some("gone"),
        json!([assignment("new", OWNER, SIEM)]),
        ALREADY,
        &[delete("gone"), list()],
    )
    .await;
    check(None, near(), ALREADY, &[list()]).await;
    // By hand, written in another case.
    let mut mine = anew();
    mine[1]["id"] =
        json!("/subscriptions/S1/resourceGroups/SIEM/providers/Microsoft.Authorization/roleAssignments/new");
    check(None, mine.clone(), DONE, &[list(), new.clone()]).await;
    check(Some("gone"), mine, DONE, &[delete("gone"), list(), new]).await;
}

#[tokio::test]
async fn with_its_scope_an_assignment_is_gone_but_doubt_is_no_proof() {
    async fn check(answer: Answer, expect: Result<Applied, ErrorKind>) {
        let azure = azure(move |_, _| answer.clone()).await;
        let outcome = azure.apply(Some("u1"), revoke(Some("a1"))).await;
        assert_eq!(outcome.map_err(|error| error.kind()), expect);
    }
    check(failure(404, "ResourceGroupNotFound"), Ok(ALREADY)).await;
    check(failure(404, "ResourceNotFound"), Ok(ALREADY)).await;
    check(failure(404, "SubscriptionNotFound"), Err(ErrorKind::NotFound)).await;
    check((404, Value::Null), Err(ErrorKind::NotFound)).await;
    check(failure(409, "ScopeLocked"), Err(ErrorKind::Conflict)).await;
    check(failure(403, "AuthorizationFailed"), Err(ErrorKind::Denied)).await;
}

#[tokio::test]
async fn accounts_are_left_to_the_directory() {
    let azure = azure(|_, _| failure(500, "Unexpected")).await;
    for action in [
        Action::RestoreAccount,
        Action::AllowSignIn,
        Action::BlockSignIn,
        Action::RevokeSessions,
        Action::ResetPassword,
        Action::DeleteAccount,
    ] {
        let applied = azure.apply(Some("u1"), action).await.unwrap();
        assert_eq!(
            applied,
            Applied::AlreadySo {
                account: Some("u1".into())
            }
        );
    }
    let group = Entitlement {
        kind: Kind::Group,
        ..role_at("g1", SIEM)
    };
    let at_nothing = Entitlement {
        id: format!("{READER}@nowhere"),
        ..role_at(READER, SIEM)
    };
    let notice = Action::Notify {
        notice: Notice::Left,
        to: vec![],
    };
    for (account, action) in [
        (Some("u1"), Action::grant(group)),
        (Some("u1"), Action::grant(at_nothing)),
        (Some("u1"), notice),
        (None, Action::grant(role_at(READER, SIEM))),
        (None, revoke(None)),
    ] {
        let error = azure.apply(account, action).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    assert!(azure.sent().await.is_empty());
}
