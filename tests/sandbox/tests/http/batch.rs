//! `$batch` ("Combine multiple HTTP requests using JSON batching").

use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::{Reply, Tenant, draft};

async fn batch(tenant: &Tenant, requests: Value) -> Reply {
    tenant
        .send("POST", "/$batch", json!({ "requests": requests }))
        .await
}

/// The answer to one item.
fn item<'a>(reply: &'a Reply, id: &str) -> &'a Value {
    assert_eq!(reply.status, 200, "{}", reply.text);
    let found = reply.body["responses"].as_array().unwrap();
    found
        .iter()
        .find(|answer| answer["id"] == id)
        .unwrap_or_else(|| panic!("no {id} in {}", reply.text))
}

fn json_kind() -> Value {
    json!({ "Content-Type": "application/json" })
}

#[tokio::test]
async fn items_are_answered_each_for_itself() {
    let tenant = Tenant::start().await;
    let graph = tenant.sandbox.graph();
    let user = tenant.user_id("W-1010").await;
    let before = tenant.sandbox.requests();
    let reply = batch(
        &tenant,
        json!([
            { "id": "one", "method": "GET", "url": "/users?$top=2&$select=id" },
            { "id": "2", "method": "get", "url": "users?$filter=employeeId eq 'W-1010'&$select=displayName" },
            { "id": "3", "method": "PATCH", "url": format!("/users/{user}"), "headers": json_kind(),
              "body": { "city": "Perth" } },
            { "id": "4", "method": "GET", "url": format!("{graph}/users/nobody") },
            { "id": "5", "method": "GET", "url": "/users/$count", "headers": { "consistencylevel": "eventual" } },
            { "id": "6", "method": "POST", "url": "/users", "headers": { "content-type": "application/json" },
              "body": draft("ann", json!({})) },
            { "id": "7", "method": "GET", "url": "/users/$count" },
            { "id": "8", "method": "POST", "url": "/$batch", "headers": json_kind(), "body": { "requests": [] } },
        ]),
    )
    .await;
    let first = item(&reply, "one");
    assert_eq!(first["status"], 200);
    assert_eq!(first["headers"]["x-ms-resource-unit"], "1");
    assert_eq!(first["body"]["value"].as_array().unwrap().len(), 2);
    let next = first["body"]["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(graph), "{next}");
    assert_eq!(tenant.get(next).await.values().len(), 2);
    assert_eq!(
        item(&reply, "2")["body"]["value"][0]["displayName"],
        "Camila Rocha"
    );
    let changed = item(&reply, "3");
    assert_eq!((&changed["status"], changed.get("body")), (&json!(204), None));
    assert_eq!(
        item(&reply, "4")["body"]["error"]["code"],
        "Request_ResourceNotFound"
    );
    assert_eq!(
        item(&reply, "5")["body"],
        "MjA=",
        "what is no JSON comes in base64: 20"
    );
    assert_eq!(item(&reply, "6")["status"], 201);
    assert!(item(&reply, "6")["headers"]["Location"].is_string());
    assert_eq!(item(&reply, "7")["status"], 400);
    assert_eq!(item(&reply, "8")["status"], 400, "batches do not nest");
    assert_ne!(
        reply.body["responses"][0]["id"], "one",
        "the order is not that of the requests"
    );
    assert_eq!(tenant.sandbox.user(&user).unwrap()["city"], "Perth");
    // One HTTP request, eight items.
    assert_eq!(tenant.sandbox.requests(), before + 2);
    let log = tenant.sandbox.log();
    let whole = log.iter().find(|entry| entry.path == "/v1.0/$batch").unwrap();
    assert_eq!((whole.status, &whole.batch), (200, &None));
    let inside = log
        .iter()
        .filter(|entry| entry.batch.as_deref() == Some(&whole.request_id));
    let inside: Vec<_> = inside.collect();
    assert_eq!(inside.len(), 8);
    assert!(inside.iter().all(|entry| entry.seq == whole.seq));
    assert_eq!(inside[2].status, 204);
}

#[tokio::test]
async fn both_versions_batch() {
    let tenant = Tenant::start().await;
    let authority = tenant.sandbox.authority();
    let body =
        json!({ "requests": [{ "id": "1", "method": "GET", "url": format!("{authority}/users?$top=1") }] });
    let reply = tenant
        .send("POST", &format!("{authority}/beta/%24batch"), body)
        .await;
    let next = item(&reply, "1")["body"]["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(&format!("{authority}/beta/users")), "{next}");
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let tenant = Tenant::empty().await;
    let get = |id: &str| json!({ "id": id, "method": "GET", "url": "/users" });
    let create = json!({ "id": "a", "method": "POST", "url": "/users", "headers": json_kind(),
                         "body": draft("ann", json!({})) });
    let check = async |others: Vec<Value>, says: &str| {
        let mut requests = vec![create.clone()];
        requests.extend(others);
        let reply = batch(&tenant, requests.into()).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "BadRequest"),
            "{}",
            reply.text
        );
        assert!(reply.message().contains(says), "{}", reply.text);
        assert!(
            tenant.sandbox.user("ann@contoso.example").is_none(),
            "{says}: nothing is done"
        );
    };
    check((0..20).map(|id| get(&id.to_string())).collect(), "20").await;
    check(vec![get("A")], "not unique").await;
    check(vec![get("")], "empty").await;
    check(vec![json!({ "id": "b", "method": "GET" })], "payload").await;
    check(
        vec![json!({ "id": "b", "method": "G T", "url": "/users" })],
        "payload",
    )
    .await;
    check(
        vec![json!({ "id": "b", "method": "GET", "url": "https://elsewhere.example/users" })],
        "payload",
    )
    .await;
    check(
        vec![json!({ "id": "b", "method": "POST", "url": "/users", "body": {} })],
        "Content-Type",
    )
    .await;
    check(
        vec![
            json!({ "id": "b", "method": "GET", "url": "/users", "dependsOn": ["c"] }),
            get("c"),
        ],
        "Invalid dependency for request Id",
    )
    .await;
    for body in [json!({}), json!({ "requests": [] }), json!({ "requests": 1 })] {
        assert_eq!(tenant.send("POST", "/$batch", body).await.status, 400);
    }
    assert_eq!(tenant.get("/$batch").await.status, 405);
    tenant.sandbox.revoke_tokens();
    let reply = batch(&tenant, json!([get("1")])).await;
    assert_eq!((reply.status, reply.code()), (401, "InvalidAuthenticationToken"));
}

