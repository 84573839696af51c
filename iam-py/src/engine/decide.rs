//! Decisions that people take, with who and why: releases, answers, what is brought back to work or undone; and the
//! care of the journal.

use iam_core::entitlement::{self, TargetId};
use iam_core::event::EventId;
use iam_core::journal::{DeliveryId, LetterId};
use iam_core::person::PersonKey;
use iam_core::plan::StepId;
use pyo3::prelude::*;

use super::{AsyncEngine, Engine};
use crate::errors::raised;
use crate::handed::Messages;
use crate::policy::kind;
use crate::results::{Accepted, Entitlement, Instant};
use crate::runtime::twin;

/// Something held, as an engine has told of it.
#[derive(Debug)]
struct Thing(entitlement::Entitlement);

impl<'a, 'py> FromPyObject<'a, 'py> for Thing {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let known = given.cast::<Entitlement>()?.get();
        Ok(Self(entitlement::Entitlement {
            target: TargetId::new(&known.target),
            kind: kind(&known.kind).map_err(raised)?,
            id: known.id.clone(),
            name: known.name.clone(),
        }))
    }
}

twin! { Engine, AsyncEngine of std::sync::Arc<crate::engine::Inner>;
    fn release(this, hash: String, by: String, reason: String) -> () {
        this.engine.release(&hash, &by, &reason).await
    }

    fn requeue(this, event: String, by: String, reason: String) -> () {
        this.engine.requeue(&EventId::new(event), &by, &reason).await
    }

    fn skip(this, event: String, by: String, reason: String) -> () {
        this.engine.skip(&EventId::new(event), &by, &reason).await
    }

    fn resolve(this, event: String, step: String, happened: bool, by: String, reason: String) -> () {
        let step = StepId::from(step.as_str());
        this.engine.resolve(&EventId::new(event), &step, happened, &by, &reason).await
    }

    #[pyo3(signature = (person, by, reason, take = Vec::new()))]
    fn revert(this, person: String, by: String, reason: String, take: Vec<Thing>) -> String {
        let take: Vec<_> = take.into_iter().map(|thing| thing.0).collect();
        let event = this.engine.revert(&PersonKey::new(person), &by, &reason, &take).await?;
        Ok(event.to_string())
    }

    fn undo(this, event: String, by: String, reason: String) -> String {
        let event = this.engine.undo(&EventId::new(event), &by, &reason).await?;
        Ok(event.to_string())
    }

    fn release_delivery(this, delivery: u64, by: String, reason: String) -> Accepted {
        let accepted = this.engine.release_delivery(DeliveryId(delivery), &by, &reason).await?;
        Ok(Accepted::of(accepted, Vec::new()))
    }

    fn discard_delivery(this, delivery: u64, by: String, reason: String) -> () {
        this.engine.discard_delivery(DeliveryId(delivery), &by, &reason).await
    }

    fn retry_letter(this, letter: u64, corrected: Messages, by: String, reason: String) -> Accepted {
        let corrected = corrected.one()?;
        let accepted = this.engine.retry_letter(LetterId(letter), &corrected, &by, &reason).await?;
        Ok(Accepted::of(accepted, Vec::new()))
    }

    fn discard_letter(this, letter: u64, by: String, reason: String) -> () {
        this.engine.discard_letter(LetterId(letter), &by, &reason).await
    }

    fn backup(this, path: std::path::PathBuf) -> String {
        Ok(this.file()?.backup(&path).await?.to_string())
    }

    fn archive(this, until: Instant) -> u64 { this.file()?.archive(until.0).await }

    fn erase(this, person: String, by: String, reason: String) -> () {
        this.engine.erase(&PersonKey::new(person), &by, &reason).await
    }
}
