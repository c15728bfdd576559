//! Audit chains in SQLite.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, named_params, params, params_from_iter};
use serde_json::json;

use super::Scoped;
use crate::audit::action::Action;
use crate::audit::{AuditKey, Hash, Kind, Row, Signed, Statement, Verifier};
use crate::store::{Filter, NewRecord, Scope, StoreError, StoredRow, Tenant, Visitor};

impl Scope for Scoped {
    fn append(&self, records: Vec<NewRecord>, now: u64) -> Result<usize, StoreError> {
        self.write(move |connection, tenant, key| append(connection, tenant, key, &records, now))
    }

    fn walk(&self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        self.inner.read(|connection| walk(connection, &self.tenant, from, to, visit))
    }

    fn query(&self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError> {
        self.inner.read(|connection| query(connection, &self.tenant, filter))
    }

    fn end(&self) -> Result<Option<u64>, StoreError> {
        self.inner.read(|connection| {
            let sql = "SELECT max(seq) FROM audit_row WHERE tenant = ?1";
            connection.prepare_cached(sql)?.query_row([self.tenant.as_str()], |row| row.get(0))
        })
    }

    fn place(&self, id: &str) -> Result<Option<u64>, StoreError> {
        self.inner.read(|connection| place(connection, &self.tenant, id))
    }

    fn statements(&self) -> Result<Vec<Signed>, StoreError> {
        self.inner.read(|connection| statements(connection, &self.tenant))
    }

    fn checkpoint(&self, now: u64) -> Result<Option<Signed>, StoreError> {
        self.write(move |connection, tenant, key| {
            let Some((seq, hash)) = last(connection, tenant)? else { return Ok(None) };
            let newest: Option<u64> = connection
                .prepare_cached("SELECT max(seq) FROM audit_statement WHERE tenant = ?1 AND kind = 'checkpoint'")?
                .query_row([tenant.as_str()], |row| row.get(0))?;
            if newest == Some(seq) {
                return Ok(None);
            }
            // What was rewritten since the last commit must not get a signature of its own.
            if !is_signed_head(connection, tenant, key, seq, hash)? {
                return Err(StoreError::Chain(Kind::Checkpoint));
            }
            sign(connection, key, Kind::Checkpoint, tenant, (seq, hash), now).map(Some)
        })
    }

    fn prune(&self, before: u64, record: NewRecord, now: u64) -> Result<Option<Signed>, StoreError> {
        self.write(move |connection, tenant, key| {
            let signed = prune(connection, tenant, key, before, now)?;
            if signed.is_some() {
                append(connection, tenant, key, &[record], now)?;
            }
            Ok(signed)
        })
    }
}

impl Scoped {
    /// Work on this tenant's rows by the writer.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Tenant, &AuditKey) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tenant = self.tenant.clone();
        self.inner.write(move |connection, key| work(connection, &tenant, key))
    }
}

