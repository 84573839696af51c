//! Directory roles.

use serde_json::{Value, json};

use crate::Tenant;

const READER: &str = "5d6b6bb7-de71-4623-b4af-96380a352509";

fn assignment(role: &str, principal: &str) -> Value {
    json!({ "roleDefinitionId": role, "principalId": principal, "directoryScopeId": "/" })
}

#[tokio::test]
async fn roles_are_given_and_taken() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let at = "/roleManagement/directory/roleAssignments";
    let made = tenant
        .check(&format!("POST {at}"), assignment(READER, &ann), 201, "")
        .await;
    let id = made.body["id"].as_str().unwrap();
    let twice =
        "A conflicting object with one or more of the specified property values is present in the directory.";
    tenant
        .check(&format!("POST {at}"), assignment(READER, &ann), 400, twice)
        .await;
    tenant
        .check(&format!("POST {at}"), assignment("0", &ann), 404, "")
        .await;
    tenant
        .check(&format!("POST {at}"), assignment(READER, "nobody"), 404, "")
        .await;
    tenant
        .check(
            &format!("POST {at}"),
            json!({ "principalId": ann }),
            400,
            "roleDefinitionId",
        )
        .await;
    let group = tenant.security_group("plain", json!({})).await;
    tenant
        .check(
            &format!("POST {at}"),
            assignment(READER, &group),
            400,
            "isAssignableToRole",
        )
        .await;
    let held = tenant
        .get(&format!(
            "{at}?$filter=principalId eq '{ann}'&$expand=roleDefinition"
        ))
        .await;
    assert_eq!(held.values().len(), 1);
    assert_eq!(
        held.values()[0]["roleDefinition"]["displayName"],
        "Security Reader"
    );
    let all = tenant
        .get(&format!("{at}?$filter=roleDefinitionId eq '{READER}'"))
        .await;
    assert_eq!(all.column("principalId"), [ann.as_str()]);
    assert_eq!(
        tenant.get(&format!("{at}/{id}")).await.body["principalId"],
        json!(ann)
    );
    let member_of = tenant.get(&format!("/users/{ann}/memberOf")).await;
    assert_eq!(
        member_of.column("@odata.type"),
        ["#microsoft.graph.directoryRole"]
    );
    let active = tenant.get("/directoryRoles").await;
    assert_eq!(
        active.column("displayName"),
        ["Global Administrator", "Security Reader"]
    );
    let role = active.values()[1]["id"].as_str().unwrap();
    for key in [
        format!("/directoryRoles/{role}"),
        format!("/directoryRoles(roleTemplateId='{READER}')"),
    ] {
        assert_eq!(
            tenant.get(&format!("{key}/members")).await.column("id"),
            [ann.as_str()],
            "{key}"
        );
    }
    tenant
        .check(&format!("DELETE {at}/{id}"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {at}/{id}"), Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn built_in_roles_are_listed() {
    let tenant = Tenant::empty().await;
    let all = tenant.get("/roleManagement/directory/roleDefinitions").await;
    assert!(all.values().len() >= 20);
    let found = tenant
        .get("/roleManagement/directory/roleDefinitions?$filter=displayName eq 'Helpdesk Administrator'")
        .await;
    assert_eq!(found.column("id"), ["729827e3-9c14-49f7-bb1b-9608f156bbb8"]);
    assert_eq!(found.values()[0]["isPrivileged"], true);
    let one = tenant
        .get(&format!("/roleManagement/directory/roleDefinitions/{READER}"))
        .await;
    assert_eq!(one.body["displayName"], "Security Reader");
    let admins = tenant
        .get("/roleManagement/directory/roleAssignments?$expand=principal")
        .await;
    assert_eq!(
        admins.values()[0]["principal"]["userPrincipalName"],
        "break-glass@contoso.example"
    );
}

#[tokio::test]
async fn the_tenant_describes_itself() {
    let tenant = Tenant::empty().await;
    let found = tenant.get("/organization").await;
    assert_eq!(found.column("id"), [tenant.sandbox.tenant_id()]);
    let domains = tenant.get("/domains").await;
    assert_eq!(
        domains.column("id"),
        ["contoso.example", "contosohealth.onmicrosoft.com"]
    );
    let app = tenant.sandbox.client_id();
    let found = tenant
        .get(&format!("/servicePrincipals?$filter=appId eq '{app}'"))
        .await;
    assert_eq!(found.column("appId"), [app]);
    assert_eq!(
        tenant
            .get(&format!("/servicePrincipals(appId='{app}')"))
            .await
            .body["appId"],
        app
    );
}
