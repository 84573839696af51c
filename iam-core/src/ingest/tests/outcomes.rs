//! Outcomes as they go out.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;

use super::*;
use crate::ingest::{Outbox, Outgoing, Publisher, Sent};
use crate::person::{Person, Status};
use crate::{Error, ErrorKind, Result};

/// A receiver that has moods.
#[derive(Debug, Default)]
struct Receiver {
    told: Mutex<Vec<Outgoing>>,
    mood: Mutex<Mood>,
}

#[derive(Debug, Clone, Default)]
enum Mood {
    #[default]
    Good,
    /// Takes so many more, then is down.
    Down(usize),
    /// Takes nothing about this person.
    Refuses(&'static str),
    /// Has it, and its answer is lost.
    Silent,
}

impl Receiver {
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Whom it was told about, in order.
    fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|one| one.person.as_str().to_owned()).collect()
    }

    fn ids(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|one| one.id.clone()).collect()
    }
}

#[async_trait]
impl Publisher for Receiver {
    async fn publish(&self, outgoing: &Outgoing) -> Result<()> {
        let mut mood = self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        let down = || Err(Error::new(ErrorKind::Unavailable, "down for maintenance"));
        match &mut *mood {
            Mood::Down(0) => return down(),
            Mood::Down(left) => *left -= 1,
            Mood::Refuses(person) if outgoing.person.as_str() == *person => {
                return Err(Error::new(ErrorKind::Invalid, "not this one"));
            }
            _ => {}
        }
        let silent = matches!(*mood, Mood::Silent);
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(outgoing.clone());
        if silent { down() } else { Ok(()) }
    }
}

fn person(id: &str, department: &str) -> Person {
    Person {
        given_name: Some("Mei".to_owned()),
        family_name: Some(format!("Tanaka{id}")),
        department: Some(department.to_owned()),
        ..Person::new(PersonKey::new(id))
    }
}

impl World {
    async fn hear(&self, people: impl IntoIterator<Item = Person>) {
        self.engine.accept(people).await.unwrap();
        self.engine.run(&|_| {}).await.unwrap();
    }

    fn outbox(&self, receiver: &Arc<Receiver>) -> Outbox {
        Outbox::new(self.journal.clone(), "it", receiver.clone()).clock(Arc::new(self.clock.clone()))
    }
}

async fn deliver(outbox: &Outbox) -> Sent {
    outbox.deliver().await.unwrap()
}

#[tokio::test]
async fn every_outcome_is_told_once_in_order_and_names_nobody() {
    let world = world();
    let receiver = Arc::new(Receiver::default());
    let outbox = world.outbox(&receiver);
    assert_eq!(deliver(&outbox).await, Sent::default());
    world.hear([person("W-1", "Sales"), person("W-2", "Sales")]).await;
    world
        .hear([Person {
            status: Status::Terminated,
            ..person("W-1", "Sales")
        }])
        .await;
    assert_eq!(deliver(&outbox).await.sent, 3);
    assert_eq!(deliver(&outbox).await.sent, 0);
    let told = receiver.told.lock().unwrap().clone();
    assert_eq!((told[0].person.as_str(), told[2].person.as_str()), ("W-1", "W-1"));
    let event = told[0].event("https://iam.contoso.example");
    assert_eq!(event["type"], "iam-platform.event.completed");
    assert_eq!(
        (&event["data"]["kind"], &event["subject"]),
        (&"join".into(), &"W-1".into())
    );
    let steps = event["data"]["steps"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .any(|step| step["step"] == "create_account" && step["outcome"] == "done"),
        "{event}"
    );
    assert_eq!(told[2].data["kind"], "leave");
    let shown = serde_json::to_string(&event).unwrap();
    assert!(!shown.to_lowercase().contains("tanaka"), "{shown}");
    // A receiver of its own begins where it wants to.
    let late = Arc::new(Receiver::default());
    let late_box = Outbox::new(world.journal.clone(), "late", late.clone()).from_now_on();
    assert_eq!(deliver(&late_box).await.sent, 0);
    world.hear([person("W-2", "Kitchen")]).await;
    assert_eq!(deliver(&late_box).await.sent, 1);
    assert_eq!((late.told(), receiver.told().len()), (vec!["W-2".to_owned()], 3));
}

