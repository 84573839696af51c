//! What an application learns about a user ("ID token claims reference", "Microsoft identity platform UserInfo endpoint").

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::authorize::Asked;
use crate::app_roles;
use crate::directory::Object;
use crate::state::State;

/// `sub`: the user as one application knows it, and no other does.
pub(crate) fn pairwise(user: &str, app: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{user} {app}").as_bytes()).as_ref())
}

/// The claims of an ID token of version 2.0.
pub(super) fn claims(state: &State, asked: &Asked, user: &Object, session: &str, now: Timestamp) -> Value {
    let tenant = &state.directory.tenant.id;
    let scopes = &asked.scopes;
    let iat = now.as_second();
    let mut claims = json!({
        "aud": asked.app, "iss": format!("{}/{tenant}/v2.0", state.authority), "iat": iat, "nbf": iat,
        "exp": iat + state.tokens.lifetime, "sub": pairwise(&user.id, &asked.app), "tid": tenant, "sid": session,
        "uti": URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes()), "ver": "2.0",
    });
    if let Some(nonce) = &asked.nonce {
        claims["nonce"] = nonce.as_str().into();
    }
    if scopes.profile {
        claims["name"] = user.text("displayName").into();
        claims["oid"] = user.id.as_str().into();
        claims["preferred_username"] = user.text("userPrincipalName").into();
    }
    if scopes.email
        && let Some(mail) = user.text("mail")
    {
        claims["email"] = mail.into();
    }
    let roles = app_roles::held(&state.directory, &user.id, &asked.app);
    if !roles.is_empty() {
        claims["roles"] = roles.into();
    }
    if user.text("userType") == Some("Guest") {
        claims["idp"] = "mail".into();
    }
    claims
}

/// `/oidc/userinfo`.
pub(crate) fn user_info(user: &Object, sub: &Value, scopes: &str) -> Value {
    let has = |scope: &str| scopes.split_whitespace().any(|held| held == scope);
    let mut info = json!({ "sub": sub });
    if has("profile") {
        for (claim, property) in [
            ("name", "displayName"),
            ("family_name", "surname"),
            ("given_name", "givenName"),
        ] {
            if let Some(value) = user.text(property) {
                info[claim] = value.into();
            }
        }
    }
    if has("email")
        && let Some(mail) = user.text("mail")
    {
        info["email"] = mail.into();
    }
    info
}
