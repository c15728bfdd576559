//! Addresses of machines: IPv4, IPv6 and MAC. Off by default; what is found depends on the form alone.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// IPv4 or IPv6.
    Ip,
    /// A hardware address.
    Mac,
}

/// Finds the addresses in `text`; returns how many steps that took.
pub(super) fn find(text: &str, mut found: impl FnMut(Kind, Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut steps = 0;
    let mut at = 0;
    while let Some(mark) =
        bytes.get(at..).and_then(|rest| memchr::memchr3(b'.', b':', b'-', rest)).map(|next| at + next)
    {
        let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':');
        steps += 1;
        // A mark that ends a sentence or a word is the most common one by far.
        if !is_part(bytes.get(mark + 1))
            || !(mark == at || is_part(bytes.get(mark - 1)) || bytes.get(mark + 1) == Some(&b':'))
        {
            at = mark + 1;
            continue;
        }
        let start =
            mark - bytes.get(at..mark).unwrap_or_default().iter().rev().take_while(|byte| is_word(**byte)).count();
        at = start;
        let rest = bytes.get(at..).unwrap_or_default();
        let mut length = rest.iter().take_while(|byte| is_word(**byte)).count();
        let end = at + length;
        steps += length as u64 + 1;
        // A full stop ends a sentence.
        while length > 0 && matches!(rest.get(length - 1), Some(b'.' | b'-'))
            || length > 2 && rest.get(length - 1) == Some(&b':') && rest.get(length - 2) != Some(&b':')
        {
            length -= 1;
        }
        if (2..=64).contains(&length)
            && let Some(word) = text.get(at..at + length)
        {
            steps += 2 * length as u64;
            let host = word.split_once(':').map_or(word, |(host, _)| host);
            if is_mac(word) {
                found(Kind::Mac, at..at + length);
            } else if is_ipv4(host) {
                found(Kind::Ip, at..at + host.len());
            } else if is_ipv6(word) {
                found(Kind::Ip, at..at + length);
            }
        }
        at = end.max(mark + 1);
    }
    steps
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_')
}

/// Not the own machine, no netmask, no version of four parts that begins with 0.
fn is_ipv4(word: &str) -> bool {
    (7..=15).contains(&word.len())
        && word.parse::<Ipv4Addr>().is_ok_and(|ip| {
            let [first, ..] = ip.octets();
            !ip.is_loopback() && first != 0 && first != 255
        })
}

/// With `::` or all eight groups; not the own machine.
fn is_ipv6(word: &str) -> bool {
    (word.contains("::") && word.len() > 4 || word.bytes().filter(|byte| *byte == b':').count() == 7)
        && word.parse::<Ipv6Addr>().is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// Six pairs with one separator: `00:1b:44:11:3a:b7`, `00-1B-44-11-3A-B7`; or `001b.4411.3ab7`.
fn is_mac(word: &str) -> bool {
    let hexadecimal =
        |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.len() {
        17 => [':', '-'].into_iter().any(|separator| {
            word.split(separator).count() == 6 && word.split(separator).all(|part| hexadecimal(part, 2))
        }),
        14 => word.split('.').count() == 3 && word.split('.').all(|part| hexadecimal(part, 4)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(Kind, &str)> {
        let mut found = Vec::new();
        find(text, |kind, range| found.push((kind, text.get(range).unwrap())));
        found
    }

    #[test]
    fn finds_addresses() {
        assert_eq!(all("from 203.0.113.7:443."), [(Kind::Ip, "203.0.113.7")]);
        assert_eq!(all("[2001:db8::17]"), [(Kind::Ip, "2001:db8::17")]);
        assert_eq!(all("00:1b:44:11:3a:b7"), [(Kind::Mac, "00:1b:44:11:3a:b7")]);
    }

    #[test]
    fn leaves_what_is_none() {
        for text in ["127.0.0.1", "::1", "std::env", "12:30:45", "1.2.3", "300.1.1.1", "255.255.255.0"] {
            assert_eq!(all(text), [], "{text}");
        }
    }
}
