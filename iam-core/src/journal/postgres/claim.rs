//! The SQL of claims: taking heads. What their holders write: [`group`](super::group).

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::FromRow;

use super::fault::{Attempt, Fault};
use super::lane;
use super::row::{self, instant, nanos, optional, signed, unsigned, value};
use super::work::Work;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventId};
use crate::journal::audit::{Deed, Note};
use crate::journal::{Claim, PersonState, StepRecord, not_known, over};
use crate::person::PersonKey;

/// Locks lanes that nobody holds and whose head can be claimed at `$2`, at most `$3`, urgent leaves first, then other
/// leaves, and none of the people `$4`. What others have locked just now is passed over.
///
/// This statement sees one moment, and locks each lane as it is at a later one. What it saw of the *lane* is checked
/// once more by PostgreSQL when it is locked; what it saw of *events* is not: [`HEADS`] reads them anew.
///
/// `OFFSET 0` keeps the planner from turning it about: event by event, in the order of the index, until there are enough.
pub(super) const LOCK: &str = "
    WITH urgent AS (
        SELECT l.person FROM (
            SELECT e.person FROM event e
            WHERE e.tenant = $1 AND e.state + 0 = 0 AND e.leave AND e.urgent AND e.due_at <= $2 AND e.not_before <= $2
              AND NOT EXISTS (SELECT 1 FROM event h
                              WHERE h.tenant = $1 AND h.person = e.person AND h.state = 0 AND h.leave AND h.urgent
                                AND h.due_at <= $2 AND (h.due_at, h.lane_seq) > (e.due_at, e.lane_seq) OFFSET 0)
            ORDER BY e.due_at, e.seq OFFSET 0) e
        CROSS JOIN LATERAL (
            SELECT l.person FROM lane l
            WHERE l.tenant = $1 AND l.person = e.person AND l.person <> ALL ($4::text[])
              AND (l.lease_until IS NULL OR l.lease_until <= clock_timestamp()) FOR UPDATE SKIP LOCKED) l
        LIMIT $3
    ), leaves AS (
        SELECT l.person FROM (
            SELECT e.person FROM event e
            WHERE e.tenant = $1 AND e.state + 0 = 0 AND e.leave AND NOT e.urgent AND e.due_at <= $2
              AND e.not_before <= $2
              AND NOT EXISTS (SELECT 1 FROM event h
                              WHERE h.tenant = $1 AND h.person = e.person AND h.state = 0 AND h.leave
                                AND h.due_at <= $2
                                AND (h.urgent, h.due_at, h.lane_seq) > (e.urgent, e.due_at, e.lane_seq) OFFSET 0)
            ORDER BY e.due_at, e.seq OFFSET 0) e
        CROSS JOIN LATERAL (
            SELECT l.person FROM lane l
            WHERE l.tenant = $1 AND l.person = e.person AND l.person <> ALL ($4::text[])
              AND (l.lease_until IS NULL OR l.lease_until <= clock_timestamp()) FOR UPDATE SKIP LOCKED) l
        LIMIT greatest($3 - (SELECT count(*) FROM urgent), 0)
    ), others AS (
        SELECT l.person FROM lane l
        WHERE l.tenant = $1 AND l.head_due <= $2 AND l.head_at <= $2 AND l.head_at IS NOT NULL
          AND (l.leave_due IS NULL OR l.leave_due > $2)
          AND (l.lease_until IS NULL OR l.lease_until <= clock_timestamp()) AND l.person <> ALL ($4::text[])
        ORDER BY l.head_due, l.head_seq
        LIMIT greatest($3 - (SELECT count(*) FROM urgent) - (SELECT count(*) FROM leaves), 0)
        FOR UPDATE OF l SKIP LOCKED
    )
    SELECT person FROM urgent UNION ALL SELECT person FROM leaves UNION ALL SELECT person FROM others";

