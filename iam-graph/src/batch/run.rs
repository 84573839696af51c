//! Carries a batch out: what is ready leaves, what is refused for the moment waits, what is lost is looked up.
//!
//! Invariants: every attempt of every operation is paid for before it leaves; a POST is repeated after 429 (it had no
//! effect) or after a look-up found nothing, never otherwise; an operation whose parent failed is never sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use iam_core::error::Retry;
use iam_core::http::{Request, Response, retry};
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use serde_json::Value;

use super::LookUp;
use super::flight::failed_dependency;
use super::plan::{Placed, Planner};
use crate::client::GraphClient;
use crate::error;
use crate::fresh::WAITS;

/// How often a POST is sent while its answers are lost.
const TRIES: usize = 3;

/// One operation, as its batch has checked it.
pub(super) struct Work {
    pub(super) request: Request,
    pub(super) parents: Vec<usize>,
    pub(super) look_up: Option<LookUp>,
    /// Whether it depends on something that does not stand before it.
    pub(super) strange: bool,
}

/// Sends everything; `noted` hears of each answer once it is final.
pub(super) async fn run(
    client: &GraphClient,
    works: Vec<Work>,
    parallel: usize,
    noted: &(dyn Fn(usize, &Result<Response>) + Send + Sync),
) -> Vec<Result<Response>> {
    let nodes = works.iter().map(|work| {
        let looks = work.look_up.as_ref().map(|look_up| &look_up.request);
        let fits = [Some(&work.request), looks]
            .into_iter()
            .flatten()
            .all(|request| client.line.takes(request));
        (work.parents.clone(), !fits)
    });
    let strangers: Vec<usize> = (0..works.len()).filter(|place| works[*place].strange).collect();
    let mut run = Run {
        planner: Planner::new(nodes.collect::<Vec<_>>()),
        answers: works.iter().map(|_| None).collect(),
        slots: works.into_iter().map(|work| Slot::new(client, work)).collect(),
        client,
        noted,
    };
    for place in strangers {
        run.refuse(place);
    }
    run.drain(parallel).await;
    let left_out = || Error::new(ErrorKind::Other, "the operation was left out");
    let answers = run.answers.into_iter();
    answers
        .map(|answer| answer.unwrap_or_else(|| Err(left_out())))
        .collect()
}

struct Run<'a> {
    client: &'a GraphClient,
    planner: Planner,
    slots: Vec<Slot>,
    answers: Vec<Option<Result<Response>>>,
    noted: &'a (dyn Fn(usize, &Result<Response>) + Send + Sync),
}

enum Event {
    Landed(Vec<Placed>, Vec<Result<Response>>),
    Due(Vec<usize>),
}

/// What follows from an answer.
enum Next {
    Final(Result<Response>),
    /// Again, after so long.
    Wait(Duration),
    /// Again, once the parent has succeeded.
    Parent,
}

impl Run<'_> {
    async fn drain(&mut self, parallel: usize) {
        let mut events: FuturesUnordered<BoxFuture<'_, Event>> = FuturesUnordered::new();
        let mut flying = 0;
        let client = self.client;
        loop {
            while flying < parallel
                && let Some(batch) = self.planner.next()
            {
                flying += 1;
                let requests = self.requests(&batch);
                events.push(Box::pin(async move {
                    let answers = client.fly(&requests).await;
                    Event::Landed(batch, answers)
                }));
            }
            match events.next().await {
                None => return,
                Some(Event::Due(operations)) => operations.into_iter().for_each(|due| self.again(due)),
                Some(Event::Landed(batch, answers)) => {
                    flying -= 1;
                    let now = client.clock().now();
                    // Who waits about as long waits together, and so leaves together.
                    let mut waits: BTreeMap<u64, (Duration, Vec<usize>)> = BTreeMap::new();
                    for (placed, answer) in batch.into_iter().zip(answers) {
                        let operation = placed.operation;
                        match self.slots[operation].judge(answer, now, client) {
                            Next::Final(answer) => self.finish(operation, answer),
                            Next::Parent => self.again(operation),
                            Next::Wait(wait) => {
                                let (longest, operations) = waits.entry(wait.as_secs()).or_default();
                                *longest = wait.max(*longest);
                                operations.push(operation);
                            }
                        }
                    }
                    for (wait, operations) in waits.into_values() {
                        events.push(Box::pin(async move {
                            client.clock().sleep(wait).await;
                            Event::Due(operations)
                        }));
                    }
                }
            }
        }
    }

    fn requests(&self, batch: &[Placed]) -> Vec<(Request, Option<usize>)> {
        let place = |operation: usize| batch.iter().position(|placed| placed.operation == operation);
        let requests = batch.iter().map(|placed| {
            let request = self.slots[placed.operation].request().clone();
            (request, placed.after.and_then(place))
        });
        requests.collect()
    }

    fn again(&mut self, operation: usize) {
        if !self.planner.requeue(operation) {
            self.finish(operation, Err(self.slots[operation].parent_failed()));
        }
    }

    fn finish(&mut self, operation: usize, answer: Result<Response>) {
        let done = answer.is_ok();
        self.note(operation, answer);
        if done {
            self.planner.succeed(operation);
            return;
        }
        for dragged in self.planner.fail(operation) {
            self.note(dragged, Err(self.slots[dragged].parent_failed()));
        }
    }

    fn note(&mut self, operation: usize, answer: Result<Response>) {
        (self.noted)(operation, &answer);
        self.answers[operation] = Some(answer);
    }

    /// It depends on something that does not stand before it.
    fn refuse(&mut self, operation: usize) {
        if self.answers[operation].is_none() {
            let message = "the operation depends on one that does not stand before it in the same batch";
            let error = Error::new(ErrorKind::Invalid, message);
            let name = self.slots[operation].operation.operation;
            self.finish(operation, Err(error.with_operation(name)));
        }
    }
}

