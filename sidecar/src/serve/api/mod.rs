//! `/api/v1`: approvals and tokens for people, by bearer token. Who may do what is decided in `caller` alone.

mod approvals;
mod caller;
mod credentials;
mod grants;
mod tokens;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::json;

use super::Shared;
use crate::credentials::Refused;
use crate::store::StoreError;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/deny", post(approvals::deny))
        .merge(credentials::routes())
        .merge(grants::routes())
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{name}", delete(tokens::revoke))
        .fallback(async || Refusal::NotFound)
        .layer(DefaultBodyLimit::max(64 << 10))
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthenticated,
    /// What the caller may not, in a sentence.
    Forbidden(String),
    NotFound,
    /// What is in the way, in a sentence.
    Conflict(String),
    /// What is wrong with the request, in a sentence.
    Invalid(&'static str),
    /// The same, where the sentence names what was asked for.
    Unfit(String),
    /// What it takes cannot be had now, in a sentence.
    Unavailable(String),
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::NotFound,
            Refused::Conflict(text) => Self::Conflict(text),
            Refused::Invalid(text) => Self::Unfit(text),
            Refused::Endpoint(_) => Self::Conflict(refused.to_string()),
            Refused::Seal(error) => Self::Unavailable(error.to_string()),
            Refused::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "the token is missing or unknown".to_owned()),
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, message),
            Self::NotFound => (StatusCode::NOT_FOUND, "there is no such thing".to_owned()),
            Self::Conflict(message) => (StatusCode::CONFLICT, message),
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, message.to_owned()),
            Self::Unfit(message) => (StatusCode::BAD_REQUEST, message),
            Self::Unavailable(message) => (StatusCode::SERVICE_UNAVAILABLE, message),
            Self::Store(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        (status, Json(json!({"error": message}))).into_response()
    }
}

/// Work on the store, which blocks, apart from the threads that answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Refusal::Store(StoreError::Closed)))
}
