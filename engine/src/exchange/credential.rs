//! Credentials for a server: asked for when a request is about to go on, injected into what is forwarded and nothing
//! else, and taken out of whatever comes back.

use std::sync::Arc;

use super::form::Form;
use super::{Asked, Exchange, Forward, Parked, Question, RequestStep, ResponseStep, State};
use crate::answer::{self, CODE_POLICY};
use crate::audit::{Decided, Record};
use crate::http::{HeaderOp, Headers};
use crate::json::{Edits, Value};
use crate::quota::End;
use crate::scan::ScanAction;
use crate::sidecar::{AdmitRequest, Call};
use crate::state::Revision;

/// The rule of a request that is refused for want of a credential.
pub(super) const NONE: &str = "credential:none";

impl Exchange {
    /// Lets a request wait that is about to go on without the credential that its server takes. Whatever is sent needs
    /// one, calls and all else; what policy refuses, or would, gets none.
    pub(super) fn fetch_credential(&mut self, step: RequestStep) -> RequestStep {
        let forward = match step {
            RequestStep::Forward(forward) if self.lacks_credential() => forward,
            step => return step,
        };
        let Some(call) = self.calls.iter().find(|call| !call.record.decision.is_refusal()) else {
            return RequestStep::Forward(forward);
        };
        let record = &call.record;
        let request = AdmitRequest {
            id: record.id.clone(),
            principal: Arc::clone(&self.scene.principal),
            call: Call {
                server: Arc::clone(&self.scene.server),
                method: record.method.clone(),
                capability: record.capability,
                name: record.name.clone().unwrap_or_default(),
                digest: String::new(),
                session: self.scene.session.hash.as_deref().unwrap_or_default().to_owned(),
                correlation_id: self.scene.correlation_id.clone(),
            },
            policy_version: Arc::clone(self.firewall.policy.version()),
            approval: None,
            intent: None,
            credential: self.credential_need(),
            mfa: None,
            retries: false,
            state: String::new(),
            demands: Vec::new(),
            bearer: None,
        };
        let waits = self.calls.iter().find_map(|call| Some((call.id.clone()?, call.method.clone())));
        let (id, method) = waits.unwrap_or_else(|| ("null".to_owned(), String::new()));
        let asked = Asked {
            mfa: None,
            held: false,
            intent: false,
            quota: None,
            flow: None,
            credential: request.credential,
            id,
            method,
            what: "the request was refused".to_owned(),
            rule: Arc::from(NONE),
            reason: Arc::clone(&self.scene.nothing),
            form: Form::Text,
            carried: String::new(),
        };
        self.state = State::Asking(Box::new(Parked { forward, stand_in: None, asked, reserved: true, body: None }));
        RequestStep::Ask(Question::Admit(Box::new(request)))
    }

    /// Whether the sidecar must find a credential: `Some(true)` where nothing goes on without one.
    pub(super) fn credential_need(&self) -> Option<bool> {
        self.scene.credentials.map(|terms| terms.required)
    }

    fn lacks_credential(&self) -> bool {
        let would_refuse = |record: &Record| record.would.as_ref().is_some_and(|(decided, _)| decided.is_refusal());
        self.scene.credentials.is_some()
            && !self.scene.credential_settled
            && matches!(self.state, State::AwaitResponse)
            && (self.enforcing() || !self.calls.iter().any(|call| would_refuse(&call.record)))
    }

    /// The request with the credential in it.
    pub(super) fn inject(&self, mut forward: Forward) -> Forward {
        let headers = self.scene.injected.iter();
        forward
            .headers
            .extend(headers.map(|header| HeaderOp::Set(header.name.clone(), header.value.expose().to_owned())));
        forward
    }

    /// Answers a request that does not go on for want of a credential: all of its messages.
    pub(super) fn refuse_uninjected(&mut self, message: String, now_us: u64) -> RequestStep {
        self.state = State::Ended;
        self.settle_all(End::Failed, now_us);
        let id = &self.scene.correlation_id;
        let waiting: Vec<_> =
            self.calls.iter().filter_map(|call| Some((call.id.as_deref()?, &call.method, &call.record))).collect();
        RequestStep::Reply(match waiting.as_slice() {
            // What clients take for "this server offers no stream".
            [] if self.scene.get => self.plain_reply(405, &message, vec![("allow", "POST".to_owned())]),
            [] => answer::empty_reply(202, id),
            [_] => answer::json_reply(200, message, id),
            several => {
                let tell = |(id, method, record): &(&str, &String, &Record)| {
                    let text = self.explain("the request was refused", &record.rule, &record.reason);
                    self.denial(CODE_POLICY, &record.rule, &text).message(id, method)
                };
                let answers: Vec<String> = several.iter().map(tell).collect();
                answer::json_reply(200, format!("[{}]", answers.join(",")), id)
            }
        })
    }

