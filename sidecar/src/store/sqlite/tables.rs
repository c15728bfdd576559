//! The tables of one tenant in SQLite.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Params, Row as SqlRow, ToSql, named_params, params, params_from_iter};

use crate::approvals::State;
use crate::audit::{Hash, Kind, Row, Signed};
use crate::store::tables::{ApprovalRow, By, Tables};
use crate::store::{Filter, ItemKind, StoreError, StoredRow, Tenant, Visitor};

/// A transaction that is under way.
pub(super) struct Transaction<'t> {
    pub(super) connection: &'t Connection,
    pub(super) tenant: &'t Tenant,
}

impl Transaction<'_> {
    fn one<T: rusqlite::types::FromSql>(&self, sql: &str, values: impl Params) -> Result<Option<T>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?)
    }

    fn texts(&self, sql: &str, values: impl Params) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let texts = statement.query_map(values, |row| row.get(0))?;
        Ok(texts.collect::<rusqlite::Result<_>>()?)
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }
}

impl Tables for Transaction<'_> {
    fn last_row(&mut self) -> Result<Option<(u64, Hash)>, StoreError> {
        let sql = "SELECT seq, hash FROM audit_row WHERE tenant = ?1 ORDER BY seq DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([self.tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn end(&mut self) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM audit_row WHERE tenant = ?1 ORDER BY seq DESC LIMIT 1", [self.tenant.as_str()])
    }

    fn place(&mut self, id: &str) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM audit_row WHERE tenant = ?1 AND id = ?2", [self.tenant.as_str(), id])
    }

    fn known(&mut self, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        let mut known = HashSet::new();
        for id in ids {
            if self.place(id)?.is_some() {
                known.insert((*id).to_owned());
            }
        }
        Ok(known)
    }

    fn add_rows(&mut self, rows: &[StoredRow]) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit_row (tenant, seq, id, received, record, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let mut statement = self.connection.prepare_cached(sql)?;
        for row in rows {
            let tenant = self.tenant.as_str();
            statement.execute(params![tenant, row.seq, row.id, row.received, row.record, row.prev, row.hash])?;
        }
        Ok(())
    }

    fn remove_rows(&mut self, to: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM audit_row WHERE tenant = ?1 AND seq <= ?2";
        self.execute(sql, params![self.tenant.as_str(), signed(to)]).map(drop)
    }

    fn first_since(&mut self, received: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(seq) FROM audit_row WHERE tenant = ?1 AND received >= ?2";
        Ok(self.one::<Option<u64>>(sql, params![self.tenant.as_str(), signed(received)])?.flatten())
    }

    fn walk(&mut self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        let sql = "SELECT seq, id, received, record, prev, hash FROM audit_row
            WHERE tenant = :tenant AND seq BETWEEN :from AND :to ORDER BY seq";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (from, to) = (signed(from), signed(to));
        let mut rows = statement.query(named_params! {":tenant": self.tenant.as_str(), ":from": from, ":to": to})?;
        while let Some(row) = rows.next()? {
            // Whatever type somebody gave a column, the row is seen.
            let text = |index| row.get_ref(index).ok().and_then(|value| value.as_str().ok()).unwrap_or_default();
            let hash = |index| row.get::<_, Hash>(index).unwrap_or_default();
            let seen = Row {
                tenant: self.tenant.as_str(),
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

    fn query(&mut self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError> {
        let mut sql = "SELECT seq, id, received, record, prev, hash FROM audit_row WHERE tenant = ?".to_owned();
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(self.tenant.as_str().to_owned())];
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
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), stored)?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        if !filter.oldest_first {
            rows.reverse();
        }
        Ok(rows)
    }

    fn head(&mut self) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM audit_statement WHERE tenant = ?1 AND kind = 'head'", [self.tenant.as_str()])
    }

    fn statements(&mut self) -> Result<Vec<(String, u64, String)>, StoreError> {
        let sql = "SELECT kind, seq, body FROM audit_statement WHERE tenant = ?1 ORDER BY seq, kind";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([self.tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn newest_checkpoint(&mut self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT max(seq) FROM audit_statement WHERE tenant = ?1 AND kind = 'checkpoint'";
        Ok(self.one::<Option<u64>>(sql, [self.tenant.as_str()])?.flatten())
    }

    fn put_statement(&mut self, signed: &Signed, body: &str) -> Result<(), StoreError> {
        let (tenant, kind) = (self.tenant.as_str(), signed.kind.as_str());
        if signed.kind == Kind::Head {
            self.execute("DELETE FROM audit_statement WHERE tenant = ?1 AND kind = 'head'", [tenant])?;
        } else {
            let sql = "DELETE FROM audit_statement WHERE tenant = ?1 AND kind = ?2 AND seq = ?3";
            self.execute(sql, params![tenant, kind, signed.seq])?;
        }
        let sql = "INSERT INTO audit_statement (tenant, kind, seq, body) VALUES (?, ?, ?, ?)";
        self.execute(sql, params![tenant, kind, signed.seq, body]).map(drop)
    }

    fn approval(&mut self, by: By<'_>) -> Result<Option<String>, StoreError> {
        let (sql, value) = match by {
            By::Id(id) => ("SELECT body FROM approval WHERE tenant = ?1 AND id = ?2", id),
            By::User(admit) => ("SELECT body FROM approval WHERE tenant = ?1 AND used_by = ?2", admit),
            By::Call(call) => {
                ("SELECT body FROM approval WHERE tenant = ?1 AND key = ?2 ORDER BY rowid DESC LIMIT 1", call)
            }
        };
        self.one(sql, [self.tenant.as_str(), value])
    }

    fn approvals(&mut self, state: Option<State>, limit: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM approval WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2)
            ORDER BY created DESC, id LIMIT ?3";
        self.texts(sql, params![self.tenant.as_str(), state.map(State::as_str), signed(limit)])
    }

    fn pending(&mut self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM approval WHERE tenant = ?1 AND state = 'pending'";
        Ok(self.one(sql, [self.tenant.as_str()])?.unwrap_or_default())
    }

    fn due_approvals(&mut self, now: u64, limit: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM approval WHERE tenant = ?1 AND due <= ?2 ORDER BY due LIMIT ?3";
        self.texts(sql, params![self.tenant.as_str(), signed(now), signed(limit)])
    }

    fn put_approval(&mut self, row: &ApprovalRow<'_>) -> Result<(), StoreError> {
        // An update keeps the row's place, so the newest of a call stays the newest.
        let sql = "UPDATE approval SET state = ?3, due = ?4, used_by = ?5, body = ?6 WHERE tenant = ?1 AND id = ?2";
        let (tenant, state, due) = (self.tenant.as_str(), row.state.as_str(), signed(row.due));
        if self.execute(sql, params![tenant, row.id, state, due, row.used_by, row.body])? > 0 {
            return Ok(());
        }
        let sql = "INSERT INTO approval (tenant, id, key, state, created, due, used_by, body)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let values = params![tenant, row.id, row.call, state, row.created, due, row.used_by, row.body];
        self.execute(sql, values).map(drop)
    }

    fn remove_approval(&mut self, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM approval WHERE tenant = ?1 AND id = ?2", [self.tenant.as_str(), id]).map(drop)
    }

    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT body FROM item WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        self.one(sql, [self.tenant.as_str(), kind.as_str(), id])
    }

    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT id, body FROM item WHERE tenant = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let values = params![self.tenant.as_str(), kind.as_str(), after, signed(limit)];
        let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn put_item(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO item (tenant, kind, id, body) VALUES (?, ?, ?, ?)";
        self.execute(sql, [self.tenant.as_str(), kind.as_str(), id, body]).map(drop)
    }

    fn remove_item(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM item WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        Ok(self.execute(sql, [self.tenant.as_str(), kind.as_str(), id])? > 0)
    }

    fn named_token(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM token WHERE name = ?1", [name])
    }

    fn add_token(&mut self, name: &str, hash: &Hash, body: &str) -> Result<bool, StoreError> {
        let sql = "INSERT OR IGNORE INTO token (name, hash, body) VALUES (?, ?, ?)";
        Ok(self.execute(sql, params![name, hash, body])? > 0)
    }

    fn remove_token(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM token WHERE name = ?1", [name])? > 0)
    }
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

/// SQLite's integers are signed.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
