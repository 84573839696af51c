//! Filters, pages, and what needs `ConsistencyLevel`.

use serde_json::json;

use crate::Tenant;

#[tokio::test]
async fn filters_find_users() {
    let tenant = Tenant::start().await;
    let check = async |filter: &str, expect: &[&str]| {
        let reply = tenant
            .get(&format!("/users?$select=employeeId&$filter={filter}"))
            .await;
        assert_eq!(reply.status, 200, "{filter}: {}", reply.text);
        let mut found = reply.column("employeeId");
        found.sort_unstable();
        assert_eq!(found, expect, "{filter}");
    };
    check("employeeId eq 'W-1010'", &["W-1010"]).await;
    check("employeeId eq 'w-1010'", &["W-1010"]).await;
    check("employeeId eq 'W-1010' and accountEnabled eq false", &[]).await;
    check("employeeId in ('W-1010','W-2044','W-9')", &["W-1010", "W-2044"]).await;
    check("userPrincipalName eq 'NOAH.FISCHER@contoso.example'", &["W-1009"]).await;
    check("startsWith(displayName,'Diego')", &["W-2044"]).await;
    check("mail eq 'diego.fernandez@contoso.example'", &["W-2044"]).await;
    check("department eq 'Facilities' or city eq 'x'", &["W-1015", "W-2050"]).await;
    check(
        "employeeHireDate ge 2021-01-01T00:00:00Z and employeeType eq 'Employee'",
        &["W-1009"],
    )
    .await;
    check(
        "assignedLicenses/any(l:l/skuId eq f8a1db68-be16-40ed-86d5-cb42ce701560)",
        &["W-1010"],
    )
    .await;
    check(
        "proxyAddresses/any(p:p eq 'SMTP:wei.zhang@contoso.example')",
        &["W-2050"],
    )
    .await;
    check("employeeId eq null and mail eq null", &[""; 8]).await;
    // The name of the option may be encoded, or lack its dollar sign.
    for query in [
        "%24filter=employeeId%20eq%20'W-1010'&%24select=id",
        "filter=employeeId+eq+'W-1010'",
    ] {
        assert_eq!(
            tenant.get(&format!("/users?{query}")).await.values().len(),
            1,
            "{query}"
        );
    }
}

#[tokio::test]
async fn bad_queries_are_refused() {
    let tenant = Tenant::start().await;
    let check = async |query: &str, code: &str| {
        let reply = tenant.get(&format!("/users?{query}")).await;
        assert_eq!(
            (reply.status, reply.code()),
            (400, code),
            "{query}: {}",
            reply.text
        );
    };
    check("$filter=nope eq 'a'", "BadRequest").await;
    check("$filter=displayName eq", "BadRequest").await;
    check("$filter=contains(displayName,'a')", "Request_UnsupportedQuery").await;
    check("$select=nope", "BadRequest").await;
    check("$expand=nope", "BadRequest").await;
    check("$top=1000", "Request_BadRequest").await;
    check("$top=0", "Request_BadRequest").await;
    check("$skiptoken=zzz", "BadRequest").await;
    check("$orderby=department", "Request_UnsupportedQuery").await;
    check(
        "$filter=city eq 'x'&$orderby=displayName",
        "Request_UnsupportedQuery",
    )
    .await;
    let many: Vec<String> = (0..16).map(|number| format!("'W-{number}'")).collect();
    check(
        &format!("$filter=employeeId in ({})", many.join(",")),
        "Request_UnsupportedQuery",
    )
    .await;
    let advanced = format!("/users?$count=true&$filter=employeeId in ({})", many.join(","));
    assert_eq!(tenant.eventual(&advanced).await.status, 200);
    let either: Vec<String> = (0..16)
        .map(|number| format!("employeeId eq 'W-{number}'"))
        .collect();
    check(
        &format!("$filter={}", either.join(" or ")),
        "Request_UnsupportedQuery",
    )
    .await;
    check_fine(&tenant, &format!("$filter={}", either[1..].join(" or "))).await;
}

