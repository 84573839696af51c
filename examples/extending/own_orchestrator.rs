//! An orchestrator of one's own, around the standard lifecycle: during a change freeze nobody moves, and whoever leaves
//! loses access all the same. It decides and has no effects, so that a preview shows just what it would do.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use iam_core::Result;
use iam_core::event::{Event, EventKind};
use iam_core::journal::PersonState;
use iam_core::orchestrator::{Context, Decision, Lifecycle, Orchestrator};
use iam_core::policy::Document;
use iam_examples::lifecycle::{engine, gone, hear, tenant, worker};

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[defaults]
groups = ["All Staff"]
[[rule]]
id = "security"
when = 'person.department == "Security"'
groups = ["sg-security"]
"#;

/// The standard lifecycle, but for movers.
#[derive(Debug)]
struct Freeze(Lifecycle);

#[async_trait]
impl Orchestrator for Freeze {
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision> {
        let mut decision = self.0.on_event(event, state, cx).await?;
        if event.kind == EventKind::Move && !decision.plan.steps.is_empty() {
            // Held: set aside until somebody brings it back to work, with nothing done.
            decision.plan.steps.clear();
            decision.hold = Some("change freeze: movers wait until it is over".to_owned());
        }
        Ok(decision)
    }
}

async fn run() -> Result<()> {
    let tenant = tenant().await?;
    let document = Arc::new(Document::parse(POLICY)?);
    let freeze = Freeze(Lifecycle::new(document.clone()));
    let engine = engine(&tenant, &document).orchestrator(Arc::new(freeze)).build();
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Sales")]).await?;
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Security")]).await?;
    hear(&engine, [gone(worker("X-1", "Mei", "Tanaka", "Security"))]).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}
