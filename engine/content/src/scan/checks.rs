//! Checks of a found secret: entropy, checksums, placeholders.

use std::sync::LazyLock;

use super::literals::Literals;
use super::rule::Check;

/// True if `secret` passes `check`.
pub(super) fn holds(check: Check, secret: &[u8]) -> bool {
    match check {
        Check::Crc32Base62 => crc32_base62(secret),
        Check::Luhn => luhn(secret),
        Check::Digit => secret.iter().any(u8::is_ascii_digit),
        Check::Letter => secret.iter().any(u8::is_ascii_alphabetic),
        Check::MixedCase => secret.iter().any(u8::is_ascii_lowercase) && secret.iter().any(u8::is_ascii_uppercase),
        // Depends on the direction: looked at when the finding is made.
        Check::NotDocumented => true,
        Check::NotWords => !super::generic::is_words(secret),
        Check::NotPlaceholder => !is_placeholder(secret) && !is_dummy(secret),
    }
}

/// Shannon entropy in bits per byte: 0 for the empty text, at most 8.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    let sum: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            share * share.log2()
        })
        .sum();
    -sum
}

/// True if a text that stands where a secret would is none: a template, a repeated character, one
/// of the words people write instead.
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    let mut trimmed = text.trim_ascii();
    while let [b'\'' | b'"', rest @ ..] = trimmed {
        trimmed = rest;
    }
    if trimmed.is_empty() || is_template(trimmed) {
        return true;
    }
    let distinct = distinct(trimmed);
    if distinct <= 2 || (trimmed.len() >= 16 && distinct <= 4) {
        return true;
    }
    if trimmed.windows(5).any(|five| matches!(five, [a, rest @ ..] if matches!(a, b'x' | b'X' | b'*' | b'.' | b'-' | b'#' | b'?') && rest.iter().all(|b| b == a))) {
        return true;
    }
    PLACEHOLDERS.is_in(trimmed)
}

/// True for the words documentation writes where a password goes.
fn is_dummy(text: &[u8]) -> bool {
    DUMMIES.iter().any(|dummy| text.eq_ignore_ascii_case(dummy.as_bytes()))
}

/// True for the login that documentation puts into a URL: `user:password`, `foo:bar`. A real name with a poor
/// password is none.
pub(super) fn is_example_login(user: &[u8], password: &[u8]) -> bool {
    let within = |list: &[&str], text: &[u8]| list.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    within(EXAMPLE_USERS, user) && (is_dummy(password) || within(EXAMPLE_PASSWORDS, password))
}

/// True if a token is filled up with `x` or `*`, as in documentation.
pub(super) fn is_filler(text: &[u8]) -> bool {
    text.windows(8)
        .any(|run| matches!(run, [first @ (b'x' | b'X' | b'*'), rest @ ..] if rest.iter().all(|byte| byte == first)))
}

/// True for the notations of templates and variables: `${X}`, `{{x}}`, `<x>`, `%(x)s`, `$X`, `#{x}`, `[x]`.
pub(super) fn is_template(text: &[u8]) -> bool {
    matches!(
        text,
        [b'<', .., b'>'] | [b'[', .., b']'] | [b'{', .., b'}'] | [b'%', .., b'%'] | [b'_', b'_', .., b'_', b'_']
    ) || matches!(text, [b'$', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'_' | b'{' | b'(' ))
        || text.windows(2).any(|two| matches!(two, [b'$' | b'#', b'{'] | b"{{" | b"%(" | b"$(" | b"<%"))
        || text.len() < 12 && text.windows(2).any(|two| two == b"%s")
}

