//! `/api/v1/audit`: the tenant's chain.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::blocking;
use super::caller::Caller;
use super::endpoint::{Call, Nothing, Raw};
use super::refusal::Refusal;
use super::types::{ById, Id, Limit, Text, Time};
use crate::audit::action::{Action, new_record};
use crate::audit::command::prove_last;
use crate::audit::{Kind, Outcome, Signed, hex, table};
use crate::clock;
use crate::serve::Shared;
use crate::store::{self, Column, Filter, Scope, Store, StoreError, StoredRow, Tenant};

/// What rows are about. Only rows that have all of it.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Select {
    /// Of this time or later
    pub(crate) since: Option<Time>,
    /// Before this time
    pub(crate) until: Option<Time>,
    /// All that came of one HTTP request
    pub(crate) correlation_id: Option<Text>,
    pub(crate) decision: Option<Text>,
    pub(crate) server: Option<Text>,
    pub(crate) tool: Option<Text>,
    pub(crate) principal: Option<Text>,
    pub(crate) session: Option<Text>,
    pub(crate) action: Option<Text>,
    pub(crate) rule: Option<Text>,
    pub(crate) approval_id: Option<Text>,
    /// Asked for by this request
    pub(crate) parent: Option<Text>,
    /// Newest first by default
    pub(crate) order: Option<Order>,
    /// The `next` of the page before
    pub(crate) cursor: Option<u64>,
    /// At most
    pub(crate) limit: Option<Limit>,
}

/// Which end of the chain comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

/// A page of rows.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    /// The `cursor` of the next page; null: this is the last.
    pub(crate) next: Option<u64>,
}

/// A row of the chain, with all that its hash covers.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Row {
    /// Its place in the chain; 0 is the genesis row.
    pub(crate) seq: u64,
    pub(crate) id: String,
    /// When it was appended, microseconds since the Unix epoch.
    pub(crate) received: u64,
    /// SHA-256 of the row before.
    pub(crate) prev: String,
    /// SHA-256 over the RFC 8785 form of {id, prev, received, record, seq, tenant}.
    pub(crate) hash: String,
    /// One message, or an action.
    pub(crate) record: Map<String, Value>,
}

/// What came of one request of a client: the messages in it, its approval, and the requests that go back to it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Requested {
    pub(crate) correlation_id: String,
    /// The request that this one goes back to.
    pub(crate) parent: Option<String>,
    /// By place.
    pub(crate) rows: Vec<Branch>,
    /// There are more rows than these.
    pub(crate) more: bool,
}

/// A row of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Branch {
    /// How many requests lie between it and the one that was asked about.
    pub(crate) depth: u32,
    #[serde(flatten)]
    pub(crate) row: Row,
}

/// How much is verified.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Much {
    /// The newest rows, 10000 without it
    #[schemars(range(min = 1, max = 1_000_000))]
    last: Option<u64>,
}

/// What verifying came to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Verified {
    /// Nothing is wrong with these rows.
    pub(crate) intact: bool,
    /// The first and the last place that were looked at.
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) rows: u64,
    /// Signed statements that fit.
    pub(crate) statements: u64,
    /// What is wrong, by place.
    pub(crate) faults: Vec<String>,
    /// Faults that are not listed.
    pub(crate) more: u64,
    pub(crate) seconds: f64,
}

/// What can be anchored elsewhere.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Statements {
    /// The Ed25519 key that signs, 64 hexadecimal digits.
    pub(crate) public_key: String,
    /// The newest last, a thousand at most.
    pub(crate) statements: Vec<Signed>,
}

/// What is exported.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Jsonl,
    /// JSON lines with the members of SecAI's audit
    Secai,
}

/// Which rows, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// JSON lines without it
    format: Option<Format>,
    /// Of this time or later
    since: Option<Time>,
    /// Before this time
    until: Option<Time>,
    correlation_id: Option<Text>,
    decision: Option<Text>,
    server: Option<Text>,
    tool: Option<Text>,
    principal: Option<Text>,
    session: Option<Text>,
    action: Option<Text>,
    rule: Option<Text>,
    approval_id: Option<Text>,
    parent: Option<Text>,
}

pub(super) async fn list(call: Call<Nothing, Select>) -> Result<Rows, Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    blocking(move || page(&scope, &call.query)).await
}

pub(super) async fn show(call: Call<ById>) -> Result<Row, Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    let Id(id) = call.path.id;
    blocking(move || one(&scope, &id)).await
}

pub(super) async fn request(call: Call<ById>) -> Result<Requested, Refusal> {
    let scope = call.shared.store.tenant(&call.tenant);
    let Id(id) = call.path.id;
    blocking(move || requested(&scope, &id)).await
}

