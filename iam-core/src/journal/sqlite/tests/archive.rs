//! What ended long ago leaves the file, and is told as before.

use std::collections::BTreeMap;

use super::*;
use crate::journal::audit::Kept;
use crate::journal::{About, EventState, Health, Lane, Lifecycle, verify};
use crate::person::Person;

/// An event of somebody of whom much is known.
fn change(person: &str, version: u64, second: i64) -> Event {
    let mut event = join(person, second);
    event.id = EventId::new(format!("{person}/{version}"));
    event.version = version;
    event.record = Some(Person {
        job_title: Some(format!("{version} {}", "Clerk ".repeat(200))),
        ..Person::new(PersonKey::new(person))
    });
    event
}

/// Works off what is due at that second, with one step each.
async fn work_off(journal: &SqliteJournal, second: i64) {
    loop {
        let claims = journal.claim(50, at(second), LEASE).await.unwrap();
        if claims.is_empty() {
            return;
        }
        for claim in claims {
            let (step, key) = step(&claim.event.person, Action::RevokeSessions);
            let mut plan = Plan::empty(&claim.event.person);
            plan.steps.push(step.clone());
            journal.plan(&claim, &plan).await.unwrap();
            journal.intend(&claim, &step.id, &key).await.unwrap();
            let done = Outcome::Done { account: None };
            journal.settle(&claim, &step.id, &done, at(second)).await.unwrap();
            let state = PersonState {
                record: claim.event.record.clone(),
                ..claim.state.clone()
            };
            journal.complete(&claim, &state, &[]).await.unwrap();
        }
    }
}

/// Two years of some people: one change a month.
async fn two_years(journal: &SqliteJournal, people: usize) {
    for month in 0..24_u32 {
        let second = i64::from(month) * 100;
        let events: Vec<Event> = (0..people)
            .map(|n| change(&format!("p{n}"), u64::from(month) + 1, second))
            .collect();
        assert!(
            journal
                .append(&events)
                .await
                .unwrap()
                .iter()
                .all(|answer| *answer == Appended::New)
        );
        work_off(journal, second).await;
    }
}

/// Everything that a journal tells of the past.
async fn told(journal: &SqliteJournal) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let base = HistoryQuery::default;
    let person = Some(PersonKey::new("p1"));
    for (what, query) in [
        ("all", base()),
        ("some", HistoryQuery { limit: 7, ..base() }),
        (
            "done",
            HistoryQuery {
                state: Some(EventState::Done),
                limit: 40,
                ..base()
            },
        ),
        (
            "superseded",
            HistoryQuery {
                state: Some(EventState::Superseded),
                ..base()
            },
        ),
        (
            "dead",
            HistoryQuery {
                state: Some(EventState::Dead),
                ..base()
            },
        ),
        (
            "due",
            HistoryQuery {
                due: Some(at(300)),
                ..base()
            },
        ),
        (
            "of one",
            HistoryQuery {
                person: person.clone(),
                ..base()
            },
        ),
        (
            "some of one",
            HistoryQuery {
                person,
                limit: 3,
                ..base()
            },
        ),
        (
            "one",
            HistoryQuery {
                event: Some(EventId::new("p1/2")),
                ..base()
            },
        ),
    ] {
        let entries = journal.history(&query).await.unwrap();
        let events: Vec<String> = entries
            .iter()
            .map(|entry| serde_json::to_string(&entry.event).unwrap())
            .collect();
        told.insert(what.to_owned(), format!("{entries:?} {events:?}"));
    }
    let audit = journal.audit(0, 10_000).await.unwrap();
    told.insert("audit".to_owned(), format!("{audit:?}"));
    assert!(audit.iter().all(|(_, kept)| *kept != Kept::Changed));
    verify(journal, None).await.unwrap().unwrap();
    told
}

