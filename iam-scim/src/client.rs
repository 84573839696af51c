//! [`ScimClient`]: requests to one SCIM service provider, with a token, retries and errors by meaning.
//!
//! Invariants: nothing is sent to another origin than the base URL's; a `Location` header is never followed;
//! answers above a size are not read as JSON.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use iam_core::auth::{AccessToken, Audience, Bearer, CachedTokens, TokenSource};
use iam_core::clock::{SharedClock, SystemClock};
use iam_core::http::throttle::Quota;
use iam_core::http::{
    Allowance, Method, Next, Pager, Pipeline, Policy, Request, Requests, Response, RetryPolicy, Throttle,
    Transport,
};
use iam_core::{Cloud, Error, ErrorKind, Result, Secret};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::discovery::Abilities;
use crate::error;

const MEDIA_TYPE: &str = "application/scim+json";
/// What is read of one answer unless the builder says otherwise, in bytes.
const LONGEST_BODY: usize = 8 << 20;

/// How the client proves who it is.
#[derive(Debug, Clone)]
pub struct Auth(Proof);

#[derive(Debug, Clone)]
enum Proof {
    Fixed(Secret),
    Tokens(Arc<dyn TokenSource>, Audience),
}

impl Auth {
    /// The long-lived bearer token that the application issued.
    pub fn token(token: impl Into<Secret>) -> Self {
        Self(Proof::Fixed(token.into()))
    }

    /// Tokens of an authorization server, for example
    /// [`ClientSecret`](iam_core::auth::ClientSecret): the client keeps them. The audience must allow the
    /// base URL.
    pub fn tokens(source: Arc<dyn TokenSource>, audience: Audience) -> Self {
        Self(Proof::Tokens(source, audience))
    }
}

impl From<Secret> for Auth {
    fn from(token: Secret) -> Self {
        Self::token(token)
    }
}

/// A client of one SCIM 2.0 service provider. Cheap to clone; clones share tokens, connections and what is
/// known of the server's abilities.
#[derive(Clone)]
pub struct ScimClient {
    pub(crate) root: Root,
    pipeline: Pipeline,
    clock: SharedClock,
    pub(crate) known: Arc<Mutex<Option<Arc<Abilities>>>>,
}

/// Settings of a [`ScimClient`].
#[derive(Debug)]
pub struct ScimClientBuilder {
    base_url: String,
    auth: Auth,
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    retry: RetryPolicy,
    limits: Option<(Quota, Quota)>,
    allowance: Option<Arc<dyn Allowance>>,
    policies: Vec<Arc<dyn Policy>>,
    longest_body: usize,
}

impl ScimClient {
    /// A client of the service provider at that URL (`https://app.example/scim/v2`), with the machine's clock
    /// and the standard retries.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the URL is not https (http on loopback), or has a query or user name, or
    /// the audience does not allow it.
    pub fn new(base_url: &str, auth: impl Into<Auth>, transport: Arc<dyn Transport>) -> Result<Self> {
        Self::builder(base_url, auth, transport).build()
    }

    /// Starts a client with settings of its own.
    pub fn builder(
        base_url: &str,
        auth: impl Into<Auth>,
        transport: Arc<dyn Transport>,
    ) -> ScimClientBuilder {
        ScimClientBuilder {
            base_url: base_url.to_owned(),
            auth: auth.into(),
            transport,
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            limits: None,
            allowance: None,
            policies: Vec::new(),
            longest_body: LONGEST_BODY,
        }
    }

    /// Any request: the raw hatch, which keeps authentication, retry and errors. `path` starts with a slash
    /// (`/Users?count=1`) and is used as it is, so ids in it must be percent-encoded already; a full URL is
    /// accepted as long as it stays on the base URL's origin.
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
            request = with_body(request, body)?;
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
        self.pipeline.send(request).await
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let operation = request.operation;
        let answer = self.send(request).await?;
        answer.json().map_err(|error| error.with_operation(operation))
    }

    /// Walks a collection page by page, by `startIndex`. Never leaves the base URL's origin.
    pub fn pages(&self, first: Request) -> Pager {
        Pager::new(self.pipeline.clone(), first, error::of)
    }

    /// A request for a path below the base URL, to be given to [`send`](Self::send) or
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

/// Sets a SCIM body and its content type.
pub(crate) fn with_body(request: Request, body: &Value) -> Result<Request> {
    let mut request = request.json(body)?;
    for (name, value) in &mut request.headers {
        if name == "content-type" {
            MEDIA_TYPE.clone_into(value);
        }
    }
    Ok(request)
}

impl fmt::Debug for ScimClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScimClient")
            .field("root", &self.root.0)
            .finish_non_exhaustive()
    }
}

impl ScimClientBuilder {
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

    /// The rate budget that requests wait for: so many requests, and of these so many writes, as the application's own
    /// documentation says. Clones of the client share it, and a refusal of one makes all wait. Without it nothing is
    /// kept: refusals are waited out.
    #[must_use]
    pub fn limits(mut self, requests: Quota, writes: Quota) -> Self {
        self.limits = Some((requests, writes));
        self
    }

    /// Shares the budget of [`limits`](Self::limits) with other processes: only what is granted is spent (for example by
    /// [`SharedBudget`](iam_core::engine::SharedBudget), under the target's name).
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

