//! What hangs on a user: the manager, sessions, passwords, mail.

use serde_json::{Value, json};

use crate::Tenant;

#[tokio::test]
async fn managers_are_linked_and_unlinked() {
    let tenant = Tenant::empty().await;
    let (boss, ann) = (
        tenant.hire("boss", json!({})).await,
        tenant.hire("ann", json!({})).await,
    );
    let manager = format!("/users/{ann}/manager");
    tenant
        .check(
            &format!("GET {manager}"),
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
    tenant
        .check(&format!("PUT {manager}/$ref"), tenant.link("nobody"), 404, "")
        .await;
    tenant
        .check(&format!("PUT {manager}/$ref"), json!({}), 400, "@odata.id")
        .await;
    let link = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/users/{boss}") });
    tenant.check(&format!("PUT {manager}/$ref"), link, 204, "").await;
    let found = tenant
        .get(&format!("{manager}?$select=id,displayName"))
        .await
        .body;
    assert_eq!(
        (&found["id"], &found["@odata.type"]),
        (&json!(boss), &json!("#microsoft.graph.user"))
    );
    assert_eq!(
        tenant
            .get(&format!("/users/{boss}/directReports"))
            .await
            .column("id"),
        [ann.as_str()]
    );
    let expanded = tenant
        .get(&format!("/users/{ann}?$select=id&$expand=manager($select=id)"))
        .await
        .body;
    assert_eq!(expanded["manager"]["id"], json!(boss));
    let rows = tenant.get("/users?$select=id&$expand=manager($select=id)").await;
    let with: Vec<&Value> = rows
        .values()
        .iter()
        .filter(|row| row.get("manager").is_some())
        .collect();
    assert_eq!(with.len(), 1, "a user without a manager has no such property");
    tenant
        .check(&format!("DELETE {manager}/$ref"), Value::Null, 204, "")
        .await;
    tenant
        .check(&format!("DELETE {manager}/$ref"), Value::Null, 404, "")
        .await;
    // The whole chain, which may close in itself.
    let top = tenant.hire("top", json!({})).await;
    tenant
        .check(
            &format!("PUT /users/{ann}/manager/$ref"),
            tenant.link(&boss),
            204,
            "",
        )
        .await;
    tenant
        .check(
            &format!("PUT /users/{boss}/manager/$ref"),
            tenant.link(&top),
            204,
            "",
        )
        .await;
    tenant
        .check(
            &format!("PUT /users/{top}/manager/$ref"),
            tenant.link(&ann),
            204,
            "",
        )
        .await;
    let path = format!("/users/{ann}?$count=true&$select=id&$expand=manager($levels=max;$select=id)");
    let chain = tenant.eventual(&path).await.body;
    assert_eq!(
        (&chain["manager"]["id"], &chain["manager"]["manager"]["id"]),
        (&json!(boss), &json!(top))
    );
    assert!(chain["manager"]["manager"].get("manager").is_none());
    tenant
        .check(&format!("GET {path}"), Value::Null, 400, "ConsistencyLevel")
        .await;
    tenant
        .check(&format!("DELETE {manager}/$ref"), Value::Null, 204, "")
        .await;
    // Bound at create.
    let bind = json!({ "manager@odata.bind": format!("{}/users/{boss}", tenant.sandbox.graph()) });
    let carl = tenant.hire("carl", bind).await;
    assert_eq!(
        tenant.get(&format!("/users/{carl}/manager")).await.body["id"],
        json!(boss)
    );
}

#[tokio::test]
async fn sessions_are_revoked_and_passwords_counted() {
    let tenant = Tenant::empty().await;
    let id = tenant.hire("ann", json!({})).await;
    let valid_from = async || {
        let path = format!("/users/{id}?$select=signInSessionsValidFromDateTime");
        tenant.get(&path).await.body["signInSessionsValidFromDateTime"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let before = valid_from().await;
    tenant.sandbox.advance(std::time::Duration::from_mins(1));
    let reply = tenant
        .check(
            &format!("POST /users/{id}/revokeSignInSessions"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(reply.body["value"], true);
    assert!(valid_from().await > before);
    assert_eq!(tenant.sandbox.user(&id).unwrap()["passwordVersion"], 1);
    let reset = json!({ "passwordProfile": { "password": "aN0ther-long-secret", "forceChangePasswordNextSignIn": true } });
    tenant.check(&format!("PATCH /users/{id}"), reset, 204, "").await;
    assert_eq!(tenant.sandbox.user(&id).unwrap()["passwordVersion"], 2);
    assert!(!tenant.sandbox.state().to_string().contains("aN0ther"));
}

#[tokio::test]
async fn mail_is_taken_and_kept() {
    let tenant = Tenant::empty().await;
    let message = |to: &str| {
        json!({ "message": {
            "subject": "Welcome", "body": { "contentType": "Text", "content": "Hello" },
            "toRecipients": [{ "emailAddress": { "address": to } }],
        }, "saveToSentItems": false })
    };
    let reply = tenant
        .check(
            "POST /users/hr-robot@contoso.example/sendMail",
            message("hr@contoso.example"),
            202,
            "",
        )
        .await;
    assert_eq!(reply.text, "");
    tenant
        .check(
            "POST /users/nobody@contoso.example/sendMail",
            message("hr@contoso.example"),
            404,
            "",
        )
        .await;
    let no_mailbox = "POST /users/break-glass@contoso.example/sendMail";
    tenant
        .check(
            no_mailbox,
            message("hr@contoso.example"),
            404,
            "MailboxNotEnabledForRESTAPI",
        )
        .await;
    tenant
        .check(
            "POST /users/hr@contoso.example/sendMail",
            message("nobody"),
            400,
            "ErrorInvalidRecipients",
        )
        .await;
    tenant
        .check(
            "POST /users/hr@contoso.example/sendMail",
            json!({}),
            400,
            "message",
        )
        .await;
    let state = tenant.sandbox.state();
    let sent = state["mailbox"].as_array().unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&sent[0]["from"], &sent[0]["to"]),
        (&json!("hr-robot@contoso.example"), &json!(["hr@contoso.example"]))
    );
}
