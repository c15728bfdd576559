//! One message of the server: may it go on to the client?

use std::sync::Arc;

use super::checks::{self, Answered, Ruling};
use super::content::{self, Content};
use super::parent::Mark;
use super::{Exchange, lists};
use crate::answer::{self, CODE_CONTENT, CODE_POLICY};
use crate::audit::{Decided, Record};
use crate::config::Action;
use crate::flow::Traits;
use crate::json::{Edits, Kind, Value};
use crate::mcp::{Capability, Message};
use crate::policy::{self, Decision};
use crate::scan::{Context, Direction, Surface};

/// What becomes of a message of the server.
#[derive(Debug)]
pub(super) enum Passed {
    /// It goes on, with the edits that were noted.
    Forward,
    /// Another message goes on in its place.
    Replace(String),
    /// It does not go on.
    Drop,
}

impl Exchange {
    /// Judges one message of the server. Findings in an answer belong to the record of its call;
    /// everything else gets a record of its own.
    pub(super) fn judge_server(
        &mut self,
        value: Value<'_>,
        message: &Message<'_>,
        edits: &mut Edits,
        now_us: u64,
    ) -> Passed {
        match message {
            Message::Request { id, method, params } => {
                let passed = self.judge_server_call(value, method, *params, edits, now_us);
                if matches!(passed, Passed::Drop) {
                    self.owed.push(answer::decline(id.raw(), method));
                } else {
                    self.expect_back(Mark::Id(id.raw()), now_us);
                }
                passed
            }
            Message::Notification { method, params } => self.judge_server_call(value, method, *params, edits, now_us),
            Message::Result { id, result } => self.judge_answer_of(value, Some(*id), Some(*result), edits, now_us),
            Message::Error { id, .. } => self.judge_answer_of(value, *id, None, edits, now_us),
        }
    }

    fn judge_server_call(
        &mut self,
        value: Value<'_>,
        method: &str,
        params: Option<Value<'_>>,
        edits: &mut Edits,
        now_us: u64,
    ) -> Passed {
        let capability = Capability::of_server_method(method);
        let mut record = self.record(Direction::Response, now_us);
        record.method = match capability {
            Capability::Unknown => content::recordable(self, Direction::Response, method),
            _ => method.to_owned(),
        };
        record.capability = capability.as_str();
        let call = policy::Call { server: &self.scene.server, method, capability, name: None, arguments: params };
        let decision = self.firewall.policy.decide_at(&self.scene.principal, &call, &self.moment(now_us));
        super::client::note(&mut record, &decision);
        if !decision.action.lets_through() {
            self.done.push(record);
            return Passed::Drop;
        }
        let surface = match capability {
            Capability::Sampling | Capability::Elicitation | Capability::Roots => Surface::ServerRequest,
            _ => Surface::Notification,
        };
        let context = Context { direction: Direction::Response, surface };
        let held = self.held_by_server(method, capability, params);
        let passed = match content::scan(self, context, value, &mut [], &held, edits, &mut record) {
            Content::Clean => match self.pass_obliged(&held, value, edits, &mut record) {
                Passed::Forward => match self.flow_told(method, capability, value, &mut record, now_us) {
                    None => Passed::Forward,
                    Some(ruling) => {
                        super::client::note(&mut record, &ruling);
                        Passed::Drop
                    }
                },
                refused => refused,
            },
            Content::Blocked(block) => {
                note_block(&mut record, &block);
                Passed::Drop
            }
        };
        self.done.push(record);
        passed
    }

    fn judge_answer_of(
        &mut self,
        value: Value<'_>,
        id: Option<Value<'_>>,
        result: Option<Value<'_>>,
        edits: &mut Edits,
        now_us: u64,
    ) -> Passed {
        let position = id.and_then(|id| {
            self.calls.iter().position(|call| call.id.as_deref().is_some_and(|known| same_id(known, id)))
        });
        // Taken out while its answer is judged: its record is written to meanwhile.
        let call = position.map(|position| (position, self.calls.remove(position)));
        let Some((position, mut call)) = call else {
            let mut record = self.record(Direction::Response, now_us);
            record.method = "response".to_owned();
            record.rule = Arc::from("builtin:protocol");
            let held = self.firewall.obligations.perhaps(&self.scene.principal, &self.scene.server);
            let origin = Origin { method: "", id: id.map_or("null", Value::raw), traits: None, held: &held, now_us };
            let passed = self.judge_content_of(value, result, origin, edits, &mut record);
            self.done.push(record);
            return passed;
        };
        self.settle(&mut call, super::quotas::end(result), now_us);
        // What a task came to is the result of a call that is not known any more.
        let held = match call.method.starts_with("tasks/") {
            true => self.firewall.obligations.perhaps(&self.scene.principal, &self.scene.server),
            false => std::mem::take(&mut call.held),
        };
        let id = id.map_or("null", Value::raw);
        let origin = Origin { method: &call.method, id, traits: Some(&call.traits), held: &held, now_us };
        let passed = self.judge_content_of(value, result, origin, edits, &mut call.record);
        if let Some(result) = result.filter(|_| matches!(passed, Passed::Forward)) {
            self.expect_state(result, now_us);
        }
        call.id = None;
        self.calls.insert(position, call);
        passed
    }

