//! The policy document: read, checked, tested, compared, imported.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use iam_core::entitlement::{Kind, Reference, TargetId};
use iam_core::person::{Person, PersonKey};
use iam_core::policy::{self, AccessPolicy as _, Document, Subject};
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::convert::Json;
use crate::engine::{AsyncEngine, Engine, Inner};
use crate::errors::raised;
use crate::handed::{Handed, People};
use crate::results::{Coverage, Day, Desired, Explanation, Finding, Impact, Imported, List, TestReport};
use crate::runtime::{promise, wait};

/// A policy that was read and checked.
#[pyclass(frozen, module = "iam_platform")]
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) document: Arc<Document>,
    text: Arc<str>,
}

impl Policy {
    fn of(py: Python<'_>, text: &str) -> Result<Self> {
        let document = py.detach(|| Document::parse(text))?;
        Ok(Self {
            document: Arc::new(document),
            text: text.into(),
        })
    }

    fn load_from(py: Python<'_>, path: &PathBuf) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|source| {
            Error::new(ErrorKind::Invalid, format!("the policy {shown} cannot be read")).with_source(source)
        })?;
        Self::of(py, &text).map_err(|error| {
            let message = format!("the policy {shown} is not used:\n{}", error.message());
            Error::new(ErrorKind::Invalid, message).with_source(error)
        })
    }
}

/// A policy, or the path of one.
#[derive(Debug)]
pub(crate) struct Given(pub(crate) Policy);

impl<'a, 'py> FromPyObject<'a, 'py> for Given {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(policy) = given.cast::<Policy>() {
            return Ok(Self(policy.get().clone()));
        }
        let path: PathBuf = given.extract()?;
        Policy::load_from(given.py(), &path).map(Self).map_err(raised)
    }
}

/// Text, or the path of a file with text.
#[derive(Debug)]
pub(crate) struct Text(String);

impl<'a, 'py> FromPyObject<'a, 'py> for Text {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = given.cast::<PyString>().ok().map(|text| text.to_string());
        if let Some(text) = text.filter(|text| text.trim_start().starts_with(['{', '['])) {
            return Ok(Self(text));
        }
        let path: PathBuf = given.extract()?;
        std::fs::read_to_string(&path).map(Self).map_err(|source| {
            let message = format!("{} cannot be read", path.display());
            raised(Error::new(ErrorKind::Invalid, message).with_source(source))
        })
    }
}

#[pymethods]
impl Policy {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::load_from(py, &path).map_err(raised)
    }

    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::of(py, text).map_err(raised)
    }

    #[staticmethod]
    fn import_config(config: Text) -> PyResult<Imported> {
        let imported = policy::import_config(&config.0).map_err(raised)?;
        Ok((&imported).into())
    }

    #[staticmethod]
    fn import_workflow(export: Text, domain: &str) -> PyResult<Imported> {
        let imported = policy::import_workflows(&export.0, domain).map_err(raised)?;
        Ok((&imported).into())
    }

    #[getter]
    fn text(&self) -> &str {
        &self.text
    }

    /// The document as plain values.
    #[getter]
    fn document(&self) -> PyResult<Json> {
        let table: toml::Table = self.text.parse().map_err(|error: toml::de::Error| {
            raised(Error::new(ErrorKind::Invalid, error.message().to_owned()))
        })?;
        Ok(Json(plain(toml::Value::Table(table))))
    }

    #[getter]
    fn domain(&self) -> &str {
        self.document.domain()
    }

    #[getter]
    fn fingerprint(&self) -> &str {
        self.document.fingerprint()
    }

    #[getter]
    fn rules(&self) -> List<String> {
        List::of(self.document.rule_ids())
    }

    #[getter]
    fn apps(&self) -> List<String> {
        self.document.apps().iter().map(ToString::to_string).collect()
    }

    #[getter]
    fn azure_scopes(&self) -> List<String> {
        self.document.azure_scopes().into_iter().collect()
    }

    /// An engine's answers are waited for; with an `AsyncEngine` this is awaited.
    fn check<'py>(&self, py: Python<'py>, engine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let document = self.document.clone();
        if let Ok(engine) = engine.cast::<AsyncEngine>() {
            let inner = engine.get().0.clone();
            return promise(py, async move { findings(&document, &inner).await });
        }
        let inner = engine.cast::<Engine>()?.get().0.clone();
        let findings = wait(py, async move { findings(&document, &inner).await })?;
        Ok(findings.into_pyobject(py)?.into_any())
    }

    fn test(&self, py: Python<'_>) -> TestReport {
        let report = py.detach(|| self.document.run_tests());
        (&report).into()
    }

    /// How the policy fits these people.
    #[pyo3(signature = (people, *, today = None))]
    fn coverage<'py>(
        &self,
        py: Python<'py>,
        people: People,
        today: Option<Day>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (document, today) = (self.document.clone(), self.today(today));
        people.measured(py, move |people| {
            Coverage::from(&document.coverage(subjects(people), today))
        })
    }

    #[pyo3(signature = (newer, people, *, today = None))]
    fn diff<'py>(
        &self,
        py: Python<'py>,
        newer: Given,
        people: People,
        today: Option<Day>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (old, new, today) = (self.document.clone(), newer.0.document, self.today(today));
        people.measured(py, move |people| {
            Impact::from(&policy::diff(&old, &new, subjects(people), today))
        })
    }

    #[pyo3(signature = (person, *, manager = None, today = None))]
    fn desired(&self, person: Handed, manager: Option<Handed>, today: Option<Day>) -> PyResult<Desired> {
        let (person, manager) = (person.one()?, manager.map(Handed::one).transpose()?);
        let subject = Subject {
            person: &person,
            manager: manager.as_ref(),
        };
        let today = self.today(today);
        let unclear = |problems: policy::PolicyProblems| {
            let message = format!("the policy cannot be evaluated: {problems}");
            raised(Error::new(ErrorKind::Invalid, message))
        };
        let desired = self.document.desired(&subject, today).map_err(unclear)?;
        let conflicts = self.document.conflicts(&subject, today).map_err(unclear)?;
        let naming = self.document.naming();
        let attributes = desired.attributes.iter();
        Ok(Desired {
            attributes: attributes
                .map(|(attribute, value)| (attribute.as_str().to_owned(), value.clone()))
                .collect(),
            grants: List::of(&desired.grants),
            conflicts: conflicts.iter().map(|conflict| conflict.id.clone()).collect(),
            names: naming.candidates(&person).take(3).collect(),
            display_name: naming.display_name(&person),
        })
    }

    #[pyo3(signature = (person, what, *, manager = None, today = None))]
    fn explain(
        &self,
        person: Handed,
        what: Named,
        manager: Option<Handed>,
        today: Option<Day>,
    ) -> PyResult<Explanation> {
        let (person, manager) = (person.one()?, manager.map(Handed::one).transpose()?);
        let subject = Subject {
            person: &person,
            manager: manager.as_ref(),
        };
        let explanation = self.document.explain(&subject, self.today(today), &what.0, None);
        Ok((&explanation).into())
    }

    fn __repr__(&self) -> String {
        let fingerprint = self.fingerprint();
        format!(
            "Policy(domain={:?}, rules={}, fingerprint={:?})",
            self.domain(),
            self.document.rule_ids().len(),
            fingerprint.get(..16).unwrap_or(fingerprint)
        )
    }
}

