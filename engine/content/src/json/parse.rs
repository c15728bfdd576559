//! The strict parser: bytes to tape in one pass, without recursion.

use std::fmt;

use super::string::{self, unescape};
use super::value::{Entry, Kind};

/// Parses `bytes` to a tape. See [`super::Document::parse`].
pub(super) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(&'a str, Vec<Entry>), ParseError> {
    if bytes.len() > limits.max_bytes.min(u32::MAX as usize - 1) {
        return Err(ParseError { kind: ErrorKind::TooLarge, offset: limits.max_bytes });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ParseError { kind: ErrorKind::InvalidUtf8, offset: error.valid_up_to() })?;
    let mut parser = Parser {
        bytes,
        at: 0,
        tape: Vec::with_capacity(bytes.len() / 24 + 16),
        open: Vec::with_capacity(16),
        max_depth: limits.max_depth,
    };
    parser.document(text)?;
    Ok((text, parser.tape))
}

/// Bounds of one document.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest text in bytes.
    pub max_bytes: usize,
    /// Deepest nesting of arrays and objects; a scalar has depth 0.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 64 }
    }
}

/// Why a text was refused, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What was wrong.
    pub kind: ErrorKind,
    /// Byte offset into the text.
    pub offset: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind.message(), self.offset)
    }
}

impl std::error::Error for ParseError {}

/// What the peer sent that is no strict JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text exceeds [`Limits::max_bytes`].
    TooLarge,
    /// The text exceeds [`Limits::max_depth`].
    TooDeep,
    /// The bytes are not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
    /// A member name occurs twice in one object (RFC 8259 section 4 leaves the meaning open).
    DuplicateKey,
    /// A string holds an unpaired UTF-16 surrogate (RFC 8259 section 8.2 leaves the meaning open).
    LoneSurrogate,
    /// A string holds an unescaped control character or an unknown escape.
    InvalidString,
    /// A number is not of the grammar of RFC 8259 section 6.
    InvalidNumber,
    /// Another character was expected here.
    UnexpectedCharacter,
    /// The text ends within a value, or is empty.
    UnexpectedEnd,
    /// Something follows the value.
    TrailingBytes,
}

impl ErrorKind {
    /// One short sentence for people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::TooLarge => "the message is too large",
            Self::TooDeep => "the message is nested too deeply",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::DuplicateKey => "duplicate object key",
            Self::LoneSurrogate => "unpaired surrogate in a string",
            Self::InvalidString => "invalid character or escape in a string",
            Self::InvalidNumber => "invalid number",
            Self::UnexpectedCharacter => "unexpected character",
            Self::UnexpectedEnd => "unexpected end of the message",
            Self::TrailingBytes => "trailing bytes after the JSON value",
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Entry>,
    /// Tape indices of the containers that are open.
    open: Vec<usize>,
    max_depth: usize,
}

/// What may come next inside the innermost container.
#[derive(Clone, Copy)]
enum Expect {
    Value,
    FirstElementOrEnd,
    FirstKeyOrEnd,
    Key,
    CommaOrEnd,
}

