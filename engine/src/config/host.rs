//! What the host of the engine does besides deciding: limits, headers, audit.

use serde::Serialize;

use super::Settings;

/// Bounds on what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest body that is read, in bytes (1,024 to 67,108,864). Envoy's buffer limit must be as large.
    pub max_body_bytes: usize,
    /// Largest event of an SSE stream, in bytes (1,024 to 67,108,864).
    pub max_event_bytes: usize,
    /// Deepest nesting of arrays and objects in a message (4 to 128).
    pub max_depth: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { max_body_bytes: 1 << 20, max_event_bytes: 1 << 20, max_depth: 64 }
    }
}

/// What is done to request headers before they are forwarded. `cookie` and `x-portcullis-*` are
/// always removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HeadersConfig {
    /// Further headers to remove.
    pub remove: Vec<String>,
    /// True: `authorization` is forwarded to the server.
    pub keep_authorization: bool,
}

/// The audit record of every message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Key of the input hash, in hexadecimal (16 to 64 bytes); without it no input hash is recorded.
    pub hash_key: Option<String>,
    /// Which records go to the log.
    pub log: AuditLog,
    /// Which facts become filter state for access logs and traces. Each costs every message about a microsecond.
    pub filter_state: Vec<StateName>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { hash_key: None, log: AuditLog::default(), filter_state: StateName::ALL.to_vec() }
    }
}

/// A fact of filter state: `decision` is `%FILTER_STATE(wasm.portcullis.decision:PLAIN)%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// What was done.
    Decision,
    /// What would have been done were it not for shadow mode.
    ShadowDecision,
    /// The rule that decided.
    Rule,
    /// The version of the policy.
    PolicyVersion,
    /// What ties together all that came of one HTTP request.
    CorrelationId,
    /// The server.
    Server,
    /// The JSON-RPC method.
    Method,
    /// The tool, prompt or resource.
    Tool,
    /// The caller.
    Principal,
    /// The caller's tenant.
    Tenant,
}

impl StateName {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Decision,
        Self::ShadowDecision,
        Self::Rule,
        Self::PolicyVersion,
        Self::CorrelationId,
        Self::Server,
        Self::Method,
        Self::Tool,
        Self::Principal,
        Self::Tenant,
    ];

    /// The name under which Envoy keeps it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "portcullis.decision",
            Self::ShadowDecision => "portcullis.shadow_decision",
            Self::Rule => "portcullis.rule",
            Self::PolicyVersion => "portcullis.policy_version",
            Self::CorrelationId => "portcullis.correlation_id",
            Self::Server => "portcullis.server",
            Self::Method => "portcullis.method",
            Self::Tool => "portcullis.tool",
            Self::Principal => "portcullis.principal",
            Self::Tenant => "portcullis.tenant",
        }
    }
}

/// Which audit records go to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum AuditLog {
    /// All of them.
    #[default]
    All,
    /// Those of refused messages, and of those that would be refused.
    Denied,
    /// None; filter state still has them.
    None,
}
