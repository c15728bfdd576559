//! Values of certain members replaced, wherever they stand: in the message itself and in JSON within its texts.
//!
//! Only what is between the quotes of a string is replaced, at whatever depth of JSON within JSON, so that the
//! edits go well together with those of the scanners, and the message stays the JSON that it was.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::embedded;
use super::keys::{Keys, Places};
use crate::json::{Kind, Value, escape, quote, raw_ranges};
use crate::sort::Arrange;

/// What stands in place of a range of the text that a value belongs to.
pub(super) type Replacement = (Range<usize>, String);

/// One pass over a message.
pub(super) struct Redaction<'k> {
    keys: &'k Keys,
    placeholder: &'k str,
    /// Texts that were replaced: they may stand elsewhere in the message once more.
    gone: Vec<String>,
}

impl<'k> Redaction<'k> {
    pub(super) fn new(keys: &'k Keys, placeholder: &'k str) -> Self {
        Self { keys, placeholder, gone: Vec::new() }
    }

    /// The replacements within arguments: paths begin at `value`.
    pub(super) fn of_arguments(mut self, value: Value<'_>) -> Vec<Replacement> {
        let mut out = Vec::new();
        self.walk(value, &self.keys.start(), 0, &mut out);
        in_order(out)
    }

    /// The replacements within a result: paths begin at its `structuredContent` and at every JSON text in it.
    /// What was replaced is replaced in the other texts of the result too.
    pub(super) fn of_result(mut self, result: Value<'_>) -> Vec<Replacement> {
        let mut out = Vec::new();
        self.walk(result, &Places::default(), 0, &mut out);
        if !self.gone.is_empty() {
            for string in result.strings().filter(|string| !string.is_key()) {
                self.copies(string, 0, &mut out);
            }
        }
        in_order(out)
    }

    fn walk(&mut self, value: Value<'_>, places: &Places, depth: u8, out: &mut Vec<Replacement>) {
        for (key, member) in value.members() {
            let Some(name) = key.as_str() else { continue };
            let mut next = self.keys.step(places, &name);
            if name == "structuredContent" {
                next = next.and(&self.keys.start());
            }
            if name == "blob" && member.kind() == Kind::String && self.is_in_blob(member, depth) {
                out.push((inner(member), STANDARD.encode(self.placeholder)));
                continue;
            }
            self.value(member, &next, depth, out);
        }
        for (index, element) in value.elements().enumerate() {
            let next = self.keys.step(places, &index.to_string());
            self.value(element, &next, depth, out);
        }
        if value.kind() == Kind::String {
            self.text(value, places, depth, out);
        }
    }

    fn value(&mut self, value: Value<'_>, places: &Places, depth: u8, out: &mut Vec<Replacement>) {
        if !self.keys.is_met(places) {
            return self.walk(value, places, depth, out);
        }
        self.remember(value);
        match value.kind() {
            Kind::String | Kind::Key => out.push((inner(value), escape(self.placeholder))),
            Kind::Object | Kind::Array => out.push((value.span(), quote(self.placeholder))),
            // A string in place of a number is refused by more readers than no number.
            Kind::Number | Kind::True | Kind::False => out.push((value.span(), "null".to_owned())),
            Kind::Null => {}
        }
    }

    /// JSON within a string, and lines that name a key and a value.
    fn text(&mut self, string: Value<'_>, places: &Places, depth: u8, out: &mut Vec<Replacement>) {
        if depth >= MAX_EMBEDDED {
            return;
        }
        let (Some(raw), Some(text)) = (string.raw_str(), string.as_str()) else { return };
        let mut found = Vec::new();
        let places = places.clone().and(&self.keys.start());
        let is_json = embedded::each(&text, |at, root| {
            let mut inner = Vec::new();
            self.value_or_walk(root, &places, depth + 1, &mut inner);
            found.extend(inner.into_iter().map(|(range, with)| (range.start + at..range.end + at, with)));
        });
        if !is_json {
            for key in self.keys.anywhere() {
                for range in embedded::named(&text, key) {
                    self.gone.extend(text.get(range.clone()).filter(|text| is_telling(text)).map(str::to_owned));
                    found.push((range, self.placeholder.to_owned()));
                }
            }
        }
        out.extend(outward(string, raw, in_order(found)));
    }

