//! A whole upload: requests go out while people come in, outcomes come back as the log tells them.
//!
//! What is held is bounded: the records of one request, and the keys of whoever is on the way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use iam_core::http::Response;
use iam_core::person::PersonKey;
use iam_core::{ErrorKind, Result};
use jiff::{SignedDuration, Timestamp};

use super::{BulkUser, MOST, PACE, ProvisioningJob, same};
use crate::audit_logs::ProvisioningEntry;

/// How long the log is left alone at first; each time it tells nothing new twice as long, up to a minute.
const FIRST_LOOK: Duration = Duration::from_secs(5);
const LAST_LOOK: Duration = Duration::from_mins(1);

/// How an upload is followed up.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Upload {
    /// How long Entra has for one record, from its acceptance on (an hour: it works every 40 minutes at the latest, and
    /// the log comes ten minutes after).
    pub deadline: Duration,
    /// How many people may be on the way at once (10,000).
    pub window: usize,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            deadline: Duration::from_hours(1),
            window: 10_000,
        }
    }
}

impl Upload {
    /// The standard follow-up with another deadline.
    pub fn within(deadline: Duration) -> Self {
        Self {
            deadline,
            ..Self::default()
        }
    }

    /// Another window; at least one request.
    #[must_use]
    pub fn window(mut self, people: usize) -> Self {
        self.window = people.max(MOST);
        self
    }
}

/// What became of one person's record. `Debug` leaves the reason out: it may quote values.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Whose record.
    pub key: PersonKey,
    /// How it ended.
    pub status: Status,
    /// What Entra did: `create`, `update`, `disable` or `other`.
    pub action: Option<String>,
    /// The account's object id, where there is one.
    pub account: Option<String>,
    /// The code of a failure, for example `AzureActiveDirectoryInvalidUserPrincipalName`.
    pub code: Option<String>,
    /// The text of a failure.
    pub reason: Option<String>,
}

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The account is as the record says.
    Done,
    /// It was so already.
    AlreadySo,
    /// Entra left the record out: it is outside the job's scope.
    Skipped,
    /// Entra could not do it; the code says why.
    Failed,
    /// The log told nothing within the deadline: the record may still be worked off.
    Unknown,
    /// The request was refused, or never sent.
    NotSent,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("key", &self.key)
            .field("status", &self.status)
            .field("action", &self.action)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl Outcome {
    fn bare(key: PersonKey, status: Status) -> Self {
        Self {
            key,
            status,
            action: None,
            account: None,
            code: None,
            reason: None,
        }
    }

    pub(super) fn of(key: PersonKey, entry: ProvisioningEntry) -> Self {
        let status = entry.provisioning_status_info.unwrap_or_default();
        let error = status.error_information.unwrap_or_default();
        let account = entry.target_identity.and_then(|target| target.id);
        Self {
            key,
            status: match status.status.as_deref() {
                Some("success" | "warning") => Status::Done,
                Some("skipped") if error.error_code.as_deref() == Some("RedundantExport") => {
                    Status::AlreadySo
                }
                Some("skipped") => Status::Skipped,
                _ => Status::Failed,
            },
            action: entry.provisioning_action,
            account: account.filter(|id| !id.is_empty()),
            code: error.error_code,
            reason: error.reason,
        }
    }
}

impl ProvisioningJob {
    /// Uploads everybody who comes and tells what became of each, as the provisioning log says, in no particular
    /// order: one outcome for each person, and an error where nothing more could be sent or the log not be read.
    ///
    /// Requests are paced; nobody is on the way twice, so whoever comes again waits for the first outcome. After an
    /// error of sending no more people are taken: who was in that request is [`Status::NotSent`], and who is on the
    /// way is still followed up.
    pub fn run<'a>(
        &'a self,
        people: impl Stream<Item = BulkUser> + Send + 'a,
        upload: Upload,
    ) -> impl Stream<Item = Result<Outcome>> + Send + 'a {
        let run = Run {
            job: self,
            people: people.boxed(),
            upload,
            next: None,
            open: true,
            pending: HashMap::new(),
            seen: HashSet::new(),
            ready: VecDeque::new(),
            sent: None,
            look: FIRST_LOOK,
        };
        stream::unfold(run, |mut run| async move {
            let item = run.step().await?;
            Some((item, run))
        })
    }
}

struct Run<'a> {
    job: &'a ProvisioningJob,
    people: BoxStream<'a, BulkUser>,
    upload: Upload,
    /// Taken from the stream, and not to be sent yet.
    next: Option<BulkUser>,
    open: bool,
    /// Whoever is on the way, by key in lower case.
    pending: HashMap<String, Pending>,
    /// Entries of the log that have told their outcome.
    seen: HashSet<String>,
    ready: VecDeque<Result<Outcome>>,
    sent: Option<Timestamp>,
    look: Duration,
}

struct Pending {
    key: PersonKey,
    /// On the service's clock: entries before it are about something else.
    accepted: Timestamp,
    /// On ours.
    until: Timestamp,
}

