//! `portcullis serve`: the sidecar. gRPC for the filter, HTTP for whoever watches it.

mod admit;
mod api;
mod checkpoints;
mod credential;
mod expiry;
mod grpc;
mod http;
mod hub;
mod metrics;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::audit::action::{Action, new_record};
use crate::credentials::Credentials;
use crate::credentials::outgoing::Outgoing;
use crate::credentials::seal::Keyring;
use crate::credentials::seal::kek::{Spec, Surroundings};
use crate::failure::Failure;
use crate::store::{Change, Location, Store};
use crate::tokens::{self, Role, Token};
use crate::{Report, clock, secret_file};
use hub::Hub;
use metrics::Metrics;

/// Where to listen, and where to keep things.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis serve --data /var/lib/portcullis
  portcullis serve --data /var/lib/portcullis --store-file /etc/portcullis/store-url
  portcullis serve --data state --listen-grpc 127.0.0.1:9443 --listen-http 127.0.0.1:9444

The data directory is made at the first start, with the database, the key that signs the audit chain and the token
that the filter has to send, and the token of the first admin; keep it for the owner alone. Connections are not encrypted yet: listen on
127.0.0.1 or within a mesh that encrypts. Every signed checkpoint is printed as a line of JSON, so that a collector of logs
keeps them outside.

Exit codes:
  0  ended by SIGTERM or Ctrl-C
  2  wrong usage, an address that is taken, or a data directory that cannot be used")]
pub(crate) struct Args {
    #[command(flatten)]
    location: Location,
    /// Address for the filter (gRPC)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443")]
    listen_grpc: SocketAddr,
    /// Address for people (/api/v1), /health, /ready and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9444")]
    listen_http: SocketAddr,
    /// Sign a checkpoint after this many rows
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_rows: u64,
    /// Sign a checkpoint after this many seconds, where rows have come
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_seconds: u64,
    #[command(flatten)]
    keys: Keys,
}

/// Who wraps the keys that credentials are sealed with, and who may be asked for tokens.
#[derive(clap::Args)]
struct Keys {
    /// What wraps them: local, fernet:FILE, vault:https://HOST:PORT/MOUNT/KEY, aws-kms:ARN
    #[arg(long, value_name = "PROVIDER", default_value = "local", value_parser = Spec::parse)]
    kek: Spec,
    /// What wrapped them before, until `portcullis credentials rotate --kek` has run; may be repeated
    #[arg(long, value_name = "PROVIDER", value_parser = Spec::parse)]
    kek_old: Vec<Spec>,
    /// File with Vault's token, read for every request
    #[arg(long, value_name = "FILE")]
    vault_token_file: Option<PathBuf>,
    /// Ask this host without TLS (token endpoints, Vault); may be repeated. This machine may always be
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_http: Vec<String>,
    /// Certificate authorities (PEM) of token endpoints, Vault and KMS, in place of those of the system
    #[arg(long, value_name = "FILE")]
    trust_ca: Option<PathBuf>,
}

impl Keys {
    fn open(&self, data: &Path, store: &Arc<Store>) -> Result<Credentials, Failure> {
        let outgoing = Arc::new(Outgoing::new(&self.allow_http, self.trust_ca.as_deref())?);
        let around = Surroundings {
            data: data.to_owned(),
            vault_token: self.vault_token_file.clone(),
            outgoing: Arc::clone(&outgoing),
        };
        let providers = std::iter::once(&self.kek).chain(&self.kek_old).map(|spec| spec.open(&around));
        let keyring = Keyring::new(providers.collect::<Result<_, _>>()?);
        Ok(Credentials::new(Arc::clone(store), keyring, outgoing))
    }
}

