//! Catching up at the start: what a dead process left half accepted, and timers that people's states imply and that
//! nobody waits for any more.

use jiff::Timestamp;

use super::past::run_of;
use super::{CHUNK, Engine};
use crate::error::Result;
use crate::event::{Event, EventId, EventKind, Timer};
use crate::journal::{EventState, HistoryQuery, PersonState};
use crate::person::PersonKey;

impl Engine {
    /// Goes on where a dead process stopped accepting; and, once in an engine's life, looks for lost timers.
    pub(super) async fn catch_up(&self) -> Result<()> {
        self.finish_releases().await?;
        let mut checked = self.timers_checked.lock().await;
        if !*checked {
            self.find_lost_timers().await?;
            *checked = true;
        }
        Ok(())
    }

    async fn find_lost_timers(&self) -> Result<()> {
        let now = self.clock.now();
        let mut after: Option<PersonKey> = None;
        loop {
            let people = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(end) = people.last() else { return Ok(()) };
            after = Some(end.key.clone());
            let keys: Vec<PersonKey> = people.iter().map(|state| state.key.clone()).collect();
            let accepted = self.journal.accepted(&keys).await?;
            let mut lost = Vec::new();
            for (state, accepted) in people.iter().zip(accepted) {
                let course = run_of(&accepted.unwrap_or_default(), self.policy.settings(), now);
                let implied = self.orchestrator.calendar(state, &course, now);
                lost.extend(self.lost(state, &implied, now).await?);
            }
            self.journal.append(&lost).await?;
        }
    }

    /// Those of the implied timers that are not pending. What is due and pending sets them all again.
    async fn lost(
        &self,
        state: &PersonState,
        implied: &[(Timer, Timestamp)],
        now: Timestamp,
    ) -> Result<Vec<Event>> {
        if implied.is_empty() {
            return Ok(Vec::new());
        }
        let query = HistoryQuery {
            person: Some(state.key.clone()),
            ..HistoryQuery::default()
        };
        let mut entries = self.journal.history(&query).await?;
        entries.retain(|entry| entry.state == EventState::Pending || entry.parked);
        if entries
            .iter()
            .any(|entry| entry.parked || entry.event.due_at <= now)
        {
            return Ok(Vec::new());
        }
        let pending = |timer: Timer, at: Timestamp| {
            let same = |entry: &crate::journal::Entry| {
                entry.event.kind == EventKind::Due { timer } && entry.event.due_at == at
            };
            entries.iter().any(same)
        };
        let cause = EventId::of(&["found lost", &now.to_string()]);
        let lost = implied.iter().filter(|(timer, at)| !pending(*timer, *at));
        let set = lost.map(|(timer, at)| Event::timer(&state.key, *timer, *at, &cause, now));
        Ok(set.collect())
    }
}
