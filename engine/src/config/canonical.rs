//! RFC 8785 canonical JSON: the same configuration has the same version however it is laid out.

use sha2::{Digest, Sha256};

use crate::json::{Kind, Value};
use crate::sort::Arrange;

/// The value as RFC 8785 (JCS) spells it: members sorted by their UTF-16 code units, no whitespace,
/// numbers as ECMAScript prints them.
///
/// Numbers that an IEEE double cannot hold are outside of RFC 8785; they keep their spelling here,
/// so that two configurations that differ in them have different versions.
#[must_use]
pub fn canonical_json(value: Value<'_>) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Recursion is bounded by the depth limit of the strict parse.
fn write(value: Value<'_>, out: &mut String) {
    match value.kind() {
        Kind::Null | Kind::True | Kind::False => out.push_str(value.raw()),
        Kind::Number => out.push_str(&number(value.raw())),
        Kind::String | Kind::Key => out.push_str(&canonical_string(&value.as_str().unwrap_or_default())),
        Kind::Array => {
            out.push('[');
            for (index, element) in value.elements().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out);
            }
            out.push(']');
        }
        Kind::Object => {
            let mut members: Vec<_> =
                value.members().map(|(key, value)| (key.as_str().unwrap_or_default(), value)).collect();
            members.arrange_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            out.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&canonical_string(&key));
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// A string by RFC 8785 section 3.2.2.2: no more is escaped than must be.
pub(crate) fn canonical_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// ECMAScript `Number::toString` (ECMA-262 section 6.1.6.1.20) of the double nearest to `raw`.
fn number(raw: &str) -> String {
    let Ok(double) = raw.parse::<f64>() else { return raw.to_owned() };
    if double == 0.0 {
        return "0".to_owned();
    }
    // Rust prints the shortest digits that read back as the same double, as ECMAScript asks for.
    let shortest = format!("{:e}", double.abs());
    let Some((mantissa, exponent)) = shortest.split_once('e') else { return raw.to_owned() };
    let Ok(exponent) = exponent.parse::<i32>() else { return raw.to_owned() };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let (count, point) = (digits.len() as i32, exponent + 1);
    let text = if count <= point && point <= 21 {
        format!("{digits}{}", "0".repeat((point - count).unsigned_abs() as usize))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at_checked(point.unsigned_abs() as usize).unwrap_or((&digits, ""));
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{sign}{}", exponent.abs())
    };
    let text = if double < 0.0 { format!("-{text}") } else { text };
    if exact(raw, &text) { text } else { raw.to_owned() }
}

/// True where the two spellings are the same decimal number.
fn exact(raw: &str, printed: &str) -> bool {
    use crate::policy::Decimal;
    match (Decimal::parse(raw), Decimal::parse(printed)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn canonical(text: &str) -> String {
        canonical_json(Document::parse(text.as_bytes(), &Limits::default()).unwrap().root())
    }

    /// RFC 8785 section 3.2.2 and appendix B, as far as the numbers are exact decimals.
    #[test]
    fn numbers() {
        for (raw, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1.0", "1"),
            ("1e2", "100"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("1E30", "1e+30"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1e21", "1e+21"),
            ("100000000000000000000", "100000000000000000000"),
            ("-1.5e-9", "-1.5e-9"),
            ("9007199254740993", "9007199254740993"),
            ("1e999", "1e999"),
        ] {
            assert_eq!(canonical(raw), expected, "{raw}");
        }
    }

    /// RFC 8785 section 3.2.3: sorted by UTF-16 code units, which is not the order of UTF-8 bytes.
    #[test]
    fn members_are_sorted() {
        assert_eq!(
            canonical(
                "{\"\\u20ac\": 1, \"\\r\": 2, \"\\ufb33\": 3, \"1\": 4, \"\\ud83d\\ude00\": 5, \"\\u0080\": 6, \"\\u00f6\": [ ]}"
            ),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":[],\"€\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }
}
