//! What callers hand over of people and events: records that were read, mappings, JSON or pydantic models.

use std::ops::ControlFlow;
use std::sync::Arc;

use iam_core::event::News;
use iam_core::intake::{Intake as _, Item, Reject, WorkdayJsonIntake};
use iam_core::journal::Message;
use iam_core::person::Person;
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString};
use serde_json::Value;

use crate::convert::{Json, read};
use crate::engine::{AsyncEngine, Engine, Inner};
use crate::errors::raised;
use crate::intake::Record;
use crate::results::{Instant, PersonState};
use crate::runtime::{blocking, promise, wait};

/// How many people are read of the journal at once.
const PAGE: usize = 500;

/// Records, and what of them was refused.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    pub(crate) people: Vec<Person>,
    pub(crate) rejects: Vec<Reject>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Handed {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (mut people, mut rows) = (Vec::new(), Vec::new());
        let one = given.cast::<PyMapping>().is_ok()
            || given.cast::<PyString>().is_ok()
            || given.cast::<PyBytes>().is_ok()
            || given.cast::<Record>().is_ok()
            || given.cast::<PersonState>().is_ok()
            || given.hasattr("model_dump")?;
        if one {
            sort(&given, 1, &mut people, &mut rows)?;
        } else {
            for (at, item) in given.try_iter()?.enumerate() {
                sort(&item?, at as u64 + 1, &mut people, &mut rows)?;
            }
        }
        let read = given.py().detach(|| flat(rows, &mut people));
        let rejects = read.map_err(raised)?;
        people.sort_by_key(|(at, _)| *at);
        Ok(Self {
            people: people.into_iter().map(|(_, person)| person).collect(),
            rejects,
        })
    }
}

/// Records as they are; everything else as a flat object, or a list of them.
fn sort(
    given: &Bound<'_, PyAny>,
    at: u64,
    people: &mut Vec<(u64, Person)>,
    rows: &mut Vec<(u64, Value)>,
) -> PyResult<()> {
    if let Ok(record) = given.cast::<Record>() {
        people.push((at, record.get().person.clone()));
        return Ok(());
    }
    let value = match given.cast::<PersonState>() {
        Ok(state) => state.get().record.clone().unwrap_or(Json(Value::Null)),
        Err(_) if given.hasattr("model_dump")? => {
            // All of it: a default is as good as what was set.
            let how = PyDict::new(given.py());
            how.set_item("mode", "json")?;
            how.set_item("by_alias", true)?;
            given.call_method("model_dump", (), Some(&how))?.extract()?
        }
        Err(_) => given.extract::<Json>()?,
    };
    match value.0 {
        Value::Array(list) => rows.extend(list.into_iter().zip(at..).map(|(row, at)| (at, row))),
        row => rows.push((at, row)),
    }
    Ok(())
}

