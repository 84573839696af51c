//! Messages over NATS JetStream: [`NatsInput`] and [`NatsPublisher`] on one [`Nats`] connection.
//!
//! A durable pull consumer, with explicit acknowledgements: a message is acknowledged after the engine has answered. The
//! server delivers again what was not acknowledged, and the client reconnects by itself. A server that is to keep what it
//! has acknowledged through a loss of power needs `jetstream { sync_interval: always }`.

mod message;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Context};
use async_nats::{ConnectOptions, HeaderMap};
use async_trait::async_trait;
use futures::StreamExt as _;

use self::message::{Arrived, arrived};
use super::{Outgoing, Publisher};
use crate::engine::{Accepted, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// After how long the server delivers again what was not acknowledged.
const ACK_WAIT: Duration = Duration::from_mins(1);
/// How many messages are taken at once, and how long is waited for the first.
const BATCH: (usize, Duration) = (200, Duration::from_secs(5));
/// After how long is tried again when server or journal are down.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a connection proves who it is. `Debug` prints no secret.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum NatsSignIn {
    /// Not at all.
    #[default]
    Nobody,
    /// By a token.
    Token(Secret),
    /// By a password.
    Password {
        /// Whose.
        user: String,
        /// Which.
        password: Secret,
    },
    /// By the content of a credentials file (JWT and seed).
    Credentials(Secret),
}

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Nats {
    context: Context,
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").finish_non_exhaustive()
    }
}

fn unavailable(
    operation: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(ErrorKind::Unavailable, "NATS did not do it")
        .with_operation(operation)
        .with_source(source)
}

impl Nats {
    /// Connects to one of these servers (`tls://host:4222`, more of them behind commas). A server that is not on this
    /// machine is spoken to by TLS alone.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for addresses and credentials that cannot be read;
    /// [`Unavailable`](ErrorKind::Unavailable) when none can be reached.
    pub async fn connect(servers: &str, sign_in: NatsSignIn) -> Result<Self> {
        const OPERATION: &str = "connect to NATS";
        let addresses: std::result::Result<Vec<async_nats::ServerAddr>, _> =
            servers.split(',').map(|server| server.trim().parse()).collect();
        let addresses = addresses.map_err(|error| {
            let text = "expected addresses of NATS servers, such as tls://nats.contoso.example:4222";
            Error::new(ErrorKind::Invalid, text)
                .with_operation(OPERATION)
                .with_source(error)
        })?;
        let local =
            |server: &async_nats::ServerAddr| matches!(server.host(), "127.0.0.1" | "localhost" | "::1");
        let options = ConnectOptions::new()
            .name("iam-platform")
            .require_tls(!addresses.iter().all(local));
        let options = match sign_in {
            NatsSignIn::Nobody => options,
            NatsSignIn::Token(token) => options.token(token.expose().to_owned()),
            NatsSignIn::Password { user, password } => {
                options.user_and_password(user, password.expose().to_owned())
            }
            // The reader's own words may quote the file.
            NatsSignIn::Credentials(credentials) => {
                options.credentials(credentials.expose()).map_err(|_| {
                    Error::new(ErrorKind::Invalid, "the NATS credentials cannot be read")
                        .with_operation(OPERATION)
                })?
            }
        };
        let connected = options.connect(addresses).await;
        let client = connected.map_err(|error| unavailable(OPERATION, error))?;
        Ok(Self {
            context: async_nats::jetstream::new(client),
        })
    }

    /// Messages of a stream as an input, by the durable consumer of this name, which is made unless it exists.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) when stream or consumer cannot be had; [`Invalid`](ErrorKind::Invalid) for
    /// a consumer whose messages are not acknowledged one by one.
    pub async fn input(&self, engine: Arc<Engine>, stream: &str, consumer: &str) -> Result<NatsInput> {
        const OPERATION: &str = "open NATS consumer";
        let known = self.context.get_stream(stream).await;
        let known = known.map_err(|error| unavailable(OPERATION, error))?;
        let config = pull::Config {
            durable_name: Some(consumer.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..pull::Config::default()
        };
        let opened = known.get_or_create_consumer(consumer, config).await;
        let opened = opened.map_err(|error| unavailable(OPERATION, error))?;
        if opened.cached_info().config.ack_policy != AckPolicy::Explicit {
            let text = format!("the NATS consumer {consumer} loses messages: its ack policy is not explicit");
            return Err(Error::new(ErrorKind::Invalid, text).with_operation(OPERATION));
        }
        Ok(NatsInput {
            engine,
            stream: stream.to_owned(),
            consumer: opened,
            kind: None,
        })
    }

    /// Outcomes as messages of this subject, which a stream must keep, from `source`, a URI such as
    /// `https://iam.contoso.example`.
    pub fn publisher(&self, subject: impl Into<String>, source: impl Into<String>) -> NatsPublisher {
        NatsPublisher {
            context: self.context.clone(),
            subject: subject.into(),
            source: source.into(),
        }
    }
}

/// What one batch brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Messages that were acknowledged.
    pub messages: u64,
    /// What they said.
    pub accepted: Accepted,
    /// How many are dead letters.
    pub dead_letters: u64,
}

