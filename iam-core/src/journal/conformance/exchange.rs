//! Messages: records with ids, dead letters, bookmarks.

use serde_json::json;

use super::Appended::{Conflict, Duplicate, New};
use super::audit::verified;
use super::{Journal, accept, at, claim_only, complete, join, key, leave};
use crate::error::ErrorKind;
use crate::event::EventId;
use crate::journal::audit::Deed;
use crate::journal::{
    Appended, Burial, Letter, LetterId, LetterState, Lifecycle, Message, Observation, PersonState,
};
use crate::person::Person;

/// What `source` said under `id` of a person's department, as it was at `second`.
fn seen(source: &str, id: &str, department: &str, second: Option<i64>) -> Observation {
    Observation {
        id: EventId::new(format!("{source}/{id}")),
        source: source.to_owned(),
        at: second.map(at),
        person: Person {
            department: Some(department.to_owned()),
            ..Person::new(key("p"))
        },
    }
}

async fn observe(journal: &dyn Journal, seen: &Observation) -> Appended {
    let answer = journal.observe(std::slice::from_ref(seen), at(0)).await.unwrap();
    assert_eq!(answer.len(), 1);
    answer[0]
}

async fn department(journal: &dyn Journal) -> Option<String> {
    let accepted = journal.accepted(&[key("p")]).await.unwrap().remove(0);
    accepted.unwrap().record.unwrap().department
}

pub(super) async fn a_record_counts_once_by_its_id(journal: &dyn Journal) {
    let (first, second) = (seen("hr", "1", "A", None), seen("hr", "2", "B", None));
    let nothing_new = seen("hr", "3", "B", None);
    let batch = [first.clone(), first.clone(), second.clone(), nothing_new.clone()];
    let answers = journal.observe(&batch, at(0)).await.unwrap();
    assert_eq!(answers, [New, Duplicate, New, Duplicate]);
    assert_eq!(journal.observe(&[], at(0)).await.unwrap(), []);
    let back = seen("hr", "4", "A", None);
    assert_eq!(observe(journal, &back).await, New);
    // What is delivered again is no news, whatever was said meanwhile.
    for again in [&second, &nothing_new, &first] {
        assert_eq!(observe(journal, again).await, Duplicate, "{again:?}");
    }
    assert_eq!(department(journal).await.as_deref(), Some("A"));
    let claim = journal.claim(1, at(0), super::LEASE).await.unwrap().remove(0);
    assert_eq!(claim.event.id, first.id);
    complete(journal, &claim).await;
    assert_eq!(observe(journal, &first).await, Duplicate);
    // Three events, and three notes of them.
    let notes = verified(journal).await;
    let accepted = notes.iter().filter(|(entry, _)| entry.deed == Deed::Accepted);
    assert_eq!(accepted.count(), 3);
}

pub(super) async fn a_record_under_a_known_id_with_other_content_is_quarantined(journal: &dyn Journal) {
    assert_eq!(observe(journal, &seen("hr", "1", "A", None)).await, New);
    let other = seen("hr", "1", "B", None);
    for _ in 0..2 {
        assert_eq!(observe(journal, &other).await, Conflict);
    }
    assert_eq!(department(journal).await.as_deref(), Some("A"));
    let apart = journal.quarantine().await.unwrap();
    assert_eq!(apart.len(), 1, "the same one once");
    assert_eq!(apart[0].event.id, other.id);
    assert_eq!(apart[0].event.record.as_ref(), Some(&other.person));
    // The other source's ids are its own.
    assert_eq!(observe(journal, &seen("other", "1", "B", None)).await, New);
}

pub(super) async fn what_is_older_than_what_its_source_said_says_nothing(journal: &dyn Journal) {
    assert_eq!(observe(journal, &seen("hr", "2", "B", Some(20))).await, New);
    let late = seen("hr", "1", "A", Some(10));
    assert_eq!(observe(journal, &late).await, Duplicate);
    assert_eq!(observe(journal, &late).await, Duplicate);
    assert_eq!(department(journal).await.as_deref(), Some("B"));
    // Of the same moment, what comes last counts; another source's clock says nothing about this one's.
    assert_eq!(observe(journal, &seen("hr", "3", "C", Some(20))).await, New);
    assert_eq!(observe(journal, &seen("other", "1", "D", Some(5))).await, New);
    assert_eq!(observe(journal, &seen("hr", "4", "E", Some(19))).await, Duplicate);
    assert_eq!(observe(journal, &seen("hr", "5", "F", Some(21))).await, New);
    assert_eq!(department(journal).await.as_deref(), Some("F"));
}

