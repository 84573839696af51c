//! For tests of what is built on this crate: a clock that is moved by hand, a target in memory, a journal at which the
//! process dies, and journals that break a promise.

mod broken;
mod crash;
#[cfg(all(feature = "postgres", unix))]
mod postgres;

pub use broken::{BrokenJournal, Guard};
pub(crate) use crash::Relay;
#[cfg(test)]
pub(crate) use crash::relayed;
pub use crash::{Crash, CrashingJournal};
#[cfg(all(feature = "postgres", unix))]
pub use postgres::PostgresServer;
#[cfg(all(test, feature = "postgres", unix))]
pub(crate) use postgres::free_port;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::entitlement::{Account, Actual, Attribute, Catalog, Class, Held, Kind, TargetId, Unread, Via};
use crate::error::{Error, ErrorKind, Result};
use crate::person::PersonKey;
use crate::plan::{Action, IdempotencyKey, Step, apply};
use crate::secret::Secret;
use crate::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};

/// A clock that stands until it is moved. Waiting on it moves it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves it to `now`.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }

    /// Moves it on.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = lock(&self.0);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX));
        Box::pin(std::future::ready(()))
    }
}

/// A directory in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryTarget {
    id: TargetId,
    kinds: BTreeSet<Kind>,
    principals_of: Option<TargetId>,
    directory: Arc<Mutex<Directory>>,
}

#[derive(Debug, Default)]
struct Directory {
    catalog: Catalog,
    accounts: BTreeMap<String, Actual>,
    /// What the mailboxes answer, by account id.
    replies: BTreeMap<String, String>,
    /// What no account shows besides: the pass, who is let at the drive, who owns the groups, who is the sponsor,
    /// who gets the mail.
    beside: BTreeMap<(String, &'static str), String>,
    next: u64,
    down: bool,
    unread: Vec<Unread>,
    /// The last sign-ins, by account id; nothing where it does not tell any.
    sign_ins: Option<BTreeMap<String, Timestamp>>,
}

impl Directory {
    fn answer(&self) -> Result<&Self> {
        if self.down {
            return Err(Error::new(ErrorKind::Unavailable, "the service does not answer"));
        }
        Ok(self)
    }
}

impl MemoryTarget {
    /// An empty directory that offers `catalog`.
    pub fn new(id: &str, catalog: Catalog) -> Self {
        let directory = Directory {
            catalog,
            ..Directory::default()
        };
        Self {
            id: TargetId::new(id),
            kinds: [Kind::Group, Kind::License, Kind::Role].into(),
            principals_of: None,
            directory: Arc::new(Mutex::new(directory)),
        }
    }

    /// The same, offering these kinds of entitlement (groups, licences and roles).
    #[must_use]
    pub fn offering(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// The same, without accounts of its own: those of another target are used.
    #[must_use]
    pub fn principals_of(mut self, target: &str) -> Self {
        self.principals_of = Some(TargetId::new(target));
        self
    }

    /// Whether it answers at all from now on.
    pub fn set_down(&self, down: bool) {
        lock(&self.directory).down = down;
    }

    /// From now on it does not tell what anybody holds of these.
    pub fn set_unread(&self, unread: impl IntoIterator<Item = Unread>) {
        lock(&self.directory).unread = unread.into_iter().collect();
    }

    /// From now on it tells sign-ins.
    #[must_use]
    pub fn telling_sign_ins(self) -> Self {
        lock(&self.directory).sign_ins.get_or_insert_default();
        self
    }

    /// Somebody signs in with that account.
    pub fn sign_in(&self, account: &str, at: Timestamp) {
        let mut directory = lock(&self.directory);
        directory
            .sign_ins
            .get_or_insert_default()
            .insert(account.to_owned(), at);
    }

    /// Changes what it offers.
    pub fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) {
        change(&mut lock(&self.directory).catalog);
    }

    /// From now on it is of that class: who holds it holds it by computation, by another directory, or directly.
    pub fn turn(&self, name: &str, class: Class) {
        let mut directory = lock(&self.directory);
        let items = directory.catalog.items.iter_mut();
        items
            .filter(|item| item.entitlement.name == name)
            .for_each(|item| item.class = class);
        let via = match class {
            Class::Assignable => Via::Direct,
            Class::Dynamic => Via::Dynamic,
            _ => Via::Synced,
        };
        let held = directory
            .accounts
            .values_mut()
            .flat_map(|actual| &mut actual.held);
        held.filter(|held| held.entitlement.name == name)
            .for_each(|held| held.via = via.clone());
    }

