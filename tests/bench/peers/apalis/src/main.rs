//! apalis as a job queue that is measured. Its plan comes in `JOURNAL_PEER`, as JSON; the outcome leaves as one line of
//! JSON, as `tests/bench/journal_peer.rs` reads it.

use std::error::Error;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_postgres::{PgPool, PostgresStorage};
use apalis_sqlite::{SqliteConnectOptions, SqlitePool, SqliteStorage};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The payload of an event: as long as ours.
fn payload(number: u64, length: usize) -> String {
    format!("{number:0>length$}")
}

/// Nothing is done: what is measured is the queue.
async fn work(
    _job: String,
    left: Data<Arc<AtomicUsize>>,
    worker: WorkerContext,
) -> Result<(), BoxDynError> {
    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
        worker.stop()?;
    }
    Ok(())
}

/// Enqueues every job, then runs them all: seconds of both.
macro_rules! measure {
    ($backend:expr, $jobs:expr, $batch:expr, $tasks:expr, $length:expr) => {{
        let mut backend = $backend.poll_with_interval(Duration::from_millis(1));
        let start = Instant::now();
        for first in (0..$jobs).step_by($batch) {
            let last = $jobs.min(first + $batch);
            let mut batch: Vec<String> = (first..last)
                .map(|job| payload(job as u64, $length))
                .collect();
            if let (1, Some(job)) = (batch.len(), batch.pop()) {
                backend.push(job).await?;
            } else {
                let batch = (first..last).map(|job| payload(job as u64, $length)).collect();
                backend.push_bulk(batch).await?;
            }
        }
        let enqueued = start.elapsed().as_secs_f64();
        let left = Arc::new(AtomicUsize::new($jobs));
        let worker = WorkerBuilder::new("bench").backend(backend).data(left.clone());
        let worker = worker.concurrency($tasks).build(work);
        let start = Instant::now();
        worker.run().await?;
        let ran = start.elapsed().as_secs_f64();
        if left.load(Ordering::SeqCst) != 0 {
            return Err("not every job was run".into());
        }
        (enqueued, ran)
    }};
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome<()> {
    let plan: Value = serde_json::from_str(&std::env::var("JOURNAL_PEER")?)?;
    let number = |name: &str| plan[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let (jobs, batch) = (number("jobs").ok_or("jobs")?, number("batch").ok_or("batch")?);
    let (tasks, length) = (number("tasks").ok_or("tasks")?, number("length").ok_or("length")?);
    let place = plan["place"].as_str().ok_or("place")?;
    let (enqueued, ran) = if place.starts_with("postgres") {
        let pool = PgPool::connect(place).await?;
        PostgresStorage::setup(&pool).await?;
        let config = apalis_postgres::Config::default().queue("bench").batch_size(batch.max(tasks));
        measure!(PostgresStorage::new(&pool).with_config(config), jobs, batch, tasks, length)
    } else {
        let options = SqliteConnectOptions::from_str(place)?
            .create_if_missing(true)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL");
        let pool = SqlitePool::connect_with(options).await?;
        SqliteStorage::setup(&pool).await?;
        let config = apalis_sqlite::Config::default().queue("bench").batch_size(batch.max(tasks));
        measure!(SqliteStorage::new(&pool).with_config(config), jobs, batch, tasks, length)
    };
    println!("{}", json!({ "enqueued": enqueued, "ran": ran }));
    Ok(())
}