#[tokio::test]
async fn a_receiver_that_is_down_is_told_later_and_holds_up_no_work() {
    let world = world();
    let receiver = Arc::new(Receiver::default());
    let outbox = world.outbox(&receiver);
    receiver.is(Mood::Down(1));
    world
        .hear([
            person("W-1", "Sales"),
            person("W-2", "Sales"),
            person("W-3", "Sales"),
        ])
        .await;
    let sent = deliver(&outbox).await;
    assert_eq!((sent.sent, sent.behind), (1, 0));
    assert_eq!(sent.next, Some(now() + SignedDuration::from_secs(5)));
    assert_eq!(sent.why.as_deref(), Some("down for maintenance"));
    receiver.is(Mood::Good);
    assert_eq!(deliver(&outbox).await.sent, 0, "not before its time");
    world.hear([person("W-1", "Kitchen")]).await;
    assert_eq!(world.people().await.len(), 3);
    for seconds in [5, 10, 20] {
        receiver.is(Mood::Down(0));
        world.clock.advance(SignedDuration::from_secs(seconds));
        let patience = deliver(&outbox)
            .await
            .next
            .unwrap()
            .duration_since(crate::clock::Clock::now(&world.clock));
        assert_eq!(patience.as_secs(), seconds * 2);
    }
    receiver.is(Mood::Good);
    world.clock.advance(SignedDuration::from_hours(1));
    let sent = deliver(&outbox).await;
    assert_eq!((sent.sent, sent.next, sent.why), (3, None, None));
    assert_eq!(receiver.told(), ["W-1", "W-2", "W-3", "W-1"]);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_a_repeat_under_the_same_id() {
    let world = world();
    let receiver = Arc::new(Receiver::default());
    let outbox = world.outbox(&receiver);
    world.hear([person("W-1", "Sales"), person("W-2", "Sales")]).await;
    receiver.is(Mood::Silent);
    assert_eq!(deliver(&outbox).await.sent, 0);
    receiver.is(Mood::Good);
    world.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(deliver(&outbox).await.sent, 2);
    let ids = receiver.ids();
    assert_eq!(receiver.told(), ["W-1", "W-1", "W-2"]);
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
}

#[tokio::test]
async fn a_message_that_is_refused_holds_up_its_person_alone() {
    let world = world();
    let receiver = Arc::new(Receiver::default());
    let outbox = world.outbox(&receiver);
    receiver.is(Mood::Refuses("W-1"));
    world.hear([person("W-1", "Sales"), person("W-2", "Sales")]).await;
    world
        .hear([person("W-1", "Kitchen"), person("W-3", "Sales")])
        .await;
    let sent = deliver(&outbox).await;
    assert_eq!(
        (sent.sent, sent.behind, sent.why.as_deref()),
        (2, 2, Some("not this one"))
    );
    assert_eq!(receiver.told(), ["W-2", "W-3"]);
    world.clock.advance(SignedDuration::from_secs(6));
    let sent = deliver(&outbox).await;
    assert_eq!((sent.sent, sent.behind), (0, 2));
    receiver.is(Mood::Good);
    world.clock.advance(SignedDuration::from_secs(11));
    let sent = deliver(&outbox).await;
    assert_eq!((sent.sent, sent.behind, sent.next, sent.why), (2, 0, None, None));
    assert_eq!(receiver.told(), ["W-2", "W-3", "W-1", "W-1"]);
    let told = receiver.told.lock().unwrap().clone();
    assert_eq!(
        (&told[2].data["kind"], &told[3].data["kind"]),
        (&"join".into(), &"move".into())
    );
    // Somebody may give one up.
    receiver.is(Mood::Refuses("W-2"));
    world.hear([person("W-2", "Kitchen")]).await;
    world.hear([person("W-2", "Board")]).await;
    assert_eq!(deliver(&outbox).await.behind, 2);
    let audit = world.engine.audit(0, 10_000).await.unwrap();
    let completed: Vec<u64> = audit
        .iter()
        .filter(|entry| entry.deed.as_str() == "completed")
        .map(|entry| entry.sequence)
        .collect();
    let first = completed[completed.len() - 2];
    assert!(outbox.give_up(first).await.unwrap());
    assert!(!outbox.give_up(first).await.unwrap());
    receiver.is(Mood::Good);
    world.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(deliver(&outbox).await.sent, 1);
}

#[tokio::test]
async fn two_that_tell_the_same_receiver_lose_nothing() {
    let world = world();
    let receiver = Arc::new(Receiver::default());
    let (one, other) = (world.outbox(&receiver), world.outbox(&receiver));
    for round in 0..8 {
        let people = (0..20).map(|n| person(&format!("W-{n}"), &format!("Department {round}")));
        world.hear(people).await;
        let (a, b) = futures::join!(one.deliver(), other.deliver());
        a.unwrap();
        b.unwrap();
    }
    while deliver(&one).await.sent > 0 {}
    let mut ids = receiver.ids();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 160);
    // Whoever drops what was seen has every person's outcomes in order.
    let mut seen = std::collections::BTreeMap::<String, u64>::new();
    for one in receiver.told.lock().unwrap().iter() {
        let sequence = one.data["sequence"].as_u64().unwrap();
        let last = seen.entry(one.person.as_str().to_owned()).or_default();
        *last = (*last).max(sequence);
    }
    assert_eq!(seen.len(), 20);
}
