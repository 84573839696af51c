//! Carries a plan out: intent, effect, outcome, one step after the other.
//!
//! Invariants: no step is carried out before its intent is durable, none is repeated after its outcome is;
//! a step whose outcome is unknown is repeated only as its [`EffectClass`](crate::target::EffectClass)
//! allows; a step that fails does not stop those that only take access away; an [errand](crate::plan::Errand)
//! stops nothing at all, the notice that somebody has left included; and whatever the plan says, a protected account is
//! not touched.

mod backoff;
mod deed;
mod step;
mod tenure;

pub(crate) use deed::note;
pub(crate) use tenure::{Tenure, Terms};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::journal::{
    AccountRef, Claim, ErrandRecord, ErrandState, Journal, Outcome, PersonState, StepRecord,
};
use crate::notify::{Addressees, Notifier, Words};
use crate::plan::{Action, Owned, Plan, Step, StepId, Turn};
use crate::target::Target;

/// How often a claim's lease is renewed while its steps are carried out.
const BEAT: Duration = Duration::from_secs(30);

/// How long an errand is tried again that keeps failing.
const ERRAND_PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How a claim is held while its steps are carried out.
#[derive(Clone, Copy)]
pub(crate) enum Hold<'a> {
    /// The executor renews the lease between two steps.
    Renewed(Duration),
    /// Somebody else renews it, and says for how long the claim is good.
    Watched(&'a Tenure),
}

/// Where effects go.
pub(crate) struct Doors<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) targets: &'a [Arc<dyn Target>],
    pub(crate) notifier: Option<&'a dyn Notifier>,
    /// How notices are worded.
    pub(crate) words: &'a Words,
    pub(crate) clock: &'a SharedClock,
    pub(crate) hold: Hold<'a>,
    /// Kinds of steps that may be carried out twice rather than not at all.
    pub(crate) repeats: &'a BTreeSet<String>,
    /// How long a service may take to show what it has done.
    pub(crate) settle: SignedDuration,
    /// Why the step's account must not be touched, or `None`: asked again here, whoever made the plan.
    pub(crate) forbidden: &'a (dyn Fn(&Step) -> Option<String> + Sync),
    /// Called for each step that has come to an end.
    pub(crate) settled: &'a (dyn Fn(&Step, &Outcome) + Sync),
}

impl Doors<'_> {
    /// Records how a step has ended just now.
    async fn settle(&self, claim: &Claim, step: &Step, outcome: &Outcome) -> Result<()> {
        self.journal
            .settle(claim, &step.id, outcome, self.clock.now())
            .await
    }

    /// Whether something may be begun for the claim.
    fn go_on(&self) -> Result<()> {
        match self.hold {
            Hold::Renewed(_) => Ok(()),
            Hold::Watched(tenure) => tenure.go_on(),
        }
    }

    /// The target that carries a step out.
    fn target(&self, step: &Step) -> Option<&dyn Target> {
        let mut targets = self.targets.iter().map(AsRef::as_ref);
        targets.find(|target| *target.id() == step.target)
    }

    /// The target whose accounts a step's target uses: mostly its own.
    fn home<'a>(&'a self, step: &'a Step) -> &'a str {
        let home = self
            .target(step)
            .and_then(|target| target.capabilities().principals_of);
        let home = home.and_then(|home| self.targets.iter().find(|target| *target.id() == home));
        home.map_or(step.target.as_str(), |home| home.id().as_str())
    }
}

/// What became of the steps of a plan that were tried.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// In the order of execution. Steps behind one that failed and that they need are missing.
    pub(crate) outcomes: Vec<(Step, Outcome)>,
    /// Steps that were tried, and nobody knows yet whether they were done.
    pub(crate) unknown: Vec<Step>,
    pub(crate) verdict: Verdict,
}

/// What is to become of the event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything is done.
    #[default]
    Complete,
    /// Something is not available yet, and the rest is done: look again later.
    Waiting(String),
    /// Try again at this instant.
    Retry { at: Timestamp, why: String },
    /// Something was refused for good.
    Dead(String),
    /// The sign-in name belongs to somebody else: choose another one.
    NameTaken,
}

