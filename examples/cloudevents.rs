//! HR events over HTTP: an endpoint that takes CloudEvents, as Event Grid or a webhook sends them, for an embedded tenant.
//! What was answered 202 is in the journal, and is then carried out.
//!
//! ```text
//! cargo run --example cloudevents -- --token secret --journal journal.sqlite
//! curl http://127.0.0.1:8490/hr -H 'Authorization: Bearer secret' -H 'Content-Type: application/json' \
//!      -H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-source: /hr' -H 'ce-type: iam-platform.hr.record' \
//!      -d '{"employeeId": "X-1", "firstName": "Mei", "lastName": "Tanaka", "country": "AU", "status": "Active"}'
//! ```

#![allow(clippy::print_stderr)] // a program that talks to its user

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use clap::Parser;
use clap::builder::NonEmptyStringValueParser;
use iam_core::engine::Engine;
use iam_core::ingest::CloudEvents;
use iam_core::journal::{Journal, MemoryJournal, SqliteJournal};
use iam_core::policy::Document;
use iam_core::{Error, ErrorKind, Result, Secret};
use iam_examples::say;
use iam_examples::tenant::Which;
use iam_graph::GraphTarget;
use iam_sandbox::Sandbox;
use tokio::net::TcpListener;
use tokio::sync::Notify;

const POLICY: &str = r#"
version = 1
[tenant]
domain = "contoso.example"
"#;

/// Take HR events as CloudEvents on loopback.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    which: Which,
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 8490)]
    port: u16,
    /// The bearer token that senders present. Without it, everybody on this machine may send.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    token: Option<String>,
    /// The journal, an SQLite file. Without it, everything is forgotten at the end.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// The endpoint, and whom it wakes.
#[derive(Clone)]
struct Inbox {
    door: CloudEvents,
    work: Arc<Notify>,
}

/// A request in, an answer out: any web framework will do.
async fn receive(State(inbox): State<Inbox>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, inbox.door.reads_at_most()).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let answer = inbox
        .door
        .receive(head.method.as_str(), target, &head.headers, &body)
        .await;
    if answer.status == 202 {
        inbox.work.notify_one();
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(Body::from(answer.body));
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Carries out what is there, and what comes.
async fn work(engine: &Engine, woken: &Notify) -> Result<()> {
    loop {
        let report = engine.run(&|_| {}).await?;
        for run in &report.people {
            say(format_args!("{}: {:?}", run.person, run.ending));
        }
        for letter in engine.dead_letters(None, 10).await? {
            say(format_args!("dead letter {}: {}", letter.id, letter.reason));
        }
        woken.notified().await;
    }
}

async fn run(options: Options) -> Result<()> {
    let tenant = options.which.open(Sandbox::builder()).await?;
    let journal: Arc<dyn Journal> = match &options.journal {
        None => Arc::new(MemoryJournal::new()),
        Some(path) => Arc::new(SqliteJournal::open(path, "contoso.example").await?),
    };
    let engine = Engine::builder(journal, Arc::new(Document::parse(POLICY)?))
        .target(Arc::new(GraphTarget::new(tenant.client.clone())))
        .build();
    let engine = Arc::new(engine);
    let mut door = CloudEvents::new(engine.clone());
    if let Some(token) = options.token {
        door = door.bearer(Secret::new(token));
    }
    let inbox = Inbox {
        door,
        work: Arc::default(),
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let refused = |error: std::io::Error| {
        let text = format!("cannot listen on {address}; give another port with --port, or 0 for a free one");
        Error::new(ErrorKind::Unavailable, text).with_source(error)
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    say(format_args!("CloudEvents at http://{address}/hr (Ctrl-C stops)"));
    let app = Router::new()
        .route("/hr", axum::routing::any(receive))
        .with_state(inbox.clone());
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served.map_err(refused),
        failed = work(&engine, &inbox.work) => failed,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}
