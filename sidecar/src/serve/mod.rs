//! `portcullis serve`: the sidecar. gRPC for the filter, HTTP for whoever watches it.

mod admit;
mod api;
mod attempts;
mod checkpoints;
mod console;
mod credential;
mod expiry;
mod flow;
mod grpc;
mod http;
mod hub;
mod links;
mod metrics;
mod places;
mod quotas;
mod reload;
mod seen;
mod sinks;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod watching;
mod webhooks;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::audit::action::{Action, new_record};
use crate::config::Environment;
use crate::credentials::Credentials;
use crate::credentials::outgoing::Outgoing;
use crate::credentials::seal::Keyring;
use crate::credentials::seal::kek::{Spec, Surroundings};
use crate::failure::Failure;
use crate::sinks::Sink;
use crate::state::{self, Shared as State};
use crate::store::{Change, Location, Store, StoreError, Tenant};
use crate::tokens::{self, Role, Token};
use crate::{Report, clock, sanitise, secret_file};
use api::{Target, Told};
use console::Logins;
use hub::Hub;
use metrics::Metrics;
use places::Places;
use tls::{Connections, Port, Tls};
use watching::Watching;
use webhooks::Deliver;

/// Where to listen, and where to keep things.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis serve --data /var/lib/portcullis
  portcullis serve --data /var/lib/portcullis --store-file /etc/portcullis/store-url
  portcullis serve --data state --listen-grpc 127.0.0.1:9443 --listen-http 127.0.0.1:9444
  portcullis serve --data state --tls-cert tls.crt --tls-key tls.key --client-ca envoy-ca.crt

The data directory is made at the first start, with the database, the key that signs the audit chain and the token
that the filter has to send, and the token of the first admin; keep it for the owner alone. The console is on the HTTP port.
Without --tls-cert connections are not encrypted: listen on 127.0.0.1 or within a mesh that encrypts. Every signed checkpoint is printed as a line of JSON, so that a collector of logs
keeps them outside.

SIGHUP reads the policy file and the certificates again.

Exit codes:
  0  ended by SIGTERM or Ctrl-C
  2  wrong usage, an address that is taken, or a data directory that cannot be used")]
pub(crate) struct Args {
    #[command(flatten)]
    location: Location,
    /// Address for the filter (gRPC)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443")]
    listen_grpc: SocketAddr,
    /// Address for people (the console, /api/v1), /health, /ready and /metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9444")]
    listen_http: SocketAddr,
    /// Sign a checkpoint after this many rows
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_rows: u64,
    /// Sign a checkpoint after this many seconds, where rows have come
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_seconds: u64,
    /// File with webhooks that are told of approvals
    #[arg(long, value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// Where people decide about an approval, where that is not this console: an address with {id} in it, perhaps {tenant}
    #[arg(long, value_name = "URL")]
    approval_link: Option<String>,
    /// Where people reach the address for people: links to the console and one-time links begin with it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The filter's policy, to be shown; read again at SIGHUP
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    environment: Environment,
    /// Envoy's MCP endpoint, for POST /api/v1/invoke: http://127.0.0.1:10000/mcp, https://mcp.example.com/mcp
    #[arg(long, value_name = "URL")]
    invoke_url: Option<String>,
    /// Certificate authorities (PEM) of that endpoint, in place of those of the system
    #[arg(long, value_name = "FILE", requires = "invoke_url")]
    invoke_ca: Option<PathBuf>,
    #[command(flatten)]
    tls: tls::Certificates,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    redis: state::RedisServer,
    #[command(flatten)]
    sinks: crate::sinks::Options,
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
    /// Where quotas are counted.
    state: State,
    metrics: Metrics,
    /// Refused attempts that are to be recorded.
    attempts: attempts::Attempts,
    /// How far sinks are.
    progress: sinks::Progress,
    hub: Hub,
    /// What filters are told.
    watching: Watching,
    /// Where people find us.
    places: Places,
    deliver: Deliver,
    credentials: Arc<Credentials>,
    /// True once the sidecar is ending: whoever waits answers now.
    ending: watch::Receiver<bool>,
    /// Leave for work that takes the machine's time.
    heavy: Arc<Semaphore>,
    /// The policy that the sidecar was told.
    policy: Option<RwLock<Told>>,
    /// Where calls are made for admins.
    invoke: Option<Target>,
    invocations: Semaphore,
    /// Who failed to log in to the console.
    logins: Logins,
    /// Browsers that are told of changes.
    streams: Arc<Semaphore>,
    tls: Option<Arc<Tls>>,
}

impl Shared {
    /// With nothing but a store.
    fn new(store: Arc<Store>, credentials: Arc<Credentials>, ending: watch::Receiver<bool>) -> Self {
        Self {
            state: State::Store(Arc::clone(&store)),
            store,
            credentials,
            places: Places::default(),
            deliver: Deliver::default(),
            metrics: Metrics::default(),
            attempts: attempts::Attempts::default(),
            progress: sinks::Progress::default(),
            hub: Hub::default(),
            watching: Watching::default(),
            ending,
            heavy: Arc::new(Semaphore::new(MAX_HEAVY)),
            policy: None,
            invoke: None,
            invocations: Semaphore::new(MAX_INVOCATIONS),
            logins: Logins::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            tls: None,
        }
    }

