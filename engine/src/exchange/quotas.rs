//! Quotas on the way of an exchange: reserved when its messages are about to go on, settled when it is
//! known how each of them ended.

use std::borrow::Cow;
use std::sync::Arc;

use super::checks::Ruling;
use super::client::{Client, Judged};
use super::{Call, Exchange};
use crate::answer::{CODE_QUOTA, Denial};
use crate::audit::{Decided, Record};
use crate::config::{Action, Side};
use crate::json::{Kind, Value};
use crate::mcp::Capability;
use crate::quota::{Charge, Counted, End, Refused, Settlement};
use crate::sidecar::Entry;

impl Exchange {
    /// What a message counts for.
    pub(super) fn charge(
        &self,
        method: &str,
        capability: Capability,
        names: &[Cow<'_, str>],
        arguments: Option<Value<'_>>,
        now_us: u64,
    ) -> Charge {
        if self.firewall.quotas.is_empty() {
            return Charge::default();
        }
        self.firewall.quotas.charge(&Counted {
            principal: &self.scene.principal,
            server: &self.scene.server,
            session: &self.subject().session,
            method,
            capability,
            names,
            arguments,
            moment: self.moment(now_us),
        })
    }

    /// Reserves what one message counts for, and writes into its record which quotas those are.
    pub(super) fn reserve(&self, charge: &mut Charge, record: &mut Record, now_us: u64) -> Result<(), Refused> {
        if charge.is_empty() {
            return Ok(());
        }
        record.rules_fired.extend(charge.rules().cloned());
        record.rules_fired.dedup();
        let shadows = charge.reserve(&*self.store, now_us)?;
        note_shadows(record, &shadows);
        Ok(())
    }

    /// The answer to a message that a quota refuses, noted in its record.
    pub(super) fn refuse_by_quota(&self, id: &str, method: &str, refused: &Refused, record: &mut Record) -> String {
        note(record, refused);
        let shown = record.name.as_ref().map_or_else(
            || format!("method \"{}\"", record.method),
            |name| format!("{} \"{name}\"", record.capability),
        );
        let text = self.explain(&format!("{shown} was refused"), &refused.rule, &refused.reason);
        let retry_after_ms = refused.retry_us.map(|retry_us| retry_us.div_ceil(1000));
        Denial { retry_after_ms, ..self.denial(CODE_QUOTA, &refused.rule, &text) }.message(id, method)
    }

    /// Settles one call.
    pub(super) fn settle(&self, call: &mut Call, end: End, now_us: u64) {
        let mut returned = call.charge.settle(&*self.store, now_us, end);
        if let Some((settlement, rules)) = call.charge.settle_shared(&call.record.id, self.tenant(), end) {
            self.tell_settlement(&settlement);
            returned.extend(rules);
        }
        call.record.rules_fired.extend(returned.iter().map(|rule| Arc::from(format!("{rule}:returned"))));
    }

    /// Settles every call that is not settled yet.
    pub(super) fn settle_all(&mut self, end: End, now_us: u64) {
        let mut calls = std::mem::take(&mut self.calls);
        calls.iter_mut().for_each(|call| self.settle(call, end, now_us));
        self.calls = calls;
    }

    /// Tells that the exchange is still under way.
    pub(super) fn renew_leases(&mut self, now_us: u64) {
        let mut calls = std::mem::take(&mut self.calls);
        for call in &mut calls {
            call.charge.renew(&*self.store, now_us);
            if let Some(renewal) = call.charge.renew_shared(&call.record.id, self.tenant(), now_us) {
                self.tell_settlement(&renewal);
            }
        }
        self.calls = calls;
    }

    /// Tells the sidecar that the call is not made, whatever it has reserved meanwhile.
    pub(super) fn give_back(&self) {
        let backs = self.calls.iter().filter_map(|call| call.charge.give_back(&call.record.id, self.tenant()));
        backs.for_each(|back| self.tell_settlement(&back));
    }

    /// Refuses calls that the sidecar counts and whose end it could not be told.
    pub(super) fn quota_room(&self, charge: &Charge) -> Option<Ruling> {
        let sidecar = self.firewall.sidecar.as_ref().filter(|_| charge.asks() == Some(true))?;
        if sidecar.quota_side() == Side::Allow || sidecar.outbox(&*self.store).has_room(self.scene.unique) {
            return None;
        }
        let reason = "The count of its quota is not available: too much waits for the sidecar. Try again later.";
        Some(Ruling::new(Action::Deny, charge.asking().cloned().unwrap_or_default(), reason))
    }

    fn tell_settlement(&self, settlement: &Settlement) {
        let Some(sidecar) = &self.firewall.sidecar else { return };
        self.scene.urgent.set(true);
        // What finds no room comes back when its lease ends.
        let _ = sidecar.outbox(&*self.store).push(self.scene.unique, Entry::Settlement, &settlement.encode());
    }

    fn tenant(&self) -> &str {
        self.scene.principal.tenant.as_deref().unwrap_or_default()
    }
}

impl Client<'_> {
    /// Reserves what the messages count for, if they are to go on: all of them, or none where a request
    /// is refused.
    pub(super) fn reserve(&self, calls: &mut [Call], judged: &mut [Judged]) {
        if judged.iter().any(|verdict| matches!(verdict, Judged::Refuse { .. })) {
            return;
        }
        let mut refused = false;
        for (call, verdict) in calls.iter_mut().zip(judged) {
            if !matches!(verdict, Judged::Forward) {
                call.charge = Charge::default();
                continue;
            }
            let Err(refusal) = self.exchange.reserve(&mut call.charge, &mut call.record, self.now_us) else { continue };
            call.charge = Charge::default();
            let Some(id) = call.id.clone() else {
                note(&mut call.record, &refusal);
                *verdict = Judged::Drop;
                continue;
            };
            let answer = self.exchange.refuse_by_quota(&id, &call.method, &refusal, &mut call.record);
            *verdict = self.refusal(&id, &call.method, &call.record, answer, None);
            refused = true;
            break;
        }
        if refused {
            for call in calls {
                self.exchange.settle(call, End::Failed, self.now_us);
            }
        }
    }

    /// What becomes of a message that cannot wait for the sidecar's answer: `true` if it may go on uncounted.
    pub(super) fn goes_uncounted(&mut self, record: &mut Record) -> bool {
        if self.charge.asks() != Some(true) {
            self.charge.waive();
            return true;
        }
        record.decision = Decided::Deny;
        record.rule = self.charge.asking().cloned().unwrap_or_default();
        record.reason = Arc::from("A notification cannot wait to be counted.");
        false
    }
}

/// How a call ended by its answer. One that asks for input (2026-07-28) is made when it comes again.
pub(super) fn end(result: Option<Value<'_>>) -> End {
    match result {
        None => End::Failed,
        Some(result) if result.get("resultType").is_some_and(|kind| kind.is_str("input_required")) => End::Failed,
        Some(result) if result.get("isError").is_some_and(|error| error.kind() == Kind::True) => End::ToolError,
        Some(_) => End::Done,
    }
}

/// Writes into a record which quotas would have refused the call.
pub(super) fn note_shadows(record: &mut Record, shadows: &[Refused]) {
    let stricter = record.would.as_ref().is_none_or(|(decided, _)| *decided != Decided::Deny);
    if let Some(shadow) = shadows.first().filter(|_| stricter) {
        record.would = Some((Decided::Deny, shadow.rule.to_string()));
    }
}

fn note(record: &mut Record, refused: &Refused) {
    record.decision = Decided::Deny;
    record.rule = Arc::clone(&refused.rule);
    record.reason = Arc::from(refused.reason.as_str());
}
