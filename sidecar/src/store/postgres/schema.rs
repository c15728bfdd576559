//! Schema and role in PostgreSQL, made by `portcullis store migrate` as an account that may. The sidecar's own role is
//! none that could change them.

use postgres::Client;

use crate::failure::Failure;

/// What was done.
pub(crate) struct Migrated {
    /// The version before; 0: there was nothing.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The role was made.
    pub(crate) new_role: bool,
}

/// Brings the schema to this version and gives the role what it needs, in one transaction. `password`: the role's new one, as a
/// SCRAM verifier, so that the server's log has none.
pub(super) fn migrate(client: &mut Client, role: &str, password: Option<&str>) -> Result<Migrated, Failure> {
    let fail = |error: postgres::Error| Failure::new(format!("migrate: {}", super::connection::describe(&error)));
    let mut transaction = client.transaction().map_err(fail)?;
    // Of two that migrate at once one waits, and then has nothing to do.
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock(hashtextextended('portcullis migrate', 0))")
        .map_err(fail)?;
    transaction.batch_execute(BEFORE).map_err(fail)?;
    let row = transaction.query_one("SELECT count(*) FROM portcullis.migration", &[]).map_err(fail)?;
    let from = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
    if from > STEPS.len() {
        return Err(Failure::new("the database is of a newer portcullis"));
    }
    for (version, step) in STEPS.iter().enumerate().skip(from) {
        transaction.batch_execute(step).map_err(fail)?;
        let version = i64::try_from(version + 1).unwrap_or(i64::MAX);
        transaction.execute("INSERT INTO portcullis.migration (version) VALUES ($1)", &[&version]).map_err(fail)?;
    }
    let known = transaction.query("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role]).map_err(fail)?;
    let new_role = known.is_empty();
    let role = quoted(role, '"');
    if new_role {
        let make = format!("CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION");
        transaction.batch_execute(&make).map_err(fail)?;
    }
    if let Some(password) = password {
        let set = format!("ALTER ROLE {role} PASSWORD {}", quoted(password, '\''));
        transaction.batch_execute(&set).map_err(fail)?;
    }
    transaction.batch_execute(&GRANTS.replace("ROLE_NAME", &role)).map_err(fail)?;
    transaction.commit().map_err(fail)?;
    Ok(Migrated { from, to: STEPS.len(), new_role })
}

/// The version that this program works with.
pub(super) fn version() -> usize {
    STEPS.len()
}

fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

const BEFORE: &str = "
CREATE SCHEMA IF NOT EXISTS portcullis;
CREATE TABLE IF NOT EXISTS portcullis.migration (
  version bigint PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now()
);
";

/// What brings a database from version N to N + 1.
///
/// Text is compared by its bytes (collation C), as SQLite does. The columns that rows are found by are computed from the record by
/// the database, so they cannot say anything else than what the hash covers; they are stored, because a policy of row-level
/// security keeps PostgreSQL from using an index on an expression.
const STEPS: [&str; 2] = [
    r#"
CREATE FUNCTION portcullis.current_tenant_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(current_setting('portcullis.tenant', true), '') $$;
-- A NUL is the one character that PostgreSQL's text cannot have.
CREATE FUNCTION portcullis.member(record text, name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT replace(record, '\u0000', '\ufffd')::json ->> name $$;

-- Registries: what has to be known before it is known whose something is.
CREATE TABLE portcullis.setting (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);
CREATE TABLE portcullis.tenant (
  id text COLLATE "C" PRIMARY KEY,
  next_due bigint
);
CREATE INDEX tenant_next_due ON portcullis.tenant (next_due) WHERE next_due IS NOT NULL;
CREATE TABLE portcullis.token (
  name text COLLATE "C" PRIMARY KEY,
  hash bytea NOT NULL UNIQUE,
  body text NOT NULL
);

CREATE TABLE portcullis.audit_row (
  tenant_id text COLLATE "C" NOT NULL DEFAULT portcullis.current_tenant_id(),
  seq bigint NOT NULL CHECK (seq >= 0),
  id text COLLATE "C" NOT NULL,
  received bigint NOT NULL,
  record text NOT NULL,
  prev bytea NOT NULL,
  hash bytea NOT NULL,
  time text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'time')) STORED,
  correlation_id text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'correlation_id')) STORED,
  decision text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'decision')) STORED,
  server text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'server')) STORED,
  tool text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'tool')) STORED,
  principal text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'principal')) STORED,
  session text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'session')) STORED,
  action text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'action')) STORED,
  rule text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'rule')) STORED,
  approval_id text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'approval_id')) STORED
);
CREATE UNIQUE INDEX audit_row_seq ON portcullis.audit_row (tenant_id, seq);
CREATE UNIQUE INDEX audit_row_id ON portcullis.audit_row (tenant_id, id);
CREATE INDEX audit_row_time ON portcullis.audit_row (tenant_id, time);
CREATE INDEX audit_row_correlation ON portcullis.audit_row (tenant_id, correlation_id);
CREATE INDEX audit_row_principal ON portcullis.audit_row (tenant_id, principal, time) WHERE principal IS NOT NULL;
CREATE INDEX audit_row_session ON portcullis.audit_row (tenant_id, session, time) WHERE session IS NOT NULL;
CREATE INDEX audit_row_tool ON portcullis.audit_row (tenant_id, tool, time) WHERE tool IS NOT NULL;
CREATE INDEX audit_row_action ON portcullis.audit_row (tenant_id, action, time) WHERE action IS NOT NULL;
CREATE INDEX audit_row_approval ON portcullis.audit_row (tenant_id, approval_id) WHERE approval_id IS NOT NULL;

