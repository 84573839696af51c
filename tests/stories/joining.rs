//! Joining: one person, a whole file, twins, managers, repeats.

use iam_core::engine::Ending;
use iam_sandbox::{Effect, Fault, LogEntry};

use crate::world::{World, data};

#[tokio::test]
async fn a_joiner_has_what_policy_says_and_hr_is_told_once() {
    let world = World::new().await;
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    assert_eq!(report.totals().failed, 0, "{report:?}");
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader"
    );
    let account = world.account("W-1").await;
    assert_eq!(account["displayName"], "Mei Tanaka");
    assert_eq!(account["usageLocation"], "AU");
    assert_eq!(account["department"], "Security");
    assert_eq!(world.mails(), ["Mei Tanaka can sign in"]);
}

#[tokio::test]
async fn the_whole_csv_and_the_feed_end_as_policy_says() {
    let policy = std::fs::read_to_string(data("policy.toml")).unwrap();
    let world = World::with_policy(&policy).await;
    assert_eq!(world.read(&data("workday_feed.json")).await.unwrap().len(), 2);
    // Both rows of two active profiles of one worker id are among them, twice.
    assert_eq!(world.read(&data("new_hires.csv")).await.unwrap().len(), 23);
    let report = world.run().await;
    let open: Vec<_> = report
        .people
        .iter()
        .filter(|run| run.ending != Ending::Done)
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(report.totals().failed, 0);

    let check = async |id: &str, expected: &str| assert_eq!(world.look(id).await, expected, "{id}");
    check(
        "W-2001",
        "jose.garcia enabled: All Staff, Sydney Everyone, sg-clinical, sg-sydney / SPE_E3 / ",
    )
    .await;
    check(
        "W-2026",
        "jose.garcia2 enabled: All Staff, sg-finance / POWER_BI_PRO, SPE_E3 / ",
    )
    .await;
    check("W-2019", "john.smith enabled: All Staff / SPE_E3 / ").await;
    check("W-2020", "nothing").await;
    check(
        "W-1003",
        "mei.tanaka enabled: All Staff, sg-security / SPE_E3, SPE_E5 / Global Reader, Security Reader",
    )
    .await;
    check(
        "W-2038",
        "kenji.sato enabled: All Staff, sg-contractors, sg-security / SPE_E3 / ",
    )
    .await;
    check("W-2031", "nothing").await;
    for leaver in ["W-1010", "W-1011", "W-2044", "W-2046"] {
        let left = world.look(leaver).await;
        assert!(left.ends_with("blocked:  /  / "), "{leaver}: {left}");
    }
    for refused in ["W-2091", "W-2096", "W-2101", "W-1017"] {
        assert!(world.accounts(refused).await.is_empty(), "{refused}");
    }
    let chief = world.id("W-1001").await;
    assert_eq!(world.manager("W-1003").await, Some(chief));
    assert!(
        world.look("W-1009").await.contains("sg-engineering"),
        "given by hand, so not ours to take"
    );

    // The last day of W-2032 ends in Sydney on 2026-11-25 at 13:00 UTC.
    assert!(world.look("W-2032").await.contains("enabled"));
    world.at("2026-11-25T13:00:00Z").await;
    // A dynamic group follows from attributes, and ends with the account.
    assert_eq!(
        world.look("W-2032").await,
        "jack.thompson blocked: Sydney Everyone /  / "
    );
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

/// `person target step`, sorted; a new account's step has its name.
fn told<'a>(steps: impl Iterator<Item = &'a iam_core::plan::Step>) -> Vec<String> {
    let mut told: Vec<String> = steps
        .map(|step| format!("{} {} {}", step.person, step.target, step.id))
        .collect();
    told.sort();
    told
}

fn differences(ours: &[String], theirs: &[String]) -> Vec<String> {
    let only = |here: &[String], there: &[String], sign: &str| -> Vec<String> {
        let missing = here.iter().filter(|step| !there.contains(step));
        missing.map(|step| format!("{sign} {step}")).collect()
    };
    [only(ours, theirs, "+"), only(theirs, ours, "-")].concat()
}

#[tokio::test]
async fn a_preview_shows_the_same_each_time_and_the_run_does_just_that() {
    let policy = std::fs::read_to_string(data("policy.toml")).unwrap();
    let world = World::with_policy(&policy).await;
    world.read(&data("workday_feed.json")).await.unwrap();
    world.read(&data("new_hires.csv")).await.unwrap();
    let mut shown: Vec<Vec<String>> = Vec::new();
    for _ in 0..3 {
        let preview = world.engine.plan().await.unwrap();
        shown.push(told(preview.people.iter().flat_map(|person| &person.plan.steps)));
    }
    // The two of one name, whose order is that of the file.
    let name = |person: &str, name: &str| format!("{person} graph create_account:{name}@contoso.example");
    let created: Vec<&String> = shown[0]
        .iter()
        .filter(|step| step.contains(":sofia.hernandez"))
        .collect();
    assert_eq!(
        created,
        [
            &name("W-2175", "sofia.hernandez"),
            &name("W-2176", "sofia.hernandez2")
        ]
    );
    for again in &shown[1..] {
        assert_eq!(differences(again, &shown[0]), Vec::<String>::new());
    }
    let report = world.run().await;
    let done = report.people.iter().flat_map(|run| &run.outcomes);
    let mut differs = differences(&told(done.map(|(step, _)| step)), &shown[0]);
    // What a deleted account held is seen once it is restored; the plan has a note that says so.
    differs.retain(|step| !step[2..].starts_with("W-1013 "));
    assert_eq!(differs, Vec::<String>::new());
}

