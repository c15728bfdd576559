//! What only somebody outside can say: questions on the way of a call, and what their answers mean.
//!
//! A call is judged completely first. Then it waits with what is forwarded if the answer is yes, and what is left to say
//! if it is not. At most one question goes to the sidecar: it brings the need for an approval and the intent row alike.

use std::borrow::Cow;
use std::sync::Arc;

use super::check_obligations::SecondFactor;
use super::check_shared::Learnt;
use super::checks::{Called, Ruling};
use super::client::{Client, Judged, NEEDS_MFA};
use super::content::{self, Block};
use super::credential::NONE;
use super::form::{self, Form};
use super::{Answer, Ask, Asked, Call, Exchange, Forward, Refusal, RequestStep, State};
use crate::answer::{self, CODE_APPROVAL, CODE_MFA, CODE_POLICY, Denial};
use crate::audit::{Decided, Record};
use crate::config::{Action, AuditDelivery, Side, canonical_json, canonical_string, sha256_hex};
use crate::flow::Traits;
use crate::json::{Document, Edits, Kind, Value};
use crate::mcp::{self, Capability};
use crate::policy::Decision;
use crate::quota::{End, Reserved};
use crate::scan::{Context, Direction, Site, Surface};
use crate::sidecar::{AdmitRequest, AdmitResponse, ApprovalNeed, Call as Admitted, Mfa, MfaNeed, Verdict};
use crate::sort::Arrange;

/// A request that may go on once somebody says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending<'a, 'd> {
    /// Raw JSON.
    pub(super) id: &'a str,
    pub(super) method: &'a str,
    pub(super) capability: Capability,
    /// Tools, prompts, resources.
    pub(super) names: &'a [Cow<'d, str>],
    pub(super) params: Option<Value<'d>>,
    pub(super) decision: &'a Decision,
    pub(super) factor: &'a SecondFactor,
    /// What a scanner found that only an approval lets through.
    pub(super) block: Option<&'a Block>,
    pub(super) traits: &'a Traits,
}

impl Exchange {
    /// Goes on after a [`RequestStep::Ask`]. What the call counts for is reserved now: it may have waited long.
    pub fn answer(&mut self, answer: Answer, now_us: u64) -> RequestStep {
        let parked = match std::mem::replace(&mut self.state, State::AwaitResponse) {
            State::Asking(parked) => parked,
            other => {
                self.state = other;
                return RequestStep::Hold;
            }
        };
        self.hear_told();
        let answer = match self.lost_key(now_us) {
            // Whatever was decided meanwhile.
            Some(Refusal { rule, reason, .. }) => {
                if parked.asked.quota.is_some() {
                    // It may be reserved.
                    self.give_back();
                }
                let (rule, reason) = (rule.to_owned(), reason);
                Answer::Admitted(AdmitResponse { verdict: Verdict::Deny, rule, reason, ..AdmitResponse::default() })
            }
            None => answer,
        };
        let heard = self.hear(&parked.asked, answer, now_us);
        let heard = heard.and_then(|learnt| self.reconsider_learnt(&parked, learnt, now_us));
        if let Err(refusal) = heard {
            // What was reserved meanwhile comes back.
            self.settle_all(End::Failed, now_us);
            if parked.reserved {
                return self.refuse_uninjected(refusal, now_us);
            }
            return self.give_up(parked.stand_in, refusal);
        }
        let mut calls = std::mem::take(&mut self.calls);
        let approved = calls.iter_mut().filter(|_| !parked.reserved);
        let refusal = approved.map(|call| self.admit_approved(call, now_us)).find_map(|refusal| refusal);
        self.calls = calls;
        match refusal {
            None => {
                let forward = self.inject(parked.forward);
                self.fetch_credential(RequestStep::Forward(forward))
            }
            Some(refusal) => self.give_up(parked.stand_in, refusal),
        }
    }