    /// Records what the sidecar itself did, in the default tenant's chain. Where that fails it is said: nothing waits for it.
    fn record(&self, action: Action, details: serde_json::Value) {
        let now = clock::now();
        let recorded = new_record(action, "portcullis", now, details).and_then(|record| {
            let tenant = Tenant::new("").ok_or_else(|| Failure::new("no tenant"))?;
            Ok(self.store.tenant(&tenant).append(vec![record], now)?)
        });
        if let Err(failure) = recorded {
            self.metrics.store_errors.add(1);
            say(&format!("portcullis serve: {} is not recorded: {failure}", action.as_str()));
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Report, Failure> {
    let data = &args.location.data;
    prepare(data)?;
    let _lock = lock(data)?;
    let told = args.policy.as_deref().map(|path| Told::read(path, &args.environment)).transpose()?;
    let invoke = args.invoke_url.as_deref().map(|url| Target::parse(url, args.invoke_ca.as_deref())).transpose()?;
    let tls = Tls::load(&args.tls)?.map(Arc::new);
    let token_file = data.join("filter-token");
    let token = secret_file::open_or_create(&token_file)?;
    let store = args.location.open()?;
    first_admin(&store, data)?;
    let hooks = args.webhooks.as_deref().map(webhooks::read).transpose()?.unwrap_or_default();
    let places = Places::new(args.approval_link.as_deref(), args.public_url.as_deref())?;
    let credentials = Arc::new(args.keys.open(data, &store)?);
    webhooks::check(&hooks, credentials.outgoing(), &places)?;
    let sinks = args.sinks.open(credentials.outgoing(), args.keys.trust_ca.as_deref())?;
    store.tell(hooks);
    let redis = args.redis.open(&store)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads: {error}")))?;
    let (end, ending) = watch::channel(false);
    let shared = Shared::new(store, credentials, ending);
    let state = redis.map_or_else(|| shared.state.clone(), |redis| State::Redis(Arc::new(redis)));
    let shared = Shared { state, places, policy: told.map(RwLock::new), invoke, tls, ..shared };
    let outcome = runtime.block_on(serve(args, Arc::new(shared), sinks, end, &token, &token_file));
    // Work that waits for the disk is finished; whoever still holds a connection is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome.map(|()| Report::new("", false))
}

async fn serve(
    args: &Args,
    shared: Arc<Shared>,
    sinks: Vec<Sink>,
    end: watch::Sender<bool>,
    token: &str,
    token_file: &Path,
) -> Result<(), Failure> {
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
    tokio::spawn(watching::keep(Arc::clone(&shared)));
    tokio::spawn(webhooks::keep(Arc::clone(&shared)));
    tokio::spawn(reload::keep(Arc::clone(&shared), args.policy.clone(), args.environment.clone()));
    tokio::spawn(checkpoints::keep(
        Arc::clone(&shared),
        args.checkpoint_rows,
        Duration::from_secs(args.checkpoint_seconds),
    ));
    let (here, names) = (Arc::clone(&shared), sinks.iter().map(Sink::name).collect::<Vec<_>>());
    let started = json!({"version": env!("CARGO_PKG_VERSION"), "tls": shared.tls.is_some()});
    let noted = move || {
        seen::at_start(&here, &names);
        here.record(Action::ServeStarted, started);
    };
    // Nobody waits for a store that is away.
    tokio::task::spawn_blocking(noted);
    let attempts = tokio::spawn(attempts::keep(Arc::clone(&shared)));
    for sink in sinks {
        tokio::spawn(sinks::keep(Arc::clone(&shared), sink));
    }
    let connections = |listener, port| {
        Connections::accept(listener, shared.tls.clone(), port).map_err(|error| Failure::new(error.to_string()))
    };
    let (grpc, http) = (connections(grpc, Port::Grpc)?, connections(http, Port::Http)?);
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
    let _ = tokio::time::timeout(GRACE, async { (grpc.await, http.await, attempts.await) }).await;
    let stopped = tokio::task::spawn_blocking(move || shared.record(Action::ServeStopped, json!({})));
    let _ = tokio::time::timeout(GRACE, stopped).await;
    Ok(())
}

/// Wakes who waits for what another replica decides.
fn hear(shared: &Arc<Shared>) -> Result<(), Failure> {
    let telling = Arc::downgrade(shared);
    shared.store.on_told(move |tenant| {
        if let Some(shared) = telling.upgrade() {
            shared.watching.changed(tenant);
        }
    });
    let hearing = Arc::downgrade(shared);
    let told = shared.store.listen(move |change| {
        if let Some(shared) = hearing.upgrade() {
            match change {
                Change::Approval(tenant, id) => {
                    shared.hub.tell(&tenant, &id);
                    // Whoever changed it may have ended before it told anybody.
                    shared.deliver.wake(&tenant);
                }
                Change::Told(tenant) => shared.watching.changed(&tenant),
                Change::Unknown => {
                    shared.hub.tell_all();
                    shared.watching.unknown();
                }
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

/// Work on the store, which blocks, apart from the threads that answer.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
}

/// A line for whoever started it, or for a log.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", sanitise::text(line));
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
    say(&format!("portcullis serve: the first admin token is in {}", path.display()));
    // Never into a log.
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr().lock(), "{secret}");
    }
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

/// Verifications, exports and statistics at a time.
const MAX_HEAVY: usize = 2;
/// Browsers that are told of changes at a time.
const MAX_STREAMS: usize = 64;
/// Calls made for admins at a time.
const MAX_INVOCATIONS: usize = 16;
/// How long answers may take once the sidecar is to end.
const GRACE: Duration = Duration::from_secs(5);
