//! The port [`Allowance`]: a budget that several processes share. A [`Throttle`](super::Throttle) that has one spends
//! only what it was granted; [`SharedBudget`](crate::engine::SharedBudget) grants out of the journal.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::retry::retry_after;
use super::throttle::{Cost, Meter, Priority, Quota, Reading};
use super::{Method, Request, Response};
use crate::error::Result;

/// How long a grant is good. What is not spent by then is lost: others may have counted on it.
pub(super) const GOOD_FOR: SignedDuration = SignedDuration::from_secs(2);
/// The smallest and the largest part of what a second brings that is drawn beside what is needed now.
const EAGER: [f64; 2] = [1.0 / 32.0, 1.0];

/// What a throttle asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Want {
    /// What the next request needs; less is of no use.
    pub least: Cost,
    /// What would be spent within a second or so.
    pub wanted: Cost,
    /// For whom.
    pub priority: Priority,
    /// What the service allows in units.
    pub units: Quota,
    /// What the service allows in writes.
    pub writes: Quota,
}

/// What it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Allotment {
    /// So much may be spent within the next two seconds. May be of one kind alone, where the other is not there yet.
    Granted(Cost),
    /// Nothing for that long.
    Later(Duration),
}

/// Grants parts of a budget that several processes share.
#[async_trait]
pub trait Allowance: Debug + Send + Sync {
    /// Draws from the budget.
    async fn draw(&self, want: Want) -> Result<Allotment>;

    /// The service has refused a request, for that long, and about writes alone or everything.
    async fn refused(&self, pause: Duration, writes_only: bool) -> Result<()>;
}

/// Counts requests: for services that allow so many in a time, whatever each of them is. A request is one unit, and one
/// that is no `GET` or `HEAD` one write. A refusal (429, or 503 with a time) makes all wait as long as it says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requests;

impl Meter for Requests {
    fn cost(&self, request: &Request) -> Cost {
        let reads = matches!(request.method, Method::Get | Method::Head);
        Cost {
            units: 1.0,
            writes: if reads { 0.0 } else { 1.0 },
        }
    }

    fn read(&self, answer: &Response, now: Timestamp) -> Reading {
        let refused = matches!(answer.status, 429 | 503);
        Reading {
            pause: refused.then(|| retry_after(answer, now)).flatten(),
            ..Reading::default()
        }
    }
}

/// What was granted and is not spent.
#[derive(Debug)]
pub(super) struct Purse {
    left: Cost,
    until: Timestamp,
    eager: f64,
}

impl Purse {
    pub(super) fn empty() -> Self {
        Self {
            left: Cost::default(),
            until: Timestamp::MIN,
            eager: EAGER[0],
        }
    }

    /// What is missing for a request; nothing, and it is spent.
    pub(super) fn spend(&mut self, cost: Cost, now: Timestamp) -> Option<Cost> {
        if self.until <= now {
            // What was lost unspent was too much.
            if self.left.units > 0.0 || self.left.writes > 0.0 {
                self.eager = (self.eager / 2.0).max(EAGER[0]);
            }
            // What was overspent stays owed.
            self.left.units = self.left.units.min(0.0);
            self.left.writes = self.left.writes.min(0.0);
        }
        let missing = |needed: f64, left: f64| if needed > left + 1e-9 { needed - left } else { 0.0 };
        let missing = Cost {
            units: missing(cost.units, self.left.units),
            writes: if cost.writes > 0.0 {
                missing(cost.writes, self.left.writes)
            } else {
                0.0
            },
        };
        if missing.units > 0.0 || missing.writes > 0.0 {
            return Some(missing);
        }
        self.left.units -= cost.units;
        self.left.writes -= cost.writes;
        None
    }

    /// What to ask for when so much is missing.
    pub(super) fn want(
        &mut self,
        missing: Cost,
        priority: Priority,
        units: Quota,
        writes: Quota,
        now: Timestamp,
    ) -> Want {
        if self.until > now {
            // Spent before its time.
            self.eager = (self.eager * 2.0).min(EAGER[1]);
        }
        let second = |quota: Quota| quota.capacity / quota.window.as_secs_f64().max(f64::EPSILON);
        let ahead = |missing: f64, quota: Quota| {
            if missing > 0.0 && priority != Priority::High {
                missing + self.eager * second(quota)
            } else {
                missing
            }
        };
        Want {
            least: missing,
            wanted: Cost {
                units: ahead(missing.units, units),
                writes: ahead(missing.writes, writes),
            },
            priority,
            units,
            writes,
        }
    }

    pub(super) fn fill(&mut self, granted: Cost, now: Timestamp) {
        self.left = self.left + granted;
        self.until = now.saturating_add(GOOD_FOR).unwrap_or(Timestamp::MAX);
    }

    /// The service charged otherwise than was expected.
    pub(super) fn correct(&mut self, more: f64) {
        self.left.units -= more;
    }

    /// The service has refused: what is in hand is good no more.
    pub(super) fn close(&mut self) {
        self.until = Timestamp::MIN;
    }
}
