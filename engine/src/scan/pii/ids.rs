//! Numbers written in groups: `536-90-4399`, `DE89 3704 0044 …`, `880320-0016`.
//!
//! A run is a sequence of words joined by one separator each. From every word that may begin a
//! number, the run is extended word by word, and what has been gathered so far, without its
//! separators, is compared with the numbers of that length in [`super::numbers`].

use std::ops::Range;
use std::sync::LazyLock;

use super::context::{Contexts, Kinds};
use super::numbers::{SPECS, Spec};
use super::rules::Id;
use super::{Candidate, card, iban};

/// Finds the numbers in `text` and appends them; returns how many steps that took, for tests.
pub(super) fn find(text: &str, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) -> u64 {
    let mut steps = whole(text, contexts, found);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        steps += 1;
        if !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            at += 1;
            continue;
        }
        let (end, digits) = word(bytes, at);
        let joined = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'_');
        if end - at <= LONGEST && !joined && may_begin(bytes, at, end, digits) {
            steps += extend(text, at, contexts, found);
        }
        steps += (end - at) as u64;
        at = end;
    }
    steps
}

/// The words gathered so far, without separators, in upper case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'b> {
    /// The whole text.
    pub(super) bytes: &'b [u8],
    /// Where the first word starts.
    pub(super) start: usize,
    /// Where the last one ends.
    pub(super) end: usize,
    compact: [u8; LONGEST],
    length: usize,
    groups: [u8; GROUPS],
    separators: [u8; GROUPS],
    count: usize,
    digits: usize,
    lower: bool,
    upper: bool,
}

impl<'b> Run<'b> {
    fn new(bytes: &'b [u8], start: usize) -> Self {
        Self {
            bytes,
            start,
            end: start,
            compact: [0; LONGEST],
            length: 0,
            groups: [0; GROUPS],
            separators: [0; GROUPS],
            count: 0,
            digits: 0,
            lower: false,
            upper: false,
        }
    }

    /// The characters without separators, letters in upper case.
    pub(super) fn compact(&self) -> &[u8] {
        self.compact.get(..self.length).unwrap_or_default()
    }

    /// The lengths of the words.
    pub(super) fn groups(&self) -> &[u8] {
        self.groups.get(..self.count).unwrap_or_default()
    }

    /// What stands before each word but the first.
    pub(super) fn separators(&self) -> &[u8] {
        self.separators.get(1..self.count).unwrap_or_default()
    }

    /// True if there are digits only.
    pub(super) fn is_number(&self) -> bool {
        self.digits == self.length
    }

    /// True if the letters are of both cases.
    pub(super) fn is_mixed(&self) -> bool {
        self.lower && self.upper
    }

    /// False if there is no room for the word.
    fn push(&mut self, from: usize, to: usize, separator: u8) -> bool {
        let (Some(group), Some(place)) = (self.groups.get_mut(self.count), self.separators.get_mut(self.count)) else {
            return false;
        };
        let word = self.bytes.get(from..to).unwrap_or_default();
        let Some(room) = self.compact.get_mut(self.length..self.length + word.len()) else { return false };
        for (to, byte) in room.iter_mut().zip(word) {
            self.digits += usize::from(byte.is_ascii_digit());
            self.lower |= byte.is_ascii_lowercase();
            self.upper |= byte.is_ascii_uppercase();
            *to = byte.to_ascii_uppercase();
        }
        *group = word.len() as u8;
        *place = separator;
        self.length += word.len();
        self.count += 1;
        self.end = to;
        true
    }

    /// True if the run is no part of a longer number: `1.536904399`, `2024-536-90-4399`.
    fn stands_alone(&self) -> bool {
        let byte = |at: Option<usize>| at.and_then(|at| self.bytes.get(at)).copied().unwrap_or(b' ');
        let before = byte(self.start.checked_sub(1));
        let left = matches!(before, b'-' | b'.' | b'/' | b'+' | b',')
            && byte(self.start.checked_sub(2)).is_ascii_alphanumeric();
        let after = byte(Some(self.end));
        let right = matches!(after, b'-' | b'.' | b'/' | b'+') && byte(Some(self.end + 1)).is_ascii_alphanumeric();
        !left && !right && !matches!(before, b'_' | b'$' | b'#' | b'\\') && after != b'_' && after != b'%'
    }

