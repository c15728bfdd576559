//! MCP on the wire: revisions, messages, and which capability a method touches.
//!
//! Source: the specification's revisions 2024-11-05 to 2026-07-28.

use serde::{Deserialize, Serialize};

/// What a message makes use of; what policy rules match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Calling a tool (`tools/call`).
    Tool,
    /// Reading or watching a resource (`resources/read`, `resources/subscribe`, …), named by its URI.
    Resource,
    /// Getting a prompt (`prompts/get`).
    Prompt,
    /// Completing an argument (`completion/complete`), named by the prompt or the resource template.
    Completion,
    /// A server asking the client's model (`sampling/createMessage`).
    Sampling,
    /// A server asking the user (`elicitation/create`).
    Elicitation,
    /// A server asking for the client's roots (`roots/list`).
    Roots,
    /// Following a long-running task (`tasks/*`), named by its id.
    Task,
    /// Listing tools, resources, templates or prompts; results are filtered entry by entry.
    List,
    /// The life cycle of a session: `initialize`, `ping`, `server/discover`, progress, cancellation, logging.
    Protocol,
    /// Any method this build does not know.
    Unknown,
}
