//! Databases for tests: what is started, and what somebody with full access to the database can do to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::store::postgres::{self, Target};
use crate::store::{Store, sqlite};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    Sqlite,
    Postgres,
}

/// A data directory and a database that go with the test.
pub(crate) struct Bed {
    pub(crate) data: PathBuf,
    pub(crate) backing: Backing,
    /// Of PostgreSQL.
    database: String,
}

impl Bed {
    pub(crate) fn new(backing: Backing) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // A directory of its own each time: the writer of the last one may still be closing.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("portcullis-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).unwrap();
        fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).unwrap();
        let database = format!("test_{count}");
        if backing == Backing::Postgres {
            apart(|| Cluster::shared().make(&database));
        }
        Self { data, backing, database }
    }

    /// As `portcullis serve` opens it.
    pub(crate) fn open(&self) -> Arc<Store> {
        match self.backing {
            Backing::Sqlite => sqlite::open(&self.data).unwrap(),
            Backing::Postgres => postgres::open(self.target("portcullis"), &self.data).unwrap(),
        }
    }

    /// As commands that read do.
    pub(crate) fn read(&self) -> Arc<Store> {
        match self.backing {
            Backing::Sqlite => sqlite::read(&self.data).unwrap(),
            Backing::Postgres => postgres::read(self.target("portcullis")).unwrap(),
        }
    }

    /// The database of PostgreSQL, as somebody.
    pub(crate) fn target(&self, role: &str) -> Target {
        Target::new(&Cluster::shared().url(role, &self.database), None).unwrap()
    }

    /// A connection of somebody with all rights, or of the sidecar's role.
    pub(crate) fn client(&self, role: &str) -> ::postgres::Client {
        let mut client = self.target(role).client().unwrap();
        client.batch_execute("SET search_path = portcullis, pg_temp").unwrap();
        client
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The file of SQLite.
    pub(crate) fn file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.join("portcullis.db")).unwrap()
    }

    /// Runs SQL as somebody who has the database. `TENANT` is the name of that column, `x"…"` are bytes.
    pub(crate) fn sql(&self, sql: &str) {
        let sql = self.spelled(sql);
        match self.backing {
            Backing::Sqlite => self.file().execute_batch(&sql).unwrap(),
            Backing::Postgres => self.client("postgres").batch_execute(&sql).unwrap(),
        }
    }

    /// One text.
    pub(crate) fn text(&self, sql: &str) -> String {
        let sql = self.spelled(sql);
        match self.backing {
            Backing::Sqlite => self.file().query_row(&sql, [], |row| row.get(0)).unwrap(),
            Backing::Postgres => self.client("postgres").query_one(&sql, &[]).unwrap().get(0),
        }
    }

    fn spelled(&self, sql: &str) -> String {
        let (tenant, bytes) = match self.backing {
            Backing::Sqlite => ("tenant", "x'"),
            Backing::Postgres => ("tenant_id", "'\\x"),
        };
        let mut parts = sql.split("x\"");
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            text = format!("{text}{bytes}{}", part.replacen('"', "'", 1));
        }
        text.replace("TENANT", tenant)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.data);
        if self.backing == Backing::Postgres {
            apart(|| Cluster::shared().drop(&self.database));
        }
    }
}

/// The client waits in a way that is not allowed on a thread of an asynchronous test.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| threads.spawn(work).join().unwrap())
}

/// A server for all tests of this process. It ends with the process, however that ends: by the end of its standard input.
struct Cluster {
    directory: String,
    _pipes: Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>,
    /// PostgreSQL copies a database that nobody uses.
    making: Mutex<()>,
}

impl Cluster {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start();
            let target = |database: &str| Target::new(&cluster.url("postgres", database), None).unwrap();
            target("postgres").client().unwrap().batch_execute("CREATE DATABASE template").unwrap();
            postgres::migrate(&target("template"), "portcullis", None).unwrap();
            cluster
        })
    }

    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres.sh");
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let directory = line.trim().strip_prefix("ready ").expect("scripts/postgres.sh says why not").to_owned();
        Self { directory, _pipes: Mutex::new((child, input, output)), making: Mutex::new(()) }
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@{}/{database}", self.directory.replace('/', "%2F"))
    }

    fn admin(&self) -> ::postgres::Client {
        Target::new(&self.url("postgres", "postgres"), None).unwrap().client().unwrap()
    }

    fn make(&self, database: &str) {
        let _one = self.making.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.admin().batch_execute(&format!("CREATE DATABASE {database} TEMPLATE template")).unwrap();
    }

    fn drop(&self, database: &str) {
        // Not a matter of the test.
        let _ = self.admin().batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)"));
    }
}

/// A cluster of its own, which can be taken away and brought back.
pub(crate) struct OwnCluster(Cluster);

impl OwnCluster {
    pub(crate) fn start() -> Self {
        let cluster = Cluster::start();
        let admin = Target::new(&cluster.url("postgres", "postgres"), None).unwrap();
        postgres::migrate(&admin, "portcullis", None).unwrap();
        Self(cluster)
    }

    pub(crate) fn target(&self, role: &str) -> Target {
        Target::new(&self.0.url(role, "postgres"), None).unwrap()
    }

    /// How large a file of the server may become from now on: as on a disk that is full. `None`: as large as it likes.
    pub(crate) fn room(&self, bytes: Option<u64>) {
        let file = format!("{}/data/postmaster.pid", self.0.directory);
        let owner = fs::metadata(&file).unwrap();
        let server = fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &server]).output().unwrap();
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        for pid in std::iter::once(server.as_str()).chain(std::str::from_utf8(&children.stdout).unwrap().lines()) {
            // As the server's own account, for in a container root may be no more. A connection may just have ended.
            let mut prlimit = Command::new("prlimit");
            prlimit.args(["--pid", pid, &format!("--fsize={limit}:unlimited")]).uid(owner.uid()).gid(owner.gid());
            let _ = prlimit.status().unwrap();
        }
    }

    /// `stop` or `start`.
    pub(crate) fn tell(&self, what: &str) {
        let mut pipes = self.0._pipes.lock().unwrap();
        writeln!(pipes.1, "{what}").unwrap();
        let mut line = String::new();
        pipes.2.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }
}
