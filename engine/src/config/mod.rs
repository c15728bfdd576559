//! The plugin configuration (version "1"): its types, loaded strictly.
//!
//! Every struct refuses unknown fields, and every error names the place by JSON Pointer: a typing
//! mistake in a firewall's configuration must stop the load, never be skipped. What the types
//! cannot say (ranges, patterns, references) is checked by [`crate::policy::Policy::compile`].

mod canonical;
mod flow;
mod host;
mod identity;
mod load;
mod obligation;
mod pins;
mod quota;
mod rule;
mod server;
mod sidecar;

use serde::Serialize;

use crate::scan::ScannersConfig;

pub use portcullis_content::principal::PrincipalMatch;
pub use portcullis_content::settings::{ConfigError, Literal, from_json};
pub(crate) use portcullis_content::settings::{Reader, Settings, from_value, nearest};

pub use canonical::canonical_json;
pub(crate) use canonical::{canonical_string, sha256_hex};
pub use flow::{
    Carrier, ClassConfig, DecayConfig, Escalation, FindingLabels, FlowAction, FlowConfig, FlowRuleConfig, FlowStore,
    ProvenanceConfig, SourceConfig, ToolClass,
};
pub use host::{AuditConfig, AuditLog, HeadersConfig, LimitsConfig, StateName};
pub use identity::{IdentityConfig, JwtClaims, JwtConfig, KeyEntry, KeysConfig, MtlsEntry};
pub use obligation::{
    ClearanceConfig, ClearanceEntry, DlpAction, DlpConfig, EgressAction, EgressConfig, ObligationConfig,
};
pub use pins::{
    Acknowledged, ApprovedInstructions, ApprovedTool, Collisions, DriftThreshold, Drifted, PinMode, PinsConfig,
    RiskConfig, RiskThreshold, SchemaMode, SchemasConfig, Side, UnknownProperties,
};
pub use quota::{QuotaAlgorithm, QuotaConfig, QuotaOnToolError, QuotaPer, QuotaStore};
pub use rule::{Action, MatchConfig, Missing, Op, PredicateConfig, RuleConfig};
pub use server::{CredentialsConfig, ServerConfig, ServerMatch};
pub use sidecar::{ApprovalConfig, AuditDelivery, OnUnavailable, Secret, SidecarConfig};

/// The whole plugin configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where an editor finds the JSON Schema of this file. Ignored.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Version of the configuration's format.
    pub version: Version,
    /// Whether decisions are enforced, only recorded, or not made at all.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to a call that no rule matches.
    #[serde(default)]
    pub default: Fallback,
    /// Name of the environment this filter runs in; rules can match on it.
    #[serde(default)]
    pub environment: String,
    /// True: a call refused by the default is answered as if the tool, resource or prompt did not exist.
    #[serde(default)]
    pub hide_denied: bool,
    /// What happens to an HTTP request that belongs to none of the servers. `OPTIONS` and
    /// `/.well-known/*` always pass.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// The MCP servers behind this filter. The first whose matcher fits a request is its server.
    #[serde(default)]
    pub servers: Vec<ServerConfig>,
    /// How a verified identity becomes a principal.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// The rules. The highest priority wins, then the most restrictive action, then document order.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
    /// Limits on how many calls, or how much of an argument, in how much time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaConfig>,
    /// What must be done to the calls that pass: members redacted, hosts and sizes bounded, clearance and
    /// codes asked for. All that fit a call hold at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<ObligationConfig>,
    /// The clearance of callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<ClearanceConfig>,
    /// The content scanners.
    #[serde(default)]
    pub scanners: ScannersConfig,
    /// Fingerprints of tool definitions: what changed since it was trusted is refused. Off without this block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<PinsConfig>,
    /// Risks that the scanners see in tool definitions. Off without this block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskConfig>,
    /// Checks against the schemas that tools declare. Off without this block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schemas: Option<SchemasConfig>,
    /// Labels that results bring, and what a caller that carries them may not do.
    #[serde(default)]
    pub flow: FlowConfig,
    /// Bounds on what is read.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What is done to request headers before they are forwarded.
    #[serde(default)]
    pub headers: HeadersConfig,
    /// The audit record of every message.
    #[serde(default)]
    pub audit: AuditConfig,
    /// The sidecar that keeps records and asks people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<SidecarConfig>,
    /// How calls are held for an approval, where their rule does not say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalConfig>,
    /// SHA-256 of the canonical form of the text this was loaded from; empty if it was built in code.
    #[serde(skip)]
    pub(crate) digest: String,
}

impl Config {
    /// Loads a configuration: the strict JSON parse of [`crate::json`] first (so duplicate keys and
    /// the like are refused), then the types.
    ///
    /// # Errors
    /// The first mistake found, with its JSON Pointer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        load::load(bytes)
    }
}

/// The JSON Schema (2020-12) of the configuration, for editors.
#[cfg(feature = "schema")]
#[must_use]
pub fn config_schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// Version of the configuration's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Version {
    /// The only one so far.
    #[default]
    #[serde(rename = "1")]
    V1,
}

/// What becomes of decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are enforced.
    #[default]
    Enforce,
    /// They are recorded and everything passes.
    Shadow,
    /// They are not made.
    Disabled,
}

/// What happens to a call that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// It is refused.
    #[default]
    Deny,
    /// It passes.
    Allow,
}

/// What happens to an HTTP request that belongs to none of the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// It is refused.
    #[default]
    Deny,
    /// It passes unread.
    Pass,
}

/// Largest configuration text in bytes: 4 MiB.
pub const MAX_CONFIG_BYTES: usize = 4 << 20;

#[cfg(all(test, feature = "schema"))]
mod tests {
    use super::config_schema;

    #[test]
    fn the_schema_describes_fields_and_shows_defaults() {
        let schema = config_schema();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/additionalProperties"), false);
        assert_eq!(at("/required"), serde_json::json!(["version"]));
        assert_eq!(at("/properties/unmatched/default"), "deny");
        assert_eq!(at("/properties/limits/default/max_depth"), 64);
        assert_eq!(at("/$defs/LimitsConfig/properties/max_depth/default"), 64);
        assert!(at("/$defs/RuleConfig/properties/priority/description").as_str().is_some());
        assert_eq!(at("/$defs/PredicateConfig/properties/value/description").as_str().map(str::is_empty), Some(false));
    }
}
