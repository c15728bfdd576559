//! Where the sidecar keeps what outlives it.
//!
//! What is kept and by which rules is written once (`chain`, `approvals`, `tokens`, and [`Tx`] for everything else a tenant has).
//! A database has only to offer [`Tables`]: SQLite does, and PostgreSQL.

mod admission;
mod approvals;
mod chain;
pub(crate) mod command;
mod links;
mod location;
mod postgres;
mod scope;
pub(crate) mod sqlite;
#[cfg(test)]
pub(crate) mod suite;
mod tables;
mod tokens;
mod tree;
mod tx;

use std::fmt;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};

use crate::approvals::{Answer, Approval};
use crate::audit::{AuditKey, Hash, Kind, PublicKey, Row};
use crate::clock;
use crate::failure::Failure;
use crate::webhooks::Hook;
pub(crate) use admission::{Admission, Outcome, Second};
pub(crate) use approvals::Expired;
pub(crate) use links::Linked;
pub(crate) use location::Location;
pub(crate) use scope::Scope;
use tables::{Database, Tables};
pub(crate) use tree::{Branch, Tree};
use tx::Work;
pub(crate) use tx::{ItemKind, Tx};

/// A tenant's name. Nothing of a tenant can be read or written without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tenant(String);

impl Tenant {
    /// At most 128 characters without control characters; the empty name is the default tenant's.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if name.chars().count() > 128 || name.chars().any(char::is_control) {
            return None;
        }
        Some(Self(if name.is_empty() { Self::DEFAULT.to_owned() } else { name.to_owned() }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant of whoever has none.
    pub(crate) const DEFAULT: &'static str = "default";
}

/// Everything that is kept. Calls block.
pub(crate) struct Store {
    database: Box<dyn Database>,
    /// What only the owner of the data directory has: `None` for readers.
    key: Option<Arc<AuditKey>>,
    /// Who is told of approvals.
    hooks: OnceLock<Arc<[Hook]>>,
    /// Told of each tenant of which something has changed that filters are told of.
    told: OnceLock<Tell>,
}

type Tell = Box<dyn Fn(&Tenant) + Send + Sync>;

impl Store {
    fn new(database: Box<dyn Database>, key: Option<AuditKey>) -> Self {
        Self { database, key: key.map(Arc::new), hooks: OnceLock::new(), told: OnceLock::new() }
    }

    /// From now on these are told of approvals. Only the first call counts.
    pub(crate) fn tell(&self, hooks: Vec<Hook>) {
        let _ = self.hooks.set(hooks.into());
    }

    /// From now on `tell` hears of each tenant of which this process has changed something that filters are told of. Only the
    /// first call counts.
    pub(crate) fn on_told(&self, tell: impl Fn(&Tenant) + Send + Sync + 'static) {
        let _ = self.told.set(Box::new(tell));
    }

    /// Who is told of approvals.
    pub(crate) fn hooks(&self) -> &[Hook] {
        self.hooks.get().map(|hooks| &**hooks).unwrap_or_default()
    }

    /// What one tenant has.
    pub(crate) fn tenant(self: &Arc<Self>, tenant: &Tenant) -> Scope {
        Scope::new(Arc::clone(self), tenant.clone())
    }

    /// Does `work` in one transaction, which is on disk when this returns. Where `work` fails nothing of it stays.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.change(tenant, clock::now(), |tx| work(tx))
    }

    /// Reads in one transaction, so that what is seen belongs together.
    pub(crate) fn read<T: Send>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.look(tenant, |tx| work(tx))
    }

    /// The tenants that have an audit chain.
    pub(crate) fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        Ok(self.database.tenants()?.iter().filter_map(|name| Tenant::new(name)).collect())
    }

    /// What statements are verified by; `None` for readers.
    pub(crate) fn public_key(&self) -> Option<PublicKey> {
        self.key.as_ref().map(|key| key.public())
    }

    /// Whether it can be written to.
    pub(crate) fn ready(&self) -> Result<(), StoreError> {
        self.database.ready()
    }

    /// The version of the tables.
    pub(crate) fn schema(&self) -> usize {
        self.database.schema()
    }

    /// Tells from now on what other replicas change, from a thread of its own.
    pub(crate) fn listen(&self, tell: impl Fn(Change) + Send + 'static) -> Result<(), StoreError> {
        self.database.listen(Box::new(tell))
    }

    /// A transaction that may use all there is, at a time that is given.
    fn change<T: Send + 'static>(
        &self,
        tenant: &Tenant,
        now: u64,
        work: impl FnOnce(&mut Work<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let key = Arc::clone(self.key.as_ref().ok_or(StoreError::ReadOnly)?);
        let (send, receive) = sync_channel(1);
        let (of, hooks) = (tenant.clone(), self.hooks.get().cloned());
        let job = move |tables: &mut dyn Tables| {
            let mut tx = Work::new(tables, &of, now, Some(&key));
            tx.hooks = hooks;
            let value = work(&mut tx)?;
            tx.seal()?;
            let told = tx.told;
            if told {
                tables.tell()?;
            }
            // Read only once the transaction is on disk.
            send.send((value, told)).map_err(|_| StoreError::Closed)
        };
        self.database.write(tenant, Box::new(job))?;
        let (value, told) = receive.try_recv().map_err(|_| StoreError::Closed)?;
        if let Some(tell) = self.told.get().filter(|_| told) {
            tell(tenant);
        }
        Ok(value)
    }

    /// As [`Store::change`], for reading.
    fn look<T: Send>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&mut Work<'_>) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let (mut work, mut value) = (Some(work), None);
        self.database.read(tenant, &mut |tables| {
            let work = work.take().ok_or(StoreError::Closed)?;
            value = Some(work(&mut Work::new(tables, tenant, clock::now(), None))?);
            Ok(())
        })?;
        value.ok_or(StoreError::Closed)
    }
}