    fn judge_content_of(
        &mut self,
        value: Value<'_>,
        result: Option<Value<'_>>,
        origin: Origin<'_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Passed {
        let Origin { method, id, now_us, .. } = origin;
        if let Some(refused) = result.and_then(|result| self.refused_input_request(result)) {
            record.decision = Decided::Deny;
            record.rule = Arc::clone(&refused.rule);
            record.reason = Arc::clone(&refused.reason);
            let what = "the server asks the client for something policy refuses";
            let text = self.explain(what, &refused.rule, &refused.reason);
            return Passed::Replace(self.denial(CODE_POLICY, &refused.rule, &text).message(id, method));
        }
        let surface = match result {
            None => Surface::Error,
            Some(result) if describes(result) => Surface::Description,
            Some(_) => Surface::Result,
        };
        let context = Context { direction: Direction::Response, surface };
        let mut lists = result.map_or(Vec::new(), |result| lists::visible(self, result));
        let content = content::scan(self, context, value, &mut lists, origin.held, edits, record);
        if let Some(result) = result {
            self.observe_lists(&mut lists, record, now_us);
            record.hidden += lists::filter(self, result, &lists, edits);
        }
        match content {
            Content::Clean => {
                let held = origin.held;
                let rulings = match result {
                    Some(result) => {
                        let answered = Answered { method, result, message: value, held, now_us };
                        self.check_result(&answered, edits, record)
                    }
                    None => self.oblige_message(held, value, value, edits, record),
                };
                let passed = self.check(rulings, method, id, record);
                if !matches!(passed, Passed::Forward) {
                    return passed;
                }
                // Labels are gained by what passes, so this comes last.
                let Some(lost) = self.flow_passed(&origin, result.unwrap_or(value), &lists, record) else {
                    return passed;
                };
                super::client::note(record, &lost);
                let text = self.explain("the server's answer may not reach the client", &lost.rule, &lost.reason);
                Passed::Replace(self.denial(CODE_POLICY, &lost.rule, &text).message(id, method))
            }
            Content::Blocked(block) => {
                note_block(record, &block);
                let text = self.explain(
                    "the server's answer holds content that may not reach the client",
                    &block.rule,
                    &format!("Found at {}.", block.location),
                );
                Passed::Replace(self.denial(CODE_CONTENT, &block.rule, &text).message(id, method))
            }
        }
    }

    /// Hears the obligations about what the server sends of itself.
    fn pass_obliged(&self, held: &[u16], value: Value<'_>, edits: &mut Edits, record: &mut Record) -> Passed {
        let rulings = self.oblige_message(held, value, value, edits, record);
        match self.check(rulings, "", "null", record) {
            Passed::Forward => Passed::Forward,
            Passed::Replace(_) | Passed::Drop => Passed::Drop,
        }
    }

    /// Hears the checks about an answer that the scanners let through.
    fn check(&self, rulings: Vec<Ruling>, method: &str, id: &str, record: &mut Record) -> Passed {
        let allowed = Decision {
            action: Action::Allow,
            rule: Arc::clone(&record.rule),
            reason: Arc::clone(&record.reason),
            hide: false,
            would: None,
        };
        let decision = checks::restrict(allowed, rulings);
        if let Some(would) = &decision.would {
            record.would = Some((super::client::decided(would.action), would.rule.to_string()));
        }
        if decision.lets_through() {
            return Passed::Forward;
        }
        super::client::note(record, &decision);
        let what = "the server's answer may not reach the client";
        let text = self.explain(what, &decision.rule, &decision.reason);
        Passed::Replace(self.denial(CODE_POLICY, &decision.rule, &text).message(id, method))
    }

    /// An `input_required` result carries requests to the client (2026-07-28); the first that policy refuses.
    fn refused_input_request(&self, result: Value<'_>) -> Option<Decision> {
        let requests = result.get("inputRequests")?;
        let members = requests.members().map(|(_, request)| request);
        for request in members.chain(requests.elements()) {
            let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
            let call = policy::Call {
                server: &self.scene.server,
                method: &method,
                capability: Capability::of_server_method(&method),
                name: None,
                arguments: request.get("params"),
            };
            let decision = self.firewall.policy.decide(&self.scene.principal, &call);
            if decision.action == Action::Deny || decision.action == Action::RequireApproval {
                return Some(decision);
            }
        }
        None
    }
}

/// What an answer answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// JSON-RPC method of the request; empty where it is not known (streams of the old transport).
    pub(super) method: &'a str,
    /// The id as it is written.
    pub(super) id: &'a str,
    /// What flow knows of the request; `None` where it is not known.
    pub(super) traits: Option<&'a Traits>,
    /// The obligations that hold for the request, or could.
    pub(super) held: &'a [u16],
    /// Microseconds since the Unix epoch.
    pub(super) now_us: u64,
}

fn note_block(record: &mut Record, block: &content::Block) {
    record.decision = if block.ask { Decided::RequireApproval } else { Decided::Deny };
    record.rule = Arc::from(block.rule.as_str());
    record.reason = Arc::from("A scanner found content that may not go on.");
}

/// True where the answer's id is the one the request had: strings by content, numbers by value, for a
/// server may spell them anew.
fn same_id(known: &str, id: Value<'_>) -> bool {
    match id.kind() {
        Kind::Number => known == id.raw() || (known.parse::<f64>().is_ok() && known.parse().ok() == id.as_f64()),
        _ if known == id.raw() => true,
        _ => known
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .is_some_and(|inner| id.as_str().as_deref() == Some(crate::json::unescape(inner).as_str())),
    }
}

/// True for answers by which a server describes itself or what it offers.
fn describes(result: Value<'_>) -> bool {
    const DESCRIBING: [&str; 7] =
        ["tools", "prompts", "resources", "resourceTemplates", "serverInfo", "instructions", "supportedVersions"];
    result.members().any(|(key, _)| DESCRIBING.iter().any(|name| key.is_str(name)))
}
