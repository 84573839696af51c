//! What would happen: previews, plans and their steps.

use std::collections::BTreeMap;

use iam_core::engine::{self, AsOf as Seen};
use iam_core::{entitlement, plan};

use super::{Grant, Instant, List, results, shown_grants, word};
use crate::convert::Json;

results! {
    /// One thing that a target can give to an account.
    Entitlement [target, kind, id, name] {
        target: String,
        kind: String,
        id: String,
        name: String,
    }

    /// One change at one target.
    Step [id, target, person, kind, risk] {
        id: String,
        target: String,
        person: String,
        account: Option<String>,
        kind: String,
        entitlement: Option<Entitlement>,
        why: String,
        rules: List<String>,
        risk: String,
        privileged: bool,
        needs: List<String>,
        /// The action with everything it needs.
        details: Json,
    }

    /// What is to be done for one person, in order.
    Plan [person, steps, refused] {
        person: String,
        steps: List<Step>,
        notes: List<String>,
        refused: Option<String>,
        policy: String,
        hash: String,
    }

    /// What would happen to one person.
    PersonPlan [person, event, kind, hold, steps] {
        person: String,
        record: Option<Json>,
        event: String,
        kind: String,
        plan: Plan,
        steps: List<Step>,
        notes: List<String>,
        refused: Option<String>,
        hold: Option<String>,
        waiting: List<String>,
        next: Option<String>,
        next_at: Option<Instant>,
    }

    /// How far the seats of a licence go, over the whole plan.
    SeatNeed [total, used, freed, needed, waiting] {
        license: Entitlement,
        total: u64,
        used: u64,
        freed: u64,
        needed: u64,
        waiting: u64,
    }

    /// Everything that would happen now.
    Preview [hash, people, steps, risk, guard, findings] {
        people: List<PersonPlan>,
        guard: List<String>,
        seats: List<SeatNeed>,
        findings: List<String>,
        hash: String,
        steps: usize,
        risk: Option<String>,
        by_risk: BTreeMap<String, usize>,
    }

    /// What undoing an event would do.
    UndoPlan [event, person, steps, refused] {
        event: String,
        person: String,
        steps: List<Step>,
        without_inverse: List<(String, String)>,
        gone: List<(String, String)>,
        refused: List<(String, String)>,
        text: String,
    }

    /// What happens at one instant to come.
    Moment [at, people] {
        at: Instant,
        people: List<PersonPlan>,
    }

    /// What was known of one person at an instant that is over.
    Known [person, event, phase] {
        person: String,
        event: String,
        entered_at: Instant,
        record: Json,
        phase: Option<String>,
        grants: Option<List<Grant>>,
        unclear: Option<String>,
    }

    /// The plan as of an instant.
    AsOf [is_past, moments, known] {
        is_past: bool,
        moments: List<Moment>,
        known: List<Known>,
    }
}
super::spoken!(UndoPlan);

impl From<&entitlement::Entitlement> for Entitlement {
    fn from(what: &entitlement::Entitlement) -> Self {
        Self {
            target: what.target.to_string(),
            kind: word(&what.kind),
            id: what.id.clone(),
            name: what.name.clone(),
        }
    }
}

impl From<&plan::Step> for Step {
    fn from(step: &plan::Step) -> Self {
        let (entitlement, rules) = match &step.action {
            plan::Action::Grant {
                entitlement, rules, ..
            } => (Some(entitlement), rules.clone()),
            plan::Action::Revoke { entitlement, .. } => (Some(entitlement), Vec::new()),
            _ => (None, Vec::new()),
        };
        Self {
            id: step.id.to_string(),
            target: step.target.to_string(),
            person: step.person.to_string(),
            account: step.account.clone(),
            kind: step.action.kind().to_owned(),
            entitlement: entitlement.map(Into::into),
            why: step.why.clone(),
            rules: rules.into_iter().collect(),
            risk: step.risk().as_str().to_owned(),
            privileged: step.privileged,
            needs: step.needs.iter().map(ToString::to_string).collect(),
            details: Json::of(&step.action),
        }
    }
}

