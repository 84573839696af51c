//! The tenant: embedded, a running sandbox by its env file, or a real one by the environment.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iam_arm::{ArmClient, ArmTarget};
use iam_core::auth::{ClientSecret, TokenSource};
use iam_core::clock::{Clock, SystemClock};
use iam_core::http::HttpTransport;
use iam_core::policy::Document;
use iam_core::target::Target;
use iam_core::{Cloud, Error, ErrorKind, Result, Secret};
use iam_graph::GraphClient;
use iam_sandbox::Sandbox;
use iam_scim::{ScimClient, ScimTarget};
use jiff::{SignedDuration, Timestamp};

/// Where to sign in, and as whom.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) graph: String,
    authority: String,
    client_id: String,
    secret: Secret,
    /// Azure Resource Manager, if the tenant has it.
    arm: Option<String>,
    /// The SCIM application and its token, if there is one.
    scim: Option<(String, Secret)>,
    /// Certificates to trust besides the machine's (PEM).
    ca: Option<Vec<u8>>,
    /// Stops the embedded tenant when dropped.
    embedded: Option<Sandbox>,
}

impl Tenant {
    pub(crate) async fn open(env_file: Option<&Path>, people: Option<usize>) -> Result<Self> {
        match env_file {
            Some(path) => Self::of_env_file(path),
            None => Self::embedded(people).await,
        }
    }

    /// With seats for so many people more than the seeded tenant has.
    async fn embedded(people: Option<usize>) -> Result<Self> {
        let mut sandbox = Sandbox::builder();
        if let Some(people) = people {
            for product in ["SPE_E3", "POWER_BI_PRO", "FLOW_FREE"] {
                sandbox = sandbox.seats(product, people + 500);
            }
        }
        let sandbox = sandbox.start().await.map_err(|source| {
            Error::new(
                ErrorKind::Unavailable,
                "the embedded tenant cannot listen on the loopback",
            )
            .with_source(source)
        })?;
        Ok(Self {
            id: sandbox.tenant_id().to_owned(),
            graph: sandbox.graph().to_owned(),
            authority: sandbox.authority().to_owned(),
            client_id: sandbox.client_id().to_owned(),
            secret: sandbox.client_secret().into(),
            arm: Some(sandbox.arm().to_owned()),
            scim: Some((sandbox.scim().to_owned(), sandbox.scim_token().into())),
            ca: None,
            embedded: Some(sandbox),
        })
    }

