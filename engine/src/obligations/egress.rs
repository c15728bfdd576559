//! The hosts that a message refers to, held against a list of those it may refer to.
//!
//! What counts as a reference is what a lenient client or tool would follow: URLs with an authority of any
//! scheme of the network, in whatever number and direction of slashes browsers accept; addresses without a
//! scheme (`//host/`, `www.host`, `\\host\share`); `mailto:`; and bare hosts where the name of an argument says that
//! a host is meant. Every text is looked at as it stands and with the coats of encoding taken off that
//! [`crate::scan`] takes off. A host that two readers could read differently is on no list.

use std::ops::Range;

use crate::config::{ConfigError, EgressAction, EgressConfig};
use crate::json::{Locator, Value};
use crate::policy::HostIn;
use crate::scan::each_layer;
use crate::sort::Arrange;

/// A compiled allowlist.
#[derive(Debug)]
pub(crate) struct Egress {
    allow: HostIn,
    emails: bool,
    pub(super) arguments: bool,
    pub(super) result: bool,
    /// What is done about any other host.
    pub(crate) action: EgressAction,
}

impl Egress {
    /// Compiles the list that stands at `at` (a JSON Pointer).
    ///
    /// # Errors
    /// An entry that is no host.
    pub(super) fn compile(config: &EgressConfig, at: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            allow: HostIn::compile(&config.allow, &format!("{at}/allow"))?,
            emails: config.emails,
            arguments: config.arguments,
            result: config.result,
            action: config.action,
        })
    }

    /// Calls `found` with each string (or key) within `value` that refers to a host which is not on the list, and the
    /// byte ranges of those references within its unescaped content, ascending and apart.
    pub(crate) fn strangers<'d>(&self, value: Value<'d>, mut found: impl FnMut(Value<'d>, Vec<Range<usize>>)) {
        let mut locator = Locator::new(value);
        for string in value.strings() {
            let Some(text) = string.as_str() else { continue };
            let mut ranges = self.in_text(&text);
            if !string.is_key() && is_bare(&text) {
                locator.seek(string);
                let key = locator.key().and_then(Value::as_str);
                if key.is_some_and(|key| names_a_host(&key)) && !self.allow.allows(bare_host(&text)) {
                    ranges.push(0..text.len());
                }
            }
            if !ranges.is_empty() {
                found(string, apart(ranges));
            }
        }
    }

    fn in_text(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.references(text, &mut |range| found.push(range));
        each_layer(text, &mut |layer, original| {
            self.references(layer, &mut |range| found.push(original(range)));
        });
        found
    }

    /// The references of one text to hosts that are not on the list.
    fn references(&self, text: &str, found: &mut dyn FnMut(Range<usize>)) {
        let bytes = text.as_bytes();
        // URLs within one another end together: what is behind them is read once.
        let mut ended = 0;
        let mut ending = |from: usize| {
            if from >= ended {
                ended = end_of(bytes, from, ends_url);
            }
            ended
        };
        let mut from = 0;
        for at in memchr::memchr3_iter(b':', b'/', b'\\', bytes) {
            if at < from {
                continue;
            }
            let reference = match bytes.get(at) {
                Some(b':') => with_scheme(text, from, at),
                Some(b'/') => without_scheme(text, at),
                _ => share(text, at),
            };
            let Some(reference) = reference else { continue };
            from = reference.authority.end.max(at + 1);
            if !self.is_allowed(text, &reference) {
                found(reference.start..ending(reference.authority.end));
            }
        }
        let mut from = 0;
        for at in memchr::memchr2_iter(b'w', b'W', bytes) {
            let is_www = bytes.get(at..at + 4).is_some_and(|head| head.eq_ignore_ascii_case(b"www."));
            if at < from
                || !is_www
                || preceded_by(bytes, at, |byte| byte.is_ascii_alphanumeric() || b"./@-_".contains(&byte))
            {
                continue;
            }
            let authority = at..limited(text, at, MAX_AUTHORITY, ends_authority);
            from = authority.end;
            let host = trimmed(text.get(authority.clone()).unwrap_or_default());
            if is_dotted(host_of(host)) && !self.allow.allows(host) {
                let end = end_of(bytes, authority.end, ends_url);
                found(at..end);
                from = end;
            }
        }
        if self.emails {
            for at in memchr::memchr_iter(b'@', bytes) {
                if let Some((range, domain)) = email(text, at)
                    && !self.allow.allows(domain)
                {
                    found(range);
                }
            }
        }
    }

    fn is_allowed(&self, text: &str, reference: &Reference) -> bool {
        let Some(authority) = text.get(reference.authority.clone()) else { return false };
        // `https://a.example\@b.example`: some readers go to the one, some to the other.
        if authority.contains('\\') || authority.contains(['\t', '\r', '\n']) {
            return false;
        }
        let authority = trimmed(authority);
        if reference.mail {
            return authority.rsplit_once('@').is_some_and(|(_, domain)| self.allow.allows(domain));
        }
        self.allow.allows(&format!("https://{authority}"))
    }
}

