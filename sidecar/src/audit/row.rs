//! One row of a tenant's chain, and what its hash covers.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// SHA-256 of a row.
pub(crate) type Hash = [u8; 32];

/// One row as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'r> {
    pub(crate) tenant: &'r str,
    /// Place in the tenant's chain; 0 is the genesis row.
    pub(crate) seq: u64,
    /// Unique within the tenant.
    pub(crate) id: &'r str,
    /// When the row was appended, microseconds since the Unix epoch.
    pub(crate) received: u64,
    /// The record as RFC 8785 JSON.
    pub(crate) record: &'r str,
    /// Hash of the row before; zeros before the genesis row.
    pub(crate) prev: Hash,
}

impl Row<'_> {
    /// What comes before the genesis row.
    pub(crate) const NOTHING: Hash = [0; 32];

    /// SHA-256 over the RFC 8785 form of `{id, prev, received, record, seq, tenant}`. The record is taken as it is stored, so
    /// a change of any byte of it is another hash.
    pub(crate) fn hash(&self) -> Hash {
        self.hash_at(self.seq)
    }

    /// The hash this row would have at another place: what tells a moved row from an edited one.
    pub(crate) fn hash_at(&self, seq: u64) -> Hash {
        let mut text = String::with_capacity(self.record.len() + 256);
        text.push_str("{\"id\":");
        text.push_str(&quoted(self.id));
        text.push_str(",\"prev\":\"");
        text.push_str(&hex(&self.prev));
        // Writing to a String cannot fail.
        let _ = write!(text, "\",\"received\":{},\"record\":", self.received);
        text.push_str(self.record);
        let _ = write!(text, ",\"seq\":{seq},\"tenant\":");
        text.push_str(&quoted(self.tenant));
        text.push('}');
        Sha256::digest(text.as_bytes()).into()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes that hexadecimal digits stand for, where there are exactly `N`.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    unhex_all(text)?.try_into().ok()
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn unhex_all(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// A string by RFC 8785 section 3.2.2.2, which is how `serde_json` escapes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_engine::config::canonical_json;
    use portcullis_engine::json::{Document, Limits};

    #[test]
    fn hashes_the_canonical_row() {
        let row = Row {
            tenant: "t\"\u{7}é",
            seq: 7,
            id: "a-1",
            received: 1_700_000_000_000_000,
            record: r#"{"a":1}"#,
            prev: [0xab; 32],
        };
        let value = serde_json::json!({"tenant": row.tenant, "seq": 7, "id": "a-1", "received": row.received,
            "record": {"a": 1}, "prev": "ab".repeat(32)});
        let text = value.to_string();
        let canonical = canonical_json(Document::parse(text.as_bytes(), &Limits::default()).unwrap().root());
        assert_eq!(row.hash(), Hash::from(Sha256::digest(canonical.as_bytes())));
        assert_ne!(row.hash(), row.hash_at(8));
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        assert_eq!(hex(&[0, 0x9f, 0xff]), "009fff");
        assert_eq!(unhex::<3>("009fff"), Some([0, 0x9f, 0xff]));
        assert_eq!(
            (unhex::<2>("009fff"), unhex::<1>("g0"), unhex::<1>("+f"), unhex::<1>("é")),
            (None, None, None, None)
        );
        assert_eq!((unhex_all("009F"), unhex_all(""), unhex_all("0")), (Some(vec![0, 0x9f]), Some(Vec::new()), None));
    }
}
