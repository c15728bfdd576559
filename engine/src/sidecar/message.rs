//! The messages of `portcullis.v1` (proto/portcullis/v1/portcullis.proto), as far as the filter writes and reads them.

use std::sync::Arc;

use super::credential::Injected;
use super::told::KILL_SWITCH;
use super::wire::{Malformed, Reader, Value, Writer};
use crate::audit::Record;
use crate::flow::{Bearer, Known};
use crate::obligations::Code;
use crate::principal::Principal;
use crate::quota::{Demand, Refusal, Reserved, Why};

/// Asks whether a call may be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitRequest {
    /// Unique to the call.
    pub id: String,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// What is called.
    pub call: Call,
    /// SHA-256 of the canonical configuration.
    pub policy_version: Arc<str>,
    /// The approval that the call needs.
    pub approval: Option<ApprovalNeed>,
    /// What must be on disk before the call is forwarded.
    pub intent: Option<AuditRecord>,
    /// Whether the server takes a credential; `true` where nothing goes on without one.
    pub credential: Option<bool>,
    /// The one-time code that has to be verified.
    pub mfa: Option<MfaNeed>,
    /// The client can be given a state and comes back with it.
    pub retries: bool,
    /// The state that it came back with; empty where there is none.
    pub state: String,
    /// What the call counts for in quotas that the sidecar keeps.
    pub demands: Vec<Demand>,
    /// Whose labels have to be known, and whether this call counts for what fades by calls.
    pub bearer: Option<(Bearer, bool)>,
}

/// A one-time code that has to be verified before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfaNeed {
    /// The rule that asks.
    pub rule: Arc<str>,
    /// What the caller sent.
    pub code: Code,
}

/// A call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The configured server's name.
    pub server: Arc<str>,
    /// JSON-RPC method.
    pub method: String,
    /// What it makes use of.
    pub capability: &'static str,
    /// Tool, prompt, resource URI.
    pub name: String,
    /// SHA-256 over what the call would do, lower-case hex.
    pub digest: String,
    /// Keyed hash of the session's id, as in the audit record; empty where there is none.
    pub session: String,
    /// As in the audit record.
    pub correlation_id: String,
}

/// The approval that a call needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalNeed {
    /// The rule that asks.
    pub rule: Arc<str>,
    /// Why, without content.
    pub reason: Arc<str>,
    /// `scanner/rule at location`.
    pub findings: Vec<String>,
    /// The arguments as JSON, redacted; empty where the reviewer may not see them.
    pub arguments: String,
    /// How long the call is held, milliseconds.
    pub wait_ms: u32,
    /// How long the approval stays pending, milliseconds.
    pub expires_ms: u32,
    /// Groups whose members may decide.
    pub approvers: Vec<String>,
    /// Decisions needed.
    pub quorum: u32,
}

/// A record for the sidecar's audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Unique.
    pub id: String,
    /// The tenant; empty: the default one.
    pub tenant: String,
    /// One JSON object.
    pub json: String,
}

/// Whether a call may be forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdmitResponse {
    /// May it?
    pub verdict: Verdict,
    /// The approval; empty where none was needed.
    pub approval_id: String,
    /// For the client, in one sentence.
    pub reason: String,
    /// The credential: what is to be injected.
    pub headers: Vec<Injected>,
    /// Which credential it is, for the record.
    pub credential_id: String,
    /// What became of the one-time code.
    pub mfa: Mfa,
    /// The state to give to the client; empty for none.
    pub state: String,
    /// Where people decide about the approval; empty where nobody said.
    pub link: String,
    /// What came of the demands.
    pub reserved: Box<Reserved>,
    /// What the caller carries, where that was asked for.
    pub known: Option<Box<Known>>,
    /// The rule that refuses, where it is another than the one that asked; empty otherwise.
    pub rule: String,
}

/// What became of a one-time code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mfa {
    /// Nobody looked at one.
    #[default]
    Unknown,
    /// It was right, and counts for this call.
    Verified,
    /// It was not, or none would be; the reason says why. So is everything that is not known.
    Refused,
}

/// Whether a call may be forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It may, once.
    Allow,
    /// It may not. So is every verdict that is not known.
    #[default]
    Deny,
    /// Nobody has decided yet.
    Pending,
    /// It may not, because there is no credential for it.
    NoCredential,
    /// It may not, because a quota is used up or cannot be asked.
    OverQuota,
}

/// What became of handed over records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordResponse {
    /// Ids of those that are on disk.
    pub accepted: Vec<String>,
    /// Ids of those that never will be.
    pub rejected: Vec<String>,
}

