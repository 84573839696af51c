//! [`RefreshedUser`]: calls on behalf of a user who signed in once, for as long as the user's refresh token is good.
//!
//! Source: Microsoft Learn, "Refresh tokens in the Microsoft identity platform". Applications that call for themselves get
//! no refresh token and need none.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::grant::{Grant, TokenEndpoint};
use super::{AccessToken, Audience, TokenSource};
use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;
use crate::secret::Secret;

type Keep = Arc<dyn Fn(&Secret) + Send + Sync>;

/// The credential of a user, by the refresh token that the sign-in gave. It keeps no access token: put it behind
/// [`CachedTokens`](super::CachedTokens).
///
/// Entra gives a new refresh token with each access token, and the old one ends in time: [`on_renewal`](Self::on_renewal)
/// hears of each, to keep it where it survives a restart. An error with the reason `sign_in_again` means that only
/// the user can help: the token is too old, was revoked, or the account is blocked.
pub struct RefreshedUser {
    endpoint: TokenEndpoint,
    client_secret: Option<Secret>,
    refresh: Mutex<Secret>,
    keep: Option<Keep>,
}

impl RefreshedUser {
    /// The credential. `tenant` is its id or one of its domains; the client is the one that the user signed in to, with its
    /// secret unless it is a public client.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the tenant cannot be one, or the client id, the secret or the token is empty.
    pub fn new(
        cloud: &Cloud,
        tenant: &str,
        client_id: &str,
        client_secret: Option<Secret>,
        refresh_token: Secret,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
    ) -> Result<Self> {
        let endpoint = TokenEndpoint::new(cloud, tenant, client_id, transport, clock)?;
        let empty = |secret: &Secret| secret.expose().trim().is_empty();
        if empty(&refresh_token) {
            return Err(Error::new(ErrorKind::Invalid, "the refresh token is empty"));
        }
        if client_secret.as_ref().is_some_and(empty) {
            return Err(Error::new(ErrorKind::Invalid, "the client secret is empty"));
        }
        Ok(Self {
            endpoint,
            client_secret,
            refresh: Mutex::new(refresh_token),
            keep: None,
        })
    }

    /// Hears of each new refresh token. Called while a token is asked for: it should not take long.
    #[must_use]
    pub fn on_renewal(mut self, keep: impl Fn(&Secret) + Send + Sync + 'static) -> Self {
        self.keep = Some(Arc::new(keep));
        self
    }
}

#[async_trait]
impl TokenSource for RefreshedUser {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        let held = self
            .refresh
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let grant = Grant {
            refresh: Some(&held),
            client_secret: self.client_secret.as_ref(),
            claims,
            ..Grant::default()
        };
        let (token, renewed) = self.endpoint.token(grant, audience).await?;
        if let Some(renewed) = renewed {
            if let Some(keep) = &self.keep {
                keep(&renewed);
            }
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        }
        Ok(token)
    }
}

impl fmt::Debug for RefreshedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshedUser")
            .field("client_id", &self.endpoint.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{Fake, FakeClock, answer};

    #[tokio::test]
    async fn each_renewal_is_used_and_told_of() {
        let fake = Fake::new(|_, n| {
            let renewed = if n == 1 {
                String::new()
            } else {
                format!(",\"refresh_token\":\"r{n}\"")
            };
            let body = format!(
                "{{\"token_type\":\"Bearer\",\"access_token\":\"a{n}\",\"expires_in\":3599{renewed}}}"
            );
            if n < 3 {
                Ok(answer(200, &[], &body))
            } else {
                let refused = r#"{"error":"invalid_grant","error_description":"AADSTS50173: You sent r2.","error_codes":[50173]}"#;
                Ok(answer(400, &[], refused))
            }
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        let user = RefreshedUser::new(
            &Cloud::public(),
            "contoso.com",
            "app",
            None,
            "first".into(),
            fake.clone(),
            FakeClock::new(),
        )
        .unwrap()
        .on_renewal(move |token| kept.lock().unwrap().push(token.expose().to_owned()));
        let graph = Audience::graph(&Cloud::public());
        for _ in 0..3 {
            user.token(&graph, None).await.unwrap();
        }
        let error = user.token(&graph, None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.reason(), error.code()),
            (
                ErrorKind::Unauthenticated,
                Some("sign_in_again"),
                Some("AADSTS50173")
            )
        );
        assert!(!format!("{error:?} {user:?}").contains("r2"), "{error:?}");
        let sent: Vec<String> = fake
            .sent()
            .iter()
            .map(|request| String::from_utf8_lossy(request.body.as_ref().unwrap()).into_owned())
            .collect();
        let body = |token: &str| {
            format!(
                "grant_type=refresh_token&refresh_token={token}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default+offline_access&client_id=app"
            )
        };
        // Without a new one the old one stays.
        assert_eq!(sent, [body("first"), body("r0"), body("r0"), body("r2")]);
        assert_eq!(*told.lock().unwrap(), ["r0", "r2"]);
    }
}
