//! Labels that are shared by way of the sidecar: it is asked what a caller carries before a call goes on, and told what a
//! caller gains.

use std::sync::Arc;

use super::check_flow::{LOST, STATE};
use super::checks::{self, Called};
use super::client::{self, Client};
use super::{Asked, Exchange, Parked};
use crate::answer::{self, CODE_APPROVAL, CODE_POLICY};
use crate::audit::{Decided, Record};
use crate::config::{Action, Side};
use crate::flow::{Bearer, Carried, Facts, Gain, Known, Traits};
use crate::json::{Document, Edits};
use crate::mcp::{self, Message};
use crate::policy::Decision;
use crate::quota::Charge;
use crate::sidecar::Entry;
use crate::state::{Change, Unavailable};

/// What the sidecar told of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Learnt {
    /// Nothing that was not known here.
    Nothing,
    /// The caller carries more than was known here.
    More,
    /// It was asked and did not say, or it could not be kept.
    Lost,
}

impl Exchange {
    /// Whether the sidecar has to be asked what the caller carries: the rule that wants to know, and whether it may refuse.
    pub(super) fn flow_asks(&self, facts: &Facts<'_, '_>, traits: &Traits) -> Option<(Arc<str>, bool)> {
        let flow = &self.firewall.flow;
        if !flow.shared || matches!(facts.capability, mcp::Capability::List | mcp::Capability::Protocol) {
            return None;
        }
        let rules = flow.rules_about(facts, traits);
        let rule = rules.iter().find(|rule| !rule.shadow).or(rules.first())?;
        Some((Arc::clone(&rule.id), !rule.shadow))
    }

    /// Who carries labels, for the sidecar.
    pub(super) fn bearer(&self) -> Bearer {
        let subject = self.subject();
        let named = |key: &[u8]| blake3::hash(key).as_bytes().to_vec();
        let apart = self.by_session() && subject.session != subject.caller;
        let decay = self.firewall.flow.decay;
        Bearer {
            session: if apart { named(&subject.session) } else { Vec::new() },
            caller: named(&subject.caller),
            decay_us: decay.time_us,
            decay_calls: decay.calls.unwrap_or(0),
        }
    }

    /// Tells the sidecar what the caller gained; false where that finds no room.
    pub(super) fn share(&self, gain: Gain, now_us: u64) -> bool {
        let Some(sidecar) = self.firewall.sidecar.as_ref().filter(|_| self.firewall.flow.shared) else { return true };
        let bearer = self.bearer();
        if (gain.began || gain.ended) && bearer.session.is_empty() {
            return true;
        }
        let number = self.scene.records.get();
        self.scene.records.set(number.wrapping_add(1));
        let id = format!("{now_us:014x}-{:016x}-t{number:x}", self.scene.unique);
        let tenant = self.scene.principal.tenant.clone().unwrap_or_default();
        let gain = Gain { id, tenant, bearer, ..gain };
        self.scene.urgent.set(true);
        sidecar.outbox(&*self.store).push(self.scene.unique, Entry::Gain, &gain.encode()).is_ok()
    }

    /// Takes up what the sidecar told of the caller.
    pub(super) fn take_known(&self, asked: &Asked, known: Option<&Known>, now_us: u64) -> Learnt {
        if asked.flow.is_none() {
            return Learnt::Nothing;
        }
        let Some(known) = known else { return Learnt::Lost };
        match self.merge_known(known, now_us) {
            Ok(true) => Learnt::More,
            Ok(false) => Learnt::Nothing,
            Err(Unavailable) => Learnt::Lost,
        }
    }

    fn merge_known(&self, known: &Known, now_us: u64) -> Result<bool, Unavailable> {
        let decay = self.firewall.flow.decay;
        let mut there = Carried::decode(&known.carried)?;
        there.fade(decay, now_us);
        if known.session {
            self.know_session(now_us);
        }
        if there.is_empty() {
            return Ok(false);
        }
        let key = self.carrier_key(now_us)?;
        self.taint_table().update(&key, now_us, |value| {
            let merge = || {
                let mut carried = value.map_or(Ok(Carried::default()), Carried::decode)?;
                carried.fade(decay, now_us);
                let new = carried.merge(&there)?;
                Ok((carried, new))
            };
            match merge() {
                Ok((carried, new)) => (Change::Set(carried.encode(), carried.expires_us(decay)), Ok(new)),
                Err(lost) => (Change::Keep, Err(lost)),
            }
        })?
    }

    /// Decides again about a call of whose caller more is known now; the message for the client where it does not go on.
    pub(super) fn reconsider_learnt(&mut self, parked: &Parked, learnt: Learnt, now_us: u64) -> Result<(), String> {
        match learnt {
            Learnt::Nothing => Ok(()),
            Learnt::Lost if parked.asked.flow != Some(true) || self.goes_unknowing() => Ok(()),
            Learnt::Lost => Err(self.refuse_unknown(&parked.asked)),
            Learnt::More => match self.reconsider(parked, now_us) {
                Some(outcome) => outcome,
                // It was read before.
                None => Err(self.refuse_unknown(&parked.asked)),
            },
        }
    }

