//! `/api/v1/credentials`: secrets go in and never come out.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::caller::{Caller, Operation};
use super::{Refusal, blocking};
use crate::clock;
use crate::credentials::kinds::{Credential, Kind};
use crate::credentials::rotate::What;
use crate::credentials::{New, Refused};
use crate::serve::Shared;
use crate::store::Tenant;

/// Whose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    pub(super) tenant: Option<String>,
}

/// What to rotate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    what: What,
    /// One tenant alone.
    tenant: Option<String>,
}

/// What the browser brings back from an authorization server (RFC 6749 sections 4.1.2, RFC 9207).
#[derive(Deserialize)]
struct Callback {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/credentials", get(list).post(create))
        .route("/credentials/{name}", get(show).delete(remove))
        .route("/credentials/{name}/secret", post(replace))
        .route("/credentials/{name}/authorize", post(authorize))
        .route("/credential-keys/rotate", post(rotate))
        .route("/oauth/callback", get(callback))
}

async fn list(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ReadCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let all = blocking(move || Ok(shared.credentials.list(&tenant)?)).await?;
    Ok(Json(json!({"credentials": all.iter().map(describe).collect::<Vec<_>>()})))
}

async fn create(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(whose): Query<Whose>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    caller.may(Operation::ManageCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let new: New = parse(&body)?;
    let made = blocking(move || Ok(shared.credentials.add(&tenant, &caller.0.person, new)?)).await?;
    Ok((StatusCode::CREATED, Json(describe(&made))))
}

async fn show(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ReadCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    Ok(Json(describe(&blocking(move || Ok(shared.credentials.show(&tenant, &name)?)).await?)))
}

async fn remove(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let gone = blocking(move || Ok(shared.credentials.remove(&tenant, &caller.0.person, &name)?)).await?;
    Ok(Json(describe(&gone)))
}

async fn replace(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let new: New = parse(&body)?;
    let done = blocking(move || Ok(shared.credentials.replace(&tenant, &caller.0.person, &name, &new)?)).await?;
    Ok(Json(describe(&done)))
}

async fn authorize(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageCredentials)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let url = blocking(move || Ok(shared.credentials.begin(&tenant, &caller.0.person, &name)?)).await?;
    Ok(Json(json!({"authorize_url": url})))
}

/// Where a browser comes back to. It has no token: the state, which is good for one try, says what it is about.
async fn callback(
    State(shared): State<Arc<Shared>>,
    Query(back): Query<Callback>,
) -> Result<Html<&'static str>, Refusal> {
    if back.state.len() > MAX_BACK || back.code.as_ref().is_some_and(|code| code.len() > MAX_BACK) {
        return Err(Refusal::Invalid("that is longer than an authorization server says"));
    }
    let answer = match (back.code, back.error) {
        (Some(code), None) => Ok(code),
        _ => Err("refused"),
    };
    let done = blocking(move || {
        let answer = answer.as_ref().map(String::as_str).map_err(|error| *error);
        Ok(shared.credentials.finish(&back.state, answer)?)
    });
    done.await?;
    Ok(Html("<!doctype html><title>Portcullis</title><p>Done. You can close this page.</p>"))
}

async fn rotate(caller: Caller, State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::RotateKeys)?;
    let rotation: Rotation = parse(&body)?;
    let only = match &rotation.tenant {
        Some(tenant) => Some(caller.tenant(Some(tenant))?),
        None if caller.0.tenant.is_empty() => None,
        None => Some(caller.tenant(None)?),
    };
    let of = only.as_ref().map(Tenant::as_str).map(str::to_owned);
    let done = blocking(move || Ok(shared.credentials.rotate(rotation.what, only.as_ref(), &caller.0.person)?)).await?;
    Ok(Json(json!({"tenant": of, "rotated": done.rotated, "done_before": done.done_before})))
}

/// A body. What is wrong with it is told by its place: its content may be secret.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Refused::Invalid(format!("the body is not as docs/credentials.md has it (line {line}, column {column})")).into()
    })
}

/// A credential without what is secret.
fn describe(credential: &Credential) -> Value {
    let mut value = json!({
        "name": credential.name,
        "kind": credential.kind.as_str(),
        "owner": credential.owner,
        "created": clock::rfc3339(credential.created),
        "created_by": credential.created_by,
        "changed": clock::rfc3339(credential.changed),
    });
    let mut put = |name: &str, member: Value| {
        if let Some(members) = value.as_object_mut() {
            members.insert(name.to_owned(), member);
        }
    };
    match &credential.kind {
        Kind::Headers { names } => put("headers", json!(names)),
        Kind::ApiKey { header, .. } => put("headers", json!([header])),
        Kind::AuthorizationCode { authorize_url, redirect_uri, .. } => {
            put("authorize_url", json!(authorize_url));
            put("redirect_uri", json!(redirect_uri));
        }
        Kind::ClientCredentials { .. } | Kind::RefreshToken { .. } => {}
    }
    if let Some(oauth) = credential.kind.oauth() {
        put("token_url", json!(oauth.token_url));
        put("client_id", json!(oauth.client_id));
        put("scopes", json!(oauth.scopes));
        if credential.renewal.failed_at > 0 {
            put(
                "failed",
                json!({"time": clock::rfc3339(credential.renewal.failed_at), "error": credential.renewal.failure}),
            );
        }
    }
    value
}

/// Longest state or code, in bytes.
const MAX_BACK: usize = 4 << 10;
