//! What sets of concepts close together mean: an attack, or a point towards one.
//!
//! A pattern is an anchor and what must stand near it in the same sentence, in any order, since word
//! order differs between languages. A pattern of [`ENOUGH`] points is a match by itself; weaker ones
//! add up over a stretch of text.

use std::ops::Range;

use super::Place;
use super::lexicon::{
    ACT, ALL, ANSWER, ANY_TOOL, AUDIT, AUTHORITY, AUTOMATED, BEFORE, CONDITION, CONTENT, CUE, Concepts, DEED,
    DESTINATION, DISABLE, ENABLE, ETHICS, EVERYTHING, FICTION, FLOUT, FOCUS, GUARD, HENCEFORTH, HIDDEN, I_AM, IGNORE,
    INSTEAD, INSTRUCTION, JAILBREAK, JUDGED, KEY_FILE, LEAVE, LIMITLESS, MODE, MODEL, MUST, NEW, NOT, OBEY, ONLY,
    PERSIST, PERSONA, PLOY, POWER, PRECEDENCE, PRINT, PRIOR, PRIVATE, READ, REFUSE, REVEAL, RUN, SECRET, SECRET_FILE,
    SEND, SILENT, STRONG_POWER, SYSTEM, SYSTEM_PROMPT, TASK, TELL, TOOL, URGENT, USER, YOU,
};
use super::rules::*;
use super::words::Words;

/// Points at which a stretch of text is an attack.
pub(super) const ENOUGH: u32 = 100;

/// A row of the grammar.
struct Pattern {
    rule: usize,
    points: u32,
    anchor: Concepts,
    near: &'static [Concepts],
    /// How many words apart, at most.
    span: usize,
    /// Where it counts.
    place: Place,
    /// Whether "not" before the anchor turns it round.
    negatable: bool,
}

/// A match: the rule and the place of its words.
pub(super) struct Found {
    pub(super) rule: usize,
    pub(super) range: Range<usize>,
}

/// A match that is worth less than [`ENOUGH`]. Small, as each word may be one.
struct Weak {
    /// The number of the anchor's word.
    index: u32,
    /// The number of the pattern.
    kind: u8,
    /// Fewer than enough.
    points: u8,
    range: Range<u32>,
}

/// Runs the grammar over the concepts of a text. Each concept looks at a bounded number of
/// neighbours, so the work is linear.
#[inline(never)]
pub(super) fn run(words: &Words, concepts: &[(usize, Concepts)], place: Place, mut found: impl FnMut(Found)) {
    let mut weak: Vec<Weak> = Vec::new();
    // The concepts of one sentence, and those of them that stand near the one looked at, by how far a word reaches.
    let (mut sentence, mut windows) = (0..0, [0..0, 0..0]);
    let eights = eights(concepts);
    let mut known = [((0, 0), 0_u128); KNOWN];
    for (at, (index, own)) in concepts.iter().enumerate() {
        if own & ANCHORS == 0 {
            continue;
        }
        let Some(word) = words.list.get(*index) else { continue };
        let reach = if word.style.ideograph { 3 } else { 1 };
        if !sentence.contains(&at) {
            let number = |(index, _): &(usize, Concepts)| words.list.get(*index).map(|word| word.sentence);
            let end = concepts.partition_point(|concept| number(concept) <= Some(word.sentence));
            sentence = concepts.partition_point(|concept| number(concept) < Some(word.sentence))..end;
            windows = [sentence.start..sentence.start, sentence.start..sentence.start];
        }
        // What stands near at all: most patterns miss something there, and need not look for the nearest.
        let place_of = |at: usize| concepts.get(at).map_or(usize::MAX, |(index, _)| *index);
        let [narrow, wide] = &mut windows;
        let window = if word.style.ideograph { wide } else { narrow };
        while place_of(window.start) + WIDEST * reach < *index {
            window.start += 1;
        }
        window.end = window.end.max(at);
        while window.end < sentence.end && place_of(window.end) <= *index + WIDEST * reach {
            window.end += 1;
        }
        let around = held_in(concepts, &eights, window);
        let mut numbers = possible(*own, around, place, &mut known);
        while numbers != 0 {
            let number = numbers.trailing_zeros() as usize;
            numbers &= numbers - 1;
            let Some(pattern) = PATTERNS.get(number) else { break };
            if pattern.negatable && negated(concepts, at, *index) {
                continue;
            }
            let near = Near { concepts, sentence: &sentence, at, index: *index, span: pattern.span * reach };
            let mut start = word.range().start;
            let mut end = word.range().end;
            // Every word is used once: "email" alone is not both a document and an order to send.
            let mut used = [usize::MAX; MOST_NEAR];
            let complete = pattern.near.iter().zip(0..).all(|(wanted, step)| {
                let Some(nearest) = near.nearest(*wanted, &used) else { return false };
                let other = concepts.get(nearest).and_then(|(other, _)| words.list.get(*other));
                let (Some(other), Some(slot)) = (other, used.get_mut(step)) else { return false };
                *slot = nearest;
                start = start.min(other.range().start);
                end = end.max(other.range().end);
                true
            });
            if !complete {
                continue;
            }
            // Weak signs count more when shouted.
            let shouted =
                word.style.capitals && near.all(|other| words.list.get(other).is_some_and(|word| word.style.capitals));
            let points = pattern.points + if shouted { SHOUT } else { 0 };
            if points >= ENOUGH {
                found(Found { rule: pattern.rule, range: start..end });
            } else {
                let range = start as u32..end as u32;
                weak.push(Weak { index: *index as u32, kind: number as u8, points: points as u8, range });
            }
        }
    }
    add_up(&weak, found);
}

