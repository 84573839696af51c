//! Codes and refresh tokens become tokens. A code is good once, for ten minutes, for the client, the redirect URI and the
//! verifier that it was made for.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::application::Platform;
use super::authorize::{Asked, Challenge};
use super::scopes::Scopes;
use super::{Account, CODE_LIFE, Grant, REFRESH_LIFE, REFRESH_LIFE_SPA, id_token};
use crate::app_roles;
use crate::oauth::{Proof, Refusal, Signer, refuse};
use crate::state::State;
use crate::tokens::{GRAPH, Subject};

/// A request of the token endpoint.
pub(crate) struct Request<'a> {
    pub(crate) form: &'a HashMap<String, String>,
    pub(crate) proof: Proof<'a>,
    /// The page that the request comes from is elsewhere.
    pub(crate) cross_origin: bool,
}

impl Request<'_> {
    fn field(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name).ok_or_else(|| {
            let message = format!("The request body must contain the following parameter: '{name}'.");
            refuse(400, "invalid_request", 900_144, message)
        })
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.form
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

fn invalid_grant(number: u32, message: impl Into<String>) -> Refusal {
    refuse(400, "invalid_grant", number, message)
}

/// `grant_type` `authorization_code` or `refresh_token`.
pub(crate) fn redeem(state: &mut State, signer: &Signer, request: &Request<'_>) -> Result<Value, Refusal> {
    let (asked, account) = if request
        .form
        .get("grant_type")
        .is_some_and(|grant| grant == "refresh_token")
    {
        refreshed(state, signer, request)?
    } else {
        coded(state, signer, request)?
    };
    let scope = request.optional("scope");
    let scope = scope.map(|scope| Scopes::read(&state.directory, &asked.app, scope));
    let now = Asked {
        scopes: asked.scopes.narrowed(scope.transpose()?)?,
        ..asked.clone()
    };
    let mut answer = issue(state, &now, &account)?;
    if now.scopes.offline {
        let token = format!("1.{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        answer["refresh_token"] = token.as_str().into();
        let life = if asked.platform == Platform::Spa {
            answer["refresh_token_expires_in"] = REFRESH_LIFE_SPA.as_secs().into();
            REFRESH_LIFE_SPA
        } else {
            REFRESH_LIFE
        };
        let ends = state
            .clock
            .now()
            .checked_add(life)
            .unwrap_or(jiff::Timestamp::MAX);
        let grant = Grant { asked, account, ends };
        state.sign_ins.refresh.insert(token, grant);
    }
    if request.optional("client_info") == Some("1") {
        let info = json!({ "uid": answer["_user"], "utid": state.directory.tenant.id });
        answer["client_info"] = URL_SAFE_NO_PAD.encode(info.to_string()).into();
    }
    if let Some(map) = answer.as_object_mut() {
        map.shift_remove("_user");
    }
    Ok(answer)
}

/// Whether the application proves who it is, as its platform asks.
fn authenticate(
    state: &State,
    signer: &Signer,
    request: &Request<'_>,
    platform: Platform,
) -> Result<(), Refusal> {
    match platform {
        Platform::Spa if !request.cross_origin => {
            let message = "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via \
                           cross-origin requests.";
            Err(refuse(400, "invalid_request", 9_002_327, message))
        }
        Platform::Web | Platform::Public if request.cross_origin => {
            let message = "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type.";
            Err(refuse(400, "invalid_request", 9_002_326, message))
        }
        Platform::Web => signer.check(state, &request.proof),
        Platform::Spa | Platform::Public if request.proof.is_there() => {
            let message =
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";
            Err(refuse(401, "invalid_client", 700_025, message))
        }
        Platform::Spa | Platform::Public => Ok(()),
    }
}

fn coded(state: &mut State, signer: &Signer, request: &Request<'_>) -> Result<(Asked, Account), Refusal> {
    let text = request.field("code")?;
    let now = state.clock.now();
    let unknown = || invalid_grant(70000, "The provided value for the 'code' parameter is not valid.");
    let code = state.sign_ins.codes.get(text).cloned().ok_or_else(unknown)?;
    if !code.asked.app.eq_ignore_ascii_case(&signer.app) {
        return Err(unknown());
    }
    authenticate(state, signer, request, code.asked.platform)?;
    if code.redeemed {
        let message = "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
                       refresh token.";
        return Err(invalid_grant(54005, message));
    }
    if now.duration_since(code.made) >= CODE_LIFE {
        let message = "The provided authorization code or refresh token has expired due to inactivity. Send a new \
                       interactive authorization request for this user and resource.";
        return Err(invalid_grant(70008, message));
    }
    let redirect = request.field("redirect_uri")?;
    if redirect != code.asked.redirect {
        let message = format!(
            "The reply address '{redirect}' does not match the reply address '{}' provided when requesting Authorization \
             code.",
            code.asked.redirect
        );
        return Err(refuse(400, "invalid_client", 500_112, message));
    }
    verify(code.asked.challenge.as_ref(), request.optional("code_verifier"))?;
    alive(state, &code.account)?;
    if let Some(kept) = state.sign_ins.codes.get_mut(text) {
        kept.redeemed = true;
    }
    Ok((code.asked, code.account))
}

/// RFC 7636, 4.6.
fn verify(challenge: Option<&Challenge>, verifier: Option<&str>) -> Result<(), Refusal> {
    let fits = match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) if challenge.hashed => {
            URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref()) == challenge.text
        }
        (Some(challenge), Some(verifier)) => verifier == challenge.text,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let message =
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    Err(invalid_grant(501_481, message))
}

