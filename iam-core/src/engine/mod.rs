//! [`Engine`]: what users hold. It accepts what HR says, plans, and brings the targets to policy.
//!
//! One engine serves one tenant. It owns no threads: [`run`](Engine::run) works off everything that is due
//! and returns. A [`Fleet`] goes on: any number of workers in any number of processes share one journal. Where somebody is
//! to look first, [`plan`](Engine::plan) shows everything, and [`apply`](Engine::apply) carries out what was shown.

mod accepting;
mod admission;
mod alerts;
#[cfg(feature = "http")]
mod allowance;
mod apply;
mod attendance;
mod audit;
mod awaited;
mod brake;
mod calendar;
mod compensation;
mod crew;
mod drift;
mod ending;
mod errands;
mod evidence;
mod explain;
mod fleet;
mod freeze;
mod identity;
mod names;
mod overlay;
mod past;
mod preflight;
mod presence;
mod preview;
mod reading;
mod reason;
mod receiving;
mod report;
mod scope;
mod sight;
mod simulation;
mod succession;
mod survey;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
mod undo;
mod views;
mod waiting;
mod wake;
mod work;

#[cfg(feature = "http")]
pub use allowance::SharedBudget;
pub use apply::Canary;
pub use compensation::UndoPlan;
pub use drift::{DriftTotals, PersonDrift};
pub use evidence::{Deed, Evidence, Heard, Held};
pub use fleet::{Fleet, FleetReport};
pub use reading::{Delivered, Reading};
pub use reason::{Obstacle, Origin, Until, Why, WhyNot};
pub use receiving::{Reads, Taken, event_id};
pub use report::{Accepted, Ending, PersonPlan, PersonRun, Preview, Progress, RunReport, SeatNeed, Totals};
pub use simulation::{AsOf, Known, Moment};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKind;
use crate::intake::Gate;
use crate::journal::{Entry, EventState, HistoryQuery, Journal, PersonState};
use crate::notify::Notifier;
use crate::orchestrator::{Lifecycle, Orchestrator};
use crate::person::PersonKey;
use crate::policy::{Authority, Document};
use crate::target::Target;

use names::NameCheck;
use preflight::Preflight;
use scope::Recent;
use views::Offer;
use work::Work;

/// How many records are accepted in one commit.
const CHUNK: usize = 500;
/// Who plans, where nobody says.
const ANONYMOUS: &str = "the platform";
/// How long a service may take to show what it has done.
const SETTLE: SignedDuration = SignedDuration::from_mins(1);
/// How many people are worked on at once.
const CONCURRENCY: usize = 16;

/// Brings people to policy.
pub struct Engine {
    journal: Arc<dyn Journal>,
    targets: Vec<Arc<dyn Target>>,
    policy: Arc<Document>,
    orchestrator: Arc<dyn Orchestrator>,
    notifier: Option<Arc<dyn Notifier>>,
    clock: SharedClock,
    concurrency: usize,
    repeats: BTreeSet<String>,
    settle: SignedDuration,
    shown: Mutex<Recent>,
    actor: String,
    gates: BTreeMap<String, Gate>,
    /// Who is like whom.
    likeness: identity::Likeness,
    reads: BTreeMap<String, Reads>,
    /// For how long a record is waited for of which a notice came.
    record_within: SignedDuration,
    /// Whether lost timers have been looked for.
    timers_checked: tokio::sync::Mutex<bool>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("journal", &self.journal)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

/// Collects the parts of an [`Engine`].
#[derive(Debug)]
pub struct EngineBuilder(Engine);

impl EngineBuilder {
    /// Adds a target. Names are given out for accounts at the first one.
    #[must_use]
    pub fn target(mut self, target: Arc<dyn Target>) -> Self {
        self.0.targets.push(target);
        self
    }

    /// Who decides what an event means (the standard [`Lifecycle`] of the policy).
    #[must_use]
    pub fn orchestrator(mut self, orchestrator: Arc<dyn Orchestrator>) -> Self {
        self.0.orchestrator = orchestrator;
        self
    }

    /// Who sends notices (nobody: planned notices fail, and say so).
    #[must_use]
    pub fn notifier(mut self, notifier: Arc<dyn Notifier>) -> Self {
        self.0.notifier = Some(notifier);
        self
    }

    /// The clock of effective time (the machine's).
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.0.clock = clock;
        self
    }

