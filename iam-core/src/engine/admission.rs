//! The guard of a fleet: what counts against a limit is asked for, seen with everything else that was asked for, and
//! then granted, or frozen.
//!
//! Invariants: no worker carries out by itself what a limit counts, or what takes a role from somebody who might be the
//! last one to hold it. What was granted counts until it is over, whichever process works on it. Leaves are answered
//! when all that are due have been planned, so that too many of them are seen before the first is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Engine;
use super::brake::{at_least_those_who_leave, organisation};
use super::preflight::Preflight;
use super::report::{Ending, PersonRun};
use super::scope::digest;
use super::views::Offer;
use super::work::Work;
use crate::error::{Error, Result};
use crate::journal::{Answer, Ask, Asks, Claim, Frozen, FrozenState, Lane, PersonState, Standing};
use crate::orchestrator::Decision;
use crate::person::{PersonKey, hex};
use crate::plan::Plan;
use crate::plan::guard::{self, Counts};

/// After how long what was asked is planned anew.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
/// How long what is no leave waits for others of its kind to be seen with it.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);
/// How long a refusal of the same plan is believed: limits look back at a window that moves on.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// What a look at everything that was asked came to.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// So many questions were answered.
    pub(super) answered: usize,
    /// The guard refuses what was asked: why.
    pub(super) frozen: Option<Error>,
}

/// Whether a round may pass.
#[derive(Debug)]
enum Passage {
    Free,
    /// Another process has let it pass a moment ago.
    Taken,
    Refused(Error),
}

/// What a process remembers between two looks.
#[derive(Debug, Default)]
pub(super) struct LastLook(Mutex<Option<(Frozen, Instant)>>);

impl Work<'_> {
    /// Asks before the plan is carried out, where it counts; nothing where it may be.
    pub(super) async fn admit(
        &self,
        claim: &Claim,
        state: &PersonState,
        decision: &Decision,
    ) -> Result<Option<PersonRun>> {
        let Some(crew) = self.crew else { return Ok(None) };
        let (plan, now) = (&decision.plan, self.clock.now());
        let (counts, touched) = (Counts::of(plan), self.preflight.touched(plan));
        if touched.is_empty() && !guard::weighs(crew.limits, &counts) {
            return Ok(None);
        }
        match self.journal.asked(&claim.event.id).await? {
            Some(ask) if ask.standing == Standing::Granted && self.covers(&ask.plan, &counts, &touched) => {
                return Ok(None);
            }
            Some(ask) if same(&ask.plan, plan) => {
                if let Standing::Refused { why } = ask.standing {
                    let mut refused = decision.clone();
                    refused.plan.steps.clear();
                    refused.plan.refused = Some(why.clone());
                    let ending = Ending::Refused(why);
                    return Ok(Some(self.aside(claim, state, refused, ending, Lane::Skip).await?));
                }
            }
            _ => {}
        }
        let organisation = organisation(crew.limits, decision.state.record.as_ref());
        let ask = Ask::new(&claim.event, organisation, plan.clone(), now);
        let at = now.saturating_add(ASK_AGAIN).unwrap_or(Timestamp::MAX);
        self.close(claim);
        self.journal.ask(claim, &ask, at).await?;
        Ok(Some(PersonRun {
            person: claim.event.person.clone(),
            event: claim.event.id.clone(),
            outcomes: Vec::new(),
            notes: plan.notes.clone(),
            ending: Ending::Asked,
        }))
    }

    /// Whether what was granted holds all of this.
    fn covers(&self, granted: &Plan, counts: &Counts, touched: &BTreeSet<String>) -> bool {
        counts.beyond(&Counts::of(granted)).is_empty() && touched.is_subset(&self.preflight.lost(granted))
    }
}

/// Whether both plans do the same.
fn same(one: &Plan, other: &Plan) -> bool {
    let digests = |plan: &Plan| plan.steps.iter().map(digest).collect::<Vec<_>>();
    digests(one) == digests(other)
}

/// What a release of these plans binds to.
fn hash(round: &[&Ask]) -> String {
    let mut people: BTreeMap<&PersonKey, Vec<[u8; 32]>> = BTreeMap::new();
    for ask in round {
        let steps = people.entry(&ask.person).or_default();
        steps.extend(ask.plan.steps.iter().map(digest));
    }
    let mut whole = Sha256::new();
    for (person, steps) in people {
        whole.update((person.as_str().len() as u64).to_be_bytes());
        whole.update(person.as_str());
        whole.update((steps.len() as u64).to_be_bytes());
        for step in &steps {
            whole.update(step);
        }
    }
    hex(&whole.finalize())
}

/// Those that can be answered now: leaves once all that are due were planned, urgent ones before; the others once
/// nothing else is to come, or they have waited long enough.
fn round(asks: &Asks, now: Timestamp) -> Vec<&Ask> {
    let open = asks.asks.iter().filter(|ask| ask.standing == Standing::Asked);
    let all_leaves = asks.leaves_to_come == 0;
    let waited = |ask: &Ask| now.duration_since(ask.asked_at) >= PATIENCE;
    let mut others = open.clone().filter(|ask| !ask.leave);
    let all = all_leaves && (asks.others_to_come == 0 || others.any(waited));
    open.filter(|ask| all || ask.urgent || (ask.leave && all_leaves))
        .collect()
}

impl Engine {
    /// What workers have asked the guard for, and what was granted and is not over, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](crate::ErrorKind::Storage) from the journal.
    pub async fn asks(&self) -> Result<Vec<Ask>> {
        Ok(self.journal.asks(self.clock.now()).await?.asks)
    }

