//! The tables of one tenant in PostgreSQL. No statement names the tenant: row-level security does.

use std::collections::HashSet;

use postgres::Row as SqlRow;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{FromSql, ToSql};

use super::connection::Connection;
use super::listen;
use crate::approvals::State;
use crate::audit::{Hash, Kind, Row, Signed};
use crate::store::tables::{ApprovalRow, By, Tables};
use crate::store::{Filter, ItemKind, StoreError, StoredRow, Tenant, Visitor};

/// A transaction that is under way, with its tenant set.
pub(super) struct Transaction<'t> {
    pub(super) connection: &'t mut Connection,
    pub(super) tenant: &'t Tenant,
}

impl Transaction<'_> {
    fn one<T: for<'a> FromSql<'a>>(
        &mut self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<T>, StoreError> {
        self.connection.query(sql, values)?.first().map(|row| get(row, 0)).transpose()
    }

    /// Other replicas hear of it when this is committed. `what` is an approval, or nothing: what filters are told of.
    fn notify(&mut self, what: &str) -> Result<(), StoreError> {
        let what = listen::Change::of(self.tenant, what);
        self.connection.execute("SELECT pg_notify($1, $2)", &[&listen::CHANNEL, &what]).map(drop)
    }

    fn texts(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<String>, StoreError> {
        self.connection.query(sql, values)?.iter().map(|row| get(row, 0)).collect()
    }
}

impl Tables for Transaction<'_> {
    fn last_row(&mut self) -> Result<Option<(u64, Hash)>, StoreError> {
        let rows = self.connection.query("SELECT seq, hash FROM audit_row ORDER BY seq DESC LIMIT 1", &[])?;
        rows.first().map(|row| Ok((number(get(row, 0)?)?, hash(row, 1)?))).transpose()
    }

    fn end(&mut self) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM audit_row ORDER BY seq DESC LIMIT 1", &[])?.map(number).transpose()
    }

    fn place(&mut self, id: &str) -> Result<Option<u64>, StoreError> {
        self.one("SELECT seq FROM audit_row WHERE id = $1", &[&id])?.map(number).transpose()
    }

    fn known(&mut self, ids: &[&str]) -> Result<HashSet<String>, StoreError> {
        Ok(self.texts("SELECT id FROM audit_row WHERE id = ANY($1)", &[&ids])?.into_iter().collect())
    }

    fn add_rows(&mut self, rows: &[StoredRow]) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit_row (seq, id, received, record, prev, hash)
            SELECT * FROM unnest($1::int8[], $2::text[], $3::int8[], $4::text[], $5::bytea[], $6::bytea[])";
        let seqs: Vec<_> = rows.iter().map(|row| signed(row.seq)).collect();
        let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
        let received: Vec<_> = rows.iter().map(|row| signed(row.received)).collect();
        let records: Vec<_> = rows.iter().map(|row| row.record.as_str()).collect();
        let prevs: Vec<_> = rows.iter().map(|row| row.prev.as_slice()).collect();
        let hashes: Vec<_> = rows.iter().map(|row| row.hash.as_slice()).collect();
        self.connection.execute(sql, &[&seqs, &ids, &received, &records, &prevs, &hashes]).map(drop)
    }

    fn remove_rows(&mut self, to: u64) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM audit_row WHERE seq <= $1", &[&signed(to)]).map(drop)
    }

    fn first_since(&mut self, received: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(seq) FROM audit_row WHERE received >= $1";
        self.one::<Option<i64>>(sql, &[&signed(received)])?.flatten().map(number).transpose()
    }

    fn walk(&mut self, from: u64, to: u64, visit: &mut Visitor<'_>) -> Result<(), StoreError> {
        let sql = "SELECT seq, id, received, record, prev, hash FROM audit_row
            WHERE seq BETWEEN $1 AND $2 ORDER BY seq";
        let statement = self.connection.prepared(sql)?;
        // Row by row: a chain is larger than memory.
        let mut rows = self.connection.client.query_raw(&statement, [signed(from), signed(to)])?;
        while let Some(row) = rows.next()? {
            let seen = Row {
                tenant: self.tenant.as_str(),
                seq: number(get(&row, 0)?).unwrap_or_default(),
                id: get(&row, 1)?,
                received: number(get(&row, 2)?).unwrap_or_default(),
                record: get(&row, 3)?,
                prev: hash(&row, 4).unwrap_or_default(),
            };
            if !visit(&seen, hash(&row, 5).unwrap_or_default()) {
                break;
            }
        }
        Ok(())
    }

    fn query(&mut self, filter: &Filter) -> Result<Vec<StoredRow>, StoreError> {
        let mut sql = "SELECT seq, id, received, record, prev, hash FROM audit_row WHERE true".to_owned();
        // As the columns have it.
        let equal: Vec<_> =
            filter.equal.iter().map(|(column, value)| (column, value.replace('\0', "\u{fffd}"))).collect();
        let (after, before) = (filter.after.map(signed), filter.before.map(signed));
        let limit = signed(filter.limit);
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        for (column, value) in &equal {
            values.push(value);
            sql.push_str(&format!(" AND {} = ${}", column.member(), values.len()));
        }
        if let Some(since) = &filter.since {
            values.push(since);
            sql.push_str(&format!(" AND time >= ${}", values.len()));
        }
        if let Some(until) = &filter.until {
            values.push(until);
            sql.push_str(&format!(" AND time < ${}", values.len()));
        }
        if let Some(after) = &after {
            values.push(after);
            sql.push_str(&format!(" AND seq > ${}", values.len()));
        }
        if let Some(before) = &before {
            values.push(before);
            sql.push_str(&format!(" AND seq < ${}", values.len()));
        }
        let order = if filter.oldest_first { "ASC" } else { "DESC" };
        values.push(&limit);
        sql.push_str(&format!(" ORDER BY seq {order} LIMIT ${}", values.len()));
        let rows = self.connection.query(&sql, &values)?;
        let mut rows = rows.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        if !filter.oldest_first {
            rows.reverse();
        }
        Ok(rows)
    }

    fn head(&mut self) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM audit_statement WHERE kind = 'head'", &[])
    }

    fn statements(&mut self) -> Result<Vec<(String, u64, String)>, StoreError> {
        let rows = self.connection.query("SELECT kind, seq, body FROM audit_statement ORDER BY seq, kind", &[])?;
        rows.iter().map(|row| Ok((get(row, 0)?, number(get(row, 1)?).unwrap_or_default(), get(row, 2)?))).collect()
    }

    fn newest_checkpoint(&mut self) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT max(seq) FROM audit_statement WHERE kind = 'checkpoint'";
        self.one::<Option<i64>>(sql, &[])?.flatten().map(number).transpose()
    }

    fn put_statement(&mut self, statement: &Signed, body: &str) -> Result<(), StoreError> {
        let (kind, seq) = (statement.kind.as_str(), signed(statement.seq));
        let sql = if statement.kind == Kind::Head {
            "INSERT INTO audit_statement (kind, seq, body) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id) WHERE kind = 'head' DO UPDATE SET seq = excluded.seq, body = excluded.body"
        } else {
            "INSERT INTO audit_statement (kind, seq, body) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, kind, seq) WHERE kind <> 'head' DO UPDATE SET body = excluded.body"
        };
        if statement.kind == Kind::Head && statement.seq == 0 || self.head()?.is_none() {
            // The registry has the tenant before the chain has its first head.
            let sql = "INSERT INTO tenant (id) VALUES (current_tenant_id()) ON CONFLICT DO NOTHING";
            self.connection.execute(sql, &[])?;
        }
        self.connection.execute(sql, &[&kind, &seq, &body]).map(drop)
    }

    fn approval(&mut self, by: By<'_>) -> Result<Option<String>, StoreError> {
        let (sql, value) = match by {
            By::Id(id) => ("SELECT body FROM approval WHERE id = $1", id),
            By::User(admit) => ("SELECT body FROM approval WHERE used_by = $1", admit),
            By::Call(call) => ("SELECT body FROM approval WHERE key = $1 ORDER BY place DESC LIMIT 1", call),
        };
        self.one(sql, &[&value])
    }

    fn approvals(
        &mut self,
        state: Option<State>,
        after: Option<(u64, &str)>,
        limit: u64,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM approval WHERE ($1::text IS NULL OR state = $1)
            AND (created < $2 OR (created = $2 AND id > $3)) ORDER BY created DESC, id LIMIT $4";
        let (created, id) = after.unwrap_or((u64::MAX, ""));
        self.texts(sql, &[&state.map(State::as_str), &signed(created), &id, &signed(limit)])
    }

    fn pending(&mut self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM approval WHERE state = 'pending'";
        self.one(sql, &[])?.map(number).unwrap_or(Ok(0))
    }

    fn due_approvals(&mut self, now: u64, limit: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT body FROM approval WHERE due <= $1 ORDER BY due LIMIT $2";
        self.texts(sql, &[&signed(now), &signed(limit)])
    }

    fn settled(&mut self) -> Result<(), StoreError> {
        let sql = "UPDATE tenant SET next_due = (SELECT min(due) FROM approval) WHERE id = current_tenant_id()";
        self.connection.execute(sql, &[]).map(drop)
    }

    fn put_approval(&mut self, row: &ApprovalRow<'_>) -> Result<(), StoreError> {
        let (state, due, created) = (row.state.as_str(), signed(row.due), signed(row.created));
        let sql = "INSERT INTO tenant (id, next_due) VALUES (current_tenant_id(), $1)
            ON CONFLICT (id) DO UPDATE SET next_due = least(tenant.next_due, excluded.next_due)";
        self.connection.execute(sql, &[&due])?;
        let sql = "UPDATE approval SET state = $2, due = $3, used_by = $4, body = $5 WHERE id = $1";
        if self.connection.execute(sql, &[&row.id, &state, &due, &row.used_by, &row.body])? > 0 {
            return self.notify(row.id);
        }
        let sql =
            "INSERT INTO approval (id, key, state, created, due, used_by, body) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        self.connection.execute(sql, &[&row.id, &row.call, &state, &created, &due, &row.used_by, &row.body]).map(drop)
    }

    fn remove_approval(&mut self, id: &str) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM approval WHERE id = $1", &[&id]).map(drop)
    }

    fn item(&mut self, kind: ItemKind, id: &str) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM item WHERE kind = $1 AND id = $2", &[&kind.as_str(), &id])
    }

    fn items(&mut self, kind: ItemKind, after: &str, limit: u64) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT id, body FROM item WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self.connection.query(sql, &[&kind.as_str(), &after, &signed(limit)])?;
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
    }

    fn put_item(&mut self, kind: ItemKind, id: &str, body: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO item (kind, id, body) VALUES ($1, $2, $3)
            ON CONFLICT (tenant_id, kind, id) DO UPDATE SET body = excluded.body";
        self.connection.execute(sql, &[&kind.as_str(), &id, &body]).map(drop)
    }

    fn remove_item(&mut self, kind: ItemKind, id: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM item WHERE kind = $1 AND id = $2", &[&kind.as_str(), &id])? > 0)
    }

    fn tell(&mut self) -> Result<(), StoreError> {
        self.notify("")
    }

    fn named_token(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.one("SELECT body FROM token WHERE name = $1", &[&name])
    }

    fn add_token(&mut self, name: &str, hash: &Hash, body: &str) -> Result<bool, StoreError> {
        let sql = "INSERT INTO token (name, hash, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        Ok(self.connection.execute(sql, &[&name, &hash.as_slice(), &body])? > 0)
    }

    fn remove_token(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.connection.execute("DELETE FROM token WHERE name = $1", &[&name])? > 0)
    }
}

/// A column. Another type than the schema's is another database than ours.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r SqlRow, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|_| form())
}

/// PostgreSQL's integers are signed.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(signed: i64) -> Result<u64, StoreError> {
    u64::try_from(signed).map_err(|_| form())
}

fn hash(row: &SqlRow, column: usize) -> Result<Hash, StoreError> {
    get::<&[u8]>(row, column)?.try_into().map_err(|_| form())
}

fn stored(row: &SqlRow) -> Result<StoredRow, StoreError> {
    Ok(StoredRow {
        seq: number(get(row, 0)?)?,
        id: get(row, 1)?,
        received: number(get(row, 2)?)?,
        record: get(row, 3)?,
        prev: hash(row, 4)?,
        hash: hash(row, 5)?,
    })
}

fn form() -> StoreError {
    StoreError::Database("a row has not the form that it was written in".to_owned())
}
