//! The SCIM service provider beside two that nobody here wrote: a list of 100 users, and PATCH. Each server is a
//! process of its own on loopback, asked by the same client over one connection that is kept open; the server's
//! CPU time stands beside the time on the wall, because at our speed the client is most of the latter.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iam_core::Secret;
use iam_scim::server::{Auth, Engine, MemoryStore, router};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::figures::{Figures, usage_of};
use crate::process::{self, TOKEN};

/// The argument that makes this program our server.
pub(crate) const SERVE: &str = "serve-scim";
const USERS: usize = 100;
/// How long each kind of request is repeated.
const LONG: Duration = Duration::from_secs(4);

/// What one server takes for one request: milliseconds on the wall, and of its CPU.
struct Took {
    wall: f64,
    cpu: f64,
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
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            served = axum::serve(listener, app) => Ok(served?),
            _ = ended => Ok(()),
        }
    })
}

fn ours() -> Result<(Child, String), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(SERVE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut address = String::new();
    let out = child.stdout.take().ok_or("no output")?;
    BufReader::new(out).read_line(&mut address)?;
    Ok((child, address.trim().to_owned()))
}

pub(crate) fn measure(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let (mut child, address) = ours()?;
    let (python, node) = (process::scim2_server(), process::scimmy());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let measured = runtime.block_on(async {
        let ours = at(&address, child.id()).await?;
        let python = at(&python.base_url, python.process).await?;
        let node = at(&node.base_url, node.process).await?;
        Ok::<_, Box<dyn Error>>((ours, python, node))
    });
    drop(child.stdin.take());
    child.wait()?;
    let (ours, python, node) = measured?;
    for (index, what) in ["list of 100 users", "PATCH of a value", "PATCH of a path"]
        .iter()
        .enumerate()
    {
        let mine = ours.get(index).ok_or("no figure")?;
        for (name, theirs) in [("scim2-server", &python), ("scimmy", &node)] {
            let theirs = theirs.get(index).ok_or("no figure")?;
            // As rates, so that the ratio says how many times faster.
            let rate = |milliseconds: f64| 1000.0 / milliseconds.max(1e-6);
            figures.note(
                "scim",
                what,
                rate(mine.wall),
                "1/s",
                Some((name, rate(theirs.wall))),
            )?;
            let metric = format!("{what}, CPU");
            figures.note(
                "scim",
                &metric,
                rate(mine.cpu),
                "1/CPU s",
                Some((name, rate(theirs.cpu))),
            )?;
        }
    }
    Ok(())
}

async fn at(base: &str, process: u32) -> Result<Vec<Took>, Box<dyn Error>> {
    let client = Client::new();
    let ask = async |method: Method, path: &str, body: Option<&Value>| {
        let mut request = client.request(method, format!("{base}{path}")).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/scim+json")
                .body(body.to_string());
        }
        let answer = request.send().await?.error_for_status()?;
        answer.bytes().await
    };
    let mut id = String::new();
    for number in 0..USERS {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("bench{number}@contoso.example"),
            "externalId": format!("B-{number}"),
            "displayName": format!("Bench {number}"),
            "name": { "givenName": "Bench", "familyName": number.to_string() },
            "title": "Clerk",
            "active": true,
            "emails": [{ "value": format!("bench{number}@contoso.example"), "type": "work" }],
        });
        let made: Value = serde_json::from_slice(&ask(Method::POST, "/Users", Some(&user)).await?)?;
        made["id"].as_str().ok_or("no id")?.clone_into(&mut id);
    }
    let list: Value = serde_json::from_slice(&ask(Method::GET, "/Users?count=100", None).await?)?;
    let listed = list["Resources"].as_array().map_or(0, Vec::len);
    if listed != USERS {
        return Err(format!("{base} lists {listed} users, not {USERS}").into());
    }

    let path = format!("/Users/{id}");
    let replacing = |path: &str, value: String| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": path, "value": value }],
        })
    };
    let mut took = Vec::new();
    for what in 0..3 {
        let (start, before) = (Instant::now(), usage_of(&process.to_string()).0);
        let mut times = 0_u32;
        while start.elapsed() < LONG {
            times += 1;
            let number = times;
            match what {
                0 => ask(Method::GET, "/Users?count=100", None).await?,
                1 => {
                    let body = replacing("displayName", format!("Name {number}"));
                    ask(Method::PATCH, &path, Some(&body)).await?
                }
                _ => {
                    let body = replacing(
                        r#"emails[type eq "work"].value"#,
                        format!("b{number}@contoso.example"),
                    );
                    ask(Method::PATCH, &path, Some(&body)).await?
                }
            };
        }
        let each = 1000.0 / f64::from(times);
        took.push(Took {
            wall: start.elapsed().as_secs_f64() * each,
            cpu: (usage_of(&process.to_string()).0 - before) * each,
        });
    }
    Ok(took)
}
