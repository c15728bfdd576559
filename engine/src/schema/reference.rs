//! Local references: `#`, `#/$defs/x`, `#anchor`.

use std::borrow::Cow;

use super::Stop;
use crate::json::{Kind, Value};

/// The schema that `reference` names within `root`.
pub(super) fn resolve<'d>(root: Value<'d>, reference: Value<'_>) -> Result<Value<'d>, Stop> {
    let reference = reference.as_str().ok_or(Stop::Unsupported("$ref"))?;
    let own = root.get("$id").and_then(Value::as_str);
    let own = own.as_deref().map(|id| id.trim_end_matches('#'));
    let fragment = match reference.split_once('#') {
        Some(("", fragment)) => fragment,
        Some((document, fragment)) if Some(document) == own => fragment,
        None if Some(&*reference) == own => "",
        _ => return Err(Stop::Unsupported("$ref to another document")),
    };
    if has_embedded(root) {
        return Err(Stop::Unsupported("$id below the root"));
    }
    let fragment = percent_decoded(fragment).ok_or(Stop::Unsupported("$ref"))?;
    let found = if fragment.is_empty() || fragment.starts_with('/') {
        root.pointer(&fragment)
    } else {
        anchored(root, &fragment)
    };
    found.ok_or(Stop::Unsupported("$ref that leads nowhere"))
}

/// True where a schema below the root is a document of its own: references within it would mean something else.
fn has_embedded(root: Value<'_>) -> bool {
    let own = root.get("$id").map(Value::span);
    root.strings().filter(|key| key.is_key() && key.is_str("$id")).filter_map(Value::member_value).any(|id| {
        let fragment_only = id.as_str().is_some_and(|id| id.starts_with('#'));
        id.kind() == Kind::String && Some(id.span()) != own && !fragment_only
    })
}

fn anchored<'d>(root: Value<'d>, name: &str) -> Option<Value<'d>> {
    let holds = |schema: Value<'_>| {
        ["$anchor", "$dynamicAnchor"].iter().any(|key| schema.get(key).is_some_and(|anchor| anchor.is_str(name)))
    };
    if holds(root) {
        return Some(root);
    }
    root.strings()
        .filter(|key| key.is_key())
        .filter_map(Value::member_value)
        .flat_map(super::one_or_many)
        .find(|schema| holds(*schema))
}

/// RFC 3986 section 2.1; `None` where the result is no text.
fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}
