//! The token endpoint as one application uses it: a grant is posted, and what comes back is a token or a refusal in words.
//!
//! The grant is built and read by the `oauth2` crate; the request goes through our own pipeline, so that
//! it is retried, logged and timed like any other. Asking for a token twice is harmless.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, Client, ClientId, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, Scope, StandardRevocableToken, TokenUrl,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::{AccessToken, Audience};
use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Method, Pipeline, Request, Response, Transport, retry};
use crate::secret::Secret;

const OPERATION: &str = "get token";

/// The endpoint, and the application that uses it.
#[derive(Clone)]
pub(super) struct TokenEndpoint {
    url: TokenUrl,
    /// The issuer that the endpoint belongs to.
    pub(super) issuer: String,
    pub(super) client_id: String,
    pipeline: Pipeline,
    pub(super) clock: SharedClock,
}

/// What a token is asked for with.
#[derive(Default)]
pub(super) struct Grant<'a> {
    /// The sign-in of a user; without one the application asks for itself.
    pub(super) refresh: Option<&'a Secret>,
    pub(super) client_secret: Option<&'a Secret>,
    /// The application's signed word instead of a secret.
    pub(super) assertion: Option<&'a Secret>,
    /// The JSON of a claims challenge.
    pub(super) claims: Option<&'a str>,
}

type Oauth = Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl TokenEndpoint {
    /// `tenant` is its id or one of its domains.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the tenant cannot be one, or the client id is empty.
    pub(super) fn new(
        cloud: &Cloud,
        tenant: &str,
        client_id: &str,
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
        let base = format!("{}/{tenant}", cloud.authority());
        let url = TokenUrl::new(format!("{base}/oauth2/v2.0/token"))
            .map_err(|source| wrong("the authority is not a URL".to_owned()).with_source(source))?;
        let pipeline = Pipeline::builder(transport).clock(clock.clone()).build();
        Ok(Self {
            url,
            issuer: format!("{base}/v2.0"),
            client_id: client_id.to_owned(),
            pipeline,
            clock,
        })
    }

    /// A token for the audience, and the refresh token that came with it.
    pub(super) async fn token(
        &self,
        grant: Grant<'_>,
        audience: &Audience,
    ) -> Result<(AccessToken, Option<Secret>)> {
        // Before the request, so that the times are early rather than late.
        let now = self.clock.now();
        let mut client: Oauth = Client::new(ClientId::new(self.client_id.clone()))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(self.url.clone());
        if let Some(secret) = grant.client_secret {
            client = client.set_client_secret(oauth2::ClientSecret::new(secret.expose().to_owned()));
        }
        let hidden: Vec<Secret> = [grant.refresh, grant.client_secret, grant.assertion]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let endpoint = self.clone();
        let http = move |request| endpoint.clone().send(request, hidden.clone());
        let scope = Scope::new(audience.scope().to_owned());
        let assertion = grant.assertion.into_iter().flat_map(|assertion| {
            [
                ("client_assertion_type", ASSERTION),
                ("client_assertion", assertion.expose()),
            ]
        });
        let more = assertion.chain(grant.claims.map(|claims| ("claims", claims)));
        let answer = if let Some(token) = grant.refresh {
            let token = RefreshToken::new(token.expose().to_owned());
            let mut request = client
                .exchange_refresh_token(&token)
                .add_scope(scope)
                .add_scope(Scope::new("offline_access".to_owned()));
            for (name, value) in more {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&http).await
        } else {
            let mut request = client.exchange_client_credentials().add_scope(scope);
            for (name, value) in more {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&http).await
        };
        answer.map_err(explain)?.read(now)
    }

    async fn send(self, request: HttpRequest, hidden: Vec<Secret>) -> Result<HttpResponse> {
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
            Err(refusal(&answer, &hidden))
        }
    }
}

/// RFC 7523, 2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn explain(error: RequestTokenError<Error, BasicErrorResponse>) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        // The body and the text of the parser's error may hold the token: only the path is told.
        RequestTokenError::Parse(error, _) => misunderstood(&format!("does not fit at `{}`", error.path())),
        _ => misunderstood("is not an OAuth 2.0 answer"),
    }
}

fn refusal(answer: &Response, hidden: &[Secret]) -> Error {
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
        text => hidden
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "…")),
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
    if SIGN_IN.contains(&said.error.as_str()) {
        error = error.with_reason("sign_in_again");
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

/// What only the user can mend.
const SIGN_IN: [&str; 4] = [
    "invalid_grant",
    "interaction_required",
    "login_required",
    "consent_required",
];

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
        700_027 => "that the certificate is one of the application's, and that the key belongs to it",
        700_024 => "the clock of this machine",
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
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
}

impl Answer {
    fn read(self, now: Timestamp) -> Result<(AccessToken, Option<Secret>)> {
        if !self.token_type.as_ref().eq_ignore_ascii_case("bearer") || self.access_token.secret().is_empty() {
            return Err(misunderstood("holds no bearer token"));
        }
        let after = |seconds| {
            now.checked_add(Duration::from_secs(seconds))
                .unwrap_or(Timestamp::MAX)
        };
        let token = AccessToken {
            token: Secret::new(self.access_token.secret().as_str()),
            expires_at: after(self.expires_in),
            refresh_at: self.refresh_in.map(after),
        };
        let refresh = self.refresh_token.filter(|token| !token.secret().is_empty());
        Ok((token, refresh.map(|token| Secret::new(token.secret().as_str()))))
    }
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
        self.refresh_token.as_ref()
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
