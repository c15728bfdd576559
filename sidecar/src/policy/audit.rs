//! Audit records as they stand in Envoy's log.

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_engine::mcp::Capability;
use portcullis_engine::principal::{Principal, PrincipalKind};
use serde::Deserialize;

use crate::failure::Failure;
use crate::input;

/// What a log says about the messages of clients.
pub(super) struct Log {
    /// Records that say the same, together, in the order in which they came first.
    pub(super) groups: Vec<Group>,
    /// All records of clients' messages.
    pub(super) records: u64,
}

/// Records that say the same.
pub(super) struct Group {
    pub(super) record: Recorded,
    pub(super) count: u64,
    /// Line of the first, from 1.
    pub(super) line: usize,
    /// Times of the first and last, as written.
    pub(super) first: String,
    pub(super) last: String,
    /// The largest body, in bytes.
    pub(super) largest: u64,
    /// Calls in each hour of the day and date.
    pub(super) by_hour: BTreeMap<String, u64>,
}

/// What decisions depend on, and what was decided.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recorded {
    pub(super) principal: Caller,
    pub(super) server: String,
    pub(super) method: String,
    pub(super) name: Option<String>,
    pub(super) argument_keys: Vec<String>,
    pub(super) decision: String,
    pub(super) rule: String,
    /// What shadow mode would have done, and by which rule.
    pub(super) shadow: Option<(String, String)>,
    /// The server answered with a status below 400.
    pub(super) succeeded: bool,
}

/// A principal as a record has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    pub(super) kind: Option<PrincipalKind>,
    pub(super) id: String,
    pub(super) tenant: Option<String>,
    pub(super) roles: Vec<String>,
    /// `None` in records that do not name them.
    pub(super) teams: Option<Vec<String>>,
    pub(super) agent: Option<String>,
}

impl Caller {
    pub(super) fn principal(&self) -> Principal {
        Principal {
            kind: self.kind,
            id: self.id.clone(),
            tenant: self.tenant.clone(),
            roles: self.roles.clone(),
            teams: self.teams.clone().unwrap_or_default(),
            agent: self.agent.clone(),
        }
    }

    /// As a person reads it.
    pub(super) fn label(&self) -> String {
        match self.kind {
            Some(kind) => format!("{} {}", kind.as_str(), self.id),
            None => "anonymous".to_owned(),
        }
    }
}

impl Recorded {
    pub(super) fn capability(&self) -> Capability {
        Capability::of_client_method(&self.method)
    }

    /// True where the message went on.
    pub(super) fn passed(&self) -> bool {
        matches!(self.decision.as_str(), "allow" | "log_only" | "redact")
    }

    /// True where something else than the rules decided: a scanner, a check, the protocol.
    pub(super) fn decided_elsewhere(&self) -> bool {
        self.decision == "malformed" || elsewhere(&self.rule)
    }

    /// True where shadow mode would have stopped it for something else than a rule.
    pub(super) fn suspicious(&self) -> bool {
        self.shadow
            .as_ref()
            .is_some_and(|(decision, rule)| decision != "allow" && (decision == "malformed" || elsewhere(rule)))
    }
}

/// Reads a log: lines with a record, whatever stands before it; other lines are passed over.
pub(super) fn read(path: &Path) -> Result<Log, Failure> {
    let bytes = input::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut places: BTreeMap<Recorded, usize> = BTreeMap::new();
    let mut log = Log { groups: Vec::new(), records: 0 };
    for (number, line) in text.lines().enumerate() {
        let Some(json) = line.find('{').filter(|_| line.contains("\"correlation_id\"")).and_then(|at| line.get(at..))
        else {
            continue;
        };
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Line>();
        let line = match values.next() {
            Some(Ok(line)) => line,
            _ => return Err(Failure::file(path, format!("line {} is no audit record", number + 1))),
        };
        if line.direction != "request" || line.method.is_empty() || line.decision == "pass" {
            continue;
        }
        log.records += 1;
        let (time, bytes) = (line.time.clone(), line.request_bytes.unwrap_or_default());
        let hour = time.get(..13).unwrap_or(&time).to_owned();
        let record = line.record();
        let index = *places.entry(record.clone()).or_insert_with(|| {
            log.groups.push(Group {
                record,
                count: 0,
                line: number + 1,
                first: time.clone(),
                last: time.clone(),
                largest: 0,
                by_hour: BTreeMap::new(),
            });
            log.groups.len() - 1
        });
        if let Some(group) = log.groups.get_mut(index) {
            group.count += 1;
            group.last = time;
            group.largest = group.largest.max(bytes);
            *group.by_hour.entry(hour).or_default() += 1;
        }
    }
    if log.records == 0 {
        return Err(Failure::file(path, "holds no audit record of a client's message"));
    }
    Ok(log)
}

/// What is read of a record; other members are not needed.
#[derive(Deserialize)]
struct Line {
    time: String,
    direction: String,
    #[serde(default)]
    principal: Option<String>,
    #[serde(default)]
    principal_kind: Option<PrincipalKind>,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    teams: Option<Vec<String>>,
    #[serde(default)]
    agent: Option<String>,
    server: String,
    method: String,
    #[serde(default)]
    tool: Option<String>,
    decision: String,
    rule: String,
    #[serde(default)]
    shadow_decision: Option<String>,
    #[serde(default)]
    shadow_rule: Option<String>,
    #[serde(default)]
    argument_keys: Vec<String>,
    #[serde(default)]
    upstream_status: Option<u16>,
    #[serde(default)]
    request_bytes: Option<u64>,
}

impl Line {
    fn record(self) -> Recorded {
        Recorded {
            principal: Caller {
                kind: self.principal_kind.filter(|_| self.principal.is_some()),
                id: self.principal.unwrap_or_default(),
                tenant: self.tenant,
                roles: self.roles,
                teams: self.teams,
                agent: self.agent,
            },
            server: self.server,
            method: self.method,
            name: self.tool,
            argument_keys: self.argument_keys,
            decision: self.decision,
            rule: self.rule,
            shadow: self.shadow_decision.zip(self.shadow_rule),
            succeeded: self.upstream_status.is_some_and(|status| status < 400),
        }
    }
}

/// Prefixes that no rule of a policy has.
fn elsewhere(rule: &str) -> bool {
    let Some((prefix, _)) = rule.split_once(':') else { return rule == "batch" };
    ELSEWHERE.contains(&prefix)
}

const ELSEWHERE: [&str; 17] = [
    "secrets",
    "pii",
    "injection",
    "destructive",
    "exfil",
    "bulk",
    "privesc",
    "quota",
    "obligation",
    "schema",
    "pins",
    "risk",
    "flow",
    "clearance",
    "http",
    "json-rpc",
    "mcp",
];
