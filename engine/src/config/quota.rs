//! Quotas: how many calls, or how much of something, in how much time.

use serde::Serialize;

use super::{MatchConfig, Mode, PredicateConfig, Settings};

/// A limit on calls, or on the sum of an argument of calls, in a span of time. Every quota that fits a
/// call counts it, and one that is used up refuses it.
#[derive(Clone, Debug, PartialEq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotaConfig {
    /// Its name; `quota:ID` is the rule in audit records and answers. Unique among quotas.
    pub id: String,
    /// What it is for; read by people only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Overrides the deployment's mode. In shadow mode calls are counted, and those that would have been
    /// refused are recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which calls count; all of the given fields must fit. Without `capability` and `method` the life
    /// cycle of sessions, lists and the following of tasks do not count.
    #[serde(default)]
    pub r#match: MatchConfig,
    /// Conditions on the arguments; a call that fits all of them counts. What cannot be decided counts.
    #[serde(default)]
    pub arguments: Vec<PredicateConfig>,
    /// A condition in CEL; a call for which it holds counts. One that fails to evaluate holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How much in which time: `100/hour`, `5/minute`, `20/15m`, `999.50/day`. Units are second, minute,
    /// hour and day, or a number of `s`, `m`, `h`, `d` (one second to 31 days).
    pub limit: String,
    /// How the time is measured.
    #[serde(default)]
    pub algorithm: QuotaAlgorithm,
    /// For `token_bucket`: how much may be used at once after a quiet time (1 to 1,000,000,000,000). By
    /// default as much as `limit` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// What has a count of its own: each principal, each tool, each pair of them … Empty: all calls share one.
    #[serde(default)]
    pub per: Vec<QuotaPer>,
    /// Path of an argument whose number is counted instead of one per call; with `[*]` the sum of all. A
    /// call in which it is missing, negative or no number is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Whether a tool's own error (`isError`) counts. What fails otherwise (transport, HTTP 4xx and 5xx,
    /// JSON-RPC errors) never does.
    #[serde(default)]
    pub on_tool_error: QuotaOnToolError,
    /// How long a call holds its share if its end is never seen, because the filter or the worker crashed:
    /// `1s` to `31d`, `10m` by default. Must be longer than Envoy's `stream_idle_timeout`. As long as the
    /// limit's own time: what is lost counts as used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// Who counts: this Envoy, or the sidecar, for all Envoys together. Calls that count with the sidecar wait for its
    /// answer before they go on; in batches of JSON-RPC, and as notifications, they are refused.
    #[serde(default)]
    pub store: QuotaStore,
    /// What the caller is told beside the limit and the time to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How the time of a quota is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaAlgorithm {
    /// The time before each call: no span of that length ever holds more than the limit.
    #[default]
    SlidingWindow,
    /// The calendar in UTC: each minute, hour or day begins anew. The time must divide a day.
    FixedWindow,
    /// A bucket of `burst` that fills at the rate of the limit.
    TokenBucket,
}

/// What has a count of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaPer {
    /// Each verified principal, by tenant, kind and id; all anonymous callers together.
    Principal,
    /// Each agent profile.
    Agent,
    /// Each tenant.
    Tenant,
    /// Each server.
    Server,
    /// Each tool, prompt or resource of each server.
    Tool,
    /// Each session of each principal; the principal itself where there are no sessions.
    Session,
}

/// What a tool's own error does to a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaOnToolError {
    /// The call counts: the tool ran.
    #[default]
    Keep,
    /// The call does not count.
    RollBack,
}

/// Who counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Settings)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaStore {
    /// This Envoy: exact across its workers, and begun anew when it starts.
    #[default]
    Local,
    /// The sidecar: exact across all Envoys that use it, or its database.
    Sidecar,
}
