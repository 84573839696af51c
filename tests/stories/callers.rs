//! Who calls: an API lets in those who come with a token of the tenant, and applications and users get theirs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use iam_core::auth::{Audience, ClientCertificate, RefreshedUser, TokenSource, TokenValidator};
use iam_core::clock::SystemClock;
use iam_core::http::{HttpTransport, Method, Request, Transport};
use iam_core::{Cloud, Error, ErrorKind, Secret};
use iam_sandbox::{Effect, Fault, RetryAfter, Sandbox};
use serde_json::{Value, json};

const AUDITOR: &str = "portal.auditor@contoso.example";

fn transport() -> Arc<HttpTransport> {
    Arc::new(HttpTransport::new().unwrap())
}

fn cloud(sandbox: &Sandbox) -> Cloud {
    Cloud::custom(sandbox.authority(), sandbox.graph()).unwrap()
}

fn validator(sandbox: &Sandbox) -> TokenValidator {
    TokenValidator::builder(&cloud(sandbox), sandbox.tenant_id())
        .audience(&sandbox.api_audience())
        .build(transport(), Arc::new(SystemClock))
        .unwrap()
}

async fn mint(sandbox: &Sandbox, wish: Value) -> String {
    let url = format!("{}/_sandbox/tokens", sandbox.authority());
    let request = Request::new(Method::Post, url, "mint").json(&wish).unwrap();
    let minted: Value = transport().send(request).await.unwrap().json().unwrap();
    minted["access_token"].as_str().unwrap().to_owned()
}

fn why(outcome: Result<iam_core::auth::Claims, Error>) -> &'static str {
    outcome.unwrap_err().reason().unwrap()
}

#[tokio::test]
async fn an_api_lets_in_who_has_a_token_for_it_and_nobody_else() {
    let sandbox = Sandbox::start().await.unwrap();
    let validator = validator(&sandbox);
    let audience = sandbox.api_audience();
    let token = mint(&sandbox, json!({ "user": AUDITOR, "audience": audience })).await;
    let caller = validator.validate(&token).await.unwrap();
    assert_eq!(caller.roles, ["IAM.Auditor"]);
    assert_eq!(caller.username(), Some(AUDITOR));
    assert_eq!(caller.oid, sandbox.user(AUDITOR).unwrap()["id"].as_str().unwrap());
    assert!(caller.has_scope("access_as_user") && !caller.is_app() && !caller.is_guest());
    let app = mint(
        &sandbox,
        json!({ "audience": audience, "roles": ["IAM.Provisioner"] }),
    )
    .await;
    let app = validator.validate(&app).await.unwrap();
    assert!(app.is_app() && app.has_role("IAM.Provisioner"));
    assert_eq!(app.client_id, sandbox.client_id());

    let graph = mint(&sandbox, json!({ "user": AUDITOR })).await;
    assert_eq!(why(validator.validate(&graph).await), "wrong_audience");
    // Another tenant's token, signed with the very same key.
    let other = Sandbox::builder().seed(2).start().await.unwrap();
    let foreign = mint(&other, json!({ "user": AUDITOR, "audience": audience })).await;
    assert_eq!(why(validator.validate(&foreign).await), "wrong_issuer");
    sandbox.advance(Duration::from_hours(1));
    let early = mint(&sandbox, json!({ "user": AUDITOR, "audience": audience })).await;
    assert_eq!(why(validator.validate(&early).await), "not_yet_valid");
    sandbox.set_token_lifetime(Duration::from_secs(1));
    sandbox.reset();
    let short = mint(&sandbox, json!({ "user": AUDITOR, "audience": audience })).await;
    assert!(validator.validate(&short).await.is_ok(), "within the leeway");
    let keys = |sandbox: &Sandbox| {
        let log = sandbox.log();
        log.iter().filter(|entry| entry.path.ends_with("/keys")).count()
    };
    assert_eq!(keys(&sandbox), 0, "the keys were fetched before the reset, once");
}

#[tokio::test]
async fn an_api_whose_authority_is_down_says_so_and_lets_nobody_in() {
    let sandbox = Sandbox::start().await.unwrap();
    let validator = validator(&sandbox);
    let token = mint(
        &sandbox,
        json!({ "user": AUDITOR, "audience": sandbox.api_audience() }),
    )
    .await;
    let effect = Effect::Status {
        status: 503,
        retry_after: RetryAfter::Missing,
    };
    sandbox.fault(Fault::new(effect).on("GET", "/*/discovery/**"));
    let error = validator.validate(&token).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unavailable, Some(503))
    );
}

/// A certificate of one's own with its key, as PEM.
fn certificate() -> (String, Secret) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let made = rcgen::CertificateParams::new(vec!["daemon.contoso.example".to_owned()]).unwrap();
    let made = made.self_signed(&key).unwrap();
    let pem = format!("{}{}", key.serialize_pem(), made.pem());
    let base64: String = made.pem().lines().filter(|line| !line.starts_with('-')).collect();
    (base64, Secret::new(pem))
}

