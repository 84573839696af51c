//! [`Lifecycle`]: the standard joiner-mover-leaver.
//!
//! Whatever the event, the decision is made from the latest record, the calendar and what is: two events
//! of one day lead to the final state, and a repeated one to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::calendar::{calendar, handed_over};
use super::conflict::Apart;
use super::doubt::{lacks, resolve};
use super::errands::{Scene, errands};
use super::link::{Link, link};
use super::mailbox;
use super::phase::{Standing, midnight, over_everywhere, standing};
use super::place::{
    accounts, at_application, fitting, is_directory, is_open, matters, sign_in_name, sort, starts_afresh,
    unread,
};
use super::{Context, Decision, Orchestrator, View};
use crate::entitlement::Desired;
use crate::error::Result;
use crate::event::{Course, Event, Timer};
use crate::journal::{AccountRef, PersonState};
use crate::person::Person;
use crate::plan::{Accounts, Action, Input, Phase, Plan, Step, plan};
use crate::policy::{AccessPolicy, Conflict, Document, Legacy, Subject};

/// How far ahead is looked for a day on which a date condition turns.
const HORIZON_DAYS: u16 = 31;
/// How often somebody is looked at again whose manager has no account.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// What policy says one person should have, and what it keeps apart.
type Says = (Desired, Vec<Conflict>);

/// The standard [`Orchestrator`].
#[derive(Debug, Clone)]
pub struct Lifecycle {
    pub(super) document: Arc<Document>,
    policy: Arc<dyn AccessPolicy>,
}

impl Lifecycle {
    /// The lifecycle as a policy document describes it.
    pub fn new(document: Arc<Document>) -> Self {
        let policy = document.clone();
        Self { document, policy }
    }

    /// The same lifecycle with somebody else deciding who should have what.
    #[must_use]
    pub fn with_policy(mut self, policy: Arc<dyn AccessPolicy>) -> Self {
        self.policy = policy;
        self
    }

    /// What policy says, and what it keeps apart, or why the person is held.
    fn desired(&self, person: &Person, manager: Option<&Person>, today: Date) -> Result<Says, String> {
        let subject = Subject { person, manager };
        let desired = self.policy.desired(&subject, today);
        let says = desired.and_then(|desired| Ok((desired, self.policy.conflicts(&subject, today)?)));
        says.map_err(|problems| format!("the policy could not be evaluated, nothing was changed: {problems}"))
    }

    /// The next local midnight at which a date condition changes the outcome, or a later look.
    fn turning_point(&self, person: &Person, manager: Option<&Person>, at: &Standing) -> Option<Timestamp> {
        if !self.policy.depends_on_date() {
            return None;
        }
        let turned = self
            .policy
            .next_change(&Subject { person, manager }, at.today, HORIZON_DAYS);
        let day = turned.or_else(|| at.today.checked_add(i64::from(HORIZON_DAYS).days()).ok());
        midnight(day?, &at.zone).ok()
    }
}

