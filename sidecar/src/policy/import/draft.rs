//! The policy that an import writes, as far as it has come, and what the translators have in common.

use std::collections::BTreeSet;

use portcullis_engine::policy::Policy;

use crate::policy::literal;
use crate::source::Node;

/// A policy in the making.
pub(super) struct Draft {
    /// The server that everything is about, where it is known.
    server: Option<String>,
    /// Calls that no rule is about pass.
    pub(super) default_allow: bool,
    pub(super) servers: Vec<Node>,
    pub(super) rules: Vec<Node>,
    pub(super) quotas: Vec<Node>,
    pub(super) obligations: Vec<Node>,
    pub(super) flow_sources: Vec<Node>,
    pub(super) flow_rules: Vec<Node>,
    /// Other members of the policy.
    pub(super) others: Vec<(&'static str, Node)>,
    pub(super) notes: Vec<Note>,
    ids: BTreeSet<String>,
}

/// Something that is not carried over as it was.
pub(super) struct Note {
    /// JSON Pointer into the imported document.
    pub(super) pointer: String,
    pub(super) line: Option<usize>,
    pub(super) effect: Effect,
    pub(super) message: String,
}

/// What a difference does to decisions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Calls are refused that were not.
    Stricter,
    /// The original does not say it; somebody should read what was assumed.
    Assumed,
    /// None.
    Same,
}

impl Draft {
    pub(super) fn new(server: Option<&str>) -> Self {
        Self {
            server: server.map(str::to_owned),
            default_allow: false,
            servers: Vec::new(),
            rules: Vec::new(),
            quotas: Vec::new(),
            obligations: Vec::new(),
            flow_sources: Vec::new(),
            flow_rules: Vec::new(),
            others: Vec::new(),
            notes: Vec::new(),
            ids: BTreeSet::new(),
        }
    }

    /// An id of our own made of what the original calls it; unique.
    pub(super) fn id(&mut self, wanted: &str) -> String {
        let mut slug = String::new();
        for character in wanted.chars().flat_map(char::to_lowercase) {
            if character.is_alphanumeric() || matches!(character, '_' | '.' | '/') {
                slug.push(character);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_matches('-');
        let slug = if slug.is_empty() || slug == "default" { "rule" } else { slug };
        let mut id = slug.to_owned();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{slug}-{number}");
            number += 1;
        }
        id
    }

    /// `match` of calls of these tools; `None` for all.
    pub(super) fn tools(&self, names: Option<&[String]>) -> Node {
        let mut matcher = Node::object::<&str>([]);
        if let Some(server) = &self.server {
            matcher.set("server", Node::array([literal(server)]));
        }
        matcher.set("capability", Node::array(["tool"]));
        if let Some(names) = names {
            matcher.set("name", Node::array(names.iter().map(String::as_str)));
        }
        matcher
    }

    pub(super) fn note(&mut self, node: &Node, pointer: &str, effect: Effect, message: impl Into<String>) {
        let line = node.place.as_ref().map(|place| place.line);
        self.notes.push(Note { pointer: pointer.to_owned(), line, effect, message: message.into() });
    }

    /// Notes every member that is not among these.
    pub(super) fn unknown(&mut self, node: &Node, pointer: &str, known: &[&str], effect: Effect) -> bool {
        let mut any = false;
        for (key, value) in node.members().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            any = true;
            let at = format!("{pointer}/{}", crate::source::pointer_token(key));
            self.note(value, &at, effect, "is not known");
        }
        any
    }

    /// The policy in the order in which a person reads it, and the notes by line.
    pub(super) fn finish(mut self) -> (Node, Vec<Note>) {
        let mut policy = Node::object([("version", Node::from("1"))]);
        policy.set("default", if self.default_allow { "allow" } else { "deny" }.into());
        if self.servers.is_empty() {
            let name = self.server.as_deref().unwrap_or("mcp");
            self.servers.push(Node::object([("name", name.into()), ("match", Node::object::<&str>([]))]));
            self.notes.push(Note {
                pointer: String::new(),
                line: None,
                effect: Effect::Assumed,
                message: format!(
                    "all requests go to one server, `{name}`; say in `servers` which ones do if there are others"
                ),
            });
        }
        let mut flow = Node::object::<&str>([]);
        for (key, list) in [("sources", self.flow_sources), ("rules", self.flow_rules)] {
            if !list.is_empty() {
                flow.set(key, Node::array(list));
            }
        }
        let lists = [
            ("servers", self.servers),
            ("rules", self.rules),
            ("quotas", self.quotas),
            ("obligations", self.obligations),
        ];
        for (key, list) in lists {
            if !list.is_empty() {
                policy.set(key, Node::array(list));
            }
        }
        if !flow.members().is_empty() {
            policy.set("flow", flow);
        }
        for (key, value) in self.others {
            policy.set(key, value);
        }
        self.notes.sort_by_key(|note| note.line);
        (policy, self.notes)
    }
}