impl Parser<'_> {
    fn document(&mut self, text: &str) -> Result<(), ParseError> {
        let mut expect = Expect::Value;
        loop {
            self.skip_whitespace();
            let byte = self.peek();
            expect = match (expect, byte) {
                (_, None) => return Err(self.error(ErrorKind::UnexpectedEnd)),
                (Expect::FirstElementOrEnd, Some(b']')) | (Expect::FirstKeyOrEnd, Some(b'}')) => self.close(text)?,
                (Expect::FirstKeyOrEnd | Expect::Key, Some(b'"')) => {
                    self.string(Kind::Key)?;
                    self.skip_whitespace();
                    match self.peek() {
                        Some(b':') => self.at += 1,
                        Some(_) => return Err(self.error(ErrorKind::UnexpectedCharacter)),
                        None => return Err(self.error(ErrorKind::UnexpectedEnd)),
                    }
                    Expect::Value
                }
                (Expect::Value | Expect::FirstElementOrEnd, Some(byte)) => self.value(byte)?,
                (Expect::CommaOrEnd, Some(b',')) => {
                    self.at += 1;
                    if self.innermost() == Some(Kind::Object) { Expect::Key } else { Expect::Value }
                }
                (Expect::CommaOrEnd, Some(b'}')) if self.innermost() == Some(Kind::Object) => self.close(text)?,
                (Expect::CommaOrEnd, Some(b']')) if self.innermost() == Some(Kind::Array) => self.close(text)?,
                _ => return Err(self.error(ErrorKind::UnexpectedCharacter)),
            };
            if self.open.is_empty() && matches!(expect, Expect::CommaOrEnd) {
                self.skip_whitespace();
                return match self.peek() {
                    None => Ok(()),
                    Some(_) => Err(self.error(ErrorKind::TrailingBytes)),
                };
            }
        }
    }

    /// Consumes a scalar, or opens a container.
    fn value(&mut self, byte: u8) -> Result<Expect, ParseError> {
        match byte {
            b'"' => self.string(Kind::String)?,
            b'{' => return self.open(Kind::Object),
            b'[' => return self.open(Kind::Array),
            b't' => self.literal(b"true", Kind::True)?,
            b'f' => self.literal(b"false", Kind::False)?,
            b'n' => self.literal(b"null", Kind::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(self.error(ErrorKind::UnexpectedCharacter)),
        }
        Ok(Expect::CommaOrEnd)
    }

    fn open(&mut self, kind: Kind) -> Result<Expect, ParseError> {
        if self.open.len() >= self.max_depth {
            return Err(self.error(ErrorKind::TooDeep));
        }
        self.open.push(self.tape.len());
        self.push(kind, self.at, self.at + 1, false);
        self.at += 1;
        Ok(if kind == Kind::Object { Expect::FirstKeyOrEnd } else { Expect::FirstElementOrEnd })
    }

    fn close(&mut self, text: &str) -> Result<Expect, ParseError> {
        self.at += 1;
        let (next, end) = (self.tape.len() as u32, self.at as u32);
        let Some(index) = self.open.pop() else {
            return Err(self.error(ErrorKind::UnexpectedCharacter));
        };
        if let Some(entry) = self.tape.get_mut(index) {
            entry.next = next;
            entry.end = end;
            if entry.kind == Kind::Object {
                self.refuse_duplicate_keys(text, index)?;
            }
        }
        Ok(Expect::CommaOrEnd)
    }

    /// Compares the member names of the object at `index`: pairwise by [`mark`] for the usual handful, in full and
    /// sorted where two are alike or there are more, so that a hostile object costs n log n comparisons and no hash can be flooded.
    fn refuse_duplicate_keys(&self, text: &str, index: usize) -> Result<(), ParseError> {
        let mut seen = [0; PAIRWISE_KEYS];
        let mut count = 0;
        let mut at = index + 1;
        loop {
            let Some(key) = self.tape.get(at) else { return Ok(()) };
            let mark = mark(self.bytes, key);
            // An escaped key can equal one that is written otherwise.
            let alike = key.escaped || seen.iter().take(count).any(|other| *other == mark);
            match seen.get_mut(count) {
                Some(slot) if !alike => *slot = mark,
                _ => break,
            }
            count += 1;
            at = self.tape.get(at + 1).map_or(usize::MAX, |value| value.next as usize);
        }
        let raw = |key: &Entry| text.get(key.start as usize + 1..key.end as usize - 1).unwrap_or_default();
        let duplicate = |key: &Entry| ParseError { kind: ErrorKind::DuplicateKey, offset: key.start as usize };
        let mut all = Vec::new();
        let mut at = index + 1;
        while let Some(key) = self.tape.get(at) {
            let name = if key.escaped { unescape(raw(key)).into() } else { std::borrow::Cow::Borrowed(raw(key)) };
            all.push((name, key));
            at = self.tape.get(at + 1).map_or(usize::MAX, |value| value.next as usize);
        }
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.start.cmp(&b.1.start)));
        for pair in all.windows(2) {
            if let [(first, _), (second, key)] = pair
                && first == second
            {
                return Err(duplicate(key));
            }
        }
        Ok(())
    }

    fn string(&mut self, kind: Kind) -> Result<(), ParseError> {
        let start = self.at;
        let body = self.bytes.get(start + 1..).unwrap_or_default();
        match string::scan(body) {
            Ok(found) => {
                self.at = start + found.length + 2;
                self.push(kind, start, self.at, found.escaped);
                Ok(())
            }
            Err((kind, offset)) => Err(ParseError { kind, offset: start + 1 + offset }),
        }
    }

    /// RFC 8259 section 6: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.error(ErrorKind::InvalidNumber)),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        // `01`, `1x`: the number must end where another token may begin.
        match self.peek() {
            None | Some(b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r') => {}
            Some(_) => return Err(self.error(ErrorKind::InvalidNumber)),
        }
        self.push(Kind::Number, start, self.at, false);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error(ErrorKind::InvalidNumber)) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), ParseError> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return Err(self.error(ErrorKind::UnexpectedCharacter));
        }
        self.push(kind, self.at, end, false);
        self.at = end;
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, escaped: bool) {
        let next = self.tape.len() as u32 + 1;
        self.tape.push(Entry { kind, escaped, start: start as u32, end: end as u32, next });
    }

    fn innermost(&self) -> Option<Kind> {
        self.open.last().and_then(|index| self.tape.get(*index)).map(|entry| entry.kind)
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, kind: ErrorKind) -> ParseError {
        ParseError { kind, offset: self.at }
    }
}

