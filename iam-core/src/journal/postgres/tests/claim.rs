//! Several processes at one database.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::Duration;

use futures::future::join_all;
use sqlx::ConnectOptions as _;

use super::{ACME, LEASE, Place, at, join};
use crate::clock::{Clock as _, SystemClock};
use crate::entitlement::TargetId;
use crate::error::ErrorKind;
use crate::event::{Event, EventId, EventKind, News, Timer};
use crate::journal::{
    Appended, Claim, EventState, HistoryQuery, Journal, Outcome, PostgresJournal, StepStart,
};
use crate::person::PersonKey;
use crate::plan::{Action, IdempotencyKey, Plan, Step};

async fn complete(journal: &PostgresJournal, claim: &Claim, timers: &[Event]) {
    journal.complete(claim, &claim.state, timers).await.unwrap();
}

fn news(person: &str, id: &str) -> Event {
    let person = PersonKey::new(person);
    Event::told(News::new(EventId::new(id), person, EventKind::Suspend, at(0)))
}

/// Four processes drain two hundred people with three events each, one at a time: every event once, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_share_the_work_and_no_event() {
    let place = Place::new();
    let journals = join_all((0..4).map(|_| place.open())).await;
    let batch: Vec<Event> = (0..3)
        .flat_map(|n| (0..100).map(move |person| news(&format!("p{person}"), &format!("p{person}/{n}"))))
        .collect();
    let appended = journals[0].append(&batch).await.unwrap();
    assert_eq!(appended, vec![Appended::New; 300]);
    let worked = journals.iter().map(|journal| async move {
        let (mut done, mut idle) = (Vec::new(), 0);
        while idle < 3 {
            let claims = journal.claim(3, at(5), LEASE).await.unwrap();
            idle = if claims.is_empty() { idle + 1 } else { 0 };
            for claim in claims {
                assert_eq!(claim.attempts, 0, "{:?} was claimed twice", claim.event);
                complete(journal, &claim, &[]).await;
                done.push(claim.event.id);
            }
            tokio::task::yield_now().await;
        }
        done
    });
    let worked = join_all(worked).await;
    let all: Vec<&EventId> = worked.iter().flatten().collect();
    assert_eq!(all.len(), 300);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 300);
    let audit = journals[1].audit(300, 1000).await.unwrap();
    let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (entry, _) in &audit {
        let id = entry.event.as_ref().unwrap().as_str();
        let (person, n) = id.split_once('/').unwrap();
        seen.entry(person).or_default().push(n);
    }
    assert!(seen.values().all(|order| order == &["0", "1", "2"]), "{seen:?}");
}

/// A role whose every look at a lane waits while somebody holds the gate. Row security is asked for each row that a
/// statement comes upon, after it has chosen its moment.
async fn slow_role(place: &Place) -> String {
    let role = format!("slow_{}", place.schema);
    place
        .run(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}; \
             GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}; \
             CREATE FUNCTION wait() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
                 PERFORM pg_advisory_lock_shared(hashtext('{schema}')); \
                 PERFORM pg_advisory_unlock_shared(hashtext('{schema}')); RETURN true; END $$; \
             ALTER TABLE lane ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY wait ON lane USING (wait())",
            schema = place.schema
        ))
        .await;
    role
}

/// What `slow`, done by that role, comes to when others act after it has chosen its moment and before it has locked a lane.
async fn held_up<T: Send + 'static>(
    place: &Place,
    role: &str,
    slow: impl Future<Output = T> + Send + 'static,
    others: impl AsyncFnOnce(),
) -> T {
    let mut gate = place.conn().await;
    sqlx::query("SELECT pg_advisory_lock(hashtext($1))")
        .bind(&place.schema)
        .execute(&mut gate)
        .await
        .unwrap();
    let slow = tokio::spawn(slow);
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND wait_event = 'advisory'";
    loop {
        let waits: i64 = sqlx::query_scalar(waits)
            .bind(role)
            .fetch_one(&mut gate)
            .await
            .unwrap();
        if waits == 1 {
            break;
        }
        SystemClock.sleep(Duration::from_millis(5)).await;
    }
    others().await;
    sqlx::query("SELECT pg_advisory_unlock(hashtext($1))")
        .bind(&place.schema)
        .execute(&mut gate)
        .await
        .unwrap();
    slow.await.unwrap()
}

