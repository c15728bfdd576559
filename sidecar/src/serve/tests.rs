//! The contract with the filter, over a real connection.

use std::time::Instant;

use tokio::task::JoinSet;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::*;
use crate::approvals::{Approval, State};
use crate::audit::hex;
use crate::caller_keys::{self, CallerKey, Grant};
use crate::credentials::rotate::What;
use crate::kill_switch::{self, Stop};
use crate::mfa::kept::{self, Holder, Kind};
use crate::mfa::totp;
use crate::proto::portcullis_client::PortcullisClient;
use crate::proto::{
    AdmitRequest, AdmitResponse, ApprovalNeed, AuditRecord, CONTRACT, Call, Client, Mfa, MfaNeed, Principal,
    RecordRequest, Verdict, WatchRequest, WatchResponse,
};
use crate::store::suite::{Backing, Bed};
use crate::store::{Filter, Tenant};

/// Every test on every database.
macro_rules! on_each {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Backing::Sqlite).await; })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Backing::Postgres).await; })* }
    };
}

on_each! {
    only_the_filter_is_heard
    records_are_kept_once
    an_intent_is_on_disk_before_the_answer
    a_held_call_goes_on_when_a_person_decides
    the_same_call_attaches_and_another_asks_anew
    two_people_where_the_rule_says_so
    expired_is_refused_and_then_asked_anew
    a_client_that_leaves_uses_nothing
    no_approval_is_used_twice
    a_code_is_looked_at_before_anything_else_and_counts_for_one_admit
    a_state_is_of_one_call_and_counts_once
    a_state_says_that_the_code_of_its_call_was_right
    a_watch_is_answered_when_something_changes
    a_kill_switch_refuses_what_asks_and_what_waits
    a_kill_switch_ends_with_its_time
    filters_are_told_the_hashes_of_keys_and_no_more
    filters_are_told_what_was_seen_first_and_what_people_have_looked_at
}

pub(super) struct Bench {
    pub(super) shared: Arc<Shared>,
    channel: Channel,
    _end: watch::Sender<bool>,
    _bed: Arc<Bed>,
}

impl Bench {
    pub(super) async fn new(backing: Backing) -> Self {
        Self::replica(&Arc::new(Bed::new(backing))).await
    }

    /// A sidecar on a database, which others may use as well.
    async fn replica(bed: &Arc<Bed>) -> Self {
        Self::counting(bed, |store| state::Shared::Store(Arc::clone(store))).await
    }

    /// One that keeps shared state there.
    pub(super) async fn counting(bed: &Arc<Bed>, state: impl FnOnce(&Arc<Store>) -> state::Shared) -> Self {
        let store = bed.open();
        let state = state(&store);
        let (end, ending) = watch::channel(false);
        let keys = Keys {
            kek: Spec::Local,
            kek_old: Vec::new(),
            vault_token_file: None,
            allow_http: Vec::new(),
            trust_ca: None,
        };
        let credentials = Arc::new(keys.open(&bed.data, &store).unwrap());
        let places = Places::new(Some("https://console.test/approvals/{id}"), None).unwrap();
        let shared = Arc::new(Shared { state, places, ..Shared::new(store, credentials, ending) });
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::accept(listener, None, Port::Grpc).unwrap();
        tokio::spawn(grpc::serve(connections, Arc::clone(&shared), "secret"));
        hear(&shared).unwrap();
        tokio::spawn(expiry::keep(Arc::clone(&shared)));
        tokio::spawn(watching::keep(Arc::clone(&shared)));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { shared, channel, _end: end, _bed: Arc::clone(bed) }
    }

    pub(super) async fn admit(&self, request: AdmitRequest) -> Result<AdmitResponse, Status> {
        admit(self.channel.clone(), request).await
    }

    pub(super) async fn record(&self, records: Vec<AuditRecord>) -> Result<crate::proto::RecordResponse, Status> {
        self.send(RecordRequest { records, ..RecordRequest::default() }).await
    }

    /// What a filter hands over.
    pub(super) async fn send(&self, request: RecordRequest) -> Result<crate::proto::RecordResponse, Status> {
        let mut client = PortcullisClient::new(self.channel.clone());
        Ok(client.record(signed(RecordRequest { contract: CONTRACT, ..request })).await?.into_inner())
    }

    async fn watch(&self, revision: &str, wait_ms: u32) -> Result<WatchResponse, Status> {
        ask_news(self.channel.clone(), revision.to_owned(), wait_ms).await
    }

