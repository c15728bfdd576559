use super::super::testing::{self, Place};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    testing::found(&DETECTOR, text, member, tool)
}

/// Where a rule's examples stand.
fn place(id: &str) -> Place {
    match id {
        "path-traversal" | "sensitive-file" | "argument-injection" => (Some("path"), "read_file"),
        "command-chaining" | "template-execution" => (Some("branch"), "checkout"),
        "persistent-write" => (Some("path"), "write_file"),
        _ => (Some("command"), "run_command"),
    }
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    testing::examples_hold(&DETECTOR, CATALOG, place, |id| vec![place(id)]);
}

#[test]
fn the_role_decides() {
    assert!(found("ps aux | grep node", Some("command"), Some("bash")).is_empty());
    assert!(!found("node | cat /etc/passwd", Some("process_name"), Some("ps")).is_empty());
    assert!(found("../lib/a.rs", Some("command"), Some("bash")).is_empty());
    assert!(!found("../lib/a.rs", Some("path"), Some("read_file")).is_empty());
    assert!(found("Use `id` or $(date); then ls", Some("body"), Some("send_email")).is_empty());
}

#[test]
fn traversal_in_all_encodings() {
    for text in [
        "../x",
        "..\\x",
        "%2e%2e%2fx",
        "%252e%252e%252fx",
        "..%c0%afx",
        "%c0%ae%c0%ae/x",
        "..%u2215x",
        "%%32%65%%32%65/x",
        "a/../../x",
        "\\\\host\\share\\x",
        "a.png\0.jpg",
        "....//....//x",
        "..;/..;/x",
        "%e0%80%ae%e0%80%ae/x",
    ] {
        assert!(traversal::find(text, Role::Path).is_some(), "{text:?}");
    }
    for text in ["a/b", "./a", "a/../b", "a..b", "v1..v2", "50%", "a/...", "...", "."] {
        assert!(traversal::find(text, Role::Path).is_none(), "{text:?}");
    }
}

/// Calls that agents make all day.
#[test]
fn honest_calls_pass() {
    let calls = [
        ("command", "bash", "cd app && npm test | tee out.txt; echo $?"),
        ("command", "bash", "cat ../README.md ../../Cargo.toml"),
        ("command", "bash", "ssh -i ~/.ssh/id_rsa host uptime"),
        ("command", "bash", "chmod +x run.sh && ./run.sh"),
        ("command", "bash", "grep root /etc/passwd | cut -d: -f1"),
        ("command", "bash", "docker run --rm -v \"$PWD\":/src -w /src rust cargo test"),
        ("path", "read_file", "/home/a/src/main.rs"),
        ("path", "read_file", "C:\\new\\id.txt"),
        ("file_path", "edit", "docs/what's new (2).md"),
        ("url", "fetch", "https://example.com/a/b?x=1&id=2&sort=name;date=3"),
        ("pattern", "grep", "import|export|id|find|cat"),
        ("columns", "select", "id;name;date"),
        ("name", "create", "Research & Development; find out more"),
        ("city", "weather", "Washington, D.C."),
        ("price", "set", "$5 | $6"),
        ("body", "send", "Then run `ls -la` and $(date), see ../notes; cat /etc/hosts"),
        ("branch", "checkout", "feature/a_b-c.d"),
        ("version", "install", ">=1.2,<2 || ^3"),
        ("cron", "schedule", "0 0 * * *"),
        ("value", "set", "time; money & date"),
        ("image", "send", "data:image/png;base64,iVBORw0KGgo="),
    ];
    testing::pass(&DETECTOR, &calls);
}

#[test]
fn adversarial_texts_stay_bounded() {
    testing::stays_bounded(&DETECTOR);
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=%./]{0,160}", role in 0usize..8) {
        testing::is_sound(&DETECTOR, &text, role);
    }
}
