//! Applications that speak SCIM 2.0.

use iam_core::auth::Audience;
use iam_core::http::{Method, Response as Answer};
use iam_core::{Error, ErrorKind, Result, Secret};
use iam_scim::Auth;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::convert::Json;
use crate::credentials;
use crate::errors::raised;
use crate::exchange::{Id, Pairs, Response, Wish, body, segment};
use crate::listing::{Pages, lists};
use crate::loops::Home;
use crate::runtime::twin;
use crate::settings::{Given, Settings};

/// How many resources are asked for at once; servers may give fewer.
const PAGE: u32 = 100;
const MEDIA_TYPE: &str = "application/scim+json";

/// A client of one SCIM service provider whose calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct ScimClient(pub(crate) iam_scim::ScimClient);

/// A client of one SCIM service provider whose calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncScimClient(pub(crate) iam_scim::ScimClient);

/// Where, and as whom.
struct Provider<'a, 'py> {
    base_url: Option<String>,
    token: Option<String>,
    credential: Option<&'a Bound<'py, PyAny>>,
    scope: Option<String>,
}

impl Provider<'_, '_> {
    fn client(self, given: Given, home: Home) -> PyResult<iam_scim::ScimClient> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let missing = |what: &str| {
            raised(Error::new(
                ErrorKind::Invalid,
                format!("a SCIM client needs {what}"),
            ))
        };
        let base_url = self
            .base_url
            .or_else(|| variable("IAM_SCIM_URL"))
            .ok_or_else(|| missing("a base URL: give base_url, or set IAM_SCIM_URL"))?;
        let settings = Settings::new(given).map_err(raised)?;
        let auth = match (self.token, self.credential) {
            (Some(_), Some(_)) => return Err(missing("either a token or a credential, not both")),
            (None, Some(credential)) => {
                let scope = self
                    .scope
                    .ok_or_else(|| missing("the scope that the credential is asked for"))?;
                let tokens = credentials::tokens(Some(credential), &settings, home)?;
                Auth::tokens(tokens, Audience::new(scope, &[&base_url]).map_err(raised)?)
            }
            (token, None) => {
                let token = token.or_else(|| variable("IAM_SCIM_TOKEN"));
                let token = token.ok_or_else(|| missing("a token: give token, or set IAM_SCIM_TOKEN"))?;
                Auth::token(Secret::new(token))
            }
        };
        iam_scim::ScimClient::new(&base_url, auth, settings.transport()).map_err(raised)
    }
}

/// Writes the constructor of both classes.
macro_rules! made {
    ($class:ident, $home:expr) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (base_url = None, token = None, credential = None, *, scope = None, authority = None,
                                ca_bundle = None, proxy = None, timeout = None))]
            #[allow(clippy::too_many_arguments)] // they are keywords
            fn new(
                base_url: Option<String>,
                token: Option<String>,
                credential: Option<&Bound<'_, PyAny>>,
                scope: Option<String>,
                authority: Option<String>,
                ca_bundle: Option<String>,
                proxy: Option<String>,
                timeout: Option<f64>,
            ) -> PyResult<Self> {
                let provider = Provider {
                    base_url,
                    token,
                    credential,
                    scope,
                };
                let given = Given {
                    authority,
                    ca_bundle,
                    proxy,
                    timeout,
                    ..Given::default()
                };
                provider.client(given, $home).map(Self)
            }

            fn __repr__(&self) -> String {
                format!("<{} of {}>", stringify!($class), self.0.root())
            }
        }
    };
}
made!(ScimClient, Home::Ours);
made!(AsyncScimClient, Home::Callers);

fn at(collection: &str, id: &Id) -> String {
    format!("/{collection}/{}", segment(id))
}

/// One call: a resource or none out, a resource in.
async fn call(
    client: &iam_scim::ScimClient,
    method: Method,
    path: &str,
    resource: Option<&Value>,
    operation: &'static str,
) -> Result<Json> {
    let answer: Answer = client.request(method, path, resource, operation).await?;
    body(&answer).map_err(|error| error.with_operation(operation))
}

/// The body of a PATCH: operations as RFC 7644 writes them, or all of the message.
fn patch(given: Json) -> Value {
    match given.0 {
        operations @ Value::Array(_) => json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations,
        }),
        message => message,
    }
}

