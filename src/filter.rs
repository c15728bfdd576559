//! One HTTP request: Envoy's callbacks drive an [`Exchange`].
//!
//! The last step of a body runs the same from the end of the stream and from trailers, for an HTTP/2
//! request with trailers, or one behind a decompressor, never ends its body otherwise.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_engine::exchange::{Answer, Exchange, Forward, Question, RequestStep, ResponseStep};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::http::{HeaderOp, Reply};
use portcullis_engine::state::Store;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::facts::{self, Fetched};
use crate::host::{self, Side};
use crate::sidecar::{self, Delivery};
use crate::telemetry::{Outcome, Telemetry};

/// The filter of one request.
pub struct Filter {
    firewall: Arc<Firewall>,
    telemetry: Rc<Telemetry>,
    delivery: Rc<Delivery>,
    exchange: Exchange,
    /// The call to the sidecar whose answer the request waits for.
    asked: Option<u32>,
    /// The request's path and host as the client wrote them.
    path: String,
    authority: String,
    /// Bytes of the held request body so far.
    request_size: usize,
    /// Bytes of the held response body so far.
    response_size: usize,
    streamed: bool,
    published: Option<Outcome>,
    ended: bool,
}

impl Filter {
    pub fn new(
        firewall: Arc<Firewall>,
        store: Arc<dyn Store>,
        telemetry: Rc<Telemetry>,
        delivery: Rc<Delivery>,
        unique: u64,
    ) -> Self {
        let exchange = Exchange::new(firewall.clone(), store, unique);
        Self {
            firewall,
            telemetry,
            delivery,
            exchange,
            asked: None,
            path: String::new(),
            authority: String::new(),
            request_size: 0,
            response_size: 0,
            streamed: false,
            published: None,
            ended: false,
        }
    }

    fn finish_request(&mut self) -> Action {
        if !self.exchange.awaits_request_body() {
            let step = self.exchange.request_progress(self.request_size as u64, host::now_us());
            return self.apply_request(step);
        }
        let body = match self.request_size {
            0 => Vec::new(),
            size => match host::body(Side::Request, size) {
                Some(body) => body,
                None => return self.fail(),
            },
        };
        let started = host::now_ns();
        let step = self.exchange.request_body(&body, started / 1000);
        self.telemetry.judged(host::now_ns().saturating_sub(started));
        self.apply_request(step)
    }

    fn finish_response(&mut self) -> Action {
        if self.exchange.is_streaming() {
            return self.stream(0, true);
        }
        if !self.exchange.awaits_response_body() {
            return Action::Continue;
        }
        let body = match self.response_size {
            0 => Vec::new(),
            size => match host::body(Side::Response, size) {
                Some(body) => body,
                None => return self.fail(),
            },
        };
        let step = self.exchange.response_body(&body, host::now_us());
        self.apply_response(step)
    }

    /// Passes the next `size` bytes of a stream through the exchange.
    fn stream(&mut self, size: usize, end: bool) -> Action {
        let bytes = match size {
            0 => Vec::new(),
            size => match host::body(Side::Response, size) {
                Some(bytes) => bytes,
                None => return self.fail(),
            },
        };
        if let Some(out) = self.exchange.response_chunk(&bytes, end, host::now_us()) {
            host::set_body(Side::Response, &out);
        }
        self.flush();
        Action::Continue
    }

    fn apply_request(&mut self, step: RequestStep) -> Action {
        let action = match step {
            RequestStep::Hold => return Action::Pause,
            RequestStep::Forward(forward) => {
                apply(Side::Request, &forward);
                Action::Continue
            }
            RequestStep::Reply(reply) => send(&reply),
            RequestStep::Ask(question) => {
                let answer = match (question, &self.firewall.sidecar) {
                    (Question::Admit(request), Some(sidecar)) => {
                        self.asked = sidecar::admit(sidecar, &request);
                        if self.asked.is_some() {
                            return Action::Pause;
                        }
                        Answer::Unavailable
                    }
                    (Question::Admit(_), None) => Answer::NotConfigured,
                };
                return self.answer(answer);
            }
        };
        self.publish();
        action
    }

    fn answer(&mut self, answer: Answer) -> Action {
        self.telemetry.admitted(&answer);
        let step = self.exchange.answer(answer, host::now_us());
        self.apply_request(step)
    }

    fn apply_response(&mut self, step: ResponseStep) -> Action {
        let action = match step {
            ResponseStep::Hold => return Action::Pause,
            ResponseStep::Forward(forward) => {
                apply(Side::Response, &forward);
                Action::Continue
            }
            ResponseStep::Stream(ops) => {
                change_headers(Side::Response, &ops);
                self.streamed = true;
                self.telemetry.stream_opened();
                Action::Continue
            }
            ResponseStep::Reply(reply) => send(&reply),
        };
        self.flush();
        action
    }

