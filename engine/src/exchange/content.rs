//! Scanning one message: findings become edits, or stop it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Exchange;
use super::lists::List;
use crate::audit::{Decided, Found, Record};
use crate::config::DlpAction;
use crate::json::{Edits, Locator, Value};
use crate::obligations;
use crate::scan::{self, Context, Direction, Finding, Located, NAMES as SCANNERS, ScanAction, Scanners, Site, Surface};

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

/// Scans every string and key of `message`, notes findings in `record` and redactions in `edits`. An
/// entry of `lists` that may not go on is taken out of its list; everything else that may not stops the message.
/// In shadow mode nothing is edited or blocked, and the record says what would have been.
pub(super) fn scan<'d>(
    exchange: &Exchange,
    context: Context,
    message: Value<'d>,
    lists: &mut [List<'d>],
    held: &[u16],
    edits: &mut Edits,
    record: &mut Record,
) -> Content {
    if exchange.firewall.scanners.is_idle() {
        return Content::Clean;
    }
    let replaced = if context.direction == Direction::Request { edits.spans() } else { Vec::new() };
    let dlp = exchange.firewall.obligations.dlp(held, context.direction);
    let name = record.name.clone();
    let mut blocked: Option<Block> = None;
    let mut redacted_keys = 0;
    let mut locator = Locator::new(message);
    let mut located = Vec::new();
    let mut secret_keys = BTreeMap::new();
    let mut exceptions: Vec<String> = Vec::new();
    let exception = |part: &Part<'_>, finding: &Finding, location: &str| {
        let tool = part.tool.as_deref().map(|tool| recordable(exchange, context.direction, tool));
        Scanners::exception(finding, tool.as_deref(), location)
    };
    for part in parts(message, lists, name.as_deref()) {
        let site = Site {
            context,
            tool: part.tool.as_deref(),
            principal: Some(&exchange.scene.principal),
            base: &part.base,
            suppress: exchange.firewall.suppressions(&record.rule),
        };
        located.clear();
        exchange.firewall.scanners.scan_value(site, part.value, &mut located);
        if context.surface == Surface::Result
            && let Some(result) = part.value.get("result")
        {
            exchange.firewall.scanners.weigh(&site, result, obligations::entries, &mut located);
        }
        for found in &mut located {
            name_value(exchange, found.value.as_str().as_deref(), &mut found.finding);
        }
        note_keys(&located, &mut secret_keys);
        for found in &located {
            locator.seek(found.value);
            let location = locator.location();
            let action = match dlp_action(&dlp, &found.finding) {
                Some(DlpAction::Off) => continue,
                Some(DlpAction::Log) => ScanAction::Log,
                // What an obligation has redacted already does not go on.
                _ if is_within(&replaced, &content_of(found.value)) => ScanAction::Log,
                Some(DlpAction::Block) if !is_opaque(&location) => ScanAction::Block,
                _ => effective(context.direction, found, &location),
            };
            let location = without_keys(location, &secret_keys);
            record.findings.push(Found {
                scanner: found.finding.scanner,
                rule: found.finding.rule.to_string(),
                action,
                direction: context.direction,
                location: location.clone(),
            });
            let rule = || format!("{}:{}", found.finding.scanner, found.finding.rule);
            let would = match action {
                ScanAction::Log => continue,
                ScanAction::Redact => Decided::Redact,
                _ if part.entry.is_some() => Decided::Redact,
                ScanAction::RequireApproval => Decided::RequireApproval,
                ScanAction::Block => Decided::Deny,
            };
            if !exchange.enforcing() {
                if record.would.as_ref().is_none_or(|(known, _)| gravity(*known) < gravity(would)) {
                    record.would = Some((would, rule()));
                }
                continue;
            }
            match (action, part.entry) {
                (ScanAction::Log, _) => {}
                (ScanAction::Redact, _) => {
                    if found.value.is_key() {
                        // Two members must not end up under one name.
                        redacted_keys += 1;
                        let placeholder = format!("{}-{redacted_keys}", found.finding.placeholder);
                        edits.replace_in_string(found.value, found.finding.range.clone(), &placeholder);
                    } else {
                        found.redact(edits);
                    }
                    record.redacted.push(location);
                }
                (ScanAction::RequireApproval | ScanAction::Block, Some((list, index))) => {
                    if let Some(kept) = lists.get_mut(list).and_then(|list| list.kept.get_mut(index)) {
                        *kept = false;
                    }
                    if exceptions.len() < MAX_EXCEPTIONS {
                        exceptions.push(exception(&part, &found.finding, &location));
                    }
                    record.redacted.push(part.base.clone());
                }
                (ScanAction::RequireApproval | ScanAction::Block, None) => {
                    let ask = action == ScanAction::RequireApproval;
                    if exceptions.len() < MAX_EXCEPTIONS {
                        exceptions.push(exception(&part, &found.finding, &location));
                    }
                    if blocked.as_ref().is_none_or(|block| block.ask && !ask) {
                        blocked = Some(Block { rule: rule(), location, ask });
                    }
                    continue;
                }
            }
            if matches!(record.decision, Decided::Allow | Decided::LogOnly) {
                record.decision = Decided::Redact;
            }
        }
    }
    record.redacted.dedup();
    exceptions.dedup();
    exceptions.truncate(MAX_EXCEPTIONS);
    if !exceptions.is_empty() {
        record.exception = Some(format!("{{\"suppress\":[{}]}}", exceptions.join(",")));
    }
    blocked.map_or(Content::Clean, Content::Blocked)
}

