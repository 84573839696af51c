//! What was asked of the guard, what people decided about single events, and why somebody waits.

use jiff::Timestamp;
use sqlx::FromRow;

use super::claim::{note, one};
use super::fault::{Attempt, Fault};
use super::group;
use super::lane;
use super::row::{self, AskRow, WaitingRow, instant, nanos, signed, text, unsigned};
use super::work::Work;
use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::journal::audit::{ASKED, Deed, Note, said_of, standing_of};
use crate::journal::write::Hold;
use crate::journal::{
    Answer, Ask, Asks, Claim, EventState, Outcome, Stalled, Standing, Waiting, no_step, not_known, settled,
};
use crate::person::PersonKey;
use crate::plan::StepId;

macro_rules! asks {
    ($more:literal) => {
        concat!(
            "SELECT e.id, a.person, a.version, a.leave, a.urgent, a.organisation, a.plan, a.asked_at, a.standing, \
             a.answered_at FROM ask a \
             CROSS JOIN LATERAL (SELECT id, state FROM event WHERE seq = a.event OFFSET 0) e \
             WHERE a.tenant = $1 AND e.state = 0 ",
            $more
        )
    };
}

/// How many of these could still be asked about: what is due, by the index that holds it.
macro_rules! to_come {
    ($which:literal) => {
        concat!(
            "(SELECT count(*) FROM event e \
              WHERE e.tenant = $1 AND e.state + 0 = 0 AND e.due_at <= $2 AND e.not_before <= $2 AND e.plan IS NULL AND ",
            $which,
            " AND NOT EXISTS (SELECT 1 FROM ask a \
                              CROSS JOIN LATERAL (SELECT state FROM event WHERE seq = a.event OFFSET 0) o \
                              WHERE a.tenant = $1 AND a.person = e.person AND o.state = 0 OFFSET 0))"
        )
    };
}

/// Gives the lane back untouched; the event's number.
async fn untouched(work: &mut Work, claim: &Claim, at: Timestamp, why: &str) -> Attempt<i64> {
    let (seq, locked) = group::hold(work, &Hold::of(claim)).await?;
    let given = work.query(
        "UPDATE event SET not_before = $3, why = $4, attempts = greatest(attempts - 1, 0) \
         WHERE tenant - $1 = 0 AND seq = $2 AND state < 1",
    );
    let given = given.bind(seq).bind(nanos(at)).bind(lane::plain(why));
    one(given.execute(work.conn()).await?.rows_affected(), claim)?;
    lane::refresh(work, &locked, &[claim.event.person.as_str()]).await?;
    Ok(seq)
}

pub(super) async fn put_back(work: &mut Work, claim: &Claim, at: Timestamp, why: &str) -> Attempt<()> {
    untouched(work, claim, at, why).await?;
    work.note(note(claim, Deed::Postponed, why.as_bytes()).detail("untouched"))
        .await
}

pub(super) async fn ask(work: &mut Work, claim: &Claim, ask: &Ask, at: Timestamp) -> Attempt<()> {
    let event = ask.event.as_str();
    let (plan, standing) = (
        text("plan", event, &ask.plan)?,
        text("standing", event, &Standing::Asked)?,
    );
    let seq = untouched(work, claim, at, ASKED).await?;
    // A question that is asked again takes its place at the end.
    let asked = work.query(
        "INSERT INTO ask (tenant, event, person, version, leave, urgent, organisation, plan, asked_at, standing) \
         VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (event) DO UPDATE SET ordinal = DEFAULT, version = ask.version + 1, \
           organisation = excluded.organisation, plan = excluded.plan, asked_at = excluded.asked_at, \
           standing = excluded.standing, answered_at = NULL",
    );
    asked
        .bind(seq)
        .bind(ask.person.as_str())
        .bind(ask.leave)
        .bind(ask.urgent)
        .bind(ask.organisation.as_deref().map(lane::plain))
        .bind(plan.as_str())
        .bind(nanos(ask.asked_at))
        .bind(standing)
        .execute(work.conn())
        .await?;
    work.note(note(claim, Deed::Asked, plan.as_bytes())).await
}

/// What was asked about an event that is pending.
pub(super) async fn asked(work: &mut Work, event: &EventId) -> Attempt<Option<Ask>> {
    let row = work.rows::<AskRow>(asks!(
        "AND a.event = (SELECT seq FROM event WHERE tenant + 0 = $1 AND id = $2)"
    ));
    let row = row.bind(event.as_str()).fetch_optional(work.conn()).await?;
    row.map(AskRow::read).transpose()
}

