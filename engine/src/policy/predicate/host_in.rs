//! `host_in`: a URL, or a bare host, whose host is one of the list.
//!
//! URLs are read as the WHATWG URL Standard does, by the `url` crate. What other parsers read
//! differently cannot be said: the host is also cut out as RFC 3986 has it, and both must agree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::{Check, Outcome, Problem, one_or_list, string};
use crate::config::ConfigError;
use crate::json::{Kind, Value};

/// On one of these hosts.
#[derive(Debug)]
pub(crate) struct HostIn(Vec<Entry>);

impl HostIn {
    pub(super) fn new(value: Value<'_>) -> Result<Self, Problem> {
        one_or_list(value, |value| {
            let text = string(value)?;
            Entry::new(&text).ok_or_else(no_host)
        })
        .map(Self)
    }

    /// A list of the configuration that stands at `at` (a JSON Pointer). An empty one allows no host.
    pub(crate) fn compile(hosts: &[String], at: &str) -> Result<Self, ConfigError> {
        let entry =
            |(index, text): (usize, &String)| Entry::new(text).ok_or_else(|| no_host().at(&format!("{at}/{index}")));
        hosts.iter().enumerate().map(entry).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a URL, or a bare `host[:port]`, leads to one of the list for every reader; false where
    /// that cannot be said.
    pub(crate) fn allows(&self, text: &str) -> bool {
        self.judge(text) == Outcome::Holds
    }

    fn judge(&self, text: &str) -> Outcome {
        host(text).map_or(Outcome::Unknown, |host| Outcome::from(self.0.iter().any(|entry| entry.fits(&host))))
    }
}

fn no_host() -> Problem {
    Problem::new(
        "is no host",
        "write it as `example.com`, `*.example.com`, `10.1.2.3`, `::1` or `10.0.0.0/8`, without scheme and port",
    )
}

impl Check for HostIn {
    fn check(&self, value: Value<'_>, _: &mut usize) -> Outcome {
        match (value.kind(), value.as_str()) {
            (Kind::String, Some(text)) if text.len() <= MAX_URL => self.judge(&text),
            _ => Outcome::Unknown,
        }
    }
}

/// A host as two parsers agree on it.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// In lower-case ASCII (punycode), without a trailing dot.
    Domain(String),
    Address(IpAddr),
}

/// The host of a URL with an authority, or of a bare `host[:port]`.
fn host(text: &str) -> Option<Named> {
    // Parsers drop tabs and newlines, trim spaces, or take a backslash for a slash; some do not.
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return None;
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return if text.contains(['/', '?', '#', '@']) { None } else { named(without_port(text)?) };
    };
    let url = Url::parse(text).ok()?;
    if !url.scheme().eq_ignore_ascii_case(scheme) || NO_HOST.contains(&url.scheme()) {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(['@', '[', ']']) {
        return None;
    }
    let by_rfc = named(without_port(place)?)?;
    let by_whatwg = match url.host()? {
        // A scheme that the standard does not know leaves its host as it is written.
        Host::Domain(domain) => named(domain)?,
        Host::Ipv4(address) => Named::Address(address.into()),
        Host::Ipv6(address) => Named::Address(unmapped(address)?),
    };
    (by_rfc == by_whatwg).then_some(by_rfc)
}

