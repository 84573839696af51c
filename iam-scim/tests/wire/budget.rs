//! What an application allows is spent once, by however many processes.

use std::sync::Arc;
use std::time::Duration;

use iam_core::ErrorKind;
use iam_core::clock::Clock as _;
use iam_core::engine::SharedBudget;
use iam_core::http::throttle::Quota;
use iam_core::http::{Allowance, HttpTransport, Method};
use iam_core::journal::MemoryJournal;
use iam_scim::{Auth, ScimClient};
use serde_json::json;

use crate::{App, app, ok, refuse};

const SOME: Quota = Quota {
    capacity: 10.0,
    window: Duration::from_secs(10),
};

fn client(app: &App, allowance: Option<Arc<dyn Allowance>>) -> ScimClient {
    let url = format!("{}/scim", app.server.uri());
    let transport = Arc::new(HttpTransport::new().unwrap());
    let client = ScimClient::builder(&url, Auth::token("t0ken"), transport)
        .clock(app.clock.clone())
        .limits(SOME, SOME);
    match allowance {
        Some(allowance) => client.allowance(allowance),
        None => client,
    }
    .build()
    .unwrap()
}

/// Forty requests of two clients; for how long they waited, in seconds.
async fn forty(clients: [ScimClient; 2], app: &App) -> i64 {
    let begun = app.clock.now();
    for n in 0..40 {
        let client = &clients[n % 2];
        client
            .request(Method::Get, "/Users/7", None, "get user")
            .await
            .unwrap();
    }
    app.clock.now().duration_since(begun).as_secs()
}

#[tokio::test]
async fn two_processes_spend_what_one_may() {
    let app = app(|line, _| (line == "GET /Users/7").then(|| ok(&json!({ "id": "7" })))).await;
    // Each by itself spends the whole: ten at once, and one a second.
    let apart = forty([client(&app, None), client(&app, None)], &app).await;
    assert!((8..=21).contains(&apart), "{apart}");
    let journal = Arc::new(MemoryJournal::new());
    let shared = [0, 1].map(|_| {
        let budget = SharedBudget::new(journal.clone(), app.clock.clone(), "app")
            .share(1.0)
            .reserved(0.0);
        client(&app, Some(Arc::new(budget)))
    });
    let together = forty(shared, &app).await;
    assert!((28..=60).contains(&together), "{together}");
}

#[tokio::test]
async fn a_refusal_of_one_makes_the_other_wait() {
    let app = app(|line, before| match (line, before) {
        ("GET /Users/7", 0) => Some(refuse(429, "").insert_header("retry-after", "30")),
        ("GET /Users/7" | "GET /Users/8", _) => Some(ok(&json!({ "id": "7" }))),
        _ => None,
    })
    .await;
    let journal = Arc::new(MemoryJournal::new());
    let [one, other] = [0, 1].map(|_| {
        let budget = SharedBudget::new(journal.clone(), app.clock.clone(), "app");
        client(&app, Some(Arc::new(budget)))
    });
    let begun = app.clock.now();
    one.request(Method::Get, "/Users/7", None, "get user")
        .await
        .unwrap();
    let waited = app.clock.now().duration_since(begun).as_secs();
    assert!(waited >= 30, "{waited}");
    other
        .request(Method::Get, "/Users/8", None, "get user")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_budget_without_limits_cannot_be_shared() {
    let app = app(|_, _| None).await;
    let budget = SharedBudget::new(Arc::new(MemoryJournal::new()), app.clock.clone(), "app");
    let transport = Arc::new(HttpTransport::new().unwrap());
    let client =
        ScimClient::builder(&app.server.uri(), Auth::token("t0ken"), transport).allowance(Arc::new(budget));
    assert_eq!(client.build().unwrap_err().kind(), ErrorKind::Invalid);
}
