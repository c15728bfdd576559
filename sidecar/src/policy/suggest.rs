//! `portcullis policy suggest`: the least that the recorded traffic needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use portcullis_engine::mcp::Capability;
use serde_json::json;

use super::audit::{self, Caller, Group, Log};
use super::literal;
use super::outcomes::Outcomes;
use crate::Report;
use crate::config::{self, Environment};
use crate::failure::Failure;
use crate::source::Node;
use crate::style;

/// What to learn from and how closely.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  portcullis policy suggest --audit shadow.log > policy.yaml
  portcullis policy suggest --audit shadow.log --base policy.yaml --env staging --max-names 20

Learns from calls that went through and that the server answered. Callers who made the same calls are put
together by a role or team that only they have, otherwise they are named. Names are listed one by one; only where
there are more than --max-names they become patterns, none of which fits a name that others used. A bound on the
size of arguments is set above the largest request, and with --quotas on the calls of an hour. Calls that a scanner or check would have stopped are not
learnt from. Read what you get: what an attacker did while you recorded is in it.

Exit codes: 0 a policy was written, 2 wrong usage, unreadable input, or nothing to learn from")]
pub(crate) struct Args {
    /// The log with the audit records; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    audit: PathBuf,
    /// Take everything but the rules from this policy
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    #[command(flatten)]
    environment: Environment,
    /// How many names a rule may list before they become patterns
    #[arg(long, value_name = "NUMBER", default_value_t = 12)]
    max_names: usize,
    /// Also limit each caller to twice the calls of its busiest hour
    #[arg(long)]
    quotas: bool,
    /// Print one JSON object with the policy and what was learnt
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Report, Failure> {
    let log = audit::read(&args.audit)?;
    let learnt: Vec<&Group> = log.groups.iter().filter(|group| teaches(group)).collect();
    if learnt.is_empty() {
        return Err(Failure::file(&args.audit, "holds no call that went through and was answered"));
    }
    let rules = Learner { log: &log, learnt: &learnt, max_names: args.max_names }.rules();
    let mut policy = match &args.base {
        Some(base) => config::build(base, &args.environment)?.node,
        None => frame(&learnt),
    };
    policy.set("default", "deny".into());
    policy.take("mode");
    policy.set("rules", Node::array(rules.iter().map(|rule| rule.node.clone())));
    if args.quotas {
        policy.set("quotas", Node::array(rules.iter().map(Learnt::quota)));
    }
    let built = config::compile(policy)?;
    let denied = refused(&built, &learnt)?;
    let calls: u64 = learnt.iter().map(|group| group.count).sum();
    if args.json {
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| json!({"id": rule.node.get("id").and_then(Node::as_str), "calls": rule.calls, "callers": rule.callers}))
            .collect();
        let value = json!({
            "policy": built.node.to_serde(), "records": log.records, "learnt_from": calls, "rules": rules,
            "refused": denied,
        });
        return Report::json(&value, false);
    }
    let style = style::stderr();
    eprintln!(
        "{} from {calls} of {} recorded messages; {denied} of them the policy would refuse",
        style.bold(&format!("{} rules", rules.len())),
        log.records
    );
    Ok(Report::new(built.node.to_yaml(), false))
}

/// Calls that went through, were answered, and that nothing but a rule would have stopped.
fn teaches(group: &Group) -> bool {
    let record = &group.record;
    let of_use = matches!(
        record.capability(),
        Capability::Tool | Capability::Resource | Capability::Prompt | Capability::Completion | Capability::Task
    );
    of_use && record.name.is_some() && record.passed() && record.succeeded && !record.suspicious()
}

/// A policy for the servers of the log, to be filled in.
fn frame(learnt: &[&Group]) -> Node {
    let servers: BTreeSet<&str> = learnt.iter().map(|group| group.record.server.as_str()).collect();
    let only = servers.len() == 1;
    let servers = servers.into_iter().filter(|server| !server.is_empty()).map(|server| {
        let matcher = match only {
            true => Node::object::<&str>([]),
            false => Node::object([("path_prefix", Node::from(format!("/{}", path_segment(server))))]),
        };
        Node::object([("name", Node::from(server)), ("match", matcher)])
    });
    Node::object([("version", Node::from("1")), ("default", "deny".into()), ("servers", Node::array(servers))])
}

