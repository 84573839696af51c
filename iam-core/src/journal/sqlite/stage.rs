//! The SQL of deliveries and of quarantine.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::TENANT;
use super::fault::{Attempt, Fault};
use super::row::{self, DeliveryRow, delivery_number, delivery_state, nanos, signed, text, unsigned, value};
use super::writer::{begin, note_accepted};
use super::{audit, lane};
use crate::event::{Accepted, Event, News};
use crate::journal::audit::{Deed, delivery};
use crate::journal::stage::{decision, elsewhere, overtaken, unknown};
use crate::journal::{Appended, DeliveryId, DeliveryState, Quarantined, Released, Row, Staged};
use crate::person::PersonKey;

/// Expects a delivery to stand there; its source.
async fn expect(conn: &mut SqliteConnection, id: DeliveryId, wanted: DeliveryState) -> Attempt<String> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT state, source FROM delivery WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(signed(id.0))
            .fetch_optional(conn)
            .await?;
    match row {
        None => Err(Fault::Refused(unknown(id))),
        Some((number, _)) if delivery_state(number) != wanted => {
            Err(Fault::Refused(elsewhere(id, delivery_state(number))))
        }
        Some((_, source)) => Ok(source),
    }
}

async fn set(conn: &mut SqliteConnection, id: DeliveryId, to: DeliveryState) -> Attempt<()> {
    sqlx::query("UPDATE delivery SET state = ?3 WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(signed(id.0))
        .bind(delivery_number(to))
        .execute(&mut *conn)
        .await?;
    if matches!(to, DeliveryState::Released | DeliveryState::Discarded) {
        sqlx::query("DELETE FROM staged WHERE tenant = ?1 AND delivery = ?2")
            .bind(TENANT)
            .bind(signed(id.0))
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// The delivery is the last good one of its source.
async fn believe(conn: &mut SqliteConnection, id: DeliveryId) -> Attempt<()> {
    set(conn, id, DeliveryState::Releasing).await?;
    sqlx::query(
        "INSERT INTO source (tenant, source, totals) \
         SELECT tenant, source, totals FROM delivery WHERE tenant = ?1 AND id = ?2 \
         ON CONFLICT (tenant, source) DO UPDATE SET totals = excluded.totals",
    )
    .bind(TENANT)
    .bind(signed(id.0))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn open(conn: &mut SqliteConnection, source: &str, at: Timestamp) -> Attempt<DeliveryId> {
    let mut tx = begin(conn).await?;
    let cut_off: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM delivery WHERE tenant = ?1 AND source = ?2 AND state = 0")
            .bind(TENANT)
            .bind(source)
            .fetch_all(&mut *tx)
            .await?;
    for id in cut_off {
        set(&mut tx, DeliveryId(unsigned(id)), DeliveryState::Discarded).await?;
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO delivery (tenant, source, opened_at) VALUES (?1, ?2, ?3) RETURNING id",
    )
    .bind(TENANT)
    .bind(source)
    .bind(nanos(at))
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(DeliveryId(unsigned(id)))
}

pub(super) async fn stage(conn: &mut SqliteConnection, id: DeliveryId, rows: &[Row]) -> Attempt<()> {
    let mut tx = begin(conn).await?;
    expect(&mut tx, id, DeliveryState::Open).await?;
    let mut at: i64 = sqlx::query_scalar("SELECT last_row FROM delivery WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(signed(id.0))
        .fetch_one(&mut *tx)
        .await?;
    for row in rows {
        let person = row.person().as_str();
        if let Row::Withdrawn { .. } = row {
            // Rare: two profiles of one person that contradict each other.
            sqlx::query("DELETE FROM staged WHERE tenant = ?1 AND delivery = ?2 AND person = ?3")
                .bind(TENANT)
                .bind(signed(id.0))
                .bind(person)
                .execute(&mut *tx)
                .await?;
            continue;
        }
        at += 1;
        sqlx::query(
            "INSERT INTO staged (tenant, delivery, row, person, content) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(TENANT)
        .bind(signed(id.0))
        .bind(at)
        .bind(person)
        .bind(text("row", person, row)?)
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query("UPDATE delivery SET last_row = ?3 WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(signed(id.0))
        .bind(at)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn close(
    conn: &mut SqliteConnection,
    id: DeliveryId,
    totals: &serde_json::Value,
    findings: &[String],
) -> Attempt<()> {
    let mut tx = begin(conn).await?;
    expect(&mut tx, id, DeliveryState::Open).await?;
    sqlx::query("UPDATE delivery SET totals = ?3, findings = ?4 WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(signed(id.0))
        .bind(text("totals", "a delivery", totals)?)
        .bind(text("findings", "a delivery", &findings)?)
        .execute(&mut *tx)
        .await?;
    if findings.is_empty() {
        believe(&mut tx, id).await?;
    } else {
        set(&mut tx, id, DeliveryState::Held).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn decide(
    conn: &mut SqliteConnection,
    id: DeliveryId,
    release: bool,
    (by, reason): (&str, &str),
) -> Attempt<()> {
    let mut tx = begin(conn).await?;
    let source = expect(&mut tx, id, DeliveryState::Held).await?;
    let newer: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM delivery WHERE tenant = ?1 AND source = ?2 AND id > ?3 AND state IN (2, 3)",
    )
    .bind(TENANT)
    .bind(source)
    .bind(signed(id.0))
    .fetch_one(&mut *tx)
    .await?;
    if release && newer > 0 {
        return Err(Fault::Refused(overtaken(id)));
    }
    sqlx::query("UPDATE delivery SET decision = ?3 WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(signed(id.0))
        .bind(decision(release, by, reason))
        .execute(&mut *tx)
        .await?;
    let deed = if release { Deed::Released } else { Deed::Discarded };
    audit::decided(&mut tx, deed, &delivery(id), by, reason).await?;
    if release {
        believe(&mut tx, id).await?;
    } else {
        set(&mut tx, id, DeliveryState::Discarded).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn release_some(
    conn: &mut SqliteConnection,
    id: DeliveryId,
    max: usize,
    now: Timestamp,
) -> Attempt<Released> {
    let mut tx = begin(conn).await?;
    expect(&mut tx, id, DeliveryState::Releasing).await?;
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT row, content FROM staged WHERE tenant = ?1 AND delivery = ?2 ORDER BY row LIMIT ?3",
    )
    .bind(TENANT)
    .bind(signed(id.0))
    .bind(signed(max))
    .fetch_all(&mut *tx)
    .await?;
    let mut released = Released {
        over: rows.len() < max,
        ..Released::default()
    };
    let mut accepted_now = Vec::new();
    for (at, content) in &rows {
        let event = match value("row", &format!("delivery {id}"), content)? {
            Row::Record { person } => {
                let known = accepted(&mut tx, &person.key).await?;
                Event::observed(known.as_ref(), &person, now)
            }
            Row::News { news } => Some(Event::told(News {
                heard_at: now,
                ..*news
            })),
            Row::Withdrawn { .. } => None,
        };
        let appended = match &event {
            Some(event) => Some(lane::append(&mut tx, event).await?),
            None => None,
        };
        match appended {
            Some(Appended::New) => {
                released.events += 1;
                accepted_now.extend(event);
            }
            Some(Appended::Conflict) => released.quarantined += 1,
            _ => released.unchanged += 1,
        }
        sqlx::query("DELETE FROM staged WHERE tenant = ?1 AND delivery = ?2 AND row = ?3")
            .bind(TENANT)
            .bind(signed(id.0))
            .bind(at)
            .execute(&mut *tx)
            .await?;
    }
    note_accepted(&mut tx, &accepted_now.iter().collect::<Vec<_>>()).await?;
    if released.over {
        set(&mut tx, id, DeliveryState::Released).await?;
    }
    tx.commit().await?;
    Ok(released)
}

/// What has been accepted of one person.
pub(super) async fn accepted(conn: &mut SqliteConnection, person: &PersonKey) -> Attempt<Option<Accepted>> {
    let row: Option<(i64, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT version, record, news FROM person WHERE tenant = ?1 AND person = ?2")
            .bind(TENANT)
            .bind(person.as_str())
            .fetch_optional(conn)
            .await?;
    let Some((version, record, news)) = row else {
        return Ok(None);
    };
    row::accepted(person.as_str(), version, record.as_ref(), news.as_ref())
}

/// Keeps an event whose id is known with other content, once.
pub(super) async fn set_apart(conn: &mut SqliteConnection, event: &Event) -> Attempt<()> {
    let id = event.id.as_str();
    let known: Vec<String> = sqlx::query_scalar("SELECT event FROM quarantine WHERE tenant = ?1 AND id = ?2")
        .bind(TENANT)
        .bind(id)
        .fetch_all(&mut *conn)
        .await?;
    for known in &known {
        if value::<Event>("event", id, known)?.says_the_same(event) {
            return Ok(());
        }
    }
    sqlx::query("INSERT INTO quarantine (tenant, id, event) VALUES (?1, ?2, ?3)")
        .bind(TENANT)
        .bind(id)
        .bind(text("event", id, event)?)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn quarantine(conn: &mut SqliteConnection) -> Attempt<Vec<Quarantined>> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT event FROM quarantine WHERE tenant = ?1 ORDER BY seq")
        .bind(TENANT)
        .fetch_all(conn)
        .await?;
    let events = rows.iter().map(|event| value("event", "quarantine", event));
    events.map(|event| event.map(Quarantined::new)).collect()
}

/// One delivery, or all that are not over.
pub(super) async fn deliveries(conn: &mut SqliteConnection, id: Option<DeliveryId>) -> Attempt<Vec<Staged>> {
    let rows: Vec<DeliveryRow> = sqlx::query_as(
        "SELECT id, source, opened_at, state, \
         (SELECT count(*) FROM staged s WHERE s.tenant = d.tenant AND s.delivery = d.id) AS rows, findings, decision \
         FROM delivery d WHERE tenant = ?1 AND (id = ?2 OR (?2 IS NULL AND state < 3)) ORDER BY id",
    )
    .bind(TENANT)
    .bind(id.map(|id| signed(id.0)))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(DeliveryRow::read).collect()
}
