//! New accounts by a provisioning job: whoever comes at the same time shares requests, and each waits for the account.
//!
//! Invariants: every record says `active: false`, for nobody gets in before a plan says so; who has been sent is not
//! sent again within the time in which Entra works a record off; an account that has not come in time is unknown,
//! neither made nor refused.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iam_core::clock::SharedClock;
use iam_core::error::Retry;
use iam_core::{Error, ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::run::{date, later, lower};
use super::{BulkUser, MOST, Outcome, PACE, ProvisioningJob, Status, same};
use crate::audit_logs::ProvisioningEntry;
use crate::error;
use crate::odata::CLAUSES;
use crate::query::Filter;
use crate::target::parallel;
use crate::users::User;

const OPERATION: &str = "create user";
/// How long others may join a request: next to nothing beside what Entra takes.
const GATHER: Duration = Duration::from_millis(100);
/// How long a step waits for an account. Others wait behind it, and a worker's lease is five minutes.
const DEADLINE: Duration = Duration::from_secs(20);
/// A record is worked off within so long: Entra begins every 40 minutes at the latest.
const WORKED_OFF: SignedDuration = SignedDuration::from_hours(1);
/// When to come back for an account that has not come.
const LATER: Duration = Duration::from_mins(2);
/// The waits between looks: twice as long each time.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LAST_LOOK: Duration = Duration::from_secs(15);
/// From which wait on it is also looked up whether Entra has refused: few logs may be read.
const DOUBT: Duration = Duration::from_secs(8);

/// The door for new accounts. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    job: ProvisioningJob,
    deadline: Duration,
    state: Arc<Mutex<State>>,
    /// When a request left last: held while one is on its way, so that they keep their distance.
    left: Arc<tokio::sync::Mutex<Option<Timestamp>>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Applicant>,
    /// Whether somebody is about to take what waits.
    gathering: bool,
    /// Who has been sent and has not been seen, by key in lower case.
    sent: HashMap<String, Sent>,
}

#[derive(Debug)]
struct Applicant {
    user: BulkUser,
    answer: oneshot::Sender<Result<User>>,
}

#[derive(Debug, Clone)]
struct Sent {
    name: String,
    /// On the service's clock: entries of the log before it are about something else.
    accepted: Timestamp,
    /// On ours.
    at: Timestamp,
}

/// Somebody who has been sent and is looked for.
struct Pending {
    applicant: Applicant,
    accepted: Timestamp,
}

impl Admission {
    pub(crate) fn new(job: ProvisioningJob) -> Self {
        Self {
            job,
            deadline: DEADLINE,
            state: Arc::default(),
            left: Arc::default(),
        }
    }

    /// The same with another time to wait for an account.
    pub(crate) fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    fn clock(&self) -> &SharedClock {
        self.job.client.clock()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the account made, and waits until it is there.
    ///
    /// # Errors
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) when it has not come in time: it may still come;
    /// [`AlreadyExists`](ErrorKind::AlreadyExists) when the sign-in name is somebody else's;
    /// [`Invalid`](ErrorKind::Invalid) when Entra refuses the record or the job is not there.
    pub(crate) async fn admit(&self, user: BulkUser) -> Result<User> {
        let (answer, outcome) = oneshot::channel();
        let first = {
            let mut state = self.state();
            state.waiting.push_back(Applicant { user, answer });
            !std::mem::replace(&mut state.gathering, true)
        };
        if first {
            self.gather();
        }
        let dropped = || unknown("the upload was dropped on its way");
        outcome.await.unwrap_or_else(|_| Err(dropped()))
    }

    fn gather(&self) {
        let gathering = Gathering {
            admission: self.clone(),
            taken: false,
        };
        tokio::spawn(gathering.work());
    }

    /// Up to fifty people, nobody twice; whether others are left.
    fn take(&self) -> (Vec<Applicant>, bool) {
        let mut state = self.state();
        state.waiting.retain(|applicant| !applicant.answer.is_closed());
        let (mut taken, mut rest) = (Vec::<Applicant>::new(), VecDeque::new());
        for applicant in state.waiting.drain(..) {
            let twice = |other: &Applicant| same(other.user.key(), applicant.user.key());
            if taken.len() == MOST || taken.iter().any(twice) {
                rest.push_back(applicant);
            } else {
                taken.push(applicant);
            }
        }
        let more = !rest.is_empty();
        state.waiting = rest;
        state.gathering = more;
        (taken, more)
    }

