//! The engine in axum: authentication, media types, sizes and headers.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, Uri, header};
use axum::response::Response as HttpResponse;
use iam_core::secret::Secret;
use percent_encoding::percent_decode_str;

use super::engine::Engine;
use super::exchange::{Method, Request, Response};
use super::problem::Problem;

const MEDIA: &str = "application/scim+json";

/// Who may call.
#[derive(Clone)]
pub struct Auth {
    /// The digests of the tokens; none means that the caller of [`router`] has checked already.
    tokens: Option<Vec<[u8; 32]>>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("checks", &self.tokens.is_some())
            .finish()
    }
}

impl Auth {
    /// Callers present the bearer token (RFC 6750). An empty token admits nobody.
    pub fn bearer(token: &Secret) -> Self {
        Self {
            tokens: Some(vec![hash(token.expose())]),
        }
    }

    /// Callers may present this token as well, so that tokens can be rotated.
    #[must_use]
    pub fn or_bearer(mut self, token: &Secret) -> Self {
        self.tokens.get_or_insert_default().push(hash(token.expose()));
        self
    }

    /// Everybody may call: for a router behind a layer that authenticates.
    pub fn checked_elsewhere() -> Self {
        Self { tokens: None }
    }

    /// Compares digests, so that neither content nor length of the token shows in the time it takes.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(tokens) = &self.tokens else {
            return true;
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = given.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let given = hash(token.trim());
        let equal = |known: &[u8; 32]| verify_slices_are_equal(known, &given).is_ok();
        let known = tokens.iter().fold(false, |known, token| known | equal(token));
        known && !token.trim().is_empty() && scheme.eq_ignore_ascii_case("Bearer")
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
        *to = *from;
    }
    out
}

/// The engine as an axum router; `Router::new().nest_service("/scim/v2", router(engine, auth))` mounts it
/// (`nest` would leave `/scim/v2/` out).
pub fn router(engine: Engine, auth: Auth) -> Router {
    let state = Arc::new((engine, auth));
    Router::new().fallback(serve).with_state(state)
}

async fn serve(
    State(state): State<Arc<(Engine, Auth)>>,
    OriginalUri(whole): OriginalUri,
    request: axum::extract::Request,
) -> HttpResponse {
    let (engine, auth) = &*state;
    let (parts, body) = request.into_parts();
    if !auth.admits(&parts.headers) {
        let problem = Problem::new(401, "expected a bearer token that is known here");
        let mut response = write(problem.into());
        let challenge = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    }
    match read(engine, &parts.method, &parts.headers, &parts.uri, &whole, body).await {
        Ok(request) => write(engine.handle(&request).await),
        Err(problem) => write(problem.into()),
    }
}

async fn read(
    engine: &Engine,
    verb: &Verb,
    headers: &HeaderMap,
    uri: &Uri,
    whole: &Uri,
    body: Body,
) -> Result<Request, Problem> {
    let text = |name: HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let method = Method::of(verb.as_str());
    let body = to_bytes(body, engine.settings.max_body).await.map_err(|_| {
        Problem::new(
            413,
            format!(
                "the body is longer than {} bytes, or broke off",
                engine.settings.max_body
            ),
        )
    })?;
    if !body.is_empty() && matches!(method, Method::Post | Method::Put | Method::Patch) {
        media(text(header::CONTENT_TYPE).as_deref())?;
    }
    let decode = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8();
        decoded
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| Problem::new(404, "the path is no UTF-8"))
    };
    let segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Problem::value("the query cannot be read"))?;
    let base = if let Some(base) = &engine.settings.base_url {
        base.trim_end_matches('/').to_owned()
    } else {
        let host = text(header::HOST).or_else(|| whole.authority().map(ToString::to_string));
        let prefix = whole.path().strip_suffix(uri.path()).unwrap_or_default();
        format!("http://{}{prefix}", host.unwrap_or_default())
    };
    Ok(Request {
        method,
        path: segments.map(decode).collect::<Result<_, _>>()?,
        query,
        if_match: text(header::IF_MATCH),
        if_none_match: text(header::IF_NONE_MATCH),
        body: body.into(),
        base,
    })
}

fn media(given: Option<&str>) -> Result<(), Problem> {
    let Some(given) = given else { return Ok(()) };
    let kind = given.split(';').next().unwrap_or_default().trim();
    if [MEDIA, "application/json"]
        .iter()
        .any(|one| kind.eq_ignore_ascii_case(one))
    {
        Ok(())
    } else {
        Err(Problem::new(415, format!("expected {MEDIA} or application/json")))
    }
}

fn write(response: Response) -> HttpResponse {
    let media = response.body.is_some().then(|| HeaderValue::from_static(MEDIA));
    let mut out = HttpResponse::new(response.body.map_or_else(Body::empty, Body::from));
    *out.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = |value: Option<String>| HeaderValue::try_from(value?).ok();
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::ETAG, text(response.etag)),
        (header::LOCATION, text(response.location)),
        (header::ALLOW, response.allow.map(HeaderValue::from_static)),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            out.headers_mut().insert(name, value);
        }
    }
    out
}
