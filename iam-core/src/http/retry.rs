//! The first of the two retries: seconds, within one call. The classifier says whether an outcome may
//! be tried again at all, [`RetryPolicy`] whether there is still time; the durable retry of minutes and
//! hours lives in the journal and starts only when this one says [`Retry::Exhausted`].
//!
//! | outcome | tried again |
//! |---|---|
//! | 429, 509, code `connect` | any request: it had no effect |
//! | 408, 500, 502, 503, 504, codes `timeout` and `broken` | idempotent requests only |
//! | anything else | never |

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Next, Policy, Request, Response};
use crate::clock::SharedClock;
use crate::error::{Error, Result, Retry};

/// The longest advised wait that is believed.
const LONGEST: Duration = Duration::from_hours(24);

/// How often, and how long, one call tries again. Plain data: [`with_clock`](Self::with_clock) makes
/// the policy of it, and [`PipelineBuilder::retry`](super::PipelineBuilder::retry) does so for you.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included (5).
    pub max_attempts: u32,
    /// Time in all, waits included, after which no further attempt starts (60 s). Keep it far below the
    /// lifetime of a token and of a worker's lease: the bearer header is attached below the retry, but a
    /// caller that waits longer than its lease has lost its work to another.
    pub budget: Duration,
    /// The first wait (200 ms); it doubles from attempt to attempt.
    pub base: Duration,
    /// The longest wait of its own accord (30 s).
    pub cap: Duration,
    /// Which share of a wait is left to chance, 0 to 1 (0.5), so that a fleet does not come back as one.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            budget: Duration::from_mins(1),
            base: Duration::from_millis(200),
            cap: Duration::from_secs(30),
            jitter: 0.5,
        }
    }
}

impl RetryPolicy {
    /// One attempt, no retry.
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default()
        }
    }

    /// The policy that waits on `clock`.
    pub fn with_clock(self, clock: SharedClock) -> impl Policy + use<> {
        Retrying { policy: self, clock }
    }

    /// How long to wait before a request is sent again that came to `outcome` at attempt number `attempt`, so long
    /// after the first; `None` when it must not be, or the time is up. For requests that leave inside another one:
    /// the policy of [`with_clock`](Self::with_clock) does so itself.
    pub fn again(
        &self,
        outcome: &Result<Response>,
        idempotent: bool,
        attempt: u32,
        elapsed: Duration,
        now: Timestamp,
    ) -> Option<Duration> {
        let (class, advice) = match outcome {
            Ok(answer) => (class_of_status(answer.status), advised(answer, Some(now))),
            Err(error) => (class_of_error(error), None),
        };
        class
            .allows(idempotent)
            .then(|| self.wait(attempt, elapsed, advice))
            .flatten()
    }

    /// The wait before the attempt after attempt number `attempt`, or `None` when the time is up.
    fn wait(&self, attempt: u32, elapsed: Duration, advised: Option<Advised>) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let full = self
            .base
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
            .min(self.cap);
        let own = full.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * rand::random::<f64>());
        let wait = match advised {
            Some(Advised::AtOnce) => Duration::ZERO,
            Some(Advised::Wait(server)) => server.max(own),
            None => own,
        };
        (elapsed.saturating_add(wait) <= self.budget).then_some(wait)
    }
}

#[derive(Debug)]
struct Retrying {
    policy: RetryPolicy,
    clock: SharedClock,
}

#[async_trait]
impl Policy for Retrying {
    async fn send(&self, request: Request, next: Next<'_>) -> Result<Response> {
        let start = self.clock.now();
        let mut attempt = 1;
        loop {
            let mut outcome = next.run(request.clone()).await;
            if let Ok(answer) = &mut outcome {
                answer.attempts = attempt;
            }
            let now = self.clock.now();
            tracing::Span::current().record("attempts", attempt);
            let elapsed = Duration::try_from(now.duration_since(start)).unwrap_or_default();
            let again = self
                .policy
                .again(&outcome, request.idempotent, attempt, elapsed, now);
            let Some(wait) = again else {
                return outcome.map_err(|error| given_up(error, request.idempotent, attempt));
            };
            tracing::debug!(operation = request.operation, attempt, ?wait, "trying again");
            self.clock.sleep(wait).await;
            attempt += 1;
        }
    }
}

/// What an outcome allows, whatever time is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The request had no effect.
    Any,
    /// It may have had one.
    Idempotent,
    /// Trying again cannot help.
    Final,
}

