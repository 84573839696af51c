//! The SCIM application.

use iam_sandbox::{Effect, Fault, RetryAfter};
use serde_json::{Value, json};

use crate::{Reply, Tenant, read};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A sandbox whose token is the SCIM application's.
struct App(Tenant);

impl App {
    async fn start() -> Self {
        let mut tenant = Tenant::empty().await;
        tenant.sandbox.scim_token().clone_into(&mut tenant.token);
        Self(tenant)
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        let url = format!("{}{path}", self.0.sandbox.scim());
        self.0.send(method, &url, body).await
    }

    async fn check(&self, what: &str, body: Value, status: u16, says: &str) -> Reply {
        let (method, path) = what.split_once(' ').unwrap();
        let reply = self.send(method, path, body).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
        assert!(
            reply.text.contains(says),
            "{what}: {} does not say {says:?}",
            reply.text
        );
        reply
    }

    async fn user(&self, name: &str, more: Value) -> String {
        let mut body = json!({ "schemas": [USER], "userName": name });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let reply = self.check("POST /Users", body, 201, name).await;
        reply.body["id"].as_str().unwrap().to_owned()
    }

    async fn group(&self, name: &str) -> String {
        let found = self.find("/Groups", &format!("displayName eq \"{name}\"")).await;
        found[0].clone()
    }

    async fn find(&self, place: &str, filter: &str) -> Vec<String> {
        let reply = self
            .check(
                &format!("GET {place}?filter={filter}"),
                Value::Null,
                200,
                "ListResponse",
            )
            .await;
        let found = reply.body["Resources"].as_array().unwrap();
        found
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn patch(&self, place: &str, operations: Value) -> Reply {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations,
        });
        self.send("PATCH", place, body).await
    }

    /// Applies one operation to a fresh user and gives the user.
    async fn patched(&self, number: usize, operation: &Value) -> Value {
        let work = json!({ "type": "work", "value": "a@contoso.example" });
        let id = self
            .user(
                &format!("user{number}"),
                json!({ "title": "Nurse", "name": { "givenName": "Ann" }, "emails": [work] }),
            )
            .await;
        let reply = self.patch(&format!("/Users/{id}"), json!([operation])).await;
        assert_eq!(reply.status, 200, "{operation}: {}", reply.text);
        reply.body
    }
}

#[tokio::test]
async fn users_are_made_read_replaced_and_deleted() {
    let app = App::start().await;
    let body = json!({
        "schemas": [USER, ENTERPRISE], "userName": "ann", "externalId": "W-1", "password": "xK9-fw2p!Q",
        "Active": "True", "unknown": 1, "id": "mine", "emails": [{ "type": "work", "value": "ann@contoso.example" }],
        ENTERPRISE: { "employeeNumber": "7", "manager": "3" },
    });
    let made = app.check("POST /Users", body.clone(), 201, "W-1").await;
    assert_eq!(made.header("content-type"), "application/scim+json;charset=utf-8");
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        made.header("location"),
        format!("{}/Users/{id}", app.0.sandbox.scim())
    );
    assert_eq!(made.body["schemas"], json!([USER, ENTERPRISE]));
    assert_eq!(made.body["active"], true);
    assert_eq!(made.body[ENTERPRISE]["manager"], json!({ "value": "3" }));
    assert!(!made.text.contains("password") && !made.text.contains("unknown") && id != "mine");
    app.check("POST /Users", body, 409, "uniqueness").await;
    app.check("POST /Users", json!({ "schemas": [USER] }), 400, "invalidValue")
        .await;
    let place = format!("/Users/{id}");
    let replaced = app
        .check(
            &format!("PUT {place}"),
            json!({ "userName": "ANN", "title": "Nurse" }),
            200,
            "Nurse",
        )
        .await;
    assert!(replaced.body.get("externalId").is_none());
    assert_eq!(replaced.header("etag"), "W/\"2\"");
    let url = format!("{}{place}", app.0.sandbox.scim());
    let stale = read(app.0.request("DELETE", &url).header("If-Match", "W/\"1\"")).await;
    assert_eq!(stale.status, 412, "{}", stale.text);
    app.check(&format!("DELETE {place}"), Value::Null, 204, "").await;
    app.check(&format!("GET {place}"), Value::Null, 404, "not found")
        .await;
    app.check(&format!("DELETE {place}"), Value::Null, 404, "\"status\":\"404\"")
        .await;
}

