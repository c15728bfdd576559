//! Credentials without a format: a name that promises one, and a value that looks like one.
//!
//! `DB_PASSWORD=…`, `"api_key": "…"`, `setProperty("TOKEN", "…")`, `--token …`, `?token=…`. Names
//! are looked at because random strings are everywhere (hashes, ids, pictures), and only those that
//! something calls a key, a token or a password are secrets.

use std::ops::Range;
use std::sync::LazyLock;

use super::assignment::{Assignment, Link, word_end};
use super::checks::{distinct, entropy, is_placeholder, is_template};
use super::literals::Literals;
use super::rule::Matcher;

/// Reads a value joined to the name: `acme-secret-9f8e…`. Only a long mixture counts.
/// `known` is where no value was found behind another hit: the parts of a name that begin there are not looked at again.
pub(super) fn joined<'t>(text: &'t [u8], hit: Range<usize>, known: &mut Range<usize>) -> Option<Assignment<'t>> {
    let hit = hit.start..word_end(text, &hit);
    let sign = |byte: &u8| matches!(byte, b'_' | b'-');
    let goes_on = known.start <= hit.end && hit.end < known.end;
    let mut start = if goes_on { known.end } else { hit.end };
    let most = (hit.end + MAX_JOINED).saturating_sub(start);
    let end = start + forth(text, start, most, |byte| byte.is_ascii_alphanumeric() || sign(&byte));
    let first = if goes_on { known.start } else { hit.end };
    if !goes_on {
        start += text.get(start..end)?.iter().position(sign)? + 1;
    }
    // Only where no sign stands in so many bytes a part is long enough.
    let found = loop {
        let rest = text.get(start..end).unwrap_or_default();
        let Some(window) = rest.get(..LONG) else {
            *known = first..start;
            break end.checked_sub(UUID).filter(|at| {
                *at > hit.end && text.get(at - 1).is_some_and(sign) && text.get(*at..end).is_some_and(is_uuid)
            })?;
        };
        if let Some(last) = window.iter().rposition(sign) {
            start += last + 1;
            continue;
        }
        let part = rest.split(sign).next()?;
        let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits >= 4 && digits < part.len() {
            break start;
        }
        if part.len() == rest.len() {
            // It may go on behind what was looked at.
            *known = first..start;
            return None;
        }
        start += part.len() + 1;
    };
    let range = found..end;
    Some(Assignment {
        name: text.get(hit.start..range.start)?,
        keyword_end: hit.end - hit.start,
        value: text.get(range.clone())?,
        range,
        link: Link::Tight,
        quoted: false,
    })
}

/// True if a short keyword is a word of its own within the name: `api_key`, `apiKey`, not `monkey`.
pub(super) fn is_component(text: &[u8], hit: &Range<usize>) -> bool {
    let keyword = text.get(hit.clone()).unwrap_or_default();
    keyword.len() > 4 || begins_word(text, hit.start)
}

/// An assignment, and what several rules ask about it.
pub(super) struct Reading<'t> {
    pub(super) assignment: Assignment<'t>,
    plausible: Option<bool>,
    random: Option<bool>,
    entropy: Option<f64>,
}

impl<'t> Reading<'t> {
    pub(super) fn of(assignment: Assignment<'t>) -> Self {
        Self { assignment, plausible: None, random: None, entropy: None }
    }

    /// True if the value is a credential of the kind the rule looks for. What is cheap to ask is asked first.
    pub(super) fn is_credential(&mut self, matcher: Matcher, floor: f64) -> bool {
        let longest = match matcher {
            Matcher::Password => MAX_PASSWORD,
            Matcher::Named => MAX_NAMED,
            _ => MAX_VALUE,
        };
        let length = self.assignment.value.len();
        if length < 5 || length > longest {
            return false;
        }
        match matcher {
            Matcher::Password => self.is_plausible() && password(&self.assignment),
            Matcher::Token => self.token(floor),
            Matcher::Named => self.named(floor),
            _ => false,
        }
    }

    fn is_plausible(&mut self) -> bool {
        let a = &self.assignment;
        *self.plausible.get_or_insert_with(|| {
            !names_something_else(a)
                && (!is_placeholder(a.value) || is_dense(a.value))
                && (a.quoted || !is_code_name(a.value))
        })
    }

