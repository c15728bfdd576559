//! The exchange as a specification: what comes in, what each side sees, what is recorded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portcullis_engine::audit::Decided;
use portcullis_engine::driver::{Driver, Message, Outcome, Request, Response};
use portcullis_engine::exchange::Answer;
use portcullis_engine::firewall::Firewall;

/// Allows `read_*`, hides `secret_*`, wants an approval for `deploy`, lets the server ask the user but not the model.
const POLICY: &str = r#"{
  "version": "1",
  "servers": [{"name": "files", "match": {"path_prefix": "/mcp"}}],
  "rules": [
    {"id": "reads", "match": {"capability": ["tool"], "name": ["read_*", "echo"]}, "action": "allow"},
    {"id": "hidden", "match": {"capability": ["tool"], "name": ["secret_*"]}, "action": "deny", "hide": true},
    {"id": "deploys", "match": {"capability": ["tool"], "name": ["deploy"]}, "action": "require_approval"},
    {"id": "docs", "match": {"capability": ["resource"], "name": ["file:///docs/*"]}, "action": "allow"},
    {"id": "asks", "match": {"capability": ["elicitation"]}, "action": "allow"}
  ]
}"#;

#[test]
fn an_allowed_call_goes_on_byte_for_byte() {
    let body = r#" {"params":{"arguments":{"n":1.50,"s":"\u0061"},"name":"read_file"}, "id":1,"method":"tools/call","jsonrpc":"2.0"} "#;
    let outcome = run(POLICY, Request::post("/mcp", body), ok_result(1));
    assert_eq!(seen(&outcome).body(), body.as_bytes());
    assert_eq!(outcome.client.text(), ok_text(1));
    let record = &outcome.records[0];
    assert_eq!((record.decision, &*record.rule), (Decided::Allow, "reads"));
    assert_eq!(record.argument_keys, ["n", "s"]);
    assert_eq!(record.upstream_status, Some(200));
    assert!(record.input_hash.as_deref().unwrap().starts_with("blake3:"));
}

