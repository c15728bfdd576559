//! Environments: one base, and for each environment what is different there.
//!
//! An overlay is a JSON Merge Patch (RFC 7396): objects are merged member by member, `null` takes a member away,
//! anything else replaces. Lists are the one addition: where the elements have a name ([`NAMES`]), an overlay's element
//! is merged into the base's element of that name, or appended where there is none; with `"$remove": true` the element
//! is taken away. Other lists replace the base's as a whole.

use super::{Node, Refused, Value, pointer_token};

/// The member of a source file under which its environments stand.
const ENVIRONMENTS: &str = "environments";

/// Takes the environments out of a source document: the name and overlay of each, in document order.
pub(crate) fn environments(source: &mut Node) -> Result<Vec<(String, Node)>, Refused> {
    let Some(environments) = source.take(ENVIRONMENTS) else { return Ok(Vec::new()) };
    if !environments.is_object() {
        let message = format!("found {}, expected an object of overlays by environment", environments.kind());
        return Err(Refused::at(&environments, "/environments", message));
    }
    for (name, overlay) in environments.members() {
        if !overlay.is_object() {
            let at = format!("/environments/{}", pointer_token(name));
            return Err(Refused::at(overlay, &at, format!("found {}, expected an object", overlay.kind())));
        }
    }
    match environments.value {
        Value::Object(members) => Ok(members),
        _ => Ok(Vec::new()),
    }
}

/// Merges an overlay into a base.
pub(crate) fn merge(base: &mut Node, overlay: &Node, pointer: &str) -> Result<(), Refused> {
    match (&mut base.value, &overlay.value) {
        (Value::Object(_), Value::Object(members)) => {
            for (key, patch) in members {
                let at = format!("{pointer}/{}", pointer_token(key));
                if patch.is_null() {
                    base.take(key);
                } else if let Some(old) = member(base, key) {
                    merge(old, patch, &at)?;
                } else {
                    base.set(key, fresh(patch, &at)?);
                }
            }
            Ok(())
        }
        (Value::Array(elements), Value::Array(patches)) => match name_of_all(elements, patches) {
            Some(name) => merge_named(elements, patches, name, pointer),
            None => {
                *base = fresh(overlay, pointer)?;
                Ok(())
            }
        },
        _ => {
            *base = fresh(overlay, pointer)?;
            Ok(())
        }
    }
}

fn merge_named(elements: &mut Vec<Node>, patches: &[Node], name: &str, pointer: &str) -> Result<(), Refused> {
    for (index, patch) in patches.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        let called = patch.get(name).and_then(Node::as_str).unwrap_or_default();
        let found = elements.iter().position(|element| element.get(name).and_then(Node::as_str) == Some(called));
        let remove = match patch.get(REMOVE) {
            Some(remove) => match remove.as_bool() {
                Some(remove) => remove,
                None => {
                    return Err(Refused::at(remove, &at, format!("`{REMOVE}` is {}, not a boolean", remove.kind())));
                }
            },
            None => false,
        };
        match (found, remove) {
            (Some(found), true) => {
                elements.remove(found);
            }
            (None, true) => {
                return Err(Refused::at(patch, &at, format!("removes `{called}`, which the base does not have")));
            }
            (Some(found), false) => {
                if let Some(element) = elements.get_mut(found) {
                    merge(element, patch, &at)?;
                    element.take(REMOVE);
                }
            }
            (None, false) => elements.push(fresh(patch, &at)?),
        }
    }
    Ok(())
}

/// An overlay's value where the base has none: without the members that say `null`, as RFC 7396 has it.
fn fresh(patch: &Node, pointer: &str) -> Result<Node, Refused> {
    if !patch.is_object() {
        return Ok(patch.clone());
    }
    let mut empty = Node { place: patch.place.clone(), value: Value::Object(Vec::new()) };
    merge(&mut empty, patch, pointer)?;
    empty.take(REMOVE);
    Ok(empty)
}

fn member<'n>(object: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut object.value {
        Value::Object(members) => members.iter_mut().find(|(known, _)| known == key).map(|(_, value)| value),
        _ => None,
    }
}

/// The member that names every element of both lists.
fn name_of_all(elements: &[Node], patches: &[Node]) -> Option<&'static str> {
    let mut all = elements.iter().chain(patches).peekable();
    all.peek()?;
    let named = |name: &&str| elements.iter().chain(patches).all(|e| e.get(name).is_some_and(|n| n.as_str().is_some()));
    NAMES.into_iter().find(named)
}

/// What elements of the configuration's lists are called by.
const NAMES: [&str; 4] = ["id", "name", "sha256", "san"];
/// Takes an element of the base away.
const REMOVE: &str = "$remove";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::parse;

    fn node(text: &str) -> Node {
        parse(Path::new("t.yaml"), text.as_bytes()).unwrap()
    }

    #[test]
    fn merges_by_member_and_by_name() {
        for (base, overlay, merged) in [
            (
                "{a: 1, b: {c: 2, d: 3}}",
                "{b: {c: null, e: 4}, f: {g: null, h: 5}}",
                "{a: 1, b: {d: 3, e: 4}, f: {h: 5}}",
            ),
            ("{a: [1, 2]}", "{a: [3]}", "{a: [3]}"),
            ("{a: []}", "{a: [{id: x}]}", "{a: [{id: x}]}"),
            (
                "{rules: [{id: a, action: deny, match: {name: [x]}}, {id: b, action: allow}]}",
                "{rules: [{id: a, match: {server: [s]}}, {id: c, action: deny}, {id: b, $remove: true}]}",
                "{rules: [{id: a, action: deny, match: {name: [x], server: [s]}}, {id: c, action: deny}]}",
            ),
            (
                "{servers: [{name: a}]}",
                "{servers: [{name: a, match: {path_prefix: /x}}]}",
                "{servers: [{name: a, match: {path_prefix: /x}}]}",
            ),
            ("{a: {b: 1}}", "{a: 2}", "{a: 2}"),
        ] {
            let mut result = node(base);
            merge(&mut result, &node(overlay), "").unwrap();
            assert_eq!(result.to_json(), node(merged).to_json(), "{base} + {overlay}");
        }
    }

    #[test]
    fn a_mistake_is_named_by_line() {
        let mut base = node("rules: [{id: a}]");
        let refused = merge(&mut base, &node("rules:\n  - id: b\n    $remove: true"), "").unwrap_err();
        assert_eq!(refused.to_string(), "t.yaml:2:5: /rules/0: removes `b`, which the base does not have");
        let mut source = node("version: '1'\nenvironments: [a]");
        assert!(environments(&mut source).unwrap_err().to_string().contains("expected an object of overlays"));
    }
}
