//! The SQL of deliveries and of quarantine.

use std::collections::HashSet;

use jiff::Timestamp;

use super::decisions::decided;
use super::fault::{Attempt, Fault};
use super::lane::{self, Given};
use super::row::{DeliveryRow, delivery_number, delivery_state, nanos, signed, text, unsigned, value};
use super::work::Work;
use crate::event::{Accepted, Event, News};
use crate::journal::audit::{Deed, delivery};
use crate::journal::stage::{decision, elsewhere, overtaken, unknown};
use crate::journal::{Appended, DeliveryId, DeliveryState, Quarantined, Released, Row, Staged};

/// What a staged row is after `known`: an event, or nothing new.
pub(super) fn event_of(row: &Row, known: Option<&Accepted>, now: Timestamp) -> Option<Event> {
    match row {
        Row::Record { person } => Event::observed(known, person, now),
        Row::News { news } => Some(Event::told(News {
            heard_at: now,
            ..(**news).clone()
        })),
        Row::Withdrawn { .. } => None,
    }
}

/// Locks a delivery and expects it to stand there; its source and the number of its newest row.
async fn expect(work: &mut Work, id: DeliveryId, wanted: DeliveryState) -> Attempt<(String, i64)> {
    let row = work.rows::<(i64, String, i64)>(
        "SELECT state, source, last_row FROM delivery WHERE tenant = $1 AND id = $2 FOR UPDATE",
    );
    let row = row.bind(signed(id.0)).fetch_optional(work.conn()).await?;
    let (number, source, last_row) = row.ok_or_else(|| unknown(id))?;
    let state = delivery_state(number);
    if state == wanted {
        Ok((source, last_row))
    } else {
        Err(Fault::Refused(elsewhere(id, state)))
    }
}

async fn set(work: &mut Work, id: DeliveryId, to: DeliveryState) -> Attempt<()> {
    let update = work.query("UPDATE delivery SET state = $3 WHERE tenant = $1 AND id = $2");
    let update = update.bind(signed(id.0)).bind(delivery_number(to));
    update.execute(work.conn()).await?;
    if matches!(to, DeliveryState::Released | DeliveryState::Discarded) {
        let delete = work
            .query("DELETE FROM staged WHERE tenant = $1 AND delivery = $2")
            .bind(signed(id.0));
        delete.execute(work.conn()).await?;
    }
    Ok(())
}

/// The delivery is the last good one of its source.
async fn believe(work: &mut Work, id: DeliveryId) -> Attempt<()> {
    set(work, id, DeliveryState::Releasing).await?;
    let good = work.query(
        "INSERT INTO source (tenant, source, totals) \
         SELECT tenant, source, totals FROM delivery WHERE tenant = $1 AND id = $2 \
         ON CONFLICT (tenant, source) DO UPDATE SET totals = excluded.totals",
    );
    good.bind(signed(id.0)).execute(work.conn()).await?;
    Ok(())
}

pub(super) async fn open(work: &mut Work, source: &str, at: Timestamp) -> Attempt<DeliveryId> {
    let cut_off = work
        .column::<i64>("SELECT id FROM delivery WHERE tenant = $1 AND source = $2 AND state = 0 FOR UPDATE");
    for id in cut_off.bind(source).fetch_all(work.conn()).await? {
        set(work, DeliveryId(unsigned(id)), DeliveryState::Discarded).await?;
    }
    let id = work
        .column::<i64>("INSERT INTO delivery (tenant, source, opened_at) VALUES ($1, $2, $3) RETURNING id");
    let id = id.bind(source).bind(nanos(at)).fetch_one(work.conn()).await?;
    Ok(DeliveryId(unsigned(id)))
}

pub(super) async fn stage(work: &mut Work, id: DeliveryId, rows: &[Row]) -> Attempt<()> {
    let (_, mut at) = expect(work, id, DeliveryState::Open).await?;
    let mut withdrawn: HashSet<&str> = HashSet::new();
    let mut staged: Vec<(i64, &str, String)> = Vec::new();
    for row in rows {
        let person = row.person().as_str();
        if let Row::Withdrawn { .. } = row {
            withdrawn.insert(person);
            staged.retain(|(_, staged, _)| *staged != person);
            continue;
        }
        at += 1;
        staged.push((at, person, text("row", person, row)?));
    }
    if !withdrawn.is_empty() {
        // Rare: two profiles of one person that contradict each other.
        let delete =
            work.query("DELETE FROM staged WHERE tenant = $1 AND delivery = $2 AND person = ANY ($3)");
        let delete = delete
            .bind(signed(id.0))
            .bind(withdrawn.into_iter().collect::<Vec<_>>());
        delete.execute(work.conn()).await?;
    }
    let insert = work.query(
        "INSERT INTO staged (tenant, delivery, row, person, content) \
         SELECT $1, $2, s.* FROM unnest($3::bigint[], $4::text[], $5::text[]) AS s",
    );
    insert
        .bind(signed(id.0))
        .bind(staged.iter().map(|(at, ..)| *at).collect::<Vec<_>>())
        .bind(staged.iter().map(|(_, person, _)| *person).collect::<Vec<_>>())
        .bind(
            staged
                .iter()
                .map(|(.., content)| content.as_str())
                .collect::<Vec<_>>(),
        )
        .execute(work.conn())
        .await?;
    let update = work.query("UPDATE delivery SET last_row = $3 WHERE tenant = $1 AND id = $2");
    update.bind(signed(id.0)).bind(at).execute(work.conn()).await?;
    Ok(())
}