fn message(id: &str, data: &[u8]) -> Message {
    Message {
        time: Some(at(3)),
        content_type: Some("application/json".to_owned()),
        data: data.to_vec(),
        ..Message::new("hr", id, "iam-platform.hr.record")
    }
}

async fn bury(journal: &dyn Journal, message: &Message, person: Option<&str>) -> LetterId {
    let person = person.map(key);
    let burial = Burial {
        message,
        person: person.as_ref(),
        reason: "row 1, field status: expected a status",
        at: at(9),
    };
    journal.bury(burial).await.unwrap()
}

async fn open(journal: &dyn Journal) -> Vec<LetterId> {
    let letters = journal.letters(None, 10).await.unwrap();
    letters.into_iter().map(|letter| letter.id).collect()
}

async fn letter(journal: &dyn Journal, id: LetterId) -> Letter {
    journal.letter(id).await.unwrap().unwrap()
}

pub(super) async fn a_dead_letter_is_kept_once_and_waits_for_a_decision(journal: &dyn Journal) {
    let (first, second) = (message("1", b"{\xff"), message("2", b""));
    let one = bury(journal, &first, Some("p")).await;
    let two = bury(journal, &second, None).await;
    assert_eq!(bury(journal, &first, Some("p")).await, one, "delivered again");
    let three = bury(journal, &message("1", b"{"), None).await;
    assert_eq!(open(journal).await, [one, two, three]);
    let page = journal.letters(Some(one), 1).await.unwrap();
    assert_eq!(page.iter().map(|letter| letter.id).collect::<Vec<_>>(), [two]);
    let kept = letter(journal, one).await;
    assert_eq!(kept.message, first, "byte by byte");
    assert_eq!(
        (kept.person, kept.received_at, kept.state, kept.decision),
        (Some(key("p")), at(9), LetterState::Open, None)
    );
    assert_eq!(kept.reason, "row 1, field status: expected a status");
    assert_eq!(letter(journal, two).await.person, None);
    assert_eq!(journal.letter(LetterId(99)).await.unwrap(), None);
    let notes = verified(journal).await;
    let refused = notes.iter().filter(|(entry, _)| entry.deed == Deed::Refused);
    assert_eq!(refused.count(), 3);
}

