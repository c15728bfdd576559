//! Quotas on the way of an exchange: reserved when its messages are about to go on, settled when it is
//! known how each of them ended.

use std::borrow::Cow;
use std::sync::Arc;

use super::client::{Client, Judged};
use super::{Call, Exchange};
use crate::answer::{CODE_QUOTA, Denial};
use crate::audit::{Decided, Record};
use crate::json::{Kind, Value};
use crate::mcp::Capability;
use crate::quota::{Charge, Counted, End, Refused};

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
        let stricter = record.would.as_ref().is_none_or(|(decided, _)| *decided != Decided::Deny);
        if let Some(shadow) = shadows.first().filter(|_| stricter) {
            record.would = Some((Decided::Deny, shadow.rule.to_string()));
        }
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
        let returned = call.charge.settle(&*self.store, now_us, end);
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
        for call in &mut self.calls {
            call.charge.renew(&*self.store, now_us);
        }
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

fn note(record: &mut Record, refused: &Refused) {
    record.decision = Decided::Deny;
    record.rule = Arc::clone(&refused.rule);
    record.reason = Arc::from(refused.reason.as_str());
}
