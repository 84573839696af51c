//! What callers write in Python: a notifier, an access policy, an orchestrator.
//!
//! Methods may be plain or `async`. Whatever they raise is the cause of an error of ours and is kept as it is; it never
//! ends a run, and no event is lost by it.

use std::sync::Arc;

use async_trait::async_trait;
use iam_core::entitlement::{Attributes, Desired, Grant};
use iam_core::event::{Course, Event, Timer};
use iam_core::journal::PersonState;
use iam_core::notify::{Message, Notifier};
use iam_core::orchestrator::{Context, Decision, Lifecycle, Manager, Orchestrator};
use iam_core::plan::{IdempotencyKey, Plan};
use iam_core::policy::{AccessPolicy, Document, PolicyProblems, Subject};
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::civil::Date;
use pyo3::exceptions::{PyConnectionError, PyTimeoutError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Json, read};
use crate::loops::{self, Home};
use crate::policy::Named;
use crate::results::Day;
use crate::runtime::aside;

/// An object with this method, or a callable in its place.
fn method(own: Bound<'_, PyAny>, name: &str) -> PyResult<Py<PyAny>> {
    match own.getattr_opt(name)? {
        Some(method) => Ok(method.unbind()),
        None if own.is_callable() => Ok(own.unbind()),
        None => {
            let class = own.get_type().qualname()?;
            let message = format!("{class} has no method {name}, and cannot be called");
            Err(PyTypeError::new_err(message))
        }
    }
}

/// The name of what was raised: its text may hold anybody's data.
fn named(raised: &PyErr) -> String {
    Python::attach(|py| {
        let name = raised.get_type(py).qualname();
        name.map_or_else(|_| "an exception".to_owned(), |name| name.to_string())
    })
}

pub(crate) fn failed(who: &str, kind: ErrorKind, raised: PyErr) -> Error {
    Error::new(kind, format!("{who} raised {}", named(&raised))).with_source(raised)
}

/// The kind of a failure that a callback raised as one of ours.
pub(crate) fn kind_of(raised: &PyErr) -> Option<ErrorKind> {
    Python::attach(|py| {
        let kind: String = raised.value(py).getattr_opt("kind").ok()??.extract().ok()?;
        [
            ErrorKind::OutcomeUnknown,
            ErrorKind::Unavailable,
            ErrorKind::Denied,
            ErrorKind::Invalid,
            ErrorKind::Throttled,
            ErrorKind::NotFound,
            ErrorKind::Conflict,
        ]
        .into_iter()
        .find(|known| known.as_str() == kind)
    })
}

#[derive(Debug)]
struct Herald {
    notify: Arc<Py<PyAny>>,
    takes_passes: bool,
    home: Home,
}

/// `notify(message, key)`; the attribute `takes_passes` says whether messages with a pass may be given to it.
pub(crate) fn notifier(own: Bound<'_, PyAny>, home: Home) -> PyResult<Arc<dyn Notifier>> {
    let takes_passes = match own.getattr_opt("takes_passes")? {
        Some(takes) => takes.is_truthy()?,
        None => false,
    };
    Ok(Arc::new(Herald {
        notify: Arc::new(method(own, "notify")?),
        takes_passes,
        home,
    }))
}

#[async_trait]
impl Notifier for Herald {
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()> {
        let (notify, key) = (self.notify.clone(), key.as_str().to_owned());
        let shown = json!({
            "notice": message.notice.as_str(), "person": message.person.as_str(), "to": message.to,
            "subject": message.subject, "carries_pass": message.carries_pass(),
        });
        let text = message.text();
        let told = loops::call(self.home, move |py| {
            let message = Json(shown).into_pyobject(py)?;
            message.cast::<PyDict>()?.set_item("text", text.expose())?;
            notify.call1(py, (message, key))
        });
        told.await.map(drop).map_err(|raised| {
            let lost = Python::attach(|py| {
                raised.is_instance_of::<PyTimeoutError>(py) || raised.is_instance_of::<PyConnectionError>(py)
            });
            let kind = match kind_of(&raised) {
                Some(kind) => kind,
                // It may have gone out.
                None if lost => ErrorKind::OutcomeUnknown,
                None => ErrorKind::Other,
            };
            failed("the notifier", kind, raised).with_operation("notify")
        })
    }

