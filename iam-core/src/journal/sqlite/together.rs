//! The SQL of what claims' holders [write](crate::journal::write) at the same time: each statement is about all of them.
//!
//! Where rows are updated, the tenant comes with what is written: so SQLite has to begin there, and looks up row by row,
//! instead of walking all of a tenant's.
//!
//! What is not as its writer believes is passed over, and written by itself afterwards, where it is refused if it must be.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::TENANT;
use super::fault::Attempt;
use super::lane;
use super::row::{nanos, optional, signed, text};
use super::writer::Writer;
use crate::clock::{Clock as _, SystemClock};
use crate::journal::write::{End, Ended, Hold, What, Write};
use crate::journal::{Lane, StepStart};
use crate::person::PersonKey;

/// The most writes that go together.
pub(super) const MOST: usize = 128;

/// The event of a claim that is still held.
struct Held {
    seq: i64,
    due_at: i64,
    lane_seq: i64,
    leave: bool,
}

/// A write and the event that it is about.
type Pair<'a> = (&'a Write, &'a Held);
/// An end and the event that it is of.
type Ending<'a> = (&'a Write, &'a Held, &'a End);

fn array(rows: impl IntoIterator<Item = Value>) -> Attempt<String> {
    let rows: Vec<Value> = rows.into_iter().collect();
    text("rows", "what is written together", &rows)
}

impl Writer {
    /// Writes what can be written; an answer for each, and nothing for what was passed over.
    pub(super) async fn together(&mut self, writes: &[Write]) -> Attempt<Vec<Option<Option<StepStart>>>> {
        let held = self.all_held(writes).await?;
        let pairs = writes.iter().zip(&held);
        let pairs: Vec<Pair<'_>> = pairs
            .filter_map(|(write, held)| Some((write, held.as_ref()?)))
            .collect();
        self.plans(&pairs).await?;
        let starts = self.intents(&pairs).await?;
        let settled = self.outcomes(&pairs).await?;
        self.ends(&pairs).await?;
        let (mut notes, mut answers) = (Vec::new(), Vec::with_capacity(writes.len()));
        for (write, held) in writes.iter().zip(&held) {
            let done = held.as_ref().filter(|held| match write.what {
                What::Settle { .. } => settled.contains(&held.seq),
                _ => true,
            });
            let answer = done.map(|held| starts.get(&held.seq).cloned());
            notes.extend(answer.as_ref().and_then(|start| write.note(start.as_ref())));
            answers.push(answer);
        }
        self.note_all(notes).await?;
        for (write, _, _) in endings(&pairs) {
            self.lend(&write.hold.person, None);
        }
        Ok(answers)
    }

    /// The events of the claims that are still held: `leases` knows about this process, the fence in the file about
    /// everything that was ever committed.
    async fn all_held(&mut self, writes: &[Write]) -> Attempt<Vec<Option<Held>>> {
        let ours = |hold: &Hold| {
            let lease = self.leases.get(&hold.person);
            lease.is_some_and(|lease| signed(lease.fence) == hold.fence)
        };
        let holds = writes.iter().enumerate().filter(|(_, write)| ours(&write.hold));
        let holds = holds.map(|(at, Write { hold, .. })| {
            json!([at, hold.person.as_str(), hold.event.as_str(), hold.fence])
        });
        let holds = array(holds)?;
        let rows: Vec<(i64, i64, i64, i64, bool)> = sqlx::query_as(
            "SELECT w.value ->> 0, e.seq, e.due_at, e.lane_seq, e.leave FROM json_each(?2) w \
             CROSS JOIN event e ON e.tenant = ?1 AND e.id = w.value ->> 2 \
             CROSS JOIN lane l ON l.tenant = ?1 AND l.person = e.person \
             WHERE e.person = w.value ->> 1 AND e.state = 0 AND l.fence = w.value ->> 3",
        )
        .bind(TENANT)
        .bind(holds)
        .fetch_all(&mut self.conn)
        .await?;
        let mut held: Vec<Option<Held>> = writes.iter().map(|_| None).collect();
        for (at, seq, due_at, lane_seq, leave) in rows {
            let place = usize::try_from(at).ok().and_then(|at| held.get_mut(at));
            if let Some(place) = place {
                *place = Some(Held {
                    seq,
                    due_at,
                    lane_seq,
                    leave,
                });
            }
        }
        Ok(held)
    }

