//! Redis for tests (scripts/redis.sh).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Redis, client};
use crate::store::Store;

/// Redis at this URL, as a sidecar opens it.
pub(crate) fn open(url: &str, store: &Arc<Store>, may_forget: bool) -> Redis {
    Redis::new(client(url, None).unwrap(), Arc::clone(store), may_forget)
}

/// A server. It ends with the process, however that ends: by the end of its standard input.
pub(crate) struct Server {
    directory: String,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    databases: AtomicU32,
    _process: Child,
}

impl Server {
    /// One for all tests of this process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub(crate) fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/redis.sh");
        let mut process = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, mut output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let directory = line.trim().strip_prefix("ready ").expect("scripts/redis.sh says why not").to_owned();
        Self { directory, input, output, databases: AtomicU32::new(0), _process: process }
    }

    /// The URL of an empty database of its own.
    pub(crate) fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        format!("unix://{}/redis.sock?db={number}", self.directory)
    }

    /// `stop`, `start` or `forget`.
    pub(crate) fn tell(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }

    /// A command of redis-cli.
    pub(crate) fn ask(&self, arguments: &[&str]) {
        let socket = format!("{}/redis.sock", self.directory);
        assert!(Command::new("redis-cli").args(["-s", &socket]).args(arguments).status().unwrap().success());
    }
}
