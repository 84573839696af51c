//! Under the documented limits everything is done, nearly all that is granted is used, and nothing is refused.

use std::sync::Arc;
use std::time::Duration;

use iam_core::clock::Clock as _;
use iam_core::engine::SharedBudget;
use iam_core::http::{Allowance, Method};
use iam_core::journal::MemoryJournal;
use iam_graph::GraphClient;
use iam_graph::cost::Limits;
use iam_graph::users::UserPatch;
use iam_sandbox::Sandbox;

use crate::timeline::{Timeline, client, throttled};

/// Items and requests that were answered, and how many of them with 429.
fn answered(sandbox: &Sandbox) -> (usize, usize) {
    let log = sandbox.log();
    let items = log.iter().filter(|entry| !entry.path.ends_with("$batch"));
    let refused = log.iter().filter(|entry| entry.status == 429);
    (items.count(), refused.count())
}

#[tokio::test]
async fn a_batch_uses_the_writes_that_are_granted_and_no_more() {
    let (sandbox, client, time) = throttled(0, Some(Limits::default())).await.unwrap();
    let writes = 3_300;
    let person = sandbox.user("W-1009").unwrap()["id"].as_str().unwrap().to_owned();
    let mut batch = client.batch();
    for number in 0..writes {
        let patch = UserPatch::new().set("jobTitle", format!("Title {number}"));
        batch.add(client.operations().update_user(&person, &patch).unwrap());
    }
    let (answers, seconds) = time.during(batch.send()).await;
    assert!(answers.iter().all(Result::is_ok));
    let (items, refused) = answered(&sandbox);
    assert_eq!(items, writes + 1, "each write once, and the token");
    assert_eq!(refused, 0);
    let used = f64::from(u32::try_from(writes).unwrap()) / (3_000.0 + 20.0 * seconds);
    assert!((0.95..=1.001).contains(&used), "{used} in {seconds} s");
}

#[tokio::test]
async fn single_calls_of_many_tasks_use_what_is_granted_too() {
    let (sandbox, client, time) = throttled(0, Some(Limits::default())).await.unwrap();
    let client = client.joining();
    let person = sandbox.user("W-1009").unwrap()["id"].as_str().unwrap().to_owned();
    // Two units each, 3,500 at once and 350 in each second after that.
    let task = async || {
        for _ in 0..45 {
            let path = format!("/users/{person}/memberOf");
            client.request(Method::Get, &path, None, "groups").await.unwrap();
        }
    };
    let tasks = futures::future::join_all((0..50).map(|_| task()));
    let (_, seconds) = time.during(tasks).await;
    assert_eq!(answered(&sandbox).1, 0);
    let used = 4_500.0 / (3_500.0 + 350.0 * seconds);
    assert!((0.95..=1.001).contains(&used), "{used} in {seconds} s");
}

/// Two processes that know of each other by their journal, or not at all.
fn processes(sandbox: &Sandbox, time: &Arc<Timeline>, share: bool) -> [GraphClient; 2] {
    let journal = Arc::new(MemoryJournal::new());
    [0, 1].map(|number| {
        let budget = SharedBudget::new(journal.clone(), time.clone(), "graph");
        let allowance = share.then(|| Arc::new(budget) as Arc<dyn Allowance>);
        let made = |allowance| client(sandbox, time, Some(Limits::default()), allowance).unwrap();
        match allowance {
            // The second one was made before there was a journal.
            Some(allowance) if number == 1 => made(None).sharing(allowance),
            allowance => made(allowance),
        }
    })
}

/// What a bulk hire of two processes asks for: 7,200 units.
async fn bulk(sandbox: &Sandbox, clients: &[GraphClient; 2]) {
    let person = sandbox.user("W-1009").unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{person}/memberOf");
    let task = async |client: &GraphClient| {
        for _ in 0..45 {
            client.request(Method::Get, &path, None, "groups").await.unwrap();
        }
    };
    let tasks = (0..80).map(|number| task(&clients[number % 2]));
    futures::future::join_all(tasks).await;
}

#[tokio::test]
async fn two_processes_stay_within_what_the_tenant_is_granted_where_two_budgets_would_not() {
    let (sandbox, _, time) = throttled(0, None).await.unwrap();
    let clients = processes(&sandbox, &time, true);
    let ((), seconds) = time.during(bulk(&sandbox, &clients)).await;
    assert_eq!(answered(&sandbox).1, 0, "nothing was refused");
    let used = 7_200.0 / (3_500.0 + 350.0 * seconds);
    assert!((0.6..=0.95).contains(&used), "{used} in {seconds} s");

    let (sandbox, _, time) = throttled(0, None).await.unwrap();
    let clients = processes(&sandbox, &time, false);
    time.during(bulk(&sandbox, &clients)).await;
    assert!(answered(&sandbox).1 > 0, "each by itself, they ask for too much");
}

#[tokio::test]
async fn a_leaver_overtakes_a_bulk_hire_of_all_processes() {
    let (sandbox, _, time) = throttled(0, None).await.unwrap();
    let clients = processes(&sandbox, &time, true);
    let person = sandbox.user("W-1009").unwrap()["id"].as_str().unwrap().to_owned();
    let (urgent, ordinary) = (clients[1].urgent(), clients[1].clone());
    let path = format!("/users/{person}/memberOf");
    let timed = async |client: &GraphClient, times: usize| {
        time.sleep(Duration::from_secs(4)).await;
        let start = time.now();
        for _ in 0..times {
            client.request(Method::Get, &path, None, "leaver").await.unwrap();
        }
        time.now().duration_since(start).as_secs_f64()
    };
    let all = futures::future::join3(bulk(&sandbox, &clients), timed(&urgent, 40), timed(&ordinary, 1));
    let (((), leaver, other), seconds) = time.during(all).await;
    assert!(leaver < 1.0, "40 requests of a leaver took {leaver} s");
    assert!(
        other > 3.0 && seconds > 10.0,
        "everybody else waits: {other} s of {seconds}"
    );
    assert_eq!(answered(&sandbox).1, 0);
}