/// The mutant of a claim: its two statements in one.
const IN_ONE_STATEMENT: &str = "
    SELECT h.id FROM lane l CROSS JOIN LATERAL (
        SELECT * FROM event e WHERE e.tenant = l.tenant AND e.person = l.person AND e.state = 0
        ORDER BY e.due_at, e.lane_seq LIMIT 1) h
    WHERE l.head_at IS NOT NULL FOR UPDATE OF l SKIP LOCKED";

/// The same race with a later event of the same person, for which the lane may be claimed all the same: the real claim
/// hands that one out, and the mutant what the other has done.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_one_statement_is_caught() {
    for mutant in [false, true] {
        let place = Place::new();
        let quick = place.open().await;
        quick.append(&[news("p", "p/1"), news("p", "p/2")]).await.unwrap();
        let role = slow_role(&place).await;
        let url = place.url.replace("postgres@", &format!("{role}@"));
        let slow = PostgresJournal::builder(&url, ACME)
            .schema(&place.schema)
            .open()
            .await
            .unwrap();
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let mut conn = options
            .options([("search_path", &place.schema)])
            .connect()
            .await
            .unwrap();
        let claim = {
            let slow = slow.clone();
            async move {
                if mutant {
                    let ids = sqlx::query_scalar(IN_ONE_STATEMENT).fetch_all(&mut conn).await;
                    return ids.unwrap();
                }
                let claims = slow.claim(1, at(5), LEASE).await.unwrap();
                claims
                    .iter()
                    .map(|claim| claim.event.id.to_string())
                    .collect::<Vec<String>>()
            }
        };
        let claimed = held_up(&place, &role, claim, async || {
            let claims = quick.claim(1, at(5), LEASE).await.unwrap();
            complete(&quick, &claims[0], &[]).await;
        })
        .await;
        let done = HistoryQuery {
            state: Some(EventState::Done),
            ..HistoryQuery::default()
        };
        let done: Vec<String> = quick
            .history(&done)
            .await
            .unwrap()
            .iter()
            .map(|entry| entry.event.id.to_string())
            .collect();
        assert_eq!(done, ["p/1"]);
        assert_eq!(
            claimed,
            if mutant { ["p/1"] } else { ["p/2"] },
            "mutant: {mutant}"
        );
        slow.close().await;
        place
            .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await;
    }
}

/// The trap of claims in one statement: it locks a lane as it is now, and reads events as they were when it began.
/// Here the first claim is held up after it has chosen the lane and before it locks it; meanwhile the other one works
/// the event off.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_held_up_does_not_hand_out_what_others_have_done() {
    for urgent in [None, Some(false), Some(true)] {
        let place = Place::new();
        let quick = place.open().await;
        let kind = urgent.map_or(EventKind::Join, |urgent| EventKind::Leave {
            last_day: None,
            urgent,
        });
        let event = Event { kind, ..join("p", 0) };
        quick.append(&[event]).await.unwrap();
        let role = slow_role(&place).await;
        let url = place.url.replace("postgres@", &format!("{role}@"));
        let slow = PostgresJournal::builder(&url, ACME)
            .schema(&place.schema)
            .open()
            .await
            .unwrap();
        let claimed = held_up(
            &place,
            &role,
            {
                let slow = slow.clone();
                async move { slow.claim(1, at(5), LEASE).await.unwrap() }
            },
            async || {
                let claims = quick.claim(1, at(5), LEASE).await.unwrap();
                complete(&quick, &claims[0], &[]).await;
            },
        )
        .await;
        assert!(claimed.is_empty(), "{urgent:?}: handed out again: {claimed:?}");
        // Nobody was fenced for nothing, and nothing is counted.
        let entries = quick.history(&HistoryQuery::default()).await.unwrap();
        assert_eq!((entries[0].state, entries[0].attempts), (EventState::Done, 1));
        let fences: Vec<i64> = place.column("SELECT fence FROM lane").await;
        assert_eq!(fences, [1]);
        slow.close().await;
        place
            .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await;
    }
}

