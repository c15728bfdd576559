//! Path traversal: `..` in any encoding that some decoder on the way understands.

use std::ops::Range;

use crate::scan::shell::Role;

/// A path that leaves its place, as far as the role of the text lets one say so.
pub(super) fn find(text: &str, role: Role) -> Option<Range<usize>> {
    if text.len() > MAX_TEXT || !text.bytes().any(|b| matches!(b, b'.' | b'%' | b'\0' | b'\\')) {
        return None;
    }
    let plain = decode(text);
    let encoded = plain != text;
    let mut path = plain.as_str();
    if role == Role::Unknown && path.contains(['\n', '{', '<']) {
        return None;
    }
    if let Some((_, rest)) = path.split_once("://") {
        // Behind the host.
        path = rest.split_once('/').map_or("", |(_, path)| path);
    }
    let climb = climbs(path);
    let found = match role {
        // A server's own arguments stay below a root that the path does not know: climbing out is the point.
        Role::Path => climb.out > 0 || (encoded && climb.any > 0) || climb.odd || absolute_trick(plain.as_str()),
        Role::Url => climb.any > 0 && (encoded || climb.out > 0 || climb.any >= 2) || climb.odd,
        _ => climb.out >= 2 || (encoded && climb.any > 0) || climb.odd || (climb.any >= 2 && climb.out >= 1),
    };
    found.then_some(0..text.len())
}

/// Percent (also double, and of `%u` form), overlong UTF-8 and `0x2e` read as what they stand for.
pub(super) fn decode(text: &str) -> String {
    let mut current = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let next = once(&current);
        if next == current {
            break;
        }
        current = next;
    }
    current
}

