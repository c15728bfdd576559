//! What every database has to keep to, and what somebody with the database can do to a chain, and that verification says so.
//! Each test runs on SQLite and on PostgreSQL.

pub(crate) mod bed;
mod isolation;
mod postgres;

use std::sync::Arc;

use proptest::prelude::*;

use super::{Column, Filter, ItemKind, NewRecord, Scope, Store, StoreError, StoredRow, Tenant};
use crate::approvals::{Answer, State};
use crate::audit::command::prove;
use crate::audit::{Fault, Kind, PublicKey, Row, hex};
use crate::tokens::{Role, Token};
pub(crate) use bed::{Backing, Bed};

/// Every test on every database.
macro_rules! on_each {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[test] fn $name() { super::$name(super::Backing::Sqlite); })* }
        mod on_postgres { $(#[test] fn $name() { super::$name(super::Backing::Postgres); })* }
    };
}

on_each! {
    appends_once_and_proves
    survives_a_restart
    finds_edited_rows
    finds_removed_rows
    finds_inserted_rows
    finds_reordered_rows
    finds_truncation
    finds_chains_that_were_computed_anew
    finds_one_row_with_a_fitting_hash
    finds_statements_that_nobody_signed
    prunes_provably
    tenants_see_nothing_of_each_other
    finds_rows_by_what_they_are_about
    what_came_of_a_request_is_one_tree
    a_reader_writes_nothing
    writers_at_once_share_one_chain
    items_are_kept_by_kind_and_id
    what_fails_leaves_nothing
    no_change_goes_unseen
    the_clock_jumps
    one_broken_chain_keeps_no_other_from_expiring
    approvals_come_by_pages
    tokens_are_found_by_their_hash_alone
}

/// An open store that goes with the test.
struct Bench {
    store: Option<Arc<Store>>,
    bed: Bed,
}

impl Bench {
    fn new(backing: Backing) -> Self {
        let bed = Bed::new(backing);
        Self { store: Some(bed.open()), bed }
    }

    /// With a genesis row and `rows` more, appended at microseconds 1, 2, 3 …
    fn with_rows(backing: Backing, rows: u64) -> Self {
        let bench = Self::new(backing);
        for n in 1..=rows {
            bench.scope().append(vec![record(n)], n).unwrap();
        }
        bench
    }

    fn scope(&self) -> Scope {
        self.store.as_ref().unwrap().tenant(&tenant("default"))
    }

    /// Runs SQL as somebody who has the database, and verifies.
    fn after(&self, sql: &str) -> Vec<Fault> {
        self.bed.sql(sql);
        self.faults()
    }

