//! Mailbox settings, and who has a mailbox.

use serde_json::{Value, json};

use crate::Tenant;

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const EXCHANGE: &str = "efb87545-963c-4e0d-99df-69c6916d9eb0";
const FLOW: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";
const NONE: &str = "MailboxNotEnabledForRESTAPI";

fn licences(add: &Value, remove: &[&str]) -> Value {
    json!({ "addLicenses": add, "removeLicenses": remove })
}

#[tokio::test]
async fn a_mailbox_comes_and_goes_with_the_exchange_plan() {
    let tenant = Tenant::start().await;
    let ann = tenant.hire("ann", json!({ "usageLocation": "AU" })).await;
    let (get, set) = (
        format!("GET /users/{ann}/mailboxSettings"),
        format!("PATCH /users/{ann}/mailboxSettings"),
    );
    let assign = format!("POST /users/{ann}/assignLicense");
    let on = json!({"automaticRepliesSetting": {"status": "AlwaysEnabled", "internalReplyMessage": "Gone"}});
    tenant.check(&get, Value::Null, 404, NONE).await;
    tenant
        .check(&assign, licences(&json!([{"skuId": FLOW}]), &[]), 200, "")
        .await;
    tenant.check(&set, on.clone(), 404, NONE).await;
    let without = json!([{"skuId": E3, "disabledPlans": [EXCHANGE]}]);
    tenant.check(&assign, licences(&without, &[]), 200, "").await;
    tenant.check(&set, on.clone(), 404, NONE).await;
    tenant
        .check(&assign, licences(&json!([{"skuId": E3}]), &[]), 200, "")
        .await;
    tenant.check(&set, on, 200, "alwaysEnabled").await;
    tenant.check(&assign, licences(&json!([]), &[E3]), 200, "").await;
    assert!(tenant.sandbox.user("ann@contoso.example").unwrap()["mail"].is_string());
    tenant.check(&get, Value::Null, 404, NONE).await;
    let mail = json!({"message": {"toRecipients": [{"emailAddress": {"address": "a@b.example"}}]}});
    tenant
        .check(&format!("POST /users/{ann}/sendMail"), mail, 404, NONE)
        .await;
    // Through a group; and the same mailbox, as it was.
    let group = tenant.security_group("mailed", json!({})).await;
    let all = licences(&json!([{"skuId": E3, "disabledPlans": []}]), &[]);
    tenant
        .check(&format!("POST /groups/{group}/assignLicense"), all, 202, "")
        .await;
    let link = tenant.link(&ann);
    tenant
        .check(&format!("POST /groups/{group}/members/$ref"), link, 204, "")
        .await;
    tenant.check(&get, Value::Null, 200, "alwaysEnabled").await;
    let replies = &tenant.sandbox.user("ann@contoso.example").unwrap()["automaticReplies"];
    assert_eq!(replies["internalReplyMessage"], "Gone");
    // One that needs no licence, and a user that is not there.
    let shared = tenant
        .get("/users/hr-robot@contoso.example/mailboxSettings")
        .await;
    assert_eq!(
        (shared.status, &shared.body["userPurpose"]),
        (200, &json!("shared"))
    );
    tenant
        .check(
            "GET /users/nobody/mailboxSettings",
            Value::Null,
            404,
            "Request_ResourceNotFound",
        )
        .await;
}

