//! What PostgreSQL alone promises: several replicas, a role that is held by row-level security, and a server that goes and comes.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::bed::OwnCluster;
use super::*;
use crate::approvals::{Answer, Ask};
use crate::store::{Change, postgres};
use crate::tokens::{Role, Token};

fn ask() -> Ask {
    Ask { principal: "anna".into(), quorum: 1, ..Ask::default() }
}

fn token(name: &str) -> Token {
    Token {
        name: name.into(),
        person: name.into(),
        tenant: String::new(),
        role: Role::Admin,
        groups: Vec::new(),
        created: 0,
    }
}

#[test]
fn refuses_roles_that_row_level_security_does_not_hold() {
    let bed = Bed::new(Backing::Postgres);
    let refused = |role: &str| postgres::open(bed.target(role), &bed.data).err().map(|failure| failure.to_string());
    assert!(refused("postgres").unwrap().contains("superuser"));
    let mut admin = bed.client("postgres");
    let name = bed.database().to_owned();
    let (bypassing, chief, member) = (format!("{name}_bypass"), format!("{name}_chief"), format!("{name}_member"));
    admin.batch_execute(&format!("CREATE ROLE {bypassing} LOGIN BYPASSRLS")).unwrap();
    assert!(refused(&bypassing).unwrap().contains("BYPASSRLS"));
    // As on a managed server: who migrates is no superuser.
    admin
        .batch_execute(&format!(
            "DROP SCHEMA portcullis CASCADE; CREATE ROLE {chief} LOGIN CREATEROLE; GRANT CREATE ON DATABASE {name} TO {chief};
             CREATE ROLE {member} LOGIN IN ROLE {chief}"
        ))
        .unwrap();
    assert!(refused("portcullis").unwrap().contains("store migrate"));
    assert_eq!(postgres::migrate(&bed.target(&chief), "portcullis", None).unwrap().from, 0);
    assert_eq!(postgres::migrate(&bed.target(&chief), "portcullis", None).unwrap().from, 2, "there is nothing to do");
    for role in [&chief, &member] {
        assert!(refused(role).unwrap().contains("owns the tables"), "{role}");
    }
    let store = bed.open();
    store.tenant(&tenant("a")).append(vec![record(1)], 1).unwrap();
    assert_eq!(store.tenants().unwrap(), [tenant("a")]);
    // The owner is held as well.
    let rows: i64 = bed.client(&chief).query_one("SELECT count(*) FROM audit_row", &[]).unwrap().get(0);
    assert_eq!(rows, 0);
    drop(store);
    admin.batch_execute("INSERT INTO portcullis.migration (version) VALUES (3)").unwrap();
    assert!(refused("portcullis").unwrap().contains("newer"));
    let cleared = format!("DROP OWNED BY {chief} CASCADE; DROP ROLE {member}, {chief}, {bypassing}");
    admin.batch_execute(&cleared).unwrap();
}

#[test]
fn replicas_need_one_key() {
    let (first, second) = (Bed::new(Backing::Postgres), Bed::new(Backing::Sqlite));
    let _store = first.open();
    let other = postgres::open(first.target("portcullis"), &second.data).err().unwrap().to_string();
    assert!(other.contains("all replicas need the same audit-key"), "{other}");
}

