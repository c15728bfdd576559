//! The one writer: a thread with the only connection that writes. What waits is written in one transaction, so a sync of
//! the disk is shared by all who wait for it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rusqlite::Connection;

use crate::store::StoreError;

/// Hands work to the thread. The thread ends when this is dropped.
pub(super) struct Writer(SyncSender<Box<dyn Job>>);

/// Work within a transaction, in two steps: what it did counts only once the transaction is on disk.
trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Work<F, T> {
    work: Option<F>,
    value: Option<T>,
    reply: SyncSender<Result<T, StoreError>>,
}

impl<F, T> Job for Work<F, T>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        self.value = Some(work(connection)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // Whoever asked may have gone.
        let _ = reply.send(outcome.and_then(|()| value.ok_or(StoreError::Closed)));
    }
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || write(&connection, &receiver))?;
        Ok(Self(sender))
    }

    /// Does `work` in a transaction and returns when it is on disk. Where `work` fails, nothing it did stays.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let job = Work { work: Some(work), value: None, reply };
        self.0.send(Box::new(job)).map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

fn write(connection: &Connection, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        let mut done: Vec<(Box<dyn Job>, Result<(), StoreError>)> = Vec::new();
        // IMMEDIATE: another process (`portcullis audit prune`) may write, too.
        let mut committed = connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        while let Some(mut job) = next.take() {
            let outcome = match &committed {
                Ok(()) => apart(connection, job.as_mut()),
                Err(_) => Ok(()),
            };
            done.push((job, outcome));
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
        for (job, outcome) in done {
            job.finish(match &committed {
                Ok(()) => outcome,
                Err(StoreError::Database(error)) => Err(StoreError::Database(error.clone())),
                Err(_) => Err(StoreError::Closed),
            });
        }
    }
}

/// One job, so that its failure undoes nothing of the others'.
fn apart(connection: &Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    connection.execute_batch("SAVEPOINT job")?;
    let outcome = job.run(connection);
    let end = if outcome.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    connection.execute_batch(end)?;
    outcome
}

/// Callers that may wait before others have to wait to wait.
const QUEUE: usize = 1024;
/// Jobs in one transaction: bounds how long the first one waits.
const MAX_TOGETHER: usize = 256;