/// Reads rows as the flat feed has them.
fn flat(mut rows: Vec<(u64, Value)>, people: &mut Vec<(u64, Person)>) -> Result<Vec<Reject>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    for (_, row) in &mut rows {
        if let Value::Object(fields) = row {
            fields.remove("cleared"); // kept by whoever accepts records
        }
    }
    let places: Vec<u64> = rows.iter().map(|(at, _)| *at).collect();
    let place = |row: u64| {
        let index = usize::try_from(row).ok().and_then(|row| row.checked_sub(1));
        index.and_then(|index| places.get(index).copied()).unwrap_or(row)
    };
    let text = serde_json::to_vec(&rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())
        .map_err(|error| Error::new(ErrorKind::Invalid, "records have no JSON form").with_source(error))?;
    let mut rejects: Vec<Reject> = Vec::new();
    let mut read: Vec<(u64, Person)> = Vec::new();
    WorkdayJsonIntake::new().read(&mut text.as_slice(), &mut |item| {
        match item {
            Item::Record(record) => read.push((place(record.row), record.person)),
            Item::Reject(mut reject) => {
                reject.row = place(reject.row);
                if let Some(twin) = reject.twin.map(place) {
                    read.retain(|(at, _)| *at != twin);
                    let message = format!("expected one active profile, found another in row {}", reject.row);
                    rejects.push(Reject {
                        row: twin,
                        message,
                        twin: None,
                        ..reject.clone()
                    });
                    reject.twin = Some(twin);
                }
                rejects.push(reject);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    people.extend(read);
    Ok(rejects)
}

impl Handed {
    /// The one record that was meant.
    pub(crate) fn one(self) -> PyResult<Person> {
        if let Some(reject) = self.rejects.first() {
            return Err(raised(Error::new(
                ErrorKind::Invalid,
                format!("the record is refused: {reject}"),
            )));
        }
        match <[Person; 1]>::try_from(self.people) {
            Ok([person]) => Ok(person),
            Err(people) => {
                let message = format!("expected one record, found {}", people.len());
                Err(raised(Error::new(ErrorKind::Invalid, message)))
            }
        }
    }
}

/// Events in the words of the lifecycle.
#[derive(Debug)]
pub(crate) struct Events(pub(crate) Vec<News>);

impl<'a, 'py> FromPyObject<'a, 'py> for Events {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let one = given.cast::<PyMapping>().is_ok()
            || given.cast::<PyString>().is_ok()
            || given.cast::<PyBytes>().is_ok()
            || given.hasattr("model_dump")?;
        let values = if one {
            match given.extract::<Json>()?.0 {
                Value::Array(events) => events,
                event => vec![event],
            }
        } else {
            let events = given.try_iter()?;
            let events = events.map(|event| Ok(event?.extract::<Json>()?.0));
            events.collect::<PyResult<_>>()?
        };
        let news = values.into_iter().enumerate();
        let news = news.map(|(at, event)| event_of(event, at + 1));
        news.collect::<Result<_>>().map(Self).map_err(raised)
    }
}

fn event_of(mut event: Value, number: usize) -> Result<News> {
    let what = format!("event {number}");
    let refused = |message: &str| Error::new(ErrorKind::Invalid, format!("{what}: {message}"));
    let Some(fields) = event.as_object_mut() else {
        return Err(refused("expected an object"));
    };
    let source = fields.remove("source");
    if let (Some(Value::String(source)), Some(Value::String(id))) = (&source, fields.get("id")) {
        let id = iam_core::engine::event_id(source, id);
        fields.insert("id".to_owned(), id.as_str().into());
        if let Some(Value::String(of)) = fields.get("of") {
            let of = iam_core::engine::event_id(source, of);
            fields.insert("of".to_owned(), of.as_str().into());
        }
    }
    if let Some(record) = fields.remove("record").filter(|record| !record.is_null()) {
        let mut people = Vec::new();
        let rejects = flat(vec![(1, record)], &mut people)?;
        if let Some(reject) = rejects.first() {
            return Err(refused(&format!("its record is refused: {reject}")));
        }
        let person = people.pop().map(|(_, person)| Json::of(&person).0);
        fields.insert("record".to_owned(), person.unwrap_or_default());
    }
    if fields.get("kind") == Some(&Value::from("leave")) {
        fields.entry("last_day").or_insert(Value::Null);
    }
    let known = [
        "id",
        "person",
        "kind",
        "effective",
        "zone",
        "entered_at",
        "record",
        "last_day",
        "urgent",
        "of",
        "heard_at",
    ];
    if let Some(other) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(refused(&format!(
            "{other:?} is no field of an event; known are {}",
            known[..10].join(", ")
        )));
    }
    fields.insert("heard_at".to_owned(), Timestamp::now().to_string().into());
    read(Json(event), &what)
}

/// Messages: CloudEvents as mappings, their content as bytes, text or whatever JSON can say.
#[derive(Debug)]
pub(crate) struct Messages(pub(crate) Vec<Message>);

impl<'a, 'py> FromPyObject<'a, 'py> for Messages {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.cast::<PyMapping>().is_ok() {
            return message_of(&given).map(|message| Self(vec![message]));
        }
        let messages = given.try_iter()?;
        let messages = messages.map(|message| message_of(&message?));
        messages.collect::<PyResult<_>>().map(Self)
    }
}