    /// True if the words are as long and as separated as `layout` says. `~` stands for one of
    /// blank, `-`, `.`, `/`, `:`, the same one everywhere.
    pub(super) fn is_laid_out(&self, layout: &str) -> bool {
        let mut separator = 0;
        let mut groups = self.groups().iter();
        let mut separators = self.separators().iter();
        let mut length = 0_u8;
        for byte in layout.bytes() {
            if byte.is_ascii_digit() {
                length = length.wrapping_mul(10).wrapping_add(byte - b'0');
                continue;
            }
            if groups.next() != Some(&length) {
                return false;
            }
            length = 0;
            let Some(actual) = separators.next() else { return false };
            let fits = match byte {
                b'~' if separator == 0 => {
                    separator = *actual;
                    b" -./:".contains(actual)
                }
                b'~' => separator == *actual,
                byte => byte == *actual,
            };
            if !fits {
                return false;
            }
        }
        groups.next() == Some(&length) && groups.next().is_none()
    }
}

/// Extends the run that begins at `start` and tries it after each word.
fn extend(text: &str, start: usize, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) -> u64 {
    let bytes = text.as_bytes();
    let mut run = Run::new(bytes, start);
    let mut at = start;
    let mut separator = 0;
    let mut steps = 0;
    loop {
        let (end, _) = word(bytes, at);
        steps += (end - at) as u64 + 1;
        if !run.push(at, end, separator) {
            return steps;
        }
        if run.digits >= DIGITS {
            steps += 4;
            attempt(&run, contexts, found);
        }
        let (Some(next), Some(after)) = (bytes.get(end), bytes.get(end + 1)) else { return steps };
        if !matches!(next, b' ' | b'-' | b'.' | b'/' | b':' | b'+') || !after.is_ascii_alphanumeric() {
            return steps;
        }
        separator = *next;
        at = end + 1;
    }
}

/// Compares the run with all numbers of its length.
fn attempt(run: &Run<'_>, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) {
    if run.is_mixed() && run.count == 1 && run.length > 24 || !run.stands_alone() {
        return;
    }
    let range = run.start..run.end;
    if let Some(weight) = iban::is(run) {
        found.push(Candidate { rule: Id::Iban, range: range.clone(), weight });
    }
    if let Some(weight) = card::is(run, contexts) {
        found.push(Candidate { rule: Id::CreditCard, range: range.clone(), weight });
    }
    for spec in INDEX.of(run.length) {
        if !spec.has_form(run.compact()) {
            continue;
        }
        let alone = spec.alone.iter().any(|layout| run.is_laid_out(layout)) && !in_path(run);
        if !alone && !spec.named.iter().any(|layout| run.is_laid_out(layout)) {
            continue;
        }
        if !(spec.check)(run.compact()) {
            continue;
        }
        if spec.kinds != 0 && contexts.near(&range, spec.kinds) {
            let near = contexts.next_to(&range, spec.kinds & !super::context::ID);
            found.push(Candidate { rule: spec.rule, range: range.clone(), weight: if near { NEXT } else { NAMED } });
        } else if alone {
            found.push(Candidate { rule: spec.rule, range: range.clone(), weight: ALONE });
        }
    }
}

/// The text of a member that is named after a number is that number, however it is separated.
fn whole(text: &str, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) -> u64 {
    let kinds = contexts.member();
    let trimmed = text.trim_ascii();
    if kinds == 0 || trimmed.len() > WHOLE {
        return 1;
    }
    let bytes = text.as_bytes();
    let start = text.len() - text.trim_ascii_start().len();
    let mut run = Run::new(bytes, start);
    for at in start..start + trimmed.len() {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() => {
                if !run.push_byte(*byte) {
                    return WHOLE as u64;
                }
            }
            Some(b' ' | b'-' | b'.' | b'/' | b':' | b'+' | b'(' | b')') => {}
            _ => return WHOLE as u64,
        }
    }
    run.end = start + trimmed.len();
    let range = run.start..run.end;
    // A number may stand behind the code of its country: `HR 33392005961`.
    let compact = run.compact();
    let country = compact.get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_uppercase));
    for candidate in [Some(compact), country.then(|| compact.get(2..).unwrap_or_default())].into_iter().flatten() {
        for spec in INDEX.of(candidate.len()) {
            if spec.kinds & kinds != 0 && spec.has_form(candidate) && (spec.check)(candidate) {
                let weight = if spec.kinds & kinds & !super::context::ID != 0 { NEXT } else { NAMED };
                found.push(Candidate { rule: spec.rule, range: range.clone(), weight });
            }
        }
    }
    if kinds & super::context::CARD != 0 && card::is_number(run.compact()) {
        found.push(Candidate { rule: Id::CreditCard, range: range.clone(), weight: NEXT });
    }
    if kinds & (super::context::BANK | super::context::ID) != 0 && iban::holds(run.compact()) {
        found.push(Candidate { rule: Id::Iban, range, weight: STRONG });
    }
    WHOLE as u64
}

