//! What a target would not tell: a leaver does not wait for it, nobody else is touched by it.

use super::*;
use crate::entitlement::Unread;

const TOLD: &str = "[leaver]\nnotify = [\"hr\"]\n";

fn told() -> World {
    let policy = POLICY.replace("[leaver]\n", TOLD);
    let policy =
        format!("{policy}\n[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n");
    world_of(&policy)
}

impl World {
    /// Somebody at work in Security, with a role that may be activated, given by hand.
    async fn with_eligible(world: World) -> World {
        world.hear(&["W-1 Mei Tanaka Security"]).await;
        world.make_eligible().await;
        world
    }

    async fn make_eligible(&self) {
        let role = Entitlement {
            target: TargetId::new("graph"),
            kind: Kind::Role,
            id: "eligible:admin".into(),
            name: "Admin (eligible)".into(),
        };
        self.meddle("W-1", crate::plan::Action::grant(role)).await;
        self.refuse_eligible();
    }

    fn refuse_eligible(&self) {
        self.target.set_unread([Unread::part_of(
            Kind::Role,
            "eligible",
            "list eligible roles: refused",
        )]);
    }
}

/// An account that somebody deletes while it is read is about one person alone.
#[tokio::test]
async fn who_is_gone_between_two_looks_keeps_nobody_else_waiting() {
    let world = world();
    let people = ["W-1 A One Sales", "W-2 B Two Sales", "W-3 C Three Sales"];
    world.hear(&people).await;
    let journal: std::sync::Arc<dyn crate::journal::Journal> = std::sync::Arc::new(world.journal.clone());
    let target = super::slow::Slow::around(&world, 0);
    let engine = super::slow::process(&world, &journal, &target);
    *target.gone.lock().unwrap() = Some(world.account("W-2"));
    world
        .tell(
            &people
                .map(|text| text.replace("Sales", "Security"))
                .each_ref()
                .map(String::as_str),
        )
        .await;
    let report = engine.run(&|_| {}).await.unwrap();
    let ending = |id: &str| {
        let run = report
            .people
            .iter()
            .find(|run| run.person.as_str() == id)
            .unwrap();
        run.ending.clone()
    };
    assert_eq!((ending("W-1"), ending("W-3")), (Ending::Done, Ending::Done));
    let Ending::Retry(_, why) = ending("W-2") else {
        panic!("{report:?}")
    };
    assert!(why.contains("no such account"), "{why}");
    assert!(
        world.look("W-2").contains("sg-sales"),
        "nothing was taken: {}",
        world.look("W-2")
    );
    *target.gone.lock().unwrap() = None;
    world.clock.advance(SignedDuration::from_mins(1));
    engine.run(&|_| {}).await.unwrap();
    assert!(world.look("W-2").contains("sg-security"), "{}", world.look("W-2"));
}

fn waits_for<'a>(report: &'a RunReport, what: &str) -> &'a str {
    let Ending::Retry(_, why) = &report.people[0].ending else {
        panic!("{report:?}")
    };
    assert!(why.contains(what), "{why}");
    why
}