    fn faults(&self) -> Vec<Fault> {
        let key = PublicKey::read(&self.bed.data.join("audit-key.pub")).unwrap();
        prove(&self.scope(), &tenant("default"), &key, Vec::new()).unwrap().faults
    }
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn record(n: u64) -> NewRecord {
    let decision = if n.is_multiple_of(2) { "allow" } else { "deny" };
    let record = format!(
        "{{\"correlation_id\":\"c{}\",\"decision\":\"{decision}\",\"n\":{n},\"time\":\"2026-11-21T00:00:{:02}.000000Z\"}}",
        n / 3,
        n % 60
    );
    NewRecord { id: format!("r{n}"), record }
}

/// The rows from `from` on get numbers that are `by` higher, without their hashes.
fn renumber(from: u64, by: i64) -> String {
    format!("DROP INDEX audit_row_seq; UPDATE audit_row SET seq = seq + {by} WHERE seq >= {from};")
}

const FORGED: &str = "'forged', 1, '{}', x\"0000\", x\"0000\"";

fn appends_once_and_proves(backing: Backing) {
    let bench = Bench::with_rows(backing, 20);
    assert_eq!(bench.faults(), []);
    let again = (15..=25).map(record).collect();
    assert_eq!(bench.scope().append(again, 30).unwrap(), 5, "what is known changes nothing");
    assert_eq!(bench.scope().append(vec![record(40), record(40)], 30).unwrap(), 1);
    assert_eq!(bench.faults(), []);
    assert_eq!(bench.scope().end().unwrap(), Some(26));
}

fn survives_a_restart(backing: Backing) {
    let mut bench = Bench::with_rows(backing, 5);
    bench.store = None;
    bench.store = Some(bench.bed.open());
    bench.scope().append(vec![record(3), record(6)], 6).unwrap();
    assert_eq!((bench.scope().end().unwrap(), bench.faults()), (Some(6), vec![]));
}

fn finds_edited_rows(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    let sql = "UPDATE audit_row SET record = replace(record, 'deny', 'allow') WHERE seq = 5";
    assert_eq!(bench.after(sql), [Fault::Edited { seq: 5 }]);
    let bench = Bench::with_rows(backing, 10);
    assert_eq!(bench.after("UPDATE audit_row SET received = 99 WHERE seq = 0"), [Fault::Edited { seq: 0 }]);
    let bench = Bench::with_rows(backing, 10);
    let bytes = bench.after("UPDATE audit_row SET record = '{}', prev = x\"07\", hash = x\"\" WHERE seq = 10");
    assert_eq!(bytes, [Fault::Edited { seq: 10 }]);
    assert_eq!(bench.scope().end().unwrap(), Some(10));
    if backing == Backing::Sqlite {
        // Where a column takes any type.
        let bench = Bench::with_rows(backing, 10);
        let types = bench.after("UPDATE audit_row SET record = '{}', prev = 7, received = 'x' WHERE seq = 10");
        assert_eq!(types, [Fault::Edited { seq: 10 }]);
    }
}

fn finds_removed_rows(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    assert_eq!(
        bench.after("DELETE FROM audit_row WHERE seq IN (4, 5, 8)"),
        [Fault::Removed { from: 4, to: 5 }, Fault::Removed { from: 8, to: 8 }]
    );
    let bench = Bench::with_rows(backing, 10);
    assert_eq!(bench.after("DELETE FROM audit_row WHERE seq < 3"), [Fault::Removed { from: 0, to: 2 }]);
    let bench = Bench::with_rows(backing, 10);
    let sql = format!("DELETE FROM audit_row WHERE seq = 4; {}", renumber(5, -1));
    assert_eq!(bench.after(&sql), [Fault::Moved { from: 4, to: 9, was: 5 }, Fault::Removed { from: 4, to: 4 }]);
}

fn finds_inserted_rows(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    let sql = format!(
        "{} INSERT INTO audit_row (TENANT, seq, id, received, record, prev, hash) VALUES ('default', 6, {FORGED})",
        renumber(6, 1)
    );
    assert_eq!(bench.after(&sql), [Fault::Moved { from: 7, to: 11, was: 6 }, Fault::Inserted { seq: 6 }]);
    let bench = Bench::with_rows(backing, 10);
    let sql = format!(
        "DROP INDEX audit_row_seq;
         INSERT INTO audit_row (TENANT, seq, id, received, record, prev, hash) VALUES ('default', 6, {FORGED})"
    );
    assert_eq!(bench.after(&sql), [Fault::Inserted { seq: 6 }]);
    let bench = Bench::with_rows(backing, 10);
    let sql = format!(
        "INSERT INTO audit_row (TENANT, seq, id, received, record, prev, hash) VALUES ('default', 11, {FORGED})"
    );
    assert_eq!(bench.after(&sql), [Fault::Inserted { seq: 11 }]);
}

fn finds_reordered_rows(backing: Backing) {
    let bench = Bench::with_rows(backing, 20);
    let swap = "DROP INDEX audit_row_seq;
        UPDATE audit_row SET seq = CASE seq WHEN 3 THEN 15 ELSE 3 END WHERE seq IN (3, 15);";
    assert_eq!(
        bench.after(swap),
        [Fault::Moved { from: 3, to: 3, was: 15 }, Fault::Moved { from: 15, to: 15, was: 3 }]
    );
}

fn finds_truncation(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    assert_eq!(
        bench.after("DELETE FROM audit_row WHERE seq > 7"),
        [Fault::Truncated { from: 8, to: 10, by: Kind::Head }]
    );
    assert!(bench.scope().append(vec![record(50)], 50).is_err(), "what was cut is not continued");
    let bench = Bench::with_rows(backing, 10);
    bench.scope().checkpoint(11).unwrap().unwrap();
    let sql = "DELETE FROM audit_row WHERE seq > 7; DELETE FROM audit_statement WHERE kind = 'head'";
    assert_eq!(bench.after(sql), [Fault::Truncated { from: 8, to: 10, by: Kind::Checkpoint }, Fault::NoHead]);
    let bench = Bench::with_rows(backing, 10);
    assert_eq!(bench.after("DELETE FROM audit_row"), [Fault::Truncated { from: 0, to: 10, by: Kind::Head }]);
    assert!(bench.scope().append(vec![record(50)], 50).is_err(), "no second genesis");
}

fn finds_chains_that_were_computed_anew(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    bench.scope().checkpoint(11).unwrap().unwrap();
    bench.scope().append(vec![record(12)], 12).unwrap();
    // All hashes are right, only the key is missing.
    let mut prev = None;
    for mut row in bench.scope().query(&Filter { limit: 100, ..Filter::default() }).unwrap() {
        if row.seq == 4 {
            row.record = row.record.replace("\"allow\"", "\"deny\"");
        }
        let sealed = Row { prev: prev.unwrap_or(row.prev), ..as_row(&row) };
        let hash = sealed.hash();
        let (prev_text, hash_text) = (hex(&sealed.prev), hex(&hash));
        let (record, seq) = (&row.record, row.seq);
        bench.bed.sql(&format!(
            "UPDATE audit_row SET record = '{record}', prev = x\"{prev_text}\", hash = x\"{hash_text}\" WHERE seq = {seq}"
        ));
        prev = Some(hash);
    }
    assert_eq!(
        bench.faults(),
        [Fault::Forged { seq: 10, by: Kind::Checkpoint }, Fault::Forged { seq: 11, by: Kind::Head }]
    );
    assert!(bench.scope().checkpoint(20).is_err(), "it is not signed after the fact");
}

fn finds_one_row_with_a_fitting_hash(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    let row =
        &bench.scope().query(&Filter { after: Some(3), limit: 1, oldest_first: true, ..Filter::default() }).unwrap()[0];
    let edited = StoredRow { record: "{}".to_owned(), ..row.clone() };
    let hash = hex(&as_row(&edited).hash());
    let sql = format!("UPDATE audit_row SET record = '{{}}', hash = x\"{hash}\" WHERE seq = 4");
    assert_eq!(bench.after(&sql), [Fault::Rewritten { seq: 4 }]);
}

fn finds_statements_that_nobody_signed(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    bench.scope().checkpoint(11).unwrap().unwrap();
    let sql = "UPDATE audit_statement SET body = replace(body, '\"time\":11', '\"time\":12') WHERE kind = 'checkpoint'";
    assert_eq!(bench.after(sql), [Fault::BadSignature { seq: 10, by: Kind::Checkpoint }]);
    let bench = Bench::with_rows(backing, 10);
    let sql = "UPDATE audit_statement SET body = '{}' WHERE kind = 'head'";
    assert_eq!(bench.after(sql), [Fault::NoHead, Fault::BadSignature { seq: 10, by: Kind::Head }]);
    // A head as it was earlier shows rows that it does not cover.
    let bench = Bench::with_rows(backing, 10);
    let old = bench.bed.text("SELECT body FROM audit_statement");
    bench.scope().append(vec![record(11), record(12)], 12).unwrap();
    let sql = format!("UPDATE audit_statement SET body = '{old}', seq = 10 WHERE kind = 'head'");
    assert_eq!(bench.after(&sql), [Fault::Unsigned { from: 11, to: 12 }]);
}

fn prunes_provably(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    bench.scope().checkpoint(10).unwrap().unwrap();
    let pruned = bench.scope().prune(6, record(90), 11).unwrap().unwrap();
    assert_eq!((pruned.kind, pruned.seq), (Kind::Prune, 5));
    assert_eq!(bench.faults(), []);
    assert_eq!(bench.scope().prune(6, record(91), 12).unwrap(), None, "nothing is older");
    bench.scope().append(vec![record(12)], 12).unwrap();
    bench.scope().prune(9, record(92), 13).unwrap().unwrap();
    assert_eq!(bench.faults(), []);
    // More than the statement allows.
    assert_eq!(bench.after("DELETE FROM audit_row WHERE seq < 10"), [Fault::Removed { from: 9, to: 9 }]);
    let bench = Bench::with_rows(backing, 10);
    bench.after("UPDATE audit_row SET record = '{}' WHERE seq = 3");
    assert!(bench.scope().prune(6, record(90), 11).is_err(), "an edit is not hidden by a pruning");
    let bench = Bench::with_rows(backing, 10);
    bench.scope().prune(u64::MAX, record(90), 11).unwrap().unwrap();
    assert_eq!((bench.faults(), bench.scope().end().unwrap()), (vec![], Some(11)));
}

fn tenants_see_nothing_of_each_other(backing: Backing) {
    let bench = Bench::with_rows(backing, 3);
    let other = bench.store.as_ref().unwrap().tenant(&tenant("other"));
    other.append(vec![record(1), record(7)], 9).unwrap();
    assert_eq!((bench.scope().end().unwrap(), other.end().unwrap()), (Some(3), Some(2)));
    assert_eq!((bench.scope().place("r7").unwrap(), other.place("r2").unwrap()), (None, None));
    assert_eq!(bench.store.as_ref().unwrap().tenants().unwrap(), [tenant(""), tenant("other")]);
    assert_eq!(bench.after("UPDATE audit_row SET record = '{}' WHERE TENANT = 'other'"), []);
    // A row of one in the chain of the other.
    let faults = bench.after("UPDATE audit_row SET TENANT = 'default', seq = 4 WHERE TENANT = 'other' AND seq = 2");
    assert_eq!(faults, [Fault::Inserted { seq: 4 }]);
}

fn finds_rows_by_what_they_are_about(backing: Backing) {
    let bench = Bench::with_rows(backing, 10);
    let ids = |filter: Filter| {
        let rows = bench.scope().query(&Filter { limit: 100, ..filter }).unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let equal = vec![(Column::Correlation, "c2".to_owned())];
    assert_eq!(ids(Filter { equal: equal.clone(), ..Filter::default() }), ["r6", "r7", "r8"]);
    let mut both = equal;
    both.push((Column::Decision, "deny".to_owned()));
    assert_eq!(ids(Filter { equal: both, ..Filter::default() }), ["r7"]);
    let since = Some("2026-11-21T00:00:09.000000Z".to_owned());
    assert_eq!(ids(Filter { since, until: Some("2026-11-22T00:00:00Z".into()), ..Filter::default() }), ["r9", "r10"]);
    let newest = bench.scope().query(&Filter { limit: 2, ..Filter::default() }).unwrap();
    assert_eq!(newest.iter().map(|row| row.seq).collect::<Vec<_>>(), [9, 10]);
    // The page before that one.
    let older = bench.scope().query(&Filter { before: Some(9), limit: 2, ..Filter::default() }).unwrap();
    assert_eq!(older.iter().map(|row| row.seq).collect::<Vec<_>>(), [7, 8]);
}

fn what_came_of_a_request_is_one_tree(backing: Backing) {
    let bench = Bench::new(backing);
    let row = |n: u64, record: &str| NewRecord { id: format!("t{n}"), record: record.to_owned() };
    let scope = bench.scope();
    let rows = [
        r#"{"action":"approval.requested","approval_id":"a","correlation_id":"one"}"#,
        r#"{"approval_id":"a","correlation_id":"one","decision":"require_approval"}"#,
        r#"{"correlation_id":"other","decision":"allow"}"#,
        r#"{"action":"approval.approved","approval_id":"a","correlation_id":"one"}"#,
        r#"{"action":"webhook.delivered","approval_id":"a"}"#,
        r#"{"approval_id":"a","correlation_id":"two","decision":"allow"}"#,
        r#"{"correlation_id":"two","decision":"allow","method":"sampling/createMessage"}"#,
        r#"{"correlation_id":"three","decision":"allow","parent":"two"}"#,
        r#"{"correlation_id":"three","decision":"allow","parent":"three"}"#,
    ];
    scope.append((1..).zip(rows).map(|(n, record)| row(n, record)).collect(), 1).unwrap();
    let tree = |of: &str| {
        let tree = scope.tree(of).unwrap();
        assert!(!tree.more);
        tree.branches.iter().map(|branch| (branch.row.seq, branch.depth)).collect::<Vec<_>>()
    };
    assert_eq!(tree("one"), [(1, 0), (2, 0), (4, 0), (5, 0), (6, 1), (7, 1), (8, 2), (9, 2)]);
    // What people decided about it belongs to the call that used it; the call that asked does not go back to it.
    assert_eq!(tree("two"), [(1, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 1), (9, 1)]);
    assert_eq!((tree("three"), tree("nothing")), (vec![(8, 0), (9, 0)], vec![]));
}

fn a_reader_writes_nothing(backing: Backing) {
    let bench = Bench::with_rows(backing, 3);
    let reader = bench.bed.read();
    let scope = reader.tenant(&tenant(""));
    assert_eq!(scope.end().unwrap(), Some(3));
    assert!(matches!(scope.append(vec![record(9)], 9), Err(StoreError::ReadOnly)));
}

fn writers_at_once_share_one_chain(backing: Backing) {
    let bench = Bench::new(backing);
    std::thread::scope(|threads| {
        for thread in 0..8_u64 {
            let scope = bench.scope();
            threads.spawn(move || {
                for n in 0..25 {
                    // Each record is sent by two threads.
                    scope.append(vec![record(thread / 2 * 100 + n)], n).unwrap();
                }
            });
        }
    });
    assert_eq!((bench.scope().end().unwrap(), bench.faults()), (Some(100), vec![]));
}

/// Whatever is done to one row's content, or to which rows there are, is found.
fn no_change_goes_unseen(backing: Backing) {
    // A database for each case takes PostgreSQL a while.
    let cases = if backing == Backing::Sqlite { 48 } else { 8 };
    proptest!(ProptestConfig::with_cases(cases), |(seq in 0_u64..12, what in 0_usize..6, other in 0_u64..12)| {
        let bench = Bench::with_rows(backing, 11);
        let next = (seq + 1 + other % 11) % 12;
        let sql = match what {
            0 => format!("UPDATE audit_row SET record = record || ' ' WHERE seq = {seq}"),
            1 => format!("UPDATE audit_row SET id = 'x' WHERE seq = {seq}"),
            2 => format!("DELETE FROM audit_row WHERE seq = {seq}"),
            3 => format!("DELETE FROM audit_row WHERE seq >= {seq}"),
            4 => renumber(seq, 1),
            _ => format!("UPDATE audit_row SET hash = (SELECT hash FROM audit_row WHERE seq = {next}) WHERE seq = {seq}"),
        };
        prop_assert_ne!(bench.after(&sql), vec![]);
    });
}

/// Figures for docs/audit.md: `ROWS=1000000 cargo test --profile native -p portcullis many_rows_on -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of a minute"]
fn many_rows_on_sqlite() {
    measure(Backing::Sqlite);
}

#[test]
#[ignore = "a measurement of a minute"]
fn many_rows_on_postgres() {
    measure(Backing::Postgres);
}

fn measure(backing: Backing) {
    let rows = std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000_u64);
    // It takes five times as long for a row.
    let rows = if backing == Backing::Postgres { rows / 10 } else { rows }.next_multiple_of(1000);
    let bench = Bench::new(backing);
    let like = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/record.json")).unwrap();
    let like = crate::audit::canonical("a", like.as_bytes()).unwrap();
    let began = std::time::Instant::now();
    for batch in 0..rows / 1000 {
        let rows = (0..1000).map(|n| NewRecord {
            id: format!("row-{}", batch * 1000 + n),
            record: like.replace("CORRELATION", &format!("c-{batch}-{n}")),
        });
        bench.scope().append(rows.collect(), batch).unwrap();
    }
    let appended = began.elapsed();
    let began = std::time::Instant::now();
    assert_eq!(bench.faults(), []);
    let length = like.len();
    println!("{backing:?}: {rows} rows of {length} bytes: appended in {appended:?}, verified in {:?}", began.elapsed());
    let began = std::time::Instant::now();
    for n in 0..200 {
        bench.scope().append(vec![NewRecord { id: format!("one-{n}"), record: like.clone() }], n).unwrap();
    }
    println!("{backing:?}: one row at a time: {:?} each", began.elapsed() / 200);
}

fn as_row(row: &StoredRow) -> Row<'_> {
    Row { tenant: "default", seq: row.seq, id: &row.id, received: row.received, record: &row.record, prev: row.prev }
}

