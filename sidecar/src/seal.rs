//! What must not be in the database in the clear.

use std::fmt;
use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use crate::clock;
use crate::credentials::seal::{Dek, Identity, Keyring, SealError, Wrapped};
use crate::store::{ItemKind, Store, StoreError, Tenant};

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

/// Seals with the newest key of the tenant, which is kept wrapped; the first one is made when it is needed.
pub(crate) struct TenantKeys {
    store: Arc<Store>,
    keyring: Keyring,
}

impl TenantKeys {
    pub(crate) fn new(store: Arc<Store>, keyring: Keyring) -> Self {
        Self { store, keyring }
    }

    /// The newest key. Whoever wraps it may have to be asked over the network, so that is outside of any transaction; of
    /// two that are made at once the first counts.
    fn newest(&self, tenant: &Tenant) -> Result<Arc<Dek>, Unsealable> {
        let kept = match self.kept(tenant, None)? {
            Some(kept) => kept,
            None => {
                let (_, made) = self.keyring.make(tenant.as_str(), 1, clock::now())?;
                self.store.write(tenant, move |tx| match tx.items(ItemKind::SealKey, "", 1)?.pop() {
                    Some((_, body)) => read(&body),
                    None => {
                        tx.put(ItemKind::SealKey, &place(made.version), &json!(made).to_string())?;
                        Ok(made)
                    }
                })?
            }
        };
        Ok(self.keyring.open(tenant.as_str(), &kept, clock::now())?)
    }

    /// The key of a version, or the newest.
    fn kept(&self, tenant: &Tenant, version: Option<u32>) -> Result<Option<Wrapped>, Unsealable> {
        let kept = self.store.read(tenant, move |tx| match version {
            Some(version) => tx.item(ItemKind::SealKey, &place(version))?.map(|body| read(&body)).transpose(),
            None => {
                let mut newest = None;
                while let Some((id, body)) = {
                    let after = newest.as_ref().map_or(String::new(), |(id, _): &(String, String)| id.clone());
                    tx.items(ItemKind::SealKey, &after, 1)?.pop()
                } {
                    newest = Some((id, body));
                }
                newest.map(|(_, body)| read(&body)).transpose()
            }
        })?;
        Ok(kept)
    }
}

impl Sealer for TenantKeys {
    fn seal(&self, tenant: &Tenant, kind: &str, id: &str, plain: &[u8]) -> Result<String, Unsealable> {
        let identity = Identity { tenant: tenant.as_str(), kind, id };
        Ok(self.newest(tenant)?.seal(identity, plain)?)
    }

    fn open(&self, tenant: &Tenant, kind: &str, id: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let gone = || Unsealable("the tenant's key of it is gone".to_owned());
        let version = sealed.split('.').nth(1).and_then(|version| version.parse().ok()).ok_or_else(gone)?;
        let kept = self.kept(tenant, Some(version))?.ok_or_else(gone)?;
        let key = self.keyring.open(tenant.as_str(), &kept, clock::now())?;
        let plain = key.open(Identity { tenant: tenant.as_str(), kind, id }, sealed)?;
        Ok(Zeroizing::new(plain.expose().to_vec()))
    }
}

/// The id of a key: versions in their order.
fn place(version: u32) -> String {
    format!("{version:010}")
}

fn read(body: &str) -> Result<Wrapped, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("a key has not the form that it was written in".to_owned()))
}

impl From<SealError> for Unsealable {
    fn from(error: SealError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Unsealable {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Unsealable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a secret cannot be sealed or opened: {}", self.0)
    }
}
