//! What identifies a definition: SHA-256 over its canonical JSON.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::config::{canonical_json, canonical_string};
use crate::json::{Kind, Value};

/// SHA-256 (FIPS 180-4) of a definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub(crate) [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The fingerprint of a server's `instructions`.
    #[must_use]
    pub fn of_instructions(text: &str) -> Self {
        Self::of(&format!("{{\"instructions\":{}}}", canonical_string(text)))
    }

    /// The fingerprint of a canonical definition.
    pub(super) fn of(canonical: &str) -> Self {
        Self(Sha256::digest(canonical.as_bytes()).into())
    }
}

// === impl Fingerprint ===

impl fmt::Display for Fingerprint {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tool as one server lists it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// RFC 8785 canonical JSON of the members that the fingerprint covers.
    pub canonical: String,
    /// SHA-256 of that.
    pub fingerprint: Fingerprint,
}

impl Definition {
    /// Reads an entry of `tools/list`; `None` for one without a name.
    ///
    /// Covered are `name`, `title`, `description`, `inputSchema`, `outputSchema` and `annotations`: what a model or a
    /// client acts on. Key order, white space and the spelling of numbers and strings make no difference.
    #[must_use]
    pub fn of(entry: Value<'_>) -> Option<Self> {
        let name = entry.get("name")?.as_str()?.into_owned();
        if entry.kind() != Kind::Object {
            return None;
        }
        let mut canonical = String::from("{");
        for member in COVERED {
            let Some(value) = entry.get(member) else { continue };
            if canonical.len() > 1 {
                canonical.push(',');
            }
            canonical.push_str(&canonical_string(member));
            canonical.push(':');
            canonical.push_str(&canonical_json(value));
        }
        canonical.push('}');
        let fingerprint = Fingerprint::of(&canonical);
        Some(Self { name, canonical, fingerprint })
    }
}

/// The members that a fingerprint covers, in the order of RFC 8785.
const COVERED: [&str; 6] = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits};

    fn of(text: &str) -> Fingerprint {
        let document = Document::parse(text.as_bytes(), &Limits::default()).unwrap();
        Definition::of(document.root()).unwrap().fingerprint
    }

    #[test]
    fn layout_is_no_difference_and_content_is() {
        let one = of(
            r#"{"name":"add","description":"A\u0064ds","inputSchema":{"type":"object","maxProperties":2.0},"_meta":{"x":1}}"#,
        );
        let same = of(
            r#"{ "inputSchema" : {"maxProperties":2,"type":"object"}, "icons":[], "description":"Adds", "name":"add" }"#,
        );
        assert_eq!(one, same);
        for other in [
            r#"{"name":"add","description":"Adds.","inputSchema":{"type":"object","maxProperties":2}}"#,
            r#"{"name":"add","description":"Adds","inputSchema":{"type":"object","maxProperties":3}}"#,
            r#"{"name":"add","title":"Adds","inputSchema":{"type":"object","maxProperties":2}}"#,
            r#"{"name":"add","description":"Adds","inputSchema":{"type":"object","maxProperties":2},"annotations":{}}"#,
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_one_of_the_canonical_text() {
        let document =
            Document::parse(br#"{"title":"T","name":"a","description":"d\n","x":1}"#, &Limits::default()).unwrap();
        let definition = Definition::of(document.root()).unwrap();
        assert_eq!(definition.canonical, r#"{"description":"d\n","name":"a","title":"T"}"#);
        let text = definition.fingerprint.to_string();
        assert_eq!(Fingerprint::parse(&text), Some(definition.fingerprint));
        assert_eq!(text.get(1..).and_then(Fingerprint::parse), None);
    }
}
