//! One counter: what was let through and when, and what may still come back.
//!
//! A call is entered when it is let through, as *pending* until its end is known: kept, or taken back.
//! Pending amounts are no list of calls: those that nothing tells apart are one number, so a counter
//! stays small however many calls are under way.
//!
//! Time never runs backwards within a counter: the workers' calls come in another order than their
//! clocks were read. If the clock was set back by more than a window and a lease, all that was counted
//! is taken as of now, so that a wrong date does not close a quota for years.

use super::bucket::Bucket;
use super::encode::Reader;
use super::window::Window;
use crate::config::QuotaAlgorithm;

/// What a counter is measured by. Amounts are in units, times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) algorithm: QuotaAlgorithm,
    /// Most units in one window; at least one.
    pub(super) limit: u64,
    /// At least one.
    pub(super) window_us: u64,
    /// Most units that a token bucket holds.
    pub(super) burst: u64,
    pub(super) lease_us: u64,
}

/// The place of a pending amount within its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: u64,
    /// When it comes back if nobody says how it ended.
    pub(super) until_us: u64,
    pub(super) amount: u64,
}

/// Why an amount was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UsedUp {
    /// It would be after this time, in microseconds, if nobody else comes.
    For(u64),
    /// It is more than the limit will ever let through.
    Forever,
}

/// The state of one counter at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Window(Window),
    Bucket(Bucket),
}

impl Counter {
    /// The counter that `bytes` keep, or a new one, as it is at `now_us`; `None` if the bytes are no counter.
    pub(super) fn load(terms: Terms, bytes: Option<&[u8]>, now_us: u64) -> Option<Self> {
        let reader = match bytes.map(|bytes| bytes.split_first()) {
            None => None,
            Some(Some((&VERSION, rest))) => Some(Reader(rest)),
            Some(_) => return None,
        };
        Some(match terms.algorithm {
            QuotaAlgorithm::SlidingWindow | QuotaAlgorithm::FixedWindow => {
                Self::Window(Window::load(terms, reader, now_us)?)
            }
            QuotaAlgorithm::TokenBucket => Self::Bucket(Bucket::load(terms, reader, now_us)?),
        })
    }

    /// The bytes that keep it, and when they may be forgotten; `None` if there is nothing to keep.
    pub(super) fn encode(&self) -> Option<(Vec<u8>, u64)> {
        let mut out = vec![VERSION];
        let forget_us = match self {
            Self::Window(window) => window.encode(&mut out)?,
            Self::Bucket(bucket) => bucket.encode(&mut out)?,
        };
        Some((out, forget_us))
    }

    /// Enters `amount` as pending.
    ///
    /// # Errors
    /// The limit does not let it through.
    pub(super) fn reserve(&mut self, amount: u64) -> Result<Held, UsedUp> {
        match self {
            Self::Window(window) => window.reserve(amount),
            Self::Bucket(bucket) => bucket.reserve(amount),
        }
    }

    /// Ends a pending amount: it is kept, or comes back. One whose lease has ended came back already: if
    /// it is to be kept after all it is entered again, even above the limit.
    pub(super) fn settle(&mut self, held: Held, keep: bool) {
        match self {
            _ if held.amount == 0 => {}
            Self::Window(window) => window.settle(held, keep),
            Self::Bucket(bucket) => bucket.settle(held, keep),
        }
    }

    /// Lets the lease of a pending amount begin anew.
    pub(super) fn renew(&mut self, held: Held) -> Held {
        match self {
            Self::Window(window) => window.renew(held),
            Self::Bucket(bucket) => bucket.renew(held),
        }
    }
}

impl Terms {
    /// When a lease that begins now ends. Leases end together by quarters of their time.
    pub(super) fn lease_end(&self, now_us: u64) -> u64 {
        let step = (self.lease_us / 4).max(1);
        let end = now_us.saturating_add(self.lease_us);
        (end / step).saturating_add(1).saturating_mul(step)
    }

    /// Whether the clock was set back between `before_us` and `now_us`, by more than workers disagree.
    pub(super) fn set_back(&self, before_us: u64, now_us: u64) -> bool {
        before_us > now_us.saturating_add(self.window_us).saturating_add(self.lease_us)
    }
}

