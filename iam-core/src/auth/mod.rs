//! Tokens: who may be called with which, where they come from, and how a request gets one.
//!
//! A credential is a [`TokenSource`]; [`CachedTokens`] puts one request in flight per audience in front
//! of it; [`Bearer`] attaches the token to requests, and only to hosts of its [`Audience`]. [`TokenValidator`] is for the
//! other side: an API that is called with one.

mod bearer;
mod cache;
mod client_certificate;
mod client_secret;
mod grant;
mod refresh_token;
pub mod validate;

use std::fmt::{self, Debug};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::cloud::{Cloud, origin};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

pub use bearer::Bearer;
pub use cache::CachedTokens;
pub use client_certificate::ClientCertificate;
pub use client_secret::ClientSecret;
pub use refresh_token::RefreshedUser;
pub use validate::{Claims, TokenValidator, TokenValidatorBuilder};

/// What a token is asked for, and the origins it may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience {
    scope: String,
    origins: Vec<String>,
}

impl Audience {
    /// The audience with that scope, for the origins of the given URLs.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when one of them is not an absolute http(s) URL.
    pub fn new(scope: impl Into<String>, urls: &[&str]) -> Result<Self> {
        let checked = |url: &&str| {
            origin(url)
                .ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{url:?} is not an http(s) URL")))
        };
        Ok(Self {
            scope: scope.into(),
            origins: urls.iter().map(checked).collect::<Result<_>>()?,
        })
    }

    /// Microsoft Graph in that cloud.
    pub fn graph(cloud: &Cloud) -> Self {
        Self {
            scope: cloud.graph_scope().to_owned(),
            origins: origin(cloud.graph()).into_iter().collect(),
        }
    }

    /// Azure Resource Manager in that cloud.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the cloud names none: see [`Cloud::with_arm`].
    pub fn arm(cloud: &Cloud) -> Result<Self> {
        Self::new(cloud.arm_scope(), &[cloud.arm()?])
    }

    /// The scope, for example `https://graph.microsoft.com/.default`.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether a token of this audience may be sent to that URL.
    pub fn allows(&self, url: &str) -> bool {
        origin(url).is_some_and(|origin| self.origins.contains(&origin))
    }
}

/// An access token and its times. `Debug` shows the times only.
#[derive(Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// From when on the issuer would like it to be replaced, where it said so.
    pub refresh_at: Option<Timestamp>,
}

impl Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_at", &self.expires_at)
            .field("refresh_at", &self.refresh_at)
            .finish_non_exhaustive()
    }
}

/// Where access tokens come from.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// A token for the audience. `claims` is the JSON of a claims challenge that the token must answer.
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken>;

    /// Learns that a service refused this token. A source that keeps tokens forgets it; one that does
    /// not has nothing to do.
    fn refused(&self, _audience: &Audience, _token: &AccessToken) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::http::{HttpTransport, Method, Pipeline, Request};
    use wiremock::matchers::{body_string_contains, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    #[tokio::test]
    async fn over_real_http_many_requests_share_one_token() {
        let server = MockServer::start().await;
        let token = r#"{"token_type":"Bearer","access_token":"eyJ0","expires_in":"3599"}"#;
        Mock::given(method("POST"))
            .and(path("/contoso.com/oauth2/v2.0/token"))
            .and(header("content-type", "application/x-www-form-urlencoded"))
            .and(body_string_contains("client_secret=hunter2"))
            .respond_with(ResponseTemplate::new(200).set_body_raw(token, "application/json"))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path("/v1.0/users"))
            .and(header("authorization", "Bearer eyJ0"))
            .respond_with(ResponseTemplate::new(201))
            .expect(20)
            .mount(&server)
            .await;

        let cloud = Cloud::custom(&server.uri(), &server.uri()).unwrap();
        let (transport, clock) = (Arc::new(HttpTransport::new().unwrap()), Arc::new(SystemClock));
        let secret = "hunter2".into();
        let source = ClientSecret::new(
            &cloud,
            "contoso.com",
            "app",
            secret,
            transport.clone(),
            clock.clone(),
        )
        .unwrap();
        let tokens = Arc::new(CachedTokens::new(Arc::new(source), clock));
        let bearer = Bearer::new(tokens, Audience::graph(&cloud));
        let pipeline = Pipeline::builder(transport).bearer(Arc::new(bearer)).build();
        let url = format!("{}/v1.0/users", cloud.graph());
        let send = || pipeline.send(Request::new(Method::Post, &url, "create user"));
        for answer in futures::future::join_all((0..20).map(|_| send())).await {
            assert_eq!(answer.unwrap().status, 201);
        }
    }

    #[test]
    fn an_audience_knows_its_hosts() {
        let graph = Audience::graph(&Cloud::public());
        assert!(graph.allows("https://graph.microsoft.com/v1.0/users"));
        for foreign in [
            "https://graph.microsoft.com.evil/",
            "http://graph.microsoft.com/",
            "https://a@graph.microsoft.com/",
        ] {
            assert!(!graph.allows(foreign), "{foreign}");
        }
        assert!(Audience::new("scope", &["vault.azure.net"]).is_err());
        let arm = Audience::arm(&Cloud::us_government()).unwrap();
        assert!(arm.allows("https://management.usgovcloudapi.net/subscriptions"));
        assert!(!arm.allows("https://management.core.usgovcloudapi.net/"));
        assert!(!graph.allows("https://management.azure.com/subscriptions"));
        let custom = Cloud::custom("http://127.0.0.1:1", "http://127.0.0.1:1").unwrap();
        assert_eq!(Audience::arm(&custom).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_token_prints_its_times_only() {
        let token = AccessToken {
            token: "eyJ0".into(),
            expires_at: Timestamp::UNIX_EPOCH,
            refresh_at: None,
        };
        assert_eq!(
            format!("{token:?}"),
            "AccessToken { expires_at: 1970-01-01T00:00:00Z, refresh_at: None, .. }"
        );
    }
}