    fn stop(&self, tenant: &str, stop: Stop) {
        let tenant = Tenant::new(tenant).unwrap();
        assert!(self.shared.store.write(&tenant, move |tx| kill_switch::on(tx, &stop)).unwrap());
    }

    /// The one pending approval, once there is one.
    async fn pending(&self, tenant: &str) -> Approval {
        let scope = self.shared.store.tenant(&Tenant::new(tenant).unwrap());
        loop {
            if let Some(approval) = scope.approvals(Some(State::Pending), 1).unwrap().pop() {
                return approval;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The secret of a new token.
    pub(super) fn token(&self, role: Role, tenant: &str) -> String {
        let secret = tokens::new_secret().unwrap();
        let token = Token {
            name: secret.clone(),
            person: "somebody".into(),
            tenant: tenant.into(),
            role,
            groups: Vec::new(),
            created: 0,
        };
        let record = new_record(Action::TokenCreated, "test", 0, json!({})).unwrap();
        assert!(self.shared.store.create_token(token, tokens::hash(&secret), record, 0).unwrap());
        secret
    }

    fn vote(&self, id: &str, person: &str, approve: bool) -> State {
        let tenant = Tenant::new("").unwrap();
        let token = Token {
            name: person.into(),
            person: person.into(),
            tenant: String::new(),
            role: Role::PolicyManager,
            groups: Vec::new(),
            created: 0,
        };
        let voted = self.shared.store.tenant(&tenant).vote(id, &token, approve, "", clock::now()).unwrap();
        self.shared.hub.tell(&tenant, id);
        voted.unwrap().unwrap().state
    }

    fn actions(&self) -> Vec<String> {
        let scope = self.shared.store.tenant(&Tenant::new("").unwrap());
        let rows = scope.query(&Filter { limit: 1000, ..Filter::default() }).unwrap();
        let action = |record: &str| {
            let record: serde_json::Value = serde_json::from_str(record).unwrap();
            record["action"].as_str().map(str::to_owned)
        };
        rows.iter().filter_map(|row| action(&row.record)).collect()
    }
}

async fn admit(channel: Channel, request: AdmitRequest) -> Result<AdmitResponse, Status> {
    Ok(PortcullisClient::new(channel).admit(signed(request)).await?.into_inner())
}

async fn ask_news(channel: Channel, revision: String, wait_ms: u32) -> Result<WatchResponse, Status> {
    let request = WatchRequest { contract: CONTRACT, revision, wait_ms };
    Ok(PortcullisClient::new(channel).watch(signed(request)).await?.into_inner())
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer secret"));
    request
}

/// A call of anna's that needs an approval.
pub(super) fn call(id: &str, argument: u64, wait_ms: u32) -> AdmitRequest {
    AdmitRequest {
        contract: CONTRACT,
        id: id.to_owned(),
        principal: Some(Principal { kind: "human".into(), id: "anna".into(), ..Principal::default() }),
        call: Some(Call {
            server: "files".into(),
            method: "tools/call".into(),
            name: "delete".into(),
            digest: format!("{argument:064x}"),
            ..Call::default()
        }),
        policy_version: "0".repeat(64),
        approval: Some(ApprovalNeed { rule: "careful".into(), wait_ms, ..ApprovalNeed::default() }),
        ..AdmitRequest::default()
    }
}

fn record(id: &str, json: &str) -> AuditRecord {
    AuditRecord { id: id.into(), tenant: String::new(), json: json.as_bytes().to_vec() }
}

async fn only_the_filter_is_heard(backing: Backing) {
    let bench = Bench::new(backing).await;
    let mut client = PortcullisClient::new(bench.channel.clone());
    let unsigned = Request::new(RecordRequest { contract: CONTRACT, records: Vec::new(), ..Default::default() });
    assert_eq!(client.record(unsigned).await.unwrap_err().code(), Code::Unauthenticated);
    let mut wrong = Request::new(call("a", 1, 0));
    wrong.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer secreT"));
    assert_eq!(client.admit(wrong).await.unwrap_err().code(), Code::Unauthenticated);
    let newer = AdmitRequest { contract: 2, ..call("a", 1, 0) };
    assert_eq!(bench.admit(newer).await.unwrap_err().code(), Code::FailedPrecondition);
}

async fn records_are_kept_once(backing: Backing) {
    let bench = Bench::new(backing).await;
    let records = vec![record("a", "{}"), record("b", "[]"), record("c d", "{}"), record("a", "{\"again\":1}")];
    let answer = bench.record(records).await.unwrap();
    assert_eq!(answer.accepted, ["a", "a"]);
    assert_eq!(answer.rejected.iter().map(|rejected| rejected.id.as_str()).collect::<Vec<_>>(), ["b", "c d"]);
    let again = bench.record(vec![record("a", "{}"), record("z", "{}")]).await.unwrap();
    assert_eq!(again.accepted, ["a", "z"]);
    let scope = bench.shared.store.tenant(&Tenant::new("default").unwrap());
    assert_eq!(scope.end().unwrap(), Some(2), "genesis, a, z");
    let many = (0..1001).map(|n| record(&n.to_string(), "{}")).collect();
    assert_eq!(bench.record(many).await.unwrap_err().code(), Code::InvalidArgument);
}

async fn an_intent_is_on_disk_before_the_answer(backing: Backing) {
    let bench = Bench::new(backing).await;
    let plain = AdmitRequest { approval: None, intent: Some(record("i1", "{}")), ..call("a", 1, 0) };
    assert_eq!(bench.admit(plain).await.unwrap().verdict(), Verdict::Allow);
    let held = AdmitRequest { intent: Some(record("i2", "{}")), ..call("b", 1, 0) };
    assert_eq!(bench.admit(held).await.unwrap().verdict(), Verdict::Pending);
    let scope = bench.shared.store.tenant(&Tenant::new("").unwrap());
    assert!(scope.place("i1").unwrap().is_some() && scope.place("i2").unwrap().is_some());
    let bad = AdmitRequest { approval: None, intent: Some(record("i 3", "{}")), ..call("c", 1, 0) };
    assert_eq!(bench.admit(bad).await.unwrap().verdict(), Verdict::Deny);
}

async fn a_held_call_goes_on_when_a_person_decides(backing: Backing) {
    let bench = Bench::new(backing).await;
    let held = tokio::spawn(admit(bench.channel.clone(), call("a", 1, 20_000)));
    let approval = bench.pending("").await;
    assert_eq!(bench.vote(&approval.id, "ben", true), State::Approved);
    let answer = held.await.unwrap().unwrap();
    assert_eq!((answer.verdict(), &answer.approval_id), (Verdict::Allow, &approval.id));
    // The same Admit again: the same answer. Another one: asked anew.
    assert_eq!(bench.admit(call("a", 1, 0)).await.unwrap().verdict(), Verdict::Allow);
    let anew = bench.admit(call("b", 1, 0)).await.unwrap();
    assert_eq!(anew.verdict(), Verdict::Pending);
    assert_ne!(anew.approval_id, approval.id);
    // Under the id of the first one, another call does not go on.
    assert_eq!(bench.admit(call("a", 2, 0)).await.unwrap().verdict(), Verdict::Deny);
    let actions = bench.actions();
    let expected =
        ["audit.chain.created", "approval.requested", "approval.approved", "approval.used", "approval.requested"];
    assert_eq!(actions, expected);
}

async fn the_same_call_attaches_and_another_asks_anew(backing: Backing) {
    let bench = Bench::new(backing).await;
    let first = bench.admit(call("a", 1, 10)).await.unwrap();
    assert_eq!(first.verdict(), Verdict::Pending);
    assert_eq!(bench.admit(call("b", 1, 0)).await.unwrap().approval_id, first.approval_id);
    let policy = AdmitRequest { policy_version: "1".repeat(64), ..call("c", 1, 0) };
    let tenant = AdmitRequest { tenant: "other".into(), ..call("d", 1, 0) };
    for other in [call("e", 2, 0), policy, tenant] {
        assert_ne!(bench.admit(other).await.unwrap().approval_id, first.approval_id);
    }
    assert_eq!(bench.vote(&first.approval_id, "ben", false), State::Denied);
    let denied = bench.admit(call("f", 1, 0)).await.unwrap();
    assert_eq!((denied.verdict(), denied.approval_id), (Verdict::Deny, first.approval_id));
}

async fn two_people_where_the_rule_says_so(backing: Backing) {
    let bench = Bench::new(backing).await;
    let mut request = call("a", 1, 20_000);
    if let Some(need) = &mut request.approval {
        need.quorum = 2;
    }
    let held = tokio::spawn(admit(bench.channel.clone(), request));
    let approval = bench.pending("").await;
    assert_eq!(bench.vote(&approval.id, "ben", true), State::Pending);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!held.is_finished());
    assert_eq!(bench.vote(&approval.id, "cleo", true), State::Approved);
    assert_eq!(held.await.unwrap().unwrap().verdict(), Verdict::Allow);
}

async fn expired_is_refused_and_then_asked_anew(backing: Backing) {
    let bench = Bench::new(backing).await;
    let mut request = call("a", 1, 20_000);
    if let Some(need) = &mut request.approval {
        need.expires_ms = 100;
    }
    let first = bench.admit(request).await.unwrap();
    assert_eq!(first.verdict(), Verdict::Deny, "{first:?}");
    let anew = bench.admit(call("b", 1, 0)).await.unwrap();
    assert_eq!(anew.verdict(), Verdict::Pending);
    assert_ne!(anew.approval_id, first.approval_id);
    assert!(bench.actions().contains(&"approval.expired".to_owned()));
}

async fn a_client_that_leaves_uses_nothing(backing: Backing) {
    let bench = Bench::new(backing).await;
    let held = tokio::spawn(admit(bench.channel.clone(), call("a", 1, 20_000)));
    let approval = bench.pending("").await;
    held.abort();
    let _ = held.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.vote(&approval.id, "ben", true), State::Approved);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.admit(call("b", 1, 0)).await.unwrap().verdict(), Verdict::Allow);
}

