//! Journals that keep every promise but one. A check that passes on them checks nothing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::crash::{Relay, relayed};
use crate::error::Result;
use crate::event::Event;
use crate::journal::{Claim, Journal};
use crate::person::PersonKey;
use crate::plan::{IdempotencyKey, StepId};

/// What a [`BrokenJournal`] does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// The fence: a holder whose claim has passed on writes all the same.
    Fence,
    /// The intent: a step is written down only when it has ended.
    Intent,
    /// The lane lock: a lane that is held is claimed again.
    LaneLock,
    /// The lane sequence: what was accepted later is worked earlier.
    LaneSequence,
}

/// A journal that keeps every promise but one.
#[derive(Debug)]
pub struct BrokenJournal {
    inner: Arc<dyn Journal>,
    without: Guard,
    newest: Mutex<HashMap<PersonKey, Claim>>,
    intended: Mutex<HashMap<StepId, IdempotencyKey>>,
}

impl BrokenJournal {
    /// Breaks the promise that `without` keeps.
    pub fn new(inner: Arc<dyn Journal>, without: Guard) -> Self {
        Self {
            inner,
            without,
            newest: Mutex::default(),
            intended: Mutex::default(),
        }
    }

    #[allow(clippy::unused_self)] // what a relayed journal has
    fn write<'a, T>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'a,
    ) -> impl Future<Output = Result<T>> + Send + 'a {
        work
    }
}

impl Relay for BrokenJournal {
    fn lease(&self, asked: Duration) -> Duration {
        if self.without == Guard::LaneLock {
            Duration::ZERO
        } else {
            asked
        }
    }

    fn claimed(&self, claims: &[Claim]) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.extend(
            claims
                .iter()
                .map(|claim| (claim.event.person.clone(), claim.clone())),
        );
    }

    fn held<'a>(&self, claim: &'a Claim) -> Cow<'a, Claim> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match newest.get(&claim.event.person) {
            Some(newest) if self.without == Guard::Fence => Cow::Owned(newest.clone()),
            _ => Cow::Borrowed(claim),
        }
    }

    fn order(&self, batch: &[Event]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..batch.len()).collect();
        if self.without == Guard::LaneSequence {
            // Records of one person cannot change places: each is the successor of one that must be there.
            order.sort_by_key(|at| batch[*at].record.is_some());
        }
        order
    }

    fn intends(&self, step: &StepId, key: &IdempotencyKey) -> bool {
        if self.without == Guard::Intent {
            let mut intended = self.intended.lock().unwrap_or_else(PoisonError::into_inner);
            intended.insert(step.clone(), key.clone());
        }
        self.without != Guard::Intent
    }

    fn not_intended(&self, step: &StepId) -> Option<IdempotencyKey> {
        let mut intended = self.intended.lock().unwrap_or_else(PoisonError::into_inner);
        intended.remove(step)
    }
}

relayed!(BrokenJournal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{MemoryJournal, conformance};

    /// A journal without `guard` fails the exam, in this check among others.
    async fn caught(guard: Guard, check: &str) {
        let broken = exam(async || Arc::new(MemoryJournal::new()) as Arc<dyn Journal>, guard).await;
        assert!(
            broken.iter().any(|broken| broken == check),
            "in memory: {broken:?}"
        );
        #[cfg(feature = "sqlite")]
        {
            let folder = tempfile::tempdir().unwrap();
            let number = std::cell::Cell::new(0);
            let open = async || {
                number.set(number.get() + 1);
                let path = folder.path().join(format!("{}.db", number.get()));
                let file = crate::journal::SqliteJournal::open(&path, "acme").await;
                Arc::new(file.unwrap()) as Arc<dyn Journal>
            };
            let broken = exam(open, guard).await;
            assert!(
                broken.iter().any(|broken| broken == check),
                "in a file: {broken:?}"
            );
        }
    }

    /// The same at a server, where each check has a tenant of its own.
    #[cfg(all(feature = "postgres", unix))]
    async fn caught_at_a_server(guard: Guard, check: &str) {
        let server = crate::testing::PostgresServer::shared();
        let (schema, number) = (server.fresh_schema(), std::cell::Cell::new(0));
        let open = async || {
            number.set(number.get() + 1);
            let tenant = format!("tenant {}", number.get());
            let journal = crate::journal::PostgresJournal::builder(server.url(), &tenant).schema(&schema);
            Arc::new(journal.open().await.unwrap()) as Arc<dyn Journal>
        };
        let broken = exam(open, guard).await;
        assert!(
            broken.iter().any(|broken| broken == check),
            "at a server: {broken:?}"
        );
    }

    /// Which checks a journal without `guard` fails.
    async fn exam(make: impl AsyncFn() -> Arc<dyn Journal>, guard: Guard) -> Vec<String> {
        use futures::FutureExt as _;
        let exam = conformance::exam(async || BrokenJournal::new(make().await, guard));
        let failed = std::panic::AssertUnwindSafe(exam).catch_unwind().await;
        let failed = failed.expect_err("the exam sees nothing wrong");
        let text = failed.downcast_ref::<String>().unwrap();
        let checks = text.lines().filter_map(|line| line.split_once(": "));
        let names = checks.filter(|(name, _)| conformance::is_check(name));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_without_fences_is_caught() {
        let check = "claim::a_lost_lease_fences_every_write";
        caught(Guard::Fence, check).await;
        #[cfg(all(feature = "postgres", unix))]
        caught_at_a_server(Guard::Fence, check).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_without_intents_is_caught() {
        let check = "step::a_step_is_first_then_unknown_then_settled";
        caught(Guard::Intent, check).await;
        #[cfg(all(feature = "postgres", unix))]
        caught_at_a_server(Guard::Intent, check).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_without_lane_locks_is_caught() {
        let check = "claim::one_claim_for_each_lane_at_a_time";
        caught(Guard::LaneLock, check).await;
        #[cfg(all(feature = "postgres", unix))]
        caught_at_a_server(Guard::LaneLock, check).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_without_lane_sequences_is_caught() {
        let check = "claim::a_lane_is_worked_by_due_instant_then_lane_sequence";
        caught(Guard::LaneSequence, check).await;
        #[cfg(all(feature = "postgres", unix))]
        caught_at_a_server(Guard::LaneSequence, check).await;
    }
}
