//! [`TokenValidator`]: whether a bearer token that came with a request is an access token of this tenant for this API.
//!
//! For APIs behind Microsoft Entra ID. Source: Microsoft Learn, "Access tokens in the Microsoft identity platform"
//! (validate tokens), "Access token claims reference", "Secure applications and APIs by validating claims", "Signing key
//! rollover in the Microsoft identity platform"; RFC 7515, 7517, 7519 and 8725.
//!
//! What a refused token had wrong stands in [`Error::reason`](crate::Error::reason) of an error of kind
//! [`ErrorKind::Unauthenticated`]. No error, log or `Debug` holds any part of a token.
//!
//! | reason | the token |
//! |---|---|
//! | `malformed` | is no signed JWT, or a claim is of another type than documented |
//! | `too_long` | is longer than 32 KiB |
//! | `algorithm` | is not signed with RS256, whatever its header would like |
//! | `unknown_key` | names no key of the tenant |
//! | `signature` | was not signed by the key that it names |
//! | `wrong_version` | is neither of version 1.0 nor 2.0 |
//! | `wrong_issuer` | was not issued by the tenant's authority |
//! | `wrong_tenant` | is of another tenant |
//! | `wrong_audience` | is meant for another API |
//! | `expired`, `not_yet_valid` | is out of its time |
//! | `missing_claim` | lacks the claim that [`Error::property`](crate::Error::property) names; `azp` where it is an ID token |
//! | `guest` | is a guest's, and guests are not let in |
//!
//! Keys that cannot be fetched are an error of kind [`ErrorKind::Unavailable`] or [`ErrorKind::Protocol`]: nobody knows
//! whether the token is good, and nobody is let in.

mod claims;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind as Flaw;
use jsonwebtoken::{Algorithm, Validation};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::SharedClock;
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Transport;

pub use claims::Claims;
use keys::{Freshness, SigningKeys};

/// The longest token that is looked at, in bytes. Entra keeps tokens below what web servers take as a header.
const LONGEST: usize = 32 << 10;

/// Checks bearer tokens. Cheap to clone; clones share the signing keys.
///
/// The keys come from the tenant's OpenID Connect discovery document and are fetched when the first token comes, or by
/// [`ready`](Self::ready). They are fetched anew every 24 hours, and when a token names a key that is not among them:
/// at most once in five minutes, however many such tokens come. While that fails, the old keys are good for another day.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use iam_core::Cloud;
/// use iam_core::auth::TokenValidator;
/// use iam_core::clock::SystemClock;
/// use iam_core::http::HttpTransport;
///
/// # async fn check(bearer: &str) -> iam_core::Result<()> {
/// let tenant = "2f5b1c3e-0000-4000-8000-000000000001";
/// let api = "6a1d0c52-0000-4000-8000-000000000002"; // its client id; the same as `api://6a1d…`
/// let validator = TokenValidator::builder(&Cloud::public(), tenant)
///     .audience(api)
///     .build(Arc::new(HttpTransport::new()?), Arc::new(SystemClock))?;
///
/// let caller = validator.validate(bearer).await?;
/// assert!(caller.has_role("IAM.Auditor"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenValidator {
    rules: Arc<Rules>,
    keys: SigningKeys,
    clock: SharedClock,
}

struct Rules {
    tenant: String,
    audiences: Vec<String>,
    /// The issuer of tokens of version 1.0; that of version 2.0 stands in the discovery document.
    first_issuer: String,
    leeway: i64,
    guests: bool,
}

impl TokenValidator {
    /// Starts a validator for tokens of that tenant, given by its id. An [`audience`](TokenValidatorBuilder::audience)
    /// must be named.
    pub fn builder(cloud: &Cloud, tenant: &str) -> TokenValidatorBuilder {
        TokenValidatorBuilder {
            authority: cloud.authority().to_owned(),
            tenant: tenant.trim().to_ascii_lowercase(),
            audiences: Vec::new(),
            leeway: Duration::from_mins(1),
            guests: false,
            freshness: Freshness::default(),
        }
    }

