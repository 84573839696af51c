//! Azure Resource Manager.

use std::collections::BTreeMap;

use iam_arm::Scope;
use iam_arm::assignments::{Assigned, PrincipalType};
use iam_core::http::Method;
use iam_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;

use crate::convert::{Json, json};
use crate::credentials;
use crate::errors::raised;
use crate::exchange::{Id, Pairs, Response, Wish, segment};
use crate::listing::{Pages, lists};
use crate::loops::Home;
use crate::runtime::twin;
use crate::settings::{Given, Settings};

/// A client of Azure Resource Manager whose calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct ArmClient(pub(crate) iam_arm::ArmClient);

/// A client of Azure Resource Manager whose calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncArmClient(pub(crate) iam_arm::ArmClient);

fn client(credential: Option<&Bound<'_, PyAny>>, given: Given, home: Home) -> PyResult<iam_arm::ArmClient> {
    let settings = Settings::new(given).map_err(raised)?;
    let tokens = credentials::tokens(credential, &settings, home)?;
    let transport = settings.transport();
    iam_arm::ArmClient::new(settings.cloud, tokens, transport).map_err(raised)
}

/// Writes the constructor of both classes.
macro_rules! made {
    ($class:ident, $home:expr) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (credential = None, *, cloud = None, authority = None, graph_url = None, arm_url = None,
                                ca_bundle = None, proxy = None, timeout = None))]
            #[allow(clippy::too_many_arguments)] // they are keywords
            fn new(
                credential: Option<&Bound<'_, PyAny>>,
                cloud: Option<String>,
                authority: Option<String>,
                graph_url: Option<String>,
                arm_url: Option<String>,
                ca_bundle: Option<String>,
                proxy: Option<String>,
                timeout: Option<f64>,
            ) -> PyResult<Self> {
                let given = Given {
                    cloud,
                    authority,
                    graph_url,
                    arm_url,
                    ca_bundle,
                    proxy,
                    timeout,
                };
                client(credential, given, $home).map(Self)
            }

            fn __repr__(&self) -> String {
                format!("<{} of {}>", stringify!($class), self.0.root())
            }
        }
    };
}
made!(ArmClient, Home::Ours);
made!(AsyncArmClient, Home::Callers);

fn scope(text: &str) -> Result<Scope> {
    text.parse()
}

fn principal_type(name: &str) -> Result<PrincipalType> {
    let known = [
        PrincipalType::User,
        PrincipalType::Group,
        PrincipalType::ServicePrincipal,
        PrincipalType::ForeignGroup,
        PrincipalType::Device,
    ];
    known
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| {
            let known = known.map(PrincipalType::as_str).join(", ");
            Error::new(
                ErrorKind::Invalid,
                format!("{name:?} is no kind of principal: {known}"),
            )
        })
}

/// A collection of `Microsoft.Authorization` at a scope.
fn authorization(client: &iam_arm::ArmClient, at: &str, what: &str, filter: Option<String>) -> Result<Pages> {
    let at = scope(at)?;
    let at: Vec<String> = at.as_str().split('/').map(segment).collect();
    let path = format!("{}/providers/Microsoft.Authorization/{what}", at.join("/"));
    Ok(listed(
        client,
        &path,
        "2022-04-01",
        filter,
        "list role assignments",
    ))
}

fn listed(
    client: &iam_arm::ArmClient,
    path: &str,
    version: &str,
    filter: Option<String>,
    operation: &'static str,
) -> Pages {
    let mut path = format!("{path}?api-version={version}");
    if let Some(filter) = filter {
        path.push_str("&$filter=");
        path.push_str(&segment(&filter));
    }
    started(client, &path, operation)
}

fn started(client: &iam_arm::ArmClient, path: &str, operation: &'static str) -> Pages {
    let request = client.build(Method::Get, path, operation);
    let url = request.url.clone();
    Pages::new(client.pages(request), url)
}

twin! { ArmClient, AsyncArmClient of iam_arm::ArmClient;
    #[pyo3(signature = (method, path, json = None, *, content = None, params = None, headers = None, check = true))]
    fn request(this, method: String, path: String, json: Option<Json>, content: Option<Vec<u8>>,
               params: Option<Pairs>, headers: Option<Pairs>, check: bool) -> Response {
        let wish = Wish { method, path, json, content, params, headers };
        let request = wish.build(|method, path, operation| this.build(method, path, operation))?;
        let answer = if check { this.send(request).await } else { this.exchange(request).await };
        answer.map(Response)
    }

    fn subscription(this, id: Id) -> Json { json(&this.subscription(&id).await?) }

    fn resource_group(this, subscription: Id, name: Id) -> Json {
        json(&this.resource_group(&subscription, &name).await?)
    }

    #[pyo3(signature = (subscription, name, location, tags = None))]
    fn create_resource_group(this, subscription: Id, name: Id, location: String,
                             tags: Option<BTreeMap<String, String>>) -> Json {
        let tags = tags.unwrap_or_default();
        json(&this.create_or_update_resource_group(&subscription, &name, &location, &tags).await?)
    }

    fn role_definition(this, at: String, name: Id) -> Json { json(&this.role(&scope(&at)?, &name).await?) }

    #[pyo3(signature = (at, role, principal, principal_type = "User".to_owned()))]
    fn assign_role(this, at: String, role: Id, principal: Id, principal_type: String) -> Json {
        let kind = self::principal_type(&principal_type)?;
        match this.assign_role(&scope(&at)?, &role, &principal, kind).await? {
            Assigned::Now(held) | Assigned::Already(held) => json(&held),
            _ => Err(Error::new(ErrorKind::Protocol, "a role was assigned in a way that is not known here")),
        }
    }

    fn remove_role_assignment(this, id: String) -> bool { this.remove_assignment(&id).await }
}

lists! { ArmClient, AsyncArmClient;
    fn subscriptions(this) { Ok(listed(this, "/subscriptions", "2022-12-01", None, "list subscriptions")) }

    #[pyo3(signature = (subscription, *, filter = None))]
    fn resource_groups(this, subscription: Id, filter: Option<String>) {
        let path = format!("/subscriptions/{}/resourcegroups", segment(&subscription));
        Ok(listed(this, &path, "2025-04-01", filter, "list resource groups"))
    }

    #[pyo3(signature = (at, *, filter = None))]
    fn role_definitions(this, at: String, filter: Option<String>) {
        authorization(this, &at, "roleDefinitions", filter)
    }

    #[pyo3(signature = (at, *, filter = None))]
    fn role_assignments(this, at: String, filter: Option<String>) {
        authorization(this, &at, "roleAssignments", filter)
    }

    fn list(this, path: String) { Ok(started(this, &path, "list")) }
}
