//! Looking over many events: by how far they have come, by day, by what comes next.

use jiff::civil::date;

use super::{accept, at, change, claim_only, claims, complete, join, key, leave, news, timer};
use crate::event::{Event, EventKind, Timer};
use crate::journal::{EventFilter, Figures, Headway, Journal, Lane};

async fn ids(journal: &dyn Journal, filter: &EventFilter) -> Vec<String> {
    let found = journal.events(filter, at(999)).await.unwrap();
    let ids = found.iter().map(|(_, entry)| entry.event.id.to_string());
    ids.collect()
}

pub(super) async fn events_come_by_how_far_they_have_come_the_newest_first(journal: &dyn Journal) {
    let events: Vec<Event> = (0..)
        .zip(["a", "b", "c", "d"])
        .map(|(due, who)| join(who, due))
        .collect();
    accept(journal, &events).await;
    let claimed = claims(journal, 4, 10).await;
    let of = |person: &str| {
        claimed
            .iter()
            .find(|claim| claim.event.person == key(person))
            .unwrap()
    };
    let timers = [timer("a", Timer::Start, 500), timer("e", Timer::Recheck, 800)];
    journal.complete(of("a"), &of("a").state, &timers).await.unwrap();
    let dead = of("b");
    journal
        .dead_letter(dead, &dead.state, &[], "poison", Lane::Park)
        .await
        .unwrap();
    let waiting = of("c");
    journal
        .retry_later(waiting, &waiting.state, at(900), "busy")
        .await
        .unwrap();
    // The leave supersedes what comes before it.
    let gone = leave("f", 2, 9);
    accept(journal, &[join("f", 8), gone.clone()]).await;
    let claim = claim_only(journal, 9, &gone).await;
    complete(journal, &claim).await;
    // A timer is told of once it was begun.
    let begun = timer("h", Timer::Start, 12);
    accept(journal, std::slice::from_ref(&begun)).await;
    let claim = claim_only(journal, 13, &begun).await;
    journal
        .retry_later(&claim, &claim.state, at(900), "busy")
        .await
        .unwrap();
    accept(journal, &[join("g", 600), change("g", 2, 601)]).await;

    let (recheck, begun) = (timers[1].id.to_string(), begun.id.to_string());
    for (headway, expected) in [
        (vec![Headway::Done], vec!["f/2", "a/1"]),
        (vec![Headway::Dead], vec!["b/1"]),
        (vec![Headway::Waiting], vec![&begun, "c/1"]),
        (vec![Headway::Begun], vec!["d/1"]),
        (vec![Headway::Superseded], vec!["f/1"]),
        (vec![Headway::Accepted], vec!["g/2", "g/1", &recheck]),
        (
            vec![Headway::Dead, Headway::Accepted, Headway::Dead],
            vec!["g/2", "g/1", &recheck, "b/1"],
        ),
        (
            vec![],
            vec![
                "g/2", "g/1", &begun, "f/2", "f/1", &recheck, "d/1", "c/1", "b/1", "a/1",
            ],
        ),
    ] {
        let filter = EventFilter {
            headway,
            ..EventFilter::newest(100)
        };
        assert_eq!(ids(journal, &filter).await, expected, "{filter:?}");
        // Page by page it is the same.
        for size in [1, 2] {
            let (mut before, mut paged) = (None, Vec::new());
            loop {
                let page = EventFilter {
                    before,
                    limit: size,
                    ..filter.clone()
                };
                let found = journal.events(&page, at(999)).await.unwrap();
                assert!(found.len() <= size);
                let Some((last, _)) = found.last() else { break };
                assert!(before.is_none_or(|before| *last < before));
                before = Some(*last);
                paged.extend(found.iter().map(|(_, entry)| entry.event.id.to_string()));
            }
            assert_eq!(paged, expected, "{filter:?} by {size}");
        }
    }
    let of_one = EventFilter {
        person: Some(key("g")),
        ..EventFilter::newest(9)
    };
    assert_eq!(ids(journal, &of_one).await, ["g/2", "g/1"]);
    let nobody = EventFilter {
        person: Some(key("nobody")),
        ..EventFilter::newest(9)
    };
    assert_eq!(ids(journal, &nobody).await, [""; 0]);
    let found = journal.events(&EventFilter::newest(100), at(999)).await.unwrap();
    for (_, entry) in &found {
        let headway = Headway::of(entry).unwrap();
        let filter = EventFilter {
            headway: vec![headway],
            ..EventFilter::newest(100)
        };
        let same = ids(journal, &filter).await;
        assert!(same.contains(&entry.event.id.to_string()), "{headway}: {same:?}");
    }
}

