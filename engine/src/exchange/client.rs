//! One message of the client: may it go on to the server?

use std::sync::Arc;

use super::checks::{self, Called, Changes};
use super::content::{self, Content};
use super::{Call, Exchange, Question};
use crate::answer::{self, CODE_APPROVAL, CODE_CONTENT, CODE_POLICY, Denial};
use crate::audit::{Decided, Found, Record};
use crate::config::Action;
use crate::flow::Traits;
use crate::http::{self, HeaderOp};
use crate::json::{Edits, Kind, Value, quote};
use crate::mcp::{self, Capability, Message};
use crate::policy::{self, Decision};
use crate::scan::{self, Context, Direction, ScanAction, Scanners, Site, Surface};

/// Judges the messages of one request body.
pub(super) struct Client<'x> {
    pub(super) exchange: &'x Exchange,
    pub(super) edits: &'x mut Edits,
    pub(super) now_us: u64,
    pub(super) batch: bool,
    /// Strings that checks replaced, with what stands in their place.
    pub(super) masked: Vec<(String, String)>,
}

/// What becomes of one message.
#[derive(Debug)]
pub(super) enum Judged {
    /// It goes on (with the edits already noted).
    Forward,
    /// It goes nowhere and nobody waits for an answer.
    Drop,
    /// Another message goes on in its place.
    Substitute(String),
    /// The client gets `answer`.
    Refuse {
        answer: String,
        /// Sent to the server instead, where the answer cannot travel with this response.
        stand_in: Option<String>,
        /// Somebody could still let it pass.
        ask: Option<Question>,
    },
}