/// The holder's process is gone: its lanes come free when their leases end, by the server's clock and no other, and
/// bring along what it had done.
#[tokio::test]
async fn a_lease_ends_by_the_servers_clock_and_the_next_one_goes_on() {
    let place = Place::new();
    let first = place.open().await;
    first.append(&[join("p", 0)]).await.unwrap();
    let lost = first.claim(1, at(5), LEASE).await.unwrap().remove(0);
    let (target, person) = (TargetId::new("t"), &lost.event.person);
    let step = Step::new(&target, person, None, Action::BlockSignIn, "test");
    let key = IdempotencyKey::of(&lost.event.id, &step);
    first.plan(&lost, &Plan::empty(person)).await.unwrap();
    assert_eq!(
        first.intend(&lost, &step.id, &key).await.unwrap(),
        StepStart::First
    );
    first.close().await;

    let second = place.open().await;
    // Whatever the caller's calendar says.
    let later = at(1_000_000_000);
    assert!(second.claim(1, later, LEASE).await.unwrap().is_empty());
    assert_eq!(second.next_due().await.unwrap(), None);
    place
        .run("UPDATE lane SET lease_until = clock_timestamp() + interval '1 hour'")
        .await;
    assert!(second.claim(1, later, LEASE).await.unwrap().is_empty());
    place.run("UPDATE lane SET lease_until = clock_timestamp()").await;
    let held = second.claim(1, at(5), LEASE).await.unwrap().remove(0);
    assert_eq!((held.attempts, held.fence), (1, lost.fence + 1));
    assert_eq!(held.plan, Some(Plan::empty(person)));
    assert_eq!((held.steps.len(), &held.steps[0].outcome), (1, &None));
    assert_eq!(
        second.intend(&held, &step.id, &key).await.unwrap(),
        StepStart::Unknown
    );

    // The first one was only asleep: all it writes is refused.
    let ghost = place.open().await;
    let done = Outcome::Done { account: None };
    for answer in [
        ghost.settle(&lost, &step.id, &done, at(6)).await,
        ghost.heartbeat(&lost, LEASE).await,
        ghost.complete(&lost, &lost.state, &[]).await,
    ] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Fenced);
    }
    second.settle(&held, &step.id, &done, at(6)).await.unwrap();
    complete(&second, &held, &[]).await;
}

