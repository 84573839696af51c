//! An access policy of one's own: a table of departments in the place of the document's rules. The document still says
//! how people are named and what happens around joining and leaving.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::process::ExitCode;
use std::sync::Arc;

use iam_core::Result;
use iam_core::entitlement::{Attribute, Desired, Grant, Kind, Reference};
use iam_core::orchestrator::Lifecycle;
use iam_core::policy::{AccessPolicy, Document, PolicyProblems, Subject};
use iam_examples::lifecycle::{engine, hear, tenant, worker};
use jiff::civil::Date;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
"#;

/// Department, and the groups that come with it.
#[derive(Debug)]
struct Table(&'static [(&'static str, &'static [&'static str])]);

impl AccessPolicy for Table {
    /// A department that is not in the table holds the person: nothing is taken away because a table is too short.
    fn desired(&self, subject: &Subject<'_>, _today: Date) -> Result<Desired, PolicyProblems> {
        let department = subject.person.department.as_deref().unwrap_or_default();
        let row = self.0.iter().find(|(name, _)| *name == department);
        let Some((name, groups)) = row else {
            return Err(PolicyProblems(vec![format!(
                "no row for the department {department:?}"
            )]));
        };
        let mut desired = Desired::default();
        desired
            .attributes
            .insert(Attribute::Department, (*name).to_owned());
        desired.grants.extend(groups.iter().map(|group| Grant {
            what: Reference::new(Kind::Group, *group),
            rules: vec![format!("row {name}")],
            grace_days: 0,
        }));
        Ok(desired)
    }

    fn depends_on_date(&self) -> bool {
        false
    }
}

async fn run() -> Result<()> {
    let tenant = tenant().await?;
    let document = Arc::new(Document::parse(POLICY)?);
    let table = Table(&[
        ("Security", &["All Staff", "sg-security"]),
        ("Finance", &["All Staff", "sg-finance"]),
    ]);
    let lifecycle = Lifecycle::new(document.clone()).with_policy(Arc::new(table));
    let engine = engine(&tenant, &document)
        .orchestrator(Arc::new(lifecycle))
        .build();
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Security")]).await?;
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Finance")]).await?;
    hear(&engine, [worker("X-1", "Mei", "Tanaka", "Alchemy")]).await?;
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
