//! Named actions: what people and the sidecar itself do is recorded in the same chain as messages are.

use std::env;

use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::store::NewRecord;
use crate::{clock, secret_file};

/// The name of an action, as `docs/audit.md` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// A tenant's chain begins.
    ChainCreated,
    /// Rows before a time were removed.
    AuditPruned,
    /// Somebody asked for a checkpoint.
    CheckpointCreated,
    /// Rows were taken out by the API or the console.
    AuditExported,
    /// A person has looked at a version of a tool.
    ToolAcknowledged,
    /// A call of a tool is about to be made for an admin.
    ToolInvoked,
    /// What came of that call.
    ToolInvocationEnded,
    /// The policy file was read again.
    PolicyRead,
    /// A person logged in to the console.
    SessionStarted,
    /// Somebody tried to, without a valid token.
    LoginFailed,
    /// A person logged out.
    SessionEnded,
    /// A call waits for people.
    ApprovalRequested,
    /// A person approved, and more have to.
    ApprovalVoted,
    /// Enough people approved.
    ApprovalApproved,
    /// A person refused.
    ApprovalDenied,
    /// A call went ahead on it.
    ApprovalUsed,
    /// It ended without being used.
    ApprovalExpired,
    /// A one-time link decided about an approval.
    LinkUsed,
    /// An authenticator waits for its first code.
    MfaEnrolled,
    /// A first code was right: from now on codes count.
    MfaConfirmed,
    /// A code was right, for one call.
    MfaVerified,
    /// A recovery code was used up, for one call.
    MfaRecovered,
    /// A code came a second time.
    MfaReplayed,
    /// A code was wrong.
    MfaFailed,
    /// A code was wrong, and after so many none is looked at for a while.
    MfaLocked,
    /// Somebody's wrong codes were forgotten.
    MfaUnlocked,
    /// Somebody's authenticator was removed.
    MfaRemoved,
    /// A webhook took a message.
    WebhookDelivered,
    /// A webhook did not take a message, and it is not tried again.
    WebhookFailed,
    /// A token of the admin API was made.
    TokenCreated,
    /// A token of the admin API was revoked.
    TokenRevoked,
    /// A tenant got the key that its credentials are sealed with.
    CredentialKeyCreated,
    /// A tenant got another key, and its credentials were sealed anew.
    CredentialKeyRotated,
    /// A tenant's key was wrapped by another key.
    CredentialKeyRewrapped,
    /// A credential of a server was added.
    CredentialCreated,
    /// Its secret was replaced by a person.
    CredentialReplaced,
    /// It was removed.
    CredentialRemoved,
    /// Its token was renewed at the token endpoint.
    CredentialRefreshed,
    /// The token endpoint did not renew it.
    CredentialRefreshFailed,
    /// Somebody was sent to give an authorization code.
    CredentialAuthorizationStarted,
    /// The authorization code was exchanged.
    CredentialAuthorized,
    /// The authorization failed.
    CredentialAuthorizationFailed,
    /// Callers may use a credential for a server.
    GrantCreated,
    /// They may not any more.
    GrantRevoked,
    /// A sink does not take rows; it is tried again.
    SinkFailed,
    /// It takes them again.
    SinkRecovered,
    /// It will never take one of them, which was left out.
    SinkRefused,
    /// The sidecar takes requests.
    ServeStarted,
    /// It was asked to end.
    ServeStopped,
    /// A filter came without a valid token or certificate.
    FilterRefused,
    /// Somebody used the API without a valid token.
    TokenRefused,
    /// Somebody wanted what their role does not include.
    AccessDenied,
    /// Somebody tried to log in too often.
    LoginLimited,
    /// A person wanted to decide who must not.
    VoteRefused,
    /// The policy is another one than before.
    PolicyChanged,
    /// The policy file could not be taken, and the policy stays as it was.
    PolicyRefused,
    /// The certificates were read again.
    CertificateReloaded,
    /// They could not be, and stay as they were.
    CertificateRefused,
    /// Others are told of approvals than before.
    WebhookConfigured,
    /// Rows go to other sinks than before.
    SinkConfigured,
    /// The tables are of another version than before.
    StoreMigrated,
    /// A key for a caller was made.
    KeyCreated,
    /// A caller's key was revoked.
    KeyRevoked,
    /// Calls are stopped.
    KillSwitchOn,
    /// Somebody let them go on.
    KillSwitchOff,
    /// The time of a kill switch was over.
    KillSwitchExpired,
}

