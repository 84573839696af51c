//! The port [`Policy`] and the [`Pipeline`]: what happens to every request between a client and the
//! wire, in one documented order.
//!
//! A pipeline hands every answer back as it is, whatever its status: clients map bodies to errors.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use tracing::{Instrument, field};

use super::{Request, Response, RetryPolicy, Transport, redact};
use crate::clock::{SharedClock, SystemClock};
use crate::error::Result;

/// One step of a pipeline. It may change the request, pass it on (more than once, or not at all), and
/// change the answer.
#[async_trait]
pub trait Policy: Debug + Send + Sync {
    /// Handles the request; `next.run(request)` passes it on.
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response>;
}

/// The rest of the pipeline. `Copy`, so that a policy can run it again.
#[derive(Debug, Clone, Copy)]
pub struct Next<'a> {
    policies: &'a [Arc<dyn Policy>],
    transport: &'a dyn Transport,
}

impl Next<'_> {
    /// Passes the request on.
    pub async fn run(self, request: Request) -> Result<Response> {
        match self.policies.split_first() {
            Some((policy, policies)) => {
                policy
                    .send(
                        request,
                        Next {
                            policies,
                            transport: self.transport,
                        },
                    )
                    .await
            }
            None => self.transport.send(request).await,
        }
    }
}

/// Policies in order, and the transport. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pipeline {
    policies: Arc<[Arc<dyn Policy>]>,
    transport: Arc<dyn Transport>,
}

impl Pipeline {
    /// Starts a pipeline that ends in `transport`.
    pub fn builder(transport: Arc<dyn Transport>) -> PipelineBuilder {
        PipelineBuilder {
            transport,
            clock: Arc::new(SystemClock),
            user: Vec::new(),
            retry: RetryPolicy::default(),
            throttle: None,
            bearer: None,
        }
    }

    /// Sends one logical request and returns the last answer.
    pub async fn send(&self, request: Request) -> Result<Response> {
        Next {
            policies: &self.policies,
            transport: self.transport.as_ref(),
        }
        .run(request)
        .await
    }
}

/// Collects the parts of a [`Pipeline`]; [`build`](Self::build) puts them in order.
#[derive(Debug)]
pub struct PipelineBuilder {
    transport: Arc<dyn Transport>,
    clock: SharedClock,
    user: Vec<Arc<dyn Policy>>,
    retry: RetryPolicy,
    throttle: Option<Arc<dyn Policy>>,
    bearer: Option<Arc<dyn Policy>>,
}

impl PipelineBuilder {
    /// The clock that retries wait on and elapsed times are read from (the machine's).
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a policy of the caller's, after those already added.
    #[must_use]
    pub fn user_policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.user.push(policy);
        self
    }

    /// Replaces the retry settings ([`RetryPolicy::default`]).
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The policy that keeps a rate budget, usually a [`Throttle`](super::Throttle) (none).
    #[must_use]
    pub fn throttle(mut self, throttle: Arc<dyn Policy>) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// The policy that attaches a bearer token (none).
    #[must_use]
    pub fn bearer(mut self, bearer: Arc<dyn Policy>) -> Self {
        self.bearer = Some(bearer);
        self
    }

    /// The pipeline. A request passes, from the caller to the wire:
    ///
    /// 1. the user's policies, in the order added: they see one logical request and its final answer;
    /// 2. telemetry: one `client-request-id` and one span for the logical request;
    /// 3. retry: everything below happens once per attempt;
    /// 4. the throttle budget: every attempt is paid for, and waits until it can be;
    /// 5. bearer: a token as fresh as the attempt, and one re-authentication on 401;
    /// 6. the redacting log: every attempt as it leaves, without secrets and personal data;
    /// 7. the transport.
    ///
    /// A wrong order: *bearer, then retry*. The header would be attached once, so that an attempt which
    /// waited for its `Retry-After` goes out with a token that has expired meanwhile, and a 401 in the
    /// middle of the retries would never reach the bearer.
    pub fn build(self) -> Pipeline {
        let mut policies = self.user;
        policies.push(Arc::new(Telemetry(self.clock.clone())));
        policies.push(Arc::new(self.retry.with_clock(self.clock)));
        policies.extend(self.throttle);
        policies.extend(self.bearer);
        policies.push(Arc::new(Log));
        Pipeline {
            policies: policies.into(),
            transport: self.transport,
        }
    }
}

