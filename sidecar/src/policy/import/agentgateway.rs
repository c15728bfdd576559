//! agentgateway's authorization rules: CEL expressions that allow, deny or are required.

use std::collections::{BTreeMap, BTreeSet};

use super::cel::{self, Clause, Test};
use super::draft::{Draft, Effect, rule};
use crate::failure::Failure;
use crate::policy::literal;
use crate::source::{Node, pointer_token};

/// True where the document has such rules.
pub(super) fn found(node: &Node) -> bool {
    !places(node, "").is_empty()
}

pub(super) fn translate(node: &Node, mut draft: Draft) -> Result<Draft, Failure> {
    let places = places(node, "");
    let [(at, rules)] = places.as_slice() else {
        let at: Vec<&str> = places.iter().map(|(at, _)| at.as_str()).collect();
        let message = match at.is_empty() {
            true => "has no `mcpAuthorization` and no `matchExpressions`".to_owned(),
            // Rules of different routes allow nothing of each other's.
            false => format!("has rules in several places ({}); import each from a file of its own", at.join(", ")),
        };
        return Err(Failure::new(message));
    };
    let mut claims = BTreeMap::new();
    // What must hold besides is part of every permission.
    let mut required: Vec<Clause> = vec![Vec::new()];
    for (index, entry) in rules.iter().enumerate().filter(|(_, entry)| entry.kind == Kind::Require) {
        match cel::alternatives(&entry.expression) {
            Ok(clauses) => {
                required =
                    required.iter().flat_map(|a| clauses.iter().map(move |b| [a.as_slice(), b].concat())).collect();
                if required.len() > MAX_REQUIRED {
                    return Err(Failure::new("requires more alternatives than can be carried over"));
                }
            }
            Err(why) => {
                required = Vec::new();
                draft.note(
                    &entry.node,
                    &format!("{at}/{index}"),
                    Effect::Stricter,
                    format!("{why}; nothing is allowed"),
                );
            }
        }
    }
    for (index, entry) in rules.iter().enumerate() {
        let pointer = format!("{at}/{index}");
        match (entry.kind, cel::alternatives(&entry.expression)) {
            (Kind::Require, _) => {}
            (Kind::Allow, Err(why)) => {
                draft.note(&entry.node, &pointer, Effect::Stricter, format!("{why}; it is left out"))
            }
            (Kind::Allow, Ok(clauses)) => {
                for clause in clauses.iter().flat_map(|a| required.iter().map(move |b| [a.as_slice(), b].concat())) {
                    allow(&clause, entry, &pointer, &mut claims, &mut draft);
                }
            }
            (Kind::Deny, read) => {
                let clauses = read.unwrap_or_else(|why| vec![vec![Test::Other(why)]]);
                for clause in &clauses {
                    deny(clause, entry, &pointer, &mut claims, &mut draft);
                }
            }
        }
    }
    if !rules.iter().any(|entry| entry.kind == Kind::Allow) {
        let why = "no rule allows anything; all is refused, unless you add a rule that allows";
        draft.note(node, at, Effect::Stricter, why);
    }
    servers(node, &mut draft);
    if !claims.is_empty() {
        let claims = claims.iter().map(|(slot, claim): (&&str, &String)| (*slot, Node::from(claim.as_str())));
        let mut identity = Node::object([("payload", Node::from("jwt"))]);
        identity.set("claims", Node::object(claims));
        draft.others.push(("identity", Node::object([("jwt", identity)])));
        let said = "`identity.jwt.payload` must be what Envoy's jwt_authn has as `payload_in_metadata`";
        draft.note(node, "", Effect::Assumed, said);
    }
    Ok(draft)
}

/// Where rules name targets, the targets become servers.
fn servers(node: &Node, draft: &mut Draft) {
    let named = |rule: &Node| rule.get("match").and_then(|matcher| matcher.get("server")).cloned();
    let in_rules: Vec<Node> = draft.rules.iter().filter_map(named).flat_map(|list| list.elements().to_vec()).collect();
    if in_rules.is_empty() {
        return;
    }
    let mut names = BTreeSet::new();
    targets(node, &mut names);
    // Patterns need a server that they fit.
    let plain = in_rules.iter().filter_map(Node::as_str).filter(|name| !name.contains(['*', '\\']));
    names.extend(plain.map(str::to_owned));
    for name in &names {
        let path: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
        draft.servers.push(Node::object([
            ("name", Node::from(name.as_str())),
            ("match", Node::object([("path_prefix", Node::from(format!("/{path}")))])),
        ]));
    }
    let said = "requests of a target are told by the path `/NAME`; say how yours are told apart in `servers[].match`";
    draft.note(node, "", Effect::Assumed, said);
}

