//! The store in PostgreSQL, for several replicas. Each tenant's rows are seen and written under row-level security
//! (`tenant_id = current_tenant_id()`), by a role that neither owns the tables nor can bypass it.

mod connection;
mod listen;
mod schema;
mod tables;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::tables::{Database, ReadJob, WriteJob};
use super::{Change, Store, StoreError, Tenant};
use crate::audit::{AuditKey, Hash};
use crate::failure::Failure;
use connection::Connection;
pub(super) use connection::Target;
pub(super) use schema::Migrated;
use tables::{Transaction, get, signed};
use writer::Writers;

/// A database of its own process.
struct Postgres {
    target: Target,
    /// `None` where it was opened for reading.
    writers: Option<Writers>,
    readers: Readers,
    closed: Arc<AtomicBool>,
}

/// Connections for reading, a bounded number: a server has some hundred for all who use it.
#[derive(Default)]
struct Readers {
    state: Mutex<Idle>,
    free: Condvar,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// How many are in use.
    busy: usize,
}

/// Leave to read, until this is dropped.
struct Seat<'r> {
    readers: &'r Readers,
    /// The connection, for the next reader.
    done: Option<Connection>,
}

/// Opens the database for the owner of a data directory, which holds the key that signs the chains.
pub(super) fn open(target: Target, data: &Path) -> Result<Arc<Store>, Failure> {
    apart(|| target.check()).unwrap_or_else(|| Err(Failure::new("no threads")))?;
    let key = AuditKey::open(data)?;
    let writers = Writers::start(&target).map_err(|error| Failure::new(format!("no threads: {error}")))?;
    let database = Postgres::new(target, Some(writers));
    database.pin(&key, data)?;
    Ok(Arc::new(Store::new(Box::new(database), Some(key))))
}

/// Opens it for reading alone.
pub(super) fn read(target: Target) -> Result<Arc<Store>, Failure> {
    apart(|| target.check()).unwrap_or_else(|| Err(Failure::new("no threads")))?;
    Ok(Arc::new(Store::new(Box::new(Postgres::new(target, None)), None)))
}

/// Makes or upgrades schema and role, as an account that may. `password`: the role's new one.
pub(super) fn migrate(admin: &Target, role: &str, password: Option<&str>) -> Result<Migrated, Failure> {
    let verifier = password.map(|password| postgres_protocol::password::scram_sha_256(password.as_bytes()));
    apart(|| {
        let mut client =
            admin.client().map_err(|error| Failure::new(format!("PostgreSQL: {}", connection::describe(&error))))?;
        schema::migrate(&mut client, role, verifier.as_deref())
    })
    .unwrap_or_else(|| Err(Failure::new("no threads")))
}

impl Postgres {
    fn new(target: Target, writers: Option<Writers>) -> Self {
        Self { target, writers, readers: Readers::default(), closed: Arc::default() }
    }

    /// Chains are signed by one key. A replica with another would find every chain broken, so it does not start.
    fn pin(&self, key: &AuditKey, data: &Path) -> Result<(), Failure> {
        let id = key.public().id();
        let pinned: Result<String, StoreError> = self.look(None, |connection| {
            connection
                .execute("INSERT INTO setting (name, value) VALUES ('audit_key', $1) ON CONFLICT DO NOTHING", &[&id])?;
            let rows = connection.query("SELECT value FROM setting WHERE name = 'audit_key'", &[])?;
            rows.first().map_or(Err(StoreError::Closed), |row| get(row, 0))
        });
        let pinned = pinned?;
        if pinned == id {
            return Ok(());
        }
        Err(Failure::file(
            &data.join("audit-key"),
            format!(
                "is the key {id}, but the chains of this database are signed by {pinned}: all replicas need the same \
                 audit-key"
            ),
        ))
    }

    /// Work on a connection for reading: in a transaction of a tenant, or without any.
    fn look<T: Send>(
        &self,
        tenant: Option<&Tenant>,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        apart(|| {
            let mut seat = self.readers.enter()?;
            let mut connection = self.reader(tenant)?;
            let value = work(&mut connection)?;
            if tenant.is_some() {
                connection.rollback()?;
            }
            // One on which something went wrong is not used again.
            seat.done = Some(connection);
            Ok(value)
        })
        .unwrap_or(Err(StoreError::Closed))
    }

