//! The learned tier: a linear model (logistic regression) over hashed words, word pairs, concepts
//! and pairs of concepts, in passages of a bounded number of words. What decides is not one phrase
//! but how much of a passage speaks to a model. `training/injection` holds how it was trained.

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
}

impl Verdict {
    /// Whether what the grammar found may be an injection: words that mean one may stand in a page that
    /// has nothing of one otherwise. A short text says too little about itself to be overruled.
    pub(super) fn bears_out(&self, found: &Range<usize>) -> bool {
        // Both ends of the passages grow: those that overlap stand next to each other.
        let first = self.passages.partition_point(|(_, range)| range.end <= found.start);
        let overlapping =
            self.passages.iter().skip(first).take_while(|(_, range)| range.start < found.end).map(|(score, _)| *score);
        self.passages.len() <= 1 || overlapping.into_iter().any(|score| score >= self.floor)
    }
}

/// Judges the passages of a stretch of text.
pub(super) fn judge(words: &Words, concepts: &[(usize, Concepts)], place: Place) -> Verdict {
    let mut verdict = Verdict { injection: None, passages: Vec::new(), floor: f32::MIN };
    let Some(model) = MODEL.as_ref() else { return verdict };
    verdict.floor = FLOOR;
    let mut best = model.threshold(place);
    // Passages overlap: each weight is looked up once. The sums and numbers of all features up to each word.
    let mut upto: Vec<(i32, u32)> = Vec::with_capacity(words.list.len() + 1);
    let mut all = (0, 0);
    upto.push(all);
    features(words, concepts, place, |own| {
        all.0 += own.iter().map(|feature| model.weight(*feature)).sum::<i32>();
        all.1 += own.len() as u32;
        upto.push(all);
    });
    each_passage(words, |within, range| {
        let at = |index: usize| upto.get(index).copied().unwrap_or_default();
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
    let mut per_word: Vec<Vec<u32>> = Vec::with_capacity(words.list.len());
    features(words, concepts, place, |own| per_word.push(own.to_vec()));
    each_passage(words, |within, range| {
        let mut passage = per_word.get(within).unwrap_or_default().concat();
        passage.push(PLACE + u32::from(place.0));
        found(&passage, range);
    });
}

/// Calls `found` with the words and the place of each passage: [`PASSAGE`] words, every half of that.
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

/// Calls `found` with the features of each word.
fn features(words: &Words, concepts: &[(usize, Concepts)], place: Place, mut found: impl FnMut(&[u32])) {
    let mut own: Vec<u32> = Vec::with_capacity(32);
    let mut meant = concepts.iter().peekable();
    let mut last: [(usize, Concepts, u32); 2] = [(0, 0, 0); 2];
    let mut sentence = u32::MAX;
    let mut before = 0;
    let mut before_that = 0;
    for (index, word) in words.list.iter().enumerate() {
        own.clear();
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
            for concept in bits(*held) {
                own.push(CONCEPT + concept);
                // What a user may ask for, a document may not.
                own.push(bucket(mix(concept, u32::from(place.0))));
                for (_, held, _) in last.iter().filter(|(at, _, of)| *of == word.sentence && index - at <= NEAR) {
                    for earlier in bits(*held) {
                        own.push(PAIR + earlier * 64 + concept);
                    }
                }
            }
            let [newest, _] = last;
            last = [(index, *held, word.sentence), newest];
        }
        found(&own);
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

/// The numbers of the bits of a set, at most four.
fn bits(mut set: Concepts) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(bit)
    })
    .take(4)
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
