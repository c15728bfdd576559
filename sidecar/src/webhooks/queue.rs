//! What is still to be told: kept as items beside what it tells of, in the same transaction, so that nothing is lost.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Event, Hook};
use crate::audit::action::{Action, new_record};
use crate::store::{ItemKind, StoreError, Tx};

/// One message to one webhook. Receivers know it by its id, however often it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) webhook: String,
    pub(crate) event: Event,
    pub(crate) approval: String,
    /// When it came about, microseconds since the Unix epoch.
    pub(crate) time: u64,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Not before.
    pub(crate) next: u64,
}

/// Adds what `hooks` are to be told of.
pub(crate) fn add(tx: &mut dyn Tx, hooks: &[Hook], event: Event, approval: &str) -> Result<(), StoreError> {
    let tenant = tx.tenant().as_str().to_owned();
    for hook in hooks.iter().filter(|hook| hook.wants(&tenant, event)) {
        let mut random = crate::secret_file::random().map_err(|_| StoreError::Closed)?;
        random.truncate(16);
        let time = tx.now();
        let delivery = Delivery {
            webhook: hook.name.clone(),
            event,
            approval: approval.to_owned(),
            time,
            attempts: 0,
            next: time,
        };
        // In the order of time.
        tx.put(ItemKind::Delivery, &format!("{time:016x}.{random}"), &json!(delivery).to_string())?;
    }
    Ok(())
}

/// What was taken on.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    /// By their ids.
    pub(crate) deliveries: Vec<(String, Delivery)>,
    /// When there is more to do, microseconds since the Unix epoch.
    pub(crate) more: Option<u64>,
}

/// Takes on what is due: nobody else tries it for a while.
pub(crate) fn claim(tx: &mut dyn Tx) -> Result<Claimed, StoreError> {
    let Claimed { deliveries: mut claimed, mut more } = Claimed::default();
    let mut after = String::new();
    loop {
        let items = tx.items(ItemKind::Delivery, &after, PAGE)?;
        let Some((last, _)) = items.last() else { break };
        after.clone_from(last);
        for (id, body) in items {
            let Ok(mut delivery) = serde_json::from_str::<Delivery>(&body) else {
                tx.remove(ItemKind::Delivery, &id)?;
                continue;
            };
            if delivery.next <= tx.now() && claimed.len() < MAX_AT_ONCE {
                delivery.attempts = delivery.attempts.saturating_add(1);
                delivery.next = tx.now().saturating_add(LEASE_US);
                tx.put(ItemKind::Delivery, &id, &json!(delivery).to_string())?;
                claimed.push((id, delivery));
            } else {
                more = Some(more.map_or(delivery.next, |more| more.min(delivery.next)));
            }
        }
    }
    Ok(Claimed { deliveries: claimed, more })
}

/// Notes what a try came to: `reason` is why it was in vain, without content. Returns when it is tried again.
pub(crate) fn settle(
    tx: &mut dyn Tx,
    id: &str,
    delivery: &Delivery,
    outcome: Result<(), &str>,
) -> Result<Option<u64>, StoreError> {
    let mut details = json!({"webhook": delivery.webhook, "approval_id": delivery.approval,
        "event": delivery.event.as_str(), "attempts": delivery.attempts});
    let action = match outcome {
        Ok(()) => Action::WebhookDelivered,
        Err(_) if delivery.attempts < MAX_ATTEMPTS => {
            let next = tx.now().saturating_add(pause(delivery.attempts));
            tx.put(ItemKind::Delivery, id, &json!(Delivery { next, ..delivery.clone() }).to_string())?;
            return Ok(Some(next));
        }
        Err(reason) => {
            if let Some(details) = details.as_object_mut() {
                details.insert("note".to_owned(), reason.into());
            }
            Action::WebhookFailed
        }
    };
    tx.remove(ItemKind::Delivery, id)?;
    tx.record(new_record(action, "portcullis", tx.now(), details).map_err(|_| StoreError::Closed)?)?;
    Ok(None)
}

/// How long to wait after that many tries: 2 s, then four times as long each, half an hour at most.
fn pause(attempts: u32) -> u64 {
    let seconds = 2_u64.saturating_mul(4_u64.saturating_pow(attempts.saturating_sub(1))).min(1800);
    seconds * 1_000_000
}

/// Tries, over two hours.
const MAX_ATTEMPTS: u32 = 9;
/// Longer than a try takes.
const LEASE_US: u64 = 60_000_000;
/// Deliveries of a tenant that are tried together.
const MAX_AT_ONCE: usize = 32;
const PAGE: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<_> = (1..MAX_ATTEMPTS).map(|attempts| pause(attempts) / 1_000_000).collect();
        assert_eq!(pauses, [2, 8, 32, 128, 512, 1800, 1800, 1800]);
    }
}
