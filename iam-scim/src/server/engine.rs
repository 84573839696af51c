//! The engine: a request in, an answer out. It owns the order of things: condition, reading, change, write with the
//! version it read.

use std::collections::HashMap;
use std::sync::Arc;

use iam_core::clock::{SharedClock, SystemClock};
use serde_json::Value;
use uuid::Uuid;

use super::body;
use super::discovery;
use super::exchange::{Method, Request, Response};
use super::problem::Problem;
use super::projection::{Location, Shape, Shown, unlink};
use super::query::{self, Query};
use super::record::Record;
use super::schema::Kind;
use super::store::{Membership, Store, StoreError};
use super::turns::Turns;

/// What can be set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How many resources a list shows when the client does not say. Default 100.
    pub page: usize,
    /// The most that a list shows. Default 1000.
    pub max_page: usize,
    /// The largest body in bytes. Default 1 MiB.
    pub max_body: usize,
    /// The root as clients see it, such as `https://app.example/scim/v2`. By default it is taken from the request's
    /// `Host` header, with the scheme http.
    pub base_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page: 100,
            max_page: 1000,
            max_body: 1024 * 1024,
            base_url: None,
        }
    }
}

/// The service provider over a store. Clones share the store.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: SharedClock,
    pub(crate) settings: Arc<Settings>,
    pub(crate) turns: Arc<Turns>,
}

pub(crate) type Answer = Result<Response, Problem>;

impl Engine {
    /// An engine with the machine's clock and the default settings.
    pub fn new(store: impl Store + 'static) -> Self {
        Self {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            settings: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: SharedClock) -> Self {
        Self { clock, ..self }
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            ..self
        }
    }

    /// Answers a request; refusals are answers too.
    pub async fn handle(&self, request: &Request) -> Response {
        match self.route(request).await {
            Ok(response) => response,
            Err(problem) => problem.into(),
        }
    }

    async fn route(&self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let method = request.method;
        let kind = |segment: &str| {
            let mut all = Kind::ALL.into_iter();
            all.find(|kind| segment.eq_ignore_ascii_case(kind.endpoint()))
        };
        match path.as_slice() {
            [] => match method {
                Method::Get => {
                    self.list(request, &Kind::ALL, Query::from_parameters(request)?)
                        .await
                }
                _ => Ok(Response::not_allowed("GET")),
            },
            [".search"] => self.search(request, &Kind::ALL).await,
            [segment] if kind(segment).is_some() => {
                let kind = kind(segment).into_iter().collect::<Vec<_>>();
                match (method, kind.first()) {
                    (Method::Get, _) => self.list(request, &kind, Query::from_parameters(request)?).await,
                    (Method::Post, Some(kind)) => self.create(request, *kind).await,
                    _ => Ok(Response::not_allowed("GET, POST")),
                }
            }
            [segment, rest] => match (kind(segment), *rest) {
                (Some(kind), ".search") => self.search(request, &[kind]).await,
                (Some(kind), id) => self.one(request, kind, id).await,
                (None, id) => self.discover(request, segment, Some(id)),
            },
            ["Me" | "Bulk"] => Err(Problem::new(
                501,
                "not supported here; see /ServiceProviderConfig",
            )),
            [segment] => self.discover(request, segment, None),
            _ => Err(Problem::new(404, "there is nothing here")),
        }
    }

    async fn one(&self, request: &Request, kind: Kind, id: &str) -> Answer {
        match request.method {
            Method::Get => self.read(request, kind, id).await,
            Method::Put | Method::Patch => self.change(request, kind, id).await,
            Method::Delete => self.delete(request, kind, id).await,
            _ => Ok(Response::not_allowed("GET, PUT, PATCH, DELETE")),
        }
    }

