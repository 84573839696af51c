//! [`Patch`]: what PATCH changes (RFC 7644 section 3.5.2), and the same change made to a whole resource for
//! servers that have only PUT.
//!
//! A patch has three states per attribute: set, cleared, or left as it is. Operations are lower case, each
//! with a path, and members are removed one by one by a value filter: a `remove` of `members` with a list as
//! its value clears the whole group at servers that follow the RFC, and is never sent.

use std::fmt;

use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};

use crate::client::{Root, ScimClient, with_body};
use crate::filter::Filter;
use crate::values::{attribute, spelled};

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// How often GET and PUT are repeated when somebody else changed the resource in between.
const TRIES: usize = 3;

/// What an operation is about: an attribute, a sub-attribute, an attribute of an extension, or the elements
/// of a list that a filter matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    schema: Option<String>,
    attribute: String,
    matching: Option<Filter>,
    sub: Option<String>,
}

impl Path {
    /// An attribute, for example `displayName`.
    pub fn new(attribute: &str) -> Self {
        Self {
            schema: None,
            attribute: attribute.to_owned(),
            matching: None,
            sub: None,
        }
    }

    /// The attribute of an extension, by its schema's URN.
    #[must_use]
    pub fn within(mut self, urn: &str) -> Self {
        self.schema = Some(urn.to_owned());
        self
    }

    /// Only the elements that match, for example `members` where `value` equals an id.
    #[must_use]
    pub fn matching(mut self, filter: Filter) -> Self {
        self.matching = Some(filter);
        self
    }

    /// A sub-attribute.
    #[must_use]
    pub fn part(mut self, name: &str) -> Self {
        self.sub = Some(name.to_owned());
        self
    }
}

