//! The strict parse and span edits against any JSON text: the same value for every reader, and not one
//! byte changed that was not asked for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

use std::ops::Range;

use portcullis_engine::json::{Document, Edits, ErrorKind, Kind, Limits, Value, quote};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_spelling_reads_as_the_value(json in json(), noise in noise()) {
        let written = Written::new(&json, noise);
        let text = written.text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(doc.text(), &text);
        prop_assert!(matches(doc.root(), &json));
        prop_assert!(agrees(doc.root(), &serde_json::from_str(&text).unwrap()));
    }

    #[test]
    fn string_edits_change_what_they_say_and_no_other_byte(
        json in json(),
        noise in noise(),
        string_edits in vec((any::<Index>(), vec((any::<Index>(), 0usize..4, string()), 1..4)), 0..5),
        sets in vec((any::<Index>(), string()), 0..3),
        reverse in any::<bool>(),
    ) {
        let written = Written::new(&json, noise);
        let text = written.text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let strings: Vec<Value<'_>> = doc.strings().collect();
        let values = preorder(doc.root());
        prop_assert_eq!(strings.len(), written.strings.len());
        prop_assert_eq!(values.len(), written.values.len());

        // What to do, in terms of the document; and the same in terms of how it was written.
        let mut expected = written.clone();
        let mut calls: Vec<Call<'_>> = Vec::new();
        let mut touched = vec![false; strings.len()];
        for (which, ranges) in string_edits.iter().filter(|_| !strings.is_empty()) {
            let which = which.index(strings.len());
            if std::mem::replace(&mut touched[which], true) || strings[which].is_key() {
                continue;
            }
            let characters = written.strings[which].original.len();
            for (chars, with) in disjoint(ranges, characters) {
                let decoded = expected.replace(which, chars.clone(), with);
                let (string, with) = (strings[which], with.clone());
                calls.push(Box::new(move |edits| edits.replace_in_string(string, decoded.clone(), &with)));
            }
        }
        let mut whole: Vec<(usize, &String)> = sets.iter().map(|(at, with)| (at.index(values.len()), with)).collect();
        whole.sort();
        whole.dedup_by_key(|(at, _)| *at);
        for (which, with) in &whole {
            expected.set(*which, with);
            let (value, with) = (values[*which], (*with).clone());
            calls.push(Box::new(move |edits| edits.set_string(value, &with)));
        }
        if reverse {
            calls.reverse();
        }
        let mut edits = Edits::default();
        for call in &calls {
            call(&mut edits);
        }
        prop_assert_eq!(edits.is_empty(), calls.is_empty());

        let out = String::from_utf8(edits.apply(text.as_bytes())).unwrap();
        prop_assert_eq!(&out, &expected.text());
        let after = Document::parse(out.as_bytes(), &Limits::default()).unwrap();
        prop_assert!(agrees(after.root(), &serde_json::from_str(&out).unwrap()));
        if whole.is_empty() {
            let edited: Vec<String> = after.strings().map(|s| s.as_str().unwrap().into_owned()).collect();
            prop_assert_eq!(edited, expected.decoded());
        }
    }

    #[test]
    fn no_set_of_edits_breaks_the_text(
        json in json(),
        noise in noise(),
        edits in vec((any::<Index>(), 0usize..20, 0usize..20, string(), 0u8..5), 0..8),
    ) {
        let text = Written::new(&json, noise).text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let (strings, values) = (doc.strings().collect::<Vec<_>>(), preorder(doc.root()));
        let (mut all, mut filtered) = (Edits::default(), std::collections::HashSet::new());
        for (index, (at, start, length, with, what)) in edits.iter().enumerate() {
            let value = values[at.index(values.len())];
            match what {
                // Ranges that cut characters and escapes apart, end behind the string, or are empty.
                0 | 1 if !strings.is_empty() => {
                    let string = strings[at.index(strings.len())];
                    all.replace_in_string(string, *start..start + length, with);
                }
                2 => all.set_string(value, with),
                3 if filtered.insert(value.span().start) => {
                    all.retain_elements(value, |element| (element.span().start + start) % 3 > 0);
                }
                _ => all.set_member(value, &format!("new{index}"), &quote(with)),
            }
        }
        let out = all.apply(text.as_bytes());
        match Document::parse(&out, &Limits::default()) {
            Ok(_) => {}
            // Two keys may be edited to the same name; nothing else can go wrong.
            Err(error) => prop_assert_eq!(error.kind, ErrorKind::DuplicateKey, "{:?} became {:?}", text, out),
        }
    }

    #[test]
    fn removing_elements_keeps_the_others_as_written(json in array(), noise in noise(), keep in vec(any::<bool>(), 10)) {
        let text = Written::new(&json, noise).text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let kept: Vec<&str> =
            doc.root().elements().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| value.raw()).collect();
        let mut edits = Edits::default();
        let mut answers = keep.iter();
        edits.retain_elements(doc.root(), |_| *answers.next().unwrap());
        let out = edits.apply(text.as_bytes());
        let after = Document::parse(&out, &Limits::default()).unwrap();
        prop_assert_eq!(after.root().elements().map(Value::raw).collect::<Vec<_>>(), kept);
    }

    #[test]
    fn setting_members_keeps_the_others_as_written(
        json in object(),
        noise in noise(),
        set in prop::collection::btree_map(string(), string(), 0..4),
        existing in vec((any::<Index>(), string()), 0..3),
    ) {
        let text = Written::new(&json, noise).text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let members: Vec<(String, String)> =
            doc.root().members().map(|(k, v)| (k.as_str().unwrap().into_owned(), v.raw().to_owned())).collect();
        let mut set = set;
        for (at, value) in existing.into_iter().filter(|_| !members.is_empty()) {
            set.insert(members[at.index(members.len())].0.clone(), value);
        }
        let mut expected = members;
        let mut edits = Edits::default();
        for (key, value) in &set {
            let json = quote(value);
            edits.set_member(doc.root(), key, &json);
            match expected.iter_mut().find(|(name, _)| name == key) {
                Some(member) => member.1 = json,
                None => expected.push((key.clone(), json)),
            }
        }
        let out = edits.apply(text.as_bytes());
        let after = Document::parse(&out, &Limits::default()).unwrap();
        let members: Vec<(String, String)> =
            after.root().members().map(|(k, v)| (k.as_str().unwrap().into_owned(), v.raw().to_owned())).collect();
        prop_assert_eq!(members, expected);
    }

    #[test]
    fn locations_lead_back(json in json(), noise in noise()) {
        let text = Written::new(&json, noise).text();
        let doc = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        let plain: serde_json::Value = serde_json::from_str(&text).unwrap();
        for value in preorder(doc.root()) {
            let location = value.location();
            prop_assert_eq!(doc.root().pointer(&location).unwrap().span(), value.span(), "{:?}", &location);
            prop_assert!(agrees(value, plain.pointer(&location).unwrap()));
            for (key, member) in value.members() {
                prop_assert_eq!(key.location(), member.location());
            }
        }
    }

    #[test]
    fn accepts_nothing_that_serde_refuses(json in json(), noise in noise(), mutations in mutations()) {
        let mut bytes = Written::new(&json, noise).text().into_bytes();
        mutate(&mut bytes, &mutations);
        compare_with_serde(&bytes)?;
    }

    #[test]
    fn accepts_nothing_that_serde_refuses_of_tokens(tokens in vec(prop::sample::select(TOKENS), 0..12)) {
        compare_with_serde(&tokens.concat())?;
    }

    #[test]
    fn quoting_reads_back(text in string()) {
        prop_assert_eq!(serde_json::from_str::<String>(&quote(&text)).unwrap(), text.clone());
        let quoted = quote(&text);
        let doc = Document::parse(quoted.as_bytes(), &Limits::default()).unwrap();
        prop_assert!(doc.root().is_str(&text));
        let line_break = |c: char| c < ' ' || LINE_BREAKS.contains(&c);
        prop_assert!(!quoted.chars().any(line_break));
    }
}

