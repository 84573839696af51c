//! Microsoft Graph.

use std::sync::Arc;

use iam_core::Cloud;
use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::http::HttpTransport;
use pyo3::prelude::*;

use crate::convert::{Json, json};
use crate::errors::raised;
use crate::runtime::twin;

/// A client of Microsoft Graph whose calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct GraphClient(iam_graph::GraphClient);

/// A client of Microsoft Graph whose calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncGraphClient(iam_graph::GraphClient);

fn client(
    tenant_id: &str,
    client_id: &str,
    client_secret: &str,
    authority: &str,
    graph_url: &str,
) -> PyResult<iam_graph::GraphClient> {
    let build = || {
        let cloud = Cloud::custom(authority, graph_url)?;
        let transport = Arc::new(HttpTransport::builder().build()?);
        let secret = ClientSecret::new(
            &cloud,
            tenant_id,
            client_id,
            client_secret.into(),
            transport.clone(),
            Arc::new(SystemClock),
        )?;
        Ok(iam_graph::GraphClient::new(cloud, Arc::new(secret), transport))
    };
    build().map_err(raised)
}

#[pymethods]
impl GraphClient {
    #[new]
    fn new(
        tenant_id: &str,
        client_id: &str,
        client_secret: &str,
        authority: &str,
        graph_url: &str,
    ) -> PyResult<Self> {
        client(tenant_id, client_id, client_secret, authority, graph_url).map(Self)
    }
}

#[pymethods]
impl AsyncGraphClient {
    #[new]
    fn new(
        tenant_id: &str,
        client_id: &str,
        client_secret: &str,
        authority: &str,
        graph_url: &str,
    ) -> PyResult<Self> {
        client(tenant_id, client_id, client_secret, authority, graph_url).map(Self)
    }
}

twin! { GraphClient, AsyncGraphClient;
    fn user(this, id: String) -> Json { json(&this.user(&id).await?) }
}
