//! A copy that is made while the journal is worked on.

use std::collections::BTreeSet;

use super::*;
use crate::journal::{Health, verify};

async fn ids(journal: &SqliteJournal) -> BTreeSet<String> {
    let entries = journal.history(&HistoryQuery::default()).await.unwrap();
    entries
        .into_iter()
        .map(|entry| entry.event.id.to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_holds_what_was_told_before_and_is_whole_while_workers_write() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    let writers = (0..4).map(|writer| {
        let journal = journal.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                let event = join(&format!("p{writer}-{n}"), 0);
                journal.append(&[event]).await.unwrap();
                let claim = journal.claim(1, at(1), LEASE).await.unwrap().pop();
                if let Some(claim) = claim {
                    journal.complete(&claim, &claim.state, &[]).await.unwrap();
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut copies = Vec::new();
    for n in 0..3 {
        let told = ids(&journal).await;
        let copy = folder.path().join(format!("copy-{n}.db"));
        let end = journal.backup(&copy).await.unwrap();
        copies.push((told, copy, end));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let after = ids(&journal).await;
    assert_eq!(after.len(), 400);
    for (told, copy, end) in copies {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // It is where it was when it was made, and a journal of its own.
        let restored = SqliteJournal::open_after(&copy, ACME, &end).await.unwrap();
        assert_eq!(verify(&restored, None).await.unwrap().unwrap(), end);
        let there = ids(&restored).await;
        assert!(told.is_subset(&there) && there.is_subset(&after));
        let found = restored.check().await.unwrap();
        assert!(
            found.iter().all(|finding| finding.health != Health::Bad),
            "{found:?}"
        );
        assert_eq!(restored.append(&[join("new", 0)]).await.unwrap(), [Appended::New]);
        restored.close().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_written_over_and_nothing_is_left_behind() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    journal.append(&[join("p", 0)]).await.unwrap();
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap();
        names
            .map(|name| name.unwrap().file_name().into_string().unwrap())
            .collect::<BTreeSet<_>>()
    };
    let before = names();
    let error = journal.backup(&path).await.unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    let other = folder.path().join("other");
    fs::write(&other, "somebody's").unwrap();
    let error = journal.backup(&other).await.unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "somebody's");
    fs::remove_file(&other).unwrap();
    let nowhere = folder.path().join("no folder").join("copy.db");
    assert_eq!(
        journal.backup(nowhere).await.unwrap_err().kind(),
        ErrorKind::Storage
    );
    // Damage is found before the copy has a name.
    let copy = folder.path().join("copy.db");
    fs::write(folder.path().join("copy.db.part"), "cut off").unwrap();
    let error = journal.backup(&copy).await.unwrap_err();
    assert!(error.to_string().contains("remove it"), "{error}");
    fs::remove_file(folder.path().join("copy.db.part")).unwrap();
    assert_eq!(names(), before);
    journal.backup(&copy).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(
        names(),
        ["copy.db", "journal.db", "journal.db.lock"]
            .map(str::to_owned)
            .into(),
    );
}

#[tokio::test]
async fn the_archive_is_copied_as_well() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    let events: Vec<Event> = (0..5).map(|n| join(&format!("p{n}"), 0)).collect();
    journal.append(&events).await.unwrap();
    for claim in journal.claim(9, at(1), LEASE).await.unwrap() {
        journal.complete(&claim, &claim.state, &[]).await.unwrap();
    }
    assert_eq!(journal.archive(at(10)).await.unwrap(), 4);
    let copy = folder.path().join("copy.db");
    journal.backup(&copy).await.unwrap();
    let all = everything(&journal).await;
    journal.close().await.unwrap();
    let restored = open(&copy).await;
    assert_eq!(everything(&restored).await, all);
    assert_eq!(ids(&restored).await.len(), 5);
}
