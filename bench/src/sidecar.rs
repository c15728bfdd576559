//! The sidecar on the path of a call: what it costs beside the filter alone, and a thousand approvals at once.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envoy::{self, Envoy, Launcher};
use crate::load::{self, CASES};
use crate::policy;
use crate::report::{self, Table};
use crate::wire::{Reader, broken};

/// What is measured with.
pub struct Means<'m> {
    /// `portcullis`.
    pub cli: PathBuf,
    /// `scripts/postgres.sh`.
    pub postgres: PathBuf,
    /// The filter.
    pub wasm: &'m Path,
    pub launcher: &'m Launcher,
    pub upstream: SocketAddr,
}

/// A running `portcullis serve`; it ends when this is dropped.
struct Sidecar {
    child: Child,
    grpc: SocketAddr,
    http: SocketAddr,
    data: PathBuf,
    /// What the filter sends.
    token: String,
    _database: Option<Database>,
}

/// A PostgreSQL that ends with its standard input.
struct Database {
    child: Child,
    _input: ChildStdin,
    url: String,
}

/// What the sidecar is asked for each call.
#[derive(Clone, Copy)]
enum Asked {
    /// Nothing, and told nothing.
    Nothing,
    /// It gets the records, a moment later.
    Batch,
    /// It gives a credential.
    Credential,
    /// It writes down that a call is about to be made, and gives a credential.
    Durable,
}

/// Ratios to the filter alone, in the same rounds.
pub fn costs(means: &Means<'_>, rounds: usize, time: Duration) -> io::Result<()> {
    let (sqlite, postgres) = (means.sidecar(false)?, means.sidecar(true)?);
    let rows = [
        ("filter alone", Asked::Nothing, &sqlite),
        ("records in batches, SQLite", Asked::Batch, &sqlite),
        ("records in batches, PostgreSQL", Asked::Batch, &postgres),
        ("credential, SQLite", Asked::Credential, &sqlite),
        ("credential, PostgreSQL", Asked::Credential, &postgres),
        ("intent and credential, SQLite", Asked::Durable, &sqlite),
        ("intent and credential, PostgreSQL", Asked::Durable, &postgres),
    ];
    let mut running = Vec::new();
    for (name, asked, sidecar) in rows {
        let envoy = means.envoy(name, sidecar, asked.policy(sidecar))?;
        running.push((name, envoy));
    }
    let [case, ..] = CASES;
    let title = format!("{}: the sidecar on the path", case.name);
    let mut table = Table { case: &title, rows: running.iter().map(|(name, _)| (*name, Vec::new())).collect() };
    for round in 0..=rounds {
        for ((name, envoy), (_, runs)) in running.iter().zip(&mut table.rows) {
            let run = load::run(envoy.address, case, time, || envoy.cpu())
                .map_err(|error| io::Error::other(format!("{name}: {error}\n{}", envoy.last_words())))?;
            envoy.cut_log()?;
            // The first round warms up.
            if round > 0 {
                runs.push(run);
            }
        }
    }
    table.print();
    Ok(())
}

