//! One person, explained: why they hold something and why not, what happened to them, what somebody else has changed
//! behind the platform's back, what is to come, and what undoing an event would do. On an embedded tenant, on a clock
//! that is moved by hand.
//!
//! ```text
//! cargo run --example explain
//! ```

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::process::ExitCode;
use std::sync::Arc;

use iam_core::engine::{AsOf, Engine};
use iam_core::entitlement::{Kind, Reference};
use iam_core::person::{Person, PersonKey};
use iam_core::plan::Drift;
use iam_core::policy::Document;
use iam_core::testing::ManualClock;
use iam_core::{Error, ErrorKind, Result};
use iam_examples::lifecycle::{engine, tenant, worker};
use iam_examples::say;
use iam_examples::tenant::Tenant;
use iam_graph::query::Filter;
use jiff::Timestamp;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[defaults]
groups = ["All Staff"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
grace = "14d"
[[rule]]
id = "finance"
when = 'person.department == "Finance" && person.location == "London"'
groups = ["sg-finance"]
[leaver]
delete_after = "30d"
"#;

fn instant(text: &str) -> Result<Timestamp> {
    text.parse().map_err(|source| {
        Error::new(ErrorKind::Invalid, format!("{text:?} is no instant")).with_source(source)
    })
}

fn group(name: &str) -> Reference {
    Reference::new(Kind::Group, name)
}

/// Somebody puts the person into a group, and takes them out of another, without asking the platform.
async fn meddle(tenant: &Tenant, engine: &Engine, who: &PersonKey) -> Result<()> {
    let state = engine.person(who).await?;
    let account = state.as_ref().and_then(|state| state.accounts.values().next());
    let missing = |what: &str| Error::new(ErrorKind::NotFound, format!("there is no {what}"));
    let account = account.ok_or_else(|| missing("account"))?;
    for (name, joins) in [("VPN Users", true), ("All Staff", false)] {
        let mut found = tenant
            .client
            .find_groups(&Filter::eq("displayName", name))
            .await?;
        let group = found.pop().map(|group| group.id).ok_or_else(|| missing(name))?;
        if joins {
            tenant.client.add_member(&group, &account.id).await?;
        } else {
            tenant.client.remove_member(&group, &account.id).await?;
        }
    }
    Ok(())
}

/// HR says so, and what follows is done.
async fn hear(engine: &Engine, person: &Person) -> Result<()> {
    engine.accept([person.clone()]).await?;
    engine.run(&|_| {}).await.map(drop)
}

async fn explain() -> Result<()> {
    let tenant = tenant().await?;
    let clock = ManualClock::at(instant("2026-11-02T09:00:00Z")?);
    let policy = Arc::new(Document::parse(POLICY)?);
    let engine = engine(&tenant, &policy).clock(Arc::new(clock.clone())).build();
    let who = PersonKey::new("X-1");

    let mut mei = worker("X-1", "Mei", "Tanaka", "Security");
    mei.hire_date = Some(jiff::civil::date(2026, 11, 2));
    hear(&engine, &mei).await?;
    clock.set(instant("2026-11-16T09:00:00Z")?);
    mei.department = Some("Finance".to_owned());
    mei.location = Some("Sydney".to_owned());
    mei.last_day = Some(jiff::civil::date(2027, 1, 29));
    hear(&engine, &mei).await?;

    say("== Why does X-1 hold sg-security?");
    say(engine.why(&who, &group("sg-security")).await?);
    say("\n== Why does X-1 not hold sg-finance?");
    say(engine.why_not(&who, &group("sg-finance")).await?);

    say("\n== What happened to X-1, and what is to come?");
    for entry in engine.timeline(&who).await? {
        let (event, steps) = (&entry.event, entry.steps.len());
        let (kind, due, state) = (event.kind.as_str(), event.due_at, entry.state);
        say(format_args!("{due} {kind}, {state:?}: {steps} steps"));
    }

    say("\n== What will have been done by the first of March?");
    if let AsOf::Future(moments) = engine.plan_as_of(instant("2027-03-01T00:00:00Z")?).await? {
        for moment in moments {
            for step in moment.people.iter().flat_map(|person| &person.plan.steps) {
                say(format_args!("{} {}: {}", moment.at, step.action.kind(), step.why));
            }
        }
    }

    meddle(&tenant, &engine, &who).await?;
    say("\n== What is otherwise than the platform left it?");
    let drift = engine.drift_of(&who).await?;
    say(&drift);
    // What somebody else gave is taken only because it is named here.
    let foreign = drift
        .found
        .iter()
        .filter(|(_, drift)| matches!(drift, Drift::Foreign { .. }));
    let take: Vec<_> = foreign
        .filter_map(|(_, drift)| drift.entitlement().cloned())
        .collect();
    let revert = engine
        .revert(&who, "ann", "nobody has approved it", &take)
        .await?;
    engine.run(&|_| {}).await?;
    say("\n== And after ann has had it brought back?");
    say(engine.drift_of(&who).await?);

    say("\n== What would undo that?");
    say(engine.undo_plan(&revert).await?);
    engine
        .undo(&revert, "bob", "it had been approved after all")
        .await?;
    engine.run(&|_| {}).await?;

    for day in ["2026-11-30T09:00:00Z", "2027-01-30T00:00:00Z"] {
        clock.set(instant(day)?);
        engine.run(&|_| {}).await?;
    }
    say("\n== What did X-1 hold on the last day, and when was it removed?");
    say(engine.evidence(&who).await?);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match explain().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}
