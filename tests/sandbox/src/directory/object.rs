//! One directory object.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::app_roles::AppRoleAssignment;
use crate::authentication::Method;
use crate::call::Call;
use crate::schema::Kind;

/// A user, a group, or another kind of object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) place: u64,
    pub(crate) created: Timestamp,
    pub(crate) props: Map<String, Value>,
    /// How often a password was set. The password itself is not kept.
    pub(crate) password_version: u32,
    /// Salted digest of the password; none while it is the one of the seed.
    pub(crate) password_digest: Option<Vec<u8>>,
    /// The user must choose another password when it signs in.
    pub(crate) must_change_password: bool,
    /// How often the user was signed out everywhere.
    pub(crate) sessions_revoked: u32,
    /// Licences of a user, or those a group hands to its members: SKU id to holding.
    pub(crate) licenses: BTreeMap<String, Holding>,
    /// Licences that a user has through groups: (group, SKU) to holding.
    pub(crate) inherited: BTreeMap<(String, String), Holding>,
    /// What the settings of the user's mailbox were changed to, by name.
    pub(crate) mailbox: Map<String, Value>,
    /// The rules of the user's inbox.
    pub(crate) rules: Vec<Value>,
    /// How a user can prove who it is, beside the password.
    pub(crate) methods: Vec<Method>,
    /// Key id and digest of each secret of an application.
    pub(crate) secrets: Vec<(String, Vec<u8>)>,
    /// What a soft-deleted object gets back when it is restored.
    pub(crate) shelf: Shelf,
}

/// One licence as it is held.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(crate) disabled_plans: Vec<String>,
    pub(crate) since: Timestamp,
    /// `None`, `CountViolation`, ...
    pub(crate) error: &'static str,
}

/// The links of a soft-deleted object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) groups: Vec<String>,
    pub(crate) members: Vec<String>,
    /// Administrative units.
    pub(crate) units: Vec<String>,
    /// Groups that it owns.
    pub(crate) owned: Vec<String>,
    /// Who owns it.
    pub(crate) owners: Vec<String>,
    /// Whose sponsor it is.
    pub(crate) sponsored: Vec<String>,
    pub(crate) sponsors: Vec<String>,
    pub(crate) manager: Option<String>,
    pub(crate) reports: Vec<String>,
    /// Role definition id and scope.
    pub(crate) roles: Vec<(String, String)>,
    pub(crate) app_roles: Vec<AppRoleAssignment>,
}

impl Object {
    pub(crate) fn new(
        id: String,
        kind: Kind,
        place: u64,
        created: Timestamp,
        props: Map<String, Value>,
    ) -> Self {
        Self {
            id,
            kind,
            place,
            created,
            props,
            password_version: 0,
            password_digest: None,
            must_change_password: false,
            sessions_revoked: 0,
            licenses: BTreeMap::new(),
            inherited: BTreeMap::new(),
            mailbox: Map::new(),
            rules: Vec::new(),
            methods: Vec::new(),
            secrets: Vec::new(),
            shelf: Shelf::default(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.props.get(name).and_then(Value::as_str)
    }

    pub(crate) fn truth(&self, name: &str) -> bool {
        self.props.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn has_text(&self, name: &str, item: &str) -> bool {
        let items = self.props.get(name).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(|value| value.as_str() == Some(item)))
    }

    /// Sets a property; null removes it.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if value.is_null() {
            self.props.remove(name);
        } else {
            self.props.insert(name.to_owned(), value);
        }
    }

    /// The mail addresses that nobody else may have, in lower case.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let proxies = self.props.get("proxyAddresses").and_then(Value::as_array);
        let bare = |value: &Value| {
            let text = value.as_str()?;
            Some(
                text.split_once(':')
                    .map_or(text, |(_, address)| address)
                    .to_lowercase(),
            )
        };
        let mut found: Vec<String> = proxies.into_iter().flatten().filter_map(bare).collect();
        found.extend(self.text("mail").map(str::to_lowercase));
        found.dedup();
        found
    }

    /// Whether a request that lags behind sees this object already.
    pub(crate) fn seen_by(&self, call: &Call) -> bool {
        call.seen_until.is_none_or(|until| self.created <= until)
    }

    pub(crate) fn is_dynamic(&self) -> bool {
        self.has_text("groupTypes", "DynamicMembership")
    }
}
