//! The request's headers: is this MCP, who calls, and may its body be read?

use std::collections::BTreeSet;

use std::sync::Arc;

use super::checks::restrict;
use super::{Call, Exchange, Forward, Refusal, RequestStep, State};
use crate::answer::INVALID_REQUEST;
use crate::audit::Decided;
use crate::config::Mode;
use crate::http::{self, HeaderOp, Headers};
use crate::mcp::{Capability, HTTP_DELETE, HTTP_STREAM, Revision};
use crate::obligations::Code;
use crate::policy::{self, IdentityFacts, RouteFacts, Routed};
use crate::scan::Direction;
use crate::sort::Arrange;

/// What the host knows about a request beyond its headers, as [`policy::Policy::fact_needs`] asked for it.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Envoy's route name.
    pub route: Option<&'a str>,
    /// Envoy's upstream cluster name.
    pub cluster: Option<&'a str>,
    /// What Envoy verified about the caller. The key header is read by the exchange itself.
    pub identity: IdentityFacts<'a>,
}

/// A POST whose headers passed, waiting for its body.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    pub(super) ops: Vec<HeaderOp>,
    pub(super) content_length: Option<u64>,
    /// `MCP-Protocol-Version`.
    pub(super) version: Option<String>,
    /// `Mcp-Method`, as sent.
    pub(super) method: Option<String>,
    /// `Mcp-Name`, decoded; the inner `None` is one that could not be.
    pub(super) name: Option<Option<String>>,
    /// `Mcp-Param-*`: header name and decoded value.
    pub(super) params: Vec<(String, Option<String>)>,
    /// The one-time code; the inner `None` is something that is none, or two of them.
    pub(super) code: Option<Option<Code>>,
}

impl Exchange {
    /// Judges the request's headers. `end` says that no body follows.
    pub fn request_headers(&mut self, headers: &Headers<'_>, facts: &Facts<'_>, end: bool, now_us: u64) -> RequestStep {
        self.scene.started_us = now_us;
        if self.firewall.policy.config().mode == Mode::Disabled {
            self.state = State::Bypass;
            return RequestStep::Forward(Forward::default());
        }
        self.scene.correlation_id = correlation_id(headers).unwrap_or_else(|| format!("pc-{:016x}", self.scene.unique));
        self.scene.trace = headers.get("traceparent").and_then(trace);
        match self.judge_head(headers, facts, end, now_us) {
            Ok(step) => self.fetch_credential(step),
            Err(refusal) => self.refuse(refusal, now_us),
        }
    }

    fn judge_head(
        &mut self,
        headers: &Headers<'_>,
        facts: &Facts<'_>,
        end: bool,
        now_us: u64,
    ) -> Result<RequestStep, Refusal> {
        let firewall = self.firewall.clone();
        let policy = &firewall.policy;
        let method = headers.get(":method").unwrap_or_default();
        let path = headers.get(":path").unwrap_or_default();
        self.scene.get = method != "POST";

        self.hear_told();
        let mut identity = facts.identity.clone();
        if let Some(name) = &firewall.needs.key_header {
            let value = headers.items_named(name);
            if value.len() > 1 {
                return Err(Refusal::malformed(
                    400,
                    INVALID_REQUEST,
                    "http:ambiguous-header",
                    format!("The header {name} occurs more than once"),
                ));
            }
            identity.key = value.first().and_then(|value| std::str::from_utf8(value).ok());
        }
        let key = self.told_key(headers, &identity, now_us);
        let (key, unknown_key) = key.map_or_else(|refusal| (None, Some(refusal)), |key| (key, None));
        self.scene.principal = key.unwrap_or_else(|| policy.identify(&identity));

        let ops = self.hygiene(headers);
        if end && (method == "OPTIONS" || (matches!(method, "GET" | "HEAD") && is_well_known(path))) {
            return Ok(self.pass(ops, method, now_us));
        }
        let authority = headers.get(":authority").unwrap_or_default();
        self.scene.authority = authority.to_owned();
        let route = RouteFacts { authority, path, route: facts.route, cluster: facts.cluster };
        match policy.route(&route) {
            Routed::Server(server) => {
                self.scene.server = Arc::clone(&server.name);
                self.scene.credentials = server.credentials;
            }
            Routed::Pass => return Ok(self.pass(ops, method, now_us)),
            Routed::Refuse => {
                return Err(Refusal::http(404, "http:unmatched", "No MCP server is configured for this address."));
            }
            Routed::Ambiguous => {
                return Err(Refusal::http(400, "http:ambiguous-path", "The path can be read in more than one way."));
            }
        }
        if self.is_plaintext() {
            let reason = "The way to the server has no TLS, and no credential may travel it.";
            return Err(Refusal::http(502, super::credential::PLAINTEXT, reason));
        }
        // Falling back to who connects would give a revoked key the rights of a proxy on the way.
        if let Some(refusal) = unknown_key.filter(|_| self.enforcing()) {
            return Err(refusal);
        }
        if policy.config().identity.required && self.scene.principal.is_anonymous() {
            let mut refusal = Refusal::http(401, "identity:required", "A verified identity is required.");
            refusal.headers.push(("www-authenticate", "Bearer".to_owned()));
            return Err(refusal);
        }
        let ambiguous = |error: http::Ambiguous| {
            Refusal::malformed(
                400,
                INVALID_REQUEST,
                "http:ambiguous-header",
                format!("The header {} occurs more than once or is not text", error.0),
            )
        };
        for name in SINGLE {
            headers.single(name).map_err(ambiguous)?;
        }
        let session = SESSION.iter().filter_map(|name| Some(((*name).to_owned(), headers.get(name)?.to_owned())));
        self.scene.session.headers = session.collect();
        let id = headers.get("mcp-session-id");
        self.scene.session.hash = id.map(|id| Arc::from(firewall.input_hash(id)));
        self.scene.revision = headers.get("mcp-protocol-version").and_then(Revision::parse);
        match method {
            "POST" => self.judge_post(headers, path, ops, end),
            // A body here would pass unread.
            "GET" | "DELETE" | "OPTIONS" if !end => {
                Err(Refusal::malformed(400, INVALID_REQUEST, "http:body", "Only a POST may have a body"))
            }
            "GET" => Ok(self.judge_bodyless(HTTP_STREAM, ops, now_us)),
            "DELETE" => Ok(self.judge_bodyless(HTTP_DELETE, ops, now_us)),
            _ => {
                let mut refusal = Refusal::http(405, "http:method", "MCP uses POST, GET and DELETE.");
                refusal.headers.push(("allow", "POST, GET, DELETE".to_owned()));
                Err(refusal)
            }
        }
    }