    /// The host did not give what it announced: nothing may go on.
    fn fail(&mut self) -> Action {
        send(&Reply { status: 500, headers: Vec::new(), body: String::new() })
    }

    /// Writes what became known while the exchange goes on, and pays what is owed to the server.
    fn flush(&mut self) {
        for record in self.exchange.take_records() {
            self.delivery.record(self.exchange.unique(), &record);
        }
        self.hasten();
        for owed in self.exchange.take_owed() {
            facts::pay(&owed, &self.path, &self.authority);
        }
    }

    /// What others should know soon does not wait for the next tick.
    fn hasten(&mut self) {
        if self.exchange.take_urgent() {
            self.delivery.hasten();
        }
    }

    fn publish(&mut self) {
        if let Some(record) = self.exchange.first_record() {
            self.telemetry.publish(&self.firewall, record, &mut self.published);
        }
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // Envoy does not cancel the calls of a stream that ended.
        if let Some(token) = self.asked.take() {
            host::cancel_call(token);
        }
        self.publish();
        if self.exchange.holds_quota() && facts::upstream_broke() {
            self.exchange.upstream_failed();
        }
        for record in self.exchange.finish(host::now_us()) {
            self.delivery.record(self.exchange.unique(), &record);
        }
        self.hasten();
        if self.streamed {
            self.telemetry.stream_closed();
        }
    }
}

impl Context for Filter {
    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        if self.asked.take_if(|asked| *asked == token).is_none() {
            return;
        }
        let message = if status == 0 { host::call_answer(size) } else { None };
        if self.answer(Answer::of_call(status, message.as_deref())) == Action::Continue {
            host::resume_request();
        }
    }

    fn on_done(&mut self) -> bool {
        self.end();
        true
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        let Some(blob) = host::headers(Side::Request) else { return self.fail() };
        let headers = blob.read();
        #[cfg(feature = "trap")]
        if headers.has("x-portcullis-trap") {
            std::process::abort();
        }
        let fetched = Fetched::fetch(&self.firewall.needs);
        let step = self.exchange.request_headers(&headers, &fetched.facts(), end, host::now_us());
        self.path = headers.get(":path").unwrap_or_default().to_owned();
        self.authority = headers.get(":authority").unwrap_or_default().to_owned();
        self.apply_request(step)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        // While paused, `size` is all that is buffered; it is read once, at the end.
        self.request_size = size;
        if end {
            return self.finish_request();
        }
        let step = self.exchange.request_progress(size as u64, host::now_us());
        self.apply_progress(step)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.finish_request()
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        let Some(blob) = host::headers(Side::Response) else { return self.fail() };
        if self.exchange.first_record().is_some_and(|record| record.method == "initialize") {
            facts::learn_path(&self.path);
        }
        let headers = blob.read();
        change_headers(Side::Response, &self.exchange.leaks(&headers));
        let step = if self.exchange.awaits_tls() && facts::answered_without_tls() {
            self.exchange.without_tls(host::now_us())
        } else {
            self.exchange.response_headers(&headers, end, host::now_us())
        };
        self.apply_response(step)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if self.exchange.is_streaming() {
            return self.stream(size, end);
        }
        self.response_size = size;
        if end {
            return self.finish_response();
        }
        let step = self.exchange.response_progress(size as u64, host::now_us());
        match step {
            ResponseStep::Forward(_) => Action::Continue,
            step => self.apply_response(step),
        }
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        if let Some(blob) = host::headers(Side::Trailers) {
            change_headers(Side::Trailers, &self.exchange.leaks(&blob.read()));
        }
        self.finish_response()
    }

    fn on_log(&mut self) {
        self.end();
    }
}

impl Filter {
    /// A body that passes unread needs no further word.
    fn apply_progress(&mut self, step: RequestStep) -> Action {
        match step {
            RequestStep::Forward(_) => Action::Continue,
            step => self.apply_request(step),
        }
    }
}

fn apply(side: Side, forward: &Forward) {
    change_headers(side, &forward.headers);
    if let Some(body) = &forward.body {
        host::set_body(side, body);
    }
}

fn change_headers(side: Side, ops: &[HeaderOp]) {
    for op in ops {
        match op {
            HeaderOp::Remove(name) => host::remove_header(side, name),
            HeaderOp::Set(name, value) => host::set_header(side, name, value),
        }
    }
}

fn send(reply: &Reply) -> Action {
    host::send_reply(reply);
    Action::Pause
}
