//! Checkpoints by the clock and by the number of rows.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shared, ended, say};
use crate::clock;
use crate::store::{Store, StoreError, Tenant};

/// Signs checkpoints until the sidecar ends.
pub(super) async fn keep(shared: Arc<Shared>, rows: u64, every: Duration) {
    let mut signed: HashMap<Tenant, (u64, Instant)> = HashMap::new();
    let step = every.min(STEP);
    loop {
        tokio::select! {
            () = tokio::time::sleep(step) => {}
            () = ended(shared.ending.clone()) => return,
        }
        let store = Arc::clone(&shared.store);
        let mut known = std::mem::take(&mut signed);
        let done = tokio::task::spawn_blocking(move || {
            if let Err(error) = sign(&store, &mut known, rows, every) {
                say(&format!("portcullis serve: no checkpoint: {error}"));
            }
            known
        });
        signed = done.await.unwrap_or_default();
    }
}

fn sign(
    store: &Arc<Store>,
    signed: &mut HashMap<Tenant, (u64, Instant)>,
    rows: u64,
    every: Duration,
) -> Result<(), StoreError> {
    for tenant in store.tenants()? {
        let scope = store.tenant(&tenant);
        let Some(end) = scope.end()? else { continue };
        // A tenant seen for the first time since the start counts from here.
        let (last, at) = *signed.entry(tenant.clone()).or_insert_with(|| (end.saturating_sub(1), Instant::now()));
        if end <= last || (end - last < rows && at.elapsed() < every) {
            continue;
        }
        if let Some(checkpoint) = scope.checkpoint(clock::now())?
            && let Ok(line) = serde_json::to_string(&checkpoint)
        {
            // Standard output has nothing but checkpoints, for a collector of logs.
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
        signed.insert(tenant, (end, Instant::now()));
    }
    Ok(())
}

/// How often it looks.
const STEP: Duration = Duration::from_secs(5);
