//! What the records count for: metric names with their labels.
//!
//! Envoy has no labels for metrics of a filter; they stand in the name as `.label=|value|` and become
//! Prometheus labels by the `stats_config` of the shipped configurations. Label values come from the
//! configuration or from fixed sets, never from a message, so that no client can make metrics without end.

use crate::audit::{Decided, Record};
use crate::firewall::Firewall;
use crate::scan::{Direction, ScanAction};

/// One change of one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The metric's name with its labels.
    pub name: &'a str,
    /// How it changes.
    pub kind: Kind,
    /// By how much, or to what.
    pub value: i64,
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
    let direction = match record.direction {
        Direction::Request => "request",
        Direction::Response => "response",
    };
    let server = if record.server.is_empty() { "none" } else { &record.server };
    add(
        count,
        &format!(
            "portcullis_messages_total.direction=|{direction}|.server=|{server}|.capability=|{}|.decision=|{}|",
            record.capability,
            record.decision.as_str()
        ),
    );
    if record.decision.is_refusal() {
        add(count, &format!("portcullis_refused_total.server=|{server}|.rule=|{}|", record.rule));
    }
    if record.decision == Decided::Malformed {
        add(count, &format!("portcullis_malformed_total.direction=|{direction}|.reason=|{}|", record.rule));
    }
    if let Some((decision, rule)) = &record.would {
        add(count, &format!("portcullis_shadow_total.decision=|{}|.rule=|{rule}|", decision.as_str()));
    }
    for found in &record.findings {
        let action = match found.action {
            ScanAction::Log => "log",
            ScanAction::Redact => "redact",
            ScanAction::RequireApproval => "require_approval",
            ScanAction::Block => "block",
        };
        add(
            count,
            &format!("portcullis_findings_total.scanner=|{}|.rule=|{}|.action=|{action}|", found.scanner, found.rule),
        );
    }
    if !record.redacted.is_empty() {
        let name = format!("portcullis_redactions_total.server=|{server}|");
        count(Sample { name: &name, kind: Kind::Counter, value: record.redacted.len() as i64 });
    }
    if record.hidden > 0 {
        let name = format!("portcullis_list_entries_hidden_total.server=|{server}|");
        count(Sample { name: &name, kind: Kind::Counter, value: i64::from(record.hidden) });
    }
    if record.direction == Direction::Request && record.decision != Decided::Pass {
        if record.principal.is_anonymous() {
            add(count, "portcullis_anonymous_total");
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
    add(count, "portcullis_config_loads_total");
    let rules = firewall.policy.config().rules.len() as i64;
    count(Sample { name: "portcullis_policy_rules", kind: Kind::Level, value: rules });
}

/// One request body was judged in so many nanoseconds.
pub fn of_judgement(nanoseconds: u64, count: &mut dyn FnMut(Sample<'_>)) {
    observe(count, "portcullis_decision_duration_microseconds", nanoseconds.div_ceil(1000));
}

/// So many streams more, or less, are open.
pub fn of_streams(change: i64, count: &mut dyn FnMut(Sample<'_>)) {
    count(Sample { name: "portcullis_streams_active", kind: Kind::Gauge, value: change });
}

fn add(count: &mut dyn FnMut(Sample<'_>), name: &str) {
    count(Sample { name, kind: Kind::Counter, value: 1 });
}

fn observe(count: &mut dyn FnMut(Sample<'_>), name: &str, value: u64) {
    count(Sample { name, kind: Kind::Histogram, value: i64::try_from(value).unwrap_or(i64::MAX) });
}
