//! The one pass over every byte: which keywords of which rules stand where.
//!
//! Every keyword is stood for by its rarest six consecutive bytes, or four if it is shorter than six. The
//! four bytes at each position of the text are folded to lower case, hashed and looked up in a table of 32 KiB, which stays
//! in the nearest caches; where they may begin six or four that stand for a keyword, those are looked up, and only where
//! they are known keywords are compared. There is no state from byte to byte, so the processor overlaps the look-ups, in
//! WebAssembly as well, where the vector searches of `aho-corasick` do not run. Six bytes because four of an
//! ordinary word are also part of some keyword at every tenth position of a text, and each such place
//! costs a mispredicted branch.

use super::rarity::rarity;
use crate::sort::Arrange;

/// All keywords, compiled.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// 1 where a window begins with four bytes of this hash: a byte each, as a shift by a variable for each position
    /// costs more under V8 than the caches that a bit each would save.
    firsts: Box<[u8; FIRSTS]>,
    /// Whole windows, asked where `firsts` says yes, which is at every fifth position.
    windows: Set,
    /// For each value of [`Window::slot`] where its entries begin; one more for the end.
    slots: Vec<u16>,
    entries: Vec<Entry>,
    keywords: Vec<Box<[u8]>>,
}

/// A keyword found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The index of the keyword.
    pub(super) keyword: usize,
    /// Where it starts, in bytes.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

impl Prefilter {
    /// Compiles keywords of at least [`GRAM`] bytes each; shorter ones never hit.
    pub(super) fn new(keywords: &[String]) -> Self {
        let keywords: Vec<Box<[u8]>> =
            keywords.iter().map(|keyword| keyword.to_ascii_lowercase().into_bytes().into()).collect();
        let (mut firsts, mut windows) = (Box::new([0; FIRSTS]), Set::default());
        let mut all: Vec<(u16, Entry)> = Vec::with_capacity(keywords.len());
        for (index, keyword) in keywords.iter().enumerate() {
            let (Ok(index), Some((offset, bytes, window))) = (u16::try_from(index), rarest(keyword)) else { continue };
            if let Some(first) = firsts.get_mut(place(bytes as u32)) {
                *first = 1;
            }
            windows.insert(window.hash());
            all.push((window.slot(), Entry { keyword: index, offset: offset as u8, tag: window.tag() }));
        }
        all.arrange_by_key(|(slot, entry)| (*slot, entry.keyword));
        let mut slots = Vec::with_capacity(SLOTS + 1);
        for slot in 0..=SLOTS {
            slots.push(all.partition_point(|(other, _)| usize::from(*other) < slot) as u16);
        }
        Self { firsts, windows, slots, entries: all.into_iter().map(|(_, entry)| entry).collect(), keywords }
    }

    /// Appends every keyword in `text`, in the order of their rarest bytes. One function for
    /// all who call it, which profiles name.
    #[inline(never)]
    pub(super) fn scan(&self, text: &[u8], hits: &mut Vec<Hit>) {
        let mut at = 0;
        let mut last = [0; BLOCK];
        while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= GRAM) {
            let block = match rest.first_chunk::<BLOCK>() {
                Some(block) => block,
                // What is behind the end is part of no keyword.
                None => {
                    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
                    &last
                }
            };
            let mut starts = [0; 4];
            for (index, starts) in starts.iter_mut().enumerate() {
                if let Some(chunk) = block.get(index * 16..).and_then(|rest| rest.first_chunk::<20>()) {
                    *starts = self.sixteen(chunk);
                }
            }
            let [a, b, c, d] = starts.map(u64::from);
            let mut starts = a | b << 16 | c << 32 | d << 48;
            while starts != 0 {
                let index = starts.trailing_zeros() as usize;
                let eight = block.get(index..).and_then(|rest| rest.first_chunk());
                let bytes = eight.map_or(0, |eight| u64::from_le_bytes(*eight)) | FOLD;
                for window in [Window::six(bytes), Window::four(bytes)] {
                    if self.windows.has(window.hash()) {
                        self.candidates(text, at + index, window, hits);
                    }
                }
                starts &= starts - 1;
            }
            at += 64;
        }
    }

    /// At which of sixteen positions a window may begin, as bits.
    #[inline(always)]
    fn sixteen(&self, chunk: &[u8; 20]) -> u32 {
        // From the last to the first: what was found so far moves up by itself. One read for four positions:
        // each costs more than a shift.
        let bits = self.four(chunk.get(12..), 0);
        let bits = self.four(chunk.get(8..), bits);
        let bits = self.four(chunk.get(4..), bits);
        self.four(chunk.get(..), bits)
    }

    /// Adds to `bits` at which of the first four positions a window may begin.
    #[inline(always)]
    fn four(&self, bytes: Option<&[u8]>, bits: u32) -> u32 {
        let eight = bytes.and_then(|bytes| bytes.first_chunk());
        let bytes = eight.map_or(0, |eight| u64::from_le_bytes(*eight)) | FOLD;
        let bits = bits * 2 + self.first((bytes >> 24) as u32);
        let bits = bits * 2 + self.first((bytes >> 16) as u32);
        let bits = bits * 2 + self.first((bytes >> 8) as u32);
        bits * 2 + self.first(bytes as u32)
    }

    /// 1 if a window may begin with these four bytes.
    #[inline(always)]
    fn first(&self, four: u32) -> u32 {
        u32::from(self.firsts.get(place(four)).copied().unwrap_or(0))
    }

    /// Compares the keywords of a window that was seen at `at`.
    #[inline(never)]
    fn candidates(&self, text: &[u8], at: usize, window: Window, hits: &mut Vec<Hit>) {
        let slot = usize::from(window.slot());
        let (Some(first), Some(end)) = (self.slots.get(slot), self.slots.get(slot + 1)) else { return };
        for entry in self.entries.get(usize::from(*first)..usize::from(*end)).unwrap_or_default() {
            if entry.tag != window.tag() {
                continue;
            }
            let keyword = usize::from(entry.keyword);
            let Some(literal) = self.keywords.get(keyword) else { continue };
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let end = start + literal.len();
            if text.get(start..end).is_some_and(|bytes| is_like(bytes, literal) && bytes.eq_ignore_ascii_case(literal))
            {
                hits.push(Hit { keyword, start, end });
            }
        }
    }
}

