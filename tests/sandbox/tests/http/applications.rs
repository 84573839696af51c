//! Applications: register, change, delete, restore, refuse.

use serde_json::{Value, json};

use crate::Tenant;

const READER: &str = "0f4bd5c6-6c1a-4a7b-8a2b-6f1b1f0a0001";

fn role(id: &str, value: &str, enabled: bool) -> Value {
    json!({
        "allowedMemberTypes": ["User"], "description": "Reads", "displayName": value, "id": id,
        "isEnabled": enabled, "value": value,
    })
}

/// Registers an application with more properties; gives the id and the `appId`.
pub(crate) async fn register(tenant: &Tenant, name: &str, more: Value) -> (String, String) {
    let mut body = json!({ "displayName": name });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    let made = tenant.check("POST /applications", body, 201, "").await;
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("appId"))
}

#[tokio::test]
async fn an_application_lives_through_register_read_change_delete_restore() {
    let tenant = Tenant::empty().await;
    let more = json!({
        "@odata.type": "#microsoft.graph.application", "signInAudience": "AzureADMyOrg",
        "identifierUris": ["https://lab.contoso.example/app"], "web": { "redirectUris": ["https://lab.example/in"] },
        "appRoles": [role(READER, "Lab.Read", true)],
    });
    let (id, app) = register(&tenant, "Lab", more).await;
    let by_app = format!("/applications(appId='{app}')");
    for key in [format!("/applications/{id}"), by_app.clone()] {
        let found = tenant.get(&key).await;
        assert_eq!(
            (&found.body["id"], &found.body["displayName"]),
            (&json!(id), &json!("Lab"))
        );
        assert_eq!(found.body["publisherDomain"], "contosohealth.onmicrosoft.com");
        assert_eq!(
            found.body["web"]["implicitGrantSettings"]["enableIdTokenIssuance"],
            false
        );
        assert_eq!(found.body["passwordCredentials"], json!([]));
    }
    let listed = tenant
        .get("/applications?$filter=identifierUris/any(u:u eq 'https://lab.contoso.example/app')&$select=appId")
        .await;
    assert_eq!(listed.values(), &vec![json!({ "appId": app })]);
    let counted = tenant
        .eventual("/applications/$count?$filter=startswith(displayName,'La')")
        .await;
    assert_eq!(counted.text, "1");
    let searched = tenant
        .eventual("/applications?$search=\"displayName:lab\"&$count=true")
        .await;
    assert_eq!(
        (searched.column("id"), &searched.body["@odata.count"]),
        (vec![id.as_str()], &json!(1))
    );

    let change = json!({ "notes": "owned by IT", "web": { "homePageUrl": "https://lab.example" } });
    tenant.check(&format!("PATCH {by_app}"), change, 204, "").await;
    let found = tenant.get(&format!("/applications/{id}?$select=notes,web")).await;
    assert_eq!(found.body["notes"], "owned by IT");
    assert_eq!(
        found.body["web"]["redirectUris"],
        json!(["https://lab.example/in"]),
        "a part that is not named stays"
    );
    tenant
        .check(
            &format!("PATCH /applications/{id}"),
            json!({ "notes": null }),
            204,
            "",
        )
        .await;
    assert_eq!(tenant.get(&by_app).await.body["notes"], Value::Null);

    let made = tenant
        .check("POST /servicePrincipals", json!({ "appId": app }), 201, "")
        .await;
    tenant
        .check(&format!("DELETE /applications/{id}"), Value::Null, 204, "")
        .await;
    tenant
        .check(
            &format!("GET {by_app}"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
    let gone = tenant
        .get("/directory/deletedItems/microsoft.graph.application")
        .await;
    assert_eq!(gone.column("id"), [id.as_str()]);
    let followers = tenant.get("/directory/deletedItems/graph.servicePrincipal").await;
    assert_eq!(followers.column("id"), [made.body["id"].as_str().unwrap()]);
    let back = tenant
        .check(
            &format!("POST /directory/deletedItems/{id}/restore"),
            Value::Null,
            200,
            "#microsoft.graph.application",
        )
        .await;
    assert_eq!(back.body["appId"], json!(app));
    tenant
        .check(
            &format!("GET /servicePrincipals(appId='{app}')"),
            Value::Null,
            404,
            "",
        )
        .await;
}

#[tokio::test]
async fn registrations_are_refused_with_the_reason() {
    let tenant = Tenant::empty().await;
    let (id, _) = register(&tenant, "Lab", json!({ "identifierUris": ["api://lab"] })).await;
    let post = "POST /applications";
    let check = |more: Value| {
        let mut body = json!({ "displayName": "Other" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        body
    };
    tenant.check(post, json!({}), 400, "displayName").await;
    let taken = tenant
        .check(
            post,
            check(json!({ "identifierUris": ["api://lab"] })),
            400,
            "ObjectConflict",
        )
        .await;
    assert_eq!(
        taken.message(),
        "Another object with the same value for property identifierUris already exists."
    );
    let foreign = check(json!({ "identifierUris": ["https://contoso.example.evil.example/app"] }));
    let refused = tenant.check(post, foreign, 400, "verified domain").await;
    assert_eq!(refused.code(), "HostNameNotOnVerifiedDomain");
    tenant
        .check(
            post,
            check(json!({ "identifierUris": ["no uri"] })),
            400,
            "identifierUris",
        )
        .await;
    tenant
        .check(
            post,
            check(json!({ "signInAudience": "Everybody" })),
            400,
            "signInAudience",
        )
        .await;
    tenant
        .check(post, check(json!({ "appId": "x" })), 400, "read-only")
        .await;
    tenant
        .check(post, check(json!({ "colour": "red" })), 400, "RequestBodyRead")
        .await;
    tenant
        .check(
            post,
            check(json!({ "passwordCredentials": [{ "displayName": "x" }] })),
            400,
            "addPassword",
        )
        .await;
    for roles in [
        json!([role("no id", "a", true)]),
        json!([role(READER, "with space", true)]),
        json!([role(READER, "a", true), role(READER, "b", true)]),
        json!([{ "id": READER, "displayName": "a", "description": "a", "isEnabled": true, "allowedMemberTypes": [] }]),
    ] {
        tenant
            .check(post, check(json!({ "appRoles": roles })), 400, "appRoles")
            .await;
    }
    assert_eq!(
        tenant
            .get("/applications?$filter=displayName eq 'Other'")
            .await
            .values()
            .len(),
        0
    );
    tenant
        .check(
            &format!("PATCH /applications/{id}"),
            json!({ "displayName": null }),
            400,
            "displayName",
        )
        .await;
    tenant
        .check(
            "GET /applications(appId='00000000-0000-0000-0000-000000000001')",
            Value::Null,
            404,
            "",
        )
        .await;
    tenant.check("PUT /applications", json!({}), 405, "").await;
}

#[tokio::test]
async fn an_enabled_role_is_disabled_before_it_goes() {
    let tenant = Tenant::empty().await;
    let (id, app) = register(
        &tenant,
        "Lab",
        json!({ "appRoles": [role(READER, "Lab.Read", true)] }),
    )
    .await;
    tenant
        .check(
            "POST /servicePrincipals",
            json!({ "appId": app }),
            201,
            "Lab.Read",
        )
        .await;
    let patch = format!("PATCH /applications/{id}");
    let refused = tenant
        .check(&patch, json!({ "appRoles": [] }), 400, "disabled first")
        .await;
    assert_eq!(refused.code(), "CannotDeleteOrUpdateEnabledEntitlement");
    // Another value under the same id is no deletion, and the service principal follows.
    tenant
        .check(
            &patch,
            json!({ "appRoles": [role(READER, "Lab.Look", false)] }),
            204,
            "",
        )
        .await;
    let seen = tenant
        .get(&format!("/servicePrincipals(appId='{app}')?$select=appRoles"))
        .await;
    assert_eq!(seen.body["appRoles"][0]["value"], "Lab.Look");
    tenant.check(&patch, json!({ "appRoles": [] }), 204, "").await;
}

#[tokio::test]
async fn owners_and_secrets_are_added_and_removed() {
    let tenant = Tenant::empty().await;
    let (id, _) = register(&tenant, "Lab", json!({})).await;
    let ann = tenant.hire("ann", json!({})).await;
    let owners = format!("/applications/{id}/owners");
    tenant
        .check(&format!("POST {owners}/$ref"), tenant.link(&ann), 204, "")
        .await;
    tenant
        .check(&format!("POST {owners}/$ref"), tenant.link(&ann), 400, "'owners'")
        .await;
    assert_eq!(tenant.get(&owners).await.column("id"), [ann.as_str()]);
    let users = tenant
        .get(&format!("{owners}/microsoft.graph.user?$select=id"))
        .await;
    assert_eq!(users.column("id"), [ann.as_str()]);
    let others = tenant.get(&format!("{owners}/graph.servicePrincipal")).await;
    assert!(others.values().is_empty());
    assert_eq!(tenant.eventual(&format!("{owners}/$count")).await.text, "1");
    let references = tenant.get(&format!("{owners}/$ref")).await;
    assert!(references.column("@odata.id")[0].ends_with(&ann));
    let expanded = tenant
        .get(&format!("/applications/{id}?$expand=owners($select=id)"))
        .await;
    assert_eq!(expanded.body["owners"][0]["id"], json!(ann));
    tenant
        .check(&format!("DELETE {owners}/{ann}/$ref"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {owners}/{ann}/$ref"), Value::Null, 404, "")
        .await;

    let add = format!("POST /applications/{id}/addPassword");
    let wish = json!({ "passwordCredential": { "displayName": "pipeline" } });
    let made = tenant.check(&add, wish, 200, "secretText").await;
    let secret = made.body["secretText"].as_str().unwrap();
    assert!(secret.len() > 30);
    let seen = tenant.get(&format!("/applications/{id}")).await;
    assert!(!seen.text.contains(secret), "the secret is shown once");
    assert_eq!(seen.body["passwordCredentials"][0]["displayName"], "pipeline");
    assert_eq!(seen.body["passwordCredentials"][0]["hint"], secret[..3]);
    let remove = format!("POST /applications/{id}/removePassword");
    let key = json!({ "keyId": made.body["keyId"] });
    tenant.check(&remove, key.clone(), 204, "").await;
    tenant.check(&remove, key, 400, "No password credential").await;
}

#[tokio::test]
async fn delta_tells_what_became_of_applications() {
    let tenant = Tenant::empty().await;
    let link = async |path: &str| {
        let reply = tenant.get(path).await;
        let link = reply.body["@odata.deltaLink"].as_str().unwrap().to_owned();
        (reply, link)
    };
    let (all, next) = link("/applications/delta()?$select=displayName").await;
    assert_eq!(all.column("displayName"), ["Identity lifecycle"]);
    let (id, app) = register(&tenant, "Lab", json!({})).await;
    let (new, next) = link(&next).await;
    assert_eq!(new.column("id"), [id.as_str()]);
    let (_, principals) = link("/servicePrincipals/delta?$deltatoken=latest").await;
    let made = tenant
        .check("POST /servicePrincipals", json!({ "appId": app }), 201, "")
        .await;
    let (new, _) = link(&principals).await;
    assert_eq!(new.column("id"), [made.body["id"].as_str().unwrap()]);
    tenant
        .check(&format!("DELETE /applications/{id}"), Value::Null, 204, "")
        .await;
    let (gone, _) = link(&next).await;
    assert_eq!(gone.values()[0]["@removed"]["reason"], "changed");
    let other = next.replace("/applications/", "/servicePrincipals/");
    tenant
        .check(&format!("GET {other}"), Value::Null, 400, "token")
        .await;
}
