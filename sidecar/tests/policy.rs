//! Working with policy from outside: the tables, imports, environments, differences, logs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod common;

use std::fs;

use common::{file, repository, run};
use serde_json::{Value, json};

#[test]
fn every_row_of_the_tables_is_decided_as_expected() {
    let mut files: Vec<String> = fs::read_dir(repository("tests/policy"))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut args = vec!["policy", "test"];
    args.extend(files.iter().map(String::as_str));
    let ran = run(&args, "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let passed: usize = ran.out.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(passed >= 600, "only {passed} cases");
}

#[test]
fn environments_are_built_away() {
    let policy = file("environments.yaml", ENVIRONMENTS);
    let unchosen = run(&["policy", "build", &policy], "");
    assert_eq!(unchosen.code, 2);
    assert!(unchosen.err.contains("choose one with --env: dev, production"), "{}", unchosen.err);

    let built = run(&["policy", "build", &policy, "--env", "production"], "");
    assert_eq!(built.code, 0, "{}", built.err);
    let built: Value = serde_json::from_str(&built.out).unwrap();
    assert!(built.get("environments").is_none());
    assert_eq!((&built["environment"], &built["hide_denied"]), (&json!("production"), &json!(true)));
    assert_eq!(built["rules"].as_array().unwrap().len(), 1);
    assert_eq!(
        built["rules"][0],
        json!({"id": "read", "match": {"name": ["read_*"], "server": ["files"]}, "action": "allow"})
    );

    let overlay = file("overlay.yaml", "rules:\n- {id: extra, match: {name: [x]}, action: deny}\n");
    let more = run(&["policy", "build", &policy, "--env", "dev", "--overlay", &overlay, "--format", "yaml"], "");
    assert!(more.out.contains("id: extra"), "{}", more.out);

    let checked = run(&["policy", "check", &policy], "");
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.contains("(dev): ok") && checked.out.contains("(production): ok"), "{}", checked.out);

    let broken = file("broken-environment.yaml", &ENVIRONMENTS.replace("hide_denied: true", "hide_denyed: true"));
    let checked = run(&["policy", "check", &broken], "");
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains(":11:18 (production): refused: /hide_denyed: unknown field"), "{}", checked.out);
}

