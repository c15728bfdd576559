//! What filters have to know beside their configuration: made of what is kept, anew for the tenant of which something has
//! changed, and told to all that watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_engine::sidecar::{Deed, Stop, Told, Tool};
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tonic::Status;

use super::{Shared, ended, say};
use crate::audit::hex;
use crate::proto::{self, AdmitRequest, WatchRequest, WatchResponse};
use crate::store::{Store, StoreError, Tenant};
use crate::{caller_keys, catalogue, clock, kill_switch};

/// What filters are told, and who waits for it.
pub(super) struct Watching {
    state: watch::Sender<State>,
    /// What has to be looked at again.
    pending: Mutex<Pending>,
    poked: Notify,
}

#[derive(Clone, Default)]
struct State {
    /// What was known last; `None` before anything was read.
    current: Option<Arc<Current>>,
    /// Nothing newer is there.
    fresh: bool,
}

struct Current {
    revision: String,
    message: proto::Told,
    /// The same, as filters read it.
    told: Told,
}

struct Pending {
    all: bool,
    tenants: BTreeSet<Tenant>,
}

/// What one tenant adds.
#[derive(Default)]
struct Piece {
    stops: Vec<proto::Stop>,
    keys: Vec<proto::CallerKey>,
    pins: Vec<proto::Pin>,
    /// When something of it ends, microseconds since the Unix epoch.
    next_us: Option<u64>,
}

impl Default for Watching {
    fn default() -> Self {
        let pending = Pending { all: true, tenants: BTreeSet::new() };
        Self { state: watch::Sender::default(), pending: Mutex::new(pending), poked: Notify::new() }
    }
}

impl Watching {
    /// Something of this tenant has changed.
    pub(super) fn changed(&self, tenant: &Tenant) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.tenants.insert(tenant.clone());
        }
        self.poked.notify_one();
    }

    /// Anything may have changed.
    pub(super) fn unknown(&self) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.all = true;
        }
        self.poked.notify_one();
    }

    /// Answers a Watch.
    pub(super) async fn answer(&self, shared: &Shared, request: WatchRequest) -> Result<WatchResponse, Status> {
        let mut states = self.state.subscribe();
        let news = async {
            let state = states.wait_for(|state| state.news(&request.revision)).await;
            state.map(|state| state.clone()).map_err(|_| Status::unavailable("the sidecar is ending"))
        };
        let wait = Duration::from_millis(request.wait_ms.min(MAX_WAIT_MS).into());
        let state = tokio::select! {
            state = timeout(wait, news) => state.unwrap_or_else(|_| Ok(self.state.borrow().clone()))?,
            () = ended(shared.ending.clone()) => return Err(Status::unavailable("the sidecar is ending")),
        };
        let Some(current) = state.current.filter(|_| state.fresh) else {
            return Err(Status::unavailable("it is not known what has changed"));
        };
        let told = (current.revision != request.revision).then(|| current.message.clone());
        Ok(WatchResponse { revision: current.revision.clone(), told })
    }

    /// The kill switch that speaks against a call, as filters would say it.
    pub(super) async fn stop(&self, request: &AdmitRequest) -> Result<Option<Stop>, Status> {
        let mut states = self.state.subscribe();
        let known = timeout(FIRST, states.wait_for(|state| state.current.is_some())).await;
        let state = known.ok().and_then(Result::ok).map(|state| state.clone()).unwrap_or_default();
        let Some(current) = state.current else { return Err(Status::unavailable("the sidecar has just begun")) };
        Ok(current.stop(request))
    }

    /// Resolves when a kill switch speaks against a call.
    pub(super) async fn stopped(&self, request: &AdmitRequest) -> Stop {
        let mut states = self.state.subscribe();
        loop {
            let current = states.borrow_and_update().current.clone();
            if let Some(stop) = current.and_then(|current| current.stop(request)) {
                return stop;
            }
            if states.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn take(&self) -> Pending {
        let nothing = Pending { all: false, tenants: BTreeSet::new() };
        match self.pending.lock() {
            Ok(mut pending) => std::mem::replace(&mut *pending, nothing),
            Err(_) => Pending { all: true, ..nothing },
        }
    }

    fn publish(&self, pieces: &BTreeMap<Tenant, Piece>) -> Result<(), StoreError> {
        let stops = pieces.values().flat_map(|piece| piece.stops.iter().cloned()).collect();
        let keys = pieces.values().flat_map(|piece| piece.keys.iter().cloned()).collect();
        let pins = pieces.values().flat_map(|piece| piece.pins.iter().cloned()).collect();
        let message = proto::Told { stops, keys, pins };
        let bytes = message.encode_to_vec();
        let mut revision = hex(&Sha256::digest(&bytes));
        revision.truncate(32);
        let told = Told::decode(&bytes).map_err(|_| StoreError::Database("what is kept cannot be told".to_owned()))?;
        let current = Arc::new(Current { revision, message, told });
        self.state.send_if_modified(|state| {
            let same = state.fresh && state.current.as_ref().is_some_and(|known| known.revision == current.revision);
            *state = State { current: Some(current), fresh: true };
            !same
        });
        Ok(())
    }

    /// From now on nobody is told that what is known is the newest.
    fn doubt(&self) {
        self.state.send_if_modified(|state| std::mem::replace(&mut state.fresh, false));
    }
}

impl State {
    /// There is something to say to who knows `revision`.
    fn news(&self, revision: &str) -> bool {
        self.fresh && self.current.as_ref().is_some_and(|current| current.revision != revision)
    }
}

impl Current {
    fn stop(&self, request: &AdmitRequest) -> Option<Stop> {
        let (principal, call) = (request.principal.as_ref(), request.call.as_ref());
        let deed = Deed {
            tenant: &request.tenant,
            principal: Some(principal.map_or("", |principal| &principal.id)),
            server: call.map(|call| call.server.as_str()),
            tool: match call {
                Some(call) if call.method == "tools/call" => Tool::Named(&call.name),
                Some(_) => Tool::None,
                None => Tool::Any,
            },
        };
        self.told.stop(&deed, clock::now()).cloned()
    }
}

/// Keeps what is told up to date.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut pieces = BTreeMap::new();
    let mut failed = false;
    loop {
        let pending = shared.watching.take();
        let look = pending.all || !pending.tenants.is_empty();
        let store = Arc::clone(&shared.store);
        let work = tokio::task::spawn_blocking(move || {
            // That nothing was heard of changes says little where the database is away.
            let read = store.ready().and_then(|()| if look { read(&store, pending, &mut pieces) } else { Ok(()) });
            (pieces, read)
        });
        let Ok((kept, read)) = work.await else { return };
        pieces = kept;
        match read.and_then(|()| shared.watching.publish(&pieces)) {
            Ok(()) => failed = false,
            Err(error) => {
                shared.metrics.store_errors.add(1);
                shared.watching.doubt();
                shared.watching.unknown();
                if !std::mem::replace(&mut failed, true) {
                    say(&format!("portcullis serve: filters cannot be told what has changed: {error}"));
                }
            }
        }
        let next = pieces.iter().filter_map(|(tenant, piece)| Some((piece.next_us?, tenant.clone()))).min();
        let until = |time: u64| Duration::from_micros(time.saturating_sub(clock::now()));
        let wait = next.as_ref().map_or(STEP, |(time, _)| until(*time).clamp(PAUSE, STEP));
        tokio::select! {
            () = ended(shared.ending.clone()) => return,
            () = tokio::time::sleep(PAUSE), if failed => {}
            () = shared.watching.poked.notified(), if !failed => {}
            () = tokio::time::sleep(wait), if !failed => {}
        }
        if let Some((_, tenant)) = next.filter(|(time, _)| *time <= clock::now()) {
            shared.watching.changed(&tenant);
        }
    }
}

