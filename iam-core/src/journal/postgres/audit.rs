//! The SQL of the audit: entries behind the last one, in the transaction of what they tell of; and erasing somebody.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::fault::{Attempt, Fault};
use super::row::{AuditRow, nanos, optional, signed, text, unsigned, value};
use super::work::{Reached, Start, Work};
use super::{decisions, exchange};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventId};
use crate::journal::PersonState;
use crate::journal::audit::{self, AuditEntry, Checkpoint, Deed, Kept, Note};
use crate::journal::restore;
use crate::person::PersonKey;

/// The entries of these notes, without their places in the chain.
pub(super) async fn entries_of(work: &mut Work, notes: Vec<Note<'_>>) -> Attempt<Vec<AuditEntry>> {
    salts(work, notes.iter().map(|note| note.person).collect()).await?;
    let at = SystemClock.now();
    let entries = notes.into_iter().filter_map(|note| {
        let salt = work.salts.get(note.person.as_str())?;
        Some(note.sealed(salt, at))
    });
    Ok(entries.collect())
}

/// Reads or makes the salts of these people.
async fn salts(work: &mut Work, people: BTreeSet<&PersonKey>) -> Attempt<()> {
    let people: Vec<&str> = people.into_iter().map(PersonKey::as_str).collect();
    let missing: Vec<&str> = people
        .into_iter()
        .filter(|person| !work.salts.contains_key(*person))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    // Whoever notes something of somebody has locked their lane: nobody else makes their salt meanwhile.
    let made: Vec<String> = missing.iter().map(|_| audit::salt()).collect();
    let rows = work.rows::<(String, String)>(
        "WITH asked AS (SELECT * FROM unnest($2::text[], $3::text[]) AS a (person, salt)), \
              known AS (SELECT k.person, k.salt FROM asked a \
                        CROSS JOIN LATERAL (SELECT person, salt FROM pseudonym \
                                            WHERE tenant = $1 AND person = a.person OFFSET 0) k), \
              made AS (INSERT INTO pseudonym (tenant, person, salt) \
                       SELECT $1, a.person, a.salt FROM asked a \
                       WHERE a.person COLLATE \"C\" NOT IN (SELECT person FROM known) RETURNING person, salt) \
         SELECT person, salt FROM known UNION ALL SELECT person, salt FROM made",
    );
    let rows = rows.bind(missing).bind(made).fetch_all(work.conn()).await?;
    work.salts.extend(rows);
    Ok(())
}

/// Puts entries behind the last one; the new end. A journal that this process has seen further along has gone back in
/// time: nothing is written to it.
pub(super) async fn chain(
    work: &mut Work,
    entries: Vec<AuditEntry>,
    start: &Start,
) -> Attempt<Option<Checkpoint>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let reached = start.reached().clone();
    // As long as nobody else writes, the end is where this process has left it.
    if start.alone.load(Ordering::Relaxed)
        && let Some(end) = add(work, &entries, &reached).await?
    {
        return Ok(Some(end));
    }
    let last = work.rows::<(i64, String, String)>(
        "SELECT h.sequence, h.hash, t.epoch FROM audit_head h JOIN tenant t ON t.tenant = h.tenant \
         WHERE h.tenant = $1 FOR UPDATE OF h",
    );
    let (sequence, hash, epoch) = last.fetch_one(work.conn()).await?;
    let sequence = unsigned(sequence);
    let last = Reached {
        epoch,
        end: Checkpoint { sequence, hash },
    };
    if reached.epoch != last.epoch {
        return Err(restore::adopted().into());
    }
    let (behind, level) = (
        last.end.sequence < reached.end.sequence,
        last.end.sequence == reached.end.sequence,
    );
    if behind || (level && last.end != reached.end) {
        return Err(restore::gone_back(&last.end, &reached.end).into());
    }
    start.alone.store(level, Ordering::Relaxed);
    let end = add(work, &entries, &last).await?;
    end.ok_or_else(|| sqlx::Error::RowNotFound.into()).map(Some)
}

