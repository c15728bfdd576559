//! Words of a text in any script, folded so that disguises fall off, with their place in the text.

use std::ops::Range;

use super::fold::{Class, classify, leet, look_alike};

/// The words of a text.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// All folded words, one space between them, none within runs of ideographs.
    folded: String,
    /// The words in order.
    pub(super) list: Vec<Word>,
}

/// One word, or one ideograph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Where its folded form starts and ends.
    folded: (u32, u32),
    /// Where it stands in the text.
    range: (u32, u32),
    /// The number of the sentence it is in, from 0.
    pub(super) sentence: u32,
    /// How it was written.
    pub(super) style: Style,
}

/// How a word was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// ASCII capitals only, two at least.
    pub(super) capitals: bool,
    /// Letters of another alphabet among ASCII ones that look like these.
    pub(super) mixed: bool,
    /// Digits for letters.
    pub(super) leet: bool,
    /// One character of a script without spaces.
    pub(super) ideograph: bool,
}

impl Words {
    /// Reads the words of `text`; `base` is added to their places.
    pub(super) fn read(text: &str, base: usize) -> Self {
        let mut words =
            Self { folded: String::with_capacity(text.len() + 8), list: Vec::with_capacity(text.len() / 3 + 1) };
        let mut reader =
            Reader { word: String::new(), start: 0, end: 0, style: Flags::default(), sentence: 0, quiet: 0 };
        let mut escaped = false;
        let bytes = text.as_bytes();
        let mut next = 0;
        while let Some(byte) = bytes.get(next) {
            let at = next;
            // Small letters of ASCII, which stand for themselves, at once.
            if byte.is_ascii_lowercase() && !escaped {
                let most = at + MAX_WORD.saturating_sub(reader.word.len()).max(1);
                next += 1;
                while next < most && bytes.get(next).is_some_and(u8::is_ascii_lowercase) {
                    next += 1;
                }
                let letters = text.get(at..next).unwrap_or_default();
                if reader.word.is_empty() && next < most && bytes.get(next).is_none_or(|next| is_plain_gap(*next)) {
                    words.plain(letters, base + at, reader.sentence);
                    reader.quiet = 0;
                    continue;
                }
                reader.letters(letters, at);
                if reader.word.len() >= MAX_WORD {
                    reader.flush(&mut words, base);
                }
                continue;
            }
            if is_plain_gap(*byte) {
                escaped = false;
                reader.flush(&mut words, base);
                next += 1;
                continue;
            }
            let Some(c) = text.get(next..).and_then(|rest| rest.chars().next()) else { break };
            next += c.len_utf8();
            // Text within text: `\\n` as two characters parts words too.
            let part_of_escape = std::mem::replace(&mut escaped, c == '\\') && matches!(c, 'n' | 'r' | 't');
            let class = if part_of_escape { Class::Gap } else { classify(c) };
            match class {
                Class::Letter(folded) => {
                    if reader.word.is_empty() {
                        reader.start = at;
                    }
                    reader.note(c, folded);
                    reader.word.push(folded);
                    reader.end = at + c.len_utf8();
                    if reader.word.len() >= MAX_WORD {
                        reader.flush(&mut words, base);
                    }
                }
                Class::Ideograph(folded) => {
                    reader.flush(&mut words, base);
                    words.ideograph(folded, base + at, c.len_utf8(), reader.sentence);
                }
                Class::Invisible => {}
                // The apostrophe of "don't" joins, that of "l'instruction" separates.
                Class::Gap if matches!(c, '\'' | '’') && joins(text.get(at + c.len_utf8()..).unwrap_or_default()) => {
                }
                Class::Stop => {
                    let inside = c == '.' && text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
                    reader.flush(&mut words, base);
                    if !inside {
                        reader.sentence += 1;
                    }
                }
                Class::Gap => {
                    reader.flush(&mut words, base);
                    if c == '\n' {
                        reader.quiet += 1;
                        // An empty line or a list item ends what was said before.
                        let next = text.get(at + 1..).unwrap_or_default().trim_start_matches(' ');
                        if reader.quiet == 2 || next.starts_with(['-', '*', '#', '|', '>', '+']) {
                            reader.sentence += 1;
                        }
                    }
                    continue;
                }
            }
            reader.quiet = 0;
        }
        reader.flush(&mut words, base);
        words.join_spaced();
        words
    }