/// A set of hashes, of which it tells 262,144 apart.
#[derive(Debug)]
struct Set(Box<[u32; WORDS]>);

impl Default for Set {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl Set {
    fn insert(&mut self, hash: u32) {
        if let Some(word) = self.0.get_mut(Self::word(hash)) {
            *word |= 1 << Self::bit(hash);
        }
    }

    /// True if the hash is in it, or one like it.
    #[inline(always)]
    fn has(&self, hash: u32) -> bool {
        self.0.get(Self::word(hash)).is_some_and(|word| word >> Self::bit(hash) & 1 != 0)
    }

    #[inline(always)]
    fn word(hash: u32) -> usize {
        (hash >> (32 - WORDS.trailing_zeros())) as usize
    }

    #[inline(always)]
    fn bit(hash: u32) -> u32 {
        hash >> 14 & 31
    }
}

/// The hash of six or four folded bytes; its upper bits are the good ones.
#[derive(Clone, Copy)]
struct Window(u64);

impl Window {
    /// The lowest six of eight bytes in little-endian order.
    #[inline(always)]
    fn six(bytes: u64) -> Self {
        Self((bytes << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The lowest four.
    #[inline(always)]
    fn four(bytes: u64) -> Self {
        Self((bytes << 32).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    fn hash(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Tells the windows of one list apart.
    fn tag(self) -> u8 {
        (self.0 >> 40) as u8
    }

    fn slot(self) -> u16 {
        (self.0 >> (64 - SLOTS.trailing_zeros())) as u16
    }
}

/// A keyword, and where in it its window begins.
#[derive(Clone, Copy, Debug)]
struct Entry {
    keyword: u16,
    offset: u8,
    tag: u8,
}

/// False for most texts that are not a keyword of the same length: their first or last four bytes are others.
#[inline(always)]
fn is_like(text: &[u8], keyword: &[u8]) -> bool {
    let same = |a: Option<&[u8; 4]>, b: Option<&[u8; 4]>| {
        let (Some(a), Some(b)) = (a, b) else { return false };
        (u32::from_le_bytes(*a) ^ u32::from_le_bytes(*b)) | FOLD as u32 == FOLD as u32
    };
    same(text.first_chunk(), keyword.first_chunk()) && same(text.last_chunk(), keyword.last_chunk())
}

/// Where four folded bytes are looked up among the beginnings of windows.
#[inline(always)]
fn place(four: u32) -> usize {
    (four.wrapping_mul(0x9e37_79b1) >> (32 - FIRSTS.trailing_zeros())) as usize
}

/// The window of a keyword that is rarest in JSON and prose, its offset and its bytes.
fn rarest(keyword: &[u8]) -> Option<(usize, u64, Window)> {
    let size = if keyword.len() >= SIX { SIX } else { GRAM };
    // Its beginning counts twice: it is looked for at each position of a text.
    let weight = |window: &[u8]| rarity(window) + window.get(..GRAM).map_or(0, rarity);
    let windows = keyword.windows(size).take(200).enumerate();
    let (offset, window) = windows.min_by_key(|(_, window)| std::cmp::Reverse(weight(window)))?;
    let bytes = window.iter().rev().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte)) | FOLD;
    Some((offset, bytes, if size == SIX { Window::six(bytes) } else { Window::four(bytes) }))
}

/// Sets the bit that tells lower from upper case in each byte; other bytes collide, which costs a
/// comparison and nothing else.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// The shortest keyword, in bytes.
pub(super) const GRAM: usize = 4;

/// From this length on a keyword is stood for by so many bytes.
const SIX: usize = 6;

/// How many bytes are looked at for 64 positions.
const BLOCK: usize = 72;

/// Size of the table of beginnings; a power of two.
const FIRSTS: usize = 1 << 15;

/// Words of a set; a power of two: 32 KiB, of whose bits three thousand windows set a hundredth.
const WORDS: usize = 1 << 13;

/// Into how many lists the keywords are dealt out; a power of two.
const SLOTS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(keywords: &[&str], text: &str) -> Vec<(usize, usize)> {
        let keywords: Vec<String> = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
        let mut all = Vec::new();
        Prefilter::new(&keywords).scan(text.as_bytes(), &mut all);
        let mut all: Vec<(usize, usize)> = all.iter().map(|hit| (hit.keyword, hit.start)).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn finds_every_keyword_at_every_offset() {
        for pad in 0..20 {
            for tail in 0..10 {
                let text = format!("{}ToKeN_ghp_{}", ".".repeat(pad), "x".repeat(tail));
                assert_eq!(hits(&["token", "ghp_", "oken_g"], &text), [(0, pad), (1, pad + 6), (2, pad + 1)]);
            }
        }
    }

    #[test]
    fn fold_collisions_are_not_hits() {
        assert_eq!(hits(&["a_b-"], "a\u{7f}b-"), []);
        assert_eq!(hits(&["abc"], "abc abc"), []);
    }
}