    /// What an answer means; the message for the client where the call does not go on.
    fn hear(&mut self, asked: &Asked, answer: Answer, now_us: u64) -> Result<Learnt, String> {
        let (mfa, held) = (asked.mfa.as_ref(), asked.held);
        self.scene.credential_settled |= asked.credential.is_some();
        let alone = mfa.is_none() && !held && !asked.intent;
        if answer == Answer::Unavailable && asked.quota.is_some() {
            // It may have reserved all the same.
            self.give_back();
        }
        let (decision, why, text) = match answer {
            Answer::Approved => {
                let reserved = Reserved { held: true, ..Reserved::default() };
                self.calls.iter_mut().for_each(|call| drop(call.charge.granted(&reserved, now_us)));
                return Ok(Learnt::Nothing);
            }
            // Where there is no sidecar at all (a policy is tried out) there is nothing to inject, and what it would count
            // is counted here.
            Answer::NotConfigured
                if alone && (asked.credential.is_some() || asked.quota.is_some() || asked.flow.is_some()) =>
            {
                self.calls.iter_mut().for_each(|call| call.charge.count_here());
                return Ok(Learnt::Nothing);
            }
            // A sidecar that knows nothing of codes allows what it cannot have verified.
            Answer::Admitted(response)
                if mfa.is_none() || response.mfa == Mfa::Verified || response.is_refusal_before_code() =>
            {
                return self.hear_verdict(asked, response, now_us);
            }
            Answer::Admitted(AdmitResponse { mfa: Mfa::Refused, reason, .. }) => {
                return Err(self.refuse_code(asked, &format!("It needs a one-time code.{}", aside(&reason))));
            }
            Answer::NotConfigured if mfa.is_some() => {
                let text = "It needs a one-time code, and MFA verification is not configured.";
                return Err(self.refuse_code(asked, text));
            }
            Answer::Admitted(_) | Answer::Unavailable if mfa.is_some() => {
                let text = "It needs a one-time code, and whoever verifies it does not answer. Try again later.";
                return Err(self.refuse_code(asked, text));
            }
            Answer::Unavailable if self.goes_on_unasked(asked) => {
                for call in &mut self.calls {
                    call.charge.waive();
                    call.record.rules_fired.push(Arc::from("sidecar:unavailable"));
                }
                return Ok(Learnt::Nothing);
            }
            Answer::Refused => (Decided::Deny, "It was denied.", "It was denied."),
            Answer::NotConfigured if held => {
                (Decided::RequireApproval, "", "It needs an approval, and the approval service is not configured.")
            }
            Answer::Unavailable if held => (
                Decided::RequireApproval,
                "The approval service did not answer.",
                "It needs an approval, and the approval service does not answer. Make the same call again later.",
            ),
            Answer::Unavailable if asked.quota == Some(true) && !self.goes_uncounted() => {
                return Err(self.refuse_uncounted(asked, &Reserved::default()));
            }
            Answer::Unavailable if asked.flow == Some(true) && !self.goes_unknowing() => {
                return Err(self.refuse_unknown(asked));
            }
            _ if alone && !self.enforcing() => {
                self.calls.iter_mut().for_each(|call| call.charge.waive());
                return Ok(Learnt::Nothing);
            }
            Answer::Unavailable if alone => (
                Decided::Deny,
                "The sidecar, which has its credential, did not answer.",
                "It needs a credential, and the sidecar that has it does not answer. Try again later.",
            ),
            Answer::NotConfigured | Answer::Unavailable | Answer::Admitted(_) => (
                Decided::Deny,
                "Its record could not be written down.",
                "Its audit record could not be written down, and without that it may not be made. Try again later.",
            ),
        };
        self.note(&asked.rule, decision, why, None);
        Err(self.tell(asked, text, None))
    }

    fn refuse_code(&mut self, asked: &Asked, text: &str) -> String {
        let rule = asked.mfa.as_ref().unwrap_or(&asked.rule);
        self.note(rule, Decided::Deny, "The one-time code could not be verified.", None);
        let text = self.explain(&asked.what, rule, text);
        Denial { needs: NEEDS_MFA, ..self.denial(CODE_MFA, rule, &text) }.message(&asked.id, &asked.method)
    }

    /// The message for a client whose call the sidecar has not counted.
    fn refuse_uncounted(&mut self, asked: &Asked, reserved: &Reserved) -> String {
        let mut calls = std::mem::take(&mut self.calls);
        let refused = calls.iter_mut().find_map(|call| {
            let refused = call.charge.denied(reserved)?;
            Some(self.refuse_by_quota(&asked.id, &asked.method, &refused, &mut call.record))
        });
        self.calls = calls;
        refused.unwrap_or_else(|| self.tell(asked, "The count of its quota is not available.", None))
    }

    /// Takes up what the sidecar has reserved.
    fn take_reserved(&mut self, reserved: &Reserved, now_us: u64) {
        for call in &mut self.calls {
            let shadows = call.charge.granted(reserved, now_us);
            super::quotas::note_shadows(&mut call.record, &shadows);
        }
    }

