//! A stream of events (SSE): each is judged and leaves as soon as it is complete.

use std::sync::Arc;

use super::server::Passed;
use super::{Exchange, State};
use crate::audit::{Decided, Found, Record};
use crate::json::{Document, Edits};
use crate::scan::{Context, Direction, ScanAction, Surface};
use crate::sse::{Event, Field, Framer, Rewrite};

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    framer: Framer,
    received: u64,
    /// An event was withheld: a request that is still unanswered at the end will never be.
    withheld: bool,
    /// Nothing more goes on.
    closed: bool,
}

impl Stream {
    pub(super) fn new(max_event_bytes: usize) -> Self {
        Self { framer: Framer::new(max_event_bytes), received: 0, withheld: false, closed: false }
    }

    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }
}

impl Exchange {
    /// Takes the next piece of a streamed response and returns what goes on to the client now; `None`
    /// where the piece goes on as it is. `end` says that it is the last.
    pub fn response_chunk(&mut self, bytes: &[u8], end: bool, now_us: u64) -> Option<Vec<u8>> {
        let mut stream = match std::mem::replace(&mut self.state, State::Ended) {
            State::Streaming(stream) => stream,
            other => {
                self.state = other;
                return None;
            }
        };
        self.renew_leases(now_us);
        let mut out = Vec::with_capacity(bytes.len());
        stream.received += bytes.len() as u64;
        stream.framer.push(bytes);
        while let Some(next) = stream.framer.next_event() {
            match next {
                Ok(event) => self.pass_event(&mut stream, event, &mut out, now_us),
                Err(_) => self.close(&mut stream, &mut out, now_us),
            }
        }
        if end {
            if let Some(tail) = stream.framer.finish() {
                self.pass_event(&mut stream, tail, &mut out, now_us);
            }
            if stream.withheld && !stream.closed {
                self.fail_pending(&mut out, "stream:withheld", "The server's answer was withheld");
            }
            self.scene.response_bytes = stream.received;
        } else {
            self.state = State::Streaming(stream);
        }
        // Where no rule is enforced the events were judged for the record only.
        if self.firewall.passive() && !self.is_injected() { None } else { (out != bytes).then_some(out) }
    }

