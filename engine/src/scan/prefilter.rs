//! The one pass over every byte: which keywords of which rules stand where.
//!
//! Every keyword is stood for by its rarest four consecutive bytes. Each position of the text is
//! folded to lower case, hashed and looked up in a bitmap of 8 KiB, which stays in the first-level
//! cache; only where the bit is set are keywords compared. There is no state from byte to byte, so
//! the processor overlaps the look-ups, in WebAssembly as well, where the vector searches of
//! `aho-corasick` do not run.

/// All keywords, compiled.
#[derive(Debug)]
pub(super) struct Prefilter {
    bitmap: Box<[u64; BITMAP]>,
    slots: Vec<Slot>,
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
        let mut grams: Vec<(u32, Entry)> = keywords
            .iter()
            .enumerate()
            .filter_map(|(index, keyword)| {
                let (offset, gram) = rarest(keyword)?;
                Some((gram, Entry { keyword: u16::try_from(index).ok()?, offset: u16::try_from(offset).ok()? }))
            })
            .collect();
        grams.sort_unstable_by_key(|(gram, entry)| (*gram, entry.keyword));
        let size = (grams.len() * 2).next_power_of_two().max(16);
        let mut this = Self {
            bitmap: Box::new([0; BITMAP]),
            slots: vec![Slot { gram: 0, first: 0, count: 0 }; size],
            entries: grams.iter().map(|(_, entry)| *entry).collect(),
            keywords,
        };
        let mut first = 0;
        for same in grams.chunk_by(|a, b| a.0 == b.0) {
            let gram = same.first().map_or(0, |(gram, _)| *gram);
            this.insert(Slot { gram, first, count: same.len() });
            first += same.len();
        }
        this
    }

    /// Calls `found` for every keyword in `text`, in the order of their rarest bytes.
    pub(super) fn scan(&self, text: &[u8], mut found: impl FnMut(Hit)) {
        let mut at = 0;
        while let Some(&[a, b, c, d, e, f, g, _]) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let eight = u64::from_le_bytes([a, b, c, d, e, f, g, 0]) | FOLD;
            // Four positions at a time: one branch for all of them.
            let (h0, h1, h2, h3) =
                (hash(eight as u32), hash((eight >> 8) as u32), hash((eight >> 16) as u32), hash((eight >> 24) as u32));
            let any = self.bit(h0) | self.bit(h1) | self.bit(h2) | self.bit(h3);
            if any & 1 != 0 {
                for step in 0..4 {
                    let gram = (eight >> (8 * step)) as u32;
                    if self.bit(hash(gram)) & 1 != 0 {
                        self.candidates(text, at + step, gram, &mut found);
                    }
                }
            }
            at += 4;
        }
        while let Some(&four) = text.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let gram = u32::from_le_bytes(four) | FOLD as u32;
            if self.bit(hash(gram)) & 1 != 0 {
                self.candidates(text, at, gram, &mut found);
            }
            at += 1;
        }
    }

    /// The bit of a hash, as the lowest of the word that is returned.
    #[inline(always)]
    fn bit(&self, hash: u32) -> u64 {
        self.bitmap.get((hash >> 22) as usize).copied().unwrap_or(0) >> ((hash >> 16) & 63)
    }

    #[inline(never)]
    fn candidates(&self, text: &[u8], at: usize, gram: u32, found: &mut impl FnMut(Hit)) {
        let mut probe = (hash(gram) >> 16) as usize;
        loop {
            let Some(slot) = self.slots.get(probe & (self.slots.len() - 1)) else { return };
            if slot.count == 0 {
                return;
            }
            if slot.gram == gram {
                let entries = self.entries.get(slot.first..slot.first + slot.count).unwrap_or_default();
                for entry in entries {
                    let keyword = usize::from(entry.keyword);
                    let Some(literal) = self.keywords.get(keyword) else { continue };
                    let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
                    let end = start + literal.len();
                    if text.get(start..end).is_some_and(|bytes| bytes.eq_ignore_ascii_case(literal)) {
                        found(Hit { keyword, start, end });
                    }
                }
                return;
            }
            probe += 1;
        }
    }

    fn insert(&mut self, slot: Slot) {
        let h = hash(slot.gram);
        if let Some(word) = self.bitmap.get_mut((h >> 22) as usize) {
            *word |= 1 << ((h >> 16) & 63);
        }
        let mut probe = (h >> 16) as usize;
        let mask = self.slots.len() - 1;
        while let Some(place) = self.slots.get_mut(probe & mask) {
            if place.count == 0 {
                *place = slot;
                return;
            }
            probe += 1;
        }
    }
}

/// All keywords whose rarest bytes are `gram`.
#[derive(Clone, Copy, Debug)]
struct Slot {
    gram: u32,
    first: usize,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    keyword: u16,
    offset: u16,
}

/// A multiplicative hash; its upper bits are the good ones.
#[inline(always)]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// The offset and the folded bytes of the four consecutive bytes least common in JSON and prose.
fn rarest(keyword: &[u8]) -> Option<(usize, u32)> {
    let cost = |gram: &[u8]| gram.iter().map(|byte| commonness(*byte)).sum::<u32>();
    let (offset, gram) = keyword.windows(GRAM).enumerate().min_by_key(|(_, gram)| cost(gram))?;
    Some((offset, u32::from_le_bytes(*gram.first_chunk()?) | FOLD as u32))
}

/// How common a byte is in JSON and prose, roughly: the figures only rank.
fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 10,
        b'l' | b'c' | b'd' | b'u' | b'm' | b'p' | b'"' => 7,
        b'h' | b'f' | b'g' | b'b' | b'y' | b'v' | b'w' | b'0'..=b'9' | b':' | b'/' | b'.' | b',' => 5,
        b'_' | b'-' | b'=' => 3,
        _ => 1,
    }
}

/// Sets the bit that tells lower from upper case in each byte; other bytes collide, which costs a
/// comparison and nothing else.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// How many bytes stand for a keyword.
pub(super) const GRAM: usize = 4;

/// Words of the bitmap: one bit for each value of the upper 16 bits of the hash.
const BITMAP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(keywords: &[&str], text: &str) -> Vec<(usize, usize)> {
        let keywords: Vec<String> = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
        let mut all = Vec::new();
        Prefilter::new(&keywords).scan(text.as_bytes(), |hit| all.push((hit.keyword, hit.start)));
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
