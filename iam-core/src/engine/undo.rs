//! Undo and revert: what somebody asks for in person, as events of their own.
//!
//! Invariants: an undo never gives back access that is not deserved, and never undoes what policy would do again at the
//! next event: both are left out, with the reason. What is undone goes through plan, guard and journal as anything else.

use super::Engine;
use super::compensation::{UndoPlan, compensation};
use super::drift::thing;
use super::names::{NameCheck, NameDesk, Queue};
use super::preview::Shadow;
use super::sight;
use super::views::Surroundings;
use super::work::Work;
use crate::entitlement::{Actual, Entitlement, Kind, TargetId, Via, same};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventId, EventKind};
use crate::journal::{Claim, Entry, EventState, HistoryQuery, Lifecycle as Stage, PersonState};
use crate::orchestrator::{Context, Decision, Orchestrator, View};
use crate::plan::{Action, Step, apply};

impl Engine {
    /// What undoing an event would do now: the inverse of what it is known to have done, the last change first; what
    /// nothing undoes; what is not as the event left it any more; and what must not be undone. Reads the targets,
    /// writes nothing.
    ///
    /// Refused and left out is what policy would do again at the person's next event (correct the record or the policy instead),
    /// and whatever gives access that is not deserved: sign-in and accounts of somebody who is not at work according
    /// to HR, and anything taken, unless it was somebody else's gift that a [revert](Self::revert) took.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the journal has no such event; [`ErrorKind::Conflict`] when it has not ended; as
    /// [`run`](Self::run) otherwise.
    pub async fn undo_plan(&self, event: &EventId) -> Result<UndoPlan> {
        let entry = self.entry(event).await?.ok_or_else(|| {
            let message = format!("the journal has no event {event}");
            Error::new(ErrorKind::NotFound, message)
        })?;
        if entry.state == EventState::Pending {
            let message = format!("event {event} has not ended: it cannot be undone yet");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let offers = self.offers().await?;
        let sight = self.sight(&entry.event.person, &offers).await?;
        let shadow = Shadow::idle(self.journal.as_ref());
        let names = NameCheck::new(self.naming()?);
        let queue = Queue::default();
        let desk = NameDesk::looking(&shadow, &names, queue.place(0));
        let directory = self.naming()?.id();
        let cx = sight
            .around
            .context(self.clock.now(), directory, &sight.course, &desk);
        let undo = compensation(&entry, &actuals(&sight.around));
        let lights = Lights {
            entry: &entry,
            now: &sight.decision,
            around: &sight.around,
            state: &sight.state,
        };
        lights.weigh(undo, self.orchestrator.as_ref(), &cx).await
    }

    /// Undoes an event by an event of its own, worked off by the next [`run`](Self::run) or
    /// [`apply`](Self::apply): planned, shown, limited by the guard and journalled as any other. What
    /// [`undo_plan`](Self::undo_plan) lists as refused or without inverse stays done. `by` (who asks, for example a worker id)
    /// and `reason` are kept with the event.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when nothing is left to undo, or all of it is refused: nothing was accepted, and the
    /// error says why; [`ErrorKind::Invalid`] without `by` or `reason`; as [`undo_plan`](Self::undo_plan) otherwise.
    /// What must not be undone is looked at again when the event is worked on, and left out then.
    pub async fn undo(&self, event: &EventId, by: &str, reason: &str) -> Result<EventId> {
        let undo = self.undo_plan(event).await?;
        if let Some(why) = nothing_left(&undo) {
            return Err(Error::new(ErrorKind::Conflict, why));
        }
        let event = Event::undo(&undo.person, event, by, reason, self.clock.now());
        self.ask(event, by, reason).await
    }
}

impl Work<'_> {
    /// Puts what somebody asked for into the decision: what a revert takes, or what an undo does instead.
    pub(super) async fn heed(
        &self,
        claim: &Claim,
        state: &PersonState,
        around: &Surroundings,
        cx: &Context<'_>,
        decision: &mut Decision,
    ) -> Result<()> {
        if decision.hold.is_some() || decision.plan.refused.is_some() {
            return Ok(());
        }
        match &claim.event.kind {
            EventKind::Revert { by, take, .. } => {
                let taken = around
                    .views
                    .iter()
                    .flat_map(|view| taken(view, state, take, by, cx));
                for step in taken.collect::<Vec<_>>() {
                    if !decision.plan.steps.iter().any(|known| known.id == step.id) {
                        decision.plan.steps.push(step);
                    }
                }
                Ok(())
            }
            EventKind::Undo { of, .. } => self.undo(claim, state, around, of, cx, decision).await,
            _ => Ok(()),
        }
    }

