use super::super::{Context, Surface};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let mut out = Vec::new();
    (DETECTOR.detect)(&Input { text, member, tool, context, role: None }, &mut out);
    out
}

/// The member in which a rule's examples stand.
fn member(id: &str) -> (&'static str, &'static str) {
    match id {
        "path-traversal" | "sensitive-file" | "argument-injection" => ("path", "read_file"),
        "command-chaining" | "template-execution" => ("branch", "checkout"),
        "persistent-write" => ("path", "write_file"),
        _ => ("command", "run_command"),
    }
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    let mut wrong = Vec::new();
    for (index, rule) in CATALOG.iter().enumerate() {
        let (member, tool) = member(rule.id);
        for hit in rule.hits {
            let matches = found(hit, Some(member), Some(tool));
            if !matches.iter().any(|found| found.rule == index) {
                wrong.push(format!("{} misses {hit:?}: {matches:?}", rule.id));
            }
            let lower = hit.to_ascii_lowercase();
            if !DETECTOR.triggers.iter().any(|trigger| lower.contains(trigger)) {
                wrong.push(format!("{hit:?} has no trigger"));
            }
        }
        for miss in rule.misses {
            if found(miss, Some(member), Some(tool)).iter().any(|found| found.rule == index) {
                wrong.push(format!("{} hits {miss:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    for (member, tool, text) in [
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
    ] {
        let matches = found(text, Some(member), Some(tool));
        assert!(
            matches.is_empty(),
            "{text:?}: {:?}",
            matches.iter().map(|found| DETECTOR.rules[found.rule].id).collect::<Vec<_>>()
        );
    }
}

/// A bound on the output and on the readers' work; each other step is a bounded number of passes.
#[test]
fn adversarial_texts_stay_bounded() {
    for unit in [
        "$(",
        "`",
        "a;",
        "|id",
        "' or '",
        "../",
        "%25",
        "{a,b}",
        "os.remove(\"",
        "$ne",
        "bash <(x);",
        "sudo ",
        "explain analyze ",
        "((",
        "<<E\n",
        "rm -rf a;",
        "\\\\",
        "union (",
    ] {
        for member in [None, Some("command"), Some("code"), Some("sql"), Some("path"), Some("value"), Some("query")] {
            let text = unit.repeat(4000);
            assert!(found(&text, member, Some("bash")).len() <= 200, "{unit:?}");
        }
        let steps = |n: usize| shell::parse(&unit.repeat(n)).steps;
        let (small, large) = (steps(1000), steps(4000));
        assert!(large <= 6 * small.max(4000), "{unit:?}: {small} {large}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=%./]{0,160}", role in 0usize..6) {
        let member = [None, Some("command"), Some("code"), Some("branch"), Some("path"), Some("body")][role];
        for found in found(&text, member, Some("write_file")) {
            proptest::prop_assert!(text.get(found.range.clone()).is_some());
            proptest::prop_assert!(found.rule < DETECTOR.rules.len());
        }
    }
}