// === impl AdmitRequest ===

impl AdmitRequest {
    /// The message in bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.number(1, CONTRACT);
        out.bytes(2, &self.id);
        out.bytes(3, self.principal.tenant.as_deref().unwrap_or_default());
        out.item(4, encode_principal(&self.principal));
        out.item(5, self.call.encode());
        out.bytes(6, &*self.policy_version);
        if let Some(approval) = &self.approval {
            out.item(7, approval.encode());
        }
        if let Some(intent) = &self.intent {
            out.item(8, intent.encode());
        }
        if let Some(required) = self.credential {
            let mut need = Writer::new();
            need.number(1, required.into());
            out.item(9, need.finish());
        }
        if let Some(mfa) = &self.mfa {
            out.item(10, mfa.encode());
        }
        if self.retries || !self.state.is_empty() {
            let mut client = Writer::new();
            client.number(1, self.retries.into());
            client.bytes(2, &self.state);
            out.item(11, client.finish());
        }
        self.demands.iter().for_each(|demand| out.item(12, demand.encode()));
        if let Some((bearer, counted)) = &self.bearer {
            let mut ask = Writer::new();
            ask.item(1, bearer.encode());
            ask.number(2, (*counted).into());
            out.item(13, ask.finish());
        }
        out.finish()
    }
}

fn encode_principal(principal: &Principal) -> Vec<u8> {
    let mut out = Writer::new();
    out.bytes(1, principal.kind.map_or("", |kind| kind.as_str()));
    out.bytes(2, &principal.id);
    principal.roles.iter().for_each(|role| out.item(3, role));
    principal.teams.iter().for_each(|team| out.item(4, team));
    out.bytes(5, principal.agent.as_deref().unwrap_or_default());
    out.finish()
}

// === impl MfaNeed ===

impl MfaNeed {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &*self.rule);
        out.bytes(2, self.code.digits());
        out.finish()
    }
}

// === impl Call ===

impl Call {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &*self.server);
        out.bytes(2, &self.method);
        out.bytes(3, self.capability);
        out.bytes(4, &self.name);
        out.bytes(5, &self.digest);
        out.bytes(6, &self.session);
        out.bytes(7, &self.correlation_id);
        out.finish()
    }
}

// === impl ApprovalNeed ===

impl ApprovalNeed {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &*self.rule);
        out.bytes(2, &*self.reason);
        self.findings.iter().for_each(|finding| out.item(3, finding));
        out.bytes(4, &self.arguments);
        out.number(5, self.wait_ms.into());
        out.number(6, self.expires_ms.into());
        self.approvers.iter().for_each(|group| out.item(7, group));
        out.number(8, self.quorum.into());
        out.finish()
    }
}

// === impl AuditRecord ===

impl AuditRecord {
    /// The record of a message whose exchange is over.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { id: record.id.clone(), tenant: tenant(record), json: record.to_json() }
    }

    /// The record of a message that is about to be forwarded.
    #[must_use]
    pub fn intent(record: &Record) -> Self {
        Self { id: format!("{}-i", record.id), tenant: tenant(record), json: record.to_intent_json() }
    }

    /// The message in bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(1, &self.id);
        out.bytes(2, &self.tenant);
        out.bytes(3, &self.json);
        out.finish()
    }
}

fn tenant(record: &Record) -> String {
    record.principal.tenant.clone().unwrap_or_default()
}

// === impl AdmitResponse ===

impl AdmitResponse {
    /// Refused for something else, before any one-time code was looked at.
    pub(crate) fn is_refusal_before_code(&self) -> bool {
        self.mfa == Mfa::Unknown && matches!(self.verdict, Verdict::Deny | Verdict::NoCredential)
    }

    /// Reads the message. Fields of later versions are skipped; of a field that occurs again, the last one counts.
    ///
    /// # Errors
    /// [`Malformed`] for what is no such message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut response = Self::default();
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Number(verdict)) => response.verdict = Verdict::of(verdict),
                (1, _) => return Err(Malformed),
                (2, value) => response.approval_id = id(value)?.to_owned(),
                (3, value) => response.reason = value.text(MAX_REASON)?.to_owned(),
                (4, Value::Bytes(header)) if response.headers.len() < MAX_HEADERS => {
                    response.headers.push(Injected::decode(header)?);
                }
                (4, _) => return Err(Malformed),
                (5, value) => response.credential_id = value.text(MAX_NAME)?.to_owned(),
                (6, Value::Number(mfa)) => response.mfa = Mfa::of(mfa),
                (6, _) => return Err(Malformed),
                (7, value) => response.state = id(value)?.to_owned(),
                (8, value) => response.link = value.text(MAX_LINK)?.to_owned(),
                (9, Value::Bytes(reserved)) => *response.reserved = decode_reserved(reserved)?,
                (9, _) => return Err(Malformed),
                (10, Value::Bytes(known)) => response.known = Some(Box::new(decode_known(known)?)),
                (10, _) => return Err(Malformed),
                (15, value) => response.rule = rule(value)?.to_owned(),
                _ => {}
            }
        }
        Ok(response)
    }
}

