//! The inside of JSON strings: scanning, unescaping, escaping, and the map between decoded and
//! written offsets.

use std::ops::Range;

use super::parse::ErrorKind;

/// A string that was scanned to its closing quote.
pub(super) struct Scanned {
    /// Bytes between the quotes.
    pub(super) length: usize,
    /// At least one escape sequence was seen.
    pub(super) escaped: bool,
}

/// Scans `body`, which begins behind the opening quote. Errors carry the offset into `body`.
#[inline(always)]
pub(super) fn scan(body: &[u8]) -> Result<Scanned, (ErrorKind, usize)> {
    let mut at = 0;
    let mut escaped = false;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(step) = plain_length(rest) else {
            return Err((ErrorKind::UnexpectedEnd, body.len()));
        };
        at += step;
        match body.get(at) {
            Some(b'"') => return Ok(Scanned { length: at, escaped }),
            Some(b'\\') => {
                at += escape_length(body.get(at..).unwrap_or_default()).map_err(|kind| (kind, at))?;
                escaped = true;
            }
            _ => return Err((ErrorKind::InvalidString, at)),
        }
    }
}

/// How many bytes come before the first quote, backslash or control character; `None` if there is none.
#[inline(always)]
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let (blocks, tail) = bytes.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(found) = first_special(block) {
            return Some(index * 16 + found);
        }
    }
    let special = |byte: &u8| matches!(*byte, b'"' | b'\\' | 0..=0x1f);
    tail.iter().position(special).map(|found| blocks.len() * 16 + found)
}

/// The first quote, backslash or control character of sixteen bytes.
#[cfg(target_feature = "simd128")]
fn first_special(block: &[u8; 16]) -> Option<usize> {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};
    let word =
        |at: usize| block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word));
    let bytes = u64x2(word(0), word(8));
    let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
    let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
    let control = u8x16_lt(bytes, u8x16_splat(0x20));
    let found = u8x16_bitmask(v128_or(v128_or(quote, backslash), control));
    (found != 0).then(|| found.trailing_zeros() as usize)
}

/// The first quote, backslash or control character of sixteen bytes.
#[cfg(not(target_feature = "simd128"))]
fn first_special(block: &[u8; 16]) -> Option<usize> {
    let (words, _) = block.as_chunks::<8>();
    words.iter().enumerate().find_map(|(index, word)| {
        let found = special_bytes(u64::from_le_bytes(*word));
        (found != 0).then(|| index * 8 + found.trailing_zeros() as usize / 8)
    })
}

/// Marks the first quote, backslash or control character of eight bytes by its highest bit. What is marked above
/// it means nothing: the subtractions borrow from there.
#[cfg(not(target_feature = "simd128"))]
fn special_bytes(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let quote = zero(word ^ (EACH * u64::from(b'"')));
    let backslash = zero(word ^ (EACH * u64::from(b'\\')));
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    (quote | backslash | control) & (EACH * 0x80)
}

/// The length of the escape sequence that `bytes` begins with, a surrogate pair counted as one.
fn escape_length(bytes: &[u8]) -> Result<usize, ErrorKind> {
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match hex4(bytes.get(2..6))? {
            0xd800..=0xdbff => {
                if bytes.get(6..8) != Some(b"\\u") {
                    return Err(ErrorKind::LoneSurrogate);
                }
                match hex4(bytes.get(8..12))? {
                    0xdc00..=0xdfff => Ok(12),
                    _ => Err(ErrorKind::LoneSurrogate),
                }
            }
            0xdc00..=0xdfff => Err(ErrorKind::LoneSurrogate),
            _ => Ok(6),
        },
        Some(_) => Err(ErrorKind::InvalidString),
        None => Err(ErrorKind::UnexpectedEnd),
    }
}

fn hex4(digits: Option<&[u8]>) -> Result<u32, ErrorKind> {
    let digits = digits.ok_or(ErrorKind::UnexpectedEnd)?;
    digits.iter().try_fold(0, |value, digit| match char::from(*digit).to_digit(16) {
        Some(digit) => Ok(value * 16 + digit),
        None => Err(ErrorKind::InvalidString),
    })
}

/// Unescapes the inside of a JSON string that passed the strict parse. Anything that could not have
/// passed it is kept as written.
#[must_use]
pub fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for piece in Pieces::new(raw) {
        match piece.decoded {
            Decoded::Plain(text) => out.push_str(text),
            Decoded::Char(character) => out.push(character),
        }
    }
    out
}

/// Maps a byte range of the unescaped string to the byte range of `raw` that spells it. A range that
/// cuts through an escape sequence or a character is widened to the whole of it; an empty one stays empty.
pub(super) fn raw_range(raw: &str, decoded: Range<usize>) -> Range<usize> {
    let mut start = None;
    let mut offset = 0;
    for piece in Pieces::new(raw) {
        let to = offset + piece.decoded.len();
        if start.is_none() && decoded.start < to {
            let from = piece.at
                + match piece.decoded {
                    Decoded::Plain(text) => text.floor_char_boundary(decoded.start - offset),
                    Decoded::Char(_) => 0,
                };
            if decoded.is_empty() {
                return from..from;
            }
            start = Some(from);
        }
        if let Some(start) = start
            && decoded.end <= to
        {
            let end = match piece.decoded {
                Decoded::Plain(text) => text.ceil_char_boundary(decoded.end - offset),
                Decoded::Char(_) => piece.written,
            };
            return start..piece.at + end;
        }
        offset = to;
    }
    start.unwrap_or(raw.len())..raw.len()
}