/// Many writers append for the same people, in every order, and none waits for another in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_at_the_same_time_keep_each_lane_in_one_order() {
    let place = Place::new();
    let journals = join_all((0..3).map(|_| place.open())).await;
    let writers = (0..9).map(|writer| {
        let journal = journals[writer % 3].clone();
        tokio::spawn(async move {
            for round in 0..8 {
                let mut batch: Vec<Event> = (0..5)
                    .map(|person| news(&format!("p{person}"), &format!("p{person} {writer} {round}")))
                    .collect();
                batch.rotate_left(writer % 5);
                if writer % 2 == 0 {
                    batch.reverse();
                }
                let appended = journal.append(&batch).await.unwrap();
                assert_eq!(appended, [Appended::New; 5]);
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    for person in 0..5 {
        let query = HistoryQuery {
            person: Some(PersonKey::new(format!("p{person}"))),
            ..HistoryQuery::default()
        };
        let entries = journals[0].history(&query).await.unwrap();
        let places: Vec<u64> = entries.iter().map(|entry| entry.lane_seq).collect();
        assert_eq!(places, (1..=72).collect::<Vec<u64>>());
        let accepted = journals[0]
            .accepted(&[PersonKey::new(format!("p{person}"))])
            .await
            .unwrap();
        assert_eq!(
            accepted[0].as_ref().unwrap().news.len(),
            72,
            "nobody's news was overwritten"
        );
    }
}

/// The same event from several processes at once is one event; people who wake each other do not wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_event_from_everywhere_counts_once_and_wakers_meet() {
    let place = Place::new();
    let journals = join_all((0..4).map(|_| place.open())).await;
    let batch: Vec<Event> = (0..20).map(|n| join(&format!("p{n}"), 0)).collect();
    let answers = join_all(journals.iter().map(|journal| journal.append(&batch))).await;
    for n in 0..20 {
        let new = answers
            .iter()
            .filter(|answer| answer.as_ref().unwrap()[n] == Appended::New);
        assert_eq!(new.count(), 1, "p{n}");
    }
    let claims = journals[0].claim(20, at(0), LEASE).await.unwrap();
    let all: Vec<PersonKey> = claims.iter().map(|claim| claim.event.person.clone()).collect();
    let completed = claims.iter().enumerate().map(|(n, claim)| {
        let (journal, all) = (&journals[n % 4], &all);
        async move {
            let wake =
                |person: &PersonKey| Event::timer(person, Timer::Recheck, at(9), &claim.event.id, at(0));
            let mut timers: Vec<Event> = all.iter().map(wake).collect();
            timers.rotate_left(n);
            complete(journal, claim, &timers).await;
        }
    });
    join_all(completed).await;
    let pending = HistoryQuery {
        state: Some(EventState::Pending),
        ..HistoryQuery::default()
    };
    assert_eq!(journals[0].history(&pending).await.unwrap().len(), 400);
    assert_eq!(journals[0].claim(99, at(9), LEASE).await.unwrap().len(), 20);
}

/// Somebody's lane is locked, by a process that was stopped in the middle: everybody else's writes and arrivals of this
/// process go on meanwhile, though they share transactions.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_locked_holds_up_nobody_else() {
    let place = Place::new();
    let journal = place.open().await;
    let all: Vec<Event> = (0..20).map(|n| join(&format!("p{n:02}"), 0)).collect();
    journal.append(&all).await.unwrap();
    let held = journal.claim(20, at(5), LEASE).await.unwrap();
    let mut other = place.conn().await;
    let mut lock = sqlx::Connection::begin(&mut other).await.unwrap();
    sqlx::query("SELECT 1 FROM lane WHERE person = 'p07' FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let locked = |claim: &Claim| claim.event.person == PersonKey::new("p07");
    let waits = held.iter().find(|claim| locked(claim)).unwrap().clone();
    let late = {
        let journal = journal.clone();
        tokio::spawn(async move {
            let event = news("p07", "p07/late");
            let both = tokio::join!(
                journal.heartbeat(&waits, LEASE),
                journal.append(std::slice::from_ref(&event))
            );
            (both.0.unwrap(), both.1.unwrap())
        })
    };
    // Loads of this process are under way by now, and one of them is the locked lane's.
    tokio::task::yield_now().await;
    let others = held.iter().filter(|claim| !locked(claim)).map(|claim| async {
        complete(&journal, claim, &[]).await;
        let person = claim.event.person.as_str();
        let event = news(person, &format!("{person}/late"));
        assert_eq!(journal.append(&[event]).await.unwrap(), [Appended::New]);
    });
    tokio::time::timeout(Duration::from_secs(50), join_all(others))
        .await
        .expect("everybody waited for one lane");
    assert!(!late.is_finished(), "it did not wait for its lane");
    lock.rollback().await.unwrap();
    let ((), appended) = late.await.unwrap();
    assert_eq!(appended, [Appended::New]);
}
