//! SecAI_OS MCP firewall: global rules, taint rules, an allowlist of tools by server.
//!
//! Its weak spots stay behind: directories are compared by whole segments, arguments by several names and in lists, an
//! expression that does not compile takes its permission with it, and what was declared but never looked at (trust
//! levels, rates, fingerprints) is enforced or reported.

use super::draft::{Draft, Effect, argument_path, condition, is_valid, paths_within, quota, regex_literal, rule};
use crate::failure::Failure;
use crate::policy::literal;
use crate::source::Node;

pub(super) fn translate(node: &Node, mut draft: Draft) -> Result<Draft, Failure> {
    if !node.is_object() {
        return Err(Failure::new("is no object"));
    }
    let known = [
        "version",
        "default_action",
        "servers",
        "global_rules",
        "taint_rules",
        "redaction",
        "audit",
        "daemon",
        "description",
    ];
    let unknown = draft.unknown(node, "", &known, Effect::Stricter);
    draft.default_allow = node.get("default_action").and_then(Node::as_str) == Some("allow") && !unknown;
    let servers = node.get("servers").map_or(&[][..], Node::elements);
    for (index, server) in servers.iter().enumerate() {
        self::server(server, &format!("/servers/{index}"), &mut draft);
    }
    // In order, the first that matches decided: so each has a priority of its own above every tool's.
    for (index, entry) in node.get("global_rules").map_or(&[][..], Node::elements).iter().enumerate() {
        let priority = GLOBAL.saturating_sub(index);
        global(entry, &format!("/global_rules/{index}"), servers, priority, &mut draft);
    }
    for (index, entry) in node.get("taint_rules").map_or(&[][..], Node::elements).iter().enumerate() {
        taint(entry, &format!("/taint_rules/{index}"), &mut draft);
    }
    redaction(node, &mut draft);
    audit(node, &mut draft);
    if let Some(daemon) = node.get("daemon") {
        draft.note(daemon, "/daemon", Effect::Same, "is about the other program");
    }
    if !servers.is_empty() {
        let said =
            "requests of a server are told by the path `/NAME`; say how yours are told apart in `servers[].match`";
        draft.note(node.get("servers").unwrap_or(node), "/servers", Effect::Assumed, said);
    }
    Ok(draft)
}

// === servers ===

fn server(server: &Node, at: &str, draft: &mut Draft) {
    let Some(name) = server.get("name").and_then(Node::as_str) else {
        draft.note(server, at, Effect::Stricter, "has no name; what it allowed is refused");
        return;
    };
    let path: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
    draft.servers.push(Node::object([
        ("name", Node::from(name)),
        ("match", Node::object([("path_prefix", format!("/{path}").into())])),
    ]));
    let known =
        ["name", "fingerprint", "trust_level", "rate_limit", "allowed_tools", "allowed_resources", "description"];
    if draft.unknown(server, at, &known, Effect::Stricter) {
        draft.note(
            server,
            at,
            Effect::Stricter,
            format!("everything on `{name}` is denied: not all of it can be said"),
        );
        let id = draft.id(&format!("no-server-{name}"));
        let matcher = Node::object([
            ("server", Node::array([literal(name)])),
            ("capability", Node::array(["tool", "resource", "prompt"])),
        ]);
        draft.rules.push(rule(&id, matcher, Vec::new(), "deny", None));
        return;
    }
    if let Some(fingerprint) = server.get("fingerprint") {
        if !draft.others.iter().any(|(key, _)| *key == "pins") {
            draft.others.push(("pins", Node::object([("mode", Node::from("tofu"))])));
        }
        let said = "is of another kind; instead every tool definition is pinned as it is first seen (`pins`)";
        draft.note(fingerprint, &format!("{at}/fingerprint"), Effect::Assumed, said);
    }
    if let Some(limit) = server.get("rate_limit") {
        let matcher = on(name, None);
        per_minute(limit, &format!("{at}/rate_limit"), &format!("server:{name}/rate"), matcher, draft);
    }
    for (index, tool) in server.get("allowed_tools").map_or(&[][..], Node::elements).iter().enumerate() {
        self::tool(tool, &format!("{at}/allowed_tools/{index}"), name, draft);
    }
    for (index, resource) in server.get("allowed_resources").map_or(&[][..], Node::elements).iter().enumerate() {
        self::resource(resource, &format!("{at}/allowed_resources/{index}"), name, draft);
    }
}

