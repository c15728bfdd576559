//! Fingerprints of text, by which a later text is known to repeat a part of it.
//!
//! A text is read as its letters and digits in lower case, all else left out, so that case, spacing,
//! punctuation and line breaks make no difference; what it says once decoded (percent-encoding, entities,
//! escapes, base64, hexadecimal) is read beside it. Each run of `span` bytes of that has a hash, and one
//! hash of every `span + 1` in a row is kept: the smallest (winnowing; Schleimer, Wilkerson, Aiken: "Winnowing:
//! Local Algorithms for Document Fingerprinting", 2003). The later text is looked up run by run. So
//!
//! - a match means that at least `span` letters and digits in a row are the same, but for chance:
//!   hashes have 40 bits, so a text of n bytes against f fingerprints matches by chance with
//!   probability n·f/2⁴⁰ (64 KiB against a full state: 1 in 5,000; 1 KiB: 1 in 350,000);
//! - every repeated run of `2·span` bytes is found, as long as the fingerprints were not thinned out,
//!   and shorter ones down to `span` with falling odds;
//! - the work is linear in the text.

use std::collections::{BTreeMap, VecDeque};

use crate::json::{Kind, Value};
use crate::scan::each_layer;

/// The fingerprints of everything said in `value`, sorted, [`MAX_PRINTS`] at most: where there are more, those with the
/// smallest hashes are kept, a sample that does not depend on where in the text they stand.
pub(super) fn prints_of(value: Value<'_>, span: usize) -> Vec<u64> {
    let mut found = Vec::new();
    let mut whole = Winnow::new(span);
    walk(value, &mut |_, text| {
        normal(text, &mut |byte| found.extend(whole.push(byte)));
        each_layer(text, &mut |layer| {
            let mut winnow = Winnow::new(span);
            normal(layer, &mut |byte| found.extend(winnow.push(byte)));
            found.extend(winnow.finish());
        });
    });
    found.extend(whole.finish());
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_PRINTS);
    found
}

/// Fingerprints to look for, each with the number of the text it is of.
#[derive(Debug)]
pub(super) struct Wanted {
    span: usize,
    /// Sorted.
    prints: Vec<(u64, usize)>,
    /// One bit for each value of the lowest bits of a fingerprint: most runs are of none.
    sieve: Vec<u64>,
}

impl Wanted {
    /// The fingerprints of these texts, made with the same `span`.
    pub(super) fn new<'p>(span: usize, texts: impl IntoIterator<Item = (usize, &'p [u64])>) -> Self {
        let mut prints: Vec<(u64, usize)> = Vec::new();
        for (text, own) in texts {
            prints.extend(own.iter().map(|print| (*print, text)));
        }
        prints.sort_unstable();
        let mut sieve = vec![0; SIEVE_WORDS];
        for (print, _) in &prints {
            if let Some(word) = sieve.get_mut(sieve_word(*print)) {
                *word |= 1 << (print % 64);
            }
        }
        Self { span, prints, sieve }
    }

    /// Looks for what `value` repeats: the texts it repeats, each with the strings and keys in which it does.
    pub(super) fn find<'d>(&self, value: Value<'d>) -> BTreeMap<usize, Places<'d>> {
        let mut hits: BTreeMap<usize, Places<'d>> = BTreeMap::new();
        if self.prints.is_empty() {
            return hits;
        }
        let mut roller = Roller::new(self.span);
        // The values within the last run, each with the position behind its last byte.
        let mut recent: VecDeque<(u64, Value<'d>)> = VecDeque::new();
        walk(value, &mut |place, text| {
            let begin = roller.position;
            recent.push_back((u64::MAX, place));
            normal(text, &mut |byte| {
                let Some(print) = roller.push(byte) else { return };
                let start = roller.position.saturating_sub(self.span as u64);
                while recent.front().is_some_and(|(end, _)| *end <= start) {
                    recent.pop_front();
                }
                for text in self.texts_with(print) {
                    hits.entry(text).or_default().extend(recent.iter().map(|(_, one)| (one.span().start, *one)));
                }
            });
            // What has no letter or digit is in no run.
            if roller.position == begin {
                recent.pop_back();
            } else if let Some((end, _)) = recent.back_mut() {
                *end = roller.position;
            }
            each_layer(text, &mut |layer| {
                let mut roller = Roller::new(self.span);
                normal(layer, &mut |byte| {
                    let Some(print) = roller.push(byte) else { return };
                    for text in self.texts_with(print) {
                        hits.entry(text).or_default().insert(place.span().start, place);
                    }
                });
            });
        });
        hits
    }

    fn texts_with(&self, print: u64) -> impl Iterator<Item = usize> {
        let sifted = self.sieve.get(sieve_word(print)).is_some_and(|word| word & (1 << (print % 64)) != 0);
        let from = if sifted { self.prints.partition_point(|(known, _)| *known < print) } else { self.prints.len() };
        let rest = self.prints.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(known, _)| *known == print).map(|(_, text)| *text)
    }
}

