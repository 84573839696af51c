//! The SQL of what is exchanged by message: receipts, dead letters, bookmarks.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::fault::{Attempt, Fault};
use super::lane::{self, Given};
use super::row::{LetterRow, nanos, signed, text, unsigned, value};
use super::work::Work;
use super::{PostgresJournal, looking, stage, writing};
use crate::error::Result;
use crate::journal::Appended;
use crate::journal::audit::{Deed, Note};
use crate::journal::exchange::{
    Burial, Exchange, Letter, LetterId, LetterState, Observation, closed_by, fingerprint, last_name,
    letter_over, no_letter, noted_as, subject,
};
use crate::person::PersonKey;

#[async_trait]
impl Exchange for PostgresJournal {
    async fn observe(&self, seen: &[Observation], now: Timestamp) -> Result<Vec<Appended>> {
        let answers = writing!(self, "accept records", |work| observe(work, seen, now).await)?;
        self.0.wake.changed();
        Ok(answers)
    }

    async fn bury(&self, burial: Burial<'_>) -> Result<LetterId> {
        writing!(self, "keep a dead letter", |work| bury(work, burial).await)
    }

    async fn letters(&self, after: Option<LetterId>, limit: usize) -> Result<Vec<Letter>> {
        looking!(self, "read dead letters", |work| letters(work, after, limit)
            .await)
    }

    async fn letter(&self, id: LetterId) -> Result<Option<Letter>> {
        looking!(self, "read a dead letter", |work| letter(work, id).await)
    }

    async fn close_letter(&self, id: LetterId, accepted: bool, by: &str, reason: &str) -> Result<()> {
        writing!(self, "close a dead letter", |work| {
            close_letter(work, id, accepted, by, reason).await
        })
    }

    async fn bookmark(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
        looking!(self, "read a bookmark", |work| bookmark(work, name).await)
    }

    async fn set_bookmark(&self, name: &str, version: u64, noted: &serde_json::Value) -> Result<bool> {
        writing!(self, "set a bookmark", |work| set_bookmark(
            work, name, version, noted
        )
        .await)
    }

    async fn bookmarks(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>> {
        looking!(self, "list bookmarks", |work| bookmarks(
            work, prefix, before, limit
        )
        .await)
    }
}

async fn observe(work: &mut Work, seen: &[Observation], now: Timestamp) -> Attempt<Vec<Appended>> {
    let mut locked = lane::lock(work, seen.iter().map(|seen| &seen.person.key)).await?;
    let mut receipts = receipts(work, seen).await?;
    let mut newest = newest(work, seen).await?;
    // What is known by its id, or older than what its source said, is out before anything is compared.
    let mut answers = Vec::with_capacity(seen.len());
    let (mut given, mut new, mut moved) = (Vec::new(), Vec::new(), HashMap::new());
    for seen in seen {
        let (id, person) = (seen.id.as_str(), seen.person.key.as_str());
        let digest = seen.person.fingerprint();
        if let Some(known) = receipts.get(id) {
            let same = known.as_ref().is_none_or(|known| *known == digest);
            if !same {
                stage::set_apart(work, &seen.apart(now)).await?;
            }
            answers.push(Some(if same {
                Appended::Duplicate
            } else {
                Appended::Conflict
            }));
            continue;
        }
        receipts.insert(id.to_owned(), Some(digest.clone()));
        new.push((id, person, digest));
        if let Some(at) = seen.at.map(nanos) {
            let place = (seen.source.clone(), person.to_owned());
            if newest.get(&place).is_some_and(|newest| at < *newest) {
                answers.push(Some(Appended::Duplicate));
                continue;
            }
            newest.insert(place.clone(), at);
            moved.insert(place, at);
        }
        answers.push(None);
        given.push(Given::Seen(seen, now));
    }
    let (accepted, fresh) = lane::accept(work, &mut locked, &given).await?;
    let mut accepted = accepted.into_iter();
    for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
        *answer = accepted.next().flatten().or(Some(Appended::Duplicate));
    }
    keep(work, &new, moved).await?;
    lane::refresh(work, &locked, &[]).await?;
    lane::note_accepted(work, &fresh).await?;
    Ok(answers.into_iter().flatten().collect())
}

