//! Seats, and those who must stay: looked at over the whole before the first write.

use std::collections::BTreeSet;

use super::doors::Mood;

use super::*;
use crate::entitlement::{Keep, Seats};
use crate::orchestrator::{Context, Decision, Orchestrator};
use crate::plan::{Action, Plan};

const LICENSED: &str =
    "[[rule]]\nid = \"e3\"\nwhen = 'person.department == \"Sales\"'\nlicenses = [\"SPE_E3\"]\n";

fn licensed() -> World {
    let policy = POLICY.replace("[joiner]", &format!("{LICENSED}[joiner]"));
    world_of(&policy.replace("max_leavers = 2", "max_leavers = 9"))
}

impl World {
    fn seats(&self, total: u64, used: u64) {
        self.target.change_catalog(|catalog| {
            let mut items = catalog.items.iter_mut();
            let item = items.find(|item| item.entitlement.kind == Kind::License).unwrap();
            item.seats = Some(Seats { total, used });
        });
    }

    /// These people, and nobody else, hold the role that must not be lost.
    fn keep(&self, least: usize, people: &[&str]) {
        let holders = people.iter().map(|id| self.account(id)).collect();
        self.target.change_catalog(|catalog| {
            let mut items = catalog.items.iter();
            let item = items.find(|item| item.entitlement.kind == Kind::Role).unwrap();
            let keep = Keep {
                entitlement: item.entitlement.clone(),
                least,
                holders: Some(holders),
                through: BTreeSet::new(),
            };
            catalog.keep = vec![keep];
        });
    }

    fn touched(&self, id: &str) -> usize {
        let applied = self.moody.applied.lock().unwrap();
        applied.iter().filter(|step| step.starts_with(id)).count()
    }
}

#[tokio::test]
async fn seats_are_counted_over_the_whole_plan_and_leavers_free_theirs_first() {
    let world = licensed();
    world.hear(&["W-9 I Nine Sales"]).await;
    world.seats(1, 1);
    world
        .tell(&[
            "W-1 A One Sales",
            "W-2 B Two Sales",
            "W-9 I Nine Sales status=gone",
        ])
        .await;
    let preview = world.engine.plan().await.unwrap();
    let seats = &preview.seats[0];
    assert_eq!(
        (seats.total, seats.used, seats.freed, seats.needed, seats.waiting),
        (1, 1, 1, 2, 1)
    );
    let waiting: Vec<_> = preview
        .people
        .iter()
        .filter(|person| !person.waiting.is_empty())
        .collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].person.as_str(), "W-2");
    assert!(
        waiting[0].waiting[0].starts_with("waiting: licence SPE_E3 (e3)"),
        "{waiting:?}"
    );

    let report = world
        .engine
        .apply(&preview.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
    assert_eq!(world.look("W-9"), "i.nine blocked: ");
    assert_eq!(world.look("W-1"), "a.one enabled: All Staff, SPE_E3, sg-sales");
    // Everything but the licence, and that was not even tried.
    assert_eq!(world.look("W-2"), "b.two enabled: All Staff, sg-sales");
    let open: Vec<&Ending> = report
        .people
        .iter()
        .map(|run| &run.ending)
        .filter(|end| **end != Ending::Done)
        .collect();
    assert!(
        matches!(open[..], [Ending::Waiting(why)] if why.contains("no seat is free")),
        "{open:?}"
    );
    let tried = world.moody.applied.lock().unwrap().clone();
    assert!(
        !tried.iter().any(|step| step.starts_with("W-2 grant:licence")),
        "{tried:?}"
    );

    world.seats(2, 1);
    world.clock.advance(SignedDuration::from_hours(1));
    world.run().await;
    assert_eq!(world.look("W-2"), "b.two enabled: All Staff, SPE_E3, sg-sales");
}

