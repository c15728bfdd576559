//! `/api/v1`, by bearer token. Who may do what is decided in `caller` alone, and each endpoint is declared here with the
//! operation that it is.

pub(crate) mod approvals;
pub(crate) mod caller;
mod endpoint;
mod openapi;
mod refusal;
#[cfg(test)]
mod tests;
mod tokens;
mod types;

use std::sync::Arc;

use axum::Router;

use crate::serve::Shared;
use crate::store::StoreError;
use caller::Operation::{Decide, ManageTokens, ReadApprovals, ReadSelf};
use endpoint::Api;

pub(crate) use refusal::Refusal;

/// The router of them.
pub(super) fn routes() -> Router<Arc<Shared>> {
    endpoints().finish().0
}

/// Every endpoint: path, what it is, a line for the documentation, and the function that carries it out.
fn endpoints() -> Api {
    Api::new()
        .get("/self", ReadSelf, "Whose token this is", tokens::own)
        .get("/approvals", ReadApprovals, "List approvals, the newest first", approvals::list)
        .get("/approvals/{id}", ReadApprovals, "One approval with redacted arguments and recent calls", approvals::show)
        .post("/approvals/{id}/approve", Decide, "Let a call go on, once", approvals::approve)
        .post("/approvals/{id}/deny", Decide, "Refuse a call", approvals::deny)
        .get("/tokens", ManageTokens, "List tokens, without their secrets", tokens::list)
        .post("/tokens", ManageTokens, "Make a token; its secret is in this answer and nowhere else", tokens::create)
        .delete("/tokens/{name}", ManageTokens, "Revoke a token, at once", tokens::revoke)
}

/// Work on the store, which blocks, apart from the threads that answer.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Refusal::Store(StoreError::Closed)))
}
