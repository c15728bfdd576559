//! Which server a request belongs to.
//!
//! Envoy, the policy and the server may each read a path in their own way: `/public/..%2fadmin` is
//! `/admin` to some. So a path is read twice, as it stands and with everything decoded and resolved,
//! and a request that the two readings lead to different servers belongs to none.

use std::borrow::Cow;
use std::sync::Arc;

use super::facts::{FactNeeds, RouteFacts};
use crate::config::CredentialsConfig;
use crate::glob::{Glob, Globs};

/// Where a request belongs.
#[derive(Clone, Copy, Debug)]
pub enum Routed<'p> {
    /// To this server.
    Server(&'p Server),
    /// To none; `unmatched` is `pass`.
    Pass,
    /// To none; `unmatched` is `deny`.
    Refuse,
    /// Its path can be read as that of two different servers. To be refused, whatever `unmatched` says.
    Ambiguous,
}

/// One MCP server behind the filter.
#[derive(Debug)]
pub struct Server {
    /// Its name in rules, audit records and metrics.
    pub name: Arc<str>,
    /// How credentials reach it; `None` where it takes none.
    pub credentials: Option<CredentialsConfig>,
    pub(super) path: Option<Vec<String>>,
    pub(super) authority: Option<Vec<AuthorityGlob>>,
    pub(super) route: Globs,
    pub(super) cluster: Globs,
}

/// The compiled servers, in document order.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) servers: Vec<Server>,
    pub(super) pass_unmatched: bool,
}

impl Routes {
    pub(super) fn add_needs(&self, needs: &mut FactNeeds) {
        needs.route = self.servers.iter().any(|server| server.route.0.is_some());
        needs.cluster = self.servers.iter().any(|server| server.cluster.0.is_some());
    }

    pub(super) fn route(&self, facts: &RouteFacts<'_>) -> Routed<'_> {
        let written = written(facts.path);
        let first = self.find(facts, &written);
        if needs_resolving(facts.path) {
            let second = self.find(facts, &resolved(facts.path));
            if first.map(|server| &server.name) != second.map(|server| &server.name) {
                return Routed::Ambiguous;
            }
        }
        match first {
            Some(server) => Routed::Server(server),
            None if self.pass_unmatched => Routed::Pass,
            None => Routed::Refuse,
        }
    }

    fn find(&self, facts: &RouteFacts<'_>, path: &[Cow<'_, str>]) -> Option<&Server> {
        self.servers.iter().find(|server| server.fits(facts, path))
    }
}

impl Server {
    fn fits(&self, facts: &RouteFacts<'_>, path: &[Cow<'_, str>]) -> bool {
        let path_fits = self.path.as_ref().is_none_or(|prefix| {
            prefix.len() <= path.len() && prefix.iter().zip(path).all(|(wanted, segment)| wanted == segment)
        });
        path_fits
            && self.authority.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(facts.authority)))
            && self.route.fit(facts.route)
            && self.cluster.fit(facts.cluster)
    }
}

/// A glob of authorities: case is ignored, and the port unless the pattern has one.
#[derive(Debug)]
pub(super) struct AuthorityGlob {
    pub(super) glob: Glob,
    pub(super) has_port: bool,
}

impl AuthorityGlob {
    fn matches(&self, authority: &str) -> bool {
        let authority = authority.to_ascii_lowercase();
        let (host, port) = split_port(&authority);
        let host = host.strip_suffix('.').unwrap_or(host);
        if self.has_port {
            self.glob.matches(&format!("{host}:{}", port.unwrap_or_default()))
        } else {
            self.glob.matches(host)
        }
    }
}

/// Host and port of an authority (RFC 3986 section 3.2).
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The segments of a path prefix of the configuration.
pub(super) fn prefix(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// The segments as they stand, without the query.
fn written(path: &str) -> Vec<Cow<'_, str>> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(Cow::Borrowed).collect()
}

/// True where somebody could read the path in another way than [`written`].
fn needs_resolving(path: &str) -> bool {
    !path.starts_with('/')
        || path.contains("//")
        || path.contains("/.")
        || path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b';' | b'#') || !byte.is_ascii_graphic())
}

/// The segments after everything that any server is known to do: percent-decoding (again and again),
/// backslashes as slashes, path parameters (`;…`) and fragments cut, empty and dot segments resolved.
fn resolved(path: &str) -> Vec<Cow<'static, str>> {
    let path = path.split_once(['?', '#']).map_or(path, |(path, _)| path);
    let mut bytes = path.as_bytes().to_vec();
    // Each round shortens the path, so that a few suffice for anything that passes as a path.
    for _ in 0..DECODING_ROUNDS {
        let decoded = percent_decode(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let mut segments: Vec<Cow<'static, str>> = Vec::new();
    for segment in text.split('/') {
        let segment = segment.split_once(';').map_or(segment, |(segment, _)| segment);
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(Cow::Owned(name.to_owned())),
        }
    }
    segments
}

/// RFC 3986 section 2.1; malformed escapes stay as they are.
pub(super) fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte == b'%'
            && let Some(([high, low], after)) = behind.split_first_chunk::<2>().map(|(hex, after)| (*hex, after))
            && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
        {
            out.push((high * 16 + low) as u8);
            rest = after;
            continue;
        }
        out.push(*byte);
    }
    out
}

/// Enough for every decoder that is chained in practice.
const DECODING_ROUNDS: usize = 8;
