//! What a server says it can do (RFC 7643 sections 5 to 7, RFC 7644 section 4), and [`Abilities`]: what the
//! client makes of it, corrected by what the server turned out to refuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use iam_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::ScimClient;
use crate::error::read;
use crate::values::{attribute, boolean, list};

/// The `ServiceProviderConfig`. What the server did not say counts as not supported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ServiceProviderConfig {
    pub patch: Feature,
    pub bulk: Feature,
    pub filter: Feature,
    pub change_password: Feature,
    pub sort: Feature,
    pub etag: Feature,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One optional feature, and its limits where it has some.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Feature {
    /// Whether the server has it.
    #[serde(deserialize_with = "boolean")]
    pub supported: Option<bool>,
    /// The most operations of a bulk request.
    pub max_operations: Option<u64>,
    /// The most bytes of a bulk request.
    pub max_payload_size: Option<u64>,
    /// The most results of a filter.
    pub max_results: Option<u64>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A sort of resource that the server has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct ResourceType {
    pub name: String,
    /// The path below the base URL.
    pub endpoint: String,
    /// The URN of its schema.
    pub schema: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Schema {
    /// Its URN.
    pub id: String,
    pub name: Option<String>,
    #[serde(deserialize_with = "list")]
    pub attributes: Vec<Definition>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The definition of an attribute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
#[non_exhaustive]
pub struct Definition {
    pub name: String,
    #[serde(deserialize_with = "boolean")]
    pub multi_valued: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub required: Option<bool>,
    /// `readOnly`, `readWrite`, `immutable` or `writeOnly`.
    pub mutability: Option<String>,
    /// Suggested values.
    pub canonical_values: Option<Vec<String>>,
    #[serde(deserialize_with = "list")]
    pub sub_attributes: Vec<Definition>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the client may use at this server.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // independent features, as SCIM has them
pub struct Abilities {
    /// PATCH; without it, changes are made by GET and PUT of the whole.
    pub patch: bool,
    /// Filters; without them, collections are paged through and filtered here.
    pub filter: bool,
    /// Attributes that the server turned out not to filter by, in lower case.
    pub unfilterable: BTreeSet<String>,
    /// Bulk requests, and the most operations of one. The client does not send any.
    pub bulk: Option<u64>,
    /// Versions: `If-Match` on PUT.
    pub etag: bool,
    /// Sorting.
    pub sort: bool,
    /// The path of users.
    pub users: String,
    /// The path of groups; `None` when the server has none.
    pub groups: Option<String>,
}

impl Abilities {
    /// What is assumed of a server without discovery: the protocol's core, and what it refuses is learnt.
    fn assumed() -> Self {
        Self {
            patch: true,
            filter: true,
            unfilterable: BTreeSet::new(),
            bulk: None,
            etag: false,
            sort: false,
            users: "/Users".to_owned(),
            groups: Some("/Groups".to_owned()),
        }
    }

    fn take(&mut self, config: &ServiceProviderConfig) {
        let has = |feature: &Feature| feature.supported == Some(true);
        self.patch = has(&config.patch);
        self.filter = has(&config.filter);
        self.etag = has(&config.etag);
        self.sort = has(&config.sort);
        self.bulk = has(&config.bulk).then(|| config.bulk.max_operations.unwrap_or(1));
    }
}

impl ScimClient {
    /// The server's `ServiceProviderConfig`.
    pub async fn service_provider_config(&self) -> Result<ServiceProviderConfig> {
        let request = self.root.get("/ServiceProviderConfig", "read abilities");
        self.fetch(request).await
    }

    /// The sorts of resources that the server has.
    pub async fn resource_types(&self) -> Result<Vec<ResourceType>> {
        self.described("/ResourceTypes", "read resource types").await
    }

    /// The schemas that the server knows.
    pub async fn schemas(&self) -> Result<Vec<Schema>> {
        self.described("/Schemas", "read schemas").await
    }

    async fn described<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        operation: &'static str,
    ) -> Result<Vec<T>> {
        let items = match self.fetch::<Value>(self.root.get(path, operation)).await? {
            Value::Array(items) => items,
            Value::Object(fields) => match attribute(&fields, "Resources") {
                Some(Value::Array(items)) => items.clone(),
                _ => {
                    return Err(
                        Error::new(ErrorKind::Protocol, "the answer holds no list").with_operation(operation)
                    );
                }
            },
            _ => {
                return Err(
                    Error::new(ErrorKind::Protocol, "the answer holds no list").with_operation(operation)
                );
            }
        };
        items.into_iter().map(|item| read(item, operation)).collect()
    }

    /// What this server can do: asked once, then corrected by what it refuses. A server without discovery is
    /// assumed to have the protocol's core.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the token: nothing is assumed then.
    pub async fn abilities(&self) -> Result<Arc<Abilities>> {
        // Held while asking: those who come meanwhile share the answer.
        let mut known = self.known.lock().await;
        if let Some(abilities) = known.as_ref() {
            return Ok(abilities.clone());
        }
        let mut abilities = Abilities::assumed();
        if let Some(config) = optional(self.service_provider_config().await)? {
            abilities.take(&config);
        }
        if let Some(types) = optional(self.resource_types().await)? {
            let path = |name: &str| {
                let found = types.iter().find(|kind| kind.name.eq_ignore_ascii_case(name));
                found.map(|kind| endpoint(&kind.endpoint))
            };
            if let Some(Some(users)) = path("User") {
                abilities.users = users;
            }
            abilities.groups = path("Group").map(|path| path.unwrap_or_else(|| "/Groups".to_owned()));
        } else {
            let probe = self.root.get("/Groups?startIndex=1&count=1", "list groups");
            if optional(self.send(probe).await)?.is_none() {
                abilities.groups = None;
            }
        }
        let abilities = Arc::new(abilities);
        *known = Some(abilities.clone());
        Ok(abilities)
    }

    /// Replaces what is known of the server, for one whose discovery says the wrong thing.
    pub async fn assume(&self, abilities: Abilities) {
        *self.known.lock().await = Some(Arc::new(abilities));
    }

    /// Remembers what the server turned out to refuse.
    pub(crate) async fn learn(&self, change: impl FnOnce(&mut Abilities)) {
        if let Some(known) = self.known.lock().await.as_mut() {
            change(Arc::make_mut(known));
        }
    }
}

/// `None` where the server does not have this at all; a failure that may pass stays one.
fn optional<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.status(), Some(400 | 403 | 404 | 405 | 410 | 501)) => Ok(None),
        // An answer, but none of the protocol's: a web page, another document.
        Err(error) if error.kind() == ErrorKind::Protocol => Ok(None),
        Err(error) => Err(error),
    }
}

/// A path below the base URL, or nothing where the server names something else.
fn endpoint(text: &str) -> Option<String> {
    let path = text.trim().trim_matches('/');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!path.is_empty() && path.bytes().all(fits)).then(|| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_stay_below_the_base() {
        for (text, expect) in [
            ("/Users", Some("/Users")),
            ("users/", Some("/users")),
            ("https://evil.example/Users", None),
            ("//evil.example", None),
            ("/../admin", None),
            ("", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn what_a_server_does_not_announce_it_does_not_have() {
        let config =
            serde_json::json!({ "patch": { "supported": "true" }, "bulk": { "supported": false }, "x": 1 });
        let mut abilities = Abilities::assumed();
        abilities.take(&serde_json::from_value(config).unwrap());
        assert!(abilities.patch && !abilities.filter && !abilities.etag && abilities.bulk.is_none());
    }
}
