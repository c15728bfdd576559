//! The request's body: parsed once, judged message by message, forwarded as those bytes.

use std::sync::Arc;

use super::client::{Client, Judged};
use super::head::Awaited;
use super::{Ask, Call, Exchange, Forward, Parked, Question, Refusal, RequestStep, State, form};
use crate::answer::{self, HEADER_MISMATCH, INVALID_REQUEST, PARSE_ERROR};
use crate::audit::Decided;
use crate::http::{HeaderOp, Reply};
use crate::json::{Document, Edits, ErrorKind, Kind, ParseError, Value};
use crate::mcp::{self, InvalidMessage, Message, Revision};
use crate::quota::Charge;
use crate::sidecar::AuditRecord;
use crate::sort::Arrange;

impl Exchange {
    /// Tells that `received` bytes of the request's body have come so far and more may follow.
    pub fn request_progress(&mut self, received: u64, now_us: u64) -> RequestStep {
        match &self.state {
            State::AwaitBody(_) if received > self.max_body() => {
                let refusal = self.too_large();
                self.refuse(refusal, now_us)
            }
            State::AwaitBody(_) | State::Asking(_) | State::Ended => RequestStep::Hold,
            _ => RequestStep::Forward(Forward::default()),
        }
    }

    /// Judges the request's complete body.
    pub fn request_body(&mut self, body: &[u8], now_us: u64) -> RequestStep {
        let mut awaited = match std::mem::replace(&mut self.state, State::AwaitResponse) {
            State::AwaitBody(awaited) => awaited,
            other => {
                self.state = other;
                return self.request_progress(0, now_us);
            }
        };
        self.scene.request_bytes = body.len() as u64;
        self.hear_told();
        if let Some(refusal) = self.lost_key(now_us) {
            return self.refuse(refusal, now_us);
        }
        match self.judge_body(&mut awaited, body, now_us) {
            Ok(step) => self.fetch_credential(step),
            Err(refusal) => self.refuse(refusal, now_us),
        }
    }

    pub(super) fn too_large(&self) -> Refusal {
        Refusal::malformed(
            413,
            INVALID_REQUEST,
            "limits:max_body_bytes",
            format!("The body exceeds {} bytes", self.max_body()),
        )
    }

    fn judge_body(&mut self, awaited: &mut Awaited, body: &[u8], now_us: u64) -> Result<RequestStep, Refusal> {
        let firewall = self.firewall.clone();
        let limits = firewall.json_limits();
        let document = Document::parse(body, &limits).map_err(|error| self.unreadable(&error))?;
        self.scene.parent = self.parent_of(document.root(), now_us);
        let back = firewall.sidecar.as_ref().and_then(|_| form::come_back(document.root(), body, &limits));
        if let Some((returned, body)) = back {
            self.scene.returned = Some(returned);
            let document = Document::parse(&body, &limits).map_err(|error| self.unreadable(&error))?;
            return self.judge_root(awaited, document.root(), &body, now_us);
        }
        self.judge_root(awaited, document.root(), body, now_us)
    }

    fn unreadable(&self, error: &ParseError) -> Refusal {
        match error.kind {
            ErrorKind::TooLarge => self.too_large(),
            _ => Refusal::malformed(400, PARSE_ERROR, "json:strict", format!("Parse error: {error}")),
        }
    }

    fn judge_root(
        &mut self,
        awaited: &mut Awaited,
        root: Value<'_>,
        body: &[u8],
        now_us: u64,
    ) -> Result<RequestStep, Refusal> {
        // A refusal under the request's own id ends the wait of the client that sent it.
        let id = root.get("id").filter(|id| matches!(id.kind(), Kind::String | Kind::Number));
        self.judge_document(awaited, root, body, now_us)
            .map_err(|refusal| Refusal { id: id.map(|id| id.raw().to_owned()), ..refusal })
    }

