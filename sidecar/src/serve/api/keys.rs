//! `/api/v1/keys`: keys by which callers are known at every filter.

use portcullis_engine::policy::Glob;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::endpoint::{Call, Created, Nothing};
use super::refusal::Refusal;
use super::types::{ById, Id, Limit, Name};
use crate::caller_keys::{self, CallerKey, Grant};
use crate::clock;
use crate::mfa::kept::Kind;
use crate::store::{StoreError, Tx};

/// Whose key to make, and what for.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewKey")]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    pub(crate) kind: Kind,
    /// The id that the caller has then.
    pub(crate) principal: Name,
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) roles: Vec<Name>,
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) teams: Vec<Name>,
    /// The agent profile that it acts through.
    pub(crate) agent: Option<Name>,
    /// Globs of the servers that it is for; none: all.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) servers: Vec<Name>,
    /// Globs of the tools that it is for; none: all, and everything else.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) tools: Vec<Name>,
    /// Seconds until it ends by itself, at most ten years.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub(crate) expires_in: Option<u64>,
}

/// Which keys.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WhichKeys")]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// The `next` of the page before
    pub(crate) cursor: Option<Id>,
    /// At most
    pub(crate) limit: Option<Limit>,
}

/// A page of keys, by id.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<Described>,
    /// The `cursor` of the next page; null: this is the last.
    pub(crate) next: Option<String>,
}

/// A key, without itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(crate) struct Described {
    /// The `key_id` of audit records.
    pub(crate) id: String,
    /// What it begins with.
    pub(crate) prefix: String,
    pub(crate) kind: Kind,
    pub(crate) principal: String,
    pub(crate) roles: Vec<String>,
    pub(crate) teams: Vec<String>,
    /// Empty: none.
    pub(crate) agent: String,
    pub(crate) servers: Vec<String>,
    pub(crate) tools: Vec<String>,
    pub(crate) created: String,
    pub(crate) created_by: String,
    /// Null: it does not end by itself.
    pub(crate) expires: Option<String>,
    /// Give or take a minute; null: never.
    pub(crate) last_used: Option<String>,
}

/// A key, this once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeKey")]
pub(crate) struct Made {
    #[serde(flatten)]
    pub(crate) described: Described,
    /// What the caller has to send.
    pub(crate) key: String,
}

pub(crate) async fn list(call: Call<Nothing, Which>) -> Result<Keys, Refusal> {
    let limit = call.query.limit.unwrap_or(Limit::DEFAULT).0;
    let after = call.query.cursor.map(|id| id.0).unwrap_or_default();
    let work = move |tx: &mut dyn Tx| {
        let mut keys = Vec::new();
        for key in caller_keys::list(tx, &after, limit + 1)? {
            keys.push(Described::of(key, tx)?);
        }
        Ok::<_, StoreError>(keys)
    };
    blocking(move || {
        let mut keys = call.shared.store.read(&call.tenant, work)?;
        let more = keys.len() as u64 > limit;
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = keys.last().filter(|_| more).map(|key| key.id.clone());
        Ok(Keys { keys, next })
    })
    .await
}

pub(crate) async fn create(call: Call<Nothing, Nothing, New>) -> Result<Created<Made>, Refusal> {
    let Call { caller, shared, tenant, body: new, .. } = call;
    let lists = [&new.roles, &new.teams, &new.servers, &new.tools];
    if lists.iter().any(|list| list.len() > 64) || new.expires_in.is_some_and(|time| !(1..=MAX_SECONDS).contains(&time))
    {
        return Err(Refusal::invalid("a list has at most 64 entries, and expires_in is 1 to 315360000 seconds"));
    }
    if new.servers.iter().chain(&new.tools).any(|glob| Glob::new(&glob.0).is_err()) {
        return Err(Refusal::invalid("in a pattern `\\` must stand before `*`, `?` or `\\`"));
    }
    let names = |list: Vec<Name>| list.into_iter().map(|name| name.0).collect();
    let grant = Grant {
        kind: new.kind,
        principal: new.principal.0,
        roles: names(new.roles),
        teams: names(new.teams),
        agent: new.agent.map(|agent| agent.0).unwrap_or_default(),
        servers: names(new.servers),
        tools: names(new.tools),
    };
    let now = clock::now();
    let expires = new.expires_in.map(|seconds| now.saturating_add(seconds * 1_000_000));
    let (made, key) = CallerKey::new(grant, &caller.0.person, now, expires)?;
    blocking(move || {
        let work = move |tx: &mut dyn Tx| {
            let kept = caller_keys::create(tx, &made)?;
            kept.then(|| Described::of(made, tx)).transpose()
        };
        let described = shared.store.write(&tenant, work)?;
        let described =
            described.ok_or_else(|| Refusal::Conflict(format!("there are {} keys", caller_keys::MAX_KEYS)))?;
        Ok(Created(Made { described, key }))
    })
    .await
}

pub(crate) async fn revoke(call: Call<ById>) -> Result<Described, Refusal> {
    let person = call.caller.0.person;
    blocking(move || {
        let work = move |tx: &mut dyn Tx| {
            let used = caller_keys::last_use(tx, &call.path.id.0)?;
            let gone = caller_keys::revoke(tx, &call.path.id.0, &person)?;
            Ok(gone.map(|gone| Described::used(gone, used)))
        };
        call.shared.store.write(&call.tenant, work)?.ok_or(Refusal::NotFound)
    })
    .await
}

impl Described {
    fn of(key: CallerKey, tx: &mut dyn Tx) -> Result<Self, StoreError> {
        let used = caller_keys::last_use(tx, &key.id)?;
        Ok(Self::used(key, used))
    }

    fn used(key: CallerKey, last_used: Option<String>) -> Self {
        let CallerKey { id, prefix, grant, created, created_by, expires, .. } = key;
        let Grant { kind, principal, roles, teams, agent, servers, tools } = grant;
        let (created, expires) = (clock::rfc3339(created), expires.map(clock::rfc3339));
        Self {
            id,
            prefix,
            kind,
            principal,
            roles,
            teams,
            agent,
            servers,
            tools,
            created,
            created_by,
            expires,
            last_used,
        }
    }
}

const MAX_SECONDS: u64 = 315_360_000;