/// Puts entries behind the end, if it is `last`, and moves it: the new one.
async fn add(work: &mut Work, entries: &[AuditEntry], last: &Reached) -> Attempt<Option<Checkpoint>> {
    let mut end = last.end.clone();
    let mut chained = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = entry.clone().behind(&end);
        end = entry.place();
        chained.push(entry);
    }
    let strings = |of: fn(&AuditEntry) -> &str| chained.iter().map(of).collect::<Vec<_>>();
    let add = work.query(
        "WITH moved AS ( \
             UPDATE audit_head h SET sequence = $12, hash = $13 FROM tenant t \
             WHERE h.tenant = $1 AND h.sequence = $14 AND h.hash = $15 AND t.tenant = $1 AND t.epoch = $16 \
             RETURNING h.tenant) \
         INSERT INTO audit (tenant, sequence, at, deed, detail, event, subject, actor, digest, previous, hash) \
         SELECT m.tenant, a.* FROM moved m, unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
                                       $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]) AS a",
    );
    let add = add
        .bind(
            chained
                .iter()
                .map(|entry| signed(entry.sequence))
                .collect::<Vec<_>>(),
        )
        .bind(chained.iter().map(|entry| nanos(entry.at)).collect::<Vec<_>>())
        .bind(strings(|entry| entry.deed.as_str()))
        .bind(strings(|entry| &entry.detail))
        .bind(
            chained
                .iter()
                .map(|entry| entry.event.as_ref().map(EventId::as_str))
                .collect::<Vec<_>>(),
        )
        .bind(strings(|entry| &entry.subject))
        .bind(
            chained
                .iter()
                .map(|entry| entry.actor.as_deref())
                .collect::<Vec<_>>(),
        )
        .bind(strings(|entry| &entry.digest))
        .bind(strings(|entry| &entry.previous))
        .bind(strings(|entry| &entry.hash))
        .bind(signed(end.sequence))
        .bind(end.hash.as_str())
        .bind(signed(last.end.sequence))
        .bind(last.end.hash.as_str())
        .bind(last.epoch.as_str());
    let added = add.execute(work.conn()).await?.rows_affected();
    Ok((added > 0).then_some(end))
}

/// The epoch, and the end of the chain: what a process that opens the journal knows of it.
pub(super) async fn reached(work: &mut Work) -> Attempt<Reached> {
    let epoch = work.column::<String>("SELECT epoch FROM tenant WHERE tenant = $1");
    Ok(Reached {
        epoch: epoch.fetch_one(work.conn()).await?,
        end: head(work).await?,
    })
}

/// Begins a new epoch, and notes who decided so. Whoever has the journal open writes nothing more to it.
pub(super) async fn adopt(work: &mut Work, nobody: &PersonKey, by: &str, reason: &str) -> Attempt<()> {
    let epoch = work.column::<String>(
        "UPDATE tenant SET epoch = gen_random_uuid()::text WHERE tenant = $1 RETURNING epoch",
    );
    let epoch = epoch.fetch_one(work.conn()).await?;
    let end = head(work).await?;
    work.adopts(epoch, end);
    work.note(Note::decided(Deed::Adopted, None, nobody, by, reason))
        .await
}

/// The end of the chain, as it was last written down.
pub(super) async fn head(work: &mut Work) -> Attempt<Checkpoint> {
    let head = work.rows::<(i64, String)>("SELECT sequence, hash FROM audit_head WHERE tenant = $1");
    let (sequence, hash) = head.fetch_one(work.conn()).await?;
    let sequence = unsigned(sequence);
    Ok(Checkpoint { sequence, hash })
}

/// The name under which somebody stands in the audit.
pub(super) async fn pseudonym(work: &mut Work, person: &PersonKey) -> Attempt<Option<String>> {
    let salt = work.column::<String>("SELECT salt FROM pseudonym WHERE tenant = $1 AND person = $2");
    let salt = salt.bind(person.as_str()).fetch_optional(work.conn()).await?;
    Ok(salt.map(|salt| audit::pseudonym(&salt, person)))
}

/// At most `limit` entries behind `after`. What was accepted is compared with the event as it is kept.
pub(super) async fn entries(work: &mut Work, after: u64, limit: usize) -> Attempt<Vec<(AuditEntry, Kept)>> {
    let rows = work.rows::<AuditRow>(
        "SELECT a.sequence, a.at, a.deed, a.detail, a.event, a.subject, a.actor, a.digest, a.previous, a.hash, \
                e.event AS payload, p.salt \
         FROM audit a \
         LEFT JOIN LATERAL (SELECT event, person FROM event \
                            WHERE tenant + 0 = $1 AND id = a.event AND a.deed = 'accepted' OFFSET 0) e ON true \
         LEFT JOIN LATERAL (SELECT salt FROM pseudonym \
                            WHERE tenant = $1 AND person = e.person OFFSET 0) p ON true \
         WHERE a.tenant = $1 AND a.sequence > $2 ORDER BY a.sequence LIMIT $3",
    );
    let rows = rows
        .bind(signed(after))
        .bind(signed(limit))
        .fetch_all(work.conn())
        .await?;
    rows.into_iter().map(AuditRow::read).collect()
}