fn compare_with_serde(bytes: &[u8]) -> Result<(), TestCaseError> {
    use ErrorKind::{DuplicateKey, TooDeep};
    let ours = Document::parse(bytes, &Limits::default());
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => prop_assert!(agrees(ours.root(), &theirs), "read differently: {:?}", bytes),
        (Ok(_), Err(error)) => {
            // Its numbers end at f64's range; the grammar's do not, and ours are never converted on the way.
            prop_assert!(error.to_string().contains("number out of range"), "we accept {bytes:?}, serde says {error}");
        }
        (Err(error), Ok(_)) => {
            prop_assert!(matches!(error.kind, DuplicateKey | TooDeep), "we say {error}, serde accepts {bytes:?}");
        }
        (Err(error), Err(_)) => prop_assert!(error.offset <= bytes.len()),
    }
    Ok(())
}

/// True if the parsed value is this one, in number spellings and member order too.
fn matches(value: Value<'_>, json: &Json) -> bool {
    match (value.kind(), json) {
        (Kind::Null, Json::Null) => true,
        (Kind::True | Kind::False, Json::Bool(flag)) => value.as_bool() == Some(*flag),
        (Kind::Number, Json::Number(digits)) => value.raw() == digits,
        (Kind::String, Json::String(text)) => value.is_str(text) && value.as_str().as_deref() == Some(text),
        (Kind::Array, Json::Array(items)) => {
            value.elements().count() == items.len() && value.elements().zip(items).all(|(v, j)| matches(v, j))
        }
        (Kind::Object, Json::Object(members)) => {
            value.members().count() == members.len()
                && value
                    .members()
                    .zip(members)
                    .all(|((key, value), (name, json))| key.is_key() && key.is_str(name) && matches(value, json))
                && members.iter().all(|(name, json)| value.get(name).is_some_and(|v| matches(v, json)))
        }
        _ => false,
    }
}

