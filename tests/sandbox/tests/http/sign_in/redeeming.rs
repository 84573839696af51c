//! Codes and refresh tokens, and for whom they are good.

use super::*;

#[tokio::test]
async fn a_code_is_good_once_and_for_whom_it_was_made() {
    let mut browser = Browser::new().await;
    let code = browser.code(AUDITOR, &[]).await;
    let own = browser.sandbox.client_id().to_owned();
    let secret = browser.sandbox.client_secret().to_owned();
    for (changes, error, number) in [
        (&[("code", "1.nothing")][..], "invalid_grant", 70000),
        (&[], "invalid_request", 900_144),
        (
            &[("code", &code), ("client_id", &own), ("client_secret", &secret)],
            "invalid_grant",
            70000,
        ),
        (
            &[("code", &code), ("client_secret", "wrong")],
            "invalid_client",
            7_000_215,
        ),
        (
            &[("code", &code), ("client_secret", "")],
            "invalid_client",
            7_000_218,
        ),
        (
            &[
                ("code", &code),
                ("code_verifier", "another-verifier-that-is-long-enough-for-it-43"),
            ],
            "invalid_grant",
            501_481,
        ),
        (
            &[("code", &code), ("code_verifier", "")],
            "invalid_grant",
            501_481,
        ),
        (
            &[
                ("code", &code),
                ("redirect_uri", "http://127.0.0.1:8602/oauth2callback"),
            ],
            "invalid_client",
            500_112,
        ),
        (
            &[("code", &code), ("grant_type", "password")],
            "unsupported_grant_type",
            70003,
        ),
        (&[("code", &code), ("origin", "1")], "invalid_request", 9_002_326),
    ] {
        assert_eq!(
            browser.refusal(changes).await,
            (error.to_owned(), number),
            "{changes:?}"
        );
    }
    assert_eq!(browser.token(&[("code", &code)]).await.status, 200);
    assert_eq!(
        browser.refusal(&[("code", &code)]).await,
        ("invalid_grant".to_owned(), 54005)
    );

    let late = browser.code(AUDITOR, &[("prompt", "login")]).await;
    browser.sandbox.advance(Duration::from_mins(10));
    assert_eq!(
        browser.refusal(&[("code", &late)]).await,
        ("invalid_grant".to_owned(), 70008)
    );
    // A code without a challenge takes no verifier, and one of the plain method the challenge itself.
    let bare = browser
        .code(
            AUDITOR,
            &[
                ("prompt", "login"),
                ("code_challenge", ""),
                ("code_challenge_method", ""),
            ],
        )
        .await;
    assert_eq!(browser.refusal(&[("code", &bare)]).await.1, 501_481);
    assert_eq!(
        browser
            .token(&[("code", &bare), ("code_verifier", "")])
            .await
            .status,
        200
    );
    let plain = [
        ("prompt", "login"),
        ("code_challenge", VERIFIER),
        ("code_challenge_method", "plain"),
    ];
    let plain = browser.code(AUDITOR, &plain).await;
    assert_eq!(browser.token(&[("code", &plain)]).await.status, 200);
    // A leaver's code is worth nothing.
    let last = browser.code(AUDITOR, &[("prompt", "login")]).await;
    let path = format!("/users/{AUDITOR}");
    browser
        .sandbox
        .act("PATCH", &path, Some(json!({ "accountEnabled": false })))
        .unwrap();
    assert_eq!(
        browser.refusal(&[("code", &last)]).await,
        ("invalid_grant".to_owned(), 50057)
    );
}

