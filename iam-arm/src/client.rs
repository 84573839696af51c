//! [`ArmClient`]: requests to one Azure Resource Manager, with a token, retries and errors by meaning.
//!
//! Requests are built by [`Root`] without I/O; the client only sends them. It decides nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use iam_core::auth::{Audience, Bearer, CachedTokens, TokenSource};
use iam_core::clock::{SharedClock, SystemClock};
use iam_core::http::throttle::Quota;
use iam_core::http::{
    Allowance, Method, Pager, Pipeline, Policy, Request, Requests, Response, RetryPolicy, Throttle, Transport,
};
use iam_core::{Cloud, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::error;
use crate::throttle::Patient;

/// What a service principal may send to one subscription.
const REQUESTS: Quota = Quota {
    capacity: 250.0,
    window: Duration::from_secs(10),
};
/// Of these, writes.
const WRITES: Quota = Quota {
    capacity: 200.0,
    window: Duration::from_secs(20),
};

/// A client of Azure Resource Manager. Cheap to clone; clones share tokens and connections.
#[derive(Clone)]
pub struct ArmClient {
    pub(crate) root: Root,
    pub(crate) principal_wait: Duration,
    pipeline: Pipeline,
    clock: SharedClock,
    /// What it was made of.
    made_of: Arc<ArmClientBuilder>,
}

/// Settings of an [`ArmClient`].
#[derive(Debug, Clone)]
pub struct ArmClientBuilder {
    cloud: Cloud,
    tokens: Arc<dyn TokenSource>,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    retry: RetryPolicy,
    principal_wait: Duration,
    allowance: Option<Arc<dyn Allowance>>,
    policies: Vec<Arc<dyn Policy>>,
}

impl ArmClient {
    /// A client of that cloud's Azure Resource Manager, with the machine's clock and the standard retries.
    ///
    /// `tokens` is a bare credential, for example [`ClientSecret`](iam_core::auth::ClientSecret): the
    /// client keeps its tokens.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the cloud names no Azure Resource Manager: see [`Cloud::with_arm`].
    pub fn new(cloud: Cloud, tokens: Arc<dyn TokenSource>, transport: Arc<dyn Transport>) -> Result<Self> {
        Self::builder(cloud, tokens, transport).build()
    }

    /// Starts a client with settings of its own.
    pub fn builder(
        cloud: Cloud,
        tokens: Arc<dyn TokenSource>,
        transport: Arc<dyn Transport>,
    ) -> ArmClientBuilder {
        ArmClientBuilder {
            cloud,
            tokens,
            transport,
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            principal_wait: Duration::from_mins(1),
            allowance: None,
            policies: Vec::new(),
        }
    }

    /// A client of the same settings that shares what Azure Resource Manager allows with other processes
    /// ([`allowance`](ArmClientBuilder::allowance)). It keeps tokens of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn sharing(&self, allowance: Arc<dyn Allowance>) -> Result<Self> {
        ArmClientBuilder::clone(&self.made_of)
            .allowance(allowance)
            .build()
    }

    /// Any request: the raw hatch, which keeps authentication, retry and errors. `path` starts with a slash,
    /// names its own `api-version` (`/tenants?api-version=2022-12-01`) and is used as it is, so that what
    /// stands in it must be percent-encoded already; a full URL is accepted as long as it stays on the
    /// cloud's Azure Resource Manager.
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
    /// effect is [`ErrorKind::OutcomeUnknown`] unless the request may be repeated.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let (operation, idempotent) = (request.operation, request.idempotent);
        let answer = self.exchange(request).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let error = error::of(&answer, operation);
        if error.kind() == ErrorKind::Unavailable && !idempotent {
            return Err(error.with_kind(ErrorKind::OutcomeUnknown));
        }
        Err(error)
    }

    /// Sends a request and hands the answer back whatever its status, after the same retries: for whoever judges it
    /// themselves.
    ///
    /// # Errors
    /// Only where there is no answer, or no token.
    pub async fn exchange(&self, request: Request) -> Result<Response> {
        self.pipeline.send(identified(request)).await
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let operation = request.operation;
        let answer = self.send(request).await?;
        answer.json().map_err(|error| error.with_operation(operation))
    }

    /// Reads every page of a collection.
    pub(crate) async fn all<T: DeserializeOwned>(&self, first: Request) -> Result<Vec<T>> {
        let operation = first.operation;
        let mut pager = self.pages(first);
        let mut items = Vec::new();
        while let Some(page) = pager.next_page().await? {
            for value in page.values {
                items.push(error::read(value, operation)?);
            }
        }
        Ok(items)
    }

    /// Walks a collection page by page: a nextLink to another host is never followed.
    pub fn pages(&self, first: Request) -> Pager {
        Pager::new(self.pipeline.clone(), identified(first), error::of)
    }

    /// A request for a path of this client's Azure Resource Manager, to be given to [`send`](Self::send) or
    /// [`pages`](Self::pages).
    pub fn build(&self, method: Method, path: &str, operation: &'static str) -> Request {
        self.root.request(method, path, operation)
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

impl fmt::Debug for ArmClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArmClient")
            .field("root", &self.root.0)
            .finish_non_exhaustive()
    }
}

