//! What is looked at over the whole plan before the first write: licence seats, those who must stay (the last holder
//! of a role that nobody could give back, the platform's own account).
//!
//! Invariant: what is withheld is withheld before anything is done for that person, and keeps nobody else waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::report::{PersonPlan, Preview, SeatNeed};
use super::views::Offer;
use crate::entitlement::{Catalog, Keep, Kind, TargetId, same};
use crate::orchestrator::Decision;
use crate::person::PersonKey;
use crate::plan::{Action, Plan, Step, StepId, guard};

/// The catalogues as a batch sees them, and what is withheld because of it.
#[derive(Debug)]
pub(super) struct Preflight {
    offers: Vec<Arc<Catalog>>,
    refused: BTreeMap<PersonKey, String>,
    seatless: BTreeMap<(PersonKey, StepId), String>,
    /// The holders of each role to be kept that this batch leaves.
    left: Mutex<Vec<Left>>,
}

#[derive(Debug, Clone)]
struct Left {
    keep: Keep,
    holders: Option<BTreeSet<String>>,
}

impl Preflight {
    pub(super) fn of(offers: &[Offer]) -> Self {
        let offers: Vec<Arc<Catalog>> = offers
            .iter()
            .filter_map(|offer| match offer {
                Offer::Catalog(catalog) => Some(catalog.clone()),
                Offer::Down(_) => None,
            })
            .collect();
        let left = offers.iter().flat_map(|catalog| &catalog.keep).map(Left::of);
        let left = Mutex::new(left.collect());
        Self {
            offers,
            refused: BTreeMap::new(),
            seatless: BTreeMap::new(),
            left,
        }
    }

    /// Looks at the whole, and takes out of it what cannot be.
    pub(super) fn judge(&mut self, preview: &mut Preview) {
        let keeps = self.offers.iter().flat_map(|catalog| &catalog.keep);
        let mut left: Vec<Left> = keeps.map(Left::of).collect();
        let mut seats = Seats::of(&self.offers);
        for person in &mut preview.people {
            if let Some(why) = take(&mut left, &person.plan) {
                self.refused.insert(person.person.clone(), why.clone());
                refuse(&mut person.plan, why);
                continue;
            }
            for (step, why) in seats.take(person) {
                person.waiting.push(why.clone());
                self.seatless.insert((person.person.clone(), step), why);
            }
        }
        preview.seats = seats.needs();
    }

    /// Takes out of a decision what the whole has no room for; tells what it waits for.
    pub(super) fn apply(&self, decision: &mut Decision) -> Vec<String> {
        if let Some(why) = decision.plan.steps.iter().find_map(|step| self.own(step)) {
            refuse(&mut decision.plan, why);
            return Vec::new();
        }
        if let Some(why) = self.refused.get(&decision.plan.person)
            && self.lock().iter().any(|left| left.is_touched(&decision.plan))
        {
            refuse(&mut decision.plan, why.clone());
            return Vec::new();
        }
        let mut waits = Vec::new();
        let person = decision.plan.person.clone();
        decision.plan.steps.retain(|step| {
            let why = self.seatless.get(&(person.clone(), step.id.clone()));
            waits.extend(why.cloned());
            why.is_none()
        });
        waits
    }

    /// Why the step must not be carried out: the platform would lock itself out.
    pub(super) fn own(&self, step: &Step) -> Option<String> {
        let account = step.account.as_ref()?.to_lowercase();
        let own = self.offers.iter().any(|catalog| catalog.own.contains(&account));
        own.then(|| format!("account {account} is the one that the platform itself runs as"))
    }

    /// Why nothing of the plan may be carried out, or nothing; then what it takes is counted.
    pub(super) fn forbids(&self, plan: &Plan) -> Option<String> {
        take(&mut self.lock(), plan)
    }

    /// The accounts that the plan takes a role from, or locks out, that somebody must keep; where nobody knows who holds
    /// the role, an empty name as well.
    pub(super) fn touched(&self, plan: &Plan) -> BTreeSet<String> {
        let lock = self.lock();
        let touched = lock.iter().filter(|left| left.is_touched(plan));
        touched.flat_map(|left| left.weighed(plan)).collect()
    }

