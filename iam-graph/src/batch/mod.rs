//! [`Batch`]: any number of operations, twenty in each request.
//!
//! Operations may depend on each other. Each is paid for, repeated, looked up and mapped to an error for itself, and
//! the answers come in the order in which the operations were added, so that only the number of HTTP requests tells a
//! batch from single calls. Source: Microsoft Learn, "Combine multiple HTTP requests using JSON batching".

mod envelope;
mod flight;
mod operation;
mod plan;
mod queue;
mod run;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use iam_core::Result;
use iam_core::http::{Request, Response};
use serde_json::Value;

pub(crate) use flight::Line;
pub use operation::Operations;
pub(crate) use queue::Queue;

use self::run::Work;
use crate::client::GraphClient;

/// How many batches are on their way at once, unless told otherwise.
const PARALLEL: usize = 4;

type Watch = Arc<dyn Fn(Ticket, &Result<Response>) + Send + Sync>;

/// Operations to be sent together: see the [module](self).
///
/// ```no_run
/// # async fn example(client: iam_graph::GraphClient, new: iam_graph::users::NewUser) -> iam_core::Result<()> {
/// let operations = client.operations();
/// let mut batch = client.batch();
/// let user = batch.add(operations.create_user(&new)?);
/// let manager = operations.set_manager(&new.user_principal_name, "8f1c2d3e-0000-4000-8000-0123456789ab")?;
/// batch.add(manager.depends_on(user));
/// for answer in batch.send().await {
///     println!("{}", answer?.status);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before `send`"]
pub struct Batch {
    client: GraphClient,
    serial: u64,
    operations: Vec<Operation>,
    parallel: usize,
    watch: Option<Watch>,
}

/// Names an operation of a [`Batch`]: its place in the input and in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    batch: u64,
    place: usize,
}

impl Ticket {
    /// The place, counted from 0.
    pub fn place(self) -> usize {
        self.place
    }
}

/// One request of a batch, with what it depends on and how to find out whether it took effect. Typed ones come from
/// [`GraphClient::operations`], any other one [from](From) a [`Request`] that [`GraphClient::build`] made.
#[derive(Clone)]
pub struct Operation {
    request: Request,
    parents: Vec<Ticket>,
    look_up: Option<LookUp>,
}

/// How a request that must not be repeated blindly is found again.
#[derive(Clone)]
struct LookUp {
    request: Request,
    ours: Arc<dyn Fn(&Value) -> bool + Send + Sync>,
}

impl From<Request> for Operation {
    fn from(request: Request) -> Self {
        Self {
            request,
            parents: Vec::new(),
            look_up: None,
        }
    }
}

impl Operation {
    /// To be sent only once that operation, added before, has succeeded. May be called again for another one.
    #[must_use]
    pub fn depends_on(mut self, earlier: Ticket) -> Self {
        self.parents.push(earlier);
        self
    }

    /// How to find what a POST made whose answer was lost: by a read for its natural key, and a test of each object
    /// found (of the `value` list, or the answer itself). The first that is `ours` is adopted and becomes the answer,
    /// with status 200. When somebody else's is found, the operation is
    /// [`AlreadyExists`](iam_core::ErrorKind::AlreadyExists); when nothing is, the request is sent again, three times
    /// in all. Without a look-up a lost answer is [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown), and the
    /// request is not repeated.
    ///
    /// The key must be one that the service keeps unique: a replica may not show yet what was made a moment ago.
    #[must_use]
    pub fn look_up(mut self, read: Request, ours: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Self {
        self.look_up = Some(LookUp {
            request: read.idempotent(true),
            ours: Arc::new(ours),
        });
        self
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("request", &self.request)
            .field("parents", &self.parents)
            .field("look_up", &self.look_up.is_some())
            .finish()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("operations", &self.operations.len())
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

impl GraphClient {
    /// An empty batch.
    pub fn batch(&self) -> Batch {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Batch {
            client: self.clone(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            operations: Vec::new(),
            parallel: PARALLEL,
            watch: None,
        }
    }

    /// The requests of this client's typed methods, to be added to a [`batch`](Self::batch).
    pub fn operations(&self) -> Operations {
        Operations::new(self.root.clone())
    }
}

impl Batch {
    /// Adds an operation. One that names a [`Ticket`] of another batch, or of a later operation, is never sent.
    pub fn add(&mut self, operation: impl Into<Operation>) -> Ticket {
        self.operations.push(operation.into());
        self.ticket(self.operations.len() - 1)
    }

    fn ticket(&self, place: usize) -> Ticket {
        Ticket {
            batch: self.serial,
            place,
        }
    }

    /// How many operations it holds.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many HTTP requests are on their way at once (4; at least 1).
    pub fn parallel(mut self, many: usize) -> Self {
        self.parallel = many.max(1);
        self
    }

    /// Calls `watch` once for each operation, as soon as its answer is final: for progress.
    pub fn on_answer(mut self, watch: impl Fn(Ticket, &Result<Response>) + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// Sends everything, and returns one answer for each operation, in the order of the input. An answer that is not
    /// 2xx is an error, by the same rules as that of a single call ([`error`](mod@crate::error)); an operation whose
    /// parent failed was not sent, and has status 424 and code `FailedDependency`.
    ///
    /// Dropping the future drops what is on its way: those operations may or may not have taken effect.
    pub async fn send(self) -> Vec<Result<Response>> {
        let strange = |operation: &Operation, place: usize| {
            let mut parents = operation.parents.iter();
            parents.any(|parent| parent.batch != self.serial || parent.place >= place)
        };
        let works = self.operations.iter().enumerate().map(|(place, operation)| Work {
            request: operation.request.clone(),
            parents: operation.parents.iter().map(|parent| parent.place).collect(),
            look_up: operation.look_up.clone(),
            strange: strange(operation, place),
        });
        let noted = |place: usize, answer: &Result<Response>| {
            if let Some(watch) = &self.watch {
                watch(self.ticket(place), answer);
            }
        };
        run::run(&self.client, works.collect(), self.parallel, &noted).await
    }
}
