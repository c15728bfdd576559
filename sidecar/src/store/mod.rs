//! Where the sidecar keeps what outlives it. One trait per tenant; behind it SQLite, and room for PostgreSQL.

pub(crate) mod sqlite;

use std::fmt;

use crate::approvals::{Answer, Approval, Ask, State, VoteRefused};
use crate::audit::{Hash, Kind, Row, Signed};
use crate::failure::Failure;
use crate::tokens::Token;

/// A tenant's name. Nothing of a tenant can be read or written without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tenant(String);

impl Tenant {
    /// At most 128 characters without control characters; the empty name is the default tenant's.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if name.chars().count() > 128 || name.chars().any(char::is_control) {
            return None;
        }
        Some(Self(if name.is_empty() { Self::DEFAULT.to_owned() } else { name.to_owned() }))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant of whoever has none.
    pub(crate) const DEFAULT: &'static str = "default";
}

/// Everything that is kept. Calls block; time comes in.
pub(crate) trait Store: TokenStore {
    /// What one tenant has.
    fn tenant(&self, tenant: &Tenant) -> Box<dyn Scope>;

    /// The tenants that have an audit chain.
    fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Ends the approvals of all tenants whose time is over, a thousand at most, and returns them.
    fn expire(&self, now: u64) -> Result<Vec<(Tenant, Approval)>, StoreError>;

    /// Whether it can be written to.
    fn ready(&self) -> Result<(), StoreError>;
}

/// Tokens of the admin API, which belong to no single tenant.
pub(crate) trait TokenStore: Send + Sync {
    /// Keeps a token with the hash of its secret. False: the name is taken.
    fn create(&self, token: Token, hash: Hash, record: NewRecord, now: u64) -> Result<bool, StoreError>;

    /// Removes a token. False: there is none of this name.
    fn revoke(&self, name: &str, record: NewRecord, now: u64) -> Result<bool, StoreError>;

    /// Whose secret has this hash.
    fn find(&self, hash: &Hash) -> Result<Option<Token>, StoreError>;

    /// All, by name.
    fn list(&self) -> Result<Vec<Token>, StoreError>;
}

/// Approvals of one tenant.
pub(crate) trait ApprovalStore: Send + Sync {
    /// Answers an Admit: by the approval of this call that there is, or by a new one that expires in `expires_in`
    /// microseconds. The intent is on disk before the answer.
    fn admit(
        &self,
        admit: &str,
        ask: Ask,
        expires_in: u64,
        intent: Option<NewRecord>,
        now: u64,
    ) -> Result<Admitted, StoreError>;

    /// Answers an Admit that has waited for this approval.
    fn resume(&self, id: &str, admit: &str, now: u64) -> Result<Option<Admitted>, StoreError>;

    /// A person's decision; `None`: there is no such approval.
    fn vote(
        &self,
        id: &str,
        voter: &Token,
        approve: bool,
        note: &str,
        now: u64,
    ) -> Result<Option<Result<Approval, VoteRefused>>, StoreError>;

    fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError>;

    /// The newest first.
    fn approvals(&self, state: Option<State>, limit: u64) -> Result<Vec<Approval>, StoreError>;
}

/// What an Admit is told, and by which approval.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) answer: Answer,
    pub(crate) approval: Approval,
}

/// What one tenant has.
pub(crate) trait Scope: ApprovalStore {
    /// Appends records to the chain, in their order; when this returns they are on disk. A record whose id is known changes
    /// nothing. Returns how many were new.
    fn append(&self, records: Vec<NewRecord>, now: u64) -> Result<usize, StoreError>;

    /// Visits the rows from `from` to `to` (inclusive) in the order of their places, until the visitor says false.
    fn walk(&self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError>;

    /// The rows that a filter asks for.
    fn query(&self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError>;

    /// The place of the last row.
    fn end(&self) -> Result<Option<u64>, StoreError>;

    /// The place of a record.
    fn place(&self, id: &str) -> Result<Option<u64>, StoreError>;

    /// Signed statements, by place.
    fn statements(&self) -> Result<Vec<Signed>, StoreError>;

    /// Signs the last row as a checkpoint, unless its newest checkpoint is about that row already.
    fn checkpoint(&self, now: u64) -> Result<Option<Signed>, StoreError>;

    /// Removes the longest beginning of the chain whose rows were all appended before `before`, and leaves a signed
    /// statement in its place and `record` at the end. Returns the statement; `None` where there is nothing to remove.
    fn prune(&self, before: u64, record: NewRecord, now: u64) -> Result<Option<Signed>, StoreError>;
}

/// Told of each row with its stored hash; false ends the walk.
pub(crate) type Visitor<'v> = dyn FnMut(&Row<'_>, Hash) -> bool + 'v;

/// A record to append.
#[derive(Clone, Debug)]
pub(crate) struct NewRecord {
    pub(crate) id: String,
    /// RFC 8785 JSON.
    pub(crate) record: String,
}

/// A row as queries return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) received: u64,
    pub(crate) record: String,
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
}

/// Which rows, newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// The record's `time`, RFC 3339 with six decimals; from, inclusive.
    pub(crate) since: Option<String>,
    /// Up to, exclusive.
    pub(crate) until: Option<String>,
    /// A member of the record and the value it must have.
    pub(crate) equal: Vec<(Column, String)>,
    /// Only rows behind this place.
    pub(crate) after: Option<u64>,
    /// The oldest that many instead of the newest.
    pub(crate) oldest_first: bool,
    /// At most.
    pub(crate) limit: u64,
}

/// What rows can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Correlation,
    Decision,
    Server,
    Tool,
    Principal,
    Session,
    Action,
    Rule,
    Approval,
}

impl Column {
    pub(crate) const ALL: [Self; 9] = [
        Self::Correlation,
        Self::Decision,
        Self::Server,
        Self::Tool,
        Self::Principal,
        Self::Session,
        Self::Action,
        Self::Rule,
        Self::Approval,
    ];

    /// The record's member.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Correlation => "correlation_id",
            Self::Decision => "decision",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Principal => "principal",
            Self::Session => "session",
            Self::Action => "action",
            Self::Rule => "rule",
            Self::Approval => "approval_id",
        }
    }
}

/// Why the store could not do it. Nothing was changed.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The database refused or failed; nothing of what was to be written is in the text.
    Database(String),
    /// The chain is broken where it would have to be continued or pruned.
    Chain(Kind),
    /// More approvals are pending than a tenant may have.
    Full,
    /// The store was opened for reading.
    ReadOnly,
    /// The store is closing.
    Closed,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database: {error}"),
            Self::Chain(kind) => write!(
                f,
                "the audit chain does not verify, so no {} is signed; run `portcullis audit verify --full`",
                kind.as_str()
            ),
            Self::Full => f.write_str("too many approvals are pending"),
            Self::ReadOnly => f.write_str("the store was opened for reading"),
            Self::Closed => f.write_str("the store is closing"),
        }
    }
}
