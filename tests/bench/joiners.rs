//! 500 joiners against the sandbox, which runs in a process of its own so that CPU time is ours alone. The
//! floor is one bare `POST /users` per joiner through reqwest, as many at a time.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use iam_core::engine::Engine;
use iam_core::journal::SqliteJournal;
use iam_core::person::{Person, PersonKey};
use iam_core::policy::Document;
use iam_graph::GraphTarget;
use serde_json::json;

use crate::figures::{Figures, two_threads, usage};
use crate::tenant::Tenant;

const PEOPLE: usize = 500;
const AT_ONCE: usize = 16;

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let tenant = Tenant::start(0)?;
    two_threads()?.block_on(run(&tenant, figures))
}

async fn run(tenant: &Tenant, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let (client, token) = tenant.sign_in().await?;
    let floor = floor(tenant, token.expose()).await?;

    let folder = tempfile::tempdir()?;
    let journal =
        SqliteJournal::open(folder.path().join("journal.sqlite"), tenant.get("SANDBOX_TENANT")).await?;
    let policy = Document::parse(POLICY)?;
    let engine = Engine::builder(Arc::new(journal), Arc::new(policy))
        .target(Arc::new(GraphTarget::new(client)))
        .concurrency(AT_ONCE)
        .build();
    let people = (0..PEOPLE).map(|n| Person {
        given_name: Some(format!("Mei{n}")),
        family_name: Some("Tanaka".to_owned()),
        department: Some("Security".to_owned()),
        country: Some("AU".to_owned()),
        manager_id: Some(PersonKey::new("W-1012")),
        ..Person::new(PersonKey::new(format!("J-{n}")))
    });
    let requests = tenant.requests().await?;
    let (cpu, start) = (usage().0, Instant::now());
    engine.accept(people).await?;
    let report = engine.run(&|_| {}).await?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), usage().0 - cpu);
    let sent = tenant.requests().await? - requests;
    let totals = report.totals();
    if totals.people != PEOPLE || totals.failed + totals.open > 0 {
        return Err(format!("not everybody joined: {totals:?}").into());
    }
    let people = PEOPLE as f64;
    figures.note(
        "joiners",
        "events",
        people / seconds,
        "events/s",
        Some(("bare POST /users", floor)),
    )?;
    figures.note("joiners", "steps", totals.done as f64 / seconds, "steps/s", None)?;
    figures.note(
        "joiners",
        "requests per event",
        sent / people,
        "requests",
        Some(("steps per event", totals.done as f64 / people)),
    )?;
    figures.note("joiners", "CPU per event", cpu * 1000.0 / people, "ms", None)?;
    Ok(())
}

/// Users created per second, one bare request each.
async fn floor(tenant: &Tenant, token: &str) -> Result<f64, Box<dyn Error>> {
    let client = reqwest::Client::new();
    let url = format!("{}/users", tenant.get("SANDBOX_GRAPH"));
    let start = Instant::now();
    for chunk in 0..PEOPLE.div_ceil(AT_ONCE) {
        let sends = (chunk * AT_ONCE..((chunk + 1) * AT_ONCE).min(PEOPLE)).map(|n| {
            let body = json!({
                "accountEnabled": false, "displayName": format!("Bare {n}"), "mailNickname": format!("bare{n}"),
                "userPrincipalName": format!("bare{n}@contoso.example"),
                "passwordProfile": {"password": "Bare-and-simple-1!"},
            });
            client.post(&url).bearer_auth(token).json(&body).send()
        });
        for answer in futures::future::join_all(sends).await {
            answer?.error_for_status()?;
        }
    }
    Ok(PEOPLE as f64 / start.elapsed().as_secs_f64())
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
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security", "VPN Users"]
roles = ["Security Reader"]
"#;