#[tokio::test]
async fn settings_are_read_whole_or_one_by_one_and_changed_in_part() {
    let tenant = Tenant::start().await;
    let id = tenant.user_id("W-1010").await;
    let path = format!("/users/{id}/mailboxSettings");
    let whole = tenant.get(&path).await;
    let context = whole.body["@odata.context"].as_str().unwrap();
    assert!(
        context.ends_with(&format!("$metadata#users('{id}')/mailboxSettings")),
        "{context}"
    );
    assert_eq!(whole.body["automaticRepliesSetting"]["status"], "disabled");
    assert_eq!(whole.body["workingHours"]["daysOfWeek"][0], "monday");
    let replies = json!({
        "status": "Scheduled", "externalAudience": "contactsOnly", "externalReplyMessage": "Back soon",
        "scheduledStartDateTime": {"dateTime": "2999-03-20T18:00:00.0000000", "timeZone": "Europe/Berlin"},
        "scheduledEndDateTime": {"dateTime": "2999-03-28T18:00:00", "timeZone": "UTC"},
    });
    let body =
        json!({"@odata.context": "x", "automaticRepliesSetting": replies, "timeZone": "Europe/Berlin"});
    let changed = tenant.check(&format!("PATCH {path}"), body, 200, "").await;
    assert_eq!(changed.body["automaticRepliesSetting"]["status"], "scheduled");
    assert_eq!(
        changed.body.get("language"),
        None,
        "what was changed, and no more"
    );
    let off = json!({"automaticRepliesSetting": {"status": "disabled"}});
    tenant.check(&format!("PATCH {path}"), off, 200, "").await;
    let replies = tenant.get(&format!("{path}/automaticRepliesSetting")).await;
    assert_eq!(
        (&replies.body["status"], &replies.body["externalReplyMessage"]),
        (&json!("disabled"), &json!("Back soon")),
        "the words stay"
    );
    let zone = tenant.get(&format!("{path}/timeZone")).await;
    assert_eq!(zone.body["value"], "Europe/Berlin");
    let chosen = tenant.get(&format!("{path}?$select=timeZone")).await;
    assert_eq!(chosen.body.get("workingHours"), None);
    let hours = json!({"workingHours": {"endTime": "18:30:00.0000000", "daysOfWeek": ["Monday"],
        "timeZone": {"@odata.type": "#microsoft.graph.customTimeZone", "bias": -300, "name": "Customized Time Zone"}}});
    let changed = tenant.check(&format!("PATCH {path}"), hours, 200, "").await;
    assert_eq!(changed.body["workingHours"]["daysOfWeek"], json!(["monday"]));
    assert_eq!(changed.body["workingHours"]["startTime"], "08:00:00.0000000");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let tenant = Tenant::start().await;
    let id = tenant.user_id("W-1010").await;
    let path = format!("/users/{id}/mailboxSettings");
    let look = async || {
        let body = tenant.get(&path).await.body;
        let replies = &body["automaticRepliesSetting"]["status"];
        json!([
            replies,
            body["timeZone"],
            body["workingHours"],
            body["userPurpose"]
        ])
    };
    let before = look().await;
    let at = |text: &str| json!({"dateTime": text, "timeZone": "UTC"});
    let scheduled = |start: &str, end: &str| {
        json!({"automaticRepliesSetting": {"status": "scheduled",
            "scheduledStartDateTime": at(start), "scheduledEndDateTime": at(end)}})
    };
    for (body, code) in [
        (
            json!({"automaticRepliesSetting": {"status": "sometimes"}}),
            "InvalidArguments",
        ),
        (
            json!({"automaticRepliesSetting": {"externalAudience": 7}}),
            "InvalidArguments",
        ),
        (
            json!({"automaticRepliesSetting": {"text": "x"}}),
            "RequestBodyRead",
        ),
        (json!({"automaticRepliesSetting": "on"}), "RequestBodyRead"),
        (
            scheduled("2999-03-28T18:00:00", "2999-03-20T18:00:00"),
            "ErrorInvalidScheduledOofDuration",
        ),
        (
            scheduled("2016-03-20T18:00:00", "2016-03-28T18:00:00"),
            "ErrorInvalidScheduledOofDuration",
        ),
        (scheduled("tomorrow", "2999-03-20T18:00:00"), "RequestBodyRead"),
        (json!({"timeZone": "Middle Earth"}), "InvalidTimeZone"),
        (json!({"workingHours": {"startTime": "08"}}), "RequestBodyRead"),
        (
            json!({"workingHours": {"startTime": "18:00:00"}}),
            "ErrorInvalidTimeSettings",
        ),
        (
            json!({"workingHours": {"daysOfWeek": ["RandomDay"]}}),
            "InvalidArguments",
        ),
        (json!({"timeZone": "UTC", "colour": "red"}), "RequestBodyRead"),
        (
            json!({"timeZone": "Europe/Paris", "userPurpose": "shared"}),
            "ErrorInvalidProperty",
        ),
    ] {
        let reply = tenant.send("PATCH", &path, body.clone()).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, code),
            "{body}: {}",
            reply.text
        );
    }
    assert_eq!(look().await, before);
    tenant.check(&format!("POST {path}"), json!({}), 405, "").await;
    tenant
        .check(&format!("GET {path}/colour"), Value::Null, 400, "colour")
        .await;
}

#[tokio::test]
async fn a_batch_brings_mailboxes_too() {
    let tenant = Tenant::start().await;
    let id = tenant.user_id("W-1010").await;
    let requests = json!([
        { "id": "1", "method": "PATCH", "url": format!("/users/{id}/mailboxSettings"),
          "headers": { "Content-Type": "application/json" },
          "body": { "automaticRepliesSetting": { "status": "alwaysEnabled" } } },
        { "id": "2", "method": "GET", "url": format!("/users/{id}/mailboxSettings"), "dependsOn": ["1"] },
        { "id": "3", "method": "GET", "url": "/users/break-glass@contoso.example/mailboxSettings" },
    ]);
    let reply = tenant
        .send("POST", "/$batch", json!({ "requests": requests }))
        .await;
    let answers = reply.body["responses"].as_array().unwrap();
    let of = |id: &str| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(of("1")["status"], 200);
    assert_eq!(
        of("2")["body"]["automaticRepliesSetting"]["status"],
        "alwaysEnabled"
    );
    assert_eq!(
        (&of("3")["status"], &of("3")["body"]["error"]["code"]),
        (&json!(404), &json!(NONE))
    );
}