/// True if serde_json read the same value.
fn agrees(value: Value<'_>, other: &serde_json::Value) -> bool {
    use serde_json::Value as Serde;
    match (value.kind(), other) {
        (Kind::Null, Serde::Null) => true,
        (Kind::True | Kind::False, Serde::Bool(flag)) => value.as_bool() == Some(*flag),
        (Kind::Number, Serde::Number(number)) => {
            let (a, b) = (value.as_f64().unwrap(), number.as_f64().unwrap());
            // Without its feature float_roundtrip serde_json may be off by the last bit.
            a == b || ((a - b) / a).abs() < 1e-15
        }
        (Kind::String, Serde::String(text)) => value.as_str().as_deref() == Some(text),
        (Kind::Array, Serde::Array(items)) => {
            value.elements().count() == items.len() && value.elements().zip(items).all(|(v, other)| agrees(v, other))
        }
        (Kind::Object, Serde::Object(members)) => {
            value.members().count() == members.len()
                && value
                    .members()
                    .all(|(k, v)| members.get(&*k.as_str().unwrap()).is_some_and(|other| agrees(v, other)))
        }
        _ => false,
    }
}

/// One call of an edit.
type Call<'a> = Box<dyn Fn(&mut Edits) + 'a>;

fn preorder(value: Value<'_>) -> Vec<Value<'_>> {
    let children = value.elements().chain(value.members().map(|(_, value)| value));
    std::iter::once(value).chain(children.flat_map(preorder)).collect()
}

/// A JSON value before anyone decided how to write it.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// A JSON text that remembers how each part was written.
#[derive(Clone, Default)]
struct Written {
    tokens: Vec<String>,
    /// The strings in text order.
    strings: Vec<Characters>,
    /// For each value in text order: its tokens.
    values: Vec<Range<usize>>,
    /// Tokens of values that were replaced as a whole.
    covered: Vec<Range<usize>>,
    noise: Vec<u8>,
    at: usize,
}

/// A string whose characters are a token each; the closing quote is the token behind them.
#[derive(Clone)]
struct Characters {
    first_token: usize,
    original: Vec<char>,
    /// What each character, and the end, reads as after the replacements.
    edited: Vec<String>,
}

impl Written {
    fn new(json: &Json, noise: Vec<u8>) -> Self {
        let mut written = Self { noise, ..Self::default() };
        written.space();
        written.value(json);
        written.space();
        written
    }

    fn text(&self) -> String {
        self.tokens.concat()
    }

    /// Replaces characters of a string; the range in bytes of the string.
    fn replace(&mut self, string: usize, chars: Range<usize>, with: &str) -> Range<usize> {
        let Characters { first_token, original, edited } = &mut self.strings[string];
        let quoted = quote(with);
        let tokens = &mut self.tokens[*first_token..];
        for (texts, with) in [(tokens, &quoted[1..quoted.len() - 1]), (&mut edited[..], with)] {
            texts[chars.clone()].fill(String::new());
            texts[chars.start].insert_str(0, with);
        }
        let bytes = |chars: &[char]| chars.iter().map(|c| c.len_utf8()).sum::<usize>();
        bytes(&original[..chars.start])..bytes(&original[..chars.end])
    }

    /// Replaces a whole value, unless one around it was replaced before.
    fn set(&mut self, value: usize, with: &str) {
        let tokens = self.values[value].clone();
        if !self.covered.iter().any(|outer| outer.start <= tokens.start && tokens.end <= outer.end) {
            self.tokens[tokens.clone()].fill(String::new());
            self.tokens[tokens.start] = quote(with);
            self.covered.push(tokens);
        }
    }

    /// Every string as it reads after the replacements.
    fn decoded(&self) -> Vec<String> {
        self.strings.iter().map(|string| string.edited.concat()).collect()
    }

    fn value(&mut self, json: &Json) {
        let (index, start) = (self.values.len(), self.tokens.len());
        self.values.push(start..start);
        match json {
            Json::Null => self.token("null"),
            Json::Bool(flag) => self.token(if *flag { "true" } else { "false" }),
            Json::Number(digits) => self.token(digits),
            Json::String(text) => self.string(text),
            Json::Array(items) => self.list(["[", "]"], items, Self::value),
            Json::Object(members) => self.list(["{", "}"], members, |written, (key, value)| {
                written.string(key);
                written.space();
                written.token(":");
                written.space();
                written.value(value);
            }),
        }
        self.values[index].end = self.tokens.len();
    }

    fn list<T>(&mut self, brackets: [&str; 2], items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.token(brackets[0]);
        self.space();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.token(",");
                self.space();
            }
            each(self, item);
            self.space();
        }
        self.token(brackets[1]);
    }

    fn string(&mut self, text: &str) {
        self.token("\"");
        self.strings.push(Characters {
            first_token: self.tokens.len(),
            original: text.chars().collect(),
            edited: text.chars().map(String::from).chain([String::new()]).collect(),
        });
        for character in text.chars() {
            let spelled = self.character(character);
            self.token(&spelled);
        }
        self.token("\"");
    }

    /// One of the ways to write a character.
    fn character(&mut self, character: char) -> String {
        let short = match character {
            '"' | '\\' | '/' => Some(character),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        let plain = !matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        match (self.noise() % 4, short) {
            (0, _) if plain => character.into(),
            (1, _) if plain && character != '/' => character.into(),
            (2 | 1, Some(short)) => format!("\\{short}"),
            (_, _) => {
                let unit = |unit: &u16| {
                    if self.at.is_multiple_of(2) { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") }
                };
                character.encode_utf16(&mut [0; 2]).iter().map(unit).collect()
            }
        }
    }

    fn space(&mut self) {
        let space = match self.noise() % 8 {
            0 => "\r\n\t ",
            1 => " ",
            2 => "\n  ",
            _ => "",
        };
        self.token(space);
    }

    fn token(&mut self, text: &str) {
        self.tokens.push(text.to_owned());
    }

    fn noise(&mut self) -> u8 {
        self.at += 1;
        self.noise[self.at % self.noise.len()]
    }
}

/// Ranges of characters that neither overlap nor touch, with their replacements.
fn disjoint(wanted: &[(Index, usize, String)], characters: usize) -> Vec<(Range<usize>, &String)> {
    let mut taken: Vec<(Range<usize>, &String)> = Vec::new();
    for (start, length, with) in wanted {
        let start = start.index(characters + 1);
        let range = start..(start + length).min(characters);
        let apart = |other: &Range<usize>| range.end < other.start || other.end < range.start;
        if taken.iter().all(|(other, _)| apart(other)) {
            taken.push((range, with));
        }
    }
    taken
}

fn json() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::Array),
            vec((string(), inner), 0..12).prop_map(|members| Json::Object(unique(members))),
        ]
    })
}

