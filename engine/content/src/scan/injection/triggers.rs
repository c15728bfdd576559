//! The literals without which a text is not looked at. Words are the rarer half of what an
//! injection must say: what is set aside, what for, by whom.

use std::sync::LazyLock;

use super::markup::{MARKS, TEMPLATES};
use crate::packed;

/// Words and stems, in lower case, at least four bytes each: those of `triggers.txt`.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.lines()
}

/// What the shared pass looks for: the words, the signs, and what hidden characters look like.
pub(super) fn all() -> Vec<&'static str> {
    let signs = TEMPLATES.iter().chain(MARKS).chain(HIDDEN).copied();
    words().chain(signs).chain(HIDDEN_AFTER_LETTER.iter().map(String::as_str)).collect()
}

static WORDS: LazyLock<String> = LazyLock::new(|| {
    let text = packed::expand(PACKED).unwrap_or_default();
    String::from_utf8(text).unwrap_or_default()
});

/// As `build.rs` packs `triggers.txt`: a line a word.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/triggers.packed"));

/// A character of three bytes is too short for the shared pass; with the letter before it, it is not.
static HIDDEN_AFTER_LETTER: LazyLock<Vec<String>> = LazyLock::new(|| {
    let of = |hidden: char| LETTERS.chars().map(move |letter| format!("{letter}{hidden}"));
    UNSEEN.iter().copied().flat_map(of).collect()
});

const LETTERS: &str = "abcdefghiklmnoprstuvwy .:,";

const UNSEEN: [char; 21] = [
    '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{2062}', '\u{2063}', '\u{2064}', '\u{feff}', '\u{202a}',
    '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{fe00}', '\u{fe01}', '\u{fe02}',
    '\u{fe0e}', '\u{fe0f}', '\u{180e}',
];

/// Tag letters by the ones that texts have most, selectors by twos, terminal sequences by their usual forms.
const HIDDEN: &[&str] = &[
    "\u{e0020}",
    "\u{e0061}",
    "\u{e0065}",
    "\u{e0069}",
    "\u{e006e}",
    "\u{e006f}",
    "\u{e0073}",
    "\u{e0074}",
    "\u{e0001}",
    "\u{200b}\u{200b}",
    "\u{200b}\u{200c}",
    "\u{200c}\u{200b}",
    "\u{200b}\u{200d}",
    "\u{200d}\u{200b}",
    "\u{200c}\u{200d}",
    "\u{200d}\u{200c}",
    "\u{2060}\u{2060}",
    "\u{ad}\u{ad}",
    "\u{e0100}",
    "\u{e0120}",
    "\u{e0130}",
    "\u{e0140}",
    "\u{e0150}",
    "\u{e0154}",
    "\u{e0155}",
    "\u{e0160}",
    "\u{e0161}",
    "\u{e0164}",
    "\u{1b}[8m",
    "\u{1b}[2j",
    "\u{1b}[1a",
    "\u{1b}[2a",
    "\u{1b}[2k",
    "\u{1b}[1k",
    "\u{1b}[0k",
    "\u{1b}[0j",
    "\u{1b}[h\u{1b}",
    "\u{1b}]8;",
    "\u{1b}]0;",
    "\u{1b}]52",
    "\u{1b}[?2",
    "\u{1b}[3j",
    "\u{1b}[1;1h",
];
