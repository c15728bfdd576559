//! Which worker does what one alone should do, by an entry of the store that runs out.

use crate::state::{Revision, Store};

/// Who does it, and how it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lease {
    /// Until when nobody else does it, microseconds since the Unix epoch.
    pub(super) until_us: u64,
    /// Failures since the last success.
    pub(super) failures: u32,
}

impl Lease {
    /// The lease under `name`; `None` where the store cannot say.
    pub(super) fn read(store: &dyn Store, name: &str) -> Option<(Self, Revision)> {
        let kept = store.read(name).ok()?;
        Some((Self::decode(&kept.value), kept.revision))
    }

    /// Whether somebody holds it. One that would run out later than in `longest_us` was made before the clock was put
    /// back: it must not stop anything for ever.
    pub(super) fn is_held(self, now_us: u64, longest_us: u64) -> bool {
        self.until_us > now_us && self.until_us <= now_us.saturating_add(longest_us)
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = self.until_us.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.failures.to_le_bytes());
        bytes
    }

    /// What is no lease is none that anybody holds.
    fn decode(bytes: &[u8]) -> Self {
        let read = || {
            let (until, rest) = bytes.split_first_chunk::<8>()?;
            let (failures, _) = rest.split_first_chunk::<4>()?;
            Some(Self { until_us: u64::from_le_bytes(*until), failures: u32::from_le_bytes(*failures) })
        };
        read().unwrap_or_default()
    }
}

/// How long to wait after so many failures: 0.25 s, then twice as long each time.
pub(super) fn backoff_us(failures: u32, longest_us: u64) -> u64 {
    (FIRST_BACKOFF_US << failures.saturating_sub(1).min(16)).min(longest_us)
}

const FIRST_BACKOFF_US: u64 = 250_000;
