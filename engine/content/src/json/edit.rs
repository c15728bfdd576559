//! Edits of byte spans: what is not edited stays byte-identical.

use std::cmp::Reverse;
use std::ops::Range;

use super::string::{escape, quote, raw_range};
use super::value::{Kind, Value};
use crate::sort::Arrange;

/// A set of edits of one text, applied at once.
///
/// Edits may be added in any order. Where one lies within another the outer one wins; where two
/// overlap in part, the first one's replacement stands for both spans, so that nothing meant to be
/// hidden shows.
#[derive(Debug, Default, Clone)]
pub struct Edits {
    items: Vec<(Range<usize>, String)>,
}

impl Edits {
    /// True if there is nothing to edit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Replaces the bytes `span` by `with`.
    pub fn replace(&mut self, span: Range<usize>, with: impl Into<String>) {
        self.items.push((span, with.into()));
    }

    /// Replaces a whole value by a string.
    pub fn set_string(&mut self, value: Value<'_>, text: &str) {
        self.replace(value.span(), quote(text));
    }

    /// Replaces the byte range `decoded` of the unescaped content of a string (or key) by `text`. A range that
    /// cuts through a character is widened to the whole of it; what lies behind the string is not touched.
    pub fn replace_in_string(&mut self, string: Value<'_>, decoded: Range<usize>, text: &str) {
        let Some(raw) = string.raw_str() else { return };
        let inner = raw_range(raw, decoded);
        let base = string.span().start + 1;
        self.replace(base + inner.start..base + inner.end, escape(text));
    }

