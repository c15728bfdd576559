//! Prompt injection: texts that speak to the model behind the agent instead of to a reader.
//!
//! Two tiers. The first is a grammar: words of some twenty languages are folded and mapped to
//! concepts, and patterns over concepts, signs and hidden characters decide. The second is a linear
//! model over the same words and concepts, for what no single pattern says. Both read windows around
//! triggers, so a long text costs no more than its suspicious parts.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::detect::{Detector, Gate, Input, Match};
use super::{Direction, Surface};

mod fold;
mod grammar;
mod hidden;
mod lexicon;
mod markup;
mod model;
mod rules;
mod triggers;
mod words;

use rules::{HOMOGLYPH, LEARNED, RULES};
use words::Words;

/// The scanner.
pub const DETECTOR: Detector = Detector {
    name: "injection",
    rules: RULES,
    triggers: triggers::ALL,
    gate: Gate::Triggers,
    off: &[],
    direction: None,
    detect,
};

/// Where a text stands, as far as the rules tell places apart; a set of them in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u8);

impl Place {
    const REQUEST: Self = Self(1);
    const RESULT: Self = Self(2);
    const DESCRIPTION: Self = Self(4);
    const INBOUND: Self = Self(6);
    const ANY: Self = Self(7);

    fn of(input: &Input<'_>) -> Self {
        match (input.context.surface, input.context.direction) {
            (Surface::Description, _) => Self::DESCRIPTION,
            (Surface::Arguments | Surface::Header, Direction::Request) => Self::REQUEST,
            _ => Self::RESULT,
        }
    }

    fn within(self, set: Self) -> bool {
        self.0 & set.0 != 0
    }
}

fn detect(input: &Input<'_>, out: &mut Vec<Match>) {
    let place = Place::of(input);
    let text = input.text;
    let first = out.len();
    let mut add = |rule: usize, range: Range<usize>| {
        if text.get(range.clone()).is_some_and(|found| !found.is_empty()) {
            out.push(Match { rule, range });
        }
    };
    if !text.is_ascii() || text.as_bytes().contains(&0x1b) {
        hidden::find(text, &mut add);
    }
    let windows = Windows::of(text, |hit| markup::look(text, hit.pattern().as_usize(), &hit.range(), place, &mut add));
    for window in windows.list {
        let Some(part) = text.get(window.clone()) else { continue };
        let words = Words::read(part, window.start);
        let concepts = lexicon::concepts(&words);
        grammar::run(&words, &concepts, place, |found| add(found.rule, found.range));
        if let Some(range) = model::judge(&words, &concepts, place) {
            add(LEARNED, range);
        }
        for (index, _) in &concepts {
            if let Some(word) = words.list.get(*index).filter(|word| word.style.mixed) {
                add(HOMOGLYPH, word.range());
            }
        }
    }
    settle(out, first);
}

/// The features of every passage that the learned tier would judge: what a model is trained on.
/// For the training program only.
#[doc(hidden)]
#[must_use]
pub fn training_features(input: &Input<'_>) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    for window in Windows::of(input.text, |_| {}).list {
        let Some(part) = input.text.get(window.clone()) else { continue };
        let words = Words::read(part, window.start);
        model::passages(&words, &lexicon::concepts(&words), Place::of(input), |features, _| {
            all.push(features.to_vec())
        });
    }
    all
}

/// Matches in order, each rule once per place.
fn settle(out: &mut Vec<Match>, first: usize) {
    let mut new = out.split_off(first);
    new.sort_by_key(|found| (found.rule, found.range.start, usize::MAX - found.range.end));
    new.dedup_by(|next, kept| {
        let same = next.rule == kept.rule && next.range.start <= kept.range.end;
        if same {
            kept.range.end = kept.range.end.max(next.range.end);
        }
        same
    });
    new.sort_by_key(|found| (found.range.start, found.rule));
    out.append(&mut new);
}

/// The parts of a long text that are read closely.
#[derive(Default)]
struct Windows {
    list: Vec<Range<usize>>,
}

impl Windows {
    /// A short text whole if there is a sign in it, of a long one what stands around the signs.
    fn of(text: &str, mut sign: impl FnMut(&aho_corasick::Match)) -> Self {
        let mut windows = Self::default();
        for hit in SIGNS.find_iter(text) {
            windows.add(text, hit.range());
            sign(&hit);
        }
        if text.len() <= WHOLE && !windows.list.is_empty() {
            windows.list = vec![Range { start: 0, end: text.len() }];
        }
        windows
    }

    fn add(&mut self, text: &str, hit: Range<usize>) {
        let start = floor(text, hit.start.saturating_sub(BEFORE));
        let end = floor(text, (hit.end + AFTER).min(text.len()));
        match self.list.last_mut() {
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => self.list.push(start..end),
        }
    }
}

fn floor(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// Where to look closely, and the signs to judge on the spot.
static SIGNS: LazyLock<Signs> = LazyLock::new(Signs::build);

struct Signs {
    automaton: Option<AhoCorasick>,
}

impl Signs {
    fn build() -> Self {
        let all = markup::TEMPLATES.iter().chain(markup::MARKS).chain(triggers::WORDS);
        let automaton =
            AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest).build(all).ok();
        Self { automaton }
    }

    fn find_iter<'t>(&'t self, text: &'t str) -> impl Iterator<Item = aho_corasick::Match> + 't {
        self.automaton.iter().flat_map(move |automaton| automaton.find_iter(text))
    }
}

const WHOLE: usize = 8 * 1024;
const BEFORE: usize = 512;
const AFTER: usize = 1024;
