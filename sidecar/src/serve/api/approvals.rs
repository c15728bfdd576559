//! `/api/v1/approvals`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blocking;
use super::caller::Caller;
use super::endpoint::{Call, Nothing};
use super::refusal::Refusal;
use super::types::{ById, Cursor, Limit};
use crate::approvals::{Approval, State, VoteRefused};
use crate::clock;
use crate::serve::Shared;
use crate::store::{Column, Filter, Scope, Tenant};

/// Which approvals.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// In this state
    state: Option<State>,
    /// The `next` of the page before
    cursor: Option<Cursor>,
    /// At most
    limit: Option<Limit>,
}

/// What a person says about it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// Why, for the audit chain; 500 characters are kept.
    #[serde(default)]
    note: String,
}

/// Approvals, the newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Approvals {
    approvals: Vec<Summary>,
    /// The `cursor` of the next page; null: this is the last.
    next: Option<Cursor>,
}

/// An approval without the arguments.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) state: State,
    /// RFC 3339, as all times.
    pub(crate) created: String,
    pub(crate) expires: String,
    /// Who asks; empty: nobody was verified.
    pub(crate) principal: String,
    pub(crate) principal_kind: String,
    pub(crate) agent: String,
    pub(crate) server: String,
    pub(crate) method: String,
    pub(crate) tool: String,
    /// The rule that asks, and why.
    pub(crate) rule: String,
    pub(crate) reason: String,
    /// What scanners found and where, never the text itself.
    pub(crate) findings: Vec<String>,
    /// Groups whose members may decide; empty: whoever has the role.
    pub(crate) approvers: Vec<String>,
    /// People who have to approve.
    pub(crate) quorum: u32,
    pub(crate) votes: Vec<Vote>,
    /// Of method, name and arguments.
    pub(crate) digest: String,
    pub(crate) policy_version: String,
    pub(crate) session: String,
    pub(crate) correlation_id: String,
}

/// What one person decided.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Vote")]
pub(crate) struct Vote {
    pub(crate) person: String,
    pub(crate) approve: bool,
    pub(crate) note: String,
    pub(crate) time: String,
}

/// One approval, for whoever decides.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The redacted arguments; null where the rule does not show them, and once it is over.
    pub(crate) arguments: Value,
    /// What the same session, or else the same caller, did last.
    pub(crate) recent: Vec<Recent>,
}

/// An earlier message.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Recent {
    pub(crate) time: String,
    pub(crate) server: String,
    pub(crate) method: String,
    pub(crate) tool: String,
    pub(crate) decision: String,
    pub(crate) action: String,
    pub(crate) correlation_id: String,
}

pub(super) async fn list(call: Call<Nothing, Which>) -> Result<Approvals, Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    blocking(move || page(&scope, call.query)).await
}

pub(super) async fn show(call: Call<ById>) -> Result<Shown, Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    let id = call.path.id.0;
    blocking(move || shown(&scope, &id)).await
}

pub(super) async fn approve(call: Call<ById, Nothing, Decision>) -> Result<Summary, Refusal> {
    decide(&call.shared, &call.caller, &call.tenant, call.path.id.0, true, call.body.note).await
}

pub(super) async fn deny(call: Call<ById, Nothing, Decision>) -> Result<Summary, Refusal> {
    decide(&call.shared, &call.caller, &call.tenant, call.path.id.0, false, call.body.note).await
}

fn page(scope: &Scope, which: Which) -> Result<Approvals, Refusal> {
    let limit = which.limit.unwrap_or(Limit(Limit::MAX)).0;
    // One more tells whether there is another page.
    let mut found = match &which.cursor {
        Some(Cursor { created, id }) => scope.approvals_after(which.state, (*created, id.as_str()), limit + 1)?,
        None => scope.approvals(which.state, limit + 1)?,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| Cursor { created: last.created, id: last.id.clone() });
    Ok(Approvals { approvals: found.iter().map(Summary::of).collect(), next })
}

/// One approval with what whoever decides has to know.
pub(crate) fn shown(scope: &Scope, id: &str) -> Result<Shown, Refusal> {
    let approval = scope.approval(id)?.ok_or(Refusal::NotFound)?;
    let arguments = approval.ask.arguments.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(Shown {
        summary: Summary::of(&approval),
        arguments: arguments.unwrap_or_default(),
        recent: recent(scope, &approval)?,
    })
}

/// A person's decision, for which whoever waits is woken.
pub(crate) async fn decide(
    shared: &Shared,
    caller: &Caller,
    tenant: &Tenant,
    id: String,
    approve: bool,
    note: String,
) -> Result<Summary, Refusal> {
    let (scope, voter) = (shared.store.tenant(tenant), caller.0.clone());
    let voted = blocking(move || Ok(scope.vote(&id, &voter, approve, &note, clock::now())?)).await?;
    match voted.ok_or(Refusal::NotFound)? {
        Ok(approval) => {
            shared.hub.tell(tenant, &approval.id);
            shared.deliver.wake(tenant);
            Ok(Summary::of(&approval))
        }
        Err(refused @ (VoteRefused::Ended(_) | VoteRefused::Again)) => Err(Refusal::Conflict(refused.reason())),
        Err(refused) => Err(Refusal::Forbidden(refused.reason())),
    }
}

impl Summary {
    pub(crate) fn of(approval: &Approval) -> Self {
        let ask = approval.ask.clone();
        let vote = |vote: &crate::approvals::Vote| Vote {
            person: vote.person.clone(),
            approve: vote.approve,
            note: vote.note.clone(),
            time: clock::rfc3339(vote.time),
        };
        Self {
            id: approval.id.clone(),
            state: approval.state,
            created: clock::rfc3339(approval.created),
            expires: clock::rfc3339(approval.expires),
            principal: ask.principal,
            principal_kind: ask.principal_kind,
            agent: ask.agent,
            server: ask.server,
            method: ask.method,
            tool: ask.name,
            rule: ask.rule,
            reason: ask.reason,
            findings: ask.findings,
            approvers: ask.approvers,
            quorum: ask.quorum.max(1),
            votes: approval.votes.iter().map(vote).collect(),
            digest: ask.digest,
            policy_version: ask.policy_version,
            session: ask.session,
            correlation_id: ask.correlation_id,
        }
    }
}

/// What the same caller did last.
fn recent(scope: &Scope, approval: &Approval) -> Result<Vec<Recent>, Refusal> {
    let (column, value) = match (approval.ask.session.as_str(), approval.ask.principal.as_str()) {
        ("", "") => return Ok(Vec::new()),
        ("", principal) => (Column::Principal, principal),
        (session, _) => (Column::Session, session),
    };
    let filter = Filter { equal: vec![(column, value.to_owned())], limit: 10, ..Filter::default() };
    let rows = scope.query(&filter)?;
    let shown = rows.iter().filter_map(|row| {
        let record: Value = serde_json::from_str(&row.record).ok()?;
        let member = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Recent {
            time: member("time"),
            server: member("server"),
            method: member("method"),
            tool: member("tool"),
            decision: member("decision"),
            action: member("action"),
            correlation_id: member("correlation_id"),
        })
    });
    Ok(shown.collect())
}
