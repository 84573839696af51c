//! Trouble: tokens that die, throttling, lost answers, a tenant that is down, no seat left.

use iam_core::ErrorKind;
use iam_core::engine::Ending;
use iam_core::http::Method;
use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::json;

use crate::world::World;

const TRIO: [&str; 3] = [
    "W-1 Mei Tanaka Security",
    "W-2 Bo Ek Sales manager=W-1",
    "W-3 Ada Ng Security",
];
const IN_SECURITY: &str = "enabled: Everybody, st-security / SPE_E3 / Security Reader";

#[tokio::test]
async fn a_token_that_dies_in_the_middle_is_replaced() {
    let world = World::new().await;
    world.sandbox.fault(
        Fault::new(Effect::RevokeTokens)
            .on("POST", "/groups/*/members/$ref")
            .nth(2)
            .times(1),
    );
    let report = world.hear(&TRIO).await;
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    assert!(world.look("W-1").await.ends_with(IN_SECURITY));
    assert_eq!(world.sandbox.faults()[0].fired(), 1);
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_replaced() {
    let world = World::new().await;
    world.engine.accept(TRIO.map(crate::world::person)).await.unwrap();
    let expired = std::sync::atomic::AtomicBool::new(false);
    let report = world
        .engine
        .run(&|_| {
            // The tenant's clock runs ahead of ours: what we think good for an hour is over there.
            if !expired.swap(true, std::sync::atomic::Ordering::SeqCst) {
                world.sandbox.advance(std::time::Duration::from_hours(2));
            }
        })
        .await
        .unwrap();
    assert_eq!(
        (report.totals().failed, report.totals().open),
        (0, 0),
        "{report:?}"
    );
    assert!(world.look("W-1").await.ends_with(IN_SECURITY));
    let refused = world
        .sandbox
        .log()
        .iter()
        .filter(|entry| entry.status == 401)
        .count();
    assert!(refused > 0, "nothing was refused");
}

#[tokio::test]
async fn a_storm_of_429_delays_and_loses_nothing() {
    let world = World::new().await;
    for (retry_after, share) in [
        (RetryAfter::Seconds(0), 0.2),
        (RetryAfter::Fraction(0.05), 0.2),
        (RetryAfter::Missing, 0.1),
    ] {
        let fault = Fault::new(Effect::Throttle { retry_after });
        world.sandbox.fault(fault.on("*", "/**").probability(share));
    }
    let people: Vec<String> = (1..=12)
        .map(|n| format!("W-{n} Mei{n} Tanaka Security"))
        .collect();
    world
        .engine
        .accept(people.iter().map(|text| crate::world::person(text)))
        .await
        .unwrap();
    // A run that cannot even read gives the work back. Whoever was refused too often within one call is tried again by the journal.
    for minute in 0..12 {
        world
            .clock
            .set(format!("2026-11-24T09:{:02}:00Z", minute * 5).parse().unwrap());
        if let Err(error) = world.engine.run(&|_| {}).await {
            assert_eq!(error.kind(), ErrorKind::Throttled, "{error}");
        }
    }
    assert!(world.sandbox.faults().iter().all(|fault| fault.fired() > 0));
    world.sandbox.clear_faults();
    for n in 1..=12 {
        assert_eq!(
            world.look(&format!("W-{n}")).await,
            format!("mei{n}.tanaka {IN_SECURITY}")
        );
    }
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_exactly_one_user() {
    for effect in [
        Effect::CutAfter,
        Effect::CutBefore,
        Effect::Status {
            status: 503,
            retry_after: RetryAfter::Missing,
        },
    ] {
        let world = World::new().await;
        world
            .sandbox
            .fault(Fault::new(effect.clone()).on("POST", "/users").times(1));
        let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
        world.at("2026-11-24T09:05:00Z").await;
        assert_eq!(world.sandbox.faults()[0].fired(), 1, "{effect:?}");
        assert_eq!(
            world.look("W-1").await,
            format!("mei.tanaka {IN_SECURITY}"),
            "{effect:?} {report:?}"
        );
        assert_eq!(world.mails().len(), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn answers_lost_everywhere_lead_to_the_same_end() {
    let world = World::new().await;
    for path in [
        "/groups/*/members/$ref",
        "/users/*/assignLicense",
        "/roleManagement/directory/roleAssignments",
    ] {
        world
            .sandbox
            .fault(Fault::new(Effect::CutAfter).on("POST", path).times(1));
    }
    world.sandbox.fault(
        Fault::new(Effect::CutAfter)
            .on("POST", "/users/*/sendMail")
            .times(1),
    );
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.at("2026-11-24T09:05:00Z").await;
    assert_eq!(world.look("W-1").await, format!("mei.tanaka {IN_SECURITY}"));
    // The mail went out, its answer was lost: at most once means that it is not sent again.
    assert_eq!(world.mails(), ["Mei Tanaka can sign in"]);
    // What was given under a lost answer is the platform's all the same, and goes with its reason.
    world.hear(&["W-1 Mei Tanaka Marketing"]).await;
    world.at("2026-12-08T09:06:00Z").await;
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody / SPE_E3 / "
    );
}

#[tokio::test]
async fn a_directory_that_is_slow_to_show_new_objects_gets_one_account() {
    let world = World::new().await;
    // The groups are long known.
    world.sandbox.advance(std::time::Duration::from_mins(1));
    world
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 800 }).on("*", "/**"));
    let report = world.hear(&["W-1 Mei Tanaka Security"]).await;
    world.sandbox.clear_faults();
    world.at("2026-11-24T09:05:00Z").await;
    assert_eq!(
        world.look("W-1").await,
        format!("mei.tanaka {IN_SECURITY}"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_leaver_whose_block_fails_loses_the_rest_at_once_and_is_blocked_soon() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let id = world.id("W-1").await;
    let down = Effect::Status {
        status: 503,
        retry_after: RetryAfter::Seconds(0),
    };
    world
        .sandbox
        .fault(Fault::new(down).on("PATCH", &format!("/users/{id}")));
    let report = world.hear(&["W-1 Mei Tanaka Security status=gone"]).await;
    assert!(matches!(report.people[0].ending, Ending::Retry(..)), "{report:?}");
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled:  /  / ",
        "what only removes access waits for nothing"
    );
    world.sandbox.clear_faults();
    world.at("2026-11-24T09:00:15Z").await;
    assert_eq!(world.look("W-1").await, "mei.tanaka blocked:  /  / ");
    assert_eq!(
        world.mails().last().map(String::as_str),
        Some("Mei Tanaka has left")
    );
}

#[tokio::test]
async fn nothing_is_taken_away_while_the_tenant_cannot_be_read() {
    let world = World::new().await;
    world.hear(&["W-1 Mei Tanaka Security"]).await;
    let before = world.look("W-1").await;
    let down = || Effect::Status {
        status: 503,
        retry_after: RetryAfter::Seconds(0),
    };
    // Without what somebody holds, that person waits; without the groups on offer, no group is given or taken.
    let without_groups =
        "mei.tanaka enabled: Everybody, st-security / POWER_BI_PRO, SPE_E3 / Security Reader";
    for (path, instant, after) in [
        ("/users/*/memberOf", "2026-11-24T09:10:00Z", before.as_str()),
        ("/groups", "2026-11-24T09:20:00Z", without_groups),
    ] {
        world.sandbox.fault(Fault::new(down()).on("GET", path));
        world
            .engine
            .accept([crate::world::person("W-1 Mei Tanaka Sales")])
            .await
            .unwrap();
        let report = world.at(instant).await;
        assert_eq!(report.totals().open, 1, "{path}: {report:?}");
        world.sandbox.clear_faults();
        assert_eq!(world.look("W-1").await, after);
    }
    // Not even the people can be read: nothing is begun.
    world.sandbox.fault(Fault::new(down()).on("GET", "/users"));
    world
        .engine
        .accept([crate::world::person("W-2 Bo Ek Sales")])
        .await
        .unwrap();
    let error = world.engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), iam_core::ErrorKind::Unavailable);
    world.sandbox.clear_faults();
    world.at("2026-11-24T10:30:00Z").await;
    assert!(
        world.look("W-1").await.contains("st-sales") && world.look("W-2").await.contains("st-sales"),
        "what was accepted is not lost"
    );
}

