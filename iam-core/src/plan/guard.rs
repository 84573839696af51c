//! The blast-radius guard: how much a whole set of plans would change, against the policy's
//! [`Limits`]. It is asked before the first write; over a limit, nothing is done at all.
//!
//! Invariant: totals are exact. Every step of every plan is counted once, in whichever order the plans come, and so
//! is every step that was carried out within the window before ([`Deed`]).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entitlement::{Cap, Counted, Entitlement, Limits};

use super::{Action, Plan, Step};

/// The smallest number that a percentage applies to: one leaver of three people is no incident.
const FEWEST: u32 = 5;

/// A step that was carried out, as far as a guard has to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Names the step of its event, so that it counts once however often it is told of.
    #[serde(rename = "k")]
    pub key: String,
    /// When it was first told of, in seconds since 1970.
    #[serde(rename = "t")]
    pub at: i64,
    /// What is counted.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
    /// The id and the name of the administrative role, where one was given or taken and counts.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
}

/// An administrative role by its id and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Power(pub String, pub String);

impl Deed {
    /// What is to be remembered of a step of `plan`; nothing where no limit counts it.
    pub fn of(plan: &Plan, step: &Step, key: &str, at: Timestamp) -> Option<Self> {
        let counted = counted(plan, step);
        let power = power(step).filter(|_| !is_leave(plan));
        (counted.is_some() || power.is_some()).then(|| Self {
            key: key.to_owned(),
            at: at.as_second(),
            counted,
            power,
        })
    }
}

/// How much of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// People who lose their access.
    pub leavers: u32,
    /// Administrative roles given or taken, by role. A leaver's are not counted: taking power from somebody who has
    /// left is never what a guard should stop.
    pub powers: BTreeMap<Power, u32>,
    /// Steps by what they change.
    pub changes: BTreeMap<Counted, u32>,
}

impl Counts {
    /// One person's plan.
    pub fn of(plan: &Plan) -> Self {
        let mut counts = Self {
            leavers: u32::from(leaves(plan)),
            ..Self::default()
        };
        let leave = is_leave(plan);
        for step in &plan.steps {
            if let Some(power) = power(step).filter(|_| !leave) {
                *counts.powers.entry(power).or_default() += 1;
            }
            if let Some(counted) = counted(plan, step) {
                *counts.changes.entry(counted).or_default() += 1;
            }
        }
        counts
    }

    /// Adds what has been done.
    pub fn remember(&mut self, deed: &Deed) {
        if let Some(power) = &deed.power {
            *self.powers.entry(power.clone()).or_default() += 1;
        }
        if let Some(counted) = deed.counted {
            *self.changes.entry(counted).or_default() += 1;
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.leavers += other.leavers;
        for (power, count) in &other.powers {
            *self.powers.entry(power.clone()).or_default() += count;
        }
        for (counted, count) in &other.changes {
            *self.changes.entry(*counted).or_default() += count;
        }
    }

    /// What of this goes beyond `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        let powers = self.powers.iter().map(|(power, count)| {
            let known = other.powers.get(power).copied().unwrap_or_default();
            (power.clone(), count.saturating_sub(known))
        });
        let changes = self.changes.iter().map(|(counted, count)| {
            let known = other.changes.get(counted).copied().unwrap_or_default();
            (*counted, count.saturating_sub(known))
        });
        Self {
            leavers: self.leavers.saturating_sub(other.leavers),
            powers: powers.filter(|(_, count)| *count > 0).collect(),
            changes: changes.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Administrative roles given or taken.
    pub fn privileged(&self) -> u32 {
        self.powers.values().sum()
    }

    fn of_tier(&self, tier: &crate::entitlement::Tier) -> u32 {
        let powers = self.powers.iter();
        powers
            .filter(|(Power(id, name), _)| tier.has(id, name))
            .map(|(_, count)| count)
            .sum()
    }
}

/// What would change for a set of people, and what has changed within the window already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// By the plans.
    pub planned: Counts,
    /// Within the window before.
    pub before: Counts,
    /// How many of these people are at work.
    pub at_work: u32,
}

