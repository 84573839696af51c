//! Inputs that need I/O, and outcomes on their way out: adapters between [`Engine`](crate::engine::Engine) and the
//! systems that send and receive messages.
//!
//! One contract for every input: *receive, [append durably](crate::engine::Engine::receive), then acknowledge*.
//! - What was acknowledged is an event, was known before, or is kept: in [quarantine](crate::engine::Engine::quarantined)
//!   when its id was known with other content, else as a [dead letter](crate::engine::Engine::dead_letters). It is never
//!   lost, and a message that nobody understands never blocks the ones behind it.
//! - What was not acknowledged is delivered again by whoever sent it, and counts once: `source` and `id` are the event's
//!   identity.
//! - The order in which messages come is a hint. Events count by effective date and entry moment; of two records of one
//!   person from one source, the one with the later `time`.

mod cloudevents;
#[cfg(feature = "nats")]
mod nats;
mod outbox;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

pub use cloudevents::{CloudEvents, Response};
#[cfg(feature = "nats")]
pub use nats::{Nats, NatsInput, NatsPublisher, NatsSignIn, Received};
pub use outbox::{Outbox, Outgoing, Publisher, Sent};
