//! What was asked of the guard, what people decided about single events, and why somebody waits.

use std::time::Instant;

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::audit;
use super::fault::{Attempt, Fault};
use super::lane;
use super::row::{self, TENANT, instant, nanos, signed, text, unsigned, value};
use super::writer::{Writer, begin, note};
use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::journal::audit::{ASKED, Deed, Note, said_of, standing_of};
use crate::journal::{
    Answer, Ask, Asks, Claim, EventState, Outcome, Stalled, Standing, Waiting, no_step, not_known, settled,
};
use crate::person::PersonKey;
use crate::plan::{Plan, StepId};

#[derive(FromRow)]
struct AskRow {
    id: String,
    person: String,
    version: i64,
    leave: bool,
    urgent: bool,
    organisation: Option<String>,
    plan: String,
    asked_at: i64,
    standing: String,
    answered_at: Option<i64>,
}

macro_rules! asks {
    ($more:literal) => {
        concat!(
            "SELECT e.id, a.person, a.version, a.leave, a.urgent, a.organisation, a.plan, a.asked_at, a.standing, \
             a.answered_at FROM ask a JOIN event e ON e.seq = a.event \
             WHERE a.tenant = ?1 AND e.state = 0 ",
            $more
        )
    };
}

impl AskRow {
    fn read(self) -> Attempt<Ask> {
        let event = EventId::new(self.id);
        Ok(Ask {
            plan: Plan::read(&self.plan)
                .map_err(|error| Fault::unreadable("plan", event.as_str(), &error))?,
            standing: value("standing", event.as_str(), &self.standing)?,
            event,
            person: PersonKey::new(self.person),
            leave: self.leave,
            urgent: self.urgent,
            organisation: self.organisation,
            asked_at: instant(self.asked_at),
            version: unsigned(self.version),
            answered_at: self.answered_at.map(instant),
        })
    }
}

/// What was asked about an event that is pending.
pub(super) async fn asked(conn: &mut SqliteConnection, event: &EventId) -> Attempt<Option<Ask>> {
    let row: Option<AskRow> = sqlx::query_as(asks!("AND e.tenant = ?1 AND e.id = ?2"))
        .bind(TENANT)
        .bind(event.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(AskRow::read).transpose()
}

/// Everything that was asked, and how much more could be.
pub(super) async fn asks(conn: &mut SqliteConnection, now: Timestamp) -> Attempt<Asks> {
    // One transaction: both are of one moment.
    let mut tx = sqlx::Connection::begin(conn).await?;
    let rows: Vec<AskRow> = sqlx::query_as(asks!("ORDER BY a.ordinal"))
        .bind(TENANT)
        .fetch_all(&mut *tx)
        .await?;
    let asks: Vec<Ask> = rows.into_iter().map(AskRow::read).collect::<Attempt<_>>()?;
    let (leaves, others): (i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(e.leave), 0), coalesce(sum(1 - e.leave), 0) FROM event e \
         WHERE e.tenant = ?1 AND e.state = 0 AND e.due_at <= ?2 AND e.not_before <= ?2 AND e.plan IS NULL \
           AND NOT EXISTS (SELECT 1 FROM ask a JOIN event o ON o.seq = a.event \
                           WHERE a.tenant = e.tenant AND a.person = e.person AND o.state = 0)",
    )
    .bind(TENANT)
    .bind(nanos(now))
    .fetch_one(&mut *tx)
    .await?;
    Ok(Asks::new(asks, unsigned(leaves), unsigned(others)))
}

#[derive(FromRow)]
struct WaitingRow {
    id: String,
    due_at: i64,
    not_before: i64,
    attempts: u32,
    why: Option<String>,
    parked: bool,
    set_aside_at: Option<i64>,
    standing: Option<String>,
    asked_at: Option<i64>,
}

/// The head of a lane, or what parks it: a leave that is due comes first, then what is parked, then the first event.
const WAITING: &str = "
    SELECT e.id, e.due_at, e.not_before, e.attempts, e.why, e.parked, e.set_aside_at, a.standing, a.asked_at
    FROM (SELECT *, state = 0 AND leave = 1 AND due_at <= ?3 AS first FROM event
          WHERE tenant = ?1 AND person = ?2 AND state = 0
          UNION ALL SELECT *, 0 FROM event WHERE tenant = ?1 AND person = ?2 AND parked = 1) e
    LEFT JOIN ask a ON a.tenant = e.tenant AND a.event = e.seq
    ORDER BY first DESC, e.parked DESC, iif(first, -e.urgent, 0), iif(first, -e.due_at, e.due_at),
             iif(first, -e.lane_seq, e.lane_seq) LIMIT 1";

