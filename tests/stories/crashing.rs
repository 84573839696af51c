//! The process dies around each record of its journal, and a new one goes on.

use std::path::Path;
use std::process::Command;

use iam_sandbox::Sandbox;

use crate::world::{self, World};

/// Runs one process on the tenant: HR says `said`; it dies at `crash` (`before N`, `after N`) or ends well.
fn process(sandbox: &Sandbox, journal: &Path, said: &str, crash: &str) -> bool {
    process_at(sandbox, &journal.display().to_string(), said, crash)
}

/// The same on any journal.
pub fn process_at(sandbox: &Sandbox, journal: &str, said: &str, crash: &str) -> bool {
    let output = Command::new(env!("CARGO_BIN_EXE_one-event"))
        .args([
            sandbox.authority(),
            sandbox.graph(),
            sandbox.tenant_id(),
            sandbox.client_id(),
        ])
        .args([sandbox.client_secret(), journal, said, crash])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code().is_none_or(|code| code == 0),
        "{crash}: {text}"
    );
    output.status.success()
}

/// Every crash point of `said`, each for a person of its own; returns how many there were.
async fn at_every_record(
    world: &World,
    prepare: Option<&str>,
    said: &str,
    check: impl AsyncFn(&str, &str),
) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut points = 0;
    for edge in ["before", "after"] {
        for record in 1.. {
            let id = format!("{edge}-{record}");
            let journal = folder.path().join(format!("{id}.sqlite"));
            let text = |said: &str| said.replace("ID", &id);
            if let Some(first) = prepare {
                assert!(process(&world.sandbox, &journal, &text(first), "never"));
            }
            let crash = format!("{edge} {record}");
            let ended_well = process(&world.sandbox, &journal, &text(said), &crash);
            if !ended_well {
                points += 1;
                assert!(process(&world.sandbox, &journal, &text(said), "never"), "{crash}");
            }
            check(&id, &crash).await;
            if ended_well {
                break; // fewer records than that
            }
        }
    }
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_survives_a_crash_at_every_record() {
    let world = World::new().await;
    let points = at_every_record(&world, None, "ID Mei Tanaka-ID Security", async |id, crash| {
        let name = format!("mei.tanaka-{id}");
        let expected = format!("{name} enabled: Everybody, st-security / SPE_E3 / Security Reader");
        assert_eq!(world.look(id).await, expected, "{crash}");
        let mails = world.mails();
        let told = mails
            .iter()
            .filter(|subject| subject.contains(&format!("Tanaka-{id} ")))
            .count();
        assert!(told <= 1, "{crash}: {told} mails");
    })
    .await;
    assert!(points >= 34, "only {points} crash points were reached");
    // At most once, and not never: only a crash between the intent and the mail loses it.
    assert!(
        world.mails().len() + 3 >= points,
        "{} mails of {points} joiners",
        world.mails().len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_survives_a_crash_at_every_record() {
    let world = World::new().await;
    let (hired, gone) = (
        "ID Mei Tanaka-ID Security",
        "ID Mei Tanaka-ID Security status=gone",
    );
    let points = at_every_record(&world, Some(hired), gone, async |id, crash| {
        assert_eq!(
            world.look(id).await,
            format!("mei.tanaka-{id} blocked:  /  / "),
            "{crash}"
        );
        let replies = world.sandbox.user(id).unwrap()["automaticReplies"].clone();
        assert_eq!(replies["status"], "alwaysEnabled", "{crash}");
    })
    .await;
    assert!(points >= 34, "only {points} crash points were reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_interrupted_still_belongs_to_the_platform() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.sqlite");
    // Somewhere among the grants.
    assert!(!process(
        &world.sandbox,
        &journal,
        "W-1 Mei Tanaka Security",
        "before 9"
    ));
    assert!(process(
        &world.sandbox,
        &journal,
        "W-1 Mei Tanaka Security",
        "never"
    ));
    assert!(process(&world.sandbox, &journal, "W-1 Mei Tanaka Sales", "never"));
    // The grace of rule security is over.
    let tenant = world.sandbox.tenant_id();
    let reopened = iam_core::journal::SqliteJournal::open(&journal, tenant)
        .await
        .unwrap();
    let clock = iam_core::testing::ManualClock::at("2027-01-24T09:00:00Z".parse().unwrap());
    let policy = iam_core::policy::Document::parse(world::POLICY).unwrap();
    let engine = world::engine(&world.sandbox, std::sync::Arc::new(reopened), policy, &clock);
    engine.run(&|_| {}).await.unwrap();
    assert_eq!(
        world.look("W-1").await,
        "mei.tanaka enabled: Everybody, st-sales / POWER_BI_PRO, SPE_E3 / "
    );
}
