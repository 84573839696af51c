//! The client and the target over real HTTP: `wire` against scripted answers, `tenant` against the sandbox.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)] // all of it is tests

mod clock;
mod tenant;
mod timeline;
mod wire;
