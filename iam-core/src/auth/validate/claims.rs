//! [`Claims`]: what a token says about its bearer, read after the signature was found good.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{malformed, refuse};
use crate::error::Result;

/// The claims of a token that is in order. `Debug` shows ids, roles and scopes, and no names.
///
/// Source: Microsoft Learn, "Access token claims reference".
#[derive(Clone)]
#[non_exhaustive]
pub struct Claims {
    /// `oid`: object id of the user or the service principal. With [`tid`](Self::tid) it names the caller for good;
    /// names and addresses do not.
    pub oid: String,
    /// `sub`: the caller as this API knows it.
    pub sub: String,
    /// `tid`: the tenant.
    pub tid: String,
    /// `azp`, or `appid` in version 1.0: client id of the application that called.
    pub client_id: String,
    /// `aud`: the API that the token is for, as the token names it.
    pub audience: String,
    /// `roles`: values of the API's app roles that the caller holds. Empty where it holds none.
    pub roles: Vec<String>,
    /// `scp`: scopes that the calling application has on behalf of the user. Empty for an application.
    pub scopes: Vec<String>,
    /// `exp`: the end, without leeway.
    pub expires_at: Timestamp,
    raw: Map<String, Value>,
}

impl Claims {
    pub(super) fn read(raw: Map<String, Value>) -> Result<Self> {
        let azp = if raw.contains_key("appid") { "appid" } else { "azp" };
        let exp = Timestamp::from_second(second(&raw, "exp")?);
        Ok(Self {
            oid: text(&raw, "oid")?.to_owned(),
            sub: text(&raw, "sub")?.to_owned(),
            tid: text(&raw, "tid")?.to_owned(),
            client_id: text(&raw, azp)?.to_owned(),
            audience: text(&raw, "aud")?.to_owned(),
            roles: roles(&raw)?,
            scopes: match raw.get("scp") {
                None => Vec::new(),
                Some(Value::String(scopes)) => scopes.split_whitespace().map(str::to_owned).collect(),
                Some(_) => {
                    return Err(malformed("a claim of the token is of another type").with_property("scp"));
                }
            },
            expires_at: exp.map_err(|_| malformed("the token's end is no time").with_property("exp"))?,
            raw,
        })
    }

    /// Whether an application calls by itself, and no user: `idtyp` is `app`, or there is no scope of a user.
    pub fn is_app(&self) -> bool {
        match self.raw.get("idtyp").and_then(Value::as_str) {
            Some(kind) => kind.eq_ignore_ascii_case("app"),
            None => !self.raw.contains_key("scp"),
        }
    }

    /// Whether the caller is a guest of the tenant: `acct` is 1, or where there is no such claim, another identity
    /// provider than the tenant has vouched for the user (`idp`).
    pub fn is_guest(&self) -> bool {
        match self.raw.get("acct") {
            Some(Value::Number(account)) => account.as_i64() != Some(0),
            Some(Value::String(account)) => account != "0",
            Some(_) => true,
            None => match self.raw.get("idp") {
                None => false,
                // The tenant itself is named by an issuer of either version.
                Some(Value::String(provider)) => !provider.split('/').any(|part| part == self.tid),
                Some(_) => true,
            },
        }
    }

    /// Whether the caller holds that app role. Case counts.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Whether the calling application has that scope. Case counts.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }

    /// `name`: what to call a user. Personal, changeable, and no key.
    pub fn name(&self) -> Option<&str> {
        self.raw.get("name").and_then(Value::as_str)
    }

    /// `preferred_username`, or `upn` in version 1.0: what a user signs in with. Personal, changeable, and no key.
    pub fn username(&self) -> Option<&str> {
        let names = ["preferred_username", "upn"];
        names
            .iter()
            .find_map(|name| self.raw.get(*name).and_then(Value::as_str))
    }

    /// Every claim, as it stands in the token. Some are personal.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&str> {
        text(&self.raw, name)
    }

    pub(super) fn second(&self, name: &'static str) -> Result<i64> {
        second(&self.raw, name)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("oid", &self.oid)
            .field("tid", &self.tid)
            .field("client_id", &self.client_id)
            .field("roles", &self.roles)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn claim<'a>(raw: &'a Map<String, Value>, name: &'static str) -> Result<&'a Value> {
    raw.get(name).filter(|value| !value.is_null()).ok_or_else(|| {
        refuse("missing_claim", "the token lacks a claim of access tokens").with_property(name)
    })
}

fn text<'a>(raw: &'a Map<String, Value>, name: &'static str) -> Result<&'a str> {
    let text = claim(raw, name)?.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| malformed("a claim of the token is of another type").with_property(name))
}

fn second(raw: &Map<String, Value>, name: &'static str) -> Result<i64> {
    let number = claim(raw, name)?.as_i64();
    number.ok_or_else(|| malformed("a claim of the token is of another type").with_property(name))
}

fn roles(raw: &Map<String, Value>) -> Result<Vec<String>> {
    let wrong = || malformed("a claim of the token is of another type").with_property("roles");
    match raw.get("roles") {
        None => Ok(Vec::new()),
        Some(Value::Array(roles)) => roles
            .iter()
            .map(|role| role.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(_) => Err(wrong()),
    }
}
