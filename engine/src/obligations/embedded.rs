//! JSON within a text, and lines that give a name a value.

use std::ops::Range;

use crate::json::{Document, Limits, Value};

/// Calls `found` with each JSON document of a text and where it begins: the text as a whole, a block of it
/// (between code fences, behind a sentence), or its lines. Returns false where there is none.
pub(super) fn each(text: &str, mut found: impl FnMut(usize, Value<'_>)) -> bool {
    let limits = Limits { max_bytes: usize::MAX, ..Limits::default() };
    let mut parse = |at: usize, slice: &str| match Document::parse(slice.as_bytes(), &limits) {
        Ok(document) => {
            found(at, document.root());
            true
        }
        Err(_) => false,
    };
    let (Some(open), Some(close)) = (text.find(['{', '[']), text.rfind(['}', ']'])) else {
        // A string within a string.
        let start = text.len() - text.trim_start().len();
        let inner = text.trim();
        return inner.len() > 2 && inner.starts_with('"') && parse(start, inner);
    };
    if text.get(open..=close).is_some_and(|block| parse(open, block)) {
        return true;
    }
    let mut any = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let inner = line.trim();
        if inner.starts_with(['{', '[']) {
            any |= parse(at + (line.len() - line.trim_start().len()), inner);
        }
        at += line.len();
    }
    any
}

/// The values that a text which is no JSON gives to `key` (in lower case): `key: value`, `key = "value"`,
/// `'key': 'value'`, `<key>value</key>`.
pub(super) fn named(text: &str, key: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    if key.is_empty() || !key.is_ascii() {
        return out;
    }
    let bytes = text.as_bytes();
    let is_word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let first = key.as_bytes().first().copied().unwrap_or_default();
    for at in memchr::memchr2_iter(first, first.to_ascii_uppercase(), bytes) {
        let end = at + key.len();
        let fits = bytes.get(at..end).is_some_and(|word| word.eq_ignore_ascii_case(key.as_bytes()));
        if !fits || is_word(at.checked_sub(1)) || is_word(Some(end)) || out.last().is_some_and(|last| at < last.end) {
            continue;
        }
        out.extend(text.get(end..).and_then(value).map(|range| end + range.start..end + range.end));
    }
    out
}

/// The value at the beginning of what follows a key.
fn value(rest: &str) -> Option<Range<usize>> {
    let skip = |from: usize, what: &[char]| {
        from + rest.get(from..).map_or(0, |rest| rest.len() - rest.trim_start_matches(what).len())
    };
    let quoted = skip(0, &['"', '\'', '`', '*', '\\']);
    let at = skip(quoted, &[' ', '\t']);
    let close = match rest.get(at..)?.chars().next()? {
        ':' | '=' => None,
        '>' if quoted == 0 => Some('<'),
        _ => return None,
    };
    let mut at = skip(at, &[':', '=', '>', ' ', '\t', '*', '\\']);
    let close = close.or_else(|| rest.get(at..)?.chars().next().filter(|character| matches!(character, '"' | '\'')));
    if close.is_some_and(|close| close != '<') {
        at += 1;
    }
    let tail = rest.get(at..)?;
    let ends: &[char] = match close {
        Some('<') => &['<'],
        Some('"') => &['"', '\n'],
        Some(_) => &['\'', '\n'],
        None => &['\n', '\r', ',', ';', '}', ']', '|'],
    };
    let length = tail.find(ends).unwrap_or(tail.len());
    let length = tail.get(..length)?.trim_end().len();
    (length > 0).then_some(at..at + length)
}
