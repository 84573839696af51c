//! The SQL of what claims' holders [write](crate::journal::write): any number of them in one transaction.
//!
//! Writes that come at the same time share a transaction ([`Convoy`](crate::journal::convoy)), and each of its statements
//! is about all of them. So the end of the audit, which every transaction of a tenant locks until its commit has been
//! flushed, is locked once, however many workers a process has.
//!
//! Nobody waits for a lane: what a group cannot lock at once, it passes over, and so it does with whatever is not as its
//! writer believes. Those are written by themselves afterwards, wait if they have to, and are refused if they must be.

use std::collections::{HashMap, HashSet};

use sqlx::FromRow;

use super::fault::Attempt;
use super::lane::{self, Locked};
use super::row::{nanos, optional};
use super::work::Work;
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::journal::write::{End, Ended, Hold, What, Write};
use crate::journal::{Lane, StepStart};

/// The most writes in one transaction.
pub(super) const MOST: usize = 128;

/// What became of a write.
pub(super) enum Answer {
    /// It is written; what is known of the step that it intends.
    Written(Option<StepStart>),
    /// The claim is not held, or, in a group, its lane is locked.
    NotHeld,
    /// It settles a step that was never intended.
    NeverIntended,
}

/// The event of a claim that is still held.
#[derive(FromRow)]
struct Held {
    at: i64,
    seq: i64,
    due_at: i64,
    lane_seq: i64,
    leave: bool,
    last_seq: i64,
    salt: Option<String>,
}

/// A write and the event that it is about.
type Pair<'a> = (&'a Write, &'a Held);

macro_rules! held {
    ($wait:literal) => {
        concat!(
            "SELECT w.at, e.seq, e.due_at, e.lane_seq, e.leave, l.last_seq, \
                    (SELECT s.salt FROM pseudonym s WHERE s.tenant = $1 AND s.person = l.person) AS salt \
             FROM unnest($2::text[], $3::bigint[], $4::text[]) WITH ORDINALITY AS w (person, fence, event, at) \
             CROSS JOIN LATERAL ( \
                 SELECT person, last_seq FROM lane \
                 WHERE tenant = $1 AND person = w.person AND fence = w.fence AND lease_until IS NOT NULL \
                 FOR UPDATE",
            $wait,
            ") l CROSS JOIN LATERAL ( \
                 SELECT * FROM event WHERE tenant + 0 = $1 AND id = w.event AND state < 1 OFFSET 0) e \
             WHERE e.person = l.person"
        )
    };
}

/// Locks the lanes of these claims until the commit, as far as they are still held. A lease that ran out unnoticed is
/// still held. As long as it is, nobody else changes the state of its event, or forgets its salt.
async fn held(work: &mut Work, holds: &[&Hold], wait: bool) -> Attempt<Vec<Option<Held>>> {
    let sql = if wait { held!("") } else { held!(" SKIP LOCKED") };
    let rows = work
        .rows::<Held>(sql)
        .bind(holds.iter().map(|hold| hold.person.as_str()).collect::<Vec<_>>())
        .bind(holds.iter().map(|hold| hold.fence).collect::<Vec<_>>())
        .bind(holds.iter().map(|hold| hold.event.as_str()).collect::<Vec<_>>());
    let mut held: Vec<Option<Held>> = holds.iter().map(|_| None).collect();
    for row in rows.fetch_all(work.conn()).await? {
        let place = usize::try_from(row.at - 1).ok();
        let Some(place) = place.filter(|place| *place < holds.len()) else {
            continue;
        };
        if let Some(salt) = &row.salt {
            work.salts
                .insert(holds[place].person.as_str().to_owned(), salt.clone());
        }
        held[place] = Some(row);
    }
    Ok(held)
}

/// Locks the lane of one claim, or refuses it: the event's number, and the lane.
pub(super) async fn hold(work: &mut Work, proof: &Hold) -> Attempt<(i64, Locked)> {
    let found = held(work, &[proof], true).await?.pop().flatten();
    let found = found.ok_or_else(|| proof.fenced())?;
    let lane = (proof.person.as_str().to_owned(), found.last_seq);
    Ok((found.seq, Locked::from([lane])))
}