/// The digests of the records whose ids are known; `None` of somebody who was erased.
async fn receipts(work: &mut Work, seen: &[Observation]) -> Attempt<HashMap<String, Option<String>>> {
    let known = work.rows::<(String, Option<String>)>(
        "SELECT r.id, r.digest FROM unnest($2::text[]) AS k (id) \
         CROSS JOIN LATERAL (SELECT id, digest FROM receipt WHERE tenant = $1 AND id = k.id OFFSET 0) r",
    );
    let ids: Vec<&str> = seen.iter().map(|seen| seen.id.as_str()).collect();
    Ok(known
        .bind(ids)
        .fetch_all(work.conn())
        .await?
        .into_iter()
        .collect())
}

/// When each source's newest record of each of these people was so.
async fn newest(work: &mut Work, seen: &[Observation]) -> Attempt<HashMap<(String, String), i64>> {
    let rows = work.rows::<(String, String, i64)>(
        "SELECT n.source, n.person, n.at FROM unnest($2::text[]) AS k (person) \
         CROSS JOIN LATERAL (SELECT source, person, at FROM newest \
                             WHERE tenant + 0 = $1 AND person = k.person OFFSET 0) n",
    );
    let people: Vec<&str> = seen.iter().map(|seen| seen.person.key.as_str()).collect();
    let rows = rows.bind(people).fetch_all(work.conn()).await?;
    Ok(rows
        .into_iter()
        .map(|(source, person, at)| ((source, person), at))
        .collect())
}

