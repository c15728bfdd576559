//! `/api/v1/credentials`: secrets go in and never come out.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Html;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::ById;
use crate::clock;
use crate::credentials::kinds::{Credential, Kind, Owner};
use crate::credentials::rotate::What;
use crate::credentials::{New, Refused};
use crate::serve::Shared;
use crate::store::Tenant;

/// What to rotate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    what: What,
    /// One tenant alone.
    tenant: Option<String>,
}

/// What was rotated.
#[derive(Serialize, JsonSchema)]
pub(super) struct RotationDone {
    /// Null: all tenants.
    tenant: Option<String>,
    rotated: usize,
    /// By the rotation that this one took up.
    done_before: usize,
}

/// Credentials, by name.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Credentials {
    pub(crate) credentials: Vec<Described>,
}

/// A credential without what is secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// The one principal that may use it; null: whoever has a grant.
    pub(crate) owner: Option<Owner>,
    pub(crate) created: String,
    pub(crate) created_by: String,
    pub(crate) changed: String,
    /// Headers that it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorize_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Vec<String>>,
    /// Why renewing it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<Failed>,
}

/// That a token could not be renewed.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Failed {
    pub(crate) time: String,
    /// The endpoint's code.
    pub(crate) error: String,
}

/// Where a person goes.
#[derive(Serialize, JsonSchema)]
pub(super) struct Address {
    authorize_url: String,
}

/// What the browser brings back from an authorization server (RFC 6749 sections 4.1.2, RFC 9207).
#[derive(Deserialize)]
pub(super) struct Callback {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
}

pub(crate) async fn list(call: Call) -> Result<Credentials, Refusal> {
    let all = blocking(move || Ok(call.shared.credentials.list(&call.tenant)?)).await?;
    Ok(Credentials { credentials: all.iter().map(Described::of).collect() })
}

pub(super) async fn create(call: Call<Nothing, Nothing, New>) -> Result<Created<Described>, Refusal> {
    let person = call.caller.0.person;
    let made = blocking(move || Ok(call.shared.credentials.add(&call.tenant, &person, call.body)?)).await?;
    Ok(Created(Described::of(&made)))
}

pub(super) async fn show(call: Call<ById>) -> Result<Described, Refusal> {
    let found = blocking(move || Ok(call.shared.credentials.show(&call.tenant, &call.path.id.0)?)).await?;
    Ok(Described::of(&found))
}

pub(super) async fn remove(call: Call<ById>) -> Result<Described, Refusal> {
    let person = call.caller.0.person;
    let gone = blocking(move || Ok(call.shared.credentials.remove(&call.tenant, &person, &call.path.id.0)?)).await?;
    Ok(Described::of(&gone))
}

pub(super) async fn replace(call: Call<ById, Nothing, New>) -> Result<Described, Refusal> {
    let (person, name) = (call.caller.0.person, call.path.id.0);
    let done = blocking(move || Ok(call.shared.credentials.replace(&call.tenant, &person, &name, &call.body)?));
    Ok(Described::of(&done.await?))
}

pub(super) async fn authorize(call: Call<ById>) -> Result<Address, Refusal> {
    let person = call.caller.0.person;
    let url = blocking(move || Ok(call.shared.credentials.begin(&call.tenant, &person, &call.path.id.0)?)).await?;
    Ok(Address { authorize_url: url })
}

/// Where a browser comes back to. It has no token: the state, which is good for one try, says what it is about.
pub(super) async fn callback(
    State(shared): State<Arc<Shared>>,
    Query(back): Query<Callback>,
) -> Result<Html<&'static str>, Refusal> {
    if back.state.len() > MAX_BACK || back.code.as_ref().is_some_and(|code| code.len() > MAX_BACK) {
        return Err(Refusal::invalid("that is longer than an authorization server says"));
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

pub(super) async fn rotate(call: Call<Nothing, Nothing, Rotation>) -> Result<RotationDone, Refusal> {
    let caller = call.caller;
    let only = match &call.body.tenant {
        Some(tenant) => Some(caller.tenant(Some(tenant))?),
        None if caller.0.tenant.is_empty() => None,
        None => Some(caller.tenant(None)?),
    };
    let tenant = only.as_ref().map(Tenant::as_str).map(str::to_owned);
    let (what, shared) = (call.body.what, call.shared);
    let done = blocking(move || Ok(shared.credentials.rotate(what, only.as_ref(), &caller.0.person)?)).await?;
    Ok(RotationDone { tenant, rotated: done.rotated, done_before: done.done_before })
}

impl Described {
    fn of(credential: &Credential) -> Self {
        let oauth = credential.kind.oauth();
        let (headers, authorize_url, redirect_uri) = match &credential.kind {
            Kind::Headers { names } => (Some(names.clone()), None, None),
            Kind::ApiKey { header, .. } => (Some(vec![header.clone()]), None, None),
            Kind::AuthorizationCode { authorize_url, redirect_uri, .. } => {
                (None, Some(authorize_url.clone()), Some(redirect_uri.clone()))
            }
            Kind::ClientCredentials { .. } | Kind::RefreshToken { .. } => (None, None, None),
        };
        let renewal = Some(&credential.renewal).filter(|renewal| oauth.is_some() && renewal.failed_at > 0);
        Self {
            name: credential.name.clone(),
            kind: credential.kind.as_str(),
            owner: credential.owner.clone(),
            created: clock::rfc3339(credential.created),
            created_by: credential.created_by.clone(),
            changed: clock::rfc3339(credential.changed),
            headers,
            authorize_url,
            redirect_uri,
            token_url: oauth.map(|oauth| oauth.token_url.clone()),
            client_id: oauth.map(|oauth| oauth.client_id.clone()),
            scopes: oauth.map(|oauth| oauth.scopes.clone()),
            failed: renewal
                .map(|renewal| Failed { time: clock::rfc3339(renewal.failed_at), error: renewal.failure.clone() }),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::NotFound,
            Refused::Conflict(text) => Self::Conflict(text),
            Refused::Invalid(text) => Self::Invalid(text),
            Refused::Endpoint(_) => Self::Conflict(refused.to_string()),
            Refused::Seal(error) => Self::Unavailable(error.to_string()),
            Refused::Store(error) => Self::Store(error),
        }
    }
}

/// Longest state or code, in bytes.
const MAX_BACK: usize = 4 << 10;