    /// The folded text from the start of a word on.
    #[inline]
    pub(super) fn from(&self, word: &Word) -> &str {
        self.folded.get(word.folded.0 as usize..).unwrap_or_default()
    }

    /// The folded word.
    #[inline]
    pub(super) fn text(&self, word: &Word) -> &str {
        self.folded.get(word.folded.0 as usize..word.folded.1 as usize).unwrap_or_default()
    }

    /// A word of small letters that stands at `at`.
    #[inline]
    fn plain(&mut self, word: &str, at: usize, sentence: u32) {
        if !self.folded.is_empty() {
            self.folded.push(' ');
        }
        let start = self.folded.len();
        self.folded.push_str(word);
        self.list.push(Word {
            folded: (start as u32, self.folded.len() as u32),
            range: (at as u32, (at + word.len()) as u32),
            sentence,
            style: Style::default(),
        });
    }

    fn ideograph(&mut self, c: char, at: usize, length: usize, sentence: u32) {
        let adjacent = self.list.last().is_some_and(|last| last.style.ideograph && last.range.1 as usize == at);
        if !adjacent && !self.folded.is_empty() {
            self.folded.push(' ');
        }
        let start = self.folded.len() as u32;
        self.folded.push(c);
        self.list.push(Word {
            folded: (start, self.folded.len() as u32),
            range: (at as u32, (at + length) as u32),
            sentence,
            style: Style { ideograph: true, ..Style::default() },
        });
    }

    /// `S Y S T E M` is one word: runs of single letters are joined, in place.
    fn join_spaced(&mut self) {
        let single = |word: &Word| word.folded.1 - word.folded.0 == 1 && !word.style.ideograph;
        if self.list.windows(MIN_SPACED).all(|run| !run.iter().all(single)) {
            return;
        }
        let old = std::mem::take(self);
        self.folded.reserve(old.folded.len());
        let mut words = old.list.iter().peekable();
        while let Some(first) = words.next() {
            let mut merged = *first;
            let mut letters = String::from(old.text(first));
            if single(first) {
                // The gap between letters is one character, that between words is wider.
                while let Some(next) = words.next_if(|next| single(next) && next.range.0 <= merged.range.1 + 1) {
                    letters.push_str(old.text(next));
                    merged.range.1 = next.range.1;
                }
            }
            let joined = first.style.ideograph && self.list.last().is_some_and(|last| last.range.1 == first.range.0);
            if !joined && !self.folded.is_empty() {
                self.folded.push(' ');
            }
            let start = self.folded.len() as u32;
            self.folded.push_str(&letters);
            merged.folded = (start, self.folded.len() as u32);
            self.list.push(merged);
        }
    }
}

impl Word {
    /// The length of its folded form, in bytes.
    pub(super) fn length(&self) -> usize {
        (self.folded.1 - self.folded.0) as usize
    }

    /// Where the word stands in the text.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.0 as usize..self.range.1 as usize
    }
}

/// The word that is being read.
struct Reader {
    word: String,
    start: usize,
    end: usize,
    style: Flags,
    sentence: u32,
    /// Line feeds since the last character that was none.
    quiet: u32,
}

#[derive(Default)]
struct Flags {
    ascii: bool,
    lower: bool,
    digit: bool,
    foreign: bool,
}

impl Reader {
    fn note(&mut self, c: char, folded: char) {
        self.style.ascii |= c.is_ascii_alphabetic();
        self.style.lower |= !c.is_ascii_uppercase();
        self.style.digit |= c.is_ascii_digit();
        self.style.foreign |= !folded.is_ascii();
    }

    /// Small letters of ASCII that stand at `at`.
    fn letters(&mut self, letters: &str, at: usize) {
        if self.word.is_empty() {
            self.start = at;
        }
        self.style.ascii = true;
        self.style.lower = true;
        self.word.push_str(letters);
        self.end = at + letters.len();
        self.quiet = 0;
    }

