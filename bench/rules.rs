//! What deciding costs by the number of rules, in wasm: run by [`wasm.mjs`](wasm.mjs) under the V8 of Node.js, the
//! engine that Envoy has. Two kinds of policies: the one of `make bench`, half of whose rules are about the very tool
//! that is called, and one whose rules are about many tools, four a tool.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, IdentityFacts, Policy};
use serde_json::{Value, json};

#[path = "src/policy.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use more of it")]
mod policy;
#[path = "src/samples.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use more of it")]
mod samples;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| rules | about the tool called | compile ms | one tool of many: µs a call | half about this tool: µs a call |"
    );
    println!("|---:|---:|---:|---:|---:|");
    for rules in [10, 100, 1_000, 10_000] {
        let many = Measured::of(&many_tools(rules), "tool-7", "tool-7-last")?;
        let one =
            Measured::of(&policy::realistic(rules, policy::Scan::Nothing), "search_documents", "research-search")?;
        println!(
            "| {rules} | 4, {} | {:.0}, {:.0} | {:.2} | {:.2} |",
            rules / 2,
            many.compile,
            one.compile,
            many.call,
            one.call
        );
    }
    Ok(())
}

struct Measured {
    /// Milliseconds.
    compile: f64,
    /// Microseconds, the least of several rounds: what else the machine does only adds.
    call: f64,
}

impl Measured {
    fn of(config: &Value, tool: &str, decides: &str) -> Result<Self, Box<dyn Error>> {
        let text = config.to_string();
        let start = Instant::now();
        let policy = Policy::from_json(text.as_bytes())?;
        let compile = start.elapsed().as_secs_f64() * 1e3;
        let bearer = format!("Bearer {}", policy::KEY);
        let caller = policy.identify(&IdentityFacts { key: Some(&bearer), ..IdentityFacts::default() });
        let message = samples::call(1 << 10);
        let document = Document::parse(message.bytes(), &Limits::default())?;
        let call = Call {
            server: policy::SERVER,
            method: "tools/call",
            capability: Capability::Tool,
            name: Some(tool),
            arguments: document.root().get("params").and_then(|params| params.get("arguments")),
        };
        assert_eq!(&*policy.decide(&caller, &call).rule, decides);
        let mut least = f64::MAX;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(policy.decide(black_box(&caller), black_box(&call)));
            }
            least = least.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
        }
        Ok(Self { compile, call: least })
    }
}

/// Four rules for each tool: by glob, for another role, with a condition that does not hold, and the one that allows.
fn many_tools(rules: usize) -> Value {
    let mut config = policy::realistic(1, policy::Scan::Nothing);
    let tools = rules.div_ceil(4).max(8);
    let rule = |tool: usize, kind: usize| match kind {
        0 => {
            json!({"id": format!("tool-{tool}-admin"), "match": {"capability": ["tool"], "name": [format!("tool-{tool}-*")], "principal": {"roles": ["admin"]}}, "action": "allow"})
        }
        1 => {
            json!({"id": format!("tool-{tool}-team"), "match": {"server": [policy::SERVER], "name": [format!("tool-{tool}")], "principal": {"teams": [format!("team-{}", tool % 9)]}}, "action": "allow"})
        }
        2 => {
            json!({"id": format!("tool-{tool}-large"), "match": {"name": [format!("tool-{tool}*")]}, "arguments": [{"path": "/limit", "op": "gt", "value": 1000 + tool, "missing": "fails"}], "action": "deny"})
        }
        _ => {
            json!({"id": format!("tool-{tool}-last"), "match": {"name": [format!("tool-{tool}")], "principal": {"kind": ["agent"]}}, "action": "allow"})
        }
    };
    let all: Vec<Value> =
        (0..tools).flat_map(|tool| (0..4).map(move |kind| (tool, kind))).map(|(tool, kind)| rule(tool, kind)).collect();
    if let Some(members) = config.as_object_mut() {
        members.insert("rules".to_owned(), all.into());
    }
    config
}

const ROUNDS: u32 = 30;
const CALLS: u32 = 2_000;