    // === what comes back ===

    /// Headers of the response, or trailers, in which a credential comes back: they must not go on.
    #[must_use]
    pub fn leaks(&self, headers: &Headers<'_>) -> Vec<HeaderOp> {
        let leaking = headers.iter().filter(|(_, value)| self.leaks_in(value));
        leaking.map(|(name, _)| HeaderOp::Remove(name.to_owned())).collect()
    }

    /// Whether a text holds what is secret in the credential that was injected.
    pub(super) fn leaks_in(&self, text: &[u8]) -> bool {
        self.is_injected() && {
            let text = String::from_utf8_lossy(text);
            self.forms().any(|form| text.contains(form))
        }
    }

    /// Takes what is secret in the credential out of a message of the server.
    pub(super) fn hide_credential(&mut self, root: Value<'_>, edits: &mut Edits) {
        if !self.is_injected() {
            return;
        }
        let mut found = false;
        for string in root.strings() {
            let Some(text) = string.as_str() else { continue };
            for form in self.forms() {
                for (at, _) in text.match_indices(form) {
                    edits.replace_in_string(string, at..at + form.len(), MARK);
                    found = true;
                }
            }
        }
        self.note_leak(found);
    }

    /// The same of a text that is no message.
    pub(super) fn hide_in_text(&mut self, text: String) -> String {
        let clean = self.forms().fold(text.clone(), |text, form| text.replace(form, MARK));
        self.note_leak(clean != text);
        clean
    }

    pub(super) fn note_leak(&mut self, found: bool) {
        let Some(call) = self.calls.first_mut().filter(|_| found) else { return };
        call.record.rules_fired.push(Arc::from("credential:returned"));
        if matches!(call.record.decision, Decided::Allow | Decided::LogOnly) {
            call.record.decision = Decided::Redact;
        }
        call.record.findings.push(crate::audit::Found {
            scanner: "credential",
            rule: "returned".to_owned(),
            action: ScanAction::Redact,
            direction: crate::scan::Direction::Response,
            location: String::new(),
        });
    }

    /// True where a credential was sent: what comes back is read to its end, whatever the mode.
    pub(super) fn is_injected(&self) -> bool {
        !self.scene.injected.is_empty()
    }

    /// A server may name what it offers as it likes, by the credential too: names stand in records.
    pub(super) fn mask(&self, record: &mut Record) {
        if !self.is_injected() {
            return;
        }
        let mut texts = vec![&mut record.method];
        texts.extend(&mut record.name);
        texts.extend(&mut record.exception);
        texts.extend(&mut record.redacted);
        for drifted in &mut record.drift {
            texts.push(&mut drifted.tool);
            texts.extend(&mut drifted.fields);
        }
        texts.extend(record.risks.iter_mut().map(|risky| &mut risky.tool));
        texts.extend(record.versions.iter_mut().map(|listed| &mut listed.tool));
        texts.extend(record.findings.iter_mut().map(|found| &mut found.location));
        for text in texts {
            for form in self.forms() {
                if text.contains(form) {
                    *text = text.replace(form, MARK);
                }
            }
        }
    }

    fn forms(&self) -> impl Iterator<Item = &str> {
        self.scene.injected.iter().flat_map(|header| header.forms.iter().map(crate::config::Secret::expose))
    }

    // === TLS on the way to the server ===

    /// True where a credential went to a server that must be reached by TLS: the host then has to say whether it was.
    #[must_use]
    pub fn awaits_tls(&self) -> bool {
        self.is_injected() && self.scene.credentials.is_some_and(|terms| !terms.plaintext)
    }

    /// Tells that the server answered without TLS. The answer is withheld, and no credential is sent there any more
    /// until the configuration is another one.
    pub fn without_tls(&mut self, now_us: u64) -> ResponseStep {
        let _ = self.store.swap(&self.plaintext_mark(), b"1", Revision::Absent);
        self.refuse_response(PLAINTEXT, "The way to the server has no TLS, and a credential was sent", now_us)
    }

    /// Whether no credential may be sent, because the way to the server has no TLS.
    pub(super) fn is_plaintext(&self) -> bool {
        self.scene.credentials.is_some_and(|terms| !terms.plaintext)
            && self.store.read(&self.plaintext_mark()).is_ok_and(|known| !known.value.is_empty())
    }

    fn plaintext_mark(&self) -> String {
        format!("{PLAINTEXT}.{}.{}", self.firewall.version(), self.scene.server)
    }
}

/// The rule, and the prefix of what is remembered.
pub(super) const PLAINTEXT: &str = "credential:plaintext";
const MARK: &str = "[REDACTED:credential]";