impl Client<'_> {
    /// Judges one message of the client, and writes its record.
    pub(super) fn judge(&mut self, value: Value<'_>, message: &Message<'_>) -> (Call, Judged) {
        let mut record = self.exchange.record(Direction::Request, self.now_us);
        let method = message.method().unwrap_or_default().to_owned();
        let mut traits = Traits::default();
        let (capability, verdict) = match message {
            Message::Request { params, .. } | Message::Notification { params, .. } => {
                self.judge_call(value, message, &method, *params, &mut traits, &mut record)
            }
            Message::Result { .. } | Message::Error { .. } => self.judge_answer(value, message, &mut record),
        };
        record.method = match capability {
            _ if method.is_empty() => "response".to_owned(),
            Capability::Unknown => self.recordable(&method),
            _ => method.clone(),
        };
        record.capability = capability.as_str();
        let id = match message {
            Message::Request { id, .. } => Some(id.raw().to_owned()),
            _ => None,
        };
        (Call { id, method, record, traits }, verdict)
    }

    /// Scans mirrored argument headers of a single message: where the argument was redacted, the
    /// header must be too.
    pub(super) fn scan_mirrored(
        &mut self,
        params: &[(String, Option<String>)],
        call: &mut Call,
        verdict: &mut Judged,
    ) -> Vec<HeaderOp> {
        let mut ops = Vec::new();
        if !matches!(verdict, Judged::Forward) {
            return ops;
        }
        for (name, value) in params {
            let Some(value) = value else { continue };
            if let Some((_, placeholder)) = self.masked.iter().find(|(masked, _)| masked == value) {
                call.record.redacted.push(name.clone());
                ops.push(HeaderOp::Set(name.clone(), http::encode_mirrored(placeholder)));
                continue;
            }
            let context = Context { direction: Direction::Request, surface: Surface::Header };
            let tool = call.record.name.clone();
            let principal = Some(&self.exchange.scene.principal);
            let site = Site {
                context,
                tool: tool.as_deref(),
                principal: principal.map(|shared| &**shared),
                base: name,
                suppress: self.exchange.firewall.suppressions(&call.record.rule),
            };
            let mut findings = Vec::new();
            self.exchange.firewall.scanners.scan_text(site, value, &mut findings);
            for finding in &mut findings {
                content::name_value(self.exchange, Some(value), finding);
            }
            for finding in &findings {
                call.record.findings.push(Found {
                    scanner: finding.scanner,
                    rule: finding.rule.to_string(),
                    action: finding.action,
                    direction: Direction::Request,
                    location: name.clone(),
                });
                if self.exchange.enforcing() && finding.action >= ScanAction::RequireApproval {
                    let id = call.id.clone().unwrap_or_default();
                    let block = content::Block {
                        rule: format!("{}:{}", finding.scanner, finding.rule),
                        location: name.clone(),
                        ask: false,
                    };
                    let exception = Scanners::exception(finding, tool.as_deref(), name);
                    call.record.exception = Some(format!("{{\"suppress\":[{exception}]}}"));
                    let method = call.method.clone();
                    *verdict = self.refuse_content(&id, &method, &block, &mut call.record);
                    return Vec::new();
                }
            }
            let redacted = findings.iter().filter(|finding| finding.action == ScanAction::Redact);
            let clean = if self.exchange.enforcing() { scan::redact(value, redacted) } else { value.clone() };
            if clean != *value {
                call.record.redacted.push(name.clone());
                ops.push(HeaderOp::Set(name.clone(), http::encode_mirrored(&clean)));
            }
        }
        ops
    }

    fn judge_call(
        &mut self,
        value: Value<'_>,
        message: &Message<'_>,
        method: &str,
        params: Option<Value<'_>>,
        traits: &mut Traits,
        record: &mut Record,
    ) -> (Capability, Judged) {
        let mut capability = Capability::of_client_method(method);
        let id = match message {
            Message::Request { id, .. } => Some(id.raw()),
            _ => None,
        };
        let arguments = mcp::arguments(method, params);
        self.describe_input(arguments, record);
        let names = match mcp::names(method, params) {
            Ok(names) => names,
            Err(_) if !self.exchange.enforcing() => {
                record.would = Some((Decided::Malformed, "json-rpc:invalid".to_owned()));
                return (capability, Judged::Forward);
            }
            Err(error) => {
                record.decision = Decided::Malformed;
                record.rule = Arc::from("json-rpc:invalid");
                record.reason = Arc::from(error.message());
                let text = format!("Invalid params: {}", error.message());
                let denial = self.exchange.denial(INVALID_PARAMS, "json-rpc:invalid", &text);
                return (capability, refuse_with(id, denial.error(id.unwrap_or("null"))));
            }
        };
        if method == "subscriptions/listen" && !names.is_empty() {
            capability = Capability::Resource;
        }
        record.name = names.first().map(|name| self.recordable(name));
        let mut decision = self.decide(method, capability, &names, arguments);
        if decision.lets_through() {
            *traits = self.exchange.flow_traits(method, capability, &names, arguments, self.now_us);
            let called =
                Called { method, capability, names: &names, arguments, message: value, traits, now_us: self.now_us };
            let mut changes = Changes::new(self.edits, &mut self.masked);
            decision = checks::restrict(decision, self.exchange.check_call(&called, &mut changes, record));
        }
        note(record, &decision);
        if decision.lets_through() && !record.redacted.is_empty() {
            record.decision = Decided::Redact;
        }
        match decision.action {
            Action::Deny | Action::RequireApproval => {
                let Some(id) = id else { return (capability, Judged::Drop) };
                (capability, self.refuse_call(id, method, capability, record, &decision))
            }
            Action::Allow | Action::LogOnly => {
                let found = self.scan(value, Surface::Arguments, record);
                let verdict = match (found, id) {
                    (Content::Clean, _) => {
                        if self.exchange.scene.old_transport {
                            // Its answer comes by a stream that does not say what it answers.
                            self.exchange.flow_expect(traits, self.now_us);
                        }
                        Judged::Forward
                    }
                    (Content::Blocked(block), Some(id)) => self.refuse_content(id, method, &block, record),
                    (Content::Blocked(block), None) => {
                        self.note_block(&block, record);
                        Judged::Drop
                    }
                };
                (capability, verdict)
            }
        }
    }

    /// A client's answer to a request of the server. It is allowed where the request was, which the
    /// stream that carried it decided; its content is scanned like any other.
    fn judge_answer(&mut self, value: Value<'_>, message: &Message<'_>, record: &mut Record) -> (Capability, Judged) {
        let capability = match message {
            Message::Result { result, .. } => answered_capability(*result),
            _ => Capability::Protocol,
        };
        let decision = self.decide(answered_method(capability), capability, &[], None);
        note(record, &decision);
        let id = message.id().map_or("null", Value::raw);
        if !decision.action.lets_through() {
            return (capability, Judged::Substitute(answer::decline(id, "")));
        }
        match self.scan(value, Surface::ClientResult, record) {
            Content::Clean => (capability, Judged::Forward),
            Content::Blocked(block) => {
                self.note_block(&block, record);
                (capability, Judged::Substitute(answer::decline(id, "")))
            }
        }
    }

    /// The most restrictive decision over all names.
    fn decide(
        &self,
        method: &str,
        capability: Capability,
        names: &[std::borrow::Cow<'_, str>],
        arguments: Option<Value<'_>>,
    ) -> Decision {
        let decide = |name: Option<&str>| {
            let call = policy::Call { server: &self.exchange.scene.server, method, capability, name, arguments };
            self.exchange.firewall.policy.decide(&self.exchange.scene.principal, &call)
        };
        let mut names = names.iter();
        let mut worst = decide(names.next().map(AsRef::as_ref));
        for name in names {
            let next = decide(Some(name));
            if next.action > worst.action {
                worst = next;
            }
        }
        worst
    }

    fn describe_input(&self, arguments: Option<Value<'_>>, record: &mut Record) {
        let Some(arguments) = arguments else { return };
        let keys = arguments.members().filter_map(|(key, _)| key.as_str());
        record.argument_keys = keys.map(|key| self.recordable(&key)).collect();
        record.argument_keys.sort_unstable();
        record.input_hash = Some(self.exchange.firewall.input_hash(arguments.raw()));
    }

    fn recordable(&self, name: &str) -> String {
        content::recordable(self.exchange, Direction::Request, name)
    }

    /// Scans every string of a message, keys included.
    fn scan(&mut self, value: Value<'_>, surface: Surface, record: &mut Record) -> Content {
        let context = Context { direction: Direction::Request, surface };
        content::scan(self.exchange, context, value, &mut [], self.edits, record)
    }

    /// The answer to a call that policy refuses or wants approved.
    fn refuse_call(
        &self,
        id: &str,
        method: &str,
        capability: Capability,
        record: &Record,
        decision: &Decision,
    ) -> Judged {
        let shown = self.recordable(method);
        let name = record.name.as_deref().unwrap_or(&shown);
        if decision.action == Action::Deny && decision.hide {
            let answer = answer::not_found(id, method, name);
            return self.refusal(id, method, record, answer, None);
        }
        let what = if capability == Capability::Unknown || record.name.is_none() {
            format!("method \"{shown}\" was refused")
        } else {
            format!("{} \"{name}\" was refused", capability.as_str())
        };
        let (code, ask, reason) = if decision.action == Action::RequireApproval {
            let question = Question::Approval { rule: decision.rule.to_string(), name: record.name.clone() };
            let reason =
                format!("It needs an approval, and the approval service is not configured. {}", decision.reason);
            (CODE_APPROVAL, Some(question), reason)
        } else {
            (CODE_POLICY, None, decision.reason.to_string())
        };
        let text = self.exchange.explain(&what, &decision.rule, &reason);
        let answer = self.exchange.denial(code, &decision.rule, &text).message(id, method);
        self.refusal(id, method, record, answer, if self.batch { None } else { ask })
    }

    fn refuse_content(&self, id: &str, method: &str, block: &content::Block, record: &mut Record) -> Judged {
        self.note_block(block, record);
        let text = self.exchange.explain(
            "the message holds content that may not be sent",
            &block.rule,
            &format!("Found at {}.", if block.location.is_empty() { "/" } else { &block.location }),
        );
        let denial = Denial {
            code: if block.ask { CODE_APPROVAL } else { CODE_CONTENT },
            ..self.exchange.denial(CODE_CONTENT, &block.rule, &text)
        };
        let answer = denial.message(id, method);
        let ask = (block.ask && !self.batch)
            .then(|| Question::Approval { rule: block.rule.clone(), name: record.name.clone() });
        self.refusal(id, method, record, answer, ask)
    }

    fn refusal(&self, id: &str, method: &str, record: &Record, answer: String, ask: Option<Question>) -> Judged {
        let stand_in = self.exchange.scene.old_transport.then(|| stand_in(id, method, record));
        Judged::Refuse { answer, stand_in, ask }
    }

    fn note_block(&self, block: &content::Block, record: &mut Record) {
        record.decision = if block.ask { Decided::RequireApproval } else { Decided::Deny };
        record.rule = Arc::from(block.rule.as_str());
        record.reason = Arc::from("A scanner found content that may not be sent.");
    }
}

