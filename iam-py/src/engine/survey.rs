//! What whoever watches wants to see of many events, in plain values.

use iam_core::event::Timer;
use iam_core::journal::{EventFilter, Headway};
use iam_core::person::PersonKey;
use iam_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{AsyncEngine, Engine};
use crate::convert::Json;
use crate::messages::story;
use crate::results::Instant;
use crate::runtime::twin;

fn headway(names: &[String]) -> Result<Vec<Headway>> {
    let found = names.iter().map(|name| {
        Headway::named(name).ok_or_else(|| {
            let known = Headway::ALL.map(Headway::as_str).join(", ");
            let message = format!("headway: expected one of {known}, found {name:?}");
            Error::new(ErrorKind::Invalid, message)
        })
    });
    found.collect()
}

fn timers(names: &[String]) -> Result<Vec<Timer>> {
    let found = names.iter().map(|name| {
        serde_json::from_value(json!(name)).map_err(|_| {
            let message = format!("timers: expected names such as start, leave and change, found {name:?}");
            Error::new(ErrorKind::Invalid, message)
        })
    });
    found.collect()
}

twin! { Engine, AsyncEngine of std::sync::Arc<crate::engine::Inner>;
    #[pyo3(signature = (headway = Vec::new(), *, person = None, before = None, limit = 100))]
    fn events(this, headway: Vec<String>, person: Option<String>, before: Option<u64>, limit: usize) -> Vec<Json> {
        let filter = EventFilter {
            headway: self::headway(&headway)?,
            person: person.map(PersonKey::new),
            before,
            limit,
        };
        let events = this.engine.events(&filter).await?;
        let told = events.iter().map(|(place, entry)| {
            let mut story = story(entry);
            story["place"] = json!(place);
            story["headway"] = Headway::of(entry).map_or(Value::Null, |headway| json!(headway.as_str()));
            Json(story)
        });
        Ok(told.collect())
    }

    fn figures(this) -> Json {
        let figures = this.engine.figures().await?;
        Ok(Json(json!({ "begun": figures.begun, "waiting": figures.waiting, "dead": figures.dead })))
    }

    fn told(this, since: Instant, until: Instant) -> Vec<Json> {
        let told = this.engine.told(since.0, until.0).await?.into_iter();
        Ok(told.map(|told| Json(json!({ "day": told.day, "kind": told.kind, "count": told.count }))).collect())
    }

    #[pyo3(signature = (timers, until, *, limit = 1000))]
    fn coming(this, timers: Vec<String>, until: Instant, limit: usize) -> Vec<Json> {
        let timers = self::timers(&timers)?;
        let coming = this.engine.coming(&timers, until.0, limit).await?;
        let told = coming.iter().map(|event| {
            let written = serde_json::to_value(&event.kind).unwrap_or_default();
            Json(json!({
                "id": event.id, "person": event.person, "timer": written["timer"], "due_at": event.due_at,
                "entered_at": event.entered_at,
            }))
        });
        Ok(told.collect())
    }

    #[pyo3(signature = (prefix, *, before = None, limit = 100))]
    fn notes(this, prefix: String, before: Option<String>, limit: usize) -> Vec<(String, Json)> {
        let notes = this.engine.notes(&prefix, before.as_deref(), limit).await?;
        Ok(notes.into_iter().map(|(name, value)| (name, Json(value))).collect())
    }
}
