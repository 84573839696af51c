//! [`Engine`]: what users hold. It accepts what HR says, plans, and brings the targets to policy.
//!
//! One engine serves one tenant. It owns no threads: [`run`](Engine::run) works off everything that is due
//! and returns, and a program that wants to go on sleeps until [`next_due`](Engine::next_due). Where somebody is
//! to look first, [`plan`](Engine::plan) shows everything, and [`apply`](Engine::apply) carries out what was shown.

mod apply;
mod audit;
mod brake;
mod compensation;
mod drift;
mod ending;
mod errands;
mod explain;
mod names;
mod past;
mod preview;
mod reading;
mod reason;
mod report;
mod scope;
mod sight;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
mod undo;
mod views;
mod wake;
mod work;

pub use apply::Canary;
pub use compensation::UndoPlan;
pub use drift::{DriftTotals, PersonDrift};
pub use reading::Reading;
pub use reason::{Obstacle, Origin, Until, Why, WhyNot};
pub use report::{Accepted, Ending, PersonPlan, PersonRun, Preview, Progress, RunReport, Totals};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};


use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId};
use crate::journal::{Appended, Entry, HistoryQuery, Journal, Lifecycle as Stage, PersonState};
use crate::notify::Notifier;
use crate::orchestrator::{Lifecycle, Orchestrator};
use crate::person::{Person, PersonKey};
use crate::plan::guard::Tally;
use crate::policy::{Authority, Document};
use crate::target::Target;

use names::NameCheck;
use scope::Recent;
use views::Offer;
use work::Work;