/// What plans would change, and what has been changed within the window already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everybody.
    pub whole: Share,
    /// Everybody by organisation, where the limits name one.
    pub organisations: BTreeMap<String, Share>,
}

impl Tally {
    /// The shares that somebody of that organisation belongs to.
    pub fn each(&mut self, organisation: Option<&str>, mut change: impl FnMut(&mut Share)) {
        change(&mut self.whole);
        if let Some(organisation) = organisation {
            change(self.organisations.entry(organisation.to_owned()).or_default());
        }
    }

    /// Counts what is planned for one person.
    pub fn plan(&mut self, organisation: Option<&str>, counts: &Counts) {
        self.each(organisation, |share| share.planned.add(counts));
    }
}

/// Whether the plan takes somebody's access away for good, who does not [stay](Plan::stays) employed: it blocks sign-in, and not only until a restored account
/// has been looked at.
pub fn leaves(plan: &Plan) -> bool {
    let has = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
    has(&Action::BlockSignIn) && !has(&Action::RestoreAccount) && !plan.stays
}

/// Whether the plan is a leave, or the rest of one: sign-in has been blocked before.
fn is_leave(plan: &Plan) -> bool {
    let has = |action: &Action| plan.steps.iter().any(|step| step.action == *action);
    !plan.stays && (leaves(plan) || has(&Action::RevokeSessions) || has(&Action::DeleteAccount))
}

/// What a limit counts the step of that plan as.
pub fn counted(plan: &Plan, step: &Step) -> Option<Counted> {
    Some(match &step.action {
        Action::BlockSignIn if plan.stays => Counted::Suspend,
        Action::CreateAccount { .. } => Counted::CreateAccount,
        Action::DeleteAccount => Counted::DeleteAccount,
        Action::BlockSignIn => Counted::BlockSignIn,
        Action::UpdateAccount { .. } => Counted::UpdateAccount,
        Action::Grant { entitlement, .. } => Counted::giving(entitlement.kind),
        Action::Revoke { entitlement, .. } => Counted::taking(entitlement.kind),
        _ => return None,
    })
}

fn power(step: &Step) -> Option<Power> {
    let of = |what: &Entitlement| Power(what.id.clone(), what.name.clone());
    match &step.action {
        Action::Grant { entitlement, .. } | Action::Revoke { entitlement, .. } if step.privileged => {
            Some(of(entitlement))
        }
        // Another action of which the plan says so: nobody knows which role.
        _ => step.privileged.then(|| Power(String::new(), String::new())),
    }
}

/// Whether a limit counts any of it at all.
pub fn weighs(limits: &Limits, counts: &Counts) -> bool {
    let per = limits.per_organisation.as_ref();
    let caps = |cap: &Cap| cap.most.is_some() || cap.percent.is_some();
    let leavers = limits.max_leavers.is_some()
        || limits.max_leavers_percent.is_some()
        || per.is_some_and(|per| caps(&per.leavers));
    let powers = limits.max_privileged_changes.is_some() || !limits.tiers.is_empty();
    let counted = |kind: &Counted| {
        limits.changes.contains_key(kind) || per.is_some_and(|per| per.changes.contains_key(kind))
    };
    (counts.leavers > 0 && leavers)
        || (!counts.powers.is_empty() && powers)
        || counts.changes.keys().any(counted)
}

