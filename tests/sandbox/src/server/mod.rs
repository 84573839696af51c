//! The door: connections and routes.

mod arm;
mod batch;
mod bearer;
mod delivery;
mod graph;
mod identity;
mod observe;
mod reply;
mod scim;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Request, State as FromState};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use hyper::service::Service as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) use arm::is_arm;
pub(crate) use delivery::deliver;
pub(crate) use reply::json_answer;
pub(crate) use scim::is_scim;

use crate::control;
use crate::state::Shared;
use observe::{Arrival, Cut, Lag};

type App = Arc<Shared>;

/// Accepts connections until it is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: App) {
    let router = router(shared);
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // Small answers must not wait for more.
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            match tls.clone() {
                None => connections.spawn(connection(stream, router)),
                Some(tls) => connections.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, router).await;
                    }
                }),
            };
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let inner = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let inner = inner.clone();
        async move {
            let Ok(answer) = inner.call(request).await;
            if answer.extensions().get::<Cut>().is_some() {
                // An error here closes the connection without a byte of an answer.
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            Ok(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn router(shared: App) -> Router {
    Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(identity::configuration),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(identity::jwks))
        .route(
            "/{tenant}/oauth2/v2.0/token",
            post(identity::token).options(identity::preflight),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            get(sign_in::authorize).post(sign_in::authorize),
        )
        .route("/{tenant}/login", post(sign_in::login))
        .route(
            "/{tenant}/oauth2/v2.0/logout",
            get(sign_in::logout).post(sign_in::logout),
        )
        .route("/oidc/userinfo", get(sign_in::user_info).post(sign_in::user_info))
        .route("/v1.0/", any(graph::graph_request))
        .route("/v1.0/{*path}", any(graph::graph_request))
        .route("/beta/", any(graph::graph_request))
        .route("/beta/{*path}", any(graph::graph_request))
        .route("/scim/v2", any(scim::scim_request))
        .route("/scim/v2/{*path}", any(scim::scim_request))
        .merge(control::routes())
        .fallback(elsewhere)
        .layer(from_fn_with_state(Arc::clone(&shared), observe::observe))
        .with_state(shared)
}

/// Paths of Azure Resource Manager have no letter case, so no router finds them. For others the body is read before
/// the answer: an unread one would close the connection under the next request.
async fn elsewhere(
    FromState(app): FromState<App>,
    Extension(lag): Extension<Lag>,
    Extension(arrival): Extension<Arrival>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if arm::is_arm(uri.path()) {
        return arm::answer(&app, lag, &arrival.request_id, &method, &uri, &headers, &body);
    }
    StatusCode::NOT_FOUND.into_response()
}
