//! The one writer: a thread with the only connection that writes. What waits is written in one transaction, so a sync of
//! the disk is shared by all who wait for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::guard::Guarded;
use super::tables::Transaction;
use crate::store::tables::WriteJob;
use crate::store::{StoreError, Tenant};

/// Hands work to the thread. The thread ends when this is dropped.
pub(super) struct Writer(SyncSender<Waiting>);

/// Work that waits, and who is told once it is on disk.
struct Waiting {
    tenant: Tenant,
    job: WriteJob,
    reply: SyncSender<Result<(), StoreError>>,
}

impl Writer {
    pub(super) fn start(guarded: Guarded) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || write(&guarded, &receiver))?;
        Ok(Self(sender))
    }

    /// Does the job in a transaction and returns when it is on disk. Where it fails, nothing it did stays.
    pub(super) fn run(&self, tenant: Tenant, job: WriteJob) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        self.0.send(Waiting { tenant, job, reply }).map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

fn write(guarded: &Guarded, queue: &Receiver<Waiting>) {
    let connection = guarded.connection();
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        let mut done: Vec<(SyncSender<_>, Result<(), StoreError>)> = Vec::new();
        // IMMEDIATE: another process (`portcullis audit prune`) may write, too.
        let mut committed = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        while let Some(Waiting { tenant, job, reply }) = next.take() {
            let outcome = match &committed {
                Ok(()) => apart(guarded, &tenant, job),
                Err(_) => Ok(()),
            };
            done.push((reply, outcome));
            if done.len() < MAX_TOGETHER {
                next = queue.try_recv().ok();
            }
        }
        if committed.is_ok() {
            committed = connection.execute_batch("COMMIT").map_err(StoreError::from);
            if committed.is_err() {
                // Where SQLite has rolled back already there is nothing to do, and it says so.
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        for (reply, outcome) in done {
            let outcome = match &committed {
                Ok(()) => outcome,
                Err(StoreError::Database(error)) => Err(StoreError::Database(error.clone())),
                Err(_) => Err(StoreError::Closed),
            };
            // Whoever asked may have gone.
            let _ = reply.send(outcome);
        }
    }
}

/// One job, so that its failure undoes nothing of the others'.
fn apart(guarded: &Guarded, tenant: &Tenant, job: WriteJob) -> Result<(), StoreError> {
    let connection = guarded.connection();
    connection.execute_batch("SAVEPOINT job")?;
    let outcome = job(&mut Transaction { own: guarded.of(tenant), tenant });
    let end = if outcome.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.execute_batch(end)?;
    outcome
}

/// Callers that may wait before others have to wait to wait.
const QUEUE: usize = 1024;
/// Jobs in one transaction: bounds how long the first one waits.
const MAX_TOGETHER: usize = 256;