    fn hear_verdict(&mut self, asked: &Asked, response: AdmitResponse, now_us: u64) -> Result<Learnt, String> {
        match asked.quota.filter(|_| response.verdict == Verdict::Allow) {
            None => {}
            Some(_) if response.reserved.held => self.take_reserved(&response.reserved, now_us),
            // A sidecar that knows nothing of quotas allows without counting.
            Some(true) => return self.hear(&Asked { mfa: None, ..asked.clone() }, Answer::Unavailable, now_us),
            Some(false) => self.calls.iter_mut().for_each(|call| call.charge.waive()),
        }
        let learnt = self.take_known(asked, response.known.as_deref(), now_us);
        let approval = Some(response.approval_id.as_str()).filter(|id| !id.is_empty());
        if let Some(id) = approval {
            self.attach(id);
        }
        // A sidecar that knows nothing of credentials allows without one.
        let missing = asked.credential == Some(true) && response.headers.is_empty();
        let verdict = match response.verdict {
            Verdict::Allow if missing => Verdict::NoCredential,
            verdict => verdict,
        };
        let (decision, why, text) = match verdict {
            Verdict::Allow => {
                let credential = Some(&response.credential_id).filter(|_| !response.headers.is_empty());
                for call in self.calls.iter_mut().filter(|call| !call.record.decision.is_refusal() || asked.held) {
                    call.record.approval = approval.map(str::to_owned);
                    call.record.credential = credential.cloned();
                }
                if asked.credential.is_some() {
                    self.scene.injected = response.headers;
                }
                return Ok(learnt);
            }
            Verdict::NoCredential if asked.rule.as_ref() == NONE && !self.enforcing() => return Ok(learnt),
            Verdict::NoCredential => {
                let asked = Asked { rule: Arc::from(NONE), reason: Arc::default(), ..asked.clone() };
                self.note(&asked.rule, Decided::Deny, "There is no credential for it.", approval);
                return Err(self.tell(&asked, &denied(&response.reason), Some(&response)));
            }
            Verdict::Deny if !response.rule.is_empty() => {
                let rule = Arc::from(response.rule.as_str());
                let asked = Asked { rule, reason: Arc::default(), ..asked.clone() };
                self.note(&asked.rule, Decided::Deny, &response.reason, approval);
                return Err(self.tell(&asked, &response.reason, Some(&response)));
            }
            Verdict::Pending if asked.held => (
                Decided::RequireApproval,
                "Nobody has decided yet.",
                format!(
                    "It needs an approval that nobody has given yet{}. Make the same call again when it is approved: a \
                     changed one needs another approval.",
                    approval.map(|id| format!(" (approval {id})")).unwrap_or_default()
                ),
            ),
            Verdict::OverQuota if asked.quota == Some(true) => {
                let text = self.refuse_uncounted(asked, &response.reserved);
                self.calls.iter_mut().for_each(|call| call.record.approval = approval.map(str::to_owned));
                return Err(text);
            }
            Verdict::Deny | Verdict::Pending | Verdict::OverQuota => {
                (Decided::Deny, "It was denied.", denied(&response.reason))
            }
        };
        self.note(&asked.rule, decision, why, approval);
        Err(self.tell(asked, &text, Some(&response)))
    }

    /// Whether a call goes on although the sidecar did not answer: every check that needed it says so.
    fn goes_on_unasked(&self, asked: &Asked) -> bool {
        let Some(sidecar) = &self.firewall.sidecar else { return false };
        asked.mfa.is_none()
            && (!asked.held || sidecar.approval_side() == Side::Allow)
            && (!asked.intent || sidecar.audit_side() == Side::Allow)
            && (asked.quota != Some(true) || self.goes_uncounted())
            && (asked.flow != Some(true) || self.goes_unknowing())
            && (asked.credential.is_none()
                || self.scene.credentials.is_some_and(|terms| terms.on_unavailable == Side::Allow))
    }

    /// Whether a call goes on that the sidecar could not count.
    fn goes_uncounted(&self) -> bool {
        self.firewall.sidecar.as_ref().is_some_and(|sidecar| sidecar.quota_side() == Side::Allow)
    }