    /// The same of a plan that may be carried out by now.
    pub(super) fn lost(&self, plan: &Plan) -> BTreeSet<String> {
        self.lock().iter().flat_map(|left| left.weighed(plan)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(plan: &mut Plan, why: String) {
    plan.steps.clear();
    plan.refused = Some(why);
}

/// Takes those out of `left` whom the plan would take the role from or lock out, unless too few would stay.
fn take(left: &mut [Left], plan: &Plan) -> Option<String> {
    if let Some(why) = left.iter().find_map(|left| left.refusal(plan)) {
        return Some(why);
    }
    for left in left {
        let lost = left.lost(plan);
        if let Some(holders) = &mut left.holders {
            holders.retain(|holder| !lost.contains(holder));
        }
    }
    None
}

impl Left {
    fn of(keep: &Keep) -> Self {
        Self {
            keep: keep.clone(),
            holders: keep.holders.clone(),
        }
    }

    /// The accounts that the plan takes the role from, blocks or deletes.
    fn lost(&self, plan: &Plan) -> BTreeSet<String> {
        let what = &self.keep.entitlement;
        let takes = |step: &Step| match &step.action {
            Action::Revoke { entitlement, .. } => same(entitlement, what) || self.comes_by(&entitlement.id),
            Action::BlockSignIn | Action::DeleteAccount => step.target == what.target,
            _ => false,
        };
        let steps = plan.steps.iter().filter(|step| takes(step));
        steps
            .filter_map(|step| Some(step.account.as_ref()?.to_lowercase()))
            .collect()
    }

    /// The accounts that the plan takes the role from, with an empty name where nobody knows who holds it.
    fn weighed(&self, plan: &Plan) -> BTreeSet<String> {
        let mut lost = self.lost(plan);
        if self.holders.is_none() {
            lost.insert(String::new());
        }
        lost
    }

    /// Whether members of a group hold the role.
    fn comes_by(&self, id: &str) -> bool {
        self.keep.through.contains(&id.to_lowercase())
    }

    /// Whether the plan takes the role from a holder, or locks one out.
    fn is_touched(&self, plan: &Plan) -> bool {
        let lost = self.lost(plan);
        match &self.keep.holders {
            Some(holders) => lost.iter().any(|account| holders.contains(account)),
            None => takes_it(plan, &self.keep),
        }
    }

    fn refusal(&self, plan: &Plan) -> Option<String> {
        let (what, least) = (&self.keep.entitlement, self.keep.least);
        let Some(holders) = &self.holders else {
            return takes_it(plan, &self.keep)
                .then(|| format!("who else holds the {what} could not be read, and somebody must keep it"));
        };
        let lost = self.lost(plan);
        let stay = holders.iter().filter(|holder| !lost.contains(*holder)).count();
        (stay < holders.len() && stay < least).then(|| {
            format!("the {what} must keep {least} holder(s) who can sign in, and {stay} would be left")
        })
    }
}

fn takes_it(plan: &Plan, keep: &Keep) -> bool {
    let mut steps = plan.steps.iter();
    steps.any(|step| {
        matches!(&step.action, Action::Revoke { entitlement, .. } if same(entitlement, &keep.entitlement))
    })
}

/// Free seats, licence by licence. Leavers come first, and so the seats that they free are there for the others;
/// what somebody else gives up is there for the next plan.
struct Seats {
    needs: Vec<SeatNeed>,
    carried: BTreeMap<(TargetId, String), Vec<String>>,
}

impl Seats {
    fn of(offers: &[Arc<Catalog>]) -> Self {
        let items = || offers.iter().flat_map(|catalog| &catalog.items);
        let needs = items().filter_map(|item| {
            let seats = item.seats?;
            Some(SeatNeed {
                license: item.entitlement.clone(),
                total: seats.total,
                used: seats.used,
                freed: 0,
                needed: 0,
                waiting: 0,
            })
        });
        let carried = items().filter(|item| !item.carries.is_empty()).map(|item| {
            let key = (
                item.entitlement.target.clone(),
                item.entitlement.id.to_lowercase(),
            );
            (key, item.carries.clone())
        });
        Self {
            needs: needs.collect(),
            carried: carried.collect(),
        }
    }

    fn of_license(&mut self, target: &TargetId, id: &str) -> Option<&mut SeatNeed> {
        let mut needs = self.needs.iter_mut();
        needs.find(|need| need.license.target == *target && need.license.id.eq_ignore_ascii_case(id))
    }

    /// Gives out the seats that a plan needs; takes the steps out of it for which there is none.
    fn take(&mut self, person: &mut PersonPlan) -> Vec<(StepId, String)> {
        let leaves = person.kind.is_leave() || guard::leaves(&person.plan);
        let mut seatless = Vec::new();
        let mut notes = Vec::new();
        for step in &person.plan.steps {
            match &step.action {
                Action::Revoke { entitlement, .. } if leaves && entitlement.kind == Kind::License => {
                    if let Some(need) = self.of_license(&entitlement.target, &entitlement.id) {
                        need.freed += 1;
                    }
                }
                Action::Grant {
                    entitlement, rules, ..
                } if entitlement.kind == Kind::License => {
                    let need = self.of_license(&entitlement.target, &entitlement.id);
                    if let Some(why) = need.and_then(SeatNeed::take) {
                        let why = format!("waiting: {entitlement} ({}): {why}", rules.join(", "));
                        seatless.push((step.id.clone(), why));
                    }
                }
                Action::Grant { entitlement, .. } if entitlement.kind == Kind::Group => {
                    let key = (entitlement.target.clone(), entitlement.id.to_lowercase());
                    for id in self.carried.get(&key).cloned().unwrap_or_default() {
                        let need = self.of_license(&entitlement.target, &id);
                        let Some(need) = need else { continue };
                        let license = need.license.clone();
                        if let Some(why) = need.take() {
                            notes.push(format!(
                                "{entitlement} carries {license}, which comes later: {why}"
                            ));
                        }
                    }
                }
                _ => {}
            }
        }
        person
            .plan
            .steps
            .retain(|step| seatless.iter().all(|(id, _)| *id != step.id));
        person.plan.notes.extend(notes);
        seatless
    }

    /// The licences that the plan asks for or frees.
    fn needs(self) -> Vec<SeatNeed> {
        let asked = |need: &SeatNeed| need.needed + need.freed > 0;
        self.needs.into_iter().filter(asked).collect()
    }
}

impl SeatNeed {
    /// Takes a seat, or says why there is none.
    fn take(&mut self) -> Option<String> {
        self.needed += 1;
        let given = self.needed - self.waiting - 1;
        if self.used + given < self.total + self.freed {
            return None;
        }
        self.waiting += 1;
        let Self {
            total, used, freed, ..
        } = self;
        Some(format!(
            "no seat is free ({used} of {total} are taken, {freed} become free, {given} are given before)"
        ))
    }
}
