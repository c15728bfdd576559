//! Why a rule did or did not match a call.
//!
//! Nothing is matched here: the engine is asked about policies of one rule each, with all fields of the rule or
//! with one alone, so that an explanation cannot differ from what the filter does.

use portcullis_engine::cel::Moment;
use portcullis_engine::config::{Config, Fallback, MatchConfig, Mode, Op, PredicateConfig, PrincipalMatch, RuleConfig};
use portcullis_engine::mcp::Capability;
use portcullis_engine::policy::{Action, Call, Decision, Policy};
use portcullis_engine::principal::Principal;

use super::literal;
use crate::failure::Failure;

/// One rule tried on the call.
pub(super) struct Trial {
    pub(super) id: String,
    pub(super) action: Action,
    pub(super) priority: i32,
    pub(super) standing: Standing,
    /// The fields that do not fit, in words.
    pub(super) why_not: Vec<String>,
}

/// What a rule has to say about the call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It matches and decides.
    Decides,
    /// It matches, and a rule before it decides.
    Outranked,
    /// It matches, and is recorded only.
    Shadow,
    /// It does not match.
    NoMatch,
    /// It is switched off.
    Off,
}

impl Standing {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::Outranked => "outranked",
            Self::Shadow => "shadow",
            Self::NoMatch => "no_match",
            Self::Off => "off",
        }
    }
}

/// Every rule of the policy by precedence.
pub(super) fn all(
    config: &Config,
    principal: &Principal,
    call: &Call<'_>,
    moment: Moment<'_>,
    decision: &Decision,
) -> Result<Vec<Trial>, Failure> {
    let mut rules: Vec<&RuleConfig> = config.rules.iter().collect();
    rules.sort_by(|a, b| b.priority.cmp(&a.priority).then(b.action.cmp(&a.action)));
    let bench = Bench::new(config, principal, call, moment);
    rules.into_iter().map(|rule| bench.trial(rule, decision)).collect()
}

/// One call, and a policy without rules to try them in.
struct Bench<'a> {
    config: Config,
    mode: Mode,
    principal: &'a Principal,
    call: &'a Call<'a>,
    moment: Moment<'a>,
}

impl<'a> Bench<'a> {
    fn new(config: &Config, principal: &'a Principal, call: &'a Call<'a>, moment: Moment<'a>) -> Self {
        let mut bare = config.clone();
        bare.rules = Vec::new();
        bare.mode = Mode::Enforce;
        bare.default = Fallback::Deny;
        Self { config: bare, mode: config.mode, principal, call, moment }
    }

    fn trial(&self, rule: &RuleConfig, decision: &Decision) -> Result<Trial, Failure> {
        let mode = rule.mode.unwrap_or(self.mode);
        let matches = self.matches(rule)?;
        let standing = match mode {
            Mode::Disabled => Standing::Off,
            _ if !matches => Standing::NoMatch,
            _ if *decision.rule == *rule.id => Standing::Decides,
            Mode::Shadow => Standing::Shadow,
            Mode::Enforce => Standing::Outranked,
        };
        let why_not = if matches { Vec::new() } else { self.why_not(rule)? };
        Ok(Trial { id: rule.id.clone(), action: rule.action, priority: rule.priority, standing, why_not })
    }

