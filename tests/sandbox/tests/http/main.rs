//! The sandbox from outside: over HTTP, judged by what Microsoft documents.

#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)] // helpers of tests, outside the test functions

mod access_packages;
mod app_roles;
mod applications;
mod audit;
mod authentication;
mod azure;
mod azure_roles;
mod batch;
mod colleagues;
mod conditional_access;
mod control;
mod deleted;
mod delta;
mod drive;
mod eligibility;
mod faults;
mod groups;
mod licenses;
mod mailboxes;
mod memberships;
mod message_rules;
mod oauth;
mod owners;
mod permissions;
mod program;
mod provisioning;
mod queries;
mod receiver;
mod roles;
mod scim;
mod service_principals;
mod shapes;
mod sign_in;
mod subscriptions;
mod throttling;
mod units;
mod users;
mod wire;

use iam_sandbox::Sandbox;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

/// A running sandbox and a client that is signed in.
pub(crate) struct Tenant {
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// An answer, read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn code(&self) -> &str {
        self.body
            .pointer("/error/code")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body
            .pointer("/error/message")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn values(&self) -> &Vec<Value> {
        self.body["value"]
            .as_array()
            .unwrap_or_else(|| panic!("no collection in {}", self.text))
    }

    /// One property of every row.
    pub(crate) fn column(&self, name: &str) -> Vec<&str> {
        self.values()
            .iter()
            .map(|row| row[name].as_str().unwrap_or_default())
            .collect()
    }
}

impl Tenant {
    pub(crate) async fn start() -> Self {
        Self::with(Sandbox::start().await.unwrap()).await
    }

    pub(crate) async fn empty() -> Self {
        Self::with(Sandbox::builder().empty().start().await.unwrap()).await
    }

    pub(crate) async fn with(sandbox: Sandbox) -> Self {
        let http = match sandbox.ca_pem() {
            None => reqwest::Client::new(),
            Some(pem) => {
                let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
                let builder = reqwest::Client::builder().tls_certs_only([authority]);
                builder.build().unwrap()
            }
        };
        let mut tenant = Self {
            sandbox,
            http,
            token: String::new(),
        };
        tenant.sign_in().await;
        tenant
    }

    pub(crate) async fn sign_in(&mut self) {
        let reply = self.token_request(&self.form()).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.token);
    }

    pub(crate) fn form(&self) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.sandbox.client_id().to_owned()),
            ("client_secret", self.sandbox.client_secret().to_owned()),
            ("scope", "https://graph.microsoft.com/.default".to_owned()),
        ]
    }

    pub(crate) async fn token_request(&self, form: &[(&'static str, String)]) -> Reply {
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.sandbox.authority(),
            self.sandbox.tenant_id()
        );
        read(
            self.http
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(encoded(form)),
        )
        .await
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.sandbox.graph())
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, url)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = self.request(method, path);
        read(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, Value::Null).await
    }

    /// With `ConsistencyLevel: eventual`.
    pub(crate) async fn eventual(&self, path: &str) -> Reply {
        read(self.request("GET", path).header("ConsistencyLevel", "eventual")).await
    }

    /// Sends `"METHOD /path"` and checks the status and a part of the error code or message.
    pub(crate) async fn check(&self, what: &str, body: Value, status: u16, says: &str) -> Reply {
        let (method, path) = what.split_once(' ').unwrap();
        let reply = self.send(method, path, body).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text);
        assert!(
            reply.text.contains(says),
            "{what}: {} does not say {says:?}",
            reply.text
        );
        reply
    }

    /// A user whose sign-in name is that, with more properties. Gives the id.
    pub(crate) async fn hire(&self, nickname: &str, more: Value) -> String {
        let reply = self.send("POST", "/users", draft(nickname, more)).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn security_group(&self, name: &str, more: Value) -> String {
        let mut body = json!({
            "displayName": name, "mailNickname": name, "mailEnabled": false, "securityEnabled": true,
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        let reply = self.send("POST", "/groups", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn group_id(&self, name: &str) -> String {
        let reply = self
            .get(&format!("/groups?$filter=displayName eq '{name}'&$select=id"))
            .await;
        reply.values()[0]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn user_id(&self, employee: &str) -> String {
        let reply = self
            .get(&format!("/users?$filter=employeeId eq '{employee}'&$select=id"))
            .await;
        reply.values()[0]["id"].as_str().unwrap().to_owned()
    }

    /// The id of an activated role, by its template.
    pub(crate) async fn role_id(&self, template: &str) -> String {
        let reply = self
            .get(&format!("/directoryRoles(roleTemplateId='{template}')"))
            .await;
        reply.body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", reply.text))
            .to_owned()
    }

    /// One property of every row of a collection.
    pub(crate) async fn names(&self, path: &str) -> Vec<String> {
        let reply = self.get(path).await;
        let names = reply.column("displayName").into_iter().map(str::to_owned);
        names.collect()
    }

    pub(crate) fn link(&self, id: &str) -> Value {
        json!({ "@odata.id": format!("{}/directoryObjects/{id}", self.sandbox.graph()) })
    }
}

/// The least that makes a user.
pub(crate) fn draft(nickname: &str, more: Value) -> Value {
    let mut body = json!({
        "accountEnabled": true, "displayName": nickname, "mailNickname": nickname,
        "userPrincipalName": format!("{nickname}@contoso.example"),
        "passwordProfile": { "password": "xK9-fw2p!Q-riverbed", "forceChangePasswordNextSignIn": true },
    });
    let map = body.as_object_mut().unwrap();
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        if value == json!("ABSENT") {
            map.remove(&name);
        } else {
            map.insert(name, value);
        }
    }
    body
}

pub(crate) fn encoded(form: &[(&'static str, String)]) -> String {
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut()
        .extend_pairs(form.iter().map(|(name, value)| (*name, value.as_str())));
    url.query().unwrap().to_owned()
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Reply {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, url) = (request.method().clone(), request.url().clone());
    let answer = client.execute(request).await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    shapes::check(method.as_str(), &url, status, &text);
    Reply {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}
