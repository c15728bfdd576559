//! YAML 1.2 (core schema), as far as it says what JSON can say.
//!
//! A firewall's policy must mean one thing to every reader, so what YAML readers differ on is refused: duplicate keys,
//! keys that are no strings, tags, merge keys (`<<`), several documents, `.inf`. Anchors are copied, within a bound.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::{Node, Place, Refused, Value, error};

pub(super) fn parse(file: &Arc<Path>, bytes: &[u8]) -> Result<Node, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused {
        file: Arc::clone(file),
        position: None,
        error: error("", "is no UTF-8 text"),
    })?;
    let mut reader = Reader {
        file,
        events: Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    reader.document()
}

struct Reader<'t> {
    file: &'t Arc<Path>,
    events: Parser<'t, StrInput<'t>>,
    /// What each anchor stands for, and of how many values.
    anchors: BTreeMap<usize, (Node, usize)>,
    /// How many values there are so far, copies of anchors included.
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, Refused> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamStart | Event::Nothing | Event::DocumentStart(_) => {}
                Event::StreamEnd | Event::DocumentEnd => return Err(self.refuse(at, "is empty")),
                first => {
                    let root = self.node(first, at, 0)?;
                    return self.end().map(|()| root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Refused> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd | Event::Nothing => {}
                _ => return Err(self.refuse(at, "holds a second document; write one to a file")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Marker), Refused> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(scan)) => {
                let (at, message) = (*scan.marker(), format!("is no YAML: {}", scan.info()));
                Err(self.refuse(at, message))
            }
            None => Err(self.refuse(Marker::default(), "ends in the middle of a value")),
        }
    }

    fn node(&mut self, event: Event<'t>, at: Marker, depth: usize) -> Result<Node, Refused> {
        if depth > MAX_DEPTH {
            return Err(self.refuse(at, format!("is nested more than {MAX_DEPTH} deep")));
        }
        let before = self.nodes;
        self.count(1, at)?;
        let (value, anchor) = match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err(self.refuse(at, "has a tag; leave it out, and write strings in quotes"));
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.refuse(at, "refers to itself"));
                };
                self.count(size, at)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, None) => (self.scalar(text, style, at)?, anchor),
            Event::SequenceStart(anchor, None) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, None) => (self.mapping(depth)?, anchor),
            _ => return Err(self.refuse(at, "ends in the middle of a value")),
        };
        let node = Node { place: Some(self.place(at)), value };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Refused> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(elements)),
                (event, at) => elements.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Refused> {
        let (mut members, mut keys) = (Vec::new(), BTreeSet::new());
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(members));
            }
            let key = self.node(event, at, depth + 1)?;
            let Value::String(key) = key.value else {
                return Err(self.refuse(at, format!("has a key that is {}; write keys in quotes", key.kind())));
            };
            if key == "<<" {
                return Err(self.refuse(at, "uses a merge key (`<<`), which YAML 1.2 does not have"));
            }
            if !keys.insert(key.clone()) {
                return Err(self.refuse(at, format!("duplicate key `{key}`")));
            }
            let (event, at) = self.next()?;
            members.push((key, self.node(event, at, depth + 1)?));
        }
    }

    /// YAML 1.2.2 section 10.3.2.
    fn scalar(&self, text: Cow<'_, str>, style: ScalarStyle, at: Marker) -> Result<Value, Refused> {
        if style != ScalarStyle::Plain {
            return Ok(Value::String(text.into_owned()));
        }
        match &*text {
            "" | "~" | "null" | "Null" | "NULL" => Ok(Value::Null),
            "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
            plain => match number(plain) {
                Plain::Text => Ok(Value::String(text.into_owned())),
                Plain::Number(digits) => Ok(Value::Number(digits)),
                Plain::NotInJson => {
                    Err(self.refuse(at, "is a number that JSON does not have; quote it if it is a text"))
                }
            },
        }
    }

    fn count(&mut self, more: usize, at: Marker) -> Result<(), Refused> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(self.refuse(at, format!("holds more than {MAX_NODES} values, copies of anchors included")));
        }
        Ok(())
    }

    fn place(&self, at: Marker) -> Place {
        Place { file: Arc::clone(self.file), line: at.line().max(1), column: at.col() + 1 }
    }

    fn refuse(&self, at: Marker, message: impl Into<String>) -> Refused {
        let place = self.place(at);
        Refused { file: place.file, position: Some((place.line, place.column)), error: error("", message) }
    }
}

