//! What is counted, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
