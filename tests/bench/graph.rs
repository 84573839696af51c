//! iam-graph beside the clients that people use today, each in a process of its own, against a sandbox that is
//! another: pages of 10,000 users, the first call from cold, 1,000 joiners, and memory over 100,000 users. CPU
//! time is the client's alone and stands beside wall time, which holds the sandbox's work too.

use std::collections::BTreeMap;
use std::error::Error;

use iam_core::http::Method;

use crate::figures::Figures;
use crate::graph_ours::{FLOOR, FLOOR_TYPED, TYPED, VALUES};
use crate::graph_peer::{Outcome, Peer, Plan};
use crate::table::Table;
use crate::tenant::Tenant;

const USERS: usize = 10_000;
const MANY: usize = 100_000;
const JOINERS: usize = 1_000;
const GROUPS: [&str; 3] = ["All Staff", "VPN Users", "sg-sydney"];
const SKU: &str = "FLOW_FREE";
/// What the clients ask for of each user: what iam-graph's own listing asks for.
const SELECT: &str = "id,userPrincipalName,accountEnabled,displayName,givenName,surname,department,jobTitle,officeLocation,country,usageLocation,companyName,employeeId,employeeType,employeeHireDate,employeeOrgData,mail,proxyAddresses,onPremisesSyncEnabled,deletedDateTime,assignedLicenses,licenseAssignmentStates";

/// Each with how often it pages and how often it starts: the middle one of the repetitions counts.
const PEERS: [(Peer, usize, usize); 8] = [
    (Peer::Ours(FLOOR), 9, 9),
    (Peer::Ours(FLOOR_TYPED), 9, 0),
    (Peer::Ours(TYPED), 9, 9),
    (Peer::Ours(VALUES), 9, 0),
    (Peer::GraphRs, 9, 9),
    (Peer::Python("requests"), 3, 5),
    (Peer::Python("httpx"), 3, 5),
    (Peer::Python("msgraph-sdk"), 1, 3),
];

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    figures.note("graph", "load average", load(), "", None)?;
    let tenant = Tenant::start(USERS)?;
    let plan = plan(&tenant)?;
    pages(figures, &plan)?;
    cold(figures, &plan)?;
    drop(tenant);
    joiners(figures)?;
    memory(figures)?;
    figures.note("graph", "load average", load(), "", None)
}

/// Processes that ran or waited to, over the last minute.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0.0)
}

/// What the peers are to do in that tenant.
pub(crate) fn plan(tenant: &Tenant) -> Result<Plan, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, token) = tenant.sign_in().await?;
        let groups: BTreeMap<_, _> = client
            .list_groups()
            .await?
            .into_iter()
            .filter_map(|group| Some((group.display_name?, group.id)))
            .collect();
        let group = |name: &str| groups.get(name).cloned().ok_or("the seed lacks a group");
        let skus = client.list_skus().await?;
        let sku = skus.into_iter().find(|sku| sku.sku_part_number == SKU);
        let answer = client
            .request(Method::Get, "/users?$top=1&$select=id", None, "one user")
            .await?
            .json::<serde_json::Value>()?;
        let user = answer["value"][0]["id"].as_str().ok_or("nobody is there")?;
        Ok(Plan {
            graph: tenant.get("SANDBOX_GRAPH").to_owned(),
            authority: tenant.get("SANDBOX_AUTHORITY").to_owned(),
            token: token.expose().to_owned(),
            select: SELECT.to_owned(),
            domain: tenant.get("SANDBOX_DOMAIN").to_owned(),
            user: user.to_owned(),
            manager: user.to_owned(),
            groups: GROUPS.iter().map(|name| group(name)).collect::<Result<_, _>>()?,
            sku: sku.ok_or("the seed lacks a licence")?.sku_id,
            people: JOINERS,
        })
    })
}

