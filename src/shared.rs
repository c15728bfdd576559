//! State in Envoy's shared data: one for all workers of the process that run this `vm_id`. It
//! survives a trap and a new configuration, not a restart.

use portcullis_engine::state::{Revision, Store, Stored, Unavailable};

use crate::host;

/// Envoy's shared data.
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedData;

impl Store for SharedData {
    fn read(&self, name: &str) -> Result<Stored, Unavailable> {
        host::read_shared(name).map(|found| {
            found.map_or_else(Stored::default, |(value, cas)| Stored { value, revision: Revision::At(cas.into()) })
        })
    }

    fn swap(&self, name: &str, value: &[u8], expected: Revision) -> Result<bool, Unavailable> {
        let cas = match expected {
            Revision::Absent => host::CREATE,
            Revision::At(revision) => u32::try_from(revision).map_err(|_| Unavailable)?,
        };
        host::swap_shared(name, value, cas)
    }
}
