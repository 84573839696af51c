//! Deliveries: staged, compared with the last good one, and believed or held as a whole.

use std::io::Cursor;

use super::*;
use crate::intake::{CsvIntake, Intake, Reject, WorkdayEventIntake};
use crate::journal::{DeliveryId, DeliveryState};

type Part = (Box<dyn Intake>, Cursor<String>);

fn table(rows: impl IntoIterator<Item = String>) -> Part {
    let rows: String = rows.into_iter().map(|row| row + ",Clerk\n").collect();
    let text = format!("Employee ID,First Name,Last Name,Department,Status,Job Title\n{rows}");
    (Box::new(CsvIntake::new()), Cursor::new(text))
}

/// So many people of the sales department.
fn company(people: usize) -> Part {
    table((1..=people).map(|n| format!("W-{n},Mei,Tanaka{n},Sales,Active")))
}

fn world_without_limits() -> World {
    world_of(&POLICY.replace("max_leavers = 2\n", ""))
}

impl World {
    async fn deliver(&self, part: Part) -> Delivered {
        self.engine.deliver("hr", [part], |_| {}).await.unwrap()
    }

    async fn held(&self) -> Vec<(DeliveryId, DeliveryState)> {
        let staged = self.engine.staged().await.unwrap();
        staged.iter().map(|one| (one.id, one.state)).collect()
    }

    fn enabled(&self) -> usize {
        let accounts = self.target.accounts();
        let open = |actual: &&Actual| actual.account.as_ref().is_some_and(|account| account.enabled);
        accounts.iter().filter(open).count()
    }
}

