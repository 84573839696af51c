//! Putting an engine together: journal, targets, and what is one's own.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use iam_arm::ArmTarget;
use iam_core::clock::{Clock as _, SharedClock, SystemClock};
use iam_core::engine::SharedBudget;
use iam_core::intake::Gate;
use iam_core::journal::audit::Checkpoint;
use iam_core::journal::{Journal, MemoryJournal, PostgresJournal, SqliteJournal};
use iam_core::notify::Notifier;
use iam_core::orchestrator::{Lifecycle, Orchestrator};
use iam_core::policy::{AccessPolicy, Document};
use iam_core::target::Target;
use iam_core::{Error, ErrorKind, Result};
use iam_graph::{GraphMail, GraphTarget};
use iam_scim::ScimTarget;
use jiff::{SignedDuration, Timestamp};
use pyo3::prelude::*;
use tokio::sync::RwLock;

use super::look::place;
use crate::application::Application;
use crate::arm::{ArmClient, AsyncArmClient};
use crate::callbacks;
use crate::convert::{Json, read};
use crate::errors::raised;
use crate::graph::{AsyncGraphClient, GraphClient};
use crate::loops::Home;
use crate::policy::Policy;
use crate::results::Instant;
use crate::runtime;
use crate::scim::{AsyncScimClient, ScimClient};

/// An engine with what it was made of.
pub(crate) struct Inner {
    pub(crate) engine: Arc<iam_core::engine::Engine>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) targets: Vec<Arc<dyn Target>>,
    pub(crate) clock: SharedClock,
    store: Store,
    policy: Policy,
    /// Where what callers wrote runs.
    pub(super) home: Home,
    /// Held by workers for as long as they run, also those whom nobody waits for any more.
    pub(super) crews: Arc<RwLock<()>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

enum Store {
    Memory,
    Sqlite(SqliteJournal),
    Postgres(PostgresJournal),
}

impl Inner {
    /// Waits for workers, then closes the journal.
    pub(crate) async fn close(&self) -> Result<()> {
        let _none = self.crews.write().await;
        match &self.store {
            Store::Memory => Ok(()),
            Store::Sqlite(journal) => journal.close().await,
            Store::Postgres(journal) => {
                journal.close().await;
                Ok(())
            }
        }
    }

    /// The file behind the journal.
    pub(super) fn file(&self) -> Result<&SqliteJournal> {
        let elsewhere = match &self.store {
            Store::Sqlite(journal) => return Ok(journal),
            Store::Memory => "a journal in memory is kept nowhere",
            Store::Postgres(_) => {
                "a journal in PostgreSQL is backed up by the database's own means (pg_dump, or continuous archiving)"
            }
        };
        Err(Error::new(ErrorKind::Invalid, elsewhere))
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy.clone()
    }

    pub(super) fn shown(&self) -> String {
        let journal = match self.store {
            Store::Memory => "memory",
            Store::Sqlite(_) => "sqlite",
            Store::Postgres(_) => "postgres",
        };
        let targets: Vec<&str> = self.targets.iter().map(|target| target.id().as_str()).collect();
        format!("journal={journal:?}, targets={targets:?}")
    }
}

/// The clients of SCIM applications, by the name that the policy has for each.
#[derive(Debug)]
pub(crate) struct Scim(Vec<(String, iam_scim::ScimClient)>);

impl<'a, 'py> FromPyObject<'a, 'py> for Scim {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let clients: BTreeMap<String, Bound<'py, PyAny>> = given.extract()?;
        let clients = clients.into_iter();
        clients
            .map(|(app, client)| Ok((app, scim_of(&client)?)))
            .collect::<PyResult<_>>()
            .map(Self)
    }
}

/// What an engine is to be made of.
pub(super) struct Options {
    policy: Policy,
    journal: String,
    tenant: String,
    schema: Option<String>,
    checkpoint: Option<Checkpoint>,
    graph: iam_graph::GraphClient,
    arm: Option<iam_arm::ArmClient>,
    scim: Vec<(String, iam_scim::ScimClient)>,
    notifier: Option<Arc<dyn Notifier>>,
    orchestrator: Option<Arc<dyn Orchestrator>>,
    access_policy: Option<Arc<dyn AccessPolicy>>,
    applications: Vec<Application>,
    actor: Option<String>,
    concurrency: Option<usize>,
    clock: SharedClock,
    gates: BTreeMap<String, Gate>,
    repeats: Vec<String>,
    home: Home,
}

type Clients<'py> = (Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>, Option<Scim>);
type Own<'py> = (
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<BTreeMap<String, Bound<'py, PyAny>>>,
);
type Manner = (
    Option<String>,
    Option<usize>,
    Option<Clock>,
    Option<Json>,
    Option<Vec<String>>,
    Option<String>,
    Option<String>,
);

