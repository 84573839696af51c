//! [`SigningKeys`]: the tenant's public keys, fetched by one request at a time, kept, and fetched anew in time.
//!
//! A key that is not there is asked for at most once per floor: whoever sends tokens with invented key ids cannot make us
//! send requests. A failed fetch never takes away keys that are not too old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::SharedClock;
use crate::cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Method, Pipeline, Request, RetryPolicy, Transport};

const OPERATION: &str = "get signing keys";
/// The shortest time between two attempts while there is no key at all.
const PAUSE: Duration = Duration::from_secs(10);
/// More than any key set has.
const LONGEST: usize = 1 << 20;

/// When keys are fetched anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    pub(super) floor: Duration,
    pub(super) refresh: Duration,
    pub(super) keep: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            floor: Duration::from_mins(5),
            refresh: Duration::from_hours(24),
            keep: Duration::from_hours(48),
        }
    }
}

/// A key of the tenant.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) public: Arc<DecodingKey>,
    /// The issuer of tokens of version 2.0, from the same discovery document.
    pub(super) issuer: Arc<str>,
}

/// The keys of one tenant. Clones share them.
#[derive(Clone)]
pub(super) struct SigningKeys {
    source: Arc<Source>,
    state: Arc<Mutex<State>>,
}

struct Source {
    pipeline: Pipeline,
    clock: SharedClock,
    discovery: String,
    tenant: String,
    freshness: Freshness,
}

type Flight = Shared<BoxFuture<'static, Result<()>>>;

#[derive(Default)]
struct State {
    held: Option<Held>,
    flight: Option<Flight>,
    tried_at: Option<Timestamp>,
    /// Why the last attempt failed, until one succeeds.
    failed: Option<Error>,
}

#[derive(Clone)]
struct Held {
    place: Place,
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Timestamp,
}

/// What the discovery document says.
#[derive(Clone)]
struct Place {
    issuer: Arc<str>,
    url: String,
    found_at: Timestamp,
}

impl SigningKeys {
    pub(super) fn new(
        authority: &str,
        tenant: &str,
        freshness: Freshness,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
    ) -> Self {
        // Callers wait for the first fetch: they get an answer in seconds, whatever it is.
        let retry = RetryPolicy {
            max_attempts: 3,
            budget: Duration::from_secs(10),
            ..RetryPolicy::default()
        };
        let pipeline = Pipeline::builder(transport)
            .clock(clock.clone())
            .retry(retry)
            .build();
        Self {
            source: Arc::new(Source {
                pipeline,
                clock,
                discovery: format!("{authority}/{tenant}/v2.0/.well-known/openid-configuration"),
                tenant: tenant.to_owned(),
                freshness,
            }),
            state: Arc::default(),
        }
    }

    /// The key of that id; nothing where the tenant has none, as far as may be asked now.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Key>> {
        let flight = {
            let mut state = lock(&self.state);
            let now = self.source.clock.now();
            let held = state.usable(now, self.source.freshness.keep);
            let found = held.and_then(|held| Some((held.key(kid)?, held.fetched_at)));
            if let Some((key, fetched_at)) = found {
                let Freshness { floor, refresh, .. } = self.source.freshness;
                if passed(fetched_at, refresh, now) && state.may_try(now, floor) {
                    // It lands by itself; callers go on with what there is.
                    drop(self.join(&mut state, now));
                }
                return Ok(Some(key));
            }
            match self.next(&mut state, now)? {
                Some(flight) => flight,
                None => return Ok(None),
            }
        };
        flight.await?;
        Ok(lock(&self.state).held.as_ref().and_then(|held| held.key(kid)))
    }

    /// Fetches the keys where there are none.
    pub(super) async fn ready(&self) -> Result<()> {
        let flight = {
            let mut state = lock(&self.state);
            let now = self.source.clock.now();
            if state.usable(now, self.source.freshness.keep).is_some() {
                return Ok(());
            }
            self.next(&mut state, now)?
        };
        match flight {
            Some(flight) => flight.await,
            None => Ok(()),
        }
    }

    /// The fetch to wait for: the one in the air, or a new one where it is time; else why the last one failed.
    fn next(&self, state: &mut State, now: Timestamp) -> Result<Option<Flight>> {
        let Freshness { floor, keep, .. } = self.source.freshness;
        let usable = state.usable(now, keep).is_some();
        let floor = if usable { floor } else { PAUSE.min(floor) };
        if state.flight.is_some() || state.may_try(now, floor) {
            return Ok(Some(self.join(state, now)));
        }
        match &state.failed {
            Some(error) => Err(error.clone()),
            None => Ok(None),
        }
    }

    fn join(&self, state: &mut State, now: Timestamp) -> Flight {
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        state.tried_at = Some(now);
        let known = state.held.as_ref().map(|held| held.place.clone());
        let known = known.filter(|place| !passed(place.found_at, self.source.freshness.refresh, now));
        let (source, state_of) = (self.source.clone(), Arc::downgrade(&self.state));
        let flight = async move {
            let outcome = source.fetch(known).await;
            if let Some(state) = state_of.upgrade() {
                let mut state = lock(&state);
                state.flight = None;
                state.failed = outcome.as_ref().err().cloned();
                if let Ok(held) = &outcome {
                    state.held = Some(held.clone());
                }
            }
            outcome.map(drop)
        };
        let flight = flight.boxed().shared();
        state.flight = Some(flight.clone());
        // It lands even if every caller that waits for it is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(flight.clone());
        }
        flight
    }
}

