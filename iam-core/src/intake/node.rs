//! JSON whose shape is not flat, one record at a time: shared by SCIM payloads and business-process events.

use std::collections::HashSet;
use std::fmt;
use std::io::BufReader;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::element::broken;
use super::encoding::{Bounded, Opened, Progress};
use super::row::Flaw;
use super::values::Fault;
use crate::error::Result;

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Object),
    /// A number with a fraction or too many digits.
    Inexact,
}

/// An object, whose names are matched in any letter case (RFC 7643 section 2.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Object {
    pub(super) entries: Vec<(String, Node)>,
    /// The first name that came twice.
    twice: Option<String>,
}

impl Object {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        let mut entries = self.entries.iter();
        entries
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, node)| node)
    }

    /// A member that stands twice says two things.
    pub(super) fn check(&self, path: &str) -> std::result::Result<(), Flaw> {
        let Some(name) = &self.twice else { return Ok(()) };
        let message = "expected each name once, found one twice";
        let short: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Err(Flaw::named(
            format!("{path}{short}"),
            Fault::new("duplicate_field", message),
        ))
    }

    fn push(&mut self, seen: &mut HashSet<String>, name: String, node: Node) {
        if !seen.insert(name.to_ascii_lowercase()) {
            self.twice.get_or_insert_with(|| name.clone());
        }
        self.entries.push((name, node));
    }
}

impl Node {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
            Self::Inexact => "a number with a fraction or too many digits",
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// `true` and `false`, also as words.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(yes) => Some(*yes),
            Self::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }
}

/// Reads records: the elements of an array, those of the array under one of these names in an object, or the object
/// itself where it has none of them. Returns what stands around the array.
pub(super) fn each(
    input: Opened<'_>,
    lists: &[&str],
    shape: &str,
    sink: &mut dyn FnMut(u64, Node) -> ControlFlow<()>,
) -> Result<Object> {
    let progress = Progress::default();
    let bytes = BufReader::new(Bounded::new(input.into_reader(), &progress));
    let mut json = serde_json::Deserializer::from_reader(bytes);
    let (mut rows, mut stopped) = (0, false);
    let whole = Whole {
        lists,
        records: Records {
            progress: &progress,
            rows: &mut rows,
            stopped: &mut stopped,
            sink,
        },
    };
    let end = json.deserialize_any(whole);
    match end.and_then(|around| json.end().map(|()| around)) {
        Ok(around) => Ok(around),
        Err(_) if stopped => Ok(Object::default()),
        Err(error) => Err(broken(error, rows, &progress, shape)),
    }
}

struct Records<'a> {
    progress: &'a Progress,
    rows: &'a mut u64,
    stopped: &'a mut bool,
    sink: &'a mut dyn FnMut(u64, Node) -> ControlFlow<()>,
}

impl Records<'_> {
    fn take<E: serde::de::Error>(&mut self, node: Node) -> std::result::Result<(), E> {
        *self.rows += 1;
        if (self.sink)(*self.rows, node).is_break() {
            *self.stopped = true;
            return Err(E::custom("stopped"));
        }
        self.progress.next_record();
        Ok(())
    }
}

struct Whole<'a> {
    lists: &'a [&'a str],
    records: Records<'a>,
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> std::result::Result<Object, A::Error> {
        while let Some(node) = seq.next_element_seed(NodeSeed)? {
            self.records.take(node)?;
        }
        Ok(Object::default())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<Object, A::Error> {
        let (mut around, mut seen, mut listed) = (Object::default(), HashSet::new(), false);
        while let Some(name) = map.next_key::<String>()? {
            if self.lists.iter().any(|list| list.eq_ignore_ascii_case(&name)) {
                if std::mem::replace(&mut listed, true) {
                    return Err(A::Error::custom("two lists"));
                }
                self.records.progress.next_record();
                map.next_value_seed(ListSeed(&mut self.records))?;
            } else {
                around.push(&mut seen, name, map.next_value_seed(NodeSeed)?);
            }
        }
        if !listed {
            self.records.take(Node::Object(std::mem::take(&mut around)))?;
        }
        Ok(around)
    }
}

struct ListSeed<'a, 'b>(&'a mut Records<'b>);

impl<'de> DeserializeSeed<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        while let Some(node) = seq.next_element_seed(NodeSeed)? {
            self.0.take(node)?;
        }
        Ok(())
    }
}

struct NodeSeed;

impl<'de> DeserializeSeed<'de> for NodeSeed {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> std::result::Result<Node, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeSeed {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> std::result::Result<Node, E> {
        Ok(Node::Flag(yes))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Node, E> {
        Ok(Node::Inexact)
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element_seed(NodeSeed)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Node, A::Error> {
        let (mut object, mut seen) = (Object::default(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            let node = map.next_value_seed(NodeSeed)?;
            object.push(&mut seen, name, node);
        }
        Ok(Node::Object(object))
    }
}