pub(super) async fn verify(call: Call<Nothing, Much>) -> Result<Verified, Refusal> {
    let last = call.query.last.unwrap_or(DEFAULT_VERIFIED);
    if !(1..=MAX_VERIFIED).contains(&last) {
        return Err(Refusal::invalid("last is 1 to 1000000"));
    }
    verified(&call.shared, &call.tenant, last).await
}

pub(super) async fn checkpoints(call: Call) -> Result<Statements, Refusal> {
    let (store, tenant) = (Arc::clone(&call.shared.store), call.tenant);
    blocking(move || signed(&store, &tenant)).await
}

pub(super) async fn export(call: Call<Nothing, Export>) -> Result<Raw, Refusal> {
    let format = match call.query.format {
        Some(Format::Csv) => table::Format::Csv,
        Some(Format::Secai) => table::Format::Secai,
        Some(Format::Jsonl) | None => table::Format::Jsonl,
    };
    exported(&call.shared, &call.caller, &call.tenant, &call.query.select(), format).await.map(Raw)
}

/// Answers with the rows as they are read. A connection that ends early ends the reading; a store that fails cuts the
/// answer off, so that nobody takes a part for the whole.
pub(crate) async fn exported(
    shared: &Shared,
    caller: &Caller,
    tenant: &Tenant,
    select: &Select,
    format: table::Format,
) -> Result<Response, Refusal> {
    let permit = heavy(shared)?;
    let scope = shared.store.tenant(tenant);
    let filter = Filter { limit: BATCH, oldest_first: true, ..select.filter() };
    let (ending, kind) = format.names();
    let about = filter.equal.iter().map(|(column, value)| (column.member().to_owned(), value.as_str().into()));
    let mut details: Map<String, Value> = about.collect();
    details.insert("format".to_owned(), ending.into());
    let now = clock::now();
    let record = new_record(Action::AuditExported, &caller.0.person, now, json!({"export": details}))?;
    let (scope, end) = blocking(move || {
        let end = scope.end()?.unwrap_or_default();
        scope.append(vec![record], now)?;
        Ok((scope, end))
    })
    .await?;
    let (sender, body) = Channel::new(2);
    tokio::spawn(send(scope, filter, end, format, sender, permit));
    let disposition = format!("attachment; filename=\"audit.{ending}\"");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::new(body)).into_response())
}

/// A page of a list.
pub(crate) fn page(scope: &Scope, select: &Select) -> Result<Rows, Refusal> {
    let limit = select.limit.unwrap_or(Limit::DEFAULT).0;
    let oldest_first = select.order == Some(Order::OldestFirst);
    let (after, before) = if oldest_first { (select.cursor, None) } else { (None, select.cursor) };
    // One more tells whether there is another page.
    let filter = Filter { limit: limit + 1, oldest_first, after, before, ..select.filter() };
    let mut found = scope.query(&filter)?;
    if !oldest_first {
        found.reverse();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|row| row.seq).filter(|_| more);
    Ok(Rows { rows: found.iter().map(Row::of).collect(), next })
}

/// The row with this id.
pub(crate) fn one(scope: &Scope, id: &str) -> Result<Row, Refusal> {
    let seq = scope.place(id)?.ok_or(Refusal::NotFound)?;
    let filter = Filter { after: seq.checked_sub(1), oldest_first: true, limit: 1, ..Filter::default() };
    scope.query(&filter)?.first().filter(|row| row.id == id).map(Row::of).ok_or(Refusal::NotFound)
}

/// All that came of the request with this correlation id.
pub(crate) fn requested(scope: &Scope, correlation: &str) -> Result<Requested, Refusal> {
    let tree = scope.tree(correlation)?;
    let branch = |branch: &store::Branch| Branch { depth: branch.depth, row: Row::of(&branch.row) };
    let rows: Vec<_> = tree.branches.iter().map(branch).collect();
    let own = rows.iter().filter(|branch| branch.row.text("correlation_id") == correlation);
    let parent = own.map(|branch| branch.row.text("parent")).find(|parent| !parent.is_empty()).map(str::to_owned);
    if rows.is_empty() {
        return Err(Refusal::NotFound);
    }
    Ok(Requested { correlation_id: correlation.to_owned(), parent, rows, more: tree.more })
}

