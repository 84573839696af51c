//! The benchmarks: `./tests/run bench`. Each figure is printed, and appended to `target/bench.jsonl` as
//! `{"bench","metric","value","unit","against","ratio"}`, where `ratio` is the figure over that of the peer or
//! floor measured in the same run.

#![allow(clippy::cast_precision_loss, reason = "figures are for reading")]

mod csv_intake;
mod figures;
mod joiners;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut figures = figures::Figures::open()?;
    csv_intake::measure(&mut figures)?;
    joiners::measure(&mut figures)?;
    Ok(())
}
