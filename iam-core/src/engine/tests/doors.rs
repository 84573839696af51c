//! Doors with a will of their own: a target that fails at chosen steps, a journal that dies at a chosen
//! write, and a notifier that writes down what it was given.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::entitlement::{Actual, Attribute, Catalog, TargetId};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::MemoryJournal;
use crate::notify::{Message, Notifier};
use crate::plan::{IdempotencyKey, Step};
use crate::target::{Applied, Candidates, Capabilities, Keys, PersonRef, Target};
use crate::testing::{MemoryTarget, Relay, relayed};

/// How a step goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    /// Nothing is done.
    Refuses(ErrorKind),
    /// It is done, and the answer says otherwise.
    Lies(ErrorKind),
    /// There is nothing that it could be done to.
    Vain,
}

type Temper = Box<dyn FnMut(&Step) -> Option<Mood> + Send>;

/// A target that fails as it is told, and remembers what it did.
#[derive(Clone)]
pub(super) struct Moody {
    inner: MemoryTarget,
    temper: Arc<Mutex<Option<Temper>>>,
    /// Every step that reached it: `person step`.
    pub(super) applied: Arc<Mutex<Vec<String>>>,
    /// Attributes that it has no place for.
    pub(super) without: Arc<Mutex<Vec<Attribute>>>,
    /// Whether it refuses to say who has signed in.
    silent: Arc<Mutex<bool>>,
    /// Kinds of steps that it does not carry out.
    pub(super) unable: Arc<Mutex<Vec<&'static str>>>,
}

impl std::fmt::Debug for Moody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Moody")
    }
}

impl Moody {
    pub(super) fn around(inner: &MemoryTarget) -> Self {
        Self {
            inner: inner.clone(),
            temper: Arc::default(),
            applied: Arc::default(),
            without: Arc::default(),
            unable: Arc::default(),
            silent: Arc::default(),
        }
    }

    pub(super) fn hide_sign_ins(&self, hide: bool) {
        *self.silent.lock().unwrap() = hide;
    }

    /// From now on `temper` says what goes wrong.
    pub(super) fn temper(&self, temper: impl FnMut(&Step) -> Option<Mood> + Send + 'static) {
        *self.temper.lock().unwrap() = Some(Box::new(temper));
    }

    /// The next `times` steps whose `person step` contains `what` go wrong.
    pub(super) fn fail(&self, what: &'static str, times: usize, mood: Mood) {
        let mut left = times;
        self.temper(move |step| {
            let hit = left > 0 && format!("{} {}", step.person, step.id).contains(what);
            left -= usize::from(hit);
            hit.then_some(mood)
        });
    }

    /// Every account of the directory, with what it holds.
    pub(super) fn accounts(&self) -> Vec<Actual> {
        self.inner.accounts()
    }

    pub(super) fn calm(&self) {
        *self.temper.lock().unwrap() = None;
    }
}

#[async_trait]
impl Target for Moody {
    fn id(&self) -> &TargetId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        let without = self.without.lock().unwrap().clone();
        capabilities
            .lengths
            .extend(without.into_iter().map(|attribute| (attribute, 0)));
        let unable = self.unable.lock().unwrap();
        capabilities.actions.retain(|kind, _| !unable.contains(kind));
        capabilities
    }

    async fn catalog(&self) -> Result<Catalog> {
        self.inner.catalog().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.inner.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.inner.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.inner.observe(who).await
    }

    fn tells_sign_ins(&self) -> bool {
        self.inner.tells_sign_ins()
    }

    async fn last_sign_in(&self, account: &str) -> Result<Option<jiff::Timestamp>> {
        if *self.silent.lock().unwrap() {
            return Err(Error::new(ErrorKind::Denied, "AuditLog.Read.All is missing"));
        }
        self.inner.last_sign_in(account).await
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        let mood = self
            .temper
            .lock()
            .unwrap()
            .as_mut()
            .and_then(|temper| temper(step));
        let called = format!("{} {}", step.person, step.id);
        self.applied.lock().unwrap().push(called);
        tokio::task::yield_now().await; // the others of the batch go on meanwhile
        match mood {
            None => self.inner.apply(step, key).await,
            Some(Mood::Refuses(kind)) => Err(Error::new(kind, "not now")),
            Some(Mood::Lies(kind)) => {
                self.inner.apply(step, key).await?;
                Err(Error::new(kind, "no answer"))
            }
            Some(Mood::Vain) => Ok(Applied::NotApplicable {
                why: "nothing is there".to_owned(),
            }),
        }
    }
}

