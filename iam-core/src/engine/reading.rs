//! Reading a source into the journal, a chunk at a time: memory does not grow with the source.
//!
//! [`deliver`](Engine::deliver) is the careful way: rows are staged, and believed as one once the source's
//! [`Gate`](crate::intake::Gate) has compared the whole with the last good delivery. [`accept_from`](Engine::accept_from) believes each
//! row as it comes.

use std::io::BufRead;
use std::ops::ControlFlow;

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::{Accepted, CHUNK, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::intake::{Delivery, Intake, Item, Notice, Reject, Summary};
use crate::journal::{DeliveryId, DeliveryState, Row, Staged};
use crate::person::{Person, PersonKey};

/// What became of a source that was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// Rows, good ones and refused ones.
    pub summary: Summary,
    /// What the good ones said.
    pub accepted: Accepted,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// Its number, for [`release_delivery`](Engine::release_delivery) and [`discard_delivery`](Engine::discard_delivery).
    pub id: DeliveryId,
    /// What it holds, in numbers.
    pub totals: Delivery,
    /// Why it is held, clause by clause; none: its rows were released.
    pub findings: Vec<String>,
    /// What its rows said, once they were released.
    pub accepted: Accepted,
}

impl Delivered {
    /// Whether nothing of it counts before somebody has decided.
    pub fn is_held(&self) -> bool {
        !self.findings.is_empty()
    }
}

/// A source that is being read on a thread of its own.
struct Source {
    items: Receiver<Item>,
    reader: JoinHandle<Result<Summary>>,
}

impl Source {
    fn open<R: BufRead + Send + 'static>(intake: Box<dyn Intake>, mut input: R) -> Self {
        let (sender, items) = tokio::sync::mpsc::channel::<Item>(CHUNK);
        let reader = tokio::task::spawn_blocking(move || {
            intake.read(&mut input, &mut |item| match sender.blocking_send(item) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()), // accepting failed: nobody listens any more
            })
        });
        Self { items, reader }
    }

    async fn close(self) -> Result<Result<Summary>> {
        let Self { items, reader } = self;
        drop(items);
        reader.await.map_err(|source| {
            Error::new(ErrorKind::Other, "the reader of the source has died").with_source(source)
        })
    }
}

