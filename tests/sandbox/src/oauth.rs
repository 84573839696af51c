//! OpenID Connect discovery and the token endpoint of the Microsoft identity platform ("OAuth 2.0 client
//! credentials flow", "Microsoft Entra authentication and authorization error codes"). What users' sign-ins lead to is
//! redeemed in [`sign_in`].

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sign_in::{self, audience};
use crate::state::State;
use crate::tokens::{ARM, GRAPH, Subject};
use crate::{app_roles, assertions, credentials, service_principals};

/// Microsoft Graph as an application.
pub(crate) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

/// A refusal of the token endpoint.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    error: &'static str,
    number: u32,
    message: String,
}

pub(crate) fn refuse(status: u16, error: &'static str, number: u32, message: impl Into<String>) -> Refusal {
    Refusal {
        status,
        error,
        number,
        message: message.into(),
    }
}

impl Refusal {
    /// The throttled token endpoint.
    pub(crate) fn unavailable(status: u16) -> Self {
        refuse(
            status,
            "temporarily_unavailable",
            90033,
            "A transient error has occurred. Please try again.",
        )
    }

    /// The body: every field that Entra sends.
    pub(crate) fn body(&self, authority: &str, now: Timestamp) -> Value {
        let (trace, correlation) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let at = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}",
                self.number, self.message
            ),
            "error_codes": [self.number],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{authority}/error?code={}", self.number),
        })
    }
}

/// Whether that is this tenant, by id or verified domain. Otherwise the refusal.
pub(crate) fn check_tenant(state: &State, tenant: &str) -> Result<(), Refusal> {
    let known = &state.directory.tenant;
    if tenant.eq_ignore_ascii_case(&known.id) || state.directory.verified(tenant) {
        return Ok(());
    }
    Err(refuse(
        400,
        "invalid_request",
        90002,
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        ),
    ))
}

/// `/.well-known/openid-configuration`.
pub(crate) fn configuration(authority: &str, tenant: &str) -> Value {
    let base = format!("{authority}/{tenant}");
    json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{authority}/oidc/userinfo"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": false,
        "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host",
            "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash",
            "c_hash", "email",
        ],
        "tenant_region_scope": "OC",
    })
}

/// `POST /oauth2/v2.0/token`.
pub(crate) fn token(
    state: &mut State,
    tenant: &str,
    authorization: Option<&str>,
    cross_origin: bool,
    body: &[u8],
) -> Result<Value, Refusal> {
    check_tenant(state, tenant)?;
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        form.get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let missing = |name: &str| {
        let message = format!("The request body must contain the following parameter: '{name}'.");
        refuse(400, "invalid_request", 900_144, message)
    };
    let grant = field("grant_type").ok_or_else(|| missing("grant_type"))?;
    let of_user = ["authorization_code", "refresh_token"].contains(&grant);
    if grant != "client_credentials" && !of_user {
        let message = format!("The app requested an unsupported grant type '{grant}'.");
        return Err(refuse(400, "unsupported_grant_type", 70003, message));
    }
    let basic = authorization.and_then(basic_credentials);
    let client = basic
        .as_ref()
        .map(|(id, _)| id.as_str())
        .or(field("client_id"))
        .ok_or_else(|| missing("client_id"))?;
    let signer = Signer::find(state, client).ok_or_else(|| {
        let message = format!(
            "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant.",
            state.directory.tenant.name
        );
        refuse(400, "unauthorized_client", 700_016, message)
    })?;
    let secret = basic
        .as_ref()
        .map(|(_, secret)| secret.as_str())
        .or(field("client_secret"));
    let proof = Proof {
        tenant,
        secret,
        assertion: field("client_assertion"),
    };
    if of_user {
        let request = sign_in::Request {
            form: &form,
            proof,
            cross_origin,
        };
        return sign_in::redeem(state, &signer, &request);
    }
    let scope = field("scope").ok_or_else(|| missing("scope"))?;
    signer.check(state, &proof)?;
    let resource = resource(state, scope)?;
    if let Some(claims) = field("claims")
        && serde_json::from_str::<serde_json::Map<String, Value>>(claims).is_err()
    {
        return Err(refuse(
            400,
            "invalid_request",
            90_100,
            "The claims parameter is not valid JSON.",
        ));
    }
    issue(state, &signer, &resource)
}

/// By what an application shows that it is itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof<'a> {
    /// As the request names it.
    tenant: &'a str,
    secret: Option<&'a str>,
    assertion: Option<&'a str>,
}

impl Proof<'_> {
    pub(crate) fn is_there(&self) -> bool {
        self.secret.is_some() || self.assertion.is_some()
    }
}

/// The application that signs in: the seeded one, or one that was registered since and has a service principal here.
pub(crate) struct Signer {
    pub(crate) app: String,
    /// Object id of its service principal.
    object: String,
    roles: Vec<String>,
}

