//! A row as sinks tell of it.

use serde_json::{Map, Value};

use crate::sanitise;
use crate::store::{StoredRow, Tenant};

/// A row whose record was sanitised.
pub(crate) struct Event<'r> {
    pub(crate) tenant: String,
    pub(crate) row: &'r StoredRow,
    /// Without members that are null.
    pub(crate) record: Map<String, Value>,
}

/// How much a row asks for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// A message went on.
    Info,
    /// Somebody did something, or a message went on after something was done about it.
    Notice,
    /// A message was refused, or something failed.
    Warning,
}

impl<'r> Event<'r> {
    pub(crate) fn new(tenant: &Tenant, row: &'r StoredRow) -> Self {
        let record: Map<String, Value> = serde_json::from_str(&row.record).unwrap_or_default();
        let mut record = sanitise::object(&record);
        record.retain(|_, value| !value.is_null());
        Self { tenant: sanitise::text(tenant.as_str()), row, record }
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.record.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn severity(&self) -> Severity {
        let action = self.text("action");
        if !action.is_empty() {
            let bad = WARNINGS.iter().any(|end| action.ends_with(end));
            return if bad { Severity::Warning } else { Severity::Notice };
        }
        match self.text("decision") {
            "deny" | "malformed" => Severity::Warning,
            "redact" | "require_approval" | "log_only" => Severity::Notice,
            _ => Severity::Info,
        }
    }

    /// A sentence for people.
    pub(crate) fn summary(&self) -> String {
        let or = |one: &'static str, other: &'static str| {
            if self.text(one).is_empty() { self.text(other) } else { self.text(one) }
        };
        let (what, who) = (or("action", "decision"), or("actor", "principal"));
        let who = if who.is_empty() { "anonymous" } else { who };
        let about = ["server", "method", "tool", "rule"].map(|member| self.text(member));
        let about: Vec<_> = [what, who].into_iter().chain(about).filter(|part| !part.is_empty()).collect();
        about.join(" ")
    }
}

/// How names of actions end that say that something went wrong.
const WARNINGS: [&str; 7] = [".failed", ".locked", ".replayed", ".denied", ".refused", ".unauthenticated", ".limited"];
