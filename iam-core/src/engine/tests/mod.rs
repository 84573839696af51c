//! The whole flow on a directory in memory. Judged by what the directory holds at the end.

mod absence;
mod admission;
mod alerts;
mod apply;
mod attendance;
mod awaited;
mod calendar;
mod conflict;
mod crash;
mod delivery;
mod doors;
mod early;
mod effects;
mod evidence;
mod explain;
mod findings;
mod fleet;
mod freeze;
mod guard;
mod hold;
mod identity;
mod leave;
mod lifecycle;
mod mailbox;
mod mischief;
mod names;
mod news;
mod order;
mod pass;
mod preflight;
mod presence;
mod property;
mod retry;
mod slow;
mod succession;
mod synced;
mod takeover;
mod targets;
mod undo;
mod unread;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use doors::{Moody, Mortal, Notices};

use super::*;
use crate::entitlement::{Actual, Catalog, Class, Entitlement, Item, Kind, TargetId};
use crate::event::{Event, EventId};
use crate::journal::{EventState, Lifecycle as Stage, MemoryJournal};
use crate::person::{Person, Status};
use crate::plan::Action;
use crate::testing::{ManualClock, MemoryTarget};

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
authority = "graph"
[naming]
upn = ["{given}.{family}", "{given}.{family}{n}"]
display_name = "{preferred} {family}"
[defaults]
usage_location = "person.country"
groups = ["All Staff"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
roles = ["Security Reader"]
grace = "14d"
[[rule]]
id = "sales"
when = 'person.department == "Sales"'
groups = ["sg-sales"]
[[rule]]
id = "reports-of-the-chief"
when = 'manager != null && manager.job_title == "Chief"'
groups = ["sg-chief"]
[[rule]]
id = "title"
when = 'person.job_title.startsWith("Head")'
groups = ["sg-heads"]
[joiner]
create_before = "14d"
[leaver]
delete_after = "30d"
[guard]
max_leavers = 2
protected = ["break-glass@contoso.example"]
"#;

struct World {
    engine: Engine,
    policy: Arc<Document>,
    target: MemoryTarget,
    journal: MemoryJournal,
    clock: ManualClock,
    /// The target as the engine reaches it.
    moody: Moody,
    /// The journal as the engine reaches it.
    mortal: Mortal,
    notices: Notices,
}

fn world() -> World {
    world_of(POLICY)
}

fn world_of(policy: &str) -> World {
    let item = |kind, name: &str| Item {
        entitlement: Entitlement {
            target: TargetId::new("graph"),
            kind,
            id: format!("id of {name}"),
            name: name.to_owned(),
        },
        class: Class::Assignable,
        privileged: kind == Kind::Role,
        seats: None,
        carries: Vec::new(),
    };
    let mut catalog = Catalog::default();
    for name in [
        "All Staff",
        "sg-security",
        "sg-sales",
        "sg-chief",
        "sg-heads",
        "by hand",
    ] {
        catalog.items.push(item(Kind::Group, name));
    }
    catalog.items.push(item(Kind::Role, "Security Reader"));
    catalog.items.push(item(Kind::License, "SPE_E3"));
    catalog.domains.insert("contoso.example".to_owned());
    let target = MemoryTarget::new("graph", catalog);
    let journal = MemoryJournal::new();
    let clock = ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap());
    let (moody, mortal) = (Moody::around(&target), Mortal::around(&journal));
    let notices = Notices::default();
    let policy = Arc::new(Document::parse(policy).unwrap());
    let engine = Engine::builder(Arc::new(mortal.clone()), policy.clone())
        .target(Arc::new(moody.clone()))
        .notifier(Arc::new(notices.clone()))
        .clock(Arc::new(clock.clone()))
        .build();
    World {
        engine,
        policy,
        target,
        journal,
        clock,
        moody,
        mortal,
        notices,
    }
}

/// `id given family department [field=value …]`
fn person(text: &str) -> Person {
    let mut words = text.split(' ');
    let mut next = || words.next().map(str::to_owned);
    let mut person = Person::new(PersonKey::new(next().unwrap()));
    let mut next = || next().filter(|word| !word.is_empty());
    (person.given_name, person.family_name, person.department) = (next(), next(), next());
    person.job_title = Some("Clerk".to_owned());
    for pair in words {
        let (field, value) = pair.split_once('=').unwrap();
        let text = Some(value.to_owned());
        match field {
            "manager" => person.manager_id = Some(PersonKey::new(value)),
            "title" => person.job_title = text.filter(|title| title != "none"),
            "hire" => person.hire_date = value.parse().ok(),
            "last" => person.last_day = value.parse().ok(),
            "from" => person.leave_from = value.parse().ok(),
            "until" => person.leave_until = value.parse().ok(),
            "type" => person.worker_type = text,
            "before" => person.previous_id = Some(PersonKey::new(value)),
            "zone" => person.time_zone = text,
            "mail" => person.email = text,
            "status" => {
                person.status = match value {
                    "gone" => Status::Terminated,
                    "away" => Status::OnLeave,
                    _ => Status::Active,
                }
            }
            _ => unreachable!("{field}"),
        }
    }
    person
}