fn items_are_kept_by_kind_and_id(backing: Backing) {
    let bench = Bench::new(backing);
    let store = Arc::clone(bench.store.as_ref().unwrap());
    store
        .write(&tenant("a"), |tx| {
            for id in ["b", "a", "é", "c"] {
                tx.put(ItemKind::Sample, id, "1")?;
            }
            tx.put(ItemKind::Sample, "a", "2")?;
            tx.put(ItemKind::Other, "a", "3")
        })
        .unwrap();
    let seen = store.read(&tenant("a"), |tx| tx.items(ItemKind::Sample, "a", 2)).unwrap();
    assert_eq!(seen, [("b".to_owned(), "1".to_owned()), ("c".to_owned(), "1".to_owned())]);
    let item = |of: &str, id: &'static str| store.read(&tenant(of), |tx| tx.item(ItemKind::Sample, id)).unwrap();
    assert_eq!((item("a", "a").as_deref(), item("a", "d"), item("b", "a")), (Some("2"), None, None));
    let removed = store.write(&tenant("b"), |tx| tx.remove(ItemKind::Sample, "a")).unwrap();
    assert!(!removed && item("a", "a").is_some(), "another tenant's");
    assert!(store.write(&tenant("a"), |tx| tx.remove(ItemKind::Sample, "a")).unwrap());
    assert_eq!(item("a", "a"), None);
    assert!(matches!(store.read(&tenant("a"), |tx| tx.put(ItemKind::Sample, "a", "")), Err(StoreError::ReadOnly)));
}

