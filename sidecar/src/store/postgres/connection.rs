//! One connection: how it is made, what is checked of it, and transactions on it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Row, Statement};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::schema;
use crate::failure::Failure;
use crate::store::{StoreError, Tenant};

/// Where the database is, and how to get there.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    /// From a URL (`postgres://role:password@host/database?sslmode=require`). What comes from another machine is encrypted and
    /// the server's certificate verified, unless the URL says `sslmode=disable`. `ca`: PEM file of the certificate authorities,
    /// instead of those that the system trusts.
    pub(crate) fn new(url: &str, ca: Option<&std::path::Path>) -> Result<Self, Failure> {
        // The error could show a part of the password.
        let mut config: Config = url.parse().map_err(|_| Failure::new("the store's URL is none of PostgreSQL"))?;
        if config.get_ssl_mode() == SslMode::Prefer {
            let local = !config.get_hosts().is_empty()
                && config.get_hosts().iter().all(is_local)
                && config.get_hostaddrs().iter().all(IpAddr::is_loopback);
            // "Prefer" gives way to whoever answers that there is no TLS.
            config.ssl_mode(if local && ca.is_none() { SslMode::Disable } else { SslMode::Require });
        }
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_TIMEOUT);
        }
        config.keepalives_idle(TCP_TIMEOUT);
        let tls = tls(ca, config.get_ssl_mode() == SslMode::Disable)?;
        Ok(Self { config, tls })
    }

    /// True where the URL has a password.
    pub(crate) fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// A connection as it comes.
    pub(in crate::store) fn client(&self) -> Result<Client, postgres::Error> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            self.config.connect(NoTls)
        } else {
            self.config.connect(self.tls.clone())
        }
    }

    /// A connection that is ready for work.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let mut client = self.client()?;
        client.batch_execute(SETTINGS)?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    /// Whether this is a database that the sidecar can work with, and as a role for which row-level security counts.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let fail = |error: postgres::Error| Failure::new(format!("PostgreSQL: {}", describe(&error)));
        let mut client = self.client().map_err(fail)?;
        let row = client.query_one(ROLE, &[]).map_err(fail)?;
        let (role, above): (String, bool) = (row.get(0), row.get(1));
        if above {
            return Err(Failure::new(format!(
                "the role `{role}` is a superuser or has BYPASSRLS, so row-level security would not hold; \
                 `portcullis store migrate` makes a role for the sidecar"
            )));
        }
        let there = client.query_one("SELECT to_regclass('portcullis.migration') IS NOT NULL", &[]).map_err(fail)?;
        if !there.get::<_, bool>(0) {
            return Err(Failure::new("the database has no schema yet; run `portcullis store migrate`"));
        }
        let row = client.query_one(OWNER, &[]).map_err(fail)?;
        if row.get(0) {
            return Err(Failure::new(format!(
                "the role `{role}` owns the tables, so it could switch row-level security off; \
                 `portcullis store migrate` makes a role for the sidecar"
            )));
        }
        let row = client.query_one("SELECT count(*) FROM portcullis.migration", &[]).map_err(fail)?;
        match usize::try_from(row.get::<_, i64>(0)) {
            Ok(version) if version == schema::version() => Ok(()),
            Ok(version) if version < schema::version() => {
                Err(Failure::new("the schema is of an older portcullis; run `portcullis store migrate`"))
            }
            _ => Err(Failure::new("the database is of a newer portcullis")),
        }
    }
}

/// A connection with its prepared statements.
pub(super) struct Connection {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
}

impl Connection {
    /// Begins a transaction of a tenant that writes. Of those who write for one tenant, in whichever process, one goes on.
    pub(super) fn begin_write(&mut self, tenant: &Tenant) -> Result<(), StoreError> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")?;
        let sql = "SELECT set_config('portcullis.tenant', $1, true),
            pg_advisory_xact_lock(hashtextextended('portcullis tenant ' || $1, 0))::text";
        self.query(sql, &[&tenant.as_str()]).map(drop)
    }

    /// Begins a transaction of a tenant that reads.
    pub(super) fn begin_read(&mut self, tenant: &Tenant) -> Result<(), StoreError> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        self.query("SELECT set_config('portcullis.tenant', $1, true)", &[&tenant.as_str()]).map(drop)
    }

    /// Ends a transaction. Where a statement has failed nothing is committed, and this fails: PostgreSQL itself would take
    /// COMMIT for ROLLBACK there and say nothing.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.client.batch_execute("SAVEPOINT whole; COMMIT")?)
    }

    pub(super) fn rollback(&mut self) -> Result<(), StoreError> {
        Ok(self.client.batch_execute("ROLLBACK")?)
    }

    pub(super) fn query(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepared(sql)?;
        Ok(self.client.query(&statement, values)?)
    }

    pub(super) fn execute(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let statement = self.prepared(sql)?;
        Ok(self.client.execute(&statement, values)?)
    }

    pub(super) fn prepared(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        // The text of a statement's error can have values in it; a code has not.
        Self::Database(match error.code() {
            Some(code) => format!("PostgreSQL refused (SQLSTATE {})", code.code()),
            None => "the connection to PostgreSQL failed".to_owned(),
        })
    }
}

/// An error of a statement that has no values, or of connecting: for whoever sets it up.
pub(super) fn describe(error: &postgres::Error) -> String {
    use std::error::Error;
    match (error.as_db_error(), error.source()) {
        (Some(refused), _) => refused.message().to_owned(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

fn tls(ca: Option<&std::path::Path>, unused: bool) -> Result<MakeRustlsConnect, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = ca {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let certificates = read.map_err(|error| Failure::file(path, error))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(Failure::file(path, "has no certificate"));
        }
    } else if !unused {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Of a session. What was committed is on disk, whatever the server's default; no transaction that lost its process keeps others
/// waiting.
const SETTINGS: &str = "
SET search_path = portcullis, pg_temp;
SET client_min_messages = warning;
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";
const ROLE: &str = "SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
const OWNER: &str = "SELECT coalesce(bool_or(pg_has_role(current_user, relowner, 'MEMBER')), false)
    FROM pg_class WHERE relnamespace = 'portcullis'::regnamespace";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a server that is gone without a word is believed to be there.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements of one connection; filters of `audit list` make more than there are in the source.
const MAX_STATEMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_another_machine_is_encrypted() {
        let mode = |url: &str| Target::new(url, None).unwrap().config.get_ssl_mode();
        for local in
            ["postgres://a@%2Frun%2Fpostgresql/b", "postgres://a@localhost/b", "postgres://a@127.0.0.1,[::1]/b"]
        {
            assert_eq!(mode(local), SslMode::Disable, "{local}");
        }
        for remote in [
            "postgres://a@db.internal/b",
            "postgres://a@localhost,db.internal/b",
            "postgres://a@localhost/b?hostaddr=192.0.2.1",
            "postgres:///b?hostaddr=192.0.2.1",
            "postgres://a@localhost.example/b?sslmode=prefer",
            "postgres://a@localhost/b?sslmode=require",
        ] {
            assert_eq!(mode(remote), SslMode::Require, "{remote}");
        }
        assert_eq!(mode("postgres://a@db.internal/b?sslmode=disable"), SslMode::Disable);
        let refused = Target::new("postgres://a:secret@[/b", None).err().unwrap().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
