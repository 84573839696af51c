//! What was asked of the guard, what people decided about single events, and why somebody waits.

use std::time::Instant;

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::TENANT;
use super::archive;
use super::fault::{Attempt, Fault};
use super::lane;
use super::row::{self, AskRow, WaitingRow, instant, nanos, signed, text, unsigned};
use super::writer::{Lease, Writer, note};
use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::journal::audit::{ASKED, Deed, Note, said_of, standing_of};
use crate::journal::{
    Answer, Ask, Asks, Claim, EventState, Outcome, Stalled, Standing, Waiting, no_step, not_known, settled,
};
use crate::person::PersonKey;
use crate::plan::StepId;

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

/// The head of a lane, or what parks it: a leave that is due comes first, then what is parked, then the first event.
const WAITING: &str = "
    SELECT e.id, e.due_at, e.not_before, e.attempts, e.why, e.parked, e.set_aside_at, a.standing, a.asked_at
    FROM (SELECT *, state = 0 AND leave = 1 AND due_at <= ?3 AS first FROM event
          WHERE tenant = ?1 AND person = ?2 AND state = 0
          UNION ALL SELECT *, 0 FROM event WHERE tenant = ?1 AND person = ?2 AND parked = 1) e
    LEFT JOIN ask a ON a.tenant = e.tenant AND a.event = e.seq
    ORDER BY first DESC, e.parked DESC, iif(first, -e.urgent, 0), iif(first, -e.due_at, e.due_at),
             iif(first, -e.lane_seq, e.lane_seq) LIMIT 1";

/// What a lane waits for that is held.
pub(super) async fn claimed(conn: &mut SqliteConnection, lease: Lease, by: &str) -> Attempt<Waiting> {
    let event: String = sqlx::query_scalar("SELECT id FROM event WHERE seq = ?1")
        .bind(lease.event)
        .fetch_one(conn)
        .await?;
    Ok(Waiting::Claimed {
        event: EventId::new(event),
        by: by.to_owned(),
        since: lease.since,
    })
}

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
    row.read(now)
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
            .fetch_optional(&mut *conn)
            .await?;
    match row {
        Some(row) => Ok(row),
        None if archive::has(conn, event).await? => Err(archive::over(event)),
        None => Err(Fault::Refused(not_known(event))),
    }
}

impl Writer {
    async fn untouched(&mut self, claim: &Claim, at: Timestamp, why: &str) -> Attempt<i64> {
        let held = self.held(claim).await?;
        let given = sqlx::query(
            "UPDATE event SET not_before = ?2, why = ?3, attempts = max(attempts - 1, 0) \
             WHERE seq = ?1 AND state = 0",
        );
        given
            .bind(held.seq)
            .bind(nanos(at))
            .bind(why)
            .execute(&mut self.conn)
            .await?;
        self.lend(&claim.event.person, None);
        Ok(held.seq)
    }

    pub(super) async fn put_back(&mut self, claim: &Claim, at: Timestamp, why: &str) -> Attempt<()> {
        self.untouched(claim, at, why).await?;
        self.note(note(claim, Deed::Postponed, why.as_bytes()).detail("untouched"))
            .await
    }

    pub(super) async fn ask(&mut self, claim: &Claim, ask: &Ask, at: Timestamp) -> Attempt<()> {
        let event = ask.event.as_str();
        let (plan, standing) = (
            text("plan", event, &ask.plan)?,
            text("standing", event, &Standing::Asked)?,
        );
        let seq = self.untouched(claim, at, ASKED).await?;
        sqlx::query(
            "INSERT INTO ask (tenant, event, person, ordinal, version, leave, urgent, organisation, plan, asked_at, \
               standing) \
             SELECT ?1, ?2, ?3, coalesce(max(ordinal), 0) + 1, 1, ?4, ?5, ?6, ?7, ?8, ?9 FROM ask WHERE true \
             ON CONFLICT (tenant, event) DO UPDATE SET ordinal = excluded.ordinal, version = version + 1, \
               organisation = excluded.organisation, plan = excluded.plan, asked_at = excluded.asked_at, \
               standing = excluded.standing, answered_at = NULL",
        )
        .bind(TENANT)
        .bind(seq)
        .bind(ask.person.as_str())
        .bind(ask.leave)
        .bind(ask.urgent)
        .bind(&ask.organisation)
        .bind(&plan)
        .bind(nanos(ask.asked_at))
        .bind(standing)
        .execute(&mut self.conn)
        .await?;
        self.note(note(claim, Deed::Asked, plan.as_bytes())).await
    }

    /// What was asked about an event is over with it.
    pub(super) async fn end_asking(&mut self, event: i64) -> Attempt<()> {
        sqlx::query("DELETE FROM ask WHERE tenant = ?1 AND event = ?2")
            .bind(TENANT)
            .bind(event)
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }

    pub(super) async fn answer(&mut self, answers: &[Answer], at: Timestamp) -> Attempt<usize> {
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
            .fetch_optional(&mut self.conn)
            .await?;
            let Some((seq, person)) = answered else { continue };
            sqlx::query("UPDATE event SET not_before = due_at WHERE seq = ?1")
                .bind(seq)
                .execute(&mut self.conn)
                .await?;
            let person = PersonKey::new(person);
            let word = standing_of(&answer.standing);
            let note = Note::new(Deed::Answered, &answer.event, &person, word.as_bytes());
            self.note(note.detail(word)).await?;
            count += 1;
        }
        Ok(count)
    }

    pub(super) async fn skip(&mut self, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
        let known = decided(&mut self.conn, event).await?;
        if !known.parked {
            let message = format!("event {event} parks nothing: it cannot be skipped");
            return Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)));
        }
        sqlx::query("UPDATE event SET parked = 0 WHERE seq = ?1")
            .bind(known.seq)
            .execute(&mut self.conn)
            .await?;
        let person = PersonKey::new(known.person);
        let skipped = Note::decided(Deed::Skipped, Some(event), &person, by, reason);
        self.note(skipped).await
    }

    pub(super) async fn resolve(
        &mut self,
        event: &EventId,
        step: &StepId,
        happened: bool,
        (by, reason): (&str, &str),
    ) -> Attempt<()> {
        let known = decided(&mut self.conn, event).await?;
        let person = PersonKey::new(known.person.clone());
        let outcome: Option<Option<String>> =
            sqlx::query_scalar("SELECT outcome FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
                .bind(TENANT)
                .bind(known.seq)
                .bind(step.as_str())
                .fetch_optional(&mut self.conn)
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
                .execute(&mut self.conn)
                .await?;
        } else {
            self.bring_back(event, known, step, format!("resolved by {by}: {reason}"))
                .await?;
        }
        let resolved = Note::decided(Deed::Resolved, Some(event), &person, by, reason);
        self.note(resolved.detail(said_of(step, happened))).await
    }

    /// Forgets a step, and makes its event pending again.
    async fn bring_back(
        &mut self,
        event: &EventId,
        known: Decided,
        step: &StepId,
        why: String,
    ) -> Attempt<()> {
        sqlx::query("DELETE FROM step WHERE tenant = ?1 AND event = ?2 AND step = ?3")
            .bind(TENANT)
            .bind(known.seq)
            .bind(step.as_str())
            .execute(&mut self.conn)
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
        .bind(why)
        .bind(plan)
        .execute(&mut self.conn)
        .await?;
        Ok(())
    }
}
