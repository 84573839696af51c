//! The SQL of lanes: appending, finding heads, and what becomes of the rest when a head ends.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::TENANT;
use super::fault::{Attempt, Fault};
use super::row::{self, instant, is_replaced, nanos, signed, state_number, text, unsigned, value};
use super::stage;
use crate::event::{Accepted, Event};
use crate::journal::{Appended, HistoryQuery, PersonState, StepRecord};
use crate::person::PersonKey;
use crate::plan::StepId;

/// The event that a free lane is claimed for.
#[derive(sqlx::FromRow)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) event: String,
    pub(super) attempts: i64,
    pub(super) plan: Option<String>,
    pub(super) state: Option<String>,
}

/// Appends one event, on its own terms.
pub(super) async fn append(conn: &mut SqliteConnection, event: &Event) -> Attempt<Appended> {
    let (id, person) = (event.id.as_str(), event.person.as_str());
    let known: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT event, NULL FROM event WHERE tenant = ?1 AND id = ?2 \
         UNION ALL SELECT NULL, digest FROM archived WHERE tenant = ?1 AND id = ?2",
    )
    .bind(TENANT)
    .bind(id)
    .fetch_optional(&mut *conn)
    .await?;
    if let Some((known, archived)) = known {
        let the_same = match (known, archived) {
            (Some(known), _) => value::<Event>("event", id, &known)?.says_the_same(event),
            (None, Some(digest)) => digest == row::digest_of(event)?,
            // Of somebody who was erased.
            (None, None) => false,
        };
        if the_same {
            return Ok(Appended::Duplicate);
        }
        stage::set_apart(conn, event).await?;
        return Ok(Appended::Conflict);
    }
    let mut known = None;
    if event.record.is_some() || event.news.is_some() {
        known = stage::accepted(conn, &event.person).await?;
    }
    let mut accepted = known.unwrap_or_default();
    if event.record.is_some() && accepted.version + 1 != event.version {
        return Ok(Appended::Stale);
    }
    if event.record.is_some() || event.news.is_some() {
        accepted.take(event);
        set_accepted(conn, person, &accepted).await?;
    }
    let lane_seq: i64 = sqlx::query_scalar(
        "INSERT INTO lane (tenant, person, last_seq) VALUES (?1, ?2, 1) \
         ON CONFLICT (tenant, person) DO UPDATE SET last_seq = last_seq + 1 RETURNING last_seq",
    )
    .bind(TENANT)
    .bind(person)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO event (tenant, id, person, lane_seq, leave, timer, due_at, not_before, event, urgent) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9)",
    )
    .bind(TENANT)
    .bind(id)
    .bind(person)
    .bind(lane_seq)
    .bind(event.kind.is_leave())
    .bind(is_replaced(event))
    .bind(nanos(event.due_at))
    .bind(text("event", id, event)?)
    .bind(event.kind.is_urgent())
    .execute(conn)
    .await?;
    Ok(Appended::New)
}

/// Writes what has been accepted of a person.
async fn set_accepted(conn: &mut SqliteConnection, person: &str, accepted: &Accepted) -> Attempt<()> {
    let record = accepted.record.as_ref();
    let record = record.map(|record| text("record", person, record)).transpose()?;
    let news = (!accepted.news.is_empty()).then(|| text("news", person, &accepted.news));
    sqlx::query(
        "INSERT INTO person (tenant, person, version, record, news, previous) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (tenant, person) DO UPDATE SET version = excluded.version, record = excluded.record, \
         news = excluded.news, previous = excluded.previous",
    )
    .bind(TENANT)
    .bind(person)
    .bind(signed(accepted.version))
    .bind(record)
    .bind(news.transpose()?)
    .bind(accepted.previous_id().map(PersonKey::as_str))
    .execute(conn)
    .await?;
    Ok(())
}

macro_rules! leaves {
    ($index:literal, $urgent:literal) => {
        concat!(
            "
    SELECT e.seq, e.id, e.event, e.attempts, e.plan, p.state
    FROM event e INDEXED BY ",
            $index,
            " LEFT JOIN person p USING (tenant, person)
    WHERE e.tenant = ?1 AND e.state = 0 AND e.leave = 1 AND e.urgent = ",
            $urgent,
            "
      AND e.due_at <= ?2 AND e.not_before <= ?2
      AND e.person NOT IN (SELECT person FROM event WHERE seq IN (SELECT value FROM json_each(?3)))
      AND NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_leave_lane
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.state = 0 AND l.leave = 1
                        AND l.due_at <= ?2
                        AND (l.urgent, l.due_at, l.lane_seq) > (e.urgent, e.due_at, e.lane_seq))
    ORDER BY e.due_at, e.seq LIMIT ?4"
        )
    };
}
/// A leave whose time has come is the head of its lane: an urgent one, else the latest one; `?3` are the events of
/// held lanes.
pub(super) const URGENT: &str = leaves!("event_urgent_due", 1);
/// The others, after them.
pub(super) const LEAVES: &str = leaves!("event_leave_due", 0);

