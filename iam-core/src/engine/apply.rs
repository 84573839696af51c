//! Planning and applying: everything is worked out first on doors that lead nowhere, and what was shown is what is
//! carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::brake::Brake;
use super::names::NameCheck;
use super::overlay;
use super::preflight::Preflight;
use super::presence;
use super::preview::{Shadow, Silence};
use super::report::{Ending, Preview, Progress, RunReport};
use super::scope::{Scope, named};
use super::views::Offer;
use super::{Engine, PersonPlan};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId, Timer};
use crate::journal::Journal;
use crate::person::{Person, PersonKey};
use crate::plan::guard;
use crate::target::Target;

/// How often a service is looked at whose answers may be some seconds old.
const LOOKS: usize = 3;
/// How long is waited between two looks.
const SETTLING: Duration = Duration::from_secs(5);

/// How many people go first, before [`Engine::apply`] touches the others.
///
/// Who leaves is none of them and waits for nothing: leavers go first in any case, together with the canary. The
/// canary is the same for the same plan, and its members have nothing in common but that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Canary {
    /// So many people; 0, the default, is everybody at once.
    pub people: usize,
}

impl Canary {
    /// Everybody at once.
    pub const NONE: Self = Self { people: 0 };

    /// So many people first.
    pub fn of(people: usize) -> Self {
        Self { people }
    }

    /// Who goes first, leavers included; `None` where that is everybody.
    fn choose(self, preview: &Preview) -> Option<BTreeSet<PersonKey>> {
        if self.people == 0 {
            return None;
        }
        let (mut first, mut others) = (BTreeSet::new(), BTreeSet::new());
        for plan in preview.people.iter().filter(|plan| !plan.plan.steps.is_empty()) {
            if leaves(plan) {
                first.insert(plan.person.clone());
            } else {
                others.insert(plan.person.clone());
            }
        }
        let hash = preview.hash();
        let lot = |person: &PersonKey| Sha256::digest(format!("{hash} {person}"));
        let mut others: Vec<PersonKey> = others
            .into_iter()
            .filter(|person| !first.contains(person))
            .collect();
        if others.len() <= self.people {
            return None;
        }
        others.sort_by_cached_key(|person| lot(person));
        first.extend(others.into_iter().take(self.people));
        Some(first)
    }
}

fn leaves(plan: &PersonPlan) -> bool {
    plan.kind.is_leave() || guard::leaves(&plan.plan)
}

impl Engine {
    /// Everything that would happen now: the same work as [`run`](Self::run), with every effect kept in
    /// memory. Reads the targets, and writes nothing but what a dead process left half done of accepting.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for the guard, which is reported in the preview.
    pub async fn plan(&self) -> Result<Preview> {
        Box::pin(self.catch_up()).await?;
        let (catalogs, findings) = self.catalogs().await?;
        let names = NameCheck::new(self.naming()?);
        let (mut preview, ..) = self.preview(&catalogs, &names).await?;
        preview.findings = findings;
        self.recent().remember(&preview);
        Ok(preview)
    }

    /// What would happen now if HR said these records as well, for whoever is about to say them. Of a person who is named
    /// twice the last record counts. What is due already is planned too, because seats and the guard's limits are shared;
    /// [`PersonPlan::person`] tells who is meant. Nothing is written, and nothing can be applied by this preview's hash:
    /// the records have not been accepted.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn plan_with(&self, records: impl IntoIterator<Item = Person>) -> Result<Preview> {
        let (catalogs, findings) = self.catalogs().await?;
        let names = NameCheck::new(self.naming()?);
        let now = self.clock.now();
        let shadow = Shadow::of(self.journal.as_ref(), now).await?;
        let records: BTreeMap<PersonKey, Person> = records
            .into_iter()
            .map(|record| (record.key.clone(), record))
            .collect();
        let keys: Vec<PersonKey> = records.keys().cloned().collect();
        let latest = self.journal.accepted(&keys).await?;
        let events = records.values().zip(&latest);
        let events: Vec<Event> = events
            .filter_map(|(record, previous)| Event::observed(previous.as_ref(), record, now))
            .collect();
        shadow.append(&events).await?;
        let (mut preview, _) = self.look_ahead(&shadow, &catalogs, &names, None).await?;
        preview.guard = Brake::of(self, &preview, now).await?.trips_now();
        preview.findings = findings;
        Ok(preview)
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, super::Recent> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target at which names are given out.
    pub(super) fn naming(&self) -> Result<&dyn Target> {
        let first = self.targets.first().map(AsRef::as_ref);
        first.ok_or_else(|| Error::new(ErrorKind::Invalid, "the engine has no target"))
    }

