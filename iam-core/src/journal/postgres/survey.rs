//! The SQL of looking over many events: pages by how far they have come, and counts.

use async_trait::async_trait;
use jiff::Timestamp;

use super::fault::Attempt;
use super::row::{EventRow, instant, nanos, signed, unsigned, value};
use super::work::Work;
use super::{PostgresJournal, claim, looking};
use crate::error::Result;
use crate::event::{Event, Timer};
use crate::journal::{Entry, EventFilter, Figures, Headway, Survey, Told};

const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

/// Written out, so that the partial indexes apply.
macro_rules! page {
    ($meant:literal) => {
        concat!(
            "SELECT seq, event, lane_seq, state, attempts, not_before, parked, why, plan FROM event \
             WHERE tenant = $1 AND ",
            $meant,
            " AND ($2 IS NULL OR seq < $2) AND ($3 IS NULL OR person = $3) AND $4::bigint IS NOT NULL \
             ORDER BY seq DESC LIMIT $5"
        )
    };
}

/// What was told and what timers say is found in two places.
fn pages(headway: Headway) -> &'static [&'static str] {
    match headway {
        // Timers that nobody has begun are no news.
        Headway::Accepted => &[page!("state = 0 AND NOT timer AND attempts = 0 AND why IS NULL")],
        Headway::Begun => &[
            page!("state = 0 AND NOT timer AND attempts > 0 AND why IS NULL"),
            page!("state = 0 AND timer AND due_at <= $4 AND attempts > 0 AND why IS NULL"),
        ],
        Headway::Waiting => &[
            page!("state = 0 AND NOT timer AND why IS NOT NULL"),
            page!("state = 0 AND timer AND due_at <= $4 AND why IS NOT NULL"),
        ],
        Headway::Done => &[page!("state = 1")],
        Headway::Dead => &[page!("state = 2")],
        Headway::Superseded => &[page!("state = 3")],
    }
}

async fn events(work: &mut Work, filter: &EventFilter, now: Timestamp) -> Attempt<Vec<(u64, Entry)>> {
    let mut rows: Vec<EventRow> = Vec::new();
    for sql in filter.asked().into_iter().flat_map(pages) {
        // Planned for these values: which index is best depends on what is asked for.
        let page = work.rows::<EventRow>(sql).persistent(false);
        let page = page
            .bind(filter.before.map(signed))
            .bind(filter.person.as_ref().map(|person| person.as_str().to_owned()))
            .bind(nanos(now))
            .bind(signed(filter.limit));
        rows.extend(page.fetch_all(work.conn()).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.truncate(filter.limit);
    let mut steps = claim::steps(work, rows.iter().map(|row| row.seq).collect()).await?;
    let entries = rows.into_iter().map(|row| {
        let steps = steps.remove(&row.seq).unwrap_or_default();
        Ok((unsigned(row.seq), row.read(steps)?))
    });
    entries.collect()
}

async fn figures(work: &mut Work, now: Timestamp) -> Attempt<Figures> {
    let counts = work.rows::<(i64, i64, i64)>(
        "SELECT t.begun + d.begun, t.waiting + d.waiting, \
                (SELECT count(*) FROM event WHERE tenant = $1 AND state = 2) \
         FROM (SELECT count(*) FILTER (WHERE attempts > 0 AND why IS NULL) AS begun, \
                      count(*) FILTER (WHERE why IS NOT NULL) AS waiting \
               FROM event WHERE tenant = $1 AND state = 0 AND NOT timer) t, \
              (SELECT count(*) FILTER (WHERE attempts > 0 AND why IS NULL) AS begun, \
                      count(*) FILTER (WHERE why IS NOT NULL) AS waiting \
               FROM event WHERE tenant = $1 AND state = 0 AND timer AND due_at <= $2) d",
    );
    let (begun, waiting, dead) = counts.bind(nanos(now)).fetch_one(work.conn()).await?;
    Ok(Figures {
        begun: unsigned(begun),
        waiting: unsigned(waiting),
        dead: unsigned(dead),
    })
}

async fn told(work: &mut Work, from: Timestamp, until: Timestamp) -> Attempt<Vec<Told>> {
    let counts = work.rows::<(i64, String, i64)>(
        "SELECT due_at / $4, (event::json ->> 'kind') COLLATE \"C\", count(*) FROM event \
         WHERE tenant = $1 AND NOT timer AND due_at >= $2 AND due_at < $3 AND state <> 3 \
           AND event::json ->> 'kind' <> 'due' \
         GROUP BY 1, 2 ORDER BY 1, 2",
    );
    let counts = counts.bind(nanos(from)).bind(nanos(until)).bind(DAY);
    let counts = counts.fetch_all(work.conn()).await?.into_iter();
    let told =
        counts.map(|(day, kind, count)| Told::new(instant(day.saturating_mul(DAY)), kind, unsigned(count)));
    Ok(told.collect())
}

async fn coming(
    work: &mut Work,
    timers: &[Timer],
    from: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Attempt<Vec<Event>> {
    let names = timers
        .iter()
        .map(serde_json::to_value)
        .filter_map(std::result::Result::ok);
    let names: Vec<String> = names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let events = work.rows::<(i64, String)>(
        "SELECT seq, event FROM event \
         WHERE tenant = $1 AND state = 0 AND timer AND due_at >= $2 AND due_at < $3 \
           AND event::json ->> 'timer' = ANY ($4) ORDER BY due_at, seq LIMIT $5",
    );
    let events = events
        .bind(nanos(from))
        .bind(nanos(until))
        .bind(names)
        .bind(signed(limit));
    let events = events.fetch_all(work.conn()).await?;
    let events = events.iter();
    events
        .map(|(seq, event)| value("event", &format!("row {seq}"), event))
        .collect()
}

#[async_trait]
impl Survey for PostgresJournal {
    async fn events(&self, filter: &EventFilter, now: Timestamp) -> Result<Vec<(u64, Entry)>> {
        looking!(self, "list events", |work| events(work, filter, now).await)
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures> {
        looking!(self, "count events", |work| figures(work, now).await)
    }

    async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
        looking!(self, "count what was told", |work| told(work, from, until).await)
    }

    async fn coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Event>> {
        looking!(self, "read what comes up", |work| coming(
            work, timers, from, until, limit
        )
        .await)
    }
}
