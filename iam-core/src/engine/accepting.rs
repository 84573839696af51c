//! Taking in what HR says: records, which are compared with what was accepted before, and events.

use std::collections::BTreeSet;

use super::{Accepted, CHUNK, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind, News};
use crate::journal::{Appended, Quarantined};
use crate::person::{Person, PersonKey};

impl Engine {
    /// Accepts records, in order. When this returns, every one that says something new is a durable event;
    /// nothing has been carried out.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal. Records of chunks before stand; accepting them again is
    /// harmless.
    pub async fn accept(&self, records: impl IntoIterator<Item = Person>) -> Result<Accepted> {
        let mut total = Accepted::default();
        let mut chunk: Vec<Person> = Vec::with_capacity(CHUNK);
        for record in records {
            chunk.push(record);
            if chunk.len() == CHUNK {
                self.accept_chunk(&mut chunk, &mut total).await?;
            }
        }
        self.accept_chunk(&mut chunk, &mut total).await?;
        Ok(total)
    }

    /// Accepts events that have ids of their own, in whichever order they come. An event that counts from a day to
    /// come waits for it; one that counts from a day gone by takes effect as things are now, and the plan says that
    /// it came late. The same event again is nothing new; another one under its id is
    /// [quarantined](Self::quarantined), and the rest goes on.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], before anything is accepted, for an event that only the platform itself has (a
    /// timer); [`ErrorKind::Storage`] from the journal: accepting them again is harmless.
    pub async fn accept_events(&self, news: impl IntoIterator<Item = News>) -> Result<Accepted> {
        let now = self.clock.now();
        let told = news.into_iter().map(|news| match news.kind {
            EventKind::Due { .. } => Err(Error::new(
                ErrorKind::Invalid,
                format!("event {} is a timer: only what HR says can be accepted", news.id),
            )),
            _ => Ok(Event::told(News {
                heard_at: now,
                covered: false,
                ..news
            })),
        });
        let events: Vec<Event> = told.collect::<Result<_>>()?;
        let mut total = Accepted::default();
        for chunk in events.chunks(CHUNK) {
            for outcome in self.journal.append(chunk).await? {
                total.count(outcome);
            }
        }
        Ok(total)
    }

    /// The events that came under an id that was known with other content. They are never applied.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn quarantined(&self) -> Result<Vec<Quarantined>> {
        self.journal.quarantine().await
    }

    pub(super) async fn accept_chunk(&self, chunk: &mut Vec<Person>, total: &mut Accepted) -> Result<()> {
        let mut open = std::mem::take(chunk);
        while !open.is_empty() {
            // One record of each person at a time: should somebody else be quicker, the rest is not accepted
            // before it.
            let mut first = BTreeSet::new();
            let (now_open, later): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|record: &Person| first.insert(record.key.clone()));
            open = now_open;
            let keys: Vec<PersonKey> = open.iter().map(|record| record.key.clone()).collect();
            let latest = self.journal.accepted(&keys).await?;
            let now = self.clock.now();
            let (mut events, mut sources) = (Vec::new(), Vec::new());
            for (record, previous) in open.drain(..).zip(latest) {
                let Some(event) = Event::observed(previous.as_ref(), &record, now) else {
                    total.unchanged += 1;
                    continue;
                };
                events.push(event);
                sources.push(record);
            }
            let appended = self.journal.append(&events).await?;
            for (outcome, record) in appended.into_iter().zip(sources) {
                match outcome {
                    // Somebody else accepted a record of this person meanwhile: compare again.
                    Appended::Stale => open.push(record),
                    outcome => total.count(outcome),
                }
            }
            open.extend(later);
        }
        Ok(())
    }
}

impl Accepted {
    pub(super) fn count(&mut self, outcome: Appended) {
        match outcome {
            Appended::New => self.events += 1,
            Appended::Duplicate | Appended::Stale => self.unchanged += 1,
            Appended::Conflict => self.quarantined += 1,
        }
    }
}
