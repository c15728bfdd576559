//! A configuration and the calls made on it: nothing panics, the same calls have the same records, and a policy
//! without its permissions lets nothing more through.
//!
//! Input: the configuration's text, then up to eight bodies, each behind a 0xFF.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::config::Fallback;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::firewall::Firewall;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|byte| *byte == 0xff);
    let Some(text) = parts.next() else { return };
    let Ok(firewall) = Firewall::from_json(text, [1; 32]) else { return };
    let bodies: Vec<&[u8]> = parts.take(8).collect();
    let mut config = firewall.policy.config().clone();
    let firewall = Arc::new(firewall);
    let (once, again) = (run(&firewall, &bodies), run(&firewall, &bodies));
    assert_eq!(records(&once), records(&again));
    for (a, b) in once.iter().zip(&again) {
        assert_eq!(a.client, b.client);
        assert_eq!(a.upstream, b.upstream);
    }

    config.rules.retain(|rule| !rule.action.lets_through());
    config.default = Fallback::Deny;
    let stricter = serde_json::to_vec(&config).expect("a configuration can be written");
    let stricter = Arc::new(Firewall::from_json(&stricter, [1; 32]).expect("fewer rules load"));
    for body in bodies {
        // Each by itself: a call that is refused uses up nothing of what the next one needs.
        let [before, after] = [&firewall, &stricter].map(|firewall| passed(firewall, body));
        assert!(before || !after, "fewer permissions let more through");
    }
});

fn run(firewall: &Arc<Firewall>, bodies: &[&[u8]]) -> Vec<Outcome> {
    let mut driver = Driver::new(Arc::clone(firewall));
    bodies.iter().map(|body| driver.run(&Request::post("/mcp", *body), |_| Response::json(RESULT))).collect()
}

fn passed(firewall: &Arc<Firewall>, body: &[u8]) -> bool {
    run(firewall, &[body]).iter().any(|outcome| outcome.upstream.is_some())
}

fn records(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().flat_map(|outcome| &outcome.records).map(portcullis_engine::audit::Record::to_json).collect()
}

const RESULT: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"https://example.com/ok"}]}}"#;