fn tool(tool: &Node, at: &str, server: &str, draft: &mut Draft) {
    let Some(name) = tool.get("name").and_then(Node::as_str) else {
        draft.note(tool, at, Effect::Stricter, "has no name; what it allowed is refused");
        return;
    };
    let known = ["name", "action", "arg_rules", "path_restrict", "taint_label", "rate_limit", "description"];
    let mut sayable = !draft.unknown(tool, at, &known, Effect::Stricter);
    let matcher = on(server, Some(name));
    let id = format!("server:{server}/tool:{name}");
    let action = match tool.get("action").and_then(Node::as_str) {
        Some("allow") => "allow",
        Some("require-approval") => "require_approval",
        Some("deny") => "deny",
        _ => {
            draft.note(tool, &format!("{at}/action"), Effect::Stricter, "is no known action; read as a denial");
            "deny"
        }
    };
    if action == "deny" {
        let id = draft.id(&id);
        draft.rules.push(rule(&id, matcher, Vec::new(), "deny", Some("tool explicitly denied by policy")));
        return;
    }
    let (mut conditions, mut guards) = (Vec::new(), Vec::new());
    for (index, entry) in tool.get("arg_rules").map_or(&[][..], Node::elements).iter().enumerate() {
        let pointer = format!("{at}/arg_rules/{index}");
        sayable &= argument(entry, &pointer, &id, &matcher, &mut conditions, &mut guards, draft).is_some();
    }
    if let Some(paths) = tool.get("path_restrict") {
        let directories: Option<Vec<String>> = paths
            .elements()
            .iter()
            .map(|path| path.as_str().map(|path| path.trim_end_matches("/*").to_owned()))
            .collect();
        let within = directories.filter(|all| !all.is_empty()).map(|all| paths_within(&all, None));
        match within.filter(|all| all.iter().all(is_valid)) {
            Some(within) => {
                guards.extend(within.iter().filter_map(|one| {
                    Some(condition(one.get("path")?.as_str()?, "path_within", Node::array([NOWHERE]), Some("fails")))
                }));
                conditions.extend(within);
            }
            None => {
                draft.note(paths, &format!("{at}/path_restrict"), Effect::Stricter, "is no list of directories");
                sayable = false;
            }
        }
    }
    if !sayable {
        draft.note(tool, at, Effect::Stricter, format!("`{name}` is denied: not all of its conditions can be said"));
        let id = draft.id(&id);
        draft.rules.push(rule(&id, matcher, Vec::new(), "deny", Some("the imported policy could not be carried over")));
        return;
    }
    let constrained = !conditions.is_empty();
    let own = draft.id(&id);
    if action == "require_approval" && constrained {
        // A rule that restricts also fits what it cannot judge: that is refused before a person is asked.
        for guard in guards {
            let id = draft.id(&format!("{id}/unreadable"));
            draft.rules.push(rule(&id, matcher.clone(), vec![guard], "deny", Some("an argument cannot be judged")));
        }
    }
    draft.rules.push(rule(&own, matcher.clone(), conditions, action, None));
    if constrained && draft.default_allow {
        // Without this a call that breaks a condition would pass by default.
        let id = draft.id(&format!("{id}/arg-validation"));
        let mut otherwise = rule(&id, matcher.clone(), Vec::new(), "deny", Some("argument validation failed"));
        otherwise.set("priority", Node::number(-1));
        draft.rules.push(otherwise);
    }
    if let Some(limit) = tool.get("rate_limit") {
        per_minute(limit, &format!("{at}/rate_limit"), &format!("{id}/rate"), matcher.clone(), draft);
    }
    if let Some(label) = tool.get("taint_label").and_then(Node::as_str) {
        let id = draft.id(&format!("{id}/taint"));
        draft.flow_sources.push(Node::object([
            ("id", Node::from(id)),
            ("match", matcher),
            ("labels", Node::array([label])),
        ]));
    }
}

