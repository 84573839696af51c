//! What only a file can promise: it survives, it is private, it is refused to others.

mod archive;
mod audit;
mod backup;
mod group;
mod health;
mod restore;
mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::{SqliteJournal, TENANT, file, lane};
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventId, EventKind, Timer};
use crate::journal::audit::Checkpoint;
use crate::journal::{
    Appended, Claim, Frozen, HistoryQuery, Journal, Outcome, PersonState, Reservation, conformance,
};
use crate::person::{Person, PersonKey};
use crate::plan::{Action, IdempotencyKey, Plan, Step};
use std::time::Duration;

const ACME: &str = "6f1c9d5e-0000-4000-8000-000000000001";
const LEASE: Duration = Duration::from_mins(10);

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn join(person: &str, second: i64) -> Event {
    Event {
        id: EventId::new(format!("{person}/1")),
        person: PersonKey::new(person),
        kind: EventKind::Join,
        due_at: at(second),
        entered_at: at(0),
        record: Some(Person::new(PersonKey::new(person))),
        version: 1,
        news: None,
    }
}

fn in_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    (folder, path)
}

async fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path, ACME).await.unwrap()
}

async fn refusal(path: &Path, tenant: &str) -> Error {
    SqliteJournal::open(path, tenant).await.unwrap_err()
}

async fn sql(path: &Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let mut conn = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn passes_the_exam() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::exam(async || {
        number.set(number.get() + 1);
        open(&folder.path().join(format!("{}.db", number.get()))).await
    })
    .await;
}

/// Two people: one in the middle of a step, one with a future event; a reserved name.
async fn work(journal: &SqliteJournal) -> Claim {
    let future = Event::timer(
        &PersonKey::new("q"),
        Timer::Start,
        at(900),
        &EventId::new("x"),
        at(0),
    );
    let appended = journal
        .append(&[join("p", 0), join("q", 1), future])
        .await
        .unwrap();
    assert_eq!(appended, [Appended::New; 3]);
    let claims = journal.claim(2, at(5), LEASE).await.unwrap();
    let [working, waiting] = &claims[..] else {
        panic!("{claims:?}")
    };
    let state = PersonState {
        name: Some("q@contoso.example".to_owned()),
        ..waiting.state.clone()
    };
    journal
        .retry_later(waiting, &state, at(50), "no seat")
        .await
        .unwrap();
    let person = &working.event.person;
    let (done, cut) = (
        step(person, Action::BlockSignIn),
        step(person, Action::RevokeSessions),
    );
    let mut plan = Plan::empty(person);
    plan.steps = vec![done.0.clone(), cut.0.clone()];
    journal.plan(working, &plan).await.unwrap();
    journal.intend(working, &done.0.id, &done.1).await.unwrap();
    let outcome = Outcome::Done { account: None };
    journal
        .settle(working, &done.0.id, &outcome, at(7))
        .await
        .unwrap();
    journal.intend(working, &cut.0.id, &cut.1).await.unwrap();
    journal.reserve("P@contoso.example", person).await.unwrap();
    working.clone()
}

fn step(person: &PersonKey, action: Action) -> (Step, IdempotencyKey) {
    let step = Step::new(
        &crate::entitlement::TargetId::new("t"),
        person,
        None,
        action,
        "test",
    );
    let key = IdempotencyKey::of(&EventId::new("x"), &step);
    (step, key)
}

/// Everything a journal can be asked.
async fn everything(journal: &SqliteJournal) -> String {
    let keys = [PersonKey::new("p"), PersonKey::new("q")];
    let history = journal.history(&HistoryQuery::default()).await.unwrap();
    let events: Vec<_> = history
        .iter()
        .map(|entry| serde_json::to_string(&entry.event).unwrap())
        .collect();
    let accepted = journal.accepted(&keys).await.unwrap();
    let people = journal.people(None, 10).await.unwrap();
    format!("{history:?} {events:?} {accepted:?} {people:?}")
}

