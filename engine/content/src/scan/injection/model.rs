//! The learned tier: a linear model (logistic regression) over hashed words, word pairs, concepts
//! and pairs of concepts, in passages of a bounded number of words. What decides is not one phrase
//! but how much of a passage speaks to a model. `training/injection` holds how it was trained.

use std::cell::Cell;
use std::ops::Range;
use std::sync::LazyLock;

use super::Place;
use super::lexicon::Concepts;
use super::words::Words;
use crate::packed::unpack;

/// What the model says about a stretch of text.
pub(super) struct Verdict {
    /// The place of the passage that it takes for an injection with the most confidence, if any.
    pub(super) injection: Option<Range<usize>>,
    /// The log-odds of each passage, in order; the places overlap.
    passages: Vec<(f32, Range<usize>)>,
    floor: f32,
    /// The first passage that what was asked for last overlaps.
    first: Cell<usize>,
}

impl Verdict {
    /// Whether what the grammar found may be an injection: words that mean one may stand in a page that
    /// has nothing of one otherwise. A short text says too little about itself to be overruled.
    pub(super) fn bears_out(&self, found: &Range<usize>) -> bool {
        // Both ends of the passages grow: those that overlap stand next to each other.
        if self.passages.len() <= 1 {
            return true;
        }
        let ends = |index: usize| self.passages.get(index).map_or(usize::MAX, |(_, range)| range.end);
        // Mostly it is the same one again.
        let mut first = self.first.get();
        if ends(first) <= found.start || first > 0 && ends(first - 1) > found.start {
            first = self.passages.partition_point(|(_, range)| range.end <= found.start);
            self.first.set(first);
        }
        let overlapping = self.passages.iter().skip(first).take_while(|(_, range)| range.start < found.end);
        overlapping.into_iter().any(|(score, _)| *score >= self.floor)
    }
}

/// Judges the passages of a stretch of text; more strictly one that is read for hints alone, as far more of those are honest.
#[inline(never)]
pub(super) fn judge(words: &Words, concepts: &[(usize, Concepts)], place: Place, by_hints: bool) -> Verdict {
    let mut verdict = Verdict { injection: None, passages: Vec::new(), floor: f32::MIN, first: Cell::new(0) };
    let Some(model) = MODEL.as_ref() else { return verdict };
    verdict.floor = FLOOR;
    let mut best = model.threshold(place) + if by_hints { BY_HINTS } else { 0.0 };
    // Passages overlap: each weight is looked up once. The sums and numbers of all features up to each word.
    let mut sums =
        Sums { model, all: (0, 0), upto: Vec::with_capacity(words.list.len() + 1), known: [((0, 0), (0, 0)); KNOWN] };
    sums.upto.push((0, 0));
    features(words, concepts, place, &mut sums);
    each_passage(words, |within, range| {
        let at = |index: usize| sums.upto.get(index).copied().unwrap_or_default();
        let ((before, first), (sum, last)) = (at(within.start), at(within.end));
        let score = model.score(sum - before, last - first, place);
        if score >= best {
            best = score;
            verdict.injection = Some(range.clone());
        }
        verdict.passages.push((score, range));
    });
    verdict
}

/// Calls `found` with the features and the place of each passage. A feature is the number of a weight; the last one
/// tells the surface.
pub(super) fn passages(
    words: &Words,
    concepts: &[(usize, Concepts)],
    place: Place,
    mut found: impl FnMut(&[u32], Range<usize>),
) {
    let mut all = Numbers::default();
    features(words, concepts, place, &mut all);
    each_passage(words, |within, range| {
        let mut passage = all.words.get(within).unwrap_or_default().concat();
        passage.push(PLACE + u32::from(place.0));
        found(&passage, range);
    });
}

/// Calls `found` with the words and the place of each passage: [`PASSAGE`] words, every half of that.
#[inline(never)]
fn each_passage(words: &Words, mut found: impl FnMut(Range<usize>, Range<usize>)) {
    let count = words.list.len();
    let mut first = 0;
    while first < count {
        let end = (first + PASSAGE).min(count);
        let start = words.list.get(first).map_or(0, |word| word.range().start);
        let stop = words.list.get(end.saturating_sub(1)).map_or(start, |word| word.range().end);
        found(first..end, start..stop.max(start));
        if end == count {
            break;
        }
        first += PASSAGE / 2;
    }
}

