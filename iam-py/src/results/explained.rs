//! Why somebody has something, or not; evidence; and where accounts are not as the platform left them.

use std::collections::BTreeMap;

use iam_core::engine;
use iam_core::plan::{self, Drift as Differs};

use super::{Day, Entitlement, Instant, LedgerEntry, List, results, word};
use crate::convert::Json;

results! {
    /// Why somebody holds something.
    Why [person, is_held] {
        person: String,
        what: String,
        is_held: bool,
        entitlement: Option<Entitlement>,
        held: List<String>,
        unread: List<String>,
        granted: Option<LedgerEntry>,
        event: Option<String>,
        event_kind: Option<String>,
        until: Option<Instant>,
        because: Option<String>,
        removed_by: List<String>,
        policy: Json,
        text: String,
    }

    /// Something that keeps somebody from holding something.
    Obstacle [kind] {
        kind: String,
        text: String,
        details: Json,
    }

    /// Why somebody does not hold something.
    WhyNot [person, is_held, obstacles] {
        person: String,
        what: String,
        is_held: bool,
        entitlement: Option<Entitlement>,
        held: List<String>,
        obstacles: List<Obstacle>,
        policy: Json,
        text: String,
    }

    /// One time for which somebody held something.
    Holding [entitlement, given_at, removed_at, held_now] {
        entitlement: Entitlement,
        rules: List<String>,
        given_at: Option<Instant>,
        removed_at: Option<Instant>,
        removed_by: Option<String>,
        held_now: Option<bool>,
        on_last_day: Option<bool>,
    }

    /// Everything that the platform knows of one person's access.
    Evidence [person, made_at, lifecycle, held] {
        person: String,
        made_at: Instant,
        policy: String,
        lifecycle: String,
        first_day: Option<Day>,
        last_day: Option<Day>,
        left_at: Option<Instant>,
        accounts: BTreeMap<String, String>,
        held: List<Holding>,
        /// The whole, with every event and step.
        details: Json,
        text: String,
    }

    /// One thing that is not as the platform left it.
    Drift [target, kind] {
        target: String,
        kind: String,
        entitlement: Option<Entitlement>,
        details: Json,
    }

    /// Where one person's accounts are not as the platform left them.
    PersonDrift [person, found, unknown, pending] {
        person: String,
        found: List<Drift>,
        unknown: List<String>,
        pending: bool,
        is_clean: bool,
        text: String,
    }

    /// Where accounts are not as the platform left them.
    DriftReport [looked_at, differ, unknown] {
        looked_at: u64,
        differ: u64,
        unknown: u64,
        people: List<PersonDrift>,
    }
}
super::spoken!(Why, WhyNot, Obstacle, Evidence, PersonDrift);

fn ways(held: &[plan::Holding]) -> List<String> {
    held.iter().map(ToString::to_string).collect()
}

impl From<&engine::Why> for Why {
    fn from(why: &engine::Why) -> Self {
        let origin = why.origin.as_ref();
        Self {
            person: why.person.to_string(),
            what: why.what.to_string(),
            is_held: why.is_held(),
            entitlement: why.entitlement.as_ref().map(Into::into),
            held: ways(&why.held),
            unread: why.unread.iter().cloned().collect(),
            granted: why.granted.as_ref().map(Into::into),
            event: origin.map(|origin| origin.event.to_string()),
            event_kind: origin.and_then(|origin| origin.kind).map(ToOwned::to_owned),
            until: why.until.as_ref().map(|until| Instant(until.at)),
            because: why.until.as_ref().map(|until| until.because.clone()),
            removed_by: why.removed_by.iter().cloned().collect(),
            policy: Json::of(&why.policy),
            text: why.to_string(),
        }
    }
}

impl From<&engine::Obstacle> for Obstacle {
    fn from(obstacle: &engine::Obstacle) -> Self {
        let mut details = Json::of(obstacle);
        let kind = details
            .0
            .as_object_mut()
            .and_then(|fields| fields.remove("obstacle"));
        Self {
            kind: kind.map(|kind| word(&kind)).unwrap_or_default(),
            text: obstacle.to_string(),
            details,
        }
    }
}

impl From<&engine::WhyNot> for WhyNot {
    fn from(why: &engine::WhyNot) -> Self {
        Self {
            person: why.person.to_string(),
            what: why.what.to_string(),
            is_held: !why.held.is_empty(),
            entitlement: why.entitlement.as_ref().map(Into::into),
            held: ways(&why.held),
            obstacles: List::of(&why.obstacles),
            policy: Json::of(&why.policy),
            text: why.to_string(),
        }
    }
}

impl From<&engine::Held> for Holding {
    fn from(held: &engine::Held) -> Self {
        Self {
            entitlement: (&held.entitlement).into(),
            rules: held.rules.iter().cloned().collect(),
            given_at: held.given_at.map(Instant),
            removed_at: held.removed_at.map(Instant),
            removed_by: held.removed_by.as_ref().map(ToString::to_string),
            held_now: held.held_now,
            on_last_day: held.on_last_day,
        }
    }
}

impl From<&engine::Evidence> for Evidence {
    fn from(evidence: &engine::Evidence) -> Self {
        let accounts = evidence.accounts.iter();
        Self {
            person: evidence.person.to_string(),
            made_at: Instant(evidence.made_at),
            policy: evidence.policy.clone(),
            lifecycle: word(&evidence.lifecycle),
            first_day: evidence.first_day.map(Day),
            last_day: evidence.last_day.map(Day),
            left_at: evidence.left_at.map(Instant),
            accounts: accounts
                .map(|(target, id)| (target.to_string(), id.clone()))
                .collect(),
            held: List::of(&evidence.held),
            details: Json::of(evidence),
            text: evidence.to_string(),
        }
    }
}

impl Drift {
    fn new(target: String, drift: &Differs) -> Self {
        let kind = match drift {
            Differs::Missing { .. } => "missing",
            Differs::Foreign { .. } => "foreign",
            Differs::Unknown { .. } => "unknown",
            Differs::Attribute { .. } => "attribute",
            Differs::Manager => "manager",
            Differs::SignIn { .. } => "sign_in",
            Differs::Account => "account",
            _ => "other",
        };
        Self {
            target,
            kind: kind.to_owned(),
            entitlement: drift.entitlement().map(Into::into),
            details: Json::of(drift),
        }
    }
}

impl From<&engine::PersonDrift> for PersonDrift {
    fn from(drift: &engine::PersonDrift) -> Self {
        let found = drift.found.iter();
        Self {
            person: drift.person.to_string(),
            found: found
                .map(|(target, drift)| Drift::new(target.to_string(), drift))
                .collect(),
            unknown: drift.unknown.iter().cloned().collect(),
            pending: drift.pending,
            is_clean: drift.is_clean(),
            text: drift.to_string(),
        }
    }
}
