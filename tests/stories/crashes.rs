//! The crash matrix: workers with several tasks are struck around a write of their journal, somebody starts them again,
//! and nothing is lost, nothing is doubled, and everybody's events are worked in order.
//!
//! `./tests/run` strikes at some writes, drawn by chance from the seed that is printed; `./tests/run nightly` sets
//! `IAM_CRASHES=all` and strikes at every one. `IAM_SEED` repeats a run.

#[path = "crashes/bad.rs"]
mod bad;
#[path = "crashes/cell.rs"]
pub(crate) mod cell;
#[allow(dead_code, reason = "shared with the worker")]
#[path = "crashes/course.rs"]
pub(crate) mod course;
#[path = "crashes/history.rs"]
pub(crate) mod history;

use futures::StreamExt;

use self::cell::Tenant;
use self::course::{Blow, Strike};
use self::history::{Wrong, findings, told};

const TASKS: usize = 4;
/// Stories that one tenant sees.
const TOGETHER: usize = 16;

/// A number that stands for chance: the same for the same seed and turn.
pub(crate) fn chance(seed: u64, turn: u64) -> u64 {
    // splitmix64
    let mut z = seed.wrapping_add(turn.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn seed() -> u64 {
    std::env::var("IAM_SEED").map_or(2026, |text| text.parse().unwrap())
}

/// Whether to strike everywhere.
pub(crate) fn everywhere() -> bool {
    std::env::var("IAM_CRASHES").is_ok_and(|which| which == "all")
}

/// The strikes of one kind: before and after each of so many writes, or some of them.
fn strikes_at(by: Blow, writes: usize) -> Vec<Strike> {
    if everywhere() {
        let both = (1..=writes).flat_map(|write| [false, true].map(|after| (write, after)));
        return both.map(|(write, after)| Strike { write, after, by }).collect();
    }
    let drawn = (0..6).map(|number| {
        let lot = usize::try_from(chance(seed(), by as u64 * 1000 + number)).unwrap();
        Strike {
            write: 1 + lot % writes,
            after: number % 2 == 1,
            by,
        }
    });
    drawn.collect()
}

/// Strikes by one kind, and checks what is left; how many workers died of it.
#[allow(clippy::print_stdout, reason = "the seed belongs beside the result")]
async fn matrix(by: Blow) -> usize {
    println!("{by:?}: IAM_SEED={}", seed());
    let mut deaths = 0;
    let mut open = None;
    loop {
        let tenant = Tenant::start(4).await;
        let strikes = open.get_or_insert_with(|| strikes_at(by, tenant.writes));
        let now = strikes.split_off(strikes.len().saturating_sub(TOGETHER));
        let stories = now.into_iter().enumerate().map(|(number, strike)| {
            let (tenant, story) = (&tenant, format!("s{number:03}"));
            async move { (strike, tenant.live(&story, TASKS, Some(strike)).await) }
        });
        let mut stories = futures::stream::iter(stories).buffer_unordered(2);
        while let Some((strike, story)) = stories.next().await {
            let wrong: Vec<String> = findings(&story.left).iter().map(ToString::to_string).collect();
            assert!(
                wrong.is_empty(),
                "{strike:?}, IAM_SEED={}:\n{}\n{}",
                seed(),
                wrong.join("\n"),
                told(&story.left)
            );
            deaths += story.deaths;
        }
        if strikes.is_empty() {
            return deaths;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_abort_lose_nothing_and_double_nothing() {
    let deaths = matrix(Blow::Abort).await;
    assert!(deaths >= 6, "only {deaths} workers died");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_lose_nothing_and_double_nothing() {
    let deaths = matrix(Blow::Kill).await;
    assert!(deaths >= 6, "only {deaths} workers died");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_doubles_nothing() {
    let deaths = matrix(Blow::Full).await;
    assert!(deaths >= 3, "only {deaths} workers found the disk full");
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_an_hour_lose_nothing_and_double_nothing() {
    for by in [Blow::Ahead, Blow::Behind] {
        assert_eq!(matrix(by).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_forgets_intents_is_seen_by_what_happens_twice() {
    let tenant = Tenant::start(1).await;
    for write in 1..=20 {
        let strike = Strike {
            write,
            after: false,
            by: Blow::Abort,
        };
        let story = format!("f{write:03}");
        let story = tenant.live_with(&story, 1, Some(strike), true).await;
        let twice = findings(&story.left)
            .into_iter()
            .filter(|finding| finding.wrong == Wrong::Repeated);
        // A mail that was sent before the crash, and again after it.
        if twice
            .into_iter()
            .any(|finding| finding.what.contains("can sign in"))
        {
            return;
        }
    }
    panic!("no crash shows it");
}
