//! The Python wheel, as it is shipped: what it costs to import, to call and to page, beside the Rust client that
//! it is made of and beside Microsoft's own.
//!
//! `./tests/run bench wheel` builds the wheel and installs it below target.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::figures::Figures;
use crate::graph::plan;
use crate::graph_ours::{TYPED, VALUES};
use crate::graph_peer::{Outcome, Peer, Plan};
use crate::table::Table;
use crate::tenant::Tenant;

const WHEEL: Peer = Peer::Python("iam-platform");
/// What it may weigh, packed.
const MEGABYTES: f64 = 10.0;
const USERS: usize = 10_000;
const ROUNDS: usize = 7;
/// Calls, one after the other.
const CALLS: usize = 2_000;
/// The same, of a server that takes its time.
const SLOW_CALLS: usize = 300;
const SLOW_MILLIS: u64 = 5;

/// What `python -c` prints as a number.
fn python(program: &str) -> Result<f64, Box<dyn Error>> {
    let python = crate::process::target().join("python/bin/python");
    let done = Command::new(python).args(["-c", program]).output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().parse()?)
}

/// The run with the middle figure, of several, turn by turn with the others.
fn middles<const N: usize>(
    job: &str,
    plan: &Plan,
    rounds: usize,
    peers: [Peer; N],
    figure: impl Fn(&Outcome) -> f64,
) -> Result<[Outcome; N], Box<dyn Error>> {
    let mut runs: [Vec<Outcome>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (peer, runs) in peers.iter().zip(&mut runs) {
            runs.push(peer.run(job, plan)?);
        }
    }
    Ok(runs.map(|mut runs| {
        runs.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
        runs.swap_remove(runs.len() / 2)
    }))
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    weight(figures)?;
    let tenant = Tenant::start(USERS)?;
    let plan = plan(&tenant)?;
    let mut table = Table::new(&["the wheel", "wheel", "beside", "difference or ratio"]);
    pages(figures, &plan, &mut table)?;
    calls(figures, &plan, &mut table)?;
    let slow = json!({ "path": "/users/*", "effect": { "kind": "slow", "millis": SLOW_MILLIS } });
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tenant.fault(&slow))?;
    slow_calls(figures, &plan, &mut table)?;
    table.print()
}

/// What it weighs, which may not be more, and how long an import takes.
fn weight(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let wheels = crate::process::target().join("wheels/shipped");
    let size = |folder: &Path| -> Result<f64, Box<dyn Error>> {
        let mut sizes = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            sizes.push(entry?.metadata()?.len());
        }
        let largest = sizes.into_iter().max().ok_or("there is no wheel")?;
        Ok(largest as f64 / 1e6)
    };
    let profile = python("import iam_platform as p; print(int(p.build_profile == 'release'))")?;
    if profile < 1.0 {
        return Err("the wheel that is installed is not a release build: run ./tests/run bench wheel".into());
    }
    let size = size(&wheels)?;
    figures.note("wheel", "size", size, "MB", Some(("the goal", MEGABYTES)))?;
    if size > MEGABYTES {
        return Err(format!("the wheel is of {size:.2} MB, and {MEGABYTES} are the most").into());
    }
    let program =
        "import time; t = time.perf_counter(); import iam_platform; print((time.perf_counter() - t) * 1e3)";
    let mut imports = (0..15).map(|_| python(program)).collect::<Result<Vec<_>, _>>()?;
    imports.sort_by(f64::total_cmp);
    figures.note("wheel", "import", imports[imports.len() / 2], "ms", None)
}

fn pages(figures: &mut Figures, plan: &Plan, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let peers = [WHEEL, Peer::Ours(VALUES), Peer::Python("httpx")];
    let [wheel, rust, httpx] = middles("page", plan, ROUNDS, peers, |run| run.cpu)?;
    let [sdk] = middles("page", plan, 1, [Peer::Python("msgraph-sdk")], |run| run.cpu)?;
    if wheel.done < USERS || [&rust, &httpx, &sdk].iter().any(|other| other.done != wheel.done) {
        return Err("the clients read different numbers of users".into());
    }
    for (name, other) in [(VALUES, &rust), ("httpx", &httpx), ("msgraph-sdk", &sdk)] {
        let (ours, theirs) = (wheel.cpu * 1e3, other.cpu * 1e3);
        figures.note(
            "wheel",
            "10,000 users by pages, CPU",
            ours,
            "ms",
            Some((name, theirs)),
        )?;
        table.row(
            &format!("10,000 users by pages, CPU ms, beside {name}"),
            &[ours, theirs, theirs / ours],
        );
    }
    Ok(())
}

fn calls(figures: &mut Figures, plan: &Plan, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        people: CALLS,
        ..plan.clone()
    };
    let [wheel, rust] = middles("calls", &plan, ROUNDS, [WHEEL, Peer::Ours(TYPED)], |run| run.cpu)?;
    let each = |run: &Outcome| run.cpu * 1e6 / run.done as f64;
    figures.note(
        "wheel",
        "an awaited call, CPU",
        each(&wheel),
        "us",
        Some((TYPED, each(&rust))),
    )?;
    figures.note(
        "wheel",
        "an awaited call, CPU over Rust",
        each(&wheel) - each(&rust),
        "us",
        None,
    )?;
    table.row(
        "an awaited call, CPU us, beside iam-graph",
        &[each(&wheel), each(&rust), each(&wheel) - each(&rust)],
    );
    Ok(())
}

fn slow_calls(figures: &mut Figures, plan: &Plan, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        people: SLOW_CALLS,
        ..plan.clone()
    };
    let peers = [WHEEL, Peer::Ours(TYPED)];
    let [wheel, rust] = middles("calls", &plan, ROUNDS, peers, |run| run.seconds)?;
    let each = |run: &Outcome| run.seconds * 1e3 / run.done as f64;
    let (ours, theirs) = (each(&wheel), each(&rust));
    figures.note("wheel", "a call of 5 ms, wall", ours, "ms", Some((TYPED, theirs)))?;
    table.row(
        "a call of 5 ms, wall ms, beside iam-graph",
        &[ours, theirs, ours / theirs],
    );
    Ok(())
}
