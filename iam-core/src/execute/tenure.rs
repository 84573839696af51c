//! [`Tenure`]: how long a worker may go on with a lane, by its own monotonic clock.
//!
//! Invariant: nothing is begun when the lease may end before it is over. A worker whose heartbeats are lost stops by
//! itself; nobody has to tell it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};

/// How a lease is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long the journal holds a lane without a heartbeat.
    pub(crate) lease: Duration,
    /// How long one call to a service may take.
    pub(crate) call: Duration,
}

impl Terms {
    /// How often the lease is renewed.
    pub(crate) fn beat(self) -> Duration {
        self.lease / 4
    }

    /// What is kept back for clocks and schedulers: a twelfth of the lease, at most 5 seconds.
    fn margin(self) -> Duration {
        (self.lease / 12).min(Duration::from_secs(5))
    }

    /// After how long without a heartbeat nothing more is begun.
    pub(crate) fn begins(self) -> Duration {
        self.ends().saturating_sub(self.call)
    }

    /// After how long without a heartbeat what is under way is dropped.
    pub(crate) fn ends(self) -> Duration {
        self.lease.saturating_sub(self.margin())
    }
}

/// A worker's hold on one lane.
#[derive(Debug)]
pub(crate) struct Tenure {
    terms: Terms,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// When the journal was last asked, of those times that it said yes.
    confirmed: Instant,
    /// Somebody else holds the lane.
    lost: bool,
    /// The worker is about to stop.
    stopping: bool,
    /// The lane is about to go back, by a write that the journal refuses where it is somebody else's.
    closing: bool,
}

impl Tenure {
    /// A hold that was asked for at `asked`, before the journal granted it.
    pub(crate) fn new(terms: Terms, asked: Instant) -> Self {
        Self {
            terms,
            state: Mutex::new(State {
                confirmed: asked,
                lost: false,
                stopping: false,
                closing: false,
            }),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal has extended the lease; it was asked to at `asked`.
    pub(crate) fn confirm(&self, asked: Instant) {
        let mut state = self.state();
        state.confirmed = state.confirmed.max(asked);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Somebody else holds the lane now.
    pub(crate) fn lose(&self) {
        let mut state = self.state();
        if state.closing {
            return; // the heartbeat came after the end
        }
        state.lost = true;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing more is to be begun.
    pub(crate) fn stop(&self) {
        self.state().stopping = true;
    }

    /// The claim is about to end: what follows is not dropped, and no heartbeat can be lost any more.
    pub(crate) fn close(&self) {
        self.state().closing = true;
    }

    /// Whether the claim has ended, or is about to.
    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Whether the worker was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Whether somebody else holds the lane.
    pub(crate) fn is_lost(&self) -> bool {
        self.state().lost
    }

    /// Whether something may be begun.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] when not: the work is dropped as it is.
    pub(crate) fn go_on(&self) -> Result<()> {
        let state = self.state();
        let why = if state.lost {
            "somebody else holds the lane"
        } else if state.stopping {
            "the worker stops"
        } else if state.confirmed.elapsed() >= self.terms.begins() {
            "the lease could not be renewed in time, and nothing more is begun"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Fenced, why))
    }

    /// Completes when what is under way must be dropped.
    pub(crate) async fn over(&self) {
        loop {
            let changed = self.changed.notified();
            let left = {
                let state = self.state();
                if state.lost {
                    return;
                }
                self.terms.ends().saturating_sub(state.confirmed.elapsed())
            };
            if left.is_zero() && !self.is_closing() {
                return;
            }
            // What closes is waited for.
            let left = left.max(Duration::from_millis(100));
            tokio::select! {
                () = SystemClock.sleep(left) => {}
                () = changed => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_spent_as_documented() {
        let terms = Terms {
            lease: Duration::from_mins(1),
            call: Duration::from_secs(20),
        };
        let seconds = [terms.beat(), terms.begins(), terms.ends()].map(|time| time.as_secs());
        assert_eq!(seconds, [15, 35, 55]);
    }

    #[tokio::test]
    async fn without_heartbeats_nothing_is_begun_and_then_everything_is_dropped() {
        let terms = Terms {
            lease: Duration::from_millis(600),
            call: Duration::from_millis(250),
        };
        let tenure = Tenure::new(terms, Instant::now());
        tenure.go_on().unwrap();
        SystemClock.sleep(Duration::from_millis(320)).await;
        assert_eq!(tenure.go_on().unwrap_err().kind(), ErrorKind::Fenced);
        tenure.over().await;
        let tenure = Tenure::new(terms, Instant::now());
        tenure.lose();
        tenure.over().await;
        assert_eq!(tenure.go_on().unwrap_err().kind(), ErrorKind::Fenced);
    }

    #[tokio::test]
    async fn what_is_about_to_end_is_not_dropped() {
        let terms = Terms {
            lease: Duration::from_millis(40),
            call: Duration::ZERO,
        };
        let tenure = Tenure::new(terms, Instant::now());
        tenure.close();
        tenure.lose();
        assert!(
            !tenure.is_lost(),
            "a heartbeat that came after the end says nothing"
        );
        let dropped = tokio::time::timeout(Duration::from_millis(200), tenure.over());
        assert!(dropped.await.is_err());
    }
}
