//! One person under two worker ids.

use super::*;

fn ids(world: &World) -> Vec<(String, bool, bool)> {
    let accounts = world
        .target
        .accounts()
        .into_iter()
        .filter_map(|actual| actual.account);
    accounts
        .map(|account| (account.id, account.enabled, account.deleted))
        .collect()
}

#[tokio::test]
async fn a_conversion_under_a_new_worker_id_keeps_the_account_and_everything_in_it() {
    let world = world();
    world.hear(&["C-1 Mei Tanaka Sales type=Contractor"]).await;
    world.give("C-1", "by hand").await;
    let before = ids(&world);
    world
        .tell(&[
            "C-1 Mei Tanaka Sales type=Contractor last=2026-11-30",
            "W-1 Mei Tanaka Sales type=Employee hire=2026-12-01 before=C-1",
        ])
        .await;
    world.until("2026-11-30T23:59:59Z").await;
    assert_eq!(
        world.look("C-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales",
        "still at work"
    );
    assert_eq!(ids(&world), before);
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(
        world.look("C-1"),
        "mei.tanaka enabled: All Staff, by hand, sg-sales"
    );
    assert_eq!(ids(&world), before, "one account, and no second one");
    // The retention of the employment that is over deletes nobody.
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(ids(&world), before);
    let state = world
        .engine
        .person(&PersonKey::new("C-1"))
        .await
        .unwrap()
        .unwrap();
    assert!(state.accounts.is_empty() && state.ledger.is_empty());
    // What was given before is taken by the rules of now, and the leave under the new id is one.
    world
        .hear(&["W-1 Mei Tanaka Other hire=2026-12-01 before=C-1"])
        .await;
    assert_eq!(world.look("C-1"), "mei.tanaka enabled: All Staff, by hand");
    world
        .hear(&["W-1 Mei Tanaka Other hire=2026-12-01 before=C-1 status=gone"])
        .await;
    assert_eq!(world.look("C-1"), "mei.tanaka blocked: ");
    world.until("2027-03-31T00:00:01Z").await;
    assert_eq!(world.look("C-1"), "mei.tanaka deleted: ");
}

#[tokio::test]
async fn a_rehire_under_a_new_worker_id_starts_afresh_in_the_old_account() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.give("W-1", "by hand").await;
    let before = ids(&world);
    world
        .hear(&["W-1 Mei Tanaka Security status=gone last=2026-11-20"])
        .await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    world.until("2026-12-10T00:00:00Z").await;
    world
        .hear(&["W-9 Mei Tanaka Sales hire=2026-12-20 before=W-1"])
        .await;
    world.until("2026-12-19T23:59:59Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    world.until("2026-12-20T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    world.until("2027-03-01T00:00:00Z").await;
    assert_eq!(ids(&world), before);
}

#[tokio::test]
async fn two_active_worker_ids_of_one_person_are_held_and_a_leaver_is_not() {
    let world = world();
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let report = world.hear(&["W-9 Mei Tanaka Security before=W-1"]).await;
    assert!(
        matches!(&report.people[0].ending, Ending::Held(why) if why.contains("W-1")),
        "{report:?}"
    );
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    assert_eq!(world.look("W-9"), "", "nobody gets a second account");
    world
        .hear(&["W-9 Mei Tanaka Security before=W-1 status=gone"])
        .await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    // Whoever leaves under the old id leaves, whoever is named as the one who comes after.
    world
        .hear(&[
            "W-8 Mei Tanaka Sales hire=2027-06-01 before=W-1",
            "W-1 Mei Tanaka Sales status=gone",
        ])
        .await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
}

#[tokio::test]
async fn a_manager_on_leave_is_passed_over_and_stays_the_manager() {
    let policy = POLICY.replace(
        "[leaver]\n",
        "[leaver]\nowned_groups = \"manager\"\ndirect_reports = \"manager\"\nnotify = [\"manager\"]\n",
    ) + "[notify]\nfrom = \"robot@contoso.example\"\n";
    for away in ["status=away", "from=2026-11-20 until=2026-12-20"] {
        let world = world_of(&policy);
        world
            .hear(&[
                "W-1 Ada Ng Sales",
                "W-2 Bo Ek Sales manager=W-1",
                "W-3 Cy Om Sales manager=W-2",
            ])
            .await;
        let link = || world.of("W-3")[0].account.clone().unwrap().manager;
        let before = link();
        assert_eq!(before, Some(world.account("W-2")));
        world
            .hear(&[&format!("W-2 Bo Ek Sales manager=W-1 {away}")])
            .await;
        assert!(world.look("W-2").starts_with("bo.ek blocked"));
        world.hear(&["W-3 Cy Om Sales manager=W-2 title=Boss"]).await;
        assert_eq!(link(), before, "people still report to them");
        world.notices.all.lock().unwrap().clear();
        world
            .hear(&["W-3 Cy Om Sales manager=W-2 title=Boss status=gone"])
            .await;
        let owner = world.target.beside(&world.account("W-3"), "groups");
        assert_eq!(owner, Some(world.account("W-1")), "{away}");
        let told = world.notices.all.lock().unwrap().clone();
        assert!(
            told[0].starts_with("ada.ng@contoso.example: Cy Om has left"),
            "{told:?}"
        );
        // Back at work, it is them again.
        world
            .hear(&["W-2 Bo Ek Sales manager=W-1", "W-4 Di Po Sales manager=W-2"])
            .await;
        world.hear(&["W-4 Di Po Sales manager=W-2 status=gone"]).await;
        let owner = world.target.beside(&world.account("W-4"), "groups");
        assert_eq!(owner, Some(world.account("W-2")), "{away}");
    }
}