/// Runs a job of all peers, turn by turn, and keeps of each the run with the middle CPU time.
fn rounds(
    job: &str,
    plan: &Plan,
    times: impl Fn(usize, usize) -> usize,
    spent: impl Fn(&Outcome) -> f64,
) -> Result<Vec<(Peer, Outcome)>, Box<dyn Error>> {
    let mut runs: Vec<(Peer, usize, Vec<Outcome>)> = PEERS
        .iter()
        .map(|(peer, pages, starts)| (*peer, times(*pages, *starts), Vec::new()))
        .filter(|(_, times, _)| *times > 0)
        .collect();
    for round in 0..runs.iter().map(|(_, times, _)| *times).max().unwrap_or(0) {
        for (peer, times, outcomes) in &mut runs {
            if round < *times {
                outcomes.push(peer.run(job, plan)?);
            }
        }
    }
    let middle = |(peer, _, mut outcomes): (Peer, usize, Vec<Outcome>)| {
        outcomes.sort_by(|a, b| spent(a).total_cmp(&spent(b)));
        let at = outcomes.len() / 2;
        (peer, outcomes.swap_remove(at))
    };
    Ok(runs.into_iter().map(middle).collect())
}

fn of<'a>(outcomes: &'a [(Peer, Outcome)], name: &str) -> Result<&'a Outcome, Box<dyn Error>> {
    let found = outcomes.iter().find(|(peer, _)| peer.name() == name);
    found
        .map(|(_, outcome)| outcome)
        .ok_or_else(|| format!("{name} was not measured").into())
}

fn pages(figures: &mut Figures, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let outcomes = rounds("page", plan, |pages, _| pages, |run| run.cpu)?;
    let floor = of(&outcomes, FLOOR)?.clone();
    let (typed, ours) = (of(&outcomes, FLOOR_TYPED)?.cpu, of(&outcomes, TYPED)?.cpu);
    for (peer, outcome) in &outcomes {
        if outcome.done < USERS || outcome.done != floor.done {
            return Err(format!("{} read {} of {} users", peer.name(), outcome.done, floor.done).into());
        }
    }
    let mut table = Table::new(&[
        "10,000 users by pages",
        "wall ms",
        "CPU ms",
        "CPU / floor",
        "/ floor, typed",
        "CPU / ours",
        "peak MiB",
    ]);
    for (peer, outcome) in &outcomes {
        let name = peer.name();
        let (wall, cpu) = (outcome.seconds * 1e3, outcome.cpu * 1e3);
        let against = |value: f64| (name != FLOOR).then_some((FLOOR, value * 1e3));
        figures.note(
            "graph pages",
            &format!("{name}, wall"),
            wall,
            "ms",
            against(floor.seconds),
        )?;
        figures.note(
            "graph pages",
            &format!("{name}, CPU"),
            cpu,
            "ms",
            against(floor.cpu),
        )?;
        let ratios = [floor.cpu, typed, ours].map(|other| outcome.cpu / other);
        table.row(name, &[wall, cpu, ratios[0], ratios[1], ratios[2], outcome.peak]);
    }
    figures.note(
        "graph pages",
        TYPED,
        ours * 1e3,
        "CPU ms",
        Some((FLOOR_TYPED, typed * 1e3)),
    )?;
    table.print()
}

fn cold(figures: &mut Figures, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let outcomes = rounds("first", plan, |_, starts| starts, |run| run.process_cpu)?;
    let ours = of(&outcomes, TYPED)?.clone();
    let mut table = Table::new(&[
        "first call from cold",
        "wall ms",
        "CPU ms",
        "wall / ours",
        "CPU / ours",
        "peak MiB",
    ]);
    for (peer, outcome) in &outcomes {
        let name = peer.name();
        if outcome.done != 1 {
            return Err(format!("{name} read nobody").into());
        }
        let (wall, cpu) = (outcome.from_start * 1e3, outcome.process_cpu * 1e3);
        let against = |value: f64| (name != TYPED).then_some((TYPED, value * 1e3));
        figures.note(
            "graph cold",
            &format!("{name}, wall"),
            wall,
            "ms",
            against(ours.from_start),
        )?;
        figures.note(
            "graph cold",
            &format!("{name}, CPU"),
            cpu,
            "ms",
            against(ours.process_cpu),
        )?;
        let ratios = [
            outcome.from_start / ours.from_start,
            outcome.process_cpu / ours.process_cpu,
        ];
        table.row(name, &[wall, cpu, ratios[0], ratios[1], outcome.peak]);
    }
    table.print()
}