#[test]
fn refused_calls_are_answered_as_their_method_needs() {
    for (body, wanted) in [
        (call(1, "delete_all"), r#""isError":true"#),
        (call(1, "delete_all"), r#""resultType":"complete""#),
        (call(1, "deploy"), "approval service is not configured"),
        (call(1, "secret_tool"), r#""code":-32602,"message":"Unknown tool: secret_tool""#),
        (rpc("\"a\"", "resources/read", r#"{"uri":"file:///etc/passwd"}"#), r#""id":"a","error":{"code":-31001"#),
        (rpc("2", "prompts/get", r#"{"name":"p"}"#), r#""id":2,"error""#),
        (rpc("3", "no/such", "{}"), r#""id":3,"error""#),
        (rpc("4", "sampling/createMessage", "{}"), r#""id":4,"error""#),
    ] {
        let outcome = refused(POLICY, Request::post("/mcp", body.clone()), 200);
        let text = outcome.client.text();
        assert!(text.contains(wanted), "{body}\n{text}");
        assert!(outcome.records[0].decision.is_refusal());
        let shown = outcome.records[0].name.as_deref() != Some("secret_tool");
        assert_eq!(text.contains("Correlation id") || text.contains("correlationId"), shown, "{text}");
    }
}

#[test]
fn what_is_no_message_is_refused_with_its_status() {
    let good = call(1, "read_file");
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{}{}}}}}"#, "[".repeat(70), "]".repeat(70));
    for (body, status, wanted) in [
        ("{", 400, "-32700"),
        ("", 400, "-32700"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, 400, "duplicate object key"),
        (deep.as_str(), 400, "nested too deeply"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, "-32600"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_x","Name":"delete_all"}}"#,
            400,
            "-32600",
        ),
        (r#"[]"#, 400, "-32600"),
        (r#"7"#, 400, "-32600"),
    ] {
        let outcome = refused(POLICY, Request::post("/mcp", body), status);
        assert!(outcome.client.text().contains(wanted), "{body}: {}", outcome.client.text());
        assert_eq!(outcome.records.len(), 1);
        assert_eq!(outcome.records[0].decision, Decided::Malformed);
    }
    for (request, status) in [
        (Request::post("/other", good.clone()), 404),
        (Request::post("/mcpx", good.clone()), 404),
        (replaced(&good, "content-type", "text/plain"), 415),
        (replaced(&good, "content-type", "application/json; charset=utf-16"), 415),
        (Request::post("/mcp", good.clone()).header("content-type", "application/json"), 400),
        (Request::post("/mcp", good.clone()).header("content-encoding", "br"), 415),
        (replaced(&good, ":method", "PUT"), 405),
        (replaced(&good, "content-length", "2000000"), 413),
        (Request::post("/mcp", good.clone()).header("mcp-method", "tools/list"), 400),
        (Request::post("/mcp", good.clone()).header("mcp-name", "echo"), 400),
        (Request::post("/mcp", good.clone()).header("mcp-name", "=?base64?x?="), 400),
        (Request::post("/mcp", good.clone()).header("mcp-param-region", "eu"), 400),
        (Request::post("/mcp", vec![b' '; 2 << 20]), 413),
    ] {
        let outcome = refused(POLICY, request.clone(), status);
        assert_eq!(outcome.records.len(), 1, "{request:?}");
    }
}

#[test]
fn mirrored_headers_that_agree_pass() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"where":{"region":"eu ☃","n":2}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let request = Request::post("/mcp", body)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "=?base64?cmVhZF9maWxl?=")
        .header("mcp-param-region", "=?base64?ZXUg4piD?=")
        .header("mcp-param-n", "2");
    let outcome = run(POLICY, request, ok_result(1));
    assert_eq!(seen(&outcome).body(), body.as_bytes());
    let other = Request::post("/mcp", body).header("mcp-protocol-version", "2025-11-25");
    let outcome = refused(POLICY, other, 400);
    assert!(outcome.client.text().contains(r#""id":1,"error":{"code":-32020"#));
}

#[test]
fn notifications_that_are_refused_go_nowhere_quietly() {
    let outcome =
        refused(POLICY, Request::post("/mcp", r#"{"jsonrpc":"2.0","method":"notifications/unheard_of"}"#), 202);
    assert_eq!(outcome.client.text(), "");
    assert_eq!(outcome.records[0].decision, Decided::Deny);
    let outcome = run(
        POLICY,
        Request::post("/mcp", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        Response::empty(202),
    );
    assert!(outcome.upstream.is_some());
}

#[test]
fn a_batch_passes_whole_or_not_at_all() {
    let both = format!("[{},{}]", call(1, "read_a"), call(2, "read_b"));
    let mixed = format!("[{},{}]", call(1, "read_a"), call(2, "delete_all"));
    let outcome =
        run(POLICY, Request::post("/mcp", both.clone()), Response::json(format!("[{},{}]", ok_text(2), ok_text(1))));
    assert_eq!(seen(&outcome).body(), both.as_bytes());
    assert_eq!(outcome.records.len(), 2);

    let outcome = refused(POLICY, Request::post("/mcp", mixed.clone()), 200);
    let answers: serde_json::Value = serde_json::from_str(&outcome.client.text()).unwrap();
    assert_eq!(answers.as_array().map(Vec::len), Some(2));
    assert!(outcome.records.iter().all(|record| record.decision == Decided::Deny));

    refused(POLICY, Request::post("/mcp", both.clone()).header("mcp-protocol-version", "2025-06-18"), 400);
    run(POLICY, Request::post("/mcp", both).header("mcp-protocol-version", "2025-03-26"), ok_result(1));
    let twice = format!("[{},{}]", call(1, "read_a"), call(1, "read_b"));
    refused(POLICY, Request::post("/mcp", twice), 400);

    let notes = format!(r#"[{{"jsonrpc":"2.0","method":"notifications/unheard_of"}},{}]"#, call(1, "read_a"));
    let outcome = run(POLICY, Request::post("/mcp", notes), ok_result(1));
    assert_eq!(seen(&outcome).text(), format!("[{}]", call(1, "read_a")));
}

#[test]
fn lists_show_only_what_may_be_used_in_json_and_in_events() {
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"delete_all"},{"name":"read_file","x":1},{"title":"no name"},{"name":"echo"}],"nextCursor":"c","cacheScope":"public","ttlMs":60000}}"#;
    let wanted = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read_file","x":1},{"name":"echo"}],"nextCursor":"c","cacheScope":"private","ttlMs":5000}}"#;
    let request = || Request::post("/mcp", rpc("1", "tools/list", "{}"));
    let outcome = run(POLICY, request(), Response::json(list));
    assert_eq!(outcome.client.text(), wanted);
    assert_eq!(outcome.client.header("content-length"), Some(wanted.len().to_string().as_str()));
    assert_eq!(outcome.records[0].hidden, 2);

    let outcome = run(POLICY, request(), Response::sse([format!("id: 7\nevent: message\ndata: {list}\n\n")]));
    assert_eq!(outcome.client.text(), format!("id: 7\nevent: message\ndata: {wanted}\n\n"));
    assert_eq!(outcome.client.header("content-length"), None);
}

#[test]
fn a_template_is_shown_where_one_of_its_uris_may_be_read() {
    const POLICY: &str = r#"{"version": "1", "servers": [{"name": "files"}], "rules": [
        {"id": "docs", "match": {"capability": ["resource"], "name": ["file:///docs/*"]}, "action": "allow"},
        {"id": "rows", "match": {"capability": ["resource"], "name": ["db://*"]}, "action": "allow"},
        {"id": "wages", "match": {"capability": ["resource"], "name": ["db://wages/*"]}, "action": "deny"}]}"#;
    let entries = |uris: &[&str]| {
        let entries: Vec<String> = uris.iter().map(|uri| format!(r#"{{"uriTemplate":"{uri}"}}"#)).collect();
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resourceTemplates":[{}]}}}}"#, entries.join(","))
    };
    let offered = ["file:///{+path}", "file:///etc/{name}", "db://{table}/{row}", "db://wages/{row}", "ftp://{host}"];
    let request = Request::post("/mcp", rpc("1", "resources/templates/list", "{}"));
    let outcome = run(POLICY, request, Response::json(entries(&offered)));
    assert_eq!(outcome.client.text(), entries(&["file:///{+path}", "db://{table}/{row}"]));
}

#[test]
fn secrets_are_kept_from_leaving_in_both_directions() {
    let token = token();
    let body = rpc("1", "tools/call", &format!(r#"{{"name":"read_file","arguments":{{"q":"my {token}"}}}}"#));
    let outcome = refused(POLICY, Request::post("/mcp", body), 200);
    assert!(outcome.client.text().contains("secrets:"), "{}", outcome.client.text());
    assert!(!outcome.client.text().contains(&token));
    assert_eq!(outcome.records[0].findings[0].location, "/params/arguments/q");

    let leak = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"key: {token}\n"}}],"structuredContent":{{"key":"{token}"}},"n":1.0}}}}"#
    );
    for response in [Response::json(leak.clone()), Response::sse([format!("data: {leak}\n\n")])] {
        let outcome = run(POLICY, Request::post("/mcp", call(1, "read_file")), response);
        let text = outcome.client.text();
        assert!(
            !text.contains(&token) && text.matches("[REDACTED:").count() == 2 && text.contains("\"n\":1.0"),
            "{text}"
        );
        if let Some(length) = outcome.client.header("content-length") {
            assert_eq!(length, text.len().to_string());
        }
        assert_eq!(outcome.records[0].decision, Decided::Redact);
        assert_eq!(outcome.records[0].redacted, ["/result/content/0/text", "/result/structuredContent/key"]);
        assert!(!outcome.records[0].to_json().contains(&token));
    }
}

#[test]
fn redacting_a_request_keeps_body_and_headers_in_step() {
    let policy = POLICY.replacen("\"rules\"", r#""scanners":{"secrets":{"request":"redact"}},"rules""#, 1);
    let token = token();
    let body = rpc("1", "tools/call", &format!(r#"{{"name":"read_file","arguments":{{"q":"{token}"}}}}"#));
    let outcome = run(&policy, Request::post("/mcp", body.clone()).header("mcp-param-q", &token), ok_result(1));
    let seen = seen(&outcome);
    assert!(!seen.text().contains(&token));
    assert_eq!(seen.header("content-length"), Some(seen.body().len().to_string().as_str()));
    assert!(seen.header("mcp-param-q").unwrap().starts_with("[REDACTED:"));
    let sent: serde_json::Value = serde_json::from_slice(&seen.body()).unwrap();
    assert_eq!(sent["params"]["arguments"]["q"].as_str(), seen.header("mcp-param-q"));

    // A name or a key is not rewritten: that would be another call.
    let named = rpc("1", "tools/call", &format!(r#"{{"name":"read_x {token}","arguments":{{}}}}"#));
    let keyed = rpc("1", "tools/call", &format!(r#"{{"name":"read_x","arguments":{{"{token}":1}}}}"#));
    refused(&policy, Request::post("/mcp", named), 200);
    refused(&policy, Request::post("/mcp", keyed), 200);
}

#[test]
fn requests_of_the_server_follow_policy_and_are_always_answered() {
    let ask = r#"{"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{"message":"?"}}"#;
    let sample = r#"{"jsonrpc":"2.0","id":"s2","method":"sampling/createMessage","params":{"messages":[]}}"#;
    let stream = format!("id: 1\ndata: {ask}\n\nid: 2\ndata: {sample}\n\ndata: {}\n\n", ok_text(1));
    let request = Request::post("/mcp", call(1, "read_file")).header("mcp-session-id", "session-1");
    let outcome = run(POLICY, request, Response::sse([stream]));
    assert_eq!(
        outcome.client.text(),
        format!("id: 1\ndata: {ask}\n\nid: 2\ndata:\n\ndata: {}\n\n", ok_text(1))
            .replace("data:\n", &empty_data(&outcome))
    );
    assert_eq!(outcome.owed.len(), 1);
    assert!(outcome.owed[0].message.contains(r#""id":"s2","error""#));
    assert_eq!(outcome.owed[0].headers, [("mcp-session-id".to_owned(), "session-1".to_owned())]);
}

#[test]
fn records_name_the_request_that_they_go_back_to() {
    let mut driver = Driver::new(Arc::new(Firewall::from_json(POLICY.as_bytes(), [7; 32]).unwrap()));
    let mut run = |body: String, session: &str, id: &str, response: Response| {
        let request = Request::post("/mcp", body).header("mcp-session-id", session).header("x-request-id", id);
        let outcome = driver.run(&request, |_| response);
        outcome.records.last().unwrap().parent.clone()
    };
    let ask = r#"{"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{"message":"?"}}"#;
    let stream = format!("data: {ask}\n\ndata: {}\n\n", ok_text(1));
    assert_eq!(run(call(1, "read_file"), "one", "request-1", Response::sse([stream])), None);
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept"}}}}"#);
    let accepted = || Response::empty(202);
    assert_eq!(run(answer("\"s1\""), "one", "request-2", accepted()).as_deref(), Some("request-1"));
    // Of another session, or to something that nobody asked.
    assert_eq!(run(answer("\"s1\""), "two", "request-3", accepted()), None);
    assert_eq!(run(answer("7"), "one", "request-4", accepted()), None);

    let more = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"x\u00e9","inputRequests":{}}}"#;
    assert_eq!(run(call(1, "read_file"), "one", "request-5", Response::json(more)), None);
    let back = rpc("1", "tools/call", r#"{"name":"read_file","arguments":{},"requestState":"xé"}"#);
    assert_eq!(run(back.clone(), "one", "request-6", Response::json(more)).as_deref(), Some("request-5"));
    assert_eq!(run(back, "one", "request-7", ok_result(1)).as_deref(), Some("request-6"));
}

#[test]
fn records_have_the_span_that_the_request_came_with() {
    let of = |value: &str| {
        let request = Request::post("/mcp", call(1, "read_file")).header("traceparent", value);
        run(POLICY, request, ok_result(1)).records[0].to_json()
    };
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let told = format!(r#""trace_id":"{trace}","span_id":"{span}","#);
    assert!(
        of(&format!("00-{trace}-{span}-01")).contains(&told)
            && of(&format!("01-{trace}-{span}-01-more")).contains(&told)
    );
    let zeros = "0".repeat(32);
    for bad in [
        "",
        "00",
        &format!("ff-{trace}-{span}-01"),
        &format!("00-{zeros}-{span}-01"),
        &format!("00-{trace}-{span}0-01"),
        &format!("00-{}-{span}-01", trace.to_uppercase()),
    ] {
        assert!(!of(bad).contains("span_id"), "{bad}");
    }
}

#[test]
fn an_input_required_result_with_a_refused_request_does_not_reach_the_client() {
    let result = |method: &str| {
        Response::json(format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"input_required","requestState":"x","inputRequests":{{"a":{{"method":"{method}","params":{{}}}}}}}}}}"#
        ))
    };
    let allowed = run(POLICY, Request::post("/mcp", call(1, "read_file")), result("elicitation/create"));
    assert!(allowed.client.text().contains("input_required"));
    let refused = run(POLICY, Request::post("/mcp", call(1, "read_file")), result("sampling/createMessage"));
    assert!(refused.client.text().contains(r#""isError":true"#) && !refused.client.text().contains("input_required"));
}

#[test]
fn answers_that_cannot_be_read_are_replaced() {
    let answer = |name: &str, value: &str| {
        let mut response = ok_result(1);
        response.headers.retain(|(known, _)| known != name);
        response.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        response
    };
    for response in [
        answer("content-encoding", "gzip"),
        answer("content-type", "text/html"),
        answer("content-length", "99999999"),
        Response::json("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"result\":{}}"),
        Response::json("oops"),
        Response::json(vec![b'['; 200]),
        Response::json(vec![b' '; 2 << 20]),
    ] {
        let outcome = run(POLICY, Request::post("/mcp", call(1, "read_file")), response);
        assert!(outcome.answered);
        assert!(
            outcome.client.text().contains(r#""id":1,"result":{"resultType":"complete""#),
            "{}",
            outcome.client.text()
        );
        assert_eq!(outcome.records[0].decision, Decided::Deny);
    }
}

#[test]
fn a_stream_whose_answer_was_withheld_ends_with_one() {
    let outcome =
        run(POLICY, Request::post("/mcp", call(1, "read_file")), Response::sse(["id: 4\ndata: {\"a\":1,\"a\":1}\n\n"]));
    let text = outcome.client.text();
    assert!(text.starts_with("id: 4\ndata") && !text.contains("\"a\""), "{text}");
    assert!(text.contains(r#""id":1,"result""#) && text.contains("isError"), "{text}");

    let policy = POLICY.replacen("\"rules\"", r#""limits":{"max_event_bytes":1024},"rules""#, 1);
    let flood = format!("data: {}\n\n", "x".repeat(5000));
    let outcome = run(
        &policy,
        Request::post("/mcp", call(1, "read_file")),
        Response::sse([flood, format!("data: {}\n\n", ok_text(1))]),
    );
    let text = outcome.client.text();
    assert!(!text.contains("xxx") && text.contains("too large") && text.len() < 1500, "{text}");
}

#[test]
fn the_old_transport_gets_its_refusal_on_its_own_stream() {
    let mut request = Request::post("/mcp/messages?sessionId=abc", call(5, "delete_all"));
    request.headers.retain(|(name, _)| name != "accept");
    let outcome = run(POLICY, request, Response::empty(202));
    let sent = seen(&outcome).text();
    assert!(sent.contains(r#""id":5,"method":"tools/call""#) && sent.contains("refused by Portcullis"), "{sent}");
    assert!(!sent.contains("delete_all"), "{sent}");
    assert_eq!(seen(&outcome).header("content-length"), Some(sent.len().to_string().as_str()));
    assert_eq!(outcome.records[0].decision, Decided::Deny);

    let mut get = Request::post("/mcp/sse", "");
    get.headers = vec![
        (":method".into(), b"GET".into()),
        (":path".into(), b"/mcp/sse".into()),
        (":authority".into(), b"fw:1".into()),
    ];
    get.chunks.clear();
    for (target, passes) in [
        ("/mcp/messages?sessionId=1", true),
        ("http://fw:1/mcp/messages", true),
        ("messages?x=1", true),
        ("http://evil.example/mcp", false),
        ("//evil.example/mcp", false),
        ("\\\\evil.example/mcp", false),
        ("javascript:x", false),
    ] {
        let event = format!("event: endpoint\ndata: {target}\n\n");
        let outcome = run(POLICY, get.clone(), Response::sse([event.clone()]));
        assert_eq!(outcome.client.text() == event, passes, "{target}: {}", outcome.client.text());
    }
}

#[test]
fn credentials_and_headers_in_our_name_never_go_on() {
    let request = Request::post("/mcp", call(1, "read_file"))
        .header("authorization", "Bearer t")
        .header("cookie", "a=b")
        .header("x-portcullis-principal", "root")
        .header("x-http-method-override", "DELETE")
        .header("accept-encoding", "gzip")
        .header("x-other", "stays");
    let outcome = run(POLICY, request, ok_result(1));
    let names: Vec<&str> = seen(&outcome).headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [":method", ":path", ":authority", "content-type", "accept", "content-length", "x-other"]);
    assert!(outcome.records[0].principal.is_anonymous());
}

#[test]
fn what_is_no_mcp_passes_or_not_as_said() {
    let bare = |method: &str, path: &str| Request {
        headers: vec![
            (":method".into(), method.into()),
            (":path".into(), path.into()),
            (":authority".into(), b"fw".to_vec()),
        ],
        ..Request::default()
    };
    for (method, path) in
        [("OPTIONS", "/mcp"), ("GET", "/.well-known/oauth-protected-resource/mcp"), ("GET", "/mcp"), ("DELETE", "/mcp")]
    {
        let outcome = run(POLICY, bare(method, path), Response::empty(204));
        assert!(outcome.upstream.is_some(), "{method} {path}");
    }
    for (method, path, status) in [
        ("GET", "/.well-known/../mcp2", "404"),
        ("GET", "/.well-known/%2e%2e/x", "404"),
        ("GET", "/else", "404"),
        ("PATCH", "/mcp", "405"),
        ("POST", "/.well-known/x", "404"),
    ] {
        let outcome = run(POLICY, bare(method, path), Response::empty(204));
        assert!(outcome.upstream.is_none(), "{method} {path}");
        assert_eq!(outcome.client.header(":status"), Some(status), "{method} {path}");
    }
    let mut with_body = bare("GET", "/mcp");
    with_body.chunks = vec![call(1, "delete_all").into_bytes()];
    assert!(run(POLICY, with_body, Response::empty(200)).upstream.is_none());
}

#[test]
fn an_approval_lets_the_call_on() {
    for (answer, passes, decided) in [
        (Answer::Approved, true, Decided::Allow),
        (Answer::Refused, false, Decided::Deny),
        (Answer::NotConfigured, false, Decided::RequireApproval),
        (Answer::Unavailable, false, Decided::RequireApproval),
    ] {
        let mut driver = driver(POLICY);
        driver.answer = answer.clone();
        let outcome = driver.run(&Request::post("/mcp", call(1, "deploy")), |_| ok_result(1));
        assert_eq!(outcome.questions.len(), 1);
        assert_eq!(outcome.upstream.is_some(), passes, "{answer:?}");
        assert_eq!(outcome.records[0].decision, decided);
    }
}

#[test]
fn shadow_mode_changes_nothing_and_says_what_it_would_have_done() {
    let policy = POLICY.replacen("\"version\"", "\"mode\":\"shadow\",\"version\"", 1);
    let token = token();
    let leak = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"t":"{token}","tools":[{{"name":"delete_all"}}]}}}}"#);
    for (body, would) in [
        (call(1, "read_file"), Some(Decided::Redact)),
        (call(1, "delete_all"), Some(Decided::Deny)),
        ("{\"a\":1,\"a\":2}".to_owned(), Some(Decided::Malformed)),
        (rpc("1", "tools/call", "{}"), Some(Decided::Malformed)),
    ] {
        for response in [Response::json(leak.clone()), Response::sse([format!("data: {leak}\n\n")])] {
            let request = Request::post("/mcp", body.clone());
            let outcome = run(&policy, request, response.clone());
            assert_eq!(seen(&outcome).body(), body.as_bytes());
            assert_eq!(outcome.client.body(), response.chunks.concat());
            let graver =
                outcome.records.iter().filter_map(|record| record.would.as_ref()).map(|(would, _)| *would).next();
            assert_eq!(graver, would, "{body}");
        }
    }
    let enforced = policy.replacen("\"id\": \"hidden\"", "\"mode\":\"enforce\",\"id\": \"hidden\"", 1);
    refused(&enforced, Request::post("/mcp", call(1, "secret_x")), 200);
}

#[test]
fn disabled_mode_reads_nothing() {
    let policy = POLICY.replacen("\"version\"", "\"mode\":\"disabled\",\"version\"", 1);
    let outcome =
        run(&policy, Request::post("/nowhere", "not json").header("authorization", "x"), Response::json("not json"));
    assert_eq!(seen(&outcome).text(), "not json");
    assert_eq!(outcome.client.text(), "not json");
    assert_eq!(seen(&outcome).header("authorization"), Some("x"));
}

#[test]
fn nothing_depends_on_how_bytes_are_split_or_how_the_end_is_told() {
    let token = token();
    let body = call(1, "read_file");
    let answer =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"rm"}},{{"name":"echo"}}],"t":"{token}"}}}}"#);
    let events = format!(
        ": hi\r\nid: 1\r\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}}\r\n\r\ndata:{answer}\n\n"
    );
    let whole_json = run(POLICY, Request::post("/mcp", body.clone()), Response::json(answer.clone()));
    let whole_events = run(POLICY, Request::post("/mcp", body.clone()), Response::sse([events.clone()]));
    for at in 1..events.len() {
        for trailers in [false, true] {
            let mut request = Request::post("/mcp", body.clone());
            request.chunks = split(body.as_bytes(), at);
            request.trailers = trailers;
            let mut json = Response::json(answer.clone());
            json.chunks = split(answer.as_bytes(), at);
            json.trailers = trailers;
            let outcome = run(POLICY, request.clone(), json);
            assert_eq!(seen(&outcome).body(), body.as_bytes());
            assert_eq!(outcome.client.body(), whole_json.client.body(), "{at}");
            let mut stream = Response::sse(split(events.as_bytes(), at));
            stream.trailers = trailers;
            let outcome = run(POLICY, request, stream);
            assert_eq!(outcome.client.body(), whole_events.client.body(), "{at}");
        }
    }
}

#[test]
fn an_event_leaves_with_its_last_byte() {
    let event = format!("data: {}\n\n", ok_text(1));
    let response = Response::sse(event.bytes().map(|byte| vec![byte]));
    let outcome = run(POLICY, Request::post("/mcp", call(1, "read_file")), response);
    let lengths: Vec<usize> = outcome.client.chunks.iter().map(Vec::len).collect();
    assert_eq!(lengths.iter().rev().find(|length| **length > 0), lengths.last());
    assert_eq!(outcome.client.chunks.last().map(Vec::len), Some(event.len()));
}

// === helpers ===

/// Compiling the scanners takes longer than a run: each policy is compiled once.
fn driver(policy: &str) -> Driver {
    static COMPILED: Mutex<BTreeMap<String, Arc<Firewall>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let firewall = compiled
        .entry(policy.to_owned())
        .or_insert_with(|| Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()));
    Driver::new(firewall.clone())
}