/// The format of the bytes.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::{Counter, Terms, UsedUp};
    use crate::config::QuotaAlgorithm::{self, FixedWindow, SlidingWindow, TokenBucket};

    const SECOND: u64 = 1_000_000;

    fn terms(algorithm: QuotaAlgorithm) -> Terms {
        Terms { algorithm, limit: 10, window_us: 60 * SECOND, burst: 10, lease_us: 10 * SECOND }
    }

    fn new(algorithm: QuotaAlgorithm, now_us: u64) -> Counter {
        Counter::load(terms(algorithm), None, now_us).unwrap()
    }

    fn terms_of(counter: &Counter) -> Terms {
        match counter {
            Counter::Window(window) => window.terms,
            Counter::Bucket(bucket) => bucket.terms,
        }
    }

    /// The same counter later, by way of its bytes.
    fn at(counter: &Counter, now_us: u64) -> Counter {
        let terms = terms_of(counter);
        match counter.encode() {
            Some((bytes, forget_us)) if forget_us > now_us => Counter::load(terms, Some(&bytes), now_us).unwrap(),
            _ => Counter::load(terms, None, now_us).unwrap(),
        }
    }

    fn used(counter: &mut Counter, amount: u64) {
        let held = counter.reserve(amount).unwrap();
        counter.settle(held, true);
    }

    #[test]
    fn a_sliding_window_frees_what_is_a_window_ago() {
        let start = 1_000_000 * SECOND;
        let mut counter = new(SlidingWindow, start);
        used(&mut counter, 4);
        let mut counter = at(&counter, start + 30 * SECOND);
        used(&mut counter, 6);
        assert_eq!(counter.reserve(1), Err(UsedUp::For(30 * SECOND)));
        assert_eq!(counter.reserve(5), Err(UsedUp::For(60 * SECOND)));
        assert_eq!(counter.reserve(11), Err(UsedUp::Forever));
        let mut counter = at(&counter, start + 60 * SECOND - 1);
        assert_eq!(counter.reserve(1), Err(UsedUp::For(1)));
        let mut counter = at(&counter, start + 60 * SECOND);
        used(&mut counter, 4);
        assert_eq!(counter.reserve(1), Err(UsedUp::For(30 * SECOND)));
    }

    #[test]
    fn a_fixed_window_begins_with_the_calendar() {
        let minute = 28_000_000 * 60 * SECOND;
        let mut counter = new(FixedWindow, minute + 59 * SECOND);
        used(&mut counter, 10);
        assert_eq!(counter.reserve(1), Err(UsedUp::For(SECOND)));
        let mut counter = at(&counter, minute + 60 * SECOND);
        let held = counter.reserve(10).unwrap();
        // What ends in another window changes nothing there.
        let mut later = at(&counter, minute + 120 * SECOND);
        used(&mut later, 10);
        later.settle(held, false);
        assert_eq!(later.reserve(1), Err(UsedUp::For(60 * SECOND)));
        later.settle(held, true);
        assert_eq!(later.reserve(1), Err(UsedUp::For(60 * SECOND)));
    }

    #[test]
    fn a_bucket_fills_without_loss_or_gain() {
        let mut counter = new(TokenBucket, 0);
        used(&mut counter, 10);
        assert_eq!(counter.reserve(1), Err(UsedUp::For(6 * SECOND)));
        let mut admitted = 0;
        // Looked at every seven microseconds or so: rounding must not add up.
        for step in 0..1_000_000_u64 {
            counter = at(&counter, step * 601 / 10);
            if let Ok(held) = counter.reserve(1) {
                counter.settle(held, true);
                admitted += 1;
            }
        }
        assert_eq!(admitted, 10);
        assert!(at(&counter, 1000 * SECOND).reserve(10).is_ok());
    }

    #[test]
    fn what_fails_comes_back_at_once_and_once() {
        for algorithm in [SlidingWindow, FixedWindow, TokenBucket] {
            let mut counter = new(algorithm, 600 * SECOND);
            let held = counter.reserve(10).unwrap();
            assert!(counter.reserve(1).is_err());
            counter.settle(held, false);
            assert_eq!(counter.encode(), None, "{algorithm:?}");
            let again = counter.reserve(10).unwrap();
            counter.settle(again, true);
            assert!(counter.reserve(1).is_err());
        }
    }

    #[test]
    fn a_lease_that_nobody_ends_comes_back() {
        for algorithm in [SlidingWindow, FixedWindow, TokenBucket] {
            let counter = new(algorithm, 600 * SECOND);
            let mut counter = at(&counter, 600 * SECOND);
            let held = counter.reserve(10).unwrap();
            assert!(at(&counter, 600 * SECOND).reserve(10).is_err());
            assert!(at(&counter, 609 * SECOND).reserve(10).is_err());
            let mut later = at(&counter, 613 * SECOND);
            let next = later.reserve(10).unwrap();
            // The first was no crash after all, only slow: it counts.
            later.settle(held, true);
            later.settle(next, false);
            if algorithm != TokenBucket {
                assert!(later.reserve(1).is_err(), "{algorithm:?}");
            }
            // A lease that is renewed in time does not end.
            let renewed = at(&counter, 608 * SECOND).renew(held);
            assert!(renewed.until_us > held.until_us);
        }
    }

    #[test]
    fn a_clock_set_back_closes_nothing_for_long() {
        for algorithm in [SlidingWindow, FixedWindow, TokenBucket] {
            let mut counter = new(algorithm, 1_000_000_000 * SECOND);
            used(&mut counter, 10);
            let mut now = at(&counter, 500 * SECOND);
            assert!(now.reserve(1).is_err(), "{algorithm:?}");
            assert!(at(&now, 600 * SECOND).reserve(10).is_ok(), "{algorithm:?}");
            // A little back is no matter.
            let mut now = at(&counter, 1_000_000_000 * SECOND - 5);
            assert!(now.reserve(1).is_err());
        }
    }

    #[test]
    fn what_is_no_counter_is_refused() {
        for algorithm in [SlidingWindow, FixedWindow, TokenBucket] {
            for bytes in [&b""[..], &[0], &[2, 1], &[1], &[1, 0x80], &[1, 5, 6, 7], &[1, 5, 4, 3, 2, 0, 0x80]] {
                assert_eq!(Counter::load(terms(algorithm), Some(bytes), 0), None, "{algorithm:?} {bytes:?}");
            }
        }
    }

    #[test]
    fn a_bucket_takes_back_only_what_would_have_fitted() {
        let mut counter = new(TokenBucket, 0);
        let slow = counter.reserve(10).unwrap();
        // In 9 s the bucket has gained 1.5: of the ten, 8.5 would still fit.
        let mut later = at(&counter, 9 * SECOND);
        later.settle(slow, false);
        assert_eq!(later.reserve(10).map(|held| held.amount), Ok(10));
        let slow = new(TokenBucket, 0).reserve(10).unwrap();
        let mut full = at(&counter, 9 * SECOND);
        let renewed = full.renew(slow);
        let mut full = at(&full, 18 * SECOND);
        let renewed = full.renew(renewed);
        let mut full = at(&full, 27 * SECOND);
        let gained = full.reserve(4).unwrap();
        full.settle(gained, true);
        full.settle(renewed, false);
        assert_eq!(full.reserve(7), Err(UsedUp::For(6 * SECOND)));
        assert!(full.reserve(6).is_ok());
    }

    #[test]
    fn a_counter_stays_small() {
        for algorithm in [SlidingWindow, FixedWindow, TokenBucket] {
            stays_small(Terms { limit: 1 << 40, burst: 1 << 40, ..terms(algorithm) });
        }
    }

    fn stays_small(terms: Terms) {
        let mut counter = Counter::load(terms, None, 0).unwrap();
        for step in 0..100_000 {
            counter = at(&counter, step * 997);
            let held = counter.reserve(1).unwrap();
            if step % 3 > 0 {
                counter.settle(held, step % 3 == 1);
            }
        }
        assert!(counter.encode().unwrap().0.len() < 2048);
    }
}
