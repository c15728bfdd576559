//! What the tests of the scanners of commands have in common.

use super::detect::{Detector, Input, Match, RuleInfo};
use super::{Context, Direction, Surface, shell};

/// A member and a tool: where the examples of a rule stand.
pub(super) type Place = (Option<&'static str>, &'static str);

/// What a detector finds in an argument of a call.
pub(super) fn found(detector: &Detector, text: &str, member: Option<&str>, tool: Option<&str>) -> Vec<Match> {
    let context = Context { direction: Direction::Request, surface: Surface::Arguments };
    let mut out = Vec::new();
    (detector.detect)(&Input { text, member, tool, context, role: None, parsed: None }, &mut out);
    out
}

/// Every rule finds its `hits` in `place`, each of which has a trigger in it or in its member's name, and leaves
/// its `misses` in all of `quiet`.
pub(super) fn examples_hold(
    detector: &Detector,
    catalog: &[RuleInfo],
    place: fn(&str) -> Place,
    quiet: fn(&str) -> Vec<Place>,
) {
    let mut wrong = Vec::new();
    for (index, rule) in catalog.iter().enumerate() {
        let (member, tool) = place(rule.id);
        for hit in rule.hits {
            let matches = found(detector, hit, member, Some(tool));
            if !matches.iter().any(|found| found.rule == index) {
                wrong.push(format!("{} misses {hit:?}: {matches:?}", rule.id));
            }
            let lower = format!("{}\"{}", member.unwrap_or_default(), hit.to_ascii_lowercase());
            if !(detector.triggers)().iter().any(|trigger| lower.contains(trigger)) {
                wrong.push(format!("{hit:?} has no trigger"));
            }
        }
        for (miss, (member, tool)) in
            rule.misses.iter().flat_map(|miss| quiet(rule.id).into_iter().map(move |at| (miss, at)))
        {
            if found(detector, miss, member, Some(tool)).iter().any(|found| found.rule == index) {
                wrong.push(format!("{} hits {miss:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// None of these calls (member, tool, text) is found.
pub(super) fn pass(detector: &Detector, calls: &[(&str, &str, &str)]) {
    for (member, tool, text) in calls {
        let matches = found(detector, text, Some(member), Some(tool));
        let rules: Vec<_> = matches.iter().map(|found| detector.rules[found.rule].id).collect();
        assert!(rules.is_empty(), "{text:?}: {rules:?}");
    }
}

/// A bound on the output and on the readers' work; each other step is a bounded number of passes.
pub(super) fn stays_bounded(detector: &Detector) {
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
            assert!(found(detector, &unit.repeat(4000), member, Some("bash")).len() <= 200, "{unit:?}");
        }
        let steps = |n: usize| shell::parse(&unit.repeat(n)).steps;
        let (small, large) = (steps(1000), steps(4000));
        assert!(large <= 6 * small.max(4000), "{unit:?}: {small} {large}");
    }
}

/// Whatever the text, matches lie within it and name a rule.
pub(super) fn is_sound(detector: &Detector, text: &str, role: usize) {
    let members =
        [None, Some("command"), Some("code"), Some("sql"), Some("path"), Some("branch"), Some("limit"), Some("body")];
    for found in found(detector, text, members[role % members.len()], Some("write_file")) {
        assert!(text.get(found.range.clone()).is_some() && found.rule < detector.rules.len());
    }
}
