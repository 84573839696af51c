//! The budget that all workers share.

use std::time::Duration;

use super::{Journal, at};
use crate::journal::{Draw, Drawn};

fn draw(target: &str, wanted: f64, urgent: bool) -> Draw {
    Draw {
        target: target.to_owned(),
        capacity: 100.0,
        window: Duration::from_secs(10),
        reserved: 0.2,
        least: 1.0,
        wanted,
        urgent,
    }
}

async fn take(journal: &dyn Journal, draw: &Draw, second: i64) -> Drawn {
    journal.take_budget(draw, at(second)).await.unwrap()
}

pub(super) async fn a_budget_is_granted_out_of_one_bucket_for_each_target(journal: &dyn Journal) {
    let (units, writes) = (
        draw("graph:units", 30.0, false),
        draw("graph:writes", 80.0, false),
    );
    for _ in 0..2 {
        assert_eq!(take(journal, &units, 0).await, Drawn::Granted(30.0));
    }
    assert_eq!(
        take(journal, &units, 0).await,
        Drawn::Granted(20.0),
        "the rest is kept"
    );
    let Drawn::RetryAt(when) = take(journal, &units, 0).await else {
        panic!("nothing is left for who can wait")
    };
    assert!(when > at(0) && when < at(1));
    assert_eq!(
        take(journal, &draw("graph:units", 20.0, true), 0).await,
        Drawn::Granted(20.0)
    );
    assert_eq!(
        take(journal, &writes, 0).await,
        Drawn::Granted(80.0),
        "a bucket of its own"
    );
    assert_eq!(take(journal, &units, 10).await, Drawn::Granted(30.0));
}

pub(super) async fn concurrent_draws_never_exceed_the_bucket(journal: &dyn Journal) {
    let one = draw("graph:units", 7.0, false);
    let draws = futures::future::join_all((0..40).map(|_| take(journal, &one, 0))).await;
    let granted: f64 = draws
        .iter()
        .map(|drawn| match drawn {
            Drawn::Granted(tokens) => *tokens,
            Drawn::RetryAt(_) => 0.0,
        })
        .sum();
    assert!((granted - 80.0).abs() < 1e-6, "{granted}");
}

pub(super) async fn a_refusal_of_the_service_blocks_everybody(journal: &dyn Journal) {
    let (urgent, other) = (draw("graph:units", 10.0, true), draw("arm:units", 10.0, true));
    journal.block_target("graph:units", at(30), at(0)).await.unwrap();
    journal.block_target("graph:units", at(20), at(1)).await.unwrap();
    assert_eq!(take(journal, &urgent, 5).await, Drawn::RetryAt(at(30)));
    assert_eq!(take(journal, &other, 5).await, Drawn::Granted(10.0));
    assert_eq!(take(journal, &urgent, 31).await, Drawn::Granted(10.0));
    // What was refused once is given out more slowly: 80 % of the capacity by then, and not all of it.
    let all = draw("graph:units", 1_000.0, true);
    let Drawn::Granted(tokens) = take(journal, &all, 40).await else {
        panic!("there is something")
    };
    assert!(tokens > 50.0 && tokens < 95.0, "{tokens}");
}
