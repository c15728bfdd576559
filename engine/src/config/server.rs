//! The MCP servers behind the filter, and how a request is recognised as theirs.

use serde::Serialize;

use super::{Settings, Side};

/// One MCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Its name in rules, audit records and metrics.
    pub name: String,
    /// Which requests are its own; all of the given fields must fit, `{}` fits every request.
    #[serde(default)]
    pub r#match: ServerMatch,
    /// What is sent to it is given the credential that the sidecar keeps for this caller and server. Without this block
    /// the sidecar is not asked, and nothing is injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsConfig>,
}

/// How credentials of the sidecar reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// True: callers without a connection grant for the server are refused. False: what they send goes on without a
    /// credential.
    pub required: bool,
    /// False: Envoy's cluster of this server uses TLS. A first answer that came without it is withheld, and from then on
    /// no credential is sent. True: there is none, and credentials travel as they are.
    pub plaintext: bool,
    /// What becomes of a request while the sidecar does not answer as agreed: it is refused, or goes on without a
    /// credential.
    pub on_unavailable: Side,
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self { required: true, plaintext: false, on_unavailable: Side::Deny }
    }
}

/// Which requests belong to a server. A field that is left out fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Settings)]
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