#[tokio::test]
async fn a_refresh_token_lasts_until_the_user_loses_access() {
    let mut browser = Browser::new().await;
    let only = format!("openid {}/access_as_user", browser.sandbox.api_audience());
    let code = browser.code(AUDITOR, &[("scope", &only)]).await;
    assert!(
        browser.token(&[("code", &code)]).await.body["refresh_token"].is_null(),
        "not asked for"
    );

    let code = browser.code(AUDITOR, &[("prompt", "login")]).await;
    let first = browser.token(&[("code", &code)]).await;
    let token = first.body["refresh_token"].as_str().unwrap().to_owned();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let reply = browser.token(&refresh).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        claims(&reply.body["access_token"])["roles"],
        json!(["IAM.Auditor"])
    );
    assert!(reply.body["id_token"].is_string() && reply.body["refresh_token"].is_string());
    // For another API than the first.
    let graph = [
        refresh[0],
        refresh[1],
        ("scope", "https://graph.microsoft.com/User.Read"),
    ];
    let of_graph = browser.token(&graph).await;
    let graph_claims = claims(&of_graph.body["access_token"]);
    assert_eq!(graph_claims["aud"], "https://graph.microsoft.com");
    assert!(
        graph_claims["scp"].as_str().unwrap().contains("User.Read"),
        "{graph_claims}"
    );
    let both = format!("User.Read {}/access_as_user", browser.sandbox.api_audience());
    assert_eq!(
        browser
            .refusal(&[refresh[0], refresh[1], ("scope", &both)])
            .await
            .1,
        28000
    );
    assert_eq!(
        browser.refusal(&[refresh[0], ("refresh_token", "1.x")]).await.1,
        9_002_313
    );
    assert_eq!(
        browser
            .refusal(&[refresh[0], refresh[1], ("client_secret", "")])
            .await
            .1,
        7_000_218
    );

    // What the user holds is read anew.
    let roles = format!("/users/{AUDITOR}/appRoleAssignments");
    for held in browser.sandbox.act("GET", &roles, None).unwrap()["value"]
        .as_array()
        .unwrap()
    {
        browser
            .sandbox
            .act(
                "DELETE",
                &format!("{roles}/{}", held["id"].as_str().unwrap()),
                None,
            )
            .unwrap();
    }
    let reply = browser.token(&refresh).await;
    assert_eq!(claims(&reply.body["access_token"])["roles"], json!([]));

    browser
        .sandbox
        .act("POST", &format!("/users/{AUDITOR}/revokeSignInSessions"), None)
        .unwrap();
    assert_eq!(
        browser.refusal(&refresh).await,
        ("invalid_grant".to_owned(), 50173)
    );
    let code = browser.code(AUDITOR, &[]).await;
    let again = browser.token(&[("code", &code)]).await.body["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let refresh = [refresh[0], ("refresh_token", again.as_str())];
    assert_eq!(browser.token(&refresh).await.status, 200);
    let profile = json!({ "passwordProfile": { "password": "Another-Pass-77" } });
    browser
        .sandbox
        .act("PATCH", &format!("/users/{AUDITOR}"), Some(profile))
        .unwrap();
    assert_eq!(
        browser.refusal(&refresh).await,
        ("invalid_grant".to_owned(), 50133)
    );
    browser
        .sandbox
        .act("DELETE", &format!("/users/{AUDITOR}"), None)
        .unwrap();
    assert_eq!(
        browser.refusal(&refresh).await,
        ("invalid_grant".to_owned(), 50034)
    );
    let other = browser.code("portal.helpdesk@contoso.example", &[]).await;
    let other = browser.token(&[("code", &other)]).await.body["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    browser.sandbox.advance(Duration::from_hours(24 * 90));
    assert_eq!(
        browser.refusal(&[refresh[0], ("refresh_token", &other)]).await,
        ("invalid_grant".to_owned(), 700_082)
    );
}

#[tokio::test]
async fn public_clients_and_single_pages_have_no_secret() {
    let mut browser = Browser::new().await;
    let new = json!({ "displayName": "Terminal", "publicClient": { "redirectUris": ["http://localhost"] },
        "spa": { "redirectUris": ["https://pages.contoso.example/back"] } });
    let app = browser.sandbox.act("POST", "/applications", Some(new)).unwrap()["appId"]
        .as_str()
        .unwrap()
        .to_owned();
    browser
        .sandbox
        .act("POST", "/servicePrincipals", Some(json!({ "appId": app })))
        .unwrap();

    let back = "http://localhost:40123/";
    let code = browser
        .code(AUDITOR, &[("client_id", &app), ("redirect_uri", back)])
        .await;
    let asked = [
        ("client_id", app.as_str()),
        ("redirect_uri", back),
        ("code", &code),
    ];
    assert_eq!(
        browser.refusal(&asked).await,
        ("invalid_client".to_owned(), 700_025)
    );
    let reply = browser
        .token(&[asked[0], asked[1], asked[2], ("client_secret", "")])
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(claims(&reply.body["access_token"])["azp"], app);
    // It has no roles of its own.
    assert!(claims(&reply.body["id_token"])["roles"].is_null());

    let back = "https://pages.contoso.example/back";
    let single = [("client_id", app.as_str()), ("redirect_uri", back)];
    let reply = browser
        .authorize(&[single[0], single[1], ("code_challenge", "")])
        .await;
    assert!(query(reply.header("location"))["error_description"].starts_with("AADSTS9002325: "));
    let reply = browser.authorize(&single).await;
    let code = query(reply.header("location"))["code"].clone();
    let asked = [
        single[0],
        single[1],
        ("code", code.as_str()),
        ("client_secret", ""),
    ];
    assert_eq!(browser.refusal(&asked).await.1, 9_002_327);
    let reply = browser
        .token(&[asked[0], asked[1], asked[2], asked[3], ("origin", "1")])
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "*"),
        "{}",
        reply.text
    );
    assert_eq!(reply.body["refresh_token_expires_in"], 86400);
    let options = browser
        .http
        .request(reqwest::Method::OPTIONS, browser.at("oauth2/v2.0/token"));
    assert_eq!(
        read(options).await.header("access-control-allow-methods"),
        "POST, OPTIONS"
    );
}

