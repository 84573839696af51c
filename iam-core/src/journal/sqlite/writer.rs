//! [`Writer`]: every write, each in one transaction of the one connection that writes.

use std::collections::HashMap;
use std::fs::File;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, Transaction};

use super::TENANT;
use super::audit;
use super::fault::{Attempt, Fault};
use super::lane::{self, Head};
use super::row::{self, nanos, optional, signed, text, value};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::journal::audit::{Deed, Note, ending_of, kind_of};
use crate::journal::{Appended, Claim, Lane, Outcome, PersonState, Reservation, StepStart};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// The connection that writes, and who holds which lane.
pub(super) struct Writer {
    pub(super) conn: SqliteConnection,
    options: SqliteConnectOptions,
    leases: HashMap<PersonKey, Lease>,
    broken: bool,
    /// Dropped last.
    _lock: File,
}

/// A claim that has not ended. It stays when its time is over, until somebody else claims the lane.
struct Lease {
    fence: u64,
    until: Instant,
    event: i64,
}

/// The event of a claim that is still held.
struct Held {
    seq: i64,
    due_at: i64,
    lane_seq: i64,
    leave: bool,
}

/// Takes SQLite's write lock at once: a transaction that reads first may not be able to write any more.
pub(super) async fn begin(conn: &mut SqliteConnection) -> Attempt<Transaction<'_, Sqlite>> {
    Ok(conn.begin_with("BEGIN IMMEDIATE").await?)
}

fn fenced(claim: &Claim) -> Fault {
    let message = format!("the claim on {} has passed on", claim.event.person);
    Fault::Refused(Error::new(ErrorKind::Fenced, message))
}

impl Writer {
    pub(super) fn new(conn: SqliteConnection, options: SqliteConnectOptions, lock: File) -> Self {
        Self {
            conn,
            options,
            leases: HashMap::new(),
            broken: false,
            _lock: lock,
        }
    }

    /// Replaces a connection that failed: SQLite may have rolled its transaction back on its own (disk full,
    /// I/O error), which the driver does not notice.
    pub(super) async fn repair(&mut self) -> Result<()> {
        if self.broken {
            let conn = self.options.connect().await;
            self.conn = conn.map_err(|error| Fault::Sql(error).during("reopen the journal"))?;
            self.broken = false;
        }
        Ok(())
    }