impl Messages {
    pub(crate) fn one(self) -> Result<Message> {
        match <[Message; 1]>::try_from(self.0) {
            Ok([message]) => Ok(message),
            Err(messages) => {
                let message = format!("expected one message, found {}", messages.len());
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }
}

fn message_of(given: &Bound<'_, PyAny>) -> PyResult<Message> {
    let given = &given
        .py()
        .get_type::<PyDict>()
        .call1((given,))?
        .cast_into::<PyDict>()?;
    let field = |names: &[&str]| -> PyResult<Option<Bound<'_, PyAny>>> {
        for name in names {
            if let Some(value) = given.get_item(name)?.filter(|value| !value.is_none()) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    };
    let text = |names: &[&str]| -> PyResult<String> {
        let missing = || {
            let message = format!("a message needs {}", names[0]);
            raised(Error::new(ErrorKind::Invalid, message))
        };
        field(names)?.ok_or_else(missing)?.extract()
    };
    let mut message = Message::new(
        text(&["source"])?,
        text(&["id", "message_id"])?,
        text(&["type", "kind"])?,
    );
    message.time = match field(&["time"])? {
        Some(time) => Some(time.extract::<Instant>()?.0),
        None => None,
    };
    message.content_type = match field(&["datacontenttype", "content_type"])? {
        Some(kind) => Some(kind.extract()?),
        None => None,
    };
    message.data = match field(&["data"])? {
        None => Vec::new(),
        Some(data) => match (data.cast::<PyBytes>(), data.cast::<PyString>()) {
            (Ok(bytes), _) => bytes.as_bytes().to_vec(),
            (_, Ok(text)) => text.to_str()?.as_bytes().to_vec(),
            _ => serde_json::to_vec(&data.extract::<Json>()?.0).unwrap_or_default(),
        },
    };
    Ok(message)
}

/// Whom a policy is looked at with: an engine's people, or records.
#[derive(Debug)]
pub(crate) enum People {
    Known(Arc<Inner>),
    /// An `AsyncEngine`'s: what is asked of them is awaited.
    Awaited(Arc<Inner>),
    Given(Handed),
}

impl<'a, 'py> FromPyObject<'a, 'py> for People {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(engine) = given.cast::<Engine>() {
            return Ok(Self::Known(engine.get().0.clone()));
        }
        if let Ok(engine) = given.cast::<AsyncEngine>() {
            return Ok(Self::Awaited(engine.get().0.clone()));
        }
        given.extract().map(Self::Given)
    }
}

impl People {
    /// What is computed of them, without the GIL: waited for, or with an `AsyncEngine` a promise of it.
    pub(crate) fn measured<'py, T>(
        self,
        py: Python<'py>,
        what: impl FnOnce(&[Person]) -> T + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>>
    where
        T: for<'a> IntoPyObject<'a> + Send + 'static,
    {
        let people = match self {
            Self::Known(inner) => wait(py, everybody(inner))?,
            Self::Given(handed) => match handed.rejects.first() {
                None => handed.people,
                Some(reject) => {
                    let message = format!("a record is refused: {reject}");
                    return Err(raised(Error::new(ErrorKind::Invalid, message)));
                }
            },
            Self::Awaited(inner) => {
                return promise(py, async move {
                    let people = everybody(inner).await?;
                    let done = blocking(move || what(&people)).await;
                    done.ok_or_else(|| Error::new(ErrorKind::Other, "the work has died"))
                });
            }
        };
        py.detach(|| what(&people)).into_bound_py_any(py)
    }
}

/// The records of everybody that an engine knows.
async fn everybody(inner: Arc<Inner>) -> Result<Vec<Person>> {
    let mut people: Vec<Person> = Vec::new();
    let mut after = None;
    loop {
        let page = inner.journal.people(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(people);
        };
        after = Some(last.key.clone());
        people.extend(page.into_iter().filter_map(|state| state.record));
    }
}
