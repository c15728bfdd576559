//! One message of the client: may it go on to the server?

use std::sync::Arc;

use super::ask::{CONTENT, Pending};
use super::check_obligations::SecondFactor;
use super::checks::{self, Called, Ruling};
use super::content::{self, Content};
use super::request::reads_as;
use super::{Ask, Call, Exchange, form};
use crate::answer::{self, CODE_CONTENT, CODE_MFA, CODE_POLICY, Denial};
use crate::audit::{Decided, Found, Record};
use crate::config::Action;
use crate::flow::Traits;
use crate::http::{self, HeaderOp};
use crate::json::{Document, Edits, Kind, Value, quote};
use crate::mcp::{self, Capability, Message};
use crate::obligations::{Code, Held, MFA_META};
use crate::policy::{self, Decision};
use crate::quota::Charge;
use crate::scan::{self, Context, Direction, ScanAction, Scanners, Site, Surface};
use crate::sort::Arrange;

/// Judges the messages of one request body.
pub(super) struct Client<'x> {
    pub(super) exchange: &'x Exchange,
    pub(super) edits: &'x mut Edits,
    pub(super) now_us: u64,
    pub(super) batch: bool,
    /// The one-time code of the request's header; the inner `None` is something that is none.
    pub(super) code: Option<&'x Option<Code>>,
    /// The obligations that hold for the message that is judged.
    pub(super) held: Held,
    /// What the message that is being judged counts for.
    pub(super) charge: Charge,
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
        /// Who could still let it pass.
        ask: Option<Box<Ask>>,
    },
}

