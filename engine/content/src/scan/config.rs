//! The `scanners` part of the plugin configuration.

use std::fmt;

use serde::Serialize;

use super::rule::Rule;
use super::{Direction, ScanAction, Severity, Surface};
use crate::json::{Kind, Value};
use crate::principal::PrincipalMatch;
use crate::settings::{Reader, Settings};

/// The `scanners` object of the plugin configuration. All members are optional; every scanner is on
/// unless it is switched off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ScannersConfig {
    /// Credentials: keys, tokens, passwords, private keys.
    pub secrets: ScannerConfig,
    /// Personal data: cards, accounts, national ids, addresses.
    pub pii: ScannerConfig,
    /// Instructions to a model where none belong.
    pub injection: ScannerConfig,
    /// Commands and queries that destroy.
    pub destructive: ScannerConfig,
    /// Data sent out, and requests to where none should go.
    pub exfil: ScannerConfig,
    /// More data than a task needs.
    pub bulk: ScannerConfig,
    /// More rights than were given, and files outside of what was given.
    pub privesc: ScannerConfig,
    /// Other actions for certain scanners, rules, places, tools or callers. The first that fits a finding decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverrideConfig>,
    /// Findings that are none: neither acted on nor recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppress: Vec<SuppressConfig>,
    /// What stands in the place of what is redacted.
    #[serde(skip_serializing_if = "Redaction::is_default")]
    pub redaction: Redaction,
}

/// What stands in the place of what is redacted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Redaction {
    /// The name of what was found: `[REDACTED:email]`.
    #[default]
    Placeholder,
    /// The name and six digits that are the same for equal values of one caller and session:
    /// `[REDACTED:email-3f9a1c]`. They are a keyed hash (see `audit.hash_key`; without it the key is random, and
    /// instances of the filter differ), so values cannot be guessed from them.
    Pseudonym,
}

impl Redaction {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Settings of one scanner.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ScannerConfig {
    /// Whether the scanner runs. Default true.
    pub enabled: bool,
    /// What to do about a finding on the way from the client to the server: an action, or actions by
    /// severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Actions>,
    /// What to do about a finding on the way from the server to the client: an action, or actions by severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Actions>,
    /// What to do about a finding in what a server says about itself and its tools, prompts and resources. Blocked
    /// entries are removed from their list. Default: as `response`; for `injection`, `block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Actions>,
    /// Ids of built-in rules that do not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disable_rules: Vec<String>,
    /// Ids of built-in rules that run although they are off by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enable_rules: Vec<String>,
    /// Rules of your own, in the schema of the built-in ones of `secrets`. Their examples are run when the
    /// configuration is loaded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom_rules: Vec<Rule>,
}

impl Default for ScannerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            request: None,
            response: None,
            description: None,
            disable_rules: Vec::new(),
            enable_rules: Vec::new(),
            custom_rules: Vec::new(),
        }
    }
}

/// What to do about findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Actions {
    /// The same whatever the severity.
    Same(Choice),
    /// By severity.
    BySeverity(BySeverity),
}

/// Actions by severity. One that is left out is that of the next lower one, and below the lowest
/// given it is `log`: `{"high": "block"}` blocks what is `high` or `critical` and logs the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BySeverity {
    /// For findings of severity `low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Choice>,
    /// For findings of severity `medium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Choice>,
    /// For findings of severity `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Choice>,
    /// For findings of severity `critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical: Option<Choice>,
}

/// An action, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Not even record it.
    Off,
    /// Record it, forward the message.
    Log,
    /// Replace the found text by a placeholder, forward the rest.
    Redact,
    /// Forward only after a person has approved.
    RequireApproval,
    /// Refuse the message; in a list, remove the entry.
    Block,
}

impl Choice {
    /// The action; `None` for `off`.
    #[must_use]
    pub fn action(self) -> Option<ScanAction> {
        match self {
            Self::Off => None,
            Self::Log => Some(ScanAction::Log),
            Self::Redact => Some(ScanAction::Redact),
            Self::RequireApproval => Some(ScanAction::RequireApproval),
            Self::Block => Some(ScanAction::Block),
        }
    }
}

impl Actions {
    /// What is done about a finding of this severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> Choice {
        match self {
            Self::Same(choice) => *choice,
            Self::BySeverity(by) => {
                let given = [
                    (Severity::Critical, by.critical),
                    (Severity::High, by.high),
                    (Severity::Medium, by.medium),
                    (Severity::Low, by.low),
                ];
                let reached = given.into_iter().filter(|(from, _)| *from <= severity);
                reached.into_iter().find_map(|(_, choice)| choice).unwrap_or(Choice::Log)
            }
        }
    }
}

impl Settings for Actions {
    fn read(value: Option<Value<'_>>, reader: &mut Reader) -> Self {
        match value.map(Value::kind) {
            Some(Kind::Object) => Self::BySeverity(BySeverity::read(value, reader)),
            Some(Kind::String) | None => Self::Same(Choice::read(value, reader)),
            Some(_) => {
                reader.of_kind(value, Kind::Object, "an action or an object of actions by severity");
                Self::Same(Choice::Off)
            }
        }
    }
}

/// Another action for some findings. A member that is left out fits everything; an empty list is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OverrideConfig {
    /// Names of scanners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanners: Option<Vec<String>>,
    /// Globs of rule ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<String>>,
    /// The least severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Which way the message travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Where in the message the text stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<Vec<Surface>>,
    /// Globs of the tool's name (or the prompt's, or the resource's URI).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Vec<String>>,
    /// Who calls.
    #[serde(default)]
    pub principal: PrincipalMatch,
    /// What is done.
    pub action: Choice,
}

/// A finding that is none. All members that are given must fit; at least one other than `scanner` must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SuppressConfig {
    /// The scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanner: Option<String>,
    /// Glob of the rule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Glob of the tool's name (or the prompt's, or the resource's URI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Glob of the JSON Pointer within the message, as audit records have it (`/params/arguments/*`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the found text as it stands in the message, in lower-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_sha256: Option<String>,
}

/// Why a `scanners` configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanConfigError {
    /// RFC 6901 JSON Pointer relative to the `scanners` object.
    pub pointer: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl ScanConfigError {
    pub(super) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl fmt::Display for ScanConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for ScanConfigError {}
