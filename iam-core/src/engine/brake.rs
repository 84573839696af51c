//! [`Brake`]: the guard's hand on the work itself. The guard is asked about the whole before the first write;
//! what the whole did not show (accepted in the meantime, or planned otherwise because the tenant has changed)
//! must keep within the limits as well.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::Engine;
use super::report::Preview;
use crate::entitlement::Limits;
use crate::error::Result;
use crate::event::EventKind;
use crate::person::PersonKey;
use crate::plan::Plan;
use crate::plan::guard::{self, Tally};

/// Counts what is about to be done against what the guard has seen.
pub(super) struct Brake<'a> {
    engine: &'a Engine,
    now: Timestamp,
    counts: Mutex<Counts>,
}

struct Counts {
    /// What the guard let pass, with what was done before and what has been added since. Everybody's state is
    /// read for it, so `None` until something is to be counted at all.
    whole: Option<Tally>,
    /// What is left of each person's share of it.
    seen: BTreeMap<PersonKey, Tally>,
}

impl<'a> Brake<'a> {
    /// A brake on whatever goes beyond `preview`.
    pub(super) async fn of(engine: &'a Engine, preview: &Preview, now: Timestamp) -> Result<Self> {
        let mut planned = Tally::default();
        let mut seen: BTreeMap<PersonKey, Tally> = BTreeMap::new();
        for person in &preview.people {
            planned.add(&person.plan);
            seen.entry(person.person.clone()).or_default().add(&person.plan);
        }
        let mut whole = None;
        if planned != Tally::default() {
            let before = engine.before(now).await?;
            // Those who are about to be worked on for the first time are at work as well.
            let joins = |kind: &EventKind| matches!(kind, EventKind::Join);
            let newcomers = preview.people.iter().filter(|person| joins(&person.kind)).count();
            let at_work = before.at_work + u32::try_from(newcomers).unwrap_or(u32::MAX);
            whole = Some(Tally {
                leavers: planned.leavers,
                privileged: planned.privileged,
                at_work: at_work.max(planned.leavers),
                ..before
            });
        }
        let counts = Mutex::new(Counts { whole, seen });
        Ok(Self { engine, now, counts })
    }

    fn limits(&self) -> &'a Limits {
        self.engine.policy.limits()
    }

    /// The limits that the preview exceeds.
    pub(super) fn trips_now(&mut self) -> Vec<String> {
        let whole = self.counts.get_mut().whole;
        whole.map_or_else(Vec::new, |whole| guard::check(self.limits(), &whole))
    }

    /// The limits that carrying `plan` out would exceed; none, and it is counted.
    pub(super) async fn trips(&self, plan: &Plan) -> Result<Vec<String>> {
        let mut own = Tally::default();
        own.add(plan);
        let mut counts = self.counts.lock().await;
        let mut seen = counts.seen.get(&plan.person).copied().unwrap_or_default();
        let leavers = own.leavers.saturating_sub(seen.leavers);
        let privileged = own.privileged.saturating_sub(seen.privileged);
        seen.leavers = seen.leavers.saturating_sub(own.leavers);
        seen.privileged = seen.privileged.saturating_sub(own.privileged);
        if (leavers, privileged) != (0, 0) {
            let mut whole = match counts.whole {
                Some(whole) => whole,
                None => self.engine.before(self.now).await?,
            };
            whole.leavers += leavers;
            whole.privileged += privileged;
            whole.at_work = whole.at_work.max(whole.leavers);
            let trips = guard::check(self.limits(), &whole);
            if !trips.is_empty() {
                return Ok(trips);
            }
            counts.whole = Some(whole);
        }
        counts.seen.insert(plan.person.clone(), seen);
        Ok(Vec::new())
    }
}
