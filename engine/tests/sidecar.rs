//! What goes to the sidecar and comes from it: the wire format against another implementation, the outbox under any
//! order of events, and calls that wait for an answer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_engine::audit::Decided;
use portcullis_engine::config::QuotaAlgorithm;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::exchange::{Answer, Code, Question};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::flow::{self, Bearer, Gain, Known};
use portcullis_engine::principal::{Principal, PrincipalKind};
use portcullis_engine::quota::{Demand, Refusal, Reserved, Settlement, Why};
use portcullis_engine::sidecar::{
    AdmitRequest, AdmitResponse, ApprovalNeed, AuditRecord, Batch, Call, Entry, Mfa, MfaNeed, Outbox, RecordResponse,
    Verdict, is_header_value, may_be_injected,
};
use portcullis_engine::state::{MemoryStore, Revision, Store, Stored, Unavailable};
use proptest::prelude::*;
use prost::Message;

/// `portcullis.v1`, as another implementation reads it.
mod v1 {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct AdmitRequest {
        #[prost(uint32, tag = "1")]
        pub contract: u32,
        #[prost(string, tag = "2")]
        pub id: String,
        #[prost(string, tag = "3")]
        pub tenant: String,
        #[prost(message, optional, tag = "4")]
        pub principal: Option<Principal>,
        #[prost(message, optional, tag = "5")]
        pub call: Option<Call>,
        #[prost(string, tag = "6")]
        pub policy_version: String,
        #[prost(message, optional, tag = "7")]
        pub approval: Option<ApprovalNeed>,
        #[prost(message, optional, tag = "8")]
        pub intent: Option<AuditRecord>,
        #[prost(message, optional, tag = "9")]
        pub credential: Option<CredentialNeed>,
        #[prost(message, optional, tag = "10")]
        pub mfa: Option<MfaNeed>,
        #[prost(message, optional, tag = "11")]
        pub client: Option<Client>,
        #[prost(message, repeated, tag = "12")]
        pub demands: Vec<QuotaDemand>,
        #[prost(message, optional, tag = "13")]
        pub flow: Option<FlowAsk>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct FlowAsk {
        #[prost(message, optional, tag = "1")]
        pub bearer: Option<FlowBearer>,
        #[prost(bool, tag = "2")]
        pub counted: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct FlowBearer {
        #[prost(bytes = "vec", tag = "1")]
        pub session: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub caller: Vec<u8>,
        #[prost(uint64, tag = "3")]
        pub decay_us: u64,
        #[prost(uint32, tag = "4")]
        pub decay_calls: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct FlowGain {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(string, tag = "2")]
        pub tenant: String,
        #[prost(message, optional, tag = "3")]
        pub bearer: Option<FlowBearer>,
        #[prost(string, repeated, tag = "4")]
        pub labels: Vec<String>,
        #[prost(bytes = "vec", tag = "5")]
        pub prints: Vec<u8>,
        #[prost(bool, tag = "6")]
        pub began: bool,
        #[prost(bool, tag = "7")]
        pub ended: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct FlowKnown {
        #[prost(bytes = "vec", tag = "1")]
        pub carried: Vec<u8>,
        #[prost(bool, tag = "2")]
        pub session: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct QuotaDemand {
        #[prost(bytes = "vec", tag = "1")]
        pub key: Vec<u8>,
        #[prost(uint64, tag = "2")]
        pub amount: u64,
        #[prost(int32, tag = "3")]
        pub algorithm: i32,
        #[prost(uint64, tag = "4")]
        pub limit: u64,
        #[prost(uint64, tag = "5")]
        pub window_us: u64,
        #[prost(uint64, tag = "6")]
        pub burst: u64,
        #[prost(uint64, tag = "7")]
        pub lease_us: u64,
        #[prost(bool, tag = "8")]
        pub shadow: bool,
        #[prost(bool, tag = "9")]
        pub common: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct QuotaSettlement {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(string, tag = "2")]
        pub admit: String,
        #[prost(string, tag = "3")]
        pub tenant: String,
        #[prost(uint32, repeated, tag = "4")]
        pub returned: Vec<u32>,
        #[prost(bool, tag = "5")]
        pub renew: bool,
        #[prost(bool, tag = "6")]
        pub common: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct QuotaAnswer {
        #[prost(bool, tag = "1")]
        pub held: bool,
        #[prost(message, repeated, tag = "2")]
        pub refusals: Vec<QuotaRefusal>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct QuotaRefusal {
        #[prost(uint32, tag = "1")]
        pub index: u32,
        #[prost(int32, tag = "2")]
        pub why: i32,
        #[prost(uint64, tag = "3")]
        pub retry_us: u64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct MfaNeed {
        #[prost(string, tag = "1")]
        pub rule: String,
        #[prost(string, tag = "2")]
        pub code: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Client {
        #[prost(bool, tag = "1")]
        pub retries: bool,
        #[prost(string, tag = "2")]
        pub state: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct CredentialNeed {
        #[prost(bool, tag = "1")]
        pub required: bool,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Principal {
        #[prost(string, tag = "1")]
        pub kind: String,
        #[prost(string, tag = "2")]
        pub id: String,
        #[prost(string, repeated, tag = "3")]
        pub roles: Vec<String>,
        #[prost(string, repeated, tag = "4")]
        pub teams: Vec<String>,
        #[prost(string, tag = "5")]
        pub agent: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Call {
        #[prost(string, tag = "1")]
        pub server: String,
        #[prost(string, tag = "2")]
        pub method: String,
        #[prost(string, tag = "3")]
        pub capability: String,
        #[prost(string, tag = "4")]
        pub name: String,
        #[prost(string, tag = "5")]
        pub digest: String,
        #[prost(string, tag = "6")]
        pub session: String,
        #[prost(string, tag = "7")]
        pub correlation_id: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct ApprovalNeed {
        #[prost(string, tag = "1")]
        pub rule: String,
        #[prost(string, tag = "2")]
        pub reason: String,
        #[prost(string, repeated, tag = "3")]
        pub findings: Vec<String>,
        #[prost(bytes = "vec", tag = "4")]
        pub arguments: Vec<u8>,
        #[prost(uint32, tag = "5")]
        pub wait_ms: u32,
        #[prost(uint32, tag = "6")]
        pub expires_ms: u32,
        #[prost(string, repeated, tag = "7")]
        pub approvers: Vec<String>,
        #[prost(uint32, tag = "8")]
        pub quorum: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct AdmitResponse {
        #[prost(int32, tag = "1")]
        pub verdict: i32,
        #[prost(string, tag = "2")]
        pub approval_id: String,
        #[prost(string, tag = "3")]
        pub reason: String,
        #[prost(message, repeated, tag = "4")]
        pub headers: Vec<Header>,
        #[prost(string, tag = "5")]
        pub credential_id: String,
        #[prost(int32, tag = "6")]
        pub mfa: i32,
        #[prost(string, tag = "7")]
        pub state: String,
        #[prost(string, tag = "8")]
        pub link: String,
        #[prost(message, optional, tag = "9")]
        pub quotas: Option<QuotaAnswer>,
        #[prost(message, optional, tag = "10")]
        pub flow: Option<FlowKnown>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Header {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub value: String,
        #[prost(string, repeated, tag = "3")]
        pub forms: Vec<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct RecordRequest {
        #[prost(uint32, tag = "1")]
        pub contract: u32,
        #[prost(message, repeated, tag = "2")]
        pub records: Vec<AuditRecord>,
        #[prost(message, repeated, tag = "3")]
        pub settlements: Vec<QuotaSettlement>,
        #[prost(message, repeated, tag = "4")]
        pub gains: Vec<FlowGain>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct AuditRecord {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(string, tag = "2")]
        pub tenant: String,
        #[prost(bytes = "vec", tag = "3")]
        pub json: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct RecordResponse {
        #[prost(string, repeated, tag = "1")]
        pub accepted: Vec<String>,
        #[prost(message, repeated, tag = "2")]
        pub rejected: Vec<Rejected>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Rejected {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(string, tag = "2")]
        pub reason: String,
    }
}

// === the wire ===

proptest! {
    #[test]
    fn another_implementation_reads_what_we_write(
        texts in proptest::collection::vec(".{0,200}", 16),
        lists in proptest::collection::vec(proptest::collection::vec(".{0,9}", 0..4), 4),
        numbers in any::<(u32, u32, u32)>(),
        amounts in any::<(u64, u64, u64)>(),
        (with_approval, with_intent, tenant, agent) in any::<(bool, bool, bool, bool)>(),
    ) {
        let text = |index: usize| texts[index].clone();
        let (session, caller) = (text(3).into_bytes(), text(4).into_bytes());
        let bearer = Bearer { session: session.clone(), caller: caller.clone(), decay_us: amounts.0, decay_calls: numbers.0 };
        let expected_bearer = v1::FlowBearer { session, caller, decay_us: amounts.0, decay_calls: numbers.0 };
        let request = AdmitRequest {
            id: text(0),
            principal: Arc::new(Principal {
                kind: with_intent.then_some(PrincipalKind::Agent),
                id: text(1),
                tenant: tenant.then(|| text(2)),
                roles: lists[0].clone(),
                teams: lists[1].clone(),
                agent: agent.then(|| text(3)),
            }),
            call: Call {
                server: text(4).into(),
                method: text(5),
                capability: "tool",
                name: text(6),
                digest: text(7),
                session: text(8),
                correlation_id: text(9),
            },
            policy_version: text(10).into(),
            approval: with_approval.then(|| ApprovalNeed {
                rule: text(11).into(),
                reason: text(12).into(),
                findings: lists[2].clone(),
                arguments: text(13),
                wait_ms: numbers.0,
                expires_ms: numbers.1,
                approvers: lists[3].clone(),
                quorum: numbers.2,
            }),
            intent: with_intent.then(|| AuditRecord { id: text(14), tenant: text(2), json: text(15) }),
            mfa: agent.then(|| MfaNeed { rule: text(11).into(), code: Code::parse("123 456").unwrap() }),
            retries: tenant,
            state: if with_approval { text(0) } else { String::new() },
            credential: with_approval.then_some(with_intent),
            demands: lists[0].iter().map(|text| Demand {
                key: text.clone().into_bytes(),
                amount: amounts.0,
                algorithm: QuotaAlgorithm::TokenBucket,
                limit: amounts.1,
                window_us: amounts.2,
                burst: amounts.0 ^ amounts.1,
                lease_us: amounts.1 ^ amounts.2,
                shadow: tenant,
                common: agent,
            }).collect(),
            bearer: with_intent.then(|| (bearer.clone(), tenant)),
        };
        let (retries, state) = (request.retries, request.state.clone());
        let read = v1::AdmitRequest::decode(&*request.encode()).unwrap();
        let expected = v1::AdmitRequest {
            contract: 1,
            id: text(0),
            tenant: if tenant { text(2) } else { String::new() },
            principal: Some(v1::Principal {
                kind: if with_intent { "agent".to_owned() } else { String::new() },
                id: text(1),
                roles: lists[0].clone(),
                teams: lists[1].clone(),
                agent: if agent { text(3) } else { String::new() },
            }),
            call: Some(v1::Call {
                server: text(4),
                method: text(5),
                capability: "tool".to_owned(),
                name: text(6),
                digest: text(7),
                session: text(8),
                correlation_id: text(9),
            }),
            policy_version: text(10),
            approval: with_approval.then(|| v1::ApprovalNeed {
                rule: text(11),
                reason: text(12),
                findings: lists[2].clone(),
                arguments: text(13).into_bytes(),
                wait_ms: numbers.0,
                expires_ms: numbers.1,
                approvers: lists[3].clone(),
                quorum: numbers.2,
            }),
            intent: with_intent.then(|| v1::AuditRecord { id: text(14), tenant: text(2), json: text(15).into_bytes() }),
            mfa: agent.then(|| v1::MfaNeed { rule: text(11), code: "123456".to_owned() }),
            client: (retries || !state.is_empty()).then_some(v1::Client { retries, state }),
            credential: with_approval.then_some(v1::CredentialNeed { required: with_intent }),
            demands: lists[0].iter().map(|text| v1::QuotaDemand {
                key: text.clone().into_bytes(),
                amount: amounts.0,
                algorithm: 3,
                limit: amounts.1,
                window_us: amounts.2,
                burst: amounts.0 ^ amounts.1,
                lease_us: amounts.1 ^ amounts.2,
                shadow: tenant,
                common: agent,
            }).collect(),
            flow: with_intent.then(|| v1::FlowAsk { bearer: Some(expected_bearer.clone()), counted: tenant }),
        };
        prop_assert_eq!(read, expected);
        let returned = vec![numbers.0, 0, numbers.1];
        let settlement = Settlement {
            id: text(0), admit: text(1), tenant: text(2), returned: returned.clone(), renew: tenant, common: agent,
        };
        let expected = v1::QuotaSettlement { id: text(0), admit: text(1), tenant: text(2), returned, renew: tenant, common: agent };
        prop_assert_eq!(v1::QuotaSettlement::decode(&*settlement.encode()).unwrap(), expected);
        let prints = vec![amounts.1 >> 24, amounts.2 >> 24];
        let gain = Gain {
            id: text(0), tenant: text(1), bearer, labels: lists[1].clone(), prints: prints.clone(), began: tenant, ended: agent,
        };
        let read = v1::FlowGain::decode(&*gain.encode()).unwrap();
        prop_assert_eq!(Gain::read_prints(&read.prints), Some(prints));
        let expected = v1::FlowGain {
            id: text(0), tenant: text(1), bearer: Some(expected_bearer), labels: lists[1].clone(), prints: read.prints.clone(),
            began: tenant, ended: agent,
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn we_read_what_another_implementation_writes(
        verdict in 0..7_i32, approval_id in "[0-9A-Za-z._-]{0,64}", reason in ".{0,200}",
        accepted in proptest::collection::vec("[0-9A-Za-z._-]{1,64}", 0..20),
        rejected in proptest::collection::vec("[0-9A-Za-z._-]{1,64}", 0..20),
        later in proptest::collection::vec(any::<u8>(), 0..20),
        (mfa, state, link) in (0..5_i32, "[0-9A-Za-z._-]{0,64}", ".{0,200}"),
        (name, value, credential_id) in ("[a-z0-9_-]{0,70}", ".{0,40}", "[0-9A-Za-z._-]{0,64}"),
        forms in proptest::collection::vec(".{6,12}", 0..4),
        (held, index, why, retry_us) in (any::<bool>(), any::<u32>(), 0..4_i32, any::<u64>()),
    ) {
        let header = v1::Header { name: name.clone(), value: value.clone(), forms: forms.clone() };
        let written = v1::AdmitResponse {
            verdict,
            approval_id: approval_id.clone(),
            reason: reason.clone(),
            headers: vec![header],
            credential_id: credential_id.clone(),
            mfa,
            state: state.clone(),
            link: link.clone(),
            quotas: Some(v1::QuotaAnswer { held, refusals: vec![v1::QuotaRefusal { index, why, retry_us }] }),
            flow: held.then(|| v1::FlowKnown { carried: later.clone(), session: held }),
        };
        // A field of a later version: number 100, length-delimited.
        let mut bytes = written.encode_to_vec();
        bytes.extend_from_slice(&[0xa2, 0x06, later.len() as u8]);
        bytes.extend_from_slice(&later);
        let expected = match verdict { 1 => Verdict::Allow, 3 => Verdict::Pending, 4 => Verdict::NoCredential, 5 => Verdict::OverQuota, _ => Verdict::Deny };
        let read = AdmitResponse::decode(&bytes);
        let mfa = match mfa { 0 => Mfa::Unknown, 1 => Mfa::Verified, _ => Mfa::Refused };
        let fits = may_be_injected(&name) && is_header_value(&value) && !forms.is_empty() && forms.iter().all(|form| form.len() >= 8);
        let why = match why { 1 => Why::For(retry_us), 2 => Why::Forever, _ => Why::Unavailable };
        let reserved = Box::new(Reserved { held, refusals: vec![Refusal { index, why }] });
        match read {
            Ok(mut read) => {
                prop_assert!(fits);
                prop_assert_eq!(read.headers.len(), 1);
                prop_assert_eq!(&read.headers[0].name, &name);
                read.headers.clear();
                prop_assert_eq!(read, AdmitResponse { verdict: expected, approval_id, reason, headers: Vec::new(), credential_id, mfa, state, rule: String::new(), link, reserved, known: held.then(|| Box::new(Known { carried: later.clone(), session: held })) });
            }
            Err(_) => prop_assert!(!fits || reason.len() > 1024),
        }
        let entry = |id: &String| v1::Rejected { id: id.clone(), reason: "r".to_owned() };
        let written = v1::RecordResponse { accepted: accepted.clone(), rejected: rejected.iter().map(entry).collect() };
        let read = RecordResponse::decode(&written.encode_to_vec());
        prop_assert_eq!(read, Ok(RecordResponse { accepted, rejected }));
    }

    #[test]
    fn what_is_no_answer_lets_nothing_through(bytes in proptest::collection::vec(any::<u8>(), 0..200), status in 0..20_u32) {
        let answer = Answer::of_call(status, Some(&bytes));
        let allows = matches!(&answer, Answer::Admitted(response) if response.verdict == Verdict::Allow);
        // Only a message that another implementation reads as an allowance is one.
        let read = v1::AdmitResponse::decode(&*bytes);
        prop_assert!(!allows || (status == 0 && read.is_ok_and(|read| read.verdict == 1)));
    }
}

#[test]
fn answers_that_break_the_contract_are_none() {
    let allowed = v1::AdmitResponse { verdict: 1, ..v1::AdmitResponse::default() };
    let long = v1::AdmitResponse { approval_id: "a".repeat(65), ..allowed.clone() };
    let forged = v1::AdmitResponse { approval_id: "a\"}".to_owned(), ..allowed.clone() };
    let wordy = v1::AdmitResponse { reason: "x".repeat(1025), ..allowed.clone() };
    let stateful = v1::AdmitResponse { state: "{".to_owned(), ..allowed.clone() };
    let linked = v1::AdmitResponse { link: "x".repeat(2049), ..allowed };
    let messages = [long, forged, wordy, stateful, linked].map(|message| message.encode_to_vec());
    for message in messages.into_iter().chain([vec![0x0a, 0x01, 0x01]]) {
        assert_eq!(Answer::of_call(0, Some(&message)), Answer::Unavailable);
    }
    assert_eq!(Answer::of_call(0, None), Answer::Unavailable);
    assert_eq!(Answer::of_call(14, Some(&[8, 1])), Answer::Unavailable);
    assert!(matches!(
        Answer::of_call(0, Some(&[8, 1])),
        Answer::Admitted(AdmitResponse { verdict: Verdict::Allow, .. })
    ));
    // Nothing said: no allowance.
    assert!(matches!(Answer::of_call(0, Some(&[])), Answer::Admitted(AdmitResponse { verdict: Verdict::Deny, .. })));
}

// === the outbox ===

const SECOND: u64 = 1_000_000;

fn record(id: &str) -> Vec<u8> {
    AuditRecord { id: id.to_owned(), tenant: "t".to_owned(), json: format!("{{\"id\":\"{id}\"}}") }.encode()
}

fn ids(batch: &Batch) -> Vec<String> {
    v1::RecordRequest::decode(&*batch.message).unwrap().records.into_iter().map(|record| record.id).collect()
}

fn accepted(ids: &[String]) -> RecordResponse {
    RecordResponse { accepted: ids.to_vec(), rejected: Vec::new() }
}

#[test]
fn records_leave_when_they_are_acknowledged_and_travel_in_the_order_of_time() {
    let store = MemoryStore::default();
    let outbox = Outbox::new(&store, "s", 4 << 20);
    assert_eq!(outbox.take(SECOND, SECOND), None);
    for number in (0..50_u64).rev() {
        outbox.push(number, Entry::Record, &record(&format!("{number:03}"))).unwrap();
    }
    let batch = outbox.take(SECOND, SECOND).unwrap();
    let sent = ids(&batch);
    assert_eq!(sent, (0..50).map(|number| format!("{number:03}")).collect::<Vec<_>>());
    // Nobody else sends meanwhile.
    assert_eq!(outbox.take(2 * SECOND, SECOND), None);
    let settled = outbox.settle(&batch, Some(&accepted(&sent[..30])), 2 * SECOND);
    assert_eq!((settled.delivered, settled.rejected, settled.failed), (30, 0, false));
    let batch = outbox.take(2 * SECOND, SECOND).unwrap();
    assert_eq!(ids(&batch), sent[30..]);
    let answer = RecordResponse { accepted: sent[30..40].to_vec(), rejected: sent[40..].to_vec() };
    let settled = outbox.settle(&batch, Some(&answer), 2 * SECOND);
    assert_eq!((settled.delivered, settled.rejected), (10, 10));
    assert_eq!(outbox.take(2 * SECOND, SECOND), None);
}

#[test]
fn failures_are_followed_by_longer_and_longer_pauses_up_to_a_bound() {
    let store = MemoryStore::default();
    let outbox = Outbox::new(&store, "s", 4 << 20);
    outbox.push(1, Entry::Record, &record("a")).unwrap();
    let (mut now, mut pauses) = (SECOND, Vec::new());
    for _ in 0..12 {
        let batch = outbox.take(now, SECOND).unwrap();
        assert!(outbox.settle(&batch, None, now).failed);
        let failed = now;
        while outbox.take(now, SECOND).is_none() {
            now += SECOND / 8;
        }
        pauses.push(now - failed);
        // What was just taken dies with its worker.
        now += 3 * SECOND;
    }
    assert!(pauses.is_sorted() && pauses[0] == SECOND / 4 && pauses[11] == 15 * SECOND, "{pauses:?}");
    let batch = outbox.take(now, SECOND).unwrap();
    let settled = outbox.settle(&batch, Some(&accepted(&ids(&batch))), now);
    assert_eq!(settled.delivered, 1);
}

#[test]
fn a_clock_that_was_put_back_does_not_stop_the_delivery() {
    let store = MemoryStore::default();
    let outbox = Outbox::new(&store, "s", 4 << 20);
    outbox.push(1, Entry::Record, &record("a")).unwrap();
    assert!(outbox.take(1_000_000 * SECOND, SECOND).is_some());
    assert!(outbox.take(SECOND, SECOND).is_some());
}

#[test]
fn what_finds_no_room_is_refused_and_said_before() {
    let store = MemoryStore::default();
    let outbox = Outbox::new(&store, "s", 4 << 20);
    let large = AuditRecord { id: "l".to_owned(), tenant: String::new(), json: "x".repeat(1000) }.encode();
    let mut pushed = 0;
    while outbox.has_room(7) {
        outbox.push(7, Entry::Record, &large).unwrap();
        pushed += 1;
    }
    // A reserve for calls under way is left: an eighth.
    let reserve = (0..).take_while(|_| outbox.push(7, Entry::Record, &large).is_ok()).count();
    assert!((50..66).contains(&pushed) && (6..10).contains(&reserve), "{pushed} {reserve}");
    assert!(outbox.has_room(8));
    // No batch is larger than the contract allows.
    for unique in 0..3000 {
        let _ = outbox.push(unique, Entry::Record, &large);
    }
    let batch = outbox.take(SECOND, SECOND).unwrap();
    assert!(batch.count <= 1000 && batch.message.len() < 4 << 20);
    let huge = AuditRecord { id: "h".to_owned(), tenant: String::new(), json: "x".repeat(300 << 10) }.encode();
    assert!(Outbox::new(&store, "roomy", 1 << 30).push(1, Entry::Record, &huge).is_err());
}

#[test]
fn a_store_that_fails_keeps_nothing_and_says_so() {
    #[derive(Debug)]
    struct Broken;
    impl Store for Broken {
        fn read(&self, _: &str) -> Result<Stored, Unavailable> {
            Err(Unavailable)
        }
        fn swap(&self, _: &str, _: &[u8], _: Revision) -> Result<bool, Unavailable> {
            Err(Unavailable)
        }
    }
    let outbox = Outbox::new(&Broken, "s", 4 << 20);
    assert!(outbox.push(1, Entry::Record, &record("a")).is_err() && !outbox.has_room(1) && outbox.take(1, 1).is_none());
}

/// What happens to an outbox.
#[derive(Clone, Debug)]
enum Event {
    Push(u8),
    /// A worker takes a batch, and the sidecar answers for so many of its records; the answer may get lost.
    Send {
        kept: u8,
        answered: bool,
    },
    /// A worker takes a batch and dies, perhaps after the sidecar has it.
    Die {
        kept: bool,
    },
    Wait(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any::<u8>().prop_map(Event::Push),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(kept, answered)| Event::Send { kept, answered }),
        1 => any::<bool>().prop_map(|kept| Event::Die { kept }),
        2 => any::<u8>().prop_map(Event::Wait),
    ]
}

proptest! {
    /// Whatever fails in between: what was pushed is with the sidecar or in the outbox, and at last all is with the sidecar.
    #[test]
    fn nothing_is_lost(events in proptest::collection::vec(event(), 0..60)) {
        let store = MemoryStore::default();
        let outbox = Outbox::new(&store, "s", 64 << 20);
        let (mut pushed, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let mut now = SECOND;
        let mut number = 0;
        for event in events {
            match event {
                Event::Push(unique) => {
                    number += 1;
                    let id = format!("r{number}");
                    outbox.push(unique.into(), Entry::Record, &record(&id)).unwrap();
                    pushed.insert(id);
                }
                Event::Send { kept: most, answered } => {
                    let Some(batch) = outbox.take(now, SECOND) else { continue };
                    let some: Vec<String> = ids(&batch).into_iter().take(most.into()).collect();
                    kept.extend(some.iter().cloned());
                    outbox.settle(&batch, answered.then(|| accepted(&some)).as_ref(), now);
                }
                Event::Die { kept: all } => {
                    if let (Some(batch), true) = (outbox.take(now, SECOND), all) {
                        kept.extend(ids(&batch));
                    }
                }
                Event::Wait(seconds) => now += u64::from(seconds) * SECOND / 8,
            }
        }
        for _ in 0..100 {
            now += 20 * SECOND;
            let Some(batch) = outbox.take(now, SECOND) else { break };
            let some = ids(&batch);
            kept.extend(some.iter().cloned());
            outbox.settle(&batch, Some(&accepted(&some)), now);
        }
        prop_assert_eq!(outbox.take(now + 20 * SECOND, SECOND), None);
        prop_assert_eq!(kept, pushed);
    }
}

#[test]
fn many_workers_lose_nothing() {
    let store = Arc::new(MemoryStore::default());
    let pushing: Vec<_> = (0..4_u64)
        .map(|worker| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let outbox = Outbox::new(&*store, "s", 64 << 20);
                for number in 0..500 {
                    let unique = worker * 1000 + number;
                    while outbox.push(unique, Entry::Record, &record(&unique.to_string())).is_err() {}
                }
            })
        })
        .collect();
    let sending: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let outbox = Outbox::new(&*store, "s", 64 << 20);
                let mut sent: BTreeMap<String, u32> = BTreeMap::new();
                for now in 0..4000 {
                    let Some(batch) = outbox.take(now * SECOND, SECOND) else { continue };
                    let some = ids(&batch);
                    some.iter().for_each(|id| *sent.entry(id.clone()).or_default() += 1);
                    outbox.settle(&batch, Some(&accepted(&some)), now * SECOND);
                }
                sent
            })
        })
        .collect();
    pushing.into_iter().for_each(|thread| thread.join().unwrap());
    let mut all: BTreeSet<String> = sending.into_iter().flat_map(|thread| thread.join().unwrap().into_keys()).collect();
    let outbox = Outbox::new(&*store, "s", 64 << 20);
    while let Some(batch) = outbox.take(1_000_000 * SECOND, SECOND) {
        let some = ids(&batch);
        outbox.settle(&batch, Some(&accepted(&some)), 1_000_000 * SECOND);
        all.extend(some);
    }
    assert_eq!(all.len(), 2000);
}

// === calls that wait ===

fn run(policy: &str, answer: Answer, request: &Request) -> Outcome {
    let mut driver = Driver::new(Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()));
    driver.answer = answer;
    driver.run(request, |_| Response::json(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#))
}

fn policy(sidecar: &str, more: &str) -> String {
    format!(
        r#"{{"version":"1","default":"allow","servers":[{{"name":"s"}}],"sidecar":{sidecar}{more},"rules":[
        {{"id":"asks","match":{{"name":["deploy"]}},"action":"require_approval","approval":{{"wait":"10s","quorum":2}}}}]}}"#
    )
}

fn call(tool: &str) -> Request {
    Request::post(
        "/mcp",
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"k":"v"}}}}}}"#
        ),
    )
}

fn verdict(verdict: Verdict) -> Answer {
    Answer::Admitted(response(verdict))
}

fn response(verdict: Verdict) -> AdmitResponse {
    let (approval_id, reason) = ("apr-1".to_owned(), "Said why.".to_owned());
    AdmitResponse { verdict, approval_id, reason, ..AdmitResponse::default() }
}

#[test]
fn one_question_brings_approval_and_intent() {
    let outcome = run(&policy(r#"{"audit":"durable"}"#, ""), verdict(Verdict::Allow), &call("deploy"));
    let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
    let need = asked.approval.as_ref().unwrap();
    assert_eq!((&*need.rule, need.wait_ms, need.expires_ms, need.quorum), ("asks", 10_000, 300_000, 2));
    let intent = asked.intent.as_ref().unwrap();
    assert!(intent.json.starts_with(r#"{"stage":"intent","id":"#) && intent.json.contains(r#""argument_keys":["k"]"#));
    let record = &outcome.records[0];
    assert_eq!((record.decision, record.approval.as_deref()), (Decided::Allow, Some("apr-1")));
    assert!(intent.id.starts_with(&record.id) && intent.id != record.id && intent.id.len() <= 64);
    assert!(outcome.upstream.is_some());
}

#[test]
fn every_answer_but_yes_refuses() {
    let policy = policy(r#"{"audit":"durable"}"#, "");
    for (answer, tool, decided, text) in [
        (verdict(Verdict::Deny), "deploy", Decided::Deny, "It was denied: Said why."),
        (verdict(Verdict::Pending), "deploy", Decided::RequireApproval, "(approval apr-1)"),
        (verdict(Verdict::Pending), "read", Decided::Deny, "It was denied: Said why."),
        (verdict(Verdict::Deny), "read", Decided::Deny, "It was denied: Said why."),
        (Answer::Unavailable, "deploy", Decided::RequireApproval, "does not answer"),
        (Answer::Unavailable, "read", Decided::Deny, "could not be written down"),
        (Answer::NotConfigured, "read", Decided::Deny, "could not be written down"),
        (Answer::Refused, "read", Decided::Deny, "It was denied."),
    ] {
        let outcome = run(&policy, answer.clone(), &call(tool));
        assert!(
            outcome.upstream.is_none() && outcome.client.text().contains(text),
            "{answer:?} {tool}: {}",
            outcome.client.text()
        );
        assert_eq!(outcome.records[0].decision, decided, "{answer:?} {tool}");
    }
}

#[test]
fn each_check_has_its_own_side() {
    for (sides, passes) in [
        (r#"{}"#, [false, false]),
        (r#"{"audit":"allow"}"#, [false, true]),
        (r#"{"approval":"allow"}"#, [false, false]),
        (r#"{"audit":"allow","approval":"allow"}"#, [true, true]),
    ] {
        let policy = policy(&format!(r#"{{"audit":"durable","on_unavailable":{sides}}}"#), "");
        let passed = ["deploy", "read"].map(|tool| run(&policy, Answer::Unavailable, &call(tool)).upstream.is_some());
        assert_eq!(passed, passes, "{sides}");
    }
}

#[test]
fn a_deployment_in_shadow_asks_nobody() {
    let outcome = run(&policy(r#"{"audit":"durable"}"#, r#","mode":"shadow""#), Answer::Unavailable, &call("deploy"));
    assert!(outcome.upstream.is_some() && outcome.questions.is_empty());
}

#[test]
fn ids_of_records_are_unique_and_fit_the_contract() {
    let mut driver = Driver::new(Arc::new(Firewall::from_json(policy("{}", "").as_bytes(), [7; 32]).unwrap()));
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let batch = Request::post(
            "/mcp",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
        );
        for record in driver.run(&batch, |_| Response::json("[]")).records {
            assert!(
                record.id.len() <= 60 && record.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            );
            assert!(seen.insert(record.id.clone()), "{}", record.id);
        }
    }
    assert!(seen.len() >= 100);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (block, expected) in [
        (r#""sidecar":{"timeout_ms":1}"#, "/sidecar/timeout_ms: must be 50 to 60000"),
        (r#""sidecar":{"queue_bytes":1}"#, "/sidecar/queue_bytes: must be 4194304 to 1073741824"),
        (r#""sidecar":{"audit":"durabel"}"#, "/sidecar/audit: unknown value `durabel`; did you mean `durable`?"),
        (r#""approval":{"wait":"6m"}"#, "/approval/wait: is no time of at most 300 s; write it as `45s` or `5m`"),
        (r#""approval":{"expires":"0s"}"#, "/approval/expires: must be at least 1 s"),
        (r#""approval":{"quorum":0}"#, "/approval/quorum: must be 1 to 16"),
        (r#""approval":{"approvers":[""]}"#, "/approval/approvers: must be at most 32 names of 1 to 255 bytes"),
        (
            r#""rules":[{"id":"a","action":"deny","approval":{}}]"#,
            "/rules/0/approval: is in a rule that lets nothing through; leave it out",
        ),
    ] {
        let error = Firewall::from_json(format!(r#"{{"version":"1",{block}}}"#).as_bytes(), [0; 32]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let config = r#"{"version":"1","sidecar":{"token":"s3cret"}}"#;
    let firewall = Firewall::from_json(config.as_bytes(), [0; 32]).unwrap();
    assert!(!format!("{firewall:?}").contains("s3cret"));
    assert_eq!(firewall.sidecar.unwrap().authorization().as_deref(), Some("Bearer s3cret"));
}

// === one-time codes ===

#[test]
fn a_code_counts_only_where_the_sidecar_says_that_it_verified_it() {
    let policy = policy(
        r#"{"on_unavailable":{"audit":"allow","approval":"allow"}}"#,
        r#","obligations":[{"id":"code","match":{"name":["deploy","read"]},"require_mfa":true}]"#,
    );
    let with = |mfa, said| Answer::Admitted(AdmitResponse { mfa, ..response(said) });
    for (answer, tool, passes, text) in [
        (with(Mfa::Verified, Verdict::Allow), "read", true, ""),
        (with(Mfa::Verified, Verdict::Allow), "deploy", true, ""),
        (with(Mfa::Verified, Verdict::Pending), "deploy", false, "(approval apr-1)"),
        (with(Mfa::Verified, Verdict::Deny), "deploy", false, "It was denied: Said why."),
        // A sidecar of before, or one that lies about half of it.
        (with(Mfa::Unknown, Verdict::Allow), "read", false, "does not answer"),
        (with(Mfa::Refused, Verdict::Allow), "deploy", false, "It needs a one-time code. Said why."),
        (with(Mfa::Refused, Verdict::Deny), "read", false, "It needs a one-time code. Said why."),
        (Answer::Unavailable, "deploy", false, "does not answer"),
        (Answer::NotConfigured, "read", false, "not configured"),
    ] {
        let outcome = run(&policy, answer.clone(), &call(tool).header("x-portcullis-mfa", "123456"));
        let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
        assert_eq!(asked.mfa.as_ref().map(|mfa| (mfa.code.digits(), &*mfa.rule)), Some(("123456", "obligation:code")));
        assert_eq!(asked.approval.is_some(), tool == "deploy");
        assert!(!format!("{asked:?}").contains("123456"));
        let said = outcome.client.text();
        assert_eq!(outcome.upstream.is_some(), passes, "{answer:?} {tool}: {said}");
        assert!(said.contains(text), "{answer:?} {tool}: {said}");
        let about_code =
            !passes && (text.contains("one-time") || text.contains("answer") || text.contains("configured"));
        assert_eq!(said.contains(r#""mfa":"required""#), about_code, "{said}");
        if about_code {
            assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "obligation:code"));
        }
    }
}

// === forms of a call that nobody has decided about ===

/// A call of 2026-07-28.
fn modern(params: &str, elicitation: &str) -> Request {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{{elicitation}}}}}"#
    );
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{{"name":"deploy","arguments":{{"k":"v"}}{params},{meta}}}}}"#
    );
    Request::post("/mcp", body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "deploy")
}

fn pending(link: &str) -> Answer {
    let (state, link) = ("st-1".to_owned(), link.to_owned());
    Answer::Admitted(AdmitResponse { state, link, ..response(Verdict::Pending) })
}

const URL: &str = r#""elicitation":{"url":{}}"#;
const LINK: &str = "https://console.test/approvals/apr-1";

#[test]
fn a_client_that_can_is_told_in_the_form_of_its_era() {
    let policy = policy("{}", "");
    for (elicitation, link, form) in [
        (URL, LINK, r#""mode":"url","url":"https://console.test/approvals/apr-1""#),
        (r#""elicitation":{}"#, LINK, r#""mode":"form","requestedSchema":{"type":"object","properties":{}}"#),
        (r#""elicitation":{"form":{},"url":{}}"#, "", r#""mode":"form""#),
        (URL, "", "isError"),
        ("", LINK, "isError"),
    ] {
        let outcome = run(&policy, pending(link), &modern("", elicitation));
        let said = outcome.client.text();
        let _: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert!(outcome.upstream.is_none() && said.contains(form), "{elicitation} {link}: {said}");
        let asks = form != "isError";
        assert_eq!(said.contains(r#""resultType":"input_required""#), asks, "{said}");
        assert_eq!(said.contains(r#""requestState":"portcullis:st-1""#), asks, "{said}");
        assert!(
            said.contains(r#""approvalId":"apr-1""#) && said.starts_with(r#"{"jsonrpc":"2.0","id":"a","#),
            "{said}"
        );
        let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
        assert_eq!((asked.retries, asked.state.as_str()), (!elicitation.is_empty(), ""));
    }
    // A sidecar that gives no state gets a text told.
    let outcome = run(&policy, verdict(Verdict::Pending), &modern("", URL));
    assert!(outcome.client.text().contains("isError"));
}

#[test]
fn a_call_that_comes_back_is_the_same_call() {
    let policy = policy("{}", "");
    let asked = |outcome: &Outcome| match &outcome.questions[..] {
        [Question::Admit(asked)] => asked.clone(),
        other => panic!("{other:?}"),
    };
    let answers =
        |action: &str| format!(r#","inputResponses":{{"portcullis":{{"action":"{action}"}}}},"requestState":"#);
    for own in ["", r#","requestState":"the server's \"é\"","inputResponses":{"q":{"action":"accept"}}"#] {
        let first = run(&policy, pending(LINK), &modern(own, URL));
        let said: serde_json::Value = serde_json::from_str(&first.client.text()).unwrap();
        let state = said.pointer("/result/requestState").unwrap().to_string();
        let back = modern(&format!("{}{state}", answers("accept")), URL);
        let second = run(&policy, verdict(Verdict::Allow), &back);
        assert_eq!(asked(&second).state, "st-1");
        assert!(asked(&second).retries);
        assert_eq!(asked(&second).call.digest, asked(&first).call.digest);
        let sent: serde_json::Value = serde_json::from_str(&second.upstream.unwrap().text()).unwrap();
        let direct: serde_json::Value = serde_json::from_slice(&modern(own, URL).chunks.concat()).unwrap();
        assert_eq!(sent, direct, "{own}");
        // Still nobody: it may come back again, with all that it brought along; unless its user gave up.
        let again = run(&policy, pending(LINK), &back).client.text();
        assert!(again.contains(&state), "{again}");
        let over = run(&policy, pending(LINK), &modern(&format!("{}{state}", answers("decline")), URL));
        assert!(over.client.text().contains("isError") && !asked(&over).retries);
    }
}

#[test]
fn a_call_that_comes_back_names_the_request_that_was_answered() {
    let policy = policy("{}", "");
    let mut driver = Driver::new(Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()));
    driver.answer = pending(LINK);
    let first = driver.run(&modern("", URL).header("x-request-id", "request-1"), |_| panic!("nobody decided"));
    let said: serde_json::Value = serde_json::from_str(&first.client.text()).unwrap();
    let back = format!(r#","requestState":{}"#, said.pointer("/result/requestState").unwrap());
    driver.answer = verdict(Verdict::Allow);
    let second = driver.run(&modern(&back, URL).header("x-request-id", "request-2"), |_| Response::json("{}"));
    assert_eq!((first.records[0].parent.as_deref(), second.records[0].parent.as_deref()), (None, Some("request-1")));
    // One that makes the same call again without a state goes back to the first one by the approval.
    let again = modern("", "").header("x-request-id", "request-3");
    let third = driver.run(&again, |_| Response::json("{}"));
    assert_eq!(third.records[0].parent.as_deref(), Some("request-1"));
}

#[test]
fn what_a_client_brings_back_is_judged_like_anything_else() {
    let policy = policy("{}", "");
    let back = |carried: &str| {
        let state = serde_json::Value::from(format!("portcullis:st-1{carried}")).to_string();
        run(&policy, verdict(Verdict::Allow), &modern(&format!(r#","requestState":{state}"#), URL))
    };
    // No secret in a place where nobody looks.
    let secret = r#"{"a":{"action":"accept","content":{"t":"ghp_0123456789abcdefghijABCDEFGHIJ0123456"}}}"#;
    let outcome = back(&format!(r#"{{"inputResponses":{secret}}}"#));
    assert!(outcome.upstream.is_none());
    assert!(outcome.client.text().contains("content that may not be sent"), "{}", outcome.client.text());
    // What is no JSON object brings nothing, nor do members that no client answers by.
    let twice = r#"{"requestState":"a","requestState":"b"}"#;
    for carried in ["", "{", "{]", "[1]", r#"{"name":"other","arguments":{}}"#, twice] {
        let sent = back(carried).upstream.unwrap().text();
        assert!(!sent.contains("requestState") && !sent.contains("other"), "{sent}");
    }
    // Without a sidecar there are no states of ours: it is the server's.
    let bare = r#"{"version":"1","default":"allow","servers":[{"name":"s"}]}"#;
    let sent = run(bare, Answer::NotConfigured, &modern(r#","requestState":"portcullis:x""#, URL)).upstream.unwrap();
    assert!(sent.text().contains(r#""requestState":"portcullis:x""#));
}

#[test]
fn a_session_whose_client_shows_links_is_remembered() {
    let config = policy("{}", "");
    let mut driver = Driver::new(Arc::new(Firewall::from_json(config.as_bytes(), [7; 32]).unwrap()));
    driver.answer = pending(LINK);
    let mut begin = |capabilities: &str, session: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{{capabilities}}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
        );
        let answer = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;
        driver.run(&Request::post("/mcp", body), |_| {
            let mut response = Response::json(answer);
            response.headers.push(("mcp-session-id".to_owned(), session.into()));
            response
        });
        driver
            .run(&call("deploy").header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25"), |_| {
                panic!("it was forwarded")
            })
            .client
            .text()
    };
    let said = begin(URL, "s-1");
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value.pointer("/error/code").unwrap(), -32042);
    let elicitation = value.pointer("/error/data/elicitations/0").unwrap();
    assert_eq!((elicitation["url"].as_str(), elicitation["elicitationId"].as_str()), (Some(LINK), Some("apr-1")));
    assert!(begin(r#""elicitation":{"form":{}}"#, "s-2").contains("isError"));
    // Of nobody's session nothing is known.
    let said = driver.run(&call("deploy"), |_| panic!("it was forwarded")).client.text();
    assert!(said.contains("isError"));
}

// === quotas that the sidecar keeps ===

fn counted(quotas: &str, more: &str) -> String {
    format!(
        r#"{{"version":"1","default":"allow","servers":[{{"name":"s"}}],"sidecar":{{"audit":"log"{more}}},"quotas":[{quotas}],
        "rules":[{{"id":"asks","match":{{"name":["deploy"]}},"action":"require_approval"}}]}}"#
    )
}

/// A driver on a store, and what waits there for the sidecar.
struct Counting {
    driver: Driver,
    store: Arc<MemoryStore>,
    firewall: Arc<Firewall>,
}

impl Counting {
    fn new(policy: &str, answer: Answer) -> Self {
        let firewall = Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap());
        let store = Arc::new(MemoryStore::default());
        let mut driver = Driver::with_store(Arc::clone(&firewall), Arc::clone(&store) as Arc<dyn Store>);
        driver.answer = answer;
        Self { driver, store, firewall }
    }

    fn run(&mut self, tool: &str, answer: &str) -> Outcome {
        self.driver.run(&call(tool), |_| Response::json(answer))
    }

    fn outbox(&self) -> Outbox<'_> {
        self.firewall.sidecar.as_ref().unwrap().outbox(&*self.store)
    }

    /// What is said to the sidecar of the last calls.
    fn settlements(&self) -> Vec<v1::QuotaSettlement> {
        let Some(batch) = self.outbox().take(self.driver.now_us, SECOND) else { return Vec::new() };
        v1::RecordRequest::decode(&*batch.message).unwrap().settlements
    }
}

fn over(held: bool, refusals: &[(u32, Why)]) -> Answer {
    let refusals = refusals.iter().map(|(index, why)| Refusal { index: *index, why: *why }).collect();
    let verdict = if held { Verdict::Allow } else { Verdict::OverQuota };
    Answer::Admitted(AdmitResponse {
        verdict,
        reserved: Box::new(Reserved { held, refusals }),
        ..AdmitResponse::default()
    })
}

const DONE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const FAILED: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;
const SHARED: &str = r#"{"id":"q","limit":"5/hour","store":"sidecar"}"#;

#[test]
fn one_question_brings_what_a_call_counts_for_and_its_end_is_told() {
    let quotas = r#"{"id":"here","limit":"5/hour"},{"id":"q","limit":"5/hour","store":"sidecar","per":["principal"]},
        {"id":"spend","limit":"50/day","amount":"k","mode":"shadow","store":"sidecar"},
        {"id":"all","limit":"9/minute","algorithm":"fixed_window","store":"sidecar","on_tool_error":"roll_back"}"#;
    let mut counting = Counting::new(&counted(quotas, ""), over(true, &[]));
    let outcome = counting.run("read", DONE);
    let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
    let [own, all] = &asked.demands[..] else { panic!("{:?}", asked.demands) };
    assert_eq!((own.limit, own.amount, own.window_us, own.common), (5_000_000, 1_000_000, 3600 * SECOND, false));
    assert_eq!((all.algorithm, all.common, all.key.len()), (QuotaAlgorithm::FixedWindow, true, 32));
    assert!(outcome.upstream.is_some());
    let [settled] = &counting.settlements()[..] else { panic!() };
    assert_eq!((&settled.admit, settled.common), (&asked.id, true));
    assert!(settled.returned.is_empty() && !settled.renew && settled.id != asked.id && settled.id.len() <= 64);

    let mut counting = Counting::new(&counted(quotas, ""), over(true, &[]));
    let outcome = counting.run("read", FAILED);
    assert_eq!(counting.settlements()[0].returned, [0, 1]);
    assert!(outcome.records[0].rules_fired.iter().any(|rule| &**rule == "quota:q:returned"));
    let mut counting = Counting::new(&counted(quotas, ""), over(true, &[]));
    counting.run("read", r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#);
    assert_eq!(counting.settlements()[0].returned, [1]);
}

#[test]
fn a_refusal_of_the_sidecar_says_which_quota_and_when() {
    let quotas = r#"{"id":"seen","limit":"1/hour","mode":"shadow","store":"sidecar"},{"id":"q","limit":"5/hour","store":"sidecar",
        "reason":"Enough."}"#;
    let refusals = [(0, Why::Forever), (1, Why::For(90 * SECOND))];
    let mut counting = Counting::new(&counted(quotas, ""), over(false, &refusals));
    let outcome = counting.run("read", DONE);
    let text = outcome.client.text();
    assert!(text.contains("Enough. Try again in 90 seconds.") && text.contains(r#""retryAfterMs":90000"#), "{text}");
    assert_eq!((&*outcome.records[0].rule, outcome.records[0].decision), ("quota:q", Decided::Deny));
    assert!(outcome.upstream.is_none() && counting.settlements().is_empty(), "nothing was reserved");

    let mut counting = Counting::new(&counted(quotas, ""), over(true, &refusals[..1]));
    let outcome = counting.run("read", DONE);
    let would = outcome.records[0].would.as_ref().map(|(decided, rule)| (*decided, rule.as_str()));
    assert!(outcome.upstream.is_some());
    assert_eq!(would, Some((Decided::Deny, "quota:seen")));
}

#[test]
fn without_a_clear_yes_nothing_that_the_sidecar_counts_goes_on() {
    let allowed = r#","on_unavailable":{"quota":"allow"}"#;
    for (answer, more, passes) in [
        (Answer::Unavailable, "", false),
        (Answer::Unavailable, allowed, true),
        // A sidecar that knows nothing of quotas.
        (verdict(Verdict::Allow), "", false),
        (verdict(Verdict::Allow), allowed, true),
        (over(false, &[]), allowed, false),
        (over(false, &[(7, Why::Unavailable)]), "", false),
        (verdict(Verdict::Deny), allowed, false),
        (Answer::Approved, "", true),
    ] {
        let mut counting = Counting::new(&counted(SHARED, more), answer.clone());
        let outcome = counting.run("read", DONE);
        assert_eq!(outcome.upstream.is_some(), passes, "{answer:?} {more}: {}", outcome.client.text());
        if answer == Answer::Unavailable {
            let [settled] = &counting.settlements()[..] else { panic!("{answer:?}") };
            assert_eq!(settled.returned, [0], "it may have reserved all the same");
        }
        let shadow = SHARED.replace(r#""store""#, r#""mode":"shadow","store""#);
        let refused = answer == verdict(Verdict::Deny)
            || matches!(&answer, Answer::Admitted(said) if said.verdict == Verdict::OverQuota);
        let passed = Counting::new(&counted(&shadow, more), answer.clone()).run("read", DONE).upstream.is_some();
        assert_eq!(passed, !refused, "{answer:?} {more} in shadow");
    }
}

#[test]
fn what_is_refused_for_another_reason_gives_back_at_once() {
    let quotas = r#"{"id":"here","limit":"1/hour"},{"id":"q","limit":"5/hour","store":"sidecar"}"#;
    let mut counting = Counting::new(&counted(quotas, ""), over(true, &[]));
    assert!(counting.run("read", DONE).upstream.is_some());
    let outcome = counting.run("read", DONE);
    assert_eq!(&*outcome.records[0].rule, "quota:here");
    assert_eq!(counting.settlements().iter().map(|one| one.returned.len()).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_cannot_wait_is_not_counted_by_the_sidecar() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{}}}]"#;
    let note = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"read","arguments":{}}}"#;
    let shadow = SHARED.replace(r#""store""#, r#""mode":"shadow","store""#);
    for (quota, passes) in [(SHARED, false), (&shadow, true)] {
        for body in [batch, note] {
            let mut counting = Counting::new(&counted(quota, ""), over(true, &[]));
            let outcome = counting.driver.run(&Request::post("/mcp", body), |_| Response::json("[]"));
            assert_eq!(outcome.upstream.is_some(), passes, "{body}: {}", outcome.client.text());
            assert!(outcome.questions.is_empty());
        }
    }
    // Where there is no room to tell its end, a call does not begin.
    let mut counting = Counting::new(&counted(SHARED, ""), over(true, &[]));
    let outbox = counting.outbox();
    for unique in 0..2000 {
        while outbox.has_room(unique) && outbox.push(unique, Entry::Record, &record_of(60 << 10)).is_ok() {}
    }
    let outcome = counting.run("read", DONE);
    assert!(outcome.questions.is_empty() && outcome.client.text().contains("too much waits for the sidecar"));
}

#[test]
fn without_any_sidecar_a_policy_is_tried_out_as_it_would_count() {
    let mut counting = Counting::new(&counted(SHARED, ""), Answer::NotConfigured);
    let passed = (0..8).filter(|_| counting.run("read", DONE).upstream.is_some()).count();
    assert_eq!(passed, 5);
}

fn record_of(bytes: usize) -> Vec<u8> {
    AuditRecord { id: "x".to_owned(), tenant: String::new(), json: "x".repeat(bytes) }.encode()
}

// === labels that the sidecar keeps ===

/// Two Envoys, and the sidecar between them.
struct Mesh {
    envoys: [Counting; 2],
    sidecar: MemoryStore,
}

impl Mesh {
    fn new(more: &str, flow: &str) -> Self {
        let policy = format!(
            r#"{{"version":"1","default":"allow","servers":[{{"name":"s"}}],"sidecar":{{"audit":"log"{more}}},"approval":{{"wait":"1s"}},
            "flow":{{"store":"sidecar","hints":false,"carrier":"principal","sources":[
                {{"id":"pages","match":{{"name":["page"]}},"labels":["untrusted"]}},
                {{"id":"records","match":{{"name":["record"]}},"labels":["private"]}}],
            "classes":[{{"match":{{"name":["send","post"]}},"class":["sends"]}}]{flow}}}}}"#
        );
        let envoys = [(); 2].map(|()| Counting::new(&policy, Answer::Unavailable));
        Self { envoys, sidecar: MemoryStore::default() }
    }

    /// A call through one of them, with the answer of the sidecar as it is then.
    fn call(&mut self, envoy: usize, tool: &str, verdict: Verdict) -> Outcome {
        self.say(envoy, &call(tool), DONE, verdict)
    }

    fn say(&mut self, envoy: usize, request: &Request, answer: &str, verdict: Verdict) -> Outcome {
        let bearer = self.bearer();
        let counting = &mut self.envoys[envoy];
        let known = flow::carried(&self.sidecar, &bearer, false, counting.driver.now_us).unwrap();
        let response = AdmitResponse { known: Some(Box::new(known)), ..response(verdict) };
        counting.driver.answer = Answer::Admitted(response);
        let outcome = counting.driver.run(request, |_| Response::json(answer));
        if let Some(batch) = counting.outbox().take(counting.driver.now_us, SECOND) {
            let mut told = Vec::new();
            for gain in v1::RecordRequest::decode(&*batch.message).unwrap().gains {
                told.push(gain.id.clone());
                let of = gain.bearer.unwrap();
                assert_eq!((&of.caller, of.session.len()), (&bearer.caller, 0));
                let prints = Gain::read_prints(&gain.prints).unwrap();
                let gain = Gain { bearer: bearer.clone(), labels: gain.labels, prints, ..Gain::default() };
                flow::gain(&self.sidecar, &gain, counting.driver.now_us).unwrap();
            }
            counting.outbox().settle(&batch, Some(&accepted(&told)), counting.driver.now_us);
        }
        outcome
    }

    /// Whoever asks: all are the same caller.
    fn bearer(&self) -> Bearer {
        let mut asks = Counting::new(
            r#"{"version":"1","default":"allow","servers":[{"name":"s"}],"sidecar":{"audit":"log"},
            "flow":{"store":"sidecar","hints":false,"carrier":"principal","classes":[{"match":{"name":["send"]},"class":["sends"]}]}}"#,
            Answer::Unavailable,
        );
        let outcome = asks.run("send", DONE);
        let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
        asked.bearer.clone().unwrap().0
    }
}

#[test]
fn what_is_read_through_one_envoy_counts_at_the_other() {
    let mut mesh = Mesh::new("", "");
    assert!(mesh.call(0, "send", Verdict::Allow).upstream.is_some());
    assert!(mesh.call(0, "page", Verdict::Allow).questions.is_empty(), "nothing is asked where no rule wants to know");
    assert!(mesh.call(1, "send", Verdict::Allow).upstream.is_some());
    mesh.call(1, "record", Verdict::Allow);
    // The first one does not know what the second saw, and has used its question.
    let outcome = mesh.call(0, "send", Verdict::Allow);
    assert!(outcome.upstream.is_none());
    let text = outcome.client.text();
    assert!(text.contains("Make the same call again") && text.contains("flow:trifecta"), "{text}");
    let record = &outcome.records[0];
    assert_eq!((record.decision, &*record.rule), (Decided::RequireApproval, "flow:trifecta"));
    assert_eq!(record.taint.iter().map(|label| &**label).collect::<Vec<_>>(), ["private", "untrusted"]);
    // Made again, it asks for the approval.
    let outcome = mesh.call(0, "send", Verdict::Allow);
    let [Question::Admit(asked)] = &outcome.questions[..] else { panic!("{:?}", outcome.questions) };
    assert!(asked.approval.is_some() && outcome.upstream.is_some(), "a person has approved it");
}

#[test]
fn refusals_and_warnings_come_in_the_same_round_trip() {
    let rules =
        r#","trifecta":"deny","rules":[{"id":"watch","any_taint":["private"],"class":["sends"],"action":"warn"}]"#;
    let mut mesh = Mesh::new("", rules);
    mesh.call(1, "record", Verdict::Allow);
    let outcome = mesh.call(0, "send", Verdict::Allow);
    assert!(outcome.upstream.is_some());
    assert!(outcome.records[0].rules_fired.iter().any(|rule| &**rule == "flow:watch"), "{:?}", outcome.records[0]);
    mesh.call(1, "page", Verdict::Allow);
    let outcome = mesh.call(0, "send", Verdict::Allow);
    assert!(outcome.upstream.is_none() && !outcome.client.text().contains("again"), "{}", outcome.client.text());
    assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "flow:trifecta"));
    // Redacting begins with the next call.
    let rules = r#","trifecta":"off","provenance":{"action":"off"},"rules":[{"id":"clean","any_taint":["private"],"reuse":true,"action":"redact"}]"#;
    let mut mesh = Mesh::new("", rules);
    let text = "Northwind will be bought for 41.5 million on 14 March, which only the board knows so far; keep it so.";
    let said = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#);
    mesh.say(1, &call("record"), &said, Verdict::Allow);
    let sends = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"send","arguments":{{"body":"{text}"}}}}}}"#
    );
    let sends = Request::post("/mcp", sends);
    let outcome = mesh.say(0, &sends, DONE, Verdict::Allow);
    assert!(
        outcome.upstream.is_none() && outcome.client.text().contains("has to be redacted"),
        "{}",
        outcome.client.text()
    );
    let outcome = mesh.say(0, &sends, DONE, Verdict::Allow);
    assert!(outcome.upstream.unwrap().text().contains("[REDACTED:flow]"));
}

#[test]
fn who_is_not_known_sends_nothing() {
    for (more, passes) in [("", false), (r#","on_unavailable":{"flow":"allow"}"#, true)] {
        for answer in [
            Answer::Unavailable,
            verdict(Verdict::Allow),
            Answer::Admitted(AdmitResponse {
                known: Some(Box::new(Known { carried: vec![9], session: false })),
                ..response(Verdict::Allow)
            }),
        ] {
            let mut mesh = Mesh::new(more, "");
            let [counting, _] = &mut mesh.envoys;
            counting.driver.answer = answer.clone();
            let outcome = counting.run("send", DONE);
            assert_eq!(outcome.upstream.is_some(), passes, "{answer:?} {more}");
            if !passes {
                assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "flow:state"));
            }
        }
    }
    let note = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"send","arguments":{}}}"#;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send","arguments":{}}}]"#;
    for body in [note, batch] {
        let mut mesh = Mesh::new("", "");
        let outcome = mesh.envoys[0].driver.run(&Request::post("/mcp", body), |_| Response::json("[]"));
        assert!(outcome.upstream.is_none() && outcome.questions.is_empty(), "{body}");
    }
}

#[test]
fn an_answer_whose_labels_nobody_could_be_told_of_is_withheld() {
    let mut mesh = Mesh::new("", "");
    let [counting, _] = &mut mesh.envoys;
    let outbox = counting.outbox();
    for unique in 0..2000 {
        while outbox.push(unique, Entry::Record, &record_of(60 << 10)).is_ok() {}
        while outbox.push(unique, Entry::Record, &record_of(10)).is_ok() {}
    }
    let outcome =
        counting.run("record", r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"x"}]}}"#);
    assert!(outcome.upstream.is_some() && outcome.client.text().contains("flow:state"), "{}", outcome.client.text());
}

#[test]
fn an_approval_that_was_given_covers_what_became_known_meanwhile() {
    let mut mesh = Mesh::new(
        "",
        r#","rules":[{"id":"asks","class":["sends"],"any_taint":["untrusted"],"action":"require_approval"}]"#,
    );
    mesh.call(0, "page", Verdict::Allow);
    mesh.call(1, "record", Verdict::Allow);
    let outcome = mesh.call(0, "send", Verdict::Allow);
    let [Question::Admit(asked)] = &outcome.questions[..] else { panic!() };
    assert_eq!(&*asked.approval.as_ref().unwrap().rule, "flow:asks");
    assert!(outcome.upstream.is_some());
    assert_eq!(outcome.records[0].taint.len(), 2);
}
