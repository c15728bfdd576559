//! Quotas through whole exchanges: what is counted, what comes back, and what the caller is told.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use std::sync::Arc;

use portcullis_engine::audit::Decided;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::exchange::Answer;
use portcullis_engine::firewall::Firewall;
use serde_json::{Value, json};

fn driver(config: &Value) -> Driver {
    Driver::new(Arc::new(Firewall::from_json(config.to_string().as_bytes(), [7; 32]).unwrap()))
}

fn with_quotas(quotas: Value) -> Value {
    json!({"version": "1", "default": "allow", "servers": [{"name": "s"}], "quotas": quotas})
}

fn call(id: u32, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn result(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "done"}]}})
}

fn post(body: &Value) -> Request {
    Request::post("/mcp", body.to_string())
}

fn run(driver: &mut Driver, body: &Value, answer: Response) -> Outcome {
    driver.run(&post(body), |_| answer)
}

/// Makes one call and says whether it was let through.
fn passes(driver: &mut Driver, answer: Response) -> bool {
    let outcome = run(driver, &call(1, "t", json!({})), answer);
    outcome.upstream.is_some()
}

fn done() -> Response {
    Response::json(result(1).to_string())
}

#[test]
fn a_used_up_quota_refuses_and_says_when_to_retry() {
    let mut driver = driver(&with_quotas(json!([{"id": "calls", "limit": "2/minute"}])));
    assert!(passes(&mut driver, done()) && passes(&mut driver, done()));
    let outcome = run(&mut driver, &call(1, "t", json!({})), done());
    assert!(outcome.upstream.is_none());
    let answer: Value = serde_json::from_str(&outcome.client.text()).unwrap();
    assert_eq!(answer["result"]["isError"], true);
    let facts = &answer["result"]["_meta"]["dev.portcullis/decision"];
    assert_eq!(facts["rule"], "quota:calls");
    assert!((59_000..=60_000).contains(&facts["retryAfterMs"].as_u64().unwrap()), "{facts}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("The limit of 2/minute is used up. Try again in 60 seconds."), "{text}");
    let record = &outcome.records[0];
    assert_eq!((record.decision, &*record.rule), (Decided::Deny, "quota:calls"));
    assert_eq!(record.rules_fired.iter().map(|rule| &**rule).collect::<Vec<_>>(), ["quota:calls"]);
    driver.now_us += 60_000_000;
    assert!(passes(&mut driver, done()));
    // What does not use anything does not count.
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert!(run(&mut driver, &ping, done()).upstream.is_some());
    // Another method is told by an error, under its own id.
    let prompt = json!({"jsonrpc": "2.0", "id": "p", "method": "prompts/get", "params": {"name": "x"}});
    assert!(run(&mut driver, &prompt, done()).upstream.is_some());
    let refused = run(&mut driver, &prompt, done());
    let answer: Value = serde_json::from_str(&refused.client.text()).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("p"), &json!(-31005)));
    assert!(answer["error"]["data"]["retryAfterMs"].is_u64());
}

#[test]
fn what_the_server_did_not_do_does_not_count() {
    let error = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}).to_string();
    let tool_error = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "isError": true}}).to_string();
    let asks = json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "input_required"}}).to_string();
    let event = |message: &str| Response::sse([format!("event: message\ndata: {message}\n\n")]);
    let status = |status: u16, body: &str| {
        let mut response = Response::json(body);
        response.headers[0] = (":status".to_owned(), status.to_string().into_bytes());
        response
    };
    for (what, answer, keep, counts) in [
        ("a result", done(), "keep", true),
        ("a result as an event", event(&result(1).to_string()), "keep", true),
        ("a JSON-RPC error", Response::json(error.clone()), "keep", false),
        ("a JSON-RPC error as an event", event(&error), "keep", false),
        ("a tool's error", Response::json(tool_error.clone()), "keep", true),
        ("a tool's error, by configuration", Response::json(tool_error), "roll_back", false),
        ("a question", Response::json(asks), "keep", false),
        ("an HTTP 503", status(503, "{}"), "keep", false),
        ("an HTTP 404", status(404, ""), "keep", false),
        ("an empty HTTP 500", Response::empty(500), "keep", false),
        ("no answer", Response::empty(202), "keep", true),
        ("a stream without an answer", Response::sse([": nothing\n\n"]), "keep", true),
        ("no JSON", Response::json("{"), "keep", true),
    ] {
        for algorithm in ["sliding_window", "fixed_window", "token_bucket"] {
            let quota = json!({"id": "q", "limit": "1/day", "on_tool_error": keep, "algorithm": algorithm});
            let mut driver = driver(&with_quotas(json!([quota])));
            let outcome = run(&mut driver, &call(1, "t", json!({})), answer.clone());
            assert!(outcome.upstream.is_some(), "{what}");
            let returned =
                outcome.records.iter().any(|record| record.rules_fired.iter().any(|r| &**r == "quota:q:returned"));
            assert_eq!(returned, !counts, "{what}");
            assert_eq!(passes(&mut driver, done()), !counts, "{what} {algorithm}");
        }
    }
}

#[test]
fn all_quotas_of_a_call_or_none() {
    let mut driver = driver(&with_quotas(json!([
        {"id": "wide", "limit": "5/day"},
        {"id": "narrow", "limit": "1/day", "per": ["tool"]},
    ])));
    let mut of = |tool: &str| run(&mut driver, &call(1, tool, json!({})), done()).upstream.is_some();
    assert!(of("a"));
    for _ in 0..10 {
        assert!(!of("a"));
    }
    // None of the ten was counted by the wide one.
    for tool in ["b", "c", "d", "e"] {
        assert!(of(tool), "{tool}");
    }
    assert!(!of("f"));
}