/// [`raw_range`] of many ranges, in time linear in `raw` and their number. They must ascend and not overlap;
/// one that does not is taken as empty.
#[must_use]
pub fn raw_ranges(raw: &str, decoded: &[Range<usize>]) -> Vec<Range<usize>> {
    if !raw.contains('\\') {
        return decoded.to_vec();
    }
    let mut out = Vec::with_capacity(decoded.len());
    let mut pieces = Pieces::new(raw).peekable();
    // How many decoded bytes come before the piece that is looked at.
    let mut offset = 0;
    for range in decoded {
        let mut place = |wanted: usize, ends: bool| {
            while let Some(piece) = pieces.peek() {
                let length = piece.decoded.len();
                let within = wanted.saturating_sub(offset);
                if within < length || (ends && within == length) {
                    return piece.at
                        + match piece.decoded {
                            Decoded::Plain(text) if ends => text.ceil_char_boundary(within),
                            Decoded::Plain(text) => text.floor_char_boundary(within),
                            Decoded::Char(_) if ends && within > 0 => piece.written,
                            Decoded::Char(_) => 0,
                        };
                }
                offset += length;
                pieces.next();
            }
            raw.len()
        };
        let start = place(range.start, false);
        let end = if range.is_empty() { start } else { place(range.end, true) };
        out.push(start..end.max(start));
    }
    out
}

/// The text as the inside of a JSON string: only what must be escaped is.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    escape_into(&mut out, text);
    out
}

/// The text as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text);
    out
}

/// Appends the text as a JSON string, quotes included.
pub fn quote_into(out: &mut String, text: &str) {
    out.push('"');
    escape_into(out, text);
    out.push('"');
}

fn escape_into(out: &mut String, text: &str) {
    // Names, ids and hashes have nothing to escape: one look, one copy.
    if text.is_ascii() && plain_length(text.as_bytes()).is_none() {
        return out.push_str(text);
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // U+2028, U+2029 and U+0085 end a line for some SSE readers.
            '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
}

/// The parts of a written string: runs without escapes, and single escapes.
struct Pieces<'a> {
    raw: &'a str,
    at: usize,
}

struct Piece<'a> {
    at: usize,
    written: usize,
    decoded: Decoded<'a>,
}

enum Decoded<'a> {
    Plain(&'a str),
    Char(char),
}

impl Decoded<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Plain(text) => text.len(),
            Self::Char(character) => character.len_utf8(),
        }
    }
}

impl<'a> Pieces<'a> {
    fn new(raw: &'a str) -> Self {
        Self { raw, at: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let at = self.at;
        let rest = self.raw.get(at..).filter(|rest| !rest.is_empty())?;
        let bytes = rest.as_bytes();
        let (written, decoded) = match memchr::memchr(b'\\', bytes) {
            Some(0) => match escape_length(bytes) {
                Ok(written) => (written, Decoded::Char(decode_escape(bytes))),
                Err(_) => (1, Decoded::Plain(rest.get(..1)?)),
            },
            Some(run) => (run, Decoded::Plain(rest.get(..run)?)),
            None => (rest.len(), Decoded::Plain(rest)),
        };
        self.at += written;
        Some(Piece { at, written, decoded })
    }
}

/// Decodes an escape that [`escape_length`] has accepted.
fn decode_escape(bytes: &[u8]) -> char {
    match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let high = hex4(bytes.get(2..6)).unwrap_or(0xfffd);
            let code = match high {
                0xd800..=0xdbff => {
                    let low = hex4(bytes.get(8..12)).unwrap_or(0xdc00);
                    0x10000 + ((high - 0xd800) << 10) + low.saturating_sub(0xdc00)
                }
                _ => high,
            };
            char::from_u32(code).unwrap_or('\u{fffd}')
        }
        Some(byte) => char::from(*byte),
        None => '\u{fffd}',
    }
}

/// A one in each byte.
#[cfg(not(target_feature = "simd128"))]
const EACH: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes_every_escape() {
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\tA\ud83d\ude00é"#), "a\"\\/\u{8}\u{c}\n\r\tA😀é");
    }

    #[test]
    fn maps_decoded_ranges_to_written_ones() {
        let raw = r"ab\u0063d\ud83d\ude00f";
        let decoded = unescape(raw);
        assert_eq!(decoded, "abcd😀f");
        for (range, written) in
            [(0..2, "ab"), (2..3, r"\u0063"), (1..4, r"b\u0063d"), (4..8, r"\ud83d\ude00"), (8..9, "f"), (0..9, raw)]
        {
            assert_eq!(raw.get(raw_range(raw, range.clone())), Some(written), "{range:?}");
        }
    }

    #[test]
    fn maps_many_ranges_as_it_maps_one() {
        let raw = r"ab\u0063d\ud83d\ude00f é\n x\\y";
        let length = unescape(raw).len();
        for start in 0..length {
            for end in start + 1..=length {
                for next in end..length {
                    let ranges = [start..end, next..length];
                    let one_by_one = ranges.clone().map(|range| raw_range(raw, range));
                    assert_eq!(raw_ranges(raw, &ranges), one_by_one, "{ranges:?}");
                }
            }
        }
    }

    #[test]
    fn finds_control_characters_far_into_long_strings() {
        for at in [0, 23, 24, 25, 279, 280, 281, 999] {
            let mut body = vec![b'x'; 1000];
            body[at] = 0x1f;
            body.push(b'"');
            assert_eq!(scan(&body).err(), Some((ErrorKind::InvalidString, at)));
        }
    }
}