    #[cfg(feature = "testing")]
    pub(super) async fn fill_disk(&mut self) -> Attempt<()> {
        self.options = self.options.clone().pragma("max_page_count", "1");
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    /// Ends the connection, then the lock.
    pub(super) async fn close(self) -> sqlx::Result<()> {
        self.conn.close().await
    }

    /// Notes whether the connection may have failed, and turns the fault into the caller's error.
    pub(super) fn told<T>(&mut self, operation: &'static str, answer: Attempt<T>) -> Result<T> {
        self.broken = matches!(answer, Err(Fault::Sql(_)));
        answer.map_err(|fault| fault.during(operation))
    }

    /// The events of the lanes that are held at `moment`, as a JSON array.
    pub(super) fn busy(&self, moment: Instant) -> String {
        let held = self.leases.values().filter(|lease| lease.until > moment);
        array(held.map(|lease| lease.event))
    }

    pub(super) async fn append(&mut self, batch: &[Event]) -> Attempt<Vec<Appended>> {
        let mut tx = begin(&mut self.conn).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut accepted = Vec::new();
        for event in batch {
            let answer = lane::append(&mut tx, event).await?;
            if answer == Appended::New {
                accepted.push(event);
            }
            answers.push(answer);
        }
        note_accepted(&mut tx, &accepted).await?;
        tx.commit().await?;
        Ok(answers)
    }

    pub(super) async fn claim(&mut self, max: usize, now: Timestamp, lease: Duration) -> Attempt<Vec<Claim>> {
        let moment = Instant::now();
        let busy = self.busy(moment);
        let mut tx = begin(&mut self.conn).await?;
        let heads = lane::heads(&mut tx, &busy, nanos(now), max).await?;
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let seqs = array(heads.iter().map(|head| head.seq));
        let fences = lane::raise_fences(&mut tx, &seqs).await?;
        let mut steps = lane::steps(&mut tx, &seqs).await?;
        let mut claims = Vec::with_capacity(heads.len());
        let mut events = Vec::with_capacity(heads.len());
        for Head {
            seq,
            id,
            event,
            attempts,
            plan,
            state,
        } in heads
        {
            let event: Event = value("event", &id, &event)?;
            let state = optional("state", event.person.as_str(), state.as_ref())?;
            let fence = fences.get(event.person.as_str()).copied();
            events.push(seq);
            claims.push(Claim {
                state: state.unwrap_or_else(|| PersonState::new(event.person.clone())),
                plan: row::plan(&id, plan.as_ref())?,
                steps: steps.remove(&seq).unwrap_or_default(),
                attempts: row::count(attempts),
                fence: fence.ok_or(sqlx::Error::RowNotFound)?,
                event,
            });
        }
        tx.commit().await?;
        let until = moment + lease;
        for (claim, event) in claims.iter().zip(events) {
            let fence = claim.fence;
            self.leases
                .insert(claim.event.person.clone(), Lease { fence, until, event });
        }
        Ok(claims)
    }

    pub(super) fn heartbeat(&mut self, claim: &Claim, lease: Duration) -> Attempt<()> {
        let held = self.leases.get_mut(&claim.event.person);
        let held = held
            .filter(|lease| lease.fence == claim.fence)
            .ok_or_else(|| fenced(claim))?;
        held.until = Instant::now() + lease;
        Ok(())
    }

    /// Begins the transaction of a claim's holder, or refuses it. `leases` knows about this process, the
    /// fence in the file about everything that was ever committed.
    async fn held<'a>(
        conn: &'a mut SqliteConnection,
        leases: &HashMap<PersonKey, Lease>,
        claim: &Claim,
    ) -> Attempt<(Transaction<'a, Sqlite>, Held)> {
        let ours = leases.get(&claim.event.person);
        if ours.is_none_or(|lease| lease.fence != claim.fence) {
            return Err(fenced(claim));
        }
        let mut tx = begin(conn).await?;
        let row: Option<(i64, i64, i64, bool)> = sqlx::query_as(
            "SELECT e.seq, e.due_at, e.lane_seq, e.leave FROM event e JOIN lane l USING (tenant, person) \
             WHERE e.tenant = ?1 AND e.id = ?2 AND e.person = ?3 AND e.state = 0 AND l.fence = ?4",
        )
        .bind(TENANT)
        .bind(claim.event.id.as_str())
        .bind(claim.event.person.as_str())
        .bind(signed(claim.fence))
        .fetch_optional(&mut *tx)
        .await?;
        let (seq, due_at, lane_seq, leave) = row.ok_or_else(|| fenced(claim))?;
        let held = Held {
            seq,
            due_at,
            lane_seq,
            leave,
        };
        Ok((tx, held))
    }

    /// Ends the transaction of a claim's holder with the person's new state, and then the claim.
    async fn release(
        mut tx: Transaction<'_, Sqlite>,
        leases: &mut HashMap<PersonKey, Lease>,
        claim: &Claim,
        state: &PersonState,
        deed: Deed,
    ) -> Attempt<()> {
        let text = lane::set_state(&mut tx, claim.event.person.as_str(), state).await?;
        audit::add(&mut tx, note(claim, deed, text.as_bytes())).await?;
        tx.commit().await?;
        leases.remove(&claim.event.person);
        Ok(())
    }