#[async_trait]
impl Orchestrator for Lifecycle {
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision> {
        let record = event.record.as_ref().or(state.record.as_ref());
        let mut decision = Decision {
            plan: Plan {
                policy: self.policy.version(),
                ..Plan::empty(&event.person)
            },
            timers: cx.course.turns.clone(),
            state: state.clone(),
            waiting: Vec::new(),
            lacking: Vec::new(),
            hold: None,
        };
        decision.plan.notes.clone_from(&cx.course.remarks);
        let Some(person) = record else {
            let note = "HR has sent no record of this person: nothing can be done before it has";
            decision.plan.notes.push(note.to_owned());
            return Ok(decision);
        };
        decision.state.record = Some(person.clone());
        if let Some(successor) = &cx.course.goes_on_as {
            return Ok(handed_over(decision, successor, cx.now));
        }
        if let Some(why) = &cx.course.doubt {
            return Ok(held(decision, why.clone()));
        }
        let mut at = match standing(person, state.left_at, self.document.settings(), cx.now) {
            Ok(at) => at,
            Err(why) => {
                // Not to be forgotten while somebody is held: the last day will be over for certain.
                let over = over_everywhere(person).filter(|over| *over > cx.now);
                decision.timers.extend(over.map(|over| (Timer::Leave, over)));
                return Ok(held(decision, why));
            }
        };
        decision.timers.extend(at.timers.iter().copied());
        if cx.course.account_in_use && at.phase == Phase::Staged {
            // It is at work under the worker id before until the first day under this one.
            at.phase = Phase::Pending;
        }

        let mut undecided = false;
        let view_of = |view: &View| (view.candidates.active.len(), view.candidates.deleted.len());
        for view in cx.views {
            if !matches!(view_of(view), (0, 0..=1) | (1, _)) {
                let why = format!(
                    "{} has more than one account that carries the worker id: remove it from all but one",
                    view.target
                );
                return Ok(held(decision, why));
            }
            let protected = self.document.protected();
            if let Some(why) = protected.undecided(&view.actual) {
                // Not set aside: it comes up again until somebody can tell.
                waits(&mut decision, format!("{}: {why}", view.target));
                if at.phase == Phase::Gone && self.document.settings().block_undecided_leavers {
                    undecided = true;
                    continue;
                }
                return Ok(decision);
            }
            if let Some(why) = protected.reason(&view.actual) {
                decision.plan.refused = Some(why);
                return Ok(decision);
            }
            if let Some(why) = self.unsure_of_protection(view, at.phase) {
                waits(&mut decision, format!("{}: {why}", view.target));
                return Ok(decision);
            }
        }

        if let Some(why) = self.question(at.phase, cx) {
            if at.phase.is_employed() {
                return Ok(held(decision, why));
            }
            decision.plan.notes.push(why);
        }
        let manager = cx.manager.and_then(|manager| manager.record.as_ref());
        decision.plan.stays = at.phase.is_employed() || at.phase == Phase::Pending;
        let mut says = Says::default();
        if at.phase.is_employed() {
            says = match self.desired(person, manager, at.today) {
                Ok(says) => says,
                Err(why) => return Ok(held(decision, why)),
            };
            let turn = self.turning_point(person, manager, &at);
            decision.timers.extend(turn.map(|turn| (Timer::Review, turn)));
        }
        let made = self
            .difference(event, person, state, cx, &at, &says, &mut decision)
            .await?;
        if let Err(why) = made {
            decision.plan = Plan::empty(&event.person);
            return Ok(held(decision, why));
        }
        if undecided {
            shut_out(state, cx, &mut decision);
        }
        self.finish(event, state, cx, &at, &mut decision);
        Ok(decision)
    }

    fn calendar(&self, state: &PersonState, course: &Course, now: Timestamp) -> Vec<(Timer, Timestamp)> {
        calendar(state, course, self.document.settings(), now)
    }
}