/// A number that is equal for equal keys and mostly not for others: of the length, the first and the last eight bytes.
fn mark(bytes: &[u8], key: &Entry) -> u64 {
    let name = bytes.get(key.start as usize + 1..(key.end as usize).saturating_sub(1)).unwrap_or_default();
    let ends = match name.last_chunk::<8>() {
        Some(last) => head(name).rotate_left(29).wrapping_mul(SPREAD) ^ u64::from_le_bytes(*last),
        None => head(name),
    };
    ends ^ (name.len() as u64) << 56
}

/// The first eight bytes of a name; of a shorter one all of them, some twice. No two names of the same length, up to
/// eight bytes, have the same head.
#[inline(always)]
pub(crate) fn head(name: &[u8]) -> u64 {
    let four = |four: Option<&[u8; 4]>| four.map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| u64::from(*byte));
    match name.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None if name.len() >= 4 => four(name.first_chunk()) | four(name.last_chunk()) << 32,
        None => byte(name.first()) | byte(name.get(name.len() / 2)) << 8 | byte(name.last()) << 16,
    }
}

/// Objects up to this many members are compared pairwise, by their marks.
const PAIRWISE_KEYS: usize = 16;
/// The golden ratio as an odd number: multiplying by it spreads bits (Knuth, TAOCP volume 3, section 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::super::Document;
    use super::*;

    fn kind(text: &str) -> Option<ErrorKind> {
        Document::parse(text.as_bytes(), &Limits::default()).err().map(|error| error.kind)
    }

    #[test]
    fn accepts_what_every_parser_reads_alike() {
        for text in ["null", " [1, -0.5e+10, \"a\\u00e9\\ud83d\\ude00\"] ", "{\"a\":{\"a\":[]},\"b\":{}}", "\"\"", "0"]
        {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_parsers_read_differently() {
        use ErrorKind::*;
        for (text, expected) in [
            ("", UnexpectedEnd),
            ("  ", UnexpectedEnd),
            ("{\"a\":1,\"a\":2}", DuplicateKey),
            ("{\"a\":1,\"\\u0061\":2}", DuplicateKey),
            ("[{\"x\":{\"k\":1,\"l\":2,\"k\":3}}]", DuplicateKey),
            ("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"a\":1}", DuplicateKey),
            ("\"\\ud800\"", LoneSurrogate),
            ("\"\\ud800\\u0041\"", LoneSurrogate),
            ("\"\\udc00\"", LoneSurrogate),
            ("\"a\nb\"", InvalidString),
            ("\"\\x41\"", InvalidString),
            ("\"\\u00g0\"", InvalidString),
            ("\"abc", UnexpectedEnd),
            ("\"abc\\", UnexpectedEnd),
            ("01", InvalidNumber),
            ("1.", InvalidNumber),
            ("+1", UnexpectedCharacter),
            ("-", InvalidNumber),
            ("1e", InvalidNumber),
            ("NaN", UnexpectedCharacter),
            ("{'a':1}", UnexpectedCharacter),
            ("[1,]", UnexpectedCharacter),
            ("{\"a\":1,}", UnexpectedCharacter),
            ("{\"a\" 1}", UnexpectedCharacter),
            ("[1}", UnexpectedCharacter),
            ("{\"a\":1]", UnexpectedCharacter),
            ("1 2", TrailingBytes),
            ("{}\0", TrailingBytes),
            ("\u{feff}{}", UnexpectedCharacter),
            ("// x\n1", UnexpectedCharacter),
            ("tru", UnexpectedCharacter),
            ("[", UnexpectedEnd),
            ("{\"a\"", UnexpectedEnd),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn finds_duplicate_keys_among_any_number_and_wherever_they_stand() {
        // Alike in their first and last eight bytes, and names of every short length.
        let name = |index: usize| match index % 3 {
            0 => format!("createdAt{index:04}createdAt"),
            1 => "x".repeat(index),
            _ => format!("{index}"),
        };
        for count in 2..40 {
            let object = |names: &[String]| {
                let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
                format!("{{{}}}", members.join(","))
            };
            let names: Vec<String> = (0..count).map(name).collect();
            assert_eq!(kind(&object(&names)), None, "{names:?}");
            for (first, second) in [(0, count - 1), (0, 1), (count / 2, count - 1), (count - 2, count - 1)] {
                let mut names = names.clone();
                if first != second {
                    names[second] = names[first].clone();
                    assert_eq!(kind(&object(&names)), Some(ErrorKind::DuplicateKey), "{names:?}");
                }
            }
        }
    }

    #[test]
    fn bounds_depth_and_size() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(kind(&nested(64)), None);
        assert_eq!(kind(&nested(65)), Some(ErrorKind::TooDeep));
        let small = Limits { max_bytes: 4, max_depth: 1 };
        assert_eq!(Document::parse(b"[1, 2]", &small).err().map(|e| e.kind), Some(ErrorKind::TooLarge));
    }

    #[test]
    fn refuses_invalid_utf8() {
        let error = Document::parse(b"\"\xc0\xaf\"", &Limits::default()).err();
        assert_eq!(error, Some(ParseError { kind: ErrorKind::InvalidUtf8, offset: 1 }));
    }
}