impl World {
    async fn hear(&self, people: &[&str]) -> RunReport {
        self.engine
            .accept(people.iter().map(|text| person(text)))
            .await
            .unwrap();
        self.engine.run(&|_| {}).await.unwrap()
    }

    /// HR says so; nothing is run yet.
    async fn tell(&self, people: &[&str]) {
        let records = people.iter().map(|text| person(text));
        self.engine.accept(records).await.unwrap();
    }

    /// Another engine on the same journal and the same tenant.
    fn engine_again(&self) -> Engine {
        self.engine_with(self.policy.clone())
    }

    /// The same with another policy.
    fn engine_with(&self, policy: Arc<Document>) -> Engine {
        Engine::builder(Arc::new(self.mortal.clone()), policy)
            .target(Arc::new(self.moody.clone()))
            .notifier(Arc::new(self.notices.clone()))
            .clock(Arc::new(self.clock.clone()))
            .build()
    }

    async fn run(&self) -> RunReport {
        self.engine.run(&|_| {}).await.unwrap()
    }

    /// Lets time pass from one due instant to the next, at most until `instant`, and runs at each.
    async fn until(&self, instant: &str) {
        let end: Timestamp = instant.parse().unwrap();
        for _ in 0..500 {
            self.run().await;
            match self.engine.next_due().await.unwrap() {
                Some(due) if due <= end => self.clock.set(due.max(crate::clock::Clock::now(&self.clock))),
                _ => break,
            }
        }
        self.clock.set(end);
        self.run().await;
    }

    /// Somebody else does something to the account, behind the platform's back.
    async fn meddle(&self, id: &str, action: crate::plan::Action) {
        let actual = self.of(id).pop().unwrap();
        let account = actual.account.map(|account| account.id);
        let target = TargetId::new("graph");
        let step = Step::new(&target, &actual.person, account.as_deref(), action, "by hand");
        let key = crate::plan::IdempotencyKey::of(&EventId::new("hand"), &step);
        self.target.apply(&step, &key).await.unwrap();
    }

    async fn at(&self, instant: &str) -> RunReport {
        self.clock.set(instant.parse().unwrap());
        self.engine.run(&|_| {}).await.unwrap()
    }

    /// What the mailbox of somebody's live account answers.
    fn reply(&self, id: &str) -> Option<String> {
        let live = |actual: &Actual| actual.account.clone().filter(|account| !account.deleted);
        let account = self.of(id).iter().find_map(live)?;
        self.target.reply(&account.id)
    }

    fn of(&self, id: &str) -> Vec<Actual> {
        let key = PersonKey::new(id);
        self.target
            .accounts()
            .into_iter()
            .filter(|actual| actual.person == key)
            .collect()
    }

    /// The id of somebody's newest account.
    fn account(&self, id: &str) -> String {
        self.of(id).pop().unwrap().account.unwrap().id
    }

    /// `name enabled|blocked|deleted: what they hold`
    fn look(&self, id: &str) -> String {
        let all = self.of(id).into_iter().map(|actual| {
            let account = actual.account.unwrap();
            let mut held: Vec<_> = actual
                .held
                .iter()
                .map(|held| held.entitlement.name.as_str())
                .collect();
            held.sort_unstable();
            let local = account.name.split('@').next().unwrap().to_owned();
            let state = match (account.deleted, account.enabled) {
                (true, _) => "deleted",
                (false, true) => "enabled",
                (false, false) => "blocked",
            };
            format!("{local} {state}: {}", held.join(", "))
        });
        all.collect::<Vec<_>>().join(" | ")
    }

    /// Gives something by hand, behind the platform's back.
    async fn give(&self, id: &str, name: &str) {
        let catalog = self.target.catalog().await.unwrap();
        let mut items = catalog.items.iter();
        let item = items.find(|item| item.entitlement.name == name).unwrap();
        self.meddle(id, crate::plan::Action::grant(item.entitlement.clone()))
            .await;
    }
}

use crate::plan::Step;
