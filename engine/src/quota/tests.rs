//! Workers that get into each other's way, stores that fail, calls that crash: what was let through
//! never exceeds the limit, and nothing that came back is lost.

use std::sync::{Arc, Mutex};

use super::{Charge, Counted, End, Quotas};
use crate::config::Config;
use crate::json::{Document, Limits};
use crate::mcp::Capability;
use crate::principal::Principal;
use crate::state::{MemoryStore, Revision, Store, Stored, Unavailable};

const SECOND: u64 = 1_000_000;
const WINDOW: u64 = 60 * SECOND;
const LEASE: u64 = 20 * SECOND;
const SLOT: u64 = WINDOW / 64;
const START: u64 = 1_780_000_000 * SECOND;

fn quotas(json: &str) -> Arc<Quotas> {
    let text = format!(r#"{{"version": "1", "sidecar": {{}}, "quotas": {json}}}"#);
    let config = Config::from_json(text.as_bytes()).unwrap();
    Arc::new(Quotas::compile(&config).unwrap())
}

fn charge(quotas: &Quotas, tool: &str, amount: u64) -> Charge {
    let arguments = format!(r#"{{"amount": {amount}}}"#);
    let document = Document::parse(arguments.as_bytes(), &Limits::default()).unwrap();
    quotas.charge(&Counted {
        principal: &Principal::default(),
        server: "s",
        session: &[],
        method: "tools/call",
        capability: Capability::Tool,
        names: &[tool],
        arguments: Some(document.root()),
        moment: crate::cel::Moment::default(),
    })
}

// === the model ===

/// How one run goes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    algorithm: &'static str,
    /// Two quotas over each call, one of them for both tools.
    two: bool,
    /// In so many of a thousand store operations, each.
    swaps_fail: u64,
    unavailable: u64,
    overtaken: u64,
    /// So many of a thousand calls.
    crash: u64,
    fail: u64,
    /// How far behind the clock that a worker has read may be, in microseconds.
    skew: u64,
    /// Sidecars count, by what several Envoys tell them, some of it twice.
    shared: bool,
}

/// What one counter let through.
#[derive(Clone, Copy, Debug)]
struct Event {
    time: u64,
    amount: u64,
    /// From then on it does not count any more.
    returned: u64,
}

struct Call {
    charge: Charge,
    /// Indices of its events: (counter, event).
    events: Vec<(usize, usize)>,
    /// Where a sidecar counts: the Admit, and when its lease began.
    admit: String,
    leased: u64,
}

#[derive(Default)]
struct Model {
    now: u64,
    dice: u64,
    /// By counter: tool a, tool b, both.
    events: [Vec<Event>; 3],
    calls: Vec<Call>,
    admitted: usize,
    depth: usize,
}

struct World {
    plan: Plan,
    quotas: Arc<Quotas>,
    inner: MemoryStore,
    model: Mutex<Model>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.plan.fmt(f)
    }
}

impl Store for World {
    fn read(&self, name: &str) -> Result<Stored, Unavailable> {
        if self.chance(self.plan.unavailable) { Err(Unavailable) } else { self.inner.read(name) }
    }

