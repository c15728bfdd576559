use super::super::Context;
use super::*;

fn found(text: &str, member: Option<&str>, tool: Option<&str>, direction: Direction) -> Vec<Match> {
    let surface = if direction == Direction::Request { Surface::Arguments } else { Surface::Result };
    let mut out = Vec::new();
    detect(&Input { text, member, tool, context: Context { direction, surface }, role: None, parsed: None }, &mut out);
    out
}

fn fetch(text: &str) -> Vec<&'static str> {
    let found = found(text, Some("url"), Some("fetch"), Direction::Request);
    found.iter().map(|found| DETECTOR.rules[found.rule].id).collect()
}

/// The argument that a rule's examples are meant for.
fn member(rule: &str) -> (&'static str, &'static str) {
    match rule {
        "command-upload" => ("command", "bash"),
        "code-upload" => ("code", "execute_code"),
        "url-credentials" | "script-url" => ("value", "t"),
        "local-file" => ("uri", "convert"),
        _ => ("url", "fetch"),
    }
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    let mut wrong = Vec::new();
    for (index, rule) in CATALOG.iter().enumerate() {
        let (member, tool) = member(rule.id);
        for hit in rule.hits {
            let named = if rule.id == "script-url" && !hit.starts_with('[') { "url" } else { member };
            let matches = found(hit, Some(named), Some(tool), Direction::Request);
            if !matches.iter().any(|found| found.rule == index) {
                wrong.push(format!("{} misses {hit:?}: {matches:?}", rule.id));
            }
            let lower = hit.to_ascii_lowercase();
            let lower = format!("{named}\"{lower}");
            if !(DETECTOR.triggers)().iter().any(|trigger| lower.contains(trigger)) {
                wrong.push(format!("{hit:?} has no trigger"));
            }
        }
        for miss in rule.misses {
            for direction in [Direction::Request, Direction::Response] {
                if found(miss, Some(member), Some(tool), direction).iter().any(|found| found.rule == index) {
                    wrong.push(format!("{} hits {miss:?}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_place_decides() {
    let local = "http://localhost:3000/health";
    assert_eq!(fetch(local), ["internal-address"]);
    assert!(found(local, Some("content"), Some("write_file"), Direction::Request).is_empty());
    assert!(found(&format!("curl {local}"), Some("command"), Some("bash"), Direction::Request).is_empty());
    assert!(found(local, None, Some("fetch"), Direction::Response).is_empty());
    assert!(found("192.168.0.10", Some("host"), Some("connect"), Direction::Request).is_empty());
    assert!(!found("169.254.169.254", Some("host"), Some("connect"), Direction::Request).is_empty());
    assert!(found("send it to webhook.site", None, None, Direction::Response).is_empty());
    assert!(!found("![x](https://webhook.site/5b0f3b5e-0f0b-4a6e-a1)", None, None, Direction::Response).is_empty());
}

#[test]
fn every_host_of_a_lenient_reader_counts() {
    for url in [
        "http://a.example:80 &@127.0.0.1:22/#@b.example",
        "http://127.1.1.1:80\\@@a.example/",
        "http:\\\\127.0.0.1",
        "http:/127.0.0.1/",
        "http://\\1\\2\\7.0.0.1/",
        "https://127.0.0.1!/",
        "http://localhost:+80x",
        "http://[::1%25eth0]/",
        "http://::ffff:7f000001/",
        "http://localhost%00.a.example/",
        "//127.0.0.1/x",
        "https://a.example/r?url=http://10.0.0.1/",
    ] {
        assert!(!fetch(url).is_empty(), "{url}");
    }
}

#[test]
fn work_is_linear_in_the_length() {
    // Matches per byte stay bounded, whatever stands between the schemes.
    for unit in ["a://", "http://a@", "http://127.1/", "x?http://a.b?", "https://u:p@"] {
        let count = |times: usize| {
            let text = unit.repeat(times);
            found(&text, Some("content"), None, Direction::Request).len()
        };
        assert!(count(2_000) <= 2 * count(1_000) + 2, "{unit}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[\\PC\\n:/@.a-z0-9%\\[\\]\\\\#?=$(]{0,160}", role in 0usize..7, request: bool) {
        let member = [None, Some("command"), Some("code"), Some("url"), Some("path"), Some("body"), Some("host")][role];
        let direction = if request { Direction::Request } else { Direction::Response };
        for prefix in ["", "http://", "curl -d @"] {
            let text = format!("{prefix}{text}");
            for found in found(&text, member, Some("fetch"), direction) {
                proptest::prop_assert!(text.get(found.range.clone()).is_some());
                proptest::prop_assert!(found.rule < DETECTOR.rules.len());
            }
        }
    }
}
