//! Journals of every schema that was released, each made by the code of its day (`schemas/`, as SQL, packed): they open, are
//! brought up to date, and what was begun in them ends.
//!
//! In each of them W-1 has left, and the process died when two steps of the leaver were done; W-2 works until the last
//! day of 2026; W-3 begins in February; W-4 is held, because a rule cannot be evaluated.

use std::io::Read as _;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::engine::Engine;
use crate::entitlement::{Actual, Catalog, Class, Entitlement, Item, Kind, TargetId};
use crate::journal::{About, EventState, Health, Lifecycle, MemoryJournal};
use crate::policy::Document;
use crate::target::Target as _;
use crate::testing::{ManualClock, MemoryTarget};

/// Schema, the version of its plans, and the journal.
const JOURNALS: [(i64, u32, &[u8]); 5] = [
    (1, 1, include_bytes!("schemas/schema_1.sql.gz")),
    (2, 2, include_bytes!("schemas/schema_2.sql.gz")),
    (4, 3, include_bytes!("schemas/schema_4.sql.gz")),
    (5, 3, include_bytes!("schemas/schema_5.sql.gz")),
    (7, 3, include_bytes!("schemas/schema_7.sql.gz")),
];

fn unpacked(packed: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .unwrap();
    text
}

async fn restored(path: &Path, text: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(false);
    let mut conn = options.connect().await.unwrap();
    let text = sqlx::AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

fn engine(journal: Arc<dyn Journal>, target: &MemoryTarget, clock: &ManualClock) -> Engine {
    let policy = Document::parse(include_str!("schemas/policy.toml")).unwrap();
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

async fn states(journal: &SqliteJournal, person: &str) -> Vec<EventState> {
    let query = HistoryQuery {
        person: Some(PersonKey::new(person)),
        ..HistoryQuery::default()
    };
    let entries = journal.history(&query).await.unwrap();
    entries.iter().map(|entry| entry.state).collect()
}

#[tokio::test]
async fn an_older_file_that_went_back_in_time_is_refused_before_it_is_brought_up_to_date() {
    for (schema, _, packed) in JOURNALS {
        let (_folder, path) = in_folder();
        restored(&path, &unpacked(packed)).await;
        let before = fs::read(&path).unwrap();
        let place = Checkpoint {
            sequence: 1_000_000,
            hash: "0".repeat(64),
        };
        let error = SqliteJournal::open_after(&path, ACME, &place).await.unwrap_err();
        assert_eq!(error.reason(), Some("gone_back"), "schema {schema}");
        assert!(fs::read(&path).unwrap() == before, "schema {schema} was changed");
        let found = SqliteJournal::examine(&path).await.unwrap();
        let schema_found = found
            .iter()
            .find(|finding| finding.about == About::Schema)
            .unwrap();
        assert_eq!(schema_found.health, Health::Doubtful, "{schema_found}");
    }
}

#[tokio::test]
async fn a_journal_of_every_released_schema_opens_and_what_it_has_begun_ends() {
    for (schema, plans, packed) in JOURNALS {
        let text = unpacked(packed);
        let (_folder, path) = in_folder();
        restored(&path, &text).await;
        let journal = open(&path).await;
        let (now,): (i64,) = sqlx::query_as("SELECT schema FROM meta")
            .fetch_one(&journal.0.readers)
            .await
            .unwrap();
        assert_eq!(now, file::SCHEMA, "schema {schema}");
        assert!(
            text.contains(&format!("{{\"version\":{plans},")),
            "schema {schema}"
        );
        // Nothing was forgotten on the way.
        assert_eq!(
            states(&journal, "W-4").await,
            [EventState::Dead],
            "schema {schema}"
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
        let engine = engine(Arc::new(journal.clone()), &target, &clock);
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
            assert_eq!(report.totals().open, 0, "schema {schema}, {day}: {report:?}");
            assert!(
                engine.overdue().await.unwrap().is_empty(),
                "schema {schema}, {day}"
            );
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
            "schema {schema}"
        );
        let query = HistoryQuery {
            event: Some(begun.event.id.clone()),
            ..HistoryQuery::default()
        };
        let finished = journal.history(&query).await.unwrap().remove(0);
        assert_eq!(finished.state, EventState::Done, "schema {schema}");
        // What was done before is not done again.
        for step in begun.steps.iter().filter(|step| step.outcome.is_some()) {
            assert!(finished.steps.contains(step), "schema {schema}: {step:?}");
        }
        assert!(
            finished.steps.iter().all(|step| step.outcome.is_some()),
            "schema {schema}"
        );
        let mei = engine.person(&PersonKey::new("W-1")).await.unwrap().unwrap();
        assert_eq!(mei.lifecycle, Lifecycle::Deleted, "schema {schema}");
        assert!(
            engine.verify_audit(None).await.unwrap().is_ok(),
            "schema {schema}"
        );
    }
}
