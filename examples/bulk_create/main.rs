//! Creates accounts from a CSV file by batches: twenty operations in each request, managers linked, one clear line for
//! each row that failed. Running it again changes nothing.
//!
//! ```text
//! cargo run --example bulk_create
//! cargo run --example bulk_create -- --file accounts.csv --sandbox sandbox.env
//! ```
//!
//! Columns: `user_principal_name`, `display_name`, `employee_id`; `department`, `job_title`, `usage_location` and `manager`
//! (an employee id, of a row or of somebody in the tenant) may be empty or absent. Passwords are random, and nobody
//! sees them: give people a temporary access pass.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use iam_core::http::Response;
use iam_core::{Error, ErrorKind, Result};
use iam_examples::say;
use iam_examples::tenant::Which;
use iam_graph::GraphClient;
use iam_graph::query::Filter;
use iam_graph::users::{DirectoryObject, NewUser, UserPatch, mail_nickname, random_password};
use iam_sandbox::Sandbox;
use indicatif::{ProgressBar, ProgressStyle};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/accounts.csv");

/// Create accounts from a CSV file, twenty operations in each request.
#[derive(Debug, Parser)]
#[command(name = "bulk_create", version)]
struct Options {
    /// The CSV file [default: examples/data/accounts.csv]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// One account to be made.
#[derive(Debug)]
struct Row {
    line: u64,
    name: String,
    worker: String,
    manager: Option<String>,
    new: NewUser,
}

/// Accounts by employee id in lower case.
type Accounts = BTreeMap<String, DirectoryAccount>;

#[derive(Debug)]
struct DirectoryAccount {
    id: String,
    manager: Option<String>,
}

/// A row that failed, wholly or in part.
#[derive(Debug)]
struct Problem {
    line: u64,
    name: String,
    why: String,
}

#[derive(Debug, Default)]
struct Summary {
    created: usize,
    there: usize,
    linked: usize,
    problems: Vec<Problem>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(summary) => {
            let Summary {
                created,
                there,
                linked,
                mut problems,
            } = summary;
            problems.sort_by_key(|problem| problem.line);
            for problem in &problems {
                say(format_args!(
                    "line {} ({}): {}",
                    problem.line, problem.name, problem.why
                ));
            }
            say(format_args!(
                "{created} created, {there} there already, {linked} managers linked, {} problems",
                problems.len()
            ));
            if problems.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<Summary> {
    let file = options.file.unwrap_or_else(|| DATA.into());
    let mut summary = Summary::default();
    let rows = read(&file, &mut summary.problems)?;
    let tenant = options.which.open(Sandbox::builder()).await?;
    let mut accounts = known(&tenant.client, &rows).await?;
    create(&tenant.client, &rows, &mut accounts, &mut summary).await?;
    link(&tenant.client, &rows, &accounts, &mut summary).await?;
    Ok(summary)
}

/// The rows that can be sent; the others are problems, each with the field that is wrong.
fn read(file: &std::path::Path, problems: &mut Vec<Problem>) -> Result<Vec<Row>> {
    let unreadable = |source: csv::Error| {
        let message = format!("{} cannot be read as CSV", file.display());
        Error::new(ErrorKind::Invalid, message).with_source(source)
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_path(file)
        .map_err(unreadable)?;
    let heads = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str| {
        heads
            .iter()
            .position(|head| head.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
    };
    for name in ["user_principal_name", "display_name", "employee_id"] {
        column(name).ok_or_else(|| {
            let message = format!("{} has no column {name}", file.display());
            Error::new(ErrorKind::Invalid, message)
        })?;
    }
    let (mut rows, mut names, mut workers) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |name: &str| {
            column(name)
                .and_then(|at| record.get(at))
                .unwrap_or_default()
                .to_owned()
        };
        let (name, worker, shown) = (
            field("user_principal_name"),
            field("employee_id"),
            field("display_name"),
        );
        let mut wrong = |why: &str| {
            let name = if name.is_empty() { &shown } else { &name };
            problems.push(Problem {
                line,
                name: name.clone(),
                why: why.to_owned(),
            });
        };
        if name.is_empty() || shown.is_empty() || worker.is_empty() {
            wrong("user_principal_name, display_name and employee_id must not be empty");
        } else if name
            .split_once('@')
            .is_none_or(|(local, domain)| local.is_empty() || !domain.contains('.'))
        {
            wrong("user_principal_name must be name@domain");
        } else if !names.insert(name.to_lowercase()) || !workers.insert(worker.to_lowercase()) {
            wrong("an earlier row has the same user_principal_name or employee_id");
        } else {
            let properties = [
                ("department", "department"),
                ("jobTitle", "job_title"),
                ("usageLocation", "usage_location"),
            ]
            .into_iter()
            .fold(UserPatch::new(), |patch, (property, name)| {
                patch.set(property, field(name))
            });
            rows.push(Row {
                line,
                manager: Some(field("manager")).filter(|manager| !manager.is_empty()),
                new: NewUser {
                    mail_nickname: mail_nickname(&name),
                    user_principal_name: name.clone(),
                    display_name: shown,
                    employee_id: Some(worker.clone()),
                    account_enabled: false,
                    password: random_password(),
                    properties,
                },
                name,
                worker,
            });
        }
    }
    Ok(rows)
}

fn bar(operations: usize, what: &'static str) -> ProgressBar {
    // Drawn on terminals only.
    let bar = ProgressBar::new(operations as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg:20} {bar:40} {pos}/{len} {per_sec} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The accounts that the tenant has for the people and managers of the file.
async fn known(client: &GraphClient, rows: &[Row]) -> Result<Accounts> {
    let workers = rows
        .iter()
        .flat_map(|row| [Some(&row.worker), row.manager.as_ref()])
        .flatten();
    let workers: Vec<&String> = workers.collect::<BTreeSet<_>>().into_iter().collect();
    let client = client.joining();
    let searches = workers.chunks(15).map(|workers| {
        let filter = Filter::one_of("employeeId", workers.iter().map(|worker| worker.as_str()));
        let client = &client;
        async move { client.find_users(&filter).await }
    });
    let mut accounts = Accounts::new();
    for found in futures::future::try_join_all(searches)
        .await?
        .into_iter()
        .flatten()
    {
        if let Some(worker) = found.employee_id {
            let account = DirectoryAccount {
                id: found.id,
                manager: found.manager.map(|manager| manager.id),
            };
            accounts.insert(worker.to_lowercase(), account);
        }
    }
    Ok(accounts)
}

/// Creates whoever is not there, and notes the new accounts.
async fn create(
    client: &GraphClient,
    rows: &[Row],
    accounts: &mut Accounts,
    summary: &mut Summary,
) -> Result<()> {
    let operations = client.operations();
    let mut batch = client.batch();
    let mut sent = Vec::new();
    for row in rows {
        if accounts.contains_key(&row.worker.to_lowercase()) {
            summary.there += 1;
        } else {
            batch.add(operations.create_user(&row.new)?);
            sent.push(row);
        }
    }
    for (row, answer) in sent.into_iter().zip(send(batch, "creating accounts").await) {
        match answer.and_then(|answer| answer.json::<DirectoryObject>()) {
            Ok(user) => {
                let account = DirectoryAccount {
                    id: user.id,
                    manager: None,
                };
                accounts.insert(row.worker.to_lowercase(), account);
                summary.created += 1;
            }
            Err(error) => summary.problems.push(problem(row, &error)),
        }
    }
    Ok(())
}

/// Links everybody's manager, where it is not linked yet.
async fn link(client: &GraphClient, rows: &[Row], accounts: &Accounts, summary: &mut Summary) -> Result<()> {
    let operations = client.operations();
    let mut batch = client.batch();
    let mut sent = Vec::new();
    for row in rows {
        let (Some(account), Some(manager)) = (accounts.get(&row.worker.to_lowercase()), &row.manager) else {
            continue;
        };
        match accounts.get(&manager.to_lowercase()) {
            Some(manager) if account.manager.as_ref() == Some(&manager.id) => {}
            Some(manager) => {
                batch.add(operations.set_manager(&account.id, &manager.id)?);
                sent.push(row);
            }
            None => summary.problems.push(Problem {
                line: row.line,
                name: row.name.clone(),
                why: format!("no account has the manager's employee id {manager}"),
            }),
        }
    }
    for (row, answer) in sent.into_iter().zip(send(batch, "linking managers").await) {
        match answer {
            Ok(_) => summary.linked += 1,
            Err(error) => summary.problems.push(problem(row, &error)),
        }
    }
    Ok(())
}

async fn send(batch: iam_graph::Batch, what: &'static str) -> Vec<Result<Response>> {
    let bar = bar(batch.len(), what);
    let moved = bar.clone();
    let answers = batch.on_answer(move |_, _| moved.inc(1)).send().await;
    bar.finish_and_clear();
    answers
}

fn problem(row: &Row, error: &Error) -> Problem {
    Problem {
        line: row.line,
        name: row.name.clone(),
        why: error.to_string(),
    }
}
