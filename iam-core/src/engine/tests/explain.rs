//! Why somebody holds something, why not, and where accounts have drifted.

use super::*;
use crate::entitlement::{Reference, Unread};
use crate::plan::{Action, Drift, Holding};

fn group(name: &str) -> Reference {
    Reference::new(Kind::Group, name)
}

impl World {
    async fn why(&self, id: &str, what: &Reference) -> Why {
        let before = self.target.accounts();
        let why = self.engine.why(&PersonKey::new(id), what).await.unwrap();
        assert_eq!(self.target.accounts(), before, "asking changes nothing");
        why
    }

    async fn why_not(&self, id: &str, what: &Reference) -> WhyNot {
        self.engine.why_not(&PersonKey::new(id), what).await.unwrap()
    }

    async fn obstacles(&self, id: &str, what: &Reference) -> Vec<Obstacle> {
        self.why_not(id, what).await.obstacles
    }

    async fn drifts(&self) -> Vec<PersonDrift> {
        let mut all = Vec::new();
        self.engine.drift(|person| all.push(person)).await.unwrap();
        all
    }

    async fn holds(&self, id: &str, name: &str) -> Entitlement {
        let catalog = self.target.catalog().await.unwrap();
        let mut items = catalog.items.into_iter().map(|item| item.entitlement);
        let what = items.find(|what| what.name == name).unwrap();
        assert!(self.of(id)[0].holds(&what));
        what
    }
}

#[tokio::test]
async fn why_names_rule_policy_event_and_what_would_take_it_away() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Security last=2027-03-31 zone=Australia/Sydney"])
        .await;
    let why = world.why("W-1", &group("sg-security")).await;
    assert_eq!(why.held, [Holding::Ours]);
    let owned = why.granted.clone().unwrap();
    assert_eq!(owned.rules, ["security"]);
    assert_eq!(owned.policy, world.policy.fingerprint()[..16]);
    assert_eq!(owned.since, "2026-11-24T09:00:00Z".parse().unwrap());
    let origin = why.origin.clone().unwrap();
    assert_eq!((origin.event, origin.kind), (owned.event, Some("join")));
    // The last day ends at midnight in Sydney.
    let until = why.until.clone().unwrap();
    assert_eq!(until.at, "2027-03-31T13:00:00Z".parse().unwrap());
    let text = why.to_string();
    for part in [
        "W-1 holds group sg-security at graph: given by the platform",
        "Since 2026-11-24T09:00:00Z by security of policy ",
        "(join)",
        r#"person.department == "Security" is true"#,
        "kept for 14 days",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("Tanaka") && !text.contains("mei"), "{text}");
    let json = serde_json::to_value(&why).unwrap();
    assert_eq!(json["granted"]["rules"][0], "security");
    assert_eq!(json["held"][0]["how"], "ours");
}

#[tokio::test]
async fn a_grace_that_runs_tells_its_end_and_the_policy_that_granted() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let edited = POLICY.replace(
        "[joiner]",
        "[[rule]]\nid = \"new\"\nwhen = 'false'\ngroups = [\"sg-chief\"]\n[joiner]",
    );
    let edited = Arc::new(Document::parse(&edited).unwrap());
    let engine = world.engine_with(edited.clone());
    let why = engine
        .why(&PersonKey::new("W-1"), &group("sg-security"))
        .await
        .unwrap();
    assert_eq!(
        why.until.clone().unwrap().at,
        "2026-12-08T09:00:00Z".parse().unwrap()
    );
    assert!(!why.policy.is_granted());
    assert_eq!(why.policy.policy, edited.fingerprint());
    assert_eq!(why.granted.unwrap().policy, world.policy.fingerprint()[..16]);
}

#[tokio::test]
async fn what_somebody_else_gave_is_told_apart_and_an_entitlement_may_be_asked_about() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let what = world.holds("W-1", "by hand").await;
    let why = world.why("W-1", &Reference::from(&what)).await;
    assert_eq!(why.held, [Holding::Foreign]);
    assert_eq!((&why.granted, &why.origin, &why.until), (&None, &None, &None));
    assert!(why.to_string().contains("not given by the platform"), "{why}");
    // Somebody took what the platform gave: remembered, and not held.
    let ours = world.holds("W-1", "sg-security").await;
    let revoke = Action::Revoke {
        entitlement: ours,
        assignment: None,
    };
    world.meddle("W-1", revoke).await;
    let why = world.why("W-1", &group("sg-security")).await;
    assert!(!why.is_held() && why.granted.is_some());
    assert!(
        why.to_string().contains("Somebody else has taken it away"),
        "{why}"
    );
    world.target.set_unread([Unread::all_of(Kind::Group, "refused")]);
    let why = world.why("W-1", &group("sg-security")).await;
    assert_eq!(why.unread.len(), 1, "{why}");
}

