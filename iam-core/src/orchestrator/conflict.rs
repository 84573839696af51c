//! What a person must not hold together, looked at over all targets before anything is planned.
//!
//! Invariants: nothing is given while something is held that must not stand beside it, whoever gave that; what the
//! platform gave and nobody asks for any more goes first, without grace; nothing is taken away because of doubt.

use std::collections::BTreeSet;

use super::{Context, View};
use crate::entitlement::{Catalog, Class, Entitlement, Held, Kind, Reference, TargetId, Via, same};
use crate::journal::PersonState;
use crate::plan::{Action, Owned, Plan, Step, StepId, Wanted};
use crate::policy::{Conflict, Resolve};

/// What the conflicts of the policy mean for one person now.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Asked for, and given to nobody who does not hold it already.
    pub(super) withheld: Vec<(Entitlement, String)>,
    /// To be taken away before anything is given.
    pub(super) ended: Vec<(Entitlement, String)>,
    /// What must be gone before what is given.
    order: Vec<(Entitlement, Entitlement)>,
    pub(super) notes: Vec<String>,
    /// Targets that cannot be read and may hold the other side.
    pub(super) waiting: Vec<String>,
    /// What is withheld because nobody can tell what the other side is.
    pub(super) lacking: Vec<String>,
}

/// Something on a side of a conflict that the person holds.
struct Other<'a> {
    held: &'a Held,
    /// What to take away for it to go, where the platform may.
    goes_with: Option<&'a Entitlement>,
}

