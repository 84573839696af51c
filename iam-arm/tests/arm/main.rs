//! The client and the target over real HTTP against scripted answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)] // all of it is tests

mod clock;
mod wire;
