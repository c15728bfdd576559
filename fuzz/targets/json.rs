//! The strict parse agrees with serde_json, and no set of edits makes a valid text invalid.
//!
//! Input: a JSON text, then optionally 0xFF (a byte that no UTF-8 has) and four bytes for each edit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_engine::json::{Document, Edits, ErrorKind, Kind, Limits, Value, quote};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0xff);
    let (text, edits) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let parsed = Document::parse(text, &Limits::default());
    match (&parsed, serde_json::from_slice::<serde_json::Value>(text)) {
        (Ok(doc), Ok(other)) => assert!(agrees(doc.root(), &other), "read differently"),
        (Ok(_), Err(error)) => assert!(error.to_string().contains("number out of range"), "serde: {error}"),
        (Err(error), Ok(_)) => assert!(matches!(error.kind, ErrorKind::DuplicateKey | ErrorKind::TooDeep), "{error}"),
        (Err(error), Err(_)) => assert!(error.offset <= text.len()),
    }
    let Ok(doc) = parsed else { return };
    assert_eq!(doc.text().as_bytes(), text);
    assert_eq!(Edits::default().apply(text), text);
    apply_edits(&doc, edits);
});

fn apply_edits(doc: &Document<'_>, instructions: &[u8]) {
    let strings: Vec<Value<'_>> = doc.strings().take(256).collect();
    let mut values = Vec::new();
    collect(doc.root(), &mut values);
    for value in strings.iter().chain(&values).take(16) {
        let found = doc.root().pointer(&value.location()).expect("a location leads somewhere");
        assert!(value.is_key() || found.span() == value.span());
    }
    for string in strings.iter().take(64) {
        let text = string.as_str().expect("a string");
        let quoted = quote(&text);
        let again = Document::parse(quoted.as_bytes(), &Limits::default()).expect("what is quoted is JSON");
        assert!(again.root().is_str(&text));
    }
    let (mut edits, mut filtered) = (Edits::default(), Vec::new());
    for (index, four) in instructions.chunks_exact(4).take(32).enumerate() {
        let [what, which, start, length] = [four[0], four[1], four[2], four[3]].map(usize::from);
        let value = values[which % values.len()];
        match what % 5 {
            0 | 1 if !strings.is_empty() => {
                let string = strings[which % strings.len()];
                edits.replace_in_string(string, start..start + length, TEXTS[what / 5 % TEXTS.len()]);
            }
            2 => edits.set_string(value, TEXTS[what / 5 % TEXTS.len()]),
            3 if !filtered.contains(&value.span()) => {
                filtered.push(value.span());
                edits.retain_elements(value, |element| element.span().start % 8 < start % 9);
            }
            _ => edits.set_member(value, &format!("new-{index}"), "{}"),
        }
    }
    let out = edits.apply(doc.text().as_bytes());
    let limits = Limits { max_bytes: usize::MAX, max_depth: Limits::default().max_depth + 1 };
    if let Err(error) = Document::parse(&out, &limits) {
        // Keys may be edited to the same name; nothing else can go wrong.
        assert_eq!(error.kind, ErrorKind::DuplicateKey);
    }
}

/// The first values in text order.
fn collect<'d>(value: Value<'d>, out: &mut Vec<Value<'d>>) {
    if out.len() < 256 {
        out.push(value);
        value.elements().chain(value.members().map(|(_, value)| value)).for_each(|child| collect(child, out));
    }
}

fn agrees(value: Value<'_>, other: &serde_json::Value) -> bool {
    use serde_json::Value as Serde;
    match (value.kind(), other) {
        (Kind::Null, Serde::Null) => true,
        (Kind::True | Kind::False, Serde::Bool(flag)) => value.as_bool() == Some(*flag),
        (Kind::Number, Serde::Number(number)) => {
            let (a, b) = (value.as_f64().unwrap_or(f64::NAN), number.as_f64().unwrap_or(f64::NAN));
            // Without its feature float_roundtrip serde_json may be off by the last bits.
            a == b || ((a - b) / a).abs() < 1e-14 || (a.abs() < 1e-300 && b.abs() < 1e-300)
        }
        (Kind::String, Serde::String(text)) => value.as_str().as_deref() == Some(text),
        (Kind::Array, Serde::Array(items)) => {
            value.elements().count() == items.len() && value.elements().zip(items).all(|(v, other)| agrees(v, other))
        }
        (Kind::Object, Serde::Object(members)) => {
            value.members().count() == members.len()
                && value.members().all(|(key, value)| {
                    key.as_str().and_then(|key| members.get(&*key)).is_some_and(|other| agrees(value, other))
                })
        }
        _ => false,
    }
}

const TEXTS: [&str; 4] = ["", "[REDACTED:x]", "\"\\\n\u{2028}é", "\u{0}"];