impl Run<'_> {
    async fn step(&mut self) -> Option<Result<Outcome>> {
        loop {
            if let Some(outcome) = self.ready.pop_front() {
                return Some(outcome);
            }
            if self.open && self.pending.len() + MOST <= self.upload.window.max(MOST) {
                let chunk = self.chunk().await;
                if !chunk.is_empty() {
                    self.send(chunk).await;
                    continue;
                }
            }
            if self.pending.is_empty() {
                if !self.open && self.next.is_none() {
                    return None;
                }
                continue;
            }
            self.wait().await;
        }
    }

    /// Up to fifty people of whom none is on the way.
    async fn chunk(&mut self) -> Vec<BulkUser> {
        let mut chunk: Vec<BulkUser> = Vec::new();
        while chunk.len() < MOST {
            let Some(user) = (match self.next.take() {
                Some(user) => Some(user),
                None => self.people.next().await,
            }) else {
                self.open = false;
                break;
            };
            let busy = self.pending.contains_key(&lower(&user.key))
                || chunk.iter().any(|other| same(&other.key, &user.key));
            if busy {
                self.next = Some(user);
                break;
            }
            chunk.push(user);
        }
        chunk
    }

    async fn send(&mut self, chunk: Vec<BulkUser>) {
        let clock = self.job.client.clock().clone();
        if let Some(sent) = self.sent {
            let since = clock.now().duration_since(sent).unsigned_abs();
            if let Some(rest) = PACE.checked_sub(since) {
                clock.sleep(rest).await;
            }
        }
        let answer = self.job.accepted(&chunk).await;
        let now = clock.now();
        self.sent = Some(now);
        match answer {
            Ok(answer) => {
                let accepted = date(&answer).unwrap_or(now);
                let until = later(now, self.upload.deadline);
                for user in chunk {
                    let key = user.key;
                    self.pending.insert(lower(&key), Pending { key, accepted, until });
                }
                self.look = FIRST_LOOK;
            }
            Err(error) => {
                // A document that is refused says nothing about the next one.
                let mut unsent = chunk;
                if error.kind() != ErrorKind::Invalid {
                    self.open = false;
                    unsent.extend(self.next.take());
                }
                self.ready.push_back(Err(error));
                let unsent = unsent
                    .into_iter()
                    .map(|user| Ok(Outcome::bare(user.key, Status::NotSent)));
                self.ready.extend(unsent);
            }
        }
    }

    /// Leaves the log alone for a while, then reads it.
    async fn wait(&mut self) {
        let clock = self.job.client.clock().clone();
        let until = self.pending.values().map(|pending| pending.until).min();
        let left = until.map_or(Duration::ZERO, |until| {
            Duration::try_from(until.duration_since(clock.now())).unwrap_or_default()
        });
        clock
            .sleep(self.look.min(left.max(Duration::from_millis(1))))
            .await;
        let before = self.ready.len();
        if let Err(error) = self.read_log().await {
            self.ready.push_back(Err(error));
        }
        self.look = if self.ready.len() > before {
            FIRST_LOOK
        } else {
            (self.look * 2).min(LAST_LOOK)
        };
        let now = clock.now();
        let late: Vec<String> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in late {
            if let Some(pending) = self.pending.remove(&key) {
                self.ready
                    .push_back(Ok(Outcome::bare(pending.key, Status::Unknown)));
            }
        }
    }

    async fn read_log(&mut self) -> Result<()> {
        let Some(since) = self.pending.values().map(|pending| pending.accepted).min() else {
            return Ok(());
        };
        let mut entries = self.job.entries(since)?;
        let mut told = HashSet::new();
        while let Some(entry) = entries.try_next().await? {
            told.insert(entry.id.clone());
            if self.seen.insert(entry.id.clone()) {
                self.tell(entry);
            }
        }
        // What is older than the filter never comes again.
        self.seen.retain(|id| told.contains(id));
        Ok(())
    }

    fn tell(&mut self, entry: ProvisioningEntry) {
        let at: Option<Timestamp> = entry.activity_date_time.as_deref().and_then(|at| at.parse().ok());
        let Some(key) = entry
            .source_identity
            .as_ref()
            .and_then(|source| source.id.as_deref())
        else {
            return;
        };
        let key = key.to_lowercase();
        let ours = |pending: &Pending| at.is_none_or(|at| at >= pending.accepted);
        if self.pending.get(&key).is_some_and(ours)
            && let Some(pending) = self.pending.remove(&key)
        {
            self.ready.push_back(Ok(Outcome::of(pending.key, entry)));
        }
    }
}

pub(super) fn lower(key: &PersonKey) -> String {
    key.as_str().to_lowercase()
}

/// When the service accepted it, by its own clock: whole seconds.
pub(super) fn date(answer: &Response) -> Option<Timestamp> {
    let text = answer.header("date")?;
    jiff::fmt::rfc2822::parse(text)
        .ok()
        .map(|zoned| zoned.timestamp())
}

pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
