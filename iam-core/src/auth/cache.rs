//! [`CachedTokens`]: one token per audience, one request in flight per audience and claims.
//!
//! A token that is due for replacement is replaced in the background while callers go on with it; a
//! failure to do so matters only once the token has expired. Errors are never cached.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;

use super::{AccessToken, Audience, TokenSource};
use crate::clock::SharedClock;
use crate::error::Result;

/// How long before its end a token without advice from its issuer is replaced.
const LEAD: Duration = Duration::from_mins(5);
/// How long a failed replacement in the background is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// A [`TokenSource`] that keeps the tokens of another.
///
/// `claims` bypass the kept token, and the answer replaces it: once, so that fifty requests refused with
/// the same challenge ask once.
pub struct CachedTokens {
    source: Arc<dyn TokenSource>,
    clock: SharedClock,
    slots: Slots,
}

type Slots = Arc<Mutex<HashMap<String, Slot>>>;
type Flight = Shared<BoxFuture<'static, Result<AccessToken>>>;

/// What is known of one audience.
#[derive(Default)]
struct Slot {
    held: Option<Held>,
    flights: HashMap<Option<String>, Flight>,
    pause_until: Option<Timestamp>,
}

struct Held {
    token: AccessToken,
    claims: Option<String>,
    refresh_at: Timestamp,
}

impl CachedTokens {
    /// Keeps the tokens of `source`.
    pub fn new(source: Arc<dyn TokenSource>, clock: SharedClock) -> Self {
        Self {
            source,
            clock,
            slots: Slots::default(),
        }
    }

    /// Forgets the token of an audience. A request in flight goes on: its token is a new one.
    pub fn invalidate(&self, audience: &Audience) {
        if let Some(slot) = lock(&self.slots).get_mut(audience.scope()) {
            slot.held = None;
        }
    }

    /// The flight for these claims: the one in the air, or a new one.
    fn join(&self, slot: &mut Slot, audience: &Audience, claims: Option<&str>) -> Flight {
        let key = claims.map(str::to_owned);
        if let Some(flight) = slot.flights.get(&key) {
            return flight.clone();
        }
        let (source, clock, audience) = (self.source.clone(), self.clock.clone(), audience.clone());
        let (slots, claims) = (Arc::downgrade(&self.slots), key.clone());
        let flight = async move {
            let outcome = source.token(&audience, claims.as_deref()).await;
            if let Some(slots) = slots.upgrade() {
                let mut slots = lock(&slots);
                let slot = slots.entry(audience.scope().to_owned()).or_default();
                slot.flights.remove(&claims);
                if let Ok(token) = &outcome {
                    let refresh_at = refresh_point(token, clock.now());
                    slot.held = Some(Held {
                        token: token.clone(),
                        claims,
                        refresh_at,
                    });
                    slot.pause_until = None;
                }
            }
            outcome
        };
        let flight = flight.boxed().shared();
        slot.flights.insert(key, flight.clone());
        // It lands even if every caller that waits for it is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(flight.clone());
        }
        flight
    }
}

#[async_trait]
impl TokenSource for CachedTokens {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        let flight = {
            let mut slots = lock(&self.slots);
            let slot = slots.entry(audience.scope().to_owned()).or_default();
            let now = self.clock.now();
            let fits = |held: &&Held| {
                now < held.token.expires_at && (claims.is_none() || claims == held.claims.as_deref())
            };
            if let Some(held) = slot.held.as_ref().filter(fits) {
                let token = held.token.clone();
                if now >= held.refresh_at && slot.pause_until.is_none_or(|until| now >= until) {
                    slot.pause_until = now.checked_add(PAUSE).ok();
                    drop(self.join(slot, audience, None));
                }
                return Ok(token);
            }
            self.join(slot, audience, claims)
        };
        flight.await
    }

    fn refused(&self, audience: &Audience, token: &AccessToken) {
        // The source may keep tokens too, and would hand the same one out again.
        self.source.refused(audience, token);
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.get_mut(audience.scope()) else {
            return;
        };
        // A token that has been replaced meanwhile is not the one that was refused.
        if slot
            .held
            .as_ref()
            .is_some_and(|held| held.token.token.expose() == token.token.expose())
        {
            slot.held = None;
        }
    }
}

impl fmt::Debug for CachedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedTokens")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

