//! Administrative units: what they hold, and roles that end at their border.

use serde_json::{Value, json};

use crate::Tenant;

const UNITS: &str = "/directory/administrativeUnits";
const HELPDESK: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";

async fn unit(tenant: &Tenant, body: Value) -> String {
    let made = tenant.check(&format!("POST {UNITS}"), body, 201, "").await;
    made.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_unit_lives_through_create_change_delete_restore() {
    let tenant = Tenant::empty().await;
    let made = tenant
        .check(
            &format!("POST {UNITS}"),
            json!({ "@odata.type": "#microsoft.graph.administrativeUnit", "displayName": "North",
                    "description": "The north", "visibility": "HiddenMembership" }),
            201,
            "",
        )
        .await;
    let id = made.body["id"].as_str().unwrap();
    let at = format!("{UNITS}/{id}");
    assert_eq!(made.header("location"), format!("{}{at}", tenant.sandbox.graph()));
    assert!(
        made.body["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("#directory/administrativeUnits/$entity")
    );
    let ann = tenant.hire("ann", json!({})).await;
    tenant
        .check(&format!("POST {at}/members/$ref"), tenant.link(&ann), 204, "")
        .await;
    tenant
        .check(
            &format!("PATCH {at}"),
            json!({ "displayName": "South", "description": null }),
            204,
            "",
        )
        .await;
    let found = tenant.get(&at).await.body;
    assert_eq!(
        (&found["displayName"], &found["description"]),
        (&json!("South"), &Value::Null)
    );
    for (change, says) in [
        (json!({ "displayName": null }), "displayName"),
        (json!({ "visibility": "Public" }), "visibility"),
        (
            json!({ "isMemberManagementRestricted": true }),
            "isMemberManagementRestricted",
        ),
        (json!({ "membershipType": "Dynamic" }), "membershipRule"),
        (json!({ "nope": 1 }), "does not exist"),
    ] {
        tenant.check(&format!("PATCH {at}"), change, 400, says).await;
    }
    for (body, says) in [
        (json!({}), "A value is required for property 'displayName'"),
        (
            json!({ "displayName": "x", "visibility": "Secret" }),
            "visibility",
        ),
        (json!({ "displayName": "x".repeat(257) }), "displayName"),
    ] {
        tenant.check(&format!("POST {UNITS}"), body, 400, says).await;
    }
    unit(&tenant, json!({ "displayName": "East" })).await;
    let filtered = format!("{UNITS}?$filter=displayName eq 'East'&$select=displayName");
    assert_eq!(tenant.names(&filtered).await, ["East"]);
    assert_eq!(tenant.eventual(&format!("{UNITS}/$count")).await.text, "2");
    let role = json!({ "roleDefinitionId": HELPDESK, "principalId": ann, "directoryScopeId": format!("/administrativeUnits/{id}") });
    tenant
        .check("POST /roleManagement/directory/roleAssignments", role, 201, "")
        .await;
    tenant.check(&format!("DELETE {at}"), Value::Null, 204, "").await;
    tenant
        .check(&format!("GET {at}"), Value::Null, 404, "Request_ResourceNotFound")
        .await;
    assert!(tenant.names(&format!("/users/{ann}/memberOf")).await.is_empty());
    let left = tenant
        .get(&format!(
            "/roleManagement/directory/roleAssignments?$filter=principalId eq '{ann}'"
        ))
        .await;
    assert!(left.values().is_empty(), "a role in a unit ends with the unit");
    let gone = tenant
        .get("/directory/deletedItems/graph.administrativeUnit")
        .await;
    assert_eq!(gone.column("id"), [id]);
    tenant
        .check(
            &format!("POST /directory/deletedItems/{id}/restore"),
            Value::Null,
            200,
            "South",
        )
        .await;
    assert_eq!(tenant.names(&format!("{at}/members")).await, ["ann"]);
}

#[tokio::test]
async fn members_are_users_and_groups_by_hand_or_by_rule() {
    let tenant = Tenant::empty().await;
    let at = format!(
        "{UNITS}/{}",
        unit(&tenant, json!({ "displayName": "North" })).await
    );
    let ann = tenant.hire("ann", json!({ "department": "Sales" })).await;
    let group = tenant.security_group("ward", json!({})).await;
    let add = format!("POST {at}/members/$ref");
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    tenant.check(&add, tenant.link(&group), 204, "").await;
    tenant.check(&add, tenant.link(&ann), 400, "already exist").await;
    tenant.check(&add, tenant.link("nobody"), 404, "").await;
    let app = tenant.get("/servicePrincipals").await.values()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    tenant
        .check(&add, tenant.link(&app), 400, "Only users, groups and devices")
        .await;
    assert_eq!(tenant.names(&format!("{at}/members")).await, ["ann", "ward"]);
    assert_eq!(
        tenant.names(&format!("{at}/members/microsoft.graph.user")).await,
        ["ann"]
    );
    assert_eq!(tenant.get(&format!("{at}/members/$ref")).await.values().len(), 2);
    // "Create a new group in an administrative unit."
    let body = json!({
        "@odata.type": "#microsoft.graph.group", "displayName": "born", "mailNickname": "born",
        "mailEnabled": false, "securityEnabled": true,
    });
    tenant
        .check(&format!("POST {at}/members"), body, 201, "born")
        .await;
    tenant
        .check(
            &format!("POST {at}/members"),
            json!({ "displayName": "x" }),
            400,
            "@odata.type",
        )
        .await;
    assert_eq!(
        tenant.names(&format!("{at}/members/graph.group")).await,
        ["ward", "born"]
    );
    tenant
        .check(&format!("DELETE {at}/members/{ann}/$ref"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {at}/members/{ann}/$ref"), Value::Null, 404, "")
        .await;
    // A deleted user leaves, and is back with the restore.
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    assert_eq!(tenant.names(&format!("{at}/members")).await, ["ward", "born"]);
    tenant
        .check(
            &format!("POST /directory/deletedItems/{ann}/restore"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(
        tenant.names(&format!("{at}/members")).await,
        ["ann", "ward", "born"]
    );
    // By rule.
    let rule = json!({
        "displayName": "Sales", "membershipType": "Dynamic", "membershipRuleProcessingState": "On",
        "membershipRule": "user.department -eq \"Sales\"",
    });
    let sales = format!("{UNITS}/{}", unit(&tenant, rule).await);
    tenant.hire("bob", json!({ "department": "Sales" })).await;
    assert_eq!(tenant.names(&format!("{sales}/members")).await, ["ann", "bob"]);
    let by_hand = format!("POST {sales}/members/$ref");
    tenant
        .check(&by_hand, tenant.link(&ann), 403, "Authorization_RequestDenied")
        .await;
    tenant
        .check(
            &format!("PATCH /users/{ann}"),
            json!({ "department": "IT" }),
            204,
            "",
        )
        .await;
    assert_eq!(tenant.names(&format!("{sales}/members")).await, ["bob"]);
}

#[tokio::test]
async fn roles_end_at_the_border_of_a_unit() {
    let tenant = Tenant::empty().await;
    let id = unit(&tenant, json!({ "displayName": "North" })).await;
    let (at, scope) = (format!("{UNITS}/{id}"), format!("/administrativeUnits/{id}"));
    let (ann, bob) = (
        tenant.hire("ann", json!({})).await,
        tenant.hire("bob", json!({})).await,
    );
    let assignments = "/roleManagement/directory/roleAssignments";
    let wish = |role: &str, scope: &str| json!({ "roleDefinitionId": role, "principalId": ann, "directoryScopeId": scope });
    let post = format!("POST {assignments}");
    let made = tenant.check(&post, wish(HELPDESK, &scope), 201, "").await.body;
    assert_eq!(made["directoryScopeId"], json!(scope));
    tenant
        .check(&post, wish(HELPDESK, &scope), 400, "conflicting object")
        .await;
    // The whole tenant is another scope, with an id of its own.
    let all = tenant.check(&post, wish(HELPDESK, "/"), 201, "").await.body;
    assert_ne!(all["id"], made["id"]);
    tenant
        .check(&post, wish(HELPDESK, "/administrativeUnits/nowhere"), 404, "")
        .await;
    tenant
        .check(&post, wish(GLOBAL, &scope), 400, "administrative unit")
        .await;
    let one = format!(
        "{assignments}/{}?$expand=directoryScope",
        made["id"].as_str().unwrap()
    );
    assert_eq!(
        tenant.get(&one).await.body["directoryScope"]["displayName"],
        "North"
    );
    // The same, seen from the unit, the user and the role.
    let role = tenant.role_id(HELPDESK).await;
    for path in [
        format!("{at}/scopedRoleMembers"),
        format!("/users/{ann}/scopedRoleMemberOf"),
        format!("/directoryRoles/{role}/scopedMembers"),
    ] {
        let reply = tenant.get(&path).await;
        assert_eq!(reply.values().len(), 1, "{path}: {}", reply.text);
        let held = &reply.values()[0];
        assert_eq!(
            (
                &held["roleId"],
                &held["administrativeUnitId"],
                &held["roleMemberInfo"]
            ),
            (
                &json!(role),
                &json!(id),
                &json!({ "id": ann, "displayName": "ann" })
            ),
            "{path}"
        );
    }
    assert_eq!(
        tenant.names(&format!("/directoryRoles/{role}/members")).await,
        ["ann"],
        "for the tenant, once"
    );
    // Given and taken at the unit.
    let scoped = format!("{at}/scopedRoleMembers");
    let wish = json!({ "roleId": role, "roleMemberInfo": { "id": bob } });
    let made = tenant
        .check(&format!("POST {scoped}"), wish.clone(), 201, "")
        .await
        .body;
    tenant
        .check(&format!("POST {scoped}"), wish, 400, "conflicting object")
        .await;
    tenant
        .check(
            &format!("POST {scoped}"),
            json!({ "roleId": role }),
            400,
            "roleMemberInfo",
        )
        .await;
    tenant
        .check(
            &format!("POST {scoped}"),
            json!({ "roleId": HELPDESK, "roleMemberInfo": { "id": bob } }),
            404,
            "",
        )
        .await;
    let filter = format!("{assignments}?$filter=principalId eq '{bob}'");
    assert_eq!(
        tenant.get(&filter).await.column("directoryScopeId"),
        [scope.as_str()]
    );
    assert!(tenant.names(&format!("/users/{bob}/memberOf")).await.is_empty());
    let one = format!("{scoped}/{}", made["id"].as_str().unwrap());
    assert_eq!(
        tenant.get(&one).await.body["roleMemberInfo"]["displayName"],
        "bob"
    );
    tenant.check(&format!("DELETE {one}"), Value::Null, 204, "").await;
    tenant.check(&format!("DELETE {one}"), Value::Null, 404, "").await;
    assert!(tenant.get(&filter).await.values().is_empty());
}
