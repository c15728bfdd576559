//! Obligations on the messages of an exchange: what they redact, and what they refuse.

use std::sync::Arc;

use super::Exchange;
use super::checks::{Answered, Called, Ruling};
use super::content;
use crate::audit::{Decided, Found, Record};
use crate::config::{Action, EgressAction};
use crate::json::{Edits, Locator, Value};
use crate::mcp::Capability;
use crate::obligations::{Code, Held, Obligation};
use crate::scan::{Direction, ScanAction};
use crate::sort::Arrange;
use crate::state::Table;

/// What becomes of the one-time code that a call needs.
#[derive(Debug)]
pub(super) enum SecondFactor {
    /// It needs none, or what it lacks is only recorded.
    NotNeeded,
    /// It came without one, or with something else.
    Missing(Ruling),
    /// It came with this one, which somebody has to verify for this rule.
    Given(Arc<str>, Code),
}

impl Exchange {
    /// The obligations that hold for what the server sends of itself: its own, and those of the calls in
    /// whose stream it stands. Where the stream belongs to no call, all that could be meant.
    pub(super) fn held_by_server(&self, method: &str, capability: Capability, params: Option<Value<'_>>) -> Held {
        let obligations = &self.firewall.obligations;
        let (principal, server) = (&self.scene.principal, &self.scene.server);
        if self.scene.get {
            return obligations.perhaps(principal, server);
        }
        let mut held = obligations.holding_of_server(principal, server, method, capability, params);
        for call in &self.calls {
            held.extend_from_slice(&call.held);
        }
        held.arrange();
        held.dedup();
        held
    }

    /// What the obligations say about a call of the client: members of its arguments are redacted on the way.
    pub(super) fn oblige_call(&self, called: &Called<'_, '_>, edits: &mut Edits, record: &mut Record) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        for one in self.firewall.obligations.of(called.held) {
            record.rules_fired.push(Arc::clone(&one.rule));
            if self.firewall.obligations.is_below(one, &self.scene.principal) {
                rulings.push(ruling(one, "It needs a higher clearance than the caller has."));
            }
            rulings.extend(self.count_page(one, called));
            if let Some(arguments) = called.arguments {
                let mut redacted = false;
                for (range, with) in one.redactions_of_arguments(arguments) {
                    redacted = true;
                    if one.shadow {
                        continue;
                    }
                    if decides(called.message, &range) {
                        rulings.push(ruling(one, "It holds something that may not be sent and cannot be redacted."));
                    }
                    edits.replace(range, with);
                }
                note_redaction(record, one, redacted, "arguments");
            }
            let params = called.message.get("params");
            for (key, value) in params.into_iter().flat_map(Value::members) {
                if !UNREAD.iter().any(|member| key.is_str(member)) {
                    rulings.extend(self.hosts(one, Direction::Request, called.message, value, edits, record));
                }
            }
        }
        rulings
    }

    /// What the obligations say about a result.
    pub(super) fn oblige_result(
        &self,
        answered: &Answered<'_, '_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        for one in self.firewall.obligations.of(answered.held) {
            if let Some(reason) = one.too_large(answered.result) {
                rulings.push(ruling(one, reason.as_str()));
            }
        }
        rulings.extend(self.oblige_message(answered.held, answered.message, answered.result, edits, record));
        rulings
    }

    /// What the obligations say about any content of the server: `part` of `message`.
    pub(super) fn oblige_message(
        &self,
        held: &[u16],
        message: Value<'_>,
        part: Value<'_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        for one in self.firewall.obligations.of(held) {
            if !record.rules_fired.contains(&one.rule) {
                record.rules_fired.push(Arc::clone(&one.rule));
            }
            let redactions = one.redactions_of_result(part);
            note_redaction(record, one, !redactions.is_empty(), "result");
            if !one.shadow {
                redactions.into_iter().for_each(|(range, with)| edits.replace(range, with));
            }
            rulings.extend(self.hosts(one, Direction::Response, message, part, edits, record));
        }
        rulings
    }

    /// The one-time code that a call needs: from the header, or from `_meta`. Two that differ are none.
    pub(super) fn second_factor(
        &self,
        held: &[u16],
        header: Option<&Option<Code>>,
        params: Option<Value<'_>>,
        record: &mut Record,
    ) -> SecondFactor {
        let needed = || self.firewall.obligations.of(held).filter(|one| one.mfa);
        let Some(one) = needed().find(|one| !one.shadow).or_else(|| needed().next()) else {
            return SecondFactor::NotNeeded;
        };
        let meta = Code::of_meta(params);
        let code = match (header, meta) {
            (Some(header), Some(meta)) if *header != meta => Some(None),
            (Some(header), _) => Some(header.clone()),
            (None, meta) => meta,
        };
        match code {
            Some(Some(code)) if !one.shadow => SecondFactor::Given(Arc::clone(&one.rule), code),
            Some(Some(_)) => SecondFactor::NotNeeded,
            _ if one.shadow => {
                if record.would.is_none() {
                    record.would = Some((Decided::Deny, one.rule.to_string()));
                }
                SecondFactor::NotNeeded
            }
            None => SecondFactor::Missing(ruling(one, CHALLENGE)),
            Some(None) => SecondFactor::Missing(ruling(one, MALFORMED)),
        }
    }

    fn count_page(&self, one: &Obligation, called: &Called<'_, '_>) -> Option<Ruling> {
        let pages = one.pages.as_ref()?;
        if !crate::obligations::continues(called.message.get("params"), called.arguments) {
            return None;
        }
        let mut key = self.subject().caller;
        let name = called.names.first().map_or("", AsRef::as_ref);
        for part in [one.id(), &self.scene.server, called.method, name] {
            key.extend_from_slice(&(part.len() as u64).to_le_bytes());
            key.extend_from_slice(part.as_bytes());
        }
        match pages.count(&Table::new(&*self.store, "pages"), &key, called.now_us) {
            Ok(None) => None,
            Ok(Some(seconds)) => {
                Some(ruling(one, format!("Too many pages were asked for. Try again in {seconds} seconds.")))
            }
            Err(error) => Some(ruling(one, format!("Pages cannot be counted: {error}."))),
        }
    }

    /// Holds the hosts that `part` of `message` refers to against the list.
    fn hosts(
        &self,
        one: &Obligation,
        direction: Direction,
        message: Value<'_>,
        part: Value<'_>,
        edits: &mut Edits,
        record: &mut Record,
    ) -> Option<Ruling> {
        let egress = one.egress(direction)?;
        let mut locator = Locator::new(message);
        let mut blocked: Option<String> = None;
        let mut count = 0_usize;
        egress.strangers(part, |string, ranges| {
            locator.seek(string);
            let location = locator.location();
            let request = direction == Direction::Request;
            let action = match egress.action {
                EgressAction::Log => ScanAction::Log,
                EgressAction::Block => ScanAction::Block,
                // What decides which call it is cannot be rewritten without making it another one.
                EgressAction::Redact if request && (string.is_key() || content::decides(&location)) => {
                    ScanAction::Block
                }
                EgressAction::Redact if content::is_opaque(&location) => ScanAction::Log,
                EgressAction::Redact => ScanAction::Redact,
            };
            let location = content::recordable(self, direction, &location);
            count += 1;
            if count <= MAX_FOUND {
                record.findings.push(Found {
                    scanner: "egress",
                    rule: one.id().to_owned(),
                    action,
                    direction,
                    location: location.clone(),
                });
            }
            match action {
                ScanAction::Block | ScanAction::RequireApproval => blocked = blocked.take().or(Some(location)),
                ScanAction::Redact if !one.shadow => {
                    for (index, range) in ranges.into_iter().enumerate() {
                        let placeholder = match string.is_key() {
                            // Two members must not end up under one name.
                            true => format!("{}-{count}-{index}", one.placeholder()),
                            false => one.placeholder().to_owned(),
                        };
                        edits.replace_in_string(string, range, &placeholder);
                    }
                    note_redaction(record, one, true, &location);
                }
                ScanAction::Redact => note_redaction(record, one, true, &location),
                ScanAction::Log => {}
            }
        });
        blocked.map(|location| ruling(one, format!("It refers to a host that is not allowed, at {location}.")))
    }
}

