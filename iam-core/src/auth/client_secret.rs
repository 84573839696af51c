//! [`ClientSecret`]: an application signs in with its client secret (OAuth 2.0 client credentials).
//!
//! The grant is built and read by the `oauth2` crate; the request goes through our own pipeline, so that
//! it is retried, logged and timed like any other. Asking for a token twice is harmless.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, Client, ClientId, HttpRequest, HttpResponse, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenUrl,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::{AccessToken, Audience, TokenSource};
use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Method, Pipeline, Request, Response, Transport, retry};
use crate::secret::Secret;

const OPERATION: &str = "get token";

/// The credential of an application with a client secret. It keeps no token: put it behind
/// [`CachedTokens`](super::CachedTokens).
pub struct ClientSecret {
    token_url: TokenUrl,
    client_id: String,
    endpoint: Endpoint,
    clock: SharedClock,
}

/// The way to the token endpoint. Cloned into the grant's HTTP function, which may not borrow.
#[derive(Clone)]
struct Endpoint {
    pipeline: Pipeline,
    secret: Secret,
}

type Oauth = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

impl ClientSecret {
    /// The credential. `tenant` is its id or one of its domains.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the tenant cannot be one, or the client id or the secret is empty.
    pub fn new(
        cloud: &Cloud,
        tenant: &str,
        client_id: &str,
        secret: Secret,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
    ) -> Result<Self> {
        let wrong = |text: String| Error::new(ErrorKind::Invalid, text);
        let domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let starts = tenant
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !starts || tenant.len() > 253 || tenant.contains("..") || !tenant.bytes().all(domain) {
            return Err(wrong(format!(
                "{tenant:?} is not a tenant: give its id (a GUID) or one of its domains"
            )));
        }
        if client_id.trim().is_empty() {
            return Err(wrong("the client id is empty".to_owned()));
        }
        if secret.expose().trim().is_empty() {
            return Err(wrong("the client secret is empty".to_owned()));
        }
        let token_url = TokenUrl::new(format!("{}/{tenant}/oauth2/v2.0/token", cloud.authority()))
            .map_err(|source| wrong("the authority is not a URL".to_owned()).with_source(source))?;
        let pipeline = Pipeline::builder(transport).clock(clock.clone()).build();
        Ok(Self {
            token_url,
            client_id: client_id.to_owned(),
            endpoint: Endpoint { pipeline, secret },
            clock,
        })
    }
}

