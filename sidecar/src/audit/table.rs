//! Rows as a person reads them, and as CSV.

use serde_json::Value;

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

/// The first line of a CSV export.
pub(crate) fn csv_header() -> String {
    let mut names = vec!["seq", "id"];
    names.extend(CSV);
    names.push("hash");
    format!("{}\r\n", names.join(","))
}

/// One row as CSV (RFC 4180).
pub(crate) fn csv(row: &StoredRow) -> String {
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

/// A field that a spreadsheet takes for text: what begins like a formula gets an apostrophe (OWASP "CSV Injection").
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn record(row: &StoredRow) -> Value {
    serde_json::from_str(&row.record).unwrap_or_default()
}

/// Members that have a column.
const CSV: [&str; 25] = [
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
        assert_eq!(field("a\"b,c\nd"), "\"a\"\"b,c\nd\"");
        let record = r#"{"action":"a","decision":"allow","roles":["x","y"],"tool":"@x"}"#.to_owned();
        let row = StoredRow { seq: 3, id: "i".into(), received: 1, record, prev: [0; 32], hash: [1; 32] };
        assert_eq!(csv(&row).matches(',').count(), csv_header().matches(',').count());
        assert!(csv(&row).contains(",x y,") && csv(&row).contains(",'@x,"));
    }
}