    fn is_random(&mut self) -> bool {
        let value = self.value();
        *self.random.get_or_insert_with(|| random(value))
    }

    fn entropy(&mut self) -> f64 {
        let value = self.value();
        *self.entropy.get_or_insert_with(|| entropy(value))
    }

    /// The value without the scheme in front of it.
    fn value(&self) -> &'t [u8] {
        strip_scheme(self.assignment.value)
    }

    fn token(&mut self, floor: f64) -> bool {
        let value = self.value();
        let (link, quoted) = (self.assignment.link, self.assignment.quoted);
        let least = match link {
            Link::Member | Link::Tight | Link::Operator => 10,
            Link::Argument | Link::Space => 16,
        };
        // Short and hexadecimal values cannot reach the entropy of long ones of a large alphabet.
        let enough = if value.len() < 16 || is_hex(value) { floor.min(2.8) } else { floor };
        value.len() >= least
            && (link != Link::Space || quoted || has_digit(value) && value.len() >= 20)
            && self.entropy() >= enough
            && !is_hashed(value)
            && self.is_plausible()
            && self.is_random()
    }

    fn named(&mut self, floor: f64) -> bool {
        let value = self.value();
        // The whole name is the service, or the service and a word for a key.
        value.len() >= 16
            && value.len() <= 200
            && (self.assignment.quoted || self.assignment.link != Link::Space || is_bare_token(value))
            && has_digit(value)
            && self.entropy() >= floor
            && !is_uuid(value)
            && self.is_plausible()
            && self.is_random()
    }
}

fn password(a: &Assignment<'_>) -> bool {
    let value = a.value;
    if value.iter().any(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()) {
        return false;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    if a.link == Link::Space && !a.quoted && !a.name.starts_with(b"-") {
        // `machine … password 012abc`, `the password is 0!2abC`: too little of a sign for anything but a mixture.
        let plain = value.iter().all(u8::is_ascii_alphanumeric);
        let signs = value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!@#$%^&*+?=~".contains(byte));
        return value.len() >= 8
            && digits > 0
            && digits < value.len()
            && (plain && (digits >= 3 || value.len() >= 12 && kinds(value) >= 3 && is_gibberish(value))
                || signs && kinds(value) == 4 && !value.ends_with(b"?") && !looks_like_code(value));
    }
    if value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && value.contains(&b'.')
        || is_hashed(value)
        || is_weak(value)
    {
        return false;
    }
    if looks_like_code(value)
        || is_path_or_url(value)
        || is_word(value)
        || COMMON.is_in(value) && value.len() < 12 && !has_digit(value)
    {
        return false;
    }
    let kinds = kinds(value);
    match (a.link, a.quoted) {
        (Link::Space, _) => kinds >= 3 && value.len() >= 8,
        (Link::Argument, _) => kinds >= 2 && value.len() >= 8 && has_digit(value),
        (_, true) => kinds >= 2 && !is_identifier(value) || value.len() >= 8 && is_gibberish(value),
        (_, false) => kinds >= 2 && has_digit(value) && !is_dotted(value) || value.len() >= 10 && is_gibberish(value),
    }
}

/// True for what a machine made: neither words nor code, and of the letters tokens are made of.
fn random(value: &[u8]) -> bool {
    if is_dense(value) {
        return true;
    }
    if !value.iter().all(|byte| byte.is_ascii_graphic())
        || looks_like_code(value)
        || is_path_or_url(value)
        || is_dotted(value)
    {
        return false;
    }
    if value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':' | b'/' | b'+')) {
        return value.len() >= 24 && distinct(value) >= 6 && value.iter().all(u8::is_ascii_digit);
    }
    if is_date(value) {
        return false;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return value.split(|byte| matches!(byte, b'_' | b'-' | b'.')).any(is_gibberish);
    }
    // `my-service-key-1`, `handler_v2`, `my-feature-2026-01-31`: words with a number or a date.
    let plain = dateless(value);
    !(is_words(plain) && (plain.len() < value.len() || digits * 4 < value.len()))
}