/// What another replica changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An approval moved on.
    Approval(Tenant, String),
    /// Something that filters are told of.
    Told(Tenant),
    /// It is not known what: whoever waits looks again.
    Unknown,
}

/// What an Admit is told, and by which approval.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) answer: Answer,
    pub(crate) approval: Approval,
}

/// Told of each row with its stored hash; false ends the walk.
pub(crate) type Visitor<'v> = dyn FnMut(&Row<'_>, Hash) -> bool + Send + 'v;

/// A record to append.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord {
    pub(crate) id: String,
    /// RFC 8785 JSON.
    pub(crate) record: String,
}

/// A row as queries return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) received: u64,
    pub(crate) record: String,
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
}

/// Which rows, newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// The record's `time`, RFC 3339 with six decimals; from, inclusive.
    pub(crate) since: Option<String>,
    /// Up to, exclusive.
    pub(crate) until: Option<String>,
    /// A member of the record and the value it must have.
    pub(crate) equal: Vec<(Column, String)>,
    /// Only rows behind this place.
    pub(crate) after: Option<u64>,
    /// Only rows before this place.
    pub(crate) before: Option<u64>,
    /// The oldest that many instead of the newest.
    pub(crate) oldest_first: bool,
    /// At most.
    pub(crate) limit: u64,
}

/// What rows can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Correlation,
    Decision,
    Server,
    Tool,
    Principal,
    Session,
    Action,
    Rule,
    Approval,
    Parent,
}

impl Column {
    pub(crate) const ALL: [Self; 10] = [
        Self::Correlation,
        Self::Decision,
        Self::Server,
        Self::Tool,
        Self::Principal,
        Self::Session,
        Self::Action,
        Self::Rule,
        Self::Approval,
        Self::Parent,
    ];

    /// The record's member.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Correlation => "correlation_id",
            Self::Decision => "decision",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Principal => "principal",
            Self::Session => "session",
            Self::Action => "action",
            Self::Rule => "rule",
            Self::Approval => "approval_id",
            Self::Parent => "parent",
        }
    }
}

/// Why the store could not do it. Nothing was changed.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The database refused or failed; nothing of what was to be written is in the text.
    Database(String),
    /// The chain is broken where it would have to be continued or pruned.
    Chain(Kind),
    /// More approvals are pending than a tenant may have.
    Full,
    /// The store was opened for reading.
    ReadOnly,
    /// The store is closing.
    Closed,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database: {error}"),
            Self::Chain(kind) => write!(
                f,
                "the audit chain does not verify, so no {} is signed; run `portcullis audit verify --full`",
                kind.as_str()
            ),
            Self::Full => f.write_str("too many approvals are pending"),
            Self::ReadOnly => f.write_str("the store was opened for reading"),
            Self::Closed => f.write_str("the store is closing"),
        }
    }
}