    fn swap(&self, name: &str, value: &[u8], expected: Revision) -> Result<bool, Unavailable> {
        if self.chance(self.plan.unavailable) {
            return Err(Unavailable);
        }
        // Another worker does something between the look and the write.
        if self.chance(self.plan.overtaken) {
            let deeper = {
                let mut model = self.model.lock().unwrap();
                model.depth += 1;
                model.depth <= 3
            };
            if deeper {
                self.step();
            }
            self.model.lock().unwrap().depth -= 1;
        }
        if self.chance(self.plan.swaps_fail) { Ok(false) } else { self.inner.swap(name, value, expected) }
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let more = |id: &str, limit: &str, per: &str| {
            format!(
                r#"{{"id": "{id}", "limit": "{limit}/minute", "algorithm": "{}", "per": [{per}], "amount": "amount",
                    "store": "{}", "lease": "20s"}}"#,
                plan.algorithm,
                if plan.shared { "sidecar" } else { "local" }
            )
        };
        let all = if plan.two { format!(", {}", more("all", "15", "")) } else { String::new() };
        let quotas = quotas(&format!("[{}{all}]", more("each", "10", r#""tool""#)));
        let model = Model { now: START, dice: plan.seed, ..Model::default() };
        Self { plan, quotas, inner: MemoryStore::default(), model: Mutex::new(model) }
    }

    /// The next number of the run (SplitMix64, Steele et al. 2014).
    fn dice(&self, sides: u64) -> u64 {
        let mut model = self.model.lock().unwrap();
        model.dice = model.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = model.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn chance(&self, of_a_thousand: u64) -> bool {
        of_a_thousand > 0 && self.dice(1000) < of_a_thousand
    }

    /// The time as some worker has read it.
    fn clock(&self) -> u64 {
        let late = if self.plan.skew == 0 { 0 } else { self.dice(self.plan.skew) };
        self.model.lock().unwrap().now - late
    }

    /// One thing that one worker does.
    fn step(&self) {
        let deep = self.model.lock().unwrap().depth > 0;
        let pause = match self.dice(10) {
            // What overtakes another step does so at once: how far clocks differ is the plan's to say.
            _ if deep => 0,
            0 => self.dice(LEASE / 12),
            1..=3 => self.dice(SECOND),
            _ => self.dice(2000),
        };
        self.model.lock().unwrap().now += pause;
        self.renew();
        match self.dice(3) {
            0 => self.end_one(),
            _ => self.begin(),
        }
    }

    fn begin(&self) {
        let tool = self.dice(2) as usize;
        let amount = 1 + self.dice(3);
        let mut charge = charge(&self.quotas, ["a", "b"][tool], amount);
        let admit = self.dice(u64::MAX).to_string();
        let leased = self.clock();
        let reserved = match self.plan.shared {
            true => self.ask(&mut charge, &admit, leased),
            false => charge.reserve(self, leased).is_ok(),
        };
        let counters = if self.plan.two { vec![tool, 2] } else { vec![tool] };
        if !reserved {
            if self.plan.unavailable + self.plan.overtaken == 0 {
                let necessary = counters.iter().any(|counter| self.needs_refusal(*counter, amount));
                assert!(necessary, "refused without need: {self:?}");
            }
            return;
        }
        let mut model = self.model.lock().unwrap();
        let now = model.now;
        model.admitted += 1;
        let mut events = Vec::new();
        for counter in counters {
            model.events[counter].push(Event { time: now, amount, returned: u64::MAX });
            events.push((counter, model.events[counter].len() - 1));
            self.check(&model.events[counter], counter, now);
        }
        model.calls.push(Call { charge, events, admit, leased });
    }

    /// As an Admit does, made again if its answer is lost.
    fn ask(&self, charge: &mut Charge, admit: &str, now: u64) -> bool {
        let demands = charge.demands().unwrap();
        let demands: Vec<_> = (0..).zip(&demands).collect();
        let reserved = super::reserve(self, admit, &demands, now);
        if !reserved.held {
            let refused = charge.denied(&reserved).unwrap();
            assert!(refused.retry_us.is_some() || refused.reason.contains("than the limit"), "{refused:?}");
            return false;
        }
        if self.chance(100) {
            assert!(super::reserve(self, admit, &demands, now).held, "what is said again is held already");
        }
        charge.granted(&reserved, now);
        true
    }

    /// As the outbox does: again and again until it is heard, and perhaps once more.
    fn tell(&self, settlement: &super::Settlement) {
        let now = self.clock();
        match settlement.renew {
            true => super::renew(self, &settlement.admit, now).unwrap(),
            false => super::settle(self, &settlement.admit, &settlement.returned, now).unwrap(),
        }
        if self.chance(100) && !settlement.renew {
            super::settle(self, &settlement.admit, &[0, 1], now).unwrap();
            let late = charge(&self.quotas, "a", 1).demands().unwrap();
            assert!(!super::reserve(self, &settlement.admit, &[(0, &late[0])], now).held, "it is over");
        }
    }

    /// Ends one call, or lets it crash: then nobody ends it.
    fn end_one(&self) {
        let Some(mut call) = self.take_call() else { return };
        if self.chance(self.plan.crash) {
            let returned = self.model.lock().unwrap().now;
            // It comes back when its lease ends, which is not before this.
            let held = call.charge.0.iter().filter_map(|part| part.held).map(|held| held.until_us);
            let shared = self.plan.shared.then_some(call.leased + LEASE);
            self.returned(&call, held.chain(shared).min().unwrap_or(returned));
            return;
        }
        let end = if self.chance(self.plan.fail) { End::Failed } else { End::Done };
        if end == End::Failed {
            // Its counters are changed one by one, and what comes back in the first may be used at once.
            let now = self.model.lock().unwrap().now;
            self.returned(&call, now);
        }
        if let Some((settlement, _)) = call.charge.settle_shared(&call.admit, "", end) {
            self.tell(&settlement);
        }
        // A store that cannot say is asked again; the share is still held then.
        while call.charge.0.iter().any(|part| part.held.is_some()) {
            call.charge.settle(self, self.clock(), end);
        }
    }

    fn take_call(&self) -> Option<Call> {
        let count = self.model.lock().unwrap().calls.len() as u64;
        if count == 0 {
            return None;
        }
        let position = self.dice(count) as usize;
        let mut model = self.model.lock().unwrap();
        // Another worker may have ended some meanwhile.
        (position < model.calls.len()).then(|| model.calls.swap_remove(position))
    }

    fn returned(&self, call: &Call, at: u64) {
        let mut model = self.model.lock().unwrap();
        for (counter, event) in &call.events {
            model.events[*counter][*event].returned = at;
        }
    }

    /// As each piece of a response does.
    fn renew(&self) {
        let mut calls = std::mem::take(&mut self.model.lock().unwrap().calls);
        for call in &mut calls {
            call.charge.renew(self, self.clock());
            let now = self.clock();
            if let Some(renewal) = call.charge.renew_shared(&call.admit, "", now) {
                self.tell(&renewal);
                call.leased = now;
            }
        }
        self.model.lock().unwrap().calls.append(&mut calls);
    }

    fn limit(counter: usize) -> u64 {
        if counter == 2 { 15 } else { 10 }
    }

    /// No span of time holds more than the limit.
    fn check(&self, events: &[Event], counter: usize, now: u64) {
        let counts = |event: &&Event| event.returned > now;
        let limit = Self::limit(counter);
        let sum = |since: &dyn Fn(u64) -> bool| -> u64 {
            events.iter().filter(counts).filter(|event| since(event.time)).map(|event| event.amount).sum()
        };
        let skew = self.plan.skew;
        match self.plan.algorithm {
            "sliding_window" => {
                let used = sum(&|time| time + WINDOW - skew > now);
                assert!(used <= limit, "{used} of {limit} at {}: {self:?}", now - START);
            }
            "fixed_window" => {
                let used = sum(&|time| time / WINDOW == now / WINDOW);
                assert!(used <= limit, "{used} of {limit} at {}: {self:?}", now - START);
            }
            _ => {
                for first in events.iter().filter(counts) {
                    let used = sum(&|time| time >= first.time);
                    let filled = limit * (now - first.time + skew) / WINDOW;
                    assert!(used <= limit + filled + 1, "{used} of {limit}+{filled}: {self:?}");
                }
            }
        }
    }

    /// Whether the limit would have been exceeded, as precisely as is promised.
    fn needs_refusal(&self, counter: usize, amount: u64) -> bool {
        let model = self.model.lock().unwrap();
        let now = model.now;
        let events = model.events[counter]
            .iter()
            .filter(|event| event.returned == u64::MAX || event.returned > now - self.plan.skew);
        let used: u64 = match self.plan.algorithm {
            "sliding_window" => {
                events.filter(|event| event.time + WINDOW + SLOT + self.plan.skew > now).map(|event| event.amount).sum()
            }
            "fixed_window" => {
                events.filter(|event| event.time / WINDOW == now / WINDOW).map(|event| event.amount).sum()
            }
            _ => return true,
        };
        used + amount > Self::limit(counter)
    }

    /// Ends all that is under way; then, `later`, the whole limit must be there again.
    fn drain(&self, later: u64) {
        while !self.model.lock().unwrap().calls.is_empty() {
            self.end_one();
        }
        let now = self.model.lock().unwrap().now + later;
        for tool in ["a", "b"] {
            let mut whole = charge(&self.quotas, tool, 10);
            whole.count_here();
            for part in &mut whole.0 {
                // Where the sidecar has its counters.
                part.key =
                    if self.plan.shared { blake3::hash(&part.key).as_bytes().to_vec() } else { part.key.clone() };
            }
            assert!(whole.reserve(&self.inner, now).is_ok(), "{tool} leaked: {self:?}");
            whole.settle(&self.inner, now, End::Failed);
        }
    }
}

fn run(plan: Plan, steps: usize) -> usize {
    let world = World::new(plan);
    for _ in 0..steps {
        world.step();
    }
    let nothing_kept = plan.fail == 1000 && plan.crash == 0;
    world.drain(if nothing_kept { 0 } else { WINDOW + 2 * LEASE });
    world.model.into_inner().unwrap().admitted
}

fn calm(seed: u64, algorithm: &'static str) -> Plan {
    Plan {
        seed,
        algorithm,
        two: false,
        swaps_fail: 0,
        unavailable: 0,
        overtaken: 0,
        crash: 0,
        fail: 300,
        skew: 0,
        shared: false,
    }
}

const ALGORITHMS: [&str; 3] = ["sliding_window", "fixed_window", "token_bucket"];

#[test]
fn thousands_of_interleavings_never_exceed_and_never_leak() {
    let mut admitted = 0;
    for seed in 0..2000 {
        let algorithm = ALGORITHMS[seed as usize % 3];
        // The calendar is told by the clock that was read: skew would only blur the model.
        let skew = if seed % 2 == 0 || algorithm == "fixed_window" { 0 } else { 50_000 };
        admitted += run(
            Plan {
                two: seed % 4 > 1,
                swaps_fail: 200,
                unavailable: if seed % 5 == 0 { 50 } else { 0 },
                overtaken: 300,
                crash: 150,
                skew,
                ..calm(seed, algorithm)
            },
            100,
        );
    }
    assert!(admitted > 30_000, "{admitted}");
}

#[test]
fn sidecars_count_as_exactly_for_several_envoys() {
    let mut admitted = 0;
    for seed in 0..2000 {
        let algorithm = ALGORITHMS[seed as usize % 3];
        let skew = if seed % 2 == 0 || algorithm == "fixed_window" { 0 } else { 50_000 };
        let overtaken = if seed % 4 == 0 { 0 } else { 300 };
        let plan = Plan { two: seed % 4 > 1, swaps_fail: 200, overtaken, skew, shared: true, ..calm(seed, algorithm) };
        // When exactly a lease ends that nobody gave back, only the sidecar knows.
        admitted += run(Plan { crash: if overtaken > 0 { 150 } else { 0 }, ..plan }, 100);
    }
    assert!(admitted > 30_000, "{admitted}");
    for seed in 0..600 {
        let plan = Plan { shared: true, fail: 1000, two: seed % 2 == 0, ..calm(seed, ALGORITHMS[seed as usize % 3]) };
        run(plan, 150);
    }
}

#[test]
fn nothing_is_refused_without_need() {
    for seed in 0..600 {
        run(Plan { swaps_fail: 200, crash: 100, ..calm(seed, ALGORITHMS[seed as usize % 3]) }, 200);
    }
}

#[test]
fn what_fails_is_there_again_at_once() {
    for seed in 0..600 {
        let plan = calm(seed, ALGORITHMS[seed as usize % 3]);
        run(Plan { fail: 1000, two: seed % 2 == 0, overtaken: 300, swaps_fail: 200, ..plan }, 150);
    }
}

#[test]
fn threads_share_one_limit_exactly() {
    for algorithm in ALGORITHMS {
        let quotas = quotas(&format!(r#"[{{"id": "q", "limit": "500/day", "algorithm": "{algorithm}"}}]"#));
        let store = Arc::new(MemoryStore::default());
        let kept: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut kept = 0;
                        for round in 0..400 {
                            let mut charge = charge(&quotas, "t", 1);
                            while let Err(refused) = charge.reserve(&*store, START) {
                                if refused.retry_us.is_some() {
                                    return kept;
                                }
                            }
                            let end = if round % 4 == 0 { End::Failed } else { End::Done };
                            kept += usize::from(end == End::Done);
                            while charge.0[0].held.is_some() {
                                charge.settle(&*store, START, end);
                            }
                        }
                        kept
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let mut left = 0;
        while charge(&quotas, "t", 1).reserve(&*store, START).is_ok() {
            left += 1;
        }
        assert_eq!(kept + left, 500, "{algorithm}");
    }
}

// === what counts, and how it is told ===

#[test]
fn each_counts_for_itself() {
    let caller = |id: &str, tenant: &str| Principal {
        id: id.to_owned(),
        tenant: Some(tenant.to_owned()),
        ..Principal::default()
    };
    let all = [caller("ann", "x"), caller("bob", "x"), caller("ann", "y")];
    for (per, counters) in
        [("", 1), (r#""principal""#, 3), (r#""tenant""#, 2), (r#""tool""#, 2), (r#""server", "session""#, 4)]
    {
        let quotas = quotas(&format!(r#"[{{"id": "q", "limit": "1/day", "per": [{per}]}}]"#));
        let store = MemoryStore::default();
        let mut admitted = 0;
        for principal in &all {
            for (server, tool, session) in [("s", "a", b"1"), ("s", "b", b"1"), ("t", "a", b"2"), ("s", "a", b"2")] {
                // A tool is one of its server.
                let server = if per == r#""tool""# { "s" } else { server };
                let mut charge = quotas.charge(&Counted {
                    principal,
                    server,
                    session,
                    method: "tools/call",
                    capability: Capability::Tool,
                    names: &[tool],
                    arguments: None,
                    moment: crate::cel::Moment::default(),
                });
                admitted += usize::from(charge.reserve(&store, START).is_ok());
            }
        }
        assert_eq!(admitted.min(counters), admitted, "{per}");
        assert_eq!(admitted, if counters == 4 { 3 } else { counters }, "{per}");
    }
}

#[test]
fn sessions_and_lists_count_only_where_they_are_named() {
    let message = |method, capability| Counted::<&str> {
        principal: const {
            &Principal {
                kind: None,
                id: String::new(),
                tenant: None,
                roles: Vec::new(),
                teams: Vec::new(),
                agent: None,
            }
        },
        server: "s",
        session: &[],
        method,
        capability,
        names: &[],
        arguments: None,
        moment: crate::cel::Moment::default(),
    };
    let broad = quotas(r#"[{"id": "q", "limit": "1/day"}]"#);
    assert!(broad.charge(&message("initialize", Capability::Protocol)).is_empty());
    assert!(broad.charge(&message("tools/list", Capability::List)).is_empty());
    assert!(!broad.charge(&message("x/unknown", Capability::Unknown)).is_empty());
    let lists = quotas(r#"[{"id": "q", "limit": "1/day", "match": {"capability": ["list"]}}]"#);
    assert!(!lists.charge(&message("tools/list", Capability::List)).is_empty());
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let quotas = quotas(
        r#"[{"id": "q", "limit": "10/minute", "amount": "amount"},
            {"id": "s", "limit": "5/minute", "mode": "shadow", "amount": "amount"}]"#,
    );
    let store = MemoryStore::default();
    let refusals = charge(&quotas, "t", 6).reserve(&store, START).unwrap();
    assert_eq!(refusals.iter().map(|refused| &*refused.rule).collect::<Vec<_>>(), ["quota:s"]);
    assert!(charge(&quotas, "t", 4).reserve(&store, START + 10 * SECOND).unwrap().is_empty());
    let refused = charge(&quotas, "t", 1).reserve(&store, START + 20 * SECOND).unwrap_err();
    assert_eq!(refused.retry_us, Some(40 * SECOND));
    assert_eq!(refused.reason, "The limit of 10/minute is used up. Try again in 40 seconds.");
    let refused = charge(&quotas, "t", 11).reserve(&store, START).unwrap_err();
    assert_eq!((refused.retry_us, refused.reason.ends_with("more than the limit.")), (None, true));
    let nothing = quotas.charge(&Counted::<&str> {
        principal: &Principal::default(),
        server: "s",
        session: &[],
        method: "tools/call",
        capability: Capability::Tool,
        names: &["t"],
        arguments: None,
        moment: crate::cel::Moment::default(),
    });
    assert!({ nothing }.reserve(&store, START).is_err());
}

#[test]
fn what_is_no_counter_refuses() {
    let quotas = quotas(r#"[{"id": "q", "limit": "10/minute"}]"#);
    let store = MemoryStore::default();
    let mut first = charge(&quotas, "t", 1);
    let key = first.0[0].key.clone();
    crate::state::Table::new(&store, super::COUNTERS)
        .update(&key, START, |_| (crate::state::Change::Set(vec![9, 9, 9], u64::MAX), ()))
        .unwrap();
    let refused = first.reserve(&store, START).unwrap_err();
    assert_eq!((refused.retry_us, refused.reason.ends_with("The count is not available.")), (None, true));
}
