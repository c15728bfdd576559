//! Credentials for servers: who gets one, where it goes, and that it does not come back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

use std::sync::Arc;

use portcullis_engine::audit::Decided;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::exchange::{Answer, Question};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::sidecar::wire::Writer;
use portcullis_engine::sidecar::{is_header_value, may_be_injected};
use proptest::prelude::*;

const SECRET: &str = "tok-5f1b9c7e2d";
const BASE64: &str = "dG9rLTVmMWI5YzdlMm";
const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

fn policy(credentials: &str, more: &str) -> String {
    format!(
        r#"{{"version":"1","default":"allow","servers":[{{"name":"s","credentials":{credentials}}}],
        "sidecar":{{"cluster":"c"}},"rules":[
        {{"id":"no","match":{{"name":["rm"]}},"action":"deny"}},
        {{"id":"asks","match":{{"name":["deploy"]}},"action":"require_approval"}}]{more}}}"#
    )
}

fn driver(policy: &str, answer: Answer) -> Driver {
    let mut driver = Driver::new(Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()));
    driver.answer = answer;
    driver
}

/// `AdmitResponse` as bytes: a verdict and a header.
fn answer(verdict: u64, header: Option<(&str, &str, &[&str])>) -> Answer {
    let mut out = Writer::new();
    out.number(1, verdict);
    if let Some((name, value, forms)) = header {
        let mut one = Writer::new();
        one.bytes(1, name);
        one.bytes(2, value);
        forms.iter().for_each(|form| one.item(3, form));
        out.item(4, one.finish());
        out.bytes(5, "github");
    }
    Answer::of_call(0, Some(&out.finish()))
}

fn bearer() -> Answer {
    answer(1, Some(("authorization", &format!("Bearer {SECRET}"), &[SECRET, BASE64])))
}

fn call(tool: &str) -> Request {
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#);
    Request::post("/mcp", body).header("authorization", "Bearer of-the-client")
}

fn sent(outcome: &Outcome) -> Option<&str> {
    outcome.upstream.as_ref().unwrap().header("authorization")
}

