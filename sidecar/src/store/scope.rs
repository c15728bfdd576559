//! What one tenant has, for those who use the store: each method is one transaction. Times are microseconds since the Unix
//! epoch and come in.

use std::sync::Arc;

use super::{Admitted, Filter, NewRecord, Store, StoreError, StoredRow, Tenant, Visitor};
use crate::approvals::{Approval, Ask, State, VoteRefused};
use crate::audit::Signed;
use crate::tokens::Token;

/// One tenant's share of the store.
pub(crate) struct Scope {
    store: Arc<Store>,
    tenant: Tenant,
}

impl Scope {
    pub(super) fn new(store: Arc<Store>, tenant: Tenant) -> Self {
        Self { store, tenant }
    }

    /// Appends records to the chain, in their order; when this returns they are on disk. A record whose id is known changes
    /// nothing. Returns how many were new.
    pub(crate) fn append(&self, records: Vec<NewRecord>, now: u64) -> Result<usize, StoreError> {
        self.store.change(&self.tenant, now, |tx| tx.append(records))
    }

    /// Visits the rows from `from` to `to` (inclusive) in the order of their places, until the visitor says false.
    pub(crate) fn walk(&self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.walk(from, to, visit))
    }

    /// The rows that a filter asks for.
    pub(crate) fn query(&self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.query(filter))
    }

    /// The place of the last row.
    pub(crate) fn end(&self) -> Result<Option<u64>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.end())
    }

    /// The place of a record.
    pub(crate) fn place(&self, id: &str) -> Result<Option<u64>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.place(id))
    }

    /// Signed statements, by place.
    pub(crate) fn statements(&self) -> Result<Vec<Signed>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.statements())
    }

    /// Signs the last row as a checkpoint, unless its newest checkpoint is about that row already.
    pub(crate) fn checkpoint(&self, now: u64) -> Result<Option<Signed>, StoreError> {
        self.store.change(&self.tenant, now, |tx| tx.checkpoint())
    }

    /// Removes the longest beginning of the chain whose rows were all appended before `before`, and leaves a signed
    /// statement in its place and `record` at the end. Returns the statement; `None` where there is nothing to remove.
    pub(crate) fn prune(&self, before: u64, record: NewRecord, now: u64) -> Result<Option<Signed>, StoreError> {
        self.store.change(&self.tenant, now, move |tx| tx.prune(before, record))
    }

    /// Answers an Admit: by the approval of this call that there is, or by a new one that expires in `expires_in`
    /// microseconds. The intent is on disk before the answer.
    pub(crate) fn admit(
        &self,
        admit: &str,
        ask: Ask,
        expires_in: u64,
        intent: Option<NewRecord>,
        now: u64,
    ) -> Result<Admitted, StoreError> {
        let admit = admit.to_owned();
        self.store.change(&self.tenant, now, move |tx| {
            if let Some(intent) = intent {
                tx.append(vec![intent])?;
            }
            tx.admit(&admit, ask, expires_in)
        })
    }

    /// Answers an Admit that has waited for this approval.
    pub(crate) fn resume(&self, id: &str, admit: &str, now: u64) -> Result<Option<Admitted>, StoreError> {
        let (id, admit) = (id.to_owned(), admit.to_owned());
        self.store.change(&self.tenant, now, move |tx| tx.resume(&id, &admit))
    }

    /// A person's decision; `None`: there is no such approval.
    pub(crate) fn vote(
        &self,
        id: &str,
        voter: &Token,
        approve: bool,
        note: &str,
        now: u64,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError> {
        let (id, voter, note) = (id.to_owned(), voter.clone(), note.to_owned());
        self.store.change(&self.tenant, now, move |tx| tx.vote(&id, &voter, approve, &note))
    }

    pub(crate) fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.approval(id))
    }

    /// The newest first.
    pub(crate) fn approvals(&self, state: Option<State>, limit: u64) -> Result<Vec<Approval>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.approvals(state, limit))
    }
}
