//! Rules of an inbox ("Create rule"), and what they do.

use serde_json::{Value, json};

use crate::Tenant;

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

#[tokio::test]
async fn rules_are_kept_checked_and_carried_out() {
    let tenant = Tenant::start().await;
    let ann = tenant.hire("ann", json!({ "usageLocation": "AU" })).await;
    let ben = tenant.hire("ben", json!({ "usageLocation": "AU" })).await;
    let path = format!("/users/{ann}/mailFolders/inbox/messageRules");
    let (post, get) = (format!("POST {path}"), format!("GET {path}"));
    tenant
        .check(&get, Value::Null, 404, "MailboxNotEnabledForRESTAPI")
        .await;
    for user in [&ann, &ben] {
        let give = json!({"addLicenses": [{"skuId": E3}], "removeLicenses": []});
        tenant
            .check(&format!("POST /users/{user}/assignLicense"), give, 200, "")
            .await;
    }
    let rule = |to: &str| {
        json!({
            "displayName": "on", "sequence": 1, "isEnabled": true,
            "actions": {"redirectTo": [{"emailAddress": {"address": to}}]},
        })
    };
    for (body, code) in [
        (
            json!({"displayName": "on", "sequence": 1}),
            "'actions' is required",
        ),
        (json!({"sequence": 1, "actions": {}}), "'displayName' is required"),
        (
            json!({"displayName": "on", "sequence": 1, "actions": {"burn": true}}),
            "'burn'",
        ),
        (
            json!({"displayName": "on", "sequence": 1, "actions": {}, "colour": 1}),
            "'colour'",
        ),
        (rule("nowhere"), "ErrorInvalidRecipients"),
    ] {
        tenant.check(&post, body, 400, code).await;
    }
    tenant
        .check(&post, rule("ben@contoso.example"), 201, "isReadOnly")
        .await;
    let rules = tenant.get(&path).await;
    let id = rules.values()[0]["id"].as_str().unwrap().to_owned();
    let send = async |subject: &str| {
        let mail = json!({"message": {"subject": subject, "toRecipients": [{"emailAddress": {"address": "ann@contoso.example"}}]}});
        tenant
            .check("POST /users/hr-robot@contoso.example/sendMail", mail, 202, "")
            .await;
    };
    send("one").await;
    tenant
        .check(
            &format!("PATCH {path}/{id}"),
            json!({"isEnabled": false}),
            200,
            "false",
        )
        .await;
    send("two").await;
    let inbox = tenant
        .get(&format!("/users/{ben}/mailFolders/inbox/messages"))
        .await;
    let subjects: Vec<&Value> = inbox.values().iter().map(|message| &message["subject"]).collect();
    assert_eq!(subjects, ["one"]);
    let one = format!("{path}/{id}");
    tenant
        .check(&format!("GET {one}"), Value::Null, 200, "\"displayName\":\"on\"")
        .await;
    tenant.check(&format!("DELETE {one}"), Value::Null, 204, "").await;
    tenant
        .check(&format!("DELETE {one}"), Value::Null, 404, "ErrorItemNotFound")
        .await;
    assert_eq!(tenant.get(&path).await.values().len(), 0);
}
