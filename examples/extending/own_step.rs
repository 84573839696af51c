//! A step of one's own kind: a leaver's mailbox is made a shared one, which Graph cannot do. An orchestrator around the
//! standard one plans it before the licence goes; a target around the directory's carries it out (here it prints what
//! would be sent to Exchange). Without such a target the step fails, and says so, and nothing else is held up.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use iam_core::Result;
use iam_core::engine::Engine;
use iam_core::entitlement::{Actual, Catalog, Kind, TargetId};
use iam_core::event::Event;
use iam_core::journal::{MemoryJournal, PersonState};
use iam_core::orchestrator::{Context, Decision, Lifecycle, Orchestrator};
use iam_core::plan::{Action, IdempotencyKey, Step};
use iam_core::policy::Document;
use iam_core::target::{Applied, Candidates, Capabilities, EffectClass, Keys, PersonRef, Target};
use iam_examples::lifecycle::{engine, gone, hear, tenant, worker};
use iam_examples::say;
use iam_graph::GraphTarget;
use serde_json::json;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[defaults]
usage_location = "person.country"
licenses = ["SPE_E3"]
"#;

/// With whose it is, and its version: another meaning of the payload is another kind.
const SHARE_MAILBOX: &str = "exchange.share_mailbox.v1";

/// The standard lifecycle with one step more.
#[derive(Debug)]
struct WithExchange(Lifecycle);

#[async_trait]
impl Orchestrator for WithExchange {
    async fn on_event(&self, event: &Event, state: &PersonState, cx: &Context<'_>) -> Result<Decision> {
        let mut decision = self.0.on_event(event, state, cx).await?;
        let steps = &mut decision.plan.steps;
        let takes_licence = |step: &Step| matches!(&step.action, Action::Revoke { entitlement, .. } if entitlement.kind == Kind::License);
        let leaves = decision.state.left_at.is_some();
        if let (true, Some(at)) = (leaves, steps.iter().position(takes_licence)) {
            let action = Action::Custom {
                kind: SHARE_MAILBOX.to_owned(),
                payload: json!({ "hidden": true }),
            };
            let account = steps[at].account.clone();
            let why = "a leaver's mailbox is kept as a shared one";
            let step = Step::new(&cx.directory, &event.person, account.as_deref(), action, why);
            steps.insert(at, step);
        }
        Ok(decision)
    }
}

/// The directory, and Exchange beside it.
#[derive(Debug)]
struct Directory(GraphTarget);

#[async_trait]
impl Target for Directory {
    fn id(&self) -> &TargetId {
        self.0.id()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.0.capabilities();
        capabilities
            .actions
            .insert(SHARE_MAILBOX, EffectClass::Repeatable);
        capabilities
    }

    async fn catalog(&self) -> Result<Catalog> {
        self.0.catalog().await
    }

    async fn find(&self, keys: &[Keys]) -> Result<Vec<Candidates>> {
        self.0.find(keys).await
    }

    async fn names_taken(&self, names: &[String]) -> Result<BTreeMap<String, String>> {
        self.0.names_taken(names).await
    }

    async fn observe(&self, who: &[PersonRef]) -> Result<Vec<Actual>> {
        self.0.observe(who).await
    }

    async fn apply(&self, step: &Step, key: &IdempotencyKey) -> Result<Applied> {
        match &step.action {
            Action::Custom { kind, payload } if kind == SHARE_MAILBOX => {
                say(format_args!(
                    "to Exchange: share the mailbox of {} {payload}",
                    step.person
                ));
                Ok(Applied::Done { account: None })
            }
            _ => self.0.apply(step, key).await,
        }
    }
}

async fn run() -> Result<()> {
    let tenant = tenant().await?;
    let document = Arc::new(Document::parse(POLICY)?);
    let lifecycle = || Arc::new(WithExchange(Lifecycle::new(document.clone())));
    let directory = Directory(GraphTarget::new(tenant.client.clone()));
    let with = Engine::builder(Arc::new(MemoryJournal::new()), document.clone())
        .target(Arc::new(directory))
        .orchestrator(lifecycle())
        .build();
    hear(&with, [worker("X-1", "Mei", "Tanaka", "Sales")]).await?;
    hear(&with, [gone(worker("X-1", "Mei", "Tanaka", "Sales"))]).await?;
    say("without a target that knows the kind:");
    let without = engine(&tenant, &document).orchestrator(lifecycle()).build();
    hear(&without, [worker("X-2", "Bo", "Ek", "Sales")]).await?;
    hear(&without, [gone(worker("X-2", "Bo", "Ek", "Sales"))]).await?;
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
