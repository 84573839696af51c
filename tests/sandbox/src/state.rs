//! Everything that changes, behind one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::access_packages;
use crate::app_roles;
use crate::arm::Account;
use crate::clock::{Clock, graph_time};
use crate::custom_roles;
use crate::directory::{Directory, Object};
use crate::faults::Faults;
use crate::ids::Ids;
use crate::keys::Keys;
use crate::portal::Portal;
use crate::provisioning;
use crate::recording::Recording;
use crate::request_log::RequestLog;
use crate::schema::Kind;
use crate::scim::ScimApp;
use crate::seed::{self, Seed};
use crate::sign_in::SignIns;
use crate::throttling::Throttling;
use crate::tokens::Tokens;

/// The application that signs in.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// Object id of its service principal.
    pub(crate) object: String,
    pub(crate) secret: String,
    pub(crate) roles: Vec<String>,
}

/// The sandbox's whole state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) authority: String,
    pub(crate) seed: Seed,
    pub(crate) clock: Clock,
    pub(crate) directory: Directory,
    pub(crate) arm: Account,
    pub(crate) scim: ScimApp,
    /// What the SCIM application takes as bearer token.
    pub(crate) scim_token: String,
    pub(crate) tokens: Tokens,
    pub(crate) sign_ins: SignIns,
    pub(crate) portal: Portal,
    pub(crate) keys: &'static Keys,
    pub(crate) client: Client,
    pub(crate) faults: Faults,
    pub(crate) chance: Ids,
    pub(crate) throttling: Throttling,
    pub(crate) log: RequestLog,
    pub(crate) requests: u64,
}

/// The state, shared by the connections and the handle.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// There may be something to deliver.
    pub(crate) wake: tokio::sync::Notify,
    pub(crate) recording: Option<Recording>,
}