impl Signer {
    fn find(state: &State, client: &str) -> Option<Self> {
        let seeded = &state.client;
        if client.eq_ignore_ascii_case(&seeded.id) {
            return Some(Self {
                app: seeded.id.clone(),
                object: seeded.object.clone(),
                roles: seeded.roles.clone(),
            });
        }
        let found = service_principals::of(&state.directory, client)?;
        Some(Self {
            app: found.text("appId")?.to_owned(),
            object: found.id.clone(),
            roles: app_roles::values(&state.directory, &found.id, GRAPH_APP),
        })
    }

    pub(crate) fn check(&self, state: &State, proof: &Proof<'_>) -> Result<(), Refusal> {
        let app = &self.app;
        let principal = state.directory.get(&self.object);
        if let Some(off) = principal.filter(|found| !found.truth("accountEnabled")) {
            let name = off.text("displayName").unwrap_or_default();
            let message = format!("Application '{app}'({name}) is disabled.");
            return Err(refuse(400, "unauthorized_client", 7_000_112, message));
        }
        if let Some(assertion) = proof.assertion {
            return assertions::check(state, app, proof.tenant, assertion);
        }
        let secret = proof.secret.ok_or_else(|| {
            let message =
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            refuse(401, "invalid_client", 7_000_218, message)
        })?;
        let seeded = [
            (&state.client.id, &state.client.secret),
            (&state.portal.ui, &state.portal.secret),
        ];
        if seeded.contains(&(app, &secret.to_owned())) {
            return Ok(());
        }
        match credentials::good_until(&state.directory, app, secret) {
            Some(end) if end > state.clock.now() => Ok(()),
            Some(_) => {
                let message = format!(
                    "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new \
                     keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for \
                     added security: https://aka.ms/certCreds."
                );
                Err(refuse(401, "invalid_client", 7_000_222, message))
            }
            None => {
                let message = format!(
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                     value, not the client secret ID, for a secret added to app '{app}'."
                );
                Err(refuse(401, "invalid_client", 7_000_215, message))
            }
        }
    }
}

fn issue(state: &mut State, signer: &Signer, resource: &str) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let (audience, first_version) = audience(&state.directory, resource);
    let subject = Subject {
        tenant: &state.directory.tenant.id,
        app: &signer.app,
        object: &signer.object,
        user: None,
        audience: &audience,
        first_version,
        scopes: "",
        roles: if audience == GRAPH {
            signer.roles.clone()
        } else {
            app_roles::values(&state.directory, &signer.object, resource_app(state, resource))
        },
    };
    let claims = state.tokens.claims(&subject, &state.authority, now);
    let token = state
        .keys
        .sign(&claims)
        .ok_or_else(|| Refusal::unavailable(500))?;
    let lifetime = state.tokens.lifetime;
    let mut reply = json!({
        "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token,
    });
    // Long-lived tokens say when to ask for the next one.
    if lifetime > 7200 {
        reply["refresh_in"] = (lifetime / 2).into();
    }
    Ok(reply)
}

/// The client id of an API that is registered here.
fn resource_app<'a>(state: &'a State, resource: &str) -> &'a str {
    sign_in::registered(&state.directory, resource).unwrap_or_default()
}

/// The resource of a `/.default` scope.
fn resource(state: &State, scope: &str) -> Result<String, Refusal> {
    let mut scopes = scope.split_whitespace();
    let (Some(only), None) = (scopes.next(), scopes.next()) else {
        return Err(invalid_scope(scope));
    };
    let resource = only
        .strip_suffix("/.default")
        .ok_or_else(|| invalid_scope(scope))?;
    // Two slashes in the scope leave one in the audience.
    if ARM.contains(&resource) {
        return Ok(resource.to_owned());
    }
    match resource.trim_end_matches('/') {
        GRAPH | GRAPH_APP => Ok(GRAPH.to_owned()),
        other if sign_in::registered(&state.directory, other).is_some() => Ok(other.to_owned()),
        other => Err(refuse(
            400,
            "invalid_resource",
            500_011,
            format!(
                "The resource principal named {other} was not found in the tenant. This can happen if the application \
                 has not been installed by the administrator of the tenant or consented to by any user in the tenant."
            ),
        )),
    }
}

fn invalid_scope(scope: &str) -> Refusal {
    let shaped = scope.contains("://") || scope.contains('/');
    let (number, message) = if shaped {
        (
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI)."
            ),
        )
    } else {
        (
            70011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input \
                 parameter 'scope' is not valid. The scope {scope} is not valid."
            ),
        )
    };
    refuse(400, "invalid_scope", number, message)
}

fn basic_credentials(header: &str) -> Option<(String, String)> {
    let encoded = header
        .strip_prefix("Basic ")
        .or_else(|| header.strip_prefix("basic "))?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    // RFC 6749, 2.3.1: both parts are form-encoded first.
    let plain = |part: &str| {
        let part = part.replace('&', "%26").replace('=', "%3D");
        url::form_urlencoded::parse(part.as_bytes())
            .map(|(name, _)| name.into_owned())
            .next()
            .unwrap_or_default()
    };
    Some((plain(id), plain(secret)))
}
