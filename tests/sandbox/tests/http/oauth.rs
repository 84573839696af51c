//! Discovery, keys, the token endpoint, and what a token opens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Tenant, read};

#[tokio::test]
async fn discovery_names_the_keys_that_signed_the_token() {
    let tenant = Tenant::empty().await;
    for name in [tenant.sandbox.tenant_id(), "contoso.example"] {
        let url = format!(
            "{}/{name}/v2.0/.well-known/openid-configuration",
            tenant.sandbox.authority()
        );
        let found = read(tenant.http.get(url)).await.body;
        let id = tenant.sandbox.tenant_id();
        assert_eq!(
            found["issuer"],
            format!("{}/{id}/v2.0", tenant.sandbox.authority())
        );
        let keys = read(tenant.http.get(found["jwks_uri"].as_str().unwrap()))
            .await
            .body;
        let key = &keys["keys"][0];
        assert_eq!(key["kty"], "RSA");
        assert!(key.get("alg").is_none(), "Entra's key set has no alg");
        let decoding = jsonwebtoken::DecodingKey::from_rsa_components(
            key["n"].as_str().unwrap(),
            key["e"].as_str().unwrap(),
        );
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.set_audience(&["https://graph.microsoft.com"]);
        rules.set_issuer(&[format!("https://sts.windows.net/{id}/")]);
        let token = jsonwebtoken::decode::<Value>(&tenant.token, &decoding.unwrap(), &rules).unwrap();
        assert_eq!(token.header.kid.as_deref(), key["kid"].as_str());
        for (claim, expect) in [
            ("tid", id),
            ("appid", tenant.sandbox.client_id()),
            ("ver", "1.0"),
            ("idtyp", "app"),
        ] {
            assert_eq!(token.claims[claim], expect, "{claim}");
        }
        assert!(
            token.claims["roles"]
                .as_array()
                .unwrap()
                .contains(&json!("User.ReadWrite.All"))
        );
        assert_eq!(
            token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(),
            3599
        );
    }
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_entras_words() {
    let tenant = Tenant::empty().await;
    let check = async |change: &str, value: Option<&str>, status: u16, error: &str, number: u32| {
        let mut form = tenant.form();
        form.retain(|(name, _)| *name != change);
        if let (Some(value), Some(name)) = (
            value,
            ["grant_type", "client_id", "client_secret", "scope", "claims"]
                .iter()
                .find(|name| **name == change),
        ) {
            form.push((name, value.to_owned()));
        }
        let reply = tenant.token_request(&form).await;
        assert_eq!(
            (reply.status, reply.body["error"].as_str()),
            (status, Some(error)),
            "{change}: {}",
            reply.text
        );
        assert_eq!(reply.body["error_codes"], json!([number]), "{change}");
        let description = reply.body["error_description"].as_str().unwrap();
        for part in [
            &format!("AADSTS{number}: "),
            "Trace ID: ",
            "Correlation ID: ",
            "Timestamp: ",
        ] {
            assert!(description.contains(part), "{description}");
        }
        for field in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
            assert!(reply.body[field].is_string(), "{field}");
        }
        assert!(!reply.text.contains(tenant.sandbox.client_secret()));
    };
    check("client_secret", Some("wrong"), 401, "invalid_client", 7_000_215).await;
    check("client_secret", None, 401, "invalid_client", 7_000_218).await;
    check(
        "client_id",
        Some("6e74172b-be56-4843-9ff4-e66a39bb12e3"),
        400,
        "unauthorized_client",
        700_016,
    )
    .await;
    check("scope", Some("User.Read"), 400, "invalid_scope", 70011).await;
    check(
        "scope",
        Some("https://graph.microsoft.com/User.Read"),
        400,
        "invalid_scope",
        1_002_012,
    )
    .await;
    check(
        "scope",
        Some("https://unknown.example/.default"),
        400,
        "invalid_resource",
        500_011,
    )
    .await;
    check("scope", None, 400, "invalid_request", 900_144).await;
    check("grant_type", None, 400, "invalid_request", 900_144).await;
    check(
        "grant_type",
        Some("password"),
        400,
        "unsupported_grant_type",
        70003,
    )
    .await;
    check("claims", Some("not json"), 400, "invalid_request", 90_100).await;
    let url = format!("{}/nowhere.example/oauth2/v2.0/token", tenant.sandbox.authority());
    let reply = read(tenant.http.post(url).body(crate::encoded(&tenant.form()))).await;
    assert_eq!((reply.status, &reply.body["error_codes"]), (400, &json!([90002])));
}

