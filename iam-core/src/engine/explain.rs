//! Why somebody holds something, and why not: what is seen, what the ledger remembers, and what policy says.

use jiff::Timestamp;

use super::Engine;
use super::reason::{Obstacle, Origin, Until, Why, WhyNot};
use super::sight::{Sight, catalog};
use super::views::Offer;
use crate::entitlement::{Catalog, Class, Entitlement, Kind, Reference, same};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventId, Timer};
use crate::journal::{Ask, Entry, EventState, HistoryQuery, Lifecycle as Stage, Outcome, Standing};
use crate::person::PersonKey;
use crate::plan::{Action, Holding, Owned, holdings};
use crate::policy::Explanation;

impl Engine {
    /// Why somebody holds `what`, and what would take it away. An [`Entitlement`] is asked about by
    /// [`Reference::from`]. Reads the targets, writes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for somebody of whom HR never said anything; the directory's error when it cannot be
    /// read; [`ErrorKind::Storage`] from the journal. Another target that is down is told in [`Why::unread`].
    pub async fn why(&self, person: &PersonKey, what: &Reference) -> Result<Why> {
        let offers = self.offers().await?;
        let sight = self.sight(person, &offers).await?;
        let (entitlement, policy) = self.recognise(&sight, &offers, what)?;
        let (held, unread) = look(&sight, what, entitlement.as_ref());
        let ledger = sight.state.ledger.iter();
        let granted = entitlement
            .as_ref()
            .and_then(|what| ledger.clone().find(|owned| owned.covers(what)))
            .cloned();
        let origin = match &granted {
            Some(owned) => Some(self.origin(&owned.event).await?),
            None => None,
        };
        let until = entitlement.as_ref().filter(|_| !held.is_empty());
        let until = until.and_then(|what| ends(&sight, what, granted.as_ref(), self.clock.now()));
        let removed_by = removers(&held, &policy);
        Ok(Why {
            person: person.clone(),
            what: what.clone(),
            entitlement,
            held,
            unread,
            granted,
            origin,
            until,
            removed_by,
            policy,
        })
    }

    /// Why somebody does not hold `what`: the phase, the rules and what they lack, and whatever holds it back. Reads
    /// the targets, writes nothing; where a plan waits, everybody's is made, to ask the guard.
    ///
    /// # Errors
    /// As [`why`](Self::why), and where a plan waits as [`plan`](Self::plan).
    pub async fn why_not(&self, person: &PersonKey, what: &Reference) -> Result<WhyNot> {
        let offers = self.offers().await?;
        let sight = self.sight(person, &offers).await?;
        let (entitlement, policy) = self.recognise(&sight, &offers, what)?;
        let (held, unread) = look(&sight, what, entitlement.as_ref());
        let mut obstacles = Vec::new();
        if held.is_empty() {
            obstacles = self.obstacles(&sight, entitlement.as_ref(), &policy).await?;
            obstacles.extend(unread.into_iter().map(|why| Obstacle::Unread { why }));
            if obstacles.is_empty() {
                obstacles.push(self.not_yet(person).await?);
            }
        }
        Ok(WhyNot {
            person: person.clone(),
            what: what.clone(),
            entitlement,
            held,
            obstacles,
            policy,
        })
    }

    /// What `what` is in the tenant, and what policy says of it today.
    fn recognise(
        &self,
        sight: &Sight,
        offers: &[Offer],
        what: &Reference,
    ) -> Result<(Option<Entitlement>, Explanation)> {
        let mut found = None;
        let mut at: Option<&Catalog> = None;
        for (target, offer) in self.targets.iter().zip(offers) {
            if !what.is_for(target.id(), &target.capabilities().kinds) {
                continue;
            }
            let Some(offered) = catalog(offer).map(AsRef::as_ref) else {
                continue;
            };
            at = at.or(Some(offered));
            if let Ok(item) = offered.resolve(what) {
                (found, at) = (Some(item.entitlement.clone()), Some(offered));
                break;
            }
        }
        // What the tenant has no more may be remembered, or still held.
        let found = found
            .or_else(|| sight.remembered(what).map(|owned| owned.entitlement.clone()))
            .or_else(|| {
                let mut held = sight.views_for(what).flat_map(|view| &view.actual.held);
                let by_name = |entitlement: &Entitlement| {
                    entitlement.kind == what.kind
                        && (entitlement.name.eq_ignore_ascii_case(&what.name)
                            || what.name.strip_prefix("id:") == Some(entitlement.id.as_str()))
                };
                held.find(|held| by_name(&held.entitlement))
                    .map(|held| held.entitlement.clone())
            });
        let subject = sight.subject().ok_or_else(|| {
            let message = format!("there is no record of {}", sight.state.key);
            Error::new(ErrorKind::NotFound, message)
        })?;
        let today = self.today(subject.person, self.clock.now());
        Ok((found, self.policy.explain(&subject, today, what, at)))
    }

