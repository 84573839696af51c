#![doc = include_str!("../README.md")]

mod apply;
pub mod assignments;
mod catalog;
mod client;
pub mod error;
mod observe;
mod odata;
pub mod resource_groups;
pub mod roles;
mod scope;
pub mod subscriptions;
mod target;
mod throttle;

pub use client::{ArmClient, ArmClientBuilder};
pub use scope::Scope;
pub use target::ArmTarget;
