//! One-time codes: how they travel.

use std::fmt;

use crate::json::{Kind, Value};

/// A one-time code as a client sent it. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// Reads a code (RFC 6238: six to eight digits; spaces are ignored).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 16 {
            return None;
        }
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let fits = (6..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(Self(digits))
    }

    /// The code of a message's `_meta`; the inner `None` is one that is no code.
    #[must_use]
    pub fn of_meta(params: Option<Value<'_>>) -> Option<Option<Self>> {
        let value = params?.get("_meta")?.get(META)?;
        Some(match value.kind() {
            Kind::String => value.as_str().and_then(|text| Self::parse(&text)),
            Kind::Number => Self::parse(value.raw()),
            _ => None,
        })
    }

    /// The digits, for whoever verifies them.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// The member of `_meta` in which a code travels.
pub const META: &str = "io.portcullis/mfa";

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes() {
        for (text, expected) in [
            ("123456", Some("123456")),
            ("123 456", Some("123456")),
            ("12345678", Some("12345678")),
            ("12345", None),
            ("123456789", None),
            ("12345a", None),
            ("١٢٣٤٥٦", None),
            ("", None),
        ] {
            assert_eq!(Code::parse(text).as_ref().map(Code::digits), expected, "{text}");
        }
        assert_eq!(format!("{:?}", Code::parse("123456")), "Some(Code(…))");
    }
}
