//! The host without a network: drives an [`Exchange`] as the Envoy filter does, in memory and
//! deterministically. Tests, fuzzing and `portcullis eval` run the engine through it.
//!
//! ```
//! use std::sync::Arc;
//! use portcullis_engine::driver::{Driver, Request, Response};
//! use portcullis_engine::firewall::Firewall;
//!
//! let policy = br#"{"version": "1", "default": "deny", "servers": [{"name": "files"}],
//!     "rules": [{"id": "read", "match": {"name": ["read_*"]}, "action": "allow"}]}"#;
//! let firewall = Arc::new(Firewall::from_json(policy, [7; 32]).unwrap());
//! let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm","arguments":{}}}"#;
//! let outcome = Driver::new(firewall).run(&Request::post("/mcp", call), |_| Response::json("{}"));
//! assert!(outcome.upstream.is_none());
//! assert!(outcome.client.text().contains(r#""isError":true"#));
//! assert_eq!(&*outcome.records[0].rule, "default");
//! ```

use std::sync::Arc;

use crate::audit::Record;
use crate::exchange::{Answer, Exchange, Facts, Forward, Owed, Question, RequestStep, ResponseStep};
use crate::firewall::Firewall;
use crate::http::{HeaderOp, Headers, Reply};
use crate::state::{MemoryStore, Store};

/// Runs exchanges one after the other.
#[derive(Debug)]
pub struct Driver {
    firewall: Arc<Firewall>,
    store: Arc<dyn Store>,
    /// The time told to the engine, in microseconds since the Unix epoch. It advances by one with
    /// every call, so that the same run has the same records.
    pub now_us: u64,
    /// What a [`Question`] is answered with. Default: nobody is there to be asked.
    pub answer: Answer,
    unique: u64,
}

impl Driver {
    /// A driver for this firewall.
    #[must_use]
    pub fn new(firewall: Arc<Firewall>) -> Self {
        Self::with_store(firewall, Arc::new(MemoryStore::default()))
    }

    /// A driver whose state is kept elsewhere, perhaps together with other drivers'.
    #[must_use]
    pub fn with_store(firewall: Arc<Firewall>, store: Arc<dyn Store>) -> Self {
        Self { firewall, store, now_us: START_US, answer: Answer::NotConfigured, unique: 0 }
    }

    /// Runs a request that brings no facts beyond its headers. `upstream` is called once if the request
    /// is let through, with what it would see, and says what it answers.
    pub fn run(&mut self, request: &Request, upstream: impl FnOnce(&Message) -> Response) -> Outcome {
        self.run_with(request, &Facts::default(), upstream)
    }

    /// Runs a request about which the host knows `facts`: who Envoy verified, where it routes to.
    pub fn run_with(
        &mut self,
        request: &Request,
        facts: &Facts<'_>,
        upstream: impl FnOnce(&Message) -> Response,
    ) -> Outcome {
        self.unique += 1;
        let exchange = Exchange::new(self.firewall.clone(), self.store.clone(), self.unique);
        let mut run = Run { driver: self, exchange, outcome: Outcome::default() };
        if let Some(forwarded) = run.request(request, facts) {
            let response = upstream(&forwarded);
            run.outcome.upstream = Some(forwarded);
            run.response(&response);
        }
        run.finish()
    }

    fn tick(&mut self) -> u64 {
        self.now_us += 1;
        self.now_us
    }
}

/// A request as the client sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Headers in wire order, names in lower case, pseudo-headers included.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it arrives, piece by piece; none for a request without a body.
    pub chunks: Vec<Vec<u8>>,
    /// The end of the body is told by trailers, as HTTP/2 and Envoy's decompressor do.
    pub trailers: bool,
}

