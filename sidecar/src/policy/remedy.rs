//! The narrowest change by which a call would be decided the other way.

use portcullis_engine::cel::Moment;
use portcullis_engine::config::Config;
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Action, Call, Decision, Policy};
use portcullis_engine::principal::Principal;

use super::literal;
use super::trial::{Standing, Trial};
use crate::source::Node;

/// What would decide the call the other way.
pub(super) struct Remedy {
    /// The decision it would come to.
    pub(super) action: Action,
    /// A rule about exactly this caller and this name.
    pub(super) rule: Node,
    /// The rule of the policy that comes nearest to it, and what keeps it from matching.
    pub(super) nearest: Option<(String, Vec<String>)>,
}

/// A rule for this caller, server and name alone, tried on the policy; `None` where no rule changes the decision.
pub(super) fn find(
    policy: &Node,
    config: &Config,
    principal: &Principal,
    call: &Call<'_>,
    moment: Moment<'_>,
    decision: &Decision,
    trials: &[Trial],
) -> Option<Remedy> {
    let wanted = if decision.lets_through() { Action::Deny } else { Action::Allow };
    let decider = config.rules.iter().find(|rule| *rule.id == *decision.rule);
    // A denial wins over equals, a permission has to stand above.
    let priority = match (decider, wanted) {
        (Some(rule), Action::Allow) => rule.priority.checked_add(1)?,
        (Some(rule), _) => rule.priority,
        (None, _) => 0,
    };
    let mut rule = Node::object([("id", Node::from(free_id(config))), ("match", exactly(principal, call, config))]);
    if priority != 0 {
        rule.set("priority", Node::number(priority));
    }
    if config.mode != portcullis_engine::config::Mode::Enforce {
        rule.set("mode", "enforce".into());
    }
    rule.set("action", wanted.as_str().into());
    let mut changed = policy.clone();
    let mut rules: Vec<Node> = policy.get("rules").map_or(&[][..], Node::elements).to_vec();
    rules.push(rule.clone());
    changed.set("rules", Node::array(rules));
    let changed = Policy::from_json(changed.to_json().as_bytes()).ok()?;
    let nearest = trials
        .iter()
        .filter(|trial| trial.standing == Standing::NoMatch && trial.action.lets_through() != decision.lets_through())
        .min_by_key(|trial| trial.why_not.len())
        .map(|trial| (trial.id.clone(), trial.why_not.clone()));
    (changed.decide_at(principal, call, &moment).action == wanted).then_some(Remedy { action: wanted, rule, nearest })
}

fn exactly(principal: &Principal, call: &Call<'_>, config: &Config) -> Node {
    let mut matcher = Node::object::<&str>([]);
    if let Some(kind) = principal.kind {
        let mut who = Node::object([("kind", Node::array([kind.as_str()]))]);
        if !principal.id.is_empty() {
            who.set("id", Node::array([literal(&principal.id)]));
        }
        if let Some(tenant) = &principal.tenant {
            who.set("tenant", Node::array([literal(tenant)]));
        }
        matcher.set("principal", who);
    }
    if !config.servers.is_empty() {
        matcher.set("server", Node::array([literal(call.server)]));
    }
    matcher.set("capability", Node::array([call.capability.as_str()]));
    let usual = match call.capability {
        Capability::Tool => "tools/call",
        Capability::Resource => "resources/read",
        Capability::Prompt => "prompts/get",
        _ => "",
    };
    if call.method != usual {
        matcher.set("method", Node::array([literal(call.method)]));
    }
    if let Some(name) = call.name {
        matcher.set("name", Node::array([literal(name)]));
    }
    matcher
}

fn free_id(config: &Config) -> String {
    let taken = |id: &str| config.rules.iter().any(|rule| rule.id == id);
    let mut id = "exception".to_owned();
    let mut number = 2;
    while taken(&id) {
        id = format!("exception-{number}");
        number += 1;
    }
    id
}