/// The law, over real connections: of all calls that wait for one approval, one goes on.
async fn no_approval_is_used_twice(backing: Backing) {
    let bench = Bench::new(backing).await;
    for round in 0..10 {
        let mut held = JoinSet::new();
        for n in 0..20 {
            // Every id is sent twice, as a filter does that lost its connection.
            let wait = if n % 3 == 0 { 0 } else { 5_000 };
            held.spawn(admit(bench.channel.clone(), call(&format!("{round}-{}", n / 2), round, wait)));
        }
        let approval = bench.pending("").await;
        bench.vote(&approval.id, "ben", true);
        let mut allowed = std::collections::BTreeSet::new();
        let mut after = 0;
        for id in 0..10 {
            let again = bench.admit(call(&format!("{round}-{id}"), round, 0)).await.unwrap();
            if again.verdict() == Verdict::Allow {
                allowed.insert(again.approval_id);
                after += 1;
            }
        }
        while let Some(answer) = held.join_next().await {
            let answer = answer.unwrap().unwrap();
            if answer.verdict() == Verdict::Allow {
                allowed.insert(answer.approval_id);
            }
        }
        assert_eq!((allowed.len(), after), (1, 1), "one approval, of one id");
        // What asked anew meanwhile is not this round's.
        let scope = bench.shared.store.tenant(&Tenant::new("").unwrap());
        for left in scope.approvals(Some(State::Pending), 100).unwrap() {
            bench.vote(&left.id, "ben", false);
        }
    }
    let used = bench.actions().iter().filter(|action| *action == "approval.used").count();
    assert_eq!(used, 10);
}