/// So many calls are held, then decided one after the other.
pub fn approvals(means: &Means<'_>, calls: usize) -> io::Result<()> {
    println!("\n### {calls} calls that wait for a person at once\n");
    println!("| store | all held after | a page of 200 | a decision | all answered after | Envoy MiB | sidecar MiB |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, with_postgres) in [("SQLite", false), ("PostgreSQL", true)] {
        let sidecar = means.sidecar(with_postgres)?;
        let mut policy = Asked::Nothing.policy(&sidecar);
        let rule = json!({"id": "asks", "match": {"name": ["deploy"]}, "action": "require_approval", "approval": {"wait": "5m"}});
        if let Some(members) = policy.as_object_mut() {
            members.insert("rules".to_owned(), json!([rule]));
        }
        let envoy = means.envoy(&format!("approvals {name}"), &sidecar, policy)?;
        let began = Instant::now();
        let mut held = (0..calls).map(|n| hold(envoy.address, n)).collect::<io::Result<Vec<_>>>()?;
        let mut ids: Vec<String> = Vec::new();
        let mut page = Duration::ZERO;
        while ids.len() < calls {
            if began.elapsed() > PATIENCE {
                return Err(broken(&format!("{} of {calls} calls are held\n{}", ids.len(), envoy.last_words())));
            }
            thread::sleep(Duration::from_millis(20));
            (ids, page) = sidecar.pending()?;
        }
        let all_held = began.elapsed();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (envoys, sidecars) = (mib(envoy.resident()?), mib(envoy::resident(sidecar.child.id())?));
        let began = Instant::now();
        let mut decisions = Vec::new();
        for id in &ids {
            let one = Instant::now();
            sidecar.ask("POST", &format!("/approvals/{id}/approve"), "{}")?;
            decisions.push(one.elapsed().as_secs_f64() * 1e3);
        }
        for reader in &mut held {
            let answer =
                reader.message()?.map(|(head, body)| (head.status, String::from_utf8_lossy(body).into_owned()));
            if !answer.as_ref().is_some_and(|(status, body)| *status == 200 && !body.contains(r#""isError":true"#)) {
                return Err(broken(&format!("a call that was approved was not answered: {answer:?}")));
            }
        }
        println!(
            "| {name} | {:.2} s | {:.1} ms | {:.1} ms | {:.2} s | {envoys:.0} | {sidecars:.0} |",
            all_held.as_secs_f64(),
            page.as_secs_f64() * 1e3,
            report::median(decisions.into_iter()),
            began.elapsed().as_secs_f64(),
        );
    }
    Ok(())
}

impl Means<'_> {
    fn envoy(&self, name: &str, sidecar: &Sidecar, policy: Value) -> io::Result<Envoy> {
        let filter = envoy::wasm(self.wasm, "portcullis", &policy.to_string());
        self.launcher.start_with(name, Some(filter), self.upstream, Some(sidecar.grpc), 1)
    }

    /// With a credential for the benchmark's caller.
    fn sidecar(&self, with_postgres: bool) -> io::Result<Sidecar> {
        let database = if with_postgres { Some(Database::start(&self.postgres)?) } else { None };
        let name = if with_postgres { "postgres" } else { "sqlite" };
        let data = self.launcher.directory.join(format!("{name}-{}", free()?.port()));
        let mut store = Vec::new();
        if let Some(database) = &database {
            let admin = database.url.replace("ROLE", "postgres");
            self.portcullis(&["store", "migrate", "--admin-url", &admin])?;
            store = vec!["--store".to_owned(), database.url.replace("ROLE", "portcullis")];
        }
        let (grpc, http) = (free()?, free()?);
        let log = File::create(data.with_extension("log"))?;
        let child = Command::new(&self.cli)
            .arg("serve")
            .arg("--data")
            .arg(&data)
            .args(["--listen-grpc", &grpc.to_string(), "--listen-http", &http.to_string()])
            .args(&store)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut sidecar = Sidecar { child, grpc, http, data, token: String::new(), _database: database };
        let began = Instant::now();
        while sidecar.ask("GET", "/self", "").is_err() {
            if began.elapsed() > PATIENCE {
                return Err(broken(&fs::read_to_string(sidecar.data.with_extension("log")).unwrap_or_default()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        sidecar.token = fs::read_to_string(sidecar.data.join("filter-token"))?.trim().to_owned();
        let secret = sidecar.data.join("secret");
        fs::write(&secret, "a-key-of-the-upstream-7f3k2m")?;
        let url = format!("http://{http}");
        let admin = sidecar.data.join("admin-token");
        let (secret, admin) = (secret.to_string_lossy().into_owned(), admin.to_string_lossy().into_owned());
        let here = ["--url", &url, "--token-file", &admin, "--tenant", policy::TENANT];
        let add = ["credentials", "add", "key", "--kind", "api_key", "--secret-file", &secret];
        self.portcullis(&[&add[..], &here].concat())?;
        let grant = ["grants", "add", "--server", policy::SERVER, "--credential", "key", "--principal", policy::CALLER];
        self.portcullis(&[&grant[..], &here].concat())?;
        Ok(sidecar)
    }

    fn portcullis(&self, arguments: &[&str]) -> io::Result<()> {
        let output = Command::new(&self.cli).args(arguments).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(broken(&format!("portcullis {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))))
    }
}

impl Asked {
    fn policy(self, sidecar: &Sidecar) -> Value {
        let mut policy = policy::allow_caller();
        let audit = match self {
            Self::Nothing | Self::Credential => "log",
            Self::Batch => "batch",
            Self::Durable => "durable",
        };
        if let Some(members) = policy.as_object_mut() {
            members.insert(
                "sidecar".to_owned(),
                json!({"cluster": envoy::SIDECAR, "token": sidecar.token, "audit": audit}),
            );
            if matches!(self, Self::Credential | Self::Durable) {
                let server = json!([{"name": policy::SERVER, "match": {}, "credentials": {"plaintext": true}}]);
                members.insert("servers".to_owned(), server);
            }
        }
        policy
    }
}

impl Sidecar {
    /// The first page of pending approvals with all its followers: the ids, and how long a page takes.
    fn pending(&self) -> io::Result<(Vec<String>, Duration)> {
        let (mut ids, mut cursor, mut longest) = (Vec::new(), String::new(), Duration::ZERO);
        loop {
            let began = Instant::now();
            let path = format!("/approvals?state=pending&limit=200{cursor}&tenant={}", policy::TENANT);
            let page: Value = serde_json::from_slice(&self.ask("GET", &path, "")?)?;
            longest = longest.max(began.elapsed());
            let all = page.get("approvals").and_then(Value::as_array).cloned().unwrap_or_default();
            ids.extend(all.iter().filter_map(|one| Some(one.get("id")?.as_str()?.to_owned())));
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok((ids, longest)),
            }
        }
    }

    /// One request to the API as the first admin; what was not 200 is an error.
    fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let token = fs::read_to_string(self.data.join("admin-token"))?;
        let mut stream = TcpStream::connect(self.http)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let tenant =
            if path.contains('?') || path == "/self" { String::new() } else { format!("?tenant={}", policy::TENANT) };
        write!(
            stream,
            "{method} /api/v1{path}{tenant} HTTP/1.1\r\nhost: sidecar\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            token.trim(),
            body.len()
        )?;
        let mut reader = Reader::new(stream);
        let Some((head, body)) = reader.message()? else { return Err(broken("no answer of the sidecar")) };
        if head.status == 200 { Ok(body.to_vec()) } else { Err(broken(&String::from_utf8_lossy(body))) }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Database {
    fn start(script: &Path) -> io::Result<Self> {
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("no pipes"));
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let Some(directory) = line.trim().strip_prefix("ready ") else {
            return Err(broken("scripts/postgres.sh says why not"));
        };
        let url = format!("postgres://ROLE@{}/postgres", directory.replace('/', "%2F"));
        Ok(Self { child, _input: input, url })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call of its own that has to wait.
fn hold(target: SocketAddr, number: usize) -> io::Result<Reader> {
    let body = json!({"jsonrpc": "2.0", "id": 10_000_000 + number, "method": "tools/call",
        "params": {"name": "deploy", "arguments": {"number": number}}})
    .to_string();
    let mut stream = TcpStream::connect(target)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /documents/1k HTTP/1.1\r\nhost: mcp.example.com\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        policy::KEY,
        body.len()
    )?;
    Ok(Reader::new(stream))
}

/// A free port of the loopback.
fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

const PATIENCE: Duration = Duration::from_secs(60);
