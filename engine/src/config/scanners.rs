//! The content scanners' configuration.

use serde::{Deserialize, Serialize};

use crate::scan::ScanAction;

/// The content scanners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ScannersConfig {
    /// Secrets and credentials.
    pub secrets: SecretsConfig,
}

/// The secrets scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// Whether it runs.
    pub enabled: bool,
    /// What to do about a finding on the way to the server.
    pub request: ScanAction,
    /// What to do about a finding on the way to the client.
    pub response: ScanAction,
    /// Ids of built-in rules that do not apply.
    pub disable_rules: Vec<String>,
    /// Rules of your own.
    pub custom_rules: Vec<CustomRule>,
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

/// A rule of your own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CustomRule {
    /// Its name in findings.
    pub id: String,
    /// The regular expression of what it finds.
    pub pattern: String,
}
