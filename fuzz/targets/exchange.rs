//! One HTTP exchange of arbitrary bytes in arbitrary chunks: nothing panics, chunks do not matter, what policy
//! refuses does not get through, and lengths are those of the bodies.
//!
//! Input: eight bytes of choices, the request's body, 0xFF, the response's body, 0xFF, more request headers as
//! lines of `name: value`.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis_engine::driver::{Driver, Message, Outcome, Request, Response};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::sse::Framer;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Some((choices, rest)) = input.split_first_chunk::<8>() else { return };
    let [config, method, path, kind, status, request_cut, response_cut, flags] = *choices;
    let mut parts = rest.splitn(3, |byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (request_body, response_body, headers) = (part(), part(), part());
    let enforcing = config % 4 < 2;
    let firewall = &FIREWALLS[usize::from(config % 4)];

    let request = request(method, path, headers, request_body);
    let response = response(kind, status, response_body);
    let whole = Driver::new(firewall.clone()).run(&request, |_| response.clone());
    let cut = Driver::new(firewall.clone()).run(
        &Request { chunks: chunks(&request.chunks.concat(), request_cut), trailers: flags & 1 > 0, ..request.clone() },
        |_| Response {
            chunks: chunks(&response.chunks.concat(), response_cut),
            trailers: flags & 2 > 0,
            ..response.clone()
        },
    );
    // The end of an empty body is told by its headers, unless trailers follow.
    let bodies = !(request_body.is_empty() || response_body.is_empty());
    if bodies {
        compare(&whole, &cut);
    }
    for outcome in [&whole, &cut] {
        check(outcome, enforcing);
    }
});

fn compare(whole: &Outcome, cut: &Outcome) {
    assert_eq!(whole.upstream.as_ref().map(Message::body), cut.upstream.as_ref().map(Message::body));
    assert_eq!(whole.upstream.as_ref().map(|m| &m.headers), cut.upstream.as_ref().map(|m| &m.headers));
    assert_eq!(whole.answered, cut.answered);
    assert_eq!(whole.client.headers, cut.client.headers);
    if whole.client.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
        assert_eq!(messages(&whole.client.body()), messages(&cut.client.body()));
    } else {
        assert_eq!(whole.client.text(), cut.client.text());
    }
    let records = |outcome: &Outcome| -> Vec<String> {
        let timeless = |mut record: portcullis_engine::audit::Record| {
            // An id begins with the time, which differs between the two runs.
            record.id = record.id.split_once('-').map_or_else(String::new, |(_, rest)| rest.to_owned());
            (record.time_us, record.latency_us) = (0, None);
            record.to_json()
        };
        outcome.records.iter().cloned().map(timeless).collect()
    };
    assert_eq!(records(whole), records(cut));
}

fn check(outcome: &Outcome, enforcing: bool) {
    for record in &outcome.records {
        let line = record.to_json();
        assert!(!line.contains('\n') && serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
    for message in outcome.upstream.iter().chain([&outcome.client]) {
        if let Some(length) = message.header("content-length").and_then(|length| length.parse::<usize>().ok())
            && length != message.body().len()
        {
            // Only where the sender itself lied about a body that passes unread.
            assert!(!enforcing || outcome.records.iter().all(|record| *record.rule == *"http:pass"), "content-length");
        }
    }
    if !enforcing {
        return;
    }
    assert!(!outcome.records.is_empty());
    if let Some(seen) = &outcome.upstream {
        let unwanted = |name: &str| {
            matches!(name, "authorization" | "cookie" | "accept-encoding") || name.starts_with("x-portcullis-")
        };
        assert!(!seen.headers.iter().any(|(name, _)| unwanted(name)));
        if seen.header(":method") == Some("POST") && *outcome.records[0].rule != *"http:pass" {
            let body = seen.body();
            Document::parse(&body, &Limits::default()).expect("only strict JSON goes on");
            let Ok(value) = serde_json::from_slice::<Value>(&body) else { return };
            let single = [value.clone()];
            for message in value.as_array().map_or(&single[..], Vec::as_slice) {
                let forbidden = message["method"] == "tools/call" && message["params"]["name"] == "forbidden";
                assert!(!forbidden, "a refused call went on");
            }
        }
    } else {
        assert!(outcome.answered);
        assert!(outcome.client.header(":status").is_some());
    }
    if *outcome.records[0].rule == *"http:pass" {
        return;
    }
    let success = outcome.client.header(":status").is_some_and(|status| status.starts_with('2'));
    let seen: Vec<Vec<u8>> = match outcome.client.header("content-type") {
        Some("text/event-stream") => {
            let events = messages(&outcome.client.body()).into_iter();
            events.filter(|(event_type, _)| event_type != b"endpoint").map(|(_, data)| data).collect()
        }
        Some("application/json") if success && !outcome.client.body().is_empty() => vec![outcome.client.body()],
        // An error of the HTTP level is text to a client.
        _ => return,
    };
    for message in seen {
        Document::parse(&message, &Limits { max_bytes: usize::MAX, ..Limits::default() }).expect("only strict JSON");
        // serde_json knows no number beyond f64.
        let Ok(value) = serde_json::from_slice::<Value>(&message) else { continue };
        let single = [value.clone()];
        for message in value.as_array().map_or(&single[..], Vec::as_slice) {
            let tools = message["result"]["tools"].as_array();
            assert!(!tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "forbidden")), "not hidden");
        }
    }
}

