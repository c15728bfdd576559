//! Taint and flow: what results bring with them, and where a call may carry it.

use serde::Serialize;

use super::{MatchConfig, Mode, PredicateConfig, Settings};

/// Labels that results give to whoever reads them, and rules on the calls that follow.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FlowConfig {
    /// Who carries the labels.
    pub carrier: Carrier,
    /// When labels are forgotten.
    pub decay: DecayConfig,
    /// Where labels are kept: by this Envoy, or by the sidecar as well, for all Envoys. Calls that a rule is about ask it
    /// before they go on; in batches of JSON-RPC, and as notifications, they are refused.
    pub store: FlowStore,
    /// True: where `classes` say nothing about a tool, its class is guessed from its name, its schema, its annotations
    /// and the names of its arguments. A guess only adds to what a tool may be restricted for.
    pub hints: bool,
    /// Tools, resources, prompts and servers whose results bring labels.
    pub sources: Vec<SourceConfig>,
    /// Findings of the scanners that bring labels, when they are in a result that passes. Left out: those of `injection` bring
    /// `untrusted`, those of `secrets` bring `private` and `secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<FindingLabels>>,
    /// What tools do.
    pub classes: Vec<ClassConfig>,
    /// What a call may not do while labels are carried.
    pub rules: Vec<FlowRuleConfig>,
    /// What is done about a tool that can send outward, while both `untrusted` and `private` are carried.
    pub trifecta: Escalation,
    /// Calls that repeat what was read. Left out: no texts are remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceConfig>,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            carrier: Carrier::default(),
            decay: DecayConfig::default(),
            store: FlowStore::default(),
            hints: true,
            sources: Vec::new(),
            findings: None,
            classes: Vec::new(),
            rules: Vec::new(),
            trifecta: Escalation::RequireApproval,
            provenance: None,
        }
    }
}

/// Who carries labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// The verified caller; of callers nobody verified, the session.
    #[default]
    Auto,
    /// The caller (tenant, id and agent), across all servers and sessions. All anonymous callers are one.
    Principal,
    /// The session (`Mcp-Session-Id`) of a caller with one server; where there is no session, the caller.
    Session,
}

/// Where labels are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FlowStore {
    /// By this Envoy: nothing is known of what is read through another, or before it started.
    #[default]
    Local,
    /// By the sidecar as well: a caller carries labels from one Envoy to the next.
    Sidecar,
}

/// When a label is forgotten: whichever comes first after it was last gained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DecayConfig {
    /// So much later: `"90s"`, `"30m"`, `"8h"`, `"7d"` (one second to 30 days).
    pub time: String,
    /// So many calls later (1 to 1,000,000). Left out: calls do not count, for whoever leads an agent astray can have it make
    /// idle ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

impl Default for DecayConfig {
    fn default() -> Self {
        Self { time: "1h".to_owned(), calls: None }
    }
}

/// Results that bring labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Its name in records (`flow:<id>`); unique among sources and rules.
    pub id: String,
    /// The calls whose results these are. Without `capability` and `method`: everything that has content, so neither lists
    /// nor the life cycle of a session.
    pub r#match: MatchConfig,
    /// `untrusted`, `private`, `secret`, or names of your own.
    pub labels: Vec<String>,
}

/// Findings that bring labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FindingLabels {
    /// The scanner.
    pub scanner: String,
    /// Globs of its rules; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Vec<String>>,
    /// The labels.
    pub labels: Vec<String>,
}

/// What tools do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// The calls it is about. Where several entries fit, their classes add up.
    pub r#match: MatchConfig,
    /// The classes. An empty list says that the tool is harmless, whatever its name looks like.
    pub class: Vec<ToolClass>,
}

/// What a tool does, as far as flow is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolClass {
    /// Its results hold data that is not everybody's: they bring `private`.
    ReadsPrivate,
    /// Its results hold text that anybody may have written: they bring `untrusted`.
    ReadsUntrusted,
    /// It can carry its arguments outward.
    Sends,
}

/// What a call may not do while labels are carried.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowRuleConfig {
    /// Its name in records and answers (`flow:<id>`); unique among sources and rules. `trifecta` and `provenance` are taken.
    pub id: String,
    /// What it is for; read by people only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Overrides the deployment's mode for this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The calls it is about.
    #[serde(default)]
    pub r#match: MatchConfig,
    /// Conditions on the call's arguments; all must hold.
    #[serde(default)]
    pub arguments: Vec<PredicateConfig>,
    /// Only tools of one of these classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Vec<ToolClass>>,
    /// True: a tool of which no class is known counts as one of `class`.
    #[serde(default)]
    pub unknown: bool,
    /// Labels that must all be carried.
    #[serde(default)]
    pub has_taint: Vec<String>,
    /// Labels of which one must be carried.
    #[serde(default)]
    pub any_taint: Vec<String>,
    /// True: only where the call repeats a text that brought one of these labels. Needs `provenance`.
    #[serde(default)]
    pub reuse: bool,
    /// What is done.
    pub action: FlowAction,
    /// What the caller is told; a sentence of our own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a flow rule does about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FlowAction {
    /// The call passes and is marked in the record.
    Warn,
    /// The arguments that repeat a text which brought one of the rule's labels are replaced. Needs `provenance`.
    Redact,
    /// The call passes after a person has approved it.
    RequireApproval,
    /// The call is refused.
    Deny,
}

/// What a built-in flow rule does about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Escalation {
    /// Nothing.
    Off,
    /// The call passes and is marked in the record.
    Log,
    /// The call passes after a person has approved it.
    RequireApproval,
    /// The call is refused.
    Deny,
}

/// Calls that repeat what was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProvenanceConfig {
    /// False: as if it were left out.
    pub enabled: bool,
    /// What is done about a call that repeats such a text; `off` where only rules with `reuse` shall look.
    pub action: Escalation,
    /// The labels whose texts are remembered for this.
    pub labels: Vec<String>,
    /// The tools that may not repeat them.
    pub class: Vec<ToolClass>,
    /// True: a tool of which no class is known counts as one of `class`.
    pub unknown: bool,
    /// Letters and digits in a row that count as repeated (16 to 256). Runs of twice this are always found.
    pub min_bytes: usize,
}

impl Default for ProvenanceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            action: Escalation::RequireApproval,
            labels: vec!["private".to_owned(), "secret".to_owned()],
            class: vec![ToolClass::Sends],
            unknown: false,
            min_bytes: 32,
        }
    }
}
