//! How something is held, whose it is, and where an account differs from what was given to it.
//!
//! Invariant: nothing is said of what could not be read, and no value of a person's is repeated: attributes are named.

use std::fmt;

use serde::Serialize;

use crate::entitlement::{Actual, Attribute, Catalog, Entitlement, Via, same};

use super::{Action, Owned, Step};

/// One way in which somebody holds something; the same thing may be held in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Holding {
    /// Given to the account by the platform.
    Ours,
    /// Given to the account by somebody else: the platform leaves it to a mover, and takes it from a leaver.
    Foreign,
    /// It comes with something else that is held.
    Inherited {
        /// What it comes with: the name where that is known, otherwise the target's id.
        from: String,
    },
    /// The target computes it from attributes, and takes it away by itself.
    Dynamic,
    /// Another directory masters it: it is given and taken there.
    Synced,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("given by the platform"),
            Self::Foreign => f.write_str("held, but not given by the platform"),
            Self::Inherited { from } => write!(f, "inherited from {from}"),
            Self::Dynamic => f.write_str("dynamic: the target computes it from attributes"),
            Self::Synced => f.write_str("synced: another directory masters it"),
        }
    }
}

/// Every way in which `actual` holds `what`; none where it does not, as far as can be seen.
pub fn holdings(actual: &Actual, ledger: &[Owned], what: &Entitlement) -> Vec<Holding> {
    let held = actual.held.iter().filter(|held| same(&held.entitlement, what));
    let ways = held.map(|held| match &held.via {
        Via::Inherited { from } => Holding::Inherited {
            from: name_of(actual, from),
        },
        Via::Dynamic => Holding::Dynamic,
        Via::Synced => Holding::Synced,
        Via::Direct if ledger.iter().any(|owned| owned.covers(what)) => Holding::Ours,
        Via::Direct => Holding::Foreign,
    });
    ways.collect()
}

fn name_of(actual: &Actual, id: &str) -> String {
    let mut held = actual.held.iter().map(|held| &held.entitlement);
    let source = held.find(|what| what.id.eq_ignore_ascii_case(id));
    source.map_or_else(|| id.to_owned(), ToString::to_string)
}

/// Where an account is not as the platform left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Drift {
    /// The platform gave it, and somebody else has taken it away.
    Missing {
        /// What.
        entitlement: Entitlement,
        /// The rules that asked for it when it was given.
        rules: Vec<String>,
        /// Whether a rule still asks for it, so that reverting gives it back.
        asked: bool,
    },
    /// It was given to the account by somebody else, and no rule asks for it.
    Foreign {
        /// What.
        entitlement: Entitlement,
        /// Whether it carries administrative power.
        privileged: bool,
    },
    /// It is held directly, and the target's catalogue has it no more.
    Unknown {
        /// What.
        entitlement: Entitlement,
    },
    /// The attribute has another value than HR and policy say. The values are shown by
    /// [`Engine::plan`](../engine/struct.Engine.html) once the person is to be reverted, and not here.
    Attribute {
        /// Which.
        attribute: Attribute,
    },
    /// The account links to another manager than HR names, or to none.
    Manager,
    /// Sign-in is allowed where it should be blocked, or the other way round.
    SignIn {
        /// Whether it should be allowed.
        should_be_allowed: bool,
    },
    /// The account has vanished, or has been deleted by somebody else.
    Account,
}

impl Drift {
    /// The thing that differs, where it is something held.
    pub fn entitlement(&self) -> Option<&Entitlement> {
        match self {
            Self::Missing { entitlement, .. }
            | Self::Foreign { entitlement, .. }
            | Self::Unknown { entitlement } => Some(entitlement),
            _ => None,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                entitlement, rules, ..
            } => write!(
                f,
                "{entitlement} is missing: the platform gave it ({})",
                super::diff::rules(rules)
            ),
            Self::Foreign { entitlement, .. } => {
                write!(
                    f,
                    "{entitlement} was given by somebody else, and no rule asks for it"
                )
            }
            Self::Unknown { entitlement } => {
                write!(f, "{entitlement} is held, and the target offers it no more")
            }
            Self::Attribute { attribute } => write!(f, "{} has another value", attribute.as_str()),
            Self::Manager => f.write_str("the manager link is another one"),
            Self::SignIn {
                should_be_allowed: true,
            } => f.write_str("sign-in is blocked and should not be"),
            Self::SignIn { .. } => f.write_str("sign-in is allowed and should not be"),
            Self::Account => f.write_str("the account has vanished"),
        }
    }
}

/// Compares what one account holds with what was given to it (`ledger`), what rules ask for (`asked`) and what the
/// target offers. `steps` are what would be done at this target now: they tell of attributes, sign-in and the account.
pub fn drift(
    actual: &Actual,
    ledger: &[Owned],
    asked: &[Entitlement],
    catalog: &Catalog,
    steps: &[Step],
) -> Vec<Drift> {
    let mut found = Vec::new();
    let asks = |what: &Entitlement| asked.iter().any(|asked| same(asked, what));
    let account = actual.account.as_ref().filter(|account| !account.deleted);
    if account.is_some() {
        for owned in ledger {
            let hidden = actual
                .unread
                .iter()
                .any(|unread| unread.hides(&owned.entitlement));
            if !hidden && !actual.holds(&owned.entitlement) {
                found.push(Drift::Missing {
                    entitlement: owned.entitlement.clone(),
                    rules: owned.rules.clone(),
                    asked: asks(&owned.entitlement),
                });
            }
        }
        for held in actual.held.iter().filter(|held| held.via == Via::Direct) {
            let entitlement = held.entitlement.clone();
            match catalog.item(&entitlement) {
                None => found.push(Drift::Unknown { entitlement }),
                Some(item) => {
                    let ours = ledger.iter().any(|owned| owned.covers(&entitlement));
                    if !ours && !asks(&entitlement) {
                        found.push(Drift::Foreign {
                            privileged: item.privileged,
                            entitlement,
                        });
                    }
                }
            }
        }
    }
    for step in steps {
        match &step.action {
            Action::UpdateAccount { changes } => {
                let attributes = changes.keys().copied();
                found.extend(attributes.map(|attribute| Drift::Attribute { attribute }));
            }
            Action::SetManager { .. } => found.push(Drift::Manager),
            Action::AllowSignIn if account.is_some() => found.push(Drift::SignIn {
                should_be_allowed: true,
            }),
            Action::BlockSignIn => found.push(Drift::SignIn {
                should_be_allowed: false,
            }),
            Action::CreateAccount { .. } | Action::RestoreAccount => found.push(Drift::Account),
            _ => {}
        }
    }
    found
}