    async fn see_to(&self, taken: Vec<Applicant>) {
        let now = self.clock().now();
        let (mut pending, mut new) = (Vec::new(), Vec::new());
        for applicant in taken {
            match self.sent_lately(&applicant.user, now) {
                Some(accepted) => pending.push(Pending { applicant, accepted }),
                None => new.push(applicant),
            }
        }
        if !new.is_empty() {
            let users: Vec<BulkUser> = new.iter().map(|applicant| applicant.user.clone()).collect();
            match self.upload(&users).await {
                Ok(accepted) => {
                    self.note(&users, accepted);
                    pending.extend(new.into_iter().map(|applicant| Pending { applicant, accepted }));
                }
                Err(error) => {
                    for applicant in new {
                        let _ = applicant.answer.send(Err(refused(&error)));
                    }
                }
            }
        }
        self.follow(pending).await;
    }

    /// Sends one request, at the documented distance from the last. Gives when the service accepted it.
    async fn upload(&self, users: &[BulkUser]) -> Result<Timestamp> {
        let mut left = self.left.lock().await;
        if let Some(before) = *left {
            let since = self.clock().now().duration_since(before).unsigned_abs();
            if let Some(rest) = PACE.checked_sub(since) {
                self.clock().sleep(rest).await;
            }
        }
        let answer = self.job.accepted(users).await;
        let now = self.clock().now();
        *left = Some(now);
        Ok(date(&answer?).unwrap_or(now))
    }

    fn sent_lately(&self, user: &BulkUser, now: Timestamp) -> Option<Timestamp> {
        let state = self.state();
        let sent = state.sent.get(&lower(user.key()))?;
        let lately = now.duration_since(sent.at) < WORKED_OFF && sent.name == user.name();
        lately.then_some(sent.accepted)
    }

    fn note(&self, users: &[BulkUser], accepted: Timestamp) {
        let at = self.clock().now();
        let mut state = self.state();
        state
            .sent
            .retain(|_, sent| at.duration_since(sent.at) < WORKED_OFF);
        let sent = users.iter().map(|user| {
            let name = user.name().to_owned();
            (lower(user.key()), Sent { name, accepted, at })
        });
        state.sent.extend(sent);
    }

    fn forget(&self, user: &BulkUser) {
        self.state().sent.remove(&lower(user.key()));
    }

    /// Looks for these people until all are there, or the time is up.
    async fn follow(&self, mut pending: Vec<Pending>) {
        let until = later(self.clock().now(), self.deadline);
        let (mut wait, mut reads_log, mut trouble) = (FIRST_LOOK, true, None);
        loop {
            pending.retain(|pending| !pending.applicant.answer.is_closed());
            let left = Duration::try_from(until.duration_since(self.clock().now())).unwrap_or_default();
            if pending.is_empty() || left.is_zero() {
                break;
            }
            self.clock().sleep(wait.min(left)).await;
            let mut looked = self.look(&mut pending).await;
            if looked.is_ok() && reads_log && (wait >= DOUBT || wait >= left) {
                looked = self.read_log(&mut pending).await;
                // Without the permission for logs the accounts alone have to tell.
                reads_log = !matches!(&looked, Err(error) if error.kind() == ErrorKind::Denied);
            }
            trouble = looked.err();
            wait = (wait * 2).min(LAST_LOOK);
        }
        if let Some(trouble) = trouble {
            tracing::warn!(%trouble, "new accounts could not be looked for");
        }
        for Pending { applicant, .. } in pending {
            let message = "the provisioning job has taken the record, and the account is not there yet";
            let late = unknown(message).with_retry(Retry::After(Some(LATER)));
            let _ = applicant.answer.send(Err(late));
        }
    }

