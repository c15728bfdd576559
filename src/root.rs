//! The VM-wide context: it loads the configuration and makes a filter for each request.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_engine::firewall::Firewall;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::filter::Filter;
use crate::host::{self, Level};
use crate::shared::SharedData;
use crate::sidecar::{Delivery, TICK, Watcher};
use crate::telemetry::Telemetry;

/// What all requests of this VM share.
#[derive(Default)]
pub struct Root {
    firewall: Option<Arc<Firewall>>,
    delivery: Option<Rc<Delivery>>,
    watcher: Option<Watcher>,
    telemetry: Rc<Telemetry>,
    store: Arc<SharedData>,
    seed: u64,
    served: Cell<u64>,
}

impl Context for Root {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        if self.watcher.as_ref().is_some_and(|watcher| watcher.answered(token, status, size)) {
            return;
        }
        if let Some(delivery) = &self.delivery {
            delivery.answered(token, status, size);
        }
    }
}

impl RootContext for Root {
    /// Refusing the configuration keeps Envoy from starting, or from taking an update over xDS.
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = host::plugin_configuration(size).unwrap_or_default();
        let Some(key) = host::shared_random_key(HASH_KEY) else {
            host::log(Level::Critical, "portcullis: no random key could be made");
            return false;
        };
        // Part of the ids of records: two Envoys that start at once must not have the same.
        let Some(seed) = host::random() else {
            host::log(Level::Critical, "portcullis: no random number could be made");
            return false;
        };
        match Firewall::from_json(&configuration, key) {
            Ok(firewall) => {
                self.telemetry.loaded(&firewall);
                if firewall.sidecar.is_some() {
                    host::tick_every(TICK);
                }
                let firewall = Arc::new(firewall);
                let delivery = Delivery::new(firewall.clone(), self.store.clone(), self.telemetry.clone());
                self.delivery = Some(Rc::new(delivery));
                self.watcher = Some(Watcher::new(firewall.clone(), self.store.clone(), self.telemetry.clone()));
                self.firewall = Some(firewall);
                self.seed = seed;
                true
            }
            Err(error) => {
                host::log(Level::Critical, &format!("portcullis: the configuration was refused: {error}"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let firewall = self.firewall.clone()?;
        let delivery = self.delivery.clone()?;
        let served = self.served.get().wrapping_add(1);
        self.served.set(served);
        let unique = self.seed.wrapping_add(served);
        Some(Box::new(Filter::new(firewall, self.store.clone(), self.telemetry.clone(), delivery, unique)))
    }

    fn on_tick(&mut self) {
        if let Some(delivery) = &self.delivery {
            delivery.tick();
        }
        if let Some(watcher) = &self.watcher {
            watcher.tick();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Shared-data key of the random key for input hashes: one for all workers, so that their records agree.
const HASH_KEY: &str = "portcullis.hash_key";
