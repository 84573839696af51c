//! The tenant that an example works on: an embedded one, a running sandbox by its env file, or a real one by the
//! environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::http::HttpTransport;
use iam_core::{Cloud, Error, ErrorKind, Result};
use iam_graph::GraphClient;
use iam_sandbox::{Builder, Sandbox};

/// Which tenant, as options of a program.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The tenant: an embedded sandbox, or the real one that IAM_TENANT_ID, IAM_CLIENT_ID and IAM_CLIENT_SECRET (or
    /// AZURE_…) name; IAM_AUTHORITY, IAM_GRAPH_URL and IAM_CA_BUNDLE where it is not the public cloud
    #[arg(long, value_enum, default_value = "sandbox")]
    pub tenant: Kind,
    /// Use a running iam-sandbox, by the file it wrote with --env-file [default: an embedded one]
    #[arg(long, value_name = "ENVFILE", conflicts_with = "tenant")]
    pub sandbox: Option<PathBuf>,
}

/// The kind of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Embedded: it lives as long as the program.
    Sandbox,
    /// By the environment.
    Real,
}

/// A tenant, and a client of it.
#[derive(Debug)]
pub struct Tenant {
    /// The client.
    pub client: GraphClient,
    /// The tenant itself where it is embedded: it stops when dropped.
    pub embedded: Option<Sandbox>,
}

impl Which {
    /// Signs in; an embedded tenant is started as `seeded` says.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names the variable or the file that is missing; [`ErrorKind::Unavailable`] when the
    /// embedded tenant cannot listen.
    pub async fn open(&self, seeded: Builder) -> Result<Tenant> {
        if self.tenant == Kind::Real {
            let client = GraphClient::from_environment()?.build();
            return Ok(Tenant {
                client,
                embedded: None,
            });
        }
        if let Some(path) = &self.sandbox {
            let client = of_env_file(path)?;
            return Ok(Tenant {
                client,
                embedded: None,
            });
        }
        let sandbox = seeded.start().await.map_err(|source| {
            let message = "the embedded tenant cannot listen on the loopback";
            Error::new(ErrorKind::Unavailable, message).with_source(source)
        })?;
        let (id, secret) = (sandbox.client_id(), sandbox.client_secret());
        let place = (sandbox.authority(), sandbox.graph(), sandbox.tenant_id());
        let client = client(place, (id, secret), HttpTransport::new()?)?;
        Ok(Tenant {
            client,
            embedded: Some(sandbox),
        })
    }
}

fn client(
    (authority, graph, tenant): (&str, &str, &str),
    (id, secret): (&str, &str),
    transport: HttpTransport,
) -> Result<GraphClient> {
    let cloud = Cloud::custom(authority, graph)?;
    let transport = Arc::new(transport);
    let credential = ClientSecret::new(
        &cloud,
        tenant,
        id,
        secret.into(),
        transport.clone(),
        Arc::new(SystemClock),
    )?;
    // A sandbox grants more than the service does.
    Ok(GraphClient::builder(cloud, Arc::new(credential), transport)
        .limits(None)
        .build())
}

fn of_env_file(path: &Path) -> Result<GraphClient> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|source| {
        let advice = "start one with `cargo run -p iam-sandbox -- --env-file FILE`";
        let message = format!("the env file {shown} cannot be read: {advice}");
        Error::new(ErrorKind::Invalid, message).with_source(source)
    })?;
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.trim().split_once('='));
        let mut found = lines
            .filter(|(known, _)| known.trim() == name)
            .map(|(_, value)| value.trim().trim_matches('"'));
        found.next().filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                format!("the env file {shown} has no line {name}=…"),
            )
        })
    };
    let mut transport = HttpTransport::builder();
    if let Ok(ca) = value("SANDBOX_CA") {
        transport = transport.ca_bundle_file(ca)?;
    }
    let place = (
        value("SANDBOX_AUTHORITY")?,
        value("SANDBOX_GRAPH")?,
        value("SANDBOX_TENANT")?,
    );
    client(
        place,
        (value("SANDBOX_CLIENT_ID")?, value("SANDBOX_CLIENT_SECRET")?),
        transport.build()?,
    )
}
