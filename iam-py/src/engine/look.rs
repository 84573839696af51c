//! Looking: people, timelines, explanations, what waits, the audit. Nothing is changed.

use iam_core::event::EventId;
use iam_core::journal::LetterId;
use iam_core::journal::audit::Checkpoint;
use iam_core::person::PersonKey;
use iam_core::{Error, ErrorKind, Result};

use super::progress::Watcher;
use super::{AsyncEngine, Engine};
use crate::policy::Named;
use crate::results::{
    Ask, AuditCheck, AuditEntry, DriftReport, Evidence, Frozen, HealthFinding, Instant, Letter, List,
    PersonDrift, PersonState, Quarantined, Staged, Stalled, TimelineEntry, UndoPlan, Waiting, Why, WhyNot,
};
use crate::runtime::twin;

pub(super) fn place(text: Option<&str>) -> Result<Option<Checkpoint>> {
    let read = |text: &str| {
        text.parse().map_err(|_| {
            let message =
                format!("{text:?} is no checkpoint: expected <sequence>:<hash>, as verify_audit answers");
            Error::new(ErrorKind::Invalid, message)
        })
    };
    text.map(read).transpose()
}

twin! { Engine, AsyncEngine of std::sync::Arc<crate::engine::Inner>;
    fn person(this, person: String) -> Option<PersonState> {
        let state = this.engine.person(&PersonKey::new(person)).await?;
        Ok(state.as_ref().map(Into::into))
    }

    #[pyo3(signature = (search = None, *, after = None, limit = 100))]
    fn people(this, search: Option<String>, after: Option<String>, limit: usize) -> List<PersonState> {
        let after = after.map(PersonKey::new);
        let people = this.engine.people(search.as_deref(), after.as_ref(), limit).await?;
        Ok(List::of(&people))
    }

    fn timeline(this, person: String) -> List<TimelineEntry> {
        let entries = this.engine.timeline(&PersonKey::new(person)).await?;
        Ok(List::of(&entries))
    }

    fn why(this, person: String, what: Named) -> Why {
        this.engine.why(&PersonKey::new(person), &what.0).await.map(|why| (&why).into())
    }

    fn why_not(this, person: String, what: Named) -> WhyNot {
        this.engine.why_not(&PersonKey::new(person), &what.0).await.map(|why| (&why).into())
    }

    fn evidence(this, person: String) -> Evidence {
        this.engine.evidence(&PersonKey::new(person)).await.map(|evidence| (&evidence).into())
    }

    #[pyo3(signature = (found = None))]
    fn drift(this, found: Option<Watcher>) -> DriftReport {
        let found = found.map(|watcher| watcher.at(this.home));
        let mut people = Vec::new();
        let keep = |drift: iam_core::engine::PersonDrift| match &found {
            Some(watcher) => watcher.tell(PersonDrift::from(&drift)),
            None => people.push(PersonDrift::from(&drift)),
        };
        let totals = this.engine.drift(keep).await?;
        Ok(DriftReport {
            looked_at: totals.people,
            differ: totals.differ,
            unknown: totals.unknown,
            people: people.into_iter().collect(),
        })
    }

    fn drift_of(this, person: String) -> PersonDrift {
        this.engine.drift_of(&PersonKey::new(person)).await.map(|drift| (&drift).into())
    }

    fn undo_plan(this, event: String) -> UndoPlan {
        this.engine.undo_plan(&EventId::new(event)).await.map(|undo| (&undo).into())
    }

    fn waiting(this, person: String) -> Waiting {
        this.engine.waiting(&PersonKey::new(person)).await.map(|waiting| (&waiting).into())
    }

    fn stalled(this) -> Option<Stalled> {
        Ok(this.engine.stalled().await?.as_ref().map(Into::into))
    }

    fn overdue(this) -> List<TimelineEntry> { Ok(List::of(&this.engine.overdue().await?)) }

    fn next_due(this) -> Option<Instant> { Ok(this.engine.next_due().await?.map(Instant)) }

    fn frozen(this) -> Option<Frozen> { Ok(this.engine.frozen().await?.as_ref().map(Into::into)) }

    fn freezes(this) -> List<Frozen> { Ok(List::of(&this.engine.freezes().await?)) }

    fn asks(this) -> List<Ask> { Ok(List::of(&this.engine.asks().await?)) }

    fn quarantined(this) -> List<Quarantined> { Ok(List::of(&this.engine.quarantined().await?)) }

    fn staged(this) -> List<Staged> { Ok(List::of(&this.engine.staged().await?)) }

    #[pyo3(signature = (after = None, limit = 100))]
    fn dead_letters(this, after: Option<u64>, limit: usize) -> List<Letter> {
        Ok(List::of(&this.engine.dead_letters(after.map(LetterId), limit).await?))
    }

    #[pyo3(signature = (after = 0, limit = 100))]
    fn audit(this, after: u64, limit: usize) -> List<AuditEntry> {
        Ok(List::of(&this.engine.audit(after, limit).await?))
    }

    fn check(this) -> List<HealthFinding> { Ok(List::of(&this.engine.check_journal().await?)) }

    #[pyo3(signature = (checkpoint = None))]
    fn verify_audit(this, checkpoint: Option<String>) -> AuditCheck {
        let checkpoint = place(checkpoint.as_deref())?;
        Ok(match this.engine.verify_audit(checkpoint.as_ref()).await? {
            Ok(reached) => AuditCheck { is_whole: true, checkpoint: Some(reached.to_string()), breach: None },
            Err(breach) => AuditCheck { is_whole: false, checkpoint: None, breach: Some(breach.to_string()) },
        })
    }
}
