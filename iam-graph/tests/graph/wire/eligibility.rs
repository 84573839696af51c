//! Requests for eligible roles whose answers are lost.

use iam_core::{ErrorKind, Result};
use iam_graph::eligibility::{RoleRequest, Validity};
use iam_graph::roles::TENANT;
use serde_json::{Value, json};

use super::{Graph, failure, graph, page};

const POST: &str = "POST /roleManagement/directory/roleEligibilityScheduleRequests";
const LOOK: &str = "GET /roleManagement/directory/roleEligibilityScheduleInstances?principalId eq 'u1'";

fn lost() -> (u16, Value) {
    failure(504, "UnknownError", "")
}

fn exists() -> (u16, Value) {
    failure(400, "RoleAssignmentExists", "The Role assignment already exists.")
}

/// An eligibility for a day from noon on, of that role, or its end if it has another one.
fn instance(role: &str, end: Value) -> Value {
    json!({
        "id": "i", "principalId": "u1", "roleDefinitionId": role, "directoryScopeId": "/", "memberType": "Direct",
        "roleEligibilityScheduleId": "s", "startDateTime": "2026-11-24T12:00:00Z", "endDateTime": end,
    })
}

async fn make(graph: &Graph) -> Result<RoleRequest> {
    let day = Validity::For(std::time::Duration::from_hours(24));
    graph.client.make_eligible("u1", "r1", TENANT, day, "why").await
}

#[tokio::test]
async fn only_what_was_asked_for_is_adopted() {
    let check = async |held: Value, posts: usize, expect: Result<&str, ErrorKind>| {
        let graph = graph(move |line, before| match line {
            POST if before == 0 => lost(),
            POST => exists(),
            LOOK => page(held.clone()),
            _ => (500, Value::Null),
        })
        .await;
        let made = make(&graph).await.map_err(|error| error.kind());
        let made = made
            .as_ref()
            .map(|made| made.target_schedule_id.as_deref().unwrap());
        assert_eq!(made, expect.as_ref().copied());
        assert_eq!(graph.bodies(POST).await.len(), posts);
    };
    let ours = instance("R1", json!("2026-11-25T12:00:00Z"));
    let late = instance("r1", json!("2026-11-25T12:03:00Z"));
    let longer = instance("r1", json!("2027-11-25T12:00:00Z"));
    let endless = instance("r1", Value::Null);
    let mut of_a_group = ours.clone();
    of_a_group["memberType"] = json!("Group");
    check(json!([ours]), 1, Ok("s")).await;
    check(json!([instance("r2", Value::Null), late]), 1, Ok("s")).await;
    check(json!([longer]), 1, Err(ErrorKind::AlreadyExists)).await;
    check(json!([endless]), 1, Err(ErrorKind::AlreadyExists)).await;
    // Refused as existing, and not to be seen anywhere: nobody knows.
    check(json!([of_a_group]), 3, Err(ErrorKind::OutcomeUnknown)).await;
}

#[tokio::test]
async fn without_a_lost_answer_a_refusal_is_a_refusal_and_nothing_is_looked_up() {
    let graph = graph(|line, _| match line {
        POST => exists(),
        _ => page(json!([instance("r1", json!("2026-11-25T12:00:00Z"))])),
    })
    .await;
    assert_eq!(make(&graph).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(graph.sent().await.len(), 1);
}

#[tokio::test]
async fn where_nothing_can_be_looked_up_nothing_is_repeated() {
    let graph = graph(|line, _| match line {
        POST => lost(),
        _ => failure(403, "Authorization_RequestDenied", "no"),
    })
    .await;
    assert_eq!(make(&graph).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(graph.bodies(POST).await.len(), 1);
}