#[test]
fn every_kind_of_message_is_sent_with_it_and_asks_once() {
    let get = Request {
        headers: vec![
            (":method".into(), b"GET".to_vec()),
            (":path".into(), b"/mcp".to_vec()),
            (":authority".into(), b"localhost".to_vec()),
        ],
        ..Request::default()
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for request in [
        call("read"),
        call("deploy"),
        get,
        Request::post("/mcp", ping),
        Request::post("/mcp", told),
        Request::post("/mcp", format!("[{ping},{told}]")),
        Request::post("/mcp", r#"{"jsonrpc":"2.0","id":5,"result":{"roots":[]}}"#),
    ] {
        let outcome = driver(&policy("{}", ""), bearer()).run(&request, |_| Response::json(OK));
        assert_eq!(sent(&outcome), Some("Bearer tok-5f1b9c7e2d"), "{request:?}");
        assert_eq!(outcome.questions.len(), 1, "{request:?}");
        let Question::Admit(admit) = &outcome.questions[0];
        assert_eq!((admit.credential, &*admit.call.server), (Some(true), "s"));
        assert!(outcome.records.iter().any(|record| record.credential.as_deref() == Some("github")), "{request:?}");
        assert!(!outcome.records.iter().any(|record| record.to_json().contains("tok-")));
    }
}

#[test]
fn what_policy_refuses_gets_none() {
    let outcome = driver(&policy("{}", ""), bearer()).run(&call("rm"), |_| Response::json(OK));
    assert!(outcome.upstream.is_none() && outcome.questions.is_empty());
    // In shadow mode it goes on, as the client sent it.
    let outcome = driver(&policy("{}", r#","mode":"shadow""#), bearer()).run(&call("rm"), |_| Response::json(OK));
    assert_eq!((sent(&outcome), outcome.questions.len()), (Some("Bearer of-the-client"), 0));
    let outcome = driver(&policy("{}", r#","mode":"shadow""#), bearer()).run(&call("read"), |_| Response::json(OK));
    assert_eq!(sent(&outcome), Some("Bearer tok-5f1b9c7e2d"));
}

#[test]
fn without_one_it_is_refused_or_goes_on_as_configured() {
    let none = || answer(4, None);
    let old_sidecar = || answer(1, None);
    let injection = || answer(1, Some(("x-a", "b\r\nhost: evil", &[SECRET])));
    for (terms, answer, passes) in [
        ("{}", none(), false),
        ("{}", old_sidecar(), false),
        ("{}", Answer::Unavailable, false),
        ("{}", injection(), false),
        (r#"{"required":false}"#, old_sidecar(), true),
        (r#"{"required":false}"#, none(), false),
        (r#"{"required":false}"#, Answer::Unavailable, false),
        (r#"{"on_unavailable":"allow"}"#, Answer::Unavailable, true),
        (r#"{"on_unavailable":"allow"}"#, none(), false),
    ] {
        let outcome = driver(&policy(terms, ""), answer.clone()).run(&call("read"), |_| Response::json(OK));
        assert_eq!(outcome.upstream.is_some(), passes, "{terms} {answer:?}");
        if passes {
            assert_eq!(sent(&outcome), None);
        } else {
            assert!(outcome.client.text().contains("credential:none"), "{terms}: {}", outcome.client.text());
            assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "credential:none"));
        }
    }
    // Every form of request is answered in its own way.
    let driver = |request: &Request| driver(&policy("{}", ""), none()).run(request, |_| Response::json(OK)).client;
    let ping = |id: u8| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    let both = driver(&Request::post("/mcp", format!("[{},{}]", ping(1), ping(2)))).text();
    assert!(both.starts_with('[') && both.contains("\"id\":1") && both.contains("\"id\":2"), "{both}");
    let told = driver(&Request::post("/mcp", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
    assert_eq!(told.header(":status"), Some("202"));
}

#[test]
fn an_approval_and_a_credential_are_one_question() {
    let outcome = driver(&policy("{}", ""), bearer()).run(&call("deploy"), |_| Response::json(OK));
    let Question::Admit(admit) = &outcome.questions[0];
    assert!(admit.approval.is_some() && admit.credential == Some(true));
    let outcome = driver(&policy("{}", ""), answer(4, None)).run(&call("deploy"), |_| Response::json(OK));
    assert!(outcome.upstream.is_none());
    assert_eq!(&*outcome.records[0].rule, "credential:none");
}

#[test]
fn a_quota_is_given_back_where_there_is_no_credential() {
    let quota = r#","quotas":[{"id":"q","limit":"1/hour"}]"#;
    let mut driver = driver(&policy("{}", quota), answer(4, None));
    driver.run(&call("read"), |_| Response::json(OK));
    driver.answer = bearer();
    assert!(driver.run(&call("read"), |_| Response::json(OK)).upstream.is_some());
    assert!(driver.run(&call("read"), |_| Response::json(OK)).upstream.is_none());
}

#[test]
fn it_needs_a_sidecar() {
    let text = r#"{"version":"1","servers":[{"name":"s","credentials":{}}]}"#;
    let error = Firewall::from_json(text.as_bytes(), [7; 32]).unwrap_err().to_string();
    assert!(error.starts_with("/servers/0/credentials: needs the sidecar"), "{error}");
}

// === what comes back ===

fn answers() -> Vec<Response> {
    let result = |text: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
    };
    let escaped = result(r"you sent \u0074ok-5f1b9c7e2d").into_bytes();
    let error =
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"{SECRET}","data":{{"{SECRET}":1}}}}}}"#);
    let sse = |text: &str| {
        Response::sse([format!(": {SECRET}\nid: {BASE64}x\nx-{SECRET}: 1\nevent: message\ndata: {text}\n\n")])
    };
    let mut failed = Response::json(format!("wrong: Bearer {SECRET}"));
    failed.headers[0].1 = b"500".to_vec();
    failed.headers[1].1 = b"text/plain".to_vec();
    let mut header = Response::json(OK);
    header.headers.push(("x-echo".into(), format!("Bearer {SECRET}").into_bytes()));
    vec![
        Response::json(result(&format!("you sent {SECRET}!"))),
        Response::json(escaped.clone()),
        Response::json(result(&format!("{BASE64} {SECRET}{SECRET}"))),
        Response::json(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{SECRET}":"","nextCursor":"{SECRET}"}}}}"#)),
        Response::json(format!(r#"{{"jsonrpc":"2.0","method":"notifications/{SECRET}","params":{{}}}}"#)),
        Response::json(error.clone()),
        sse(std::str::from_utf8(&escaped).unwrap()),
        sse(&error),
        Response::sse([format!("event: endpoint\ndata: /messages?{SECRET}\n\n")]),
        Response::sse([format!("event: {SECRET}\ndata: {OK}\n\n")]),
        failed,
        header,
    ]
}

/// All that a client, and a reader of the log, sees.
fn shown(outcome: &Outcome) -> String {
    let headers =
        outcome.client.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
    let records = outcome.records.iter().map(|record| record.to_json());
    headers.chain(records).chain([outcome.client.text()]).collect()
}

fn unescaped(text: &str) -> String {
    text.replace("\\u0074", "t")
}

#[test]
fn what_comes_back_is_taken_out_in_every_mode() {
    for more in ["", r#","mode":"shadow""#, r#","scanners":{"secrets":{"enabled":true,"response":"redact"}}"#] {
        for (number, response) in answers().into_iter().enumerate() {
            let outcome = driver(&policy("{}", more), bearer()).run(&call("read"), |_| response.clone());
            let shown = unescaped(&shown(&outcome));
            assert!(!shown.contains(SECRET) && !shown.contains(BASE64), "{more} {number}: {shown}");
        }
    }
}

#[test]
fn an_answer_that_cannot_be_read_does_not_pass_in_shadow_mode_either() {
    let mut zipped = Response::json(SECRET);
    zipped.headers.push(("content-encoding".into(), b"gzip".to_vec()));
    for response in [zipped, Response::json(format!("{{{SECRET}"))] {
        let outcome = driver(&policy("{}", r#","mode":"shadow""#), bearer()).run(&call("read"), |_| response.clone());
        assert!(outcome.answered && !shown(&outcome).contains(SECRET));
    }
}

#[test]
fn without_a_credential_nothing_is_taken_out() {
    let response = &answers()[0];
    let outcome =
        driver(&policy(r#"{"required":false}"#, ""), answer(1, None)).run(&call("read"), |_| response.clone());
    assert_eq!(outcome.client.body(), response.chunks.concat());
}

proptest! {
    #[test]
    fn at_whatever_byte_a_stream_is_split(which in 6usize..10, cuts in proptest::collection::vec(0usize..400, 0..8), shadow in any::<bool>()) {
        let whole = answers()[which].chunks.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % whole.len()).chain([0, whole.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<Vec<u8>> = cuts.windows(2).map(|cut| whole[cut[0]..cut[1]].to_vec()).collect();
        let mode = if shadow { r#","mode":"shadow""# } else { "" };
        let outcome = driver(&policy("{}", mode), bearer()).run(&call("read"), |_| Response::sse(pieces.clone()));
        let shown = unescaped(&shown(&outcome));
        prop_assert!(!shown.contains(SECRET) && !shown.contains(BASE64), "{}", shown);
    }

    #[test]
    fn no_header_can_become_another_request(name in "(?s).{0,20}", value in "(?s).{0,40}") {
        if may_be_injected(&name) {
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)));
        }
        if is_header_value(&value) {
            prop_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
}

#[test]
fn headers_that_decide_something_else_are_not_taken() {
    for name in [
        "",
        ":path",
        "Authorization",
        "host",
        "content-length",
        "transfer-encoding",
        "mcp-session-id",
        "x-envoy-x",
        "x y",
        "te",
    ] {
        assert!(!may_be_injected(name), "{name}");
    }
    for name in ["authorization", "x-api-key", "cookie", "private-token"] {
        assert!(may_be_injected(name), "{name}");
    }
}
