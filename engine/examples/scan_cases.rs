//! Runs the scanners over labelled cases (one JSON object a line) and prints recall and false
//! positives per source: `scan_cases CASES.jsonl [--misses] [--alarms] [--rules] [--without RULE]`.
// A tool for developers: what it is not given, or cannot read, may end it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Instant;

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::scan::{Context, Direction, Scanners, ScannersConfig, Surface};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let path = args.first().expect("a path");
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    let mut config = ScannersConfig::default();
    let without = args.iter().zip(args.iter().skip(1)).filter(|(flag, _)| *flag == "--without");
    config.secrets.disable_rules = without.map(|(_, rule)| rule.clone()).collect();
    let started = Instant::now();
    let scanners = Scanners::compile(&config).unwrap_or_else(|error| panic!("{error}"));
    eprintln!("compiled in {:?}", started.elapsed());
    let mut table: BTreeMap<(String, String), [usize; 4]> = BTreeMap::new();
    let mut by_rule: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let (mut bytes, mut spent) = (0, std::time::Duration::ZERO);
    for line in std::fs::read_to_string(path).expect("a readable file").lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if case["scanner"] != "secrets" {
            continue;
        }
        let response = case["direction"] != "request";
        let context = Context {
            direction: if response { Direction::Response } else { Direction::Request },
            surface: if response { Surface::Result } else { Surface::Arguments },
        };
        let body = match case.get("args") {
            Some(args) => args.to_string(),
            None => serde_json::json!({"content": [{"type": "text", "text": case["text"]}]}).to_string(),
        };
        let limits = Limits::default();
        let doc = Document::parse(body.as_bytes(), &limits).expect("a document");
        let mut found = Vec::new();
        let started = Instant::now();
        scanners.scan_value(context, doc.root(), &mut found);
        spent += started.elapsed();
        bytes += body.len();
        let attack = case["label"] == "attack";
        let source = case["source"].as_str().unwrap_or("").to_owned();
        for key in [source.clone(), "ALL".to_owned()] {
            let row = table.entry(("secrets".to_owned(), key)).or_default();
            row[usize::from(!attack) * 2] += 1;
            row[usize::from(!attack) * 2 + 1] += usize::from(!found.is_empty());
        }
        for located in &found {
            by_rule.entry(located.finding.rule.to_string()).or_default()[usize::from(!attack)] += 1;
        }
        if attack && found.is_empty() && flag("--misses") {
            println!("MISS {source} {} {body}", case["subtype"]);
        }
        if !attack && !found.is_empty() && flag("--alarms") {
            for located in &found {
                let text = located.value.as_str().unwrap_or_default();
                let range = located.finding.range.clone();
                let from =
                    (0..=range.start.saturating_sub(40)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                println!(
                    "ALARM {source} {} {:?} >>{:?}<<",
                    located.finding.rule,
                    text.get(from..range.start),
                    text.get(range.clone())
                );
            }
        }
    }
    for ((_, source), [attacks, caught, benign, alarms]) in &table {
        let percent = |part: usize, whole: usize| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
        println!(
            "{source:24} recall {caught:5}/{attacks:5} {:6.1} %   alarms {alarms:4}/{benign:5} {:5.2} %",
            percent(*caught, *attacks),
            percent(*alarms, *benign)
        );
    }
    if flag("--rules") {
        by_rule.iter().for_each(|(rule, [right, wrong])| println!("{rule:40} {right:5} {wrong:5}"));
    }
    println!("{bytes} bytes, {:.0} MB/s", bytes as f64 / spent.as_secs_f64() / 1e6);
}
