//! The SCIM service provider for Python: what is pushed into it is accepted by the engine as HR's word, durably, before
//! it is answered.

use std::sync::Arc;

use async_trait::async_trait;
use iam_core::engine::Engine;
use iam_core::event::EventId;
use iam_core::intake::{Intake as _, Item, ScimIntake};
use iam_core::journal::Message;
use iam_core::{Error, ErrorKind};
use iam_scim::server::{
    Key, Kind, Membership, Method, Page, Record, Request, Settings, SqliteStore, Store, StoreError,
};
use pyo3::prelude::*;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::engine::{AsyncEngine, Engine as SyncEngine};
use crate::runtime::{self, twin};

/// Under which source what is pushed in stands in the journal.
const SOURCE: &str = "scim";
/// The extension in which the intake is told a status that SCIM has no word for.
const SAID: &str = "urn:iam-platform:scim:User";

/// A store that tells the engine first. Users are people; groups are kept, and mean nothing to HR.
#[derive(Debug)]
struct HrStore {
    inner: SqliteStore,
    engine: Arc<Engine>,
    /// One write at a time, so that a name that is free when HR is told is free when it is kept.
    turn: Mutex<()>,
}

impl HrStore {
    /// Accepts what the attributes say of a person.
    async fn say(&self, id: &str, version: u64, body: &Map<String, Value>) -> Result<(), StoreError> {
        let data = Value::Object(body.clone()).to_string();
        let mut refused = None;
        let read = ScimIntake::new().read(&mut data.as_bytes(), &mut |item| {
            if let Item::Reject(reject) = item {
                // The intake knows it by the name of the flat feed, where there is none.
                let field = if reject.field == "employeeId" {
                    "externalId"
                } else {
                    &reject.field
                };
                refused = Some(format!("{field}: {}", reject.message));
            }
            std::ops::ControlFlow::Continue(())
        });
        if let Some(why) = refused {
            return Err(StoreError::Refused(why));
        }
        read.map_err(|error| StoreError::Refused(error.message().to_owned()))?;
        // The same write again is the same message, and another content another one.
        let name = EventId::of(&[id, &version.to_string(), &data]);
        let mut message = Message::new(SOURCE, name.as_str(), "iam-platform.hr.record");
        message.content_type = Some("application/scim+json".to_owned());
        message.data = data.into_bytes();
        let taken = self.engine.receive(std::slice::from_ref(&message)).await;
        let taken = taken.map_err(|error| StoreError::Failed(error.chain()))?;
        match taken.first().and_then(|taken| taken.dead_letter) {
            Some(_) => Err(StoreError::Refused("the user cannot be understood".to_owned())),
            None => Ok(()),
        }
    }

    /// Nobody else has what must be one's own.
    async fn free(&self, record: &Record) -> Result<(), StoreError> {
        for key in record.keys().iter().filter(|key| key.index.unique()) {
            let holders = self.inner.find(record.kind, key).await?;
            if holders.iter().any(|holder| holder.id != record.id) {
                return Err(StoreError::Taken(key.index));
            }
        }
        Ok(())
    }
}

/// `active: false` is a suspension (RFC 7643 section 4.1.1), which blocks and takes nothing away: a leave is said by
/// deleting the user.
fn told(body: &Map<String, Value>, status: Option<&str>) -> Map<String, Value> {
    let mut body = body.clone();
    let inactive = body.get("active") == Some(&Value::Bool(false));
    if let Some(status) = status.or(inactive.then_some("On Leave")) {
        body.remove("active");
        body.insert(SAID.to_owned(), json!({ "WorkerStatus": status }));
    }
    body
}

#[async_trait]
impl Store for HrStore {
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Arc<Record>>, StoreError> {
        self.inner.get(kind, id).await
    }

    async fn put(&self, record: Arc<Record>, expected: Option<u64>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        if record.kind == Kind::User {
            let known = self.inner.get(record.kind, &record.id).await?;
            if known.map(|known| known.version) != expected {
                return Err(StoreError::Stale);
            }
            self.free(&record).await?;
            self.say(&record.id, record.version, &told(&record.body, None))
                .await?;
        }
        self.inner.put(record, expected).await
    }

    async fn delete(&self, kind: Kind, id: &str, expected: u64) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        if kind == Kind::User {
            let known = self.inner.get(kind, id).await?.ok_or(StoreError::Stale)?;
            if known.version != expected {
                return Err(StoreError::Stale);
            }
            let gone = told(&known.body, Some("Terminated"));
            self.say(id, known.version + 1, &gone).await?;
        }
        self.inner.delete(kind, id, expected).await
    }

    async fn find(&self, kind: Kind, key: &Key) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.find(kind, key).await
    }

    async fn scan(&self, kind: Kind, offset: usize, limit: usize) -> Result<Page, StoreError> {
        self.inner.scan(kind, offset, limit).await
    }

    async fn memberships(&self, members: &[String]) -> Result<Vec<Membership>, StoreError> {
        self.inner.memberships(members).await
    }
}

type Provider = iam_scim::server::Engine;

async fn open(path: String, engine: Arc<Engine>, base_url: Option<String>) -> iam_core::Result<Provider> {
    let inner = SqliteStore::open(&path).await.map_err(|error| {
        Error::new(
            ErrorKind::Storage,
            format!("the SCIM store cannot be opened: {error}"),
        )
    })?;
    let mut settings = Settings::default();
    settings.base_url = base_url;
    let turn = Mutex::default();
    Ok(Provider::new(HrStore { inner, engine, turn }).with_settings(settings))
}

/// The SCIM 2.0 service provider over a file, whose users the engine hears of; its calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct ScimServer(Provider);

/// The SCIM 2.0 service provider over a file, whose users the engine hears of; its calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncScimServer(Provider);

#[pymethods]
impl ScimServer {
    #[new]
    #[pyo3(signature = (path, engine, *, base_url = None))]
    fn new(py: Python<'_>, path: String, engine: &SyncEngine, base_url: Option<String>) -> PyResult<Self> {
        runtime::wait(py, open(path, engine.0.engine.clone(), base_url)).map(Self)
    }
}

#[pymethods]
impl AsyncScimServer {
    #[new]
    #[pyo3(signature = (path, engine, *, base_url = None))]
    fn new(py: Python<'_>, path: String, engine: &AsyncEngine, base_url: Option<String>) -> PyResult<Self> {
        runtime::wait(py, open(path, engine.0.engine.clone(), base_url)).map(Self)
    }
}

type Answer = (u16, Vec<(&'static str, String)>, Option<String>);

twin! { ScimServer, AsyncScimServer of Provider;
    /// Answers a request: the decoded segments of the path below the root, the query and the headers as pairs. The
    /// answer is a status, headers, and the body where there is one.
    #[allow(clippy::too_many_arguments)] // the parts of a request
    fn handle(
        this, method: String, path: Vec<String>, query: Vec<(String, String)>, headers: Vec<(String, String)>,
        body: Vec<u8>, base: String
    ) -> Answer {
        let method = Method::of(method.as_str());
        let mut request = Request::new(method, &[], base);
        let header = |name: &str| {
            let mut all = headers.iter();
            all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        request.path = path;
        request.query = query;
        request.body = body;
        request.if_match = header("if-match");
        request.if_none_match = header("if-none-match");
        let answer = this.handle(&request).await;
        let headers = [
            ("etag", answer.etag), ("location", answer.location), ("allow", answer.allow.map(str::to_owned)),
        ];
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok((answer.status, headers, answer.body))
    }
}
