//! Groups of every kind, and their members.

use serde_json::{Value, json};

use crate::{Tenant, draft};

#[tokio::test]
async fn members_come_and_go() {
    let tenant = Tenant::empty().await;
    let group = tenant.security_group("ward", json!({})).await;
    let (ann, bob) = (
        tenant.hire("ann", json!({})).await,
        tenant.hire("bob", json!({})).await,
    );
    let add = format!("POST /groups/{group}/members/$ref");
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    let again = tenant
        .check(&add, tenant.link(&ann), 400, "Request_BadRequest")
        .await;
    let already =
        "One or more added object references already exist for the following modified properties: 'members'.";
    assert_eq!(again.message(), already);
    tenant
        .check(
            &add,
            tenant.link("5c3b1d5e-0000-4000-8000-000000000000"),
            404,
            "Request_ResourceNotFound",
        )
        .await;
    tenant
        .check("POST /groups/nope/members/$ref", tenant.link(&ann), 404, "")
        .await;
    tenant.check(&add, json!({ "id": ann }), 400, "@odata.id").await;
    // Adding several is all or nothing.
    let bind = |ids: &[&str]| {
        let links: Vec<Value> = ids
            .iter()
            .map(|id| tenant.link(id)["@odata.id"].clone())
            .collect();
        json!({ "members@odata.bind": links })
    };
    tenant
        .check(
            &format!("PATCH /groups/{group}"),
            bind(&[&bob, &ann]),
            400,
            "already exist",
        )
        .await;
    tenant
        .check(
            &format!("PATCH /groups/{group}"),
            bind(&[&bob, "nobody"]),
            404,
            "",
        )
        .await;
    tenant
        .check(
            &format!("PATCH /groups/{group}"),
            bind(&vec![bob.as_str(); 21]),
            400,
            "20",
        )
        .await;
    assert_eq!(
        tenant.get(&format!("/groups/{group}/members")).await.column("id"),
        [ann.as_str()]
    );
    tenant
        .check(&format!("PATCH /groups/{group}"), bind(&[&bob]), 204, "")
        .await;
    let members = tenant
        .get(&format!(
            "/groups/{group}/members/microsoft.graph.user?$select=id,displayName"
        ))
        .await;
    assert_eq!(members.column("displayName"), ["ann", "bob"]);
    let rows = tenant.get(&format!("/groups/{group}/members?$select=id")).await;
    assert_eq!(rows.column("@odata.type"), ["#microsoft.graph.user"; 2]);
    assert_eq!(
        tenant.get(&format!("/users/{ann}/memberOf")).await.column("id"),
        [group.as_str()]
    );
    let asked = json!({ "groupIds": [group, "8d0f0b5e-0000-4000-8000-000000000000"] });
    let held = tenant
        .check(&format!("POST /users/{ann}/checkMemberGroups"), asked, 200, "")
        .await;
    assert_eq!(held.body["value"], json!([group]));
    tenant
        .check(
            &format!("DELETE /groups/{group}/members/{ann}/$ref"),
            Value::Null,
            204,
            "",
        )
        .await;
    tenant
        .check(
            &format!("DELETE /groups/{group}/members/{ann}/$ref"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
    // "Remove member": without /$ref the member object itself goes.
    tenant
        .check(
            &format!("DELETE /groups/{group}/members/{bob}"),
            Value::Null,
            204,
            "",
        )
        .await;
    tenant
        .check(&format!("GET /users/{bob}"), Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn some_groups_take_no_members() {
    let tenant = Tenant::start().await;
    let check = async |name: &str, status: u16, says: &str| {
        let (group, user) = (tenant.group_id(name).await, tenant.user_id("W-1010").await);
        let member = tenant.user_id("W-1009").await;
        tenant
            .check(
                &format!("POST /groups/{group}/members/$ref"),
                tenant.link(&user),
                status,
                says,
            )
            .await;
        tenant
            .check(
                &format!("DELETE /groups/{group}/members/{member}/$ref"),
                Value::Null,
                status,
                says,
            )
            .await;
        let bind = json!({ "members@odata.bind": [tenant.link(&user)["@odata.id"]] });
        tenant
            .check(&format!("PATCH /groups/{group}"), bind, status, says)
            .await;
    };
    check("Sydney Everyone", 403, "Authorization_RequestDenied").await;
    check(
        "All Mail",
        403,
        "Cannot Update a mail-enabled security groups and or distribution list.",
    )
    .await;
    check("OnPrem Staff", 400, "on-premises mastered Directory Sync objects").await;
}

#[tokio::test]
async fn the_rule_decides_about_a_dynamic_group() {
    let tenant = Tenant::start().await;
    let group = tenant.group_id("Sydney Everyone").await;
    let members = async |group: &str| {
        let reply = tenant
            .get(&format!("/groups/{group}/members?$select=displayName"))
            .await;
        reply
            .column("displayName")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        members(&group).await,
        ["Noah Fischer", "Owen Clarke", "Jack Thompson"]
    );
    let noah = tenant.user_id("W-1009").await;
    tenant
        .check(
            &format!("PATCH /users/{noah}"),
            json!({ "officeLocation": "Perth" }),
            204,
            "",
        )
        .await;
    tenant.hire("ann", json!({ "officeLocation": "Sydney" })).await;
    assert_eq!(members(&group).await, ["Owen Clarke", "Jack Thompson", "ann"]);
    let rule = json!({ "membershipRule": "user.officeLocation -eq \"Perth\"" });
    tenant
        .check(&format!("PATCH /groups/{group}"), rule, 204, "")
        .await;
    assert_eq!(members(&group).await, ["Noah Fischer", "Wei Zhang"]);
    let more = json!({
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
        "membershipRule": "(user.department -in [\"Sales\"]) -and (user.accountEnabled -eq true)",
    });
    let sales = tenant.security_group("sales", more).await;
    assert_eq!(members(&sales).await, ["Elena Petrova", "Tariq Aziz"]);
}

#[tokio::test]
async fn kinds_of_groups_are_checked() {
    let tenant = Tenant::empty().await;
    let check = async |more: Value, status: u16, says: &str| {
        let mut body = json!({
            "displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true,
        });
        for (name, value) in more.as_object().unwrap() {
            if value == "ABSENT" {
                body.as_object_mut().unwrap().remove(name);
            } else {
                body[name] = value.clone();
            }
        }
        tenant.check("POST /groups", body, status, says).await
    };
    for name in ["displayName", "mailEnabled", "mailNickname", "securityEnabled"] {
        check(json!({ name: "ABSENT" }), 400, &format!("'{name}'")).await;
    }
    check(
        json!({ "mailEnabled": true }),
        400,
        "does not currently support writes of mail-enabled groups",
    )
    .await;
    check(json!({ "securityEnabled": false }), 400, "invalid").await;
    check(json!({ "nope": 1 }), 400, "RequestBodyRead").await;
    check(
        json!({ "groupTypes": ["DynamicMembership"] }),
        400,
        "membershipRule",
    )
    .await;
    let bad_rule = json!({
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
        "membershipRule": "user.nope -eq 1",
    });
    check(bad_rule, 400, "Invalid dynamic membership rule").await;
    let unified = json!({ "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false });
    let made = check(unified.clone(), 201, "").await;
    assert_eq!(made.body["mail"], "g@contoso.example");
    check(unified, 400, "already exists").await;
    let made = check(
        json!({ "isAssignableToRole": true, "mailNickname": "r" }),
        201,
        "",
    )
    .await;
    let id = made.body["id"].as_str().unwrap();
    tenant
        .check(
            &format!("PATCH /groups/{id}"),
            json!({ "isAssignableToRole": false }),
            400,
            "IsAssignableToRole",
        )
        .await;
    tenant
        .check(
            &format!("PATCH /groups/{id}"),
            json!({ "description": "roles" }),
            204,
            "",
        )
        .await;
    assert_eq!(
        tenant.get(&format!("/groups/{id}")).await.body["description"],
        "roles"
    );
    tenant
        .check(&format!("DELETE /groups/{id}"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("GET /groups/{id}"), Value::Null, 404, "")
        .await;
    tenant
        .check(&format!("GET /directory/deletedItems/{id}"), Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn nested_groups_count_in_transitive_lists_only() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let inner = tenant
        .security_group(
            "inner",
            json!({ "members@odata.bind": [tenant.link(&ann)["@odata.id"]] }),
        )
        .await;
    let outer = tenant
        .security_group(
            "outer",
            json!({ "members@odata.bind": [tenant.link(&inner)["@odata.id"]] }),
        )
        .await;
    let names = async |path: &str| {
        tenant
            .get(path)
            .await
            .column("displayName")
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&format!("/users/{ann}/memberOf")).await, ["inner"]);
    assert_eq!(
        names(&format!("/users/{ann}/transitiveMemberOf")).await,
        ["inner", "outer"]
    );
    assert_eq!(names(&format!("/groups/{outer}/members")).await, ["inner"]);
    assert_eq!(
        names(&format!("/groups/{outer}/transitiveMembers/microsoft.graph.user")).await,
        ["ann"]
    );
    assert_eq!(
        names(&format!("/groups/{outer}/members/microsoft.graph.user")).await,
        Vec::<String>::new()
    );
    let again = draft("bob", json!({}));
    assert_eq!(tenant.send("POST", "/users", again).await.status, 201);
}

#[tokio::test]
async fn groups_are_found_by_name_and_kind() {
    let tenant = Tenant::start().await;
    let check = async |filter: &str, expect: &[&str]| {
        let reply = tenant
            .get(&format!("/groups?$filter={filter}&$select=displayName"))
            .await;
        assert_eq!(reply.column("displayName"), expect, "{filter}: {}", reply.text);
    };
    check("displayName eq 'sg-finance'", &["sg-finance"]).await;
    check("groupTypes/any(t:t eq 'DynamicMembership')", &["Sydney Everyone"]).await;
    check("onPremisesSyncEnabled eq true", &["OnPrem Staff"]).await;
    check("mailEnabled eq true and securityEnabled eq true", &["All Mail"]).await;
    assert_eq!(tenant.get("/groups").await.values().len(), 13);
}
