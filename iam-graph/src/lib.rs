#![doc = include_str!("../README.md")]

mod account;
pub mod app_roles;
pub mod applications;
mod apply;
pub mod authentication;
mod catalog;
mod client;
pub mod conditional_access;
pub mod cost;
mod create;
mod deleted;
pub mod domains;
pub mod error;
mod find;
mod fresh;
pub mod groups;
pub mod licenses;
mod mail;
mod observe;
mod odata;
pub mod organization;
mod password;
mod patch;
pub mod roles;
pub mod service_principals;
mod target;
pub mod users;

pub use client::{GraphClient, GraphClientBuilder};
pub use mail::GraphMail;
pub use patch::Patch;
pub use target::GraphTarget;
