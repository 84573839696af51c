//! [`Writer`]: every write, each in one transaction of the one connection that writes, most in one that they [share](super::group).

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, Transaction};

use super::TENANT;
use super::archive::{self, Archive};
use super::audit::{self, Salts};
use super::fault::{Attempt, Fault};
use super::group::{Group, Point};
use super::lane::{self, Head};
use super::row::{self, nanos, optional, signed, text, value};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::journal::audit::{Deed, Note, ending_of, kind_of};
use crate::journal::{Appended, Claim, Lane, Outcome, PersonState, Reservation, StepStart, not_known, over};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, Plan, StepId};

/// The connection that writes, and who holds which lane.
pub(super) struct Writer {
    pub(super) conn: SqliteConnection,
    options: SqliteConnectOptions,
    pub(super) archive: Arc<Archive>,
    /// The archive, once something was moved there.
    pub(super) shelf: Option<SqliteConnection>,
    pub(super) leases: Leases,
    /// Events that this version cannot read: their lanes are left alone.
    unreadable: BTreeSet<i64>,
    pub(super) salts: Salts,
    /// The transaction that is open.
    pub(super) group: Option<Group>,
    /// What is being done to it, as long as it is.
    pub(super) at: Option<Point>,
    pub(super) broken: bool,
    /// Dropped last.
    _lock: File,
}

/// Who holds which lane.
pub(super) type Leases = HashMap<PersonKey, Lease>;

/// A claim that has not ended. It stays when its time is over, until somebody else claims the lane.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    pub(super) fence: u64,
    pub(super) until: Instant,
    pub(super) event: i64,
    /// Since when, by the claimer's clock.
    pub(super) since: Timestamp,
}

