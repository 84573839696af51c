//! Service principals: made once from their applications, with permissions and secrets of their own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::applications::register;
use crate::{Reply, Tenant, read};

#[tokio::test]
async fn a_service_principal_is_made_once_from_its_application() {
    let tenant = Tenant::empty().await;
    let (_, app) = register(&tenant, "Lab", json!({ "tags": ["x"] })).await;
    let post = "POST /servicePrincipals";
    let made = tenant.check(post, json!({ "appId": app }), 201, "").await;
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        made.header("location"),
        format!("{}/servicePrincipals/{id}", tenant.sandbox.graph())
    );
    assert_eq!(made.body["appDisplayName"], "Lab");
    assert_eq!(made.body["servicePrincipalNames"], json!([app]));
    assert_eq!(made.body["appRoleAssignmentRequired"], false);
    let again = tenant
        .check(post, json!({ "appId": app }), 409, "already in use")
        .await;
    assert_eq!(again.code(), "Request_MultipleObjectsWithSameKeyValue");
    assert_eq!(
        again.body["error"]["details"][0]["target"],
        "servicePrincipalNames"
    );
    tenant.check(post, json!({}), 400, "appId").await;
    let unknown = json!({ "appId": "00000000-0000-0000-0000-0000000000aa" });
    tenant
        .check(post, unknown, 400, "NoBackingApplicationObject")
        .await;

    let group = tenant.security_group("robots", json!({})).await;
    let join = format!("POST /groups/{group}/members/$ref");
    tenant.check(&join, tenant.link(id), 204, "").await;
    let ask = format!("POST /servicePrincipals/{id}/getMemberGroups");
    let found = tenant
        .check(&ask, json!({ "securityEnabledOnly": false }), 200, "")
        .await;
    assert_eq!(found.body["value"], json!([group]));
    let key = format!("/servicePrincipals(appId='{app}')");
    tenant
        .check(
            &format!("PATCH {key}"),
            json!({ "accountEnabled": false, "notes": "off" }),
            204,
            "",
        )
        .await;
    let found = tenant
        .get(&format!("/servicePrincipals/{id}?$select=accountEnabled,notes"))
        .await;
    assert_eq!(
        (&found.body["accountEnabled"], &found.body["notes"]),
        (&json!(false), &json!("off"))
    );
    tenant
        .check(&format!("PATCH {key}"), json!({ "appId": id }), 400, "read-only")
        .await;
    let listed = tenant
        .get(&format!(
            "/servicePrincipals?$filter=servicePrincipalNames/any(n:n eq '{app}')"
        ))
        .await;
    assert_eq!(listed.column("id"), [id]);

    tenant
        .check(&format!("DELETE /servicePrincipals/{id}"), Value::Null, 204, "")
        .await;
    let second = tenant.check(post, json!({ "appId": app }), 201, "").await;
    let restore = format!("POST /directory/deletedItems/{id}/restore");
    tenant.check(&restore, Value::Null, 409, "already in use").await;
    let second = second.body["id"].as_str().unwrap();
    tenant
        .check(
            &format!("DELETE /servicePrincipals/{second}"),
            Value::Null,
            204,
            "",
        )
        .await;
    tenant
        .check(&restore, Value::Null, 200, "#microsoft.graph.servicePrincipal")
        .await;
    assert_eq!(tenant.get(&key).await.body["id"], json!(id));
}