#[tokio::test]
async fn the_same_input_twice_does_nothing() {
    let world = World::new().await;
    let people = ["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales manager=W-1"];
    world.hear(&people).await;
    let before = (
        world.look("W-1").await,
        world.look("W-2").await,
        world.mails().len(),
    );
    let report = world.hear(&people).await;
    assert_eq!(report.people.len(), 0);
    assert_eq!(
        (
            world.look("W-1").await,
            world.look("W-2").await,
            world.mails().len()
        ),
        before
    );
}

#[tokio::test]
async fn another_journal_on_the_same_tenant_plans_nothing() {
    let world = World::new().await;
    let people = ["W-1 Mei Tanaka Security", "W-2 Bo Ek Sales manager=W-1"];
    world.hear(&people).await;
    let journal = std::sync::Arc::new(iam_core::journal::MemoryJournal::new());
    let policy = iam_core::policy::Document::parse(crate::world::POLICY).unwrap();
    let other = crate::world::engine(&world.sandbox, journal, policy, &world.clock);
    other
        .accept(people.iter().map(|text| crate::world::person(text)))
        .await
        .unwrap();
    let preview = other.plan().await.unwrap();
    assert_eq!(preview.steps(), 0, "{preview:?}");
}

#[tokio::test]
async fn a_to_b_to_a_applies_all_three() {
    let world = World::new().await;
    let (a, b) = ("W-1 Mei Tanaka Sales", "W-1 Mei Tanaka Security");
    let in_sales = "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / ";
    world.hear(&[a]).await;
    assert_eq!(world.look("W-1").await, in_sales);
    world.hear(&[b]).await;
    let in_security = "mei.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader";
    assert_eq!(world.look("W-1").await, in_security);
    world.hear(&[a]).await;
    world.at("2026-12-24T09:00:00Z").await;
    assert_eq!(world.look("W-1").await, in_sales);
}

#[tokio::test]
async fn two_people_with_one_name_get_two_accounts() {
    let world = World::new().await;
    world
        .hear(&[
            "W-1 John Smith Sales",
            "W-2 John Smith Sales middle=Allen",
            "W-3 John Smith Sales",
        ])
        .await;
    let mut names = Vec::new();
    for id in ["W-1", "W-2", "W-3"] {
        names.push(world.look(id).await.split(' ').next().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["john.a.smith", "john.smith", "john.smith2"]);
}

#[tokio::test]
async fn a_name_that_somebody_else_holds_is_left_alone() {
    let world = World::new().await;
    // The break-glass account carries no worker id.
    let before = world.get("/users/break-glass@contoso.example").await;
    world
        .hear(&["W-1 Break Glass Sales", "W-2 Break-Glass _ Sales"])
        .await;
    assert_eq!(world.get("/users/break-glass@contoso.example").await, before);
    assert!(
        world.look("W-2").await.starts_with("break-glass2 enabled"),
        "{}",
        world.look("W-2").await
    );
}

#[tokio::test]
async fn a_manager_who_comes_after_the_report_is_linked_when_there() {
    let world = World::new().await;
    let report = world.hear(&["W-2 Bo Ek Sales manager=W-1"]).await;
    assert!(matches!(report.people[0].ending, Ending::Done));
    assert_eq!(world.manager("W-2").await, None);
    world.hear(&["W-1 Ada Ng Security"]).await;
    assert_eq!(world.manager("W-2").await, Some(world.id("W-1").await));
}

#[tokio::test]
async fn a_manager_whom_hr_never_sent_is_found_in_the_tenant() {
    let world = World::new().await;
    // W-1012 stands in the seeded tenant.
    world.hear(&["W-1 Bo Ek Sales manager=W-1012"]).await;
    assert_eq!(world.manager("W-1").await, Some(world.id("W-1012").await));
}

#[tokio::test]
async fn many_joiners_share_requests() {
    let world = World::new().await;
    let people: Vec<String> = (0..40).map(|n| format!("W-{n} Mei{n} Tanaka Security")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    // A service that takes its time, as the real one does.
    world.sandbox.fault(Fault::new(Effect::Slow { millis: 8 }));
    let report = world.hear(&people).await;
    world.sandbox.clear_faults();
    let totals = report.totals();
    assert_eq!((totals.people, totals.failed), (40, 0), "{report:?}");
    for n in [0, 17, 39] {
        assert_eq!(
            world.look(&format!("W-{n}")).await,
            format!("mei{n}.tanaka enabled: Everybody, st-security / SPE_E3 / Security Reader")
        );
    }
    // Operations came by themselves or in a batch; mail is sent one by one, at most once.
    let log = world.sandbox.log();
    let graph = |entry: &&LogEntry| entry.path.starts_with("/v1.0/") && !entry.path.ends_with("/sendMail");
    let (inside, by_itself): (Vec<_>, Vec<_>) =
        log.iter().filter(graph).partition(|entry| entry.batch.is_some());
    let batches = by_itself
        .iter()
        .filter(|entry| entry.path.ends_with("/$batch"))
        .count();
    let operations = inside.len() + by_itself.len() - batches;
    assert!(
        by_itself.len() * 3 < operations * 2,
        "{} requests for {operations} operations",
        by_itself.len()
    );
}
