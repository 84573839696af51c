//! [`ClientSecret`]: an application signs in with its client secret (OAuth 2.0 client credentials).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::grant::{Grant, TokenEndpoint};
use super::{AccessToken, Audience, TokenSource};
use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;
use crate::secret::Secret;

/// The credential of an application with a client secret. It keeps no token: put it behind
/// [`CachedTokens`](super::CachedTokens).
pub struct ClientSecret {
    endpoint: TokenEndpoint,
    secret: Secret,
}

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
        let endpoint = TokenEndpoint::new(cloud, tenant, client_id, transport, clock)?;
        if secret.expose().trim().is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "the client secret is empty"));
        }
        Ok(Self { endpoint, secret })
    }
}

#[async_trait]
impl TokenSource for ClientSecret {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        let grant = Grant {
            client_secret: Some(&self.secret),
            claims,
            ..Grant::default()
        };
        Ok(self.endpoint.token(grant, audience).await?.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("client_id", &self.endpoint.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