#[tokio::test]
async fn somebody_without_a_seat_gets_the_rest_now_and_the_licence_later() {
    let world = World::new().await;
    let used = world.get("/subscribedSkus").await;
    let skus = used["value"].as_array().unwrap();
    let bi = skus
        .iter()
        .find(|sku| sku["skuPartNumber"] == "POWER_BI_PRO")
        .unwrap();
    let seats = bi["prepaidUnits"]["enabled"].as_u64().unwrap() - bi["consumedUnits"].as_u64().unwrap();
    // Somebody else takes every seat but one.
    let mut holders = Vec::new();
    for n in 1..seats {
        let body = json!({
            "accountEnabled": true, "displayName": format!("Holder {n}"), "mailNickname": format!("holder{n}"),
            "userPrincipalName": format!("holder{n}@contoso.example"), "usageLocation": "AU",
            "passwordProfile": {"password": "Holder-of-a-seat-1!"},
        });
        world.change(Method::Post, "/users", body).await;
        let give =
            json!({"addLicenses": [{"skuId": bi["skuId"], "disabledPlans": []}], "removeLicenses": []});
        world
            .change(
                Method::Post,
                &format!("/users/holder{n}@contoso.example/assignLicense"),
                give,
            )
            .await;
        holders.push(format!("holder{n}@contoso.example"));
    }
    let report = world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let waiting: Vec<_> = report
        .people
        .iter()
        .filter(|run| matches!(run.ending, Ending::Waiting(_)))
        .collect();
    assert_eq!(waiting.len(), 1, "{report:?}");
    let looks = [world.look("W-1").await, world.look("W-2").await];
    assert!(
        looks
            .iter()
            .all(|look| look.contains("enabled: Everybody, st-sales")),
        "{looks:?}"
    );
    assert_eq!(
        looks.iter().filter(|look| look.contains("POWER_BI_PRO")).count(),
        1,
        "{looks:?}"
    );
    let take = json!({"addLicenses": [], "removeLicenses": [bi["skuId"]]});
    world
        .change(
            Method::Post,
            &format!("/users/{}/assignLicense", holders[0]),
            take,
        )
        .await;
    world.at("2026-11-24T10:00:00Z").await;
    for id in ["W-1", "W-2"] {
        assert!(world.look(id).await.contains("POWER_BI_PRO"), "{id}");
    }
}
