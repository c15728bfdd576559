//! What each stage and each scanner costs for clean messages, and what it takes to load a configuration: natively
//! (`cargo run --release --example stages`) and in wasm, run by [`wasm.mjs`](wasm.mjs) under the V8 of Node.js, the engine
//! that Envoy has. Figures are the least of several rounds: what else the machine does only adds.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::scan::{Context, Direction, Scanners, ScannersConfig, Surface};
use portcullis_engine::state::MemoryStore;

#[path = "src/drive.rs"]
mod drive;
#[path = "src/policy.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use more of it")]
mod policy;
#[path = "src/samples.rs"]
#[allow(dead_code, reason = "shared with the benchmarks, which use more of it")]
mod samples;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| stage | bytes | µs | MB/s |");
    println!("|---|---:|---:|---:|");
    for size in [1 << 10, 64 << 10] {
        parsing(size);
        scanning(size)?;
        exchanges(size)?;
    }
    worst(64 << 10)?;
    loading()
}

fn parsing(size: usize) {
    let limits = Limits::default();
    for (name, text) in
        [("parse objects", samples::objects(size)), ("parse one string", format!("\"{}\"", samples::prose(size)))]
    {
        row(name, text.len(), || {
            black_box(Document::parse(black_box(text.as_bytes()), &limits).map(|document| document.root().span()).ok());
        });
    }
}

fn scanning(size: usize) -> Result<(), Box<dyn Error>> {
    let call = (samples::call(size), Context { direction: Direction::Request, surface: Surface::Arguments });
    let answer = (samples::answer(size), Context { direction: Direction::Response, surface: Surface::Result });
    for (kind, (message, context)) in [("a call", call), ("an answer", answer)] {
        scanners(kind, message.bytes(), context)?;
    }
    Ok(())
}

fn scanners(kind: &str, message: &[u8], context: Context) -> Result<(), Box<dyn Error>> {
    let document = Document::parse(message, &Limits::default())?;
    for (name, switch) in SCANNERS {
        let mut config = ScannersConfig::default();
        if let Some(one) = switch {
            for other in SCANNERS.iter().filter_map(|(_, switch)| *switch) {
                *other(&mut config) = false;
            }
            *one(&mut config) = true;
        }
        let scanners = Scanners::compile(&config)?;
        row(&format!("scan {kind}: {name}"), message.len(), || {
            let mut found = Vec::new();
            scanners.scan_value(context, black_box(document.root()), &mut found);
            assert!(found.is_empty());
        });
    }
    Ok(())
}

/// All scanners over the texts that cost them most: one sign over and over, as the argument of a call and in an answer.
fn worst(size: usize) -> Result<(), Box<dyn Error>> {
    let scanners = Scanners::compile(&ScannersConfig::default())?;
    let call = Context { direction: Direction::Request, surface: Surface::Arguments };
    let answer = Context { direction: Direction::Response, surface: Surface::Result };
    for (name, seed) in WORST {
        let text = serde_json::Value::from(seed.repeat(size / seed.len())).to_string();
        let message = format!("{{\"input\":{text}}}");
        let document = Document::parse(message.as_bytes(), &Limits::default())?;
        for (kind, context) in [("call", call), ("answer", answer)] {
            row(&format!("worst: {name}, {kind}"), message.len(), || {
                let mut found = Vec::new();
                scanners.scan_value(context, black_box(document.root()), &mut found);
                black_box(found.len());
            });
        }
    }
    Ok(())
}

fn exchanges(size: usize) -> Result<(), Box<dyn Error>> {
    for (name, configuration) in [
        ("allow all", policy::allow_all()),
        ("100 rules", policy::realistic(100, policy::Scan::Nothing)),
        ("100 rules, secrets", policy::realistic(100, policy::Scan::Secrets)),
        ("100 rules, all scanners", policy::realistic(100, policy::Scan::Everything)),
    ] {
        let firewall = Arc::new(Firewall::from_json(configuration.to_string().as_bytes(), [7; 32])?);
        let store = Arc::new(MemoryStore::default());
        for (kind, call, answer) in [
            ("call", samples::call(size), samples::answer(1 << 10)),
            ("answer", samples::call(1 << 10), samples::answer(size)),
        ] {
            if size == 1 << 10 && kind == "answer" {
                continue;
            }
            let bytes = call.bytes().len() + answer.bytes().len();
            row(&format!("exchange, {kind}: {name}"), bytes, || {
                exchange(&firewall, &store, call.bytes(), answer.bytes());
            });
        }
    }
    Ok(())
}

