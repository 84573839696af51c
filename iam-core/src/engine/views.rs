//! What is known around a batch of people: their accounts at every target, and their managers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::entitlement::{Actual, Catalog, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Course;
use crate::journal::{AccountRef, Claim, Journal, Lifecycle, PersonState};
use crate::orchestrator::{Context, Down, LastSignIn, Manager, Names, View, has_gone, phase_at};
use crate::person::{Person, PersonKey};
use crate::plan::Phase;
use crate::policy::Settings;
use crate::target::{Candidates, Keys, PersonRef, Target};

/// How many links of a chain of managers are followed.
const LONGEST_CHAIN: usize = 64;

/// What a target said when it was asked what it offers.
#[derive(Debug, Clone)]
pub(super) enum Offer {
    /// This.
    Catalog(Arc<Catalog>),
    /// Nothing: why it could not be read.
    Down(String),
}

/// One person of the batch with the surroundings.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) views: Vec<View>,
    pub(super) down: Vec<Down>,
    pub(super) manager: Option<Manager>,
    /// HR names the person as their own manager.
    is_own_manager: bool,
    /// Who acts as the manager, when that one has left or is on leave.
    pub(super) stand_in: Option<Manager>,
}

impl Surroundings {
    /// Who acts as the manager: whoever is named, or stands in. Nobody for themselves.
    pub(super) fn acting(&self) -> Option<&Manager> {
        self.manager
            .as_ref()
            .filter(|manager| manager.at_work && !manager.away && !self.is_own_manager)
            .or(self.stand_in.as_ref())
    }

    /// What the look has shown of somebody who is, or stands in for, the manager.
    pub(super) fn known(&self, manager: &PersonKey) -> Option<&Manager> {
        let mut managers = self.manager.iter().chain(&self.stand_in);
        managers.find(|known| known.key == *manager)
    }

    /// Everything an orchestrator may know of the person at `now`; no attempt came before.
    pub(super) fn context<'a>(
        &'a self,
        now: Timestamp,
        directory: &TargetId,
        course: &'a Course,
        names: &'a dyn Names,
    ) -> Context<'a> {
        Context {
            now,
            directory: directory.clone(),
            down: &self.down,
            views: &self.views,
            course,
            manager: self.manager.as_ref(),
            acting: self.acting(),
            earlier: None,
            names,
        }
    }
}

/// Reads the surroundings of all claims, many people in one call. Only the directory, which is the first
/// target, must answer: without it nobody knows who is protected. Where an account is gone between two looks at it, that
/// is about its person alone: the others are read all the same.
pub(super) async fn read(
    journal: &dyn Journal,
    targets: &[Arc<dyn Target>],
    offers: &[Offer],
    claims: &[(Claim, PersonState)],
    settings: &Settings,
    now: Timestamp,
) -> Result<Vec<Result<Surroundings>>> {
    let mut managers = managers(journal, claims, settings, now).await?;
    let mut views: Vec<Vec<View>> = claims.iter().map(|_| Vec::with_capacity(targets.len())).collect();
    let mut down: Vec<Down> = Vec::new();
    let mut gone: Vec<Option<Error>> = claims.iter().map(|_| None).collect();
    for (at, (target, offer)) in targets.iter().zip(offers).enumerate() {
        let read = match offer {
            Offer::Catalog(catalog) => look(target.as_ref(), catalog, claims, &mut managers, &views).await,
            Offer::Down(why) => Err(Error::new(ErrorKind::Unavailable, why.clone())),
        };
        match read {
            Ok(read) => {
                for ((views, gone), view) in views.iter_mut().zip(&mut gone).zip(read) {
                    match view {
                        Ok(view) => views.push(view),
                        Err(error) => *gone = gone.take().or(Some(error)),
                    }
                }
            }
            Err(error) if at == 0 => return Err(error),
            Err(error) => down.push(Down {
                target: target.id().clone(),
                kinds: target.capabilities().kinds,
                why: error.to_string(),
            }),
        }
    }
    let mut surroundings = Vec::with_capacity(claims.len());
    for ((views, gone), (claim, state)) in views.into_iter().zip(gone).zip(claims) {
        if let Some(error) = gone {
            surroundings.push(Err(error));
            continue;
        }
        let manager = record(claim, state).and_then(|record| record.manager_id.as_ref());
        let known = manager.and_then(|key| managers.get(key));
        let stand_in = match known.filter(|known| !known.manager.at_work || known.manager.away) {
            Some(known) => stand_in(journal, known, &claim.event.person, settings, now).await?,
            None => None,
        };
        let manager = known.map(|known| Manager {
            closes_circle: record(claim, state).is_some_and(|own| known.circle(&own.key)),
            ..known.manager.clone()
        });
        surroundings.push(Ok(Surroundings {
            views,
            down: down.clone(),
            is_own_manager: manager
                .as_ref()
                .is_some_and(|manager| manager.key == claim.event.person),
            manager,
            stand_in,
        }));
    }
    Ok(surroundings)
}

