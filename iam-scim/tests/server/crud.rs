//! Create, read, replace, patch, delete, and their headers.

use serde_json::json;

use crate::{EXT, GROUP, Provider, USER, patch};

#[tokio::test]
async fn one_life() {
    for provider in Provider::both().await {
        let created = provider
            .write("POST", "/Users?attributes=userName", json!({
                "schemas": [USER, EXT, "urn:foreign"], "USERNAME": "Ann", "active": "True", "id": "mine",
                "password": "x", "roles": [], "unknown": 1, "name": {"givenName": "Ann", "middleName": null},
                EXT: {"employeeNumber": "7", "manager": "m"},
            }))
            .await
            .is(201);
        let id = created.id();
        let url = format!("{}/Users/{id}", provider.base);
        assert_eq!(created.header("location"), url);
        assert_eq!(
            created.body,
            json!({"schemas": [USER, EXT], "id": id, "userName": "Ann"})
        );
        let path = format!("/Users/{id}");
        let read = provider.get(&path).await.is(200);
        let mut body = read.body.clone();
        let meta = body["meta"].take();
        assert_eq!(
            body,
            json!({
                "schemas": [USER, EXT], "id": id, "userName": "Ann", "active": true, "name": {"givenName": "Ann"},
                EXT: {"employeeNumber": "7", "manager": {"value": "m"}}, "meta": null,
            })
        );
        assert_eq!(meta["location"], url);
        assert_eq!(meta["resourceType"], "User");
        assert_eq!(meta["version"], read.header("etag"));
        assert_eq!(read.header("content-type"), "application/scim+json");

        let replaced = provider
            .write("PUT", &path, json!({"schemas": [USER], "userName": "ANN"}))
            .await
            .is(200);
        assert_eq!(replaced.body["schemas"], json!([USER]));
        assert!(replaced.body.get("active").is_none() && replaced.body.get(EXT).is_none());
        assert_eq!(replaced.body["meta"]["created"], meta["created"]);
        assert_ne!(replaced.body["meta"]["version"], meta["version"]);
        let again = provider
            .write("PUT", &path, json!({"schemas": [USER], "userName": "ANN"}))
            .await
            .is(200);
        assert_eq!(again.body, replaced.body, "nothing changed");

        let gone = provider.send(provider.request("DELETE", &path)).await.is(204);
        assert!(gone.body.is_null());
        provider.get(&path).await.refuses(404, "");
        provider
            .send(provider.request("DELETE", &path))
            .await
            .refuses(404, "");
        provider
            .write("PATCH", &path, patch(json!([])))
            .await
            .refuses(404, "");
        provider.user("ann").await;
    }
}

#[tokio::test]
async fn patches_take_effect_whole_or_not_at_all() {
    for provider in Provider::both().await {
        let path = format!("/Users/{}", provider.user("Ann").await);
        let before = provider.get(&path).await.body;
        let halves = json!([
            {"op": "replace", "path": "title", "value": "Chief"},
            {"op": "replace", "path": "emails[type sw \"w\"].value", "value": "x"},
        ]);
        provider
            .write("PATCH", &path, patch(halves))
            .await
            .refuses(400, "noTarget");
        let nothing =
            json!([{"op": "add", "path": "userName", "value": "Ann"}, {"op": "remove", "path": "title"}]);
        let same = provider.write("PATCH", &path, patch(nothing)).await.is(200);
        assert_eq!(same.body, before, "nothing changed");
        let title = json!([{"op": "add", "path": "title", "value": "Chief"}]);
        let changed = provider
            .write("PATCH", &format!("{path}?attributes=title"), patch(title))
            .await
            .is(200);
        assert_eq!(
            changed.body,
            json!({"schemas": [USER], "id": before["id"], "title": "Chief"})
        );
        assert_ne!(
            provider.get(&path).await.body["meta"]["version"],
            before["meta"]["version"]
        );
    }
}