    fn judge_document(
        &mut self,
        awaited: &mut Awaited,
        root: Value<'_>,
        body: &[u8],
        now_us: u64,
    ) -> Result<RequestStep, Refusal> {
        let batch = root.kind() == Kind::Array;
        let messages = self.messages(root, batch, awaited.version.is_some())?;
        self.compare_mirrored(awaited, &messages, batch)?;

        let mut edits = Edits::default();
        let (code, charge) = (awaited.code.as_ref(), Charge::default());
        let mut client = Client { exchange: self, edits: &mut edits, now_us, batch, code, held: Vec::new(), charge };
        let mut judged = Vec::with_capacity(messages.len());
        let mut calls: Vec<Call> = Vec::with_capacity(messages.len());
        for (value, message) in &messages {
            let (call, verdict) = client.judge(*value, message);
            calls.push(call);
            judged.push(verdict);
        }
        let mut ops = std::mem::take(&mut awaited.ops);
        if let [verdict] = judged.as_mut_slice()
            && let [call] = calls.as_mut_slice()
            && !batch
        {
            let arguments =
                messages.first().and_then(|(_, message)| mcp::arguments(message.method()?, message.params()));
            let header_edits = client.scan_mirrored(&awaited.params, arguments, call, verdict);
            ops.extend(header_edits);
        }
        client.reserve(&mut calls, &mut judged);
        self.calls = calls;
        let step = if batch {
            self.settle_batch(root, judged, &mut edits)
        } else {
            self.settle_single(root, judged, &mut edits)
        };
        Ok(match step {
            Settled::Answer(reply) => {
                self.state = State::Ended;
                RequestStep::Reply(reply)
            }
            Settled::Ask(mut ask, stand_in) => {
                if let [call] = self.calls.as_slice()
                    && self.wants_intent(call.capability)
                {
                    // Now that the record is as the call will be made.
                    ask.request.intent = Some(AuditRecord::intent(&call.record));
                    ask.asked.intent = true;
                }
                let stand_in = stand_in.map(|message| {
                    let mut edits = Edits::default();
                    edits.replace(root.span(), message);
                    self.forward(ops.clone(), awaited.content_length, body, edits)
                });
                let forward = self.forward(ops, awaited.content_length, body, edits);
                let Ask { request, asked } = *ask;
                let body = asked.flow.map(|_| body.to_vec());
                self.state = State::Asking(Box::new(Parked { forward, stand_in, asked, reserved: false, body }));
                RequestStep::Ask(Question::Admit(Box::new(request)))
            }
            Settled::Forward => RequestStep::Forward(self.forward(ops, awaited.content_length, body, edits)),
        })
    }

