//! Server-Sent Events: framing and rewriting of event streams, byte for byte.
//!
//! Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". An [`Event`] leaves the
//! [`Framer`] with the byte that completes it, and owns its bytes exactly as they arrived: joined, the
//! events and the unfinished tail are the stream. Bytes are never interpreted as text here; what the
//! data means is for the strict JSON parse to say.
//!
//! ```
//! use portcullis_content::sse::Framer;
//!
//! let mut framer = Framer::new(1 << 20);
//! framer.push(b"event: message\nid: 7\ndata: {\"a\"");
//! assert!(framer.next_event().is_none());
//! framer.push(b":1}\n\n");
//! let event = framer.next_event().unwrap().unwrap();
//! assert_eq!(event.data().unwrap().as_ref(), br#"{"a":1}"#);
//! assert_eq!(event.with_data(b"{}"), b"event: message\nid: 7\ndata: {}\n\n");
//! ```

use std::borrow::Cow;
use std::fmt;
use std::mem;

/// Cuts a stream of bytes into events, however the bytes are split.
///
/// Push each chunk, then take events until there is none. Time is linear in the bytes pushed; memory is
/// at most `max_event_bytes` and the chunk last pushed.
pub struct Framer {
    buffer: Vec<u8>,
    /// The first byte that was not handed out yet: where the pending event begins.
    start: usize,
    /// Where the line being read begins.
    line: usize,
    /// Bytes of that line known to hold no line end.
    scanned: usize,
    /// The line before ended with CR at the end of what had arrived: an LF now belongs to that end.
    after_cr: bool,
    /// Nothing was handed out yet: a byte order mark may lead the first line.
    first: bool,
    /// The pending event holds a line other than a comment.
    has_field: bool,
    failed: bool,
    max_event_bytes: usize,
}

impl Framer {
    /// A framer for one stream, refusing events longer than `max_event_bytes`.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            line: 0,
            scanned: 0,
            after_cr: false,
            first: true,
            has_field: false,
            failed: false,
            max_event_bytes,
        }
    }

    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        if self.start > 0 {
            // Only bytes behind the last event are moved, and each of them once: linear in all.
            self.buffer.drain(..self.start);
            self.line -= self.start;
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete unit of the stream, or `None` until more bytes arrive.
    ///
    /// That is an event with the blank line that ends it; a blank line by itself; or a comment line that
    /// stands before the first field, since servers keep connections alive by such lines alone. A blank line
    /// ended by CR is complete at once; should LF follow in a later chunk, it comes as a unit of that one byte.
    ///
    /// # Errors
    /// [`TooLarge`] once, when the pending event exceeds the limit. The rest of the stream is ignored.
    pub fn next_event(&mut self) -> Option<Result<Event, TooLarge>> {
        while !self.failed {
            if self.after_cr {
                let next = *self.buffer.get(self.line)?;
                self.after_cr = false;
                if next == b'\n' {
                    self.line += 1;
                    self.scanned = self.line;
                    if self.start + 1 == self.line {
                        return Some(Ok(self.take()));
                    }
                }
            }
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(step) = memchr::memchr2(b'\r', b'\n', rest) else {
                self.scanned = self.buffer.len();
                return if self.scanned - self.start > self.max_event_bytes { self.fail() } else { None };
            };
            let end = self.scanned + step;
            if end + 1 - self.start > self.max_event_bytes {
                return self.fail();
            }
            let content = self.buffer.get(self.line..end).unwrap_or_default();
            let bom = if self.line == self.start { self.bom() } else { 0 };
            let (blank, comment) = (content.len() == bom, content.get(bom) == Some(&b':'));
            let crlf = rest.get(step..step + 2) == Some(b"\r\n");
            self.after_cr = !crlf && rest.get(step) == Some(&b'\r') && end + 1 == self.buffer.len();
            self.line = end + if crlf { 2 } else { 1 };
            self.scanned = self.line;
            if blank || (comment && !self.has_field) {
                return Some(Ok(self.take()));
            }
            self.has_field = true;
        }
        None
    }

    /// Ends the stream: what is left of it, if anything, as an event that nothing completed.
    ///
    /// A conforming client discards it, others dispatch it: judge it like an event. Take the complete events
    /// first.
    pub fn finish(&mut self) -> Option<Event> {
        if mem::replace(&mut self.failed, true) || self.start == self.buffer.len() {
            return None;
        }
        self.line = self.buffer.len();
        Some(self.take())
    }

    /// Hands out the bytes up to the present line.
    fn take(&mut self) -> Event {
        let bom = self.bom();
        let raw = self.buffer.get(self.start..self.line).unwrap_or_default().to_vec();
        self.start = self.line;
        self.has_field = false;
        self.first = false;
        Event { raw, bom }
    }

    /// The length of the byte order mark that the pending event begins with.
    fn bom(&self) -> usize {
        let marked = self.first && self.buffer.get(self.start..).unwrap_or_default().starts_with(BOM);
        if marked { BOM.len() } else { 0 }
    }

    fn fail(&mut self) -> Option<Result<Event, TooLarge>> {
        self.failed = true;
        self.buffer = Vec::new();
        Some(Err(TooLarge { max_event_bytes: self.max_event_bytes }))
    }
}