/// The concepts of each eight in a row.
#[inline(never)]
fn eights(concepts: &[(usize, Concepts)]) -> Vec<Concepts> {
    let mut all: Vec<Concepts> = concepts.iter().map(|(_, held)| *held).collect();
    for step in [1, 2, 4] {
        for at in 0..all.len().saturating_sub(step) {
            let next = all.get(at + step).copied().unwrap_or(0);
            if let Some(held) = all.get_mut(at) {
                *held |= next;
            }
        }
    }
    all
}

/// All concepts of a window.
#[inline(never)]
fn held_in(concepts: &[(usize, Concepts)], eights: &[Concepts], window: &Range<usize>) -> Concepts {
    let Some(last) = window.end.checked_sub(8).filter(|last| *last >= window.start) else {
        return concepts.get(window.clone()).unwrap_or_default().iter().fold(0, |all, (_, held)| all | held);
    };
    let whole = eights.get(window.start..last).unwrap_or_default().iter().step_by(8).fold(0, |all, held| all | held);
    whole | eights.get(last).copied().unwrap_or(0)
}

/// The patterns with an anchor among `own` of which all else that they need is `around`, as bits. `known` is what
/// came out for others: a text that repeats itself is judged by looking there.
fn possible(own: Concepts, around: Concepts, place: Place, known: &mut [((Concepts, Concepts), u128); KNOWN]) -> u128 {
    let hash = (own ^ around.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - KNOWN.trailing_zeros());
    let Some(slot) = known.get_mut(hash as usize) else { return 0 };
    if slot.0 != (own, around) {
        let mut numbers = anchored(own);
        let mut held = 0;
        while numbers != 0 {
            let number = numbers.trailing_zeros() as usize;
            numbers &= numbers - 1;
            let Some(pattern) = PATTERNS.get(number) else { break };
            let fits = place.within(pattern.place) && pattern.near.iter().all(|wanted| around & wanted != 0);
            held |= u128::from(fits) << number;
        }
        *slot = ((own, around), held);
    }
    slot.1
}

