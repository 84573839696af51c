//! Notices in another language, to people by mail and to a program by a signed webhook; passes by mail alone.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use iam_core::clock::{Clock as _, SystemClock};
use iam_core::engine::Engine;
use iam_core::http::HttpTransport;
use iam_core::journal::MemoryJournal;
use iam_core::notify::{Notifier, Notifiers, Webhook, verify};
use iam_core::policy::Document;
use iam_core::testing::ManualClock;
use iam_graph::{GraphMail, GraphTarget};
use iam_sandbox::Sandbox;
use serde_json::Value;

use crate::world::{client, mails, person};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}"]
[joiner]
create_before = "14d"
pass_before = "1d"
notify = ["manager"]
[leaver]
notify = ["hr"]
[notify]
from = "hr-robot@contoso.example"
hr = "hr@contoso.example"
language = "de"
[notify.text.left]
subject = "Austritt {worker}"
body = "{name} hat keinen Zugriff mehr."
"#;

type Seen = Arc<Mutex<Vec<Value>>>;

/// What a receiver does: checks the signature, and reads.
async fn receive(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap();
    let (id, at, signed) = (
        header("webhook-id"),
        header("webhook-timestamp"),
        header("webhook-signature"),
    );
    if verify(&SECRET.into(), id, at, signed, &body, SystemClock.now()).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    StatusCode::ACCEPTED
}

#[tokio::test]
async fn people_are_told_in_their_language_and_a_program_by_signed_events() {
    let sandbox = Sandbox::start().await.unwrap();
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .route("/hook", post(receive))
        .with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let transport = Arc::new(HttpTransport::new().unwrap());
    let hook = Webhook::new(transport, url, "https://iam.contoso.example", SECRET.into()).unwrap();
    let mail = GraphMail::new(client(&sandbox), "hr-robot@contoso.example");
    let all: [Arc<dyn Notifier>; 2] = [Arc::new(mail), Arc::new(hook)];
    let clock = ManualClock::at("2091-03-03T00:00:00Z".parse().unwrap());
    let policy = Arc::new(Document::parse(POLICY).unwrap());
    let engine = Engine::builder(Arc::new(MemoryJournal::new()), policy)
        .target(Arc::new(GraphTarget::new(client(&sandbox))))
        .notifier(Arc::new(Notifiers::new(all)))
        .clock(Arc::new(clock.clone()))
        .build();
    let hear = async |text: &str| {
        engine.accept([person(text)]).await.unwrap();
        let report = engine.run(&|_| {}).await.unwrap();
        assert_eq!(
            (report.totals().failed, report.totals().open),
            (0, 0),
            "{report:?}"
        );
    };
    hear("W-9 Ada Ng Sales").await;
    hear("W-1 Mei Tanaka Sales manager=W-9 hire=2091-03-04").await;
    let pass = "Der befristete Zugriffspass für Mei Tanaka";
    assert_eq!(mails(&sandbox), [pass]);
    assert!(seen.lock().unwrap().is_empty(), "a pass goes into no webhook");
    clock.set("2091-03-04T00:00:00Z".parse().unwrap());
    engine.run(&|_| {}).await.unwrap();
    hear("W-1 Mei Tanaka Sales manager=W-9 hire=2091-03-04 status=gone").await;
    assert_eq!(
        mails(&sandbox),
        [pass, "Mei Tanaka kann sich anmelden", "Austritt W-1"]
    );
    let seen = seen.lock().unwrap();
    let kinds: Vec<&str> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["iam-platform.notice.joined", "iam-platform.notice.left"]);
    assert!(!format!("{seen:?}").contains("Tanaka"));
}
