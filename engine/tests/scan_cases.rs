//! Cases of our own (`tests/cases/*.jsonl`, in the form that `portcullis eval` reads): every attack is found by its scanner,
//! every look-alike is not. `§` cuts credentials, so that nobody takes them for real ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

use std::path::Path;
use std::sync::Arc;

use portcullis_engine::driver::{Driver, Request, Response};
use portcullis_engine::firewall::Firewall;
use serde_json::{Value, json};

#[test]
fn attacks_are_found_and_their_look_alikes_are_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/cases");
    let config = br#"{"version":"1","default":"allow","servers":[{"name":"s"}]}"#;
    let mut driver = Driver::new(Arc::new(Firewall::from_json(config, [7; 32]).unwrap()));
    let (mut count, mut wrong) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().replace('§', "").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let (request, response) = exchange(&case);
            let outcome = driver.run(&Request::post("/mcp", request), |_| Response::json(response));
            let mut found = outcome.records.iter().flat_map(|record| &record.findings);
            count += 1;
            if found.any(|found| case["scanner"] == found.scanner) != (case["label"] == "attack") {
                wrong.push(line.to_owned());
            }
        }
    }
    assert!(wrong.is_empty() && count > 900, "{count}:\n{}", wrong.join("\n"));
}

/// The case as it would travel: the request and its answer.
fn exchange(case: &Value) -> (String, String) {
    let tool = case["tool"].as_str().unwrap_or("tool");
    let message = |method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let answer = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    let call = |arguments: &Value| message("tools/call", json!({"name": tool, "arguments": arguments}));
    let empty = json!({"content": []});
    match (case["direction"].as_str().unwrap(), case.get("args")) {
        ("request", Some(arguments)) => (call(arguments), answer(empty)),
        ("request", None) => (call(&json!({"input": case["text"]})), answer(empty)),
        ("response", Some(content)) => (call(&json!({})), answer(json!({"content": [], "structuredContent": content}))),
        ("response", None) => (call(&json!({})), answer(json!({"content": [{"type": "text", "text": case["text"]}]}))),
        _ => {
            let entry = json!({"name": tool, "description": case["text"], "inputSchema": {"type": "object"}});
            (message("tools/list", json!({})), answer(json!({"tools": [entry]})))
        }
    }
}
