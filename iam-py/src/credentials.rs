//! Who the clients are: an application with its secret, or any object with azure-identity's `get_token`.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use iam_core::auth::{AccessToken, Audience, CachedTokens, ClientSecret, TokenSource};
use iam_core::clock::SystemClock;
use iam_core::{Error, ErrorKind, Result, Secret};
use jiff::Timestamp;
use pyo3::exceptions::{PyConnectionError, PyTimeoutError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::errors::raised;
use crate::loops::{self, Home};
use crate::runtime;
use crate::settings::{Given, Settings};

/// An application that signs in with its client secret.
#[pyclass(frozen, module = "iam_platform")]
pub(crate) struct ClientSecretCredential {
    #[pyo3(get)]
    tenant_id: String,
    #[pyo3(get)]
    client_id: String,
    secret: Secret,
    authority: Option<String>,
    ca_bundle: Option<String>,
    /// What [`get_token`](Self::get_token) gave; the clients keep tokens of their own.
    kept: OnceLock<CachedTokens>,
}

#[pymethods]
impl ClientSecretCredential {
    #[new]
    #[pyo3(signature = (tenant_id, client_id, client_secret, *, authority = None, ca_bundle = None))]
    fn new(
        tenant_id: String,
        client_id: String,
        client_secret: String,
        authority: Option<String>,
        ca_bundle: Option<String>,
    ) -> Self {
        Self {
            tenant_id,
            client_id,
            secret: Secret::new(client_secret),
            authority,
            ca_bundle,
            kept: OnceLock::new(),
        }
    }

    #[staticmethod]
    fn from_env() -> PyResult<Self> {
        Self::of_environment().map_err(raised)
    }

    /// The protocol of azure-identity's credentials: a token for one scope, kept until shortly before it expires.
    #[pyo3(signature = (*scopes, claims = None, **_options))]
    fn get_token(
        &self,
        py: Python<'_>,
        scopes: Vec<String>,
        claims: Option<String>,
        _options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Token> {
        let [scope] = scopes.as_slice() else {
            let message = "one scope is asked for, for example https://graph.microsoft.com/.default";
            return Err(raised(Error::new(ErrorKind::Invalid, message)));
        };
        let kept = if let Some(kept) = self.kept.get() {
            kept
        } else {
            let settings = Settings::new(Given::default()).map_err(raised)?;
            let tokens = CachedTokens::new(self.source(&settings).map_err(raised)?, Arc::new(SystemClock));
            self.kept.get_or_init(|| tokens)
        };
        runtime::wait(py, async {
            let audience = Audience::new(scope, &[])?;
            kept.token(&audience, claims.as_deref()).await.map(Token)
        })
    }

    fn __repr__(&self) -> String {
        format!(
            "ClientSecretCredential(tenant_id={:?}, client_id={:?})",
            self.tenant_id, self.client_id
        )
    }
}

impl ClientSecretCredential {
    fn of_environment() -> Result<Self> {
        let named = |name: &str| {
            let of = |prefix: &str| std::env::var(format!("{prefix}_{name}")).ok();
            let mut given = ["IAM", "AZURE"].into_iter().filter_map(of);
            given.find(|value| !value.is_empty()).ok_or_else(|| {
                let message = format!(
                    "set IAM_{name} or AZURE_{name}, or give a credential: the tenant to work on, and as which application"
                );
                Error::new(ErrorKind::Invalid, message)
            })
        };
        Ok(Self {
            tenant_id: named("TENANT_ID")?,
            client_id: named("CLIENT_ID")?,
            secret: Secret::new(named("CLIENT_SECRET")?),
            authority: None,
            ca_bundle: None,
            kept: OnceLock::new(),
        })
    }

    fn source(&self, settings: &Settings) -> Result<Arc<dyn TokenSource>> {
        let cloud = settings.cloud_of(self.authority.as_deref())?;
        let transport = match &self.ca_bundle {
            Some(file) => settings.transport_trusting(file)?,
            None => settings.transport(),
        };
        let secret = ClientSecret::new(
            &cloud,
            &self.tenant_id,
            &self.client_id,
            self.secret.clone(),
            transport,
            Arc::new(SystemClock),
        )?;
        Ok(Arc::new(secret))
    }
}

impl std::fmt::Debug for ClientSecretCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.__repr__())
    }
}