#[tokio::test]
async fn dependents_of_a_failure_are_not_tried() {
    let tenant = Tenant::empty().await;
    let create = |id: &str, name: &str, parents: Value| {
        json!({ "id": id, "method": "POST", "url": "/users", "headers": json_kind(),
                "body": draft(name, json!({})), "dependsOn": parents })
    };
    let mut ignored = create("e", "eve", Value::Null);
    ignored["depends_on"] = json!(["b"]);
    let reply = batch(
        &tenant,
        json!([
            create("a", "ann", json!([])),
            create("b", "ann", json!(["A"])),
            create("c", "cem", json!(["b"])),
            create("d", "dee", json!(["C"])),
            ignored,
        ]),
    )
    .await;
    let status = |id: &str| item(&reply, id)["status"].as_u64().unwrap();
    assert_eq!(["a", "b", "c", "d", "e"].map(status), [201, 400, 424, 424, 201]);
    assert_eq!(item(&reply, "c")["body"]["error"]["code"], "FailedDependency");
    assert!(tenant.sandbox.user("cem@contoso.example").is_none());
}

#[tokio::test]
async fn faults_meet_items() {
    let tenant = Tenant::empty().await;
    let effect = Effect::Throttle {
        retry_after: RetryAfter::Seconds(7),
    };
    tenant
        .sandbox
        .fault(Fault::new(effect).on("GET", "/users").nth(2).times(1));
    let get = |id: &str| json!({ "id": id, "method": "GET", "url": "/users" });
    let reply = batch(&tenant, json!([get("1"), get("2"), get("3")])).await;
    let statuses = ["1", "2", "3"].map(|id| item(&reply, id)["status"].clone());
    assert_eq!(statuses, [200, 429, 200]);
    let busy = item(&reply, "2");
    assert_eq!(busy["headers"]["Retry-After"], "7");
    assert_eq!(busy["body"]["error"]["code"], "TooManyRequests");
    assert_eq!(busy["headers"]["x-ms-resource-unit"], "2");
    assert_eq!(reply.header("retry-after"), "");
    // A cut takes the whole answer with it; what was done is done.
    tenant
        .sandbox
        .fault(Fault::new(Effect::CutAfter).on("POST", "/users").times(1));
    let create = json!({ "id": "1", "method": "POST", "url": "/users", "headers": json_kind(),
                         "body": draft("ann", json!({})) });
    let body = json!({ "requests": [create, get("2")] });
    let cut = tenant.request("POST", "/$batch").json(&body).send().await;
    assert!(cut.is_err());
    assert!(tenant.sandbox.user("ann@contoso.example").is_some());
}

#[tokio::test]
async fn every_answer_has_its_price() {
    let tenant = Tenant::start().await;
    let check = async |path: &str, expect: &str| {
        let reply = tenant.get(path).await;
        assert_eq!(reply.header("x-ms-resource-unit"), expect, "{path}");
    };
    check("/users", "2").await;
    check("/users?$select=id", "1").await;
    check("/users?$expand=manager", "3").await;
    check("/users/nobody", "1").await;
    check("/subscribedSkus", "3").await;
    check("/subscribedSkus?$nope=1", "3").await;
}
