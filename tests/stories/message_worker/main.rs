//! One process of the stories of messages: it receives them, or tells outcomes, until it is killed around a write of
//! its journal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a story stops where it fails")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "shared with the stories")]

#[path = "../messages/office.rs"]
mod office;

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use iam_core::engine::Engine;
use iam_core::ingest::{CloudEvents, Nats, NatsSignIn, Outbox, Publisher};
use iam_core::journal::Journal;
use iam_core::notify::Webhook;
use iam_core::testing::{Crash, CrashingJournal};
use rustix::process::{Signal, getpid, kill_process};

fn struck(journal: Arc<dyn Journal>, strike: &str) -> Arc<dyn Journal> {
    let Some((edge, write)) = strike.split_once(' ') else {
        return journal;
    };
    let write = write.parse().unwrap();
    let crash = if edge == "before" {
        Crash::Before(write)
    } else {
        Crash::After(write)
    };
    let kill = || Box::pin(async { kill_process(getpid(), Signal::KILL).unwrap() });
    Arc::new(CrashingJournal::new(journal, crash).struck_by(move || kill()))
}

async fn answer(State(door): State<CloudEvents>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, door.reads_at_most()).await.unwrap_or_default();
    let target = parts.uri.to_string();
    let answer = door
        .receive(parts.method.as_str(), &target, &parts.headers, &body)
        .await;
    let response = Response::builder().status(answer.status);
    let response = answer
        .headers
        .into_iter()
        .fold(response, |response, (name, value)| response.header(name, value));
    response.body(answer.body.into()).unwrap()
}

#[allow(clippy::print_stdout, reason = "the story reads where it listens")]
async fn serve(engine: Arc<Engine>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}/hr", listener.local_addr().unwrap());
    let app = axum::Router::new()
        .fallback(answer)
        .with_state(CloudEvents::new(engine));
    axum::serve(listener, app).await.unwrap();
}

async fn take(engine: Arc<Engine>, url: &str) {
    let nats = Nats::connect(url, NatsSignIn::Nobody).await.unwrap();
    let input = nats.input(engine, office::HR, office::CONSUMER).await.unwrap();
    let input = input.kind("iam-platform.hr.record");
    let mut idle = 0;
    // What a dead process had taken comes again after a second.
    while idle < 3 {
        let taken = input.take(2, Duration::from_secs(1)).await.unwrap();
        idle = if taken.messages == 0 { idle + 1 } else { 0 };
    }
}

async fn tell(journal: Arc<dyn Journal>, publisher: Arc<dyn Publisher>) {
    let outbox = Outbox::new(journal, "story", publisher);
    let sent = outbox.deliver().await.unwrap();
    assert_eq!((sent.behind, sent.why), (0, None));
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [journal, strike, what, url] = arguments.as_slice() else {
        panic!("journal strike what url");
    };
    let journal = struck(office::open(journal).await, strike);
    let engine = Arc::new(office::engine(journal.clone()).0);
    match what.as_str() {
        "serve" => serve(engine).await,
        "take" => take(engine, url).await,
        "post" => {
            let transport = iam_core::http::HttpTransport::new().unwrap();
            let webhook = Webhook::new(Arc::new(transport), url, office::SOURCE, office::secret());
            tell(journal, Arc::new(webhook.unwrap())).await;
        }
        "publish" => {
            let nats = Nats::connect(url, NatsSignIn::Nobody).await.unwrap();
            tell(
                journal,
                Arc::new(nats.publisher(office::OUTCOMES, office::SOURCE)),
            )
            .await;
        }
        other => panic!("{other}"),
    }
}
