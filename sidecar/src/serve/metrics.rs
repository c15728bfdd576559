//! What is counted, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::sinks::{Progress, Sent};
use crate::sanitise;

/// Counters of one process.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) records_accepted: Counter,
    pub(super) records_rejected: Counter,
    pub(super) store_errors: Counter,
    pub(super) unauthenticated: Counter,
    pub(super) admits_allowed: Counter,
    pub(super) admits_denied: Counter,
    pub(super) admits_pending: Counter,
    pub(super) append: Histogram,
}

/// A number that only grows.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations in buckets.
#[derive(Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        for (bucket, (bound, _)) in self.buckets.iter().zip(BOUNDS) {
            if micros <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The text format of Prometheus, version 0.0.4.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(2048);
        let mut family = |name: &str, help: &str, rows: &[(&str, &Counter)]| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            for (labels, counter) in rows {
                let _ = writeln!(out, "{name}{labels} {}", counter.get());
            }
        };
        family(
            "portcullis_sidecar_records_total",
            "Audit records from filters.",
            &[("{result=\"accepted\"}", &self.records_accepted), ("{result=\"rejected\"}", &self.records_rejected)],
        );
        family(
            "portcullis_sidecar_admits_total",
            "Calls that filters asked about.",
            &[
                ("{verdict=\"allow\"}", &self.admits_allowed),
                ("{verdict=\"deny\"}", &self.admits_denied),
                ("{verdict=\"pending\"}", &self.admits_pending),
            ],
        );
        family("portcullis_sidecar_store_errors_total", "Requests that the store failed.", &[("", &self.store_errors)]);
        family(
            "portcullis_sidecar_unauthenticated_total",
            "Requests without a valid token.",
            &[("", &self.unauthenticated)],
        );
        let name = "portcullis_sidecar_append_duration_seconds";
        let _ = writeln!(out, "# HELP {name} Until records are on disk.\n# TYPE {name} histogram");
        for (bucket, (_, bound)) in self.append.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {}", bucket.load(Ordering::Relaxed));
        }
        let count = self.append.count.load(Ordering::Relaxed);
        let seconds = Duration::from_micros(self.append.micros.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {seconds}\n{name}_count {count}");
        out
    }
}

/// The same of sinks, by sink and tenant.
pub(super) fn sinks(progress: &Progress) -> String {
    let mut out = String::new();
    let all = progress.all();
    if all.is_empty() {
        return out;
    }
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
    };
    let each = |value: fn(&Sent) -> u64| -> Vec<_> {
        all.iter().map(|(sink, sent)| (format!("sink=\"{sink}\""), value(sent))).collect()
    };
    let mut rows: Vec<_> =
        each(|sent| sent.taken).into_iter().map(|(labels, n)| (format!("{labels},result=\"taken\""), n)).collect();
    rows.extend(each(|sent| sent.refused).into_iter().map(|(labels, n)| (format!("{labels},result=\"refused\""), n)));
    family("portcullis_sidecar_sink_rows_total", "counter", "Rows that were sent to a sink.", &rows);
    family(
        "portcullis_sidecar_sink_failures_total",
        "counter",
        "Tries of a sink in vain.",
        &each(|sent| sent.failures),
    );
    family(
        "portcullis_sidecar_sink_up",
        "gauge",
        "Whether the last try of a sink was not in vain.",
        &each(|sent| u64::from(!sent.failing)),
    );
    let places = |value: fn(&(u64, u64)) -> u64| -> Vec<_> {
        let of = |(sink, sent): (&&str, &Sent)| {
            let sink = (*sink).to_owned();
            let row = move |(tenant, place): (&String, &(u64, u64))| {
                (format!("sink=\"{sink}\",tenant=\"{}\"", label(tenant)), value(place))
            };
            sent.places.iter().map(row).collect::<Vec<_>>()
        };
        all.iter().flat_map(of).collect()
    };
    family(
        "portcullis_sidecar_sink_position",
        "gauge",
        "Place in the chain of the last row that a sink took.",
        &places(|place| place.0),
    );
    family(
        "portcullis_sidecar_sink_lag",
        "gauge",
        "Rows of the chain that a sink has not taken yet.",
        &places(|place| place.1),
    );
    out
}

/// A label's value as the text format escapes it.
fn label(text: &str) -> String {
    sanitise::text(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// Upper bounds, in microseconds and as Prometheus writes them in seconds.
const BOUNDS: [(u64, &str); 8] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
];
