//! How a sealed record is written: `p1.KEY.TEXT`, where KEY is the version of the tenant's key and TEXT is nonce, ciphertext
//! and tag in base64url without padding (RFC 4648 section 5).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A sealed record, taken apart. Nothing of it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Version of the key; from 1.
    pub(crate) key: u32,
    /// Never used twice with one key.
    pub(crate) nonce: [u8; NONCE],
    /// Ciphertext and tag.
    pub(crate) body: Vec<u8>,
}

/// The text is no sealed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Sealed {
    /// Reads the one spelling that [`Sealed`] is written in: what was written by others is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MAX_TEXT {
            return Err(Malformed);
        }
        let (key, text) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(Malformed)?;
        let digits = (1..=10).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || key.starts_with('0') {
            return Err(Malformed);
        }
        let key = key.parse().map_err(|_| Malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)?;
        let (nonce, body) = bytes.split_first_chunk::<NONCE>().ok_or(Malformed)?;
        if body.len() < TAG {
            return Err(Malformed);
        }
        Ok(Self { key, nonce: *nonce, body: body.to_vec() })
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.nonce.as_slice(), &self.body].concat();
        write!(f, "{PREFIX}{}.{}", self.key, URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The format and its version.
const PREFIX: &str = "p1.";
/// Bytes of a nonce (NIST SP 800-38D section 5.2.1.1: 96 bits).
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
const TAG: usize = 16;
/// Longest text, in bytes.
const MAX_TEXT: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let sealed = Sealed { key: 7, nonce: [9; NONCE], body: vec![1; 40] };
        let text = sealed.to_string();
        assert!(text.starts_with("p1.7."), "{text}");
        assert_eq!(Sealed::parse(&text), Ok(sealed));
        let rest = text.strip_prefix("p1.7.").unwrap();
        let short = URL_SAFE_NO_PAD.encode([0; NONCE + TAG - 1]);
        for bad in [
            String::new(),
            "p1.7".to_owned(),
            format!("p2.7.{rest}"),
            format!("p1..{rest}"),
            format!("p1.0.{rest}"),
            format!("p1.07.{rest}"),
            format!("p1.+7.{rest}"),
            format!("p1.4294967296.{rest}"),
            format!("p1.7.{rest}="),
            format!("p1.7.{rest}\n"),
            format!("p1.7.{short}"),
        ] {
            assert_eq!(Sealed::parse(&bad), Err(Malformed), "{bad}");
        }
    }
}
