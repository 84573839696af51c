//! Reading a source into the journal, a chunk at a time: memory does not grow with the source.

use std::io::BufRead;
use std::ops::ControlFlow;

use super::{Accepted, CHUNK, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::intake::{Intake, Item, Reject, Summary};
use crate::person::Person;

/// What became of a source that was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// Rows, good ones and refused ones.
    pub summary: Summary,
    /// What the good ones said.
    pub accepted: Accepted,
}

impl Engine {
    /// Reads a source and accepts its records; `rejected` is told of each row that was refused.
    ///
    /// # Errors
    /// What makes the whole source unreadable ([`Intake::read`]), or [`ErrorKind::Storage`]. Records read
    /// before stand: they are accepted, and reading the mended source again is harmless.
    pub async fn accept_from<R: BufRead + Send + 'static>(
        &self,
        intake: Box<dyn Intake>,
        mut input: R,
        mut rejected: impl FnMut(Reject) + Send,
    ) -> Result<Reading> {
        let (sender, mut items) = tokio::sync::mpsc::channel::<Item>(CHUNK);
        let reader = tokio::task::spawn_blocking(move || {
            intake.read(&mut input, &mut |item| match sender.blocking_send(item) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()), // accepting failed: nobody listens any more
            })
        });
        let mut reading = Reading::default();
        let mut chunk: Vec<Person> = Vec::with_capacity(CHUNK);
        while let Some(item) = items.recv().await {
            match item {
                Item::Record(record) => chunk.push(record.person),
                Item::Reject(reject) => rejected(reject),
                Item::Notice(notice) => {
                    // What came before it is known first.
                    self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
                    let known = self
                        .journal
                        .accepted(std::slice::from_ref(&notice.person))
                        .await?;
                    let known = known.into_iter().flatten().next();
                    match known.and_then(|known| notice.applied_to(&known.record)) {
                        Some(person) => chunk.push(person),
                        None => rejected(Reject::from(&*notice)),
                    }
                }
            }
            if chunk.len() == CHUNK {
                self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
            }
        }
        self.accept_chunk(&mut chunk, &mut reading.accepted).await?;
        reading.summary = reader.await.map_err(|source| {
            Error::new(ErrorKind::Other, "the reader of the source has died").with_source(source)
        })??;
        Ok(reading)
    }
}
