//! The end state, read back from the tenant and compared with what HR and policy say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iam_core::Result;
use iam_core::entitlement::{Actual, Attribute, Catalog, Class, Desired, Kind, TargetId, Via, same};
use iam_core::journal::{Journal, Lifecycle, PersonState};
use iam_core::person::{Person, PersonKey};
use iam_core::policy::{AccessPolicy, Document, Subject};
use iam_core::target::{Keys, PersonRef, Target};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// What the tenant says about everybody HR spoke of.
pub(crate) struct Proof {
    pub(crate) rows: Vec<Row>,
}

/// One person.
pub(crate) struct Row {
    pub(crate) person: String,
    pub(crate) name: String,
    /// The account's id in the directory.
    id: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) held: Vec<(Kind, String)>,
    /// What is not as HR and policy say.
    pub(crate) differs: Vec<String>,
}

impl Proof {
    pub(crate) fn differences(&self) -> usize {
        self.rows.iter().map(|row| row.differs.len()).sum()
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let held = row
                .held
                .iter()
                .map(|(kind, name)| json!({"kind": kind, "name": name}));
            json!({
                "person": row.person,
                "account": row.name,
                "state": row.state,
                "held": held.collect::<Vec<_>>(),
                "differs": row.differs,
            })
        });
        json!({"people": rows.collect::<Vec<_>>(), "differences": self.differences()})
    }
}

/// Reads everybody back, at the directory and then at every other target.
pub(crate) async fn read_back(
    targets: &[Arc<dyn Target>],
    journal: &dyn Journal,
    policy: &Document,
    now: Timestamp,
) -> Result<Proof> {
    let Some((target, others)) = targets.split_first() else {
        return Ok(Proof { rows: Vec::new() });
    };
    let expected = Expected {
        target: target.id().clone(),
        kinds: target.capabilities().kinds,
        policy,
        catalog: target.catalog().await?,
        lengths: target.capabilities().lengths,
        now,
    };
    let people = journal.people(None, usize::MAX).await?;
    let keys: Vec<Keys> = people
        .iter()
        .map(|state| Keys {
            person: state.key.clone(),
            account: None, // found by what the tenant says, not by what the journal remembers
        })
        .collect();
    let found = target.find(&keys).await?;
    let who: Vec<PersonRef> = keys
        .iter()
        .zip(&found)
        .flat_map(|(key, found)| {
            found.active.iter().map(|account| PersonRef {
                person: key.person.clone(),
                account: account.id.clone(),
            })
        })
        .collect();
    let mut actuals: BTreeMap<PersonKey, Vec<Actual>> = BTreeMap::new();
    for actual in target.observe(&who).await? {
        actuals.entry(actual.person.clone()).or_default().push(actual);
    }
    let by_key: BTreeMap<&PersonKey, &PersonState> = people.iter().map(|state| (&state.key, state)).collect();
    let rows = people.iter().zip(&found).map(|(state, found)| {
        let actual = actuals.get(&state.key).map(Vec::as_slice).unwrap_or_default();
        let manager = state
            .record
            .as_ref()
            .and_then(|record| record.manager_id.as_ref());
        let manager = manager.and_then(|key| by_key.get(key).copied());
        let mut row = row(state, actual, &expected.catalog);
        if actual.len() > 1 {
            row.differs
                .push(format!("{} accounts carry this worker id", actual.len()));
        } else {
            let deleted = !found.deleted.is_empty();
            row.differs = expected.differences(state, manager, actual.first(), deleted);
        }
        row
    });
    let mut proof = Proof { rows: rows.collect() };
    for other in others {
        beyond(other.as_ref(), &people, &by_key, &expected, &mut proof).await?;
    }
    Ok(proof)
}

