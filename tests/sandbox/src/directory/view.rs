//! How an object looks from outside.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Directory, Object};
use crate::app_roles;
use crate::clock::graph_time;
use crate::odata::{Expand, Options, Row};
use crate::relations;
use crate::schema::{Access, Kind};

/// An object as a row of a collection.
#[derive(Debug)]
pub(crate) struct ObjectRow<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) object: &'a Object,
    /// The collection mixes kinds, so each row says its own (`@odata.type`).
    pub(crate) mixed: bool,
}

impl Row for ObjectRow<'_> {
    fn place(&self) -> u64 {
        self.object.place
    }

    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.directory.value(self.object, name)
    }

    fn view(&self, options: &Options) -> Value {
        let mut out = Map::new();
        if self.mixed {
            out.insert(
                "@odata.type".to_owned(),
                format!("#{}", self.object.kind.odata_type()).into(),
            );
        }
        out.extend(self.directory.view(self.object, &options.select, &options.expand));
        Value::Object(out)
    }
}

impl Directory {
    /// A property of an object, the computed ones included.
    pub(crate) fn value<'a>(&'a self, object: &'a Object, name: &str) -> Option<Cow<'a, Value>> {
        if let Some(stored) = object.props.get(name) {
            return Some(Cow::Borrowed(stored));
        }
        match (object.kind, name) {
            (Kind::User, "assignedLicenses") => Some(Cow::Owned(self.assigned(object))),
            (Kind::User, "licenseAssignmentStates") => Some(Cow::Owned(assignment_states(object))),
            (Kind::Group, "assignedLicenses") => Some(Cow::Owned(group_licenses(object))),
            (Kind::Group, "hasMembersWithLicenseErrors") => {
                Some(Cow::Owned(self.has_license_errors(object).into()))
            }
            (Kind::Group, "licenseProcessingState") if !object.licenses.is_empty() => {
                Some(Cow::Owned(json!({ "state": "ProcessingComplete" })))
            }
            _ => {
                let property = object.kind.property(name)?;
                if property.name == name {
                    let absent = property.absent();
                    (!absent.is_null()).then_some(Cow::Owned(absent))
                } else {
                    self.value(object, property.name)
                }
            }
        }
    }

    /// The object with the chosen properties, or the default ones.
    pub(crate) fn view(&self, object: &Object, select: &[String], expand: &[Expand]) -> Map<String, Value> {
        let mut out = Map::new();
        for property in object.kind.properties() {
            let wanted = if select.is_empty() {
                property.shown()
            } else {
                select.iter().any(|name| name.eq_ignore_ascii_case(property.name))
            };
            if wanted && property.access != Access::WriteOnly {
                let value = self.value(object, property.name).map(Cow::into_owned);
                // "Not returned for a user who has never signed in."
                if value.is_none() && property.name == "signInActivity" {
                    continue;
                }
                out.insert(
                    property.name.to_owned(),
                    value.unwrap_or_else(|| property.absent()),
                );
            }
        }
        for expand in expand {
            if let Some(value) = self.expanded(object, expand) {
                out.insert(expand.relation.clone(), value);
            }
        }
        out
    }

    /// An object as a reference in another reply, with its type.
    pub(crate) fn typed(&self, object: &Object, select: &[String]) -> Value {
        let mut out = Map::new();
        out.insert(
            "@odata.type".to_owned(),
            format!("#{}", object.kind.odata_type()).into(),
        );
        out.extend(self.view(object, select, &[]));
        Value::Object(out)
    }