/// One id and one span (`http`) for a logical request, however many attempts it takes. The span's fields name
/// nobody: `operation`, `method`, `path` without ids ([`redact::template`]), `client_request_id`, `status`, `attempts`,
/// `elapsed_ms`.
#[derive(Debug)]
struct Telemetry(SharedClock);

#[async_trait]
impl Policy for Telemetry {
    async fn send(&self, mut request: Request, next: Next<'_>) -> Result<Response> {
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("client-request-id");
        let id = if let Some((_, id)) = request.headers.iter().find(named) {
            id.clone()
        } else {
            let id = uuid::Uuid::new_v4().to_string();
            request = request.header("client-request-id", &id);
            id
        };
        let span = tracing::info_span!(
            "http",
            operation = request.operation,
            method = request.method.as_str(),
            path = redact::template(&request.url),
            client_request_id = id.as_str(),
            status = field::Empty,
            attempts = field::Empty,
            elapsed_ms = field::Empty,
        );
        let start = self.0.now();
        let mut outcome = next.run(request).instrument(span.clone()).await;
        match &mut outcome {
            Ok(answer) => {
                span.record("status", answer.status);
                // Errors are made of answers, and have to name the id whether or not the service echoes it.
                if !answer.is_success() && answer.header("client-request-id").is_none() {
                    answer.headers.push(("client-request-id".to_owned(), id));
                }
            }
            // A token that could not be had has been asked for under an id of its own.
            Err(error) if error.client_request_id().is_some() => {}
            Err(_) => outcome = outcome.map_err(|error| error.with_client_request_id(id)),
        }
        span.record(
            "elapsed_ms",
            self.0.now().as_millisecond() - start.as_millisecond(),
        );
        outcome
    }
}

/// Every attempt as it leaves and as it comes back, redacted.
#[derive(Debug)]
struct Log;

#[async_trait]
impl Policy for Log {
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
        if tracing::enabled!(tracing::Level::DEBUG) {
            tracing::debug!("→ {}", redact::request(&request));
        }
        let outcome = next.run(request).await;
        match &outcome {
            Ok(answer) => tracing::debug!("← {} [{}]", answer.status, redact::headers(&answer.headers)),
            Err(error) => tracing::debug!("← {error}"),
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use tracing::instrument::WithSubscriber;

    use super::*;
    use crate::http::Method;
    use crate::http::tests::{Fake, FakeClock, answer};

    /// Appends its letter to the header `trace`.
    #[derive(Debug)]
    struct Mark(&'static str);

    #[async_trait]
    impl Policy for Mark {
        async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
            next.run(request.header("trace", self.0)).await
        }
    }

    #[tokio::test]
    async fn users_see_the_logical_request_and_the_bearer_every_attempt() {
        let fake = Fake::new(|_, n| Ok(answer(if n < 2 { 503 } else { 200 }, &[], "")));
        let pipeline = Pipeline::builder(fake.clone())
            .clock(FakeClock::new())
            .bearer(Arc::new(Mark("bearer")))
            .user_policy(Arc::new(Mark("a")))
            .user_policy(Arc::new(Mark("b")))
            .build();
        let outcome = pipeline
            .send(Request::new(Method::Get, "https://h.example/", "probe"))
            .await
            .unwrap();
        assert_eq!((outcome.status, outcome.attempts), (200, 3));
        let sent = fake.sent();
        let ids: Vec<_> = sent.iter().map(|request| &request.headers[2]).collect();
        assert_eq!(ids[0].0, "client-request-id");
        assert!(ids[0].1.parse::<uuid::Uuid>().is_ok() && ids.iter().all(|id| *id == ids[0]));
        for request in &sent {
            let trace = request
                .headers
                .iter()
                .filter(|(name, _)| name == "trace")
                .map(|(_, value)| value.as_str());
            assert_eq!(trace.collect::<Vec<_>>(), ["a", "b", "bearer"]);
        }
    }

    /// Keeps every span with its fields, the one that was entered last as the current one.
    #[derive(Default)]
    struct Spans(Mutex<Vec<Span>>, Mutex<Vec<tracing::span::Id>>);

    #[derive(Clone)]
    struct Span(
        &'static tracing::Metadata<'static>,
        BTreeMap<&'static str, String>,
    );

    struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

    impl field::Visit for Fields<'_> {
        fn record_debug(&mut self, field: &field::Field, value: &dyn Debug) {
            self.0
                .insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
        }
    }

