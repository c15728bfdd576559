//! Those who write: a few threads with a connection each. A tenant's jobs are done by one of them at a time, those that wait
//! together in one transaction, so that they share a lock and a sync of the disk.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::connection::{Connection, Target};
use super::tables::Transaction;
use crate::store::tables::WriteJob;
use crate::store::{StoreError, Tenant};

/// Hands jobs to the threads. They end when this is dropped.
pub(super) struct Writers(Arc<Shared>);

struct Shared {
    target: Target,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: HashMap<Tenant, VecDeque<Waiting>>,
    /// Tenants with jobs that nobody is doing, in the order in which they came.
    ready: VecDeque<Tenant>,
    /// Tenants whose jobs somebody is doing.
    busy: HashSet<Tenant>,
    waiting: usize,
    closed: bool,
}

struct Waiting {
    job: WriteJob,
    reply: SyncSender<Result<(), StoreError>>,
}

impl Writers {
    pub(super) fn start(target: &Target) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { target: target.clone(), state: Mutex::new(State::default()), wake: Condvar::new() });
        let writers = Self(Arc::clone(&shared));
        for _ in 0..THREADS {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("store-writer".to_owned()).spawn(move || work(&shared))?;
        }
        Ok(writers)
    }

    /// Does the job in a transaction and returns when it is on disk.
    pub(super) fn run(&self, tenant: &Tenant, job: WriteJob) -> Result<(), StoreError> {
        let (reply, answer) = sync_channel(1);
        {
            let mut state = self.0.state.lock().map_err(|_| StoreError::Closed)?;
            if state.waiting >= QUEUE {
                return Err(StoreError::Database("too many wait for it".to_owned()));
            }
            state.waiting += 1;
            state.jobs.entry(tenant.clone()).or_default().push_back(Waiting { job, reply });
            if !state.busy.contains(tenant) && !state.ready.contains(tenant) {
                state.ready.push_back(tenant.clone());
            }
        }
        self.0.wake.notify_one();
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state.lock() {
            state.closed = true;
        }
        self.0.wake.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut connection = None;
    while let Some((tenant, jobs)) = take(shared) {
        let count = jobs.len();
        do_jobs(&shared.target, &mut connection, &tenant, jobs);
        let Ok(mut state) = shared.state.lock() else { return };
        state.waiting = state.waiting.saturating_sub(count);
        state.busy.remove(&tenant);
        if state.jobs.contains_key(&tenant) {
            state.ready.push_back(tenant);
            shared.wake.notify_one();
        }
    }
}

/// The jobs of a tenant that wait together; `None`: no more will come.
fn take(shared: &Shared) -> Option<(Tenant, Vec<Waiting>)> {
    let mut state = shared.state.lock().ok()?;
    loop {
        if let Some(tenant) = state.ready.pop_front() {
            let mut jobs: Vec<_> = state.jobs.remove(&tenant)?.into();
            if jobs.len() > MAX_TOGETHER {
                let later = jobs.split_off(MAX_TOGETHER);
                state.jobs.insert(tenant.clone(), later.into());
            }
            state.busy.insert(tenant.clone());
            return Some((tenant, jobs));
        }
        if state.closed {
            return None;
        }
        state = shared.wake.wait(state).ok()?;
    }
}

fn do_jobs(target: &Target, connection: &mut Option<Connection>, tenant: &Tenant, jobs: Vec<Waiting>) {
    if let Err(StoreError::Database(error)) = begin(target, connection, tenant) {
        for waiting in jobs {
            // Whoever asked may have gone.
            let _ = waiting.reply.send(Err(StoreError::Database(error.clone())));
        }
        return;
    }
    let Some(open) = connection else { return };
    let several = jobs.len() > 1;
    let mut done = Vec::with_capacity(jobs.len());
    let mut sound = Ok(());
    for Waiting { job, reply } in jobs {
        let outcome = match (&sound, several) {
            (Err(_), _) => Ok(()),
            (Ok(()), true) => apart(open, tenant, job, &mut sound),
            (Ok(()), false) => job(&mut Transaction { connection: open, tenant }),
        };
        done.push((reply, outcome));
    }
    let nothing = done.iter().all(|(_, outcome)| outcome.is_err());
    if sound.is_ok() {
        sound = if nothing { open.rollback() } else { open.commit() };
    }
    if sound.is_err() {
        // Whatever state it is in, the server rolls back when it goes.
        *connection = None;
    }
    for (reply, outcome) in done {
        let _ = reply.send(match (&sound, outcome) {
            (_, Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(()),
            (Err(StoreError::Database(error)), Ok(())) => Err(StoreError::Database(error.clone())),
            (Err(_), Ok(())) => Err(StoreError::Closed),
        });
    }
}

/// Begins a transaction. A connection that was lost while nothing was done on it is made again.
fn begin(target: &Target, connection: &mut Option<Connection>, tenant: &Tenant) -> Result<(), StoreError> {
    if let Some(open) = connection {
        match open.begin_write(tenant) {
            Ok(()) => return Ok(()),
            Err(error) if !open.client.is_closed() => {
                // A lock that another replica has.
                *connection = None;
                return Err(error);
            }
            Err(_) => *connection = None,
        }
    }
    let mut fresh = target.connect()?;
    fresh.begin_write(tenant)?;
    *connection = Some(fresh);
    Ok(())
}

/// One job of several, so that its failure undoes nothing of the others'.
fn apart(
    connection: &mut Connection,
    tenant: &Tenant,
    job: WriteJob,
    sound: &mut Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut step = |connection: &mut Connection, sql: &str| {
        if let Err(error) = connection.client.batch_execute(sql) {
            *sound = Err(error.into());
        }
    };
    step(connection, "SAVEPOINT job");
    let outcome = job(&mut Transaction { connection, tenant });
    step(connection, if outcome.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" });
    outcome
}

/// Connections that write.
const THREADS: usize = 4;
/// Jobs that may wait; whoever comes then is told so at once.
const QUEUE: usize = 4096;
/// Jobs in one transaction: bounds how long the first one waits.
const MAX_TOGETHER: usize = 256;
