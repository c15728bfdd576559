//! One HTTP request and its response on their way through the firewall.
//!
//! The exchange is a state machine without I/O: the host feeds it headers, bodies, facts and the
//! time, and does what the returned step says. It never calls the host. Two hosts drive it: the
//! Envoy filter, and [`crate::driver`] for tests, fuzzing and the command line.
//!
//! ```text
//! request_headers ─▶ Forward | Hold | Reply
//! request_body    ─▶ Forward | Ask | Reply        answer ─▶ Forward | Ask | Reply
//! response_headers ─▶ Forward | Hold | Stream | Reply
//! response_body   ─▶ Forward | Reply              response_chunk ─▶ bytes
//! finish          ─▶ the audit records
//! ```

mod ask;
mod check_flow;
mod check_obligations;
mod check_pins;
mod check_schema;
mod check_shared;
mod check_told;
mod checks;
mod client;
mod content;
mod credential;
mod form;
mod head;
mod lists;
mod parent;
mod quotas;
mod request;
mod response;
mod server;
mod stream;

use std::cell::Cell;
use std::sync::Arc;

use crate::answer::{self, Denial};
use crate::audit::{Decided, Record};
use crate::config::CredentialsConfig;
use crate::firewall::Firewall;
use crate::flow::Traits;
use crate::http::{HeaderOp, Reply};
use crate::mcp::{Capability, Revision};
use crate::obligations::Held;
use crate::principal::Principal;
use crate::quota::{Charge, End};
use crate::scan::Direction;
use crate::sidecar::{AdmitRequest, AdmitResponse, CallerKey, Heard, Injected};
use crate::state::Store;
use checks::Ruling;
use stream::Stream;

pub use crate::obligations::Code;
pub use head::Facts;

/// One HTTP request and its response. See the [module](self).
#[derive(Debug)]
pub struct Exchange {
    firewall: Arc<Firewall>,
    store: Arc<dyn Store>,
    scene: Scene,
    state: State,
    /// The client's messages: one record each, completed by [`Exchange::finish`].
    calls: Vec<Call>,
    /// Records that are complete.
    done: Vec<Record>,
    /// Messages owed to the server: answers to requests of its own that may not reach the client.
    owed: Vec<String>,
}

impl Exchange {
    /// Starts an exchange. `store` keeps what outlives it. `unique` is a number that does not repeat:
    /// the correlation id is made of it where the request brings none.
    #[must_use]
    pub fn new(firewall: Arc<Firewall>, store: Arc<dyn Store>, unique: u64) -> Self {
        Self {
            firewall,
            store,
            scene: Scene { unique, ..Scene::default() },
            state: State::Start,
            calls: Vec::new(),
            done: Vec::new(),
            owed: Vec::new(),
        }
    }

    /// Records that became complete while a stream runs on. What is left comes with [`Exchange::finish`].
    pub fn take_records(&mut self) -> Vec<Record> {
        let mut done = std::mem::take(&mut self.done);
        done.iter_mut().for_each(|record| self.mask(record));
        done
    }

    /// JSON-RPC messages that must be POSTed to the server on the client's behalf: a request of its
    /// own that was dropped needs an answer, or it waits for ever.
    pub fn take_owed(&mut self) -> Vec<Owed> {
        let messages = std::mem::take(&mut self.owed);
        let session = &self.scene.session;
        messages
            .into_iter()
            .map(|message| {
                let mut headers = session.headers.clone();
                let credential = self.scene.injected.iter();
                headers.extend(credential.map(|header| (header.name.clone(), header.value.expose().to_owned())));
                Owed { message, headers, endpoint: session.endpoint.clone() }
            })
            .collect()
    }

