//! Laws that hold for every policy, tried on generated ones.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use std::sync::Arc;

use portcullis_engine::driver::{Driver, Request, Response};
use portcullis_engine::firewall::Firewall;
use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, Decision, Policy};
use portcullis_engine::principal::{Principal, PrincipalKind};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACTIONS: [&str; 4] = ["allow", "log_only", "require_approval", "deny"];

/// A rule without its id, out of a world small enough for rules and calls to meet.
fn rule(actions: &'static [&'static str], priorities: std::ops::Range<i32>) -> impl Strategy<Value = Value> {
    let name = prop::option::of(prop::sample::select(vec![
        &["*"][..],
        &["a"],
        &["a*"],
        &["*b"],
        &["a?"],
        &["b"],
        &["a", "a*", "b"],
        &["ab*", "a*", "*c"],
    ]));
    let role = prop::option::of(prop::sample::select(vec!["dev", "d*", "ops"]));
    let capability = prop::option::of(prop::sample::select(vec!["tool", "resource", "list"]));
    let argument = prop::option::of(prop::sample::select(vec![
        r#"{"path":"x","op":"eq","value":1}"#,
        r#"{"path":"x","op":"neq","value":1}"#,
        r#"{"path":"x","op":"lt","value":5,"missing":"holds"}"#,
        r#"{"path":"x","op":"exists","value":false}"#,
    ]));
    let mode = prop::option::weighted(0.2, prop::sample::select(vec!["shadow", "disabled"]));
    (name, role, capability, argument, mode, prop::sample::select(actions), priorities).prop_map(
        |(name, role, capability, argument, mode, action, priority)| {
            let mut matcher = json!({});
            if let Some(name) = name {
                matcher["name"] = json!(name);
            }
            if let Some(role) = role {
                matcher["principal"] = json!({"roles": [role]});
            }
            if let Some(capability) = capability {
                matcher["capability"] = json!([capability]);
            }
            let mut rule = json!({"match": matcher, "action": action, "priority": priority});
            if let Some(argument) = argument {
                rule["arguments"] = json!([serde_json::from_str::<Value>(argument).unwrap()]);
            }
            if let Some(mode) = mode {
                rule["mode"] = json!(mode);
            }
            rule
        },
    )
}

fn rules(actions: &'static [&'static str], priorities: std::ops::Range<i32>) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(rule(actions, priorities), 0..8)
}

#[derive(Clone, Debug)]
struct Asked {
    role: &'static str,
    capability: Capability,
    name: Option<&'static str>,
    arguments: &'static str,
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::sample::select(vec!["dev", "ops", "none"]),
        prop::sample::select(vec![Capability::Tool, Capability::Resource, Capability::List, Capability::Unknown]),
        prop::sample::select(vec![Some("a"), Some("ab"), Some("b"), Some("c"), None]),
        prop::sample::select(vec!["{}", r#"{"x":1}"#, r#"{"x":7}"#, r#"{"x":"1"}"#, r#"{"X":1}"#]),
    )
        .prop_map(|(role, capability, name, arguments)| Asked { role, capability, name, arguments })
}

fn policy(rules: &[Value]) -> Policy {
    let rules: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(index, rule)| {
            let mut rule = rule.clone();
            rule["id"] = json!(format!("r{index}"));
            rule
        })
        .collect();
    Policy::from_json(json!({"version": "1", "rules": rules}).to_string().as_bytes()).unwrap()
}

fn principal(role: &str) -> Principal {
    Principal {
        kind: Some(PrincipalKind::Human),
        id: "somebody".to_owned(),
        roles: vec![role.to_owned()],
        ..Principal::default()
    }
}

fn decide(policy: &Policy, asked: &Asked) -> Decision {
    let method = match asked.capability {
        Capability::Tool => "tools/call",
        Capability::Resource => "resources/read",
        Capability::List => "tools/list",
        _ => "x/y",
    };
    let document = Document::parse(asked.arguments.as_bytes(), &Limits::default()).unwrap();
    let call =
        Call { server: "", method, capability: asked.capability, name: asked.name, arguments: Some(document.root()) };
    policy.decide(&principal(asked.role), &call)
}

