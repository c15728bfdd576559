//! Audit lines, filter state and metrics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_engine::audit::{Decided, Record};
use portcullis_engine::config::{AuditLog, StateName};
use portcullis_engine::exchange::Answer;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::sidecar::{Settled, Watched};
use portcullis_engine::telemetry::{self, Kind, Sample};

use crate::host::{self, Level, Metric};

/// The metrics that this VM has defined so far.
#[derive(Default)]
pub struct Telemetry {
    ids: RefCell<BTreeMap<u64, u32>>,
}

/// What may still change after a record was published: the response can be refused or redacted.
pub struct Outcome {
    decision: Decided,
    would: Option<Decided>,
    rule: Arc<str>,
}

impl Outcome {
    fn of(record: &Record) -> Self {
        let would = record.would.as_ref().map(|(decision, _)| *decision);
        Self { decision: record.decision, would, rule: Arc::clone(&record.rule) }
    }

    fn is_of(&self, record: &Record) -> bool {
        self.decision == record.decision
            && self.would == record.would.as_ref().map(|(decision, _)| *decision)
            && self.rule == record.rule
    }
}

impl Telemetry {
    /// Writes a complete record: one line of JSON, and what it counts for.
    pub fn record(&self, firewall: &Firewall, record: &Record) {
        let refused = record.decision.is_refusal() || record.would.is_some();
        let wanted = match firewall.policy.config().audit.log {
            AuditLog::All => true,
            AuditLog::Denied => refused,
            AuditLog::None => false,
        };
        if wanted {
            let level = if refused { Level::Warn } else { Level::Info };
            let mut line = String::with_capacity(LINE);
            line.push_str("portcullis_audit ");
            record.write_json(&mut line);
            host::log(level, &line);
        }
        telemetry::of_record(record, &mut |sample| self.count(&sample));
    }

    /// Sets the filter state that access logs and trace tags read, as far as the configuration asks for it; of what
    /// `published` says was set before, only what changed since: each is a call into Envoy.
    pub fn publish(&self, firewall: &Firewall, record: &Record, published: &mut Option<Outcome>) {
        let wanted = firewall.policy.config().audit.filter_state.as_slice();
        let first = published.is_none();
        if !published.as_ref().is_some_and(|outcome| outcome.is_of(record)) {
            let would = record.would.as_ref().map_or("", |(decision, _)| decision.as_str());
            set(wanted, StateName::Decision, record.decision.as_str());
            set(wanted, StateName::ShadowDecision, would);
            set(wanted, StateName::Rule, &record.rule);
            *published = Some(Outcome::of(record));
        }
        if first {
            set(wanted, StateName::PolicyVersion, &record.policy_version);
            set(wanted, StateName::CorrelationId, &record.correlation_id);
            set(wanted, StateName::Server, &record.server);
            set(wanted, StateName::Method, &record.method);
            set(wanted, StateName::Tool, record.name.as_deref().unwrap_or_default());
            set(wanted, StateName::Principal, &record.principal.id);
            set(wanted, StateName::Tenant, record.principal.tenant.as_deref().unwrap_or_default());
        }
    }

    /// The sidecar was asked about a call.
    pub fn admitted(&self, answer: &Answer) {
        telemetry::of_admission(answer, &mut |sample| self.count(&sample));
    }

    /// A batch of records was handed to the sidecar, or could not be.
    pub fn delivered(&self, settled: Settled) {
        telemetry::of_delivery(settled, &mut |sample| self.count(&sample));
    }

    /// The sidecar was asked what holds now.
    pub fn watched(&self, watched: Watched) {
        telemetry::of_watch(watched, &mut |sample| self.count(&sample));
    }

    /// A record found no room on its way to the sidecar.
    pub fn dropped(&self) {
        telemetry::of_dropped(&mut |sample| self.count(&sample));
    }

    /// A configuration was taken.
    pub fn loaded(&self, firewall: &Firewall) {
        telemetry::of_configuration(firewall, &mut |sample| self.count(&sample));
    }

    /// A request's body was judged in so many nanoseconds.
    pub fn judged(&self, nanoseconds: u64) {
        telemetry::of_judgement(nanoseconds, &mut |sample| self.count(&sample));
    }

    pub fn stream_opened(&self) {
        telemetry::of_streams(1, &mut |sample| self.count(&sample));
    }

    pub fn stream_closed(&self) {
        telemetry::of_streams(-1, &mut |sample| self.count(&sample));
    }

    fn count(&self, sample: &Sample<'_>) {
        let kind = match sample.kind {
            Kind::Counter => Metric::Counter,
            Kind::Gauge | Kind::Level => Metric::Gauge,
            Kind::Histogram => Metric::Histogram,
        };
        let key = sample.key();
        let known = self.ids.borrow().get(&key).copied();
        let id = match known {
            Some(id) => id,
            None => {
                let Some(id) = host::define_metric(kind, &sample.name()) else { return };
                self.ids.borrow_mut().insert(key, id);
                id
            }
        };
        match sample.kind {
            Kind::Counter | Kind::Gauge => host::increment_metric(id, sample.value),
            Kind::Level | Kind::Histogram => host::record_metric(id, sample.value.unsigned_abs()),
        }
    }
}

fn set(wanted: &[StateName], name: StateName, value: &str) {
    if !value.is_empty() && wanted.contains(&name) {
        host::set_property(name.as_str(), value);
    }
}

/// Room for a usual audit line, in bytes.
const LINE: usize = 1024;