#[tokio::test]
async fn a_good_delivery_is_believed_and_whom_it_does_not_name_is_left_alone() {
    let world = world_without_limits();
    let first = world.deliver(company(40)).await;
    assert!(!first.is_held());
    assert_eq!((first.accepted.events, first.totals.rows), (40, 40));
    world.run().await;
    assert_eq!(world.enabled(), 40);
    // 4 of 40 are missing: absence is no termination.
    let second = world.deliver(company(36)).await;
    assert_eq!((second.findings.len(), second.accepted.unchanged), (0, 36));
    world.until("2027-06-01T00:00:00Z").await;
    assert_eq!(world.enabled(), 40);
    assert_eq!(world.engine.plan().await.unwrap().steps(), 0);
    let state = world
        .engine
        .person(&PersonKey::new("W-40"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.lifecycle, Stage::Active);
}

#[tokio::test]
async fn a_delivery_that_lost_its_people_is_held_as_a_whole_and_nobody_is_planned_for() {
    let world = world_without_limits();
    world.deliver(company(40)).await;
    world.run().await;
    // Half of them have left the file, one has left the company, one is new.
    let odd = table(
        (1..=19)
            .map(|n| format!("W-{n},Mei,Tanaka{n},Security,Active"))
            .chain([
                "W-20,Mei,Tanaka20,Sales,Terminated".into(),
                "W-99,Bo,Ek,Sales,Active".into(),
            ]),
    );
    let held = world.deliver(odd).await;
    assert!(held.is_held());
    assert!(
        held.findings[0].contains("21 rows, 48 % fewer than the 40"),
        "{held:?}"
    );
    assert_eq!(held.accepted, Accepted::default());
    assert_eq!(world.engine.plan().await.unwrap().people.len(), 0);
    world.run().await;
    assert_eq!((world.enabled(), world.look("W-99").as_str()), (40, ""));
    assert_eq!(world.held().await, [(held.id, DeliveryState::Held)]);
    let staged = world.engine.staged().await.unwrap();
    assert_eq!((staged[0].rows, &staged[0].findings), (21, &held.findings));

    // What was good before is still the measure.
    assert!(world.deliver(company(21)).await.is_held());
    // Somebody looked, and means it; also after a restart.
    let engine = world.engine_again();
    let unsigned = engine.release_delivery(held.id, "", "checked").await.unwrap_err();
    assert_eq!(unsigned.kind(), ErrorKind::Invalid);
    let accepted = engine
        .release_delivery(held.id, "ada", "the subsidiary was sold")
        .await
        .unwrap();
    assert_eq!(accepted.events, 21);
    world.run().await;
    assert_eq!(world.look("W-20"), "mei.tanaka20 blocked: ");
    assert_eq!(world.look("W-99"), "bo.ek enabled: All Staff, sg-sales");
    assert!(
        !world.deliver(company(21)).await.is_held(),
        "the released one is the measure now"
    );
}

#[tokio::test]
async fn a_discarded_delivery_leaves_nothing_and_an_old_one_does_not_replace_a_newer_one() {
    let world = world_without_limits();
    world.deliver(company(40)).await;
    let test_data = world.deliver(company(3)).await;
    world
        .engine
        .discard_delivery(test_data.id, "ada", "test data")
        .await
        .unwrap();
    assert_eq!(world.held().await, []);
    let gone = world.journal.delivery(test_data.id).await.unwrap().unwrap();
    assert_eq!(gone.decision.as_deref(), Some("discarded by ada: test data"));

    let old = world.deliver(table(["W-1,Mei,Old,Sales,Active".into()])).await;
    world.deliver(company(40)).await;
    let refused = world
        .engine
        .release_delivery(old.id, "ada", "why not")
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_source_that_breaks_off_is_held_and_its_own_gate_counts() {
    let world = world_without_limits();
    let mut broken = company(40);
    broken.1.get_mut().push_str("W-41,\"Mei");
    let held = world.deliver(broken).await;
    assert!(
        held.findings[0].starts_with("it could not be read to its end"),
        "{held:?}"
    );
    assert_eq!(world.engine.plan().await.unwrap().people.len(), 0);
    // Nothing at all is never believed, unless the source says so.
    assert_eq!(world.deliver(company(0)).await.findings, ["no rows"]);
    let mut gate = Gate::default();
    (gate.never_empty, gate.max_loss_percent) = (false, None);
    let engine = Engine::builder(Arc::new(world.journal.clone()), world.policy.clone())
        .target(Arc::new(world.target.clone()))
        .source("changes", gate)
        .build();
    for people in [40, 0, 1] {
        let changes = engine
            .deliver("changes", [company(people)], |_| {})
            .await
            .unwrap();
        assert!(!changes.is_held(), "{changes:?}");
    }
}

#[tokio::test]
async fn pages_are_one_delivery_and_what_is_refused_is_told() {
    let world = world_without_limits();
    let mut refused: Vec<Reject> = Vec::new();
    let pages = [
        company(3),
        table(["W-7,Bo,Ek,Sales,Active".into(), "W-8,Bo,Ek,Sales,Inactive".into()]),
    ];
    let delivered = world
        .engine
        .deliver("hr", pages, |reject| refused.push(reject))
        .await
        .unwrap();
    assert_eq!((delivered.totals.rows, delivered.totals.rejects), (5, 1));
    assert_eq!((delivered.accepted.events, refused[0].row), (4, 3));
}

#[tokio::test]
async fn a_business_process_event_takes_effect_through_a_delivery() {
    let world = world_without_limits();
    world.deliver(company(2)).await;
    world.run().await;
    let events = r#"[
        {"eventName": "Terminate Employee", "workerId": "W-1", "terminationDate": "2026-11-20", "eventId": "E-1"},
        {"eventName": "Request Leave of Absence", "workerId": "W-2", "effectiveDate": "2026-12-01", "eventId": "E-2"},
        {"eventName": "Change Job", "workerId": "W-2", "effectiveDate": "2026-12-01", "eventId": "E-3"}]"#;
    let part: Part = (
        Box::new(WorkdayEventIntake::new()),
        Cursor::new(events.to_owned()),
    );
    let mut refused = Vec::new();
    let told = world
        .engine
        .deliver("events", [part], |reject| refused.push(reject))
        .await
        .unwrap();
    assert_eq!((told.accepted.events, refused[0].code), (2, "record_needed"));
    world.run().await;
    assert_eq!(world.look("W-1"), "mei.tanaka1 blocked: ");
    world.until("2026-12-01T00:00:00Z").await;
    assert_eq!(world.look("W-2"), "mei.tanaka2 blocked: All Staff, sg-sales");
    let rescind = r#"{"eventName": "Rescind Request Leave of Absence", "workerId": "W-2", "rescinds": "E-2",
                      "eventId": "E-4"}"#;
    let part: Part = (
        Box::new(WorkdayEventIntake::new()),
        Cursor::new(rescind.to_owned()),
    );
    world.engine.accept_from(part.0, part.1, |_| {}).await.unwrap();
    world.run().await;
    assert_eq!(world.look("W-2"), "mei.tanaka2 enabled: All Staff, sg-sales");
}