// === one-time codes ===

/// A confirmed authenticator of `anna`, whose secret is returned; the code of the step before now is used up.
async fn enrolled(bench: &Bench) -> Vec<u8> {
    let shared = Arc::clone(&bench.shared);
    let work = move || {
        let (tenant, holder) = (Tenant::new("").unwrap(), Holder::new(Kind::Human, "anna").unwrap());
        kept::enrol(&shared.credentials, &tenant, &holder, "anna").unwrap();
        let opened = kept::open(&shared.store, &shared.credentials, &tenant, &holder).unwrap().unwrap();
        let secret = opened.secret().to_vec();
        let code = totp::code(&secret, totp::step(clock::now()) - 1);
        kept::confirm(&shared.store, &shared.credentials, &tenant, &holder, &code, "anna").unwrap();
        // It is sealed anew with whatever key the tenant has.
        assert_eq!(shared.credentials.rotate(What::Dek, None, "admin").unwrap().rotated, 1);
        secret
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn with_code(request: AdmitRequest, code: &str) -> AdmitRequest {
    let mfa = Some(MfaNeed { rule: "obligation:code".into(), code: code.into() });
    AdmitRequest { mfa, ..request }
}

fn without_approval(request: AdmitRequest) -> AdmitRequest {
    AdmitRequest { approval: None, ..request }
}

async fn a_code_is_looked_at_before_anything_else_and_counts_for_one_admit(backing: Backing) {
    let bench = Bench::new(backing).await;
    let free = |id: &str| without_approval(call(id, 1, 0));
    let nobody = bench.admit(with_code(free("z"), "123456")).await.unwrap();
    assert_eq!((nobody.verdict(), nobody.mfa()), (Verdict::Deny, Mfa::Refused));
    let secret = enrolled(&bench).await;
    let code = totp::code(&secret, totp::step(clock::now()));
    let wrong = if code == "000000" { "000001" } else { "000000" };
    // Of a call whose code is wrong there is no approval and no intent.
    let intent = Some(AuditRecord { id: "x-i".into(), tenant: String::new(), json: br#"{"time":"t"}"#.to_vec() });
    let refused = bench.admit(AdmitRequest { intent, ..with_code(call("a", 1, 0), wrong) }).await.unwrap();
    assert_eq!((refused.verdict(), refused.mfa(), refused.approval_id.as_str()), (Verdict::Deny, Mfa::Refused, ""));
    // The same Admit as often as it asks, another one never.
    for (id, verdict, mfa) in
        [("b", Verdict::Allow, Mfa::Verified), ("b", Verdict::Allow, Mfa::Verified), ("c", Verdict::Deny, Mfa::Refused)]
    {
        let answer = bench.admit(with_code(free(id), &code)).await.unwrap();
        assert_eq!((answer.verdict(), answer.mfa()), (verdict, mfa), "{id}: {}", answer.reason);
    }
    for bad in ["", "12345", "12345a", "123456789"] {
        assert_eq!(bench.admit(with_code(free("d"), bad)).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let actions = bench.actions();
    let codes: Vec<_> = actions.iter().filter(|action| action.starts_with("mfa.")).collect();
    assert_eq!(codes, ["mfa.enrolled", "mfa.confirmed", "mfa.failed", "mfa.verified", "mfa.replayed"]);
}

// === states ===

fn returning(request: AdmitRequest, state: &str) -> AdmitRequest {
    AdmitRequest { client: Some(Client { retries: true, state: state.into() }), ..request }
}

async fn a_state_is_of_one_call_and_counts_once(backing: Backing) {
    let bench = Bench::new(backing).await;
    let first = bench.admit(returning(call("a", 1, 0), "")).await.unwrap();
    assert_eq!((first.verdict(), first.state.len()), (Verdict::Pending, 40));
    assert_eq!(first.link, format!("https://console.test/approvals/{}", first.approval_id));
    for (id, arguments, state) in [("b", 2, first.state.as_str()), ("c", 1, "0"), ("d", 3, "0")] {
        let stale = bench.admit(returning(call(id, arguments, 0), state)).await.unwrap();
        assert_eq!((stale.verdict(), stale.approval_id.as_str()), (Verdict::Deny, ""), "{id}");
        assert!(stale.reason.contains("request state"), "{}", stale.reason);
    }
    let second = bench.admit(returning(call("e", 1, 0), &first.state)).await.unwrap();
    assert_eq!((second.verdict(), &second.approval_id), (Verdict::Pending, &first.approval_id));
    assert_ne!(second.state, first.state);
    // Made again under the same id it is the same; under another one it is not.
    assert_eq!(bench.admit(returning(call("e", 1, 0), &first.state)).await.unwrap().verdict(), Verdict::Pending);
    assert_eq!(bench.admit(returning(call("f", 1, 0), &first.state)).await.unwrap().verdict(), Verdict::Deny);
    bench.vote(&first.approval_id, "ben", true);
    assert_eq!(bench.admit(returning(call("g", 1, 0), &second.state)).await.unwrap().verdict(), Verdict::Allow);
    assert_eq!(bench.admit(returning(call("h", 1, 0), &second.state)).await.unwrap().verdict(), Verdict::Deny);
    // Who cannot come back is given none.
    assert_eq!(bench.admit(call("i", 9, 0)).await.unwrap().state, "");
}

async fn a_state_says_that_the_code_of_its_call_was_right(backing: Backing) {
    let bench = Bench::new(backing).await;
    let secret = enrolled(&bench).await;
    let code = totp::code(&secret, totp::step(clock::now()));
    let first = bench.admit(with_code(returning(call("a", 1, 0), ""), &code)).await.unwrap();
    assert_eq!((first.verdict(), first.mfa()), (Verdict::Pending, Mfa::Verified));
    bench.vote(&first.approval_id, "ben", true);
    // The client sends what it sent before.
    let back = bench.admit(with_code(returning(call("b", 1, 0), &first.state), &code)).await.unwrap();
    assert_eq!((back.verdict(), back.mfa()), (Verdict::Allow, Mfa::Verified));
    // A state that was given without a code does not stand for one.
    let other = bench.admit(returning(call("c", 2, 0), "")).await.unwrap();
    let refused = bench.admit(with_code(returning(call("d", 2, 0), &other.state), &code)).await.unwrap();
    assert_eq!((refused.verdict(), refused.mfa()), (Verdict::Deny, Mfa::Refused));
}

/// Figures for docs/approvals.md: `cargo test --profile native -p portcullis thousand -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_thousand_held_at_once() {
    for backing in [Backing::Sqlite, Backing::Postgres] {
        println!("{backing:?}");
        thousand(backing).await;
    }
}

async fn thousand(backing: Backing) {
    let bench = Bench::new(backing).await;
    let began = Instant::now();
    let mut held = JoinSet::new();
    for n in 0..1000 {
        held.spawn(admit(bench.channel.clone(), call(&n.to_string(), n, 120_000)));
    }
    let scope = bench.shared.store.tenant(&Tenant::new("").unwrap());
    while scope.approvals(Some(State::Pending), 2000).unwrap().len() < 1000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("1000 pending after {:?}", began.elapsed());
    let began = Instant::now();
    for approval in scope.approvals(Some(State::Pending), 2000).unwrap() {
        bench.vote(&approval.id, "ben", true);
    }
    while let Some(answer) = held.join_next().await {
        assert_eq!(answer.unwrap().unwrap().verdict(), Verdict::Allow);
    }
    println!("1000 decided one by one and answered in {:?}", began.elapsed());
}

/// What is decided at one replica wakes the call that another holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_elsewhere_wakes_a_held_call() {
    let bed = Arc::new(Bed::new(Backing::Postgres));
    let (first, second) = (Bench::replica(&bed).await, Bench::replica(&bed).await);
    for round in 0..5 {
        let held = tokio::spawn(admit(first.channel.clone(), call(&format!("a{round}"), round, 30_000)));
        let also = tokio::spawn(admit(second.channel.clone(), call(&format!("b{round}"), round, 30_000)));
        let approval = second.pending("").await;
        // Both wait by now, or find it decided.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        assert_eq!(second.vote(&approval.id, "ben", true), State::Approved);
        let answers = [held.await.unwrap().unwrap().verdict(), also.await.unwrap().unwrap().verdict()];
        assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
        let allowed = answers.iter().filter(|verdict| **verdict == Verdict::Allow).count();
        assert_eq!(allowed, 1, "one approval, one call: {answers:?}");
    }
}

// === what filters are told ===

/// A kill switch for one tool.
fn stop(id: &str, tool: &str) -> Stop {
    Stop {
        id: id.into(),
        all_tenants: false,
        server: String::new(),
        tool: tool.into(),
        principal: String::new(),
        reason: "Incident 7".into(),
        since: clock::now(),
        by: "ben".into(),
        expires: None,
    }
}

async fn a_watch_is_answered_when_something_changes(backing: Backing) {
    let bed = Arc::new(Bed::new(backing));
    let bench = Bench::replica(&bed).await;
    let first = bench.watch("", 1000).await.unwrap();
    assert_eq!(first.told.unwrap().stops.len(), 0);
    // Nothing new: it is held, and says so.
    let began = Instant::now();
    let same = bench.watch(&first.revision, 300).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((same.revision.as_str(), same.told), (first.revision.as_str(), None));
    // Every tenant's, as soon as it is on disk.
    let mut revision = first.revision;
    for (tenant, id) in [("", "a"), ("acme", "b")] {
        let held = tokio::spawn(ask_news(bench.channel.clone(), revision.clone(), 20_000));
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.stop(tenant, stop(id, "delete"));
        let told = tokio::time::timeout(Duration::from_secs(1), held).await.unwrap().unwrap().unwrap();
        let stops = told.told.unwrap().stops;
        assert!(stops.iter().any(|stop| stop.id == id && !stop.tenant.is_empty()), "{stops:?}");
        revision = told.revision;
    }
    // What does not touch filters wakes nobody.
    let held = tokio::spawn(ask_news(bench.channel.clone(), revision.clone(), 300));
    bench.record(vec![record("r", "{}")]).await.unwrap();
    assert_eq!(held.await.unwrap().unwrap().told, None);
    // The same content has the same revision, at another replica and after a new start.
    if backing == Backing::Postgres {
        let other = Bench::replica(&bed).await;
        assert_eq!(other.watch("", 1000).await.unwrap().revision, revision);
        let held = tokio::spawn(ask_news(other.channel.clone(), revision.clone(), 20_000));
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.stop("", stop("c", "read"));
        let told = tokio::time::timeout(Duration::from_secs(2), held).await.unwrap().unwrap().unwrap();
        assert_eq!(told.told.unwrap().stops.len(), 3);
    }
    assert_eq!(bench.watch("", 0).await.map(|_| ()).map_err(|status| status.code()), Ok(()));
}

async fn a_kill_switch_refuses_what_asks_and_what_waits(backing: Backing) {
    let bench = Bench::new(backing).await;
    let held = tokio::spawn(admit(bench.channel.clone(), call("a", 1, 20_000)));
    let approval = bench.pending("").await;
    bench.stop("", stop("k1", "del*"));
    let answer = tokio::time::timeout(Duration::from_secs(1), held).await.unwrap().unwrap().unwrap();
    let expected = (Verdict::Deny, "kill_switch:k1", "A kill switch is on: Incident 7.");
    assert_eq!((answer.verdict(), answer.rule.as_str(), answer.reason.as_str()), expected);
    // Whatever people say meanwhile.
    assert_eq!(bench.vote(&approval.id, "ben", true), State::Approved);
    for tenant in ["", "default"] {
        let again = AdmitRequest { tenant: tenant.into(), ..call("b", 1, 0) };
        assert_eq!(bench.admit(again).await.unwrap().rule, "kill_switch:k1");
    }
    let other = AdmitRequest { tenant: "acme".into(), approval: None, ..call("c", 1, 0) };
    assert_eq!(bench.admit(other).await.unwrap().verdict(), Verdict::Allow);
    let work = |tx: &mut dyn crate::store::Tx| kill_switch::off(tx, "k1", "ben", |_| true);
    assert!(bench.shared.store.write(&Tenant::new("").unwrap(), work).unwrap().is_some());
    let began = Instant::now();
    while bench.admit(call("d", 1, 0)).await.unwrap().verdict() != Verdict::Allow {
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    let actions = bench.actions();
    assert!(["kill_switch.on", "kill_switch.off"].iter().all(|action| actions.iter().any(|known| known == action)));
}

async fn a_kill_switch_ends_with_its_time(backing: Backing) {
    let bench = Bench::new(backing).await;
    let expires = Some(clock::now() + 800_000);
    bench.stop("", Stop { expires, ..stop("k1", "delete") });
    let began = Instant::now();
    while !bench.actions().contains(&"kill_switch.expired".to_owned()) {
        assert!(began.elapsed() < Duration::from_secs(8));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(700));
    assert_eq!(bench.admit(call("a", 1, 0)).await.unwrap().verdict(), Verdict::Pending);
}

async fn filters_are_told_the_hashes_of_keys_and_no_more(backing: Backing) {
    let bench = Bench::new(backing).await;
    let tenant = Tenant::new("acme").unwrap();
    let grant = Grant {
        kind: Kind::Agent,
        principal: "bot".into(),
        roles: vec!["reader".into()],
        teams: Vec::new(),
        agent: String::new(),
        servers: vec!["files".into()],
        tools: Vec::new(),
    };
    let now = clock::now();
    let (key, secret) = CallerKey::new(grant.clone(), "ben", now, Some(now + 60_000_000)).unwrap();
    let (ended, _) = CallerKey::new(grant, "ben", now, Some(now)).unwrap();
    for kept in [key.clone(), ended] {
        assert!(bench.shared.store.write(&tenant, move |tx| caller_keys::create(tx, &kept)).unwrap());
    }
    let began = Instant::now();
    let told = loop {
        let told = bench.watch("", 0).await.unwrap().told.unwrap();
        if !told.keys.is_empty() {
            break told;
        }
        assert!(began.elapsed() < Duration::from_secs(1));
    };
    let [one] = &told.keys[..] else { panic!("{told:?}") };
    assert_eq!(
        (one.id.as_str(), one.tenant.as_str(), one.sha256.as_slice()),
        (&*key.id, "acme", &tokens::hash(&secret)[..])
    );
    assert!(!format!("{told:?}").contains(&secret) && !serde_json::to_string(&key).unwrap().contains(&secret));
    // When it was used is taken from records, once a minute at most, and tells filters nothing.
    let revision = bench.watch("", 0).await.unwrap().revision;
    let used = |id: &str, time: &str| AuditRecord {
        tenant: "acme".into(),
        ..record(id, &json!({"key_id": key.id, "time": time}).to_string())
    };
    let other =
        AuditRecord { tenant: "acme".into(), ..record("o", r#"{"key_id":"other","time":"2026-11-21T10:00:00Z"}"#) };
    for (records, expected) in [
        (vec![used("a", "2026-11-21T10:00:05Z"), other], "2026-11-21T10:00:05Z"),
        (vec![used("b", "2026-11-21T10:00:55Z")], "2026-11-21T10:00:05Z"),
        (vec![used("c", "2026-11-21T10:01:00Z"), used("d", "2026-11-21T09:00:00Z")], "2026-11-21T10:01:00Z"),
    ] {
        bench.record(records).await.unwrap();
        let id = key.id.clone();
        let last = bench.shared.store.read(&tenant, move |tx| caller_keys::last_use(tx, &id)).unwrap();
        assert_eq!(last.as_deref(), Some(expected));
    }
    assert_eq!(bench.shared.store.read(&tenant, |tx| caller_keys::last_use(tx, "other")).unwrap(), None);
    assert_eq!(bench.watch(&revision, 200).await.unwrap().told, None);
    let id = key.id.clone();
    let gone = bench.shared.store.write(&tenant, move |tx| caller_keys::revoke(tx, &id, "ben")).unwrap();
    assert_eq!(gone, Some(key));
    assert!(bench.watch(&revision, 1000).await.unwrap().told.unwrap().keys.is_empty());
}

async fn filters_are_told_what_was_seen_first_and_what_people_have_looked_at(backing: Backing) {
    let bench = Bench::new(backing).await;
    let versions: Vec<_> = (0..100_u8).map(|n| hex(&[n; 32])).collect();
    let seen = |n: usize| {
        let listed = json!({"server": "s", "time": "t", "versions": [{"tool": "add", "sha256": versions[n]}]});
        record(&format!("seen-{n}"), &listed.to_string())
    };
    let told = async |first: usize, approved: &[usize]| {
        let began = Instant::now();
        loop {
            let pins = bench.watch("", 0).await.unwrap().told.unwrap().pins;
            let bytes = |n: usize| vec![n as u8; 32];
            let approved: Vec<_> = approved.iter().map(|n| bytes(*n)).collect();
            match &pins[..] {
                [pin] if pin.first == bytes(first) && pin.approved == approved => {
                    assert_eq!((&*pin.tenant, &*pin.server, &*pin.tool), ("default", "s", "add"));
                    return;
                }
                other => assert!(began.elapsed() < Duration::from_secs(1), "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    bench.record(vec![seen(0)]).await.unwrap();
    told(0, &[]).await;
    // However many a server makes up, the first one stays.
    bench.record((1..100).map(seen).collect()).await.unwrap();
    told(0, &[]).await;
    let store = &bench.shared.store;
    let tenant = Tenant::new("").unwrap();
    for (version, approved) in [(99, &[99][..]), (98, &[99, 98]), (99, &[99, 98])] {
        let sha256 = versions[version].clone();
        let look = move |tx: &mut dyn crate::store::Tx| {
            crate::catalogue::acknowledge(tx, &crate::catalogue::id("s", "add"), &sha256, "anna", "")
        };
        assert!(matches!(store.write(&tenant, look).unwrap(), crate::catalogue::Acknowledged::Done(_)));
        told(0, approved).await;
    }
    // One that was trusted before there was a sidecar.
    let drift = json!({"server": "s", "time": "t", "drift": [{"tool": "sub", "severity": "low", "causes": [],
        "fields": [], "from": versions[5], "to": versions[6]}]});
    bench.record(vec![record("drift", &drift.to_string())]).await.unwrap();
    let began = Instant::now();
    while !bench
        .watch("", 0)
        .await
        .unwrap()
        .told
        .unwrap()
        .pins
        .iter()
        .any(|pin| pin.tool == "sub" && pin.first == [5; 32])
    {
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
