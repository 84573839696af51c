//! Any bytes as the body of a PATCH, of a user and of a group: it takes effect whole or not at all, and what is kept
//! is sound.

#![no_main]

use fuzz_scim::{patch, provider};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let (engine, all) = provider();
    for path in &all {
        patch(&engine, path, body);
    }
});