    /// The most bytes of one answer that are read (8 MiB). Raise it for a server that cannot leave out
    /// the members of very large groups.
    #[must_use]
    pub fn longest_body(mut self, bytes: usize) -> Self {
        self.longest_body = bytes;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// As [`ScimClient::new`]; [`ErrorKind::Invalid`] for an [`allowance`](Self::allowance) without
    /// [`limits`](Self::limits).
    pub fn build(self) -> Result<ScimClient> {
        let root = Root::new(&self.base_url)?;
        let bearer = match self.auth.0 {
            Proof::Fixed(secret) => Bearer::new(Arc::new(Fixed(secret)), Audience::new("", &[&root.0])?),
            Proof::Tokens(source, audience) if audience.allows(&root.0) => {
                Bearer::new(Arc::new(CachedTokens::new(source, self.clock.clone())), audience)
            }
            Proof::Tokens(..) => {
                return Err(invalid("the tokens' audience does not allow the SCIM base URL"));
            }
        };
        let budget = self.limits.map(|(requests, writes)| {
            Throttle::new(Arc::new(Requests), requests, writes, self.clock.clone())
        });
        let budget = match (budget, self.allowance) {
            (Some(budget), Some(allowance)) => Some(budget.sharing(allowance)),
            (None, Some(_)) => return Err(invalid("a budget is shared whose limits are not set")),
            (budget, None) => budget,
        };
        let mut pipeline = Pipeline::builder(self.transport)
            .clock(self.clock.clone())
            .retry(self.retry)
            .bearer(Arc::new(bearer));
        for policy in self.policies {
            pipeline = pipeline.user_policy(policy);
        }
        if let Some(budget) = budget {
            pipeline = pipeline.throttle(Arc::new(budget));
        }
        pipeline = pipeline.user_policy(Arc::new(Readable {
            origin: Audience::new("", &[&root.0])?,
            longest: self.longest_body,
        }));
        Ok(ScimClient {
            root,
            pipeline: pipeline.build(),
            clock: self.clock,
            known: Arc::default(),
        })
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

/// A token that never changes.
#[derive(Debug)]
struct Fixed(Secret);

#[async_trait]
impl TokenSource for Fixed {
    async fn token(&self, _: &Audience, _: Option<&str>) -> Result<AccessToken> {
        Ok(AccessToken {
            token: self.0.clone(),
            expires_at: Timestamp::MAX,
            refresh_at: None,
        })
    }
}

/// Keeps to the origin, and refuses answers that cannot be SCIM: too long, or a web page.
#[derive(Debug)]
struct Readable {
    origin: Audience,
    longest: usize,
}

#[async_trait]
impl Policy for Readable {
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let operation = request.operation;
        let fail = |kind, message: String| Err(Error::new(kind, message).with_operation(operation));
        if !self.origin.allows(&request.url) {
            let message = "the URL leads to another host than the base URL, and nothing was sent";
            return fail(ErrorKind::Denied, message.to_owned());
        }
        let answer = next.run(request).await?;
        if answer.is_success() && answer.body.len() > self.longest {
            let message = format!(
                "the answer is longer than {} bytes, and was not read",
                self.longest
            );
            return fail(ErrorKind::Protocol, message);
        }
        let first = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
        if answer.is_success() && first == Some(&b'<') {
            let message = "the answer is a web page, not SCIM: check the base URL and proxies";
            return fail(ErrorKind::Protocol, message.to_owned());
        }
        Ok(answer)
    }
}

/// The URL that paths are appended to. Every resource file adds its request builders here.
#[derive(Debug, Clone)]
pub(crate) struct Root(Arc<str>);

impl Root {
    pub(crate) fn new(base_url: &str) -> Result<Self> {
        let base_url = base_url.trim();
        if base_url.contains(['?', '#']) {
            return Err(invalid("the SCIM base URL must not have a query or a fragment"));
        }
        // The same rule for every endpoint: https, or http on loopback, without a user name.
        Cloud::custom(base_url, base_url).map_err(|_| {
            invalid(
                "the SCIM base URL must be an https URL without a user name (plain http on loopback only)",
            )
        })?;
        Ok(Self(base_url.trim_end_matches('/').into()))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("https://") || path.starts_with("http://") {
            path.to_owned() // foreign hosts are refused before anything is sent
        } else {
            format!("{}{path}", self.0)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str, operation: &'static str) -> Request {
        Request::new(method, self.url(path), operation)
            .header("accept", "application/scim+json, application/json")
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
        Root::new("https://app.example/scim/v2/").unwrap()
    }

    #[test]
    fn base_urls_are_https_or_loopback() {
        for good in [
            "https://app.example/scim",
            "http://127.0.0.1:8080",
            "http://localhost/v2/",
        ] {
            assert!(Root::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://app.example/scim",
            "app.example",
            "https://ada@app.example/",
            "https://app.example/?aadOptscim062020",
            "",
        ] {
            let error = Root::new(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn bodies_are_scim_and_paths_are_below_the_root() {
        let request = root().request(Method::Post, "/Users", "create user");
        let request = with_body(request, &serde_json::json!({"a": 1})).unwrap();
        assert_eq!(request.url, "https://app.example/scim/v2/Users");
        let types: Vec<&str> = request
            .headers
            .iter()
            .filter(|(name, _)| name == "content-type")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(types, ["application/scim+json"]);
        assert!(!request.idempotent);
    }
}
