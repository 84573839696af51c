//! Users: create, read, change, delete, refuse.

use serde_json::{Value, json};

use crate::{Tenant, draft};

#[tokio::test]
async fn a_user_lives_through_create_read_change_delete() {
    let tenant = Tenant::empty().await;
    let more = json!({
        "employeeId": "W-1", "department": "Clinical", "usageLocation": "AU", "otherMails": ["a@home.example"],
        "employeeHireDate": "2026-10-12T00:00:00Z", "employeeOrgData": { "costCenter": "CLN-1" },
    });
    let made = tenant
        .check("POST /users", draft("siobhan.o'brien", more), 201, "")
        .await;
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        made.header("location"),
        format!("{}/users/{id}", tenant.sandbox.graph())
    );
    assert!(
        made.body.get("employeeId").is_none(),
        "a reply without $select has the default properties"
    );
    assert!(!made.text.contains("passwordProfile"));
    // By id, by name, by name encoded, with the key in parentheses.
    for key in [
        format!("/users/{id}"),
        "/users/siobhan.o'brien@contoso.example".to_owned(),
        "/users/SIOBHAN.O%27BRIEN%40contoso.example".to_owned(),
        "/users('siobhan.o''brien@contoso.example')".to_owned(),
    ] {
        let found = tenant
            .get(&format!(
                "{key}?$select=id,employeeId,employeeOrgData,accountEnabled"
            ))
            .await;
        assert_eq!(
            found.body["employeeOrgData"]["costCenter"], "CLN-1",
            "{key}: {}",
            found.text
        );
        let names: Vec<&String> = found.body.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "@odata.context",
                "id",
                "accountEnabled",
                "employeeId",
                "employeeOrgData"
            ]
        );
    }
    let change =
        json!({ "department": null, "jobTitle": "Midwife", "employeeOrgData": { "division": "North" } });
    tenant.check(&format!("PATCH /users/{id}"), change, 204, "").await;
    let found = tenant
        .get(&format!(
            "/users/{id}?$select=department,jobTitle,employeeOrgData"
        ))
        .await
        .body;
    assert_eq!(
        (&found["department"], &found["jobTitle"]),
        (&Value::Null, &json!("Midwife"))
    );
    assert_eq!(
        found["employeeOrgData"],
        json!({ "costCenter": "CLN-1", "division": "North" })
    );
    tenant
        .check(&format!("DELETE /users/{id}"), Value::Null, 204, "")
        .await;
    tenant
        .check(
            &format!("GET /users/{id}"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
    tenant
        .check(
            &format!("DELETE /users/{id}"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
}

#[tokio::test]
async fn a_bad_user_is_refused_and_leaves_nothing() {
    let tenant = Tenant::empty().await;
    let check = async |more: Value, code: &str, says: &str| {
        let reply = tenant.check("POST /users", draft("ann", more), 400, says).await;
        assert_eq!(reply.code(), code, "{}", reply.text);
    };
    let (bad, body) = ("Request_BadRequest", "RequestBodyRead");
    for name in [
        "accountEnabled",
        "displayName",
        "mailNickname",
        "passwordProfile",
        "userPrincipalName",
    ] {
        check(
            json!({ name: "ABSENT" }),
            bad,
            &format!("A value is required for property '{name}'"),
        )
        .await;
    }
    check(
        json!({ "userPrincipalName": "ann@elsewhere.example" }),
        bad,
        "verified domain names",
    )
    .await;
    for name in [
        "ann",
        "a nn@contoso.example",
        "añn@contoso.example",
        "@contoso.example",
        "a&b@contoso.example",
    ] {
        check(
            json!({ "userPrincipalName": name }),
            bad,
            "Property userPrincipalName is invalid.",
        )
        .await;
    }
    let long = format!("{}@contoso.example", "a".repeat(65));
    check(json!({ "userPrincipalName": long }), bad, "Invalid").await;
    check(
        json!({ "passwordProfile": { "password": "short" } }),
        bad,
        "password complexity",
    )
    .await;
    check(
        json!({ "passwordProfile": { "password": "Password1!" } }),
        bad,
        "password complexity",
    )
    .await;
    check(json!({ "passwordProfile": {} }), bad, "'password'").await;
    check(json!({ "usageLocation": "AUS" }), bad, "usageLocation").await;
    check(json!({ "displayName": "" }), bad, "displayName").await;
    check(json!({ "employeeId": "W-0123456789012345" }), bad, "employeeId").await;
    check(
        json!({ "costCenter": "X" }),
        body,
        "The property 'costCenter' does not exist",
    )
    .await;
    check(json!({ "accountEnabled": "yes" }), body, "Edm.Boolean").await;
    check(
        json!({ "otherMails": "a@b.example" }),
        body,
        "Collection(Edm.String)",
    )
    .await;
    check(
        json!({ "employeeHireDate": "2026-02-30" }),
        body,
        "Edm.DateTimeOffset",
    )
    .await;
    check(
        json!({ "proxyAddresses": ["SMTP:a@b.example"] }),
        bad,
        "read-only",
    )
    .await;
    assert_eq!(
        tenant
            .get("/users?$filter=startsWith(displayName,'ann')")
            .await
            .values()
            .len(),
        0
    );
    let long = format!("{}@contoso.example", "a".repeat(64));
    tenant
        .check(
            "POST /users",
            draft("ann", json!({ "userPrincipalName": long })),
            201,
            "",
        )
        .await;
}

#[tokio::test]
async fn a_bad_change_is_refused_whole() {
    let tenant = Tenant::empty().await;
    let id = tenant.hire("ann", json!({ "city": "Perth" })).await;
    tenant.hire("bob", json!({ "mail": "bob@contoso.example" })).await;
    let check = async |change: Value, says: &str| {
        let mut change = change;
        change["city"] = json!("Berlin");
        tenant
            .check(&format!("PATCH /users/{id}"), change, 400, says)
            .await;
    };
    check(
        json!({ "jobTitle": "" }),
        "Invalid value specified for property 'jobTitle'",
    )
    .await;
    check(json!({ "displayName": null }), "displayName").await;
    check(json!({ "id": "1" }), "read-only").await;
    check(json!({ "nope": 1 }), "does not exist").await;
    check(
        json!({ "userPrincipalName": "BOB@contoso.example" }),
        "ObjectConflict",
    )
    .await;
    check(json!({ "mail": "bob@contoso.example" }), "proxyAddresses").await;
    check(json!({ "passwordProfile": { "password": "weak" } }), "complexity").await;
    let found = tenant.get(&format!("/users/{id}?$select=city")).await;
    assert_eq!(found.body["city"], "Perth");
    assert_eq!(
        tenant
            .send("PATCH", "/users/nobody", json!({ "city": "x" }))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn two_users_cannot_have_one_name() {
    let tenant = Tenant::empty().await;
    tenant.hire("ann", json!({})).await;
    let reply = tenant.send("POST", "/users", draft("ANN", json!({}))).await;
    assert_eq!((reply.status, reply.code()), (400, "Request_BadRequest"));
    assert_eq!(
        reply.message(),
        "Another object with the same value for property userPrincipalName already exists."
    );
    let details = &reply.body["error"]["details"];
    assert_eq!(
        (&details[0]["code"], &details[0]["target"]),
        (&json!("ObjectConflict"), &json!("userPrincipalName"))
    );
    assert_eq!(details[1]["code"], "ConflictingObjects");
    // A rename frees the old name.
    tenant
        .check(
            "PATCH /users/ann@contoso.example",
            json!({ "userPrincipalName": "ann.b@contoso.example" }),
            204,
            "",
        )
        .await;
    tenant.hire("ann", json!({})).await;
}

#[tokio::test]
async fn errors_carry_their_ids() {
    let tenant = Tenant::empty().await;
    let request = tenant
        .request("GET", "/users/nobody")
        .header("client-request-id", "c-1");
    let reply = crate::read(request).await;
    assert_eq!(reply.header("client-request-id"), "c-1");
    assert!(!reply.header("date").is_empty());
    let inner = &reply.body["error"]["innerError"];
    assert_eq!(inner["client-request-id"], "c-1");
    assert_eq!(inner["request-id"], reply.header("request-id"));
    assert!(inner["date"].is_string());
    let reply = tenant.get("/users").await;
    assert!(!reply.header("request-id").is_empty() && !reply.header("client-request-id").is_empty());
    tenant
        .check("PUT /users", json!({}), 405, "Request_BadRequest")
        .await;
    tenant
        .check(
            "GET /nope",
            Value::Null,
            400,
            "Resource not found for the segment 'nope'.",
        )
        .await;
    let broken = tenant
        .request("POST", "/users")
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(crate::read(broken).await.code(), "BadRequest");
}

#[tokio::test]
async fn complex_properties_are_whole_and_checked() {
    let tenant = Tenant::empty().await;
    let more = json!({ "onPremisesExtensionAttributes": { "extensionAttribute3": "blue" } });
    let id = tenant.hire("ann", more).await;
    let read = async || {
        let path =
            format!("/users/{id}?$select=onPremisesExtensionAttributes,employeeOrgData,signInActivity");
        tenant.get(&path).await.body
    };
    let found = read().await;
    let extensions = found["onPremisesExtensionAttributes"].as_object().unwrap();
    assert_eq!(
        (extensions.len(), &extensions["extensionAttribute3"]),
        (15, &json!("blue"))
    );
    assert!(found.get("signInActivity").is_none(), "never signed in");
    let change = async |body: Value, status: u16, says: &str| {
        tenant
            .check(&format!("PATCH /users/{id}"), body, status, says)
            .await;
    };
    change(json!({ "onPremisesExtensionAttributes": { "extensionAttribute15": "x", "extensionAttribute3": null } }), 204, "").await;
    let found = read().await;
    let extensions = &found["onPremisesExtensionAttributes"];
    assert_eq!(
        (
            &extensions["extensionAttribute15"],
            &extensions["extensionAttribute3"]
        ),
        (&json!("x"), &Value::Null)
    );
    change(
        json!({ "onPremisesExtensionAttributes": { "extensionAttribute16": "x" } }),
        400,
        "RequestBodyRead",
    )
    .await;
    change(
        json!({ "employeeOrgData": { "team": "x" } }),
        400,
        "microsoft.graph.employeeOrgData",
    )
    .await;
    change(json!({ "employeeOrgData": { "division": 7 } }), 400, "Edm.String").await;
    change(
        json!({ "employeeLeaveDateTime": "2027-01-31T23:59:59Z", "employeeType": "Contractor" }),
        204,
        "",
    )
    .await;
    let all = tenant
        .get("/users?$filter=onPremisesExtensionAttributes/extensionAttribute15 eq 'x'&$select=employeeLeaveDateTime")
        .await;
    assert_eq!(all.column("employeeLeaveDateTime"), ["2027-01-31T23:59:59Z"]);
    // What is kept outside the directory goes alone.
    change(json!({ "aboutMe": "Hello", "skills": ["sailing"] }), 204, "").await;
    change(json!({ "aboutMe": "Hello", "city": "Perth" }), 400, "together").await;
    assert_eq!(
        tenant.get(&format!("/users/{id}?$select=skills")).await.body["skills"],
        json!(["sailing"])
    );
    tenant
        .check("GET /users?$select=id,skills", Value::Null, 501, "NotImplemented")
        .await;
    tenant
        .check(
            "POST /users",
            draft("bob", json!({ "aboutMe": "Hi" })),
            400,
            "aboutMe",
        )
        .await;
}

#[tokio::test]
async fn sign_ins_are_told_when_asked_for() {
    let tenant = Tenant::start().await;
    let id = tenant.user_id("W-1009").await;
    assert!(
        tenant
            .get(&format!("/users/{id}"))
            .await
            .body
            .get("signInActivity")
            .is_none()
    );
    let found = tenant
        .get(&format!("/users/{id}?$select=signInActivity"))
        .await
        .body;
    let last = found["signInActivity"]["lastSignInDateTime"].as_str().unwrap();
    let by_name = "GET /users/noah.fischer@contoso.example?$select=signInActivity";
    tenant
        .check(by_name, Value::Null, 400, "Get By Key only supports UserId")
        .await;
    let since =
        format!("/users?$filter=signInActivity/lastSignInDateTime ge {last}&$select=id,signInActivity");
    let active = tenant.get(&since).await;
    assert!(
        active.column("id").contains(&id.as_str()) && active.values().len() < 10,
        "{}",
        active.text
    );
    let mixed = format!("GET /users?$filter=signInActivity/lastSignInDateTime ge {last} and city eq 'x'");
    tenant.check(&mixed, Value::Null, 400, "cannot be combined").await;
}
