//! The little HTTP the engine knows: header lists as Envoy hands them over, changes to them, and replies.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Headers in wire order, names in lower case, pseudo-headers (`:path`) included.
#[derive(Clone, Debug, Default)]
pub struct Headers<'h> {
    items: Vec<(&'h str, &'h [u8])>,
}

impl<'h> Headers<'h> {
    /// Takes headers in wire order.
    #[must_use]
    pub fn new(items: Vec<(&'h str, &'h [u8])>) -> Self {
        Self { items }
    }

    /// All headers in wire order.
    pub fn iter(&self) -> impl Iterator<Item = (&'h str, &'h [u8])> + '_ {
        self.items.iter().copied()
    }

    /// Every value of `name`.
    #[must_use]
    pub fn items_named(&self, name: &str) -> Vec<&'h [u8]> {
        self.items.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect()
    }

    /// The first value of `name`; `None` where it is missing or not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'h str> {
        self.items.iter().find(|(key, _)| *key == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// True where `name` is present, whatever its value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.items.iter().any(|(key, _)| *key == name)
    }

    /// The only value of `name`.
    ///
    /// # Errors
    /// [`Ambiguous`] where the header occurs twice or is not UTF-8: two readers could see two values.
    pub fn single(&self, name: &'static str) -> Result<Option<&'h str>, Ambiguous> {
        let mut values = self.items.iter().filter(|(key, _)| *key == name);
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Ambiguous(name));
        }
        std::str::from_utf8(value).map(|value| Some(value.trim())).map_err(|_| Ambiguous(name))
    }
}

/// A header that must occur once occurs twice, or holds bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous(pub &'static str);

/// One change to a message's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderOp {
    /// Remove every header of that name.
    Remove(String),
    /// Replace every header of that name by one.
    Set(String, String),
}

/// An answer given in place of the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers beyond `:status`.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: String,
}

/// The media type of a `content-type` value without its parameters, in lower case.
#[must_use]
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The `charset` parameter of a `content-type` value, in lower case.
#[must_use]
pub fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })
}

/// Decodes an MCP header value: `=?base64?…?=` where the plain value was not fit for a header
/// (specification 2026-07-28, "Standard headers"). `None` where the encoding is broken.
#[must_use]
pub fn decode_mirrored(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(value.to_owned());
    };
    String::from_utf8(MIRRORED.decode(inner).ok()?).ok()
}

/// Encodes an MCP header value, plain where it is visible ASCII without outer spaces.
#[must_use]
pub fn encode_mirrored(value: &str) -> String {
    let plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && value.trim() == value
        && !value.starts_with("=?base64?");
    if plain { value.to_owned() } else { format!("=?base64?{}?=", MIRRORED.encode(value)) }
}

/// Standard base64 (RFC 4648 section 4) with or without padding; stray bits behind the last byte are refused,
/// because decoders differ on them.
const MIRRORED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_values_round_trip() {
        for value in ["plain", "", " spaces ", "snow ☃", "=?base64?x?=", "a\nb", "ab", "abc", "abcd"] {
            assert_eq!(decode_mirrored(&encode_mirrored(value)).as_deref(), Some(value));
        }
        assert_eq!(decode_mirrored("=?base64?4piD?=").as_deref(), Some("☃"));
        assert_eq!(decode_mirrored("=?base64?!!!?="), None);
        assert_eq!(decode_mirrored("=?base64?/w==?="), None);
    }

    #[test]
    fn a_repeated_header_is_ambiguous() {
        let headers = Headers::new(vec![("mcp-method", b"a"), ("x", b"\xff"), ("mcp-method", b"a")]);
        assert_eq!(headers.single("mcp-method"), Err(Ambiguous("mcp-method")));
        assert_eq!(headers.single("x"), Err(Ambiguous("x")));
        assert_eq!(headers.single("y"), Ok(None));
    }

    #[test]
    fn reads_content_types() {
        assert_eq!(media_type("Application/JSON ; charset=utf-8"), "application/json");
        assert_eq!(charset("application/json; Charset=\"UTF-8\"").as_deref(), Some("utf-8"));
        assert_eq!(charset("application/json"), None);
    }
}
