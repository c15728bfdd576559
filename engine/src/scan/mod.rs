//! Scanners: rules as data over every string of a message.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the MCP server.
    Request,
    /// From the MCP server to the client.
    Response,
}

/// Where in a message a text was found: what a scanner looks for depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// Arguments of a call, or any other parameter a client sends.
    Arguments,
    /// A client's answer to a server's request (sampling, elicitation, roots).
    ClientResult,
    /// A mirrored HTTP header (`Mcp-Name`, `Mcp-Param-*`).
    Header,
    /// Names, descriptions, schemas and instructions that a server advertises.
    Description,
    /// The result of a call.
    Result,
    /// `error.message` and `error.data`.
    Error,
    /// Logging, progress and other notifications.
    Notification,
    /// A server's request to the client (sampling, elicitation), or an `inputRequests` entry.
    ServerRequest,
    /// SSE ids and comments.
    Stream,
}

/// What to do about a finding. The order is the order of restriction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScanAction {
    /// Record it, forward the message.
    Log,
    /// Replace the found text by a placeholder, forward the rest.
    Redact,
    /// Forward only after a person has approved.
    RequireApproval,
    /// Refuse the message.
    Block,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth looking at.
    Medium,
    /// Likely harm.
    High,
    /// Certain harm.
    Critical,
}

/// One match of one rule. It never holds the matched text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The scanner's name: `secrets`, …
    pub scanner: &'static str,
    /// The rule's id, unique within the scanner.
    pub rule: Arc<str>,
    /// How grave it is.
    pub severity: Severity,
    /// What the configuration says to do about it.
    pub action: ScanAction,
    /// Byte range within the unescaped string that was scanned.
    pub range: Range<usize>,
    /// What stands in its place after redaction, e.g. `[REDACTED:github-token]`.
    pub placeholder: Arc<str>,
}
