//! Scanners: rules as data over every string of a message.
//!
//! One pass of a gram filter over the text finds the keywords of all rules of all scanners; only
//! near such a hit is a rule verified, anchored and with a bounded number of steps, so the work per
//! byte is bounded whatever the text.
//!
//! ```
//! use portcullis_content::json::{Document, Edits, Limits};
//! use portcullis_content::scan::{Context, Direction, ScannersConfig, Scanners, Surface};
//!
//! let scanners = Scanners::compile(&ScannersConfig::default()).unwrap();
//! let text = br#"{"db": {"password": "kT9!vQ2#mZ7x"}}"#;
//! let doc = Document::parse(text, &Limits::default()).unwrap();
//! let context = Context { direction: Direction::Response, surface: Surface::Result };
//! let mut found = Vec::new();
//! scanners.scan_value(context, doc.root(), &mut found);
//! assert_eq!(found[0].location(), "/db/password");
//! let mut edits = Edits::default();
//! found.iter().for_each(|located| located.redact(&mut edits));
//! assert_eq!(edits.apply(text), br#"{"db": {"password": "[REDACTED:password]"}}"#);
//! ```

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::json::{Edits, Value};
use crate::principal::Principal;
use crate::settings::Settings;

mod actions;
mod assignment;
mod build;
pub mod bulk;
mod checks;
mod config;
mod decode;
pub mod destructive;
pub mod detect;
pub mod exfil;
mod generic;
mod glance;
pub mod injection;
mod literals;
mod lookup;
mod names;
mod pattern;
pub mod pii;
mod prefilter;
pub mod privesc;
mod rarity;

mod rule;
mod scanner;
pub mod shell;
mod split;
pub mod sql;
mod structured;
#[cfg(test)]
mod testing;
mod verify;
mod walk;
mod words;

pub use actions::NAMES;
pub use actions::Suppressions;
pub use config::{
    Actions, BySeverity, Choice, OverrideConfig, Redaction, ScanConfigError, ScannerConfig, ScannersConfig,
    SuppressConfig,
};
pub use decode::{each_layer, plain_letters};
pub use rule::{Check, Matcher, Rule};
pub use scanner::Scanners;

/// What the scanners are told about a text: rules and actions are chosen by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Which way the message travels.
    pub direction: Direction,
    /// Where in the message the text stands.
    pub surface: Surface,
}

/// Where a text was found and whose call it belongs to: actions are chosen by it.
#[derive(Clone, Copy, Debug)]
pub struct Site<'t> {
    /// Direction and surface.
    pub context: Context,
    /// The tool, prompt or resource that is called or described, where that is known.
    pub tool: Option<&'t str>,
    /// The caller, where that is known.
    pub principal: Option<&'t Principal>,
    /// JSON Pointer of the scanned value within its message.
    pub base: &'t str,
    /// Suppressions of the rule that let the call through, beside those of the scanners.
    pub suppress: Option<&'t Suppressions>,
}

impl From<Context> for Site<'_> {
    fn from(context: Context) -> Self {
        Self { context, tool: None, principal: None, base: "", suppress: None }
    }
}

/// Which way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the MCP server.
    Request,
    /// From the MCP server to the client.
    Response,
}

impl Direction {
    /// The word used in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Where in a message a text was found: what a scanner looks for depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Settings)]
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

impl ScanAction {
    /// The word used in configuration, records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Redact => "redact",
            Self::RequireApproval => "require_approval",
            Self::Block => "block",
        }
    }
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Settings)]
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

impl Severity {
    /// The word used in configuration and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
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

/// A finding and the string (or key) of the document it lies in.
#[derive(Clone, Debug)]
pub struct Located<'d> {
    /// What was found; its range is within the unescaped string.
    pub finding: Finding,
    /// The string or key; its [`Value::location`] is the finding's JSON Pointer.
    pub value: Value<'d>,
}

impl Located<'_> {
    /// The RFC 6901 JSON Pointer from the root of the document; a key is located by its member.
    #[must_use]
    pub fn location(&self) -> String {
        self.value.location()
    }

    /// Adds the edit that puts the placeholder in place of the found text.
    pub fn redact(&self, edits: &mut Edits) {
        edits.replace_in_string(self.value, self.finding.range.clone(), &self.finding.placeholder);
    }
}

/// The text with the placeholders of these findings of it in place of what they found.
#[must_use]
pub fn redact<'f>(text: &str, findings: impl IntoIterator<Item = &'f Finding>) -> String {
    let mut edits = Edits::default();
    for finding in findings {
        edits.replace(finding.range.clone(), &*finding.placeholder);
    }
    String::from_utf8(edits.apply(text.as_bytes())).unwrap_or_default()
}

/// Calls `found` with every text that comes out of `text` by taking off coats, and the bytes of `text` that it comes
/// from. For fuzzing.
#[doc(hidden)]
pub fn decoded(text: &str, found: &mut dyn FnMut(&str, Range<usize>)) {
    decode::each_layer(text, &mut |layer, original| found(layer, original(0..layer.len())));
}

/// The text with its letters moved by half the alphabet. For fuzzing.
#[doc(hidden)]
#[must_use]
pub fn rot13(text: &str) -> String {
    decode::rot13(text).text
}
