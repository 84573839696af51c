//! The envelope: which attributes an event has, in a JSON object or in headers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;

use crate::event::EventId;
use crate::journal::Message;

/// The longest id, source and type.
const LONGEST: usize = 1024;

/// Why something is no CloudEvent.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// The attribute at fault.
    pub(crate) attribute: String,
    /// What was expected of it.
    pub(crate) expected: String,
    /// What came, as far as it is worth keeping.
    rest: Option<Box<Message>>,
}

impl Malformed {
    fn new(attribute: &str, expected: &str) -> Self {
        Self {
            attribute: attribute.to_owned(),
            expected: expected.to_owned(),
            rest: None,
        }
    }

    /// With the bytes that came, under an id of their own.
    pub(crate) fn of(mut self, source: &str, content_type: &str, data: &[u8]) -> Self {
        let id = EventId::of(&["content", &crate::person::hex(data)]);
        let message = Message::new(source, id.as_str(), "");
        self.rest = Some(Box::new(Message {
            content_type: Some(content_type.to_owned()),
            data: data.to_vec(),
            ..message
        }));
        self
    }

    /// What is kept of it, and why.
    pub(crate) fn letter(self) -> (Message, String) {
        let reason = format!(
            "not a CloudEvent: attribute {}: {}",
            self.attribute, self.expected
        );
        (
            self.rest.map_or_else(|| Message::new("", "", ""), |rest| *rest),
            reason,
        )
    }
}

type Read<T> = std::result::Result<T, Malformed>;

/// The first value of a header; names are in lower case.
pub(crate) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut of_name = headers.iter().filter(|(known, _)| known == name);
    of_name.next().map(|(_, value)| value.trim())
}

/// A media type in lower case, and its charset.
pub(super) fn media_type(value: &str) -> (String, Option<&str>) {
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches('"'))
    });
    (media_type, charset)
}

/// Whether the attributes stand in headers.
pub(super) fn is_binary(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name.starts_with("ce-"))
}

/// The attributes that count; all others are extensions, and left out.
#[derive(Default)]
struct Attributes {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    time: Option<String>,
    content_type: Option<String>,
}

impl Attributes {
    fn message(self, data: Vec<u8>) -> Read<Message> {
        let needed = |name: &str, value: Option<String>| -> Read<String> {
            let value = value.filter(|value| !value.trim().is_empty());
            let value = value.ok_or_else(|| Malformed::new(name, "expected a text, found nothing"))?;
            if value.len() > LONGEST {
                return Err(Malformed::new(name, "expected at most 1024 bytes"));
            }
            Ok(value)
        };
        if needed("specversion", self.specversion)? != "1.0" {
            return Err(Malformed::new("specversion", "expected 1.0"));
        }
        let (id, source) = (needed("id", self.id)?, needed("source", self.source)?);
        let kind = needed("type", self.kind)?;
        let time = self.time.map(|time| {
            let expected = "expected an instant with its offset, such as 2026-06-06T14:30:00Z";
            time.trim()
                .parse::<Timestamp>()
                .map_err(|_| Malformed::new("time", expected))
        });
        Ok(Message {
            time: time.transpose()?,
            content_type: self.content_type,
            data,
            ..Message::new(source, id, kind)
        })
    }
}

/// An event whose attributes stand in the headers `ce-…` (percent-encoded), and whose data is the body.
pub(crate) fn binary(headers: &[(String, String)], body: &[u8]) -> Read<Message> {
    let attribute = |name: &str| -> Read<Option<String>> {
        let Some(value) = header(headers, &format!("ce-{name}")) else {
            return Ok(None);
        };
        let decoded = percent_decode_str(value.trim_matches('"')).decode_utf8();
        let decoded = decoded.map_err(|_| Malformed::new(name, "expected percent-encoded UTF-8"))?;
        Ok(Some(decoded.into_owned()))
    };
    let attributes = Attributes {
        specversion: attribute("specversion")?,
        id: attribute("id")?,
        source: attribute("source")?,
        kind: attribute("type")?,
        time: attribute("time")?,
        content_type: header(headers, "content-type").map(str::to_owned),
    };
    attributes.message(body.to_vec())
}

/// One event as a JSON object.
pub(crate) fn structured(body: &[u8]) -> Read<Message> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| no_json("one event as a JSON object"))?;
    event(raw)
}

/// Events as a JSON array, each on its own terms.
pub(super) fn batch(body: &[u8]) -> Read<Vec<Read<Message>>> {
    let events: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_| no_json("events as a JSON array"))?;
    let read = |raw: &&RawValue| {
        let content = raw.get().as_bytes();
        event(raw).map_err(|malformed| malformed.of("batch", "application/cloudevents+json", content))
    };
    Ok(events.iter().map(read).collect())
}

fn no_json(expected: &str) -> Malformed {
    Malformed::new("(all)", &format!("expected {expected}"))
}

fn event(raw: &RawValue) -> Read<Message> {
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| no_json("one event as a JSON object"))?;
    let text = |name: &str| -> Read<Option<String>> {
        match fields.get(name) {
            None => Ok(None),
            Some(value) if value.get() == "null" => Ok(None),
            Some(value) => serde_json::from_str(value.get())
                .map(Some)
                .map_err(|_| Malformed::new(name, "expected a text")),
        }
    };
    let content_type = text("datacontenttype")?;
    let data = match (fields.get("data"), text("data_base64")?) {
        (Some(_), Some(_)) => {
            return Err(Malformed::new(
                "data_base64",
                "expected data or data_base64, found both",
            ));
        }
        (None, None) => Vec::new(),
        (None, Some(encoded)) => STANDARD
            .decode(encoded)
            .map_err(|_| Malformed::new("data_base64", "expected base64"))?,
        // What is no JSON stands in a string.
        (Some(value), None) if !is_json(content_type.as_deref()) && value.get().starts_with('"') => {
            let text: String =
                serde_json::from_str(value.get()).map_err(|_| Malformed::new("data", "expected a text"))?;
            text.into_bytes()
        }
        (Some(value), None) => value.get().as_bytes().to_vec(),
    };
    let attributes = Attributes {
        specversion: text("specversion")?,
        id: text("id")?,
        source: text("source")?,
        kind: text("type")?,
        time: text("time")?,
        content_type,
    };
    attributes.message(data)
}

/// Nothing said is JSON ("JSON Event Format", Handling of "data").
fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return true;
    };
    let (media_type, _) = media_type(content_type);
    let (_, subtype) = media_type.split_once('/').unwrap_or(("", ""));
    subtype == "json" || subtype.ends_with("+json")
}
