//! The examples of this workspace. Each is a file, or a folder with a `main.rs`, that runs:
//! `cargo run --example quickstart`. What the small ones share is [`tenant`]: where they sign in.

use std::fmt::Display;
use std::io::Write as _;

pub mod lifecycle;
pub mod tenant;

/// Prints a line. Where nobody reads any more (`… | head`), the program ends quietly.
pub fn say(line: impl Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}