async fn check_fine(tenant: &Tenant, query: &str) {
    let reply = tenant.get(&format!("/users?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text);
}

#[tokio::test]
async fn advanced_queries_need_header_and_count() {
    let tenant = Tenant::start().await;
    for filter in [
        "department ne 'Sales'",
        "not(department eq 'Sales')",
        "endsWith(mail,'@contoso.example')",
        "assignedLicenses/$count eq 3",
    ] {
        let plain = tenant.get(&format!("/users?$filter={filter}")).await;
        assert_eq!(
            (plain.status, plain.code()),
            (400, "Request_UnsupportedQuery"),
            "{filter}"
        );
        assert!(plain.message().contains("ConsistencyLevel:eventual"), "{filter}");
        let no_header = tenant.get(&format!("/users?$count=true&$filter={filter}")).await;
        assert_eq!(no_header.status, 400, "{filter}");
        let no_count = tenant.eventual(&format!("/users?$filter={filter}")).await;
        assert_eq!(no_count.status, 400, "{filter}");
        let both = tenant
            .eventual(&format!("/users?$count=true&$top=999&$filter={filter}"))
            .await;
        assert_eq!(both.status, 200, "{filter}: {}", both.text);
        assert_eq!(both.body["@odata.count"], both.values().len(), "{filter}");
        assert!(!both.values().is_empty(), "{filter}");
    }
    let sorted = tenant
        .eventual("/users?$count=true&$filter=department eq 'Sales'&$orderby=displayName desc")
        .await;
    assert_eq!(sorted.column("displayName"), ["Tariq Aziz", "Elena Petrova"]);
    assert!(
        tenant
            .get("/users?$count=true")
            .await
            .body
            .get("@odata.count")
            .is_none(),
        "ignored without the header"
    );
    assert_eq!(
        tenant.get("/users/$count").await.message(),
        "$count is not currently supported."
    );
    assert_eq!(tenant.eventual("/users/$count").await.text, "20");
    assert_eq!(
        tenant.eventual("/users?$count=true&$expand=manager").await.status,
        400
    );
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let tenant = Tenant::empty().await;
    for number in 0..25 {
        tenant
            .hire(&format!("user{number:02}"), json!({ "department": "Ward" }))
            .await;
    }
    let walk = async |first: &str, eventual: bool| {
        let (mut url, mut names, mut pages) = (first.to_owned(), Vec::new(), 0);
        loop {
            let reply = if eventual {
                tenant.eventual(&url).await
            } else {
                tenant.get(&url).await
            };
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(
                reply.body.get("@odata.count").is_some(),
                eventual && pages == 0,
                "the count is on page 1 only"
            );
            names.extend(reply.column("displayName").into_iter().map(str::to_owned));
            pages += 1;
            match reply.body["@odata.nextLink"].as_str() {
                Some(next) => {
                    assert!(next.starts_with(tenant.sandbox.graph()), "{next}");
                    url = next.to_owned();
                }
                None => return (names, pages),
            }
        }
    };
    let expect: Vec<String> = (0..25).map(|number| format!("user{number:02}")).collect();
    let filter = "$select=displayName&$filter=department eq 'Ward'";
    assert_eq!(
        walk(&format!("/users?$top=10&{filter}"), false).await,
        (expect.clone(), 3)
    );
    assert_eq!(
        walk(&format!("/users?$top=5&{filter}"), false).await,
        (expect.clone(), 5),
        "no empty last page"
    );
    assert_eq!(
        walk(&format!("/users?$top=10&$count=true&{filter}"), true).await,
        (expect.clone(), 3)
    );
    let (mut names, pages) = walk(
        &format!("/users?$top=9&$count=true&$orderby=displayName desc&{filter}"),
        true,
    )
    .await;
    names.reverse();
    assert_eq!((names, pages), (expect, 3));
}

#[tokio::test]
async fn a_page_survives_changes_between_requests() {
    let tenant = Tenant::empty().await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(
            tenant
                .hire(&format!("user{number}"), json!({ "department": "Ward" }))
                .await,
        );
    }
    let first = tenant
        .get("/users?$top=2&$select=displayName&$filter=department eq 'Ward'")
        .await;
    tenant
        .send("DELETE", &format!("/users/{}", ids[0]), serde_json::Value::Null)
        .await;
    let second = tenant.get(first.body["@odata.nextLink"].as_str().unwrap()).await;
    assert_eq!(second.column("displayName"), ["user2", "user3"]);
}

#[tokio::test]
async fn searches_need_the_header_only() {
    let tenant = Tenant::start().await;
    let plain = tenant.get("/users?$search=\"displayName:camila\"").await;
    assert_eq!((plain.status, plain.code()), (400, "Request_UnsupportedQuery"));
    assert!(plain.message().contains("ConsistencyLevel"), "{}", plain.text);
    let check = async |query: &str, expect: &[&str]| {
        let reply = tenant
            .eventual(&format!("/users?$select=employeeId&{query}"))
            .await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        let mut found = reply.column("employeeId");
        found.sort_unstable();
        assert_eq!(found, expect, "{query}");
    };
    check("$search=\"displayName:camila\"", &["W-1010"]).await;
    check("$search=\"displayName:Rocha\"", &["W-1010"]).await;
    check("%24search=%22displayName%3Aroc%20cam%22", &["W-1010"]).await;
    check("$search=\"displayName:amila\"", &[]).await;
    check(
        "$search=\"displayName:camila\" OR \"mail:diego.f\"",
        &["W-1010", "W-2044"],
    )
    .await;
    check("$search=\"displayName:camila\" AND \"mail:diego\"", &[]).await;
    check(
        "$search=(\"displayName:camila\" OR \"displayName:diego\")&$filter=employeeId eq 'W-2044'",
        &["W-2044"],
    )
    .await;
    for wrong in [
        "displayName:camila",
        "\"camila\"",
        "\"displayName:\"",
        "\"displayName:a\" and \"mail:b\"",
        "(\"mail:b\"",
        "\"nope:b\"",
    ] {
        let reply = tenant.eventual(&format!("/users?$search={wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text);
    }
    assert!(
        !tenant
            .eventual("/groups?$search=\"displayName:staff\"")
            .await
            .values()
            .is_empty()
    );
}
