//! Rules: who may do what, under which conditions.

use serde::Serialize;

use super::sidecar::ApprovalConfig;
use super::{Literal, Mode, Reader, Settings};
use crate::json::Value;
use crate::mcp::Capability;
use crate::principal::PrincipalMatch;
use crate::scan::SuppressConfig;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name in audit records and answers; unique. `default` is taken, and what begins with `builtin:`
    /// or with the name of a check (`quota:`, `obligation:`, `schema:`, `pins:`, `risk:`, `flow:`).
    pub id: String,
    /// What it is for; read by people only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Overrides the deployment's mode for this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The highest priority wins (-1,000,000 to 1,000,000).
    #[serde(default)]
    pub priority: i32,
    /// What the rule is about; all of the given fields must fit, `{}` fits everything.
    #[serde(default)]
    pub r#match: MatchConfig,
    /// Conditions on the call's arguments; all must hold.
    #[serde(default)]
    pub arguments: Vec<PredicateConfig>,
    /// A condition in CEL on the call, the caller and the time, beside those on arguments. One that fails to
    /// evaluate fails closed: a rule that lets through does not match, a rule that restricts does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is decided where the rule matches.
    pub action: Action,
    /// For `deny`: answer as if the tool, resource or prompt did not exist.
    #[serde(default)]
    pub hide: bool,
    /// What the caller is told; a sentence of our own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Findings that are none in what this rule lets through, and in the answers to it: neither acted on nor
    /// recorded. Not for `deny`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppress: Vec<SuppressConfig>,
    /// How a call is held for an approval that this rule asks for, or a scanner in what this rule lets through. Not
    /// for `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalConfig>,
}

/// What a rule decides. The order is the order of restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The call passes.
    Allow,
    /// The call passes and is marked in the audit record.
    LogOnly,
    /// The call passes after a person has approved it.
    RequireApproval,
    /// The call is refused.
    Deny,
}

impl Action {
    /// True where the call passes at once.
    #[must_use]
    pub fn lets_through(self) -> bool {
        self <= Self::LogOnly
    }

    /// The action as the configuration spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::LogOnly => "log_only",
            Self::RequireApproval => "require_approval",
            Self::Deny => "deny",
        }
    }
}

/// What a rule is about. A field that is left out fits everything; an empty list is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MatchConfig {
    /// Who calls.
    pub principal: PrincipalMatch,
    /// Globs of the server's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Vec<String>>,
    /// What the message makes use of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Vec<Capability>>,
    /// Globs of the MCP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Vec<String>>,
    /// Globs of the tool's name, the resource's URI, or the prompt's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Vec<String>>,
    /// Globs of the environment's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Vec<String>>,
}

/// A condition on the call's arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PredicateConfig {
    /// JSON Pointer (`/a/b`) or dotted path (`a.b[0].c`, `files[*].path`); empty for the arguments as a whole.
    pub path: String,
    /// The comparison.
    pub op: Op,
    /// What to compare with; which types fit depends on `op`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Literal>,
    /// What the condition comes to where the value is absent. By default it fails closed: a rule
    /// that lets through does not match, a rule that restricts does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// What a condition on an absent value comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It holds.
    Holds,
    /// It fails.
    Fails,
}

/// The comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Equal to the value.
    Eq,
    /// Not equal to the value.
    Neq,
    /// Equal to one of the list.
    In,
    /// Equal to none of the list.
    NotIn,
    /// A number less than the value.
    Lt,
    /// A number not greater than the value.
    Lte,
    /// A number greater than the value.
    Gt,
    /// A number not less than the value.
    Gte,
    /// A string in which the regular expression matches somewhere.
    Regex,
    /// A string in which the regular expression matches nowhere.
    NotRegex,
    /// Present (`true`, the default) or absent (`false`).
    Exists,
    /// A string that fits the glob, or one of the list.
    Glob,
    /// A file path within one of the directories.
    PathWithin,
    /// A URL or host whose host is one of the list.
    HostIn,
    /// A string of at most so many characters, or a list of at most so many elements.
    MaxLen,
    /// A value of at most so many bytes (`1024`, `"10MB"`, `"4KiB"`).
    MaxSize,
    /// Of the JSON type, or one of the list.
    Type,
}

/// Keeps an explicit `null` apart from an absent member.
fn present(value: Option<Value<'_>>, reader: &mut Reader) -> Option<Literal> {
    value.map(|_| Literal::read(value, reader))
}
