//! The store in one SQLite file: write-ahead log, synced at every commit, one writer that commits what waits together.

mod approvals;
mod audit;
mod schema;
#[cfg(test)]
mod tests;
mod tokens;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Scope, Store, StoreError, Tenant};
use crate::approvals::Approval;
use crate::audit::AuditKey;
use crate::failure::Failure;
use writer::Writer;

/// The embedded store.
pub(crate) struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// What only the owner of the data directory has: `None` for readers.
    owner: Option<Owner>,
    /// Connections for reading that nobody uses now.
    readers: Mutex<Vec<Connection>>,
}

struct Owner {
    key: Arc<AuditKey>,
    writer: Writer,
}

/// One tenant's share of it.
struct Scoped {
    inner: Arc<Inner>,
    tenant: Tenant,
}

impl Sqlite {
    /// Opens `portcullis.db` in the data directory, made at the first start.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let path = data.join(FILE);
        // Made here and not by SQLite, so that nobody else can read it.
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::file(&path, error))?;
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|connection| schema::prepare(&connection).map(|()| connection))
            .map_err(|error| Failure::file(&path, error))?;
        let writer = Writer::start(connection).map_err(|error| Failure::file(&path, error))?;
        let owner = Owner { key: Arc::new(AuditKey::open(data)?), writer };
        Ok(Self { inner: Arc::new(Inner { path, owner: Some(owner), readers: Mutex::new(Vec::new()) }) })
    }

    /// As [`Sqlite::open`], of a directory that `portcullis serve` has made.
    pub(crate) fn existing(data: &Path) -> Result<Self, Failure> {
        exists(data)?;
        Self::open(data)
    }

    /// Opens it for reading alone: no private key is needed, and nothing can be written.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        let path = exists(data)?;
        let inner = Inner { path, owner: None, readers: Mutex::new(Vec::new()) };
        inner.read(|_| Ok(())).map_err(|error| Failure::file(&inner.path, error))?;
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Sqlite {
    /// Work by the writer that is not one tenant's.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &AuditKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.write(work)
    }
}

fn exists(data: &Path) -> Result<PathBuf, Failure> {
    let path = data.join(FILE);
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(Failure::file(&path, "does not exist; --data names the directory of `portcullis serve`")),
        Err(error) => Err(Failure::file(&path, error)),
    }
}

impl Store for Sqlite {
    fn tenant(&self, tenant: &Tenant) -> Box<dyn Scope> {
        Box::new(Scoped { inner: Arc::clone(&self.inner), tenant: tenant.clone() })
    }

    fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.inner.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT tenant FROM audit_row WHERE seq = 0 UNION SELECT tenant FROM audit_statement ORDER BY 1",
            )?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.filter_map(|name| name.map(|name| Tenant::new(&name)).transpose()).collect()
        })
    }

    fn expire(&self, now: u64) -> Result<Vec<(Tenant, Approval)>, StoreError> {
        self.expire_all(now)
    }

    fn ready(&self) -> Result<(), StoreError> {
        self.write(|_, _| Ok(()))
    }
}

impl Inner {
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &AuditKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let owner = self.owner.as_ref().ok_or(StoreError::ReadOnly)?;
        let key = Arc::clone(&owner.key);
        owner.writer.run(move |connection| work(connection, &key))
    }

    /// Reads in one transaction, so that what a reader sees belongs together.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let value = work(&transaction)?;
        transaction.finish()?;
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < MAX_IDLE
        {
            readers.push(connection);
        }
        Ok(value)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            // Its text would be that of the statement, which has no values, or a column's name.
            rusqlite::Error::SqliteFailure(code, _) => Self::Database(code.to_string()),
            _ => Self::Database("a row has not the form that it was written in".to_owned()),
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    Ok(connection)
}

/// The database in the data directory.
const FILE: &str = "portcullis.db";
/// Connections kept open for the next reader.
const MAX_IDLE: usize = 8;
/// Page cache of a connection; SQLite takes negative numbers as KiB.
const CACHE_KIB: i64 = -16_384;
