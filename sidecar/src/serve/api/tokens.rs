//! `/api/v1/tokens`, and who one is.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::blocking;
use super::caller::Caller;
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::Name;
use crate::audit::action::{Action, new_record};
use crate::clock;
use crate::serve::Shared;
use crate::store::{NewRecord, StoreError, Tenant};
use crate::tokens::{self, Role, Token};

/// The token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) name: Name,
    /// The id that a verified principal of the same person has; defaults to the name.
    pub(crate) person: Option<Name>,
    /// Defaults to all tenants, or the maker's.
    #[schemars(length(max = 128), regex(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub(crate) tenant: Option<String>,
    pub(crate) role: Role,
    /// Groups of the person, for rules that name approvers.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) groups: Vec<Name>,
}

/// By its name.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ByName {
    name: Name,
}

/// Tokens, by name.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    tokens: Vec<Described>,
}

/// A token, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) person: String,
    /// Empty: all.
    pub(crate) tenant: String,
    pub(crate) role: Role,
    pub(crate) groups: Vec<String>,
    pub(crate) created: String,
}

/// A token with its secret, this once.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Made {
    #[serde(flatten)]
    pub(crate) described: Described,
    /// The secret.
    pub(crate) token: String,
}

pub(super) async fn own(call: Call) -> Result<Described, Refusal> {
    Ok(Described::of(&call.caller.0))
}

pub(super) async fn list(call: Call) -> Result<Tokens, Refusal> {
    Ok(Tokens { tokens: all(&call.shared, &call.caller).await? })
}

pub(super) async fn create(call: Call<Nothing, Nothing, New>) -> Result<Created<Made>, Refusal> {
    make(&call.shared, &call.caller, call.body).await.map(Created)
}

pub(super) async fn revoke(call: Call<ByName>) -> Result<Described, Refusal> {
    remove(&call.shared, &call.caller, call.path.name.0).await
}

/// Those that the caller may see.
pub(crate) async fn all(shared: &Shared, caller: &Caller) -> Result<Vec<Described>, Refusal> {
    let store = Arc::clone(&shared.store);
    let all = blocking(move || Ok(store.all_tokens()?)).await?;
    Ok(all.iter().filter(|token| within(&caller.0, &token.tenant)).map(Described::of).collect())
}

/// Makes one, whose secret is known to the caller alone.
pub(crate) async fn make(shared: &Shared, caller: &Caller, new: New) -> Result<Made, Refusal> {
    let now = clock::now();
    let token = Token {
        person: new.person.unwrap_or_else(|| new.name.clone()).0,
        name: new.name.0,
        tenant: new.tenant.unwrap_or_else(|| caller.0.tenant.clone()),
        role: new.role,
        groups: new.groups.into_iter().map(|group| group.0).collect(),
        created: now,
    };
    if !token.is_valid() || Tenant::new(&token.tenant).is_none() {
        return Err(Refusal::invalid("names have 1 to 128 characters, none of them a control character"));
    }
    if !within(&caller.0, &token.tenant) {
        return Err(Refusal::Forbidden("the token would be for another tenant".to_owned()));
    }
    let secret = tokens::new_secret()?;
    let record = record(Action::TokenCreated, &caller.0, &token, now)?;
    let (hash, made, store) = (tokens::hash(&secret), token.clone(), Arc::clone(&shared.store));
    if !blocking(move || Ok(store.create_token(made, hash, record, now)?)).await? {
        return Err(Refusal::Conflict("the name is taken".to_owned()));
    }
    Ok(Made { described: Described::of(&token), token: secret })
}

/// Revokes one.
pub(crate) async fn remove(shared: &Shared, caller: &Caller, name: String) -> Result<Described, Refusal> {
    let (store, caller) = (Arc::clone(&shared.store), caller.clone());
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
        if store.revoke_token(&name, record, now)? { Ok(Described::of(token)) } else { Err(Refusal::NotFound) }
    })
    .await
}

impl Described {
    fn of(token: &Token) -> Self {
        Self {
            name: token.name.clone(),
            person: token.person.clone(),
            tenant: token.tenant.clone(),
            role: token.role,
            groups: token.groups.clone(),
            created: clock::rfc3339(token.created),
        }
    }
}

/// Whether a tenant is among those that a token is for.
fn within(caller: &Token, tenant: &str) -> bool {
    caller.tenant.is_empty() || caller.tenant == tenant
}

fn record(action: Action, by: &Token, token: &Token, now: u64) -> Result<NewRecord, Refusal> {
    let details = json!({"name": token.name, "person": token.person, "tenant": token.tenant,
        "role": token.role.as_str(), "groups": token.groups, "created": clock::rfc3339(token.created)});
    new_record(action, &by.person, now, details).map_err(|_| Refusal::Store(StoreError::Closed))
}
