//! What the sidecar was told at its start and at SIGHUP, remembered so that a change of it is a row of the chain.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Shared, say};
use crate::audit::action::{Action, new_record};
use crate::audit::hex;
use crate::store::{ItemKind, StoreError, Tenant, Tx};

/// Records what is not as it was when the sidecar last looked.
pub(super) fn at_start(shared: &Shared, sinks: &[&'static str]) {
    let hooks = shared.store.hooks();
    let names: Vec<_> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    // An address may be as good as a password.
    let configured: Vec<_> =
        hooks.iter().map(|hook| json!([hook.name, hex(&Sha256::digest(&hook.url)), hook.events])).collect();
    changed(shared, "webhooks", json!(configured), Action::WebhookConfigured, json!({"webhooks": names}));
    changed(shared, "sinks", json!(sinks), Action::SinkConfigured, json!({"sinks": sinks}));
    let version = shared.store.schema();
    changed(shared, "store", json!(version), Action::StoreMigrated, json!({"to": version}));
    if let Some(Ok(version)) =
        shared.policy.as_ref().map(|policy| policy.read().map(|told| told.policy_version.clone()))
    {
        policy(shared, &version);
    }
}

/// Records that the policy is another one.
pub(super) fn policy(shared: &Shared, version: &str) {
    changed(shared, "policy", json!(version), Action::PolicyChanged, json!({"to": version}));
}

fn changed(shared: &Shared, what: &'static str, now: Value, action: Action, details: Value) {
    let Some(tenant) = Tenant::new("") else { return };
    let done = shared.store.write(&tenant, move |tx| note(tx, what, &now, action, details));
    if let Err(error) = done {
        shared.metrics.store_errors.add(1);
        say(&format!("portcullis serve: {} is not recorded: {error}", action.as_str()));
    }
}

fn note(tx: &mut dyn Tx, what: &str, now: &Value, action: Action, mut details: Value) -> Result<(), StoreError> {
    let before: Option<Value> = tx.item(ItemKind::Seen, what)?.and_then(|body| serde_json::from_str(&body).ok());
    if before.as_ref() == Some(now) {
        return Ok(());
    }
    tx.put(ItemKind::Seen, what, &now.to_string())?;
    let nothing = now.as_array().is_some_and(Vec::is_empty) || action == Action::StoreMigrated;
    if before.is_none() && nothing {
        // There was nothing, and there is nothing; or the tables are as they were made.
        return Ok(());
    }
    if let (Some(details), Some(before)) = (details.as_object_mut(), before.filter(|before| !before.is_array())) {
        details.insert("from".to_owned(), before);
    }
    let time = tx.now();
    tx.record(new_record(action, "portcullis", time, details).map_err(|_| StoreError::Closed)?)
}