fn refreshed(state: &State, signer: &Signer, request: &Request<'_>) -> Result<(Asked, Account), Refusal> {
    let text = request.field("refresh_token")?;
    let grant = state.sign_ins.refresh.get(text);
    let grant = grant.filter(|grant| grant.asked.app.eq_ignore_ascii_case(&signer.app));
    let grant =
        grant.ok_or_else(|| invalid_grant(9_002_313, "Invalid request. Request is malformed or invalid."))?;
    authenticate(state, signer, request, grant.asked.platform)?;
    if grant.ends <= state.clock.now() {
        let message = "The refresh token has expired due to inactivity.";
        return Err(invalid_grant(700_082, message));
    }
    alive(state, &grant.account)?;
    Ok((grant.asked.clone(), grant.account.clone()))
}

/// Whether the sign-in still counts.
fn alive(state: &State, account: &Account) -> Result<(), Refusal> {
    if account.user(&state.directory).is_some() {
        return Ok(());
    }
    Err(match state.directory.user(&account.user) {
        None => invalid_grant(50034, "The user account does not exist in the directory."),
        Some(user) if !user.truth("accountEnabled") => invalid_grant(50057, "The user account is disabled."),
        Some(user) if user.password_version != account.password => invalid_grant(
            50133,
            "Session is invalid due to expiration or recent password change.",
        ),
        Some(_) => invalid_grant(
            50173,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have \
             changed or reset their password.",
        ),
    })
}

fn issue(state: &mut State, asked: &Asked, account: &Account) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let user = state.directory.user(&account.user);
    let user = user.cloned().ok_or_else(|| Refusal::unavailable(500))?;
    let api = asked.scopes.api();
    let scopes = asked.scopes.claim();
    let subject = Subject {
        tenant: &state.directory.tenant.id,
        app: &asked.app,
        object: &user.id,
        user: Some(&user),
        audience: api.map_or(GRAPH, |api| api.audience.as_str()),
        first_version: api.is_none_or(|api| api.first_version),
        scopes: &scopes,
        roles: api.map_or_else(Vec::new, |api| {
            app_roles::held(&state.directory, &user.id, &api.app)
        }),
    };
    let claims = state.tokens.claims(&subject, &state.authority, now);
    let token = state
        .keys
        .sign(&claims)
        .ok_or_else(|| Refusal::unavailable(500))?;
    let lifetime = state.tokens.lifetime;
    let mut answer = json!({
        "token_type": "Bearer", "scope": asked.scopes.granted(), "expires_in": lifetime, "ext_expires_in": lifetime,
        "access_token": token, "_user": user.id,
    });
    if asked.scopes.openid {
        let session = Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("{}{}", user.id, account.since).as_bytes(),
        );
        let claims = id_token::claims(state, asked, &user, &session.to_string(), now);
        let token = state
            .keys
            .sign(&claims)
            .ok_or_else(|| Refusal::unavailable(500))?;
        answer["id_token"] = token.into();
    }
    Ok(answer)
}
