//! App roles of users, groups and service principals.

use serde_json::{Value, json};

use crate::Tenant;
use crate::applications::register;

const READER: &str = "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a0001";
const RETIRED: &str = "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a0002";
const ROBOT: &str = "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a0003";
const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const UNKNOWN: &str = "Permission being assigned was not found on application";

fn role(id: &str, member: &str, enabled: bool) -> Value {
    json!({
        "allowedMemberTypes": [member], "description": "x", "displayName": "x", "id": id, "isEnabled": enabled,
        "value": format!("Lab.{}", &id[35..]),
    })
}

/// The service principal of an application with three roles.
async fn lab(tenant: &Tenant) -> String {
    let roles = [
        role(READER, "User", true),
        role(RETIRED, "User", false),
        role(ROBOT, "Application", true),
    ];
    principal(tenant, "Lab", json!({ "appRoles": roles })).await
}

async fn principal(tenant: &Tenant, name: &str, more: Value) -> String {
    let (_, app) = register(tenant, name, more).await;
    let made = tenant
        .check("POST /servicePrincipals", json!({ "appId": app }), 201, "")
        .await;
    made.body["id"].as_str().unwrap().to_owned()
}

fn wish(principal: &str, resource: &str, role: &str) -> Value {
    json!({ "principalId": principal, "resourceId": resource, "appRoleId": role })
}

