//! Accounts that another directory masters: what they hold here is ours to give and take, the rest is not.

use super::*;

/// Somebody at work whose account turns out to be mastered elsewhere.
async fn hybrid() -> (World, String) {
    let policy = POLICY.replace("[leaver]", "[leaver]\nnotify = [\"hr\"]");
    let world = world_of(&format!(
        "{policy}[notify]\nfrom = \"iam@contoso.example\"\nhr = \"hr@contoso.example\"\n"
    ));
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    let account = world.of("W-1").remove(0).account.unwrap().id;
    world.target.master_elsewhere(&account, true);
    (world, account)
}

#[tokio::test]
async fn somebody_mastered_elsewhere_moves_by_what_they_hold_and_keeps_the_rest() {
    let (world, _) = hybrid().await;
    let report = world.hear(&["W-1 Mei Tanaka Security title=Nurse"]).await;
    assert_eq!(report.totals().open, 0, "{report:?}");
    assert_eq!(report.totals().failed, 0, "{report:?}");
    assert!(report.people[0].notes[0].contains("mastered in another directory"));
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka enabled: All Staff, Security Reader, sg-security"
    );
    let account = world.of("W-1").remove(0).account.unwrap();
    let title = account.attributes.get(&crate::entitlement::Attribute::JobTitle);
    assert_eq!(title.map(String::as_str), Some("Clerk"));
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_leaver_mastered_elsewhere_holds_nothing_and_is_announced_when_blocked_there() {
    let (world, account) = hybrid().await;
    let report = world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: ");
    let ended = |report: &RunReport| {
        let outcomes = report.people.iter().flat_map(|person| &person.outcomes);
        outcomes
            .filter(|(step, _)| step.action.kind() == "revoke_sessions")
            .count()
    };
    assert_eq!(ended(&report), 1);
    assert!(
        report.people[0]
            .notes
            .iter()
            .any(|note| note.contains("still allowed")),
        "{report:?}"
    );
    assert!(world.notices.take().is_empty(), "nobody is told what is not true");

    let report = world.at("2026-11-24T10:00:00Z").await;
    assert_eq!(ended(&report), 1, "new sessions are ended as well: {report:?}");
    world.target.master_elsewhere(&account, false);
    world.at("2026-11-24T11:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: ");
    assert_eq!(world.notices.take(), ["Mei Tanaka has left"]);
    world.until("2027-02-01T00:00:00Z").await;
    assert_eq!(
        world.look("W-1"),
        "mei.tanaka blocked: ",
        "deleted where it is mastered"
    );
    assert!(world.notices.take().is_empty());
}

#[tokio::test]
async fn somebody_mastered_elsewhere_who_comes_back_is_not_announced_as_gone() {
    let (world, account) = hybrid().await;
    world.hear(&["W-1 Mei Tanaka Sales status=gone"]).await;
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    world.target.master_elsewhere(&account, false);
    world.until("2026-11-30T00:00:00Z").await;
    assert_eq!(world.look("W-1"), "mei.tanaka blocked: All Staff, sg-sales");
    assert!(!world.notices.take().contains(&"Mei Tanaka has left".to_owned()));
}