fn lock(slots: &Mutex<HashMap<String, Slot>>) -> MutexGuard<'_, HashMap<String, Slot>> {
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When to replace a token: as its issuer says, else before its end (a short-lived one at half its
/// life), and up to a minute earlier, so that a fleet does not ask as one.
fn refresh_point(token: &AccessToken, now: Timestamp) -> Timestamp {
    let left = |until: Timestamp| Duration::try_from(now.duration_until(until)).unwrap_or_default();
    let life = left(token.expires_at);
    let wait = token
        .refresh_at
        .map_or(life.saturating_sub(LEAD.min(life / 2)), left);
    let early = (wait / 10).min(Duration::from_mins(1)).mul_f64(rand::random());
    now.checked_add(wait.saturating_sub(early)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::cloud::Cloud;
    use crate::error::{Error, ErrorKind, Retry};
    use crate::http::tests::FakeClock;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// Hands out `t1`, `t2`, … for an hour each, after a few turns of the scheduler.
    #[derive(Debug)]
    struct Issuer {
        clock: Arc<FakeClock>,
        asked: AtomicUsize,
        down: AtomicBool,
        stuck: Option<&'static str>,
    }

    #[async_trait]
    impl TokenSource for Issuer {
        async fn token(&self, audience: &Audience, _: Option<&str>) -> Result<AccessToken> {
            if self.stuck == Some(audience.scope()) {
                std::future::pending::<()>().await;
            }
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            for _ in 0..9 {
                tokio::task::yield_now().await;
            }
            if self.down.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, "down")
                    .with_retry(Retry::Exhausted)
                    .with_source(std::io::Error::other("reset")));
            }
            let expires_at = self.clock.now().checked_add(Duration::from_hours(1)).unwrap();
            Ok(AccessToken {
                token: format!("t{number}").into(),
                expires_at,
                refresh_at: None,
            })
        }
    }

    fn cache(stuck: Option<&'static str>) -> (Arc<FakeClock>, Arc<Issuer>, Arc<CachedTokens>) {
        let clock = FakeClock::new();
        let issuer = Arc::new(Issuer {
            clock: clock.clone(),
            asked: 0.into(),
            down: false.into(),
            stuck,
        });
        (
            clock.clone(),
            issuer.clone(),
            Arc::new(CachedTokens::new(issuer, clock)),
        )
    }

    fn graph() -> Audience {
        Audience::graph(&Cloud::public())
    }

    async fn get(tokens: &CachedTokens) -> String {
        tokens
            .token(&graph(), None)
            .await
            .unwrap()
            .token
            .expose()
            .to_owned()
    }

    async fn settle() {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn fifty_callers_cause_one_request() {
        let (_, issuer, tokens) = cache(Some("stuck"));
        let stuck = Audience::new("stuck", &[]).unwrap();
        let other = tokio::spawn({
            let tokens = tokens.clone();
            async move { tokens.token(&stuck, None).await }
        });
        let calls = (0..50).map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { get(&tokens).await })
        });
        let answers = futures::future::join_all(calls.collect::<Vec<_>>()).await;
        let first = answers[0].as_ref().unwrap().clone();
        assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == first));
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
        assert!(
            !other.is_finished(),
            "another audience's request is in flight, and blocks nobody"
        );
        other.abort();
    }

    #[tokio::test]
    async fn waiters_share_the_error_and_the_next_call_asks_again() {
        let (_, issuer, tokens) = cache(None);
        issuer.down.store(true, Ordering::SeqCst);
        let audience = graph();
        let (a, b) = futures::join!(tokens.token(&audience, None), tokens.token(&audience, None));
        for error in [a.unwrap_err(), b.unwrap_err()] {
            assert_eq!(
                (error.kind(), error.retry()),
                (ErrorKind::Unavailable, Retry::Exhausted)
            );
            assert_eq!(error.chain(), "down: reset");
        }
        issuer.down.store(false, Ordering::SeqCst);
        assert_eq!(get(&tokens).await, "t2");
    }

    #[tokio::test]
    async fn a_flight_lands_when_its_caller_is_dropped() {
        let (_, issuer, tokens) = cache(None);
        let audience = graph();
        assert!(tokens.token(&audience, None).now_or_never().is_none());
        settle().await;
        assert_eq!(
            (get(&tokens).await.as_str(), issuer.asked.load(Ordering::SeqCst)),
            ("t1", 1)
        );
    }

    #[tokio::test]
    async fn replaced_in_the_background_and_waited_for_only_when_expired() {
        let (clock, issuer, tokens) = cache(None);
        assert_eq!(get(&tokens).await, "t1");
        clock.advance(Duration::from_mins(53));
        assert_eq!(get(&tokens).await, "t1");
        settle().await;
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);

        issuer.down.store(true, Ordering::SeqCst);
        clock.advance(Duration::from_mins(3));
        for _ in 0..3 {
            assert_eq!(
                get(&tokens).await,
                "t1",
                "a failure in the background is nobody's error"
            );
            settle().await;
        }
        assert_eq!(
            issuer.asked.load(Ordering::SeqCst),
            2,
            "not more often than every 30 seconds"
        );

        issuer.down.store(false, Ordering::SeqCst);
        clock.advance(PAUSE);
        assert_eq!(get(&tokens).await, "t1");
        settle().await;
        assert_eq!(get(&tokens).await, "t3");
        clock.advance(Duration::from_hours(1));
        assert_eq!(get(&tokens).await, "t4");
    }

    #[tokio::test]
    async fn claims_bypass_once_and_refusal_counts_for_the_held_token_only() {
        let (_, _, tokens) = cache(None);
        let old = tokens.token(&graph(), None).await.unwrap();
        for _ in 0..2 {
            let token = tokens.token(&graph(), Some("{}")).await.unwrap();
            assert_eq!(token.token.expose(), "t2");
        }
        tokens.refused(&graph(), &old);
        assert_eq!(get(&tokens).await, "t2");
        tokens.invalidate(&graph());
        assert_eq!(get(&tokens).await, "t3");
    }

    #[tokio::test]
    async fn a_refused_token_is_forgotten_by_a_source_that_keeps_tokens() {
        let (clock, _, inner) = cache(None);
        let outer = CachedTokens::new(inner, clock);
        let old = outer.token(&graph(), None).await.unwrap();
        outer.refused(&graph(), &old);
        assert_eq!(get(&outer).await, "t2");
    }

    #[test]
    fn the_issuers_advice_decides_when_to_replace() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for (expires, refresh, earliest, latest) in [
            (86_400, Some(43_200), 43_140, 43_200),
            (3_600, None, 3_240, 3_300),
            (60, None, 27, 30),
            (60, Some(-5), 0, 0),
        ] {
            let token = AccessToken {
                token: "t".into(),
                expires_at: at(expires),
                refresh_at: refresh.map(at),
            };
            let point = refresh_point(&token, now);
            assert!(at(earliest) <= point && point <= at(latest), "{expires}: {point}");
        }
    }
}
