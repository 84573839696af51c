//! What of a resource is shown (RFC 7644 section 3.4.2.5): `attributes`, `excludedAttributes`, the URLs, and the
//! groups of a user. A resource is written straight from its record: nothing is copied to be left out again.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Value, json};

use super::record::Record;
use super::schema::{Kind, Meaning};
use super::store::Membership;
use super::text::Scanner;

/// Which attributes to show.
#[derive(Debug, Clone, Default)]
pub(crate) enum Shape {
    #[default]
    All,
    Only(Vec<Place<'static>>),
    Without(Vec<Place<'static>>),
}

/// An extension, an attribute (of an extension), or a sub-attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place<'a> {
    extension: Option<&'a str>,
    attribute: Option<&'a str>,
    sub: Option<&'a str>,
}

/// How much of a place is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Extent {
    Nothing,
    Part,
    Whole,
}

impl<'a> Place<'a> {
    fn core(attribute: &'a str) -> Self {
        Self {
            extension: None,
            attribute: Some(attribute),
            sub: None,
        }
    }

    /// The place of that name inside this one.
    fn inside(self, name: &'a str) -> Self {
        match self.attribute {
            None => Self {
                attribute: Some(name),
                ..self
            },
            Some(_) => Self {
                sub: Some(name),
                ..self
            },
        }
    }

    fn covers(&self, other: &Place<'_>) -> bool {
        let same = |own: Option<&str>, other: Option<&str>| own.is_none() || own == other;
        self.extension == other.extension
            && same(self.attribute, other.attribute)
            && same(self.sub, other.sub)
    }
}

impl From<Meaning> for Place<'static> {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Extension(schema) => Self {
                extension: Some(schema.id),
                attribute: None,
                sub: None,
            },
            Meaning::Attribute(spot) => Self {
                extension: spot.extension.map(|schema| schema.id),
                attribute: Some(spot.attribute.name),
                sub: spot.sub.map(|sub| sub.name),
            },
        }
    }
}

impl Shape {
    /// Reads the two lists; names that the resource type does not have select nothing. What is always returned
    /// cannot be left out.
    pub(crate) fn new(kind: Kind, attributes: &[String], excluded: &[String]) -> Self {
        let always = || kind.always().map(Place::core);
        if !attributes.is_empty() {
            Self::Only(always().chain(places(kind, attributes)).collect())
        } else if excluded.is_empty() {
            Self::All
        } else {
            let can_go = |place: &Place<'_>| always().all(|kept| kept != *place);
            Self::Without(places(kind, excluded).filter(can_go).collect())
        }
    }

    /// Whether a core attribute can appear.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.extent(&Place::core(name)) != Extent::Nothing
    }

    fn extent(&self, place: &Place<'_>) -> Extent {
        let (all, covered, other) = match self {
            Self::All => return Extent::Whole,
            Self::Only(all) => (all, Extent::Whole, Extent::Nothing),
            Self::Without(all) => (all, Extent::Nothing, Extent::Whole),
        };
        if all.iter().any(|one| one.covers(place)) {
            covered
        } else if all.iter().any(|one| place.covers(one)) {
            Extent::Part
        } else {
            other
        }
    }

    /// Whether anything of the value is left; an element or object of which nothing is left is not shown.
    fn leaves(&self, place: Place<'_>, value: &Value, url: Option<&str>) -> bool {
        match self.extent(&place) {
            Extent::Whole => true,
            Extent::Nothing => false,
            Extent::Part => match value {
                Value::Array(list) => list.iter().any(|one| self.leaves(place, one, url)),
                Value::Object(object) => object
                    .iter()
                    .map(|(name, value)| (name.as_str(), value))
                    .chain(url.map(|name| (name, &Value::Null)))
                    .any(|(name, value)| self.leaves(place.inside(name), value, None)),
                _ => false,
            },
        }
    }
}

fn places(kind: Kind, names: &[String]) -> impl Iterator<Item = Place<'static>> {
    let read = move |text: &String| {
        let mut scan = Scanner::new(text.trim()).ok()?;
        let name = scan.name().ok()?;
        if !scan.done() {
            return None;
        }
        kind.resolve(&name).map(Place::from)
    };
    names.iter().filter_map(read)
}

/// The groups of a user as the attribute has them.
fn list<'a>(groups: impl Iterator<Item = &'a Membership>) -> Value {
    groups
        .map(|one| json!({"value": one.group, "display": one.display, "type": "direct"}))
        .collect()
}

/// Adds the groups of a user.
pub(crate) fn with_groups<'a>(body: &mut Map<String, Value>, groups: impl Iterator<Item = &'a Membership>) {
    let groups = list(groups);
    if groups.as_array().is_some_and(|groups| !groups.is_empty()) {
        body.insert("groups".into(), groups);
    }
}

