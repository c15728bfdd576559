//! Argument predicates never panic, never run away, and never hold for what a server could read otherwise.
//!
//! Input: the value of an argument, then 0xFF and a pattern (a glob, a regular expression).
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_engine::json::{Document, Limits, quote};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Action, Call, Glob, Policy};
use portcullis_engine::principal::Principal;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0xff);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let pattern = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let arguments = format!("{{\"value\":{}}}", quote(&text));
    for (op, (allows, denies)) in ["path_within", "host_in"].iter().zip(&*FIXED) {
        let holds = decide(allows, &arguments) == Action::Allow;
        let refused = decide(denies, &arguments) == Action::Deny;
        // A value that cannot be judged is neither let through nor overlooked: the two rules meet.
        assert!(!holds || refused, "{op} holds in a rule that allows and not in one that refuses");
        match *op {
            "path_within" => assert!(!holds || every_reading_is_within(&text)),
            _ => assert!(!holds || host_is_listed(&text)),
        }
    }
    if let Ok(glob) = Glob::new(&pattern)
        && text.len() < 256
    {
        assert_eq!(glob.matches(&text), glob_reference(&pattern, &text));
    }
    for op in ["regex", "not_regex", "glob"] {
        if let Ok(policy) = Policy::from_json(policy("allow", op, &quote(&pattern)).as_bytes()) {
            decide(&policy, &arguments);
        }
    }
});

fn decide(policy: &Policy, arguments: &str) -> Action {
    let document = Document::parse(arguments.as_bytes(), &Limits::default()).expect("JSON");
    let call = Call {
        server: "s",
        method: "tools/call",
        capability: Capability::Tool,
        name: Some("t"),
        arguments: Some(document.root()),
    };
    policy.decide(&Principal::default(), &call).action
}

fn policy(action: &str, op: &str, value: &str) -> String {
    let default = if action == "allow" { "deny" } else { "allow" };
    format!(
        r#"{{"version":"1","default":"{default}","servers":[{{"name":"s"}}],"rules":[{{"id":"r","action":"{action}",
            "arguments":[{{"path":"/value","op":"{op}","value":{value}}}]}}]}}"#
    )
}

/// However often it is decoded, and whichever slash it is written with, the path stays in `/data`.
fn every_reading_is_within(text: &str) -> bool {
    let mut reading = text.as_bytes().to_vec();
    for _ in 0..8 {
        let slashes: Vec<u8> = reading.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
        if !within(&reading) || !within(&slashes) || reading.contains(&0) {
            return false;
        }
        reading = percent_decode(&reading);
    }
    true
}

fn within(path: &[u8]) -> bool {
    let mut depth = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(depth.pop()),
            other => depth.push(other),
        }
    }
    path.starts_with(b"/") && depth.first() == Some(&&b"data"[..])
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        let hex = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// The WHATWG parser sees a host of the list. Under a scheme of the web, for others it leaves `0x0a010203` as it
/// is, which a resolver takes for an address all the same.
fn host_is_listed(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let Ok(url) = url::Url::parse(&format!("http://{rest}")) else { return false };
    match url.host() {
        Some(url::Host::Domain(host)) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "example.com" || host.ends_with(".example.org") || host == "10.1.2.3"
        }
        Some(url::Host::Ipv4(address)) => address.octets() == [10, 1, 2, 3],
        // `::ffff:10.1.2.3` leads to the same machine.
        Some(url::Host::Ipv6(address)) => address.to_ipv4_mapped().is_some_and(|v4| v4.octets() == [10, 1, 2, 3]),
        None => false,
    }
}

/// The definition of a glob, tried at every place.
fn glob_reference(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // reachable[i]: the pattern so far matches the first i characters.
    let mut reachable: Vec<bool> = (0..=text.len()).map(|index| index == 0).collect();
    let mut characters = pattern.iter();
    while let Some(character) = characters.next() {
        let mut next = vec![false; text.len() + 1];
        match character {
            '*' => {
                let mut seen = false;
                for (index, slot) in next.iter_mut().enumerate() {
                    seen |= reachable[index];
                    *slot = seen;
                }
            }
            other => {
                let wanted = match other {
                    '?' => None,
                    '\\' => characters.next(),
                    _ => Some(other),
                };
                for (index, found) in text.iter().enumerate() {
                    next[index + 1] = reachable[index] && wanted.is_none_or(|wanted| wanted == found);
                }
            }
        }
        reachable = next;
    }
    reachable[text.len()]
}

/// For each op a policy that allows what it holds for, and one that refuses it.
static FIXED: LazyLock<Vec<(Policy, Policy)>> = LazyLock::new(|| {
    [("path_within", r#"["/data"]"#), ("host_in", r#"["example.com", "*.example.org", "10.1.2.3"]"#)]
        .iter()
        .map(|(op, value)| {
            let load = |action| Policy::from_json(policy(action, op, value).as_bytes()).expect("a policy");
            (load("allow"), load("deny"))
        })
        .collect()
});
