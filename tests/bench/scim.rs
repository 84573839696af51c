//! The SCIM service provider beside two that nobody here wrote: a list of 100 users, and PATCH. Each server is a
//! process of its own on loopback, asked by the same client over one connection, kept open where the server keeps it.
//! The CPU time of the server and of the client stand beside the time on the wall. All must answer the same: a
//! hundred users with the attributes that were sent, and the value that was written last. (To a PATCH, scim2-server
//! answers 204 with nothing, the others 200 with the user.)

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use axum::serve::ListenerExt as _;
use iam_core::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, router};
use serde_json::{Value, json};

use crate::figures::{Figures, cpu, usage_of};
use crate::process::{self, TOKEN};
use crate::scim_wire::Wire;
use crate::served;

/// The argument that makes this program our server.
pub(crate) const SERVE: &str = "serve-scim";
const USERS: usize = 100;
/// How long each kind of request is repeated, after a time to warm up.
const LONG: Duration = Duration::from_secs(4);
const WARM: Duration = Duration::from_secs(1);
const ASKED: [&str; 3] = ["list of 100 users", "PATCH of a value", "PATCH of a path"];

/// What one server takes for one request: milliseconds on the wall, of its CPU, and of the client's; the bytes of
/// its answer.
struct Took {
    wall: f64,
    cpu: f64,
    client: f64,
    bytes: f64,
}

/// Prints its base URL and serves until its standard input ends.
pub(crate) fn serve() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout();
        writeln!(out, "http://{}/scim/v2", listener.local_addr()?)?;
        out.flush()?;
        let service = router(
            Engine::new(MemoryStore::new()),
            Auth::bearer(&Secret::from(TOKEN)),
        );
        let app = axum::Router::new().nest_service("/scim/v2", service);
        tokio::select! {
            end = axum::serve(listener.tap_io(at_once), app) => Ok(end?),
            () = served::input_ended() => Ok(()),
        }
    })
}

/// No answer waits for the acknowledgement of the one before.
fn at_once(stream: &mut tokio::net::TcpStream) {
    // Slower, not wrong, where it cannot be set.
    drop(stream.set_nodelay(true));
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let (mut child, address) = served::start(SERVE)?;
    let (python, node) = (process::scim2_server(), process::scimmy());
    let measured = (|| {
        let ours = at(&address, child.id())?;
        let python = at(&python.base_url, python.process)?;
        let node = at(&node.base_url, node.process)?;
        Ok::<_, Box<dyn Error>>((ours, python, node))
    })();
    drop(child.stdin.take());
    child.wait()?;
    let (ours, python, node) = measured?;
    // As rates, so that the ratio says how many times faster.
    let rate = |milliseconds: f64| 1000.0 / milliseconds.max(1e-6);
    for (index, what) in ASKED.iter().enumerate() {
        let mine = ours.get(index).ok_or("no figure")?;
        for (name, theirs) in [("scim2-server", &python), ("scimmy", &node)] {
            let theirs = theirs.get(index).ok_or("no figure")?;
            let beside = |value| Some((name, value));
            figures.note("scim", what, rate(mine.wall), "1/s", beside(rate(theirs.wall)))?;
            let metric = format!("{what}, CPU");
            let unit = "1/CPU s";
            figures.note("scim", &metric, rate(mine.cpu), unit, beside(rate(theirs.cpu)))?;
            let metric = format!("{what}, answer");
            let same = Some((name, theirs.bytes)).filter(|(_, bytes)| *bytes > 0.0);
            figures.note("scim", &metric, mine.bytes, "bytes", same)?;
        }
        let metric = format!("{what}, client's CPU");
        figures.note("scim", &metric, mine.client * 1000.0, "µs", None)?;
    }
    Ok(())
}

fn user(number: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("bench{number}@contoso.example"),
        "externalId": format!("B-{number}"),
        "displayName": format!("Bench {number}"),
        "name": { "givenName": "Bench", "familyName": number.to_string() },
        "title": "Clerk",
        "active": true,
        "emails": [{ "value": format!("bench{number}@contoso.example"), "type": "work" }],
    })
}

/// Whether all that was sent is there; what a server adds is its own.
fn holds(found: &Value, sent: &Value) -> bool {
    match (found, sent) {
        (Value::Object(found), Value::Object(sent)) => sent
            .iter()
            .all(|(name, sent)| found.get(name).is_some_and(|found| holds(found, sent))),
        (Value::Array(found), Value::Array(sent)) => {
            found.len() == sent.len() && found.iter().zip(sent).all(|(found, sent)| holds(found, sent))
        }
        (found, sent) => found == sent,
    }
}

/// Asks one server, and checks what it answers before and after.
fn at(base: &str, process: u32) -> Result<Vec<Took>, Box<dyn Error>> {
    let mut wire = Wire::to(base, TOKEN)?;
    let mut ask = |method: &str, path: &str, body: Option<&str>| {
        let answer = wire.ask(method, path, body)?;
        match answer.status {
            200 | 201 | 204 => Ok::<_, Box<dyn Error>>(answer.body),
            status => Err(format!("{method} {base}{path}: {status}").into()),
        }
    };
    let mut id = String::new();
    for number in 0..USERS {
        let made = ask("POST", "/Users", Some(&user(number).to_string()))?;
        let made: Value = serde_json::from_slice(&made)?;
        made["id"].as_str().ok_or("no id")?.clone_into(&mut id);
    }
    let list: Value = serde_json::from_slice(&ask("GET", "/Users?count=100", None)?)?;
    let listed = list["Resources"].as_array().ok_or("no list")?;
    // In any order: none was asked for.
    let same = |number| listed.iter().any(|found| holds(found, &user(number)));
    if listed.len() != USERS || list["totalResults"] != USERS || !(0..USERS).all(same) {
        return Err(format!("{base} does not list the {USERS} users as they were sent").into());
    }

    let path = format!("/Users/{id}");
    let replacing = |path: &str, value: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": path, "value": value }],
        })
        .to_string()
    };
    let mut took = Vec::new();
    let mut number = 0_u32;
    for (index, what) in ASKED.iter().enumerate() {
        let mut once = || {
            number += 1;
            match index {
                0 => ask("GET", "/Users?count=100", None),
                1 => {
                    let body = replacing("displayName", &format!("Name {number}"));
                    ask("PATCH", &path, Some(&body))
                }
                _ => {
                    let value = format!("b{number}@contoso.example");
                    let body = replacing(r#"emails[type eq "work"].value"#, &value);
                    ask("PATCH", &path, Some(&body))
                }
            }
        };
        let start = Instant::now();
        while start.elapsed() < WARM {
            once()?;
        }
        let (start, before, client) = (Instant::now(), usage_of(&process.to_string()).0, cpu());
        let (mut times, mut answer) = (0_u32, Vec::new());
        while start.elapsed() < LONG {
            times += 1;
            answer = once()?;
        }
        let each = 1000.0 / f64::from(times);
        took.push(Took {
            wall: start.elapsed().as_secs_f64() * each,
            cpu: (usage_of(&process.to_string()).0 - before) * each,
            client: (cpu() - client) * each,
            bytes: answer.len() as f64,
        });
        let after: Value = serde_json::from_slice(&ask("GET", &path, None)?)?;
        let written = match index {
            0 => continue,
            1 => after["displayName"] == format!("Name {number}"),
            _ => after["emails"][0]["value"] == format!("b{number}@contoso.example"),
        };
        if !written {
            return Err(format!("{base} does not keep what a {what} wrote").into());
        }
    }
    Ok(took)
}
