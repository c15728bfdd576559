//! The native host: whole exchanges in memory, however their bytes arrive.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::exchange::Answer;
use portcullis_engine::firewall::Firewall;

#[test]
fn an_allowed_call_goes_on_byte_for_byte() {
    let call = call("read_file");
    let request = Request::post("/mcp", &*call)
        .header("authorization", "Bearer x")
        .header("cookie", "a=b")
        .header("x-portcullis-action", "allow")
        .header("accept-encoding", "gzip");
    let answer = r#"{ "result" : {"content":[]}, "id":1, "jsonrpc":"2.0" }"#;
    let outcome = driver().run(&request, |seen| {
        assert_eq!(seen.text(), call);
        for gone in ["authorization", "cookie", "x-portcullis-action", "accept-encoding"] {
            assert_eq!(seen.header(gone), None, "{gone}");
        }
        Response::json(answer)
    });
    assert_eq!(outcome.client.text(), answer);
    assert!(!outcome.answered);
    assert_eq!(outcome.records.len(), 1);
    assert_eq!(outcome.records[0].rule.as_ref(), "read");
}

#[test]
fn a_refused_call_never_reaches_the_upstream() {
    for name in ["rm", "ask_first"] {
        let outcome = driver().run(&Request::post("/mcp", call(name)), |_| Response::json("{}"));
        assert!(outcome.upstream.is_none() && outcome.answered);
        assert!(outcome.client.text().contains("isError"));
        assert_eq!(outcome.client.header("content-length"), Some(outcome.client.body().len().to_string().as_str()));
        assert_eq!(outcome.questions.len(), usize::from(name == "ask_first"));
    }
    let mut driver = driver();
    driver.answer = Answer::Approved;
    let outcome = driver.run(&Request::post("/mcp", call("ask_first")), |_| Response::json(RESULT));
    assert!(outcome.upstream.is_some(), "an approved call goes on");
}

#[test]
fn chunks_and_trailers_do_not_matter() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let whole = driver().run(&Request::post("/mcp", list), |_| Response::json(TOOLS));
    assert!(whole.client.text().contains("read_file") && !whole.client.text().contains("\"rm\""));
    for size in 1..12 {
        for trailers in [false, true] {
            let cut = |text: &str| -> Vec<Vec<u8>> { text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect() };
            let request = Request { chunks: cut(list), trailers, ..Request::post("/mcp", list) };
            let outcome =
                driver().run(&request, |_| Response { chunks: cut(TOOLS), trailers, ..Response::json(TOOLS) });
            assert_eq!(outcome.client.text(), whole.client.text());
            assert_eq!(outcome.client.header("content-length"), whole.client.header("content-length"));
            assert_eq!(outcome.upstream.unwrap().text(), list);
        }
    }
}

#[test]
fn a_stream_split_at_every_byte_is_filtered_alike_and_leaves_at_once() {
    let stream = format!(": hi\r\n\r\nid: 1\r\nevent: message\r\ndata: {TOOLS}\r\n\r\n");
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let run = |chunks: Vec<&str>| -> Outcome { driver().run(&Request::post("/mcp", list), |_| Response::sse(chunks)) };
    let whole = run(vec![&stream]).client.text();
    assert!(whole.contains("read_file") && !whole.contains("\"rm\"") && whole.contains("id: 1\r\n"));
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        let outcome = run(vec![head, tail]);
        assert_eq!(outcome.client.text(), whole, "cut at {at}");
        // The comment does not wait for the event behind it.
        assert!(at < ": hi\r\n\r\n".len() || outcome.client.chunks[0].starts_with(b": hi\r\n\r\n"));
    }
}

fn driver() -> Driver {
    let policy = br#"{"version": "1", "servers": [{"name": "all"}], "rules": [
        {"id": "read", "match": {"name": ["read_*"]}, "action": "allow"},
        {"id": "ask", "match": {"name": ["ask_*"]}, "action": "require_approval"}]}"#;
    Driver::new(Arc::new(Firewall::from_json(policy, [7; 32]).unwrap()))
}

fn call(name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0", "id":1, "method":"tools/call","params":{{"name":"{name}","arguments":{{"n":1.50}}}}}}"#
    )
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"rm"},{"name":"read_file"}]}}"#;
