//! The store: directory objects with their indexes and links. It holds what is true; the resources
//! (`users`, `groups`, ...) decide what may become true.

mod journal;
mod links;
mod object;
mod view;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(crate) use journal::{Change, Deed, Journal, Verb};
pub(crate) use links::Links;
pub(crate) use object::{Holding, Object, Shelf};
pub(crate) use view::ObjectRow;

use crate::access_packages::AccessPackages;
use crate::app_roles::AppRoleAssignment;
use crate::audit::AuditLogs;
use crate::call::Call;
use crate::custom_roles::CustomRoles;
use crate::drive::Drives;
use crate::errors::Fail;
use crate::ids::Ids;
use crate::licenses::Sku;
use crate::messages::Messages;
use crate::provisioning::Provisioning;
use crate::roles::Assignment;
use crate::schedules::Schedules;
use crate::schema::Kind;
use crate::subscriptions::Subscriptions;

/// The tenant's directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) ids: Ids,
    pub(crate) tenant: Tenant,
    sequence: u64,
    objects: HashMap<String, Object>,
    /// Live objects of each kind in the order of creation.
    order: BTreeMap<(Kind, u64), String>,
    pub(crate) deleted: BTreeMap<u64, Object>,
    by_name: HashMap<String, String>,
    by_address: HashMap<String, String>,
    by_employee: HashMap<String, Vec<String>>,
    pub(crate) journal: Journal,
    pub(crate) members: Links,
    pub(crate) owners: Links,
    /// Guest to sponsor.
    pub(crate) sponsors: Links,
    /// Administrative unit to member.
    pub(crate) units: Links,
    /// Manager to report.
    pub(crate) reports: Links,
    pub(crate) skus: Vec<Sku>,
    pub(crate) assignments: BTreeMap<u64, Assignment>,
    pub(crate) custom_roles: CustomRoles,
    pub(crate) app_role_assignments: BTreeMap<u64, AppRoleAssignment>,
    pub(crate) schedules: Schedules,
    pub(crate) sent: Vec<Value>,
    pub(crate) audit: AuditLogs,
    pub(crate) provisioning: Provisioning,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) messages: Messages,
    pub(crate) drives: Drives,
    pub(crate) access_packages: AccessPackages,
}

/// What is fixed for the tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    /// Verified domains, the default one first.
    pub(crate) domains: Vec<String>,
}

impl Directory {
    pub(crate) fn new(ids: Ids, tenant: Tenant) -> Self {
        Self {
            audit: AuditLogs::new(Ids::new(ids.clone().number() ^ 0xA0D1)),
            provisioning: Provisioning::default(),
            subscriptions: Subscriptions::default(),
            messages: Messages::default(),
            drives: Drives::default(),
            access_packages: AccessPackages::new(Ids::new(ids.clone().number() ^ 0xACCE)),
            ids,
            tenant,
            sequence: 0,
            objects: HashMap::new(),
            order: BTreeMap::new(),
            deleted: BTreeMap::new(),
            by_name: HashMap::new(),
            by_address: HashMap::new(),
            by_employee: HashMap::new(),
            journal: Journal::default(),
            members: Links::default(),
            owners: Links::default(),
            sponsors: Links::default(),
            units: Links::default(),
            reports: Links::default(),
            skus: Vec::new(),
            assignments: BTreeMap::new(),
            custom_roles: CustomRoles::new(),
            app_role_assignments: BTreeMap::new(),
            schedules: Schedules::default(),
            sent: Vec::new(),
        }
    }

    pub(crate) fn next_place(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Puts a new object in and gives its id. The caller has checked that it may exist.
    pub(crate) fn insert(&mut self, kind: Kind, mut props: Map<String, Value>, now: Timestamp) -> String {
        let id = self.ids.guid();
        let place = self.next_place();
        props.insert("id".to_owned(), Value::String(id.clone()));
        let object = Object::new(id.clone(), kind, place, now, props);
        self.enter(object, Verb::Added);
        id
    }

    /// Makes a deleted object live, in its old place.
    pub(crate) fn put_live(&mut self, object: Object) {
        self.enter(object, Verb::Restored);
    }

    fn enter(&mut self, object: Object, verb: Verb) {
        self.order.insert((object.kind, object.place), object.id.clone());
        self.index(&object, true);
        self.journal.touch(&object, verb);
        self.objects.insert(object.id.clone(), object);
    }

    /// Takes an object out of the live ones. Its links stay: the caller unlinks.
    pub(crate) fn take_live(&mut self, id: &str) -> Option<Object> {
        let object = self.objects.remove(id)?;
        self.order.remove(&(object.kind, object.place));
        self.index(&object, false);
        self.journal.touch(&object, Verb::Deleted);
        Some(object)
    }

    /// Changes an object's properties and keeps the indexes true.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Object)) {
        if let Some(mut object) = self.objects.remove(id) {
            self.index(&object, false);
            let before = self.journal.tracking().then(|| object.clone());
            change(&mut object);
            if let Some(before) = before {
                self.journal.compare(&before, &object);
            }
            self.index(&object, true);
            self.objects.insert(object.id.clone(), object);
        }
    }