    /// Hands out the accounts that are there.
    async fn look(&self, pending: &mut Vec<Pending>) -> Result<()> {
        let keys: Vec<&str> = pending
            .iter()
            .map(|pending| pending.applicant.user.key().as_str())
            .collect();
        let filters: Vec<Filter> = keys
            .chunks(CLAUSES)
            .map(|keys| Filter::one_of("employeeId", keys))
            .collect();
        let searches = filters.iter().map(|filter| self.job.client.find_users(filter));
        let found: Vec<User> = parallel(searches.collect())
            .await?
            .into_iter()
            .flatten()
            .collect();
        self.settle(pending, |user, _| {
            let is = |found: &&User| {
                let id = found.employee_id.as_deref().unwrap_or_default();
                id.trim().eq_ignore_ascii_case(user.key().as_str())
            };
            let mut found = found.iter().filter(is);
            let account = found.next()?;
            if found.next().is_some() {
                let message = format!(
                    "more than one account carries the worker id {}: a person must decide",
                    user.key()
                );
                return Some(Err(
                    Error::new(ErrorKind::Conflict, message).with_operation(OPERATION)
                ));
            }
            Some(Ok(account.clone()))
        });
        Ok(())
    }

    /// Hands out what Entra would not do.
    async fn read_log(&self, pending: &mut Vec<Pending>) -> Result<()> {
        let Some(since) = pending.iter().map(|pending| pending.accepted).min() else {
            return Ok(());
        };
        let entries = self.job.entries(since)?.all().await?;
        self.settle(pending, |user, accepted| {
            let about = |entry: &&ProvisioningEntry| {
                let key = entry
                    .source_identity
                    .as_ref()
                    .and_then(|source| source.id.as_deref());
                let at = entry
                    .activity_date_time
                    .as_deref()
                    .and_then(|at| at.parse::<Timestamp>().ok());
                key.is_some_and(|key| key.eq_ignore_ascii_case(user.key().as_str()))
                    && at.is_none_or(|at| at >= accepted)
            };
            let entry = entries.iter().rfind(about)?;
            failure(&Outcome::of(user.key().clone(), entry.clone())).map(Err)
        });
        Ok(())
    }

    /// Answers those about whom something is known.
    fn settle(
        &self,
        pending: &mut Vec<Pending>,
        known: impl Fn(&BulkUser, Timestamp) -> Option<Result<User>>,
    ) {
        for one in std::mem::take(pending) {
            match known(&one.applicant.user, one.accepted) {
                Some(answer) => {
                    self.forget(&one.applicant.user);
                    let _ = one.applicant.answer.send(answer);
                }
                None => pending.push(one),
            }
        }
    }
}

/// About to take what waits; whoever does not get to it (the runtime goes down) tells those who wait.
struct Gathering {
    admission: Admission,
    taken: bool,
}

impl Gathering {
    async fn work(mut self) {
        let admission = self.admission.clone();
        admission.clock().sleep(GATHER).await;
        let (taken, more) = admission.take();
        self.taken = true;
        if more {
            admission.gather();
        }
        admission.see_to(taken).await;
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if !self.taken {
            let mut state = self.admission.state();
            state.gathering = false;
            state.waiting.clear();
        }
    }
}

fn unknown(message: &'static str) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, message).with_operation(OPERATION)
}

/// One person's share of the refusal of a request.
fn refused(error: &Error) -> Error {
    // A job that is not there does not come by waiting.
    let kind = match error.kind() {
        ErrorKind::NotFound => ErrorKind::Invalid,
        kind => kind,
    };
    error::copy(error, kind, error.code()).with_operation("upload people")
}

/// Why Entra did not make the account, if it did not. The reason is left out: it may quote values.
fn failure(outcome: &Outcome) -> Option<Error> {
    let code = outcome.code.as_deref().unwrap_or("no code");
    let (kind, message) = match outcome.status {
        Status::Failed if code == "EntryConflict" || code.contains("DuplicateUserPrincipalName") => (
            ErrorKind::AlreadyExists,
            "the sign-in name is somebody else's".to_owned(),
        ),
        Status::Failed => (
            ErrorKind::Invalid,
            format!("Entra's provisioning refused the record ({code})"),
        ),
        Status::Skipped => (
            ErrorKind::Invalid,
            "Entra's provisioning left the record out: the job's scope does not cover it".to_owned(),
        ),
        _ => return None,
    };
    Some(
        Error::new(kind, message)
            .with_operation(OPERATION)
            .with_code(code),
    )
}
