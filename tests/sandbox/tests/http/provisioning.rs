//! `bulkUpload` and the provisioning job ("Perform bulkUpload", "Troubleshoot inbound provisioning API issues").

use std::time::Duration;

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{Reply, Tenant, read};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn jobs(tenant: &Tenant) -> String {
    let sandbox = &tenant.sandbox;
    format!(
        "/servicePrincipals/{}/synchronization/jobs/{}",
        sandbox.sync_principal(),
        sandbox.sync_job()
    )
}

fn operation(id: &str, more: Value) -> Value {
    let mut data = json!({
        "schemas": [CORE, ENTERPRISE], "externalId": id, "userName": format!("u{id}@contoso.example"),
        "displayName": format!("User {id}"), "active": true,
    });
    let map = data.as_object_mut().unwrap();
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        if value == json!("ABSENT") {
            map.remove(&name);
        } else {
            map.insert(name, value);
        }
    }
    json!({ "method": "POST", "bulkId": id, "path": "/Users", "data": data })
}

fn bulk(operations: Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations,
        "failOnErrors": null,
    })
}

async fn send(tenant: &Tenant, kind: &str, body: &Value) -> Reply {
    let path = format!("{}/bulkUpload", jobs(tenant));
    let request = tenant.request("POST", &path).body(body.to_string());
    read(request.header("Content-Type", kind)).await
}

/// Uploads, lets the job run, and gives the log of it, oldest first.
async fn upload(tenant: &Tenant, operations: Value) -> Vec<Value> {
    let before = tenant
        .get("/auditLogs/provisioning?$top=999")
        .await
        .values()
        .len();
    let reply = send(tenant, "application/scim+json", &bulk(operations)).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, ""), "{}", reply.text);
    tenant.sandbox.advance(Duration::from_secs(3));
    let log = tenant.get(reply.header("location")).await;
    assert_eq!(log.status, 200, "{}", log.text);
    let mut entries = log.values().clone();
    entries.truncate(entries.len() - before);
    entries.reverse();
    entries
}