/// The names of all targets in the document.
fn targets(node: &Node, names: &mut BTreeSet<String>) {
    for (key, value) in node.members() {
        if key == "targets" {
            names.extend(value.elements().iter().filter_map(|target| Some(target.get("name")?.as_str()?.to_owned())));
        }
        targets(value, names);
    }
    node.elements().iter().for_each(|element| targets(element, names));
}

/// One rule of theirs.
struct Entry {
    kind: Kind,
    expression: String,
    node: Node,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Allow,
    Deny,
    Require,
}

/// Where rules stand in the document, and which.
fn places(node: &Node, at: &str) -> Vec<(String, Vec<Entry>)> {
    let mut all = Vec::new();
    let strings = |list: &Node, kind: Kind| {
        let entry = |node: &Node| {
            let (kind, expression) = match node.as_str() {
                Some(text) => (kind, text.to_owned()),
                None => {
                    let word = |(word, kind): (&str, Kind)| Some((kind, node.get(word)?.as_str()?.to_owned()));
                    [("deny", Kind::Deny), ("require", Kind::Require), ("allow", Kind::Allow)]
                        .into_iter()
                        .find_map(word)
                        // Not one of theirs: denies, whatever it says.
                        .unwrap_or((Kind::Deny, "a rule of an unknown kind".to_owned()))
                }
            };
            Entry { kind, expression, node: node.clone() }
        };
        list.elements().iter().map(entry).collect::<Vec<_>>()
    };
    if let Some(rules) = node.get("mcpAuthorization").and_then(|authorization| authorization.get("rules")) {
        all.push((format!("{at}/mcpAuthorization/rules"), strings(rules, Kind::Allow)));
    }
    if let Some(rules) = node.get("policy").and_then(|policy| policy.get("matchExpressions")) {
        let kind = match node.get("action").and_then(Node::as_str) {
            Some("Deny") => Kind::Deny,
            Some("Require") => Kind::Require,
            _ => Kind::Allow,
        };
        all.push((format!("{at}/policy/matchExpressions"), strings(rules, kind)));
    }
    for (key, value) in node.members().iter().filter(|(key, _)| key != "mcpAuthorization") {
        all.extend(places(value, &format!("{at}/{}", pointer_token(key))));
    }
    for (index, value) in node.elements().iter().enumerate() {
        all.extend(places(value, &format!("{at}/{index}")));
    }
    all
}

fn allow(clause: &Clause, entry: &Entry, at: &str, claims: &mut BTreeMap<&'static str, String>, draft: &mut Draft) {
    let mut matcher = Matcher::default();
    for test in clause {
        if let Err(why) = matcher.add(test, claims) {
            draft.note(&entry.node, at, Effect::Stricter, format!("{why} cannot be said; it is left out"));
            return;
        }
    }
    if let Some(node) = matcher.finish() {
        let id = draft.id(&matcher.title("allow"));
        draft.rules.push(rule(&id, node, Vec::new(), "allow", None));
    }
}

fn deny(clause: &Clause, entry: &Entry, at: &str, claims: &mut BTreeMap<&'static str, String>, draft: &mut Draft) {
    let mut matcher = Matcher::default();
    for test in clause {
        if let Err(why) = matcher.add(test, claims) {
            draft.note(
                &entry.node,
                at,
                Effect::Stricter,
                format!("{why} cannot be said; the denial is about more without it"),
            );
        }
    }
    if let Some(node) = matcher.finish() {
        let id = draft.id(&matcher.title("deny"));
        draft.rules.push(rule(&id, node, Vec::new(), "deny", None));
    }
}

/// A matcher in the making: globs by field.
#[derive(Default)]
struct Matcher {
    capability: Option<&'static str>,
    /// Nothing can match.
    never: bool,
    fields: BTreeMap<&'static str, Vec<String>>,
}

