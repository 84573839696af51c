//! News, urgent leaves, quarantine, and who somebody was before.

use super::Appended::{Conflict, Duplicate, New, Stale};
use super::{Journal, at, change, claims, complete, join, key, leave, news, state_of};
use crate::event::{Event, EventId, EventKind, News};
use crate::journal::EventState;
use crate::person::Person;

fn told(person: &str, id: &str, kind: EventKind) -> Event {
    Event::told(News::new(EventId::new(id), key(person), kind, at(1)))
}

pub(super) async fn news_are_kept_in_the_order_in_which_they_come_and_make_nothing_stale_but_records(
    journal: &dyn Journal,
) {
    let (away, back) = (
        told("p", "n1", EventKind::Suspend),
        told("p", "n2", EventKind::Resume),
    );
    let of = |version: u64| change("p", version, 0);
    let batch = [
        away.clone(),
        join("p", 0),
        of(2),
        back.clone(),
        of(3),
        of(4),
        away.clone(),
    ];
    let appended = journal.append(&batch).await.unwrap();
    assert_eq!(appended, [New, Stale, New, New, Stale, New, Duplicate]);
    let accepted = journal.accepted(&[key("p")]).await.unwrap().remove(0).unwrap();
    assert_eq!((accepted.version, &accepted.record), (4, &of(4).record));
    // A record that is observed later tells what had happened until then, and is the same for every journal.
    let mut expect = crate::event::Accepted::default();
    for event in [&away, &of(2), &back, &of(4)] {
        expect.take(event);
    }
    assert_eq!(accepted, expect);
    let unknown = told("q", "n3", EventKind::Suspend);
    journal.append(std::slice::from_ref(&unknown)).await.unwrap();
    let accepted = journal.accepted(&[key("q")]).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (accepted.record, accepted.news),
        (None, vec![unknown.news.unwrap()])
    );
}

pub(super) async fn an_id_that_is_known_with_other_content_is_quarantined_once(journal: &dyn Journal) {
    let first = told("p", "n", EventKind::Suspend);
    let other = told("p", "n", EventKind::Resume);
    let third = told("q", "n", EventKind::Resume);
    let good = told("p", "good", EventKind::Resume);
    let again = Event {
        entered_at: at(9),
        ..other.clone()
    };
    let batch = [
        first.clone(),
        other.clone(),
        good.clone(),
        again,
        third.clone(),
        first.clone(),
    ];
    let appended = journal.append(&batch).await.unwrap();
    assert_eq!(appended, [New, Conflict, New, Conflict, Conflict, Duplicate]);
    let apart = journal.quarantine().await.unwrap();
    let events: Vec<&Event> = apart.iter().map(|known| &known.event).collect();
    assert_eq!(events, [&other, &third]);
    assert_eq!(apart[0].at, at(1));
    let accepted = journal.accepted(&[key("p")]).await.unwrap().remove(0).unwrap();
    assert_eq!(accepted.news, [first.news.unwrap(), good.news.unwrap()]);
}

pub(super) async fn urgent_leaves_come_first(journal: &dyn Journal) {
    let urgent = |person: &str, second: i64| {
        let kind = EventKind::Leave {
            last_day: None,
            urgent: true,
        };
        news(person, 1, second, kind)
    };
    let mut later = leave("b", 2, 4);
    later.id = EventId::new("b/later");
    let batch = [
        join("a", 0),
        leave("c", 1, 1),
        urgent("b", 3),
        later.clone(),
        urgent("d", 2),
        urgent("e", 99),
    ];
    super::accept(journal, &batch).await;
    let claimed = claims(journal, 2, 5).await;
    let people: Vec<&str> = claimed.iter().map(|claim| claim.event.id.as_str()).collect();
    assert_eq!(people, ["d/1", "b/1"]);
    let rest = claims(journal, 9, 5).await;
    let people: Vec<&str> = rest.iter().map(|claim| claim.event.person.as_str()).collect();
    assert_eq!(people, ["c", "a"]);
    complete(journal, &claimed[1]).await;
    assert_eq!(
        state_of(journal, &later).await,
        EventState::Pending,
        "it stands behind the urgent one"
    );
}

pub(super) async fn who_somebody_is_now_is_known(journal: &dyn Journal) {
    let mut now = join("new", 0);
    now.record = Some(Person {
        previous_id: Some(key("old")),
        ..Person::new(key("new"))
    });
    super::accept(journal, &[join("old", 0), now]).await;
    assert_eq!(journal.successor_of(&key("old")).await.unwrap(), Some(key("new")));
    assert_eq!(journal.successor_of(&key("new")).await.unwrap(), None);
    super::accept(journal, &[change("new", 2, 1)]).await;
    assert_eq!(journal.successor_of(&key("old")).await.unwrap(), None);
}