    fn reconsider(&mut self, parked: &Parked, now_us: u64) -> Option<Result<(), String>> {
        let asked = &parked.asked;
        let firewall = Arc::clone(&self.firewall);
        let limits = firewall.json_limits();
        let document = Document::parse(parked.body.as_deref()?, &limits).ok()?;
        let message = Message::from_value(document.root()).ok()?;
        let (method, params) = (message.method()?, message.params());
        let names = mcp::names(method, params).ok()?;
        let arguments = mcp::arguments(method, params);
        let mut calls = std::mem::take(&mut self.calls);
        let judged = calls.first_mut().map(|call| {
            let mut edits = Edits::default();
            let mut fresh = self.record(call.record.direction, now_us);
            let (capability, traits) = (call.capability, &call.traits);
            let called = Called {
                method,
                capability,
                names: &names,
                arguments,
                message: document.root(),
                held: &call.held,
                traits,
                again: true,
                now_us,
            };
            let rulings = self.flow_call(&called, &mut edits, &mut fresh);
            let (held, charge) = (Vec::new(), Charge::default());
            let client = Client { exchange: self, edits: &mut edits, now_us, batch: false, code: None, held, charge };
            // Conditions may ask for labels, too.
            let decision = checks::restrict(client.decide(method, capability, &names, arguments), rulings);
            let redacts = fresh.redacted.iter().any(|place| !call.record.redacted.contains(place));
            note_again(&mut call.record, fresh);
            (decision, redacts, call.record.name.clone().unwrap_or_default())
        });
        self.calls = calls;
        let (decision, redacts, name) = judged?;
        // What a person has approved is approved, for whatever reason.
        let known = if asked.held { Action::RequireApproval } else { Action::LogOnly };
        let (code, text) = match decision.action {
            action if action <= known && !redacts => {
                self.note_would(&decision);
                return Some(Ok(()));
            }
            Action::Deny => (CODE_POLICY, decision.reason.to_string()),
            Action::RequireApproval if !asked.held => (CODE_APPROVAL, format!("It needs an approval. {AGAIN}")),
            _ => (CODE_POLICY, format!("Something of it has to be redacted. {AGAIN}")),
        };
        let decided = if code == CODE_APPROVAL { Decided::RequireApproval } else { Decided::Deny };
        self.note(&decision.rule, decided, &text, None);
        if decision.hide {
            return Some(Err(answer::not_found(&asked.id, &asked.method, &name)));
        }
        let text = self.explain(&asked.what, &decision.rule, &text);
        Some(Err(self.denial(code, &decision.rule, &text).message(&asked.id, &asked.method)))
    }

    fn note_would(&mut self, decision: &Decision) {
        let Some(would) = &decision.would else { return };
        for record in self.calls.iter_mut().map(|call| &mut call.record).filter(|record| record.would.is_none()) {
            record.would = Some((client::decided(would.action), would.rule.to_string()));
        }
    }

    /// The message for a client of whom nobody can say what it carries.
    pub(super) fn refuse_unknown(&mut self, asked: &Asked) -> String {
        let asked = Asked { rule: Arc::from(STATE), reason: Arc::default(), held: false, ..asked.clone() };
        self.note(&asked.rule, Decided::Deny, LOST, None);
        self.tell(&asked, LOST, None)
    }

    /// Whether a call goes on by what is known here, where the sidecar does not say what its caller carries.
    pub(super) fn goes_unknowing(&self) -> bool {
        self.firewall.sidecar.as_ref().is_some_and(|sidecar| sidecar.flow_side() == Side::Allow)
    }
}

impl Client<'_> {
    /// Whether a message goes on that cannot wait until it is known what its caller carries.
    pub(super) fn goes_unknown(&self, (facts, traits): &(Facts<'_, '_>, &Traits), record: &mut Record) -> bool {
        let Some((rule, true)) = self.exchange.flow_asks(facts, traits) else { return true };
        record.decision = Decided::Deny;
        record.rule = rule;
        record.reason = Arc::from("A notification cannot wait until it is known what its sender has read.");
        false
    }
}

/// Writes into the record of a call what is known of its caller now.
fn note_again(record: &mut Record, fresh: Record) {
    record.taint = fresh.taint;
    for rule in fresh.rules_fired {
        if !record.rules_fired.contains(&rule) {
            record.rules_fired.push(rule);
        }
    }
}

/// What a caller is told whose call would have been judged otherwise from the beginning.
const AGAIN: &str = "What its caller has read elsewhere was not known here before. Make the same call again.";
