//! The SQL of lanes: locking them, appending, and what becomes of the rest when a head ends.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::fault::Attempt;
use super::row::{self, is_replaced, nanos, signed, text, value};
use super::stage;
use super::work::Work;
use crate::error::{Error, ErrorKind};
use crate::event::{Accepted, Event};
use crate::journal::audit::{Deed, Note};
use crate::journal::write::State;
use crate::journal::{Appended, Observation, Row};
use crate::person::PersonKey;

/// Lanes that this transaction has locked: the number of the newest event of each.
pub(super) type Locked = HashMap<String, i64>;

/// Locks the lanes of these people until the commit, in the order of their keys, so that no two transactions wait for
/// each other; lanes that are new are made.
pub(super) async fn lock<'a>(
    work: &mut Work,
    people: impl Iterator<Item = &'a PersonKey>,
) -> Attempt<Locked> {
    let people: BTreeSet<&str> = people.map(PersonKey::as_str).collect();
    for person in &people {
        storable("person", person)?;
    }
    let people: Vec<&str> = people.into_iter().collect();
    if people.is_empty() {
        return Ok(Locked::new());
    }
    // One statement that makes or locks, row by row in this order: two would lock the new ones out of turn.
    let rows = work.rows::<(String, i64)>(
        "INSERT INTO lane (tenant, person) SELECT $1, unnest($2::text[]) \
         ON CONFLICT (tenant, person) DO UPDATE SET last_seq = lane.last_seq RETURNING person, last_seq",
    );
    let rows = rows.bind(people).fetch_all(work.conn()).await?;
    Ok(rows.into_iter().collect())
}

/// PostgreSQL keeps every character but one.
fn storable(what: &str, key: &str) -> Attempt<()> {
    if key.contains('\0') {
        let message =
            format!("the key of this {what} holds a NUL character, which PostgreSQL does not store: {key:?}");
        return Err(Error::new(ErrorKind::Invalid, message).into());
    }
    Ok(())
}

/// Text for people: what PostgreSQL does not keep is replaced.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Brings up to date what a claim looks at, after the lanes' events have changed. `last_seqs` where events were
/// appended; `free` are the lanes whose claims end.
pub(super) async fn refresh(work: &mut Work, locked: &Locked, free: &[&str]) -> Attempt<()> {
    let (people, last_seqs): (Vec<&str>, Vec<i64>) = locked
        .iter()
        .map(|(person, last_seq)| (person.as_str(), *last_seq))
        .unzip();
    if people.is_empty() {
        return Ok(());
    }
    if last_seqs.contains(&0) {
        // Somebody of whom nothing was accepted after all is not remembered.
        let empty = work
            .query("DELETE FROM lane WHERE tenant = $1 AND person = ANY ($2) AND last_seq = 0 AND fence = 0");
        let new = locked.iter().filter(|(_, last_seq)| **last_seq == 0);
        let empty = empty.bind(new.map(|(person, _)| person.as_str()).collect::<Vec<_>>());
        empty.execute(work.conn()).await?;
    }
    // A leave that was attempted has come due: what it overtook will not be the head again, nor will a lesser leave.
    let update = work.query(
        "UPDATE lane l SET last_seq = p.last_seq, \
                holder = CASE WHEN l.person = ANY ($4) THEN NULL ELSE l.holder END, \
                lease_until = CASE WHEN l.person = ANY ($4) THEN NULL ELSE l.lease_until END, \
                head_seq = f.seq, head_due = f.due_at, head_at = f.at, \
                leave_due = v.due_at, ready_at = r.at, ready_seq = r.seq \
         FROM unnest($2::text[], $3::bigint[]) AS p (person, last_seq) \
         LEFT JOIN LATERAL ( \
             SELECT urgent, due_at, lane_seq FROM event e \
             WHERE e.tenant = $1 AND e.person = p.person AND e.state = 0 AND e.leave \
               AND (e.attempts > 0 OR e.not_before > e.due_at) \
             ORDER BY urgent DESC, due_at DESC, lane_seq DESC LIMIT 1) a ON true \
         LEFT JOIN LATERAL ( \
             SELECT min(due_at) AS due_at FROM event e \
             WHERE e.tenant = $1 AND e.person = p.person AND e.state = 0 AND e.leave) v ON true \
         LEFT JOIN LATERAL ( \
             SELECT seq, due_at, greatest(due_at, not_before) AS at FROM ( \
                 SELECT seq, due_at, not_before, leave FROM event e \
                 WHERE e.tenant = $1 AND e.person = p.person AND e.state = 0 \
                 ORDER BY due_at, lane_seq LIMIT 1) first \
             WHERE NOT leave AND a.lane_seq IS NULL AND NOT EXISTS ( \
                 SELECT 1 FROM event k WHERE k.tenant = $1 AND k.person = p.person AND k.parked OFFSET 0)) f ON true \
         LEFT JOIN LATERAL ( \
             SELECT seq, at FROM ( \
                 SELECT e.seq, greatest(e.due_at, e.not_before) AS at FROM event e \
                 WHERE v.due_at IS NOT NULL \
                   AND e.tenant = $1 AND e.person = p.person AND e.state = 0 AND e.leave AND (a.lane_seq IS NULL \
                       OR (e.urgent, e.due_at, e.lane_seq) >= (a.urgent, a.due_at, a.lane_seq)) \
                 UNION ALL SELECT f.seq, f.at WHERE f.at IS NOT NULL) heads \
             ORDER BY at, seq LIMIT 1) r ON true \
         WHERE l.tenant = $1 AND l.person = p.person AND l.person = ANY ($2)",
    );
    update
        .bind(people)
        .bind(last_seqs)
        .bind(free)
        .execute(work.conn())
        .await?;
    Ok(())
}

