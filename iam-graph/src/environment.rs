//! A client for the tenant that the environment names.

use std::sync::Arc;

use iam_core::auth::ClientSecret;
use iam_core::clock::SystemClock;
use iam_core::http::HttpTransport;
use iam_core::{Cloud, Error, ErrorKind, Result, Secret};

use crate::client::{GraphClient, GraphClientBuilder};

impl GraphClient {
    /// Starts a client for the tenant that the environment names: `IAM_TENANT_ID`, `IAM_CLIENT_ID` and
    /// `IAM_CLIENT_SECRET` (or the same names with `AZURE_` in front); where it is not the public cloud,
    /// `IAM_AUTHORITY` and `IAM_GRAPH_URL` ([`Cloud::of_variables`]); with certificates of your own `IAM_CA_BUNDLE`, a
    /// PEM file. Proxies are those of `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] names the variable that is missing or cannot be used.
    pub fn from_environment() -> Result<GraphClientBuilder> {
        let variable = |name: &str| std::env::var(name).ok();
        let transport = HttpTransport::builder().environment()?.build()?;
        of_variables(&variable, Arc::new(transport))
    }
}

fn of_variables(
    variable: &dyn Fn(&str) -> Option<String>,
    transport: Arc<HttpTransport>,
) -> Result<GraphClientBuilder> {
    let named = |name: &str| {
        let of = |prefix: &str| variable(&format!("{prefix}_{name}")).filter(|value| !value.is_empty());
        of("IAM").or_else(|| of("AZURE")).ok_or_else(|| {
            let message =
                format!("set IAM_{name} or AZURE_{name}: the tenant to work on, and as which application");
            Error::new(ErrorKind::Invalid, message)
        })
    };
    let cloud = Cloud::of_variables(variable)?;
    let (tenant, id) = (named("TENANT_ID")?, named("CLIENT_ID")?);
    let secret = Secret::new(named("CLIENT_SECRET")?);
    let credential = ClientSecret::new(
        &cloud,
        &tenant,
        &id,
        secret,
        transport.clone(),
        Arc::new(SystemClock),
    )?;
    Ok(GraphClient::builder(cloud, Arc::new(credential), transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_both_prefixes_count() {
        let settings = [
            ("AZURE_TENANT_ID", "contoso.example"),
            ("IAM_CLIENT_ID", "app"),
            ("AZURE_CLIENT_ID", "other"),
            ("IAM_CLIENT_SECRET", "hunter2"),
            ("IAM_AUTHORITY", "https://login.microsoftonline.us"),
        ];
        let of = |without: &str| {
            let variable = |name: &str| {
                let found = settings
                    .iter()
                    .find(|(known, _)| *known == name && name != without);
                found.map(|(_, value)| (*value).to_owned())
            };
            of_variables(&variable, Arc::new(HttpTransport::new().unwrap()))
        };
        let client = of("").unwrap().build();
        let text = format!("{client:?}");
        assert!(
            text.contains("https://graph.microsoft.us/v1.0") && !text.contains("hunter2"),
            "{text}"
        );
        for (missing, named) in [
            ("AZURE_TENANT_ID", "IAM_TENANT_ID"),
            ("IAM_CLIENT_SECRET", "IAM_CLIENT_SECRET"),
        ] {
            let error = of(missing).unwrap_err();
            assert!(
                error.kind() == ErrorKind::Invalid && error.to_string().contains(named),
                "{error}"
            );
        }
        assert!(of("IAM_CLIENT_ID").is_ok());
    }
}