impl fmt::Debug for Framer {
    /// Prints sizes only: the pending bytes may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer").field("pending", &(self.buffer.len() - self.start)).finish_non_exhaustive()
    }
}

/// One unit of a stream: an event, a blank line, or a comment; see [`Framer::next_event`].
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    raw: Vec<u8>,
    /// Length of the byte order mark that leads the stream's first event.
    bom: usize,
}

impl Event {
    /// The bytes exactly as they arrived, line ends included.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_raw(self) -> Vec<u8> {
        self.raw
    }

    /// Every line but the blank one, as clients read it, in the order of the stream.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.lines().filter_map(|line| line.field())
    }

    /// The values of the `data` lines joined by LF; `None` where there is no such line.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut values = self.fields().filter_map(|field| match field {
            Field::Data(value) => Some(value),
            _ => None,
        });
        let mut joined = Cow::Borrowed(values.next()?);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// The last `event` line's value; `None` where clients would take it for the default, `message`.
    #[must_use]
    pub fn event_type(&self) -> Option<&[u8]> {
        let last = self.fields().filter_map(|field| match field {
            Field::EventType(value) => Some(value),
            _ => None,
        });
        last.last().filter(|value| !value.is_empty())
    }

    /// The last valid `id`, possibly empty (which resets the client's). An id that holds NUL is none.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        let ids = self.fields().filter_map(|field| match field {
            Field::Id(value) if !value.contains(&0) => Some(value),
            _ => None,
        });
        ids.last()
    }

    /// The last valid `retry`: the client's reconnection time in milliseconds.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        let times = self.fields().filter_map(|field| match field {
            Field::Retry(value) if value.iter().all(u8::is_ascii_digit) => {
                std::str::from_utf8(value).ok()?.parse().ok()
            }
            _ => None,
        });
        times.last()
    }

    /// The comments, without their colon.
    pub fn comments(&self) -> impl Iterator<Item = &[u8]> {
        self.fields().filter_map(|field| match field {
            Field::Comment(text) => Some(text),
            _ => None,
        })
    }

    /// True if the event has data with content, as every message has.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.data().is_some_and(|data| !data.is_empty())
    }

    /// The bytes with other data: the `data` lines are replaced by one line for each line of `data`, all
    /// other lines and line ends are kept. An event without data gets the new lines at its end.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Writer::new(self, data.len());
        let mut written = false;
        for line in self.lines() {
            let (has_data, blank) = (matches!(line.field(), Some(Field::Data(_))), line.content.is_empty());
            if !written && (has_data || blank) {
                written = true;
                let spaced = if has_data { line.content.get(DATA.len() + 1) == Some(&b' ') } else { !data.is_empty() };
                out.data_lines(data, spaced, line.ending);
            }
            if !has_data {
                out.line(line.content, line.ending);
            }
        }
        if !written {
            out.data_lines(data, true, b"\n");
        }
        out.bytes
    }

    /// What stands for a dropped event: its `id` and `retry` lines with empty data, so that clients resume
    /// behind it; nothing if it has neither.
    #[must_use]
    pub fn dropped(&self) -> Vec<u8> {
        if self.id().is_none() && self.retry().is_none() {
            return Vec::new();
        }
        let kept = self.retain(|field| match field {
            Field::Id(value) => !value.contains(&0),
            Field::Retry(value) => value.iter().all(u8::is_ascii_digit),
            _ => false,
        });
        kept.with_data(b"")
    }

    /// The event without the lines for which `keep` is false. Blank lines stay.
    #[must_use]
    pub fn retain(&self, mut keep: impl FnMut(Field<'_>) -> bool) -> Self {
        self.rewrite(|field| if keep(field) { Rewrite::Keep } else { Rewrite::Drop })
    }

    /// The event without comments.
    #[must_use]
    pub fn without_comments(&self) -> Self {
        self.retain(|field| !matches!(field, Field::Comment(_)))
    }

    /// The event without any `id` line.
    #[must_use]
    pub fn without_id(&self) -> Self {
        self.retain(|field| !matches!(field, Field::Id(_)))
    }

    /// The event without lines that are neither a comment nor one of the four fields of the standard.
    /// Conforming clients ignore such lines; a client that trims names would not.
    #[must_use]
    pub fn without_unknown(&self) -> Self {
        self.retain(|field| !matches!(field, Field::Unknown { .. }))
    }

    /// The event with lines kept, dropped or given another value, as `edit` says for each.
    ///
    /// A new value must not hold CR or LF; each is written as a space, so that a value cannot become a line.
    #[must_use]
    pub fn rewrite(&self, mut edit: impl FnMut(Field<'_>) -> Rewrite) -> Self {
        let mut out = Writer::new(self, 0);
        for line in self.lines() {
            match line.field().map_or(Rewrite::Keep, &mut edit) {
                Rewrite::Keep => out.line(line.content, line.ending),
                Rewrite::Drop => {}
                Rewrite::Value(value) => {
                    let name = line.name();
                    // A comment begins at its colon; a field's value may be led by one space that does not count.
                    let separator: &[u8] = if name.is_empty() { b":" } else { b": " };
                    let value = value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
                    let content: Vec<u8> = name.iter().chain(separator).copied().chain(value).collect();
                    out.line(&content, line.ending);
                }
            }
        }
        Self { raw: out.bytes, bom: self.bom }
    }

    /// True if the event holds a character at which some clients begin a line and others do not: VT, FF, FS,
    /// GS, RS, U+0085, U+2028, U+2029 (Python's `str.splitlines`), and U+FEFF, which a decoder removes where
    /// it takes a chunk for a text of its own, or where what came before it was removed from the stream. What
    /// one reads as the inside of a string, or as an unknown field, is data to another.
    #[must_use]
    pub fn has_foreign_line_breaks(&self) -> bool {
        has_foreign_break(self.raw.get(self.bom..).unwrap_or_default())
    }

    /// The event without such characters. In data they are written as JSON escapes (`\u2028`), so that a valid
    /// JSON text stays equal in value; elsewhere they become a space, an unknown field that holds one is removed.
    #[must_use]
    pub fn harden(&self) -> Self {
        self.rewrite(|field| match field {
            Field::Data(value) if has_foreign_break(value) => Rewrite::Value(without_foreign_breaks(value, true)),
            // Without the character, the name might be that of a field with a meaning.
            Field::Unknown { name, value } if has_foreign_break(name) || has_foreign_break(value) => Rewrite::Drop,
            Field::Comment(value) | Field::EventType(value) | Field::Id(value) | Field::Retry(value)
                if has_foreign_break(value) =>
            {
                Rewrite::Value(without_foreign_breaks(value, false))
            }
            _ => Rewrite::Keep,
        })
    }

    fn lines(&self) -> Lines<'_> {
        Lines { rest: self.raw.get(self.bom..).unwrap_or_default() }
    }
}

