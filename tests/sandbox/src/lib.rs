#![doc = include_str!("../README.md")]

mod arm;
mod call;
mod clock;
mod control;
mod deleted;
mod directory;
mod directory_query;
mod errors;
mod faults;
mod graph;
mod groups;
mod ids;
mod keys;
mod licenses;
mod mail;
mod members;
mod membership;
mod membership_rule;
mod oauth;
mod odata;
mod organization;
mod password;
mod role_definitions;
mod roles;
mod sandbox;
mod schema;
mod seats;
mod seed;
mod server;
mod staff;
mod state;
mod tokens;
mod users;

pub use faults::{Effect, Fault, RetryAfter};
pub use sandbox::{Builder, Sandbox};
pub use state::LogEntry;
