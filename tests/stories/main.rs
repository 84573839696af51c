//! The stories: what the house promises, each judged from outside.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops where it fails")]
#![allow(missing_docs, unreachable_pub, reason = "nobody imports a test")]

mod app_roles;
mod architecture;
mod callers;
mod company;
mod crashes;
mod crashing;
mod failover;
mod findings;
mod fleets;
mod hand_overs;
mod input;
mod joining;
mod keeping;
mod leaving;
mod mailboxes;
mod messages;
mod model;
mod moving;
mod notices;
mod packages;
mod passes;
#[cfg(unix)]
mod postgres;
mod provisioning;
mod refused_reads;
mod three_targets;
mod trouble;
mod unlike_app;
mod world;