fn listed(
    client: &iam_scim::ScimClient,
    path: &str,
    options: [(&str, Option<String>); 3],
    count: Option<u32>,
    operation: &'static str,
) -> Pages {
    let mut path = format!("{path}?startIndex=1&count={}", count.unwrap_or(PAGE));
    for (name, value) in options {
        if let Some(value) = value {
            path = format!("{path}&{name}={}", segment(&value));
        }
    }
    started(client, &path, operation)
}

fn started(client: &iam_scim::ScimClient, path: &str, operation: &'static str) -> Pages {
    let request = client.build(Method::Get, path, operation);
    let url = request.url.clone();
    Pages::new(client.pages(request), url)
}

twin! { ScimClient, AsyncScimClient of iam_scim::ScimClient;
    #[pyo3(signature = (method, path, json = None, *, content = None, params = None, headers = None, check = true))]
    fn request(this, method: String, path: String, json: Option<Json>, content: Option<Vec<u8>>,
               params: Option<Pairs>, headers: Option<Pairs>, check: bool) -> Response {
        let has_json = json.is_some();
        let wish = Wish { method, path, json, content, params, headers };
        let mut request = wish.build(|method, path, operation| this.build(method, path, operation))?;
        if has_json && let Some((_, kind)) = request.headers.iter_mut().find(|(name, _)| name == "content-type") {
            MEDIA_TYPE.clone_into(kind);
        }
        let answer = if check { this.send(request).await } else { this.exchange(request).await };
        answer.map(Response)
    }

    fn user(this, id: Id) -> Json { call(&this, Method::Get, &at("Users", &id), None, "read user").await }

    fn create_user(this, resource: Json) -> Json {
        call(&this, Method::Post, "/Users", Some(&resource.0), "create user").await
    }

    fn replace_user(this, id: Id, resource: Json) -> Json {
        call(&this, Method::Put, &at("Users", &id), Some(&resource.0), "replace user").await
    }

    fn patch_user(this, id: Id, operations: Json) -> Json {
        call(&this, Method::Patch, &at("Users", &id), Some(&patch(operations)), "update user").await
    }

    fn delete_user(this, id: Id) -> () {
        this.request(Method::Delete, &at("Users", &id), None, "delete user").await.map(drop)
    }

    fn group(this, id: Id) -> Json { call(&this, Method::Get, &at("Groups", &id), None, "read group").await }

    fn create_group(this, resource: Json) -> Json {
        call(&this, Method::Post, "/Groups", Some(&resource.0), "create group").await
    }

    fn replace_group(this, id: Id, resource: Json) -> Json {
        call(&this, Method::Put, &at("Groups", &id), Some(&resource.0), "replace group").await
    }

    fn patch_group(this, id: Id, operations: Json) -> Json {
        call(&this, Method::Patch, &at("Groups", &id), Some(&patch(operations)), "update group").await
    }

    fn delete_group(this, id: Id) -> () {
        this.request(Method::Delete, &at("Groups", &id), None, "delete group").await.map(drop)
    }

    fn add_member(this, group: Id, user: Id) -> () { this.add_member(&group, &user).await }

    fn remove_member(this, group: Id, user: Id) -> () { this.remove_member(&group, &user).await }

    fn service_provider_config(this) -> Json {
        call(&this, Method::Get, "/ServiceProviderConfig", None, "read the server's abilities").await
    }
}

lists! { ScimClient, AsyncScimClient;
    #[pyo3(signature = (*, filter = None, attributes = None, excluded = None, count = None))]
    fn users(this, filter: Option<String>, attributes: Option<String>, excluded: Option<String>, count: Option<u32>) {
        let options = [("filter", filter), ("attributes", attributes), ("excludedAttributes", excluded)];
        Ok(listed(this, "/Users", options, count, "list users"))
    }

    #[pyo3(signature = (*, filter = None, attributes = None, excluded = None, count = None))]
    fn groups(this, filter: Option<String>, attributes: Option<String>, excluded: Option<String>, count: Option<u32>) {
        let options = [("filter", filter), ("attributes", attributes), ("excludedAttributes", excluded)];
        Ok(listed(this, "/Groups", options, count, "list groups"))
    }

    fn resource_types(this) { Ok(started(this, "/ResourceTypes", "list resource types")) }

    fn schemas(this) { Ok(started(this, "/Schemas", "list schemas")) }

    fn list(this, path: String) { Ok(started(this, &path, "list")) }
}