impl fmt::Debug for Event {
    /// Prints the size only: the content may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} bytes)", self.raw.len())
    }
}

/// One line of an event as clients read it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A line that begins with a colon: what follows the colon.
    Comment(&'a [u8]),
    /// A line of the event's data.
    Data(&'a [u8]),
    /// The event's type.
    EventType(&'a [u8]),
    /// The id a client resumes from. Clients ignore one that holds NUL.
    Id(&'a [u8]),
    /// The reconnection time. Clients ignore one that is not all digits.
    Retry(&'a [u8]),
    /// A line that conforming clients ignore.
    Unknown {
        /// What stands before the first colon.
        name: &'a [u8],
        /// What stands behind it, without one leading space.
        value: &'a [u8],
    },
}

/// What [`Event::rewrite`] does with a line.
#[derive(Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The line stays as it is.
    Keep,
    /// The line is removed.
    Drop,
    /// The line gets this value.
    Value(Vec<u8>),
}

/// An event was longer than the limit; nothing behind it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The limit in bytes, line ends included.
    pub max_event_bytes: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the stream is larger than {} bytes", self.max_event_bytes)
    }
}

impl std::error::Error for TooLarge {}

/// A line and the bytes that end it: CR, LF, CRLF, or none at the end of the stream.
struct Line<'a> {
    content: &'a [u8],
    ending: &'a [u8],
}