impl Action {
    /// Its name in records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChainCreated => "audit.chain.created",
            Self::AuditPruned => "audit.pruned",
            Self::CheckpointCreated => "audit.checkpoint.created",
            Self::AuditExported => "audit.exported",
            Self::ToolAcknowledged => "tool.acknowledged",
            Self::ToolInvoked => "tool.invoked",
            Self::ToolInvocationEnded => "tool.invocation.ended",
            Self::PolicyRead => "policy.read",
            Self::SessionStarted => "session.started",
            Self::LoginFailed => "session.login.failed",
            Self::SessionEnded => "session.ended",
            Self::ApprovalRequested => "approval.requested",
            Self::ApprovalVoted => "approval.voted",
            Self::ApprovalApproved => "approval.approved",
            Self::ApprovalDenied => "approval.denied",
            Self::ApprovalUsed => "approval.used",
            Self::ApprovalExpired => "approval.expired",
            Self::LinkUsed => "link.used",
            Self::MfaEnrolled => "mfa.enrolled",
            Self::MfaConfirmed => "mfa.confirmed",
            Self::MfaVerified => "mfa.verified",
            Self::MfaRecovered => "mfa.recovered",
            Self::MfaReplayed => "mfa.replayed",
            Self::MfaFailed => "mfa.failed",
            Self::MfaLocked => "mfa.locked",
            Self::MfaUnlocked => "mfa.unlocked",
            Self::MfaRemoved => "mfa.removed",
            Self::WebhookDelivered => "webhook.delivered",
            Self::WebhookFailed => "webhook.failed",
            Self::TokenCreated => "token.created",
            Self::TokenRevoked => "token.revoked",
            Self::CredentialKeyCreated => "credential.key.created",
            Self::CredentialKeyRotated => "credential.key.rotated",
            Self::CredentialKeyRewrapped => "credential.key.rewrapped",
            Self::CredentialCreated => "credential.created",
            Self::CredentialReplaced => "credential.replaced",
            Self::CredentialRemoved => "credential.removed",
            Self::CredentialRefreshed => "credential.refreshed",
            Self::CredentialRefreshFailed => "credential.refresh.failed",
            Self::CredentialAuthorizationStarted => "credential.authorization.started",
            Self::CredentialAuthorized => "credential.authorization.completed",
            Self::CredentialAuthorizationFailed => "credential.authorization.failed",
            Self::GrantCreated => "grant.created",
            Self::GrantRevoked => "grant.revoked",
            Self::SinkFailed => "sink.failed",
            Self::SinkRecovered => "sink.recovered",
            Self::SinkRefused => "sink.row.refused",
            Self::ServeStarted => "serve.started",
            Self::ServeStopped => "serve.stopped",
            Self::FilterRefused => "filter.refused",
            Self::TokenRefused => "token.refused",
            Self::AccessDenied => "access.denied",
            Self::LoginLimited => "session.login.limited",
            Self::VoteRefused => "approval.vote.refused",
            Self::PolicyChanged => "policy.changed",
            Self::PolicyRefused => "policy.refused",
            Self::CertificateReloaded => "certificate.reloaded",
            Self::CertificateRefused => "certificate.refused",
            Self::WebhookConfigured => "webhook.configured",
            Self::SinkConfigured => "sink.configured",
            Self::StoreMigrated => "store.migrated",
            Self::KeyCreated => "key.created",
            Self::KeyRevoked => "key.revoked",
            Self::KillSwitchOn => "kill_switch.on",
            Self::KillSwitchOff => "kill_switch.off",
            Self::KillSwitchExpired => "kill_switch.expired",
        }
    }

    /// The record of this action by somebody, RFC 8785 JSON but for the order of its members. `time` is in microseconds
    /// since the Unix epoch; `details` must hold no secret.
    pub(crate) fn record(self, actor: &str, time: u64, details: Value) -> String {
        let mut record = Map::new();
        record.insert("action".to_owned(), self.as_str().into());
        record.insert("actor".to_owned(), actor.into());
        record.insert("time".to_owned(), clock::rfc3339(time).into());
        if let Value::Object(details) = details {
            record.extend(details);
        }
        // `serde_json` keeps its maps sorted; the names are ASCII, so this is the order of RFC 8785 as well.
        json!(record).to_string()
    }
}

/// A record of its own for an action.
pub(crate) fn new_record(action: Action, actor: &str, time: u64, details: Value) -> Result<NewRecord, Failure> {
    let mut id = secret_file::random()?;
    id.truncate(32);
    // Filters cannot send this character in an id.
    Ok(NewRecord { id: format!(":{id}"), record: action.record(actor, time, details) })
}

/// Who runs this command: the account of the operating system, as far as the environment says.
pub(crate) fn actor() -> String {
    let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
    format!("cli:{}", name.chars().filter(|c| !c.is_control()).take(64).collect::<String>())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_catalogue_has_them_all() {
        let catalogue = include_str!("../../../docs/audit.md");
        let names: Vec<_> = include_str!("action.rs")
            .lines()
            .filter_map(|line| line.split_once(" => \"")?.1.strip_suffix("\","))
            .collect();
        assert!(names.len() >= 50, "{} actions", names.len());
        for name in names {
            assert!(catalogue.contains(&format!("`{name}`")), "docs/audit.md does not say when {name} is recorded");
        }
    }
}
