//! A call and its answer, as the filter drives them.

use std::sync::Arc;

use portcullis_engine::audit::Record;
use portcullis_engine::exchange::{Exchange, Facts};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::http::Headers;
use portcullis_engine::state::MemoryStore;

/// Drives one exchange by the caller whose key is `bearer` and returns its audit records.
pub fn exchange(
    firewall: &Arc<Firewall>,
    store: &Arc<MemoryStore>,
    bearer: &str,
    call: &[u8],
    answer: &[u8],
) -> Vec<Record> {
    let mut exchange = Exchange::new(Arc::clone(firewall), Arc::clone(store) as _, 1);
    let length = call.len().to_string();
    let request = Headers::new(vec![
        (":method", b"POST"),
        (":path", b"/documents/1k"),
        (":authority", b"mcp.example.com"),
        ("user-agent", b"mcp-client/1.0"),
        ("authorization", bearer.as_bytes()),
        ("accept", b"application/json, text/event-stream"),
        ("accept-encoding", b"gzip, deflate"),
        ("content-type", b"application/json"),
        ("mcp-protocol-version", b"2025-06-18"),
        ("mcp-session-id", b"6f1c2a34-5b77-4a6e-9c0d-2f8e1b7a9d10"),
        ("x-request-id", b"0b5c1e7c-3f0e-4d56-8f51-5a4d4c1c4c7e"),
        ("content-length", length.as_bytes()),
    ]);
    exchange.request_headers(&request, &Facts::default(), false, 1);
    exchange.request_body(call, 2);
    let response = Headers::new(vec![(":status", b"200"), ("content-type", b"application/json")]);
    exchange.response_headers(&response, false, 3);
    exchange.response_body(answer, 4);
    exchange.finish(5)
}
