//! What a change of a definition means: the fields that differ, what came in with it, and how grave that is.

use std::collections::BTreeSet;

use crate::json::{Document, Kind, Limits, Value};
use crate::scan::{Context, Direction, Scanners, Severity, Site, Surface};

use super::names::mentions;
use super::widen::is_wider;

/// A judged change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// How grave it is.
    pub severity: Severity,
    /// What came in.
    pub causes: Causes,
    /// JSON Pointers of what differs within the definition, [`MAX_FIELDS`] at most.
    pub fields: Vec<String>,
}

/// What a change brought, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes(pub(super) u16);

impl Causes {
    /// Text changed.
    pub const REWORDED: Self = Self(1);
    /// A schema is another.
    pub const SCHEMA_CHANGED: Self = Self(1 << 1);
    /// The arguments may hold more than before.
    pub const SCHEMA_WIDENED: Self = Self(1 << 2);
    /// It names another tool of the same server, which it did not before.
    pub const TOOL_REFERENCE: Self = Self(1 << 3);
    /// It names a tool of another server, which it did not before.
    pub const FOREIGN_TOOL_REFERENCE: Self = Self(1 << 4);
    /// It names a host that it did not name before.
    pub const NEW_HOST: Self = Self(1 << 5);
    /// `readOnlyHint`, `destructiveHint`, `openWorldHint` or `idempotentHint` says something else.
    pub const HINT_CHANGED: Self = Self(1 << 6);
    /// The scanners find something that they did not find before.
    pub const FLAGGED: Self = Self(1 << 7);
    /// The definition it was trusted by is not at hand.
    pub const UNJUDGED: Self = Self(1 << 8);

    /// Each cause as records name it.
    pub fn names(self) -> Vec<&'static str> {
        CAUSES.iter().filter(|(cause, _, _)| self.0 & cause.0 != 0).map(|(_, name, _)| *name).collect()
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn severity(self) -> Severity {
        let causes = CAUSES.iter().filter(|(cause, _, _)| self.0 & cause.0 != 0);
        causes.map(|(_, _, severity)| *severity).max().unwrap_or(Severity::Low)
    }
}

/// What is known of the other tools.
#[derive(Clone, Copy, Debug)]
pub struct Neighbours<'n> {
    /// Names of the tools of this server.
    pub own: &'n BTreeSet<String>,
    /// Names of the tools of other servers.
    pub foreign: &'n BTreeSet<String>,
}

/// Compares two canonical definitions of one tool.
#[must_use]
pub fn judge(old: &str, new: &str, scanners: &Scanners, neighbours: Neighbours<'_>) -> Drift {
    let (Ok(old), Ok(new)) = (Document::parse(old.as_bytes(), &LIMITS), Document::parse(new.as_bytes(), &LIMITS))
    else {
        return unjudged();
    };
    let (old, new) = (old.root(), new.root());
    let mut drift = Drift { severity: Severity::Low, causes: Causes::default(), fields: Vec::new() };
    differences(old, new, &mut String::new(), &mut drift.fields);
    for schema in ["inputSchema", "outputSchema"] {
        let (was, is) = (old.get(schema), new.get(schema));
        if was.map(shape) == is.map(shape) {
            continue;
        }
        drift.causes.add(Causes::SCHEMA_CHANGED);
        let wider = match (was, is) {
            (Some(was), Some(is)) => is_wider(was, is),
            (was, is) => was.is_some() || is.is_some(),
        };
        if wider && schema == "inputSchema" {
            drift.causes.add(Causes::SCHEMA_WIDENED);
        }
    }
    if HINTS.iter().any(|(hint, default)| said(old, hint, *default) != said(new, hint, *default)) {
        drift.causes.add(Causes::HINT_CHANGED);
    }
    if !hosts(new).is_subset(&hosts(old)) {
        drift.causes.add(Causes::NEW_HOST);
    }
    let name = new.get("name").and_then(Value::as_str).unwrap_or_default();
    for (known, cause) in
        [(neighbours.own, Causes::TOOL_REFERENCE), (neighbours.foreign, Causes::FOREIGN_TOOL_REFERENCE)]
    {
        if known.iter().any(|other| *other != *name && refers(new, other) && !refers(old, other)) {
            drift.causes.add(cause);
        }
    }
    if drift.causes == Causes::default() || ["title", "description"].iter().any(|text| differ(old, new, text)) {
        drift.causes.add(Causes::REWORDED);
    }
    drift.severity = drift.causes.severity();
    let before: Vec<Flag> = flags(old, scanners);
    let came = flags(new, scanners).into_iter().filter(|flag| !before.contains(flag)).map(|flag| flag.severity).max();
    if let Some(grave) = came {
        drift.causes.add(Causes::FLAGGED);
        // Text that instructs a model and came in later did not get there by mistake.
        drift.severity = drift.severity.max(if grave >= Severity::Medium { Severity::Critical } else { grave });
    }
    drift
}

