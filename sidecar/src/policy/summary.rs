//! A readable summary of a policy.

use portcullis_engine::config::{Config, Mode, RuleConfig, ServerConfig};
use portcullis_engine::firewall::Firewall;
use serde_json::{Value, json};

use super::check::count;
use crate::style;

/// The policy as a person reads it.
pub(super) fn text(firewall: &Firewall) -> String {
    let style = style::stdout();
    let config = firewall.policy.config();
    let mut text = String::new();
    let mut row = |name: &str, value: String| text += &format!("{} {value}\n", style.bold(&format!("{name:<12}")));
    row("policy", firewall.version().to_owned());
    row("mode", word(&config.mode));
    row("default", format!("{}{}", word(&config.default), if config.hide_denied { " (hidden)" } else { "" }));
    row("unmatched", word(&config.unmatched));
    if !config.environment.is_empty() {
        row("environment", config.environment.clone());
    }
    row("identity", identity(config));
    row("scanners", scanners(config));
    let limits = config.limits;
    row(
        "limits",
        format!(
            "body {} bytes, event {} bytes, depth {}",
            limits.max_body_bytes, limits.max_event_bytes, limits.max_depth
        ),
    );
    text += &format!("\n{}\n", style.bold("Servers (the first that fits)"));
    for server in &config.servers {
        text += &format!("  {}: {}\n", server.name, place(server));
    }
    if config.servers.is_empty() {
        text += "  none\n";
    }
    text += &format!("\n{}\n", style.bold("Rules by precedence"));
    for rule in ranked(config) {
        text += &format!("  {} {}\n", style.bold(&rule.id), describe(rule));
    }
    if config.rules.is_empty() {
        text += "  none\n";
    }
    for (name, value) in further(config) {
        text += &format!("\n{}\n", style.bold(&title(&name)));
        text += &block(&value);
    }
    text
}

/// The parts of the configuration that are not shown above and are not as they would be anyway.
fn further(config: &Config) -> Vec<(String, Value)> {
    let members = |config: &Config| match serde_json::to_value(config) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let usual = members(&Config::default());
    let further = |name: &str, value: &Value| !SHOWN.contains(&name) && usual.get(name) != Some(value);
    members(config).into_iter().filter(|(name, value)| further(name, value)).collect()
}

/// A part of the configuration, one line for each entry of a list and for each setting.
fn block(value: &Value) -> String {
    let entry = |value: &Value| {
        let id = value.get("id").and_then(Value::as_str).map(|id| format!("{} ", style::stdout().bold(id)));
        let rest = pairs(value, "").filter(|(name, value)| name != "id" && !value.is_empty());
        let rest: Vec<String> = rest.map(|(name, value)| format!("{name} {value}")).collect();
        format!("{}{}", id.unwrap_or_default(), rest.join("; "))
    };
    let mut text = String::new();
    match value {
        Value::Array(entries) => entries.iter().for_each(|one| text += &format!("  {}\n", entry(one))),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Array(entries) if entries.iter().any(Value::is_object) => {
                        text += &format!("  {name}\n");
                        entries.iter().for_each(|one| text += &format!("    {}\n", entry(one)));
                    }
                    Value::Array(entries) if entries.is_empty() => {}
                    _ => {
                        for (name, value) in pairs(&json!({ name: value }), "") {
                            text += &format!("  {name} {value}\n");
                        }
                    }
                }
            }
        }
        other => text += &format!("  {other}\n"),
    }
    text
}

fn title(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The same for machines.
pub(super) fn json(firewall: &Firewall) -> Value {
    let config = firewall.policy.config();
    json!({
        "policy_version": firewall.version(),
        "mode": config.mode,
        "default": config.default,
        "unmatched": config.unmatched,
        "environment": config.environment,
        "servers": config.servers.iter().map(|server| &server.name).collect::<Vec<_>>(),
        "further": further(config).into_iter().collect::<serde_json::Map<_, _>>(),
        "rules": ranked(config).iter().map(|rule| json!({
            "id": rule.id, "action": rule.action, "priority": rule.priority, "mode": rule.mode.unwrap_or(config.mode),
        })).collect::<Vec<_>>(),
    })
}

/// Rules by precedence.
pub(crate) fn ranked(config: &Config) -> Vec<&RuleConfig> {
    let mut rules: Vec<&RuleConfig> = config.rules.iter().collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then(b.action.cmp(&a.action)));
    rules
}

