#![doc = include_str!("../README.md")]
// A module that is left out is explained where its feature is.
#![cfg_attr(
    not(any(feature = "engine", feature = "http")),
    doc = "\n\n[`target`]: #features\n[`notify`]: #features"
)]
#![cfg_attr(
    not(feature = "engine"),
    doc = "\n\n[`journal`]: #features\n[`orchestrator`]: #features\n[`engine`]: #features\n[guarantees]: #features"
)]
#![cfg_attr(feature = "engine", doc = "\n\n[guarantees]: journal::guarantees")]
#![cfg_attr(not(feature = "ingest"), doc = "\n\n[`ingest`]: #features")]
#![cfg_attr(not(feature = "http"), doc = "\n\n[`http`]: #features\n[`auth`]: #features")]

#[cfg(feature = "http")]
pub mod auth;
pub mod clock;
pub mod cloud;
#[cfg(feature = "engine")]
pub mod engine;
pub mod entitlement;
pub mod error;
pub mod event;
#[cfg(feature = "engine")]
mod execute;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "ingest")]
pub mod ingest;
pub mod intake;
#[cfg(feature = "engine")]
pub mod journal;
#[cfg(any(feature = "engine", feature = "http"))]
pub mod notify;
#[cfg(feature = "engine")]
pub mod orchestrator;
pub mod person;
pub mod plan;
pub mod policy;
pub mod secret;
#[cfg(any(feature = "engine", feature = "http"))]
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;

pub use cloud::Cloud;
pub use error::{Error, ErrorKind, Result};
pub use secret::Secret;
