//! A policy such as a company might have grown: many servers, roles and teams, tools by glob, conditions on
//! arguments. The benchmark's call gets past every other rule before the last one allows it.

use serde_json::{Value, json};

/// Which scanners are on.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the engine's benchmarks share this file")]
pub enum Scan {
    Nothing,
    Secrets,
    Everything,
}

impl Scan {
    fn section(self) -> Value {
        let on = |name: &str| match self {
            Self::Nothing => false,
            Self::Secrets => name == "secrets",
            Self::Everything => true,
        };
        let names = ["secrets", "pii", "injection", "destructive", "exfil", "bulk", "privesc"];
        names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"enabled": on(name)})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The configuration with `rules` rules. `portcullis-bench policy` prints the one of 100 rules.
pub fn realistic(rules: usize, scan: Scan) -> Value {
    let last = rules.saturating_sub(1);
    let mut all: Vec<Value> = (0..last).map(rule).collect();
    all.push(json!({
        "id": "research-search", "description": "Research assistants search the reports of the year, a page at a time.",
        "match": {
            "principal": {"kind": ["agent"], "tenant": ["acme"], "roles": ["analyst"], "agent": ["desk-*"]},
            "server": [SERVER], "capability": ["tool"], "name": ["search_*"], "environment": ["production"]
        },
        "arguments": [
            {"path": "/path", "op": "path_within", "value": ["/srv/data/reports"]},
            {"path": "/limit", "op": "lte", "value": 100},
            {"path": "/query", "op": "max_len", "value": 4096}
        ],
        "action": "allow"
    }));
    let mut servers: Vec<Value> =
        SERVERS.iter().map(|name| json!({"name": name, "match": {"path_prefix": format!("/{name}")}})).collect();
    servers.push(json!({"name": SERVER, "match": {"path_prefix": "/documents"}}));
    json!({
        "version": "1", "mode": "enforce", "default": "deny", "environment": "production",
        "servers": servers,
        "identity": {
            "required": true,
            "keys": {"entries": [{
                "sha256": KEY_SHA256, "id": CALLER, "kind": "agent", "tenant": TENANT,
                "roles": ["reader", "analyst"], "teams": ["research"], "agent": "desk-assistant"
            }]}
        },
        "rules": all,
        "scanners": scan.section()
    })
}

/// Allows everything, scans nothing.
#[allow(dead_code, reason = "the engine's benchmarks share this file")]
pub fn allow_all() -> Value {
    json!({"version": "1", "default": "allow", "servers": [{"name": SERVER, "match": {}}], "scanners": Scan::Nothing.section()})
}

/// Allows everything to the benchmark's caller, scans nothing.
#[allow(dead_code, reason = "the engine's benchmarks share this file")]
pub fn allow_caller() -> Value {
    let mut policy = allow_all();
    let caller = json!({"sha256": KEY_SHA256, "id": CALLER, "kind": "agent", "tenant": TENANT});
    if let Some(members) = policy.as_object_mut() {
        members.insert("identity".to_owned(), json!({"required": true, "keys": {"entries": [caller]}}));
    }
    policy
}

/// The same policy, with audit records in the log for refusals only.
#[allow(dead_code, reason = "the engine's benchmarks share this file")]
pub fn quiet(mut policy: Value) -> Value {
    if let Some(members) = policy.as_object_mut() {
        members.insert("audit".to_owned(), json!({"log": "denied"}));
    }
    policy
}

