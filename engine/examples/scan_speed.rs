//! Measures the scanners on clean JSON of 64 KiB and on adversarial texts, in MB/s:
//! `scan_speed [only=NAME,…] [quick] [SEED…]`; `only` leaves these scanners on, `quick` leaves out the adversarial texts.
// A tool for developers: what it is not given, or cannot read, may end it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::fmt::Write as _;
use std::time::Instant;

use portcullis_engine::config::from_json;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::scan::{Context, Direction, Scanners, ScannersConfig, Surface};

// The same messages as in `make bench`.
#[path = "../../bench/src/samples.rs"]
#[allow(dead_code, missing_docs)]
mod samples;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut config = serde_json::json!({});
    if let Some(names) = args.iter().find_map(|arg| arg.strip_prefix("only=")) {
        for name in ["secrets", "pii", "injection", "destructive", "exfil", "bulk", "privesc"] {
            config[name] = serde_json::json!({"enabled": names.split(',').any(|only| only == name)});
        }
    }
    let config: ScannersConfig = from_json(config.to_string().as_bytes()).expect("a configuration");
    let started = Instant::now();
    let scanners = Scanners::compile(&config).unwrap_or_else(|error| panic!("{error}"));
    println!("compile {:?}, {} rules", started.elapsed(), scanners.rules().count());
    let records = records();
    let prose = format!("{{\"content\":[{{\"type\":\"text\",\"text\":{}}}]}}", serde_json::json!(prose()));
    let bench = String::from_utf8(samples::answer(64 << 10).bytes().to_vec()).expect("text");
    for (name, text) in [("bench", &bench), ("records", &records), ("prose", &prose)] {
        let limits = Limits::default();
        let doc = Document::parse(text.as_bytes(), &limits).expect("JSON");
        let mut found = Vec::new();
        let request = Context { direction: Direction::Request, surface: Surface::Arguments };
        best(&format!("{name}: scan_value, request"), text.len(), || {
            found.clear();
            scanners.scan_value(request, doc.root(), &mut found);
        });
        let context = Context { direction: Direction::Response, surface: Surface::Result };
        best(&format!("{name}: scan_value"), text.len(), || {
            found.clear();
            scanners.scan_value(context, doc.root(), &mut found);
        });
        println!("   {} findings", found.len());
        let mut found = Vec::new();
        best(&format!("{name}: scan_text"), text.len(), || {
            found.clear();
            scanners.scan_text(context, text, &mut found);
        });
        best(&format!("{name}: prefilter"), text.len(), || {
            std::hint::black_box(scanners.count_hits(text));
        });
        println!("   {} hits", scanners.count_hits(text));
        best(&format!("{name}: parse"), text.len(), || {
            std::hint::black_box(Document::parse(text.as_bytes(), &limits).is_ok());
        });
    }
    if args.iter().any(|arg| arg == "quick") {
        return;
    }
    for seed in args.iter().filter(|arg| !arg.starts_with("only=")).cloned().chain(
        [
            "token=",
            "sk-",
            "eyJhbGciOiJub25lIn0.",
            "password: ",
            "http://a:",
            "-----BEGIN PRIVATE KEY-----",
            "\"kty\"",
            "ghp_",
            "xoxb-1",
            "heroku ",
            "curl ",
            "fastly ",
            "AZDO",
            "basic ",
            "secret-",
            "secret_key ",
            "%2525",
            "&amp;",
            "\\u0041",
            "\u{430}a",
            "cm0gLXJmIC8gLS1uby1wcmVzZXJ2ZS1yb290 ",
            "Y20wZ0xYSm1JQzhnTFMxdWJ5MXdjbVZ6WlhKMlpTMXliMjkw",
            "abcdefghijklmnop ",
            "ignore ",
            "rm -rf ",
            "' or 1=1 ",
            "12345 6789 ",
            "a@b ",
        ]
        .map(String::from),
    ) {
        let text = seed.repeat(65536 / seed.len());
        let context = Context { direction: Direction::Response, surface: Surface::Result };
        let mut found = Vec::new();
        best(&format!("{seed:?} repeated"), text.len(), || {
            found.clear();
            scanners.scan_text(context, &text, &mut found);
        });
    }
}

fn best(name: &str, bytes: usize, mut run: impl FnMut()) {
    let mut least = f64::MAX;
    for _ in 0..30 {
        let started = Instant::now();
        run();
        least = least.min(started.elapsed().as_secs_f64());
    }
    println!("{name:40} {:8.0} MB/s", bytes as f64 / least / 1e6);
}

fn records() -> String {
    let mut out = String::from("[");
    let mut index = 0_u32;
    while out.len() < 64 * 1024 {
        let _ = write!(
            out,
            "{}{{\"id\":{},\"title\":\"Order {} shipped from warehouse\",\"owner\":{{\"login\":\"user{}\",\"url\":\"https://api.example.com/users/{}\",\"site_admin\":false}},\"created_at\":\"2026-03-{:02}T10:15:00Z\",\"labels\":[\"bug\",\"help wanted\"],\"commit\":\"3f786850e387550fdab836ed7e6dc881de23001b\",\"uuid\":\"550e8400-e29b-41d4-a716-4466554{:05}\",\"body\":\"The parcel left the building and the customer was told by mail. Nothing else to report today.\",\"score\":{}.5}}",
            if index == 0 { "" } else { "," },
            index,
            index * 7,
            index % 97,
            index,
            index % 28 + 1,
            index,
            index % 13
        );
        index += 1;
    }
    out.push(']');
    out
}

fn prose() -> String {
    let sentence = "The committee met on Tuesday to discuss the budget, the state of the bridge and the new timetable for the ferry. Members asked about the price of timber, which had risen by a third since spring; the treasurer said that contracts had been signed before the rise. ";
    sentence.repeat(64 * 1024 / sentence.len() + 1)
}
