//! MCP on the wire: revisions, messages, and which capability a method touches.
//!
//! Source: the specification's revisions 2024-11-05 to 2026-07-28, and JSON-RPC 2.0.

use std::borrow::Cow;

use serde::Serialize;

use crate::config::Settings;
use crate::json::{Kind, Value};

/// One JSON-RPC message of MCP.
#[derive(Clone, Debug)]
pub enum Message<'d> {
    /// A call that expects an answer.
    Request {
        /// The id, a string or a number.
        id: Value<'d>,
        /// The method name.
        method: Cow<'d, str>,
        /// The parameters, an object.
        params: Option<Value<'d>>,
    },
    /// A message without an answer.
    Notification {
        /// The method name.
        method: Cow<'d, str>,
        /// The parameters, an object.
        params: Option<Value<'d>>,
    },
    /// A successful answer.
    Result {
        /// The id of the request it answers.
        id: Value<'d>,
        /// The result.
        result: Value<'d>,
    },
    /// A failure.
    Error {
        /// The id of the request it answers; null where the peer could not read one.
        id: Option<Value<'d>>,
        /// The error object.
        error: Value<'d>,
    },
}

impl<'d> Message<'d> {
    /// Reads one message from an object.
    ///
    /// # Errors
    /// [`InvalidMessage`] where the object is not exactly one kind of JSON-RPC 2.0 message, or where
    /// another parser might read another kind in it.
    pub fn from_value(value: Value<'d>) -> Result<Self, InvalidMessage> {
        if value.kind() != Kind::Object {
            return Err(InvalidMessage::NotAnObject);
        }
        let [version, id, method, params, result, error] = members(value, &ENVELOPE)?;
        if !version.is_some_and(|version| version.is_str("2.0")) {
            return Err(InvalidMessage::NotJsonRpc2);
        }
        let usable = |id: Value<'d>| matches!(id.kind(), Kind::String | Kind::Number).then_some(id);
        match (method, result, error) {
            (Some(method), None, None) => {
                let method = method.as_str().ok_or(InvalidMessage::MethodNotAString)?;
                if let Some(params) = params {
                    if params.kind() != Kind::Object {
                        return Err(InvalidMessage::ParamsNotAnObject);
                    }
                    members(params, &PARAMETERS)?;
                }
                match id {
                    None => Ok(Self::Notification { method, params }),
                    Some(id) => {
                        let id = usable(id).ok_or(InvalidMessage::InvalidId)?;
                        Ok(Self::Request { id, method, params })
                    }
                }
            }
            (None, Some(result), None) => {
                let id = id.and_then(usable).ok_or(InvalidMessage::InvalidId)?;
                Ok(Self::Result { id, result })
            }
            (None, None, Some(error)) => {
                if error.kind() != Kind::Object {
                    return Err(InvalidMessage::NotOneKind);
                }
                Ok(Self::Error { id: id.and_then(usable), error })
            }
            _ => Err(InvalidMessage::NotOneKind),
        }
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Result { .. } | Self::Error { .. } => None,
        }
    }

    /// The parameters of a request or notification.
    #[must_use]
    pub fn params(&self) -> Option<Value<'d>> {
        match self {
            Self::Request { params, .. } | Self::Notification { params, .. } => *params,
            Self::Result { .. } | Self::Error { .. } => None,
        }
    }

    /// The id, where there is one.
    #[must_use]
    pub fn id(&self) -> Option<Value<'d>> {
        match self {
            Self::Request { id, .. } | Self::Result { id, .. } => Some(*id),
            Self::Error { id, .. } => *id,
            Self::Notification { .. } => None,
        }
    }
}

/// The members of those names, in their order. Some JSON libraries match member names without regard to case, so
/// `"Method"` beside `"method"` would be one message to us and another to the server: such a name is refused.
fn members<'d, const N: usize>(object: Value<'d>, names: &[&str; N]) -> Result<[Option<Value<'d>>; N], InvalidMessage> {
    let mut found = [None; N];
    for (key, value) in object.members() {
        let written = key.as_str().unwrap_or_default();
        let alike = names.iter().zip(&mut found).find(|(name, _)| written.eq_ignore_ascii_case(name));
        if let Some((name, slot)) = alike {
            if written != *name {
                return Err(InvalidMessage::AmbiguousKey);
            }
            *slot = Some(value);
        }
    }
    Ok(found)
}