impl Apart {
    /// Looks at every conflict. What gives way by the policy's own words is struck out of `wanted`, which has a list
    /// for each view.
    pub(super) fn of(
        conflicts: &[Conflict],
        wanted: &mut [Vec<Wanted<'_>>],
        cx: &Context<'_>,
        ledger: &[Owned],
        fresh: bool,
        state: &PersonState,
    ) -> Self {
        let mut apart = Self::default();
        for conflict in conflicts {
            apart.choose(conflict, wanted, cx);
        }
        for conflict in conflicts {
            for (side, references) in conflict.sides.iter().enumerate() {
                for (view, wanted_here) in cx.views.iter().zip(wanted.iter()) {
                    for want in wanted_here.iter().filter(|want| named(references, want, view)) {
                        apart.keep(conflict, side, (view, want), wanted, cx, ledger, fresh, state);
                    }
                }
            }
        }
        apart
    }

    /// Rules ask for several sides at once.
    fn choose(&mut self, conflict: &Conflict, wanted: &mut [Vec<Wanted<'_>>], cx: &Context<'_>) {
        let asked = |references: &[Reference], wanted: &[Vec<Wanted<'_>>]| {
            let views = cx.views.iter().zip(wanted);
            let asked = views.flat_map(|(view, here)| {
                let named = here.iter().filter(|want| named(references, want, view));
                named.map(|want| want.item.entitlement.clone())
            });
            asked.collect::<Vec<_>>()
        };
        let sides: Vec<Vec<Entitlement>> = conflict.sides.iter().map(|side| asked(side, wanted)).collect();
        let mut asked = sides.iter().filter(|side| !side.is_empty());
        let (Some(first), second) = (asked.next(), asked.next()) else {
            return;
        };
        if second.is_none() {
            return;
        }
        let others = sides.iter().flatten().filter(|what| !first.contains(what));
        match conflict.resolve {
            Resolve::First => {
                for loser in others {
                    let here = wanted.iter_mut();
                    here.for_each(|here| here.retain(|want| !same(&want.item.entitlement, loser)));
                    let names = listed(first);
                    self.note(format!("conflict {}: {loser} gives way to {names}", conflict.id));
                }
            }
            _ => {
                for what in sides.iter().flatten() {
                    let against = sides.iter().filter(|side| !side.contains(what)).flatten();
                    let against: Vec<Entitlement> = against.cloned().collect();
                    let why = format!("conflict {}: rules ask for {} too", conflict.id, listed(&against));
                    self.withhold(what, why);
                }
            }
        }
    }

    /// One thing that is asked for, against what is held of the other sides.
    #[allow(clippy::too_many_arguments)] // one call, and a struct would only rename them
    fn keep(
        &mut self,
        conflict: &Conflict,
        side: usize,
        (view, want): (&View, &Wanted<'_>),
        wanted: &[Vec<Wanted<'_>>],
        cx: &Context<'_>,
        ledger: &[Owned],
        fresh: bool,
        state: &PersonState,
    ) {
        let what = &want.item.entitlement;
        let has = view.actual.holds(what);
        if !has && want.item.class != Class::Assignable {
            return; // not ours to give
        }
        let others = || {
            conflict
                .sides
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != side)
        };
        let known = !state.accounts.is_empty() || cx.views.iter().any(|view| view.actual.account.is_some());
        if !has && known {
            let named = |is: &dyn Fn(&Reference) -> bool| others().any(|(_, side)| side.iter().any(is));
            for down in cx.down {
                if named(&|what| what.is_for(&down.target, &down.kinds)) {
                    self.wait(conflict, &down.target, what);
                }
            }
            for view in cx.views {
                let kinds: BTreeSet<Kind> = view.actual.unread.iter().map(|unread| unread.kind).collect();
                if named(&|what| what.is_for(&view.target, &kinds)) {
                    self.wait(conflict, &view.target, what);
                }
            }
        }
        if !has && known {
            for (_, references) in others() {
                self.doubt(conflict, references, what, cx);
            }
        }
        let mut going = Vec::new();
        for (_, references) in others() {
            for seen in cx.views {
                for other in opposite(references, seen, wanted, cx, ledger, fresh) {
                    if let Some(goes_with) = other.goes_with {
                        going.push(goes_with.clone());
                    } else if !has {
                        let holder = whose(other.held, ledger);
                        let other = &other.held.entitlement;
                        let why = format!("conflict {}: {other} is held{holder}", conflict.id);
                        self.withhold(what, why);
                    }
                }
            }
        }
        if self.withheld.iter().any(|(withheld, _)| same(withheld, what)) && !has {
            return; // nothing ends sooner for what is not given
        }
        for gone in going {
            let rules = want.rules.join(", ");
            let why = format!(
                "conflict {}: must not stand beside {what} (rules {rules})",
                conflict.id
            );
            if !self.ended.iter().any(|(ended, _)| same(ended, &gone)) {
                self.ended.push((gone.clone(), why));
            }
            self.order.push((gone, what.clone()));
        }
    }

    /// A side names what the tenant does not know by that name (any more), and the person may hold it by another.
    fn doubt(&mut self, conflict: &Conflict, side: &[Reference], what: &Entitlement, cx: &Context<'_>) {
        for reference in side {
            let mut here = cx
                .views
                .iter()
                .filter(|view| reference.is_for(&view.target, &view.kinds));
            let problem = here.find_map(|view| view.catalog.resolve(reference).err());
            let Some(problem) = problem else { continue };
            let why = format!("conflict {}: {problem}", conflict.id);
            let lacking = format!("{what} is not given: {why}");
            self.withhold(what, why);
            if !self.lacking.contains(&lacking) {
                self.lacking.push(lacking);
            }
        }
    }

    /// Nobody can tell what is held there.
    fn wait(&mut self, conflict: &Conflict, target: &TargetId, what: &Entitlement) {
        let why = format!(
            "{target} cannot be read, and conflict {} looks at it",
            conflict.id
        );
        self.withhold(what, why.clone());
        if !self.waiting.contains(&why) {
            self.waiting.push(why);
        }
    }

    fn withhold(&mut self, what: &Entitlement, why: String) {
        if !self.withheld.iter().any(|(withheld, _)| same(withheld, what)) {
            self.withheld.push((what.clone(), why));
        }
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn ends(&self, what: &Entitlement) -> bool {
        self.ended.iter().any(|(ended, _)| same(ended, what))
    }

    /// What must go goes first, and what must not stand beside it waits for that.
    pub(super) fn arrange(&self, plan: &mut Plan) {
        if self.ended.is_empty() {
            return;
        }
        let revoked = |step: &Step| match &step.action {
            Action::Revoke { entitlement, .. } => Some((entitlement.clone(), step.id.clone())),
            _ => None,
        };
        let (steps, notes) = (&mut plan.steps, &mut plan.notes);
        steps.sort_by_key(|step| !revoked(step).is_some_and(|(gone, _)| self.ends(&gone)));
        let going: Vec<(Entitlement, StepId)> = steps.iter().filter_map(revoked).collect();
        steps.retain_mut(|step| {
            let Action::Grant { entitlement, .. } = &step.action else {
                return true;
            };
            for (gone, _) in self.order.iter().filter(|(_, given)| same(given, entitlement)) {
                let Some((_, id)) = going.iter().find(|(revoked, _)| same(revoked, gone)) else {
                    notes.push(format!(
                        "{entitlement} is not given: {gone} must go first, and cannot just now"
                    ));
                    return false;
                };
                if !step.needs.contains(id) {
                    step.needs.push(id.clone());
                }
            }
            true
        });
    }
}

/// Whether a side names what is asked for.
fn named(references: &[Reference], want: &Wanted<'_>, view: &View) -> bool {
    names(references, &want.item.entitlement, &view.catalog)
}

/// Whether one of the references means the thing: by the catalogue, and by name where that has it not (any more).
fn names(references: &[Reference], what: &Entitlement, catalog: &Catalog) -> bool {
    let what = &activated(what);
    references.iter().any(|named| {
        let here =
            named.kind == what.kind && named.target.as_ref().is_none_or(|target| *target == what.target);
        here && match catalog.resolve(named) {
            Ok(item) => same(&item.entitlement, what),
            Err(_) => named.may_mean(what),
        }
    })
}

/// The role that somebody who is eligible for it may activate at any time.
fn activated(what: &Entitlement) -> Entitlement {
    let mut what = what.clone();
    if what.kind == Kind::Role {
        if let Some(id) = what.id.strip_prefix("eligible:") {
            what.id = id.to_owned();
        }
        if let Some(name) = what.name.strip_suffix(" (eligible)") {
            what.name = name.to_owned();
        }
    }
    what
}

/// What of a side is held at one target, and whether it goes by this plan.
fn opposite<'v>(
    references: &[Reference],
    view: &'v View,
    wanted: &[Vec<Wanted<'_>>],
    cx: &Context<'_>,
    ledger: &[Owned],
    fresh: bool,
) -> Vec<Other<'v>> {
    let asked = |what: &Entitlement| {
        let here = cx
            .views
            .iter()
            .zip(wanted)
            .filter(|(other, _)| other.target == view.target);
        here.flat_map(|(_, here)| here)
            .any(|want| same(&want.item.entitlement, what))
    };
    let goes = |held: &Held| {
        let ours = ledger.iter().any(|owned| owned.covers(&held.entitlement));
        held.via == Via::Direct && (ours || fresh) && !asked(&held.entitlement)
    };
    let on_side = view
        .actual
        .held
        .iter()
        .filter(|held| names(references, &held.entitlement, &view.catalog));
    let others = on_side.map(|held| {
        let carrier = match &held.via {
            Via::Direct => Some(held),
            Via::Inherited { from } => view
                .actual
                .held
                .iter()
                .find(|carrier| carrier.entitlement.id == *from),
            _ => None,
        };
        Other {
            held,
            goes_with: carrier.filter(|held| goes(held)).map(|held| &held.entitlement),
        }
    });
    others.collect()
}

fn whose(held: &Held, ledger: &[Owned]) -> &'static str {
    match &held.via {
        Via::Direct if ledger.iter().any(|owned| owned.covers(&held.entitlement)) => "",
        Via::Direct => ", and was not given by the platform",
        Via::Inherited { .. } => " through something else",
        _ => ", and follows from elsewhere",
    }
}

fn listed(what: &[Entitlement]) -> String {
    let names: Vec<String> = what.iter().map(Entitlement::to_string).collect();
    names.join(", ")
}
