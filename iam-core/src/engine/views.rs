//! What is known around a batch of people: their accounts at every target, and their managers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::entitlement::{Actual, Catalog, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{AccountRef, Claim, Journal, Lifecycle, PersonState};
use crate::orchestrator::{Manager, View};
use crate::person::{Person, PersonKey};
use crate::target::{Candidates, Keys, PersonRef, Target};

/// How many links of a chain of managers are followed.
const LONGEST_CHAIN: usize = 64;

/// One person of the batch with the surroundings.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) views: Vec<View>,
    pub(super) manager: Option<Manager>,
}

/// Reads the surroundings of all claims, many people in one call.
pub(super) async fn read(
    journal: &dyn Journal,
    targets: &[Arc<dyn Target>],
    catalogs: &[Arc<Catalog>],
    claims: &[(Claim, PersonState)],
) -> Result<Vec<Surroundings>> {
    let mut managers = managers(journal, claims).await?;
    let mut views: Vec<Vec<View>> = claims.iter().map(|_| Vec::with_capacity(targets.len())).collect();
    for (target, catalog) in targets.iter().zip(catalogs) {
        let keys = keys(target.id(), claims, &managers);
        let found = target.find(&keys).await?;
        if found.len() != keys.len() {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("{} gave an answer too few or too many", target.id()),
            ));
        }
        let (found, found_managers) = found.split_at(claims.len());
        adopt(target.id(), &keys[claims.len()..], found_managers, &mut managers);
        let actuals = actuals(target.as_ref(), claims, found).await?;
        let capabilities = target.capabilities();
        for ((views, candidates), actual) in views.iter_mut().zip(found).zip(actuals) {
            views.push(View {
                target: target.id().clone(),
                kinds: capabilities.kinds.clone(),
                lengths: capabilities.lengths.clone(),
                catalog: catalog.clone(),
                candidates: candidates.clone(),
                actual,
            });
        }
    }
    let surroundings = views.into_iter().zip(claims).map(|(views, (claim, state))| {
        let manager = record(claim, state).and_then(|record| record.manager_id.as_ref());
        let manager = manager.and_then(|key| managers.get(key)).map(|known| Manager {
            closes_circle: record(claim, state).is_some_and(|own| known.circle(&own.key)),
            ..known.manager.clone()
        });
        Surroundings { views, manager }
    });
    Ok(surroundings.collect())
}

fn record<'a>(claim: &'a Claim, state: &'a PersonState) -> Option<&'a Person> {
    claim.event.record.as_ref().or(state.record.as_ref())
}

/// The people's keys, then those of managers without a known account.
fn keys(
    target: &TargetId,
    claims: &[(Claim, PersonState)],
    managers: &BTreeMap<PersonKey, Known>,
) -> Vec<Keys> {
    let people = claims.iter().map(|(claim, state)| Keys {
        person: claim.event.person.clone(),
        account: state.accounts.get(target).map(|account| account.id.clone()),
    });
    let unknown = managers
        .values()
        .filter(|known| !known.deleted && !known.manager.accounts.contains_key(target));
    let unknown = unknown.map(|known| Keys {
        person: known.manager.key.clone(),
        account: None,
    });
    people.chain(unknown).collect()
}

/// Managers whom HR never sent, or who have not been worked on yet, may have accounts all the same.
fn adopt(target: &TargetId, keys: &[Keys], found: &[Candidates], managers: &mut BTreeMap<PersonKey, Known>) {
    for (key, candidates) in keys.iter().zip(found) {
        if let ([account], Some(known)) = (candidates.active.as_slice(), managers.get_mut(&key.person)) {
            let account = AccountRef {
                id: account.id.clone(),
                name: account.name.clone(),
            };
            known.manager.accounts.insert(target.clone(), account);
        }
    }
}

async fn actuals(
    target: &dyn Target,
    claims: &[(Claim, PersonState)],
    found: &[Candidates],
) -> Result<Vec<Actual>> {
    let people = claims.iter().map(|(claim, _)| &claim.event.person).zip(found);
    let who: Vec<PersonRef> = people
        .clone()
        .filter_map(|(person, candidates)| {
            candidates.active.first().map(|account| PersonRef {
                person: person.clone(),
                account: account.id.clone(),
            })
        })
        .collect();
    let mut observed = target.observe(&who).await?.into_iter();
    let actuals = people.map(|(person, candidates)| {
        let mut actual = Actual::none(person.clone());
        if candidates.active.is_empty() {
            actual.account = candidates.deleted.first().cloned();
            return Ok(actual);
        }
        observed
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("{} left somebody out", target.id())))
    });
    actuals.collect()
}

/// A manager, and the chain above.
#[derive(Debug)]
struct Known {
    manager: Manager,
    deleted: bool,
    /// The manager, the manager's manager, and so on, until somebody comes twice.
    chain: Vec<PersonKey>,
}

impl Known {
    /// Whether `person` stands above their own manager, and is the one whose link is dropped: the smallest
    /// key of the circle, so that everybody drops the same one.
    fn circle(&self, person: &PersonKey) -> bool {
        let Some(at) = self.chain.iter().position(|above| above == person) else {
            return false;
        };
        self.chain[..at].iter().all(|other| person < other)
    }
}

async fn managers(
    journal: &dyn Journal,
    claims: &[(Claim, PersonState)],
) -> Result<BTreeMap<PersonKey, Known>> {
    let named = claims
        .iter()
        .filter_map(|(claim, state)| record(claim, state)?.manager_id.clone());
    let mut records: BTreeMap<PersonKey, Option<Person>> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for key in named.collect::<BTreeSet<_>>() {
        let mut chain: Vec<PersonKey> = Vec::new();
        let mut above = Some(key.clone());
        while let Some(next) = above.take() {
            if chain.contains(&next) || chain.len() == LONGEST_CHAIN {
                break;
            }
            if !records.contains_key(&next) {
                let accepted = journal
                    .accepted(std::slice::from_ref(&next))
                    .await?
                    .pop()
                    .flatten();
                records.insert(next.clone(), accepted.map(|accepted| accepted.record));
            }
            above = records
                .get(&next)
                .and_then(Option::as_ref)
                .and_then(|record| record.manager_id.clone());
            chain.push(next);
        }
        let state = journal.person(&key).await?;
        let lifecycle = state.as_ref().map(|state| state.lifecycle);
        let deleted = lifecycle == Some(Lifecycle::Deleted);
        let accounts = state
            .filter(|_| !deleted)
            .map(|state| state.accounts)
            .unwrap_or_default();
        let manager = Manager {
            key: key.clone(),
            record: records.get(&key).cloned().flatten(),
            accounts,
            at_work: !matches!(lifecycle, Some(Lifecycle::Disabled | Lifecycle::Deleted)),
            closes_circle: false,
        };
        known.insert(
            key,
            Known {
                manager,
                deleted,
                chain,
            },
        );
    }
    Ok(known)
}
