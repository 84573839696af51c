//! Control routes, seeds, the program's env file.

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{Tenant, read};

#[tokio::test]
async fn the_same_seed_gives_the_same_tenant() {
    let ids = |sandbox: &Sandbox| -> Vec<String> {
        let state = sandbox.state();
        let rows = ["users", "groups", "deleted"]
            .map(|name| state[name].as_array().unwrap().clone())
            .concat();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let start = async |seed: u64| Sandbox::builder().seed(seed).start().await.unwrap();
    let (one, two, other) = (start(7).await, start(7).await, start(8).await);
    assert_eq!(ids(&one), ids(&two));
    assert_eq!(
        (one.tenant_id(), one.client_id()),
        (two.tenant_id(), two.client_id())
    );
    assert_ne!(ids(&one), ids(&other));
    assert_ne!(one.client_secret(), two.client_secret());
    // And so it goes on: what is made next is equal too.
    let (one, two) = (Tenant::with(one).await, Tenant::with(two).await);
    assert_eq!(one.hire("ann", json!({})).await, two.hire("ann", json!({})).await);
}

#[tokio::test]
async fn the_seed_is_the_example_company() {
    let sandbox = Sandbox::start().await.unwrap();
    for (id, name, groups, licenses) in [
        (
            "W-1009",
            "Noah Fischer",
            json!([
                "All Staff",
                "sg-engineering",
                "VPN Users",
                "sg-sydney",
                "Sydney Everyone"
            ]),
            2,
        ),
        ("W-1010", "Camila Rocha", json!(["All Staff", "sg-finance"]), 3),
        (
            "W-1011",
            "Tom Becker",
            json!(["All Staff", "sg-engineering", "VPN Users", "sg-contractors"]),
            1,
        ),
        ("W-1012", "Margaret Hughes", json!(["All Staff", "sg-hr"]), 2),
        (
            "W-1015",
            "Owen Clarke",
            json!(["All Staff", "sg-clinical", "sg-sydney", "Sydney Everyone"]),
            2,
        ),
        (
            "W-2032",
            "Jack Thompson",
            json!(["All Staff", "sg-clinical", "sg-sydney", "Sydney Everyone"]),
            2,
        ),
        ("W-2043", "Elena Petrova", json!(["All Staff"]), 2),
        (
            "W-2044",
            "Diego Fernández",
            json!(["All Staff", "sg-engineering", "VPN Users"]),
            2,
        ),
        ("W-2046", "Tariq Aziz", json!(["All Staff", "VPN Users"]), 2),
        ("W-2050", "Wei Zhang", json!(["All Staff"]), 2),
    ] {
        let user = sandbox.user(id).unwrap();
        assert_eq!(
            (&user["displayName"], &user["groups"]),
            (&json!(name), &groups),
            "{id}"
        );
        assert_eq!(user["licenses"].as_array().unwrap().len(), licenses, "{id}");
        assert_eq!(user["accountEnabled"], true, "{id}");
    }
    assert_eq!(
        sandbox.user("break-glass@contoso.example").unwrap()["roles"],
        json!(["Global Administrator"])
    );
    assert_eq!(sandbox.state()["deleted"][0]["employeeId"], "W-1013");
}

#[tokio::test]
async fn reset_goes_back_to_the_seed() {
    let tenant = Tenant::start().await;
    let before = tenant.sandbox.state();
    let id = tenant.user_id("W-1010").await;
    tenant.send("DELETE", &format!("/users/{id}"), Value::Null).await;
    let control = |name: &str| format!("{}/_sandbox/{name}", tenant.sandbox.authority());
    assert_eq!(read(tenant.http.post(control("reset"))).await.status, 200);
    let after = read(tenant.http.get(control("state"))).await.body;
    for part in ["users", "groups", "roleAssignments", "subscribedSkus"] {
        let ids = |state: &Value| -> Vec<Value> {
            state[part]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row.get("id").or(row.get("skuId")).cloned().unwrap())
                .collect()
        };
        assert_eq!(ids(&before), ids(&after), "{part}");
    }
    assert_eq!(tenant.sandbox.requests(), 0);
    assert_eq!(
        tenant.get(&format!("/users/{id}")).await.status,
        200,
        "the token still works"
    );
}

