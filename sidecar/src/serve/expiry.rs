//! Ends approvals whose time is over, and tells who waits.

use std::sync::Arc;
use std::time::Duration;

use super::{Shared, ended, say};
use crate::clock;
use crate::store::Expired;

pub(super) async fn keep(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            () = ended(shared.ending.clone()) => return,
        }
        let store = Arc::clone(&shared.store);
        match tokio::task::spawn_blocking(move || store.expire(clock::now())).await {
            Ok(Expired { ended, failed }) => {
                for (tenant, approval) in &ended {
                    shared.hub.tell(tenant, &approval.id);
                    shared.deliver.wake(tenant);
                }
                if let Some(error) = failed {
                    shared.metrics.store_errors.add(1);
                    say(&format!("portcullis serve: approvals cannot be ended: {error}"));
                }
            }
            Err(_) => return,
        }
    }
}

/// How often it looks. Those who wait look at their own approval's end themselves.
const STEP: Duration = Duration::from_secs(2);