proptest! {
    #[test]
    fn no_rules_refuse_all_but_protocol_and_lists(asked in asked()) {
        let decision = decide(&policy(&[]), &asked);
        prop_assert_eq!(decision.lets_through(), asked.capability == Capability::List);
    }

    #[test]
    fn taking_an_allow_rule_away_never_allows_more(rules in rules(&ACTIONS, -1..2), at in 0_usize..8, asked in asked()) {
        if rules.get(at).is_some_and(|rule| rule["action"] == "allow") {
            let before = decide(&policy(&rules), &asked);
            let mut fewer = rules.clone();
            fewer.remove(at);
            let after = decide(&policy(&fewer), &asked);
            prop_assert!(before.lets_through() || after.action == before.action);
        }
    }

    #[test]
    fn adding_a_deny_rule_never_allows_more(
        rules in rules(&ACTIONS, 0..1), deny in rule(&["deny"], 0..1), asked in asked(),
    ) {
        let before = decide(&policy(&rules), &asked);
        let mut more = rules.clone();
        more.push(deny);
        let after = decide(&policy(&more), &asked);
        prop_assert!(after.action >= before.action);
    }

    #[test]
    fn the_order_of_rules_does_not_change_the_action(
        (rules, shuffled) in rules(&ACTIONS, -1..2).prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        asked in asked(),
    ) {
        let (a, b) = (decide(&policy(&rules), &asked), decide(&policy(&shuffled), &asked));
        prop_assert_eq!(a.action, b.action);
        prop_assert_eq!(a.would.map(|would| would.action), b.would.map(|would| would.action));
    }

    #[test]
    fn shadow_rules_change_nothing_that_is_enforced(rules in rules(&ACTIONS, -1..2), asked in asked()) {
        let enforced: Vec<Value> = rules.iter().filter(|rule| rule["mode"].is_null()).cloned().collect();
        prop_assert_eq!(decide(&policy(&rules), &asked).action, decide(&policy(&enforced), &asked).action);
    }

    #[test]
    fn what_is_not_shown_is_refused(rules in rules(&ACTIONS, -1..2), asked in asked()) {
        if let (Some(name), Capability::Tool | Capability::Resource) = (asked.name, asked.capability) {
            let policy = policy(&rules);
            if !policy.visible(&principal(asked.role), "", asked.capability, name) {
                prop_assert_eq!(decide(&policy, &asked).action.as_str(), "deny");
            }
        }
    }

    /// Among the rules that match by themselves the highest priority counts, then the most restrictive action.
    #[test]
    fn the_most_restrictive_of_the_highest_priority_decides(rules in rules(&ACTIONS, -1..2), asked in asked()) {
        let enforced: Vec<Value> = rules.into_iter().filter(|rule| rule["mode"].is_null()).collect();
        let matches = |rule: &&Value| *decide(&policy(&[(*rule).clone()]), &asked).rule == *"r0";
        let strongest = enforced.iter().filter(matches).map(|rule| {
            let action = ACTIONS.iter().position(|action| rule["action"] == *action);
            (rule["priority"].as_i64(), action)
        });
        let expected = strongest.max().and_then(|(_, action)| ACTIONS.get(action?).copied());
        let decided = decide(&policy(&enforced), &asked);
        match expected {
            Some(expected) => prop_assert_eq!(decided.action.as_str(), expected),
            None => prop_assert!(decided.rule.starts_with("builtin:") || *decided.rule == *"default"),
        }
    }

    /// The same policy decides the same call the same way, however it is laid out and however often it is asked.
    #[test]
    fn decisions_are_deterministic(rules in rules(&ACTIONS, -1..2), asked in asked()) {
        let (one, other) = (policy(&rules), policy(&rules));
        let first = decide(&one, &asked);
        prop_assert_eq!(&first, &decide(&one, &asked));
        prop_assert_eq!(&first, &decide(&other, &asked));
        let spaced = serde_json::to_string_pretty(one.config()).unwrap();
        let again = Policy::from_json(spaced.as_bytes()).unwrap();
        prop_assert_eq!(&first, &decide(&again, &asked));
    }
}

proptest! {
    // Each compiles three firewalls.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is replaced in a call never makes it one that passes.
    #[test]
    fn redaction_never_lets_more_through(
        rules in rules(&ACTIONS, -1..2), name in prop::sample::select(vec!["a", "ab", "b", "c"]), secret in any::<bool>(),
    ) {
        let passes = |scanners: &Value| {
            let rules: Vec<Value> = rules.iter().enumerate().map(|(index, rule)| {
                let mut rule = rule.clone();
                rule["id"] = json!(format!("r{index}"));
                rule
            }).collect();
            let config = json!({"version": "1", "servers": [{"name": "s"}], "rules": rules, "scanners": scanners});
            let firewall = Arc::new(Firewall::from_json(config.to_string().as_bytes(), [7; 32]).unwrap());
            // Put together, so that no scanner takes this file for a leak.
            let text = if secret { format!("ghp_{}{}", "0123456789abcdefghijAB", "CDEFGHIJ012345") } else { "text".to_owned() };
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": name, "arguments": {"x": 1, "note": text}}});
            let outcome = Driver::new(firewall).run(&Request::post("/mcp", call.to_string()), |_| Response::json("{}"));
            outcome.upstream.is_some()
        };
        let off = json!({"secrets": {"enabled": false}});
        let redacting = json!({"secrets": {"request": "redact"}});
        let blocking = json!({"secrets": {"request": "block"}});
        prop_assert_eq!(passes(&off), passes(&redacting));
        prop_assert!(passes(&off) || !passes(&blocking));
    }
}
