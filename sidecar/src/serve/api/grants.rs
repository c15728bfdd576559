//! `/api/v1/grants`: who may use which credential for which server.

use schemars::JsonSchema;
use serde::Serialize;

use super::blocking;
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::ById;
use crate::clock;
use crate::credentials::NewGrant;
use crate::credentials::grants::{Grant, Subject};

/// Grants, by id.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Grants {
    pub(crate) grants: Vec<Described>,
}

/// That somebody may use a credential.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant")]
pub(crate) struct Described {
    pub(crate) id: String,
    pub(crate) server: String,
    pub(crate) subject: Subject,
    pub(crate) credential: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created: String,
    pub(crate) created_by: String,
    /// Null: it does not end by itself.
    pub(crate) expires: Option<String>,
}

pub(crate) async fn list(call: Call) -> Result<Grants, Refusal> {
    let all = blocking(move || Ok(call.shared.credentials.grants(&call.tenant)?)).await?;
    Ok(Grants { grants: all.iter().map(Described::of).collect() })
}

pub(super) async fn create(call: Call<Nothing, Nothing, NewGrant>) -> Result<Created<Described>, Refusal> {
    let person = call.caller.0.person;
    let made = blocking(move || Ok(call.shared.credentials.grant(&call.tenant, &person, call.body)?)).await?;
    Ok(Created(Described::of(&made)))
}

pub(crate) async fn revoke(call: Call<ById>) -> Result<Described, Refusal> {
    let person = call.caller.0.person;
    let gone = blocking(move || Ok(call.shared.credentials.revoke(&call.tenant, &person, &call.path.id.0)?)).await?;
    Ok(Described::of(&gone))
}

impl Described {
    fn of(grant: &Grant) -> Self {
        Self {
            id: grant.id.clone(),
            server: grant.server.clone(),
            subject: grant.subject.clone(),
            credential: grant.credential.clone(),
            scopes: grant.scopes.clone(),
            created: clock::rfc3339(grant.created),
            created_by: grant.created_by.clone(),
            expires: grant.expires.map(clock::rfc3339),
        }
    }
}