    /// The id that ties together the audit records, answers and traces of this exchange. Known once the headers were judged.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.scene.correlation_id
    }

    /// The record of the client's first message, as far as it is known.
    #[must_use]
    pub fn first_record(&self) -> Option<&Record> {
        self.calls.first().map(|call| &call.record)
    }

    /// True where the complete body of the request must be passed to [`Exchange::request_body`].
    #[must_use]
    pub fn awaits_request_body(&self) -> bool {
        matches!(self.state, State::AwaitBody(_))
    }

    /// True where the complete body of the response must be passed to [`Exchange::response_body`].
    #[must_use]
    pub fn awaits_response_body(&self) -> bool {
        matches!(self.state, State::AwaitResponseBody(_))
    }

    /// True while a response is being streamed event by event.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    /// True while something is reserved for a message whose end is not known: then
    /// [`Exchange::upstream_failed`] is worth finding out about before [`Exchange::finish`].
    #[must_use]
    pub fn holds_quota(&self) -> bool {
        self.calls.iter().any(|call| call.charge.is_held())
    }

    /// Tells that the server, or the way to it, broke off: what is unanswered has failed. Without this
    /// word an end without an answer is taken as the client's doing.
    pub fn upstream_failed(&mut self) {
        self.scene.upstream_failed = true;
    }

    /// Ends the exchange, however it ended, and returns the records not taken yet.
    pub fn finish(&mut self, now_us: u64) -> Vec<Record> {
        // A client that leaves before the answer must not get its quota back: its call may have been made.
        let end = if self.scene.upstream_failed { End::Failed } else { End::Done };
        if matches!(&self.state, State::Asking(parked) if parked.asked.quota.is_some()) {
            self.give_back();
        }
        self.settle_all(end, now_us);
        if let State::Streaming(stream) = std::mem::replace(&mut self.state, State::Ended) {
            self.scene.response_bytes = stream.received();
        }
        for call in self.calls.iter().filter(|call| call.id.is_some() && !call.record.decision.is_refusal()) {
            // Its answer may still come by another stream.
            self.flow_expect(&call.traits, now_us);
        }
        let latency = now_us.saturating_sub(self.scene.started_us);
        for call in self.calls.drain(..) {
            let mut record = call.record;
            record.latency_us = Some(latency);
            record.upstream_status = self.scene.upstream_status;
            record.request_bytes = self.scene.request_bytes;
            record.response_bytes = self.scene.response_bytes;
            self.done.push(record);
        }
        self.take_records()
    }

    /// True where something waits for the sidecar that others should know soon; asked once.
    pub fn take_urgent(&mut self) -> bool {
        self.scene.urgent.replace(false)
    }

    /// The number that this exchange was made with.
    #[must_use]
    pub fn unique(&self) -> u64 {
        self.scene.unique
    }

    /// True where decisions are carried out; false where they are only recorded.
    fn enforcing(&self) -> bool {
        self.firewall.enforcing()
    }

    /// A record of this exchange with everything that does not depend on the message.
    fn record(&self, direction: Direction, now_us: u64) -> Record {
        let number = self.scene.records.get();
        self.scene.records.set(number.wrapping_add(1));
        Record {
            id: format!("{now_us:014x}-{:016x}-{number:x}", self.scene.unique),
            time_us: now_us,
            correlation_id: self.scene.correlation_id.clone(),
            parent: self.scene.parent.clone(),
            trace: self.scene.trace.clone(),
            direction,
            principal: self.scene.principal.clone(),
            key: self.scene.key.as_ref().map(|(_, key)| Arc::clone(&key.id)),
            session: self.scene.session.hash.clone(),
            server: self.scene.server.clone(),
            method: String::new(),
            capability: Capability::Unknown.as_str(),
            name: None,
            decision: Decided::Allow,
            rule: Arc::clone(&self.scene.nothing),
            reason: Arc::clone(&self.scene.nothing),
            approval: None,
            credential: None,
            would: None,
            exception: None,
            policy_version: Arc::clone(self.firewall.policy.version()),
            argument_keys: Vec::new(),
            input_hash: None,
            findings: Vec::new(),
            redacted: Vec::new(),
            rules_fired: Vec::new(),
            taint: Vec::new(),
            drift: Vec::new(),
            risks: Vec::new(),
            versions: Vec::new(),
            hidden: 0,
            latency_us: None,
            upstream_status: None,
            request_bytes: 0,
            response_bytes: 0,
        }
    }

    /// The denial as its sender is told, with the facts every answer carries.
    fn denial<'a>(&'a self, code: i32, rule: &'a str, text: &'a str) -> Denial<'a> {
        Denial {
            code,
            text,
            rule,
            policy_version: self.firewall.version(),
            correlation_id: &self.scene.correlation_id,
            retry_after_ms: None,
            needs: None,
            approval: None,
        }
    }

    /// The sentence for a person reading the agent's transcript.
    fn explain(&self, what: &str, rule: &str, reason: &str) -> String {
        format!(
            "Blocked by the Portcullis firewall: {what}. {reason} Rule: {rule}. Policy version: {}. Correlation id: {}.",
            self.firewall.version().get(..12).unwrap_or_default(),
            self.scene.correlation_id,
        )
    }

    /// Refuses a whole HTTP request: the record is written, nothing is forwarded. In shadow mode the
    /// record says what would have been, and the request passes untouched.
    fn refuse(&mut self, refusal: Refusal, now_us: u64) -> RequestStep {
        let mut record = self.record(Direction::Request, now_us);
        record.method = refusal.method;
        record.capability = Capability::of_client_method(&record.method).as_str();
        let (mut reason, mut enforcing) = (refusal.reason, self.enforcing());
        let stopped = if enforcing { None } else { self.stopped_unread(now_us) };
        if let Some(Ruling { verdict, .. }) = stopped {
            record.decision = Decided::Deny;
            record.rule = verdict.rule;
            reason = verdict.reason.to_string();
            enforcing = true;
        } else if enforcing {
            record.decision = refusal.decided;
            record.rule = Arc::from(refusal.rule);
        } else {
            record.decision = Decided::Pass;
            record.would = Some((refusal.decided, refusal.rule.to_owned()));
        }
        record.reason = Arc::from(reason.as_str());
        self.calls.push(Call::plain("", record));
        if !enforcing {
            self.state = State::Bypass;
            return RequestStep::Forward(Forward { headers: std::mem::take(&mut self.scene.own_keys), body: None });
        }
        self.state = State::Ended;
        let body = match refusal.json_rpc {
            Some(code) => answer::malformed(refusal.id.as_deref(), code, &reason),
            None => return RequestStep::Reply(self.plain_reply(refusal.status, &reason, refusal.headers)),
        };
        RequestStep::Reply(answer::json_reply(refusal.status, body, &self.scene.correlation_id))
    }

    fn plain_reply(&self, status: u16, text: &str, headers: Vec<(&'static str, String)>) -> Reply {
        let mut reply = answer::empty_reply(status, &self.scene.correlation_id);
        reply.headers.push(("content-type", "text/plain; charset=utf-8".to_owned()));
        reply.headers.extend(headers);
        reply.body = format!("{text}\n");
        reply
    }
}

