//! What the records count for: metric names with their labels.
//!
//! Envoy has no labels for metrics of a filter; they stand in the name as `.label=|value|` and become
//! Prometheus labels by the `stats_config` of the shipped configurations. Label values come from the
//! configuration or from fixed sets, never from a message, so that no client can make metrics without end.

use crate::audit::{Decided, Record};
use crate::exchange::Answer;
use crate::firewall::Firewall;
use crate::scan::Direction;
use crate::sidecar::{KILL_SWITCH, Settled, Verdict, Watched};

/// One change of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The metric's name without its labels.
    pub metric: &'static str,
    /// Label names and values.
    pub labels: &'a [(&'static str, &'a str)],
    /// How it changes.
    pub kind: Kind,
    /// By how much, or to what.
    pub value: i64,
}

impl Sample<'_> {
    /// The name with its labels, as Envoy gets it.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.metric.to_owned();
        for (label, value) in self.labels {
            name.push('.');
            name.push_str(label);
            name.push_str("=|");
            name.push_str(value);
            name.push('|');
        }
        name
    }

    /// A number that stands for the name, to find a metric again without writing its name: FNV-1a
    /// (draft-eastlake-fnv) over the name and the labels' values.
    #[must_use]
    pub fn key(&self) -> u64 {
        let parts = std::iter::once(self.metric).chain(self.labels.iter().map(|(_, value)| *value));
        let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It grows by the value.
    Counter,
    /// It rises or falls by the value.
    Gauge,
    /// It is the value now.
    Level,
    /// The value is one observation.
    Histogram,
}

/// What one complete record counts for.
pub fn of_record(record: &Record, count: &mut dyn FnMut(Sample<'_>)) {
    let direction = record.direction.as_str();
    let server = if record.server.is_empty() { "none" } else { &record.server };
    let decision = record.decision.as_str();
    let labels =
        [("direction", direction), ("server", server), ("capability", record.capability), ("decision", decision)];
    add(count, "portcullis_messages_total", &labels);
    if record.decision.is_refusal() {
        // Kill switches come and go: each with a metric of its own would leave it behind.
        let rule = if record.rule.starts_with(KILL_SWITCH) { "kill_switch" } else { &record.rule };
        add(count, "portcullis_refused_total", &[("server", server), ("rule", rule)]);
    }
    if record.decision == Decided::Malformed {
        add(count, "portcullis_malformed_total", &[("direction", direction), ("reason", &record.rule)]);
    }
    if let Some((decision, rule)) = &record.would {
        add(count, "portcullis_shadow_total", &[("decision", decision.as_str()), ("rule", rule)]);
    }
    for rule in &record.rules_fired {
        add(count, "portcullis_checks_total", &[("server", server), ("rule", rule)]);
    }
    for found in &record.findings {
        let action = found.action.as_str();
        let labels = [("scanner", found.scanner), ("rule", &found.rule), ("action", action)];
        add(count, "portcullis_findings_total", &labels);
    }
    if !record.redacted.is_empty() {
        let value = record.redacted.len() as i64;
        let labels = &[("server", server)];
        count(Sample { metric: "portcullis_redactions_total", labels, kind: Kind::Counter, value });
    }
    if record.hidden > 0 {
        let value = i64::from(record.hidden);
        let labels = &[("server", server)];
        count(Sample { metric: "portcullis_list_entries_hidden_total", labels, kind: Kind::Counter, value });
    }
    if record.direction == Direction::Request && record.decision != Decided::Pass {
        if record.principal.is_anonymous() {
            add(count, "portcullis_anonymous_total", &[]);
        }
        observe(count, "portcullis_request_bytes", record.request_bytes);
        observe(count, "portcullis_response_bytes", record.response_bytes);
        if let Some(latency) = record.latency_us {
            observe(count, "portcullis_exchange_duration_microseconds", latency);
        }
    }
}

/// What a configuration that was taken counts for.
pub fn of_configuration(firewall: &Firewall, count: &mut dyn FnMut(Sample<'_>)) {
    add(count, "portcullis_config_loads_total", &[]);
    let rules = firewall.policy.config().rules.len() as i64;
    count(Sample { metric: "portcullis_policy_rules", labels: &[], kind: Kind::Level, value: rules });
}

/// One request body was judged in so many nanoseconds.
pub fn of_judgement(nanoseconds: u64, count: &mut dyn FnMut(Sample<'_>)) {
    observe(count, "portcullis_decision_duration_microseconds", nanoseconds.div_ceil(1000));
}

/// The sidecar was asked about a call.
pub fn of_admission(answer: &Answer, count: &mut dyn FnMut(Sample<'_>)) {
    let outcome = match answer {
        Answer::Approved => "allow",
        Answer::Refused => "deny",
        Answer::NotConfigured | Answer::Unavailable => "unavailable",
        Answer::Admitted(response) => match response.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny | Verdict::NoCredential | Verdict::OverQuota => "deny",
            Verdict::Pending => "pending",
        },
    };
    add(count, "portcullis_admissions_total", &[("outcome", outcome)]);
}

/// A batch of records was handed to the sidecar, or could not be.
pub fn of_delivery(settled: Settled, count: &mut dyn FnMut(Sample<'_>)) {
    for (outcome, records) in [("delivered", settled.delivered), ("rejected", settled.rejected)] {
        if records > 0 {
            let value = i64::try_from(records).unwrap_or(i64::MAX);
            let labels = &[("outcome", outcome)];
            count(Sample { metric: "portcullis_audit_records_total", labels, kind: Kind::Counter, value });
        }
    }
    if settled.failed {
        add(count, "portcullis_audit_failures_total", &[]);
    }
}

/// The sidecar told what holds now, or did not.
pub fn of_watch(watched: Watched, count: &mut dyn FnMut(Sample<'_>)) {
    let outcome = match watched {
        Watched::Changed => "changed",
        Watched::Same => "same",
        Watched::Failed(_) => "failed",
    };
    add(count, "portcullis_watch_total", &[("outcome", outcome)]);
}

/// A record found no room on its way to the sidecar.
pub fn of_dropped(count: &mut dyn FnMut(Sample<'_>)) {
    add(count, "portcullis_audit_records_total", &[("outcome", "dropped")]);
}

/// So many streams more, or less, are open.
pub fn of_streams(change: i64, count: &mut dyn FnMut(Sample<'_>)) {
    count(Sample { metric: "portcullis_streams_active", labels: &[], kind: Kind::Gauge, value: change });
}

fn add(count: &mut dyn FnMut(Sample<'_>), metric: &'static str, labels: &[(&'static str, &str)]) {
    count(Sample { metric, labels, kind: Kind::Counter, value: 1 });
}

fn observe(count: &mut dyn FnMut(Sample<'_>), metric: &'static str, value: u64) {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    count(Sample { metric, labels: &[], kind: Kind::Histogram, value });
}
