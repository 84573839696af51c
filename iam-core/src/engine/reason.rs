//! What [`Engine::why`](super::Engine::why) and [`Engine::why_not`](super::Engine::why_not) answer: for people by
//! `Display`, for programs by `Serialize`. Neither holds personal data but for the key.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::entitlement::{Class, Entitlement, Reference};
use crate::event::EventId;
use crate::person::PersonKey;
use crate::plan::{Holding, Owned};
use crate::policy::Explanation;

/// The event that brought something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Origin {
    /// Its id.
    pub event: EventId,
    /// Its kind in one word; `None` when the journal has it no more.
    pub kind: Option<&'static str>,
    /// When the platform learnt of it.
    pub entered_at: Option<Timestamp>,
}

/// An end that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Until {
    /// When.
    pub at: Timestamp,
    /// What ends it then.
    pub because: String,
}

/// Why somebody holds something: [`Engine::why`](super::Engine::why). `Display` is a paragraph without personal data but for the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Why {
    /// Who.
    pub person: PersonKey,
    /// What was asked about.
    pub what: Reference,
    /// What that is in the tenant; `None` where nothing goes by that name.
    pub entitlement: Option<Entitlement>,
    /// Every way in which it is held now, as the target reports; empty where it is not, as far as can be seen.
    pub held: Vec<Holding>,
    /// What could not be read and may hide it, and why.
    pub unread: Vec<String>,
    /// What the ledger remembers: the rules, the version of the policy and the event that brought it, and since when.
    pub granted: Option<Owned>,
    /// The event that brought it.
    pub origin: Option<Origin>,
    /// When it ends, if that is known.
    pub until: Option<Until>,
    /// What would take it away.
    pub removed_by: Vec<String>,
    /// What the policy in force says of it today.
    pub policy: Explanation,
}

impl Why {
    /// Whether it is held now, as far as can be seen.
    pub fn is_held(&self) -> bool {
        !self.held.is_empty()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = named(self.entitlement.as_ref(), &self.what);
        if self.held.is_empty() {
            write!(f, "{} does not hold {name}", self.person)?;
            if let Some(problem) = &self.policy.tenant {
                write!(f, ": {problem}")?;
            }
        } else {
            let ways: Vec<String> = self.held.iter().map(Holding::to_string).collect();
            write!(f, "{} holds {name}: {}", self.person, ways.join(", and "))?;
        }
        f.write_str(".")?;
        for why in &self.unread {
            write!(f, " Not all could be read: {why}.")?;
        }
        if let Some(owned) = &self.granted {
            write!(f, " Since {}", owned.since)?;
            if !owned.rules.is_empty() {
                write!(f, " by {}", owned.rules.join(", "))?;
            }
            if !owned.policy.is_empty() {
                write!(f, " of policy {}", owned.policy)?;
            }
            if let Some(origin) = &self.origin {
                match origin.kind {
                    Some(kind) => write!(f, ", brought by the event {} ({kind})", origin.event)?,
                    None => write!(f, ", brought by the event {}", origin.event)?,
                }
            }
            f.write_str(".")?;
            if self.held.is_empty() {
                f.write_str(" Somebody else has taken it away since.")?;
            }
        }
        let asking = self.policy.granted.iter().map(|asked| asked.rule.as_str());
        match asking.collect::<Vec<_>>().as_slice() {
            [] => f.write_str(" No rule asks for it today.")?,
            rules => write!(f, " Asked for today by {}.", rules.join(", "))?,
        }
        if let Some(until) = &self.until {
            write!(f, " It ends at {}: {}.", until.at, until.because)?;
        }
        for what in &self.removed_by {
            write!(f, " {what}.")?;
        }
        Ok(())
    }
}

