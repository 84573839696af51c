//! Lists: pages, order, projection, search, discovery.

use serde_json::json;

use crate::{Provider, USER};

/// Seven users; the page is 3 by default and 5 at most.
async fn seven(provider: &Provider) {
    for (name, title) in [
        ("d", "2"),
        ("B", "1"),
        ("a", ""),
        ("C", "3"),
        ("e", "2"),
        ("g", ""),
        ("F", "9"),
    ] {
        let user = json!({"schemas": [USER], "userName": name, "title": title});
        provider.write("POST", "/Users", user).await.is(201);
    }
}

#[tokio::test]
async fn pages() {
    for provider in Provider::both().await {
        seven(&provider).await;
        for (query, names, start) in [
            ("", "d B a", 1),
            ("startIndex=0&count=2", "d B", 1),
            ("startIndex=-5&count=2", "d B", 1),
            ("startIndex=6&count=5", "g F", 6),
            ("startIndex=8", "", 8),
            ("count=100", "d B a C e", 1),
            ("count=0", "", 1),
            ("count=-1", "", 1),
            ("sortBy=userName&count=5", "a B C d e", 1),
            (
                "sortBy=userName&sortOrder=descending&count=2&startIndex=2",
                "F e",
                2,
            ),
            ("sortBy=title&count=5", "B d e C F", 1),
            ("sortBy=title&sortOrder=descending&count=4", "a g F C", 1),
            ("sortBy=meta.created&count=2", "d B", 1),
            ("SORTBY=id&count=0", "", 1),
        ] {
            let list = provider.get(&format!("/Users?{query}")).await.is(200);
            assert_eq!(list.names("userName"), names, "{query}");
            assert_eq!(list.body["totalResults"], 7, "{query}");
            assert_eq!(list.body["startIndex"], start, "{query}");
            assert_eq!(
                list.body["itemsPerPage"],
                names.split_whitespace().count(),
                "{query}"
            );
        }
        let filtered = provider
            .get("/Users?filter=title%20pr&count=2&startIndex=2")
            .await
            .is(200);
        assert_eq!(
            (
                filtered.names("userName").as_str(),
                &filtered.body["totalResults"]
            ),
            ("B C", &json!(5))
        );
    }
}

#[tokio::test]
async fn searches() {
    for provider in Provider::both().await {
        seven(&provider).await;
        provider.group("a group", &[]).await;
        let search = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
            "filter": "title pr", "sortBy": "userName", "sortOrder": "descending",
            "startIndex": 1, "count": 2, "attributes": ["userName"],
        });
        let found = provider
            .write("POST", "/Users/.search", search.clone())
            .await
            .is(200);
        assert_eq!(found.names("userName"), "F e");
        assert!(found.body["Resources"][0].get("title").is_none());
        assert_eq!(
            provider
                .write("POST", "/.search", search)
                .await
                .is(200)
                .names("userName"),
            "F e"
        );
        let everything = provider
            .get("?filter=displayName%20eq%20%22A%20group%22")
            .await
            .is(200);
        assert_eq!(everything.names("displayName"), "a group");
        let everything = provider.get("/?count=5").await.is(200);
        assert_eq!(everything.body["totalResults"], 8);
        let lower = provider.get("/users?count=1&attributes=userName").await.is(200);
        assert_eq!(lower.names("userName"), "d");
    }
}

#[tokio::test]
async fn discovery() {
    let provider = Provider::memory().await;
    let config = provider.get("/ServiceProviderConfig").await.is(200).body;
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["filter"], json!({"supported": true, "maxResults": 5}));
    let types = provider.get("/ResourceTypes").await.is(200);
    assert_eq!(
        (types.names("endpoint").as_str(), &types.body["totalResults"]),
        ("/Users /Groups", &json!(2))
    );
    assert_eq!(
        provider.get("/ResourceTypes/User").await.is(200).body["schema"],
        USER
    );
    let schemas = provider.get("/Schemas").await.is(200);
    assert_eq!(schemas.names("name"), "User Group EnterpriseUser");
    let user = provider.get(&format!("/Schemas/{USER}")).await.is(200).body;
    let name = user["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "userName")
        .unwrap();
    assert_eq!(name["uniqueness"], "server");
    assert_eq!(name["caseExact"], false);
    provider.get("/Schemas?filter=id%20pr").await.refuses(403, "");
    provider.get("/Schemas/urn:nothing").await.refuses(404, "");
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/Schemas",
        "/Schemas/x",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = provider.write(method, path, json!({})).await.is(405);
            assert_eq!(answer.header("allow"), "GET");
        }
    }
}