impl Request {
    /// A POST of one JSON text by Streamable HTTP.
    #[must_use]
    pub fn post(path: &str, json: impl Into<Vec<u8>>) -> Self {
        let body = json.into();
        let length = body.len().to_string();
        let headers = [
            (":method", "POST"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("content-length", &length),
        ];
        Self { headers: owned(&headers), chunks: vec![body], trailers: false }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

/// A response as the upstream sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Headers in wire order, names in lower case, `:status` included.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body as it arrives, piece by piece; none for a response without a body.
    pub chunks: Vec<Vec<u8>>,
    /// The end of the body is told by trailers.
    pub trailers: bool,
}

impl Response {
    /// A JSON body under status 200.
    #[must_use]
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        let headers = [(":status", "200"), ("content-type", "application/json"), ("content-length", &length)];
        Self { headers: owned(&headers), chunks: vec![body], trailers: false }
    }

    /// A stream of events, in these pieces.
    #[must_use]
    pub fn sse<C: Into<Vec<u8>>>(chunks: impl IntoIterator<Item = C>) -> Self {
        let headers = owned(&[(":status", "200"), ("content-type", "text/event-stream")]);
        Self { headers, chunks: chunks.into_iter().map(Into::into).collect(), trailers: false }
    }

    /// A status without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { headers: owned(&[(":status", &status.to_string())]), ..Self::default() }
    }
}

/// What came of one request.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What the upstream saw; `None` if nothing reached it.
    pub upstream: Option<Message>,
    /// What the client saw.
    pub client: Message,
    /// True if the firewall itself answered, in place of the upstream or of its answer.
    pub answered: bool,
    /// The audit records, in the order in which they became complete.
    pub records: Vec<Record>,
    /// Messages that are to be POSTed to the server on the client's behalf.
    pub owed: Vec<Owed>,
    /// What was asked on the way.
    pub questions: Vec<Question>,
}

/// A message as one side received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Headers in wire order, pseudo-headers included.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body in the pieces in which it came; a piece that was held back is empty.
    pub chunks: Vec<Vec<u8>>,
}

impl Message {
    /// The first value of a header; `None` where it is missing or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(&found.1).ok()
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The whole body as text; bytes that are none show as U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }

    fn change(&mut self, ops: &[HeaderOp]) {
        for op in ops {
            match op {
                HeaderOp::Remove(name) => self.headers.retain(|(known, _)| known != name),
                HeaderOp::Set(name, value) => {
                    // As Envoy does: the first one takes the value, any others go.
                    let value = value.as_bytes().to_vec();
                    let mut value = Some(value);
                    self.headers.retain_mut(|(known, old)| {
                        if known != name {
                            return true;
                        }
                        value.take().map(|value| *old = value).is_some()
                    });
                    if let Some(value) = value {
                        self.headers.push((name.clone(), value));
                    }
                }
            }
        }
    }

    fn apply(&mut self, forward: Forward) {
        self.change(&forward.headers);
        if let Some(body) = forward.body {
            self.chunks = vec![body];
        }
    }
}

impl From<Reply> for Message {
    fn from(reply: Reply) -> Self {
        let mut headers = vec![(":status".to_owned(), reply.status.to_string().into_bytes())];
        headers.extend(reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())));
        // Envoy sets it on every local reply.
        headers.push(("content-length".to_owned(), reply.body.len().to_string().into_bytes()));
        Self { headers, chunks: vec![reply.body.into_bytes()] }
    }
}

/// One exchange on its way.
struct Run<'d> {
    driver: &'d mut Driver,
    exchange: Exchange,
    outcome: Outcome,
}