#[tokio::test]
async fn an_application_that_asks_for_assignments_lets_nobody_else_in() {
    let mut browser = Browser::new().await;
    let ui = browser.sandbox.ui_client_id().to_owned();
    let path = format!("/servicePrincipals(appId='{ui}')");
    browser
        .sandbox
        .act("PATCH", &path, Some(json!({ "appRoleAssignmentRequired": true })))
        .unwrap();
    let nobody = "portal.nobody@contoso.example";
    let reply = browser.password(nobody, Sandbox::user_password(), &[]).await;
    let answer = query(reply.header("location"));
    assert_eq!(answer["error"], "access_denied");
    assert!(
        answer["error_description"].starts_with("AADSTS50105: "),
        "{answer:?}"
    );
    // Through a group it is fine, and its role is in the token.
    let user = browser.sandbox.user(nobody).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let state = browser.sandbox.state();
    let group = state["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == "sg-hr")
        .unwrap();
    let group = group["id"].as_str().unwrap();
    let member = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}") });
    browser
        .sandbox
        .act("POST", &format!("/groups/{group}/members/$ref"), Some(member))
        .unwrap();
    for app in [
        &ui,
        browser.sandbox.api_audience().strip_prefix("api://").unwrap(),
    ] {
        let principal = browser
            .sandbox
            .act("GET", &format!("/servicePrincipals(appId='{app}')"), None)
            .unwrap();
        let role = &principal["appRoles"][2];
        assert_eq!(role["value"], "IAM.Helpdesk");
        let wish = json!({ "principalId": group, "resourceId": principal["id"], "appRoleId": role["id"] });
        browser
            .sandbox
            .act("POST", &format!("/groups/{group}/appRoleAssignments"), Some(wish))
            .unwrap();
    }
    let reply = browser.authorize(&[]).await;
    let code = query(reply.header("location"))["code"].clone();
    let reply = browser.token(&[("code", &code)]).await;
    for token in ["access_token", "id_token"] {
        assert_eq!(
            claims(&reply.body[token])["roles"],
            json!(["IAM.Helpdesk"]),
            "{token}"
        );
    }
    let disabled = json!({ "accountEnabled": false });
    browser.sandbox.act("PATCH", &path, Some(disabled)).unwrap();
    assert!(browser.authorize(&[]).await.text.contains("AADSTS7000112"));
}

#[tokio::test]
async fn tokens_for_the_api_are_minted_with_what_is_held() {
    let mut tenant = Tenant::with(Sandbox::start().await.unwrap()).await;
    let url = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let audience = tenant.sandbox.api_audience();
    let mint = async |tenant: &Tenant, wish: Value| {
        let reply = read(tenant.http.post(&url).json(&wish)).await;
        claims(&reply.body["access_token"])
    };
    let api = audience.strip_prefix("api://").unwrap();
    for named in [audience.as_str(), api] {
        let made = mint(&tenant, json!({ "user": AUDITOR, "audience": named })).await;
        assert_eq!(
            (&made["aud"], &made["scp"]),
            (&json!(api), &json!("access_as_user"))
        );
        assert_eq!(
            (&made["roles"], &made["ver"]),
            (&json!(["IAM.Auditor"]), &json!("2.0"))
        );
    }
    let made = mint(
        &tenant,
        json!({ "user": AUDITOR, "audience": api, "roles": [], "scopes": ["a", "b"] }),
    )
    .await;
    assert_eq!((&made["roles"], &made["scp"]), (&json!([]), &json!("a b")));
    let made = mint(&tenant, json!({ "audience": api, "roles": ["IAM.Provisioner"] })).await;
    assert_eq!(
        (&made["idtyp"], &made["roles"], &made["scp"]),
        (&json!("app"), &json!(["IAM.Provisioner"]), &Value::Null)
    );
    assert_eq!(
        mint(&tenant, json!({ "audience": api })).await["roles"],
        json!([]),
        "it holds none"
    );

    // The same by client credentials, once the role is given.
    let form = encoded(&[
        ("grant_type", "client_credentials"),
        ("client_id", tenant.sandbox.client_id()),
        ("client_secret", tenant.sandbox.client_secret()),
        ("scope", &format!("{audience}/.default")),
    ]);
    let token = format!(
        "{}/{}/oauth2/v2.0/token",
        tenant.sandbox.authority(),
        tenant.sandbox.tenant_id()
    );
    let ask = async |tenant: &Tenant| {
        let request = tenant
            .http
            .post(&token)
            .header("content-type", "application/x-www-form-urlencoded");
        claims(&read(request.body(form.clone())).await.body["access_token"])
    };
    assert_eq!(ask(&tenant).await["roles"], json!([]));
    let of = |app: &str| {
        tenant
            .sandbox
            .act("GET", &format!("/servicePrincipals(appId='{app}')"), None)
            .unwrap()
    };
    let (client, resource) = (of(tenant.sandbox.client_id()), of(api));
    let role = &resource["appRoles"][4];
    let wish = json!({ "principalId": client["id"], "resourceId": resource["id"], "appRoleId": role["id"] });
    let path = format!(
        "/servicePrincipals/{}/appRoleAssignments",
        client["id"].as_str().unwrap()
    );
    tenant.sandbox.act("POST", &path, Some(wish)).unwrap();
    let made = ask(&tenant).await;
    assert_eq!(
        (&made["aud"], &made["roles"]),
        (&json!(api), &json!(["IAM.Provisioner"]))
    );
    tenant.sign_in().await;
}