impl<'a> Line<'a> {
    fn field(&self) -> Option<Field<'a>> {
        if self.content.is_empty() {
            return None;
        }
        let name = self.name();
        let value = self.content.get(name.len() + 1..).unwrap_or_default();
        if name.is_empty() {
            return Some(Field::Comment(value));
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        Some(match name {
            DATA => Field::Data(value),
            b"event" => Field::EventType(value),
            b"id" => Field::Id(value),
            b"retry" => Field::Retry(value),
            _ => Field::Unknown { name, value },
        })
    }

    fn name(&self) -> &'a [u8] {
        let end = memchr::memchr(b':', self.content).unwrap_or(self.content.len());
        self.content.get(..end).unwrap_or_default()
    }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', self.rest).unwrap_or(self.rest.len());
        let (content, behind) = self.rest.split_at_checked(end)?;
        let ending = if behind.starts_with(b"\r\n") { 2 } else { behind.len().min(1) };
        let (ending, rest) = behind.split_at_checked(ending)?;
        self.rest = rest;
        Some(Line { content, ending })
    }
}

/// Puts an event together from lines.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(event: &Event, more: usize) -> Self {
        let mut bytes = Vec::with_capacity(event.raw.len() + more + 16);
        bytes.extend_from_slice(event.raw.get(..event.bom).unwrap_or_default());
        Self { bytes }
    }

    fn line(&mut self, content: &[u8], ending: &[u8]) {
        if content.is_empty() && ending.starts_with(b"\n") && self.bytes.ends_with(b"\r") {
            // The lines between were removed: CR and LF would now read as one line end, and the blank
            // line that completes the event would be gone.
            self.bytes.push(b'\n');
        }
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(ending);
    }

    fn data_lines(&mut self, data: &[u8], spaced: bool, ending: &[u8]) {
        let between = if ending.is_empty() { b"\n" } else { ending };
        let mut lines = Lines { rest: data };
        let mut line = lines.next().unwrap_or(Line { content: b"", ending: b"" });
        loop {
            self.bytes.extend_from_slice(DATA);
            self.bytes.push(b':');
            if spaced || line.content.starts_with(b" ") {
                self.bytes.push(b' ');
            }
            self.bytes.extend_from_slice(line.content);
            if line.ending.is_empty() {
                break;
            }
            self.bytes.extend_from_slice(between);
            line = lines.next().unwrap_or(Line { content: b"", ending: b"" });
        }
        self.bytes.extend_from_slice(ending);
    }
}

