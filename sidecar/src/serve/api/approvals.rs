//! `/api/v1/approvals`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, Operation};
use super::{Refusal, blocking};
use crate::approvals::{Approval, State as Stage, VoteRefused};
use crate::clock;
use crate::serve::Shared;
use crate::store::{Column, Filter, Scope};

/// Which approvals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    tenant: Option<String>,
    state: Option<String>,
    limit: Option<u64>,
}

/// Whose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    tenant: Option<String>,
}

/// What a person says about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    #[serde(default)]
    note: String,
}

pub(super) async fn list(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Query(which): Query<Which>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ReadApprovals)?;
    let scope = shared.store.tenant(&caller.tenant(which.tenant.as_deref())?);
    let state = match which.state.as_deref() {
        None => None,
        Some(word) => {
            Some(Stage::parse(word).ok_or(Refusal::Invalid("state is pending, approved, denied, used or expired"))?)
        }
    };
    let limit = which.limit.unwrap_or(MAX_LIST).min(MAX_LIST);
    let found = blocking(move || Ok(scope.approvals(state, limit)?)).await?;
    Ok(Json(json!({"approvals": found.iter().map(summary).collect::<Vec<_>>()})))
}

pub(super) async fn show(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::ReadApprovals)?;
    let scope = shared.store.tenant(&caller.tenant(whose.tenant.as_deref())?);
    blocking(move || {
        let approval = scope.approval(&id)?.ok_or(Refusal::NotFound)?;
        let mut value = summary(&approval);
        let arguments = approval.ask.arguments.as_deref().map(|text| serde_json::from_str::<Value>(text).ok());
        let recent = recent(&scope, &approval)?;
        if let Some(members) = value.as_object_mut() {
            members.insert("arguments".to_owned(), arguments.flatten().unwrap_or_default());
            members.insert("recent".to_owned(), recent.into());
        }
        Ok(Json(value))
    })
    .await
}

pub(super) async fn approve(
    caller: Caller,
    state: State<Arc<Shared>>,
    path: Path<String>,
    query: Query<Whose>,
    decision: Json<Decision>,
) -> Result<Json<Value>, Refusal> {
    decide(caller, state, path, query, decision, true).await
}

pub(super) async fn deny(
    caller: Caller,
    state: State<Arc<Shared>>,
    path: Path<String>,
    query: Query<Whose>,
    decision: Json<Decision>,
) -> Result<Json<Value>, Refusal> {
    decide(caller, state, path, query, decision, false).await
}

async fn decide(
    caller: Caller,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
    Json(decision): Json<Decision>,
    approve: bool,
) -> Result<Json<Value>, Refusal> {
    caller.may(Operation::Decide)?;
    let tenant = caller.tenant(whose.tenant.as_deref())?;
    let scope = shared.store.tenant(&tenant);
    let voted = blocking(move || Ok(scope.vote(&id, &caller.0, approve, &decision.note, clock::now())?)).await?;
    match voted.ok_or(Refusal::NotFound)? {
        Ok(approval) => {
            shared.hub.tell(&tenant, &approval.id);
            Ok(Json(summary(&approval)))
        }
        Err(refused @ (VoteRefused::Ended(_) | VoteRefused::Again)) => Err(Refusal::Conflict(refused.reason())),
        Err(refused) => Err(Refusal::Forbidden(refused.reason())),
    }
}

/// An approval without the arguments.
fn summary(approval: &Approval) -> Value {
    let ask = &approval.ask;
    let votes = approval.votes.iter().map(
        |vote| json!({"person": vote.person, "approve": vote.approve, "note": vote.note, "time": clock::rfc3339(vote.time)}),
    );
    json!({
        "id": approval.id,
        "state": approval.state.as_str(),
        "created": clock::rfc3339(approval.created),
        "expires": clock::rfc3339(approval.expires),
        "principal": ask.principal,
        "principal_kind": ask.principal_kind,
        "agent": ask.agent,
        "server": ask.server,
        "method": ask.method,
        "tool": ask.name,
        "rule": ask.rule,
        "reason": ask.reason,
        "findings": ask.findings,
        "approvers": ask.approvers,
        "quorum": ask.quorum.max(1),
        "votes": votes.collect::<Vec<_>>(),
        "digest": ask.digest,
        "policy_version": ask.policy_version,
        "session": ask.session,
        "correlation_id": ask.correlation_id,
    })
}

/// What the same caller did last.
fn recent(scope: &Scope, approval: &Approval) -> Result<Vec<Value>, Refusal> {
    let (column, value) = match (approval.ask.session.as_str(), approval.ask.principal.as_str()) {
        ("", "") => return Ok(Vec::new()),
        ("", principal) => (Column::Principal, principal),
        (session, _) => (Column::Session, session),
    };
    let filter = Filter { equal: vec![(column, value.to_owned())], limit: 10, ..Filter::default() };
    let rows = scope.query(&filter)?;
    let shown = rows.iter().filter_map(|row| {
        let record: Value = serde_json::from_str(&row.record).ok()?;
        let member = |name: &str| record.get(name).cloned().unwrap_or_default();
        Some(json!({"time": member("time"), "server": member("server"), "method": member("method"),
            "tool": member("tool"), "decision": member("decision"), "action": member("action")}))
    });
    Ok(shown.collect())
}

/// Approvals in one answer.
const MAX_LIST: u64 = 1000;