/// A part of a message that is scanned by itself.
struct Part<'d> {
    value: Value<'d>,
    /// What is called or described.
    tool: Option<String>,
    /// JSON Pointer within the message.
    base: String,
    /// Which list, and which of its entries.
    entry: Option<(usize, usize)>,
}

/// The parts of a message in text order: each visible entry of a list for itself, so that one can be taken out; a message
/// without lists is one part.
fn parts<'d>(message: Value<'d>, lists: &[List<'d>], name: Option<&str>) -> Vec<Part<'d>> {
    let whole = |value: Value<'d>, base: String| Part { value, tool: name.map(str::to_owned), base, entry: None };
    if lists.is_empty() {
        return vec![whole(message, String::new())];
    }
    let pointer = |base: &str, key: Value<'_>| format!("{base}/{}", escaped(&key.as_str().unwrap_or_default()));
    let mut parts = Vec::new();
    for (key, value) in message.members() {
        let base = pointer("", key);
        parts.push(whole(key, base.clone()));
        if !key.is_str("result") {
            parts.push(whole(value, base));
            continue;
        }
        for (key, value) in value.members() {
            let base = pointer(&base, key);
            parts.push(whole(key, base.clone()));
            let Some((index, list)) = lists.iter().enumerate().find(|(_, list)| list.array.span() == value.span())
            else {
                parts.push(whole(value, base));
                continue;
            };
            for (place, entry) in value.elements().enumerate() {
                if list.kept.get(place) == Some(&true) {
                    parts.push(Part {
                        value: entry,
                        tool: entry.get(list.named).and_then(Value::as_str).map(|name| name.into_owned()),
                        base: format!("{base}/{place}"),
                        entry: Some((index, place)),
                    });
                }
            }
        }
    }
    parts
}

/// Tells equal values apart from others in their placeholder, where the configuration wants that.
pub(super) fn name_value(exchange: &Exchange, text: Option<&str>, finding: &mut Finding) {
    let value = text.and_then(|text| text.get(finding.range.clone()));
    let scope = || exchange.subject().session;
    if finding.action == ScanAction::Redact
        && let Some(value) = value
        && let Some(named) = exchange.firewall.pseudonym(&finding.placeholder, &scope(), value)
    {
        finding.placeholder = named.into();
    }
}

/// A name that a record may hold: a secret or a person's data in it is replaced.
pub(super) fn recordable(exchange: &Exchange, direction: Direction, name: &str) -> String {
    let mut findings = Vec::new();
    if !exchange.firewall.scanners.is_idle() {
        let context = Context { direction, surface: Surface::Arguments };
        exchange.firewall.scanners.scan_text(context, name, &mut findings);
    }
    if findings.is_empty() {
        return name.to_owned();
    }
    scan::redact(name, findings.iter().filter(|finding| is_private(finding)))
}

/// True for a finding whose text nobody may see who only reads about the message.
pub(super) fn is_private(finding: &Finding) -> bool {
    PRIVATE.contains(&finding.scanner)
}

/// Adds the keys in which something was found, as they stand in a JSON Pointer, and what stands in for them.
fn note_keys(located: &[Located<'_>], known: &mut BTreeMap<String, String>) {
    for found in located.iter().filter(|found| found.value.is_key()) {
        let Some(key) = found.value.as_str() else { continue };
        let clean = scan::redact(&key, [&found.finding]);
        known.insert(escaped(&key), escaped(&clean));
    }
}

/// One token of a JSON Pointer (RFC 6901 section 3).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A JSON Pointer is made of keys, and a key can hold a secret too.
fn without_keys(location: String, secret_keys: &BTreeMap<String, String>) -> String {
    if secret_keys.is_empty() {
        return location;
    }
    let tokens = location.split('/').map(|token| secret_keys.get(token).map_or(token, String::as_str));
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
        _ if is_opaque(location) => ScanAction::Log,
        Direction::Response if configured == ScanAction::Redact && decides(location) => ScanAction::Log,
        _ => configured,
    }
}

/// What obligations say about the findings of this scanner.
fn dlp_action(dlp: &[Option<DlpAction>; SCANNERS.len()], finding: &Finding) -> Option<DlpAction> {
    let index = SCANNERS.iter().position(|scanner| *scanner == finding.scanner)?;
    dlp.get(index).copied().flatten()
}

/// The bytes of a string without its quotes.
fn content_of(value: Value<'_>) -> Range<usize> {
    let quote = usize::from(value.raw_str().is_some());
    let span = value.span();
    span.start + quote..span.end.saturating_sub(quote)
}

/// True where one of these spans, which are in order, holds all of `span`.
fn is_within(spans: &[Range<usize>], span: &Range<usize>) -> bool {
    let behind = spans.partition_point(|one| one.start <= span.start);
    behind.checked_sub(1).and_then(|last| spans.get(last)).is_some_and(|one| span.end <= one.end)
}

/// True for fields that one side has sealed for itself.
pub(super) fn is_opaque(location: &str) -> bool {
    OPAQUE.contains(&location)
}

/// True for fields that say which call a message is, or which message it belongs to.
pub(super) fn decides(location: &str) -> bool {
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

/// How many exceptions a record proposes at most.
const MAX_EXCEPTIONS: usize = 4;

/// Scanners whose findings may be in no record.
const PRIVATE: [&str; 2] = ["secrets", "pii"];
