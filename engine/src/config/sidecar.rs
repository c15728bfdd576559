//! The sidecar, and the approvals that people give through it.

use std::fmt;

use serde::Serialize;

use super::{Settings, Side};

/// The sidecar (`portcullis serve`): what is left to it, and what happens where it does not answer. Without this block
/// calls that need an approval are refused, and records go to the log alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SidecarConfig {
    /// Envoy's name of the cluster in which it is (HTTP/2); 1 to 120 bytes.
    #[serde(default = "cluster")]
    pub cluster: String,
    /// The filter's token, as `portcullis serve` wrote it. Not needed where the cluster uses mutual TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// How long an answer may take, in milliseconds (50 to 60,000); the time in which people decide comes on top.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u32,
    /// When records go to the sidecar. They go to the log as `audit.log` says, all the same.
    #[serde(default)]
    pub audit: AuditDelivery,
    /// Most bytes of records that wait in Envoy's memory while the sidecar is away (4,194,304 to 1,073,741,824).
    #[serde(default = "queue_bytes")]
    pub queue_bytes: usize,
    /// How long what the sidecar told by Watch counts as fresh, in milliseconds (15,000 to 3,600,000): see
    /// `on_unavailable`.
    #[serde(default = "stale_after_ms")]
    pub stale_after_ms: u32,
    /// What becomes of calls that need the sidecar while it is away or answers what it should not.
    #[serde(default)]
    pub on_unavailable: OnUnavailable,
}

/// When audit records go to the sidecar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AuditDelivery {
    /// Never.
    Log,
    /// In batches, a moment after the message; they wait where the sidecar is away.
    #[default]
    Batch,
    /// In batches, and no call goes on before the sidecar has written down that it is about to. Batches of JSON-RPC
    /// with calls in them are refused.
    Durable,
}

/// What becomes of calls that need the sidecar while it is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OnUnavailable {
    /// Calls whose record finds no room in the queue (`batch`) or is not acknowledged (`durable`). Where they are
    /// allowed, records that find no room are only counted.
    pub audit: Side,
    /// Calls that need an approval.
    pub approval: Side,
    /// Calls that count in a quota of the sidecar. Where they are allowed, they go on uncounted.
    pub quota: Side,
    /// Calls that a flow rule is about, where `flow.store` is the sidecar. Where they are allowed, they are judged by what this
    /// Envoy knows.
    pub flow: Side,
    /// All calls, while it is not known for sure which kill switches are on: nothing was heard of the sidecar for
    /// `stale_after_ms`, or nothing at all since Envoy started. Where they are allowed, the kill switches that were on when
    /// it was last heard of stay on.
    pub kill_switch: Side,
    /// Calls with a key of a caller that the sidecar made, while it is not known for sure which keys count. Where they
    /// are allowed, those go on counting that did when the sidecar was last heard of.
    pub keys: Side,
}

/// How a call is held for an approval. What is left out in a rule is as in `approval` of the configuration, and there
/// it has the default said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalConfig {
    /// How long the call is held until somebody decides (`45s`, the default, to `5m`). Then its caller is told to make it
    /// again. Clients have their own patience, often a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// How long the approval stays pending, and may be used once it is given (`5m`, the default, to `1d`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// True: who decides sees the arguments, without what the scanners for secrets and personal data find in them and
    /// without what obligations redact. By default only their digest goes to the sidecar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_arguments: Option<bool>,
    /// Groups whose members may decide; by default whoever has the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Vec<String>>,
    /// How many people must approve (1, the default, to 16). One who denies is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
}

/// A text that does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Secret(String);

// === impl Secret ===

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for whoever it is meant for.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

// === impl OnUnavailable ===

impl Default for OnUnavailable {
    fn default() -> Self {
        Self {
            audit: Side::Deny,
            approval: Side::Deny,
            quota: Side::Deny,
            flow: Side::Deny,
            kill_switch: Side::Allow,
            keys: Side::Deny,
        }
    }
}

fn cluster() -> String {
    "portcullis-sidecar".to_owned()
}

fn timeout_ms() -> u32 {
    2000
}

fn stale_after_ms() -> u32 {
    30_000
}

fn queue_bytes() -> usize {
    16 << 20
}
