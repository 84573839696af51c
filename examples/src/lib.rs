//! The examples of this workspace. Each is a file, or a folder with a `main.rs`, that runs:
//! `cargo run --example quickstart`.
