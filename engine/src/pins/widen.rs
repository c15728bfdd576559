//! Does a schema take more than the one before it?

use crate::json::{Kind, Value};

/// True where the new schema takes something that the old one did not, or says so little that it may: a property
/// more, a requirement less, a type or a choice more, a bound that is gone or moved. What is not understood counts
/// as wider; wording (`title`, `description`, `examples`, `default`, `$comment`) does not count.
pub(super) fn is_wider(old: Value<'_>, new: Value<'_>) -> bool {
    wider(old, new, MAX_DEPTH)
}

fn wider(old: Value<'_>, new: Value<'_>, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match (old.kind(), new.kind()) {
        _ if same(old, new) => return false,
        (Kind::True, _) | (_, Kind::False) => return false,
        (Kind::Object, Kind::Object) => {}
        _ => return true,
    }
    let old_members = old.members().filter_map(|(key, value)| Some((key.as_str()?, value)));
    for (key, was) in old_members {
        let is = new.get(&key);
        let wider = match (&*key, is) {
            _ if is.is_some_and(|is| same(was, is)) => false,
            ("title" | "description" | "examples" | "default" | "$comment" | "$schema" | "$id" | "deprecated", _) => {
                false
            }
            // What had to be there, or one of what could be.
            ("required", Some(is)) => was.elements().any(|name| !is.elements().any(|other| same(name, other))),
            ("enum" | "type", Some(is)) => !choices(is).iter().all(|one| choices(was).iter().any(|w| admits(*w, *one))),
            ("properties" | "patternProperties" | "$defs" | "definitions", Some(is)) => members_wider(was, is, depth),
            ("items" | "additionalProperties" | "propertyNames" | "contains", Some(is)) => wider(was, is, depth),
            ("maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties", Some(is)) => {
                is.as_f64() > was.as_f64()
            }
            ("minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties", Some(is)) => {
                is.as_f64() < was.as_f64()
            }
            // Other keywords restrict, each in a way of its own.
            _ => true,
        };
        if wider {
            return true;
        }
    }
    // A keyword that was not there restricts, but one that names new members invites them.
    let invites = |key: &str| old.get(key).is_none() && new.get(key).is_some_and(|is| is.members().next().is_some());
    invites("properties") || invites("patternProperties")
}

/// True where a member is new, or one of them is wider.
fn members_wider(old: Value<'_>, new: Value<'_>, depth: u32) -> bool {
    new.members().any(|(key, is)| {
        let Some(key) = key.as_str() else { return true };
        old.get(&key).is_none_or(|was| wider(was, is, depth))
    })
}

/// The alternatives of `enum` or `type`.
fn choices(value: Value<'_>) -> Vec<Value<'_>> {
    if value.kind() == Kind::Array { value.elements().collect() } else { vec![value] }
}

/// An integer is a number too.
fn admits(old: Value<'_>, new: Value<'_>) -> bool {
    same(old, new) || (old.is_str("number") && new.is_str("integer"))
}

/// Both texts are canonical: equal values are spelled alike.
fn same(a: Value<'_>, b: Value<'_>) -> bool {
    a.raw() == b.raw()
}

/// Deeper schemas count as wider where they differ.
const MAX_DEPTH: u32 = 24;

#[cfg(test)]
mod tests {
    use super::is_wider;
    use crate::config::canonical_json;
    use crate::json::{Document, Limits};

    fn canonical(text: &str) -> String {
        canonical_json(Document::parse(text.as_bytes(), &Limits::default()).unwrap().root())
    }

    fn wider(old: &str, new: &str) -> bool {
        let (old, new) = (canonical(old), canonical(new));
        let old = Document::parse(old.as_bytes(), &Limits::default()).unwrap();
        let new = Document::parse(new.as_bytes(), &Limits::default()).unwrap();
        is_wider(old.root(), new.root())
    }

    #[test]
    fn wider_and_not() {
        for (old, new, expected) in [
            (r#"{"type":"object"}"#, r#"{"type":"object","description":"x"}"#, false),
            (r#"{"properties":{"a":{}}}"#, r#"{"properties":{"a":{},"b":{}}}"#, true),
            (r#"{"type":"object"}"#, r#"{"type":"object","properties":{"b":{}}}"#, true),
            (r#"{"properties":{"a":{},"b":{}}}"#, r#"{"properties":{"a":{}}}"#, false),
            (r#"{"required":["a","b"]}"#, r#"{"required":["a"]}"#, true),
            (r#"{"required":["a"]}"#, r#"{"required":["b","a"]}"#, false),
            (r#"{"required":["a"]}"#, r#"{}"#, true),
            (r#"{"type":"string"}"#, r#"{"type":["string","null"]}"#, true),
            (r#"{"type":["string","null"]}"#, r#"{"type":"string"}"#, false),
            (r#"{"type":"number"}"#, r#"{"type":"integer"}"#, false),
            (r#"{"type":"integer"}"#, r#"{"type":"number"}"#, true),
            (r#"{"enum":["a","b"]}"#, r#"{"enum":["b"]}"#, false),
            (r#"{"enum":["a"]}"#, r#"{"enum":["a","b"]}"#, true),
            (r#"{"additionalProperties":false}"#, r#"{"additionalProperties":true}"#, true),
            (r#"{"additionalProperties":false}"#, r#"{}"#, true),
            (r#"{}"#, r#"{"additionalProperties":false}"#, false),
            (r#"{"maxLength":5}"#, r#"{"maxLength":50}"#, true),
            (r#"{"maxLength":50}"#, r#"{"maxLength":5}"#, false),
            (r#"{"minimum":1}"#, r#"{"minimum":0}"#, true),
            (r#"{"pattern":"^a$"}"#, r#"{"pattern":"^.*$"}"#, true),
            (r#"{"properties":{"a":{"items":{"type":"string"}}}}"#, r#"{"properties":{"a":{"items":{}}}}"#, true),
            (r#"{"anyOf":[{"type":"string"}]}"#, r#"{"anyOf":[{"type":"string"},{}]}"#, true),
            ("true", r#"{"type":"object"}"#, false),
            ("false", "true", true),
        ] {
            assert_eq!(wider(old, new), expected, "{old} -> {new}");
        }
    }
}