    /// Who calls, as the token says, once everything about it has been found in order.
    ///
    /// Which roles or scopes a route asks for is the caller's to decide.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`], with a reason of the table [above](self); [`ErrorKind::Unavailable`] or
    /// [`ErrorKind::Protocol`] when the signing keys cannot be had.
    pub async fn validate(&self, token: &str) -> Result<Claims> {
        let kid = key_id(token)?;
        let Some(key) = self.keys.find(&kid).await? else {
            return Err(refuse(
                "unknown_key",
                "the token names no signing key of the tenant",
            ));
        };
        let mut only = Validation::new(Algorithm::RS256);
        // Times are read from our own clock, and the rest is checked below: with one reason each.
        (only.validate_exp, only.validate_aud) = (false, false);
        only.required_spec_claims.clear();
        let token = jsonwebtoken::decode::<Map<String, Value>>(token, &key.public, &only);
        let token = token.map_err(|flaw| match flaw.kind() {
            Flaw::InvalidSignature | Flaw::InvalidRsaKey(_) => {
                refuse("signature", "the token's signature is not good")
            }
            _ => malformed("the token cannot be read"),
        })?;
        let claims = Claims::read(token.claims)?;
        self.rules.check(&claims, &key.issuer, self.clock.now())?;
        Ok(claims)
    }

    /// Fetches the signing keys where there are none yet: for a readiness probe, and so that the first caller does not
    /// wait.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Protocol`] when they cannot be had.
    pub async fn ready(&self) -> Result<()> {
        self.keys.ready().await
    }
}

impl fmt::Debug for TokenValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenValidator")
            .field("tenant", &self.rules.tenant)
            .field("audiences", &self.rules.audiences)
            .field("guests", &self.rules.guests)
            .finish_non_exhaustive()
    }
}

impl Rules {
    fn check(&self, claims: &Claims, issuer: &str, now: Timestamp) -> Result<()> {
        let issuer = match claims.text("ver")? {
            "1.0" => self.first_issuer.as_str(),
            "2.0" => issuer,
            _ => {
                return Err(refuse(
                    "wrong_version",
                    "the token is neither of version 1.0 nor 2.0",
                ));
            }
        };
        if claims.text("iss")? != issuer {
            let message = "the token was not issued by the tenant's authority";
            return Err(refuse("wrong_issuer", message));
        }
        if !claims.tid.eq_ignore_ascii_case(&self.tenant) {
            return Err(refuse("wrong_tenant", "the token is of another tenant"));
        }
        if !self.audiences.contains(&claims.audience) {
            return Err(refuse("wrong_audience", "the token is meant for another API"));
        }
        let now = now.as_second();
        if claims.second("exp")?.saturating_add(self.leeway) <= now {
            return Err(refuse("expired", "the token has expired"));
        }
        for start in ["nbf", "iat"] {
            if claims.second(start)?.saturating_sub(self.leeway) > now {
                return Err(refuse("not_yet_valid", "the token is not valid yet"));
            }
        }
        if !self.guests && claims.is_guest() {
            return Err(refuse("guest", "guests are not let in"));
        }
        Ok(())
    }
}

/// Settings of a [`TokenValidator`].
#[derive(Debug, Clone)]
#[must_use = "`build` makes the validator"]
pub struct TokenValidatorBuilder {
    authority: String,
    tenant: String,
    audiences: Vec<String>,
    leeway: Duration,
    guests: bool,
    freshness: Freshness,
}

