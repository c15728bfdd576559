//! What `policy` and `samples` promise; those two are shared with the engine's benchmarks.

use portcullis_engine::json;
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, IdentityFacts, Policy};
use serde_json::Value;

use crate::policy::{KEY, SERVER, Scan, allow_all, realistic};
use crate::samples::{answer, call, events, objects};

#[test]
fn the_engine_takes_the_policies() {
    for rules in [1, 100, 1000] {
        Policy::from_json(realistic(rules, Scan::Secrets).to_string().as_bytes()).unwrap();
    }
    Policy::from_json(allow_all().to_string().as_bytes()).unwrap();
}

#[test]
fn the_last_rule_allows_the_call() {
    let policy = Policy::from_json(realistic(100, Scan::Nothing).to_string().as_bytes()).unwrap();
    let bearer = format!("Bearer {KEY}");
    let caller = policy.identify(&IdentityFacts { key: Some(&bearer), ..IdentityFacts::default() });
    let message = call(1024);
    let document = json::Document::parse(message.bytes(), &json::Limits::default()).unwrap();
    let call = Call {
        server: SERVER,
        method: "tools/call",
        capability: Capability::Tool,
        name: Some("search_documents"),
        arguments: document.root().get("params").and_then(|params| params.get("arguments")),
    };
    assert_eq!(&*policy.decide(&caller, &call).rule, "research-search");
}

#[test]
fn the_committed_policy_is_current() {
    let committed: Value = serde_json::from_str(include_str!("../policy-100.json")).unwrap();
    assert_eq!(committed, realistic(100, Scan::Secrets), "portcullis-bench policy > bench/policy-100.json");
}

#[test]
fn messages_are_json_of_the_size_asked_for() {
    for size in [1024, 65_536] {
        for template in [call(size), answer(size)] {
            let value: Value = serde_json::from_slice(template.bytes()).unwrap();
            assert_eq!(value["id"], 10_000_000);
            assert!(template.bytes().len().abs_diff(size) <= 4, "{} of {size}", template.bytes().len());
        }
        serde_json::from_str::<Value>(&objects(size)).unwrap();
    }
    let mut stream = events(10, 1024);
    stream.put_id(b"12345678");
    let text = String::from_utf8(stream.bytes().to_vec()).unwrap();
    let data: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: message\ndata: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(data.len(), 10);
    assert_eq!(data[9]["id"], 12_345_678);
    assert!(stream.is(text.as_bytes(), b"12345678"));
}
