//! Users sign in with a browser: each page, each refusal, codes and what they are redeemed for.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iam_sandbox::Sandbox;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

use crate::{Reply, Tenant, read};

const BACK: &str = "http://127.0.0.1:8601/oauth2callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-43";

/// A browser: it keeps one cookie and follows nothing by itself.
struct Browser {
    sandbox: Sandbox,
    http: reqwest::Client,
    cookie: String,
}

type Form<'a> = &'a [(&'a str, &'a str)];

fn encoded(pairs: Form<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()).as_ref())
}

fn claims(token: &Value) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(token.as_str().unwrap())
        .unwrap()
        .claims
}

/// The parameters of an address.
fn query(address: &str) -> HashMap<String, String> {
    Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

impl Browser {
    async fn new() -> Self {
        Self {
            sandbox: Sandbox::start().await.unwrap(),
            http: reqwest::Client::builder()
                .redirect(Policy::none())
                .build()
                .unwrap(),
            cookie: String::new(),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{}/{path}", self.sandbox.authority(), self.sandbox.tenant_id())
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Reply {
        let reply = read(request.header("cookie", &self.cookie)).await;
        if let Some((pair, _)) = reply.header("set-cookie").split_once(';') {
            pair.clone_into(&mut self.cookie);
        }
        reply
    }

    fn asked(&self, changes: Form<'_>) -> String {
        let scope = format!(
            "openid profile email offline_access {}/access_as_user",
            self.sandbox.api_audience()
        );
        let challenge = challenge();
        let mut all = vec![
            ("client_id", self.sandbox.ui_client_id()),
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("scope", scope.as_str()),
            ("state", "s&1"),
            ("nonce", "n-1"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            all.retain(|(known, _)| known != name);
            if !value.is_empty() {
                all.push((name, value));
            }
        }
        encoded(&all)
    }

    /// Asks for a code, as an application would have it.
    async fn authorize(&mut self, changes: Form<'_>) -> Reply {
        let url = format!("{}?{}", self.at("oauth2/v2.0/authorize"), self.asked(changes));
        let request = self.http.get(url);
        self.send(request).await
    }

    /// Fills in a page and sends it.
    async fn fill(&mut self, page: &Reply, pairs: Form<'_>) -> Reply {
        let flow = page
            .text
            .split("name=\"flow\" value=\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{}", page.text));
        let flow = flow.split('"').next().unwrap().to_owned();
        let action = page
            .text
            .split("action=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let mut all = vec![("flow", flow.as_str())];
        all.extend(pairs);
        let url = format!("{}{action}", self.sandbox.authority());
        let request = self
            .http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(&all));
        self.send(request).await
    }

    async fn password(&mut self, user: &str, password: &str, changes: Form<'_>) -> Reply {
        let page = self.authorize(changes).await;
        let page = self.fill(&page, &[("username", user)]).await;
        self.fill(&page, &[("password", password)]).await
    }

    /// The code that a user without a second factor brings back.
    async fn code(&mut self, user: &str, changes: Form<'_>) -> String {
        let reply = self.password(user, Sandbox::user_password(), changes).await;
        assert_eq!(reply.status, 302, "{}", reply.text);
        query(reply.header("location"))["code"].clone()
    }

    async fn token(&self, changes: Form<'_>) -> Reply {
        let mut all = vec![
            ("client_id", self.sandbox.ui_client_id()),
            ("client_secret", self.sandbox.ui_client_secret()),
            ("grant_type", "authorization_code"),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            all.retain(|(known, _)| known != name);
            if !value.is_empty() {
                all.push((name, value));
            }
        }
        let request = self.http.post(self.at("oauth2/v2.0/token"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let origin = changes.iter().any(|(name, _)| *name == "origin");
        let request = if origin {
            request.header("origin", "http://127.0.0.1:8000")
        } else {
            request
        };
        read(request.body(encoded(&all))).await
    }

    /// The number of the refusal of the token endpoint.
    async fn refusal(&self, changes: Form<'_>) -> (String, u64) {
        let reply = self.token(changes).await;
        assert!(reply.status >= 400, "{}", reply.text);
        (
            reply.body["error"].as_str().unwrap().to_owned(),
            reply.body["error_codes"][0].as_u64().unwrap(),
        )
    }
}

const AUDITOR: &str = "portal.auditor@contoso.example";

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
async fn who_may_not_come_in_is_told_why() {
    let mut browser = Browser::new().await;
    let right = Sandbox::user_password();
    let page = browser.authorize(&[]).await;
    for unknown in ["who@contoso.example", "<b>@x", "W-1010"] {
        let page = browser.fill(&page, &[("username", unknown)]).await;
        assert!(
            page.text.contains("AADSTS50034") && page.text.contains("role=\"alert\""),
            "{}",
            page.text
        );
        assert!(!page.text.contains("<b>"));
    }
    // Whether an account is blocked is told to those who know its password.
    let page = browser
        .password("portal.blocked@contoso.example", "wrong", &[])
        .await;
    assert!(page.text.contains("AADSTS50126"), "{}", page.text);
    let page = browser
        .password("portal.blocked@contoso.example", right, &[])
        .await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("AADSTS50057"), "{}", page.text);
    assert!(browser.cookie.is_empty());

    // Ten wrong passwords lock the account for a minute.
    let mut page = browser.password(AUDITOR, "wrong", &[]).await;
    for _ in 0..10 {
        assert!(page.text.contains("AADSTS50126"), "{}", page.text);
        page = browser.fill(&page, &[("password", "Wrong-1")]).await;
    }
    assert!(page.text.contains("AADSTS50053"), "{}", page.text);
    let page = browser.fill(&page, &[("password", right)]).await;
    assert!(
        page.text.contains("AADSTS50053"),
        "the right one does not help: {}",
        page.text
    );
    browser.sandbox.advance(Duration::from_mins(1));
    let page = browser.fill(&page, &[("password", right)]).await;
    assert_eq!(page.status, 302, "{}", page.text);

    let mut tenant = Tenant::with(browser.sandbox).await;
    tenant.sign_in().await;
    let logged = tenant
        .get("/auditLogs/signIns?$filter=status/errorCode eq 50057")
        .await;
    let all = tenant.get("/auditLogs/signIns").await;
    let blocked = all
        .values()
        .iter()
        .filter(|entry| entry["status"]["errorCode"] == 50057)
        .count();
    assert_eq!(blocked, 1, "{} {}", logged.text, all.text);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_where_there_is_one() {
    let mut browser = Browser::new().await;
    let admin = "portal.admin@contoso.example";
    let page = browser.password(admin, Sandbox::user_password(), &[]).await;
    assert!(
        page.text.contains("Enter code") && browser.cookie.is_empty(),
        "{}",
        page.text
    );
    let page = browser.fill(&page, &[("code", "000000")]).await;
    assert!(
        page.text.contains("AADSTS500121") && browser.cookie.is_empty(),
        "{}",
        page.text
    );
    let reply = browser.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    let code = query(reply.header("location"))["code"].clone();
    let reply = browser.token(&[("code", &code)]).await;
    assert_eq!(claims(&reply.body["access_token"])["roles"], json!(["IAM.Admin"]));

    // The code does not stand for the password.
    let page = browser.authorize(&[("prompt", "login")]).await;
    let page = browser.fill(&page, &[("username", admin)]).await;
    let page = browser.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    assert!(
        page.status == 200 && page.text.contains("Enter password"),
        "{}",
        page.text
    );

    // Somebody who registers one later is asked for it, signed in or not.
    let mut other = Browser::new().await;
    other.code(AUDITOR, &[]).await;
    let user = other.sandbox.user(AUDITOR).unwrap();
    let phone = json!({ "phoneNumber": "+61 412345678", "phoneType": "mobile" });
    let path = format!(
        "/users/{}/authentication/phoneMethods",
        user["id"].as_str().unwrap()
    );
    other.sandbox.act("POST", &path, Some(phone)).unwrap();
    let reply = other.authorize(&[("prompt", "none")]).await;
    let answer = query(reply.header("location"));
    assert_eq!(answer["error"], "interaction_required");
    assert!(
        answer["error_description"].starts_with("AADSTS50076: "),
        "{answer:?}"
    );
    let page = other.authorize(&[]).await;
    let reply = other.fill(&page, &[("code", Sandbox::mfa_code())]).await;
    assert!(query(reply.header("location")).contains_key("code"));
    assert_eq!(other.authorize(&[("prompt", "none")]).await.status, 302);
}

#[tokio::test]
async fn a_first_password_must_be_changed() {
    let mut browser = Browser::new().await;
    let new = json!({
        "accountEnabled": true, "displayName": "Ann", "mailNickname": "ann", "userPrincipalName": "ann@contoso.example",
        "passwordProfile": { "password": "First-Pass-123", "forceChangePasswordNextSignIn": true },
    });
    browser.sandbox.act("POST", "/users", Some(new)).unwrap();
    let page = browser
        .password("ann@contoso.example", Sandbox::user_password(), &[])
        .await;
    assert!(
        page.text.contains("AADSTS50126"),
        "the password of the seed is not everybody's"
    );
    let page = browser.fill(&page, &[("password", "First-Pass-123")]).await;
    assert!(page.text.contains("Update your password"), "{}", page.text);
    for (old, new, again, problem) in [
        (
            "First-Pass-124",
            "Second-Pass-123",
            "Second-Pass-123",
            "AADSTS50126",
        ),
        (
            "First-Pass-123",
            "Second-Pass-123",
            "Second-Pass-124",
            "do not match",
        ),
        (
            "First-Pass-123",
            "First-Pass-123",
            "First-Pass-123",
            "not used before",
        ),
        ("First-Pass-123", "short", "short", "harder to guess"),
    ] {
        let form = [("password", old), ("new_password", new), ("confirm", again)];
        let page = browser.fill(&page, &form).await;
        assert!(
            page.status == 200 && page.text.contains(problem),
            "{problem}: {}",
            page.text
        );
    }
    let form = [
        ("password", "First-Pass-123"),
        ("new_password", "Second-Pass-123"),
        ("confirm", "Second-Pass-123"),
    ];
    let reply = browser.fill(&page, &form).await;
    assert_eq!(reply.status, 302, "{}", reply.text);
    assert_eq!(
        browser.sandbox.user("ann@contoso.example").unwrap()["passwordVersion"],
        2
    );
    browser.cookie.clear();
    assert!(
        browser
            .password("ann@contoso.example", "First-Pass-123", &[])
            .await
            .text
            .contains("AADSTS50126")
    );
    assert_eq!(
        browser
            .password("ann@contoso.example", "Second-Pass-123", &[])
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_asked_again_unless_the_application_wants_it() {
    let mut browser = Browser::new().await;
    let reply = browser.authorize(&[("prompt", "none")]).await;
    let answer = query(reply.header("location"));
    assert_eq!(
        (answer["error"].as_str(), answer["state"].as_str()),
        ("login_required", "s&1")
    );
    assert!(
        answer["error_description"].starts_with("AADSTS50058: "),
        "{answer:?}"
    );

    browser.code(AUDITOR, &[]).await;
    for silent in ["", "none"] {
        let reply = browser.authorize(&[("prompt", silent)]).await;
        assert!(
            query(reply.header("location")).contains_key("code"),
            "{}",
            reply.text
        );
    }
    let page = browser
        .authorize(&[("prompt", "login"), ("login_hint", AUDITOR)])
        .await;
    assert!(
        page.text.contains("Enter password") && page.text.contains(AUDITOR),
        "{}",
        page.text
    );
    let page = browser.authorize(&[("prompt", "select_account")]).await;
    assert!(
        page.text.contains("Pick an account") && page.text.contains("Portal Auditor"),
        "{}",
        page.text
    );
    let id = browser.sandbox.user(AUDITOR).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reply = browser.fill(&page, &[("account", &id)]).await;
    assert!(query(reply.header("location")).contains_key("code"));
    // Somebody who is not signed in here cannot be picked.
    let page = browser.authorize(&[("prompt", "select_account")]).await;
    let helpdesk = "portal.helpdesk@contoso.example";
    let other = browser.sandbox.user(helpdesk).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reply = browser.fill(&page, &[("account", &other)]).await;
    assert!(
        reply.status == 200 && reply.text.contains("Email or user name"),
        "{}",
        reply.text
    );

    // A second account beside the first.
    let page = browser.fill(&page, &[("other", "1")]).await;
    let page = browser.fill(&page, &[("username", helpdesk)]).await;
    assert_eq!(
        browser
            .fill(&page, &[("password", Sandbox::user_password())])
            .await
            .status,
        302
    );
    let page = browser.authorize(&[]).await;
    assert!(
        page.text.contains("Portal Auditor") && page.text.contains("Portal Helpdesk"),
        "{}",
        page.text
    );
    let reply = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(query(reply.header("location"))["error"], "interaction_required");
    let reply = browser
        .authorize(&[("prompt", "none"), ("login_hint", helpdesk)])
        .await;
    assert!(query(reply.header("location")).contains_key("code"));

    // Revoked, blocked, another password: the browser does not help any more.
    browser
        .sandbox
        .act("POST", &format!("/users/{other}/revokeSignInSessions"), None)
        .unwrap();
    let reply = browser
        .authorize(&[("prompt", "none"), ("login_hint", helpdesk)])
        .await;
    assert_eq!(query(reply.header("location"))["error"], "login_required");
    browser
        .sandbox
        .act(
            "PATCH",
            &format!("/users/{id}"),
            Some(json!({ "accountEnabled": false })),
        )
        .unwrap();
    let reply = browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(query(reply.header("location"))["error"], "login_required");
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
