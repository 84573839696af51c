//! A SCIM 2.0 service provider under `/scim/v2`, in memory or in a SQLite file.
//!
//! ```text
//! cargo run --example scim_server -- --token secret --store people.sqlite
//! curl -H 'Authorization: Bearer secret' http://127.0.0.1:8480/scim/v2/Users
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that talks to its user

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use axum::serve::ListenerExt as _;
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use iam_core::secret::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, SqliteStore, router};
use tokio::net::TcpListener;

/// Serve SCIM 2.0 on loopback.
#[derive(Debug, Parser)]
struct Options {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8480)]
    port: u16,
    /// The bearer token that callers present. Without it, everybody on this machine may call.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    token: Option<String>,
    /// The SQLite file. Without it, everything is forgotten at the end.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), String> {
    let engine = match &options.store {
        None => Engine::new(MemoryStore::new()),
        Some(path) => {
            let store = SqliteStore::open(path).await;
            Engine::new(store.map_err(|error| format!("{error}; give another file with --store"))?)
        }
    };
    let auth = match options.token {
        Some(token) => Auth::bearer(&Secret::new(token)),
        None => Auth::checked_elsewhere(),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; give another port with --port, or 0 for a free one")
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("SCIM 2.0 at http://{address}/scim/v2 (Ctrl-C stops)");
    let app = Router::new().nest_service("/scim/v2", router(engine, auth));
    let stopped = async {
        // Without a signal to wait for, it serves until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let listener = listener.tap_io(|stream| {
        // No answer waits for the acknowledgement of the one before; where that cannot be set, it does.
        drop(stream.set_nodelay(true));
    });
    let served = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
    served.map_err(|error| format!("serving ended: {error}"))
}
