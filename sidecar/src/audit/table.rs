//! Rows as a person reads them, and as CSV.

use serde_json::Value;

use crate::sanitise;
use crate::store::StoredRow;
use crate::style::{Style, visible};

/// One row in a line.
pub(crate) fn line(row: &StoredRow, style: Style) -> String {
    let record = record(row);
    let text = |key: &str| visible(record.get(key).and_then(Value::as_str).unwrap_or_default());
    let time = text("time");
    let time = time.get(..23).unwrap_or(&time).replace('T', " ");
    let who = if text("principal").is_empty() { text("actor") } else { text("principal") };
    let who = if who.is_empty() { "anonymous".to_owned() } else { who };
    let what = match text("action") {
        action if !action.is_empty() => format!("{} {who}", style.bold(&action)),
        _ => {
            let decision = text("decision");
            let decision = match decision.as_str() {
                "allow" | "pass" | "log_only" => style.green(&decision),
                "redact" | "require_approval" => style.yellow(&decision),
                _ => style.red(&decision),
            };
            let target = [text("server"), text("method"), text("tool")];
            let target: Vec<_> = target.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{decision} {who} {} {}", target.join(" "), style.dim(&text("rule")))
        }
    };
    format!("{:>8} {} {what}\n", row.seq, style.dim(&time))
}

/// One row as a JSON object: what the hash covers, and the hash.
pub(crate) fn json(row: &StoredRow) -> Value {
    serde_json::json!({
        "seq": row.seq,
        "id": row.id,
        "received": row.received,
        "prev": crate::audit::hex(&row.prev),
        "hash": crate::audit::hex(&row.hash),
        "record": record(row),
    })
}

/// How rows are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line has all that the row's hash covers.
    Jsonl,
    /// For spreadsheets.
    Csv,
    /// JSON lines with the members that rows of SecAI's firewall have.
    Secai,
}

impl Format {
    /// The ending of a file's name, and the media type.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Jsonl => ("jsonl", "application/jsonl"),
            Self::Csv => ("csv", "text/csv; charset=utf-8"),
            Self::Secai => ("secai.jsonl", "application/jsonl"),
        }
    }

    /// What comes before the first row.
    pub(crate) fn header(self) -> String {
        if self == Self::Csv { csv_header() } else { String::new() }
    }

    /// One row, with the end of its line.
    pub(crate) fn row(self, row: &StoredRow) -> String {
        match self {
            Self::Jsonl => format!("{}\n", json(row)),
            Self::Csv => csv(row),
            Self::Secai => format!("{}\n", secai(row)),
        }
    }
}

fn csv_header() -> String {
    let mut names = vec!["seq", "id"];
    names.extend(CSV);
    names.push("hash");
    format!("{}\r\n", names.join(","))
}

/// One row as CSV (RFC 4180).
fn csv(row: &StoredRow) -> String {
    let record = record(row);
    let mut fields = vec![row.seq.to_string(), field(&row.id)];
    fields.extend(CSV.iter().map(|name| match record.get(*name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => field(text),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            field(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        Some(other) => field(&other.to_string()),
    }));
    fields.push(crate::audit::hex(&row.hash));
    format!("{}\r\n", fields.join(","))
}

/// One row with the members of both forms in which SecAI writes its audit. The hashes are ours, over our own form of the row.
fn secai(row: &StoredRow) -> Value {
    let record = sanitise::value(&record(row));
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let or = |one: &'static str, other: &'static str| if text(one).is_empty() { text(other) } else { text(one) };
    let list = |name: &str| record.get(name).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    let prev = if row.seq == 0 { "genesis".to_owned() } else { crate::audit::hex(&row.prev) };
    let latency = record.get("latency_us").and_then(Value::as_f64).map(|micros| micros / 1000.0);
    // Its own is a plain SHA-256, which can be guessed from; ours takes a key.
    let input = Some(text("input_hash")).filter(|hash| !hash.is_empty()).map(|hash| format!("keyed:{hash}"));
    serde_json::json!({
        "sequence": row.seq,
        "timestamp": text("time"),
        "hash": crate::audit::hex(&row.hash),
        "prev_hash": prev,
        "event": or("action", "method"),
        "tool": text("tool"),
        "decision": text("decision").replace('_', "-"),
        "input_hash": input,
        "redacted_fields": list("redacted"),
        "taint_labels": list("taint"),
        "latency_ms": latency,
        "session_id": text("session"),
        "request": text("correlation_id"),
        "detail": or("reason", "note"),
    })
}

/// A field that a spreadsheet takes for text: what begins like a formula gets an apostrophe (OWASP "CSV Injection").
fn field(text: &str) -> String {
    let text = sanitise::text(text);
    // The last four are what some programs make of the first four.
    let formula = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn record(row: &StoredRow) -> Value {
    serde_json::from_str(&row.record).unwrap_or_default()
}

/// Members that have a column.
const CSV: [&str; 26] = [
    "time",
    "correlation_id",
    "tenant",
    "principal",
    "principal_kind",
    "roles",
    "agent",
    "server",
    "method",
    "tool",
    "decision",
    "rule",
    "reason",
    "rules_fired",
    "policy_version",
    "redaction_scheme",
    "argument_keys",
    "input_hash",
    "redacted",
    "taint",
    "approval_id",
    "session",
    "latency_us",
    "upstream_status",
    "action",
    "actor",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_no_formula_and_no_second_row() {
        assert_eq!(field("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(field("a\"b,c\nd"), "\"a\"\"b,c�d\"");
        assert_eq!((field("＝1"), field(" =1")), ("'＝1".to_owned(), "' =1".to_owned()));
        let record = r#"{"action":"a","decision":"allow","roles":["x","y"],"tool":"@x"}"#.to_owned();
        let row = StoredRow { seq: 3, id: "i".into(), received: 1, record, prev: [0; 32], hash: [1; 32] };
        assert_eq!(csv(&row).matches(',').count(), csv_header().matches(',').count());
        assert!(csv(&row).contains(",x y,") && csv(&row).contains(",'@x,"));
    }
    #[test]
    fn secai_has_its_members_and_no_secret() {
        let secret = format!("ghp_{}", "9f2K8xQ7vB3nM5tR1wZ6yL4cD0aH8sJ2eU7p");
        let record = serde_json::json!({"time": "2026-11-21T14:45:38.123456Z", "decision": "require_approval", "tool": secret,
            "method": "tools/call", "input_hash": "9f86d081", "redacted": ["/a"], "taint": ["pii"], "latency_us": 4211,
            "session": "s-1", "correlation_id": "c-1", "reason": "why"});
        let row =
            StoredRow { seq: 0, id: "i".into(), received: 1, record: record.to_string(), prev: [0; 32], hash: [1; 32] };
        let line = Format::Secai.row(&row);
        let told: Value = serde_json::from_str(&line).unwrap();
        assert!(!line.contains(&secret));
        for (name, value) in [
            ("prev_hash", "genesis"),
            ("decision", "require-approval"),
            ("input_hash", "keyed:9f86d081"),
            ("event", "tools/call"),
            ("session_id", "s-1"),
            ("request", "c-1"),
            ("detail", "why"),
        ] {
            assert_eq!(told[name], value, "{name}");
        }
        assert_eq!(
            (&told["latency_ms"], &told["taint_labels"][0], &told["sequence"]),
            (&4.211.into(), &"pii".into(), &0.into())
        );
    }
}