fn differ(old: Value<'_>, new: Value<'_>, member: &str) -> bool {
    old.get(member).map(Value::raw) != new.get(member).map(Value::raw)
}

/// A change from a definition that is not at hand: it may be any.
pub(super) fn unjudged() -> Drift {
    Drift { severity: Severity::Critical, causes: Causes::UNJUDGED, fields: Vec::new() }
}

/// Something that a scanner found in a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// `scanner:rule`.
    pub id: String,
    /// How grave the rule is.
    pub severity: Severity,
}

/// What the scanners find in a definition, each rule once; nothing that was found is in it.
#[must_use]
pub fn flags(definition: Value<'_>, scanners: &Scanners) -> Vec<Flag> {
    let name = definition.get("name").and_then(Value::as_str);
    let context = Context { direction: Direction::Response, surface: Surface::Description };
    let site = Site { context, tool: name.as_deref(), principal: None, base: "", suppress: None };
    let mut found = Vec::new();
    scanners.scan_value(site, definition, &mut found);
    let mut flags: Vec<Flag> = Vec::new();
    for located in found {
        let finding = located.finding;
        let id = format!("{}:{}", finding.scanner, finding.rule);
        if let Some(known) = flags.iter_mut().find(|flag| flag.id == id) {
            known.severity = known.severity.max(finding.severity);
        } else if flags.len() < MAX_FLAGS {
            flags.push(Flag { id, severity: finding.severity });
        } else if let Some(least) = flags.iter_mut().min_by_key(|flag| flag.severity)
            && least.severity < finding.severity
        {
            // The gravest must not be lost behind many others.
            *least = Flag { id, severity: finding.severity };
        }
    }
    flags
}

/// True where a text of the definition names the tool `other`.
pub(super) fn refers(definition: Value<'_>, other: &str) -> bool {
    definition
        .members()
        .filter(|(key, _)| !key.is_str("name"))
        .any(|(_, value)| value.strings().any(|string| string.as_str().is_some_and(|text| mentions(&text, other))))
}

/// Collects the pointers of what differs.
fn differences(old: Value<'_>, new: Value<'_>, path: &mut String, out: &mut Vec<String>) {
    if old.raw() == new.raw() || out.len() >= MAX_FIELDS {
        return;
    }
    if old.kind() != Kind::Object || new.kind() != Kind::Object {
        out.push(path.clone());
        return;
    }
    let length = path.len();
    let mut step = |key: Value<'_>, was: Option<Value<'_>>, is: Option<Value<'_>>| {
        path.push('/');
        path.push_str(&key.as_str().unwrap_or_default().replace('~', "~0").replace('/', "~1"));
        match (was, is) {
            (Some(was), Some(is)) => differences(was, is, path, out),
            _ if out.len() < MAX_FIELDS => out.push(path.clone()),
            _ => {}
        }
        path.truncate(length);
    };
    for (key, was) in old.members() {
        let is = key.as_str().and_then(|key| new.get(&key));
        step(key, Some(was), is);
    }
    for (key, is) in new.members().filter(|(key, _)| key.as_str().is_none_or(|key| old.get(&key).is_none())) {
        step(key, None, Some(is));
    }
}