pub(super) async fn a_decision_about_a_dead_letter_is_audited_and_destroys_its_content(
    journal: &dyn Journal,
) {
    let one = bury(journal, &message("1", b"{"), Some("p")).await;
    let two = bury(journal, &message("2", b"["), None).await;
    journal
        .close_letter(one, true, "operator", "status added")
        .await
        .unwrap();
    journal
        .close_letter(two, false, "operator", "a test")
        .await
        .unwrap();
    for (id, state, decision) in [
        (one, LetterState::Accepted, "accepted by operator: status added"),
        (two, LetterState::Discarded, "discarded by operator: a test"),
    ] {
        let closed = letter(journal, id).await;
        assert_eq!(
            (closed.state, closed.decision.as_deref()),
            (state, Some(decision))
        );
        assert!(closed.message.data.is_empty());
    }
    assert_eq!(open(journal).await, []);
    let before = journal.audit_head().await.unwrap();
    let kind = |answer: crate::Result<()>| answer.unwrap_err().kind();
    let again = journal.close_letter(one, false, "operator", "hm").await;
    assert_eq!(kind(again), ErrorKind::Conflict);
    let unknown = journal.close_letter(LetterId(99), true, "operator", "hm").await;
    assert_eq!(kind(unknown), ErrorKind::NotFound);
    // What was decided stays decided when the message is delivered again.
    assert_eq!(bury(journal, &message("2", b"["), None).await, two);
    assert_eq!(open(journal).await, []);
    assert_eq!(journal.audit_head().await.unwrap(), before);
    let notes = verified(journal).await;
    let decided = notes.iter().filter(|(entry, _)| entry.actor.is_some());
    let decided: Vec<_> = decided
        .map(|(entry, _)| (entry.deed, entry.actor.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(
        decided,
        [(Deed::Corrected, "operator"), (Deed::Discarded, "operator")]
    );
    let whose = journal.pseudonym(&key("p")).await.unwrap().unwrap();
    assert_eq!(notes[0].0.subject, whose);
}

pub(super) async fn who_is_erased_leaves_no_letter_and_no_receipt(journal: &dyn Journal) {
    let first = seen("hr", "1", "A", Some(20));
    assert_eq!(observe(journal, &first).await, New);
    let claim = journal.claim(1, at(0), super::LEASE).await.unwrap().remove(0);
    let gone = PersonState {
        lifecycle: Lifecycle::Deleted,
        ..PersonState::new(key("p"))
    };
    journal.complete(&claim, &gone, &[]).await.unwrap();
    let theirs = bury(journal, &message("1", b"Tanaka"), Some("p")).await;
    let somebodys = bury(journal, &message("2", b"{"), Some("q")).await;
    journal.erase(&key("p"), "officer", "asked for it").await.unwrap();
    assert_eq!(open(journal).await, [somebodys]);
    let erased = letter(journal, theirs).await;
    assert_eq!((erased.state, erased.person), (LetterState::Discarded, None));
    assert!(erased.message.data.is_empty());
    // Neither what counted once nor the letter comes back.
    assert_eq!(observe(journal, &first).await, Duplicate);
    assert_eq!(bury(journal, &message("1", b"Tanaka"), Some("p")).await, theirs);
    assert_eq!(journal.accepted(&[key("p")]).await.unwrap(), [None]);
    // Somebody new under the worker id begins anew.
    assert_eq!(observe(journal, &seen("hr", "9", "B", Some(10))).await, New);
}

pub(super) async fn bookmarks_are_listed_by_name_the_last_first(journal: &dyn Journal) {
    for name in [
        "job/u/1",
        "job/u/3",
        "job/u",
        "job/t/9",
        "job/u/2",
        "job/v",
        "job/u/\u{10ffff}",
    ] {
        assert!(journal.set_bookmark(name, 0, &json!(name)).await.unwrap());
    }
    assert!(journal.set_bookmark("job/u/2", 1, &json!("again")).await.unwrap());
    let list = async |prefix, before, limit| journal.bookmarks(prefix, before, limit).await.unwrap();
    let of = |name: &str| (name.to_owned(), json!(name));
    let second = ("job/u/2".to_owned(), json!("again"));
    assert_eq!(
        list("job/u/", Some("job/u/4"), 9).await,
        [of("job/u/3"), second.clone(), of("job/u/1")]
    );
    assert_eq!(
        list("job/u/", Some("job/u/3"), 9).await,
        [second.clone(), of("job/u/1")]
    );
    assert_eq!(list("job/u/", Some("job/u/3"), 1).await, [second]);
    assert_eq!(list("job/t", None, 9).await, [of("job/t/9")]);
    assert_eq!(list("job/", None, 1).await, [of("job/v")]);
    assert_eq!(list("none", None, 9).await, []);
}

pub(super) async fn a_bookmark_is_moved_by_whoever_knows_where_it_is(journal: &dyn Journal) {
    assert_eq!(journal.bookmark("outbox").await.unwrap(), None);
    let set = async |version, value| journal.set_bookmark("outbox", version, &value).await.unwrap();
    assert!(!set(3, json!(1)).await);
    assert!(set(0, json!({"sequence": 1})).await);
    assert!(!set(0, json!(2)).await, "somebody else was quicker");
    let (version, value) = journal.bookmark("outbox").await.unwrap().unwrap();
    assert_eq!((version, value), (1, json!({"sequence": 1})));
    assert!(set(1, json!([2])).await);
    assert!(!set(1, json!(3)).await);
    assert_eq!(journal.bookmark("outbox").await.unwrap(), Some((2, json!([2]))));
    assert_eq!(journal.bookmark("another").await.unwrap(), None);
    // No claim, and nobody's event, is in its way.
    let event = join("p", 0);
    accept(journal, &[event.clone(), leave("p", 2, 99)]).await;
    claim_only(journal, 1, &event).await;
    assert!(set(2, json!(null)).await);
}
