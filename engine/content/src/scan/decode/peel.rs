//! One pass that undoes what is written in place of characters.

use std::ops::Range;

use super::entity;
use super::fold::{Fold, fold, is_of_its_own};
use super::{Layer, Spans};

/// The text without percent-encoding, HTML entities, backslash escapes, look-alikes and invisible
/// characters; `None` if nothing in it hides anything.
pub(super) fn peel(text: &str) -> Option<Layer> {
    let bytes = text.as_bytes();
    let mut peeler = Peeler::new(text);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let (written, telling) = match byte {
            b'%' => match percent(rest) {
                Some((c, length)) => {
                    peeler.percent = true;
                    (Some((Decoded::Char(c), length)), true)
                }
                None => (None, false),
            },
            b'&' => (entity::read(rest).map(|(c, length)| (Decoded::Char(c), length)), true),
            b'\\' => match escape(rest) {
                Some((c, length, telling)) => (Some((Decoded::Char(c), length)), telling || peeler.is_json),
                None => (None, false),
            },
            0x80.. => peeler.unicode(at),
            _ => (None, false),
        };
        match written {
            Some((decoded, length)) => {
                peeler.decoded(at..at + length, decoded);
                peeler.telling |= telling;
                at += length;
            }
            None if byte.is_ascii() => at += 1,
            None => at += text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8),
        }
    }
    peeler.finish()
}

/// What stands for itself no more.
enum Decoded {
    Char(char),
    Text(String),
    Letters(&'static str),
    Nothing,
}

struct Peeler<'t> {
    text: &'t str,
    out: String,
    spans: Spans,
    /// How far the text is copied.
    copied: usize,
    /// Something was decoded that honest text seldom has.
    telling: bool,
    percent: bool,
    /// The text is JSON itself: its escapes are to be undone.
    is_json: bool,
    /// The word whose imitations are judged, and what came of it.
    word: (Range<usize>, bool),
    /// Whether the text has letters of another script that imitate nothing.
    foreign: Option<bool>,
    /// What some characters are: finding that out takes a walk along a table.
    known: [(char, Fold); KNOWN],
}

impl<'t> Peeler<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            out: String::with_capacity(text.len()),
            spans: Spans::default(),
            copied: 0,
            telling: false,
            percent: false,
            is_json: text.starts_with(['{', '[', '"']),
            word: (0..0, false),
            foreign: None,
            known: [('\0', Fold::Same); KNOWN],
        }
    }

    fn copy_to(&mut self, end: usize) {
        self.out.push_str(self.text.get(self.copied..end).unwrap_or_default());
    }

    fn decoded(&mut self, span: Range<usize>, decoded: Decoded) {
        self.copy_to(span.start);
        self.copied = span.end;
        let at = self.out.len();
        match decoded {
            Decoded::Char(c) => self.out.push(c),
            Decoded::Text(text) => self.out.push_str(&text),
            Decoded::Letters(letters) => self.out.push_str(letters),
            Decoded::Nothing => {}
        }
        self.spans.decoded(at, self.out.len() - at, span);
    }

    fn finish(mut self) -> Option<Layer> {
        if !self.telling {
            return None;
        }
        self.copy_to(self.text.len());
        self.spans.ends(self.text.len());
        if self.percent && !self.text.contains(' ') && self.text.contains('+') {
            // A form's encoding writes a space as `+` (WHATWG URL, application/x-www-form-urlencoded).
            self.out = self.out.replace('+', " ");
        }
        Some(Layer { text: self.out, spans: self.spans })
    }

    fn unicode(&mut self, at: usize) -> (Option<(Decoded, usize)>, bool) {
        let Some(c) = self.text.get(at..).and_then(|rest| rest.chars().next()) else { return (None, false) };
        let length = c.len_utf8();
        let Some(known) = self.known.get_mut(c as usize % KNOWN) else { return (None, false) };
        if known.0 != c {
            *known = (c, fold(c));
        }
        let is = known.1;
        match is {
            Fold::Same => (None, false),
            Fold::Plain(plain) => (Some((Decoded::Char(plain), length)), false),
            Fold::Letters(letters) => (Some((Decoded::Letters(letters), length)), false),
            Fold::Hidden(plain) => (Some((Decoded::Char(plain), length)), true),
            Fold::Invisible => (Some((Decoded::Nothing, length)), true),
            // Joiners and accents between plain letters split words; elsewhere they belong to the script.
            Fold::Nothing => (Some((Decoded::Nothing, length)), self.is_between_letters(at, length)),
            Fold::Imitation(plain) if self.is_imitation(at) => (Some((Decoded::Char(plain), length)), true),
            Fold::Imitation(_) => (None, false),
            Fold::Byte(_) => self.selectors(at),
        }
    }

    /// A run of variation selectors: each may stand for a byte. One or two belong to what precedes them.
    fn selectors(&self, at: usize) -> (Option<(Decoded, usize)>, bool) {
        let mut bytes = Vec::new();
        let mut length = 0;
        for c in self.text.get(at..).unwrap_or_default().chars() {
            let Fold::Byte(byte) = fold(c) else { break };
            bytes.push(byte);
            length += c.len_utf8();
        }
        if bytes.len() < 4 {
            return (Some((Decoded::Nothing, length)), bytes.len() > 1);
        }
        (Some((Decoded::Text(String::from_utf8_lossy(&bytes).into_owned()), length)), true)
    }

    fn is_between_letters(&self, at: usize, length: usize) -> bool {
        let bytes = self.text.as_bytes();
        at.checked_sub(1).and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_alphabetic)
            && bytes.get(at + length).is_some_and(u8::is_ascii_alphabetic)
    }

    /// True if the letter at `at` stands in a word with Latin letters, or in a text that has no use for its script.
    fn is_imitation(&mut self, at: usize) -> bool {
        if !self.word.0.contains(&at) {
            let before = self.text.get(self.word.0.end..at).unwrap_or_default();
            let start = at - before.chars().rev().take_while(|c| is_letter(*c)).map(char::len_utf8).sum::<usize>();
            let rest = self.text.get(at..).unwrap_or_default();
            let end = at + rest.chars().take_while(|c| is_letter(*c)).map(char::len_utf8).sum::<usize>();
            let word = self.text.get(start..end).unwrap_or_default();
            let mixed = word.bytes().any(|byte| byte.is_ascii_alphabetic());
            self.word = (start..end, mixed);
        }
        let text = self.text;
        self.word.1 || !*self.foreign.get_or_insert_with(|| text.chars().any(is_of_its_own))
    }
}