/// A schema without its wording, so that a better description is no change of the schema.
fn shape(schema: Value<'_>) -> String {
    let mut out = String::new();
    write_shape(schema, false, &mut out);
    out
}

fn write_shape(value: Value<'_>, names: bool, out: &mut String) {
    match value.kind() {
        Kind::Object => {
            out.push('{');
            for (key, member) in value.members() {
                // Below `properties` and the like a key is a name, not a keyword.
                if names || !WORDING.iter().any(|word| key.is_str(word)) {
                    out.push_str(key.raw());
                    out.push(':');
                    write_shape(member, !names && NAMING.iter().any(|word| key.is_str(word)), out);
                    out.push(',');
                }
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for element in value.elements() {
                write_shape(element, false, out);
                out.push(',');
            }
            out.push(']');
        }
        _ => out.push_str(value.raw()),
    }
}

/// What a hint says, or what its absence means.
fn said(definition: Value<'_>, hint: &str, default: bool) -> bool {
    definition.get("annotations").and_then(|all| all.get(hint)).and_then(Value::as_bool).unwrap_or(default)
}

/// Hosts of the URLs in a definition, in lower case, with the addresses of mail.
fn hosts(definition: Value<'_>) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for string in definition.strings() {
        let Some(text) = string.as_str() else { continue };
        let end = |c: char| c.is_whitespace() || "/?#\"'<>()[]{}|\\^`,;".contains(c);
        for (at, _) in text.match_indices("://") {
            let authority = text.get(at + 3..).and_then(|rest| rest.split(end).next()).unwrap_or_default();
            hosts.insert(authority.rsplit('@').next().unwrap_or_default().trim_end_matches('.').to_lowercase());
        }
        // `www.` and mail addresses are followed by clients and models alike.
        for word in text.split(end) {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            let host = match word.rsplit_once('@') {
                Some((_, host)) if !host.is_empty() => Some(host),
                _ => word.strip_prefix("www.").map(|_| word.as_str()),
            };
            if let Some(host) = host.filter(|host| host.contains('.')) {
                hosts.insert(host.to_owned());
            }
        }
    }
    hosts.remove("");
    hosts
}

/// Causes, their names, and how grave each is by itself.
const CAUSES: [(Causes, &str, Severity); 9] = [
    (Causes::REWORDED, "reworded", Severity::Low),
    (Causes::SCHEMA_CHANGED, "schema_changed", Severity::Medium),
    (Causes::SCHEMA_WIDENED, "schema_widened", Severity::Medium),
    (Causes::TOOL_REFERENCE, "tool_reference", Severity::Medium),
    (Causes::FOREIGN_TOOL_REFERENCE, "foreign_tool_reference", Severity::High),
    (Causes::NEW_HOST, "new_host", Severity::High),
    (Causes::HINT_CHANGED, "hint_changed", Severity::High),
    (Causes::FLAGGED, "flagged", Severity::Low),
    (Causes::UNJUDGED, "unjudged", Severity::Critical),
];

/// Hints and what their absence means (2025-03-26 and later, "ToolAnnotations").
const HINTS: [(&str, bool); 4] =
    [("readOnlyHint", false), ("destructiveHint", true), ("idempotentHint", false), ("openWorldHint", true)];

/// Keywords that only describe.
const WORDING: [&str; 6] = ["title", "description", "examples", "$comment", "$schema", "$id"];
/// Keywords whose members are names.
const NAMING: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependentRequired"];

/// Most pointers of one change.
pub const MAX_FIELDS: usize = 16;
/// Most flags of one definition.
const MAX_FLAGS: usize = 16;

/// A kept definition has passed the strict parse of its message; its size was bounded then.
const LIMITS: Limits = Limits { max_bytes: usize::MAX, max_depth: 128 };