    /// Every account with what it holds, by id.
    pub fn accounts(&self) -> Vec<Actual> {
        lock(&self.directory).accounts.values().cloned().collect()
    }

    /// Takes the worker id off an account: from now on it is nobody's.
    pub fn forget_person(&self, account: &str) {
        if let Some(actual) = lock(&self.directory).accounts.get_mut(account) {
            actual.person = PersonKey::new("");
        }
    }

    /// The `pass` of an account; the account that is let at its `drive`, owns its `groups`, has its `sponsorships`,
    /// gets its `mail`.
    pub fn beside(&self, account: &str, what: &'static str) -> Option<String> {
        let key = (account.to_owned(), what);
        lock(&self.directory).beside.get(&key).cloned()
    }

    /// From now on another directory masters the account, and this is what it says of sign-in: changes of
    /// attributes, manager, sign-in and password are refused here, as is deletion.
    pub fn master_elsewhere(&self, account: &str, enabled: bool) {
        let mut directory = lock(&self.directory);
        let actual = directory.accounts.get_mut(account);
        if let Some(account) = actual.and_then(|actual| actual.account.as_mut()) {
            account.synced = true;
            account.enabled = enabled;
        }
    }

    /// What the mailbox of an account answers whoever writes to it.
    pub fn reply(&self, account: &str) -> Option<String> {
        lock(&self.directory).replies.get(account).cloned()
    }
}

#[async_trait]
impl Target for MemoryTarget {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let repeatable = [
            "restore_account",
            "update_account",
            "set_manager",
            "allow_sign_in",
            "block_sign_in",
            "revoke_sessions",
            "reset_password",
            "grant",
            "revoke",
            "set_automatic_reply",
            "end_automatic_reply",
            "issue_pass",
            "withdraw_pass",
            "share_drive",
            "unshare_drive",
            "hand_over_groups",
            "hand_over_sponsorships",
            "forward_mail",
            "end_forwarding",
            "delete_account",
        ];
        let mut actions: BTreeMap<_, _> = repeatable.map(|kind| (kind, EffectClass::Repeatable)).into();
        actions.insert("create_account", EffectClass::UniqueKey);
        Capabilities {
            actions,
            kinds: self.kinds.clone(),
            lengths: [(Attribute::FamilyName, 64)].into(),
            principals_of: self.principals_of.clone(),
            provisions: false,
        }
    }

    fn tells_sign_ins(&self) -> bool {
        lock(&self.directory).sign_ins.is_some()
    }

    async fn last_sign_in(&self, account: &str) -> Result<Option<Timestamp>> {
        let directory = lock(&self.directory);
        let sign_ins = directory.answer()?.sign_ins.as_ref();
        let told = sign_ins.ok_or_else(|| Error::new(ErrorKind::Denied, "sign-ins are not told"))?;
        Ok(told.get(account).copied())
    }

    async fn catalog(&self) -> Result<Catalog> {
        Ok(lock(&self.directory).answer()?.catalog.clone())
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let directory = lock(&self.directory);
        let directory = directory.answer()?;
        let find = |key: &Keys| {
            if self.principals_of.is_some() {
                let account = key.account.as_deref().map(Account::principal);
                return Candidates {
                    active: account.into_iter().collect(),
                    deleted: Vec::new(),
                };
            }
            // A recorded account is found, whatever worker id it carries.
            let recorded = |key: &Keys, actual: &Actual| {
                let id = actual.account.as_ref().map(|account| account.id.as_str());
                key.account.is_some() && key.account.as_deref() == id
            };
            let all = directory
                .accounts
                .values()
                .filter(|actual| actual.person == key.person || recorded(key, actual));
            let all = all.filter_map(|actual| actual.account.clone());
            let (deleted, active) = all.partition(|account: &Account| account.deleted);
            Candidates { active, deleted }
        };
        Ok(keys.iter().map(find).collect())
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        let directory = lock(&self.directory);
        let accounts = directory
            .accounts
            .values()
            .filter_map(|actual| actual.account.as_ref());
        let taken = accounts.map(|account| (account.name.to_lowercase(), account.id.clone()));
        Ok(taken.filter(|(name, _)| names.contains(name)).collect())
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let directory = lock(&self.directory);
        let directory = directory.answer()?;
        let observe = |who: &PersonRef| {
            let known = directory.accounts.get(&who.account).cloned();
            let mut actual = known.unwrap_or_else(|| Actual {
                account: self
                    .principals_of
                    .as_ref()
                    .map(|_| Account::principal(&who.account)),
                ..Actual::none(who.person.clone())
            });
            let hidden = |held: &Held| {
                directory
                    .unread
                    .iter()
                    .any(|unread| unread.hides(&held.entitlement))
            };
            actual.held.retain(|held| !hidden(held));
            actual.unread.clone_from(&directory.unread);
            actual
        };
        Ok(who.iter().map(observe).collect())
    }