    fn of_env_file(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|source| {
            let advice = "start one with `cargo run -p iam-sandbox -- --env-file FILE`";
            Error::new(
                ErrorKind::Invalid,
                format!("the env file {shown} cannot be read: {advice}"),
            )
            .with_source(source)
        })?;
        let lines: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.trim().split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let value = |name: &str| {
            let value = lines.get(name).filter(|value| !value.is_empty());
            value.map(|value| (*value).to_owned()).ok_or_else(|| {
                Error::new(
                    ErrorKind::Invalid,
                    format!("the env file {shown} has no line {name}=…"),
                )
            })
        };
        Ok(Self {
            id: value("SANDBOX_TENANT")?,
            graph: value("SANDBOX_GRAPH")?,
            authority: value("SANDBOX_AUTHORITY")?,
            client_id: value("SANDBOX_CLIENT_ID")?,
            secret: value("SANDBOX_CLIENT_SECRET")?.into(),
            arm: value("SANDBOX_ARM").ok(),
            scim: value("SANDBOX_SCIM")
                .ok()
                .zip(value("SANDBOX_SCIM_TOKEN").ok().map(Secret::new)),
            ca: value("SANDBOX_CA").ok().map(|path| read_ca(&path)).transpose()?,
            embedded: None,
        })
    }

    /// The tenant that the environment names: `IAM_TENANT_ID IAM_CLIENT_ID IAM_CLIENT_SECRET` (or `AZURE_…`), and
    /// where they differ from the public cloud `IAM_AUTHORITY IAM_GRAPH_URL IAM_ARM_URL`, `IAM_SCIM_URL` with
    /// `IAM_SCIM_TOKEN`, and `IAM_CA_BUNDLE`.
    pub(crate) fn real() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let named = |name: &str| {
            let value = variable(&format!("IAM_{name}")).or_else(|| variable(&format!("AZURE_{name}")));
            let missing =
                || format!("set IAM_{name} or AZURE_{name}: the tenant to work on, and as which application");
            value.ok_or_else(|| Error::new(ErrorKind::Invalid, missing()))
        };
        let public = Cloud::public();
        let or_public = |name: &str, public: &str| variable(name).unwrap_or_else(|| public.to_owned());
        Ok(Self {
            id: named("TENANT_ID")?,
            client_id: named("CLIENT_ID")?,
            secret: named("CLIENT_SECRET")?.into(),
            authority: or_public("IAM_AUTHORITY", public.authority()),
            graph: or_public("IAM_GRAPH_URL", public.graph()),
            arm: Some(or_public("IAM_ARM_URL", public.arm()?)),
            scim: variable("IAM_SCIM_URL").zip(variable("IAM_SCIM_TOKEN").map(Secret::new)),
            ca: variable("IAM_CA_BUNDLE").map(|path| read_ca(&path)).transpose()?,
            embedded: None,
        })
    }

    fn transport(&self) -> Result<Arc<HttpTransport>> {
        let transport = HttpTransport::builder();
        let transport = match &self.ca {
            Some(ca) => transport.ca_bundle_pem(ca.clone()),
            None => transport,
        };
        Ok(Arc::new(transport.build()?))
    }

    /// A new client, with connections and tokens of its own.
    pub(crate) fn client(&self) -> Result<GraphClient> {
        let (cloud, secret, transport) = self.sign_in()?;
        let client = GraphClient::builder(cloud, secret, transport);
        // The embedded tenant grants more than the service does.
        Ok(match self.embedded {
            Some(_) => client.limits(None).build(),
            None => client.build(),
        })
    }

    /// What the policy names behind the directory: Azure, and SCIM applications. New clients, too.
    pub(crate) fn targets(&self, policy: &Document) -> Result<Vec<Arc<dyn Target>>> {
        let mut targets: Vec<Arc<dyn Target>> = Vec::new();
        let scopes = policy.azure_scopes();
        if let (Some(arm), false) = (&self.arm, scopes.is_empty()) {
            let (cloud, secret, transport) = self.sign_in()?;
            let client = ArmClient::new(cloud.with_arm(arm)?, secret, transport)?;
            targets.push(Arc::new(ArmTarget::new(client, scopes)?));
        }
        if let (Some((url, token)), [app]) = (&self.scim, policy.apps().as_slice()) {
            let client = ScimClient::new(url, token.clone(), self.transport()?)?;
            targets.push(Arc::new(ScimTarget::new(app.as_str(), client)));
        }
        Ok(targets)
    }

    fn sign_in(&self) -> Result<(Cloud, Arc<dyn TokenSource>, Arc<HttpTransport>)> {
        let cloud = Cloud::custom(&self.authority, &self.graph)?;
        let transport = self.transport()?;
        let (id, secret) = (&self.client_id, self.secret.clone());
        let secret = ClientSecret::new(
            &cloud,
            &self.id,
            id,
            secret,
            transport.clone(),
            Arc::new(SystemClock),
        )?;
        Ok((cloud, Arc::new(secret), transport))
    }
}

fn read_ca(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| {
        Error::new(ErrorKind::Invalid, format!("the CA bundle {path} cannot be read")).with_source(source)
    })
}

/// A clock that runs from a given instant on, or the machine's.
#[derive(Debug)]
pub(crate) struct StartedAt {
    from: Option<Timestamp>,
    since: Instant,
}

impl StartedAt {
    pub(crate) fn new(from: Option<Timestamp>) -> Self {
        Self {
            from,
            since: Instant::now(),
        }
    }
}

impl Clock for StartedAt {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        match self.from {
            Some(from) => from.saturating_add(passed).unwrap_or(Timestamp::MAX),
            None => SystemClock.now(),
        }
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { SystemClock.sleep(duration).await })
    }
}