/// The conditions on one argument, and what refuses a value that they cannot judge.
fn argument(
    entry: &Node,
    at: &str,
    id: &str,
    matcher: &Node,
    conditions: &mut Vec<Node>,
    guards: &mut Vec<Node>,
    draft: &mut Draft,
) -> Option<()> {
    let stricter = Effect::Stricter;
    if draft.unknown(entry, at, &["name", "pattern", "max_len", "required", "redact", "description"], stricter) {
        return None;
    }
    let Some(name) = entry.get("name").and_then(Node::as_str) else {
        draft.note(entry, at, stricter, "names no argument");
        return None;
    };
    let path = argument_path([name].into_iter());
    let required = entry.get("required").and_then(Node::as_bool) == Some(true);
    let missing = if required { None } else { Some("holds") };
    if required {
        conditions.push(condition(&path, "exists", true, None));
    }
    if let Some(pattern) = entry.get("pattern") {
        let matches = condition(&path, "regex", pattern.clone(), missing);
        if !is_valid(&matches) {
            draft.note(
                pattern,
                &format!("{at}/pattern"),
                stricter,
                "is an expression that does not compile here (no look-around, no back-references)",
            );
            return None;
        }
        conditions.push(matches);
        guards.push(condition(&path, "regex", r"[^\s\S]", Some("fails")));
        if let Some(directory) = pattern.as_str().and_then(plain_prefix) {
            let within = condition(&path, "path_within", Node::array([directory.as_str()]), missing);
            if is_valid(&within) {
                conditions.push(within);
                let said =
                    format!("is the beginning of a path, which `..` leads out of: `{name}` must be within {directory}");
                draft.note(pattern, &format!("{at}/pattern"), stricter, said);
            }
        }
    }
    if let Some(length) = entry.get("max_len") {
        match length.as_u64() {
            // Bytes, as the original counts them.
            Some(bytes) if bytes > 0 => conditions.push(condition(&path, "max_size", Node::number(bytes), missing)),
            _ => {
                draft.note(length, &format!("{at}/max_len"), stricter, "is no length");
                return None;
            }
        }
    }
    if entry.get("redact").and_then(Node::as_bool) == Some(true) {
        let id = draft.id(&format!("{id}/redact-{name}"));
        draft.obligations.push(Node::object([
            ("id", Node::from(id)),
            ("match", matcher.clone()),
            ("redact_arguments", Node::array([format!("/{}", crate::source::pointer_token(name))])),
        ]));
    }
    Some(())
}

/// The directory that a pattern like `^/home/` means.
fn plain_prefix(pattern: &str) -> Option<String> {
    let path = pattern.strip_prefix('^')?.trim_end_matches(".*");
    let plain =
        path.starts_with('/') && path.len() > 1 && path.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c));
    plain.then(|| path.trim_end_matches('/').to_owned())
}

fn resource(resource: &Node, at: &str, server: &str, draft: &mut Draft) {
    let pattern = resource.get("pattern").and_then(Node::as_str);
    let action = match resource.get("action").and_then(Node::as_str) {
        Some("allow") => Some("allow"),
        Some("require-approval") => Some("require_approval"),
        Some("deny") => Some("deny"),
        _ => None,
    };
    let unknown = draft.unknown(resource, at, &["pattern", "action", "description"], Effect::Stricter);
    let (Some(pattern), Some(action), false) = (pattern, action, unknown) else {
        draft.note(resource, at, Effect::Stricter, "is refused: it cannot be said");
        return;
    };
    let Some(expression) = file_match(pattern) else {
        draft.note(
            resource,
            &format!("{at}/pattern"),
            Effect::Stricter,
            "has brackets or escapes, which are not read here; it is refused",
        );
        return;
    };
    let mut conditions = vec![condition("uri", "regex", expression, None)];
    let fixed = pattern.split(['*', '?']).next().unwrap_or_default();
    if let (Some((directory, _)), "allow") =
        (fixed.strip_prefix("file://").and_then(|path| path.rsplit_once('/')), action)
    {
        // What the pattern takes for a name may be `..`.
        let within =
            condition("uri", "path_within", Node::array([if directory.is_empty() { "/" } else { directory }]), None);
        conditions.extend(Some(within).filter(is_valid));
    }
    let id = draft.id(&format!("server:{server}/resource:{pattern}"));
    let matcher = Node::object([("server", Node::array([literal(server)])), ("capability", Node::array(["resource"]))]);
    draft.rules.push(rule(&id, matcher, conditions, action, None));
}

/// A file-name pattern as a regular expression: `*` and `?` stop at a slash, unlike those of a glob here.
fn file_match(pattern: &str) -> Option<String> {
    if pattern.contains(['[', ']', '\\']) {
        return None;
    }
    let mut expression = "^".to_owned();
    for character in pattern.chars() {
        match character {
            '*' => expression += "[^/]*",
            '?' => expression += "[^/]",
            other => expression += &regex_literal(&other.to_string()),
        }
    }
    Some(expression + "$")
}

