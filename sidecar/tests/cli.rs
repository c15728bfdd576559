//! The command line from outside: output, exit codes, and that what was found is never printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::fs;

use serde_json::Value;

use common::{file, run};

#[test]
fn help_shows_examples_and_exit_codes() {
    let all: [&[&str]; 6] = [
        &["--help"],
        &["policy", "check", "--help"],
        &["policy", "explain", "--help"],
        &["scan", "--help"],
        &["eval", "--help"],
        &["-h"],
    ];
    for args in all {
        let help = run(args, "");
        assert_eq!(help.code, 0, "{args:?}");
        assert!(help.out.to_lowercase().contains("exit codes"), "{args:?}");
        assert!(args == ["-h"] || help.out.contains("Examples:"), "{args:?}");
    }
    assert_eq!(run(&["nonsense"], "").code, 2);
    assert_eq!(run(&["config", "schema"], "").code, 0, "the other name of `policy`");
}

#[test]
fn check_says_what_the_filter_would() {
    let good = file("good.json", POLICY);
    let bad = file("bad.json", "{\n  \"version\": \"1\",\n  \"ruls\": []\n}");
    let both = run(&["policy", "check", &good, &bad], "");
    assert_eq!(both.code, 1);
    assert!(both.out.contains("good.json: ok (1 server, 3 rules, policy "), "{}", both.out);
    assert!(
        both.out.contains("bad.json:3:11: refused: /ruls: unknown field `ruls`; did you mean `rules`?"),
        "{}",
        both.out
    );
    assert!(!both.out.contains('\u{1b}'), "no colour in a pipe");
    assert_eq!(run(&["policy", "check", "-"], POLICY).code, 0);

    let json = run(&["policy", "check", "--json", &bad], "");
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json[0]["ok"], false);
    assert_eq!((&json[0]["line"], &json[0]["pointer"]), (&Value::from(3), &Value::from("/ruls")));

    let missing = run(&["policy", "check", "no/such/file.json"], "");
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("no/such/file.json"));
}