/// Everybody joins a tenant of the same size: each client has one of its own.
fn joiners(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut measured = Vec::new();
    for (peer, _, starts) in PEERS {
        // The floor joins nobody, and values are a way of reading.
        if starts == 0 || peer.name() == FLOOR {
            continue;
        }
        let tenant = Tenant::start(0)?;
        let plan = plan(&tenant)?;
        let before = runtime.block_on(tenant.requests())?;
        let outcome = peer.run("join", &plan)?;
        // One request of each is its first, which opens the connection.
        let requests = runtime.block_on(tenant.requests())? - before - 1.0;
        let joined = runtime.block_on(tenant.whole_joiners(&GROUPS, &plan.manager, SKU))?;
        if joined != JOINERS || outcome.done != JOINERS {
            return Err(format!("{}: {joined} of {JOINERS} joined whole", peer.name()).into());
        }
        measured.push((peer, outcome, requests));
    }
    let found = measured.iter().find(|(peer, ..)| peer.name() == TYPED);
    let ours = found
        .map(|(_, outcome, _)| outcome.cpu)
        .ok_or("ours was not measured")?;
    let plain = (JOINERS * (3 + GROUPS.len())) as f64;
    let mut table = Table::new(&[
        "1,000 joiners",
        "wall s",
        "CPU s",
        "CPU / ours",
        "requests",
        "of one per step",
    ]);
    for (peer, outcome, requests) in &measured {
        let name = peer.name();
        let against = (name != TYPED).then_some((TYPED, ours));
        figures.note(
            "graph joiners",
            &format!("{name}, wall"),
            outcome.seconds,
            "s",
            None,
        )?;
        figures.note(
            "graph joiners",
            &format!("{name}, CPU"),
            outcome.cpu,
            "s",
            against,
        )?;
        let steps = Some(("one per step", plain));
        figures.note(
            "graph joiners",
            &format!("{name}, requests"),
            *requests,
            "requests",
            steps,
        )?;
        table.row(
            name,
            &[
                outcome.seconds,
                outcome.cpu,
                outcome.cpu / ours,
                *requests,
                requests / plain,
            ],
        );
    }
    table.print()
}

/// Memory must not grow with the tenant: the most held after 100,000 users over the most after 10,000.
fn memory(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let tenant = Tenant::start(MANY)?;
    let plan = plan(&tenant)?;
    let mut table = Table::new(&[
        "memory while streaming",
        "10,000 MiB",
        "100,000 MiB",
        "growth",
        "wall ms",
        "CPU ms",
    ]);
    for peer in [Peer::Ours(TYPED), Peer::Ours(VALUES), Peer::Ours(FLOOR)] {
        let name = peer.name();
        let outcome = peer.run("page", &plan)?;
        let early = outcome.peak_early.ok_or("fewer than 10,000 users")?;
        if outcome.done < MANY {
            return Err(format!("{name} read {} of {MANY} users", outcome.done).into());
        }
        let against = Some(("after 10,000 users", early));
        figures.note(
            "graph memory",
            &format!("{name}, 100,000 users"),
            outcome.peak,
            "MiB",
            against,
        )?;
        table.row(
            name,
            &[
                early,
                outcome.peak,
                outcome.peak / early,
                outcome.seconds * 1e3,
                outcome.cpu * 1e3,
            ],
        );
    }
    table.print()
}