#[tokio::test]
async fn of_two_profiles_of_one_key_the_active_one_counts_and_two_active_ones_are_held_and_reported() {
    let world = world_without_limits();
    let row = |id: &str, department: &str, status: &str| format!("{id},Mei,Tanaka,{department},{status}");
    let mut refused = Vec::new();
    // Far enough apart to be staged in different chunks.
    let between = (0..600).map(|n| format!("X-{n},Bo,Ek{n},Sales,Active"));
    let rows = [
        row("W-1", "Sales", "Terminated"),
        row("W-2", "Sales", "Active"),
        row("W-3", "Sales", "Active"),
    ]
    .into_iter()
    .chain(between)
    .chain([
        row("W-1", "Security", "Active"),
        row("W-2", "Sales", "Terminated"),
        row("W-3", "Security", "Active"),
    ]);
    let part = table(rows);
    let delivered = world
        .engine
        .deliver("hr", [part], |reject| refused.push(reject))
        .await
        .unwrap();
    assert!(!delivered.is_held(), "{delivered:?}");
    let known = async |id: &str| {
        let accepted = world
            .journal
            .accepted(&[PersonKey::new(id)])
            .await
            .unwrap()
            .remove(0)?;
        accepted
            .record
            .map(|record| (record.status, record.department.unwrap_or_default()))
    };
    assert_eq!(known("W-1").await, Some((Status::Active, "Security".to_owned())));
    assert_eq!(known("W-2").await, Some((Status::Active, "Sales".to_owned())));
    assert_eq!(known("W-3").await, None);
    let told: Vec<(u64, &str)> = refused.iter().map(|reject| (reject.row, reject.code)).collect();
    assert_eq!(
        told,
        [
            (606, "duplicate_key"),
            (4, "duplicate_key"),
            (607, "duplicate_key")
        ]
    );
}

/// The process dies at every write of a delivery, and once more of its release: nothing is lost, nothing comes twice.
#[tokio::test]
async fn a_delivery_survives_a_crash_at_every_write() {
    const ROWS: usize = 1200;
    let rows = || table((1..=ROWS).map(|n| format!("W-{n},Mei,T{n},Sales,Active")));
    for held in [false, true] {
        let mut struck = 0;
        for writes in 0.. {
            let world = world_without_limits();
            if held {
                world
                    .deliver(table((1..=10).map(|n| format!("X-{n},Mei,T{n},Sales,Active"))))
                    .await;
            }
            let before = world
                .journal
                .history(&HistoryQuery::default())
                .await
                .unwrap()
                .len();
            let attempt = async |engine: &Engine| -> Result<()> {
                let delivered = engine.deliver("hr", [rows()], |_| {}).await?;
                if delivered.is_held() {
                    engine.release_delivery(delivered.id, "ada", "checked").await?;
                }
                Ok(())
            };
            world.mortal.dies_after(writes);
            let over = attempt(&world.engine).await.is_ok();
            world.mortal.revive();
            let engine = world.engine_again();
            engine.catch_up().await.unwrap();
            let staged = engine.staged().await.unwrap();
            let accepted = async || {
                world
                    .journal
                    .history(&HistoryQuery::default())
                    .await
                    .unwrap()
                    .len()
                    - before
            };
            match staged.first().map(|one| one.state) {
                Some(DeliveryState::Held) => {
                    assert!(held && accepted().await == 0);
                    engine
                        .release_delivery(staged[0].id, "ada", "checked")
                        .await
                        .unwrap();
                }
                // Read half, or not at all: HR delivers once more.
                Some(DeliveryState::Open) | None if accepted().await == 0 => {
                    attempt(&engine).await.unwrap();
                }
                state => assert_eq!(state, None, "what was decided is accepted to the end"),
            }
            assert_eq!(accepted().await, ROWS, "after {writes} writes");
            assert_eq!(engine.staged().await.unwrap(), []);
            if over {
                break;
            }
            struck += 1;
        }
        assert!(struck >= 7, "{struck} writes were struck");
    }
}
