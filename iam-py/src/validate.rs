//! Access tokens that came with a request.

use std::sync::Arc;
use std::time::Duration;

use iam_core::auth;
use iam_core::clock::{SharedClock, SystemClock};
use iam_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use serde_json::Value;

use crate::clock::Clock;
use crate::convert::Json;
use crate::errors::raised;
use crate::runtime::twin;
use crate::settings::{Given, Settings};

/// Checks access tokens; its calls wait.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct TokenValidator(auth::TokenValidator);

/// Checks access tokens; its calls are awaited.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug)]
pub(crate) struct AsyncTokenValidator(auth::TokenValidator);

/// One audience, or several.
#[derive(Debug, FromPyObject)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

/// What is believed of a token besides its signature.
struct Terms {
    leeway: Option<f64>,
    guests: bool,
    clock: Option<Clock>,
}

fn validator(tenant: &str, audience: Audiences, terms: Terms, given: Given) -> Result<auth::TokenValidator> {
    let settings = Settings::new(given)?;
    let audiences = match audience {
        Audiences::One(audience) => vec![audience],
        Audiences::Many(audiences) => audiences,
    };
    let mut builder = auth::TokenValidator::builder(&settings.cloud, tenant).guests(terms.guests);
    for audience in &audiences {
        builder = builder.audience(audience);
    }
    if let Some(seconds) = terms.leeway {
        let leeway = Duration::try_from_secs_f64(seconds);
        builder = builder.leeway(
            leeway.map_err(|_| Error::new(ErrorKind::Invalid, "the leeway is no number of seconds"))?,
        );
    }
    let clock: SharedClock = match terms.clock {
        Some(clock) => clock.shared(),
        None => Arc::new(SystemClock),
    };
    builder.build(settings.transport(), clock)
}

/// Writes the constructor of both classes.
macro_rules! made {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (tenant_id, audience, *, cloud = None, authority = None, ca_bundle = None, proxy = None,
                                timeout = None, leeway = None, guests = false, clock = None))]
            #[allow(clippy::too_many_arguments)] // they are keywords
            fn new(
                tenant_id: &str,
                audience: Audiences,
                cloud: Option<String>,
                authority: Option<String>,
                ca_bundle: Option<String>,
                proxy: Option<String>,
                timeout: Option<f64>,
                leeway: Option<f64>,
                guests: bool,
                clock: Option<Clock>,
            ) -> PyResult<Self> {
                let given = Given {
                    cloud,
                    // A validator has no business with Graph, and a cloud is not without one.
                    graph_url: authority.clone(),
                    authority,
                    ca_bundle,
                    proxy,
                    timeout,
                    ..Given::default()
                };
                let terms = Terms {
                    leeway,
                    guests,
                    clock,
                };
                validator(tenant_id, audience, terms, given)
                    .map(Self)
                    .map_err(raised)
            }
        }
    };
}
made!(TokenValidator);
made!(AsyncTokenValidator);

twin! { TokenValidator, AsyncTokenValidator of auth::TokenValidator;
    fn validate(this, token: String) -> Json {
        let claims = this.validate(&token).await?;
        let mut all = claims.raw().clone();
        // Nobody has to ask whether there are any.
        all.insert("roles".to_owned(), claims.roles.iter().cloned().map(Value::from).collect());
        Ok(Json(Value::Object(all)))
    }

    fn ready(this) -> () { this.ready().await }
}
