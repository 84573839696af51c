//! What the stories of messages and their processes share.

use std::sync::Arc;

use iam_core::Secret;
use iam_core::engine::Engine;
use iam_core::entitlement::Catalog;
use iam_core::journal::{Journal, PostgresJournal, SqliteJournal};
use iam_core::policy::Document;
use iam_core::testing::{ManualClock, MemoryTarget};

pub const TENANT: &str = "6f1c9d5e-0000-4000-8000-000000000001";
pub const SOURCE: &str = "https://iam.contoso.example";
pub const HR: &str = "HR";
pub const CONSUMER: &str = "platform";
pub const OUTCOMES: &str = "outcomes";
const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
authority = "graph"
[naming]
upn = ["{given}.{family}"]
display_name = "{given} {family}"
"#;

pub fn secret() -> Secret {
    Secret::new("a secret of twenty-four bytes or more")
}

/// Opens a journal: a file, or `postgres://…#SCHEMA`.
pub async fn open(journal: &str) -> Arc<dyn Journal> {
    if let Some((url, schema)) = journal
        .rsplit_once('#')
        .filter(|(url, _)| url.starts_with("postgres:"))
    {
        let journal = PostgresJournal::builder(url, TENANT).schema(schema);
        return Arc::new(journal.open().await.unwrap());
    }
    Arc::new(SqliteJournal::open(journal, TENANT).await.unwrap())
}

/// An engine over a directory in memory, which stands at noon of a day of 2026.
pub fn engine(journal: Arc<dyn Journal>) -> (Engine, MemoryTarget) {
    let mut catalog = Catalog::default();
    catalog.domains.insert("contoso.example".to_owned());
    let target = MemoryTarget::new("graph", catalog);
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    let engine = Engine::builder(journal, Arc::new(Document::parse(POLICY).unwrap()))
        .target(Arc::new(target.clone()))
        .clock(Arc::new(clock))
        .build();
    (engine, target)
}
