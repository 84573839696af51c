//! Azure Resource Manager: subscriptions, versions, tokens, resource groups, faults.

use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use crate::{Reply, Tenant, read};

pub(crate) const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
pub(crate) const NOBODY: &str = "0b5c1f5e-6d2f-4d5e-9d2d-1f6a5b4c3d2e";

/// A sandbox and a client with a token for Azure Resource Manager.
pub(crate) struct Azure(pub(crate) Tenant);

impl Azure {
    pub(crate) async fn start() -> Self {
        let mut tenant = Tenant::with(Sandbox::start().await.unwrap()).await;
        tenant.token = token(&tenant, "https://management.azure.com/.default").await;
        Self(tenant)
    }

    /// A path below the subscription, `?` or `&` and the version added.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        let sign = if path.contains('?') { '&' } else { '?' };
        let (root, subscription) = (self.0.sandbox.arm(), self.0.sandbox.subscription());
        let url = format!("{root}/subscriptions/{subscription}{path}{sign}api-version=2022-04-01");
        self.0.send(method, &url, body).await
    }

    pub(crate) async fn check(&self, what: &str, body: Value, status: u16, says: &str) -> Reply {
        let (method, path) = what.split_once(' ').unwrap();
        let reply = self.send(method, path, body).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
        assert!(
            reply.text.contains(says),
            "{what}: {} does not say {says:?}",
            reply.text
        );
        reply
    }

    pub(crate) fn wish(&self, role: &str, principal: &str) -> Value {
        let subscription = self.0.sandbox.subscription();
        json!({ "properties": {
            "roleDefinitionId":
                format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": principal,
        } })
    }

    pub(crate) fn person(&self) -> String {
        self.0.sandbox.user("W-1010").unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn names(&self, path: &str) -> Vec<String> {
        let reply = self
            .check(&format!("GET {path}"), Value::Null, 200, "value")
            .await;
        reply.column("name").into_iter().map(str::to_owned).collect()
    }
}

async fn token(tenant: &Tenant, scope: &str) -> String {
    let mut form = tenant.form();
    scope.clone_into(&mut form[3].1);
    let reply = tenant.token_request(&form).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["access_token"].as_str().unwrap().to_owned()
}

pub(crate) fn assignment(group: &str, number: u32) -> String {
    format!(
        "/resourceGroups/{group}/providers/Microsoft.Authorization/roleAssignments/\
         3f2504e0-4f89-41d3-9a0c-{number:012x}"
    )
}

#[tokio::test]
async fn subscriptions_are_listed_and_read_in_any_letter_case() {
    let azure = Azure::start().await;
    let root = azure.0.sandbox.arm();
    let list = azure
        .0
        .get(&format!("{root}/subscriptions?api-version=2022-12-01"))
        .await;
    assert_eq!(list.status, 200, "{}", list.text);
    assert_eq!(list.values()[0]["subscriptionId"], azure.0.sandbox.subscription());
    assert_eq!(list.values()[0]["tenantId"], azure.0.sandbox.tenant_id());
    let shouted = format!(
        "{root}/SUBSCRIPTIONS/{}/ResourceGroups/SIEM?api-version=2025-04-01",
        azure.0.sandbox.subscription().to_uppercase()
    );
    let group = azure.0.get(&shouted).await;
    assert_eq!(group.status, 200, "{}", group.text);
    assert_eq!(group.body["name"], "siem");
    assert!(group.header("x-ms-request-id").len() == 36);
    assert!(!group.header("x-ms-correlation-request-id").is_empty());
    assert_eq!(group.header("x-ms-ratelimit-remaining-subscription-reads"), "249");
    assert_eq!(group.header("content-type"), "application/json; charset=utf-8");
    azure.check("GET ", Value::Null, 200, "Enabled").await;
    let foreign = format!("{root}/subscriptions/{NOBODY}?api-version=2022-12-01");
    assert_eq!(azure.0.get(&foreign).await.code(), "SubscriptionNotFound");
}