type Interruption = Box<dyn FnOnce(&MemoryJournal) + Send>;

/// A journal that dies around its n-th write: that one and all later ones fail. The leases of a life that is to die are
/// over at once, so that the next one need not wait for them; all others last, because workers that share a process
/// would take them from each other for ever.
#[derive(Clone)]
pub(super) struct Mortal {
    inner: MemoryJournal,
    writes: Arc<AtomicIsize>,
    /// Whether this life ends with the failure.
    dies: Arc<AtomicBool>,
    interruption: Arc<Mutex<Option<Interruption>>>,
}

impl std::fmt::Debug for Mortal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mortal")
    }
}

impl Mortal {
    pub(super) fn around(inner: &MemoryJournal) -> Self {
        Self {
            inner: inner.clone(),
            writes: Arc::new(AtomicIsize::new(isize::MAX)),
            dies: Arc::default(),
            interruption: Arc::default(),
        }
    }

    /// Dies after `writes` more writes.
    pub(super) fn dies_after(&self, writes: isize) {
        self.fails_after(writes);
        self.dies.store(true, Ordering::SeqCst);
    }

    /// Fails after `writes` more writes, until it is revived; the process lives on.
    pub(super) fn fails_after(&self, writes: isize) {
        self.dies.store(false, Ordering::SeqCst);
        self.writes.store(writes, Ordering::SeqCst);
    }

    /// A new life.
    pub(super) fn revive(&self) {
        self.fails_after(isize::MAX);
    }

    /// Before the next append, somebody else is quicker.
    pub(super) fn interrupt(&self, with: impl FnOnce(&MemoryJournal) + Send + 'static) {
        *self.interruption.lock().unwrap() = Some(Box::new(with));
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.writes.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::new(ErrorKind::Storage, "the process has died"));
        }
        work.await
    }
}

impl Relay for Mortal {
    async fn beforehand(&self, write: &'static str) {
        match write {
            "append" => {
                if let Some(interruption) = self.interruption.lock().unwrap().take() {
                    interruption(&self.inner);
                }
            }
            _ => tokio::task::yield_now().await, // a journal on disk takes its time
        }
    }

    fn lease(&self, asked: Duration) -> Duration {
        if self.dies.load(Ordering::SeqCst) {
            Duration::ZERO
        } else {
            asked
        }
    }
}

relayed!(Mortal);

/// Writes the subjects of notices down, and what passes were sent with.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    subjects: Arc<Mutex<Vec<String>>>,
    /// `recipients: subject: text` of each message.
    pub(super) all: Arc<Mutex<Vec<String>>>,
    /// `recipients: text` of each message that carries a pass.
    pub(super) passes: Arc<Mutex<Vec<String>>>,
    /// What it says instead of sending.
    pub(super) refuses: Arc<Mutex<Option<ErrorKind>>>,
    /// Whether it cannot bring passes.
    pub(super) public: Arc<Mutex<bool>>,
}

impl Notices {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.subjects.lock().unwrap())
    }
}

#[async_trait]
impl Notifier for Notices {
    async fn notify(&self, message: &Message, _: &IdempotencyKey) -> Result<()> {
        if let Some(kind) = *self.refuses.lock().unwrap() {
            return Err(Error::new(kind, "not sent"));
        }
        self.subjects.lock().unwrap().push(message.subject.clone());
        let all = format!("{}: {}: {}", message.to.join(","), message.subject, message.body);
        self.all.lock().unwrap().push(all);
        if message.carries_pass() {
            let text = message.text();
            let sent = format!("{}: {}", message.to.join(","), text.expose());
            self.passes.lock().unwrap().push(sent);
        }
        Ok(())
    }

    fn takes_passes(&self) -> bool {
        !*self.public.lock().unwrap()
    }
}
