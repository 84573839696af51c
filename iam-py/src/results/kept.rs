//! What the journal keeps: people, their timelines, what waits for somebody, and the audit.

use std::collections::BTreeMap;

use iam_core::event::EventKind;
use iam_core::journal::{self, Standing, audit};
use iam_core::plan::Owned;

use super::run::outcome_of;
use super::{Entitlement, Instant, List, Plan, results, word};
use crate::convert::Json;

results! {
    /// An account that the platform created or adopted.
    Account [id] {
        id: String,
        name: String,
    }

    /// Something that the platform granted.
    LedgerEntry [entitlement, rules, since, losing_since] {
        entitlement: Entitlement,
        rules: List<String>,
        event: String,
        since: Instant,
        grace_days: u32,
        losing_since: Option<Instant>,
        ends_at: Option<Instant>,
        policy: String,
    }

    /// What is known of one person.
    PersonState [person, lifecycle] {
        person: String,
        record: Option<Json>,
        lifecycle: String,
        accounts: BTreeMap<String, Account>,
        name: Option<String>,
        ledger: List<LedgerEntry>,
        left_at: Option<Instant>,
        waits_for: Option<String>,
    }

    /// One step of an event, as the journal knows it.
    StepRecord [step, outcome, at] {
        step: String,
        key: String,
        outcome: Option<String>,
        why: Option<String>,
        at: Option<Instant>,
    }

    /// One event with its whole story.
    TimelineEntry [event, person, kind, state, due_at, attempts] {
        event: String,
        person: String,
        kind: String,
        details: Json,
        due_at: Instant,
        entered_at: Instant,
        record: Option<Json>,
        state: String,
        attempts: u32,
        not_before: Instant,
        parked: bool,
        why: Option<String>,
        plan: Option<Plan>,
        steps: List<StepRecord>,
    }

    /// Why nothing happens for somebody.
    Waiting [state, event, at, since, attempts] {
        state: String,
        event: Option<String>,
        at: Option<Instant>,
        since: Option<Instant>,
        attempts: Option<u32>,
        why: Option<String>,
        by: Option<String>,
    }

    /// Work that nobody takes.
    Stalled [person, event, since] {
        person: String,
        event: String,
        since: Instant,
    }

    /// A plan that the guard has refused.
    Frozen [hash, state, people, steps] {
        hash: String,
        trips: List<String>,
        people: usize,
        steps: usize,
        planned_by: String,
        planned_at: Instant,
        state: String,
        is_open: bool,
        released_by: Option<String>,
        released_at: Option<Instant>,
        reason: Option<String>,
        ended_at: Option<Instant>,
    }

    /// A plan that counts against a limit of the guard, and waits for an answer.
    Ask [event, person, standing, asked_at] {
        event: String,
        person: String,
        leave: bool,
        urgent: bool,
        organisation: Option<String>,
        plan: Plan,
        asked_at: Instant,
        version: u64,
        standing: String,
        why: Option<String>,
        answered_at: Option<Instant>,
    }

    /// An event whose id was known with other content.
    Quarantined [event, person, kind, at] {
        event: String,
        person: String,
        kind: String,
        at: Instant,
    }

    /// A message that could not be understood.
    Letter [id, source, kind, state] {
        id: u64,
        source: String,
        message_id: String,
        kind: String,
        time: Option<Instant>,
        content_type: Option<String>,
        #[serde(serialize_with = "as_text")]
        data: Vec<u8>,
        person: Option<String>,
        reason: String,
        received_at: Instant,
        state: String,
        decision: Option<String>,
    }

    /// What became of a message.
    Taken [events, unchanged, quarantined, dead_letter] {
        events: u64,
        unchanged: u64,
        quarantined: u64,
        dead_letter: Option<u64>,
    }

    /// A delivery with what is known of it.
    Staged [id, source, state, rows] {
        id: u64,
        source: String,
        opened_at: Instant,
        state: String,
        rows: u64,
        findings: List<String>,
        decision: Option<String>,
    }

    /// One link of the audit.
    AuditEntry [sequence, at, deed, event] {
        sequence: u64,
        at: Instant,
        deed: String,
        detail: String,
        event: Option<String>,
        subject: String,
        actor: Option<String>,
        digest: String,
        previous: String,
        hash: String,
    }

    /// One thing that was looked at of the journal itself.
    HealthFinding [about, health, message] {
        about: String,
        health: String,
        message: String,
        text: String,
    }

    /// Whether the audit is whole.
    AuditCheck [is_whole, checkpoint, breach] {
        is_whole: bool,
        checkpoint: Option<String>,
        breach: Option<String>,
    }
}

