//! The parsed document: a flat tape of spans over the original text, and cursors into it.

use std::borrow::Cow;
use std::ops::Range;

use super::parse::{self, Limits, ParseError};
use super::string::unescape;

/// A strictly parsed JSON text. Holding one is the proof that the text passed the strict parse.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    tape: Vec<Entry>,
}

impl<'a> Document<'a> {
    /// Parses `bytes` strictly.
    ///
    /// # Errors
    /// [`ParseError`] names the byte offset and what was found there.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, ParseError> {
        let (text, tape) = parse::parse(bytes, limits)?;
        Ok(Self { text, tape })
    }

    /// The top-level value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value { text: self.text, tape: &self.tape, at: 0 }
    }

    /// The original text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Every string of the document in text order, object keys included.
    #[must_use]
    pub fn strings(&self) -> Strings<'_> {
        Strings { text: self.text, tape: &self.tape, at: 0, end: self.tape.len() }
    }
}

/// A cursor to one value (or key) of a [`Document`]. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    text: &'d str,
    tape: &'d [Entry],
    at: usize,
}

impl<'d> Value<'d> {
    /// What kind of value this is.
    #[must_use]
    #[inline]
    pub fn kind(self) -> Kind {
        self.entry().kind
    }

    /// The value's bytes in the original text: for strings with their quotes.
    #[must_use]
    #[inline]
    pub fn span(self) -> Range<usize> {
        let entry = self.entry();
        entry.start as usize..entry.end as usize
    }

    /// The value exactly as it was written.
    #[must_use]
    pub fn raw(self) -> &'d str {
        self.text.get(self.span()).unwrap_or_default()
    }

    /// True for a string (or key) that contains at least one escape sequence.
    #[must_use]
    #[inline]
    pub fn has_escapes(self) -> bool {
        self.entry().escaped
    }

    /// True where this string is the key of an object member.
    #[must_use]
    #[inline]
    pub fn is_key(self) -> bool {
        self.entry().kind == Kind::Key
    }

    /// The string's content as it was written between the quotes, escapes and all; `None` for other kinds.
    #[must_use]
    pub fn raw_str(self) -> Option<&'d str> {
        let entry = self.entry();
        match entry.kind {
            Kind::String | Kind::Key => self.text.get(entry.start as usize + 1..(entry.end as usize).saturating_sub(1)),
            _ => None,
        }
    }

    /// The key right before this: its own, or that of the array that it is the first of. `None` also where neither
    /// can be told without a walk over the document.
    #[must_use]
    pub fn key_before(self) -> Option<Value<'d>> {
        let before = |steps: usize| {
            let at = self.at.checked_sub(steps)?;
            self.tape.get(at).map(|entry| (entry.kind, Value { at, ..self }))
        };
        match before(1)? {
            (Kind::Key, key) => Some(key),
            (Kind::Array, _) => before(2).filter(|(kind, _)| *kind == Kind::Key).map(|(_, key)| key),
            _ => None,
        }
    }

    /// True if `before` is a string, number or literal and this is the next element of the same array, or the first
    /// key behind it.
    #[must_use]
    #[inline]
    pub fn is_next_to(self, before: Value<'_>) -> bool {
        before.at + 1 == self.at
    }

    /// The string's content, unescaped (borrowed where there was nothing to unescape); `None` for other kinds.
    #[must_use]
    pub fn as_str(self) -> Option<Cow<'d, str>> {
        let raw = self.raw_str()?;
        Some(if self.has_escapes() { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    /// True if this is a string whose content equals `other`.
    #[must_use]
    pub fn is_str(self, other: &str) -> bool {
        match self.raw_str() {
            Some(raw) if !self.has_escapes() => raw == other,
            Some(raw) => unescape(raw) == other,
            None => false,
        }
    }

    /// The number as an `f64` (it may lose precision; [`Value::raw`] has the digits); `None` for other kinds.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() == Kind::Number { self.raw().parse().ok() } else { None }
    }

    /// The boolean; `None` for other kinds.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// The member `key` of an object; `None` where there is none, or this is no object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'d>> {
        self.members().find(|(name, _)| name.is_str(key)).map(|(_, value)| value)
    }

    /// The element `index` of an array; `None` where there is none, or this is no array.
    #[must_use]
    pub fn element(self, index: usize) -> Option<Value<'d>> {
        self.elements().nth(index)
    }

    /// The members of an object, in text order; empty for other kinds.
    #[must_use]
    pub fn members(self) -> Members<'d> {
        let end = if self.kind() == Kind::Object { self.next() } else { self.at };
        Members { text: self.text, tape: self.tape, at: self.at + 1, end }
    }

    /// The elements of an array, in text order; empty for other kinds.
    #[must_use]
    pub fn elements(self) -> Elements<'d> {
        let end = if self.kind() == Kind::Array { self.next() } else { self.at };
        Elements { text: self.text, tape: self.tape, at: self.at + 1, end }
    }

    /// Every string within this value in text order, object keys included, itself if it is one.
    #[must_use]
    pub fn strings(self) -> Strings<'d> {
        Strings { text: self.text, tape: self.tape, at: self.at, end: self.next() }
    }

    /// The value of the member whose key this is; `None` if this is no key.
    #[must_use]
    pub fn member_value(self) -> Option<Value<'d>> {
        self.is_key().then(|| Value { at: self.at + 1, ..self })
    }

    /// The value an RFC 6901 JSON Pointer leads to from here.
    #[must_use]
    pub fn pointer(self, pointer: &str) -> Option<Value<'d>> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut here = self;
        for token in pointer.strip_prefix('/')?.split('/') {
            let token = token.replace("~1", "/").replace("~0", "~");
            here = match here.kind() {
                Kind::Object => here.get(&token)?,
                Kind::Array => here.element(array_index(&token)?)?,
                _ => return None,
            };
        }
        Some(here)
    }

    /// The RFC 6901 JSON Pointer from the root of the document to this value. A key is located by
    /// the pointer of its member.
    #[must_use]
    pub fn location(self) -> String {
        let mut here = Value { at: 0, ..self };
        let mut path = String::new();
        'descend: while here.at != self.at {
            for (key, value) in here.members() {
                if key.at == self.at || (value.at <= self.at && self.at < value.next()) {
                    path.push('/');
                    let name = key.as_str().unwrap_or_default();
                    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    if key.at == self.at {
                        break 'descend;
                    }
                    here = value;
                    continue 'descend;
                }
            }
            for (index, value) in here.elements().enumerate() {
                if value.at <= self.at && self.at < value.next() {
                    path.push('/');
                    path.push_str(&index.to_string());
                    here = value;
                    continue 'descend;
                }
            }
            break;
        }
        path
    }

    /// The index just behind this value's subtree.
    fn next(self) -> usize {
        self.entry().next as usize
    }

    #[inline]
    fn entry(self) -> Entry {
        self.tape.get(self.at).copied().unwrap_or(Entry::NOTHING)
    }
}

