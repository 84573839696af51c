//! A notifier of one's own beside others: it writes lines where a program would call a chat or a ticket system. It does
//! not say that it takes passes, and so is never given one.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use iam_core::Result;
use iam_core::notify::{Message, Notifier, Notifiers};
use iam_core::plan::IdempotencyKey;
use iam_core::policy::Document;
use iam_examples::lifecycle::{engine, gone, hear, tenant, worker};
use iam_examples::say;
use iam_graph::GraphMail;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
[joiner]
notify = ["hr"]
[leaver]
notify = ["hr"]
[notify]
from = "hr-robot@contoso.example"
hr = "hr@contoso.example"
language = "de"
[notify.text.left]
subject = "{name} has left"
body = "Worker {worker} has no access any more."
"#;

/// Where messages go beside mail.
#[derive(Debug)]
struct Chat;

#[async_trait]
impl Notifier for Chat {
    /// Called at most once for each key. A receiver that wants to be sure drops keys that it knows.
    async fn notify(&self, message: &Message, key: &IdempotencyKey) -> Result<()> {
        let short = &key.as_str()[..8];
        say(format_args!(
            "chat ({short}…): {}: {}",
            message.subject, message.body
        ));
        Ok(())
    }
}

async fn run() -> Result<()> {
    let tenant = tenant().await?;
    let document = Arc::new(Document::parse(POLICY)?);
    let mail = GraphMail::new(tenant.client.clone(), "hr-robot@contoso.example");
    let both: [Arc<dyn Notifier>; 2] = [Arc::new(Chat), Arc::new(mail)];
    let engine = engine(&tenant, &document)
        .notifier(Arc::new(Notifiers::new(both)))
        .build();
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Sales")]).await?;
    hear(&engine, [gone(worker("X-1", "Mei", "Tanaka", "Sales"))]).await?;
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
