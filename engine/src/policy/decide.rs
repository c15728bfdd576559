//! From rules in their order of precedence to one decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Call;
use super::predicate::{Lookups, Numbers};
use super::rule::Rule;
use super::scope::CapabilitySet;
use super::template::{Fit, Template};
use crate::cel::Moment;
use crate::config::{Action, Fallback, Mode};
use crate::glob::Globs;
use crate::mcp::Capability;
use crate::principal::Principal;
use crate::principal::PrincipalMatcher;
use crate::sort::Arrange;
use crate::sort::Insert;

/// What is done about a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is enforced.
    pub action: Action,
    /// Id of the rule that decided: one of the policy's, `default`, `builtin:protocol`,
    /// `builtin:list`, `builtin:shadow` or `builtin:disabled`.
    pub rule: Arc<str>,
    /// Why, for the caller: the rule's `reason`, or a sentence of our own. Holds no value of the call.
    pub reason: Arc<str>,
    /// True where a refusal is answered as if the tool, resource or prompt did not exist.
    pub hide: bool,
    /// What would have been decided if every shadow rule (and a deployment in shadow mode) were
    /// enforced; `None` where that is the same action.
    pub would: Option<Verdict>,
}

impl Decision {
    /// True where the message passes at once ([`Action::Allow`], [`Action::LogOnly`]).
    #[must_use]
    pub fn lets_through(&self) -> bool {
        self.action.lets_through()
    }
}

/// An action with its rule and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is decided.
    pub action: Action,
    /// Id of the rule that decides.
    pub rule: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
}

/// The compiled rules with what happens without one.
#[derive(Debug)]
pub(super) struct Rules {
    /// By precedence: priority, then restriction, then document order.
    ranked: Vec<Rule>,
    /// What is asked of each rule first, in the same order.
    heads: Vec<Head>,
    /// How many different parts the heads name.
    parts: usize,
    /// What the conditions ask for.
    numbers: Numbers,
    /// Candidates by server; those for a name that is no server of the configuration stand under `""`.
    by_server: BTreeMap<Box<str>, Candidates>,
    fallbacks: Fallbacks,
}

impl Rules {
    /// `rules` in document order; `servers` are the names of the configuration's servers.
    pub(super) fn new(mut rules: Vec<Rule>, servers: &[Arc<str>], fallbacks: Fallbacks) -> Self {
        // The sort is stable: document order decides what is left.
        rules.arrange_by(|a, b| b.priority.cmp(&a.priority).then(b.action.cmp(&a.action)));
        let mut numbers = Numbers::default();
        for rule in &mut rules {
            rule.conditions.number(&mut numbers);
        }
        let (heads, parts) = heads(&rules);
        let mut by_server: BTreeMap<Box<str>, Candidates> =
            servers.iter().map(|name| (Box::from(&**name), Candidates::new(&rules, Some(name)))).insert_all();
        by_server.entry(Box::from("")).or_insert_with(|| Candidates::new(&rules, None));
        Self { ranked: rules, heads, parts, numbers, by_server, fallbacks }
    }

    pub(super) fn decide(&self, principal: &Principal, call: &Call<'_>, moment: &Moment<'_>) -> Decision {
        let lookups = Lookups::new(call.arguments, &self.numbers);
        let mut enforced = None;
        let mut would = None;
        let asked = Asked {
            principal,
            server: call.server,
            method: Some(call.method),
            capability: call.capability,
            name: call.name,
        };
        for rule in self.fitting(asked) {
            if would.is_some() && rule.shadow {
                continue;
            }
            if !rule.conditions.hold(&lookups) || !rule.when.holds(principal, call, moment) {
                continue;
            }
            would = would.or(Some(rule));
            if !rule.shadow {
                enforced = Some(rule);
                break;
            }
        }
        let fallback = self.fallbacks.get(call.capability);
        let (verdict, hide) = match enforced {
            Some(rule) => (rule.verdict(), rule.hide),
            None => (fallback.enforced.clone(), fallback.hide),
        };
        let would = would.map_or(&fallback.would, |rule| &rule.verdict);
        let would = (would.action != verdict.action).then(|| would.clone());
        let hide = hide && verdict.action == Action::Deny;
        Decision { action: verdict.action, rule: verdict.rule, reason: verdict.reason, hide, would }
    }

