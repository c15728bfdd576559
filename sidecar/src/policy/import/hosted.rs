//! PolicyLayer's hosted policies: `require` must hold, `deny_if` must not, `limits` count.
//!
//! The public description names the members and how their rules are called; conditions are read in the two shapes that
//! fit those names, an object by path and operator and a list, and whatever else stands there denies the tool.

use super::draft::{Draft, Effect, argument_path, condition, is_valid, quota, rate, rule};
use crate::failure::Failure;
use crate::policy::literal;
use crate::source::{Node, pointer_token};

pub(super) fn translate(node: &Node, mut draft: Draft) -> Result<Draft, Failure> {
    if node.get("version").and_then(Node::as_str) != Some("1") {
        return Err(Failure::new("`version` must be \"1\""));
    }
    let unknown =
        draft.unknown(node, "", &["version", "default", "hide", "all_tools", "tools", "description"], Effect::Stricter);
    draft.default_allow = node.get("default").and_then(Node::as_str) == Some("allow") && !unknown;
    for hidden in node.get("hide").map_or(&[][..], Node::elements).iter().filter_map(Node::as_str) {
        let id = draft.id(&format!("hide-{hidden}"));
        let matcher = draft.tools(Some(&[hidden.split('*').map(literal).collect::<Vec<_>>().join("*")]));
        let mut hide = rule(&id, matcher, Vec::new(), "deny", None);
        hide.set("hide", true.into());
        draft.rules.push(hide);
    }
    let tools = node.get("tools").map_or(&[][..], Node::members);
    let names: Vec<String> = tools.iter().map(|(name, _)| literal(name)).collect();
    if !draft.default_allow && !names.is_empty() {
        let id = draft.id("listed-tools");
        let matcher = draft.tools(Some(&names));
        draft.rules.push(rule(&id, matcher, Vec::new(), "allow", None));
        let said = "resources and prompts are refused, unless you add a rule for them";
        draft.note(node.get("default").unwrap_or(node), "/default", Effect::Stricter, said);
    }
    if let Some(all) = node.get("all_tools") {
        let matcher = draft.tools(None);
        one(all, "/all_tools", "all-tools", &matcher, &mut draft);
    }
    for (name, tool) in tools {
        let matcher = draft.tools(Some(&[literal(name)]));
        one(tool, &format!("/tools/{}", pointer_token(name)), name, &matcher, &mut draft);
    }
    Ok(draft)
}

fn one(tool: &Node, at: &str, name: &str, matcher: &Node, draft: &mut Draft) {
    let mut sayable = !draft.unknown(tool, at, &["require", "deny_if", "limits", "description"], Effect::Stricter);
    for (key, negate) in [("require", true), ("deny_if", false)] {
        let Some(all) = tool.get(key) else { continue };
        for (pointer, entry) in entries(all, &format!("{at}/{key}")) {
            match entry.and_then(|(path, op, value)| denial(&path, &op, &value, negate)) {
                Some(denial) => {
                    let id = draft.id(&format!("{name}/{key}"));
                    draft.rules.push(rule(&id, matcher.clone(), vec![denial], "deny", None));
                }
                None => {
                    draft.note(all, &pointer, Effect::Stricter, "cannot be said here");
                    sayable = false;
                }
            }
        }
    }
    if let Some(limits) = tool.get("limits") {
        let pointer = format!("{at}/limits");
        for limit in limits.elements().iter().chain(limits.members().iter().map(|(_, limit)| limit)) {
            match limit.as_str().and_then(rate).filter(|(count, _)| *count > 0) {
                Some((count, unit)) => {
                    let id = draft.id(&format!("{name}/limits"));
                    draft.quotas.push(quota(&id, matcher.clone(), count, unit, true, None));
                }
                None => {
                    draft.note(limit, &pointer, Effect::Stricter, "is no rate like 5/hour");
                    sayable = false;
                }
            }
        }
        if !limits.is_array() && !limits.is_object() {
            draft.note(limits, &pointer, Effect::Stricter, "is no list of limits");
            sayable = false;
        }
    }
    if !sayable {
        draft.note(tool, at, Effect::Stricter, format!("`{name}` is denied: not all of its rules can be said"));
        let id = draft.id(&format!("no-{name}"));
        let reason = "the imported policy could not be carried over";
        draft.rules.push(rule(&id, matcher.clone(), Vec::new(), "deny", Some(reason)));
    }
}

/// A condition as path, operator and value.
type Entry = (String, String, Node);

/// The conditions with where they stand; `None` for one of another shape.
fn entries(node: &Node, at: &str) -> Vec<(String, Option<Entry>)> {
    if node.is_array() {
        let entry = |(index, entry): (usize, &Node)| {
            let text = |key: &str| Some(entry.get(key)?.as_str()?.to_owned());
            let read = || Some((text("path")?, text("op")?, entry.get("value")?.clone()));
            (format!("{at}/{index}"), read().filter(|_| entry.members().len() == 3))
        };
        return node.elements().iter().enumerate().map(entry).collect();
    }
    if !node.is_object() {
        return vec![(at.to_owned(), None)];
    }
    let mut all = Vec::new();
    for (path, by_op) in node.members() {
        let pointer = format!("{at}/{}", pointer_token(path));
        if by_op.members().is_empty() {
            all.push((pointer, None));
            continue;
        }
        for (op, value) in by_op.members() {
            all.push((format!("{pointer}-{op}"), Some((path.clone(), op.clone(), value.clone()))));
        }
    }
    all
}

/// The condition of a denial; `negate` where the original says what must hold.
fn denial(path: &str, op: &str, value: &Node, negate: bool) -> Option<Node> {
    let argument = path.strip_prefix("args.")?;
    let (holds, fails) = match op {
        "eq" => ("eq", "neq"),
        "neq" => ("neq", "eq"),
        "in" => ("in", "not_in"),
        "not_in" => ("not_in", "in"),
        "lt" => ("lt", "gte"),
        "lte" => ("lte", "gt"),
        "gt" => ("gt", "lte"),
        "gte" => ("gte", "lt"),
        "regex" => ("regex", "not_regex"),
        _ => return None,
    };
    let pointer = argument_path(argument.split('.'));
    // What is absent is not what a denial speaks of; what is required and absent is denied.
    let (op, missing) = if negate { (fails, None) } else { (holds, Some("fails")) };
    Some(condition(&pointer, op, value.clone(), missing)).filter(is_valid)
}
