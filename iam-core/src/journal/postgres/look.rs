//! The SQL of looking: names, people, what is due, the history.

use jiff::Timestamp;

use super::claim;
use super::fault::Attempt;
use super::row::{EventRow, instant, nanos, optional, signed, state_number, value};
use super::work::Work;
use crate::journal::{Entry, HistoryQuery, PersonState, Report, Reservation};
use crate::person::PersonKey;

pub(super) async fn reserve(work: &mut Work, name: &str, person: &PersonKey) -> Attempt<Reservation> {
    let name = name.to_lowercase();
    let ours =
        work.query("INSERT INTO name (tenant, name, person) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
    ours.bind(name.as_str())
        .bind(person.as_str())
        .execute(work.conn())
        .await?;
    // Another statement, another moment: whoever was faster is seen now.
    let holder = work.column::<String>("SELECT person FROM name WHERE tenant = $1 AND name = $2");
    let holder = holder.bind(name.as_str()).fetch_one(work.conn()).await?;
    Ok(if holder == person.as_str() {
        Reservation::Ours
    } else {
        Reservation::Taken {
            by: PersonKey::new(holder),
        }
    })
}

pub(super) async fn holder(work: &mut Work, name: &str) -> Attempt<Option<PersonKey>> {
    let holder = work.column::<String>("SELECT person FROM name WHERE tenant = $1 AND name = $2");
    let holder = holder
        .bind(name.to_lowercase())
        .fetch_optional(work.conn())
        .await?;
    Ok(holder.map(PersonKey::new))
}

pub(super) async fn person(work: &mut Work, key: &PersonKey) -> Attempt<Option<PersonState>> {
    let state = work.column::<Option<String>>("SELECT state FROM person WHERE tenant = $1 AND person = $2");
    let state = state.bind(key.as_str()).fetch_optional(work.conn()).await?;
    optional("state", key.as_str(), state.flatten().as_ref())
}

pub(super) async fn people(
    work: &mut Work,
    after: Option<&PersonKey>,
    limit: usize,
) -> Attempt<Vec<PersonState>> {
    let rows = work.rows::<(String, String)>(
        "SELECT person, state FROM person WHERE tenant = $1 AND state IS NOT NULL \
         AND ($2 IS NULL OR person > $2) ORDER BY person LIMIT $3",
    );
    let rows = rows
        .bind(after.map(PersonKey::as_str))
        .bind(signed(limit))
        .fetch_all(work.conn())
        .await?;
    rows.iter()
        .map(|(person, state)| value("state", person, state))
        .collect()
}

pub(super) async fn reports_of(work: &mut Work, manager: &PersonKey) -> Attempt<Vec<Report>> {
    let rows = work.rows::<(String, bool)>(
        "SELECT person, waits FROM person WHERE tenant = $1 AND manager = $2 ORDER BY person",
    );
    let rows = rows.bind(manager.as_str()).fetch_all(work.conn()).await?;
    let report = |(person, waits): (String, bool)| Report {
        person: PersonKey::new(person),
        waits,
    };
    Ok(rows.into_iter().map(report).collect())
}

pub(super) async fn successor_of(work: &mut Work, person: &PersonKey) -> Attempt<Option<PersonKey>> {
    let successor = work.column::<String>(
        "SELECT person FROM person WHERE tenant = $1 AND previous = $2 ORDER BY person LIMIT 1",
    );
    let successor = successor
        .bind(person.as_str())
        .fetch_optional(work.conn())
        .await?;
    Ok(successor.map(PersonKey::new))
}

pub(super) async fn next_due(work: &mut Work, except: &[String]) -> Attempt<Option<Timestamp>> {
    let due = work.column::<i64>(
        "SELECT ready_at FROM lane WHERE tenant = $1 AND ready_at IS NOT NULL AND person <> ALL ($2::text[]) \
         AND (lease_until IS NULL OR lease_until <= clock_timestamp()) ORDER BY ready_at, ready_seq LIMIT 1",
    );
    Ok(due.bind(except).fetch_optional(work.conn()).await?.map(instant))
}

pub(super) async fn last_good(work: &mut Work, source: &str) -> Attempt<Option<serde_json::Value>> {
    let totals = work.column::<String>("SELECT totals FROM source WHERE tenant = $1 AND source = $2");
    let totals = totals.bind(source).fetch_optional(work.conn()).await?;
    optional("totals", source, totals.as_ref())
}

/// Written out for each state, so that the partial indexes apply.
macro_rules! history {
    ($state:literal, $order:literal) => {
        concat!(
            "SELECT seq, event, lane_seq, state, attempts, not_before, parked, why, plan FROM event \
             WHERE tenant = $1 AND ",
            $state,
            " AND ($2 IS NULL OR due_at <= $2) AND ($3 IS NULL OR id = $3) AND ($4 IS NULL OR person = $4) ORDER BY ",
            $order,
            " LIMIT $5"
        )
    };
}

const HISTORY: [&str; 5] = [
    history!("state - 0 = 0", "seq"),
    history!("state = 1", "seq"),
    history!("state = 2", "seq"),
    history!("state = 3", "seq"),
    history!("true", "seq"),
];
/// Within a lane, the sequence is the order of appending.
const LANE: [&str; 5] = [
    history!("state = 0", "lane_seq"),
    history!("state = 1", "lane_seq"),
    history!("state = 2", "lane_seq"),
    history!("state = 3", "lane_seq"),
    history!("true", "lane_seq"),
];

pub(super) async fn history(work: &mut Work, query: &HistoryQuery) -> Attempt<Vec<Entry>> {
    let state = query
        .state
        .map_or(4, |state| usize::try_from(state_number(state)).unwrap_or(4));
    let sql = if query.person.is_some() {
        LANE[state]
    } else {
        HISTORY[state]
    };
    let limit = if query.limit == 0 {
        i64::MAX
    } else {
        signed(query.limit)
    };
    // Planned for these values: which index is best depends on what is asked for.
    let rows = work.rows::<EventRow>(sql).persistent(false);
    let rows = rows
        .bind(query.due.map(nanos))
        .bind(query.event.as_ref().map(|event| event.as_str().to_owned()))
        .bind(query.person.as_ref().map(|person| person.as_str().to_owned()))
        .bind(limit);
    let rows = rows.fetch_all(work.conn()).await?;
    let mut steps = claim::steps(work, rows.iter().map(|row| row.seq).collect()).await?;
    let entries = rows.into_iter().map(|row| {
        let steps = steps.remove(&row.seq).unwrap_or_default();
        row.read(steps)
    });
    entries.collect()
}
