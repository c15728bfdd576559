//! `/api/v1/grants`: who may use which credential for which server.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::caller::{Caller, Operation};
use super::credentials::{Whose, parse};
use super::{Refusal, blocking};
use crate::clock;
use crate::credentials::NewGrant;
use crate::credentials::grants::Grant;
use crate::serve::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/grants", get(list).post(create)).route("/grants/{id}", delete(revoke))
}

async fn list(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ReadGrants)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let all = blocking(move || Ok(shared.credentials.grants(&tenant)?)).await?;
    Ok(Json(json!({"grants": all.iter().map(describe).collect::<Vec<_>>()})))
}

async fn create(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(whose): Query<Whose>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    caller.may(Operation::ManageGrants)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let new: NewGrant = parse(&body)?;
    let made = blocking(move || Ok(shared.credentials.grant(&tenant, &caller.0.person, new)?)).await?;
    Ok((StatusCode::CREATED, Json(describe(&made))))
}

async fn revoke(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageGrants)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let gone = blocking(move || Ok(shared.credentials.revoke(&tenant, &caller.0.person, &id)?)).await?;
    Ok(Json(describe(&gone)))
}

fn describe(grant: &Grant) -> Value {
    json!({"id": grant.id, "server": grant.server, "subject": grant.subject, "credential": grant.credential,
        "scopes": grant.scopes, "created": clock::rfc3339(grant.created), "created_by": grant.created_by,
        "expires": grant.expires.map(clock::rfc3339)})
}
