//! The record of one message: who did what, what was decided and why. Never a value.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::json::quote_into;
use crate::principal::Principal;
use crate::scan::{Direction, ScanAction, Severity};

/// The version of the rules by which a record shows names and no values: which argument names, what stands for the
/// arguments, what is replaced in a name and where texts are cut (docs/operations.md, "What a record leaves out").
/// Whoever reads records of several versions tells by it what an absent name means.
pub const REDACTION_SCHEME: u64 = 1;

/// What happened to one message. Written as one JSON line by [`Record::to_json`].
#[derive(Clone, Debug)]
pub struct Record {
    /// Unique among all records.
    pub id: String,
    /// When the message was judged, microseconds since the Unix epoch.
    pub time_us: u64,
    /// Ties together everything that came of one HTTP request.
    pub correlation_id: String,
    /// The correlation id of the HTTP request that asked for this one.
    pub parent: Option<String>,
    /// Trace id and span id of W3C Trace Context, 32 and 16 hexadecimal digits with a hyphen between them.
    pub trace: Option<Arc<str>>,
    /// Which way the message travelled.
    pub direction: Direction,
    /// The caller.
    pub principal: Arc<Principal>,
    /// Id of the key that was made at the sidecar, by which the caller is known.
    pub key: Option<Arc<str>>,
    /// Keyed hash of the session's id, which itself is as good as a password; `None` where there is no session.
    pub session: Option<Arc<str>>,
    /// The configured server's name; empty where none matched.
    pub server: Arc<str>,
    /// JSON-RPC method, or `http/…`; empty where none could be read.
    pub method: String,
    /// The capability the message touches.
    pub capability: &'static str,
    /// Tool, prompt, resource URI or task id.
    pub name: Option<String>,
    /// What was done.
    pub decision: Decided,
    /// The rule that decided.
    pub rule: Arc<str>,
    /// Why, in one sentence without content.
    pub reason: Arc<str>,
    /// The approval that was asked for.
    pub approval: Option<String>,
    /// The credential that was injected: its name.
    pub credential: Option<String>,
    /// What would have been done were it not for shadow mode.
    pub would: Option<(Decided, String)>,
    /// The narrowest exception that would have let through what a scanner stopped, as the JSON of a
    /// `scanners` configuration.
    pub exception: Option<String>,
    /// SHA-256 of the canonical configuration.
    pub policy_version: Arc<str>,
    /// Sorted top-level argument names.
    pub argument_keys: Vec<String>,
    /// Keyed hash of the arguments as they were written.
    pub input_hash: Option<String>,
    /// What the scanners found.
    pub findings: Vec<Found>,
    /// JSON Pointers of what was redacted.
    pub redacted: Vec<String>,
    /// Ids of checks (quotas, obligations, pins, flow rules …) that applied, beside the rule that decided.
    pub rules_fired: Vec<Arc<str>>,
    /// Labels that the caller's session carried, or gained by this message.
    pub taint: Vec<Arc<str>>,
    /// Tools of a list whose definition is another than the trusted one; the server's instructions under an empty name.
    pub drift: Vec<Drifted>,
    /// Tools of a list whose definition was looked at for the first time, and what was found in it.
    pub risks: Vec<Risky>,
    /// Versions of definitions that were listed for the first time; the server's instructions under an empty name.
    pub versions: Vec<Listed>,
    /// Entries removed from a list result.
    pub hidden: u32,
    /// From the request's arrival to the end of the exchange, microseconds.
    pub latency_us: Option<u64>,
    /// HTTP status of the upstream; `None` where it was never asked.
    pub upstream_status: Option<u16>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
}

/// One finding as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The scanner.
    pub scanner: &'static str,
    /// Its rule.
    pub rule: String,
    /// What was done about it.
    pub action: ScanAction,
    /// Which way the text travelled.
    pub direction: Direction,
    /// JSON Pointer within the message, or the header's name.
    pub location: String,
}

/// A tool whose definition is another than the trusted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    /// The tool's name; empty for the server's instructions.
    pub tool: String,
    /// How grave the change is.
    pub severity: Severity,
    /// What came in with it.
    pub causes: Vec<&'static str>,
    /// JSON Pointers of what differs.
    pub fields: Vec<String>,
    /// SHA-256 of the trusted definition, where it is known.
    pub from: Option<String>,
    /// SHA-256 of the definition that was listed.
    pub to: String,
}

/// A tool in whose definition the scanners found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risky {
    /// The tool's name.
    pub tool: String,
    /// The gravest of its flags.
    pub severity: Severity,
    /// `scanner:rule` of each.
    pub flags: Vec<String>,
}

/// A version of a tool's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The tool's name.
    pub tool: String,
    /// Its fingerprint in hexadecimal, as `pins.approved` takes it.
    pub sha256: String,
}

