//! Somebody who comes back under a new worker id, and HR does not say so.

use super::*;

const MAIL: &str = "mail=mei@home.example";

/// Mei has worked here, and has left.
async fn left() -> World {
    let world = world();
    world
        .hear(&[&format!("W-1 Mei Tanaka Security {MAIL}"), "W-2 Bo Ek Sales"])
        .await;
    world.give("W-1", "by hand").await;
    world
        .hear(&[&format!("W-1 Mei Tanaka Security {MAIL} status=gone")])
        .await;
    world
}

fn key(id: &str) -> PersonKey {
    PersonKey::new(id)
}

#[tokio::test]
async fn who_may_have_an_account_already_gets_no_second_one_until_somebody_has_said() {
    let world = left().await;
    let joins = format!("W-9 Mei Tanaka Sales {MAIL}");
    world.tell(&[&joins]).await;
    let plan = world.engine.plan().await.unwrap();
    let hold = plan.people[0].hold.clone().unwrap();
    assert!(hold.contains("W-1") && !hold.contains("mei@"), "{hold}");
    assert_eq!(plan.steps(), 0);
    let report = world.run().await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if *why == hold),
        "{report:?}"
    );
    assert_eq!(world.look("W-9"), "");
    let waiting = format!("{:?}", world.engine.waiting(&key("W-9")).await.unwrap());
    assert!(waiting.contains("W-1"), "{waiting}");
    let why = crate::entitlement::Reference::new(Kind::Group, "sg-sales");
    let why = world.engine.why_not(&key("W-9"), &why).await.unwrap().to_string();
    assert!(why.contains(&hold), "{why}");
    world.until("2026-12-05T00:00:00Z").await;
    assert_eq!(world.look("W-9"), "", "whatever time goes by");
}

#[tokio::test]
async fn the_same_person_goes_on_in_the_old_account_without_what_was_there() {
    let world = left().await;
    world.hear(&[&format!("W-9 Mei Tanaka Sales {MAIL}")]).await;
    let before = world.account("W-1");
    world
        .engine
        .identify(&key("W-9"), &key("W-1"), true, "ann", "seen the passport")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!((world.account("W-1"), world.look("W-9")), (before, String::new()));
    // The retention of the employment that is over deletes nobody.
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    // And the leave under the new id is one.
    world
        .hear(&[&format!("W-9 Mei Tanaka Sales {MAIL} status=gone")])
        .await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    let evidence = world.engine.evidence(&key("W-9")).await.unwrap();
    let asked = evidence.events.iter().find_map(|heard| heard.asked.clone());
    assert_eq!(asked, Some(("ann".to_owned(), "seen the passport".to_owned())));
}

#[tokio::test]
async fn another_person_gets_an_account_of_their_own_and_is_not_asked_about_again() {
    let world = left().await;
    let joins = format!("W-9 Mei Tanaka Sales {MAIL}");
    world.hear(&[&joins]).await;
    world
        .engine
        .identify(&key("W-9"), &key("W-1"), false, "ann", "mother and daughter")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-9"), "mei.tanaka2 enabled: All Staff, sg-sales");
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.hear(&[&format!("W-9 Mei Tanaka Security {MAIL}")]).await;
    assert!(world.look("W-9").contains("sg-security"));
    let error = world
        .engine
        .identify(&key("W-9"), &key("W-1"), true, "ann", "after all")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the account is made");
}

#[tokio::test]
async fn an_answer_needs_a_name_a_reason_and_two_people() {
    let world = left().await;
    world.hear(&[&format!("W-9 Mei Tanaka Sales {MAIL}")]).await;
    let kind = async |other: &str, by: &str, reason: &str| {
        let answer = world
            .engine
            .identify(&key("W-9"), &key(other), true, by, reason)
            .await;
        answer.unwrap_err().kind()
    };
    assert_eq!(kind("W-1", " ", "why").await, ErrorKind::Invalid);
    assert_eq!(kind("W-1", "ann", "").await, ErrorKind::Invalid);
    assert_eq!(kind("W-9", "ann", "why").await, ErrorKind::Invalid);
    assert_eq!(kind("W-404", "ann", "why").await, ErrorKind::NotFound);
    world.run().await;
    assert_eq!(world.look("W-9"), "");
}

