//! graph-rs-sdk as a process that is measured: `peer-graph-rs first|page|join`. Its plan comes in `GRAPH_PEER`, as
//! JSON; the outcome leaves as one line of JSON, as `tests/bench/graph_peer.rs` reads it.

use std::error::Error;
use std::time::{Duration, Instant};

use graph_rs_sdk::{GraphClient, GraphClientConfiguration, ODataQuery};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Plan {
    root: String,
    values: Value,
}

impl Plan {
    fn get(&self, name: &str) -> &str {
        self.values[name].as_str().unwrap_or_default()
    }
}

fn cpu() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32).as_secs_f64()
}

fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

async fn first(client: &GraphClient, plan: &Plan) -> Outcome<u64> {
    let answer = client.user(plan.get("user")).get_user().send().await?;
    let user: Value = answer.error_for_status()?.json().await?;
    Ok(u64::from(user["id"].is_string()))
}

async fn page(client: &GraphClient, plan: &Plan) -> Outcome<u64> {
    let select: Vec<&str> = plan.get("select").split(',').collect();
    let listing = client.users().list_user().select(&select).top("999");
    let mut people = 0;
    for answer in listing.paging().json::<Value>().await? {
        let page = answer.into_body()?;
        let users = page["value"].as_array().ok_or("a page without a list")?;
        let whole = |user: &&Value| user["id"].is_string() && user["userPrincipalName"].is_string();
        people += users.iter().filter(whole).count() as u64;
    }
    Ok(people)
}

async fn join(client: &GraphClient, plan: &Plan) -> Outcome<u64> {
    let people = plan.values["people"].as_u64().ok_or("no number of people")?;
    let groups = plan.values["groups"].as_array().ok_or("no groups")?;
    for number in 0..people {
        let body = json!({
            "accountEnabled": true, "displayName": format!("Joiner {number}"),
            "mailNickname": format!("joiner{number}"),
            "userPrincipalName": format!("joiner{number}@{}", plan.get("domain")),
            "usageLocation": "AU", "passwordProfile": {"password": "Bare-and-simple-1!"},
        });
        let made = client.users().create_user(&body).send().await?;
        let made: Value = made.error_for_status()?.json().await?;
        let id = made["id"].as_str().ok_or("no id")?;
        let link = json!({"@odata.id": format!("{}/users/{}", plan.root, plan.get("manager"))});
        client.user(id).update_ref_manager(&link).send().await?.error_for_status()?;
        for group in groups.iter().filter_map(Value::as_str) {
            let link = json!({"@odata.id": format!("{}/directoryObjects/{id}", plan.root)});
            client.group(group).create_ref_members(&link).send().await?.error_for_status()?;
        }
        let add = json!({
            "addLicenses": [{"skuId": plan.get("sku"), "disabledPlans": []}], "removeLicenses": [],
        });
        client.user(id).assign_license(&add).send().await?.error_for_status()?;
    }
    Ok(people)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let values: Value = serde_json::from_str(&std::env::var("GRAPH_PEER")?)?;
    let plan = Plan { root: values["graph"].as_str().unwrap_or_default().to_owned(), values };
    let settings = GraphClientConfiguration::new()
        .access_token(plan.get("token"))
        .https_only(false)
        .retry(Some(3))
        .wait_for_retry_after_headers(true);
    let mut client = GraphClient::from(settings);
    client.use_test_endpoint(&url::Url::parse(&plan.root)?);
    let job = std::env::args().nth(1).unwrap_or_default();
    if job != "first" {
        first(&client, &plan).await?;
    }
    let (wall, spent) = (Instant::now(), cpu());
    let done = match job.as_str() {
        "first" => first(&client, &plan).await?,
        "page" => page(&client, &plan).await?,
        "join" => join(&client, &plan).await?,
        other => return Err(format!("no job is called {other:?}").into()),
    };
    let outcome = json!({
        "done": done, "seconds": wall.elapsed().as_secs_f64(), "cpu": cpu() - spent,
        "process_cpu": cpu(), "peak": peak(),
    });
    println!("{outcome}");
    Ok(())
}