/// `text` without foreign line breaks: each written as a JSON escape, or as a space. Left out, the bytes around
/// it could make a new one.
fn without_foreign_breaks(mut text: &[u8], escape: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    while let Some((first, behind)) = text.split_first() {
        if let Some((length, code)) = foreign_break(text) {
            if escape {
                out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
            } else {
                out.push(b' ');
            }
            text = text.get(length..).unwrap_or_default();
        } else {
            out.push(*first);
            text = behind;
        }
    }
    out
}

fn has_foreign_break(text: &[u8]) -> bool {
    // One branch-free pass for the common case; a look at each place only where a candidate byte is.
    let candidate = |byte: &u8| matches!(byte, 0x0b | 0x0c | 0x1c..=0x1e | 0x85 | 0xa8 | 0xa9 | 0xbf);
    text.chunks(256).any(|chunk| chunk.iter().fold(false, |seen, byte| seen | candidate(byte)))
        && (0..text.len()).any(|at| foreign_break(text.get(at..).unwrap_or_default()).is_some())
}

/// The foreign line break that `text` begins with: its length in bytes and its code point.
fn foreign_break(text: &[u8]) -> Option<(usize, u16)> {
    match text {
        [control @ (0x0b | 0x0c | 0x1c..=0x1e), ..] => Some((1, u16::from(*control))),
        [0xc2, 0x85, ..] => Some((2, 0x85)),
        [0xef, 0xbb, 0xbf, ..] => Some((3, 0xfeff)),
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => Some((3, 0x2000 | u16::from(*last - 0x80))),
        _ => None,
    }
}

const DATA: &[u8] = b"data";

