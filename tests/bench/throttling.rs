//! Work under the documented limits, on a clock that the client shares with the tenant and that nobody waits for:
//! which share of what is granted is used, and which share of the requests is refused. The limits are those of Microsoft
//! Learn, "Microsoft Graph service-specific throttling limits": 3,000 writes in 150 s, and resource units by the size
//! of the tenant; the tenant enforces them as token buckets.

use std::error::Error;

use iam_core::http::Method;
use iam_graph::GraphClient;
use iam_graph::cost::Limits;
use iam_graph::users::UserPatch;
use iam_sandbox::Sandbox;

use crate::figures::Figures;
use crate::table::Table;
use crate::timeline::throttled;

const PEOPLE: usize = 60;
const WRITES: usize = 12_000;
const READS: usize = 30_000;
const TASKS: usize = 64;

/// What a kind of work is granted: so much at once, and so much in each second after that.
struct Grant {
    at_once: f64,
    each_second: f64,
}

/// The share that must be used at least, and the one that may be refused at most.
const USED: f64 = 0.95;
const REFUSED: f64 = 0.01;

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut table = Table::new(&[
        "under limits",
        "done",
        "virtual s",
        "used",
        "refused",
        "HTTP requests",
    ]);
    let mut row = |name: &str, done: Done, held: bool| -> Result<(), Box<dyn Error>> {
        let cells = [
            done.count as f64,
            done.seconds,
            done.used,
            done.refused,
            done.requests as f64,
        ];
        table.row(name, &cells);
        figures.note(
            "throttling",
            &format!("{name}, used"),
            done.used * 100.0,
            "%",
            None,
        )?;
        figures.note(
            "throttling",
            &format!("{name}, refused"),
            done.refused * 100.0,
            "%",
            None,
        )?;
        figures.note(
            "throttling",
            &format!("{name}, failed"),
            done.failed as f64,
            "",
            None,
        )?;
        let kept = done.failed == 0 && done.used >= USED && done.used <= 1.001 && done.refused < REFUSED;
        if held && !kept {
            let said = format!(
                "{} failed, {:.3} used, {:.3} refused",
                done.failed, done.used, done.refused
            );
            return Err(format!("{name}: {said}").into());
        }
        Ok(())
    };
    let limits = Some(Limits::of_tenant(PEOPLE));
    row("writes, batch", runtime.block_on(writes(limits, true))?, true)?;
    row(
        "writes, single calls",
        runtime.block_on(writes(limits, false))?,
        true,
    )?;
    row("reads, single calls", runtime.block_on(reads(limits))?, true)?;
    row("writes, no budget", runtime.block_on(writes(None, true))?, false)?;
    table.print()
}

struct Done {
    count: usize,
    failed: usize,
    seconds: f64,
    used: f64,
    refused: f64,
    requests: u64,
}

impl Done {
    fn judge(sandbox: &Sandbox, results: &[bool], seconds: f64, amount: f64, grant: &Grant) -> Self {
        let log = sandbox.log();
        let asked = log.iter().filter(|entry| !entry.path.ends_with("$batch")).count();
        let refused = log.iter().filter(|entry| entry.status == 429).count();
        let failed = results.iter().filter(|done| !**done).count();
        let amount = amount * (1.0 - failed as f64 / results.len() as f64);
        Self {
            count: results.len() - failed,
            failed,
            seconds,
            used: amount / (grant.at_once + grant.each_second * seconds),
            refused: refused as f64 / asked as f64,
            requests: sandbox.requests(),
        }
    }
}

async fn people(client: &GraphClient) -> Result<Vec<String>, Box<dyn Error>> {
    let users = client.list_users().await?;
    Ok(users.into_iter().map(|user| user.id).collect())
}

async fn writes(limits: Option<Limits>, batch: bool) -> Result<Done, Box<dyn Error>> {
    let (sandbox, client, time) = throttled(PEOPLE, limits).await?;
    let (users, _) = time.during(people(&client)).await;
    let users = users?;
    let patch = |number: usize| UserPatch::new().set("jobTitle", format!("Title {number}"));
    let user = |number: usize| &users[number % users.len()];
    let (results, seconds) = if batch {
        let mut batch = client.batch();
        for number in 0..WRITES {
            batch.add(client.operations().update_user(user(number), &patch(number))?);
        }
        let (answers, seconds) = time.during(batch.send()).await;
        (answers.iter().map(Result::is_ok).collect(), seconds)
    } else {
        let client = client.joining();
        time.during(by_tasks(WRITES, async |number: usize| {
            client.update_user(user(number), &patch(number)).await.is_ok()
        }))
        .await
    };
    let grant = Grant {
        at_once: 3_000.0,
        each_second: 20.0,
    };
    Ok(Done::judge(&sandbox, &results, seconds, WRITES as f64, &grant))
}

/// Two units each.
async fn reads(limits: Option<Limits>) -> Result<Done, Box<dyn Error>> {
    let (sandbox, client, time) = throttled(PEOPLE, limits).await?;
    let (users, _) = time.during(people(&client)).await;
    let users = users?;
    let client = client.joining();
    let read = async |number: usize| {
        let path = format!("/users/{}/memberOf", users[number % users.len()]);
        client.request(Method::Get, &path, None, "groups").await.is_ok()
    };
    let (results, seconds) = time.during(by_tasks(READS, read)).await;
    let grant = Grant {
        at_once: 5_000.0,
        each_second: 500.0,
    };
    Ok(Done::judge(
        &sandbox,
        &results,
        seconds,
        2.0 * READS as f64,
        &grant,
    ))
}

/// The work of a list by so many tasks, each of which does one after the other.
async fn by_tasks(count: usize, work: impl AsyncFn(usize) -> bool) -> Vec<bool> {
    let tasks = (0..TASKS).map(async |task| {
        let mut results = Vec::new();
        for number in (task..count).step_by(TASKS) {
            results.push(work(number).await);
        }
        results
    });
    futures::future::join_all(tasks).await.concat()
}
