//! What the sidecar takes as a record.

use portcullis_engine::config::canonical_json;
use portcullis_engine::json::{Document, Kind, Limits};

/// Why a record will never be taken. No variant holds content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The id is empty, too long, or has other characters than `[0-9A-Za-z._-]`.
    Id,
    /// The tenant's name is too long or has control characters.
    Tenant,
    /// The record is larger than 256 KiB.
    TooLarge,
    /// The record is no JSON object, or one that two parsers could read differently.
    NotAnObject,
}

impl Refused {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Id => "the id is not 1 to 64 of [0-9A-Za-z._-]",
            Self::Tenant => "the tenant is longer than 128 characters or has control characters",
            Self::TooLarge => "the record is larger than 256 KiB",
            Self::NotAnObject => "the record is no strict JSON object",
        }
    }
}

/// The record as RFC 8785 JSON, where it and its id can be taken.
pub(crate) fn canonical(id: &str, json: &[u8]) -> Result<String, Refused> {
    if !is_id(id) {
        return Err(Refused::Id);
    }
    if json.len() > MAX_BYTES {
        return Err(Refused::TooLarge);
    }
    let limits = Limits { max_bytes: MAX_BYTES, max_depth: MAX_DEPTH };
    let document = Document::parse(json, &limits).map_err(|_| Refused::NotAnObject)?;
    if document.root().kind() != Kind::Object {
        return Err(Refused::NotAnObject);
    }
    Ok(canonical_json(document.root()))
}

/// Whether it is an id, as the contract has them.
pub(crate) fn is_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(allowed)
}

/// As `proto/` has it.
const MAX_BYTES: usize = 256 << 10;
const MAX_ID: usize = 64;
/// The filter's records are four deep.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_strict_objects_only() {
        assert_eq!(canonical("a.B_9-", br#"{ "b": 1.0, "a": "\u0041" }"#), Ok(r#"{"a":"A","b":1}"#.to_owned()));
        for json in ["[]", "1", "", "{", "{}{}", r#"{"a":1,"a":2}"#, r#"{"a":"\ud800"}"#, "{\"a\":\"\u{1}\"}"] {
            assert_eq!(canonical("a", json.as_bytes()), Err(Refused::NotAnObject), "{json}");
        }
        assert_eq!(canonical("a", &[b'{', 0xff, b'}']), Err(Refused::NotAnObject));
        for id in ["", "a b", "é", "a/b", &"a".repeat(65)] {
            assert_eq!(canonical(id, b"{}"), Err(Refused::Id), "{id}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BYTES));
        assert_eq!(canonical("a", large.as_bytes()), Err(Refused::TooLarge));
    }
}