impl Lifecycle {
    /// Plans at every target in turn. The inner error is a reason to hold.
    #[allow(clippy::too_many_arguments)] // one call, and a struct would only rename them
    async fn difference(
        &self,
        event: &Event,
        person: &Person,
        state: &PersonState,
        cx: &Context<'_>,
        at: &Standing,
        (desired, conflicts): &Says,
        decision: &mut Decision,
    ) -> Result<Result<(), String>> {
        let mut ledger = state.ledger.clone();
        decision.state.waits_for = None;
        let down = cx
            .down
            .iter()
            .filter(|down| matters(down, at.phase, desired, state));
        for down in down {
            waits(decision, format!("{} cannot be read: {}", down.target, down.why));
        }
        let takes_reports = self.document.settings().manager_takes.contains(&Legacy::Reports);
        let mut wanted = Vec::with_capacity(cx.views.len());
        let mut kept = Vec::with_capacity(cx.views.len());
        for view in cx.views {
            let asked = resolve(view, desired);
            for why in asked.lacking(view, &ledger) {
                lacks(decision, why);
            }
            kept.push((asked.kept(view, &ledger), !asked.lost.is_empty()));
            wanted.push(asked.wanted);
        }
        let fresh = starts_afresh(state, cx);
        let mut apart = Apart::of(conflicts, &mut wanted, cx, &ledger, fresh, state);
        for (view, wanted) in cx.views.iter().zip(&wanted) {
            self.count_no_tier(view, wanted, &mut apart);
        }
        for why in &apart.lacking {
            lacks(decision, why.clone());
        }
        decision.plan.notes.extend(apart.notes.iter().cloned());
        for why in &apart.waiting {
            waits(decision, why.clone());
        }
        if !apart.withheld.is_empty() {
            // What stands in the way may go without anybody telling.
            let later = cx.now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
            decision.timers.push((Timer::Review, later));
        }
        for ((view, wanted), (kept, lost)) in cx.views.iter().zip(wanted).zip(kept) {
            let accounts = accounts(view, cx);
            let here = match accounts {
                Accounts::Application => {
                    let asked = (wanted.as_slice(), lost);
                    at_application(view, at.phase, &at.because, asked, &apart, state, cx)
                }
                _ => Some((at.phase, at.because.clone())),
            };
            let Some((phase, because)) = here else { continue };
            if let Some(why) = unread(view, phase) {
                waits(decision, why);
            }
            let account = view.actual.account.as_ref();
            let present = phase.is_employed();
            if present && account.is_none() && accounts == Accounts::Directory {
                if let Some(why) = self.nameless(view) {
                    lacks(decision, format!("no account is made at {}: {why}", view.target));
                    continue;
                }
                decision.state.name = self.name(person, state, cx).await?;
                if decision.state.name.is_none() {
                    let why = "no free sign-in name was found: add another pattern to the naming ladder";
                    return Ok(Err(why.to_owned()));
                }
            }
            let manager = if present && accounts != Accounts::Borrowed {
                link(view, accounts, takes_reports, cx, decision)
            } else {
                None
            };
            let attributes = fitting(view, &desired.attributes, &mut decision.plan.notes);
            let name = match accounts {
                Accounts::Directory => decision.state.name.clone(),
                // People have one name everywhere.
                _ => sign_in_name(state, cx).or_else(|| decision.state.name.clone()),
            };
            let carriers: BTreeMap<String, Vec<String>> = view
                .catalog
                .items
                .iter()
                .filter(|item| !item.carries.is_empty())
                .map(|item| (item.entitlement.id.clone(), item.carries.clone()))
                .collect();
            let errands = if accounts == Accounts::Directory {
                let scene = Scene {
                    settings: self.document.settings(),
                    at,
                    person,
                    desired,
                    view,
                    state,
                    cx,
                };
                errands(&scene, decision)
            } else {
                Vec::new()
            };
            let mut made = plan(&Input {
                target: &view.target,
                person: &event.person,
                accounts,
                event: &event.id,
                phase,
                because: &because,
                name: name.as_deref(),
                attributes: &attributes,
                wanted: &wanted,
                withheld: &apart.withheld,
                kept: &kept,
                ended: &apart.ended,
                manager: manager.as_ref().map(Link::for_plan),
                actual: &view.actual,
                ledger: &ledger,
                blocked_by_us: accounts != Accounts::Directory || state.blocked_by_us.contains(&view.target),
                fresh: present && fresh,
                reset_password: self.document.settings().reset_password,
                reply: mailbox::reply(self.document.settings(), phase, accounts, view, state),
                errands: &errands,
                left_at: state.left_at,
                hold: mailbox::hold(self.document.settings(), accounts, view),
                now: cx.now,
                carriers: &carriers,
            });
            ledger.clone_from(&made.ledger);
            if !is_directory(&view.target, cx) {
                made.steps.iter_mut().for_each(Step::qualify);
            }
            decision.plan.steps.extend(made.steps);
            decision.plan.notes.extend(made.notes);
            if accounts == Accounts::Directory {
                mailbox::look_back(phase, view, decision);
            }
            if let Some(account) = account.filter(|_| accounts != Accounts::Borrowed) {
                let known = AccountRef {
                    id: account.id.clone(),
                    name: account.name.clone(),
                };
                decision.state.accounts.insert(view.target.clone(), known);
            }
        }
        decision.plan.ledger.clone_from(&ledger);
        decision.state.ledger = ledger;
        sort(&mut decision.plan.steps, at.phase, cx);
        apart.arrange(&mut decision.plan);
        if is_open(state, cx) {
            // Should somebody block it from now on, it was not us.
            decision.state.blocked_by_us.remove(&cx.directory);
        }
        Ok(Ok(()))
    }

    async fn name(&self, person: &Person, state: &PersonState, cx: &Context<'_>) -> Result<Option<String>> {
        let mut ladder = state
            .name
            .clone()
            .into_iter()
            .chain(self.document.naming().candidates(person));
        cx.names.choose(&person.key, &mut ladder).await
    }
}

/// The event comes up again for that reason.
fn waits(decision: &mut Decision, why: String) {
    decision.plan.notes.push(format!("waits: {why}"));
    decision.waiting.push(why);
}

/// No more than what keeps a leaver out, and can be taken back, where a role may protect the account.
fn shut_out(state: &PersonState, cx: &Context<'_>, decision: &mut Decision) {
    let shuts = |step: &Step| matches!(step.action, Action::BlockSignIn | Action::RevokeSessions);
    let steps = &mut decision.plan.steps;
    steps.retain(|step| shuts(step) && is_directory(&step.target, cx));
    decision.plan.ledger.clone_from(&state.ledger);
    decision.state.ledger.clone_from(&state.ledger);
}

fn held(mut decision: Decision, why: String) -> Decision {
    decision.hold = Some(why);
    decision
}