/// Destroys what is known of somebody: record, state, plans, steps, names, and who they are in the audit.
pub(super) async fn erase(work: &mut Work, person: &PersonKey, by: &str, reason: &str) -> Attempt<()> {
    let held = work.column::<bool>(
        "SELECT coalesce(lease_until > clock_timestamp(), false) FROM lane \
         WHERE tenant = $1 AND person = $2 FOR UPDATE",
    );
    let held = held.bind(person.as_str()).fetch_optional(work.conn()).await?;
    let unknown = || {
        let message = format!("the journal knows nobody by {person}");
        Err(Fault::Refused(Error::new(ErrorKind::NotFound, message)))
    };
    let Some(held) = held else { return unknown() };
    let refuse = |why: &str| {
        let message = format!("{person} cannot be erased: {why}");
        Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)))
    };
    if held {
        return refuse("an event of theirs is being worked on");
    }
    let known = work.column::<Option<String>>("SELECT state FROM person WHERE tenant = $1 AND person = $2");
    let known = known.bind(person.as_str()).fetch_optional(work.conn()).await?;
    let state = known.as_ref().and_then(Option::as_ref);
    let state: Option<PersonState> = optional("state", person.as_str(), state)?;
    let open = work.column::<bool>(
        "SELECT EXISTS (SELECT 1 FROM event WHERE tenant = $1 AND person = $2 AND state IN (0, 2))",
    );
    let open = open.bind(person.as_str()).fetch_one(work.conn()).await?;
    if known.is_none() && !open {
        return unknown();
    }
    if let Some(why) = audit::keeps(state.as_ref(), open) {
        return refuse(why);
    }
    work.note(Note::decided(Deed::Erased, None, person, by, reason))
        .await?;
    forget(work, person).await
}

async fn forget(work: &mut Work, person: &PersonKey) -> Attempt<()> {
    let nobody = PersonKey::new(format!("erased-{}", uuid::Uuid::new_v4().simple()));
    let (old, new) = (person.as_str(), nobody.as_str());
    let moved = work.query(
        "INSERT INTO lane (tenant, person, last_seq, fence) \
         SELECT tenant, $3, last_seq, fence FROM lane WHERE tenant = $1 AND person = $2",
    );
    moved.bind(old).bind(new).execute(work.conn()).await?;
    for statement in [
        "DELETE FROM step WHERE tenant = $1 \
         AND event IN (SELECT seq FROM event WHERE tenant = $1 AND person = $2)",
        "DELETE FROM ask WHERE tenant = $1 AND person = $2",
        "DELETE FROM name WHERE tenant + 0 = $1 AND person = $2",
        "DELETE FROM pseudonym WHERE tenant = $1 AND person = $2",
        "DELETE FROM person WHERE tenant = $1 AND person = $2",
        "DELETE FROM staged WHERE tenant = $1 AND person = $2",
        "DELETE FROM quarantine WHERE tenant = $1 AND person = $2",
    ] {
        let forget = work.query(statement).bind(old);
        forget.execute(work.conn()).await?;
    }
    exchange::forget(work, person).await?;
    decisions::rename_manager(work, old, new).await?;
    let rows = work.rows::<(i64, String)>("SELECT seq, event FROM event WHERE tenant = $1 AND person = $2");
    for (seq, event) in rows.bind(old).fetch_all(work.conn()).await? {
        let mut event: Event = value("event", "somebody who is erased", &event)?;
        event.person = nobody.clone();
        (event.record, event.news) = (None, None);
        let empty = work.query(
            "UPDATE event SET person = $3, event = $4, plan = NULL, why = NULL \
             WHERE tenant - $1 = 0 AND seq = $2",
        );
        let empty = empty.bind(seq).bind(new).bind(text("event", new, &event)?);
        empty.execute(work.conn()).await?;
    }
    let gone = work
        .query("DELETE FROM lane WHERE tenant = $1 AND person = $2")
        .bind(old);
    gone.execute(work.conn()).await?;
    Ok(())
}