/// What the host does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Let it go on, changed as said.
    Forward(Forward),
    /// Keep headers and body, and call again with more body.
    Hold,
    /// Answer it; nothing reaches the upstream.
    Reply(Reply),
    /// Ask somebody, then call [`Exchange::answer`]. Keep holding meanwhile.
    Ask(Question),
}

/// What the host does with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseStep {
    /// Let it go on, changed as said.
    Forward(Forward),
    /// Keep headers and body, and call [`Exchange::response_body`] at its end.
    Hold,
    /// Let the changed headers go on at once, and pass each piece of the body through
    /// [`Exchange::response_chunk`].
    Stream(Vec<HeaderOp>),
    /// Replace the whole response.
    Reply(Reply),
}

/// Changes to a message that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// Changes to the headers, in order.
    pub headers: Vec<HeaderOp>,
    /// The new body; `None` leaves it byte for byte.
    pub body: Option<Vec<u8>>,
}

/// What somebody outside must answer before a call goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May this call go on? Its one-time code is right, a person approves it, or the sidecar has to write down that it
    /// will be made.
    Admit(Box<AdmitRequest>),
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may.
    Approved,
    /// It may not.
    Refused,
    /// Nobody is there to be asked.
    NotConfigured,
    /// Whoever is to be asked did not answer, or not as agreed.
    Unavailable,
    /// What the sidecar answered.
    Admitted(AdmitResponse),
}

impl Answer {
    /// What a gRPC call came to: its status, and the message where that is 0.
    #[must_use]
    pub fn of_call(status: u32, message: Option<&[u8]>) -> Self {
        let response = message.filter(|_| status == 0).map(AdmitResponse::decode);
        response.and_then(Result::ok).map_or(Self::Unavailable, Self::Admitted)
    }
}

/// A message owed to the server. See [`Exchange::take_owed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The JSON-RPC message.
    pub message: String,
    /// Headers that tie it to the session.
    pub headers: Vec<(String, String)>,
    /// Where to POST it (path and query), if not where the client's own request went.
    pub endpoint: Option<String>,
}

/// What ties a message to the session it belongs to.
#[derive(Debug, Default)]
struct Session {
    headers: Vec<(String, String)>,
    /// Keyed hash of its id.
    hash: Option<Arc<str>>,
    endpoint: Option<String>,
    /// The session's id came with this response.
    issued: bool,
}

/// What is known about the whole exchange.
#[derive(Debug, Default)]
struct Scene {
    session: Session,
    /// Of this, an id is made where the request brings none.
    unique: u64,
    /// How many records were begun.
    records: Cell<u32>,
    correlation_id: String,
    /// The correlation id of the exchange that asked for this one.
    parent: Option<String>,
    /// Trace id and span id.
    trace: Option<Arc<str>>,
    /// What the sidecar told beside the configuration.
    heard: Heard,
    /// The key by which the caller is known, and its SHA-256.
    key: Option<([u8; 32], Arc<CallerKey>)>,
    /// Headers with keys that the sidecar made: they go no further, whatever becomes of the request.
    own_keys: Vec<HeaderOp>,
    principal: Arc<Principal>,
    server: Arc<str>,
    /// How the server takes credentials, if it does.
    credentials: Option<CredentialsConfig>,
    /// It is known whether there is one.
    credential_settled: bool,
    /// The credential that went to the server.
    injected: Vec<Injected>,
    /// What a record says of its rule and reason before there are any.
    nothing: Arc<str>,
    /// The host the client named.
    authority: String,
    started_us: u64,
    revision: Option<Revision>,
    /// The request came by the transport of 2024-11-05, whose answers travel on another stream.
    old_transport: bool,
    get: bool,
    upstream_status: Option<u16>,
    upstream_failed: bool,
    /// Something was told that must reach the sidecar soon.
    urgent: Cell<bool>,
    /// The call came back: it was answered by us before.
    returned: Option<form::Return>,
    request_bytes: u64,
    response_bytes: u64,
}

