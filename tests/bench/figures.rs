//! Figures: printed, and kept.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;

use serde_json::json;

/// Where figures go.
pub(crate) struct Figures(File);

impl Figures {
    pub(crate) fn open() -> Result<Self, Box<dyn Error>> {
        let target = crate::process::target();
        std::fs::create_dir_all(&target)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(target.join("bench.jsonl"))?;
        Ok(Self(file))
    }

    /// Notes a figure. `against` names the peer or floor and gives its value, if there is one.
    pub(crate) fn note(
        &mut self,
        bench: &str,
        metric: &str,
        value: f64,
        unit: &str,
        against: Option<(&str, f64)>,
    ) -> Result<(), Box<dyn Error>> {
        let ratio = against.map(|(_, peer)| value / peer);
        let line = json!({
            "bench": bench,
            "metric": metric,
            "value": value,
            "unit": unit,
            "against": against.map(|(name, _)| name),
            "ratio": ratio,
        });
        writeln!(self.0, "{line}")?;
        let beside = match (against, ratio) {
            (Some((name, peer)), Some(ratio)) => format!("   {ratio:.3} x {name} ({peer:.1})"),
            _ => String::new(),
        };
        writeln!(
            std::io::stdout(),
            "{bench:12} {metric:32} {value:12.1} {unit:10}{beside}"
        )?;
        Ok(())
    }
}

/// Two threads for everybody's work, whatever machine it is.
pub(crate) fn two_threads() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// What the process has used so far: CPU seconds and the peak of its memory in MiB (Linux).
pub(crate) fn usage() -> (f64, f64) {
    usage_of("self")
}

/// The same of another process.
pub(crate) fn usage_of(process: &str) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the command's closing parenthesis: state is field 3, utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    // The kernel's clock ticks are 100 a second wherever Linux runs on x86 and ARM.
    ((ticks(11) + ticks(12)) / 100.0, peak.unwrap_or(0.0) / 1024.0)
}

/// CPU seconds that this process has used, to the microsecond: clock ticks are too coarse for short jobs.
pub(crate) fn cpu() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}
