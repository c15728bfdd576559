//! Scanning one message: findings become edits, or stop it.

use super::Exchange;
use crate::audit::{Decided, Found, Record};
use crate::json::{Edits, Value};
use crate::scan::{Context, Direction, Located, ScanAction, Surface};

/// What scanning a message came to.
#[derive(Debug)]
pub(super) enum Content {
    /// It may go on, with the edits that were noted.
    Clean,
    /// It may not.
    Blocked(Block),
}

/// The finding that stops a message.
#[derive(Debug)]
pub(super) struct Block {
    /// `scanner:rule`.
    pub(super) rule: String,
    /// JSON Pointer within the message, or a header's name.
    pub(super) location: String,
    /// An approval would let it pass.
    pub(super) ask: bool,
}

/// Scans every string and key of `message`, notes findings in `record` and redactions in `edits`.
/// In shadow mode nothing is edited or blocked, and the record says what would have been.
pub(super) fn scan(
    exchange: &Exchange,
    context: Context,
    message: Value<'_>,
    edits: &mut Edits,
    record: &mut Record,
) -> Content {
    let mut located = Vec::new();
    exchange.firewall.scanners.scan_value(context, message, &mut located);
    if located.is_empty() {
        return Content::Clean;
    }
    let base = message.location();
    let secret_keys = secret_keys(&located);
    let mut blocked: Option<Block> = None;
    let mut redacted_keys = 0;
    for found in &located {
        let location = found.location();
        let location = location.strip_prefix(base.as_str()).unwrap_or(&location).to_owned();
        let action = effective(context.direction, found, &location);
        let location = without_keys(location, &secret_keys);
        record.findings.push(Found {
            scanner: found.finding.scanner,
            rule: found.finding.rule.to_string(),
            action,
            direction: context.direction,
            location: location.clone(),
        });
        if !exchange.enforcing() {
            let would = match action {
                ScanAction::Log => continue,
                ScanAction::Redact => Decided::Redact,
                ScanAction::RequireApproval => Decided::RequireApproval,
                ScanAction::Block => Decided::Deny,
            };
            let graver = record.would.as_ref().is_none_or(|(known, _)| gravity(*known) < gravity(would));
            if graver {
                record.would = Some((would, format!("{}:{}", found.finding.scanner, found.finding.rule)));
            }
            continue;
        }
        match action {
            ScanAction::Log => {}
            ScanAction::Redact => {
                if found.value.is_key() {
                    // Two members must not end up under one name.
                    redacted_keys += 1;
                    let placeholder = format!("{}-{redacted_keys}", found.finding.placeholder);
                    edits.replace_in_string(found.value, found.finding.range.clone(), &placeholder);
                } else {
                    found.redact(edits);
                }
                record.redacted.push(location);
                if matches!(record.decision, Decided::Allow | Decided::LogOnly) {
                    record.decision = Decided::Redact;
                }
            }
            ScanAction::RequireApproval | ScanAction::Block => {
                let ask = action == ScanAction::RequireApproval;
                if blocked.as_ref().is_none_or(|block| block.ask && !ask) {
                    let rule = format!("{}:{}", found.finding.scanner, found.finding.rule);
                    blocked = Some(Block { rule, location, ask });
                }
            }
        }
    }
    record.redacted.dedup();
    blocked.map_or(Content::Clean, Content::Blocked)
}

/// A name that a record may hold: whatever a scanner finds in it is replaced.
pub(super) fn recordable(exchange: &Exchange, direction: Direction, name: &str) -> String {
    let context = Context { direction, surface: Surface::Arguments };
    let mut findings = Vec::new();
    exchange.firewall.scanners.scan_text(context, name, &mut findings);
    let mut clean = name.to_owned();
    for finding in findings.iter().rev() {
        clean.replace_range(finding.range.clone(), &finding.placeholder);
    }
    clean
}

/// Keys in which something was found, as they stand in a JSON Pointer, and what stands in for them.
fn secret_keys(located: &[Located<'_>]) -> Vec<(String, String)> {
    let keys = located.iter().filter(|found| found.value.is_key());
    keys.filter_map(|found| {
        let key = found.value.as_str()?;
        let mut clean = key.clone().into_owned();
        if clean.get(found.finding.range.clone()).is_some() {
            clean.replace_range(found.finding.range.clone(), &found.finding.placeholder);
        }
        Some((escaped(&key), escaped(&clean)))
    })
    .collect()
}

/// One token of a JSON Pointer (RFC 6901 section 3).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A JSON Pointer is made of keys, and a key can hold a secret too.
fn without_keys(location: String, secret_keys: &[(String, String)]) -> String {
    if secret_keys.is_empty() {
        return location;
    }
    let tokens = location.split('/').map(|token| {
        let known = secret_keys.iter().find(|(key, _)| key == token);
        known.map_or(token, |(_, clean)| clean.as_str())
    });
    tokens.collect::<Vec<_>>().join("/")
}

/// What is done about a finding at this place. A field that decides what a message *is* cannot be
/// rewritten without making it another message.
fn effective(direction: Direction, found: &Located<'_>, location: &str) -> ScanAction {
    let configured = found.finding.action;
    match direction {
        // A key of the client's that was rewritten would be another argument.
        Direction::Request if configured == ScanAction::Redact && (found.value.is_key() || decides(location)) => {
            ScanAction::Block
        }
        // Sealed by one side for itself; edited it is useless, and nobody else reads it.
        _ if OPAQUE.contains(&location) => ScanAction::Log,
        Direction::Response if configured == ScanAction::Redact && decides(location) => ScanAction::Log,
        _ => configured,
    }
}

/// True for fields that say which call a message is, or which message it belongs to.
fn decides(location: &str) -> bool {
    DECIDING.contains(&location) || location.starts_with("/params/ref/")
}

fn gravity(decided: Decided) -> u8 {
    match decided {
        Decided::Allow | Decided::Pass => 0,
        Decided::LogOnly => 1,
        Decided::Redact => 2,
        Decided::RequireApproval => 3,
        Decided::Malformed | Decided::Deny => 4,
    }
}

const DECIDING: [&str; 13] = [
    "/jsonrpc",
    "/id",
    "/method",
    "/params/name",
    "/params/uri",
    "/params/taskId",
    "/params/cursor",
    "/params/requestId",
    "/params/protocolVersion",
    "/params/progressToken",
    "/params/_meta/progressToken",
    "/params/_meta/io.modelcontextprotocol~1protocolVersion",
    "/result/protocolVersion",
];

const OPAQUE: [&str; 3] = ["/params/requestState", "/result/requestState", "/result/nextCursor"];
