//! List results: what a caller may not use, it does not see.

use super::Exchange;
use crate::json::{Edits, Kind, Value};
use crate::mcp::Capability;

/// Removes entries that policy hides from a list result, and returns how many. The result is known by
/// its shape, for on the streams of the old transport nothing else tells what it answers.
pub(super) fn filter(exchange: &Exchange, result: Value<'_>, edits: &mut Edits) -> u32 {
    let mut hidden = 0;
    let mut is_list = false;
    for (member, capability, name) in LISTS {
        let Some(list) = result.get(member).filter(|list| list.kind() == Kind::Array) else { continue };
        is_list = true;
        let visible = |entry: Value<'_>| {
            // An entry without a name cannot be judged, nor called.
            let Some(name) = entry.get(name).and_then(Value::as_str) else { return false };
            exchange.firewall.policy.visible(&exchange.scene.principal, &exchange.scene.server, capability, &name)
        };
        let kept: Vec<bool> = list.elements().map(visible).collect();
        let gone = kept.iter().filter(|kept| !**kept).count();
        if gone > 0 {
            hidden += gone as u32;
            let mut kept = kept.into_iter();
            edits.retain_elements(list, |_| kept.next().unwrap_or(false));
        }
    }
    // A shared cache must not serve one caller's list to another, nor keep it past a change of policy
    // (2026-07-28, "Caching": `cacheScope`, `ttlMs`).
    if is_list && exchange.firewall.lists_depend_on_caller() {
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