/// Appends within a transaction, and signs the new head.
pub(super) fn append(
    connection: &Connection,
    tenant: &Tenant,
    key: &AuditKey,
    records: &[NewRecord],
    now: u64,
) -> Result<usize, StoreError> {
    let (mut head, mut new) = (last(connection, tenant)?, 0);
    let begins = head.is_none();
    if let Some((seq, hash)) = head {
        // A chain that was cut or rewritten behind our back is not continued: the next head would bless it.
        if !is_signed_head(connection, tenant, key, seq, hash)? {
            return Err(StoreError::Chain(Kind::Head));
        }
    } else if !statements(connection, tenant)?.is_empty() {
        return Err(StoreError::Chain(Kind::Head));
    }
    let genesis = || NewRecord {
        id: GENESIS.to_owned(),
        record: Action::ChainCreated.record("portcullis", now, json!({"chain": CHAIN, "key": key.public().id()})),
    };
    let genesis = begins.then(genesis);
    for record in genesis.iter().chain(records) {
        if head.is_some() && place(connection, tenant, &record.id)?.is_some() {
            continue;
        }
        let (seq, prev) = head.map_or((0, Row::NOTHING), |(seq, hash)| (seq + 1, hash));
        let row = Row { tenant: tenant.as_str(), seq, id: &record.id, received: now, record: &record.record, prev };
        let hash = row.hash();
        connection
            .prepare_cached(
                "INSERT INTO audit_row (tenant, seq, id, received, record, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![row.tenant, seq, row.id, now, row.record, prev, hash])?;
        head = Some((seq, hash));
        new += 1;
    }
    if let Some(head) = head.filter(|_| new > 0) {
        sign(connection, key, Kind::Head, tenant, head, now)?;
    }
    Ok(new - usize::from(begins))
}

fn sign(
    connection: &Connection,
    key: &AuditKey,
    kind: Kind,
    tenant: &Tenant,
    (seq, hash): (u64, Hash),
    time: u64,
) -> Result<Signed, StoreError> {
    let signed = Statement { kind, tenant: tenant.as_str().to_owned(), seq, hash, time }.sign(key);
    let body = serde_json::to_string(&signed).map_err(|error| StoreError::Database(error.to_string()))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO audit_statement (tenant, kind, seq, body) VALUES (?, ?, ?, ?)")?
        .execute(params![tenant.as_str(), kind.as_str(), seq, body])?;
    Ok(signed)
}

fn is_signed_head(
    connection: &Connection,
    tenant: &Tenant,
    key: &AuditKey,
    seq: u64,
    hash: Hash,
) -> Result<bool, StoreError> {
    let body: Option<String> = connection
        .prepare_cached("SELECT body FROM audit_statement WHERE tenant = ?1 AND kind = 'head'")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?;
    let signed = body.and_then(|body| serde_json::from_str::<Signed>(&body).ok());
    Ok(signed.is_some_and(|signed| {
        signed.kind == Kind::Head
            && signed.tenant == tenant.as_str()
            && signed.seq == seq
            && signed.hash() == Some(hash)
            && signed.is_genuine(&key.public())
    }))
}

fn last(connection: &Connection, tenant: &Tenant) -> Result<Option<(u64, Hash)>, StoreError> {
    let sql = "SELECT seq, hash FROM audit_row WHERE tenant = ?1 ORDER BY seq DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn place(connection: &Connection, tenant: &Tenant, id: &str) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT seq FROM audit_row WHERE tenant = ?1 AND id = ?2";
    connection.prepare_cached(sql)?.query_row([tenant.as_str(), id], |row| row.get(0)).optional()
}

fn statements(connection: &Connection, tenant: &Tenant) -> rusqlite::Result<Vec<Signed>> {
    let sql = "SELECT kind, seq, body FROM audit_statement WHERE tenant = ?1 ORDER BY seq, kind";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([tenant.as_str()], |row| {
        let (kind, seq, body): (String, u64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // What cannot be read is no statement of ours: shown as one that is not signed.
        let unreadable = || Signed {
            kind: match kind.as_str() {
                "head" => Kind::Head,
                "prune" => Kind::Prune,
                _ => Kind::Checkpoint,
            },
            tenant: tenant.as_str().to_owned(),
            seq,
            hash: String::new(),
            time: 0,
            key: String::new(),
            signature: String::new(),
        };
        Ok(serde_json::from_str(&body).unwrap_or_else(|_| unreadable()))
    })?;
    rows.collect()
}

/// Rows in the order of their places. Read so that whatever type somebody gave a column, the row is seen.
fn walk(connection: &Connection, tenant: &Tenant, from: u64, to: u64, visit: &mut Visitor<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT seq, id, received, record, prev, hash FROM audit_row
        WHERE tenant = :tenant AND seq BETWEEN :from AND :to ORDER BY seq";
    let mut statement = connection.prepare_cached(sql)?;
    let (from, to) = (signed(from), signed(to));
    let mut rows = statement.query(named_params! {":tenant": tenant.as_str(), ":from": from, ":to": to})?;
    while let Some(row) = rows.next()? {
        let text = |index| row.get_ref(index).ok().and_then(|value| value.as_str().ok()).unwrap_or_default();
        let hash = |index| row.get::<_, Hash>(index).unwrap_or_default();
        let seen = Row {
            tenant: tenant.as_str(),
            seq: row.get(0)?,
            id: text(1),
            received: row.get(2).unwrap_or_default(),
            record: text(3),
            prev: hash(4),
        };
        if !visit(&seen, hash(5)) {
            break;
        }
    }
    Ok(())
}

fn query(connection: &Connection, tenant: &Tenant, filter: &Filter) -> rusqlite::Result<Vec<StoredRow>> {
    let mut sql = "SELECT seq, id, received, record, prev, hash FROM audit_row WHERE tenant = ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(tenant.as_str().to_owned())];
    let mut add = |condition: &str, value: Box<dyn ToSql>| {
        sql.push_str(condition);
        values.push(value);
    };
    for (column, value) in &filter.equal {
        add(&format!(" AND {} = ?", column.member()), Box::new(value.clone()));
    }
    if let Some(since) = &filter.since {
        add(" AND time >= ?", Box::new(since.clone()));
    }
    if let Some(until) = &filter.until {
        add(" AND time < ?", Box::new(until.clone()));
    }
    if let Some(after) = filter.after {
        add(" AND seq > ?", Box::new(signed(after)));
    }
    let order = if filter.oldest_first { "ASC" } else { "DESC" };
    add(&format!(" ORDER BY seq {order} LIMIT ?"), Box::new(signed(filter.limit)));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), stored)?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    if !filter.oldest_first {
        rows.reverse();
    }
    Ok(rows)
}

