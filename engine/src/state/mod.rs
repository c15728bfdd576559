//! State that outlives an exchange: quotas, pins, labels.
//!
//! The engine owns what the state means; a [`Store`] only keeps bytes and swaps them if nobody was
//! faster. Envoy's shared data is one store (exact across the workers of one process), memory is
//! another, and a database can be a third: whatever runs above is the same code.
//!
//! A [`Table`] is what the engine works with: entries under any key, each with an expiry, kept in
//! a fixed number of buckets, because a store may be unable to forget a key (Envoy's is). A table
//! that cannot be read or written, or is full, is [`Unavailable`]; callers fail closed.

mod bucket;
mod memory;
mod table;

pub use memory::MemoryStore;
pub use table::{Change, MAX_TRIES, Table};

/// Keeps bytes under names, and swaps them if nobody was faster.
pub trait Store: Send + Sync {
    /// What stands under `name`, with its revision.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot say.
    fn read(&self, name: &str) -> Result<Stored, Unavailable>;

    /// Writes `value` under `name` if its revision is still `expected`; false if somebody was faster.
    ///
    /// # Errors
    /// [`Unavailable`] if the store cannot say whether it was written.
    fn swap(&self, name: &str, value: &[u8], expected: Revision) -> Result<bool, Unavailable>;
}

// Not a supertrait: see `cel::Taint`.
impl std::fmt::Debug for dyn Store + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// A value with its revision; the value is empty where nothing was ever written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The bytes.
    pub value: Vec<u8>,
    /// What to name when swapping them.
    pub revision: Revision,
}

/// A number that changes with each write of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revision {
    /// Nothing was ever written.
    #[default]
    Absent,
    /// The store's own number.
    At(u64),
}

/// State that was needed could not be had: lost, full, or changed too often to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the firewall's state is not available")
    }
}

impl std::error::Error for Unavailable {}
