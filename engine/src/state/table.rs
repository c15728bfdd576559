//! Entries under any key, in a fixed number of buckets.

use super::bucket::{self, Key};
use super::{Store, Unavailable};

/// Entries of one kind in a store.
#[derive(Clone, Copy, Debug)]
pub struct Table<'s> {
    store: &'s dyn Store,
    /// Keeps this kind of entry apart from the others; part of the names in the store.
    space: &'static str,
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It gets this value, and is forgotten at this time (microseconds since the Unix epoch).
    Set(Vec<u8>, u64),
    /// It is forgotten now.
    Remove,
}

impl<'s> Table<'s> {
    /// The entries that `store` keeps for `space`.
    #[must_use]
    pub fn new(store: &'s dyn Store, space: &'static str) -> Self {
        Self { store, space }
    }

    /// The value under `key`, if there is one that has not expired.
    ///
    /// # Errors
    /// [`Unavailable`] if the store is, or holds something else.
    pub fn get(&self, key: &[u8], now_us: u64) -> Result<Option<Vec<u8>>, Unavailable> {
        let (name, key) = self.place(key);
        let stored = self.store.read(&name)?;
        Ok(bucket::find(&stored.value, &key, now_us)?.map(<[u8]>::to_vec))
    }

    /// Changes the entry under `key` in one step: `change` sees the value that its result replaces.
    /// It is called again where somebody else was faster, so it must not act on anything else.
    ///
    /// # Errors
    /// [`Unavailable`] if the store is, holds something else, is full, or was changed by others
    /// [`MAX_TRIES`] times meanwhile. Nothing has changed then.
    pub fn update<R>(
        &self,
        key: &[u8],
        now_us: u64,
        mut change: impl FnMut(Option<&[u8]>) -> (Change, R),
    ) -> Result<R, Unavailable> {
        let (name, key) = self.place(key);
        for _ in 0..MAX_TRIES {
            let stored = self.store.read(&name)?;
            let (change, result) = change(bucket::find(&stored.value, &key, now_us)?);
            let value = match &change {
                Change::Keep => return Ok(result),
                Change::Set(value, expires_us) => Some((value.as_slice(), *expires_us)),
                Change::Remove => None,
            };
            let changed = bucket::replace(&stored.value, &key, value, now_us)?;
            if self.store.swap(&name, &changed, stored.revision)? {
                return Ok(result);
            }
        }
        Err(Unavailable)
    }

    /// The bucket's name in the store, and the entry's key within it.
    fn place(&self, key: &[u8]) -> (String, Key) {
        let mut fingerprint = [0; 18];
        blake3::Hasher::new().update(key).finalize_xof().fill(&mut fingerprint);
        let [low, high, key @ ..] = fingerprint;
        let number = u16::from_le_bytes([low, high]) % BUCKETS;
        (format!("portcullis.{}.{number}", self.space), key)
    }
}

/// Buckets of one table: what a store that never forgets a name can be made to hold.
const BUCKETS: u16 = 4096;

/// How often a change is tried where others are faster. Each failure is somebody else's success.
pub const MAX_TRIES: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{MemoryStore, Revision, Store, Stored, Unavailable};
    use super::{Change, Table};

    fn count(value: Option<&[u8]>) -> u64 {
        value.and_then(|value| value.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    #[test]
    fn entries_live_until_they_expire() {
        let store = MemoryStore::default();
        let table = Table::new(&store, "test");
        table.update(b"k", 1, |_| (Change::Set(b"v".to_vec(), 5), ())).unwrap();
        assert_eq!(table.get(b"k", 4), Ok(Some(b"v".to_vec())));
        assert_eq!(table.get(b"k", 5), Ok(None));
        assert_eq!(table.get(b"other", 4), Ok(None));
        assert_eq!(Table::new(&store, "apart").get(b"k", 4), Ok(None));
        table.update(b"k", 4, |_| (Change::Remove, ())).unwrap();
        assert_eq!(table.get(b"k", 4), Ok(None));
    }

    #[test]
    fn changes_of_many_threads_all_count() {
        let store = Arc::new(MemoryStore::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let store = Arc::clone(&store);
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        let table = Table::new(&*store, "test");
                        let next = |value: Option<&[u8]>| {
                            (Change::Set((count(value) + 1).to_le_bytes().to_vec(), u64::MAX), ())
                        };
                        while table.update(b"k", 1, next).is_err() {}
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(count(Table::new(&*store, "test").get(b"k", 1).unwrap().as_deref()), 2000);
    }

    #[test]
    fn a_store_that_fails_or_never_yields_is_unavailable() {
        #[derive(Debug)]
        struct Busy;
        impl Store for Busy {
            fn read(&self, _: &str) -> Result<Stored, Unavailable> {
                Ok(Stored { value: Vec::new(), revision: Revision::At(1) })
            }
            fn swap(&self, _: &str, _: &[u8], _: Revision) -> Result<bool, Unavailable> {
                Ok(false)
            }
        }
        let set = |_: Option<&[u8]>| (Change::Set(Vec::new(), 9), ());
        assert_eq!(Table::new(&Busy, "test").update(b"k", 1, set), Err(Unavailable));
        let spoilt = MemoryStore::default();
        let (name, _) = Table::new(&spoilt, "test").place(b"k");
        spoilt.swap(&name, b"spoilt", Revision::Absent).unwrap();
        assert_eq!(Table::new(&spoilt, "test").get(b"k", 1), Err(Unavailable));
    }
}
