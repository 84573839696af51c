//! Application permissions: what a token may do by its `roles`.

use serde_json::{Value, json};

use crate::{Reply, Tenant, draft, read};

/// A token with these permissions alone.
async fn with(tenant: &Tenant, roles: &[&str]) -> String {
    let url = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let reply = read(tenant.http.post(url).json(&json!({ "roles": roles }))).await;
    reply.body["access_token"].as_str().unwrap().to_owned()
}

async fn ask(tenant: &Tenant, token: &str, request: &str, body: Value) -> Reply {
    let (method, path) = request.split_once(' ').unwrap();
    let url = format!("{}{path}", tenant.sandbox.graph());
    let mut request = tenant
        .http
        .request(method.parse().unwrap(), url)
        .bearer_auth(token);
    if !body.is_null() {
        request = request.json(&body);
    }
    read(request).await
}

const DENIED: (&str, &str) = (
    "Authorization_RequestDenied",
    "Insufficient privileges to complete the operation.",
);

/// Each operation with the least privileged permission of its page, and the code by which its service refuses.
#[tokio::test]
async fn an_operation_needs_its_permission_and_the_least_one_is_enough() {
    let tenant = Tenant::start().await;
    let ann = tenant.hire("ann", json!({ "usageLocation": "AU" })).await;
    let bob = tenant.hire("bob", json!({})).await;
    let plain = tenant.security_group("plain", json!({})).await;
    let skus = tenant.get("/subscribedSkus").await;
    let sku = skus
        .values()
        .iter()
        .find(|sku| sku["skuPartNumber"] == "SPE_E3")
        .unwrap()["skuId"]
        .clone();
    let graph = "https://graph.microsoft.com/v1.0";
    let reference = json!({ "@odata.id": format!("{graph}/directoryObjects/{ann}") });
    let sp = tenant
        .get("/servicePrincipals?$filter=displayName eq 'Claims portal'&$select=id,appRoles")
        .await;
    let sp = sp.values().first().cloned();
    let reader = "5d6b6bb7-de71-4623-b4af-96380a352509";
    let licence = json!({ "addLicenses": [{ "skuId": sku }], "removeLicenses": [] });
    let mail = json!({ "message": {
        "subject": "Hi", "body": { "contentType": "Text", "content": "Hi" },
        "toRecipients": [{ "emailAddress": { "address": "hr@contoso.example" } }],
    } });
    let null = Value::Null;
    let mut rows = vec![
        (
            "GET /users?$top=1".to_owned(),
            null.clone(),
            "User.Read.All",
            200,
            DENIED.0,
        ),
        (
            format!("GET /users/{ann}"),
            null.clone(),
            "User.Read.All",
            200,
            DENIED.0,
        ),
        (
            "GET /users/delta?$deltatoken=latest".to_owned(),
            null.clone(),
            "User.Read.All",
            200,
            DENIED.0,
        ),
        (
            "POST /users".to_owned(),
            draft("cem", json!({})),
            "User.ReadWrite.All",
            201,
            DENIED.0,
        ),
        (
            format!("PATCH /users/{ann}"),
            json!({ "city": "Perth" }),
            "User.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            format!("PATCH /users/{ann}"),
            json!({ "accountEnabled": false }),
            "User.EnableDisableAccount.All",
            204,
            DENIED.0,
        ),
        (
            format!("PATCH /users/{ann}"),
            json!({ "passwordProfile": { "password": "xK9-fw2p!Q-riverbed" } }),
            "User-PasswordProfile.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            format!("PUT /users/{ann}/manager/$ref"),
            json!({ "@odata.id": format!("{graph}/users/{bob}") }),
            "User.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            format!("POST /users/{ann}/revokeSignInSessions"),
            null.clone(),
            "User.RevokeSessions.All",
            200,
            DENIED.0,
        ),
        (
            format!("GET /users/{ann}/licenseDetails"),
            null.clone(),
            "LicenseAssignment.Read.All",
            200,
            DENIED.0,
        ),
        (
            format!("POST /users/{ann}/assignLicense"),
            licence,
            "LicenseAssignment.ReadWrite.All",
            200,
            DENIED.0,
        ),
        (
            format!("GET /users/{ann}/memberOf"),
            null.clone(),
            "Directory.Read.All",
            200,
            DENIED.0,
        ),
        (
            format!("GET /groups/{plain}"),
            null.clone(),
            "GroupMember.Read.All",
            200,
            DENIED.0,
        ),
        (
            format!("POST /groups/{plain}/members/$ref"),
            reference,
            "GroupMember.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            format!("DELETE /groups/{plain}/members/{ann}/$ref"),
            null.clone(),
            "GroupMember.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            format!("PATCH /groups/{plain}"),
            json!({ "description": "x" }),
            "Group.ReadWrite.All",
            204,
            DENIED.0,
        ),
        (
            "GET /subscribedSkus".to_owned(),
            null.clone(),
            "Organization.Read.All",
            200,
            DENIED.0,
        ),
        (
            "GET /organization".to_owned(),
            null.clone(),
            "Organization.Read.All",
            200,
            DENIED.0,
        ),
        (
            "GET /domains".to_owned(),
            null.clone(),
            "Domain.Read.All",
            200,
            DENIED.0,
        ),
        (
            "GET /roleManagement/directory/roleAssignments".to_owned(),
            null.clone(),
            "RoleManagement.Read.Directory",
            200,
            DENIED.0,
        ),
        (
            "POST /roleManagement/directory/roleAssignments".to_owned(),
            json!({ "roleDefinitionId": reader, "principalId": bob, "directoryScopeId": "/" }),
            "RoleManagement.ReadWrite.Directory",
            201,
            DENIED.0,
        ),
        (
            "GET /roleManagement/directory/roleEligibilitySchedules".to_owned(),
            null.clone(),
            "RoleEligibilitySchedule.Read.Directory",
            200,
            "UnknownError",
        ),
        (
            "GET /directoryRoles".to_owned(),
            null.clone(),
            "RoleManagement.Read.Directory",
            200,
            DENIED.0,
        ),
        (
            "POST /directory/administrativeUnits".to_owned(),
            json!({ "displayName": "West" }),
            "AdministrativeUnit.ReadWrite.All",
            201,
            DENIED.0,
        ),
        (
            "POST /applications".to_owned(),
            json!({ "displayName": "Mine" }),
            "Application.ReadWrite.OwnedBy",
            201,
            DENIED.0,
        ),
        (
            "GET /servicePrincipals?$top=1".to_owned(),
            null.clone(),
            "Application.Read.All",
            200,
            DENIED.0,
        ),
        (
            format!("GET /users/{ann}/authentication/methods"),
            null.clone(),
            "UserAuthenticationMethod.Read.All",
            200,
            "accessDenied",
        ),
        (
            format!("POST /users/{bob}/authentication/temporaryAccessPassMethods"),
            json!({ "lifetimeInMinutes": 60 }),
            "UserAuthenticationMethod.ReadWrite.All",
            201,
            "accessDenied",
        ),
        (
            "GET /auditLogs/directoryAudits?$top=1".to_owned(),
            null.clone(),
            "AuditLog.Read.All",
            200,
            "Authentication_MSGraphPermissionMissing",
        ),
        (
            "GET /identity/conditionalAccess/policies".to_owned(),
            null.clone(),
            "Policy.Read.All",
            200,
            "AccessDenied",
        ),
        (
            "POST /users/hr@contoso.example/sendMail".to_owned(),
            mail,
            "Mail.Send",
            202,
            "ErrorAccessDenied",
        ),
        (
            "GET /users/hr@contoso.example/mailboxSettings".to_owned(),
            null.clone(),
            "MailboxSettings.Read",
            200,
            "ErrorAccessDenied",
        ),
        (
            "GET /users/hr@contoso.example/messages".to_owned(),
            null.clone(),
            "Mail.Read",
            200,
            "ErrorAccessDenied",
        ),
        (
            format!("DELETE /users/{ann}"),
            null.clone(),
            "User.DeleteRestore.All",
            204,
            DENIED.0,
        ),
    ];
    if let Some(sp) = sp {
        let role = sp["appRoles"][0]["id"].clone();
        let wish = json!({ "principalId": bob, "resourceId": sp["id"], "appRoleId": role });
        let grant = format!("POST /users/{bob}/appRoleAssignments");
        rows.push((grant, wish, "AppRoleAssignment.ReadWrite.All", 201, DENIED.0));
    }
    // Something, so that the token is not refused for being empty.
    let other = with(&tenant, &["Calendars.Read"]).await;
    for (request, body, permission, status, code) in rows {
        let refused = ask(&tenant, &other, &request, body.clone()).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, code),
            "{request}: {}",
            refused.text
        );
        let token = with(&tenant, &[permission]).await;
        let done = ask(&tenant, &token, &request, body).await;
        assert_eq!(done.status, status, "{request} with {permission}: {}", done.text);
    }
    let refused = ask(&tenant, &other, "GET /users", Value::Null).await;
    assert_eq!((refused.code(), refused.message()), DENIED);
}