/// What was done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Forwarded.
    Allow,
    /// Forwarded, and marked for attention.
    LogOnly,
    /// Forwarded with parts replaced.
    Redact,
    /// Refused, for want of an approval.
    RequireApproval,
    /// Refused.
    Deny,
    /// Refused because it was no valid message.
    Malformed,
    /// Not MCP: passed without a look at its body.
    Pass,
}

impl Decided {
    /// The word used in records, metrics and filter state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::LogOnly => "log_only",
            Self::Redact => "redact",
            Self::RequireApproval => "require_approval",
            Self::Deny => "deny",
            Self::Malformed => "malformed",
            Self::Pass => "pass",
        }
    }

    /// True where the message did not go on.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::RequireApproval | Self::Deny | Self::Malformed)
    }
}

impl Record {
    /// The record as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.write_json(&mut out);
        out
    }

    /// The record of a message that is about to be forwarded: what came of it is not known yet.
    #[must_use]
    pub fn to_intent_json(&self) -> String {
        let mut out = String::with_capacity(1024);
        let mut line = Line::new(&mut out);
        line.text("stage", "intent");
        self.write_members(line);
        out
    }

    /// Appends the record to `out` as one line of JSON.
    pub fn write_json(&self, out: &mut String) {
        self.write_members(Line::new(out));
    }

    fn write_members(&self, mut line: Line<'_>) {
        line.text("id", &self.id);
        write_time(line.key("time"), self.time_us);
        line.text("correlation_id", &self.correlation_id);
        if let Some(parent) = &self.parent {
            line.text("parent", parent);
        }
        if let Some((trace, span)) = self.trace.as_ref().and_then(|trace| trace.split_once('-')) {
            line.text("trace_id", trace);
            line.text("span_id", span);
        }
        line.text("direction", self.direction.as_str());
        line.optional("tenant", self.principal.tenant.as_deref());
        if self.principal.is_anonymous() {
            line.raw("principal", "null");
        } else {
            line.text("principal", &self.principal.id);
            line.text("principal_kind", self.principal.kind.map_or("", |kind| kind.as_str()));
            line.list("roles", &self.principal.roles);
            line.list("teams", &self.principal.teams);
            line.optional("agent", self.principal.agent.as_deref());
        }
        if let Some(key) = &self.key {
            line.text("key_id", key);
        }
        if let Some(session) = &self.session {
            line.text("session", session);
        }
        line.text("server", &self.server);
        line.text("method", &self.method);
        line.text("capability", self.capability);
        line.optional("tool", self.name.as_deref());
        line.text("decision", self.decision.as_str());
        line.text("rule", &self.rule);
        line.text("reason", &self.reason);
        if let Some(approval) = &self.approval {
            line.text("approval_id", approval);
        }
        if let Some(credential) = &self.credential {
            line.text("credential_id", credential);
        }
        if let Some((decision, rule)) = &self.would {
            line.text("shadow_decision", decision.as_str());
            line.text("shadow_rule", rule);
        }
        if let Some(exception) = self.exception.as_deref().filter(|exception| exception.len() <= 4 * MAX_TEXT) {
            line.raw("exception", exception);
        }
        line.text("policy_version", &self.policy_version);
        line.number("redaction_scheme", Some(REDACTION_SCHEME));
        line.list("argument_keys", &self.argument_keys);
        line.optional("input_hash", self.input_hash.as_deref());
        self.write_findings(line.key("findings"));
        line.list("redacted", &self.redacted);
        if !self.rules_fired.is_empty() {
            line.list("rules_fired", &self.rules_fired);
        }
        if !self.taint.is_empty() {
            line.list("taint", &self.taint);
        }
        if !self.drift.is_empty() {
            self.write_drift(line.key("drift"));
        }
        if !self.risks.is_empty() {
            self.write_risks(line.key("risks"));
        }
        if !self.versions.is_empty() {
            self.write_versions(line.key("versions"));
        }
        if self.hidden > 0 {
            line.number("hidden", Some(u64::from(self.hidden)));
        }
        line.number("latency_us", self.latency_us);
        line.number("upstream_status", self.upstream_status.map(u64::from));
        line.number("request_bytes", Some(self.request_bytes));
        line.number("response_bytes", Some(self.response_bytes));
        line.end();
    }

    fn write_drift(&self, out: &mut String) {
        write_rows(out, &self.drift, |row, drifted| {
            row.text("tool", &drifted.tool);
            row.text("severity", drifted.severity.as_str());
            row.list("causes", &drifted.causes);
            row.list("fields", &drifted.fields);
            row.optional("from", drifted.from.as_deref());
            row.text("to", &drifted.to);
        });
    }

    fn write_risks(&self, out: &mut String) {
        write_rows(out, &self.risks, |row, risky| {
            row.text("tool", &risky.tool);
            row.text("severity", risky.severity.as_str());
            row.list("flags", &risky.flags);
        });
    }

    fn write_versions(&self, out: &mut String) {
        write_rows(out, &self.versions, |row, listed| {
            row.text("tool", &listed.tool);
            row.text("sha256", &listed.sha256);
        });
    }

    fn write_findings(&self, out: &mut String) {
        out.push('[');
        // One row per scanner, rule, action and place: a thousand hits in one text are one row with a count.
        let mut rows: BTreeMap<(&str, &str, &str, &str, &str), u32> = BTreeMap::new();
        for found in &self.findings {
            let key = (
                found.scanner,
                found.rule.as_str(),
                found.action.as_str(),
                found.direction.as_str(),
                found.location.as_str(),
            );
            *rows.entry(key).or_default() += 1;
        }
        for (index, ((scanner, rule, action, direction, location), count)) in rows.iter().take(MAX_ROWS).enumerate() {
            if index > 0 {
                out.push(',');
            }
            let mut row = Line::new(out);
            row.text("scanner", scanner);
            row.text("rule", rule);
            row.text("action", action);
            row.text("direction", direction);
            row.text("location", location);
            row.number("count", Some(u64::from(*count)));
            row.end();
        }
        out.push(']');
    }
}

