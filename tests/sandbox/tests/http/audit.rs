//! `/auditLogs` ("List directoryAudits", "List signIns").

use std::time::Duration;

use iam_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::Tenant;

/// What was logged since the start, oldest first: the activities.
async fn activities(tenant: &Tenant) -> Vec<String> {
    let reply = tenant.get("/auditLogs/directoryAudits?$top=999").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let all = reply.column("activityDisplayName");
    all.iter().rev().map(|activity| (*activity).to_owned()).collect()
}

async fn newest(tenant: &Tenant, activity: &str) -> Value {
    let path = format!("/auditLogs/directoryAudits?$filter=activityDisplayName eq '{activity}'&$top=1");
    tenant.get(&path).await.values()[0].clone()
}

#[tokio::test]
async fn every_write_is_logged_as_entra_names_it() {
    let tenant = Tenant::start().await;
    assert!(activities(&tenant).await.is_empty(), "the seed is no activity");
    let ann = tenant.hire("ann", json!({ "city": "Perth" })).await;
    let group = tenant.security_group("ward", json!({})).await;
    let boss = tenant.user_id("W-1010").await;
    let link = tenant.link(&ann);
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    let role = json!({ "principalId": ann, "roleDefinitionId": reader, "directoryScopeId": "/" });
    let sku = "efccb6f7-5641-4e0e-bd10-b4976e1bf68e"; // EMS: no mailbox comes with it
    let licence = json!({ "addLicenses": [{ "skuId": sku, "disabledPlans": [] }], "removeLicenses": [] });
    let password = json!({ "passwordProfile": { "password": "xK9-fw2p!Q-other" } });
    let step = async |what: String, body: Value, status: u16| {
        tenant.check(&what, body, status, "").await;
    };
    step(
        format!("PATCH /users/{ann}"),
        json!({ "city": "Hobart", "usageLocation": "AU" }),
        204,
    )
    .await;
    step(format!("PUT /users/{ann}/manager/$ref"), tenant.link(&boss), 204).await;
    step(format!("POST /groups/{group}/members/$ref"), link.clone(), 204).await;
    step(format!("POST /users/{ann}/assignLicense"), licence, 200).await;
    step(
        "POST /roleManagement/directory/roleAssignments".to_owned(),
        role,
        201,
    )
    .await;
    step(
        format!("PATCH /users/{ann}"),
        json!({ "accountEnabled": false }),
        204,
    )
    .await;
    tenant.sandbox.advance(Duration::from_secs(2));
    step(
        format!("POST /users/{ann}/revokeSignInSessions"),
        Value::Null,
        200,
    )
    .await;
    step(format!("PATCH /users/{ann}"), password, 204).await;
    step(
        format!("DELETE /groups/{group}/members/{ann}/$ref"),
        Value::Null,
        204,
    )
    .await;
    step(format!("DELETE /users/{ann}"), Value::Null, 204).await;
    step(
        format!("POST /directory/deletedItems/{ann}/restore"),
        Value::Null,
        200,
    )
    .await;
    step(format!("DELETE /users/{ann}"), Value::Null, 204).await;
    step(format!("DELETE /directory/deletedItems/{ann}"), Value::Null, 204).await;
    // A refusal is no activity.
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 404, "")
        .await;
    assert_eq!(
        activities(&tenant).await,
        [
            "Add user",
            "Add group",
            "Update user",
            "Set user manager",
            "Add member to group",
            "Change user license",
            "Update user",
            "Add member to role",
            "Disable account",
            "Update user",
            "Update StsRefreshTokenValidFrom Timestamp",
            "Reset user password",
            "Remove member from group",
            "Delete user",
            "Restore user",
            "Delete user",
            "Hard Delete user",
        ]
    );
    let entry = newest(&tenant, "Add member to group").await;
    let (member, to) = (&entry["targetResources"][0], &entry["targetResources"][1]);
    assert_eq!((&member["id"], &member["type"]), (&json!(ann), &json!("User")));
    assert_eq!(member["userPrincipalName"], "ann@contoso.example");
    assert_eq!((&to["id"], &to["groupType"]), (&json!(group), &json!("azureAD")));
    assert_eq!(
        member["modifiedProperties"][1],
        json!({ "displayName": "Group.DisplayName", "oldValue": null, "newValue": "\"ward\"" })
    );
    assert_eq!(
        (&entry["category"], &entry["operationType"]),
        (&json!("GroupManagement"), &json!("Assign"))
    );
    let state = tenant.sandbox.state();
    let app = &entry["initiatedBy"]["app"];
    assert_eq!(app["displayName"], "Identity lifecycle");
    assert_eq!(app["servicePrincipalId"], state["servicePrincipals"][0]["id"]);
    let disabled = newest(&tenant, "Disable account").await;
    assert_eq!(
        disabled["targetResources"][0]["modifiedProperties"][0],
        json!({ "displayName": "AccountEnabled", "oldValue": "[true]", "newValue": "[false]" })
    );
}