/// Type and data of what a client dispatches.
fn messages(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut framer = Framer::new(usize::MAX);
    framer.push(stream);
    std::iter::from_fn(|| framer.next_event())
        .flatten()
        .filter_map(|event| Some((event.event_type().unwrap_or_default().to_vec(), event.data()?.into_owned())))
        .filter(|(_, data)| !data.is_empty())
        .collect()
}

fn request(method: u8, path: u8, headers: &[u8], body: &[u8]) -> Request {
    let method = ["POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "PUT", "HEAD"][usize::from(method % 8)];
    let path = ["/mcp", "/message?sessionId=1", "/.well-known/x", "/other"][usize::from(path % 4)];
    let mut request = Request::post(path, body);
    request.headers[0].1 = method.as_bytes().to_vec();
    if body.is_empty() {
        request.chunks.clear();
    }
    // Most inputs shall reach the body: only what is said in lines is changed.
    for line in headers.split(|byte| *byte == b'\n').take(16) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.starts_with('-') {
            request.headers.retain(|(known, _)| known != &name[1..]);
        } else if name != "content-length" {
            // A length that lies never reaches a filter: the codec cuts or refuses the body.
            request.headers.push((name.to_ascii_lowercase(), value[1..].trim_ascii().to_vec()));
        }
    }
    request
}

fn response(kind: u8, status: u8, body: &[u8]) -> Response {
    let mut response = match kind % 4 {
        0 => Response::json(body),
        1 => Response::sse([body]),
        2 => Response {
            headers: vec![(":status".to_owned(), b"200".to_vec())],
            chunks: vec![body.to_vec()],
            trailers: false,
        },
        _ => {
            let mut response = Response::json(body);
            response.headers.push(("content-encoding".to_owned(), b"gzip".to_vec()));
            response
        }
    };
    if body.is_empty() {
        response.chunks.clear();
    }
    if status % 4 == 3 {
        response.headers[0].1 = (400 + u16::from(status / 4)).to_string().into_bytes();
    }
    response
}

/// Cuts a body into pieces of sizes drawn from `seed`.
fn chunks(body: &[u8], seed: u8) -> Vec<Vec<u8>> {
    let mut state = u32::from(seed) | 0x100;
    let mut rest = body;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        // A linear congruential generator (Numerical Recipes).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + (state >> 16) as usize % (1 + (usize::from(seed) & 0x3f));
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = behind;
    }
    chunks
}

/// Enforcing with rules; enforcing with everything small; shadow; disabled.
static FIREWALLS: LazyLock<Vec<Arc<Firewall>>> = LazyLock::new(|| {
    let rules = r#"[
        {"id": "no", "action": "deny", "match": {"name": ["forbidden"]}, "priority": 1},
        {"id": "ask", "action": "require_approval", "match": {"name": ["ask_*"]}},
        {"id": "hidden", "action": "deny", "hide": true, "match": {"name": ["secret_*"]}},
        {"id": "path", "action": "deny", "arguments": [{"path": "/path", "op": "path_within", "value": "/etc", "missing": "fails"}]}
    ]"#;
    let obligations = r#"[{"id": "o", "redact_arguments": ["pin", "/a/*/b"], "redact_result": ["ssn", "a.**.b"],
        "max_result_rows": 64, "egress": {"allow": ["example.com"], "emails": true, "action": "redact"}}]"#;
    let servers =
        r#"[{"name": "mcp", "match": {"path_prefix": "/mcp"}}, {"name": "old", "match": {"path_prefix": "/message"}}]"#;
    [("enforce", 1 << 20), ("enforce", 1024), ("shadow", 1024), ("disabled", 1024)]
        .iter()
        .map(|(mode, limit)| {
            let text = format!(
                r#"{{"version": "1", "mode": "{mode}", "default": "allow", "servers": {servers}, "rules": {rules},
                    "obligations": {obligations}, "limits": {{"max_body_bytes": {limit}, "max_event_bytes": {limit}}}}}"#
            );
            Arc::new(Firewall::from_json(text.as_bytes(), [7; 32]).expect("a configuration"))
        })
        .collect()
});
