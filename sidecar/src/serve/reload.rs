//! What SIGHUP does: files that were named at the start are read again. What cannot be read stays as it was.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::api::Told;
use super::{Shared, ended, say};
use crate::audit::action::{Action, new_record};
use crate::clock;
use crate::config::Environment;
use crate::failure::Failure;
use crate::store::Tenant;

pub(super) async fn keep(shared: Arc<Shared>, policy: Option<PathBuf>, environment: Environment) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            signal = hangup.recv() => if signal.is_none() { return },
            () = ended(shared.ending.clone()) => return,
        }
        if let Some(tls) = shared.tls.clone() {
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(())) => {
                    say("portcullis serve: the certificates were read again");
                    note(&shared, Action::CertificateReloaded).await;
                }
                Ok(Err(failure)) => {
                    say(&format!("portcullis serve: the certificates stay as they were: {failure}"));
                    note(&shared, Action::CertificateRefused).await;
                }
                Err(_) => return,
            }
        }
        if let Some(path) = policy.clone() {
            let (here, environment) = (Arc::clone(&shared), environment.clone());
            let read = move || read_policy(&here, &path, &environment);
            match tokio::task::spawn_blocking(read).await {
                Ok(Ok(version)) => say(&format!("portcullis serve: the policy is {version} now")),
                Ok(Err(failure)) => {
                    say(&format!("portcullis serve: the policy stays as it was: {failure}"));
                    note(&shared, Action::PolicyRefused).await;
                }
                Err(_) => return,
            }
        }
    }
}

/// Why is in the log alone: it may quote the file.
async fn note(shared: &Arc<Shared>, action: Action) {
    let shared = Arc::clone(shared);
    let _ = tokio::task::spawn_blocking(move || shared.record(action, json!({}))).await;
}

fn read_policy(shared: &Shared, path: &std::path::Path, environment: &Environment) -> Result<String, Failure> {
    let told = Told::read(path, environment)?;
    let version = told.policy_version.clone();
    if let Some(tenant) = Tenant::new("") {
        let now = clock::now();
        let record = new_record(Action::PolicyRead, "portcullis", now, json!({"policy_version": version}))?;
        shared.store.tenant(&tenant).append(vec![record], now)?;
    }
    super::seen::policy(shared, &version);
    if let Some(Ok(mut policy)) = shared.policy.as_ref().map(|policy| policy.write()) {
        *policy = told;
    }
    Ok(version)
}
