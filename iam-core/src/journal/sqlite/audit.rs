//! The SQL of the audit: entries behind the last one, in the transaction of what they tell of; and erasing somebody.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use serde_json::json;
use sqlx::SqliteConnection;

use super::TENANT;
use super::exchange;
use super::fault::{Attempt, Fault};
use super::row::{AuditRow, nanos, signed, text, unsigned, value};
use super::writer::{Writer, begin};
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventId};
use crate::journal::PersonState;
use crate::journal::audit::{self, Checkpoint, Deed, Note};
use crate::person::PersonKey;

/// Adds an entry.
pub(super) async fn add(conn: &mut SqliteConnection, note: Note<'_>) -> Attempt<()> {
    add_all(conn, vec![note]).await
}

/// Adds entries, in order.
pub(super) async fn add_all(conn: &mut SqliteConnection, notes: Vec<Note<'_>>) -> Attempt<()> {
    let mut salts = Salts::default();
    let last = head(&mut *conn).await?;
    let end = chain(&mut *conn, &last, notes, &mut salts).await?;
    if end.sequence == last.sequence {
        return Ok(());
    }
    set_head(conn, &end).await
}

/// Adds entries behind `last`, in order; the new end, which is not written down yet.
pub(super) async fn chain(
    conn: &mut SqliteConnection,
    last: &Checkpoint,
    notes: Vec<Note<'_>>,
    salts: &mut Salts,
) -> Attempt<Checkpoint> {
    let mut end = last.clone();
    if notes.is_empty() {
        return Ok(end);
    }
    salts.read(conn, notes.iter().map(|note| note.person)).await?;
    let at = SystemClock.now();
    let mut rows = Vec::with_capacity(notes.len());
    for note in notes {
        let salt = salts.of(note.person)?;
        let entry = note.entry(&end, salt, at);
        rows.push(json!([
            signed(entry.sequence),
            nanos(entry.at),
            entry.deed.as_str(),
            entry.detail,
            entry.event.as_ref().map(EventId::as_str),
            entry.subject,
            entry.actor,
            entry.digest,
            entry.previous,
            entry.hash,
        ]));
        end = entry.place();
    }
    sqlx::query(
        "INSERT INTO audit (tenant, sequence, at, deed, detail, event, subject, actor, digest, previous, hash) \
         SELECT ?1, a.value ->> 0, a.value ->> 1, a.value ->> 2, a.value ->> 3, a.value ->> 4, a.value ->> 5, \
                a.value ->> 6, a.value ->> 7, a.value ->> 8, a.value ->> 9 FROM json_each(?2) a ORDER BY a.key",
    )
    .bind(TENANT)
    .bind(text("entries", "the audit", &rows)?)
    .execute(conn)
    .await?;
    Ok(end)
}

