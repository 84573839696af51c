//! What a message of a stream is: a CloudEvent, or something with the identity that the stream gives it.

use async_nats::jetstream::Message as Delivered;
use jiff::Timestamp;

use crate::ingest::cloudevents::{Malformed, binary, structured};
use crate::journal::Message;

/// A message, or what is kept of one that says it is a CloudEvent and is none, and why.
pub(super) enum Arrived {
    Message(Message),
    Malformed(Message, String),
}

/// Reads a message of this stream; `kind` is what it is when it does not say so.
pub(super) fn arrived(delivered: &Delivered, stream: &str, kind: Option<&str>) -> Arrived {
    let headers: Vec<(String, String)> = delivered.headers.iter().flat_map(headers).collect();
    let content_type = headers.iter().find(|(name, _)| name == "content-type");
    let content_type = content_type.map(|(_, value)| value.as_str());
    let (taken, sequence) = match delivered.info() {
        Ok(info) => (
            Timestamp::from_nanosecond(info.published.unix_timestamp_nanos()).ok(),
            info.stream_sequence,
        ),
        Err(_) => (None, 0),
    };
    let source = format!("nats:{stream}/{}", delivered.subject);
    let event = if headers.iter().any(|(name, _)| name.starts_with("ce-")) {
        binary(&headers, &delivered.payload)
    } else if is_structured(content_type, &delivered.payload) {
        structured(&delivered.payload)
    } else {
        let id = headers.iter().find(|(name, _)| name == "nats-msg-id");
        let id = id.map_or_else(|| sequence.to_string(), |(_, id)| id.clone());
        return Arrived::Message(Message {
            time: taken,
            content_type: content_type.map(str::to_owned),
            data: delivered.payload.to_vec(),
            ..Message::new(source, id, kind.unwrap_or("unknown"))
        });
    };
    match event {
        Ok(message) => Arrived::Message(Message {
            time: message.time.or(taken),
            ..message
        }),
        Err(malformed) => {
            let content_type = content_type.unwrap_or("application/cloudevents+json");
            let of: Malformed = malformed.of(&source, content_type, &delivered.payload);
            let (message, reason) = of.letter();
            Arrived::Malformed(message, reason)
        }
    }
}

/// Names in lower case, each with its first value.
fn headers(map: &async_nats::HeaderMap) -> Vec<(String, String)> {
    let named = map.iter().filter_map(|(name, values)| {
        let value = values.first()?.as_str().to_owned();
        Some((AsRef::<str>::as_ref(name).to_ascii_lowercase(), value))
    });
    named.collect()
}

/// The NATS binding 1.0 knows neither headers nor media types: there every payload is a JSON event.
fn is_structured(content_type: Option<&str>, payload: &[u8]) -> bool {
    if content_type.is_some_and(|value| {
        value
            .trim()
            .to_ascii_lowercase()
            .starts_with("application/cloudevents")
    }) {
        return true;
    }
    let object: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(payload).ok();
    object.is_some_and(|object| object.contains_key("specversion"))
}
