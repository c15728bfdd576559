//! Sends rows to sinks. A sink that does not take them stops nobody: it is tried again, later each time, and catches up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::{Shared, ended, say};
use crate::audit::action::Action;
use crate::secret_file;
use crate::sinks::{Event, NotTaken, Sink, position};
use crate::store::{Filter, StoreError, StoredRow, Tenant};

/// What is told of sinks in `/metrics`.
#[derive(Default)]
pub(super) struct Progress(Mutex<BTreeMap<&'static str, Sent>>);

/// Of one sink.
#[derive(Clone, Default)]
pub(super) struct Sent {
    /// Rows that were taken.
    pub(super) taken: u64,
    /// Rows that the receiver refused or threw away.
    pub(super) refused: u64,
    /// Tries in vain.
    pub(super) failures: u64,
    /// The last try was in vain.
    pub(super) failing: bool,
    /// By tenant: the place of the last row that was taken, and how many come behind it.
    pub(super) places: BTreeMap<String, (u64, u64)>,
}

impl Progress {
    fn update(&self, sink: &'static str, change: impl FnOnce(&mut Sent)) {
        if let Ok(mut all) = self.0.lock() {
            change(all.entry(sink).or_default());
        }
    }

    /// Of each sink, by name.
    pub(super) fn all(&self) -> BTreeMap<&'static str, Sent> {
        self.0.lock().map(|all| all.clone()).unwrap_or_default()
    }
}

/// Why a round ended early.
enum Stopped {
    Store(StoreError),
    NotTaken(&'static str),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sends until the sidecar ends.
pub(super) async fn keep(shared: Arc<Shared>, sink: Sink) {
    let Ok(mut by) = secret_file::random() else { return };
    by.truncate(16);
    let (name, mut failures) = (sink.name(), 0_u32);
    let (sink, by) = (Arc::new(sink), Arc::<str>::from(by));
    shared.progress.update(name, |_| {});
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause(failures)) => {}
            () = ended(shared.ending.clone()) => return,
        }
        let (here, sink, by) = (Arc::clone(&shared), Arc::clone(&sink), Arc::clone(&by));
        let Ok(outcome) = tokio::task::spawn_blocking(move || round(&here, &sink, &by)).await else { return };
        let (before, why) = (failures, outcome.err());
        failures = if why.is_some() { failures.saturating_add(1) } else { 0 };
        let here = Arc::clone(&shared);
        let told = tokio::task::spawn_blocking(move || tell(&here, name, before, why));
        if told.await.is_err() {
            return;
        }
    }
}

/// Says and records that a sink does not take rows, and that it does again; each once.
fn tell(shared: &Shared, sink: &'static str, before: u32, why: Option<Stopped>) {
    shared.progress.update(sink, |sent| {
        sent.failing = why.is_some();
        sent.failures += u64::from(why.is_some());
    });
    let (action, line, details) = match (before, why) {
        (0, None) => return,
        (0, Some(Stopped::NotTaken(why))) => {
            (Action::SinkFailed, format!("the sink {sink} fails: {why}"), json!({"sink": sink, "note": why}))
        }
        (_, Some(Stopped::NotTaken(_))) => return,
        (_, Some(Stopped::Store(error))) => {
            shared.metrics.store_errors.add(1);
            if before == 0 {
                say(&format!("portcullis serve: the sink {sink} cannot be told: {error}"));
            }
            return;
        }
        (_, None) => (
            Action::SinkRecovered,
            format!("the sink {sink} takes rows again"),
            json!({"sink": sink, "failures": before}),
        ),
    };
    say(&format!("portcullis serve: {line}"));
    shared.record(action, details);
}