// === impl Value ===

impl std::fmt::Debug for Value<'_> {
    /// Prints kind and span only: a value may be a secret and must not reach a log by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}@{:?}", self.kind(), self.span())
    }
}

/// Tells where values stand that are asked for in text order: all answers together cost one walk over
/// the document, however many values there are.
#[derive(Debug)]
pub struct Locator<'d> {
    root: Value<'d>,
    /// The first entry that was not passed yet.
    at: usize,
    open: Vec<Open<'d>>,
}

/// A container that the walk is in.
#[derive(Debug)]
struct Open<'d> {
    value: Value<'d>,
    end: usize,
    key: Option<Value<'d>>,
    /// One more than the index of the element.
    count: usize,
}

impl<'d> Locator<'d> {
    /// A locator of the values within `root`.
    #[must_use]
    pub fn new(root: Value<'d>) -> Self {
        Self { root, at: root.at, open: Vec::new() }
    }

    /// Goes to a value (or key) that is within the root and not before the last one gone to.
    pub fn seek(&mut self, value: Value<'d>) {
        while self.at <= value.at && self.at < self.root.next() {
            let here = Value { at: self.at, ..self.root };
            while self.open.last().is_some_and(|open| open.end <= self.at) {
                self.open.pop();
            }
            if here.is_key() {
                if let Some(open) = self.open.last_mut() {
                    open.key = Some(here);
                }
                self.at += 1;
                continue;
            }
            if let Some(open) = self.open.last_mut() {
                open.count += 1;
            }
            let end = here.next();
            if matches!(here.kind(), Kind::Array | Kind::Object) && here.at < value.at && value.at < end {
                self.open.push(Open { value: here, end, key: None, count: 0 });
                self.at += 1;
            } else {
                self.at = end.max(self.at + 1);
            }
        }
    }