impl Matcher {
    /// Adds a test; `Err` with what it is about where a matcher cannot say it.
    fn add(&mut self, test: &Test, claims: &mut BTreeMap<&'static str, String>) -> Result<(), String> {
        let field = match test {
            Test::OneOf(field, _) | Test::Begins(field, _) | Test::Ends(field, _) | Test::Holds(field, _) => {
                field.as_str()
            }
            Test::Other(what) => return Err(what.clone()),
        };
        let capability = match field {
            "mcp.tool.name" => Some("tool"),
            "mcp.resource.name" | "mcp.resource.uri" => Some("resource"),
            "mcp.prompt.name" => Some("prompt"),
            "mcp.tool.target" => Some("tool"),
            "mcp.resource.target" => Some("resource"),
            "mcp.prompt.target" => Some("prompt"),
            _ => None,
        };
        let is_list = |slot| matches!(slot, "roles" | "teams");
        let slot = match (field.ends_with(".target"), capability) {
            (true, Some(_)) => "server",
            (false, Some(_)) => "name",
            (_, None) => {
                let claim = field.strip_prefix("jwt.").ok_or_else(|| format!("`{field}`"))?;
                let slot = claim_slot(claim).ok_or_else(|| format!("the claim `{claim}`"))?;
                if claims.get(slot).is_some_and(|known| known != claim) {
                    return Err(format!(
                        "the claim `{claim}` beside `{}`",
                        claims.get(slot).map_or("", String::as_str)
                    ));
                }
                slot
            }
        };
        let globs = match test {
            Test::OneOf(_, values) if !is_list(slot) => values.iter().map(|value| literal(value)).collect(),
            Test::Begins(_, text) if !is_list(slot) => vec![format!("{}*", literal(text))],
            Test::Ends(_, text) if !is_list(slot) => vec![format!("*{}", literal(text))],
            Test::Holds(_, text) if is_list(slot) => vec![literal(text)],
            Test::Holds(_, text) if capability.is_some() => vec![format!("*{}*", literal(text))],
            // A claim that is one string there may be several of ours, and the other way round.
            _ => return Err(format!("this test of `{field}`")),
        };
        if let Some(capability) = capability {
            self.never |= self.capability.is_some_and(|known| known != capability);
            self.capability = Some(capability);
        } else if let Some(claim) = field.strip_prefix("jwt.") {
            claims.insert(slot, claim.to_owned());
        }
        match self.fields.get_mut(slot) {
            None => drop(self.fields.insert(slot, globs)),
            // Both must hold: where both are plain texts, those that are in both.
            Some(known) if !is_list(slot) && known.iter().chain(&globs).all(|glob| !glob.contains('*')) => {
                known.retain(|glob| globs.contains(glob));
            }
            Some(_) => return Err(format!("a second test of `{field}`")),
        }
        self.never |= self.fields.values().any(Vec::is_empty);
        Ok(())
    }

    /// The matcher; `None` where nothing can match it.
    fn finish(&self) -> Option<Node> {
        if self.never {
            return None;
        }
        let mut node = Node::object::<&str>([]);
        let globs = |list: &Vec<String>| Node::array(list.iter().map(String::as_str));
        let who = ["id", "tenant", "roles", "teams", "agent"];
        let who: Vec<(&str, Node)> =
            who.into_iter().filter_map(|slot| Some((slot, globs(self.fields.get(slot)?)))).collect();
        if !who.is_empty() {
            node.set("principal", Node::object(who));
        }
        if let Some(server) = self.fields.get("server") {
            node.set("server", globs(server));
        }
        let capabilities = self.capability.map_or(vec!["tool", "resource", "prompt"], |one| vec![one]);
        node.set("capability", Node::array(capabilities));
        if let Some(names) = self.fields.get("name") {
            node.set("name", globs(names));
        }
        Some(node)
    }

    fn title(&self, action: &str) -> String {
        let first = |slot: &str| match self.fields.get(slot)?.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [one, other] => Some(format!("{one}-or-{other}")),
            [one, more @ ..] => Some(format!("{one}-or-{}-more", more.len())),
        };
        let what = first("name").or_else(|| self.capability.map(str::to_owned)).unwrap_or_else(|| "all".to_owned());
        match ["id", "roles", "teams", "agent", "tenant"].into_iter().find_map(first) {
            Some(who) => format!("{action}-{what}-for-{who}"),
            None => format!("{action}-{what}"),
        }
    }
}

/// Which attribute of ours a claim is.
fn claim_slot(claim: &str) -> Option<&'static str> {
    Some(match claim {
        "sub" => "id",
        "tenant" | "tenant_id" | "org" | "org_id" => "tenant",
        "roles" | "realm_access.roles" => "roles",
        "groups" | "teams" => "teams",
        "azp" | "client_id" | "agent" | "agent_id" => "agent",
        _ => return None,
    })
}

const MAX_REQUIRED: usize = 64;
