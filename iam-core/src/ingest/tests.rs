//! Requests in, answers and journal out; outcomes out to a receiver that has moods.

mod door;
mod outcomes;
mod refusals;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CloudEvents, Response};
use crate::engine::Engine;
use crate::entitlement::{Catalog, Class, Entitlement, Item, Kind, TargetId};
use crate::journal::{HistoryQuery, Journal, MemoryJournal};
use crate::person::PersonKey;
use crate::policy::Document;
use crate::testing::{ManualClock, MemoryTarget};

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
authority = "graph"
[naming]
upn = ["{given}.{family}"]
display_name = "{given} {family}"
[defaults]
groups = ["All Staff"]
"#;

struct World {
    engine: Arc<Engine>,
    journal: Arc<dyn Journal>,
    target: MemoryTarget,
    clock: ManualClock,
}

fn now() -> Timestamp {
    "2026-11-24T09:00:00Z".parse().unwrap()
}

fn world() -> World {
    world_over(Arc::new(MemoryJournal::new()))
}

fn world_over(journal: Arc<dyn Journal>) -> World {
    let mut catalog = Catalog::default();
    catalog.items.push(Item {
        entitlement: Entitlement {
            target: TargetId::new("graph"),
            kind: Kind::Group,
            id: "id of All Staff".to_owned(),
            name: "All Staff".to_owned(),
        },
        class: Class::Assignable,
        privileged: false,
        seats: None,
        carries: Vec::new(),
    });
    catalog.domains.insert("contoso.example".to_owned());
    let (target, clock) = (MemoryTarget::new("graph", catalog), ManualClock::at(now()));
    let engine = Engine::builder(journal.clone(), Arc::new(Document::parse(POLICY).unwrap()))
        .target(Arc::new(target.clone()))
        .clock(Arc::new(clock.clone()))
        .build();
    World {
        engine: Arc::new(engine),
        journal,
        target,
        clock,
    }
}

impl World {
    fn door(&self) -> CloudEvents {
        CloudEvents::new(self.engine.clone())
    }

    /// What became of the people: name, enabled, and in which department the directory has them.
    async fn people(&self) -> Vec<String> {
        self.engine.run(&|_| {}).await.unwrap();
        let accounts = self.target.accounts();
        let accounts = accounts.iter().filter_map(|actual| actual.account.as_ref());
        let mut shown: Vec<String> = accounts
            .map(|account| {
                let name = account.name.split('@').next().unwrap_or_default();
                let state = if account.enabled { "at work" } else { "blocked" };
                format!("{name} {state}")
            })
            .collect();
        shown.sort_unstable();
        shown
    }

    async fn department(&self, person: &str) -> Option<String> {
        let accepted = self.journal.accepted(&[PersonKey::new(person)]).await.unwrap();
        accepted.into_iter().next()??.record?.department
    }

    async fn events(&self) -> usize {
        self.journal
            .history(&HistoryQuery::default())
            .await
            .unwrap()
            .len()
    }
}

fn text(answer: &Response) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    let mut of_name = answer.headers.iter().filter(|(known, _)| *known == name);
    of_name.next().map(|(_, value)| value.as_str())
}

const RECORD: &str = "iam-platform.hr.record";
const EVENT: &str = "iam-platform.hr.event";
const NOTICE: &str = "iam-platform.hr.notice";

fn mei(department: &str) -> Value {
    json!({ "employeeId": "W-1", "firstName": "Mei", "lastName": "Tanaka", "status": "Active",
        "department": department })
}

fn event(id: &str, kind: &str, time: Option<&str>, data: &Value) -> Value {
    let mut event = json!({ "specversion": "1.0", "id": id, "source": "/hr", "type": kind, "data": data });
    if let Some(time) = time {
        event["time"] = time.into();
    }
    event
}

async fn post(door: &CloudEvents, content_type: &str, body: &str) -> Response {
    let headers = [("Content-Type", content_type)];
    door.receive("POST", "/hr", headers, body.as_bytes()).await
}

/// Posts one event, which must be taken, and tells what it said.
async fn told(door: &CloudEvents, event: &Value) -> (u64, u64, u64, u64) {
    let answer = post(door, "application/cloudevents+json", &event.to_string()).await;
    counts(&answer)
}

fn counts(answer: &Response) -> (u64, u64, u64, u64) {
    assert_eq!(answer.status, 202, "{}", text(answer));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let of = |name: &str| body[name].as_u64().unwrap();
    (
        of("events"),
        of("unchanged"),
        of("quarantined"),
        of("dead_letters"),
    )
}