/// A client of 2024-11-05 reads answers only from its stream. In place of the refused call the server gets
/// one that it does not know, under the same id, so that its error reaches the client there. The name
/// says what happened, for servers repeat it in their error; no argument travels.
fn stand_in(id: &str, method: &str, record: &Record) -> String {
    if method == "tools/call" {
        let name = format!("(refused by Portcullis, rule {}, {})", record.rule, record.correlation_id);
        return format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":{},"arguments":{{}}}}}}"#,
            quote(&name)
        );
    }
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"portcullis/refused"}}"#)
}

fn refuse_with(id: Option<&str>, answer: String) -> Judged {
    match id {
        Some(_) => Judged::Refuse { answer, stand_in: None, ask: None },
        None => Judged::Drop,
    }
}

/// Which request of the server a result answers, by its shape: the id alone does not say.
fn answered_capability(result: Value<'_>) -> Capability {
    if result.kind() != Kind::Object {
        return Capability::Unknown;
    }
    let has = |key: &str| result.get(key).is_some();
    if has("roots") {
        Capability::Roots
    } else if has("action") {
        Capability::Elicitation
    } else if has("role") || has("model") {
        Capability::Sampling
    } else {
        Capability::Protocol
    }
}

fn answered_method(capability: Capability) -> &'static str {
    match capability {
        Capability::Roots => "roots/list",
        Capability::Elicitation => "elicitation/create",
        Capability::Sampling => "sampling/createMessage",
        _ => "response",
    }
}

/// Writes a decision of the policy into a record.
pub(super) fn note(record: &mut Record, decision: &Decision) {
    record.decision = decided(decision.action);
    record.rule = Arc::clone(&decision.rule);
    record.reason = Arc::clone(&decision.reason);
    record.would = decision.would.as_ref().map(|would| (decided(would.action), would.rule.to_string()));
}

pub(super) fn decided(action: Action) -> Decided {
    match action {
        Action::Allow => Decided::Allow,
        Action::LogOnly => Decided::LogOnly,
        Action::RequireApproval => Decided::RequireApproval,
        Action::Deny => Decided::Deny,
    }
}

/// JSON-RPC: invalid params (JSON-RPC 2.0 section 5.1).
const INVALID_PARAMS: i32 = -32602;