super::spoken!(HealthFinding);

impl From<&journal::Finding> for HealthFinding {
    fn from(finding: &journal::Finding) -> Self {
        Self {
            about: finding.about.as_str().to_owned(),
            health: finding.health.to_string(),
            message: finding.message.clone(),
            text: finding.to_string(),
        }
    }
}

fn as_text<S: serde::Serializer>(data: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(data))
}

impl From<&Owned> for LedgerEntry {
    fn from(owned: &Owned) -> Self {
        Self {
            entitlement: (&owned.entitlement).into(),
            rules: owned.rules.iter().cloned().collect(),
            event: owned.event.to_string(),
            since: Instant(owned.since),
            grace_days: owned.grace_days,
            losing_since: owned.losing_since.map(Instant),
            ends_at: owned.ends_at().map(Instant),
            policy: owned.policy.clone(),
        }
    }
}

impl From<&journal::PersonState> for PersonState {
    fn from(state: &journal::PersonState) -> Self {
        let accounts = state.accounts.iter().map(|(target, account)| {
            let account = Account {
                id: account.id.clone(),
                name: account.name.clone(),
            };
            (target.to_string(), account)
        });
        Self {
            person: state.key.to_string(),
            record: state.record.as_ref().map(|record| Json::of(record)),
            lifecycle: word(&state.lifecycle),
            accounts: accounts.collect(),
            name: state.name.clone(),
            ledger: List::of(&state.ledger),
            left_at: state.left_at.map(Instant),
            waits_for: state.waits_for.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&journal::StepRecord> for StepRecord {
    fn from(record: &journal::StepRecord) -> Self {
        let outcome = record.outcome.as_ref().map(outcome_of);
        Self {
            step: record.step.to_string(),
            key: record.key.as_str().to_owned(),
            outcome: outcome.as_ref().map(|(word, ..)| (*word).to_owned()),
            why: outcome.and_then(|(.., why)| why),
            at: record.at.map(Instant),
        }
    }
}

impl From<&journal::Entry> for TimelineEntry {
    fn from(entry: &journal::Entry) -> Self {
        let event = &entry.event;
        let told = event.news.as_ref().and_then(|news| news.record.as_deref());
        Self {
            event: event.id.to_string(),
            person: event.person.to_string(),
            kind: event.kind.as_str().to_owned(),
            details: details(&event.kind),
            due_at: Instant(event.due_at),
            entered_at: Instant(event.entered_at),
            record: event.record.as_ref().or(told).map(|record| Json::of(record)),
            state: word(&entry.state),
            attempts: entry.attempts,
            not_before: Instant(entry.not_before),
            parked: entry.parked,
            why: entry.why.clone(),
            plan: entry.plan.as_ref().map(Into::into),
            steps: List::of(&entry.steps),
        }
    }
}

/// What a kind of event says besides its name.
fn details(kind: &EventKind) -> Json {
    let mut details = Json::of(kind);
    if let Some(fields) = details.0.as_object_mut() {
        fields.remove("kind");
    }
    details
}

impl From<&journal::Waiting> for Waiting {
    fn from(waiting: &journal::Waiting) -> Self {
        use journal::Waiting as Seen;
        let empty = |state: &str| Self {
            state: state.to_owned(),
            event: None,
            at: None,
            since: None,
            attempts: None,
            why: None,
            by: None,
        };
        match waiting {
            Seen::Until { event, at } => Self {
                event: Some(event.to_string()),
                at: Some(Instant(*at)),
                ..empty("until")
            },
            Seen::Ready { event, since } => Self {
                event: Some(event.to_string()),
                since: Some(Instant(*since)),
                ..empty("ready")
            },
            Seen::Retrying {
                event,
                at,
                attempts,
                why,
            } => Self {
                event: Some(event.to_string()),
                at: Some(Instant(*at)),
                attempts: Some(*attempts),
                why: Some(why.clone()),
                ..empty("retrying")
            },
            Seen::Asked { event, since } => Self {
                event: Some(event.to_string()),
                since: Some(Instant(*since)),
                ..empty("asked")
            },
            Seen::Parked { event, since, why } => Self {
                event: Some(event.to_string()),
                since: since.map(Instant),
                why: Some(why.clone()),
                ..empty("parked")
            },
            Seen::Claimed { event, by, since } => Self {
                event: Some(event.to_string()),
                since: Some(Instant(*since)),
                by: Some(by.clone()),
                ..empty("claimed")
            },
            _ => empty("nothing"),
        }
    }
}

impl From<&journal::Stalled> for Stalled {
    fn from(stalled: &journal::Stalled) -> Self {
        Self {
            person: stalled.person.to_string(),
            event: stalled.event.to_string(),
            since: Instant(stalled.since),
        }
    }
}

impl From<&journal::Frozen> for Frozen {
    fn from(frozen: &journal::Frozen) -> Self {
        let release = frozen.release.as_ref();
        Self {
            hash: frozen.hash.clone(),
            trips: frozen.trips.iter().cloned().collect(),
            people: frozen.people,
            steps: frozen.steps,
            planned_by: frozen.planned_by.clone(),
            planned_at: Instant(frozen.planned_at),
            state: word(&frozen.state),
            is_open: frozen.is_open(),
            released_by: release.map(|release| release.by.clone()),
            released_at: release.map(|release| Instant(release.at)),
            reason: release.map(|release| release.reason.clone()),
            ended_at: frozen.ended_at.map(Instant),
        }
    }
}

impl From<&journal::Ask> for Ask {
    fn from(ask: &journal::Ask) -> Self {
        let (standing, why) = match &ask.standing {
            Standing::Asked => ("asked", None),
            Standing::Granted => ("granted", None),
            Standing::Refused { why } => ("refused", Some(why.clone())),
            _ => ("other", None),
        };
        Self {
            event: ask.event.to_string(),
            person: ask.person.to_string(),
            leave: ask.leave,
            urgent: ask.urgent,
            organisation: ask.organisation.clone(),
            plan: (&ask.plan).into(),
            asked_at: Instant(ask.asked_at),
            version: ask.version,
            standing: standing.to_owned(),
            why,
            answered_at: ask.answered_at.map(Instant),
        }
    }
}

impl From<&journal::Quarantined> for Quarantined {
    fn from(apart: &journal::Quarantined) -> Self {
        Self {
            event: apart.event.id.to_string(),
            person: apart.event.person.to_string(),
            kind: apart.event.kind.as_str().to_owned(),
            at: Instant(apart.at),
        }
    }
}

impl From<&journal::Letter> for Letter {
    fn from(letter: &journal::Letter) -> Self {
        let message = &letter.message;
        Self {
            id: letter.id.0,
            source: message.source.clone(),
            message_id: message.id.clone(),
            kind: message.kind.clone(),
            time: message.time.map(Instant),
            content_type: message.content_type.clone(),
            data: message.data.clone(),
            person: letter.person.as_ref().map(ToString::to_string),
            reason: letter.reason.clone(),
            received_at: Instant(letter.received_at),
            state: word(&letter.state),
            decision: letter.decision.clone(),
        }
    }
}

impl From<&iam_core::engine::Taken> for Taken {
    fn from(taken: &iam_core::engine::Taken) -> Self {
        Self {
            events: taken.accepted.events,
            unchanged: taken.accepted.unchanged,
            quarantined: taken.accepted.quarantined,
            dead_letter: taken.dead_letter.map(|letter| letter.0),
        }
    }
}

impl From<&journal::Staged> for Staged {
    fn from(staged: &journal::Staged) -> Self {
        Self {
            id: staged.id.0,
            source: staged.source.clone(),
            opened_at: Instant(staged.opened_at),
            state: word(&staged.state),
            rows: staged.rows,
            findings: staged.findings.iter().cloned().collect(),
            decision: staged.decision.clone(),
        }
    }
}

impl From<&audit::AuditEntry> for AuditEntry {
    fn from(entry: &audit::AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: Instant(entry.at),
            deed: entry.deed.as_str().to_owned(),
            detail: entry.detail.clone(),
            event: entry.event.as_ref().map(ToString::to_string),
            subject: entry.subject.clone(),
            actor: entry.actor.clone(),
            digest: entry.digest.clone(),
            previous: entry.previous.clone(),
            hash: entry.hash.clone(),
        }
    }
}
