//! A store in this process's memory, for tests, fuzzing and the command line.

use std::collections::HashMap;
use std::sync::Mutex;

use super::{Revision, Store, Stored, Unavailable};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<String, (Vec<u8>, u64)>>);

impl Store for MemoryStore {
    fn read(&self, name: &str) -> Result<Stored, Unavailable> {
        let kept = self.0.lock().map_err(|_| Unavailable)?;
        Ok(kept.get(name).map_or_else(Stored::default, |(value, revision)| Stored {
            value: value.clone(),
            revision: Revision::At(*revision),
        }))
    }

    fn swap(&self, name: &str, value: &[u8], expected: Revision) -> Result<bool, Unavailable> {
        let mut kept = self.0.lock().map_err(|_| Unavailable)?;
        let found = kept.get(name).map_or(Revision::Absent, |(_, revision)| Revision::At(*revision));
        if found != expected {
            return Ok(false);
        }
        let next = match found {
            Revision::Absent => 1,
            Revision::At(revision) => revision.wrapping_add(1),
        };
        kept.insert(name.to_owned(), (value.to_vec(), next));
        Ok(true)
    }
}