    fn pass_event(&mut self, stream: &mut Stream, event: Event, out: &mut Vec<u8>, now_us: u64) {
        if stream.closed {
            return;
        }
        let event = self.clean_fields(event, now_us);
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            out.extend_from_slice(event.raw());
            return;
        };
        if event.event_type() == Some(b"endpoint") {
            if self.endpoint_is_ours(&data) && !self.leaks_in(&data) {
                self.scene.session.endpoint = path_of(&data);
                out.extend_from_slice(event.raw());
            } else {
                self.withhold(stream, &event, out, "sse:endpoint", "The endpoint event names another host", now_us);
            }
            return;
        }
        let limits = crate::json::Limits { max_bytes: usize::MAX, ..self.firewall.json_limits() };
        let document = match Document::parse(&data, &limits) {
            Ok(document) => document,
            Err(error) => {
                let reason = format!("An event's data is no valid JSON: {error}");
                return self.withhold(stream, &event, out, "json:strict", &reason, now_us);
            }
        };
        let mut edits = Edits::default();
        match self.judge_messages(document.root(), &mut edits, now_us) {
            Ok(Passed::Forward) if edits.is_empty() => out.extend_from_slice(event.raw()),
            Ok(Passed::Forward) => out.extend_from_slice(&event.with_data(&edits.apply(&data))),
            Ok(Passed::Replace(message)) => out.extend_from_slice(&event.with_data(message.as_bytes())),
            Ok(Passed::Drop) => out.extend_from_slice(&event.dropped()),
            Err(reason) => self.withhold(stream, &event, out, "json-rpc:invalid", &reason, now_us),
        }
    }

    /// What clients read beside the data: comments and ids are scanned, lines that only some clients
    /// would see are made the same for all.
    fn clean_fields(&mut self, event: Event, now_us: u64) -> Event {
        let foreign = self.enforcing() && event.has_foreign_line_breaks();
        let event = if foreign { event.harden() } else { event };
        let event = self.without_leaks(event);
        let plain =
            event.fields().all(|field| !matches!(field, Field::Comment(_) | Field::Id(_) | Field::Unknown { .. }));
        if plain {
            return event;
        }
        let mut found: Vec<Found> = Vec::new();
        let scanners = &self.firewall.scanners;
        let cleaned = event.rewrite(|field| {
            let (text, location) = match field {
                Field::Comment(text) => (text, "sse:comment"),
                Field::Id(text) => (text, "sse:id"),
                Field::Unknown { .. } => return Rewrite::Drop,
                _ => return Rewrite::Keep,
            };
            let Ok(text) = std::str::from_utf8(text) else { return Rewrite::Drop };
            let context = Context { direction: Direction::Response, surface: Surface::Stream };
            let mut findings = Vec::new();
            scanners.scan_text(context, text, &mut findings);
            found.extend(findings.iter().map(|finding| Found {
                scanner: finding.scanner,
                rule: finding.rule.to_string(),
                action: finding.action,
                direction: Direction::Response,
                location: location.to_owned(),
            }));
            // A comment or id says nothing a client needs: what may not go on as it is goes altogether.
            if findings.iter().all(|finding| finding.action == ScanAction::Log) { Rewrite::Keep } else { Rewrite::Drop }
        });
        if !found.is_empty() {
            let mut record = self.event_record("sse:field", "A field of an event was scanned.", now_us);
            record.decision = if found.iter().any(|found| found.action != ScanAction::Log) {
                Decided::Redact
            } else {
                Decided::Allow
            };
            record.findings = found;
            self.done.push(record);
        }
        if self.enforcing() { cleaned } else { event }
    }

    /// An event without lines, beside its data, in which a credential comes back.
    fn without_leaks(&mut self, event: Event) -> Event {
        if !self.is_injected() {
            return event;
        }
        let mut found = false;
        let clean = event.rewrite(|field| {
            let leaks = match field {
                Field::Data(_) => false,
                Field::Comment(text) | Field::EventType(text) | Field::Id(text) | Field::Retry(text) => {
                    self.leaks_in(text)
                }
                Field::Unknown { name, value } => self.leaks_in(name) || self.leaks_in(value),
            };
            found |= leaks;
            if leaks { Rewrite::Drop } else { Rewrite::Keep }
        });
        self.note_leak(found);
        clean
    }

    fn withhold(
        &mut self,
        stream: &mut Stream,
        event: &Event,
        out: &mut Vec<u8>,
        rule: &str,
        reason: &str,
        now_us: u64,
    ) {
        let mut record = self.event_record(rule, reason, now_us);
        // What cannot be read could hold the credential that was injected.
        if self.enforcing() || self.is_injected() {
            stream.withheld = true;
            out.extend_from_slice(&event.dropped());
            record.decision = Decided::Malformed;
        } else {
            out.extend_from_slice(event.raw());
            record.would = Some((Decided::Malformed, rule.to_owned()));
        }
        self.done.push(record);
    }

    /// Nothing of the stream can be understood any more: requests that wait are told, the rest is swallowed.
    fn close(&mut self, stream: &mut Stream, out: &mut Vec<u8>, now_us: u64) {
        let reason = "An event of the server's stream is too large";
        let mut record = self.event_record("limits:max_event_bytes", reason, now_us);
        if self.enforcing() {
            record.decision = Decided::Deny;
        } else {
            record.would = Some((Decided::Deny, record.rule.to_string()));
        }
        self.done.push(record);
        stream.closed = true;
        self.fail_pending(out, "limits:max_event_bytes", reason);
    }

    fn fail_pending(&mut self, out: &mut Vec<u8>, rule: &str, reason: &str) {
        for failure in self.pending_failures(rule, reason) {
            out.extend_from_slice(b"\n\nevent: message\ndata: ");
            out.extend_from_slice(failure.as_bytes());
            out.extend_from_slice(b"\n\n");
        }
        let enforcing = self.enforcing();
        for call in self.calls.iter_mut().filter(|call| call.id.is_some()) {
            if enforcing {
                call.record.decision = Decided::Deny;
                call.record.rule = Arc::from(rule);
                call.record.reason = Arc::from(format!("{reason}."));
            }
            call.id = None;
        }
    }

    fn event_record(&self, rule: &str, reason: &str, now_us: u64) -> Record {
        let mut record = self.record(Direction::Response, now_us);
        record.method = "sse/event".to_owned();
        record.rule = Arc::from(rule);
        record.reason = Arc::from(reason);
        record
    }

    /// The old transport tells the client where to POST. A server that names another host would lead the
    /// client around the firewall.
    fn endpoint_is_ours(&self, data: &[u8]) -> bool {
        let Ok(target) = std::str::from_utf8(data) else { return false };
        if target.contains(['\\', '\t', '\n', '\r']) {
            return false;
        }
        let authority = match target.split_once("//") {
            Some(("" | "http:" | "https:", rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
            _ => {
                return target.starts_with('/')
                    || !target.split(['/', '?', '#']).next().unwrap_or_default().contains(':');
            }
        };
        authority.eq_ignore_ascii_case(&self.scene.authority)
    }
}

/// Path and query of an endpoint that [`Exchange::endpoint_is_ours`] accepted; `None` for one relative to the stream's.
fn path_of(target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target).ok()?;
    let target = match target.split_once("//") {
        Some(("" | "http:" | "https:", rest)) => rest.get(rest.find('/')?..)?,
        _ => target,
    };
    target.starts_with('/').then(|| target.to_owned())
}
