//! Who calls, and what they may do.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::blocking;
use super::refusal::Refusal;
use crate::audit::action::Action;
use crate::serve::Shared;
use crate::store::Tenant;
use crate::tokens::{self, Role, Token};

/// The owner of a valid token.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Token);

/// What can be done. Every endpoint is one, which is all that decides who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ReadSelf,
    ReadApprovals,
    /// Whether this very approval is theirs to decide is the approval's business.
    Decide,
    ReadAudit,
    ExportAudit,
    ReadStats,
    ReadPolicy,
    ReadTools,
    AcknowledgeTool,
    /// Make a call of a tool, as Envoy lets it.
    Invoke,
    ManageTokens,
    /// One's own authenticator; for others' it takes [`Operation::ManageMfa`].
    EnrolMfa,
    ManageMfa,
    /// What there is, never a secret.
    ReadCredentials,
    ManageCredentials,
    ReadGrants,
    ManageGrants,
    RotateKeys,
    ReadKillSwitch,
    ManageKillSwitch,
    /// Whose there are, never a key.
    ReadKeys,
    ManageKeys,
}

impl Operation {
    /// The lowest role that may.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::ReadSelf
            | Self::ReadApprovals
            | Self::Decide
            | Self::ReadAudit
            | Self::ReadStats
            | Self::ReadPolicy
            | Self::ReadTools
            | Self::EnrolMfa
            | Self::ReadKillSwitch => Role::Viewer,
            Self::ExportAudit | Self::AcknowledgeTool | Self::ReadCredentials | Self::ReadGrants | Self::ReadKeys => {
                Role::PolicyManager
            }
            Self::Invoke
            | Self::ManageTokens
            | Self::ManageMfa
            | Self::ManageCredentials
            | Self::ManageGrants
            | Self::RotateKeys
            | Self::ManageKillSwitch
            | Self::ManageKeys => Role::Admin,
        }
    }

    /// It is about what one tenant has.
    pub(super) fn is_of_tenant(self) -> bool {
        match self {
            Self::ReadSelf | Self::ManageTokens | Self::RotateKeys => false,
            Self::ReadApprovals
            | Self::Decide
            | Self::ReadAudit
            | Self::ExportAudit
            | Self::ReadStats
            | Self::ReadPolicy
            | Self::ReadTools
            | Self::AcknowledgeTool
            | Self::Invoke
            | Self::EnrolMfa
            | Self::ManageMfa
            | Self::ReadCredentials
            | Self::ManageCredentials
            | Self::ReadGrants
            | Self::ManageGrants
            | Self::ReadKillSwitch
            | Self::ManageKillSwitch
            | Self::ReadKeys
            | Self::ManageKeys => true,
        }
    }
}

impl Caller {
    /// Whose token the request carries.
    pub(super) async fn of(headers: &HeaderMap, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let hash = header.and_then(|value| value.strip_prefix("Bearer ")).map(|secret| tokens::hash(secret.trim()));
        let store = Arc::clone(&shared.store);
        let found = match hash {
            Some(hash) => blocking(move || Ok(store.find_token(&hash)?)).await?,
            None => None,
        };
        found.map(Self).ok_or_else(|| {
            shared.metrics.unauthenticated.add(1);
            shared.attempts.note(Action::TokenRefused, "");
            Refusal::Unauthenticated
        })
    }

    /// Refuses what the role does not include.
    pub(crate) fn may(&self, operation: Operation) -> Result<(), Refusal> {
        if self.0.role >= operation.role() {
            return Ok(());
        }
        Err(Refusal::Forbidden(format!("this takes the role {}", operation.role().as_str())))
    }

    /// As [`Caller::may`], of something that was wanted: that it was refused is recorded.
    pub(crate) fn wants(&self, operation: Operation, shared: &Shared) -> Result<(), Refusal> {
        self.may(operation).inspect_err(|_| shared.attempts.note(Action::AccessDenied, &self.0.person))
    }

    /// The tenant of a request: the token's own, or the one that is asked for where the token is for all.
    pub(crate) fn tenant(&self, asked: Option<&str>) -> Result<Tenant, Refusal> {
        let own = self.0.tenant.as_str();
        let name = match asked {
            Some(name) if !own.is_empty() && name != own => {
                return Err(Refusal::Forbidden("the token is for another tenant".to_owned()));
            }
            Some(name) => name,
            None => own,
        };
        Tenant::new(name).ok_or_else(|| Refusal::invalid("no valid name of a tenant"))
    }
}
