//! What a host of a URL addresses, in whatever spelling.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a host leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A name that says nothing by itself.
    Name,
    /// An address of the public internet.
    Public,
    /// Loopback, private, link-local, shared, multicast or reserved (IANA special-purpose registries).
    Internal,
    /// An instance metadata service of a cloud.
    Metadata,
    /// Ends in a number, but is no address to a strict parser. A lenient one may take it for one.
    Malformed,
}

/// A host, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// Where it leads.
    pub class: Class,
    /// It is an address in a spelling that people do not use, and filters do not expect.
    pub odd: bool,
}

/// Reads a host without its port. Names of internal services are [`super::hosts`]' business.
pub(super) fn read(host: &str) -> Host {
    let plain = Host { class: Class::Name, odd: false };
    let host = host.trim_end_matches('.');
    if is_plain_name(host) {
        return plain;
    }
    if let Some(address) = ipv6(host) {
        let (class, odd) = class6(address);
        return Host { class, odd };
    }
    let decoded = percent(host);
    match parse(&decoded) {
        Some(Parsed::Address(address)) => Host { class: class4(address), odd: address.to_string() != host },
        Some(Parsed::Name(name)) => {
            let name = name.trim_end_matches('.');
            let odd = name.eq_ignore_ascii_case("localhost") && !host.eq_ignore_ascii_case("localhost");
            Host { class: if odd { Class::Internal } else { Class::Name }, odd }
        }
        None => malformed(&decoded),
    }
}

/// The class of an IPv4 address: RFC 6890 and the IANA registry of special-purpose addresses.
pub(super) fn class4(address: Ipv4Addr) -> Class {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        (169, 254, 169, 254) | (169, 254, 170, 2 | 23) | (169, 254, 42, 42) => Class::Metadata,
        (100, 100, 100, 200) | (192, 0, 0, 192) | (168, 63, 129, 16) => Class::Metadata,
        (0 | 10 | 127, ..) | (169, 254, ..) | (192, 168, ..) | (224..=255, ..) => Class::Internal,
        (100, 64..=127, ..) | (172, 16..=31, ..) | (198, 18 | 19, ..) => Class::Internal,
        (192, 0, 0 | 2, _) | (198, 51, 100, _) | (203, 0, 113, _) | (192, 88, 99, _) => Class::Internal,
        _ => Class::Public,
    }
}

/// The class of an IPv6 address, and whether it is an IPv4 address in disguise.
fn class6(address: Ipv6Addr) -> (Class, bool) {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        class4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => (Class::Internal, false),
        // Mapped (RFC 4291 2.5.5.2), translated (RFC 2765) and compatible addresses.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            (embedded(high, low), true)
        }
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (embedded(high, low), true),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => (embedded(high, low), true),
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => (Class::Metadata, false),
        [0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe] => (Class::Metadata, false),
        // Documentation (RFC 3849, RFC 9637), IETF protocol assignments with Teredo (RFC 2928).
        [0x2001, 0x0db8 | 0..=0x01ff, ..] | [0x3fff, 0..=0x0fff, ..] => (Class::Internal, false),
        [first, ..] if first & 0xe000 != 0x2000 => (Class::Internal, false),
        _ => (Class::Public, false),
    }
}

/// An IPv6 address with or without brackets and zone (RFC 6874).
fn ipv6(host: &str) -> Option<Ipv6Addr> {
    if host.bytes().filter(|byte| *byte == b':').count() < 2 {
        return None;
    }
    let inner = host.strip_prefix('[').map_or(host, |rest| rest.split(']').next().unwrap_or(rest));
    let address = inner.split('%').next()?;
    address.parse().ok().or_else(|| joined(address))
}

/// An address whose last two groups are written as one number: `::ffff:7f000001`.
fn joined(address: &str) -> Option<Ipv6Addr> {
    let (head, last) = address.rsplit_once(':')?;
    let low = u32::from_str_radix(last, 16).ok().filter(|_| (5..=8).contains(&last.len()))?;
    format!("{head}:{:x}:{:x}", low >> 16, low & 0xffff).parse().ok()
}

enum Parsed {
    Address(Ipv4Addr),
    Name(String),
}

/// Reads a host as a browser would: percent encoding, IDNA mapping, numbers in bases 8, 10 and 16.
fn parse(host: &str) -> Option<Parsed> {
    match url::Host::parse(host).ok()? {
        url::Host::Ipv4(address) => Some(Parsed::Address(address)),
        url::Host::Domain(name) => Some(Parsed::Name(name)),
        url::Host::Ipv6(_) => None,
    }
}

/// Four numbers of which some are too large (readers that take them modulo 256 exist), or have a
/// letter in front.
fn malformed(host: &str) -> Host {
    let parts = || host.split('.');
    let numeric = |part: &str| {
        let digits = part.strip_prefix(|c: char| c == '+' || c.is_ascii_alphabetic()).unwrap_or(part);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'x')
    };
    let is_address = parts().count() == 4
        && parts().all(numeric)
        && parts().all(|part| part.bytes().any(|byte| byte.is_ascii_digit()));
    if is_address { Host { class: Class::Malformed, odd: true } } else { Host { class: Class::Name, odd: false } }
}

/// Letters, digits, dots and hyphens, with a letter at the end: no spelling of an address.
fn is_plain_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let number = last
        .strip_prefix("0x")
        .or(last.strip_prefix("0X"))
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !number
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// Decodes percent triplets of ASCII.
fn percent(host: &str) -> Cow<'_, str> {
    if !host.contains('%') {
        return Cow::Borrowed(host);
    }
    let mut out = String::with_capacity(host.len());
    let mut rest = host;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii);
        match code {
            Some(byte) => {
                out.push(char::from(byte));
                rest = after.get(2..).unwrap_or("");
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_loopback_is_internal() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "[::1]",
            "::1",
            "[::ffff:127.0.0.1]",
            "::ffff:7f00:1",
            "[0:0:0:0:0:0:0:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "127。0。0。1",
            "①②⑦.⓪.⓪.①",
            "%31%32%37.0.0.1",
            "0",
            "[::]",
            "127.0.0.1.",
            "[::1%25eth0]",
        ] {
            assert_eq!(read(host).class, Class::Internal, "{host}");
        }
        assert!(!read("127.0.0.1").odd && read("127.1").odd && read("[::ffff:127.0.0.1]").odd);
        assert!(read("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ").odd);
    }

    #[test]
    fn ranges_end_where_the_registry_says() {
        for (host, class) in [
            ("172.15.255.255", Class::Public),
            ("172.16.0.0", Class::Internal),
            ("172.32.0.0", Class::Public),
            ("100.63.255.255", Class::Public),
            ("100.64.0.0", Class::Internal),
            ("100.128.0.0", Class::Public),
            ("1.1.1.1", Class::Public),
            ("[2606:4700:4700::1111]", Class::Public),
            ("[64:ff9b::808:808]", Class::Public),
            ("[fd12::1]", Class::Internal),
            ("[fe80::1]", Class::Internal),
            ("[fd00:ec2::254]", Class::Metadata),
            ("0xa9fea9fe", Class::Metadata),
            ("169.254.43518", Class::Metadata),
            ("425.510.425.510", Class::Malformed),
            ("example.com", Class::Name),
            ("1.2.3.4.example.com", Class::Name),
        ] {
            assert_eq!(read(host).class, class, "{host}");
        }
    }
}
