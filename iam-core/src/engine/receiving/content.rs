//! What a message says, or what is wrong with it.

use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::super::awaited::Awaited;
use super::{Reads, event_id};
use crate::event::{EventId, EventKind, News};
use crate::intake::{FlatIntake, Format, Intake, Item, Notice, Reject, detect};
use crate::journal::{Message, Observation};
use crate::person::{Person, PersonKey};

/// How many rows a flaw names.
const NAMED: usize = 5;

/// One thing that a message says.
pub(super) enum Said {
    News(Box<News>),
    Record(Box<Observation>),
}

impl Said {
    pub(super) fn is_news(&self) -> bool {
        matches!(self, Self::News(_))
    }
}

/// Why a message cannot be understood.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(super) person: Option<PersonKey>,
    pub(super) reason: String,
}

impl Flaw {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            person: None,
            reason: reason.into(),
        }
    }
}

/// What was read of a message.
#[derive(Default)]
pub(super) struct Read {
    /// What is understood.
    pub(super) said: Vec<Said>,
    /// What says nothing without somebody's record.
    pub(super) awaited: Vec<Awaited>,
    /// What is wrong with the rest.
    pub(super) flaw: Option<Flaw>,
}

impl From<Flaw> for Read {
    fn from(flaw: Flaw) -> Self {
        Self {
            flaw: Some(flaw),
            ..Self::default()
        }
    }
}

/// What of the message is understood, and what is wrong with the rest.
pub(super) fn read(reads: Option<&Reads>, message: &Message, now: Timestamp) -> Read {
    match reads {
        None => Flaw::new(format!("messages of type {:?} are not known here", message.kind)).into(),
        Some(Reads::Event) => match event(message, now) {
            Ok(news) => Read {
                said: vec![Said::News(Box::new(news))],
                ..Read::default()
            },
            Err(flaw) => flaw.into(),
        },
        Some(Reads::Rows(intake)) => rows(intake.as_ref(), message, now),
    }
}

fn rows(intake: &dyn Intake, message: &Message, now: Timestamp) -> Read {
    let alone = alone(&message.data);
    let content = alone.as_deref().unwrap_or(&message.data);
    let (mut records, mut notices, mut rejects) = (Vec::new(), Vec::new(), Vec::new());
    let summary = intake.read(&mut &*content, &mut |item| {
        match item {
            Item::Record(record) => records.push(*record),
            Item::Notice(notice) => notices.push(*notice),
            Item::Reject(reject) => {
                if let Some(twin) = reject.of_twin() {
                    records.retain(|record| record.row != twin.row);
                    rejects.push(twin);
                }
                rejects.push(reject);
            }
        }
        ControlFlow::Continue(())
    });
    let many = match summary {
        Ok(summary) if summary.rows == 0 => {
            return Flaw::new("expected a record, found none").into();
        }
        Ok(summary) => summary.rows > 1,
        // A part of it that was read is not the whole.
        Err(error) => return Flaw::new(error.message()).into(),
    };
    let mut said: Vec<Said> = records
        .into_iter()
        .map(|record| {
            let row = record.row.to_string();
            Said::Record(Box::new(Observation {
                id: if many {
                    EventId::of(&["message", &message.source, &message.id, &row])
                } else {
                    event_id(&message.source, &message.id)
                },
                source: message.source.clone(),
                at: message.time,
                person: record.person,
            }))
        })
        .collect();
    let own_id = many || has_own_id(&message.data);
    let mut awaited = Vec::new();
    for notice in &notices {
        match news(notice, own_id, message, now) {
            Some(news) => said.push(Said::News(Box::new(news))),
            None => match Awaited::of(notice, message, many) {
                Some(notice) => awaited.push(notice),
                None => rejects.push(Reject::from(notice)),
            },
        }
    }
    Read {
        said,
        awaited,
        flaw: refused(&rejects),
    }
}

/// One object of the flat feed, as the array that the feed is.
fn alone(data: &[u8]) -> Option<Vec<u8>> {
    let object = data.trim_ascii_start().first() == Some(&b'{') && detect(data) == Some(Format::Json);
    object.then(|| [b"[", data, b"]"].concat())
}

/// Whether the one notice has an id of its own: then a rescind names that one, and not the message's.
fn has_own_id(data: &[u8]) -> bool {
    let notice: Result<Map<String, Value>, _> = serde_json::from_slice(data);
    let is_id =
        |name: &String| ["eventid", "transactionid", "id"].contains(&name.to_ascii_lowercase().as_str());
    notice.is_ok_and(|notice| notice.iter().any(|(name, value)| is_id(name) && !value.is_null()))
}

fn news(notice: &Notice, own_id: bool, message: &Message, now: Timestamp) -> Option<News> {
    let news = notice.as_news(now)?;
    let scoped = |id: &EventId| event_id(&message.source, id.as_str());
    Some(News {
        id: if own_id {
            scoped(&news.id)
        } else {
            event_id(&message.source, &message.id)
        },
        kind: match news.kind {
            EventKind::Retract { of } => EventKind::Retract { of: scoped(&of) },
            EventKind::Amend { of } => EventKind::Amend { of: scoped(&of) },
            other => other,
        },
        entered_at: news.entered_at.or(message.time),
        ..news
    })
}

