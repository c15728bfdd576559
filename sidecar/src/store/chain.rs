//! The audit chain of a tenant: how it grows, is signed and is pruned.

use serde_json::json;

use super::tx::Work;
use super::{NewRecord, StoreError, StoredRow};
use crate::audit::action::Action;
use crate::audit::{Hash, Kind, Row, Signed, Statement, Verifier};

/// The end of a chain within a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Place and hash of the last row.
    last: (u64, Hash),
    /// Rows were appended that no statement names yet.
    unsigned: bool,
}

impl Work<'_> {
    /// Appends records in their order, and begins the chain where there is none. Returns how many were new.
    pub(super) fn append(&mut self, records: Vec<NewRecord>) -> Result<usize, StoreError> {
        let mut last = self.continued()?;
        let begins = last.is_none();
        let mut known = if begins {
            Default::default()
        } else {
            self.tables.known(&records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>())?
        };
        let genesis = if begins { Some(self.genesis()?) } else { None };
        let mut rows = Vec::with_capacity(records.len() + 1);
        for record in genesis.into_iter().chain(records) {
            if !known.insert(record.id.clone()) {
                continue;
            }
            let (seq, prev) = last.map_or((0, Row::NOTHING), |(seq, hash)| (seq + 1, hash));
            let NewRecord { id, record } = record;
            let mut row = StoredRow { seq, id, received: self.now, record, prev, hash: Row::NOTHING };
            row.hash = Row {
                tenant: self.tenant.as_str(),
                seq,
                id: &row.id,
                received: row.received,
                record: &row.record,
                prev,
            }
            .hash();
            last = Some((seq, row.hash));
            rows.push(row);
        }
        if let Some(last) = last.filter(|_| !rows.is_empty()) {
            self.tables.add_rows(&rows)?;
            self.head = Some(Head { last, unsigned: true });
        }
        Ok(rows.len() - usize::from(begins))
    }

    /// The last row of a chain that may be continued. One that was cut or rewritten behind our back is not: the next head
    /// would bless it.
    fn continued(&mut self) -> Result<Option<(u64, Hash)>, StoreError> {
        if let Some(head) = self.head {
            return Ok(Some(head.last));
        }
        let last = self.tables.last_row()?;
        let whole = match last {
            Some(last) => self.is_signed_head(last)?,
            None => self.tables.statements()?.is_empty(),
        };
        if !whole {
            return Err(StoreError::Chain(Kind::Head));
        }
        self.head = last.map(|last| Head { last, unsigned: false });
        Ok(last)
    }

    fn genesis(&self) -> Result<NewRecord, StoreError> {
        let details = json!({"chain": CHAIN, "key": self.key()?.public().id()});
        let record = Action::ChainCreated.record("portcullis", self.now, details);
        Ok(NewRecord { id: GENESIS.to_owned(), record })
    }

    /// Signs the new end; once in a transaction, however many records it appended.
    pub(super) fn seal(&mut self) -> Result<(), StoreError> {
        if let Some(head) = self.head.filter(|head| head.unsigned) {
            self.sign(Kind::Head, head.last)?;
            self.head = Some(Head { unsigned: false, ..head });
        }
        Ok(())
    }

    /// Signs the last row as a checkpoint, unless its newest checkpoint is about that row already.
    pub(super) fn checkpoint(&mut self) -> Result<Option<Signed>, StoreError> {
        self.seal()?;
        let Some(last) = self.tables.last_row()? else { return Ok(None) };
        if self.tables.newest_checkpoint()? == Some(last.0) {
            return Ok(None);
        }
        // What was rewritten since the last commit must not get a signature of its own.
        if !self.is_signed_head(last)? {
            return Err(StoreError::Chain(Kind::Checkpoint));
        }
        self.sign(Kind::Checkpoint, last).map(Some)
    }

    /// Removes the longest beginning of the chain whose rows were all appended before `before`, and leaves a signed
    /// statement in its place and `record` at the end. `None` where there is nothing to remove.
    pub(super) fn prune(&mut self, before: u64, record: NewRecord) -> Result<Option<Signed>, StoreError> {
        self.seal()?;
        let kept = self.tables.first_since(before)?;
        let Some((end, _)) = self.tables.last_row()? else { return Ok(None) };
        // The last row stays, whatever its age: the chain needs something to continue.
        let first_kept = kept.map_or(end, |kept| kept.min(end));
        let mut gone: Option<(u64, Hash)> = None;
        // What is removed was proved first, or a pruning could hide that it had been edited.
        let public = self.key()?.public();
        let mut verifier = Verifier::whole(self.tenant.as_str(), &public, self.statements()?);
        self.tables.walk(0, u64::MAX, &mut |row, hash| {
            verifier.row(row, hash);
            if row.seq < first_kept {
                gone = Some((row.seq, hash));
            }
            true
        })?;
        if !verifier.finish().faults.is_empty() {
            return Err(StoreError::Chain(Kind::Prune));
        }
        let Some(gone) = gone else { return Ok(None) };
        let signed = self.sign(Kind::Prune, gone)?;
        self.tables.remove_rows(gone.0)?;
        self.append(vec![record])?;
        Ok(Some(signed))
    }

    /// Signed statements, by place.
    pub(super) fn statements(&mut self) -> Result<Vec<Signed>, StoreError> {
        let statements = self.tables.statements()?.into_iter().map(|(kind, seq, body)| {
            // What cannot be read is no statement of ours: shown as one that is not signed.
            serde_json::from_str(&body).unwrap_or_else(|_| Signed {
                kind: match kind.as_str() {
                    "head" => Kind::Head,
                    "prune" => Kind::Prune,
                    _ => Kind::Checkpoint,
                },
                tenant: self.tenant.as_str().to_owned(),
                seq,
                hash: String::new(),
                time: 0,
                key: String::new(),
                signature: String::new(),
            })
        });
        Ok(statements.collect())
    }

    fn is_signed_head(&mut self, (seq, hash): (u64, Hash)) -> Result<bool, StoreError> {
        let public = self.key()?.public();
        let signed = self.tables.head()?.and_then(|body| serde_json::from_str::<Signed>(&body).ok());
        Ok(signed.is_some_and(|signed| {
            signed.kind == Kind::Head
                && signed.tenant == self.tenant.as_str()
                && signed.seq == seq
                && signed.hash() == Some(hash)
                && signed.is_genuine(&public)
        }))
    }

    fn sign(&mut self, kind: Kind, (seq, hash): (u64, Hash)) -> Result<Signed, StoreError> {
        let tenant = self.tenant.as_str().to_owned();
        let signed = Statement { kind, tenant, seq, hash, time: self.now }.sign(self.key()?);
        let body = serde_json::to_string(&signed).map_err(|error| StoreError::Database(error.to_string()))?;
        self.tables.put_statement(&signed, &body)?;
        Ok(signed)
    }
}

/// Ids of our own have a character that those of filters cannot have.
const GENESIS: &str = ":genesis";
/// What the genesis row says the chain is: the form of rows and hashes, for whoever verifies with other tools.
const CHAIN: &str = "portcullis.audit.v1";
