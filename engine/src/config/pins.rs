//! What is remembered of the tools that servers describe, and what follows from a change or a risk.

use serde::Serialize;

use super::Settings;

/// Fingerprints of tool definitions and server instructions. Given at all, even as `{}`, the block is on:
/// the first definition of a tool that is seen is trusted, every change of it is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PinsConfig {
    /// What a definition is compared with.
    pub mode: PinMode,
    /// Definitions of tools that are trusted. A tool named here is compared with these alone, in both modes:
    /// several entries of one tool allow several versions.
    pub approved: Vec<ApprovedTool>,
    /// The instructions of servers that are trusted; a server named here may have no others.
    pub instructions: Vec<ApprovedInstructions>,
    /// Changes of at least this severity are refused: the tool cannot be called. `none`: changes are only recorded.
    pub deny_drift: DriftThreshold,
    /// Whether lists show a tool whose change is refused.
    pub drifted: Drifted,
    /// A call to a tool whose definition this firewall has not seen, or that nobody approved where `mode` is
    /// `pinned`. By default `allow` for `tofu` and `deny` for `pinned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Side>,
    /// A tool named like one of another server that was listed before, or nearly so (characters that look
    /// alike, other case, other separators).
    pub collisions: Collisions,
}

/// What a definition is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PinMode {
    /// Nothing: the block is off.
    Off,
    /// The first one that was listed (trust on first use), unless it is named in `approved`.
    #[default]
    Tofu,
    /// Those of `approved`.
    Pinned,
}

/// A definition of a tool that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovedTool {
    /// Name of the server, as in `servers`.
    pub server: String,
    /// Name of the tool.
    pub tool: String,
    /// Fingerprint of its definition: 64 hexadecimal digits, as audit records and `portcullis tools fingerprint` print it.
    pub sha256: String,
    /// Who approved it, why: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The instructions of a server that are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApprovedInstructions {
    /// Name of the server, as in `servers`.
    pub server: String,
    /// Fingerprint of its instructions: 64 hexadecimal digits.
    pub sha256: String,
    /// Who approved them, why: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// From which severity on a change is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DriftThreshold {
    /// Every change.
    #[default]
    Low,
    /// A schema that changed or takes more than before, a reference to another tool of the server, or graver.
    Medium,
    /// A new host, a changed hint about what the tool does, a reference to another server's tool, or graver.
    High,
    /// Text that tries to instruct the model, as the scanners find it; a change that cannot be judged.
    Critical,
    /// No change.
    None,
}

/// Whether lists show a tool whose change is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Drifted {
    /// The model does not see it.
    #[default]
    Hide,
    /// It is listed as the server sent it. Calls are refused all the same.
    Show,
}

/// On which side a check errs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// It lets through.
    Allow,
    /// It refuses.
    Deny,
}

/// What follows where two servers have tools of the same or nearly the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Collisions {
    /// It is recorded.
    #[default]
    Log,
    /// The one that was listed later is hidden and cannot be called.
    Deny,
}

/// What the scanners found in the definition of a tool, and what follows from it. Given at all, even as `{}`, the
/// block is on: tools with a flag of severity `high` or `critical` are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RiskConfig {
    /// A tool with a flag of at least this severity that nobody acknowledged is hidden and cannot be called.
    pub deny: RiskThreshold,
    /// Flags that somebody has looked at, each for exactly one definition: a change flags anew.
    pub acknowledged: Vec<Acknowledged>,
}

/// From which severity on a flag refuses a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RiskThreshold {
    /// Every flag.
    Low,
    /// Worth looking at.
    Medium,
    /// Likely harm.
    #[default]
    High,
    /// Certain harm.
    Critical,
    /// Flags are only recorded.
    None,
}

/// Flags of one definition that somebody has looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// Name of the server, as in `servers`.
    pub server: String,
    /// Name of the tool.
    pub tool: String,
    /// Fingerprint of the definition: 64 hexadecimal digits.
    pub sha256: String,
    /// The flags, as audit records name them (`injection:concealment`); all of them if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Who looked at it.
    pub by: String,
    /// What they found, and when: for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Checks of arguments and results against the schemas that tools declare (JSON Schema 2020-12). Given at all, even
/// as `{}`, the block is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SchemasConfig {
    /// What follows where the arguments of a call do not fit the tool's `inputSchema`.
    pub arguments: SchemaMode,
    /// What follows where `structuredContent` does not fit the tool's `outputSchema`, or is missing.
    pub results: SchemaMode,
    /// Members of the arguments that the `inputSchema` neither names nor admits by an `additionalProperties` of its own.
    pub unknown_properties: UnknownProperties,
    /// A call to a tool whose definition this firewall has not seen.
    pub unlisted: Side,
    /// A schema that cannot be applied: a reference to another document, a pattern that this engine does not know,
    /// a definition too large to be kept.
    pub unsupported: Side,
}

impl Default for SchemasConfig {
    fn default() -> Self {
        Self {
            arguments: SchemaMode::Deny,
            results: SchemaMode::Deny,
            unknown_properties: UnknownProperties::Keep,
            unlisted: Side::Allow,
            unsupported: Side::Deny,
        }
    }
}

/// What follows where a value does not fit its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SchemaMode {
    /// It is not checked.
    Off,
    /// It is recorded as what would have been refused.
    Log,
    /// It is refused.
    Deny,
}

/// What becomes of members that a schema says nothing about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum UnknownProperties {
    /// They go on.
    Keep,
    /// They are removed before the call is forwarded.
    Remove,
    /// The call is refused.
    Deny,
}
