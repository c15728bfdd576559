//! HTTP for people, and for whoever watches the sidecar.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::console::Peer;
use super::metrics::sinks;
use super::tls::Connections;
use super::{Shared, api, console, ended, links};
use crate::failure::Failure;

pub(super) async fn serve(connections: Connections, shared: Arc<Shared>) -> Result<(), Failure> {
    let ending = shared.ending.clone();
    let app = routes(shared).into_make_service_with_connect_info::<Peer>();
    axum::serve(connections, app)
        .with_graceful_shutdown(ended(ending))
        .await
        .map_err(|error| Failure::new(format!("HTTP: {error}")))
}

/// All that is served.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .nest("/api/v1", api::routes())
        .merge(links::routes())
        .merge(console::routes())
        .layer(from_fn_with_state(Arc::clone(&shared), secured))
        .with_state(shared)
}

/// Headers that keep browsers from doing with an answer what it is not for (OWASP "HTTP Security Response Headers").
async fn secured(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURED {
        // A page says itself what it may load.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if shared.tls.is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Whether calls can be answered: the store takes a transaction.
async fn ready(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let store = Arc::clone(&shared.store);
    match tokio::task::spawn_blocking(move || store.ready()).await {
        Ok(Ok(())) if !*shared.ending.borrow() => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        shared.metrics.text() + &sinks(&shared.progress),
    )
}

const SECURED: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: a browser would hide then where a form of our own comes from (Fetch, "append a request Origin header").
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
