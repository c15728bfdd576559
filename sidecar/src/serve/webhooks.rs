//! Delivers what webhooks are to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::api::approvals::Summary;
use super::places::Places;
use super::{Shared, blocking, ended, say};
use crate::audit::hex;
use crate::credentials::outgoing::Outgoing;
use crate::failure::Failure;
use crate::store::{StoreError, Tenant};
use crate::webhooks::payload::Message;
use crate::webhooks::queue::{self, Claimed, Delivery};
use crate::webhooks::{Event, Hook};
use crate::{clock, sanitise, secret_file, tokens};

pub(super) use crate::webhooks::read;

/// Tells that there may be something to deliver.
#[derive(Default)]
pub(super) struct Deliver {
    tenants: Mutex<BTreeSet<Tenant>>,
    news: Notify,
}

impl Deliver {
    /// There may be something of this tenant.
    pub(super) fn wake(&self, tenant: &Tenant) {
        if let Ok(mut tenants) = self.tenants.lock() {
            tenants.insert(tenant.clone());
        }
        self.news.notify_one();
    }

    fn take(&self) -> BTreeSet<Tenant> {
        self.tenants.lock().map(|mut tenants| std::mem::take(&mut *tenants)).unwrap_or_default()
    }
}

/// Refuses webhooks that could not be told anything.
pub(super) fn check(hooks: &[Hook], outgoing: &Outgoing, places: &Places) -> Result<(), Failure> {
    for hook in hooks {
        let refuse = |what: String| Err(Failure::new(format!("webhook `{}`: {what}", hook.name)));
        if let Err(error) = outgoing.check(&hook.url) {
            return refuse(error.to_string());
        }
        if hook.decides_as.is_some() && !places.has_public() {
            return refuse("has `decides_as`, and links take --public-url".to_owned());
        }
    }
    Ok(())
}

/// Delivers until the sidecar ends. What was left at the last end is delivered first.
pub(super) async fn keep(shared: Arc<Shared>) {
    if shared.store.hooks().is_empty() {
        return;
    }
    // When there is something to do for a tenant, microseconds since the Unix epoch.
    let mut due: BTreeMap<Tenant, u64> = BTreeMap::new();
    let store = Arc::clone(&shared.store);
    match tokio::task::spawn_blocking(move || store.tenants()).await {
        Ok(Ok(tenants)) => due.extend(tenants.into_iter().map(|tenant| (tenant, 0))),
        Ok(Err(error)) => say(&format!("portcullis serve: what webhooks were to be told is not known: {error}")),
        Err(_) => return,
    }
    let mut rounds: JoinSet<(Tenant, Result<Option<u64>, StoreError>)> = JoinSet::new();
    let mut busy: BTreeSet<Tenant> = BTreeSet::new();
    loop {
        due.extend(shared.deliver.take().into_iter().map(|tenant| (tenant, 0)));
        let now = clock::now();
        let ready: Vec<_> = due
            .iter()
            .filter(|(tenant, at)| **at <= now && !busy.contains(tenant))
            .map(|(one, _)| one.clone())
            .collect();
        for tenant in ready {
            due.remove(&tenant);
            busy.insert(tenant.clone());
            let shared = Arc::clone(&shared);
            rounds.spawn(async move {
                let next = round(&shared, &tenant).await;
                (tenant, next)
            });
        }
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            () = shared.deliver.news.notified() => {}
            Some(done) = rounds.join_next() => {
                let Ok((tenant, next)) = done else { continue };
                busy.remove(&tenant);
                let next = next.unwrap_or_else(|error| {
                    shared.metrics.store_errors.add(1);
                    say(&format!("portcullis serve: webhooks cannot be told: {error}"));
                    Some(clock::now().saturating_add(AFTER_ERROR_US))
                });
                if let Some(at) = next {
                    let at = due.get(&tenant).map_or(at, |known| at.min(*known));
                    due.insert(tenant, at);
                }
            }
            () = ended(shared.ending.clone()) => return,
        }
    }
}

/// Delivers what is due of a tenant, all at once; returns when there is more to do.
async fn round(shared: &Arc<Shared>, tenant: &Tenant) -> Result<Option<u64>, StoreError> {
    let (store, of) = (Arc::clone(&shared.store), tenant.clone());
    let Claimed { deliveries, mut more } = blocking(move || store.write(&of, queue::claim)).await?;
    let mut tries = JoinSet::new();
    for (id, delivery) in deliveries {
        let (shared, tenant) = (Arc::clone(shared), tenant.clone());
        tries.spawn(blocking(move || {
            let outcome = attempt(&shared, &tenant, &id, &delivery)?;
            shared.store.write(&tenant, move |tx| queue::settle(tx, &id, &delivery, outcome))
        }));
    }
    while let Some(done) = tries.join_next().await {
        if let Some(at) = done.unwrap_or(Err(StoreError::Closed))? {
            more = Some(more.map_or(at, |more| more.min(at)));
        }
    }
    Ok(more)
}

/// One try. The inner error says why it was in vain.
fn attempt(
    shared: &Shared,
    tenant: &Tenant,
    id: &str,
    delivery: &Delivery,
) -> Result<Result<(), &'static str>, StoreError> {
    let Some(hook) = shared.store.hooks().iter().find(|hook| hook.name == delivery.webhook) else {
        return Ok(Err("the webhook is configured no more"));
    };
    let scope = shared.store.tenant(tenant);
    let Some(approval) = scope.approval(&delivery.approval)? else { return Ok(Err("the approval is gone")) };
    let mut decide = None;
    if let Some(token) = hook.decides_as.as_deref().filter(|_| delivery.event == Event::Requested) {
        // A link of its own for each try: of what was sent before nobody knows where it went.
        let secret = secret_file::random().map_err(|_| StoreError::Closed)?;
        let hash = hex(&tokens::hash(&secret));
        if scope.give_link(&approval.id, hash, &hook.name, token, clock::now())? {
            decide = shared.places.one_time(tenant, &approval.id, &secret);
        }
    }
    let mut shown = json!(Summary::of(&approval));
    let arguments = approval.ask.arguments.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let (Some(shown), Some(arguments)) = (shown.as_object_mut(), arguments) {
        shown.insert("arguments".to_owned(), arguments);
    }
    let shown = sanitise::value(&shown);
    let link = shared.places.approval(tenant, &approval.id);
    let message = Message {
        event: delivery.event,
        time: &clock::rfc3339(delivery.time),
        tenant: tenant.as_str(),
        approval: &shown,
        link: Some(link.as_str()).filter(|link| !link.is_empty()),
        decide: decide.as_deref(),
    };
    let body = message.body(hook.format).to_string();
    let seconds = clock::now() / 1_000_000;
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", &seconds.to_string()),
        ("webhook-signature", &hook.secret.sign(id, seconds, body.as_bytes())),
    ];
    Ok(match shared.credentials.outgoing().post(&hook.url, &headers, body.as_bytes()) {
        Ok(reply) if (200..300).contains(&reply.status) => Ok(()),
        Ok(reply) if reply.status == 410 => Err("the receiver is gone (410)"),
        Ok(_) => Err("the receiver did not accept it"),
        Err(_) => Err("the receiver did not answer"),
    })
}

/// How often it looks for what is due again.
const STEP: Duration = Duration::from_secs(1);
/// How long it waits after the store has failed.
const AFTER_ERROR_US: u64 = 5_000_000;