/// Writes one, and waits for its lane where that is locked.
pub(super) async fn alone(work: &mut Work, write: &Write) -> Attempt<Option<StepStart>> {
    let mut locked = Locked::new();
    if write.is_wide() {
        let people = write.timers().iter().map(|timer| &timer.person);
        locked = lane::lock(work, people.chain([&write.hold.person])).await?;
    }
    let held = held(work, &[&write.hold], true).await?;
    let answer = write_down(work, std::slice::from_ref(write), &held, &mut locked).await?;
    match answer.into_iter().next() {
        Some(Answer::Written(start)) => Ok(start),
        Some(Answer::NeverIntended) => {
            let error = Error::new(ErrorKind::Invalid, "a step is settled that was never intended");
            Err(error.into())
        }
        Some(Answer::NotHeld) | None => Err(write.hold.fenced().into()),
    }
}

/// Writes what can be written at once; an answer for each. None changes the lanes of others.
pub(super) async fn together(work: &mut Work, writes: &[Write]) -> Attempt<Vec<Answer>> {
    let holds: Vec<&Hold> = writes.iter().map(|write| &write.hold).collect();
    let held = held(work, &holds, false).await?;
    write_down(work, writes, &held, &mut Locked::new()).await
}

async fn write_down(
    work: &mut Work,
    writes: &[Write],
    held: &[Option<Held>],
    locked: &mut Locked,
) -> Attempt<Vec<Answer>> {
    let pairs = writes.iter().zip(held);
    let pairs: Vec<Pair<'_>> = pairs
        .filter_map(|(write, held)| Some((write, held.as_ref()?)))
        .collect();
    beats(work, &pairs).await?;
    plans(work, &pairs).await?;
    let starts = intents(work, &pairs).await?;
    let settled = outcomes(work, &pairs).await?;
    ends(work, &pairs, locked).await?;
    let mut notes = Vec::new();
    let mut answers = Vec::with_capacity(writes.len());
    for (write, held) in writes.iter().zip(held) {
        answers.push(match (held, &write.what) {
            (None, _) => Answer::NotHeld,
            (Some(held), What::Settle { .. }) if !settled.contains(&held.seq) => Answer::NeverIntended,
            (Some(held), _) => {
                let start = starts.get(&held.seq);
                notes.extend(write.note(start));
                Answer::Written(start.cloned())
            }
        });
    }
    if !notes.is_empty() {
        work.note_all(notes).await?;
    }
    Ok(answers)
}

