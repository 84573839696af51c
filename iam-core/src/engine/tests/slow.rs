//! What tests of fleets share: a target that takes its time, engines of several processes, and patience.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Result;
use crate::journal::Journal;
use crate::plan::IdempotencyKey;
use crate::target::{Applied, Candidates, Capabilities, Keys, PersonRef, Target};

pub(super) type Question = Box<dyn FnOnce() + Send>;

/// A target that takes its time, and hangs at chosen steps.
#[derive(Clone)]
pub(super) struct Slow {
    inner: Moody,
    pub(super) takes: Duration,
    /// Steps whose `person step` contains it hang until it is taken away.
    pub(super) hangs_at: Arc<Mutex<Option<&'static str>>>,
    /// Whose steps panic.
    pub(super) poison: Arc<Mutex<Option<&'static str>>>,
    /// How many licence seats are left.
    pub(super) seats: Arc<AtomicI64>,
    /// Whose account is gone between two looks.
    pub(super) gone: Arc<Mutex<Option<String>>>,
    /// A call hangs.
    pub(super) hangs: Arc<AtomicBool>,
    /// Asked when a call that hung is dropped.
    pub(super) dropped: Arc<Mutex<Option<Question>>>,
}

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

impl Slow {
    pub(super) fn around(world: &World, millis: u64) -> Self {
        Self {
            inner: world.moody.clone(),
            takes: Duration::from_millis(millis),
            hangs_at: Arc::default(),
            poison: Arc::default(),
            seats: Arc::new(AtomicI64::new(i64::MAX)),
            gone: Arc::default(),
            hangs: Arc::default(),
            dropped: Arc::default(),
        }
    }

    pub(super) fn hang_at(&self, what: &'static str) {
        *self.hangs_at.lock().unwrap() = Some(what);
    }

    fn accounts(&self) -> Vec<Actual> {
        self.inner.accounts()
    }

    pub(super) async fn until_it_hangs(&self) {
        eventually("a call hangs", async || self.hangs.load(Ordering::SeqCst)).await;
    }
}

struct Hung<'a>(&'a Slow);

impl Drop for Hung<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.0.dropped.lock().unwrap().take() {
            ask();
        }
    }
}

#[async_trait::async_trait]
impl Target for Slow {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn catalog(&self) -> Result<Catalog> {
        let mut catalog = self.inner.catalog().await?;
        for keep in &mut catalog.keep {
            let holders = self.accounts().into_iter().filter(|actual| {
                let mut held = actual.held.iter();
                actual.account.as_ref().is_some_and(|account| account.enabled)
                    && held.any(|held| held.entitlement.id == keep.entitlement.id)
            });
            keep.holders = Some(holders.filter_map(|actual| Some(actual.account?.id)).collect());
        }
        Ok(catalog)
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.inner.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<std::collections::BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let gone = self.gone.lock().unwrap().clone();
        if who.iter().any(|who| Some(&who.account) == gone.as_ref()) {
            return Err(Error::new(ErrorKind::NotFound, "there is no such account"));
        }
        self.inner.observe(who).await
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        let called = format!("{} {}", step.person, step.id);
        let (hangs, poison) = (*self.hangs_at.lock().unwrap(), *self.poison.lock().unwrap());
        assert!(poison != Some(step.person.as_str()), "poison");
        if hangs.is_some_and(|what| called.contains(what)) {
            let _hung = Hung(self);
            self.hangs.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        SystemClock.sleep(self.takes).await;
        if let Action::Grant { entitlement, .. } = &step.action
            && entitlement.kind == Kind::License
            && self.seats.fetch_sub(1, Ordering::SeqCst) <= 0
        {
            return Err(Error::new(ErrorKind::LicenseExhausted, "no seat is left"));
        }
        self.inner.apply(step, key).await
    }
}

/// Waits, generously, until it is so.
pub(super) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if so().await {
            return;
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    panic!("never came about: {what}");
}

/// An engine of its own process, as it were: nothing but the journal and the tenant is shared.
pub(super) fn process(world: &World, journal: &Arc<dyn Journal>, target: &Slow) -> Arc<Engine> {
    let engine = Engine::builder(journal.clone(), world.policy.clone())
        .target(Arc::new(target.clone()))
        .notifier(Arc::new(world.notices.clone()))
        .clock(Arc::new(world.clock.clone()))
        .build();
    Arc::new(engine)
}

pub(super) async fn pending(world: &World, journal: &Arc<dyn Journal>) -> usize {
    let query = HistoryQuery {
        state: Some(EventState::Pending),
        due: Some(world.clock.now()),
        ..HistoryQuery::default()
    };
    journal.history(&query).await.unwrap().len()
}

pub(super) async fn drained(world: &World, journal: &Arc<dyn Journal>) {
    eventually("the journal is drained", async || {
        pending(world, journal).await == 0
    })
    .await;
}