/// A reference to a host within a text.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    start: usize,
    authority: Range<usize>,
    mail: bool,
}

/// A URL whose scheme ends at the colon `colon`.
fn with_scheme(text: &str, floor: usize, colon: usize) -> Option<Reference> {
    let bytes = text.as_bytes();
    let head = bytes.get(floor.max(colon.saturating_sub(MAX_SCHEME))..colon)?;
    let letters = head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    let start = colon - letters;
    let scheme = text.get(start..colon)?.to_ascii_lowercase();
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    // `xhttps:` is no scheme of the network, but readers may begin at any letter.
    let web = WEB.iter().find(|web| scheme.ends_with(*web));
    let slashes = bytes.get(colon + 1..)?.iter().take_while(|byte| b"/\\".contains(byte)).count();
    let begin = colon + 1 + slashes;
    if scheme == "mailto" {
        let authority = begin..limited(text, begin, MAX_AUTHORITY, |byte| ends_url(byte) || byte == b'?');
        return text.get(authority.clone())?.contains('@').then_some(Reference { start, authority, mail: true });
    }
    if slashes < 2 && web.is_none() {
        return None;
    }
    let authority = begin..authority_end(text, begin, start, if slashes < 2 { MAX_HOST } else { MAX_AUTHORITY });
    let host = host_of(trimmed(text.get(authority.clone())?));
    let is_reference = match web {
        // Browsers take any number of slashes for two.
        Some(_) if slashes >= 2 => !host.is_empty(),
        Some(_) => host.contains('.') && looks_like_host(host),
        // `file:////host/share` leads to a share, `file:///path` nowhere.
        None if bytes.get(colon + 1..colon + 3) != Some(b"//") || slashes > 2 => scheme == "file" && slashes > 3,
        None if scheme == "file" => !host.is_empty() && !host.eq_ignore_ascii_case("localhost"),
        // A server's own scheme: `note://internal/5` names a resource, `x://host.example/` a host.
        None => !host.is_empty() && (NETWORK.iter().any(|known| scheme.ends_with(known)) || is_dotted(host)),
    };
    is_reference.then_some(Reference { start, authority, mail: false })
}

/// `//host/` where a scheme may be left out: at the beginning of a text, a quote, a parenthesis.
fn without_scheme(text: &str, at: usize) -> Option<Reference> {
    let bytes = text.as_bytes();
    let is_double = matches!(bytes.get(at + 1), Some(b'/' | b'\\')) && !matches!(bytes.get(at + 2), Some(b'/' | b'\\'));
    if !is_double || preceded_by(bytes, at, |byte| !b"\"'`(=<> \t\n[,".contains(&byte)) {
        return None;
    }
    let authority = at + 2..limited(text, at + 2, MAX_HOST, ends_authority);
    let host = host_of(trimmed(text.get(authority.clone())?));
    (is_dotted(host) && looks_like_host(host)).then_some(Reference { start: at, authority, mail: false })
}