/// The URL of a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location<'a> {
    base: &'a str,
    kind: Kind,
    id: &'a str,
}

impl<'a> Location<'a> {
    pub(crate) fn new(base: &'a str, kind: Kind, id: &'a str) -> Self {
        Self { base, kind, id }
    }

    /// That of the group or member that the element names, unless it brings its own.
    fn of(element: &'a Map<String, Value>, base: &'a str, owner: Kind) -> Option<Self> {
        let group = owner == Kind::User || element.get("type").and_then(Value::as_str) == Some("Group");
        let kind = if group { Kind::Group } else { Kind::User };
        if element.contains_key("$ref") {
            return None;
        }
        Some(Self::new(base, kind, element.get("value")?.as_str()?))
    }
}

/// Takes the URLs out of a group's members that every answer works out anew: a client that puts back what it read
/// changes nothing, and no URL outlives a change of the base. Other URLs are the client's and stay.
pub(crate) fn unlink(kind: Kind, attributes: &mut Map<String, Value>, base: &str) {
    let members = match kind {
        Kind::Group => attributes.get_mut("members").and_then(Value::as_array_mut),
        Kind::User => None,
    };
    for member in members.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(given) = member.shift_remove("$ref") {
            let own = Location::of(member, base, kind).map(|location| location.to_string());
            if own.as_deref() != given.as_str() {
                member.insert("$ref".into(), given);
            }
        }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.base, self.kind.endpoint(), self.id)
    }
}

impl Serialize for Location<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A resource as it is answered.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    record: &'a Record,
    /// Those of a user.
    groups: Value,
    base: &'a str,
    shape: &'a Shape,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(
        record: &'a Record,
        groups: impl Iterator<Item = &'a Membership>,
        base: &'a str,
        shape: &'a Shape,
    ) -> Self {
        Self {
            record,
            groups: list(groups),
            base,
            shape,
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.record.kind;
        let part = |place, value, url| Part {
            of: self,
            place,
            value,
            url,
        };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.record.body {
            let (place, url) = match (name.as_str(), kind) {
                ("meta", _) => (Place::core(name), Url::Own),
                ("members", Kind::Group) => (Place::core(name), Url::Element),
                _ => match kind.extension(name) {
                    Some(schema) => (Place::from(Meaning::Extension(schema)), Url::No),
                    None => (Place::core(name), Url::No),
                },
            };
            if self.shape.leaves(place, value, url.name()) {
                map.serialize_entry(name, &part(place, value, url))?;
            }
        }
        let place = Place::core("groups");
        let some = self.groups.as_array().is_some_and(|groups| !groups.is_empty());
        if some && self.shape.leaves(place, &self.groups, Url::Element.name()) {
            map.serialize_entry("groups", &part(place, &self.groups, Url::Element))?;
        }
        map.end()
    }
}

/// Which URL is written into an object.
#[derive(Debug, Clone, Copy)]
enum Url {
    No,
    /// The resource's own, in `meta`.
    Own,
    /// That of the group or member that the element names.
    Element,
}

impl Url {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::No => None,
            Self::Own => Some("location"),
            Self::Element => Some("$ref"),
        }
    }
}

/// What is shown of one value.
struct Part<'a> {
    of: &'a Shown<'a>,
    place: Place<'a>,
    value: &'a Value,
    url: Url,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = self.of.shape;
        let whole = shape.extent(&self.place) == Extent::Whole;
        match (self.value, self.url) {
            (value, Url::No) if whole => value.serialize(serializer),
            (Value::Array(all), _) => {
                let mut list = serializer.serialize_seq(None)?;
                for value in all {
                    if whole || shape.leaves(self.place, value, self.url.name()) {
                        list.serialize_element(&Part { value, ..*self })?;
                    }
                }
                list.end()
            }
            (Value::Object(object), url) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in object {
                    let place = self.place.inside(name);
                    if whole || shape.leaves(place, value, None) {
                        let url = Url::No;
                        map.serialize_entry(
                            name,
                            &Part {
                                place,
                                value,
                                url,
                                ..*self
                            },
                        )?;
                    }
                }
                let Shown { record, base, .. } = *self.of;
                let location = match url {
                    Url::No => None,
                    Url::Own => Some(Location::new(base, record.kind, &record.id)),
                    Url::Element => Location::of(object, base, record.kind),
                };
                if let (Some(name), Some(location)) = (url.name(), location)
                    && shape.extent(&self.place.inside(name)) == Extent::Whole
                {
                    map.serialize_entry(name, &location)?;
                }
                map.end()
            }
            (value, _) => value.serialize(serializer),
        }
    }
}