/// Values of a document by where they begin.
pub(super) type Places<'d> = BTreeMap<usize, Value<'d>>;

/// Calls `visit` with every key and scalar within `value`, in text order: a key or string by its content,
/// anything else as it is written.
fn walk<'d>(value: Value<'d>, visit: &mut dyn FnMut(Value<'d>, &str)) {
    match value.kind() {
        Kind::Object => {
            for (key, value) in value.members() {
                visit(key, &key.as_str().unwrap_or_default());
                walk(value, visit);
            }
        }
        Kind::Array => value.elements().for_each(|element| walk(element, visit)),
        Kind::String | Kind::Key => visit(value, &value.as_str().unwrap_or_default()),
        Kind::Number | Kind::True | Kind::False | Kind::Null => visit(value, value.raw()),
    }
}

/// The letters and digits of a text in lower case, as bytes of UTF-8.
fn normal(text: &str, push: &mut impl FnMut(u8)) {
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            push(character.to_ascii_lowercase() as u8);
        } else if !character.is_ascii() && character.is_alphanumeric() {
            for lower in character.to_lowercase() {
                let mut bytes = [0; 4];
                lower.encode_utf8(&mut bytes).bytes().for_each(&mut *push);
            }
        }
    }
}

/// The hash of the last `span` bytes, byte by byte (Karp, Rabin: "Efficient randomized pattern-matching algorithms", 1987).
#[derive(Debug)]
struct Roller {
    last: VecDeque<u8>,
    span: usize,
    hash: u64,
    /// What the oldest byte is worth in the hash.
    weight: u64,
    /// Bytes seen.
    position: u64,
}

impl Roller {
    fn new(span: usize) -> Self {
        let weight = (1..span).fold(1_u64, |weight, _| weight.wrapping_mul(BASE));
        Self { last: VecDeque::with_capacity(span), span, hash: 0, weight, position: 0 }
    }

    /// The fingerprint of the run that ends with this byte, once there is one.
    fn push(&mut self, byte: u8) -> Option<u64> {
        if self.last.len() == self.span
            && let Some(oldest) = self.last.pop_front()
        {
            self.hash = self.hash.wrapping_sub(worth(oldest).wrapping_mul(self.weight));
        }
        self.last.push_back(byte);
        self.hash = self.hash.wrapping_mul(BASE).wrapping_add(worth(byte));
        self.position += 1;
        (self.last.len() == self.span).then(|| mixed(self.hash) & PRINT_MASK)
    }
}

/// Chooses the smallest of every `span + 1` fingerprints in a row, the last one of equals.
struct Winnow {
    roller: Roller,
    /// Candidates of the window, smallest first: position and fingerprint.
    window: VecDeque<(u64, u64)>,
    chosen: Option<u64>,
}

impl Winnow {
    fn new(span: usize) -> Self {
        Self { roller: Roller::new(span), window: VecDeque::new(), chosen: None }
    }

    /// A fingerprint that is kept, if there is a new one.
    fn push(&mut self, byte: u8) -> Option<u64> {
        let print = self.roller.push(byte)?;
        let (at, span) = (self.roller.position, self.roller.span as u64);
        while self.window.back().is_some_and(|(_, known)| *known >= print) {
            self.window.pop_back();
        }
        self.window.push_back((at, print));
        while self.window.front().is_some_and(|(known, _)| *known + span < at) {
            self.window.pop_front();
        }
        // The first window ends with the `2·span`-th byte.
        if at < 2 * span { None } else { self.choose() }
    }

    /// What is kept of a text that is shorter than one window.
    fn finish(mut self) -> Option<u64> {
        self.choose()
    }

    fn choose(&mut self) -> Option<u64> {
        let (at, print) = self.window.front()?;
        if self.chosen == Some(*at) {
            return None;
        }
        self.chosen = Some(*at);
        Some(*print)
    }
}

/// A byte as it counts in a hash: never zero, and no two alike in their low bits.
fn worth(byte: u8) -> u64 {
    (u64::from(byte) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Spreads a hash over all bits (the finalizer of Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
/// Generators", 2014, in Stafford's variant 13).
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

fn sieve_word(print: u64) -> usize {
    (print / 64) as usize % SIEVE_WORDS
}

/// Most fingerprints kept of one text: about 17 KB of letters and digits at a span of 32 before any is left out.
pub(super) const MAX_PRINTS: usize = 1024;
/// Bits of a fingerprint that count: what is kept is bytes.
pub(super) const PRINT_BYTES: usize = 5;
const PRINT_MASK: u64 = (1 << (8 * PRINT_BYTES)) - 1;
/// An odd multiplier without small factors.
const BASE: u64 = 0x0000_0100_0000_01b3;
const SIEVE_WORDS: usize = 512;
