//! What whoever watches wants to see: events by how far they have come, figures, and what comes up.

use jiff::Timestamp;

use super::Engine;
use crate::error::Result;
use crate::event::{Event, Timer};
use crate::journal::{Entry, EventFilter, Figures, Told};

impl Engine {
    /// Events with their stories and their places, the newest first: the place of the last one is where the next page
    /// begins ([`EventFilter::before`]).
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<(u64, Entry)>> {
        self.journal.events(filter, self.clock.now()).await
    }

    /// How many events are being worked on, wait, and were set aside.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn figures(&self) -> Result<Figures> {
        self.journal.figures(self.clock.now()).await
    }

    /// How much was told from `from` on and before `until`, by day (UTC) and kind.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
        self.journal.told(from, until).await
    }

    /// The instants of these kinds that come up before `until`, in anybody's calendar, the earliest first; at most
    /// `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn coming(&self, timers: &[Timer], until: Timestamp, limit: usize) -> Result<Vec<Event>> {
        let now = self.clock.now();
        self.journal.coming(timers, now, until, limit).await
    }
}
