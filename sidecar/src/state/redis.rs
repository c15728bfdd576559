//! Shared state in Redis: one key per name and tenant, changed all at once by a script if nothing of it has changed since it
//! was read.
//!
//! Counts that are lost must not be taken for none. Redis is used only if it keeps what it was told (an append-only file), and
//! a mark in it says that it is still the one that was counted in: the store knows the mark, and every change checks it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use portcullis_engine::state as engine;
use redis::{Client, Connection, ConnectionAddr, RedisError, TlsCertificates, cmd};

use super::draft::draft;
use crate::failure::Failure;
use crate::store::{ItemKind, Store, StoreError, Tenant};
use crate::{clock, secret_file};

/// Where Redis is.
#[derive(clap::Args)]
pub(crate) struct RedisServer {
    /// Redis, to count shared quotas in: a URL without a password [or: PORTCULLIS_REDIS in the environment, with one]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// File with that URL, for one with a password; readable by its owner alone
    #[arg(long, value_name = "FILE", conflicts_with = "redis")]
    redis_file: Option<PathBuf>,
    /// Certificate authorities of Redis (PEM), instead of those of the system
    #[arg(long, value_name = "FILE")]
    redis_ca: Option<PathBuf>,
    /// Redis may lose its counts: take one that keeps nothing on disk, and begin anew where it has lost them
    #[arg(long)]
    redis_may_forget: bool,
}

impl RedisServer {
    /// `None`: none is named. It need not be there yet.
    pub(crate) fn open(&self, store: &Arc<Store>) -> Result<Option<Redis>, Failure> {
        let ca = self.redis_ca.as_deref();
        let client = match (&self.redis, &self.redis_file) {
            (Some(url), _) => {
                let client = client(url, ca)?;
                if client.get_connection_info().redis_settings().password().is_some() {
                    return Err(Failure::new(
                        "--redis has a password, which every process of this machine can see: put the URL into a file \
                         (--redis-file) or into PORTCULLIS_REDIS",
                    ));
                }
                client
            }
            (None, Some(path)) => client(&secret_file::read_text(path)?, ca)?,
            (None, None) => match env::var("PORTCULLIS_REDIS") {
                Ok(url) if !url.is_empty() => client(&url, ca)?,
                _ => return Ok(None),
            },
        };
        Ok(Some(Redis::new(client, Arc::clone(store), self.redis_may_forget)))
    }
}

/// Redis. Calls block, for a second at most each.
pub(crate) struct Redis {
    client: Client,
    /// Who knows the mark.
    store: Arc<Store>,
    may_forget: bool,
    mark: OnceLock<String>,
    /// Work on one tenant comes one after the other: only other replicas get in the way.
    lanes: [Mutex<Lane>; LANES],
}

#[derive(Default)]
struct Lane {
    connection: Option<Connection>,
    /// Until when nobody tries again: who waits for a server that is away would wait one after the other.
    away: Option<Instant>,
}

impl Redis {
    pub(super) fn new(client: Client, store: Arc<Store>, may_forget: bool) -> Self {
        Self { client, store, may_forget, mark: OnceLock::new(), lanes: Default::default() }
    }

    /// As [`super::Shared::change`]; `keep`: what it changes is written.
    pub(super) fn work<R>(
        &self,
        tenant: &Tenant,
        keep: bool,
        work: impl Fn(&dyn engine::Store, u64) -> R,
    ) -> Result<R, StoreError> {
        let mut lane = self.lane(tenant).lock().unwrap_or_else(PoisonError::into_inner);
        if lane.away.is_some_and(|until| until > Instant::now()) {
            return Err(away());
        }
        let done = self.tries(&mut lane, tenant, keep, work);
        if done.is_err() {
            // Answers that were not waited for may still come on it.
            *lane = Lane { connection: None, away: Some(Instant::now() + PAUSE) };
        }
        done
    }

    fn tries<R>(
        &self,
        lane: &mut Lane,
        tenant: &Tenant,
        keep: bool,
        work: impl Fn(&dyn engine::Store, u64) -> R,
    ) -> Result<R, StoreError> {
        let connection = match &mut lane.connection {
            Some(connection) => connection,
            none => none.insert(self.connect()?),
        };
        let mark = self.mark.get().ok_or_else(away)?;
        let prefix = prefix(tenant);
        for attempt in 0..TRIES {
            let load = |names: &[String]| {
                let mut read = cmd("MGET");
                for name in names {
                    read.arg(format!("{prefix}{name}"));
                }
                let values: Vec<Option<Vec<u8>>> = read.query(connection)?;
                Ok::<_, RedisError>(values.into_iter().map(Option::unwrap_or_default).collect())
            };
            let now = clock::now();
            let mut done = draft(load, |store| work(store, now)).map_err(failed)?;
            let (mut keys, mut wanted) = (vec![MARK.to_owned()], vec![mark.clone().into_bytes(), Vec::new()]);
            let mut changes = false;
            for (name, before, after) in done.values() {
                changes |= after.is_some();
                keys.push(format!("{prefix}{name}"));
                wanted.extend([before.to_vec(), after.unwrap_or(before).to_vec()]);
            }
            let mut swap = cmd("EVAL");
            swap.arg(SWAP).arg(keys.len()).arg(keys).arg(wanted).arg(if keep && changes { KEPT_MS } else { 0 });
            match swap.query::<i64>(connection).map_err(failed)? {
                1 => return Ok(done.result),
                0 => thread::sleep(Duration::from_micros(attempt * 200)),
                _ => return Err(lost()),
            }
        }
        Err(StoreError::Database("too many others change the same count".to_owned()))
    }