    async fn apply(&self, step: &Step, _: &IdempotencyKey) -> Result<Applied> {
        let mut directory = lock(&self.directory);
        directory.answer()?;
        if let (Some(_), Some(id)) = (&self.principals_of, &step.account) {
            directory.accounts.entry(id.clone()).or_insert_with(|| Actual {
                account: Some(Account::principal(id)),
                ..Actual::none(step.person.clone())
            });
        }
        if let Action::CreateAccount { name, .. } = &step.action {
            let same = |actual: &&Actual| {
                actual
                    .account
                    .as_ref()
                    .is_some_and(|account| account.name.eq_ignore_ascii_case(name))
            };
            if let Some(known) = directory.accounts.values().find(same) {
                let ours = known.person == step.person;
                let account = known.account.as_ref().map(|account| account.id.clone());
                let taken = Error::new(ErrorKind::AlreadyExists, "the name is taken");
                return if ours {
                    Ok(Applied::AlreadySo { account })
                } else {
                    Err(taken)
                };
            }
            directory.next += 1;
            let id = format!("account-{}", directory.next);
            let mut actual = Actual::none(step.person.clone());
            apply(&mut actual, &step.action);
            if let Some(account) = &mut actual.account {
                account.id.clone_from(&id);
            }
            directory.accounts.insert(id.clone(), actual);
            return Ok(Applied::Done { account: Some(id) });
        }
        let id = step.account.as_deref().unwrap_or_default();
        let actual = directory
            .accounts
            .get_mut(id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no account {id:?}")))?;
        if let Action::IssuePass { .. } = &step.action {
            directory.next += 1;
            let pass = format!("pass-{}", directory.next);
            directory.beside.insert((id.to_owned(), "pass"), pass.clone());
            let secret = Secret::new(pass);
            return Ok(Applied::Issued { secret });
        }
        let before = actual.clone();
        if before.account.as_ref().is_some_and(|account| account.synced) && changes_the_account(&step.action)
        {
            return Err(Error::new(
                ErrorKind::Denied,
                "another directory masters the account",
            ));
        }
        apply(actual, &step.action);
        let beside = directory.beside.clone();
        let reply = directory.replies.get(id).cloned();
        match &step.action {
            Action::SetAutomaticReply { text } => {
                directory.replies.insert(id.to_owned(), text.clone());
            }
            Action::EndAutomaticReply => {
                directory.replies.remove(id);
            }
            Action::WithdrawPass => drop(directory.beside.remove(&(id.to_owned(), "pass"))),
            Action::ShareDrive { with_account, .. } => {
                let key = (id.to_owned(), "drive");
                directory.beside.insert(key, with_account.clone());
            }
            Action::UnshareDrive { .. } => drop(directory.beside.remove(&(id.to_owned(), "drive"))),
            Action::HandOverGroups { with_account, .. } => {
                let key = (id.to_owned(), "groups");
                directory.beside.insert(key, with_account.clone());
            }
            Action::HandOverSponsorships { with_account, .. } => {
                let key = (id.to_owned(), "sponsorships");
                directory.beside.insert(key, with_account.clone());
            }
            Action::ForwardMail { with_account, .. } => {
                let key = (id.to_owned(), "mail");
                directory.beside.insert(key, with_account.clone());
            }
            Action::EndForwarding => drop(directory.beside.remove(&(id.to_owned(), "mail"))),
            _ => {}
        }
        let same = directory.beside == beside
            && directory.accounts.get(id) == Some(&before)
            && directory.replies.get(id) == reply.as_ref();
        Ok(if same {
            Applied::AlreadySo { account: None }
        } else {
            Applied::Done { account: None }
        })
    }
}

/// What only the directory may do that masters an account.
fn changes_the_account(action: &Action) -> bool {
    matches!(
        action,
        Action::UpdateAccount { .. }
            | Action::SetManager { .. }
            | Action::AllowSignIn
            | Action::BlockSignIn
            | Action::ResetPassword
            | Action::RestoreAccount
            | Action::DeleteAccount
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
