//! What a group may be, and who owns it.

use serde_json::{Value, json};

use crate::Tenant;

#[tokio::test]
async fn the_last_owner_stays() {
    let tenant = Tenant::empty().await;
    let (ann, bob) = (
        tenant.hire("ann", json!({})).await,
        tenant.hire("bob", json!({})).await,
    );
    let group = tenant.security_group("ward", json!({})).await;
    let other = tenant.security_group("other", json!({})).await;
    let app = tenant.get("/servicePrincipals").await.values()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let add = format!("POST /groups/{group}/owners/$ref");
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    tenant.check(&add, tenant.link(&app), 204, "").await;
    tenant
        .check(&add, tenant.link(&other), 400, "The owners of a group are users")
        .await;
    tenant.check(&add, tenant.link("nobody"), 404, "").await;
    let again = tenant
        .check(&add, tenant.link(&ann), 400, "Request_BadRequest")
        .await;
    assert!(again.message().ends_with("'owners'."), "{}", again.message());
    assert_eq!(
        tenant
            .names(&format!("/groups/{group}/owners/microsoft.graph.user"))
            .await,
        ["ann"]
    );
    assert_eq!(
        tenant
            .get(&format!("/groups/{group}/owners"))
            .await
            .values()
            .len(),
        2
    );
    assert_eq!(
        tenant
            .get(&format!("/groups/{group}/owners/$ref"))
            .await
            .values()
            .len(),
        2
    );
    assert_eq!(
        tenant.names(&format!("/users/{ann}/ownedObjects")).await,
        ["ward"]
    );
    // The application is left, but no user would be.
    let remove = |id: &str| format!("DELETE /groups/{group}/owners/{id}/$ref");
    tenant
        .check(&remove(&ann), Value::Null, 400, "must have at least one owner")
        .await;
    tenant
        .check(&remove(&bob), Value::Null, 404, "Request_ResourceNotFound")
        .await;
    tenant.check(&add, tenant.link(&bob), 204, "").await;
    tenant.check(&remove(&ann), Value::Null, 204, "").await;
    tenant.check(&remove(&app), Value::Null, 204, "").await;
    // A leaver owns nothing any more, a restored user does.
    tenant
        .check(&format!("DELETE /users/{bob}"), Value::Null, 204, "")
        .await;
    assert!(tenant.names(&format!("/groups/{group}/owners")).await.is_empty());
    tenant
        .check(
            &format!("POST /directory/deletedItems/{bob}/restore"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(tenant.names(&format!("/groups/{group}/owners")).await, ["bob"]);
}

#[tokio::test]
async fn owners_and_members_are_bound_when_a_group_is_made() {
    let tenant = Tenant::empty().await;
    let mut people = Vec::new();
    for number in 0..21 {
        let id = tenant.hire(&format!("p{number}"), json!({})).await;
        people.push(tenant.link(&id)["@odata.id"].clone());
    }
    let draft = |more: Value| {
        let mut body =
            json!({ "displayName": "g", "mailNickname": "g", "mailEnabled": false, "securityEnabled": true });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let check = async |more: Value, status: u16, says: &str| {
        tenant.check("POST /groups", draft(more), status, says).await
    };
    check(
        json!({ "owners@odata.bind": [people[0], people[0]] }),
        400,
        "'owners'",
    )
    .await;
    check(
        json!({ "members@odata.bind": [people[0], people[0]] }),
        400,
        "'members'",
    )
    .await;
    check(json!({ "members@odata.bind": people }), 400, "20").await;
    check(
        json!({ "members@odata.bind": people[..11], "owners@odata.bind": people[..10] }),
        400,
        "20",
    )
    .await;
    check(
        json!({ "members@odata.bind": [format!("{}/users/nobody", tenant.sandbox.graph())] }),
        404,
        "",
    )
    .await;
    assert!(
        tenant.get("/groups").await.values().is_empty(),
        "a refusal leaves nothing"
    );
    let made = check(
        json!({ "members@odata.bind": people[..12], "owners@odata.bind": people[..8] }),
        201,
        "",
    )
    .await;
    let group = made.body["id"].as_str().unwrap();
    let count = async |what: &str| {
        tenant
            .get(&format!("/groups/{group}/{what}"))
            .await
            .values()
            .len()
    };
    assert_eq!((count("members").await, count("owners").await), (12, 8));
    let patch = format!("PATCH /groups/{group}");
    tenant
        .check(
            &patch,
            json!({ "owners@odata.bind": [people[20], people[0]] }),
            400,
            "'owners'",
        )
        .await;
    tenant
        .check(
            &patch,
            json!({ "members@odata.bind": [people[20]], "owners@odata.bind": [people[20]] }),
            204,
            "",
        )
        .await;
    assert_eq!((count("members").await, count("owners").await), (13, 9));
}

#[tokio::test]
async fn a_group_stays_what_it_was_made() {
    let tenant = Tenant::empty().await;
    let make = async |nickname: &str, more: Value, status: u16, says: &str| {
        let mut body = json!({
            "displayName": nickname, "mailNickname": nickname, "mailEnabled": false, "securityEnabled": true,
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let made = tenant.check("POST /groups", body, status, says).await;
        made.body["id"].as_str().unwrap_or_default().to_owned()
    };
    let unified = |more: Value| {
        let mut body = json!({ "groupTypes": ["Unified"], "mailEnabled": true });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    make("a", json!({ "visibility": "Secret" }), 400, "visibility").await;
    make(
        "a",
        json!({ "visibility": "HiddenMembership" }),
        400,
        "visibility",
    )
    .await;
    make(
        "a",
        unified(json!({ "isAssignableToRole": true, "visibility": "Public" })),
        400,
        "Private",
    )
    .await;
    make("a", json!({ "displayName": "x".repeat(257) }), 400, "displayName").await;
    make(
        "a",
        json!({ "mailNickname": "x".repeat(65) }),
        400,
        "mailNickname",
    )
    .await;
    make("a", json!({ "mailNickname": "two words" }), 400, "mailNickname").await;
    let dynamic = json!({
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "Paused", "isAssignableToRole": true,
        "membershipRule": "user.department -eq \"IT\"",
    });
    make("a", dynamic, 400, "dynamic membership").await;
    let plain = make("plain", json!({ "uniqueName": "one" }), 201, "").await;
    make("twin", json!({ "uniqueName": "one" }), 400, "uniqueName").await;
    let club = make("club", unified(json!({})), 201, "\"visibility\":\"Public\"").await;
    make(
        "closed",
        unified(json!({ "isAssignableToRole": true })),
        201,
        "\"visibility\":\"Private\"",
    )
    .await;
    let change = async |id: &str, body: Value, status: u16, says: &str| {
        tenant
            .check(&format!("PATCH /groups/{id}"), body, status, says)
            .await;
    };
    change(&plain, json!({ "uniqueName": "two" }), 400, "uniqueName").await;
    change(&plain, json!({ "mailNickname": null }), 400, "mailNickname").await;
    change(
        &plain,
        json!({ "isAssignableToRole": true }),
        400,
        "IsAssignableToRole",
    )
    .await;
    change(
        &plain,
        json!({ "groupTypes": ["Unified"], "mailEnabled": true }),
        400,
        "groupTypes",
    )
    .await;
    change(
        &club,
        json!({ "groupTypes": [], "mailEnabled": false, "securityEnabled": true }),
        400,
        "groupTypes",
    )
    .await;
    change(
        &club,
        json!({ "visibility": "HiddenMembership" }),
        400,
        "visibility",
    )
    .await;
    change(
        &club,
        json!({ "visibility": "Private", "displayName": "The club" }),
        204,
        "",
    )
    .await;
    let found = tenant.get(&format!("/groups/{club}")).await.body;
    assert_eq!(
        (&found["visibility"], &found["displayName"]),
        (&json!("Private"), &json!("The club"))
    );
    // From assigned to dynamic and back.
    let rule = json!({
        "groupTypes": ["DynamicMembership"], "membershipRuleProcessingState": "On",
        "membershipRule": "user.department -eq \"IT\"",
    });
    tenant.hire("ann", json!({ "department": "IT" })).await;
    change(&plain, rule, 204, "").await;
    assert_eq!(tenant.names(&format!("/groups/{plain}/members")).await, ["ann"]);
    change(
        &plain,
        json!({ "groupTypes": [], "membershipRule": null, "membershipRuleProcessingState": null }),
        204,
        "",
    )
    .await;
    assert_eq!(
        tenant.names(&format!("/groups/{plain}/members")).await,
        ["ann"],
        "they stay"
    );
}

#[tokio::test]
async fn users_and_groups_answer_for_a_guest_and_one_who_is_deleted_does_not() {
    let tenant = Tenant::empty().await;
    let guest = tenant.hire("guest", json!({"userType": "Guest"})).await;
    let ann = tenant.hire("ann", json!({})).await;
    let group = tenant.security_group("hosts", json!({})).await;
    let app = tenant.get("/servicePrincipals").await.values()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let add = format!("POST /users/{guest}/sponsors/$ref");
    tenant.check(&add, tenant.link(&ann), 204, "").await;
    tenant.check(&add, tenant.link(&group), 204, "").await;
    tenant
        .check(&add, tenant.link(&app), 400, "Sponsors are users and groups")
        .await;
    tenant.check(&add, tenant.link("nobody"), 404, "").await;
    let again = tenant
        .check(&add, tenant.link(&ann), 400, "Request_BadRequest")
        .await;
    assert!(again.message().ends_with("'sponsors'."), "{}", again.message());
    let sponsors = format!("/users/{guest}/sponsors");
    let sponsored = format!("/users/{ann}/sponsorOf");
    assert_eq!(tenant.get(&sponsors).await.values().len(), 2);
    assert_eq!(tenant.names(&sponsored).await, ["guest"]);
    let kind = tenant.get(&sponsored).await.values()[0]["@odata.type"].clone();
    assert_eq!(kind, "#microsoft.graph.user");
    // A leaver answers for nobody, and does again when restored.
    tenant
        .check(&format!("DELETE /users/{ann}"), Value::Null, 204, "")
        .await;
    assert_eq!(tenant.names(&sponsors).await, ["hosts"]);
    tenant
        .check(
            &format!("POST /directory/deletedItems/{ann}/restore"),
            Value::Null,
            200,
            "",
        )
        .await;
    assert_eq!(tenant.names(&sponsored).await, ["guest"]);
    // Nothing keeps a guest from being without a sponsor.
    for sponsor in [&ann, &group] {
        let remove = format!("DELETE /users/{guest}/sponsors/{sponsor}/$ref");
        tenant.check(&remove, Value::Null, 204, "").await;
        tenant
            .check(&remove, Value::Null, 404, "Request_ResourceNotFound")
            .await;
    }
    assert!(tenant.names(&sponsored).await.is_empty());
}