impl State {
    fn usable(&self, now: Timestamp, keep: Duration) -> Option<&Held> {
        self.held
            .as_ref()
            .filter(|held| !passed(held.fetched_at, keep, now))
    }

    fn may_try(&self, now: Timestamp, floor: Duration) -> bool {
        self.flight.is_none() && self.tried_at.is_none_or(|at| passed(at, floor, now))
    }
}

impl Held {
    fn key(&self, kid: &str) -> Option<Key> {
        Some(Key {
            public: self.keys.get(kid)?.clone(),
            issuer: self.place.issuer.clone(),
        })
    }
}

/// Whether so long has passed since then. A clock that was set back counts as passed.
fn passed(since: Timestamp, span: Duration, now: Timestamp) -> bool {
    now < since || since.checked_add(span).is_ok_and(|end| now >= end)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A key as Entra publishes it. Keys of other kinds and uses are passed over.
#[derive(Deserialize)]
struct Published {
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    alg: Option<String>,
    kid: String,
    n: String,
    e: String,
    issuer: Option<String>,
}

impl Source {
    async fn fetch(&self, known: Option<Place>) -> Result<Held> {
        let place = match known {
            Some(place) => place,
            None => self.discover().await?,
        };
        let set: KeySet = self.get(&place.url).await?;
        let keys: HashMap<_, _> = set
            .keys
            .into_iter()
            .filter_map(|key| self.public(key, &place.issuer))
            .collect();
        if keys.is_empty() {
            return Err(misunderstood(
                "the tenant's key set holds no RSA key for signatures",
            ));
        }
        Ok(Held {
            place,
            keys,
            fetched_at: self.clock.now(),
        })
    }

    async fn discover(&self) -> Result<Place> {
        let said: Discovery = self.get(&self.discovery).await?;
        if !said.issuer.split('/').any(|part| part == self.tenant) {
            return Err(misunderstood(
                "the discovery document is of another tenant: check IAM_TENANT_ID and IAM_AUTHORITY",
            ));
        }
        // Keys that anybody on the way can replace prove nothing.
        let url = cloud::checked("key set URL", &said.jwks_uri).map_err(|error| {
            misunderstood("the discovery document names no safe key set").with_source(error)
        })?;
        Ok(Place {
            issuer: said.issuer.into(),
            url,
            found_at: self.clock.now(),
        })
    }

    fn public(&self, key: Value, issuer: &str) -> Option<(String, Arc<DecodingKey>)> {
        let key: Published = serde_json::from_value(key).ok()?;
        let fits = |value: &Option<String>, only: &str| value.as_ref().is_none_or(|value| value == only);
        // "Validate the signing key issuer": a key says whose tokens it signs, `{tenantid}` standing for any tenant.
        let of_issuer = key
            .issuer
            .as_ref()
            .is_none_or(|of| of.replace("{tenantid}", &self.tenant) == issuer);
        if key.kty != "RSA" || !fits(&key.used_for, "sig") || !fits(&key.alg, "RS256") || !of_issuer {
            return None;
        }
        let public = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
        Some((key.kid, Arc::new(public)))
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let answer = self
            .pipeline
            .send(Request::new(Method::Get, url, OPERATION))
            .await?;
        if answer.status != 200 {
            let error = match answer.status {
                408 | 429 | 500.. => {
                    Error::new(ErrorKind::Unavailable, "the tenant's authority did not answer")
                }
                _ => misunderstood(
                    "the authority knows nothing of the tenant: check IAM_TENANT_ID and IAM_AUTHORITY",
                ),
            };
            return Err(error.with_operation(OPERATION).with_status(answer.status));
        }
        if answer.body.len() > LONGEST {
            return Err(misunderstood("the authority's answer is longer than 1 MiB"));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            misunderstood("the authority's answer is not what OpenID Connect describes").with_source(error)
        })
    }
}

fn misunderstood(message: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message).with_operation(OPERATION)
}
