//! The rate budget that all workers of a tenant share: grants out of one bucket for each target.
//!
//! A bucket holds what a service allows, fills evenly, and is drawn from by grants: a worker takes as much as it will
//! spend in a second or so, not one call at a time. A part of it is kept for those who lose access. A refusal of the
//! service closes the bucket for everybody until the time that it names, and halves what is given out from then on;
//! that grows back by a tenth with each window without a refusal (additive increase, multiplicative decrease).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What a bucket gives out at least, as a share of what the service allows.
const LEAST: f64 = 0.1;
/// What comes back of the share with each window.
const RECOVERY: f64 = 0.1;

/// What is asked of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Whose budget, and which: `graph:units`.
    pub target: String,
    /// What may be spent at once after a rest, by the service's measure.
    pub capacity: f64,
    /// The time in which an empty bucket fills.
    pub window: Duration,
    /// The share that is kept for urgent draws, 0 to 1.
    pub reserved: f64,
    /// What is needed now: less is not given.
    pub least: f64,
    /// What would be taken if there is so much.
    pub wanted: f64,
    /// Whether it is for somebody who loses access.
    pub urgent: bool,
}

/// The answer to a [`Draw`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Drawn {
    /// So much may be spent.
    Granted(f64),
    /// Nothing before then.
    RetryAt(Timestamp),
}

/// A bucket, as journals keep it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// What can be drawn.
    pub level: f64,
    /// As of when.
    pub filled_at: Timestamp,
    /// The share of the capacity that is given out.
    pub share: f64,
    /// Nothing is given before that instant.
    pub blocked_until: Option<Timestamp>,
}

impl Bucket {
    /// A full one.
    pub fn full(capacity: f64, now: Timestamp) -> Self {
        Self {
            level: capacity,
            filled_at: now,
            share: 1.0,
            blocked_until: None,
        }
    }

    /// Draws from it.
    pub fn draw(&mut self, draw: &Draw, now: Timestamp) -> Drawn {
        let window = draw.window.as_secs_f64().max(f64::EPSILON);
        let passed = now.duration_since(self.filled_at).as_secs_f64().max(0.0);
        self.share = (self.share + RECOVERY * passed / window).clamp(LEAST, 1.0);
        let capacity = draw.capacity.max(f64::EPSILON) * self.share;
        self.level = (self.level + passed * capacity / window).min(capacity);
        self.filled_at = self.filled_at.max(now);
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Drawn::RetryAt(until);
        }
        self.blocked_until = None;
        let kept = if draw.urgent {
            0.0
        } else {
            capacity * draw.reserved.clamp(0.0, 1.0)
        };
        // What is more than the bucket may give goes out when it is full.
        let least = draw.least.min(capacity - kept);
        let there = self.level - kept;
        if there + 1e-9 >= least {
            let granted = draw.wanted.min(there).max(draw.least);
            self.level -= granted;
            return Drawn::Granted(granted);
        }
        let seconds = (least - there) * window / capacity;
        let wait = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX);
        // Not below a millisecond: a rounding error must not spin.
        let wait = wait.max(SignedDuration::from_millis(1));
        Drawn::RetryAt(now.saturating_add(wait).unwrap_or(Timestamp::MAX))
    }

    /// The service has refused: nothing is given before `until`, and less from then on. Refusals of one burst count once.
    pub fn block(&mut self, until: Timestamp, now: Timestamp) {
        if self.blocked_until.is_none_or(|before| before <= now) {
            self.share = (self.share / 2.0).max(LEAST);
        }
        self.level = self.level.min(0.0);
        self.blocked_until = self.blocked_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(least: f64, wanted: f64, urgent: bool) -> Draw {
        Draw {
            target: "graph:units".to_owned(),
            capacity: 100.0,
            window: Duration::from_secs(10),
            reserved: 0.2,
            least,
            wanted,
            urgent,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_part_is_kept_for_those_who_lose_access() {
        let mut bucket = Bucket::full(100.0, at(0));
        assert_eq!(bucket.draw(&draw(1.0, 90.0, false), at(0)), Drawn::Granted(80.0));
        assert_eq!(
            bucket.draw(&draw(1.0, 1.0, false), at(0)),
            Drawn::RetryAt(at(0) + SignedDuration::from_millis(100))
        );
        assert_eq!(bucket.draw(&draw(1.0, 15.0, true), at(0)), Drawn::Granted(15.0));
        // What is kept fills first.
        assert!(matches!(
            bucket.draw(&draw(1.0, 1.0, false), at(1)),
            Drawn::RetryAt(_)
        ));
        assert_eq!(bucket.draw(&draw(1.0, 9.0, false), at(2)), Drawn::Granted(5.0));
        // More than there ever is goes out when the bucket is full, and is paid back.
        let mut bucket = Bucket::full(100.0, at(0));
        assert_eq!(
            bucket.draw(&draw(150.0, 150.0, false), at(0)),
            Drawn::Granted(150.0)
        );
        assert!(matches!(
            bucket.draw(&draw(1.0, 1.0, true), at(4)),
            Drawn::RetryAt(_)
        ));
        assert_eq!(bucket.draw(&draw(1.0, 1.0, true), at(6)), Drawn::Granted(1.0));
    }

    #[test]
    fn a_refusal_closes_halves_and_is_forgotten_slowly() {
        let mut bucket = Bucket::full(100.0, at(0));
        bucket.block(at(5), at(0));
        bucket.block(at(4), at(1));
        assert_eq!(bucket.draw(&draw(1.0, 1.0, true), at(3)), Drawn::RetryAt(at(5)));
        let Drawn::Granted(half) = bucket.draw(&draw(1.0, 100.0, true), at(15)) else {
            panic!("{bucket:?}")
        };
        assert!((50.0..70.0).contains(&half), "{half}");
        let Drawn::Granted(all) = bucket.draw(&draw(1.0, 100.0, true), at(90)) else {
            panic!("{bucket:?}")
        };
        assert!((all - 100.0).abs() < 1e-6, "{all}");
        for second in 100..200 {
            bucket.block(at(second + 1), at(second));
        }
        assert!(bucket.share >= LEAST);
        // A clock that is behind takes nothing back, and gives nothing twice.
        let mut bucket = Bucket::full(100.0, at(50));
        bucket.draw(&draw(1.0, 100.0, true), at(50));
        assert!(matches!(
            bucket.draw(&draw(1.0, 1.0, true), at(20)),
            Drawn::RetryAt(_)
        ));
        assert_eq!(bucket.filled_at, at(50));
    }
}
