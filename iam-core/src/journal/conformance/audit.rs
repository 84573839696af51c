//! The audit: complete, chained, without personal data; and erasing.

use super::{accept, at, change, claim_only, complete, join, key, state, step};
use crate::entitlement::TargetId;
use crate::error::ErrorKind;
use crate::event::Event;
use crate::journal::audit::{AuditEntry, Checkpoint, Deed, Kept, Verifier};
use crate::journal::{AccountRef, Appended, Frozen, Journal, Lane, Lifecycle, Outcome, PersonState, Release};
use crate::plan::{Action, Plan};

async fn all(journal: &dyn Journal) -> Vec<(AuditEntry, Kept)> {
    // In pages, as it is read in earnest.
    let mut entries: Vec<(AuditEntry, Kept)> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |(entry, _)| entry.sequence);
        let page = journal.audit(after, 3).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        assert!(page.len() <= 3);
        entries.extend(page);
    }
}

pub(super) async fn verified(journal: &dyn Journal) -> Vec<(AuditEntry, Kept)> {
    let entries = all(journal).await;
    let mut verifier = Verifier::default();
    for (entry, kept) in &entries {
        verifier.next(entry).unwrap();
        assert_ne!(*kept, Kept::Changed);
    }
    assert_eq!(*verifier.reached(), journal.audit_head().await.unwrap());
    entries
}

fn words(entries: &[(AuditEntry, Kept)]) -> Vec<String> {
    let words = entries
        .iter()
        .map(|(entry, _)| format!("{} {}", entry.deed.as_str(), entry.detail));
    words.map(|words| words.trim_end().to_owned()).collect()
}

pub(super) async fn every_write_is_noted_once_and_nobody_is_named(journal: &dyn Journal) {
    assert_eq!(journal.audit_head().await.unwrap(), Checkpoint::default());
    let (first, second) = (join("W-7 Tanaka", 0), change("W-7 Tanaka", 2, 1));
    accept(journal, &[first.clone(), second.clone()]).await;
    assert_eq!(
        journal.append(std::slice::from_ref(&first)).await.unwrap(),
        [Appended::Duplicate]
    );
    let claim = claim_only(journal, 0, &first).await;
    journal.plan(&claim, &Plan::empty(&first.person)).await.unwrap();
    let name = "mei.tanaka@contoso.example".to_owned();
    let attributes = std::collections::BTreeMap::new();
    let (step, idempotency) = step("W-7 Tanaka", Action::CreateAccount { name, attributes });
    for _ in 0..2 {
        journal.intend(&claim, &step.id, &idempotency).await.unwrap();
    }
    let failed = Outcome::Failed {
        kind: "unavailable".into(),
        message: "of Tanaka".into(),
    };
    journal.settle(&claim, &step.id, &failed, at(1)).await.unwrap();
    journal.intend(&claim, &step.id, &idempotency).await.unwrap();
    let done = Outcome::Done {
        account: Some("a-1".into()),
    };
    journal.settle(&claim, &step.id, &done, at(2)).await.unwrap();
    journal
        .retry_later(&claim, &claim.state, at(0), "of Tanaka")
        .await
        .unwrap();
    let claim = claim_only(journal, 0, &first).await;
    complete(journal, &claim).await;
    let claim = claim_only(journal, 1, &second).await;
    journal
        .dead_letter(&claim, &claim.state, &[], "of Tanaka", Lane::Skip)
        .await
        .unwrap();
    journal
        .requeue(&second.id, "operator@contoso.example", "of Tanaka")
        .await
        .unwrap();

    let entries = verified(journal).await;
    let expected = [
        "accepted join",
        "accepted move",
        "planned 0 steps",
        "intended create_account",
        "settled create_account failed: unavailable",
        "intended create_account",
        "settled create_account done",
        "postponed",
        "completed",
        "set_aside",
        "requeued",
    ];
    assert_eq!(words(&entries), expected);
    let subject = journal.pseudonym(&first.person).await.unwrap().unwrap();
    for (entry, kept) in &entries {
        assert_eq!(entry.subject, subject);
        let accepted = entry.deed == Deed::Accepted;
        assert_eq!(*kept == Kept::Unchanged, accepted, "{entry:?}");
        // But for the event: the ids of this exam hold the key, those of observations are hashes.
        let shown = format!("{}{}{}{}", entry.detail, entry.subject, entry.digest, entry.hash);
        assert!(!shown.to_lowercase().contains("tanaka"), "{shown}");
    }
    assert_eq!(entries[10].0.actor.as_deref(), Some("operator@contoso.example"));
    assert_eq!(journal.pseudonym(&key("somebody else")).await.unwrap(), None);
}

