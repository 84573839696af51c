//! The SQL of looking over many events: pages by how far they have come, and counts.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::archive::{ALL, taken_down};
use super::fault::{Attempt, Fault};
use super::lane;
use super::row::{EventRow, instant, nanos, signed, state_number, text, unsigned, value};
use super::writer::array;
use super::{SqliteJournal, TENANT};
use crate::error::Result;
use crate::event::{Event, Timer};
use crate::journal::{Entry, EventFilter, EventState, Figures, Headway, Survey, Told};

const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

/// Which of the pending events are meant.
fn pending(headway: Headway) -> Option<&'static str> {
    match headway {
        Headway::Accepted => Some("attempts = 0 AND why IS NULL"),
        Headway::Begun => Some("attempts > 0 AND why IS NULL"),
        Headway::Waiting => Some("why IS NOT NULL"),
        Headway::Done | Headway::Dead | Headway::Superseded => None,
    }
}

/// Where events are found that have come so far: the index, and what it holds. What was told and what timers say is found in
/// two places.
fn places(headway: Headway) -> Vec<(&'static str, String)> {
    let told = |meant| {
        (
            "INDEXED BY event_open",
            format!("state = 0 AND timer = 0 AND {meant}"),
        )
    };
    let timer = |meant| {
        (
            "INDEXED BY event_due",
            format!("state = 0 AND timer = 1 AND {meant}"),
        )
    };
    match (headway, pending(headway)) {
        // Timers that nobody has begun are no news.
        (Headway::Accepted, Some(meant)) => vec![told(meant)],
        (_, Some(meant)) => vec![told(meant), timer(meant)],
        (Headway::Dead, None) => vec![("INDEXED BY event_dead", "state = 2".to_owned())],
        (Headway::Superseded, None) => vec![("INDEXED BY event_superseded", "state = 3".to_owned())],
        // Most events are done: the newest are found from the end.
        (_, None) => vec![("NOT INDEXED", "state = 1".to_owned())],
    }
}

