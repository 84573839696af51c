//! CloudEvents by HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use iam_core::notify::verify;
use iam_core::testing::PostgresServer;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ended_well, event, events, hire, office, record, worker};

/// A receiver as a process of its own.
struct Door {
    process: Child,
    url: String,
}

impl Door {
    fn open(journal: &str, strike: &str) -> Self {
        let mut command = worker(journal, strike, "serve", "");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap());
        lines.read_line(&mut line).unwrap();
        let url = line.trim().to_owned();
        assert!(url.starts_with("http://"), "{strike}: {url:?}");
        Self { process, url }
    }

    /// The counts of the answer; `None` where there was none.
    async fn post(&self, events: &Value) -> Option<Value> {
        let request = reqwest::Client::new()
            .post(&self.url)
            .header("content-type", "application/cloudevents-batch+json")
            .body(events.to_string());
        let answer = request.send().await.ok()?;
        assert_eq!(answer.status().as_u16(), 202);
        Some(serde_json::from_slice(&answer.bytes().await.ok()?).unwrap())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A receiver dies around each write of a journal that `journal` makes for it.
async fn a_receiver_dies(journal: impl Fn(&str) -> String) {
    let batch = json!([
        event("1", "record", &record("W-1", "Sales")),
        event("2", "event", &json!({ "person": "W-2", "kind": "leave" })),
        event("3", "record", &json!({ "employeeId": "W-3" })),
        event("4", "record", &record("W-4", "Sales")),
    ]);
    let mut killed = 0;
    for edge in ["before", "after"] {
        for write in 1.. {
            let strike = format!("{edge} {write}");
            let journal = journal(&strike);
            let mut door = Door::open(&journal, &strike);
            if door.post(&batch).await.is_some() {
                assert!(write > 3, "{strike} was never reached");
                break;
            }
            assert!(!ended_well(&mut door.process, &strike));
            killed += 1;
            // What nobody acknowledged comes again.
            let door = Door::open(&journal, "never");
            let answer = door.post(&batch).await.unwrap();
            assert_eq!(
                answer["events"].as_u64().unwrap() + answer["unchanged"].as_u64().unwrap(),
                3,
                "{answer}"
            );
            assert_eq!(
                (&answer["quarantined"], &answer["dead_letters"]),
                (&json!(0), &json!(1))
            );
            assert_eq!(door.post(&batch).await.unwrap()["events"], 0);
            drop(door);
            let journal = office::open(&journal).await;
            assert_eq!(
                events(journal.as_ref()).await,
                ["W-1 join", "W-2 leave", "W-4 join"],
                "{strike}"
            );
            let letters = journal.letters(None, 10).await.unwrap();
            assert_eq!(letters.len(), 1, "{strike}");
            assert_eq!(letters[0].message.id, "3");
        }
    }
    // Records, event, record, dead letter: around each of the four writes.
    assert_eq!(killed, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_killed_before_it_answers_is_told_again_and_nothing_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = |strike: &str| folder.path().join(strike.replace(' ', "-")).display().to_string();
    a_receiver_dies(file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_its_journal_at_a_server_is_told_again_and_nothing_counts_twice() {
    let server = PostgresServer::shared();
    a_receiver_dies(|_| format!("{}#{}", server.url(), server.fresh_schema())).await;
}

/// Ids that a receiver was given, in order, each checked by its signature.
type Given = Arc<Mutex<Vec<(String, Value)>>>;

async fn given(State(given): State<Given>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let of = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let now = Timestamp::from_second(of("webhook-timestamp").parse().unwrap()).unwrap();
    let (id, stamp) = (of("webhook-id"), of("webhook-timestamp"));
    if verify(&office::secret(), id, stamp, of("webhook-signature"), &body, now).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["id"], id);
    given.lock().unwrap().push((id.to_owned(), event));
    StatusCode::NO_CONTENT
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_posted_at_least_once_and_a_repeat_has_the_same_id_and_content() {
    const PEOPLE: usize = 120;
    let log = Given::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/it", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(given).with_state(log.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.sqlite").display().to_string();
    hire(&office::engine(office::open(&journal).await).0, PEOPLE).await;
    // Each is killed around a move of the bookmark, the second one at a later one than the first has reached.
    for strike in ["before 1", "after 1", "before 2"] {
        let mut command = worker(&journal, strike, "post", &url);
        assert!(!ended_well(&mut command.spawn().unwrap(), strike), "{strike}");
    }
    for again in [false, true] {
        let before = log.lock().unwrap().len();
        let mut command = worker(&journal, "never", "post", &url);
        assert!(ended_well(&mut command.spawn().unwrap(), "never"));
        assert_eq!(
            log.lock().unwrap().len() == before,
            again,
            "told to the end, then no more"
        );
    }
    let log = log.lock().unwrap();
    let ids: BTreeSet<&String> = log.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), PEOPLE, "nothing is lost");
    assert!(
        log.len() > PEOPLE,
        "somebody was killed in between, and nothing was told again"
    );
    for (id, event) in log.iter() {
        let first = log.iter().find(|(known, _)| known == id).unwrap();
        assert_eq!(&first.1, event, "the same id says the same");
    }
    let people: BTreeSet<&str> = log
        .iter()
        .map(|(_, event)| event["subject"].as_str().unwrap())
        .collect();
    assert_eq!(people.len(), PEOPLE);
}