/// `\\host\share`: opening it sends the user's credentials there.
fn share(text: &str, at: usize) -> Option<Reference> {
    let bytes = text.as_bytes();
    if !matches!(bytes.get(at + 1), Some(b'\\' | b'/'))
        || preceded_by(bytes, at, |byte| !b"\"'`(=<> \t\n[,".contains(&byte))
    {
        return None;
    }
    let begin = at + 2;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_@:".contains(&byte) || byte >= 0x80;
    let authority = begin..limited(text, begin, MAX_HOST, |byte| !is_name(byte));
    let host = text.get(authority.clone())?;
    let is_share = matches!(bytes.get(authority.end), Some(b'\\' | b'/'))
        && bytes.get(authority.end + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_$.-".contains(byte));
    (is_share && host.len() >= 2).then_some(Reference { start: at, authority, mail: false })
}

/// Where the authority ends that begins at `begin`, of a URL that begins at `start`. Within quotes (an
/// attribute of HTML) browsers drop tabs and line breaks: there they are a part of it.
fn authority_end(text: &str, begin: usize, start: usize, limit: usize) -> usize {
    let bytes = text.as_bytes();
    let end = limited(text, begin, limit, |byte| ends_authority(byte) && byte != b'\\');
    let quote = start.checked_sub(1).and_then(|before| bytes.get(before)).filter(|byte| b"\"'".contains(byte));
    match (bytes.get(end), quote) {
        (Some(b'\t' | b'\r' | b'\n'), Some(quote)) => {
            let closes = |byte: u8| byte == *quote || b"/?#<> ".contains(&byte);
            let further = limited(text, end, limit, closes);
            if bytes.get(further).is_some_and(|byte| *byte != b' ') { further } else { end }
        }
        _ => end,
    }
}

/// The domain of the address around the `@` at `at`, and where the address stands.
fn email(text: &str, at: usize) -> Option<(Range<usize>, &str)> {
    let bytes = text.as_bytes();
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(byte) || *byte >= 0x80;
    let local = bytes.get(at.saturating_sub(MAX_LOCAL)..at)?.iter().rev().take_while(|byte| is_local(byte)).count();
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte) || byte >= 0x80;
    let end = end_of(bytes, at + 1, |byte| !is_domain(byte));
    let domain = text.get(at + 1..end)?.trim_end_matches(['.', '-']);
    let start = text.floor_char_boundary(at - local);
    (local > 0 && domain.contains('.')).then_some((start..at + 1 + domain.len(), domain))
}

/// A text that could be a host, with or without a port and a path, and nothing else.
fn is_bare(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.len() <= MAX_BARE && !text.contains("://") && !text.contains(char::is_whitespace) && {
        let host = host_of(bare_host(text));
        looks_like_host(host)
            && (host.contains(['.', ':', '%']) || host.eq_ignore_ascii_case("localhost") || !text.contains('/'))
    }
}

fn bare_host(text: &str) -> &str {
    text.trim().split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether the name of an argument says that its value is a host or a URL.
fn names_a_host(key: &str) -> bool {
    let key = key.to_lowercase();
    let mut words = key.split(|c: char| !c.is_alphanumeric());
    HOST_WORDS.iter().any(|word| key.ends_with(word)) || words.any(|word| HOST_WORDS.contains(&word))
}

/// The host of an authority as it reads, without user and port.
fn host_of(authority: &str) -> &str {
    let place = authority.rsplit('@').next().unwrap_or(authority);
    if place.starts_with('[') {
        return place.find(']').and_then(|end| place.get(..=end)).unwrap_or(place);
    }
    place.split(':').next().unwrap_or(place)
}

fn looks_like_host(host: &str) -> bool {
    let bracketed = host.starts_with('[');
    !host.is_empty()
        && host.chars().all(|c| c.is_alphanumeric() || ".-_%".contains(c) || (bracketed && "[]:".contains(c)))
        && host.contains(char::is_alphanumeric)
}

/// A name with a top-level domain, or an address.
fn is_dotted(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if host.starts_with('[') {
        return host.contains(':');
    }
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    let name = last.chars().all(|c| c.is_alphabetic() || c == '-') || last.starts_with("xn--");
    (name && last.chars().count() >= 2) || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Without what belongs to the sentence, not to the host.
fn trimmed(authority: &str) -> &str {
    authority.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ']' && c != '%')
}

fn preceded_by(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> bool {
    at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|byte| is(*byte))
}

/// The end of what begins at `from`. All that ends anything is ASCII, so it is a character boundary.
fn end_of(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from.min(bytes.len()) + rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len())
}