/// How many characters are kept with what they are.
const KNOWN: usize = 16;

/// True for letters and digits; those most texts and imitations are made of without a look at the tables of Unicode.
fn is_letter(c: char) -> bool {
    matches!(c, 'a'..='z' | 'а'..='я' | 'α'..='ω') || c.is_alphanumeric()
}

/// The character percent-encoded (RFC 3986 section 2.1) at the start, and its length. Overlong UTF-8 and
/// the `%uXXXX` of old servers are read as lenient decoders read them.
fn percent(text: &[u8]) -> Option<(char, usize)> {
    if let [b'%', b'u' | b'U', rest @ ..] = text {
        return Some((char::from_u32(hex(rest.get(..4)?)?).unwrap_or('\u{fffd}'), 6));
    }
    let byte = |index: usize| match text.get(3 * index..3 * index + 3) {
        Some([b'%', digits @ ..]) => hex(digits),
        _ => None,
    };
    let first = byte(0)?;
    let (mut value, more) = match first {
        0..=0x7f => (first, 0),
        0xc0..=0xdf => (first & 0x1f, 1),
        0xe0..=0xef => (first & 0x0f, 2),
        0xf0..=0xf7 => (first & 0x07, 3),
        _ => return Some(('\u{fffd}', 3)),
    };
    for index in 1..=more {
        match byte(index) {
            Some(next @ 0x80..=0xbf) => value = value << 6 | (next & 0x3f),
            _ => return Some(('\u{fffd}', 3)),
        }
    }
    Some((char::from_u32(value).unwrap_or('\u{fffd}'), 3 * (more + 1)))
}

/// The character that a backslash escape stands for, its length, and whether honest text seldom has it.
fn escape(text: &[u8]) -> Option<(char, usize, bool)> {
    let known = |c: char| Some((c, 2, false));
    match text.get(1)? {
        b'x' => Some((char::from_u32(hex(text.get(2..4)?)?)?, 4, true)),
        b'u' if text.get(2) == Some(&b'{') => {
            let digits = text.get(3..text.len().min(10))?;
            let length = digits.iter().position(|byte| *byte == b'}')?;
            Some((char::from_u32(hex(digits.get(..length)?)?)?, length + 4, true))
        }
        b'u' => {
            let high = hex(text.get(2..6)?)?;
            if let (0xd800..=0xdbff, Some([b'\\', b'u', digits @ ..])) = (high, text.get(6..12))
                && let Some(low @ 0xdc00..=0xdfff) = hex(digits)
            {
                return Some((char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?, 12, true));
            }
            Some((char::from_u32(high).unwrap_or('\u{fffd}'), 6, true))
        }
        b'U' => Some((char::from_u32(hex(text.get(2..10)?)?)?, 10, true)),
        b'0'..=b'3' => {
            let digits = text.get(1..4)?;
            let value =
                digits.iter().try_fold(0_u32, |value, byte| Some(value * 8 + char::from(*byte).to_digit(8)?))?;
            Some((char::from_u32(value)?, 4, true))
        }
        b'"' => Some(('"', 2, true)),
        b'/' => Some(('/', 2, true)),
        b'\\' => known('\\'),
        b'n' => known('\n'),
        b'r' => known('\r'),
        b't' => known('\t'),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, byte| Some(value << 4 | char::from(*byte).to_digit(16)?))
}
