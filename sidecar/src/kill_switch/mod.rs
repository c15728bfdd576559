//! Kill switches: what is stopped at every filter, whatever policy says, until somebody lets it go on.

pub(crate) mod command;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::action::{Action, new_record};
use crate::store::{ItemKind, StoreError, Tenant, Tx};
use crate::{clock, proto, secret_file};

/// A kill switch that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    pub(crate) id: String,
    /// It is for all tenants; kept with the default one.
    pub(crate) all_tenants: bool,
    /// Globs; each empty where it does not matter.
    pub(crate) server: String,
    pub(crate) tool: String,
    pub(crate) principal: String,
    /// For callers, in a sentence.
    pub(crate) reason: String,
    /// Microseconds since the Unix epoch.
    pub(crate) since: u64,
    pub(crate) by: String,
    /// When it ends by itself.
    pub(crate) expires: Option<u64>,
}

impl Stop {
    /// As filters are told.
    pub(crate) fn told(&self, tenant: &Tenant) -> proto::Stop {
        proto::Stop {
            id: self.id.clone(),
            tenant: if self.all_tenants { String::new() } else { tenant.as_str().to_owned() },
            server: self.server.clone(),
            tool: self.tool.clone(),
            principal: self.principal.clone(),
            reason: self.reason.clone(),
            expires_us: self.expires.unwrap_or_default(),
        }
    }
}

/// A new id: 40 random bits, which people can read to each other.
pub(crate) fn new_id() -> Result<String, StoreError> {
    let mut id = secret_file::random().map_err(|_| StoreError::Closed)?;
    id.truncate(10);
    Ok(id)
}

/// Switches it on. False: so many are on that there is no room for one more.
pub(crate) fn on(tx: &mut dyn Tx, stop: &Stop) -> Result<bool, StoreError> {
    if list(tx)?.len() >= MAX_STOPS {
        return Ok(false);
    }
    record(tx, Action::KillSwitchOn, &stop.by, stop)?;
    let body = serde_json::to_string(stop).map_err(|error| StoreError::Database(error.to_string()))?;
    tx.put(ItemKind::Stop, &stop.id, &body)?;
    Ok(true)
}

/// Switches it off; `None`: there is none of this id that `may` be.
pub(crate) fn off(
    tx: &mut dyn Tx,
    id: &str,
    person: &str,
    may: impl FnOnce(&Stop) -> bool,
) -> Result<Option<Stop>, StoreError> {
    let Some(stop) = tx.item(ItemKind::Stop, id)?.map(|body| read(&body)).transpose()?.filter(may) else {
        return Ok(None);
    };
    record(tx, Action::KillSwitchOff, person, &stop)?;
    tx.remove(ItemKind::Stop, id)?;
    Ok(Some(stop))
}

/// Those that are on, by id.
pub(crate) fn list(tx: &mut dyn Tx) -> Result<Vec<Stop>, StoreError> {
    tx.items(ItemKind::Stop, "", MAX_STOPS as u64)?.iter().map(|(_, body)| read(body)).collect()
}

/// Removes those whose time is over. Filters know that time themselves.
pub(crate) fn expire(tx: &mut dyn Tx) -> Result<(), StoreError> {
    let now = tx.now();
    for stop in list(tx)?.into_iter().filter(|stop| stop.expires.is_some_and(|expires| expires <= now)) {
        record(tx, Action::KillSwitchExpired, "portcullis", &stop)?;
        tx.remove(ItemKind::Stop, &stop.id)?;
    }
    Ok(())
}

fn record(tx: &mut dyn Tx, action: Action, actor: &str, stop: &Stop) -> Result<(), StoreError> {
    let details = json!({"kill_switch": stop.id, "all_tenants": stop.all_tenants, "server": stop.server,
        "tool": stop.tool, "principal": stop.principal, "reason": stop.reason,
        "expires": stop.expires.map(clock::rfc3339)});
    tx.record(new_record(action, actor, tx.now(), details).map_err(|_| StoreError::Closed)?)
}

fn read(body: &str) -> Result<Stop, StoreError> {
    serde_json::from_str(body)
        .map_err(|_| StoreError::Database("a kill switch has not the form that it was written in".to_owned()))
}

/// Of one tenant: every call is compared with all of them.
pub(crate) const MAX_STOPS: usize = 256;
