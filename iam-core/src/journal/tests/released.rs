//! The story of a journal that an earlier version has left behind, made by the code of its day and packed as SQL.
//!
//! In it W-1 has left, and the process died when two steps of the leaver were done; W-2 works until the last day of 2026;
//! W-3 begins in February; W-4 is held, because a rule cannot be evaluated.

use std::io::Read as _;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::Engine;
use crate::entitlement::{Actual, Catalog, Class, Entitlement, Item, Kind, TargetId};
use crate::event::EventId;
use crate::journal::{EventState, HistoryQuery, Journal, Lifecycle, MemoryJournal};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, IdempotencyKey, Step};
use crate::policy::Document;
use crate::target::Target as _;
use crate::testing::{ManualClock, MemoryTarget};

/// The SQL of a journal.
pub(in crate::journal) fn unpacked(packed: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    text
}

pub(in crate::journal) fn engine(
    journal: Arc<dyn Journal>,
    target: &MemoryTarget,
    clock: &ManualClock,
) -> Engine {
    let policy = Document::parse(include_str!("../sqlite/tests/schemas/policy.toml")).unwrap();
    Engine::builder(journal, Arc::new(policy))
        .target(Arc::new(target.clone()))
        .clock(Arc::new(clock.clone()))
        .concurrency(1)
        .build()
}

fn person(id: &str, given: &str) -> Person {
    Person {
        given_name: Some(given.to_owned()),
        family_name: Some("Tanaka".to_owned()),
        job_title: Some("Clerk".to_owned()),
        ..Person::new(PersonKey::new(id))
    }
}

fn item(kind: Kind, name: &str) -> Item {
    Item {
        entitlement: Entitlement {
            target: TargetId::new("graph"),
            kind,
            id: format!("id of {name}"),
            name: name.to_owned(),
        },
        class: Class::Assignable,
        privileged: kind == Kind::Role,
        seats: None,
        carries: Vec::new(),
    }
}

/// The directory as the dead process left it: two people hired, the first one blocked and signed out.
async fn directory(clock: &ManualClock) -> MemoryTarget {
    let mut catalog = Catalog::default();
    catalog.items.push(item(Kind::Group, "All Staff"));
    catalog.items.push(item(Kind::Role, "Security Reader"));
    catalog.domains.insert("contoso.example".to_owned());
    let target = MemoryTarget::new("graph", catalog);
    let then = engine(Arc::new(MemoryJournal::new()), &target, clock);
    for (id, given) in [("W-1", "Mei"), ("W-2", "Ada")] {
        then.accept([person(id, given)]).await.unwrap();
        then.run(&|_| {}).await.unwrap();
    }
    for action in [Action::BlockSignIn, Action::RevokeSessions] {
        let (account, graph) = (Some("account-1".to_owned()), TargetId::new("graph"));
        let step = Step::new(
            &graph,
            &PersonKey::new("W-1"),
            account.as_deref(),
            action,
            "HR says terminated",
        );
        let key = IdempotencyKey::of(&EventId::new("W-1"), &step);
        target.apply(&step, &key).await.unwrap();
    }
    target
}

/// Who may sign in, and what each holds.
fn shown(target: &MemoryTarget) -> Vec<String> {
    let show = |actual: &Actual| {
        let account = actual.account.as_ref().filter(|account| !account.deleted)?;
        let name = account.name.split('@').next()?;
        let state = if account.enabled { "at work" } else { "blocked" };
        Some(format!("{name} {state}, holds {}", actual.held.len()))
    };
    let mut shown: Vec<String> = target.accounts().iter().filter_map(show).collect();
    shown.sort_unstable();
    shown
}

async fn states(journal: &dyn Journal, person: &str) -> Vec<EventState> {
    let query = HistoryQuery {
        person: Some(PersonKey::new(person)),
        ..HistoryQuery::default()
    };
    let entries = journal.history(&query).await.unwrap();
    entries.iter().map(|entry| entry.state).collect()
}

/// Nothing was forgotten on the way, and everything comes to its end.
pub(in crate::journal) async fn what_was_begun_ends(journal: &Arc<dyn Journal>, which: &str) {
    // Nothing was forgotten on the way.
    assert_eq!(
        states(journal.as_ref(), "W-4").await,
        [EventState::Dead],
        "{which}"
    );
    let begun = journal.history(&HistoryQuery::default()).await.unwrap();
    let begun = begun
        .iter()
        .rfind(|entry| entry.event.person.as_str() == "W-1")
        .unwrap();
    assert_eq!(
        (begun.state, begun.attempts, begun.steps.len()),
        (EventState::Pending, 1, 2)
    );
    let clock = ManualClock::at("2026-11-24T10:00:00Z".parse().unwrap());
    let target = directory(&clock).await;
    assert_eq!(
        shown(&target),
        ["ada.tanaka at work, holds 2", "mei.tanaka blocked, holds 2"]
    );
    let engine = engine(journal.clone(), &target, &clock);
    let mut seen = Vec::new();
    for day in [
        "2026-11-24",
        "2027-01-02",
        "2027-01-20",
        "2027-02-02",
        "2027-03-15",
    ] {
        let now: Timestamp = format!("{day}T10:00:00Z").parse().unwrap();
        clock.set(now);
        let report = engine.run(&|_| {}).await.unwrap();
        assert_eq!(report.totals().open, 0, "{which}, {day}: {report:?}");
        assert!(engine.overdue().await.unwrap().is_empty(), "{which}, {day}");
        seen.push(format!("{day}: {}", shown(&target).join("; ")));
    }
    assert_eq!(
        seen,
        [
            "2026-11-24: ada.tanaka at work, holds 2; mei.tanaka blocked, holds 0",
            "2027-01-02: ada.tanaka blocked, holds 0",
            "2027-01-20: ada.tanaka blocked, holds 0; bo.tanaka blocked, holds 1",
            "2027-02-02: bo.tanaka at work, holds 2",
            "2027-03-15: bo.tanaka at work, holds 2",
        ],
        "{which}"
    );
    let query = HistoryQuery {
        event: Some(begun.event.id.clone()),
        ..HistoryQuery::default()
    };
    let finished = journal.history(&query).await.unwrap().remove(0);
    assert_eq!(finished.state, EventState::Done, "{which}");
    // What was done before is not done again.
    for step in begun.steps.iter().filter(|step| step.outcome.is_some()) {
        assert!(finished.steps.contains(step), "{which}: {step:?}");
    }
    assert!(
        finished.steps.iter().all(|step| step.outcome.is_some()),
        "{which}"
    );
    let mei = engine.person(&PersonKey::new("W-1")).await.unwrap().unwrap();
    assert_eq!(mei.lifecycle, Lifecycle::Deleted, "{which}");
    assert!(engine.verify_audit(None).await.unwrap().is_ok(), "{which}");
}