    fn value_or_walk(&mut self, root: Value<'_>, places: &Places, depth: u8, out: &mut Vec<Replacement>) {
        // The root has no name, so no pattern is fulfilled by it.
        self.walk(root, places, depth, out);
    }

    /// True where a base64 string holds JSON with a member that is meant.
    fn is_in_blob(&mut self, blob: Value<'_>, depth: u8) -> bool {
        let decoded = blob.as_str().and_then(|text| STANDARD.decode(text.as_bytes()).ok());
        let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
        let mut found = Vec::new();
        let places = self.keys.start();
        let is_json = depth < MAX_EMBEDDED
            && embedded::each(&text, |_, root| self.value_or_walk(root, &places, depth + 1, &mut found));
        !found.is_empty() || (!is_json && self.keys.anywhere().any(|key| !embedded::named(&text, key).is_empty()))
    }

    /// Takes down what is about to be replaced.
    fn remember(&mut self, value: Value<'_>) {
        if self.gone.len() >= MAX_GONE {
            return;
        }
        match value.kind() {
            Kind::Object | Kind::Array => {
                value.members().for_each(|(_, member)| self.remember(member));
                value.elements().for_each(|element| self.remember(element));
            }
            Kind::Number => self.gone.extend(Some(value.raw()).filter(|text| is_telling(text)).map(str::to_owned)),
            Kind::String | Kind::Key => {
                self.gone.extend(value.as_str().filter(|text| is_telling(text)).map(|text| text.into_owned()));
            }
            Kind::True | Kind::False | Kind::Null => {}
        }
    }

    /// What was replaced elsewhere and stands in this string; where that is JSON, in the strings of it.
    fn copies(&self, string: Value<'_>, depth: u8, out: &mut Vec<Replacement>) {
        let (Some(raw), Some(text)) = (string.raw_str(), string.as_str()) else { return };
        let mut found = Vec::new();
        let is_json = depth < MAX_EMBEDDED
            && embedded::each(&text, |at, root| {
                let mut inner = Vec::new();
                for string in root.strings().filter(|string| !string.is_key()) {
                    self.copies(string, depth + 1, &mut inner);
                }
                found.extend(inner.into_iter().map(|(range, with)| (range.start + at..range.end + at, with)));
            });
        if !is_json {
            for gone in &self.gone {
                for at in memchr::memmem::find_iter(text.as_bytes(), gone.as_bytes()) {
                    found.push((at..at + gone.len(), self.placeholder.to_owned()));
                }
            }
        }
        if !found.is_empty() {
            out.extend(outward(string, raw, in_order(found)));
        }
    }
}

/// The content of a string, without its quotes.
fn inner(string: Value<'_>) -> Range<usize> {
    let span = string.span();
    span.start + 1..span.end.saturating_sub(1)
}

/// From the unescaped content of a string to the text that the string stands in.
fn outward(string: Value<'_>, raw: &str, found: Vec<Replacement>) -> impl Iterator<Item = Replacement> {
    let base = string.span().start + 1;
    let ranges: Vec<Range<usize>> = found.iter().map(|(range, _)| range.clone()).collect();
    let ranges = raw_ranges(raw, &ranges);
    ranges.into_iter().zip(found).map(move |(range, (_, with))| (base + range.start..base + range.end, escape(&with)))
}

/// In the order of the text, without what lies within another one or overlaps it: that is swallowed.
fn in_order(mut found: Vec<Replacement>) -> Vec<Replacement> {
    found.arrange_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    found.dedup_by(|next, kept| {
        let overlaps = next.0.start < kept.0.end;
        if overlaps {
            kept.0.end = kept.0.end.max(next.0.end);
        }
        overlaps
    });
    found
}

/// Long enough to be looked for elsewhere: "7" stands everywhere.
fn is_telling(text: &str) -> bool {
    text.chars().count() >= 4
}