#[tokio::test]
async fn the_clock_is_set_and_moved() {
    let tenant = Tenant::empty().await;
    let url = format!("{}/_sandbox/clock", tenant.sandbox.authority());
    let reply = read(
        tenant
            .http
            .post(&url)
            .json(&json!({ "now": "2031-03-03T00:00:00Z" })),
    )
    .await;
    assert!(
        reply.body["now"]
            .as_str()
            .unwrap()
            .starts_with("2031-03-03T00:00:0")
    );
    let reply = read(tenant.http.post(&url).json(&json!({ "advance_seconds": 86_400 }))).await;
    assert!(
        reply.body["now"]
            .as_str()
            .unwrap()
            .starts_with("2031-03-04T00:00:0")
    );
    assert!(
        read(tenant.http.get(&url)).await.body["now"]
            .as_str()
            .unwrap()
            .starts_with("2031-03-04")
    );
    assert_eq!(
        read(tenant.http.post(&url).json(&json!({ "nwo": 1 })))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn requests_are_logged_without_secrets() {
    let tenant = Tenant::empty().await;
    tenant.get("/users?$top=1&code=s3cret").await;
    let url = format!("{}/_sandbox/log", tenant.sandbox.authority());
    let reply = read(tenant.http.get(&url)).await;
    assert_eq!(reply.body["requests"], 2);
    assert_eq!(
        (&reply.body["most"], &reply.body["dropped"]),
        (&json!(50_000), &json!(0))
    );
    let last = &reply.body["log"][1];
    assert_eq!(
        (&last["method"], &last["path"], &last["status"]),
        (&json!("GET"), &json!("/v1.0/users"), &json!(400))
    );
    assert_eq!(last["query"], "$top=1&code=REDACTED");
    for secret in ["s3cret", tenant.sandbox.client_secret(), &tenant.token] {
        assert!(!reply.text.contains(secret));
    }
    read(tenant.http.delete(&url)).await;
    assert!(tenant.sandbox.log().is_empty());
}

#[tokio::test]
async fn control_answers_on_loopback_names_only() {
    let tenant = Tenant::empty().await;
    let request = tenant
        .http
        .get(format!("{}/_sandbox/state", tenant.sandbox.authority()));
    assert_eq!(read(request.header("host", "evil.example")).await.status, 403);
}

#[tokio::test]
async fn the_env_file_has_what_a_client_needs() {
    let sandbox = Sandbox::start().await.unwrap();
    let env = sandbox.env();
    for (name, value) in [
        ("SANDBOX_GRAPH", sandbox.graph()),
        ("SANDBOX_AUTHORITY", sandbox.authority()),
        ("IAM_GRAPH_URL", sandbox.graph()),
        ("IAM_TENANT_ID", sandbox.tenant_id()),
        ("IAM_CLIENT_ID", sandbox.client_id()),
        ("IAM_CLIENT_SECRET", sandbox.client_secret()),
    ] {
        assert!(
            env.lines().any(|line| line == format!("{name}={value}")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn it_stops_when_it_is_dropped() {
    let tenant = Tenant::empty().await;
    let url = format!("{}/organization", tenant.sandbox.graph());
    let http = tenant.http.clone();
    drop(tenant);
    tokio::task::yield_now().await;
    assert!(http.get(url).send().await.is_err());
}

#[tokio::test]
async fn a_test_arranges_without_requests() {
    let sandbox = Sandbox::builder().empty().start().await.unwrap();
    let made = sandbox
        .act(
            "POST",
            "/users",
            Some(crate::draft("ann", json!({ "employeeId": "W-1" }))),
        )
        .unwrap();
    sandbox
        .act(
            "PATCH",
            &format!("/users/{}", made["id"].as_str().unwrap()),
            Some(json!({ "city": "Perth" })),
        )
        .unwrap();
    let found = sandbox
        .act("GET", "/users?$filter=employeeId eq 'W-1'&$select=city", None)
        .unwrap();
    assert_eq!(found["value"], json!([{ "city": "Perth" }]));
    let refused = sandbox.act("GET", "/users/nobody", None).unwrap_err();
    assert!(
        refused.starts_with("GET /users/nobody: 404 Request_ResourceNotFound"),
        "{refused}"
    );
    assert_eq!(sandbox.requests(), 0);
}

#[tokio::test]
async fn a_generated_company_is_the_same_for_the_same_seed() {
    let start = async || Tenant::with(Sandbox::builder().people(1500).start().await.unwrap()).await;
    let tenant = start().await;
    let found = tenant
        .get("/users?$filter=startsWith(employeeId,'G-')&$top=999&$select=employeeId,displayName,userPrincipalName,mail")
        .await;
    let rows = found.values();
    assert_eq!(rows.len(), 999);
    assert_eq!(rows[0]["employeeId"], "G-00001");
    assert!(
        rows.iter()
            .any(|row| !row["displayName"].as_str().unwrap().is_ascii())
    );
    assert!(
        rows.iter()
            .all(|row| row["userPrincipalName"].as_str().unwrap().is_ascii())
    );
    let last = tenant.sandbox.user("G-01500").unwrap();
    assert_eq!(last["groups"][0], "All Staff");
    // 1000 seats, of which a tenth stays free.
    assert_eq!(last["licenses"], json!([]));
    let skus = tenant.get("/subscribedSkus").await;
    assert_eq!(skus.values()[0]["consumedUnits"], 900);
    assert_eq!(
        tenant.sandbox.user("G-00001").unwrap()["licenses"],
        json!(["SPE_E3"])
    );
    let group = tenant.group_id("Sydney Everyone").await;
    let sydney = tenant
        .eventual(&format!("/groups/{group}/members?$count=true&$top=1&$select=id"))
        .await;
    assert!(
        sydney.body["@odata.count"].as_u64().unwrap() > 150,
        "{}",
        sydney.text
    );
    assert_eq!(start().await.sandbox.user("G-01500").unwrap(), last);
}
