#![doc = include_str!("../README.md")]

mod account;
mod apply;
pub mod audit_logs;
mod catalog;
mod client;
pub mod cost;
mod create;
mod deleted;
pub mod delta;
pub mod domains;
mod environment;
pub mod error;
mod filter;
mod find;
mod fresh;
pub mod groups;
pub mod licenses;
mod listing;
mod mail;
pub mod mailbox;
mod observe;
mod odata;
mod password;
pub mod provisioning;
pub mod query;
pub mod roles;
mod target;
pub mod users;

pub use client::{GraphClient, GraphClientBuilder};
pub use listing::Listing;
pub use mail::GraphMail;
pub use target::GraphTarget;
