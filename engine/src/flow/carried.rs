//! What a session or a caller carries: labels, and fingerprints of the texts that brought them.
//!
//! Labels only ever come; they go by [`Decay`] alone. The whole is one value of the state, so that what
//! one result brings is there at once or not at all. Its bytes, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version: 1 |
//! | 4 | calls counted |
//! | 1, then per label | number of labels; length of the name (1), name, time gained (8), calls counted then (4) |
//! | 1, then per text | number of texts; labels by their places as bits (4), time (8), calls (4), number of fingerprints (2), fingerprints of 5 bytes |

use super::prints::{MAX_PRINTS, PRINT_BYTES};
use crate::state::Unavailable;

/// Labels and texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    calls: u32,
    labels: Vec<Label>,
    texts: Vec<Text>,
}

/// When labels are forgotten: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decay {
    /// So long after a label was last gained, microseconds.
    pub(crate) time_us: u64,
    /// So many calls after it was last gained.
    pub(crate) calls: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Label {
    name: String,
    gained: Moment,
}

/// A text that was read, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    /// Its labels, by their places in the list.
    labels: u32,
    gained: Moment,
    /// Sorted.
    prints: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    time_us: u64,
    calls: u32,
}

impl Carried {
    /// Reads what [`Carried::encode`] wrote.
    ///
    /// # Errors
    /// [`Unavailable`] for anything else: what was carried is lost.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unavailable> {
        let mut reader = Reader(bytes);
        let carried = reader.carried().ok_or(Unavailable)?;
        if reader.0.is_empty() { Ok(carried) } else { Err(Unavailable) }
    }

    /// The bytes that the state keeps.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.calls.to_le_bytes());
        out.push(self.labels.len() as u8);
        for label in &self.labels {
            out.push(label.name.len() as u8);
            out.extend_from_slice(label.name.as_bytes());
            label.gained.encode(&mut out);
        }
        out.push(self.texts.len() as u8);
        for text in &self.texts {
            out.extend_from_slice(&text.labels.to_le_bytes());
            text.gained.encode(&mut out);
            out.extend_from_slice(&(text.prints.len() as u16).to_le_bytes());
            for print in &text.prints {
                out.extend_from_slice(print.to_le_bytes().first_chunk::<PRINT_BYTES>().unwrap_or(&[0; PRINT_BYTES]));
            }
        }
        out
    }

    /// True where there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels, in order of their names.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(|label| label.name.as_str())
    }

    /// True where `label` is carried.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.labels().any(|known| known == label)
    }

    /// Counts one call.
    pub(crate) fn count(&mut self) {
        self.calls = self.calls.wrapping_add(1);
    }

    /// Forgets what is due.
    pub(crate) fn fade(&mut self, decay: Decay, now_us: u64) {
        let calls = self.calls;
        let lasts = |gained: Moment| {
            now_us.saturating_sub(gained.time_us) < decay.time_us
                && decay.calls.is_none_or(|limit| calls.wrapping_sub(gained.calls) <= limit)
        };
        self.texts.retain(|text| lasts(text.gained));
        let mut places = 0;
        let mut moved = Vec::with_capacity(self.labels.len());
        self.labels.retain(|label| {
            let stays = lasts(label.gained);
            moved.push(stays.then_some(places));
            places += u32::from(stays);
            stays
        });
        for text in &mut self.texts {
            text.labels = renamed(text.labels, |place| moved.get(place).copied().flatten());
        }
        self.texts.retain(|text| text.labels != 0);
    }

    /// Adds labels, and the fingerprints of the text that brought them.
    ///
    /// # Errors
    /// [`Unavailable`] where there are more labels than can be kept; nothing has changed then.
    pub(crate) fn gain<'l>(
        &mut self,
        labels: impl IntoIterator<Item = &'l str>,
        prints: &[u64],
        now_us: u64,
    ) -> Result<(), Unavailable> {
        let mut gained = self.clone();
        let moment = Moment { time_us: now_us, calls: gained.calls };
        let mut names = Vec::new();
        for name in labels {
            if name.len() > MAX_NAME {
                return Err(Unavailable);
            }
            names.push(name);
            match gained.labels.iter_mut().find(|label| label.name == name) {
                Some(label) => label.gained = moment,
                None => {
                    let place = gained.labels.partition_point(|label| label.name.as_str() < name);
                    gained.labels.insert(place, Label { name: name.to_owned(), gained: moment });
                    for text in &mut gained.texts {
                        text.labels =
                            renamed(text.labels, |known| u32::try_from(known + usize::from(known >= place)).ok());
                    }
                }
            }
        }
        if gained.labels.len() > MAX_LABELS {
            return Err(Unavailable);
        }
        if !prints.is_empty() {
            let places = gained.labels.iter().enumerate().filter(|(_, label)| names.contains(&label.name.as_str()));
            let labels = places.fold(0, |bits, (place, _)| bits | 1 << place);
            gained.remember(Text { labels, gained: moment, prints: prints.to_vec() });
        }
        *self = gained;
        Ok(())
    }

    /// Takes up what `other` carries, which was kept elsewhere; true where anything of it is new.
    ///
    /// # Errors
    /// [`Unavailable`] where there are more labels than can be kept; nothing has changed then.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<bool, Unavailable> {
        let mut merged = self.clone();
        // Calls are counted from another beginning there.
        let here = |moment: Moment| Moment {
            calls: self.calls.wrapping_sub(other.calls.wrapping_sub(moment.calls)),
            ..moment
        };
        for label in &other.labels {
            if !merged.has(&label.name) {
                merged.gain([label.name.as_str()], &[], label.gained.time_us)?;
            }
            let known = merged.labels.iter_mut().find(|known| known.name == label.name);
            if let Some(known) =
                known.filter(|known| !self.has(&label.name) || known.gained.time_us < label.gained.time_us)
            {
                known.gained = here(label.gained);
            }
        }
        for text in other.texts.iter().filter(|text| !self.texts.iter().any(|known| known.prints == text.prints)) {
            let place = |at: usize| {
                merged
                    .labels
                    .iter()
                    .position(|known| Some(&known.name) == other.labels.get(at).map(|label| &label.name))
            };
            let labels = renamed(text.labels, |at| u32::try_from(place(at)?).ok());
            merged.remember(Text { labels, gained: here(text.gained), prints: text.prints.clone() });
        }
        let names = |of: &Self| of.labels.iter().map(|label| label.name.clone()).collect::<Vec<_>>();
        let prints = |of: &Self| of.texts.iter().map(|text| text.prints.clone()).collect::<Vec<_>>();
        let new = names(&merged) != names(self) || prints(&merged) != prints(self);
        *self = merged;
        Ok(new)
    }

    /// The fingerprints of each text that has one of `labels`.
    pub(crate) fn texts<'c>(&'c self, labels: &[impl AsRef<str>]) -> impl Iterator<Item = (usize, &'c [u64])> {
        let places =
            self.labels.iter().enumerate().filter(|(_, known)| labels.iter().any(|label| label.as_ref() == known.name));
        let bits = places.fold(0, |bits, (place, _)| bits | 1_u32 << place);
        let texts = self.texts.iter().enumerate();
        texts.filter(move |(_, text)| text.labels & bits != 0).map(|(at, text)| (at, text.prints.as_slice()))
    }

    /// When nothing of this is left, microseconds since the Unix epoch.
    pub(crate) fn expires_us(&self, decay: Decay) -> u64 {
        let last = self.labels.iter().map(|label| label.gained.time_us).max().unwrap_or(0);
        last.saturating_add(decay.time_us)
    }

    /// Takes up a text. What is too much goes from the longest ones, half of each at a time, so that a flood of one
    /// source does not wash away what another said; too many texts become fewer, larger ones.
    fn remember(&mut self, text: Text) {
        if let Some(known) = self.texts.iter_mut().find(|known| known.prints == text.prints) {
            known.labels |= text.labels;
            known.gained = text.gained;
            return;
        }
        self.texts.push(text);
        while self.texts.len() > MAX_TEXTS && self.merge_two() {}
        while self.texts.iter().map(|text| text.prints.len()).sum::<usize>() > MAX_ALL_PRINTS {
            let Some(longest) = self.texts.iter_mut().max_by_key(|text| text.prints.len()) else { return };
            longest.prints.truncate(longest.prints.len() / 2);
        }
    }

    /// Makes one of the two oldest texts with the same labels, or of the two oldest.
    fn merge_two(&mut self) -> bool {
        let texts = &self.texts;
        let pair = texts.iter().enumerate().find_map(|(first, text)| {
            let same = texts.iter().skip(first + 1).position(|other| other.labels == text.labels)?;
            Some((first, first + 1 + same))
        });
        let (first, second) = pair.unwrap_or((0, 1));
        if second >= self.texts.len() {
            return false;
        }
        let newer = self.texts.remove(second);
        let Some(older) = self.texts.get_mut(first) else { return false };
        older.labels |= newer.labels;
        older.gained = newer.gained;
        older.prints.extend(newer.prints);
        older.prints.sort_unstable();
        older.prints.dedup();
        older.prints.truncate(MAX_PRINTS);
        true
    }
}

