//! Quotas over real connections: several replicas, whatever is said twice, late or in another order.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::tests::{Bench, call};
use crate::proto::{
    AdmitRequest, AdmitResponse, FlowAsk, FlowBearer, FlowGain, QuotaAlgorithm, QuotaDemand, QuotaSettlement,
    RecordRequest, Verdict, quota_refusal,
};
use crate::state::Shared as State;
use crate::state::suite;
use crate::store::Store;
use crate::store::suite::{Backing, Bed};

/// Every test on every database.
macro_rules! on_each {
    ($($name:ident)*) => {
        mod on_sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Place::new(super::Backing::Sqlite, false)).await; })* }
        mod on_postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Place::new(super::Backing::Postgres, false)).await; })* }
        mod in_redis { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Place::new(super::Backing::Postgres, true)).await; })* }
    };
}

/// Where it is counted.
struct Place {
    bed: Arc<Bed>,
    redis: Option<String>,
}

impl Place {
    fn new(backing: Backing, redis: bool) -> Self {
        Self { bed: Arc::new(Bed::new(backing)), redis: redis.then(|| suite::Server::shared().database()) }
    }

    /// A sidecar there.
    async fn bench(&self) -> Bench {
        let url = self.redis.clone();
        let state = move |store: &Arc<Store>| match url {
            Some(url) => State::Redis(Arc::new(suite::open(&url, store, false))),
            None => State::Store(Arc::clone(store)),
        };
        Bench::counting(&self.bed, state).await
    }
}

on_each! {
    what_is_said_again_changes_nothing
    all_is_reserved_or_nothing
    a_call_that_is_refused_for_another_reason_gives_back
    callers_of_all_tenants_count_together_where_they_should
    what_is_no_demand_is_refused
    two_replicas_never_exceed_and_never_leak
    what_callers_gained_is_known_at_every_replica
}

fn demand(key: u8, limit: u64) -> QuotaDemand {
    let algorithm = QuotaAlgorithm::SlidingWindow.into();
    let (window_us, lease_us) = (3_600_000_000, 600_000_000);
    QuotaDemand {
        key: vec![key; 32],
        amount: 1,
        algorithm,
        limit,
        window_us,
        burst: limit,
        lease_us,
        ..Default::default()
    }
}

fn asks(id: &str, demands: &[QuotaDemand]) -> AdmitRequest {
    AdmitRequest { approval: None, demands: demands.to_vec(), ..call(id, 1, 0) }
}

fn ended(admit: &str, returned: &[u32]) -> QuotaSettlement {
    QuotaSettlement { id: format!("{admit}-q"), admit: admit.into(), returned: returned.to_vec(), ..Default::default() }
}

fn held(answer: &AdmitResponse) -> bool {
    let held = answer.quotas.as_ref().is_some_and(|quotas| quotas.held);
    assert_eq!(held, answer.verdict() == Verdict::Allow, "{answer:?}");
    held
}

impl Bench {
    async fn tries(&self, id: &str, demands: &[QuotaDemand]) -> bool {
        held(&self.admit(asks(id, demands)).await.unwrap())
    }

    async fn tells(&self, settlements: Vec<QuotaSettlement>) {
        let ids: BTreeSet<_> = settlements.iter().map(|one| one.id.clone()).collect();
        let answer = self.send(RecordRequest { settlements, ..Default::default() }).await.unwrap();
        assert_eq!(answer.accepted.into_iter().collect::<BTreeSet<_>>(), ids);
        assert!(answer.rejected.is_empty());
    }
}

async fn what_is_said_again_changes_nothing(place: Place) {
    let bench = place.bench().await;
    let two = [demand(1, 2)];
    assert!(bench.tries("a", &two).await && bench.tries("a", &two).await);
    assert!(bench.tries("b", &two).await && !bench.tries("c", &two).await);
    bench.tells(vec![ended("a", &[0])]).await;
    bench.tells(vec![ended("a", &[0]), ended("a", &[])]).await;
    assert!(!bench.tries("a", &two).await, "it is over");
    assert!(bench.tries("d", &two).await && !bench.tries("e", &two).await);
    // What is over before it began is not begun any more.
    bench.tells(vec![ended("f", &[0]), ended("d", &[0])]).await;
    assert!(!bench.tries("f", &two).await && bench.tries("g", &two).await);
    bench.tells(vec![QuotaSettlement { renew: true, ..ended("g", &[]) }, ended("b", &[]), ended("g", &[])]).await;
    assert!(!bench.tries("h", &two).await);
    let bad = ended("x y", &[]);
    let answer = bench.send(RecordRequest { settlements: vec![bad], ..Default::default() }).await.unwrap();
    assert!(answer.accepted.is_empty() && answer.rejected.len() == 1);
}

