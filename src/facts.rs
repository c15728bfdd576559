//! What Envoy knows about a request beyond its headers, and messages sent on a client's behalf.

use std::time::Duration;

use portcullis_engine::exchange::{Facts, Owed};
use portcullis_engine::policy::{FactNeeds, IdentityFacts, JwtFacts, MtlsFacts};

use crate::host::{self, Level};

/// Attributes fetched for one request; only those the policy needs.
#[derive(Default)]
pub struct Fetched {
    route: Option<String>,
    cluster: Option<String>,
    jwt: Option<JwtFacts>,
    mtls: Option<Peer>,
}

#[derive(Default)]
struct Peer {
    uri_san: Option<String>,
    dns_san: Option<String>,
    subject: Option<String>,
}

impl Fetched {
    pub fn fetch(needs: &FactNeeds) -> Self {
        Self {
            route: needs.route.then(|| host::property_text(&["xds", "route_name"])).flatten(),
            cluster: needs.cluster.then(|| host::property_text(&["xds", "cluster_name"])).flatten(),
            jwt: needs.jwt.as_ref().and_then(|jwt| {
                let mut facts = JwtFacts::default();
                let mut any = false;
                for (claim, path) in &jwt.claims {
                    let mut full = vec!["metadata", "filter_metadata", JWT_AUTHN, jwt.payload.as_str()];
                    full.extend(path.iter().map(String::as_str));
                    let values = host::property_strings(&full);
                    any |= !values.is_empty();
                    facts.set(*claim, values);
                }
                any.then_some(facts)
            }),
            mtls: needs.mtls.then(Peer::fetch).flatten(),
        }
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            route: self.route.as_deref(),
            cluster: self.cluster.as_deref(),
            identity: IdentityFacts {
                jwt: self.jwt.clone(),
                mtls: self.mtls.as_ref().map(|peer| MtlsFacts {
                    uri_san: peer.uri_san.as_deref(),
                    dns_san: peer.dns_san.as_deref(),
                    subject: peer.subject.as_deref(),
                }),
                key: None,
            },
        }
    }
}

impl Peer {
    /// The peer, if its certificate was presented and validated by Envoy.
    fn fetch() -> Option<Self> {
        let mtls = host::property(&["connection", "mtls"])?;
        if mtls.first() != Some(&1) {
            return None;
        }
        let text = |name| host::property_text(&["connection", name]).filter(|text| !text.is_empty());
        Some(Self {
            uri_san: text("uri_san_peer_certificate"),
            dns_san: text("dns_san_peer_certificate"),
            subject: text("subject_peer_certificate"),
        })
    }
}

/// Whether Envoy's response flags say that the upstream, or the way to it, broke off. They say so too where
/// it did behind the response's headers, which no callback tells.
pub fn upstream_broke() -> bool {
    let flags = host::property(&["response", "flags"]).and_then(|bytes| bytes.try_into().ok());
    flags.map_or(0, u64::from_le_bytes) & UPSTREAM_BROKE != 0
}

/// Whether what answers is the server itself, reached without TLS.
pub fn answered_without_tls() -> bool {
    let unknown = |path: &[&str]| host::property_text(path).is_none_or(|text| text.is_empty());
    unknown(&["upstream", "tls_version"])
        && host::property_text(&["response", "code_details"]).is_some_and(|details| details == "via_upstream")
}

/// Remembers how the route rewrote the path of a session's first POST: of a GET, whose headers are gone by the time
/// its stream carries a request of the server, Envoy does not tell it any more.
pub fn learn_path(written: &str) {
    let known = host::shared(LEARNED).and_then(|count| count.first().copied()).unwrap_or_default();
    let name = learned(written);
    if known >= MOST_LEARNED || host::shared(&name).is_some() {
        return;
    }
    if let Some(rewritten) = host::property_text(&["request", "path"]).filter(|rewritten| rewritten != written) {
        host::share(&name, rewritten.as_bytes());
        host::replace_shared(LEARNED, &[known + 1]);
    }
}

fn learned(written: &str) -> String {
    format!("{LEARNED}.{written}")
}

/// POSTs a message that is owed to the server straight to the cluster that the request went to. `written` and
/// `authority` are the path and the host of the client's own request: servers check the host against DNS rebinding.
pub fn pay(owed: &Owed, written: &str, authority: &str) {
    let Some(cluster) = host::property_text(&["xds", "cluster_name"]).filter(|name| !name.is_empty()) else {
        host::log(Level::Warn, "portcullis: no cluster is known to answer a refused server request at");
        return;
    };
    // The path as the route rewrote it for the upstream.
    let path = match &owed.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => host::property_text(&["request", "path"])
            .or_else(|| String::from_utf8(host::shared(&learned(written))?).ok())
            .unwrap_or_else(|| written.to_owned()),
    };
    let mut headers = vec![
        (":method", "POST"),
        (":path", path.as_str()),
        (":authority", authority),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    headers.extend(owed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if !host::post(&cluster, headers, owed.message.as_bytes(), OWED_TIMEOUT) {
        host::log(Level::Warn, "portcullis: a refused server request could not be answered");
    }
}

const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
/// Shared-data key of the number of learned paths, and the prefix of theirs.
const LEARNED: &str = "portcullis.path";
/// Shared data is never freed: a client that makes up paths must not fill it.
const MOST_LEARNED: u8 = 200;
const OWED_TIMEOUT: Duration = Duration::from_secs(5);

/// Bits of `response.flags` (Envoy, `StreamInfo::CoreResponseFlag`): UR, UF, UC, UPE. Timeouts are not among
/// them: behind the headers a client that does not read can bring one about.
const UPSTREAM_BROKE: u64 = 0x10 | 0x20 | 0x40 | 0x80_0000;
