//! What the sidecar gives out for a call: headers to inject, and how what is secret in them could come back.

use super::wire::{Malformed, Reader};
use crate::config::Secret;

/// A header that is injected into what goes on to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Its name, in lower case.
    pub name: String,
    pub(crate) value: Secret,
    /// As what is secret in it could stand in an answer: itself, in base64, in percent form.
    pub(crate) forms: Vec<Secret>,
}

impl Injected {
    /// Reads `portcullis.v1.Header`. What could make another request of it is refused.
    pub(super) fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let (mut name, mut value, mut forms) = ("", "", Vec::new());
        for field in Reader::new(message) {
            let field = field?;
            match field.number {
                1 => name = field.value.text(MAX_VALUE)?,
                2 => value = field.value.text(MAX_VALUE)?,
                3 => forms.push(Secret::new(field.value.text(MAX_FORM)?)),
                _ => {}
            }
        }
        let told_apart = forms.iter().all(|form| form.expose().len() >= MIN_FORM);
        if !may_be_injected(name)
            || !is_header_value(value)
            || !told_apart
            || forms.is_empty()
            || forms.len() > MAX_FORMS
        {
            return Err(Malformed);
        }
        Ok(Self { name: name.to_owned(), value: Secret::new(value), forms })
    }
}

/// Whether a credential may travel in the header of this name: one in lower case (RFC 9110 section 5.6.2, as far as
/// credentials need it) that decides nothing else about the request.
#[must_use]
pub fn may_be_injected(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name.bytes().all(plain)
        && !TAKEN.contains(&name)
        && !TAKEN_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether a text is the value of one header: visible ASCII with spaces within (RFC 9110 section 5.5).
#[must_use]
pub fn is_header_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= MAX_VALUE
        && value.trim() == value
        && value.bytes().all(|byte| (b' '..0x7f).contains(&byte))
}

/// Headers that say what a request is, how long it is, or where it goes.
const TAKEN: [&str; 12] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The same: all that begin so.
const TAKEN_FAMILIES: [&str; 4] = ["mcp-", "x-envoy-", "x-forwarded-", "x-portcullis-"];
const MAX_NAME: usize = 64;
/// Longest value, in bytes: what servers take.
const MAX_VALUE: usize = 16 << 10;
/// Percent and hexadecimal forms are three times as long.
const MAX_FORM: usize = 3 * MAX_VALUE;
/// Shorter texts occur by themselves.
const MIN_FORM: usize = 8;
const MAX_FORMS: usize = 64;
