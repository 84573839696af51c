//! The whole flow on a directory in memory. Judged by what the directory holds at the end.

mod absence;
mod admission;
mod alerts;
mod apply;
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
mod leave;
mod mailbox;
mod mischief;
mod names;
mod news;
mod order;
mod pass;
mod preflight;
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

#[tokio::test]
async fn a_joiner_gets_what_policy_says_and_the_second_run_does_nothing() {
    let world = world();
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
    let again = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert!(again.people.is_empty());
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn an_attribute_that_the_target_has_no_place_for_is_left_out() {
    use crate::entitlement::Attribute::{Department, JobTitle};
    let world = world();
    world.moody.without.lock().unwrap().push(JobTitle);
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let account = world.of("W-1").remove(0).account.unwrap();
    assert_eq!(account.attributes.get(&JobTitle), None);
    assert_eq!(
        account.attributes.get(&Department).map(String::as_str),
        Some("Security")
    );
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_preview_shows_every_step_and_changes_nothing() {
    let world = world();
    let people = [
        "W-2 Bo Ek Sales manager=W-1",
        "W-3 Bo Ek Sales",
        "W-1 Ada Ng Sales title=Chief",
    ];
    world
        .engine
        .accept(people.iter().map(|text| person(text)))
        .await
        .unwrap();
    let preview = world.engine.plan().await.unwrap();
    assert!(world.target.accounts().is_empty());
    assert_eq!(world.journal.holder("bo.ek@contoso.example").await.unwrap(), None);
    let mut planned: Vec<String> = Vec::new();
    for person in &preview.people {
        planned.extend(
            person
                .plan
                .steps
                .iter()
                .map(|step| format!("{} {}", step.person, step.id)),
        );
    }
    let report = world.engine.run(&|_| {}).await.unwrap();
    let mut done: Vec<String> = report
        .people
        .iter()
        .flat_map(|run| &run.outcomes)
        .map(|(step, _)| format!("{} {}", step.person, step.id))
        .collect();
    planned.sort();
    done.sort();
    assert_eq!(planned, done);
    assert!(done.contains(&"W-2 set_manager".to_owned()), "{done:?}");
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-chief, sg-sales");
    assert_eq!(world.look("W-3"), "bo.ek2 enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn a_mover_keeps_what_was_given_by_hand_and_loses_after_the_grace() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let during = "mei.tanaka enabled: All Staff, Security Reader, by hand, sg-sales, sg-security";
    assert_eq!(world.look("W-1"), during);
    world.at("2026-12-08T08:59:59Z").await;
    assert_eq!(world.look("W-1"), during);
    world.at("2026-12-08T09:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
    // sg-sales has no grace: going back takes it at once.
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, by hand, sg-security"
    );
    let events = world.engine.timeline(&PersonKey::new("W-1")).await.unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|entry| entry.event.kind.as_str())
        .filter(|kind| *kind == "move")
        .collect();
    assert_eq!(kinds.len(), 2);
}

#[tokio::test]
async fn a_leaver_ends_with_nothing_is_deleted_later_and_starts_afresh() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let report = world
        .hear(&["W-1 Mei Tanaka Security status=gone last=2026-11-25 zone=Australia/Sydney"])
        .await;
    assert_eq!(report.totals().done, 0);
    world.at("2026-11-25T12:59:59Z").await;
    assert!(
        world.look("W-1").starts_with("mei.tanaka enabled"),
        "{}",
        world.look("W-1")
    );
    let report = world.at("2026-11-25T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let order: Vec<&str> = report.people[0]
        .outcomes
        .iter()
        .map(|(step, _)| step.action.kind())
        .collect();
    assert_eq!(order[..3], ["block_sign_in", "revoke_sessions", "reset_password"]);
    assert!(report.people[0].outcomes[3].0.privileged, "the role goes first");

    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");

    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.at("2026-12-25T13:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn a_future_start_is_prepared_and_opened_on_the_first_day() {
    let world = world();
    let hire = "W-1 Freya Lindholm Security hire=2031-03-03 zone=Europe/Berlin";
    world.hear(&[hire]).await;
    assert_eq!(world.look("W-1"), "");
    world.at("2031-02-16T23:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm blocked: All Staff, sg-security"
    );
    world.at("2031-03-02T22:59:59Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm blocked: All Staff, sg-security"
    );
    world.at("2031-03-02T23:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "freya.lindholm enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn managers_come_late_run_in_circles_or_never_come() {
    let world = world();
    let people = [
        "W-2 Ann Ek Sales manager=W-1",
        "W-3 Cy Om Sales manager=W-4",
        "W-4 Di Po Sales manager=W-3",
    ];
    let report = world.hear(&people).await;
    assert_eq!(report.totals().open, 0);
    let manager = |id: &str| world.of(id)[0].account.clone().unwrap().manager;
    assert_eq!(manager("W-2"), None);
    assert_eq!(
        (manager("W-3").is_some(), manager("W-4").is_some()),
        (false, true),
        "the smaller key drops its link"
    );
    world.hear(&["W-1 Ada Ng Sales title=Chief"]).await;
    assert!(manager("W-2").is_some());
    assert_eq!(world.look("W-2"), "ann.ek enabled: All Staff, sg-chief, sg-sales");
    // What hangs on the manager's job goes with it.
    world.hear(&["W-1 Ada Ng Sales title=Clerk"]).await;
    assert_eq!(world.look("W-2"), "ann.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn next_due_is_the_next_instant_of_somebodys_calendar() {
    let world = world();
    world
        .hear(&["W-1 Freya Lindholm Security hire=2031-03-03 zone=Europe/Berlin"])
        .await;
    let due: Timestamp = "2031-02-16T23:00:00Z".parse().unwrap();
    assert_eq!(world.engine.next_due().await.unwrap(), Some(due));
}
