#![doc = include_str!("../README.md")]

mod apply;
mod attributes;
mod catalog;
mod client;
mod create;
pub mod discovery;
pub mod error;
pub mod filter;
mod find;
pub mod groups;
mod list;
mod membership;
mod observe;
pub mod patch;
#[cfg(feature = "server")]
pub mod server;
mod target;
pub mod users;
mod values;

pub use client::{Auth, ScimClient, ScimClientBuilder};
pub use target::ScimTarget;
