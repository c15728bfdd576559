//! The response: a JSON body judged as a whole, or a stream of events judged one by one.

use std::sync::Arc;

use super::server::Passed;
use super::stream::Stream;
use super::{Exchange, Forward, ResponseStep, State};
use crate::answer::{self, CODE_RESPONSE};
use crate::audit::{Decided, Found};
use crate::http::{self, HeaderOp, Headers, Reply};
use crate::json::{Document, Edits, Kind, Value};
use crate::mcp::{HTTP_DELETE, Message};
use crate::quota::End;
use crate::scan::{self, Context, Direction, ScanAction, Surface};

/// A response whose headers are held.
#[derive(Debug)]
pub(super) struct Held {
    status: u16,
    media_type: String,
    content_length: Option<u64>,
}

impl Exchange {
    /// Judges the response's headers. `end` says that no body follows.
    pub fn response_headers(&mut self, headers: &Headers<'_>, end: bool, now_us: u64) -> ResponseStep {
        let status = headers.get(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
        if !matches!(self.state, State::AwaitResponse) {
            return ResponseStep::Forward(Forward::default());
        }
        self.scene.upstream_status = Some(status);
        if status >= 400 {
            // Envoy answers so too where it could not reach the server, or lost it.
            self.settle_all(End::Failed, now_us);
        }
        self.renew_leases(now_us);
        if let Some(id) = headers.get("mcp-session-id") {
            // The answer to `initialize` names the session that its stream already belongs to.
            let known = &mut self.scene.session.headers;
            if known.iter().all(|(name, _)| name != "mcp-session-id") {
                known.push(("mcp-session-id".to_owned(), id.to_owned()));
                self.scene.session.issued = true;
                self.note_links(now_us);
            }
        }
        if (200..300).contains(&status) && self.calls.first().is_some_and(|call| call.method == HTTP_DELETE) {
            self.flow_session_ended(now_us);
        }
        if end {
            self.state = State::Ended;
            return ResponseStep::Forward(Forward::default());
        }
        let encoded = headers
            .items_named("content-encoding")
            .iter()
            .any(|encoding| !encoding.trim_ascii().eq_ignore_ascii_case(b"identity"));
        if encoded {
            return self.refuse_response(
                "http:content-encoding",
                "The server's answer is compressed and cannot be read",
                now_us,
            );
        }
        if headers.items_named("content-type").len() > 1 {
            return self.refuse_response("http:ambiguous-header", "The server's answer has two content types", now_us);
        }
        let media_type = http::media_type(headers.get("content-type").unwrap_or_default());
        if media_type == "text/event-stream" {
            let limits = &self.firewall.policy.config().limits;
            self.state = State::Streaming(Box::new(Stream::new(limits.max_event_bytes)));
            // The events that leave are not as long as those that came.
            return ResponseStep::Stream(vec![HeaderOp::Remove("content-length".to_owned())]);
        }
        let content_length = headers.get("content-length").and_then(|length| length.parse().ok());
        self.state = State::AwaitResponseBody(Held { status, media_type, content_length });
        if content_length.is_some_and(|length| length > self.max_body()) {
            return self.response_progress(u64::MAX, now_us);
        }
        ResponseStep::Hold
    }

    /// Tells that `received` bytes of a held response have come so far and more may follow.
    pub fn response_progress(&mut self, received: u64, now_us: u64) -> ResponseStep {
        self.renew_leases(now_us);
        match &self.state {
            State::AwaitResponseBody(_) if received > self.max_body() => {
                self.refuse_response("limits:max_body_bytes", "The server's answer is too large", now_us)
            }
            State::AwaitResponseBody(_) => ResponseStep::Hold,
            _ => ResponseStep::Forward(Forward::default()),
        }
    }

    /// Judges the complete body of a held response.
    pub fn response_body(&mut self, body: &[u8], now_us: u64) -> ResponseStep {
        let held = match std::mem::replace(&mut self.state, State::Ended) {
            State::AwaitResponseBody(held) => held,
            other => {
                self.state = other;
                return ResponseStep::Forward(Forward::default());
            }
        };
        self.scene.response_bytes = body.len() as u64;
        if body.is_empty() {
            return ResponseStep::Forward(Forward::default());
        }
        let success = (200..300).contains(&held.status);
        if held.media_type != "application/json" {
            // Servers of 2024-11-05 say "Accepted" in words; clients do not read the body of a 202.
            if success && held.status != 202 {
                return self.refuse_response(
                    "http:content-type",
                    "The server's answer is neither JSON nor a stream of events",
                    now_us,
                );
            }
            return self.judge_text(&held, body, now_us);
        }
        let document = match Document::parse(body, &self.firewall.json_limits()) {
            Ok(document) => document,
            Err(_) if !success => return self.judge_text(&held, body, now_us),
            Err(error) => {
                let reason = format!("The server's answer is no valid JSON: {error}");
                return self.refuse_response("json:strict", &reason, now_us);
            }
        };
        let mut edits = Edits::default();
        match self.judge_messages(document.root(), &mut edits, now_us) {
            Ok(Passed::Forward) => {}
            Ok(Passed::Replace(message)) => edits.replace(document.root().span(), message),
            Ok(Passed::Drop) => {
                return self.refuse_response("response:dropped", "The server's answer was withheld", now_us);
            }
            // An error of the HTTP level need not be JSON-RPC (RFC 6749 has its own shape).
            Err(_) if !success => return self.judge_text(&held, body, now_us),
            Err(reason) => return self.refuse_response("json-rpc:invalid", &reason, now_us),
        }
        if edits.is_empty() {
            return ResponseStep::Forward(Forward::default());
        }
        ResponseStep::Forward(replaced(&held, edits.apply(body)))
    }

    /// Judges the message, or each of the messages, of a body or an event.
    pub(super) fn judge_messages(&mut self, root: Value<'_>, edits: &mut Edits, now_us: u64) -> Result<Passed, String> {
        let invalid =
            |error: crate::mcp::InvalidMessage| format!("The server's message is invalid: {}", error.message());
        self.hide_credential(root, edits);
        if root.kind() != Kind::Array {
            let message = Message::from_value(root).map_err(invalid)?;
            return Ok(self.judge_server(root, &message, edits, now_us));
        }
        let mut messages = Vec::new();
        for value in root.elements() {
            messages.push((value, Message::from_value(value).map_err(invalid)?));
        }
        let mut passed = Vec::with_capacity(messages.len());
        for (value, message) in &messages {
            passed.push(self.judge_server(*value, message, edits, now_us));
        }
        if !passed.is_empty() && passed.iter().all(|passed| matches!(passed, Passed::Drop)) {
            return Ok(Passed::Drop);
        }
        let mut verdicts = passed.iter();
        edits.retain_elements(root, |_| !matches!(verdicts.next(), Some(Passed::Drop)));
        for ((value, _), passed) in messages.iter().zip(passed) {
            if let Passed::Replace(message) = passed {
                edits.replace(value.span(), message);
            }
        }
        Ok(Passed::Forward)
    }

    /// The text of an HTTP error: not MCP, but it travels to the client all the same.
    fn judge_text(&mut self, held: &Held, body: &[u8], now_us: u64) -> ResponseStep {
        let Ok(text) = std::str::from_utf8(body) else {
            return self.refuse_response("http:not-text", "The server's error is not text", now_us);
        };
        let context = Context { direction: Direction::Response, surface: Surface::Error };
        let mut findings = Vec::new();
        self.firewall.scanners.scan_text(context, text, &mut findings);
        let redacted = findings.iter().filter(|finding| finding.action == ScanAction::Redact);
        let clean = self.hide_in_text(if self.enforcing() { scan::redact(text, redacted) } else { text.to_owned() });
        let mut blocked = None;
        let enforcing = self.enforcing();
        for finding in &findings {
            if finding.action >= ScanAction::RequireApproval {
                blocked = Some(format!("{}:{}", finding.scanner, finding.rule));
            }
            if let Some(call) = self.calls.first_mut() {
                call.record.findings.push(Found {
                    scanner: finding.scanner,
                    rule: finding.rule.to_string(),
                    action: finding.action,
                    direction: Direction::Response,
                    location: "body".to_owned(),
                });
                if finding.action == ScanAction::Redact && enforcing {
                    call.record.redacted.push("body".to_owned());
                    call.record.decision = Decided::Redact;
                }
            }
        }
        match blocked {
            Some(_) if enforcing => self.refuse_response("response:content", "The server's error was withheld", now_us),
            _ if clean != text => ResponseStep::Forward(replaced(held, clean.into_bytes())),
            _ => ResponseStep::Forward(Forward::default()),
        }
    }

    /// Puts an answer of ours in place of the server's, in the form that the waiting client survives.
    pub(super) fn refuse_response(&mut self, rule: &str, reason: &str, _now_us: u64) -> ResponseStep {
        let decided = Decided::Deny;
        // What cannot be read could hold the credential that was injected.
        if !self.enforcing() && !self.is_injected() {
            for call in &mut self.calls {
                call.record.would = Some((decided, rule.to_owned()));
            }
            self.state = State::Bypass;
            return ResponseStep::Forward(Forward::default());
        }
        self.state = State::Ended;
        for call in &mut self.calls {
            call.record.decision = decided;
            call.record.rule = Arc::from(rule);
            call.record.reason = Arc::from(format!("{reason}."));
        }
        ResponseStep::Reply(self.failure_reply(rule, reason))
    }

    fn failure_reply(&self, rule: &str, reason: &str) -> Reply {
        let answers = self.pending_failures(rule, reason);
        let id = &self.scene.correlation_id;
        match answers.as_slice() {
            [] => self.plain_reply(502, &format!("{reason}."), Vec::new()),
            [only] => answer::json_reply(200, only.clone(), id),
            several => answer::json_reply(200, format!("[{}]", several.join(",")), id),
        }
    }

    /// An error for each request that still waits for its answer.
    pub(super) fn pending_failures(&self, rule: &str, reason: &str) -> Vec<String> {
        let waiting = self.calls.iter().filter_map(|call| Some((call.id.as_deref()?, call.method.as_str())));
        waiting
            .map(|(id, method)| {
                let text = self.explain("the server's answer was withheld", rule, &format!("{reason}."));
                self.denial(CODE_RESPONSE, rule, &text).message(id, method)
            })
            .collect()
    }
}

/// The new body, under its own length.
fn replaced(held: &Held, body: Vec<u8>) -> Forward {
    let headers = match held.content_length {
        Some(_) => vec![HeaderOp::Set("content-length".to_owned(), body.len().to_string())],
        None => Vec::new(),
    };
    Forward { headers, body: Some(body) }
}