    async fn preview(
        &self,
        catalogs: &[Offer],
        names: &NameCheck<'_>,
    ) -> Result<(Preview, Brake<'_>, Preflight)> {
        let shadow = Shadow::of(self.journal.as_ref(), self.clock.now()).await?;
        let (mut preview, preflight) = self.look_ahead(&shadow, catalogs, names, None).await?;
        let mut brake = Brake::of(self, &preview, self.clock.now()).await?;
        preview.guard = brake.trips_now();
        Ok((preview, brake, preflight))
    }

    /// The work on doors that lead nowhere.
    async fn look_ahead(
        &self,
        shadow: &Shadow<'_>,
        catalogs: &[Offer],
        names: &NameCheck<'_>,
        scope: Option<&Scope>,
    ) -> Result<(Preview, Preflight)> {
        let mut preflight = Preflight::of(catalogs);
        let targets = overlay::over(&self.targets);
        let decided = Mutex::new(Vec::new());
        let mut work = self.work(
            shadow,
            &targets,
            catalogs,
            names,
            &preflight,
            Some(&Silence),
            &|_| {},
            Some(&decided),
        );
        work.scope = scope;
        work.drain().await?;
        let people = decided.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut preview = Preview {
            people,
            ..Preview::default()
        };
        preflight.judge(&mut preview);
        Ok((preview, preflight))
    }

    /// Works off everything that is due. First the whole is planned and shown to the policy's guard: over a
    /// limit, nothing is done. What is accepted meanwhile is worked off too, as long as the limits allow.
    /// `progress` is told of every step and every person, from several tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Guarded`] when the guard refuses the whole, nothing was done and the plan is
    /// [frozen](Self::frozen), or what came during the run, and the run ends; [`ErrorKind::Invalid`] when the policy asks
    /// for what no connected target does at all; the target's error when it cannot be read (nothing was done, the work
    /// stays accepted); [`ErrorKind::Storage`] from the journal. What goes wrong for one person is in the report, and so
    /// is what the policy names and the tenant does not know ([`RunReport::findings`]): that holds what depends on it,
    /// for those whom it concerns, and nobody else. [`ErrorKind::Conflict`] where a [`Fleet`](super::Fleet) works on the journal, or
    /// begins to: it does the work by itself.
    pub async fn run(&self, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<RunReport> {
        let (catalogs, findings) = Box::pin(self.begin(progress)).await?;
        // What the preview has learnt about names is good for the moment that the run takes, and a name that
        // somebody else is quicker to take is refused by the directory.
        let names = NameCheck::new(self.naming()?);
        let (preview, brake, preflight) = self.preview(&catalogs, &names).await?;
        self.alert_ahead(&preview, &findings).await;
        self.pass(&preview).await?;
        let report = self
            .carry_out(&catalogs, &names, (&brake, &preflight), None, progress)
            .await?;
        Ok(RunReport { findings, ..report })
    }

    /// Carries out exactly what the [plan](Self::plan) with this [hash](Preview::hash) showed. What is accepted
    /// meanwhile is left for the next plan, leavers included; so is whatever has to be done otherwise than it was
    /// shown because the tenant changes during the work. With a [`Canary`] some people go first, their accounts are
    /// read back and planned for again, and only if that gives no step the others follow.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::Conflict`] when planning now gives another hash: nothing was done, and the
    /// error says who differs; [`ErrorKind::Guarded`] also when the canary does not hold what was planned for it:
    /// leavers and canary are done, everybody else stays accepted and untouched.
    pub async fn apply(
        &self,
        hash: &str,
        canary: Canary,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<RunReport> {
        let (catalogs, findings) = Box::pin(self.begin(progress)).await?;
        let names = NameCheck::new(self.naming()?);
        let (preview, brake, preflight) = self.preview(&catalogs, &names).await?;
        if preview.hash() != hash.trim() {
            let differences = self.recent().differences(hash.trim(), &preview);
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("the plan is stale, and nothing was done: plan again ({differences})"),
            ));
        }
        self.alert_ahead(&preview, &findings).await;
        self.pass(&preview).await?;
        let mut report = RunReport::default();
        if let Some(first) = canary.choose(&preview) {
            let scope = Scope::of(&preview, |person| first.contains(person));
            report = self
                .carry_out(&catalogs, &names, (&brake, &preflight), Some(&scope), progress)
                .await?;
            self.verify(&first, &report, &catalogs).await?;
            // Whom the canary's own scope left for later is about to come.
            report.people.retain(|run| first.contains(&run.person));
        }
        let scope = Scope::of(&preview, |_| true);
        let rest = self
            .carry_out(&catalogs, &names, (&brake, &preflight), Some(&scope), progress)
            .await?;
        report.people.extend(rest.people);
        report.findings = findings;
        Ok(report)
    }