    fn why_not(&self, rule: &RuleConfig) -> Result<Vec<String>, Failure> {
        let mut why = Vec::new();
        for (field, alone) in fields(&rule.r#match) {
            if !self.matches(&part(rule, alone, Vec::new(), None))? {
                why.push(self.misfit(field, &rule.r#match));
            }
        }
        // Named, for rules with conditions touch lists and the protocol only where they name the method.
        let named = MatchConfig { method: Some(vec![literal(self.call.method)]), ..MatchConfig::default() };
        for predicate in &rule.arguments {
            if !self.matches(&part(rule, named.clone(), vec![predicate.clone()], None))? {
                why.push(condition(predicate, rule.action));
            }
        }
        if let Some(when) = &rule.when
            && !self.matches(&part(rule, named, Vec::new(), Some(when.clone())))?
        {
            let side = if rule.action.lets_through() { ", or cannot be evaluated" } else { "" };
            why.push(format!("when `{when}` does not hold{side}"));
        }
        if why.is_empty() && matches!(self.call.capability, Capability::Protocol | Capability::List) {
            why.push(
                "a rule with `arguments` or `when` touches lists and the protocol only where `method` names the method"
                    .into(),
            );
        }
        if why.is_empty() {
            why.push("its conditions do not hold together".into());
        }
        Ok(why)
    }

    /// Whether the engine lets this rule alone decide the call.
    fn matches(&self, rule: &RuleConfig) -> Result<bool, Failure> {
        let mut config = self.config.clone();
        config.rules = vec![RuleConfig { mode: None, ..rule.clone() }];
        let policy = Policy::compile(config).map_err(|error| Failure::new(error.to_string()))?;
        Ok(*policy.decide_at(self.principal, self.call, &self.moment).rule == *rule.id)
    }

    /// What the rule wants and what the call has.
    fn misfit(&self, field: &str, wanted: &MatchConfig) -> String {
        let principal = self.principal;
        let one = |found: Option<&str>| found.map_or("none".to_owned(), |found| format!("\"{found}\""));
        let many = |found: &[String]| if found.is_empty() { "none".to_owned() } else { format!("{found:?}") };
        let id = (!principal.is_anonymous()).then_some(principal.id.as_str());
        let (wanted, found) = match field {
            "principal.kind" => {
                let kinds = wanted.principal.kind.iter().flatten().map(|kind| kind.as_str().to_owned()).collect();
                (kinds, one(principal.kind.map(|kind| kind.as_str())))
            }
            "principal.id" => (list(&wanted.principal.id), one(id)),
            "principal.tenant" => (list(&wanted.principal.tenant), one(principal.tenant.as_deref())),
            "principal.roles" => (list(&wanted.principal.roles), many(&principal.roles)),
            "principal.teams" => (list(&wanted.principal.teams), many(&principal.teams)),
            "principal.agent" => (list(&wanted.principal.agent), one(principal.agent.as_deref())),
            "server" => (list(&wanted.server), one(Some(self.call.server))),
            "capability" => {
                let capabilities = wanted.capability.iter().flatten().map(|wanted| wanted.as_str().to_owned());
                (capabilities.collect(), one(Some(self.call.capability.as_str())))
            }
            "method" => (list(&wanted.method), one(Some(self.call.method))),
            "name" => (list(&wanted.name), one(self.call.name)),
            _ => (list(&wanted.environment), one(Some(&self.config.environment))),
        };
        format!("{field} is {found}, wanted {}", wanted.join(" or "))
    }
}

/// The fields a matcher has, each with a matcher of that field alone.
fn fields(all: &MatchConfig) -> Vec<(&'static str, MatchConfig)> {
    let who = |principal| MatchConfig { principal, ..MatchConfig::default() };
    let nobody = PrincipalMatch::default;
    let principal = &all.principal;
    let candidates = [
        ("principal.kind", who(PrincipalMatch { kind: principal.kind.clone(), ..nobody() })),
        ("principal.id", who(PrincipalMatch { id: principal.id.clone(), ..nobody() })),
        ("principal.tenant", who(PrincipalMatch { tenant: principal.tenant.clone(), ..nobody() })),
        ("principal.roles", who(PrincipalMatch { roles: principal.roles.clone(), ..nobody() })),
        ("principal.teams", who(PrincipalMatch { teams: principal.teams.clone(), ..nobody() })),
        ("principal.agent", who(PrincipalMatch { agent: principal.agent.clone(), ..nobody() })),
        ("server", MatchConfig { server: all.server.clone(), ..MatchConfig::default() }),
        ("capability", MatchConfig { capability: all.capability.clone(), ..MatchConfig::default() }),
        ("method", MatchConfig { method: all.method.clone(), ..MatchConfig::default() }),
        ("name", MatchConfig { name: all.name.clone(), ..MatchConfig::default() }),
        ("environment", MatchConfig { environment: all.environment.clone(), ..MatchConfig::default() }),
    ];
    candidates.into_iter().filter(|(_, alone)| *alone != MatchConfig::default()).collect()
}

/// The rule with only a part of what it asks for.
fn part(rule: &RuleConfig, r#match: MatchConfig, arguments: Vec<PredicateConfig>, when: Option<String>) -> RuleConfig {
    RuleConfig { r#match, arguments, when, ..rule.clone() }
}

fn condition(predicate: &PredicateConfig, action: Action) -> String {
    let path = if predicate.path.is_empty() { "the arguments" } else { &predicate.path };
    let value = predicate.value.as_ref().map(|value| format!(" {}", value.as_json())).unwrap_or_default();
    let side = if action.lets_through() && predicate.op != Op::Exists { ", or cannot be judged" } else { "" };
    format!("{path} {}{value} does not hold{side}", op(predicate.op))
}

fn op(op: Op) -> String {
    serde_json::to_value(op).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn list(globs: &Option<Vec<String>>) -> Vec<String> {
    globs.iter().flatten().cloned().collect()
}