fn run(policy: &str, request: Request, response: Response) -> Outcome {
    driver(policy).run(&request, |_| response)
}

/// Runs a request that must not reach the upstream.
fn refused(policy: &str, request: Request, status: u16) -> Outcome {
    let outcome = driver(policy).run(&request, |seen| panic!("reached the upstream: {}", seen.text()));
    assert_eq!(outcome.client.header(":status"), Some(status.to_string().as_str()), "{}", outcome.client.text());
    outcome
}

fn seen(outcome: &Outcome) -> &Message {
    outcome.upstream.as_ref().unwrap_or_else(|| panic!("nothing reached the upstream: {}", outcome.client.text()))
}

fn rpc(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn call(id: u32, tool: &str) -> String {
    rpc(&id.to_string(), "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{"path":"/x"}}}}"#))
}

fn ok_text(id: u32) -> String {
    format!(r#"{{"result":{{"content":[{{"type":"text","text":"fine"}}]}},"jsonrpc":"2.0","id":{id}}}"#)
}

fn ok_result(id: u32) -> Response {
    Response::json(ok_text(id))
}

fn replaced(body: &str, name: &str, value: &str) -> Request {
    let mut request = Request::post("/mcp", body);
    for (known, old) in &mut request.headers {
        if known == name {
            *old = value.as_bytes().to_vec();
        }
    }
    request
}

fn split(bytes: &[u8], at: usize) -> Vec<Vec<u8>> {
    let (head, tail) = bytes.split_at(at.min(bytes.len()));
    vec![head.to_vec(), tail.to_vec()]
}

/// However the framer spells an event without data.
fn empty_data(outcome: &Outcome) -> String {
    let text = outcome.client.text();
    let line = text.lines().find(|line| line.trim_end() == "data:").unwrap();
    format!("{line}\n")
}

/// A token of GitHub's format, made here so that none stands in the source.
fn token() -> String {
    format!("AKIA{}", "Z7QK4WJX2MPNVL3R")
}
