//! List results: what a caller may not use, it does not see.

use super::Exchange;
use crate::json::{Edits, Kind, Value};
use crate::mcp::Capability;

/// A list of a result, and which of its entries go on to the client.
#[derive(Debug)]
pub(super) struct List<'d> {
    /// The member of the result that it is.
    pub(super) member: &'static str,
    pub(super) array: Value<'d>,
    /// The member that names an entry.
    pub(super) named: &'static str,
    pub(super) kept: Vec<bool>,
}

/// The lists of a result, without the entries that policy hides. A list is known by its shape, for on the
/// streams of the old transport nothing else tells what a result answers.
pub(super) fn visible<'d>(exchange: &Exchange, result: Value<'d>) -> Vec<List<'d>> {
    let mut lists = Vec::new();
    for (member, capability, named) in LISTS {
        let Some(array) = result.get(member).filter(|list| list.kind() == Kind::Array) else { continue };
        let visible = |entry: Value<'_>| {
            // An entry without a name cannot be judged, nor called.
            let Some(name) = entry.get(named).and_then(Value::as_str) else { return false };
            let (policy, scene) = (&exchange.firewall.policy, &exchange.scene);
            let shown = match named {
                "uriTemplate" => policy.template_visible(&scene.principal, &scene.server, &name),
                _ => policy.visible(&scene.principal, &scene.server, capability, &name),
            };
            shown
                && exchange.key_shows(capability, &name)
                && exchange.firewall.obligations.visible(&scene.principal, &scene.server, capability, &name)
        };
        lists.push(List { member, array, named, kept: array.elements().map(visible).collect() });
    }
    lists
}

/// Removes the entries that do not go on, and returns how many.
pub(super) fn filter(exchange: &Exchange, result: Value<'_>, lists: &[List<'_>], edits: &mut Edits) -> u32 {
    let mut hidden = 0;
    for list in lists {
        let gone = list.kept.iter().filter(|kept| !**kept).count();
        if gone > 0 {
            hidden += gone as u32;
            let mut kept = list.kept.iter();
            edits.retain_elements(list.array, |_| kept.next().copied().unwrap_or(false));
        }
    }
    // A shared cache must not serve one caller's list to another, nor keep it past a change of policy
    // (2026-07-28, "Caching": `cacheScope`, `ttlMs`).
    let depends = exchange.firewall.lists_depend_on_caller() || exchange.scene.heard.told.has_keys();
    if !lists.is_empty() && (hidden > 0 || depends) {
        if result.get("cacheScope").is_some_and(|scope| !scope.is_str("private")) {
            edits.set_member(result, "cacheScope", "\"private\"");
        }
        if result.get("ttlMs").and_then(Value::as_f64).is_some_and(|ttl| ttl > MAX_TTL_MS) {
            edits.set_member(result, "ttlMs", &MAX_TTL_MS.to_string());
        }
    }
    hidden
}

/// Member of the result, what its entries are, and the member that names one.
const LISTS: [(&str, Capability, &str); 4] = [
    ("tools", Capability::Tool, "name"),
    ("resources", Capability::Resource, "uri"),
    ("resourceTemplates", Capability::Resource, "uriTemplate"),
    ("prompts", Capability::Prompt, "name"),
];

/// Longest life of a filtered list in a client's cache, in milliseconds.
const MAX_TTL_MS: f64 = 5000.0;
