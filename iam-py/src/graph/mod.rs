//! Microsoft Graph: the pair of clients, and what they do with any path. One file for each part of the directory.

mod access;
mod batch;
mod groups;
mod query;
mod users;

use iam_core::http::{Method, Request};
use iam_core::{Error, ErrorKind, Result};
use iam_graph::cost::Limits;
use pyo3::prelude::*;
use serde_json::Value;

use crate::convert::Json;
use crate::errors::raised;
use crate::exchange::{self, Pairs, Response, Wish};
use crate::listing::{Pages, lists};
use crate::loops::Home;
use crate::runtime::twin;
use crate::settings::{Given, Settings};
use crate::{credentials, listing};
use batch::{Asked, Outcome};
use query::{Names, Options};

/// A client of Microsoft Graph whose calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct GraphClient(pub(crate) iam_graph::GraphClient);

/// A client of Microsoft Graph whose calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncGraphClient(pub(crate) iam_graph::GraphClient);

/// The rate budget that requests wait for.
#[derive(Debug)]
struct Budget(Option<Limits>);

impl<'a, 'py> FromPyObject<'a, 'py> for Budget {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if given.is_none() {
            return Ok(Self(None));
        }
        if let Ok(users) = given.extract::<usize>() {
            return Ok(Self(Some(Limits::of_tenant(users))));
        }
        if given.extract::<&str>().is_ok_and(|word| word == "default") {
            return Ok(Self(Some(Limits::default())));
        }
        let message =
            "limits are \"default\" (the smallest tenant's), a number of users, or None (no budget)";
        Err(raised(Error::new(ErrorKind::Invalid, message)))
    }
}

fn client(
    credential: Option<&Bound<'_, PyAny>>,
    given: Given,
    limits: Budget,
    home: Home,
) -> PyResult<iam_graph::GraphClient> {
    let settings = Settings::new(given).map_err(raised)?;
    let tokens = credentials::tokens(credential, &settings, home)?;
    let transport = settings.transport();
    let builder = iam_graph::GraphClient::builder(settings.cloud, tokens, transport);
    Ok(builder.limits(limits.0).build())
}

/// Writes the constructor of both classes.
macro_rules! made {
    ($class:ident, $home:expr) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (credential = None, *, cloud = None, authority = None, graph_url = None,
                                ca_bundle = None, proxy = None, limits = Budget(Some(Limits::default())), timeout = None))]
            #[allow(clippy::too_many_arguments)] // they are keywords
            fn new(
                credential: Option<&Bound<'_, PyAny>>,
                cloud: Option<String>,
                authority: Option<String>,
                graph_url: Option<String>,
                ca_bundle: Option<String>,
                proxy: Option<String>,
                limits: Budget,
                timeout: Option<f64>,
            ) -> PyResult<Self> {
                let given = Given {
                    cloud,
                    authority,
                    graph_url,
                    ca_bundle,
                    proxy,
                    timeout,
                    ..Given::default()
                };
                client(credential, given, limits, $home).map(Self)
            }

            fn __repr__(&self) -> String {
                format!("<{} of {}>", stringify!($class), self.0.root())
            }
        }
    };
}
made!(GraphClient, Home::Ours);
made!(AsyncGraphClient, Home::Callers);

/// One call: a body of JSON or none out, JSON in.
async fn call(
    client: &iam_graph::GraphClient,
    method: Method,
    path: &str,
    body: Option<&Value>,
    operation: &'static str,
) -> Result<Json> {
    let answer = client.request(method, path, body, operation).await?;
    exchange::body(&answer).map_err(|error| error.with_operation(operation))
}

/// One object, perhaps with a selection of its properties and what it is related to.
async fn one(
    client: &iam_graph::GraphClient,
    path: &str,
    options: Options,
    operation: &'static str,
) -> Result<Json> {
    let path = options.query("", None).path(path)?;
    call(client, Method::Get, &path, None, operation).await
}

/// The first page of a collection, and all that follow.
fn pages(
    client: &iam_graph::GraphClient,
    path: &str,
    options: Options,
    (select, top): (&str, Option<u32>),
    operation: &'static str,
) -> Result<Pages> {
    if path.contains('?') {
        // A link of the service's, or a path that says all by itself.
        if !options.is_empty() {
            let message = "the path has query options already: give them either there or by name";
            return Err(Error::new(ErrorKind::Invalid, message).with_operation(operation));
        }
        return Ok(started(client, client.build(Method::Get, path, operation)));
    }
    let query = options.query(select, top);
    let named = |error: Error| error.with_operation(operation);
    let request = client.build(Method::Get, &query.path(path).map_err(named)?, operation);
    let request = if query.is_advanced(path) {
        request.header("ConsistencyLevel", "eventual")
    } else {
        request
    };
    Ok(started(client, request))
}

fn started(client: &iam_graph::GraphClient, request: Request) -> Pages {
    let url = request.url.clone();
    Pages::new(client.pages(request), url)
}

twin! { GraphClient, AsyncGraphClient of iam_graph::GraphClient;
    #[pyo3(signature = (method, path, json = None, *, content = None, params = None, headers = None, beta = false, check = true))]
    #[allow(clippy::too_many_arguments)] // they are keywords
    fn request(this, method: String, path: String, json: Option<Json>, content: Option<Vec<u8>>,
               params: Option<Pairs>, headers: Option<Pairs>, beta: bool, check: bool) -> Response {
        let this = if beta { this.beta() } else { this };
        let wish = Wish { method, path, json, content, params, headers };
        let request = wish.build(|method, path, operation| this.build(method, path, operation))?;
        let answer = if check { this.send(request).await } else { this.exchange(request).await };
        answer.map(Response)
    }

    #[pyo3(signature = (requests, *, parallel = 4))]
    fn batch(this, requests: Json, parallel: usize) -> Vec<Outcome> {
        Asked::read(requests)?.send(&this, parallel).await
    }

    fn organization(this) -> Json {
        let all = call(&this, Method::Get, "/organization", None, "read organization").await?;
        Ok(listing::only(all))
    }
}

lists! { GraphClient, AsyncGraphClient;
    #[pyo3(signature = (path = "/users".to_owned(), *, select = None, link = None, minimal = false, from_now = false))]
    fn delta(this, path: String, select: Option<Names>, link: Option<String>, minimal: bool, from_now: bool) {
        let mut options = Options { select, ..Options::default() }.query("", None);
        if from_now {
            options = options.option("$deltatoken", "latest");
        }
        let from = match link {
            Some(link) => link,
            None => options.path(&format!("{path}/delta"))?,
        };
        let mut request = this.build(Method::Get, &from, "list changes");
        if minimal {
            request = request.header("Prefer", "return=minimal");
        }
        Ok(started(this, request))
    }
}