/// Everybody at a target behind the directory.
async fn beyond(
    target: &dyn Target,
    people: &[PersonState],
    by_key: &BTreeMap<&PersonKey, &PersonState>,
    expected: &Expected<'_>,
    proof: &mut Proof,
) -> Result<()> {
    let (kinds, borrows) = (
        target.capabilities().kinds,
        target.capabilities().principals_of.is_some(),
    );
    let catalog = target.catalog().await?;
    let keys = people.iter().zip(&proof.rows).map(|(state, row)| Keys {
        person: state.key.clone(),
        account: row.id.clone().filter(|_| borrows),
    });
    let found = target.find(&keys.collect::<Vec<_>>()).await?;
    for ((state, found), row) in people.iter().zip(&found).zip(&mut proof.rows) {
        let who: Vec<PersonRef> = found
            .active
            .iter()
            .map(|account| PersonRef {
                person: state.key.clone(),
                account: account.id.clone(),
            })
            .collect();
        let actual = target.observe(&who).await?.pop();
        let held = actual
            .as_ref()
            .map(|actual| actual.held.as_slice())
            .unwrap_or_default();
        row.held.extend(
            held.iter()
                .map(|held| (held.entitlement.kind, held.entitlement.name.clone())),
        );
        let place = target.id();
        if state.lifecycle == Lifecycle::Disabled {
            row.differs.extend(
                held.iter()
                    .map(|held| format!("still holds {} at {place}", held.entitlement)),
            );
            let open = actual
                .as_ref()
                .and_then(|actual| actual.account.as_ref())
                .is_some_and(|account| account.enabled);
            if open && !borrows {
                row.differs.push(format!("sign-in is not blocked at {place}"));
            }
        }
        if !matches!(state.lifecycle, Lifecycle::Active | Lifecycle::Leaving) {
            continue;
        }
        let manager = state
            .record
            .as_ref()
            .and_then(|record| record.manager_id.as_ref());
        let manager = manager.and_then(|key| by_key.get(key).copied());
        let desired = expected.desired(state, manager).unwrap_or_default();
        for grant in desired
            .grants
            .iter()
            .filter(|grant| grant.what.is_for(place, &kinds))
        {
            match catalog.resolve(&grant.what) {
                Ok(item) if held.iter().any(|held| same(&held.entitlement, &item.entitlement)) => {}
                Ok(item) => row
                    .differs
                    .push(format!("does not hold {} at {place}", item.entitlement)),
                Err(why) => row.differs.push(why),
            }
        }
    }
    Ok(())
}

fn row(state: &PersonState, actual: &[Actual], catalog: &Catalog) -> Row {
    let account = actual.first().and_then(|actual| actual.account.as_ref());
    let held = actual
        .first()
        .map(|actual| actual.held.as_slice())
        .unwrap_or_default();
    let name = |held: &iam_core::entitlement::Held| {
        let item = catalog.item(&held.entitlement);
        item.map_or_else(
            || held.entitlement.name.clone(),
            |item| item.entitlement.name.clone(),
        )
    };
    let mut held: Vec<(Kind, String)> = held
        .iter()
        .map(|held| (held.entitlement.kind, name(held)))
        .collect();
    held.sort();
    Row {
        person: state.key.to_string(),
        name: account.map_or_else(String::new, |account| account.name.clone()),
        id: account.map(|account| account.id.clone()),
        state: match account {
            None => "no account",
            Some(account) if account.enabled => "enabled",
            Some(_) => "blocked",
        },
        held,
        differs: Vec::new(),
    }
}

/// What everybody is compared with.
struct Expected<'a> {
    target: TargetId,
    kinds: BTreeSet<Kind>,
    policy: &'a Document,
    catalog: Catalog,
    lengths: BTreeMap<Attribute, usize>,
    now: Timestamp,
}