    fn index(&mut self, object: &Object, add: bool) {
        let one = |index: &mut HashMap<String, String>, key: String| {
            if add {
                index.insert(key, object.id.clone());
            } else if index.get(&key) == Some(&object.id) {
                index.remove(&key);
            }
        };
        if object.kind == Kind::User
            && let Some(name) = object.text("userPrincipalName")
        {
            one(&mut self.by_name, name.to_lowercase());
        }
        for address in object.addresses() {
            one(&mut self.by_address, address);
        }
        if let Some(employee) = object.text("employeeId") {
            let ids = self.by_employee.entry(employee.to_lowercase()).or_default();
            ids.retain(|id| *id != object.id);
            if add {
                ids.push(object.id.clone());
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Object> {
        self.objects.get(id)
    }

    /// The user with that id or user principal name.
    pub(crate) fn user(&self, key: &str) -> Option<&Object> {
        let object = self.objects.get(key).or_else(|| {
            let id = self.by_name.get(&key.to_lowercase())?;
            self.objects.get(id)
        });
        object.filter(|object| object.kind == Kind::User)
    }

    /// A live object that this request can see already.
    pub(crate) fn seen<'a>(&'a self, call: &Call, kind: Option<Kind>, key: &str) -> Result<&'a Object, Fail> {
        let found = match kind {
            Some(Kind::User) => self.user(key),
            _ => self
                .objects
                .get(key)
                .or_else(|| self.objects.get(&key.to_lowercase())),
        };
        found
            .filter(|object| kind.is_none_or(|kind| object.kind == kind) && object.seen_by(call))
            .ok_or_else(|| Fail::not_found(key))
    }

    /// Who holds that user principal name.
    pub(crate) fn name_holder(&self, name: &str) -> Option<&String> {
        self.by_name.get(&name.to_lowercase())
    }

    /// Who holds that mail address, by `mail` or `proxyAddresses`.
    pub(crate) fn address_holder(&self, address: &str) -> Option<&String> {
        self.by_address.get(&address.to_lowercase())
    }

    /// Live users with that employee id.
    pub(crate) fn employees(&self, employee: &str) -> impl Iterator<Item = &Object> {
        let ids = self
            .by_employee
            .get(&employee.to_lowercase())
            .map(Vec::as_slice)
            .unwrap_or_default();
        ids.iter().filter_map(|id| self.objects.get(id))
    }

    /// Live objects of a kind in the order of creation, from that place on (exclusive).
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.order
            .range((kind, 0)..=(kind, u64::MAX))
            .filter_map(|(_, id)| self.objects.get(id))
    }

    /// The soft-deleted object of that id.
    pub(crate) fn gone(&self, id: &str) -> Option<&Object> {
        self.deleted.values().find(|object| object.id == id)
    }

    /// Live objects of a kind behind a place, in the order of creation.
    pub(crate) fn behind(&self, kind: Kind, place: u64) -> impl Iterator<Item = &Object> {
        self.order
            .range((kind, place.saturating_add(1))..=(kind, u64::MAX))
            .filter_map(|(_, id)| self.objects.get(id))
    }

    /// The objects behind a set of ids, in the order of creation.
    pub(crate) fn objects_of<'a, 'b>(&'a self, ids: impl Iterator<Item = &'b String>) -> Vec<&'a Object> {
        let mut found: Vec<&Object> = ids.filter_map(|id| self.objects.get(id)).collect();
        found.sort_by_key(|object| object.place);
        found
    }

    /// The groups that an object is in, directly or through other groups.
    pub(crate) fn groups_above(&self, id: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut next: Vec<String> = self.members.sources(id).cloned().collect();
        while let Some(group) = next.pop() {
            if !found.contains(&group) {
                next.extend(self.members.sources(&group).cloned());
                found.push(group);
            }
        }
        found
    }

    /// Whether a domain is verified.
    pub(crate) fn verified(&self, domain: &str) -> bool {
        self.tenant
            .domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain))
    }
}