    fn takes_passes(&self) -> bool {
        self.takes_passes
    }
}

#[derive(Debug)]
struct Judge {
    desired: Py<PyAny>,
    version: String,
    depends_on_date: bool,
}

/// `desired(person, manager, today)`, pure and not `async`; `version` and `depends_on_date` are attributes.
pub(crate) fn access_policy(own: Bound<'_, PyAny>) -> PyResult<Arc<dyn AccessPolicy>> {
    let version = match own.getattr_opt("version")? {
        Some(version) => version.str()?.to_string(),
        None => String::new(),
    };
    let depends_on_date = match own.getattr_opt("depends_on_date")? {
        Some(depends) => depends.is_truthy()?,
        None => true,
    };
    Ok(Arc::new(Judge {
        desired: method(own, "desired")?,
        version,
        depends_on_date,
    }))
}

impl AccessPolicy for Judge {
    fn desired(&self, subject: &Subject<'_>, today: Date) -> Result<Desired, PolicyProblems> {
        let asked = aside(|py| {
            let answer = self.desired.bind(py).call1((
                Json::of(subject.person),
                subject.manager.map(|manager| Json::of(manager)),
                Day(today),
            ));
            answer
                .and_then(|answer| desired_of(&answer))
                .inspect_err(|raised| {
                    raised
                        .clone_ref(py)
                        .write_unraisable(py, Some(self.desired.bind(py)));
                })
        });
        asked.map_err(|raised| PolicyProblems(vec![format!("the access policy raised {}", named(&raised))]))
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn depends_on_date(&self) -> bool {
        self.depends_on_date
    }
}

/// A mapping with `attributes` and `grants`: `group:All Staff`, or a mapping with `kind`, `name`, and perhaps `target`,
/// `rules` and `grace_days`.
fn desired_of(answer: &Bound<'_, PyAny>) -> PyResult<Desired> {
    let ours = |what: &str, value: Json| -> PyResult<Attributes> {
        read(value, what).map_err(crate::errors::raised)
    };
    let mut desired = Desired::default();
    if let Ok(attributes) = answer.get_item("attributes") {
        desired.attributes = ours("attributes", attributes.extract()?)?;
    }
    if let Ok(grants) = answer.get_item("grants") {
        for grant in grants.try_iter()? {
            desired.grants.push(grant_of(&grant?)?);
        }
    }
    Ok(desired)
}

fn grant_of(given: &Bound<'_, PyAny>) -> PyResult<Grant> {
    if given.cast::<PyString>().is_ok() {
        return Ok(Grant {
            what: given.extract::<Named>()?.0,
            rules: vec!["own".to_owned()],
            grace_days: 0,
        });
    }
    #[derive(Deserialize)]
    struct Manner {
        #[serde(default)]
        rules: Vec<String>,
        #[serde(default)]
        grace_days: u32,
    }
    let value: Json = given.extract()?;
    let manner: Manner = read(value.clone(), "a grant").map_err(crate::errors::raised)?;
    let what = read(value, "a grant").map_err(crate::errors::raised)?;
    let rules = match manner.rules.is_empty() {
        true => vec!["own".to_owned()],
        false => manner.rules,
    };
    Ok(Grant {
        what,
        rules,
        grace_days: manner.grace_days,
    })
}

#[derive(Debug)]
struct Conductor {
    decide: Arc<Py<PyAny>>,
    standard: Lifecycle,
    home: Home,
}

/// `on_event(event, state, context, standard)`: the decision of the standard lifecycle, as it is (`None`) or changed.
pub(crate) fn orchestrator(
    own: Bound<'_, PyAny>,
    document: &Arc<Document>,
    home: Home,
) -> PyResult<Arc<dyn Orchestrator>> {
    Ok(Arc::new(Conductor {
        decide: Arc::new(method(own, "on_event")?),
        standard: Lifecycle::new(document.clone()),
        home,
    }))
}

#[async_trait]
impl Orchestrator for Conductor {
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision> {
        let standard = self.standard.on_event(event, state, cx).await?;
        let decide = self.decide.clone();
        let (event, state, context) = (Json::of(event), Json::of(state), Json(seen(cx)));
        let shown = Json(shown(&standard));
        let answer = loops::call(self.home, move |py| {
            decide.call1(py, (event, state, context, shown))
        })
        .await;
        let answer = answer.and_then(|answer| {
            Python::attach(|py| match answer.is_none(py) {
                true => Ok(None),
                false => answer.extract::<Json>(py).map(Some),
            })
        });
        match answer {
            Ok(None) => Ok(standard),
            Ok(Some(changed)) => changed_by(standard, changed),
            Err(raised) => {
                let kind = kind_of(&raised).unwrap_or(ErrorKind::Other);
                Err(failed("the orchestrator", kind, raised).with_operation("decide"))
            }
        }
    }