fn once(text: &str) -> String {
    if !text.contains('%') && !text.contains("0x") {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            if let Some((value, length)) = nested(bytes, at).or_else(|| overlong(bytes, at)) {
                out.extend_from_slice(value);
                at += length;
                continue;
            }
            if let Some(value) = hex(bytes, at + 1, 2) {
                let second = if bytes.get(at + 3) == Some(&b'%') { hex(bytes, at + 4, 2) } else { None };
                let third =
                    if second.is_some() && bytes.get(at + 6) == Some(&b'%') { hex(bytes, at + 7, 2) } else { None };
                match (value, second, third) {
                    // Overlong forms of ASCII: two bytes with a lead of C0 or C1, three with E0 80.
                    (0xc0 | 0xc1, Some(low), _) => {
                        out.push(((value as u8 & 1) << 6) | (low as u8 & 0x3f));
                        // %c0%2f, %c1%1c: of a broken second byte its low bits count.
                        if low < 0x80 {
                            out.pop();
                            out.push(if value == 0xc0 { low as u8 } else { 0x40 | (low as u8 & 0x3f) });
                        }
                        at += 6;
                    }
                    (0xe0, Some(0x80..=0x81), Some(low)) => {
                        out.push(((second.unwrap_or(0) as u8 & 1) << 6) | (low as u8 & 0x3f));
                        at += 9;
                    }
                    (0..=0x7f, _, _) => {
                        out.push(value as u8);
                        at += 3;
                    }
                    _ => {
                        out.push(b'?');
                        at += 3;
                    }
                }
                continue;
            }
            if matches!(bytes.get(at + 1), Some(b'u' | b'U'))
                && let Some(value) = hex(bytes, at + 2, 4)
            {
                out.push(match value {
                    0x2215 | 0x2044 | 0xff0f | 0x002f | 0xefc8 | 0xf025 => b'/',
                    0x2216 | 0xff3c | 0x005c => b'\\',
                    0xff0e | 0x002e | 0x2024 => b'.',
                    0..=0x7f => value as u8,
                    _ => b'?',
                });
                at += 6;
                continue;
            }
        }
        if *byte == b'0'
            && bytes.get(at + 1) == Some(&b'x')
            && let Some(value) = hex(bytes, at + 2, 2)
            && matches!(value, 0x2e | 0x2f | 0x5c)
        {
            out.push(value as u8);
            at += 4;
            continue;
        }
        out.push(*byte);
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `%%32%%65`: an escape whose digits are escaped themselves.
#[inline(never)]
fn nested(bytes: &[u8], at: usize) -> Option<(&'static [u8], usize)> {
    if bytes.get(at + 1) != Some(&b'%') {
        return None;
    }
    let first = hex(bytes, at + 2, 2)?;
    let skip = if bytes.get(at + 4..at + 6) == Some(b"%%") { 2 } else { 1 };
    let second = hex(bytes, at + 4 + skip, 2)?;
    let value: &[u8] = match (char::from_u32(first)?, char::from_u32(second)?.to_ascii_lowercase()) {
        ('2', 'e') => b".",
        ('2', 'f') => b"/",
        ('5', 'c') => b"\\",
        _ => return None,
    };
    Some((value, 6 + skip))
}

/// Overlong forms of four to six bytes, and what decoders make of a lead of two whose second byte is no number.
#[inline(never)]
fn overlong(bytes: &[u8], at: usize) -> Option<(&'static [u8], usize)> {
    let lead = hex(bytes, at + 1, 2)?;
    let count = match lead {
        0xf0 => 3,
        0xf8 => 4,
        0xfc => 5,
        // `%c0.` and `%c0%qf`.
        0xc0 | 0xc1 => {
            return match bytes.get(at + 3..at + 6) {
                Some([b'.', ..]) => Some((b".", 4)),
                Some([b'%', high, low]) if high.is_ascii_alphanumeric() && low.is_ascii_alphanumeric() => {
                    let broken = !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit();
                    broken.then_some((b"/".as_slice(), 6))
                }
                _ => None,
            };
        }
        _ => return None,
    };
    let byte = |index: usize| (bytes.get(at + 3 * index) == Some(&b'%')).then(|| hex(bytes, at + 3 * index + 1, 2))?;
    if !(1..count - 1).all(|index| byte(index) == Some(0x80)) {
        return None;
    }
    let value: &[u8] = match ((byte(count - 1)? & 1) << 6) | (byte(count)? & 0x3f) {
        0x2e => b".",
        0x2f => b"/",
        0x5c => b"\\",
        _ => return None,
    };
    Some((value, 3 * count + 3))
}

fn hex(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let mut value = 0;
    for byte in bytes.get(at..at + count)? {
        value = value * 16 + (*byte as char).to_digit(16)?;
    }
    Some(value)
}

#[derive(Default)]
struct Climb {
    /// `..` segments.
    any: usize,
    /// By how many levels the path leaves where it began.
    out: usize,
    /// Forms of `..` that only an attack has: `...//`, `..;/`, a null byte between.
    odd: bool,
}

fn climbs(path: &str) -> Climb {
    let mut climb = Climb::default();
    let mut depth = 0i64;
    let mut separated = false;
    let mut odd = 0;
    for (index, segment) in
        path.split(['/', '\\', '\u{2215}', '\u{2044}', '\u{2216}', '\u{ff0f}', '\u{ff3c}']).enumerate()
    {
        separated |= index > 0;
        let bare = segment.trim_matches(|c: char| c.is_control() || matches!(c, '?' | ' ' | '"' | '\''));
        let bare = bare.rsplit(['=', '&', ',']).next().unwrap_or(bare);
        match bare {
            "" | "." => {}
            ".." => {
                climb.any += 1;
                depth -= 1;
                climb.out = climb.out.max(usize::try_from(-depth).unwrap_or(0));
                if segment.contains('\0') {
                    odd += 1;
                }
            }
            "..;" | ";.." | "...." | "..." | ".;." => odd += 1,
            _ => {
                if bare.ends_with("..") && bare.len() <= 5 && !bare.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                    odd += 1;
                }
                depth += 1;
            }
        }
    }
    // One `..` that ends the text, as in `wait..`, is none.
    if !separated {
        climb.any = 0;
        climb.out = 0;
    }
    climb.odd = separated && odd >= 2;
    climb
}

/// UNC paths, a null byte that cuts an extension off, `file:` where a path was asked for, device paths.
fn absolute_trick(path: &str) -> bool {
    path.starts_with("\\\\") && path.trim_start_matches('\\').contains('\\')
        || path.contains('\0')
        || path.starts_with("file://")
        || path.starts_with("\\\\?\\")
        || path.starts_with("php://")
        || path.starts_with("expect://")
}

const MAX_TEXT: usize = 8192;
/// How often an encoding may be nested in itself.
const MAX_ROUNDS: usize = 4;
