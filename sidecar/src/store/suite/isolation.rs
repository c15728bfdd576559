//! Nothing of a tenant is seen or written where the tenant was forgotten: by queries that forget it, on every table that there is.

use std::sync::Arc;

use super::*;
use crate::store::sqlite;

/// A store in which two tenants have a row in every table.
fn filled(backing: Backing) -> (Bed, Arc<Store>) {
    let bed = Bed::new(backing);
    let store = bed.open();
    for name in ["a", "b"] {
        let of = tenant(name);
        let ask = crate::approvals::Ask { principal: "p".into(), ..Default::default() };
        store.tenant(&of).append(vec![record(1), record(2)], 1).unwrap();
        store.tenant(&of).admit("one", ask, 10, None, 2).unwrap();
        store.write(&of, |tx| tx.put(ItemKind::Sample, "x", "{}")).unwrap();
    }
    (bed, store)
}

/// Tables without a tenant, and why: `migration` is the version of the schema; `setting` the id of the key; `tenant` the names of
/// tenants and when something of theirs is due; `token` is read to find out whose a token is.
const REGISTRIES: [&str; 4] = ["migration", "setting", "tenant", "token"];

#[test]
fn postgres_shows_nothing_where_the_tenant_is_forgotten() {
    let (bed, _store) = filled(Backing::Postgres);
    let (mut admin, mut role) = (bed.client("postgres"), bed.client("portcullis"));
    let tables = admin
        .query(
            "SELECT relname::text, relrowsecurity AND relforcerowsecurity FROM pg_class
             WHERE relnamespace = 'portcullis'::regnamespace AND relkind IN ('r', 'p', 'm', 'v', 'f') ORDER BY 1",
            &[],
        )
        .unwrap();
    let mut seen = 0;
    for table in &tables {
        let (name, secured): (String, bool) = (table.get(0), table.get(1));
        if REGISTRIES.contains(&name.as_str()) {
            continue;
        }
        seen += 1;
        assert!(secured, "{name}: row-level security is enabled and forced");
        let policies = admin
            .query(
                "SELECT coalesce(qual, ''), coalesce(with_check, qual, '') FROM pg_policies
                 WHERE schemaname = 'portcullis' AND tablename = $1",
                &[&name],
            )
            .unwrap();
        let expected = "(tenant_id = current_tenant_id())";
        assert_eq!(policies.len(), 1, "{name}");
        assert_eq!([policies[0].get::<_, &str>(0), policies[0].get(1)], [expected; 2], "{name}");

        let count = format!("SELECT count(*) FROM {name}");
        let all: i64 = admin.query_one(&count, &[]).unwrap().get(0);
        assert!(all >= 2, "{name}: the test has rows of two tenants");
        assert_eq!(role.query_one(&count, &[]).unwrap().get::<_, i64>(0), 0, "{name}");
        assert_eq!(role.execute(&format!("DELETE FROM {name}"), &[]).unwrap(), 0, "{name}");
        // Columns that the role may update at all.
        let columns = admin
            .query(
                "SELECT column_name::text FROM information_schema.column_privileges
                 WHERE grantee = 'portcullis' AND privilege_type = 'UPDATE' AND table_schema = 'portcullis' AND table_name = $1",
                &[&name],
            )
            .unwrap();
        if let Some(column) = columns.first().map(|row| row.get::<_, String>(0)) {
            let update = format!("UPDATE {name} SET {column} = {column}");
            assert_eq!(role.execute(&update, &[]).unwrap(), 0, "{name}");
        }
        // An insertion, whoever it says it is of.
        let columns = admin
            .query(
                "SELECT column_name::text, data_type FROM information_schema.columns WHERE table_schema = 'portcullis'
                 AND table_name = $1 AND is_generated = 'NEVER' AND is_identity = 'NO' AND column_name <> 'tenant_id'",
                &[&name],
            )
            .unwrap();
        let names: Vec<String> = columns.iter().map(|row| row.get(0)).collect();
        let values: Vec<_> = columns
            .iter()
            .map(|row| match row.get::<_, &str>(1) {
                "bigint" => "99",
                "bytea" => "'\\x00'",
                _ => "'{}'",
            })
            .collect();
        let (names, values) = (names.join(", "), values.join(", "));
        for (more, value) in [("", ""), ("tenant_id, ", "'a', "), ("tenant_id, ", "NULL, ")] {
            let insert = format!("INSERT INTO {name} ({more}{names}) VALUES ({value}{values})");
            let refused = role.batch_execute(&insert).unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{insert}: {refused:?}");
        }
        // With a tenant set, that one's rows alone; and none can be given away.
        let mut own = role.transaction().unwrap();
        own.execute("SELECT set_config('portcullis.tenant', 'a', true)", &[]).unwrap();
        let of: Vec<String> = own
            .query(&format!("SELECT DISTINCT tenant_id FROM {name}"), &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(of, ["a"], "{name}");
        let foreign = format!("INSERT INTO {name} (tenant_id, {names}) VALUES ('b', {values})");
        assert_eq!(own.batch_execute(&foreign).unwrap_err().code().unwrap().code(), "42501", "{name}");
        own.rollback().unwrap();
        // After the transaction there is no tenant again.
        assert_eq!(role.query_one(&count, &[]).unwrap().get::<_, i64>(0), 0, "{name}");
    }
    assert!(seen >= 4, "{seen} tables have a tenant");
}

#[test]
fn sqlite_shows_nothing_where_the_tenant_is_forgotten() {
    let (bed, _store) = filled(Backing::Sqlite);
    let all = bed.file();
    let guarded = sqlite::guarded(&bed.data).unwrap();
    let count = |connection: &rusqlite::Connection, table: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
    };
    let mut tables = all
        .prepare("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'")
        .unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut seen = 0;
    for table in tables.iter().filter(|table| !REGISTRIES.contains(&table.as_str())) {
        seen += 1;
        assert!(count(&all, table).unwrap() >= 2, "{table}: the test has rows of two tenants");
        // Past the views nothing goes, whatever the statement names.
        for sql in [
            format!("SELECT count(*) FROM {table}"),
            format!("SELECT count(*) FROM main.{table}"),
            format!("SELECT 1 FROM {table} WHERE tenant = 'a'"),
            format!("SELECT (SELECT max(tenant) FROM {table}) FROM own_{table}"),
            format!("WITH x AS (SELECT * FROM {table}) SELECT * FROM x"),
            format!("DELETE FROM {table}"),
            format!("UPDATE {table} SET tenant = 'a'"),
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("CREATE TEMP VIEW own_more AS SELECT * FROM {table}"),
            format!("DROP TABLE {table}"),
            "PRAGMA writable_schema = ON".to_owned(),
            "ATTACH ':memory:' AS other".to_owned(),
        ] {
            assert!(guarded.connection().prepare(&sql).is_err(), "{sql}");
        }
        // What the store uses, without a tenant.
        let own = format!("own_{table}");
        assert_eq!(count(guarded.connection(), &own).unwrap(), 0, "{table}");
        let columns = guarded.connection().prepare(&format!("SELECT * FROM {own}")).unwrap();
        let names: Vec<String> = columns.column_names().map(str::to_owned).collect();
        assert!(!names.contains(&"tenant".to_owned()), "{table}: nobody can say of which tenant a row is");
        let names = names.join(", ");
        let values = names.split(", ").map(|name| if name == "kind" { "'head'" } else { "99" }).collect::<Vec<_>>();
        let insert = format!("INSERT INTO {own} ({names}) VALUES ({})", values.join(", "));
        let refused = guarded.connection().execute(&insert, []).unwrap_err();
        assert!(refused.to_string().contains(&format!("NOT NULL constraint failed: {table}.tenant")), "{refused}");
        // With one, that one's rows alone.
        let mine: i64 =
            all.query_row(&format!("SELECT count(*) FROM {table} WHERE tenant = 'a'"), [], |row| row.get(0)).unwrap();
        let set = guarded.of(&tenant("a"));
        assert_eq!(count(set.connection(), &own).unwrap(), mine, "{table}");
        drop(set);
        assert_eq!(count(guarded.connection(), &own).unwrap(), 0, "{table}: the tenant is gone with the transaction");
    }
    assert!(seen >= 4, "{seen} tables have a tenant");
    for view in ["own_audit_place", "own_audit_statement", "own_approval", "own_item"] {
        guarded.connection().execute(&format!("DELETE FROM {view}"), []).unwrap();
    }
    for table in ["audit_row", "audit_statement", "approval", "item"] {
        assert!(count(&all, table).unwrap() >= 2, "{table}: a deletion without a tenant deletes nothing");
    }
}