impl Class {
    fn allows(self, idempotent: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Idempotent => idempotent,
            Self::Final => false,
        }
    }
}

/// The error of the last of several attempts: what may be tried again was, and did not help.
pub fn given_up(error: Error, idempotent: bool, attempts: u32) -> Error {
    if attempts > 1 && class_of_error(&error).allows(idempotent) {
        error.with_retry(Retry::Exhausted)
    } else {
        error
    }
}

fn class_of_status(status: u16) -> Class {
    match status {
        429 | 509 => Class::Any,
        408 | 500 | 502 | 503 | 504 => Class::Idempotent,
        _ => Class::Final,
    }
}

fn class_of_error(error: &Error) -> Class {
    match error.code() {
        // A token source below has retried on its own: retries are never multiplied.
        _ if error.retry() == Retry::Exhausted => Class::Final,
        Some("connect") => Class::Any,
        Some("timeout" | "broken") => Class::Idempotent,
        _ => Class::Final,
    }
}

/// The retry advice of an error made from `response`, which came at attempt number `attempts`
/// ([`Response::attempts`]): never, exhausted, or after the time that the service named.
pub fn advice(response: &Response, attempts: u32) -> Retry {
    if class_of_status(response.status) == Class::Final {
        Retry::Never
    } else if attempts > 1 {
        Retry::Exhausted
    } else {
        // A date is counted from the answer's own date: nobody's clock is asked.
        Retry::After(advised(response, response.header("date").and_then(date)).map(Advised::duration))
    }
}

/// How long the service asks to wait: `retry-after-ms`, `x-ms-retry-after-ms`, or `retry-after` in
/// seconds (fractions too) or as an HTTP date. Text that is none of these counts as absent.
pub fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    advised(response, Some(now)).map(Advised::duration)
}

/// What the service asks for. A date in the past is a wait of zero, not [`AtOnce`](Self::AtOnce): it may
/// come from two clocks that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advised {
    AtOnce,
    Wait(Duration),
}

impl Advised {
    fn duration(self) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Wait(wait) => wait,
        }
    }
}

/// Without `now`, a date counts as absent.
fn advised(response: &Response, now: Option<Timestamp>) -> Option<Advised> {
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"]
        .iter()
        .find_map(|name| number(response.header(name)?))
        .map(|number| number / 1000.0);
    let text = response.header("retry-after");
    match milliseconds.or_else(|| number(text?)) {
        Some(0.0) => Some(Advised::AtOnce),
        Some(seconds) => Some(Advised::Wait(
            Duration::try_from_secs_f64(seconds)
                .unwrap_or(LONGEST)
                .min(LONGEST),
        )),
        None => {
            let until = now?.duration_until(date(text?)?);
            Some(Advised::Wait(
                Duration::try_from(until).unwrap_or_default().min(LONGEST),
            ))
        }
    }
}

/// Digits with at most one point: `f64` alone would also read `inf`, `nan` and `-1`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok()).flatten()
}