/// Writes the end of the chain down.
pub(super) async fn set_head(conn: &mut SqliteConnection, last: &Checkpoint) -> Attempt<()> {
    sqlx::query(
        "INSERT INTO audit_head (tenant, sequence, hash) VALUES (?1, ?2, ?3) \
         ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
    )
    .bind(TENANT)
    .bind(signed(last.sequence))
    .bind(&last.hash)
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds an entry about no one person.
pub(super) async fn decided(
    conn: &mut SqliteConnection,
    deed: Deed,
    what: &str,
    by: &str,
    reason: &str,
) -> Attempt<()> {
    add(
        conn,
        Note::decided(deed, None, &audit::nobody(), by, reason).detail(what),
    )
    .await
}

/// Notes by which policy work is done from now on; whether that is another one than before.
pub(super) async fn in_force(conn: &mut SqliteConnection, policy: &str, by: &str) -> Attempt<bool> {
    let mut tx = begin(conn).await?;
    let last: Option<String> = sqlx::query_scalar(
        "SELECT detail FROM audit WHERE tenant = ?1 AND deed = 'in_force' ORDER BY sequence DESC LIMIT 1",
    )
    .bind(TENANT)
    .fetch_optional(&mut *tx)
    .await?;
    if last.as_deref() == Some(policy) {
        return Ok(false);
    }
    decided(&mut tx, Deed::InForce, policy, by, "").await?;
    tx.commit().await?;
    Ok(true)
}

/// The end of the chain, as it was last written down.
pub(super) async fn head(conn: &mut SqliteConnection) -> Attempt<Checkpoint> {
    let head: Option<(i64, String)> =
        sqlx::query_as("SELECT sequence, hash FROM audit_head WHERE tenant = ?1")
            .bind(TENANT)
            .fetch_optional(conn)
            .await?;
    Ok(
        head.map_or_else(Checkpoint::default, |(sequence, hash)| Checkpoint {
            sequence: unsigned(sequence),
            hash,
        }),
    )
}

/// The salts of those who were written about lately, so that they are not read again for each entry.
#[derive(Default)]
pub(super) struct Salts(HashMap<PersonKey, String>);

impl Salts {
    const MOST: usize = 4096;

    /// Reads or makes the salts of these people.
    async fn read(
        &mut self,
        conn: &mut SqliteConnection,
        people: impl Iterator<Item = &PersonKey> + Send,
    ) -> Attempt<()> {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        let missing: BTreeSet<&PersonKey> = people.filter(|person| !self.0.contains_key(*person)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys = text("keys", "the audit", &missing)?;
        let known: Vec<(String, String)> = sqlx::query_as(
            "SELECT person, salt FROM pseudonym WHERE tenant = ?1 AND person IN (SELECT value FROM json_each(?2))",
        )
        .bind(TENANT)
        .bind(keys)
        .fetch_all(&mut *conn)
        .await?;
        let known: HashMap<String, String> = known.into_iter().collect();
        let (mut salts, mut made) = (Vec::new(), Vec::new());
        for person in missing {
            let salt = known.get(person.as_str()).cloned().unwrap_or_else(|| {
                let salt = audit::salt();
                made.push(json!([person.as_str(), salt]));
                salt
            });
            salts.push((person.clone(), salt));
        }
        if !made.is_empty() {
            sqlx::query(
                "INSERT INTO pseudonym (tenant, person, salt) \
                 SELECT ?1, m.value ->> 0, m.value ->> 1 FROM json_each(?2) m",
            )
            .bind(TENANT)
            .bind(text("salts", "the audit", &made)?)
            .execute(conn)
            .await?;
        }
        self.0.extend(salts);
        Ok(())
    }

    /// The salt of somebody that was [read](Self::read).
    fn of(&self, person: &PersonKey) -> Attempt<&str> {
        let salt = self.0.get(person).map(String::as_str);
        salt.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

async fn known_salt(conn: &mut SqliteConnection, person: &PersonKey) -> Attempt<Option<String>> {
    let salt = sqlx::query_scalar("SELECT salt FROM pseudonym WHERE tenant = ?1 AND person = ?2")
        .bind(TENANT)
        .bind(person.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(salt)
}

/// The name under which somebody stands in the audit.
pub(super) async fn pseudonym(conn: &mut SqliteConnection, person: &PersonKey) -> Attempt<Option<String>> {
    let salt = known_salt(conn, person).await?;
    Ok(salt.map(|salt| audit::pseudonym(&salt, person)))
}

/// At most `limit` entries behind `after`. What was accepted is compared with the event as it is kept.
pub(super) async fn entries(conn: &mut SqliteConnection, after: u64, limit: usize) -> Attempt<Vec<AuditRow>> {
    let rows = sqlx::query_as(
        "SELECT a.sequence, a.at, a.deed, a.detail, a.event, a.subject, a.actor, a.digest, a.previous, a.hash, \
                e.event AS payload, p.salt \
         FROM audit a \
         LEFT JOIN event e ON e.tenant = a.tenant AND e.id = a.event AND a.deed = 'accepted' \
         LEFT JOIN pseudonym p ON p.tenant = a.tenant AND p.person = e.person \
         WHERE a.tenant = ?1 AND a.sequence > ?2 ORDER BY a.sequence LIMIT ?3",
    )
    .bind(TENANT)
    .bind(signed(after))
    .bind(signed(limit))
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Refuses to erase somebody who is not known or whose data is needed.
pub(super) async fn may_be_erased(conn: &mut SqliteConnection, person: &PersonKey) -> Attempt<()> {
    let known: Option<Option<String>> =
        sqlx::query_scalar("SELECT state FROM person WHERE tenant = ?1 AND person = ?2")
            .bind(TENANT)
            .bind(person.as_str())
            .fetch_optional(&mut *conn)
            .await?;
    let state: Option<&String> = known.as_ref().and_then(Option::as_ref);
    let state: Option<PersonState> = state
        .map(|state| value("state", person.as_str(), state))
        .transpose()?;
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM event WHERE tenant = ?1 AND person = ?2 AND state IN (0, 2)",
    )
    .bind(TENANT)
    .bind(person.as_str())
    .fetch_one(&mut *conn)
    .await?;
    if known.is_none() && open == 0 {
        let message = format!("the journal knows nobody by {person}");
        return Err(Fault::Refused(Error::new(ErrorKind::NotFound, message)));
    }
    if let Some(why) = audit::keeps(state.as_ref(), open != 0) {
        let message = format!("{person} cannot be erased: {why}");
        return Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)));
    }
    Ok(())
}

/// Destroys what is known of somebody, who is called `nobody` from then on: record, state, plans, steps, names, and who
/// they are in the audit.
pub(super) async fn erase(
    conn: &mut SqliteConnection,
    person: &PersonKey,
    nobody: &PersonKey,
    (by, reason): (&str, &str),
) -> Attempt<()> {
    add(&mut *conn, Note::decided(Deed::Erased, None, person, by, reason)).await?;
    exchange::forget(conn, person).await?;
    let (old, new) = (person.as_str(), nobody.as_str());
    for (statement, needs_new) in [
        (
            "INSERT INTO lane (tenant, person, last_seq, fence) \
             SELECT tenant, ?3, last_seq, fence FROM lane WHERE tenant = ?1 AND person = ?2",
            true,
        ),
        (
            "UPDATE person SET state = json_set(state, '$.record.manager_id', ?3), manager = ?3 \
             WHERE tenant = ?1 AND manager = ?2",
            true,
        ),
        (
            "UPDATE person SET record = json_set(record, '$.manager_id', ?3) \
             WHERE tenant = ?1 AND record ->> '$.manager_id' = ?2",
            true,
        ),
        (
            "DELETE FROM step WHERE tenant = ?1 \
             AND event IN (SELECT seq FROM event WHERE tenant = ?1 AND person = ?2)",
            false,
        ),
        ("DELETE FROM ask WHERE tenant = ?1 AND person = ?2", false),
        (
            "UPDATE archived SET person = NULL, digest = NULL WHERE tenant = ?1 AND person = ?2",
            false,
        ),
        ("DELETE FROM name WHERE tenant = ?1 AND person = ?2", false),
        ("DELETE FROM pseudonym WHERE tenant = ?1 AND person = ?2", false),
        ("DELETE FROM person WHERE tenant = ?1 AND person = ?2", false),
        ("DELETE FROM staged WHERE tenant = ?1 AND person = ?2", false),
        (
            "DELETE FROM quarantine WHERE tenant = ?1 AND event ->> '$.person' = ?2",
            false,
        ),
    ] {
        let query = sqlx::query(statement).bind(TENANT).bind(old);
        let query = if needs_new { query.bind(new) } else { query };
        query.execute(&mut *conn).await?;
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT seq, event FROM event WHERE tenant = ?1 AND person = ?2")
            .bind(TENANT)
            .bind(old)
            .fetch_all(&mut *conn)
            .await?;
    for (seq, event) in rows {
        sqlx::query("UPDATE event SET person = ?2, event = ?3, plan = NULL, why = NULL WHERE seq = ?1")
            .bind(seq)
            .bind(new)
            .bind(without(&event, nobody)?)
            .execute(&mut *conn)
            .await?;
    }
    sqlx::query("DELETE FROM lane WHERE tenant = ?1 AND person = ?2")
        .bind(TENANT)
        .bind(old)
        .execute(conn)
        .await?;
    Ok(())
}

impl Writer {
    /// Erases somebody here and in the archive.
    pub(super) async fn erase(&mut self, person: &PersonKey, by: &str, reason: &str) -> Attempt<()> {
        let busy = self.leases.get(person);
        if busy.is_some_and(|lease| lease.until > Instant::now()) {
            let message = format!("{person} cannot be erased: an event of theirs is being worked on");
            return Err(Fault::Refused(Error::new(ErrorKind::Conflict, message)));
        }
        may_be_erased(&mut self.conn, person).await?;
        let nobody = PersonKey::new(format!("erased-{}", uuid::Uuid::new_v4().simple()));
        // First there: whoever dies in between is asked again, and finds the rest.
        self.forget_shelved(person, &nobody).await?;
        let mut tx = begin(&mut self.conn).await?;
        erase(&mut tx, person, &nobody, (by, reason)).await?;
        tx.commit().await?;
        self.salts.clear();
        self.leases.remove(person);
        // What was overwritten still stands in the write-ahead log.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.conn)
            .await?;
        Ok(())
    }
}

/// The text of an event of somebody who is called `nobody` now.
pub(super) fn without(event: &str, nobody: &PersonKey) -> Attempt<String> {
    let mut event: Event = value("event", "somebody who is erased", event)?;
    event.person = nobody.clone();
    (event.record, event.news) = (None, None);
    text("event", nobody.as_str(), &event)
}