fn outcome(entry: &Value) -> (&str, &str) {
    (
        entry["provisioningAction"].as_str().unwrap(),
        entry["provisioningStatusInfo"]["status"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn records_become_users_some_time_later() {
    let tenant = Tenant::empty().await;
    let rich = json!({
        "title": "Nurse", "userType": "Employee", "preferredLanguage": "en-AU",
        "name": { "givenName": "Ann", "familyName": "Lee" },
        "addresses": [{ "type": "work", "locality": "Perth", "country": "AU" }],
        "phoneNumbers": [{ "type": "work", "value": "555" }, { "type": "mobile", "value": "777" }],
        ENTERPRISE: {
            "department": "Clinical", "organization": "Contoso", "costCenter": "C-1",
            "manager": { "value": "2" },
        },
    });
    let operations = json!([operation("1", rich), operation("2", json!({}))]);
    let reply = send(&tenant, "application/scim+json; charset=utf-8", &bulk(operations)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert!(tenant.sandbox.user("1").is_none(), "only staged");
    let location = format!(
        "{}/auditLogs/provisioning/?$filter=jobid%20eq%20'{}'",
        tenant.sandbox.graph(),
        tenant.sandbox.sync_job()
    );
    assert_eq!(reply.header("location"), location);
    tenant.sandbox.advance(Duration::from_secs(3));

    let ann = tenant.sandbox.user("1").unwrap();
    for (name, expect) in [
        ("userPrincipalName", json!("u1@contoso.example")),
        ("accountEnabled", json!(true)),
        ("givenName", json!("Ann")),
        ("surname", json!("Lee")),
        ("jobTitle", json!("Nurse")),
        ("employeeType", json!("Employee")),
        ("city", json!("Perth")),
        ("businessPhones", json!(["555"])),
        ("mobilePhone", json!("777")),
        ("department", json!("Clinical")),
        ("companyName", json!("Contoso")),
        ("employeeOrgData", json!({ "costCenter": "C-1" })),
        // The manager came behind: the reference was resolved then.
        ("managerId", tenant.sandbox.user("2").unwrap()["id"].clone()),
    ] {
        assert_eq!(ann[name], expect, "{name}");
    }
    let log = tenant.get(&location).await;
    let entry = &log.values()[1];
    assert_eq!(outcome(entry), ("create", "success"));
    assert_eq!(entry["sourceIdentity"]["id"], "1");
    assert_eq!(entry["targetIdentity"]["id"], ann["id"]);
    assert_eq!(entry["jobId"], tenant.sandbox.sync_job());
    assert!(!log.text.contains("passwordProfile"));
}

#[tokio::test]
async fn the_matching_attribute_decides_what_happens() {
    let tenant = Tenant::empty().await;
    upload(&tenant, json!([operation("1", json!({}))])).await;
    let one = upload(&tenant, json!([operation("1", json!({ "title": "Nurse" }))])).await;
    assert_eq!(outcome(&one[0]), ("update", "success"));
    assert_eq!(
        one[0]["modifiedProperties"],
        json!([{ "displayName": "jobTitle", "oldValue": null, "newValue": "Nurse" }])
    );
    let again = upload(&tenant, json!([operation("1", json!({ "title": "Nurse" }))])).await;
    assert_eq!(outcome(&again[0]), ("other", "skipped"));
    let leaver = upload(&tenant, json!([operation("1", json!({ "active": false }))])).await;
    assert_eq!(outcome(&leaver[0]), ("disable", "success"));
    assert_eq!(tenant.sandbox.user("1").unwrap()["accountEnabled"], false);
    upload(&tenant, json!([operation("1", json!({ "active": "True" }))])).await;
    let user = tenant.sandbox.user("1").unwrap();
    assert_eq!(
        (&user["accountEnabled"], &user["jobTitle"]),
        (&json!(true), &json!("Nurse"))
    );
    // The trap: a record without `active` disables, and leaves all else alone.
    let trap = upload(&tenant, json!([operation("1", json!({ "active": "ABSENT" }))])).await;
    assert_eq!(outcome(&trap[0]), ("disable", "success"));
}

#[tokio::test]
async fn a_bad_record_fails_alone_and_says_why() {
    let tenant = Tenant::empty().await;
    let log = upload(
        &tenant,
        json!([
            operation("1", json!({ "userName": "u1@elsewhere.example" })),
            operation("2", json!({ "userName": "hr@contoso.example" })),
            operation("3", json!({ "externalId": "ABSENT" })),
            operation("4", json!({})),
        ]),
    )
    .await;
    let code = |place: usize| {
        let error = &log[place]["provisioningStatusInfo"]["errorInformation"];
        error["errorCode"].as_str().unwrap_or_default()
    };
    assert_eq!(
        [code(0), code(1), code(2), code(3)],
        [
            "AzureActiveDirectoryInvalidUserPrincipalName",
            "EntryConflict",
            "InvalidAnchor",
            ""
        ]
    );
    let statuses: Vec<&str> = log.iter().map(|entry| outcome(entry).1).collect();
    assert_eq!(statuses, ["failure", "failure", "failure", "success"]);
    assert!(tenant.sandbox.user("4").is_some());
    assert!(tenant.sandbox.user("1").is_none() && tenant.sandbox.user("2").is_none());
    let job = tenant.get(&jobs(&tenant)).await.body;
    let last = &job["status"]["lastExecution"];
    assert_eq!(
        (&last["countImported"], &last["countExported"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(
        (&last["countEscrowed"], &job["status"]["code"]),
        (&json!(3), &json!("Active"))
    );
}

#[tokio::test]
async fn what_is_no_bulk_request_is_refused_whole() {
    let tenant = Tenant::empty().await;
    let good = operation("1", json!({}));
    let body = bulk(json!([good]));
    for kind in ["application/json", "text/plain", ""] {
        let reply = send(&tenant, kind, &body).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, "BadRequest"),
            "{kind}: {}",
            reply.text
        );
    }
    let json = send(&tenant, "application/json", &body).await;
    assert!(json.message().contains("Invalid Data Format"), "{}", json.text);
    let with = |name: &str, value: Value| {
        let mut operation = good.clone();
        operation[name] = value;
        bulk(json!([operation]))
    };
    let many: Vec<Value> = (0..51).map(|n| operation(&n.to_string(), json!({}))).collect();
    let mut bad = vec![
        json!({ "Operations": [good] }),
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"] }),
        bulk(json!([])),
        bulk(json!(many)),
        with("method", json!("PATCH")),
        with("path", json!("/Groups")),
        with("bulkId", Value::Null),
        with("data", Value::Null),
        with("data", json!({ "externalId": "1" })),
    ];
    for body in bad.drain(..) {
        let reply = send(&tenant, "application/scim+json", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(
            reply.message().starts_with("Invalid Data Format"),
            "{}",
            reply.text
        );
    }
    let fifty = bulk(json!(many[..50]));
    assert_eq!(send(&tenant, "application/scim+json", &fifty).await.status, 202);
    let job = jobs(&tenant);
    tenant
        .check(&format!("GET {job}/bulkUpload"), Value::Null, 405, "")
        .await;
    tenant
        .check(&format!("GET {job}x"), Value::Null, 404, "does not exist")
        .await;
    let foreign = tenant.get("/servicePrincipals?$top=1").await.column("id")[0].to_owned();
    let path = format!("/servicePrincipals/{foreign}/synchronization/jobs");
    assert!(tenant.get(&path).await.values().is_empty());
}

#[tokio::test]
async fn a_paused_job_keeps_what_it_has() {
    let tenant = Tenant::empty().await;
    let job = jobs(&tenant);
    tenant
        .check(&format!("POST {job}/pause"), Value::Null, 204, "")
        .await;
    let body = bulk(json!([operation("1", json!({}))]));
    assert_eq!(send(&tenant, "application/scim+json", &body).await.status, 202);
    tenant.sandbox.advance(Duration::from_mins(10));
    assert!(tenant.sandbox.user("1").is_none());
    assert_eq!(tenant.get(&job).await.body["status"]["code"], "Paused");
    tenant
        .check(&format!("POST {job}/start"), Value::Null, 204, "")
        .await;
    assert!(tenant.sandbox.user("1").is_some());
}

#[tokio::test]
async fn forty_calls_in_five_seconds_and_six_thousand_a_day() {
    let tenant = Tenant::with(Sandbox::builder().empty().throttling(true).start().await.unwrap()).await;
    let body = bulk(json!([operation("1", json!({}))]));
    let send = async || send(&tenant, "application/scim+json", &body).await;
    tenant.sandbox.stop_clock(true);
    for _ in 0..40 {
        assert_eq!(send().await.status, 202);
    }
    let busy = send().await;
    assert_eq!((busy.status, busy.code()), (429, "TooManyRequests"));
    let wait: u64 = busy.header("retry-after").parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    tenant.sandbox.advance(Duration::from_secs(6));
    assert_eq!(send().await.status, 202);
    // Reports have a limit of their own: five calls in ten seconds.
    for _ in 0..5 {
        assert_eq!(tenant.get("/auditLogs/provisioning").await.status, 200);
    }
    assert_eq!(tenant.get("/auditLogs/provisioning").await.status, 429);
}