/// `displayName`, `name.givenName`.
impl From<&str> for Path {
    fn from(path: &str) -> Self {
        match path.split_once('.') {
            Some((attribute, sub)) => Self::new(attribute).part(sub),
            None => Self::new(path),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(&self.attribute)?;
        if let Some(filter) = &self.matching {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, PartialEq)]
enum Operation {
    Add(Path, Value),
    Replace(Path, Value),
    Remove(Path),
}

/// Changes to one resource, made all or none. `Debug` prints how many.
#[derive(Clone, Default, PartialEq)]
pub struct Patch(Vec<Operation>);

impl Patch {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value (`replace`).
    #[must_use]
    pub fn set(mut self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.0.push(Operation::Replace(path.into(), value.into()));
        self
    }

    /// Clears (`remove`): the attribute, or what the path's filter matches.
    #[must_use]
    pub fn clear(mut self, path: impl Into<Path>) -> Self {
        self.0.push(Operation::Remove(path.into()));
        self
    }

    /// Adds elements to a list (`add`).
    #[must_use]
    pub fn add(mut self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.0.push(Operation::Add(path.into(), value.into()));
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The body of the PATCH request.
    pub fn body(&self) -> Value {
        let operation = |operation: &Operation| match operation {
            Operation::Add(path, value) => json!({ "op": "add", "path": path.to_string(), "value": value }),
            Operation::Replace(path, value) => {
                json!({ "op": "replace", "path": path.to_string(), "value": value })
            }
            Operation::Remove(path) => json!({ "op": "remove", "path": path.to_string() }),
        };
        let operations: Vec<Value> = self.0.iter().map(operation).collect();
        json!({ "schemas": [SCHEMA], "Operations": operations })
    }

    /// Makes the changes to a whole resource.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with the code `noTarget` when a set path's filter matches nothing.
    pub fn apply(&self, resource: &mut Map<String, Value>) -> Result<()> {
        self.0
            .iter()
            .try_for_each(|operation| change(resource, operation))
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patch({} operations)", self.0.len())
    }
}

fn change(resource: &mut Map<String, Value>, operation: &Operation) -> Result<()> {
    let (path, value) = match operation {
        Operation::Add(path, value) | Operation::Replace(path, value) => (path, Some(value)),
        Operation::Remove(path) => (path, None),
    };
    let holder = match &path.schema {
        Some(urn) => {
            announce(resource, urn);
            object(resource, urn)?
        }
        None => resource,
    };
    let name = spelled(holder, &path.attribute);
    if let Some(filter) = &path.matching {
        return elements(holder, &name, filter, path.sub.as_deref(), value);
    }
    let (holder, name) = match &path.sub {
        Some(sub) => {
            let inner = object(holder, &name)?;
            let sub = spelled(inner, sub);
            (inner, sub)
        }
        None => (holder, name),
    };
    match (operation, value) {
        (Operation::Add(..), Some(value))
            if value.is_array() || holder.get(&name).is_some_and(Value::is_array) =>
        {
            let list = holder.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if list.is_null() {
                *list = Value::Array(Vec::new());
            }
            if let Value::Array(list) = list {
                let added = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let same = |a: &Value, b: &Value| {
                    a == b || a.get("value").is_some() && a.get("value") == b.get("value")
                };
                for value in added {
                    if !list.iter().any(|there| same(there, &value)) {
                        list.push(value);
                    }
                }
            }
        }
        (_, Some(value)) => {
            holder.insert(name, value.clone());
        }
        (_, None) => {
            holder.shift_remove(&name);
        }
    }
    Ok(())
}

/// Changes or removes the elements of a list that match.
fn elements(
    holder: &mut Map<String, Value>,
    name: &str,
    filter: &Filter,
    sub: Option<&str>,
    value: Option<&Value>,
) -> Result<()> {
    let matches = |element: &Value| element.as_object().is_some_and(|fields| filter.matches(fields));
    let list = holder.get_mut(name).and_then(Value::as_array_mut);
    match (list, value) {
        (None, None) => return Ok(()),
        (Some(list), None) if sub.is_none() => {
            list.retain(|element| !matches(element));
            return Ok(());
        }
        (Some(list), value) => {
            let mut found = false;
            for element in list.iter_mut().filter(|element| matches(element)) {
                found = true;
                match (element.as_object_mut(), sub, value) {
                    (Some(fields), Some(sub), Some(value)) => {
                        let sub = spelled(fields, sub);
                        fields.insert(sub, value.clone());
                    }
                    (Some(fields), Some(sub), None) => {
                        let sub = spelled(fields, sub);
                        fields.shift_remove(&sub);
                    }
                    (_, _, Some(value)) => *element = value.clone(),
                    _ => {}
                }
            }
            if found || value.is_none() {
                return Ok(());
            }
        }
        (None, Some(_)) => {}
    }
    let message = format!("the filter on {name} matches nothing");
    Err(Error::new(ErrorKind::Invalid, message).with_code("noTarget"))
}

/// The object at a name, made if there is none.
fn object<'a>(of: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>> {
    let name = spelled(of, name);
    let value = of.entry(name.clone()).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().ok_or_else(|| {
        let message = format!("{name} is not an object at this server, and its parts cannot be set");
        Error::new(ErrorKind::Invalid, message).with_code("invalidPath")
    })
}

/// A resource lists the schemas it has attributes of (RFC 7643 section 3).
fn announce(resource: &mut Map<String, Value>, urn: &str) {
    let schemas = resource
        .entry("schemas")
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = schemas
        && !list.iter().any(|known| {
            known
                .as_str()
                .is_some_and(|known| known.eq_ignore_ascii_case(urn))
        })
    {
        list.push(urn.into());
    }
}

impl Root {
    pub(crate) fn patch(&self, at: &str, patch: &Patch, operation: &'static str) -> Result<Request> {
        with_body(self.request(Method::Patch, at, operation), &patch.body())
    }
}

impl ScimClient {
    /// Changes the resource at a path, by PATCH where the server has it, else by GET and PUT of the whole.
    /// The resource as it is then, where the server sent it.
    pub(crate) async fn modify(
        &self,
        at: &str,
        patch: &Patch,
        operation: &'static str,
    ) -> Result<Option<Map<String, Value>>> {
        if patch.is_empty() {
            return Ok(None);
        }
        if self.abilities().await?.patch {
            match self.send(self.root.patch(at, patch, operation)?).await {
                Ok(answer) => return Ok(answer.json().ok()),
                Err(error) if matches!(error.status(), Some(405 | 501)) => {
                    self.learn(|abilities| abilities.patch = false).await;
                }
                Err(error) => return Err(error),
            }
        }
        let mut tries = 1;
        loop {
            match self.rewrite(at, patch, operation).await {
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// Reads the whole, makes the changes, and puts it back; under `If-Match` where the server has versions.
    async fn rewrite(
        &self,
        at: &str,
        patch: &Patch,
        operation: &'static str,
    ) -> Result<Option<Map<String, Value>>> {
        let answer = self.send(self.root.get(at, operation)).await?;
        let mut resource: Map<String, Value> =
            answer.json().map_err(|error| error.with_operation(operation))?;
        let before = resource.clone();
        patch
            .apply(&mut resource)
            .map_err(|error| error.with_operation(operation))?;
        if resource == before {
            return Ok(Some(resource));
        }
        let version = attribute(&resource, "meta")
            .and_then(|meta| meta.get("version")?.as_str())
            .or_else(|| answer.header("etag"))
            .map(ToOwned::to_owned);
        // The server's own: to be ignored by PUT (RFC 7644 section 3.5.1), and refused by some.
        let is_user = resource.keys().any(|key| key.eq_ignore_ascii_case("userName"));
        resource.retain(|name, _| {
            !(name.eq_ignore_ascii_case("meta") || is_user && name.eq_ignore_ascii_case("groups"))
        });
        let mut request = with_body(
            self.root.request(Method::Put, at, operation),
            &Value::Object(resource),
        )?;
        if let Some(version) = version.filter(|_| answer.status == 200)
            && self.abilities().await?.etag
        {
            request = request.header("if-match", version);
        }
        let answer = self.send(request).await?;
        Ok(answer.json().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::ENTERPRISE;

    #[test]
    fn operations_are_written_as_the_rfc_says() {
        let patch = Patch::new()
            .set("active", false)
            .set(Path::new("department").within(ENTERPRISE), "Engines")
            .clear(Path::new("members").matching(Filter::eq("value", r#"a"b"#)))
            .add("members", json!([{ "value": "7" }]));
        assert_eq!(
            patch.body(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [
                    { "op": "replace", "path": "active", "value": false },
                    { "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": "Engines" },
                    { "op": "remove", "path": r#"members[value eq "a\"b"]"# },
                    { "op": "add", "path": "members", "value": [{ "value": "7" }] },
                ],
            })
        );
        assert_eq!(format!("{patch:?}"), "Patch(4 operations)");
    }

    #[test]
    fn the_same_change_can_be_made_to_the_whole() {
        let check = |patch: Patch, before: Value, after: Value| {
            let mut resource = before.as_object().unwrap().clone();
            patch.apply(&mut resource).unwrap();
            assert_eq!(Value::Object(resource), after);
        };
        check(
            Patch::new().set("active", false),
            json!({ "Active": "True" }),
            json!({ "Active": false }),
        );
        check(
            Patch::new().set("name.givenName", "Ada"),
            json!({ "name": { "familyName": "L" } }),
            json!({ "name": { "familyName": "L", "givenName": "Ada" } }),
        );
        check(
            Patch::new().set(Path::new("department").within(ENTERPRISE), "Engines"),
            json!({ "schemas": ["a"] }),
            json!({ "schemas": ["a", ENTERPRISE], ENTERPRISE: { "department": "Engines" } }),
        );
        let one = |id: &str| Path::new("members").matching(Filter::eq("value", id));
        check(
            Patch::new().clear(one("1")),
            json!({ "members": [{ "value": "1" }, { "value": "2" }] }),
            json!({ "members": [{ "value": "2" }] }),
        );
        check(Patch::new().clear(one("1")), json!({}), json!({}));
        check(
            Patch::new().add("members", json!([{ "value": "1" }, { "value": "2" }])),
            json!({ "members": [{ "value": "1", "display": "x" }] }),
            json!({ "members": [{ "value": "1", "display": "x" }, { "value": "2" }] }),
        );
        check(
            Patch::new().clear("title"),
            json!({ "title": "x", "a": 1 }),
            json!({ "a": 1 }),
        );
        check(
            Patch::new().set(one("1").part("display"), "x"),
            json!({ "members": [{ "value": "1" }] }),
            json!({ "members": [{ "value": "1", "display": "x" }] }),
        );
        let error = Patch::new()
            .set(one("9"), json!({}))
            .apply(&mut Map::new())
            .unwrap_err();
        assert_eq!(error.code(), Some("noTarget"));
    }
}