pub(super) async fn what_is_begun_waits_and_was_set_aside_is_counted(journal: &dyn Journal) {
    assert_eq!(journal.figures(at(999)).await.unwrap(), Figures::default());
    let events: Vec<Event> = (0..)
        .zip(["a", "b", "c", "d", "e"])
        .map(|(due, who)| join(who, due))
        .collect();
    accept(journal, &events).await;
    assert_eq!(journal.figures(at(999)).await.unwrap(), Figures::default());
    let claimed = claims(journal, 4, 10).await;
    assert_eq!(
        journal.figures(at(999)).await.unwrap(),
        Figures {
            begun: 4,
            ..Figures::default()
        }
    );
    let [done, dead, waiting, back] = claimed.try_into().unwrap();
    let timers = [timer("a", Timer::Start, 500)];
    journal.complete(&done, &done.state, &timers).await.unwrap();
    journal
        .dead_letter(&dead, &dead.state, &[], "poison", Lane::Park)
        .await
        .unwrap();
    journal
        .retry_later(&waiting, &waiting.state, at(900), "busy")
        .await
        .unwrap();
    journal.put_back(&back, at(900), "is asked for").await.unwrap();
    let due = timer("f", Timer::Start, 12);
    accept(journal, std::slice::from_ref(&due)).await;
    claims(journal, 4, 10).await;
    let figures = journal.figures(at(999)).await.unwrap();
    assert_eq!(
        figures,
        Figures {
            begun: 1,
            waiting: 2,
            dead: 1
        }
    );
    claim_only(journal, 12, &due).await;
    assert_eq!(
        journal.figures(at(999)).await.unwrap().begun,
        2,
        "a timer is worked on"
    );
    journal
        .requeue(&dead.event.id, "somebody", "again")
        .await
        .unwrap();
    assert_eq!(journal.figures(at(999)).await.unwrap().dead, 0);
}

pub(super) async fn what_was_told_is_counted_by_day_and_kind(journal: &dyn Journal) {
    // `at(0)` is 8:00 on a day.
    let day = 24 * 3600;
    let (midnight, next) = (16 * 3600, 16 * 3600 + day);
    accept(
        journal,
        &[
            join("early", midnight - 1),
            join("a", midnight),
            join("b", next - 1),
            leave("a", 2, next - 2),
            change("b", 2, next),
            news("c", 1, next + day - 1, EventKind::Rejoin),
            join("late", next + day),
            timer("a", Timer::Start, next),
            timer("a", Timer::Recheck, next),
        ],
    )
    .await;
    let told = async || {
        let told = journal.told(at(midnight), at(next + day)).await.unwrap();
        told.into_iter()
            .map(|told| (told.day, told.kind, told.count))
            .collect::<Vec<_>>()
    };
    let (first, second) = (date(2027, 1, 16), date(2027, 1, 17));
    let of = |day, kind: &str, count| (day, kind.to_owned(), count);
    assert_eq!(
        told().await,
        [
            of(first, "join", 2),
            of(first, "leave", 1),
            of(second, "move", 1),
            of(second, "rejoin", 1)
        ],
    );
    // What a leave supersedes was in vain.
    let gone = leave("d", 2, next + 6);
    accept(journal, &[join("d", next + 5), gone.clone()]).await;
    assert_eq!(told().await[2], of(second, "join", 1));
    let claimed = claims(journal, 99, next + 6).await;
    let claimed = claimed.iter().find(|claim| claim.event.id == gone.id).unwrap();
    complete(journal, claimed).await;
    assert_eq!(told().await[2], of(second, "leave", 1));
    assert_eq!(journal.told(at(next), at(next)).await.unwrap(), []);
}

pub(super) async fn what_comes_up_is_known_in_its_order(journal: &dyn Journal) {
    let [start, gone, grace, late] = [
        timer("a", Timer::Start, 300),
        timer("b", Timer::Leave, 200),
        timer("c", Timer::Grace, 250),
        timer("d", Timer::Start, 400),
    ];
    let due = timer("e", Timer::Start, 100);
    let all = [
        start.clone(),
        gone.clone(),
        grace.clone(),
        late.clone(),
        due.clone(),
        join("f", 220),
    ];
    accept(journal, &all).await;
    let both = [Timer::Start, Timer::Leave];
    let coming = async |timers: &[Timer], from, until, limit| {
        journal.coming(timers, at(from), at(until), limit).await.unwrap()
    };
    assert_eq!(coming(&both, 101, 400, 9).await, [gone.clone(), start.clone()]);
    assert_eq!(
        coming(&both, 100, 401, 9).await,
        [due.clone(), gone.clone(), start, late]
    );
    assert_eq!(coming(&both, 100, 401, 2).await, [due.clone(), gone]);
    assert_eq!(coming(&[Timer::Grace], 0, 999, 9).await, [grace]);
    assert_eq!(coming(&[], 0, 999, 9).await, []);
    let claim = claim_only(journal, 100, &due).await;
    complete(journal, &claim).await;
    assert_eq!(coming(&both, 0, 101, 9).await, []);
}
