//! A receiver of change notifications, as an application has one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Good,
    /// Echoes as JSON.
    WrongKind,
    /// Echoes something else.
    WrongToken,
    Missing,
}

/// A receiver of notifications on loopback.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) inbox: Inbox,
}

#[derive(Clone)]
pub(crate) struct Inbox {
    pub(crate) manner: Arc<Mutex<Manner>>,
    pub(crate) tokens: Arc<Mutex<Vec<String>>>,
    pub(crate) bodies: Arc<Mutex<Vec<Value>>>,
    pub(crate) failures: Arc<Mutex<usize>>,
}

async fn receive(
    State(inbox): State<Inbox>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    if let Some(token) = query.get("validationToken") {
        inbox.tokens.lock().unwrap().push(token.clone());
        let kind = |kind: &'static str, text: String| ([(header::CONTENT_TYPE, kind)], text).into_response();
        return match *inbox.manner.lock().unwrap() {
            Manner::Good => kind("text/plain", token.clone()),
            Manner::WrongKind => kind("application/json", token.clone()),
            Manner::WrongToken => kind("text/plain", token.to_uppercase()),
            Manner::Missing => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let mut failures = inbox.failures.lock().unwrap();
    if *failures > 0 {
        *failures -= 1;
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    inbox
        .bodies
        .lock()
        .unwrap()
        .push(serde_json::from_slice(&body).unwrap());
    StatusCode::ACCEPTED.into_response()
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let inbox = Inbox {
            manner: Arc::new(Mutex::new(Manner::Good)),
            tokens: Arc::default(),
            bodies: Arc::default(),
            failures: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/hook", axum::routing::post(receive))
            .with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inbox }
    }

    /// Waits for so many notifications and takes them.
    pub(crate) async fn items(&self, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            let found: Vec<Value> = {
                let bodies = self.inbox.bodies.lock().unwrap();
                bodies
                    .iter()
                    .flat_map(|body| body["value"].as_array().unwrap().clone())
                    .collect()
            };
            if found.len() >= count {
                self.inbox.bodies.lock().unwrap().clear();
                return found;
            }
            moment(10).await;
        }
        panic!(
            "{:?} instead of {count} notifications",
            self.inbox.bodies.lock().unwrap()
        );
    }
}

/// So many milliseconds of the machine's time: what is delivered comes from another task.
#[allow(clippy::disallowed_methods)] // no clock of the sandbox decides when that task runs
pub(crate) async fn moment(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
