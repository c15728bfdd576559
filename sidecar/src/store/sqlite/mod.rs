//! The store in one SQLite file: write-ahead log, synced at every commit, one writer that commits what waits together.

mod guard;
mod schema;
mod tables;
mod writer;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::tables::{Database, ReadJob, WriteJob};
use super::{Change, Store, StoreError, Tenant};
use crate::audit::{AuditKey, Hash};
use crate::failure::Failure;
pub(super) use guard::Guarded;
use tables::{Transaction, signed};
use writer::Writer;

/// The embedded database.
struct Sqlite {
    path: PathBuf,
    /// `None` where it was opened for reading.
    writer: Option<Writer>,
    /// Connections for reading that nobody uses now.
    readers: Mutex<Vec<Guarded>>,
}

/// Opens `portcullis.db` in the data directory, made at the first start.
pub(crate) fn open(data: &Path) -> Result<Arc<Store>, Failure> {
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
        .and_then(Guarded::new)
        .map_err(|error| Failure::file(&path, error))?;
    let writer = Writer::start(connection).map_err(|error| Failure::file(&path, error))?;
    let database = Sqlite { path, writer: Some(writer), readers: Mutex::new(Vec::new()) };
    Ok(Arc::new(Store::new(Box::new(database), Some(AuditKey::open(data)?))))
}

/// As [`open`], of a directory that `portcullis serve` has made.
pub(crate) fn existing(data: &Path) -> Result<Arc<Store>, Failure> {
    exists(data)?;
    open(data)
}

/// Opens it for reading alone: no private key is needed, and nothing can be written.
pub(crate) fn read(data: &Path) -> Result<Arc<Store>, Failure> {
    let path = exists(data)?;
    let database = Sqlite { path, writer: None, readers: Mutex::new(Vec::new()) };
    database.look(|_| Ok(())).map_err(|error| Failure::file(&database.path, error))?;
    Ok(Arc::new(Store::new(Box::new(database), None)))
}

/// A connection as the store uses it.
#[cfg(test)]
pub(super) fn guarded(data: &Path) -> rusqlite::Result<Guarded> {
    Guarded::new(connect(&data.join(FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

fn exists(data: &Path) -> Result<PathBuf, Failure> {
    let path = data.join(FILE);
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(Failure::file(&path, "does not exist; --data names the directory of `portcullis serve`")),
        Err(error) => Err(Failure::file(&path, error)),
    }
}

impl Database for Sqlite {
    fn write(&self, tenant: &Tenant, job: WriteJob) -> Result<(), StoreError> {
        self.writer.as_ref().ok_or(StoreError::ReadOnly)?.run(tenant.clone(), job)
    }

    fn read(&self, tenant: &Tenant, job: &mut ReadJob<'_>) -> Result<(), StoreError> {
        self.look(|guarded| job(&mut Transaction { own: guarded.of(tenant), tenant }))
    }

    fn tenants(&self) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT tenant FROM tenant_name ORDER BY tenant", [])
    }

    fn due(&self, now: u64) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT DISTINCT tenant FROM tenant_due WHERE due <= ?1 LIMIT 1000", [signed(now)])
    }

    fn token(&self, hash: &Hash) -> Result<Option<String>, StoreError> {
        self.look(|guarded| {
            let mut statement = guarded.connection().prepare_cached("SELECT body FROM token WHERE hash = ?1")?;
            Ok(statement.query_row([hash], |row| row.get(0)).optional()?)
        })
    }

    fn tokens(&self) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT body FROM token ORDER BY name", [])
    }

    fn ready(&self) -> Result<(), StoreError> {
        let tenant = Tenant::new("").ok_or(StoreError::Closed)?;
        self.write(&tenant, Box::new(|_| Ok(())))
    }

    fn schema(&self) -> usize {
        schema::version()
    }

    fn listen(&self, _: Box<dyn Fn(Change) + Send>) -> Result<(), StoreError> {
        // One process per data directory: there is nobody else who decides.
        Ok(())
    }
}

impl Sqlite {
    fn texts(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<String>, StoreError> {
        self.look(|guarded| {
            let mut statement = guarded.connection().prepare_cached(sql)?;
            let texts = statement.query_map(values, |row| row.get(0))?;
            Ok(texts.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Reads in one transaction.
    fn look<T>(&self, work: impl FnOnce(&Guarded) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        let guarded = match idle {
            Some(guarded) => guarded,
            None => Guarded::new(connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?,
        };
        let transaction = guarded.connection().unchecked_transaction()?;
        let value = work(&guarded)?;
        transaction.finish()?;
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < MAX_IDLE
        {
            readers.push(guarded);
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
    // Statements that fire triggers, as all that write do (`guard`), keep a journal of the pages they change: in a file of its
    // own each, more than half of what appending a row took.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// The database in the data directory.
const FILE: &str = "portcullis.db";
/// Connections kept open for the next reader.
const MAX_IDLE: usize = 8;
/// Page cache of a connection; SQLite takes negative numbers as KiB.
const CACHE_KIB: i64 = -16_384;