#[tokio::test]
async fn the_client_and_its_permissions_are_there() {
    let tenant = Tenant::empty().await;
    let app = tenant.sandbox.client_id();
    let own = tenant.get(&format!("/applications(appId='{app}')")).await;
    assert_eq!(own.body["displayName"], "Identity lifecycle");
    let graph = tenant
        .get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appRoles")
        .await;
    let roles = graph.body["appRoles"].as_array().unwrap();
    let id = |value: &str| {
        let role = roles.iter().find(|role| role["value"] == value).unwrap();
        role["id"].clone()
    };
    let held = tenant
        .get(&format!("/servicePrincipals(appId='{app}')/appRoleAssignments"))
        .await;
    let open = tenant
        .get("/servicePrincipals?$filter=appRoleAssignmentRequired eq false")
        .await;
    assert!(open.column("appId").contains(&app), "never set is false");
    let held: Vec<&Value> = held.values().iter().map(|row| &row["appRoleId"]).collect();
    assert!(held.contains(&&id("User.ReadWrite.All")) && !held.contains(&&id("Directory.Read.All")));

    // A batch goes the same way.
    let batch = json!({ "requests": [
        { "id": "1", "method": "POST", "url": "/applications", "body": { "displayName": "Lab" },
          "headers": { "content-type": "application/json" } },
        { "id": "2", "method": "GET", "url": "/applications?$filter=displayName eq 'Lab'", "dependsOn": ["1"] },
    ] });
    let root = tenant.sandbox.graph();
    let answer = read(tenant.request("POST", &format!("{root}/$batch")).json(&batch)).await;
    let answers = answer.body["responses"].as_array().unwrap();
    let of = |id: &str| answers.iter().find(|item| item["id"] == id).unwrap();
    assert_eq!(of("1")["status"], 201);
    assert_eq!(of("2")["body"]["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_application_signs_in_with_its_own_secret_until_it_ends() {
    let tenant = Tenant::empty().await;
    let (id, app) = register(&tenant, "Robot", json!({})).await;
    let end = (tenant.sandbox.now() + Duration::from_hours(1)).to_string();
    let wish = json!({ "passwordCredential": { "displayName": "night", "endDateTime": end } });
    let made = tenant
        .check(&format!("POST /applications/{id}/addPassword"), wish, 200, "")
        .await;
    let secret = made.body["secretText"].as_str().unwrap().to_owned();
    let sign_in = async |secret: &str| {
        let mut form = tenant.form();
        form[1].1.clone_from(&app);
        secret.clone_into(&mut form[2].1);
        tenant.token_request(&form).await
    };
    let code = |reply: &Reply| reply.body["error_codes"][0].as_u64();
    assert_eq!(
        code(&sign_in(&secret).await),
        Some(700_016),
        "it is not in this tenant yet"
    );
    let principal = tenant
        .check("POST /servicePrincipals", json!({ "appId": app }), 201, "")
        .await;
    let principal = principal.body["id"].as_str().unwrap();
    assert_eq!(code(&sign_in("wrong").await), Some(7_000_215));
    assert_eq!(
        code(&sign_in(tenant.sandbox.client_secret()).await),
        Some(7_000_215)
    );
    let graph = tenant
        .get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')?$select=id,appRoles")
        .await;
    let roles = graph.body["appRoles"].as_array().unwrap();
    let read = roles
        .iter()
        .find(|role| role["value"] == "User.Read.All")
        .unwrap();
    let wish = json!({ "principalId": principal, "resourceId": graph.body["id"], "appRoleId": read["id"] });
    let at = format!("POST /servicePrincipals/{principal}/appRoleAssignments");
    tenant.check(&at, wish, 201, "").await;
    let reply = sign_in(&secret).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let token = reply.body["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["appid"], &claims["oid"], &claims["roles"]),
        (&json!(app), &json!(principal), &json!(["User.Read.All"]))
    );
    let off = json!({ "accountEnabled": false });
    let patch = format!("PATCH /servicePrincipals/{principal}");
    tenant.check(&patch, off, 204, "").await;
    assert_eq!(code(&sign_in(&secret).await), Some(7_000_112));
    tenant
        .check(&patch, json!({ "accountEnabled": true }), 204, "")
        .await;
    tenant.sandbox.advance(Duration::from_hours(1));
    assert_eq!(code(&sign_in(&secret).await), Some(7_000_222));
}
