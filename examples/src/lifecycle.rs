//! An engine over an embedded tenant, for examples of what can be put in the place of its parts.

use std::sync::Arc;

use iam_core::Result;
use iam_core::engine::{Engine, EngineBuilder, RunReport};
use iam_core::journal::MemoryJournal;
use iam_core::person::{Person, PersonKey, Status};
use iam_core::policy::Document;
use iam_graph::GraphTarget;
use iam_sandbox::Sandbox;

use crate::say;
use crate::tenant::{Kind, Tenant, Which};

/// A tenant of its own, which stops when dropped.
///
/// # Errors
/// [`iam_core::ErrorKind::Unavailable`] when it cannot listen.
pub async fn tenant() -> Result<Tenant> {
    let which = Which {
        tenant: Kind::Sandbox,
        sandbox: None,
    };
    which.open(Sandbox::builder()).await
}

/// An engine with a journal in memory over the tenant's directory.
pub fn engine(tenant: &Tenant, policy: &Arc<Document>) -> EngineBuilder {
    Engine::builder(Arc::new(MemoryJournal::new()), policy.clone())
        .target(Arc::new(GraphTarget::new(tenant.client.clone())))
}

/// Somebody at work, by worker id, given name, family name and department.
pub fn worker(id: &str, given: &str, family: &str, department: &str) -> Person {
    let mut person = Person::new(PersonKey::new(id));
    person.given_name = Some(given.to_owned());
    person.family_name = Some(family.to_owned());
    person.department = Some(department.to_owned());
    person.country = Some("AU".to_owned());
    person
}

/// The same, who has left.
pub fn gone(mut person: Person) -> Person {
    person.status = Status::Terminated;
    person
}

/// HR says so, and what follows is done and printed.
///
/// # Errors
/// As [`Engine::run`].
pub async fn hear(engine: &Engine, people: impl IntoIterator<Item = Person>) -> Result<RunReport> {
    engine.accept(people).await?;
    let report = engine.run(&|_| {}).await?;
    for finding in &report.findings {
        say(format_args!("finding: {finding}"));
    }
    for run in &report.people {
        say(format_args!("{}: {:?}", run.person, run.ending));
        for (step, outcome) in &run.outcomes {
            say(format_args!("  {} at {}: {outcome:?}", step.id, step.target));
        }
        for note in &run.notes {
            say(format_args!("  note: {note}"));
        }
    }
    Ok(report)
}