#[test]
fn yaml_and_json_are_the_same_policy() {
    let yaml = file("same.yaml", "version: \"1\"\nservers: [{name: a}]\nrules:\n- {id: x, action: allow}\n");
    let json = file("same.json", r#"{"rules":[{"action":"allow","id":"x"}],"servers":[{"name":"a"}],"version":"1"}"#);
    let version = |path: &str| -> Value {
        let checked: Value = serde_json::from_str(&run(&["policy", "check", "--json", path], "").out).unwrap();
        checked[0]["policy_version"].clone()
    };
    assert_eq!(version(&yaml), version(&json));
    let wrong = file("wrong.yaml", "version: \"1\"\nrules:\n- id: x\n  action: alow\n");
    let wrong = run(&["policy", "check", &wrong], "");
    assert!(
        wrong.out.contains("wrong.yaml:4:11: refused: /rules/0/action: unknown value `alow`; did you mean `allow`?"),
        "{}",
        wrong.out
    );
}

#[test]
fn check_tells_several_mistakes_at_once() {
    let wrong = file(
        "several.yaml",
        "version: \"1\"\nmode: enforced\nlimits: {max_depth: 1000}\nrules:\n- {id: a, action: alow}\n- {id: b, action: deny}\n- {id: b, action: deny}\n- {id: c, action: deny, match: {name: []}}\n",
    );
    let checked = run(&["policy", "check", &wrong], "");
    assert_eq!(checked.code, 1);
    for part in [
        "several.yaml:2:7: refused: /mode: unknown value `enforced`",
        ":5:19: refused: /rules/0/action: unknown value `alow`",
        ":7:8: refused: /rules/2/id: a second rule `b`",
        ":8:39: refused: /rules/3/match/name: is an empty list",
        ":3:21: refused: /limits/max_depth: 1000 is out of range",
    ] {
        assert!(checked.out.contains(part), "{part}: {}", checked.out);
    }
    assert_eq!(checked.out.lines().count(), 5, "{}", checked.out);
}

#[test]
fn istio_resources_keep_what_is_not_the_policy() {
    let policy = file("istio.yaml", "version: \"1\"\nservers: [{name: a}]\nrules:\n- {id: only-this, action: allow}\n");
    for (format, resource, key) in
        [("envoyfilter", "k8s/envoyfilter.yaml", "value: |"), ("wasmplugin", "k8s/wasmplugin.yaml", "pluginConfig:")]
    {
        let before = fs::read_to_string(repository(resource)).unwrap();
        let built = run(&["policy", "build", &policy, "--format", format, "--into", &repository(resource)], "");
        assert_eq!(built.code, 0, "{}", built.err);
        assert!(built.out.contains("only-this") && !built.out.contains("harmless-tools"), "{}", built.out);
        let head = before.split(key).next().unwrap();
        assert!(built.out.starts_with(head), "what stands before it is untouched");
        let alone = run(&["policy", "build", &policy, "--format", format], "");
        assert!(alone.out.contains("apiVersion:") && alone.out.contains("only-this"), "{}", alone.out);
        assert!(alone.out.lines().last().unwrap().starts_with("    "), "the policy is indented below its key");
    }
    let none = file("no-place.yaml", "a: b\n");
    let none = run(&["policy", "build", &policy, "--format", "wasmplugin", "--into", &none], "");
    assert_eq!(none.code, 2);
    assert!(none.err.contains("0 places"), "{}", none.err);
}

#[test]
fn a_failed_case_is_shown_as_a_difference() {
    let policy = file(
        "tested.yaml",
        "version: \"1\"\nservers: [{name: a}]\nrules:\n- {id: r, match: {name: [r]}, action: allow}\n",
    );
    let cases =
        file("failing.yaml", "cases:\n- {case: first, tool: r, expect: deny by r}\n- {tool: r, expect: allow}\n");
    let failed = run(&["policy", "test", &cases, "--policy", &policy], "");
    assert_eq!(failed.code, 1);
    for part in
        ["failing.yaml:2: failed: first", "it was allow by r", "expected deny", "found    allow", "1 passed, 1 failed"]
    {
        assert!(failed.out.contains(part), "{part}: {}", failed.out);
    }
    let json: Value =
        serde_json::from_str(&run(&["policy", "test", &cases, "--policy", &policy, "--json"], "").out).unwrap();
    assert_eq!((&json["failed"], &json["cases"][0]["differences"][0]["field"]), (&json!(1), &json!("decision")));
    for (cases, remedy) in [
        ("cases: [{tool: r, expects: deny}]", "unknown field `expects`"),
        ("cases: [{tool: r, expect: refuse}]", "no decision"),
        ("cases: [{expect: deny}]", "none of `tool`"),
        ("cases: []", "no cases"),
        ("cases: [{tool: r, server: b, expect: deny}]", "no server `b`"),
        ("cases: [{tool: r, principal: {kind: robot, id: x}, expect: deny}]", "needs a `kind`"),
    ] {
        let wrong = run(&["policy", "test", &file("wrong-cases.yaml", cases), "--policy", &policy], "");
        assert_eq!(wrong.code, 2, "{cases}");
        assert!(wrong.err.contains(remedy), "{cases}: {}", wrong.err);
    }
}

#[test]
fn diff_says_what_is_different_and_what_it_decides() {
    let a = file(
        "diff-a.yaml",
        "version: \"1\"\nservers: [{name: s}]\nrules:\n- {id: r, match: {name: [a, b]}, action: allow}\n- {id: gone, match: {name: [x]}, action: allow}\n",
    );
    let same = file(
        "diff-same.yaml",
        "version: \"1\"\nmode: enforce\ndefault: deny\nservers: [{name: s, match: {}}]\nrules:\n- {id: r, match: {name: [b, a]}, action: allow, priority: 0}\n- {id: gone, match: {name: [x]}, action: allow}\n",
    );
    let equal = run(&["policy", "diff", &a, &same], "");
    assert_eq!((equal.code, equal.out.as_str()), (0, "no difference\n"));

    let b = file(
        "diff-b.yaml",
        "version: \"1\"\nhide_denied: true\nservers: [{name: s}]\nrules:\n- {id: r, match: {name: [a]}, action: allow}\n- {id: new, match: {name: [y]}, action: allow}\n",
    );
    let cases = file("diff-cases.yaml", "cases:\n- {case: of b, tool: b}\n- {case: of a, tool: a}\n");
    let differs = run(&["policy", "diff", &a, &b, "--cases", &cases], "");
    assert_eq!(differs.code, 1);
    for part in [
        "~ /hide_denied: false -> true",
        "~ /rules/r/match/name: [\"a\",\"b\"] -> [\"a\"]",
        "- /rules/gone",
        "+ /rules/new",
        "~ case of b: allow by r -> deny by default",
    ] {
        assert!(differs.out.contains(part), "{part}: {}", differs.out);
    }
    assert!(!differs.out.contains("case of a"));
    let json: Value = serde_json::from_str(&run(&["policy", "diff", &a, &b, "--json"], "").out).unwrap();
    assert_eq!(json["changes"].as_array().unwrap().len(), 4);
}

#[test]
fn replay_tells_what_changes_from_what_cannot_be_known() {
    let log = file("audit.log", &log());
    let policy = file(
        "replayed.yaml",
        "version: \"1\"\nservers: [{name: files}, {name: docs}]\nrules:\n- {id: reads, match: {principal: {roles: [dev]}, name: [read_file]}, arguments: [{path: path, op: path_within, value: /data}], action: allow}\n- {id: writes, match: {principal: {teams: [core]}, name: [write_file]}, action: allow}\n- {id: flags, match: {name: [rm]}, arguments: [{path: force, op: eq, value: true}], action: allow}\n- {id: pages, match: {capability: [resource]}, arguments: [{path: uri, op: glob, value: \"docs://open/*\"}, {path: \"\", op: max_size, value: 1KiB}], action: allow}\n",
    );
    let replayed = run(&["policy", "replay", "--audit", &log, "--policy", &policy], "");
    assert_eq!(replayed.code, 1, "{}", replayed.err);
    let (changed, undecidable) = replayed.out.split_once("Depends on arguments").unwrap();
    assert!(
        changed.contains("rm on files, human ops: allow by builtin:shadow -> deny by default"),
        "an argument that was not sent is known: {changed}"
    );
    assert!(
        changed.contains("docs://closed/1") && !replayed.out.contains("docs://open/1"),
        "so is the URI of a resource"
    );
    assert!(
        undecidable
            .contains("read_file on files, agent a1: allow by builtin:shadow -> allow by reads or deny by default"),
        "{undecidable}"
    );
    assert!(!replayed.out.contains("write_file"), "teams are in the record");
    assert!(replayed.out.contains("1 not decided by rules"), "{}", replayed.out);

    let json: Value =
        serde_json::from_str(&run(&["policy", "replay", "--audit", &log, "--policy", &policy, "--json"], "").out)
            .unwrap();
    assert_eq!(json["undecidable"], 10);
    let open = file("open-policy.yaml", "version: \"1\"\ndefault: allow\nservers: [{name: files}]\n");
    assert_eq!(run(&["policy", "replay", "--audit", &log, "--policy", &open], "").code, 0);
    assert_eq!(run(&["policy", "replay", "--audit", &open, "--policy", &open], "").code, 2, "no record in it");
}

#[test]
fn suggest_writes_the_least_that_the_traffic_needs() {
    let log = file("suggest.log", &log());
    let suggested = run(&["policy", "suggest", "--audit", &log, "--max-names", "3"], "");
    assert_eq!(suggested.code, 0, "{}", suggested.err);
    let policy = file("suggested.yaml", &suggested.out);
    let cases = file(
        "suggested.cases.yaml",
        r#"
defaults: {principal: {kind: agent, id: a1, tenant: acme, roles: [dev], teams: [core]}}
cases:
- {server: files, tool: read_file, arguments: {path: /x}, expect: allow}
- {server: files, tool: read_file, arguments: {path: /x}, principal: {kind: agent, id: a3, tenant: acme, teams: [core]}, expect: allow}
- {server: files, tool: read_file, arguments: {path: /x}, principal: {kind: agent, id: a3, tenant: other, teams: [core]}, expect: deny}
- {server: files, tool: read_file, arguments: {path: /x}, principal: {kind: human, id: ops, tenant: acme, roles: [ops]}, expect: deny}
- {server: files, tool: write_file, expect: allow}
- {server: files, tool: write_file, principal: {kind: agent, id: a2, tenant: acme, roles: [dev], teams: [core]}, expect: deny}
- {server: files, tool: rm, expect: deny}
- {server: files, tool: leak, expect: deny}
- {server: files, tool: failing, expect: deny}
- {server: docs, resource: "docs://open/99", principal: {kind: agent, id: a2, tenant: acme}, expect: allow}
- {server: docs, resource: "docs://closed/1", principal: {kind: agent, id: a2, tenant: acme}, expect: deny}
- {server: docs, resource: "docs://closed/1", expect: allow}
- {server: docs, resource: "docs://closed/2", expect: deny}
"#,
    );
    let tested = run(&["policy", "test", &cases, "--policy", &policy], "");
    assert_eq!(tested.code, 0, "{}\n{}", tested.out, suggested.out);
    assert!(suggested.out.contains("10 calls by 2 callers"), "{}", suggested.out);
    assert!(suggested.err.contains("0 of them the policy would refuse"), "{}", suggested.err);
    let json: Value = serde_json::from_str(&run(&["policy", "suggest", "--audit", &log, "--json"], "").out).unwrap();
    assert_eq!(json["refused"], 0);
    let base = file(
        "suggest-base.yaml",
        "version: \"1\"\nmode: shadow\nhide_denied: true\nservers: [{name: files, match: {path_prefix: /f}}, {name: docs, match: {path_prefix: /d}}]\n",
    );
    let based = run(&["policy", "suggest", "--audit", &log, "--base", &base], "");
    assert!(based.out.contains("hide_denied: true") && !based.out.contains("mode:"), "{}", based.out);
}

#[test]
fn explain_shows_the_narrowest_change() {
    let policy = file(
        "explained.yaml",
        "version: \"1\"\nservers: [{name: s}]\nrules:\n- {id: reads, match: {principal: {roles: [dev]}, name: [\"read_*\"]}, action: allow}\n- {id: no-rm, match: {name: [rm]}, priority: 5, action: deny}\n",
    );
    let explain = |tool: &str| {
        let args = [
            "policy",
            "explain",
            &policy,
            "--principal-kind",
            "agent",
            "--id",
            "b*t",
            "--role",
            "dev",
            "--tool",
            tool,
            "--json",
        ];
        serde_json::from_str::<Value>(&run(&args, "").out).unwrap()["change"].clone()
    };
    let by_default = explain("write");
    assert_eq!(by_default["decision"], "allow");
    assert_eq!(
        by_default["rule"]["match"],
        json!({"principal": {"kind": ["agent"], "id": ["b\\*t"]}, "server": ["s"], "capability": ["tool"], "name": ["write"]})
    );
    assert_eq!(by_default["nearest"]["id"], "reads");
    assert_eq!(explain("rm")["rule"]["priority"], 6, "above the rule that denies");
    assert_eq!(explain("read_x")["decision"], "deny");
    let caught = run(
        &[
            "policy",
            "explain",
            &policy,
            "--principal-kind",
            "agent",
            "--id",
            "b",
            "--role",
            "dev",
            "--tool",
            "read_x",
            "--args",
            r#"{"cmd": "rm -rf / --no-preserve-root"}"#,
        ],
        "",
    );
    assert_eq!(caught.code, 1, "what the rules allow a scanner may stop");
    assert!(caught.out.contains("then     deny by destructive:") && !caught.out.contains("rm -rf"), "{}", caught.out);
    let text = run(&["policy", "explain", &policy, "--tool", "write"], "");
    assert!(
        text.out.contains("Narrowest rule that makes it allow:") && text.out.contains("about every caller"),
        "{}",
        text.out
    );
}

/// Records as Envoy writes them, of two agents and a person who were watched in shadow mode.
fn log() -> String {
    let mut lines = vec!["[2026-11-21 10:00:00.000][7][info][main] starting".to_owned()];
    let mut add = |who: (&str, &str, &[&str], &[&str]),
                   server: &str,
                   method: &str,
                   name: &str,
                   keys: &[&str],
                   extra: Value| {
        let mut record = json!({
            "time": "2026-11-20T10:00:00.000000Z", "correlation_id": "c", "direction": "request", "tenant": "acme",
            "principal": who.0, "principal_kind": who.1, "roles": who.2, "teams": who.3, "agent": null,
            "server": server, "method": method, "tool": name, "decision": "allow", "rule": "builtin:shadow",
            "shadow_decision": "deny", "shadow_rule": "default", "argument_keys": keys, "upstream_status": 200, "request_bytes": 300,
        });
        record.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        lines.push(format!("[2026-11-20 10:00:00.000][7][info][wasm] wasm log portcullis: portcullis_audit {record}"));
    };
    let (a1, a2, ops) = (
        ("a1", "agent", &["dev"][..], &["core"][..]),
        ("a2", "agent", &["dev"][..], &["core"][..]),
        ("ops", "human", &["ops"][..], &[][..]),
    );
    for _ in 0..5 {
        add(a1, "files", "tools/call", "read_file", &["path"], json!({}));
        add(a2, "files", "tools/call", "read_file", &["path"], json!({}));
    }
    add(a1, "files", "tools/call", "write_file", &["path", "content"], json!({}));
    add(ops, "files", "tools/call", "rm", &[], json!({}));
    add(a1, "files", "tools/call", "leak", &["x"], json!({"shadow_rule": "secrets:github-pat"}));
    add(a1, "files", "tools/call", "failing", &[], json!({"upstream_status": 500}));
    add(
        a1,
        "files",
        "tools/call",
        "stopped",
        &[],
        json!({"decision": "deny", "rule": "pii:email", "upstream_status": null}),
    );
    for page in 0..5 {
        add(a2, "docs", "resources/read", &format!("docs://open/{page}"), &["uri"], json!({}));
    }
    add(a1, "docs", "resources/read", "docs://closed/1", &["uri"], json!({}));
    lines.join("\n")
}

const ENVIRONMENTS: &str = r#"version: "1"
servers: [{name: files, match: {path_prefix: /files}}]
rules:
- {id: read, match: {name: ["read_*"]}, action: allow}
- {id: debug, match: {name: ["debug_*"]}, action: allow}
environments:
  dev:
    default: allow
  production:
    # What is refused does not exist.
    hide_denied: true
    rules:
    - {id: read, match: {server: [files]}}
    - {id: debug, $remove: true}
"#;