/// Weak patterns within [`STRETCH`] words of each other, each kind once.
#[inline(never)]
fn add_up(weak: &[Weak], mut found: impl FnMut(Found)) {
    let mut first = 0;
    let mut from = 0;
    // What those looked at are worth at most, and how many there are of each kind: mostly that is too little.
    let mut counted = 0..0;
    let mut counts = [0_u8; 256];
    let mut worth_most = 0;
    for (last, Weak { index, range, .. }) in weak.iter().enumerate() {
        while weak.get(first).is_some_and(|start| (index - start.index) as usize > STRETCH) {
            first += 1;
        }
        if first < from {
            continue;
        }
        let looked_at = last.saturating_sub(MAX_WEAK).max(first)..last + 1;
        for one in weak.get(counted.end.max(looked_at.start)..looked_at.end).unwrap_or_default() {
            if let Some(count) = counts.get_mut(slot(one)) {
                worth_most += if *count == 0 { u32::from(one.points) } else { 0 };
                *count += 1;
            }
        }
        for one in weak.get(counted.start..counted.end.min(looked_at.start)).unwrap_or_default() {
            if let Some(count) = counts.get_mut(slot(one)) {
                *count -= 1;
                worth_most -= if *count == 0 { u32::from(one.points) } else { 0 };
            }
        }
        counted = looked_at.clone();
        if worth_most < ENOUGH {
            continue;
        }
        let mut kinds = 0u128;
        let mut points = 0;
        let mut most = (0, 0);
        for one in weak.get(looked_at).unwrap_or_default() {
            if kinds & (1 << one.kind) == 0 {
                kinds |= 1 << one.kind;
                points += u32::from(one.points);
                if one.points > most.0 {
                    most = (one.points, one.kind);
                }
            }
        }
        if points >= ENOUGH {
            let start = weak.get(first).map_or(range.start, |weak| weak.range.start);
            found(Found {
                rule: PATTERNS.get(usize::from(most.1)).map_or(0, |pattern| pattern.rule),
                range: start as usize..range.end.max(start) as usize,
            });
            from = last + 1;
        }
    }
}

/// A place for each kind of weak pattern, shouted or not.
fn slot(one: &Weak) -> usize {
    let kind = usize::from(one.kind);
    let shouted = PATTERNS.get(kind).is_some_and(|pattern| u32::from(one.points) > pattern.points);
    kind * 2 + usize::from(shouted)
}

/// The concepts within `span` words of the one at `at`, whose word has the number `index`, in the same sentence.
struct Near<'c> {
    concepts: &'c [(usize, Concepts)],
    sentence: &'c Range<usize>,
    at: usize,
    index: usize,
    span: usize,
}

impl Near<'_> {
    /// The concept at a place within reach: the distance of its word, and what it holds.
    #[inline]
    fn get(&self, at: Option<usize>) -> Option<(usize, Concepts)> {
        let (other, held) = self.concepts.get(at.filter(|at| self.sentence.contains(at))?)?;
        Some((other.abs_diff(self.index), *held)).filter(|(distance, _)| *distance <= self.span)
    }

    /// The place of the nearest one that holds what is wanted and is not in use; of two the one before.
    fn nearest(&self, wanted: Concepts, used: &[usize]) -> Option<usize> {
        let (mut left, mut right) = (self.at.checked_sub(1), self.at + 1);
        loop {
            let (before, after) = (self.get(left), self.get(Some(right)));
            let back = match (before, after) {
                (Some((before, _)), Some((after, _))) => before <= after,
                (before, after) => before.or(after).map(|_| before.is_some())?,
            };
            let (place, held) = if back { (left?, before?.1) } else { (right, after?.1) };
            if held & wanted != 0 && !used.contains(&place) {
                return Some(place);
            }
            if back {
                left = place.checked_sub(1);
            } else {
                right += 1;
            }
        }
    }

    /// True if `test` holds for the word of each of them, the one in the middle as well.
    fn all(&self, test: impl Fn(usize) -> bool) -> bool {
        let holds = |at: &usize| self.concepts.get(*at).is_some_and(|(other, _)| test(*other));
        let within = |at: &usize| self.get(Some(*at)).is_some();
        (0..=self.at).rev().take_while(within).all(|at| holds(&at))
            && (self.at + 1..self.sentence.end).take_while(within).all(|at| holds(&at))
    }
}