/// Messages of a stream as an input.
///
/// | a message | its identity |
/// |---|---|
/// | with `content-type: application/cloudevents+json`, or an object with `specversion` | that of the CloudEvent |
/// | with headers `ce-id`, `ce-source`, `ce-specversion`, `ce-type` | that of the CloudEvent |
/// | any other | `nats:STREAM/SUBJECT` with the header `Nats-Msg-Id`, else with the place in the stream |
///
/// Where a message has no time of its own, the instant counts at which the server took it.
pub struct NatsInput {
    engine: Arc<Engine>,
    stream: String,
    consumer: PullConsumer,
    kind: Option<String>,
}

impl fmt::Debug for NatsInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsInput")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl NatsInput {
    /// What messages are that do not say so, for example `iam-platform.hr.record`. Without it they are dead letters.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Takes what is there, at most `max` messages: accepts them durably, then acknowledges them. Waits `wait` for the
    /// first one.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) from NATS; [`Storage`](ErrorKind::Storage) from the journal: none is
    /// acknowledged, and all are delivered again.
    pub async fn take(&self, max: usize, wait: Duration) -> Result<Received> {
        const OPERATION: &str = "fetch from NATS";
        let fetch = self.consumer.fetch().max_messages(max).expires(wait);
        let mut batch = fetch
            .messages()
            .await
            .map_err(|error| unavailable(OPERATION, error))?;
        let mut fetched = Vec::new();
        while let Some(message) = batch.next().await {
            match message {
                Ok(message) => fetched.push(message),
                // What came before is not delivered again before its time.
                Err(error) if fetched.is_empty() => return Err(unavailable(OPERATION, error)),
                Err(_) => break,
            }
        }
        let mut received = Received::default();
        match self.accept(&fetched, &mut received).await {
            Ok(()) => {}
            Err(error) => {
                for message in &fetched {
                    // Best effort: without it the server waits a minute longer.
                    let _ = message.ack_with(AckKind::Nak(Some(PATIENCE))).await;
                }
                return Err(error);
            }
        }
        for message in &fetched {
            // Should it get lost, the message comes again and says nothing new.
            message
                .ack()
                .await
                .map_err(|error| unavailable("acknowledge to NATS", error))?;
            received.messages += 1;
        }
        Ok(received)
    }

    async fn accept(
        &self,
        fetched: &[async_nats::jetstream::Message],
        received: &mut Received,
    ) -> Result<()> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for message in fetched {
            match arrived(message, &self.stream, self.kind.as_deref()) {
                Arrived::Message(message) => good.push(message),
                Arrived::Malformed(message, reason) => bad.push((message, reason)),
            }
        }
        for taken in self.engine.receive(&good).await? {
            received.accepted += taken.accepted;
            received.dead_letters += u64::from(taken.dead_letter.is_some());
        }
        for (message, reason) in bad {
            self.engine.bury_as_it_is(&message, &reason).await?;
            received.dead_letters += 1;
        }
        Ok(())
    }

    /// Takes messages until `stop` is ready; a batch that has begun is ended. What fails is tried again: it is told by a
    /// warning, and by messages that pile up at the server.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut stopped = false;
        while !stopped {
            let mut batch = std::pin::pin!(self.take(BATCH.0, BATCH.1));
            let taken = tokio::select! {
                () = &mut stop => {
                    stopped = true;
                    batch.await
                }
                taken = &mut batch => taken,
            };
            if let Err(error) = taken {
                tracing::warn!(
                    "messages of {} could not be taken: {}",
                    self.stream,
                    error.chain()
                );
                tokio::select! {
                    () = &mut stop, if !stopped => stopped = true,
                    () = self.engine.pause(PATIENCE) => {}
                }
            }
        }
    }
}

/// Outcomes as messages: CloudEvents, structured, with the id as `Nats-Msg-Id`.
#[derive(Clone)]
pub struct NatsPublisher {
    context: Context,
    subject: String,
    source: String,
}

impl fmt::Debug for NatsPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsPublisher")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Publisher for NatsPublisher {
    /// Returns once a stream has it. The stream drops an id that it has seen lately (its duplicate window).
    async fn publish(&self, outgoing: &Outgoing) -> Result<()> {
        const OPERATION: &str = "publish to NATS";
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", outgoing.id.as_str());
        headers.insert("content-type", "application/cloudevents+json; charset=utf-8");
        let event = outgoing.event(&self.source).to_string();
        let sent = self
            .context
            .publish_with_headers(self.subject.clone(), headers, event.into());
        let sent = sent.await.map_err(|error| unavailable(OPERATION, error))?;
        sent.await.map_err(|error| unavailable(OPERATION, error))?;
        Ok(())
    }
}