/// A message of the client and, if it is a request, what its answer is judged by.
#[derive(Debug)]
struct Call {
    /// Raw JSON id of a request that still waits for its answer.
    id: Option<String>,
    method: String,
    capability: Capability,
    record: Record,
    /// What flow knows of it.
    traits: Traits,
    /// What it counts for, reserved when it went on.
    charge: Charge,
    /// The obligations that hold for it.
    held: Held,
    /// It begins a session whose client shows links.
    shows_links: bool,
}

impl Call {
    /// One that waits for no answer, brings nothing and counts for nothing.
    fn plain(method: &str, record: Record) -> Self {
        Self {
            id: None,
            method: method.to_owned(),
            capability: Capability::Protocol,
            record,
            traits: Traits::default(),
            charge: Charge::default(),
            held: Held::new(),
            shows_links: false,
        }
    }
}

#[derive(Debug)]
enum State {
    Start,
    /// Not MCP, or nothing is to be judged: bytes pass unread in both directions.
    Bypass,
    /// The request's headers are judged, its body is awaited.
    AwaitBody(head::Awaited),
    /// Somebody is asked; what to do by either answer is ready.
    Asking(Box<Parked>),
    /// The request went on.
    AwaitResponse,
    /// The response's headers are held until its body is complete.
    AwaitResponseBody(response::Held),
    /// Events are judged as they come.
    Streaming(Box<Stream>),
    /// Nothing more happens.
    Ended,
}

#[derive(Debug)]
struct Parked {
    forward: Forward,
    /// What goes on in its place if it does not: its answer cannot travel with this response.
    stand_in: Option<Forward>,
    /// What was asked.
    asked: Asked,
    /// What the calls count for is reserved already, and they were ready to go on.
    reserved: bool,
    /// The body as it was judged, where what the answer tells may change what is said of it.
    body: Option<Vec<u8>>,
}

/// A question that is about to be asked.
#[derive(Debug)]
struct Ask {
    request: AdmitRequest,
    asked: Asked,
}

/// What was asked for, and what the client is told where it is not answered with yes.
#[derive(Clone, Debug)]
struct Asked {
    /// The rule that asks for a one-time code.
    mfa: Option<Arc<str>>,
    /// An approval.
    held: bool,
    /// That it is written down that the call will be made.
    intent: bool,
    /// That it is counted; `Some(true)` where it may be refused for that.
    quota: Option<bool>,
    /// What the caller carries; `Some(true)` where it may be refused for that.
    flow: Option<bool>,
    /// A credential; `Some(true)` where nothing goes on without one.
    credential: Option<bool>,
    /// Raw JSON id of the request.
    id: String,
    method: String,
    /// What is refused, for a person.
    what: String,
    /// The rule that asks.
    rule: Arc<str>,
    /// Why it asks.
    reason: Arc<str>,
    /// What the client can be told where nobody decides.
    form: form::Form,
    /// What it has to bring along then.
    carried: String,
}

/// A request refused before any message of it could be judged.
#[derive(Debug)]
struct Refusal {
    decided: Decided,
    status: u16,
    /// The JSON-RPC error code of the body; `None` for a plain text.
    json_rpc: Option<i32>,
    /// Raw JSON id of the request, where it could be read.
    id: Option<String>,
    rule: &'static str,
    reason: String,
    method: String,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// What was no valid message or request.
    fn malformed(status: u16, code: i32, rule: &'static str, reason: impl Into<String>) -> Self {
        Self {
            decided: Decided::Malformed,
            status,
            json_rpc: Some(code),
            id: None,
            rule,
            reason: reason.into(),
            method: String::new(),
            headers: Vec::new(),
        }
    }

    /// What the firewall does not let on as HTTP.
    fn http(status: u16, rule: &'static str, reason: impl Into<String>) -> Self {
        Self {
            decided: Decided::Deny,
            status,
            json_rpc: None,
            id: None,
            rule,
            reason: reason.into(),
            method: String::new(),
            headers: Vec::new(),
        }
    }
}