#[tokio::test]
async fn basic_authentication_and_claims_are_taken() {
    let tenant = Tenant::empty().await;
    let url = format!("{}/contoso.example/oauth2/v2.0/token", tenant.sandbox.authority());
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
        (
            "claims",
            r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#.to_owned(),
        ),
    ];
    let request = tenant
        .http
        .post(url)
        .basic_auth(tenant.sandbox.client_id(), Some(tenant.sandbox.client_secret()));
    let reply = read(request.body(crate::encoded(&form))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.body["token_type"], "Bearer");
    assert_eq!(reply.body["expires_in"], 3599);
    assert_eq!(reply.body["ext_expires_in"], 3599);
    assert!(reply.body.get("refresh_in").is_none());
}

#[tokio::test]
async fn long_tokens_say_when_to_refresh() {
    let tenant = Tenant::empty().await;
    tenant.sandbox.set_token_lifetime(Duration::from_hours(24));
    let reply = tenant.token_request(&tenant.form()).await;
    assert_eq!(reply.body["refresh_in"], 43_200);
}

#[tokio::test]
async fn only_a_good_token_opens_graph() {
    let mut tenant = Tenant::empty().await;
    let other = Tenant::empty().await;
    let good = tenant.token.clone();
    assert_eq!(tenant.get("/users").await.status, 200);
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    for (what, token) in [
        ("changed", String::from_utf8(changed).unwrap()),
        ("of another sandbox", other.token.clone()),
        ("garbage", "abc".to_owned()),
    ] {
        tenant.token = token;
        let reply = tenant.get("/users").await;
        assert_eq!(
            (reply.status, reply.code()),
            (401, "InvalidAuthenticationToken"),
            "{what}"
        );
        assert!(
            reply.header("www-authenticate").starts_with("Bearer realm="),
            "{what}"
        );
    }
    tenant.token = good.clone();
    tenant.sandbox.revoke_tokens();
    assert_eq!(tenant.get("/users").await.status, 401, "revoked");
    tenant.sign_in().await;
    assert_eq!(tenant.get("/users").await.status, 200, "a new token works");
    tenant.sandbox.advance(Duration::from_hours(1));
    assert_eq!(
        tenant.get("/users").await.code(),
        "InvalidAuthenticationToken",
        "expired"
    );
    let bare = read(tenant.http.get(format!("{}/users", tenant.sandbox.graph()))).await;
    assert_eq!((bare.status, bare.message()), (401, "Access token is empty."));
}

#[tokio::test]
async fn a_minted_token_for_an_api_does_not_open_graph() {
    let mut tenant = Tenant::empty().await;
    let url = format!("{}/_sandbox/tokens", tenant.sandbox.authority());
    let wish = json!({
        "user": "break-glass@contoso.example", "audience": "2f2e6d0a-0000-4000-8000-000000000001", "roles": ["IAM.Admin"],
    });
    let reply = read(tenant.http.post(&url).json(&wish)).await;
    tenant.token = reply.body["access_token"].as_str().unwrap().to_owned();
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&tenant.token)
        .unwrap()
        .claims;
    assert_eq!(claims["preferred_username"], "break-glass@contoso.example");
    assert_eq!(
        (&claims["ver"], &claims["roles"]),
        (&json!("2.0"), &json!(["IAM.Admin"]))
    );
    assert_eq!(
        claims["iss"],
        format!(
            "{}/{}/v2.0",
            tenant.sandbox.authority(),
            tenant.sandbox.tenant_id()
        )
    );
    assert_eq!(tenant.get("/users").await.status, 401);
    let reply = read(
        tenant
            .http
            .post(&url)
            .json(&json!({ "user": "nobody@contoso.example" })),
    )
    .await;
    assert_eq!(reply.status, 400);
}
