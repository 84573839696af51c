//! Who is told that something needs somebody to look, and how often.

use super::doors::Mood;
use super::*;
use crate::intake::FlatIntake;
use crate::policy::Document;

fn world() -> World {
    let watch = "[guard]\nnotify = [\"watch@contoso.example\"]\n";
    let policy = POLICY.replace("[guard]\n", watch).replace(
        "groups = [\"All Staff\"]",
        "groups = [\"All Staff\"]\nlicenses = [\"SPE_E3\"]",
    );
    world_of(&policy)
}

impl World {
    /// The messages since the last look.
    fn alerts(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.all.lock().unwrap())
    }

    fn only_seats(&self, total: u64) {
        let accounts = self.target.accounts().into_iter();
        let used = accounts.filter(|actual| actual.held.iter().any(|held| held.entitlement.name == "SPE_E3"));
        let seats = crate::entitlement::Seats {
            total,
            used: used.count() as u64,
        };
        self.target.change_catalog(|catalog| {
            let mut items = catalog.items.iter_mut();
            let item = items.find(|item| item.entitlement.name == "SPE_E3").unwrap();
            item.seats = Some(seats);
        });
    }
}

#[tokio::test]
async fn a_tripped_guard_is_told_once_and_another_plan_again() {
    let world = world();
    let all = [
        "W-1 A One Sales",
        "W-2 B Two Sales",
        "W-3 C Three Sales",
        "W-4 D Four Sales",
    ];
    world.hear(&all).await;
    assert_eq!(world.alerts(), Vec::<String>::new());
    let gone: Vec<String> = all[..3]
        .iter()
        .map(|text| format!("{text} status=gone"))
        .collect();
    world
        .tell(&gone.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    for _ in 0..3 {
        world.engine.run(&|_| {}).await.unwrap_err();
    }
    // Nor does another engine on the same journal say it again.
    world.engine_again().run(&|_| {}).await.unwrap_err();
    let told = world.alerts();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "watch@contoso.example: The guard has stopped a plan: 3 people would lose their access"
        ),
        "{told:?}"
    );
    assert!(told[0].contains(&world.engine.frozen().await.unwrap().unwrap().hash));
    world.tell(&["W-4 D Four Sales status=gone"]).await;
    world.engine.run(&|_| {}).await.unwrap_err();
    assert_eq!(world.alerts().len(), 1, "another plan is another alert");
}

#[tokio::test]
async fn missing_seats_are_told_once_until_there_are_some_again() {
    let world = world();
    world.only_seats(1);
    world.hear(&["W-1 Mei Tanaka Sales", "W-2 Bo Ek Sales"]).await;
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.contains("SPE_E3: 1 wait, 0 of 1 seats are taken")),
        "{told:?}"
    );
    for hour in [10, 11, 12] {
        world.only_seats(1);
        world.at(&format!("2026-11-24T{hour}:00:01Z")).await;
    }
    assert_eq!(world.alerts(), Vec::<String>::new());
    world.only_seats(2);
    world.at("2026-11-24T13:30:01Z").await;
    assert!(world.look("W-2").contains("SPE_E3") && world.look("W-1").contains("SPE_E3"));
    world.only_seats(2);
    world.hear(&["W-3 Cy Om Sales"]).await;
    assert_eq!(world.alerts().len(), 1, "it has come again");
}

#[tokio::test]
async fn a_held_delivery_an_event_set_aside_and_a_name_that_is_not_known_are_told_once() {
    let world = world();
    let held = world
        .engine
        .deliver(
            "hr",
            [(
                Box::new(FlatIntake::new()) as Box<dyn crate::intake::Intake>,
                std::io::Cursor::new("[oops"),
            )],
            |_| {},
        )
        .await
        .unwrap();
    assert!(held.is_held());
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.contains("A delivery of HR data is held: delivery ") && one.contains(" of hr: ")),
        "{told:?}"
    );
    // The rule of titles cannot be evaluated.
    world
        .hear(&["W-1 Mei Tanaka Sales title=none", "W-2 Bo Ek Sales"])
        .await;
    world.run().await;
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.contains("Events have been set aside: W-1: ")),
        "{told:?}"
    );
    assert!(!told[0].contains("Tanaka"), "by worker id alone");
    world.target.turn("sg-heads", Class::Dynamic);
    for _ in 0..2 {
        world.hear(&["W-2 Bo Ek Sales title=Boss"]).await;
    }
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.contains("rule title, line ")),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_alert_that_cannot_be_sent_stops_nothing_and_is_sent_later() {
    let world = world();
    world.only_seats(0);
    *world.notices.refuses.lock().unwrap() = Some(ErrorKind::Unavailable);
    world.hear(&["W-1 Mei Tanaka Sales"]).await;
    assert_eq!(world.look("W-1"), "mei.tanaka enabled: All Staff, sg-sales");
    *world.notices.refuses.lock().unwrap() = None;
    world.at("2026-11-24T10:00:01Z").await;
    assert_eq!(world.alerts().len(), 1);
}

#[tokio::test]
async fn a_policy_that_names_somebody_needs_a_notifier_and_one_that_names_nobody_tells_nobody() {
    let world = world();
    let policy = world.policy.clone();
    let mute = Engine::builder(Arc::new(world.mortal.clone()), policy)
        .target(Arc::new(world.moody.clone()))
        .build();
    let error = mute.run(&|_| {}).await.unwrap_err();
    assert!(
        error.to_string().contains("notify in [guard]: no notifier"),
        "{error}"
    );
    let quiet = Arc::new(Document::parse(POLICY).unwrap());
    let engine = world.engine_with(quiet);
    world.tell(&["W-1 Mei Tanaka Sales title=none"]).await;
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(world.alerts(), Vec::<String>::new());
    let wrong = Document::parse(&POLICY.replace("[guard]\n", "[guard]\nnotify = [\"watch\"]\n")).unwrap_err();
    assert!(wrong.to_string().contains("a mail address"), "{wrong}");
}

#[tokio::test]
async fn a_message_that_nobody_understands_is_told_once() {
    let world = world();
    let mut message = crate::journal::Message::new("payroll", "m-1", "iam-platform.hr.record");
    message.content_type = Some("application/json".to_owned());
    message.data = br#"{"employeeId": "W-1", "firstName": "Tanaka"}"#.to_vec();
    for _ in 0..2 {
        let taken = world
            .engine
            .receive(std::slice::from_ref(&message))
            .await
            .unwrap();
        assert!(taken[0].dead_letter.is_some());
    }
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.starts_with("watch@contoso.example: Messages cannot be understood: dead letter")
            && one.contains("payroll") && one.contains("status") && !one.contains("Tanaka")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_fleet_that_finds_no_seat_tells_it_once() {
    let world = world();
    world
        .moody
        .fail("grant:licen", 100, Mood::Refuses(ErrorKind::LicenseExhausted));
    world.tell(&["W-1 Mei Tanaka Sales"]).await;
    let told = async || !world.notices.all.lock().unwrap().is_empty();
    Fleet::new(Arc::new(world.engine_again()))
        .workers(1)
        .lanes(1)
        .run(super::slow::eventually("it is told", told))
        .await
        .unwrap();
    let told = world.alerts();
    assert!(
        matches!(&told[..], [one] if one.contains("Licence seats are missing")
            && one.contains("SPE_E3: no seat is left, and 1 wait")),
        "{told:?}"
    );
    // It is tried again, and told no more.
    world.until("2026-11-25T09:00:00Z").await;
    assert_eq!(world.alerts(), Vec::<String>::new());
}