fn date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    Timestamp::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::ErrorKind;
    use crate::http::tests::{Fake, FakeClock, answer};
    use crate::http::{Method, Pipeline};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let seconds = |text: &str| retry_after(&answer(429, &[("Retry-After", text)], ""), now());
        for (text, wait) in [
            ("7", Some(7.0)),
            (" 2.128 ", Some(2.128)),
            ("0", Some(0.0)),
            ("Thu, 01 Jan 2026 00:00:30 GMT", Some(30.0)),
            ("Wed, 31 Dec 2025 23:59:00 GMT", Some(0.0)),
            ("99999999999999999999999", Some(86_400.0)),
            ("-1", None),
            ("inf", None),
            ("1.2.3", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), wait.map(Duration::from_secs_f64), "{text:?}");
        }
        for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
            let both = answer(429, &[(name, "1500"), ("retry-after", "9")], "");
            assert_eq!(retry_after(&both, now()), Some(Duration::from_millis(1500)));
        }
    }

    proptest! {
        #[test]
        fn no_header_text_panics(text in any::<String>(), date in "[A-Za-z]{3,9},? [0-9A-Za-z: -]{0,30}") {
            for text in [text, date] {
                let response = answer(503, &[("retry-after", &text), ("date", &text), ("retry-after-ms", &text)], "");
                let _ = (retry_after(&response, now()), advice(&response, 1));
            }
        }
    }

    #[test]
    fn advice_tells_exhausted_from_first() {
        let throttled = answer(
            429,
            &[
                ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                ("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT"),
            ],
            "",
        );
        assert_eq!(advice(&throttled, 1), Retry::After(Some(Duration::from_mins(2))));
        assert_eq!(advice(&throttled, 5), Retry::Exhausted);
        assert_eq!(advice(&answer(400, &[], ""), 5), Retry::Never);
        assert_eq!(advice(&answer(503, &[], ""), 1), Retry::After(None));
        let undated = answer(503, &[("retry-after", "Thu, 01 Jan 2026 00:02:00 GMT")], "");
        assert_eq!(advice(&undated, 1), Retry::After(None));
    }

    async fn check(
        method: Method,
        replies: impl Fn(usize) -> Result<Response> + Send + Sync + 'static,
    ) -> (Result<Response>, usize, Vec<Duration>) {
        let clock = FakeClock::new();
        let fake = Fake::new(move |_, n| replies(n));
        let policy = RetryPolicy {
            jitter: 0.0,
            ..RetryPolicy::default()
        };
        let pipeline = Pipeline::builder(fake.clone())
            .clock(clock.clone())
            .retry(policy)
            .build();
        let outcome = pipeline
            .send(Request::new(method, "https://h.example/", "probe"))
            .await;
        (outcome, fake.sent().len(), clock.slept())
    }

    #[tokio::test]
    async fn a_post_is_repeated_on_429_and_509_but_not_on_503() {
        let (outcome, sent, _) = check(Method::Post, |_| Ok(answer(503, &[], ""))).await;
        assert_eq!((outcome.unwrap().status, sent), (503, 1));
        let reply = |n| Ok(answer([429, 509, 201][n], &[("retry-after", "2.128")], ""));
        let (outcome, sent, slept) = check(Method::Post, reply).await;
        let outcome = outcome.unwrap();
        assert_eq!((outcome.status, outcome.attempts, sent), (201, 3, 3));
        assert_eq!(slept, [Duration::from_millis(2128); 2]);
    }

    #[tokio::test]
    async fn waits_double_until_the_attempts_are_used_up() {
        let (outcome, sent, slept) = check(Method::Get, |_| Ok(answer(503, &[], ""))).await;
        assert_eq!((outcome.unwrap().attempts, sent), (5, 5));
        assert_eq!(slept, [200, 400, 800, 1600].map(Duration::from_millis));
    }

    #[tokio::test]
    async fn zero_means_at_once_and_an_own_wait_outlasts_a_shorter_advice() {
        let (_, _, slept) = check(Method::Get, |n| {
            Ok(answer(
                429,
                &[("retry-after", if n == 0 { "0" } else { "0.001" })],
                "",
            ))
        })
        .await;
        assert_eq!(slept, [0, 400, 800, 1600].map(Duration::from_millis));
    }

    #[tokio::test]
    async fn a_wait_beyond_the_budget_gives_up_at_once() {
        let (outcome, sent, slept) =
            check(Method::Get, |_| Ok(answer(429, &[("retry-after", "61")], ""))).await;
        let outcome = outcome.unwrap();
        assert_eq!((sent, slept.len()), (1, 0));
        assert_eq!(
            advice(&outcome, outcome.attempts),
            Retry::After(Some(Duration::from_secs(61)))
        );
    }

    #[tokio::test]
    async fn lost_answers_follow_idempotency_and_end_exhausted() {
        let fail =
            |code: &'static str| move |_| Err(Error::new(ErrorKind::Unavailable, "no").with_code(code));
        for (method, code, attempts) in [
            (Method::Post, "connect", 5),
            (Method::Post, "timeout", 1),
            (Method::Get, "broken", 5),
            (Method::Get, "other", 1),
        ] {
            let (outcome, sent, _) = check(method, fail(code)).await;
            assert_eq!(sent, attempts, "{method:?} {code}");
            assert_eq!(outcome.unwrap_err().retry() == Retry::Exhausted, attempts > 1);
        }
        let exhausted = Error::new(ErrorKind::Unavailable, "no")
            .with_code("connect")
            .with_retry(Retry::Exhausted);
        assert_eq!(class_of_error(&exhausted), Class::Final);
        let _: Arc<dyn Policy> = Arc::new(RetryPolicy::none().with_clock(FakeClock::new()));
    }
}