#[tokio::test]
async fn what_was_committed_is_there_after_every_kind_of_end() {
    for end in ["dropped", "closed", "killed"] {
        let (folder, mut path) = in_folder();
        let journal = open(&path).await;
        let claim = work(&journal).await;
        let before = everything(&journal).await;
        match end {
            "dropped" => drop(journal),
            "closed" => {
                journal.close().await.unwrap();
                assert!(!folder.path().join("journal.db-wal").exists());
            }
            _ => {
                // What a killed process leaves behind: the files as they are, nothing checkpointed.
                let copy = folder.path().join("after.db");
                fs::copy(&path, &copy).unwrap();
                let wal = folder.path().join("journal.db-wal");
                assert!(fs::metadata(&wal).unwrap().len() > 0);
                fs::copy(wal, folder.path().join("after.db-wal")).unwrap();
                path = copy;
            }
        }
        let journal = open(&path).await;
        assert_eq!(everything(&journal).await, before, "{end}");
        let again = journal.append(&[join("p", 0)]).await.unwrap();
        assert_eq!(again, [Appended::Duplicate], "{end}");
        let taken = journal
            .reserve("p@CONTOSO.example", &PersonKey::new("q"))
            .await
            .unwrap();
        assert_eq!(
            taken,
            Reservation::Taken {
                by: PersonKey::new("p")
            }
        );
        // The dead holder's lane is free at once, and its claim worth nothing.
        let lost = journal.complete(&claim, &claim.state, &[]).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Fenced, "{end}");
        let claims = journal.claim(9, at(5), LEASE).await.unwrap();
        assert_eq!(claims.len(), 1, "{end}");
        assert_eq!(claims[0].event.id, claim.event.id);
        assert_eq!(claims[0].plan.as_ref().map(|plan| plan.steps.len()), Some(2));
        assert_eq!((claims[0].steps.len(), claims[0].attempts), (2, 1));
        assert!(claims[0].fence > claim.fence);
        let lost = journal.complete(&claim, &claim.state, &[]).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Fenced, "{end}");
        assert_eq!(journal.next_due().await.unwrap(), Some(at(50)), "{end}");
    }
}

#[tokio::test]
async fn only_one_process_and_only_once() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    let mut names = vec![path.clone(), folder.path().join("x/../journal.db")];
    fs::create_dir(folder.path().join("x")).unwrap();
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        names.push(link);
    }
    for name in &names {
        let error = refusal(name, ACME).await;
        assert_eq!(error.kind(), ErrorKind::Storage);
        let holder = format!(
            "is in use (process {}): an SQLite journal has one process",
            std::process::id()
        );
        assert!(error.to_string().contains(&holder), "{error}");
    }
    // The refused ones did not disturb the first.
    journal.append(&[join("p", 0)]).await.unwrap();
    let clone = journal.clone();
    journal.close().await.unwrap();
    let error = clone.append(&[join("q", 0)]).await.unwrap_err();
    assert!(error.to_string().contains("has been closed"), "{error}");
    let error = clone.people(None, 1).await.unwrap_err();
    assert!(error.to_string().contains("has been closed"), "{error}");
    clone.close().await.unwrap();
    let journal = open(&path).await;
    assert_eq!(journal.history(&HistoryQuery::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_this_tenants_journal_is_refused_untouched() {
    let (folder, path) = in_folder();
    let at = |name: &str| folder.path().join(name);
    open(&path).await.close().await.unwrap();
    fs::copy(&path, at("newer.db")).unwrap();
    sql(&at("newer.db"), "UPDATE meta SET schema = 99").await;
    fs::copy(&path, at("migrated.db")).unwrap();
    let later = "INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, 1, x'00', 1)";
    sql(&at("migrated.db"), later).await;
    sql(&at("other.db"), "CREATE TABLE notes (note TEXT)").await;
    fs::write(at("text.db"), "employeeId,firstName\nW-1,Ada\n").unwrap();
    fs::write(at("short.db"), "x").unwrap();
    for (name, tenant, kind, expected) in [
        (
            "journal.db",
            "other",
            ErrorKind::Storage,
            "belongs to tenant 6f1c9d5e",
        ),
        (
            "newer.db",
            ACME,
            ErrorKind::Storage,
            "newer version (schema 99, this one knows",
        ),
        (
            "migrated.db",
            ACME,
            ErrorKind::Storage,
            "newer version (schema 99, this one knows",
        ),
        (
            "other.db",
            ACME,
            ErrorKind::Storage,
            "is a database of another program",
        ),
        ("text.db", ACME, ErrorKind::Storage, "is not an SQLite database"),
        ("short.db", ACME, ErrorKind::Storage, "is not an SQLite database"),
        (
            "none/journal.db",
            ACME,
            ErrorKind::Storage,
            "its folder does not exist",
        ),
        ("", ACME, ErrorKind::Storage, "it is a folder"),
        ("journal.db", " ", ErrorKind::Invalid, "the tenant id is empty"),
    ] {
        let before = fs::read(at(name)).ok();
        let error = refusal(&at(name), tenant).await;
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(fs::read(at(name)).ok() == before, "{name} was changed");
    }
    // The same tenant, however its id is written.
    SqliteJournal::open(&path, &ACME.to_uppercase()).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = in_folder();
    let modes = || {
        let mut modes: Vec<(String, u32)> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                (entry.file_name().into_string().unwrap(), mode)
            })
            .collect();
        modes.sort();
        modes
    };
    let all = [
        "journal.db",
        "journal.db-shm",
        "journal.db-wal",
        "journal.db.lock",
    ]
    .map(|name| (name.to_owned(), 0o600));
    let journal = open(&path).await;
    journal.append(&[join("p", 0)]).await.unwrap();
    assert_eq!(modes(), all);
    journal.close().await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let journal = open(&path).await;
    journal.append(&[join("q", 0)]).await.unwrap();
    assert_eq!(modes(), all);
}