fn what_fails_leaves_nothing(backing: Backing) {
    let bench = Bench::with_rows(backing, 2);
    let store = bench.store.as_ref().unwrap();
    let failed: Result<(), _> = store.write(&tenant(""), |tx| {
        tx.put(ItemKind::Sample, "a", "1")?;
        tx.record(record(3))?;
        Err(StoreError::Full)
    });
    assert!(matches!(failed, Err(StoreError::Full)));
    assert_eq!(store.read(&tenant(""), |tx| tx.item(ItemKind::Sample, "a")).unwrap(), None);
    assert_eq!((bench.scope().end().unwrap(), bench.faults()), (Some(2), vec![]));
    // Several records of one transaction are signed once, and each is there once.
    let (whose, when) = store.write(&tenant(""), |tx| Ok((tx.tenant().clone(), tx.now()))).unwrap();
    assert!(whose == tenant("") && when > 1_700_000_000_000_000);
    store.write(&tenant(""), |tx| [3, 4, 3, 1].into_iter().try_for_each(|n| tx.record(record(n)))).unwrap();
    assert_eq!((bench.scope().end().unwrap(), bench.faults()), (Some(4), vec![]));
}

fn the_clock_jumps(backing: Backing) {
    let bench = Bench::new(backing);
    let scope = bench.scope();
    for (n, now) in [(1, 1000), (2, 5000), (3, 20), (4, 30), (5, 6000)] {
        scope.append(vec![record(n)], now).unwrap();
    }
    assert_eq!(bench.faults(), []);
    // Only a beginning goes, however old a row behind it says it is.
    assert_eq!(scope.prune(4000, record(90), 7000).unwrap().map(|signed| signed.seq), Some(1));
    assert_eq!((bench.faults(), scope.end().unwrap()), (vec![], Some(6)));

    let ask = crate::approvals::Ask { principal: "p".into(), ..Default::default() };
    let id = scope.admit("one", ask.clone(), 100, None, 10_000).unwrap().approval.id;
    // A clock that is behind finds it pending; once it has ended it stays so for everybody.
    assert_eq!(scope.resume(&id, "one", 50).unwrap().unwrap().answer, Answer::Pending);
    assert_eq!(scope.resume(&id, "one", 10_100).unwrap().unwrap().answer, Answer::Expired);
    assert_eq!(scope.resume(&id, "one", 50).unwrap().unwrap().answer, Answer::Expired);
    let anew = scope.admit("one", ask, 100, None, 50).unwrap();
    assert_eq!(anew.answer, Answer::Pending);
    // By a clock that is far ahead it ends before its time, and later is forgotten.
    let store = bench.store.as_ref().unwrap();
    assert_eq!(store.expire(1 << 50).ended.len(), 1);
    assert_eq!(store.expire(1 << 50).ended.len(), 0);
    assert!(scope.approval(&id).unwrap().is_none(), "a week after its end");
    assert_eq!(bench.faults(), []);
}