    /// How many people are worked on at once (16).
    #[must_use]
    pub fn concurrency(mut self, people: usize) -> Self {
        self.0.concurrency = people.max(1);
        self
    }

    /// Steps of this [kind](crate::plan::Action::kind) (`notify`, one of somebody's own) may be carried out twice rather
    /// than not at all: where nobody knows whether one happened, it is repeated, though its target knows no better class
    /// for it than [`AtMostOnce`](crate::target::EffectClass::AtMostOnce).
    #[must_use]
    pub fn accept_repeats(mut self, kind: impl Into<String>) -> Self {
        self.0.repeats.insert(kind.into());
        self
    }

    /// How long a service may take to show what it has done (60 seconds): so long is waited before what was perhaps done
    /// is looked for, where a step must not be repeated without ([`ReadBack`](crate::target::EffectClass::ReadBack)).
    #[must_use]
    pub fn settle_time(mut self, time: Duration) -> Self {
        self.0.settle = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        self
    }

    /// Who plans and applies by this engine (`the platform`): a plan that the guard has frozen is released by
    /// somebody else.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.0.actor = actor.into();
        self
    }

    /// When a [delivery](Engine::deliver) of this source is held (by the standard [`Gate`]).
    #[must_use]
    pub fn source(mut self, name: impl Into<String>, gate: Gate) -> Self {
        self.0.gates.insert(name.into(), gate);
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        self.0
    }
}

impl Engine {
    /// Starts an engine over a journal and a policy; it needs at least one target.
    pub fn builder(journal: Arc<dyn Journal>, policy: Arc<Document>) -> EngineBuilder {
        EngineBuilder(Self {
            journal,
            targets: Vec::new(),
            orchestrator: Arc::new(Lifecycle::new(policy.clone())),
            policy,
            notifier: None,
            clock: Arc::new(SystemClock),
            concurrency: CONCURRENCY,
            repeats: BTreeSet::new(),
            settle: SETTLE,
            shown: Mutex::default(),
            actor: ANONYMOUS.to_owned(),
            gates: BTreeMap::new(),
            likeness: identity::Likeness::default(),
            reads: receiving::kinds(),
            record_within: awaited::WITHIN,
            timers_checked: tokio::sync::Mutex::new(false),
        })
    }

