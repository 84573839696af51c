#![doc = include_str!("../README.md")]

mod account;
mod apply;
mod catalog;
mod client;
pub mod cost;
mod create;
pub mod deleted;
mod directory_objects;
pub mod directory_roles;
pub mod domains;
pub mod eligibility;
pub mod error;
mod field;
mod find;
mod fresh;
mod group_patch;
pub mod groups;
pub mod licenses;
mod mail;
mod members;
mod observe;
mod odata;
mod password;
mod reports;
pub mod roles;
mod target;
pub mod units;
mod user_patch;
pub mod users;

pub use client::{GraphClient, GraphClientBuilder};
pub use field::Field;
pub use mail::GraphMail;
pub use target::GraphTarget;