    async fn undo(
        &self,
        claim: &Claim,
        state: &PersonState,
        around: &Surroundings,
        of: &EventId,
        cx: &Context<'_>,
        decision: &mut Decision,
    ) -> Result<()> {
        let query = HistoryQuery {
            event: Some(of.clone()),
            ..HistoryQuery::default()
        };
        let entry = self.journal.history(&query).await?.pop();
        let entry = entry.filter(|entry| entry.event.person == claim.event.person);
        let Some(entry) = entry else {
            decision.plan.steps.clear();
            decision.plan.refused = Some(format!("undo: the journal has no event {of} of this person"));
            return Ok(());
        };
        let undo = compensation(&entry, &actuals(around));
        let lights = Lights {
            entry: &entry,
            now: decision,
            around,
            state,
        };
        let undo = lights.weigh(undo, self.orchestrator, cx).await?;
        decision.plan.refused = nothing_left(&undo);
        let stays = undo.without_inverse.iter();
        let stays = stays
            .chain(&undo.refused)
            .map(|(step, why)| format!("{step} stays: {why}"));
        decision.plan.notes = stays.collect();
        decision.plan.steps = undo.steps;
        // Nothing else is done on this occasion: the person is what they were.
        decision.plan.ledger.clone_from(&state.ledger);
        decision.state = state.clone();
        Ok(())
    }
}

fn actuals(around: &Surroundings) -> Vec<(&TargetId, &Actual)> {
    let views = around.views.iter();
    views.map(|view| (&view.target, &view.actual)).collect()
}

/// In the light of which an undo is weighed.
struct Lights<'a> {
    entry: &'a Entry,
    /// What would be decided now, without the undo.
    now: &'a Decision,
    around: &'a Surroundings,
    state: &'a PersonState,
}

impl Lights<'_> {
    /// Leaves out what must not be undone: what is not deserved, and what policy would do again. Without that, policy
    /// may do more again, so that it is asked until it has no objection.
    async fn weigh(
        &self,
        mut undo: UndoPlan,
        orchestrator: &dyn Orchestrator,
        cx: &Context<'_>,
    ) -> Result<UndoPlan> {
        refuse(&mut undo, |step| self.undeserved(step));
        let record = self.now.state.record.clone();
        while let (false, Some(record)) = (undo.steps.is_empty(), record.clone()) {
            let (after, then) = undone(&undo, self.around, self.state);
            let claim = sight::claim(&then, record, cx.now);
            let after = after.context(cx.now, &cx.directory, cx.course, cx.names);
            let again = orchestrator.on_event(&claim.event, &then, &after).await?;
            let before = undo.steps.len();
            refuse(&mut undo, |step| done_again(step, &again));
            if undo.steps.len() == before {
                break;
            }
        }
        Ok(undo)
    }

    /// Why a step is not deserved, or `None`.
    fn undeserved(&self, step: &Step) -> Option<String> {
        let gone = "according to HR the person is not at work";
        if let Some(why) = self.now.hold.as_ref().or(self.now.plan.refused.as_ref()) {
            return Some(why.clone());
        }
        let stage = self.now.state.lifecycle;
        let present = stage.is_employed();
        if self.entry.event.kind.is_leave() && !present {
            return Some(gone.to_owned());
        }
        let why = match &step.action {
            Action::AllowSignIn if !matches!(stage, Stage::Active | Stage::Leaving) => gone,
            Action::RestoreAccount | Action::Grant { .. } if !present => gone,
            Action::Grant { entitlement, .. } if !self.was_a_gift(entitlement) => {
                "what was taken is given again by a rule alone: correct the record or the policy"
            }
            _ => return None,
        };
        Some(why.to_owned())
    }

    /// Whether a revert took it, and the platform had not given it.
    fn was_a_gift(&self, what: &Entitlement) -> bool {
        let mut ledger = self.entry.plan.iter().flat_map(|plan| &plan.ledger);
        matches!(self.entry.event.kind, EventKind::Revert { .. }) && !ledger.any(|owned| owned.covers(what))
    }
}