    impl tracing::Subscriber for Spans {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            let mut spans = self.0.lock().unwrap();
            let mut fields = BTreeMap::new();
            span.record(&mut Fields(&mut fields));
            spans.push(Span(span.metadata(), fields));
            tracing::span::Id::from_u64(spans.len() as u64)
        }

        fn record(&self, span: &tracing::span::Id, values: &tracing::span::Record<'_>) {
            let at = usize::try_from(span.into_u64()).unwrap() - 1;
            values.record(&mut Fields(&mut self.0.lock().unwrap()[at].1));
        }

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {}

        fn enter(&self, span: &tracing::span::Id) {
            self.1.lock().unwrap().push(span.clone());
        }

        fn exit(&self, _: &tracing::span::Id) {
            self.1.lock().unwrap().pop();
        }

        fn current_span(&self) -> tracing_core::span::Current {
            let Some(id) = self.1.lock().unwrap().last().cloned() else {
                return tracing_core::span::Current::none();
            };
            let at = usize::try_from(id.into_u64()).unwrap() - 1;
            tracing_core::span::Current::new(id, self.0.lock().unwrap()[at].0)
        }
    }

    #[tokio::test]
    async fn a_span_says_what_was_asked_how_often_and_of_nobody() {
        let fake = Fake::new(|_, n| Ok(answer(if n < 2 { 503 } else { 404 }, &[], "")));
        let pipeline = Pipeline::builder(fake).clock(FakeClock::new()).build();
        let spans = Arc::new(Spans::default());
        let url = "https://h.example/v1.0/users/ada%40example.com/manager?$filter=mail eq 'ada'";
        let outcome = pipeline
            .send(Request::new(Method::Get, url, "get manager"))
            .with_subscriber(spans.clone())
            .await
            .unwrap();
        let Span(metadata, fields) = spans.0.lock().unwrap()[0].clone();
        let name = metadata.name();
        let of = |field: &str| fields[field].as_str();
        assert_eq!(
            (name, of("operation"), of("method")),
            ("http", "get manager", "GET")
        );
        assert_eq!(
            (of("path"), of("status"), of("attempts")),
            ("/v1.0/users/{id}/manager", "404", "3")
        );
        assert!(
            of("elapsed_ms").parse::<u64>().unwrap() >= 300,
            "two waits, half of each left to chance"
        );
        assert!(!format!("{fields:?}").contains("ada"), "{fields:?}");
        // Whoever makes an error of the answer can name the id.
        assert_eq!(outcome.header("client-request-id"), Some(of("client_request_id")));
    }

    #[tokio::test]
    async fn an_error_names_the_id_that_the_request_had() {
        let fake = Fake::new(|_, _| Err(crate::Error::new(crate::ErrorKind::Invalid, "no")));
        let pipeline = Pipeline::builder(fake.clone()).build();
        let request = Request::new(Method::Get, "https://h.example/", "probe");
        let error = pipeline.send(request).await.unwrap_err();
        assert_eq!(
            error.client_request_id(),
            Some(fake.sent()[0].headers[0].1.as_str())
        );
    }

    #[tokio::test]
    async fn an_id_of_the_callers_is_kept() {
        let fake = Fake::new(|_, _| Ok(answer(404, &[], "")));
        let request =
            Request::new(Method::Get, "https://h.example/", "probe").header("Client-Request-Id", "mine");
        let outcome = Pipeline::builder(fake.clone())
            .build()
            .send(request)
            .await
            .unwrap();
        assert_eq!(outcome.status, 404);
        assert_eq!(
            fake.sent()[0].headers,
            [("Client-Request-Id".to_owned(), "mine".to_owned())]
        );
    }
}
