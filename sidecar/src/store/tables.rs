//! What a database offers: a transaction on what one tenant has, and the little that is known without a tenant.

use std::collections::HashSet;

use super::{Change, Filter, ItemKind, StoreError, StoredRow, Tenant, Visitor};
use crate::approvals::State;
use crate::audit::{Hash, Signed};

/// A database. Each transaction is one tenant's: it sees and changes nothing of another.
pub(super) trait Database: Send + Sync {
    /// Does the job in a transaction and returns when it is on disk. Where the job fails, nothing it did stays. Writers of one
    /// tenant come one after the other, whichever process they are of.
    fn write(&self, tenant: &Tenant, job: WriteJob) -> Result<(), StoreError>;

    /// Reads in one transaction.
    fn read(&self, tenant: &Tenant, job: &mut ReadJob<'_>) -> Result<(), StoreError>;

    /// Names of the tenants that have an audit chain, in their order.
    fn tenants(&self) -> Result<Vec<String>, StoreError>;

    /// Names of tenants that have an approval which is due at `now`, a thousand at most.
    fn due(&self, now: u64) -> Result<Vec<String>, StoreError>;

    /// The token whose secret has this hash.
    fn token(&self, hash: &Hash) -> Result<Option<String>, StoreError>;

    /// All tokens, by name.
    fn tokens(&self) -> Result<Vec<String>, StoreError>;

    /// Whether it can be written to.
    fn ready(&self) -> Result<(), StoreError>;

    /// The version of the tables.
    fn schema(&self) -> usize;

    /// Tells from now on what other processes change, as long as this is there.
    fn listen(&self, tell: Box<dyn Fn(Change) + Send>) -> Result<(), StoreError>;
}

/// Work within a transaction that writes.
pub(super) type WriteJob = Box<dyn FnOnce(&mut dyn Tables) -> Result<(), StoreError> + Send>;
/// Work within a transaction that reads.
pub(super) type ReadJob<'j> = dyn FnMut(&mut dyn Tables) -> Result<(), StoreError> + Send + 'j;

/// The tables of one tenant within a transaction.
pub(super) trait Tables {
    /// Place and hash of the last row of the chain.
    fn last_row(&mut self) -> Result<Option<(u64, Hash)>, StoreError>;

    /// The place of the last row, whatever else is in it.
    fn end(&mut self) -> Result<Option<u64>, StoreError>;

    /// The place of a record.
    fn place(&mut self, id: &str) -> Result<Option<u64>, StoreError>;

    /// Which of these records there are already.
    fn known(&mut self, ids: &[&str]) -> Result<HashSet<String>, StoreError>;

    fn add_rows(&mut self, rows: &[StoredRow]) -> Result<(), StoreError>;

    /// Removes the rows up to a place.
    fn remove_rows(&mut self, to: u64) -> Result<(), StoreError>;

    /// The lowest place of a row that was appended at `received` or later.
    fn first_since(&mut self, received: u64) -> Result<Option<u64>, StoreError>;

    /// Visits rows from `from` to `to` (inclusive) in the order of their places, until the visitor says false. What is not of
    /// the form that it was written in is shown as something that has no right hash.
    fn walk(&mut self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError>;

    /// Rows by what they are about, in the order of their places.
    fn query(&mut self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError>;

    /// The signed head.
    fn head(&mut self) -> Result<Option<String>, StoreError>;

    /// Kind, place and body of each signed statement, by place.
    fn statements(&mut self) -> Result<Vec<(String, u64, String)>, StoreError>;

    /// The place that the newest checkpoint is about.
    fn newest_checkpoint(&mut self) -> Result<Option<u64>, StoreError>;

    /// Keeps a statement; there is one head, and one statement of another kind about a place.
    fn put_statement(&mut self, signed: &Signed, body: &str) -> Result<(), StoreError>;

    fn approval(&mut self, by: By<'_>) -> Result<Option<String>, StoreError>;

    /// The newest first; those behind `after`, which is the time and the id of one.
    fn approvals(
        &mut self,
        state: Option<State>,
        after: Option<(u64, &str)>,
        limit: u64,
    ) -> Result<Vec<String>, StoreError>;

    /// How many are pending.
    fn pending(&mut self) -> Result<u64, StoreError>;

    /// The approvals for which something is to be done at `now`.
    fn due_approvals(&mut self, now: u64, limit: u64) -> Result<Vec<String>, StoreError>;

    /// What was due is done.
    fn settled(&mut self) -> Result<(), StoreError>;

    /// Adds an approval, or changes state, end, user and body of the one with this id.
    fn put_approval(&mut self, row: &ApprovalRow<'_>) -> Result<(), StoreError>;

    fn remove_approval(&mut self, id: &str) -> Result<(), StoreError>;

    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError>;

    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError>;

    fn put_item(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError>;

    fn remove_item(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError>;

    /// Tells other processes, once this is on disk, that something has changed that filters are told of.
    fn tell(&mut self) -> Result<(), StoreError>;

    fn named_token(&mut self, name: &str) -> Result<Option<String>, StoreError>;

    /// False: the name is taken.
    fn add_token(&mut self, name: &str, hash: &Hash, body: &str) -> Result<bool, StoreError>;

    fn remove_token(&mut self, name: &str) -> Result<bool, StoreError>;
}

/// What an approval is found by.
#[derive(Clone, Copy, Debug)]
pub(super) enum By<'b> {
    Id(&'b str),
    /// The Admit that used it.
    User(&'b str),
    /// What makes two calls the same; of several approvals the newest.
    Call(&'b str),
}

/// An approval, and what it is found by.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApprovalRow<'a> {
    pub(super) id: &'a str,
    pub(super) call: &'a str,
    pub(super) state: State,
    pub(super) created: u64,
    /// When it has to be ended or, where it has ended, forgotten.
    pub(super) due: u64,
    pub(super) used_by: Option<&'a str>,
    pub(super) body: &'a str,
}