impl Shared {
    pub(crate) fn new(state: State, recording: Option<Recording>) -> Self {
        Self {
            state: Mutex::new(state),
            wake: tokio::sync::Notify::new(),
            recording,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn new(authority: String, seed: Seed, secret: String) -> std::io::Result<Self> {
        let clock = Clock::default();
        let (directory, mut client) = seed::plant(&seed, clock.now());
        client.secret = secret;
        let arm = Account::new(&directory.tenant.id, &client.object, clock.now());
        Ok(Self {
            arm,
            portal: Portal::new(seed.number),
            sign_ins: SignIns::default(),
            scim: ScimApp::new(seed.number, clock.now()),
            scim_token: Uuid::new_v4().simple().to_string(),
            authority,
            chance: Ids::new(seed.number ^ 0xFA17),
            seed,
            clock,
            directory,
            tokens: Tokens::new(),
            keys: Keys::shared()?,
            client,
            faults: Faults::default(),
            throttling: Throttling::default(),
            log: RequestLog::default(),
            requests: 0,
        })
    }

    /// Back to the seed: directory, clock, faults, log. Tokens and the clients' secrets stay good; nobody is signed
    /// in with a browser any more.
    pub(crate) fn reset(&mut self) {
        self.clock = Clock::default();
        self.directory = seed::plant(&self.seed, self.clock.now()).0;
        let tenant = &self.directory.tenant.id;
        self.arm = Account::new(tenant, &self.client.object, self.clock.now());
        self.scim = ScimApp::new(self.seed.number, self.clock.now());
        self.faults = Faults::default();
        self.sign_ins = SignIns::default();
        self.throttling.forget();
        self.chance = Ids::new(self.seed.number ^ 0xFA17);
        self.log.clear();
        self.requests = 0;
    }

    /// The same, with what the service has done on its own by now.
    pub(crate) fn caught_up(&mut self) -> &Self {
        provisioning::run(&mut self.directory, self.clock.now());
        access_packages::advance(&mut self.directory, self.clock.now());
        self
    }

    /// One live user, found by id, user principal name or employee id, as the snapshot shows it.
    pub(crate) fn user(&self, key: &str) -> Option<Value> {
        let found = self
            .directory
            .user(key)
            .or_else(|| self.directory.employees(key).next())?;
        Some(whole(&self.directory, found))
    }

    /// The whole tenant as JSON. No passwords: only how often each was set.
    pub(crate) fn snapshot(&self) -> Value {
        let directory = &self.directory;
        let live = |kind: Kind| {
            directory
                .all(kind)
                .map(|object| whole(directory, object))
                .collect::<Value>()
        };
        let assignments = directory.assignments.values().map(|assignment| {
            json!({
                "id": assignment.id, "roleDefinitionId": assignment.role,
                "role": custom_roles::role(directory, &assignment.role).map(|role| role.name),
                "principalId": assignment.principal, "directoryScopeId": assignment.scope,
            })
        });
        let skus = directory.skus.iter().map(|sku| {
            json!({
                "skuId": sku.id, "skuPartNumber": sku.part, "enabled": sku.seats,
                "consumedUnits": sku.holders.len(),
            })
        });
        json!({
            "tenant": { "id": directory.tenant.id, "domains": directory.tenant.domains },
            "now": graph_time(self.clock.now()),
            "requests": self.requests,
            "users": live(Kind::User),
            "groups": live(Kind::Group),
            "applications": live(Kind::Application),
            "servicePrincipals": live(Kind::ServicePrincipal),
            "appRoleAssignments": app_roles::all(directory).collect::<Value>(),
            "administrativeUnits": live(Kind::AdministrativeUnit),
            "deleted": directory.deleted.values().map(|object| whole(directory, object)).collect::<Value>(),
            "roleAssignments": assignments.collect::<Value>(),
            "subscribedSkus": skus.collect::<Value>(),
            "accessPackages": directory.access_packages.snapshot(),
            "mailbox": directory.sent,
            "arm": self.arm.snapshot(),
            "scim": self.scim.snapshot(&format!("{}/scim/v2", self.authority)),
        })
    }
}

fn whole(directory: &Directory, object: &Object) -> Value {
    let mut out: Map<String, Value> = object.props.clone();
    let names = |ids: Vec<&Object>| -> Value {
        ids.into_iter()
            .filter_map(|object| object.text("displayName").map(Value::from))
            .collect()
    };
    let ids = |ids: Vec<&Object>| {
        ids.into_iter()
            .map(|object| Value::from(object.id.as_str()))
            .collect::<Value>()
    };
    match object.kind {
        Kind::User => {
            let held = ["assignedLicenses", "licenseAssignmentStates"];
            for name in held {
                if let Some(value) = directory.value(object, name) {
                    out.insert(name.to_owned(), value.into_owned());
                }
            }
            let parts = directory
                .skus
                .iter()
                .filter(|sku| sku.holders.contains(&object.id));
            out.insert(
                "licenses".to_owned(),
                parts.map(|sku| Value::from(sku.part)).collect(),
            );
            out.insert(
                "groups".to_owned(),
                names(directory.objects_of(directory.members.sources(&object.id))),
            );
            out.insert(
                "managerId".to_owned(),
                directory.manager(&object.id).map(|found| found.id.clone()).into(),
            );
            let roles = directory
                .assignments
                .values()
                .filter(|assignment| assignment.principal == object.id);
            let roles = roles.filter_map(|assignment| custom_roles::role(directory, &assignment.role));
            out.insert(
                "roles".to_owned(),
                roles.map(|role| Value::from(role.name)).collect(),
            );
            out.insert(
                "appRoles".to_owned(),
                app_roles::names(directory, &object.id).into(),
            );
            out.insert(
                "accessPackages".to_owned(),
                directory.access_packages.names(&object.id).into(),
            );
            let methods = object
                .methods
                .iter()
                .map(|method| Value::from(method.form.segment()));
            out.insert("authenticationMethods".to_owned(), methods.collect());
            let eligible = directory.schedules.eligible(directory, &object.id);
            out.insert("eligibleRoles".to_owned(), eligible.map(Value::from).collect());
            let units = directory.units.sources(&object.id);
            out.insert(
                "administrativeUnits".to_owned(),
                names(directory.objects_of(units)),
            );
            out.insert("passwordVersion".to_owned(), object.password_version.into());
            if !object.rules.is_empty() {
                out.insert("messageRules".to_owned(), object.rules.clone().into());
            }
            let let_in = crate::drive::let_in(directory, &object.id);
            if !let_in.is_empty() {
                out.insert("driveSharedWith".to_owned(), let_in.into());
            }
            // As it was last set, whether or not there still is a mailbox.
            if let Some(replies) = object.mailbox.get("automaticRepliesSetting") {
                out.insert("automaticReplies".to_owned(), replies.clone());
            }
        }
        Kind::Group => {
            let members = directory.objects_of(directory.members.targets(&object.id));
            out.insert("members".to_owned(), ids(members));
            out.insert(
                "owners".to_owned(),
                ids(directory.objects_of(directory.owners.targets(&object.id))),
            );
            if let Some(value) = directory.value(object, "assignedLicenses") {
                out.insert("assignedLicenses".to_owned(), value.into_owned());
            }
        }
        Kind::AdministrativeUnit => {
            let members = directory.objects_of(directory.units.targets(&object.id));
            out.insert("members".to_owned(), ids(members));
        }
        Kind::Application | Kind::ServicePrincipal | Kind::DirectoryRole => {}
    }
    Value::Object(out)
}
