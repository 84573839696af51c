//! The evidence pack of one person: what an auditor asks of somebody who has left, and what is not known of it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::Engine;
use super::sight::Sight;
use crate::entitlement::{Entitlement, TargetId, same};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventId, EventKind};
use crate::journal::{Entry, EventState, Lifecycle, Outcome, PersonState};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, Holding, Step, holdings};

/// One event of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Heard {
    /// Its id.
    pub event: EventId,
    /// Its kind in one word.
    pub kind: &'static str,
    /// When the platform learnt of it.
    pub entered_at: Timestamp,
    /// From when on it was to be worked on.
    pub due_at: Timestamp,
    /// Where it stands.
    pub state: EventState,
    /// Who asked for it and why, for a revert or an undo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<(String, String)>,
    /// What the last attempt ended with, if it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One step that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deed {
    /// When it ended; `None` where that is not known.
    pub at: Option<Timestamp>,
    /// For which event.
    pub event: EventId,
    /// Where.
    pub target: TargetId,
    /// The kind of step ([`Action::kind`]).
    pub action: String,
    /// What was given or taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<Entitlement>,
    /// Why, in the words of the plan.
    pub why: String,
    /// How it ended; `None` where nobody knows.
    pub outcome: Option<Outcome>,
}

impl Deed {
    fn happened(&self) -> bool {
        matches!(
            self.outcome,
            Some(Outcome::Done { .. } | Outcome::AlreadySo { .. })
        )
    }
}

/// One time for which somebody held something, as far as the platform took part in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Held {
    /// What.
    pub entitlement: Entitlement,
    /// The rules that asked for it; none where somebody else gave it.
    pub rules: Vec<String>,
    /// When the platform gave it; `None` where somebody else did, or when is not known.
    pub given_at: Option<Timestamp>,
    /// When the platform took it; `None` where it has not, or when is not known.
    pub removed_at: Option<Timestamp>,
    /// The event for which it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<EventId>,
    /// Whether it is held now, as the target reports; `None` where that cannot be read, and for times that have ended.
    pub held_now: Option<bool>,
    /// Whether it was held on the last day; `None` where there is no last day that is over, or nobody can tell.
    pub on_last_day: Option<bool>,
}

/// Everything the platform knows of one person's access: [`Engine::evidence`]. Serialises to JSON; `Display` prints it
/// for people. Holds no personal data but for the key, ids of accounts, and who asked for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Whose.
    pub person: PersonKey,
    /// When it was put together.
    pub made_at: Timestamp,
    /// The fingerprint of the policy in force.
    pub policy: String,
    /// Where the person stands.
    pub lifecycle: Lifecycle,
    /// The first day, as HR says.
    pub first_day: Option<Date>,
    /// The last day, as HR says.
    pub last_day: Option<Date>,
    /// When access was taken away.
    pub left_at: Option<Timestamp>,
    /// The accounts, by target: ids.
    pub accounts: BTreeMap<TargetId, String>,
    /// What was held, in the order in which it was first given or taken.
    pub held: Vec<Held>,
    /// Every step that was tried, in the order of time as far as that is known.
    pub deeds: Vec<Deed>,
    /// Every event, in the order of acceptance.
    pub events: Vec<Heard>,
    /// What this does not tell, one sentence each.
    pub unknown: Vec<String>,
}

impl Evidence {
    /// What was held on the last day, and when each was removed.
    pub fn on_last_day(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| held.on_last_day == Some(true))
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "evidence for {}, made at {}", self.person, self.made_at)?;
        if let Some(last) = self.last_day {
            writeln!(f, "last day {last}")?;
        }
        match self.left_at {
            Some(left) => writeln!(f, "access taken away at {left}")?,
            None => writeln!(f, "access has not been taken away")?,
        }
        writeln!(f, "held:")?;
        for held in &self.held {
            let what = &held.entitlement;
            write!(f, "  {what} at {}", what.target)?;
            match held.given_at {
                Some(at) => write!(f, ", given at {at}")?,
                None => f.write_str(", given by somebody else, or before this was recorded")?,
            }
            if held.on_last_day == Some(true) {
                f.write_str(", held on the last day")?;
            }
            match (held.removed_at, held.held_now) {
                (Some(at), _) => write!(f, ", removed at {at}")?,
                (None, Some(true)) => f.write_str(", held now")?,
                (None, Some(false)) => f.write_str(", not held any more")?,
                (None, None) => f.write_str(", nobody can tell whether it is held now")?,
            }
            writeln!(f)?;
        }
        writeln!(f, "done:")?;
        for deed in &self.deeds {
            match deed.at {
                Some(at) => write!(f, "  {at}")?,
                None => f.write_str("  (when is not known)")?,
            }
            write!(f, " {} {}", deed.target, deed.action)?;
            if let Some(what) = &deed.entitlement {
                write!(f, " {what}")?;
            }
            let outcome = match &deed.outcome {
                Some(Outcome::Done { .. }) => "done",
                Some(Outcome::AlreadySo { .. }) => "was so already",
                Some(Outcome::NotApplicable { .. }) => "there was nothing to do it to",
                Some(Outcome::Failed { .. }) => "failed",
                Some(Outcome::Unknown) | None => "nobody knows whether it was done",
            };
            writeln!(f, ": {outcome} ({})", deed.why)?;
        }
        for what in &self.unknown {
            writeln!(f, "not known: {what}")?;
        }
        Ok(())
    }
}

