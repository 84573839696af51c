//! One object of a round: how its parts are joined, and what has changed about it.

use std::collections::{BTreeMap, BTreeSet};

use iam_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::users::DirectoryObject;

/// The ending of properties that hold changed links.
const LINKS: &str = "@delta";
const REMOVED: &str = "@removed";

/// One change.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change<T> {
    /// The object is new, has changed, or is there at the start.
    Changed(Box<Changed<T>>),
    /// The object is gone.
    Removed(Removed),
    /// The link was too old: everything that exists follows, and what does not come in this round no longer exists.
    /// Only with [`resync_when_expired`](super::DeltaQuery::resync_when_expired).
    Restarted,
}

impl<T> Change<T> {
    /// The object's id, where the change is about one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Changed(changed) => Some(&changed.id),
            Self::Removed(removed) => Some(&removed.id),
            Self::Restarted => None,
        }
    }
}

/// An object as it is now, as far as Graph shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Changed<T> {
    /// Its id.
    pub id: String,
    /// The object, with the properties that Graph sent.
    pub item: T,
    /// The names of those properties. One that is here and has no value in [`item`](Self::item) has been cleared; one
    /// that is not here says nothing.
    pub properties: BTreeSet<String>,
    /// Changed links, by relation (`members`, `owners`, `manager`).
    pub relations: BTreeMap<String, Links>,
}

impl<T> Changed<T> {
    /// The members that a group has gained and lost, where any have changed.
    pub fn members(&self) -> Option<&Links> {
        self.relations.get("members")
    }
}

/// Links that came and went. In the first round all that there are have come.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Links {
    /// Linked now; the type is in [`DirectoryObject::other`] as `@odata.type`.
    pub added: Vec<DirectoryObject>,
    /// No longer linked.
    pub removed: Vec<DirectoryObject>,
}

/// An object that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Its id.
    pub id: String,
    /// How it went.
    pub reason: Reason,
}

/// How an object went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is among the deleted, and can be restored (`changed`).
    SoftDeleted,
    /// It cannot be restored (`deleted`).
    Purged,
    /// Graph says something else, or nothing.
    Other(String),
}

/// An object as it came, perhaps joined from several parts.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub(super) struct Row {
    id: String,
    properties: Map<String, Value>,
}

impl TryFrom<Map<String, Value>> for Row {
    type Error = &'static str;

    fn try_from(mut properties: Map<String, Value>) -> Result<Self, Self::Error> {
        match properties.remove("id") {
            Some(Value::String(id)) if !id.is_empty() => Ok(Self { id, properties }),
            _ => Err("an object without an id"),
        }
    }
}

impl Row {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Joins what came later: properties replace, links add up, and an object that went or came back has no past.
    pub(super) fn merge(&mut self, later: Self) {
        if later.properties.contains_key(REMOVED) || self.properties.contains_key(REMOVED) {
            *self = later;
            return;
        }
        for (name, value) in later.properties {
            match (self.properties.get_mut(&name), value) {
                (Some(Value::Array(links)), Value::Array(more)) if name.ends_with(LINKS) => {
                    links.extend(more);
                }
                (_, value) => {
                    self.properties.insert(name, value);
                }
            }
        }
    }

    pub(super) fn change<T: DeserializeOwned>(self, operation: &'static str) -> Result<Change<T>> {
        let Self { id, properties } = self;
        let misfit = |id: &str| {
            let message = format!("object {id} in the list of changes does not fit its type");
            Error::new(ErrorKind::Protocol, message).with_operation(operation)
        };
        if let Some(removed) = properties.get(REMOVED) {
            let reason = match removed.get("reason").and_then(Value::as_str) {
                Some("changed") => Reason::SoftDeleted,
                Some("deleted") => Reason::Purged,
                other => Reason::Other(other.unwrap_or_default().to_owned()),
            };
            return Ok(Change::Removed(Removed { id, reason }));
        }
        let mut relations = BTreeMap::new();
        let mut item = Map::new();
        for (name, value) in properties {
            if let Some(relation) = name.strip_suffix(LINKS) {
                relations.insert(relation.to_owned(), links(&value).ok_or_else(|| misfit(&id))?);
            } else {
                item.insert(name, value);
            }
        }
        let properties = item.keys().filter(|name| !name.contains('@')).cloned().collect();
        item.insert("id".to_owned(), id.as_str().into());
        let item = serde_json::from_value(Value::Object(item)).map_err(|_| misfit(&id))?;
        Ok(Change::Changed(Box::new(Changed {
            id,
            item,
            properties,
            relations,
        })))
    }
}