/// Every kind of character, and hardly one twice: chance puts the signs of code into such a value (`SECRET_KEY = "…"`).
fn is_dense(value: &[u8]) -> bool {
    (30..=128).contains(&value.len())
        && value.iter().all(u8::is_ascii_graphic)
        && kinds(value) == 4
        && entropy(value) >= 4.5
        && !is_path_or_url(value)
        && !value.windows(2).any(|two| matches!(two, b"${" | b"{{" | b"#{" | b"<%" | b"=>" | b"->"))
        && value.split(|byte| !byte.is_ascii_alphabetic()).all(|part| part.len() < 6 || is_gibberish(part))
}

/// Without a date at the end (`-2026-01-31`).
fn dateless(value: &[u8]) -> &[u8] {
    match value.split_at_checked(value.len().saturating_sub(11)) {
        Some((head, [b'-' | b'_', date @ ..])) if is_day(date) => head,
        _ => value,
    }
}

fn is_day(date: &[u8]) -> bool {
    date.len() == 10
        && date
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
}

/// Letters and at least four digits, not hexadecimal: what stands behind a name without any sign.
fn is_bare_token(value: &[u8]) -> bool {
    value.len() >= 20
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && value.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
        && !is_hex(value)
}

/// The output of crypt(3), bcrypt, argon2: `$2a$…`, `$6$…`.
fn is_hashed(value: &[u8]) -> bool {
    match value.strip_prefix(b"$").and_then(|rest| rest.iter().position(|byte| *byte == b'$').map(|at| (rest, at))) {
        Some((_, at)) => (1..=10).contains(&at),
        None => false,
    }
}

/// A short word and digits that stand in every test: `test1`, `admin123`.
fn is_weak(value: &[u8]) -> bool {
    let word = value.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(value.len());
    value.len() < 9
        && WEAK.iter().any(|weak| value.get(..word).is_some_and(|word| word.eq_ignore_ascii_case(weak.as_bytes())))
        && value.get(word..).is_some_and(|rest| rest.iter().all(u8::is_ascii_digit))
}

/// Names that hold a keyword but mean another thing: `token_url`, `password_length`, `public_key`, `primary_key`.
fn names_something_else(a: &Assignment<'_>) -> bool {
    let suffix = a.name.get(a.keyword_end..).unwrap_or_default();
    let last = suffix.rsplit(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    let tail = |word: &&str| {
        let word = word.as_bytes();
        last.len() >= word.len()
            && last.get(last.len() - word.len()..).is_some_and(|end| end.eq_ignore_ascii_case(word))
            && (last.len() == word.len() || last.get(last.len() - word.len()).is_some_and(u8::is_ascii_uppercase))
    };
    !last.is_empty() && SUFFIXES.iter().any(tail)
        || NAMES.is_in(a.name)
        || PARTS.iter().any(|part| has_part(a.name, part.as_bytes()))
}

/// Whether a name holds `part` with its first letter at the beginning of a word: `next_page`, `nextPage`, not `homepage`.
fn has_part(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).enumerate().any(|(at, window)| window.eq_ignore_ascii_case(part) && begins_word(name, at))
}

fn begins_word(text: &[u8], at: usize) -> bool {
    match (at.checked_sub(1).and_then(|before| text.get(before)), text.get(at)) {
        (Some(before), Some(first)) => {
            !before.is_ascii_alphabetic() || before.is_ascii_lowercase() && first.is_ascii_uppercase()
        }
        _ => true,
    }
}

/// The credential of `Bearer x`, `Basic x`, `token x`, `oauth2:x`.
fn strip_scheme(value: &[u8]) -> &[u8] {
    SCHEMES
        .iter()
        .find_map(|scheme| {
            let (head, rest) = value.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
        })
        .unwrap_or(value)
}

fn looks_like_code(value: &[u8]) -> bool {
    is_template(value)
        || value.windows(2).any(|two| matches!(two, b"::" | b"->" | b"()" | b"=>" | b"&&" | b"||" | b"$." | b"\\u"))
        || value.iter().any(|byte| matches!(byte, b'(' | b')' | b'{' | b'}' | b'<' | b'>')) && !has_digit(value)
}

fn is_path_or_url(value: &[u8]) -> bool {
    if value.starts_with(b"/") || value.starts_with(b"./") || value.starts_with(b"../") || value.starts_with(b"~/") {
        return true;
    }
    if value.windows(3).any(|three| three == b"://") || value.windows(2).any(|two| two == b":\\") {
        return true;
    }
    let slashes = value.iter().filter(|byte| **byte == b'/').count();
    slashes > 0 && value.split(|byte| *byte == b'/').filter(|part| part.len() > 2).all(is_words)
        || value.contains(&b'.')
            && EXTENSIONS.is_in(value)
            && value.iter().rposition(|byte| *byte == b'.').is_some_and(|dot| value.len() - dot <= 6)
}