/// Everything that was asked, and how much more could be.
pub(super) async fn asks(work: &mut Work, now: Timestamp) -> Attempt<Asks> {
    let rows = work
        .rows::<AskRow>(asks!("ORDER BY a.ordinal"))
        .fetch_all(work.conn())
        .await?;
    let asks: Vec<Ask> = rows.into_iter().map(AskRow::read).collect::<Attempt<_>>()?;
    let to_come = work.rows::<(i64, i64)>(concat!(
        "SELECT ",
        to_come!("e.leave AND e.urgent"),
        " + ",
        to_come!("e.leave AND NOT e.urgent"),
        ", ",
        to_come!("NOT e.leave"),
    ));
    let (leaves, others) = to_come.bind(nanos(now)).fetch_one(work.conn()).await?;
    Ok(Asks::new(asks, unsigned(leaves), unsigned(others)))
}

pub(super) async fn answer(work: &mut Work, answers: &[Answer], at: Timestamp) -> Attempt<usize> {
    let people = work.column::<String>(
        "SELECT a.person FROM ask a \
         CROSS JOIN LATERAL (SELECT id, state FROM event WHERE seq = a.event OFFSET 0) e \
         WHERE a.tenant = $1 AND e.state = 0 AND e.id = ANY ($2)",
    );
    let ids: Vec<&str> = answers.iter().map(|answer| answer.event.as_str()).collect();
    let people = people.bind(ids).fetch_all(work.conn()).await?;
    let people: Vec<PersonKey> = people.into_iter().map(PersonKey::new).collect();
    let locked = lane::lock(work, people.iter()).await?;
    let mut count = 0;
    for answer in answers {
        let standing = text("standing", answer.event.as_str(), &answer.standing)?;
        // Somebody who was asked about after the lanes were locked waits for the next answer.
        let answered = work.rows::<(i64, String)>(
            "UPDATE ask a SET standing = $4, answered_at = $5 \
             WHERE a.tenant = $1 AND a.version = $3 AND a.person = ANY ($6) \
               AND a.event = (SELECT seq FROM event WHERE tenant + 0 = $1 AND id = $2 AND state < 1) \
             RETURNING a.event, a.person",
        );
        let answered = answered
            .bind(answer.event.as_str())
            .bind(signed(answer.version))
            .bind(standing)
            .bind(nanos(at))
            .bind(locked.keys().map(String::as_str).collect::<Vec<_>>());
        let Some((seq, person)) = answered.fetch_optional(work.conn()).await? else {
            continue;
        };
        let due = work.query("UPDATE event SET not_before = due_at WHERE tenant - $1 = 0 AND seq = $2");
        due.bind(seq).execute(work.conn()).await?;
        let (person, standing) = (PersonKey::new(person), standing_of(&answer.standing));
        let noted = Note::new(Deed::Answered, &answer.event, &person, standing.as_bytes());
        work.note(noted.detail(standing)).await?;
        count += 1;
    }
    lane::refresh(work, &locked, &[]).await?;
    Ok(count)
}

/// An event that somebody decides about.
#[derive(FromRow)]
struct Decided {
    seq: i64,
    state: i64,
    parked: bool,
    plan: Option<String>,
    held: bool,
}

/// Locks the lane of an event that somebody decides about.
async fn decided(work: &mut Work, event: &EventId) -> Attempt<(PersonKey, lane::Locked, Decided)> {
    let person = work.column::<String>("SELECT person FROM event WHERE tenant + 0 = $1 AND id = $2");
    let person = person.bind(event.as_str()).fetch_optional(work.conn()).await?;
    let person = PersonKey::new(person.ok_or_else(|| not_known(event))?);
    let locked = lane::lock(work, [&person].into_iter()).await?;
    let decided = work.rows::<Decided>(
        "SELECT e.seq, e.state, e.parked, e.plan, \
                coalesce((SELECT l.lease_until > clock_timestamp() FROM lane l \
                          WHERE l.tenant = $1 AND l.person = e.person), false) AS held \
         FROM event e WHERE e.tenant + 0 = $1 AND e.id = $2",
    );
    let decided = decided.bind(event.as_str()).fetch_one(work.conn()).await?;
    Ok((person, locked, decided))
}

pub(super) async fn skip(work: &mut Work, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
    let (person, locked, known) = decided(work, event).await?;
    if !known.parked {
        let message = format!("event {event} parks nothing: it cannot be skipped");
        return Err(Error::new(ErrorKind::Conflict, message).into());
    }
    let skip = work
        .query("UPDATE event SET parked = false WHERE tenant - $1 = 0 AND seq = $2")
        .bind(known.seq);
    skip.execute(work.conn()).await?;
    lane::refresh(work, &locked, &[]).await?;
    work.note(Note::decided(Deed::Skipped, Some(event), &person, by, reason))
        .await
}