/// How deep JSON within JSON is looked into.
const MAX_EMBEDDED: u8 = 3;
/// How many replaced texts are looked for in the rest of a result.
const MAX_GONE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Edits, Limits};

    fn redacted(keys: &[&str], text: &str, result: bool) -> String {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let keys = Keys::compile(&keys, "").unwrap();
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let redaction = Redaction::new(&keys, "[R]");
        let found = match result {
            true => redaction.of_result(document.root()),
            false => redaction.of_arguments(document.root()),
        };
        let mut edits = Edits::default();
        found.into_iter().for_each(|(range, with)| edits.replace(range, with));
        let out = String::from_utf8(edits.apply(text.as_bytes())).unwrap();
        Document::parse(out.as_bytes(), &Limits::default()).unwrap();
        out
    }

    #[test]
    fn values_of_every_type() {
        for (text, expected) in [
            (r#"{"pin": "1234", "n": 1}"#, r#"{"pin": "[R]", "n": 1}"#),
            (r#"{"a": [{"PIN": 1234}]}"#, r#"{"a": [{"PIN": null}]}"#),
            (r#"{"pin": {"a": 1}}"#, r#"{"pin": "[R]"}"#),
            (r#"{"pin": null}"#, r#"{"pin": null}"#),
            (r#"{"p\u0069n": "\u0061"}"#, r#"{"p\u0069n": "[R]"}"#),
        ] {
            assert_eq!(redacted(&["pin"], text, false), expected);
        }
    }

    #[test]
    fn json_within_texts() {
        for (text, expected) in [
            (r#"{"body": "{\"pin\": \"1\\n2\", \"n\": 1}"}"#, r#"{"body": "{\"pin\": \"[R]\", \"n\": 1}"}"#),
            (
                r#"{"body": "{\"deep\": \"{\\\"pin\\\":\\\"x\\\"}\"}"}"#,
                r#"{"body": "{\"deep\": \"{\\\"pin\\\":\\\"[R]\\\"}\"}"}"#,
            ),
            (
                r#"{"body": "Result:\n```json\n{\"pin\": 7}\n```"}"#,
                r#"{"body": "Result:\n```json\n{\"pin\": null}\n```"}"#,
            ),
            (r#"{"body": "{\"pin\": 7}\n{\"pin\": 8}\n"}"#, r#"{"body": "{\"pin\": null}\n{\"pin\": null}\n"}"#),
            (r#"{"body": "name: x\npin: 1234\nend"}"#, r#"{"body": "name: x\npin: [R]\nend"}"#),
            (r#"{"body": "{'pin': '12 34', 'n': 1}"}"#, r#"{"body": "{'pin': '[R]', 'n': 1}"}"#),
            (r#"{"body": "spinning: 7"}"#, r#"{"body": "spinning: 7"}"#),
        ] {
            assert_eq!(redacted(&["pin"], text, false), expected);
        }
    }

    #[test]
    fn the_copies_in_the_text_of_a_result() {
        let text = r#"{"structuredContent":{"customer":{"ssn":"078-05-1120","n":40961}},"content":[{"type":"text","text":"{\"customer\":{\"ssn\":\"078-05-1120\"}}"},{"type":"text","text":"SSN is 078-05-1120, 40961"}]}"#;
        let expected = r#"{"structuredContent":{"customer":{"ssn":"[R]","n":null}},"content":[{"type":"text","text":"{\"customer\":{\"ssn\":\"[R]\"}}"},{"type":"text","text":"SSN is [R], [R]"}]}"#;
        assert_eq!(redacted(&["/customer/ssn", "customer.n"], text, true), expected);
        let envelope = r#"{"content":[{"type":"text","text":"x"}],"isError":false}"#;
        assert_eq!(redacted(&["text", "type", "isError"], envelope, true), envelope);
    }

    #[test]
    fn blobs_are_replaced_whole() {
        let blob = STANDARD.encode(r#"{"pin": 7}"#);
        let clean = STANDARD.encode(r#"{"n": 7}"#);
        let text = format!(r#"{{"contents":[{{"uri":"a:b","blob":"{blob}"}},{{"uri":"a:c","blob":"{clean}"}}]}}"#);
        let expected = text.replace(&blob, &STANDARD.encode("[R]"));
        assert_eq!(redacted(&["pin"], &text, true), expected);
    }
}