#[tokio::test]
async fn a_role_is_given_listed_from_both_ends_and_taken() {
    let tenant = Tenant::empty().await;
    let lab = lab(&tenant).await;
    let ann = tenant.hire("ann", json!({})).await;
    let (of_user, of_app) = (
        format!("/users/{ann}/appRoleAssignments"),
        format!("/servicePrincipals/{lab}/appRoleAssignedTo"),
    );
    let made = tenant
        .check(&format!("POST {of_app}"), wish(&ann, &lab, READER), 201, "")
        .await;
    assert_eq!(
        made.body["@odata.context"],
        format!("{}/$metadata#appRoleAssignments/$entity", tenant.sandbox.graph())
    );
    for (name, expect) in [
        ("principalType", "User"),
        ("principalDisplayName", "ann"),
        ("resourceDisplayName", "Lab"),
        ("appRoleId", READER),
    ] {
        assert_eq!(made.body[name], expect);
    }
    let id = made.body["id"].as_str().unwrap();
    let twice = tenant
        .check(
            &format!("POST {of_user}"),
            wish(&ann, &lab, READER),
            400,
            "Request_BadRequest",
        )
        .await;
    assert_eq!(
        twice.message(),
        "Permission being assigned already exists on the object"
    );
    assert_eq!(tenant.get(&of_user).await.column("id"), [id]);
    assert_eq!(tenant.get(&of_app).await.column("id"), [id]);
    assert_eq!(
        tenant
            .get("/users/ann@contoso.example/appRoleAssignments")
            .await
            .column("id"),
        [id],
        "by name too"
    );
    assert_eq!(
        tenant.get(&format!("{of_user}/{id}")).await.body["resourceId"],
        json!(lab)
    );
    for (filter, count) in [
        (format!("resourceId eq {lab}"), 1),
        (format!("resourceId eq {ann}"), 0),
        ("startswith(principalDisplayName,'an')".to_owned(), 1),
    ] {
        let found = tenant
            .get(&format!("{of_user}?$filter={filter}&$select=id"))
            .await;
        assert_eq!(found.values().len(), count, "{filter}");
    }
    tenant
        .check(
            &format!("GET {of_user}?$filter=colour eq 'red'"),
            Value::Null,
            400,
            "colour",
        )
        .await;
    assert_eq!(tenant.eventual(&format!("{of_app}/$count")).await.text, "1");
    let expanded = tenant
        .get(&format!("/servicePrincipals/{lab}?$expand=appRoleAssignedTo"))
        .await;
    assert_eq!(expanded.body["appRoleAssignedTo"][0]["id"], json!(id));
    tenant
        .check(&format!("DELETE {of_user}/{id}"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {of_app}/{id}"), Value::Null, 404, "")
        .await;
    assert!(tenant.get(&of_app).await.values().is_empty());
}

#[tokio::test]
async fn what_an_application_does_not_offer_is_refused() {
    let tenant = Tenant::empty().await;
    let (lab, plain) = (lab(&tenant).await, principal(&tenant, "Plain", json!({})).await);
    let ann = tenant.hire("ann", json!({})).await;
    let post = format!("POST /users/{ann}/appRoleAssignments");
    for role in [RETIRED, ROBOT, "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a00ff", DEFAULT] {
        let refused = tenant
            .check(&post, wish(&ann, &lab, role), 400, "Request_BadRequest")
            .await;
        assert_eq!(refused.message(), UNKNOWN, "{role}");
    }
    let unified = json!({
        "displayName": "team", "mailNickname": "team", "mailEnabled": true, "securityEnabled": false,
        "groupTypes": ["Unified"],
    });
    let team = tenant.check("POST /groups", unified, 201, "").await;
    let team = team.body["id"].as_str().unwrap();
    tenant
        .check(
            &format!("POST /groups/{team}/appRoleAssignments"),
            wish(team, &lab, READER),
            400,
            UNKNOWN,
        )
        .await;
    // The default role stands where there are no others; each kind of principal has roles of its own.
    tenant.check(&post, wish(&ann, &plain, DEFAULT), 201, "").await;
    let to = format!("POST /servicePrincipals/{plain}/appRoleAssignments");
    tenant.check(&to, wish(&plain, &lab, READER), 400, UNKNOWN).await;
    tenant
        .check(&to, wish(&plain, &lab, ROBOT), 201, "ServicePrincipal")
        .await;

    tenant.check(&post, wish(&ann, &ann, READER), 404, "").await;
    tenant
        .check(&post, wish(&lab, &lab, READER), 400, "principalId")
        .await;
    tenant
        .check(
            &post,
            json!({ "principalId": ann, "resourceId": lab }),
            400,
            "appRoleId",
        )
        .await;
    let mut more = wish(&ann, &lab, READER);
    more["principalType"] = "User".into();
    tenant.check(&post, more, 400, "read-only").await;
    let other = format!("POST /servicePrincipals/{plain}/appRoleAssignedTo");
    tenant
        .check(&other, wish(&ann, &lab, READER), 400, "resourceId")
        .await;
}

#[tokio::test]
async fn a_groups_roles_are_its_members_roles_and_are_taken_at_the_group() {
    let tenant = Tenant::empty().await;
    let lab = lab(&tenant).await;
    let ann = tenant.hire("ann", json!({})).await;
    let group = tenant.security_group("readers", json!({})).await;
    let made = tenant
        .check(
            &format!("POST /groups/{group}/appRoleAssignments"),
            wish(&group, &lab, READER),
            201,
            "Group",
        )
        .await;
    let id = made.body["id"].as_str().unwrap();
    let of_user = format!("/users/{ann}/appRoleAssignments");
    assert!(tenant.get(&of_user).await.values().is_empty());
    tenant
        .check(
            &format!("POST /groups/{group}/members/$ref"),
            tenant.link(&ann),
            204,
            "",
        )
        .await;
    let seen = tenant.get(&of_user).await;
    assert_eq!(
        (seen.column("id"), seen.column("principalType")),
        (vec![id], vec!["Group"])
    );
    tenant
        .check(&format!("DELETE {of_user}/{id}"), Value::Null, 404, "")
        .await;
    tenant
        .check(
            &format!("DELETE /groups/{group}/appRoleAssignments/{id}"),
            Value::Null,
            204,
            "",
        )
        .await;
    assert!(tenant.get(&of_user).await.values().is_empty());
}

#[tokio::test]
async fn roles_go_with_their_holder_and_come_back() {
    let tenant = Tenant::empty().await;
    let lab = lab(&tenant).await;
    let ann = tenant.hire("ann", json!({})).await;
    let of_app = format!("/servicePrincipals/{lab}/appRoleAssignedTo");
    tenant
        .check(&format!("POST {of_app}"), wish(&ann, &lab, READER), 201, "")
        .await;
    assert_eq!(
        tenant.sandbox.user(&ann).unwrap()["appRoles"],
        json!(["Lab/Lab.1"])
    );
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    assert!(tenant.get(&of_app).await.values().is_empty());
    tenant
        .check(
            &format!("POST /directory/deletedItems/{ann}/restore"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(tenant.get(&of_app).await.column("principalId"), [ann.as_str()]);
    tenant
        .check(&format!("DELETE /servicePrincipals/{lab}"), Value::Null, 204, "")
        .await;
    let of_user = format!("/users/{ann}/appRoleAssignments");
    assert!(tenant.get(&of_user).await.values().is_empty());
    tenant
        .check(
            &format!("POST /directory/deletedItems/{lab}/restore"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(tenant.get(&of_user).await.column("resourceId"), [lab.as_str()]);
}