pub(super) async fn a_refused_write_is_not_noted(journal: &dyn Journal) {
    let event = join("p", 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 0, &event).await;
    complete(journal, &claim).await;
    let before = journal.audit_head().await.unwrap();
    let (step, idempotency) = step("p", Action::BlockSignIn);
    journal.intend(&claim, &step.id, &idempotency).await.unwrap_err();
    journal
        .settle(&claim, &step.id, &Outcome::Unknown, at(3))
        .await
        .unwrap_err();
    journal.complete(&claim, &claim.state, &[]).await.unwrap_err();
    journal.requeue(&event.id, "x", "y").await.unwrap_err();
    journal.erase(&key("nobody"), "x", "y").await.unwrap_err();
    assert_eq!(journal.audit_head().await.unwrap(), before);
}

pub(super) async fn decisions_about_plans_deliveries_and_policies_are_noted(journal: &dyn Journal) {
    let policy = "0a1b".repeat(16);
    assert!(journal.in_force(&policy, "the platform").await.unwrap());
    assert!(!journal.in_force(&policy, "the platform").await.unwrap());
    let plan = Frozen::new("a1", vec!["26 leavers, at most 25".into()], "ann", at(1));
    for _ in 0..2 {
        journal.freeze(&plan).await.unwrap();
    }
    let release = |by: &str| Release {
        by: by.into(),
        reason: "of Tanaka".into(),
        at: at(2),
    };
    journal.release("a1", &release("ann")).await.unwrap_err();
    journal.release("a1", &release("bob")).await.unwrap();
    assert!(journal.spend("a1", at(3)).await.unwrap());
    assert!(!journal.spend("a1", at(3)).await.unwrap());
    let held = async || {
        let id = journal.open_delivery("hr", at(0)).await.unwrap();
        let none = serde_json::Value::Null;
        journal
            .close_delivery(id, &none, &["too few".into()])
            .await
            .unwrap();
        id
    };
    let first = held().await;
    journal.decide(first, false, "cy", "of Tanaka").await.unwrap();
    journal.decide(first, true, "cy", "of Tanaka").await.unwrap_err();
    let second = held().await;
    journal.decide(second, true, "di", "of Tanaka").await.unwrap();
    assert!(journal.in_force("ff", "eve").await.unwrap());
    assert!(
        journal.in_force(&policy, "ann").await.unwrap(),
        "back to the one before"
    );

    let entries = verified(journal).await;
    let expected = [
        (format!("in_force {policy}"), "the platform"),
        ("frozen a1".to_owned(), "ann"),
        ("released a1".to_owned(), "bob"),
        ("spent a1".to_owned(), "bob"),
        (format!("discarded delivery {first}"), "cy"),
        (format!("released delivery {second}"), "di"),
        ("in_force ff".to_owned(), "eve"),
        (format!("in_force {policy}"), "ann"),
    ];
    let actors = entries.iter().map(|(entry, _)| entry.actor.clone().unwrap());
    let said: Vec<(String, String)> = words(&entries).into_iter().zip(actors).collect();
    let expected = expected.map(|(words, by)| (words, by.to_owned()));
    assert_eq!(said, expected);
    // Why is kept where the decision is; the audit holds a keyed hash of it.
    let (released, twice) = (&entries[2].0.digest, &entries[5].0.digest);
    assert_eq!(released, twice, "the same reason");
    assert_ne!(released, &entries[1].0.digest);
    assert!(
        entries
            .iter()
            .all(|(entry, _)| entry.event.is_none() && entry.subject == entries[0].0.subject)
    );
}