/// Carries `plan` out; `leaving` says that it takes everything from somebody, which is never given up.
/// Errors are the journal's: the work is dropped, and whoever claims the lane next goes on.
pub(crate) async fn execute(
    doors: &Doors<'_>,
    claim: &Claim,
    plan: &Plan,
    addressees: &Addressees,
    leaving: bool,
    now: Timestamp,
) -> Result<Report> {
    let mut report = Report::default();
    let mut created: BTreeMap<&str, String> = BTreeMap::new();
    // Targets at which there is no account to do anything with.
    let mut lost: Vec<&str> = Vec::new();
    // Steps that were not carried out, or not for certain.
    let mut undone: Vec<&StepId> = Vec::new();
    let mut beat = Instant::now();
    let (mut retry, mut dead, mut waiting) = (None::<(Option<Duration>, String)>, None, None);
    // Something old is still held; something that a notice would speak of has failed.
    let (mut kept, mut untold) = (false, false);
    for step in &plan.steps {
        if let Hold::Renewed(lease) = doors.hold
            && beat.elapsed() > BEAT
        {
            doors.journal.heartbeat(claim, lease).await?;
            beat = Instant::now();
        }
        doors.go_on()?;
        if matches!(step.action, Action::Notify { .. }) && (retry.is_some() || untold) {
            continue; // told when it is true
        }
        if step.action == Action::AllowSignIn && kept {
            continue; // nobody gets in with what should have been taken away before
        }
        let (place, home) = (step.target.as_str(), doors.home(step));
        if lost.contains(&place) || lost.contains(&home) {
            undone.push(&step.id);
            continue; // nothing can be given to an account that is not there
        }
        if step.needs.iter().any(|needed| undone.contains(&needed)) {
            undone.push(&step.id);
            continue;
        }
        let id = &step.id;
        let mut step = step.clone();
        if step.account.is_none() {
            step.account = created.get(place).or_else(|| created.get(home)).cloned();
        }
        let (outcome, error) = step::carry_out(doors, claim, plan, &step, addressees).await?;
        if !matches!(outcome, Some(Outcome::Done { .. } | Outcome::AlreadySo { .. })) {
            undone.push(id);
        }
        if let Some(outcome) = outcome {
            if let Outcome::Done { account: Some(id) } | Outcome::AlreadySo { account: Some(id) } = &outcome {
                created.insert(place, id.clone());
            }
            (doors.settled)(&step, &outcome);
            report.outcomes.push((step.clone(), outcome));
        } else {
            report.unknown.push(step.clone());
        }
        let Some(error) = error else { continue };
        let why = format!("{}: {error}", step.id);
        untold |= step.action == Action::AllowSignIn || step.action.removes_access();
        let first = doors
            .targets
            .first()
            .is_some_and(|first| *first.id() == step.target);
        match weigh(doors, &step, &error) {
            Weight::Harmless => {}
            Weight::Wait => waiting = waiting.or(Some(why)),
            Weight::Again(advised) => {
                kept |= matches!(step.action, Action::Revoke { .. });
                retry = retry.or(Some((advised, why)));
            }
            Weight::Never => dead = dead.or(Some(why)),
            // The name is given out for the first target; at another one, somebody has to look.
            Weight::NameTaken if !first => dead = dead.or(Some(why)),
            Weight::NameTaken => {
                report.verdict = Verdict::NameTaken;
                return Ok(report);
            }
        }
        if matches!(step.action, Action::CreateAccount { .. } | Action::RestoreAccount) {
            lost.push(place);
        }
    }
    report.verdict = match (retry, dead, waiting) {
        (Some((_, why)), ..) if claim.attempts >= backoff::MOST_ATTEMPTS && !leaving => {
            Verdict::Dead(format!("given up after {} attempts: {why}", claim.attempts + 1))
        }
        (Some((advised, why)), ..) => {
            let urgent = leaving || claim.event.kind.is_leave();
            let at = backoff::next_attempt(claim.attempts, urgent, advised, now);
            Verdict::Retry { at, why }
        }
        (None, Some(why), _) => Verdict::Dead(why),
        (None, None, Some(why)) => Verdict::Waiting(why),
        (None, None, None) => Verdict::Complete,
    };
    Ok(report)
}

/// What an error that is not about one step (the tenant cannot be reached, …) means for the event.
pub(crate) fn postponed(claim: &Claim, error: &Error, now: Timestamp) -> Timestamp {
    backoff::next_attempt(claim.attempts, claim.event.kind.is_leave(), advised(error), now)
}

/// Whether a failure of the event's work as a whole ends it: it was tried often enough, and takes nothing away.
pub(crate) fn is_given_up(claim: &Claim) -> bool {
    claim.attempts >= backoff::MOST_ATTEMPTS && !claim.event.kind.is_leave()
}

/// How long the service asks to be left alone.
fn advised(error: &Error) -> Option<Duration> {
    match error.retry() {
        Retry::After(advised) => advised,
        Retry::Never | Retry::Exhausted => None,
    }
}

enum Weight {
    Harmless,
    Wait,
    Again(Option<Duration>),
    Never,
    NameTaken,
}

fn weigh(doors: &Doors<'_>, step: &Step, error: &Error) -> Weight {
    match (&step.action, error.kind()) {
        (action, ErrorKind::OutcomeUnknown) if doors.repeats.contains(action.kind()) => {
            Weight::Again(advised(error))
        }
        // A notice that could not be sent is reported; the access it speaks of is as planned.
        (Action::Notify { .. }, _) => Weight::Harmless,
        (Action::CreateAccount { .. }, ErrorKind::AlreadyExists) => Weight::NameTaken,
        // Access does not depend on it, so that nothing else is held back or set aside.
        (action, kind) if action.errand().is_some() && kind != ErrorKind::Guarded => Weight::Wait,
        (_, ErrorKind::LicenseExhausted) => Weight::Wait,
        (
            _,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::NotYetReplicated
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Conflict
            | ErrorKind::NotFound
            | ErrorKind::Unauthenticated,
        ) => Weight::Again(advised(error)),
        _ => Weight::Never,
    }
}

