//! Credentials with a structure that a pattern cannot check: private keys, JSON Web Tokens,
//! passwords in URLs.

use std::ops::Range;

use super::checks::{base64, is_placeholder, is_template};

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
    let start = text
        .get(at.saturating_sub(40)..at)
        .and_then(|before| memchr::memmem::rfind(before, b"-----BEGIN").map(|found| at.saturating_sub(40) + found))
        .unwrap_or(at);
    let stop = memchr::memmem::find(rest, b"-----END").or_else(|| memchr::memmem::find(rest, b"-----BEGIN"));
    let body = rest.get(..stop.unwrap_or(rest.len())).unwrap_or_default();
    let body_end = match stop {
        Some(length) => {
            let tail = rest.get(length..).unwrap_or_default();
            let footer = if tail.starts_with(b"-----END") { 8 } else { 0 };
            let dashes = tail.get(footer..(footer + 60).min(tail.len())).unwrap_or_default();
            length + if footer > 0 { memchr::memmem::find(dashes, b"-----").map_or(footer, |found| footer + found + 5) } else { 0 }
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
    if !decoded.starts_with(b"{") || memchr::memmem::find(&decoded, b"\"alg\"").is_none() {
        return Look { secret: None, seen: header.end };
    }
    let payload = part(header.end + 1, MAX_JWT);
    // An encrypted token (RFC 7516) may have an empty second part; a signed one has a payload.
    if text.get(payload.end) != Some(&b'.') || payload.len() < 8 && decoded.windows(5).all(|five| five != b"\"enc\"") {
        return Look { secret: None, seen: payload.end };
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
        .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b',' | b';' | b'|' | 0..=b' '))
        .unwrap_or(rest.len());
    let authority = rest.get(..stop).unwrap_or_default();
    let nothing = Look { secret: None, seen: end };
    let Some(userinfo) = authority.iter().rposition(|byte| *byte == b'@') else { return nothing };
    let host = authority.get(userinfo + 1..).unwrap_or_default();
    if !host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'$' | b'{' | b'%' | b'_')) {
        return nothing;
    }
    let info = authority.get(..userinfo).unwrap_or_default();
    match info.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let password = info.get(colon + 1..).unwrap_or_default();
            let user = info.get(..colon).unwrap_or_default();
            if password.len() < 3 || is_dummy(user, password) {
                return nothing;
            }
            Look { secret: Some(end + colon + 1..end + userinfo), seen: end + stop }
        }
        None => nothing,
    }
}

/// True for what documentation writes where a password goes.
fn is_dummy(user: &[u8], password: &[u8]) -> bool {
    is_placeholder(password)
        || is_template(user)
        || DUMMIES.iter().any(|dummy| password.eq_ignore_ascii_case(dummy.as_bytes()))
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=')
}

fn is_key_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'/' | b'=' | b'-' | b':' | b',' | b'\\' | b'"' | b'\'' | b' ' | b'\t' | b'\r' | b'\n')
}

const DUMMIES: &[&str] = &["password", "pass", "passwd", "pwd", "secret", "token", "key", "apikey", "api_key"];
const MAX_KEY: usize = 16 * 1024;
const MAX_JWT: usize = 8 * 1024;
const MAX_JWT_HEADER: usize = 1024;
const MAX_AUTHORITY: usize = 320;
