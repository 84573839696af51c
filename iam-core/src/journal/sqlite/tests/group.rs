//! Writes that share a transaction: each stands or falls by itself, and what was told stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::journal::audit::Verifier;

/// The ids in the file, as another program finds it now: what is told must stand there already.
async fn in_the_file(path: &Path) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    fs::copy(path, &copy).unwrap();
    let wal = path.with_extension("db-wal");
    if wal.exists() {
        fs::copy(wal, copy.with_extension("db-wal")).unwrap();
    }
    let journal = open(&copy).await;
    let entries = journal.history(&HistoryQuery::default()).await.unwrap();
    entries
        .into_iter()
        .map(|entry| entry.event.id.to_string())
        .collect()
}

async fn chain_is_whole(journal: &SqliteJournal) {
    let mut verifier = Verifier::default();
    for (entry, _) in journal.audit(0, 100_000).await.unwrap() {
        verifier.next(&entry).unwrap();
    }
    assert_eq!(verifier.reached(), &journal.audit_head().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_many_write_at_once_stands_when_each_is_told() {
    let (_folder, path) = in_folder();
    let journal = Arc::new(open(&path).await);
    let writes = (0..200).map(|n| {
        let (journal, path) = (journal.clone(), &path);
        async move {
            let event = join(&format!("p{n}"), 0);
            let id = event.id.to_string();
            let write = tokio::spawn(async move { journal.append(&[event]).await });
            assert_eq!(write.await.unwrap().unwrap(), [Appended::New]);
            if n % 50 == 0 {
                assert!(in_the_file(path).await.contains(&id));
            }
        }
    });
    join_all(writes).await;
    assert_eq!(in_the_file(&path).await.len(), 200);
    chain_is_whole(&journal).await;
}

#[tokio::test]
async fn what_is_refused_takes_nothing_else_along() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    journal.append(&[join("p", 0), join("q", 0)]).await.unwrap();
    let claims = journal.claim(2, at(5), LEASE).await.unwrap();
    let good = &claims[0];
    let (step, key) = step(&good.event.person, Action::BlockSignIn);
    let step = step.id;
    let mut passed = claims[1].clone();
    passed.fence -= 1;
    let (fenced, state) = (&passed, PersonState::new(PersonKey::new("q")));
    let outcome = Outcome::Done { account: None };
    let another = [join("r", 0)];
    let (first, refused, never, new) = tokio::join!(
        journal.intend(good, &step, &key),
        journal.complete(fenced, &state, &[]),
        journal.settle(&claims[1], &step, &outcome, at(5)),
        journal.append(&another),
    );
    assert_eq!(first.unwrap(), crate::journal::StepStart::First);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(never.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(new.unwrap(), [Appended::New]);
    // The claim of the one who was refused stands: its holder goes on.
    journal.complete(&claims[1], &state, &[]).await.unwrap();
    journal.settle(good, &step, &outcome, at(6)).await.unwrap();
    chain_is_whole(&journal).await;
}

#[tokio::test]
async fn a_full_disk_fails_all_who_share_and_their_claims_are_as_before() {
    let (_folder, path) = in_folder();
    let journal = open(&path).await;
    let events: Vec<Event> = (0..20).map(|n| join(&format!("p{n}"), 0)).collect();
    journal.append(&events).await.unwrap();
    let claims = journal.claim(20, at(5), LEASE).await.unwrap();
    {
        let mut writer = journal.writer().await.unwrap();
        let limit = sqlx::query("PRAGMA max_page_count = 1");
        limit.execute(&mut writer.conn).await.unwrap();
    }
    let mut state = PersonState::new(PersonKey::new("long"));
    state.name = Some("n".repeat(100_000));
    let state = &state;
    let ends = join_all(claims.iter().map(|claim| journal.complete(claim, state, &[]))).await;
    let told: Vec<bool> = ends.iter().map(Result::is_ok).collect();
    assert!(told.iter().any(|told| !told), "the disk was full");
    let done = journal.history(&HistoryQuery::default()).await.unwrap();
    let done: Vec<bool> = done
        .iter()
        .map(|entry| entry.state == crate::journal::EventState::Done)
        .collect();
    assert_eq!(done, told, "whoever was told stands in the file, and nobody else");
    // There is room again (the limit went with the connection): the claims are still held.
    for (claim, told) in claims.iter().zip(told) {
        let again = journal.complete(claim, state, &[]).await;
        assert_eq!(again.is_ok(), !told, "{:?}", claim.event.id);
    }
    chain_is_whole(&journal).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever is given up half-way (a deadline, a shutdown) leaves the others alone; what they were told stands.
    #[test]
    fn who_is_given_up_leaves_the_others_alone(patience in prop::collection::vec(0_usize..12, 2..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, path) = in_folder();
            let journal = open(&path).await;
            let writes = patience.iter().enumerate().map(|(n, patience)| {
                let journal = &journal;
                async move {
                    let id = format!("p{n}/1");
                    let events = [join(&format!("p{n}"), 0)];
                    let mut write = Box::pin(journal.append(&events));
                    if n % 3 == 0 {
                        return write.await.map(|_| id).ok();
                    }
                    // Given up after so many answers of the file's thread.
                    for _ in 0..*patience {
                        let told = tokio::time::timeout(Duration::from_micros(30), &mut write).await;
                        if let Ok(told) = told {
                            return told.map(|_| id).ok();
                        }
                    }
                    None
                }
            });
            let told: Vec<String> = join_all(writes).await.into_iter().flatten().collect();
            let whole = patience.len().div_ceil(3);
            assert!(told.len() >= whole, "who waited was told: {told:?}");
            let there = in_the_file(&path).await;
            assert!(told.iter().all(|id| there.contains(id)), "{told:?} {there:?}");
            chain_is_whole(&journal).await;
            // And the file goes on.
            assert_eq!(journal.append(&[join("last", 0)]).await.unwrap(), [Appended::New]);
            chain_is_whole(&journal).await;
        });
    }
}