/// The page of events that have come so far; the query's first columns are those of [`EventRow`].
fn page(place: &(&'static str, String), filter: &EventFilter, now: Timestamp) -> QueryBuilder<Sqlite> {
    let (index, meant) = place;
    let columns = "SELECT seq, event, lane_seq, state, attempts, not_before, parked, why, plan FROM event";
    let mut sql = QueryBuilder::new(columns);
    if let Some(person) = &filter.person {
        // Of one person there are few: they are found by the lane.
        sql.push(" WHERE tenant = 1 AND person = ")
            .push_bind(person.as_str().to_owned());
        sql.push(" AND ").push(meant.as_str());
    } else {
        sql.push(" ")
            .push(index)
            .push(" WHERE tenant = 1 AND ")
            .push(meant.as_str());
        if *index == "INDEXED BY event_due" {
            sql.push(" AND due_at <= ").push_bind(nanos(now));
        }
    }
    narrowed(&mut sql, filter);
    sql.push(" LIMIT ").push_bind(signed(filter.limit));
    sql
}

fn narrowed(sql: &mut QueryBuilder<Sqlite>, filter: &EventFilter) {
    // The sign keeps the planner from walking all events for one person's.
    let seq = if filter.person.is_some() { "+seq" } else { "seq" };
    if let Some(before) = filter.before {
        sql.push(" AND ").push(seq).push(" < ").push_bind(signed(before));
    }
    sql.push(" ORDER BY ").push(seq).push(" DESC");
}

async fn pages(
    conn: &mut SqliteConnection,
    filter: &EventFilter,
    now: Timestamp,
) -> Attempt<Vec<(i64, Entry)>> {
    let mut rows: Vec<EventRow> = Vec::new();
    for place in filter.asked().into_iter().flat_map(places) {
        let mut sql = page(&place, filter, now);
        rows.extend(sql.build_query_as::<EventRow>().fetch_all(&mut *conn).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
    rows.truncate(filter.limit);
    let mut steps = lane::steps(conn, &array(rows.iter().map(|row| row.seq))).await?;
    let entries = rows.into_iter().map(|row| {
        let steps = steps.remove(&row.seq).unwrap_or_default();
        Ok((row.seq, row.read(steps)?))
    });
    entries.collect()
}

async fn counted(
    conn: &mut SqliteConnection,
    from: Timestamp,
    until: Timestamp,
) -> Attempt<Vec<(i64, String, i64)>> {
    let counts = sqlx::query_as(
        "SELECT due_at / ?4, event ->> '$.kind', count(*) FROM event INDEXED BY event_told \
         WHERE tenant = ?1 AND timer = 0 AND due_at >= ?2 AND due_at < ?3 AND state <> 3 \
           AND event ->> '$.kind' <> 'due' GROUP BY 1, 2",
    );
    let counts = counts.bind(TENANT).bind(nanos(from)).bind(nanos(until)).bind(DAY);
    Ok(counts.fetch_all(conn).await?)
}

impl SqliteJournal {
    async fn read_events(&self, filter: &EventFilter, now: Timestamp) -> Attempt<Vec<(u64, Entry)>> {
        let mut tx = self.0.readers.begin().await?;
        let mut entries = pages(&mut tx, filter, now).await?;
        tx.rollback().await?;
        // What is moved meanwhile was told already.
        let told = entries
            .iter()
            .map(|(_, entry)| entry.event.id.as_str().to_owned());
        let told: HashSet<String> = told.collect();
        let over = [
            (Headway::Done, EventState::Done),
            (Headway::Superseded, EventState::Superseded),
        ];
        let asked = filter.asked();
        for (_, state) in over.into_iter().filter(|(headway, _)| asked.contains(headway)) {
            let Some(readers) = self.0.archive.readers()? else {
                break;
            };
            let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(ALL);
            sql.push(" AND state = ").push(state_number(state));
            if let Some(person) = &filter.person {
                sql.push(" AND person = ").push_bind(person.as_str().to_owned());
            }
            narrowed(&mut sql, filter);
            // Some of them may have been told already: as many more.
            let limit = signed(filter.limit.saturating_add(told.len()));
            sql.push(" LIMIT ").push_bind(limit);
            entries.extend(taken_down(readers, sql, false, &told).await?);
        }
        entries.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        entries.truncate(filter.limit);
        let entries = entries.into_iter();
        Ok(entries.map(|(place, entry)| (unsigned(place), entry)).collect())
    }

    async fn read_told(&self, from: Timestamp, until: Timestamp) -> Attempt<Vec<Told>> {
        let mut conn = self.0.readers.acquire().await?;
        let mut counts: BTreeMap<(i64, String), i64> = BTreeMap::new();
        for (day, kind, count) in counted(&mut conn, from, until).await? {
            *counts.entry((day, kind)).or_default() += count;
        }
        if let Some(archive) = self.0.archive.readers()? {
            for (day, kind) in shelved(archive, &mut conn, from, until).await? {
                *counts.entry((day, kind)).or_default() += 1;
            }
        }
        let told = counts.into_iter();
        let told = told
            .map(|((day, kind), count)| Told::new(instant(day.saturating_mul(DAY)), kind, unsigned(count)));
        Ok(told.collect())
    }

    async fn read_figures(&self, now: Timestamp) -> Attempt<Figures> {
        let mut conn = self.0.readers.acquire().await?;
        let mut count = async |headway: Headway| {
            let mut all: i64 = 0;
            for (index, meant) in places(headway) {
                let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT count(*) FROM event ");
                sql.push(index).push(" WHERE tenant = 1 AND ").push(meant);
                if index == "INDEXED BY event_due" {
                    sql.push(" AND due_at <= ").push_bind(nanos(now));
                }
                let (some,): (i64,) = sql.build_query_as().fetch_one(&mut *conn).await?;
                all += some;
            }
            Attempt::Ok(unsigned(all))
        };
        Ok(Figures {
            begun: count(Headway::Begun).await?,
            waiting: count(Headway::Waiting).await?,
            dead: count(Headway::Dead).await?,
        })
    }

    async fn read_coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Attempt<Vec<Event>> {
        let events: Vec<(i64, String)> = sqlx::query_as(
            "SELECT seq, event FROM event INDEXED BY event_due \
             WHERE tenant = ?1 AND state = 0 AND due_at >= ?2 AND due_at < ?3 \
               AND event ->> '$.timer' IN (SELECT value FROM json_each(?4)) ORDER BY due_at, seq LIMIT ?5",
        )
        .bind(TENANT)
        .bind(nanos(from))
        .bind(nanos(until))
        .bind(text("timers", "a query", &timers)?)
        .bind(signed(limit))
        .fetch_all(&self.0.readers)
        .await?;
        let events = events.iter();
        events
            .map(|(seq, event)| value("event", &format!("row {seq}"), event))
            .collect()
    }
}

/// Day and kind of what was told and is in the archive alone.
async fn shelved(
    archive: &SqlitePool,
    conn: &mut SqliteConnection,
    from: Timestamp,
    until: Timestamp,
) -> Attempt<Vec<(i64, String)>> {
    let moved: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT id, due_at / ?3, event ->> '$.kind' FROM event \
         WHERE due_at >= ?1 AND due_at < ?2 AND state <> 3 AND event ->> '$.kind' <> 'due'",
    )
    .bind(nanos(from))
    .bind(nanos(until))
    .bind(DAY)
    .fetch_all(archive)
    .await?;
    let ids: Vec<&str> = moved.iter().map(|(id, ..)| id.as_str()).collect();
    // A move that was cut off has left it in both.
    let both: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM event WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))")
            .bind(TENANT)
            .bind(text("ids", "a query", &ids)?)
            .fetch_all(conn)
            .await?;
    let both: HashSet<String> = both.into_iter().map(|(id,)| id).collect();
    let moved = moved.into_iter().filter(|(id, ..)| !both.contains(id));
    Ok(moved.map(|(_, day, kind)| (day, kind)).collect())
}

#[async_trait]
impl Survey for SqliteJournal {
    async fn events(&self, filter: &EventFilter, now: Timestamp) -> Result<Vec<(u64, Entry)>> {
        let events = self.read_events(filter, now).await;
        events.map_err(|fault: Fault| fault.during("list events"))
    }

    async fn figures(&self, now: Timestamp) -> Result<Figures> {
        let figures = self.read_figures(now).await;
        figures.map_err(|fault: Fault| fault.during("count events"))
    }

    async fn told(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Told>> {
        let told = self.read_told(from, until).await;
        told.map_err(|fault: Fault| fault.during("count what was told"))
    }

    async fn coming(
        &self,
        timers: &[Timer],
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let coming = self.read_coming(timers, from, until, limit).await;
        coming.map_err(|fault: Fault| fault.during("read what comes up"))
    }
}
