//! What the sidecar told, for all workers: one of them asks, by a call that the sidecar holds until something changes, and
//! all read what it wrote into the [`Store`]. Calls read a small entry there, and the rest only where it is new to their
//! worker.

use std::sync::{Arc, Mutex};

use super::lease::{self, Lease};
use super::message::{CONTRACT, id};
use super::told::Told;
use super::wire::{Malformed, Reader, Value, Writer};
use crate::state::{MAX_TRIES, Store, Stored};

/// What one sidecar told, in a store.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'s> {
    store: &'s dyn Store,
    /// Keeps what one sidecar told apart from what others did.
    name: &'s str,
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Something has changed.
    Changed,
    /// Nothing has.
    Same,
    /// There was none, or none as agreed: so many times now. It is asked again a little later.
    Failed(u32),
}

/// What is known at the moment.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// What was told last.
    pub told: Arc<Told>,
    /// When the sidecar last said that this holds, microseconds since the Unix epoch; 0: never.
    answered_us: u64,
}

/// What this worker has read already.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<(String, Arc<Told>)>);

impl<'s> Watch<'s> {
    /// What the sidecar of this name told.
    #[must_use]
    pub fn new(store: &'s dyn Store, name: &'s str) -> Self {
        Self { store, name }
    }

    /// Takes the lease; the `WatchRequest` to send, `None` where another worker watches or the last failure is too recent.
    #[must_use]
    pub fn take(&self, now_us: u64) -> Option<Vec<u8>> {
        let (lease, revision) = Lease::read(self.store, &self.entry("lease"))?;
        if lease.is_held(now_us, MAX_BACKOFF_US.max(LEASE_US)) {
            return None;
        }
        let taken = Lease { until_us: now_us.saturating_add(LEASE_US), failures: lease.failures };
        let mine = self.store.swap(&self.entry("lease"), &taken.encode(), revision).ok()?;
        mine.then(|| {
            let mut out = Writer::new();
            out.number(1, CONTRACT);
            out.bytes(2, self.known().unwrap_or_default());
            // After a failure the first answer has to come at once: until then nothing is known for sure.
            out.number(3, if lease.failures == 0 { WAIT_MS.into() } else { 0 });
            out.finish()
        })
    }

    /// Holds the lease a little longer. To be called several times a second while the answer is awaited: who dies is
    /// succeeded soon.
    pub fn renew(&self, now_us: u64) {
        if let Some((lease, revision)) = Lease::read(self.store, &self.entry("lease")) {
            let until_us = now_us.saturating_add(LEASE_US);
            // Where somebody was faster it had run out, and is theirs now.
            let _ = self.store.swap(&self.entry("lease"), &Lease { until_us, ..lease }.encode(), revision);
        }
    }

    /// Takes the answer (`None`: there was none), and gives the lease back.
    pub fn settle(&self, answer: Option<&[u8]>, now_us: u64) -> Watched {
        let heard = answer.and_then(|answer| self.hear(answer, now_us).ok());
        let lease = Lease::read(self.store, &self.entry("lease"));
        let failures = lease.map_or(0, |(lease, _)| lease.failures).saturating_add(1);
        if let Some((_, revision)) = lease {
            let given = match heard {
                Some(_) => Lease::default(),
                None => {
                    let until_us = now_us.saturating_add(lease::backoff_us(failures, MAX_BACKOFF_US));
                    Lease { until_us, failures }
                }
            };
            let _ = self.store.swap(&self.entry("lease"), &given.encode(), revision);
        }
        match heard {
            Some(true) => Watched::Changed,
            Some(false) => Watched::Same,
            None => Watched::Failed(failures),
        }
    }

