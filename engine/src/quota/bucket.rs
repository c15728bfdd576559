//! A token bucket: a level that fills at the rate of the limit, up to the burst.
//!
//! What a pending call took is put back if the call is taken back, but only as far as the bucket would
//! have held it: the level and what may be put back are together never more than the burst. Otherwise a
//! call that fails late would bring back what time has brought already, and twice the burst could be
//! used at once. What no longer fits is lost to the oldest calls first.

use super::counter::{Held, Terms, UsedUp};
use super::encode::{Reader, write};

/// A bucket with what was taken out of it and may be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) terms: Terms,
    /// The latest time at which it was looked at.
    now_us: u64,
    level: u64,
    /// Until when it has been filled.
    filled_us: u64,
    /// The slot of the next pending entry that is begun.
    next: u64,
    /// Oldest first.
    pending: Vec<Pending>,
}

/// Amounts whose leases end together; all of them were taken before any of it was lost, so it makes no
/// difference to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    slot: u64,
    /// When they come back if nobody says how they ended.
    until_us: u64,
    amount: u64,
    /// How much of it would not fit any more; less than the amount.
    lost: u64,
}

impl Bucket {
    pub(super) fn load(terms: Terms, reader: Option<Reader<'_>>, now_us: u64) -> Option<Self> {
        let mut bucket = match reader {
            Some(reader) => Self::decode(terms, reader)?,
            None => Self { terms, now_us, level: terms.burst, filled_us: now_us, next: now_us, pending: Vec::new() },
        };
        bucket.advance(now_us);
        Some(bucket)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Option<u64> {
        if self.pending.is_empty() && self.level >= self.terms.burst {
            return None;
        }
        write(out, self.now_us);
        write(out, self.level);
        write(out, self.now_us.saturating_sub(self.filled_us));
        write(out, self.next);
        for pending in &self.pending {
            write(out, self.next.saturating_sub(pending.slot));
            write(out, pending.until_us.saturating_sub(self.now_us));
            write(out, pending.amount);
            write(out, pending.lost);
        }
        let full_us = self.now_us.saturating_add(self.time_to_fill(self.terms.burst - self.level));
        Some(self.pending.iter().map(|pending| pending.until_us).fold(full_us.saturating_add(1), u64::max))
    }

    fn decode(terms: Terms, mut reader: Reader<'_>) -> Option<Self> {
        let now_us = reader.number()?;
        let level = reader.number()?.min(terms.burst);
        let filled_us = now_us.checked_sub(reader.number()?)?;
        let next = reader.number()?;
        let mut pending = Vec::new();
        while !reader.is_empty() {
            let slot = next.checked_sub(reader.number()?)?;
            let until_us = now_us.checked_add(reader.number()?)?;
            let (amount, lost) = (reader.number()?, reader.number()?);
            if lost >= amount {
                return None;
            }
            pending.push(Pending { slot, until_us, amount, lost });
        }
        Some(Self { terms, now_us, level, filled_us, next, pending })
    }

    pub(super) fn reserve(&mut self, amount: u64) -> Result<Held, UsedUp> {
        if amount > self.terms.burst {
            return Err(UsedUp::Forever);
        }
        if amount > self.level {
            return Err(UsedUp::For(self.time_to_fill(amount - self.level).max(1)));
        }
        self.level -= amount;
        Ok(self.hold(amount, 0))
    }

    pub(super) fn settle(&mut self, held: Held, keep: bool) {
        match (self.take(held), keep) {
            (Some(lost), false) => self.put_back(held.amount - lost),
            // Its lease ended, and it was put back. Before that end nothing was left of it to put back.
            (None, true) if self.now_us >= held.until_us => self.level = self.level.saturating_sub(held.amount),
            _ => {}
        }
    }

    pub(super) fn renew(&mut self, held: Held) -> Held {
        let lost = match self.take(held) {
            Some(lost) => lost,
            None if self.now_us >= held.until_us => {
                let taken = held.amount.min(self.level);
                self.level -= taken;
                held.amount - taken
            }
            None => held.amount,
        };
        self.hold(held.amount, lost)
    }

    fn advance(&mut self, now_us: u64) {
        if self.terms.set_back(self.now_us, now_us) {
            self.filled_us = self.filled_us.min(now_us);
            for pending in &mut self.pending {
                pending.until_us = self.terms.lease_end(now_us);
            }
            self.now_us = now_us;
        }
        self.now_us = self.now_us.max(now_us);
        let mut ended = 0_u64;
        self.pending.retain(|pending| {
            let leased = pending.until_us > self.now_us;
            if !leased {
                ended = ended.saturating_add(pending.amount - pending.lost);
            }
            leased
        });
        self.put_back(ended);
        self.fill();
    }

    /// Fills the bucket for the time that passed. Only as much time is used up as whole units took, so
    /// that nothing is lost by rounding and nothing is won.
    fn fill(&mut self) {
        let Terms { limit, window_us, burst, .. } = self.terms;
        let elapsed = self.now_us.saturating_sub(self.filled_us);
        let gained = u128::from(elapsed) * u128::from(limit) / u128::from(window_us.max(1));
        let gained = u64::try_from(gained).unwrap_or(u64::MAX);
        self.filled_us = self.filled_us.saturating_add(self.time_to_fill(gained)).min(self.now_us);
        self.level = self.level.saturating_add(gained);
        if self.level >= burst {
            self.level = burst;
            self.filled_us = self.now_us;
        }
        let room = burst - self.level;
        let held = self.pending.iter().fold(0_u64, |sum, pending| sum.saturating_add(pending.amount - pending.lost));
        let mut excess = held.saturating_sub(room);
        for pending in &mut self.pending {
            let lost = excess.min(pending.amount - pending.lost);
            pending.lost += lost;
            excess -= lost;
        }
        self.pending.retain(|pending| pending.lost < pending.amount);
    }

    fn put_back(&mut self, amount: u64) {
        self.level = self.level.saturating_add(amount).min(self.terms.burst);
    }

    /// How long it takes to gain `amount`, rounded up.
    fn time_to_fill(&self, amount: u64) -> u64 {
        let Terms { limit, window_us, .. } = self.terms;
        let time_us = (u128::from(amount) * u128::from(window_us)).div_ceil(u128::from(limit.max(1)));
        u64::try_from(time_us).unwrap_or(u64::MAX)
    }

    /// Enters an amount that was taken out of the bucket.
    fn hold(&mut self, amount: u64, lost: u64) -> Held {
        let until_us = self.terms.lease_end(self.now_us);
        let fresh = |pending: &&mut Pending| pending.until_us == until_us && pending.lost == 0;
        if lost == 0
            && let Some(pending) = self.pending.iter_mut().find(fresh)
        {
            pending.amount = pending.amount.saturating_add(amount);
            return Held { slot: pending.slot, until_us, amount };
        }
        let slot = self.next.max(self.now_us);
        self.next = slot.saturating_add(1);
        if lost < amount {
            self.pending.push(Pending { slot, until_us, amount, lost });
        }
        Held { slot, until_us, amount }
    }

    /// Takes a pending amount out, and says how much of it is lost.
    fn take(&mut self, held: Held) -> Option<u64> {
        let same = |pending: &Pending| pending.slot == held.slot && pending.until_us == held.until_us;
        let position = self.pending.iter().position(same)?;
        let pending = self.pending.get_mut(position)?;
        let left = pending.amount.checked_sub(held.amount)?;
        let lost = pending.lost.min(held.amount);
        pending.amount = left;
        pending.lost -= lost;
        if pending.lost >= pending.amount {
            self.pending.remove(position);
        }
        Some(lost)
    }
}
