//! [`ClientCertificate`]: an application signs in with the private key of a certificate, which never leaves this machine.
//!
//! Source: Microsoft Learn, "Microsoft identity platform application authentication certificate credentials"; RFC 7523.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::grant::{Grant, TokenEndpoint};
use super::{AccessToken, Audience, TokenSource};
use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;
use crate::secret::Secret;

/// How long the application's word is good, in seconds: "5-10 minutes after nbf at most".
const LIFE: i64 = 300;

/// The credential of an application with a certificate. It keeps no token: put it behind
/// [`CachedTokens`](super::CachedTokens).
pub struct ClientCertificate {
    endpoint: TokenEndpoint,
    key: EncodingKey,
    /// SHA-256 of the certificate.
    thumbprint: String,
}

impl ClientCertificate {
    /// The credential. `tenant` is its id or one of its domains; `pem` holds the certificate, which the application's
    /// registration knows, and its RSA private key, unencrypted, in either order. Of several certificates the first
    /// counts.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the tenant cannot be one, the client id is empty, or the text lacks the certificate or
    /// the key, or holds them in another form.
    pub fn new(
        cloud: &Cloud,
        tenant: &str,
        client_id: &str,
        pem: &Secret,
        transport: Arc<dyn Transport>,
        clock: SharedClock,
    ) -> Result<Self> {
        let endpoint = TokenEndpoint::new(cloud, tenant, client_id, transport, clock)?;
        let text = pem.expose();
        let certificate = block(text, &["CERTIFICATE"])
            .ok_or_else(|| wrong("the PEM text holds no certificate (BEGIN CERTIFICATE)"))?;
        let lines = certificate.lines().filter(|line| !line.starts_with("-----"));
        let der = STANDARD
            .decode(lines.flat_map(|line| line.trim().chars()).collect::<String>())
            .map_err(|_| wrong("the certificate of the PEM text cannot be read"))?;
        if block(text, &["ENCRYPTED PRIVATE KEY"]).is_some() {
            return Err(wrong("the private key is encrypted: give it without a password"));
        }
        let key = block(text, &["PRIVATE KEY", "RSA PRIVATE KEY"])
            .ok_or_else(|| wrong("the PEM text holds no private key (BEGIN PRIVATE KEY)"))?;
        let key = EncodingKey::from_rsa_pem(key.as_bytes())
            .map_err(|_| wrong("the private key of the PEM text is no RSA key"))?;
        Ok(Self {
            endpoint,
            key,
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&der)),
        })
    }

    /// "Assertion format": the application says that it is itself, to this issuer, for a few minutes.
    fn assertion(&self) -> Result<Secret> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.thumbprint.clone());
        let (app, now) = (&self.endpoint.client_id, self.endpoint.clock.now().as_second());
        let claims = json!({
            "aud": self.endpoint.issuer, "iss": app, "sub": app, "jti": Uuid::new_v4().to_string(),
            "iat": now, "nbf": now, "exp": now + LIFE,
        });
        let signed = jsonwebtoken::encode(&header, &claims, &self.key);
        let signed = signed.map_err(|_| wrong("the private key of the certificate cannot sign"))?;
        Ok(Secret::new(signed))
    }
}

/// The first PEM block of one of these labels, with its delimiters.
fn block<'a>(text: &'a str, labels: &[&str]) -> Option<&'a str> {
    labels.iter().find_map(|label| {
        let (begin, end) = (
            format!("-----BEGIN {label}-----"),
            format!("-----END {label}-----"),
        );
        let start = text.find(&begin)?;
        let length = text[start..].find(&end)? + end.len();
        Some(&text[start..start + length])
    })
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[async_trait]
impl TokenSource for ClientCertificate {
    async fn token(&self, audience: &Audience, claims: Option<&str>) -> Result<AccessToken> {
        let assertion = self.assertion()?;
        let grant = Grant {
            assertion: Some(&assertion),
            claims,
            ..Grant::default()
        };
        Ok(self.endpoint.token(grant, audience).await?.0)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("client_id", &self.endpoint.client_id)
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::{Fake, FakeClock, answer};

    fn new(pem: &str) -> Result<ClientCertificate> {
        let fake = Fake::new(|_, _| Ok(answer(500, &[], "")));
        ClientCertificate::new(
            &Cloud::public(),
            "contoso.com",
            "app",
            &pem.into(),
            fake,
            FakeClock::new(),
        )
    }

    #[test]
    fn a_text_without_certificate_or_key_is_refused_in_words() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
        let key = |label: &str| format!("-----BEGIN {label}-----\nc2VjcmV0LWtleQ==\n-----END {label}-----\n");
        for (pem, says) in [
            (String::new(), "no certificate"),
            (key("PRIVATE KEY"), "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAQID".to_owned(), "no certificate"),
            (certificate.replace("AQID", "%%%"), "cannot be read"),
            (certificate.to_owned(), "no private key"),
            (
                format!("{certificate}{}", key("ENCRYPTED PRIVATE KEY")),
                "is encrypted",
            ),
            (format!("{}{certificate}", key("PRIVATE KEY")), "no RSA key"),
        ] {
            let error = new(&pem).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
        }
    }
}