    async fn origin(&self, event: &EventId) -> Result<Origin> {
        let entry = self.entry(event).await?;
        Ok(Origin {
            event: event.clone(),
            kind: entry.as_ref().map(|entry| entry.event.kind.as_str()),
            entered_at: entry.map(|entry| entry.event.entered_at),
        })
    }

    /// One event with its story.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] from the journal.
    pub async fn entry(&self, event: &EventId) -> Result<Option<Entry>> {
        let query = HistoryQuery {
            event: Some(event.clone()),
            ..HistoryQuery::default()
        };
        Ok(self.journal.history(&query).await?.pop())
    }

    async fn obstacles(
        &self,
        sight: &Sight,
        what: Option<&Entitlement>,
        policy: &Explanation,
    ) -> Result<Vec<Obstacle>> {
        let mut found = Vec::new();
        found.extend(policy.tenant.clone().map(|why| Obstacle::Tenant { why }));
        let (decision, plan) = (&sight.decision, &sight.decision.plan);
        let when = |timer| decision.timers.iter().find(|(other, _)| *other == timer);
        let start = || when(Timer::Start).map(|(_, at)| *at);
        found.extend(decision.hold.clone().map(|why| Obstacle::Held { why }));
        found.extend(plan.refused.clone().map(|why| Obstacle::Protected { why }));
        let item = what.and_then(|what| {
            let mut views = sight.around.views.iter();
            views.find_map(|view| view.catalog.item(what))
        });
        match decision.state.lifecycle {
            _ if !found.is_empty() => {}
            Stage::Pending => found.push(Obstacle::NotStarted { until: start() }),
            Stage::Disabled | Stage::Deleted => found.push(Obstacle::Left {
                since: sight.state.left_at,
            }),
            Stage::Staged if item.is_some_and(|item| item.privileged) => {
                found.push(Obstacle::NotBeforeTheFirstDay { until: start() });
            }
            Stage::Staged | Stage::Active | Stage::Suspended | Stage::Leaving => {}
        }
        if !policy.is_granted() {
            found.push(Obstacle::NoRule);
            return Ok(found);
        }
        found.extend(
            item.filter(|item| item.class != Class::Assignable)
                .map(|item| Obstacle::NotAssignable { class: item.class }),
        );
        let conflicts = plan.notes.iter().filter(|note| note.starts_with("conflict "));
        let about = |note: &&String| what.is_some_and(|what| note.contains(&what.to_string()));
        found.extend(
            conflicts
                .filter(about)
                .map(|why| Obstacle::Conflict { why: why.clone() }),
        );
        let full = |item: &&crate::entitlement::Item| {
            item.entitlement.kind == Kind::License
                && item.seats.is_some_and(|seats| seats.used >= seats.total)
        };
        found.extend(item.filter(full).map(|_| Obstacle::NoSeat));
        let waiting = decision.waiting.iter();
        found.extend(waiting.map(|why| Obstacle::Unread { why: why.clone() }));
        found.extend(self.stuck(&sight.state.key, what).await?);
        Ok(found)
    }