impl Expected<'_> {
    fn differences(
        &self,
        state: &PersonState,
        manager: Option<&PersonState>,
        actual: Option<&Actual>,
        deleted: bool,
    ) -> Vec<String> {
        let mut differs = Vec::new();
        let account = actual.and_then(|actual| actual.account.as_ref());
        match (state.lifecycle, actual) {
            (Lifecycle::Pending, _) => {}
            (Lifecycle::Deleted, _) => {
                if account.is_some() || (!deleted && !state.accounts.is_empty()) {
                    differs.push("the account is not in the deleted items".to_owned());
                }
            }
            (Lifecycle::Disabled, _) => {
                if account.is_some_and(|account| account.enabled) {
                    differs.push("sign-in is not blocked".to_owned());
                }
                let held = actual.iter().flat_map(|actual| &actual.held);
                let direct = held.filter(|held| held.via == Via::Direct);
                differs.extend(direct.map(|held| format!("still holds {}", held.entitlement)));
            }
            (_, None) => differs.push("has no account".to_owned()),
            (lifecycle, Some(actual)) => {
                let enabled = account.is_some_and(|account| account.enabled);
                if enabled != matches!(lifecycle, Lifecycle::Active | Lifecycle::Leaving) {
                    differs.push(format!(
                        "sign-in is {}",
                        if enabled { "allowed" } else { "blocked" }
                    ));
                }
                self.missing(state, manager, actual, &mut differs);
            }
        }
        differs
    }

    /// What policy says, today where the person works.
    fn desired(&self, state: &PersonState, manager: Option<&PersonState>) -> Result<Desired, String> {
        let Some(person) = &state.record else {
            return Ok(Desired::default());
        };
        let zone = person
            .time_zone
            .as_deref()
            .unwrap_or(&self.policy.settings().time_zone);
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let subject = Subject {
            person,
            manager: manager.and_then(|manager| manager.record.as_ref()),
        };
        let today = self.now.to_zoned_datetime(zone).date();
        self.policy
            .desired(&subject, today)
            .map_err(|problems| problems.to_string())
    }

    /// What somebody at work should have and has not.
    fn missing(
        &self,
        state: &PersonState,
        manager: Option<&PersonState>,
        actual: &Actual,
        differs: &mut Vec<String>,
    ) {
        let Some(person) = &state.record else { return };
        let desired = match self.desired(state, manager) {
            Ok(desired) => desired,
            Err(problems) => {
                differs.push(problems);
                return;
            }
        };
        for (name, value) in &desired.attributes {
            let most = self.lengths.get(name).copied().unwrap_or(usize::MAX);
            let value: String = value.chars().take(most).collect();
            let held = actual
                .account
                .as_ref()
                .and_then(|account| account.attributes.get(name));
            if held.map(String::as_str) != Some(value.trim_end()) {
                differs.push(format!("{} is not what HR says", name.as_str()));
            }
        }
        self.manager(person, manager, actual, differs);
        for grant in desired
            .grants
            .iter()
            .filter(|grant| grant.what.is_for(&self.target, &self.kinds))
        {
            let item = match self.catalog.resolve(&grant.what) {
                Ok(item) => item,
                Err(why) => {
                    differs.push(why);
                    continue;
                }
            };
            let waits = item.privileged && state.lifecycle == Lifecycle::Staged;
            let held = actual
                .held
                .iter()
                .any(|held| same(&held.entitlement, &item.entitlement));
            if item.class == Class::Assignable && !waits && !held {
                differs.push(format!("does not hold {}", item.entitlement));
            }
        }
    }

    /// Whether the account names the manager that HR names, as far as that one has an account. In a circle of
    /// two, the smaller key goes without.
    fn manager(
        &self,
        person: &Person,
        manager: Option<&PersonState>,
        actual: &Actual,
        differs: &mut Vec<String>,
    ) {
        let Some(manager) = manager.filter(|manager| manager.key != person.key) else {
            return;
        };
        let above = manager
            .record
            .as_ref()
            .and_then(|record| record.manager_id.as_ref());
        if above == Some(&person.key) && person.key < manager.key {
            return;
        }
        let expected = manager.accounts.get(&self.target).map(|account| &account.id);
        let linked = actual
            .account
            .as_ref()
            .and_then(|account| account.manager.as_ref());
        if expected.is_some() && linked != expected {
            differs.push(format!("the manager is not {}", manager.key));
        }
    }
}
