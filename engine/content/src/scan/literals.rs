//! Many literals looked for at once: a trie, walked from each position that can begin one.
//!
//! Where the shared pass ([`super::prefilter`]) says only that something stands in a text, this says what and where,
//! as leftmost-longest search does. From one position at most as many bytes are read as the longest literal has, so the
//! work is linear in the text; three bytes decide whether a position is walked from at all. `aho-corasick` does the
//! same with 85 KB of code in the filter and, without its vector searches, no faster there.

use std::ops::Range;

use crate::sort::Arrange;

/// A set of literals, compared without regard to ASCII case.
#[derive(Debug)]
pub(super) struct Literals {
    /// Folded, sorted, each once.
    words: Vec<Box<[u8]>>,
    /// For each word its number in the list that was given.
    numbers: Vec<usize>,
    nodes: Vec<Node>,
    edges: Vec<(u8, u32)>,
    /// Where each byte leads to from the root.
    first: Box<[u32; 256]>,
    /// Three folded bytes, and the node they lead to; a table of hashes, empty where a word is shorter than that.
    jumps: Vec<(u32, u32)>,
    /// One bit for each kind of three folded bytes that a word may begin with.
    begins: Box<[u32; BEGINS / 32]>,
}

/// A literal in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its index in the list that was given; of equal ones the first.
    pub(super) number: usize,
    /// Where it stands, in bytes.
    pub(super) range: Range<usize>,
}

impl Literals {
    /// Compiles the literals; empty ones are never found.
    pub(super) fn new<T: AsRef<str>>(literals: impl IntoIterator<Item = T>) -> Self {
        let fold = |literal: T| literal.as_ref().to_ascii_lowercase().into_bytes().into_boxed_slice();
        let mut all: Vec<(Box<[u8]>, usize)> =
            literals.into_iter().enumerate().map(|(number, literal)| (fold(literal), number)).collect();
        all.retain(|(word, _)| !word.is_empty());
        all.arrange();
        all.dedup_by(|next, kept| next.0 == kept.0);
        let (words, numbers) = all.into_iter().unzip();
        let (nodes, edges) = (Vec::new(), Vec::new());
        let (first, begins) = (Box::new([NONE; 256]), Box::new([0; BEGINS / 32]));
        let mut this = Self { words, numbers, nodes, edges, first, begins, jumps: Vec::new() };
        if this.words.iter().all(|word| word.len() >= 3) {
            this.jumps = vec![(0, NONE); (this.words.len() * 2).next_power_of_two()];
        }
        this.begin();
        this.grow();
        this
    }

    /// The leftmost literals of `text` within `window` that do not overlap, of those at one place the longest.
    pub(super) fn find<'t>(&'t self, text: &'t [u8], window: Range<usize>) -> impl Iterator<Item = Found> + 't {
        let text = text.get(..window.end).unwrap_or(text);
        let mut at = window.start;
        std::iter::from_fn(move || {
            loop {
                let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
                if self.may_begin(rest)
                    && let Some(found) = self.longest(text, at)
                {
                    at = found.range.end;
                    return Some(found);
                }
                at += 1;
            }
        })
    }

