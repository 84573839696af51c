//! Users and groups as they are kept, shown and changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::failure::ScimFail;
use super::schema::Kind;
use super::{MOST, ScimAnswer, ScimApp, ScimCall, ScimOutcome, body, list_response, patch, path};
use crate::ids::Ids;

/// A user or a group.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    id: String,
    created: Timestamp,
    modified: Timestamp,
    version: u64,
    /// What clients wrote, without passwords.
    held: Map<String, Value>,
}

impl ScimApp {
    /// The application with its groups `agent` and `supervisor`.
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        let mut app = Self {
            ids: Ids::new(seed ^ 0x5C1A),
            sequence: 0,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
        };
        for name in ["agent", "supervisor"] {
            let held = Map::from_iter([("displayName".to_owned(), json!(name))]);
            app.insert(Kind::Group, held, now);
        }
        app
    }

    fn all(&self, kind: Kind) -> &BTreeMap<u64, Resource> {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }

    fn all_mut(&mut self, kind: Kind) -> &mut BTreeMap<u64, Resource> {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        }
    }

    fn insert(&mut self, kind: Kind, held: Map<String, Value>, now: Timestamp) -> u64 {
        self.sequence += 1;
        let (place, id) = (self.sequence, self.ids.guid());
        let resource = Resource {
            id,
            created: now,
            modified: now,
            version: 1,
            held,
        };
        self.all_mut(kind).insert(place, resource);
        place
    }

    /// Everything, for `/_sandbox/state`.
    pub(crate) fn snapshot(&self, root: &str) -> Value {
        let show = |kind: Kind| -> Value {
            let all = self.all(kind).values();
            all.map(|resource| self.shown(kind, resource, root)).collect()
        };
        json!({ "users": show(Kind::User), "groups": show(Kind::Group) })
    }

    /// A resource as it is sent.
    fn shown(&self, kind: Kind, resource: &Resource, root: &str) -> Value {
        let mut out = Map::new();
        let present = |(index, (urn, ..)): &(usize, &(&str, &str, &[_]))| {
            *index == 0 || resource.held.contains_key(*urn)
        };
        let schemas = kind.schemas().iter().enumerate().filter(present);
        out.insert(
            "schemas".to_owned(),
            schemas.map(|(_, (urn, ..))| json!(urn)).collect(),
        );
        out.insert("id".to_owned(), json!(resource.id));
        out.extend(resource.held.clone());
        match kind {
            Kind::Group => {
                if let Some(Value::Array(members)) = out.get_mut("members") {
                    for member in members {
                        self.name_member(member, root);
                    }
                }
            }
            Kind::User => {
                let within = |group: &&Resource| group.members().any(|id| id == resource.id);
                let groups: Vec<Value> = self
                    .groups
                    .values()
                    .filter(within)
                    .map(|group| {
                        json!({
                            "value": group.id, "$ref": format!("{root}/Groups/{}", group.id),
                            "display": group.held.get("displayName"), "type": "direct",
                        })
                    })
                    .collect();
                if !groups.is_empty() {
                    out.insert("groups".to_owned(), Value::Array(groups));
                }
            }
        }
        out.insert(
            "meta".to_owned(),
            json!({
                "resourceType": kind.name(), "created": resource.created.to_string(),
                "lastModified": resource.modified.to_string(), "version": resource.tag(),
                "location": format!("{root}/{}/{}", kind.endpoint(), resource.id),
            }),
        );
        Value::Object(out)
    }

    fn name_member(&self, member: &mut Value, root: &str) {
        let id = member
            .get("value")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        for kind in [Kind::User, Kind::Group] {
            if let Some(found) = self.all(kind).values().find(|known| known.id == id) {
                member["type"] = kind.name().into();
                member["$ref"] = format!("{root}/{}/{id}", kind.endpoint()).into();
                let name = found
                    .held
                    .get("displayName")
                    .or_else(|| found.held.get(kind.key()));
                member["display"] = name.cloned().unwrap_or_default();
            }
        }
    }

    fn find(&self, call: &ScimCall, kind: Kind, id: &str) -> Result<(u64, &Resource), ScimFail> {
        let mut all = self.all(kind).iter();
        let found = all.find(|(_, known)| known.id == id && known.seen_by(call));
        found
            .map(|(place, resource)| (*place, resource))
            .ok_or_else(|| ScimFail::not_found(id))
    }

    fn answer(&self, status: u16, call: &ScimCall, kind: Kind, place: u64) -> ScimOutcome {
        let found = self
            .all(kind)
            .get(&place)
            .ok_or_else(|| ScimFail::not_found("it"))?;
        let body = projected(self.shown(kind, found, &call.root), call);
        Ok(ScimAnswer::with(status, body))
    }

    pub(super) fn get(&self, call: &ScimCall, kind: Kind, id: &str) -> ScimOutcome {
        let (place, _) = self.find(call, kind, id)?;
        self.answer(200, call, kind, place)
    }

    pub(super) fn list(&self, call: &ScimCall, kind: Kind) -> ScimOutcome {
        let terms = match call.query.get("filter") {
            Some(text) => path::filter(kind, text)?,
            None => Vec::new(),
        };
        let number = |name: &str, absent: usize| match call.query.get(name) {
            None => Ok(absent),
            Some(text) => text
                .parse::<i64>()
                .map(|number| usize::try_from(number).unwrap_or(0))
                .map_err(|_| ScimFail::value(format!("'{name}' must be a whole number."))),
        };
        let start = number("startindex", 1)?.max(1);
        let count = number("count", MOST)?.min(MOST);
        let mut found = Vec::new();
        for resource in self.all(kind).values().filter(|resource| resource.seen_by(call)) {
            let shown = self.shown(kind, resource, &call.root);
            if shown.as_object().is_some_and(|map| path::holds(&terms, map)) {
                found.push(shown);
            }
        }
        let total = found.len();
        let page = found.into_iter().skip(start - 1).take(count);
        let page: Vec<Value> = page.map(|resource| projected(resource, call)).collect();
        Ok(ScimAnswer::with(200, list_response(total, start, &page)))
    }

    pub(super) fn create(&mut self, call: &ScimCall, kind: Kind) -> ScimOutcome {
        let mut held = self.checked(kind, body::resource(kind, call.object()?)?, None)?;
        if kind == Kind::User {
            held.entry("active").or_insert(Value::Bool(true));
        }
        let place = self.insert(kind, held, call.now);
        self.answer(201, call, kind, place)
    }

    pub(super) fn replace(&mut self, call: &ScimCall, kind: Kind, id: &str) -> ScimOutcome {
        let place = self.matching(call, kind, id)?;
        let held = self.checked(kind, body::resource(kind, call.object()?)?, Some(place))?;
        self.keep(call, kind, place, held);
        self.answer(200, call, kind, place)
    }

    /// Changes a resource. A changed user comes back; of a group nothing does, it may be large.
    pub(super) fn patch(&mut self, call: &ScimCall, kind: Kind, id: &str) -> ScimOutcome {
        let place = self.matching(call, kind, id)?;
        let mut held = self.find(call, kind, id)?.1.held.clone();
        patch::apply(kind, &mut held, call.object()?)?;
        let held = self.checked(kind, held, Some(place))?;
        self.keep(call, kind, place, held);
        match kind {
            Kind::User => self.answer(200, call, kind, place),
            Kind::Group => Ok(ScimAnswer::done()),
        }
    }

    pub(super) fn delete(&mut self, call: &ScimCall, kind: Kind, id: &str) -> ScimOutcome {
        let place = self.matching(call, kind, id)?;
        self.all_mut(kind).remove(&place);
        for group in self.groups.values_mut() {
            let Some(Value::Array(members)) = group.held.get_mut("members") else {
                continue;
            };
            let before = members.len();
            members.retain(|member| member["value"] != id);
            if members.len() < before {
                group.touch(call.now);
            }
        }
        Ok(ScimAnswer::done())
    }

    fn matching(&self, call: &ScimCall, kind: Kind, id: &str) -> Result<u64, ScimFail> {
        let (place, found) = self.find(call, kind, id)?;
        match call.if_match.as_deref() {
            Some(tag) if tag != "*" && tag != found.tag() => Err(ScimFail::new(
                412,
                format!("Resource {id} has changed: its version is {}.", found.tag()),
            )),
            _ => Ok(place),
        }
    }

    /// Keeps what changed; what did not keeps its version.
    fn keep(&mut self, call: &ScimCall, kind: Kind, place: u64, held: Map<String, Value>) {
        if let Some(resource) = self.all_mut(kind).get_mut(&place)
            && resource.held != held
        {
            resource.held = held;
            resource.touch(call.now);
        }
    }

    /// What may be kept: a name that nobody else has, members that exist, no password.
    fn checked(
        &self,
        kind: Kind,
        mut held: Map<String, Value>,
        own: Option<u64>,
    ) -> Result<Map<String, Value>, ScimFail> {
        let key = kind.key();
        let name = held.get(key).and_then(Value::as_str).map(str::to_lowercase);
        let name = name.ok_or_else(|| ScimFail::value(format!("'{key}' is required.")))?;
        let taken = self.all(kind).iter().any(|(place, known)| {
            let known = known.held.get(key).and_then(Value::as_str);
            Some(*place) != own && known.is_some_and(|known| known.to_lowercase() == name)
        });
        if taken {
            return Err(ScimFail::uniqueness(key));
        }
        held.shift_remove("password");
        if let Some(Value::Array(members)) = held.get_mut("members") {
            for member in members {
                let id = member.get("value").and_then(Value::as_str).unwrap_or_default();
                let known = [Kind::User, Kind::Group]
                    .iter()
                    .any(|kind| self.all(*kind).values().any(|known| known.id == id));
                if !known {
                    return Err(ScimFail::value(format!("There is no member '{id}'.")));
                }
                // The rest is written anew whenever it is shown.
                *member = json!({ "value": id });
            }
        }
        Ok(held)
    }
}

