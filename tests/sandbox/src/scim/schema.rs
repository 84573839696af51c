//! The attributes of users and groups (RFC 7643, 4 and 8.7), from which /Schemas is written and bodies are read.

use serde_json::{Value, json};

use Form::{Boolean, Complex, Reference, Text};

/// The user schema of RFC 7643.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The group schema of RFC 7643.
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of users.
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What values an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Boolean,
    Reference,
    Complex,
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) many: bool,
    pub(super) exact: bool,
    pub(super) mutability: &'static str,
    /// Required, and no two resources have the same.
    pub(super) key: bool,
    pub(super) parts: &'static [Attribute],
}

const fn one(name: &'static str, form: Form) -> Attribute {
    Attribute {
        name,
        form,
        many: false,
        exact: false,
        mutability: "readWrite",
        key: false,
        parts: &[],
    }
}

const fn complex(name: &'static str, parts: &'static [Attribute]) -> Attribute {
    Attribute {
        parts,
        ..one(name, Complex)
    }
}

const fn many(name: &'static str, parts: &'static [Attribute]) -> Attribute {
    Attribute {
        many: true,
        ..complex(name, parts)
    }
}

const fn exact(attribute: Attribute) -> Attribute {
    Attribute {
        exact: true,
        ..attribute
    }
}

const fn named(name: &'static str) -> Attribute {
    Attribute {
        key: true,
        ..one(name, Text)
    }
}

const fn read_only(attribute: Attribute) -> Attribute {
    Attribute {
        mutability: "readOnly",
        ..attribute
    }
}

const ENTRY: &[Attribute] = &[
    one("value", Text),
    one("display", Text),
    one("type", Text),
    one("primary", Boolean),
];
const LINK: &[Attribute] = &[
    exact(one("value", Text)),
    one("$ref", Reference),
    one("display", Text),
    one("type", Text),
];

/// What every resource has (RFC 7643, 3.1).
const COMMON: &[Attribute] = &[
    read_only(exact(one("id", Text))),
    exact(one("externalId", Text)),
    read_only(complex(
        "meta",
        &[
            one("resourceType", Text),
            one("created", Text),
            one("lastModified", Text),
            one("location", Reference),
            one("version", Text),
        ],
    )),
];
const USERS: &[Attribute] = &[
    named("userName"),
    complex(
        "name",
        &[
            one("formatted", Text),
            one("familyName", Text),
            one("givenName", Text),
            one("middleName", Text),
            one("honorificPrefix", Text),
            one("honorificSuffix", Text),
        ],
    ),
    one("displayName", Text),
    one("nickName", Text),
    one("profileUrl", Reference),
    one("title", Text),
    one("userType", Text),
    one("preferredLanguage", Text),
    one("locale", Text),
    one("timezone", Text),
    one("active", Boolean),
    Attribute {
        mutability: "writeOnly",
        ..one("password", Text)
    },
    many("emails", ENTRY),
    many("phoneNumbers", ENTRY),
    many(
        "addresses",
        &[
            one("formatted", Text),
            one("streetAddress", Text),
            one("locality", Text),
            one("region", Text),
            one("postalCode", Text),
            one("country", Text),
            one("type", Text),
            one("primary", Boolean),
        ],
    ),
    read_only(many("groups", LINK)),
    many("entitlements", ENTRY),
    many("roles", ENTRY),
];
const ENTERPRISES: &[Attribute] = &[
    one("employeeNumber", Text),
    one("costCenter", Text),
    one("organization", Text),
    one("division", Text),
    one("department", Text),
    complex(
        "manager",
        &[
            one("value", Text),
            one("$ref", Reference),
            read_only(one("displayName", Text)),
        ],
    ),
];
const GROUPS: &[Attribute] = &[named("displayName"), many("members", LINK)];

/// Users or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    pub(super) fn endpoint(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }

    /// The attribute whose value no two resources share.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::User => "userName",
            Self::Group => "displayName",
        }
    }

    /// Schema urn and attributes, the core first.
    pub(super) fn schemas(self) -> &'static [(&'static str, &'static str, &'static [Attribute])] {
        match self {
            Self::User => &[(USER, "User", USERS), (ENTERPRISE, "EnterpriseUser", ENTERPRISES)],
            Self::Group => &[(GROUP, "Group", GROUPS)],
        }
    }

    /// The attribute of that name in a schema; of the core, those that every resource has too.
    pub(super) fn attribute(self, urn: &str, name: &str) -> Option<&'static Attribute> {
        let (core, ..) = self.schemas()[0];
        let (_, _, own) = self.schemas().iter().find(|(known, ..)| *known == urn)?;
        let common: &[Attribute] = if urn == core { COMMON } else { &[] };
        own.iter()
            .chain(common)
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }
}

impl Attribute {
    pub(super) fn part(&self, name: &str) -> Option<&'static Attribute> {
        self.parts
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// As /Schemas describes it (RFC 7643, 7).
    fn describe(&self) -> Value {
        let form = match self.form {
            Text => "string",
            Boolean => "boolean",
            Reference => "reference",
            Complex => "complex",
        };
        let mut out = json!({
            "name": self.name, "type": form, "multiValued": self.many, "description": self.name,
            "required": self.key, "caseExact": self.exact, "mutability": self.mutability,
            "returned": if self.mutability == "writeOnly" { "never" } else { "default" },
            "uniqueness": if self.key { "server" } else { "none" },
        });
        if !self.parts.is_empty() {
            out["subAttributes"] = self.parts.iter().map(Attribute::describe).collect();
        }
        if self.form == Reference {
            out["referenceTypes"] = json!(["uri"]);
        }
        out
    }
}

/// The schema documents.
pub(super) fn documents(root: &str) -> Vec<Value> {
    let all = [Kind::User, Kind::Group].into_iter().flat_map(Kind::schemas);
    all.map(|(urn, name, attributes)| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": urn, "name": name,
            "description": name, "attributes": attributes.iter().map(Attribute::describe).collect::<Value>(),
            "meta": { "resourceType": "Schema", "location": format!("{root}/Schemas/{urn}") },
        })
    })
    .collect()
}