    pub(super) fn visible(&self, principal: &Principal, server: &str, capability: Capability, name: &str) -> bool {
        let asked = Asked { principal, server, method: used_by(capability), capability, name: Some(name) };
        for rule in self.fitting(asked) {
            if rule.shadow {
                continue;
            }
            match (rule.action, rule.conditions.is_empty() && rule.when.is_empty()) {
                // It would refuse whatever the arguments.
                (Action::Deny, true) => return false,
                // It would for some arguments only: what comes behind it decides about the others.
                (Action::Deny, false) => {}
                // There may be arguments with which the call passes, at once or after approval.
                (Action::Allow | Action::LogOnly | Action::RequireApproval, _) => return true,
            }
        }
        self.fallbacks.get(capability).enforced.action != Action::Deny
    }

    /// The same for a URI template: false where every URI that it expands to would be refused.
    pub(super) fn template_visible(&self, principal: &Principal, server: &str, template: &Template<'_>) -> bool {
        for rule in self.ranked.iter().filter(|rule| !rule.shadow) {
            let unconditional = rule.conditions.is_empty() && rule.when.is_empty();
            match (rule.scope.fits_template(principal, server, template), rule.action, unconditional) {
                (Fit::None, ..) | (Fit::Some, Action::Deny, _) | (Fit::All, Action::Deny, false) => {}
                (Fit::All, Action::Deny, true) => return false,
                (_, Action::Allow | Action::LogOnly | Action::RequireApproval, _) => return true,
            }
        }
        self.fallbacks.get(Capability::Resource).enforced.action != Action::Deny
    }

    /// The rules whose `match` fits, by precedence.
    fn fitting<'a>(&'a self, asked: Asked<'a>) -> impl Iterator<Item = &'a Rule> {
        let candidates = self.by_server.get(asked.server).or_else(|| self.by_server.get(""));
        let mut judged = Judged(vec![None; self.parts]);
        candidates.into_iter().flat_map(move |candidates| candidates.by_name(asked.name)).filter_map(move |rank| {
            let rank = rank as usize;
            let (head, rule) = (self.heads.get(rank)?, self.ranked.get(rank)?);
            asked.fits(head, rule, &mut judged).then_some(rule)
        })
    }
}

/// What the rules are asked about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    principal: &'a Principal,
    server: &'a str,
    /// `None` fits every rule.
    method: Option<&'a str>,
    capability: Capability,
    name: Option<&'a str>,
}

impl Asked<'_> {
    /// [`Scope::fits`](super::scope::Scope::fits), asking about what several rules have in common once.
    fn fits(&self, head: &Head, rule: &Rule, judged: &mut Judged) -> bool {
        let scope = &rule.scope;
        head.capability.contains(self.capability)
            && judged.part(head.name, || scope.name.fit(self.name))
            && judged.part(head.principal, || scope.principal.fits(self.principal))
            && judged.part(head.method, || self.method.is_none_or(|method| scope.method.fit(Some(method))))
            && judged.part(head.server, || scope.server.fit(Some(self.server)))
    }
}

/// What most candidates fail by, close together in memory: a look at the rule itself is a cache line of its own.
#[derive(Debug)]
struct Head {
    capability: CapabilitySet,
    /// The numbers of its parts: equal parts have the same.
    name: u32,
    principal: u32,
    method: u32,
    server: u32,
}