CREATE TABLE portcullis.audit_statement (
  tenant_id text COLLATE "C" NOT NULL DEFAULT portcullis.current_tenant_id() REFERENCES portcullis.tenant (id),
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('head', 'checkpoint', 'prune')),
  seq bigint NOT NULL,
  body text NOT NULL
);
CREATE UNIQUE INDEX audit_statement_head ON portcullis.audit_statement (tenant_id) WHERE kind = 'head';
CREATE UNIQUE INDEX audit_statement_place ON portcullis.audit_statement (tenant_id, kind, seq) WHERE kind <> 'head';

CREATE TABLE portcullis.approval (
  tenant_id text COLLATE "C" NOT NULL DEFAULT portcullis.current_tenant_id(),
  place bigint GENERATED ALWAYS AS IDENTITY,
  id text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  created bigint NOT NULL,
  due bigint NOT NULL,
  used_by text COLLATE "C",
  body text NOT NULL
);
CREATE UNIQUE INDEX approval_id ON portcullis.approval (tenant_id, id);
CREATE UNIQUE INDEX approval_user ON portcullis.approval (tenant_id, used_by) WHERE used_by IS NOT NULL;
CREATE INDEX approval_key ON portcullis.approval (tenant_id, key, place);
CREATE INDEX approval_state ON portcullis.approval (tenant_id, state, created);
CREATE INDEX approval_due ON portcullis.approval (tenant_id, due);

CREATE TABLE portcullis.item (
  tenant_id text COLLATE "C" NOT NULL DEFAULT portcullis.current_tenant_id(),
  kind text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (tenant_id, kind, id)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['audit_row', 'audit_statement', 'approval', 'item'] LOOP
    EXECUTE format('ALTER TABLE portcullis.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE portcullis.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON portcullis.%I USING (tenant_id = portcullis.current_tenant_id())
      WITH CHECK (tenant_id = portcullis.current_tenant_id())', name);
  END LOOP;
END $$;
"#,
    r#"
ALTER TABLE portcullis.audit_row ADD COLUMN parent text COLLATE "C" GENERATED ALWAYS AS (portcullis.member(record, 'parent')) STORED;
CREATE INDEX audit_row_parent ON portcullis.audit_row (tenant_id, parent) WHERE parent IS NOT NULL;
"#,
];

/// What the sidecar's role may. Audit rows cannot be changed by it at all.
const GRANTS: &str = "
GRANT USAGE ON SCHEMA portcullis TO ROLE_NAME;
GRANT SELECT ON portcullis.migration TO ROLE_NAME;
GRANT SELECT, INSERT ON portcullis.setting TO ROLE_NAME;
GRANT SELECT, INSERT, UPDATE (next_due) ON portcullis.tenant TO ROLE_NAME;
GRANT SELECT, INSERT, DELETE ON portcullis.token TO ROLE_NAME;
GRANT SELECT, INSERT, DELETE ON portcullis.audit_row TO ROLE_NAME;
GRANT SELECT, INSERT, UPDATE (seq, body), DELETE ON portcullis.audit_statement TO ROLE_NAME;
GRANT SELECT, INSERT, UPDATE (state, due, used_by, body), DELETE ON portcullis.approval TO ROLE_NAME;
GRANT SELECT, INSERT, UPDATE (body), DELETE ON portcullis.item TO ROLE_NAME;
";
