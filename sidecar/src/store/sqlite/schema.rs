//! Tables, and how older ones become newer ones.

use rusqlite::Connection;

/// Makes or upgrades the tables. An upgrade is one transaction.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // FULL: in WAL mode the log is synced before a commit returns, so what was acknowledged survives a power cut.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    loop {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let version: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let Some(step) = STEPS.get(version) else {
            connection.execute_batch("ROLLBACK")?;
            return if version == STEPS.len() { Ok(()) } else { Err(newer()) };
        };
        if let Err(error) = connection.execute_batch(&format!("{step}; PRAGMA user_version = {};", version + 1)) {
            connection.execute_batch("ROLLBACK")?;
            return Err(error);
        }
        connection.execute_batch("COMMIT")?;
    }
}

/// The version that this program works with.
pub(super) fn version() -> usize {
    STEPS.len()
}

fn newer() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISMATCH);
    rusqlite::Error::SqliteFailure(code, Some("the database is of a newer portcullis".to_owned()))
}

/// What brings a database from version N to N + 1.
///
/// The columns that rows are found by are computed from the record and not stored, so they cannot say anything else than
/// what the hash covers.
const STEPS: [&str; 4] = [
    "
CREATE TABLE audit_row (
  tenant TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq >= 0),
  id TEXT NOT NULL,
  received INTEGER NOT NULL,
  record TEXT NOT NULL,
  prev BLOB NOT NULL,
  hash BLOB NOT NULL,
  time TEXT AS (json_extract(record, '$.time')),
  correlation_id TEXT AS (json_extract(record, '$.correlation_id')),
  decision TEXT AS (json_extract(record, '$.decision')),
  server TEXT AS (json_extract(record, '$.server')),
  tool TEXT AS (json_extract(record, '$.tool')),
  principal TEXT AS (json_extract(record, '$.principal')),
  session TEXT AS (json_extract(record, '$.session')),
  action TEXT AS (json_extract(record, '$.action')),
  rule TEXT AS (json_extract(record, '$.rule')),
  approval_id TEXT AS (json_extract(record, '$.approval_id'))
);
CREATE UNIQUE INDEX audit_row_seq ON audit_row (tenant, seq);
CREATE UNIQUE INDEX audit_row_id ON audit_row (tenant, id);
CREATE INDEX audit_row_time ON audit_row (tenant, time);
CREATE INDEX audit_row_correlation ON audit_row (tenant, correlation_id);
CREATE INDEX audit_row_decision ON audit_row (tenant, decision, time);
CREATE INDEX audit_row_server ON audit_row (tenant, server, time);
CREATE INDEX audit_row_tool ON audit_row (tenant, tool, time) WHERE tool IS NOT NULL;
CREATE INDEX audit_row_principal ON audit_row (tenant, principal, time) WHERE principal IS NOT NULL;
CREATE INDEX audit_row_session ON audit_row (tenant, session, time) WHERE session IS NOT NULL;
CREATE INDEX audit_row_action ON audit_row (tenant, action, time) WHERE action IS NOT NULL;
CREATE TABLE audit_statement (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('head', 'checkpoint', 'prune')),
  seq INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_statement_head ON audit_statement (tenant) WHERE kind = 'head';
CREATE UNIQUE INDEX audit_statement_place ON audit_statement (tenant, kind, seq) WHERE kind <> 'head';
",
    "
CREATE TABLE approval (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used_by TEXT,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX approval_id ON approval (tenant, id);
CREATE UNIQUE INDEX approval_user ON approval (tenant, used_by) WHERE used_by IS NOT NULL;
CREATE INDEX approval_key ON approval (tenant, key);
CREATE INDEX approval_state ON approval (tenant, state, created);
CREATE INDEX approval_due ON approval (state, expires);
CREATE TABLE token (
  name TEXT PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX audit_row_approval ON audit_row (tenant, approval_id) WHERE approval_id IS NOT NULL;
",
    "
ALTER TABLE approval RENAME COLUMN expires TO due;
UPDATE approval SET due = due + 604800000000 WHERE state IN ('used', 'denied', 'expired');
DROP INDEX approval_due;
CREATE INDEX approval_due ON approval (due);
CREATE TABLE item (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, kind, id)
) STRICT;
",
    "
ALTER TABLE audit_row ADD COLUMN parent TEXT AS (json_extract(record, '$.parent'));
CREATE INDEX audit_row_parent ON audit_row (tenant, parent) WHERE parent IS NOT NULL;
",
];
