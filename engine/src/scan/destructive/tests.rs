use super::super::{Context, Surface};
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let mut out = Vec::new();
    (DETECTOR.detect)(&Input { text, member, tool, context }, &mut out);
    out
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    let mut wrong = Vec::new();
    for (index, rule) in DETECTOR.rules.iter().enumerate() {
        for hit in rule.hits {
            let sql = rule.id.starts_with("sql") || rule.id == "nosql-operator";
            let matches = found(hit, if sql { None } else { Some("command") }, Some("run_command"));
            if !matches.iter().any(|found| found.rule == index) {
                wrong.push(format!("{} misses {hit:?}: {matches:?}", rule.id));
            }
            let lower = hit.to_ascii_lowercase();
            if !DETECTOR.triggers.iter().any(|trigger| lower.contains(trigger)) {
                wrong.push(format!("{hit:?} has no trigger"));
            }
        }
        for miss in rule.misses {
            for member in [None, Some("command")] {
                let matches = found(miss, member, Some("run_command"));
                if matches.iter().any(|found| found.rule == index) {
                    wrong.push(format!("{} hits {miss:?}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn results_are_not_looked_at() {
    let context = Context { direction: Direction::Response, surface: Surface::Result };
    let mut out = Vec::new();
    (DETECTOR.detect)(&Input { text: "rm -rf /", member: None, tool: None, context }, &mut out);
    assert!(out.is_empty());
}

#[test]
fn the_role_decides() {
    assert!(found("run rm -rf / on it", Some("body"), Some("send_email")).is_empty());
    assert!(!found("x; rm -rf /", Some("filename"), Some("read_file")).is_empty());
    assert!(found("ps aux | grep node", Some("command"), Some("bash")).is_empty());
    assert!(found("SELECT a FROM t UNION SELECT b FROM u", Some("query"), Some("execute_sql")).is_empty());
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n$`'\"(){}<>|&;\\\\ a-z=]{0,160}", role in 0usize..6) {
        let member = [None, Some("command"), Some("code"), Some("sql"), Some("path"), Some("body")][role];
        for found in found(&text, member, Some("bash")) {
            proptest::prop_assert!(text.get(found.range.clone()).is_some());
            proptest::prop_assert!(found.rule < DETECTOR.rules.len());
        }
    }
}
