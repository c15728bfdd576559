//! PolicyLayer Intercept. All rules of a tool must hold, so each condition becomes a denial of its opposite: the
//! tool's own permission stays whole, and every denial keeps the message of its rule.

use super::draft::{Draft, Effect, argument_path, condition, is_valid, quota, rate, regex_literal, rule};
use crate::failure::Failure;
use crate::policy::literal;
use crate::source::{Node, pointer_token};

pub(super) fn translate(node: &Node, mut draft: Draft) -> Result<Draft, Failure> {
    let tools =
        node.get("tools").filter(|tools| tools.is_object()).ok_or_else(|| Failure::new("has no object `tools`"))?;
    if node.get("version").and_then(Node::as_str) != Some("1") {
        return Err(Failure::new("`version` must be \"1\""));
    }
    // An unknown member may be a restriction of a later version: nothing passes by default then.
    let unknown = draft.unknown(node, "", &["version", "description", "default", "hide", "tools"], Effect::Stricter);
    let denies = match node.get("default").map(Node::as_str) {
        None | Some(Some("allow")) => false,
        Some(Some("deny")) => true,
        Some(_) => return Err(Failure::new("`default` must be \"allow\" or \"deny\"")),
    };
    draft.default_allow = !denies && !unknown;
    for (index, hidden) in node.get("hide").map_or(&[][..], Node::elements).iter().enumerate() {
        let Some(name) = hidden.as_str() else { return Err(Failure::new(format!("/hide/{index} is no string"))) };
        let id = draft.id(&format!("hide-{name}"));
        let matcher = matcher(name, &draft);
        let mut hide = rule(&id, matcher, Vec::new(), "deny", None);
        hide.set("hide", true.into());
        draft.rules.push(hide);
    }
    let listed: Vec<String> =
        tools.members().iter().filter(|(name, _)| name != "*").map(|(name, _)| literal(name)).collect();
    if !draft.default_allow {
        if !listed.is_empty() {
            let id = draft.id("listed-tools");
            let matcher = draft.tools(Some(&listed));
            draft.rules.push(rule(&id, matcher, Vec::new(), "allow", None));
        }
        let said = "tools only were governed; resources and prompts are refused now, unless you add a rule for them";
        draft.note(node.get("default").unwrap_or(node), "/default", Effect::Stricter, said);
    }
    for (name, tool) in tools.members() {
        let at = format!("/tools/{}", pointer_token(name));
        let mut sayable = !draft.unknown(tool, &at, &["rules"], Effect::Stricter);
        for (index, entry) in tool.get("rules").map_or(&[][..], Node::elements).iter().enumerate() {
            sayable &= one(entry, &format!("{at}/rules/{index}"), name, &mut draft).is_some();
        }
        if !sayable {
            deny(tool, &at, name, &mut draft);
        }
    }
    Ok(draft)
}

/// One rule of a tool; `None` where it cannot be said.
fn one(entry: &Node, at: &str, tool: &str, draft: &mut Draft) -> Option<()> {
    let known = ["name", "action", "conditions", "rate_limit", "on_deny", "state", "description"];
    if draft.unknown(entry, at, &known, Effect::Stricter) {
        return None;
    }
    let name = entry.get("name").and_then(Node::as_str).unwrap_or("rule");
    let name = if tool == "*" { name.to_owned() } else { format!("{tool}/{name}") };
    let reason = entry.get("on_deny").and_then(Node::as_str);
    match entry.get("action").map_or(Some("evaluate"), Node::as_str) {
        Some("deny") => {
            let id = draft.id(&name);
            let matcher = matcher(tool, draft);
            draft.rules.push(rule(&id, matcher, Vec::new(), "deny", reason));
            return Some(());
        }
        Some("evaluate") => {}
        _ => {
            draft.note(entry, &format!("{at}/action"), Effect::Stricter, "is no known action");
            return None;
        }
    }
    if let Some(limit) = entry.get("rate_limit") {
        let Some((count, unit)) = limit.as_str().and_then(rate) else {
            draft.note(limit, &format!("{at}/rate_limit"), Effect::Stricter, "is no rate like 5/hour");
            return None;
        };
        let id = draft.id(&name);
        let matcher = matcher(tool, draft);
        push_quota(draft, &id, matcher, count, unit, reason);
    }
    let conditions = entry.get("conditions").map_or(&[][..], Node::elements);
    let mut sayable = true;
    for (index, entry_condition) in conditions.iter().enumerate() {
        let pointer = format!("{at}/conditions/{index}");
        let path = entry_condition.get("path").and_then(Node::as_str).unwrap_or_default();
        let said = if let Some(argument) = path.strip_prefix("args.") {
            opposite(entry_condition, argument).map(|opposite| {
                let id = draft.id(&name);
                let matcher = matcher(tool, draft);
                draft.rules.push(rule(&id, matcher, vec![opposite], "deny", reason));
                if entry_condition.get("op").and_then(Node::as_str) == Some("contains") {
                    let why = "looks for the text in a string; a list is refused whatever it holds";
                    draft.note(entry_condition, &pointer, Effect::Stricter, why);
                }
            })
        } else if let Some(counter) = path.strip_prefix("state.") {
            counted(entry, entry_condition, counter, tool, &name, reason, draft)
        } else {
            None
        };
        if said.is_none() {
            draft.note(entry_condition, &pointer, Effect::Stricter, format!("`{path}` cannot be compared so here"));
            sayable = false;
        }
    }
    sayable.then_some(())
}

