//! Credentials with a structure that a pattern cannot check: private keys, JSON Web Tokens,
//! passwords in URLs.

use std::ops::Range;

use super::checks::{base64, is_example_login, is_placeholder, is_template};

/// A look at a place: what was found there, and how far was looked at. A caller need not look
/// within that stretch again, which keeps the work linear.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The secret's bytes.
    pub(super) secret: Option<Range<usize>>,
    /// How far was looked at.
    pub(super) seen: usize,
}

/// A private key around the keyword at `at`: PEM of every kind (RFC 7468), PGP (RFC 9580), PuTTY.
/// The header alone is no secret: a body must follow, in whatever way lines are written.
pub(super) fn private_key(text: &[u8], at: usize, end: usize) -> Look {
    let limit = text.len().min(end + MAX_KEY);
    let rest = text.get(end..limit).unwrap_or_default();
    let begin = text
        .get(at.saturating_sub(40)..at)
        .and_then(|before| memchr::memmem::rfind(before, b"-----BEGIN").map(|found| at.saturating_sub(40) + found));
    // "the private key /usr/share/…" is prose: a header has its dashes on one side at least.
    let dashed = rest.get(..12).unwrap_or_default().windows(4).any(|four| four == b"----");
    let putty = text.get(at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case(b"PuTTY"));
    if begin.is_none() && !dashed && !putty {
        return Look { secret: None, seen: end };
    }
    let start = begin.unwrap_or(at);
    let stop = memchr::memmem::find(rest, b"-----END").or_else(|| memchr::memmem::find(rest, b"-----BEGIN"));
    let body = rest.get(..stop.unwrap_or(rest.len())).unwrap_or_default();
    let body_end = match stop {
        Some(length) => {
            let tail = rest.get(length..).unwrap_or_default();
            let footer = if tail.starts_with(b"-----END") { 8 } else { 0 };
            let dashes = tail.get(footer..(footer + 60).min(tail.len())).unwrap_or_default();
            length
                + if footer > 0 {
                    memchr::memmem::find(dashes, b"-----").map_or(footer, |found| footer + found + 5)
                } else {
                    0
                }
        }
        None => body.iter().position(|byte| !is_key_body(*byte)).unwrap_or(body.len()),
    };
    let mut run = 0;
    let mut letters = 0;
    for byte in body.iter().take(2048) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') {
            run += 1;
        } else {
            run = 0;
        }
        letters = letters.max(run);
    }
    let secret = (letters >= 24).then_some(start..end + body_end);
    Look { secret, seen: end + body_end.max(stop.unwrap_or(0)) }
}

/// A JSON Web Token (RFC 7519) whose header starts at `at`.
pub(super) fn jwt(text: &[u8], at: usize) -> Look {
    let before = at.checked_sub(1).and_then(|index| text.get(index));
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return Look { secret: None, seen: at };
    }
    let part = |from: usize, most: usize| {
        let bytes = text.get(from..text.len().min(from + most)).unwrap_or_default();
        from..from + bytes.iter().position(|byte| !is_base64url(*byte)).unwrap_or(bytes.len())
    };
    let header = part(at, MAX_JWT_HEADER);
    if text.get(header.end) != Some(&b'.') {
        return Look { secret: None, seen: header.end };
    }
    let decoded = text.get(header.clone()).and_then(|bytes| base64(bytes, MAX_JWT_HEADER)).unwrap_or_default();
    if !decoded.starts_with(b"{")
        || !decoded.trim_ascii().ends_with(b"}")
        || memchr::memmem::find(&decoded, b"\"alg\"").is_none()
    {
        return Look { secret: None, seen: header.end };
    }
    let payload = part(header.end + 1, MAX_JWT);
    if text.get(payload.end) != Some(&b'.') {
        // Unsigned, or cut off: what claims to be a payload must be one.
        let claims = text.get(payload.clone()).and_then(|bytes| base64(bytes, 16)).unwrap_or_default();
        let secret = (payload.len() >= 16 && claims.starts_with(b"{\"")).then_some(at..payload.end);
        return Look { secret, seen: payload.end };
    }
    let mut end = payload.end + 1;
    for _ in 0..3 {
        end = part(end, MAX_JWT).end;
        if text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(|byte| is_base64url(*byte)) {
            end += 1;
        } else {
            break;
        }
    }
    Look { secret: Some(at..end), seen: end }
}

/// The password (or a token in its place) in the authority of a URL (RFC 3986 section 3.2.1) whose
/// `://` ends at `end`.
pub(super) fn url_credentials(text: &[u8], end: usize) -> Look {
    let rest = text.get(end..text.len().min(end + MAX_AUTHORITY)).unwrap_or_default();
    let stop = rest
        .iter()
        .position(|byte| {
            matches!(
                byte,
                b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b',' | b';' | b'|' | 0..=b' '
            )
        })
        .unwrap_or(rest.len());
    let authority = rest.get(..stop).unwrap_or_default();
    let nothing = Look { secret: None, seen: end };
    let Some(userinfo) = authority.iter().rposition(|byte| *byte == b'@') else { return nothing };
    let host = authority.get(userinfo + 1..).unwrap_or_default();
    if !host
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'$' | b'{' | b'%' | b'_'))
    {
        return nothing;
    }
    let info = authority.get(..userinfo).unwrap_or_default();
    match info.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let password = info.get(colon + 1..).unwrap_or_default();
            let user = info.get(..colon).unwrap_or_default();
            if password.len() < 3 || is_placeholder(password) || is_template(user) || is_example_login(user, password) {
                return nothing;
            }
            Look { secret: Some(end + colon + 1..end + userinfo), seen: end + stop }
        }
        None => nothing,
    }
}

/// A symmetric or private JSON Web Key (RFC 7518 section 6): the member `k` or `d` of an object
/// that has a `kty` at `at`, as JSON or as source code.
pub(super) fn jwk(text: &[u8], at: usize) -> Look {
    let from = at.saturating_sub(MAX_JWK);
    let to = text.len().min(at + MAX_JWK);
    let before = text.get(from..at).unwrap_or_default();
    let after = text.get(at..to).unwrap_or_default();
    let start = before.iter().rposition(|byte| *byte == b'{').map_or(from, |open| from + open);
    let end = after.iter().position(|byte| *byte == b'}').map_or(to, |close| at + close);
    let object = text.get(start..end).unwrap_or_default();
    let secret = object.iter().enumerate().filter(|(_, byte)| matches!(byte, b'd' | b'k')).find_map(|(index, _)| {
        let lead = index.checked_sub(1).and_then(|index| object.get(index));
        if lead.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            return None;
        }
        let mut value = index + 1;
        let mut colon = false;
        while let Some(byte @ (b'"' | b'\'' | b':' | b' ' | b'\\' | b'\n' | b'\t')) =
            object.get(value).filter(|_| value < index + 12)
        {
            colon |= *byte == b':';
            value += 1;
        }
        let length = object.get(value..).unwrap_or_default().iter().position(|byte| !is_base64url(*byte)).unwrap_or(0);
        (colon && length >= 20).then(|| start + value..start + value + length)
    });
    Look { secret, seen: end.max(at + 1) }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=')
}

fn is_key_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'/' | b'=' | b'-' | b':' | b',' | b'\\' | b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n')
}

const MAX_KEY: usize = 16 * 1024;
const MAX_JWT: usize = 8 * 1024;
const MAX_JWT_HEADER: usize = 1024;
const MAX_AUTHORITY: usize = 320;
const MAX_JWK: usize = 2048;