fn path_segment(server: &str) -> String {
    server.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect()
}

/// How many of the calls the policy would refuse whatever their arguments.
fn refused(built: &config::Built, learnt: &[&Group]) -> Result<u64, Failure> {
    let outcomes = Outcomes::new(built)?;
    let refused = |group: &&&Group| outcomes.of(group).iter().all(|one| !one.action.lets_through());
    Ok(learnt.iter().filter(refused).map(|group| group.count).sum())
}

struct Learnt {
    node: Node,
    calls: u64,
    callers: usize,
    /// Most calls of one caller in one hour.
    peak: u64,
}

impl Learnt {
    fn quota(&self) -> Node {
        let id = self.node.get("id").and_then(Node::as_str).unwrap_or_default();
        Node::object([
            ("id", Node::from(id)),
            ("description", format!("at most {} of one caller in one hour", count(self.peak, "call")).into()),
            ("match", self.node.get("match").cloned().unwrap_or(Node::object::<&str>([]))),
            ("limit", format!("{}/hour", self.peak.saturating_mul(2)).into()),
            ("per", Node::array(["principal"])),
        ])
    }
}

struct Learner<'l> {
    log: &'l Log,
    learnt: &'l [&'l Group],
    max_names: usize,
}

/// What is used: on which server, by which capability.
type Place = (String, &'static str);

/// Who uses it: an attribute that only they have, or their ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Everybody,
    Role(String),
    Team(String),
    Agent(String),
    /// One caller, by kind and id.
    Callers(BTreeSet<Caller>),
}

