//! The tables of one tenant in SQLite. No statement names the tenant: the views of `guard` do.

use std::collections::HashSet;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row as SqlRow, ToSql, params, params_from_iter};

use super::guard::Own;
use crate::approvals::State;
use crate::audit::{Hash, Kind, Row, Signed};
use crate::store::tables::{ApprovalRow, By, Tables};
use crate::store::{Filter, ItemKind, StoreError, StoredRow, Tenant, Visitor};

/// A transaction that is under way, with its tenant set.
pub(super) struct Transaction<'t> {
    pub(super) own: Own<'t>,
    pub(super) tenant: &'t Tenant,
}

impl Transaction<'_> {
    fn connection(&self) -> &Connection {
        self.own.connection()
    }

    fn one<T: FromSql>(&self, sql: &str, values: impl Params) -> Result<Option<T>, StoreError> {
        Ok(self.connection().prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?)
    }

    fn texts(&self, sql: &str, values: impl Params) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection().prepare_cached(sql)?;
        let texts = statement.query_map(values, |row| row.get(0))?;
        Ok(texts.collect::<rusqlite::Result<_>>()?)
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<usize, StoreError> {
        Ok(self.connection().prepare_cached(sql)?.execute(values)?)
    }
}

impl Tables for Transaction<'_> {
    fn last_row(&mut self) -> Result<Option<(u64, Hash)>, StoreError> {
        let sql = "SELECT seq, hash FROM own_audit_row ORDER BY seq DESC LIMIT 1";
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    fn end(&mut self) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM own_audit_row ORDER BY seq DESC LIMIT 1", [])
    }

    fn place(&mut self, id: &str) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM own_audit_row WHERE id = ?1", [id])
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
        let sql = "INSERT INTO own_audit_row (seq, id, received, record, prev, hash) VALUES (?, ?, ?, ?, ?, ?)";
        let mut statement = self.connection().prepare_cached(sql)?;
        for row in rows {
            statement.execute(params![row.seq, row.id, row.received, row.record, row.prev, row.hash])?;
        }
        Ok(())
    }

    fn remove_rows(&mut self, to: u64) -> Result<(), StoreError> {
        self.execute("DELETE FROM own_audit_place WHERE seq <= ?1", [signed(to)]).map(drop)
    }

    fn first_since(&mut self, received: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(seq) FROM own_audit_row WHERE received >= ?1";
        Ok(self.one::<Option<u64>>(sql, [signed(received)])?.flatten())
    }

    fn walk(&mut self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        let sql = "SELECT seq, id, received, record, prev, hash FROM own_audit_row
            WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        let mut statement = self.own.connection().prepare_cached(sql)?;
        let mut rows = statement.query([signed(from), signed(to)])?;
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
        let mut sql = "SELECT seq, id, received, record, prev, hash FROM own_audit_row WHERE true".to_owned();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
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
        if let Some(before) = filter.before {
            add(" AND seq < ?", Box::new(signed(before)));
        }
        let order = if filter.oldest_first { "ASC" } else { "DESC" };
        add(&format!(" ORDER BY seq {order} LIMIT ?"), Box::new(signed(filter.limit)));
        let mut statement = self.connection().prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), stored)?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        if !filter.oldest_first {
            rows.reverse();
        }
        Ok(rows)
    }

    fn head(&mut self) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM own_audit_statement WHERE kind = 'head'", [])
    }

    fn statements(&mut self) -> Result<Vec<(String, u64, String)>, StoreError> {
        let sql = "SELECT kind, seq, body FROM own_audit_statement ORDER BY seq, kind";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn newest_checkpoint(&mut self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT max(seq) FROM own_audit_statement WHERE kind = 'checkpoint'";
        Ok(self.one::<Option<u64>>(sql, [])?.flatten())
    }

    fn put_statement(&mut self, signed: &Signed, body: &str) -> Result<(), StoreError> {
        let kind = signed.kind.as_str();
        if signed.kind == Kind::Head {
            self.execute("DELETE FROM own_audit_statement WHERE kind = 'head'", [])?;
        } else {
            self.execute("DELETE FROM own_audit_statement WHERE kind = ?1 AND seq = ?2", params![kind, signed.seq])?;
        }
        let sql = "INSERT INTO own_audit_statement (kind, seq, body) VALUES (?, ?, ?)";
        self.execute(sql, params![kind, signed.seq, body]).map(drop)
    }

    fn approval(&mut self, by: By<'_>) -> Result<Option<String>, StoreError> {
        let (sql, value) = match by {
            By::Id(id) => ("SELECT body FROM own_approval WHERE id = ?1", id),
            By::User(admit) => ("SELECT body FROM own_approval WHERE used_by = ?1", admit),
            By::Call(call) => ("SELECT body FROM own_approval WHERE key = ?1 ORDER BY place DESC LIMIT 1", call),
        };
        self.one(sql, [value])
    }

    fn approvals(
        &mut self,
        state: Option<State>,
        after: Option<(u64, &str)>,
        limit: u64,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM own_approval WHERE (?1 IS NULL OR state = ?1)
            AND (created < ?2 OR (created = ?2 AND id > ?3)) ORDER BY created DESC, id LIMIT ?4";
        let (created, id) = after.unwrap_or((u64::MAX, ""));
        self.texts(sql, params![state.map(State::as_str), signed(created), id, signed(limit)])
    }

    fn pending(&mut self) -> Result<u64, StoreError> {
        Ok(self.one("SELECT count(*) FROM own_approval WHERE state = 'pending'", [])?.unwrap_or_default())
    }

    fn due_approvals(&mut self, now: u64, limit: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM own_approval WHERE due <= ?1 ORDER BY due LIMIT ?2";
        self.texts(sql, [signed(now), signed(limit)])
    }

    fn settled(&mut self) -> Result<(), StoreError> {
        // `tenant_due` is computed.
        Ok(())
    }

    fn put_approval(&mut self, row: &ApprovalRow<'_>) -> Result<(), StoreError> {
        let (state, due) = (row.state.as_str(), signed(row.due));
        if self.approval(By::Id(row.id))?.is_some() {
            // An update keeps the row's place, so the newest of a call stays the newest.
            let sql = "UPDATE own_approval SET state = ?2, due = ?3, used_by = ?4, body = ?5 WHERE id = ?1";
            return self.execute(sql, params![row.id, state, due, row.used_by, row.body]).map(drop);
        }
        let sql = "INSERT INTO own_approval (id, key, state, created, due, used_by, body) VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.execute(sql, params![row.id, row.call, state, row.created, due, row.used_by, row.body]).map(drop)
    }

    fn remove_approval(&mut self, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM own_approval WHERE id = ?1", [id]).map(drop)
    }

    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM own_item WHERE kind = ?1 AND id = ?2", [kind.as_str(), id])
    }

    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT id, body FROM own_item WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        let mut statement = self.connection().prepare_cached(sql)?;
        let values = params![kind.as_str(), after, signed(limit)];
        let rows = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn put_item(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError> {
        self.execute("INSERT INTO own_item (kind, id, body) VALUES (?, ?, ?)", [kind.as_str(), id, body]).map(drop)
    }

    fn remove_item(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError> {
        // SQLite does not count what a trigger deletes.
        let there = self.item(kind, id)?.is_some();
        self.execute("DELETE FROM own_item WHERE kind = ?1 AND id = ?2", [kind.as_str(), id])?;
        Ok(there)
    }

    fn tell(&mut self) -> Result<(), StoreError> {
        // One process uses the file.
        Ok(())
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
