//! Where the clients go and how: what was given, else what the environment says.

use std::sync::Arc;
use std::time::Duration;

use iam_core::http::{HttpTransport, HttpTransportBuilder, Transport};
use iam_core::{Cloud, Error, ErrorKind, Result};

/// What every client takes beside its credential.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// `public`, `us_government` or `china`.
    pub(crate) cloud: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) graph_url: Option<String>,
    pub(crate) arm_url: Option<String>,
    pub(crate) ca_bundle: Option<String>,
    pub(crate) proxy: Option<String>,
    /// Seconds for one attempt.
    pub(crate) timeout: Option<f64>,
}

/// A cloud, and a way into the network.
#[derive(Debug)]
pub(crate) struct Settings {
    given: Given,
    pub(crate) cloud: Cloud,
    transport: Arc<HttpTransport>,
}

impl Settings {
    /// # Errors
    /// `Invalid` names the argument or the variable that cannot be used.
    pub(crate) fn new(given: Given) -> Result<Self> {
        let cloud = given.cloud()?;
        let transport = given.transport(given.ca_bundle.as_deref())?;
        Ok(Self {
            given,
            cloud,
            transport: Arc::new(transport),
        })
    }

    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    /// A way of its own for a credential with another bundle of certificates.
    pub(crate) fn transport_trusting(&self, file: &str) -> Result<Arc<dyn Transport>> {
        Ok(Arc::new(self.given.transport(Some(file))?))
    }

    /// The cloud, with tokens of another authority where a credential names one.
    pub(crate) fn cloud_of(&self, authority: Option<&str>) -> Result<Cloud> {
        match authority {
            Some(authority) => Cloud::custom(authority, self.cloud.graph()),
            None => Ok(self.cloud.clone()),
        }
    }
}

impl Given {
    fn cloud(&self) -> Result<Cloud> {
        let named = match self.cloud.as_deref() {
            None => None,
            Some("public") => Some(Cloud::public()),
            Some("us_government") => Some(Cloud::us_government()),
            Some("china") => Some(Cloud::china()),
            Some(other) => {
                let message = format!("{other:?} is no cloud: public, us_government or china");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        // A cloud that is named is that cloud, whatever the environment says.
        Cloud::of_variables(|name| {
            let (argument, known) = match name {
                "IAM_AUTHORITY" => (self.authority.as_deref(), named.as_ref().map(Cloud::authority)),
                "IAM_GRAPH_URL" => (self.graph_url.as_deref(), named.as_ref().map(Cloud::graph)),
                "IAM_ARM_URL" => (
                    self.arm_url.as_deref(),
                    named.as_ref().and_then(|cloud| cloud.arm().ok()),
                ),
                _ => (None, None),
            };
            let argument = argument.or(known).map(str::to_owned);
            argument.or_else(|| std::env::var(name).ok())
        })
    }

    fn transport(&self, ca_bundle: Option<&str>) -> Result<HttpTransport> {
        let mut builder: HttpTransportBuilder = HttpTransport::builder();
        builder = match ca_bundle {
            Some(file) => builder.ca_bundle_file(file)?,
            None => builder.environment()?,
        };
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy);
        }
        if let Some(seconds) = self.timeout {
            let timeout = Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|timeout| !timeout.is_zero())
                .ok_or_else(|| {
                    Error::new(ErrorKind::Invalid, "the timeout is no number of seconds above 0")
                })?;
            builder = builder.timeout(timeout);
        }
        builder.build()
    }
}