/// Something that keeps somebody from holding something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "obstacle", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Obstacle {
    /// The tenant has nothing by that name, or more than one thing.
    Tenant {
        /// Which.
        why: String,
    },
    /// The person has not started.
    NotStarted {
        /// When the first day begins, or the account is prepared.
        until: Option<Timestamp>,
    },
    /// Administrative power begins with the first day, and the account is only being prepared.
    NotBeforeTheFirstDay {
        /// When that begins.
        until: Option<Timestamp>,
    },
    /// The person has left.
    Left {
        /// When access was taken away, where it was.
        since: Option<Timestamp>,
    },
    /// No rule asks for it: [`WhyNot::policy`] names the nearest ones and what they lack.
    NoRule,
    /// The person is held until somebody has looked: nothing is given or taken.
    Held {
        /// Why.
        why: String,
    },
    /// The account is protected: it is never touched.
    Protected {
        /// Why.
        why: String,
    },
    /// The policy keeps it apart from something else.
    Conflict {
        /// From what.
        why: String,
    },
    /// It cannot be given to an account: dynamic, synced or mail-enabled.
    NotAssignable {
        /// Which.
        class: Class,
    },
    /// All seats of the licence are taken.
    NoSeat,
    /// Something that must be read first cannot be.
    Unread {
        /// What, and why.
        why: String,
    },
    /// The guard of the policy refuses the plan it is part of.
    Guard {
        /// The limits.
        why: String,
    },
    /// The guard has frozen the plan that it is part of: somebody else than its planner has to release it.
    Frozen {
        /// The hash to be released.
        hash: String,
        /// Who planned it.
        planned_by: String,
        /// Who has released it already: then the next run carries it out.
        #[serde(skip_serializing_if = "Option::is_none")]
        released_by: Option<String>,
        /// The limits.
        why: String,
    },
    /// An event of the person was set aside.
    SetAside {
        /// Which.
        event: EventId,
        /// Why.
        why: String,
    },
    /// It was tried, and is tried again.
    Failed {
        /// What the last attempt ended with.
        why: String,
    },
    /// Nothing stands in the way: an event waits to be worked on, and the next run gives it.
    Planned,
    /// The platform would give it, and nothing is due: somebody took it, or the policy has changed since. It is given
    /// by the person's next event, or by [`Engine::revert`](super::Engine::revert).
    NotDue,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = |f: &mut fmt::Formatter<'_>, until: &Option<Timestamp>| match until {
            Some(until) => write!(f, " before {until}"),
            None => Ok(()),
        };
        match self {
            Self::Tenant { why } | Self::Conflict { why } => f.write_str(why),
            Self::NotStarted { until } => {
                f.write_str("the person does not start")?;
                when(f, until)
            }
            Self::NotBeforeTheFirstDay { until } => {
                f.write_str("administrative power begins with the first day: not")?;
                when(f, until)
            }
            Self::Left { since: Some(since) } => {
                write!(f, "the person has left: access was taken away at {since}")
            }
            Self::Left { since: None } => f.write_str("the person has left"),
            Self::NoRule => f.write_str("no rule asks for it"),
            Self::Held { why } => write!(f, "the person is held: {why}"),
            Self::Protected { why } => write!(f, "nothing is done to the account: {why}"),
            Self::NotAssignable {
                class: Class::Dynamic,
            } => f.write_str("it is dynamic: the target gives it by attributes"),
            Self::NotAssignable { .. } => {
                f.write_str("it cannot be given here (synced or mail-enabled): ask its owner")
            }
            Self::NoSeat => f.write_str("all seats are taken"),
            Self::Unread { why } => write!(f, "not all could be read: {why}"),
            Self::Guard { why } => write!(f, "the guard refuses the plan: {why}"),
            Self::Frozen {
                hash,
                released_by: Some(by),
                ..
            } => write!(
                f,
                "it is part of plan {hash}, which {by} has released: the next run gives it"
            ),
            Self::Frozen {
                hash,
                planned_by,
                why,
                ..
            } => write!(
                f,
                "it is part of plan {hash}, which the guard has frozen until somebody other than {planned_by} releases \
                 it: {why}"
            ),
            Self::SetAside { event, why } => write!(f, "event {event} was set aside: {why}"),
            Self::Failed { why } => write!(f, "it was tried, and is tried again: {why}"),
            Self::Planned => f.write_str("nothing stands in the way: the next run gives it"),
            Self::NotDue => f.write_str(
                "it would be given, and nothing is due: the person's next event gives it, or a revert",
            ),
        }
    }
}

/// Why somebody does not hold something: [`Engine::why_not`](super::Engine::why_not). `Display` is a paragraph without personal data but for
/// the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WhyNot {
    /// Who.
    pub person: PersonKey,
    /// What was asked about.
    pub what: Reference,
    /// What that is in the tenant.
    pub entitlement: Option<Entitlement>,
    /// It is held: ask [`Engine::why`](super::Engine::why).
    pub held: Vec<Holding>,
    /// What stands in the way, the weightiest first; empty only where it is held.
    pub obstacles: Vec<Obstacle>,
    /// What the policy in force says of it today: of each rule that would ask for it, what it lacks.
    pub policy: Explanation,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = named(self.entitlement.as_ref(), &self.what);
        if !self.held.is_empty() {
            return write!(f, "{} does hold {name}.", self.person);
        }
        let reasons: Vec<String> = self.obstacles.iter().map(Obstacle::to_string).collect();
        write!(f, "{} does not hold {name}: {}.", self.person, reasons.join("; "))?;
        if self.obstacles.contains(&Obstacle::NoRule) {
            for asked in &self.policy.withheld {
                write!(f, " Rule {} (line {}) would ask for it", asked.rule, asked.line)?;
                match &asked.gap {
                    Some(gap) => write!(f, ", but {gap}.")?,
                    None => f.write_str(", and never does.")?,
                }
            }
            if let Some(near) = self
                .policy
                .near
                .as_ref()
                .filter(|_| self.policy.withheld.is_empty())
            {
                write!(f, " Did you mean {near:?}?")?;
            }
        }
        Ok(())
    }
}

/// A thing with the target that offers it.
fn named(entitlement: Option<&Entitlement>, what: &Reference) -> String {
    match entitlement {
        Some(entitlement) => format!("{entitlement} at {}", entitlement.target),
        None => what.to_string(),
    }
}