/// The heads of the locked lanes `$2` that can be claimed at `$3`, as they are now.
const HEADS: &str = "
    SELECT p.person, h.seq, h.id, h.event, h.attempts, h.plan, h.leave,
           (SELECT s.state FROM person s WHERE s.tenant = $1 AND s.person = p.person) AS state
    FROM unnest($2::text[]) AS p (person) CROSS JOIN LATERAL (
        SELECT * FROM (
            (SELECT 0 AS place, e.* FROM event e
             WHERE e.tenant = $1 AND e.person = p.person AND e.state = 0 AND e.leave
               AND (e.due_at <= $3 OR e.attempts > 0 OR e.not_before > e.due_at)
             ORDER BY e.urgent DESC, e.due_at DESC, e.lane_seq DESC LIMIT 1)
            UNION ALL
            (SELECT 1 AS place, e.* FROM event e
             WHERE e.tenant = $1 AND e.person = p.person AND e.state = 0
               AND NOT EXISTS (SELECT 1 FROM event k WHERE k.tenant = $1 AND k.person = p.person AND k.parked
                               OFFSET 0)
             ORDER BY e.due_at, e.lane_seq LIMIT 1)
        ) candidate ORDER BY place LIMIT 1) h
    WHERE h.due_at <= $3 AND h.not_before <= $3
    ORDER BY h.urgent DESC, h.leave DESC, h.due_at, h.seq";

/// Claims the lanes `$2` for the events `$3`: raises the fences, begins the leases, counts the attempts.
const RAISE: &str = "
    WITH counted AS (
        UPDATE event e SET attempts = e.attempts + 1 WHERE e.seq = ANY ($3::bigint[]) AND e.state < 1 RETURNING e.seq)
    UPDATE lane l SET fence = l.fence + 1, holder = $5, claimed_seq = c.seq, claimed_at = $6,
                      lease_until = clock_timestamp() + $4 * interval '1 microsecond'
    FROM unnest($2::text[], $3::bigint[]) AS p (person, seq) JOIN counted c ON c.seq = p.seq
    WHERE l.tenant = $1 AND l.person = p.person AND l.person = ANY ($2) RETURNING l.person, l.fence, l.last_seq";

#[derive(FromRow)]
struct Head {
    person: String,
    seq: i64,
    id: String,
    event: String,
    attempts: i64,
    plan: Option<String>,
    leave: bool,
    state: Option<String>,
}

/// Microseconds, at most some thousand years.
pub(super) fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.as_micros())
        .unwrap_or(i64::MAX)
        .min(100_000_000_000_000_000)
}

/// What is asked for when lanes are claimed.
pub(super) struct Asked<'a> {
    pub(super) max: usize,
    pub(super) now: Timestamp,
    pub(super) lease: Duration,
    pub(super) holder: &'a str,
    /// Whose lanes are left alone.
    pub(super) except: &'a [String],
}