    pub(super) fn note(&mut self, rule: &Arc<str>, decision: Decided, why: &str, approval: Option<&str>) {
        for record in self.calls.iter_mut().map(|call| &mut call.record) {
            record.decision = decision;
            record.rule = Arc::clone(rule);
            record.approval = approval.map(str::to_owned);
            if !why.is_empty() {
                record.reason = Arc::from(why);
            }
        }
    }

    /// The message for the client.
    pub(super) fn tell(&self, asked: &Asked, text: &str, response: Option<&AdmitResponse>) -> String {
        let code = if asked.held { CODE_APPROVAL } else { CODE_POLICY };
        let reason = format!("{text}{}", aside(&asked.reason));
        let text = self.explain(&asked.what, &asked.rule, &reason);
        let approval = response.map(|response| response.approval_id.as_str()).filter(|id| !id.is_empty());
        let denial = Denial { approval, ..self.denial(code, &asked.rule, &text) };
        let other = response.filter(|response| response.verdict == Verdict::Pending && asked.held);
        other
            .and_then(|response| self.pending(asked, &denial, response))
            .unwrap_or_else(|| denial.message(&asked.id, &asked.method))
    }

    fn give_up(&mut self, stand_in: Option<Forward>, message: String) -> RequestStep {
        self.state = State::Ended;
        match stand_in {
            Some(stand_in) => {
                self.state = State::AwaitResponse;
                RequestStep::Forward(stand_in)
            }
            None => RequestStep::Reply(answer::json_reply(200, message, &self.scene.correlation_id)),
        }
    }

    /// Lets an approved call go on, unless a quota refuses it: then its answer is returned.
    fn admit_approved(&self, call: &mut Call, now_us: u64) -> Option<String> {
        if call.record.decision == Decided::RequireApproval {
            let redacted = !call.record.redacted.is_empty();
            call.record.decision = if redacted { Decided::Redact } else { Decided::Allow };
        }
        if self.scene.old_transport {
            self.flow_expect(&call.traits, now_us);
        }
        let refused = self.reserve(&mut call.charge, &mut call.record, now_us).err()?;
        // What the sidecar has reserved comes back.
        self.settle(call, End::Failed, now_us);
        let id = call.id.as_deref().unwrap_or("null");
        Some(self.refuse_by_quota(id, &call.method, &refused, &mut call.record))
    }

    /// Refuses calls whose record would find no room.
    pub(super) fn audit_call(&self, called: &Called<'_, '_>) -> Option<Ruling> {
        let sidecar = self.firewall.sidecar.as_ref().filter(|sidecar| sidecar.takes_records())?;
        let exempt = called.capability == Capability::Protocol || sidecar.audit_side() == Side::Allow;
        if exempt || sidecar.outbox(&*self.store).has_room(self.scene.unique) {
            return None;
        }
        let reason = "Its audit record would find no room: too many wait for the sidecar. Try again later.";
        Some(Ruling { shadow: !self.enforcing(), ..Ruling::new(Action::Deny, "audit:queue", reason) })
    }

    /// True where a call may only go on when the sidecar has written down that it will.
    pub(super) fn wants_intent(&self, capability: Capability) -> bool {
        let durable = |sidecar: &crate::sidecar::Sidecar| sidecar.audit == AuditDelivery::Durable;
        self.enforcing() && capability != Capability::Protocol && self.firewall.sidecar.as_ref().is_some_and(durable)
    }
}

