//! OneDrive hand-over ("Send a sharing invitation").

use std::time::Duration;

use serde_json::{Value, json};

use crate::Tenant;

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const SHAREPOINT: &str = "5dbe027f-2339-4123-9542-606e4d348a72";

async fn licence(tenant: &Tenant, user: &str, add: Value, remove: Value) {
    let body = json!({ "addLicenses": add, "removeLicenses": remove });
    tenant
        .check(&format!("POST /users/{user}/assignLicense"), body, 200, "")
        .await;
}

#[tokio::test]
async fn a_drive_comes_and_goes_with_the_licence() {
    let tenant = Tenant::start().await;
    let ann = tenant.hire("ann", json!({ "usageLocation": "AU" })).await;
    let path = format!("/users/{ann}/drive");
    tenant
        .check(&format!("GET {path}"), Value::Null, 404, "mysite not found")
        .await;
    assert!(
        tenant
            .get(&format!("/users/{ann}/drives"))
            .await
            .values()
            .is_empty()
    );
    // With SharePoint switched off there is no drive either.
    licence(
        &tenant,
        &ann,
        json!([{ "skuId": E3, "disabledPlans": [SHAREPOINT] }]),
        json!([]),
    )
    .await;
    tenant
        .check(&format!("GET {path}/root"), Value::Null, 404, "ResourceNotFound")
        .await;
    licence(
        &tenant,
        &ann,
        json!([{ "skuId": E3, "disabledPlans": [] }]),
        json!([]),
    )
    .await;
    let drive = tenant.get(&path).await;
    assert_eq!(
        (drive.status, &drive.body["driveType"]),
        (200, &json!("business")),
        "{}",
        drive.text
    );
    assert_eq!(drive.body["owner"]["user"]["id"], ann);
    assert_eq!(drive.body["quota"]["state"], "normal");
    let id = drive.body["id"].as_str().unwrap();
    let root = tenant.get(&format!("/drives/{id}/root")).await;
    assert_eq!(root.body["parentReference"]["driveId"], id);
    let item = root.body["id"].as_str().unwrap();
    assert_eq!(
        tenant.get(&format!("/drives/{id}/items/{item}")).await.body["name"],
        "root"
    );
    assert_eq!(
        tenant.get(&format!("/users/{ann}/drives")).await.column("id"),
        [id]
    );
    tenant
        .check(
            &format!("GET /drives/{id}/items/nope"),
            Value::Null,
            404,
            "itemNotFound",
        )
        .await;
    tenant
        .check("GET /drives/b!nope/root", Value::Null, 404, "itemNotFound")
        .await;
    licence(&tenant, &ann, json!([]), json!([E3])).await;
    tenant.check(&format!("GET {path}"), Value::Null, 404, "").await;
    tenant
        .check(&format!("GET /drives/{id}"), Value::Null, 404, "")
        .await;
}

#[tokio::test]
async fn a_manager_is_invited_changed_and_removed() {
    let tenant = Tenant::start().await;
    let leaver = tenant.user_id("W-1010").await;
    let boss = tenant.user_id("W-1009").await;
    let root = format!("/users/{leaver}/drive/root");
    let invite = json!({
        "recipients": [{ "email": "noah.fischer@contoso.example" }], "roles": ["write"],
        "requireSignIn": true, "sendInvitation": true, "message": "Yours now",
    });
    let what = format!("POST {root}/invite");
    let reply = tenant.check(&what, invite.clone(), 200, "").await;
    let made = &reply.values()[0];
    assert_eq!(
        (&made["roles"], &made["grantedToV2"]["user"]["id"]),
        (&json!(["write"]), &json!(boss))
    );
    assert_eq!(made["invitation"]["signInRequired"], true);
    let mailbox = tenant.sandbox.state()["mailbox"].clone();
    assert_eq!(mailbox[0]["to"], json!(["noah.fischer@contoso.example"]));
    assert_eq!(mailbox[0]["body"]["content"], "Yours now");
    // Again, by object id and quietly: one permission still.
    let quiet = json!({ "recipients": [{ "objectId": boss }], "roles": ["read"], "requireSignIn": true });
    tenant.check(&what, quiet, 200, "").await;
    assert_eq!(tenant.sandbox.state()["mailbox"].as_array().unwrap().len(), 1);
    let permissions = format!("{root}/permissions");
    let listed = tenant.get(&permissions).await;
    let roles: Vec<&Value> = listed.values().iter().map(|one| &one["roles"][0]).collect();
    assert_eq!(roles, ["owner", "read"]);
    let ids = listed.column("id");
    let one = format!("{permissions}/{}", ids[1]);
    tenant
        .check(
            &format!("PATCH {one}"),
            json!({ "roles": ["write"] }),
            200,
            "write",
        )
        .await;
    assert_eq!(tenant.get(&one).await.body["roles"][0], "write");
    tenant
        .check(
            &format!("DELETE {permissions}/{}", ids[0]),
            Value::Null,
            403,
            "accessDenied",
        )
        .await;
    tenant.check(&format!("DELETE {one}"), Value::Null, 204, "").await;
    tenant
        .check(&format!("DELETE {one}"), Value::Null, 404, "itemNotFound")
        .await;
    // A permission that has run out is gone.
    let mut short = invite.clone();
    short["expirationDateTime"] = (tenant.sandbox.now() + Duration::from_mins(1)).to_string().into();
    tenant.check(&what, short, 200, "").await;
    assert_eq!(tenant.get(&permissions).await.values().len(), 2);
    tenant.sandbox.advance(Duration::from_mins(2));
    assert_eq!(tenant.get(&permissions).await.values().len(), 1);

    let before = tenant.sandbox.state()["mailbox"].as_array().unwrap().len();
    for (name, value, says) in [
        ("recipients", json!([]), "recipients"),
        (
            "recipients",
            json!([{ "email": "noah.fischer@contoso.example" }, { "email": "x@y.example" }]),
            "resolved",
        ),
        ("recipients", json!([{}]), "email"),
        ("roles", json!([]), "roles"),
        ("roles", json!(["rule"]), "roles"),
        ("message", json!("x".repeat(2_001)), "2000"),
        ("expirationDateTime", json!("soon"), "instant"),
    ] {
        let mut bad = invite.clone();
        bad[name] = value;
        let reply = tenant.check(&what, bad, 400, says).await;
        assert_eq!(reply.code(), "invalidRequest");
    }
    let mut bare = invite.clone();
    (bare["requireSignIn"], bare["sendInvitation"]) = (false.into(), false.into());
    tenant.check(&what, bare, 400, "At least one").await;
    assert_eq!(
        tenant.get(&permissions).await.values().len(),
        1,
        "a refusal shares nothing"
    );
    assert_eq!(
        tenant.sandbox.state()["mailbox"].as_array().unwrap().len(),
        before
    );
    tenant
        .check(&format!("GET {root}/invite"), Value::Null, 405, "")
        .await;
}