    /// Looks at everything that was asked, and answers what can be.
    pub(super) async fn look(&self, offers: &[Offer], last: &LastLook) -> Result<Look> {
        let now = self.clock.now();
        let asks = self.journal.asks(now).await?;
        if asks.asks.iter().any(|ask| ask.plan.newer().is_some()) {
            // Only a newer version knows what they come to, and nothing is granted beside what nobody can count.
            return Ok(Look::default());
        }
        let round = round(&asks, now);
        if round.is_empty() {
            return Ok(Look::default());
        }
        let granted = asks.asks.iter().filter(|ask| ask.standing == Standing::Granted);
        let granted: BTreeMap<&PersonKey, &Ask> = granted.map(|ask| (&ask.person, ask)).collect();
        match self.passes(&round, &granted, last, now).await? {
            Passage::Free => {}
            Passage::Taken => return Ok(Look::default()),
            Passage::Refused(error) => {
                return Ok(Look {
                    answered: 0,
                    frozen: Some(error),
                });
            }
        }
        let answers = self.kept(&round, &granted, offers).await?;
        let answered = self.journal.answer(&answers, now).await?;
        Ok(Look {
            answered,
            frozen: None,
        })
    }

    /// Whether the limits let the round pass, or somebody has released it.
    async fn passes(
        &self,
        round: &[&Ask],
        granted: &BTreeMap<&PersonKey, &Ask>,
        last: &LastLook,
        now: Timestamp,
    ) -> Result<Passage> {
        let hash = hash(round);
        let before = last.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = before.filter(|(frozen, at)| frozen.hash == hash && at.elapsed() < REFUSED_FOR);
        let frozen = if let Some((frozen, _)) = before {
            frozen
        } else {
            let limits = self.policy.limits();
            let mut tally = self.before_and(now, granted).await?;
            for ask in round {
                tally.plan(ask.organisation.as_deref(), &Counts::of(&ask.plan));
            }
            let trips = guard::check(limits, &at_least_those_who_leave(tally));
            if trips.is_empty() {
                return Ok(Passage::Free);
            }
            let people: BTreeSet<&PersonKey> = round.iter().map(|ask| &ask.person).collect();
            let mut frozen = Frozen::new(&hash, trips, &self.actor, now);
            frozen.people = people.len();
            frozen.steps = round.iter().map(|ask| ask.plan.steps.len()).sum();
            *last.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((frozen.clone(), Instant::now()));
            frozen
        };
        if self.journal.spend(&frozen.hash, now).await? {
            return Ok(Passage::Free);
        }
        if self.was_just_used(&frozen.hash, now).await? {
            return Ok(Passage::Taken);
        }
        Ok(Passage::Refused(self.freeze(&frozen).await?))
    }

    /// Whether another process has just used the release of this plan, and is about to answer. Should it die before,
    /// the plan is frozen anew.
    async fn was_just_used(&self, hash: &str, now: Timestamp) -> Result<bool> {
        let frozen = self.journal.frozen().await?;
        let last = frozen.iter().rev().find(|known| known.hash == hash);
        let used = last.filter(|known| known.state == FrozenState::Applied);
        Ok(used
            .and_then(|used| used.ended_at)
            .is_some_and(|at| now.duration_since(at) < PATIENCE))
    }

    /// The answers: everybody's plan is granted but those that would take a role from the last one who holds it.
    async fn kept(
        &self,
        round: &[&Ask],
        granted: &BTreeMap<&PersonKey, &Ask>,
        offers: &[Offer],
    ) -> Result<Vec<Answer>> {
        let mut preflight = Preflight::of(offers);
        if round.iter().any(|ask| !preflight.touched(&ask.plan).is_empty()) {
            // Who holds the role is read now, not when the fleet last looked.
            preflight = Preflight::of(&self.offers().await?);
        }
        for ask in granted.values() {
            preflight.forbids(&ask.plan);
        }
        let answers = round.iter().map(|ask| Answer {
            event: ask.event.clone(),
            version: ask.version,
            standing: match preflight.forbids(&ask.plan) {
                Some(why) => Standing::Refused { why },
                None => Standing::Granted,
            },
        });
        Ok(answers.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventId, EventKind, Timer};

    #[test]
    fn a_round_waits_for_the_leaves_and_urgent_ones_wait_for_nobody() {
        let now: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let ask = |id: &str, kind: EventKind, seconds: i64| {
            let person = PersonKey::new(id);
            let mut event = Event::timer(&person, Timer::Recheck, now, &EventId::new("x"), now);
            event.kind = kind;
            let asked_at = now - SignedDuration::from_secs(seconds);
            Ask::new(&event, None, Plan::empty(&person), asked_at)
        };
        let leave = |urgent| EventKind::Leave {
            last_day: None,
            urgent,
        };
        let check = |asks: &[Ask], to_come: (u64, u64), expected: &[&str]| {
            let asks = Asks::new(asks.to_vec(), to_come.0, to_come.1);
            let found: Vec<_> = round(&asks, now).iter().map(|ask| ask.person.as_str()).collect();
            assert_eq!(found, expected, "{to_come:?}");
        };
        let all = [
            ask("leaver", leave(false), 5),
            ask("dismissed", leave(true), 1),
            ask("mover", EventKind::Move, 5),
        ];
        check(&all, (3, 9), &["dismissed"]);
        check(&all, (0, 9), &["leaver", "dismissed"]);
        check(&all, (0, 0), &["leaver", "dismissed", "mover"]);
        let late = [ask("mover", EventKind::Move, 90)];
        check(&late, (0, 9), &["mover"]);
        check(&late, (1, 9), &[]);
        let granted = Ask {
            standing: Standing::Granted,
            ..all[0].clone()
        };
        check(&[granted], (0, 0), &[]);
    }
}