impl Endpoint {
    async fn send(self, request: HttpRequest) -> Result<HttpResponse> {
        let (parts, body) = request.into_parts();
        let mut out = Request::new(Method::Post, parts.uri.to_string(), OPERATION).idempotent(true);
        for (name, value) in &parts.headers {
            out = out.header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        out.body = Some(body);
        let answer = self.pipeline.send(out).await?;
        if answer.status == 200 {
            Ok(HttpResponse::new(answer.body))
        } else {
            Err(self.refusal(&answer))
        }
    }

    fn refusal(&self, answer: &Response) -> Error {
        let said: Refusal = answer.json().unwrap_or_default();
        let kind = match (answer.status, said.error.as_str()) {
            (429, _) => ErrorKind::Throttled,
            (408 | 500.., _) | (_, "temporarily_unavailable") => ErrorKind::Unavailable,
            _ => ErrorKind::Unauthenticated,
        };
        // "AADSTS7000215: Invalid client secret provided. … Trace ID: …\r\nCorrelation ID: …"
        let line = said.error_description.lines().next().unwrap_or_default();
        let line = line.split(" Trace ID:").next().unwrap_or_default();
        let (prefix, text) = line
            .split_once(": ")
            .filter(|(code, _)| code.starts_with("AADSTS"))
            .unwrap_or(("", line));
        let number = said
            .error_codes
            .first()
            .copied()
            .or_else(|| prefix.strip_prefix("AADSTS")?.parse().ok());
        let mut message = match text.trim().trim_end_matches('.') {
            "" => "the token endpoint refused".to_owned(),
            text => text.replace(self.secret.expose(), "…"),
        };
        if let Some(check) = what_to_check(number, said.claims.is_some()) {
            message = format!("{message}; check {check}");
        }
        let mut error = Error::new(kind, message)
            .with_operation(OPERATION)
            .with_status(answer.status);
        if kind != ErrorKind::Unauthenticated {
            error = match retry::advice(answer, answer.attempts) {
                crate::error::Retry::Never => error,
                advice => error.with_retry(advice),
            };
        }
        if let Some(number) = number {
            error = error.with_code(format!("AADSTS{number}"));
        } else if !said.error.is_empty() {
            error = error.with_code(said.error);
        }
        if let Some(id) = answer.header("client-request-id") {
            error = error.with_client_request_id(id);
        }
        match said.trace_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

#[async_trait]
impl TokenSource for ClientSecret {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        // Before the request, so that the times are early rather than late.
        let now = self.clock.now();
        let client: Oauth = Client::new(ClientId::new(self.client_id.clone()));
        let client = client
            .set_client_secret(oauth2::ClientSecret::new(
                self.endpoint.secret.expose().to_owned(),
            ))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.token_url.clone());
        let mut grant = client
            .exchange_client_credentials()
            .add_scope(Scope::new(audience.scope().to_owned()));
        if let Some(claims) = claims {
            grant = grant.add_extra_param("claims", claims);
        }
        let endpoint = self.endpoint.clone();
        let http = move |request| endpoint.clone().send(request);
        let token = grant.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::Request(error) => error,
            // The body and the text of the parser's error may hold the token: only the path is told.
            RequestTokenError::Parse(error, _) => {
                misunderstood(&format!("does not fit at `{}`", error.path()))
            }
            _ => misunderstood("is not an OAuth 2.0 answer"),
        })?;
        if !token.token_type.as_ref().eq_ignore_ascii_case("bearer") || token.access_token.secret().is_empty()
        {
            return Err(misunderstood("holds no bearer token"));
        }
        let after = |seconds| {
            now.checked_add(Duration::from_secs(seconds))
                .unwrap_or(Timestamp::MAX)
        };
        Ok(AccessToken {
            token: Secret::new(token.access_token.secret().as_str()),
            expires_at: after(token.expires_in),
            refresh_at: token.refresh_in.map(after),
        })
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

fn misunderstood(why: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the token endpoint's answer {why}")).with_operation(OPERATION)
}

/// Microsoft asks clients not to branch on these numbers: they only choose the advice to the operator.
fn what_to_check(code: Option<u64>, claims: bool) -> Option<&'static str> {
    Some(match code? {
        7_000_215 => {
            "that IAM_CLIENT_SECRET holds the secret's value, not its id, and that it has not expired"
        }
        7_000_222 => "the secret's end date: create a new secret and set IAM_CLIENT_SECRET to its value",
        7_000_216 => "that IAM_CLIENT_SECRET is set",
        700_016 => "that IAM_CLIENT_ID names an application of this tenant, and that IAM_TENANT_ID is right",
        90_002 | 900_023 => "IAM_TENANT_ID and that the cloud is the tenant's",
        500_011 | 70_011 | 1_002_012 => "that the scope belongs to a service that is present in this tenant",
        _ if claims => "the Conditional Access policies for workload identities",
        _ => return None,
    })
}

/// The token answer. `oauth2`'s own type reads `expires_in` as a number only, and some issuers send text.
#[derive(Debug, Deserialize, Serialize)]
struct Answer {
    access_token: oauth2::AccessToken,
    token_type: BasicTokenType,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    #[serde(default, deserialize_with = "some_seconds")]
    refresh_in: Option<u64>,
}

impl oauth2::TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.expires_in))
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// What Entra says when it refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
    trace_id: Option<String>,
    claims: Option<String>,
}

fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(input)? {
        Seconds::Number(number) => Ok(number),
        Seconds::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| serde::de::Error::custom("not a number of seconds")),
    }
}