fn per_minute(limit: &Node, at: &str, id: &str, matcher: Node, draft: &mut Draft) {
    let id = draft.id(id);
    match limit.as_u64() {
        Some(0) => draft.note(limit, at, Effect::Same, "is no limit"),
        Some(count) => draft.quotas.push(quota(&id, matcher, count, "minute", false, None)),
        None => {
            draft.note(limit, at, Effect::Stricter, "is no number; the tools it limits are denied");
            draft.rules.push(rule(&id, matcher, Vec::new(), "deny", None));
        }
    }
}

// === global and taint rules ===

fn global(entry: &Node, at: &str, servers: &[Node], priority: usize, draft: &mut Draft) {
    let name = entry.get("name").and_then(Node::as_str).unwrap_or("global-rule").to_owned();
    let reason = entry.get("reason").or_else(|| entry.get("description")).and_then(Node::as_str);
    let action = match entry.get("action").and_then(Node::as_str) {
        Some("allow") => "allow",
        Some("require-approval") => "require_approval",
        Some("deny") => "deny",
        _ => {
            draft.note(entry, &format!("{at}/action"), Effect::Stricter, "is no known action; read as a denial");
            "deny"
        }
    };
    let empty = Node::object::<&str>([]);
    let matched = entry.get("match").unwrap_or(&empty);
    let unknown = draft.unknown(entry, at, &["name", "description", "match", "action", "reason"], Effect::Stricter)
        | draft.unknown(
            matched,
            &format!("{at}/match"),
            &["methods", "server_trust", "has_taint", "arg_patterns"],
            Effect::Stricter,
        );
    let given = |key: &str| matched.get(key).filter(|list| !list.elements().is_empty());
    if action == "allow" {
        // It went before every other rule; as a permission it may not skip what comes behind it.
        draft.note(entry, at, Effect::Stricter, "is a permission above all other rules, which is not carried over");
        return;
    }
    let mut matcher = Node::object::<&str>([]);
    match given("methods") {
        Some(methods) => {
            matcher.set("method", Node::array(methods.elements().iter().filter_map(Node::as_str).map(literal)))
        }
        // Sessions went on: methods that it did not know got the default.
        None => matcher.set("capability", Node::array(["tool", "resource", "prompt"])),
    }
    if let Some(trust) = given("server_trust") {
        let pointer = format!("{at}/match/server_trust");
        let wanted: Vec<&str> = trust.elements().iter().filter_map(Node::as_str).collect();
        let level = |server: &Node| server.get("trust_level").and_then(Node::as_str).unwrap_or("untrusted").to_owned();
        let names = servers.iter().filter(|server| wanted.contains(&level(server).as_str()));
        let names: Vec<String> = names.filter_map(|server| server.get("name")?.as_str().map(literal)).collect();
        if names.is_empty() {
            draft.note(trust, &pointer, Effect::Assumed, "no server has such a trust level; the rule is left out");
            return;
        }
        draft.note(
            trust,
            &pointer,
            Effect::Assumed,
            "was declared there and never looked at; the rule is about these servers now",
        );
        matcher.set("server", Node::array(names));
    }
    let patterns = given("arg_patterns");
    if let Some(labels) = given("has_taint") {
        if let Some(patterns) = patterns {
            draft.note(
                patterns,
                &format!("{at}/match/arg_patterns"),
                Effect::Stricter,
                "is left out: the labels alone decide",
            );
        }
        let id = draft.id(&name);
        let mut flow = Node::object([("id", Node::from(id)), ("match", matcher), ("any_taint", labels.clone())]);
        flow.set("action", action.into());
        draft.flow_rules.push(flow);
        return;
    }
    let id = draft.id(&name);
    let mut rule = rule(&id, matcher, Vec::new(), action, reason);
    rule.set("priority", Node::number(priority));
    match patterns {
        Some(_) if unknown => {
            draft.note(matched, &format!("{at}/match"), Effect::Stricter, "is left out: the rule is about every call")
        }
        Some(patterns) => match any_argument(patterns) {
            Some(when) => {
                rule.set("when", when.into());
                let said = "is looked for in every argument that is a string; arguments of other types match too, \
                            except for numbers and booleans";
                draft.note(patterns, &format!("{at}/match/arg_patterns"), Effect::Stricter, said);
            }
            None => {
                let said = "has an expression that does not compile here; the rule is about every call";
                draft.note(patterns, &format!("{at}/match/arg_patterns"), Effect::Stricter, said);
            }
        },
        None => {}
    }
    draft.rules.push(rule);
}

