//! The other end of [`graph_peer`](crate::graph_peer) in this program: iam-graph, and the floor of bare reqwest and
//! `serde_json`.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use iam_core::Cloud;
use iam_core::auth::{AccessToken, Audience, TokenSource};
use iam_core::clock::{Clock as _, SystemClock};
use iam_core::http::HttpTransport;
use iam_graph::GraphClient;
use iam_graph::query::Query;
use iam_graph::users::User;
use serde_json::Value;

use crate::figures::{cpu, usage};
use crate::graph_joiners;
use crate::graph_peer::{Outcome, PLAN, Plan};

/// The argument that makes this program a peer; the client and the job follow.
pub(crate) const PEER: &str = "graph-peer";
pub(crate) const TYPED: &str = "iam-graph";
pub(crate) const VALUES: &str = "iam-graph, values";
pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_TYPED: &str = "floor, typed";
const EARLY: usize = 10_000;

/// The token that the plan brings, as the other peers have it.
#[derive(Debug)]
struct Given(String);

#[async_trait]
impl TokenSource for Given {
    async fn token(&self, _: &Audience, _: Option<&str>) -> iam_core::Result<AccessToken> {
        Ok(AccessToken {
            token: self.0.as_str().into(),
            expires_at: SystemClock.now() + Duration::from_hours(1),
            refresh_at: None,
        })
    }
}

/// Counts users that are whole, and notes the memory held after the first 10,000.
#[derive(Default)]
struct Seen {
    users: usize,
    peak_early: Option<f64>,
}

impl Seen {
    fn only(users: usize) -> Self {
        Self {
            users,
            peak_early: None,
        }
    }

    fn add(&mut self, whole: usize) {
        self.users += whole;
        if self.users >= EARLY && self.peak_early.is_none() {
            self.peak_early = Some(usage().1);
        }
    }
}

pub(crate) fn run(client: &str, job: &str) -> Result<(), Box<dyn Error>> {
    let plan: Plan = serde_json::from_str(&std::env::var(PLAN)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        if client == FLOOR || client == FLOOR_TYPED {
            floor(client, job, &plan).await
        } else {
            ours(client, job, &plan).await
        }
    })?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// Measures one job.
async fn timed(job: impl Future<Output = Result<Seen, Box<dyn Error>>>) -> Result<Outcome, Box<dyn Error>> {
    let (start, before) = (Instant::now(), cpu());
    let seen = job.await?;
    Ok(Outcome {
        done: seen.users,
        seconds: start.elapsed().as_secs_f64(),
        cpu: cpu() - before,
        process_cpu: cpu(),
        peak: usage().1,
        peak_early: seen.peak_early,
        from_start: 0.0,
    })
}

fn unknown(job: &str) -> Box<dyn Error> {
    format!("no job is called {job:?}").into()
}

async fn ours(form: &str, job: &str, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
    let cloud = Cloud::custom(&plan.authority, &plan.graph)?;
    let transport = Arc::new(HttpTransport::new()?);
    // The sandbox grants more than the service does; what is measured is this program.
    let client = GraphClient::builder(cloud, Arc::new(Given(plan.token.clone())), transport)
        .limits(None)
        .build();
    let first = async || -> Result<Seen, Box<dyn Error>> {
        let user = client.user(&plan.user).await?;
        Ok(Seen::only(usize::from(!user.id.is_empty())))
    };
    if job != "first" {
        first().await?;
    }
    match job {
        "first" => timed(first()).await,
        "calls" => {
            let calls = async {
                for _ in 0..plan.people {
                    client.user(&plan.user).await?;
                }
                Ok(Seen::only(plan.people))
            };
            timed(calls).await
        }
        "page" if form == VALUES => timed(values(&client, plan)).await,
        "page" => timed(typed(&client, plan)).await,
        "join" => timed(async { Ok(Seen::only(graph_joiners::join(&client, plan).await?)) }).await,
        other => Err(unknown(other)),
    }
}

fn path(plan: &Plan) -> String {
    format!("/users?$select={}&$top=999", plan.select)
}

fn query(plan: &Plan) -> Query {
    Query::new().select(plan.select.split(',')).top(999)
}

async fn values(client: &GraphClient, plan: &Plan) -> Result<Seen, Box<dyn Error>> {
    let mut users = client.stream::<Value>("/users", &query(plan), "list users")?;
    let mut seen = Seen::default();
    while let Some(user) = users.try_next().await? {
        seen.add(usize::from(whole(&user)));
    }
    Ok(seen)
}

async fn typed(client: &GraphClient, plan: &Plan) -> Result<Seen, Box<dyn Error>> {
    let mut users = client.stream_users(query(plan))?;
    let mut seen = Seen::default();
    while let Some(user) = users.try_next().await? {
        seen.add(usize::from(complete(&user)));
    }
    Ok(seen)
}

fn complete(user: &User) -> bool {
    !user.id.is_empty() && user.user_principal_name.is_some()
}

fn whole(user: &Value) -> bool {
    user["id"].is_string() && user["userPrincipalName"].is_string()
}

#[derive(serde::Deserialize)]
struct Users {
    value: Vec<User>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// What a program without any library does, and no less: the answer's bytes, read into values, or into the same
/// type as ours.
async fn floor(form: &str, job: &str, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
    let client = reqwest::Client::new();
    let read = async |url: &str| -> Result<_, Box<dyn Error>> {
        let answer = client.get(url).bearer_auth(&plan.token).send().await?;
        Ok(answer.error_for_status()?.bytes().await?)
    };
    let user = format!("{}/users/{}", plan.graph, plan.user);
    let first = async || -> Result<Seen, Box<dyn Error>> {
        let user: Value = serde_json::from_slice(&read(&user).await?)?;
        Ok(Seen::only(usize::from(whole(&user))))
    };
    if job == "first" {
        return timed(first()).await;
    }
    if job != "page" {
        return Err(unknown(job));
    }
    first().await?;
    timed(async {
        let mut seen = Seen::default();
        let mut next = Some(format!("{}{}", plan.graph, path(plan)));
        while let Some(url) = next {
            let bytes = read(&url).await?;
            if form == FLOOR_TYPED {
                let page: Users = serde_json::from_slice(&bytes)?;
                seen.add(page.value.iter().filter(|user| complete(user)).count());
                next = page.next;
            } else {
                let page: Value = serde_json::from_slice(&bytes)?;
                let users = page["value"].as_array().ok_or("a page without a list")?;
                seen.add(users.iter().filter(|user| whole(user)).count());
                next = page["@odata.nextLink"].as_str().map(str::to_owned);
            }
        }
        Ok(seen)
    })
    .await
}