    /// True if one of the literals stands in `text`.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text, 0..text.len()).next().is_some()
    }

    #[inline(always)]
    fn may_begin(&self, rest: &[u8]) -> bool {
        let Some(three) = rest.first_chunk::<3>() else { return true };
        let (word, bit) = begin(three);
        self.begins.get(word).is_some_and(|word| word & bit != 0)
    }

    /// The longest literal that begins at `at`.
    fn longest(&self, text: &[u8], at: usize) -> Option<Found> {
        let mut best = None;
        let (mut node, mut end) = (0, at);
        if let Some(three) = text.get(at..).and_then(|rest| rest.first_chunk()).filter(|_| !self.jumps.is_empty()) {
            node = self.jump(three)?;
            end += self.nodes.get(node)?.depth as usize;
        }
        while let Some(Node { word, edges, depth }) = self.nodes.get(node) {
            let edges = self.edges.get(edges.0 as usize..edges.1 as usize).unwrap_or_default();
            if edges.is_empty() {
                // What is left of the only word that goes on here.
                let rest = self.words.get(*word as usize).and_then(|word| word.get(*depth as usize..))?;
                let there = text.get(end..end + rest.len());
                if there.is_some_and(|there| there.eq_ignore_ascii_case(rest)) {
                    best = Some((*word, end + rest.len()));
                }
                break;
            }
            if *word != NONE {
                best = Some((*word, end));
            }
            let Some(next) = text.get(end).map(u8::to_ascii_lowercase) else { break };
            let to = if node == 0 {
                self.first.get(usize::from(next)).copied().unwrap_or(NONE)
            } else {
                edges.iter().find(|(byte, _)| *byte == next).map_or(NONE, |(_, to)| *to)
            };
            if to == NONE {
                break;
            }
            node = to as usize;
            end += 1;
        }
        let (word, end) = best?;
        Some(Found { number: self.numbers.get(word as usize).copied()?, range: at..end })
    }

    /// The node that three bytes lead to.
    #[inline(always)]
    fn jump(&self, three: &[u8; 3]) -> Option<usize> {
        let (key, mut at) = self.slot(three);
        loop {
            let (stored, node) = self.jumps.get(at)?;
            if *stored == key {
                return Some(*node as usize);
            }
            if *node == NONE {
                return None;
            }
            at = (at + 1) & (self.jumps.len() - 1);
        }
    }

    /// Three bytes as they are stored, and where they are looked for.
    #[inline(always)]
    fn slot(&self, three: &[u8; 3]) -> (u32, usize) {
        let [a, b, c] = three.map(|byte| u32::from(byte.to_ascii_lowercase()));
        let key = a | b << 8 | c << 16;
        (key, (key.wrapping_mul(0x9e37_79b1) >> 12) as usize & self.jumps.len().saturating_sub(1))
    }

    /// Notes the node that the first three bytes of a word lead to.
    fn note(&mut self, word: usize, node: usize) {
        let Some(three) = self.words.get(word).and_then(|word| word.first_chunk()) else { return };
        let (key, mut at) = self.slot(three);
        while self.jumps.get(at).is_some_and(|(_, node)| *node != NONE) {
            at = (at + 1) & (self.jumps.len() - 1);
        }
        if let Some(slot) = self.jumps.get_mut(at) {
            *slot = (key, node as u32);
        }
    }

    /// Builds the trie, node by node; a node with one word below it has no edges.
    fn grow(&mut self) {
        self.nodes.push(Node { word: NONE, edges: (0, 0), depth: 0 });
        let mut open = vec![(0, 0..self.words.len(), 0)];
        while let Some((index, mut words, depth)) = open.pop() {
            let mut node = Node { word: NONE, edges: (0, 0), depth: depth as u32 };
            let one = words.start;
            if self.words.get(words.start).is_some_and(|word| word.len() == depth || words.len() == 1) {
                node.word = words.start as u32;
                words.start += 1;
            }
            node.edges.0 = self.edges.len() as u32;
            while let Some(byte) = self.byte(words.start, depth).filter(|_| !words.is_empty()) {
                let same = words.clone().take_while(|word| self.byte(*word, depth) == Some(byte)).count();
                let group = words.start..words.start + same;
                words.start += same;
                if depth == 0
                    && let Some(first) = self.first.get_mut(usize::from(byte))
                {
                    *first = self.nodes.len() as u32;
                }
                self.edges.push((byte, self.nodes.len() as u32));
                open.push((self.nodes.len(), group, depth + 1));
                self.nodes.push(Node { word: NONE, edges: (0, 0), depth: 0 });
            }
            node.edges.1 = self.edges.len() as u32;
            if depth == 3 || depth < 3 && node.edges.0 == node.edges.1 {
                self.note(one, index);
            }
            if let Some(place) = self.nodes.get_mut(index) {
                *place = node;
            }
        }
    }

    /// Marks what the words begin with; behind a shorter one stands anything.
    fn begin(&mut self) {
        let any = 0..=u8::MAX;
        for word in &self.words {
            let [first, second, third] = std::array::from_fn(|at| word.get(at).copied());
            let mut mark = |three: [u8; 3]| {
                let (place, bit) = begin(&three);
                if let Some(place) = self.begins.get_mut(place) {
                    *place |= bit;
                }
            };
            match (first, second, third) {
                (Some(a), Some(b), Some(c)) => mark([a, b, c]),
                (Some(a), Some(b), None) => any.clone().for_each(|c| mark([a, b, c])),
                (Some(_), None, _) => self.begins.fill(u32::MAX),
                _ => {}
            }
        }
    }

    fn byte(&self, word: usize, at: usize) -> Option<u8> {
        self.words.get(word)?.get(at).copied()
    }
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The word that ends here, or without edges the only one that goes on; or [`NONE`].
    word: u32,
    /// Its edges, as a range.
    edges: (u32, u32),
    /// How many bytes lead here.
    depth: u32,
}

/// The bit of three bytes, whatever their case.
#[inline(always)]
fn begin(three: &[u8; 3]) -> (usize, u32) {
    let [a, b, c] = three.map(u32::from);
    let hash = (a | b << 8 | c << 16 | 0x20_2020).wrapping_mul(0x9e37_79b1) >> (32 - BEGINS.trailing_zeros());
    ((hash >> 5) as usize, 1 << (hash & 31))
}

/// How many kinds of beginnings are told apart; a power of two.
const BEGINS: usize = 1 << 16;
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Leftmost-longest search as its definition says.
    fn slow(literals: &[String], text: &str, window: Range<usize>) -> Vec<Found> {
        let mut found = Vec::new();
        let mut at = window.start;
        while at < window.end {
            let longest = literals
                .iter()
                .enumerate()
                .filter(|(_, literal)| {
                    let there =
                        text.as_bytes().get(at..at + literal.len()).filter(|_| at + literal.len() <= window.end);
                    !literal.is_empty() && there.is_some_and(|there| there.eq_ignore_ascii_case(literal.as_bytes()))
                })
                .max_by_key(|(number, literal)| (literal.len(), std::cmp::Reverse(*number)));
            match longest {
                Some((number, literal)) => {
                    found.push(Found { number, range: at..at + literal.len() });
                    at += literal.len();
                }
                None => at += 1,
            }
        }
        found
    }

    #[test]
    fn nothing_is_in_nothing() {
        for (literals, text) in [(&[] as &[&str], "text"), (&[""], "text"), (&["a"], ""), (&["ab"], "a")] {
            assert!(!Literals::new(literals).is_in(text.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn finds_what_its_definition_says(
            literals in prop::collection::vec("[aAbBé]{0,5}", 0..12),
            text in "[aAbBcé]{0,40}",
            cut in (0_usize..40, 0_usize..40),
        ) {
            let end = cut.1.min(text.len());
            let window = cut.0.min(end)..end;
            let found: Vec<Found> = Literals::new(&literals).find(text.as_bytes(), window.clone()).collect();
            prop_assert_eq!(found, slow(&literals, &text, window));
        }
    }
}