/// Verifies the newest rows.
pub(crate) async fn verified(shared: &Shared, tenant: &Tenant, last: u64) -> Result<Verified, Refusal> {
    let permit = heavy(shared)?;
    let (store, tenant) = (Arc::clone(&shared.store), tenant.clone());
    blocking(move || {
        let _permit = permit;
        let began = Instant::now();
        let key = store.public_key().ok_or(StoreError::ReadOnly)?;
        let scope = store.tenant(&tenant);
        let outcome = match scope.end()? {
            None => Outcome::default(),
            Some(_) => prove_last(&scope, &tenant, &key, last, Vec::new())
                .map_err(|_| StoreError::Database("the chain cannot be read".to_owned()))?,
        };
        let end = scope.end()?.unwrap_or_default();
        Ok(Verified {
            intact: outcome.faults.is_empty() && outcome.more == 0,
            from: (end + 1).saturating_sub(outcome.rows),
            to: end,
            rows: outcome.rows,
            statements: outcome.statements,
            faults: outcome.faults.iter().map(ToString::to_string).collect(),
            more: outcome.more,
            seconds: began.elapsed().as_secs_f64(),
        })
    })
    .await
}

/// The checkpoints and prunings, and the key.
pub(crate) fn signed(store: &Arc<Store>, tenant: &Tenant) -> Result<Statements, Refusal> {
    let key = store.public_key().ok_or(StoreError::ReadOnly)?;
    let mut statements = store.tenant(tenant).statements()?;
    statements.retain(|signed| signed.kind != Kind::Head);
    let old = statements.len().saturating_sub(MAX_STATEMENTS);
    Ok(Statements { public_key: key.to_text().trim().to_owned(), statements: statements.split_off(old) })
}

/// Leave for work that takes the machine's time. What finds none is told to come back.
pub(crate) fn heavy(shared: &Shared) -> Result<OwnedSemaphorePermit, Refusal> {
    let busy = |_| Refusal::Busy;
    Arc::clone(&shared.heavy).try_acquire_owned().map_err(busy)
}

async fn send(
    scope: Scope,
    filter: Filter,
    end: u64,
    format: table::Format,
    mut sender: Sender<Bytes, io::Error>,
    _permit: OwnedSemaphorePermit,
) {
    let (mut scope, mut filter) = (scope, filter);
    let header = format.header();
    if !header.is_empty() && sender.send_data(header.into()).await.is_err() {
        return;
    }
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let rows = scope.query(&filter);
            (scope, filter, rows)
        });
        let Ok((back, next, rows)) = read.await else {
            return sender.abort(io::Error::other("the reading was given up"));
        };
        (scope, filter) = (back, next);
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return sender.abort(io::Error::other(error.to_string())),
        };
        // What is appended meanwhile, this export among it, is not of it.
        let text: String = rows.iter().filter(|row| row.seq <= end).map(|row| format.row(row)).collect();
        let Some(last) = rows.last().filter(|_| !text.is_empty()) else { return };
        filter.after = Some(last.seq);
        if sender.send_data(text.into()).await.is_err() {
            return;
        }
    }
}

impl Select {
    /// The same for the store, without the page.
    pub(crate) fn filter(&self) -> Filter {
        let time = |time: Option<Time>| time.map(|time| clock::rfc3339(time.0));
        let equal = Column::ALL.iter().filter_map(|column| Some((*column, self.value(*column)?.0.clone())));
        Filter { since: time(self.since), until: time(self.until), equal: equal.collect(), ..Filter::default() }
    }

    pub(crate) fn value(&self, column: Column) -> Option<&Text> {
        match column {
            Column::Correlation => self.correlation_id.as_ref(),
            Column::Decision => self.decision.as_ref(),
            Column::Server => self.server.as_ref(),
            Column::Tool => self.tool.as_ref(),
            Column::Principal => self.principal.as_ref(),
            Column::Session => self.session.as_ref(),
            Column::Action => self.action.as_ref(),
            Column::Rule => self.rule.as_ref(),
            Column::Approval => self.approval_id.as_ref(),
            Column::Parent => self.parent.as_ref(),
        }
    }
}

impl Export {
    fn select(self) -> Select {
        Select {
            since: self.since,
            until: self.until,
            correlation_id: self.correlation_id,
            decision: self.decision,
            server: self.server,
            tool: self.tool,
            principal: self.principal,
            session: self.session,
            action: self.action,
            rule: self.rule,
            approval_id: self.approval_id,
            parent: self.parent,
            ..Select::default()
        }
    }
}

impl Row {
    pub(crate) fn of(row: &StoredRow) -> Self {
        Self {
            seq: row.seq,
            id: row.id.clone(),
            received: row.received,
            prev: hex(&row.prev),
            hash: hex(&row.hash),
            record: serde_json::from_str(&row.record).unwrap_or_default(),
        }
    }

    /// A text of the record; empty where there is none.
    pub(crate) fn text(&self, member: &str) -> &str {
        self.record.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Rows that are verified where nothing else is asked for, and at most: as many as take some seconds.
const DEFAULT_VERIFIED: u64 = 10_000;
const MAX_VERIFIED: u64 = 1_000_000;
const MAX_STATEMENTS: usize = 1000;
/// Rows read at a time.
const BATCH: u64 = 500;