    pub(super) async fn plan(&mut self, claim: &Claim, plan: &Plan) -> Attempt<()> {
        let steps = format!("{} steps", plan.steps.len());
        let plan = text("plan", claim.event.id.as_str(), plan)?;
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let update = sqlx::query("UPDATE event SET plan = ?2 WHERE seq = ?1 AND state = 0");
        let done = update.bind(held.seq).bind(&plan).execute(&mut *tx).await?;
        one(done.rows_affected(), claim)?;
        audit::add(&mut tx, note(claim, Deed::Planned, plan.as_bytes()).detail(steps)).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn intend(
        &mut self,
        claim: &Claim,
        step: &StepId,
        key: &IdempotencyKey,
    ) -> Attempt<StepStart> {
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let known: Option<Option<String>> =
            sqlx::query_scalar("SELECT outcome FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(held.seq)
                .bind(step.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let start = match known {
            None => {
                sqlx::query(
                    "INSERT INTO step (tenant, event, step, ordinal, key) \
                     SELECT ?1, ?2, ?3, count(*), ?4 FROM step WHERE tenant = ?1 AND event = ?2",
                )
                .bind(TENANT)
                .bind(held.seq)
                .bind(step.as_str())
                .bind(key.as_str())
                .execute(&mut *tx)
                .await?;
                StepStart::First
            }
            Some(outcome) => match optional("outcome", claim.event.id.as_str(), outcome.as_ref())? {
                None => StepStart::Unknown,
                // A step that failed may be tried again, and is unknown while it is; the others are over.
                Some(Outcome::Failed { .. }) => {
                    lane::set_outcome(&mut tx, held.seq, step, None).await?;
                    StepStart::First
                }
                Some(outcome) => StepStart::Settled { outcome },
            },
        };
        if start == StepStart::First {
            let intended = note(claim, Deed::Intended, key.as_str().as_bytes());
            audit::add(&mut tx, intended.detail(kind_of(step))).await?;
        }
        tx.commit().await?;
        Ok(start)
    }

    pub(super) async fn settle(
        &mut self,
        claim: &Claim,
        step: &StepId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Attempt<()> {
        let ending = format!("{} {}", kind_of(step), ending_of(outcome));
        let outcome = text("outcome", claim.event.id.as_str(), outcome)?;
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        if lane::set_outcome(&mut tx, held.seq, step, Some((outcome.clone(), at))).await? != 1 {
            let error = Error::new(ErrorKind::Invalid, "a step is settled that was never intended");
            return Err(Fault::Refused(error));
        }
        audit::add(
            &mut tx,
            note(claim, Deed::Settled, outcome.as_bytes()).detail(ending),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn reserve(&mut self, name: &str, person: &PersonKey) -> Attempt<Reservation> {
        let name = name.to_lowercase();
        let mut tx = begin(&mut self.conn).await?;
        sqlx::query("INSERT INTO name (tenant, name, person) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .bind(TENANT)
            .bind(&name)
            .bind(person.as_str())
            .execute(&mut *tx)
            .await?;
        let holder: String = sqlx::query_scalar("SELECT person FROM name WHERE tenant = ?1 AND name = ?2")
            .bind(TENANT)
            .bind(&name)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(if holder == person.as_str() {
            Reservation::Ours
        } else {
            Reservation::Taken {
                by: PersonKey::new(holder),
            }
        })
    }

    pub(super) async fn complete(
        &mut self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
    ) -> Attempt<()> {
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let update = sqlx::query("UPDATE event SET state = 1, why = NULL WHERE seq = ?1 AND state = 0");
        let done = update.bind(held.seq).execute(&mut *tx).await?;
        one(done.rows_affected(), claim)?;
        let person = claim.event.person.as_str();
        if held.leave {
            lane::end_by_leave(&mut tx, person, held.due_at, held.lane_seq).await?;
        }
        lane::replace_timers(&mut tx, person, timers).await?;
        Self::release(tx, &mut self.leases, claim, state, Deed::Completed).await
    }

    pub(super) async fn retry_later(
        &mut self,
        claim: &Claim,
        state: &PersonState,
        at: Timestamp,
        why: &str,
    ) -> Attempt<()> {
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let done = sqlx::query("UPDATE event SET not_before = ?2, why = ?3 WHERE seq = ?1 AND state = 0")
            .bind(held.seq)
            .bind(nanos(at))
            .bind(why)
            .execute(&mut *tx)
            .await?;
        one(done.rows_affected(), claim)?;
        Self::release(tx, &mut self.leases, claim, state, Deed::Postponed).await
    }

    pub(super) async fn dead_letter(
        &mut self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Attempt<()> {
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let done =
            sqlx::query("UPDATE event SET state = 2, why = ?2, parked = ?3 WHERE seq = ?1 AND state = 0")
                .bind(held.seq)
                .bind(why)
                .bind(set == Lane::Park)
                .execute(&mut *tx)
                .await?;
        one(done.rows_affected(), claim)?;
        let person = claim.event.person.as_str();
        lane::replace_timers(&mut tx, person, timers).await?;
        Self::release(tx, &mut self.leases, claim, state, Deed::SetAside).await
    }

    pub(super) async fn erase(&mut self, person: &PersonKey, by: &str, reason: &str) -> Attempt<()> {
        let busy = self.leases.get(person);
        if busy.is_some_and(|lease| lease.until > Instant::now()) {
            let message = format!("{person} cannot be erased: an event of theirs is being worked on");
            return Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)));
        }
        let mut tx = begin(&mut self.conn).await?;
        audit::erase(&mut tx, person, by, reason).await?;
        tx.commit().await?;
        self.leases.remove(person);
        // What was overwritten still stands in the write-ahead log.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    pub(super) async fn requeue(&mut self, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        let person: Option<String> = sqlx::query_scalar(
            "UPDATE event SET state = 0, parked = 0, not_before = due_at, why = ?3 \
             WHERE tenant = ?1 AND id = ?2 AND state IN (0, 2) RETURNING person",
        )
        .bind(TENANT)
        .bind(event.as_str())
        .bind(format!("requeued by {by}: {reason}"))
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(person) = person {
            let person = PersonKey::new(person);
            let requeued = Note::decided(Deed::Requeued, Some(event), &person, by, reason);
            audit::add(&mut tx, requeued).await?;
            return Ok(tx.commit().await?);
        }
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM event WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(event.as_str())
            .fetch_one(&mut *tx)
            .await?;
        Err(Fault::Refused(if known == 0 {
            Error::new(ErrorKind::NotFound, format!("the journal has no event {event}"))
        } else {
            let message = format!("event {event} is over: it cannot be requeued");
            Error::new(ErrorKind::Conflict, message)
        }))
    }
}

/// Notes what was accepted.
pub(super) async fn note_accepted(conn: &mut SqliteConnection, events: &[&Event]) -> Attempt<()> {
    let texts = events.iter().map(|event| text("event", event.id.as_str(), event));
    let texts: Vec<String> = texts.collect::<Attempt<_>>()?;
    let notes = events.iter().zip(&texts).map(|(event, text)| {
        let note = Note::new(Deed::Accepted, &event.id, &event.person, text.as_bytes());
        note.detail(event.kind.as_str())
    });
    audit::add_all(conn, notes.collect()).await
}

/// What is noted of a claimed event.
fn note<'a>(claim: &'a Claim, deed: Deed, payload: &'a [u8]) -> Note<'a> {
    Note::new(deed, &claim.event.id, &claim.event.person, payload)
}

/// A write that found its row in another state than its transaction saw wrote nothing: give up.
fn one(rows: u64, claim: &Claim) -> Attempt<()> {
    if rows == 1 { Ok(()) } else { Err(fenced(claim)) }
}

/// Whole numbers as a JSON array, for `json_each`.
pub(super) fn array(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(","))
}
