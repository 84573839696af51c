//! What is refused, with which status and `scimType`.

use serde_json::json;

use crate::{GROUP, Provider, USER, patch};

#[tokio::test]
async fn bodies() {
    let provider = Provider::memory().await;
    let post = |text: &str| {
        let request = provider
            .request("POST", "/Users")
            .header("content-type", "application/scim+json");
        provider.send(request.body(text.to_owned()))
    };
    post("{").await.refuses(400, "invalidSyntax");
    post("[]").await.refuses(400, "invalidSyntax");
    post("").await.refuses(400, "invalidSyntax");
    post(&"[".repeat(10_000)).await.refuses(400, "invalidSyntax");
    post(&format!("\"{}\"", "x".repeat(200_000)))
        .await
        .refuses(413, "");
    for (user, scim_type) in [
        (json!({"userName": "a"}), "invalidSyntax"),
        (json!({"schemas": [GROUP], "userName": "a"}), "invalidSyntax"),
        (json!({"schemas": [USER]}), "invalidValue"),
        (json!({"schemas": [USER], "userName": ""}), "invalidValue"),
        (json!({"schemas": [USER], "userName": 7}), "invalidValue"),
        (
            json!({"schemas": [USER], "userName": "a", "username": "b"}),
            "invalidSyntax",
        ),
        (
            json!({"schemas": [USER], "userName": "a", "active": "perhaps"}),
            "invalidValue",
        ),
        (
            json!({"schemas": [USER], "userName": "a", "name": 3}),
            "invalidValue",
        ),
        (
            json!({"schemas": [USER], "userName": "a", "title": ["x", "y"]}),
            "invalidValue",
        ),
        (
            json!({"schemas": [USER], "userName": "a", "emails": [
                {"value": "1", "primary": true}, {"value": "2", "primary": true}]}),
            "invalidValue",
        ),
    ] {
        provider
            .write("POST", "/Users", user)
            .await
            .refuses(400, scim_type);
    }
    assert_eq!(provider.get("/Users").await.body["totalResults"], 0);
}

#[tokio::test]
async fn media_types() {
    let provider = Provider::memory().await;
    let body = json!({"schemas": [USER], "userName": "a"}).to_string();
    for (media, expect) in [
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/x-www-form-urlencoded", 415),
        ("Application/JSON; charset=utf-8", 201),
        ("application/scim+json;charset=utf-8", 409),
    ] {
        let request = provider
            .request("POST", "/Users")
            .header("content-type", media)
            .body(body.clone());
        assert_eq!(provider.send(request).await.status.as_u16(), expect, "{media}");
    }
}

#[tokio::test]
async fn queries() {
    let provider = Provider::memory().await;
    provider.user("a").await;
    for (query, scim_type) in [
        ("filter=userName%20is%20x", "invalidFilter"),
        ("filter=nonsense%20pr", "invalidFilter"),
        ("filter=((((", "invalidFilter"),
        ("sortBy=nonsense", "invalidPath"),
        ("sortBy=name", "invalidPath"),
        ("sortBy=a[b", "invalidPath"),
        ("sortBy=userName&sortOrder=up", "invalidValue"),
        ("count=many", "invalidValue"),
        ("startIndex=1.5", "invalidValue"),
    ] {
        provider
            .get(&format!("/Users?{query}"))
            .await
            .refuses(400, scim_type);
    }
    let answer = provider.filter("/Users", "title eq \"x\" and nope").await;
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("at character 22"),
        "{}",
        answer.body
    );
    let search = json!({"filter": 3});
    provider
        .write("POST", "/Users/.search", search)
        .await
        .refuses(400, "invalidValue");
    provider
        .write("POST", "/.search", json!({"filter": "nonsense pr"}))
        .await
        .refuses(400, "invalidFilter");
}

#[tokio::test]
async fn methods_and_paths() {
    let provider = Provider::memory().await;
    let id = provider.user("a").await;
    let path = format!("/Users/{id}");
    for (method, path, allow) in [
        ("PUT", "/Users", "GET, POST"),
        ("DELETE", "/Groups", "GET, POST"),
        ("POST", path.as_str(), "GET, PUT, PATCH, DELETE"),
        ("OPTIONS", path.as_str(), "GET, PUT, PATCH, DELETE"),
        ("GET", "/Users/.search", "POST"),
        ("POST", "", "GET"),
    ] {
        let answer = provider.write(method, path, json!({})).await.is(405);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    for path in ["/nothing", "/Users/none", "/Users/a/b", "/Groups/none", "/%ff"] {
        provider.get(path).await.refuses(404, "");
    }
    provider.get("/Me").await.refuses(501, "");
    provider.write("POST", "/Bulk", json!({})).await.refuses(501, "");
    let head = provider.send(provider.request("HEAD", &path)).await.is(200);
    assert!(head.body.is_null());
}

#[tokio::test]
async fn patches() {
    let provider = Provider::memory().await;
    let path = format!("/Users/{}", provider.user("a").await);
    for (body, status, scim_type) in [
        (json!({}), 400, "invalidSyntax"),
        (json!({"operations": []}), 200, ""),
        (patch(json!({"op": "add"})), 400, "invalidSyntax"),
        (
            patch(json!([{"op": "replace", "path": "id", "value": "x"}])),
            400,
            "mutability",
        ),
        (
            patch(json!([{"op": "remove", "path": "userName"}])),
            400,
            "mutability",
        ),
        (
            patch(json!([{"op": "add", "path": "x y", "value": 1}])),
            400,
            "invalidPath",
        ),
        (
            patch(json!(vec![json!({"op": "remove", "path": "title"}); 1001])),
            413,
            "",
        ),
    ] {
        let answer = provider.write("PATCH", &path, body).await;
        if status == 200 {
            answer.is(200);
        } else {
            answer.refuses(status, scim_type);
        }
    }
    let second = json!([{"op": "remove", "path": "title"}, {"op": "add", "path": "x y", "value": 1}]);
    let answer = provider.write("PATCH", &path, patch(second)).await;
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .starts_with("operation 2: "),
        "{}",
        answer.body
    );
}

/// What concerns lists only is no reason to refuse a change that has taken effect already.
#[tokio::test]
async fn parameters_of_lists_do_not_matter_to_one_resource() {
    for provider in Provider::both().await {
        let user = json!({"schemas": [USER], "userName": "a"});
        let made = provider
            .write("POST", "/Users?count=many&filter=((&attributes=userName", user)
            .await
            .is(201);
        let id = made.id();
        assert_eq!(made.body, json!({"schemas": [USER], "id": id, "userName": "a"}));
        let title = patch(json!([{"op": "add", "path": "title", "value": "Chief"}]));
        let path = format!("/Users/{id}?sortBy=nonsense[&excludedAttributes=userName,meta");
        let changed = provider.write("PATCH", &path, title).await.is(200);
        assert_eq!(
            changed.body,
            json!({"schemas": [USER], "id": id, "title": "Chief"})
        );
    }
}