#[test]
fn one_approval_is_used_once_across_replicas() {
    let bed = Bed::new(Backing::Postgres);
    let replicas = [bed.open(), bed.open()];
    let (send, changes) = channel();
    replicas[0].listen(move |change| drop(send.send(change))).unwrap();
    assert_eq!(changes.recv_timeout(Duration::from_secs(10)).unwrap(), Change::Unknown);
    for round in 0..10_u64 {
        let scopes = [replicas[0].tenant(&tenant("")), replicas[1].tenant(&tenant(""))];
        let ask = Ask { digest: round.to_string(), ..ask() };
        let id = scopes[0].admit("first", ask.clone(), 1000, None, 1).unwrap().approval.id;
        // Whoever votes twice at once is counted once.
        let vote = |scope: &Scope| scope.vote(&id, &token("ben"), true, "", 2).unwrap().unwrap().is_ok();
        let vote = &vote;
        let votes = std::thread::scope(|threads| {
            let both = scopes.each_ref().map(|scope| threads.spawn(move || vote(scope)));
            both.into_iter().map(|thread| thread.join().unwrap()).filter(|voted| *voted).count()
        });
        assert_eq!(votes, 1);
        let told = Change::Approval(tenant(""), id.clone());
        while changes.recv_timeout(Duration::from_secs(10)).unwrap() != told {}
        let answers = std::thread::scope(|threads| {
            let held: Vec<_> = (0..8)
                .map(|n| {
                    let (scope, id) = (&scopes[n % 2], &id);
                    threads.spawn(move || scope.resume(id, &format!("{round}-{n}"), 3).unwrap().unwrap().answer)
                })
                .collect();
            held.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(answers.iter().filter(|answer| **answer == Answer::Allow).count(), 1, "{answers:?}");
    }
    let key = PublicKey::read(&bed.data.join("audit-key.pub")).unwrap();
    assert_eq!(prove(&replicas[1].tenant(&tenant("")), &tenant(""), &key, Vec::new()).unwrap().faults, []);
}

#[test]
fn writers_of_replicas_share_one_chain() {
    let bed = Bed::new(Backing::Postgres);
    let replicas = [bed.open(), bed.open(), bed.open()];
    std::thread::scope(|threads| {
        for thread in 0..9_u64 {
            let scope = replicas[thread as usize % 3].tenant(&tenant(""));
            threads.spawn(move || {
                for n in 0..15 {
                    // Each record is sent by three threads, at different replicas.
                    scope.append(vec![record(thread / 3 * 100 + n)], n).unwrap();
                }
            });
        }
    });
    let scope = replicas[0].tenant(&tenant(""));
    let key = PublicKey::read(&bed.data.join("audit-key.pub")).unwrap();
    assert_eq!(scope.end().unwrap(), Some(45));
    assert_eq!(prove(&scope, &tenant(""), &key, Vec::new()).unwrap().faults, []);
}

#[test]
fn a_lost_connection_heals() {
    let bed = Bed::new(Backing::Postgres);
    let store = bed.open();
    let scope = store.tenant(&tenant(""));
    scope.append(vec![record(1)], 1).unwrap();
    let mut admin = bed.client("postgres");
    let end_all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'portcullis'
        AND datname = current_database()";
    admin.query(end_all, &[]).unwrap();
    assert_eq!(
        scope.append(vec![record(2)], 2).unwrap(),
        1,
        "a connection on which nothing was under way is made anew"
    );
    assert_eq!(scope.end().unwrap(), Some(2));
    // In the middle of a transaction: an error, and nothing of it stays.
    let failed = store.write(&tenant(""), move |tx| {
        tx.put(ItemKind::Sample, "a", "1")?;
        tx.record(record(3))?;
        admin.query(end_all, &[]).map_err(|_| StoreError::Closed)?;
        tx.put(ItemKind::Sample, "b", "1")
    });
    assert!(matches!(failed, Err(StoreError::Database(_))), "{failed:?}");
    assert_eq!(scope.append(vec![record(3)], 4).unwrap(), 1);
    assert_eq!(store.read(&tenant(""), |tx| tx.items(ItemKind::Sample, "", 10)).unwrap(), []);
    let key = PublicKey::read(&bed.data.join("audit-key.pub")).unwrap();
    assert_eq!(prove(&scope, &tenant(""), &key, Vec::new()).unwrap().faults, []);
}

#[test]
fn a_swallowed_error_commits_nothing() {
    let bed = Bed::new(Backing::Postgres);
    let store = bed.open();
    // PostgreSQL takes the COMMIT of a transaction that has failed for ROLLBACK, and says that all is well.
    let failed = store.write(&tenant(""), |tx| {
        let _ = tx.put(ItemKind::Sample, "no\0text", "1");
        let _ = tx.put(ItemKind::Sample, "b", "1");
        Ok(())
    });
    assert!(matches!(failed, Err(StoreError::Database(_))), "{failed:?}");
}

#[test]
fn the_server_goes_and_comes_back() {
    let cluster = OwnCluster::start();
    let data = Bed::new(Backing::Sqlite);
    let store = postgres::open(cluster.target("portcullis"), &data.data).unwrap();
    let (send, changes) = channel();
    store.listen(move |change| drop(send.send(change))).unwrap();
    let scope = store.tenant(&tenant(""));
    let mut kept = 0;
    for round in 0..3_u64 {
        // It goes while many write.
        let acknowledged: u64 = std::thread::scope(|threads| {
            let writers: Vec<_> = (0..8)
                .map(|thread| {
                    let scope = &scope;
                    threads.spawn(move || {
                        let n = |n: u64| round * 10_000 + thread * 1000 + n;
                        (0..200).take_while(|i| scope.append(vec![record(n(*i))], 1).is_ok()).count() as u64
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(100));
            cluster.tell("stop");
            writers.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        kept += acknowledged;
        let began = Instant::now();
        assert!(scope.append(vec![record(1)], 1).is_err() && store.ready().is_err());
        assert!(began.elapsed() < Duration::from_secs(5), "who asks is told so at once");
        cluster.tell("start");
        store.ready().unwrap();
        let end = scope.end().unwrap().unwrap();
        assert!(end >= kept, "{kept} were acknowledged, and {end} are there");
        // What was on disk when the answer got lost counts as well.
        assert!(end <= kept + 8 * (round + 1), "{kept} were acknowledged, and {end} are there");
    }
    let key = PublicKey::read(&data.data.join("audit-key.pub")).unwrap();
    assert_eq!(prove(&scope, &tenant(""), &key, Vec::new()).unwrap().faults, []);
    // Whoever waits for something is told to look again, now and after it came back.
    let told = std::iter::from_fn(|| changes.recv_timeout(Duration::from_secs(5)).ok()).take(2).collect::<Vec<_>>();
    assert_eq!(told, [Change::Unknown, Change::Unknown]);
}

#[test]
fn a_full_disk_of_the_server_loses_nothing() {
    let cluster = OwnCluster::start();
    let data = Bed::new(Backing::Sqlite);
    // A segment of the write-ahead log fits; the table has to grow beyond it.
    cluster.room(Some(17 << 20));
    let store = postgres::open(cluster.target("portcullis"), &data.data).unwrap();
    let scope = store.tenant(&tenant(""));
    // Just below what PostgreSQL would compress, and so keep in little room.
    let long = |n: u64| {
        let record = format!(r#"{{"correlation_id":"c-{n}","decision":"allow","note":"{}"}}"#, "x".repeat(1450));
        NewRecord { id: format!("r{n}"), record }
    };
    let (mut kept, mut refused) = (0, 0);
    for batch in 0..14 {
        match scope.append((0..1000).map(|n| long(batch * 1000 + n)).collect(), batch) {
            Ok(_) => kept += 1000,
            Err(error) => {
                assert!(matches!(error, StoreError::Database(_)), "{error}");
                refused += 1;
            }
        }
    }
    assert!(kept >= 1000 && refused > 0, "{kept} kept, {refused} refused");
    assert_eq!(scope.end().unwrap(), Some(kept), "what was refused left nothing, and what was acknowledged is there");
    // Who reads is served meanwhile.
    assert_eq!(scope.query(&Filter { limit: 3, ..Filter::default() }).unwrap().len(), 3);
    cluster.room(None);
    scope.append(vec![long(1_000_000)], 100).unwrap();
    assert_eq!(scope.end().unwrap(), Some(kept + 1));
    let key = PublicKey::read(&data.data.join("audit-key.pub")).unwrap();
    assert_eq!(prove(&scope, &tenant(""), &key, Vec::new()).unwrap().faults, []);
}

#[test]
fn any_text_of_a_record_can_be_kept() {
    let bed = Bed::new(Backing::Postgres);
    let store = bed.open();
    let scope = store.tenant(&tenant(""));
    // PostgreSQL has no NUL in a text; a record may name one.
    let record = r#"{"action":"a\\u0000","server":"nul\u0000nul","tool":"t"}"#;
    scope.append(vec![NewRecord { id: "nul".into(), record: record.into() }], 1).unwrap();
    let found = |column, value: &str| {
        let filter = Filter { equal: vec![(column, value.to_owned())], limit: 10, ..Filter::default() };
        scope.query(&filter).unwrap().iter().map(|row| row.record.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(Column::Tool, "t"), [record]);
    for spelling in ["nul\u{fffd}nul", "nul\0nul"] {
        assert_eq!(found(Column::Server, spelling), [record]);
    }
}
