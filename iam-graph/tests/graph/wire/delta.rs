//! Rounds of changes that a tenant in order does not play: duplicates, foreign links, links that are too old in
//! the middle of a round.

use std::sync::{Arc, OnceLock};

use iam_core::ErrorKind;
use iam_core::http::RetryPolicy;
use iam_graph::delta::{Change, DeltaLink, DeltaQuery};
use iam_graph::groups::Group;
use iam_graph::users::User;
use serde_json::{Value, json};

use super::{Graph, failure, graph};

/// A Graph with pages at `/users/delta/1` and so on: rows, and where the page leads. `{}` stands for its root.
async fn pages(script: impl Fn(&str, usize) -> (u16, Value) + Send + Sync + 'static) -> Graph {
    let root = Arc::new(OnceLock::<String>::new());
    let known = root.clone();
    let graph = graph(move |line, before| {
        let (status, body) = script(line, before);
        let body = body.to_string().replace("{}", known.get().unwrap());
        (status, serde_json::from_str(&body).unwrap())
    })
    .await;
    root.set(graph.server.uri()).unwrap();
    graph
}

fn page(rows: Value, next: &str) -> (u16, Value) {
    let name = if next.contains("token=") {
        "@odata.deltaLink"
    } else {
        "@odata.nextLink"
    };
    (200, json!({"value": rows, name: next}))
}

const END: &str = "{}/v1.0/users/delta?$deltatoken=t1";

