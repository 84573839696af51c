//! [`GraphClient`]: requests to one Graph root, with a token, retries and errors by meaning.
//!
//! Requests are built by [`Root`] without I/O; the client only sends them. It decides nothing.

use std::fmt;
use std::sync::Arc;

use iam_core::auth::{Audience, Bearer, CachedTokens, TokenSource};
use iam_core::clock::{SharedClock, SystemClock};
use iam_core::http::{
    Allowance, Method, Pager, Pipeline, PipelineBuilder, Policy, Priority, Request, Response, RetryPolicy,
    Throttle, Transport,
};
use iam_core::{Cloud, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::batch::{Line, Queue};
use crate::cost::Limits;
use crate::error;

/// A client of Microsoft Graph, v1.0 unless it is asked for [`beta`](Self::beta). Cheap to clone; clones share tokens,
/// connections and the rate budget. Dropping a call's future gives up the call and nothing else: what it waited for
/// (its turn, a token) goes to the next one.
#[derive(Clone)]
pub struct GraphClient {
    pub(crate) root: Root,
    pipeline: Pipeline,
    /// The same, but for concurrent requests, which join batches below retry and budget.
    joining: Pipeline,
    pub(crate) queue: Queue,
    /// The way of whole batches, whose requests are repeated and paid for one by one.
    pub(crate) line: Line,
    budget: Option<Throttle>,
    pub(crate) retry: RetryPolicy,
    clock: SharedClock,
    priority: Priority,
    /// What it was made of.
    made_of: Arc<GraphClientBuilder>,
}

/// Settings of a [`GraphClient`].
#[derive(Debug, Clone)]
pub struct GraphClientBuilder {
    cloud: Cloud,
    tokens: Arc<dyn TokenSource>,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    retry: RetryPolicy,
    limits: Option<Limits>,
    allowance: Option<Arc<dyn Allowance>>,
    policies: Vec<Arc<dyn Policy>>,
}

impl GraphClient {
    /// A client of that cloud's Graph, with the machine's clock and the standard retries.
    ///
    /// `tokens` is a bare credential, for example [`ClientSecret`](iam_core::auth::ClientSecret): the
    /// client keeps its tokens.
    pub fn new(cloud: Cloud, tokens: Arc<dyn TokenSource>, transport: Arc<dyn Transport>) -> Self {
        Self::builder(cloud, tokens, transport).build()
    }

    /// Starts a client with settings of its own.
    pub fn builder(
        cloud: Cloud,
        tokens: Arc<dyn TokenSource>,
        transport: Arc<dyn Transport>,
    ) -> GraphClientBuilder {
        GraphClientBuilder {
            cloud,
            tokens,
            transport,
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            limits: Some(Limits::default()),
            allowance: None,
            policies: Vec::new(),
        }
    }

    /// The same client on Graph's beta endpoint, which Microsoft may change at any time.
    #[must_use]
    pub fn beta(&self) -> Self {
        let root = self.root.version("beta");
        let line = Line {
            root: root.clone(),
            ..self.line.clone()
        };
        Self {
            root,
            line,
            ..self.clone()
        }
    }

    /// Any request: the raw hatch, which keeps authentication, retry and errors. `path` starts with a slash
    /// (`/users?$top=1`, or with its version: `/beta/users`) and is used as it is, so ids in it must be
    /// percent-encoded already; a full URL is accepted as long as it stays on the cloud's Graph host.
    ///
    /// # Errors
    /// By meaning: see [`error`](mod@crate::error).
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        operation: &'static str,
    ) -> Result<Response> {
        let mut request = self.root.request(method, path, operation);
        if let Some(body) = body {
            request = request.json(body)?;
        }
        self.send(request).await
    }

    /// Sends a request, for those that need headers or their own idempotency.
    ///
    /// # Errors
    /// As [`request`](Self::request). A failure of the service that leaves open whether a request took
    /// effect is [`OutcomeUnknown`](iam_core::ErrorKind::OutcomeUnknown) unless the request may be repeated.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let (operation, idempotent) = (request.operation, request.idempotent);
        error::judged(self.exchange(request).await, operation, idempotent)
    }

    /// Sends a request and hands the answer back whatever its status, after the same retries: for whoever judges it
    /// themselves.
    ///
    /// # Errors
    /// Only where there is no answer, or no token.
    pub async fn exchange(&self, request: Request) -> Result<Response> {
        self.pipeline.send(self.ranked(request)).await
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let operation = request.operation;
        let answer = self.send(request).await?;
        answer.json().map_err(|error| error.with_operation(operation))
    }

    /// Reads every page of a collection.
    pub(crate) async fn all<T: DeserializeOwned + Send + 'static>(&self, first: Request) -> Result<Vec<T>> {
        self.listing(first).all().await
    }

    /// Walks a collection page by page: a nextLink to another host is never followed.
    pub fn pages(&self, first: Request) -> Pager {
        Pager::new(self.pipeline.clone(), self.ranked(first), error::of)
    }

    /// A request for a path of this client's Graph, to be given to [`send`](Self::send) or
    /// [`pages`](Self::pages).
    pub fn build(&self, method: Method, path: &str, operation: &'static str) -> Request {
        self.root.request(method, path, operation)
    }

    /// The order in our own queue, and the order in which Graph sheds load.
    pub(crate) fn ranked(&self, mut request: Request) -> Request {
        request.priority = request.priority.min(self.priority);
        match request.priority {
            Priority::High => request.header("x-ms-throttle-priority", "High"),
            Priority::Low => request.header("x-ms-throttle-priority", "Low"),
            _ => request,
        }
    }

    /// The same client, whose requests go before others of that budget: for whoever loses access.
    #[must_use]
    pub fn urgent(&self) -> Self {
        Self {
            priority: Priority::High,
            ..self.clone()
        }
    }

    /// The same client, whose concurrent requests join batches: those that are under way at the same time share HTTP
    /// requests, up to twenty each, and one that is alone is sent as it is. Retries, budget, errors and order of
    /// urgency are those of single requests; clones share the queue.
    #[must_use]
    pub fn joining(&self) -> Self {
        Self {
            pipeline: self.joining.clone(),
            ..self.clone()
        }
    }

    /// A client of the same settings whose rate budget is shared with other processes
    /// ([`allowance`](GraphClientBuilder::allowance)). It keeps tokens of its own, and is on Graph's v1.0.
    #[must_use]
    pub fn sharing(&self, allowance: Arc<dyn Allowance>) -> Self {
        GraphClientBuilder::clone(&self.made_of)
            .allowance(allowance)
            .build()
    }

    /// Sends the requests of one batch, once they are paid for, and takes in what the answers tell of the budget.
    pub(crate) async fn fly(&self, requests: &[(Request, Option<usize>)]) -> Vec<Result<Response>> {
        let Some(budget) = &self.budget else {
            return self.line.fly(requests).await;
        };
        let costs: Vec<_> = requests.iter().map(|(request, _)| budget.cost(request)).collect();
        let urgent = requests.iter().map(|(request, _)| request.priority).min();
        budget
            .pay(costs.iter().copied().sum(), urgent.unwrap_or_default())
            .await;
        let answers = self.line.fly(requests).await;
        for (answer, cost) in answers.iter().zip(costs) {
            if let Ok(answer) = answer {
                budget.learn(cost, answer);
            }
        }
        answers
    }

    /// The URL that paths are appended to.
    pub fn root(&self) -> &str {
        &self.root.0
    }

    /// The clock that the client waits on.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient")
            .field("root", &self.root.0)
            .finish_non_exhaustive()
    }
}