/// What becomes of the features of each word.
trait Sink {
    /// Takes a feature of the word.
    fn push(&mut self, feature: u32);

    /// Takes those of pairs of concepts, the first of a word before.
    #[inline]
    fn pairs(&mut self, earlier: Concepts, held: Concepts) {
        each_bit(held, |concept| each_bit(earlier, |earlier| self.push(PAIR + earlier * 64 + concept)));
    }

    /// Goes on to the next word.
    fn next(&mut self);
}

/// The numbers of the features, word by word.
#[derive(Default)]
struct Numbers {
    own: Vec<u32>,
    words: Vec<Vec<u32>>,
}

impl Sink for Numbers {
    fn push(&mut self, feature: u32) {
        self.own.push(feature);
    }

    fn next(&mut self) {
        self.words.push(std::mem::take(&mut self.own));
    }
}

/// The sum of the weights and the number of the features up to each word.
struct Sums<'m> {
    model: &'m Model,
    all: (i32, u32),
    upto: Vec<(i32, u32)>,
    /// What some pairs of sets add.
    known: [((Concepts, Concepts), (i32, u32)); KNOWN],
}

impl Sink for Sums<'_> {
    #[inline(always)]
    fn push(&mut self, feature: u32) {
        self.all = (self.all.0 + self.model.weight(feature), self.all.1 + 1);
    }

    #[inline]
    fn pairs(&mut self, earlier: Concepts, held: Concepts) {
        let hash =
            (earlier ^ held.rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - KNOWN.trailing_zeros());
        let Some(known) = self.known.get_mut(hash as usize) else { return };
        if known.0 != (earlier, held) {
            let mut sum = (0, 0);
            each_bit(held, |concept| {
                each_bit(earlier, |earlier| {
                    sum = (sum.0 + self.model.weight(PAIR + earlier * 64 + concept), sum.1 + 1);
                });
            });
            *known = ((earlier, held), sum);
        }
        self.all = (self.all.0 + known.1.0, self.all.1 + known.1.1);
    }

    #[inline(always)]
    fn next(&mut self) {
        self.upto.push(self.all);
    }
}

/// Hands the features of each word to `own`.
#[inline(never)]
fn features(words: &Words, concepts: &[(usize, Concepts)], place: Place, own: &mut impl Sink) {
    let mut meant = concepts.iter().peekable();
    let mut last: [(usize, Concepts, u32); 2] = [(0, 0, 0); 2];
    let mut sentence = u32::MAX;
    let mut before = 0;
    let mut before_that = 0;
    for (index, word) in words.list.iter().enumerate() {
        let text = words.text(word);
        let (name, stem) = hashes(text);
        own.push(bucket(name));
        own.push(bucket(mix(before, name)));
        own.push(bucket(mix(mix(before_that, 7), name)));
        if text.len() > stem_of(text) {
            own.push(bucket(mix(stem, 11)));
        }
        // An order starts with what is to be done, or with who is to do it.
        if word.sentence != sentence {
            sentence = word.sentence;
            own.push(bucket(mix(name, 13)));
        }
        before_that = before;
        before = name;
        let style = u32::from(word.style.capitals) | u32::from(word.style.mixed || word.style.leet) << 1;
        if style != 0 {
            own.push(STYLE + style);
        }
        if let Some((_, held)) = meant.next_if(|(at, _)| *at == index) {
            each_bit(*held, |concept| {
                own.push(CONCEPT + concept);
                // What a user may ask for, a document may not.
                own.push(bucket(mix(concept, u32::from(place.0))));
            });
            for (at, earlier, of) in &last {
                if *of == word.sentence && index - at <= NEAR {
                    own.pairs(*earlier, *held);
                }
            }
            let [newest, _] = last;
            last = [(index, *held, word.sentence), newest];
        }
        own.next();
    }
}

