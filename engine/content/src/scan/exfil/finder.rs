//! Finds URLs in a text, in linear time, and takes them apart as a lenient reader would.
//!
//! Attackers write what no strict parser accepts (`http://127.1:80\@host/`, `http://a &@b/`), because
//! what fetches it is more lenient than what checks it. So the parts are cut out here, and only a host
//! goes through a strict parser (see [`super::address`]).

use std::ops::Range;

/// A URL within a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'t> {
    /// Its scheme, as written.
    pub scheme: &'t str,
    /// User, password, host and port.
    pub authority: &'t str,
    /// What follows.
    pub rest: &'t str,
    /// Where it stands.
    pub range: Range<usize>,
    /// It stands within another one.
    pub nested: bool,
}

/// The URLs with an authority (`scheme://…`) of a text, also those within another one's query.
pub(super) fn urls(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0;
    let mut outer_end = 0;
    std::iter::from_fn(move || {
        loop {
            let colon = sign(text.as_bytes(), from)?;
            let begin = colon + 3;
            let start = scheme_start(text, from, colon);
            from = begin;
            let Some(scheme) = text.get(start..colon).filter(|scheme| !scheme.is_empty()) else { continue };
            let authority_end = end_of(text, begin, MAX_AUTHORITY, true);
            // URLs within one another end together: what is behind them is read once.
            let nested = start < outer_end && authority_end <= outer_end;
            let end = if nested {
                boundary(text, outer_end.min(authority_end + MAX_NESTED_REST))
            } else {
                end_of(text, authority_end, MAX_REST, false)
            };
            outer_end = outer_end.max(end);
            let (Some(authority), Some(rest)) = (text.get(begin..authority_end), text.get(authority_end..end)) else {
                continue;
            };
            return Some(Found { scheme, authority, rest, range: start..end, nested });
        }
    })
}

/// The name and the password in front of the last `@`.
pub(super) fn userinfo(authority: &str) -> Option<(&str, &str)> {
    let (before, _) = authority.rsplit_once('@')?;
    before.split_once(':')
}

/// The host behind the last `@`, without its port.
pub(super) fn host(authority: &str) -> &str {
    without_port(authority.rsplit('@').next().unwrap_or(authority))
}

/// Cuts a port off; leaves IPv6 addresses, in brackets or not, as they are.
pub(super) fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').and_then(|end| host.get(..=end)).unwrap_or(host);
    }
    match host.split_once(':') {
        Some((name, rest)) if !rest.contains(':') || !looks_like_ipv6(host) => name,
        _ => host,
    }
}

fn looks_like_ipv6(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

/// Goes back over the characters of a scheme (RFC 3986 section 3.1), at most [`MAX_SCHEME`].
fn scheme_start(text: &str, from: usize, colon: usize) -> usize {
    let floor = from.max(colon.saturating_sub(MAX_SCHEME));
    let head = text.as_bytes().get(floor..colon).unwrap_or(&[]);
    let length =
        head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')).count();
    colon - length
}

/// Where the next `://` from `from` on stands. A search for the three bytes costs more to set up than most take.
fn sign(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr::memchr(b':', bytes.get(from..)?)?;
        if bytes.get(at + 1..at + 3) == Some(b"//") {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The end of an authority or a URL that begins at `from`, on a character boundary, at most `limit` bytes on.
fn end_of(text: &str, from: usize, limit: usize, authority: bool) -> usize {
    let bytes = text.as_bytes().get(from..).unwrap_or(&[]);
    let length = bytes
        .iter()
        .take(limit)
        .position(|byte| if authority { ends_authority(*byte) } else { ends_url(*byte) })
        .unwrap_or(bytes.len().min(limit));
    boundary(text, from + length)
}

/// The character boundary at or before a position.
fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ends_url(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | 0x7f)
}

fn ends_authority(byte: u8) -> bool {
    ends_url(byte) || matches!(byte, b'/' | b'?' | b'#' | b'\\' | b')' | b',' | b'|')
}

const MAX_SCHEME: usize = 24;
/// RFC 3986 sets none; a host has 255 bytes at most, and a token in front of it some hundred.
const MAX_AUTHORITY: usize = 1024;
/// What is read of a path and a query.
const MAX_REST: usize = 4096;
/// The same for a URL within another one.
const MAX_NESTED_REST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        let found: Vec<_> = urls("see <https://u:p@a.example:8/x?y=http://b/>, or nats://c").collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            (found[0].scheme, found[0].authority, found[0].rest),
            ("https", "u:p@a.example:8", "/x?y=http://b/")
        );
        assert_eq!(userinfo(found[0].authority), Some(("u", "p")));
        assert_eq!(host(found[0].authority), "a.example");
        assert_eq!((found[1].scheme, found[1].authority), ("http", "b"));
        assert_eq!((found[2].scheme, found[2].authority), ("nats", "c"));
        assert_eq!(host("[::1]:80"), "[::1]");
        assert_eq!(host("::1"), "::1");
    }

    #[test]
    fn nothing_is_read_twice() {
        // Each URL has its own authority; only the outermost one has a long rest.
        for unit in ["a://", "a://b?", "a://b@c/?x=", "a:// "] {
            let text = unit.repeat(10_000);
            let own: usize = urls(&text).map(|found| found.authority.len() + found.scheme.len()).sum();
            let rest: usize = urls(&text).filter(|found| !found.nested).map(|found| found.rest.len()).sum();
            assert!(own + rest <= 2 * text.len(), "{unit}");
            assert!(urls(&text).all(|found| !found.nested || found.rest.len() <= MAX_NESTED_REST));
        }
    }
}