impl Client<'_> {
    /// What becomes of a request that nothing speaks against, or nothing but a missing answer.
    pub(super) fn ask(&self, pending: &Pending<'_, '_>, record: &mut Record) -> Judged {
        let decision = pending.decision;
        let arguments = mcp::arguments(pending.method, pending.params);
        let facts = self.exchange.facts(pending.method, pending.capability, pending.names, arguments);
        let flow = self.exchange.flow_asks(&facts, pending.traits);
        let sharing = flow.as_ref().map(|(_, enforced)| *enforced);
        let mut what = self.refused(pending.method, pending.capability, record);
        let mfa = match pending.factor {
            SecondFactor::Given(rule, code) => Some(MfaNeed { rule: Arc::clone(rule), code: code.clone() }),
            SecondFactor::NotNeeded | SecondFactor::Missing(_) => None,
        };
        let (rule, reason, held) = if !decision.lets_through() {
            (Arc::clone(&decision.rule), Arc::clone(&decision.reason), true)
        } else if let Some(block) = pending.block {
            self.note_block(block, record);
            what = CONTENT.to_owned();
            let found = format!("Found at {}.", if block.location.is_empty() { "/" } else { &block.location });
            (Arc::from(block.rule.as_str()), Arc::from(found), true)
        } else if let Some(mfa) = &mfa {
            record.decision = Decided::RequireApproval;
            record.rule = Arc::clone(&mfa.rule);
            record.reason = Arc::from("It needs a one-time code.");
            (Arc::clone(&mfa.rule), Arc::default(), false)
        } else if self.exchange.wants_intent(pending.capability) {
            (Arc::from("audit:durable"), Arc::default(), false)
        } else if let Some(rule) = self.charge.asking().filter(|_| self.charge.asks().is_some()) {
            (Arc::clone(rule), Arc::default(), false)
        } else if let Some((rule, _)) = flow.as_ref().filter(|_| !self.batch || sharing == Some(true)) {
            (Arc::clone(rule), Arc::default(), false)
        } else {
            if self.exchange.scene.old_transport {
                // Its answer comes by a stream that does not say what it answers.
                self.exchange.flow_expect(pending.traits, self.now_us);
            }
            return Judged::Forward;
        };
        let bearer = flow.map(|_| (self.exchange.bearer(), self.exchange.firewall.flow.counts()));
        let demands = match self.charge.demands() {
            Ok(demands) => demands,
            Err(refused) => {
                let answer = self.exchange.refuse_by_quota(pending.id, pending.method, &refused, record);
                return self.refusal(pending.id, pending.method, record, answer, None);
            }
        };
        let need = held.then(|| self.need(pending, &rule, &reason, record));
        let form = if held { self.exchange.form(pending.method, pending.params, self.now_us) } else { Form::Text };
        let asked = Asked {
            mfa: mfa.as_ref().map(|mfa| Arc::clone(&mfa.rule)),
            held,
            intent: false,
            quota: self.charge.asks(),
            flow: sharing,
            credential: self.exchange.credential_need(),
            id: pending.id.to_owned(),
            method: pending.method.to_owned(),
            what,
            rule,
            reason,
            form,
            carried: if form == Form::Text { String::new() } else { form::carried(pending.params) },
        };
        let answer =
            self.exchange.tell(&asked, "A call that somebody must be asked about has to be sent by itself.", None);
        if !self.batch {
            let request = AdmitRequest { demands, bearer, ..self.admit(pending, need, mfa, form, record) };
            let ask = Box::new(Ask { request, asked });
            return self.refusal(pending.id, pending.method, record, answer, Some(ask));
        }
        if !record.decision.is_refusal() {
            record.decision = Decided::Deny;
            record.rule = asked.rule;
            record.reason = Arc::from("It cannot be asked about within a batch.");
        }
        self.refusal(pending.id, pending.method, record, answer, None)
    }

    fn admit(
        &self,
        pending: &Pending<'_, '_>,
        approval: Option<ApprovalNeed>,
        mfa: Option<MfaNeed>,
        form: Form,
        record: &Record,
    ) -> AdmitRequest {
        let scene = &self.exchange.scene;
        let returned = scene.returned.as_ref().filter(|_| approval.is_some());
        AdmitRequest {
            mfa,
            retries: matches!(form, Form::Retry { .. }),
            state: returned.map(|returned| returned.state.clone()).unwrap_or_default(),
            id: record.id.clone(),
            principal: Arc::clone(&scene.principal),
            call: Admitted {
                server: Arc::clone(&scene.server),
                method: self.recordable(pending.method),
                capability: pending.capability.as_str(),
                name: record.name.clone().unwrap_or_default(),
                digest: digest(pending),
                session: scene.session.hash.as_deref().unwrap_or_default().to_owned(),
                correlation_id: scene.correlation_id.clone(),
            },
            policy_version: Arc::clone(self.exchange.firewall.policy.version()),
            approval,
            // Written when the record is complete.
            intent: None,
            credential: self.exchange.credential_need(),
            demands: Vec::new(),
            bearer: None,
        }
    }

    fn need(&self, pending: &Pending<'_, '_>, rule: &Arc<str>, reason: &str, record: &Record) -> ApprovalNeed {
        let terms = self.exchange.firewall.approvals.of(&pending.decision.rule);
        let mut findings: Vec<String> = record
            .findings
            .iter()
            .map(|found| format!("{}/{} at {}", found.scanner, found.rule, found.location))
            .collect();
        findings.dedup();
        findings.truncate(MAX_FINDINGS);
        let arguments = if terms.show_arguments { self.shown(pending, record) } else { None };
        ApprovalNeed {
            rule: Arc::clone(rule),
            reason: Arc::from(reason),
            findings,
            arguments: arguments.unwrap_or_default(),
            wait_ms: terms.wait_ms,
            expires_ms: terms.expires_ms,
            approvers: terms.approvers.clone(),
            quorum: terms.quorum,
        }
    }

    /// The arguments as the server would get them, without what scanners for secrets and personal data find there;
    /// `None` where there are none, or too many for a person to read.
    fn shown(&self, pending: &Pending<'_, '_>, record: &Record) -> Option<String> {
        let arguments = mcp::arguments(pending.method, pending.params)?;
        let edited = match self.edits.within(&arguments.span())? {
            edits if edits.is_empty() => arguments.raw().as_bytes().to_vec(),
            edits => edits.apply(arguments.raw().as_bytes()),
        };
        if edited.len() > MAX_SHOWN {
            return None;
        }
        let document = Document::parse(&edited, &self.exchange.firewall.json_limits()).ok()?;
        let site = Site {
            context: Context { direction: Direction::Request, surface: Surface::Arguments },
            tool: record.name.as_deref(),
            principal: Some(&self.exchange.scene.principal),
            base: "/params/arguments",
            suppress: None,
        };
        let mut located = Vec::new();
        self.exchange.firewall.scanners.scan_value(site, document.root(), &mut located);
        let mut edits = Edits::default();
        for (number, found) in located.iter().enumerate().filter(|(_, found)| content::is_private(&found.finding)) {
            match found.value.is_key() {
                // Two members must not end up under one name.
                true => {
                    let placeholder = format!("{}-{number}", found.finding.placeholder);
                    edits.replace_in_string(found.value, found.finding.range.clone(), &placeholder);
                }
                false => found.redact(&mut edits),
            }
        }
        String::from_utf8(edits.apply(&edited)).ok()
    }
}

