//! The sandbox beside a bare axum hello-world, over the same raw connections; and how fast a large tenant stands.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use axum::routing::get;
use iam_graph::query::Filter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::figures::{Figures, usage_of};
use crate::served;
use crate::tenant::Tenant;

/// The argument that makes this program the hello-world.
pub(crate) const SERVE: &str = "serve-hello";
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 7;
const LONG: Duration = Duration::from_secs(1);
const CROWD: usize = 100_000;

/// Prints its address and serves until its standard input ends.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        let app = axum::Router::new().route("/", get(async || "Hello, World!"));
        tokio::select! {
            end = axum::serve(listener, app) => Ok(end?),
            () = served::input_ended() => Ok(()),
        }
    })
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let crowd = Tenant::start(CROWD)?;
    let (took, (_, peak)) = (
        start.elapsed().as_secs_f64(),
        usage_of(&crowd.process().to_string()),
    );
    drop(crowd);
    figures.note(
        "sandbox",
        "start with 100,000 users",
        took,
        "s",
        Some(("the goal", 3.0)),
    )?;
    figures.note(
        "sandbox",
        "peak with 100,000 users",
        peak,
        "MiB",
        Some(("the goal", 1024.0)),
    )?;

    let tenant = Tenant::start(1_000)?;
    let (mut child, address) = served::start(SERVE)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(rounds(&tenant, &address, child.id()));
    drop(child.stdin.take());
    child.wait()?;
    let (ours, floor) = measured?;
    let floor_named = |value: f64| Some(("hello-world", value));
    figures.note(
        "sandbox",
        "GET /users/{id}",
        ours.0,
        "requests/s",
        floor_named(floor.0),
    )?;
    figures.note(
        "sandbox",
        "GET /users/{id}, server CPU",
        ours.1,
        "us",
        floor_named(floor.1),
    )
}

/// Requests per second and microseconds of the server's CPU for one: the medians over the rounds, ours and the floor's.
type Speed = (f64, f64);

async fn rounds(tenant: &Tenant, hello: &str, floor: u32) -> Result<(Speed, Speed), Box<dyn Error>> {
    let (client, token) = tenant.sign_in().await?;
    let user = client.find_users(&Filter::eq("employeeId", "G-00001")).await?;
    let id = &user.first().ok_or("nobody is employed")?.id;
    let host = tenant
        .get("SANDBOX_GRAPH")
        .trim_start_matches("http://")
        .trim_end_matches("/v1.0");
    let ours = format!(
        "GET /v1.0/users/{id} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\r\n",
        token.expose()
    );
    let bare = format!("GET / HTTP/1.1\r\nhost: {hello}\r\n\r\n");
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        them.push(load(hello, &bare, floor).await?);
        us.push(load(host, &ours, tenant.process()).await?);
    }
    Ok((median(&us), median(&them)))
}

fn median(rounds: &[Speed]) -> Speed {
    let middle = |part: fn(&Speed) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(part).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    (middle(|speed| speed.0), middle(|speed| speed.1))
}

async fn load(address: &str, request: &str, process: u32) -> Result<Speed, Box<dyn Error>> {
    let process = process.to_string();
    let (before, _) = usage_of(&process);
    let start = Instant::now();
    let connections = (0..CONNECTIONS).map(|_| connection(address, request, start));
    let counts = futures::future::try_join_all(connections).await?;
    let total = counts.into_iter().sum::<usize>() as f64;
    let (after, _) = usage_of(&process);
    Ok((
        total / start.elapsed().as_secs_f64(),
        (after - before) * 1e6 / total,
    ))
}

/// One request after the other on one connection, until the time is over.
async fn connection(address: &str, request: &str, start: Instant) -> Result<usize, std::io::Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut count, mut buffer) = (0, Vec::with_capacity(16 << 10));
    while start.elapsed() < LONG {
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if whole(&buffer)? {
                break;
            }
        }
        count += 1;
    }
    Ok(count)
}

/// Whether an answer has come whole. Anything but 200 is an error.
fn whole(bytes: &[u8]) -> Result<bool, std::io::Error> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match length {
        Some(length) if head.starts_with("http/1.1 200") => Ok(bytes.len() >= end + 4 + length),
        _ => Err(std::io::Error::other(head)),
    }
}
