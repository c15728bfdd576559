//! Runs labelled cases (JSON lines) through the whole firewall with its default actions and prints, for each
//! scanner and source, recall, false positives and what was blocked of honest traffic:
//! `scan_cases CASES.jsonl [--scanner NAME] [--sources] [--misses] [--alarms] [--blocked] [--crossed] [--half 0|1]`.
// A tool for developers: what it is not given, or cannot read, may end it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_engine::driver::{Driver, Request, Response};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::scan::ScanAction;
use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    let only = option("--scanner");
    let config = br#"{"version":"1","default":"allow","servers":[{"name":"eval"}]}"#;
    let mut driver = Driver::new(Arc::new(Firewall::from_json(config, [0; 32]).expect("a configuration")));
    let mut table: BTreeMap<(String, String), [usize; 4]> = BTreeMap::new();
    let mut spent: BTreeMap<String, (usize, Duration)> = BTreeMap::new();
    let mut crossed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut benign, mut blocked) = (0, BTreeMap::<String, usize>::new());
    let text = std::fs::read_to_string(args.first().expect("a path")).expect("a readable file");
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let scanner = case["scanner"].as_str().unwrap_or_default().to_owned();
        if only.as_ref().is_some_and(|only| *only != scanner) {
            continue;
        }
        let id = case["id"].as_str().unwrap_or_default();
        let half = id.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) >> 3 & 1;
        if option("--half").is_some_and(|wanted| wanted != half.to_string()) {
            continue;
        }
        let source = case["source"].as_str().unwrap_or("-").to_owned();
        let (request, response) = exchange(&case);
        let bytes = request.len() + response.len();
        let request = Request::post("/mcp", request);
        let started = Instant::now();
        let outcome = driver.run(&request, |_| Response::json(response));
        let row = spent.entry(scanner.clone()).or_default();
        *row = (row.0 + bytes, row.1 + started.elapsed());
        let findings: Vec<_> = outcome.records.iter().flat_map(|record| &record.findings).collect();
        let own: BTreeSet<&str> =
            findings.iter().filter(|found| found.scanner == scanner).map(|found| found.rule.as_str()).collect();
        let attack = case["label"] == "attack";
        for key in [source.clone(), "ALL".to_owned()] {
            let row = table.entry((scanner.clone(), key)).or_default();
            row[usize::from(!attack) * 2] += 1;
            row[usize::from(!attack) * 2 + 1] += usize::from(!own.is_empty());
        }
        if !attack {
            benign += 1;
            let others: BTreeSet<&str> = findings.iter().map(|found| found.scanner).collect();
            others.iter().for_each(|other| *crossed.entry((scanner.clone(), (*other).to_owned())).or_default() += 1);
            let stopped: BTreeSet<String> = findings
                .iter()
                .filter(|found| found.action >= ScanAction::RequireApproval)
                .map(|found| format!("{}:{}", found.scanner, found.rule))
                .collect();
            if !stopped.is_empty() {
                *blocked.entry("ALL".to_owned()).or_default() += 1;
                if flag("--blocked") {
                    println!("BLOCKED {scanner} {source} {id} {stopped:?}");
                }
            }
            for rule in stopped {
                *blocked.entry(rule).or_default() += 1;
            }
        }
        if attack && own.is_empty() && flag("--misses") || !attack && !own.is_empty() && flag("--alarms") {
            println!("{} {scanner} {source} {id} {own:?}", if attack { "MISS" } else { "ALARM" });
        }
    }
    let percent = |part: usize, whole: usize| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    for ((scanner, source), [attacks, caught, benign, alarms]) in &table {
        if source != "ALL" && !flag("--sources") {
            continue;
        }
        let speed = spent.get(scanner).map_or(0.0, |(bytes, time)| *bytes as f64 / time.as_secs_f64() / 1e6);
        println!(
            "{scanner:12} {source:24} recall {caught:5}/{attacks:5} {:5.1} %  alarms {alarms:4}/{benign:5} {:5.2} %  {speed:4.0} MB/s",
            percent(*caught, *attacks),
            percent(*alarms, *benign)
        );
    }
    println!(
        "benign records blocked: {} of {benign}, {:.2} %",
        blocked.get("ALL").copied().unwrap_or(0),
        percent(blocked.get("ALL").copied().unwrap_or(0), benign)
    );
    blocked.iter().for_each(|(rule, count)| println!("   {count:5} {rule}"));
    if flag("--crossed") {
        crossed
            .iter()
            .for_each(|((scanner, other), count)| println!("benign of {scanner:12} found by {other:12} {count:5}"));
    }
}

/// The case as it would travel: the request and its answer.
fn exchange(case: &Value) -> (String, String) {
    let tool = case["tool"].as_str().unwrap_or("tool");
    let call = |arguments: &Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
            .to_string()
    };
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    let args = case.get("args").filter(|args| args.is_object());
    match (case["direction"].as_str().unwrap_or_default(), args) {
        ("request", Some(args)) => (call(args), result(json!({"content": []}))),
        ("request", None) => (call(&json!({"input": case["text"]})), result(json!({"content": []}))),
        ("response", Some(args)) => (call(&json!({})), result(json!({"content": [], "structuredContent": args}))),
        ("response", None) => (call(&json!({})), result(json!({"content": [{"type": "text", "text": case["text"]}]}))),
        (_, args) => {
            let mut entry = json!({"name": tool, "description": case["text"], "inputSchema": {"type": "object"}});
            if let Some(args) = args {
                entry["description"] = json!("");
                entry["_meta"] = args.clone();
            }
            let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).to_string();
            (list, result(json!({"tools": [entry]})))
        }
    }
}
