//! List users: filtered, searched, sorted, page by page in constant memory.
//!
//! ```text
//! cargo run --example list_users
//! cargo run --example list_users -- --department Security --order displayName
//! cargo run --example list_users -- --search fischer --count
//! cargo run --example list_users -- --tenant real --filter "endsWith(mail,'@contoso.com')" --json
//! ```

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::process::ExitCode;

use clap::Parser;
use iam_core::Result;
use iam_examples::say;
use iam_examples::tenant::Which;
use iam_graph::query::{Filter, Query, Search};
use iam_graph::users::User;
use iam_sandbox::Sandbox;

/// List the users of a tenant.
///
/// What only an advanced query answers is sent as one by itself; what no query answers is refused before it is sent.
#[derive(Debug, Parser)]
#[command(name = "list_users")]
struct Options {
    #[command(flatten)]
    which: Which,
    /// Only this department
    #[arg(long)]
    department: Option<String>,
    /// Only users whose names have these words
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Only users that this OData filter describes
    #[arg(long, value_name = "ODATA")]
    filter: Option<String>,
    /// Sort by this property
    #[arg(long, value_name = "PROPERTY")]
    order: Option<String>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Say how many there are in all, too
    #[arg(long)]
    count: bool,
    /// Print one JSON document a line, with everything that was read
    #[arg(long)]
    json: bool,
}

impl Options {
    fn query(&self) -> Query {
        let mut query = Query::new();
        if let Some(department) = &self.department {
            query = query.filter(Filter::eq("department", department));
        }
        if let Some(text) = &self.filter {
            query = query.filter(Filter::raw(text));
        }
        if let Some(words) = &self.search {
            query = query.search(Search::new("displayName", words));
        }
        if let Some(property) = &self.order {
            query = query.order_by(property);
        }
        if self.count { query.count() } else { query }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match list(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn list(options: &Options) -> Result<()> {
    let tenant = options.which.open(Sandbox::builder()).await?;
    let mut users = tenant.client.stream_users(options.query())?;
    let mut listed = 0;
    while listed < options.limit.unwrap_or(usize::MAX)
        && let Some(user) = users.try_next().await?
    {
        listed += 1;
        if options.json {
            say(serde_json::json!(user));
        } else {
            say(line(&user));
        }
    }
    if !options.json {
        match users.count().filter(|_| options.count) {
            Some(count) => say(format_args!("{listed} of {count} users")),
            None => say(format_args!("{listed} users")),
        }
    }
    Ok(())
}

fn line(user: &User) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let blocked = if user.account_enabled == Some(false) {
        "blocked"
    } else {
        ""
    };
    let (name, shown, department) = (
        text(&user.user_principal_name),
        text(&user.display_name),
        text(&user.department),
    );
    format!("{name:<40} {shown:<28} {department:<20} {blocked}")
        .trim_end()
        .to_owned()
}