#[test]
fn amounts_add_up_exactly_and_must_be_there() {
    let quota = json!({"id": "spend", "limit": "0.3/day", "amount": "/payment/amount", "match": {"name": ["pay"]}});
    let mut driver = driver(&with_quotas(json!([quota])));
    let mut pay = |amount: Value| {
        let outcome = run(&mut driver, &call(1, "pay", json!({"payment": {"amount": amount}})), done());
        (outcome.upstream.is_some(), outcome.client.text())
    };
    assert!(!pay(json!("0.1")).0 && !pay(json!(-1)).0 && !pay(json!(null)).0 && !pay(json!([0.1])).0);
    let (passed, text) = pay(json!(0.4));
    assert!(!passed && text.contains("more than the limit") && !text.contains("retryAfterMs"), "{text}");
    assert!(pay(json!(0.1)).0 && pay(json!(0.2)).0);
    assert!(!pay(json!(0.000_001)).0 && pay(json!(0)).0);
    assert!(run(&mut driver, &call(1, "other", json!({})), done()).upstream.is_some());
}

#[test]
fn each_message_of_a_batch_counts() {
    let quota = json!([{"id": "q", "limit": "3/day"}]);
    let mut driver = driver(&with_quotas(quota));
    let batch = |count: u32| json!((1..=count).map(|id| call(id, "t", json!({}))).collect::<Vec<_>>());
    let refused = run(&mut driver, &batch(4), done());
    assert!(refused.upstream.is_none());
    assert_eq!(refused.records.iter().filter(|record| &*record.rule == "quota:q").count(), 1);
    // Nothing was counted: the batch went nowhere.
    let answers = json!([result(1), result(2), result(3)]).to_string();
    assert!(run(&mut driver, &batch(3), Response::json(answers)).upstream.is_some());
    assert!(!passes(&mut driver, done()));
    // A notification has no answer: it is taken out.
    let notification = json!({"jsonrpc": "2.0", "method": "x/custom"});
    let outcome = run(&mut driver, &notification, done());
    assert!(outcome.upstream.is_none());
    assert_eq!((outcome.client.header(":status"), outcome.client.text().as_str()), (Some("202"), ""));
}

#[test]
fn a_shadow_quota_counts_and_refuses_nothing() {
    let quota = json!([{"id": "q", "limit": "1/day", "mode": "shadow"}]);
    let mut driver = driver(&with_quotas(quota));
    assert!(passes(&mut driver, done()));
    let outcome = run(&mut driver, &call(1, "t", json!({})), done());
    assert!(outcome.upstream.is_some());
    let record = &outcome.records[0];
    assert_eq!(record.decision, Decided::Allow);
    assert_eq!(record.would, Some((Decided::Deny, "quota:q".to_owned())));
    // In a deployment in shadow mode a quota can be enforced all the same.
    let mut config = with_quotas(json!([{"id": "q", "limit": "1/day", "mode": "enforce"}]));
    config["mode"] = json!("shadow");
    let mut driver = self::driver(&config);
    assert!(passes(&mut driver, done()) && !passes(&mut driver, done()));
}

#[test]
fn what_is_refused_otherwise_is_not_counted() {
    let mut config = with_quotas(json!([{"id": "q", "limit": "1/day"}]));
    config["rules"] = json!([
        {"id": "no", "match": {"name": ["no"]}, "action": "deny"},
        {"id": "ask", "match": {"name": ["ask"]}, "action": "require_approval"},
    ]);
    let mut driver = driver(&config);
    let secret = format!("gh{}_{}", "p", "16C7e42F292c6912E7710c838347Ae178B4a");
    for (tool, arguments) in [("no", json!({})), ("ask", json!({})), ("t", json!({"k": secret}))] {
        assert!(run(&mut driver, &call(1, tool, arguments), done()).upstream.is_none(), "{tool}");
    }
    assert!(passes(&mut driver, done()));
    assert!(!passes(&mut driver, done()));
    // An approval does not get round a quota.
    driver.answer = Answer::Approved;
    let outcome = run(&mut driver, &call(1, "ask", json!({})), done());
    assert!(outcome.upstream.is_none() && outcome.client.text().contains("quota:q"));
    driver.now_us += 86_400_000_000;
    assert!(run(&mut driver, &call(1, "ask", json!({})), done()).upstream.is_some());
    assert!(!passes(&mut driver, done()));
}

#[test]
fn a_client_of_the_old_transport_is_told_by_the_server() {
    let mut driver = driver(&with_quotas(json!([{"id": "q", "limit": "1/day"}])));
    let send = |driver: &mut Driver| {
        let mut request = post(&call(1, "t", json!({})));
        request.headers.iter_mut().filter(|(name, _)| name == ":path").for_each(|(_, path)| {
            *path = b"/messages/?session_id=0123456789abcdef0123456789abcdef".to_vec();
        });
        driver.run(&request, |_| Response::empty(202)).upstream.map(|seen| seen.text())
    };
    let first = send(&mut driver).unwrap();
    assert!(first.contains(r#""name":"t""#));
    match send(&mut driver) {
        None => {}
        Some(text) => assert!(text.contains("refused by Portcullis, rule quota:q"), "{text}"),
    }
}