    /// What comes before the planning of a run: what was left half done is accepted, the policy is noted to be in force,
    /// and what it names and the tenant has not got is told once.
    async fn begin(&self, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<(Vec<Offer>, Vec<String>)> {
        presence::alone(self.journal.as_ref(), self.clock.now()).await?;
        self.catch_up().await?;
        let (catalogs, findings) = self.catalogs().await?;
        self.journal
            .in_force(self.policy.fingerprint(), &self.actor)
            .await?;
        for finding in &findings {
            progress(Progress::Finding(finding));
        }
        Ok((catalogs, findings))
    }

    async fn carry_out(
        &self,
        catalogs: &[Offer],
        names: &NameCheck<'_>,
        (brake, preflight): (&Brake<'_>, &Preflight),
        scope: Option<&Scope>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<RunReport> {
        let mut work = self.work(
            self.journal.as_ref(),
            &self.targets,
            catalogs,
            names,
            preflight,
            self.notifier.as_deref(),
            progress,
            None,
        );
        work.brake = Some(brake);
        work.scope = scope;
        let report = work.drain().await?;
        self.alert_afterwards(report.people.iter()).await;
        Ok(report)
    }

    /// Whether those who went first are as planned: everything that was tried for them has ended well, and looking
    /// at them again leaves nothing to do.
    async fn verify(
        &self,
        first: &BTreeSet<PersonKey>,
        report: &RunReport,
        catalogs: &[Offer],
    ) -> Result<()> {
        let failed = |why: String| {
            let message = format!("the canary failed, and nobody else was touched: {why}");
            Err(Error::new(ErrorKind::Guarded, message))
        };
        let well = |ending: &Ending| matches!(ending, Ending::Done | Ending::Waiting(_));
        let mut runs = report.people.iter().filter(|run| first.contains(&run.person));
        if let Some(run) = runs.find(|run| !well(&run.ending)) {
            let why = match &run.ending {
                Ending::Retry(_, why)
                | Ending::Dead(why)
                | Ending::Held(why)
                | Ending::Refused(why)
                | Ending::LeftAlone(why) => why,
                Ending::Done | Ending::Waiting(_) | Ending::Asked => "it has not ended",
            };
            return failed(format!("{}: {why}", run.person));
        }
        let mut differ: Vec<PersonKey> = Vec::new();
        for look in 0..LOOKS {
            if look > 0 {
                self.clock.sleep(SETTLING).await;
            }
            let now = self.clock.now();
            let shadow = Shadow::of(self.journal.as_ref(), now).await?;
            let cause = EventId::of(&["canary"]);
            let again = |person: &PersonKey| Event::timer(person, Timer::Recheck, now, &cause, now);
            shadow
                .append(&first.iter().map(again).collect::<Vec<_>>())
                .await?;
            let names = NameCheck::new(self.naming()?);
            let scope = Scope::open(first);
            let (seen, _) = self.look_ahead(&shadow, catalogs, &names, Some(&scope)).await?;
            differ = seen.digests().into_keys().collect();
            if differ.is_empty() {
                return Ok(());
            }
        }
        let differ: Vec<&PersonKey> = differ.iter().collect();
        let count = differ.len();
        failed(format!(
            "looked at again, {count} are not as planned: {}",
            named(&differ)
        ))
    }
}