/// The next one at work up the chain of a manager who has left or is on leave; nobody where the chain comes back to
/// `person`.
async fn stand_in(
    journal: &dyn Journal,
    known: &Known,
    person: &PersonKey,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<Manager>> {
    if known.chain.contains(person) {
        return Ok(None);
    }
    for key in known.chain.iter().skip(1) {
        let accepted = journal.accepted(std::slice::from_ref(key)).await?.pop().flatten();
        let record = accepted.and_then(|accepted| accepted.record);
        let above = Known::of(journal, key, record, settings, now).await?;
        if above.manager.at_work && !above.manager.away {
            return Ok(Some(above.manager));
        }
    }
    Ok(None)
}

/// One target's view of everybody; `views` are those of the targets before it.
async fn look(
    target: &dyn Target,
    catalog: &Arc<Catalog>,
    claims: &[(Claim, PersonState)],
    managers: &mut BTreeMap<PersonKey, Known>,
    views: &[Vec<View>],
) -> Result<Vec<Result<View>>> {
    let capabilities = target.capabilities();
    let keys = match &capabilities.principals_of {
        None => keys(target.id(), claims, managers),
        Some(home) => borrowed(home, claims, views),
    };
    let found = target.find(&keys).await?;
    if found.len() != keys.len() {
        return Err(Error::new(
            ErrorKind::Protocol,
            format!("{} gave an answer too few or too many", target.id()),
        ));
    }
    let (found, found_managers) = found.split_at(claims.len());
    adopt(target.id(), &keys[claims.len()..], found_managers, managers);
    let actuals = actuals(target, claims, found).await?;
    let views = found.iter().zip(actuals).map(|(candidates, actual)| {
        Ok(View {
            target: target.id().clone(),
            kinds: capabilities.kinds.clone(),
            principals_of: capabilities.principals_of.clone(),
            lengths: capabilities.lengths.clone(),
            catalog: catalog.clone(),
            candidates: candidates.clone(),
            actual: actual?,
            last_sign_in: LastSignIn::default(),
        })
    });
    Ok(views.collect())
}

/// The people's keys at a target that uses another one's accounts.
fn borrowed(home: &TargetId, claims: &[(Claim, PersonState)], views: &[Vec<View>]) -> Vec<Keys> {
    let people = claims.iter().zip(views).map(|((claim, state), views)| {
        let seen = views.iter().find(|view| view.target == *home);
        let seen = seen
            .and_then(|view| view.actual.account.as_ref())
            .map(|account| account.id.clone());
        let known = || state.accounts.get(home).map(|account| account.id.clone());
        Keys {
            person: claim.event.person.clone(),
            account: seen.or_else(known),
        }
    });
    people.collect()
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
) -> Result<Vec<Result<Actual>>> {
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
    let mut observed = observed(target, &who).await?.into_iter();
    let actuals = people.map(|(person, candidates)| {
        let mut actual = Actual::none(person.clone());
        if candidates.active.is_empty() {
            actual.account = candidates.deleted.first().cloned();
            return Ok(Ok(actual));
        }
        observed
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("{} left somebody out", target.id())))
    });
    actuals.collect()
}

/// What these people hold. Where one of them cannot be found any more, each is asked for alone.
async fn observed(target: &dyn Target, who: &[PersonRef]) -> Result<Vec<Result<Actual>>> {
    let is_gone = |error: &Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotYetReplicated);
    match target.observe(who).await {
        Ok(observed) => return Ok(observed.into_iter().map(Ok).collect()),
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(error),
    }
    let one = async |who: &PersonRef| match target.observe(std::slice::from_ref(who)).await {
        Ok(mut observed) => observed
            .pop()
            .map(Ok)
            .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("{} left somebody out", target.id()))),
        Err(error) if is_gone(&error) => Ok(Err(error)),
        Err(error) => Err(error),
    };
    let mut observed = Vec::with_capacity(who.len());
    for who in who {
        observed.push(one(who).await?);
    }
    Ok(observed)
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
    /// What is known of a manager; the chain is left to the caller.
    async fn of(
        journal: &dyn Journal,
        key: &PersonKey,
        record: Option<Person>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Self> {
        let state = journal.person(key).await?;
        let lifecycle = state.as_ref().map(|state| state.lifecycle);
        let deleted = lifecycle == Some(Lifecycle::Deleted);
        let accounts = state
            .filter(|_| !deleted)
            .map(|state| state.accounts)
            .unwrap_or_default();
        // Who leaves in the same breath, or at the same midnight, is as good as gone.
        let phase = record.as_ref().map(|record| phase_at(record, settings, now));
        let gone = matches!(lifecycle, Some(Lifecycle::Disabled | Lifecycle::Deleted))
            || match (&phase, &record) {
                (Some(Ok(phase)), _) => *phase == Phase::Gone,
                (_, Some(record)) => has_gone(record, now),
                _ => false,
            };
        let away = lifecycle == Some(Lifecycle::Suspended) || phase == Some(Ok(Phase::Suspended));
        let manager = Manager {
            key: key.clone(),
            away,
            record,
            accounts,
            at_work: !gone,
            closes_circle: false,
        };
        Ok(Self {
            manager,
            deleted,
            chain: Vec::new(),
        })
    }

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
    settings: &Settings,
    now: Timestamp,
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
                records.insert(next.clone(), accepted.and_then(|accepted| accepted.record));
            }
            above = records
                .get(&next)
                .and_then(Option::as_ref)
                .and_then(|record| record.manager_id.clone());
            chain.push(next);
        }
        let record = records.get(&key).cloned().flatten();
        let found = Known::of(journal, &key, record, settings, now).await?;
        known.insert(key, Known { chain, ..found });
    }
    Ok(known)
}