/// "Do not ignore", "never bypass".
fn negated(concepts: &[(usize, Concepts)], at: usize, index: usize) -> bool {
    concepts
        .get(at.saturating_sub(2)..at)
        .unwrap_or_default()
        .iter()
        .any(|(other, held)| held & NOT != 0 && held & IGNORE == 0 && index - other <= 2)
}

/// For how many surroundings of a word it is kept what they may mean; a power of two.
const KNOWN: usize = 16;
const SHOUT: u32 = 30;
const STRETCH: usize = 60;
const MAX_WEAK: usize = 24;

const fn pattern(rule: usize, points: u32, anchor: Concepts, near: &'static [Concepts], span: usize) -> Pattern {
    Pattern { rule, points, anchor, near, span, place: Place::ANY, negatable: false }
}

impl Pattern {
    const fn positive(self) -> Self {
        Self { negatable: true, ..self }
    }

    const fn only(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// The patterns with an anchor among these concepts, as bits.
fn anchored(concepts: Concepts) -> u128 {
    let mut rest = concepts & ANCHORS;
    let mut all = 0;
    while rest != 0 {
        all |= ANCHORED.get(rest.trailing_zeros() as usize).copied().unwrap_or(0);
        rest &= rest - 1;
    }
    all
}

/// For each concept the patterns that it anchors, as bits.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static ANCHORED: [u128; 64] = {
    let mut all = [0; 64];
    let mut concept = 0;
    while concept < 64 {
        let mut at = 0;
        while at < PATTERNS.len() {
            if PATTERNS[at].anchor >> concept & 1 == 1 {
                all[concept] |= 1 << at;
            }
            at += 1;
        }
        concept += 1;
    }
    all
};

/// The widest span of a pattern.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const WIDEST: usize = {
    let mut widest = 0;
    let mut at = 0;
    while at < PATTERNS.len() {
        if PATTERNS[at].span > widest {
            widest = PATTERNS[at].span;
        }
        at += 1;
    }
    widest
};

/// How many words a pattern asks for beside its anchor, at most.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const MOST_NEAR: usize = {
    let mut most = 0;
    let mut at = 0;
    while at < PATTERNS.len() {
        if PATTERNS[at].near.len() > most {
            most = PATTERNS[at].near.len();
        }
        at += 1;
    }
    most
};

const ANCHORS: Concepts = {
    let mut all = 0;
    let mut at = 0;
    while at < PATTERNS.len() {
        #[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
        {
            all |= PATTERNS[at].anchor;
        }
        at += 1;
    }
    all
};

