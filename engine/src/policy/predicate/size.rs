//! `max_len`, `max_size`: how long a value may be.

use super::{Check, Outcome, Problem};
use crate::config::Literal;
use crate::json::{Document, Kind, Limits, Value};

/// A string of at most so many characters (Unicode scalar values, as JSON Schema counts), or a list
/// of at most so many elements.
#[derive(Debug)]
pub(super) struct MaxLen(u64);

impl MaxLen {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        whole(value).map(Self).ok_or_else(|| Problem::new("is no whole number", "use a number such as `100`"))
    }
}

impl Check for MaxLen {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        let length = match value.kind() {
            Kind::String => value.as_str().map_or(0, |text| text.chars().count()),
            Kind::Array => value.elements().count(),
            _ => return Outcome::Unknown,
        };
        Outcome::from(length as u64 <= self.0)
    }
}

/// A value of at most so many bytes: of a string its content in UTF-8, of anything else its JSON text.
#[derive(Debug)]
pub(super) struct MaxSize(u64);

impl MaxSize {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        let size = match value.kind() {
            Kind::String => value.as_str().and_then(|text| bytes(&text)),
            _ => whole(value),
        };
        size.map(Self)
            .ok_or_else(|| Problem::new("is no size", "use bytes (`1024`) or a unit (`\"10MB\"`, `\"4KiB\"`)"))
    }
}

impl Check for MaxSize {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        let size = match value.kind() {
            Kind::String => value.as_str().map_or(0, |text| text.len()),
            _ => value.raw().len(),
        };
        Outcome::from(size as u64 <= self.0)
    }
}

/// A number of bytes of the configuration: `1024`, `"10MB"`, `"4KiB"`; `None` for anything else.
#[must_use]
pub fn size(literal: &Literal) -> Option<u64> {
    let document = Document::parse(literal.as_json().as_bytes(), &Limits::default()).ok()?;
    MaxSize::new(document.root()).ok().map(|size| size.0)
}

fn whole(value: Value<'_>) -> Option<u64> {
    if value.kind() == Kind::Number { value.raw().parse().ok() } else { None }
}

/// `10MB` (decimal) or `10MiB` (binary), in bytes. Units ignore case, a space may stand before them.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("10MB", Some(10_000_000)),
            ("10 mb", Some(10_000_000)),
            ("4KiB", Some(4096)),
            ("7", Some(7)),
            ("7B", Some(7)),
            ("1.5MB", None),
            ("MB", None),
            ("-1", None),
            ("10MBs", None),
            ("99999999999999999999GB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
