//! Proof that a delivery with resource data comes from Graph: its `validationTokens`.

use std::sync::Arc;

use iam_core::cloud::Cloud;
use iam_core::http::{Method, Pipeline, Request, Transport};
use iam_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Notifications;

/// The application id of Graph's publisher of change notifications.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 300;
const OPERATION: &str = "prove notifications";

/// The keys that the identity platform signs with, as they were when they were read. They change: read them again daily
/// and when a token names one that is not known.
#[derive(Clone)]
pub struct SigningKeys {
    authority: String,
    keys: Vec<(String, DecodingKey)>,
}

/// That Graph sent a delivery, and for which tenants. Only [`SigningKeys::prove`] makes one.
#[derive(Debug)]
pub struct Proof {
    tenants: Vec<String>,
}

impl Proof {
    pub(super) fn covers(&self, tenant: &str) -> bool {
        self.tenants
            .iter()
            .any(|known| known.eq_ignore_ascii_case(tenant))
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    tid: String,
    exp: i64,
    #[serde(default)]
    nbf: i64,
    appid: Option<String>,
    azp: Option<String>,
}

impl SigningKeys {
    /// Reads the keys of a tenant's authority, without a token.
    ///
    /// # Errors
    /// As the transport's; [`ErrorKind::Protocol`] when there is no RSA key in the answer.
    pub async fn fetch(cloud: &Cloud, tenant: &str, transport: Arc<dyn Transport>) -> Result<Self> {
        let authority = cloud.authority().trim_end_matches('/');
        let tenant = utf8_percent_encode(tenant, NON_ALPHANUMERIC);
        let url = format!("{authority}/{tenant}/discovery/v2.0/keys");
        let pipeline = Pipeline::builder(transport).build();
        let answer = pipeline
            .send(Request::new(Method::Get, url, "read signing keys"))
            .await?;
        if !answer.is_success() {
            return Err(crate::error::of(&answer, "read signing keys"));
        }
        Self::read(cloud, &answer.body)
    }

    /// Takes the keys from a JSON Web Key Set.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] when there is no RSA key in it.
    pub fn read(cloud: &Cloud, jwks: &[u8]) -> Result<Self> {
        let none = || {
            Error::new(ErrorKind::Protocol, "the key set holds no RSA key")
                .with_operation("read signing keys")
        };
        let jwks: Jwks = serde_json::from_slice(jwks).map_err(|_| none())?;
        let keys = jwks.keys.into_iter().filter_map(|key| {
            let rsa = key.kty.as_deref().is_none_or(|kind| kind == "RSA");
            let decoding = DecodingKey::from_rsa_components(key.n.as_deref()?, key.e.as_deref()?).ok()?;
            rsa.then_some((key.kid?, decoding))
        });
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Err(none());
        }
        Ok(Self {
            authority: cloud.authority().trim_end_matches('/').to_owned(),
            keys,
        })
    }

    /// Checks every token of a delivery: signed by the identity platform, for one of your applications, by Graph's
    /// publisher, in force. One that fails makes the whole delivery suspicious.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], saying what is wrong; also when the delivery has no token. [`ErrorKind::NotFound`] when a
    /// key is not known: read the keys again and try once more.
    pub fn prove(&self, notifications: &Notifications, apps: &[&str], now: Timestamp) -> Result<Proof> {
        if notifications.validation_tokens.is_empty() {
            return Err(denied("the delivery has no validation token"));
        }
        let tenants = notifications
            .validation_tokens
            .iter()
            .map(|token| self.check(token, apps, now));
        Ok(Proof {
            tenants: tenants.collect::<Result<_>>()?,
        })
    }

    /// The tenant that a token speaks for.
    fn check(&self, token: &str, apps: &[&str], now: Timestamp) -> Result<String> {
        let header = decode_header(token).map_err(|_| denied("a validation token is no signed token"))?;
        if header.alg != Algorithm::RS256 {
            return Err(denied("a validation token is not signed with RS256"));
        }
        let named = self
            .keys
            .iter()
            .find(|(kid, _)| header.kid.as_deref() == Some(kid));
        let (_, key) = named.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "the signing key of a validation token is not known",
            )
            .with_operation(OPERATION)
        })?;
        let mut rules = Validation::new(Algorithm::RS256);
        // Times are checked below, against the clock that is passed in.
        (rules.validate_exp, rules.validate_nbf) = (false, false);
        rules.required_spec_claims.clear();
        rules.required_spec_claims.insert("aud".to_owned());
        rules.set_audience(apps);
        let claims = decode::<Claims>(token, key, &rules)
            .map_err(|_| {
                denied("a validation token is not the identity platform's, or not for this application")
            })?
            .claims;
        let now = now.as_second();
        if claims.exp.saturating_add(LEEWAY) <= now || claims.nbf.saturating_sub(LEEWAY) > now {
            return Err(denied("a validation token is not in force"));
        }
        let publisher = claims.appid.as_deref().or(claims.azp.as_deref());
        if publisher != Some(PUBLISHER) {
            return Err(denied("a validation token is not Graph's"));
        }
        let tenant = &claims.tid;
        let issuers = [
            format!("https://sts.windows.net/{tenant}/"),
            format!("https://sts.chinacloudapi.cn/{tenant}/"),
            format!("{}/{tenant}/v2.0", self.authority),
        ];
        if tenant.is_empty() || !issuers.contains(&claims.iss) {
            return Err(denied("a validation token has another issuer"));
        }
        Ok(claims.tid)
    }
}

fn denied(what: &'static str) -> Error {
    Error::new(ErrorKind::Denied, what).with_operation(OPERATION)
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&String> = self.keys.iter().map(|(id, _)| id).collect();
        f.debug_struct("SigningKeys")
            .field("keys", &ids)
            .finish_non_exhaustive()
    }
}