async fn rows(journal: &SqliteJournal, table: &'static str) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(count)
        .fetch_one(&journal.0.readers)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_exam_is_passed_where_what_ends_is_moved_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::exam(async || {
        number.set(number.get() + 1);
        let journal = open(&folder.path().join(format!("{}.db", number.get()))).await;
        journal.0.hasty.store(true, std::sync::atomic::Ordering::Relaxed);
        journal
    })
    .await;
    let archives = fs::read_dir(folder.path()).unwrap();
    let archives =
        archives.filter(|file| file.as_ref().unwrap().path().extension() == Some("archive".as_ref()));
    assert!(archives.count() > 10, "something was moved");
}

#[tokio::test]
async fn what_ended_long_ago_leaves_the_file_and_is_told_as_before() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    two_years(&journal, 20).await;
    let before = told(&journal).await;
    let (events, steps) = (rows(&journal, "event").await, rows(&journal, "step").await);
    assert_eq!((events, steps), (480, 480));
    journal.close().await.unwrap();
    let journal = open(&path).await;
    let length = fs::metadata(&path).unwrap().len();

    // All but the last two months.
    assert_eq!(journal.archive(at(2_150)).await.unwrap(), 22 * 20);
    assert_eq!(
        (rows(&journal, "event").await, rows(&journal, "step").await),
        (40, 40)
    );
    journal.compact().await.unwrap();
    let shorter = fs::metadata(&path).unwrap().len();
    // The audit, about half of it, is kept whole.
    assert!(shorter < length * 2 / 3, "{length} bytes became {shorter}");
    assert_eq!(told(&journal).await, before);
    assert_eq!(journal.archive(at(2_150)).await.unwrap(), 0, "once");

    // None of it takes effect again, and nothing about it is changed.
    let again = [change("p1", 2, 100), join("p2", 0), change("p3", 25, 2_400)];
    let answers = journal.append(&again).await.unwrap();
    assert_eq!(answers, [Appended::Duplicate, Appended::Conflict, Appended::New]);
    assert_eq!(journal.quarantine().await.unwrap().len(), 1);
    let error = journal
        .requeue(&EventId::new("p1/2"), "ann", "once more")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    // What is new comes last.
    work_off(&journal, 2_400).await;
    let all = journal.history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(all.last().unwrap().event.id.as_str(), "p3/25");
    let now = told(&journal).await;
    journal.close().await.unwrap();

    let journal = open(&path).await;
    assert_eq!(told(&journal).await, now);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.path().join("journal.db.archive"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let found = journal.check().await.unwrap();
    let archive = found
        .iter()
        .find(|finding| finding.about == About::Archive)
        .unwrap();
    assert_eq!(
        (archive.health, archive.message.as_str()),
        (Health::Good, "440 events are in it")
    );
}

