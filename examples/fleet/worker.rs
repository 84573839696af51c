//! One worker process: a fleet until its input ends.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use iam_core::Result;
use iam_core::engine::{Engine, Fleet};
use iam_core::journal::{Journal, PostgresJournal};
use iam_core::policy::Document;
use iam_examples::say;
use iam_examples::tenant::{Kind, Which};
use iam_graph::GraphTarget;
use iam_sandbox::Sandbox;
use serde::{Deserialize, Serialize};

use crate::{LEASE, Options, POLICY, failed};

/// What a worker process tells at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    worker: String,
    done: u64,
    retried: u64,
    passed_on: u64,
    steps: usize,
}

/// A line about it.
pub(crate) fn line(told: &Told) -> String {
    let Told {
        worker,
        done,
        retried,
        passed_on,
        steps,
    } = told;
    format!(
        "  worker {}: {done} events, {steps} steps, {retried} tried again, {passed_on} passed on",
        worker.get(..8).unwrap_or(worker)
    )
}

pub(crate) async fn work(options: &Options, env: &Path) -> Result<()> {
    let which = Which {
        tenant: Kind::Sandbox,
        sandbox: Some(env.to_owned()),
    };
    let tenant = which.open(Sandbox::builder()).await?;
    let text = std::fs::read_to_string(env)
        .map_err(|error| failed("the env file cannot be read").with_source(error))?;
    let id = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("SANDBOX_TENANT="));
    let id = id.ok_or_else(|| failed("the env file has no line SANDBOX_TENANT=…"))?;
    let url = options
        .journal
        .as_deref()
        .ok_or_else(|| failed("a worker needs --journal"))?;
    let connections = u32::try_from(options.workers)
        .unwrap_or(u32::MAX)
        .saturating_add(2);
    let journal = PostgresJournal::builder(url, id.trim().trim_matches('"'))
        .schema(&options.schema)
        .connections(connections)
        .open()
        .await?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let policy =
        Document::parse(POLICY).map_err(|error| failed("the policy is not used").with_source(error))?;
    let engine = Engine::builder(journal, Arc::new(policy))
        .target(Arc::new(GraphTarget::new(tenant.client)))
        .build();
    let report = Fleet::new(Arc::new(engine))
        .workers(options.workers)
        .lease(LEASE)
        .run(end_of_input())
        .await?;
    let told = Told {
        worker: report.worker,
        done: report.done,
        retried: report.retried,
        passed_on: report.passed_on,
        steps: report.steps.done,
    };
    let text = serde_json::to_string(&told)
        .map_err(|error| failed("a report has no JSON form").with_source(error))?;
    say(text);
    Ok(())
}

/// Completes when nobody holds the other end any more: the parent is done, or dead.
async fn end_of_input() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(ended);
    });
    let _ = end.await;
}