/// Sends what each tenant's chain has behind the sink's position.
fn round(shared: &Shared, sink: &Sink, by: &str) -> Result<(), Stopped> {
    for tenant in shared.store.tenants()? {
        while catch_up(shared, sink, by, &tenant)? {
            if *shared.ending.borrow() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Sends one batch. True: there may be more.
fn catch_up(shared: &Shared, sink: &Sink, by: &str, tenant: &Tenant) -> Result<bool, Stopped> {
    let name = sink.name();
    let scope = shared.store.tenant(tenant);
    let Some(end) = scope.end()? else { return Ok(false) };
    let known = shared.store.read(tenant, |tx| position::read(tx, name))?.seq;
    let behind = note(shared, name, tenant, known, end);
    if behind == 0 {
        return Ok(false);
    }
    let of = by.to_owned();
    let Some(claimed) = shared.store.write(tenant, move |tx| position::claim(tx, name, &of))? else { return Ok(false) };
    let rows = scope.query(&Filter { after: claimed.seq, oldest_first: true, limit: BATCH, ..Filter::default() })?;
    let sent = send(shared, sink, tenant, rows.get(..within(&rows)).unwrap_or_default());
    let (taken, outcome) = match sent {
        Ok(taken) => (taken, Ok(())),
        Err((taken, why)) => (taken, Err(why)),
    };
    let of = by.to_owned();
    let moved = shared.store.write(tenant, move |tx| position::advance(tx, name, &of, taken))?;
    if moved && taken.is_some() {
        note(shared, name, tenant, taken, end);
    }
    outcome.map_err(Stopped::NotTaken)?;
    Ok(moved && taken.is_some())
}

/// How many rows are sent together: no more than a receiver takes at once.
fn within(rows: &[StoredRow]) -> usize {
    let mut bytes = 0;
    rows.iter()
        .take_while(|row| {
            bytes += row.record.len();
            bytes <= MAX_BYTES
        })
        .count()
        .max(1)
        .min(rows.len())
}

/// Sends rows, fewer at a time where the receiver refuses them, until it is known which one it refuses: that one is left out, and
/// a row of the chain says so. Returns the place of the last one that is settled.
fn send(
    shared: &Shared,
    sink: &Sink,
    tenant: &Tenant,
    rows: &[StoredRow],
) -> Result<Option<u64>, (Option<u64>, &'static str)> {
    let (mut rest, mut at_once, mut taken) = (rows, rows.len(), None);
    while !rest.is_empty() {
        let (now, later) = rest.split_at_checked(at_once.clamp(1, rest.len())).unwrap_or((rest, &[]));
        let events: Vec<_> = now.iter().map(|row| Event::new(tenant, row)).collect();
        let last = now.last().map(|row| row.seq);
        match sink.send(&events, shared.credentials.outgoing()) {
            Ok(refused) => {
                (taken, rest) = (last, later);
                shared.progress.update(sink.name(), |sent| {
                    sent.taken += (now.len() as u64).saturating_sub(refused);
                    sent.refused += refused;
                });
            }
            Err(NotTaken::Ever(_)) if now.len() > 1 => at_once = now.len() / 2,
            Err(NotTaken::Ever(why)) => {
                (taken, rest) = (last, later);
                shared.progress.update(sink.name(), |sent| sent.refused += 1);
                // Were it recorded that a row about a refusal was refused, there would be no end of it.
                if events.iter().all(|event| event.text("action") != Action::SinkRefused.as_str()) {
                    let details = json!({"sink": sink.name(), "of": tenant.as_str(), "row": last, "note": why});
                    shared.record(Action::SinkRefused, details);
                }
            }
            Err(NotTaken::Now(why)) => return Err((taken, why)),
        }
    }
    Ok(taken)
}

/// Notes where a sink is. Returns how many rows it is behind.
fn note(shared: &Shared, sink: &'static str, tenant: &Tenant, seq: Option<u64>, end: u64) -> u64 {
    let behind = seq.map_or(end + 1, |seq| end.saturating_sub(seq));
    shared.progress.update(sink, |sent| {
        sent.places.insert(tenant.as_str().to_owned(), (seq.unwrap_or_default(), behind));
    });
    behind
}

/// How long to wait before the next round.
fn pause(failures: u32) -> Duration {
    STEP.saturating_mul(2_u32.saturating_pow(failures)).min(MAX_PAUSE)
}

/// How often it looks for rows.
const STEP: Duration = Duration::from_millis(500);
/// The longest it waits for a sink that fails.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Rows that are sent together, and their bytes.
const BATCH: u64 = 500;
const MAX_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests;