#[tokio::test]
async fn the_log_is_filtered_ordered_paged_and_read_by_id() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    tenant.sandbox.advance(Duration::from_mins(30));
    let noon = tenant.sandbox.now();
    tenant.hire("bob", json!({})).await;
    tenant
        .check(
            &format!("PATCH /users/{ann}"),
            json!({ "city": "Perth" }),
            204,
            "",
        )
        .await;
    let logs = "/auditLogs/directoryAudits";
    let count = async |filter: String| {
        let reply = tenant.get(&format!("{logs}?$filter={filter}")).await;
        assert_eq!(reply.status, 200, "{filter}: {}", reply.text);
        reply.values().len()
    };
    assert_eq!(count(format!("activityDateTime ge {noon}")).await, 2);
    assert_eq!(count(format!("activityDateTime lt {noon}")).await, 1);
    assert_eq!(count("startsWith(activityDisplayName,'Add')".to_owned()).await, 2);
    assert_eq!(count(format!("targetResources/any(t:t/id eq '{ann}')")).await, 2);
    assert_eq!(
        count("initiatedBy/app/displayName eq 'Identity lifecycle'".to_owned()).await,
        3
    );
    assert_eq!(
        count("initiatedBy/user/userPrincipalName eq 'x'".to_owned()).await,
        0
    );
    assert_eq!(
        count("contains(activityDisplayName,'user') and result eq 'success'".to_owned()).await,
        3
    );

    let first = tenant.get(&format!("{logs}?$top=2")).await;
    assert_eq!(first.column("activityDisplayName"), ["Update user", "Add user"]);
    // What comes meanwhile does not shift the pages.
    tenant.hire("cem", json!({})).await;
    let second = tenant.get(first.body["@odata.nextLink"].as_str().unwrap()).await;
    assert_eq!(second.values().len(), 1);
    assert_eq!(second.values()[0]["targetResources"][0]["id"], ann);
    let up = tenant
        .get(&format!(
            "{logs}?$orderby=activityDateTime asc&$select=id,activityDisplayName"
        ))
        .await;
    assert_eq!(up.values().len(), 4);
    assert_eq!(up.values()[2]["activityDisplayName"], "Update user");
    assert_eq!(up.values()[2].as_object().unwrap().len(), 2);
    let id = up.column("id")[2];
    let one = tenant.get(&format!("{logs}/{id}")).await;
    assert_eq!(one.body["targetResources"][0]["id"], ann);

    for (path, status) in [
        (format!("{logs}/x"), 404),
        (format!("{logs}?$filter=nope eq 'x'"), 400),
        (format!("{logs}?$orderby=category"), 400),
        (format!("{logs}?$expand=targetResources"), 400),
        ("/auditLogs/nope".to_owned(), 400),
        ("/users?$filter=contains(displayName,'a')".to_owned(), 400),
    ] {
        let reply = tenant.get(&path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text);
    }
    tenant
        .check(&format!("DELETE {logs}/{id}"), Value::Null, 405, "")
        .await;
}

#[tokio::test]
async fn entries_live_thirty_days() {
    let tenant = Tenant::empty().await;
    tenant.hire("ann", json!({})).await;
    tenant.sandbox.advance(Duration::from_hours(744));
    let mut tenant = tenant;
    tenant.sign_in().await;
    tenant.hire("bob", json!({})).await;
    let logged = tenant.get("/auditLogs/directoryAudits").await;
    assert_eq!(logged.values().len(), 1);
    assert_eq!(logged.values()[0]["targetResources"][0]["displayName"], "bob");
}

#[tokio::test]
async fn users_sign_in_and_what_they_do_is_theirs() {
    let sandbox = Sandbox::start().await.unwrap();
    let mut tenant = Tenant::with(sandbox).await;
    assert!(
        tenant.get("/auditLogs/signIns").await.values().is_empty(),
        "an application is no user"
    );
    let url = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let wish = json!({ "user": "camila.rocha@contoso.example" });
    let reply = crate::read(tenant.http.post(url).json(&wish)).await;
    let of_app = std::mem::replace(
        &mut tenant.token,
        reply.body["access_token"].as_str().unwrap().to_owned(),
    );
    let id = tenant.user_id("W-1009").await;
    tenant
        .check(&format!("PATCH /users/{id}"), json!({ "city": "Perth" }), 204, "")
        .await;
    let entry = newest(&tenant, "Update user").await;
    assert_eq!(
        entry["initiatedBy"]["user"]["userPrincipalName"],
        "camila.rocha@contoso.example"
    );
    assert!(entry["initiatedBy"]["app"].is_null());
    tenant.token = of_app;
    let path = "/auditLogs/signIns?$filter=userPrincipalName eq 'camila.rocha@contoso.example' and createdDateTime ge 2020-01-01";
    let found = tenant.get(path).await;
    assert_eq!(found.values().len(), 1, "{}", found.text);
    let entry = &found.values()[0];
    assert_eq!(entry["status"]["errorCode"], 0);
    assert_eq!(entry["appDisplayName"], "Identity lifecycle");
    assert_eq!(entry["resourceDisplayName"], "https://graph.microsoft.com");
}