impl Moment {
    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(&self.calls.to_le_bytes());
    }
}

/// Places as bits, each with its new place; one without a new place is left out.
fn renamed(bits: u32, new: impl Fn(usize) -> Option<u32>) -> u32 {
    (0..MAX_LABELS)
        .filter(|place| bits & 1_u32.unbounded_shl(*place as u32) != 0)
        .filter_map(new)
        .fold(0, |bits, place| bits | 1_u32.unbounded_shl(place))
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn carried(&mut self) -> Option<Carried> {
        if self.number::<1>()? != u64::from(VERSION) {
            return None;
        }
        let calls = self.number::<4>()? as u32;
        let count = self.number::<1>()? as usize;
        let mut labels: Vec<Label> = Vec::with_capacity(count);
        for _ in 0..count {
            let length = self.number::<1>()? as usize;
            let (name, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            if labels.last().is_some_and(|last| last.name >= name) {
                return None;
            }
            labels.push(Label { name, gained: self.moment()? });
        }
        let count = self.number::<1>()? as usize;
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            let bits = self.number::<4>()? as u32;
            let gained = self.moment()?;
            let length = self.number::<2>()? as usize;
            let prints = (0..length).map(|_| self.number::<PRINT_BYTES>()).collect::<Option<Vec<_>>>()?;
            texts.push(Text { labels: bits, gained, prints });
        }
        (labels.len() <= MAX_LABELS).then_some(Carried { calls, labels, texts })
    }

    fn moment(&mut self) -> Option<Moment> {
        Some(Moment { time_us: self.number::<8>()?, calls: self.number::<4>()? as u32 })
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

const VERSION: u8 = 1;
/// Most labels at a time: their places are bits of 32.
pub(crate) const MAX_LABELS: usize = 32;
/// Longest name of a label, in bytes.
pub(crate) const MAX_NAME: usize = 64;
/// Most texts told apart.
const MAX_TEXTS: usize = 32;
/// Most fingerprints of all texts together: 15 KiB.
const MAX_ALL_PRINTS: usize = 3072;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECAY: Decay = Decay { time_us: 100, calls: Some(10) };

    #[test]
    fn labels_go_by_time_and_by_calls() {
        let mut carried = Carried::default();
        carried.gain(["b", "a"], &[1, 2], 0).unwrap();
        carried.gain(["c"], &[3], 50).unwrap();
        carried.fade(DECAY, 99);
        assert_eq!(carried.labels().collect::<Vec<_>>(), ["a", "b", "c"]);
        carried.fade(DECAY, 100);
        assert_eq!(carried.labels().collect::<Vec<_>>(), ["c"]);
        assert_eq!(carried.texts(&["c"]).count(), 1);
        assert_eq!(carried.texts(&["a"]).count(), 0);
        (0..10).for_each(|_| carried.count());
        carried.fade(DECAY, 100);
        assert!(carried.has("c"));
        carried.count();
        carried.fade(DECAY, 100);
        assert!(carried.is_empty());
    }

    #[test]
    fn what_is_no_state_is_lost() {
        let mut carried = Carried::default();
        carried.gain(["a"], &[7], 1).unwrap();
        let bytes = carried.encode();
        for length in 0..bytes.len() {
            assert_eq!(Carried::decode(&bytes[..length]), Err(Unavailable));
        }
        assert_eq!(Carried::decode(&[bytes.as_slice(), &[0]].concat()), Err(Unavailable));
        let mut other = bytes;
        other[0] = 2;
        assert_eq!(Carried::decode(&other), Err(Unavailable));
    }

    #[test]
    fn what_was_kept_elsewhere_is_taken_up() {
        let (mut here, mut there) = (Carried::default(), Carried::default());
        here.gain(["m"], &[5], 10).unwrap();
        (0..3).for_each(|_| here.count());
        there.count();
        there.gain(["a", "m"], &[7], 20).unwrap();
        (0..9).for_each(|_| there.count());
        assert_eq!(here.merge(&there), Ok(true));
        assert_eq!(here.labels().collect::<Vec<_>>(), ["a", "m"]);
        assert_eq!((here.texts(&["a"]).count(), here.texts(&["m"]).count()), (1, 2));
        assert_eq!(here.merge(&there), Ok(false));
        assert_eq!(Carried::decode(&here.encode()), Ok(here.clone()));
        // Both fade as they would have there: nine calls of ten are over.
        here.count();
        here.fade(DECAY, 20);
        assert_eq!(here.labels().count(), 2);
        here.count();
        here.fade(DECAY, 20);
        assert_eq!(here.labels().count(), 0);
        let names: Vec<String> = (0..MAX_LABELS).map(|n| format!("l{n}")).collect();
        here.gain(names.iter().map(String::as_str), &[], 0).unwrap();
        let before = here.clone();
        assert_eq!((here.merge(&there), here == before), (Err(Unavailable), true));
    }

    #[test]
    fn a_flood_does_not_wash_away_what_another_said() {
        let mut carried = Carried::default();
        let small: Vec<u64> = (0..60).map(|n| n * 3).collect();
        carried.gain(["private"], &small, 0).unwrap();
        for round in 1..200_u64 {
            let flood: Vec<u64> = (0..MAX_PRINTS as u64).map(|n| round * 100_000 + n).collect();
            carried.gain(["untrusted"], &flood, round).unwrap();
        }
        let (_, kept) = carried.texts(&["private"]).next().unwrap();
        assert_eq!(kept, small);
        assert!(carried.encode().len() <= 16 << 10);
    }

    #[test]
    fn more_labels_than_fit_are_refused() {
        let names: Vec<String> = (0..=MAX_LABELS).map(|n| format!("l{n}")).collect();
        let mut carried = Carried::default();
        assert_eq!(carried.gain(names.iter().map(String::as_str), &[], 0), Err(Unavailable));
        assert!(carried.is_empty());
        assert_eq!(carried.gain(["x".repeat(MAX_NAME + 1).as_str()], &[], 0), Err(Unavailable));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Gain(Vec<usize>, Vec<u64>),
        Count,
        Wait(u64),
        Fade,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let gain = (prop::collection::vec(0..NAMES.len(), 1..4), prop::collection::vec(0..1_u64 << 40, 0..40));
        let step = prop_oneof![
            3 => gain.prop_map(|(labels, mut prints)| {
                prints.sort_unstable();
                prints.dedup();
                Step::Gain(labels, prints)
            }),
            2 => Just(Step::Count),
            2 => (1..40_u64).prop_map(Step::Wait),
            1 => Just(Step::Fade),
        ];
        prop::collection::vec(step, 1..60)
    }

    const NAMES: [&str; 5] = ["private", "untrusted", "secret", "own", "z"];

    proptest! {
        /// A label is there exactly as long as its decay says: the model keeps, for each, when it was last gained.
        #[test]
        fn labels_never_shrink_but_by_decay(steps in steps()) {
            let mut carried = Carried::default();
            let mut model: std::collections::BTreeMap<&str, (u64, u32)> = std::collections::BTreeMap::new();
            let (mut now, mut calls) = (1000, 0);
            for step in steps {
                match step {
                    Step::Gain(labels, prints) => {
                        let names: Vec<&str> = labels.iter().map(|label| NAMES[*label]).collect();
                        carried.gain(names.iter().copied(), &prints, now).unwrap();
                        model.extend(names.iter().map(|name| (*name, (now, calls))));
                    }
                    Step::Count => {
                        carried.count();
                        calls += 1;
                    }
                    Step::Wait(time) => now += time,
                    Step::Fade => {}
                }
                carried.fade(DECAY, now);
                model.retain(|_, (time, call)| now - *time < DECAY.time_us && calls - *call <= 10);
                let known: Vec<&str> = model.keys().copied().collect();
                prop_assert_eq!(carried.labels().collect::<Vec<_>>(), known);
                let decoded = Carried::decode(&carried.encode()).unwrap();
                prop_assert_eq!(&decoded, &carried);
                prop_assert!(carried.encode().len() <= 16 << 10);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut carried) = Carried::decode(&bytes) {
                carried.fade(DECAY, 1);
                let _ = carried.gain(["a"], &[1], 2);
            }
            let mut claimed = vec![1, 0, 0, 0, 0];
            claimed.extend(bytes);
            if let Ok(mut carried) = Carried::decode(&claimed) {
                carried.fade(DECAY, 1);
                let _ = carried.gain(["a"], &[1], 2);
            }
        }
    }
}