#[tokio::test]
async fn why_not_names_the_nearest_condition_the_phase_and_what_holds_it_back() {
    let world = world();
    world
        .hear(&[
            "W-1 Mei Tanaka Sales",
            "W-2 Bo Ek Security hire=2026-12-01",
            "W-3 Cy Om Security hire=2027-06-01",
            "W-4 Di Po Security status=gone",
        ])
        .await;
    let not = world.why_not("W-1", &group("sg-security")).await;
    assert_eq!(not.obstacles, [Obstacle::NoRule]);
    let text = not.to_string();
    assert!(
        text.contains(r#"person.department == "Security" is false"#),
        "{text}"
    );
    assert!(!text.contains("Sales") && !text.contains("Tanaka"), "{text}");
    let not = world.why_not("W-1", &group("sg-securty")).await;
    assert!(matches!(not.obstacles[0], Obstacle::Tenant { .. }), "{not}");
    assert!(not.to_string().contains("Did you mean \"sg-security\""), "{not}");
    let role = Reference::new(Kind::Role, "Security Reader");
    let start = "2026-12-01T00:00:00Z".parse().ok();
    assert_eq!(
        world.obstacles("W-2", &role).await,
        [Obstacle::NotBeforeTheFirstDay { until: start }]
    );
    let start = "2027-06-01T00:00:00Z".parse().ok();
    assert_eq!(
        world.obstacles("W-3", &role).await,
        [Obstacle::NotStarted { until: start }]
    );
    let left = world.obstacles("W-4", &role).await;
    assert!(matches!(left[0], Obstacle::Left { since: Some(_) }), "{left:?}");
    let held = world.why_not("W-1", &group("sg-sales")).await;
    assert_eq!(
        (held.held.as_slice(), held.obstacles.as_slice()),
        (&[Holding::Ours][..], &[][..])
    );
    let nobody = world.engine.why(&PersonKey::new("W-9"), &role).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn why_not_tells_a_hold_a_guard_a_wait_and_what_nobody_asked_for_yet() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.tell(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(
        world.obstacles("W-1", &group("sg-sales")).await,
        [Obstacle::Planned]
    );
    world.run().await;
    world
        .hear(&["W-5 A B Sales", "W-6 A B Sales", "W-7 A B Sales"])
        .await;
    let sales = world.holds("W-1", "sg-sales").await;
    let revoke = Action::Revoke {
        entitlement: sales,
        assignment: None,
    };
    world.meddle("W-1", revoke).await;
    assert_eq!(
        world.obstacles("W-1", &group("sg-sales")).await,
        [Obstacle::NotDue]
    );
    // Three leavers are over the limit of two: the guard refuses the whole, and W-1 with it.
    world
        .tell(&[
            "W-5 A B Sales status=gone",
            "W-6 A B Sales status=gone",
            "W-7 A B Sales status=gone",
            "W-1 Mei Tanaka Sales title=Head",
        ])
        .await;
    let guard = world.obstacles("W-1", &group("sg-heads")).await;
    assert!(
        matches!(&guard[..], [Obstacle::Guard { why }] if why.contains("leavers")),
        "{guard:?}"
    );
    // A run freezes the plan: it is named, and who may not release it.
    assert!(world.engine.run(&|_| {}).await.is_err());
    let hash = world.engine.frozen().await.unwrap().unwrap().hash;
    let frozen = world.why_not("W-1", &group("sg-heads")).await.to_string();
    for part in [
        hash.as_str(),
        "somebody other than the platform releases it",
        "leavers",
    ] {
        assert!(frozen.contains(part), "{frozen}");
    }
    world
        .engine
        .release(&hash, "bob", "the site closes")
        .await
        .unwrap();
    let released = world.obstacles("W-1", &group("sg-heads")).await;
    assert!(
        matches!(&released[..], [Obstacle::Frozen { released_by: Some(by), .. }] if by == "bob"),
        "{released:?}"
    );
    // What is planned anew is another plan.
    world.tell(&["W-1 Mei Tanaka Sales title=Header"]).await;
    world.tell(&["W-4 Cy Oh Sales"]).await;
    let guard = world.obstacles("W-1", &group("sg-heads")).await;
    assert!(matches!(&guard[..], [Obstacle::Guard { .. }]), "{guard:?}");
    // Nothing is known of the title: a rule cannot be evaluated.
    let world = super::world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Security title=none"]).await;
    let held = world.obstacles("W-1", &group("sg-security")).await;
    assert!(
        matches!(&held[0], Obstacle::Held { why } if why.contains("title")),
        "{held:?}"
    );
    assert!(
        held.iter().any(|why| matches!(why, Obstacle::SetAside { .. })),
        "{held:?}"
    );
    world.target.set_unread([Unread::all_of(Kind::Group, "refused")]);
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let unread = world.obstacles("W-1", &group("sg-security")).await;
    assert!(
        unread.iter().any(|why| matches!(why, Obstacle::Unread { .. })),
        "{unread:?}"
    );
}

#[tokio::test]
async fn drift_tells_ours_foreign_unknown_and_attributes_and_changes_nothing() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales", "W-3 Cy Om Sales"])
        .await;
    assert_eq!(world.drifts().await, []);
    world.give("W-1", "by hand").await;
    // By hand, and a rule asks for it: nobody's drift.
    world.give("W-2", "sg-security").await;
    world.hear(&["W-2 Bo Ek Security"]).await;
    let ours = world.holds("W-1", "sg-security").await;
    let revoke = Action::Revoke {
        entitlement: ours.clone(),
        assignment: None,
    };
    world.meddle("W-1", revoke).await;
    let change = crate::plan::Change {
        before: None,
        after: "Kitchen".to_owned(),
    };
    let update = Action::UpdateAccount {
        changes: [(crate::entitlement::Attribute::Department, change)].into(),
    };
    world.meddle("W-1", update).await;
    let strange = Entitlement {
        name: "gone from the catalogue".to_owned(),
        id: "strange".to_owned(),
        ..ours.clone()
    };
    world.meddle("W-1", Action::grant(strange.clone())).await;
    world.meddle("W-3", Action::BlockSignIn).await;
    let before = world.target.accounts();
    let found = world.drifts().await;
    assert_eq!(world.target.accounts(), before);
    let keys: Vec<&str> = found.iter().map(|person| person.person.as_str()).collect();
    assert_eq!(keys, ["W-1"], "{found:?}");
    let found: Vec<&Drift> = found[0].found.iter().map(|(_, drift)| drift).collect();
    let missing = Drift::Missing {
        entitlement: ours,
        rules: vec!["security".to_owned()],
        asked: true,
    };
    let attribute = Drift::Attribute {
        attribute: crate::entitlement::Attribute::Department,
    };
    assert!(
        found.contains(&&missing) && found.contains(&&attribute),
        "{found:?}"
    );
    assert!(
        found.contains(&&Drift::Unknown { entitlement: strange }),
        "{found:?}"
    );
    assert!(
        matches!(found.iter().find(|drift| matches!(drift, Drift::Foreign { .. })),
        Some(Drift::Foreign { entitlement, privileged: false }) if entitlement.name == "by hand")
    );
    assert_eq!(found.len(), 4, "{found:?}");
}

#[tokio::test]
async fn drift_looks_at_everybody_and_says_what_it_could_not_compare() {
    let world = world();
    let people: Vec<String> = (0..130)
        .map(|number| format!("P-{number:03} A B Sales"))
        .collect();
    world
        .hear(&people.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    for id in ["P-000", "P-059", "P-060", "P-129"] {
        world.give(id, "by hand").await;
    }
    let mut found = Vec::new();
    let totals = world
        .engine
        .drift(|person| found.push(person.person))
        .await
        .unwrap();
    assert_eq!((totals.people, totals.differ, totals.unknown), (130, 4, 0));
    assert_eq!(found, ["P-000", "P-059", "P-060", "P-129"].map(PersonKey::new));
    // What cannot be read is neither missing nor foreign.
    world.target.set_unread([Unread::all_of(Kind::Group, "refused")]);
    let one = world.engine.drift_of(&PersonKey::new("P-000")).await.unwrap();
    assert_eq!((one.found.len(), one.unknown.len()), (0, 1), "{one}");
}

#[tokio::test]
async fn a_revert_brings_one_person_back_and_takes_only_what_is_named() {
    let world = world();
    world
        .hear(&["W-1 Mei Tanaka Security", "W-2 Bo Ek Security"])
        .await;
    for id in ["W-1", "W-2"] {
        let ours = world.holds(id, "sg-security").await;
        let revoke = Action::Revoke {
            entitlement: ours,
            assignment: None,
        };
        world.meddle(id, revoke).await;
        world.give(id, "by hand").await;
        world.give(id, "sg-chief").await;
    }
    let key = PersonKey::new("W-1");
    let by_hand = world.holds("W-1", "by hand").await;
    let ours = world.holds("W-1", "All Staff").await;
    let drifted = world.look("W-2");
    let nobody = world.engine.revert(&key, " ", "", &[]).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::Invalid);
    // What the platform gave is not taken by naming it.
    let id = world
        .engine
        .revert(&key, "W-900", "ticket 17", &[by_hand, ours])
        .await
        .unwrap();
    let preview = world.engine.plan().await.unwrap();
    assert_eq!(preview.steps(), 2, "{preview:?}");
    world.run().await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-chief, sg-security"
    );
    assert_eq!(world.look("W-2"), drifted, "nobody asked for W-2");
    let timeline = world.engine.timeline(&key).await.unwrap();
    let entry = timeline.iter().find(|entry| entry.event.id == id).unwrap();
    let crate::event::EventKind::Revert { by, reason, .. } = &entry.event.kind else {
        panic!("{entry:?}")
    };
    assert_eq!((by.as_str(), reason.as_str()), ("W-900", "ticket 17"));
    assert_eq!(entry.state, EventState::Done);
}
