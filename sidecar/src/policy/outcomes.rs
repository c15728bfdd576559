//! What a policy's rules may decide about a call of which the arguments are not known.
//!
//! Nothing is matched here: the engine is asked about policies of one rule each, whose conditions always hold.

use portcullis_engine::config::Mode;
use portcullis_engine::json::{Document, Limits, quote};
use portcullis_engine::policy::{Action, Call, Policy};

use super::audit::Recorded;
use crate::config::Built;
use crate::failure::Failure;
use crate::source::Node;

/// A policy, rule by rule in the order of precedence.
pub(super) struct Outcomes {
    rules: Vec<Single>,
    /// The policy without rules.
    fallback: Policy,
}

/// One rule by itself.
struct Single {
    id: String,
    action: Action,
    /// Without its conditions.
    matcher: Policy,
    /// With them, where they are about arguments only.
    whole: Option<Policy>,
    /// Top-level names of the arguments it looks at; `None` where it may look at any.
    looks_at: Option<Vec<String>>,
    conditional: bool,
    names_teams: bool,
}

/// What may be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) action: Action,
    pub(super) rule: String,
}

impl Outcomes {
    pub(super) fn new(built: &Built) -> Result<Self, Failure> {
        let config = built.firewall.policy.config();
        let mut bare =
            Node::object([("version", Node::from("1")), ("environment", config.environment.as_str().into())]);
        if let Some(servers) = built.node.get("servers") {
            bare.set("servers", servers.clone());
        }
        let mut fallback = bare.clone();
        for key in ["mode", "default", "hide_denied"] {
            if let Some(value) = built.node.get(key) {
                fallback.set(key, value.clone());
            }
        }
        let nodes = built.node.get("rules").map_or(&[][..], Node::elements);
        let mut order: Vec<usize> = (0..config.rules.len()).collect();
        let rank = |index: &usize| config.rules.get(*index).map(|rule| (rule.priority, rule.action));
        order.sort_by_key(|index| std::cmp::Reverse(rank(index)));
        let mut rules = Vec::new();
        for (config_rule, node) in order.iter().filter_map(|index| config.rules.get(*index).zip(nodes.get(*index))) {
            if config_rule.mode.unwrap_or(config.mode) == Mode::Enforce {
                rules.push(single(config_rule.id.clone(), config_rule.action, node, &bare)?);
            }
        }
        Ok(Self { rules, fallback: compile(&fallback)? })
    }

    /// All that the rules may decide about this call, by precedence; one where the arguments do not matter.
    pub(super) fn of(&self, record: &Recorded) -> Vec<Possible> {
        let mut possible: Vec<Possible> = Vec::new();
        let mut add = |action, rule: &str| {
            if !possible.iter().any(|known| known.action == action && known.rule == rule) {
                possible.push(Possible { action, rule: rule.to_owned() });
            }
        };
        for rule in &self.rules {
            match rule.fits(record) {
                Fits::No => {}
                Fits::Perhaps => add(rule.action, &rule.id),
                Fits::Yes => {
                    add(rule.action, &rule.id);
                    return possible;
                }
            }
        }
        let decision = decide(&self.fallback, record, None);
        add(decision.0, &decision.1);
        possible
    }
}

enum Fits {
    No,
    Perhaps,
    Yes,
}

impl Single {
    fn fits(&self, record: &Recorded) -> Fits {
        let teams_unknown = self.names_teams && record.principal.kind.is_some() && record.principal.teams.is_none();
        if teams_unknown {
            return Fits::Perhaps;
        }
        if decide(&self.matcher, record, None).1 != self.id {
            return Fits::No;
        }
        if !self.conditional {
            return Fits::Yes;
        }
        // Where none of the arguments it looks at was sent, the values of the others do not matter.
        let unsent = |name: &String| !record.argument_keys.iter().any(|key| key.eq_ignore_ascii_case(name));
        match (&self.whole, &self.looks_at) {
            (Some(whole), Some(names)) if names.iter().all(unsent) => {
                let members: Vec<String> =
                    record.argument_keys.iter().map(|key| format!("{}:null", quote(key))).collect();
                let arguments = format!("{{{}}}", members.join(","));
                if decide(whole, record, Some(&arguments)).1 == self.id { Fits::Yes } else { Fits::No }
            }
            _ => Fits::Perhaps,
        }
    }
}

fn single(id: String, action: Action, node: &Node, bare: &Node) -> Result<Single, Failure> {
    let mut rule = node.clone();
    rule.take("mode");
    let when = rule.take("when").is_some();
    let conditions = rule.take("arguments").filter(|conditions| !conditions.elements().is_empty());
    let with = |rule: Node| {
        let mut policy = bare.clone();
        policy.set("rules", Node::array([rule]));
        compile(&policy)
    };
    let mut matcher = rule.clone();
    let mut whole = None;
    let mut looks_at = None;
    if let Some(conditions) = &conditions {
        // Rules with conditions leave lists and the protocol alone; so must what stands for them.
        let types = Node::array(["object", "array", "string", "number", "boolean", "null"]);
        let holds = [("path", Node::from("")), ("op", "type".into()), ("value", types), ("missing", "holds".into())];
        matcher.set("arguments", Node::array([Node::object(holds)]));
        if !when {
            let mut all = rule.clone();
            all.set("arguments", conditions.clone());
            whole = Some(with(all)?);
            looks_at =
                conditions.elements().iter().map(|condition| top_level(condition.get("path")?.as_str()?)).collect();
        }
    }
    let names_teams = node.get("match").and_then(|m| m.get("principal")?.get("teams")).is_some();
    let conditional = when || conditions.is_some();
    Ok(Single { id, action, matcher: with(matcher)?, whole, looks_at, conditional, names_teams })
}

/// The first name of a path; `None` for the arguments as a whole.
fn top_level(path: &str) -> Option<String> {
    let name = match path.strip_prefix('/') {
        Some(pointer) => pointer.split('/').next()?.replace("~1", "/").replace("~0", "~"),
        None => path.split(['.', '[']).next()?.to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

fn compile(policy: &Node) -> Result<Policy, Failure> {
    Policy::from_json(policy.to_json().as_bytes()).map_err(|error| Failure::new(error.to_string()))
}

fn decide(policy: &Policy, record: &Recorded, arguments: Option<&str>) -> (Action, String) {
    let document = arguments.and_then(|text| Document::parse(text.as_bytes(), &Limits::default()).ok());
    let call = Call {
        server: &record.server,
        method: &record.method,
        capability: record.capability(),
        name: record.name.as_deref(),
        arguments: document.as_ref().map(Document::root),
    };
    let decision = policy.decide(&record.principal.principal(), &call);
    (decision.action, decision.rule.to_string())
}