/// Every limit that the tally exceeds, one clause each; empty means go.
pub fn check(limits: &Limits, tally: &Tally) -> Vec<String> {
    let mut trips = Vec::new();
    let hours = limits.window_hours;
    let whole = &tally.whole;
    let leavers = Cap {
        most: limits.max_leavers,
        percent: limits.max_leavers_percent,
    };
    for over in leaves_too_many(leavers, whole, "") {
        trips.push(format!("{over} within {hours} hours, {}", over.limit));
    }
    let privileged = whole.planned.privileged() + whole.before.privileged();
    if let Some(most) = limits
        .max_privileged_changes
        .filter(|most| whole.planned.privileged() > 0 && privileged > *most)
    {
        trips.push(format!(
            "{privileged} administrative roles would be given or taken within {hours} hours, max_privileged_changes is {most}"
        ));
    }
    for tier in &limits.tiers {
        let planned = whole.planned.of_tier(tier);
        let all = planned + whole.before.of_tier(tier);
        if planned > 0 && all > tier.max_changes {
            trips.push(format!(
                "{all} roles of {:?} would be given or taken within {hours} hours, its max_changes is {}",
                tier.name, tier.max_changes
            ));
        }
    }
    for over in changes_too_many(&with_suspensions(&limits.changes, leavers), whole, "") {
        trips.push(format!("{over} within {hours} hours, {}", over.limit));
    }
    let Some(per) = &limits.per_organisation else {
        return trips;
    };
    for (organisation, share) in &tally.organisations {
        let who = match organisation.as_str() {
            "" => format!("nobody's {}: ", per.field.as_str()),
            name => format!("{} {name}: ", per.field.as_str()),
        };
        let leavers = leaves_too_many(per.leavers, share, &who);
        let changes = changes_too_many(&with_suspensions(&per.changes, per.leavers), share, &who);
        for over in leavers.into_iter().chain(changes) {
            trips.push(format!(
                "{over} within {hours} hours, {} for each {}",
                over.limit,
                per.field.as_str()
            ));
        }
    }
    trips
}

/// Where nobody says how many people may be suspended at once, it is as many as may leave.
fn with_suspensions(changes: &BTreeMap<Counted, Cap>, leavers: Cap) -> BTreeMap<Counted, Cap> {
    let mut changes = changes.clone();
    if leavers != Cap::default() {
        changes.entry(Counted::Suspend).or_insert(leavers);
    }
    changes
}

/// A limit that is exceeded, and by what.
struct Over {
    what: String,
    limit: String,
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

fn leaves_too_many(cap: Cap, share: &Share, who: &str) -> Vec<Over> {
    let all = share.planned.leavers + share.before.leavers;
    let limits = exceeded(cap, share.planned.leavers, all, share.at_work, "max_leavers");
    let over = limits.into_iter().map(|(limit, in_percent)| Over {
        what: if in_percent {
            format!(
                "{who}{all} of {} people at work would lose their access",
                share.at_work
            )
        } else {
            format!("{who}{all} people would lose their access")
        },
        limit,
    });
    over.collect()
}

fn changes_too_many(caps: &BTreeMap<Counted, Cap>, share: &Share, who: &str) -> Vec<Over> {
    let mut over = Vec::new();
    for (counted, cap) in caps {
        let of = |counts: &Counts| counts.changes.get(counted).copied().unwrap_or_default();
        let (planned, before) = (of(&share.planned), of(&share.before));
        let word = counted.as_str();
        for (limit, _) in exceeded(*cap, planned, planned + before, share.at_work, word) {
            let what = format!("{who}{} changes of the kind {word}", planned + before);
            over.push(Over { what, limit });
        }
    }
    over
}

/// The limits of `cap` that `all` exceeds, in words, and whether in percent. What is not planned trips nothing.
fn exceeded(cap: Cap, planned: u32, all: u32, at_work: u32, word: &str) -> Vec<(String, bool)> {
    let mut exceeded = Vec::new();
    if planned == 0 {
        return exceeded;
    }
    if let Some(most) = cap.most.filter(|most| all > *most) {
        exceeded.push((format!("{word} is {most}"), false));
    }
    let over = |percent: &u32| u64::from(all) * 100 > u64::from(*percent) * u64::from(at_work);
    if let Some(percent) = cap.percent.filter(|percent| all >= FEWEST && over(percent)) {
        let limit = match word {
            "max_leavers" => format!("max_leavers_percent is {percent}"),
            _ => format!("{word} is {percent}%"),
        };
        exceeded.push((limit, true));
    }
    exceeded
}

#[cfg(test)]
mod tests;