    /// The messages of the body, each with its object.
    fn messages<'d>(
        &self,
        root: Value<'d>,
        batch: bool,
        declared: bool,
    ) -> Result<Vec<(Value<'d>, Message<'d>)>, Refusal> {
        let invalid = |error: InvalidMessage| {
            Refusal::malformed(
                400,
                INVALID_REQUEST,
                "json-rpc:invalid",
                format!("Invalid request: {}", error.message()),
            )
        };
        if !batch {
            return Ok(vec![(root, Message::from_value(root).map_err(invalid)?)]);
        }
        // Without the header a client speaks 2025-03-26 or the revision before it (specification
        // 2025-06-18, "Protocol Version Header"): both have batches.
        if declared && !Revision::has_batches(self.scene.revision) {
            return Err(invalid(InvalidMessage::BatchNotAllowed));
        }
        let mut messages = Vec::new();
        for value in root.elements() {
            let message = Message::from_value(value).map_err(invalid)?;
            messages.push((value, message));
        }
        let mut ids: Vec<&str> = messages
            .iter()
            .filter(|(_, message)| matches!(message, Message::Request { .. }))
            .filter_map(|(_, message)| message.id().map(Value::raw))
            .collect();
        let requests = ids.len();
        ids.arrange();
        ids.dedup();
        if messages.is_empty() || messages.len() > MAX_BATCH || ids.len() < requests {
            return Err(invalid(InvalidMessage::InvalidBatch));
        }
        Ok(messages)
    }

    /// Headers that repeat what the body says must say the same (2026-07-28, "Standard headers"): an
    /// intermediary that routes by header and a server that acts by body must see one call.
    fn compare_mirrored(
        &self,
        awaited: &Awaited,
        messages: &[(Value<'_>, Message<'_>)],
        batch: bool,
    ) -> Result<(), Refusal> {
        let mirrored = awaited.method.is_some() || awaited.name.is_some() || !awaited.params.is_empty();
        let single = match messages {
            [(_, message)] if !batch => message,
            _ if mirrored => {
                return Err(mismatch("A batch cannot be described by Mcp-Method, Mcp-Name or Mcp-Param headers"));
            }
            _ => return Ok(()),
        };
        if let Some(method) = &awaited.method
            && single.method() != Some(method.as_str())
        {
            return Err(mismatch("Mcp-Method does not match the body"));
        }
        if let Some(name) = &awaited.name {
            let names = single.method().map(|method| mcp::names(method, single.params())).unwrap_or(Ok(Vec::new()));
            let matches = match (names.as_deref(), name) {
                (Ok([only]), Some(name)) => only == name,
                _ => false,
            };
            if !matches {
                return Err(mismatch("Mcp-Name does not match the body"));
            }
        }
        if let (Some(version), Some(declared)) = (&awaited.version, mcp::declared_revision(single.params()))
            && *version != declared
        {
            return Err(mismatch("MCP-Protocol-Version does not match the body"));
        }
        let arguments = single.method().and_then(|method| mcp::arguments(method, single.params()));
        for (_, value) in &awaited.params {
            let found = match (value, arguments) {
                (Some(value), Some(arguments)) => mirrors_a_scalar(arguments, value),
                _ => false,
            };
            if !found {
                return Err(mismatch("An Mcp-Param header does not match the body"));
            }
        }
        Ok(())
    }

    fn settle_single(&mut self, root: Value<'_>, judged: Vec<Judged>, edits: &mut Edits) -> Settled {
        let Some(verdict) = judged.into_iter().next() else { return Settled::Forward };
        let id = &self.scene.correlation_id;
        match verdict {
            Judged::Forward => Settled::Forward,
            Judged::Drop => Settled::Answer(answer::empty_reply(202, id)),
            Judged::Substitute(message) => {
                edits.replace(root.span(), message);
                Settled::Forward
            }
            Judged::Refuse { stand_in, ask: Some(ask), .. } => Settled::Ask(ask, stand_in),
            Judged::Refuse { stand_in: Some(message), .. } => {
                edits.replace(root.span(), message);
                Settled::Forward
            }
            Judged::Refuse { answer, .. } => Settled::Answer(answer::json_reply(200, answer, id)),
        }
    }

    /// The request with its edits. The length said in the headers is always the length of what follows
    /// them: a longer body under the old length would be a second request to the server.
    fn forward(&self, mut ops: Vec<HeaderOp>, content_length: Option<u64>, body: &[u8], edits: Edits) -> Forward {
        let changed = !edits.is_empty() || self.scene.returned.is_some();
        let edited = changed.then(|| edits.apply(body));
        let length = edited.as_ref().map_or(body.len(), Vec::len) as u64;
        if content_length.is_some_and(|said| said != length) {
            ops.push(HeaderOp::Set("content-length".to_owned(), length.to_string()));
        }
        Forward { headers: ops, body: edited }
    }

    /// A batch with a refused request is answered as a whole: the refused one with its reason, the
    /// others with the reason that they were not looked at. Refused notifications are taken out.
    fn settle_batch(&mut self, root: Value<'_>, judged: Vec<Judged>, edits: &mut Edits) -> Settled {
        let refused = judged.iter().any(|verdict| matches!(verdict, Judged::Refuse { .. }));
        if refused {
            let mut answers = Vec::new();
            for (call, verdict) in self.calls.iter().zip(&judged) {
                match (verdict, &call.id) {
                    (Judged::Refuse { answer, .. }, _) => answers.push(answer.clone()),
                    (_, Some(id)) => {
                        let text = "Not forwarded: another message of this batch was refused. Send it again by itself.";
                        answers.push(self.denial(answer::CODE_POLICY, "batch", text).error(id));
                    }
                    _ => {}
                }
            }
            for call in &mut self.calls {
                if !call.record.decision.is_refusal() {
                    call.record.decision = Decided::Deny;
                    call.record.rule = Arc::from("batch");
                    call.record.reason = Arc::from("Another message of the batch was refused.");
                }
            }
            let body = format!("[{}]", answers.join(","));
            return Settled::Answer(answer::json_reply(200, body, &self.scene.correlation_id));
        }
        let mut verdicts = judged.iter();
        let mut left = 0;
        edits.retain_elements(root, |_| {
            let keep = !matches!(verdicts.next(), Some(Judged::Drop));
            left += usize::from(keep);
            keep
        });
        if left == 0 {
            return Settled::Answer(answer::empty_reply(202, &self.scene.correlation_id));
        }
        for (element, verdict) in root.elements().zip(judged) {
            if let Judged::Substitute(message) = verdict {
                edits.replace(element.span(), message);
            }
        }
        Settled::Forward
    }
}

/// What becomes of a body whose messages are all judged.
enum Settled {
    Forward,
    Answer(Reply),
    /// What is to be asked; and what goes on where the answer is no.
    Ask(Box<Ask>, Option<String>),
}

fn mismatch(text: &str) -> Refusal {
    Refusal::malformed(400, HEADER_MISMATCH, "http:header-mismatch", text)
}

/// True where some scalar within `arguments` reads as `text` (2026-07-28, "Custom headers": strings as they are,
/// numbers and booleans as their JSON text).
fn mirrors_a_scalar(arguments: Value<'_>, text: &str) -> bool {
    match arguments.kind() {
        Kind::Object => arguments.members().any(|(_, value)| mirrors_a_scalar(value, text)),
        Kind::Array => arguments.elements().any(|value| mirrors_a_scalar(value, text)),
        _ => reads_as(arguments, text),
    }
}

/// True where a scalar reads as `text`.
pub(super) fn reads_as(scalar: Value<'_>, text: &str) -> bool {
    match scalar.kind() {
        Kind::String | Kind::Key => scalar.is_str(text),
        Kind::Number => scalar.raw() == text || (scalar.as_f64().is_some() && scalar.as_f64() == text.parse().ok()),
        Kind::True => text == "true",
        Kind::False => text == "false",
        Kind::Null | Kind::Object | Kind::Array => false,
    }
}

/// Most messages of one batch.
const MAX_BATCH: usize = 64;