#[tokio::test]
async fn an_application_signs_in_with_its_certificate() {
    let sandbox = Sandbox::start().await.unwrap();
    let (public, pem) = certificate();
    let key = json!([{ "type": "AsymmetricX509Cert", "usage": "Verify", "key": public, "displayName": "CN=daemon" }]);
    let made = sandbox.act(
        "POST",
        "/applications",
        Some(json!({ "displayName": "Daemon", "keyCredentials": key })),
    );
    let app = made.unwrap()["appId"].as_str().unwrap().to_owned();
    sandbox
        .act("POST", "/servicePrincipals", Some(json!({ "appId": app })))
        .unwrap();
    let of = |pem: &Secret| {
        let clock = Arc::new(SystemClock);
        ClientCertificate::new(
            &cloud(&sandbox),
            sandbox.tenant_id(),
            &app,
            pem,
            transport(),
            clock,
        )
        .unwrap()
    };
    let scope = format!("{}/.default", sandbox.api_audience());
    let audience = Audience::new(scope, &[sandbox.authority()]).unwrap();
    let token = of(&pem).token(&audience, None).await.unwrap();
    let caller = validator(&sandbox).validate(token.token.expose()).await.unwrap();
    assert_eq!((caller.client_id.as_str(), caller.is_app()), (app.as_str(), true));

    // With another key than the registration knows.
    let (_, other) = certificate();
    let error = of(&other).token(&audience, None).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unauthenticated, Some("AADSTS700027"))
    );
    assert!(
        error
            .to_string()
            .contains("check that the certificate is one of the application's"),
        "{error}"
    );
    // With the certificate of the registration, and another key.
    let mixed = [
        other.expose().split("-----BEGIN CERT").next().unwrap(),
        "-----BEGIN CERT",
        pem.expose().split("-----BEGIN CERT").nth(1).unwrap(),
    ]
    .concat();
    let error = of(&Secret::new(mixed)).token(&audience, None).await.unwrap_err();
    assert_eq!(error.code(), Some("AADSTS700027"));
    // A word that is too old.
    sandbox.advance(Duration::from_hours(1));
    let error = of(&pem).token(&audience, None).await.unwrap_err();
    assert_eq!(error.code(), Some("AADSTS700024"));
    assert!(error.to_string().contains("check the clock"), "{error}");
}

/// Signs somebody in as a browser does, and gives the refresh token.
async fn signed_in(sandbox: &Sandbox) -> Secret {
    let back = "http://127.0.0.1:8601/oauth2callback";
    let at = |path: &str| format!("{}/{}/{path}", sandbox.authority(), sandbox.tenant_id());
    let form = async |url: String, pairs: &[(&str, &str)]| {
        let body: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}&", value.replace('~', "%7E").replace(' ', "+")))
            .collect();
        let mut request = Request::new(Method::Post, url, "sign in");
        request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body = Some(body.concat().into_bytes());
        transport().send(request).await.unwrap()
    };
    let scope = format!("openid offline_access {}/access_as_user", sandbox.api_audience());
    let asked = [
        ("client_id", sandbox.ui_client_id()),
        ("response_type", "code"),
        ("redirect_uri", back),
        ("scope", &scope),
    ];
    let page = form(at("oauth2/v2.0/authorize"), &asked).await;
    let page = String::from_utf8(page.body).unwrap();
    let flow = page
        .split("name=\"flow\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let known = [
        ("flow", flow),
        ("username", AUDITOR),
        ("password", Sandbox::user_password()),
    ];
    let reply = form(at("login"), &known).await;
    let place = reply.header("location").unwrap().to_owned();
    let code = place.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let redeem = [
        ("client_id", sandbox.ui_client_id()),
        ("client_secret", sandbox.ui_client_secret()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", back),
        ("code", code),
    ];
    let token: Value = form(at("oauth2/v2.0/token"), &redeem).await.json().unwrap();
    token["refresh_token"].as_str().unwrap().into()
}

#[tokio::test]
async fn a_user_who_signed_in_is_called_for_until_the_sign_in_is_revoked() {
    let sandbox = Sandbox::start().await.unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let told = kept.clone();
    let refresh = signed_in(&sandbox).await;
    let user = RefreshedUser::new(
        &cloud(&sandbox),
        sandbox.tenant_id(),
        sandbox.ui_client_id(),
        Some(sandbox.ui_client_secret().into()),
        refresh.clone(),
        transport(),
        Arc::new(SystemClock),
    )
    .unwrap()
    .on_renewal(move |token| told.lock().unwrap().push(token.expose().to_owned()));
    let scope = format!("{}/.default", sandbox.api_audience());
    let audience = Audience::new(scope, &[sandbox.authority()]).unwrap();
    let validator = validator(&sandbox);
    for _ in 0..2 {
        let token = user.token(&audience, None).await.unwrap();
        let caller = validator.validate(token.token.expose()).await.unwrap();
        assert_eq!(
            (caller.username(), caller.has_scope("access_as_user")),
            (Some(AUDITOR), true)
        );
    }
    let renewed = kept.lock().unwrap().clone();
    assert!(
        renewed.len() == 2 && renewed[0] != renewed[1] && renewed[0] != refresh.expose(),
        "each is a new one"
    );

    sandbox
        .act("POST", &format!("/users/{AUDITOR}/revokeSignInSessions"), None)
        .unwrap();
    let error = user.token(&audience, None).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.reason(), error.code()),
        (
            ErrorKind::Unauthenticated,
            Some("sign_in_again"),
            Some("AADSTS50173")
        )
    );
}