async fn all_is_reserved_or_nothing(place: Place) {
    let bench = place.bench().await;
    let both = [demand(1, 2), demand(2, 1)];
    assert!(bench.tries("a", &both).await);
    bench.tells(vec![ended("a", &[])]).await;
    let answer = bench.admit(asks("b", &both)).await.unwrap();
    let quotas = answer.quotas.unwrap();
    let [refusal] = &quotas.refusals[..] else { panic!("{quotas:?}") };
    assert_eq!((answer.verdict, refusal.index, refusal.why()), (5, 1, quota_refusal::Why::UsedUp));
    assert!((3_590_000_000..=3_660_000_000).contains(&refusal.retry_us), "{}", refusal.retry_us);
    assert!(bench.tries("c", &both[..1]).await, "the first gave back what it had");
    let shadow = QuotaDemand { shadow: true, ..demand(2, 1) };
    let answer = bench.admit(asks("d", &[shadow])).await.unwrap();
    assert!(held(&answer) && answer.quotas.unwrap().refusals.len() == 1);
    let much = QuotaDemand { amount: 9, ..demand(3, 5) };
    let answer = bench.admit(asks("e", &[much])).await.unwrap();
    assert_eq!(answer.quotas.unwrap().refusals[0].why(), quota_refusal::Why::TooMuch);
}

async fn a_call_that_is_refused_for_another_reason_gives_back(place: Place) {
    let bench = place.bench().await;
    let one = [demand(1, 1)];
    let need = crate::proto::CredentialNeed { required: true };
    let answer = bench.admit(AdmitRequest { credential: Some(need), ..asks("a", &one) }).await.unwrap();
    assert_eq!(answer.verdict(), Verdict::NoCredential);
    // Held by nobody while people decide; looked at before they are asked.
    let waits = AdmitRequest { demands: one.to_vec(), ..call("b", 1, 0) };
    assert_eq!(bench.admit(waits.clone()).await.unwrap().verdict(), Verdict::Pending);
    assert!(bench.tries("c", &one).await);
    assert_eq!(bench.admit(AdmitRequest { id: "d".into(), ..waits }).await.unwrap().verdict(), Verdict::OverQuota);
}

async fn callers_of_all_tenants_count_together_where_they_should(place: Place) {
    let bench = place.bench().await;
    let all = QuotaDemand { common: true, ..demand(9, 2) };
    let of =
        |tenant: &str, id: &str, demands: &[QuotaDemand]| AdmitRequest { tenant: tenant.into(), ..asks(id, demands) };
    let demands = [demand(1, 1), all];
    assert!(held(&bench.admit(of("x", "a", &demands)).await.unwrap()));
    assert!(held(&bench.admit(of("y", "b", &demands)).await.unwrap()), "the own one is another's");
    assert!(!held(&bench.admit(of("", "c", &demands[1..])).await.unwrap()), "all together are two");
    assert!(!held(&bench.admit(of("z", "d", &demands)).await.unwrap()));
    let common = QuotaSettlement { tenant: "x".into(), common: true, ..ended("a", &[0, 1]) };
    bench.tells(vec![common]).await;
    assert!(held(&bench.admit(of("x", "e", &demands)).await.unwrap()), "both came back");
    assert!(held(&bench.admit(of("z", "f", &demands[..1])).await.unwrap()), "a refusal gave back what it had");
}

