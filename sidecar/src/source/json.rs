//! JSON by the engine's strict parse.

use std::path::Path;
use std::sync::Arc;

use portcullis_engine::config::{Config, MAX_CONFIG_BYTES};
use portcullis_engine::json::{self, Document, Kind, Limits};

use super::{Node, Place, Refused, Value, error};
use crate::input;

pub(super) fn parse(file: &Arc<Path>, bytes: &[u8]) -> Result<Node, Refused> {
    let limits = Limits { max_bytes: MAX_CONFIG_BYTES, ..Limits::default() };
    match Document::parse(bytes, &limits) {
        Ok(document) => Ok(convert(file, &mut Lines::new(document.text()), document.root())),
        Err(parse) => {
            let position = std::str::from_utf8(bytes).ok().map(|text| input::position(text, parse.offset));
            // The engine says it with what there is to do about it.
            let error = Config::from_json(bytes).err().unwrap_or_else(|| error("", parse.to_string()));
            Err(Refused { file: Arc::clone(file), position, error })
        }
    }
}

fn convert(file: &Arc<Path>, lines: &mut Lines<'_>, value: json::Value<'_>) -> Node {
    let (line, column) = lines.position(value.span().start);
    let value = match value.kind() {
        Kind::Null => Value::Null,
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Number => Value::Number(value.raw().to_owned()),
        Kind::String | Kind::Key => Value::String(value.as_str().unwrap_or_default().into_owned()),
        Kind::Array => Value::Array(value.elements().map(|element| convert(file, lines, element)).collect()),
        Kind::Object => {
            let member = |(key, value): (json::Value<'_>, _)| {
                (key.as_str().unwrap_or_default().into_owned(), convert(file, lines, value))
            };
            Value::Object(value.members().map(member).collect())
        }
    };
    Node { place: Some(Place { file: Arc::clone(file), line, column }), value }
}

/// Positions of offsets that are asked for in ascending order, so that a long document is walked once.
struct Lines<'t> {
    rest: &'t str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text, offset: 0, line: 1, column: 1 }
    }

    /// Line and column, both from 1.
    fn position(&mut self, offset: usize) -> (usize, usize) {
        let passed = self.rest.get(..offset.saturating_sub(self.offset)).unwrap_or_default();
        for character in passed.chars() {
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = self.rest.get(passed.len()..).unwrap_or_default();
        self.offset += passed.len();
        (self.line, self.column)
    }
}
