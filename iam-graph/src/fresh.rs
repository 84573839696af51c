//! Objects that were created moments ago: another replica of the directory may not know them yet.
//!
//! Only for those a 404 means "not yet" instead of "gone". Source: Microsoft Learn, "Best practices for
//! working with Microsoft Graph" (replication); terraform-provider-azuread #793.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use iam_core::clock::SharedClock;
use iam_core::error::Retry;
use iam_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};

/// How long an object counts as fresh.
const AGE: SignedDuration = SignedDuration::from_secs(60);
/// The waits between looks at something that ought to be visible: 9.75 s in all.
pub(crate) const WAITS: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(3),
];

/// Which objects this process created, and when.
#[derive(Debug)]
pub(crate) struct Fresh {
    clock: SharedClock,
    created: Mutex<HashMap<String, Timestamp>>,
}

impl Fresh {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            created: Mutex::default(),
        }
    }

    pub(crate) fn note(&self, id: &str) {
        let now = self.clock.now();
        let mut created = self.lock();
        if created.len() >= 1024 {
            created.retain(|_, at| now.duration_since(*at) < AGE);
        }
        created.insert(id.to_owned(), now);
    }

    pub(crate) fn forget(&self, id: &str) {
        self.lock().remove(id);
    }

    pub(crate) fn is(&self, id: &str) -> bool {
        let now = self.clock.now();
        self.lock()
            .get(id)
            .is_some_and(|at| now.duration_since(*at) < AGE)
    }

    /// Runs `attempt` again while it answers 404 and one of `ids` is fresh, and while others write to the
    /// same object at the same moment. Attempts must be repeatable.
    ///
    /// # Errors
    /// [`ErrorKind::NotYetReplicated`] or [`ErrorKind::Conflict`] when that does not end in time.
    pub(crate) async fn settled<'a, T>(
        &self,
        ids: &[&str],
        attempt: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<T> {
        for wait in WAITS {
            match attempt().await {
                Err(error) if self.may_appear(ids, &error) || is_race(&error) => {
                    tracing::debug!(%error, ?wait, "not settled yet");
                    self.clock.sleep(wait).await;
                }
                outcome => return outcome,
            }
        }
        attempt().await.map_err(|error| {
            if self.may_appear(ids, &error) {
                error
                    .with_kind(ErrorKind::NotYetReplicated)
                    .with_retry(Retry::Exhausted)
            } else if is_race(&error) {
                error.with_retry(Retry::Exhausted)
            } else {
                error
            }
        })
    }

    fn may_appear(&self, ids: &[&str], error: &Error) -> bool {
        let unknown = error.status() == Some(404) && error.code() != Some(crate::mailbox::NO_MAILBOX);
        unknown && ids.iter().any(|id| self.is(id))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many additions to one group get in each other's way (Microsoft Learn, "Microsoft Graph error responses").
fn is_race(error: &Error) -> bool {
    error.code() == Some("Directory_ConcurrencyViolation")
}
