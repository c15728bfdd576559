//! Numbers written in groups: `536-90-4399`, `DE89 3704 0044 …`, `880320-0016`.
//!
//! A run is a sequence of words joined by one separator each. From every word that may begin a
//! number, the run is extended word by word, and what has been gathered so far, without its
//! separators, is compared with the numbers of that length in [`super::numbers`].

use std::ops::Range;
use std::sync::LazyLock;

use super::context::{Contexts, DRIVER, Kinds, PASSPORT, PERSON, SSN, TAX};
use super::numbers::{SPECS, Spec};
use super::rules::Name;
use super::{Candidate, card, gate, iban};

/// Finds the numbers in `text` and appends them; calls `long` for words that are too long for one.
/// Returns how many steps that took, for tests.
pub(super) fn find(
    text: &str,
    contexts: &mut Contexts<'_>,
    found: &mut Vec<Candidate>,
    mut long: impl FnMut(Range<usize>, &mut Contexts<'_>, &mut Vec<Candidate>),
) -> u64 {
    let mut steps = whole(text, contexts, found);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(digit) = gate::next_digit(bytes, at) {
        let start = digit
            - bytes
                .get(at..digit)
                .unwrap_or_default()
                .iter()
                .rev()
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
        let (end, _) = word(bytes, digit);
        steps += (end - at) as u64 + 2;
        if end - start >= LONG {
            steps += LONG as u64;
            long(start..end, contexts, found);
        }
        if end - start <= LONGEST {
            // One or two letters may stand before: `AA 12 34 56 B`, `X-1234567-R`.
            let before = bytes.get(at..start).unwrap_or_default();
            if let [head @ .., b' ' | b'-'] = before {
                let letters = head.iter().rev().take(3).take_while(|byte| byte.is_ascii_alphanumeric()).count();
                let letters = letters..head.len();
                if (1..=2).contains(&letters.start)
                    && head
                        .get(letters.end - letters.start..)
                        .is_some_and(|two| two.iter().all(u8::is_ascii_alphabetic))
                {
                    steps += extend(bytes, start - 1 - letters.start, contexts, found);
                }
            }
            steps += extend(bytes, start, contexts, found);
            steps += labelled(bytes, start, contexts, found);
        }
        at = end;
    }
    steps
}

/// What a label right before it calls a passport's, a taxpayer's or an identity number is one, whatever its form:
/// `Passport number: K45 3286`, `"tax_id": "…"`.
#[inline(never)]
fn labelled(bytes: &[u8], start: usize, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) -> u64 {
    let before = bytes.get(start.saturating_sub(LABEL)..start).unwrap_or_default();
    let quotes = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'"' | b'\'' | b'\\')).count();
    let before = before.get(..before.len() - quotes).unwrap_or_default();
    let label = match before {
        [head @ .., b':' | b'=' | b'#'] | [head @ .., b' ', b'i', b's'] => head,
        _ => return 4,
    };
    let from = label.iter().rposition(|byte| matches!(byte, b',' | b';' | b'{' | b'\n' | b'|' | b':' | b'.' | b'?'));
    let label = start.saturating_sub(LABEL) + from.map_or(0, |last| last + 1);
    let (mut end, mut digits) = word(bytes, start);
    let mut length = end - start;
    while let Some(b' ' | b'-' | b'/' | b'.') = bytes.get(end)
        && length <= LONGEST
    {
        let (next, more) = word(bytes, end + 1);
        if more == 0 {
            break;
        }
        length += next - end - 1;
        digits += more;
        end = next;
    }
    let kinds = PASSPORT | TAX | DRIVER | PERSON | SSN;
    if (6..=18).contains(&length) && digits >= FEWEST && contexts.label(label..start, kinds) {
        found.push(Candidate { rule: Name::NationalId, range: start..end, weight: PHONE });
    }
    (LABEL + length) as u64
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

    /// Where it stands.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// True if the run is a segment of a path or the value of a URL's parameter.
    fn is_in_path(&self) -> bool {
        self.count == 1
            && matches!(
                self.start.checked_sub(1).and_then(|before| self.bytes.get(before)),
                Some(b'/' | b'&' | b'@' | b'\\')
            )
    }

    /// True for one word in lower case that may be part of a hash.
    fn is_hexadecimal(&self) -> bool {
        self.lower && !self.upper && self.compact().iter().all(u8::is_ascii_hexdigit)
    }

    /// True for words set apart by blanks with more of their kind on either side.
    fn is_crowded(&self) -> bool {
        let byte = |at: Option<usize>| at.and_then(|at| self.bytes.get(at)).copied().unwrap_or(b'a');
        self.separators().contains(&b' ')
            && ((byte(self.start.checked_sub(1)) == b' ' && byte(self.start.checked_sub(2)).is_ascii_digit())
                || (byte(Some(self.end)) == b' ' && byte(Some(self.end + 1)).is_ascii_digit()))
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
        let earlier = byte(self.start.checked_sub(2));
        // Behind a comma a row of a table goes on, or, for a few plain digits, a number.
        let row = self.count > 1 || self.length >= 13;
        let left = matches!(before, b'-' | b'.' | b'/' | b'+') && earlier.is_ascii_alphanumeric()
            || before == b',' && earlier.is_ascii_digit() && !row;
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

/// Extends the run that begins at `start` as long as it may become a number, and tries it after each word.
fn extend(bytes: &[u8], start: usize, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) -> u64 {
    let layouts = &*LAYOUTS;
    let mut node = layouts.root();
    // An account number begins with the letters of its country.
    let mut account = bytes.get(start).is_some_and(u8::is_ascii_digit).then_some(0);
    let first = word(bytes, start).0 - start;
    if account.is_some() {
        let Some(node) = node.and_then(|node| layouts.after(node, first)) else { return 1 };
        // No number has so few digits, and no more follow.
        if node.numbers.is_empty() && !node.card && !goes_on(bytes, start + first) {
            return first as u64 + 1;
        }
    }
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
        node = node.and_then(|node| layouts.after(node, end - at));
        // The country is known with the fourth character: no other length needs to be tried.
        if account.is_none() && run.length >= 4 {
            account = Some(iban::length(run.compact()).unwrap_or(0));
        }
        if account == Some(run.length) && run.stands_alone() && iban::is(&run) {
            steps += run.length as u64;
            found.push(Candidate { rule: Name::Iban, range: run.range(), weight: STRONG });
        }
        if let Some(node) = node {
            steps += node.numbers.len() as u64;
            attempt(&run, node, contexts, found);
        }
        if node.is_none_or(|node| node.next.is_empty()) && account.is_some_and(|length| length <= run.length) {
            return steps;
        }
        if !goes_on(bytes, end) {
            return steps;
        }
        separator = bytes.get(end).copied().unwrap_or(0);
        at = end + 1;
    }
}