/// Moves the steps that `why` objects to.
fn refuse(undo: &mut UndoPlan, why: impl Fn(&Step) -> Option<String>) {
    let refused = &mut undo.refused;
    undo.steps.retain(|step| match why(step) {
        Some(why) => {
            refused.push((step.id.clone(), why));
            false
        }
        None => true,
    });
}

/// The world as it would be once it is undone.
fn undone(undo: &UndoPlan, around: &Surroundings, state: &PersonState) -> (Surroundings, PersonState) {
    let (mut after, mut state) = (around.clone(), state.clone());
    for step in &undo.steps {
        match &step.action {
            Action::Revoke { entitlement, .. } => state.ledger.retain(|owned| !owned.covers(entitlement)),
            Action::BlockSignIn => {
                state.blocked_by_us.insert(step.target.clone());
            }
            Action::AllowSignIn => {
                state.blocked_by_us.remove(&step.target);
            }
            _ => {}
        }
        for view in after.views.iter_mut().filter(|view| view.target == step.target) {
            apply(&mut view.actual, &step.action);
            let account = view.actual.account.clone();
            let (deleted, active) = account.into_iter().partition(|account| account.deleted);
            (view.candidates.active, view.candidates.deleted) = (active, deleted);
        }
    }
    (after, state)
}

/// Why policy would do again what the step undoes, or `None`.
fn done_again(step: &Step, again: &Decision) -> Option<String> {
    if let Some(why) = again.hold.as_ref().or(again.plan.refused.as_ref()) {
        return Some(why.clone());
    }
    let mut steps = again.plan.steps.iter();
    let redo = steps.find(|redo| redo.target == step.target && negates(&redo.action, &step.action))?;
    Some(format!("policy would do it again: {}", redo.why))
}

fn negates(redo: &Action, undo: &Action) -> bool {
    match (redo, undo) {
        (Action::Grant { entitlement: a, .. }, Action::Revoke { entitlement: b, .. })
        | (Action::Revoke { entitlement: a, .. }, Action::Grant { entitlement: b, .. }) => same(a, b),
        (Action::UpdateAccount { changes: a }, Action::UpdateAccount { changes: b }) => {
            a.keys().any(|attribute| b.contains_key(attribute))
        }
        (Action::SetManager { .. }, Action::SetManager { .. })
        | (Action::AllowSignIn, Action::BlockSignIn)
        | (Action::BlockSignIn, Action::AllowSignIn)
        | (Action::CreateAccount { .. } | Action::RestoreAccount, Action::DeleteAccount)
        | (Action::DeleteAccount, Action::RestoreAccount) => true,
        _ => false,
    }
}

/// Why nothing is undone, or `None`.
fn nothing_left(undo: &UndoPlan) -> Option<String> {
    if !undo.steps.is_empty() {
        return None;
    }
    let event = &undo.event;
    let refused = undo.refused.iter().map(|(step, why)| format!("{step}: {why}"));
    let refused: Vec<String> = refused.collect();
    Some(if refused.is_empty() {
        format!("there is nothing left of event {event} to undo")
    } else {
        format!("event {event} is not undone: {}", refused.join("; "))
    })
}

/// The steps that take what somebody else gave, where it is named.
fn taken<'a>(
    view: &'a View,
    state: &'a PersonState,
    take: &'a [String],
    by: &'a str,
    cx: &'a Context<'_>,
) -> impl Iterator<Item = Step> + 'a {
    let foreign = view.actual.held.iter().filter(move |held| {
        let ours = state.ledger.iter().any(|owned| owned.covers(&held.entitlement));
        held.via == Via::Direct && !ours && take.contains(&thing(&held.entitlement))
    });
    foreign.map(move |held| {
        let account = view.actual.account.as_ref().map(|account| account.id.as_str());
        let action = Action::Revoke {
            entitlement: held.entitlement.clone(),
            assignment: held.assignment.clone(),
        };
        let why = format!("{by} asks for it");
        let mut step = Step::new(&view.target, &state.key, account, action, why);
        let item = view.catalog.item(&held.entitlement);
        step.privileged = item.map_or_else(
            || matches!(held.entitlement.kind, Kind::Role | Kind::Azure),
            |item| item.privileged,
        );
        if view.target != cx.directory {
            step.qualify();
        }
        step
    })
}