/// Why a rule asks, as a sentence behind another one.
fn aside(reason: &str) -> String {
    let mut letters = reason.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| format!(" {}{}.", first.to_ascii_uppercase(), letters.as_str()))
}

/// That a call was denied, and why.
fn denied(reason: &str) -> String {
    match reason.trim_end_matches('.') {
        "" => "It was denied.".to_owned(),
        reason => format!("It was denied: {reason}."),
    }
}

/// SHA-256 over the RFC 8785 form of what the call would do: `method`, `name`, `arguments`, and as `params` whatever
/// else the params hold. Without `_meta`, which is another one each time: tokens for progress, traces.
fn digest(pending: &Pending<'_, '_>) -> String {
    let mut text = String::from("{");
    if let Some(arguments) = pending.params.and_then(|params| params.get("arguments")) {
        text.push_str("\"arguments\":");
        text.push_str(&canonical_json(arguments));
        text.push(',');
    }
    text.push_str("\"method\":");
    text.push_str(&canonical_string(pending.method));
    if let Some(name) = pending.names.first() {
        text.push_str(",\"name\":");
        text.push_str(&canonical_string(name));
    }
    let rest = pending.params.filter(|params| params.kind() == Kind::Object).map(|params| {
        let members = params.members().filter_map(|(key, value)| Some((key.as_str()?, value)));
        let mut members: Vec<_> = members.filter(|(key, _)| !APART.contains(&&**key)).collect();
        members.arrange_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
        members
    });
    let rest = rest.unwrap_or_default();
    for (index, (key, value)) in rest.iter().enumerate() {
        text.push_str(if index == 0 { ",\"params\":{" } else { "," });
        text.push_str(&canonical_string(key));
        text.push(':');
        text.push_str(&canonical_json(*value));
    }
    text.push_str(if rest.is_empty() { "}" } else { "}}" });
    sha256_hex(text.as_bytes())
}

/// Members of `params` that a digest does not have under `params`.
const APART: [&str; 3] = ["arguments", "name", "_meta"];
/// What is said of a call whose content a scanner stopped.
pub(super) const CONTENT: &str = "the message holds content that may not be sent";
/// How many findings a reviewer gets to see.
const MAX_FINDINGS: usize = 64;
/// How many bytes of arguments a reviewer gets to see.
const MAX_SHOWN: usize = 64 << 10;