/// What all handlers share.
struct Shared {
    store: Arc<Store>,
    metrics: Metrics,
    hub: Hub,
    credentials: Arc<Credentials>,
    /// True once the sidecar is ending: whoever waits answers now.
    ending: watch::Receiver<bool>,
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let data = &args.location.data;
    prepare(data)?;
    let _lock = lock(data)?;
    let token_file = data.join("filter-token");
    let token = secret_file::open_or_create(&token_file)?;
    let store = args.location.open()?;
    first_admin(&store, data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads: {error}")))?;
    let credentials = Arc::new(args.keys.open(&args.location.data, &store)?);
    let outcome = runtime.block_on(serve(args, store, credentials, &token, &token_file));
    // Work that waits for the disk is finished; whoever still holds a connection is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome.map(|()| Report::new("", false))
}

async fn serve(
    args: &Args,
    store: Arc<Store>,
    credentials: Arc<Credentials>,
    token: &str,
    token_file: &Path,
) -> Result<(), Failure> {
    let (end, ending) = watch::channel(false);
    let shared = Arc::new(Shared { store, metrics: Metrics::default(), hub: Hub::default(), credentials, ending });
    let grpc = listen(args.listen_grpc).await?;
    let http = listen(args.listen_http).await?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::new(error.to_string()));
    say(&format!(
        "portcullis serve: gRPC on {}, HTTP on {}, filter token in {}",
        address(&grpc)?,
        address(&http)?,
        token_file.display()
    ));
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt)] = signals else {
        return Err(Failure::new("no signals from the system"));
    };
    hear(&shared)?;
    tokio::spawn(expiry::keep(Arc::clone(&shared)));
    tokio::spawn(checkpoints::keep(
        Arc::clone(&shared),
        args.checkpoint_rows,
        Duration::from_secs(args.checkpoint_seconds),
    ));
    let mut grpc = tokio::spawn(grpc::serve(grpc, Arc::clone(&shared), token));
    let mut http = tokio::spawn(http::serve(http, Arc::clone(&shared)));
    let early = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = &mut grpc => Some(ended),
        ended = &mut http => Some(ended),
    };
    if let Some(ended) = early {
        return ended.unwrap_or_else(|error| Err(Failure::new(error.to_string())));
    }
    let _ = end.send(true);
    // Answers under way are finished, but nobody can keep the sidecar from ending.
    let _ = tokio::time::timeout(GRACE, async { (grpc.await, http.await) }).await;
    Ok(())
}

/// Wakes who waits for what another replica decides.
fn hear(shared: &Arc<Shared>) -> Result<(), Failure> {
    let hearing = Arc::downgrade(shared);
    let told = shared.store.listen(move |change| {
        if let Some(shared) = hearing.upgrade() {
            match change {
                Change::Approval(tenant, id) => shared.hub.tell(&tenant, &id),
                Change::Unknown => shared.hub.tell_all(),
            }
        }
    });
    Ok(told?)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::new(format!("{address}: {error}")))
}

/// Resolves when the sidecar is to end.
async fn ended(mut ending: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = ending.wait_for(|ending| *ending).await;
}

/// A line for whoever started it.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn prepare(data: &Path) -> Result<(), Failure> {
    if !data.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|error| Failure::file(data, error))?;
    }
    if fs::metadata(data).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Failure::file(data, "is no directory"));
    }
    Ok(())
}

/// At the first start there is nobody who could make a token: an admin of all tenants is made, its token kept in a file of the
/// owner and shown to whoever sits at the terminal.
fn first_admin(store: &Store, data: &Path) -> Result<(), Failure> {
    if !store.all_tokens()?.is_empty() {
        return Ok(());
    }
    let path = data.join("admin-token");
    let secret = secret_file::open_or_create(&path)?;
    let now = clock::now();
    let token = Token {
        name: "admin".to_owned(),
        person: "admin".to_owned(),
        tenant: String::new(),
        role: Role::Admin,
        groups: Vec::new(),
        created: now,
    };
    let record = new_record(Action::TokenCreated, "portcullis", now, json!({"name": token.name, "role": "admin"}))?;
    if !store.create_token(token, tokens::hash(&secret), record, now)? {
        // Another replica was first; its secret counts.
        return fs::remove_file(&path).map_err(|error| Failure::file(&path, error));
    }
    // Never into a log.
    let shown = if io::stderr().is_terminal() { format!(": {secret}") } else { String::new() };
    say(&format!("portcullis serve: the first admin token is in {}{shown}", path.display()));
    Ok(())
}

/// One sidecar per directory: who waits for an approval is told within one process.
fn lock(data: &Path) -> Result<File, Failure> {
    let path = data.join("serve.lock");
    let file = File::create(&path).map_err(|error| Failure::file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::file(data, "another portcullis serve uses this directory")),
        Err(TryLockError::Error(error)) => Err(Failure::file(&path, error)),
    }
}

/// How long answers may take once the sidecar is to end.
const GRACE: Duration = Duration::from_secs(5);