fn ruling(one: &Obligation, reason: impl Into<Arc<str>>) -> Ruling {
    Ruling { shadow: one.shadow, ..Ruling::new(Action::Deny, Arc::clone(&one.rule), one.reason(reason)) }
}

/// Writes down that something was redacted, or would have been.
fn note_redaction(record: &mut Record, one: &Obligation, redacted: bool, location: &str) {
    if !redacted {
        return;
    }
    if one.shadow {
        record.would.get_or_insert_with(|| (Decided::Redact, one.rule.to_string()));
        return;
    }
    if record.redacted.len() < MAX_FOUND && record.redacted.last().is_none_or(|last| last != location) {
        record.redacted.push(location.to_owned());
    }
    if matches!(record.decision, Decided::Allow | Decided::LogOnly) {
        record.decision = Decided::Redact;
    }
}

/// Whether a range lies in a member of `params` that says which call a message is.
fn decides(message: Value<'_>, range: &std::ops::Range<usize>) -> bool {
    let Some(params) = message.get("params") else { return false };
    params.members().any(|(key, value)| {
        let span = value.span();
        let location = format!("/params/{}", key.as_str().unwrap_or_default());
        span.start <= range.start && range.end <= span.end && (content::decides(&location) || key.is_str("ref"))
    })
}

/// Members of `params` that refer to nothing: what the client says about itself, and what is sealed.
const UNREAD: [&str; 3] = ["_meta", "requestState", "cursor"];

/// What a caller is told that has to send a one-time code.
const CHALLENGE: &str = "It needs a one-time code. Repeat the call with the current code of your authenticator in the \
                         request header x-portcullis-mfa, or in params._meta[\"io.portcullis/mfa\"].";
/// The same for something that is no code.
const MALFORMED: &str = "It needs a one-time code, and what was sent is none: six to eight digits, in the request header \
                         x-portcullis-mfa or in params._meta[\"io.portcullis/mfa\"].";

/// How many findings of one obligation a record holds.
const MAX_FOUND: usize = 64;