/// Why an object is no MCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidMessage {
    /// The value is no object (or, where batches are allowed, no array of objects).
    NotAnObject,
    /// `jsonrpc` is missing or not "2.0".
    NotJsonRpc2,
    /// `method` is no string.
    MethodNotAString,
    /// `params` is no object.
    ParamsNotAnObject,
    /// `id` is neither a string nor a number.
    InvalidId,
    /// Not exactly one of `method`, `result`, `error`.
    NotOneKind,
    /// A member name differs from a name of the protocol only in case.
    AmbiguousKey,
    /// A batch in a revision that has none.
    BatchNotAllowed,
    /// An empty batch, or one in which two requests share an id.
    InvalidBatch,
    /// The method needs a name or URI and has none.
    MissingName,
}

impl InvalidMessage {
    /// One short sentence for people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::NotAnObject => "the body is not a JSON-RPC message",
            Self::NotJsonRpc2 => "`jsonrpc` must be \"2.0\"",
            Self::MethodNotAString => "`method` must be a string",
            Self::ParamsNotAnObject => "`params` must be an object",
            Self::InvalidId => "`id` must be a string or a number",
            Self::NotOneKind => "a message has exactly one of `method`, `result` and `error`",
            Self::AmbiguousKey => "a member name differs from one of the protocol only in case",
            Self::BatchNotAllowed => "this protocol revision has no batches",
            Self::InvalidBatch => "the batch is empty, too long, or repeats an id",
            Self::MissingName => "the method needs a name or a URI",
        }
    }
}

/// The specification's revisions, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// HTTP+SSE with two endpoints.
    V2024_11_05,
    /// Streamable HTTP, batches.
    V2025_03_26,
    /// No batches, `MCP-Protocol-Version`, structured content, elicitation.
    V2025_06_18,
    /// Icons, URL elicitation, tasks.
    V2025_11_25,
    /// Stateless: `_meta` per request, mirrored headers, `input_required` results.
    V2026_07_28,
}

impl Revision {
    /// Reads a revision by its date; `None` for one this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "2024-11-05" => Some(Self::V2024_11_05),
            "2025-03-26" => Some(Self::V2025_03_26),
            "2025-06-18" => Some(Self::V2025_06_18),
            "2025-11-25" => Some(Self::V2025_11_25),
            "2026-07-28" => Some(Self::V2026_07_28),
            _ => None,
        }
    }

    /// True where a JSON array of messages is a valid body. An unknown revision is taken as a newer one.
    #[must_use]
    pub fn has_batches(revision: Option<Self>) -> bool {
        matches!(revision, Some(Self::V2024_11_05 | Self::V2025_03_26))
    }
}

/// What a message makes use of; what policy rules match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Settings)]
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

impl Capability {
    /// The capability a client's message touches.
    #[must_use]
    pub fn of_client_method(method: &str) -> Self {
        match method {
            "tools/call" => Self::Tool,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Self::Resource,
            "prompts/get" => Self::Prompt,
            "completion/complete" => Self::Completion,
            "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => Self::List,
            "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" | "tasks/update" => Self::Task,
            "initialize"
            | "ping"
            | "server/discover"
            | "logging/setLevel"
            | "subscriptions/listen"
            | "notifications/initialized"
            | "notifications/cancelled"
            | "notifications/progress"
            | "notifications/roots/list_changed"
            | "notifications/tasks/status"
            | HTTP_STREAM
            | HTTP_DELETE => Self::Protocol,
            _ => Self::Unknown,
        }
    }

    /// The capability a server's request or notification touches.
    #[must_use]
    pub fn of_server_method(method: &str) -> Self {
        match method {
            "sampling/createMessage" => Self::Sampling,
            "elicitation/create" => Self::Elicitation,
            "roots/list" => Self::Roots,
            "tasks/get" | "tasks/result" | "tasks/list" | "tasks/cancel" => Self::Task,
            "ping"
            | "notifications/message"
            | "notifications/progress"
            | "notifications/cancelled"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/elicitation/complete"
            | "notifications/tasks"
            | "notifications/tasks/status"
            | "notifications/subscriptions/acknowledged" => Self::Protocol,
            _ => Self::Unknown,
        }
    }

