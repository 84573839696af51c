//! What a service over the engine needs beside the engine's own calls: CloudEvents as they came, one event's story, what
//! would happen if HR said something, and notes that are as durable as the journal.

use std::ops::ControlFlow;

use iam_core::clock::{Clock as _, SystemClock};
use iam_core::event::EventId;
use iam_core::ingest::CloudEvents;
use iam_core::intake::{FlatIntake, Intake as _, Item, Reject};
use iam_core::journal::Entry;
use iam_core::person::Person;
use iam_core::{Error, ErrorKind, Result, notify};
use pyo3::prelude::*;
use pyo3::types::PyString;
use serde_json::{Value, json};

use crate::convert::Json;
use crate::engine::{AsyncEngine, Engine};
use crate::errors::raised;
use crate::handed::Handed;
use crate::results::Preview;
use crate::runtime::twin;

/// An event's story in plain values. It names the worker, and nothing else of the person.
pub(crate) fn story(entry: &Entry) -> Value {
    let steps = entry
        .steps
        .iter()
        .map(|step| json!({ "step": step.step, "outcome": step.outcome, "at": step.at }));
    let plan = entry.plan.as_ref();
    json!({
        "id": entry.event.id, "person": entry.event.person, "kind": entry.event.kind.as_str(),
        "entered_at": entry.event.entered_at, "due_at": entry.event.due_at, "state": entry.state,
        "attempts": entry.attempts, "not_before": entry.not_before, "parked": entry.parked, "why": entry.why,
        "planned": plan.map(|plan| plan.steps.len()), "steps": steps.collect::<Vec<_>>(),
    })
}

/// What the records in JSON text of the flat feed say: one object, or an array of them.
struct Said {
    people: Vec<Person>,
    rejects: Vec<Reject>,
}

fn said(text: &str) -> Result<Said> {
    let one = text.trim_start().starts_with('{');
    let text = if one { format!("[{text}]") } else { text.to_owned() };
    let (mut people, mut rejects) = (Vec::new(), Vec::new());
    FlatIntake::new().read(&mut text.as_bytes(), &mut |item| {
        match item {
            Item::Record(record) => people.push(record.person),
            Item::Reject(reject) => {
                if let Some(row) = reject.twin {
                    rejects.push(Reject {
                        row,
                        twin: None,
                        ..reject.clone()
                    });
                }
                rejects.push(reject);
            }
            Item::Notice(notice) => rejects.push(Reject::from(&*notice)),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(Said { people, rejects })
}

/// JSON text of the flat feed, or records that were read.
#[derive(Debug)]
enum Records {
    Text(String),
    Read(Handed),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Records {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyString>() {
            Ok(text) => Ok(Self::Text(text.to_str()?.to_owned())),
            Err(_) => given.extract().map(Self::Read),
        }
    }
}

impl Records {
    fn said(self) -> Result<Said> {
        match self {
            Self::Text(text) => said(&text),
            Self::Read(Handed { people, rejects }) => Ok(Said { people, rejects }),
        }
    }
}

/// What is refused of records of the flat feed, and whom the others are about, with their status. Nothing is accepted.
#[pyfunction]
pub(crate) fn check_records(text: &str) -> PyResult<Json> {
    let said = said(text).map_err(raised)?;
    let people = said
        .people
        .iter()
        .map(|person| json!({ "key": person.key, "status": person.status }));
    let rejects = said.rejects.iter().map(|reject| {
        json!({ "row": reject.row, "field": reject.field, "code": reject.code, "message": reject.message })
    });
    Ok(Json(
        json!({ "people": people.collect::<Vec<_>>(), "rejects": rejects.collect::<Vec<_>>() }),
    ))
}

/// The id of the event that a message brings.
#[pyfunction]
pub(crate) fn event_id(source: &str, id: &str) -> String {
    iam_core::engine::event_id(source, id).as_str().to_owned()
}

/// Raises unless a webhook is signed with the secret (Standard Webhooks) and not older than five minutes.
#[pyfunction]
pub(crate) fn verify_webhook(
    secret: &str,
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
) -> PyResult<()> {
    let now = SystemClock.now();
    notify::verify(&secret.into(), id, timestamp, signature, body, now).map_err(raised)
}

twin! { Engine, AsyncEngine of std::sync::Arc<crate::engine::Inner>;
    /// One event with its story, or nothing.
    fn story(this, event: String) -> Option<Json> {
        let entry = this.engine.entry(&EventId::new(event)).await?;
        Ok(entry.as_ref().map(|entry| Json(story(entry))))
    }

    /// What would happen now if HR said these records as well: JSON text of the flat feed, or records that were read.
    fn plan_with(this, records: Records) -> Preview {
        let said = records.said()?;
        match said.rejects.first() {
            Some(reject) => Err(Error::new(ErrorKind::Invalid, reject.to_string())),
            None => Ok((&this.engine.plan_with(said.people).await?).into()),
        }
    }

    /// Takes CloudEvents in, as they came over HTTP; the sender is known. Answers status, headers and body.
    fn cloudevents(this, headers: Vec<(String, String)>, body: Vec<u8>) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let door = CloudEvents::new(this.engine.clone()).body_limit(usize::MAX - 1);
        let answer = door.receive("POST", "/hr/events", headers, &body).await;
        Ok((answer.status, answer.headers, answer.body))
    }

    /// The version and the value of what was noted under a name last, or nothing.
    fn note(this, name: String) -> Option<(u64, Json)> {
        Ok(this.engine.note(&name).await?.map(|(version, value)| (version, Json(value))))
    }

    /// Notes something, unless somebody else has since that version (0: none).
    fn set_note(this, name: String, version: u64, value: Json) -> bool {
        this.engine.set_note(&name, version, &value.0).await
    }
}