fn stored(row: &SqlRow<'_>) -> rusqlite::Result<StoredRow> {
    Ok(StoredRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        received: row.get(2)?,
        record: row.get(3)?,
        prev: row.get(4)?,
        hash: row.get(5)?,
    })
}

fn prune(
    connection: &Connection,
    tenant: &Tenant,
    key: &AuditKey,
    before: u64,
    now: u64,
) -> Result<Option<Signed>, StoreError> {
    let sql = "SELECT min(seq) FROM audit_row WHERE tenant = ?1 AND received >= ?2";
    let kept: Option<u64> =
        connection.prepare_cached(sql)?.query_row(params![tenant.as_str(), signed(before)], |row| row.get(0))?;
    let Some((end, _)) = last(connection, tenant)? else { return Ok(None) };
    // The last row stays, whatever its age: the chain needs something to continue.
    let first_kept = kept.map_or(end, |kept| kept.min(end));
    let mut gone: Option<(u64, Hash)> = None;
    // What is removed was proved first, or a pruning could hide that it had been edited.
    let public = key.public();
    let mut verifier = Verifier::whole(tenant.as_str(), &public, statements(connection, tenant)?);
    walk(connection, tenant, 0, i64::MAX.unsigned_abs(), &mut |row, hash| {
        verifier.row(row, hash);
        if row.seq < first_kept {
            gone = Some((row.seq, hash));
        }
        true
    })?;
    if !verifier.finish().faults.is_empty() {
        return Err(StoreError::Chain(Kind::Prune));
    }
    let Some((seq, hash)) = gone else { return Ok(None) };
    let signed = sign(connection, key, Kind::Prune, tenant, (seq, hash), now)?;
    connection.execute("DELETE FROM audit_row WHERE tenant = ?1 AND seq <= ?2", params![tenant.as_str(), seq])?;
    Ok(Some(signed))
}

/// SQLite's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Ids of our own have a character that those of filters cannot have.
const GENESIS: &str = ":genesis";
/// What the genesis row says the chain is: the form of rows and hashes, for whoever verifies with other tools.
const CHAIN: &str = "portcullis.audit.v1";