    /// A relation in place. A single one that is absent is left out, as Graph does.
    fn expanded(&self, object: &Object, expand: &Expand) -> Option<Value> {
        let many = |objects: Vec<&Object>| {
            // "Customize responses with query parameters": at most 20 of a collection are expanded.
            objects
                .into_iter()
                .take(20)
                .map(|found| self.typed(found, &expand.select))
                .collect::<Value>()
        };
        match expand.relation.as_str() {
            "manager" => {
                // Managers may stand in a circle: each is shown once.
                let mut chain: Vec<&Object> = Vec::new();
                let mut next = self.manager(&object.id);
                while let Some(manager) = next.filter(|_| chain.len() < expand.levels) {
                    if (expand.levels > 1 && manager.id == object.id)
                        || chain.iter().any(|seen| seen.id == manager.id)
                    {
                        break;
                    }
                    chain.push(manager);
                    next = self.manager(&manager.id);
                }
                chain.into_iter().rev().fold(None, |above, manager| {
                    let mut shown = self.typed(manager, &expand.select);
                    if let Some(above) = above {
                        shown["manager"] = above;
                    }
                    Some(shown)
                })
            }
            "directReports" => Some(many(self.objects_of(self.reports.targets(&object.id)))),
            "appRoleAssignments" => Some(app_roles::of_principal(self, &object.id).collect()),
            "appRoleAssignedTo" => Some(app_roles::of_resource(self, &object.id).collect()),
            "owners" => Some(many(self.objects_of(self.owners.targets(&object.id)))),
            "ownedObjects" => Some(many(self.objects_of(self.owners.sources(&object.id)))),
            "sponsors" => Some(many(self.objects_of(self.sponsors.targets(&object.id)))),
            "sponsorOf" => Some(many(self.objects_of(self.sponsors.sources(&object.id)))),
            "memberOf" => Some(many(relations::member_of(self, &object.id))),
            "transitiveMemberOf" => Some(many(relations::transitive_member_of(self, &object.id))),
            "members" => Some(many(relations::members(self, object))),
            "transitiveMembers" => Some(many(relations::transitive_members(self, &object.id))),
            _ => None,
        }
    }

    pub(crate) fn manager(&self, id: &str) -> Option<&Object> {
        self.reports
            .sources(id)
            .next()
            .and_then(|manager| self.get(manager))
    }

    /// A user's licences from both ways, each SKU once.
    fn assigned(&self, user: &Object) -> Value {
        let plans = |disabled: &[String]| {
            disabled
                .iter()
                .map(|plan| Value::from(plan.as_str()))
                .collect::<Value>()
        };
        let mut out = Vec::new();
        for sku in &self.skus {
            let direct = user.licenses.get(&sku.id);
            let through = user
                .inherited
                .iter()
                .find(|((_, id), held)| *id == sku.id && held.error == "None");
            if let Some(held) = direct.or(through.map(|(_, held)| held)) {
                out.push(json!({ "disabledPlans": plans(&held.disabled_plans), "skuId": sku.id }));
            }
        }
        Value::Array(out)
    }

    fn has_license_errors(&self, group: &Object) -> bool {
        !group.licenses.is_empty()
            && self
                .members
                .targets(&group.id)
                .filter_map(|id| self.get(id))
                .any(|user| {
                    user.inherited
                        .iter()
                        .any(|((from, _), held)| *from == group.id && held.error != "None")
                })
    }
}

fn group_licenses(group: &Object) -> Value {
    let one = |(sku, held): (&String, &super::Holding)| json!({ "disabledPlans": held.disabled_plans, "skuId": sku });
    group.licenses.iter().map(one).collect()
}

fn assignment_states(user: &Object) -> Value {
    let state = |group: Value, sku: &str, held: &super::Holding| {
        json!({
            "skuId": sku,
            "disabledPlans": held.disabled_plans,
            "assignedByGroup": group,
            "state": if held.error == "None" { "Active" } else { "Error" },
            "error": held.error,
            "lastUpdatedDateTime": graph_time(held.since),
        })
    };
    let direct = user
        .licenses
        .iter()
        .map(|(sku, held)| state(Value::Null, sku, held));
    let inherited = user
        .inherited
        .iter()
        .map(|((group, sku), held)| state(group.as_str().into(), sku, held));
    direct.chain(inherited).collect()
}