/// Each linked object once, by the last word on it, in the order in which they came first.
fn links(value: &Value) -> Option<Links> {
    let mut order: Vec<String> = Vec::new();
    let mut last: BTreeMap<String, (DirectoryObject, bool)> = BTreeMap::new();
    for entry in value.as_array()? {
        let mut object: DirectoryObject = serde_json::from_value(entry.clone()).ok()?;
        let gone = object.other.remove(REMOVED).is_some();
        if last.insert(object.id.clone(), (object.clone(), gone)).is_none() {
            order.push(object.id);
        }
    }
    let mut out = Links::default();
    for id in order {
        if let Some((object, gone)) = last.remove(&id) {
            if gone {
                out.removed.push(object);
            } else {
                out.added.push(object);
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::Group;
    use serde_json::json;

    fn row(value: Value) -> Row {
        serde_json::from_value(value).unwrap()
    }

    fn joined(parts: &[Value]) -> Change<Group> {
        let mut parts = parts.iter().cloned().map(row);
        let mut first = parts.next().unwrap();
        parts.for_each(|part| first.merge(part));
        first.change("test").unwrap()
    }

    fn ids(objects: &[DirectoryObject]) -> Vec<&str> {
        objects.iter().map(|object| object.id.as_str()).collect()
    }

    #[test]
    fn parts_are_joined_and_the_last_word_counts() {
        let gone = |id: &str| json!({"id": id, "@removed": {"reason": "deleted"}});
        let change = joined(&[
            json!({"id": "g", "displayName": "old", "description": "d", "members@delta": [{"id": "a"}, {"id": "b"}]}),
            json!({"id": "g", "displayName": "new", "description": null, "members@delta": [gone("b"), {"id": "c"}, gone("d")]}),
            json!({"id": "g", "members@delta": [{"id": "d", "@odata.type": "#microsoft.graph.user"}], "owners@delta": [{"id": "o"}]}),
        ]);
        let Change::Changed(group) = change else {
            panic!("{change:?}")
        };
        assert_eq!((group.id.as_str(), group.item.id.as_str()), ("g", "g"));
        assert_eq!(group.item.display_name.as_deref(), Some("new"));
        assert_eq!(
            group.properties.iter().collect::<Vec<_>>(),
            ["description", "displayName"]
        );
        let members = group.members().unwrap();
        assert_eq!(
            (ids(&members.added), ids(&members.removed)),
            (vec!["a", "c", "d"], vec!["b"])
        );
        assert_eq!(members.added[2].other["@odata.type"], "#microsoft.graph.user");
        assert!(members.removed[0].other.is_empty());
        assert_eq!(ids(&group.relations["owners"].added), ["o"]);
        assert!(
            !group.item.other.keys().any(|name| name.contains('@')),
            "{:?}",
            group.item.other
        );
    }

    #[test]
    fn who_went_or_came_back_has_no_past() {
        let removed = |reason: &str| json!({"id": "g", "@removed": {"reason": reason}});
        let there = json!({"id": "g", "displayName": "x", "members@delta": [{"id": "a"}]});
        let back = json!({"id": "g", "displayName": "y"});
        for (reason, expect) in [
            ("changed", Reason::SoftDeleted),
            ("deleted", Reason::Purged),
            ("brandNew", Reason::Other("brandNew".into())),
        ] {
            let change = joined(&[there.clone(), removed(reason)]);
            assert_eq!(
                change,
                Change::Removed(Removed {
                    id: "g".into(),
                    reason: expect
                })
            );
        }
        let Change::Changed(group) = joined(&[there, removed("changed"), back]) else {
            panic!()
        };
        assert_eq!(
            (group.item.display_name.as_deref(), group.members()),
            (Some("y"), None)
        );
    }

    #[test]
    fn misfits_are_errors_that_repeat_no_value() {
        assert!(serde_json::from_value::<Row>(json!({"displayName": "Ada"})).is_err());
        for value in [
            json!({"id": "g", "displayName": ["Ada"]}),
            json!({"id": "g", "members@delta": "Ada"}),
            json!({"id": "g", "members@delta": [{"id": 7, "x": "Ada"}]}),
        ] {
            let error = row(value).change::<Group>("test").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(!format!("{error:?}").contains("Ada"), "{error:?}");
        }
    }
}
