//! No text makes a scanner, a decoder or a tokenizer panic, work for long, or find what is not within the text; what is
//! redacted stays JSON.
//!
//! Input: a byte that chooses the direction and the member, then the text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::json::{Document, Edits, Limits, quote};
use portcullis_engine::scan::{Context, Direction, Scanners, ScannersConfig, Surface};

static SCANNERS: LazyLock<Scanners> =
    LazyLock::new(|| Scanners::compile(&ScannersConfig::default()).expect("the default configuration"));

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let context = match choice & 3 {
        0 | 1 => Context { direction: Direction::Request, surface: Surface::Arguments },
        2 => Context { direction: Direction::Response, surface: Surface::Result },
        _ => Context { direction: Direction::Response, surface: Surface::Description },
    };
    let mut found = Vec::new();
    let work = SCANNERS.scan_text_counted(context, &text, &mut found);
    assert!(work <= 65536 + 4096 * text.len() as u64, "{work} steps for {} bytes", text.len());
    for finding in &found {
        assert!(text.get(finding.range.clone()).is_some(), "{} out of place", finding.rule);
    }
    let member = MEMBERS[usize::from(choice >> 2) % MEMBERS.len()];
    let json = format!("{{\"{member}\":{text},{key}:[{text}]}}", text = quote(&text), key = quote(&format!("k{text}")));
    let document = Document::parse(json.as_bytes(), &Limits::default()).expect("quoted text is JSON");
    let mut located = Vec::new();
    SCANNERS.scan_value(context, document.root(), &mut located);
    let mut edits = Edits::default();
    located.iter().for_each(|located| located.redact(&mut edits));
    let clean = edits.apply(json.as_bytes());
    assert!(serde_json::from_slice::<serde_json::Value>(&clean).is_ok(), "redaction broke the message");
});

const MEMBERS: [&str; 8] = ["command", "sql", "path", "url", "code", "text", "limit", "value"];
