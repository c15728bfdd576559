//! What each stage of an exchange costs: `cargo bench -p portcullis-engine`. Figures per second are bytes of the
//! message read, or of the text scanned.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, IdentityFacts, Policy};
use portcullis_engine::scan::{Context, Direction, Scanners, ScannersConfig, Surface};
use portcullis_engine::sse::Framer;
use portcullis_engine::state::MemoryStore;

// The same messages and policies as in `make bench`.
#[path = "../../bench/src/drive.rs"]
mod drive;
#[path = "../../bench/src/policy.rs"]
mod policy;
#[path = "../../bench/src/samples.rs"]
mod samples;

fn main() {
    divan::main();
}

mod json {
    use super::*;

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn dense_objects(bencher: Bencher<'_, '_>, size: usize) {
        parse(bencher, &samples::objects(size));
    }

    #[divan::bench(args = [64 << 10])]
    fn one_long_string(bencher: Bencher<'_, '_>, size: usize) {
        parse(bencher, &format!("\"{}\"", samples::prose(size)));
    }

    fn parse(bencher: Bencher<'_, '_>, text: &str) {
        let limits = Limits::default();
        bencher.counter(BytesCount::of_str(text)).bench(|| {
            Document::parse(divan::black_box(text.as_bytes()), &limits).map(|document| document.root().span())
        });
    }
}

mod decide {
    use super::*;

    #[divan::bench(args = [100, 1000])]
    fn rules(bencher: Bencher<'_, '_>, count: usize) {
        let policy = Policy::from_json(policy::realistic(count, policy::Scan::Nothing).to_string().as_bytes()).unwrap();
        let message = samples::call(1 << 10);
        let document = Document::parse(message.bytes(), &Limits::default()).unwrap();
        let caller = policy.identify(&IdentityFacts { key: Some(BEARER), ..IdentityFacts::default() });
        let call = Call {
            server: "documents",
            method: "tools/call",
            capability: Capability::Tool,
            name: Some("search_documents"),
            arguments: document.root().get("params").and_then(|params| params.get("arguments")),
        };
        assert_eq!(&*policy.decide(&caller, &call).rule, "research-search");
        bencher.bench(|| policy.decide(divan::black_box(&caller), divan::black_box(&call)));
    }

    #[divan::bench]
    fn identify_by_key(bencher: Bencher<'_, '_>) {
        let policy = Policy::from_json(policy::realistic(100, policy::Scan::Nothing).to_string().as_bytes()).unwrap();
        let facts = IdentityFacts { key: Some(BEARER), ..IdentityFacts::default() };
        bencher.bench(|| policy.identify(divan::black_box(&facts)));
    }
}

mod secrets {
    use super::*;

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn clean_prose(bencher: Bencher<'_, '_>, size: usize) {
        scan(bencher, &samples::prose(size), 0);
    }

    /// Every hundred bytes something that has to be looked at, every fourth of them a secret.
    #[divan::bench(args = [64 << 10])]
    fn rich_in_hits(bencher: Bencher<'_, '_>, size: usize) {
        let mut text = String::new();
        for (index, sentence) in samples::prose(size).split_inclusive(". ").enumerate() {
            text.push_str(sentence);
            match index % 4 {
                0 => text.push_str("password is what the form asks for "),
                1 => text.push_str("the api_key: see the manual "),
                2 => text.push_str("ghp_ is how such tokens begin "),
                _ => text.push_str("password = \"kT9!vQ2#mZ7x\" "),
            }
        }
        scan(bencher, &text, 1);
    }

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn clean_document(bencher: Bencher<'_, '_>, size: usize) {
        let scanners = Scanners::compile(&ScannersConfig::default()).unwrap();
        let message = samples::answer(size);
        let document = Document::parse(message.bytes(), &Limits::default()).unwrap();
        bencher.counter(BytesCount::new(message.bytes().len())).bench(|| {
            let mut found = Vec::new();
            scanners.scan_value(RESULT, document.root(), &mut found);
            found.len()
        });
    }

    fn scan(bencher: Bencher<'_, '_>, text: &str, at_least: usize) {
        let scanners = Scanners::compile(&ScannersConfig::default()).unwrap();
        let run = || {
            let mut found = Vec::new();
            scanners.scan_text(RESULT, divan::black_box(text), &mut found);
            found.len()
        };
        assert!(run() >= at_least);
        assert!(at_least > 0 || run() == 0);
        bencher.counter(BytesCount::of_str(text)).bench(run);
    }

    const RESULT: Context = Context { direction: Direction::Response, surface: Surface::Result };
}

mod sse {
    use super::*;

    #[divan::bench(args = [512, 16 << 10])]
    fn framing(bencher: Bencher<'_, '_>, chunk: usize) {
        let stream = samples::events(64, 1 << 10);
        bencher.counter(BytesCount::new(stream.bytes().len())).bench(|| {
            let mut framer = Framer::new(1 << 20);
            let mut events = 0;
            for piece in stream.bytes().chunks(chunk) {
                framer.push(piece);
                while let Some(Ok(event)) = framer.next_event() {
                    events += usize::from(event.data().is_some());
                }
            }
            events
        });
    }
}

/// A call and its answer, as the filter drives them, with the audit line.
mod exchange {
    use super::*;

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn allow_all(bencher: Bencher<'_, '_>, size: usize) {
        run(bencher, size, &policy::allow_all());
    }

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn rules_100(bencher: Bencher<'_, '_>, size: usize) {
        run(bencher, size, &policy::realistic(100, policy::Scan::Nothing));
    }

    #[divan::bench(args = [1 << 10, 64 << 10])]
    fn rules_100_secrets(bencher: Bencher<'_, '_>, size: usize) {
        run(bencher, size, &policy::realistic(100, policy::Scan::Secrets));
    }

    fn run(bencher: Bencher<'_, '_>, size: usize, configuration: &serde_json::Value) {
        let firewall = Arc::new(Firewall::from_json(configuration.to_string().as_bytes(), [7; 32]).unwrap());
        let (call, answer) = (samples::call(size), samples::answer(size));
        let store = Arc::new(MemoryStore::default());
        let once = || {
            let records = drive::exchange(&firewall, &store, BEARER, call.bytes(), answer.bytes());
            records.iter().map(|record| (record.to_json(), record.decision)).collect::<Vec<_>>()
        };
        assert!(once().iter().all(|(_, decision)| !decision.is_refusal()));
        bencher.counter(BytesCount::new(call.bytes().len() + answer.bytes().len())).bench(once);
    }
}

const BEARER: &str = "Bearer bench-caller";