fn graph_of(given: &Bound<'_, PyAny>) -> PyResult<iam_graph::GraphClient> {
    if let Ok(client) = given.cast::<GraphClient>() {
        return Ok(client.get().0.clone());
    }
    Ok(given.cast::<AsyncGraphClient>()?.get().0.clone())
}

fn arm_of(given: &Bound<'_, PyAny>) -> PyResult<iam_arm::ArmClient> {
    if let Ok(client) = given.cast::<ArmClient>() {
        return Ok(client.get().0.clone());
    }
    Ok(given.cast::<AsyncArmClient>()?.get().0.clone())
}

fn scim_of(given: &Bound<'_, PyAny>) -> PyResult<iam_scim::ScimClient> {
    if let Ok(client) = given.cast::<ScimClient>() {
        return Ok(client.get().0.clone());
    }
    Ok(given.cast::<AsyncScimClient>()?.get().0.clone())
}

fn variable(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    let mut values = values.map(|value| value.trim().to_owned());
    values.find(|value| !value.is_empty())
}

fn missing(what: &str) -> PyErr {
    raised(Error::new(ErrorKind::Invalid, what.to_owned()))
}

impl Options {
    pub(super) fn new(
        py: Python<'_>,
        policy: Policy,
        journal: Option<String>,
        tenant: Option<String>,
        (graph, arm, scim): Clients<'_>,
        (notifier, orchestrator, access_policy, applications): Own<'_>,
        (actor, concurrency, clock, gates, repeats, schema, checkpoint): Manner,
        home: Home,
    ) -> PyResult<Self> {
        let journal = journal.or_else(|| variable(&["IAM_JOURNAL"])).ok_or_else(|| {
            missing(
                "say where the journal is: journal=\"sqlite:FILE\" or \"postgres://…\" (or IAM_JOURNAL); \"memory\" \
                 forgets at the end what was granted",
            )
        })?;
        let tenant = tenant.or_else(|| variable(&["IAM_TENANT_ID", "AZURE_TENANT_ID"]));
        let tenant = tenant.ok_or_else(|| {
            missing(
                "say whose journal it is: tenant_id=, or IAM_TENANT_ID or AZURE_TENANT_ID in the environment",
            )
        })?;
        let gates = gates
            .map(|gates| read(gates, "gates"))
            .transpose()
            .map_err(raised)?;
        let clock: SharedClock = match clock {
            Some(clock) => clock.0,
            None => Arc::new(SystemClock),
        };
        Ok(Self {
            journal,
            tenant,
            schema,
            checkpoint: place(checkpoint.as_deref()).map_err(raised)?,
            arm: match (arm, &graph) {
                (Some(arm), _) => Some(arm_of(&arm)?),
                // All of the environment, or nothing of it.
                (None, None) if !policy.document.azure_scopes().is_empty() => {
                    Some(arm_of(&py.get_type::<ArmClient>().call0()?)?)
                }
                (None, _) => None,
            },
            scim: match (scim, &graph, policy.document.apps().as_slice()) {
                (Some(scim), ..) => scim.0,
                (None, None, [app]) if variable(&["IAM_SCIM_URL"]).is_some() => {
                    vec![(app.to_string(), scim_of(&py.get_type::<ScimClient>().call0()?)?)]
                }
                _ => Vec::new(),
            },
            graph: match graph {
                Some(graph) => graph_of(&graph)?,
                None => graph_of(&py.get_type::<GraphClient>().call0()?)?,
            },
            notifier: notifier.map(|own| callbacks::notifier(own, home)).transpose()?,
            orchestrator: orchestrator
                .map(|own| callbacks::orchestrator(own, &policy.document, home))
                .transpose()?,
            access_policy: access_policy
                .map(|own| callbacks::access_policy(own))
                .transpose()?,
            applications: applications
                .unwrap_or_default()
                .into_iter()
                .map(|(name, own)| Application::new(&name, own, home))
                .collect::<PyResult<_>>()?,
            policy,
            actor,
            concurrency,
            clock,
            gates: gates.unwrap_or_default(),
            repeats: repeats.unwrap_or_default(),
            home,
        })
    }