    fn judge_post(
        &mut self,
        headers: &Headers<'_>,
        path: &str,
        ops: Vec<HeaderOp>,
        end: bool,
    ) -> Result<RequestStep, Refusal> {
        if let Some(encoding) = headers.get("content-encoding")
            && !encoding.eq_ignore_ascii_case("identity")
        {
            return Err(Refusal::malformed(
                415,
                INVALID_REQUEST,
                "http:content-encoding",
                "The body is compressed and could not be read",
            ));
        }
        let content_type = headers.get("content-type").unwrap_or_default();
        let utf8 = http::charset(content_type).is_none_or(|charset| charset == "utf-8" || charset == "utf8");
        if http::media_type(content_type) != "application/json" || !utf8 {
            return Err(Refusal::malformed(
                415,
                INVALID_REQUEST,
                "http:content-type",
                "The content-type must be application/json in UTF-8",
            ));
        }
        let content_length = match headers.get("content-length").map(str::parse) {
            None => None,
            Some(Ok(length)) => Some(length),
            Some(Err(_)) => {
                return Err(Refusal::malformed(
                    400,
                    INVALID_REQUEST,
                    "http:content-length",
                    "The content-length is not a number",
                ));
            }
        };
        self.scene.old_transport = is_old_transport(headers, path);
        let decoded = |name| headers.get(name).map(http::decode_mirrored);
        self.state = State::AwaitBody(Awaited {
            ops,
            content_length,
            version: headers.get("mcp-protocol-version").map(str::to_owned),
            method: headers.get("mcp-method").map(str::to_owned),
            name: decoded("mcp-name"),
            params: mirrored_params(headers)?,
            code: code(headers),
        });
        if content_length.is_some_and(|length| length > self.max_body()) {
            return Err(self.too_large());
        }
        if end {
            return Err(Refusal::malformed(400, crate::answer::PARSE_ERROR, "http:empty", "The body is empty"));
        }
        Ok(RequestStep::Hold)
    }

    /// A request without a message: a stream to listen on, or the end of a session.
    fn judge_bodyless(&mut self, method: &'static str, ops: Vec<HeaderOp>, now_us: u64) -> RequestStep {
        let call = policy::Call {
            server: &self.scene.server,
            method,
            capability: Capability::Protocol,
            name: None,
            arguments: None,
        };
        let decision = self.firewall.policy.decide_at(&self.scene.principal, &call, &self.moment(now_us));
        let decision = restrict(decision, self.stopped(method, Capability::Protocol, None, now_us));
        let decision = restrict(decision, self.scoped(method, Capability::Protocol, None));
        let mut record = self.record(Direction::Request, now_us);
        record.method = method.to_owned();
        record.capability = Capability::Protocol.as_str();
        super::client::note(&mut record, &decision);
        let refused = record.decision.is_refusal();
        let reason = record.reason.clone();
        self.calls.push(Call::plain(method, record));
        if refused {
            self.state = State::Ended;
            // 405 is what clients take for "this server offers no stream"; other statuses end their session.
            let headers = vec![("allow", "POST".to_owned())];
            return RequestStep::Reply(self.plain_reply(405, &reason, headers));
        }
        self.state = State::AwaitResponse;
        RequestStep::Forward(Forward { headers: ops, body: None })
    }