#[tokio::test]
async fn reading_is_not_writing_and_some_things_need_two_permissions() {
    let tenant = Tenant::empty().await;
    let ann = tenant.hire("ann", json!({})).await;
    let role_group = tenant
        .security_group("admins", json!({ "isAssignableToRole": true }))
        .await;
    let plain = tenant.security_group("plain", json!({})).await;
    let check = async |roles: &[&str], request: String, body: Value, status: u16| {
        let reply = ask(&tenant, &with(&tenant, roles).await, &request, body).await;
        assert_eq!(reply.status, status, "{request} with {roles:?}: {}", reply.text);
    };
    let patch = format!("PATCH /users/{ann}");
    let city = json!({ "city": "Perth" });
    check(
        &["User.Read.All", "Directory.Read.All"],
        patch.clone(),
        city.clone(),
        403,
    )
    .await;
    check(&["User.EnableDisableAccount.All"], patch.clone(), city, 403).await;
    let password = json!({ "city": "Bern", "passwordProfile": { "password": "xK9-fw2p!Q-riverbed" } });
    check(&["User.ReadWrite.All"], patch.clone(), password.clone(), 403).await;
    assert!(
        tenant.sandbox.user(&ann).unwrap()["city"].is_null(),
        "nothing was changed"
    );
    check(
        &["User.ReadWrite.All", "User-PasswordProfile.ReadWrite.All"],
        patch,
        password,
        204,
    )
    .await;

    let activity = "GET /users?$select=id,signInActivity".to_owned();
    check(&["User.Read.All"], activity.clone(), Value::Null, 403).await;
    check(
        &["User.Read.All", "AuditLog.Read.All"],
        activity,
        Value::Null,
        200,
    )
    .await;

    let reference = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/users/{ann}") });
    let join = |group: &str| format!("POST /groups/{group}/members/$ref");
    check(&["Group.ReadWrite.All"], join(&plain), reference.clone(), 204).await;
    check(
        &["Group.ReadWrite.All"],
        join(&role_group),
        reference.clone(),
        403,
    )
    .await;
    let both = ["Group.ReadWrite.All", "RoleManagement.ReadWrite.Directory"];
    check(&both, join(&role_group), reference, 204).await;
}

#[tokio::test]
async fn items_of_a_batch_are_refused_one_by_one_and_users_are_not_asked_for_roles() {
    let tenant = Tenant::empty().await;
    let token = with(&tenant, &["User.Read.All"]).await;
    let batch = json!({ "requests": [
        { "id": "1", "method": "GET", "url": "/users?$top=1" },
        { "id": "2", "method": "GET", "url": "/groups" },
    ] });
    let reply = ask(&tenant, &token, "POST /$batch", batch).await;
    let status = |id: &str| {
        let all = reply.body["responses"].as_array().unwrap();
        all.iter().find(|item| item["id"] == id).unwrap()["status"].clone()
    };
    assert_eq!(
        (status("1"), status("2")),
        (json!(200), json!(403)),
        "{}",
        reply.text
    );

    let url = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let wish = json!({ "user": "break-glass@contoso.example", "roles": [] });
    let user = read(tenant.http.post(url).json(&wish)).await;
    let token = user.body["access_token"].as_str().unwrap();
    assert_eq!(ask(&tenant, token, "GET /users", Value::Null).await.status, 200);
}