impl Engine {
    /// Reads a source and accepts its records, and the events of which it gives notice, each as it comes. `rejected`
    /// is told of each row that was refused, and of each notice that says too little without a record. Of two active
    /// profiles of one worker id neither counts where they stand close together; where they may not,
    /// [deliver](Self::deliver).
    ///
    /// # Errors
    /// What makes the whole source unreadable ([`Intake::read`]), or [`ErrorKind::Storage`]. Records read
    /// before stand: they are accepted, and reading the mended source again is harmless.
    pub async fn accept_from<R: BufRead + Send + 'static>(
        &self,
        intake: Box<dyn Intake>,
        input: R,
        mut rejected: impl FnMut(Reject) + Send,
    ) -> Result<Reading> {
        let mut source = Source::open(intake, input);
        let mut reading = Reading::default();
        let mut chunk: Vec<Person> = Vec::with_capacity(CHUNK);
        while let Some(item) = source.items.recv().await {
            match item {
                Item::Record(record) => chunk.push(record.person),
                Item::Reject(reject) => {
                    if let Some(twin) = reject.of_twin() {
                        let alike = |person: &Person| Some(person.key.as_str()) == twin.person.as_deref();
                        chunk.retain(|person| !alike(person));
                        rejected(twin);
                    }
                    rejected(reject);
                }
                Item::Notice(notice) => match self.news(&notice) {
                    Some(Row::News { news }) => {
                        // What came before it is known first.
                        self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
                        reading.accepted += self.accept_events([*news]).await?;
                    }
                    _ => rejected(Reject::from(&*notice)),
                },
            }
            if chunk.len() == CHUNK {
                self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
            }
        }
        self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
        reading.summary = source.close().await??;
        Ok(reading)
    }

    /// Reads a delivery of a source, in as many parts (pages, files) as it has, and stages its rows. Once all have
    /// been read, the source's [`Gate`](crate::intake::Gate) decides: the rows are released as one, or the delivery is held as one, with
    /// its findings, and nobody is planned for by any of them. Whom a delivery does not name is left as they are.
    /// `rejected` is told of each row that was refused.
    ///
    /// Should the process die, a delivery that was not read to its end is to be delivered again; one that was
    /// released goes on where it was at the next [`run`](Self::run).
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal. A part that cannot be read is a finding, not an error.
    pub async fn deliver<R: BufRead + Send + 'static>(
        &self,
        source: &str,
        parts: impl IntoIterator<Item = (Box<dyn Intake>, R), IntoIter: Send> + Send,
        mut rejected: impl FnMut(Reject) + Send,
    ) -> Result<Delivered> {
        self.finish_releases().await?;
        let id = self.journal.open_delivery(source, self.clock.now()).await?;
        let mut totals = Delivery::default();
        for (intake, input) in parts {
            let mut part = Source::open(intake, input);
            let mut rows: Vec<Row> = Vec::with_capacity(CHUNK);
            while let Some(item) = part.items.recv().await {
                match item {
                    Item::Record(record) => rows.push(Row::Record {
                        person: Box::new(record.person),
                    }),
                    Item::Reject(reject) => {
                        if let Some(twin) = reject.of_twin() {
                            let person = PersonKey::new(twin.person.as_deref().unwrap_or_default());
                            rows.push(Row::Withdrawn { person });
                            rejected(twin);
                        }
                        rejected(reject);
                    }
                    Item::Notice(notice) => match self.news(&notice) {
                        Some(news) => rows.push(news),
                        None => rejected(Reject::from(&*notice)),
                    },
                }
                if rows.len() == CHUNK {
                    self.journal.stage(id, &rows).await?;
                    rows.clear();
                }
            }
            self.journal.stage(id, &rows).await?;
            match part.close().await? {
                Ok(summary) => totals.add(&summary),
                Err(error) => totals.fail(&error),
            }
        }
        let gate = self.gates.get(source).cloned().unwrap_or_default();
        let findings = gate.findings(self.last_good(source).await?.as_ref(), &totals);
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let remembered = serde_json::to_value(&totals)
            .map_err(|error| Error::new(ErrorKind::Other, "totals cannot be kept").with_source(error))?;
        self.journal.close_delivery(id, &remembered, &findings).await?;
        let mut delivered = Delivered {
            id,
            totals,
            findings,
            accepted: Accepted::default(),
        };
        if delivered.is_held() {
            self.alert_of_delivery(source, &delivered).await;
        } else {
            delivered.accepted = self.release_all(id).await?;
        }
        Ok(delivered)
    }

    async fn last_good(&self, source: &str) -> Result<Option<Delivery>> {
        let good = self.journal.last_good(source).await?;
        let read = good.map(serde_json::from_value).transpose();
        read.map_err(|error| {
            let message = format!("what is remembered of source {source:?} cannot be understood");
            Error::new(ErrorKind::Storage, message).with_source(error)
        })
    }

    /// The deliveries that are held, or were cut off, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn staged(&self) -> Result<Vec<Staged>> {
        self.journal.staged().await
    }

    /// Believes a held delivery all the same: its rows are accepted, and it is the last good one of its source from
    /// now on. `by` and `reason` are kept with it.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] without a name and a reason; [`ErrorKind::NotFound`]; [`ErrorKind::Conflict`] when it is
    /// not held, or a newer one of its source has been released; [`ErrorKind::Storage`].
    pub async fn release_delivery(&self, delivery: DeliveryId, by: &str, reason: &str) -> Result<Accepted> {
        signed(by, reason)?;
        self.journal.decide(delivery, true, by, reason).await?;
        self.release_all(delivery).await
    }

    /// Gives a held delivery up: nothing of it counts, and the last good one stays what it was. `by` and `reason` are
    /// kept with it.
    ///
    /// # Errors
    /// As [`release_delivery`](Self::release_delivery).
    pub async fn discard_delivery(&self, delivery: DeliveryId, by: &str, reason: &str) -> Result<()> {
        signed(by, reason)?;
        self.journal.decide(delivery, false, by, reason).await
    }

    /// Goes on with deliveries that were decided, and whose rows a dead process has not accepted to the end.
    pub(super) async fn finish_releases(&self) -> Result<()> {
        for staged in self.journal.staged().await? {
            if staged.state == DeliveryState::Releasing {
                self.release_all(staged.id).await?;
            }
        }
        Ok(())
    }

    async fn release_all(&self, delivery: DeliveryId) -> Result<Accepted> {
        let mut total = Accepted::default();
        loop {
            let now = self.clock.now();
            let some = self.journal.release_some(delivery, CHUNK, now).await?;
            total.events += some.events;
            total.unchanged += some.unchanged;
            total.quarantined += some.quarantined;
            if some.over {
                if let Some(known) = self.journal.delivery(delivery).await? {
                    self.record_came(known.opened_at, None).await?;
                }
                return Ok(total);
            }
        }
    }

    /// The event of which a notice tells, if it says enough.
    fn news(&self, notice: &Notice) -> Option<Row> {
        let news = Box::new(notice.as_news(self.clock.now())?);
        Some(Row::News { news })
    }
}

pub(super) fn signed(by: &str, reason: &str) -> Result<()> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        let message = "a decision needs a name and a reason";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}
