//! Where a browser is sent back to, and what an application learns.

use super::*;

#[tokio::test]
async fn a_user_signs_in_and_the_application_learns_who_it_is() {
    let mut browser = Browser::new().await;
    let page = browser.authorize(&[]).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert!(
        page.text.contains("Sign in") && page.text.contains("IAM Automation portal"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("http://") && !page.text.contains("https://"),
        "nothing from elsewhere"
    );
    assert_eq!(page.header("x-frame-options"), "DENY");
    let page = browser
        .fill(&page, &[("username", "Portal.Auditor@contoso.example")])
        .await;
    assert!(
        page.text.contains("Enter password") && page.text.contains(AUDITOR),
        "{}",
        page.text
    );
    assert!(browser.cookie.is_empty(), "nobody is signed in yet");
    let reply = browser
        .fill(&page, &[("password", Sandbox::user_password())])
        .await;
    assert_eq!(reply.status, 302);
    let back = reply.header("location").to_owned();
    assert!(back.starts_with(&format!("{BACK}?")), "{back}");
    let answer = query(&back);
    assert_eq!(answer["state"], "s&1");
    assert!(reply.header("set-cookie").contains("HttpOnly"));

    let reply = browser
        .token(&[("code", &answer["code"]), ("client_info", "1")])
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let user = browser.sandbox.user(AUDITOR).unwrap();
    let (api, tenant) = (
        browser.sandbox.api_audience(),
        browser.sandbox.tenant_id().to_owned(),
    );
    assert_eq!(reply.body["scope"], format!("{api}/access_as_user"));
    let issuer = format!("{}/{tenant}/v2.0", browser.sandbox.authority());
    let access = claims(&reply.body["access_token"]);
    for (name, expect) in [
        ("aud", json!(api.strip_prefix("api://").unwrap())),
        ("iss", json!(issuer)),
        ("ver", json!("2.0")),
        ("oid", user["id"].clone()),
        ("tid", json!(tenant)),
        ("azp", json!(browser.sandbox.ui_client_id())),
        ("scp", json!("access_as_user")),
        ("roles", json!(["IAM.Auditor"])),
        ("preferred_username", json!(AUDITOR)),
    ] {
        assert_eq!(access[name], expect, "{name}");
    }
    let id = claims(&reply.body["id_token"]);
    for (name, expect) in [
        ("aud", json!(browser.sandbox.ui_client_id())),
        ("iss", json!(issuer)),
        ("nonce", json!("n-1")),
        ("oid", user["id"].clone()),
        ("name", json!("Portal Auditor")),
        ("roles", json!(["IAM.Auditor"])),
        ("email", Value::Null),
    ] {
        assert_eq!(id[name], expect, "{name}");
    }
    // One user is not the same for two applications.
    assert_ne!(id["sub"], access["sub"]);
    assert_ne!(id["sub"], id["oid"]);
    let info = URL_SAFE_NO_PAD
        .decode(reply.body["client_info"].as_str().unwrap())
        .unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({ "uid": user["id"], "utid": tenant }));

    // The log knows of it, and no secret.
    let log: Vec<String> = browser
        .sandbox
        .log()
        .iter()
        .map(|entry| format!("{} {}", entry.path, entry.query))
        .collect();
    assert!(!log.concat().contains(&answer["code"]));
    let mut tenant = Tenant::with(browser.sandbox).await;
    tenant.sign_in().await;
    let found = tenant
        .get(&format!(
            "/auditLogs/signIns?$filter=userPrincipalName eq '{AUDITOR}'"
        ))
        .await;
    assert_eq!(found.values()[0]["appDisplayName"], "IAM Automation portal");
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let mut browser = Browser::new().await;
    for (name, value, number) in [
        (
            "redirect_uri",
            "https://evil.example/oauth2callback",
            "AADSTS50011",
        ),
        ("redirect_uri", "http://127.0.0.1:8601/other", "AADSTS50011"),
        (
            "redirect_uri",
            "http://127.0.0.1.evil.example/oauth2callback",
            "AADSTS50011",
        ),
        ("redirect_uri", "javascript:alert(1)", "AADSTS50011"),
        (
            "client_id",
            "2f2e6d0a-0000-4000-8000-000000000001",
            "AADSTS700016",
        ),
        ("client_id", "", "AADSTS900144"),
    ] {
        let reply = browser.authorize(&[(name, value)]).await;
        assert_eq!((reply.status, reply.header("location")), (400, ""), "{value}");
        assert!(reply.text.contains(number), "{value}: {}", reply.text);
    }
    let url = format!(
        "{}/other.example/oauth2/v2.0/authorize?{}",
        browser.sandbox.authority(),
        browser.asked(&[])
    );
    assert!(read(browser.http.get(url)).await.text.contains("AADSTS90002"));

    // Everything else that is wrong goes back to the application.
    let api = browser.sandbox.api_audience();
    for (name, value, error, number) in [
        ("response_type", "", "invalid_request", "AADSTS900144"),
        (
            "response_type",
            "id_token",
            "unsupported_response_type",
            "AADSTS700054",
        ),
        ("response_mode", "web", "invalid_request", "AADSTS70007"),
        ("scope", "", "invalid_request", "AADSTS900144"),
        (
            "scope",
            &format!("openid {api}/more"),
            "invalid_client",
            "AADSTS650053",
        ),
        ("scope", "openid api://else/x", "invalid_resource", "AADSTS500011"),
        ("prompt", "maybe", "invalid_request", "AADSTS90023"),
        ("code_challenge", "short", "invalid_request", "AADSTS501491"),
        ("code_challenge_method", "S512", "invalid_request", "AADSTS501491"),
    ] {
        let reply = browser.authorize(&[(name, value)]).await;
        let answer = query(reply.header("location"));
        assert_eq!(
            (answer["error"].as_str(), answer["state"].as_str()),
            (error, "s&1"),
            "{value}"
        );
        assert!(
            answer["error_description"].starts_with(&format!("{number}: ")),
            "{value}: {answer:?}"
        );
    }
    let page = browser.authorize(&[]).await;
    let reply = browser.fill(&page, &[("cancel", "1")]).await;
    assert_eq!(query(reply.header("location"))["error"], "access_denied");
    let reply = browser.fill(&page, &[("username", AUDITOR)]).await;
    assert!(
        reply.status == 400 && reply.text.contains("start again"),
        "{}",
        reply.text
    );
    let page = browser.authorize(&[]).await;
    browser.sandbox.advance(Duration::from_hours(2));
    assert_eq!(browser.fill(&page, &[("username", AUDITOR)]).await.status, 400);
}