    /// The key of the innermost member that the value gone to is in: its own, or that of its array.
    #[must_use]
    pub fn key(&self) -> Option<Value<'d>> {
        self.open.iter().rev().find_map(|open| open.key)
    }

    /// The key of the member whose value is the object that the key gone to stands in.
    #[must_use]
    pub fn outer_key(&self) -> Option<Value<'d>> {
        self.open.iter().rev().skip(1).find_map(|open| open.key)
    }

    /// The array that the value gone to is an element of, and the object whose member it or that array is.
    #[must_use]
    pub fn parents(&self) -> (Option<Value<'d>>, Option<Value<'d>>) {
        let mut open = self.open.iter().rev().map(|open| open.value).peekable();
        let array = open.next_if(|value| value.kind() == Kind::Array);
        (array, open.next().filter(|value| value.kind() == Kind::Object))
    }

    /// The RFC 6901 JSON Pointer of the value gone to, from the root of this locator; a key is located
    /// by the pointer of its member.
    #[must_use]
    pub fn location(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            path.push('/');
            match open.key {
                Some(key) => path.push_str(&key.as_str().unwrap_or_default().replace('~', "~0").replace('/', "~1")),
                None => path.push_str(&open.count.saturating_sub(1).to_string()),
            }
        }
        path
    }
}

/// Iterator over the members of an object: key and value.
#[derive(Clone)]
pub struct Members<'d> {
    text: &'d str,
    tape: &'d [Entry],
    at: usize,
    end: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (Value<'d>, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let key = Value { text: self.text, tape: self.tape, at: self.at };
        let value = Value { at: self.at + 1, ..key };
        self.at = value.next().max(self.at + 2);
        Some((key, value))
    }
}

/// Iterator over the elements of an array.
#[derive(Clone)]
pub struct Elements<'d> {
    text: &'d str,
    tape: &'d [Entry],
    at: usize,
    end: usize,
}

impl<'d> Iterator for Elements<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let value = Value { text: self.text, tape: self.tape, at: self.at };
        self.at = value.next().max(self.at + 1);
        Some(value)
    }
}

/// Iterator over strings and keys in text order.
#[derive(Clone)]
pub struct Strings<'d> {
    text: &'d str,
    tape: &'d [Entry],
    at: usize,
    end: usize,
}

impl<'d> Iterator for Strings<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.tape.get(self.at..self.end)?;
        let step = rest.iter().position(|entry| matches!(entry.kind, Kind::String | Kind::Key))?;
        let found = Value { text: self.text, tape: self.tape, at: self.at + step };
        self.at = found.at + 1;
        Some(found)
    }
}

/// An array index as RFC 6901 section 4 spells it: no sign, no leading zero.
fn array_index(token: &str) -> Option<usize> {
    let spelled = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| spelled)
}

/// The kinds of JSON values; object keys are told apart from string values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number, kept as it was spelled.
    Number,
    /// A string value.
    String,
    /// The key of an object member.
    Key,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value on the tape: its span and the index behind its subtree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) escaped: bool,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) next: u32,
}

impl Entry {
    const NOTHING: Self = Self { kind: Kind::Null, escaped: false, start: 0, end: 0, next: u32::MAX };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locator_agrees_with_each_value() {
        let text = br#"{"a":[0,["x",{"b":"y","c":{}}],"z"],"":{"~1/":["w",[],"v"]},"d":"u"}"#;
        let doc = Document::parse(text, &Limits::default()).unwrap();
        let mut locator = Locator::new(doc.root());
        for string in doc.strings() {
            locator.seek(string);
            assert_eq!(locator.location(), string.location());
        }
        let mut locator = Locator::new(doc.root());
        let keys: Vec<_> = doc
            .strings()
            .filter(|string| !string.is_key())
            .map(|string| {
                locator.seek(string);
                (string.raw(), locator.key().and_then(Value::as_str).unwrap().into_owned())
            })
            .collect();
        let wanted =
            [("\"x\"", "a"), ("\"y\"", "b"), ("\"z\"", "a"), ("\"w\"", "~1/"), ("\"v\"", "~1/"), ("\"u\"", "d")];
        assert_eq!(keys, wanted.map(|(raw, key)| (raw, key.to_owned())));
    }

    #[test]
    fn pointers_are_spelled_one_way() {
        let doc = Document::parse(br#"{"a":[0,[1]],"":{"~1/":2}}"#, &Limits::default()).unwrap();
        for (pointer, found) in [
            ("", Some(doc.text())),
            ("/a/0", Some("0")),
            ("/a/1/0", Some("1")),
            ("//~01~1", Some("2")),
            ("/a/01", None),
            ("/a/+1", None),
            ("/a/-", None),
            ("/a/2", None),
            ("/a/", None),
            ("a", None),
            ("/a/0/0", None),
        ] {
            assert_eq!(doc.root().pointer(pointer).map(Value::raw), found, "{pointer:?}");
        }
    }
}