/// True if `word` stands in `text`, without regard to ASCII case.
pub(super) fn contains_folded(text: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// How many different bytes there are.
pub(super) fn distinct(text: &[u8]) -> u32 {
    let mut seen = [0_u64; 4];
    for byte in text {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    seen.iter().map(|word| word.count_ones()).sum()
}

/// GitHub's and npm's token checksum: the CRC-32 of what stands between the prefix's last `_` and
/// the last six characters, written in base 62 as those six.
/// Source: GitHub blog, "Behind GitHub's new authentication token formats", 2021.
fn crc32_base62(token: &[u8]) -> bool {
    let body = match token.iter().rposition(|byte| *byte == b'_') {
        Some(at) => token.get(at + 1..).unwrap_or_default(),
        None => token,
    };
    let Some((random, sum)) = body.len().checked_sub(6).and_then(|at| body.split_at_checked(at)) else { return false };
    let mut value = crc32(random);
    let mut expected = [b'0'; 6];
    for place in expected.iter_mut().rev() {
        *place = BASE62.get((value % 62) as usize).copied().unwrap_or(b'0');
        value /= 62;
    }
    expected == sum
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

/// ISO/IEC 7812-1, annex B.
fn luhn(text: &[u8]) -> bool {
    let digits: Vec<u32> =
        text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    digits.len() > 1 && sum.is_multiple_of(10)
}

/// Decodes base64url or base64, padding optional; `None` where another character stands. At most
/// `limit` bytes are decoded.
pub(super) fn base64(text: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit.min(text.len()));
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.iter().filter(|byte| **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            if out.len() >= limit {
                break;
            }
        }
    }
    Some(out)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const DUMMIES: &[&str] = &[
    "password", "pass", "passwd", "pwd", "secret", "token", "key", "apikey", "api_key", "test", "pw", "username",
    "user",
];

/// Names of users that stand for any.
const EXAMPLE_USERS: &[&str] = &[
    "user",
    "username",
    "usr",
    "login",
    "name",
    "foo",
    "nobody",
    "someone",
    "me",
    "alice",
    "bob",
    "joe",
    "usuario",
    "utilisateur",
    "benutzer",
    "utente",
    "test",
    "u",
];

/// Passwords that stand for any.
const EXAMPLE_PASSWORDS: &[&str] =
    &["passw", "word", "bar", "baz", "passphrase", "mypassword", "contraseña", "passwort", "p", "passwd1"];

/// Words that stand in what is no secret.
static PLACEHOLDERS: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(
        [
            "example",
            "changeme",
            "change_me",
            "change-me",
            "placeholder",
            "your_",
            "your-",
            "yourpass",
            "yourtoken",
            "yourkey",
            "yoursecret",
            "redacted",
            "dummy",
            "insert",
            "replace",
            "todo",
            "fixme",
            "undefined",
            "xxxx",
            "****",
            "<your",
            "not_set",
            "notset",
            "sample",
            "fakekey",
            "my_secret",
            "my-secret",
            "mysecret",
            "my_token",
            "my-token",
            "my_api",
            "my-api",
            "enter_",
            "secret_here",
            "key_here",
            "token_here",
            "removed",
            "hidden",
            "filtered",
            "masked",
        ]
        .iter(),
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_the_ieee_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn luhn_accepts_and_refuses() {
        assert!(luhn(b"4111 1111 1111 1111"));
        assert!(!luhn(b"4111 1111 1111 1112"));
    }

    #[test]
    fn entropy_is_in_bits_per_byte() {
        assert!(entropy(b"").abs() < 1e-9);
        assert!(entropy(b"aaaa").abs() < 1e-9);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
    }

    #[test]
    fn placeholders() {
        for text in [
            "${TOKEN}",
            "<token>",
            "xxxxxxxxxxxx",
            "your_api_key",
            "{{ secret }}",
            "********",
            "$PASSWORD",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        assert!(!is_placeholder(b"kT9!vQ2#mZ7x"));
    }

    #[test]
    fn decodes_both_alphabets() {
        assert_eq!(base64(b"eyJhIjoxfQ", 64).unwrap(), br#"{"a":1}"#);
        assert_eq!(base64(b"-_+/", 64).unwrap(), base64(b"+/-_", 64).unwrap());
        assert_eq!(base64(b"a b", 64), None);
    }
}