fn array() -> impl Strategy<Value = Json> {
    vec(json(), 0..10).prop_map(Json::Array)
}

fn object() -> impl Strategy<Value = Json> {
    vec((string(), json()), 0..12).prop_map(|members| Json::Object(unique(members)))
}

fn unique(mut members: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut seen = std::collections::HashSet::new();
    members.retain(|(key, _)| seen.insert(key.clone()));
    members
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?".prop_map(Json::Number),
        string().prop_map(Json::String),
    ]
}

fn string() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('a', 'e'),
        2 => prop::sample::select(vec!['/', '~', '"', '\\', '\n', '\0', '\u{1f}', '0', '1', '\u{7f}', ' ']),
        1 => prop::sample::select(vec!['é', '\u{85}', '\u{2028}', '😀', '\u{ffff}', '\u{10ffff}', '\u{feff}', '中']),
        1 => any::<char>(),
    ];
    prop_oneof![
        8 => vec(character.clone(), 0..10).prop_map(String::from_iter),
        // Long enough to leave the byte-wise scan.
        1 => vec(character, 20..60).prop_map(String::from_iter),
    ]
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..64)
}

/// Where, how, and with which byte.
fn mutations() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    let byte =
        prop_oneof![prop::sample::select(b"\"\\{}[],:0123456789eE+-.utfn \n\0\x80\xed\xc0".to_vec()), any::<u8>()];
    vec((any::<Index>(), 0u8..4, byte), 0..4)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[(Index, u8, u8)]) {
    for (at, what, byte) in mutations {
        let at = at.index(bytes.len() + 1);
        match what {
            0 => bytes.insert(at, *byte),
            1 if at < bytes.len() => bytes[at] = *byte,
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
}

/// Characters that are no control characters to JSON, yet end a line for some readers of event streams.
const LINE_BREAKS: &[char] = &['\u{85}', '\u{2028}', '\u{2029}'];

const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b" ",
    b"\"a\"",
    b"\"\\u0061\"",
    b"\"b\"",
    b"1",
    b"-0.0e+1",
    b"0",
    b".",
    b"e",
    b"true",
    b"null",
    b"\"\\ud83d\"",
    b"\"\\ude00\"",
    b"\"\\ud83d\\ude00\"",
    b"\"",
    b"\\",
    b"\xef\xbb\xbf",
    b"\0",
    b"1e400",
    b"//",
    b"'a'",
    b"NaN",
];
