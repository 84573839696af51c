//! A file that was put back from an older copy.

use std::fs;

use super::{ACME, at, in_folder, join, open};
use crate::error::ErrorKind;
use crate::journal::audit::{Checkpoint, Deed, Verifier};
use crate::journal::{HistoryQuery, Journal, SqliteJournal};

#[tokio::test]
async fn a_file_that_went_back_in_time_is_refused_until_somebody_adopts_it() {
    let (folder, path) = in_folder();
    let journal = open(&path).await;
    journal.append(&[join("p", 0)]).await.unwrap();
    let then = journal.audit_head().await.unwrap();
    journal.close().await.unwrap();
    let backup = folder.path().join("backup.db");
    fs::copy(&path, &backup).unwrap();
    let journal = SqliteJournal::open_after(&path, ACME, &then).await.unwrap();
    journal.append(&[join("q", 0)]).await.unwrap();
    let now = journal.audit_head().await.unwrap();
    journal.close().await.unwrap();
    // What the checkpoint knows, and what is behind it, is in order.
    for place in [&Checkpoint::default(), &then, &now] {
        let journal = SqliteJournal::open_after(&path, ACME, place).await.unwrap();
        journal.close().await.unwrap();
    }
    fs::copy(&backup, &path).unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteJournal::open_after(&path, ACME, &now).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason()),
        (ErrorKind::Storage, Some("gone_back"))
    );
    assert!(
        error.to_string().contains("it was at entry 2 of its audit once"),
        "{error}"
    );
    assert!(fs::read(&path).unwrap() == before, "nothing was changed");
    // Nor is a file made where there is none.
    let none = folder.path().join("none.db");
    let error = SqliteJournal::open_after(&none, ACME, &now).await.unwrap_err();
    assert_eq!(error.reason(), Some("gone_back"));
    assert_eq!(
        fs::read_dir(folder.path())
            .unwrap()
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with("none")
            })
            .count(),
        0
    );
    // Another past of the same length is another journal.
    let journal = open(&path).await;
    journal.append(&[join("r", 0)]).await.unwrap();
    journal.close().await.unwrap();
    let error = SqliteJournal::open_after(&path, ACME, &now).await.unwrap_err();
    assert_eq!(error.reason(), Some("gone_back"));

    let journal = open(&path).await;
    for (by, reason) in [("", "restored"), ("ann", " ")] {
        assert_eq!(
            journal.adopt(by, reason).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }
    let adopted = journal
        .adopt("ann", "the disk broke, the backup is of Monday")
        .await
        .unwrap();
    journal.close().await.unwrap();
    let journal = SqliteJournal::open_after(&path, ACME, &adopted).await.unwrap();
    let mut verifier = Verifier::default();
    let audit = journal.audit(0, 10).await.unwrap();
    for (entry, _) in &audit {
        verifier.next(entry).unwrap();
    }
    let (last, _) = audit.last().unwrap();
    assert_eq!((last.deed, last.actor.as_deref()), (Deed::Adopted, Some("ann")));
    // What came after the backup is delivered again, and is new.
    journal.append(&[join("q", 0)]).await.unwrap();
    assert_eq!(journal.claim(9, at(0), super::LEASE).await.unwrap().len(), 3);
    assert_eq!(journal.history(&HistoryQuery::default()).await.unwrap().len(), 3);
}