#[tokio::test]
async fn what_is_not_over_for_long_enough_stays() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    let names = ["done", "dead", "unknown", "late", "pending", "newest"];
    let events: Vec<Event> = names.iter().map(|name| join(name, 0)).collect();
    journal.append(&events).await.unwrap();
    for claim in journal.claim(9, at(1), LEASE).await.unwrap() {
        let (step, key) = step(&claim.event.person, Action::RevokeSessions);
        let mut settled = (Outcome::Done { account: None }, at(2));
        match claim.event.person.as_str() {
            "pending" => continue,
            "dead" => {
                let state = claim.state.clone();
                journal
                    .dead_letter(&claim, &state, &[], "refused", Lane::Park)
                    .await
                    .unwrap();
                continue;
            }
            "unknown" => settled.0 = Outcome::Unknown,
            "late" => settled.1 = at(500),
            _ => {}
        }
        journal.intend(&claim, &step.id, &key).await.unwrap();
        journal
            .settle(&claim, &step.id, &settled.0, settled.1)
            .await
            .unwrap();
        journal.complete(&claim, &claim.state, &[]).await.unwrap();
    }
    assert_eq!(journal.archive(at(400)).await.unwrap(), 1);
    let there: Vec<String> = sqlx::query_scalar("SELECT person FROM event ORDER BY seq")
        .fetch_all(&journal.0.readers)
        .await
        .unwrap();
    assert_eq!(there, ["dead", "unknown", "late", "pending", "newest"]);
    // What nobody knew is told, and then it is over.
    let (revoke, _) = step(&PersonKey::new("unknown"), Action::RevokeSessions);
    let unknown = EventId::new("unknown/1");
    journal
        .resolve(&unknown, &revoke.id, true, "ann", "looked")
        .await
        .unwrap();
    assert_eq!(journal.archive(at(400)).await.unwrap(), 1);
    let error = journal
        .resolve(&unknown, &revoke.id, true, "ann", "again")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_crash_before_it_left_the_file_changes_nothing() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    two_years(&journal, 3).await;
    let before = told(&journal).await;
    journal.close().await.unwrap();
    let copy = folder.path().join("as before");
    fs::copy(&path, &copy).unwrap();
    let journal = open(&path).await;
    assert_eq!(journal.archive(at(2_000)).await.unwrap(), 60);
    journal.close().await.unwrap();
    // In the archive they are, and the file is as it was.
    fs::copy(&copy, &path).unwrap();
    let journal = open(&path).await;
    assert_eq!(told(&journal).await, before);
    assert_eq!(journal.archive(at(1_000)).await.unwrap(), 30);
    assert_eq!(told(&journal).await, before);
    assert_eq!(journal.archive(at(2_000)).await.unwrap(), 30);
    assert_eq!(told(&journal).await, before);
}

#[tokio::test]
async fn an_archive_that_is_missing_is_said_and_keeps_nobody_from_working() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    two_years(&journal, 3).await;
    journal.archive(at(2_000)).await.unwrap();
    journal.close().await.unwrap();
    fs::remove_file(folder.path().join("journal.db.archive")).unwrap();
    let journal = open(&path).await;
    let error = journal.history(&HistoryQuery::default()).await.unwrap_err();
    assert!(error.to_string().contains("archive"), "{error}");
    assert!(error.to_string().contains("put it back"), "{error}");
    journal.append(&[change("p1", 25, 2_400)]).await.unwrap();
    work_off(&journal, 2_400).await;
    let error = journal.archive(at(9_000)).await.unwrap_err();
    assert!(
        error.to_string().contains("put it back"),
        "no second one is begun: {error}"
    );
    journal.close().await.unwrap();
    let found = SqliteJournal::examine(&path).await.unwrap();
    let archive = found
        .iter()
        .find(|finding| finding.about == About::Archive)
        .unwrap();
    assert_eq!(archive.health, Health::Bad, "{archive}");
}

#[tokio::test]
async fn who_is_erased_leaves_nothing_in_the_archive() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    let mut event = join("W-1003", 0);
    event.record.as_mut().unwrap().family_name = Some("Tanaka".to_owned());
    journal.append(&[event.clone(), join("other", 0)]).await.unwrap();
    work_off(&journal, 1).await;
    assert_eq!(journal.archive(at(10)).await.unwrap(), 1);
    let archive = folder.path().join("journal.db.archive");
    let holds = |word: &str| {
        let wal = fs::read(folder.path().join("journal.db.archive-wal")).unwrap_or_default();
        let text = [fs::read(&archive).unwrap(), wal].concat();
        String::from_utf8_lossy(&text).contains(word)
    };
    assert!(holds("Tanaka"));
    let person = PersonKey::new("W-1003");
    let state = journal.person(&person).await.unwrap().unwrap();
    assert_eq!(state.lifecycle, Lifecycle::default());
    journal.erase(&person, "officer", "asked for it").await.unwrap();
    assert!(!holds("Tanaka"));
    verify(&journal, None).await.unwrap().unwrap();
    let all = journal.history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(all.len(), 2, "it happened");
    assert!(all.iter().all(|entry| entry.event.person != person));
    assert_eq!(
        journal.append(&[event]).await.unwrap(),
        [Appended::Conflict],
        "it does not take effect again"
    );
}
