//! Under the documented limits everything is done, nearly all that is granted is used, and nothing is refused.

use iam_core::http::Method;
use iam_graph::cost::Limits;
use iam_graph::users::UserPatch;
use iam_sandbox::Sandbox;

use crate::timeline::throttled;

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
