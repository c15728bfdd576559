//! G8KEPR `policy.json`: an agent and what it may do tool by tool; a tool that is not listed is denied.

use portcullis_engine::config::{Config, Literal, from_json};
use portcullis_engine::policy::size;

use super::draft::{Draft, Effect, condition, hosts_in, is_valid, paths_within, quota, rate, rule};
use crate::failure::Failure;
use crate::policy::literal;
use crate::source::Node;

pub(super) fn translate(node: &Node, mut draft: Draft) -> Result<Draft, Failure> {
    let Some(rules) = node.get("rules").filter(|rules| rules.is_array()) else {
        return Err(Failure::new("has no list `rules`"));
    };
    draft.unknown(node, "", &["agent", "version", "rules", "audit", "description", "name", "$schema"], Effect::Assumed);
    let agent = match node.get("agent") {
        None => None,
        Some(agent) => match agent.as_str() {
            Some(name) => {
                let said = "the policy is for callers whose verified agent profile has this name (`principal.agent`); \
                            say in `identity` which claim that is";
                draft.note(agent, "/agent", Effect::Assumed, said);
                Some(literal(name))
            }
            None => return Err(Failure::new(format!("`agent` is {}, not a string", agent.kind()))),
        },
    };
    for (index, entry) in rules.elements().iter().enumerate() {
        one(entry, &format!("/rules/{index}"), agent.as_deref(), &mut draft);
    }
    largest_body(rules, &mut draft);
    audit(node, &mut draft);
    Ok(draft)
}

/// A permission to send much is none where bodies of that size are refused.
fn largest_body(rules: &Node, draft: &mut Draft) {
    let usual = Config::default().limits.max_body_bytes;
    let of = |entry: &Node| {
        let literal: Literal = from_json(entry.get("maxSize")?.to_json().as_bytes()).ok()?;
        usize::try_from(size(&literal)?).ok()
    };
    let rules = rules.elements().iter().enumerate();
    let sizes = rules.filter_map(|(index, entry)| Some((of(entry)?, index, entry)));
    let Some((largest, index, entry)) = sizes.max_by_key(|(size, ..)| *size) else { return };
    // What stands around the arguments.
    let wanted = largest.saturating_add(ENVELOPE).min(MAX_BODY);
    if wanted <= usual {
        return;
    }
    draft.others.push(("limits", Node::object([("max_body_bytes", Node::number(wanted))])));
    let said = format!(
        "`limits.max_body_bytes` is raised to {wanted}; Envoy's `per_connection_buffer_limit_bytes` must be as large"
    );
    draft.note(entry.get("maxSize").unwrap_or(entry), &format!("/rules/{index}/maxSize"), Effect::Assumed, said);
}

fn one(entry: &Node, at: &str, agent: Option<&str>, draft: &mut Draft) {
    let Some(tool) = entry.get("tool").and_then(Node::as_str) else {
        draft.note(entry, at, Effect::Stricter, "names no tool; what it allowed is refused");
        return;
    };
    let mut matcher = Node::object::<&str>([]);
    if let Some(agent) = agent {
        matcher.set("principal", Node::object([("agent", Node::array([agent]))]));
    }
    // `*` is a wildcard there too; nothing else is.
    let name = tool.split('*').map(literal).collect::<Vec<_>>().join("*");
    for (key, value) in draft.tools(Some(&[name])).members() {
        matcher.set(key, value.clone());
    }
    let reason = entry.get("reason").and_then(Node::as_str);
    let allowed = entry.get("allow").and_then(Node::as_bool);
    let known = ["tool", "allow", "reason", "paths", "maxSize", "domains", "rateLimit", "description"];
    if allowed != Some(true) {
        if allowed.is_none() {
            draft.note(entry, at, Effect::Stricter, "has no `allow` that is true or false; read as a denial");
        }
        for key in ["paths", "maxSize", "domains", "rateLimit"] {
            if let Some(value) = entry.get(key) {
                draft.note(
                    value,
                    &format!("{at}/{key}"),
                    Effect::Stricter,
                    "limits a denial; the tool is denied altogether",
                );
            }
        }
        draft.unknown(entry, at, &known, Effect::Stricter);
        let id = draft.id(&format!("no-{tool}"));
        draft.rules.push(rule(&id, matcher, Vec::new(), "deny", reason));
        return;
    }
    match conditions(entry, at, &known, draft) {
        None => {
            draft.note(entry, at, Effect::Stricter, format!("`{tool}` is not allowed: its conditions cannot be said"))
        }
        Some(alternatives) => {
            for conditions in alternatives {
                let id = draft.id(tool);
                draft.rules.push(rule(&id, matcher.clone(), conditions, "allow", reason));
            }
        }
    }
    if let Some(limit) = entry.get("rateLimit") {
        let pointer = format!("{at}/rateLimit");
        match limit.as_str().and_then(rate).filter(|(count, _)| *count > 0) {
            Some((count, unit)) => {
                let id = draft.id(&format!("{tool}-rate"));
                draft.quotas.push(quota(&id, matcher, count, unit, false, None));
                draft.note(limit, &pointer, Effect::Assumed, "is counted for all callers of this agent together");
            }
            None => {
                let id = draft.id(&format!("no-{tool}"));
                draft.rules.push(rule(&id, matcher, Vec::new(), "deny", None));
                draft.note(limit, &pointer, Effect::Stricter, format!("is no rate like 100/hour; `{tool}` is denied"));
            }
        }
    }
}