/// Writes into `state` what the steps brought: accounts, ledger entries, who blocked sign-in. A step that
/// was intended and never settled counts, and one that failed without a clear answer: what the platform may
/// have done, it must be able to undo. `policy` is the version of the policy that the plan was made by.
pub(crate) fn fold<'a>(
    state: &mut PersonState,
    claim: &Claim,
    policy: &str,
    steps: impl IntoIterator<Item = (&'a Step, Option<&'a Outcome>)>,
    now: Timestamp,
) {
    for (step, outcome) in steps {
        // Already so counts: the plan saw a moment ago that it was not, so an answer was lost.
        let maybe = !outcome.is_some_and(certainly_failed);
        if let Some(Outcome::Done { account: Some(id) } | Outcome::AlreadySo { account: Some(id) }) = outcome
        {
            let name = match &step.action {
                Action::CreateAccount { name, .. } => Some(name.clone()),
                _ => state.accounts.get(&step.target).map(|known| known.name.clone()),
            };
            let account = AccountRef {
                id: id.clone(),
                name: name.unwrap_or_default(),
            };
            state.accounts.insert(step.target.clone(), account);
        }
        match &step.action {
            // An account comes into being with sign-in blocked; an adopted or restored one is ours to open
            // all the same.
            Action::CreateAccount { .. } | Action::RestoreAccount | Action::BlockSignIn if maybe => {
                state.blocked_by_us.insert(step.target.clone());
            }
            Action::AllowSignIn
                if matches!(outcome, Some(Outcome::Done { .. } | Outcome::AlreadySo { .. })) =>
            {
                state.blocked_by_us.remove(&step.target);
            }
            Action::Grant {
                entitlement,
                rules,
                grace_days,
            } if maybe && !rules.is_empty() => {
                state.ledger.retain(|owned| !owned.covers(entitlement));
                state.ledger.push(Owned {
                    entitlement: entitlement.clone(),
                    rules: rules.clone(),
                    event: claim.event.id.clone(),
                    since: now,
                    grace_days: *grace_days,
                    losing_since: None,
                    policy: policy.to_owned(),
                });
            }
            Action::Revoke { entitlement, .. }
                if matches!(outcome, Some(Outcome::Done { .. } | Outcome::AlreadySo { .. })) =>
            {
                state.ledger.retain(|owned| !owned.covers(entitlement));
            }
            action => {
                let Some((errand, turn)) = action.errand() else {
                    continue;
                };
                let record = errand_after(state.errand(errand), turn, action.about(), outcome, now);
                state.note_errand(errand, record);
            }
        }
    }
}

/// What is known of an errand after a step that ran or ended it.
fn errand_after(
    before: Option<&ErrandRecord>,
    turn: Turn,
    about: String,
    outcome: Option<&Outcome>,
    now: Timestamp,
) -> Option<ErrandRecord> {
    let runs = turn == Turn::Run;
    let (fails, given_up) = if runs {
        (ErrandState::Owed, ErrandState::Unsure)
    } else {
        (ErrandState::Ending, ErrandState::Stuck)
    };
    let state = match outcome {
        Some(Outcome::Done { .. } | Outcome::AlreadySo { .. }) if runs => ErrandState::Done,
        Some(Outcome::NotApplicable { .. }) if runs => ErrandState::Void,
        Some(Outcome::Done { .. } | Outcome::AlreadySo { .. } | Outcome::NotApplicable { .. }) => {
            return None;
        }
        _ => fails,
    };
    let failing = before.filter(|before| before.state == fails && state == fails && before.about == about);
    let Some(failing) = failing else {
        let since = now;
        return Some(ErrandRecord { state, since, about });
    };
    let over = now.duration_since(failing.since) >= ERRAND_PATIENCE;
    Some(ErrandRecord {
        state: if over { given_up } else { fails },
        ..failing.clone()
    })
}

/// Whether nothing was done, rather than that nobody heard.
fn certainly_failed(outcome: &Outcome) -> bool {
    let unheard = [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown].map(ErrorKind::as_str);
    matches!(outcome, Outcome::Failed { kind, .. } if !unheard.contains(&kind.as_str()))
}

/// The steps that earlier attempts at the event began and that the person's state does not tell of, with what
/// is known of each.
pub(crate) fn begun(claim: &Claim) -> Vec<(&Step, Option<&Outcome>)> {
    let known = |id: &StepId| claim.steps.iter().find(|record: &&StepRecord| record.step == *id);
    let steps = claim.plan.iter().flat_map(Plan::unwritten);
    steps
        .filter_map(|step| known(&step.id).map(|record| (step, record.outcome.as_ref())))
        .collect()
}
