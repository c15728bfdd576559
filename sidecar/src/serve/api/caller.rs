//! Who calls, and what they may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::{Refusal, blocking};
use crate::serve::Shared;
use crate::store::Tenant;
use crate::tokens::{self, Role, Token};

/// The owner of a valid token.
pub(super) struct Caller(pub(super) Token);

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    ReadApprovals,
    /// Whether this very approval is theirs to decide is the approval's business.
    Decide,
    ManageTokens,
    /// What there is, never a secret.
    ReadCredentials,
    ManageCredentials,
    ReadGrants,
    ManageGrants,
    RotateKeys,
}

impl Operation {
    /// The lowest role that may.
    fn role(self) -> Role {
        match self {
            Self::ReadApprovals | Self::Decide => Role::Viewer,
            Self::ReadCredentials | Self::ReadGrants => Role::PolicyManager,
            Self::ManageTokens | Self::ManageCredentials | Self::ManageGrants | Self::RotateKeys => Role::Admin,
        }
    }
}

impl Caller {
    /// Refuses what the role does not include.
    pub(super) fn may(&self, operation: Operation) -> Result<(), Refusal> {
        if self.0.role >= operation.role() {
            return Ok(());
        }
        Err(Refusal::Forbidden(format!("this takes the role {}", operation.role().as_str())))
    }

    /// The tenant of a request: the token's own, or the one that is asked for where the token is for all.
    pub(super) fn tenant(&self, asked: Option<&str>) -> Result<Tenant, Refusal> {
        let own = self.0.tenant.as_str();
        let name = match asked {
            Some(name) if !own.is_empty() && name != own => {
                return Err(Refusal::Forbidden("the token is for another tenant".to_owned()));
            }
            Some(name) => name,
            None => own,
        };
        Tenant::new(name).ok_or(Refusal::Invalid("no valid name of a tenant"))
    }
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let hash = header.and_then(|value| value.strip_prefix("Bearer ")).map(|secret| tokens::hash(secret.trim()));
        let store = Arc::clone(&shared.store);
        let found = match hash {
            Some(hash) => blocking(move || Ok(store.find_token(&hash)?)).await?,
            None => None,
        };
        found.map(Self).ok_or_else(|| {
            shared.metrics.unauthenticated.add(1);
            Refusal::Unauthenticated
        })
    }
}
