//! A look at the journal finds what is wrong with it.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;
use crate::journal::{About, Finding, Health};

fn wrong(found: &[Finding]) -> Vec<(About, Health)> {
    let wrong = found.iter().filter(|finding| finding.health != Health::Good);
    // How full the disk of whoever runs this is, is no matter here.
    let wrong = wrong.filter(|finding| finding.about != About::Space);
    wrong.map(|finding| (finding.about, finding.health)).collect()
}

async fn tampered(path: &Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false);
    let mut conn = options.connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test]
async fn a_sound_journal_is_found_sound_from_within_and_from_beside() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    work(&journal).await;
    let within = journal.check().await.unwrap();
    assert_eq!(wrong(&within), []);
    for about in [
        About::Version,
        About::Schema,
        About::Tenant,
        About::Integrity,
        About::References,
        About::Flush,
        About::Privacy,
        About::Lock,
        About::Audit,
    ] {
        assert!(
            within.iter().any(|finding| finding.about == about),
            "{about:?} was not looked at"
        );
    }
    #[cfg(unix)]
    assert!(within.iter().any(|finding| finding.about == About::Space));
    let lock = |found: &[Finding]| {
        let lock = found.iter().find(|finding| finding.about == About::Lock).unwrap();
        lock.message.clone()
    };
    let beside = SqliteJournal::examine(&path).await.unwrap();
    assert_eq!(wrong(&beside), []);
    let id = std::process::id();
    assert_eq!(lock(&beside), format!("process {id} has it open"));
    journal.close().await.unwrap();
    let alone = SqliteJournal::examine(&path).await.unwrap();
    assert_eq!(lock(&alone), "no process has it open");
    // Whoever looked did not take it.
    open(&path).await;
}

#[tokio::test]
async fn what_is_no_journal_is_not_looked_at() {
    let (folder, path) = in_folder();
    let error = SqliteJournal::examine(&path).await.unwrap_err();
    assert!(error.to_string().contains("there is no journal"), "{error}");
    assert!(!path.exists());
    let other = folder.path().join("other.db");
    fs::write(&other, "").unwrap();
    tampered(&other, "CREATE TABLE something (a)").await;
    let error = SqliteJournal::examine(&other).await.unwrap_err();
    assert!(error.to_string().contains("is no journal"), "{error}");
}

#[tokio::test]
async fn each_defect_is_found() {
    const FREE: &str = "DROP TRIGGER audit_is_not_changed; UPDATE audit SET detail = 'x' WHERE sequence = 1";
    let cases: [(&str, About); 3] = [
        (
            "INSERT INTO step (tenant, event, step, ordinal, key) VALUES (1, 999, 's', 0, 'k')",
            About::References,
        ),
        (FREE, About::Audit),
        (
            "UPDATE event SET event = replace(event, 'join', 'move')",
            About::Audit,
        ),
    ];
    for (statement, about) in cases {
        let (_folder, path) = in_folder();
        let journal = open(&path).await;
        work(&journal).await;
        journal.close().await.unwrap();
        tampered(&path, statement).await;
        let journal = open(&path).await;
        assert_eq!(
            wrong(&journal.check().await.unwrap()),
            [(about, Health::Bad)],
            "{statement}"
        );
    }
}

#[tokio::test]
async fn damage_on_the_disk_is_found() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    for n in 0..50 {
        journal.append(&[join(&format!("p{n}"), 0)]).await.unwrap();
    }
    let root: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'event_due'")
        .fetch_one(&journal.0.readers)
        .await
        .unwrap();
    let size: i64 = sqlx::query_scalar("PRAGMA page_size")
        .fetch_one(&journal.0.readers)
        .await
        .unwrap();
    journal.close().await.unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(
        u64::try_from((root - 1) * size + size / 2).unwrap(),
    ))
    .unwrap();
    file.write_all(&vec![0xa5; usize::try_from(size / 2).unwrap()])
        .unwrap();
    drop(file);
    let found = SqliteJournal::examine(&path).await.unwrap();
    assert_eq!(wrong(&found), [(About::Integrity, Health::Bad)]);
}

#[cfg(unix)]
#[tokio::test]
async fn what_others_may_read_is_found() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        wrong(&journal.check().await.unwrap()),
        [(About::Privacy, Health::Bad)]
    );
}