#[tokio::test]
async fn resources_are_found_by_filters_and_paged() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let mail = json!([{ "type": "work", "value": format!("u{number}@contoso.example") }]);
        let more = json!({ "externalId": format!("W-{number}"), "displayName": format!("U {number}"), "emails": mail });
        ids.push(app.user(&format!("u{number}"), more).await);
    }
    for filter in [
        "userName eq \"U3\"",
        "externalId eq \"W-3\"",
        "displayName eq \"u 3\"",
        "emails[type eq \"work\"].value eq \"u3@contoso.example\"",
        &format!("id eq \"{}\" and active eq true", ids[3]),
    ] {
        assert_eq!(app.find("/Users", filter).await, [ids[3].clone()], "{filter}");
    }
    assert!(app.find("/Users", "userName eq \"nobody\"").await.is_empty());
    app.check(
        "GET /Users?filter=userName sw \"u\"",
        Value::Null,
        400,
        "invalidFilter",
    )
    .await;
    let page = app
        .check("GET /Users?startIndex=6&count=5", Value::Null, 200, "")
        .await;
    assert_eq!(
        (&page.body["totalResults"], &page.body["startIndex"]),
        (&json!(12), &json!(6))
    );
    assert_eq!(page.body["Resources"].as_array().unwrap().len(), 5);
    assert_eq!(page.body["Resources"][0]["id"], ids[5]);
    app.check("GET /Users?count=0", Value::Null, 200, "\"Resources\":[]")
        .await;
    app.check("GET /Users?count=x", Value::Null, 400, "invalidValue")
        .await;
    let short = app
        .check("GET /Users?attributes=userName&count=1", Value::Null, 200, "u0")
        .await;
    let names: Vec<&String> = short.body["Resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["schemas", "id", "userName"]);
}

