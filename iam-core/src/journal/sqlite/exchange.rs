//! The SQL of what is exchanged by message: receipts, dead letters, bookmarks.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::fault::{Attempt, Fault};
use super::row::{LetterRow, nanos, signed, text, unsigned, value};
use super::writer::{Writer, begin, note_accepted};
use super::{SqliteJournal, TENANT, audit, lane, stage};
use crate::error::Result;
use crate::event::Event;
use crate::journal::Appended;
use crate::journal::audit::{Deed, Note};
use crate::journal::exchange::{
    Burial, Exchange, Letter, LetterId, LetterState, Observation, closed_by, fingerprint, last_name,
    letter_over, no_letter, noted_as, subject,
};
use crate::person::PersonKey;

#[async_trait]
impl Exchange for SqliteJournal {
    async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>> {
        let mut writer = self.writer().await?;
        let answer = writer.observe(seen, now).await;
        writer.told("accept records", answer)
    }

    async fn bury(&self, burial: Burial<'_>) -> Result<LetterId> {
        let mut writer = self.writer().await?;
        let answer = writer.bury(burial).await;
        writer.told("keep a dead letter", answer)
    }

    async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        let read = async {
            let rows: Vec<LetterRow> = sqlx::query_as(
                "SELECT id, message, data, person, reason, received_at, state, decision FROM letter \
                 WHERE tenant = ?1 AND state = 0 AND id > ?2 ORDER BY id LIMIT ?3",
            )
            .bind(TENANT)
            .bind(after.map_or(0, |after| signed(after.0)))
            .bind(signed(limit))
            .fetch_all(&self.0.readers)
            .await?;
            rows.into_iter().map(LetterRow::read).collect::<Attempt<_>>()
        };
        read.await
            .map_err(|fault: Fault| fault.during("read dead letters"))
    }

    async fn letter(&self, id: LetterId) -> Result<Option<Letter>> {
        let read = async { one(&mut *self.0.readers.acquire().await?, id).await };
        read.await
            .map_err(|fault: Fault| fault.during("read a dead letter"))
    }

    async fn close_letter(&self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Result<()> {
        let mut writer = self.writer().await?;
        let answer = writer.close_letter(id, accepted, by, reason).await;
        writer.told("close a dead letter", answer)
    }

    async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
        let read = async {
            let noted: Option<(i64, String)> =
                sqlx::query_as("SELECT version, value FROM bookmark WHERE tenant = ?1 AND name = ?2")
                    .bind(TENANT)
                    .bind(name)
                    .fetch_optional(&self.0.readers)
                    .await?;
            let noted = noted.map(|(version, noted)| {
                value("bookmark", name, &noted).map(|noted| (unsigned(version), noted))
            });
            noted.transpose()
        };
        read.await.map_err(|fault: Fault| fault.during("read a bookmark"))
    }

    async fn set_bookmark(&self, name: &str, version: u64, noted: &serde_json::Value) -> Result<bool> {
        let mut writer = self.writer().await?;
        let answer = writer.set_bookmark(name, version, noted).await;
        writer.told("set a bookmark", answer)
    }

    async fn bookmarks(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>> {
        let read = async {
            let noted: Vec<(String, String)> = sqlx::query_as(
                "SELECT name, value FROM bookmark WHERE tenant = ?1 AND name >= ?2 AND name < ?3 \
                 ORDER BY name DESC LIMIT ?4",
            )
            .bind(TENANT)
            .bind(prefix)
            .bind(last_name(prefix, before))
            .bind(signed(limit))
            .fetch_all(&self.0.readers)
            .await?;
            let noted = noted.into_iter();
            noted
                .map(|(name, noted)| value("bookmark", &name, &noted).map(|noted| (name, noted)))
                .collect::<Attempt<Vec<_>>>()
        };
        read.await.map_err(|fault: Fault| fault.during("list bookmarks"))
    }
}

async fn one(conn: &mut SqliteConnection, id: LetterId) -> Attempt<Option<Letter>> {
    let row: Option<LetterRow> = sqlx::query_as(
        "SELECT id, message, data, person, reason, received_at, state, decision FROM letter \
         WHERE tenant = ?1 AND id = ?2",
    )
    .bind(TENANT)
    .bind(signed(id.0))
    .fetch_optional(conn)
    .await?;
    row.map(LetterRow::read).transpose()
}

