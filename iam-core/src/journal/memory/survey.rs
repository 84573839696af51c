//! Looking over everything that is in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryJournal;
use crate::error::Result;
use crate::event::{Event, EventKind, Timer};
use crate::journal::survey::tag;
use crate::journal::{Entry, EventFilter, EventState, Figures, Headway, Survey, Told};

#[async_trait]
impl Survey for MemoryJournal {
    async fn events(&self, filter: &EventFilter, _now: Timestamp) -> Result<Vec<(u64, Entry)>> {
        let asked = filter.asked();
        let inner = self.lock();
        let entries = (1..).zip(&inner.entries).collect::<Vec<(u64, &Entry)>>();
        let entries = entries.into_iter().rev();
        let earlier = entries.filter(|(place, _)| filter.before.is_none_or(|before| *place < before));
        let found = earlier.filter(|(_, entry)| {
            let of_person = filter
                .person
                .as_ref()
                .is_none_or(|person| entry.event.person == *person);
            of_person && Headway::of(entry).is_some_and(|headway| asked.contains(&headway))
        });
        let found = found.take(filter.limit);
        Ok(found.map(|(place, entry)| (place, entry.clone())).collect())
    }

    async fn figures(&self, _now: Timestamp) -> Result<Figures> {
        let inner = self.lock();
        let mut figures = Figures::default();
        for headway in inner.entries.iter().filter_map(Headway::of) {
            match headway {
                Headway::Begun => figures.begun += 1,
                Headway::Waiting => figures.waiting += 1,
                Headway::Dead => figures.dead += 1,
                Headway::Accepted | Headway::Done | Headway::Superseded => {}
            }
        }
        Ok(figures)
    }

    async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
        let inner = self.lock();
        let entries = inner.entries.iter();
        let told = entries.filter(|entry| {
            let event = &entry.event;
            from <= event.due_at
                && event.due_at < until
                && entry.state != EventState::Superseded
                && !matches!(event.kind, EventKind::Due { .. })
        });
        let mut counts: BTreeMap<Told, u64> = BTreeMap::new();
        for entry in told {
            let told = Told::new(entry.event.due_at, tag(&entry.event.kind), 0);
            *counts.entry(told).or_default() += 1;
        }
        Ok(counts
            .into_iter()
            .map(|(told, count)| Told { count, ..told })
            .collect())
    }

    async fn coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let inner = self.lock();
        let pending = inner
            .entries
            .iter()
            .filter(|entry| entry.state == EventState::Pending);
        let pending = pending.map(|entry| &entry.event);
        let coming = pending.filter(|event| from <= event.due_at && event.due_at < until);
        let mut coming: Vec<&Event> = coming
            .filter(|event| matches!(event.kind, EventKind::Due { timer } if timers.contains(&timer)))
            .collect();
        coming.sort_by_key(|event| event.due_at);
        Ok(coming.into_iter().take(limit).cloned().collect())
    }
}