impl From<&plan::Plan> for Plan {
    fn from(plan: &plan::Plan) -> Self {
        Self {
            person: plan.person.to_string(),
            steps: List::of(&plan.steps),
            notes: plan.notes.iter().cloned().collect(),
            refused: plan.refused.clone(),
            policy: plan.policy.clone(),
            hash: plan.hash(),
        }
    }
}

impl From<&engine::PersonPlan> for PersonPlan {
    fn from(person: &engine::PersonPlan) -> Self {
        let plan = Plan::from(&person.plan);
        Self {
            person: person.person.to_string(),
            record: person.record.as_ref().map(Json::of),
            event: person.event.to_string(),
            kind: person.kind.as_str().to_owned(),
            steps: plan.steps.clone(),
            notes: plan.notes.clone(),
            refused: plan.refused.clone(),
            plan,
            hold: person.hold.clone(),
            waiting: person.waiting.iter().cloned().collect(),
            next: person.next.map(|(timer, _)| timer.as_str().to_owned()),
            next_at: person.next.map(|(_, at)| Instant(at)),
        }
    }
}

impl From<&engine::SeatNeed> for SeatNeed {
    fn from(need: &engine::SeatNeed) -> Self {
        Self {
            license: (&need.license).into(),
            total: need.total,
            used: need.used,
            freed: need.freed,
            needed: need.needed,
            waiting: need.waiting,
        }
    }
}

impl From<&engine::Preview> for Preview {
    fn from(preview: &engine::Preview) -> Self {
        let by_risk = preview.by_risk().into_iter();
        Self {
            people: List::of(&preview.people),
            guard: preview.guard.iter().cloned().collect(),
            seats: List::of(&preview.seats),
            findings: preview.findings.iter().cloned().collect(),
            hash: preview.hash(),
            steps: preview.steps(),
            risk: preview.risk().map(|risk| risk.as_str().to_owned()),
            by_risk: by_risk
                .map(|(risk, count)| (risk.as_str().to_owned(), count))
                .collect(),
        }
    }
}

impl From<&engine::UndoPlan> for UndoPlan {
    fn from(undo: &engine::UndoPlan) -> Self {
        let pairs = |of: &[(plan::StepId, String)]| {
            of.iter()
                .map(|(step, why)| (step.to_string(), why.clone()))
                .collect()
        };
        Self {
            event: undo.event.to_string(),
            person: undo.person.to_string(),
            steps: List::of(&undo.steps),
            without_inverse: pairs(&undo.without_inverse),
            gone: pairs(&undo.gone),
            refused: pairs(&undo.refused),
            text: undo.to_string(),
        }
    }
}

impl From<&engine::Moment> for Moment {
    fn from(moment: &engine::Moment) -> Self {
        Self {
            at: Instant(moment.at),
            people: List::of(&moment.people),
        }
    }
}

impl From<&engine::Known> for Known {
    fn from(known: &engine::Known) -> Self {
        let unclear = known.phase.as_ref().err().or(known.grants.as_ref().err());
        Self {
            person: known.person.to_string(),
            event: known.event.to_string(),
            entered_at: Instant(known.entered_at),
            record: Json::of(&known.record),
            phase: known.phase.as_ref().ok().map(word),
            grants: known.grants.as_ref().ok().map(|grants| shown_grants(grants)),
            unclear: unclear.cloned(),
        }
    }
}

impl From<&Seen> for AsOf {
    fn from(seen: &Seen) -> Self {
        let (moments, known): (&[engine::Moment], &[engine::Known]) = match seen {
            Seen::Future(moments) => (moments, &[]),
            Seen::Past(known) => (&[], known),
            _ => (&[], &[]),
        };
        Self {
            is_past: matches!(seen, Seen::Past(_)),
            moments: List::of(moments),
            known: List::of(known),
        }
    }
}
