//! Any text as the path of a PATCH operation: it is refused with a position, or the user and the group are as sound
//! afterwards as before.

#![no_main]

use fuzz_scim::{patch, provider, refused};
use iam_scim::server::Path;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    if let Err(problem) = Path::parse(text) {
        return refused(&problem, text);
    }
    let (engine, all) = provider();
    let values = [
        json!("x"),
        json!({"value": "x", "type": "work", "primary": true}),
        json!([{"value": "x", "primary": "True"}, {"value": "y"}]),
        Value::Null,
    ];
    for path in &all {
        for op in ["add", "Replace", "remove"] {
            for value in &values {
                let body = json!({"Operations": [{"op": op, "path": text, "value": value}]});
                patch(&engine, path, body.to_string().as_bytes());
            }
        }
    }
});