#[tokio::test]
async fn duplicates_and_empty_pages_are_merged_and_headers_go_with_each() {
    let graph = pages(|line, _| match line {
        "GET /users/delta" => page(
            json!([{"id": "a", "displayName": "A1"}, {"id": "b"}]),
            "{}/v1.0/users/delta/2",
        ),
        "GET /users/delta/2" => page(json!([]), "{}/v1.0/users/delta/3"),
        _ => page(
            json!([{"id": "b", "jobTitle": "B"}, {"id": "a", "displayName": "A2"}, {"id": "c"}]),
            END,
        ),
    })
    .await;
    let query = DeltaQuery::new().minimal();
    let mut round = graph.client.user_changes(&query).unwrap();
    let seen = |change: Change<User>| match change {
        Change::Changed(user) => (user.id, user.item.display_name, user.item.job_title),
        other => panic!("{other:?}"),
    };
    let all: Vec<_> = round.all().await.unwrap().into_iter().map(seen).collect();
    let text = |text: &str| Some(text.to_owned());
    let expect = [("a", text("A2"), None), ("b", None, text("B")), ("c", None, None)];
    assert_eq!(
        all,
        expect
            .clone()
            .map(|(id, name, title)| (id.to_owned(), name, title))
    );
    let link = round.acknowledge().unwrap();
    // The last page has been read, but not all of it dealt with.
    let mut early = graph.client.user_changes(&query).unwrap();
    for _ in 0..3 {
        early.try_next().await.unwrap().unwrap();
    }
    assert_eq!(early.acknowledge().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(link.as_str(), END.replace("{}", &graph.server.uri()));
    for request in graph.server.received_requests().await.unwrap() {
        assert_eq!(request.headers["prefer"], "return=minimal", "{}", request.url);
    }
    // As a stream: in order, and what comes in a row is one change.
    let mut round = graph.client.user_changes(&query).unwrap();
    let mut streamed = Vec::new();
    while let Some(change) = round.try_next().await.unwrap() {
        streamed.push(seen(change).0);
    }
    assert_eq!(streamed, ["a", "b", "a", "c"]);
}

#[tokio::test]
async fn links_to_other_hosts_are_refused_and_no_token_leaves() {
    let stranger = graph(|_, _| page(json!([]), END)).await;
    let foreign = format!("{}/v1.0/users/delta?$deltatoken=t", stranger.server.uri());
    let graph1 = pages({
        let foreign = foreign.clone();
        move |_, _| page(json!([{"id": "a"}]), &foreign)
    })
    .await;
    let since = DeltaQuery::new().since(&DeltaLink::new(&foreign));
    assert_eq!(
        graph1.client.user_changes(&since).unwrap_err().kind(),
        ErrorKind::Denied
    );
    let mut round = graph1.client.user_changes(&DeltaQuery::new()).unwrap();
    assert_eq!(round.try_next().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(round.acknowledge().unwrap_err().kind(), ErrorKind::Conflict);
    let graph2 = pages(move |_, _| (200, json!({"value": [], "@odata.nextLink": foreign}))).await;
    let mut round = graph2.client.user_changes(&DeltaQuery::new()).unwrap();
    assert_eq!(round.try_next().await.unwrap_err().kind(), ErrorKind::Denied);
    assert!(stranger.sent().await.is_empty());
}

#[tokio::test]
async fn a_link_that_expires_in_the_middle_of_a_round_starts_it_again() {
    let script = |line: &str, before: usize| match (line, before) {
        ("GET /users/delta/old", _) => page(
            json!([{"id": "kept"}, {"id": "gone"}]),
            "{}/v1.0/users/delta/old2",
        ),
        ("GET /users/delta/old2", _) => failure(410, "syncStateNotFound", "too old"),
        _ => page(json!([{"id": "a"}, {"id": "b"}]), END),
    };
    let graph = pages(script).await;
    let link = DeltaLink::new(format!("{}/v1.0/users/delta/old", graph.server.uri()));
    let query = DeltaQuery::new().since(&link);
    let mut held = graph.client.user_changes(&query).unwrap();
    assert_eq!(held.all().await.unwrap_err().kind(), ErrorKind::ResyncNeeded);
    let mut round = graph.client.user_changes(&query.resync_when_expired()).unwrap();
    let all = round.all().await.unwrap();
    assert!(matches!(all[0], Change::Restarted), "{all:?}");
    let ids: Vec<_> = all.iter().filter_map(Change::id).collect();
    assert_eq!(ids, ["a", "b"], "what came before the restart counts no more");
    round.acknowledge().unwrap();
    // As a stream: what was held back when the link expired counts no more, either.
    let query = DeltaQuery::new().since(&link).resync_when_expired();
    let mut round = graph.client.user_changes(&query).unwrap();
    let mut seen = Vec::new();
    while let Some(change) = round.try_next().await.unwrap() {
        seen.push(change.id().unwrap_or("restarted").to_owned());
    }
    assert_eq!(seen, ["kept", "restarted", "a", "b"]);
}

#[tokio::test]
async fn a_failed_page_is_asked_for_again_and_loses_nothing() {
    let graph = pages(|line, before| match (line, before) {
        ("GET /groups/delta", _) => page(
            json!([{"id": "a", "members@delta": [{"id": "1"}]}]),
            "{}/v1.0/groups/delta/2",
        ),
        (_, 0) => failure(403, "Authorization_RequestDenied", "not now"),
        _ => page(json!([{"id": "a", "members@delta": [{"id": "2"}]}]), END),
    })
    .await;
    let members = |change: &Change<Group>| match change {
        Change::Changed(group) => group.members().unwrap().added.len(),
        other => panic!("{other:?}"),
    };
    let mut round = graph.client.group_changes(&DeltaQuery::new()).unwrap();
    assert_eq!(round.all().await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(
        round.all().await.unwrap().iter().map(members).collect::<Vec<_>>(),
        [2]
    );
}

#[tokio::test]
async fn a_round_without_an_end_or_with_a_misfit_is_a_protocol_error() {
    async fn check(body: Value) {
        let graph = pages(move |_, _| (200, body.clone())).await;
        let hasty = super::builder(&graph.server, &graph.clock)
            .retry(RetryPolicy::none())
            .build();
        let mut round = hasty.user_changes(&DeltaQuery::new()).unwrap();
        let error = round.all().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.operation()),
            (ErrorKind::Protocol, Some("list changes of users"))
        );
        assert!(round.acknowledge().is_err());
    }
    check(json!({"value": []})).await;
    check(json!({"value": [{"displayName": "no id"}], "@odata.deltaLink": END})).await;
    check(json!({"@odata.deltaLink": END})).await;
}
