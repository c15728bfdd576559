//! `/api/v1/mfa`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, Operation};
use super::{Refusal, blocking};
use crate::mfa::kept::{self, Holder, Refused};
use crate::mfa::qr;
use crate::serve::Shared;
use crate::store::StoreError;

/// Whose authenticator to enrol.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    principal: String,
    /// human, agent, service or workflow.
    #[serde(default = "human")]
    kind: String,
}

/// A code that an authenticator shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    code: String,
}

/// Whose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    tenant: Option<String>,
}

/// Which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    tenant: Option<String>,
    /// Only those behind this `kind:principal`.
    #[serde(default)]
    after: String,
    limit: Option<u64>,
}

pub(super) async fn list(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageMfa)?;
    let tenant = caller.tenant(which.tenant.as_deref())?;
    let limit = which.limit.unwrap_or(MAX_LIST).min(MAX_LIST);
    blocking(move || Ok(Json(json!({"mfa": kept::list(&shared.store, &tenant, &which.after, limit)?})))).await
}

pub(super) async fn enrol(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(whose): Query<Whose>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let holder = holder(&caller, &new.kind, &new.principal, Operation::EnrolOwnMfa)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let value = blocking(move || {
        let offer = kept::enrol(&shared.store, shared.sealer.as_ref(), &tenant, &holder, &caller.0.person)?;
        let failed = |_| Refusal::Invalid("the name is too long for a QR code");
        let picture = STANDARD.encode(qr::png(&offer.uri).map_err(failed)?);
        // Shown this once.
        Ok(json!({"principal": holder.principal(), "kind": new.kind, "secret": *offer.secret, "uri": *offer.uri,
            "qr_text": qr::text(&offer.uri).map_err(failed)?, "qr_png": picture}))
    });
    Ok((StatusCode::CREATED, Json(value.await?)))
}

pub(super) async fn confirm(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path((kind, principal)): Path<(String, String)>,
    Query(whose): Query<Whose>,
    Json(shown): Json<Shown>,
) -> Result<Json<Value>, Refusal> {
    let holder = holder(&caller, &kind, &principal, Operation::EnrolOwnMfa)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let code: String = shown.code.chars().filter(|c| *c != ' ').collect();
    blocking(move || {
        let sealer = shared.sealer.as_ref();
        let codes = kept::confirm(&shared.store, sealer, &tenant, &holder, &code, &caller.0.person)?;
        Ok(Json(json!({"recovery_codes": codes})))
    })
    .await
}

pub(super) async fn unlock(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path((kind, principal)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    let holder = holder(&caller, &kind, &principal, Operation::ManageMfa)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    blocking(move || {
        kept::unlock(&shared.store, &tenant, &holder, &caller.0.person)?;
        Ok(Json(json!({"principal": holder.principal(), "kind": kind})))
    })
    .await
}

pub(super) async fn remove(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path((kind, principal)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    let holder = holder(&caller, &kind, &principal, Operation::ManageMfa)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    blocking(move || {
        kept::remove(&shared.store, &tenant, &holder, &caller.0.person)?;
        Ok(Json(json!({"principal": holder.principal(), "kind": kind})))
    })
    .await
}

/// Whose it is, where the caller may do this with it: `own` with their own, all else by their role.
fn holder(caller: &Caller, kind: &str, principal: &str, own: Operation) -> Result<Holder, Refusal> {
    let holder = Holder::new(kind, principal).ok_or(Refusal::Invalid(
        "a principal has 1 to 255 bytes without control characters; its kind is human, agent, service or workflow",
    ))?;
    caller.may(if holder.is(&caller.0.person) { own } else { Operation::ManageMfa })?;
    Ok(holder)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::NotFound,
            Refused::Exists => Self::Conflict("an authenticator is confirmed already; remove it before".to_owned()),
            Refused::Code(checked) => Self::Conflict(checked.reason().to_owned()),
            Refused::Sealer(error) => Self::Store(StoreError::Database(error.to_string())),
            Refused::Store(error) => Self::Store(error),
        }
    }
}

fn human() -> String {
    "human".to_owned()
}

/// Enrolments in one answer.
const MAX_LIST: u64 = 1000;