/// A JSON object written member by member.
struct Line<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> Line<'o> {
    fn new(out: &'o mut String) -> Self {
        Self { out, first: true }
    }

    /// Begins a member; its value is to be written next.
    fn key(&mut self, key: &str) -> &mut String {
        self.out.push_str(if std::mem::take(&mut self.first) { "{\"" } else { ",\"" });
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    fn raw(&mut self, key: &str, json: &str) {
        self.key(key).push_str(json);
    }

    fn text(&mut self, key: &str, text: &str) {
        quote_into(self.key(key), clip(text));
    }

    fn optional(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(key, text),
            None => self.raw(key, "null"),
        }
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        let out = self.key(key);
        match number {
            // Writing to a String cannot fail.
            Some(number) => drop(write!(out, "{number}")),
            None => out.push_str("null"),
        }
    }

    fn list<T: AsRef<str>>(&mut self, key: &str, items: &[T]) {
        let out = self.key(key);
        out.push('[');
        for (index, item) in items.iter().take(MAX_ROWS).enumerate() {
            if index > 0 {
                out.push(',');
            }
            quote_into(out, clip(item.as_ref()));
        }
        out.push(']');
    }

    fn end(self) {
        self.out.push_str(if self.first { "{}" } else { "}" });
    }
}

/// An array of objects, [`MAX_ROWS`] at most.
fn write_rows<T>(out: &mut String, items: &[T], write: impl Fn(&mut Line<'_>, &T)) {
    out.push('[');
    for (index, item) in items.iter().take(MAX_ROWS).enumerate() {
        if index > 0 {
            out.push(',');
        }
        let mut row = Line::new(out);
        write(&mut row, item);
        row.end();
    }
    out.push(']');
}

/// Keeps what a peer chose to send from making a record huge.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Microseconds since the epoch as RFC 3339 in UTC, quoted. The calendar is that of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms": years that begin in March, in eras of 400.
fn write_time(out: &mut String, time_us: u64) {
    let (days, of_day) = (time_us / DAY_US, time_us % DAY_US);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let seconds = of_day / 1_000_000;
    out.push('"');
    digits(out, year, 4);
    for (separator, number, width) in [
        ('-', month, 2),
        ('-', day, 2),
        ('T', seconds / 3600, 2),
        (':', seconds / 60 % 60, 2),
        (':', seconds % 60, 2),
        ('.', of_day % 1_000_000, 6),
    ] {
        out.push(separator);
        digits(out, number, width);
    }
    out.push_str("Z\"");
}

/// The last `width` decimal digits of a number, with leading zeros.
fn digits(out: &mut String, number: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

/// A day in microseconds.
const DAY_US: u64 = 86_400_000_000;
/// Longest text of a field, in bytes.
const MAX_TEXT: usize = 512;
/// Most items of a list.
const MAX_ROWS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_time_as_others_do() {
        let day = DAY_US;
        for time in
            (0..200_000).map(|step| step * day / 2 + step * 1_234_567).filter(|time| *time < 253_402_300_800_000_000)
        {
            let known = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_micros(time);
            let mut out = String::new();
            write_time(&mut out, time);
            assert_eq!(out, format!("\"{}\"", humantime::format_rfc3339_micros(known)));
        }
    }

    #[test]
    fn clips_at_character_boundaries() {
        let text = "é".repeat(MAX_TEXT);
        assert_eq!(clip(&text).len(), MAX_TEXT);
        assert_eq!(clip(&format!("a{text}")).len(), MAX_TEXT - 1);
    }
}
