//! The wire: https with an authority of its own, and the recording.

use iam_sandbox::{Effect, Fault, Sandbox};
use serde_json::{Value, json};

use crate::{Tenant, draft};

#[tokio::test]
async fn https_has_its_own_authority_and_links_say_so() {
    let sandbox = Sandbox::builder().tls().start().await.unwrap();
    let tenant = Tenant::with(sandbox).await;
    let sandbox = &tenant.sandbox;
    assert!(sandbox.authority().starts_with("https://127.0.0.1:"));
    let page = tenant.get("/users?$top=2").await;
    assert!(
        page.body["@odata.nextLink"]
            .as_str()
            .unwrap()
            .starts_with(sandbox.graph())
    );
    let file = sandbox.ca_file().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), sandbox.ca_pem().unwrap());
    let env = sandbox.env();
    for name in ["SANDBOX_CA", "IAM_CA_BUNDLE"] {
        assert!(env.contains(&format!("{name}={}\n", file.display())), "{env}");
    }
    // Whoever does not know the authority does not connect.
    assert!(reqwest::get(format!("{}/users", sandbox.graph())).await.is_err());
    drop(tenant);
    assert!(!file.exists());
}

#[tokio::test]
async fn connections_are_cut_under_tls_too() {
    let tenant = Tenant::with(Sandbox::builder().tls().start().await.unwrap()).await;
    tenant
        .sandbox
        .fault(Fault::new(Effect::CutAfter).on("POST", "/users").times(1));
    let lost = tenant
        .request("POST", "/users")
        .json(&draft("ann", json!({})))
        .send()
        .await;
    assert!(lost.is_err());
    assert!(tenant.sandbox.user("ann@contoso.example").is_some());
    assert_eq!(tenant.get("/users?$top=1").await.status, 200);
}

#[tokio::test]
async fn a_recording_has_requests_and_answers_without_secrets() {
    let file = std::env::temp_dir().join(format!("iam-sandbox-{}.jsonl", std::process::id()));
    let tenant = Tenant::with(Sandbox::builder().record(&file).start().await.unwrap()).await;
    tenant.hire("ann", json!({ "jobTitle": "Nurse" })).await;
    tenant
        .sandbox
        .fault(Fault::new(Effect::CutBefore).on("GET", "/users").times(1));
    assert!(tenant.request("GET", "/users?$top=1").send().await.is_err());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    for secret in [
        tenant.sandbox.client_secret(),
        &tenant.token,
        "xK9-fw2p!Q-riverbed",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let fields: Vec<&String> = lines[1].as_object().unwrap().keys().collect();
    let expect = [
        "method",
        "path",
        "query",
        "request_headers",
        "request_body",
        "status",
        "response_headers",
        "response_body",
    ];
    assert_eq!(fields, expect);
    assert!(
        lines[0]["request_body"]
            .as_str()
            .unwrap()
            .contains("client_secret=REDACTED")
    );
    assert_eq!(lines[0]["response_body"]["access_token"], "REDACTED");
    assert_eq!(lines[1]["request_headers"]["authorization"], "REDACTED");
    assert_eq!(
        lines[1]["request_body"]["passwordProfile"]["password"],
        "REDACTED"
    );
    assert_eq!(lines[1]["request_body"]["jobTitle"], "Nurse");
    assert_eq!(
        (&lines[1]["status"], &lines[2]["status"]),
        (&json!(201), &json!(0))
    );
    assert_eq!(lines[2]["query"], "$top=1");
}