#[tokio::test]
async fn conditions() {
    for provider in Provider::both().await {
        let path = format!("/Users/{}", provider.user("Ann").await);
        let tag = provider.get(&path).await.header("etag").to_owned();
        let with =
            |method: &str, name: &str, value: &str| provider.request(method, &path).header(name, value);
        let seen = provider.send(with("GET", "if-none-match", &tag)).await.is(304);
        assert_eq!(seen.header("etag"), tag);
        provider
            .send(with("GET", "if-none-match", "W/\"99\""))
            .await
            .is(200);
        let title = patch(json!([{"op": "add", "path": "title", "value": "Chief"}]));
        let whole = json!({"schemas": [USER], "userName": "Ann"});
        provider
            .send(with("PATCH", "if-match", "W/\"99\"").json(&title))
            .await
            .refuses(412, "");
        provider
            .send(with("PUT", "if-match", "\"99\"").json(&whole))
            .await
            .refuses(412, "");
        provider
            .send(with("DELETE", "if-match", "W/\"99\""))
            .await
            .refuses(412, "");
        let changed = provider
            .send(with("PATCH", "if-match", &format!("\"x\", {tag}")).json(&title))
            .await
            .is(200);
        assert_ne!(changed.header("etag"), tag);
        provider
            .send(with("PATCH", "if-match", &tag).json(&title))
            .await
            .refuses(412, "");
        provider.send(with("DELETE", "if-match", "*")).await.is(204);
    }
}

#[tokio::test]
async fn groups_show_in_their_users() {
    for provider in Provider::both().await {
        let (ann, bea) = (provider.user("Ann").await, provider.user("Bea").await);
        let group = provider.group("Staff", &[&ann, &bea]).await;
        let shown = provider.get(&format!("/Users/{ann}")).await;
        let url = format!("{}/Groups/{group}", provider.base);
        let due = json!([{"value": group, "display": "Staff", "type": "direct", "$ref": url}]);
        assert_eq!(shown.body["groups"], due);
        let found = provider
            .filter(
                "/Users",
                &format!("groups.value eq \"{group}\" and userName sw \"b\""),
            )
            .await;
        assert_eq!(found.names("userName"), "Bea");
        let members = provider.get(&format!("/Groups/{group}")).await.body["members"].clone();
        assert_eq!(
            members[1],
            json!({"value": bea, "$ref": format!("{}/Users/{bea}", provider.base)})
        );
        provider
            .send(provider.request("DELETE", &format!("/Users/{ann}")))
            .await
            .is(204);
        let left = provider.get(&format!("/Groups/{group}")).await.body["members"].clone();
        assert_eq!(left[0]["value"], bea);
        assert!(left.get(1).is_none());
        provider
            .send(provider.request("DELETE", &format!("/Groups/{group}")))
            .await
            .is(204);
        assert!(
            provider
                .get(&format!("/Users/{bea}"))
                .await
                .body
                .get("groups")
                .is_none()
        );
    }
}

#[tokio::test]
async fn names_are_unique() {
    for provider in Provider::both().await {
        provider.user("Ann").await;
        let bea = provider.user("Bea").await;
        provider.group("Staff", &[]).await;
        let named = |name: &str| json!({"schemas": [USER], "userName": name});
        provider
            .write("POST", "/Users", named("ANN"))
            .await
            .refuses(409, "uniqueness");
        provider
            .write("PUT", &format!("/Users/{bea}"), named("ann"))
            .await
            .refuses(409, "uniqueness");
        let rename = patch(json!([{"op": "replace", "path": "userName", "value": "aNN"}]));
        provider
            .write("PATCH", &format!("/Users/{bea}"), rename)
            .await
            .refuses(409, "uniqueness");
        let staff = json!({"schemas": [GROUP], "displayName": "staff"});
        provider
            .write("POST", "/Groups", staff)
            .await
            .refuses(409, "uniqueness");
    }
}

/// Okta reads, changes and puts the whole: the URLs that were worked out for the answer are not kept as the client's.
#[tokio::test]
async fn a_group_that_is_put_back_as_it_was_read_is_unchanged() {
    for provider in Provider::both().await {
        let (ann, bea) = (provider.user("Ann").await, provider.user("Bea").await);
        let inner = provider.group("Inner", &[]).await;
        let members =
            json!([{"value": ann}, {"value": inner, "type": "Group"}, {"value": bea, "$ref": "urn:own"}]);
        let group = json!({"schemas": [GROUP], "displayName": "Staff", "members": members});
        let path = format!(
            "/Groups/{}",
            provider.write("POST", "/Groups", group).await.is(201).id()
        );
        let read = provider.get(&path).await.is(200);
        let put = provider.write("PUT", &path, read.body.clone()).await.is(200);
        assert_eq!(put.body, read.body, "nothing changed");
        assert_eq!(put.body["members"][2]["$ref"], "urn:own");
        let own = format!("{}/Users/{ann}", provider.base);
        let again = json!([{"op": "replace", "path": "members", "value": [
            {"value": ann, "$ref": own}, {"value": inner, "type": "Group"}, {"value": bea, "$ref": "urn:own"}]}]);
        provider.write("PATCH", &path, patch(again)).await.is(204);
        assert_eq!(provider.get(&path).await.body, read.body, "nothing changed");
    }
}