#[test]
fn explain_names_the_rule_and_why_the_others_did_not_match() {
    let policy = file("explain.json", POLICY);
    let agent = ["--principal-kind", "agent", "--id", "bot", "--role", "dev"];
    let explain = |rest: &[&str]| run(&[&["policy", "explain", &policy], &agent[..], rest].concat(), "");

    let allowed = explain(&["--tool", "read_file", "--args", r#"{"path":"/data/a"}"#]);
    assert_eq!(allowed.code, 0, "{}", allowed.err);
    assert!(allowed.out.starts_with("allow  by rule read, policy "), "{}", allowed.out);
    assert!(allowed.out.contains("=> read (allow, priority 0): decides"));
    assert!(allowed.out.contains("- no-rm (deny, priority 5): name is \"read_file\", wanted rm"));

    let refused = explain(&["--tool", "read_file", "--args", r#"{"path":"/etc/passwd"}"#]);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("/path path_within [\"/data\"] does not hold"), "{}", refused.out);
    assert!(!refused.out.contains("/etc/passwd"), "argument values are not repeated");

    let json: Value = serde_json::from_str(&explain(&["--tool", "rm", "--json"]).out).unwrap();
    assert_eq!((&json["decision"], &json["rule"]), (&Value::from("deny"), &Value::from("no-rm")));
    assert_eq!(json["hide"], true);
    assert_eq!(json["rules"].as_array().unwrap().len(), 3);

    let list = explain(&["--method", "tools/list"]);
    assert_eq!(list.code, 0);
    assert!(list.out.contains("by rule builtin:list"));

    let anonymous = run(&["policy", "explain", &policy, "--tool", "read_file"], "");
    assert!(anonymous.out.contains("principal.kind is none, wanted agent"), "{}", anonymous.out);

    for (args, remedy) in [
        (&["--server", "nope", "--tool", "x"][..], "it has files"),
        (&["--tool", "x", "--args", "{\"a\":1,\"a\":2}"], "duplicate object key"),
        (&["--server", "files"], "--tool NAME"),
    ] {
        let wrong = explain(args);
        assert_eq!(wrong.code, 2);
        assert!(wrong.err.contains(remedy), "{}", wrong.err);
    }
    assert_eq!(run(&["policy", "explain", &policy, "--id", "bot"], "").code, 2, "an id needs a kind");
}

#[test]
fn explain_without_a_call_summarises_the_policy() {
    let policy = file("summary.json", POLICY);
    let summary = run(&["policy", "explain", &policy], "");
    assert_eq!(summary.code, 0);
    for part in ["default      deny", "files: path_prefix /files", "no-rm deny, priority 5; name rm"] {
        assert!(summary.out.contains(part), "{part}: {}", summary.out);
    }
    let json = run(&["policy", "explain", &policy, "--json"], "");
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["rules"][0]["id"], "no-rm");
}

#[test]
fn explain_says_which_condition_in_cel_does_not_hold_and_when() {
    let policy = file(
        "when.yaml",
        "version: \"1\"\nservers: [{name: s}]\nrules:\n- {id: day, match: {name: [pay]}, when: now.getHours() >= 6, action: allow}\n- {id: big, when: args.amount > 9, action: deny}\n",
    );
    let at = |time: &str, amount: &str| {
        run(&["policy", "explain", &policy, "--tool", "pay", "--args", amount, "--at", time], "")
    };
    let night = at("2026-01-01T05:59:59Z", r#"{"amount": 1}"#);
    assert_eq!(night.code, 1);
    assert!(
        night
            .out
            .contains("day (allow, priority 0): when `now.getHours() >= 6` does not hold, or cannot be evaluated\n"),
        "{}",
        night.out
    );
    assert!(night.out.contains("big (deny, priority 0): when `args.amount > 9` does not hold\n"), "{}", night.out);
    assert_eq!(at("2026-01-01T06:00:00Z", r#"{"amount": 1}"#).code, 0);
    assert!(at("2026-01-01T06:00:00Z", "{}").out.contains("deny  by rule big"), "what cannot be evaluated restricts");
    assert_eq!(at("yesterday", "{}").code, 2);
    let summary = run(&["policy", "explain", &policy], "").out;
    assert!(summary.contains("big deny; when args.amount > 9\n"), "{summary}");
}

/// Every part of a policy is in its summary: what is not shown is overlooked.
#[test]
fn the_summary_has_every_block() {
    let policy = file(
        "blocks.yaml",
        r#"version: "1"
servers: [{name: s}]
scanners: {pii: {enabled: false}, secrets: {request: log}}
quotas: [{id: calls, limit: 9/hour, when: "1 < 2"}]
pins: {deny_drift: high}
risk: {deny: critical}
schemas: {arguments: log}
clearance: {default: internal}
obligations: [{id: net, egress: {allow: [example.com]}}]
flow: {sources: [{id: web, match: {name: [x]}, labels: [untrusted]}], trifecta: deny}
"#,
    );
    let ran = run(&["policy", "explain", &policy], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let summary = ran.out;
    for part in [
        "Quotas\n  calls ",
        "limit 9/hour",
        "when 1 < 2",
        "deny_drift high",
        "Risk\n  deny critical",
        "Schemas\n  arguments log",
        "Clearance\n  default internal",
        "Obligations\n  net ",
        "egress.allow example.com",
        "web labels untrusted; match.name x",
        "trifecta deny",
        "privesc, secrets (request log); off: pii\n",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy/portcullis.schema.json");
    let committed = fs::read_to_string(path).unwrap();
    let current = run(&["policy", "schema"], "");
    assert_eq!(current.code, 0);
    assert!(committed == current.out, "envoy/portcullis.schema.json is stale: make schema");
}

#[test]
fn scan_says_where_and_never_what() {
    let secret = token();
    let text = format!("first line\nkey: {secret}\n");
    let found = run(&["scan"], &text);
    assert_eq!(found.code, 1);
    assert!(found.out.starts_with("<stdin>:2:6: secrets/"), "{}", found.out);
    assert!(!found.out.contains(&secret));

    let json = format!(r#"{{"list": [1, "{secret}"]}}"#);
    let at = run(&["scan", "-", "--direction", "request", "--json"], &json);
    assert_eq!(at.code, 1);
    let at: Value = serde_json::from_str(&at.out).unwrap();
    assert_eq!((&at[0]["pointer"], &at[0]["action"]), (&Value::from("/list/1"), &Value::from("block")));

    let redacted = run(&["scan", "--redact"], &json);
    assert_eq!(redacted.code, 0);
    assert!(redacted.out.starts_with(r#"{"list": [1, "[REDACTED:"#) && !redacted.out.contains(&secret));
    let redacted = run(&["scan", "--redact"], &text);
    assert!(redacted.out.starts_with("first line\nkey: [REDACTED:"));

    let clean = run(&["scan"], "nothing here\n");
    assert_eq!((clean.code, clean.out.as_str()), (0, ""));

    let off = file("off.json", r#"{"version": "1", "scanners": {"secrets": {"enabled": false}}}"#);
    assert_eq!(run(&["scan", "--config", &off], &text).code, 0);
}

#[test]
fn eval_measures_by_scanner_and_source() {
    let secret = token();
    let cases = [
        format!(r#"{{"id":"a1","scanner":"secrets","label":"attack","direction":"request","args":{{"k":"{secret}"}},"source":"one"}}"#),
        format!(r#"{{"id":"a2","scanner":"secrets","label":"attack","direction":"response","text":"it is {secret}","source":"one"}}"#),
        format!(r#"{{"id":"a3","scanner":"secrets","label":"attack","direction":"tool_description","text":"use {secret}","source":"two"}}"#),
        r#"{"id":"a4","scanner":"secrets","label":"attack","direction":"request","text":"nothing","source":"two"}"#.to_owned(),
        r#"{"id":"b1","scanner":"secrets","label":"benign","direction":"response","args":{"n":1},"source":"two"}"#.to_owned(),
        r#"{"id":"b2","scanner":"secrets","label":"benign","direction":"request","args":{"command":"rm -rf / --no-preserve-root"},"source":"two"}"#.to_owned(),
        r#"{"id":"c1","scanner":"clairvoyance","label":"attack","direction":"request","text":"x"}"#.to_owned(),
    ]
    .join("\n");
    let path = file("cases.jsonl", &cases);
    let json = run(&["eval", &path, "--json", "--misses"], "");
    assert_eq!(json.code, 0, "{}", json.err);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let absent = &json["scanners"][0];
    assert_eq!((&absent["scanner"], &absent["available"]), (&Value::from("clairvoyance"), &Value::from(false)));
    assert!(absent.get("recall").is_none(), "what does not exist has no score");
    let secrets = &json["scanners"][1];
    assert_eq!(secrets["recall"], 0.75);
    assert_eq!(secrets["false_positive_rate"], 0.0);
    assert_eq!(secrets["sources"]["one"]["recall"], 1.0);
    assert_eq!(secrets["misses"][0]["id"], "a4");
    // Stopped by another scanner than the one that it is a case of.
    assert_eq!((&json["benign"]["cases"], &json["benign"]["blocked"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(json["benign"]["rate"], 0.5);
    assert_eq!(json["benign"]["rules"]["destructive:shell-delete"], 1);

    let table = run(&["eval", &path, "--misses"], "");
    assert!(table.out.contains("no such scanner in this build"));
    assert!(table.out.contains("missed\tsecrets\ttwo\ta4"));
    assert!(table.out.contains("benign cases stopped by any scanner: 1 of 2 (50.00%)"), "{}", table.out);
    assert!(!table.out.contains(&secret));

    let broken = file("broken.jsonl", "{\"id\":1}");
    let broken = run(&["eval", &broken], "");
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("line 1"), "{}", broken.err);
}

#[test]
fn eval_reads_xz() {
    // One case, compressed with `xz -9`: {"id":"x","scanner":"none",…}.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/case.jsonl.xz");
    let table = run(&["eval", path], "");
    assert_eq!(table.code, 0, "{}", table.err);
    assert!(table.out.contains("none"));
}

/// Of the shape of a GitHub token, put together so that no scanner takes this file for a leak.
fn token() -> String {
    format!("ghp_{}{}", "0123456789abcdefghijAB", "CDEFGHIJ012345")
}

const POLICY: &str = r#"{
    "version": "1",
    "servers": [{"name": "files", "match": {"path_prefix": "/files"}}],
    "rules": [
        {"id": "read", "action": "allow",
         "match": {"principal": {"kind": ["agent"], "roles": ["dev"]}, "server": ["files"], "name": ["read_*"]},
         "arguments": [{"path": "/path", "op": "path_within", "value": ["/data"]}]},
        {"id": "no-rm", "action": "deny", "hide": true, "priority": 5, "match": {"name": ["rm"]}},
        {"id": "try", "mode": "shadow", "action": "deny", "match": {"name": ["write_*"]}}
    ]
}"#;
