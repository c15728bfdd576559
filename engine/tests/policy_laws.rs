//! Laws that hold for every policy, tried on generated ones.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may")]

use portcullis_engine::json::{Document, Limits};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Call, Decision, Policy};
use portcullis_engine::principal::{Principal, PrincipalKind};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACTIONS: [&str; 4] = ["allow", "log_only", "require_approval", "deny"];

/// A rule without its id, out of a world small enough for rules and calls to meet.
fn rule(actions: &'static [&'static str], priorities: std::ops::Range<i32>) -> impl Strategy<Value = Value> {
    let name = prop::option::of(prop::sample::select(vec!["*", "a", "a*", "*b", "a?", "b"]));
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
                matcher["name"] = json!([name]);
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
}
