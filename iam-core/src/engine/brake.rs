//! [`Brake`]: the guard's hand on the work itself. The guard is asked about the whole before the first write;
//! what the whole did not show (accepted in the meantime, or planned otherwise because the tenant has changed)
//! must keep within the limits as well.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::report::Preview;
use super::{CHUNK, Engine};
use crate::entitlement::Limits;
use crate::error::Result;
use crate::event::EventKind;
use crate::journal::{Ask, PersonState};
use crate::person::{Person, PersonKey};
use crate::plan::Plan;
use crate::plan::guard::{self, Counts, Tally};

/// Counts what is about to be done against what the guard has seen.
pub(super) struct Brake<'a> {
    engine: &'a Engine,
    now: Timestamp,
    open: Mutex<Open>,
}

struct Open {
    /// What the guard let pass, with what was done before and what has been added since. Everybody's state is
    /// read for it, so `None` until something is to be counted at all.
    whole: Option<Tally>,
    /// What is left of each person's share of it.
    seen: BTreeMap<PersonKey, Counts>,
}

impl<'a> Brake<'a> {
    /// A brake on whatever goes beyond `preview`.
    pub(super) async fn of(engine: &'a Engine, preview: &Preview, now: Timestamp) -> Result<Self> {
        let mut seen: BTreeMap<PersonKey, Counts> = BTreeMap::new();
        for person in &preview.people {
            let counts = Counts::of(&person.plan);
            if !counts.is_empty() {
                seen.entry(person.person.clone()).or_default().add(&counts);
            }
        }
        let mut whole = None;
        if !seen.is_empty() {
            let mut tally = engine.before(now).await?;
            for person in &preview.people {
                let organisation = organisation(engine.policy.limits(), person.record.as_ref());
                let organisation = organisation.as_deref();
                tally.plan(organisation, &Counts::of(&person.plan));
                // Those who are about to be worked on for the first time are at work as well.
                if person.kind == EventKind::Join {
                    tally.each(organisation, |share| share.at_work += 1);
                }
            }
            whole = Some(at_least_those_who_leave(tally));
        }
        let open = Mutex::new(Open { whole, seen });
        Ok(Self { engine, now, open })
    }

    fn limits(&self) -> &'a Limits {
        self.engine.policy.limits()
    }

    /// The limits that the preview exceeds.
    pub(super) fn trips_now(&mut self) -> Vec<String> {
        let limits = self.limits();
        let whole = self.open.get_mut().whole.as_ref();
        whole.map_or_else(Vec::new, |whole| guard::check(limits, whole))
    }

    /// The limits that carrying `plan` out would exceed; none, and it is counted.
    pub(super) async fn trips(&self, plan: &Plan, record: Option<&Person>) -> Result<Vec<String>> {
        let own = Counts::of(plan);
        let mut open = self.open.lock().await;
        let seen = open.seen.get(&plan.person).cloned().unwrap_or_default();
        let more = own.beyond(&seen);
        if !more.is_empty() {
            let mut whole = match open.whole.take() {
                Some(whole) => whole,
                None => self.engine.before(self.now).await?,
            };
            let before = whole.clone();
            let organisation = organisation(self.limits(), record);
            whole.plan(organisation.as_deref(), &more);
            let whole = at_least_those_who_leave(whole);
            let trips = guard::check(self.limits(), &whole);
            if !trips.is_empty() {
                open.whole = Some(before);
                return Ok(trips);
            }
            open.whole = Some(whole);
        }
        open.seen.insert(plan.person.clone(), seen.beyond(&own));
        Ok(Vec::new())
    }
}

/// Whoever leaves was at work, whatever is known of them.
pub(super) fn at_least_those_who_leave(mut tally: Tally) -> Tally {
    let shares = tally.organisations.values_mut();
    for share in shares.chain([&mut tally.whole]) {
        share.at_work = share.at_work.max(share.planned.leavers);
    }
    tally
}

/// The organisation that the limits count somebody of that record in.
pub(super) fn organisation(limits: &Limits, record: Option<&Person>) -> Option<String> {
    let per = limits.per_organisation.as_ref()?;
    Some(record.map_or_else(String::new, |record| per.field.of(record).to_owned()))
}

impl Engine {
    /// How far back the guard looks.
    pub(super) fn window(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.policy.limits().window_hours))
    }

    /// What was done within the guard's window, and who is at work.
    pub(super) async fn before(&self, now: Timestamp) -> Result<Tally> {
        self.before_and(now, &BTreeMap::new()).await
    }

    /// The same, with what was granted to people and is not over as if it were done.
    pub(super) async fn before_and(
        &self,
        now: Timestamp,
        granted: &BTreeMap<&PersonKey, &Ask>,
    ) -> Result<Tally> {
        let since = now.saturating_sub(self.window()).unwrap_or(Timestamp::MIN);
        let mut tally = Tally::default();
        for (person, ask) in granted {
            // What it brought so far is in the person's state, and counted there.
            let state = self.journal.person(person).await?;
            let done = state.map_or_else(Counts::default, |state| done_since(&state, ask.answered_at));
            let rest = Counts::of(&ask.plan).beyond(&done);
            tally.each(ask.organisation.as_deref(), |share| share.before.add(&rest));
        }
        let mut after: Option<PersonKey> = None;
        loop {
            let people = self.journal.people(after.as_ref(), CHUNK).await?;
            let Some(last) = people.last() else { break };
            after = Some(last.key.clone());
            for state in &people {
                count(self.policy.limits(), state, since, &mut tally);
            }
        }
        Ok(tally)
    }
}

/// What the person's state tells of since then.
fn done_since(state: &PersonState, since: Option<Timestamp>) -> Counts {
    let since = since.unwrap_or(Timestamp::MAX);
    let left = state.left_at.is_some_and(|left| left >= since);
    let mut done = Counts {
        leavers: u32::from(left && !state.accounts.is_empty() && !state.blocked_by_us.is_empty()),
        ..Counts::default()
    };
    let deeds = state.deeds.iter().filter(|deed| deed.at >= since.as_second());
    deeds.for_each(|deed| done.remember(deed));
    done
}

fn count(limits: &Limits, state: &PersonState, since: Timestamp, tally: &mut Tally) {
    let organisation = organisation(limits, state.record.as_ref());
    let mut before = Counts::default();
    let is_at_work = state.lifecycle.is_employed();
    let mut at_work = u32::from(is_at_work);
    // Whom somebody else had blocked before lost nothing by leaving.
    if state.left_at.is_some_and(|left| left > since)
        && !state.accounts.is_empty()
        && !state.blocked_by_us.is_empty()
    {
        before.leavers = 1;
        // They were at work when the window opened, and still count where the leave is not over.
        at_work += u32::from(!is_at_work);
    }
    let recent = state.deeds.iter().filter(|deed| deed.at > since.as_second());
    recent.for_each(|deed| before.remember(deed));
    tally.each(organisation.as_deref(), |share| {
        share.at_work += at_work;
        share.before.add(&before);
    });
}
