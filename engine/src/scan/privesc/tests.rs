use super::super::{Context, Surface};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let mut out = Vec::new();
    (DETECTOR.detect)(&Input { text, member, tool, context }, &mut out);
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
    for (index, rule) in DETECTOR.rules.iter().enumerate() {
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