    /// What is known. What was read once is not read again before it has changed.
    pub(crate) fn heard(&self, cache: &Cache) -> Heard {
        let Ok(mut cached) = cache.0.lock() else { return Heard::default() };
        let mut answered_us = 0;
        if let Some(head) = self.head() {
            answered_us = head.answered_us;
            if head.revision != cached.0 {
                match self.read() {
                    // It may be newer than the head, which is written after it: then it is read again.
                    Some((revision, told)) => *cached = (revision, Arc::new(told)),
                    None => answered_us = 0,
                }
            }
        }
        Heard { told: Arc::clone(&cached.1), answered_us }
    }

    /// Keeps what an answer says; true where it is new.
    fn hear(&self, answer: &[u8], now_us: u64) -> Result<bool, Malformed> {
        let (mut revision, mut told) = ("", None);
        for field in Reader::new(answer) {
            let field = field?;
            match (field.number, field.value) {
                (1, value) => revision = id(value)?,
                (2, Value::Bytes(message)) => told = Some(message),
                (2, _) => return Err(Malformed),
                _ => {}
            }
        }
        let known = self.known().unwrap_or_default();
        if revision.is_empty() || (told.is_none() && revision != known) {
            return Err(Malformed);
        }
        if let Some(message) = told {
            // Before it is there for all: what cannot be read must not take the place of what can.
            Told::decode(message)?;
            let mut value = Writer::new();
            value.bytes(1, revision);
            value.item(2, message);
            self.write("told", &value.finish())?;
        }
        let head = Head { answered_us: now_us, revision: revision.to_owned() };
        self.write("head", &head.encode())?;
        Ok(revision != known)
    }

    /// The revision that is there for all to read; `None` where something is wrong with it.
    fn known(&self) -> Option<String> {
        let (revision, _) = self.read()?;
        self.head().filter(|head| head.revision == revision).map(|head| head.revision)
    }

    fn write(&self, entry: &str, value: &[u8]) -> Result<(), Malformed> {
        let name = self.entry(entry);
        for _ in 0..MAX_TRIES {
            let kept = self.store.read(&name).map_err(|_| Malformed)?;
            if self.store.swap(&name, value, kept.revision).map_err(|_| Malformed)? {
                return Ok(());
            }
        }
        Err(Malformed)
    }

    fn read(&self) -> Option<(String, Told)> {
        let Stored { value, .. } = self.store.read(&self.entry("told")).ok()?;
        let (mut revision, mut told) = (None, None);
        for field in Reader::new(&value) {
            let field = field.ok()?;
            match (field.number, field.value) {
                (1, value) => revision = Some(id(value).ok()?.to_owned()),
                (2, Value::Bytes(message)) => told = Some(Told::decode(message).ok()?),
                _ => return None,
            }
        }
        revision.zip(told)
    }

    fn head(&self) -> Option<Head> {
        Head::decode(&self.store.read(&self.entry("head")).ok()?.value)
    }

    fn entry(&self, entry: &str) -> String {
        format!("portcullis.watch.{}.{entry}", self.name)
    }
}

// === impl Heard ===

impl Heard {
    /// Whether the sidecar said within `stale_us` that this holds. A clock that was put back does not make it fresh for ever.
    pub(crate) fn is_fresh(&self, now_us: u64, stale_us: u64) -> bool {
        self.answered_us != 0
            && now_us < self.answered_us.saturating_add(stale_us)
            && self.answered_us < now_us.saturating_add(stale_us)
    }
}

/// What every call reads.
struct Head {
    answered_us: u64,
    revision: String,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.answered_us.to_le_bytes().to_vec();
        bytes.extend_from_slice(self.revision.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (answered, revision) = bytes.split_first_chunk::<8>()?;
        let revision = std::str::from_utf8(revision).ok()?.to_owned();
        Some(Self { answered_us: u64::from_le_bytes(*answered), revision })
    }
}

/// How long the sidecar holds the call where nothing changes, milliseconds.
pub const WAIT_MS: u32 = 10_000;
/// How long the lease holds without being renewed.
const LEASE_US: u64 = 1_500_000;
const MAX_BACKOFF_US: u64 = 5_000_000;
