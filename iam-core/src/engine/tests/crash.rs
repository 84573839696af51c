//! The process dies between any two writes, twice, and the end is the same.

use super::*;

/// Runs until the process dies or nothing is left to do; then lives again.
async fn life(world: &World, writes: isize) -> bool {
    world.mortal.dies_after(writes);
    let died = world.engine.run(&|_| {}).await.is_err();
    world.mortal.revive();
    died
}

#[tokio::test]
async fn two_crashes_at_any_two_writes_forget_nothing() {
    for first in 0..40 {
        for second in 0..14 {
            let world = world();
            world.tell(&["W-1 Mei Tanaka Security"]).await;
            let died = life(&world, first).await;
            life(&world, second).await;
            world.run().await;
            assert_eq!(
                world.look("W-1"),
                "mei.tanaka enabled: All Staff, Security Reader, sg-security",
                "{first} {second}"
            );
            // What the ledger holds is taken away, and only that.
            world.give("W-1", "by hand").await;
            world.hear(&["W-1 Mei Tanaka Sales"]).await;
            world.until("2026-12-09T00:00:00Z").await;
            let end = "mei.tanaka enabled: All Staff, by hand, sg-sales";
            assert_eq!(world.look("W-1"), end, "{first} {second}");
            if !died {
                return;
            }
        }
    }
    panic!("no life was long enough");
}

#[tokio::test]
async fn two_crashes_of_a_leave_leave_nothing_and_a_return_opens() {
    for first in 0..40 {
        for second in 0..14 {
            let world = world();
            world.hear(&["W-1 Mei Tanaka Security"]).await;
            world.tell(&["W-1 Mei Tanaka Security status=gone"]).await;
            let died = life(&world, first).await;
            life(&world, second).await;
            world.run().await;
            assert_eq!(world.look("W-1"), "mei.tanaka blocked: ", "{first} {second}");
            world.hear(&["W-1 Mei Tanaka Sales"]).await;
            assert_eq!(
                world.look("W-1"),
                "mei.tanaka enabled: All Staff, sg-sales",
                "{first} {second}"
            );
            if !died {
                return;
            }
        }
    }
    panic!("no life was long enough");
}

#[tokio::test]
async fn a_leave_that_overtakes_a_half_done_join_forgets_nothing() {
    for writes in 0..40 {
        let world = world();
        world.tell(&["W-1 Mei Tanaka Security"]).await;
        let died = life(&world, writes).await;
        world
            .hear(&["W-1 Mei Tanaka Security status=gone last=2027-12-31"])
            .await;
        assert_eq!(
            world.look("W-1"),
            "mei.tanaka enabled: All Staff, Security Reader, sg-security",
            "{writes}"
        );
        world
            .hear(&["W-1 Mei Tanaka Sales status=gone last=2027-12-31"])
            .await;
        world.until("2026-12-09T00:00:00Z").await;
        let end = "mei.tanaka enabled: All Staff, sg-sales";
        assert_eq!(world.look("W-1"), end, "{writes}");
        if !died {
            return;
        }
    }
    panic!("no life was long enough");
}
