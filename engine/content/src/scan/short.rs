//! Triggers of one to three bytes, which the shared pass is too coarse for.

/// A set of short triggers, each with the detectors it belongs to as bits.
#[derive(Debug)]
pub(super) struct Short {
    /// What single bytes trigger.
    single: Box<[u32; 256]>,
    /// One bit for each pair of folded bytes with which a longer trigger begins.
    pairs: Box<[u64; 1024]>,
    longer: Vec<([u8; 2], Option<u8>, u32)>,
    /// Everything that can be triggered.
    all: u32,
}

impl Default for Short {
    fn default() -> Self {
        Self { single: Box::new([0; 256]), pairs: Box::new([0; 1024]), longer: Vec::new(), all: 0 }
    }
}

impl Short {
    /// Adds a trigger of one to three bytes in lower case.
    pub(super) fn add(&mut self, trigger: &str, bits: u32) {
        self.all |= bits;
        match trigger.as_bytes() {
            [byte] => {
                for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
                    if let Some(single) = self.single.get_mut(usize::from(byte)) {
                        *single |= bits;
                    }
                }
            }
            [a, b, rest @ ..] => {
                let pair = [fold(*a), fold(*b)];
                let (word, bit) = place(pair);
                if let Some(word) = self.pairs.get_mut(word) {
                    *word |= bit;
                }
                self.longer.push((pair, rest.first().map(|byte| fold(*byte)), bits));
            }
            [] => {}
        }
    }

    /// The detectors of which a trigger stands in the text, as bits.
    pub(super) fn triggered(&self, text: &str) -> u32 {
        if self.all == 0 {
            return 0;
        }
        let bytes = text.as_bytes();
        let mut found = 0;
        let mut before = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let class = self.single.get(usize::from(*byte)).copied().unwrap_or(0);
            let pair = [before, fold(*byte)];
            before = pair[1];
            let (word, bit) = place(pair);
            let known = self.pairs.get(word).is_some_and(|word| word & bit != 0);
            // One branch for both: hardly any byte takes it.
            if (class & !found != 0) | known {
                found |= class;
                if known {
                    let next = bytes.get(at + 1).map(|byte| fold(*byte));
                    let fits = |(known, third, _): &&([u8; 2], Option<u8>, u32)| {
                        *known == pair && (third.is_none() || *third == next)
                    };
                    found |= self.longer.iter().filter(fits).fold(0, |all, (_, _, bits)| all | bits);
                }
                if found == self.all {
                    break;
                }
            }
        }
        found
    }
}

/// The bit of a pair.
fn place(pair: [u8; 2]) -> (usize, u64) {
    let index = u16::from_le_bytes(pair);
    (usize::from(index >> 6), 1 << (index & 63))
}

fn fold(byte: u8) -> u8 {
    byte.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_triggers_of_every_length() {
        let mut short = Short::default();
        short.add(";", 1);
        short.add("rm", 2);
        short.add("dd ", 4);
        for (text, found) in
            [("", 0), ("rm", 2), ("r", 0), ("aRM", 2), ("dd", 0), ("add x", 4), ("a;b", 1), ("DD rm;", 7), ("d", 0)]
        {
            assert_eq!(short.triggered(text), found, "{text}");
        }
    }
}