impl Resource {
    fn tag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    fn touch(&mut self, now: Timestamp) {
        self.modified = now;
        self.version += 1;
    }

    fn seen_by(&self, call: &ScimCall) -> bool {
        call.seen_until.is_none_or(|until| self.created <= until)
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        let members = self.held.get("members").and_then(Value::as_array);
        members
            .into_iter()
            .flatten()
            .filter_map(|member| member["value"].as_str())
    }
}

impl ScimCall {
    fn object(&self) -> Result<&Map<String, Value>, ScimFail> {
        self.body
            .as_ref()
            .and_then(Value::as_object)
            .ok_or_else(|| ScimFail::syntax("The body must be a JSON object."))
    }
}

/// `attributes` and `excludedAttributes`, by the names of whole attributes.
fn projected(mut resource: Value, call: &ScimCall) -> Value {
    let names = |option: &str| -> Option<Vec<String>> {
        let text = call.query.get(option)?;
        let whole = |name: &str| name.trim().split('.').next().unwrap_or_default().to_lowercase();
        Some(text.split(',').map(whole).collect())
    };
    let always = |name: &str| matches!(name, "schemas" | "id");
    if let Value::Object(map) = &mut resource {
        if let Some(wanted) = names("attributes") {
            map.retain(|name, _| always(name) || wanted.contains(&name.to_lowercase()));
        } else if let Some(unwanted) = names("excludedattributes") {
            map.retain(|name, _| always(name) || !unwanted.contains(&name.to_lowercase()));
        }
    }
    resource
}
