//! Two people with one name: who gets which follows from the order of acceptance, whoever is answered first.

use std::collections::BTreeMap;

use super::*;
use crate::error::Result;
use crate::journal::PersonState;
use crate::orchestrator::{Context, Decision};

/// Decides about some people later than about others.
#[derive(Debug)]
struct Slow {
    inner: Lifecycle,
    /// How many turns the others get first, by person.
    turns: Arc<std::sync::Mutex<BTreeMap<String, usize>>>,
}

#[async_trait::async_trait]
impl Orchestrator for Slow {
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision> {
        let turns = self.turns.lock().unwrap().get(event.person.as_str()).copied();
        for _ in 0..turns.unwrap_or(0) {
            tokio::task::yield_now().await;
        }
        self.inner.on_event(event, state, cx).await
    }
}

/// Everybody's name of a preview.
fn planned(preview: &Preview) -> BTreeMap<String, String> {
    let steps = preview.people.iter().flat_map(|person| &person.plan.steps);
    let created = steps.filter_map(|step| match &step.action {
        crate::plan::Action::CreateAccount { name, .. } => Some((step.person.to_string(), name.clone())),
        _ => None,
    });
    created.collect()
}

#[tokio::test]
async fn names_are_given_out_in_the_order_of_acceptance_whoever_is_decided_first() {
    let people = [
        "W-5 Sofia Hernandez Sales",
        "W-3 Sofia Hernandez Sales",
        "W-4 Sofia Hernandez2 Sales",
        "W-1 Sofia Hernandez Sales",
        "W-2 Ada Ng Sales",
    ];
    let expected: BTreeMap<String, String> = [
        ("W-5", "sofia.hernandez"),
        ("W-3", "sofia.hernandez2"),
        // Somebody's first choice may be somebody else's second.
        ("W-4", "sofia.hernandez22"),
        ("W-1", "sofia.hernandez3"),
        ("W-2", "ada.ng"),
    ]
    .map(|(id, name)| (id.to_owned(), format!("{name}@contoso.example")))
    .into();
    let ids = ["W-5", "W-3", "W-4", "W-1"];
    for late in 0..ids.len() {
        for concurrency in [2, 16] {
            let world = world();
            let turns = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
            let slow = Slow {
                inner: Lifecycle::new(world.policy.clone()),
                turns: turns.clone(),
            };
            let engine = Engine::builder(Arc::new(world.mortal.clone()), world.policy.clone())
                .target(Arc::new(world.moody.clone()))
                .orchestrator(Arc::new(slow))
                .clock(Arc::new(world.clock.clone()))
                .concurrency(concurrency)
                .build();
            engine.accept(people.map(person)).await.unwrap();
            assert_eq!(planned(&engine.plan().await.unwrap()), expected, "in their order");
            turns.lock().unwrap().insert(ids[late].to_owned(), 50);
            let preview = engine.plan().await.unwrap();
            assert_eq!(planned(&preview), expected, "{} is late", ids[late]);
            let shown: Vec<&str> = preview
                .people
                .iter()
                .map(|person| person.person.as_str())
                .collect();
            assert_eq!(
                shown,
                ["W-5", "W-3", "W-4", "W-1", "W-2"],
                "{} is late",
                ids[late]
            );
            turns.lock().unwrap().clear();
            turns.lock().unwrap().insert(ids[(late + 1) % 4].to_owned(), 50);
            engine.run(&|_| {}).await.unwrap();
            let given: BTreeMap<String, String> = expected
                .keys()
                .map(|id| (id.clone(), world.of(id).remove(0).account.unwrap().name))
                .collect();
            assert_eq!(given, expected, "{} is late", ids[(late + 1) % 4]);
        }
    }
}

#[tokio::test]
async fn a_name_of_an_earlier_batch_is_nobody_s_choice() {
    let world = world();
    let mut people: Vec<String> = (1..=70).map(|n| format!("W-{n} Given{n} Family Sales")).collect();
    for same in [3, 66, 67, 68] {
        people[same] = format!("W-{} Ada Ng Sales", same + 1);
    }
    world
        .engine
        .accept(people.iter().map(|text| person(text)))
        .await
        .unwrap();
    let shown = planned(&world.engine.plan().await.unwrap());
    world.run().await;
    for (id, name) in [
        ("W-4", "ada.ng"),
        ("W-67", "ada.ng2"),
        ("W-68", "ada.ng3"),
        ("W-69", "ada.ng4"),
    ] {
        assert_eq!(shown[id], format!("{name}@contoso.example"));
        assert_eq!(world.of(id).remove(0).account.unwrap().name, shown[id]);
    }
}

#[tokio::test]
async fn who_fails_or_needs_no_name_keeps_nobody_waiting() {
    let world = world();
    world.hear(&["W-1 Ada Ng Sales"]).await;
    // A leaver, somebody whom policy cannot be evaluated for, a mover; and behind them, two with one name.
    world
        .tell(&[
            "W-2 Bo Ek Sales title=none",
            "W-1 Ada Ng Security",
            "W-3 Mei Tanaka Sales",
            "W-4 Mei Tanaka Sales",
        ])
        .await;
    world.moody.fail(
        "W-1 grant",
        1,
        super::doors::Mood::Refuses(ErrorKind::Unavailable),
    );
    let report = world.run().await;
    let held = |run: &&PersonRun| matches!(run.ending, Ending::Held(_));
    assert_eq!(report.people.iter().filter(held).count(), 1, "{report:?}");
    assert!(world.look("W-3").starts_with("mei.tanaka enabled"));
    assert!(world.look("W-4").starts_with("mei.tanaka2 enabled"));
}
