//! The benchmarks: `./tests/run bench`; one of them by its name (`csv`, `xml`, `company`, `graph`, `joiners`, `journal`, `policy`, `sandbox`, `scim`,
//! `throttling`, `wheel`) as argument of the program. Each figure is printed, and appended to `target/bench.jsonl` as
//! `{"bench","metric","value","unit","against","ratio"}`, where `ratio` is the figure over that of the peer or
//! floor measured in the same run.

#![allow(clippy::cast_precision_loss, reason = "figures are for reading")]

mod company;
mod csv_intake;
mod figures;
mod graph;
mod graph_joiners;
mod graph_ours;
mod graph_peer;
mod joiners;
mod journal;
mod journal_end;
mod journal_peer;
mod policy;
#[path = "../../iam-scim/tests/peers/process.rs"]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the tests of iam-scim"
)]
mod process;
mod sandbox;
mod scim;
mod scim_wire;
mod served;
mod table;
mod tenant;
mod throttling;
#[path = "../../iam-graph/tests/graph/timeline.rs"]
mod timeline;
mod wheel;
mod xml_intake;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let only = std::env::args().nth(1);
    if only.as_deref() == Some(sandbox::SERVE) {
        return sandbox::serve();
    }
    if only.as_deref() == Some(scim::SERVE) {
        return scim::serve();
    }
    if only.as_deref() == Some(graph_ours::PEER) {
        let mut rest = std::env::args().skip(2);
        let (client, job) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        return graph_ours::run(&client, &job);
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut figures = figures::Figures::open()?;
    if wanted("csv") {
        csv_intake::measure(&mut figures)?;
    }
    if wanted("xml") {
        xml_intake::measure(&mut figures)?;
    }
    if wanted("policy") {
        policy::measure(&mut figures)?;
    }
    if wanted("joiners") {
        joiners::measure(&mut figures)?;
    }
    if wanted("company") {
        company::measure(&mut figures)?;
    }
    if wanted("journal") {
        journal::measure(&mut figures)?;
    }
    if wanted("throttling") {
        throttling::measure(&mut figures)?;
    }
    if wanted("graph") {
        graph::measure(&mut figures)?;
    }
    if wanted("sandbox") {
        sandbox::measure(&mut figures)?;
    }
    if wanted("scim") {
        scim::measure(&mut figures)?;
    }
    if wanted("wheel") {
        wheel::measure(&mut figures)?;
    }
    Ok(())
}