/// One record, on its own terms; the event when it says something new.
async fn observe(
    conn: &mut SqliteConnection,
    seen: &Observation,
    now: Timestamp,
) -> Attempt<(Appended, Option<Event>)> {
    let (id, person) = (seen.id.as_str(), seen.person.key.as_str());
    let digest = seen.person.fingerprint();
    let known: Option<Option<String>> =
        sqlx::query_scalar("SELECT digest FROM receipt WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(id)
            .fetch_optional(&mut *conn)
            .await?;
    if let Some(known) = known {
        if known.is_none_or(|known| known == digest) {
            return Ok((Appended::Duplicate, None));
        }
        stage::set_apart(conn, &seen.apart(now)).await?;
        return Ok((Appended::Conflict, None));
    }
    sqlx::query("INSERT INTO receipt (tenant, id, person, digest) VALUES (?1, ?2, ?3, ?4)")
        .bind(TENANT)
        .bind(id)
        .bind(person)
        .bind(digest)
        .execute(&mut *conn)
        .await?;
    if let Some(at) = seen.at {
        let newest: Option<i64> = sqlx::query_scalar(
            "INSERT INTO newest (tenant, source, person, at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (tenant, source, person) DO UPDATE SET at = excluded.at WHERE excluded.at >= at \
             RETURNING at",
        )
        .bind(TENANT)
        .bind(&seen.source)
        .bind(person)
        .bind(nanos(at))
        .fetch_optional(&mut *conn)
        .await?;
        if newest.is_none() {
            return Ok((Appended::Duplicate, None));
        }
    }
    let latest = stage::accepted(conn, &seen.person.key).await?;
    let Some(event) = Event::observed(latest.as_ref(), &seen.person, now) else {
        return Ok((Appended::Duplicate, None));
    };
    let event = Event {
        id: seen.id.clone(),
        ..event
    };
    Ok((lane::append(conn, &event).await?, Some(event)))
}

/// Nothing of this person is kept; the ids of their records stay known.
pub(super) async fn forget(conn: &mut SqliteConnection, person: &PersonKey) -> Attempt<()> {
    for statement in [
        "UPDATE receipt SET person = NULL, digest = NULL WHERE tenant = ?1 AND person = ?2",
        "DELETE FROM newest WHERE tenant = ?1 AND person = ?2",
        "UPDATE letter SET data = NULL, person = NULL, decision = NULL, \
         state = CASE state WHEN 0 THEN 2 ELSE state END WHERE tenant = ?1 AND person = ?2",
    ] {
        sqlx::query(statement)
            .bind(TENANT)
            .bind(person.as_str())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

impl Writer {
    async fn observe(&mut self, seen: &[Observation], now: Timestamp) -> Attempt<Vec<Appended>> {
        let mut tx = begin(&mut self.conn).await?;
        let (mut answers, mut accepted) = (Vec::with_capacity(seen.len()), Vec::new());
        for seen in seen {
            let (answer, event) = observe(&mut tx, seen, now).await?;
            accepted.extend(event.filter(|_| answer == Appended::New));
            answers.push(answer);
        }
        note_accepted(&mut tx, &accepted.iter().collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(answers)
    }

    async fn bury(&mut self, burial: Burial<'_>) -> Attempt<LetterId> {
        let Burial {
            message,
            person,
            reason,
            at,
        } = burial;
        let digest = fingerprint(message);
        let mut tx = begin(&mut self.conn).await?;
        let new: Option<i64> = sqlx::query_scalar(
            "INSERT INTO letter (tenant, source, message_id, digest, message, data, person, reason, received_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(TENANT)
        .bind(&message.source)
        .bind(&message.id)
        .bind(&digest)
        .bind(text("message", "a dead letter", message)?)
        .bind(message.data.as_slice())
        .bind(person.map(PersonKey::as_str))
        .bind(reason)
        .bind(nanos(at))
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(id) = new {
            let (event, whose) = (noted_as(message), subject(person));
            let note = Note::new(Deed::Refused, &event, &whose, &message.data);
            audit::add(&mut tx, note).await?;
            tx.commit().await?;
            return Ok(LetterId(unsigned(id)));
        }
        let known: i64 = sqlx::query_scalar(
            "SELECT id FROM letter WHERE tenant = ?1 AND source = ?2 AND message_id = ?3 AND digest = ?4",
        )
        .bind(TENANT)
        .bind(&message.source)
        .bind(&message.id)
        .bind(&digest)
        .fetch_one(&mut *tx)
        .await?;
        Ok(LetterId(unsigned(known)))
    }

    async fn close_letter(&mut self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Attempt<()> {
        let mut tx = begin(&mut self.conn).await?;
        let letter = one(&mut tx, id).await?;
        let letter = letter.ok_or_else(|| Fault::Refused(no_letter(id)))?;
        if letter.state != LetterState::Open {
            return Err(Fault::Refused(letter_over(id)));
        }
        sqlx::query("UPDATE letter SET state = ?3, decision = ?4, data = NULL WHERE tenant = ?1 AND id = ?2")
            .bind(TENANT)
            .bind(signed(id.0))
            .bind(if accepted { 1 } else { 2 })
            .bind(closed_by(accepted, by, reason))
            .execute(&mut *tx)
            .await?;
        let (event, whose) = (noted_as(&letter.message), subject(letter.person.as_ref()));
        let deed = if accepted {
            Deed::Corrected
        } else {
            Deed::Discarded
        };
        audit::add(&mut tx, Note::decided(deed, Some(&event), &whose, by, reason)).await?;
        Ok(tx.commit().await?)
    }

    async fn set_bookmark(&mut self, name: &str, version: u64, noted: &serde_json::Value) -> Attempt<bool> {
        let noted = text("bookmark", name, noted)?;
        let mut tx = begin(&mut self.conn).await?;
        let done = if version == 0 {
            sqlx::query(
                "INSERT INTO bookmark (tenant, name, version, value) VALUES (?1, ?2, ?3 + 1, ?4) \
                 ON CONFLICT DO NOTHING",
            )
        } else {
            sqlx::query(
                "UPDATE bookmark SET version = version + 1, value = ?4 \
                 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
            )
        };
        let done = done
            .bind(TENANT)
            .bind(name)
            .bind(signed(version))
            .bind(noted)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}
