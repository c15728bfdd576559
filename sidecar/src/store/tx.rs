//! One transaction on what one tenant has, as features see it.

use std::sync::Arc;

use super::chain::Head;
use super::tables::Tables;
use super::{NewRecord, StoreError, Tenant};
use crate::audit::AuditKey;
use crate::webhooks::Hook;

/// One transaction on what one tenant has. A change of state and its audit record belong into the same one.
///
/// Everything that needs no index of its own is an item: a JSON body under a kind and an id.
pub(crate) trait Tx {
    fn tenant(&self) -> &Tenant;

    /// The transaction's time, microseconds since the Unix epoch.
    fn now(&self) -> u64;

    /// Appends to the tenant's audit chain. A record whose id is known changes nothing.
    fn record(&mut self, record: NewRecord) -> Result<(), StoreError>;

    /// An item's body.
    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError>;

    /// Ids and bodies of the items whose id is greater than `after`, ascending by the bytes of the id.
    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError>;

    /// Inserts or replaces.
    fn put(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError>;

    /// False: there was none.
    fn remove(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError>;
}

/// What items there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A message that a webhook has not taken yet.
    Delivery,
    /// An authenticator, by its holder.
    Mfa,
    /// A tool that a server listed, by a hash of both names.
    Tool,
    /// What filters trust of a tool, under the id of the tool.
    Pin,
    /// Numbers that something else counts, by what it is.
    Count,
    /// A tenant's key, wrapped: one, under the id `dek`.
    CredentialKey,
    /// A rotation of keys that has begun, in the default tenant.
    KeyRotation,
    /// A credential, by its name.
    Credential,
    /// Who may use a credential for which server.
    ConnectionGrant,
    /// A part of the engine's state, by its name there.
    State,
    /// A kill switch that is on.
    Stop,
    /// A caller's key, by its id.
    CallerKey,
    /// When a caller's key was used last.
    KeyUse,
    /// A session of the console, by the hash of its cookie, in the default tenant.
    Session,
    /// How far a sink has got in the chain, by its name.
    Sink,
    /// What the sidecar was told, by what it is: so that a change is noticed.
    Seen,
    /// What the tests of the store keep.
    #[cfg(test)]
    Sample,
    #[cfg(test)]
    Other,
}

impl ItemKind {
    /// Filters are told of them.
    fn is_told(self) -> bool {
        matches!(self, Self::Stop | Self::CallerKey | Self::Pin)
    }

    /// Its name in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Mfa => "mfa",
            Self::Tool => "tool",
            Self::Pin => "pin",
            Self::Count => "count",
            Self::CredentialKey => "credential_key",
            Self::KeyRotation => "key_rotation",
            Self::Credential => "credential",
            Self::ConnectionGrant => "connection_grant",
            Self::State => "state",
            Self::Stop => "stop",
            Self::CallerKey => "caller_key",
            Self::KeyUse => "key_use",
            Self::Session => "session",
            Self::Sink => "sink",
            Self::Seen => "seen",
            #[cfg(test)]
            Self::Sample => "sample",
            #[cfg(test)]
            Self::Other => "other",
        }
    }
}

/// The transaction as the store itself sees it: with the tables, and the key that signs.
pub(super) struct Work<'w> {
    pub(super) tables: &'w mut dyn Tables,
    pub(super) tenant: &'w Tenant,
    pub(super) now: u64,
    key: Option<&'w AuditKey>,
    /// The end of the chain, once something was appended.
    pub(super) head: Option<Head>,
    /// Who is told of approvals.
    pub(super) hooks: Option<Arc<[Hook]>>,
    /// Something was changed that filters are told of.
    pub(super) told: bool,
}

impl<'w> Work<'w> {
    pub(super) fn new(tables: &'w mut dyn Tables, tenant: &'w Tenant, now: u64, key: Option<&'w AuditKey>) -> Self {
        Self { tables, tenant, now, key, head: None, hooks: None, told: false }
    }

    /// The key, which readers have not.
    pub(super) fn key(&self) -> Result<&'w AuditKey, StoreError> {
        self.key.ok_or(StoreError::ReadOnly)
    }
}

impl Tx for Work<'_> {
    fn tenant(&self) -> &Tenant {
        self.tenant
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn record(&mut self, record: NewRecord) -> Result<(), StoreError> {
        self.append(vec![record]).map(drop)
    }

    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError> {
        self.tables.item(kind, id)
    }

    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError> {
        self.tables.items(kind, after, limit)
    }

    fn put(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError> {
        self.key()?;
        self.told |= kind.is_told();
        self.tables.put_item(kind, id, body)
    }

    fn remove(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError> {
        self.key()?;
        self.told |= kind.is_told();
        self.tables.remove_item(kind, id)
    }
}