    /// Events of the person that were set aside, and attempts that failed.
    async fn stuck(&self, person: &PersonKey, what: Option<&Entitlement>) -> Result<Vec<Obstacle>> {
        let mut found = Vec::new();
        for entry in self.timeline(person).await? {
            let why = || entry.why.clone().unwrap_or_default();
            match entry.state {
                EventState::Dead => found.push(Obstacle::SetAside {
                    event: entry.event.id.clone(),
                    why: why(),
                }),
                EventState::Pending => found.extend(what.and_then(|what| failure(&entry, what))),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Why what would be given is not yet.
    async fn not_yet(&self, person: &PersonKey) -> Result<Obstacle> {
        let due = HistoryQuery {
            person: Some(person.clone()),
            state: Some(EventState::Pending),
            due: Some(self.clock.now()),
            ..HistoryQuery::default()
        };
        if self.journal.history(&due).await?.is_empty() {
            return Ok(Obstacle::NotDue);
        }
        let plan = self.plan().await?;
        if let Some(frozen) = self.frozen().await?
            && (frozen.hash == plan.hash() || self.was_refused(person).await?)
        {
            return Ok(Obstacle::Frozen {
                why: frozen.trips.join("; "),
                hash: frozen.hash,
                planned_by: frozen.planned_by,
                released_by: frozen.release.map(|release| release.by),
            });
        }
        if plan.guard.is_empty() {
            return Ok(Obstacle::Planned);
        }
        let why = plan.guard.join("; ");
        Ok(Obstacle::Guard { why })
    }

    /// Whether a fleet's worker has asked for the person's plan, and was refused.
    async fn was_refused(&self, person: &PersonKey) -> Result<bool> {
        let asks = self.journal.asks(self.clock.now()).await?.asks;
        let refused = |ask: &Ask| matches!(ask.standing, Standing::Refused { .. });
        Ok(asks.iter().any(|ask| ask.person == *person && refused(ask)))
    }
}

/// How giving `what` failed last, if it did.
fn failure(entry: &Entry, what: &Entitlement) -> Option<Obstacle> {
    let gives =
        |action: &Action| matches!(action, Action::Grant { entitlement, .. } if same(entitlement, what));
    let step = entry.plan.as_ref()?.all().find(|step| gives(&step.action))?;
    let record = entry.steps.iter().find(|record| record.step == step.id)?;
    match &record.outcome {
        Some(Outcome::Failed { kind, .. }) if kind == ErrorKind::LicenseExhausted.as_str() => {
            Some(Obstacle::NoSeat)
        }
        Some(Outcome::Failed { message, .. }) => Some(Obstacle::Failed { why: message.clone() }),
        _ => None,
    }
}

/// How it is held, and what could not be read of it.
fn look(sight: &Sight, what: &Reference, entitlement: Option<&Entitlement>) -> (Vec<Holding>, Vec<String>) {
    let mut held = Vec::new();
    let down = sight.around.down.iter();
    let down = down.filter(|down| what.is_for(&down.target, &down.kinds));
    let mut unread: Vec<String> = down
        .map(|down| format!("{}: {}", down.target, down.why))
        .collect();
    for view in sight.views_for(what) {
        if let Some(entitlement) = entitlement {
            held.extend(holdings(&view.actual, &sight.state.ledger, entitlement));
            let hidden = view
                .actual
                .unread
                .iter()
                .filter(|unread| unread.hides(entitlement));
            unread.extend(hidden.map(|hidden| format!("{}: {hidden}", view.target)));
        }
    }
    (held, unread)
}

/// When it ends, if that is known: the grace, or the last day.
fn ends(sight: &Sight, what: &Entitlement, owned: Option<&Owned>, now: Timestamp) -> Option<Until> {
    let planned = sight.decision.plan.ledger.iter().find(|owned| owned.covers(what));
    let owned = owned.map(|owned| planned.unwrap_or(owned));
    if let Some(at) = owned.and_then(Owned::ends_at) {
        let because = if at <= now {
            "no rule asks for it any more, and the next run takes it".to_owned()
        } else {
            let days = owned.map_or(0, |owned| owned.grace_days);
            format!("no rule asks for it any more, and the grace of {days} days ends")
        };
        return Some(Until { at, because });
    }
    let leave = sight.decision.timers.iter();
    let (_, at) = leave.copied().find(|(timer, _)| *timer == Timer::Leave)?;
    let because = "the last day is over".to_owned();
    Some(Until { at, because })
}

/// What would take it away, in sentences.
fn removers(held: &[Holding], policy: &Explanation) -> Vec<String> {
    let mut ways = Vec::new();
    for holding in held {
        match holding {
            Holding::Ours if policy.is_granted() => {
                for asked in &policy.granted {
                    ways.push(match (&asked.condition, &asked.gap) {
                        (None, _) => format!("{} asks for it for everybody at work", asked.rule),
                        (_, Some(gap)) => {
                            format!("Rule {} stops asking once this is otherwise: {gap}", asked.rule)
                        }
                        (_, None) => format!("Rule {} never stops asking", asked.rule),
                    });
                }
                let days = policy.grace_days();
                if days > 0 {
                    ways.push(format!(
                        "It is kept for {days} days after the last rule has stopped asking"
                    ));
                }
                ways.push("Leaving takes it at once".to_owned());
            }
            Holding::Ours => ways.push("No rule keeps it: it goes after its grace".to_owned()),
            Holding::Foreign => ways.push(
                "Only leaving takes it, or a revert that names it: what somebody else gave is left alone"
                    .to_owned(),
            ),
            Holding::Inherited { from } => ways.push(format!("It goes with {from}")),
            Holding::Dynamic => {
                ways.push("It goes when the attributes change that the target looks at".to_owned());
            }
            Holding::Synced => ways.push("It is taken away in the directory that masters it".to_owned()),
        }
    }
    ways
}

impl From<&Entitlement> for Reference {
    /// That thing and no other: by id, at its target.
    fn from(what: &Entitlement) -> Self {
        Self::new(what.kind, format!("id:{}", what.id)).at(what.target.clone())
    }
}