/// A token as azure-identity's credentials give it.
#[pyclass(frozen, module = "iam_platform", name = "AccessToken")]
#[derive(Debug)]
pub(crate) struct Token(AccessToken);

#[pymethods]
impl Token {
    #[getter]
    fn token(&self) -> &str {
        self.0.token.expose()
    }

    /// Seconds since 1970.
    #[getter]
    fn expires_on(&self) -> i64 {
        self.0.expires_at.as_second()
    }

    /// When it should be renewed, where the service said so.
    #[getter]
    fn refresh_on(&self) -> Option<i64> {
        self.0.refresh_at.map(Timestamp::as_second)
    }

    fn __repr__(&self) -> String {
        format!("<AccessToken until {}>", self.0.expires_at)
    }
}

/// Where the tokens of a client come from: the credential given, or the environment's application.
///
/// # Errors
/// `TypeError` for what is no credential; `InvalidError` names a variable that is missing.
pub(crate) fn tokens(
    credential: Option<&Bound<'_, PyAny>>,
    settings: &Settings,
    home: Home,
) -> PyResult<Arc<dyn TokenSource>> {
    let Some(credential) = credential else {
        let own = ClientSecretCredential::of_environment().map_err(raised)?;
        return own.source(settings).map_err(raised);
    };
    if let Ok(own) = credential.cast::<ClientSecretCredential>() {
        return own.get().source(settings).map_err(raised);
    }
    if !credential.hasattr("get_token")? {
        let kind = credential.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!(
            "{kind} is no credential: it has no method get_token (azure-identity's credentials do)"
        )));
    }
    Ok(Arc::new(Theirs {
        credential: Arc::new(credential.clone().unbind()),
        home,
    }))
}

/// A credential of azure-identity's kind, whose `get_token` returns a token or an awaitable.
#[derive(Debug)]
struct Theirs {
    credential: Arc<Py<PyAny>>,
    home: Home,
}

#[async_trait]
impl TokenSource for Theirs {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        let (credential, scope) = (self.credential.clone(), audience.scope().to_owned());
        let claims = claims.map(str::to_owned);
        let given = loops::call(self.home, move |py| {
            let how = PyDict::new(py);
            if let Some(claims) = claims {
                how.set_item("claims", claims)?;
            }
            let scopes = PyTuple::new(py, [scope])?;
            credential.call_method(py, "get_token", scopes, Some(&how))
        })
        .await;
        given
            .and_then(|given| Python::attach(|py| token_of(given.bind(py))))
            .map_err(refused)
    }
}

fn token_of(given: &Bound<'_, PyAny>) -> PyResult<AccessToken> {
    let instant = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    let refresh: Option<i64> = match given.getattr_opt("refresh_on")? {
        Some(refresh) => refresh.extract()?,
        None => None,
    };
    Ok(AccessToken {
        token: Secret::new(given.getattr("token")?.extract::<String>()?),
        expires_at: instant(given.getattr("expires_on")?.extract()?),
        refresh_at: refresh.map(instant),
    })
}

/// What a credential raised: a network that failed may be back in a moment, everything else is for somebody to repair.
fn refused(raised: PyErr) -> Error {
    let unreachable = Python::attach(|py| {
        raised.is_instance_of::<PyConnectionError>(py)
            || raised.is_instance_of::<PyTimeoutError>(py)
            || raised.get_type(py).mro().iter().any(|class| {
                class
                    .getattr("__name__")
                    .is_ok_and(|name| name.eq("ServiceRequestError").unwrap_or(false))
            })
    });
    let kind = if unreachable {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Unauthenticated
    };
    Error::new(kind, "the credential gave no token")
        .with_operation("get token")
        .with_source(raised)
}