impl Engine {
    /// What one person held, by which rules, since when and until when; every step and event with its instant; and
    /// what all of that does not tell. From the journal (the person's state, the ledger, the history), and from the
    /// targets for what is held now. Reads only.
    ///
    /// What somebody else gave and took again behind the platform's back, the platform never saw.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for somebody of whom HR never said anything; [`ErrorKind::Storage`] from the journal. A
    /// target that cannot be read is told in [`Evidence::unknown`].
    pub async fn evidence(&self, person: &PersonKey) -> Result<Evidence> {
        let entries = self.timeline(person).await?;
        let state = self.journal.person(person).await?;
        if entries.is_empty() && state.is_none() {
            let message = format!("HR has said nothing of anybody called {person}");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let state = state.unwrap_or_else(|| PersonState::new(person.clone()));
        let mut unknown = Vec::new();
        let sight = match self.offers().await {
            Ok(offers) => match self.sight(person, &offers).await {
                Ok(sight) => Some(sight),
                Err(error) if error.kind() == ErrorKind::Storage => return Err(error),
                Err(error) => {
                    unknown.push(format!("what is held now: {error}"));
                    None
                }
            },
            Err(error) => {
                unknown.push(format!("what is held now: the directory cannot be read: {error}"));
                None
            }
        };
        let deeds = deeds(&entries, &mut unknown);
        let record = state.record.as_ref();
        let last = record.and_then(|record| self.last_day(record, &state));
        let held = holding_times(&deeds, &state, sight.as_ref(), last, &mut unknown);
        Ok(Evidence {
            person: person.clone(),
            made_at: self.clock.now(),
            policy: self.policy.fingerprint().to_owned(),
            lifecycle: state.lifecycle,
            first_day: record.and_then(|record| record.hire_date),
            last_day: record.and_then(|record| record.last_day),
            left_at: state.left_at,
            accounts: state
                .accounts
                .iter()
                .map(|(target, account)| (target.clone(), account.id.clone()))
                .collect(),
            held,
            deeds,
            events: entries.iter().map(heard).collect(),
            unknown,
        })
    }

    /// The instants at which the last day begins and ends, if it is over: the day of HR's record where the person
    /// works, or else the instant at which access was taken away.
    fn last_day(&self, record: &Person, state: &PersonState) -> Option<(Timestamp, Timestamp)> {
        let left = state.left_at?;
        let Some(last) = record.last_day else {
            return Some((left, left));
        };
        let own = record.time_zone.as_deref();
        let mut zones = own.into_iter().chain([self.policy.settings().time_zone.as_str()]);
        let zone = zones.find_map(|name| TimeZone::get(name).ok())?;
        let start = last.to_zoned_datetime(zone).ok()?;
        let end = start.checked_add(1.day()).ok()?;
        Some((start.timestamp(), end.timestamp()))
    }
}

fn heard(entry: &Entry) -> Heard {
    let asked = match &entry.event.kind {
        EventKind::Revert { by, reason, .. }
        | EventKind::Undo { by, reason, .. }
        | EventKind::Identify { by, reason, .. } => Some((by.clone(), reason.clone())),
        _ => None,
    };
    Heard {
        event: entry.event.id.clone(),
        kind: entry.event.kind.as_str(),
        entered_at: entry.event.entered_at,
        due_at: entry.event.due_at,
        state: entry.state,
        asked,
        why: entry.why.clone(),
    }
}

/// Every step that was tried, in the order of time as far as that is known.
fn deeds(entries: &[Entry], unknown: &mut Vec<String>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for entry in entries {
        let steps: Vec<&Step> = entry.plan.iter().flat_map(crate::plan::Plan::all).collect();
        for record in &entry.steps {
            let event = &entry.event.id;
            let Some(step) = steps.iter().find(|step| step.id == record.step) else {
                unknown.push(format!("what a step of event {event} was: its plan is not kept"));
                continue;
            };
            let entitlement = match &step.action {
                Action::Grant { entitlement, .. } | Action::Revoke { entitlement, .. } => {
                    Some(entitlement.clone())
                }
                _ => None,
            };
            let named = entitlement.as_ref().map(|what| format!(" {what}"));
            let named = format!("{}{}", step.action.kind(), named.unwrap_or_default());
            match (&record.outcome, record.at) {
                (None | Some(Outcome::Unknown), _) => {
                    unknown.push(format!("whether {named} of event {event} was done"));
                }
                (Some(_), None) => unknown.push(format!("when {named} of event {event} was done")),
                _ => {}
            }
            deeds.push(Deed {
                at: record.at,
                event: event.clone(),
                target: step.target.clone(),
                action: step.action.kind().to_owned(),
                entitlement,
                why: step.why.clone(),
                outcome: record.outcome.clone(),
            });
        }
    }
    // What has no instant keeps its place behind what stands before it.
    let mut latest = Timestamp::MIN;
    deeds.sort_by_cached_key(|deed| {
        latest = deed.at.unwrap_or(latest);
        latest
    });
    deeds
}

fn holding_times(
    deeds: &[Deed],
    state: &PersonState,
    sight: Option<&Sight>,
    last_day: Option<(Timestamp, Timestamp)>,
    unknown: &mut Vec<String>,
) -> Vec<Held> {
    let mut times: Vec<Held> = Vec::new();
    let begin = |entitlement: &Entitlement, given_at: Option<Timestamp>| Held {
        entitlement: entitlement.clone(),
        rules: Vec::new(),
        given_at,
        removed_at: None,
        removed_by: None,
        held_now: None,
        on_last_day: None,
    };
    for deed in deeds.iter().filter(|deed| deed.happened()) {
        let Some(what) = &deed.entitlement else { continue };
        let open = |held: &&mut Held| held.removed_by.is_none() && same(&held.entitlement, what);
        let known = times.iter_mut().rev().find(open);
        match (deed.action.as_str(), known) {
            ("grant", None) => times.push(begin(what, deed.at)),
            ("revoke", Some(held)) => {
                (held.removed_at, held.removed_by) = (deed.at, Some(deed.event.clone()));
            }
            ("revoke", None) => {
                let mut held = begin(what, None);
                (held.removed_at, held.removed_by) = (deed.at, Some(deed.event.clone()));
                times.push(held);
            }
            _ => {}
        }
    }
    let views = || sight.into_iter().flat_map(|sight| &sight.around.views);
    // What is held and was never given or taken by a step that is known.
    for view in views() {
        for held in &view.actual.held {
            let what = &held.entitlement;
            let known = times
                .iter()
                .any(|time| time.removed_by.is_none() && same(&time.entitlement, what));
            if !known {
                let owned = state.ledger.iter().find(|owned| owned.covers(what));
                times.push(begin(what, owned.map(|owned| owned.since)));
            }
        }
    }
    for time in &mut times {
        let what = &time.entitlement;
        if let Some(owned) = state.ledger.iter().find(|owned| owned.covers(what)) {
            time.rules.clone_from(&owned.rules);
        }
        let open = time.removed_by.is_none();
        if open {
            let view = views().find(|view| view.target == what.target);
            let hidden = |unread: &crate::entitlement::Unread| unread.hides(what);
            time.held_now = view.and_then(|view| {
                let ways: Vec<Holding> = holdings(&view.actual, &state.ledger, what);
                (!ways.is_empty() || !view.actual.unread.iter().any(hidden)).then_some(!ways.is_empty())
            });
            if time.held_now == Some(false) {
                unknown.push(format!("when {what} was taken, and by whom: not by the platform"));
            }
        }
        time.on_last_day = last_day.and_then(|day| on_day(time, day));
    }
    for view in views() {
        let unread = view.actual.unread.iter();
        unknown.extend(unread.map(|unread| format!("{}: {unread}", view.target)));
    }
    for down in sight.into_iter().flat_map(|sight| &sight.around.down) {
        unknown.push(format!("what is held at {}: {}", down.target, down.why));
    }
    times
}

/// Whether it was held at some moment of a day; `None` where nobody can tell.
fn on_day(time: &Held, (start, end): (Timestamp, Timestamp)) -> Option<bool> {
    if time.given_at.is_some_and(|given| given >= end) && start < end {
        return Some(false);
    }
    match (&time.removed_by, time.removed_at, time.held_now) {
        (Some(_), Some(removed), _) => Some(removed >= start),
        (None, _, Some(true)) => Some(true),
        // Somebody else took it, nobody knows when; or nobody knows when it was taken.
        _ => None,
    }
}