/// The same, at most `limit` bytes on. A host that is cut off is read as one that is on no list.
fn limited(text: &str, from: usize, limit: usize, ends: impl Fn(u8) -> bool) -> usize {
    let window = text.as_bytes().get(..from.saturating_add(limit)).unwrap_or(text.as_bytes());
    text.floor_char_boundary(end_of(window, from, ends)).max(from)
}

fn ends_url(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | 0x7f)
}

fn ends_authority(byte: u8) -> bool {
    ends_url(byte) || matches!(byte, b'/' | b'?' | b'#' | b'\\' | b')' | b',' | b'|')
}

/// In order, and what touches put together.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.arrange_by_key(|range| range.start);
    ranges.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    ranges
}

/// Schemes of the web: their URLs are read without regard to how many slashes there are (WHATWG URL, "special").
const WEB: [&str; 5] = ["https", "http", "wss", "ws", "ftp"];

/// Other schemes whose authority is a host, however it is named.
const NETWORK: [&str; 42] = [
    "amqp",
    "amqps",
    "caldav",
    "carddav",
    "cassandra",
    "coap",
    "coaps",
    "dict",
    "docker",
    "finger",
    "ftps",
    "git",
    "gopher",
    "grpc",
    "grpcs",
    "imap",
    "imaps",
    "irc",
    "ircs",
    "ldap",
    "ldaps",
    "mongodb",
    "mqtt",
    "mqtts",
    "mysql",
    "nats",
    "nfs",
    "pop3",
    "postgres",
    "postgresql",
    "redis",
    "rediss",
    "rsync",
    "rtmp",
    "rtsp",
    "sftp",
    "sip",
    "smb",
    "smtp",
    "ssh",
    "tcp",
    "telnet",
];

/// What an argument that takes a host or a URL is called, or the end of it.
const HOST_WORDS: [&str; 22] = [
    "addr",
    "address",
    "base",
    "callback",
    "destination",
    "domain",
    "endpoint",
    "host",
    "hostname",
    "href",
    "link",
    "origin",
    "proxy",
    "redirect",
    "remote",
    "server",
    "site",
    "src",
    "uri",
    "url",
    "webhook",
    "website",
];

