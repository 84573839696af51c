//! The sequences that Entra ID and Okta send.

use serde_json::{Value, json};

use crate::{EXT, GROUP, Provider, USER, patch};

#[tokio::test]
async fn provisioning_cycle() {
    for provider in Provider::both().await {
        let none = provider.filter("/Users", "userName eq \"ann@x\"").await.is(200);
        assert_eq!(none.body["totalResults"], 0);
        assert_eq!(none.body["Resources"], json!([]));
        let user = json!({
            "schemas": [USER, EXT], "externalId": "Ann-1", "userName": "ann@x", "active": true, "roles": [],
            "emails": [{"primary": true, "type": "work", "value": "Ann@Work.x"}], "meta": {"resourceType": "User"},
        });
        let id = provider
            .write("POST", "/Users?aadOptscim062020", user)
            .await
            .is(201)
            .id();
        for (filter, expect) in [
            ("externalId eq \"Ann-1\"", "ann@x"),
            ("externalId eq \"ann-1\"", ""),
            ("emails[type eq \"work\"].value eq \"ann@work.x\"", "ann@x"),
            ("emails[type eq \"home\"].value eq \"ann@work.x\"", ""),
            ("emails.value eq \"ANN@work.x\"", "ann@x"),
            ("userName eq \"ANN@x\" and active eq \"True\"", "ann@x"),
        ] {
            assert_eq!(
                provider.filter("/Users", filter).await.is(200).names("userName"),
                expect,
                "{filter}"
            );
        }
        let plus = provider.get("/Users?filter=userName+eq+%22ann@x%22").await;
        assert_eq!(plus.names("id"), id);

        let path = format!("/Users/{id}");
        let change = json!([
            {"op": "Replace", "path": "active", "value": "False"},
            {"op": "Add", "path": "emails[type eq \"home\"].value", "value": "h@x"},
            {"op": "Add", "path": format!("{EXT}:manager"), "value": "m"},
        ]);
        let changed = provider.write("PATCH", &path, patch(change)).await.is(200).body;
        assert_eq!(changed["active"], false);
        assert_eq!(changed["emails"][1], json!({"type": "home", "value": "h@x"}));
        assert_eq!(changed[EXT], json!({"manager": {"value": "m"}}));
        let clear = json!([{"op": "Replace", "path": format!("{EXT}:manager"), "value": ""}]);
        let cleared = provider.write("PATCH", &path, patch(clear)).await.is(200).body;
        assert_eq!((cleared.get(EXT), &cleared["schemas"]), (None, &json!([USER])));
        assert_eq!(provider.filter("/Users", "active eq false").await.names("id"), id);
    }
}

#[tokio::test]
async fn group_cycle() {
    for provider in Provider::both().await {
        let (ann, bea) = (provider.user("ann").await, provider.user("bea").await);
        let group = json!({
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "Staff", "externalId": "s", "meta": {"resourceType": "Group"},
        });
        let id = provider.write("POST", "/Groups", group).await.is(201).id();
        let path = format!("/Groups/{id}");
        let add = json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": ann}, {"value": bea}]}]);
        let answer = provider.write("PATCH", &path, patch(add.clone())).await.is(204);
        let version = answer.header("etag").to_owned();
        let again = provider.write("PATCH", &path, patch(add)).await.is(204);
        assert_eq!(again.header("etag"), version, "members are added once");
        let members = |body: Value| body["members"].as_array().map_or(0, Vec::len);
        assert_eq!(members(provider.get(&path).await.body), 2);
        let holds = format!("id eq \"{id}\" and members.value eq \"{ann}\"");
        assert_eq!(provider.filter("/Groups", &holds).await.names("id"), id);
        let found = provider
            .get("/Groups?excludedAttributes=members&filter=displayName%20eq%20%22STAFF%22")
            .await;
        assert!(found.body["Resources"][0].get("members").is_none());

        let remove = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ann}]}]);
        provider.write("PATCH", &path, patch(remove)).await.is(204);
        let left = provider.get(&path).await.body;
        assert_eq!(left["members"][0]["value"], bea);
        assert_eq!(members(left), 1, "only one member goes");
        assert_eq!(provider.filter("/Groups", &holds).await.body["totalResults"], 0);
        // Okta renames with the id in the value.
        let rename = json!([{"op": "replace", "value": {"id": id, "displayName": "Crew"}}]);
        let shown = provider
            .write("PATCH", &format!("{path}?attributes=displayName"), patch(rename))
            .await
            .is(200);
        assert_eq!(shown.body["displayName"], "Crew");
    }
}