    /// A connection to a Redis that is the one that was counted in.
    fn connect(&self) -> Result<Connection, StoreError> {
        let mut connection = self.client.get_connection_with_timeout(TIMEOUT).map_err(failed)?;
        connection.set_read_timeout(Some(TIMEOUT)).map_err(failed)?;
        connection.set_write_timeout(Some(TIMEOUT)).map_err(failed)?;
        if !self.may_forget {
            let persistence: String = cmd("INFO").arg("persistence").query(&mut connection).map_err(failed)?;
            if !persistence.lines().any(|line| line.trim() == "aof_enabled:1") {
                return Err(StoreError::Database(
                    "Redis would lose its counts with its process: set `appendonly yes` there, or start with --redis-may-forget"
                        .to_owned(),
                ));
            }
        }
        if self.mark.get().is_none() || self.may_forget {
            let mark = self.agree(&mut connection)?;
            if self.mark.get_or_init(|| mark.clone()) != &mark {
                return Err(lost());
            }
        }
        Ok(connection)
    }

    /// The mark that Redis and the store have. The first who comes makes it.
    fn agree(&self, connection: &mut Connection) -> Result<String, StoreError> {
        let everybody = Tenant::new(Tenant::DEFAULT).ok_or(StoreError::Closed)?;
        let known = self.store.read(&everybody, |tx| tx.item(ItemKind::State, MARK))?;
        if known.is_none() || self.may_forget {
            let new = known.unwrap_or(secret_file::random().map_err(|_| StoreError::Closed)?);
            cmd("SETNX").arg(MARK).arg(new).query::<i64>(connection).map_err(failed)?;
        }
        let there: Option<String> = cmd("GET").arg(MARK).query(connection).map_err(failed)?;
        let there = there.ok_or_else(lost)?;
        let (mark, may_forget) = (there.clone(), self.may_forget);
        let agreed = self.store.write(&everybody, move |tx| match tx.item(ItemKind::State, MARK)? {
            Some(known) if !may_forget => Ok(known == mark),
            _ => tx.put(ItemKind::State, MARK, &mark).map(|()| true),
        })?;
        if agreed { Ok(there) } else { Err(lost()) }
    }

    fn lane(&self, tenant: &Tenant) -> &Mutex<Lane> {
        let mut hasher = DefaultHasher::new();
        tenant.hash(&mut hasher);
        let [first, ..] = &self.lanes;
        self.lanes.get(hasher.finish() as usize % LANES).unwrap_or(first)
    }
}

/// What comes from another machine is encrypted, and the server's certificate verified.
fn client(url: &str, ca: Option<&Path>) -> Result<Client, Failure> {
    // The error could show a part of the password.
    let client = Client::open(url).map_err(|_| Failure::new("the URL of Redis is none: write rediss://HOST:PORT"))?;
    match client.get_connection_info().addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            Err(Failure::new("the URL of Redis says that its certificate is not looked at: leave `#insecure` out"))
        }
        ConnectionAddr::TcpTls { .. } => {
            // Only the first provider of a process counts; all are this one.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let root_cert = ca.map(|ca| fs::read(ca).map_err(|error| Failure::file(ca, error))).transpose()?;
            Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })
                .map_err(|_| Failure::new("the certificate authorities of Redis are no PEM"))
        }
        ConnectionAddr::Tcp(host, _) if !is_local(host) => {
            Err(Failure::new("Redis on another machine is reached by TLS: write rediss://HOST:PORT"))
        }
        _ => Ok(client),
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Of all keys of a tenant.
fn prefix(tenant: &Tenant) -> String {
    use sha2::{Digest, Sha256};
    let hash = crate::audit::hex(&Sha256::digest(tenant.as_str()));
    format!("portcullis:{hash}:")
}

/// Nothing of a value is in the text.
fn failed(error: RedisError) -> StoreError {
    StoreError::Database(format!("Redis: {}", error.category()))
}

fn away() -> StoreError {
    StoreError::Database("Redis does not answer".to_owned())
}

fn lost() -> StoreError {
    StoreError::Database(
        "Redis has lost what was counted in it; started once with --redis-may-forget it begins anew".to_owned(),
    )
}

/// Sets all keys behind the first to their new values, if all have the old ones. The first one is the mark: -1 if it is
/// another one. 0: something has changed.
const SWAP: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
for i = 2, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[2 * i - 1] then return 0 end
end
local kept = ARGV[#ARGV]
if kept == '0' then return 1 end
for i = 2, #KEYS do
  if ARGV[2 * i] ~= ARGV[2 * i - 1] then
    if ARGV[2 * i] == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], ARGV[2 * i], 'PX', kept) end
  end
end
return 1";
/// Says that this is the Redis that was counted in.
const MARK: &str = "portcullis:mark";
/// How long a key is kept that nobody changes: a window and a lease, of 31 days each, are over then.
const KEPT_MS: u64 = 63 * 86_400_000;
const LANES: usize = 8;
/// Changes of others that a change may meet.
const TRIES: u64 = 64;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_millis(800);
/// How long a server that was away is taken to be so.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
pub(crate) mod suite;
