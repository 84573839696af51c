#![doc = include_str!("../README.md")]

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
