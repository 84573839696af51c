//! A target of one's own: the doors of a building, opened for the principals of the directory. It has no accounts, offers
//! a catalogue, says what is held, and carries single steps out.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use iam_core::entitlement::{Account, Actual, Catalog, Class, Entitlement, Held, Item, Kind, TargetId, Via};
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::policy::Document;
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};
use iam_core::{Error, ErrorKind, Result};
use iam_examples::lifecycle::{engine, gone, hear, tenant, worker};
use iam_examples::say;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[[rule]]
id = "security"
when = 'person.department == "Security"'
apps = [{ scim = "doors", roles = ["Server room"] }]
"#;

/// Doors, and the account ids for which each is open.
#[derive(Debug)]
struct Doors {
    id: TargetId,
    open: Mutex<BTreeMap<&'static str, BTreeSet<String>>>,
}

impl Doors {
    fn new(doors: &[&'static str]) -> Self {
        let open = doors.iter().map(|door| (*door, BTreeSet::new())).collect();
        Self {
            id: TargetId::new("doors"),
            open: Mutex::new(open),
        }
    }

    fn door(&self, name: &str) -> Entitlement {
        Entitlement {
            target: self.id.clone(),
            kind: Kind::App,
            id: name.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[async_trait]
impl Target for Doors {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Opening an open door is harmless: both may be repeated when an answer was lost.
            actions: [
                ("grant", EffectClass::Repeatable),
                ("revoke", EffectClass::Repeatable),
            ]
            .into(),
            kinds: [Kind::App].into(),
            principals_of: Some(TargetId::new("graph")),
            ..Capabilities::default()
        }
    }

    async fn catalog(&self) -> Result<Catalog> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let items = open.keys().map(|door| Item {
            entitlement: self.door(door),
            class: Class::Assignable,
            privileged: false,
            seats: None,
            carries: Vec::new(),
        });
        Ok(Catalog {
            items: items.collect(),
            ..Catalog::default()
        })
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let principal = |key: &Keys| Candidates {
            active: key
                .account
                .as_deref()
                .map(Account::principal)
                .into_iter()
                .collect(),
            deleted: Vec::new(),
        };
        Ok(keys.iter().map(principal).collect())
    }

    async fn names_taken(&self, _: &[String]) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new()) // nobody signs in here
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let observed = who.iter().map(|who| {
            let mut actual = Actual::none(who.person.clone());
            actual.account = Some(Account::principal(&who.account));
            let doors = open
                .iter()
                .filter(|(_, accounts)| accounts.contains(&who.account));
            actual.held = doors
                .map(|(door, _)| Held {
                    entitlement: self.door(door),
                    via: Via::Direct,
                    assignment: None,
                })
                .collect();
            actual
        });
        Ok(observed.collect())
    }

    async fn apply(&self, step: &Step, _: &IdempotencyKey) -> Result<Applied> {
        let account = step.account.clone().unwrap_or_default();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Error::new(ErrorKind::NotFound, "there is no such door");
        let changed = match &step.action {
            Action::Grant { entitlement, .. } => open
                .get_mut(entitlement.id.as_str())
                .ok_or_else(missing)?
                .insert(account),
            Action::Revoke { entitlement, .. } => open
                .get_mut(entitlement.id.as_str())
                .ok_or_else(missing)?
                .remove(&account),
            other => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("doors do not {}", other.kind()),
                ));
            }
        };
        let account = None;
        Ok(if changed {
            Applied::Done { account }
        } else {
            Applied::AlreadySo { account }
        })
    }
}

async fn run() -> Result<()> {
    let tenant = tenant().await?;
    let document = Arc::new(Document::parse(POLICY)?);
    let doors = Arc::new(Doors::new(&["Server room", "Canteen"]));
    let engine = engine(&tenant, &document).target(doors.clone()).build();
    let count = || {
        let open = doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        say(format_args!(
            "the server room is open for {}",
            open["Server room"].len()
        ));
    };
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Security")]).await?;
    count();
    hear(&engine, [gone(worker("X-1", "Mei", "Tanaka", "Security"))]).await?;
    count();
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}