#[tokio::test]
async fn a_leaver_is_held_by_no_such_question() {
    let world = left().await;
    // Bo is at work, and says that the address is theirs.
    world.hear(&[&format!("W-2 Bo Ek Sales {MAIL}")]).await;
    assert_eq!(
        world.look("W-2"),
        "bo.ek enabled: All Staff, sg-sales",
        "who has an account is not asked about"
    );
    world
        .hear(&[&format!("W-2 Bo Ek Sales {MAIL} status=gone")])
        .await;
    assert_eq!(world.look("W-2"), "bo.ek blocked: ");
    // Held, and gone: nothing waits any more.
    world.hear(&[&format!("W-9 Mei Tanaka Sales {MAIL}")]).await;
    let report = world
        .hear(&[&format!("W-9 Mei Tanaka Sales {MAIL} status=gone")])
        .await;
    assert!(
        report
            .people
            .iter()
            .all(|run| !matches!(run.ending, Ending::Held(_))),
        "{report:?}"
    );
    assert_eq!(world.look("W-9"), "");
}

#[tokio::test]
async fn who_comes_while_somebody_alike_is_at_work_is_asked_about_too() {
    let world = world();
    world
        .hear(&[&format!("C-1 Mei Tanaka Sales type=Contractor {MAIL}")])
        .await;
    world
        .hear(&[&format!("W-9 Mei Tanaka Sales type=Employee {MAIL}")])
        .await;
    assert_eq!(world.look("W-9"), "");
    world
        .engine
        .identify(&key("W-9"), &key("C-1"), true, "ann", "a conversion")
        .await
        .unwrap();
    let report = world.run().await;
    // The same at two places: one has to end before the other goes on.
    assert!(format!("{report:?}").contains("end one of the two"), "{report:?}");
    world
        .hear(&[&format!(
            "C-1 Mei Tanaka Sales type=Contractor status=gone {MAIL}"
        )])
        .await;
    world
        .hear(&[&format!("W-9 Mei Tanaka Sales type=Employee title=Lead {MAIL}")])
        .await;
    assert_eq!(world.of("C-1").len() + world.of("W-9").len(), 1, "one account");
}

#[tokio::test]
async fn an_address_that_everybody_has_says_nothing() {
    let world = world();
    let shared: Vec<String> = (1..=4)
        .map(|n| format!("W-{n} P{n} Ek Sales mail=desk@contoso.example"))
        .collect();
    world
        .hear(&shared.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    world.hear(&["W-9 Cy Oh Sales mail=desk@contoso.example"]).await;
    assert_eq!(world.look("W-9"), "cy.oh enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn who_starts_later_is_asked_about_when_the_account_is_to_be_made() {
    let world = left().await;
    world
        .hear(&[&format!("W-9 Mei Tanaka Sales hire=2027-01-31 {MAIL}")])
        .await;
    let plan = world.engine.person(&key("W-9")).await.unwrap().unwrap();
    assert_eq!(plan.lifecycle, Stage::Pending);
    world.until("2026-12-20T00:00:00Z").await;
    // By then the old account is about to be deleted; it is still there.
    world
        .engine
        .identify(&key("W-9"), &key("W-1"), true, "ann", "seen")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.of("W-9").len(), 0, "no second account");
}

#[tokio::test]
async fn an_account_among_the_deleted_ones_comes_back_for_whoever_is_the_same() {
    let world = left().await;
    world.until("2027-01-05T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    let before = world.account("W-1");
    let report = world.hear(&[&format!("W-9 Mei Tanaka Sales {MAIL}")]).await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if why.contains("W-1")),
        "{report:?}"
    );
    assert_eq!(world.look("W-9"), "", "nobody has said");
    world
        .engine
        .identify(&key("W-9"), &key("W-1"), true, "ann", "seen the passport")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!((world.account("W-1"), world.look("W-9")), (before, String::new()));
    // Whatever HR repeats of the old worker id, and whatever time goes by, it is the new one's.
    world
        .hear(&[&format!("W-1 Mei Tanaka Sales {MAIL} status=gone")])
        .await;
    world.until("2027-04-01T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!(world.target.accounts().len(), 2);
}

#[tokio::test]
async fn another_one_leaves_the_deleted_account_where_it_is() {
    let world = left().await;
    world.until("2027-01-05T00:00:00Z").await;
    world.hear(&[&format!("W-9 Mei Tanaka Sales {MAIL}")]).await;
    world
        .engine
        .identify(&key("W-9"), &key("W-1"), false, "ann", "her daughter")
        .await
        .unwrap();
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka deleted: ");
    assert!(world.look("W-9").contains("enabled: All Staff, sg-sales"));
}

#[tokio::test]
async fn a_name_alone_joins_nobody_and_is_no_question() {
    for other in ["", " mail=other@home.example"] {
        let world = left().await;
        let report = world.hear(&[&format!("W-9 Mei Tanaka Security{other}")]).await;
        assert_eq!(report.people[0].ending, Ending::Done, "{report:?}");
        assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
        let look = world.look("W-9");
        assert!(
            look.contains("enabled: All Staff, Security Reader, sg-security"),
            "{look}"
        );
        assert_ne!(world.account("W-9"), world.account("W-1"));
    }
}