/// TOML as JSON has it: instants and days as text.
fn plain(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(said) => said.into(),
        toml::Value::Datetime(day) => day.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect(),
    }
}

impl Policy {
    fn today(&self, given: Option<Day>) -> jiff::civil::Date {
        let zone = TimeZone::get(&self.document.settings().time_zone).unwrap_or(TimeZone::UTC);
        given.map_or_else(|| zone.to_datetime(Timestamp::now()).date(), |day| day.0)
    }
}

fn subjects(people: &[Person]) -> impl Iterator<Item = Subject<'_>> {
    let by_key: HashMap<&PersonKey, &Person> = people.iter().map(|person| (&person.key, person)).collect();
    people.iter().map(move |person| Subject {
        person,
        manager: person
            .manager_id
            .as_ref()
            .and_then(|manager| by_key.get(manager).copied()),
    })
}

/// What the policy names and the tenant has not got.
async fn findings(document: &Document, engine: &Inner) -> Result<List<Finding>> {
    let offered: Vec<_> = engine
        .targets
        .iter()
        .map(|target| (target.id().clone(), target.capabilities().kinds))
        .collect();
    let mut findings = document.unserved(&offered);
    for (target, (id, kinds)) in engine.targets.iter().zip(&offered) {
        findings.extend(document.check_at(id, kinds, &target.catalog().await?));
    }
    Ok(List::of(findings))
}

/// An entitlement as people write it: `group:All Staff`, `license:SPE_E3`, `role:id:…`, `azure:Reader @ /…`,
/// `app:ticketing/agent`, or a mapping with `kind`, `name` and perhaps `target`.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) Reference);

impl<'a, 'py> FromPyObject<'a, 'py> for Named {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.cast::<PyString>() {
            return named(text.to_str()?).map(Self).map_err(raised);
        }
        if let Ok(known) = given.cast::<crate::results::Entitlement>() {
            let known = known.get();
            let target = TargetId::new(&known.target);
            let reference = Reference::new(kind(&known.kind).map_err(raised)?, format!("id:{}", known.id));
            return Ok(Self(reference.at(target)));
        }
        let given: crate::convert::Json = given.extract()?;
        crate::convert::read(given, "what is asked about")
            .map(Self)
            .map_err(raised)
    }
}

pub(crate) fn kind(word: &str) -> Result<Kind> {
    Ok(match word.trim() {
        "group" => Kind::Group,
        "license" | "licence" => Kind::License,
        "role" => Kind::Role,
        "azure" | "azure role" => Kind::Azure,
        "app" => Kind::App,
        "package" | "access package" => Kind::Package,
        other => {
            let message = format!(
                "{other:?} is no kind of entitlement: expected group, license, role, azure, app or package"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    })
}

fn named(text: &str) -> Result<Reference> {
    let (word, name) = text.split_once(':').ok_or_else(|| {
        let message = format!("{text:?} names no entitlement: expected kind:name, as group:All Staff");
        Error::new(ErrorKind::Invalid, message)
    })?;
    let kind = kind(word)?;
    Ok(match name.trim().split_once('/') {
        Some((app, role)) if kind == Kind::App => Reference::new(kind, role).at(TargetId::new(app)),
        _ => Reference::new(kind, name.trim()),
    })
}