/// One exchange, with the audit line.
fn exchange(firewall: &Arc<Firewall>, store: &Arc<MemoryStore>, call: &[u8], answer: &[u8]) {
    let records = drive::exchange(firewall, store, BEARER, call, answer);
    assert!(!records.is_empty() && records.iter().all(|record| !record.decision.is_refusal()));
    black_box(records.iter().map(|record| record.to_json().len()).sum::<usize>());
}

/// The filter's own part of a start; the rest is Envoy's compiling of the module.
fn loading() -> Result<(), Box<dyn Error>> {
    for (name, configuration) in [
        ("allow all", policy::allow_all()),
        ("1000 rules, all scanners", policy::realistic(1_000, policy::Scan::Everything)),
    ] {
        let text = configuration.to_string();
        Firewall::from_json(text.as_bytes(), [7; 32])?;
        row(&format!("load: {name}"), text.len(), || {
            black_box(Firewall::from_json(black_box(text.as_bytes()), [7; 32]).is_ok());
        });
    }
    Ok(())
}

fn row(name: &str, bytes: usize, mut work: impl FnMut()) {
    // Only the stages whose names hold the first argument, where there is one.
    if std::env::args().nth(1).is_some_and(|wanted| !format!("{name}, {bytes}").contains(&wanted)) {
        return;
    }
    work();
    let start = Instant::now();
    work();
    let once = start.elapsed().as_secs_f64();
    let times = ((ROUND_SECONDS / once) as u32).clamp(1, 100_000);
    let mut least = f64::MAX;
    let rounds = std::env::args().nth(2).and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        least = least.min(start.elapsed().as_secs_f64() / f64::from(times));
    }
    println!("| {name} | {bytes} | {:.1} | {:.0} |", least * 1e6, bytes as f64 / least / 1e6);
}

const BEARER: &str = "Bearer bench-caller";

/// Keywords, coats, trigger words of each detector, and the first examples of rules that are slow.
const WORST: [(&str, &str); 24] = [
    ("assignments", "token="),
    ("prefixes of keys", "ghp_"),
    ("a word of secrets", "secret-"),
    ("percent", "%2525"),
    ("entities", "&amp;"),
    ("escapes", "\\u0041"),
    ("imitations", "\u{430}a"),
    ("zero width", "\u{200b}"),
    ("accents", "a\u{301}"),
    ("base64 of a command", "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290 "),
    ("hexadecimal", "726d202d7266202f202d2d6e6f "),
    ("token headers", "eyJhbGciOiJub25lIn0."),
    ("ROT13", "vtaber nyy cerivbhf vafgehpgvbaf "),
    ("a word of instructions", "ignore "),
    ("a jailbreak", "i am god "),
    ("comments", "<!-- "),
    ("role tags", "[system "),
    ("commands", "rm -rf "),
    ("SQL injection", "' or 1=1 "),
    ("links", "http://a:"),
    ("digits", "12345 6789 "),
    ("addresses", "a@b "),
    ("traversal", "../"),
    ("chains", "a;b|c&&"),
];

type Switch = fn(&mut ScannersConfig) -> &mut bool;

const SCANNERS: [(&str, Option<Switch>); 8] = [
    ("secrets", Some(|config| &mut config.secrets.enabled)),
    ("pii", Some(|config| &mut config.pii.enabled)),
    ("injection", Some(|config| &mut config.injection.enabled)),
    ("destructive", Some(|config| &mut config.destructive.enabled)),
    ("exfil", Some(|config| &mut config.exfil.enabled)),
    ("bulk", Some(|config| &mut config.bulk.enabled)),
    ("privesc", Some(|config| &mut config.privesc.enabled)),
    ("all", None),
];
/// Many and short, so that some are not disturbed by what else the machine does.
const ROUNDS: u32 = 150;
const ROUND_SECONDS: f64 = 0.002;
