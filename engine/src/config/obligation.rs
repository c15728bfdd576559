//! Obligations: what must be done to the calls that pass. And the clearance of callers, which one of them asks for.

use serde::Serialize;

use super::Mode;
use super::rule::{MatchConfig, PredicateConfig};
use super::{Literal, Settings};
use crate::principal::PrincipalMatch;

/// What must be done to calls and their results, beside the decision whether they pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ObligationConfig {
    /// Its name in audit records, answers and placeholders; unique among obligations.
    pub id: String,
    /// What it is for; read by people only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Overrides the deployment's mode for this obligation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The calls it is about; all of the given fields must fit, `{}` fits every call. Messages that
    /// hold a session together and lists are only meant where `method` or `capability` says so.
    #[serde(default)]
    pub r#match: MatchConfig,
    /// Conditions on the call's arguments; all must hold. What cannot be decided holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<PredicateConfig>,
    /// A condition in CEL; one that fails to evaluate holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Members of the arguments whose values are replaced before they reach the server, by key
    /// (`password`) or by path with globs (`/customer/*/ssn`, `**.password`, `items[*].pin`). Case is ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact_arguments: Vec<String>,
    /// Members of results whose values are replaced before they reach the client: of
    /// `structuredContent`, and of JSON within any text of the result. Written like `redact_arguments`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact_result: Vec<String>,
    /// The largest result, in bytes of its JSON (`1024`, `"10MB"`, `"4KiB"`). A larger one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_bytes: Option<Literal>,
    /// Most entries of a result: content blocks, resource contents, messages, listed things. More are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_items: Option<usize>,
    /// Most rows of a table in a result: an array of objects or of arrays in `structuredContent` or in JSON
    /// within a text, or the lines of a text that is CSV. More are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_result_rows: Option<usize>,
    /// The hosts that arguments and results may refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressConfig>,
    /// What is done about findings of the scanners, in place of their own actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dlp: Option<DlpConfig>,
    /// The least clearance of a caller; one of `clearance.levels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_clearance: Option<String>,
    /// True: the call needs a one-time code of the caller.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_mfa: bool,
    /// How many pages behind the first one a caller may ask for in a time (`"20/hour"`, `"100/15m"`): a
    /// bound on reading everything page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pages: Option<String>,
    /// What the caller is told of a refusal; a sentence of our own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The hosts that a call may refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EgressConfig {
    /// The hosts that may be referred to: `example.com`, `*.example.com` (everything below), addresses and
    /// networks (`10.0.0.0/8`, `::1`). Empty: none.
    pub allow: Vec<String>,
    /// Whether arguments are looked at.
    #[serde(default = "yes")]
    pub arguments: bool,
    /// Whether results, and what a server sends of itself, are looked at.
    #[serde(default = "yes")]
    pub result: bool,
    /// Whether the domains of e-mail addresses count as hosts. Those of `mailto:` links always do.
    #[serde(default)]
    pub emails: bool,
    /// What is done about any other host.
    #[serde(default)]
    pub action: EgressAction,
}

/// What is done about a reference to a host that is not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EgressAction {
    /// The message is refused.
    #[default]
    Block,
    /// The whole reference is replaced.
    Redact,
    /// It is recorded.
    Log,
}

/// What is done about findings of the scanners in the calls of an obligation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DlpConfig {
    /// Findings in what the client sends; the scanners' own actions by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<DlpAction>,
    /// Findings in what the server sends; the scanners' own actions by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<DlpAction>,
    /// The scanners meant.
    #[serde(default = "personal")]
    pub scanners: Vec<String>,
}

/// What is done about a finding. The order is the order of restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DlpAction {
    /// It counts for nothing.
    Off,
    /// It is recorded.
    Log,
    /// The message is refused.
    Block,
}

/// The clearance of callers, for obligations with `require_clearance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ClearanceConfig {
    /// The levels, lowest first.
    pub levels: Vec<String>,
    /// Who has which level; the first entry that fits counts.
    pub principals: Vec<ClearanceEntry>,
    /// The level of everybody else; the lowest by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// The level of some callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClearanceEntry {
    /// Who has it.
    pub r#match: PrincipalMatch,
    /// One of `levels`.
    pub level: String,
}

// === impl ClearanceConfig ===

impl Default for ClearanceConfig {
    fn default() -> Self {
        let levels = ["public", "internal", "confidential", "secret"];
        Self { levels: levels.map(str::to_owned).to_vec(), principals: Vec::new(), default: None }
    }
}

fn yes() -> bool {
    true
}

fn personal() -> Vec<String> {
    ["secrets", "pii"].map(str::to_owned).to_vec()
}
