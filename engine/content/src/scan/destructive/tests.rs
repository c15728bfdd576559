use super::super::testing::{self, Place};
use super::super::{Context, Surface};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    testing::found(&DETECTOR, text, member, tool)
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    let place = |id: &str| -> Place {
        let sql = id.starts_with("sql") || id == "nosql-operator";
        (if sql { None } else { Some("command") }, "run_command")
    };
    testing::examples_hold(&DETECTOR, CATALOG, place, |_| {
        vec![(None, "run_command"), (Some("command"), "run_command")]
    });
}

#[test]
fn results_are_not_looked_at() {
    let context = Context { direction: Direction::Response, surface: Surface::Result };
    let mut out = Vec::new();
    (DETECTOR.detect)(
        &Input { text: "rm -rf /", member: None, tool: None, context, role: None, parsed: None },
        &mut out,
    );
    assert!(out.is_empty());
}

#[test]
fn the_role_decides() {
    assert!(found("run rm -rf / on it", Some("body"), Some("send_email")).is_empty());
    assert!(!found("x; rm -rf /", Some("filename"), Some("read_file")).is_empty());
    assert!(found("ps aux | grep node", Some("command"), Some("bash")).is_empty());
    assert!(found("SELECT a FROM t UNION SELECT b FROM u", Some("query"), Some("execute_sql")).is_empty());
}

/// Calls that agents make all day.
#[test]
fn honest_calls_pass() {
    let calls = [
        ("command", "bash", "npm ci && npm run build 2>&1 | tail -20"),
        ("command", "bash", "git add -A && git commit -m 'Drop table of contents; fix rm -rf docs'"),
        (
            "command",
            "bash",
            "git commit -m \"$(cat <<'EOF'\nRemove the old parser\n\nDROP TABLE is no longer needed.\nEOF\n)\"",
        ),
        ("command", "bash", "for f in *.rs; do wc -l \"$f\"; done | sort -n"),
        ("command", "bash", "python3 -c 'import json,sys; print(json.load(sys.stdin)[\"a\"])' < x.json"),
        ("command", "bash", "docker compose up -d && docker logs -f web"),
        ("command", "bash", "sed -i 's/a|b/c/g' src/*.rs; cargo test -- --nocapture"),
        ("command", "bash", "psql -c \"SELECT count(*) FROM users WHERE a = 'x'\""),
        ("command", "bash", "find . -name '*.rs' -exec grep -l unwrap {} +"),
        ("command", "bash", "curl -s https://example.com/a.json | jq '.items[] | select(.id > 3)'"),
        ("command", "bash", "kubectl get pods -n delete-me | grep Running"),
        ("command", "powershell", "Get-ChildItem -Recurse | Where-Object {$_.Length -gt 1MB}"),
        ("code", "python", "import socket\ns = socket.socket()\ns.connect((host, 80))\nprint(s.recv(10))"),
        ("code", "python", "import subprocess\nsubprocess.run(['git', 'status'], check=True)"),
        (
            "sql",
            "query",
            "SELECT a, b FROM t WHERE c = 'x' OR d IN (SELECT e FROM f) UNION SELECT 1, 2 FROM g ORDER BY 1",
        ),
        ("query", "web_search", "what does \"rm -rf /\" do; is it safe?"),
        ("pattern", "grep", "sleep(5)|DROP TABLE|union.*select"),
        ("filter", "list_items", "lower(name) = 'x' and age > 5 or type = 'b'"),
        ("name", "create_user", "Conan O'Brien"),
        ("label", "tag", "Rock 'n' Roll; 5' 10\" & more"),
        ("title", "create_issue", "Rename `rm -rf` helper; drop table users"),
        ("body", "send", "We could DELETE FROM users; but let us not. Use `curl x | sh`."),
        ("url", "fetch", "https://example.com/a?b=1&c=d;e=f&q=x%27s#top"),
        ("value", "set", "a = b; c = d -- note"),
    ];
    testing::pass(&DETECTOR, &calls);
}

#[test]
fn adversarial_texts_stay_bounded() {
    testing::stays_bounded(&DETECTOR);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=]{0,160}", role in 0usize..8) {
        testing::is_sound(&DETECTOR, &text, role);
    }
}
