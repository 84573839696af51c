//! What the tests of `http` and `auth` share: a clock that only moves when told to or slept on, and a
//! transport that is a closure.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Request, Response, Transport};
use crate::clock::Clock;
use crate::error::Result;

/// Starts at 2026-01-01T00:00:00Z. Sleeping takes no time and moves it forward.
#[derive(Debug)]
pub(crate) struct FakeClock(Mutex<(Timestamp, Vec<Duration>)>);

impl FakeClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((
            "2026-01-01T00:00:00Z".parse().unwrap(),
            Vec::new(),
        ))))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap();
        state.0 = state.0.checked_add(by).unwrap();
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(duration);
        self.0.lock().unwrap().1.push(duration);
        Box::pin(std::future::ready(()))
    }
}

type Answer = dyn Fn(&Request, usize) -> Result<Response> + Send + Sync;

/// Answers by a closure over the request and how many came before it, and keeps what was sent.
pub(crate) struct Fake {
    answer: Box<Answer>,
    sent: Mutex<Vec<Request>>,
}

impl Fake {
    pub(crate) fn new(
        answer: impl Fn(&Request, usize) -> Result<Response> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            sent: Mutex::default(),
        })
    }

    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().unwrap().clone()
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, request: Request) -> Result<Response> {
        let before = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(request.clone());
            sent.len() - 1
        };
        tokio::task::yield_now().await;
        (self.answer)(&request, before)
    }
}

/// An answer with headers and a text body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Response::new(status, headers, body)
}