/// A rule.
pub(super) fn rule(id: &str, matcher: Node, arguments: Vec<Node>, action: &str, reason: Option<&str>) -> Node {
    let mut rule = Node::object([("id", Node::from(id)), ("match", matcher)]);
    if !arguments.is_empty() {
        rule.set("arguments", Node::array(arguments));
    }
    rule.set("action", action.into());
    if let Some(reason) = reason.map(sentence).filter(|reason| !reason.is_empty()) {
        rule.set("reason", reason.into());
    }
    rule
}

/// A condition on an argument.
pub(super) fn condition(path: &str, op: &str, value: impl Into<Node>, missing: Option<&str>) -> Node {
    let mut condition = Node::object([("path", Node::from(path)), ("op", op.into()), ("value", value.into())]);
    if let Some(missing) = missing {
        condition.set("missing", missing.into());
    }
    condition
}

/// Whether the engine takes this condition.
pub(super) fn is_valid(condition: &Node) -> bool {
    let rule = Node::object([
        ("id", Node::from("x")),
        ("action", "deny".into()),
        ("arguments", Node::array([condition.clone()])),
    ]);
    let policy = Node::object([("version", Node::from("1")), ("rules", Node::array([rule]))]);
    Policy::from_json(policy.to_json().as_bytes()).is_ok()
}

/// A quota of `count` a `unit`, counted for everybody together.
pub(super) fn quota(id: &str, matcher: Node, count: u64, unit: &str, calendar: bool, reason: Option<&str>) -> Node {
    let mut quota =
        Node::object([("id", Node::from(id)), ("match", matcher), ("limit", format!("{count}/{unit}").into())]);
    if calendar {
        quota.set("algorithm", "fixed_window".into());
    }
    quota.set("per", Node::from(crate::source::Value::Array(Vec::new())));
    if let Some(reason) = reason.map(sentence).filter(|reason| !reason.is_empty()) {
        quota.set("reason", reason.into());
    }
    quota
}

/// The path of an argument from its parts: dotted where every part is a plain name, a JSON Pointer otherwise.
pub(super) fn argument_path<'p>(parts: impl Iterator<Item = &'p str> + Clone) -> String {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if parts.clone().all(plain) {
        return parts.collect::<Vec<_>>().join(".");
    }
    parts.map(|part| format!("/{}", crate::source::pointer_token(part))).collect()
}

/// `100/hour`: count and unit.
pub(super) fn rate(text: &str) -> Option<(u64, &'static str)> {
    let (count, unit) = text.split_once('/')?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" => "second",
        "m" | "min" | "minute" => "minute",
        "h" | "hr" | "hour" => "hour",
        "d" | "day" => "day",
        _ => return None,
    };
    Some((count.trim().parse().ok()?, unit))
}

/// A regular expression that finds this text.
pub(super) fn regex_literal(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation();
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// One line without control characters, as a reason has to be.
fn sentence(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Every argument that may hold a path, by the names that tools use, is within one of the directories. The first of
/// the names must be there, if one is given.
pub(super) fn paths_within(directories: &[String], required: Option<&str>) -> Vec<Node> {
    let within = |path: &str, missing| {
        condition(path, "path_within", Node::array(directories.iter().map(String::as_str)), missing)
    };
    let others = PATHS.iter().filter(|name| Some(**name) != required).map(|name| within(name, Some("holds")));
    required.map(|name| within(name, None)).into_iter().chain(others).collect()
}

/// Every argument that may hold a URL has one of the hosts. The first of the names must be there.
pub(super) fn hosts_in(hosts: &[String], required: &str) -> Vec<Node> {
    let within =
        |path: &str, missing| condition(path, "host_in", Node::array(hosts.iter().map(String::as_str)), missing);
    let others = URLS.iter().filter(|name| **name != required).map(|name| within(name, Some("holds")));
    [within(required, None)].into_iter().chain(others).collect()
}

/// Names of arguments that hold a path; `[*]` where they hold several.
pub(super) const PATHS: [&str; 20] = [
    "path",
    "paths[*]",
    "file",
    "files[*]",
    "filepath",
    "file_path",
    "filename",
    "file_name",
    "directory",
    "dir",
    "folder",
    "target",
    "destination",
    "dest",
    "dst",
    "source",
    "src",
    "from",
    "to",
    "output",
];
/// Names of arguments that hold a URL or host.
const URLS: [&str; 11] =
    ["url", "urls[*]", "uri", "endpoint", "href", "link", "host", "hostname", "domain", "base_url", "baseUrl"];