#[tokio::test]
async fn a_seat_that_a_mover_gives_up_is_for_the_next_plan() {
    let world = licensed();
    world.hear(&["W-9 I Nine Sales"]).await;
    world.seats(1, 1);
    world.tell(&["W-1 A One Sales", "W-9 I Nine Security"]).await;
    let preview = world.engine.plan().await.unwrap();
    assert_eq!((preview.seats[0].freed, preview.seats[0].waiting), (0, 1));
    world.run().await;
    assert_eq!(world.look("W-1"), "a.one enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn the_last_holder_of_a_role_stays_and_everybody_else_goes_on() {
    let world = licensed();
    world
        .hear(&["W-1 A One Security", "W-2 B Two Security", "W-3 C Three Sales"])
        .await;
    world.keep(1, &["W-1", "W-2"]);
    let already = world.touched("W-2");
    world
        .tell(&[
            "W-1 A One Security status=gone",
            "W-2 B Two Security status=gone",
            "W-3 C Three Sales status=gone",
            "W-4 D Four Sales",
        ])
        .await;
    let preview = world.engine.plan().await.unwrap();
    let refused: Vec<_> = preview
        .people
        .iter()
        .filter_map(|person| person.plan.refused.as_ref())
        .collect();
    assert!(
        matches!(refused[..], [why] if why.contains("role Security Reader must keep 1 holder")),
        "{refused:?}"
    );
    let report = world
        .engine
        .apply(&preview.hash(), Canary::NONE, &|_| {})
        .await
        .unwrap();
    assert_eq!(world.look("W-1"), "a.one blocked: ");
    assert_eq!(
        world.look("W-2"),
        "b.two enabled: All Staff, Security Reader, sg-security"
    );
    assert_eq!(world.touched("W-2"), already, "not one of the steps");
    assert_eq!(world.look("W-3"), "c.three blocked: ");
    assert!(world.look("W-4").contains("enabled"));
    assert_eq!(report.totals().open, 1);
    assert!(
        report
            .people
            .iter()
            .any(|run| matches!(run.ending, Ending::Refused(_)))
    );
}

#[tokio::test]
async fn the_last_holder_keeps_the_role_that_policy_takes_away() {
    let world = licensed();
    world.hear(&["W-1 A One Security"]).await;
    world.keep(1, &["W-1"]);
    world.hear(&["W-1 A One Sales"]).await;
    world.clock.advance(SignedDuration::from_hours(15 * 24));
    let report = world.run().await;
    assert!(
        report
            .people
            .iter()
            .any(|run| matches!(run.ending, Ending::Refused(_))),
        "{report:?}"
    );
    assert!(world.look("W-1").contains("Security Reader"));
    // Where nobody knows who else holds it, it is taken from nobody.
    let world = licensed();
    world.hear(&["W-1 A One Security", "W-2 B Two Security"]).await;
    world.keep(1, &["W-1", "W-2"]);
    world
        .target
        .change_catalog(|catalog| catalog.keep[0].holders = None);
    world.hear(&["W-1 A One Security status=gone"]).await;
    assert!(world.look("W-1").contains("enabled"));
}

#[tokio::test]
async fn a_holder_who_leaves_during_a_run_is_held_by_the_executor() {
    let world = licensed();
    world.hear(&["W-1 A One Security", "W-2 B Two Security"]).await;
    world.keep(1, &["W-1", "W-2"]);
    world.tell(&["W-1 A One Security status=gone"]).await;
    let (journal, clock) = (world.journal.clone(), world.clock.clone());
    let mut told = false;
    world.moody.temper(move |_| {
        if !std::mem::replace(&mut told, true) {
            let gone = person("W-2 B Two Security status=gone");
            let latest = futures::executor::block_on(journal.accepted(std::slice::from_ref(&gone.key)));
            let now = crate::clock::Clock::now(&clock);
            let event = Event::observed(latest.unwrap()[0].as_ref(), &gone, now).unwrap();
            futures::executor::block_on(journal.append(&[event])).unwrap();
        }
        None
    });
    world.run().await;
    assert_eq!(world.look("W-1"), "a.one blocked: ");
    assert_eq!(
        world.look("W-2"),
        "b.two enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn the_account_that_the_platform_runs_as_is_not_touched() {
    let world = licensed();
    world.hear(&["W-1 A One Sales", "W-2 B Two Sales"]).await;
    let own = world.account("W-1").to_lowercase();
    world.target.change_catalog(|catalog| {
        catalog.own.insert(own);
    });
    let already = world.touched("W-1");
    let report = world
        .hear(&["W-1 A One Sales status=gone", "W-2 B Two Sales status=gone"])
        .await;
    assert_eq!(world.touched("W-1"), already);
    assert!(world.look("W-1").contains("enabled"));
    assert_eq!(world.look("W-2"), "b.two blocked: ");
    let refused = report.people.iter().find_map(|run| match &run.ending {
        Ending::Refused(why) => Some(why.as_str()),
        _ => None,
    });
    assert!(
        refused.is_some_and(|why| why.contains("platform itself runs as")),
        "{refused:?}"
    );
}

/// Plans a block for one account, whatever it is told.
#[derive(Debug)]
struct Reckless(String);

#[async_trait::async_trait]
impl Orchestrator for Reckless {
    async fn on_event(&self, event: &Event, state: &PersonState, _: &Context<'_>) -> Result<Decision> {
        let mut plan = Plan::empty(&event.person);
        let target = TargetId::new("graph");
        let step = Step::new(
            &target,
            &event.person,
            Some(&self.0),
            Action::BlockSignIn,
            "why not",
        );
        plan.steps.push(step);
        Ok(Decision {
            plan,
            timers: Vec::new(),
            state: state.clone(),
            waiting: Vec::new(),
            lacking: Vec::new(),
            hold: None,
        })
    }
}

#[tokio::test]
async fn whoever_plans_a_protected_account_is_not_touched() {
    for (protected, via) in [
        ("role:Security Reader", "W-1"),
        ("a.one@contoso.example", "W-1"),
        ("id:account-1", "W-1"),
        // The plan is for somebody else, and the step all the same for the protected account.
        ("id:account-1", "W-2"),
    ] {
        let world = licensed();
        world.hear(&["W-1 A One Security", "W-2 B Two Sales"]).await;
        let account = world.account("W-1");
        let policy = POLICY.replace(
            "break-glass@contoso.example",
            &protected.replace("account-1", &account),
        );
        let policy = Arc::new(Document::parse(&policy).unwrap());
        let engine = Engine::builder(Arc::new(world.mortal.clone()), policy)
            .target(Arc::new(world.moody.clone()))
            .orchestrator(Arc::new(Reckless(account)))
            .clock(Arc::new(world.clock.clone()))
            .build();
        world.moody.temper(|_| Some(Mood::Vain));
        let already = world.moody.applied.lock().unwrap().len();
        world
            .tell(&[if via == "W-1" {
                "W-1 A One Sales"
            } else {
                "W-2 B Two Security"
            }])
            .await;
        let report = engine.run(&|_| {}).await.unwrap();
        assert_eq!(
            world.moody.applied.lock().unwrap().len(),
            already,
            "{protected} by {via}"
        );
        assert!(world.look("W-1").contains("enabled"));
        assert_eq!(report.totals().failed, 1, "{protected} by {via}: {report:?}");
    }
}