#[tokio::test]
async fn users_are_patched_in_the_dialects_of_clients() {
    let app = App::start().await;
    let cases = [
        (
            json!({ "op": "Replace", "path": "active", "value": "False" }),
            "/active",
            json!(false),
        ),
        (
            json!({ "op": "replace", "value": { "active": false, "id": "x" } }),
            "/active",
            json!(false),
        ),
        (
            json!({ "op": "Add", "value": { "name.familyName": "Lee" } }),
            "/name",
            json!({ "givenName": "Ann", "familyName": "Lee" }),
        ),
        (
            json!({ "op": "replace", "path": "name", "value": { "familyName": "Lee" } }),
            "/name/givenName",
            json!("Ann"),
        ),
        (
            json!({ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "b@x.example" }),
            "/emails",
            json!([{ "type": "work", "value": "b@x.example" }]),
        ),
        (
            json!({ "op": "add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1" }),
            "/phoneNumbers",
            json!([{ "type": "mobile", "value": "1" }]),
        ),
        (
            json!({ "op": "add", "path": "emails", "value": { "type": "home", "value": "h@x.example" } }),
            "/emails/1/type",
            json!("home"),
        ),
        (
            json!({ "op": "remove", "path": "emails[type eq \"work\"]" }),
            "/emails",
            Value::Null,
        ),
        (json!({ "op": "remove", "path": "title" }), "/title", Value::Null),
        (
            json!({ "op": "Replace", "path": "title", "value": "" }),
            "/title",
            Value::Null,
        ),
    ];
    for (number, (operation, pointer, expect)) in cases.iter().enumerate() {
        let user = app.patched(number, operation).await;
        assert_eq!(
            user.pointer(pointer).unwrap_or(&Value::Null),
            expect,
            "{operation}"
        );
    }
    let flat = json!({ "op": "add", "value": { format!("{ENTERPRISE}:department"): "Finance" } });
    assert_eq!(
        app.patched(20, &flat).await[ENTERPRISE],
        json!({ "department": "Finance" })
    );
    let manager = json!({ "op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "9" });
    assert_eq!(
        app.patched(21, &manager).await[ENTERPRISE]["manager"],
        json!({ "value": "9" })
    );
}

#[tokio::test]
async fn a_patch_that_cannot_be_changes_nothing() {
    let app = App::start().await;
    let id = app.user("ann", json!({ "title": "Nurse" })).await;
    let place = format!("/Users/{id}");
    let cases = [
        (
            json!({ "op": "replace", "path": "id", "value": "x" }),
            "mutability",
        ),
        (
            json!({ "op": "replace", "path": "salary", "value": "x" }),
            "invalidPath",
        ),
        (
            json!({ "op": "replace", "path": "emails[type eq", "value": "x" }),
            "invalidPath",
        ),
        (
            json!({ "op": "replace", "path": "emails[type eq \"work\"]", "value": { "value": "x" } }),
            "noTarget",
        ),
        (
            json!({ "op": "move", "path": "title", "value": "x" }),
            "invalidSyntax",
        ),
        (json!({ "op": "remove" }), "noTarget"),
        (json!({ "op": "remove", "path": "userName" }), "invalidValue"),
        (
            json!({ "op": "replace", "path": "active", "value": "perhaps" }),
            "invalidValue",
        ),
    ];
    for (operation, kind) in cases {
        let title = json!({ "op": "replace", "path": "title", "value": "Porter" });
        let reply = app.patch(&place, json!([title, operation])).await;
        assert_eq!(
            (reply.status, reply.body["scimType"].as_str()),
            (400, Some(kind)),
            "{operation}: {}",
            reply.text
        );
    }
    app.check(&format!("GET {place}"), Value::Null, 200, "Nurse")
        .await;
    let same = json!([{ "op": "replace", "path": "title", "value": "Nurse" }]);
    assert_eq!(app.patch(&place, same).await.header("etag"), "W/\"1\"");
}

#[tokio::test]
async fn groups_have_members_in_every_dialect() {
    let app = App::start().await;
    let (agent, supervisor) = (app.group("agent").await, app.group("supervisor").await);
    let (ann, bob) = (app.user("ann", json!({})).await, app.user("bob", json!({})).await);
    let place = format!("/Groups/{agent}");
    let add = json!([{ "op": "Add", "path": "members", "value": [{ "value": ann }, { "value": bob }] }]);
    for _ in 0..2 {
        assert_eq!(app.patch(&place, add.clone()).await.status, 204);
    }
    let members = async || {
        let group = app.check(&format!("GET {place}"), Value::Null, 200, "").await;
        let members = group.body["members"].as_array().cloned().unwrap_or_default();
        members
            .iter()
            .map(|one| one["display"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(members().await, ["ann", "bob"]);
    let user = app
        .check(&format!("GET /Users/{ann}"), Value::Null, 200, "")
        .await;
    assert_eq!(user.body["groups"][0]["display"], "agent");
    let question = format!("id eq \"{agent}\" and members.value eq \"{ann}\"");
    assert_eq!(app.find("/Groups", &question).await, std::slice::from_ref(&agent));
    let filtered = json!([{ "op": "remove", "path": format!("members[value eq \"{ann}\"]") }]);
    assert_eq!(app.patch(&place, filtered).await.status, 204);
    assert_eq!(members().await, ["bob"]);
    app.patch(&place, add.clone()).await;
    let listed = json!([{ "op": "Remove", "path": "members", "value": [{ "$ref": null, "value": bob }] }]);
    assert_eq!(app.patch(&place, listed).await.status, 204);
    assert_eq!(members().await, ["ann"]);
    app.check(&format!("DELETE /Users/{ann}"), Value::Null, 204, "")
        .await;
    assert!(members().await.is_empty());
    let nobody = app
        .patch(
            &place,
            json!([{ "op": "add", "path": "members", "value": [{ "value": "x" }] }]),
        )
        .await;
    assert_eq!(nobody.status, 400, "{}", nobody.text);
    let renamed = app
        .patch(
            &format!("/Groups/{supervisor}"),
            json!([{ "op": "replace", "value": { "displayName": "Agent" } }]),
        )
        .await;
    assert_eq!(renamed.body["scimType"], "uniqueness");
    app.check("POST /Groups", json!({ "displayName": "new" }), 201, "new")
        .await;
    let state = app.0.sandbox.state();
    assert_eq!(state["scim"]["groups"].as_array().unwrap().len(), 3);
    assert_eq!(state["scim"]["users"][0]["userName"], "bob");
}

#[tokio::test]
async fn discovery_says_what_it_can() {
    let app = App::start().await;
    let config = app
        .check("GET /ServiceProviderConfig", Value::Null, 200, "")
        .await;
    assert_eq!(
        (
            &config.body["patch"]["supported"],
            &config.body["bulk"]["supported"]
        ),
        (&json!(true), &json!(false))
    );
    app.check("GET /ResourceTypes", Value::Null, 200, "/Groups").await;
    app.check("GET /ResourceTypes/User", Value::Null, 200, ENTERPRISE)
        .await;
    let schemas = app.check("GET /Schemas", Value::Null, 200, "ListResponse").await;
    assert_eq!(schemas.body["totalResults"], 3);
    app.check(
        &format!("GET /Schemas/{ENTERPRISE}"),
        Value::Null,
        200,
        "costCenter",
    )
    .await;
    app.check("POST /Schemas", json!({}), 405, "read-only").await;
    app.check(
        "GET /Nothing",
        Value::Null,
        404,
        "urn:ietf:params:scim:api:messages:2.0:Error",
    )
    .await;
}

#[tokio::test]
async fn it_needs_its_own_token_and_meets_faults() {
    let mut app = App::start().await;
    let effect = Effect::Throttle {
        retry_after: RetryAfter::Seconds(9),
    };
    app.0
        .sandbox
        .fault(Fault::new(effect).on("GET", "/scim/v2/Users/**").times(1));
    let busy = app
        .check("GET /Users", Value::Null, 429, "\"status\":\"429\"")
        .await;
    assert_eq!(busy.header("retry-after"), "9");
    app.0
        .sandbox
        .fault(Fault::new(Effect::CutAfter).on("POST", "/scim/**").times(1));
    let url = format!("{}/Users", app.0.sandbox.scim());
    assert!(
        app.0
            .request("POST", &url)
            .json(&json!({ "userName": "ann" }))
            .send()
            .await
            .is_err()
    );
    assert_eq!(app.find("/Users", "userName eq \"ann\"").await.len(), 1);
    app.0
        .sandbox
        .fault(Fault::new(Effect::Lag { millis: 60_000 }).on("GET", "/scim/**"));
    assert!(app.find("/Users", "userName eq \"ann\"").await.is_empty());
    app.0.sandbox.reset();
    assert!(app.find("/Users", "userName eq \"ann\"").await.is_empty());
    app.0
        .sandbox
        .act("POST", "/scim/v2/Users", Some(json!({ "userName": "bob" })))
        .unwrap();
    assert_eq!(app.find("/Users", "userName eq \"bob\"").await.len(), 1);
    app.0.sign_in().await;
    let wrong = app.check("GET /Users", Value::Null, 401, "token").await;
    assert!(wrong.header("www-authenticate").starts_with("Bearer"));
}
