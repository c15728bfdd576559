//! Runs of base64 (RFC 4648 sections 4 and 5) and hexadecimal that hold text.

use std::ops::Range;

/// The shortest run that is looked at, in bytes: shorter ones hold too little to do harm.
pub(super) const SHORTEST: usize = 16;

/// Calls `found` for every run that decodes to text, with that text.
pub(super) fn find(text: &str, mut found: impl FnMut(Range<usize>, String)) {
    let bytes = text.as_bytes();
    for run in (Runs { bytes, at: 0 }) {
        let pieces = pieces(bytes, run);
        for piece in pieces.into_iter().flatten() {
            if let Some(decoded) = decode(bytes.get(piece.clone()).unwrap_or_default()) {
                let padding =
                    bytes.get(piece.end..).unwrap_or_default().iter().take(2).take_while(|byte| **byte == b'=').count();
                found(piece.start..piece.end + padding, decoded);
                break;
            }
        }
    }
}

/// True if there is a run that begins like text.
pub(in crate::scan) fn may_hold(text: &str) -> bool {
    let bytes = text.as_bytes();
    Runs { bytes, at: 0 }.any(|run| {
        is_token(bytes, run.clone())
            || pieces(bytes, run).into_iter().flatten().any(|piece| promises(bytes.get(piece).unwrap_or_default()))
    })
}

/// Calls `found` with the start of every run that may be a token which no literal announces.
pub(in crate::scan) fn tokens(text: &str, mut found: impl FnMut(usize)) {
    let bytes = text.as_bytes();
    for run in (Runs { bytes, at: 0 }).filter(|run| is_token(bytes, run.clone())) {
        found(run.start);
    }
}

/// The runs of a text.
///
/// A run is found by looking at every 16th byte only: where that is none of the alphabet, no run goes
/// through it. So ordinary prose costs less than a look-up a byte.
struct Runs<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            let window = self.bytes.get(start..start + SHORTEST)?;
            if let Some(foreign) = window.iter().rposition(|byte| !is_code(*byte)) {
                self.at += foreign + 1;
                continue;
            }
            let end = run_end(self.bytes, start + SHORTEST);
            self.at = end + 1;
            return Some(start..end);
        }
    }
}

/// True for a run as long as the first part of a Discord token (digits in base64, a dot, six characters, a dot), an Airtable
/// token (a dot behind it), a Twilio key or a NATS seed. The rules of these know the rest.
fn is_token(bytes: &[u8], run: Range<usize>) -> bool {
    let behind = |offset: usize| bytes.get(run.end + offset) == Some(&b'.');
    match (run.len(), bytes.get(run.start)) {
        (24..=28, Some(b'M'..=b'O')) => behind(0) && (behind(7) || behind(8)),
        (17, Some(b'p')) => behind(0),
        (34, Some(b'A' | b'S')) => matches!(bytes.get(run.start + 1), Some(b'C' | b'K')),
        (58, Some(b'S')) => bytes.get(run.start + 1).is_some_and(u8::is_ascii_uppercase),
        _ => false,
    }
}

/// True if the first bytes of a run decode to text.
fn promises(run: &[u8]) -> bool {
    let hex = run.strip_prefix(b"0x").unwrap_or(run);
    if hex.len().is_multiple_of(2)
        && let Some(head) = hex.first_chunk::<SHORTEST>()
        && let Some(decoded) = head
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect::<Option<Head>>()
        && is_text(decoded.bytes())
    {
        return true;
    }
    let mut head = Head::default();
    let (mut bits, mut count) = (0_u32, 0);
    for value in run.iter().take(SHORTEST).map(|byte| sextet(*byte)) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            head.push((bits >> count) as u8);
        }
    }
    is_text(head.bytes())
}

/// The first bytes of a decoded run, on the stack: most runs go no further.
#[derive(Default)]
struct Head {
    bytes: [u8; PROBE],
    length: usize,
}

impl Head {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl FromIterator<u8> for Head {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut head = Self::default();
        bytes.into_iter().for_each(|byte| head.push(byte));
        head
    }
}