/// U+FEFF in UTF-8; skipped at the start of a stream and nowhere else.
const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn only(raw: &[u8]) -> Event {
        let mut framer = Framer::new(1 << 16);
        framer.push(raw);
        let event = framer.next_event().unwrap().unwrap();
        assert_eq!(event.raw(), raw, "one event");
        event
    }

    #[test]
    fn reads_the_fields_as_the_standard_says() {
        let event =
            only(b"event: first\nevent:second\nid: 1\nid: x\0\nretry: 15\nretry: 1x\ndata\ndata:a\ndata:  b\n: c\nfoo: d\n\n");
        assert_eq!(event.event_type(), Some(&b"second"[..]));
        assert_eq!(event.id(), Some(&b"1"[..]));
        assert_eq!(event.retry(), Some(15));
        assert_eq!(event.data().as_deref(), Some(&b"\na\n b"[..]));
        assert_eq!(event.comments().collect::<Vec<_>>(), [b" c"]);
        assert!(event.fields().any(|field| field == Field::Unknown { name: b"foo", value: b"d" }));
        assert!(event.is_message());
        assert!(!only(b"id: 4\ndata:\n\n").is_message());
        assert!(!only(b"\n").is_message());
    }

    #[test]
    fn replaces_only_the_data() {
        for (raw, data, expected) in [
            ("id: 1\r\ndata: a\r\ndata: b\r\nfoo\r\n\r\n", "x", "id: 1\r\ndata: x\r\nfoo\r\n\r\n"),
            ("data:a\rid:1\r\r", "x\ny", "data:x\rdata:y\rid:1\r\r"),
            ("data:a\n\n", " x", "data: x\n\n".replace(": x", ":  x").as_str()),
            ("data: a\n\n", "", "data: \n\n"),
            ("data\n\n", "1", "data:1\n\n"),
            ("event: e\n\n", "1", "event: e\ndata: 1\n\n"),
            // Without its second data line this would be CRLF, and the event would not end.
            ("data: a\rdata: b\n\n", "x", "data: x\r\n\n"),
            ("data: a\r\ndata: b\r\n\n", "x\r\ny\n", "data: x\r\ndata: y\r\ndata: \r\n\n"),
        ] {
            let edited = only(raw.as_bytes()).with_data(data.as_bytes());
            assert_eq!(String::from_utf8_lossy(&edited), expected, "{raw:?}");
            let normal = data.replace("\r\n", "\n");
            assert_eq!(only(&edited).data().as_deref(), Some(normal.as_bytes()));
        }
    }

    #[test]
    fn a_dropped_event_leaves_what_resumption_needs() {
        for (raw, expected) in [
            ("event: e\nid: 1\nretry: 5\ndata: secret\n: secret\nfoo: secret\n\n", "id: 1\nretry: 5\ndata:\n\n"),
            ("id\r\ndata: secret\r\n\r\n", "id\r\ndata:\r\n\r\n"),
            ("retry: 5\ndata: secret\n\n", "retry: 5\ndata:\n\n"),
            ("id: a\0\ndata: secret\n\n", ""),
            ("data: secret\n\n", ""),
            ("retry: secret\ndata: secret\n\n", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&only(raw.as_bytes()).dropped()), expected, "{raw:?}");
        }
    }

    #[test]
    fn lines_can_be_removed_and_changed_but_not_added() {
        let event = only(b": c\n".as_slice());
        assert_eq!(event.without_comments().raw(), b"");
        let event = only(b"id: a\n: c\ndata: x\nzz: y\n\n");
        assert_eq!(event.without_comments().without_id().without_unknown().raw(), b"data: x\n\n");
        let changed = event.rewrite(|field| match field {
            Field::Id(_) | Field::Comment(_) => Rewrite::Value(b"b\ndata: c".to_vec()),
            _ => Rewrite::Keep,
        });
        assert_eq!(changed.raw(), b"id: b data: c\n:b data: c\ndata: x\nzz: y\n\n");
    }

    #[test]
    fn hardens_against_clients_that_split_at_other_characters() {
        let raw = "id: 1\u{2028}2\nda\u{85}ta: x\ndata: \"a\u{2028}b\u{2029}c\u{85}d\\\\\u{2028}\"\n:\u{c}c\n\n";
        let event = only(raw.as_bytes());
        assert!(event.has_foreign_line_breaks());
        let hard = event.harden();
        let expected = r#"id: 1 2|data: "a\u2028b\u2029c\u0085d\\\u2028"|: c||"#.replace('|', "\n");
        assert_eq!(String::from_utf8_lossy(hard.raw()), expected);
        assert!(!hard.has_foreign_line_breaks());
        let value = |event: &Event| serde_json::from_slice::<String>(&event.data().unwrap()).unwrap();
        assert_eq!(value(&event), value(&hard));
        // Were the comment before it removed, the mark would lead the stream, and this would be data.
        assert_eq!(only("\u{feff}data: x\n: c\n\n".as_bytes()).harden().raw(), "\u{feff}data: x\n: c\n\n".as_bytes());
        let mut framer = Framer::new(100);
        framer.push(":\n\u{feff}data: x\nid: 1\n\n".as_bytes());
        framer.next_event();
        assert_eq!(framer.next_event().unwrap().unwrap().harden().raw(), b"id: 1\n\n");
        let split = only(b": \xe2\x80\x0b\xa8\n").harden();
        assert!(!split.has_foreign_line_breaks());
        // Bytes of these characters within others are no line breaks.
        assert!(!only("data: Å \u{328} \u{a8} \u{2025} \u{85a}\n\n".as_bytes()).has_foreign_line_breaks());
    }

    #[test]
    fn nothing_of_an_event_is_printed() {
        assert_eq!(format!("{:?}", only(b"data: secret\n\n")), "Event(14 bytes)");
    }
}
