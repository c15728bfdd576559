//! Answers in place of the upstream's, in the forms that existing MCP clients survive.
//!
//! A denied `tools/call` is a result with `isError`, so that the agent's transcript shows why; any
//! other method gets a JSON-RPC error with the identical id. Both travel as HTTP 200, because clients
//! lose the session on other statuses. What was no MCP message at all is refused on the HTTP level.

use crate::http::Reply;
use crate::json::quote;

/// Why a message was not let through, as its sender is told.
#[derive(Clone, Debug)]
pub struct Denial<'a> {
    /// One of the `CODE_*` constants.
    pub code: i32,
    /// The sentence for a person reading the agent's transcript.
    pub text: &'a str,
    /// The rule that decided.
    pub rule: &'a str,
    /// The policy's version.
    pub policy_version: &'a str,
    /// The correlation id of the audit record.
    pub correlation_id: &'a str,
    /// What would have to come with a next try: `mfa`.
    pub needs: Option<&'static str>,
    /// The approval that the call waits for.
    pub approval: Option<&'a str>,
    /// When the same message may be let through, in milliseconds from now; `None` where waiting does not help.
    pub retry_after_ms: Option<u64>,
}

impl Denial<'_> {
    /// The JSON-RPC message that answers the request `id` (raw JSON) of method `method`.
    #[must_use]
    pub fn message(&self, id: &str, method: &str) -> String {
        if method == "tools/call" { self.tool_result(id) } else { self.error(id) }
    }

    /// A `tools/call` result with `isError`; `resultType` is required by clients of 2026-07-28 and harmless to others.
    fn tool_result(&self, id: &str) -> String {
        let text = quote(self.text);
        self.result(
            id,
            &format!(r#""resultType":"complete","content":[{{"type":"text","text":{text}}}],"isError":true"#),
        )
    }

    /// A result of these members (raw JSON) and our facts.
    #[must_use]
    pub fn result(&self, id: &str, members: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{members},"_meta":{{"{META_KEY}":{}}}}}}}"#, self.facts(),)
    }

    /// A JSON-RPC error with `id` (raw JSON).
    #[must_use]
    pub fn error(&self, id: &str) -> String {
        self.error_with(id, self.code, &self.facts())
    }

    /// That a link has to be opened first (2025-11-25, "URL elicitation required").
    #[must_use]
    pub fn link(&self, id: &str, elicitation: &str, link: &str) -> String {
        let data = format!(
            r#"{{"elicitations":[{{"mode":"url","elicitationId":{},"url":{},"message":{}}}],"{META_KEY}":{}}}"#,
            quote(elicitation),
            quote(link),
            quote(self.text),
            self.facts(),
        );
        self.error_with(id, CODE_LINK, &data)
    }

    fn error_with(&self, id: &str, code: i32, data: &str) -> String {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{},"data":{data}}}}}"#,
            quote(self.text),
        )
    }

    fn facts(&self) -> String {
        let retry = self.retry_after_ms.map_or_else(String::new, |wait| format!(r#","retryAfterMs":{wait}"#));
        let needs = self.needs.map_or(String::new(), |needs| format!(",{}:\"required\"", quote(needs)));
        let approval = self.approval.map_or(String::new(), |id| format!(",\"approvalId\":{}", quote(id)));
        format!(
            r#"{{"rule":{},"policyVersion":{},"correlationId":{}{retry}{needs}{approval}}}"#,
            quote(self.rule),
            quote(self.policy_version),
            quote(self.correlation_id),
        )
    }
}

/// The JSON-RPC error for a name that does not exist, word for word what the reference servers say.
#[must_use]
pub fn not_found(id: &str, method: &str, name: &str) -> String {
    let (code, text) = match method {
        "tools/call" => (-32602, format!("Unknown tool: {name}")),
        "prompts/get" | "completion/complete" => (-32602, format!("Unknown prompt: {name}")),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" | "subscriptions/listen" => {
            (-32002, format!("Resource not found: {name}"))
        }
        _ => (-32601, "Method not found".to_owned()),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, quote(&text))
}

/// A JSON-RPC error that refuses what was no valid message; the id (raw JSON) is null where none could be
/// read (JSON-RPC 2.0 section 5).
#[must_use]
pub fn malformed(id: Option<&str>, code: i32, text: &str) -> String {
    let id = id.unwrap_or("null");
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{}}}}}"#, quote(text))
}

/// A JSON reply.
#[must_use]
pub fn json_reply(status: u16, body: String, correlation_id: &str) -> Reply {
    Reply {
        status,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-portcullis-correlation-id", correlation_id.to_owned()),
        ],
        body,
    }
}

/// A reply without a body.
#[must_use]
pub fn empty_reply(status: u16, correlation_id: &str) -> Reply {
    Reply { status, headers: vec![("x-portcullis-correlation-id", correlation_id.to_owned())], body: String::new() }
}

/// A server's request that may not reach the client, answered to the server so that it does not wait for ever.
#[must_use]
pub fn decline(id: &str, method: &str) -> String {
    match method {
        "elicitation/create" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"decline"}}}}"#),
        _ => format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{CODE_POLICY},"message":"Refused by the firewall between server and client"}}}}"#
        ),
    }
}

/// JSON-RPC: the body is no JSON (JSON-RPC 2.0 section 5.1).
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the body is no valid message (JSON-RPC 2.0 section 5.1).
pub const INVALID_REQUEST: i32 = -32600;
/// MCP 2026-07-28: a mirrored header disagrees with the body.
pub const HEADER_MISMATCH: i32 = -32020;
/// Denied by policy. Own codes lie outside the ranges that JSON-RPC and MCP reserve.
pub const CODE_POLICY: i32 = -31001;
/// A scanner blocked the content.
pub const CODE_CONTENT: i32 = -31002;
/// Approval is required.
pub const CODE_APPROVAL: i32 = -31003;
/// The server's answer was refused (malformed, too large, compressed).
pub const CODE_RESPONSE: i32 = -31004;
/// A quota is used up.
pub const CODE_QUOTA: i32 = -31005;
/// A one-time code is required.
pub const CODE_MFA: i32 = -31006;
/// MCP 2025-11-25: a link has to be opened first.
const CODE_LINK: i32 = -32042;
/// The `_meta` key of our facts in a denied tool result.
const META_KEY: &str = "dev.portcullis/decision";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_with_the_identical_id() {
        let denial = Denial {
            code: CODE_POLICY,
            text: "no \"way\"\n",
            rule: "r",
            policy_version: "v",
            correlation_id: "c",
            needs: Some("mfa"),
            approval: Some("a-1"),
            retry_after_ms: Some(1500),
        };
        for id in ["1", "\"a\\u0062\"", "1.50"] {
            for method in ["tools/call", "prompts/get", "x"] {
                for message in [denial.message(id, method), not_found(id, method, "n\"")] {
                    let _: serde_json::Value = serde_json::from_str(&message).unwrap();
                    assert!(message.contains(&format!("\"id\":{id},")));
                }
            }
        }
    }
}