/// In every other lane the head is the first pending event, unless the lane is parked.
pub(super) const OTHERS: &str = "
    SELECT e.seq, e.id, e.event, e.attempts, e.plan, p.state
    FROM event e INDEXED BY event_due LEFT JOIN person p USING (tenant, person)
    WHERE e.tenant = ?1 AND e.state = 0 AND e.due_at <= ?2 AND e.not_before <= ?2
      AND e.person NOT IN (SELECT person FROM event WHERE seq IN (SELECT value FROM json_each(?3)))
      AND NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_lane
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.state = 0
                        AND (l.due_at, l.lane_seq) < (e.due_at, e.lane_seq))
      AND NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_leave_lane
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.state = 0 AND l.leave = 1
                        AND l.due_at <= ?2)
      AND NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_parked
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.parked = 1)
    ORDER BY e.due_at, e.seq LIMIT ?4";

/// When [`LEAVES`] or [`OTHERS`] will find something. A leave that was attempted has come due: what stands
/// before it will not be the head again.
pub(super) const NEXT_DUE: &str = "
    SELECT max(e.due_at, e.not_before), e.person, e.id FROM event e INDEXED BY event_ready
    WHERE e.tenant = ?1 AND e.state = 0
      AND e.person NOT IN (SELECT person FROM event WHERE seq IN (SELECT value FROM json_each(?2)))
      AND NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_leave_lane
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.state = 0 AND l.leave = 1
                        AND (l.attempts > 0 OR l.not_before > l.due_at)
                        AND (e.leave = 0 OR (l.urgent, l.due_at, l.lane_seq) > (e.urgent, e.due_at, e.lane_seq)))
      AND (e.leave = 1 OR NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_lane
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.state = 0
                        AND (l.due_at, l.lane_seq) < (e.due_at, e.lane_seq)))
      AND (e.leave = 1 OR NOT EXISTS (SELECT 1 FROM event l INDEXED BY event_parked
                      WHERE l.tenant = e.tenant AND l.person = e.person AND l.parked = 1))
    ORDER BY max(e.due_at, e.not_before) LIMIT 1";

/// The heads that can be claimed at `now`, leaves first, at most `max`, in no lane that is `busy`.
pub(super) async fn heads(
    conn: &mut SqliteConnection,
    busy: &str,
    now: i64,
    max: usize,
) -> Attempt<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    for query in [URGENT, LEAVES, OTHERS] {
        let more: Vec<Head> = sqlx::query_as(query)
            .bind(TENANT)
            .bind(now)
            .bind(busy)
            .bind(signed(max - heads.len()))
            .fetch_all(&mut *conn)
            .await?;
        heads.extend(more);
    }
    Ok(heads)
}

/// Counts the claim of these events: new fences by person, one more attempt each.
pub(super) async fn raise_fences(conn: &mut SqliteConnection, seqs: &str) -> Attempt<HashMap<String, u64>> {
    let fences: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE lane SET fence = fence + 1 WHERE (tenant, person) IN \
         (SELECT tenant, person FROM event WHERE seq IN (SELECT value FROM json_each(?1))) \
         RETURNING person, fence",
    )
    .bind(seqs)
    .fetch_all(&mut *conn)
    .await?;
    let counted = sqlx::query(
        "UPDATE event SET attempts = attempts + 1 \
         WHERE seq IN (SELECT value FROM json_each(?1)) AND state = 0",
    )
    .bind(seqs)
    .execute(conn)
    .await?;
    if counted.rows_affected() != signed(fences.len()).unsigned_abs() {
        return Err(Fault::Sql(sqlx::Error::RowNotFound));
    }
    let fences = fences.into_iter();
    Ok(fences.map(|(person, fence)| (person, unsigned(fence))).collect())
}

/// Adds what is asked for, and the order, to a query of events that ends in its first condition.
pub(super) fn narrowed(sql: &mut QueryBuilder<Sqlite>, query: &HistoryQuery) {
    if let Some(state) = query.state {
        sql.push(" AND state = ").push(state_number(state));
    }
    if let Some(due) = query.due {
        sql.push(" AND due_at <= ").push_bind(nanos(due));
    }
    if let Some(event) = &query.event {
        sql.push(" AND id = ").push_bind(event.as_str());
    }
    match &query.person {
        // Within a lane the sequence is the order of appending.
        Some(person) => sql
            .push(" AND person = ")
            .push_bind(person.as_str())
            .push(" ORDER BY lane_seq"),
        None => sql.push(" ORDER BY seq"),
    };
}

