//! What a policy's rules may decide about a call of which the arguments are not known.
//!
//! Nothing is matched here: the engine is asked about policies of one rule each, whose conditions always hold.

use portcullis_engine::config::Mode;
use portcullis_engine::json::{Document, Limits, quote};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Action, Call, Policy};

use super::audit::{Group, Recorded};
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
    conditions: Vec<Condition>,
    /// It has a condition that is never known.
    when: bool,
    names_teams: bool,
}

/// One condition of a rule by itself.
struct Condition {
    policy: Policy,
    /// The argument it looks at; `None` for the arguments as a whole.
    argument: Option<String>,
    /// It bounds the size of the arguments as a whole.
    bounds_all: bool,
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
    pub(super) fn of(&self, group: &Group) -> Vec<Possible> {
        let record = &group.record;
        let mut possible: Vec<Possible> = Vec::new();
        let mut add = |action, rule: &str| {
            if !possible.iter().any(|known| known.action == action && known.rule == rule) {
                possible.push(Possible { action, rule: rule.to_owned() });
            }
        };
        for rule in &self.rules {
            match rule.fits(group) {
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
    fn fits(&self, group: &Group) -> Fits {
        let record = &group.record;
        let teams_unknown = self.names_teams && record.principal.kind.is_some() && record.principal.teams.is_none();
        if teams_unknown {
            return Fits::Perhaps;
        }
        if decide(&self.matcher, record, None).1 != self.id {
            return Fits::No;
        }
        let mut fits = if self.when { Fits::Perhaps } else { Fits::Yes };
        for condition in &self.conditions {
            match condition.holds(&self.id, group) {
                Fits::No => return Fits::No,
                Fits::Perhaps => fits = Fits::Perhaps,
                Fits::Yes => {}
            }
        }
        fits
    }
}

impl Condition {
    fn holds(&self, rule: &str, group: &Group) -> Fits {
        let record = &group.record;
        let said = |arguments: &str| decide(&self.policy, record, Some(arguments)).1 == rule;
        let Some(argument) = &self.argument else {
            // The body was as large as its arguments at least.
            let body = usize::try_from(group.largest).unwrap_or(usize::MAX).min(MAX_BODY);
            let fits = self.bounds_all && group.largest > 0 && said(&quote(&"a".repeat(body)));
            return if fits { Fits::Yes } else { Fits::Perhaps };
        };
        let known = |key: &String| match &record.name {
            // What the record calls the name is this very argument.
            Some(uri) if record.capability() == Capability::Resource && key == "uri" => quote(uri),
            _ => "null".to_owned(),
        };
        let unsent = !record.argument_keys.iter().any(|key| key.eq_ignore_ascii_case(argument));
        let is_uri = record.capability() == Capability::Resource && argument == "uri" && record.name.is_some();
        if !unsent && !is_uri {
            return Fits::Perhaps;
        }
        let mut keys = record.argument_keys.clone();
        if is_uri && !keys.contains(argument) {
            keys.push(argument.clone());
        }
        // The values of arguments that it does not look at do not matter.
        let members: Vec<String> = keys.iter().map(|key| format!("{}:{}", quote(key), known(key))).collect();
        if said(&format!("{{{}}}", members.join(","))) { Fits::Yes } else { Fits::No }
    }
}

fn single(id: String, action: Action, node: &Node, bare: &Node) -> Result<Single, Failure> {
    let mut rule = node.clone();
    rule.take("mode");
    let when = rule.take("when").is_some();
    let conditions = rule.take("arguments").map(|list| list.elements().to_vec()).unwrap_or_default();
    let with = |conditions: Vec<Node>| {
        let (mut policy, mut rule) = (bare.clone(), rule.clone());
        if !conditions.is_empty() {
            rule.set("arguments", Node::array(conditions));
        }
        policy.set("rules", Node::array([rule]));
        compile(&policy)
    };
    let matcher = if conditions.is_empty() && !when {
        with(Vec::new())?
    } else {
        // Rules with conditions leave lists and the protocol alone; so must what stands for them.
        let types = Node::array(["object", "array", "string", "number", "boolean", "null"]);
        let holds = [("path", Node::from("")), ("op", "type".into()), ("value", types), ("missing", "holds".into())];
        with(vec![Node::object(holds)])?
    };
    let condition = |condition: &Node| {
        let text = |key: &str| condition.get(key).and_then(Node::as_str).unwrap_or_default();
        let argument = top_level(text("path"));
        let bounds_all = argument.is_none() && text("op") == "max_size";
        Ok(Condition { policy: with(vec![condition.clone()])?, argument, bounds_all })
    };
    let conditions = conditions.iter().map(condition).collect::<Result<_, Failure>>()?;
    let names_teams = node.get("match").and_then(|m| m.get("principal")?.get("teams")).is_some();
    Ok(Single { id, action, matcher, conditions, when, names_teams })
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
    let document = arguments
        .and_then(|text| Document::parse(text.as_bytes(), &Limits { max_bytes: usize::MAX, ..Limits::default() }).ok());
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

/// The largest body that is tried; larger ones are refused by any filter.
const MAX_BODY: usize = 64 << 20;