fn refused(rejects: &[Reject]) -> Option<Flaw> {
    let first = rejects.first()?;
    let mut said: Vec<String> = rejects.iter().take(NAMED).map(ToString::to_string).collect();
    if rejects.len() > NAMED {
        said.push(format!("and {} more", rejects.len() - NAMED));
    }
    let same = |reject: &Reject| reject.person == first.person;
    let person = first.person.as_ref().filter(|_| rejects.iter().all(same));
    Some(Flaw {
        person: person.map(PersonKey::new),
        reason: said.join("; "),
    })
}

const FIELDS: [&str; 8] = [
    "person",
    "kind",
    "effective",
    "zone",
    "last_day",
    "urgent",
    "of",
    "record",
];

fn event(message: &Message, now: Timestamp) -> Result<News, Flaw> {
    // The parser's own words may quote personal data.
    let fields: Map<String, Value> = serde_json::from_slice(&message.data).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Flaw::new(format!("expected a JSON object (line {line}, column {column})"))
    })?;
    let person = fields.get("person").and_then(Value::as_str).map(str::trim);
    let person = person.filter(|person| !person.is_empty());
    let told = told(&fields, person, message, now);
    told.map_err(|reason| Flaw {
        person: person.map(PersonKey::new),
        reason,
    })
}

fn told(
    fields: &Map<String, Value>,
    person: Option<&str>,
    message: &Message,
    now: Timestamp,
) -> Result<News, String> {
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let (known, unknown) = (FIELDS.join(", "), unknown.chars().take(40).collect::<String>());
        return Err(format!("field {unknown:?} is not known: expected {known}"));
    }
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim())),
        Some(_) => Err(format!("field {name}: expected a text")),
    };
    let date = |name: &str| -> Result<Option<Date>, String> {
        let parsed = text(name)?.map(str::parse).transpose();
        parsed.map_err(|_| format!("field {name}: expected a date such as 2026-06-06"))
    };
    let person = person.ok_or("field person: expected the worker id")?;
    let urgent = match fields.get("urgent") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(urgent)) => *urgent,
        Some(_) => return Err("field urgent: expected true or false".to_owned()),
    };
    let of = text("of")?.map(|of| event_id(&message.source, of));
    let meant = || {
        of.clone()
            .ok_or("field of: expected the id of the message that is meant")
    };
    let word = text("kind")?.ok_or("field kind: expected what happened")?;
    let kind = match word {
        "join" => EventKind::Join,
        "move" => EventKind::Move,
        "rename" => EventKind::Rename,
        "rejoin" => EventKind::Rejoin,
        "suspend" => EventKind::Suspend,
        "resume" => EventKind::Resume,
        "convert" => EventKind::Convert,
        "leave" => EventKind::Leave {
            last_day: date("last_day")?,
            urgent,
        },
        "retract" => EventKind::Retract { of: meant()? },
        "amend" => EventKind::Amend { of: meant()? },
        _ => {
            return Err(
                "field kind: expected join, move, rename, rejoin, suspend, resume, convert, leave, retract or amend"
                    .to_owned(),
            );
        }
    };
    for (name, fits) in [
        ("last_day", word == "leave"),
        ("urgent", word == "leave"),
        ("of", word == "retract" || word == "amend"),
    ] {
        if !fits && fields.get(name).is_some_and(|value| !value.is_null()) {
            return Err(format!("field {name}: not expected of kind {word}"));
        }
    }
    let id = event_id(&message.source, &message.id);
    let news = News::new(id, PersonKey::new(person), kind, now);
    Ok(News {
        effective: date("effective")?,
        zone: text("zone")?.map(zone).transpose()?,
        entered_at: message.time,
        record: record(fields.get("record"), person)?,
        ..news
    })
}

fn zone(name: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("field zone: expected an IANA time zone such as Australia/Perth".to_owned()),
    }
}

/// The record, read as the flat feed is.
fn record(value: Option<&Value>, person: &str) -> Result<Option<Box<Person>>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let Value::Object(_) = value else {
        return Err("field record: expected an object".to_owned());
    };
    let feed = format!("[{value}]");
    let (mut record, mut why) = (None, None);
    let read = FlatIntake::new().read(&mut feed.as_bytes(), &mut |item| {
        match item {
            Item::Record(found) => record = Some(Box::new(found.person)),
            Item::Reject(reject) => why = Some(format!("record, field {}: {}", reject.field, reject.message)),
            Item::Notice(_) => {}
        }
        ControlFlow::Continue(())
    });
    if let Some(why) = why.or_else(|| {
        read.err()
            .map(|error| format!("field record: {}", error.message()))
    }) {
        return Err(why);
    }
    let record = record.ok_or("field record: expected a record of the flat feed")?;
    if record.key.as_str() != person {
        return Err("field record: expected the record of the person that the event is about".to_owned());
    }
    Ok(Some(record))
}