/// What a plain scalar is that is no other word of the core schema.
enum Plain {
    Text,
    /// As JSON spells it.
    Number(String),
    NotInJson,
}

fn number(plain: &str) -> Plain {
    let (sign, unsigned) = match plain.strip_prefix(['-', '+']) {
        Some(rest) => (if plain.starts_with('-') { "-" } else { "" }, rest),
        None => ("", plain),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(plain, ".nan" | ".NaN" | ".NAN") {
        return Plain::NotInJson;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = plain.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return u128::from_str_radix(digits, radix)
                .map_or(Plain::NotInJson, |number| Plain::Number(number.to_string()));
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = exponent.map(|exponent| exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    let is_number = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_digits.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if !is_number {
        return Plain::Text;
    }
    // What a YAML 1.1 reader takes for an octal number means two things.
    if whole.len() > 1 && whole.starts_with('0') {
        return Plain::NotInJson;
    }
    let mut number = format!("{sign}{}", if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        number += &format!(".{fraction}");
    }
    if let Some(exponent) = exponent {
        number += &format!("e{exponent}");
    }
    Plain::Number(number)
}

/// As deep as the strict JSON parse goes by default.
const MAX_DEPTH: usize = 64;
/// Far above any policy, far below what copies of copies could come to.
const MAX_NODES: usize = 500_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let file: Arc<Path> = Arc::from(Path::new("t.yaml"));
        parse(&file, text.as_bytes()).map(|node| node.to_json()).map_err(|refused| refused.to_string())
    }

    #[test]
    fn says_what_json_can_say() {
        for (yaml, json) in [
            ("a: 1", r#"{"a":1}"#),
            ("a: '1'", r#"{"a":"1"}"#),
            ("[~, null, '', true, no, on, False]", r#"[null,null,"",true,"no","on",false]"#),
            (
                "[1.50, .5, 5., +7, -0, 1e3, 1E+3, 0x1F, 0o17, 12345678901234567890123]",
                "[1.50,0.5,5,7,-0,1e3,1e+3,31,15,12345678901234567890123]",
            ),
            ("[1.2.3, 1:30, 0x, e5, '.', 2026-11-21]", r#"["1.2.3","1:30","0x","e5",".","2026-11-21"]"#),
            ("a: &x [1, 2]\nb: *x", r#"{"a":[1,2],"b":[1,2]}"#),
            ("a: |\n  two\n  lines\nb: >-\n  one\n  line", r#"{"a":"two\nlines\n","b":"one line"}"#),
            ("{\"a\": \"\\u20ac\\n\"}", r#"{"a":"€\n"}"#),
        ] {
            assert_eq!(read(yaml).as_deref(), Ok(json), "{yaml}");
        }
    }

    #[test]
    fn refuses_what_readers_differ_on() {
        for (yaml, message) in [
            ("a: 1\na: 2", "t.yaml:2:1: configuration: duplicate key `a`"),
            ("1: a", "has a key that is a number"),
            ("true: a", "has a key that is a boolean"),
            ("a: !!str 1", "has a tag"),
            ("a: &a {b: 1}\nc:\n  <<: *a", "merge key"),
            ("a: 1\n---\nb: 2", "second document"),
            ("a: .inf", "JSON does not have"),
            ("a: 010", "JSON does not have"),
            ("a: &a [*a]", "refers to itself"),
            ("", "is empty"),
            ("a: [1", "is no YAML"),
            ("a: *nowhere", "is no YAML"),
        ] {
            let refused = read(yaml).unwrap_err();
            assert!(refused.contains(message), "{yaml}: {refused}");
        }
    }

    #[test]
    fn copies_of_copies_are_bounded() {
        let mut text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for level in 1..12 {
            let copies = vec![format!("*a{}", level - 1); 10].join(",");
            text += &format!("a{level}: &a{level} [{copies}]\n");
        }
        assert!(read(&text).unwrap_err().contains("more than 500000 values"));
        assert!(read(&"[".repeat(100)).unwrap_err().contains("nested"));
    }
}
