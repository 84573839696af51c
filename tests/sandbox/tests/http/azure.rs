//! Azure Resource Manager: subscriptions, resource groups, role definitions, role assignments.

use std::time::Duration;

use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

use crate::{Reply, Tenant, draft, read};

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const NOBODY: &str = "0b5c1f5e-6d2f-4d5e-9d2d-1f6a5b4c3d2e";

/// A sandbox and a client with a token for Azure Resource Manager.
struct Azure(Tenant);

impl Azure {
    async fn start() -> Self {
        let mut tenant = Tenant::with(Sandbox::start().await.unwrap()).await;
        tenant.token = token(&tenant, "https://management.azure.com/.default").await;
        Self(tenant)
    }

    /// A path below the subscription, `?` or `&` and the version added.
    async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        let sign = if path.contains('?') { '&' } else { '?' };
        let (root, subscription) = (self.0.sandbox.arm(), self.0.sandbox.subscription());
        let url = format!("{root}/subscriptions/{subscription}{path}{sign}api-version=2022-04-01");
        self.0.send(method, &url, body).await
    }

    async fn check(&self, what: &str, body: Value, status: u16, says: &str) -> Reply {
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

    fn wish(&self, role: &str, principal: &str) -> Value {
        let subscription = self.0.sandbox.subscription();
        json!({ "properties": {
            "roleDefinitionId":
                format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": principal,
        } })
    }

    fn person(&self) -> String {
        self.0.sandbox.user("W-1010").unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    async fn names(&self, path: &str) -> Vec<String> {
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

fn assignment(group: &str, number: u32) -> String {
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
async fn role_definitions_are_found_by_name_at_every_scope() {
    let azure = Azure::start().await;
    let roles = "/providers/Microsoft.Authorization/roleDefinitions";
    let filter = "$filter=roleName eq 'Storage Blob Data Reader'";
    for scope in [
        "",
        "/resourceGroups/siem",
        "/resourceGroups/siem/providers/Microsoft.Storage/storageAccounts/logs",
    ] {
        let found = azure.names(&format!("{scope}{roles}?{filter}")).await;
        assert_eq!(found, ["2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"], "{scope}");
    }
    let one = azure
        .check(&format!("GET {roles}/{OWNER}"), Value::Null, 200, "Owner")
        .await;
    assert_eq!(one.body["properties"]["permissions"][0]["actions"], json!(["*"]));
    assert!(one.body["id"].as_str().unwrap().starts_with("/subscriptions/"));
    azure
        .check(
            &format!("GET {roles}/{NOBODY}"),
            Value::Null,
            404,
            "RoleDefinitionDoesNotExist",
        )
        .await;
    assert!(
        azure
            .names(&format!("{roles}?$filter=type eq 'CustomRole'"))
            .await
            .is_empty()
    );
    assert!(
        azure
            .names(&format!("{roles}?$filter=type eq 'BuiltInRole'"))
            .await
            .len()
            > 15
    );
    azure
        .check(
            &format!("GET {roles}?$filter=size eq 3"),
            Value::Null,
            400,
            "UnsupportedQuery",
        )
        .await;
    azure
        .check(
            &format!("GET /resourceGroups/none{roles}"),
            Value::Null,
            404,
            "ResourceGroupNotFound",
        )
        .await;
    let root = azure.0.sandbox.arm();
    let tenant = azure.0.sandbox.tenant_id();
    let above = format!(
        "{root}/providers/Microsoft.Management/managementGroups/{tenant}{roles}?api-version=2022-04-01"
    );
    let ids = azure.0.get(&above).await;
    assert!(
        ids.column("id")[0].starts_with("/providers/Microsoft.Authorization/"),
        "{}",
        ids.text
    );
    let other =
        format!("{root}/providers/Microsoft.Management/managementGroups/else{roles}?api-version=2022-04-01");
    assert_eq!(azure.0.get(&other).await.code(), "AuthorizationFailed");
}

#[tokio::test]
async fn one_assignment_holds_one_role_of_one_principal() {
    let azure = Azure::start().await;
    let person = azure.person();
    let (first, second) = (assignment("siem", 1), assignment("siem", 2));
    let made = azure
        .check(&format!("PUT {first}"), azure.wish(READER, &person), 201, &person)
        .await;
    let properties = &made.body["properties"];
    assert_eq!(properties["principalType"], "User");
    assert_eq!(
        properties["scope"],
        format!(
            "/subscriptions/{}/resourceGroups/siem",
            azure.0.sandbox.subscription()
        )
    );
    azure
        .check(&format!("PUT {first}"), azure.wish(READER, &person), 200, &person)
        .await;
    azure
        .check(
            &format!("PUT {second}"),
            azure.wish(READER, &person),
            409,
            "RoleAssignmentExists",
        )
        .await;
    azure
        .check(
            &format!("PUT {first}"),
            azure.wish(OWNER, &person),
            400,
            "RoleAssignmentUpdateNotPermitted",
        )
        .await;
    azure
        .check(&format!("GET {first}"), Value::Null, 200, READER)
        .await;
    azure
        .check(&format!("DELETE {second}"), Value::Null, 204, "")
        .await;
    azure
        .check(&format!("DELETE {first}"), Value::Null, 200, &person)
        .await;
    azure
        .check(&format!("DELETE {first}"), Value::Null, 204, "")
        .await;
    azure
        .check(
            &format!("GET {first}"),
            Value::Null,
            404,
            "RoleAssignmentNotFound",
        )
        .await;
}

#[tokio::test]
async fn what_cannot_be_assigned_is_refused() {
    let azure = Azure::start().await;
    let place = format!("PUT {}", assignment("siem", 1));
    let person = azure.person();
    let mut said = azure.wish(READER, &person);
    said["properties"]["principalType"] = "Group".into();
    azure.check(&place, said, 400, "UnmatchedPrincipalType").await;
    azure
        .check(&place, azure.wish(READER, NOBODY), 400, "PrincipalNotFound")
        .await;
    azure
        .check(&place, azure.wish(READER, "camila"), 400, "InvalidPrincipalId")
        .await;
    azure
        .check(
            &place,
            azure.wish(NOBODY, &person),
            400,
            "RoleDefinitionDoesNotExist",
        )
        .await;
    let bare = json!({ "properties": { "roleDefinitionId": READER, "principalId": person } });
    azure.check(&place, bare, 400, "InvalidRoleDefinitionId").await;
    azure
        .check(&place, json!({ "properties": {} }), 400, "BadRequestFormat")
        .await;
    let named = "PUT /resourceGroups/siem/providers/Microsoft.Authorization/roleAssignments/camila";
    azure
        .check(named, azure.wish(READER, &person), 400, "InvalidRoleAssignmentId")
        .await;
    // Whoever says what an unknown principal is gets the assignment.
    let mut said = azure.wish(READER, NOBODY);
    said["properties"]["principalType"] = "User".into();
    azure.check(&place, said, 201, NOBODY).await;
}

#[tokio::test]
async fn a_principal_that_is_not_replicated_is_not_found_yet() {
    let azure = Azure::start().await;
    azure
        .0
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 30_000 }).on("PUT", "/subscriptions/**"));
    let made = azure
        .0
        .sandbox
        .act("POST", "/users", Some(draft("ann", json!({}))))
        .unwrap();
    let ann = made["id"].as_str().unwrap();
    let mut wish = azure.wish(READER, ann);
    wish["properties"]["principalType"] = "User".into();
    let place = format!("PUT {}", assignment("siem", 1));
    azure.check(&place, wish.clone(), 400, "PrincipalNotFound").await;
    azure.0.sandbox.advance(Duration::from_secs(31));
    azure.check(&place, wish, 201, ann).await;
}

#[tokio::test]
async fn assignments_are_listed_at_above_and_below_a_scope() {
    let azure = Azure::start().await;
    let person = azure.person();
    let sandbox = &azure.0.sandbox;
    let roles = "/providers/Microsoft.Authorization/roleAssignments";
    let group = sandbox.state()["groups"][0]["id"].as_str().unwrap().to_owned();
    let act = |place: String, role: &str, principal: &str| {
        let path = format!(
            "/subscriptions/{}{place}?api-version=2022-04-01",
            sandbox.subscription()
        );
        sandbox
            .act("PUT", &path, Some(azure.wish(role, principal)))
            .unwrap()
    };
    act(assignment("siem", 1), READER, &person);
    act(assignment("finance", 2), READER, &person);
    act(assignment("siem", 3), READER, &group);
    let count = async |path: &str| azure.names(path).await.len();
    // The application's own as owner of the subscription is the fourth.
    assert_eq!(count(roles).await, 4);
    assert_eq!(count(&format!("{roles}?$filter=atScope()")).await, 1);
    assert_eq!(
        count(&format!("{roles}?$filter=principalId eq '{person}'")).await,
        2
    );
    assert_eq!(count(&format!("/resourceGroups/siem{roles}")).await, 3);
    assert_eq!(
        count(&format!(
            "/resourceGroups/siem{roles}?$filter=principalId eq '{person}'"
        ))
        .await,
        1
    );
    assert_eq!(
        count(&format!("/resourceGroups/siem{roles}?$filter=atScope()")).await,
        3
    );
    // All Staff holds one, and Camila is in it.
    assert_eq!(count(&format!("{roles}?$filter=assignedTo('{person}')")).await, 3);
    azure
        .check(
            &format!("GET {roles}?$filter=roleName eq 'x'"),
            Value::Null,
            400,
            "UnsupportedQuery",
        )
        .await;
}

#[tokio::test]
async fn long_lists_have_a_next_link_and_a_subscription_has_a_limit() {
    let azure = Azure::start().await;
    let sandbox = &azure.0.sandbox;
    let put = |number: u32| {
        let path = format!(
            "/subscriptions/{}{}?api-version=2022-04-01",
            sandbox.subscription(),
            assignment("siem", number)
        );
        let mut wish = azure.wish(READER, &format!("0b5c1f5e-6d2f-4d5e-9d2d-{number:012x}"));
        wish["properties"]["principalType"] = "Group".into();
        sandbox.act("PUT", &path, Some(wish))
    };
    for number in 1..4000 {
        put(number).unwrap();
    }
    let refused = put(4000).unwrap_err();
    assert!(refused.contains("RoleAssignmentLimitExceeded"), "{refused}");
    let (mut seen, mut next) = (0, String::new());
    let first = azure
        .check(
            "GET /providers/Microsoft.Authorization/roleAssignments",
            Value::Null,
            200,
            "nextLink",
        )
        .await;
    let mut page = first.body;
    loop {
        seen += page["value"].as_array().unwrap().len();
        let Some(link) = page["nextLink"].as_str() else {
            break;
        };
        assert_ne!(link, next);
        link.clone_into(&mut next);
        page = azure.0.get(&next).await.body;
    }
    assert_eq!(seen, 4000);
}

#[tokio::test]
async fn what_a_deleted_user_held_stays() {
    let azure = Azure::start().await;
    let person = azure.person();
    let place = assignment("siem", 1);
    azure
        .check(&format!("PUT {place}"), azure.wish(READER, &person), 201, "")
        .await;
    azure
        .0
        .sandbox
        .act("DELETE", &format!("/users/{person}"), None)
        .unwrap();
    azure
        .check(&format!("GET {place}"), Value::Null, 200, &person)
        .await;
    let another = format!("PUT {}", assignment("finance", 2));
    azure
        .check(&another, azure.wish(READER, &person), 400, "PrincipalNotFound")
        .await;
    azure
        .0
        .sandbox
        .act("DELETE", &format!("/directory/deletedItems/{person}"), None)
        .unwrap();
    azure
        .check(&format!("GET {place}"), Value::Null, 200, &person)
        .await;
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