/// What a lane waits for that nobody holds.
pub(super) async fn waiting(
    conn: &mut SqliteConnection,
    person: &PersonKey,
    now: Timestamp,
) -> Attempt<Waiting> {
    let row: Option<WaitingRow> = sqlx::query_as(WAITING)
        .bind(TENANT)
        .bind(person.as_str())
        .bind(nanos(now))
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(Waiting::Nothing);
    };
    let standing = row::optional::<Standing>("standing", &row.id, row.standing.as_ref())?;
    let event = EventId::new(row.id);
    let why = row.why.unwrap_or_default();
    if row.parked {
        let since = row.set_aside_at.map(instant);
        return Ok(Waiting::Parked { event, since, why });
    }
    if row.due_at > nanos(now) {
        let at = instant(row.due_at);
        return Ok(Waiting::Until { event, at });
    }
    if let (Some(Standing::Asked), Some(since)) = (standing, row.asked_at) {
        let since = instant(since);
        return Ok(Waiting::Asked { event, since });
    }
    if row.not_before > nanos(now) {
        return Ok(Waiting::Retrying {
            event,
            at: instant(row.not_before),
            attempts: row.attempts,
            why,
        });
    }
    let since = instant(row.not_before.max(row.due_at));
    Ok(Waiting::Ready { event, since })
}

/// The first head that could be claimed, if it could be at `now`.
pub(super) async fn stalled(
    conn: &mut SqliteConnection,
    busy: &str,
    now: Timestamp,
) -> Attempt<Option<Stalled>> {
    let head: Option<(i64, String, String)> = sqlx::query_as(lane::NEXT_DUE)
        .bind(TENANT)
        .bind(busy)
        .fetch_optional(conn)
        .await?;
    let stalled = head
        .map(|(since, person, id)| Stalled::new(PersonKey::new(person), EventId::new(id), instant(since)));
    Ok(stalled.filter(|stalled| stalled.since <= now))
}

/// An event that somebody decides about.
#[derive(FromRow)]
struct Decided {
    seq: i64,
    person: String,
    state: i64,
    parked: bool,
    plan: Option<String>,
}