async fn beats(work: &mut Work, pairs: &[Pair<'_>]) -> Attempt<()> {
    let beats = pairs.iter().filter_map(|(write, _)| match write.what {
        What::Beat(lease) => Some((write.hold.person.as_str(), super::claim::micros(lease))),
        _ => None,
    });
    let (people, leases): (Vec<&str>, Vec<i64>) = beats.unzip();
    if people.is_empty() {
        return Ok(());
    }
    let beat = work.query(
        "UPDATE lane l SET lease_until = clock_timestamp() + b.lease * interval '1 microsecond' \
         FROM unnest($2::text[], $3::bigint[]) AS b (person, lease) \
         WHERE l.tenant = $1 AND l.person = b.person AND l.person = ANY ($2)",
    );
    beat.bind(people).bind(leases).execute(work.conn()).await?;
    Ok(())
}

async fn plans(work: &mut Work, pairs: &[Pair<'_>]) -> Attempt<()> {
    let plans = pairs.iter().filter_map(|(write, held)| match &write.what {
        What::Plan { text, .. } => Some((held.seq, text.as_str())),
        _ => None,
    });
    let (events, texts): (Vec<i64>, Vec<&str>) = plans.unzip();
    if events.is_empty() {
        return Ok(());
    }
    let plan = work.query(
        "UPDATE event e SET plan = p.plan FROM unnest($2::bigint[], $3::text[]) AS p (seq, plan) \
         WHERE e.tenant - $1 = 0 AND e.seq = p.seq AND e.seq = ANY ($2) AND e.state < 1",
    );
    let count = events.len();
    let done = plan.bind(events).bind(texts).execute(work.conn()).await?;
    all(done.rows_affected(), count)
}

/// A write that found rows in another state than its transaction saw writes nothing.
fn all(rows: u64, expected: usize) -> Attempt<()> {
    if usize::try_from(rows) == Ok(expected) {
        Ok(())
    } else {
        Err(sqlx::Error::RowNotFound.into())
    }
}

/// What was known of the steps that are intended, by event.
async fn intents(work: &mut Work, pairs: &[Pair<'_>]) -> Attempt<HashMap<i64, StepStart>> {
    let (mut events, mut steps, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for (write, held) in pairs {
        if let What::Intend { step, key } = &write.what {
            events.push(held.seq);
            steps.push(step.as_str());
            keys.push(key.as_str());
        }
    }
    if events.is_empty() {
        return Ok(HashMap::new());
    }
    let made = work.column::<i64>(
        "INSERT INTO step (tenant, event, step, ordinal, key) \
         SELECT $1, i.event, i.step, (SELECT count(*) FROM step s WHERE s.event = i.event), i.key \
         FROM unnest($2::bigint[], $3::text[], $4::text[]) AS i (event, step, key) \
         ON CONFLICT DO NOTHING RETURNING event",
    );
    let made = made.bind(&events).bind(&steps).bind(keys);
    let made: HashSet<i64> = made.fetch_all(work.conn()).await?.into_iter().collect();
    let mut starts: HashMap<i64, StepStart> = made.iter().map(|event| (*event, StepStart::First)).collect();
    if made.len() == events.len() {
        return Ok(starts);
    }
    let known = events
        .iter()
        .zip(steps)
        .filter(|(event, _)| !made.contains(event));
    let (events, steps): (Vec<i64>, Vec<&str>) = known.unzip();
    let known = work.rows::<(i64, String, Option<String>)>(
        "SELECT s.event, s.step, s.outcome FROM unnest($2::bigint[], $3::text[]) AS i (event, step) \
         JOIN step s ON s.tenant = $1 AND s.event = i.event AND s.event = ANY ($2) AND s.step = i.step",
    );
    let (mut events_again, mut steps_again) = (Vec::new(), Vec::new());
    for (event, step, outcome) in known.bind(events).bind(steps).fetch_all(work.conn()).await? {
        let start = StepStart::of(optional("outcome", &step, outcome.as_ref())?);
        if start == StepStart::First {
            events_again.push(event);
            steps_again.push(step);
        }
        starts.insert(event, start);
    }
    if !events_again.is_empty() {
        // Unknown while it is tried again.
        let forget = work.query(
            "UPDATE step s SET outcome = NULL, settled_at = NULL \
             FROM unnest($2::bigint[], $3::text[]) AS i (event, step) \
             WHERE s.tenant = $1 AND s.event = i.event AND s.event = ANY ($2) AND s.step = i.step",
        );
        let forget = forget.bind(events_again).bind(steps_again);
        forget.execute(work.conn()).await?;
    }
    Ok(starts)
}

/// Writes down how steps ended; the events whose step had been intended.
async fn outcomes(work: &mut Work, pairs: &[Pair<'_>]) -> Attempt<HashSet<i64>> {
    let (mut events, mut steps, mut outcomes, mut instants) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (write, held) in pairs {
        if let What::Settle {
            step, outcome, at, ..
        } = &write.what
        {
            events.push(held.seq);
            steps.push(step.as_str());
            outcomes.push(outcome.as_str());
            instants.push(nanos(*at));
        }
    }
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    let set = work.column::<i64>(
        "UPDATE step s SET outcome = o.outcome, settled_at = o.at \
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[]) AS o (event, step, outcome, at) \
         WHERE s.tenant = $1 AND s.event = o.event AND s.event = ANY ($2) AND s.step = o.step RETURNING s.event",
    );
    let set = set.bind(events).bind(steps).bind(outcomes).bind(instants);
    Ok(set.fetch_all(work.conn()).await?.into_iter().collect())
}

/// Ends claims: what becomes of their events, their lanes' timers and what a leave overtook, and what is known of the
/// people.
async fn ends(work: &mut Work, pairs: &[Pair<'_>], locked: &mut Locked) -> Attempt<()> {
    let ends: Vec<(&Write, &Held, &End)> = pairs
        .iter()
        .filter_map(|(write, held)| match &write.what {
            What::End(end) => Some((*write, *held, &**end)),
            _ => None,
        })
        .collect();
    if ends.is_empty() {
        return Ok(());
    }
    events_end(work, &ends).await?;
    let people: Vec<&str> = ends
        .iter()
        .map(|(write, _, _)| write.hold.person.as_str())
        .collect();
    for (write, held, _) in &ends {
        locked.insert(write.hold.person.as_str().to_owned(), held.last_seq);
    }
    let timers: Vec<&Event> = ends.iter().flat_map(|(write, ..)| write.timers()).collect();
    lane::set_timers(work, locked, &timers).await?;
    lane::refresh(work, locked, &people).await?;
    lane::set_states(
        work,
        ends.iter()
            .map(|(write, _, end)| (&write.hold.person, &end.state)),
    )
    .await
}

/// One statement for what ends, what was asked about it, the timers that are replaced, and what a leave overtook; and
/// one for the parking that a leave lifts.
async fn events_end(work: &mut Work, ends: &[(&Write, &Held, &End)]) -> Attempt<()> {
    let now = nanos(SystemClock.now());
    let leaves = |(_, held, end): &&(&Write, &Held, &End)| held.leave && matches!(end.event, Ended::Done);
    let update = work.column::<i64>(
        "WITH ended AS (SELECT * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], \
                                             $7::boolean[], $8::boolean[], $9::boolean[], $10::bigint[], $11::bigint[]) \
                        AS d (person, seq, state, why, not_before, parks, replaces, leave, due_at, lane_seq)), \
              asked AS (DELETE FROM ask a USING ended d \
                        WHERE a.tenant = $1 AND a.event = d.seq AND a.event = ANY ($3) AND d.state <> 0) \
         UPDATE event e SET state = CASE WHEN e.seq = d.seq THEN d.state ELSE 3 END, \
                why = CASE WHEN e.seq = d.seq THEN d.why ELSE e.why END, \
                not_before = CASE WHEN e.seq = d.seq THEN coalesce(d.not_before, e.not_before) ELSE e.not_before END, \
                parked = CASE WHEN e.seq = d.seq AND d.state = 2 THEN d.parks ELSE e.parked END, \
                set_aside_at = CASE WHEN e.seq = d.seq AND d.state = 2 THEN $12 ELSE e.set_aside_at END \
         FROM ended d WHERE e.tenant = $1 AND e.person = d.person AND e.person = ANY ($2) AND e.state = 0 AND ( \
                e.seq = d.seq OR d.replaces AND e.timer \
                OR d.leave AND (e.due_at, e.lane_seq) < (d.due_at, d.lane_seq)) \
         RETURNING e.seq",
    );
    let update = update
        .bind(
            ends.iter()
                .map(|(write, ..)| write.hold.person.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(ends.iter().map(|(_, held, _)| held.seq).collect::<Vec<_>>())
        .bind(
            ends.iter()
                .map(|(_, _, end)| end.event.number())
                .collect::<Vec<_>>(),
        )
        .bind(
            ends.iter()
                .map(|(_, _, end)| end.why.as_deref().map(lane::plain))
                .collect::<Vec<_>>(),
        );
    let not_before = |end: &End| match end.event {
        Ended::Pending(at) => Some(nanos(at)),
        _ => None,
    };
    let update = update
        .bind(ends.iter().map(|(_, _, end)| not_before(end)).collect::<Vec<_>>())
        .bind(
            ends.iter()
                .map(|(_, _, end)| matches!(end.event, Ended::Dead(Lane::Park)))
                .collect::<Vec<_>>(),
        )
        .bind(
            ends.iter()
                .map(|(_, _, end)| end.timers.is_some())
                .collect::<Vec<_>>(),
        )
        .bind(ends.iter().map(|end| leaves(&end)).collect::<Vec<_>>())
        .bind(ends.iter().map(|(_, held, _)| held.due_at).collect::<Vec<_>>())
        .bind(ends.iter().map(|(_, held, _)| held.lane_seq).collect::<Vec<_>>())
        .bind(now);
    let changed: HashSet<i64> = update.fetch_all(work.conn()).await?.into_iter().collect();
    let ended = ends.iter().filter(|(_, held, _)| changed.contains(&held.seq));
    all(ended.count() as u64, ends.len())?;
    let left: Vec<&str> = ends
        .iter()
        .filter(leaves)
        .map(|(write, ..)| write.hold.person.as_str())
        .collect();
    if !left.is_empty() {
        let parking =
            work.query("UPDATE event SET parked = false WHERE tenant = $1 AND person = ANY ($2) AND parked");
        parking.bind(left).execute(work.conn()).await?;
    }
    Ok(())
}