    fn flush(&mut self, words: &mut Words, base: usize) {
        if self.word.is_empty() {
            return;
        }
        let flags = std::mem::take(&mut self.style);
        let mut style = Style { capitals: !flags.lower && self.word.len() > 1, ..Style::default() };
        if !words.folded.is_empty() {
            words.folded.push(' ');
        }
        let start = words.folded.len();
        if flags.foreign && flags.ascii && self.word.chars().all(|c| c.is_ascii() || look_alike(c).is_some()) {
            style.mixed = true;
            let plain: String =
                self.word.chars().map(|c| look_alike(c).filter(|_| !c.is_ascii()).unwrap_or(c)).collect();
            if flags.digit && is_leet(&plain) {
                words.folded.extend(plain.bytes().map(|byte| char::from(leet(byte))));
            } else {
                words.folded.push_str(&plain);
            }
        } else if flags.digit && flags.ascii && !flags.foreign && is_leet(&self.word) {
            style.leet = true;
            words.folded.extend(self.word.bytes().map(|byte| char::from(leet(byte))));
        } else {
            words.folded.push_str(&self.word);
        }
        words.list.push(Word {
            folded: (start as u32, words.folded.len() as u32),
            range: ((base + self.start) as u32, (base + self.end) as u32),
            sentence: self.sentence,
            style,
        });
        self.word.clear();
    }
}

/// Digits within a word, not a number behind it, and no more than half of it.
fn is_leet(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let last = word.bytes().rposition(|byte| byte.is_ascii_alphabetic()).unwrap_or(0);
    word.len() >= 4
        && digits * 2 <= word.len()
        && word.bytes().take(last).any(|byte| byte.is_ascii_digit())
        && word.bytes().all(|byte| !matches!(byte, b'2' | b'6' | b'8' | b'9'))
}

/// Signs of ASCII that part words and do nothing else.
#[inline]
fn is_plain_gap(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'"' | b'(' | b')' | b',' | b'-' | b'/' | b':' | b'<' | b'=' | b'>' | b'[' | b']' | b'_' | b'{' | b'}'
    )
}

fn joins(rest: &str) -> bool {
    let mut chars = rest.chars();
    matches!(chars.next(), Some('t' | 'T')) && chars.next().is_none_or(|c| !c.is_alphanumeric())
}

const MAX_WORD: usize = 64;
const MIN_SPACED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let words = Words::read(text, 0);
        words.list.iter().map(|word| words.text(word).to_owned()).collect()
    }

    #[test]
    fn disguises_fall_off() {
        for text in [
            "Ignore",
            "IGNØRE",
            "ignоre",
            "i̇gnore",
            "ɪgnore",
            "1gn0re",
            "ig\u{200b}nore",
            "ｉｇｎｏｒｅ",
            "i g n o r e",
        ] {
            assert_eq!(words(text), ["ignore"], "{text}");
        }
    }

    #[test]
    fn scripts_keep_their_own_words() {
        assert_eq!(words("Привет, мир"), ["привет", "мир"]);
        assert_eq!(words("忽略 all"), ["忽", "略", "all"]);
        assert_eq!(words("don't l'été"), ["dont", "l", "ete"]);
        assert_eq!(words("S Y S T E M   M O D E"), ["system", "mode"]);
        assert_eq!(words("sha256 utf8 p4ssw0rd"), ["sha256", "utf8", "password"]);
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "é 指示 ignore";
        for word in Words::read(text, 0).list {
            assert!(text.get(word.range()).is_some());
        }
    }

    #[test]
    fn sentences_end_at_stops_and_empty_lines() {
        let words = Words::read("one two. three v1.2 four\nfive\n\nsix。七", 0);
        let sentences: Vec<u32> = words.list.iter().map(|word| word.sentence).collect();
        assert_eq!(sentences, [0, 0, 1, 1, 1, 1, 1, 2, 3]);
    }
}