#[tokio::test]
async fn an_answer_travels_as_it_was_asked_for() {
    let mut browser = Browser::new().await;
    let right = Sandbox::user_password();
    let reply = browser
        .password(AUDITOR, right, &[("response_mode", "fragment")])
        .await;
    assert!(
        reply.header("location").starts_with(&format!("{BACK}#code=")),
        "{}",
        reply.header("location")
    );
    let reply = browser
        .authorize(&[("response_mode", "form_post"), ("state", "\"><b>")])
        .await;
    assert_eq!((reply.status, reply.header("location")), (200, ""));
    for part in [
        format!("action=\"{BACK}\""),
        "name=\"code\"".to_owned(),
        "name=\"state\" value=\"&quot;&gt;&lt;b&gt;\"".to_owned(),
    ] {
        assert!(reply.text.contains(&part), "{part}: {}", reply.text);
    }
    // The script that posts it is the only one that may run.
    let policy = reply.header("content-security-policy");
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert!(
        reply.text.contains(&format!("<script nonce=\"{nonce}\">")),
        "{}",
        reply.text
    );
    // By a form instead of an address.
    let url = browser.at("oauth2/v2.0/authorize");
    let request = browser
        .http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(browser.asked(&[]));
    assert_eq!(browser.send(request).await.status, 302);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_goes_back_to_registered_addresses_alone() {
    let mut browser = Browser::new().await;
    browser.code(AUDITOR, &[]).await;
    let cookie = browser.cookie.clone();
    let out = async |browser: &mut Browser, next: &str| {
        let query = encoded(&[("post_logout_redirect_uri", next), ("state", "s-2")]);
        let url = format!("{}?{query}", browser.at("oauth2/v2.0/logout"));
        let request = browser.http.get(url);
        browser.send(request).await
    };
    let reply = out(&mut browser, "http://127.0.0.1:8601").await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (302, "http://127.0.0.1:8601/?state=s-2")
    );
    assert!(reply.header("set-cookie").contains("Max-Age=0"));
    // The old cookie is worth nothing either.
    browser.cookie = cookie;
    let reply = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(query(reply.header("location"))["error"], "login_required");
    for next in ["https://evil.example/", "//evil.example", ""] {
        let reply = out(&mut browser, next).await;
        assert_eq!((reply.status, reply.header("location")), (200, ""), "{next}");
        assert!(reply.text.contains("You signed out"), "{}", reply.text);
    }
}

#[tokio::test]
async fn discovery_tells_of_what_is_there() {
    let mut browser = Browser::new().await;
    let document = read(
        browser
            .http
            .get(browser.at("v2.0/.well-known/openid-configuration")),
    )
    .await
    .body;
    for (name, path) in [
        ("authorization_endpoint", "oauth2/v2.0/authorize"),
        ("token_endpoint", "oauth2/v2.0/token"),
        ("end_session_endpoint", "oauth2/v2.0/logout"),
        ("jwks_uri", "discovery/v2.0/keys"),
    ] {
        assert_eq!(document[name], browser.at(path));
    }
    assert_eq!(
        document["response_modes_supported"],
        json!(["query", "fragment", "form_post"])
    );
    // As with Entra, which takes challenges nevertheless.
    assert!(document["code_challenge_methods_supported"].is_null());

    let camila = "camila.rocha@contoso.example";
    let page = browser
        .password(
            camila,
            Sandbox::user_password(),
            &[("scope", "openid profile email")],
        )
        .await;
    let reply = browser.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    let code = query(reply.header("location"))["code"].clone();
    let reply = browser.token(&[("code", &code)]).await;
    assert_eq!(reply.body["scope"], "openid profile email");
    let id = claims(&reply.body["id_token"]);
    assert_eq!(id["email"], "camila.rocha@contoso.example");
    let url = document["userinfo_endpoint"].as_str().unwrap();
    let asked = browser
        .http
        .get(url)
        .bearer_auth(reply.body["access_token"].as_str().unwrap());
    let info = read(asked).await;
    assert_eq!(
        (&info.body["given_name"], &info.body["name"]),
        (&json!("Camila"), &json!("Camila Rocha")),
        "{}",
        info.text
    );
    let wrong = browser
        .http
        .get(url)
        .bearer_auth(reply.body["id_token"].as_str().unwrap());
    assert_eq!(read(wrong).await.status, 401);
}
