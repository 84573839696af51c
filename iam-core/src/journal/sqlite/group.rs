//! [`Group`]: writes that meet at the file share one transaction, and so one wait for the disk.
//!
//! Whoever writes joins the open transaction or opens one, does its work, and waits for the end: the first of its
//! members whose turn comes again commits for all, behind everybody who stood in line already. Each write has a
//! savepoint of its own, so that what is refused, or given up half-way, takes nothing else along. A failure of the file
//! takes all of them, and nobody is told that something stands which does not.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{OwnedMutexGuard, watch};

use super::audit;
use super::fault::{Attempt, Fault, closed, storage};
use super::writer::{Lease, Leases, Writer};
use crate::error::{Error, Result};
use crate::journal::audit::{Checkpoint, Note};
use crate::journal::convoy::repeated;
use crate::person::PersonKey;

/// The most writes in one transaction.
const MOST: usize = 64;

/// An open transaction, and who waits for it.
pub(super) struct Group {
    ended: watch::Sender<Option<Ending>>,
    /// The end of the audit; written once, at the commit.
    head: Checkpoint,
    begun: u64,
    writes: usize,
    /// What was known of lanes before, to be restored when nothing of this stands.
    before: Vec<(PersonKey, Option<Lease>)>,
    /// Where the write began that is at work, or was given up.
    mark: Option<Mark>,
}

#[derive(Clone)]
struct Mark {
    head: Checkpoint,
    before: usize,
}

/// What must not be forgotten when whoever does it is given up.
#[derive(Clone, Copy)]
pub(super) enum Point {
    /// A transaction may have begun.
    Beginning,
    /// It may have been committed.
    Committing,
}

/// A lock on the writer that can be handed to a task.
pub(super) type Turn = OwnedMutexGuard<Option<Writer>>;

/// Commits what is open, in a task of its own: whoever asked may be given up meanwhile, and the others are told all
/// the same.
pub(super) async fn end(mut turn: Turn) -> Result<Turn> {
    let task = tokio::spawn(async move {
        if let Some(writer) = turn.as_mut() {
            // What was given up half-way is no part of it.
            writer.repair().await?;
            writer.commit().await;
        }
        Ok(turn)
    });
    task.await.unwrap_or_else(|_| Err(closed()))
}

/// How a transaction ended, for each of its writes.
type Ending = std::result::Result<(), Arc<Error>>;

/// A write that has been done and waits for its transaction.
pub(super) struct Ticket(watch::Receiver<Option<Ending>>);

impl Ticket {
    /// How the transaction ended, once it has.
    pub(super) fn ending(&self) -> Option<Result<()>> {
        self.0.borrow().as_ref().map(told)
    }

    /// Waits for the end.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let ending = self.0.wait_for(Option::is_some).await;
        ending
            .ok()
            .and_then(|ending| ending.as_ref().map(told))
            .unwrap_or_else(|| Err(closed()))
    }
}

fn told(ending: &Ending) -> Result<()> {
    ending.clone().map_err(|error| again(&error))
}

/// The error of one, for another who shared the transaction.
fn again(error: &Arc<Error>) -> Error {
    repeated(error).with_operation("commit what was written together")
}

async fn run(conn: &mut SqliteConnection, statement: &'static str) -> Attempt<()> {
    sqlx::query(statement).execute(conn).await?;
    Ok(())
}

