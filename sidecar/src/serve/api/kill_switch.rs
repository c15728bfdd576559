//! `/api/v1/kill-switch`: what is stopped at every filter.

use portcullis_engine::policy::Glob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::caller::Caller;
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::{ById, NO_CONTROLS, Name};
use crate::clock;
use crate::kill_switch::{self, Stop};
use crate::store::Tenant;

/// What to stop: what fits all that is named.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    /// Glob of servers' names.
    pub(crate) server: Option<Name>,
    /// Glob of tools' names; without it everything that a client may send is stopped.
    pub(crate) tool: Option<Name>,
    /// Glob of principals' ids.
    pub(crate) principal: Option<Name>,
    /// Said where nothing is named: all that the tenant does.
    #[serde(default)]
    pub(crate) everything: bool,
    /// Of every tenant; takes a token for all of them.
    #[serde(default)]
    pub(crate) all_tenants: bool,
    /// For callers, in a sentence.
    #[schemars(length(min = 1, max = 500), regex(pattern = NO_CONTROLS))]
    pub(crate) reason: String,
    /// Seconds until it ends by itself, at most a year.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub(crate) expires_in: Option<u64>,
}

/// Kill switches that are on for a tenant.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stops {
    pub(crate) kill_switches: Vec<Described>,
}

/// A kill switch that is on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KillSwitch")]
pub(crate) struct Described {
    /// The rule that refuses is `kill_switch:` and this.
    pub(crate) id: String,
    pub(crate) all_tenants: bool,
    /// Empty: any, as the others.
    pub(crate) server: String,
    /// Empty: everything that a client may send.
    pub(crate) tool: String,
    pub(crate) principal: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    pub(crate) by: String,
    /// Null: it does not end by itself.
    pub(crate) expires: Option<String>,
}

pub(crate) async fn list(call: Call) -> Result<Stops, Refusal> {
    let (store, tenant) = (call.shared.store.clone(), call.tenant);
    blocking(move || {
        let mut all = store.read(&tenant, kill_switch::list)?;
        let everybodys = everybodys()?;
        if tenant != everybodys {
            all.extend(store.read(&everybodys, kill_switch::list)?.into_iter().filter(|stop| stop.all_tenants));
        }
        Ok(Stops { kill_switches: all.iter().map(Described::of).collect() })
    })
    .await
}

pub(crate) async fn on(call: Call<Nothing, Nothing, New>) -> Result<Created<Described>, Refusal> {
    let Call { caller, shared, tenant, body: new, .. } = call;
    let of = |name: Option<Name>| name.map(|name| name.0).unwrap_or_default();
    let globs = [of(new.server), of(new.tool), of(new.principal)];
    if globs.iter().any(|glob| Glob::new(glob).is_err()) {
        return Err(Refusal::invalid("in a pattern `\\` must stand before `*`, `?` or `\\`"));
    }
    if globs.iter().all(String::is_empty) != new.everything {
        return Err(Refusal::invalid("name a server, a tool or a principal, or say `everything` in place of them"));
    }
    let characters = new.reason.chars().count();
    if new.reason.trim().is_empty() || characters > 500 || new.reason.chars().any(char::is_control) {
        return Err(Refusal::invalid("a reason has 1 to 500 characters, none of them a control character"));
    }
    if new.expires_in.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
        return Err(Refusal::invalid("expires_in is 1 to 31536000 seconds"));
    }
    if new.all_tenants && !is_of_all(&caller) {
        return Err(Refusal::Forbidden("the token is for one tenant".to_owned()));
    }
    let tenant = if new.all_tenants { everybodys()? } else { tenant };
    let ([server, tool, principal], now) = (globs, clock::now());
    let expires = new.expires_in.map(|seconds| now.saturating_add(seconds * 1_000_000));
    let stop = Stop {
        id: kill_switch::new_id()?,
        all_tenants: new.all_tenants,
        server,
        tool,
        principal,
        reason: new.reason,
        since: now,
        by: caller.0.person,
        expires,
    };
    blocking(move || {
        let kept = stop.clone();
        match shared.store.write(&tenant, move |tx| kill_switch::on(tx, &kept))? {
            true => Ok(Created(Described::of(&stop))),
            false => Err(Refusal::Conflict(format!("{} are on already", kill_switch::MAX_STOPS))),
        }
    })
    .await
}

pub(crate) async fn off(call: Call<ById>) -> Result<Described, Refusal> {
    let Call { caller, shared, tenant, path, .. } = call;
    blocking(move || {
        let of_all = is_of_all(&caller);
        let off = |tenant: &Tenant| {
            let (id, person) = (path.id.0.clone(), caller.0.person.clone());
            let may = move |stop: &Stop| of_all || !stop.all_tenants;
            shared.store.write(tenant, move |tx| kill_switch::off(tx, &id, &person, may))
        };
        let mut gone = off(&tenant)?;
        if gone.is_none() && of_all {
            gone = off(&everybodys()?)?;
        }
        gone.as_ref().map(Described::of).ok_or(Refusal::NotFound)
    })
    .await
}

impl Described {
    fn of(stop: &Stop) -> Self {
        let Stop { id, all_tenants, server, tool, principal, reason, since, by, expires } = stop.clone();
        let (since, expires) = (clock::rfc3339(since), expires.map(clock::rfc3339));
        Self { id, all_tenants, server, tool, principal, reason, since, by, expires }
    }
}

fn is_of_all(caller: &Caller) -> bool {
    caller.0.tenant.is_empty()
}

/// Where what is for all tenants is kept.
fn everybodys() -> Result<Tenant, Refusal> {
    Tenant::new(Tenant::DEFAULT).ok_or(Refusal::NotFound)
}

const MAX_SECONDS: u64 = 31_536_000;
