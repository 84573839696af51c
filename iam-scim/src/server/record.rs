//! A resource as the store keeps it, and the keys by which it is found.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::matching::fold;
use super::schema::Kind;

/// One stored resource. The body is canonical JSON with `schemas`, `id` and `meta` (without the location, which
/// depends on the URL of the request).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// User or Group.
    pub kind: Kind,
    /// The service provider's identifier.
    pub id: String,
    /// Counts the changes, from 1.
    pub version: u64,
    /// The canonical JSON.
    pub body: Map<String, Value>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("version", &self.version)
            .finish()
    }
}

/// What records are found by without reading them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Index {
    /// A user's `userName`, without case.
    UserName,
    /// A group's `displayName`, without case.
    DisplayName,
    /// `externalId`, with case.
    ExternalId,
    /// `emails.value`, without case.
    Email,
    /// A group's `members.value`, with case.
    Member,
}

impl Index {
    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::DisplayName => "displayName",
            Self::ExternalId => "externalId",
            Self::Email => "emails.value",
            Self::Member => "members.value",
        }
    }

    /// Whether two records of one kind may share a value. `externalId` may be shared: each provisioning client has
    /// its own (RFC 7643 section 3.1).
    pub fn unique(self) -> bool {
        matches!(self, Self::UserName | Self::DisplayName)
    }

    pub(crate) fn of(kind: Kind, attribute: &str, sub: Option<&str>) -> Option<Self> {
        match (kind, attribute, sub) {
            (Kind::User, "userName", None) => Some(Self::UserName),
            (Kind::Group, "displayName", None) => Some(Self::DisplayName),
            (_, "externalId", None) => Some(Self::ExternalId),
            (Kind::User, "emails", Some("value")) => Some(Self::Email),
            (Kind::Group, "members", Some("value")) => Some(Self::Member),
            _ => None,
        }
    }
}

/// A value under an index, folded where case does not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Key {
    /// Which index.
    pub index: Index,
    /// The value as it is compared.
    pub value: String,
}

impl Key {
    pub(crate) fn new(index: Index, value: &str) -> Self {
        let value = match index {
            Index::UserName | Index::DisplayName | Index::Email => fold(value),
            Index::ExternalId | Index::Member => value.to_owned(),
        };
        Self { index, value }
    }
}

impl Record {
    /// A record as a store read it.
    pub fn from_parts(kind: Kind, id: impl Into<String>, version: u64, body: Map<String, Value>) -> Self {
        Self {
            kind,
            id: id.into(),
            version,
            body,
        }
    }

    /// Every key of the record, each once.
    pub fn keys(&self) -> Vec<Key> {
        let text = |name: &str| self.body.get(name).and_then(Value::as_str);
        let values = |name: &str| {
            let list = self.body.get(name).and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .filter_map(|one| one.get("value")?.as_str())
        };
        let mut keys = Vec::new();
        if let Some(value) = text("externalId") {
            keys.push(Key::new(Index::ExternalId, value));
        }
        match self.kind {
            Kind::User => {
                keys.extend(text("userName").map(|value| Key::new(Index::UserName, value)));
                keys.extend(values("emails").map(|value| Key::new(Index::Email, value)));
            }
            Kind::Group => {
                keys.extend(text("displayName").map(|value| Key::new(Index::DisplayName, value)));
                keys.extend(values("members").map(|value| Key::new(Index::Member, value)));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// A record of canonical attributes, with `schemas`, `id` and `meta` around them.
    pub(crate) fn new(kind: Kind, id: String, attributes: Map<String, Value>, now: Timestamp) -> Self {
        let mut record = Self {
            kind,
            id,
            version: 0,
            body: attributes,
        };
        let now = now.to_string();
        record.seal(1, Some(&now.clone().into()), &now);
        record
    }

    /// The next version with these attributes; `created` stays.
    pub(crate) fn next(&self, attributes: Map<String, Value>, now: Timestamp) -> Self {
        let mut record = Self {
            kind: self.kind,
            id: self.id.clone(),
            version: self.version,
            body: attributes,
        };
        let created = self.body.get("meta").and_then(|meta| meta.get("created"));
        record.seal(self.version + 1, created, &now.to_string());
        record
    }

    fn seal(&mut self, version: u64, created: Option<&Value>, now: &str) {
        self.version = version;
        let mut schemas = vec![self.kind.schema().id];
        schemas.extend(
            self.kind
                .extensions()
                .iter()
                .map(|one| one.id)
                .filter(|id| self.body.contains_key(*id)),
        );
        let mut body = Map::new();
        body.insert("schemas".into(), json!(schemas));
        body.insert("id".into(), self.id.clone().into());
        for (name, value) in std::mem::take(&mut self.body) {
            if own(&name) {
                body.insert(name, value);
            }
        }
        let meta = json!({
            "resourceType": self.kind.name(),
            "created": created,
            "lastModified": now,
            "version": tag(version),
        });
        body.insert("meta".into(), meta);
        self.body = body;
    }

    /// The attributes without `schemas`, `id` and `meta`.
    pub(crate) fn attributes(&self) -> Map<String, Value> {
        let all = self.body.iter().filter(|(name, _)| own(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether these are its attributes.
    pub(crate) fn holds(&self, attributes: &Map<String, Value>) -> bool {
        let mut all = self.body.iter().filter(|(name, _)| own(name));
        let equal = all.try_fold(0, |count, (name, value)| {
            (attributes.get(name) == Some(value)).then_some(count + 1)
        });
        equal == Some(attributes.len())
    }

    pub(crate) fn tag(&self) -> String {
        tag(self.version)
    }
}

/// Whether the client wrote it, and not the engine around it.
fn own(name: &str) -> bool {
    !matches!(name, "schemas" | "id" | "meta")
}

/// The weak entity tag of a version.
fn tag(version: u64) -> String {
    format!("W/\"{version}\"")
}