/// How many records are accepted in one commit.
const CHUNK: usize = 500;
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
    shown: Mutex<Recent>,
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
            shown: Mutex::default(),
        })
    }

    /// Accepts records, in order. When this returns, every one that says something new is a durable event;
    /// nothing has been carried out.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal. Records of chunks before stand; accepting them again is
    /// harmless.
    pub async fn accept(&self, records: impl IntoIterator<Item = Person>) -> Result<Accepted> {
        let mut total = Accepted::default();
        let mut chunk: Vec<Person> = Vec::with_capacity(CHUNK);
        for record in records {
            chunk.push(record);
            if chunk.len() == CHUNK {
                self.accept_chunk(&mut chunk, &mut total).await?;
            }
        }
        self.accept_chunk(&mut chunk, &mut total).await?;
        Ok(total)
    }

    async fn accept_chunk(&self, chunk: &mut Vec<Person>, total: &mut Accepted) -> Result<()> {
        let mut open = std::mem::take(chunk);
        while !open.is_empty() {
            // One record of each person at a time: should somebody else be quicker, the rest is not accepted
            // before it.
            let mut first = BTreeSet::new();
            let (now_open, later): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|record: &Person| first.insert(record.key.clone()));
            open = now_open;
            let keys: Vec<PersonKey> = open.iter().map(|record| record.key.clone()).collect();
            let latest = self.journal.accepted(&keys).await?;
            let now = self.clock.now();
            let (mut events, mut sources) = (Vec::new(), Vec::new());
            for (record, previous) in open.drain(..).zip(latest) {
                let Some(event) = Event::observed(previous.as_ref(), &record, now) else {
                    total.unchanged += 1;
                    continue;
                };
                events.push(event);
                sources.push(record);
            }
            let appended = self.journal.append(&events).await?;
            for (outcome, record) in appended.into_iter().zip(sources) {
                match outcome {
                    Appended::New => total.events += 1,
                    Appended::Duplicate => total.unchanged += 1,
                    // Somebody else accepted a record of this person meanwhile: compare again.
                    Appended::Stale => open.push(record),
                    Appended::Conflict => {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            format!("an event of {} is known with another content", record.key),
                        ));
                    }
                }
            }
            open.extend(later);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // what the real work and a preview have of their own
    fn work<'a>(
        &'a self,
        journal: &'a dyn Journal,
        targets: &'a [Arc<dyn Target>],
        catalogs: &'a [Offer],
        names: &'a NameCheck<'a>,
        notifier: Option<&'a dyn Notifier>,
        progress: &'a (dyn Fn(Progress<'_>) + Sync),
        decided: Option<&'a Mutex<Vec<PersonPlan>>>,
    ) -> Work<'a> {
        Work {
            journal,
            targets,
            catalogs,
            names,
            orchestrator: self.orchestrator.as_ref(),
            notifier,
            protected: self.policy.protected(),
            hr_mail: self.policy.settings().hr_mail.as_deref(),
            clock: &self.clock,
            concurrency: self.concurrency,
            progress,
            decided,
            brake: None,
            scope: None,
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

    /// What the targets offer, with everything that the policy names found in it. The directory must answer;
    /// an application that does not keeps nobody else waiting.
    async fn catalogs(&self) -> Result<Vec<Offer>> {
        let offers = self.offers().await?;
        let mut problems = Vec::new();
        for (target, offer) in self.targets.iter().zip(&offers) {
            if let Offer::Catalog(catalog) = offer {
                let kinds = target.capabilities().kinds;
                problems.extend(self.policy.check_at(target.id(), &kinds, catalog));
            }
        }
        let offered: Vec<_> = self
            .targets
            .iter()
            .map(|target| (target.id().clone(), target.capabilities().kinds))
            .collect();
        problems.extend(self.policy.unserved(&offered));
        problems.extend(self.misplaced_authority()?);
        problems.extend(errands::unserved(
            self.policy.settings(),
            self.naming()?,
            self.notifier.as_deref(),
        ));
        if problems.is_empty() {
            return Ok(offers);
        }
        Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the policy does not fit the tenant, and nothing was done:\n{}",
                problems.join("\n")
            ),
        ))
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

    /// What was done within the guard's window, and who is at work.
    async fn before(&self, now: Timestamp) -> Result<Tally> {
        let window = SignedDuration::from_hours(i64::from(self.policy.limits().window_hours));
        let since = now.saturating_sub(window).unwrap_or(Timestamp::MIN);
        let mut tally = Tally::default();
        let mut after: Option<PersonKey> = None;
        loop {
            let people = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(last) = people.last() else { break };
            after = Some(last.key.clone());
            for state in &people {
                count(state, since, &mut tally);
            }
        }
        Ok(tally)
    }

    /// When something becomes due next.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.journal.next_due().await
    }

    /// What is known of a person.
    pub async fn person(&self, key: &PersonKey) -> Result<Option<PersonState>> {
        self.journal.person(key).await
    }

    /// Everything that happened to a person, and what is still to come, in the order of acceptance.
    pub async fn timeline(&self, key: &PersonKey) -> Result<Vec<Entry>> {
        let query = HistoryQuery {
            person: Some(key.clone()),
            ..HistoryQuery::default()
        };
        self.journal.history(&query).await
    }

    /// Brings an event that was set aside back to work; `by` and `reason` are kept with it.
    pub async fn requeue(&self, event: &EventId, by: &str, reason: &str) -> Result<()> {
        self.journal.requeue(event, by, reason).await
    }
}

fn count(state: &PersonState, since: Timestamp, tally: &mut Tally) {
    if matches!(state.lifecycle, Stage::Staged | Stage::Active) {
        tally.at_work += 1;
    }
    // Whom somebody else had blocked before lost nothing by leaving.
    if state.left_at.is_some_and(|left| left > since)
        && !state.accounts.is_empty()
        && !state.blocked_by_us.is_empty()
    {
        tally.leavers_before += 1;
        // They were at work when the window opened, and still count where the leave is not over.
        tally.at_work += u32::from(!matches!(state.lifecycle, Stage::Staged | Stage::Active));
    }
    let given = state
        .ledger
        .iter()
        .filter(|owned| owned.is_privileged() && owned.since > since);
    tally.privileged_before += u32::try_from(given.count()).unwrap_or(u32::MAX);
}