/// True if another word follows the one that ends at `end`.
fn goes_on(bytes: &[u8], end: usize) -> bool {
    matches!(bytes.get(end), Some(b' ' | b'-' | b'.' | b'/' | b':' | b'+'))
        && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric)
}

/// Compares the run with all numbers whose words are as long.
fn attempt(run: &Run<'_>, node: &Node, contexts: &mut Contexts<'_>, found: &mut Vec<Candidate>) {
    if (node.numbers.is_empty() && !node.card) || !run.stands_alone() {
        return;
    }
    if node.card
        && let Some(weight) = card::is(run, contexts)
    {
        found.push(Candidate { rule: Name::CreditCard, range: run.range(), weight });
    }
    let crowded = run.is_crowded();
    let mut done: Option<&Spec> = None;
    for number in &node.numbers {
        let spec = number.spec;
        // The layouts of one number follow each other; one match suffices.
        if done.is_some_and(|done| std::ptr::eq(done, spec)) || !spec.has_form(run.compact()) {
            continue;
        }
        if !run.is_laid_out(number.layout) || !(spec.check)(run.compact()) {
            continue;
        }
        if contexts.near(&run.range(), spec.kinds) {
            let near = contexts.next_to(&run.range(), spec.kinds & !super::context::ID);
            found.push(Candidate { rule: spec.rule, range: run.range(), weight: if near { NEXT } else { NAMED } });
            done = Some(spec);
        } else if number.alone && !crowded && !run.is_in_path() && !run.is_hexadecimal() {
            found.push(Candidate { rule: spec.rule, range: run.range(), weight: ALONE });
            done = Some(spec);
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
        for spec in LAYOUTS.of_length(candidate.len()) {
            if spec.kinds & kinds != 0 && spec.has_form(candidate) && (spec.check)(candidate) {
                let weight = if spec.kinds & kinds & !super::context::ID != 0 { NEXT } else { NAMED };
                found.push(Candidate { rule: spec.rule, range: range.clone(), weight });
            }
        }
    }
    // Whatever is named an identity number is one, check or not.
    let digits = run.compact().iter().filter(|byte| byte.is_ascii_digit()).count();
    let named = super::context::ID | PASSPORT | TAX | DRIVER | SSN;
    if kinds & named != 0 && (6..=20).contains(&run.length) && digits >= FEWEST {
        found.push(Candidate { rule: Name::NationalId, range: range.clone(), weight: PHONE });
    }
    if kinds & super::context::CARD != 0 && card::is_number(run.compact()) {
        found.push(Candidate { rule: Name::CreditCard, range: range.clone(), weight: NEXT });
    }
    if kinds & (super::context::BANK | super::context::ID) != 0 && iban::holds(run.compact()) {
        found.push(Candidate { rule: Name::Iban, range, weight: STRONG });
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

/// A way to write a number.
#[derive(Debug)]
struct Number {
    spec: &'static Spec,
    layout: &'static str,
    /// No word is needed.
    alone: bool,
}

/// The numbers that may follow words of certain lengths.
#[derive(Debug, Default)]
struct Node {
    /// The length of the next word and the index of the node behind it.
    next: Vec<(u8, usize)>,
    /// Numbers that end here.
    numbers: Vec<Number>,
    /// Cards are grouped like this.
    card: bool,
}

/// All layouts as a tree over the lengths of their words, and all numbers by their whole length.
struct Layouts {
    nodes: Vec<Node>,
    by_length: Vec<Vec<&'static Spec>>,
}

impl Layouts {
    fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    fn after(&self, node: &Node, length: usize) -> Option<&Node> {
        let (_, child) = node.next.iter().find(|(next, _)| usize::from(*next) == length)?;
        self.nodes.get(*child)
    }

    fn of_length(&self, length: usize) -> &[&'static Spec] {
        self.by_length.get(length).map_or(&[], Vec::as_slice)
    }

    /// The node of `layout`, made where there is none.
    fn at(&mut self, layout: &str) -> Option<&mut Node> {
        let mut at = 0;
        for length in layout.split(|byte: char| !byte.is_ascii_digit()).filter_map(|group| group.parse::<u8>().ok()) {
            let known = self.nodes.get(at)?.next.iter().find(|(next, _)| *next == length).map(|(_, child)| *child);
            at = match known {
                Some(child) => child,
                None => {
                    let child = self.nodes.len();
                    self.nodes.push(Node::default());
                    self.nodes.get_mut(at)?.next.push((length, child));
                    child
                }
            };
        }
        self.nodes.get_mut(at)
    }
}

static LAYOUTS: LazyLock<Layouts> = LazyLock::new(|| {
    let mut layouts = Layouts { nodes: vec![Node::default()], by_length: vec![Vec::new(); LONGEST + 1] };
    for spec in SPECS {
        if let Some(same) = layouts.by_length.get_mut(spec.form.len()) {
            same.push(spec);
        }
        let alone = spec.alone.iter().map(|layout| (true, *layout));
        for (alone, layout) in alone.chain(spec.named.iter().map(|layout| (false, *layout))) {
            if let Some(node) = layouts.at(layout) {
                node.numbers.push(Number { spec, layout, alone });
            }
        }
    }
    for layout in card::LAYOUTS {
        if let Some(node) = layouts.at(layout) {
            node.card = true;
        }
    }
    layouts
});

/// True if a word of one of `kinds` is known to stand near the run.
pub(super) fn is_named(run: &Run<'_>, contexts: &mut Contexts<'_>, kinds: Kinds) -> bool {
    contexts.near(&run.range(), kinds)
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

/// Words from this length on may be wallets.
const LONG: usize = 25;

/// How far back a label is looked for.
const LABEL: usize = 48;

/// The fewest digits of a number that only its label tells.
const FEWEST: usize = 4;

/// The longest text that is taken for a number as a whole, in bytes.
const WHOLE: usize = 48;
