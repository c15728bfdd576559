//! The credential in the answer to an Admit.

use std::sync::Arc;

use tonic::Status;

use super::Shared;
use super::admit::answer;
use super::grpc::unavailable;
use crate::credentials::{Given, Missing};
use crate::proto::{AdmitRequest, AdmitResponse, CredentialNeed, Principal, Verdict};
use crate::store::Tenant;

/// For whom, and for which server.
#[derive(Clone)]
pub(super) struct Wanted {
    caller: Principal,
    server: String,
    /// The correlation id of the request.
    request: String,
}

impl Wanted {
    pub(super) fn of(request: &AdmitRequest) -> Self {
        let server = request.call.as_ref().map(|call| call.server.clone()).unwrap_or_default();
        let correlation = request.call.as_ref().map(|call| call.correlation_id.clone()).unwrap_or_default();
        Self { caller: request.principal.clone().unwrap_or_default(), server, request: correlation }
    }
}

/// The credential; `None` where none is needed and there is none. The inner error is the answer where one is needed.
pub(super) async fn find(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    wanted: &Wanted,
    need: CredentialNeed,
) -> Result<Result<Option<Given>, AdmitResponse>, Status> {
    let credentials = Arc::clone(&shared.credentials);
    let (of, wanted) = (tenant.clone(), wanted.clone());
    // Goes on to its end even if the filter does not wait: a token that was renewed must be kept.
    let work =
        tokio::task::spawn_blocking(move || credentials.resolve(&of, &wanted.caller, &wanted.server, &wanted.request));
    let refuse = |reason: &str| Ok(Err(answer(Verdict::NoCredential, "", reason)));
    match work.await.map_err(|_| Status::unavailable("the request was given up"))? {
        Ok(given) => Ok(Ok(Some(given))),
        Err(Missing::NoGrant) if !need.required => Ok(Ok(None)),
        Err(Missing::NoGrant) => refuse("there is no connection grant for this caller and server"),
        Err(Missing::Unusable(reason)) => refuse(&format!("the credential cannot be used: {reason}")),
        Err(Missing::Store(error)) => Err(unavailable(&error)),
    }
}

/// The answer with the credential in it, or a refusal for want of one.
pub(super) async fn add(
    shared: &Arc<Shared>,
    tenant: &Tenant,
    wanted: &Wanted,
    need: CredentialNeed,
    admitted: AdmitResponse,
) -> Result<AdmitResponse, Status> {
    Ok(match find(shared, tenant, wanted, need).await? {
        Ok(None) => admitted,
        Ok(Some(Given { id, headers })) => AdmitResponse { headers, credential_id: id, ..admitted },
        Err(refused) => AdmitResponse { approval_id: admitted.approval_id, mfa: admitted.mfa, ..refused },
    })
}
