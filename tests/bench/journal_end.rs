//! From end to end: joiners at a tenant that takes 20 ms for each answer, one worker against four.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use iam_core::engine::{Engine, Fleet, Progress};
use iam_core::journal::SqliteJournal;
use iam_core::person::{Person, PersonKey};
use iam_core::policy::Document;
use iam_graph::GraphTarget;
use serde_json::json;
use tokio::sync::Notify;

use crate::figures::Figures;
use crate::tenant::Tenant;

const PEOPLE: usize = 120;
const WORKERS: usize = 4;

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
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
"#;

pub(crate) async fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let tenant = Tenant::start(0)?;
    let slow = json!({ "effect": { "kind": "slow", "millis": 20 } });
    tenant.fault(&slow).await?;
    let one = events(&tenant, 1).await?;
    let four = events(&tenant, WORKERS).await?;
    figures.note("journal", "end to end, one worker", one, "events/s", None)?;
    let against = Some(("one worker", one));
    figures.note("journal", "end to end, four workers", four, "events/s", against)
}

/// Joiners per second.
async fn events(tenant: &Tenant, workers: usize) -> Result<f64, Box<dyn Error>> {
    let (client, _) = tenant.sign_in().await?;
    let folder = tempfile::tempdir_in(crate::process::target())?;
    let journal = SqliteJournal::open(folder.path().join("journal.db"), tenant.get("SANDBOX_TENANT")).await?;
    let engine = Engine::builder(Arc::new(journal), Arc::new(Document::parse(POLICY)?))
        .target(Arc::new(GraphTarget::new(client)))
        .build();
    let people = (0..PEOPLE).map(|number| Person {
        given_name: Some(format!("Mei{workers}x{number}")),
        family_name: Some("Tanaka".to_owned()),
        department: Some("Security".to_owned()),
        country: Some("AU".to_owned()),
        ..Person::new(PersonKey::new(format!("E{workers}-{number}")))
    });
    engine.accept(people).await?;
    let (all, joined) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let watcher = {
        let all = all.clone();
        move |progress: Progress<'_>| {
            if matches!(progress, Progress::Person(_)) && joined.fetch_add(1, Ordering::SeqCst) + 1 == PEOPLE
            {
                all.notify_one();
            }
        }
    };
    // One person at a time for each worker.
    let fleet = Fleet::new(Arc::new(engine)).workers(workers).lanes(1);
    let start = Instant::now();
    let report = fleet.progress(watcher).run(all.notified()).await?;
    let rate = PEOPLE as f64 / start.elapsed().as_secs_f64();
    if report.done != PEOPLE as u64 {
        return Err(format!("not everybody joined: {report:?}").into());
    }
    Ok(rate)
}