/// The event of a claim that is still held.
pub(super) struct Held {
    pub(super) seq: i64,
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
    pub(super) fn new(
        conn: SqliteConnection,
        options: SqliteConnectOptions,
        archive: Arc<Archive>,
        lock: File,
    ) -> Self {
        Self {
            conn,
            options,
            archive,
            shelf: None,
            leases: HashMap::new(),
            unreadable: BTreeSet::new(),
            salts: Salts::default(),
            group: None,
            at: None,
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
        self.tidy().await
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
    pub(super) async fn close(mut self) -> sqlx::Result<()> {
        if let Some(shelf) = self.shelf.take() {
            shelf.close().await?;
        }
        self.conn.close().await
    }

    /// Notes whether the connection may have failed, and turns the fault into the caller's error.
    pub(super) fn told<T>(&mut self, operation: &'static str, answer: Attempt<T>) -> Result<T> {
        self.broken = matches!(answer, Err(Fault::Sql(_)));
        answer.map_err(|fault| fault.during(operation))
    }

    /// The events of the lanes that are held at `moment`, as a JSON array.
    pub(super) fn held_at(&self, moment: Instant) -> String {
        array(self.holding(moment))
    }

    /// The same, with those of the lanes that are left alone.
    pub(super) fn busy(&self, moment: Instant) -> String {
        array(self.holding(moment).chain(self.unreadable.iter().copied()))
    }

    fn holding(&self, moment: Instant) -> impl Iterator<Item = i64> {
        let held = self.leases.values().filter(move |lease| lease.until > moment);
        held.map(|lease| lease.event)
    }

    pub(super) async fn append(&mut self, batch: &[Event]) -> Attempt<Vec<Appended>> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut new = Vec::new();
        for event in batch {
            let answer = lane::append(&mut self.conn, event).await?;
            if answer == Appended::New {
                new.push((event, text("event", event.id.as_str(), event)?));
            }
            answers.push(answer);
        }
        let notes = new.iter().map(|(event, text)| accepted(event, text));
        self.note_all(notes.collect()).await?;
        Ok(answers)
    }

    pub(super) async fn claim(&mut self, max: usize, now: Timestamp, lease: Duration) -> Attempt<Vec<Claim>> {
        let moment = Instant::now();
        let heads = loop {
            let busy = self.busy(moment);
            let heads = lane::heads(&mut self.conn, &busy, nanos(now), max).await?;
            let mut unreadable = heads
                .iter()
                .filter_map(|head| Some((head.seq, unreadable(head)?)));
            let Some((seq, error)) = unreadable.next() else {
                break heads;
            };
            // One that a newer version wrote, or that is damaged, keeps nobody else waiting.
            tracing::error!(event = seq, "a lane is left alone: {error}");
            self.unreadable.insert(seq);
        };
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let seqs = array(heads.iter().map(|head| head.seq));
        let fences = lane::raise_fences(&mut self.conn, &seqs).await?;
        let mut steps = lane::steps(&mut self.conn, &seqs).await?;
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
        let until = moment + lease;
        for (claim, event) in claims.iter().zip(events) {
            let lease = Lease {
                fence: claim.fence,
                until,
                event,
                since: now,
            };
            self.lend(&claim.event.person, Some(lease));
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

    /// The event of a claim's holder, who is refused when it is held no more. `leases` knows about this process, the
    /// fence in the file about everything that was ever committed.
    pub(super) async fn held(&mut self, claim: &Claim) -> Attempt<Held> {
        let ours = self.leases.get(&claim.event.person);
        if ours.is_none_or(|lease| lease.fence != claim.fence) {
            return Err(fenced(claim));
        }
        let row: Option<(i64, i64, i64, bool)> = sqlx::query_as(
            "SELECT e.seq, e.due_at, e.lane_seq, e.leave FROM event e JOIN lane l USING (tenant, person) \
             WHERE e.tenant = ?1 AND e.id = ?2 AND e.person = ?3 AND e.state = 0 AND l.fence = ?4",
        )
        .bind(TENANT)
        .bind(claim.event.id.as_str())
        .bind(claim.event.person.as_str())
        .bind(signed(claim.fence))
        .fetch_optional(&mut self.conn)
        .await?;
        let (seq, due_at, lane_seq, leave) = row.ok_or_else(|| fenced(claim))?;
        Ok(Held {
            seq,
            due_at,
            lane_seq,
            leave,
        })
    }

    /// Writes the person's new state, and ends the claim.
    async fn release(&mut self, claim: &Claim, state: &PersonState, deed: Deed) -> Attempt<()> {
        let text = lane::set_state(&mut self.conn, claim.event.person.as_str(), state).await?;
        self.note(note(claim, deed, text.as_bytes())).await?;
        self.lend(&claim.event.person, None);
        Ok(())
    }

    pub(super) async fn plan(&mut self, claim: &Claim, plan: &Plan) -> Attempt<()> {
        let steps = format!("{} steps", plan.steps.len());
        let plan = text("plan", claim.event.id.as_str(), plan)?;
        let held = self.held(claim).await?;
        let update = sqlx::query("UPDATE event SET plan = ?2 WHERE seq = ?1 AND state = 0");
        let done = update.bind(held.seq).bind(&plan).execute(&mut self.conn).await?;
        one(done.rows_affected(), claim)?;
        self.note(note(claim, Deed::Planned, plan.as_bytes()).detail(steps))
            .await
    }

    pub(super) async fn intend(
        &mut self,
        claim: &Claim,
        step: &StepId,
        key: &IdempotencyKey,
    ) -> Attempt<StepStart> {
        let held = self.held(claim).await?;
        let known: Option<Option<String>> =
            sqlx::query_scalar("SELECT outcome FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(held.seq)
                .bind(step.as_str())
                .fetch_optional(&mut self.conn)
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
                .execute(&mut self.conn)
                .await?;
                StepStart::First
            }
            Some(outcome) => {
                let outcome = optional("outcome", claim.event.id.as_str(), outcome.as_ref())?;
                let start = StepStart::of(outcome);
                if start == StepStart::First {
                    // Unknown while it is tried again.
                    lane::set_outcome(&mut self.conn, held.seq, step, None).await?;
                }
                start
            }
        };
        if start == StepStart::First {
            let intended = note(claim, Deed::Intended, key.as_str().as_bytes());
            self.note(intended.detail(kind_of(step))).await?;
        }
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
        let held = self.held(claim).await?;
        if lane::set_outcome(&mut self.conn, held.seq, step, Some((outcome.clone(), at))).await? != 1 {
            let error = Error::new(ErrorKind::Invalid, "a step is settled that was never intended");
            return Err(Fault::Refused(error));
        }
        self.note(note(claim, Deed::Settled, outcome.as_bytes()).detail(ending))
            .await
    }

    pub(super) async fn reserve(&mut self, name: &str, person: &PersonKey) -> Attempt<Reservation> {
        let name = name.to_lowercase();
        sqlx::query("INSERT INTO name (tenant, name, person) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .bind(TENANT)
            .bind(&name)
            .bind(person.as_str())
            .execute(&mut self.conn)
            .await?;
        let holder: String = sqlx::query_scalar("SELECT person FROM name WHERE tenant = ?1 AND name = ?2")
            .bind(TENANT)
            .bind(&name)
            .fetch_one(&mut self.conn)
            .await?;
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
        let held = self.held(claim).await?;
        let update = sqlx::query("UPDATE event SET state = 1, why = NULL WHERE seq = ?1 AND state = 0");
        let done = update.bind(held.seq).execute(&mut self.conn).await?;
        one(done.rows_affected(), claim)?;
        let person = claim.event.person.as_str();
        if held.leave {
            lane::end_by_leave(&mut self.conn, person, held.due_at, held.lane_seq).await?;
        }
        lane::replace_timers(&mut self.conn, person, timers).await?;
        self.end_asking(held.seq).await?;
        self.release(claim, state, Deed::Completed).await
    }

    pub(super) async fn retry_later(
        &mut self,
        claim: &Claim,
        state: &PersonState,
        at: Timestamp,
        why: &str,
    ) -> Attempt<()> {
        let held = self.held(claim).await?;
        let done = sqlx::query("UPDATE event SET not_before = ?2, why = ?3 WHERE seq = ?1 AND state = 0")
            .bind(held.seq)
            .bind(nanos(at))
            .bind(why)
            .execute(&mut self.conn)
            .await?;
        one(done.rows_affected(), claim)?;
        self.release(claim, state, Deed::Postponed).await
    }

    pub(super) async fn dead_letter(
        &mut self,
        claim: &Claim,
        state: &PersonState,
        timers: &[Event],
        why: &str,
        set: Lane,
    ) -> Attempt<()> {
        let held = self.held(claim).await?;
        let done = sqlx::query(
            "UPDATE event SET state = 2, why = ?2, parked = ?3, set_aside_at = ?4 WHERE seq = ?1 AND state = 0",
        )
        .bind(held.seq)
        .bind(why)
        .bind(set == Lane::Park)
        .bind(nanos(SystemClock.now()))
        .execute(&mut self.conn)
        .await?;
        one(done.rows_affected(), claim)?;
        let person = claim.event.person.as_str();
        lane::replace_timers(&mut self.conn, person, timers).await?;
        self.end_asking(held.seq).await?;
        self.release(claim, state, Deed::SetAside).await
    }

    pub(super) async fn adopt(&mut self, nobody: &PersonKey, by: &str, reason: &str) -> Attempt<()> {
        sqlx::query("UPDATE meta SET epoch = ?2 WHERE tenant = ?1")
            .bind(TENANT)
            .bind(uuid::Uuid::new_v4().to_string())
            .execute(&mut self.conn)
            .await?;
        self.note(Note::decided(Deed::Adopted, None, nobody, by, reason))
            .await
    }

    pub(super) async fn requeue(&mut self, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
        let person: Option<String> = sqlx::query_scalar(
            "UPDATE event SET state = 0, parked = 0, not_before = due_at, why = ?3 \
             WHERE tenant = ?1 AND id = ?2 AND state IN (0, 2) RETURNING person",
        )
        .bind(TENANT)
        .bind(event.as_str())
        .bind(format!("requeued by {by}: {reason}"))
        .fetch_optional(&mut self.conn)
        .await?;
        if let Some(person) = person {
            let person = PersonKey::new(person);
            let requeued = Note::decided(Deed::Requeued, Some(event), &person, by, reason);
            return self.note(requeued).await;
        }
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM event WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(event.as_str())
            .fetch_one(&mut self.conn)
            .await?;
        if archive::has(&mut self.conn, event).await? {
            return Err(archive::over(event));
        }
        Err(Fault::Refused(if known == 0 {
            not_known(event)
        } else {
            over(event)
        }))
    }
}

/// Why a head cannot be understood.
fn unreadable(head: &Head) -> Option<Error> {
    let read = || -> Attempt<()> {
        let event: Event = value("event", &head.id, &head.event)?;
        optional::<PersonState>("state", event.person.as_str(), head.state.as_ref())?;
        row::plan(&head.id, head.plan.as_ref())?;
        Ok(())
    };
    read().err().map(|fault| fault.during("claim lanes"))
}

/// Notes what was accepted.
pub(super) async fn note_accepted(conn: &mut SqliteConnection, events: &[&Event]) -> Attempt<()> {
    let texts = events.iter().map(|event| text("event", event.id.as_str(), event));
    let texts: Vec<String> = texts.collect::<Attempt<_>>()?;
    let notes = events
        .iter()
        .zip(&texts)
        .map(|(event, text)| accepted(event, text));
    audit::add_all(conn, notes.collect()).await
}

/// What is noted of an accepted event.
fn accepted<'a>(event: &'a Event, text: &'a str) -> Note<'a> {
    let note = Note::new(Deed::Accepted, &event.id, &event.person, text.as_bytes());
    note.detail(event.kind.as_str())
}

/// What is noted of a claimed event.
pub(super) fn note<'a>(claim: &'a Claim, deed: Deed, payload: &'a [u8]) -> Note<'a> {
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
