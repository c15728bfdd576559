//! Requests of the sidecar to others: token endpoints, Vault, KMS. TLS by rustls; without it only to this machine and to
//! hosts that were allowed by name. Redirects are not followed: what is sent is meant for one host.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::seal::Plain;
use crate::failure::Failure;

/// Makes requests. Calls block.
pub(crate) struct Outgoing {
    agent: ureq::Agent,
    /// Hosts, perhaps with ports, that are spoken to without TLS.
    plain: Vec<String>,
}

/// An answer. Its body may hold secrets.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Plain,
}

/// Why there is no answer, in a sentence without content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// The address is none, or one that may not be asked without TLS.
    Address(&'static str),
    /// Nobody answered as agreed.
    Failed(&'static str),
}

impl Outgoing {
    /// `plain` are hosts (with a port, or for every port) that may be asked without TLS; `authorities` is a PEM file of
    /// certificate authorities that are trusted instead of those of the system.
    pub(crate) fn new(plain: &[String], authorities: Option<&Path>) -> Result<Self, Failure> {
        let roots = match authorities {
            None => RootCerts::from(system_authorities()),
            Some(path) => RootCerts::from(read_authorities(path)?),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ureq::Agent::config_builder()
            .tls_config(TlsConfig::builder().unversioned_rustls_crypto_provider(provider).root_certs(roots).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(TIMEOUT))
            // Nobody on the way is told what is asked for.
            .proxy(None)
            .user_agent("portcullis")
            .build();
        Ok(Self { agent: config.into(), plain: plain.to_vec() })
    }

    /// Whether an address may be asked.
    pub(crate) fn check(&self, url: &str) -> Result<(), Unreachable> {
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') {
            return Err(Unreachable::Address("the address is none"));
        }
        let uri: Uri = url.parse().map_err(|_| Unreachable::Address("the address is none"))?;
        let authority = uri.authority().ok_or(Unreachable::Address("the address has no host"))?;
        if authority.as_str().contains('@') {
            return Err(Unreachable::Address("the address has a user in it"));
        }
        let host = authority.host();
        let allowed = || self.plain.iter().any(|known| known == host || known == authority.as_str());
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if is_loopback(host) || allowed() => Ok(()),
            Some("http") => Err(Unreachable::Address("the address is without TLS; allow its host with --allow-http")),
            _ => Err(Unreachable::Address("the address is neither https nor http")),
        }
    }

    /// POSTs and waits for the whole answer, of at most 1 MiB.
    pub(crate) fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply, Unreachable> {
        self.check(url)?;
        let mut request = self.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The errors of the client could hold the address with what is in it.
        let mut response = request.send(body).map_err(|error| match error {
            ureq::Error::Timeout(_) => Unreachable::Failed("no answer in time"),
            ureq::Error::HostNotFound => Unreachable::Failed("the host is not known"),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Unreachable::Failed("TLS failed"),
            ureq::Error::Io(_) | ureq::Error::ConnectionFailed => Unreachable::Failed("no connection"),
            _ => Unreachable::Failed("no valid answer"),
        })?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        Ok(Reply {
            status,
            body: Plain::new(body.map_err(|_| Unreachable::Failed("the answer broke off or is too long"))?),
        })
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("plain", &self.plain).finish_non_exhaustive()
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Address(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let text = fs::read(path).map_err(|error| Failure::file(path, error))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| Failure::file(path, "is no PEM file"))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(Failure::file(path, "has no certificate"));
    }
    Ok(found)
}

/// The authorities that this system trusts. Where there are none, TLS fails and says so.
fn system_authorities() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_without_tls_only_where_it_may() {
        let outgoing = Outgoing::new(&["vault.mesh".to_owned(), "idp.mesh:8080".to_owned()], None).unwrap();
        for fine in [
            "https://example.com/token",
            "http://127.0.0.1:8080/x",
            "http://[::1]:1/",
            "http://localhost/",
            "http://vault.mesh:8200/v1",
            "http://idp.mesh:8080/token",
        ] {
            assert_eq!(outgoing.check(fine), Ok(()), "{fine}");
        }
        for bad in [
            "http://example.com/token",
            "http://idp.mesh/token",
            "http://localhost.example.com/",
            "http://127.0.0.1@example.com/",
            "https://user:pass@example.com/",
            "ftp://example.com/",
            "/token",
            "https:///token",
            "https://example.com/ x",
            "",
        ] {
            assert!(outgoing.check(bad).is_err(), "{bad}");
        }
    }
}