    fn discover(&self, request: &Request, segment: &str, id: Option<&str>) -> Answer {
        let base = &request.base;
        let all = match (segment.to_ascii_lowercase().as_str(), id) {
            ("serviceproviderconfig", None) => vec![discovery::config(&self.settings, base)],
            ("resourcetypes", _) => discovery::resource_types(base),
            ("schemas", _) => discovery::schemas(base),
            _ => return Err(Problem::new(404, "there is nothing here")),
        };
        if request.method != Method::Get {
            return Ok(Response::not_allowed("GET"));
        }
        if request
            .query
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("filter"))
        {
            return Err(Problem::new(403, "discovery takes no filter"));
        }
        let named = |one: &&Value| {
            let own = one.get("id").and_then(Value::as_str);
            own.zip(id).is_some_and(|(own, id)| own.eq_ignore_ascii_case(id))
        };
        match id {
            Some(_) => match all.iter().find(named) {
                Some(found) => Response::json(200, found),
                None => Err(Problem::new(404, "there is none of that id")),
            },
            None if segment.eq_ignore_ascii_case("ServiceProviderConfig") => {
                Response::json(200, &all.first())
            }
            None => Response::list(all.len(), 1, &all),
        }
    }

    async fn search(&self, request: &Request, kinds: &[Kind]) -> Answer {
        if request.method != Method::Post {
            return Ok(Response::not_allowed("POST"));
        }
        self.list(request, kinds, Query::from_body(&request.json()?)?)
            .await
    }

    async fn read(&self, request: &Request, kind: Kind, id: &str) -> Answer {
        let record = self.stored(kind, id).await?;
        let seen = request.if_none_match.as_deref();
        if seen.is_some_and(|seen| names_version(seen, &record)) {
            return Ok(Response {
                etag: Some(record.tag()),
                ..Response::new(304)
            });
        }
        self.answer(request, 200, &record).await
    }

    async fn create(&self, request: &Request, kind: Kind) -> Answer {
        let mut attributes = body::resource(kind, &request.json()?)?;
        unlink(kind, &mut attributes, &request.base);
        let record = Record::new(kind, Uuid::new_v4().to_string(), attributes, self.clock.now());
        let record = Arc::new(record);
        self.store.put(record.clone(), None).await.map_err(refused)?;
        self.answer(request, 201, &record).await
    }

    pub(crate) async fn stored(&self, kind: Kind, id: &str) -> Result<Arc<Record>, Problem> {
        let found = self.store.get(kind, id).await.map_err(refused)?;
        found.ok_or_else(|| Problem::new(404, format!("there is no {} of that id", kind.name())))
    }

    pub(crate) async fn groups(&self, ids: &[String], kind: Kind) -> Result<Vec<Membership>, Problem> {
        match kind {
            Kind::User => self.store.memberships(ids).await.map_err(refused),
            Kind::Group => Ok(Vec::new()),
        }
    }

    pub(crate) async fn answer(&self, request: &Request, status: u16, record: &Record) -> Answer {
        // A change has taken effect here, so nothing in the query may refuse it any more.
        let (attributes, excluded) = query::shown(request);
        let shape = Shape::new(record.kind, &attributes, &excluded);
        let groups = if shape.shows("groups") {
            self.groups(std::slice::from_ref(&record.id), record.kind).await?
        } else {
            Vec::new()
        };
        let shown = Shown::new(record, groups.iter(), &request.base, &shape);
        Ok(Response {
            etag: Some(record.tag()),
            location: Some(Location::new(&request.base, record.kind, &record.id).to_string()),
            ..Response::json(status, &shown)?
        })
    }
}

/// The groups of each user among `memberships`.
pub(crate) fn by_member(memberships: &[Membership]) -> HashMap<&str, Vec<&Membership>> {
    let mut out: HashMap<&str, Vec<&Membership>> = HashMap::new();
    for one in memberships {
        out.entry(&one.member).or_default().push(one);
    }
    out
}

/// Whether a list of entity tags, or `*`, names the version; weak and strong tags are the same here.
pub(crate) fn names_version(tags: &str, record: &Record) -> bool {
    let own = record.tag();
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.split(',')
        .any(|tag| tag.trim() == "*" || strong(tag) == strong(&own))
}

pub(crate) fn refused(error: StoreError) -> Problem {
    match error {
        StoreError::Taken(index) => Problem::taken(format!("another resource has this {}", index.name())),
        StoreError::Stale => Problem::stale(),
        StoreError::Refused(reason) => Problem::value(reason),
        StoreError::Failed(reason) => {
            tracing::error!(reason, "the SCIM store failed");
            Problem::new(500, "the store failed; try again later")
        }
    }
}