/// `a.b.c` of identifiers: an attribute, a host.
fn is_dotted(value: &[u8]) -> bool {
    value.contains(&b'.')
        && value
            .split(|byte| *byte == b'.')
            .all(|part| !part.is_empty() && is_words(part) && part.iter().all(|b| is_name(*b)))
}

fn is_identifier(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/'))
        && is_words(value)
}

/// `PKCS11_DEFAULT_PROMPT`, `BCryptSHA256PasswordHasher`, `keys.ed25519.PrivateKey`: at least two words of a name in source code.
fn is_code_name(value: &[u8]) -> bool {
    if !value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$'))
        || !value.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        || value.iter().filter(|byte| byte.is_ascii_digit()).count() * 5 > value.len()
    {
        return false;
    }
    // A word ends before a capital behind a small letter, and before a digit or a sign.
    let (mut words, mut inside, mut start) = (0, 0, 0);
    for at in 1..=value.len() {
        let (before, here) = (value.get(at - 1).copied().unwrap_or(0), value.get(at).copied().unwrap_or(0));
        let goes_on = before.is_ascii_alphabetic()
            && here.is_ascii_alphabetic()
            && !(before.is_ascii_lowercase() && here.is_ascii_uppercase());
        if goes_on {
            continue;
        }
        let word = value.get(start..at).unwrap_or_default();
        start = at;
        if word.len() >= 4
            && word.iter().all(u8::is_ascii_alphabetic)
            && word.iter().any(|byte| is_vowel(*byte))
            && !is_gibberish(word)
            && (word.len() > 5 || !has_odd_pair(word))
        {
            words += 1;
            inside += word.len();
        }
    }
    words >= 2 && inside * 10 >= value.len() * 6
}

/// One word, or words joined in the ways of identifiers, digits at the end allowed.
pub(super) fn is_words(value: &[u8]) -> bool {
    let mut rest = value;
    while let [head @ .., last] = rest {
        if !last.is_ascii_digit() {
            break;
        }
        rest = head;
    }
    let mut parts = 0;
    for part in rest.split(|byte| !byte.is_ascii_alphabetic()) {
        if part.is_empty() {
            continue;
        }
        parts += 1;
        if part.len() > 3 && is_gibberish(part)
            || part.len() > 24
            || part.len() > 4 && !part.iter().any(|byte| is_vowel(*byte))
        {
            return false;
        }
    }
    let digits = rest.iter().filter(|byte| byte.is_ascii_digit()).count();
    let mixed = rest.windows(2).filter(|two| matches!(two, [a, b] if a.is_ascii_alphabetic() && b.is_ascii_digit() || a.is_ascii_digit() && b.is_ascii_alphabetic())).count();
    parts > 0 && digits * 4 <= rest.len() && mixed < 4
}

fn is_word(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_alphabetic) && !is_gibberish(value)
}

/// True for letters no language strings together: rare pairs, long runs of consonants, jumping case.
fn is_gibberish(value: &[u8]) -> bool {
    let (mut letters, mut vowels, mut run, mut longest, mut jumps, mut odd, mut pairs) = (0_usize, 0, 0, 0, 0, 0, 0);
    let mut before = b' ';
    for byte in value {
        let lower = byte.to_ascii_lowercase();
        if lower.is_ascii_lowercase() {
            letters += 1;
            if is_vowel(lower) {
                vowels += 1;
                run = 0;
            } else {
                run += 1;
                longest = longest.max(run);
            }
            if before.is_ascii_lowercase() && byte.is_ascii_uppercase() {
                jumps += 1;
            }
            if before.is_ascii_alphabetic() {
                pairs += 1;
                if is_odd_pair(before.to_ascii_lowercase(), lower) {
                    odd += 1;
                }
            }
        } else {
            run = 0;
        }
        before = *byte;
    }
    if letters < 6 {
        return false;
    }
    longest >= 5 && odd > 0 || vowels * 6 < letters || jumps * 4 > letters || pairs > 0 && odd * 6 > pairs
}

