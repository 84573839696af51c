//! An application that callers write in Python: it gives roles to the accounts of the directory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use iam_core::entitlement::{Account, Actual, Catalog, Class, Entitlement, Held, Item, Kind, TargetId, Via};
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};
use iam_core::{Error, ErrorKind, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::callbacks::{failed, kind_of};
use crate::loops::{self, Home};

/// The target whose accounts roles are given to.
const DIRECTORY: &str = "graph";

/// `roles()`, `held(accounts)`, `grant(account, role, key)` and `revoke(account, role, key)`, plain or `async`.
pub(crate) struct Application {
    id: TargetId,
    own: Arc<Py<PyAny>>,
    privileged: bool,
    home: Home,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Application({})", self.id)
    }
}

impl Application {
    /// The attribute `privileged` says whether its roles are administrative power.
    pub(crate) fn new(name: &str, own: Bound<'_, PyAny>, home: Home) -> PyResult<Self> {
        for method in ["roles", "held", "grant", "revoke"] {
            if own.getattr_opt(method)?.is_none() {
                let class = own.get_type().qualname()?;
                let message = format!("{class} is no application: it has no method {method}");
                return Err(PyTypeError::new_err(message));
            }
        }
        let privileged = match own.getattr_opt("privileged")? {
            Some(privileged) => privileged.is_truthy()?,
            None => false,
        };
        Ok(Self {
            id: TargetId::new(name),
            own: Arc::new(own.unbind()),
            privileged,
            home,
        })
    }

    fn role(&self, id: &str, name: &str) -> Entitlement {
        Entitlement {
            target: self.id.clone(),
            kind: Kind::App,
            id: id.to_owned(),
            name: name.to_owned(),
        }
    }

    async fn call<T>(
        &self,
        method: &'static str,
        arguments: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyTuple>> + Send + 'static,
    ) -> Result<T>
    where
        T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr> + Send,
    {
        let own = self.own.clone();
        let answer = loops::call(self.home, move |py| {
            let arguments = arguments(py)?;
            own.call_method(py, method, arguments, None)
        });
        let read = answer
            .await
            .and_then(|answer| Python::attach(|py| answer.bind(py).extract::<T>()));
        read.map_err(|raised| {
            // Whether a service that is not there will be back, nobody knows better than who called it.
            let kind = kind_of(&raised).unwrap_or(ErrorKind::Unavailable);
            failed(&format!("{method} of application {}", self.id), kind, raised).with_operation(method)
        })
    }

    /// Ids and names.
    async fn roles(&self) -> Result<BTreeMap<String, String>> {
        let Roles(roles) = self.call("roles", |py| Ok(PyTuple::empty(py))).await?;
        Ok(roles)
    }
}

/// Names, or ids with their names.
struct Roles(BTreeMap<String, String>);

impl<'a, 'py> FromPyObject<'a, 'py> for Roles {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(named) = given.extract::<BTreeMap<String, String>>() {
            return Ok(Self(named));
        }
        let names = given.try_iter()?.map(|name| name?.extract::<String>());
        let names = names.map(|name| name.map(|name| (name.clone(), name)));
        names.collect::<PyResult<_>>().map(Self)
    }
}

/// By account, the ids of the roles.
struct Holders(BTreeMap<String, Vec<String>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Holders {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let mut holders = BTreeMap::new();
        for item in given.call_method0("items")?.try_iter()? {
            let (account, roles): (String, Bound<'py, PyAny>) = item?.extract()?;
            let roles = roles.try_iter()?.map(|role| role?.extract());
            holders.insert(account, roles.collect::<PyResult<Vec<String>>>()?);
        }
        Ok(Self(holders))
    }
}

/// The answer of a change: whether it was made now (`None` counts as yes), or was so already.
struct Changed(bool);

impl<'a, 'py> FromPyObject<'a, 'py> for Changed {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(given.is_none() || given.is_truthy()?))
    }
}

#[async_trait]
impl Target for Application {
    fn id(&self) -> &TargetId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // Giving what is held, and taking what is not, is to be harmless.
            actions: [
                ("grant", EffectClass::Repeatable),
                ("revoke", EffectClass::Repeatable),
            ]
            .into(),
            kinds: [Kind::App].into(),
            principals_of: Some(TargetId::new(DIRECTORY)),
            ..Capabilities::default()
        }
    }

    async fn catalog(&self) -> Result<Catalog> {
        let roles = self.roles().await?;
        let items = roles.iter().map(|(id, name)| Item {
            entitlement: self.role(id, name),
            class: Class::Assignable,
            privileged: self.privileged,
            seats: None,
            carries: Vec::new(),
        });
        Ok(Catalog {
            items: items.collect(),
            ..Catalog::default()
        })
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        let found = |key: &Keys| Candidates {
            active: key
                .account
                .as_deref()
                .map(Account::principal)
                .into_iter()
                .collect(),
            deleted: Vec::new(),
        };
        Ok(keys.iter().map(found).collect())
    }

    async fn names_taken(&self, _: &[String]) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new()) // nobody signs in here by a name of its own
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        let names = self.roles().await?;
        let accounts: Vec<String> = who.iter().map(|who| who.account.clone()).collect();
        let Holders(holders) = self.call("held", |py| (accounts,).into_pyobject(py)).await?;
        let observed = who.iter().map(|who| {
            let mut actual = Actual::none(who.person.clone());
            actual.account = Some(Account::principal(&who.account));
            let held = holders.get(&who.account).into_iter().flatten();
            actual.held = held
                .map(|id| Held {
                    entitlement: self.role(id, names.get(id).map_or(id.as_str(), String::as_str)),
                    via: Via::Direct,
                    assignment: None,
                })
                .collect();
            actual
        });
        Ok(observed.collect())
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        let account = step.account.clone().ok_or_else(|| {
            let message = format!(
                "application {} gives roles to accounts, and there is none",
                self.id
            );
            Error::new(ErrorKind::Invalid, message)
        })?;
        let (method, role) = match &step.action {
            Action::Grant { entitlement, .. } => ("grant", entitlement),
            Action::Revoke { entitlement, .. } => ("revoke", entitlement),
            other => {
                let message = format!("application {} does not know how to {}", self.id, other.kind());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        let (role, key) = (role.id.clone(), key.as_str().to_owned());
        let Changed(now) = self
            .call(method, |py| (account, role, key).into_pyobject(py))
            .await?;
        Ok(if now {
            Applied::Done { account: None }
        } else {
            Applied::AlreadySo { account: None }
        })
    }
}
