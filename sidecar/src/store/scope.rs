//! What one tenant has, for those who use the store: each method is one transaction. Times are microseconds since the Unix
//! epoch and come in.

use std::sync::Arc;

use super::{
    Admission, Admitted, Filter, Linked, NewRecord, Outcome, Store, StoreError, StoredRow, Tenant, Tree, Tx, Visitor,
};
#[cfg(test)]
use crate::approvals::Ask;
use crate::approvals::{Approval, State, VoteRefused};
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

    /// As [`Scope::append`], and in the same transaction what follows from the records.
    pub(crate) fn append_and(
        &self,
        records: Vec<NewRecord>,
        now: u64,
        then: impl FnOnce(&mut dyn Tx) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<usize, StoreError> {
        self.store.change(&self.tenant, now, |tx| {
            let new = tx.append(records)?;
            then(tx)?;
            Ok(new)
        })
    }

    /// Visits the rows from `from` to `to` (inclusive) in the order of their places, until the visitor says false.
    pub(crate) fn walk(&self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.walk(from, to, visit))
    }

    /// The rows that a filter asks for.
    pub(crate) fn query(&self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.tables.query(filter))
    }

    /// All that came of the request with this correlation id; nothing where there is none.
    pub(crate) fn tree(&self, correlation: &str) -> Result<Tree, StoreError> {
        self.store.look(&self.tenant, |tx| tx.tree(correlation))
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

    /// Answers an Admit. What it changes is on disk before the answer, the intent of the call among it.
    pub(crate) fn admission(&self, admission: Admission, now: u64) -> Result<Outcome, StoreError> {
        self.store.change(&self.tenant, now, move |tx| tx.admission(admission))
    }

    /// Notes a state that the client of a pending approval is given, by the hash of it. False: it is not pending any more.
    pub(crate) fn give_state(&self, id: &str, hash: String, mfa: bool, now: u64) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.store.change(&self.tenant, now, move |tx| tx.give_state(&id, hash, mfa))
    }

    /// Notes a one-time link of a pending approval, by the hash of its secret. False: it is not pending any more.
    pub(crate) fn give_link(
        &self,
        id: &str,
        hash: String,
        webhook: &str,
        token: &str,
        now: u64,
    ) -> Result<bool, StoreError> {
        let (id, webhook, token) = (id.to_owned(), webhook.to_owned(), token.to_owned());
        self.store.change(&self.tenant, now, move |tx| tx.give_link(&id, hash, &webhook, &token))
    }

    /// What a one-time link is about; `None`: there is no such link, or nothing to decide any more.
    pub(crate) fn linked(&self, id: &str, hash: &str) -> Result<Option<Linked>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.linked(id, hash))
    }

    /// Decides by a one-time link, which is used up then.
    pub(crate) fn vote_by_link(
        &self,
        id: &str,
        hash: &str,
        approve: bool,
        note: &str,
        now: u64,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError> {
        let (id, hash, note) = (id.to_owned(), hash.to_owned(), note.to_owned());
        self.store.change(&self.tenant, now, move |tx| tx.vote_by_link(&id, &hash, approve, &note))
    }

    /// As [`Scope::admission`] of a call that needs an approval and nothing else.
    #[cfg(test)]
    pub(crate) fn admit(
        &self,
        admit: &str,
        ask: Ask,
        expires_in: u64,
        intent: Option<NewRecord>,
        now: u64,
    ) -> Result<Admitted, StoreError> {
        let ask = Some((ask, expires_in));
        let admission = Admission { admit: admit.to_owned(), ask, intent, ..Admission::default() };
        match self.admission(admission, now)? {
            Outcome::Asked(admitted) => Ok(*admitted),
            Outcome::Code(_) | Outcome::Free | Outcome::Stale => Err(StoreError::Closed),
        }
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
        self.store.look(&self.tenant, |tx| tx.approvals(state, None, limit))
    }

    /// The newest first, of those behind the one of this time and id.
    pub(crate) fn approvals_after(
        &self,
        state: Option<State>,
        after: (u64, &str),
        limit: u64,
    ) -> Result<Vec<Approval>, StoreError> {
        self.store.look(&self.tenant, |tx| tx.approvals(state, Some(after), limit))
    }
}