/// Reads what has to be looked at again.
fn read(store: &Store, pending: Pending, pieces: &mut BTreeMap<Tenant, Piece>) -> Result<(), StoreError> {
    let tenants = if pending.all {
        pieces.clear();
        store.tenants()?
    } else {
        pending.tenants.into_iter().collect()
    };
    for tenant in tenants {
        let mut stops = store.read(&tenant, kill_switch::list)?;
        let now = clock::now();
        if stops.iter().any(|stop| stop.expires.is_some_and(|expires| expires <= now)) {
            store.write(&tenant, kill_switch::expire)?;
            stops = store.read(&tenant, kill_switch::list)?;
        }
        let keys = store.read(&tenant, |tx| caller_keys::list(tx, "", caller_keys::MAX_KEYS))?;
        let ends = stops.iter().map(|stop| stop.expires).chain(keys.iter().map(|key| key.expires));
        let piece = Piece {
            next_us: ends.flatten().filter(|time| *time > now).min(),
            stops: stops.iter().map(|stop| stop.told(&tenant)).collect(),
            keys: keys.iter().filter_map(|key| key.told(&tenant, now)).collect(),
            pins: store.read(&tenant, |tx| catalogue::told(tx, MAX_PINS))?,
        };
        if piece.stops.is_empty() && piece.keys.is_empty() && piece.pins.is_empty() {
            pieces.remove(&tenant);
        } else {
            pieces.insert(tenant, piece);
        }
    }
    Ok(())
}

/// As `proto/` has them.
const MAX_WAIT_MS: u32 = 30_000;
const MAX_PINS: usize = 2000;
/// How long who asks at the very beginning waits for the first reading.
const FIRST: Duration = Duration::from_secs(1);
/// How often it is looked whether the database is there.
const STEP: Duration = Duration::from_secs(5);
/// Before a failed reading is tried again.
const PAUSE: Duration = Duration::from_millis(500);