/// Weights as they were trained, in eight bits.
struct Model {
    weights: Vec<u8>,
    scale: f32,
    bias: f32,
    thresholds: [f32; 3],
}

impl Model {
    /// Little-endian: magic, scale, bias, thresholds of request, result, description; then the weights, packed.
    fn load(file: &[u8]) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let (header, packed) = rest.split_at_checked(20)?;
        let mut numbers = header.chunks_exact(4).filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?)));
        let mut next = || numbers.next();
        let weights = unpack(packed).filter(|weights| weights.len() == FEATURES as usize)?;
        Some(Self { scale: next()?, bias: next()?, thresholds: [next()?, next()?, next()?], weights })
    }

    /// The log-odds of a passage by the sum and number of its words' features: they count by the square root of their
    /// number, so that passages of all lengths compare.
    fn score(&self, sum: i32, number: u32, place: Place) -> f32 {
        let surface = self.weight(PLACE + u32::from(place.0));
        let length = number.max(1) as f32;
        self.bias + self.scale * (sum as f32 / length.sqrt() + surface as f32)
    }

    #[inline]
    fn weight(&self, feature: u32) -> i32 {
        self.weights.get(feature as usize).map_or(0, |byte| i32::from(byte.cast_signed()))
    }

    fn threshold(&self, place: Place) -> f32 {
        let [request, result, description] = self.thresholds;
        match place {
            Place::DESCRIPTION => description,
            Place::REQUEST => request,
            _ => result,
        }
    }
}

/// Calls `found` with the numbers of the bits of a set, at most four.
#[inline(always)]
fn each_bit(mut set: Concepts, mut found: impl FnMut(u32)) {
    let mut left = 4;
    while set != 0 && left > 0 {
        found(set.trailing_zeros());
        set &= set - 1;
        left -= 1;
    }
}

/// How many bytes of a longer word are a feature of their own: five letters, of two bytes each where they are not of ASCII.
fn stem_of(word: &str) -> usize {
    if word.starts_with(|c: char| c.is_ascii()) { STEM } else { 2 * STEM }
}

/// FNV-1a, 32 bits: of a word, and of its stem.
fn hashes(word: &str) -> (u32, u32) {
    let bytes = word.as_bytes();
    let (head, rest) = bytes.split_at_checked(stem_of(word)).unwrap_or((bytes, &[]));
    let go_on = |hash: u32, bytes: &[u8]| {
        bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    };
    let stem = go_on(0x811c_9dc5, head);
    (go_on(stem, rest), stem)
}

fn mix(one: u32, other: u32) -> u32 {
    (one.rotate_left(13) ^ other).wrapping_mul(0x9e37_79b1)
}

fn bucket(hash: u32) -> u32 {
    HASHED_FROM + (hash.wrapping_mul(0x85eb_ca6b) >> 14)
}

/// Below these log-odds the model is as good as certain that a passage is honest.
const FLOOR: f32 = -3.0;
/// By how much the log-odds of a text without a sign have to be higher.
const BY_HINTS: f32 = 1.0;
/// How many pairs of sets of concepts it is kept what they add; a power of two.
const KNOWN: usize = 32;
const PASSAGE: usize = 48;
const NEAR: usize = 8;
/// How many letters of a longer word are a feature of their own.
const STEM: usize = 5;
const CONCEPT: u32 = 0;
const STYLE: u32 = 64;
const PLACE: u32 = 80;
const PAIR: u32 = 128;
const HASHED_FROM: u32 = PAIR + 64 * 64;
const FEATURES: u32 = HASHED_FROM + (1 << 18);
const MAGIC: &[u8] = b"PCIM0002";

static MODEL: LazyLock<Option<Model>> =
    LazyLock::new(|| Model::load(include_bytes!(concat!(env!("OUT_DIR"), "/weights.packed"))));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_file() {
        assert!(MODEL.as_ref().is_some_and(|model| include_bytes!("model/weights.bin").ends_with(&model.weights)));
    }
}