impl GraphClientBuilder {
    /// The clock for retries and waits (the machine's).
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// How often, and how long, one call is tried again ([`RetryPolicy::default`]).
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The rate budget that requests wait for ([`Limits::default`], the smallest tenant's): clones of the
    /// client share it, and a refusal of one makes all wait. `None` sends without a budget, for a service that
    /// has none.
    #[must_use]
    pub fn limits(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Shares the budget of [`limits`](Self::limits) with other processes: only what is granted is spent.
    #[must_use]
    pub fn allowance(mut self, allowance: Arc<dyn Allowance>) -> Self {
        self.allowance = Some(allowance);
        self
    }

    /// Adds a policy that sees every logical request first.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policies.push(policy);
        self
    }

    /// The client.
    pub fn build(self) -> GraphClient {
        let made_of = Arc::new(self.clone());
        let tokens = Arc::new(CachedTokens::new(self.tokens, self.clock.clone()));
        let bearer: Arc<dyn Policy> = Arc::new(Bearer::new(tokens, Audience::graph(&self.cloud)));
        let root = Root::new(&self.cloud);
        let budget = self.limits.map(|limits| limits.throttle(self.clock.clone()));
        let budget = match self.allowance {
            Some(allowance) => budget.map(|budget| budget.sharing(allowance)),
            None => budget,
        };
        let start = |transport: Arc<dyn Transport>| Pipeline::builder(transport).clock(self.clock.clone());
        let watched = |pipeline: PipelineBuilder| {
            let policies = self.policies.iter().cloned();
            policies.fold(pipeline, PipelineBuilder::user_policy)
        };
        let paced = |pipeline: PipelineBuilder| {
            let pipeline = watched(pipeline).retry(self.retry);
            match &budget {
                Some(budget) => pipeline.throttle(Arc::new(budget.clone())),
                None => pipeline,
            }
        };
        let bare = || {
            let pipeline = start(self.transport.clone());
            pipeline.retry(RetryPolicy::none()).bearer(bearer.clone())
        };
        let line = |pipeline: PipelineBuilder| Line {
            root: root.clone(),
            pipeline: pipeline.build(),
            retry: self.retry,
            clock: self.clock.clone(),
            budget: budget.clone(),
        };
        let queue = Queue::new(line(bare()), self.clock.clone());
        GraphClient {
            pipeline: paced(start(self.transport.clone()))
                .bearer(bearer.clone())
                .build(),
            joining: paced(start(Arc::new(queue.clone()))).build(),
            queue,
            line: line(watched(bare())),
            root,
            budget,
            retry: self.retry,
            clock: self.clock,
            priority: Priority::Normal,
            made_of,
        }
    }
}

/// The URL that paths are appended to. Every resource file adds its request builders here.
#[derive(Debug, Clone)]
pub(crate) struct Root(Arc<str>);

impl Root {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        Self(format!("{}/v1.0", cloud.graph()).into())
    }