    /// Lets a request pass that is no MCP message.
    fn pass(&mut self, ops: Vec<HeaderOp>, method: &str, now_us: u64) -> RequestStep {
        let mut record = self.record(Direction::Request, now_us);
        record.method = format!("http/{}", method.to_ascii_lowercase());
        record.capability = Capability::Protocol.as_str();
        record.decision = Decided::Pass;
        record.rule = Arc::from("http:pass");
        self.calls.push(Call::plain("", record));
        self.state = State::Bypass;
        RequestStep::Forward(Forward { headers: ops, body: None })
    }

    /// What never goes on to a server: credentials meant for the mesh, and headers that speak in our name.
    /// `accept-encoding` goes, so that the answer can be read.
    fn hygiene(&self, headers: &Headers<'_>) -> Vec<HeaderOp> {
        let config = &self.firewall.policy.config().headers;
        let enforcing = self.enforcing();
        let unwanted = |name: &str| match name {
            "accept-encoding" => true,
            "authorization" => enforcing && !config.keep_authorization,
            "cookie" => enforcing,
            name if OVERRIDES.contains(&name) || TIMEOUTS.contains(&name) => enforcing,
            _ => {
                name.starts_with("x-portcullis-")
                    || (enforcing && config.remove.iter().any(|other| other.eq_ignore_ascii_case(name)))
                    || (enforcing && self.firewall.needs.key_header.as_deref() == Some(name))
            }
        };
        let mut names: Vec<&str> = headers.iter().map(|(name, _)| name).filter(|name| unwanted(name)).collect();
        let own = self.scene.own_keys.iter().map(|op| match op {
            HeaderOp::Remove(name) | HeaderOp::Set(name, _) => name.as_str(),
        });
        names.extend(own);
        names.arrange();
        names.dedup();
        names.into_iter().map(|name| HeaderOp::Remove(name.to_owned())).collect()
    }

    pub(super) fn max_body(&self) -> u64 {
        self.firewall.policy.config().limits.max_body_bytes as u64
    }
}

/// Envoy's request id, or the trace id, where it is fit to be printed.
fn correlation_id(headers: &Headers<'_>) -> Option<String> {
    let trace = || headers.get("traceparent").and_then(|value| value.split('-').nth(1));
    let id = headers.get("x-request-id").or_else(trace)?;
    let fit = (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    fit.then(|| id.to_owned())
}

/// The ids of a `traceparent` (W3C Trace Context, section 3.2): what Envoy and others write spans under.
fn trace(value: &str) -> Option<Arc<str>> {
    let mut parts = value.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let fit = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && part.bytes().any(|byte| byte != b'0')
    };
    (version.len() == 2 && version != "ff" && fit(trace, 32) && fit(span, 16)).then(|| format!("{trace}-{span}").into())
}

/// Metadata documents of RFC 8615 (OAuth, RFC 9728), served beside every MCP endpoint. A path that only
/// looks like one must not slip by: nothing after the prefix may climb out of it again.
fn is_well_known(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.strip_prefix("/.well-known/").is_some_and(|rest| {
        !rest.contains('%') && !rest.contains('\\') && rest.split('/').all(|segment| segment != "..")
    })
}

/// The transport of 2024-11-05: the POST's URL carries the session, and the client, whose answers come on
/// another stream, does not ask for one here. (It may well name a newer revision in `MCP-Protocol-Version`.)
fn is_old_transport(headers: &Headers<'_>, path: &str) -> bool {
    let session_in_url = path.split_once('?').is_some_and(|(_, query)| {
        query.split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            name.eq_ignore_ascii_case("sessionid") || name.eq_ignore_ascii_case("session_id")
        })
    });
    let streamable = headers.get("accept").is_some_and(|accept| accept.contains("text/event-stream"))
        || headers.has("mcp-session-id");
    session_in_url && !streamable
}

/// The one-time code that came with a request. The header never goes on: it is one of ours.
fn code(headers: &Headers<'_>) -> Option<Option<Code>> {
    match headers.items_named("x-portcullis-mfa").as_slice() {
        [] => None,
        [one] => Some(std::str::from_utf8(one).ok().and_then(Code::parse)),
        _ => Some(None),
    }
}

fn mirrored_params(headers: &Headers<'_>) -> Result<Vec<(String, Option<String>)>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut params = Vec::new();
    for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("mcp-param-")) {
        if !seen.insert(name) {
            return Err(Refusal::malformed(
                400,
                INVALID_REQUEST,
                "http:ambiguous-header",
                "An Mcp-Param header occurs more than once",
            ));
        }
        let value = std::str::from_utf8(value).ok().map(str::trim).and_then(http::decode_mirrored);
        params.push((name.to_owned(), value));
    }
    Ok(params)
}

/// Headers by which some frameworks let a request be another than its first line says.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Headers by which a caller could make Envoy give up on a call that the server goes on with, and so
/// have its quota back.
const TIMEOUTS: [&str; 2] = ["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"];

/// Headers that a message sent on the client's behalf must repeat.
const SESSION: [&str; 2] = ["mcp-session-id", "mcp-protocol-version"];

/// Headers whose meaning must not depend on which of two a reader picks.
const SINGLE: [&str; 8] = [
    "content-type",
    "content-length",
    "content-encoding",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "last-event-id",
];