/// Somebody whose one event ended with this state.
async fn ended(journal: &dyn Journal, person: &str, state: &PersonState) -> Event {
    let event = join(person, 0);
    accept(journal, std::slice::from_ref(&event)).await;
    let claim = claim_only(journal, 0, &event).await;
    journal.complete(&claim, state, &[]).await.unwrap();
    event
}

pub(super) async fn who_is_erased_is_gone_and_the_audit_still_verifies(journal: &dyn Journal) {
    let account = AccountRef {
        id: "a-1".into(),
        name: "p@contoso.example".into(),
    };
    let mut gone = state("p", "p@contoso.example");
    gone.accounts.insert(TargetId::new("exam"), account);
    gone.lifecycle = Lifecycle::Deleted;
    let event = ended(journal, "p", &gone).await;
    journal.reserve("p@contoso.example", &key("p")).await.unwrap();
    let mut report = state("q", "q");
    let mut record = crate::person::Person::new(key("q"));
    record.manager_id = Some(key("p"));
    report.record = Some(record.clone());
    let told = Event {
        record: Some(record),
        ..join("q", 0)
    };
    accept(journal, std::slice::from_ref(&told)).await;
    let claim = claim_only(journal, 0, &told).await;
    journal.complete(&claim, &report, &[]).await.unwrap();
    let subject = journal.pseudonym(&key("p")).await.unwrap().unwrap();

    journal.erase(&key("p"), "officer", "asked for it").await.unwrap();
    assert_eq!(journal.person(&key("p")).await.unwrap(), None);
    assert_eq!(journal.accepted(&[key("p")]).await.unwrap(), [None]);
    assert_eq!(journal.holder("p@contoso.example").await.unwrap(), None);
    assert_eq!(journal.pseudonym(&key("p")).await.unwrap(), None);
    let known = journal.history(&super::HistoryQuery::default()).await.unwrap();
    assert!(known.iter().all(|entry| entry.event.person != key("p")));
    let erased = known.iter().find(|entry| entry.event.id == event.id).unwrap();
    assert_eq!(
        (&erased.event.record, &erased.plan, erased.steps.len()),
        (&None, &None, 0)
    );
    // Nor does anybody else's record name them; those with one manager still have one.
    let manager = |record: Option<crate::person::Person>| record.unwrap().manager_id.unwrap();
    let known = journal.person(&key("q")).await.unwrap().unwrap();
    let heard = journal
        .accepted(&[key("q")])
        .await
        .unwrap()
        .pop()
        .unwrap()
        .unwrap();
    let nobody = manager(known.record);
    assert_eq!(nobody, manager(heard.record));
    assert!(nobody.as_str().starts_with("erased-"), "{nobody}");
    assert_eq!(journal.reports_of(&key("p")).await.unwrap(), []);
    assert_eq!(journal.reports_of(&nobody).await.unwrap().len(), 1);

    let entries = verified(journal).await;
    let (last, _) = entries.last().unwrap();
    assert_eq!(
        (last.deed, &last.subject, last.actor.as_deref()),
        (Deed::Erased, &subject, Some("officer"))
    );
    assert_ne!(
        journal.append(&[event]).await.unwrap(),
        [Appended::New],
        "it took effect once"
    );
    assert_eq!(
        journal.erase(&key("p"), "x", "y").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

pub(super) async fn nobody_is_erased_whose_data_is_needed(journal: &dyn Journal) {
    let account = AccountRef {
        id: "a-1".into(),
        name: "p@contoso.example".into(),
    };
    let mut left = state("p", "p@contoso.example");
    left.accounts.insert(TargetId::new("exam"), account);
    left.lifecycle = Lifecycle::Disabled;
    ended(journal, "p", &left).await;
    let error = journal.erase(&key("p"), "x", "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    ended(journal, "q", &state("q", "q")).await;
    accept(journal, &[change("q", 2, 100)]).await;
    let error = journal.erase(&key("q"), "x", "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(journal.person(&key("p")).await.unwrap().is_some());
    // Nobody has worked on it yet: accepted is accepted.
    accept(journal, &[join("r", 100)]).await;
    let error = journal.erase(&key("r"), "x", "y").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    verified(journal).await;
}
