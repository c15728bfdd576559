//! Tells those who wait for an approval that it has moved on. The store is what counts, and tells what other replicas do.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::store::Tenant;

/// Who waits for what. A channel per approval, so that a decision wakes nobody else.
#[derive(Default)]
pub(super) struct Hub {
    waiting: Mutex<HashMap<(Tenant, String), watch::Sender<()>>>,
}

/// Resolves once the approval has moved on.
pub(super) struct Ticket(watch::Receiver<()>);

impl Hub {
    /// From now on nothing is missed; ask the store after this.
    pub(super) fn wait(&self, tenant: &Tenant, id: &str) -> Ticket {
        let Ok(mut waiting) = self.waiting.lock() else { return Ticket(watch::channel(()).1) };
        if waiting.len() >= SWEEP && waiting.len().is_multiple_of(SWEEP) {
            waiting.retain(|_, sender| sender.receiver_count() > 0);
        }
        let sender = waiting.entry((tenant.clone(), id.to_owned())).or_insert_with(|| watch::channel(()).0);
        Ticket(sender.subscribe())
    }

    /// Wakes all who wait for it.
    pub(super) fn tell(&self, tenant: &Tenant, id: &str) {
        if let Ok(mut waiting) = self.waiting.lock() {
            // Dropping the sender wakes the receivers.
            waiting.remove(&(tenant.clone(), id.to_owned()));
        }
    }

    /// Wakes all who wait for anything.
    pub(super) fn tell_all(&self) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.clear();
        }
    }
}

impl Ticket {
    pub(super) async fn told(&mut self) {
        let _ = self.0.changed().await;
    }
}

/// Approvals after which those are forgotten that nobody waits for any more.
const SWEEP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_missed_after_the_ticket() {
        let (hub, tenant) = (Hub::default(), Tenant::new("").unwrap());
        let (mut first, mut second, mut other) =
            (hub.wait(&tenant, "a"), hub.wait(&tenant, "a"), hub.wait(&tenant, "b"));
        hub.tell(&tenant, "a");
        first.told().await;
        second.told().await;
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), other.told()).await;
        assert!(waited.is_err());
    }
}
