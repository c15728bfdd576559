//! Windows of time, sliding and of the calendar.
//!
//! - Sliding: an entry counts until its time is a whole window ago. Calls within one [`SLOTS`]th of the
//!   window share an entry with the time of the latest, which can only be stricter than the calls' own
//!   times: no span as long as the window ever holds more than the limit, and a share comes back at
//!   most a [`SLOTS`]th of the window late.
//! - Calendar: what belongs to another window than the present one does not count.

use super::counter::{Held, Terms, UsedUp};
use super::encode::{Reader, write};
use crate::config::QuotaAlgorithm;
use crate::sort::Arrange;

/// What was let through in the present window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) terms: Terms,
    /// The latest time at which it was looked at.
    now_us: u64,
    entries: Vec<Entry>,
}

/// Amounts of the same slot whose leases end together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The latest of them.
    time_us: u64,
    /// When they come back if nobody says how they ended; [`KEPT`] if they count for good.
    until_us: u64,
    amount: u64,
}

impl Window {
    pub(super) fn load(terms: Terms, reader: Option<Reader<'_>>, now_us: u64) -> Option<Self> {
        let mut window = match reader {
            Some(reader) => Self::decode(terms, reader)?,
            None => Self { terms, now_us, entries: Vec::new() },
        };
        window.advance(now_us);
        Some(window)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Option<u64> {
        write(out, self.now_us);
        for entry in &self.entries {
            write(out, self.now_us.saturating_sub(entry.time_us));
            write(out, if entry.until_us == KEPT { 0 } else { entry.until_us.saturating_sub(self.now_us) });
            write(out, entry.amount);
        }
        self.entries.iter().map(|entry| self.leaves_us(entry)).max()
    }

    fn decode(terms: Terms, mut reader: Reader<'_>) -> Option<Self> {
        let now_us = reader.number()?;
        let mut entries = Vec::new();
        while !reader.is_empty() {
            let time_us = now_us.checked_sub(reader.number()?)?;
            let until_us = match reader.number()? {
                0 => KEPT,
                left => now_us.checked_add(left)?,
            };
            entries.push(Entry { time_us, until_us, amount: reader.number()? });
        }
        Some(Self { terms, now_us, entries })
    }

    pub(super) fn reserve(&mut self, amount: u64) -> Result<Held, UsedUp> {
        if amount > self.terms.limit {
            return Err(UsedUp::Forever);
        }
        let used = self.entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.amount));
        let excess = used.saturating_add(amount).saturating_sub(self.terms.limit);
        if excess > 0 {
            return Err(UsedUp::For(self.time_to_free(excess).max(1)));
        }
        let held = Held { slot: self.slot(self.now_us), until_us: self.terms.lease_end(self.now_us), amount };
        self.enter(Entry { time_us: self.now_us, until_us: held.until_us, amount });
        Ok(held)
    }

    pub(super) fn settle(&mut self, held: Held, keep: bool) {
        match (self.take(held), keep) {
            (Some(time_us), true) => self.enter(Entry { time_us, until_us: KEPT, amount: held.amount }),
            (None, true) => self.enter_late(held, KEPT),
            (_, false) => {}
        }
    }

    pub(super) fn renew(&mut self, held: Held) -> Held {
        let renewed = Held { until_us: self.terms.lease_end(self.now_us), ..held };
        match self.take(held) {
            Some(time_us) => self.enter(Entry { time_us, until_us: renewed.until_us, amount: held.amount }),
            None => self.enter_late(held, renewed.until_us),
        }
        renewed
    }

    fn advance(&mut self, now_us: u64) {
        if self.terms.set_back(self.now_us, now_us) {
            for entry in &mut self.entries {
                entry.time_us = entry.time_us.min(now_us);
                if entry.until_us != KEPT {
                    entry.until_us = self.terms.lease_end(now_us);
                }
            }
            self.now_us = now_us;
        }
        self.now_us = self.now_us.max(now_us);
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| entry.until_us > self.now_us && self.leaves_us(entry) > self.now_us);
        self.entries = entries;
    }

    /// When an entry does not count any more.
    fn leaves_us(&self, entry: &Entry) -> u64 {
        let window_us = self.terms.window_us;
        if self.terms.algorithm == QuotaAlgorithm::FixedWindow {
            self.slot(entry.time_us).saturating_add(1).saturating_mul(window_us)
        } else {
            entry.time_us.saturating_add(window_us)
        }
    }

    /// How long it takes until `excess` has left the window.
    fn time_to_free(&self, excess: u64) -> u64 {
        let leaving = self.entries.iter().map(|entry| (self.leaves_us(entry).min(entry.until_us), entry.amount));
        let mut leaving: Vec<(u64, u64)> = leaving.collect();
        leaving.arrange();
        let mut left = excess;
        for (time_us, amount) in leaving {
            left = left.saturating_sub(amount);
            if left == 0 {
                return time_us.saturating_sub(self.now_us);
            }
        }
        self.terms.window_us
    }

    fn slot(&self, time_us: u64) -> u64 {
        time_us / self.slot_us()
    }

    fn slot_us(&self) -> u64 {
        let window_us = self.terms.window_us;
        let parts = if self.terms.algorithm == QuotaAlgorithm::FixedWindow { 1 } else { SLOTS };
        (window_us / parts).max(1)
    }

    fn enter(&mut self, new: Entry) {
        if new.amount == 0 {
            return;
        }
        let slot = self.slot(new.time_us);
        match self.position(slot, new.until_us).and_then(|position| self.entries.get_mut(position)) {
            Some(entry) => {
                entry.time_us = entry.time_us.max(new.time_us);
                entry.amount = entry.amount.saturating_add(new.amount);
            }
            None => self.entries.push(new),
        }
    }

    /// Enters an amount whose pending entry is gone, if the window still holds its slot.
    fn enter_late(&mut self, held: Held, until_us: u64) {
        let end_us = held.slot.saturating_add(1).saturating_mul(self.slot_us()).saturating_sub(1);
        let entry = Entry { time_us: end_us.min(self.now_us), until_us, amount: held.amount };
        if self.leaves_us(&entry) > self.now_us {
            self.enter(entry);
        }
    }

    /// Takes a pending amount out of its entry, and says of which time that is.
    fn take(&mut self, held: Held) -> Option<u64> {
        let position = self.position(held.slot, held.until_us)?;
        let entry = self.entries.get_mut(position)?;
        entry.amount = entry.amount.checked_sub(held.amount)?;
        let time_us = entry.time_us;
        if entry.amount == 0 {
            self.entries.swap_remove(position);
        }
        Some(time_us)
    }

    fn position(&self, slot: u64, until_us: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.until_us == until_us && self.slot(entry.time_us) == slot)
    }
}

/// The end of a lease that has none.
const KEPT: u64 = u64::MAX;
/// How finely a sliding window is divided.
const SLOTS: u64 = 64;
