#![doc = include_str!("../README.md")]

mod account;
mod apply;
pub mod audit_logs;
mod catalog;
mod client;
pub mod cost;
mod create;
mod deleted;
pub mod domains;
pub mod drive;
pub mod error;
mod find;
mod fresh;
pub mod groups;
pub mod licenses;
mod mail;
pub mod notifications;
mod observe;
mod odata;
mod password;
pub mod provisioning;
pub mod roles;
pub mod subscriptions;
mod target;
pub mod users;

pub use client::{GraphClient, GraphClientBuilder};
pub use mail::GraphMail;
pub use target::GraphTarget;