impl Learner<'_> {
    fn rules(&self) -> Vec<Learnt> {
        // Who uses each name, then which names each group of callers uses.
        let mut users: BTreeMap<(Place, String), BTreeSet<Caller>> = BTreeMap::new();
        for group in self.learnt {
            let (place, name) = place(group);
            users.entry((place, name)).or_default().insert(group.record.principal.clone());
        }
        let mut names: BTreeMap<(Place, Who), BTreeSet<String>> = BTreeMap::new();
        for ((place, name), callers) in &users {
            for who in self.cover(callers) {
                names.entry((place.clone(), who)).or_default().insert(name.clone());
            }
        }
        let mut ids = BTreeSet::new();
        names.iter().map(|((place, who), names)| self.rule(place, who, names, &mut ids)).collect()
    }

    /// Groups that together are exactly these callers, as far as the log knows.
    fn cover(&self, callers: &BTreeSet<Caller>) -> Vec<Who> {
        if callers.iter().any(|caller| caller.kind.is_none()) {
            return vec![Who::Everybody];
        }
        let all: BTreeSet<&Caller> = self.log.groups.iter().map(|group| &group.record.principal).collect();
        let mut candidates: BTreeMap<Who, BTreeSet<&Caller>> = BTreeMap::new();
        for caller in &all {
            for role in &caller.roles {
                candidates.entry(Who::Role(role.clone())).or_default().insert(caller);
            }
            for team in caller.teams.iter().flatten() {
                candidates.entry(Who::Team(team.clone())).or_default().insert(caller);
            }
            if let Some(agent) = &caller.agent {
                candidates.entry(Who::Agent(agent.clone())).or_default().insert(caller);
            }
        }
        // Nobody else may have it: the group would be given what only some of it were seen to need.
        candidates.retain(|_, holders| holders.len() > 1 && holders.iter().all(|holder| callers.contains(*holder)));
        let mut left: BTreeSet<&Caller> = callers.iter().collect();
        let mut cover = Vec::new();
        while let Some((who, holders)) = candidates
            .iter()
            .max_by_key(|(_, holders)| holders.intersection(&left).count())
            .filter(|(_, holders)| holders.intersection(&left).count() > 1)
        {
            cover.push(who.clone());
            left.retain(|caller| !holders.contains(caller));
        }
        if !left.is_empty() {
            cover.push(Who::Callers(left.into_iter().cloned().collect()));
        }
        cover
    }

    fn rule(&self, place: &Place, who: &Who, names: &BTreeSet<String>, ids: &mut BTreeSet<String>) -> Learnt {
        let groups: Vec<&&Group> = self
            .learnt
            .iter()
            .filter(|group| {
                let (here, name) = self::place(group);
                here == *place && names.contains(&name) && who.has(&group.record.principal)
            })
            .collect();
        let callers: BTreeSet<&Caller> = groups.iter().map(|group| &group.record.principal).collect();
        let calls: u64 = groups.iter().map(|group| group.count).sum();
        let (server, capability) = place;
        let mut matcher = Node::object::<&str>([]);
        let principal = who.matcher(&callers);
        if !principal.members().is_empty() {
            matcher.set("principal", principal);
        }
        if !server.is_empty() {
            matcher.set("server", Node::array([literal(server)]));
        }
        matcher.set("capability", Node::array([*capability]));
        let others = self.other_names(place, names);
        let patterns = patterns(names, &others, self.max_names);
        matcher.set("name", Node::array(patterns.iter().map(String::as_str)));
        let mut id = format!(
            "{}{capability}s-of-{}",
            if server.is_empty() { String::new() } else { format!("{server}-") },
            who.title()
        );
        while !ids.insert(id.clone()) {
            id.push_str("-more");
        }
        let first = groups.iter().map(|group| group.first.as_str()).min().unwrap_or_default();
        let last = groups.iter().map(|group| group.last.as_str()).max().unwrap_or_default();
        let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
        let description = format!(
            "{} by {}, {} to {}",
            count(calls, "call"),
            count(callers.len() as u64, "caller"),
            day(first),
            day(last)
        );
        let mut node = Node::object([("id", Node::from(id)), ("description", description.into()), ("match", matcher)]);
        let mut conditions = Vec::new();
        let largest = groups.iter().map(|group| group.largest).max().unwrap_or_default();
        if *capability == "tool" && largest > 0 {
            let bound = largest.max(512).next_power_of_two();
            conditions.push(Node::object([
                ("path", Node::from("")),
                ("op", "max_size".into()),
                ("value", Node::number(bound)),
                ("missing", "holds".into()),
            ]));
        }
        if let Some(directories) = directories(&patterns).filter(|_| *capability == "resource") {
            // A pattern does not see where `..` leads.
            let value = Node::array(directories.iter().map(String::as_str));
            conditions.push(Node::object([
                ("path", Node::from("uri")),
                ("op", "path_within".into()),
                ("value", value),
            ]));
        }
        if !conditions.is_empty() {
            node.set("arguments", Node::array(conditions));
        }
        node.set("action", "allow".into());
        let mut by_hour: BTreeMap<(&Caller, &str), u64> = BTreeMap::new();
        for group in &groups {
            for (hour, calls) in &group.by_hour {
                *by_hour.entry((&group.record.principal, hour)).or_default() += calls;
            }
        }
        let peak = by_hour.into_values().max().unwrap_or_default();
        Learnt { node, calls, callers: callers.len(), peak }
    }

    /// Names of the same place that these callers were not seen to use.
    fn other_names(&self, place: &Place, names: &BTreeSet<String>) -> BTreeSet<String> {
        let named = |group: &Group| {
            let capability = group.record.capability().as_str();
            let name = group.record.name.clone()?;
            (group.record.server == place.0 && capability == place.1 && !names.contains(&name)).then_some(name)
        };
        self.log.groups.iter().filter_map(named).collect()
    }
}

impl Who {
    fn has(&self, caller: &Caller) -> bool {
        match self {
            Self::Everybody => true,
            Self::Role(role) => caller.roles.contains(role),
            Self::Team(team) => caller.teams.iter().flatten().any(|known| known == team),
            Self::Agent(agent) => caller.agent.as_ref() == Some(agent),
            Self::Callers(callers) => callers.contains(caller),
        }
    }

    /// The matcher, with the kinds and tenants that were seen.
    fn matcher(&self, callers: &BTreeSet<&Caller>) -> Node {
        let mut node = Node::object::<&str>([]);
        if *self == Self::Everybody {
            return node;
        }
        let kinds: BTreeSet<&str> = callers.iter().filter_map(|caller| Some(caller.kind?.as_str())).collect();
        node.set("kind", Node::array(kinds));
        let list = |texts: BTreeSet<&str>| Node::array(texts.into_iter().map(literal));
        match self {
            Self::Everybody => {}
            Self::Role(role) => node.set("roles", Node::array([literal(role)])),
            Self::Team(team) => node.set("teams", Node::array([literal(team)])),
            Self::Agent(agent) => node.set("agent", Node::array([literal(agent)])),
            Self::Callers(_) => node.set("id", list(callers.iter().map(|caller| caller.id.as_str()).collect())),
        }
        if callers.iter().all(|caller| caller.tenant.is_some()) {
            node.set("tenant", list(callers.iter().filter_map(|caller| caller.tenant.as_deref()).collect()));
        }
        node
    }

