//! `/api/v1`, by bearer token. Who may do what is decided in `caller` alone, and each endpoint is declared here with the
//! operation that it is.

pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod caller;
pub(crate) mod credentials;
pub(crate) mod endpoint;
pub(crate) mod grants;
mod invoke;
pub(crate) mod keys;
pub(crate) mod kill_switch;
pub(crate) mod mfa;
mod openapi;
pub(crate) mod policy;
mod refusal;
pub(crate) mod stats;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
pub(crate) mod tools;
pub(crate) mod types;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::serve::Shared;
use caller::Operation::{
    AcknowledgeTool, Decide, EnrolMfa, ExportAudit, Invoke, ManageCredentials, ManageGrants, ManageKeys,
    ManageKillSwitch, ManageMfa, ManageTokens, ReadApprovals, ReadAudit, ReadCredentials, ReadGrants, ReadKeys,
    ReadKillSwitch, ReadPolicy, ReadSelf, ReadStats, ReadTools, RotateKeys,
};
use endpoint::Api;

pub(crate) use invoke::Target;
pub(crate) use policy::Told;
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
        .get("/audit", ReadAudit, "List rows of the chain, by what they are about", audit::list)
        .get("/audit/rows/{id}", ReadAudit, "One row", audit::show)
        .get("/audit/requests/{id}", ReadAudit, "All that came of one request of a client", audit::request)
        .get("/audit/export", ExportAudit, "All rows that fit, as CSV or JSON lines", audit::export)
        .get("/audit/verify", ReadAudit, "Prove that the newest rows are what was recorded", audit::verify)
        .get("/audit/checkpoints", ReadAudit, "Signed statements to keep elsewhere", audit::checkpoints)
        .get("/stats", ReadStats, "How many calls, how many refused, how long they took", stats::stats)
        .get("/policy", ReadPolicy, "The policy that the sidecar was told, and the one in use", policy::policy)
        .get("/tools", ReadTools, "List tools that filters saw", tools::list)
        .get("/tools/{id}", ReadTools, "One tool with its versions, changes and risks", tools::show)
        .post("/tools/{id}/acknowledge", AcknowledgeTool, "Say that a version is fine", tools::acknowledge)
        .post("/invoke", Invoke, "Call a tool through Envoy, which decides about it", invoke::invoke)
        .get("/tokens", ManageTokens, "List tokens, without their secrets", tokens::list)
        .post("/tokens", ManageTokens, "Make a token; its secret is in this answer and nowhere else", tokens::create)
        .delete("/tokens/{name}", ManageTokens, "Revoke a token, at once", tokens::revoke)
        .get("/mfa", ManageMfa, "List authenticators, without their secrets", mfa::list)
        .post("/mfa", EnrolMfa, "Begin to enrol an authenticator; its secret is in this answer alone", mfa::enrol)
        .post("/mfa/{kind}/{principal}/confirm", EnrolMfa, "Confirm it by a first code", mfa::confirm)
        .post("/mfa/{kind}/{principal}/unlock", ManageMfa, "Forget somebody's wrong codes", mfa::unlock)
        .delete("/mfa/{kind}/{principal}", ManageMfa, "Remove somebody's authenticator", mfa::remove)
        .get("/credentials", ReadCredentials, "List credentials, without their secrets", credentials::list)
        .post("/credentials", ManageCredentials, "Add a credential; its secret never comes out", credentials::create)
        .get("/credentials/{id}", ReadCredentials, "One credential, by its name", credentials::show)
        .delete("/credentials/{id}", ManageCredentials, "Remove a credential", credentials::remove)
        .post("/credentials/{id}/secret", ManageCredentials, "Replace its secret", credentials::replace)
        .post("/credentials/{id}/authorize", ManageCredentials, "Where a person authorizes it", credentials::authorize)
        .post("/credential-keys/rotate", RotateKeys, "Rotate the keys that seal credentials", credentials::rotate)
        .get("/grants", ReadGrants, "List who may use which credential for which server", grants::list)
        .post("/grants", ManageGrants, "Grant a credential", grants::create)
        .delete("/grants/{id}", ManageGrants, "Revoke a grant, at once", grants::revoke)
        .get("/keys", ReadKeys, "List keys of callers, without themselves", keys::list)
        .post("/keys", ManageKeys, "Make a key for a caller; it is in this answer and nowhere else", keys::create)
        .delete("/keys/{id}", ManageKeys, "Revoke a key at every filter, within a second", keys::revoke)
        .get("/kill-switch", ReadKillSwitch, "List the kill switches that are on", kill_switch::list)
        .post("/kill-switch", ManageKillSwitch, "Stop calls at every filter, within a second", kill_switch::on)
        .delete("/kill-switch/{id}", ManageKillSwitch, "Switch one off: let them go on", kill_switch::off)
        .without_token("/oauth/callback", get(credentials::callback))
}

/// [`super::blocking`] whose error is a refusal, so that `?` knows what to become.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    super::blocking(work).await
}