#[tokio::test]
async fn a_leaver_loses_what_is_known_at_once_and_the_rest_once_it_is_told() {
    let world = World::with_eligible(told()).await;
    let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: Admin (eligible)");
    let why = waits_for(&report, "list eligible roles: refused");
    assert!(why.contains("the rest is taken"), "{why}");
    assert!(world.notices.take().is_empty(), "it is not over");
    // Again and again, and no step is repeated meanwhile.
    let applied = world.moody.applied.lock().unwrap().len();
    world.until("2026-11-24T13:00:00Z").await;
    assert_eq!(world.moody.applied.lock().unwrap().len(), applied);
    let state = world
        .engine
        .person(&PersonKey::new("W-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.left_at, Some("2026-11-24T09:00:00Z".parse().unwrap()));
    world.target.set_unread([]);
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert_eq!(world.notices.take(), ["Mei Tanaka has left"]);
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn that_somebody_has_left_is_told_even_where_the_rest_was_nothing() {
    let world = told();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.refuse_eligible();
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert!(world.notices.take().is_empty());
    world.target.set_unread([]);
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.notices.take(), ["Mei Tanaka has left"]);
    world.until("2026-11-27T09:00:00Z").await;
    assert!(world.notices.take().is_empty(), "once");
}

#[tokio::test]
async fn a_crash_between_any_two_writes_tells_once_that_somebody_has_left() {
    for writes in 0..40 {
        let world = World::with_eligible(told()).await;
        world.tell(&["W-1 Mei Tanaka Security status=gone"]).await;
        world.mortal.dies_after(writes);
        let died = world.engine.run(&|_| {}).await.is_err();
        world.mortal.revive();
        world.run().await;
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka blocked: Admin (eligible)",
            "{writes}"
        );
        assert!(world.notices.take().is_empty(), "{writes}");
        world.target.set_unread([]);
        world.until("2026-11-25T09:00:00Z").await;
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{writes}");
        assert_eq!(world.notices.take(), ["Mei Tanaka has left"], "{writes}");
        if !died {
            return;
        }
    }
    panic!("no life was long enough");
}

#[tokio::test]
async fn a_mover_is_held_and_loses_and_gets_nothing() {
    let world = World::with_eligible(told()).await;
    let before = world.look("W-1");
    let ledger = async || {
        let state = world
            .engine
            .person(&PersonKey::new("W-1"))
            .await
            .unwrap()
            .unwrap();
        state
            .ledger
            .into_iter()
            .map(|owned| owned.entitlement.name)
            .collect::<Vec<_>>()
    };
    let owned = ledger().await;
    let report = world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let why = waits_for(&report, "eligible role");
    assert!(why.contains("nothing is given or taken there"), "{why}");
    // Long beyond every grace.
    world.until("2027-01-24T09:00:00Z").await;
    assert_eq!((world.look("W-1"), ledger().await), (before, owned));
    let department = world.of("W-1")[0].account.clone().unwrap().attributes
        [&crate::entitlement::Attribute::Department]
        .clone();
    assert_eq!(department, "Security", "dynamic groups hang on it");
    world.target.set_unread([]);
    world.until("2027-03-24T09:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: Admin (eligible), All Staff, sg-sales"
    );
}

#[tokio::test]
async fn who_comes_back_is_let_in_when_all_of_the_old_has_been_seen_and_taken() {
    let world = World::with_eligible(told()).await;
    world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka blocked: Admin (eligible)",
        "{report:?}"
    );
    world.target.set_unread([]);
    world.until("2026-11-26T09:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
}

#[tokio::test]
async fn who_has_not_started_is_kept_out_and_opened_late_rather_than_blindly() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security hire=2026-12-01"]).await;
    world.meddle("W-1", crate::plan::Action::AllowSignIn).await;
    world.refuse_eligible();
    world.hear(&["W-1 Mei Tanaka Sales hire=2026-12-01"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-security");
    world.until("2026-12-02T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-security");
    world.target.set_unread([]);
    world.until("2027-01-15T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn a_protection_by_role_stays_closed_while_roles_are_unread() {
    let by_role = "protected = [\"break-glass@contoso.example\", \"role:Security Reader\"]";
    let policy = POLICY.replace("protected = [\"break-glass@contoso.example\"]", by_role);
    let in_sales = async || {
        let world = world_of(&policy);
        world.hear(&["W-1 Mei Tanaka Sales"]).await;
        world.make_eligible().await;
        world
    };
    let gone = "W-1 Mei Tanaka Sales status=gone";
    let all = || [Unread::all_of(Kind::Role, "refused")];
    // Eligible roles do not decide it: the leaver goes.
    let world = in_sales().await;
    world.hear(&[gone]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: Admin (eligible)");
    // All roles do.
    let world = in_sales().await;
    let before = world.look("W-1");
    world.target.set_unread(all());
    let report = world.hear(&[gone]).await;
    waits_for(&report, "counts as protected");
    assert_eq!(world.look("W-1"), before);
    // And it is not forgotten.
    world.target.set_unread([]);
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    // Nor does the executor trust a plan that somebody else has made.
    let careless = Document::parse(POLICY).unwrap();
    let world = in_sales().await;
    let engine = Engine::builder(Arc::new(world.mortal.clone()), world.policy.clone())
        .target(Arc::new(world.moody.clone()))
        .orchestrator(Arc::new(Lifecycle::new(Arc::new(careless))))
        .clock(Arc::new(world.clock.clone()))
        .build();
    world.target.set_unread(all());
    world.tell(&[gone]).await;
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.look("W-1"), before);
}

/// Mei, in sales, under a policy that protects holders of a role; and more of the guard's section.
async fn protected_by_role(guard: &str) -> World {
    let by_role =
        "protected = [\"break-glass@contoso.example\", \"role:Security Reader\"]\n".to_owned() + guard;
    let world = world_of(&POLICY.replace("protected = [\"break-glass@contoso.example\"]", &by_role));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world
}

#[tokio::test]
async fn a_leaver_who_may_be_protected_is_told_of_at_once() {
    let world = protected_by_role("notify = [\"watch@contoso.example\"]\n").await;
    world.target.set_unread([Unread::all_of(Kind::Role, "refused")]);
    for _ in 0..2 {
        world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
        world.clock.advance(SignedDuration::from_hours(3));
    }
    let told = world.notices.all.lock().unwrap().clone();
    assert!(
        matches!(&told[..], [one] if one.starts_with("watch@contoso.example: Nobody can tell whether accounts are protected")
            && one.contains("W-1")),
        "{told:?}"
    );
    assert!(world.look("W-1").contains("enabled"));
}

#[tokio::test]
async fn a_leaver_who_may_be_protected_is_blocked_where_the_policy_says_so_and_the_rest_waits() {
    let world = protected_by_role("unread_roles = \"block-leavers\"\n").await;
    world.target.set_unread([Unread::all_of(Kind::Role, "refused")]);
    // Movers are held all the same.
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    waits_for(&report, "counts as protected");
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    let report = world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    waits_for(&report, "counts as protected");
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.target.set_unread([]);
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    // Who is protected for certain stays as they are.
    let world = protected_by_role("unread_roles = \"block-leavers\"\n").await;
    world.hear(&["W-2 Bo Ek Sales"]).await;
    world.give("W-2", "Security Reader").await;
    world.hear(&["W-2 Bo Ek Sales status=gone"]).await;
    assert!(world.look("W-2").contains("enabled"));
}

#[tokio::test]
async fn an_account_mastered_elsewhere_is_no_exception() {
    let world = World::with_eligible(told()).await;
    let account = world.of("W-1").remove(0).account.unwrap().id;
    world.target.master_elsewhere(&account, true);
    let before = world.look("W-1");
    let report = world.hear(&["W-1 Mei Tanaka Sales"]).await;
    waits_for(&report, "eligible role");
    assert_eq!(world.look("W-1"), before);
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: Admin (eligible)");
    world.target.set_unread([]);
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: ");
}
