//! What the engine knows of attributes: types, cardinality, case, mutability and when they are returned (RFC 7643
//! section 7), and where a name in a filter or a path leads.

use serde_json::{Map, Value, json};

use super::schemas::{COMMON, ENTERPRISE, GROUP, USER};
use super::text::Name;

/// The two resource types of RFC 7643 that the engine serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `/Users`, with the enterprise extension.
    User,
    /// `/Groups`.
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Boolean,
    DateTime,
    Binary,
    Reference,
    Complex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    Default,
    Always,
    Never,
}

// The characteristics of RFC 7643 section 7, which are four yes-or-no questions among others.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Type,
    pub(crate) multi: bool,
    pub(crate) required: bool,
    pub(crate) case_exact: bool,
    pub(crate) unique: bool,
    pub(crate) mutability: Mutability,
    pub(crate) returned: Returned,
    pub(crate) canonical: &'static [&'static str],
    pub(crate) references: &'static [&'static str],
    pub(crate) subs: &'static [Attribute],
}

impl Attribute {
    pub(crate) fn sub(&self, name: &str) -> Option<&Attribute> {
        self.subs.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_complex(&self) -> bool {
        self.kind == Type::Complex
    }

    /// The shape of RFC 7643 section 7.
    fn describe(&self) -> Value {
        let mut out = json!({
            "name": self.name,
            "type": match self.kind {
                Type::String => "string",
                Type::Boolean => "boolean",
                Type::DateTime => "dateTime",
                Type::Binary => "binary",
                Type::Reference => "reference",
                Type::Complex => "complex",
            },
            "multiValued": self.multi,
            "description": self.description,
            "required": self.required,
            "mutability": match self.mutability {
                Mutability::ReadWrite => "readWrite",
                Mutability::ReadOnly => "readOnly",
                Mutability::Immutable => "immutable",
                Mutability::WriteOnly => "writeOnly",
            },
            "returned": match self.returned {
                Returned::Default => "default",
                Returned::Always => "always",
                Returned::Never => "never",
            },
        });
        let Some(object) = out.as_object_mut() else {
            return out;
        };
        if self.is_complex() {
            object.insert(
                "subAttributes".into(),
                self.subs.iter().map(Self::describe).collect(),
            );
        }
        object.insert("caseExact".into(), self.case_exact.into());
        let unique = if self.unique { "server" } else { "none" };
        object.insert("uniqueness".into(), unique.into());
        if !self.canonical.is_empty() {
            object.insert("canonicalValues".into(), json!(self.canonical));
        }
        if !self.references.is_empty() {
            object.insert("referenceTypes".into(), json!(self.references));
        }
        out
    }
}

#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) attributes: &'static [Attribute],
}

impl Schema {
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        let all: &'static [Attribute] = self.attributes;
        all.iter()
            .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn describe(&self) -> Map<String, Value> {
        let mut out = Map::new();
        out.insert(
            "schemas".into(),
            json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"]),
        );
        out.insert("id".into(), self.id.into());
        out.insert("name".into(), self.name.into());
        out.insert("description".into(), self.description.into());
        let attributes = self.attributes.iter().map(Attribute::describe).collect();
        out.insert("attributes".into(), attributes);
        out
    }
}

/// Where an attribute name leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) extension: Option<&'static Schema>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
}

impl Spot {
    /// The attribute that holds the compared or assigned value.
    pub(crate) fn leaf(&self) -> &'static Attribute {
        self.sub.unwrap_or(self.attribute)
    }

    /// The object in which the attribute stands.
    pub(crate) fn within<'a>(&self, resource: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        match self.extension {
            Some(schema) => resource.get(schema.id)?.as_object(),
            None => Some(resource),
        }
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meaning {
    Extension(&'static Schema),
    Attribute(Spot),
}

/// Those of a User.
static EXTENSIONS: &[&Schema] = &[&ENTERPRISE];

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The resource type's name, `User` or `Group`.
    pub fn name(self) -> &'static str {
        self.schema().name
    }

    /// The first segment of its URLs, `Users` or `Groups`.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    pub(crate) fn schema(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    pub(crate) fn extensions(self) -> &'static [&'static Schema] {
        match self {
            Self::User => EXTENSIONS,
            Self::Group => &[],
        }
    }

    pub(crate) fn extension(self, urn: &str) -> Option<&'static Schema> {
        let mut all = self.extensions().iter().copied();
        all.find(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// A core or common attribute.
    pub(crate) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        let common = || COMMON.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        self.schema().attribute(name).or_else(common)
    }

    /// The core and common attributes that every answer has.
    pub(crate) fn always(self) -> impl Iterator<Item = &'static str> {
        let all = COMMON.iter().chain(self.schema().attributes);
        all.filter(|one| one.returned == Returned::Always)
            .map(|one| one.name)
    }

    pub(crate) fn resolve(self, name: &Name) -> Option<Meaning> {
        if let Some(schema) = self.extension(&name.whole()) {
            return Some(Meaning::Extension(schema));
        }
        let (extension, attribute) = match name.urn.as_deref() {
            None => (None, self.attribute(&name.attribute)?),
            Some(urn) if urn.eq_ignore_ascii_case(self.schema().id) => {
                (None, self.attribute(&name.attribute)?)
            }
            Some(urn) => {
                let schema = self.extension(urn)?;
                (Some(schema), schema.attribute(&name.attribute)?)
            }
        };
        let sub = match name.sub.as_deref() {
            Some(sub) => Some(attribute.sub(sub)?),
            None => None,
        };
        Some(Meaning::Attribute(Spot {
            extension,
            attribute,
            sub,
        }))
    }
}
