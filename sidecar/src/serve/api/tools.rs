//! `/api/v1/tools`: what filters saw of servers' tools, and who has looked at it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blocking;
use super::caller::Caller;
use super::endpoint::{Call, Nothing};
use super::refusal::Refusal;
use super::types::{ById, Id, Limit, Sha256, Text};
use crate::catalogue::{self, Acknowledged, Tool};
use crate::serve::Shared;
use crate::store::Tenant;

/// Which tools.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of this server
    server: Option<Text>,
    /// Acknowledged in their newest version, or not
    acknowledged: Option<bool>,
    /// The `next` of the page before
    cursor: Option<Id>,
    /// At most
    limit: Option<Limit>,
}

/// A page of tools, in no order that means anything.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tools {
    tools: Vec<Seen>,
    /// The `cursor` of the next page; null: this is the last.
    next: Option<String>,
    /// False: servers listed more tools than are kept.
    complete: bool,
}

/// A tool with its id.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Seen {
    pub(crate) id: String,
    /// Its newest version was acknowledged.
    pub(crate) acknowledged: bool,
    #[serde(flatten)]
    pub(crate) tool: Tool,
}

/// That somebody has looked at a version.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// The version
    sha256: Sha256,
    /// Why it is fine; 500 characters are kept.
    #[serde(default)]
    note: String,
}

pub(super) async fn list(call: Call<Nothing, Which>) -> Result<Tools, Refusal> {
    let limit = usize::try_from(call.query.limit.unwrap_or(Limit::DEFAULT).0).unwrap_or(usize::MAX);
    let (store, tenant, which) = (call.shared.store.clone(), call.tenant, call.query);
    blocking(move || {
        let mut tools: Vec<Seen> = Vec::new();
        let mut after = which.cursor.map(|id| id.0).unwrap_or_default();
        let complete = store.read(&tenant, catalogue::is_complete)?;
        loop {
            let from = after.clone();
            let found = store.read(&tenant, move |tx| catalogue::list(tx, &from, BATCH))?;
            let Some((last, _)) = found.last() else { return Ok(Tools { tools, next: None, complete }) };
            after.clone_from(last);
            for (id, tool) in found {
                let seen = Seen::of(id, tool);
                let fits = which.server.as_ref().is_none_or(|server| server.0 == seen.tool.server)
                    && which.acknowledged.is_none_or(|wanted| wanted == seen.acknowledged);
                if !fits {
                    continue;
                }
                if tools.len() == limit {
                    let next = tools.last().map(|tool| tool.id.clone());
                    return Ok(Tools { tools, next, complete });
                }
                tools.push(seen);
            }
        }
    })
    .await
}

pub(super) async fn show(call: Call<ById>) -> Result<Seen, Refusal> {
    let (store, id) = (call.shared.store.clone(), call.path.id.0);
    blocking(move || {
        let wanted = id.clone();
        let tool = store.read(&call.tenant, move |tx| catalogue::one(tx, &wanted))?;
        Ok(Seen::of(id, tool.ok_or(Refusal::NotFound)?))
    })
    .await
}

pub(super) async fn acknowledge(call: Call<ById, Nothing, Look>) -> Result<Seen, Refusal> {
    looked_at(&call.shared, &call.caller, &call.tenant, call.path.id.0, call.body.sha256.0, call.body.note).await
}

/// Keeps who has looked at a version of a tool.
pub(crate) async fn looked_at(
    shared: &Shared,
    caller: &Caller,
    tenant: &Tenant,
    id: String,
    sha256: String,
    note: String,
) -> Result<Seen, Refusal> {
    let (store, tenant, person) = (shared.store.clone(), tenant.clone(), caller.0.person.clone());
    blocking(move || {
        let of = id.clone();
        match store.write(&tenant, move |tx| catalogue::acknowledge(tx, &of, &sha256, &person, &note))? {
            Acknowledged::Done(tool) => Ok(Seen::of(id, *tool)),
            Acknowledged::NoTool => Err(Refusal::NotFound),
            Acknowledged::NoVersion => Err(Refusal::Conflict("the tool was not seen in this version".to_owned())),
        }
    })
    .await
}

impl Seen {
    pub(crate) fn of(id: String, tool: Tool) -> Self {
        Self { id, acknowledged: tool.is_acknowledged(), tool }
    }
}

/// Tools read at a time.
const BATCH: u64 = 200;