/// The host of `host[:port]`; `None` where the port is none.
fn without_port(place: &str) -> Option<&str> {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (place, ""),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    // A bare IPv6 address and a port cannot be told apart.
    let plain = !host.contains([':', '[', ']']);
    ((bracketed || plain) && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

/// One host by its text, as the WHATWG URL Standard reads it.
fn named(text: &str) -> Option<Named> {
    // Percent-decoded by some parsers; and the four characters of which IDNA 2003 and 2008 make
    // different names.
    if text.contains(['%', 'ß', 'ẞ', 'ς', '\u{200c}', '\u{200d}']) {
        return None;
    }
    match Host::parse(text).ok()? {
        Host::Domain(domain) => {
            let domain = domain.strip_suffix('.').unwrap_or(&domain).to_ascii_lowercase();
            (!domain.is_empty() && !domain.split('.').any(str::is_empty)).then_some(Named::Domain(domain))
        }
        // `0177.0.0.1` is 127.0.0.1 to some and 177.0.0.1 to others.
        Host::Ipv4(_) if text.split('.').any(|part| part.len() > 1 && is_octal(part)) => None,
        Host::Ipv4(address) => Some(Named::Address(address.into())),
        Host::Ipv6(address) => unmapped(address).map(Named::Address),
    }
}

fn is_octal(part: &str) -> bool {
    part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The IPv4 address within a mapped one (`::ffff:0:0/96`); `None` for the other ways to carry one
/// (compatible, NAT64, 6to4), of which it depends on the network where they lead.
fn unmapped(address: Ipv6Addr) -> Option<IpAddr> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return Some(inner.into());
    }
    let bits = address.to_bits();
    let compatible = bits >> 32 == 0 && bits > 1;
    let nat64 = bits >> 96 == 0x0064_ff9b;
    let six_to_four = bits >> 112 == 0x2002;
    (!compatible && !nat64 && !six_to_four).then_some(IpAddr::V6(address))
}

/// One entry of the list.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Domain(String),
    /// `*.example.com`: everything below, not itself. Kept with the leading dot.
    Below(String),
    /// Addresses of which the first `length` bits are these.
    Network(IpAddr, u8),
}