fn has_odd_pair(word: &[u8]) -> bool {
    word.windows(2).any(|pair| matches!(pair, [a, b] if is_odd_pair(a.to_ascii_lowercase(), b.to_ascii_lowercase())))
}

fn is_vowel(byte: u8) -> bool {
    matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// Pairs of letters that are rare in words of English and its neighbours.
fn is_odd_pair(a: u8, b: u8) -> bool {
    match a {
        b'q' => b != b'u',
        b'j' | b'v' => !matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b's'),
        b'x' => !matches!(b, b'a' | b'e' | b'i' | b'o' | b'p' | b't' | b'c' | b'y' | b'x'),
        b'z' => !matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'z'),
        b'b' => {
            matches!(b, b'c' | b'd' | b'f' | b'g' | b'h' | b'k' | b'm' | b'n' | b'p' | b'q' | b'v' | b'w' | b'x' | b'z')
        }
        b'c' => matches!(b, b'b' | b'd' | b'f' | b'g' | b'j' | b'm' | b'n' | b'p' | b'v' | b'w' | b'x' | b'z'),
        b'd' => matches!(b, b'c' | b'f' | b'k' | b'p' | b'q' | b'x' | b'z' | b't' | b'h'),
        b'f' => matches!(
            b,
            b'b' | b'c' | b'd' | b'g' | b'h' | b'j' | b'k' | b'm' | b'n' | b'p' | b'q' | b'v' | b'w' | b'x' | b'z'
        ),
        b'g' => matches!(b, b'b' | b'c' | b'd' | b'f' | b'j' | b'k' | b'p' | b'q' | b'v' | b'w' | b'x' | b'z'),
        b'h' => matches!(b, b'b' | b'c' | b'd' | b'f' | b'g' | b'h' | b'j' | b'k' | b'p' | b'q' | b'v' | b'x' | b'z'),
        b'k' => matches!(b, b'b' | b'c' | b'd' | b'f' | b'g' | b'j' | b'm' | b'p' | b'q' | b't' | b'v' | b'x' | b'z'),
        b'l' => matches!(b, b'h' | b'j' | b'q' | b'r' | b'x' | b'z'),
        b'm' => {
            matches!(b, b'c' | b'd' | b'f' | b'g' | b'h' | b'j' | b'k' | b'q' | b'r' | b't' | b'v' | b'w' | b'x' | b'z')
        }
        b'n' => matches!(b, b'q' | b'x' | b'b' | b'p'),
        b'p' => {
            matches!(b, b'b' | b'c' | b'd' | b'f' | b'g' | b'j' | b'k' | b'm' | b'n' | b'q' | b'v' | b'w' | b'x' | b'z')
        }
        b'r' => matches!(b, b'j' | b'q' | b'x' | b'z'),
        b's' => matches!(b, b'g' | b'j' | b'r' | b'v' | b'x' | b'z' | b'd' | b'b'),
        b't' => matches!(b, b'b' | b'd' | b'f' | b'g' | b'j' | b'k' | b'n' | b'p' | b'q' | b'v' | b'x' | b'z'),
        b'w' => matches!(
            b,
            b'b' | b'c'
                | b'd'
                | b'f'
                | b'g'
                | b'j'
                | b'k'
                | b'm'
                | b'p'
                | b'q'
                | b't'
                | b'u'
                | b'v'
                | b'w'
                | b'x'
                | b'y'
                | b'z'
        ),
        b'y' => matches!(b, b'b' | b'f' | b'g' | b'h' | b'j' | b'k' | b'q' | b'u' | b'v' | b'w' | b'x' | b'y' | b'z'),
        b'a' => matches!(b, b'a' | b'j' | b'q' | b'o'),
        b'i' => matches!(b, b'h' | b'i' | b'j' | b'q' | b'u' | b'w' | b'y'),
        b'o' => matches!(b, b'j' | b'q' | b'z'),
        b'u' => matches!(b, b'h' | b'j' | b'k' | b'o' | b'q' | b'u' | b'v' | b'w' | b'x' | b'y' | b'z'),
        b'e' => matches!(b, b'h' | b'j' | b'z'),
        _ => false,
    }
}

/// How many of lower case, upper case, digits and others there are.
fn kinds(value: &[u8]) -> usize {
    let has = |test: fn(&u8) -> bool| usize::from(value.iter().any(test));
    has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit) + has(u8::is_ascii_punctuation)
}

