//! Audit records, and how calls ended that the sidecar counts, on their way to it.
//!
//! They wait in the [`Store`], which outlives a VM, and leave it only when the sidecar has acknowledged them. So nothing is
//! lost with a worker, and what is sent twice is known by its id. A store cannot forget a name: records are spread
//! over a fixed number of segments, each a value that is swapped. Whoever takes the lease sends; one that dies with it
//! is succeeded when the lease runs out.

use super::lease::{self, Lease};
use super::message::{CONTRACT, RecordResponse};
use super::wire::{Reader, Value, Writer};
use crate::sort::Arrange;
use crate::state::{MAX_TRIES, Revision, Store, Unavailable};

/// The records that wait for one sidecar.
#[derive(Clone, Copy, Debug)]
pub struct Outbox<'s> {
    store: &'s dyn Store,
    /// Keeps the records for one sidecar apart from those for others.
    name: &'s str,
    /// Most bytes of one segment.
    segment_bytes: usize,
}

/// Records that were taken to be sent. They are still in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `RecordRequest`, encoded.
    pub message: Vec<u8>,
    /// How many entries it holds.
    pub count: usize,
    /// In order.
    ids: Vec<String>,
    /// Which of them are records.
    records: Vec<bool>,
    segments: Vec<u8>,
}

/// What waits: a field of `RecordRequest`, each with a message whose first field is its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An `AuditRecord`.
    Record = 2,
    /// A `QuotaSettlement`.
    Settlement = 3,
    /// A `FlowGain`.
    Gain = 4,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Records that are on disk now.
    pub delivered: usize,
    /// Records that the sidecar will never take.
    pub rejected: usize,
    /// The call came to nothing: it is made again later.
    pub failed: bool,
}

/// There is no room for a record, or it is larger than any may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'s> Outbox<'s> {
    /// The outbox of this name, with room for about so many bytes.
    #[must_use]
    pub fn new(store: &'s dyn Store, name: &'s str, bytes: usize) -> Self {
        Self { store, name, segment_bytes: bytes / SEGMENTS as usize }
    }

    /// Whether there is room for the records of an exchange, with a reserve for those under way. `unique` is the
    /// exchange's number, as for [`Outbox::push`].
    #[must_use]
    pub fn has_room(&self, unique: u64) -> bool {
        let kept = self.store.read(&self.segment(place(unique)));
        kept.is_ok_and(|kept| kept.value.len() <= self.segment_bytes / 8 * 7)
    }

    /// Puts an encoded message in.
    ///
    /// # Errors
    /// [`Full`] if there is no room, or the store is not available. The message is not kept then.
    pub fn push(&self, unique: u64, kind: Entry, record: &[u8]) -> Result<(), Full> {
        let name = self.segment(place(unique));
        let mut entry = Writer::new();
        entry.item(kind as u32, record);
        let entry = entry.finish();
        if record.len() > MAX_RECORD_BYTES {
            return Err(Full);
        }
        for _ in 0..MAX_TRIES {
            let kept = self.store.read(&name).map_err(|Unavailable| Full)?;
            if kept.value.len() + entry.len() > self.segment_bytes {
                return Err(Full);
            }
            let mut value = kept.value;
            value.extend_from_slice(&entry);
            if self.store.swap(&name, &value, kept.revision).map_err(|Unavailable| Full)? {
                return Ok(());
            }
        }
        Err(Full)
    }

    /// Takes the lease and what is to be sent next; `None` where nothing waits, or somebody else sends, or the last
    /// failure is too recent. `patience_us` is how long sending may take: the lease holds a little longer.
    #[must_use]
    pub fn take(&self, now_us: u64, patience_us: u64) -> Option<Batch> {
        let (lease, revision) = self.lease()?;
        if lease.is_held(now_us, patience_us.max(MAX_BACKOFF_US).saturating_add(2 * LEASE_SLACK_US)) {
            return None;
        }
        let batch = self.gather(lease.failures)?;
        let until_us = now_us.saturating_add(patience_us).saturating_add(LEASE_SLACK_US);
        // Whoever dies with the lease has failed.
        let taken = Lease { until_us, failures: lease.failures };
        self.store.swap(&self.lease_name(), &taken.encode(), revision).ok()?.then_some(batch)
    }

    /// Takes out what the sidecar has answered for, and gives the lease back. `answer` is `None` where it did not answer.
    pub fn settle(&self, batch: &Batch, answer: Option<&RecordResponse>, now_us: u64) -> Settled {
        let mut settled = Settled::default();
        // One for each id of the batch.
        let mut done = vec![false; batch.ids.len()];
        if let Some(answer) = answer {
            settled.delivered = mark(batch, &answer.accepted, &mut done);
            settled.rejected = mark(batch, &answer.rejected, &mut done);
        }
        settled.failed = !done.contains(&true);
        if !settled.failed {
            for segment in &batch.segments {
                self.remove(*segment, |id| place_of(batch, id).and_then(|at| done.get(at)) == Some(&true));
            }
        }
        if let Some((lease, revision)) = self.lease() {
            let failures = if settled.failed { lease.failures.saturating_add(1) } else { 0 };
            let pause = if settled.failed { lease::backoff_us(failures, MAX_BACKOFF_US) } else { 0 };
            let given = Lease { until_us: if pause == 0 { 0 } else { now_us.saturating_add(pause) }, failures };
            // Where somebody was faster it had run out, and is theirs now.
            let _ = self.store.swap(&self.lease_name(), &given.encode(), revision);
        }
        settled
    }

    /// Records of the segments, as many as may travel together. After failures they are fewer, and begin
    /// elsewhere: one record that breaks the sidecar must not keep back all others.
    fn gather(&self, failures: u32) -> Option<Batch> {
        let most = (MAX_RECORDS >> failures.min(10)).max(1);
        let mut found: Vec<(String, u32, Vec<u8>)> = Vec::new();
        let (mut bytes, mut segments) = (0, Vec::new());
        'segments: for step in 0..SEGMENTS {
            let segment = (failures.wrapping_add(u32::from(step)) % u32::from(SEGMENTS)) as u8;
            let Ok(kept) = self.store.read(&self.segment(segment)) else { continue };
            for (id, kind, record) in entries(&kept.value) {
                if found.len() >= most || bytes + record.len() > MAX_BATCH_BYTES {
                    break 'segments;
                }
                bytes += record.len() + ENTRY_HEAD;
                if segments.last() != Some(&segment) {
                    segments.push(segment);
                }
                found.push((id.to_owned(), kind, record.to_vec()));
            }
        }
        if found.is_empty() {
            return None;
        }
        // Ids begin with the time.
        found.arrange_by(|a, b| a.0.cmp(&b.0));
        let mut message = Writer::new();
        message.number(1, CONTRACT);
        found.iter().for_each(|(_, kind, record)| message.item(*kind, record));
        let count = found.len();
        let records = found.iter().map(|(_, kind, _)| *kind == Entry::Record as u32).collect();
        let ids = found.into_iter().map(|(id, ..)| id).collect();
        Some(Batch { message: message.finish(), count, ids, records, segments })
    }

    /// Takes records out of a segment. Where the store fails they stay, and are sent again.
    fn remove(&self, segment: u8, done: impl Fn(&str) -> bool) {
        let name = self.segment(segment);
        for _ in 0..MAX_TRIES {
            let Ok(kept) = self.store.read(&name) else { return };
            let mut left = Writer::new();
            for (_, kind, record) in entries(&kept.value).filter(|(id, ..)| !done(id)) {
                left.item(kind, record);
            }
            if self.store.swap(&name, &left.finish(), kept.revision) != Ok(false) {
                return;
            }
        }
    }

    fn lease(&self) -> Option<(Lease, Revision)> {
        Lease::read(self.store, &self.lease_name())
    }

    fn lease_name(&self) -> String {
        format!("portcullis.outbox.{}.lease", self.name)
    }

    fn segment(&self, segment: u8) -> String {
        format!("portcullis.outbox.{}.{segment}", self.name)
    }
}