    /// The same host with another version.
    fn version(&self, version: &str) -> Self {
        Self(format!("{}/{version}", self.host()).into())
    }

    fn host(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(host, _)| host)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("https://") || path.starts_with("http://") {
            path.to_owned() // a link of the service's; the bearer refuses foreign hosts
        } else if ["/v1.0/", "/beta/"]
            .iter()
            .any(|version| path.starts_with(version))
        {
            format!("{}{path}", self.host())
        } else {
            format!("{}{path}", self.0)
        }
    }

    /// The path, with its query, of a URL below this root.
    pub(crate) fn relative<'a>(&self, url: &'a str) -> Option<&'a str> {
        url.strip_prefix(&*self.0).filter(|path| path.starts_with('/'))
    }

    pub(crate) fn request(&self, method: Method, path: &str, operation: &'static str) -> Request {
        Request::new(method, self.url(path), operation)
    }

    pub(crate) fn get(&self, path: &str, operation: &'static str) -> Request {
        self.request(Method::Get, path, operation)
    }

    /// Adds an object to a relation (`/groups/7/members`). Repeating is harmless: Graph refuses a second link.
    pub(crate) fn add_link(&self, relation: &str, object: &str, operation: &'static str) -> Result<Request> {
        self.request(Method::Post, &format!("{relation}/$ref"), operation)
            .idempotent(true)
            .json(&self.link("directoryObjects", object))
    }

    /// Takes an object out of a relation. Without `$ref` the object itself would be deleted.
    pub(crate) fn remove_link(&self, relation: &str, object: &str, operation: &'static str) -> Request {
        let object = crate::odata::segment(object);
        self.request(Method::Delete, &format!("{relation}/{object}/$ref"), operation)
    }

    /// The body of a `$ref` request: the object to link to.
    pub(crate) fn link(&self, collection: &str, id: &str) -> Value {
        let id = crate::odata::segment(id);
        serde_json::json!({ "@odata.id": self.url(&format!("/{collection}/{id}")) })
    }
}

/// What the tests of all resources share: a root, and a comparison of what would be sent.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn root() -> Root {
        Root::new(&Cloud::public())
    }

    /// Method, path below the root, and JSON body of a request.
    #[allow(clippy::needless_pass_by_value)] // short to call
    pub(crate) fn check(request: Request, method: &str, path: &str, body: Value) {
        let sent = request
            .body
            .as_deref()
            .map_or(Value::Null, |b| serde_json::from_slice(b).unwrap());
        assert_eq!(request.method.as_str(), method);
        assert_eq!(request.url, format!("https://graph.microsoft.com/v1.0{path}"));
        assert_eq!(sent, body);
    }

    #[test]
    fn full_urls_are_kept_and_links_are_escaped() {
        assert_eq!(
            root().url("https://graph.microsoft.com/beta/x"),
            "https://graph.microsoft.com/beta/x"
        );
        let beta = root().version("beta");
        for (of, path, url) in [
            (&root(), "/x", "https://graph.microsoft.com/v1.0/x"),
            (&root(), "/beta/x", "https://graph.microsoft.com/beta/x"),
            (&root(), "/betas/x", "https://graph.microsoft.com/v1.0/betas/x"),
            (&beta, "/x", "https://graph.microsoft.com/beta/x"),
            (&beta, "/v1.0/x", "https://graph.microsoft.com/v1.0/x"),
        ] {
            assert_eq!(of.url(path), url);
        }
        assert_eq!(
            root().link("directoryObjects", "a'b"),
            serde_json::json!({"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/a%27b"})
        );
    }
}
