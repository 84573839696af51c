//! One time for the client and the tenant that it asks: it stands while anything is on its way, and jumps to the
//! next instant that somebody waits for as soon as nobody has anything else to do. So hours under the documented
//! limits take seconds, and both sides count the same time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use iam_core::auth::ClientSecret;
use iam_core::clock::Clock;
use iam_core::http::{Allowance, HttpTransport, Request, Response, Transport};
use iam_core::{Cloud, Result};
use iam_graph::GraphClient;
use iam_graph::cost::Limits;
use iam_sandbox::Sandbox;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// How often everybody gets a turn before nobody has anything to do.
const TURNS: usize = 64;

/// The time of a tenant whose own clock stands still.
#[derive(Debug)]
pub(crate) struct Timeline {
    sandbox: Arc<Sandbox>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    flying: usize,
    count: u64,
    sleepers: BTreeMap<(Timestamp, u64), Arc<Notify>>,
}

/// A tenant of so many people with the documented limits, and a client that keeps to `limits`.
pub(crate) async fn throttled(
    people: usize,
    limits: Option<Limits>,
) -> std::result::Result<(Arc<Sandbox>, GraphClient, Arc<Timeline>), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder().people(people).throttling(true);
    let sandbox = Arc::new(sandbox.start().await?);
    sandbox.stop_clock(true);
    let time = Arc::new(Timeline {
        sandbox: sandbox.clone(),
        state: Mutex::default(),
        changed: Notify::new(),
    });
    let client = client(&sandbox, &time, limits, None)?;
    Ok((sandbox, client, time))
}

/// Another client of that tenant, in that time, as of another process.
pub(crate) fn client(
    sandbox: &Sandbox,
    time: &Arc<Timeline>,
    limits: Option<Limits>,
    allowance: Option<Arc<dyn Allowance>>,
) -> Result<GraphClient> {
    let cloud = Cloud::custom(sandbox.authority(), sandbox.graph())?;
    let transport = Arc::new(Counted {
        inner: HttpTransport::new()?,
        time: time.clone(),
    });
    let secret = ClientSecret::new(
        &cloud,
        sandbox.tenant_id(),
        sandbox.client_id(),
        sandbox.client_secret().into(),
        transport.clone(),
        time.clone(),
    )?;
    let mut client = GraphClient::builder(cloud, Arc::new(secret), transport)
        .clock(time.clone())
        .limits(limits);
    if let Some(allowance) = allowance {
        client = client.allowance(allowance);
    }
    Ok(client.build())
}

impl Timeline {
    /// Does the work, and lets time pass where the work waits for it. Answers with the seconds that it took.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> (T, f64) {
        let start = self.now();
        let done = tokio::select! {
            done = work => done,
            never = self.pass() => match never {},
        };
        (done, self.now().duration_since(start).as_secs_f64())
    }

    async fn pass(&self) -> Infallible {
        loop {
            self.changed.notified().await;
            loop {
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
                if !self.jump() {
                    break;
                }
            }
        }
    }

    fn jump(&self) -> bool {
        let state = self.state();
        let Some((next, _)) = state.sleepers.keys().next().filter(|_| state.flying == 0) else {
            return false;
        };
        let ahead = next.duration_since(self.now());
        self.sandbox
            .advance(Duration::try_from(ahead).unwrap_or_default());
        let due = state.sleepers.range(..=(*next, u64::MAX));
        due.for_each(|(_, sleeper)| sleeper.notify_one());
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the sleepers, left when the sleep ends or is given up.
struct Sleep<'a>(&'a Timeline, (Timestamp, u64));

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.0.state().sleepers.remove(&self.1);
    }
}

impl Clock for Timeline {
    fn now(&self) -> Timestamp {
        self.sandbox.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let wait = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let until = self.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        Box::pin(async move {
            let woken = Arc::new(Notify::new());
            let place = {
                let mut state = self.state();
                state.count += 1;
                let place = (until, state.count);
                state.sleepers.insert(place, woken.clone());
                place
            };
            let _place = Sleep(self, place);
            self.changed.notify_one();
            while self.now() < until {
                woken.notified().await;
            }
        })
    }
}

/// Says what is on its way.
#[derive(Debug)]
struct Counted {
    inner: HttpTransport,
    time: Arc<Timeline>,
}

struct Flight<'a>(&'a Timeline);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.state().flying -= 1;
        self.0.changed.notify_one();
    }
}

#[async_trait]
impl Transport for Counted {
    async fn send(&self, request: Request) -> Result<Response> {
        self.time.state().flying += 1;
        let _flight = Flight(&self.time);
        self.inner.send(request).await
    }
}
