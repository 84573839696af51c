//! What a plan has shown, and that nothing else is carried out by applying it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::report::{Ending, PersonRun, Preview};
use crate::error::{ErrorKind, Result};
use crate::journal::{Claim, Journal, PersonState};
use crate::person::PersonKey;
use crate::plan::{Action, Plan, Step};

/// How many plans an engine remembers, to say who differs from them.
const REMEMBERED: usize = 4;
/// How many people an error names.
const NAMED: usize = 5;

/// The plans that an engine has shown lately.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(String, BTreeMap<PersonKey, [u8; 32]>)>);

impl Recent {
    pub(super) fn remember(&mut self, preview: &Preview) {
        let hash = preview.hash();
        self.0.retain(|(known, _)| *known != hash);
        self.0.push_back((hash, preview.digests()));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    /// Who differs between the plan of `hash` and what would happen now, in words.
    pub(super) fn differences(&self, hash: &str, now: &Preview) -> String {
        let Some((_, before)) = self.0.iter().find(|(known, _)| known == hash) else {
            return "who differs is not known, because this engine has not shown that plan".to_owned();
        };
        let now = now.digests();
        let people: BTreeSet<&PersonKey> = before.keys().chain(now.keys()).collect();
        let differ = people
            .into_iter()
            .filter(|person| before.get(*person) != now.get(*person));
        let differ: Vec<&PersonKey> = differ.collect();
        format!("{} differ: {}", differ.len(), named(&differ))
    }
}

/// The first of them by name, the others by number.
pub(super) fn named(people: &[&PersonKey]) -> String {
    let mut text: Vec<String> = people
        .iter()
        .take(NAMED)
        .map(|person| (*person).to_string())
        .collect();
    if people.len() > NAMED {
        text.push(format!("and {} more", people.len() - NAMED));
    }
    text.join(", ")
}

/// The steps that may be carried out. What else is claimed is held until the work ends, so that it is not claimed
/// again and again, and then given back untouched.
#[derive(Debug)]
pub(super) struct Scope {
    shown: BTreeMap<PersonKey, BTreeSet<[u8; 32]>>,
    /// Whether anything at all may be done for these people.
    open: bool,
    held: Mutex<Vec<(Claim, PersonState)>>,
    beat: Mutex<Instant>,
}

/// How often the leases of what is held are renewed.
const BEAT: Duration = Duration::from_mins(2);

/// Why somebody is left for later.
const NOT_SHOWN: &str = "the plan that was applied does not show this: it is left for the next one";

impl Scope {
    /// What `preview` shows of these people.
    pub(super) fn of(preview: &Preview, people: impl Fn(&PersonKey) -> bool) -> Self {
        let mut shown: BTreeMap<PersonKey, BTreeSet<[u8; 32]>> = BTreeMap::new();
        for plan in preview.people.iter().filter(|plan| people(&plan.person)) {
            let steps = plan.plan.steps.iter().map(digest);
            shown.entry(plan.person.clone()).or_default().extend(steps);
        }
        Self {
            shown,
            open: false,
            held: Mutex::default(),
            beat: Mutex::new(Instant::now()),
        }
    }

    /// Whatever there is to be done for these people, and nothing for others.
    pub(super) fn open(people: &BTreeSet<PersonKey>) -> Self {
        let shown = people.iter().map(|person| (person.clone(), BTreeSet::new()));
        Self {
            shown: shown.collect(),
            open: true,
            held: Mutex::default(),
            beat: Mutex::new(Instant::now()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Claim, PersonState)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the claims that are for people whom the plan shows; the others are held, and not even looked at.
    pub(super) fn admit(&self, claims: Vec<Claim>) -> Vec<Claim> {
        let (shown, others): (Vec<_>, Vec<_>) = claims
            .into_iter()
            .partition(|claim| self.shown.contains_key(&claim.event.person));
        let others = others.into_iter().map(|claim| {
            let state = claim.state.clone();
            (claim, state)
        });
        self.lock().extend(others);
        shown
    }

    /// Keeps what is held from being claimed again.
    pub(super) async fn keep(&self, journal: &dyn Journal, lease: Duration) -> Result<()> {
        {
            let mut beat = self.beat.lock().unwrap_or_else(PoisonError::into_inner);
            if beat.elapsed() < BEAT {
                return Ok(());
            }
            *beat = Instant::now();
        }
        let held: Vec<Claim> = self.lock().iter().map(|(claim, _)| claim.clone()).collect();
        for claim in held {
            match journal.heartbeat(&claim, lease).await {
                Err(error) if error.kind() == ErrorKind::Fenced => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Whether the plan was shown, as a whole or as a part of what was.
    pub(super) fn covers(&self, plan: &Plan) -> bool {
        let shown = self.shown.get(&plan.person);
        let known = |step: &Step| shown.is_some_and(|shown| shown.contains(&digest(step)));
        self.open || plan.steps.iter().all(known)
    }

    /// Holds a claim whose plan was not shown. `state` tells what has been done so far.
    pub(super) fn hold(&self, claim: &Claim, state: PersonState, now: Timestamp) -> PersonRun {
        self.lock().push((claim.clone(), state));
        PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes: Vec::new(),
            notes: Vec::new(),
            ending: Ending::Retry(now, NOT_SHOWN.to_owned()),
        }
    }

    /// Gives back what was held, due as it was.
    pub(super) async fn give_back(&self, journal: &dyn Journal, now: Timestamp) -> Result<()> {
        let held = std::mem::take(&mut *self.lock());
        for (claim, state) in held {
            match journal.retry_later(&claim, &state, now, NOT_SHOWN).await {
                // The lease ran out, and somebody else goes on with it.
                Err(error) if error.kind() == ErrorKind::Fenced => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// What a step does, whatever the ids of accounts that the plan could not know yet.
pub(super) fn digest(step: &Step) -> [u8; 32] {
    let mut action = step.action.clone();
    match &mut action {
        Action::SetManager {
            manager_account,
            before,
            ..
        } => {
            manager_account.clear();
            *before = None;
        }
        Action::ShareDrive { with_account, .. }
        | Action::HandOverGroups { with_account, .. }
        | Action::HandOverSponsorships { with_account, .. }
        | Action::ForwardMail { with_account, .. } => with_account.clear(),
        Action::Revoke { assignment, .. } => *assignment = None,
        // What is to be is shown; what was may have been read from another replica.
        Action::UpdateAccount { changes } => changes.values_mut().for_each(|change| change.before = None),
        _ => {}
    }
    let what = (&step.target, &step.person, &action, step.privileged);
    // A step always has a JSON form: its map keys are text.
    Sha256::digest(serde_json::to_vec(&what).unwrap_or_default()).into()
}
