#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
pub mod auth;
pub mod clock;
pub mod cloud;
pub mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod secret;

pub use cloud::Cloud;
pub use error::{Error, ErrorKind, Result};
pub use secret::Secret;
