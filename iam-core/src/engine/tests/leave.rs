//! Leaves that are announced, moved, taken back and repeated.

use super::*;

#[tokio::test]
async fn a_retracted_leave_does_not_happen() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world
        .hear(&["W-1 Mei Tanaka Sales status=gone last=2026-12-31"])
        .await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn a_changed_last_day_counts() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    world
        .hear(&[
            "W-1 Mei Tanaka Sales last=2026-12-31",
            "W-2 Bo Ek Sales last=2026-12-31",
        ])
        .await;
    world
        .hear(&[
            "W-1 Mei Tanaka Sales last=2026-11-30",
            "W-2 Bo Ek Sales last=2027-01-31",
        ])
        .await;
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.until("2027-01-31T23:59:59Z").await;
    assert!(world.look("W-2").starts_with("bo.ek enabled"));
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
}

#[tokio::test]
async fn who_comes_back_is_not_deleted_and_who_leaves_again_is_kept_for_the_whole_retention() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.until("2026-12-20T09:00:00Z").await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.until("2027-01-10T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.until("2027-02-09T08:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.until("2027-02-09T09:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
}

#[tokio::test]
async fn who_leaves_before_starting_never_starts() {
    let world = world();
    world
        .hear(&[
            "W-1 Mei Tanaka Sales hire=2031-01-01",
            "W-2 Bo Ek Sales hire=2026-12-01",
        ])
        .await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: All Staff, sg-sales");
    world
        .hear(&[
            "W-1 Mei Tanaka Sales hire=2031-01-01 status=gone",
            "W-2 Bo Ek Sales hire=2026-12-01 status=gone",
        ])
        .await;
    world.until("2026-12-02T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
    world.until("2031-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "");
    assert_eq!(world.look("W-2"), "bo.ek deleted: ");
}

#[tokio::test]
async fn a_leaver_whom_nobody_knows_is_looked_for() {
    let world = world();
    let report = world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(report.totals().done, 0);
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "");
}

#[tokio::test]
async fn what_is_taken_back_before_anything_was_done_leaves_no_trace() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    world.give("W-1", "by hand").await;
    world.tell(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.tell(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    let report = world.run().await;
    assert_eq!(report.totals().done, 0, "{report:?}");
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
    world.tell(&["W-2 Bo Ek Sales"]).await;
    world.tell(&["W-2 Bo Ek Security"]).await;
    world.tell(&["W-2 Bo Ek Sales"]).await;
    world.run().await;
    assert_eq!(world.look("W-2"), "bo.ek enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn a_leave_and_a_return_told_in_one_breath_to_two_engines_keep_their_order() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    // Between reading what is accepted and appending, somebody else accepts a record.
    world.mortal.interrupt(|journal| {
        let key = PersonKey::new("W-1");
        let latest = futures::executor::block_on(journal.accepted(&[key])).unwrap();
        let moved = person("W-1 Mei Tanaka Security");
        let event = Event::observed(latest[0].as_ref(), &moved, Timestamp::UNIX_EPOCH).unwrap();
        futures::executor::block_on(journal.append(&[event])).unwrap();
    });
    world
        .tell(&[
            "W-1 Mei Tanaka Security title=Nurse",
            "W-1 Mei Tanaka Security status=gone",
        ])
        .await;
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn reports_of_a_manager_who_leaves_stay_as_they_are() {
    let world = world();
    world
        .hear(&["W-1 Ada Ng Sales title=Chief", "W-2 Ann Ek Sales manager=W-1"])
        .await;
    assert_eq!(world.look("W-2"), "ann.ek enabled: All Staff, sg-chief, sg-sales");
    world.hear(&["W-1 Ada Ng Sales title=Chief status=gone"]).await;
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "ada.ng deleted: ");
    assert!(world.look("W-2").starts_with("ann.ek enabled: All Staff"));
    let report = world
        .hear(&["W-2 Ann Ek Security manager=W-1", "W-3 Bo Ek Sales manager=W-1"])
        .await;
    assert_eq!(report.people.len(), 2, "nobody is looked at again and again");
    world
        .hear(&["W-1 Ada Ng Sales title=Chief hire=2027-03-10"])
        .await;
    world.until("2027-03-11T00:00:00Z").await;
    let manager = |id: &str| world.of(id)[0].account.clone().unwrap().manager;
    assert!(manager("W-3").is_some());
}

#[tokio::test]
async fn a_manager_whose_account_is_older_than_the_record_counts_once_hr_names_the_job() {
    let world = world();
    world.hear(&["W-1 Ada Ng Sales"]).await;
    let account = world.of("W-1")[0].account.clone().unwrap();
    // Another engine, which has never heard of W-1, on the same tenant.
    let other = World {
        journal: MemoryJournal::new(),
        ..world
    };
    let mortal = Mortal::around(&other.journal);
    let mut other = World { mortal, ..other };
    other.engine = other.engine_again();
    other.hear(&["W-2 Ann Ek Sales manager=W-1"]).await;
    assert_eq!(
        other.of("W-2")[0].account.clone().unwrap().manager,
        Some(account.id)
    );
    assert_eq!(other.look("W-2"), "ann.ek enabled: All Staff, sg-sales");
    other.hear(&["W-1 Ada Ng Sales title=Chief"]).await;
    assert_eq!(other.look("W-2"), "ann.ek enabled: All Staff, sg-chief, sg-sales");
}

#[tokio::test]
async fn a_circle_that_closes_later_comes_to_rest() {
    let world = world();
    world.hear(&["W-1 Ada Ng Sales manager=W-2"]).await;
    world.hear(&["W-2 Bo Ek Sales manager=W-1"]).await;
    world.hear(&["W-3 Cy Om Sales"]).await;
    world.hear(&["W-4 Di Po Sales manager=W-3"]).await;
    world.hear(&["W-3 Cy Om Sales manager=W-4"]).await;
    assert_eq!(world.run().await.people.len(), 0);
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    let manager = |id: &str| world.of(id)[0].account.clone().unwrap().manager;
    assert_eq!((manager("W-1"), manager("W-2").is_some()), (None, true));
    assert_eq!((manager("W-3"), manager("W-4").is_some()), (None, true));
}

#[tokio::test]
async fn a_rule_that_turns_on_a_date_is_looked_at_on_that_date_however_far_it_is() {
    let dated = "[[rule]]\nid = \"settled\"\nwhen = 'days_since(person.hire_date) >= 100'\ngroups = [\"sg-heads\"]\n[joiner]";
    let world = world_of(&POLICY.replace("[joiner]", dated));
    world.hear(&["W-1 Mei Tanaka Sales hire=2026-11-24"]).await;
    world.until("2027-03-03T23:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    world.until("2027-03-04T00:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, sg-heads, sg-sales"
    );
}

#[tokio::test]
async fn somebody_is_told_once_that_a_last_day_is_near() {
    let policy = POLICY.replace(
        "[leaver]\n",
        "[leaver]\nremind_before = \"7d\"\nremind = [\"manager\", \"hr\"]\n",
    ) + "[notify]\nfrom = \"robot@contoso.example\"\nhr = \"hr@contoso.example\"\n";
    let world = world_of(&policy);
    world
        .hear(&[
            "W-1 Ada Ng Sales",
            "W-2 Bo Ek Sales manager=W-1 last=2026-12-31 zone=Australia/Sydney",
        ])
        .await;
    let told = || std::mem::take(&mut *world.notices.all.lock().unwrap());
    world.until("2026-12-23T12:59:59Z").await;
    assert_eq!(told(), Vec::<String>::new());
    world.until("2026-12-23T13:00:00Z").await;
    let told_now = told();
    assert!(
        matches!(&told_now[..], [one] if one.starts_with("ada.ng@contoso.example,hr@contoso.example: Bo Ek leaves soon")
            && one.contains("2026-12-31")),
        "{told_now:?}"
    );
    world
        .hear(&["W-2 Bo Ek Security manager=W-1 last=2026-12-31 zone=Australia/Sydney"])
        .await;
    assert_eq!(told(), Vec::<String>::new(), "once");
    // Another last day is another matter, and one that has been taken back none at all.
    world
        .hear(&["W-2 Bo Ek Security manager=W-1 last=2026-12-29 zone=Australia/Sydney"])
        .await;
    assert_eq!(told().len(), 1);
    world
        .hear(&["W-2 Bo Ek Security manager=W-1 zone=Australia/Sydney"])
        .await;
    world.until("2027-01-10T00:00:00Z").await;
    assert_eq!(told(), Vec::<String>::new());
    assert!(world.look("W-2").starts_with("bo.ek enabled"));
    // A lost timer is found by the next engine.
    world.hear(&["W-3 Cy Om Sales last=2027-02-28"]).await;
    assert_eq!(
        world.engine.next_due().await.unwrap(),
        Some("2027-02-21T00:00:00Z".parse().unwrap())
    );
}