    async fn plans(&mut self, pairs: &[Pair<'_>]) -> Attempt<()> {
        let plans = pairs.iter().filter_map(|(write, held)| match &write.what {
            What::Plan { text, .. } => Some(json!([held.seq, text])),
            _ => None,
        });
        let plans: Vec<Value> = plans.collect();
        if plans.is_empty() {
            return Ok(());
        }
        let count = plans.len();
        let update = sqlx::query(
            "UPDATE event SET plan = p.value ->> 1 FROM json_each(?1) p \
             WHERE event.seq = p.value ->> 0 AND event.state = 0",
        );
        let done = update.bind(array(plans)?).execute(&mut self.conn).await?;
        all(done.rows_affected(), count)
    }

    /// What was known of the steps that are intended, by event.
    async fn intents(&mut self, pairs: &[Pair<'_>]) -> Attempt<HashMap<i64, StepStart>> {
        let intents = pairs.iter().filter_map(|(write, held)| match &write.what {
            What::Intend { step, key } => Some((held.seq, json!([held.seq, step.as_str(), key.as_str()]))),
            _ => None,
        });
        let (events, rows): (Vec<i64>, Vec<Value>) = intents.unzip();
        if events.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = array(rows)?;
        let made: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO step (tenant, event, step, ordinal, key) \
             SELECT ?1, i.value ->> 0, i.value ->> 1, \
                    (SELECT count(*) FROM step s WHERE s.tenant = ?1 AND s.event = i.value ->> 0), i.value ->> 2 \
             FROM json_each(?2) i WHERE true ON CONFLICT DO NOTHING RETURNING event",
        )
        .bind(TENANT)
        .bind(&rows)
        .fetch_all(&mut self.conn)
        .await?;
        let made: HashSet<i64> = made.into_iter().collect();
        let mut starts: HashMap<i64, StepStart> =
            made.iter().map(|event| (*event, StepStart::First)).collect();
        if made.len() == events.len() {
            return Ok(starts);
        }
        let known: Vec<(i64, String, Option<String>)> = sqlx::query_as(
            "SELECT s.event, s.step, s.outcome FROM json_each(?2) i \
             CROSS JOIN step s ON s.tenant = ?1 AND s.event = i.value ->> 0 AND s.step = i.value ->> 1",
        )
        .bind(TENANT)
        .bind(&rows)
        .fetch_all(&mut self.conn)
        .await?;
        let mut again = Vec::new();
        for (event, step, outcome) in known {
            if made.contains(&event) {
                continue;
            }
            let start = StepStart::of(optional("outcome", &step, outcome.as_ref())?);
            if start == StepStart::First {
                again.push(json!([event, step, TENANT]));
            }
            starts.insert(event, start);
        }
        if !again.is_empty() {
            // Unknown while it is tried again.
            sqlx::query(
                "UPDATE step SET outcome = NULL, settled_at = NULL FROM json_each(?1) i \
                 WHERE step.tenant = i.value ->> 2 AND step.event = i.value ->> 0 AND step.step = i.value ->> 1",
            )
            .bind(array(again)?)
            .execute(&mut self.conn)
            .await?;
        }
        Ok(starts)
    }

    /// Writes down how steps ended; the events whose step had been intended.
    async fn outcomes(&mut self, pairs: &[Pair<'_>]) -> Attempt<HashSet<i64>> {
        let outcomes = pairs.iter().filter_map(|(write, held)| match &write.what {
            What::Settle {
                step, outcome, at, ..
            } => Some(json!([held.seq, step.as_str(), outcome, nanos(*at), TENANT])),
            _ => None,
        });
        let outcomes: Vec<Value> = outcomes.collect();
        if outcomes.is_empty() {
            return Ok(HashSet::new());
        }
        let set: Vec<i64> = sqlx::query_scalar(
            "UPDATE step SET outcome = o.value ->> 2, settled_at = o.value ->> 3 FROM json_each(?1) o \
             WHERE step.tenant = o.value ->> 4 AND step.event = o.value ->> 0 AND step.step = o.value ->> 1 RETURNING event",
        )
        .bind(array(outcomes)?)
        .fetch_all(&mut self.conn)
        .await?;
        Ok(set.into_iter().collect())
    }

    /// Ends claims: what becomes of their events, their lanes' timers and what a leave overtook, and what is known of the
    /// people.
    async fn ends(&mut self, pairs: &[Pair<'_>]) -> Attempt<()> {
        let ends: Vec<Ending<'_>> = endings(pairs).collect();
        if ends.is_empty() {
            return Ok(());
        }
        self.events_end(&ends).await?;
        for (write, ..) in &ends {
            lane::set_timers(&mut self.conn, write.timers()).await?;
        }
        let states = ends.iter().map(|(write, _, end)| {
            let manager = end.state.manager.as_ref().map(PersonKey::as_str);
            let waits = i64::from(end.state.waits);
            json!([write.hold.person.as_str(), end.state.text(), manager, waits])
        });
        sqlx::query(
            "INSERT INTO person (tenant, person, state, manager, waits) \
             SELECT ?1, p.value ->> 0, p.value ->> 1, p.value ->> 2, p.value ->> 3 FROM json_each(?2) p WHERE true \
             ON CONFLICT (tenant, person) DO UPDATE \
             SET state = excluded.state, manager = excluded.manager, waits = excluded.waits",
        )
        .bind(TENANT)
        .bind(array(states)?)
        .execute(&mut self.conn)
        .await?;
        Ok(())
    }

    /// One statement for what ends, the timers that are replaced, and what a leave overtook; one for what was asked, and
    /// one for the parking that a leave lifts.
    async fn events_end(&mut self, ends: &[Ending<'_>]) -> Attempt<()> {
        let is_left = |held: &Held, end: &End| held.leave && matches!(end.event, Ended::Done);
        let rows = ends.iter().map(|(write, held, end)| {
            let not_before = match end.event {
                Ended::Pending(at) => Some(nanos(at)),
                _ => None,
            };
            json!([
                write.hold.person.as_str(),
                held.seq,
                end.event.number(),
                end.why,
                not_before,
                i64::from(matches!(end.event, Ended::Dead(Lane::Park))),
                i64::from(end.timers.is_some()),
                i64::from(is_left(held, end)),
                held.due_at,
                held.lane_seq,
                TENANT,
            ])
        });
        let changed: Vec<i64> = sqlx::query_scalar(
            "UPDATE event INDEXED BY event_lane SET \
                state = CASE WHEN seq = d.value ->> 1 THEN d.value ->> 2 ELSE 3 END, \
                why = CASE WHEN seq = d.value ->> 1 THEN d.value ->> 3 ELSE why END, \
                not_before = CASE WHEN seq = d.value ->> 1 THEN coalesce(d.value ->> 4, not_before) \
                                  ELSE not_before END, \
                parked = CASE WHEN seq = d.value ->> 1 AND d.value ->> 2 = 2 THEN d.value ->> 5 ELSE parked END, \
                set_aside_at = CASE WHEN seq = d.value ->> 1 AND d.value ->> 2 = 2 THEN ?2 ELSE set_aside_at END \
             FROM json_each(?1) d \
             WHERE event.tenant = d.value ->> 10 AND event.person = d.value ->> 0 AND event.state = 0 \
               AND (seq = d.value ->> 1 OR (d.value ->> 6 = 1 AND timer = 1) \
                    OR (d.value ->> 7 = 1 AND (due_at, lane_seq) < (d.value ->> 8, d.value ->> 9))) \
             RETURNING seq",
        )
        .bind(array(rows)?)
        .bind(nanos(SystemClock.now()))
        .fetch_all(&mut self.conn)
        .await?;
        let changed: HashSet<i64> = changed.into_iter().collect();
        let ended = ends.iter().filter(|(_, held, _)| changed.contains(&held.seq));
        all(ended.count() as u64, ends.len())?;
        let over = ends
            .iter()
            .filter(|(_, _, end)| !matches!(end.event, Ended::Pending(_)));
        sqlx::query("DELETE FROM ask WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))")
            .bind(TENANT)
            .bind(array(over.map(|(_, held, _)| json!(held.seq)))?)
            .execute(&mut self.conn)
            .await?;
        let left = ends.iter().filter(|(_, held, end)| is_left(held, end));
        let left: Vec<Value> = left
            .map(|(write, ..)| json!(write.hold.person.as_str()))
            .collect();
        if !left.is_empty() {
            sqlx::query(
                "UPDATE event SET parked = 0 \
                 WHERE tenant = ?1 AND person IN (SELECT value FROM json_each(?2)) AND parked = 1",
            )
            .bind(TENANT)
            .bind(array(left)?)
            .execute(&mut self.conn)
            .await?;
        }
        Ok(())
    }
}

fn endings<'a>(pairs: &'a [Pair<'a>]) -> impl Iterator<Item = Ending<'a>> {
    pairs.iter().filter_map(|(write, held)| match &write.what {
        What::End(end) => Some((*write, *held, &**end)),
        _ => None,
    })
}

/// A write that found rows in another state than its transaction saw writes nothing.
fn all(rows: u64, expected: usize) -> Attempt<()> {
    if usize::try_from(rows) == Ok(expected) {
        Ok(())
    } else {
        Err(sqlx::Error::RowNotFound.into())
    }
}