/// A condition on all arguments: the original looked at strings, and took no arguments of other types.
fn any_argument(patterns: &Node) -> Option<String> {
    let mut tests = Vec::new();
    for pattern in patterns.elements() {
        let text = pattern.as_str()?;
        if !is_valid(&condition("x", "regex", text, None)) {
            return None;
        }
        tests.push(format!("args[k].matches({})", portcullis_engine::json::quote(text)));
    }
    let plain = "[int, uint, double, bool, null_type]";
    Some(format!("args.exists(k, type(args[k]) == string ? ({}) : !(type(args[k]) in {plain}))", tests.join(" || ")))
}

fn taint(entry: &Node, at: &str, draft: &mut Draft) {
    let name = entry.get("name").and_then(Node::as_str).unwrap_or("taint-rule");
    let empty = Node::object::<&str>([]);
    let matched = entry.get("match").unwrap_or(&empty);
    draft.unknown(entry, at, &["name", "description", "match", "action", "reason"], Effect::Stricter);
    draft.unknown(
        matched,
        &format!("{at}/match"),
        &["source_taint", "target_tools", "target_server"],
        Effect::Stricter,
    );
    let action = match entry.get("action").and_then(Node::as_str) {
        // It let the next rule decide.
        Some("allow") => return,
        Some("warn") => "warn",
        Some("deny") => "deny",
        _ => {
            draft.note(entry, &format!("{at}/action"), Effect::Stricter, "is no known action; read as a denial");
            "deny"
        }
    };
    let mut matcher = Node::object([("capability", Node::array(["tool"]))]);
    let globs = |key: &str| {
        let list = matched.get(key).map_or(&[][..], Node::elements);
        (!list.is_empty()).then(|| Node::array(list.iter().filter_map(Node::as_str).map(literal)))
    };
    if let Some(tools) = globs("target_tools") {
        matcher.set("name", tools);
    }
    if let Some(servers) = globs("target_server") {
        matcher.set("server", servers);
    }
    let id = draft.id(name);
    let labels = matched.get("source_taint").filter(|labels| !labels.elements().is_empty());
    let Some(labels) = labels else {
        // Without labels it was about every session that had any.
        draft.note(entry, at, Effect::Stricter, "names no label; it is about every call now");
        draft.rules.push(rule(&id, matcher, Vec::new(), if action == "warn" { "log_only" } else { "deny" }, None));
        return;
    };
    let mut flow = Node::object([("id", Node::from(id)), ("match", matcher), ("any_taint", labels.clone())]);
    flow.set("action", action.into());
    if let Some(reason) = entry.get("reason").and_then(Node::as_str) {
        flow.set("reason", reason.into());
    }
    draft.flow_rules.push(flow);
}

// === redaction and audit ===

fn redaction(node: &Node, draft: &mut Draft) {
    let Some(redaction) = node.get("redaction") else { return };
    let said = "secrets and personal data are found by the scanners, which are all on; they block in requests what was \
                replaced there";
    draft.note(redaction, "/redaction", Effect::Stricter, said);
}

fn audit(node: &Node, draft: &mut Draft) {
    let Some(audit) = node.get("audit") else { return };
    if audit.get("enabled").and_then(Node::as_bool) == Some(false) {
        draft.note(audit, "/audit/enabled", Effect::Same, "is not carried over: records go to Envoy's log");
    }
    for key in ["log_path", "sign_reports", "key_path"] {
        if let Some(value) = audit.get(key) {
            draft.note(value, &format!("/audit/{key}"), Effect::Same, "is set where records are kept, not in a policy");
        }
    }
}

fn on(server: &str, tool: Option<&str>) -> Node {
    let mut matcher = Node::object([("server", Node::array([literal(server)])), ("capability", Node::array(["tool"]))]);
    if let Some(tool) = tool {
        matcher.set("name", Node::array([literal(tool)]));
    }
    matcher
}

/// The priority of the first global rule; tools have none.
const GLOBAL: usize = 100_000;
/// A directory in which nothing is: what is within it cannot be, what cannot be judged is refused.
const NOWHERE: &str = "/nowhere/at-all";
