//! `/authorize` and `/logout`: what an application asks a browser to bring, and where the browser goes back to.

use std::collections::HashMap;

use url::Url;

use super::application::{Platform, only_redirect, platform, registration};
use super::page::{self, Reply};
use super::scopes::Scopes;
use super::{Account, steps};
use crate::oauth::{Refusal, check_tenant, refuse};
use crate::service_principals;
use crate::state::State;

/// A request of `/authorize` that is in order.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) tenant: String,
    /// Client id.
    pub(crate) app: String,
    pub(crate) redirect: String,
    pub(crate) platform: Platform,
    pub(crate) scopes: Scopes,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) hint: Option<String>,
}

/// How the answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// RFC 7636.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    pub(crate) text: String,
    pub(crate) hashed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompt {
    Any,
    None,
    Login,
    SelectAccount,
}

type Fields = HashMap<String, String>;

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

pub(crate) fn fields(text: &[u8]) -> Fields {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// `/oauth2/v2.0/authorize`, by query or by form.
pub(crate) fn authorize(state: &mut State, tenant: &str, text: &[u8], browser: Option<&str>) -> Reply {
    let fields = fields(text);
    let now = state.clock.now();
    // While nobody knows where to go back to, the browser stays here.
    let mut asked = match begin(state, tenant, &fields) {
        Ok(asked) => asked,
        Err(refusal) => return page::failure(&refusal, &state.authority, now),
    };
    let prompt = match complete(state, &fields, &mut asked) {
        Ok(prompt) => prompt,
        Err(refusal) => return refused(state, &asked, &refusal),
    };
    let accounts = state.sign_ins.accounts(&state.directory, browser);
    let hinted = asked.hint.as_deref().map(str::to_lowercase);
    let named = |name: Option<&str>| hinted.as_deref() == name.map(str::to_lowercase).as_deref();
    let fitting: Vec<Account> = accounts
        .iter()
        .filter(|(_, user)| hinted.is_none() || named(user.text("userPrincipalName")))
        .map(|(account, _)| (*account).clone())
        .collect();
    match (prompt, fitting.as_slice()) {
        (Prompt::None, []) => {
            let message = "A silent sign-in request was sent but no user is signed in.";
            refused(state, &asked, &refuse(400, "login_required", 50058, message))
        }
        (Prompt::None, [_, _, ..]) => {
            let message =
                "Session information is not sufficient for single-sign-on: several users are signed in.";
            refused(
                state,
                &asked,
                &refuse(400, "interaction_required", 16000, message),
            )
        }
        (Prompt::None, [account]) if !steps::strong_enough(state, account) => {
            let message = "Due to a configuration change made by your administrator, or because you moved to a new \
                           location, you must use multi-factor authentication.";
            refused(
                state,
                &asked,
                &refuse(400, "interaction_required", 50076, message),
            )
        }
        (Prompt::Any | Prompt::None, [account]) => {
            let (account, flow) = (account.clone(), state.sign_ins.begin(asked, now));
            steps::resume(state, &flow, account, browser)
        }
        _ => {
            let listed: Vec<String> = match prompt {
                Prompt::Login => Vec::new(),
                _ => accounts.iter().map(|(_, user)| user.id.clone()).collect(),
            };
            let hint = asked.hint.clone();
            let flow = state.sign_ins.begin(asked, now);
            match hint {
                Some(hint) if listed.is_empty() => steps::name(state, &flow, &hint),
                _ => steps::ask_account(state, &flow, &listed),
            }
        }
    }
}

/// The part of the request without which nobody can be sent back: tenant, client, redirect URI.
fn begin(state: &State, tenant: &str, fields: &Fields) -> Result<Asked, Refusal> {
    check_tenant(state, tenant)?;
    let app = field(fields, "client_id").ok_or_else(|| missing("client_id"))?;
    let directory = &state.directory;
    let unknown = || {
        let message = format!(
            "Application with identifier '{app}' was not found in the directory '{}'. This can happen if the application \
             has not been installed by the administrator of the tenant or consented to by any user in the tenant. You \
             may have sent your authentication request to the wrong tenant.",
            directory.tenant.name
        );
        refuse(400, "unauthorized_client", 700_016, message)
    };
    let application = registration(directory, app).ok_or_else(unknown)?;
    let app = application.text("appId").unwrap_or_default().to_owned();
    let principal = service_principals::of(directory, &app).ok_or_else(unknown)?;
    if !principal.truth("accountEnabled") {
        let name = application.text("displayName").unwrap_or_default();
        let message = format!("Application '{app}'({name}) is disabled.");
        return Err(refuse(400, "unauthorized_client", 7_000_112, message));
    }
    let redirect = match field(fields, "redirect_uri") {
        Some(redirect) => redirect.to_owned(),
        None => only_redirect(application).map(str::to_owned).ok_or_else(|| {
            let message = format!("No reply address is registered for the application '{app}'.");
            refuse(400, "invalid_request", 500_113, message)
        })?,
    };
    let platform = platform(application, &redirect).ok_or_else(|| {
        let message = format!(
            "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the \
             application '{app}'. Make sure the redirect URI sent in the request matches one added to your application \
             in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to \
             troubleshoot this error."
        );
        refuse(400, "invalid_request", 50011, message)
    })?;
    Ok(Asked {
        tenant: tenant.to_owned(),
        app,
        redirect,
        platform,
        scopes: Scopes::default(),
        state: fields.get("state").cloned(),
        nonce: field(fields, "nonce").map(str::to_owned),
        mode: match field(fields, "response_mode") {
            Some("form_post") => Mode::FormPost,
            Some("fragment") => Mode::Fragment,
            _ => Mode::Query,
        },
        challenge: None,
        hint: field(fields, "login_hint").map(str::to_owned),
    })
}

fn complete(state: &State, fields: &Fields, asked: &mut Asked) -> Result<Prompt, Refusal> {
    let kind = field(fields, "response_type").ok_or_else(|| missing("response_type"))?;
    if kind != "code" {
        let known = kind
            .split_whitespace()
            .all(|kind| matches!(kind, "code" | "id_token" | "token"));
        return Err(if known {
            let message = format!("response_type '{kind}' is not enabled for the application.");
            refuse(400, "unsupported_response_type", 700_054, message)
        } else {
            let message =
                format!("The provided value '{kind}' for the input parameter 'response_type' is not valid.");
            refuse(400, "unsupported_response_type", 70005, message)
        });
    }
    if let Some(mode) = field(fields, "response_mode")
        && !["query", "fragment", "form_post"].contains(&mode)
    {
        let message =
            format!("'{mode}' is not a supported value of 'response_mode' when requesting a token.");
        return Err(refuse(400, "invalid_request", 70007, message));
    }
    let scope = field(fields, "scope").ok_or_else(|| missing("scope"))?;
    asked.scopes = Scopes::read(&state.directory, &asked.app, scope)?;
    asked.challenge = challenge(fields)?;
    if asked.platform == Platform::Spa && asked.challenge.is_none() {
        let message =
            "Proof Key for Code Exchange is required for cross-origin authorization code redemption.";
        return Err(refuse(400, "invalid_request", 9_002_325, message));
    }
    match field(fields, "prompt") {
        // Consent is there already.
        None | Some("consent") => Ok(Prompt::Any),
        Some("none") => Ok(Prompt::None),
        Some("login") => Ok(Prompt::Login),
        Some("select_account") => Ok(Prompt::SelectAccount),
        Some(_) => Err(refuse(
            400,
            "invalid_request",
            90023,
            "Unsupported 'prompt' value.",
        )),
    }
}

fn challenge(fields: &Fields) -> Result<Option<Challenge>, Refusal> {
    let method = field(fields, "code_challenge_method");
    let Some(text) = field(fields, "code_challenge") else {
        return Ok(None);
    };
    let hashed = match method {
        Some("S256") => true,
        None | Some("plain") => false,
        Some(other) => {
            let message = format!(
                "The provided value '{other}' for the parameter 'code_challenge_method' is not valid."
            );
            return Err(refuse(400, "invalid_request", 501_491, message));
        }
    };
    if !(43..=128).contains(&text.len()) {
        let message = "Invalid size of Code_Challenge parameter.";
        return Err(refuse(400, "invalid_request", 501_491, message));
    }
    Ok(Some(Challenge {
        text: text.to_owned(),
        hashed,
    }))
}

fn missing(name: &str) -> Refusal {
    let message = format!("The request body must contain the following parameter: '{name}'.");
    refuse(400, "invalid_request", 900_144, message)
}

/// Back to the application, without a code.
pub(super) fn refused(state: &State, asked: &Asked, refusal: &Refusal) -> Reply {
    let body = refusal.body(&state.authority, state.clock.now());
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    back(
        asked,
        &[
            ("error", text("error")),
            ("error_description", text("error_description")),
            ("error_uri", text("error_uri")),
        ],
    )
}

/// Back to the application.
pub(super) fn back(asked: &Asked, answer: &[(&str, String)]) -> Reply {
    let state = asked.state.iter().map(|state| ("state", state.clone()));
    let pairs: Vec<(&str, String)> = answer.iter().cloned().chain(state).collect();
    if asked.mode == Mode::FormPost {
        return page::post_back(&asked.redirect, &pairs);
    }
    let encoded = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&pairs)
        .finish();
    let glue = match asked.mode {
        Mode::Fragment => '#',
        _ if asked.redirect.contains('?') => '&',
        _ => '?',
    };
    Reply::redirect(format!("{}{glue}{encoded}", asked.redirect))
}

/// `/oauth2/v2.0/logout` ("Send a sign-out request"): nobody is signed in with this browser any more. It goes on only to
/// an address that an application has registered.
pub(crate) fn sign_out(state: &mut State, tenant: &str, text: &[u8], browser: Option<&str>) -> Reply {
    if let Err(refusal) = check_tenant(state, tenant) {
        return page::failure(&refusal, &state.authority, state.clock.now());
    }
    if let Some(browser) = browser {
        state.sign_ins.browsers.remove(browser);
    }
    let fields = fields(text);
    let next = field(&fields, "post_logout_redirect_uri").filter(|next| {
        let mut all = state.directory.all(crate::schema::Kind::Application);
        all.any(|application| platform(application, next).is_some())
    });
    let next = next.and_then(|next| Url::parse(next).ok());
    let reply = match next {
        Some(mut next) => {
            if let Some(value) = fields.get("state") {
                next.query_pairs_mut().append_pair("state", value);
            }
            Reply::redirect(next.into())
        }
        None => page::signed_out(),
    };
    reply.without_cookie()
}