impl Client<'_> {
    /// Judges one message of the client, and writes its record.
    pub(super) fn judge(&mut self, value: Value<'_>, message: &Message<'_>) -> (Call, Judged) {
        let mut record = self.exchange.record(Direction::Request, self.now_us);
        let method = message.method().unwrap_or_default().to_owned();
        self.strip_code(value);
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
        let shows_links = form::shows_links(&method, message.params());
        let call = Call {
            id,
            method,
            capability,
            record,
            traits,
            charge: std::mem::take(&mut self.charge),
            held: std::mem::take(&mut self.held),
            shows_links,
        };
        (call, verdict)
    }

    /// A one-time code is for us alone: it goes no further, whether it was asked for or not.
    fn strip_code(&mut self, message: Value<'_>) {
        for place in ["params", "result"] {
            if let Some(meta) = message.get(place).and_then(|value| value.get("_meta")) {
                self.edits.retain_members(meta, |key| !key.is_str(MFA_META));
            }
        }
    }

    /// Scans mirrored argument headers of a single message: where the argument was redacted, the
    /// header must be too.
    pub(super) fn scan_mirrored(
        &mut self,
        params: &[(String, Option<String>)],
        arguments: Option<Value<'_>>,
        call: &mut Call,
        verdict: &mut Judged,
    ) -> Vec<HeaderOp> {
        let mut ops = Vec::new();
        match verdict {
            Judged::Forward => {}
            // Somebody may still let it pass.
            Judged::Refuse { ask: Some(_), .. } => {}
            Judged::Refuse { .. } | Judged::Drop | Judged::Substitute(_) => return ops,
        }
        for (name, value) in params {
            let Some(value) = value else { continue };
            if let Some(op) = arguments.and_then(|arguments| self.mirrored_edit(arguments, name, value)) {
                call.record.redacted.push(name.clone());
                ops.push(op);
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

    /// What becomes of a header that mirrors an argument which was edited.
    fn mirrored_edit(&self, arguments: Value<'_>, name: &str, mirrored: &str) -> Option<HeaderOp> {
        let value = scalars(arguments).find(|value| reads_as(*value, mirrored))?;
        let span = value.span();
        let clean = match self.edits.within(&span) {
            Some(edits) if edits.is_empty() => return None,
            Some(edits) => edits.apply(value.raw().as_bytes()),
            None => Vec::new(),
        };
        let limits = self.exchange.firewall.json_limits();
        let document = Document::parse(&clean, &limits).ok();
        let text = document.as_ref().and_then(|document| document.root().as_str());
        Some(match text {
            Some(text) => HeaderOp::Set(name.to_owned(), http::encode_mirrored(&text)),
            None => HeaderOp::Remove(name.to_owned()),
        })
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
        let names = mcp::names(method, params);
        let name = names.as_ref().ok().and_then(|names| names.first()).map(AsRef::as_ref);
        let stopped = self.exchange.stopped(method, capability, name, self.now_us);
        let scoped = self.exchange.scoped(method, capability, name);
        if let Some(Ruling { verdict, shadow: false, .. }) = &stopped {
            record.name = name.map(|name| self.recordable(name));
            let (action, rule, reason) = (verdict.action, verdict.rule.clone(), verdict.reason.clone());
            let decision = Decision { action, rule, reason, hide: false, would: None };
            note(record, &decision);
            let refuse = |id| self.refuse_call(id, method, capability, record, &decision, &SecondFactor::NotNeeded);
            return (capability, id.map_or(Judged::Drop, refuse));
        }
        let names = match names {
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
        let decision = self.decide(method, capability, &names, arguments);
        let mut decision = checks::restrict(decision, stopped.into_iter().chain(scoped));
        let mut factor = SecondFactor::NotNeeded;
        // An approval may still come: what checks refuse, nobody is asked about.
        if decision.action != Action::Deny {
            let (principal, server) = (&self.exchange.scene.principal, &self.exchange.scene.server);
            let obligations = &self.exchange.firewall.obligations;
            self.held = obligations.holding(
                principal,
                server,
                method,
                capability,
                &names,
                arguments,
                &self.exchange.moment(self.now_us),
            );
            *traits = self.exchange.flow_traits(method, capability, &names, arguments, self.now_us);
            let (held, now_us) = (&self.held, self.now_us);
            let called = Called {
                method,
                capability,
                names: &names,
                arguments,
                message: value,
                held,
                traits,
                again: false,
                now_us,
            };
            decision = checks::restrict(decision, self.exchange.check_call(&called, self.edits, record));
            factor = self.exchange.second_factor(held, self.code, params, record);
            if let SecondFactor::Missing(ruling) = &factor {
                decision = checks::restrict(decision, [ruling.clone()]);
            }
        }
        if decision.action != Action::Deny {
            self.charge = self.exchange.charge(method, capability, &names, arguments, self.now_us);
            decision = checks::restrict(decision, self.exchange.quota_room(&self.charge));
            if self.batch && self.charge.asks() == Some(false) {
                self.charge.waive();
            }
        }
        note(record, &decision);
        match decision.action {
            Action::Deny => {
                let Some(id) = id else { return (capability, Judged::Drop) };
                (capability, self.refuse_call(id, method, capability, record, &decision, &factor))
            }
            Action::Allow | Action::LogOnly | Action::RequireApproval => {
                let facts = self.exchange.facts(method, capability, &names, arguments);
                let facts = (facts, &*traits);
                let found = self.scan(value, Surface::Arguments, record);
                let pending = |id, block| Pending {
                    id,
                    method,
                    capability,
                    names: &names,
                    params,
                    decision: &decision,
                    factor: &factor,
                    block,
                    traits,
                };
                let verdict = match (found, id) {
                    (Content::Clean, Some(id)) => self.ask(&pending(id, None), record),
                    (Content::Clean, None) if !decision.lets_through() => Judged::Drop,
                    (Content::Clean, None) if matches!(factor, SecondFactor::Given(..)) => Judged::Drop,
                    // Nobody waits for its answer, so it cannot be held.
                    (Content::Clean, None) if !self.goes_uncounted(record) => Judged::Drop,
                    (Content::Clean, None) if !self.goes_unknown(&facts, record) => Judged::Drop,
                    (Content::Clean, None) if self.exchange.wants_intent(capability) => {
                        record.decision = Decided::Deny;
                        record.rule = Arc::from("audit:durable");
                        record.reason = Arc::from("A notification cannot wait for its audit record.");
                        Judged::Drop
                    }
                    (Content::Clean, None) => Judged::Forward,
                    (Content::Blocked(block), Some(id)) if block.ask => self.ask(&pending(id, Some(&block)), record),
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
        let method = answered_method(capability);
        let decision = self.decide(method, capability, &[], None);
        let stopped = self.exchange.stopped(method, capability, None, self.now_us);
        let scoped = self.exchange.scoped(method, Capability::Protocol, None);
        let decision = checks::restrict(decision, stopped.into_iter().chain(scoped));
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
    pub(super) fn decide(
        &self,
        method: &str,
        capability: Capability,
        names: &[std::borrow::Cow<'_, str>],
        arguments: Option<Value<'_>>,
    ) -> Decision {
        let moment = self.exchange.moment(self.now_us);
        let decide = |name: Option<&str>| {
            let call = policy::Call { server: &self.exchange.scene.server, method, capability, name, arguments };
            self.exchange.firewall.policy.decide_at(&self.exchange.scene.principal, &call, &moment)
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
        record.argument_keys.arrange();
        record.input_hash = Some(self.exchange.firewall.input_hash(arguments.raw()));
    }

    pub(super) fn recordable(&self, name: &str) -> String {
        content::recordable(self.exchange, Direction::Request, name)
    }

    /// Scans every string of a message, keys included.
    fn scan(&mut self, value: Value<'_>, surface: Surface, record: &mut Record) -> Content {
        let context = Context { direction: Direction::Request, surface };
        content::scan(self.exchange, context, value, &mut [], &self.held, self.edits, record)
    }

    /// The answer to a call that is refused.
    fn refuse_call(
        &self,
        id: &str,
        method: &str,
        capability: Capability,
        record: &Record,
        decision: &Decision,
        factor: &SecondFactor,
    ) -> Judged {
        if decision.hide {
            let shown = self.recordable(method);
            let answer = answer::not_found(id, method, record.name.as_deref().unwrap_or(&shown));
            return self.refusal(id, method, record, answer, None);
        }
        let (code, needs) = match factor {
            SecondFactor::Missing(ruling) if ruling.verdict.rule == decision.rule => (CODE_MFA, NEEDS_MFA),
            _ => (CODE_POLICY, None),
        };
        let what = self.refused(method, capability, record);
        let text = self.exchange.explain(&what, &decision.rule, &decision.reason);
        let answer = Denial { needs, ..self.exchange.denial(code, &decision.rule, &text) }.message(id, method);
        self.refusal(id, method, record, answer, None)
    }

    /// What was refused, for a person.
    pub(super) fn refused(&self, method: &str, capability: Capability, record: &Record) -> String {
        match record.name.as_deref() {
            Some(name) if capability != Capability::Unknown => {
                format!("{} \"{name}\" was refused", capability.as_str())
            }
            _ => format!("method \"{}\" was refused", self.recordable(method)),
        }
    }

    fn refuse_content(&self, id: &str, method: &str, block: &content::Block, record: &mut Record) -> Judged {
        self.note_block(block, record);
        let text = self.exchange.explain(
            CONTENT,
            &block.rule,
            &format!("Found at {}.", if block.location.is_empty() { "/" } else { &block.location }),
        );
        let answer = self.exchange.denial(CODE_CONTENT, &block.rule, &text).message(id, method);
        self.refusal(id, method, record, answer, None)
    }

    pub(super) fn refusal(
        &self,
        id: &str,
        method: &str,
        record: &Record,
        answer: String,
        ask: Option<Box<Ask>>,
    ) -> Judged {
        let stand_in = self.exchange.scene.old_transport.then(|| stand_in(id, method, record));
        Judged::Refuse { answer, stand_in, ask }
    }

    pub(super) fn note_block(&self, block: &content::Block, record: &mut Record) {
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
    record.decision = match decided(decision.action) {
        Decided::Allow | Decided::LogOnly if !record.redacted.is_empty() => Decided::Redact,
        decided => decided,
    };
    record.rule = Arc::clone(&decision.rule);
    record.reason = Arc::clone(&decision.reason);
    if let Some(would) = &decision.would {
        record.would = Some((decided(would.action), would.rule.to_string()));
    }
}

pub(super) fn decided(action: Action) -> Decided {
    match action {
        Action::Allow => Decided::Allow,
        Action::LogOnly => Decided::LogOnly,
        Action::RequireApproval => Decided::RequireApproval,
        Action::Deny => Decided::Deny,
    }
}

/// The strings, numbers and booleans within a value.
fn scalars<'d>(value: Value<'d>) -> Box<dyn Iterator<Item = Value<'d>> + 'd> {
    match value.kind() {
        Kind::Object => Box::new(value.members().flat_map(|(_, member)| scalars(member))),
        Kind::Array => Box::new(value.elements().flat_map(scalars)),
        _ => Box::new(std::iter::once(value)),
    }
}

/// What a denial says is needed.
pub(super) const NEEDS_MFA: Option<&str> = Some("mfa");

/// JSON-RPC: invalid params (JSON-RPC 2.0 section 5.1).
const INVALID_PARAMS: i32 = -32602;
