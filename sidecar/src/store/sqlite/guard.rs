//! What PostgreSQL's row-level security is, for SQLite: a connection reaches the tables of tenants only through views and triggers
//! that name the current tenant, and SQLite itself refuses what goes past them.
//!
//! Each table `x` that has a tenant has a temporary view `own_x` without that column: with the rows of `current_tenant_id()`, and
//! with triggers that write for `current_tenant_id()`. The authorizer denies every access to a table of the database that does not
//! come from one of these. With no tenant set the function is NULL: no row is seen, and none can be inserted.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::store::Tenant;

/// A connection that sees one tenant at a time.
pub(in crate::store) struct Guarded {
    connection: Connection,
    current: Arc<Mutex<Option<String>>>,
}

/// The connection with a tenant set, until this is dropped.
pub(in crate::store) struct Own<'g> {
    guarded: &'g Guarded,
}

impl Guarded {
    /// Takes away from a connection what is not one tenant's at a time.
    pub(super) fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let current = Arc::new(Mutex::new(None));
        let asked = Arc::clone(&current);
        // Within one statement it does not change, which is what SQLite means by deterministic.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function("current_tenant_id", 0, flags, move |_| {
            Ok(asked.lock().ok().and_then(|tenant: std::sync::MutexGuard<'_, Option<String>>| tenant.clone()))
        })?;
        connection.execute_batch(VIEWS)?;
        connection.authorizer(Some(authorize))?;
        Ok(Self { connection, current })
    }

    /// With a tenant set.
    pub(in crate::store) fn of(&self, tenant: &Tenant) -> Own<'_> {
        self.set(Some(tenant.as_str().to_owned()));
        Own { guarded: self }
    }

    /// Without one: for what belongs to none.
    pub(in crate::store) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn set(&self, tenant: Option<String>) {
        // Where the lock is poisoned the function says NULL, so nothing is seen.
        if let Ok(mut current) = self.current.lock() {
            *current = tenant;
        }
    }
}

impl Own<'_> {
    pub(in crate::store) fn connection(&self) -> &Connection {
        &self.guarded.connection
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        self.guarded.set(None);
    }
}

fn authorize(context: AuthContext<'_>) -> Authorization {
    let allowed = match context.action {
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => {
            FREE.contains(&table_name) || is_view(table_name) || context.accessor.is_some_and(is_view)
        }
        AuthAction::Select
        | AuthAction::Function { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Recursive => true,
        // Nothing changes the schema, opens another file or switches something off.
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

/// Of the views and triggers below. The database has no table of such a name, and none can be made.
fn is_view(name: &str) -> bool {
    name.starts_with("own_") || REGISTRIES.contains(&name)
}

/// Tables that belong to no tenant: what has to be found before it is known whose it is.
const FREE: [&str; 1] = ["token"];
/// Views that say no more than which tenants there are and when something of theirs is due.
const REGISTRIES: [&str; 2] = ["tenant_name", "tenant_due"];

/// Of temporary triggers the names of tables cannot be qualified; there are none of these names but in the database.
const VIEWS: &str = "
CREATE TEMP VIEW own_audit_row AS
  SELECT seq, id, received, record, prev, hash, time, correlation_id, decision, server, tool, principal, session, action, rule,
    approval_id, parent
  FROM main.audit_row WHERE tenant = current_tenant_id();
CREATE TEMP TRIGGER own_audit_row_insert INSTEAD OF INSERT ON own_audit_row BEGIN
  INSERT INTO audit_row (tenant, seq, id, received, record, prev, hash)
    VALUES (current_tenant_id(), NEW.seq, NEW.id, NEW.received, NEW.record, NEW.prev, NEW.hash);
END;
-- Rows are deleted by their place alone: SQLite copies what a view shows before it deletes.
CREATE TEMP VIEW own_audit_place AS SELECT seq FROM main.audit_row WHERE tenant = current_tenant_id();
CREATE TEMP TRIGGER own_audit_place_delete INSTEAD OF DELETE ON own_audit_place BEGIN
  DELETE FROM audit_row WHERE tenant = current_tenant_id() AND seq = OLD.seq;
END;

CREATE TEMP VIEW own_audit_statement AS
  SELECT kind, seq, body FROM main.audit_statement WHERE tenant = current_tenant_id();
CREATE TEMP TRIGGER own_audit_statement_insert INSTEAD OF INSERT ON own_audit_statement BEGIN
  INSERT INTO audit_statement (tenant, kind, seq, body) VALUES (current_tenant_id(), NEW.kind, NEW.seq, NEW.body);
END;
CREATE TEMP TRIGGER own_audit_statement_delete INSTEAD OF DELETE ON own_audit_statement BEGIN
  DELETE FROM audit_statement WHERE tenant = current_tenant_id() AND kind = OLD.kind AND seq = OLD.seq;
END;

CREATE TEMP VIEW own_approval AS
  SELECT rowid AS place, id, key, state, created, due, used_by, body FROM main.approval WHERE tenant = current_tenant_id();
CREATE TEMP TRIGGER own_approval_insert INSTEAD OF INSERT ON own_approval BEGIN
  INSERT INTO approval (tenant, id, key, state, created, due, used_by, body)
    VALUES (current_tenant_id(), NEW.id, NEW.key, NEW.state, NEW.created, NEW.due, NEW.used_by, NEW.body);
END;
CREATE TEMP TRIGGER own_approval_update INSTEAD OF UPDATE OF state, due, used_by, body ON own_approval BEGIN
  UPDATE approval SET state = NEW.state, due = NEW.due, used_by = NEW.used_by, body = NEW.body
    WHERE tenant = current_tenant_id() AND id = OLD.id;
END;
CREATE TEMP TRIGGER own_approval_delete INSTEAD OF DELETE ON own_approval BEGIN
  DELETE FROM approval WHERE tenant = current_tenant_id() AND id = OLD.id;
END;

CREATE TEMP VIEW own_item AS SELECT kind, id, body FROM main.item WHERE tenant = current_tenant_id();
CREATE TEMP TRIGGER own_item_insert INSTEAD OF INSERT ON own_item BEGIN
  INSERT OR REPLACE INTO item (tenant, kind, id, body) VALUES (current_tenant_id(), NEW.kind, NEW.id, NEW.body);
END;
CREATE TEMP TRIGGER own_item_delete INSTEAD OF DELETE ON own_item BEGIN
  DELETE FROM item WHERE tenant = current_tenant_id() AND kind = OLD.kind AND id = OLD.id;
END;

CREATE TEMP VIEW tenant_name AS
  SELECT tenant FROM main.audit_row WHERE seq = 0 UNION SELECT tenant FROM main.audit_statement;
CREATE TEMP VIEW tenant_due AS SELECT tenant, due FROM main.approval;
";
