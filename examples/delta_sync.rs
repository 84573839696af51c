//! Keep a copy of a tenant's users and groups up to date: what has changed since the last run.
//!
//! ```text
//! cargo run --example delta_sync
//! cargo run --example delta_sync -- --tenant real --links sync-state    (again and again)
//! ```
//!
//! Each run reads one round of changes of users and one of groups, and stores the link of the next round only after
//! all of it has been dealt with: a run that dies in between is repeated by the next. A link that is too old (seven
//! days) starts anew. Without a folder for the links, three rounds are read of an embedded tenant that is changed
//! between them, to have something to show.

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use iam_core::{Error, ErrorKind, Result};
use iam_examples::say;
use iam_examples::tenant::Which;
use iam_graph::GraphClient;
use iam_graph::delta::{Change, Changed, DeltaQuery, LinkFile, Reason, Round};
use iam_graph::groups::Group;
use iam_graph::query::Filter;
use iam_graph::users::{User, UserPatch};
use iam_sandbox::Sandbox;
use serde::de::DeserializeOwned;

/// Print what has changed among users and groups since the last run.
#[derive(Debug, Parser)]
#[command(name = "delta_sync")]
struct Options {
    #[command(flatten)]
    which: Which,
    /// The folder that keeps the links between runs [default: none, three rounds of an embedded tenant]
    #[arg(long, value_name = "FOLDER")]
    links: Option<PathBuf>,
    /// Start from now where there is no link yet: print nothing of what there is
    #[arg(long)]
    from_now: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match sync(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

async fn sync(options: &Options) -> Result<()> {
    let tenant = options.which.open(Sandbox::builder()).await?;
    let storage = |source| {
        Error::new(ErrorKind::Storage, "the folder for the links cannot be made").with_source(source)
    };
    if let Some(folder) = &options.links {
        std::fs::create_dir_all(folder).map_err(storage)?;
        return rounds(&tenant.client, folder, options.from_now).await;
    }
    if tenant.embedded.is_none() {
        let message = "give a folder for the links with --links: they are what the next run starts from";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let folder = tempfile::tempdir().map_err(storage)?;
    for (number, title) in ["what there is", "after some changes", "and nothing more"]
        .iter()
        .enumerate()
    {
        if number == 1 {
            change_something(&tenant.client).await?;
        }
        say(format_args!("round {}: {title}", number + 1));
        rounds(&tenant.client, folder.path(), options.from_now).await?;
    }
    Ok(())
}

/// One round of users and one of groups.
async fn rounds(client: &GraphClient, folder: &Path, from_now: bool) -> Result<()> {
    let query = async |store: &LinkFile, properties: &[&str]| {
        let query = DeltaQuery::new()
            .select(properties.iter().copied())
            .resync_when_expired();
        let query = if from_now { query.from_now() } else { query };
        query.since_stored(store).await
    };
    let users = LinkFile::new(folder.join("users.link"));
    let properties = [
        "userPrincipalName",
        "displayName",
        "department",
        "accountEnabled",
        "manager",
    ];
    let round = client.user_changes(&query(&users, &properties).await?)?;
    follow("users", round, &users, of_user).await?;
    let groups = LinkFile::new(folder.join("groups.link"));
    let round = client.group_changes(&query(&groups, &["displayName", "members"]).await?)?;
    follow("groups", round, &groups, of_group).await
}

/// Deals with every change, here by printing it, and only then stores the link.
async fn follow<T: DeserializeOwned>(
    what: &str,
    mut round: Round<T>,
    store: &LinkFile,
    describe: fn(&Changed<T>) -> String,
) -> Result<()> {
    let mut changes = 0;
    while let Some(change) = round.try_next().await? {
        match change {
            Change::Changed(object) => say(format_args!("  {what}: {}", describe(&object))),
            Change::Removed(gone) => {
                let how = match gone.reason {
                    Reason::SoftDeleted => "deleted, can be restored",
                    Reason::Purged => "gone for good",
                    _ => "gone",
                };
                say(format_args!("  {what}: {} {how}", gone.id));
            }
            Change::Restarted => say(format_args!(
                "  {what}: the link was too old: what follows is all that exists"
            )),
            _ => continue,
        }
        changes += 1;
    }
    say(format_args!("  {what}: {changes} changes"));
    round.acknowledge_to(store).await
}

fn of_user(changed: &Changed<User>) -> String {
    let name = changed.item.user_principal_name.as_deref().unwrap_or(&changed.id);
    let department = changed.item.department.as_deref().unwrap_or("no department");
    let state = if changed.item.account_enabled == Some(false) {
        "blocked"
    } else {
        "enabled"
    };
    let manager = changed
        .relations
        .get("manager")
        .and_then(|links| links.added.first());
    let manager = manager
        .map(|manager| format!(", reports to {}", manager.id))
        .unwrap_or_default();
    format!("{name} ({department}, {state}{manager})")
}

fn of_group(changed: &Changed<Group>) -> String {
    let name = changed.item.display_name.as_deref().unwrap_or(&changed.id);
    match changed.members() {
        Some(links) => format!(
            "{name} (members: {} more, {} fewer)",
            links.added.len(),
            links.removed.len()
        ),
        None => name.to_owned(),
    }
}

/// What happens in a tenant.
async fn change_something(client: &GraphClient) -> Result<()> {
    let found = async |worker: &str| {
        let users = client.find_users(&Filter::eq("employeeId", worker)).await?;
        let user = users.into_iter().next();
        user.map(|user| user.id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("nobody is {worker}")))
    };
    let (noah, camila) = (found("W-1009").await?, found("W-1010").await?);
    client
        .update_user(&noah, &UserPatch::new().set("department", "Security"))
        .await?;
    for group in client.list_groups().await? {
        match group.display_name.as_deref() {
            Some("sg-security") => client.add_member(&group.id, &noah).await?,
            Some("sg-engineering") => client.remove_member(&group.id, &noah).await?,
            _ => {}
        }
    }
    client.delete_user(&camila).await
}
