//! The evidence pack, and what was and will be.

use super::*;
use crate::entitlement::Unread;
use crate::journal::Outcome;
use crate::plan::Action;
use crate::plan::Phase;

impl World {
    async fn evidence(&self, id: &str) -> Evidence {
        self.engine.evidence(&PersonKey::new(id)).await.unwrap()
    }
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn evidence_tells_what_was_held_on_the_last_day_and_when_each_was_removed() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales zone=Australia/Sydney"]).await;
    world.at("2026-11-25T00:00:00Z").await;
    world
        .hear(&["W-1 Mei Tanaka Security zone=Australia/Sydney"])
        .await;
    world.give("W-1", "by hand").await;
    world
        .hear(&["W-1 Mei Tanaka Security last=2026-12-31 zone=Australia/Sydney"])
        .await;
    let during = world.evidence("W-1").await;
    assert_eq!((during.left_at, during.on_last_day().count()), (None, 0));
    world.until("2026-12-31T13:00:00Z").await;
    let before = world.target.accounts();
    let evidence = world.evidence("W-1").await;
    assert_eq!(world.target.accounts(), before);
    let left = instant("2026-12-31T13:00:00Z");
    assert_eq!(evidence.left_at, Some(left));
    assert_eq!(evidence.last_day, "2026-12-31".parse().ok());
    let mut held: Vec<(&str, Option<Timestamp>, Option<Timestamp>)> = evidence
        .on_last_day()
        .map(|held| (held.entitlement.name.as_str(), held.given_at, held.removed_at))
        .collect();
    held.sort_unstable();
    let (join, moved) = (instant("2026-11-24T09:00:00Z"), instant("2026-11-25T00:00:00Z"));
    assert_eq!(
        held,
        [
            ("All Staff", Some(join), Some(left)),
            ("Security Reader", Some(moved), Some(left)),
            ("by hand", None, Some(left)),
            ("sg-security", Some(moved), Some(left)),
        ]
    );
    // What went before the last day is there, and is not said of it.
    let sales = evidence
        .held
        .iter()
        .find(|held| held.entitlement.name == "sg-sales");
    let sales = sales.unwrap();
    assert_eq!((sales.removed_at, sales.on_last_day), (Some(moved), Some(false)));
    let block = evidence
        .deeds
        .iter()
        .find(|deed| deed.action == "block_sign_in")
        .unwrap();
    assert_eq!(
        (block.at, &block.outcome),
        (Some(left), &Some(Outcome::Done { account: None }))
    );
    assert!(evidence.events.iter().any(|heard| heard.kind == "last day over"));
    assert!(evidence.unknown.is_empty(), "{:?}", evidence.unknown);
    let json = serde_json::to_string(&evidence).unwrap();
    let text = evidence.to_string();
    assert!(text.contains("group sg-security at graph, given at 2026-11-25T00:00:00Z, held on the last day, removed at 2026-12-31T13:00:00Z"), "{text}");
    for shown in [json.to_lowercase(), text.to_lowercase()] {
        assert!(!shown.contains("tanaka") && !shown.contains("mei"), "{shown}");
    }
}