/// The claims, and the people whose head this version cannot read: their lanes stay as they are.
pub(super) async fn claim(work: &mut Work, asked: &Asked<'_>) -> Attempt<(Vec<Claim>, Vec<String>)> {
    let now = nanos(asked.now);
    let lanes = work
        .column::<String>(LOCK)
        .bind(now)
        .bind(signed(asked.max))
        .bind(asked.except);
    let lanes = lanes.fetch_all(work.conn()).await?;
    if lanes.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let heads = work.rows::<Head>(HEADS).bind(&lanes).bind(now);
    let heads = heads.fetch_all(work.conn()).await?;
    let (mut claims, mut unreadable, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    let mut overtaken = Vec::new();
    for head in heads {
        let seq = head.seq;
        match head.read() {
            Ok((claim, first_leave)) => {
                seqs.push(seq);
                overtaken.extend(first_leave.then(|| claim.event.person.clone()));
                claims.push(claim);
            }
            Err(fault) => {
                // One that a newer version wrote, or that is damaged, keeps nobody else waiting.
                let error = super::fault::during(fault, "claim lanes");
                tracing::error!(event = seq, "a lane is left alone: {error}");
                unreadable.push(head.person);
            }
        }
    }
    if claims.is_empty() {
        return Ok((claims, unreadable));
    }
    let people: Vec<&str> = claims.iter().map(|claim| claim.event.person.as_str()).collect();
    let raise = work
        .rows::<(String, i64, i64)>(RAISE)
        .bind(people)
        .bind(&seqs)
        .bind(micros(asked.lease));
    let raised = raise.bind(asked.holder).bind(now).fetch_all(work.conn()).await?;
    let raised: HashMap<String, (i64, i64)> = raised
        .into_iter()
        .map(|(person, fence, last_seq)| (person, (fence, last_seq)))
        .collect();
    let mut steps = steps(work, seqs.clone()).await?;
    for (claim, seq) in claims.iter_mut().zip(&seqs) {
        let (fence, _) = raised
            .get(claim.event.person.as_str())
            .ok_or(sqlx::Error::RowNotFound)?;
        claim.fence = unsigned(*fence);
        claim.steps = steps.remove(seq).unwrap_or_default();
    }
    // A leave that was claimed once is the head for good: nothing that it overtook comes up when its holder dies.
    let overtaken = overtaken.iter().filter_map(|person| {
        let (_, last_seq) = raised.get(person.as_str())?;
        Some((person.as_str().to_owned(), *last_seq))
    });
    lane::refresh(work, &overtaken.collect(), &[]).await?;
    Ok((claims, unreadable))
}

impl Head {
    /// The claim, without fence and steps, and whether it is the first one of a leave.
    fn read(&self) -> Attempt<(Claim, bool)> {
        let event: Event = value("event", &self.id, &self.event)?;
        let state = optional("state", &self.person, self.state.as_ref())?;
        let claim = Claim {
            state: state.unwrap_or_else(|| PersonState::new(event.person.clone())),
            plan: row::plan(&self.id, self.plan.as_ref())?,
            steps: Vec::new(),
            attempts: row::count(self.attempts),
            fence: 0,
            event,
        };
        Ok((claim, self.leave && self.attempts == 0))
    }
}

/// The steps of these events, in the order in which they were first intended.
pub(super) async fn steps(work: &mut Work, seqs: Vec<i64>) -> Attempt<HashMap<i64, Vec<StepRecord>>> {
    type Columns = (i64, String, String, Option<String>, Option<i64>);
    let mut steps: HashMap<i64, Vec<StepRecord>> = HashMap::new();
    if seqs.is_empty() {
        return Ok(steps);
    }
    let rows = work.rows::<Columns>(
        "SELECT event, step, key, outcome, settled_at FROM step \
         WHERE tenant = $1 AND event = ANY ($2) ORDER BY event, ordinal",
    );
    for (event, step, key, outcome, at) in rows.bind(seqs).fetch_all(work.conn()).await? {
        let record = StepRecord {
            at: at.map(instant),
            ..row::step(&step, &step, key, outcome.as_ref())?
        };
        steps.entry(event).or_default().push(record);
    }
    Ok(steps)
}

fn fenced(claim: &Claim) -> Fault {
    let message = format!("the claim on {} has passed on", claim.event.person);
    Fault::Refused(Error::new(ErrorKind::Fenced, message))
}

/// A write that found its row in another state than its transaction saw wrote nothing: give up.
pub(super) fn one(rows: u64, claim: &Claim) -> Attempt<()> {
    if rows == 1 { Ok(()) } else { Err(fenced(claim)) }
}

/// What is noted of a claimed event.
pub(super) fn note<'a>(claim: &'a Claim, deed: Deed, payload: &'a [u8]) -> Note<'a> {
    Note::new(deed, &claim.event.id, &claim.event.person, payload)
}

pub(super) async fn requeue(work: &mut Work, event: &EventId, by: &str, reason: &str) -> Attempt<()> {
    let person = work.column::<String>("SELECT person FROM event WHERE tenant + 0 = $1 AND id = $2");
    let person = person.bind(event.as_str()).fetch_optional(work.conn()).await?;
    let person = PersonKey::new(person.ok_or_else(|| not_known(event))?);
    let locked = lane::lock(work, [&person].into_iter()).await?;
    let back = work.query(
        "UPDATE event SET state = 0, parked = false, not_before = due_at, why = $3 \
         WHERE tenant + 0 = $1 AND id = $2 AND state IN (0, 2)",
    );
    let why = lane::plain(&format!("requeued by {by}: {reason}"));
    let back = back.bind(event.as_str()).bind(why).execute(work.conn()).await?;
    if back.rows_affected() != 1 {
        return Err(over(event).into());
    }
    lane::refresh(work, &locked, &[]).await?;
    work.note(Note::decided(Deed::Requeued, Some(event), &person, by, reason))
        .await
}