pub(super) async fn close(
    work: &mut Work,
    id: DeliveryId,
    totals: &serde_json::Value,
    findings: &[String],
) -> Attempt<()> {
    expect(work, id, DeliveryState::Open).await?;
    let update = work.query("UPDATE delivery SET totals = $3, findings = $4 WHERE tenant = $1 AND id = $2");
    let update = update
        .bind(signed(id.0))
        .bind(text("totals", "a delivery", totals)?);
    update
        .bind(text("findings", "a delivery", &findings)?)
        .execute(work.conn())
        .await?;
    if findings.is_empty() {
        believe(work, id).await
    } else {
        set(work, id, DeliveryState::Held).await
    }
}

pub(super) async fn decide(
    work: &mut Work,
    id: DeliveryId,
    release: bool,
    (by, reason): (&str, &str),
) -> Attempt<()> {
    let (source, _) = expect(work, id, DeliveryState::Held).await?;
    let newer = work.column::<bool>(
        "SELECT EXISTS (SELECT 1 FROM delivery \
         WHERE tenant = $1 AND source = $2 AND id > $3 AND state IN (2, 3))",
    );
    let newer = newer
        .bind(source)
        .bind(signed(id.0))
        .fetch_one(work.conn())
        .await?;
    if release && newer {
        return Err(Fault::Refused(overtaken(id)));
    }
    let update = work.query("UPDATE delivery SET decision = $3 WHERE tenant = $1 AND id = $2");
    update
        .bind(signed(id.0))
        .bind(lane::plain(&decision(release, by, reason)))
        .execute(work.conn())
        .await?;
    let deed = if release { Deed::Released } else { Deed::Discarded };
    decided(work, deed, &delivery(id), by, reason).await?;
    if release {
        believe(work, id).await
    } else {
        set(work, id, DeliveryState::Discarded).await
    }
}

pub(super) async fn release_some(
    work: &mut Work,
    id: DeliveryId,
    max: usize,
    now: Timestamp,
) -> Attempt<Released> {
    expect(work, id, DeliveryState::Releasing).await?;
    let rows = work.rows::<(i64, String)>(
        "SELECT row, content FROM staged WHERE tenant = $1 AND delivery = $2 ORDER BY row LIMIT $3",
    );
    let rows = rows
        .bind(signed(id.0))
        .bind(signed(max))
        .fetch_all(work.conn())
        .await?;
    let mut given = Vec::with_capacity(rows.len());
    for (_, content) in &rows {
        let row: Row = value("row", &format!("delivery {id}"), content)?;
        given.push(row);
    }
    let mut locked = lane::lock(work, given.iter().map(Row::person)).await?;
    let given: Vec<Given<'_>> = given.into_iter().map(|row| Given::Row(row, now)).collect();
    let (answers, fresh) = lane::accept(work, &mut locked, &given).await?;
    lane::refresh(work, &locked, &[]).await?;
    let mut released = Released {
        over: rows.len() < max,
        ..Released::default()
    };
    for answer in answers {
        match answer {
            Some(Appended::New) => released.events += 1,
            Some(Appended::Conflict) => released.quarantined += 1,
            _ => released.unchanged += 1,
        }
    }
    let done = work.query("DELETE FROM staged WHERE tenant = $1 AND delivery = $2 AND row = ANY ($3)");
    let done = done
        .bind(signed(id.0))
        .bind(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    done.execute(work.conn()).await?;
    lane::note_accepted(work, &fresh).await?;
    if released.over {
        set(work, id, DeliveryState::Released).await?;
    }
    Ok(released)
}

/// Keeps an event whose id is known with other content, once.
pub(super) async fn set_apart(work: &mut Work, event: &Event) -> Attempt<()> {
    let id = event.id.as_str();
    let known = work.column::<String>("SELECT event FROM quarantine WHERE tenant = $1 AND id = $2");
    for known in known.bind(id).fetch_all(work.conn()).await? {
        if value::<Event>("event", id, &known)?.says_the_same(event) {
            return Ok(());
        }
    }
    let apart = work.query("INSERT INTO quarantine (tenant, id, person, event) VALUES ($1, $2, $3, $4)");
    let apart = apart
        .bind(id)
        .bind(event.person.as_str())
        .bind(text("event", id, event)?);
    apart.execute(work.conn()).await?;
    Ok(())
}

pub(super) async fn quarantine(work: &mut Work) -> Attempt<Vec<Quarantined>> {
    let rows = work.column::<String>("SELECT event FROM quarantine WHERE tenant = $1 ORDER BY seq");
    let rows = rows.fetch_all(work.conn()).await?;
    let events = rows.iter().map(|event| value("event", "quarantine", event));
    events.map(|event| event.map(Quarantined::new)).collect()
}

/// One delivery, or all that are not over.
pub(super) async fn deliveries(work: &mut Work, id: Option<DeliveryId>) -> Attempt<Vec<Staged>> {
    let rows = work.rows::<DeliveryRow>(
        "SELECT id, source, opened_at, state, \
         (SELECT count(*) FROM staged s WHERE s.tenant = d.tenant AND s.delivery = d.id) AS rows, findings, decision \
         FROM delivery d WHERE tenant = $1 AND (id = $2 OR ($2 IS NULL AND state < 3)) ORDER BY id",
    );
    let rows = rows
        .bind(id.map(|id| signed(id.0)))
        .fetch_all(work.conn())
        .await?;
    rows.into_iter().map(DeliveryRow::read).collect()
}