    fn title(&self) -> String {
        match self {
            Self::Everybody => "everybody".to_owned(),
            Self::Role(name) | Self::Team(name) | Self::Agent(name) => name.clone(),
            Self::Callers(callers) => match (callers.first(), callers.len()) {
                (Some(one), 1) => one.id.clone(),
                (_, many) => format!("{many}-callers"),
            },
        }
    }
}

fn place(group: &Group) -> (Place, String) {
    let record = &group.record;
    ((record.server.clone(), record.capability().as_str()), record.name.clone().unwrap_or_default())
}

/// Globs that fit all of `names`, and none of `others`: the names themselves, or where there are too many, what
/// they have in common up to a separator.
fn patterns(names: &BTreeSet<String>, others: &BTreeSet<String>, max: usize) -> Vec<String> {
    if names.len() <= max {
        return names.iter().map(|name| literal(name)).collect();
    }
    // The longest beginnings first: they are the tightest.
    let mut by_prefix: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in names {
        for (at, separator) in name.char_indices().filter(|(_, c)| SEPARATORS.contains(c)) {
            let prefix = name.get(..at + separator.len_utf8()).unwrap_or_default();
            by_prefix.entry(prefix).or_default().push(name);
        }
    }
    by_prefix.retain(|prefix, fitting| {
        fitting.len() > 1 && !others.iter().any(|other| other.starts_with(*prefix)) && !bare(prefix)
    });
    let mut left: BTreeSet<&String> = names.iter().collect();
    let mut globs = Vec::new();
    // As few as needed: the beginning that saves most, the longest of equals.
    while left.len() + globs.len() > max {
        let saved = |fitting: &Vec<&String>| fitting.iter().filter(|name| left.contains(**name)).count();
        let best = by_prefix.iter().max_by_key(|(prefix, fitting)| (saved(fitting), prefix.len()));
        let Some((prefix, fitting)) = best.filter(|(_, fitting)| saved(fitting) > 1) else { break };
        globs.push(format!("{}*", literal(prefix)));
        for name in fitting {
            left.remove(name);
        }
    }
    globs.extend(left.into_iter().map(|name| literal(name)));
    globs
}

/// A beginning that says nothing of what follows: `https://`.
fn bare(prefix: &str) -> bool {
    prefix.ends_with("://") || prefix.ends_with(":/") || prefix.ends_with(':')
}

/// The directories of patterns of `file:` URIs; `None` where one is not such a pattern.
fn directories(patterns: &[String]) -> Option<Vec<String>> {
    if !patterns.iter().any(|pattern| pattern.ends_with('*')) {
        return None;
    }
    let directory = |pattern: &String| {
        let path = pattern.strip_prefix("file://")?;
        let fixed = path.strip_suffix('*').unwrap_or(path).trim_end_matches('/');
        (fixed.len() > 1 && !fixed.contains(['*', '?', '\\', '%'])).then(|| fixed.to_owned())
    };
    patterns.iter().map(directory).collect()
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

const SEPARATORS: [char; 5] = ['_', '-', '.', '/', ':'];

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn patterns_fit_no_other_name() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let names = set(&["read_a", "read_b", "read_c", "list_a", "x"]);
        assert_eq!(patterns(&names, &set(&[]), 5).len(), 5);
        assert_eq!(patterns(&names, &set(&[]), 3), ["read_*", "list_a", "x"]);
        assert_eq!(patterns(&names, &set(&["read_secret"]), 3).len(), 5, "no pattern, for it would fit another name");
        let files = set(&["file:///data/a", "file:///data/b/c", "file:///data/d"]);
        assert_eq!(patterns(&files, &set(&["file:///etc/passwd"]), 2), ["file:///data/*"]);
    }
}