/// One operation on its way to its answer.
struct Slot {
    operation: Request,
    has_parents: bool,
    look_up: Option<LookUp>,
    /// Whether the look-up is sent instead.
    looking: bool,
    /// Of the request that is sent now, its attempts and when the first answer to it came.
    attempts: u32,
    since: Option<Timestamp>,
    /// How often the answer to the operation was lost, and the last time.
    lost: usize,
    unknown: Option<Error>,
    /// The refusal of a repetition: the key is taken, and perhaps by what an earlier attempt made.
    taken: Option<Error>,
    looks: usize,
    bounced: usize,
}

impl Slot {
    fn new(client: &GraphClient, work: Work) -> Self {
        let look_up = work.look_up.map(|look_up| LookUp {
            request: client.ranked(look_up.request),
            ..look_up
        });
        Self {
            operation: client.ranked(work.request),
            has_parents: !work.parents.is_empty(),
            look_up,
            looking: false,
            attempts: 0,
            since: None,
            lost: 0,
            unknown: None,
            taken: None,
            looks: 0,
            bounced: 0,
        }
    }

    fn request(&self) -> &Request {
        match &self.look_up {
            Some(look_up) if self.looking => &look_up.request,
            _ => &self.operation,
        }
    }

    fn parent_failed(&self) -> Error {
        error::of(&failed_dependency(), self.operation.operation)
    }

    fn judge(&mut self, answer: Result<Response>, now: Timestamp, client: &GraphClient) -> Next {
        // Its parent failed in the same batch: whether for good, the parent's own answer says.
        if super::flight::has_status(&answer, 424) && self.has_parents && self.bounced < WAITS.len() {
            self.bounced += 1;
            return Next::Parent;
        }
        self.attempts += 1;
        let since = *self.since.get_or_insert(now);
        let elapsed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        let idempotent = self.request().idempotent;
        if let Some(wait) = client
            .retry
            .again(&answer, idempotent, self.attempts, elapsed, now)
        {
            return Next::Wait(wait);
        }
        let attempts = self.attempts;
        let answer = answer
            .map(|answer| Response { attempts, ..answer })
            .map_err(|error| retry::given_up(error, idempotent, attempts));
        let answer = error::judged(answer, self.request().operation, idempotent);
        if self.looking {
            self.looked(answer)
        } else {
            self.sent(answer)
        }
    }

    fn sent(&mut self, answer: Result<Response>) -> Next {
        let error = match answer {
            Err(error) if self.look_up.is_some() => error,
            answer => return Next::Final(answer),
        };
        match error.kind() {
            ErrorKind::OutcomeUnknown if self.lost < TRIES => {
                self.lost += 1;
                self.unknown = Some(error);
                self.look(self.lost - 1)
            }
            ErrorKind::AlreadyExists if self.lost > 0 => {
                self.taken = Some(error);
                self.look(0)
            }
            _ => Next::Final(Err(error)),
        }
    }

    fn look(&mut self, patience: usize) -> Next {
        (self.looking, self.attempts, self.since) = (true, 0, None);
        Next::Wait(WAITS.get(patience).copied().unwrap_or_default())
    }

    fn looked(&mut self, answer: Result<Response>) -> Next {
        let answer = match answer {
            Ok(answer) => Some(answer),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Next::Final(Err(self.still_unknown(Some(error)))),
        };
        let (ours, others) = answer.map_or((None, false), |answer| self.pick(answer));
        if let Some(ours) = ours {
            return Next::Final(Ok(ours));
        }
        match self.taken.take() {
            Some(taken) if others => Next::Final(Err(taken)),
            // Whoever took the key is not visible yet.
            Some(taken) => {
                self.looks += 1;
                if self.looks < WAITS.len() {
                    self.taken = Some(taken);
                    return self.look(self.looks);
                }
                Next::Final(Err(self.still_unknown(Some(taken))))
            }
            None if others => {
                let message = "somebody else's object has the key of the one to be made";
                let error = Error::new(ErrorKind::AlreadyExists, message);
                Next::Final(Err(error.with_operation(self.operation.operation)))
            }
            None if self.lost < TRIES => {
                (self.looking, self.attempts, self.since) = (false, 0, None);
                Next::Wait(Duration::ZERO)
            }
            None => Next::Final(Err(self.still_unknown(None))),
        }
    }

    /// Our object among those that the look-up found, as an answer of its own, and whether there are others.
    fn pick(&self, answer: Response) -> (Option<Response>, bool) {
        let Some(look_up) = &self.look_up else {
            return (None, false);
        };
        let found = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(Value::Object(mut body)) => match body.remove("value") {
                Some(Value::Array(objects)) => objects,
                Some(other) => {
                    body.insert("value".to_owned(), other);
                    vec![body.into()]
                }
                None => vec![body.into()],
            },
            _ => Vec::new(),
        };
        let ours = found.iter().find(|object| (look_up.ours)(object));
        let ours = ours.map(|object| Response {
            body: object.to_string().into_bytes(),
            ..answer
        });
        (ours, !found.is_empty())
    }

    fn still_unknown(&mut self, source: Option<Error>) -> Error {
        let unknown = self.unknown.take().unwrap_or_else(|| {
            Error::new(ErrorKind::OutcomeUnknown, "no answer").with_operation(self.operation.operation)
        });
        let unknown = unknown
            .with_kind(ErrorKind::OutcomeUnknown)
            .with_retry(Retry::Exhausted);
        match source {
            Some(source) => unknown.with_source(source),
            None => unknown,
        }
    }
}