fn some_seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    seconds(input).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::error::Retry;
    use crate::http::tests::{Fake, FakeClock, answer};

    const OK: &str = r#"{"token_type":"Bearer","access_token":"eyJ0","expires_in":"3599","refresh_in":1800,"ext_expires_in":3599}"#;
    const REFUSED: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. You sent hunter2. Trace ID: t-1\r\nCorrelation ID: c","error_codes":[7000215],"trace_id":"t-1"}"#;

    async fn check(
        replies: &'static [(u16, &'static str)],
        claims: Option<&str>,
    ) -> (Result<AccessToken>, Arc<Fake>) {
        let clock = FakeClock::new();
        let fake = Fake::new(move |_, n| {
            let (status, body) = replies[n.min(replies.len() - 1)];
            Ok(answer(status, &[("retry-after", "1")], body))
        });
        let source = ClientSecret::new(
            &Cloud::public(),
            "contoso.com",
            "app",
            "hunter2".into(),
            fake.clone(),
            clock,
        )
        .unwrap();
        (
            source.token(&Audience::graph(&Cloud::public()), claims).await,
            fake,
        )
    }

    #[tokio::test]
    async fn asks_by_form_and_reads_both_kinds_of_numbers() {
        let (token, fake) = check(&[(503, "busy"), (200, OK)], Some(r#"{"a":1}"#)).await;
        let (token, start) = (token.unwrap(), FakeClock::new().now());
        let after = |seconds| start.checked_add(Duration::from_secs(seconds)).unwrap();
        assert_eq!(
            (token.token.expose(), token.expires_at, token.refresh_at),
            ("eyJ0", after(3599), Some(after(1800)))
        );
        let sent = fake.sent();
        assert_eq!(
            (sent.len(), sent[1].url.as_str()),
            (
                2,
                "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"
            )
        );
        assert_eq!(
            String::from_utf8_lossy(sent[1].body.as_ref().unwrap()),
            "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_id=app\
             &client_secret=hunter2&claims=%7B%22a%22%3A1%7D"
        );
        assert!(
            sent[1]
                .headers
                .contains(&("content-type".into(), "application/x-www-form-urlencoded".into()))
        );
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_check_and_never_the_secret() {
        let (outcome, _) = check(&[(401, REFUSED)], None).await;
        let error = outcome.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Unauthenticated, Retry::Never)
        );
        assert_eq!(
            (error.code(), error.request_id()),
            (Some("AADSTS7000215"), Some("t-1"))
        );
        assert_eq!(
            error.to_string(),
            format!(
                "get token: Invalid client secret provided. You sent …; check that IAM_CLIENT_SECRET holds the \
                 secret's value, not its id, and that it has not expired (401 AADSTS7000215, request-id t-1, \
                 client-request-id {})",
                error.client_request_id().unwrap()
            )
        );
    }

    #[tokio::test]
    async fn each_failure_has_its_kind() {
        for (reply, kind, retry) in [
            (&[(429, "")], ErrorKind::Throttled, Retry::Exhausted),
            (&[(503, "<html>")], ErrorKind::Unavailable, Retry::Exhausted),
            (
                &[(400, r#"{"error":"temporarily_unavailable"}"#)],
                ErrorKind::Unavailable,
                Retry::After(None),
            ),
            (&[(404, "<html>")], ErrorKind::Unauthenticated, Retry::Never),
            (
                &[(
                    200,
                    r#"{"access_token":"eyJ0","token_type":"Bearer","expires_in":"soon eyJ0"}"#,
                )],
                ErrorKind::Protocol,
                Retry::Never,
            ),
            (
                &[(
                    200,
                    r#"{"access_token":"eyJ0","token_type":"mac","expires_in":1}"#,
                )],
                ErrorKind::Protocol,
                Retry::Never,
            ),
            (&[(200, "")], ErrorKind::Protocol, Retry::Never),
        ] {
            let error = check(reply, None).await.0.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{reply:?}");
            assert!(!format!("{error:?}").contains("eyJ0"));
        }
    }

    #[test]
    fn odd_tenants_are_refused_before_anything_is_sent() {
        let new = |tenant: &str, id: &str, secret: &str| {
            let fake = Fake::new(|_, _| Ok(answer(500, &[], "")));
            ClientSecret::new(
                &Cloud::public(),
                tenant,
                id,
                secret.into(),
                fake,
                FakeClock::new(),
            )
        };
        assert!(new("2f5b1c3e-0000-4000-8000-000000000001", "app", "s").is_ok());
        for tenant in [
            "",
            "..",
            "a/b",
            "a?b",
            "contoso.com/../x",
            "a b",
            ".a",
            "a..b",
            "é",
        ] {
            assert_eq!(
                new(tenant, "app", "s").unwrap_err().kind(),
                ErrorKind::Invalid,
                "{tenant}"
            );
        }
        assert!(new("contoso.com", "", "s").is_err() && new("contoso.com", "app", " ").is_err());
    }
}