    pub(super) async fn open(self) -> Result<Inner> {
        let (place, tenant) = (self.journal, self.tenant);
        let (schema, after) = (self.schema, self.checkpoint);
        let (journal, store) =
            runtime::apart(move || async move { journal(&place, &tenant, schema, after).await }).await?;
        let document: Arc<Document> = self.policy.document.clone();
        let (mut graph, mut arm) = (self.graph, self.arm);
        if matches!(store, Store::Postgres(_)) {
            // What the services allow is shared with the other processes.
            let budget = |name| Arc::new(SharedBudget::new(journal.clone(), self.clock.clone(), name));
            graph = graph.sharing(budget("graph"));
            arm = arm.map(|arm| arm.sharing(budget("arm"))).transpose()?;
        }
        let mut targets: Vec<Arc<dyn Target>> = vec![Arc::new(GraphTarget::new(graph.clone()))];
        let scopes = document.azure_scopes();
        if let (Some(arm), false) = (arm, scopes.is_empty()) {
            targets.push(Arc::new(ArmTarget::new(arm, scopes)?));
        }
        for (app, client) in self.scim {
            targets.push(Arc::new(ScimTarget::new(&app, client)));
        }
        for own in self.applications {
            targets.push(Arc::new(own));
        }
        let mut builder =
            iam_core::engine::Engine::builder(journal.clone(), document.clone()).clock(self.clock.clone());
        for target in &targets {
            builder = builder.target(target.clone());
        }
        if let Some(notifier) = self.notifier {
            builder = builder.notifier(notifier);
        } else if let Some(from) = &document.settings().notify_from {
            builder = builder.notifier(Arc::new(GraphMail::new(graph, from)));
        }
        match (self.orchestrator, self.access_policy) {
            (Some(_), Some(_)) => {
                let message = "an orchestrator of one's own asks no access policy: give one of the two";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            (Some(own), None) => builder = builder.orchestrator(own),
            (None, Some(own)) => {
                builder = builder.orchestrator(Arc::new(Lifecycle::new(document.clone()).with_policy(own)));
            }
            (None, None) => {}
        }
        if let Some(actor) = self.actor {
            builder = builder.actor(actor);
        }
        if let Some(people) = self.concurrency {
            builder = builder.concurrency(people);
        }
        for (source, gate) in self.gates {
            builder = builder.source(source, gate);
        }
        for kind in self.repeats {
            builder = builder.accept_repeats(kind);
        }
        Ok(Inner {
            engine: Arc::new(builder.build()),
            journal,
            targets,
            clock: self.clock,
            store,
            policy: self.policy,
            home: self.home,
            crews: Arc::default(),
        })
    }
}

async fn journal(
    place: &str,
    tenant: &str,
    schema: Option<String>,
    after: Option<Checkpoint>,
) -> Result<(Arc<dyn Journal>, Store)> {
    let place = place.trim();
    if place == "memory" {
        return Ok((Arc::new(MemoryJournal::new()), Store::Memory));
    }
    if let Some(file) = place.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        let journal = match after {
            Some(after) => SqliteJournal::open_after(file, tenant, &after).await?,
            None => SqliteJournal::open(file, tenant).await?,
        };
        return Ok((Arc::new(journal.clone()), Store::Sqlite(journal)));
    }
    if place.starts_with("postgres://") || place.starts_with("postgresql://") {
        let mut builder = PostgresJournal::builder(place, tenant);
        if let Some(schema) = schema {
            builder = builder.schema(schema);
        }
        if let Some(after) = after {
            builder = builder.after(after);
        }
        let journal = builder.open().await?;
        return Ok((Arc::new(journal.clone()), Store::Postgres(journal)));
    }
    // It may hold a password.
    let scheme = place.split_once(':').map_or("", |(scheme, _)| scheme);
    Err(Error::new(
        ErrorKind::Invalid,
        format!("the journal is \"memory\", \"sqlite:FILE\" or \"postgres://…\", and not {scheme:?}"),
    ))
}

/// A clock that runs from a given instant on, and can be put forward.
#[pyclass(frozen, from_py_object, module = "iam_platform")]
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<Running>);

#[derive(Debug)]
struct Running {
    from: Mutex<Timestamp>,
    since: Moment,
}

impl iam_core::clock::Clock for Running {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        let from = *self.from.lock().unwrap_or_else(PoisonError::into_inner);
        from.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { SystemClock.sleep(duration).await })
    }
}

impl Clock {
    pub(crate) fn shared(self) -> SharedClock {
        self.0
    }
}

#[pymethods]
impl Clock {
    #[new]
    #[pyo3(signature = (at = None))]
    fn new(at: Option<Instant>) -> Self {
        let from = at.map_or_else(Timestamp::now, |at| at.0);
        Self(Arc::new(Running {
            from: Mutex::new(from),
            since: Moment::now(),
        }))
    }

    fn now(&self) -> Instant {
        Instant(self.0.now())
    }

    fn advance(&self, seconds: f64) -> PyResult<()> {
        let by = SignedDuration::try_from_secs_f64(seconds).map_err(|error| {
            raised(Error::new(
                ErrorKind::Invalid,
                format!("{seconds} are no seconds: {error}"),
            ))
        })?;
        let mut from = self.0.from.lock().unwrap_or_else(PoisonError::into_inner);
        *from = from.saturating_add(by).unwrap_or(Timestamp::MAX);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("Clock({:?})", self.0.now().to_string())
    }
}