impl Entry {
    fn new(text: &str) -> Option<Self> {
        if let Some(domain) = text.strip_prefix("*.") {
            return match host(domain)? {
                Named::Domain(domain) => Some(Self::Below(format!(".{domain}"))),
                Named::Address(_) => None,
            };
        }
        if let Some((network, length)) = text.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let length: u8 = length.parse().ok()?;
            let whole = if network.is_ipv4() { 32 } else { 128 };
            return (length <= whole).then_some(Self::Network(network, length));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Self::address(unmapped(address)?);
        }
        if without_port(text)? != text || text.contains('*') {
            return None;
        }
        match host(text)? {
            Named::Domain(domain) => Some(Self::Domain(domain)),
            Named::Address(address) => Self::address(address),
        }
    }

    fn address(address: IpAddr) -> Option<Self> {
        Some(Self::Network(address, if address.is_ipv4() { 32 } else { 128 }))
    }

    fn fits(&self, host: &Named) -> bool {
        match (self, host) {
            (Self::Domain(domain), Named::Domain(host)) => domain == host,
            (Self::Below(suffix), Named::Domain(host)) => host.len() > suffix.len() && host.ends_with(suffix),
            (Self::Network(IpAddr::V4(network), length), Named::Address(IpAddr::V4(address))) => {
                leading(*network, *length) == leading(*address, *length)
            }
            (Self::Network(IpAddr::V6(network), length), Named::Address(IpAddr::V6(address))) => {
                let shift = 128 - u32::from(*length);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

fn leading(address: Ipv4Addr, length: u8) -> Option<u32> {
    address.to_bits().checked_shr(32 - u32::from(length))
}

/// Schemes whose URLs lead to no host, even if they look as if they had one.
const NO_HOST: &[&str] =
    &["about", "blob", "data", "file", "filesystem", "jar", "javascript", "vbscript", "view-source"];

/// Longest URL that is read, in bytes.
const MAX_URL: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(entries: &[&str], text: &str) -> Outcome {
        HostIn(entries.iter().map(|entry| Entry::new(entry).unwrap()).collect()).judge(text)
    }

    #[test]
    fn on_the_list() {
        for (entry, text) in [
            ("example.com", "https://example.com"),
            ("example.com", "https://example.com:8443/a?b#c"),
            ("example.com", "HTTPS://EXAMPLE.COM/"),
            ("example.com", "https://example.com./"),
            ("example.com", "https://user:pw@example.com/"),
            ("example.com", "wss://example.com/x"),
            ("example.com", "ftp://example.com/x"),
            ("example.com", "git+ssh://example.com/x"),
            ("example.com", "redis://Example.com:6379"),
            ("example.com", "example.com"),
            ("example.com", "example.com:443"),
            ("example.com", "https://ｅxample。com/"),
            ("*.example.com", "https://a.b.example.com/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
            ("xn--bcher-kva.example", "https://BÜCHER.example/"),
            ("127.0.0.1", "http://127.0.0.1/"),
            ("127.0.0.1", "http://2130706433/"),
            ("127.0.0.1", "http://0x7f.1/"),
            ("127.0.0.1", "http://0x7f000001/"),
            ("127.0.0.1", "http://127.1"),
            ("127.0.0.1", "http://127.0.0.1./"),
            ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
            ("127.0.0.1", "http://[::ffff:7f00:1]:80/"),
            ("127.0.0.0/8", "http://127.9.9.9/"),
            ("0.0.0.0/0", "http://1.2.3.4/"),
            ("::1", "http://[::1]/"),
            ("[::1]", "http://[0:0:0:0:0:0:0:1]:8080/"),
            ("fd00::/8", "http://[fd12::1]/"),
        ] {
            assert_eq!(judge(&[entry], text), Outcome::Holds, "{entry} {text}");
        }
    }

    #[test]
    fn elsewhere() {
        for (entry, text) in [
            ("example.com", "https://example.com.evil.test/"),
            ("example.com", "https://evilexample.com/"),
            ("example.com", "https://sub.example.com/"),
            ("example.com", "https://example.com@evil.test/"),
            ("example.com", "https://example.com:443@evil.test/"),
            ("example.com", "https://evil.test/?example.com"),
            ("example.com", "https://evil.test#@example.com"),
            ("example.com", "https://evil.test?@example.com"),
            ("example.com", "https://evil.test/@example.com"),
            ("example.com", "https://exаmple.com/"),
            ("*.example.com", "https://example.com/"),
            ("*.example.com", "https://evilexample.com/"),
            ("127.0.0.0/8", "http://128.0.0.1/"),
            ("127.0.0.1", "http://localhost/"),
            ("10.0.0.0/8", "http://[::ffff:11.0.0.1]/"),
            ("fd00::/8", "http://[fe80::1]/"),
            ("example.com", "evil.test:443"),
        ] {
            assert_eq!(judge(&[entry], text), Outcome::Fails, "{entry} {text}");
        }
    }

    #[test]
    fn attacks_cannot_be_said() {
        for text in [
            "",
            " https://example.com/",
            "https://example.com/ ",
            "https://exa\tmple.com/",
            "https://example.com\n",
            "https://example.com\\@evil.test/",
            "https:\\\\example.com/",
            "https://evil.test\\.example.com/",
            "https:example.com",
            "https:/example.com",
            "https:///example.com/",
            "https://",
            "https://@/",
            "//example.com/",
            "example.com/path",
            "/example.com",
            "user@example.com",
            "a@b@example.com",
            "https://evil.test@x@example.com/",
            "https://ex%61mple.com/",
            "https://example.com%2eevil.test/",
            "https://example.com%00.evil.test/",
            "https://example.com\u{0}/",
            "https://example.com:x/",
            "https://example.com:99999/",
            "https://example.com:443:80/",
            "https://exam ple.com/",
            "https://example.com／.evil.test/",
            "https://example.com℀evil.test/",
            "https://exa\u{200d}mple.com/",
            "https://faß.example/",
            "https://example..com/",
            "https://example.com../",
            "http://0177.0.0.1/",
            "http://127.0.0.01/",
            "http://0127.0.0.1/",
            "http://256.1.1.1/",
            "http://1.2.3.4.5/",
            "http://[::1/",
            "http://[::1]x/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1%25eth0]/",
            "::1",
            "file:///etc/passwd",
            "file://example.com/x",
            "javascript://example.com/%0aalert(1)",
            "data:text/html,x",
            "mailto:a@example.com",
            "blob:https://example.com/x",
        ] {
            assert_eq!(judge(&["example.com", "127.0.0.1"], text), Outcome::Unknown, "{text:?}");
        }
    }

    #[test]
    fn entries() {
        for entry in [
            "",
            "*",
            "*.10.0.0.1",
            "https://example.com",
            "example.com:443",
            "exa*mple.com",
            "10.0.0.0/33",
            "a/b",
            "a b",
            "*.",
        ] {
            assert_eq!(Entry::new(entry), None, "{entry}");
        }
    }
}
