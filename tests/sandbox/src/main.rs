//! `iam-sandbox`: the tenant as a program, until Ctrl-C.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use iam_sandbox::Sandbox;

/// A stateful Microsoft Entra tenant on a loopback port: token endpoint, Microsoft Graph, Azure Resource Manager, SCIM.
#[derive(Debug, Parser)]
#[command(version, about)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Object ids and their order depend on this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Start without groups and staff
    #[arg(long)]
    empty: bool,
    /// Employ that many generated people besides the known ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    people: usize,
    /// Serve https, with a certificate authority made for this run
    #[arg(long)]
    tls: bool,
    /// Enforce Graph's documented limits: resource units and writes
    #[arg(long)]
    throttle: bool,
    /// Refuse notification URLs of plain http, as Graph does
    #[arg(long)]
    https_notifications: bool,
    /// Write every request and answer to this file as JSON lines, without secrets
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Write addresses and credentials to this file (mode 0600) once it listens
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "iam-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let mut builder = Sandbox::builder()
        .port(arguments.port)
        .seed(arguments.seed)
        .people(arguments.people)
        .throttling(arguments.throttle)
        .https_notifications(arguments.https_notifications);
    if arguments.empty {
        builder = builder.empty();
    }
    if arguments.tls {
        builder = builder.tls();
    }
    if let Some(file) = &arguments.record {
        builder = builder.record(file);
    }
    let sandbox = builder.start().await?;
    if let Some(file) = &arguments.env_file {
        write_private(file, &sandbox.env()).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write {}: {error}", file.display()))
        })?;
    }
    let mut out = io::stdout();
    writeln!(
        out,
        "iam-sandbox: Microsoft Graph at {}, tenant {}",
        sandbox.graph(),
        sandbox.tenant_id()
    )?;
    match &arguments.env_file {
        Some(file) => writeln!(out, "Credentials are in {}. Ctrl-C stops it.", file.display())?,
        None => writeln!(out, "{}Ctrl-C stops it.", sandbox.env())?,
    }
    out.flush()?;
    stopped().await
}

/// Writes beside the file and renames, so that a reader sees all of it or nothing.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        options.mode(0o600);
        if beside.exists() {
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))?;
        }
    }
    options.open(&beside)?.write_all(text.as_bytes())?;
    fs::rename(&beside, file)
}

/// Waits for Ctrl-C or a request to terminate.
async fn stopped() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await
    }
}