pub(super) async fn resolve(
    work: &mut Work,
    event: &EventId,
    step: &StepId,
    happened: bool,
    (by, reason): (&str, &str),
) -> Attempt<()> {
    let (person, locked, known) = decided(work, event).await?;
    let outcome = work
        .column::<Option<String>>("SELECT outcome FROM step WHERE tenant = $1 AND event = $2 AND step = $3");
    let outcome = outcome
        .bind(known.seq)
        .bind(step.as_str())
        .fetch_optional(work.conn())
        .await?;
    let outcome = outcome.ok_or_else(|| no_step(event, step))?;
    let outcome = row::optional::<Outcome>("outcome", event.as_str(), outcome.as_ref())?;
    let superseded = row::state(known.state) == EventState::Superseded;
    if outcome != Some(Outcome::Unknown) || superseded || known.held {
        return Err(Fault::Refused(settled(event, step)));
    }
    if happened {
        let done = text("outcome", event.as_str(), &Outcome::Done { account: None })?;
        let set = work.query("UPDATE step SET outcome = $4 WHERE tenant = $1 AND event = $2 AND step = $3");
        set.bind(known.seq)
            .bind(step.as_str())
            .bind(done)
            .execute(work.conn())
            .await?;
    } else {
        bring_back(work, event, known, step, &format!("resolved by {by}: {reason}")).await?;
        lane::refresh(work, &locked, &[]).await?;
    }
    let resolved = Note::decided(Deed::Resolved, Some(event), &person, by, reason);
    work.note(resolved.detail(said_of(step, happened))).await
}

/// Forgets a step, and makes its event pending again.
async fn bring_back(
    work: &mut Work,
    event: &EventId,
    known: Decided,
    step: &StepId,
    why: &str,
) -> Attempt<()> {
    let forget = work.query("DELETE FROM step WHERE tenant = $1 AND event = $2 AND step = $3");
    forget
        .bind(known.seq)
        .bind(step.as_str())
        .execute(work.conn())
        .await?;
    let mut plan = known.plan;
    if row::state(known.state) == EventState::Done {
        let rest = row::plan(event.as_str(), plan.as_ref())?.map(|plan| plan.again(step));
        plan = rest.map(|plan| text("plan", event.as_str(), &plan)).transpose()?;
    }
    let back = work.query(
        "UPDATE event SET state = 0, parked = false, not_before = due_at, why = $3, plan = $4 \
         WHERE tenant - $1 = 0 AND seq = $2",
    );
    back.bind(known.seq)
        .bind(lane::plain(why))
        .bind(plan)
        .execute(work.conn())
        .await?;
    Ok(())
}

/// The head of a lane, or what parks it: a leave that is due comes first, then what is parked, then the first event.
const WAITING: &str = "
    SELECT e.id, e.due_at, e.not_before, e.attempts, e.why, e.parked, e.set_aside_at, a.standing, a.asked_at
    FROM (SELECT *, leave AND due_at <= $3 AS first FROM event
          WHERE tenant = $1 AND person = $2 AND state = 0
          UNION ALL SELECT *, false FROM event WHERE tenant = $1 AND person = $2 AND parked) e
    LEFT JOIN ask a ON a.event = e.seq
    ORDER BY first DESC, e.parked DESC, CASE WHEN first THEN e.urgent END DESC NULLS LAST,
             CASE WHEN first THEN -e.due_at ELSE e.due_at END,
             CASE WHEN first THEN -e.lane_seq ELSE e.lane_seq END LIMIT 1";

/// What a person's lane waits for.
pub(super) async fn waiting(work: &mut Work, person: &PersonKey, now: Timestamp) -> Attempt<Waiting> {
    let held = work.rows::<(String, String, i64)>(
        "SELECT e.id, l.holder, l.claimed_at FROM lane l JOIN event e ON e.seq = l.claimed_seq \
         WHERE l.tenant = $1 AND l.person = $2 AND l.lease_until > clock_timestamp()",
    );
    let held = held.bind(person.as_str()).fetch_optional(work.conn()).await?;
    if let Some((event, by, since)) = held {
        let (event, since) = (EventId::new(event), instant(since));
        return Ok(Waiting::Claimed { event, by, since });
    }
    let row = work
        .rows::<WaitingRow>(WAITING)
        .bind(person.as_str())
        .bind(nanos(now));
    let row = row.fetch_optional(work.conn()).await?;
    row.map_or(Ok(Waiting::Nothing), |row| row.read(now))
}

/// The first head that could be claimed, if it could be at `now`. Lanes that a worker leaves alone count as well.
pub(super) async fn stalled(work: &mut Work, now: Timestamp) -> Attempt<Option<Stalled>> {
    let head = work.rows::<(i64, String, String)>(
        "SELECT l.ready_at, l.person, e.id FROM lane l \
         CROSS JOIN LATERAL (SELECT id FROM event WHERE seq = l.ready_seq OFFSET 0) e \
         WHERE l.tenant = $1 AND l.ready_at <= $2 \
           AND (l.lease_until IS NULL OR l.lease_until <= clock_timestamp()) \
         ORDER BY l.ready_at, l.ready_seq LIMIT 1",
    );
    let head = head.bind(nanos(now)).fetch_optional(work.conn()).await?;
    Ok(
        head.map(|(since, person, id)| {
            Stalled::new(PersonKey::new(person), EventId::new(id), instant(since))
        }),
    )
}
