//! Calls to the sidecar: admissions of calls, the delivery of audit records, and what it tells.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portcullis_engine::audit::Record;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::sidecar::{AdmitRequest, AuditRecord, Batch, Entry, RecordResponse, Sidecar, WAIT_MS, Watched};
use portcullis_engine::state::Store;

use crate::host::{self, Level};
use crate::telemetry::Telemetry;

/// Hands audit records to the sidecar of one configuration.
pub struct Delivery {
    firewall: Arc<Firewall>,
    store: Arc<dyn Store>,
    telemetry: Rc<Telemetry>,
    /// What is being sent, and the token of its answer.
    sent: RefCell<Option<(u32, Batch)>>,
    /// The next tick comes at once.
    hastened: Cell<bool>,
}

impl Delivery {
    pub fn new(firewall: Arc<Firewall>, store: Arc<dyn Store>, telemetry: Rc<Telemetry>) -> Self {
        Self { firewall, store, telemetry, sent: RefCell::new(None), hastened: Cell::new(false) }
    }

    /// Writes a complete record down, and puts it among those that are to be sent.
    pub fn record(&self, unique: u64, record: &Record) {
        self.telemetry.record(&self.firewall, record);
        let Some(sidecar) = self.sidecar().filter(|sidecar| sidecar.takes_records()) else { return };
        if sidecar.outbox(&*self.store).push(unique, Entry::Record, &AuditRecord::of(record).encode()).is_err() {
            self.telemetry.dropped();
        }
    }

    /// Has what waits sent soon. Not from here: the answer to a call finds the context that made it, and a stream ends.
    pub fn hasten(&self) {
        if !self.hastened.replace(true) {
            host::tick_every(AT_ONCE);
        }
    }

    /// As the root context does it from time to time.
    pub fn tick(&self) {
        if self.hastened.replace(false) {
            host::tick_every(TICK);
        }
        self.send();
    }

    /// Sends what waits, unless somebody else does.
    fn send(&self) {
        let Some(sidecar) = self.sidecar() else { return };
        if self.sent.borrow().is_some() {
            return;
        }
        let outbox = sidecar.outbox(&*self.store);
        let patience_us = u64::try_from(sidecar.timeout.as_micros()).unwrap_or(u64::MAX);
        let Some(batch) = outbox.take(host::now_us(), patience_us) else { return };
        match call(sidecar, "Record", &batch.message, sidecar.timeout) {
            Some(token) => *self.sent.borrow_mut() = Some((token, batch)),
            None => self.telemetry.delivered(outbox.settle(&batch, None, host::now_us())),
        }
    }

    /// Takes the answer to what was sent.
    pub fn answered(&self, token: u32, status: u32, size: usize) {
        let Some(sidecar) = self.sidecar() else { return };
        let Some((_, batch)) = self.sent.borrow_mut().take_if(|(sent, _)| *sent == token) else { return };
        let message = if status == 0 { host::call_answer(size) } else { None };
        let answer = message.and_then(|message| RecordResponse::decode(&message).ok());
        let settled = sidecar.outbox(&*self.store).settle(&batch, answer.as_ref(), host::now_us());
        self.telemetry.delivered(settled);
        if settled.failed {
            let line = format!("portcullis: {} records could not be handed over (gRPC status {status})", batch.count);
            host::log(Level::Warn, &line);
        } else {
            self.send();
        }
    }

    fn sidecar(&self) -> Option<&Sidecar> {
        self.firewall.sidecar.as_ref().filter(|sidecar| sidecar.takes_anything())
    }
}

/// Hears what the sidecar of one configuration tells, for all workers.
pub struct Watcher {
    firewall: Arc<Firewall>,
    store: Arc<dyn Store>,
    telemetry: Rc<Telemetry>,
    /// The token of the answer that is awaited.
    asked: Cell<Option<u32>>,
}

impl Watcher {
    pub fn new(firewall: Arc<Firewall>, store: Arc<dyn Store>, telemetry: Rc<Telemetry>) -> Self {
        Self { firewall, store, telemetry, asked: Cell::new(None) }
    }

    /// Asks, unless another worker does.
    pub fn tick(&self) {
        let Some(sidecar) = &self.firewall.sidecar else { return };
        let (watch, now_us) = (sidecar.watch(&*self.store), host::now_us());
        if self.asked.get().is_some() {
            return watch.renew(now_us);
        }
        let Some(message) = watch.take(now_us) else { return };
        let patience = sidecar.timeout + Duration::from_millis(WAIT_MS.into());
        self.asked.set(call(sidecar, "Watch", &message, patience));
        if self.asked.get().is_none() {
            self.telemetry.watched(watch.settle(None, now_us));
        }
    }

    /// Takes the answer; false where it is one to something else.
    pub fn answered(&self, token: u32, status: u32, size: usize) -> bool {
        let Some(sidecar) = self.firewall.sidecar.as_ref().filter(|_| self.asked.get() == Some(token)) else {
            return false;
        };
        self.asked.set(None);
        let message = if status == 0 { host::call_answer(size) } else { None };
        let watched = sidecar.watch(&*self.store).settle(message.as_deref(), host::now_us());
        self.telemetry.watched(watched);
        if watched == Watched::Failed(1) {
            let line = format!("portcullis: the sidecar does not tell what has changed (gRPC status {status})");
            host::log(Level::Warn, &line);
        }
        true
    }
}

/// Asks whether a call may go on; the token of the answer, `None` where nobody can be asked.
pub fn admit(sidecar: &Sidecar, request: &AdmitRequest) -> Option<u32> {
    // While a person decides the sidecar holds the call; the time it may take beyond that is its own.
    let wait = request.approval.as_ref().map_or(0, |approval| approval.wait_ms);
    call(sidecar, "Admit", &request.encode(), sidecar.timeout + Duration::from_millis(wait.into()))
}

fn call(sidecar: &Sidecar, method: &str, message: &[u8], timeout: Duration) -> Option<u32> {
    host::call(&sidecar.cluster, method, sidecar.authorization().as_deref(), message, timeout)
}

/// How often a worker looks whether records wait, and whether somebody hears what the sidecar tells.
pub const TICK: Duration = Duration::from_millis(200);
const AT_ONCE: Duration = Duration::from_millis(1);
