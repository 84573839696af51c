//! Messages from outside and outcomes on their way out, by real HTTP and a real NATS server: processes are killed
//! between a record and its acknowledgement, messages come again and in another order, and everything counts once.

mod https;
mod jetstream;
mod office;
mod server;

use std::process::{Child, Command, Stdio};

use iam_core::engine::Engine;
use iam_core::journal::{HistoryQuery, Journal};
use iam_core::person::{Person, PersonKey};
use serde_json::{Value, json};

/// A process on this journal, to be killed at `strike` (`before N`, `after N`, `never`).
fn worker(journal: &str, strike: &str, what: &str, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_message-worker"));
    command
        .arg(journal)
        .args([strike, what, url])
        .stderr(Stdio::inherit());
    command
}

/// Whether the process ended well; it may only be killed otherwise.
fn ended_well(child: &mut Child, strike: &str) -> bool {
    let status = child.wait().unwrap();
    assert!(status.code().is_none_or(|code| code == 0), "{strike}: {status}");
    status.success()
}

fn record(person: &str, department: &str) -> Value {
    json!({ "employeeId": person, "firstName": "Mei", "lastName": format!("Tanaka-{person}"), "status": "Active",
        "department": department })
}

fn event(id: &str, kind: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/hr", "type": format!("iam-platform.hr.{kind}"), "data": data })
}

/// The events of a journal, as `person kind`, sorted.
async fn events(journal: &dyn Journal) -> Vec<String> {
    let entries = journal.history(&HistoryQuery::default()).await.unwrap();
    let mut events: Vec<String> = entries
        .iter()
        .map(|entry| format!("{} {}", entry.event.person, entry.event.kind.as_str()))
        .collect();
    events.sort_unstable();
    events
}

/// So many people joined, and all is done.
async fn hire(engine: &Engine, people: usize) {
    let person = |n: usize| Person {
        given_name: Some("Mei".to_owned()),
        family_name: Some(format!("Tanaka-{n}")),
        ..Person::new(PersonKey::new(format!("W-{n}")))
    };
    engine.accept((0..people).map(person)).await.unwrap();
    let report = engine.run(&|_| {}).await.unwrap();
    assert_eq!(report.people.len(), people);
}