    /// Removes the elements of `array` for which `keep` is false, with their commas. To be called once for an
    /// array.
    pub fn retain_elements(&mut self, array: Value<'_>, mut keep: impl FnMut(Value<'_>) -> bool) {
        self.retain(array, array.elements().map(|value| (value.span(), keep(value))).collect());
    }

    /// Removes the members of `object` for whose key `keep` is false, with their commas. To be called once for an
    /// object.
    pub fn retain_members(&mut self, object: Value<'_>, mut keep: impl FnMut(Value<'_>) -> bool) {
        let span = |key: Value<'_>, value: Value<'_>| key.span().start..value.span().end;
        self.retain(object, object.members().map(|(key, value)| (span(key, value), keep(key))).collect());
    }

    fn retain(&mut self, container: Value<'_>, elements: Vec<(Range<usize>, bool)>) {
        let Some(first_kept) = elements.iter().position(|(_, kept)| *kept) else {
            if !elements.is_empty() {
                let span = container.span();
                self.replace(span.start + 1..span.end.saturating_sub(1), "");
            }
            return;
        };
        let start = elements.first().map_or(0, |(span, _)| span.start);
        if let Some((span, _)) = elements.get(first_kept)
            && first_kept > 0
        {
            self.replace(start..span.start, "");
        }
        for pair in elements.get(first_kept..).unwrap_or_default().windows(2) {
            if let [(before, _), (span, false)] = pair {
                self.replace(before.end..span.end, "");
            }
        }
    }

    /// What is replaced, in the order of the text.
    #[must_use]
    pub fn spans(&self) -> Vec<Range<usize>> {
        let mut spans: Vec<Range<usize>> = self.items.iter().map(|(span, _)| span.clone()).collect();
        spans.arrange_by_key(|span| (span.start, span.end));
        spans
    }

    /// The edits of the bytes `span`, as edits of a text that consists of them alone; `None` where they are
    /// replaced with more around them.
    #[must_use]
    pub fn within(&self, span: &Range<usize>) -> Option<Self> {
        let mut items = Vec::new();
        for (edited, with) in self.items.iter().filter(|(edited, _)| edited.start < span.end && span.start < edited.end)
        {
            let start = edited.start.checked_sub(span.start)?;
            if edited.end > span.end {
                return None;
            }
            items.push((start..edited.end - span.start, with.clone()));
        }
        Some(Self { items })
    }

    /// Sets the member `key` of `object` to the JSON text `json`, adding it at the end where it is missing. Each
    /// key is to be set once at most.
    pub fn set_member(&mut self, object: Value<'_>, key: &str, json: &str) {
        if let Some(value) = object.get(key) {
            self.replace(value.span(), json);
        } else if object.kind() == Kind::Object {
            let at = object.span().end.saturating_sub(1);
            let first = object.members().next().is_none() && !self.items.iter().any(|(span, _)| *span == (at..at));
            let comma = if first { "" } else { "," };
            self.replace(at..at, format!("{comma}{}:{json}", quote(key)));
        }
    }

    /// The text with all edits applied.
    #[must_use]
    pub fn apply(mut self, text: &[u8]) -> Vec<u8> {
        // At the same start what is inserted comes first, then the outermost of what is replaced.
        let order = |span: &Range<usize>| (span.start, !span.is_empty(), Reverse(span.end));
        self.items.arrange_by_key(|(span, _)| order(span));
        let mut out = Vec::with_capacity(text.len() + 64);
        let mut done = 0;
        for (span, with) in &self.items {
            if span.start < done {
                // Within, or overlapping, what was already replaced: swallow the rest of it.
                done = done.max(span.end);
                continue;
            }
            out.extend_from_slice(text.get(done..span.start).unwrap_or_default());
            out.extend_from_slice(with.as_bytes());
            done = span.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Document, Limits};
    use super::*;

    fn edit(text: &str, with: impl Fn(Value<'_>, &mut Edits)) -> String {
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let mut edits = Edits::default();
        with(doc.root(), &mut edits);
        String::from_utf8(edits.apply(text.as_bytes())).unwrap()
    }

    #[test]
    fn removes_elements_with_their_commas() {
        for (text, drop, expected) in [
            ("[1, 2, 3]", "1", "[2, 3]"),
            ("[1, 2, 3]", "2", "[1, 3]"),
            ("[1, 2, 3]", "3", "[1, 2]"),
            ("[1, 2, 3]", "12", "[3]"),
            ("[1, 2, 3]", "13", "[2]"),
            ("[1, 2, 3]", "23", "[1]"),
            ("[ 1, 2, 3 ]", "123", "[]"),
            ("[]", "", "[]"),
        ] {
            let result = edit(text, |root, edits| edits.retain_elements(root, |value| !drop.contains(value.raw())));
            assert_eq!(result, expected, "{text} without {drop}");
        }
    }

    #[test]
    fn removes_members_with_their_commas() {
        let text = r#"{"a": 1, "b": {"c": 2}, "d": 3}"#;
        for (drop, expected) in
            [("a", r#"{"b": {"c": 2}, "d": 3}"#), ("bd", r#"{"a": 1}"#), ("abd", "{}"), ("ad", r#"{"b": {"c": 2}}"#)]
        {
            let result = edit(text, |root, edits| {
                edits.retain_members(root, |key| !drop.contains(&*key.as_str().unwrap()));
            });
            assert_eq!(result, expected, "{drop}");
        }
    }

    #[test]
    fn sets_members() {
        assert_eq!(edit("{}", |root, edits| edits.set_member(root, "a", "1")), r#"{"a":1}"#);
        let two = edit("{}", |root, edits| {
            edits.set_member(root, "a", "1");
            edits.set_member(root, "b", "2");
        });
        assert_eq!(two, r#"{"a":1,"b":2}"#);
        assert_eq!(edit(r#"{"b": 2 }"#, |root, edits| edits.set_member(root, "a", "1")), r#"{"b": 2 ,"a":1}"#);
        assert_eq!(edit(r#"{"a": 2 }"#, |root, edits| edits.set_member(root, "a", "1")), r#"{"a": 1 }"#);
    }

    #[test]
    fn the_outer_edit_wins_and_overlaps_hide_both() {
        let text = r#"["abcdef"]"#;
        let nested = edit(text, |root, edits| {
            let string = root.element(0).unwrap();
            edits.replace_in_string(string, 1..2, "X");
            edits.replace_in_string(string, 0..4, "Y");
        });
        assert_eq!(nested, r#"["Yef"]"#);
        let overlapping = edit(text, |root, edits| {
            let string = root.element(0).unwrap();
            edits.replace_in_string(string, 0..3, "X");
            edits.replace_in_string(string, 2..5, "Y");
        });
        assert_eq!(overlapping, r#"["Xf"]"#);
    }

    #[test]
    fn inserts_at_a_character_and_keeps_within_the_string() {
        for (text, range, expected) in [
            (r#"["ab\u0063d"]"#, 0..0, r#"["Xab\u0063d"]"#),
            (r#"["ab\u0063d"]"#, 2..2, r#"["abX\u0063d"]"#),
            (r#"["ab\u0063d"]"#, 3..3, r#"["ab\u0063Xd"]"#),
            (r#"["ab\u0063d"]"#, 4..4, r#"["ab\u0063dX"]"#),
            (r#"["\u0063"]"#, 0..0, r#"["X\u0063"]"#),
            (r#"["ab"]"#, 1..9, r#"["aX"]"#),
            (r#"["ab"]"#, 7..9, r#"["abX"]"#),
            (r#"["aéb"]"#, 2..3, r#"["aXb"]"#),
            (r#"["aé\n"]"#, 1..2, r#"["aX\n"]"#),
        ] {
            let result =
                edit(text, |root, edits| edits.replace_in_string(root.element(0).unwrap(), range.clone(), "X"));
            assert_eq!(result, expected, "{text} {range:?}");
        }
    }

    #[test]
    fn edits_within_escapes_stay_valid() {
        let result = edit(r#"{"k":"a\nb\u0041c"}"#, |root, edits| {
            edits.replace_in_string(root.get("k").unwrap(), 2..4, "\"");
        });
        assert_eq!(result, r#"{"k":"a\n\"c"}"#);
    }
}
