//! What the host of the engine does besides deciding: limits, headers, audit.

use serde::{Deserialize, Serialize};

/// Bounds on what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HeadersConfig {
    /// Further headers to remove.
    pub remove: Vec<String>,
    /// True: `authorization` is forwarded to the server.
    pub keep_authorization: bool,
}

/// The audit record of every message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Key of the input hash, in hexadecimal (16 to 64 bytes); without it no input hash is recorded.
    pub hash_key: Option<String>,
    /// Which records go to the log.
    pub log: AuditLog,
}

/// Which audit records go to the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