async fn decided(conn: &mut SqliteConnection, event: &EventId) -> Attempt<Decided> {
    let row =
        sqlx::query_as("SELECT seq, person, state, parked, plan FROM event WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(event.as_str())
            .fetch_optional(conn)
            .await?;
    row.ok_or_else(|| Fault::Refused(not_known(event)))
}

impl Writer {
    async fn untouched(&mut self, claim: &Claim, at: Timestamp, why: &str, ask: Option<&Ask>) -> Attempt<()> {
        let plan = ask
            .map(|ask| text("plan", ask.event.as_str(), &ask.plan))
            .transpose()?;
        let (mut tx, held) = Self::held(&mut self.conn, &self.leases, claim).await?;
        let given = sqlx::query(
            "UPDATE event SET not_before = ?2, why = ?3, attempts = max(attempts - 1, 0) \
             WHERE seq = ?1 AND state = 0",
        );
        given
            .bind(held.seq)
            .bind(nanos(at))
            .bind(why)
            .execute(&mut *tx)
            .await?;
        let noted = match (ask, &plan) {
            (Some(ask), Some(plan)) => {
                sqlx::query(
                    "INSERT INTO ask (tenant, event, person, ordinal, version, leave, urgent, organisation, plan, \
                       asked_at, standing) \
                     SELECT ?1, ?2, ?3, coalesce(max(ordinal), 0) + 1, 1, ?4, ?5, ?6, ?7, ?8, ?9 FROM ask \
                     WHERE true \
                     ON CONFLICT (tenant, event) DO UPDATE SET ordinal = excluded.ordinal, version = version + 1, \
                       organisation = excluded.organisation, plan = excluded.plan, asked_at = excluded.asked_at, \
                       standing = excluded.standing, answered_at = NULL",
                )
                .bind(TENANT)
                .bind(held.seq)
                .bind(ask.person.as_str())
                .bind(ask.leave)
                .bind(ask.urgent)
                .bind(&ask.organisation)
                .bind(plan)
                .bind(nanos(ask.asked_at))
                .bind(text("standing", ask.event.as_str(), &Standing::Asked)?)
                .execute(&mut *tx)
                .await?;
                note(claim, Deed::Asked, plan.as_bytes())
            }
            _ => note(claim, Deed::Postponed, why.as_bytes()).detail("untouched"),
        };
        audit::add(&mut tx, noted).await?;
        tx.commit().await?;
        self.leases.remove(&claim.event.person);
        Ok(())
    }

    pub(super) async fn put_back(&mut self, claim: &Claim, at: Timestamp, why: &str) -> Attempt<()> {
        self.untouched(claim, at, why, None).await
    }

    pub(super) async fn ask(&mut self, claim: &Claim, ask: &Ask, at: Timestamp) -> Attempt<()> {
        self.untouched(claim, at, ASKED, Some(ask)).await
    }

    pub(super) async fn answer(&mut self, answers: &[Answer], at: Timestamp) -> Attempt<usize> {
        let mut tx = begin(&mut self.conn).await?;
        let mut count = 0;
        for answer in answers {
            let standing = text("standing", answer.event.as_str(), &answer.standing)?;
            let answered: Option<(i64, String)> = sqlx::query_as(
                "UPDATE ask SET standing = ?4, answered_at = ?5 WHERE tenant = ?1 AND version = ?3 \
                 AND event = (SELECT seq FROM event WHERE tenant = ?1 AND id = ?2 AND state = 0) \
                 RETURNING event, person",
            )
            .bind(TENANT)
            .bind(answer.event.as_str())
            .bind(signed(answer.version))
            .bind(&standing)
            .bind(nanos(at))
            .fetch_optional(&mut *tx)
            .await?;
            let Some((seq, person)) = answered else { continue };
            sqlx::query("UPDATE event SET not_before = due_at WHERE seq = ?1")
                .bind(seq)
                .execute(&mut *tx)
                .await?;
            let person = PersonKey::new(person);
            let word = standing_of(&answer.standing);
            let note = Note::new(Deed::Answered, &answer.event, &person, word.as_bytes());
            audit::add(&mut tx, note.detail(word)).await?;
            count += 1;
        }
        tx.commit().await?;
        Ok(count)
    }

    pub(super) async fn skip(&mut self, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        let known = decided(&mut tx, event).await?;
        if !known.parked {
            let message = format!("event {event} parks nothing: it cannot be skipped");
            return Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)));
        }
        sqlx::query("UPDATE event SET parked = 0 WHERE seq = ?1")
            .bind(known.seq)
            .execute(&mut *tx)
            .await?;
        let person = PersonKey::new(known.person);
        let skipped = Note::decided(Deed::Skipped, Some(event), &person, by, reason);
        audit::add(&mut tx, skipped).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn resolve(
        &mut self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        (by, reason): (&str, &str),
    ) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        let known = decided(&mut tx, event).await?;
        let person = PersonKey::new(known.person);
        let outcome: Option<Option<String>> =
            sqlx::query_scalar("SELECT outcome FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(known.seq)
                .bind(step.as_str())
                .fetch_optional(&mut *tx)
                .await?;
        let outcome = outcome.ok_or_else(|| Fault::Refused(no_step(event, step)))?;
        let outcome = row::optional::<Outcome>("outcome", event.as_str(), outcome.as_ref())?;
        let lease = self.leases.get(&person);
        let held = lease.is_some_and(|lease| lease.until > Instant::now());
        if outcome != Some(Outcome::Unknown) || row::state(known.state) == EventState::Superseded || held {
            return Err(Fault::Refused(settled(event, step)));
        }
        if happened {
            let done = text("outcome", event.as_str(), &Outcome::Done { account: None })?;
            sqlx::query("UPDATE step SET outcome = ?4 WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(known.seq)
                .bind(step.as_str())
                .bind(done)
                .execute(&mut *tx)
                .await?;
        } else {
            sqlx::query("DELETE FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(known.seq)
                .bind(step.as_str())
                .execute(&mut *tx)
                .await?;
            let mut plan = known.plan;
            if row::state(known.state) == EventState::Done {
                let rest = row::plan(event.as_str(), plan.as_ref())?.map(|plan| plan.again(step));
                plan = rest.map(|plan| text("plan", event.as_str(), &plan)).transpose()?;
            }
            sqlx::query(
                "UPDATE event SET state = 0, parked = 0, not_before = due_at, why = ?2, plan = ?3 WHERE seq = ?1",
            )
            .bind(known.seq)
            .bind(format!("resolved by {by}: {reason}"))
            .bind(plan)
            .execute(&mut *tx)
            .await?;
        }
        let resolved = Note::decided(Deed::Resolved, Some(event), &person, by, reason);
        audit::add(&mut tx, resolved.detail(said_of(step, happened))).await?;
        Ok(tx.commit().await?)
    }
}
