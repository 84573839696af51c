//! Those who start and never come, and those who fall silent: people are told, and nothing else follows.

use super::*;

const LOOKING: &str = "[joiner]\ncreate_before = \"14d\"\nno_show_after = \"3d\"\n";
const MAIL: &str = "[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n";

fn notices(world: &World) -> Vec<String> {
    std::mem::take(&mut *world.notices.all.lock().unwrap())
}

/// A world whose directory tells sign-ins.
fn watching(more: &str) -> World {
    let policy = POLICY.replace("[joiner]\ncreate_before = \"14d\"\n", LOOKING) + MAIL + more;
    let mut world = world_of(POLICY);
    world.target = world.target.telling_sign_ins();
    world.policy = Arc::new(Document::parse(&policy).unwrap());
    world.engine = world.engine_with(world.policy.clone());
    world
}

const BO: &str = "W-2 Bo Ek Sales hire=2026-12-07 zone=Australia/Sydney";

#[tokio::test]
async fn hr_is_told_once_of_a_start_that_nobody_came_to_and_nothing_else_is_done() {
    let world = watching("");
    world
        .hear(&[BO, "W-3 Cy Oh Sales hire=2026-12-07 zone=Australia/Sydney"])
        .await;
    world.until("2026-12-08T00:00:00Z").await;
    let day = "2026-12-08T00:00:00Z".parse().unwrap();
    world.target.sign_in(&world.account("W-3"), day);
    let before = world.look("W-2");
    world.until("2026-12-09T12:59:59Z").await;
    assert_eq!(
        notices(&world),
        Vec::<String>::new(),
        "three days, where they work"
    );
    world.until("2026-12-09T13:00:00Z").await;
    let told = notices(&world);
    assert!(
        matches!(&told[..], [one] if one.starts_with("hr@contoso.example: Bo Ek has not signed in yet")
            && one.contains("2026-12-07")),
        "{told:?}"
    );
    assert_eq!(world.look("W-2"), before, "still at work");
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(notices(&world), Vec::<String>::new(), "once");
    assert_eq!(world.look("W-2"), before);
}

#[tokio::test]
async fn the_notice_stands_in_the_plan_and_the_look_in_the_timeline() {
    let world = watching("");
    world.hear(&[BO]).await;
    world.until("2026-12-07T00:00:00Z").await;
    let timers = world.engine.timeline(&PersonKey::new("W-2")).await.unwrap();
    let looks = timers
        .iter()
        .filter(|entry| entry.event.kind.as_str() == "sign-in looked for");
    let looks: Vec<String> = looks.map(|entry| entry.event.due_at.to_string()).collect();
    assert_eq!(looks, ["2026-12-09T13:00:00Z"]);
    world.clock.set("2026-12-09T13:00:00Z".parse().unwrap());
    let plan = world.engine.plan().await.unwrap();
    let steps: Vec<String> = plan.people[0]
        .plan
        .steps
        .iter()
        .map(|step| step.id.to_string())
        .collect();
    assert_eq!(steps, ["notify:noshow"]);
    let report = world.engine.apply(&plan.hash(), Canary::default(), &|_| {}).await;
    assert!(report.is_ok(), "{report:?}");
    assert_eq!(notices(&world).len(), 1);
}

#[tokio::test]
async fn who_cannot_be_looked_up_is_taken_for_nothing_until_they_can() {
    let world = watching("");
    world.hear(&[BO]).await;
    world.until("2026-12-08T00:00:00Z").await;
    world.moody.hide_sign_ins(true);
    world.until("2026-12-10T12:00:00Z").await;
    assert_eq!(notices(&world), Vec::<String>::new());
    world.moody.hide_sign_ins(false);
    world.until("2026-12-11T13:00:00Z").await;
    assert_eq!(notices(&world).len(), 1);
}

#[tokio::test]
async fn a_start_that_moves_or_is_taken_back_is_awaited_anew_or_not_at_all() {
    let world = watching("");
    world.hear(&[BO, "W-3 Cy Oh Sales hire=2026-12-07"]).await;
    world.until("2026-12-08T00:00:00Z").await;
    // HR says late that Bo starts in January, and that Cy never does.
    world
        .hear(&[
            "W-2 Bo Ek Sales hire=2027-01-11 zone=Australia/Sydney",
            "W-3 Cy Oh Sales status=gone",
        ])
        .await;
    world.until("2027-01-13T12:59:59Z").await;
    assert_eq!(notices(&world), Vec::<String>::new());
    world.until("2027-01-13T13:00:00Z").await;
    let told = notices(&world);
    assert!(
        matches!(&told[..], [one] if one.contains("2027-01-11")),
        "{told:?}"
    );
}

#[tokio::test]
async fn nobody_who_was_at_work_before_is_taken_for_a_no_show() {
    let world = watching("");
    world.hear(&["W-1 Ada Ng Sales"]).await; // no first day, so nobody is awaited
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(notices(&world), Vec::<String>::new());
}

#[tokio::test]
async fn the_manager_is_told_of_long_silence_and_again_after_somebody_was_back() {
    let world = watching("[inactivity]\nafter = \"90d\"\n");
    world
        .hear(&["W-1 Ada Ng Sales", "W-2 Bo Ek Sales manager=W-1"])
        .await;
    let (ada, bo) = (world.account("W-1"), world.account("W-2"));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    world.target.sign_in(&bo, at("2026-12-01T00:00:00Z"));
    world.until("2027-02-20T00:00:00Z").await;
    world.target.sign_in(&ada, at("2027-02-20T00:00:00Z"));
    world.until("2027-02-28T23:59:59Z").await;
    assert_eq!(notices(&world), Vec::<String>::new());
    world.until("2027-03-01T00:00:00Z").await;
    let told = notices(&world);
    assert!(
        matches!(&told[..], [one] if one.starts_with("ada.ng@contoso.example: Bo Ek has not signed in for long")),
        "{told:?}"
    );
    world.target.sign_in(&ada, at("2027-05-01T00:00:00Z"));
    world.until("2027-05-20T00:00:00Z").await;
    assert_eq!(notices(&world), Vec::<String>::new(), "once of one silence");
    world.target.sign_in(&ada, at("2027-06-01T00:00:00Z"));
    world.target.sign_in(&bo, at("2027-06-01T00:00:00Z"));
    world.until("2027-08-29T00:00:00Z").await;
    assert_eq!(notices(&world), Vec::<String>::new());
    world.target.sign_in(&ada, at("2027-08-29T00:00:00Z"));
    world.until("2027-09-30T00:00:00Z").await;
    assert_eq!(notices(&world).len(), 1, "another silence");
    assert!(
        world.look("W-2").starts_with("bo.ek enabled"),
        "nothing else follows"
    );
}

#[tokio::test]
async fn a_policy_that_looks_for_sign_ins_needs_a_directory_that_tells_them() {
    let policy = POLICY.replace("[joiner]\ncreate_before = \"14d\"\n", LOOKING) + MAIL;
    let world = world_of(&policy);
    let error = world.engine.run(&|_| {}).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no_show_after in [joiner]: graph does not tell sign-ins"),
        "{error}"
    );
}
