//! HTTP for people, and for whoever watches the sidecar.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Shared, api, ended, links};
use crate::failure::Failure;

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Result<(), Failure> {
    let ending = shared.ending.clone();
    let app = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .nest("/api/v1", api::routes())
        .merge(links::routes())
        .with_state(shared);
    axum::serve(listener, app)
        .with_graceful_shutdown(ended(ending))
        .await
        .map_err(|error| Failure::new(format!("HTTP: {error}")))
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
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.text())
}
