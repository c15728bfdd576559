//! Definitions of tools: observed in every list, asked about at every call.

use std::sync::Arc;

use super::Exchange;
use super::checks::{Answered, Called, Ruling};
use super::content;
use super::lists::List;
use crate::audit::{Decided, Drifted, Listed, Record, Risky};
use crate::config::Action;
use crate::json::{Edits, Kind, Value};
use crate::mcp::Capability;
use crate::pins::{Observed, Reviews};
use crate::scan::Direction;
use crate::sidecar::Told;

impl Exchange {
    /// What pins and risks say about a call.
    pub(super) fn pins_call(&self, called: &Called<'_, '_>, record: &mut Record) -> Option<Ruling> {
        let pins = self.firewall.pins.as_ref()?;
        if called.capability != Capability::Tool {
            return None;
        }
        let tool = called.names.first()?;
        let reviews = self.reviews(&self.scene.heard.told);
        let refusal = pins.judge_call(&*self.store, reviews, &self.scene.server, tool, called.now_us)?;
        record.rules_fired.push("pins".into());
        let ruling = Ruling::new(Action::Deny, refusal.rule, refusal.reason);
        Some(Ruling { shadow: !self.enforcing(), ..ruling })
    }

    /// Observes the tools of a list; those that may not be used, and are not to be seen, do not go on.
    pub(super) fn observe_lists(&self, lists: &mut [List<'_>], record: &mut Record, now_us: u64) {
        let Some(pins) = &self.firewall.pins else { return };
        let told = self.told_now();
        let reviews = self.reviews(&told);
        for list in lists.iter_mut().filter(|list| list.member == "tools") {
            let (store, server) = (&*self.store, &self.scene.server);
            let observed = pins.observe(store, reviews, &self.firewall.scanners, server, list.array.elements(), now_us);
            let entries = list.array.elements().zip(&mut list.kept).zip(observed);
            for ((entry, kept), observed) in entries {
                let name = entry.get(list.named).and_then(Value::as_str).unwrap_or_default();
                if self.note_observed(&name, &observed, record) && observed.refusal.is_some_and(|refusal| refusal.hide)
                {
                    *kept = false;
                }
            }
        }
    }

    /// Observes the instructions of a server: others than the trusted ones do not go on.
    pub(super) fn pins_result(&self, answered: &Answered<'_, '_>, edits: &mut Edits, record: &mut Record) {
        let Some(pins) = &self.firewall.pins else { return };
        let described = ["protocolVersion", "supportedVersions"].iter().any(|key| answered.result.get(key).is_some());
        let Some(instructions) = answered.result.get("instructions").filter(|_| described) else { return };
        let Some(text) = instructions.as_str().filter(|_| instructions.kind() == Kind::String) else { return };
        let (store, server) = (&*self.store, &self.scene.server);
        let scanners = &self.firewall.scanners;
        let told = self.told_now();
        let reviews = self.reviews(&told);
        let observed = pins.observe_instructions(store, reviews, scanners, server, &text, answered.now_us);
        if self.note_observed("", &observed, record) && observed.refusal.is_some() {
            edits.set_string(instructions, "");
            record.redacted.push("/result/instructions".to_owned());
            if matches!(record.decision, Decided::Allow | Decided::LogOnly) {
                record.decision = Decided::Redact;
            }
        }
    }

    /// What the sidecar told last: an answer may come long after its request.
    fn told_now(&self) -> Arc<Told> {
        self.firewall.sidecar.as_ref().map(|sidecar| sidecar.heard(&*self.store).told).unwrap_or_default()
    }

    fn reviews<'t>(&'t self, told: &'t Told) -> Reviews<'t> {
        Reviews { told, tenant: self.scene.principal.tenant.as_deref().unwrap_or_default() }
    }

    /// Writes down what was observed; true where a refusal is enforced.
    fn note_observed(&self, name: &str, observed: &Observed, record: &mut Record) -> bool {
        let recordable = |text: &str| content::recordable(self, Direction::Response, text);
        if let Some(changed) = &observed.changed {
            record.drift.push(Drifted {
                tool: recordable(name),
                severity: changed.drift.severity,
                causes: changed.drift.causes.names(),
                fields: changed.drift.fields.iter().map(|field| recordable(field)).collect(),
                from: changed.from.map(|from| from.to_string()),
                to: changed.to.to_string(),
            });
        }
        if let Some(severity) = observed.flags.iter().map(|flag| flag.severity).max() {
            let flags = observed.flags.iter().map(|flag| flag.id.clone()).collect();
            record.risks.push(Risky { tool: recordable(name), severity, flags });
        }
        if let Some(new) = observed.new {
            record.versions.push(Listed { tool: recordable(name), sha256: new.to_string() });
        }
        let Some(refusal) = &observed.refusal else { return false };
        if !self.enforcing() {
            record.would.get_or_insert_with(|| (Decided::Redact, refusal.rule.clone()));
            return false;
        }
        if !record.rules_fired.iter().any(|fired| **fired == *refusal.rule) {
            record.rules_fired.push(refusal.rule.as_str().into());
        }
        true
    }
}
