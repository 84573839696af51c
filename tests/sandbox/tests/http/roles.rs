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
    let principal = tenant.get(&format!("{at}/{id}/principal")).await;
    assert_eq!(principal.body["displayName"], "ann");
    let count = format!("{at}/$count?$filter=principalId eq '{ann}'");
    assert_eq!(tenant.eventual(&count).await.text, "1");
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
    assert!(
        found.values()[0].get("isPrivileged").is_none(),
        "a property of beta alone"
    );
    let root = tenant.sandbox.graph().replace("v1.0", "beta");
    let beta = tenant
        .get(&format!(
            "{root}/roleManagement/directory/roleDefinitions/{READER}"
        ))
        .await;
    assert_eq!(beta.body["isPrivileged"], true);
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

#[tokio::test]
async fn a_role_is_activated_once_and_has_members() {
    let tenant = Tenant::empty().await;
    let (ann, bob) = (
        tenant.hire("ann", json!({})).await,
        tenant.hire("bob", json!({})).await,
    );
    let template = tenant.get(&format!("/directoryRoleTemplates/{READER}")).await;
    assert_eq!(template.body["displayName"], "Security Reader");
    assert!(tenant.get("/directoryRoleTemplates").await.values().len() >= 20);
    tenant
        .check(
            &format!("GET /directoryRoles(roleTemplateId='{READER}')"),
            Value::Null,
            404,
            "",
        )
        .await;
    let activate = json!({ "roleTemplateId": READER });
    let made = tenant
        .check("POST /directoryRoles", activate.clone(), 201, "Security Reader")
        .await
        .body;
    assert_eq!(made["roleTemplateId"], READER);
    tenant
        .check("POST /directoryRoles", activate, 400, "conflicting object")
        .await;
    tenant
        .check("POST /directoryRoles", json!({}), 400, "roleTemplateId")
        .await;
    tenant
        .check("POST /directoryRoles", json!({ "roleTemplateId": "0" }), 404, "")
        .await;
    let at = format!("/directoryRoles/{}", made["id"].as_str().unwrap());
    let add = format!("POST {at}/members/$ref");
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    tenant.check(&add, tenant.link(&bob), 204, "").await;
    tenant.check(&add, tenant.link(&ann), 400, "already exist").await;
    tenant.check(&add, tenant.link("nobody"), 404, "").await;
    let plain = tenant.security_group("plain", json!({})).await;
    tenant
        .check(&add, tenant.link(&plain), 400, "isAssignableToRole")
        .await;
    assert_eq!(
        tenant.names(&format!("{at}/members/microsoft.graph.user")).await,
        ["ann", "bob"]
    );
    assert_eq!(tenant.eventual(&format!("{at}/members/$count")).await.text, "2");
    let expanded = tenant
        .get(&format!("{at}?$expand=members($select=id)"))
        .await
        .body;
    assert_eq!(expanded["members"].as_array().unwrap().len(), 2);
    // The same as an assignment.
    let held = tenant
        .get(&format!(
            "/roleManagement/directory/roleAssignments?$filter=roleDefinitionId eq '{READER}'"
        ))
        .await;
    assert_eq!(held.column("principalId"), [ann.as_str(), bob.as_str()]);
    tenant
        .check(&format!("DELETE {at}/members/{ann}/$ref"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {at}/members/{ann}/$ref"), Value::Null, 404, "")
        .await;
    tenant
        .check(&format!("DELETE {at}/members/{bob}/$ref"), Value::Null, 204, "")
        .await;
    assert_eq!(tenant.get(&at).await.status, 200, "activated for good");
    let filtered = tenant
        .get("/directoryRoles?$filter=displayName eq 'Security Reader'&$select=id")
        .await;
    assert_eq!(filtered.values().len(), 1);
}

#[tokio::test]
async fn a_domain_says_who_uses_it() {
    let tenant = Tenant::empty().await;
    tenant
        .hire(
            "ann",
            json!({ "userPrincipalName": "ann@contosohealth.onmicrosoft.com" }),
        )
        .await;
    let domain = tenant.get("/domains/contosohealth.onmicrosoft.com").await.body;
    assert_eq!(
        (&domain["isInitial"], &domain["isVerified"]),
        (&json!(true), &json!(true))
    );
    let users = tenant
        .get("/domains/contosohealth.onmicrosoft.com/domainNameReferences")
        .await;
    assert_eq!(users.column("displayName"), ["ann"]);
    assert_eq!(users.header("x-ms-resource-unit"), "4");
    let verified = tenant.get("/domains?$filter=isVerified eq true&$select=id").await;
    assert_eq!(verified.values().len(), 2);
    tenant
        .check("GET /domains/elsewhere.example", Value::Null, 404, "")
        .await;
    tenant
        .check(
            "GET /domains/elsewhere.example/domainNameReferences",
            Value::Null,
            404,
            "",
        )
        .await;
}

#[tokio::test]
async fn the_tenant_makes_roles_of_its_own_gives_changes_and_deletes_them() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let at = "/roleManagement/directory/roleDefinitions";
    let post = format!("POST {at}");
    let permissions = json!([{ "allowedResourceActions": ["microsoft.directory/groups/basic/update"] }]);
    let draft = json!({ "displayName": "Group editors", "isEnabled": true, "rolePermissions": permissions });
    for (property, value, message) in [
        ("displayName", Value::Null, "displayName"),
        ("isEnabled", Value::Null, "isEnabled"),
        (
            "rolePermissions",
            json!([{ "allowedResourceActions": [] }]),
            "rolePermissions",
        ),
        (
            "rolePermissions",
            json!([{ "allowedResourceActions": ["everything"] }]),
            "everything",
        ),
        ("isBuiltIn", json!(true), "isBuiltIn"),
        ("colour", json!("red"), "colour"),
    ] {
        let mut wrong = draft.clone();
        wrong[property] = value;
        tenant.check(&post, wrong, 400, message).await;
    }
    let made = tenant.check(&post, draft, 201, "").await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (
            &made.body["isBuiltIn"],
            &made.body["templateId"],
            &made.body["resourceScopes"]
        ),
        (&json!(false), &json!(id), &json!(["/"]))
    );
    assert!(made.header("location").ends_with(&id));
    let own = tenant.get(&format!("{at}?$filter=isBuiltIn eq false")).await;
    assert_eq!(own.column("displayName"), ["Group editors"]);

    let held = tenant
        .check(
            "POST /roleManagement/directory/roleAssignments",
            assignment(&id, &ann),
            201,
            "",
        )
        .await;
    let shown = format!(
        "/roleManagement/directory/roleAssignments/{}?$expand=roleDefinition",
        held.body["id"].as_str().unwrap()
    );
    let shown = tenant.get(&shown).await;
    assert_eq!(shown.body["roleDefinition"]["displayName"], "Group editors");
    assert_eq!(
        tenant.sandbox.user(&ann).unwrap()["roles"],
        json!(["Group editors"])
    );

    let one = format!("{at}/{id}");
    tenant
        .check(
            &format!("PATCH {one}"),
            json!({ "displayName": "Editors", "isEnabled": false }),
            204,
            "",
        )
        .await;
    assert_eq!(tenant.get(&one).await.body["displayName"], "Editors");
    let bob = tenant.hire("bob", json!({})).await;
    tenant
        .check(
            "POST /roleManagement/directory/roleAssignments",
            assignment(&id, &bob),
            400,
            "not enabled",
        )
        .await;
    tenant
        .check(
            &format!("PATCH {at}/{READER}"),
            json!({ "description": "x" }),
            400,
            "Built-in",
        )
        .await;
    tenant
        .check(&format!("DELETE {at}/{READER}"), Value::Null, 400, "Built-in")
        .await;
    tenant.check(&format!("DELETE {one}"), Value::Null, 204, "").await;
    tenant.check(&format!("DELETE {one}"), Value::Null, 404, "").await;
    assert_eq!(tenant.sandbox.user(&ann).unwrap()["roles"], json!([]));
}
