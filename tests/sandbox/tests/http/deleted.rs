//! Soft delete, restore, purge.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Tenant, draft};

const ITEMS: &str = "/directory/deletedItems";

#[tokio::test]
async fn a_restored_user_gets_everything_back() {
    let tenant = Tenant::start().await;
    let reply = tenant
        .get(&format!(
            "{ITEMS}/microsoft.graph.user?$filter=employeeId eq 'W-1013'&$select=id,mail"
        ))
        .await;
    assert_eq!(reply.column("mail"), ["yuki.mori@contoso.example"]);
    let id = reply.values()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(tenant.get(&format!("{ITEMS}/graph.user")).await.values().len(), 1);
    assert!(
        tenant
            .get("/users?$filter=employeeId eq 'W-1013'")
            .await
            .values()
            .is_empty()
    );
    let finance = tenant.group_id("sg-finance").await;
    let members = tenant.get(&format!("/groups/{finance}/members")).await;
    assert_eq!(
        members.column("displayName"),
        ["Camila Rocha"],
        "a deleted user is in no group"
    );
    let found = tenant
        .get(&format!("{ITEMS}/{id}?$select=deletedDateTime,userPrincipalName"))
        .await
        .body;
    assert!(found["deletedDateTime"].is_string());
    assert!(
        found["userPrincipalName"]
            .as_str()
            .unwrap()
            .starts_with(&id.replace('-', ""))
    );
    let restored = tenant
        .check(&format!("POST {ITEMS}/{id}/restore"), Value::Null, 200, "")
        .await;
    assert_eq!(restored.body["userPrincipalName"], "yuki.mori@contoso.example");
    let user = tenant.sandbox.user("W-1013").unwrap();
    assert_eq!(user["groups"], json!(["All Staff", "VPN Users", "sg-finance"]));
    assert_eq!(user["licenses"], json!(["SPE_E3", "POWER_BI_PRO", "FLOW_FREE"]));
    assert!(user.get("deletedDateTime").is_none());
    tenant
        .check(&format!("POST {ITEMS}/{id}/restore"), Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn a_name_taken_meanwhile_blocks_the_restore() {
    let tenant = Tenant::empty().await;
    let boss = tenant.hire("boss", json!({})).await;
    let ann = tenant.hire("ann", json!({ "mail": "ann@contoso.example" })).await;
    tenant
        .check(
            &format!("PUT /users/{ann}/manager/$ref"),
            tenant.link(&boss),
            204,
            "",
        )
        .await;
    tenant.send("DELETE", &format!("/users/{ann}"), Value::Null).await;
    assert!(
        tenant
            .get(&format!("/users/{boss}/directReports"))
            .await
            .values()
            .is_empty()
    );
    // The name of a deleted user is free.
    tenant
        .check(
            "POST /users",
            draft("ann", json!({ "mail": "ann@contoso.example" })),
            201,
            "",
        )
        .await;
    let reply = tenant
        .check(
            &format!("POST {ITEMS}/{ann}/restore"),
            Value::Null,
            400,
            "ObjectConflict",
        )
        .await;
    assert!(reply.message().contains("userPrincipalName"));
    let rename = json!({ "newUserPrincipalName": "ann.two@contoso.example" });
    tenant
        .check(
            &format!("POST {ITEMS}/{ann}/restore"),
            rename,
            400,
            "proxyAddresses",
        )
        .await;
    let rename =
        json!({ "newUserPrincipalName": "ann.two@contoso.example", "autoReconcileProxyConflict": true });
    tenant
        .check(&format!("POST {ITEMS}/{ann}/restore"), rename, 200, "ann.two@")
        .await;
    assert_eq!(
        tenant.get(&format!("/users/{ann}/manager")).await.body["id"],
        json!(boss)
    );
}

#[tokio::test]
async fn deleted_users_are_purged() {
    let mut tenant = Tenant::empty().await;
    for (name, purge) in [("ann", true), ("bob", false)] {
        let id = tenant.hire(name, json!({})).await;
        tenant.send("DELETE", &format!("/users/{id}"), Value::Null).await;
        tenant
            .check(&format!("GET {ITEMS}/{id}"), Value::Null, 200, "")
            .await;
        if purge {
            tenant
                .check(&format!("DELETE {ITEMS}/{id}"), Value::Null, 204, "")
                .await;
        } else {
            tenant.sandbox.advance(Duration::from_hours(30 * 24 + 1));
            tenant.sign_in().await;
        }
        tenant
            .check(&format!("GET {ITEMS}/{id}"), Value::Null, 404, "")
            .await;
        tenant
            .check(&format!("POST {ITEMS}/{id}/restore"), Value::Null, 404, "")
            .await;
    }
}

#[tokio::test]
async fn deleted_items_have_a_type() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let club = json!({
        "displayName": "club", "mailNickname": "club", "mailEnabled": true, "securityEnabled": false,
        "groupTypes": ["Unified"], "members@odata.bind": [tenant.link(&ann)["@odata.id"]],
    });
    let club = tenant.check("POST /groups", club, 201, "").await.body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for what in [format!("DELETE /groups/{club}"), format!("DELETE /users/{ann}")] {
        tenant.check(&what, Value::Null, 204, "").await;
    }
    tenant
        .check(&format!("GET {ITEMS}"), Value::Null, 400, "type")
        .await;
    let check = async |path: &str, expect: &[&str]| {
        assert_eq!(tenant.get(path).await.column("id"), expect, "{path}");
    };
    check(&format!("{ITEMS}/microsoft.graph.user"), &[&ann]).await;
    check(&format!("{ITEMS}/graph.group"), &[&club]).await;
    check(&format!("{ITEMS}/graph.application"), &[]).await;
    assert_eq!(
        tenant.eventual(&format!("{ITEMS}/graph.group/$count")).await.text,
        "1"
    );
    tenant
        .check(&format!("GET {ITEMS}/graph.nonsense"), Value::Null, 400, "")
        .await;
    let one = tenant
        .get(&format!("{ITEMS}/{ann}/graph.user?$select=id,displayName"))
        .await;
    assert_eq!(one.body["displayName"], "ann");
    tenant
        .check(&format!("GET {ITEMS}/{ann}/graph.group"), Value::Null, 404, "")
        .await;
    // The group comes back with its members, whoever of them is there.
    tenant
        .check(&format!("POST {ITEMS}/{ann}/restore"), Value::Null, 200, "")
        .await;
    tenant
        .check(&format!("POST {ITEMS}/{club}/restore"), Value::Null, 200, "club")
        .await;
    assert_eq!(
        tenant.get(&format!("/groups/{club}")).await.body["mail"],
        "club@contoso.example"
    );
    tenant
        .check(&format!("POST {ITEMS}/{club}/restore"), Value::Null, 404, "")
        .await;
    // For good.
    tenant
        .check(&format!("DELETE /groups/{club}"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {ITEMS}/{club}"), Value::Null, 204, "")
        .await;
    check(&format!("{ITEMS}/graph.group"), &[]).await;
}