const PATTERNS: &[Pattern] = &[
    // System override.
    pattern(OVERRIDE, 100, IGNORE, &[INSTRUCTION, PRIOR], 8).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[TASK, PRIOR], 6).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[INSTRUCTION, YOU], 6).positive(),
    pattern(ROLE, 100, FLOUT, &[GUARD | INSTRUCTION | ETHICS, ACT | PERSONA | MODEL], 10),
    pattern(OVERRIDE, 100, IGNORE, &[SYSTEM_PROMPT], 6).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[GUARD, ALL], 6).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[GUARD, INSTRUCTION | PRIOR], 6).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[EVERYTHING], 3).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[ALL, INSTRUCTION], 5).positive(),
    pattern(OVERRIDE, 60, IGNORE, &[INSTRUCTION], 4).positive(),
    pattern(OVERRIDE, 100, IGNORE, &[CONTENT, PRINT | SEND | TELL], 7).positive().only(Place::INBOUND),
    pattern(OVERRIDE, 60, IGNORE, &[CONTENT, PRINT | SEND], 8).positive(),
    pattern(OVERRIDE, 50, IGNORE, &[ALL], 2).positive(),
    pattern(OVERRIDE, 50, IGNORE, &[PRIOR], 3).positive(),
    pattern(OVERRIDE, 50, IGNORE, &[TASK], 5).positive(),
    pattern(OVERRIDE, 60, IGNORE, &[INSTEAD], 10).positive(),
    pattern(OVERRIDE, 100, PRECEDENCE, &[INSTRUCTION | GUARD, ALL | SYSTEM], 8),
    pattern(OVERRIDE, 40, PRECEDENCE, &[], 0),
    pattern(OVERRIDE, 60, NEW, &[INSTRUCTION, YOU], 5),
    pattern(OVERRIDE, 50, NEW, &[TASK | SYSTEM_PROMPT], 2),
    pattern(OVERRIDE, 30, NEW, &[INSTRUCTION], 2),
    pattern(OVERRIDE, 60, OBEY, &[INSTRUCTION, NEW | ONLY | INSTEAD], 6),
    // Safety measures switched off.
    pattern(SAFETY_OFF, 100, DISABLE, &[GUARD, ALL], 5).positive(),
    pattern(SAFETY_OFF, 60, DISABLE, &[GUARD], 4).positive(),
    pattern(SAFETY_OFF, 60, DISABLE, &[INSTRUCTION], 4).positive(),
    pattern(SAFETY_OFF, 60, DISABLE, &[SYSTEM_PROMPT], 4).positive(),
    // Role impersonation and jailbreak personas.
    pattern(ROLE, 100, ACT, &[JAILBREAK], 12),
    pattern(ROLE, 100, ACT, &[LIMITLESS], 16),
    pattern(ROLE, 100, HENCEFORTH, &[ACT, MODEL | PERSONA | YOU], 12),
    pattern(ROLE, 100, HENCEFORTH, &[YOU, PRINT | OBEY | PERSONA | MUST], 8),
    pattern(ROLE, 60, HENCEFORTH, &[YOU], 6),
    pattern(ROLE, 50, ACT, &[MODEL], 10),
    pattern(ROLE, 40, ACT, &[YOU], 6),
    pattern(ROLE, 40, ACT, &[PERSONA], 8),
    pattern(ROLE, 30, ACT, &[], 0),
    pattern(ROLE, 100, LIMITLESS, &[MODEL, YOU | ACT | PERSONA], 14),
    pattern(ROLE, 50, LIMITLESS, &[YOU], 10),
    pattern(ROLE, 50, LIMITLESS, &[MODEL], 12),
    pattern(ROLE, 60, LIMITLESS, &[ETHICS], 14),
    pattern(ROLE, 40, LIMITLESS, &[], 0),
    pattern(ROLE, 60, JAILBREAK, &[YOU | ACT | MODE | MODEL], 8),
    pattern(ROLE, 30, JAILBREAK, &[], 0),
    pattern(ROLE, 50, NOT, &[REFUSE], 4),
    pattern(ROLE, 40, NOT, &[ETHICS], 5),
    pattern(ROLE, 40, FICTION, &[YOU | ACT | PERSONA | LIMITLESS], 12),
    pattern(ROLE, 50, OBEY, &[NOT, INSTRUCTION | GUARD | ETHICS], 8),
    pattern(ROLE, 30, MODEL, &[YOU], 6),
    // Modes.
    pattern(MODE_SWITCH, 100, MODE, &[STRONG_POWER, ENABLE], 8),
    pattern(MODE_SWITCH, 70, MODE, &[POWER, ENABLE], 8),
    pattern(MODE_SWITCH, 60, MODE, &[POWER, YOU | I_AM], 6),
    pattern(MODE_SWITCH, 50, MODE, &[POWER], 2),
    pattern(MODE_SWITCH, 70, MODE, &[SYSTEM], 1).only(Place::RESULT),
    pattern(MODE_SWITCH, 40, MODE, &[SYSTEM | STRONG_POWER], 1),
    pattern(MODE_SWITCH, 100, JAILBREAK, &[ENABLE], 3),
    // Authority.
    pattern(AUTHORITY_CLAIM, 100, I_AM, &[STRONG_POWER], 3).only(Place::REQUEST),
    pattern(AUTHORITY_CLAIM, 100, I_AM, &[AUTHORITY, AUDIT], 12).only(Place::REQUEST),
    pattern(AUTHORITY_CLAIM, 100, I_AM, &[MODEL, ENABLE | MODE | AUDIT], 14).only(Place::REQUEST),
    pattern(AUTHORITY_CLAIM, 60, I_AM, &[AUTHORITY, MUST | OBEY], 8),
    pattern(AUTHORITY_CLAIM, 60, I_AM, &[AUTHORITY, YOU], 8),
    pattern(AUTHORITY_CLAIM, 50, I_AM, &[AUTHORITY], 6),
    pattern(AUTHORITY_CLAIM, 60, I_AM, &[MODEL, AUTHORITY], 8),
    pattern(AUTHORITY_CLAIM, 60, MUST, &[YOU, OBEY | PRINT | ANSWER, ALL], 8).only(Place::REQUEST),
    // Reveal the prompt, the secrets.
    pattern(PROMPT_LEAK, 100, REVEAL, &[SYSTEM_PROMPT], 7).positive(),
    pattern(PROMPT_LEAK, 60, REVEAL, &[YOU, SECRET], 5).positive(),
    pattern(PROMPT_LEAK, 100, REVEAL, &[EVERYTHING], 3).positive().only(Place::REQUEST),
    pattern(PROMPT_LEAK, 100, REVEAL, &[INSTRUCTION, YOU], 4).positive().only(Place::REQUEST),
    pattern(PROMPT_LEAK, 60, REVEAL, &[INSTRUCTION, YOU], 5).positive(),
    pattern(PROMPT_LEAK, 30, YOU, &[SECRET], 4).only(Place::REQUEST),
    // Machines addressed in what people are to read.
    pattern(RESPONSE, 100, AUTOMATED, &[HIDDEN], 6).only(Place::INBOUND),
    pattern(
        RESPONSE,
        100,
        AUTOMATED,
        &[URGENT | PRINT | OBEY | MUST | IGNORE, INSTRUCTION | PRINT | JUDGED | IGNORE],
        10,
    )
    .only(Place::RESULT),
    pattern(RESPONSE, 40, AUTOMATED, &[], 0).only(Place::RESULT),
    pattern(RESPONSE, 100, CONDITION, &[TELL | PRINT], 4).only(Place::RESULT),
    pattern(RESPONSE, 70, CONDITION, &[TELL | PRINT], 12).only(Place::INBOUND),
    pattern(RESPONSE, 40, CONDITION, &[ANSWER | ONLY | NOT], 8).only(Place::INBOUND),
    pattern(RESPONSE, 50, FOCUS, &[], 0),
    pattern(RESPONSE, 50, FOCUS, &[CONTENT | PRIOR, ALL | INSTEAD | ONLY], 8),
    pattern(RESPONSE, 100, IGNORE, &[PRINT, JUDGED], 8).positive().only(Place::RESULT),
    pattern(RESPONSE, 60, IGNORE, &[ALL, JUDGED | CONTENT | NOT], 8).positive().only(Place::RESULT),
    pattern(RESPONSE, 50, NOT, &[JUDGED, YOU | ONLY | URGENT], 5).only(Place::RESULT),
    // Ploys.
    pattern(
        RESPONSE,
        100,
        PLOY,
        &[RUN
            | SEND
            | PRINT
            | READ
            | IGNORE
            | DISABLE
            | MUST
            | TASK
            | AUTOMATED
            | AUTHORITY
            | SYSTEM_PROMPT
            | SECRET
            | DEED
            | ONLY],
        16,
    )
    .only(Place::INBOUND),
    pattern(RESPONSE, 60, PLOY, &[], 0).only(Place::INBOUND),
    // Orders in plain words, to who reads for somebody else.
    pattern(RESPONSE, 60, MODEL, &[MUST, DEED | SEND | RUN], 5).only(Place::RESULT),
    pattern(RESPONSE, 40, CUE, &[DEED | SEND | RUN], 10).only(Place::RESULT),
    pattern(RESPONSE, 30, CUE, &[USER | MODEL], 10).only(Place::RESULT),
    // Response poisoning: what the answer shall say.
    pattern(RESPONSE, 50, PRINT, &[ONLY, ANSWER | ALL | NOT], 8).only(Place::INBOUND),
    pattern(RESPONSE, 40, PRINT, &[ONLY], 3).only(Place::INBOUND),
    pattern(RESPONSE, 60, TELL, &[USER, YOU | MUST | DESTINATION], 10).only(Place::INBOUND),
    pattern(RESPONSE, 40, TELL, &[USER], 3).only(Place::INBOUND),
    pattern(RESPONSE, 40, PRINT, &[DESTINATION], 4).only(Place::INBOUND),
    pattern(RESPONSE, 40, URGENT, &[INSTRUCTION | SYSTEM | MODEL], 3).only(Place::INBOUND),
    pattern(RESPONSE, 30, INSTEAD, &[PRINT], 6).only(Place::INBOUND),
    pattern(RESPONSE, 100, MUST, &[TOOL, RUN, YOU], 6).only(Place::RESULT),
    // Concealment.
    pattern(CONCEAL, 100, NOT, &[TELL, USER], 6).only(Place::INBOUND),
    pattern(CONCEAL, 60, SILENT, &[RUN | SEND | READ | PRINT], 5).only(Place::INBOUND),
    pattern(CONCEAL, 60, SILENT, &[SECRET | SECRET_FILE | PRIVATE], 8).only(Place::INBOUND),
    pattern(CONCEAL, 50, NOT, &[TELL, INSTRUCTION | TOOL | SECRET], 5).only(Place::INBOUND),
    // Tool descriptions that speak to the model.
    pattern(TOOL_POISON, 60, BEFORE, &[ANY_TOOL, READ | RUN | SEND | MUST], 10).only(Place::DESCRIPTION),
    pattern(TOOL_POISON, 40, URGENT, &[BEFORE, READ | RUN | SEND], 10).only(Place::DESCRIPTION),
    pattern(TOOL_POISON, 40, ANY_TOOL, &[MUST], 8).only(Place::DESCRIPTION),
    pattern(TOOL_POISON, 40, URGENT, &[MUST], 6).only(Place::DESCRIPTION),
    pattern(TOOL_POISON, 40, SEND, &[PRIVATE, MUST | USER | ALL], 8).only(Place::DESCRIPTION),
    // Secrets and files asked for.
    pattern(SECRET_REQUEST, 100, SECRET_FILE, &[READ | SEND | RUN, SECRET, SEND], 12).only(Place::INBOUND),
    pattern(SECRET_REQUEST, 100, KEY_FILE, &[READ | SEND | PRINT, LEAVE], 8).only(Place::RESULT),
    pattern(SECRET_REQUEST, 100, KEY_FILE, &[SEND], 5).only(Place::DESCRIPTION),
    pattern(SECRET_REQUEST, 100, KEY_FILE, &[READ, SECRET_FILE], 6).only(Place::DESCRIPTION),
    pattern(SECRET_REQUEST, 60, KEY_FILE, &[READ], 5).only(Place::DESCRIPTION),
    pattern(SECRET_REQUEST, 50, KEY_FILE, &[READ | SEND, MUST | URGENT], 8).only(Place::INBOUND),
    pattern(RESPONSE, 100, MUST, &[YOU, RUN, SECRET], 10).only(Place::RESULT),
    pattern(SECRET_REQUEST, 60, SECRET_FILE, &[READ, SEND | MUST | SECRET], 10).only(Place::INBOUND),
    pattern(SECRET_REQUEST, 40, SECRET, &[SEND, DESTINATION | ALL | MUST], 10).only(Place::INBOUND),
    pattern(SECRET_REQUEST, 30, SECRET, &[READ | SEND, YOU | PRIVATE | MUST], 8).only(Place::INBOUND),
    pattern(SECRET_REQUEST, 60, PRIVATE, &[SEND, DESTINATION], 14).only(Place::INBOUND),
    pattern(SECRET_REQUEST, 60, PERSIST, &[PERSIST], 8).only(Place::RESULT),
    pattern(SECRET_REQUEST, 40, PERSIST, &[INSTRUCTION | ALL | LEAVE | PERSIST], 6).only(Place::INBOUND),
];
