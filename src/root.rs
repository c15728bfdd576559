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
use crate::telemetry::Telemetry;

/// What all requests of this VM share.
#[derive(Default)]
pub struct Root {
    firewall: Option<Arc<Firewall>>,
    telemetry: Rc<Telemetry>,
    store: Arc<SharedData>,
    seed: u64,
    served: Cell<u64>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Refusing the configuration keeps Envoy from starting, or from taking an update over xDS.
    fn on_configure(&mut self, size: usize) -> bool {
        let configuration = host::plugin_configuration(size).unwrap_or_default();
        let Some(key) = host::shared_random_key(HASH_KEY) else {
            host::log(Level::Critical, "portcullis: no random key could be made");
            return false;
        };
        match Firewall::from_json(&configuration, key) {
            Ok(firewall) => {
                self.telemetry.loaded(&firewall);
                self.firewall = Some(Arc::new(firewall));
                self.seed = host::now_ns();
                true
            }
            Err(error) => {
                host::log(Level::Critical, &format!("portcullis: the configuration was refused: {error}"));
                false
            }
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let firewall = self.firewall.clone()?;
        let served = self.served.get().wrapping_add(1);
        self.served.set(served);
        let unique = self.seed ^ (u64::from(context_id) << 40) ^ served;
        Some(Box::new(Filter::new(firewall, self.store.clone(), self.telemetry.clone(), unique)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Shared-data key of the random key for input hashes: one for all workers, so that their records agree.
const HASH_KEY: &str = "portcullis.hash_key";