/// Ten kinds of rules in turn. Those of the benchmark's own server come near to matching its call.
fn rule(number: usize) -> Value {
    let pick = |from: &[&'static str]| from.get((number / 10) % from.len()).copied().unwrap_or_default();
    let (server, role, team) = (pick(&SERVERS), pick(&ROLES), pick(&TEAMS));
    match number % 10 {
        0 => json!({
            "id": format!("read-{number}"),
            "match": {"principal": {"roles": [role]}, "server": [server], "capability": ["tool"], "name": ["read_*", "list_*", "get_*"]},
            "action": "allow"
        }),
        1 => json!({
            "id": format!("no-deletion-{number}"),
            "match": {"principal": {"kind": ["agent", "workflow"], "teams": [team]}, "capability": ["tool"], "name": ["delete_*", "drop_*", "*_purge"], "environment": ["production"]},
            "action": "deny", "reason": "Agents do not delete in production."
        }),
        2 => json!({
            "id": format!("archive-search-{number}"),
            "match": {"principal": {"kind": ["agent"], "tenant": ["acme"]}, "server": [SERVER], "capability": ["tool"], "name": ["search_*", "find_*"]},
            "arguments": [{"path": "/path", "op": "path_within", "value": [format!("/srv/archive/{team}"), format!("/srv/data/{team}")]}],
            "action": "allow"
        }),
        3 => json!({
            "id": format!("team-files-{number}"),
            "match": {"principal": {"teams": [team]}, "server": [server, SERVER], "capability": ["resource"], "name": [format!("file:///srv/{team}/**")]},
            "action": "allow"
        }),
        4 => json!({
            "id": format!("no-payroll-{number}"),
            "match": {"server": [SERVER, "warehouse"], "capability": ["tool"], "name": ["search_*", "query*"]},
            "arguments": [{"path": "/query", "op": "regex", "value": format!("(?i)\\b(payroll|salary|bonus) of {team}\\b"), "missing": "fails"}],
            "action": "deny"
        }),
        5 => json!({
            "id": format!("bulk-{number}"),
            "match": {"principal": {"tenant": ["acme"]}, "server": [SERVER], "capability": ["tool"], "name": ["search_*", "export_*"]},
            "arguments": [
                {"path": "/limit", "op": "gt", "value": 500 + number, "missing": "fails"},
                {"path": "/filters/draft", "op": "eq", "value": true, "missing": "fails"}
            ],
            "action": "deny"
        }),
        6 => json!({
            "id": format!("fetch-{number}"),
            "match": {"principal": {"roles": [role]}, "server": [server], "capability": ["tool"], "name": ["fetch", "download_*"]},
            "arguments": [{"path": "/url", "op": "host_in", "value": [format!("{team}.example.com"), "docs.example.com"]}],
            "action": "allow"
        }),
        7 => json!({
            "id": format!("deploy-{number}"),
            "match": {"principal": {"teams": [team]}, "server": ["deploy*", server], "capability": ["tool"], "name": ["deploy_*", "rollback_*"]},
            "action": "require_approval"
        }),
        8 => json!({
            "id": format!("trial-{number}"), "mode": "shadow",
            "match": {"principal": {"agent": [format!("{role}-*")]}, "server": [SERVER], "capability": ["tool"], "name": ["*"]},
            "action": "deny"
        }),
        _ => json!({
            "id": format!("exact-{number}"),
            "match": {"principal": {"kind": ["human"], "roles": [role]}, "server": [server], "capability": ["tool", "prompt"], "name": [format!("summarise_{team}"), "translate"]},
            "action": "log_only"
        }),
    }
}

/// The key of the benchmark's caller. It opens nothing but the benchmark's own policy.
#[allow(dead_code, reason = "the engine's benchmarks share this file")]
pub const KEY: &str = "bench-caller";
const KEY_SHA256: &str = "c9e48c7e6545a107f4978faf40b756bf775a781d9cb2e22e2340b7d6e6df2cf8";

/// The caller and its tenant.
pub const CALLER: &str = "assistant-7";
pub const TENANT: &str = "acme";

/// The server that the benchmark calls.
pub const SERVER: &str = "documents";
const SERVERS: [&str; 7] = ["tickets", "warehouse", "calendar", "deploy", "wiki", "mail", "crm"];
const ROLES: [&str; 6] = ["reader", "developer", "operator", "finance", "support", "admin"];
const TEAMS: [&str; 8] = ["platform", "billing", "growth", "security", "legal", "design", "mobile", "data"];
