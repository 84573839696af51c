//! Streams over pages: empty ones, circles, foreign hosts, and where to go on.

use std::sync::{Arc, OnceLock};

use futures::{StreamExt, TryStreamExt};
use iam_core::ErrorKind;
use iam_graph::query::{Filter, Query};
use iam_graph::users::User;
use serde_json::{Value, json};

use super::{Graph, failure, graph, page};

/// A Graph whose pages of `/users` are these: ids, and the path that the link leads to.
async fn pages(pages: &'static [(&'static str, &'static [&'static str], Option<&'static str>)]) -> Graph {
    let root = Arc::new(OnceLock::<String>::new());
    let known = root.clone();
    let graph = graph(move |line, _| {
        let Some((_, ids, next)) = pages.iter().find(|(path, ..)| line == format!("GET {path}")) else {
            return failure(400, "Request_BadRequest", "no such page");
        };
        let values: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        match next {
            None => page(values.into()),
            Some(next) if next.starts_with("http") => {
                (200, json!({"value": values, "@odata.nextLink": next}))
            }
            Some(next) => {
                let next = format!("{}/v1.0{next}", known.get().unwrap());
                (200, json!({"value": values, "@odata.nextLink": next}))
            }
        }
    })
    .await;
    root.set(graph.server.uri()).unwrap();
    graph
}

fn ids(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.id.as_str()).collect()
}

#[tokio::test]
async fn every_page_is_read_even_after_an_empty_one() {
    let graph = pages(&[
        ("/users", &["u1"], Some("/users/p2")),
        ("/users/p2", &[], Some("/users/p3")),
        ("/users/p3", &["u2"], None),
    ])
    .await;
    assert_eq!(ids(&graph.client.list_users().await.unwrap()), ["u1", "u2"]);
    let stream = graph.client.stream_users(Query::new()).unwrap();
    let users: Vec<User> = stream.try_collect().await.unwrap();
    assert_eq!(ids(&users), ["u1", "u2"]);
}

#[tokio::test]
async fn a_circle_is_an_error_behind_the_objects_that_were_read() {
    let graph = pages(&[
        ("/users", &["u1"], Some("/users/p2")),
        ("/users/p2", &["u2", "u3"], Some("/users/p2")),
    ])
    .await;
    let mut users = graph.client.stream_users(Query::new()).unwrap();
    for id in ["u1", "u2", "u3"] {
        assert_eq!(users.try_next().await.unwrap().unwrap().id, id);
    }
    assert_eq!(users.try_next().await.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(graph.sent().await.len(), 2, "and it is not walked");
}

#[tokio::test]
async fn no_token_leaves_for_another_host() {
    // Both are reachable: whoever followed the link would send the token there.
    let stranger = graph(|_, _| page(json!([{"id": "x"}]))).await;
    let foreign: &'static str = Box::leak(format!("{}/v1.0/users", stranger.server.uri()).into_boxed_str());
    let listed: &'static _ = Box::leak(Box::new([("/users", &["u1"] as &'static [_], Some(foreign))]));
    let graph = pages(listed).await;
    let mut users = graph.client.stream_users(Query::new()).unwrap();
    assert_eq!(users.try_next().await.unwrap().unwrap().id, "u1");
    let error = users.try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("another host"), "{error}");
    // The first page must be of the configured cloud too, and a link from the outside.
    let mut first = graph
        .client
        .stream::<User>(foreign, &Query::new(), "list users")
        .unwrap();
    assert_eq!(first.try_next().await.unwrap_err().kind(), ErrorKind::Denied);
    let resumed = graph.client.stream_users(Query::new()).unwrap().resume(foreign);
    assert_eq!(resumed.unwrap_err().kind(), ErrorKind::Denied);
    assert!(stranger.sent().await.is_empty());
}

#[tokio::test]
async fn a_stream_goes_on_where_another_stopped() {
    let graph = pages(&[
        ("/users", &["u1", "u2"], Some("/users/p2")),
        ("/users/p2", &["u3", "u4"], Some("/users/p3")),
        ("/users/p3", &["u5"], None),
    ])
    .await;
    let new = || graph.client.stream_users(Query::new()).unwrap();
    let mut users = new();
    for read in 1..=3 {
        users.try_next().await.unwrap().unwrap();
        let pages = if read < 3 { 1 } else { 2 };
        assert_eq!(
            graph.sent().await.len(),
            pages,
            "no page is read before it is needed"
        );
    }
    // In the middle of the second page: it comes again, nothing is left out.
    let middle = users.link().unwrap().to_owned();
    users.try_next().await.unwrap().unwrap();
    let between = users.link().unwrap().to_owned();
    users.try_next().await.unwrap().unwrap();
    assert!(users.try_next().await.unwrap().is_none());
    assert_eq!(users.link(), None);
    let used = graph.client.stream_users(Query::new()).unwrap();
    let mut used = used.resume(&middle).unwrap();
    while used.try_next().await.unwrap().is_some() {}
    assert_eq!(used.resume(&middle).unwrap_err().kind(), ErrorKind::Conflict);
    assert!(users.try_next().await.unwrap().is_none(), "the end stays the end");
    assert_eq!(
        ids(&new().resume(&middle).unwrap().all().await.unwrap()),
        ["u3", "u4", "u5"]
    );
    assert_eq!(ids(&new().resume(&between).unwrap().all().await.unwrap()), ["u5"]);
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again() {
    let graph = graph(|_, before| match before {
        0 => failure(403, "Authorization_RequestDenied", "no"),
        _ => page(json!([{"id": "u1"}])),
    })
    .await;
    let mut users = graph.client.stream_users(Query::new()).unwrap();
    assert_eq!(users.next().await.unwrap().unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(users.next().await.unwrap().unwrap().id, "u1");
    assert!(StreamExt::next(&mut users).await.is_none());
}

#[tokio::test]
async fn what_is_no_number_is_no_count() {
    let graph = graph(|_, _| (200, json!("many"))).await;
    let counted = graph.client.count("/users", None, "count users").await;
    assert_eq!(counted.unwrap_err().kind(), ErrorKind::Protocol);
    let refused = graph
        .client
        .find_users(&Filter::one_of::<&str>("id", []))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.operation()),
        (ErrorKind::Invalid, Some("find users"))
    );
    assert_eq!(
        graph.sent().await.len(),
        1,
        "a query that Graph refuses is not sent"
    );
}
