//! The MCP servers behind the filter, and how a request is recognised as theirs.

use serde::{Deserialize, Serialize};

/// One MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Its name in rules, audit records and metrics.
    pub name: String,
    /// Which requests are its own; all of the given fields must fit, `{}` fits every request.
    #[serde(default)]
    pub r#match: ServerMatch,
}

/// Which requests belong to a server. A field that is left out fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ServerMatch {
    /// Whole leading segments of the path: `/mcp` fits `/mcp` and `/mcp/x`, not `/mcpx`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// Globs of the authority (host). Case does not matter; nor does the port, unless a glob has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<Vec<String>>,
    /// Globs of Envoy's route name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Vec<String>>,
    /// Globs of Envoy's upstream cluster name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Vec<String>>,
}