/// Where a run ends that goes on to `from` at least. Lines of equal length, as MIME wraps them
/// (RFC 2045 section 6.8), are one run.
fn run_end(bytes: &[u8], from: usize) -> usize {
    let mut end = from;
    loop {
        end += bytes.get(end..).unwrap_or_default().iter().take_while(|byte| is_code(**byte)).count();
        let gap = match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\n', ..]) => 1,
            _ => return end,
        };
        let line = bytes
            .get(..end)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(MIME_LINE)
            .take_while(|byte| is_code(**byte))
            .count();
        if line < MIME_LINE || !bytes.get(end + gap).is_some_and(|byte| is_code(*byte)) {
            return end;
        }
        end += gap;
    }
}

/// The run itself, and its longest part between slashes, dashes and underscores: what stands before
/// may be a path or a prefix.
fn pieces(bytes: &[u8], run: Range<usize>) -> [Option<Range<usize>>; 2] {
    let text = bytes.get(run.clone()).unwrap_or_default();
    let mut longest = 0..0;
    let mut start = 0;
    for (index, byte) in text.iter().chain([&b'/']).enumerate() {
        if matches!(byte, b'/' | b'-' | b'_' | b'+') {
            if index - start > longest.len() {
                longest = start..index;
            }
            start = index + 1;
        }
    }
    let part = (longest.len() >= SHORTEST && longest.len() < text.len())
        .then(|| run.start + longest.start..run.start + longest.end);
    [Some(run), part]
}

fn decode(run: &[u8]) -> Option<String> {
    if !promises(run) {
        return None;
    }
    let hex = run.strip_prefix(b"0x").unwrap_or(run);
    if hex.len().is_multiple_of(2) {
        let bytes: Option<Vec<u8>> =
            hex.as_chunks::<2>().0.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        if let Some(text) = bytes.and_then(|bytes| text_of(&bytes)) {
            return Some(text);
        }
    }
    let mut decoded = Vec::with_capacity(run.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in run.iter().filter(|byte| is_code(**byte)) {
        bits = bits << 6 | u32::from(sextet(*byte));
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    text_of(&decoded)
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The value of a character of either base64 alphabet.
fn sextet(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    }
}

/// The text, if that is what the bytes are: UTF-8, or UTF-16LE as PowerShell takes it.
fn text_of(bytes: &[u8]) -> Option<String> {
    if !is_text(bytes) {
        return None;
    }
    if is_wide(bytes) {
        let units: Vec<u16> =
            bytes.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(*pair.first_chunk()?))).collect();
        return Some(String::from_utf16_lossy(&units));
    }
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// True if all but a few of the bytes are text; the few are what is put in to fool a decoder.
fn is_text(bytes: &[u8]) -> bool {
    let odd = if is_wide(bytes) {
        bytes.iter().step_by(2).filter(|byte| !is_shown(**byte)).count() * 2
    } else {
        let mut odd = 0;
        for chunk in bytes.utf8_chunks() {
            odd += chunk.valid().bytes().filter(|byte| byte.is_ascii() && !is_shown(*byte)).count()
                + chunk.invalid().len();
            // In what was no text to begin with, two-byte characters come up by chance.
            odd += chunk.valid().chars().filter(|c| matches!(c, '\u{80}'..='\u{2ff}')).count();
        }
        // A character may be cut at the end of what was decoded so far.
        odd.saturating_sub(if bytes.len() <= PROBE { 2 } else { 0 })
    };
    odd * 16 <= bytes.len()
}

fn is_wide(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes.iter().skip(1).step_by(2).take(PROBE / 2).all(|byte| *byte == 0)
}

fn is_shown(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r' | 0x1b)
}

fn is_code(byte: u8) -> bool {
    CODE.get(usize::from(byte)).copied().unwrap_or(false)
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CODE: [bool; 256] = {
    let mut code = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        code[byte] = matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'-' | b'_');
        byte += 1;
    }
    code
};

/// After so many bytes it shows whether the rest is worth decoding.
const PROBE: usize = 12;
/// The shortest line that is taken for a wrapped one.
const MIME_LINE: usize = 60;
