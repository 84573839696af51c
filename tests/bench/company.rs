//! A generated company's year of exports through the whole platform: read, staged, planned, carried out in a sandbox of
//! its own process.

use std::error::Error;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;

use iam_core::engine::Engine;
use iam_core::intake::{FlatIntake, Gate, Intake};
use iam_core::journal::SqliteJournal;
use iam_core::policy::Document;
use iam_core::testing::ManualClock;
use iam_graph::GraphTarget;
use iam_sandbox::company::Company;
use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;

use crate::figures::{Figures, two_threads, usage};
use crate::tenant::Tenant;

const PEOPLE: usize = 1_000;

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let tenant = Tenant::start(0)?;
    two_threads()?.block_on(run(&tenant, figures))
}

async fn run(tenant: &Tenant, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let (client, _) = tenant.sign_in().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("journal.sqlite");
    let journal = SqliteJournal::open(file, tenant.get("SANDBOX_TENANT")).await?;
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let engine = Engine::builder(Arc::new(journal), Arc::new(Document::parse(POLICY)?))
        .target(Arc::new(GraphTarget::new(client)))
        .clock(clock.clone())
        .source("hr", Gate::default())
        .build();
    let company = Company::of(PEOPLE).build();
    let (mut events, mut done, mut people) = (0_u64, 0_usize, 0_usize);
    let requests = tenant.requests().await?;
    let (cpu, start) = (usage().0, Instant::now());
    for export in company.deliveries() {
        let mut now = TimeZone::UTC.to_timestamp(export.day().at(5, 0, 0, 0))?;
        let next = now.checked_add((7 * 24).hours())?;
        clock.set(now);
        let csv: (Box<dyn Intake>, _) = (
            Box::new(FlatIntake::new()),
            Cursor::new(export.csv().into_bytes()),
        );
        let delivered = engine.deliver("hr", [csv], |_| {}).await?;
        if !delivered.findings.is_empty() {
            return Err(format!("an export was held: {:?}", delivered.findings).into());
        }
        events += delivered.accepted.events;
        loop {
            let totals = engine.run(&|_| {}).await?.totals();
            if totals.failed > 0 {
                return Err(format!("not everything was done: {totals:?}").into());
            }
            done += totals.done;
            people += totals.people;
            match engine.next_due().await? {
                Some(due) if due < next => now = due.max(now.checked_add(1.second())?),
                _ => break,
            }
            clock.set(now);
        }
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), usage().0 - cpu);
    let sent = tenant.requests().await? - requests;
    let (events, done, people) = (events as f64, done as f64, people as f64);
    figures.note("company", "events that HR told", events, "events", None)?;
    figures.note("company", "plans carried out", people / seconds, "1/s", None)?;
    figures.note("company", "steps", done / seconds, "steps/s", None)?;
    let per_step = Some(("steps per plan", done / people));
    figures.note(
        "company",
        "requests per plan",
        sent / people,
        "requests",
        per_step,
    )?;
    figures.note("company", "CPU per plan", cpu * 1000.0 / people, "ms", None)?;
    figures.note("company", "peak memory of the process", usage().1, "MiB", None)
}

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[naming]
upn = ["{given}.{family}", "{given}.{family}{n}"]
[defaults]
usage_location = "person.country"
groups = ["All Staff"]
[[rule]]
id = "clinical"
when = 'person.department == "Clinical"'
groups = ["sg-security"]
grace = "14d"
[[rule]]
id = "finance"
when = 'person.department == "Finance"'
groups = ["VPN Users"]
[joiner]
create_before = "14d"
[leaver]
password = "reset"
delete_after = "30d"
[guard]
max_leavers = 100000
max_leavers_percent = 100
"#;
