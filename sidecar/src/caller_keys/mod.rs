//! Keys by which callers are known at every filter: people, agents, services and workflows. Only the SHA-256 of a key is kept,
//! and filters are told that.

pub(crate) mod command;

use portcullis_engine::sidecar::KEY_PREFIX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::action::{Action, new_record};
use crate::audit::{hex, unhex};
use crate::mfa::kept::Kind;
use crate::store::{ItemKind, NewRecord, StoreError, Tenant, Tx};
use crate::{clock, proto, secret_file, tokens};

/// A key, without itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallerKey {
    pub(crate) id: String,
    /// What it begins with, so that somebody who has it can say which one it is.
    pub(crate) prefix: String,
    /// Of the whole key, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) grant: Grant,
    /// Microseconds since the Unix epoch.
    pub(crate) created: u64,
    pub(crate) created_by: String,
    /// When it ends by itself.
    pub(crate) expires: Option<u64>,
}

/// Whose it is, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) kind: Kind,
    pub(crate) principal: String,
    pub(crate) roles: Vec<String>,
    pub(crate) teams: Vec<String>,
    pub(crate) agent: String,
    /// Globs; none: all.
    pub(crate) servers: Vec<String>,
    pub(crate) tools: Vec<String>,
}

impl CallerKey {
    /// A new one, and the key itself, which is in no other place: the prefix and 256 random bits.
    pub(crate) fn new(grant: Grant, by: &str, now: u64, expires: Option<u64>) -> Result<(Self, String), StoreError> {
        let random = || secret_file::random().map_err(|_| StoreError::Closed);
        let (mut id, secret) = (random()?, random()?);
        id.truncate(10);
        let secret = format!("{KEY_PREFIX}{secret}");
        let prefix = secret.chars().take(KEY_PREFIX.len() + 6).collect();
        let sha256 = hex(&tokens::hash(&secret));
        Ok((Self { id, prefix, sha256, grant, created: now, created_by: by.to_owned(), expires }, secret))
    }

    /// As filters are told; `None` once it has ended.
    pub(crate) fn told(&self, tenant: &Tenant, now: u64) -> Option<proto::CallerKey> {
        let sha256 = unhex::<32>(&self.sha256)?.to_vec();
        let Grant { kind, principal, roles, teams, agent, servers, tools } = self.grant.clone();
        let (kind, id) = (kind.as_str().to_owned(), principal);
        self.expires.is_none_or(|expires| now < expires).then(|| proto::CallerKey {
            id: self.id.clone(),
            sha256,
            tenant: tenant.as_str().to_owned(),
            principal: Some(proto::Principal { kind, id, roles, teams, agent }),
            servers,
            tools,
            expires_us: self.expires.unwrap_or_default(),
        })
    }
}

/// Keeps a key. False: there are so many that there is no room for one more.
pub(crate) fn create(tx: &mut dyn Tx, key: &CallerKey) -> Result<bool, StoreError> {
    if list(tx, "", MAX_KEYS)?.len() as u64 >= MAX_KEYS {
        return Ok(false);
    }
    record(tx, Action::KeyCreated, &key.created_by, key)?;
    let body = serde_json::to_string(key).map_err(|error| StoreError::Database(error.to_string()))?;
    tx.put(ItemKind::CallerKey, &key.id, &body)?;
    Ok(true)
}

/// Removes a key; `None`: there is none of this id.
pub(crate) fn revoke(tx: &mut dyn Tx, id: &str, person: &str) -> Result<Option<CallerKey>, StoreError> {
    let Some(key) = tx.item(ItemKind::CallerKey, id)?.map(|body| read(&body)).transpose()? else { return Ok(None) };
    record(tx, Action::KeyRevoked, person, &key)?;
    tx.remove(ItemKind::CallerKey, id)?;
    tx.remove(ItemKind::KeyUse, id)?;
    Ok(Some(key))
}

/// Those behind an id, by id.
pub(crate) fn list(tx: &mut dyn Tx, after: &str, limit: u64) -> Result<Vec<CallerKey>, StoreError> {
    tx.items(ItemKind::CallerKey, after, limit)?.iter().map(|(_, body)| read(body)).collect()
}

/// When a key was used last, RFC 3339, give or take a minute.
pub(crate) fn last_use(tx: &mut dyn Tx, id: &str) -> Result<Option<String>, StoreError> {
    tx.item(ItemKind::KeyUse, id)
}

/// Takes from records which keys were used, in the transaction that keeps the records.
pub(crate) fn observe(tx: &mut dyn Tx, records: &[NewRecord]) -> Result<(), StoreError> {
    for record in records.iter().filter(|record| record.record.contains("\"key_id\":")) {
        let Ok(value) = serde_json::from_str::<Value>(&record.record) else { continue };
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let (Some(id), Some(time)) = (text("key_id"), text("time").filter(|time| time.len() >= MINUTE)) else {
            continue;
        };
        let minute = |time: &str| time.get(..MINUTE).map(str::to_owned);
        let known = last_use(tx, id)?;
        // Within a minute nothing is written: keys are used all the time.
        let newer = known.as_deref().is_none_or(|known| minute(known) < minute(time));
        if newer && tx.item(ItemKind::CallerKey, id)?.is_some() {
            tx.put(ItemKind::KeyUse, id, time)?;
        }
    }
    Ok(())
}

fn record(tx: &mut dyn Tx, action: Action, actor: &str, key: &CallerKey) -> Result<(), StoreError> {
    let details = json!({"caller_key": key.id, "prefix": key.prefix, "grant": key.grant,
        "expires": key.expires.map(clock::rfc3339)});
    tx.record(new_record(action, actor, tx.now(), details).map_err(|_| StoreError::Closed)?)
}

fn read(body: &str) -> Result<CallerKey, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("a key has not the form that it was written in".to_owned()))
}

/// Of one tenant: filters are told all of them, some 200 bytes each.
pub(crate) const MAX_KEYS: u64 = 10_000;
/// Characters of a time up to the minute.
const MINUTE: usize = "2026-11-21T00:00".len();