/// A row of `step` behind its event's key.
pub(super) type StepRow<K> = (K, String, String, Option<String>, Option<i64>);

/// The steps of these events, in the order in which they were first intended.
pub(super) async fn steps(conn: &mut SqliteConnection, seqs: &str) -> Attempt<HashMap<i64, Vec<StepRecord>>> {
    let rows = sqlx::query_as(
        "SELECT event, step, key, outcome, settled_at FROM step \
         WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2)) ORDER BY event, ordinal",
    );
    by_event(rows.bind(TENANT).bind(seqs).fetch_all(conn).await?)
}

/// Steps that were read in their order, by event.
pub(super) fn by_event<K: Eq + Hash>(rows: Vec<StepRow<K>>) -> Attempt<HashMap<K, Vec<StepRecord>>> {
    let mut steps: HashMap<K, Vec<StepRecord>> = HashMap::new();
    for (event, step, key, outcome, at) in rows {
        let record = StepRecord {
            at: at.map(instant),
            ..row::step(&step, &step, key, outcome.as_ref())?
        };
        steps.entry(event).or_default().push(record);
    }
    Ok(steps)
}

/// Writes a step's outcome; the number of rows tells whether there is such a step.
pub(super) async fn set_outcome(
    conn: &mut SqliteConnection,
    event: i64,
    step: &StepId,
    outcome: Option<(String, Timestamp)>,
) -> Attempt<u64> {
    let (outcome, at) = outcome.map(|(text, at)| (text, nanos(at))).unzip();
    let set = "UPDATE step SET outcome = ?4, settled_at = ?5 WHERE tenant = ?1 AND event = ?2 AND step = ?3";
    let done = sqlx::query(set)
        .bind(TENANT)
        .bind(event)
        .bind(step.as_str())
        .bind(outcome)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// What stands before a leave that ended is superseded, and the lane's parking is lifted.
pub(super) async fn end_by_leave(
    conn: &mut SqliteConnection,
    person: &str,
    due_at: i64,
    lane_seq: i64,
) -> Attempt<()> {
    sqlx::query(
        "UPDATE event INDEXED BY event_lane SET state = 3 \
         WHERE tenant = ?1 AND person = ?2 AND state = 0 AND (due_at, lane_seq) < (?3, ?4)",
    )
    .bind(TENANT)
    .bind(person)
    .bind(due_at)
    .bind(lane_seq)
    .execute(&mut *conn)
    .await?;
    sqlx::query("UPDATE event SET parked = 0 WHERE tenant = ?1 AND person = ?2 AND parked = 1")
        .bind(TENANT)
        .bind(person)
        .execute(conn)
        .await?;
    Ok(())
}

/// Supersedes the lane's pending timers but for rechecks (a wake-up is never lost), and sets `timers`; one
/// that was superseded before is pending again.
pub(super) async fn replace_timers(
    conn: &mut SqliteConnection,
    person: &str,
    timers: &[Event],
) -> Attempt<()> {
    sqlx::query(
        "UPDATE event INDEXED BY event_lane SET state = 3 \
         WHERE tenant = ?1 AND person = ?2 AND state = 0 AND timer = 1",
    )
    .bind(TENANT)
    .bind(person)
    .execute(&mut *conn)
    .await?;
    set_timers(conn, timers).await
}

/// Sets timers; one that was superseded before is pending again.
pub(super) async fn set_timers(conn: &mut SqliteConnection, timers: &[Event]) -> Attempt<()> {
    for timer in timers {
        let again = sqlx::query(
            "UPDATE event SET state = 0, not_before = due_at WHERE tenant = ?1 AND id = ?2 AND state = 3",
        )
        .bind(TENANT)
        .bind(timer.id.as_str())
        .execute(&mut *conn)
        .await?;
        if again.rows_affected() == 0 {
            append(conn, timer).await?;
        }
    }
    Ok(())
}

/// Writes what is known of a person, and gives it back as it stands in the file.
pub(super) async fn set_state(
    conn: &mut SqliteConnection,
    person: &str,
    state: &PersonState,
) -> Attempt<String> {
    let text = text("state", person, state)?;
    let manager = state
        .record
        .as_ref()
        .and_then(|record| record.manager_id.as_ref());
    sqlx::query(
        "INSERT INTO person (tenant, person, state, manager, waits) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (tenant, person) DO UPDATE \
         SET state = excluded.state, manager = excluded.manager, waits = excluded.waits",
    )
    .bind(TENANT)
    .bind(person)
    .bind(&text)
    .bind(manager.map(PersonKey::as_str))
    .bind(state.waits_for.is_some() && state.waits_for.as_ref() == manager)
    .execute(conn)
    .await?;
    Ok(text)
}
