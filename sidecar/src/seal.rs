//! What must not be in the database in the clear.

use std::fmt;

use zeroize::Zeroizing;

use crate::store::Tenant;

/// Seals secrets for one record each, and opens them. Calls block: a key service may be asked.
pub(crate) trait Sealer: Send + Sync {
    /// What may be kept of a secret of the record `kind`, `id` of a tenant.
    fn seal(&self, tenant: &Tenant, kind: &str, id: &str, plain: &[u8]) -> Result<String, Unsealable>;

    /// The secret, if it was sealed for this very record.
    fn open(&self, tenant: &Tenant, kind: &str, id: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Unsealable>;
}

/// Why something could not be sealed or opened, in a sentence without content.
#[derive(Debug)]
pub(crate) struct Unsealable(pub(crate) String);

impl fmt::Display for Unsealable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret cannot be sealed or opened: {}", self.0)
    }
}