/// Gives a request the id that Azure's own logs keep, and the pipeline's spans the same one.
fn identified(request: Request) -> Request {
    let id = Uuid::new_v4().to_string();
    request
        .header("x-ms-client-request-id", &id)
        .header("client-request-id", id)
}

impl ArmClientBuilder {
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

    /// How long assigning a role waits for a principal that Azure does not know yet (1 minute). Keep it
    /// below a worker's lease; zero does not wait at all.
    #[must_use]
    pub fn principal_wait(mut self, wait: Duration) -> Self {
        self.principal_wait = wait;
        self
    }

    /// Shares what Azure Resource Manager allows with other processes: only what is granted is spent (for example by
    /// [`SharedBudget`](iam_core::engine::SharedBudget), as `arm`). What is shared is what one service principal has at one
    /// subscription: 250 requests at once and 25 more a second, of these 200 and 10 writes (Microsoft Learn, "Understand how Azure
    /// Resource Manager throttles requests"). Without, nothing is kept: refusals are waited out.
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
    ///
    /// # Errors
    /// As [`ArmClient::new`].
    pub fn build(self) -> Result<ArmClient> {
        let made_of = Arc::new(self.clone());
        let tokens = Arc::new(CachedTokens::new(self.tokens, self.clock.clone()));
        let bearer = Arc::new(Bearer::new(tokens, Audience::arm(&self.cloud)?));
        let mut pipeline = Pipeline::builder(Arc::new(Patient(self.transport)))
            .clock(self.clock.clone())
            .retry(self.retry)
            .bearer(bearer);
        for policy in self.policies {
            pipeline = pipeline.user_policy(policy);
        }
        if let Some(allowance) = self.allowance {
            let budget = Throttle::new(Arc::new(Requests), REQUESTS, WRITES, self.clock.clone());
            pipeline = pipeline.throttle(Arc::new(budget.sharing(allowance)));
        }
        Ok(ArmClient {
            root: Root::new(&self.cloud)?,
            principal_wait: self.principal_wait,
            pipeline: pipeline.build(),
            clock: self.clock,
            made_of,
        })
    }
}

/// The URL that paths are appended to. Every resource file adds its request builders here.
#[derive(Debug, Clone)]
pub(crate) struct Root(Arc<str>);

impl Root {
    pub(crate) fn new(cloud: &Cloud) -> Result<Self> {
        Ok(Self(cloud.arm()?.into()))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("https://") || path.starts_with("http://") {
            path.to_owned() // a link of the service's; the bearer refuses foreign hosts
        } else {
            format!("{}{path}", self.0)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str, operation: &'static str) -> Request {
        Request::new(method, self.url(path), operation)
    }

    pub(crate) fn get(&self, path: &str, operation: &'static str) -> Request {
        self.request(Method::Get, path, operation)
    }
}

/// What the tests of all resources share: a root, and a comparison of what would be sent.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn root() -> Root {
        Root::new(&Cloud::public()).unwrap()
    }

    /// Method, path below the root, and JSON body of a request.
    #[allow(clippy::needless_pass_by_value)] // short to call
    pub(crate) fn check(request: Request, method: &str, path: &str, body: Value) {
        let sent = request
            .body
            .as_deref()
            .map_or(Value::Null, |b| serde_json::from_slice(b).unwrap());
        assert_eq!(request.method.as_str(), method);
        assert_eq!(request.url, format!("https://management.azure.com{path}"));
        assert_eq!(sent, body);
    }

    #[test]
    fn full_urls_are_kept() {
        let url = "https://management.azure.com/tenants?api-version=2022-12-01";
        assert_eq!(root().url(url), url);
        assert_eq!(root().url("/tenants?api-version=2022-12-01"), url);
    }
}
