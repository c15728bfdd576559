//! The literals without which a text is not looked at. Words are the rarer half of what an
//! injection must say: what is set aside, what for, by whom.

use std::sync::LazyLock;

use super::markup::{MARKS, TEMPLATES};
use crate::packed;

/// Words and stems, in lower case, at least four bytes each: those of `triggers.txt`.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.lines().filter(|line| hint(line).is_none())
}

/// Words that mean nothing by themselves, each with its kind as a bit. Where several kinds stand close together somebody may
/// be told to do something, and the text is worth a look; see [`Hints`].
pub(in crate::scan) fn hints() -> impl Iterator<Item = (u32, &'static str)> {
    WORDS.lines().filter_map(hint)
}

fn hint(line: &'static str) -> Option<(u32, &'static str)> {
    let (kind, word) = line.split_at_checked(2)?;
    let kind = kind.strip_suffix(' ')?.parse::<usize>().ok()?;
    (1..=KINDS).contains(&kind).then_some((1 << (kind - 1), word))
}

/// The hints seen lately.
#[derive(Debug, Default)]
pub(in crate::scan) struct Hints {
    /// For each kind where the last one starts, plus one.
    last: [usize; KINDS],
}

impl Hints {
    /// Takes a hint of these kinds that starts at `start`; they come in the order of the text, or nearly so. Returns where the
    /// first of those starts that are enough to look at the text, if they are.
    pub(in crate::scan) fn add(&mut self, kinds: u32, start: usize) -> Option<usize> {
        let (mut points, mut first) = (0, start);
        for ((last, worth), kind) in self.last.iter_mut().zip(POINTS).zip(0..) {
            if kinds >> kind & 1 == 1 {
                *last = start + 1;
            }
            if *last > 0 && *last + REACH > start {
                points += worth;
                first = first.min(*last - 1);
            }
        }
        (points >= ENOUGH).then_some(first)
    }
}

/// How many kinds of hints there are.
pub(in crate::scan) const KINDS: usize = 6;

/// What one of each kind counts: whom it is for, you, what must be, when, what is to be done, what is not.
const POINTS: [u32; KINDS] = [3, 1, 1, 1, 2, 2];
const ENOUGH: u32 = 4;

/// How far apart hints may stand, in bytes.
const REACH: usize = 160;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_count_by_kind_and_where_they_stand() {
        let [whom, you, deed] = [1, 2, 16];
        let mut hints = Hints::default();
        assert_eq!(hints.add(whom, 0), None);
        assert_eq!(hints.add(whom, 20), None, "one kind counts once");
        assert_eq!(hints.add(deed, 40), Some(20));
        assert_eq!(hints.add(you, 40 + REACH), None, "the others are too far away");
        assert!(hints.add(whom | deed, 1000).is_some());
    }
}