async fn keep(
    work: &mut Work,
    new: &[(&str, &str, String)],
    moved: HashMap<(String, String), i64>,
) -> Attempt<()> {
    if !new.is_empty() {
        let receipts = work.query(
            "INSERT INTO receipt (tenant, id, person, digest) \
             SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::text[]) AS r",
        );
        let receipts = receipts
            .bind(new.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
            .bind(new.iter().map(|(_, person, _)| *person).collect::<Vec<_>>())
            .bind(new.iter().map(|(.., digest)| digest.as_str()).collect::<Vec<_>>());
        receipts.execute(work.conn()).await?;
    }
    for ((source, person), at) in moved {
        let set = work.query(
            "INSERT INTO newest (tenant, source, person, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, source, person) DO UPDATE SET at = excluded.at",
        );
        set.bind(source)
            .bind(person)
            .bind(at)
            .execute(work.conn())
            .await?;
    }
    Ok(())
}

async fn bury(work: &mut Work, burial: Burial<'_>) -> Attempt<LetterId> {
    let Burial {
        message,
        person,
        reason,
        at,
    } = burial;
    let digest = fingerprint(message);
    let new = work.column::<i64>(
        "INSERT INTO letter (tenant, source, message_id, digest, message, data, person, reason, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
    );
    let new = new
        .bind(lane::plain(&message.source))
        .bind(lane::plain(&message.id))
        .bind(digest.as_str())
        .bind(text("message", "a dead letter", message)?)
        .bind(message.data.as_slice())
        .bind(person.map(|person| lane::plain(person.as_str())))
        .bind(lane::plain(reason))
        .bind(nanos(at));
    if let Some(id) = new.fetch_optional(work.conn()).await? {
        let (event, whose) = (noted_as(message), subject(person));
        work.note(Note::new(Deed::Refused, &event, &whose, &message.data))
            .await?;
        return Ok(LetterId(unsigned(id)));
    }
    let known = work.column::<i64>(
        "SELECT id FROM letter WHERE tenant = $1 AND source = $2 AND message_id = $3 AND digest = $4",
    );
    let known = known
        .bind(lane::plain(&message.source))
        .bind(lane::plain(&message.id))
        .bind(digest.as_str());
    Ok(LetterId(unsigned(known.fetch_one(work.conn()).await?)))
}

async fn letters(work: &mut Work, after: Option<LetterId>, limit: usize) -> Attempt<Vec<Letter>> {
    let rows = work.rows::<LetterRow>(
        "SELECT id, message, data, person, reason, received_at, state, decision FROM letter \
         WHERE tenant = $1 AND state = 0 AND id > $2 ORDER BY id LIMIT $3",
    );
    let rows = rows
        .bind(after.map_or(0, |after| signed(after.0)))
        .bind(signed(limit));
    let rows = rows.fetch_all(work.conn()).await?;
    rows.into_iter().map(LetterRow::read).collect()
}

async fn letter(work: &mut Work, id: LetterId) -> Attempt<Option<Letter>> {
    let row = work.rows::<LetterRow>(
        "SELECT id, message, data, person, reason, received_at, state, decision FROM letter \
         WHERE tenant = $1 AND id = $2",
    );
    let row = row.bind(signed(id.0)).fetch_optional(work.conn()).await?;
    row.map(LetterRow::read).transpose()
}

async fn close_letter(work: &mut Work, id: LetterId, accepted: bool, by: &str, reason: &str) -> Attempt<()> {
    let lock = work.query("SELECT 1 FROM letter WHERE tenant = $1 AND id = $2 FOR UPDATE");
    lock.bind(signed(id.0)).execute(work.conn()).await?;
    let letter = letter(work, id).await?.ok_or_else(|| no_letter(id))?;
    if letter.state != LetterState::Open {
        return Err(Fault::Refused(letter_over(id)));
    }
    let close =
        work.query("UPDATE letter SET state = $3, decision = $4, data = NULL WHERE tenant = $1 AND id = $2");
    let close = close.bind(signed(id.0)).bind(if accepted { 1_i64 } else { 2 });
    close
        .bind(lane::plain(&closed_by(accepted, by, reason)))
        .execute(work.conn())
        .await?;
    let (event, whose) = (noted_as(&letter.message), subject(letter.person.as_ref()));
    let deed = if accepted {
        Deed::Corrected
    } else {
        Deed::Discarded
    };
    work.note(Note::decided(deed, Some(&event), &whose, by, reason))
        .await
}

async fn bookmark(work: &mut Work, name: &str) -> Attempt<Option<(u64, serde_json::Value)>> {
    let noted =
        work.rows::<(i64, String)>("SELECT version, value FROM bookmark WHERE tenant = $1 AND name = $2");
    let noted = noted.bind(name).fetch_optional(work.conn()).await?;
    let noted =
        noted.map(|(version, noted)| value("bookmark", name, &noted).map(|noted| (unsigned(version), noted)));
    noted.transpose()
}

async fn bookmarks(
    work: &mut Work,
    prefix: &str,
    before: Option<&str>,
    limit: usize,
) -> Attempt<Vec<(String, serde_json::Value)>> {
    let noted = work.rows::<(String, String)>(
        "SELECT name, value FROM bookmark WHERE tenant = $1 AND name >= $2 AND name < $3 \
         ORDER BY name DESC LIMIT $4",
    );
    let noted = noted
        .bind(prefix)
        .bind(last_name(prefix, before))
        .bind(signed(limit))
        .fetch_all(work.conn())
        .await?;
    let noted = noted.into_iter();
    noted
        .map(|(name, noted)| value("bookmark", &name, &noted).map(|noted| (name, noted)))
        .collect()
}

async fn set_bookmark(work: &mut Work, name: &str, version: u64, noted: &serde_json::Value) -> Attempt<bool> {
    let set = work.query(if version == 0 {
        "INSERT INTO bookmark (tenant, name, version, value) VALUES ($1, $2, $3 + 1, $4) ON CONFLICT DO NOTHING"
    } else {
        "UPDATE bookmark SET version = version + 1, value = $4 WHERE tenant = $1 AND name = $2 AND version = $3"
    });
    let set = set
        .bind(name)
        .bind(signed(version))
        .bind(text("bookmark", name, noted)?);
    Ok(set.execute(work.conn()).await?.rows_affected() == 1)
}

/// Nothing of this person is kept; the ids of their records stay known.
pub(super) async fn forget(work: &mut Work, person: &PersonKey) -> Attempt<()> {
    for statement in [
        "UPDATE receipt SET person = NULL, digest = NULL WHERE tenant = $1 AND person = $2",
        "DELETE FROM newest WHERE tenant + 0 = $1 AND person = $2",
        "UPDATE letter SET data = NULL, person = NULL, decision = NULL, \
         state = CASE state WHEN 0 THEN 2 ELSE state END WHERE tenant = $1 AND person = $2",
    ] {
        let forget = work.query(statement).bind(person.as_str());
        forget.execute(work.conn()).await?;
    }
    Ok(())
}
