//! The `scanners` part of the plugin configuration.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::{Direction, ScanAction};

/// The `scanners` object of the plugin configuration. All members are optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ScannersConfig {
    /// Credentials: keys, tokens, passwords, private keys.
    pub secrets: SecretsConfig,
}

/// Settings of the scanner for credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// Whether the scanner runs. Default true.
    pub enabled: bool,
    /// What to do about a finding on the way from the client to the server. Default `block`.
    pub request: ScanAction,
    /// What to do about a finding on the way from the server to the client. Default `redact`.
    pub response: ScanAction,
    /// Ids of built-in rules that do not run.
    pub disable_rules: Vec<String>,
    /// Rules of your own, in the schema of the built-in ones.
    pub custom_rules: Vec<Rule>,
}

impl Default for SecretsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            request: ScanAction::Block,
            response: ScanAction::Redact,
            disable_rules: Vec::new(),
            custom_rules: Vec::new(),
        }
    }
}

impl SecretsConfig {
    /// The action configured for a direction.
    pub(super) fn action(&self, direction: Direction) -> ScanAction {
        match direction {
            Direction::Request => self.request,
            Direction::Response => self.response,
        }
    }
}

/// Why a `scanners` configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanConfigError {
    /// RFC 6901 JSON Pointer relative to the `scanners` object.
    pub pointer: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl fmt::Display for ScanConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

impl std::error::Error for ScanConfigError {}
