//! Addresses of electronic mail, RFC 5322 `dot-atom` and RFC 6531: what is really written, not all that is allowed.

use std::ops::Range;

/// Finds the addresses in `text`; returns how many steps that took.
pub(super) fn find(text: &str, mut found: impl FnMut(Range<usize>)) -> u64 {
    let bytes = text.as_bytes();
    let mut steps = 0;
    for at in memchr::memchr_iter(b'@', bytes) {
        let before = bytes.get(..at).unwrap_or_default();
        let local = before.iter().rev().take(LOCAL + 1).take_while(|byte| is_local(**byte)).count();
        steps += local as u64 + 1;
        if local == 0 || local > LOCAL || !bytes.get(at + 1).is_some_and(|byte| is_domain(*byte)) {
            continue;
        }
        let mut start = at - local;
        // Quotes and dots around an address are not part of it.
        while bytes.get(start).is_some_and(|byte| b".'-/=?&+!#%*|`{}~^$".contains(byte)) && start < at {
            start += 1;
        }
        if !text.is_char_boundary(start) {
            continue;
        }
        // A path, or the user of a URL, stands before many things that look like it.
        let name = bytes.get(start..at).unwrap_or_default();
        let name = match name.iter().rposition(|byte| b"/=?&:|".contains(byte)) {
            Some(last) => {
                start += last + 1;
                name.get(last + 1..).unwrap_or_default()
            }
            None => name,
        };
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let length = rest.iter().take(DOMAIN).take_while(|byte| is_domain(**byte)).count();
        steps += length as u64;
        let domain = trimmed(rest.get(..length).unwrap_or_default());
        let end = at + 1 + domain.len();
        let after = bytes.get(end..).unwrap_or_default();
        if is_name(name) && is_host(domain) && !is_remote(bytes, start, name, after) && text.is_char_boundary(end) {
            found(start..end);
        }
    }
    steps
}

/// True for the user of a machine or a repository: `git@host:path`, `ssh://user@host`, `user:password@host`.
fn is_remote(bytes: &[u8], start: usize, name: &[u8], after: &[u8]) -> bool {
    let before = bytes.get(start.saturating_sub(3)..start).unwrap_or_default();
    let repository = matches!(after, [b':', next, ..] if next.is_ascii_alphabetic() || *next == b'/');
    before.ends_with(b"://")
        || (before.ends_with(b":")
            && before.len() > 1
            && !before.ends_with(b"o:")
            && !before.ends_with(b"l:")
            && after.first() == Some(&b'/'))
        || repository && !after.starts_with(b": ")
        || ROBOTS.iter().any(|robot| name.eq_ignore_ascii_case(robot.as_bytes()))
}

/// True for a local part that a person may have.
fn is_name(name: &[u8]) -> bool {
    let alphanumeric =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80 || *byte == b'_');
    !name.is_empty()
        && alphanumeric(name.first())
        && name.last() != Some(&b'.')
        && !name.windows(2).any(|two| two == b"..")
}

/// True for a host name with a top-level domain.
fn is_host(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let Some(top) = labels.next() else { return false };
    let mut rest = labels.peekable();
    let punycode = top.len() > 4 && top.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"xn--"));
    let unicode = top.iter().any(|byte| *byte >= 0x80);
    let plain = (2..=18).contains(&top.len()) && top.iter().all(u8::is_ascii_alphabetic);
    (punycode || unicode || plain)
        && !FILES.iter().any(|file| top.eq_ignore_ascii_case(file.as_bytes()))
        && rest.peek().is_some()
        && rest.all(|label| {
            !label.is_empty() && label.len() <= 63 && label.first() != Some(&b'-') && label.last() != Some(&b'-')
        })
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b".!#$%&'*+/=?^_`{|}~-:".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'.' || byte == b'-'
}

/// Without what ends a sentence, and without text in another script behind an ASCII domain.
fn trimmed(domain: &[u8]) -> &[u8] {
    let mut domain = domain;
    if domain.first().is_some_and(u8::is_ascii) {
        let ascii = domain.iter().position(|byte| *byte >= 0x80).unwrap_or(domain.len());
        let (head, tail) = domain.split_at_checked(ascii).unwrap_or((domain, &[]));
        if !tail.is_empty() && head.last() != Some(&b'.') {
            domain = head;
        }
    }
    while let [rest @ .., b'.' | b'-'] = domain {
        domain = rest;
    }
    domain
}

/// The longest local part, RFC 5321 section 4.5.3.1.1.
const LOCAL: usize = 64;

/// The longest domain, RFC 5321 section 4.5.3.1.2.
const DOMAIN: usize = 255;

/// Names behind which there is no person.
const ROBOTS: &[&str] = &["git", "noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon"];

/// Endings of files, packages and reserved names that are no top-level domains of addresses.
const FILES: &[&str] = &[
    "js",
    "ts",
    "jsx",
    "tsx",
    "json",
    "yaml",
    "yml",
    "lock",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "css",
    "html",
    "txt",
    "local",
    "localhost",
    "internal",
    "invalid",
    "test",
    "example",
    "localdomain",
    "git",
    "service",
    "target",
    "socket",
    "timer",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        find(text, |range| found.push(text.get(range).unwrap()));
        found
    }

    #[test]
    fn finds_addresses() {
        assert_eq!(
            all("Write to <ana.lopez@mail.example.org>, or bo+x@a-b.io."),
            ["ana.lopez@mail.example.org", "bo+x@a-b.io"]
        );
        assert_eq!(all("mailto:kim@firma.de?subject=x"), ["kim@firma.de"]);
        assert_eq!(all("联系li@mail.cn吧"), ["联系li@mail.cn"]);
        assert_eq!(all("x@xn--80ak6aa92e.com"), ["x@xn--80ak6aa92e.com"]);
    }

    #[test]
    fn leaves_what_is_none() {
        for text in [
            "git@github.com:a/b",
            "lodash@4.17.21",
            "@types/node@22.1.0",
            "ssh://me@host.example.com/x",
            "a@b",
            "noreply@mail.com",
            "@Component.class",
            "icon@2x.png",
            "user@host.",
            "..@a.com",
        ] {
            assert_eq!(all(text), [""; 0], "{text}");
        }
    }
}