impl Writer {
    /// Begins a write: a transaction, or a place of its own in the open one.
    pub(super) async fn enter(&mut self, operation: &'static str) -> Result<()> {
        let entered = self.begin_write().await;
        match entered {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.collapse(fault, operation)),
        }
    }

    async fn begin_write(&mut self) -> Attempt<()> {
        let conn = &mut self.conn;
        let group = match &mut self.group {
            Some(group) => {
                // The newest of this name counts: one that was placed and not used does no harm.
                run(conn, "SAVEPOINT work").await?;
                group
            }
            none => {
                self.at = Some(Point::Beginning);
                run(conn, "BEGIN IMMEDIATE").await?;
                let head = audit::head(conn).await?;
                self.at = None;
                none.insert(Group {
                    ended: watch::Sender::new(None),
                    begun: head.sequence,
                    head,
                    writes: 0,
                    before: Vec::new(),
                    mark: None,
                })
            }
        };
        group.writes += 1;
        group.mark = Some(Mark {
            head: group.head.clone(),
            before: group.before.len(),
        });
        Ok(())
    }

    /// Ends a write that [`enter`](Self::enter) has begun. What was refused is taken back.
    pub(super) async fn leave<T>(
        &mut self,
        operation: &'static str,
        answer: Attempt<T>,
    ) -> Result<(T, Ticket)> {
        match (answer, &mut self.group) {
            (Ok(answer), Some(group)) => {
                group.mark = None;
                Ok((answer, Ticket(group.ended.subscribe())))
            }
            (Err(Fault::Refused(error)), Some(_)) => match self.take_back().await {
                Ok(()) => Err(error),
                Err(fault) => Err(self.collapse(fault, operation)),
            },
            (Err(fault), _) => Err(self.collapse(fault, operation)),
            (Ok(_), None) => Err(closed()),
        }
    }

    /// Takes the write back that is marked: it was refused, or nobody waits for it any more. May be given up and
    /// repeated itself.
    async fn take_back(&mut self) -> Attempt<()> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        let Some(mark) = group.mark.clone() else {
            return Ok(());
        };
        let shared = group.writes > 1;
        if shared {
            run(&mut self.conn, "ROLLBACK TO work").await?;
        } else {
            self.roll_back().await;
        }
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        for (person, lease) in group.before.drain(mark.before..).rev() {
            restore(&mut self.leases, person, lease);
        }
        group.head = mark.head.clone();
        group.mark = None;
        self.salts.clear();
        if !shared {
            self.group = None;
        }
        Ok(())
    }

    /// Where there is nothing to roll back it fails, and there is nothing to do. Where it fails otherwise, the next
    /// transaction cannot begin, and the file is opened anew.
    async fn roll_back(&mut self) {
        if let Err(error) = run(&mut self.conn, "ROLLBACK").await {
            tracing::debug!("nothing was rolled back: {error:?}");
        }
    }

    /// Clears up after whoever was given up half-way.
    pub(super) async fn tidy(&mut self) -> Result<()> {
        let tidied = match self.at {
            None => self.take_back().await,
            Some(Point::Beginning) => {
                self.roll_back().await;
                self.at = None;
                Ok(())
            }
            Some(Point::Committing) => {
                self.at = None;
                let message = "the program was stopped while it wrote: what it wrote last may stand or not";
                Err(Fault::Refused(storage(message)))
            }
        };
        match tidied {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.collapse(fault, "take a write back")),
        }
    }

    /// Whether the open transaction takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.writes >= MOST)
    }

    /// Commits what is open. Its writes are told. Not to be given up half-way: see [`end`].
    async fn commit(&mut self) {
        let Some(group) = &self.group else { return };
        let end = (group.head.sequence != group.begun).then(|| group.head.clone());
        self.at = Some(Point::Committing);
        let done = async {
            if let Some(end) = end {
                audit::set_head(&mut self.conn, &end).await?;
            }
            run(&mut self.conn, "COMMIT").await
        };
        let done = done.await;
        self.at = None;
        match done {
            Ok(()) => {
                if let Some(group) = self.group.take() {
                    group.ended.send_replace(Some(Ok(())));
                }
            }
            Err(fault) => drop(self.collapse(fault, "commit")),
        }
    }

    /// The file has failed: nothing of the open transaction stands, and its writes are told.
    fn collapse(&mut self, fault: Fault, operation: &'static str) -> Error {
        self.broken = true;
        self.salts.clear();
        let error = Arc::new(fault.during(operation));
        if let Some(group) = self.group.take() {
            for (person, lease) in group.before.into_iter().rev() {
                restore(&mut self.leases, person, lease);
            }
            group.ended.send_replace(Some(Err(error.clone())));
        }
        Arc::try_unwrap(error).unwrap_or_else(|error| again(&error))
    }

    /// Notes who holds a lane from now on, if anybody.
    pub(super) fn lend(&mut self, person: &PersonKey, lease: Option<Lease>) {
        let before = match lease {
            Some(lease) => self.leases.insert(person.clone(), lease),
            None => self.leases.remove(person),
        };
        if let Some(group) = &mut self.group {
            group.before.push((person.clone(), before));
        }
    }

    /// Adds an entry to the audit.
    pub(super) async fn note(&mut self, note: Note<'_>) -> Attempt<()> {
        self.note_all(vec![note]).await
    }

    /// Adds entries to the audit, in order.
    pub(super) async fn note_all(&mut self, notes: Vec<Note<'_>>) -> Attempt<()> {
        let Some(group) = &mut self.group else {
            return audit::add_all(&mut self.conn, notes).await;
        };
        group.head = audit::chain(&mut self.conn, &group.head, notes, &mut self.salts).await?;
        Ok(())
    }
}

fn restore(leases: &mut Leases, person: PersonKey, lease: Option<Lease>) {
    match lease {
        Some(lease) => drop(leases.insert(person, lease)),
        None => drop(leases.remove(&person)),
    }
}