    #[allow(clippy::too_many_arguments)] // what the real work and a preview have of their own
    fn work<'a>(
        &'a self,
        journal: &'a dyn Journal,
        targets: &'a [Arc<dyn Target>],
        catalogs: &'a [Offer],
        names: &'a NameCheck<'a>,
        preflight: &'a Preflight,
        notifier: Option<&'a dyn Notifier>,
        progress: &'a (dyn Fn(Progress<'_>) + Sync),
        decided: Option<&'a Mutex<Vec<PersonPlan>>>,
    ) -> Work<'a> {
        Work {
            journal,
            targets,
            catalogs,
            names,
            preflight,
            orchestrator: self.orchestrator.as_ref(),
            notifier,
            likeness: &self.likeness,
            protected: self.policy.protected(),
            settings: self.policy.settings(),
            clock: &self.clock,
            concurrency: self.concurrency,
            repeats: &self.repeats,
            settle: self.settle,
            window: self.window(),
            progress,
            decided,
            brake: None,
            scope: None,
            crew: None,
        }
    }

    /// What the targets offer, whether or not it fits the policy.
    async fn offers(&self) -> Result<Vec<Offer>> {
        let mut offers = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            match target.catalog().await {
                Ok(catalog) => offers.push(Offer::Catalog(Arc::new(catalog))),
                Err(error) if offers.is_empty() => return Err(error),
                Err(error) => offers.push(Offer::Down(error.to_string())),
            }
        }
        Ok(offers)
    }

    /// What the targets offer, and what the policy names and they do not: what depends on that is held, and nothing
    /// else. The directory must answer; an application that does not keeps nobody else waiting.
    async fn catalogs(&self) -> Result<(Vec<Offer>, Vec<String>)> {
        let offered: Vec<_> = self
            .targets
            .iter()
            .map(|target| (target.id().clone(), target.capabilities().kinds))
            .collect();
        let mut problems = self.policy.unserved(&offered);
        problems.extend(self.misplaced_authority()?);
        problems.extend(errands::unserved(
            self.policy.settings(),
            self.naming()?,
            self.notifier.as_deref(),
        ));
        if !problems.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the policy does not fit the tenant, and nothing was done:\n{}",
                    problems.join("\n")
                ),
            ));
        }
        let offers = self.offers().await?;
        let mut findings = Vec::new();
        for ((target, kinds), offer) in offered.iter().zip(&offers) {
            if let Offer::Catalog(catalog) = offer {
                findings.extend(self.policy.check_at(target, kinds, catalog));
            }
        }
        for finding in &findings {
            tracing::warn!(finding, "the policy names what the tenant has not got");
        }
        Ok((offers, findings))
    }

    /// Whether the directory makes accounts otherwise than the policy says.
    fn misplaced_authority(&self) -> Result<Option<String>> {
        let directory = self.naming()?;
        let (id, provisions) = (directory.id(), directory.capabilities().provisions);
        Ok(match (self.policy.settings().authority, provisions) {
            (Authority::Provisioning, false) => Some(format!(
                "authority in [tenant]: the policy says \"scim\", and {id} has no provisioning job to make accounts by"
            )),
            (Authority::Directory, true) => Some(format!(
                "authority in [tenant]: {id} makes accounts by a provisioning job, and the policy does not say \"scim\""
            )),
            _ => None,
        })
    }

    /// When something becomes due next.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.journal.next_due().await
    }

    /// What is known of a person.
    pub async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        self.journal.person(key).await
    }

    /// Everybody on whom work has been done, ordered by key, after `after`, at most `limit`: those whose worker id, name or
    /// sign-in name holds `search` (without regard to case), or all. A search reads the whole journal, a page at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn people(
        &self,
        search: Option<&str>,
        after: Option<&PersonKey>,
        limit: usize,
    ) -> Result<Vec<PersonState>> {
        let Some(search) = search.map(str::trim).filter(|search| !search.is_empty()) else {
            return self.journal.people(after, limit).await;
        };
        let words: Vec<String> = search
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let (mut found, mut after) = (Vec::new(), after.cloned());
        loop {
            let page = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = Some(last.key.clone());
            found.extend(page.into_iter().filter(|state| goes_by(state, &words)));
            if found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// Everything that happened to a person, and what is still to come, in the order of acceptance.
    pub async fn timeline(&self, key: &PersonKey) -> Result<Vec<Entry>> {
        let query = HistoryQuery {
            person: Some(key.clone()),
            ..HistoryQuery::default()
        };
        self.journal.history(&query).await
    }

    /// What was noted under a name last, and how often something has been: a place in the journal's database for what a
    /// service over the engine must not forget.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn note(&self, name: &str) -> Result<Option<(u64, serde_json::Value)>> {
        self.journal.bookmark(name).await
    }

    /// Notes something under a name, durably, unless somebody else has since the `version` that the caller knows (0:
    /// none): then nothing is written, and the answer is `false`.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn set_note(&self, name: &str, version: u64, value: &serde_json::Value) -> Result<bool> {
        self.journal.set_bookmark(name, version, value).await
    }

    /// What was noted last under the names that begin so, the last name first, from before a name on; at most `limit`.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn notes(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, serde_json::Value)>> {
        self.journal.bookmarks(prefix, before, limit).await
    }

    /// The timers whose instant has come and that have not been worked off, oldest first: a first or last day, a grace,
    /// a retention that is late. Work that is due at this very moment is among them.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn overdue(&self) -> Result<Vec<Entry>> {
        let query = HistoryQuery {
            state: Some(EventState::Pending),
            due: Some(self.clock.now()),
            ..HistoryQuery::default()
        };
        let mut entries = self.journal.history(&query).await?;
        entries.retain(|entry| matches!(entry.event.kind, EventKind::Due { .. }));
        entries.sort_by_key(|entry| entry.event.due_at);
        Ok(entries)
    }
}

/// Whether each of the words, in lower case, is part of one of the person's names.
fn goes_by(state: &PersonState, words: &[String]) -> bool {
    let record = state.record.as_ref();
    let names = record.into_iter().flat_map(|record| {
        let names = [
            &record.given_name,
            &record.middle_name,
            &record.family_name,
            &record.preferred_name,
        ];
        names.into_iter().flatten().map(String::as_str)
    });
    let accounts = state.accounts.values().map(|account| account.name.as_str());
    let all = names.chain(accounts).chain(state.name.as_deref());
    let all: Vec<String> = all.chain([state.key.as_str()]).map(str::to_lowercase).collect();
    words
        .iter()
        .all(|word| all.iter().any(|name| name.contains(word)))
}
