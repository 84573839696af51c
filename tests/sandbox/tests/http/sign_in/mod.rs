//! Users sign in with a browser: a browser, and an application to sign in to.

mod answers;
mod pages;
mod redeeming;

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