fn one_broken_chain_keeps_no_other_from_expiring(backing: Backing) {
    let bench = Bench::new(backing);
    let store = bench.store.as_ref().unwrap();
    for name in ["a", "b", "c"] {
        let ask = crate::approvals::Ask { principal: "p".into(), ..Default::default() };
        store.tenant(&tenant(name)).admit("one", ask, 100, None, 1).unwrap();
    }
    bench.bed.sql("DELETE FROM audit_row WHERE TENANT = 'b'");
    let expired = store.expire(200);
    let ended: Vec<_> = expired.ended.iter().map(|(tenant, _)| tenant.as_str()).collect();
    assert_eq!(ended, ["a", "c"]);
    assert!(matches!(expired.failed, Some(StoreError::Chain(Kind::Head))));
}

fn approvals_come_by_pages(backing: Backing) {
    let bench = Bench::new(backing);
    let scope = bench.scope();
    for n in 0..25_u64 {
        let ask = crate::approvals::Ask { principal: "p".into(), digest: n.to_string(), ..Default::default() };
        // Some at the same time.
        scope.admit(&n.to_string(), ask, 1000, None, 10 + n / 4).unwrap();
    }
    let all: Vec<_> = scope.approvals(None, 100).unwrap().into_iter().map(|one| (one.created, one.id)).collect();
    assert!(all.len() == 25 && all.is_sorted_by(|a, b| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)));
    let mut paged: Vec<(u64, String)> = Vec::new();
    loop {
        let page = match paged.last() {
            None => scope.approvals(Some(State::Pending), 7).unwrap(),
            Some((created, id)) => scope.approvals_after(Some(State::Pending), (*created, id), 7).unwrap(),
        };
        if page.is_empty() {
            break;
        }
        paged.extend(page.into_iter().map(|one| (one.created, one.id)));
    }
    assert_eq!(paged, all);
}