fn has_digit(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
}

pub(super) fn is_hex(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_hexdigit)
}

/// RFC 9562: 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == UUID
        && value.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_date(value: &[u8]) -> bool {
    matches!(value, [b'1' | b'2', a, b, c, b'-', ..] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit())
        && value.contains(&b':')
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

pub(super) fn forth(text: &[u8], from: usize, most: usize, test: impl Fn(u8) -> bool) -> usize {
    let bytes = text.get(from..text.len().min(from + most)).unwrap_or_default();
    bytes.iter().position(|byte| !test(*byte)).unwrap_or(bytes.len())
}

/// The last word of a name that says its value is about a credential but is none.
const SUFFIXES: &[&str] = &[
    "url",
    "uri",
    "endpoint",
    "host",
    "name",
    "names",
    "id",
    "ids",
    "file",
    "filename",
    "path",
    "dir",
    "type",
    "types",
    "length",
    "len",
    "size",
    "count",
    "limit",
    "max",
    "min",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "timeout",
    "age",
    "field",
    "fields",
    "header",
    "prefix",
    "suffix",
    "policy",
    "policies",
    "regex",
    "pattern",
    "format",
    "label",
    "placeholder",
    "hint",
    "help",
    "message",
    "error",
    "errors",
    "enabled",
    "required",
    "valid",
    "exists",
    "class",
    "hash",
    "digest",
    "fingerprint",
    "checksum",
    "arn",
    "version",
    "algorithm",
    "alg",
    "method",
    "mode",
    "scope",
    "scopes",
    "provider",
    "manager",
    "service",
    "store",
    "storage",
    "index",
    "column",
    "table",
    "schema",
    "ref",
    "refs",
    "bucket",
    "usage",
    "budget",
    "kind",
    "status",
    "state",
    "created",
    "updated",
    "at",
    "date",
    "time",
    "position",
];

/// The like that end other words too: `homepage_token`, `admin_token`.
const PARTS: [&str; 2] = ["page", "n_token"];

/// Words in a name that make it no credential.
static NAMES: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(
        [
            "public",
            "primary",
            "foreign",
            "partition",
            "sort_key",
            "sortkey",
            "tokenizer",
            "tokenize",
            "csrf",
            "xsrf",
            "next_token",
            "nexttoken",
            "page_token",
            "pagetoken",
            "nextpage",
            "continuation",
            "cursor",
            "sync_token",
            "keyboard",
            "keyword",
            "monkey",
            "turkey",
            "hotkey",
            "checksum",
            "sha256",
            "sha1",
            "md5",
            "etag",
            "commit",
            "integrity",
            "thumbprint",
            "cache_key",
            "cachekey",
            "keyframe",
            "max_token",
            "num_token",
            "author",
            "translation",
            "mock",
            "dummy",
            "fake",
        ]
        .iter(),
    )
});

const WEAK: &[&str] =
    &["test", "pass", "admin", "user", "foo", "bar", "demo", "abc", "root", "guest", "value", "secret"];

const SCHEMES: &[&str] = &["bearer ", "basic ", "token ", "apikey ", "oauth2:", "oauth ", "digest ", "key=", "bot "];

/// Words so common in code and interfaces that a short value with one of them is no password.
static COMMON: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(
        ["password", "passwd", "secret", "string", "null", "none", "true", "false", "token", "optional", "required"]
            .iter(),
    )
});

static EXTENSIONS: LazyLock<Literals> = LazyLock::new(|| {
    Literals::new(
        [
            ".json", ".yml", ".yaml", ".txt", ".pem", ".key", ".crt", ".cer", ".p12", ".jks", ".js", ".ts", ".py",
            ".go", ".java", ".xml", ".html", ".php", ".rb", ".md", ".sh", ".com", ".org", ".net", ".io",
        ]
        .iter(),
    )
});

/// What is read of a value in quotes.
pub(super) const MAX_VALUE: usize = 2048;
const MAX_JOINED: usize = 160;
/// The shortest part of a joined name that is a value, in bytes.
const LONG: usize = 20;
const UUID: usize = 36;
const MAX_PASSWORD: usize = 128;
/// With its scheme.
const MAX_NAMED: usize = 216;