    /// The word used in configuration, audit records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
            Self::Completion => "completion",
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Roots => "roots",
            Self::Task => "task",
            Self::List => "list",
            Self::Protocol => "protocol",
            Self::Unknown => "unknown",
        }
    }
}

/// What a client's call names: the tool, prompt, resource, template or task; several for a subscription.
///
/// Without a name a call to a tool, a prompt or a resource is nothing anybody could have allowed. Other methods go by the
/// rules that ask for no name, and the server says what it misses: which of them it has differs by revision.
///
/// # Errors
/// [`InvalidMessage::MissingName`] where the method cannot be judged without a name and has none.
pub fn names<'d>(method: &str, params: Option<Value<'d>>) -> Result<Vec<Cow<'d, str>>, InvalidMessage> {
    let member = |key: &str| params.and_then(|params| params.get(key)).and_then(Value::as_str);
    let required = |name: Option<Cow<'d, str>>| name.map(|name| vec![name]).ok_or(InvalidMessage::MissingName);
    match method {
        "tools/call" | "prompts/get" => required(member("name")),
        "resources/read" => required(member("uri")),
        "resources/subscribe" | "resources/unsubscribe" => Ok(member("uri").into_iter().collect()),
        "completion/complete" => {
            let reference = params.and_then(|params| params.get("ref"));
            let name = |key: &str| reference.and_then(|reference| reference.get(key)).and_then(Value::as_str);
            Ok(name("name").or_else(|| name("uri")).into_iter().collect())
        }
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => Ok(member("taskId").into_iter().collect()),
        "subscriptions/listen" => {
            let places = [params, params.and_then(|params| params.get("notifications"))];
            let lists = places.iter().flatten().filter_map(|place| place.get("resourceSubscriptions"));
            lists.flat_map(Value::elements).map(|uri| uri.as_str().ok_or(InvalidMessage::MissingName)).collect()
        }
        _ => Ok(Vec::new()),
    }
}

/// The arguments that predicates and scanners look at.
#[must_use]
pub fn arguments<'d>(method: &str, params: Option<Value<'d>>) -> Option<Value<'d>> {
    match method {
        "tools/call" | "prompts/get" => params.and_then(|params| params.get("arguments")),
        _ => params,
    }
}

/// The protocol revision a stateless request declares in `_meta` (2026-07-28 and later).
#[must_use]
pub fn declared_revision<'d>(params: Option<Value<'d>>) -> Option<Cow<'d, str>> {
    params?.get("_meta")?.get("io.modelcontextprotocol/protocolVersion")?.as_str()
}

/// What policy sees as the method of a GET that opens or resumes a stream.
pub const HTTP_STREAM: &str = "http/stream";
/// What policy sees as the method of a DELETE that ends a session.
pub const HTTP_DELETE: &str = "http/delete";

/// Member names of the JSON-RPC envelope.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// Member names of `params` that decide what a call is.
const PARAMETERS: [&str; 6] = ["name", "uri", "arguments", "ref", "taskId", "_meta"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn check(text: &str) -> Result<&'static str, InvalidMessage> {
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        Message::from_value(doc.root()).map(|message| match message {
            Message::Request { .. } => "request",
            Message::Notification { .. } => "notification",
            Message::Result { .. } => "result",
            Message::Error { .. } => "error",
        })
    }

    #[test]
    fn reads_each_kind_of_message() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Ok("request")),
            (r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x"}}"#, Ok("request")),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, Ok("notification")),
            (r#"{"result":{},"jsonrpc":"2.0","id":1}"#, Ok("result")),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#, Ok("error")),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Err(InvalidMessage::NotJsonRpc2)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Err(InvalidMessage::InvalidId)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Err(InvalidMessage::InvalidId)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, Err(InvalidMessage::NotOneKind)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Err(InvalidMessage::NotOneKind)),
            (r#"{"jsonrpc":"2.0","id":1}"#, Err(InvalidMessage::NotOneKind)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#, Err(InvalidMessage::AmbiguousKey)),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","NAME":"b"}}"#,
                Err(InvalidMessage::AmbiguousKey),
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, Err(InvalidMessage::ParamsNotAnObject)),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Err(InvalidMessage::MethodNotAString)),
            ("[]", Err(InvalidMessage::NotAnObject)),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }
}