#[tokio::test]
async fn a_full_disk_is_told_and_got_over() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    journal.append(&[join("p", 0)]).await.unwrap();
    {
        let mut writer = journal.writer().await.unwrap();
        let limit = sqlx::query("PRAGMA max_page_count = 1");
        limit.execute(&mut writer.conn).await.unwrap();
    }
    let many: Vec<Event> = (0..500).map(|n| join(&format!("n{n}"), 0)).collect();
    let error = journal.append(&many).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(
        error.to_string().contains("the disk is full: make room"),
        "{error}"
    );
    assert_eq!(journal.history(&HistoryQuery::default()).await.unwrap().len(), 1);
    // There is room again.
    let appended = journal.append(&many).await.unwrap();
    assert_eq!(appended, vec![Appended::New; 500]);
}

#[tokio::test]
async fn a_damaged_value_is_told_without_quoting_it_and_keeps_nobody_else_waiting() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    journal.append(&[join("p", 0), join("q", 1)]).await.unwrap();
    journal.close().await.unwrap();
    sql(
        &path,
        r#"UPDATE event SET event = '{"person":"Lovelace"}' WHERE person = 'p'"#,
    )
    .await;
    let journal = open(&path).await;
    let claims = journal.claim(1, at(5), LEASE).await.unwrap();
    assert_eq!(claims[0].event.person.as_str(), "q");
    assert!(journal.claim(1, at(5), LEASE).await.unwrap().is_empty());
    assert_eq!(journal.next_due().await.unwrap(), None, "nobody waits for it");
    // It is left where it is, and the alarm tells of it.
    let stalled = journal.stalled(at(5)).await.unwrap().unwrap();
    assert_eq!((stalled.event.as_str(), stalled.since), ("p/1", at(0)));
    let error = journal.history(&HistoryQuery::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(
        error.chain().contains("cannot be understood") && error.chain().contains("event of row 1"),
        "{error}"
    );
    assert!(!error.chain().contains("Lovelace"), "{error}");
}

/// A journal of the first schema goes on as it is, and knows frozen plans from then on.
#[tokio::test]
async fn an_older_journal_is_brought_up_to_date() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    work(&journal).await;
    let before = everything(&journal).await;
    journal.close().await.unwrap();
    sql(&path, "DROP TABLE frozen").await;
    sql(&path, "DELETE FROM _sqlx_migrations WHERE version = 3").await;
    sql(&path, "UPDATE meta SET schema = 1").await;
    let journal = open(&path).await;
    assert_eq!(everything(&journal).await, before);
    let plan = Frozen::new("a", vec!["too many".to_owned()], "ann", at(1));
    journal.freeze(&plan).await.unwrap();
    journal.close().await.unwrap();
    let journal = open(&path).await;
    assert_eq!(journal.frozen().await.unwrap(), [plan]);
}

/// A plan with actions that this version has never heard of stops nobody else's work.
#[tokio::test]
async fn a_plan_of_a_newer_version_is_read_without_its_steps() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    work(&journal).await;
    journal.close().await.unwrap();
    let newer = r#"UPDATE event SET plan = '{"version":99,"person":"p","attempt":1,"steps":[{"action":"beam_up"}]}'
                   WHERE person = 'p'"#;
    sql(&path, newer).await;
    let journal = open(&path).await;
    let claims = journal.claim(2, at(60), LEASE).await.unwrap();
    let of = |person: &str| {
        claims
            .iter()
            .find(|claim| claim.event.person.as_str() == person)
            .unwrap()
    };
    let plan = of("p").plan.as_ref().unwrap();
    assert!(plan.newer().unwrap().contains("version 99"), "{plan:?}");
    assert_eq!(of("q").plan, None);
    let all = journal.history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(all.len(), 3);
}

/// Future events cost nothing: the queries are ranges of an index, in its order.
#[tokio::test]
async fn due_events_are_found_without_scanning_or_sorting() {
    let (_folder, path) = in_folder();
    let mut opened = file::open(&path, ACME, &Checkpoint::default()).await.unwrap();
    for (query, range) in [
        (lane::LEAVES, "event_leave_due (tenant=? AND due_at<?)"),
        (lane::OTHERS, "event_due (tenant=? AND due_at<?)"),
        (lane::NEXT_DUE, "event_ready (tenant=?)"),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
        let lines: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .bind(TENANT)
            .bind(0)
            .bind("[]")
            .bind(9)
            .fetch_all(&mut opened.conn)
            .await
            .unwrap();
        let lines: Vec<&str> = lines.iter().map(|line| line.3.as_str()).collect();
        assert!(lines[0].contains(range), "{lines:#?}");
        assert!(
            !lines.iter().any(|line| line.contains("TEMP B-TREE")),
            "{lines:#?}"
        );
        let scans: Vec<_> = lines.iter().filter(|line| line.starts_with("SCAN")).collect();
        assert!(scans.iter().all(|line| line.contains("json_each")), "{lines:#?}");
    }
}