/// The conditions of a permission, as alternatives of which one must hold; `None` where they cannot be said.
fn conditions(entry: &Node, at: &str, known: &[&str], draft: &mut Draft) -> Option<Vec<Vec<Node>>> {
    let mut sayable = !draft.unknown(entry, at, known, Effect::Stricter);
    let mut common = Vec::new();
    if let Some(size) = entry.get("maxSize") {
        let whole = condition("", "max_size", size.clone(), None);
        if is_valid(&whole) {
            common.push(whole);
            draft.note(
                size,
                &format!("{at}/maxSize"),
                Effect::Assumed,
                "bounds all arguments together, as JSON; MB is 1,000,000 bytes",
            );
        } else {
            draft.note(size, &format!("{at}/maxSize"), Effect::Stricter, "is no size");
            sayable = false;
        }
    }
    if let Some(domains) = entry.get("domains") {
        let pointer = format!("{at}/domains");
        match texts(domains).map(|hosts| hosts_in(&hosts, "url")).filter(|all| all.iter().all(is_valid)) {
            Some(all) => {
                common.extend(all);
                draft.note(
                    domains,
                    &pointer,
                    Effect::Assumed,
                    "the host is that of the argument `url`, and of any other that is named like one",
                );
            }
            None => {
                draft.note(domains, &pointer, Effect::Stricter, "is no list of hosts");
                sayable = false;
            }
        }
    }
    let mut alternatives = vec![common];
    if let Some(paths) = entry.get("paths") {
        let pointer = format!("{at}/paths");
        match texts(paths).and_then(|paths| within(&paths)) {
            Some(places) => {
                let with = |place: &Vec<Node>| alternatives.iter().flatten().chain(place).cloned().collect();
                alternatives = places.iter().map(with).collect();
                draft.note(paths, &pointer, Effect::Assumed, "the path is the argument `path`, and any other that is named like one; `dir/*` is everything below");
            }
            None => {
                draft.note(
                    paths,
                    &pointer,
                    Effect::Stricter,
                    "has a pattern that does not begin with a plain directory",
                );
                sayable = false;
            }
        }
    }
    sayable.then_some(alternatives)
}

/// Path globs as alternatives: directories together, and each pattern of file names by itself.
fn within(globs: &[String]) -> Option<Vec<Vec<Node>>> {
    let mut directories = Vec::new();
    let mut alternatives = Vec::new();
    for glob in globs {
        let Some(star) = glob.find(['*', '?', '[', '{']) else {
            directories.push(glob.clone());
            continue;
        };
        let (fixed, wild) = glob.split_at_checked(star)?;
        let directory = fixed.strip_suffix('/').filter(|directory| !directory.is_empty());
        if let (Some(directory), "*" | "**" | "**/*") = (directory, wild) {
            directories.push(directory.to_owned());
            continue;
        }
        // A pattern of file names: within its directory, and as the pattern has it.
        let (directory, _) = fixed.rsplit_once('/')?;
        if directory.is_empty() || glob.contains(['[', '{', '\\']) {
            return None;
        }
        let mut conditions = paths_within(&[directory.to_owned()], Some("path"));
        conditions.push(condition("path", "glob", glob.as_str(), None));
        alternatives.push(conditions);
    }
    if !directories.is_empty() {
        alternatives.insert(0, paths_within(&directories, Some("path")));
    }
    let valid = !alternatives.is_empty() && alternatives.iter().flatten().all(is_valid);
    valid.then_some(alternatives)
}

fn audit(node: &Node, draft: &mut Draft) {
    let Some(audit) = node.get("audit") else { return };
    draft.unknown(audit, "/audit", &["logAll", "alertOnDeny"], Effect::Same);
    match audit.get("logAll").map(Node::as_bool) {
        Some(Some(false)) => draft.others.push(("audit", Node::object([("log", Node::from("denied"))]))),
        _ => draft.others.push(("audit", Node::object([("log", Node::from("all"))]))),
    }
    if let Some(alert) = audit.get("alertOnDeny").filter(|alert| alert.as_bool() != Some(false)) {
        let how = "alerts are made of the metric `portcullis_refused_total` or of the audit log";
        draft.note(alert, "/audit/alertOnDeny", Effect::Same, how);
    }
}

/// A list of at least one string, or one string.
fn texts(node: &Node) -> Option<Vec<String>> {
    match node.as_str() {
        Some(text) => Some(vec![text.to_owned()]),
        None => {
            let all: Option<Vec<String>> = node.elements().iter().map(|e| e.as_str().map(str::to_owned)).collect();
            all.filter(|all| !all.is_empty())
        }
    }
}

/// Room for what stands around a call's arguments, in bytes.
const ENVELOPE: usize = 64 << 10;
/// The largest value of `limits.max_body_bytes`.
const MAX_BODY: usize = 64 << 20;