/// The condition under which this one does not hold. What is missing or of another type is denied, as it was.
fn opposite(node: &Node, argument: &str) -> Option<Node> {
    let value = node.get("value").cloned();
    let (op, value) = match node.get("op").and_then(Node::as_str)? {
        "eq" => ("neq", value?),
        "neq" => ("eq", value?),
        "in" => ("not_in", value?),
        "not_in" => ("in", value?),
        "lt" => ("gte", value?),
        "lte" => ("gt", value?),
        "gt" => ("lte", value?),
        "gte" => ("lt", value?),
        "regex" => ("not_regex", value?),
        "contains" => ("not_regex", regex_literal(value?.as_str()?).into()),
        "exists" => ("exists", Node::from(!value.map_or(Some(true), |value| value.as_bool())?)),
        _ => return None,
    };
    let pointer = argument_path(argument.split('.'));
    Some(condition(&pointer, op, value, None)).filter(is_valid)
}

/// A condition on a counter, which is a quota where the same rule counts.
fn counted(
    entry: &Node,
    node: &Node,
    counter: &str,
    tool: &str,
    name: &str,
    reason: Option<&str>,
    draft: &mut Draft,
) -> Option<()> {
    let state = entry.get("state")?;
    let scope = if tool == "*" { "_global" } else { tool };
    let (_, own) = counter.rsplit_once('.').filter(|(of, _)| *of == scope)?;
    if state.get("counter")?.as_str()? != own || state.members().iter().any(|(key, _)| !STATE.contains(&key.as_str())) {
        return None;
    }
    let unit = match state.get("window")?.as_str()? {
        "minute" => "minute",
        "hour" => "hour",
        "day" => "day",
        _ => return None,
    };
    let (op, limit) = (node.get("op")?.as_str()?, node.get("value")?.as_u64()?);
    // The call is counted before it is compared.
    let limit = match op {
        "lte" => limit,
        "lt" => limit.checked_sub(1)?,
        _ => return None,
    };
    let id = draft.id(name);
    let matcher = matcher(tool, draft);
    match state.get("increment_from") {
        None => {
            let step = state.get("increment").map_or(Some(1), Node::as_u64).filter(|step| *step > 0)?;
            push_quota(draft, &id, matcher, limit / step, unit, reason);
        }
        Some(from) => {
            let amount = from.as_str()?.strip_prefix("args.")?;
            if limit == 0 {
                return None;
            }
            let mut spent = quota(&id, matcher, limit, unit, true, reason);
            let pointer = argument_path(amount.split('.'));
            spent.set("amount", pointer.into());
            draft.quotas.push(spent);
        }
    }
    Some(())
}

/// A quota of the calendar's windows; none at all is a denial.
fn push_quota(draft: &mut Draft, id: &str, matcher: Node, count: u64, unit: &str, reason: Option<&str>) {
    if count == 0 {
        draft.rules.push(rule(id, matcher, Vec::new(), "deny", reason));
    } else {
        draft.quotas.push(quota(id, matcher, count, unit, true, reason));
    }
}

fn deny(tool: &Node, at: &str, name: &str, draft: &mut Draft) {
    let what = if name == "*" { "every tool".to_owned() } else { format!("`{name}`") };
    draft.note(tool, at, Effect::Stricter, format!("{what} is denied: not all of its rules can be said"));
    let id = draft.id(&format!("no-{name}"));
    let matcher = matcher(name, draft);
    draft.rules.push(rule(&id, matcher, Vec::new(), "deny", Some("the imported policy could not be carried over")));
}

fn matcher(tool: &str, draft: &Draft) -> Node {
    if tool == "*" { draft.tools(None) } else { draft.tools(Some(&[literal(tool)])) }
}

const STATE: [&str; 4] = ["counter", "window", "increment", "increment_from"];