impl Run<'_> {
    /// The request as the upstream gets it; `None` if it gets none.
    fn request(&mut self, request: &Request, facts: &Facts<'_>) -> Option<Message> {
        let mut message = Message { headers: request.headers.clone(), chunks: request.chunks.clone() };
        let bodyless = request.chunks.is_empty() && !request.trailers;
        let now = self.driver.tick();
        let step = self.exchange.request_headers(&borrowed(&request.headers), facts, bodyless, now);
        let mut held = match self.settle(step, &mut message) {
            Settled::Gone => return None,
            Settled::Passed => false,
            Settled::Held => true,
        };
        let mut received = 0;
        let pieces = pieces(&request.chunks, request.trailers);
        for (chunk, end) in pieces {
            received += chunk.len();
            let now = self.driver.tick();
            let step = if end && self.exchange.awaits_request_body() {
                self.exchange.request_body(&request.chunks.concat(), now)
            } else {
                self.exchange.request_progress(received as u64, now)
            };
            if !held {
                // Headers and the pieces so far are with the upstream: only its answer can still be changed.
                continue;
            }
            match self.settle(step, &mut message) {
                Settled::Gone => return None,
                Settled::Passed => held = false,
                Settled::Held => {}
            }
        }
        // What is held at the end of the body never leaves.
        (!held).then_some(message)
    }

    fn settle(&mut self, step: RequestStep, message: &mut Message) -> Settled {
        match step {
            RequestStep::Forward(forward) => {
                message.apply(forward);
                Settled::Passed
            }
            RequestStep::Hold => Settled::Held,
            RequestStep::Reply(reply) => {
                self.reply(reply);
                Settled::Gone
            }
            RequestStep::Ask(question) => {
                self.outcome.questions.push(question);
                let now = self.driver.tick();
                let step = self.exchange.answer(self.driver.answer.clone(), now);
                self.settle(step, message)
            }
        }
    }

    fn response(&mut self, response: &Response) {
        let mut message = Message { headers: response.headers.clone(), chunks: Vec::new() };
        let bodyless = response.chunks.is_empty() && !response.trailers;
        message.change(&self.exchange.leaks(&borrowed(&response.headers)));
        let now = self.driver.tick();
        match self.exchange.response_headers(&borrowed(&response.headers), bodyless, now) {
            ResponseStep::Reply(reply) => return self.reply(reply),
            ResponseStep::Forward(forward) => {
                message.chunks = response.chunks.clone();
                message.apply(forward);
            }
            ResponseStep::Stream(ops) => {
                message.change(&ops);
                self.stream(response, &mut message);
            }
            ResponseStep::Hold => {
                message.chunks = response.chunks.clone();
                if let Some(reply) = self.hold(response, &mut message) {
                    return self.reply(reply);
                }
            }
        }
        self.outcome.client = message;
    }

    fn stream(&mut self, response: &Response, message: &mut Message) {
        for (chunk, end) in pieces(&response.chunks, response.trailers) {
            let now = self.driver.tick();
            let changed = self.exchange.response_chunk(chunk, end, now);
            message.chunks.push(changed.unwrap_or_else(|| chunk.to_vec()));
            self.collect();
        }
    }

    fn hold(&mut self, response: &Response, message: &mut Message) -> Option<Reply> {
        let mut received = 0;
        for (chunk, end) in pieces(&response.chunks, response.trailers) {
            received += chunk.len();
            let now = self.driver.tick();
            let step = match end {
                true if self.exchange.awaits_response_body() => {
                    self.exchange.response_body(&response.chunks.concat(), now)
                }
                true => return None,
                false => self.exchange.response_progress(received as u64, now),
            };
            match step {
                ResponseStep::Hold | ResponseStep::Stream(_) => {}
                ResponseStep::Forward(forward) => message.apply(forward),
                ResponseStep::Reply(reply) => return Some(reply),
            }
        }
        None
    }

    fn reply(&mut self, reply: Reply) {
        self.outcome.answered = true;
        self.outcome.client = reply.into();
    }

    fn collect(&mut self) {
        self.outcome.records.extend(self.exchange.take_records());
        self.outcome.owed.extend(self.exchange.take_owed());
    }

    fn finish(mut self) -> Outcome {
        self.collect();
        let now = self.driver.tick();
        self.outcome.records.extend(self.exchange.finish(now));
        self.outcome
    }
}

/// What became of a request by one step.
enum Settled {
    Passed,
    Held,
    Gone,
}

/// The pieces of a body and whether each is the last; behind trailers the last one is empty.
fn pieces(chunks: &[Vec<u8>], trailers: bool) -> impl Iterator<Item = (&[u8], bool)> {
    let last = chunks.len().wrapping_sub(1);
    let body = chunks.iter().enumerate().map(move |(index, chunk)| (chunk.as_slice(), !trailers && index == last));
    body.chain(trailers.then_some((&[][..], true)))
}

fn borrowed(headers: &[(String, Vec<u8>)]) -> Headers<'_> {
    Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect())
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// 2026-01-01T00:00:00Z: records of a run have a date that is one.
const START_US: u64 = 1_767_225_600_000_000;