/// What is to be accepted.
pub(super) enum Given<'a> {
    /// An event.
    Event(&'a Event),
    /// A record or a message that was staged: what it is an event of depends on what was accepted before it.
    Row(Row, Timestamp),
    /// A record with an id of its own.
    Seen(&'a Observation, Timestamp),
}

impl Given<'_> {
    fn person(&self) -> &PersonKey {
        match self {
            Self::Event(event) => &event.person,
            Self::Row(row, _) => row.person(),
            Self::Seen(seen, _) => &seen.person.key,
        }
    }

    /// The event that it is after `known`.
    fn event(&self, known: Option<&Accepted>) -> Option<Event> {
        match self {
            Self::Event(event) => Some((*event).clone()),
            Self::Row(row, now) => stage::event_of(row, known, *now),
            Self::Seen(seen, now) => {
                let id = seen.id.clone();
                Event::observed(known, &seen.person, *now).map(|event| Event { id, ..event })
            }
        }
    }
}

/// What accepting comes to, before anything is written.
#[derive(Default)]
struct Accepting {
    /// What became of each; `None` where nothing new was said.
    answers: Vec<Option<Appended>>,
    /// New events with their places in their lanes.
    fresh: Vec<(Event, i64)>,
    apart: Vec<Event>,
    accepted: HashMap<PersonKey, Accepted>,
    /// Ids that have not been looked up yet.
    unasked: Vec<String>,
}