/// The heads of the rules, and how many different parts they have. Rules of other environments are not among
/// them.
fn heads(rules: &[Rule]) -> (Vec<Head>, usize) {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum Part<'r> {
        Name(&'r Globs),
        Method(&'r Globs),
        Server(&'r Globs),
        Principal(&'r PrincipalMatcher),
    }
    let mut parts = BTreeMap::new();
    let mut number = |part| {
        let next = parts.len() as u32;
        *parts.entry(part).or_insert(next)
    };
    let mut heads = Vec::with_capacity(rules.len());
    for Rule { scope, .. } in rules {
        heads.push(Head {
            capability: scope.capability,
            name: number(Part::Name(&scope.name)),
            principal: number(Part::Principal(&scope.principal)),
            method: number(Part::Method(&scope.method)),
            server: number(Part::Server(&scope.server)),
        });
    }
    (heads, parts.len())
}

/// Which parts fit, as far as it was asked.
struct Judged(Vec<Option<bool>>);

impl Judged {
    fn part(&mut self, number: u32, fits: impl FnOnce() -> bool) -> bool {
        match self.0.get_mut(number as usize) {
            Some(known) => *known.get_or_insert_with(fits),
            None => fits(),
        }
    }
}

/// What happens to a message that no rule matches.
#[derive(Debug)]
pub(super) struct Fallbacks {
    protocol: Fallen,
    list: Fallen,
    other: Fallen,
}

#[derive(Debug)]
struct Fallen {
    enforced: Verdict,
    would: Verdict,
    hide: bool,
}

impl Fallbacks {
    pub(super) fn new(mode: Mode, default: Fallback, hide_denied: bool) -> Self {
        let builtin = |rule: &str, reason: &str| {
            let verdict = Verdict { action: Action::Allow, rule: Arc::from(rule), reason: Arc::from(reason) };
            Fallen { enforced: verdict.clone(), would: verdict, hide: false }
        };
        let by_default = match default {
            Fallback::Deny => Verdict {
                action: Action::Deny,
                rule: Arc::from("default"),
                reason: Arc::from("no rule of the policy allows it"),
            },
            Fallback::Allow => Verdict {
                action: Action::Allow,
                rule: Arc::from("default"),
                reason: Arc::from("the policy allows what no rule forbids"),
            },
        };
        let other = match mode {
            Mode::Enforce => Fallen { enforced: by_default.clone(), would: by_default, hide: hide_denied },
            Mode::Shadow => Fallen { would: by_default, ..builtin("builtin:shadow", "the policy is in shadow mode") },
            Mode::Disabled => builtin("builtin:disabled", "the policy is disabled"),
        };
        Self {
            protocol: builtin("builtin:protocol", "part of every MCP session"),
            list: builtin("builtin:list", "lists are filtered entry by entry"),
            other,
        }
    }

    fn get(&self, capability: Capability) -> &Fallen {
        match capability {
            Capability::Protocol => &self.protocol,
            Capability::List => &self.list,
            Capability::Tool
            | Capability::Resource
            | Capability::Prompt
            | Capability::Completion
            | Capability::Sampling
            | Capability::Elicitation
            | Capability::Roots
            | Capability::Task
            | Capability::Unknown => &self.other,
        }
    }
}

/// Ranks of the rules that can match on one server.
#[derive(Debug, Default)]
struct Candidates {
    /// By a name they give literally.
    named: BTreeMap<Box<str>, Vec<u32>>,
    /// By what a name has to begin with, up to the first wildcard.
    prefixed: BTreeMap<Box<str>, Vec<u32>>,
    /// The lengths of those beginnings, in bytes, ascending: one look-up each, however many rules there are.
    lengths: Vec<usize>,
    /// All the others.
    rest: Vec<u32>,
}

impl Candidates {
    /// `server`: `None` for names that are no server of the configuration.
    fn new(rules: &[Rule], server: Option<&str>) -> Self {
        let mut candidates = Self::default();
        for (rank, rule) in (0_u32..).zip(rules) {
            if server.is_some_and(|server| !rule.scope.fits_server(server)) {
                continue;
            }
            match rule.scope.names().filter(|names| names.iter().all(|name| !name.prefix().is_empty())) {
                Some(names) => {
                    for name in names {
                        let (index, key) = match name.literal() {
                            Some(literal) => (&mut candidates.named, literal),
                            None => (&mut candidates.prefixed, name.prefix()),
                        };
                        index.entry(key.into()).or_default().push(rank);
                    }
                }
                None => candidates.rest.push(rank),
            }
        }
        candidates.lengths = candidates.prefixed.keys().map(|prefix| prefix.len()).collect();
        candidates.lengths.arrange();
        candidates.lengths.dedup();
        candidates
    }

    /// The ranks of all that can match this name, ascending.
    fn by_name(&self, name: Option<&str>) -> Merged<'_> {
        let mut lists = vec![self.rest.as_slice()];
        if let Some(name) = name {
            lists.extend(self.named.get(name).map(Vec::as_slice));
            let prefixes = self.lengths.iter().map_while(|length| (*length <= name.len()).then(|| name.get(..*length)));
            lists.extend(prefixes.flatten().filter_map(|prefix| self.prefixed.get(prefix)).map(Vec::as_slice));
        }
        Merged(lists)
    }
}

/// Ascending lists as one. They are few, and the rule that decides often stands near the beginning.
struct Merged<'c>(Vec<&'c [u32]>);

impl Iterator for Merged<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let least = self.0.iter().filter_map(|list| list.first()).min().copied()?;
        for list in &mut self.0 {
            // A rule may stand under several of its names.
            while let Some((_, behind)) = list.split_first().filter(|(first, _)| **first == least) {
                *list = behind;
            }
        }
        Some(least)
    }
}

/// The method by which a listed thing is used.
fn used_by(capability: Capability) -> Option<&'static str> {
    match capability {
        Capability::Tool => Some("tools/call"),
        Capability::Resource => Some("resources/read"),
        Capability::Prompt => Some("prompts/get"),
        _ => None,
    }
}