fn describe(rule: &RuleConfig) -> String {
    let mut parts = vec![rule.action.as_str().to_owned()];
    if rule.priority != 0 {
        parts.push(format!("priority {}", rule.priority));
    }
    match rule.mode {
        Some(Mode::Shadow) => parts.push("shadow".to_owned()),
        Some(Mode::Disabled) => parts.push("off".to_owned()),
        Some(Mode::Enforce) => parts.push("enforced in any mode".to_owned()),
        None => {}
    }
    let mut text = parts.join(", ");
    for (name, value) in pairs(&rule.r#match, "") {
        text += &format!("; {name} {value}");
    }
    for predicate in &rule.arguments {
        let value = predicate.value.as_ref().map(|value| format!(" {}", value.as_json())).unwrap_or_default();
        text += &format!("; where {} {}{value}", predicate.path, word(&predicate.op));
    }
    if let Some(when) = &rule.when {
        text += &format!("; when {when}");
    }
    text
}

fn place(server: &ServerConfig) -> String {
    let all: Vec<String> = pairs(&server.r#match, "").map(|(name, value)| format!("{name} {value}")).collect();
    if all.is_empty() { "every request".to_owned() } else { all.join(", ") }
}

/// The fields that are set, with lists joined.
fn pairs(matcher: &impl serde::Serialize, prefix: &str) -> impl Iterator<Item = (String, String)> {
    let mut out = Vec::new();
    if let Ok(Value::Object(members)) = serde_json::to_value(matcher) {
        for (name, value) in members {
            let name = format!("{prefix}{name}");
            match value {
                Value::Null => {}
                Value::Object(_) => out.extend(pairs(&value, &format!("{name}."))),
                Value::Array(items) => {
                    let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                    out.push((name, items.join(" or ")));
                }
                Value::String(text) => out.push((name, text)),
                other => out.push((name, other.to_string())),
            }
        }
    }
    out.into_iter()
}

fn identity(config: &Config) -> String {
    let identity = &config.identity;
    let mut sources = Vec::new();
    if let Some(jwt) = &identity.jwt {
        sources.push(format!("JWT (payload {}, id from {})", jwt.payload, jwt.claims.id));
    }
    if !identity.mtls.is_empty() {
        sources.push(format!("mTLS ({})", count(identity.mtls.len(), "pattern")));
    }
    if let Some(keys) = &identity.keys {
        sources.push(format!("{} in {}", count(keys.entries.len(), "key"), keys.header));
    }
    if sources.is_empty() {
        return "none: every caller is anonymous".to_owned();
    }
    format!("{}{}", sources.join(", "), if identity.required { "; required" } else { "" })
}

/// Those that are on, with the actions that are not the usual ones, then those that are off.
fn scanners(config: &Config) -> String {
    let Ok(Value::Object(all)) = serde_json::to_value(&config.scanners) else { return String::new() };
    let (mut on, mut off, mut further) = (Vec::new(), Vec::new(), Vec::new());
    for (name, settings) in &all {
        match settings.get("enabled").and_then(Value::as_bool) {
            Some(false) => off.push(name.clone()),
            Some(true) => {
                let set: Vec<String> = pairs(settings, "")
                    .filter(|(key, _)| key != "enabled")
                    .map(|(key, value)| format!("{key} {value}"))
                    .collect();
                on.push(if set.is_empty() { name.clone() } else { format!("{name} ({})", set.join(", ")) });
            }
            None => further.push(match settings {
                Value::Array(entries) => count(entries.len(), name.strip_suffix('s').unwrap_or(name)),
                other => format!("{name} {}", other.as_str().unwrap_or_default()),
            }),
        }
    }
    let or_none = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = or_none(&on);
    if !off.is_empty() {
        text += &format!("; off: {}", off.join(", "));
    }
    for more in further {
        text += &format!("; {more}");
    }
    text
}

/// A value of a plain enum as the configuration spells it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Members of the configuration that have a place of their own in the summary.
const SHOWN: [&str; 14] = [
    "$schema",
    "version",
    "mode",
    "default",
    "environment",
    "hide_denied",
    "unmatched",
    "servers",
    "identity",
    "rules",
    "scanners",
    "limits",
    "headers",
    "audit",
];