impl Accepting {
    /// Goes through all of it in order. `known` holds for each id that was looked up the event that has it.
    fn of(
        given: &[Given<'_>],
        accepted: &HashMap<PersonKey, Accepted>,
        known: &HashMap<String, Option<Event>>,
        locked: &mut Locked,
    ) -> Self {
        let mut all = Self {
            accepted: HashMap::new(),
            ..Self::default()
        };
        let mut own: HashMap<String, Event> = HashMap::new();
        for given in given {
            let person = given.person();
            let before = all.accepted.get(person).or_else(|| accepted.get(person));
            let Some(event) = given.event(before) else {
                all.answers.push(None);
                continue;
            };
            let id = event.id.as_str();
            let stored = known.get(id);
            if stored.is_none() {
                all.unasked.push(id.to_owned());
            }
            let answer = if let Some(earlier) = stored.and_then(Option::as_ref).or_else(|| own.get(id)) {
                if earlier.says_the_same(&event) {
                    Appended::Duplicate
                } else {
                    all.apart.push(event);
                    Appended::Conflict
                }
            } else {
                let version = before.map_or(0, |accepted| accepted.version);
                if event.record.is_some() && version + 1 != event.version {
                    Appended::Stale
                } else {
                    if event.record.is_some() || event.news.is_some() {
                        let mut after = before.cloned().unwrap_or_default();
                        after.take(&event);
                        all.accepted.insert(person.clone(), after);
                    }
                    let last_seq = locked.entry(person.as_str().to_owned()).or_default();
                    *last_seq += 1;
                    own.insert(id.to_owned(), event.clone());
                    all.fresh.push((event, *last_seq));
                    Appended::New
                }
            };
            all.answers.push(Some(answer));
        }
        all
    }
}

/// Accepts all of it, each on its own terms, in order. The lanes are locked and are to be refreshed afterwards. Gives
/// back what became of each, and the events that are new.
pub(super) async fn accept(
    work: &mut Work,
    locked: &mut Locked,
    given: &[Given<'_>],
) -> Attempt<(Vec<Option<Appended>>, Vec<Event>)> {
    let people: Vec<&PersonKey> = given.iter().map(Given::person).collect();
    let accepted = accepted(work, &people).await?;
    let accepted: HashMap<PersonKey, Accepted> = people
        .into_iter()
        .cloned()
        .zip(accepted)
        .filter_map(|(person, accepted)| Some((person, accepted?)))
        .collect();
    let mut known: HashMap<String, Option<Event>> = HashMap::new();
    let all = loop {
        let mut seqs = locked.clone();
        let all = Accepting::of(given, &accepted, &known, &mut seqs);
        if all.unasked.is_empty() {
            *locked = seqs;
            break all;
        }
        for id in &all.unasked {
            storable("event", id)?;
        }
        let rows = work.rows::<(String, String)>(
            "SELECT e.id, e.event FROM unnest($2::text[]) AS k (id) \
             CROSS JOIN LATERAL (SELECT id, event FROM event WHERE tenant + 0 = $1 AND id = k.id OFFSET 0) e",
        );
        let rows = rows.bind(&all.unasked).fetch_all(work.conn()).await?;
        known.extend(all.unasked.into_iter().map(|id| (id, None)));
        for (id, event) in rows {
            let event = value("event", &id, &event)?;
            known.insert(id, Some(event));
        }
    };
    for event in &all.apart {
        stage::set_apart(work, event).await?;
    }
    insert(work, &all.fresh).await?;
    set_accepted(work, &all.accepted).await?;
    Ok((
        all.answers,
        all.fresh.into_iter().map(|(event, _)| event).collect(),
    ))
}

async fn insert(work: &mut Work, fresh: &[(Event, i64)]) -> Attempt<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let events = || fresh.iter().map(|(event, _)| event);
    let texts: Attempt<Vec<String>> = events()
        .map(|event| text("event", event.id.as_str(), event))
        .collect();
    let query = work.query(
        "INSERT INTO event (tenant, id, person, lane_seq, leave, urgent, timer, due_at, not_before, event) \
         SELECT $1, id, person, lane_seq, leave, urgent, timer, due_at, due_at, event \
         FROM unnest($2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::boolean[], $7::boolean[], \
                     $8::bigint[], $9::text[]) \
              WITH ORDINALITY AS e (id, person, lane_seq, leave, urgent, timer, due_at, event, at) ORDER BY at",
    );
    query
        .bind(events().map(|event| event.id.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.person.as_str()).collect::<Vec<_>>())
        .bind(fresh.iter().map(|(_, lane_seq)| *lane_seq).collect::<Vec<_>>())
        .bind(events().map(|event| event.kind.is_leave()).collect::<Vec<_>>())
        .bind(events().map(|event| event.kind.is_urgent()).collect::<Vec<_>>())
        .bind(events().map(is_replaced).collect::<Vec<_>>())
        .bind(events().map(|event| nanos(event.due_at)).collect::<Vec<_>>())
        .bind(texts?)
        .execute(work.conn())
        .await?;
    Ok(())
}

/// What has been accepted of these people, one answer per key, in order.
pub(super) async fn accepted(work: &mut Work, people: &[&PersonKey]) -> Attempt<Vec<Option<Accepted>>> {
    type Columns = (String, Option<i64>, Option<String>, Option<String>);
    let rows = work.rows::<Columns>(
        "SELECT k.person, p.version, p.record, p.news \
         FROM unnest($2::text[]) WITH ORDINALITY AS k (person, at) \
         LEFT JOIN LATERAL (SELECT version, record, news FROM person \
                            WHERE tenant = $1 AND person = k.person OFFSET 0) p ON true ORDER BY k.at",
    );
    let people: Vec<&str> = people.iter().map(|person| person.as_str()).collect();
    let rows = rows.bind(people).fetch_all(work.conn()).await?;
    let accepted = rows.iter().map(|(person, version, record, news)| {
        row::accepted(
            person,
            version.unwrap_or_default(),
            record.as_ref(),
            news.as_ref(),
        )
    });
    accepted.collect()
}

/// Writes what has been accepted of people.
async fn set_accepted(work: &mut Work, accepted: &HashMap<PersonKey, Accepted>) -> Attempt<()> {
    if accepted.is_empty() {
        return Ok(());
    }
    let (mut people, mut versions, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let (mut news, mut previous) = (Vec::new(), Vec::new());
    for (person, accepted) in accepted {
        let person = person.as_str();
        people.push(person);
        versions.push(signed(accepted.version));
        records.push(
            accepted
                .record
                .as_ref()
                .map(|record| text("record", person, record))
                .transpose()?,
        );
        let told = (!accepted.news.is_empty()).then(|| text("news", person, &accepted.news));
        news.push(told.transpose()?);
        previous.push(accepted.previous_id().map(PersonKey::as_str));
    }
    let query = work.query(
        "INSERT INTO person (tenant, person, version, record, news, previous) \
         SELECT $1, p.* FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[]) AS p \
         ON CONFLICT (tenant, person) DO UPDATE SET version = excluded.version, record = excluded.record, \
         news = excluded.news, previous = excluded.previous",
    );
    let query = query
        .bind(people)
        .bind(versions)
        .bind(records)
        .bind(news)
        .bind(previous);
    query.execute(work.conn()).await?;
    Ok(())
}

/// So many events are enough for a transaction of their own.
pub(super) const LARGE: usize = 32;

/// Appends a batch, and notes what is accepted.
pub(super) async fn append(work: &mut Work, batch: &[Event]) -> Attempt<Vec<Appended>> {
    let mut locked = lock(work, batch.iter().map(|event| &event.person)).await?;
    let given: Vec<Given<'_>> = batch.iter().map(Given::Event).collect();
    let (answers, fresh) = accept(work, &mut locked, &given).await?;
    refresh(work, &locked, &[]).await?;
    note_accepted(work, &fresh).await?;
    Ok(answers.into_iter().flatten().collect())
}

/// Notes what was accepted.
pub(super) async fn note_accepted(work: &mut Work, events: &[Event]) -> Attempt<()> {
    let texts = events.iter().map(|event| text("event", event.id.as_str(), event));
    let texts: Vec<String> = texts.collect::<Attempt<_>>()?;
    let notes = events.iter().zip(&texts).map(|(event, text)| {
        let note = Note::new(Deed::Accepted, &event.id, &event.person, text.as_bytes());
        note.detail(event.kind.as_str())
    });
    let notes = notes.collect();
    work.note_all(notes).await
}

/// Sets timers in lanes that are locked; one that was superseded before is pending again.
pub(super) async fn set_timers(work: &mut Work, locked: &mut Locked, timers: &[&Event]) -> Attempt<()> {
    if timers.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = timers.iter().map(|timer| timer.id.as_str()).collect();
    let again = work.column::<String>(
        "UPDATE event SET state = 0, not_before = due_at \
         WHERE tenant + 0 = $1 AND id = ANY ($2) AND state = 3 RETURNING id",
    );
    let again = again.bind(ids).fetch_all(work.conn()).await?;
    let new = timers
        .iter()
        .filter(|timer| !again.iter().any(|id| id == timer.id.as_str()));
    let new: Vec<Given<'_>> = new.map(|timer| Given::Event(timer)).collect();
    if !new.is_empty() {
        accept(work, locked, &new).await?;
    }
    Ok(())
}

/// Writes what is known of people.
pub(super) async fn set_states<'a>(
    work: &mut Work,
    states: impl Iterator<Item = (&'a PersonKey, &'a State)> + Send,
) -> Attempt<()> {
    let (mut people, mut texts, mut managers, mut waits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (person, state) in states {
        people.push(person.as_str());
        texts.push(state.text());
        managers.push(state.manager.as_ref().map(PersonKey::as_str));
        waits.push(state.waits);
    }
    let query = work.query(
        "INSERT INTO person (tenant, person, state, manager, waits) \
         SELECT $1, p.* FROM unnest($2::text[], $3::text[], $4::text[], $5::boolean[]) AS p \
         ON CONFLICT (tenant, person) DO UPDATE \
         SET state = excluded.state, manager = excluded.manager, waits = excluded.waits",
    );
    let query = query.bind(people).bind(texts).bind(managers).bind(waits);
    query.execute(work.conn()).await?;
    Ok(())
}