impl TokenValidatorBuilder {
    /// Takes tokens for that audience: the API's client id or one of its application ID URIs. May be called again.
    ///
    /// A client id stands for `api://{client id}` too, and the other way round: which of them is in a token depends
    /// on the version of tokens that the API's registration asks for.
    pub fn audience(mut self, audience: &str) -> Self {
        let audience = audience.trim().to_owned();
        let id = audience.strip_prefix("api://").unwrap_or(&audience);
        if Uuid::try_parse(id).is_ok() {
            let id = id.to_ascii_lowercase();
            self.audiences.extend([format!("api://{id}"), id]);
        } else {
            self.audiences.push(audience);
        }
        self
    }

    /// How far the clocks of the issuer and of this machine may differ (60 s, at most 5 min): a token is taken so
    /// long after its end, and so long before its start.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Duration::from_mins(5));
        self
    }

    /// Whether guests are let in (no). A guest is told by the optional claim `acct`, which the API's registration should
    /// ask for, and where it is missing by an identity provider other than the tenant.
    pub fn guests(mut self, yes: bool) -> Self {
        self.guests = yes;
        self
    }

    /// How long after one attempt to fetch the keys an unknown key may cause the next (5 min).
    pub fn key_floor(mut self, floor: Duration) -> Self {
        self.freshness.floor = floor;
        self
    }

    /// After how long the keys are fetched anew (24 h), and how long they are good while that fails (48 h in all).
    pub fn key_age(mut self, refresh: Duration, keep: Duration) -> Self {
        (self.freshness.refresh, self.freshness.keep) = (refresh, keep.max(refresh));
        self
    }

    /// The validator. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the tenant is not given by its id, or no audience or an empty one is named.
    pub fn build(self, transport: Arc<dyn Transport>, clock: SharedClock) -> Result<TokenValidator> {
        let wrong = |text: String| Error::new(ErrorKind::Invalid, text);
        // A domain or `common` would leave open whose tokens are meant.
        if self.tenant.len() != 36 || Uuid::try_parse(&self.tenant).is_err() {
            return Err(wrong(format!(
                "{:?} is not the id of a tenant: expected a GUID",
                self.tenant
            )));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            let message =
                "no audience to check tokens for: give the API's client id or its application ID URI";
            return Err(wrong(message.to_owned()));
        }
        let sts = if self.authority.ends_with(".partner.microsoftonline.cn") {
            "https://sts.chinacloudapi.cn"
        } else {
            "https://sts.windows.net"
        };
        let keys = SigningKeys::new(
            &self.authority,
            &self.tenant,
            self.freshness,
            transport,
            clock.clone(),
        );
        Ok(TokenValidator {
            rules: Arc::new(Rules {
                first_issuer: format!("{sts}/{}/", self.tenant),
                tenant: self.tenant,
                audiences: self.audiences,
                leeway: i64::try_from(self.leeway.as_secs()).unwrap_or_default(),
                guests: self.guests,
            }),
            keys,
            clock,
        })
    }
}

/// The key that the token's header names. Nothing else in a header is believed: no key in it, no address of one.
fn key_id(token: &str) -> Result<String> {
    if token.len() > LONGEST {
        return Err(refuse("too_long", "the token is longer than 32 KiB"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|flaw| match flaw.kind() {
        // An algorithm that the library does not know, `none` among them, does not parse.
        Flaw::Json(problem) if problem.is_data() && problem.to_string().contains("variant") => algorithm(),
        _ => malformed("the token is not a signed JWT"),
    })?;
    if header.alg != Algorithm::RS256 {
        return Err(algorithm());
    }
    let plain = header.typ.as_deref().is_none_or(|typ| {
        ["jwt", "at+jwt"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    });
    if !plain || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(malformed("the token's header asks for what is not understood"));
    }
    header
        .kid
        .filter(|kid| !kid.is_empty())
        .ok_or_else(|| refuse("unknown_key", "the token names no signing key"))
}

fn algorithm() -> Error {
    refuse("algorithm", "the token is not signed with RS256")
}

fn malformed(message: &'static str) -> Error {
    refuse("malformed", message)
}

fn refuse(reason: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
        .with_operation("validate token")
        .with_reason(reason)
}