#[tokio::test]
async fn evidence_says_what_is_not_known() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let catalog = world.target.catalog().await.unwrap();
    let mut items = catalog.items.iter().map(|item| item.entitlement.clone());
    let ours = items.find(|what| what.name == "sg-security").unwrap();
    let revoke = Action::Revoke {
        entitlement: ours.clone(),
        assignment: None,
    };
    world.meddle("W-1", revoke).await;
    let evidence = world.evidence("W-1").await;
    let taken = evidence
        .held
        .iter()
        .find(|held| held.entitlement == ours)
        .unwrap();
    assert_eq!(
        (taken.held_now, taken.removed_at, taken.on_last_day),
        (Some(false), None, None)
    );
    assert_eq!(
        evidence.unknown,
        ["when group sg-security was taken, and by whom: not by the platform"]
    );
    world.target.set_unread([Unread::all_of(Kind::Group, "refused")]);
    let evidence = world.evidence("W-1").await;
    let taken = evidence
        .held
        .iter()
        .find(|held| held.entitlement == ours)
        .unwrap();
    assert_eq!(taken.held_now, None);
    world.target.set_down(true);
    let evidence = world.evidence("W-1").await;
    assert!(
        evidence.unknown[0].contains("the directory cannot be read"),
        "{evidence}"
    );
    assert!(
        evidence
            .held
            .iter()
            .all(|held| held.held_now.is_none() && held.given_at.is_some())
    );
    let nobody = world.engine.evidence(&PersonKey::new("W-9")).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_to_come_is_played_and_comes_so() {
    let world = world();
    world
        .hear(&[
            "W-1 Freya Lindholm Security hire=2027-03-03 last=2027-06-30 zone=Europe/Berlin",
            "W-2 Bo Ek Security",
        ])
        .await;
    world.hear(&["W-2 Bo Ek Sales"]).await;
    let before = world.target.accounts();
    let AsOf::Future(moments) = world
        .engine
        .plan_as_of(instant("2027-08-15T00:00:00Z"))
        .await
        .unwrap()
    else {
        panic!("it is to come")
    };
    assert_eq!(world.target.accounts(), before);
    let foretold: Vec<(Timestamp, String)> = moments
        .iter()
        .flat_map(|moment| moment.people.iter().map(move |plan| (moment.at, plan)))
        .flat_map(|(at, plan)| {
            plan.plan
                .steps
                .iter()
                .map(move |step| (at, format!("{} {}", step.person, step.id)))
        })
        .collect();
    let at = |id: &str, step: &str| {
        let found = foretold
            .iter()
            .find(|(_, known)| known.starts_with(&format!("{id} {step}")));
        found.map(|(at, _)| at.to_string())
    };
    assert_eq!(
        at("W-2", "revoke:group:id of sg-security").as_deref(),
        Some("2026-12-08T09:00:00Z")
    );
    assert_eq!(
        at("W-1", "create_account").as_deref(),
        Some("2027-02-16T23:00:00Z")
    );
    assert_eq!(
        at("W-1", "allow_sign_in").as_deref(),
        Some("2027-03-02T23:00:00Z")
    );
    assert_eq!(
        at("W-1", "block_sign_in").as_deref(),
        Some("2027-06-30T22:00:00Z")
    );
    assert_eq!(
        at("W-1", "delete_account").as_deref(),
        Some("2027-07-30T22:00:00Z")
    );
    // And so it comes: the same steps, at the same instants.
    let mut came: Vec<(Timestamp, String)> = Vec::new();
    while let Some(due) = world.engine.next_due().await.unwrap() {
        if due > instant("2027-08-15T00:00:00Z") {
            break;
        }
        for run in world.at(&due.to_string()).await.people {
            came.extend(
                run.outcomes
                    .iter()
                    .map(|(step, _)| (due, format!("{} {}", step.person, step.id))),
            );
        }
    }
    assert_eq!(foretold, came);
}

#[tokio::test]
async fn what_is_over_is_told_by_the_records_of_then() {
    let world = world();
    world
        .hear(&["W-1 Ada Ng Sales title=Chief", "W-2 Bo Ek Sales manager=W-1"])
        .await;
    world.at("2026-11-25T09:00:00Z").await;
    world
        .hear(&["W-1 Ada Ng Sales title=Clerk", "W-2 Bo Ek Security manager=W-1"])
        .await;
    world.at("2026-11-26T09:00:00Z").await;
    world.hear(&["W-2 Bo Ek Security manager=W-1 status=gone"]).await;
    let known = async |at: &str| {
        let AsOf::Past(known) = world.engine.plan_as_of(instant(at)).await.unwrap() else {
            panic!("it is over")
        };
        let said = known.into_iter().map(|known| {
            let grants = known.grants.unwrap();
            let names: Vec<String> = grants.iter().map(|grant| grant.what.name.clone()).collect();
            (known.person.to_string(), known.phase.unwrap(), names.join(" "))
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(known("2026-11-24T08:59:59Z").await, []);
    let first = known("2026-11-25T08:59:59Z").await;
    assert_eq!(
        first[1],
        ("W-2".into(), Phase::Active, "All Staff sg-sales sg-chief".into())
    );
    // The manager is not the chief any more.
    let second = known("2026-11-25T09:00:00Z").await;
    assert_eq!(
        second[1],
        (
            "W-2".into(),
            Phase::Active,
            "All Staff sg-security Security Reader".into()
        )
    );
    world.clock.advance(SignedDuration::from_hours(1));
    let last = known("2026-11-26T09:00:00Z").await;
    assert_eq!(last[1], ("W-2".into(), Phase::Gone, String::new()));
}