// === impl Verdict ===

impl Verdict {
    fn of(number: u64) -> Self {
        match number {
            1 => Self::Allow,
            3 => Self::Pending,
            4 => Self::NoCredential,
            5 => Self::OverQuota,
            _ => Self::Deny,
        }
    }
}

// === impl Mfa ===

impl Mfa {
    fn of(number: u64) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Verified,
            _ => Self::Refused,
        }
    }
}

// === quotas, flow ===

fn decode_reserved(message: &[u8]) -> Result<Reserved, Malformed> {
    let mut reserved = Reserved::default();
    for field in Reader::new(message) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Number(held)) => reserved.held = held != 0,
            (2, Value::Bytes(refusal)) if reserved.refusals.len() < MAX_REFUSALS => {
                reserved.refusals.push(decode_refusal(refusal)?);
            }
            (1 | 2, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok(reserved)
}

fn decode_known(message: &[u8]) -> Result<Known, Malformed> {
    let mut known = Known::default();
    for field in Reader::new(message) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Bytes(carried)) => known.carried = carried.to_vec(),
            (2, Value::Number(session)) => known.session = session != 0,
            (1 | 2, _) => return Err(Malformed),
            _ => {}
        }
    }
    Ok(known)
}

fn decode_refusal(message: &[u8]) -> Result<Refusal, Malformed> {
    let (mut index, mut why, mut wait_us) = (0, 0, 0);
    for field in Reader::new(message) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Number(number)) => index = u32::try_from(number).map_err(|_| Malformed)?,
            (2, Value::Number(number)) => why = number,
            (3, Value::Number(number)) => wait_us = number,
            (1..=3, _) => return Err(Malformed),
            _ => {}
        }
    }
    let why = match why {
        1 => Why::For(wait_us),
        2 => Why::Forever,
        _ => Why::Unavailable,
    };
    Ok(Refusal { index, why })
}

// === impl RecordResponse ===

impl RecordResponse {
    /// Reads the message. Fields of later versions are skipped.
    ///
    /// # Errors
    /// [`Malformed`] for what is no such message.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut response = Self::default();
        for field in Reader::new(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, value) => response.accepted.push(id(value)?.to_owned()),
                (2, Value::Bytes(rejected)) => response.rejected.push(rejected_id(rejected)?.to_owned()),
                (2, _) => return Err(Malformed),
                _ => {}
            }
        }
        Ok(response)
    }
}

fn rejected_id(message: &[u8]) -> Result<&str, Malformed> {
    let mut found = "";
    for field in Reader::new(message) {
        let field = field?;
        if field.number == 1 {
            found = id(field.value)?;
        }
    }
    Ok(found)
}

/// An id, as the contract writes ids: it gets into answers and records.
pub(super) fn id(value: Value<'_>) -> Result<&str, Malformed> {
    let text = value.text(MAX_ID)?;
    match text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        true => Ok(text),
        false => Err(Malformed),
    }
}

/// A rule of the sidecar's own: it gets into answers and records.
fn rule(value: Value<'_>) -> Result<&str, Malformed> {
    let text = value.text(KILL_SWITCH.len() + MAX_ID)?;
    let name = text.strip_prefix(KILL_SWITCH).unwrap_or("?");
    id(Value::Bytes(name.as_bytes())).map(|_| text)
}

/// The version of the contract.
pub(super) const CONTRACT: u64 = 1;
/// Most headers of a credential.
const MAX_HEADERS: usize = 8;
/// Longest name of a credential, in bytes.
const MAX_NAME: usize = 128;
/// Longest id, in bytes.
const MAX_ID: usize = 64;
/// Longest sentence for a client, in bytes.
const MAX_REASON: usize = 1024;
/// Most demands that are answered.
const MAX_REFUSALS: usize = 1024;
/// Longest link, in bytes.
const MAX_LINK: usize = 2048;