async fn what_is_no_demand_is_refused(place: Place) {
    let bench = place.bench().await;
    for bad in [
        QuotaDemand { key: vec![1; 31], ..demand(1, 1) },
        QuotaDemand { algorithm: 0, ..demand(1, 1) },
        QuotaDemand { algorithm: 9, ..demand(1, 1) },
        QuotaDemand { limit: 0, ..demand(1, 1) },
        QuotaDemand { window_us: 0, ..demand(1, 1) },
        QuotaDemand { lease_us: u64::MAX, ..demand(1, 1) },
    ] {
        assert_eq!(bench.admit(asks("a", &[bad])).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
    assert!(bench.admit(asks("a", &vec![demand(1, 1); 1025])).await.is_err());
    assert!(bench.admit(asks("", &[demand(1, 1)])).await.is_err());
}

/// Calls of all kinds at two replicas at a time: what was admitted and not given back is never more than the limit, and at the
/// end exactly the rest is there.
async fn two_replicas_never_exceed_and_never_leak(place: Place) {
    let first = Arc::new(place.bench().await);
    // SQLite is one process's.
    let alone = place.bed.backing == Backing::Sqlite;
    let second = if alone { Arc::clone(&first) } else { Arc::new(place.bench().await) };
    let demands = Arc::new([demand(1, 20), QuotaDemand { common: true, ..demand(2, 30) }]);
    let mut calls = JoinSet::new();
    for number in 0..120_u32 {
        let (one, other) = (Arc::clone(&first), Arc::clone(&second));
        let demands = Arc::clone(&demands);
        calls.spawn(async move {
            let (here, there) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
            let id = format!("call-{number}");
            let demands = if number % 3 == 0 { &demands[..1] } else { &demands[..] };
            if number % 10 == 9 {
                // Its filter went away before it heard the answer, and said so; perhaps earlier.
                let (asked, _) = tokio::join!(here.admit(asks(&id, demands)), there.tells(vec![ended(&id, &[0, 1])]));
                drop(asked);
                return 0;
            }
            if !here.tries(&id, demands).await {
                return 0;
            }
            if number % 7 == 0 {
                assert!(there.tries(&id, demands).await, "the same call, at the other");
            }
            let fails = number % 4 == 0;
            let end = ended(&id, if fails { &[0, 1] } else { &[] });
            there.tells(vec![end.clone()]).await;
            if number % 5 == 0 {
                here.tells(vec![end]).await;
            }
            usize::from(!fails)
        });
    }
    let mut done = 0;
    while let Some(kept) = calls.join_next().await {
        done += kept.unwrap();
    }
    assert!(done <= 20, "{done}");
    let mut left = 0;
    while first.tries(&format!("rest-{left}"), &demands[..1]).await {
        left += 1;
    }
    assert_eq!(done + left, 20);
}

/// Labels are kept in the store, wherever quotas are counted.
async fn what_callers_gained_is_known_at_every_replica(place: Place) {
    let first = place.bench().await;
    let replica = if place.bed.backing == Backing::Sqlite { None } else { Some(place.bench().await) };
    let second = replica.as_ref().unwrap_or(&first);
    let bearer = |caller: u8, session: Option<u8>| FlowBearer {
        session: session.map_or(Vec::new(), |session| vec![session; 32]),
        caller: vec![caller; 32],
        decay_us: 3_600_000_000,
        decay_calls: 0,
    };
    let knows = async |bench: &Bench, tenant: &str, bearer: FlowBearer| {
        let flow = Some(FlowAsk { bearer: Some(bearer), counted: false });
        let answer = bench.admit(AdmitRequest { tenant: tenant.into(), flow, ..asks("a", &[]) }).await.unwrap();
        let known = answer.flow.unwrap();
        (
            ["private", "untrusted"]
                .map(|label| known.carried.windows(label.len()).any(|part| part == label.as_bytes())),
            known.session,
        )
    };
    let gain = |id: &str, bearer: FlowBearer, label: &str| FlowGain {
        id: id.into(),
        tenant: "x".into(),
        bearer: Some(bearer),
        labels: vec![label.into()],
        prints: vec![1, 2, 3, 4, 5],
        ..Default::default()
    };
    let send = async |bench: &Bench, gains: Vec<FlowGain>| {
        let answer = bench.send(RecordRequest { gains, ..Default::default() }).await.unwrap();
        (answer.accepted.len(), answer.rejected.len())
    };
    assert_eq!(knows(&first, "x", bearer(1, None)).await, ([false, false], false));
    let one = gain("g1", bearer(1, None), "private");
    assert_eq!(send(&first, vec![one.clone(), gain("g2", bearer(2, None), "untrusted")]).await, (2, 0));
    assert_eq!(send(second, vec![one, gain("g3", bearer(1, None), "untrusted")]).await, (2, 0));
    assert_eq!(knows(second, "x", bearer(1, None)).await.0, [true, true]);
    assert_eq!(knows(&first, "x", bearer(2, None)).await.0, [false, true]);
    assert_eq!(knows(&first, "y", bearer(1, None)).await.0, [false, false], "another tenant's");
    let began = FlowGain { labels: Vec::new(), began: true, ..gain("g4", bearer(1, Some(7)), "") };
    assert_eq!(send(second, vec![began, gain("g5", bearer(1, Some(7)), "private")]).await, (2, 0));
    assert_eq!(knows(&first, "x", bearer(1, Some(7))).await, ([true, false], true));
    for bad in [
        gain("g 6", bearer(1, None), "private"),
        gain("g6", FlowBearer { caller: vec![1; 31], ..bearer(1, None) }, "private"),
        gain("g6", FlowBearer { decay_us: 0, ..bearer(1, None) }, "private"),
        gain("g6", bearer(1, None), ""),
        FlowGain { prints: vec![1; 6], ..gain("g6", bearer(1, None), "private") },
        FlowGain { ended: true, ..gain("g6", bearer(1, None), "private") },
        FlowGain { bearer: None, ..gain("g6", bearer(1, None), "private") },
    ] {
        assert_eq!(send(&first, vec![bad.clone()]).await, (0, 1), "{bad:?}");
    }
    let names: Vec<_> = (0..32).map(|number| format!("l{number}")).collect();
    let many = FlowGain { labels: names, ..gain("g7", bearer(1, None), "") };
    assert_eq!(send(&first, vec![many]).await, (0, 1), "more than can be kept");
    assert_eq!(knows(second, "x", bearer(1, None)).await.0, [true, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_calls_are_refused_and_then_it_heals() {
    let bed = Arc::new(Bed::new(Backing::Sqlite));
    let mut server = suite::Server::start();
    let url = server.database();
    let bench = Bench::counting(&bed, |store| State::Redis(Arc::new(suite::open(&url, store, false)))).await;
    let two = [demand(1, 2)];
    assert!(bench.tries("a", &two).await);
    server.tell("stop");
    assert_eq!(bench.admit(asks("b", &two)).await.unwrap_err().code(), tonic::Code::Unavailable);
    let shadow = [QuotaDemand { shadow: true, ..demand(2, 2) }];
    let answer = bench.admit(asks("s", &shadow)).await.unwrap();
    assert!(answer.verdict() == Verdict::Allow && !answer.quotas.unwrap().held, "what never refuses goes on");
    assert!(bench.send(RecordRequest { settlements: vec![ended("a", &[0])], ..Default::default() }).await.is_err());
    server.tell("start");
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(bench.tries("c", &two).await && !bench.tries("d", &two).await, "what was counted is still there");
    bench.tells(vec![ended("a", &[0])]).await;
    assert!(bench.tries("e", &two).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_redis_has_lost_are_not_taken_for_none() {
    let bed = Arc::new(Bed::new(Backing::Sqlite));
    let mut server = suite::Server::start();
    let url = server.database();
    let strict = Bench::counting(&bed, |store| State::Redis(Arc::new(suite::open(&url, store, false)))).await;
    let two = [demand(1, 2)];
    assert!(strict.tries("a", &two).await);
    server.tell("forget");
    for id in ["b", "c"] {
        let refused = strict.admit(asks(id, &two)).await.unwrap_err();
        assert!(refused.message().contains("lost") || refused.message().contains("does not answer"), "{refused}");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    let again = Bench::counting(&bed, |store| State::Redis(Arc::new(suite::open(&url, store, false)))).await;
    assert!(again.admit(asks("d", &two)).await.unwrap_err().message().contains("lost"));
    // Somebody says that it may begin anew.
    let anew = Bench::counting(&bed, |store| State::Redis(Arc::new(suite::open(&url, store, true)))).await;
    assert!(anew.tries("e", &two).await && anew.tries("f", &two).await && !anew.tries("g", &two).await);
    server.ask(&["config", "set", "appendonly", "no"]);
    let kept = Bench::counting(&bed, |store| State::Redis(Arc::new(suite::open(&url, store, false)))).await;
    assert!(kept.admit(asks("h", &two)).await.unwrap_err().message().contains("appendonly"));
    assert!(!anew.tries("h", &two).await);
}
