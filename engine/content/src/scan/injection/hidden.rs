//! Characters that a person does not see and a model reads.

use std::ops::Range;

use super::fold::is_zero_width;
use super::rules::{ANSI, BIDI, TAGS, VARIATION, ZERO_WIDTH};

/// Finds hidden characters; one pass, each kind reported once per run.
pub(super) fn find(text: &str, mut found: impl FnMut(usize, Range<usize>)) {
    let mut state = State::default();
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        match c {
            '\u{1b}' => {
                if let Some(length) = escape(text.get(end..).unwrap_or_default()) {
                    found(ANSI, at..end + length);
                }
            }
            '\0'..='\u{7f}' => {}
            '\u{e0000}'..='\u{e007f}' => {
                // A flag of a region is a black flag and tags, ended by a cancel tag.
                let flag = before == '\u{1f3f4}' || state.flag;
                state.flag = flag && c != '\u{e007f}';
                if !flag {
                    state.grow(TAGS, at..end, &mut found);
                }
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => state.bidi(at..end, c),
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
                let many = is_selector(before);
                if many
                    || before.is_alphanumeric() && before < '\u{2e80}' && !before.is_ascii_digit()
                    || before == ' ' && c != '\u{fe0f}'
                {
                    state.grow(VARIATION, at..end, &mut found);
                }
            }
            _ if is_zero_width(c) => {
                let after = chars.peek().map_or(' ', |(_, next)| *next);
                state.zero_width(at..end, c, before, after);
            }
            _ => {}
        }
        before = c;
    }
    state.finish(&mut found);
}

/// What was seen so far.
#[derive(Default)]
struct State {
    flag: bool,
    run: Option<(usize, Range<usize>)>,
    bidi: Option<(Range<usize>, bool)>,
    zero: Option<Range<usize>>,
    zero_points: u32,
}

impl State {
    fn grow(&mut self, rule: usize, range: Range<usize>, found: &mut impl FnMut(usize, Range<usize>)) {
        match &mut self.run {
            Some((kind, run)) if *kind == rule && run.end == range.start => run.end = range.end,
            _ => {
                if let Some((rule, range)) = self.run.replace((rule, range)) {
                    found(rule, range);
                }
            }
        }
    }

    /// Overrides are never honest in English; embeddings and isolates are when they close what they open.
    fn bidi(&mut self, range: Range<usize>, c: char) {
        let grave = matches!(c, '\u{202d}' | '\u{202e}' | '\u{2066}'..='\u{2068}');
        match &mut self.bidi {
            Some((all, certain)) => {
                all.end = range.end;
                *certain |= grave;
            }
            None => self.bidi = Some((range, grave || c == '\u{202c}')),
        }
    }

    /// Joiners are part of Arabic, Indic and emoji spelling. Between Latin letters they are not, and
    /// several in a row are nowhere.
    fn zero_width(&mut self, range: Range<usize>, c: char, before: char, after: char) {
        let plain = |c: char| c.is_ascii_graphic() || c.is_alphabetic() && c < '\u{590}';
        let points = match c {
            '\u{feff}' if range.start == 0 || !plain(before) || !after.is_alphabetic() => 0,
            '\u{ad}' => {
                u32::from(is_zero_width(before) || is_zero_width(after)) * 2
                    + u32::from(!plain(before) || !plain(after)) * 2
            }
            // Marks of direction next to right-to-left text, emoji joiners and selectors.
            '\u{200e}' | '\u{200f}' => u32::from(is_zero_width(before)),
            '\u{200d}' if !before.is_ascii() && !is_zero_width(before) => 0,
            _ if is_zero_width(before) => 2,
            _ if plain(before) && plain(after) => 2,
            _ if plain(before) || plain(after) => 1 + u32::from(c != '\u{200b}'),
            _ => 0,
        };
        if points > 0 {
            self.zero_points += points;
            self.zero.get_or_insert(range.clone()).end = range.end;
        }
    }

    fn finish(self, found: &mut impl FnMut(usize, Range<usize>)) {
        if let Some((rule, range)) = self.run {
            found(rule, range);
        }
        if let Some((range, true)) = self.bidi {
            found(BIDI, range);
        }
        if let Some(range) = self.zero.filter(|_| self.zero_points >= 2) {
            found(ZERO_WIDTH, range);
        }
    }
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The length of a terminal sequence that hides, moves or links (ECMA-48), after the escape byte.
/// Colours and weights are let through.
fn escape(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    match bytes.first()? {
        b'[' => {
            let length = bytes.iter().skip(1).take(24).position(|byte| byte.is_ascii_alphabetic())? + 1;
            let end = *bytes.get(length)?;
            let parameters = rest.get(1..length)?;
            let hides = match end {
                b'm' => parameters.split(';').any(|code| code == "8"),
                b'A'..=b'H' | b'J' | b'K' | b'S' | b'T' | b'f' | b'h' | b'l' | b's' | b'u' => true,
                _ => false,
            };
            hides.then_some(length + 1)
        }
        b']' => Some(1),
        b'c' | b'P' | b'_' | b'^' | b'X' => Some(1),
        _ => None,
    }
}