    /// A connection that lives. One that was lost while it lay idle is made again.
    fn reader(&self, tenant: Option<&Tenant>) -> Result<Connection, StoreError> {
        let begin = |connection: &mut Connection| match tenant {
            Some(tenant) => connection.begin_read(tenant),
            None => Ok(connection.client.batch_execute("")?),
        };
        while let Some(mut idle) = self.readers.idle() {
            if begin(&mut idle).is_ok() {
                return Ok(idle);
            }
        }
        let mut fresh = self.target.connect()?;
        begin(&mut fresh)?;
        Ok(fresh)
    }

    fn texts(
        &self,
        sql: &'static str,
        values: &[&(dyn postgres::types::ToSql + Sync)],
    ) -> Result<Vec<String>, StoreError> {
        self.look(None, |connection| connection.query(sql, values)?.iter().map(|row| get(row, 0)).collect())
    }
}

impl Readers {
    /// Waits until there are fewer than [`MAX_READERS`].
    fn enter(&self) -> Result<Seat<'_>, StoreError> {
        let state = self.state.lock().map_err(|_| StoreError::Closed)?;
        let waited = self.free.wait_timeout_while(state, PATIENCE, |state| state.busy >= MAX_READERS);
        let (mut state, over) = waited.map_err(|_| StoreError::Closed)?;
        if over.timed_out() {
            return Err(StoreError::Database("too many read from it".to_owned()));
        }
        state.busy += 1;
        Ok(Seat { readers: self, done: None })
    }

    fn idle(&self) -> Option<Connection> {
        self.state.lock().ok()?.connections.pop()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.readers.state.lock() {
            state.busy = state.busy.saturating_sub(1);
            state.connections.extend(self.done.take());
        }
        self.readers.free.notify_one();
    }
}

impl Database for Postgres {
    fn write(&self, tenant: &Tenant, job: WriteJob) -> Result<(), StoreError> {
        self.writers.as_ref().ok_or(StoreError::ReadOnly)?.run(tenant, job)
    }

    fn read(&self, tenant: &Tenant, job: &mut ReadJob<'_>) -> Result<(), StoreError> {
        self.look(Some(tenant), |connection| job(&mut Transaction { connection, tenant }))
    }

    fn tenants(&self) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT id FROM tenant ORDER BY id", &[])
    }

    fn due(&self, now: u64) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT id FROM tenant WHERE next_due <= $1 ORDER BY next_due LIMIT 1000", &[&signed(now)])
    }

    fn token(&self, hash: &Hash) -> Result<Option<String>, StoreError> {
        Ok(self.texts("SELECT body FROM token WHERE hash = $1", &[&hash.as_slice()])?.pop())
    }

    fn tokens(&self) -> Result<Vec<String>, StoreError> {
        self.texts("SELECT body FROM token ORDER BY name", &[])
    }

    fn ready(&self) -> Result<(), StoreError> {
        let standby: bool = self.look(None, |connection| {
            let rows = connection.query("SELECT pg_is_in_recovery()", &[])?;
            rows.first().map_or(Err(StoreError::Closed), |row| get(row, 0))
        })?;
        if standby { Err(StoreError::ReadOnly) } else { Ok(()) }
    }

    fn schema(&self) -> usize {
        schema::version()
    }

    fn listen(&self, tell: Box<dyn Fn(Change) + Send>) -> Result<(), StoreError> {
        listen::start(self.target.clone(), Arc::clone(&self.closed), tell)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        let mut idle = Vec::new();
        if let Ok(mut state) = self.readers.state.lock() {
            idle.append(&mut state.connections);
        }
        apart(|| drop(idle));
    }
}

/// The client waits for the network in a way that is not allowed on threads that answer requests, so it never is on the
/// caller's thread. `None`: the work was given up.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|threads| {
        thread::Builder::new().name("store-reader".to_owned()).spawn_scoped(threads, work).ok()?.join().ok()
    })
}

/// Connections that read.
const MAX_READERS: usize = 8;
/// How long a reader waits for one.
const PATIENCE: Duration = Duration::from_secs(5);
