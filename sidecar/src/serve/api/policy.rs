//! `/api/v1/policy`: the policy that the sidecar was told, and the one that filters last recorded.

use std::path::Path;

use portcullis_engine::config::RuleConfig;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::blocking;
use super::endpoint::Call;
use super::refusal::Refusal;
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::policy::ranked;
use crate::serve::Shared;
use crate::store::{Filter, Tenant};

/// What is known of the policy.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Policies {
    /// The policy of `portcullis serve --policy`; null without one.
    pub(crate) told: Option<Told>,
    /// What the newest message was judged by; null where none is among the last rows.
    pub(crate) recorded: Option<Recorded>,
}

/// A policy, without what is nobody's business: keys, tokens, and how callers prove who they are.
#[derive(Clone, Serialize, JsonSchema)]
pub(crate) struct Told {
    /// SHA-256 of the canonical configuration, as records have it.
    pub(crate) policy_version: String,
    pub(crate) mode: String,
    /// What becomes of calls that no rule fits.
    pub(crate) default: String,
    pub(crate) environment: String,
    pub(crate) servers: Vec<String>,
    /// In the order in which they are tried, as the configuration has them.
    pub(crate) rules: Vec<Map<String, Value>>,
}

/// The version in the newest record.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Recorded {
    pub(crate) policy_version: String,
    pub(crate) time: String,
}

pub(super) async fn policy(call: Call) -> Result<Policies, Refusal> {
    known(&call.shared, &call.tenant).await
}

/// What is known of the policy of a tenant's calls.
pub(crate) async fn known(shared: &Shared, tenant: &Tenant) -> Result<Policies, Refusal> {
    let told = shared.policy.as_ref().and_then(|policy| policy.read().ok().map(|told| told.clone()));
    let scope = shared.store.tenant(tenant);
    let recorded = blocking(move || {
        let rows = scope.query(&Filter { limit: LOOKED_AT, ..Filter::default() })?;
        Ok(rows.iter().rev().find_map(|row| {
            let record: Value = serde_json::from_str(&row.record).ok()?;
            let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
            // Approvals name the version that asked for them, which may be an older one.
            record.get("direction")?;
            Some(Recorded { policy_version: text("policy_version")?, time: text("time")? })
        }))
    });
    Ok(Policies { told, recorded: recorded.await? })
}

impl Told {
    /// Reads and compiles the file, as a filter would.
    pub(crate) fn read(path: &Path, environment: &Environment) -> Result<Self, Failure> {
        let built = config::build(path, environment)?;
        let policy = built.firewall.policy.config();
        let word = |value: Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let rule = |rule: &&RuleConfig| match serde_json::to_value(rule) {
            Ok(Value::Object(members)) => Some(members),
            _ => None,
        };
        Ok(Self {
            policy_version: built.firewall.version().to_owned(),
            mode: word(json!(policy.mode)),
            default: word(json!(policy.default)),
            environment: policy.environment.clone(),
            servers: policy.servers.iter().map(|server| server.name.clone()).collect(),
            rules: ranked(policy).iter().filter_map(rule).collect(),
        })
    }
}

/// Newest rows among which a message is looked for.
const LOOKED_AT: u64 = 200;
