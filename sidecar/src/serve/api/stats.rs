//! `/api/v1/stats`: what the rows of a window of time add up to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::heavy;
use super::blocking;
use super::endpoint::{Call, Nothing};
use super::refusal::Refusal;
use super::types::Time;
use crate::clock;
use crate::serve::Shared;
use crate::store::{Filter, Scope, Tenant};

/// Of what time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// From this time on; the last hour without it
    since: Option<Time>,
    /// Before this time
    until: Option<Time>,
}

/// Counts of a window.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Stats {
    pub(crate) since: String,
    pub(crate) until: String,
    /// False: the window has more rows than are read at once, and only its newest ones are counted.
    pub(crate) complete: bool,
    /// Rows that were read.
    pub(crate) rows: u64,
    /// Requests of clients, calls among them.
    pub(crate) requests: Counts,
    /// Calls of tools.
    pub(crate) calls: Counts,
    /// Calls by server.
    pub(crate) servers: Vec<OfServer>,
    /// Calls by tool, the most called first, a hundred at most.
    pub(crate) tools: Vec<OfTool>,
}

/// Calls of one server's tools.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfServer {
    pub(crate) server: String,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// Calls of one tool.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OfTool {
    pub(crate) server: String,
    pub(crate) tool: String,
    #[serde(flatten)]
    pub(crate) counts: Counts,
}

/// How many, and how long they took.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Counts {
    pub(crate) count: u64,
    /// How many were refused, held in vain or no valid message.
    pub(crate) refused: u64,
    /// `refused` of `count`, 0 to 1.
    pub(crate) deny_rate: f64,
    /// By decision.
    pub(crate) decisions: BTreeMap<String, u64>,
    /// From arrival to the end of the exchange.
    pub(crate) latency: Latency,
}

/// Microseconds, by nearest rank; null where nothing was measured. The time in which people decide is part of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Latency {
    pub(crate) measured: u64,
    pub(crate) p50_us: Option<u64>,
    pub(crate) p90_us: Option<u64>,
    pub(crate) p99_us: Option<u64>,
    pub(crate) max_us: Option<u64>,
}

pub(super) async fn stats(call: Call<Nothing, Window>) -> Result<Stats, Refusal> {
    let now = clock::now();
    let since = call.query.since.map_or(now.saturating_sub(HOUR_US), |time| time.0);
    let until = call.query.until.map_or(now, |time| time.0);
    of(&call.shared, &call.tenant, since, until).await
}

/// Adds up the rows from `since` to before `until`.
pub(crate) async fn of(shared: &Shared, tenant: &Tenant, since: u64, until: u64) -> Result<Stats, Refusal> {
    let permit = heavy(shared)?;
    let scope = shared.store.tenant(tenant);
    blocking(move || {
        let _permit = permit;
        add_up(&scope, since, until)
    })
    .await
}

fn add_up(scope: &Scope, since: u64, until: u64) -> Result<Stats, Refusal> {
    let window = (clock::rfc3339(since), clock::rfc3339(until));
    let mut filter =
        Filter { since: Some(window.0.clone()), until: Some(window.1.clone()), limit: BATCH, ..Filter::default() };
    let (mut rows, mut complete) = (0, true);
    let (mut requests, mut calls) = (Sum::default(), Sum::default());
    let mut servers: BTreeMap<String, Sum> = BTreeMap::new();
    let mut tools: BTreeMap<(String, String), Sum> = BTreeMap::new();
    loop {
        let found = scope.query(&filter)?;
        let Some(first) = found.first() else { break };
        filter.before = Some(first.seq);
        rows += found.len() as u64;
        let records = found.iter().filter_map(|row| serde_json::from_str::<Record>(&row.record).ok());
        for record in records.filter(Record::is_request) {
            requests.add(&record);
            if record.method != "tools/call" {
                continue;
            }
            calls.add(&record);
            servers.entry(record.server.clone()).or_default().add(&record);
            // Callers choose the names of tools, so there may be any number.
            let key = (record.server.clone(), record.tool.clone().unwrap_or_default());
            if tools.len() < MAX_TOOLS || tools.contains_key(&key) {
                tools.entry(key).or_default().add(&record);
            }
        }
        if rows >= MAX_ROWS {
            complete = false;
            break;
        }
    }
    let servers = servers.into_iter().map(|(server, sum)| OfServer { server, counts: sum.counts() }).collect();
    let mut tools: Vec<_> =
        tools.into_iter().map(|((server, tool), sum)| OfTool { server, tool, counts: sum.counts() }).collect();
    tools.sort_by_key(|tool| Reverse(tool.counts.count));
    tools.truncate(MAX_SHOWN);
    let (since, until) = window;
    Ok(Stats { since, until, complete, rows, requests: requests.counts(), calls: calls.counts(), servers, tools })
}

/// What is counted of a row.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    direction: String,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    tool: Option<String>,
    #[serde(default)]
    decision: String,
    #[serde(default)]
    latency_us: Option<u64>,
}

impl Record {
    /// A client's message, once: the intent of a call is followed by its outcome.
    fn is_request(&self) -> bool {
        self.direction == "request" && self.stage.is_empty()
    }
}

#[derive(Default)]
struct Sum {
    count: u64,
    decisions: BTreeMap<String, u64>,
    latencies: Vec<u64>,
}

impl Sum {
    fn add(&mut self, record: &Record) {
        self.count += 1;
        // Decisions are the firewall's words; a filter that sends others gets no more of them.
        if self.decisions.len() < MAX_DECISIONS || self.decisions.contains_key(&record.decision) {
            *self.decisions.entry(record.decision.clone()).or_default() += 1;
        }
        self.latencies.extend(record.latency_us);
    }

    fn counts(mut self) -> Counts {
        self.latencies.sort_unstable();
        let all = &self.latencies;
        let rank = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let latency = Latency {
            measured: all.len() as u64,
            p50_us: rank(50),
            p90_us: rank(90),
            p99_us: rank(99),
            max_us: all.last().copied(),
        };
        let refused = REFUSALS.iter().filter_map(|decision| self.decisions.get(*decision)).sum();
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let deny_rate = if self.count == 0 { 0.0 } else { refused as f64 / self.count as f64 };
        Counts { count: self.count, refused, deny_rate, decisions: self.decisions, latency }
    }
}

const REFUSALS: [&str; 3] = ["deny", "require_approval", "malformed"];
/// Rows read for one answer.
const MAX_ROWS: u64 = 100_000;
const BATCH: u64 = 1000;
const MAX_TOOLS: usize = 10_000;
const MAX_SHOWN: usize = 100;
const MAX_DECISIONS: usize = 16;
const HOUR_US: u64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let mut sum = Sum::default();
        for (n, decision) in [(3, "allow"), (1, "deny"), (2, "allow"), (4, "allow")] {
            sum.add(&Record {
                direction: "request".into(),
                stage: String::new(),
                server: "s".into(),
                method: "tools/call".into(),
                tool: None,
                decision: decision.into(),
                latency_us: (n != 4).then_some(n),
            });
        }
        let counts = sum.counts();
        assert_eq!((counts.count, counts.refused), (4, 1));
        assert!((counts.deny_rate - 0.25).abs() < f64::EPSILON);
        assert_eq!((counts.latency.measured, counts.latency.p50_us, counts.latency.p99_us), (3, Some(2), Some(3)));
        assert_eq!(Sum::default().counts().latency.p50_us, None);
    }
}
