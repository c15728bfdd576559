//! Policies of other products: what is carried over decides as the original, what is not refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod common;

use common::{data, file, run};
use serde_json::{Value, json};

#[test]
fn imports_decide_as_the_originals_say() {
    for (name, extension, code, notes) in [
        (
            "g8kepr",
            "json",
            0,
            vec!["/audit/alertOnDeny", "one server, `mcp`", "`limits.max_body_bytes` is raised to 10065536"],
        ),
        ("intercept", "yaml", 1, vec!["/tools/odd: `odd` is denied", "/tools/borrowed"]),
        ("policylayer", "json", 1, vec!["/tools/mystery: `mystery` is denied"]),
        ("agentgateway", "yaml", 1, vec!["rules/2: the claim `nested.key`", "rules/5: `!=`"]),
    ] {
        let from = data(&format!("import/{name}.{extension}"));
        let imported = run(&["policy", "import", &from], "");
        assert_eq!(imported.code, code, "{name}: {}", imported.err);
        for note in notes {
            assert!(imported.err.contains(note), "{name}: {note}: {}", imported.err);
        }
        let policy = file(&format!("{name}.yaml"), &imported.out);
        let tested = run(&["policy", "test", &data(&format!("import/{name}.cases.yaml")), "--policy", &policy], "");
        assert_eq!(tested.code, 0, "{name}: {}{}\n{}", tested.out, tested.err, imported.out);

        let json = run(&["policy", "import", "--from", name, &from, "--json"], "");
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["from"], name);
        assert_eq!(json["policy"]["version"], "1");
        assert!(json["notes"].as_array().unwrap().iter().all(|note| note["message"].is_string()));
        let as_json = file(&format!("{name}.json"), &run(&["policy", "import", &from, "--as-json"], "").out);
        assert_eq!(run(&["policy", "diff", &policy, &as_json], "").out, "no difference\n");
    }
}

/// Whatever is wrong with a permission, it does not become a wider one.
#[test]
fn what_cannot_be_imported_is_refused() {
    for (format, text, call) in [
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"paths":["**/x"]}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"paths":[]}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"maxSize":"big"}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"domains":[""]}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"onlyOnMondays":true}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":"yes"}]}"#, "t"),
        ("g8kepr", r#"{"rules":[{"tool":"t","allow":true,"rateLimit":"some"}]}"#, "t"),
        (
            "intercept",
            r#"{"version":"1","tools":{"t":{"rules":[{"name":"r","conditions":[{"path":"env.X","op":"eq","value":1}]}]}}}"#,
            "t",
        ),
        (
            "intercept",
            r#"{"version":"1","tools":{"t":{"rules":[{"name":"r","conditions":[{"path":"args.x","op":"regex","value":"("}]}]}}}"#,
            "t",
        ),
        ("intercept", r#"{"version":"1","tools":{"t":{"rules":[{"name":"r","action":"ask"}]}}}"#, "t"),
        ("intercept", r#"{"version":"1","tools":{"t":{"rules":[{"name":"r","rate_limit":"many"}]}}}"#, "t"),
        ("intercept", r#"{"version":"1","tools":{"t":{"rules":[],"require_human":true}}}"#, "t"),
        ("intercept", r#"{"version":"1","only_from":"10.0.0.0/8","tools":{"x":{"rules":[]}}}"#, "t"),
        (
            "intercept",
            r#"{"version":"1","tools":{"*":{"rules":[{"name":"r","conditions":[{"path":"args.x","op":"near","value":1}]}]}}}"#,
            "t",
        ),
        ("policylayer", r#"{"version":"1","tools":{"t":{"require":[{"path":"args.x","op":"near","value":1}]}}}"#, "t"),
        ("policylayer", r#"{"version":"1","tools":{"t":{"limits":5}}}"#, "t"),
        (
            "secai",
            r#"{"default_action":"allow","servers":[{"name":"server","allowed_tools":[{"name":"t","action":"allow","arg_rules":[{"name":"x","pattern":"("}]}]}]}"#,
            "t",
        ),
        ("secai", r#"{"default_action":"allow","servers":[{"name":"server","only_on":"monday"}]}"#, "t"),
        ("secai", r#"{"default_action":"allow","servers":[{"name":"server"}],"extra_rules":[]}"#, "t"),
        (
            "secai",
            r#"{"default_action":"deny","servers":[{"name":"server"}],"global_rules":[{"name":"all","match":{},"action":"allow"}]}"#,
            "t",
        ),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":["mcp.tool.name == 't' && jwt.x == 'y'"]}}"#, "t"),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":["!(mcp.tool.name == 'x')"]}}"#, "t"),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":["mcp.tool.name == 't'",{"require":"f(1)"}]}}"#, "t"),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":["mcp.tool.name == 't'",{"forbid":"true"}]}}"#, "t"),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":["mcp.tool.name == 't'",{"deny":"!false"}]}}"#, "t"),
        ("agentgateway", r#"{"mcpAuthorization":{"rules":[{"deny":"mcp.tool.name == 'x'"}]}}"#, "t"),
    ] {
        let from = file("unsayable.json", text);
        let imported = run(&["policy", "import", "--from", format, &from], "");
        assert_eq!(imported.code, 1, "{text}: {}", imported.err);
        let policy = file("unsayable.yaml", &imported.out);
        let cases = json!({"defaults": {"principal": {"kind": "agent", "id": "bot", "roles": ["admin"]}},
            "cases": [{"tool": call, "expect": "deny"}, {"tool": call, "arguments": {"path": "/x", "url": "https://x.example"}, "expect": "deny"}]});
        let cases = file("unsayable.cases.json", &cases.to_string());
        let tested = run(&["policy", "test", &cases, "--policy", &policy], "");
        assert_eq!(tested.code, 0, "{text}: {}{}\n{}", tested.out, tested.err, imported.out);
    }
}
