//! Access tokens: made, checked, revoked.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::Object;
use crate::sign_in::pairwise;

/// The audience of Microsoft Graph.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// The audiences of Azure Resource Manager.
pub(crate) const ARM: [&str; 4] = [
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
];

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Missing,
    Signature,
    Audience,
    Tenant,
    Expired,
    Early,
    Revoked,
}

impl Flaw {
    /// In the words of Microsoft Graph.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Missing => "Access token is empty.",
            Self::Signature => "Access token validation failure. Invalid signature.",
            Self::Audience => "Access token validation failure. Invalid audience.",
            Self::Tenant => "Access token validation failure. Invalid tenant.",
            Self::Expired => "Lifetime validation failed, the token is expired.",
            Self::Early => "Lifetime validation failed, the token is not valid yet.",
            Self::Revoked => "Access token has been revoked.",
        }
    }
}

/// What the tenant knows about its tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// Tells this sandbox's tokens from another's that is signed with the same key.
    nonce: u64,
    serial: u64,
    /// Tokens up to this serial are revoked.
    revoked: u64,
    /// The last tokens whose signature was found good, with their claims: a client sends the same one again
    /// and again, and a signature takes longer to check than the rest of a request.
    verified: VecDeque<(String, Arc<Value>)>,
    /// Seconds that a token lives; 3599 as Entra has it.
    pub(crate) lifetime: i64,
}

/// Who a token is for.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) app: &'a str,
    /// Object id of the service principal or the user.
    pub(crate) object: &'a str,
    /// A signed-in user; none for an app alone.
    pub(crate) user: Option<&'a Object>,
    pub(crate) audience: &'a str,
    /// The API takes tokens of version 1.0, as Microsoft's own do.
    pub(crate) first_version: bool,
    /// `scp` of a user's token.
    pub(crate) scopes: &'a str,
    pub(crate) roles: Vec<String>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let (nonce, _) = Uuid::new_v4().as_u64_pair();
        Self {
            nonce,
            serial: 0,
            revoked: 0,
            verified: VecDeque::new(),
            lifetime: 3599,
        }
    }

    /// The claims of a new token ("Access token claims reference").
    pub(crate) fn claims(&mut self, subject: &Subject<'_>, authority: &str, now: Timestamp) -> Value {
        self.serial += 1;
        let mut id = self.nonce.to_be_bytes().to_vec();
        id.extend(self.serial.to_be_bytes());
        let (iat, exp) = (now.as_second(), now.as_second() + self.lifetime);
        let mut claims = json!({
            "aud": subject.audience, "iat": iat, "nbf": iat, "exp": exp, "oid": subject.object,
            "sub": subject.object, "tid": subject.tenant, "uti": URL_SAFE_NO_PAD.encode(id),
            "idtyp": if subject.user.is_some() { "user" } else { "app" }, "roles": subject.roles,
        });
        let more = if subject.first_version {
            json!({
                "iss": format!("https://sts.windows.net/{}/", subject.tenant), "ver": "1.0",
                "appid": subject.app, "appidacr": "1",
            })
        } else {
            json!({
                "iss": format!("{authority}/{}/v2.0", subject.tenant), "ver": "2.0",
                "azp": subject.app, "azpacr": "1",
            })
        };
        if let (Some(map), Value::Object(more)) = (claims.as_object_mut(), more) {
            map.extend(more);
            if let Some(user) = subject.user {
                let claim = if subject.first_version {
                    "upn"
                } else {
                    "preferred_username"
                };
                map.insert(claim.to_owned(), user.text("userPrincipalName").into());
                map.insert("name".to_owned(), user.text("displayName").into());
                map.insert("scp".to_owned(), subject.scopes.into());
                map.insert("sub".to_owned(), pairwise(&user.id, subject.audience).into());
                if user.text("userType") == Some("Guest") {
                    map.insert("idp".to_owned(), "mail".into());
                }
            }
        }
        claims
    }

    /// The claims by which a notification with resource data proves that it comes from Microsoft Graph: version 1.0,
    /// for the subscriber's application.
    pub(crate) fn proof(&mut self, subject: &Subject<'_>, now: Timestamp) -> Value {
        let mut claims = self.claims(subject, "", now);
        if let Some(map) = claims.as_object_mut() {
            map.remove("azp");
            map.remove("azpacr");
        }
        let issuer = format!("https://sts.windows.net/{}/", subject.tenant);
        for (name, value) in [
            ("iss", issuer.as_str()),
            ("idp", issuer.as_str()),
            ("ver", "1.0"),
            ("appid", subject.app),
            ("appidacr", "2"),
        ] {
            claims[name] = value.into();
        }
        claims
    }

    /// Checks the claims of a token whose signature is good.
    pub(crate) fn check(
        &self,
        claims: &Value,
        audiences: &[&str],
        tenant: &str,
        now: Timestamp,
    ) -> Result<(), Flaw> {
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let is = |name: &str, expect: &str| claims.get(name).and_then(Value::as_str) == Some(expect);
        if !audiences.iter().any(|known| is("aud", known)) {
            return Err(Flaw::Audience);
        }
        if !is("tid", tenant) {
            return Err(Flaw::Tenant);
        }
        if number("exp").is_none_or(|exp| exp <= now.as_second()) {
            return Err(Flaw::Expired);
        }
        if number("nbf").is_none_or(|nbf| nbf > now.as_second() + 300) {
            return Err(Flaw::Early);
        }
        let id = claims
            .get("uti")
            .and_then(Value::as_str)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let id: Option<[u8; 16]> = id.and_then(|bytes| bytes.try_into().ok());
        let id = u128::from_be_bytes(id.ok_or(Flaw::Signature)?);
        if id >> 64 != u128::from(self.nonce) {
            return Err(Flaw::Signature);
        }
        if id & u128::from(u64::MAX) <= u128::from(self.revoked) {
            return Err(Flaw::Revoked);
        }
        Ok(())
    }

    /// The claims of a token whose signature was checked before.
    pub(crate) fn known(&self, token: &str) -> Option<Arc<Value>> {
        self.verified
            .iter()
            .find(|(known, _)| known == token)
            .map(|(_, claims)| Arc::clone(claims))
    }

    /// Remembers a token whose signature is good.
    pub(crate) fn remember(&mut self, token: &str, claims: &Arc<Value>) {
        if self.known(token).is_none() {
            self.verified.truncate(15);
            self.verified.push_front((token.to_owned(), Arc::clone(claims)));
        }
    }

    /// Makes every token issued so far invalid.
    pub(crate) fn revoke(&mut self) {
        self.revoked = self.serial;
    }
}