#[tokio::test]
async fn requests_need_a_version_and_a_token_for_azure() {
    let mut azure = Azure::start().await;
    let root = azure.0.sandbox.arm().to_owned();
    let versions = [
        ("", 400, "MissingApiVersionParameter"),
        ("?api-version=latest", 400, "InvalidApiVersionParameter"),
        ("?api-version=2009-01-01", 400, "InvalidApiVersionParameter"),
        ("?api-version=2022-04-01", 200, ""),
        ("?api-version=2018-09-01-preview", 200, ""),
        ("?API-Version=2021-04-01", 200, ""),
    ];
    for (query, status, code) in versions {
        let reply = azure.0.get(&format!("{root}/subscriptions{query}")).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{query}");
    }
    let list = format!("{root}/subscriptions?api-version=2022-12-01");
    for scope in [
        "https://management.core.windows.net/.default",
        "https://management.core.windows.net//.default",
    ] {
        azure.0.token = token(&azure.0, scope).await;
        assert_eq!(azure.0.get(&list).await.status, 200, "{scope}");
    }
    // A token for Azure is none for Graph.
    assert_eq!(azure.0.get("/users").await.code(), "InvalidAuthenticationToken");
    azure.0.sandbox.revoke_tokens();
    let revoked = azure.0.get(&list).await;
    assert_eq!(
        (revoked.status, revoked.code()),
        (401, "InvalidAuthenticationToken")
    );
    azure.0.sign_in().await;
    let graphs = azure.0.get(&list).await;
    assert_eq!(
        (graphs.status, graphs.code()),
        (401, "InvalidAuthenticationTokenAudience")
    );
    assert!(
        graphs
            .header("www-authenticate")
            .contains(azure.0.sandbox.tenant_id())
    );
    let none = read(azure.0.http.get(&list)).await;
    assert_eq!((none.status, none.code()), (401, "AuthenticationFailed"));
}

#[tokio::test]
async fn resource_groups_are_made_changed_and_deleted_in_the_background() {
    let azure = Azure::start().await;
    assert_eq!(
        azure.names("/resourcegroups").await,
        ["siem", "clinical-data", "finance"]
    );
    let body = json!({ "location": "West Europe", "tags": { "owner": "it" } });
    let made = azure
        .check("PUT /resourcegroups/Lab", body.clone(), 201, "Succeeded")
        .await;
    assert_eq!(made.body["location"], "westeurope");
    azure
        .check("PUT /resourceGroups/lab", body, 200, "\"name\":\"Lab\"")
        .await;
    azure
        .check(
            "PUT /resourcegroups/lab",
            json!({ "location": "eastus" }),
            409,
            "InvalidResourceGroupLocation",
        )
        .await;
    azure
        .check("PUT /resourcegroups/x", json!({}), 400, "LocationRequired")
        .await;
    let tagged = azure
        .names("/resourcegroups?$filter=tagName eq 'owner' and tagValue eq 'it'")
        .await;
    assert_eq!(tagged, ["Lab"]);
    let place = assignment("Lab", 1);
    azure
        .check(
            &format!("PUT {place}"),
            azure.wish(READER, &azure.person()),
            201,
            READER,
        )
        .await;
    let gone = azure
        .check("DELETE /resourcegroups/lab", Value::Null, 202, "")
        .await;
    assert_eq!(gone.header("retry-after"), "1");
    let monitor = gone.header("location").to_owned();
    assert_eq!(
        azure
            .send("HEAD", "/resourcegroups/lab", Value::Null)
            .await
            .status,
        204
    );
    azure
        .check("GET /resourcegroups/lab", Value::Null, 200, "Deleting")
        .await;
    azure
        .check(
            "DELETE /resourcegroups/lab",
            Value::Null,
            409,
            "ResourceGroupBeingDeleted",
        )
        .await;
    let polls = [
        azure.0.get(&monitor).await.status,
        azure.0.get(&monitor).await.status,
    ];
    assert_eq!(polls, [202, 200]);
    azure
        .check(
            "GET /resourcegroups/lab",
            Value::Null,
            404,
            "ResourceGroupNotFound",
        )
        .await;
    assert_eq!(
        azure
            .send("HEAD", "/resourcegroups/lab", Value::Null)
            .await
            .status,
        404
    );
    azure
        .check(&format!("GET {place}"), Value::Null, 404, "ResourceGroupNotFound")
        .await;
    let state = azure.0.sandbox.state();
    assert!(!state["arm"]["roleAssignments"].to_string().contains("Lab"));
}

#[tokio::test]
async fn faults_speak_as_azure_does() {
    let azure = Azure::start().await;
    let effect = Effect::Throttle {
        retry_after: RetryAfter::Seconds(17),
    };
    azure.0.sandbox.fault(
        Fault::new(effect)
            .on("GET", "/subscriptions/*/resourceGroups/**")
            .times(1),
    );
    let busy = azure
        .check(
            "GET /resourcegroups/siem",
            Value::Null,
            429,
            "SubscriptionRequestsThrottled",
        )
        .await;
    assert_eq!(busy.header("retry-after"), "17");
    assert_eq!(busy.header("x-ms-ratelimit-remaining-subscription-reads"), "0");
    azure
        .check("GET /resourcegroups/siem", Value::Null, 200, "siem")
        .await;
    azure
        .check("GET /virtualMachines", Value::Null, 404, "InvalidResourceType")
        .await;
    azure
        .check(
            "POST /resourcegroups/siem",
            json!({}),
            405,
            "HttpMethodNotAllowed",
        )
        .await;
}
