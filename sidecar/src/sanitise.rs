//! What goes into logs of others is looked at once more: a name or an address that a peer chose can hold a secret, move a
//! terminal's cursor, forge a second line or fill a disk (OWASP "Logging Cheat Sheet", CWE-117).

use std::sync::OnceLock;

use portcullis_engine::scan::{Context, Direction, ScannerConfig, Scanners, ScannersConfig, Surface, redact};
use serde_json::{Map, Value};

use crate::style::visible;

/// A text without secrets, control characters, sequences of terminals and marks that are not seen or turn the text around, of
/// a bounded length.
pub(crate) fn text(text: &str) -> String {
    clip(visible(&without_sequences(&without_secrets(text))))
}

/// The same of every text and name in a value.
pub(crate) fn value(value: &Value) -> Value {
    match value {
        Value::String(one) => Value::String(text(one)),
        Value::Array(items) => Value::Array(items.iter().map(self::value).collect()),
        Value::Object(members) => Value::Object(object(members)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The same of the members of an object. What two names become one by is kept once.
pub(crate) fn object(members: &Map<String, Value>) -> Map<String, Value> {
    members.iter().map(|(name, member)| (text(name), value(member))).collect()
}

fn without_secrets(text: &str) -> String {
    static SCANNERS: OnceLock<Option<Scanners>> = OnceLock::new();
    let Some(scanners) = SCANNERS.get_or_init(compile) else { return HIDDEN.to_owned() };
    let mut found = Vec::new();
    scanners.scan_text(Context { direction: Direction::Response, surface: Surface::Result }, text, &mut found);
    if found.is_empty() { text.to_owned() } else { redact(text, &found) }
}

/// The scanner for secrets alone.
fn compile() -> Option<Scanners> {
    let off = || ScannerConfig { enabled: false, ..ScannerConfig::default() };
    let config = ScannersConfig {
        pii: off(),
        injection: off(),
        destructive: off(),
        exfil: off(),
        bulk: off(),
        privesc: off(),
        ..ScannersConfig::default()
    };
    Scanners::compile(&config).ok()
}

/// Control sequences (ECMA-48, section 5.4) go as a whole: without its first character one would still be seen as letters.
fn without_sequences(text: &str) -> String {
    if !text.contains(['\u{1b}', '\u{9b}']) {
        return text.to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = c == '\u{9b}' || (c == '\u{1b}' && rest.next_if_eq(&'[').is_some());
        if !begins {
            clean.push(c);
            continue;
        }
        clean.push(char::REPLACEMENT_CHARACTER);
        while rest.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
        rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
    }
    clean
}

fn clip(mut text: String) -> String {
    if text.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What stands in for everything where the scanner cannot be had.
const HIDDEN: &str = "[REDACTED]";
/// Longest text, in bytes.
const MAX_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_hidden_or_endless_leaves() {
        // Made of parts, so that no scanner of a repository finds it here.
        let token = format!("ghp_{}", "9f2K8xQ7vB3nM5tR1wZ6yL4cD0aH8sJ2eU7p");
        for with in [
            format!("repo {token}"),
            format!("https://host.test/hook?access_token={token}"),
            format!("{}://user:hunter2hunter2@host.test/", "postgres"),
            format!("AK{}", "IAQ3EGRTYUIOPLKJHG"),
        ] {
            let clean = text(&with);
            assert!(clean.contains("[REDACTED"), "{clean}");
            assert!(!clean.contains(&token) && !clean.contains("hunter2"), "{clean}");
        }
        assert_eq!(text("a\r\nb\u{1b}[31;1mc\u{9b}2Jd\u{1b}]0;t\u{7}"), "a��b�c�d�]0;t�");
        assert_eq!(text("\u{202e}evil\u{2066}\u{200b}\u{feff}\u{e0041}\u{2028}"), "�evil�����");
        assert_eq!(text(&"é".repeat(5000)).len(), MAX_BYTES + '…'.len_utf8());
        assert_eq!(value(&serde_json::json!({"a\n": ["b\u{7}", 1, null]})), serde_json::json!({"a�": ["b�", 1, null]}));
    }

    #[test]
    fn what_records_are_told_apart_by_stays() {
        let record = include_str!("../tests/data/record.json");
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(value(&record), record);
        let more = serde_json::json!({"digest": "9f".repeat(32), "id": "00064c2a81f3b2c4-f3a9c2d45e6b7a81-0",
            "correlation_id": "5f0c8b3e-11aa-4c2b-9a3e-0123456789ab", "name": "admin", "key": "0f".repeat(8),
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "webhook": "all", "kek": "vault:https://vault.test:8200/transit/key",
            "previous": "from:local to:fernet", "address": "203.0.113.9:4431", "action": "credential.key.rotated"});
        assert_eq!(value(&more), more);
    }
}