impl Run<'_> {
    fn push_byte(&mut self, byte: u8) -> bool {
        let Some(place) = self.compact.get_mut(self.length) else { return false };
        *place = byte.to_ascii_uppercase();
        self.length += 1;
        self.digits += usize::from(byte.is_ascii_digit());
        true
    }
}

/// The end of the word that starts at `start`, and how many digits it has.
fn word(bytes: &[u8], start: usize) -> (usize, usize) {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
    // A longer word is no number: its digits need not be counted.
    let digits = rest.iter().take(length.min(LONGEST + 1)).filter(|byte| byte.is_ascii_digit()).count();
    (start + length, digits)
}

/// True for a word with a digit, or one or two letters followed by a digit: `AA 12 34 56 B`, `X-1234567-R`.
fn may_begin(bytes: &[u8], start: usize, end: usize, digits: usize) -> bool {
    digits > 0
        || (end - start <= 2
            && matches!(bytes.get(end), Some(b' ' | b'-'))
            && bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
}

/// True if the run is a segment of a path or the value of a URL's parameter.
fn in_path(run: &Run<'_>) -> bool {
    run.count == 1
        && matches!(run.start.checked_sub(1).and_then(|before| run.bytes.get(before)), Some(b'/' | b'&' | b'@' | b'\\'))
}

impl Spec {
    /// True if every character is of the class that the form demands.
    pub(super) fn has_form(&self, compact: &[u8]) -> bool {
        self.form.len() == compact.len()
            && self.form.bytes().zip(compact).all(|(class, byte)| match class {
                b'd' => byte.is_ascii_digit(),
                b'A' => byte.is_ascii_uppercase(),
                b'x' => true,
                literal => literal == *byte,
            })
    }
}

/// The numbers by their length.
struct Index(Vec<Vec<&'static Spec>>);

impl Index {
    fn of(&self, length: usize) -> impl Iterator<Item = &'static Spec> + use<> {
        let same: &'static [&'static Spec] = INDEX.0.get(length).map_or(&[], Vec::as_slice);
        same.iter().copied()
    }
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = vec![Vec::new(); LONGEST + 1];
    for spec in SPECS {
        if let Some(same) = index.get_mut(spec.form.len()) {
            same.push(spec);
        }
    }
    Index(index)
});

/// True if a word of one of `kinds` is known to stand near the run.
pub(super) fn is_named(run: &Run<'_>, contexts: &mut Contexts<'_>, kinds: Kinds) -> bool {
    contexts.near(&Range { start: run.start, end: run.end }, kinds)
}

/// Of matches that overlap the heaviest stays: a check that hardly ever holds by chance.
pub(super) const STRONG: u8 = 5;
/// A word of this very kind stands next to it.
pub(super) const NEXT: u8 = 4;
/// Form and check suffice.
pub(super) const ALONE: u8 = 3;
/// A word of its kind stands near.
pub(super) const NAMED: u8 = 2;
/// A telephone number by its form.
pub(super) const PHONE: u8 = 1;

/// The longest number, without separators: an IBAN.
pub(super) const LONGEST: usize = 34;

/// The most words of a number: an IBAN in groups of four with an odd country code.
const GROUPS: usize = 12;

/// The fewest digits of a number.
const DIGITS: usize = 4;

/// The longest text that is taken for a number as a whole, in bytes.
const WHOLE: usize = 48;