/// Longest scheme that is read, in bytes.
const MAX_SCHEME: usize = 24;
/// Longest text taken for a host or a URL without a scheme, in bytes.
const MAX_BARE: usize = 2048;
/// Longest authority that is read, in bytes: a host has 253 characters, a token before it some hundred.
const MAX_AUTHORITY: usize = 1024;
/// The same where there is only a host.
const MAX_HOST: usize = 260;
/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Document, Limits, quote};

    fn egress(emails: bool) -> Egress {
        let allow = ["example.com", "*.example.com", "10.0.0.0/8"].map(str::to_owned).to_vec();
        let config = EgressConfig { allow, arguments: true, result: true, emails, action: EgressAction::Block };
        Egress::compile(&config, "").unwrap()
    }

    /// What is found, as it reads.
    fn found(egress: &Egress, key: &str, text: &str) -> Vec<String> {
        let json = format!("{{{}:{}}}", quote(key), quote(text));
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        let mut out = Vec::new();
        egress.strangers(document.root(), |_, ranges| {
            out.extend(ranges.into_iter().map(|range| text.get(range).unwrap().to_owned()));
        });
        out
    }

    #[test]
    fn hosts_that_are_allowed() {
        for text in [
            "see https://example.com/a?b, http://A.EXAMPLE.com. (https://a.b.example.com)",
            "ws://example.com:8080/x, postgres://u:p@db.example.com/x and git+ssh://git@a.example.com/x",
            "http://10.1.2.3/ https:\\\\example.com",
            "[link](https://example.com/x) ![i](//a.example.com/i.png) www.example.com",
            "<a href=\"https://example.com\">x</a>",
            "https%3A%2F%2Fexample.com%2Fx",
            "mailto:me@example.com",
            "note://internal/5 file:///etc/hosts ui://weather/app.html urn:isbn:1 data:text/plain,x",
            "a/b // comment //TODO c:\\dir\\file 12:30 http: https:// key: value \\d+\\s",
            "notes.txt main.rs 1.2.3 node.js/express",
        ] {
            assert_eq!(found(&egress(false), "text", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn hosts_that_are_not() {
        for (text, expected) in [
            ("see https://evil.test/a?b=c, or", "https://evil.test/a?b=c,"),
            ("![x](https://evil.test/i.png?d=1)", "https://evil.test/i.png?d=1)"),
            ("![x](//evil.test/i.png)", "//evil.test/i.png)"),
            ("<img src=//evil.test/x>", "//evil.test/x"),
            ("https://example.com@evil.test/", "https://example.com@evil.test/"),
            ("https://evil.test#@example.com", "https://evil.test#@example.com"),
            ("https://example.com\\@evil.test/", "https://example.com\\@evil.test/"),
            ("https://evil.test\\.example.com/", "https://evil.test\\.example.com/"),
            ("https://example.com.evil.test/", "https://example.com.evil.test/"),
            ("https://exаmple.com/", "https://exаmple.com/"),
            ("HTTPS:evil.test", "HTTPS:evil.test"),
            ("https:/\\evil.test/x", "https:/\\evil.test/x"),
            ("https:///evil.test", "https:///evil.test"),
            ("xhttps://evil.test", "xhttps://evil.test"),
            ("http://2130706433/", "http://2130706433/"),
            ("http://0x0a000001/ 11.0.0.1", ""),
            ("http://012.0.0.1/", "http://012.0.0.1/"),
            ("http://[::1]/", "http://[::1]/"),
            ("http://localhost:9/x", "http://localhost:9/x"),
            ("jdbc:mysql://db/x", "mysql://db/x"),
            ("x://host.test/", "x://host.test/"),
            ("www.evil.test/x", "www.evil.test/x"),
            ("open \\\\evil.test\\share\\x", "\\\\evil.test\\share\\x"),
            ("file://evil.test/x", "file://evil.test/x"),
            ("mailto:x@evil.test?body=1", "mailto:x@evil.test?body=1"),
            ("https%3A%2F%2Fevil.test%2Fx", "https%3A%2F%2Fevil.test%2Fx"),
            ("https&#58;//evil.test", "https&#58;//evil.test"),
            ("aHR0cHM6Ly9ldmlsLnRlc3QvYWJj", "aHR0cHM6Ly9ldmlsLnRlc3QvYWJj"),
            ("<a href=\"https://example.com\n.evil.test/\">", "https://example.com\n.evil.test/"),
            ("https://example.com/?u=https://evil.test/", "https://evil.test/"),
            ("https://ex%61mple.com/", "https://ex%61mple.com/"),
        ] {
            let all = found(&egress(false), "text", text);
            assert_eq!(all.first().map_or("", String::as_str), expected, "{text}: {all:?}");
        }
    }

    #[test]
    fn bare_hosts_where_an_argument_says_so() {
        for (key, text, expected) in [
            ("url", "evil.test/x", true),
            ("webhook_url", "evil.test", true),
            ("baseUrl", "evil.test", true),
            ("hostname", "localhost", true),
            ("host", "0x7f000001", true),
            ("host", "[::1]:80", true),
            ("server-address", "11.0.0.1:22", true),
            ("host", "example.com:443", false),
            ("host", "10.1.2.3", false),
            ("name", "evil.test", false),
            ("url", "/relative/path", false),
            ("url", "two words", false),
            ("address", "12 Main Street", false),
            ("curly", "evil.test", false),
        ] {
            assert_eq!(!found(&egress(false), key, text).is_empty(), expected, "{key} {text}");
        }
    }

    #[test]
    fn domains_of_mail_by_option() {
        let text = "to: a.b@evil.test, c@example.com";
        assert_eq!(found(&egress(false), "to", text), [""; 0]);
        assert_eq!(found(&egress(true), "to", text), ["a.b@evil.test"]);
    }

    #[test]
    fn the_work_is_linear() {
        for unit in ["a:", "//", "\\\\", "https://", "https:", "www.", "@", "a@a.a", "\"http:\t", "mailto:@"] {
            let text = unit.repeat(200_000 / unit.len());
            assert!(found(&egress(true), "text", &text).len() <= text.len());
        }
    }
}
