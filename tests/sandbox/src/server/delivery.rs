//! Calls out: URLs are asked whether they want notifications, then get them ("Receive change notifications through
//! webhooks").

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::errors::Fail;
use crate::notifications::{self, Outgoing};
use crate::state::{Shared, State};
use crate::tokens::Subject;

/// "The client must respond within 10 seconds."
const HANDSHAKE: Duration = Duration::from_secs(10);
/// "Notifications are published using an HTTP client with a 3-second timeout."
const DELIVERY: Duration = Duration::from_secs(3);
/// How often is looked for what is due: the sandbox's clock can be moved at any time.
const LOOK: Duration = Duration::from_millis(20);
/// The application id of Microsoft Graph's publisher of change notifications.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

fn client() -> Option<reqwest::Client> {
    // A receiver on this machine has a certificate of its own making, if any.
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .ok()
}

/// Asks the URLs of a new subscription: each must give back the token as plain text. Then it is in force, or gone.
pub(super) async fn handshake(app: &Shared, id: &str) -> Result<(), Fail> {
    let urls: Vec<String> = {
        let state = app.lock();
        let entries = state.directory.subscriptions.entries.values();
        let found = entries.filter(|entry| entry.id == id);
        found
            .flat_map(|entry| [Some(entry.url.clone()), entry.lifecycle_url.clone()])
            .flatten()
            .collect()
    };
    let mut outcome = Ok(());
    for url in &urls {
        outcome = ask(url).await;
        if outcome.is_err() {
            break;
        }
    }
    let mut state = app.lock();
    let entries = &mut state.directory.subscriptions.entries;
    match &outcome {
        Ok(()) => entries
            .values_mut()
            .filter(|entry| entry.id == id)
            .for_each(|entry| entry.pending = false),
        Err(_) => entries.retain(|_, entry| entry.id != id),
    }
    drop(state);
    app.wake.notify_one();
    outcome
}

async fn ask(url: &str) -> Result<(), Fail> {
    let failed = |what: &str| {
        let message = format!("Subscription validation request failed. {what}");
        Fail::new(400, "ValidationError", message)
    };
    let token = format!(
        "Validation: Testing client application reachability for subscription Request-Id: {}",
        Uuid::new_v4()
    );
    let encoded: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let mark = if url.contains('?') { '&' } else { '?' };
    let client = client().ok_or_else(|| failed("The sandbox has no HTTP client."))?;
    let request = client
        .post(format!("{url}{mark}validationToken={encoded}"))
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .timeout(HANDSHAKE)
        .body("");
    let answer = request.send().await.map_err(|error| {
        failed(if error.is_timeout() {
            "The operation has timed out."
        } else {
            "The notification endpoint cannot be reached."
        })
    })?;
    let status = answer.status();
    if status.as_u16() != 200 {
        let name = status.canonical_reason().unwrap_or("Unknown").replace(' ', "");
        return Err(failed(&format!(
            "Must respond with 200 OK to the validation request. HTTP status code is '{name}'."
        )));
    }
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let plain = kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/plain"));
    let body = answer.text().await.unwrap_or_default();
    if !plain || body != token {
        return Err(failed("The validation token must be returned as text/plain."));
    }
    Ok(())
}

/// Delivers until it is dropped. Without subscriptions it sleeps.
pub(crate) async fn deliver(app: Arc<Shared>) {
    let mut http = None;
    loop {
        let (idle, batch, body) = {
            let mut state = app.lock();
            let state = &mut *state;
            let now = state.clock.now();
            notifications::warn(&mut state.directory, now);
            let batch = notifications::due(&mut state.directory, now);
            let subscriptions = &state.directory.subscriptions;
            let idle = subscriptions.entries.is_empty() && subscriptions.outbox.is_empty();
            let body = collection(state, &batch, now);
            (idle, batch, body)
        };
        if batch.is_empty() {
            if idle {
                app.wake.notified().await;
            } else {
                pause(LOOK).await;
            }
            continue;
        }
        if http.is_none() {
            http = client();
        }
        let Some(http) = &http else { return };
        let url = batch.first().map(|item| item.url.clone()).unwrap_or_default();
        let request = http.post(url).timeout(DELIVERY).json(&body);
        let taken = request
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success());
        if !taken {
            let mut state = app.lock();
            let now = state.clock.now();
            let again = batch.into_iter().filter_map(|item| item.later(now));
            state.directory.subscriptions.outbox.extend(again);
        }
    }
}

#[allow(clippy::disallowed_methods)] // between two looks at the sandbox's clock the machine's time passes
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A delivery's body: the items, and one token for each application whose items hold resource data.
fn collection(state: &mut State, batch: &[Outgoing], now: Timestamp) -> Value {
    let mut body = json!({ "value": batch.iter().map(|item| &item.item).collect::<Vec<_>>() });
    let mut apps: Vec<&String> = batch.iter().filter_map(|item| item.app.as_ref()).collect();
    apps.sort();
    apps.dedup();
    if !apps.is_empty() {
        let tokens = apps.into_iter().filter_map(|app| {
            let subject = Subject {
                tenant: &state.directory.tenant.id,
                app: PUBLISHER,
                object: PUBLISHER,
                user: None,
                audience: app,
                first_version: true,
                scopes: "",
                roles: Vec::new(),
            };
            let claims = state.tokens.proof(&subject, now);
            state.keys.sign(&claims)
        });
        body["validationTokens"] = tokens.collect();
    }
    body
}