    fn calendar(&self, state: &PersonState, course: &Course, now: Timestamp) -> Vec<(Timer, Timestamp)> {
        self.standard.calendar(state, course, now)
    }
}

/// What an orchestrator may know besides.
fn seen(cx: &Context<'_>) -> Value {
    let manager = |manager: &Manager| {
        json!({
            "person": manager.key, "record": manager.record, "accounts": manager.accounts, "at_work": manager.at_work,
            "away": manager.away,
        })
    };
    let views = cx
        .views
        .iter()
        .map(|view| json!({ "target": view.target, "kinds": view.kinds, "actual": view.actual }));
    let down = cx
        .down
        .iter()
        .map(|down| json!({ "target": down.target, "why": down.why }));
    json!({
        "now": cx.now, "directory": cx.directory, "views": views.collect::<Vec<_>>(),
        "down": down.collect::<Vec<_>>(), "record": cx.course.record, "remarks": cx.course.remarks,
        "manager": cx.manager.map(manager), "acting": cx.acting.map(manager),
    })
}

fn shown(decision: &Decision) -> Value {
    json!({
        "plan": decision.plan, "timers": decision.timers, "state": decision.state, "waiting": decision.waiting,
        "lacking": decision.lacking, "hold": decision.hold,
    })
}

/// The parts that are given replace those of the standard decision.
fn changed_by(standard: Decision, changed: Json) -> Result<Decision> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Changed {
        plan: Option<Plan>,
        timers: Option<Vec<(Timer, Timestamp)>>,
        state: Option<PersonState>,
        waiting: Option<Vec<String>>,
        lacking: Option<Vec<String>>,
        #[serde(default)]
        hold: Option<String>,
    }
    let changed: Changed = read(changed, "the decision of the orchestrator")?;
    let (person, key) = (
        &standard.state.key,
        changed.state.as_ref().map(|state| &state.key),
    );
    let planned_for = changed.plan.as_ref().map(|plan| &plan.person);
    if key.into_iter().chain(planned_for).any(|other| other != person) {
        let message = "the decision of the orchestrator is about somebody else";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let mut plan = changed.plan.unwrap_or(standard.plan);
    let hold = changed.hold.or(standard.hold);
    if hold.is_some() {
        plan.steps.clear(); // nothing happens before somebody has looked
    }
    Ok(Decision {
        plan,
        timers: changed.timers.unwrap_or(standard.timers),
        state: changed.state.unwrap_or(standard.state),
        waiting: changed.waiting.unwrap_or(standard.waiting),
        lacking: changed.lacking.unwrap_or(standard.lacking),
        hold,
    })
}
