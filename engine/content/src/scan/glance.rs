//! The one look at every byte of a string that comes before everything else: what kinds of characters it has, and
//! which triggers of less than four bytes, which the shared pass is too coarse for.

use super::decode::Marks;

/// The marks of bytes and a set of short triggers, each with the detectors it belongs to as bits.
///
/// A trigger is a group of sets of bytes, one for each of its positions. A byte's class says to which of these sets it
/// belongs, so three bytes in a row make a trigger where a group's bit is in all three of their classes. That takes one
/// look-up and no branch a byte. Where there are more triggers than bits, some of one detector share a group, which may
/// then show the detector a text that has none of them, and never hides one.
#[derive(Debug)]
pub(super) struct Glance {
    classes: Box<[u64; 256]>,
    /// What stands behind the end: for triggers of two bytes.
    end: u64,
    /// The detectors of each group.
    groups: Vec<u32>,
}

impl Glance {
    /// Compiles triggers of one to three bytes in lower case with the detectors, of the first six, that each belongs to.
    pub(super) fn new(triggers: &[(&str, u32)]) -> Self {
        let mut classes = Box::new([0; 256]);
        for (byte, class) in classes.iter_mut().enumerate() {
            *class = u64::from(Marks::of_byte(byte as u8).bits()) << MARKS;
        }
        let mut groups: Vec<Group> = Vec::new();
        for (trigger, detectors) in triggers {
            match trigger.as_bytes() {
                [] => {}
                [byte] => {
                    for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                        add(&mut classes, byte, u64::from(*detectors) << DETECTORS);
                    }
                }
                bytes => groups.push(Group::of(bytes, *detectors)),
            }
        }
        while groups.len() > GROUPS && merge(&mut groups) {}
        let mut end = 0;
        for (index, group) in groups.iter().enumerate().take(GROUPS) {
            for (position, set) in group.sets.iter().enumerate() {
                let bit = 1 << (index + position * GROUPS);
                for (byte, class) in classes.iter_mut().enumerate() {
                    if *set == ANYTHING || byte < 128 && set >> byte & 1 == 1 {
                        *class |= bit;
                    }
                }
                end |= if *set == ANYTHING { bit } else { 0 };
            }
        }
        Self { classes, end, groups: groups.iter().map(|group| group.detectors).collect() }
    }

    /// The marks of a text, and the detectors of which a trigger stands in it, as bits.
    pub(super) fn of(&self, text: &str) -> (Marks, u32) {
        let mut seen = Seen::default();
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        // One read for eight bytes: each costs more than a shift.
        for word in words {
            let word = u64::from_le_bytes(*word);
            self.step(word, &mut seen);
            self.step(word >> 8, &mut seen);
            self.step(word >> 16, &mut seen);
            self.step(word >> 24, &mut seen);
            self.step(word >> 32, &mut seen);
            self.step(word >> 40, &mut seen);
            self.step(word >> 48, &mut seen);
            self.step(word >> 56, &mut seen);
        }
        for byte in rest {
            self.step(u64::from(*byte), &mut seen);
        }
        let Seen { all, second, mut met, .. } = seen;
        met |= second & (self.end >> (2 * GROUPS));
        let mut detectors = (all >> DETECTORS) as u32;
        met &= (1 << GROUPS) - 1;
        while met != 0 {
            detectors |= self.groups.get(met.trailing_zeros() as usize).copied().unwrap_or(0);
            met &= met - 1;
        }
        (Marks::from_bits((all >> MARKS) as u8), detectors)
    }

    /// Takes the lowest byte of `word`.
    #[inline(always)]
    fn step(&self, word: u64, seen: &mut Seen) {
        let class = self.classes.get(word as usize & 255).copied().unwrap_or(0);
        seen.all |= class;
        seen.met |= seen.second & (class >> (2 * GROUPS));
        seen.second = seen.first & (class >> GROUPS);
        seen.first = class;
    }
}

/// What was seen of a text so far.
#[derive(Default)]
struct Seen {
    /// The classes of all bytes.
    all: u64,
    /// The class of the last byte.
    first: u64,
    /// In which groups the last two bytes begin a trigger.
    second: u64,
    /// In which groups one was seen.
    met: u64,
}

fn add(classes: &mut [u64; 256], byte: u8, bits: u64) {
    if let Some(class) = classes.get_mut(usize::from(byte)) {
        *class |= bits;
    }
}

/// Triggers of one detector: which bytes of ASCII may stand at each position; [`ANYTHING`] is for the end as well.
#[derive(Clone, Copy)]
struct Group {
    sets: [u128; 3],
    detectors: u32,
}

impl Group {
    fn of(trigger: &[u8], detectors: u32) -> Self {
        let set = |at: usize| {
            let byte = trigger.get(at);
            byte.map_or(ANYTHING, |byte| {
                1 << (byte.to_ascii_lowercase() & 127) | 1 << (byte.to_ascii_uppercase() & 127)
            })
        };
        Self { sets: [set(0), set(1), set(2)], detectors }
    }

    fn with(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (set, more) in sum.sets.iter_mut().zip(&other.sets) {
            *set |= more;
        }
        sum.detectors |= other.detectors;
        sum
    }

    /// How often it may be met, roughly.
    fn weight(&self) -> u32 {
        let of = |set: &u128| (0..128).filter(|byte| set >> byte & 1 == 1).map(commonness).sum::<u32>();
        self.sets.iter().map(of).product::<u32>() * self.detectors.count_ones()
    }
}

/// Makes one of the two groups that lose least by it.
fn merge(groups: &mut Vec<Group>) -> bool {
    let mut best: Option<(u32, usize, usize)> = None;
    for (index, group) in groups.iter().enumerate() {
        for (before, other) in groups.iter().enumerate().take(index) {
            let apart = group.weight() + other.weight();
            let cost = group.with(other).weight().saturating_sub(apart);
            if best.is_none_or(|(least, _, _)| cost < least) {
                best = Some((cost, index, before));
            }
        }
    }
    let Some((_, index, before)) = best else { return false };
    let group = groups.swap_remove(index);
    if let Some(other) = groups.get_mut(before) {
        *other = other.with(&group);
    }
    true
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

/// How many groups there are: three positions of each, marks and detectors are 64 bits.
const GROUPS: usize = 18;

/// Where the marks are in a class.
const MARKS: usize = 3 * GROUPS;

/// Where the detectors are that a byte triggers by itself.
const DETECTORS: usize = MARKS + 3;

/// Every byte, and the end.
const ANYTHING: u128 = u128::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_triggers_of_every_length() {
        let glance = Glance::new(&[(";", 1), ("rm", 2), ("dd ", 4)]);
        for (text, found) in
            [("", 0), ("rm", 2), ("r", 0), ("aRM", 2), ("dd", 0), ("add x", 4), ("a;b", 1), ("DD rm;", 7), ("d", 0)]
        {
            assert_eq!(glance.of(text), (Marks::of(text), found), "{text}");
        }
    }

    #[test]
    fn hides_no_trigger_however_many_there_are() {
        let triggers: Vec<String> = ('a'..='z').map(|c| format!("{c}x{c}")).chain(["x:".to_owned()]).collect();
        let all: Vec<(&str, u32)> = triggers.iter().zip(0..).map(|(one, at)| (one.as_str(), 1 << (at % 6))).collect();
        let glance = Glance::new(&all);
        for (trigger, detector) in all {
            for text in [trigger.to_owned(), format!("é{trigger}"), format!("{} ", trigger.to_uppercase())] {
                assert_eq!(glance.of(&text).1 & detector, detector, "{text}");
            }
        }
    }
}