fn tokens_are_found_by_their_hash_alone(backing: Backing) {
    let bench = Bench::new(backing);
    let store = bench.store.as_ref().unwrap();
    let token = |name: &str, tenant: &str| Token {
        name: name.into(),
        person: name.into(),
        tenant: tenant.into(),
        role: Role::Viewer,
        groups: Vec::new(),
        created: 1,
    };
    assert!(store.create_token(token("x", "a"), [1; 32], record(1), 1).unwrap());
    assert!(!store.create_token(token("x", "b"), [2; 32], record(2), 1).unwrap(), "the name is taken");
    assert!(store.create_token(token("y", ""), [3; 32], record(3), 1).unwrap());
    assert_eq!(store.find_token(&[1; 32]).unwrap(), Some(token("x", "a")));
    assert_eq!((store.find_token(&[2; 32]).unwrap(), store.all_tokens().unwrap().len()), (None, 2));
    assert!(store.revoke_token("x", record(4), 2).unwrap() && !store.revoke_token("x", record(5), 2).unwrap());
    assert_eq!(store.find_token(&[1; 32]).unwrap(), None);
    // Each is recorded in the chain of its tenant, and what did not happen in none.
    let ids = |name: &str| {
        let rows = store.tenant(&tenant(name)).query(&Filter { limit: 10, ..Filter::default() }).unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!((ids("a"), ids("b"), ids("")), (names(&[":genesis", "r1", "r4"]), vec![], names(&[":genesis", "r3"])));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