/// Marks what is answered for; how many records that are that were not before.
fn mark(batch: &Batch, answered: &[String], done: &mut [bool]) -> usize {
    let mut count = 0;
    for id in answered {
        let Some(at) = place_of(batch, id) else { continue };
        if let Some(one) = done.get_mut(at) {
            let known = std::mem::replace(one, true);
            count += usize::from(!known && batch.records.get(at) == Some(&true));
        }
    }
    count
}

fn place_of(batch: &Batch, id: &str) -> Option<usize> {
    batch.ids.binary_search_by(|known| known.as_str().cmp(id)).ok()
}

/// The messages of a segment, each with its id and its field. What is no message is left out.
fn entries(segment: &[u8]) -> impl Iterator<Item = (&str, u32, &[u8])> {
    Reader::new(segment).map_while(Result::ok).filter_map(|field| match field.value {
        Value::Bytes(record) => Reader::new(record)
            .map_while(Result::ok)
            .find(|field| field.number == 1)
            .and_then(|field| field.value.text(64).ok())
            .map(|id| (id, field.number, record)),
        _ => None,
    })
}

/// The segment of an exchange's records. Its number may be one that only counts up.
fn place(unique: u64) -> u8 {
    (unique.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 % SEGMENTS
}

/// Number of segments.
const SEGMENTS: u8 = 64;
/// Largest record, by the contract.
const MAX_RECORD_BYTES: usize = 256 << 10;
/// Most records of a `RecordRequest`, by the contract.
const MAX_RECORDS: usize = 1000;
/// Most bytes of a `RecordRequest`: below the 4 MiB of the contract.
const MAX_BATCH_BYTES: usize = 3 << 20;
/// Tag and length of an entry, at most.
const ENTRY_HEAD: usize = 6;
const MAX_BACKOFF_US: u64 = 15_000_000;
/// How much longer than the call the lease holds.
const LEASE_SLACK_US: u64 = 1_000_000;
