//! `/api/v1/tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, Operation};
use super::{Refusal, blocking};
use crate::audit::action::{Action, new_record};
use crate::clock;
use crate::serve::Shared;
use crate::store::{StoreError, Tenant};
use crate::tokens::{self, Role, Token};

/// The token to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    /// Defaults to the name.
    person: Option<String>,
    /// Defaults to all tenants, or the maker's.
    tenant: Option<String>,
    role: Role,
    #[serde(default)]
    groups: Vec<String>,
}

pub(super) async fn list(caller: Caller, State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageTokens)?;
    let store = Arc::clone(&shared.store);
    let all = blocking(move || Ok(store.all_tokens()?)).await?;
    let own = all.iter().filter(|token| within(&caller.0, &token.tenant)).map(describe);
    Ok(Json(json!({"tokens": own.collect::<Vec<_>>()})))
}

pub(super) async fn create(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    caller.may(Operation::ManageTokens)?;
    let now = clock::now();
    let token = Token {
        person: new.person.unwrap_or_else(|| new.name.clone()),
        name: new.name,
        tenant: new.tenant.unwrap_or_else(|| caller.0.tenant.clone()),
        role: new.role,
        groups: new.groups,
        created: now,
    };
    if !token.is_valid() || Tenant::new(&token.tenant).is_none() {
        return Err(Refusal::Invalid("names have 1 to 128 bytes without control characters"));
    }
    if !within(&caller.0, &token.tenant) {
        return Err(Refusal::Forbidden("the token would be for another tenant".to_owned()));
    }
    let secret = tokens::new_secret().map_err(|_| Refusal::Store(StoreError::Closed))?;
    let record = record(Action::TokenCreated, &caller.0, &token, now)?;
    let (hash, made, store) = (tokens::hash(&secret), token.clone(), Arc::clone(&shared.store));
    if !blocking(move || Ok(store.create_token(made, hash, record, now)?)).await? {
        return Err(Refusal::Conflict("the name is taken".to_owned()));
    }
    let mut value = describe(&token);
    if let Some(members) = value.as_object_mut() {
        // Shown this once.
        members.insert("token".to_owned(), secret.into());
    }
    Ok((StatusCode::CREATED, Json(value)))
}

pub(super) async fn revoke(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ManageTokens)?;
    let store = Arc::clone(&shared.store);
    blocking(move || {
        let all = store.all_tokens()?;
        let token = all.iter().find(|token| token.name == name && within(&caller.0, &token.tenant));
        let token = token.ok_or(Refusal::NotFound)?;
        let admins = all.iter().filter(|other| other.role == Role::Admin && other.tenant.is_empty()).count();
        if token.role == Role::Admin && token.tenant.is_empty() && admins == 1 {
            return Err(Refusal::Conflict("it is the last admin of all tenants; make another before".to_owned()));
        }
        let now = clock::now();
        let record = record(Action::TokenRevoked, &caller.0, token, now)?;
        if store.revoke_token(&name, record, now)? { Ok(Json(describe(token))) } else { Err(Refusal::NotFound) }
    })
    .await
}

/// Whether a tenant is among those that a token is for.
fn within(caller: &Token, tenant: &str) -> bool {
    caller.tenant.is_empty() || caller.tenant == tenant
}

fn record(action: Action, by: &Token, token: &Token, now: u64) -> Result<crate::store::NewRecord, Refusal> {
    new_record(action, &by.person, now, describe(token)).map_err(|_| Refusal::Store(StoreError::Closed))
}

fn describe(token: &Token) -> Value {
    json!({"name": token.name, "person": token.person, "tenant": token.tenant, "role": token.role.as_str(),
        "groups": token.groups, "created": clock::rfc3339(token.created)})
}
